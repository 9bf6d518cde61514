/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a monitor and the keeper of its run root say to each other over <run>/keeper.sock, a stream
 * socket: the monitor says which container it watches over and hands over copies of its sockets (HELLO,
 * again whenever any of it has changed), and before it ends of its own accord one byte of farewell, on
 * which the keeper closes these copies and then the connection. The end of
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

enum keeper_flag {
	KEEPER_REVIVE =
		1 << 0, /* started again should its monitor be lost: it has a restart policy */
	KEEPER_NETWORK = 1 << 1, /* network.json stands in its run directory */
	/* PID 1 runs. Without it (between two runs) its name means nobody, and sockets of the name
	 * service that came before are to be closed at once: they hold the network namespace. */
	KEEPER_RUNNING = 1 << 2,
};

/* The flags replace those of the hello before. With it come sockets of the name service inside the
 * container (network/script.h), UDP, and TCP listening, to join those that came before on the same
 * connection. Which it is the socket itself says. */
struct keeper_hello {
	char id[ID_LEN]; /* lower-case hex, not terminated */
	uint8_t flags;   /* enum keeper_flag */
	uint8_t count;   /* of sockets: by SCM_RIGHTS with its first byte */
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
