/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a monitor and the keeper of its run root say to each other over <run>/keeper.sock, a stream
 * socket: the monitor says which container it watches over and hands over copies of its sockets (HELLO,
 * again whenever any of it has changed), and before it ends of its own accord one byte of farewell, on
 * which the keeper closes these copies, so that the ports are free, and then the connection. The end of
 * a connection without a farewell means that the monitor was lost. The keeper says nothing; a monitor
 * that sees the end of the connection starts another keeper, which hears all of it anew. Commands have a
 * word of their own to say, each on a connection for it alone (struct keeper_word).
 */
#ifndef CLOCHE_ENGINE_KEEPER_PROTOCOL_H
#define CLOCHE_ENGINE_KEEPER_PROTOCOL_H

#include <stdint.h>

#include "base/id.h"

#define KEEPER_SOCKET "keeper.sock"
#define KEEPER_LOCK "keeper.lock"
/* After --heal in place of an id: whatever lost its monitor. */
#define KEEPER_HEAL_ALL "all"
#define KEEPER_FAREWELL 'F'

/* What is passed on to the keeper with a socket. Which it is the socket itself says (type, family,
 * address). */
enum keeper_socket {
	/* TCP listening, or UDP bound, on the host's side: what comes there and was not translated (to
	 * [::1], to [::] of a container without IPv6) is for the container's port of network.json */
	KEEPER_SOCKET_FORWARD = 1,
	/* the name service's inside the container (network/script.h): UDP, and TCP listening */
	KEEPER_SOCKET_NAMES = 2,
};

enum keeper_flag {
	KEEPER_REVIVE =
		1 << 0, /* started again should its monitor be lost: it has a restart policy */
	KEEPER_NETWORK = 1 << 1, /* network.json stands in its run directory */
	/* PID 1 runs. Without it (between two runs) its name means nobody, and sockets of the name
	 * service that came before are to be closed at once: they hold the network namespace. */
	KEEPER_RUNNING = 1 << 2,
};

/* All numbers replace those of the hello before; sockets join those that came before on the same
 * connection. With many sockets, or two kinds, there are several in a row. */
struct keeper_hello {
	char id[ID_LEN]; /* lower-case hex, not terminated */
	uint8_t flags;   /* enum keeper_flag */
	uint8_t kind;    /* enum keeper_socket of those that come with this */
	uint8_t count;   /* of them: by SCM_RIGHTS with its first byte, at most FD_PASS_MAX */
	uint8_t more;    /* another hello follows at once, which belongs to it */
};

/* From a command instead of a monitor, which then closes the connection. No id begins so. */
#define KEEPER_RELOAD 'R'  /* network.json of this container has changed */
#define KEEPER_LOST 'L'    /* its monitor is lost and its policy wants it alive */
#define KEEPER_STOPPED 'S' /* it is not to be started again: a user has stopped or removed it */
struct keeper_word {
	char kind;
	char id[ID_LEN];
};

#endif
