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

/* What a container is connected to that was not told anything else. */
#define NETWORK_OF_DEFAULT NETWORK_DEFAULT
/* The network that a mode names: that of "default" for none at all, "" for another container's. */
const char *container_network_name(const struct container_config *config);
/* Made by a user: not "bridge", "host", "none" or "". */
bool network_name_is_users(const char *name);
/* When a container is made: gives it the endpoints that its mode stands for, puts names in place of ids,
 * and refuses what contradicts. */
int must_check container_network_resolve(struct engine *e, struct container_config *config,
					 struct strv *warnings, struct err *err);
/* What can be wrong with the words of a request. */
int must_check endpoint_request_check(const struct endpoint_request *r, struct err *err);

/* What a running container is connected to; false, and empty, when it is not. Freed by the caller. */
bool container_sandbox(const struct engine *e, const struct container *c, struct sandbox *out);
/* Takes back what a monitor that is gone has left connected. The container's lock is the caller's. */
void container_network_sweep(const struct engine *e, const char *id);

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
