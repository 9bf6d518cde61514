/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's network as its monitor has it: the sockets that keep its ports, those of its name
 * service, and the script that connects it (network/script.h). Without plan_early.network none of this
 * does anything, or touches any memory.
 */
#ifndef CLOCHE_ENGINE_MONITOR_NETWORK_H
#define CLOCHE_ENGINE_MONITOR_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/fd.h"
#include "engine/monitor/protocol.h"

#define NETWORK_SOCKETS_MAX 65536
#define NETWORK_NAMES_MAX 2

struct monitor;

struct network_socket {
	int fd;
	uint8_t kind;         /* enum frame_socket, never NAMES */
	bool stream, waiting; /* forward.c's */
};

struct monitor_network {
	bool told;   /* all that the launcher has to say about it came */
	bool undone; /* at the end: the script was taken back */
	bool failed; /* error says why */
	struct err error;
	int pending[FD_PASS_MAX]; /* came with the frame that is being read */
	size_t pending_count;
	int names[NETWORK_NAMES_MAX]; /* of this run */
	size_t name_count;
	size_t socket_count;
	struct network_socket sockets[NETWORK_SOCKETS_MAX]; /* to the container's end */
};

/* Room for what comes with a frame; what nobody took is closed. */
void network_drop_pending(struct monitor *m);
/* A whole FRAME_NETWORK: takes what is pending. The launcher's last one connects the container.
 * False when it does not hold what it says. */
bool must_check network_take(struct monitor *m, const struct frame_network *frame, bool launcher);
/* The launcher has gone; if it has not told all, there will be no network. */
void network_launcher_left(struct monitor *m);
/* Connects m->pid by the script as it stands now and lets the child know: at the first run, and again
 * at each that follows. -1 with m->network.error. */
int network_connect(struct monitor *m);
/* PID 1 has ended: closes what would hold its namespace. */
void network_run_ended(struct monitor *m);
/* The container has ended: rules, addresses, ports. Once; nobody has its ports or addresses after. */
void network_undo(struct monitor *m);
/* Whether the failed start is one of the network. */
bool network_is_to_blame(const struct monitor *m);

#endif
