/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that connect containers share, for the files of this folder only. */
#ifndef CLOCHE_NETWORK_SANDBOX_H
#define CLOCHE_NETWORK_SANDBOX_H

#include "base/str.h"
#include "kernel/netlink.h"
#include "network/endpoint.h"
#include "network/script.h"

void endpoint_request_copy(struct endpoint_request *to, const struct endpoint_request *from);
void endpoint_clear(struct endpoint *e);
/* A cleared one at the end; valid until the next. */
struct endpoint *sandbox_add_endpoint(struct sandbox *s);
void sandbox_remove_endpoint(struct sandbox *s, size_t i);

/* Brings the network up and takes addresses: a new endpoint at the end of s. On failure there is none,
 * and nothing is taken. */
int must_check endpoint_make(struct network_store *store, struct sandbox *s,
			     const struct endpoint_request *request, struct err *err);
/* Gives its addresses back. */
void endpoint_release(const struct network_store *store, const struct sandbox *s,
		      const struct endpoint *e);

/* Binds the ports of a request: fills s->ports, and the sockets in the same order. On failure nothing
 * is bound and none is filled in. The endpoints are there already. */
int must_check ports_bind(const struct network_store *store, struct sandbox *s,
			  const struct port_binding *ports, size_t count,
			  struct sandbox_sockets *sockets, struct err *err);
void ports_release(const struct network_store *store, const struct sandbox *s);
/* Where the link of a port is, absolute. The caller frees. */
char *ports_path(const struct network_store *store, const struct port_binding *p);

void sandbox_sockets_close(struct sandbox_sockets *sockets);

/* The endpoint that published ports lead to, UINT8_MAX for none: of those that are not internal the first
 * of the highest gw_priority. */
uint8_t sandbox_port_target(const struct sandbox *s);
/* The one that has the default route of a family, chosen likewise of those that have it; NULL: none. */
const struct endpoint *sandbox_default_route(const struct sandbox *s, uint8_t family);
/* Default routes, of both families or those of one endpoint; they take the place of those that are there. */
void sandbox_put_routes(struct netlink_buffer *b, const struct sandbox *s,
			const struct endpoint *only);

/* A script by hand: begin, entries, end. */
void script_begin(struct strbuf *out);
void script_add_names(struct strbuf *out);
void script_add(struct strbuf *out, enum script_type type, const void *payload, size_t bytes);
int must_check script_end(struct strbuf *out, struct err *err);

/* The script of everything in s; of one endpoint alone (its device, addresses and routes) unless it is
 * NULL, then without what is undone. */
int must_check sandbox_script(const struct network_store *store, const struct sandbox *s,
			      const struct endpoint *only, struct strbuf *out, struct err *err);
/* Replaces network.script. */
int must_check sandbox_script_write(const struct network_store *store, const struct sandbox *s,
				    int run_dir, struct err *err);

#endif
