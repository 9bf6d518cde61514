/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is called what in which network: the table behind the name service. A container sees the names of
 * those it shares a user network with: container name, short id and aliases there, each also as
 * "name.network", and the addresses' names. One hash table; a look-up costs the same however many there
 * are.
 */
#ifndef CLOCHE_NETWORK_NAMES_ZONE_H
#define CLOCHE_NETWORK_NAMES_ZONE_H

#include "network/endpoint.h"
#include "network/names/dns.h"

struct zone;
struct zone_member; /* a container in it */

struct zone *zone_new(void);
void zone_free(struct zone *z);

/* Adds a container. It is the caller's to remove; NULL when memory is gone. */
struct zone_member *zone_add(struct zone *z, const struct sandbox *s);
void zone_remove(struct zone *z, struct zone_member *m);

enum zone_result {
	ZONE_ANSWERED, /* *n bytes are in out */
	ZONE_UNKNOWN,  /* ours to know, but nobody has it: *n bytes are in out, which say so */
	ZONE_OUTSIDE,  /* not ours: may be asked outside, if the container may */
};
/*
 * Answers q (of message) for a container within `limit` bytes. A name that somebody has there is ours
 * for every type. So are addresses of the container's own networks, and single labels that somebody
 * has in another network, so that no container's name is told to servers outside.
 */
enum zone_result zone_answer(struct zone *z, const struct zone_member *from, const uint8_t *message,
			     const struct dns_query *q, uint8_t *out, size_t size, size_t limit,
			     size_t *n);

/* Whether its questions may leave: it is in some network that is not internal. */
bool zone_member_may_leave(const struct zone_member *m);
/* --dns, borrowed. */
const struct strv *zone_member_servers(const struct zone_member *m);

#endif
