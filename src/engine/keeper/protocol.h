/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a monitor and the keeper of its run root say to each other over <run>/keeper.sock, a stream
 * socket: the monitor says which container it watches over, and before it ends of its own accord one
 * byte of farewell. The end of a connection without it means that the monitor was lost. The keeper
 * says nothing; a monitor that sees the end of the connection starts another keeper.
 */
#ifndef CLOCHE_ENGINE_KEEPER_PROTOCOL_H
#define CLOCHE_ENGINE_KEEPER_PROTOCOL_H

#include <stdint.h>

#include "base/id.h"

#define KEEPER_SOCKET "keeper.sock"
#define KEEPER_LOCK "keeper.lock"
#define KEEPER_FAREWELL 'F'

/* What is passed on to the keeper with a socket. Which it is the socket itself says (type, family,
 * address). */
enum keeper_socket {
	/* TCP listening, or UDP bound, on the host's side: what comes there and was not translated (to
	 * [::1], to [::] of a container without IPv6) is for the container's port of network.json */
	KEEPER_SOCKET_FORWARD = 1,
	/* bound to port 53 of 127.0.0.11 inside the container: UDP, and TCP listening */
	KEEPER_SOCKET_NAMES = 2,
};

struct keeper_hello {
	char id[ID_LEN]; /* not terminated */
};

/* From a command instead of a monitor, which then closes the connection: network.json of this container
 * has changed. */
#define KEEPER_RELOAD 'R' /* no id begins so */
struct keeper_reload {
	char kind;
	char id[ID_LEN];
};

#endif
