/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's side of networks: which ones a container is in, its connecting and disconnecting, and
 * the sweeping of what a lost monitor left connected. What a network or an endpoint is: src/network.
 */
#ifndef CLOCHE_ENGINE_NETWORK_H
#define CLOCHE_ENGINE_NETWORK_H

#include "engine/engine.h"
#include "network/endpoint.h"

/* Where this engine's networks are and what its configuration says of them (keys bridge, bip,
 * host-firewall). *s borrows from e. */
void engine_network_store(const struct engine *e, struct network_store *s);

/* The network of the default mode, as its name is in records: "bridge" for "default" too, "none" and
 * "host" as they are; "" for the network of another container; else the name that was asked for. */
const char *container_network_name(const struct container_config *config);

/* A running container in a network. */
struct network_member {
	struct sandbox sandbox;
	size_t endpoint; /* index of the one in that network */
};
/* Those whose monitors live, by container id; freed by network_members_free(). */
int must_check engine_network_members(struct engine *e, const struct network *n,
				      struct network_member **out, size_t *count, struct err *err);
void network_members_free(struct network_member *list, size_t count);

/*
 * `network connect` and `disconnect`: the record of a container that does not run, record and kernel of
 * one that does; the keeper is told. Events are emitted here. network is a
 * name, an id or the beginning of one, as typed. *request moves into the record (its network is the one
 * to connect to). force: as Docker has it, also when the network itself is gone. Refusals in Docker's
 * words.
 */
int must_check container_network_connect(struct engine *e, struct container *c,
					 struct endpoint_request *request, struct err *err);
int must_check container_network_disconnect(struct engine *e, struct container *c,
					    const char *network, bool force, struct err *err);

#endif
