/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `cloche debug network` shows: how one container is connected, or all networks; who can reach its
 * published ports and what decides that; what else on this host filters. Only looks: the rules are
 * followed, not tried. One model, a text and a JSON of it.
 */
#ifndef CLOCHE_OBSERVE_NETWORK_DEBUG_H
#define CLOCHE_OBSERVE_NETWORK_DEBUG_H

#include "engine/engine.h"
#include "network/endpoint.h"
#include "observe/network/path.h"

/* A running container that is connected. */
struct debug_container {
	struct sandbox sandbox;
	int pid;
	struct net_view view; /* read of the one that was asked for alone */
	bool has_view;
};

/* Whether somebody reaches a published port. */
struct debug_claim {
	char who[96]; /* "this host", "containers of app" */
	char via[96]; /* "eth0, from 192.0.2.9" */
	size_t port;  /* index into the sandbox's ports */
	bool direct;  /* asks for the container's own address and port */
	struct path_start start;
	struct path_result result;
};

struct debug_upstream { /* one name server of a container */
	char address[IP_TEXT_MAX];
	int rc, answer_ms, code; /* of a look-up: 0 or -errno; DNS response code */
};

struct network_debug {
	struct network_store store;
	struct net_view host;
	struct network *networks;
	size_t network_count;
	struct debug_container *containers;
	size_t container_count;
	struct debug_container *subject; /* NULL: all networks were asked for */
	struct path_place *places;       /* the host, the containers, and one that might be for each
					  * network, in this order */
	struct path_port *imagined;
	size_t place_count;
	struct path_world world;
	struct debug_claim *claims;
	size_t claim_count;
	struct debug_upstream upstreams[3];
	size_t upstream_count;
	struct strv warnings;
};

/* container: NULL for all. from: one more vantage point, "ADDRESS%DEVICE" of a host beyond; NULL none. */
int must_check network_debug_read(struct engine *e, const char *container, const char *from,
				  struct network_debug *out, struct err *err);
void network_debug_free(struct network_debug *d);
#define auto_network_debug __attribute__((cleanup(network_debug_free)))

/* Finished output. all_paths: every packet's way, not only of those that do not arrive. */
void network_debug_text(const struct network_debug *d, bool all_paths, struct strbuf *out);
void network_debug_json(const struct network_debug *d, struct strbuf *out);

/* ---- what both of them ask ---- */

/* One chain that may keep forwarded packets from us, and what there is for us in it. */
struct debug_filter {
	const struct nft_dump_chain *chain;
	bool admits;    /* an accept with our comment stands in it, or in one that it jumps to */
	bool drops_all; /* all that it does not know; else on conditions at most */
	char text[160];
};
/* The chain at `after` or behind it, in the order of the rules; false when there are no more. */
bool network_debug_next_filter(const struct network_debug *d, size_t *after,
			       struct debug_filter *out);
/* Which rule or policy decided a claim, "inet cloche forward handle 12: ..."; "" when none did. */
void network_debug_decider(const struct network_debug *d, const struct path_result *r,
			   struct strbuf *out);
/* A rule of any base chain's table that drops and has counted something: the next at or behind *after. */
const struct nft_dump_rule *network_debug_next_drop(const struct network_debug *d, size_t *after,
						    uint64_t *packets);
/* The network of an id; NULL when it is gone. */
const struct network *network_debug_network(const struct network_debug *d, const char *id);
/* "0.0.0.0:8080/tcp -> 80". */
void network_debug_port_text(const struct port_binding *p, struct strbuf *out);
/* MTUs from the container's device to the way out, "eth0 1500, veth1 1500, ...", and what is wrong. */
void network_debug_mtu(const struct network_debug *d, const struct endpoint *e, struct strbuf *out,
		       struct strbuf *warning);
/* The device on the host whose other end is in the container; NULL when it is not found. */
const struct link_info *network_debug_veth(const struct network_debug *d,
					   const struct debug_container *c,
					   const struct endpoint *e);

#endif
