/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks as users manage them: made, listed, shown, removed by name, with the events of that. Who is
 * in a network is engine/network.h's; what a network is, network/network.h's.
 */
#ifndef CLOCHE_ENGINE_NETWORK_MANAGE_H
#define CLOCHE_ENGINE_NETWORK_MANAGE_H

#include <json-c/json.h>

#include "base/json_writer.h"
#include "engine/network.h"

/* What Docker's networks can be asked for that a record here has no room for. Zero is nothing. */
struct network_demands {
	const char *ipam_driver; /* NULL, "" or "default" */
	const char *scope;       /* NULL, "" or "local" */
	const char *config_from; /* NULL */
	bool config_only, ingress, no_ipv4;
};

/* network_create(), with refusals in Docker's words for what d has. */
int must_check engine_network_create(struct engine *e, struct network *n,
				     const struct network_demands *d, struct err *err);
/* network_find() and network_remove(). */
int must_check engine_network_remove(struct engine *e, const char *reference, struct err *err);
int must_check engine_network_list(struct engine *e, struct network **out, size_t *count,
				   struct err *err);
/* Keeps those of a list that pass every filter "key=value": dangling, driver, id, label, name, scope,
 * type. ERR_INVALID "invalid filter 'x'". */
int must_check engine_network_filter(struct engine *e, const struct strv *filters,
				     struct network *list, size_t *count, struct err *err);
/* Docker's object, with the containers that run in it; a new reference. */
int must_check engine_network_inspect(struct engine *e, const char *reference,
				      struct json_object **out, struct err *err);
/* The same object without looking who is in it. */
void network_write(const struct network *n, const struct network_member *members, size_t count,
		   struct json_writer *w);

#endif
