/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What flows between a container's monitor and those who attach to it, over a stream socket
 * (the socketpair of the command that started it, or <run>/containers/<id>/attach.sock).
 *
 *	client                         monitor
 *	  | <---- STARTED {pid} --------- |   exec succeeded (launching client only)
 *	  | <---- ERROR {struct err} ---- |   it did not start; the connection then ends
 *	  | ----- STDIN bytes ----------> |
 *	  | ----- STDIN_END ------------> |   half-close of the container's stdin
 *	  | ----- RESIZE {rows,cols} ---> |
 *	  | ----- SIGNAL {number} ------> |   to PID 1 of the container
 *	  | ----- RESTART {policy,max} -> |   another restart policy from now on
 *	  | ----- NETWORK {kind,count} -> |   sockets, see below
 *	  | ----- EXEC ---------------> |   sockets, see below
 *	  | <---- STDOUT / STDERR bytes - |
 *	  | <---- EXIT {code...} -------- |   after all output; the connection then ends, also when the
 *	  |                               |   container is to be restarted
 *
 * End of file without EXIT means that the monitor died: "monitor lost". A client that goes away
 * never disturbs the container. Frames with an unknown type or a payload over FRAME_PAYLOAD_MAX
 * end the connection. STDIN_END and the leaving of a client that asked for stdin close the container's
 * stdin only where it was made with StdinOnce, and never a terminal.
 *
 * A container that waits to be restarted has the state "restarting" and no PID 1. Whoever stops it
 * makes the file `stopped` in its run directory first: the monitor, which sees that at once, then ends
 * with EXIT. It may as well have begun the next run a moment before: read the state again until it is
 * not "restarting" any more, and signal what then runs.
 */
#ifndef CLOCHE_ENGINE_MONITOR_PROTOCOL_H
#define CLOCHE_ENGINE_MONITOR_PROTOCOL_H

#include <stdint.h>

#include "engine/keeper/protocol.h"

#define FRAME_PAYLOAD_MAX 65536

enum frame_type {
	/* 0-2 are numbered as in Docker's multiplexed streams */
	FRAME_STDIN = 0,
	FRAME_STDOUT = 1,
	FRAME_STDERR = 2,
	FRAME_STDIN_END = 16,
	FRAME_RESIZE = 17,
	FRAME_SIGNAL = 18,
	FRAME_ATTACH = 19, /* first frame of a client that came by attach.sock */
	FRAME_RESTART = 20,
	FRAME_NETWORK = 21,
	FRAME_EXEC = 22,
	FRAME_STARTED = 32,
	FRAME_ERROR = 33,
	FRAME_EXIT = 34,
};

/* The header has Docker's layout (type, three zero bytes, big-endian length), so that the API can
 * pass STDOUT and STDERR frames through untouched. */
struct frame_header {
	uint8_t type;
	uint8_t zero[3];
	uint8_t length_be[4];
};

struct frame_resize {
	uint16_t rows, columns;
};

struct frame_signal {
	int32_t number;
};

struct frame_attach {
	uint8_t want_stdin, want_output, zero[2];
};

struct frame_restart {
	uint32_t policy; /* enum plan_restart */
	uint32_t max;
};

/*
 * With plan_early.network the launcher sends this before the release, once <run dir>/network.script
 * stands (engine/network_release.h does it): sockets that keep the host's ports by SCM_RIGHTS, in as
 * many frames as it takes, all of one kind in each. The last of them is the go-ahead: the monitor, which
 * holds the sockets to the container's end, then connects the container while it is being set up.
 *
 * Later it may come from any client: sockets of a running container that was connected to another
 * network. The monitor keeps them as well.
 */
enum frame_socket {
	FRAME_SOCKET_HELD = 0, /* bound, so that nobody else has the port */
	/* TCP listening, or UDP bound, on the host's side: what comes there and was not translated (to
	 * [::1], to [::] of a container without IPv6) is for the container's port of the script */
	FRAME_SOCKET_FORWARD,
	/* for the keeper: the name service's inside the container (network/script.h): UDP, and TCP
	 * listening */
	FRAME_SOCKET_NAMES,
};

struct frame_network {
	uint8_t kind; /* enum frame_socket */
	uint8_t last;
	uint16_t count; /* how many came with this frame */
};

/*
 * EXEC is the only frame of a connection, and empty; by SCM_RIGHTS come, in this order, the plan of one
 * more process in the container, the lock of its state, and a pidfd of PID 1. The monitor forks a
 * supervisor, which has the connection from then on and stamps POINT_MONITOR_MAIN; or it hangs up, and
 * whoever asked starts a supervisor himself.
 */
#define EXEC_DESCRIPTORS 3

struct frame_started {
	int32_t pid;
};

struct frame_exit {
	int32_t code; /* 0-255, 128+n for signal n */
	int32_t signal;
	uint8_t oom_killed, zero[7];
	uint64_t finished_wall_ns;
};

static inline void frame_header_set(struct frame_header *h, enum frame_type type, uint32_t length)
{
	*h = (struct frame_header){.type = (uint8_t)type,
				   .length_be = {(uint8_t)(length >> 24), (uint8_t)(length >> 16),
						 (uint8_t)(length >> 8), (uint8_t)length}};
}

static inline uint32_t frame_length(const struct frame_header *h)
{
	return (uint32_t)h->length_be[0] << 24 | (uint32_t)h->length_be[1] << 16 |
	       (uint32_t)h->length_be[2] << 8 | h->length_be[3];
}

/*
 * <run>/containers/<id>/state.json, replaced atomically by the monitor, one line:
 * {"SchemaVersion":1,"Status":"running|restarting|exited|created","Pid":N,"MonitorPid":N,
 *  "StartedNs":N,"FinishedNs":N,"ExitCode":N,"ExitSignal":N,"SignalSender":"who","OomKilled":bool,
 *  "OomKills":N,"PeakMemoryBytes":N,"CpuUsageNs":N,"ThrottledPeriods":N,"ThrottledNs":N,
 *  "PidsMaxHits":N,"PressureUs":N,"RestartCount":N,"NextStartNs":N,"BootId":"uuid","Error":"text"}
 * Times are wall-clock ns. "created" with Error: the start failed. "restarting": between two runs, the
 * next of which begins at NextStartNs. Counters are those of the last run. SignalSender says who ended
 * PID 1, as far as that can be known: "kernel-oom", "user" (through the engine), "client" (a signal
 * passed on by an attached one), "self" (a fault of the program's own), "host" (something outside the
 * container), "" (unknown, or no signal).
 *
 * The same file stands in a persistent container's record directory, from shortly after the start, so
 * that after a reboot, which the boot id tells, its end is known.
 */

#endif
