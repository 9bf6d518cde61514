/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of a network, for the files of this folder only. <run>/network/<id>/address/<ip> is a
 * holder's link (network/holder.h). Without locks among those who take fresh ones; every call does a
 * few system calls whatever is taken already.
 */
#ifndef CLOCHE_NETWORK_IPAM_H
#define CLOCHE_NETWORK_IPAM_H

#include "network/holder.h"

struct ipam_request {
	const struct network *network;
	const struct network_pool *pool;
	struct ip_address wanted; /* family 0: any of the pool's range */
	struct holder holder;     /* its container's lock is held by the caller */
};

/* Next after the one given last, so that an address rests before it is given again. ERR_CONFLICT "no
 * available IPv4 addresses on this network's address pools: x (id)", "Address already in use";
 * ERR_INVALID for a wanted one that is outside of the subnet. */
int must_check ipam_take(const struct network_store *s, const struct ipam_request *r,
			 struct ip_address *out, struct err *err);
/* Only if this container has it. */
void ipam_release(const struct network_store *s, const char *network_id, const struct ip_address *a,
		  const char *container_id);
/* Where the link is, absolute, for a script. The caller frees. */
char *ipam_path(const struct network_store *s, const char *network_id, const struct ip_address *a);

/* The subnet's first address, and with IPv4 its last: nobody's. */
bool ipam_is_subnets_own(const struct ip_prefix *subnet, const struct ip_address *a);

/* The pool of a family; NULL when the network has none, or has IPv6 off. */
const struct network_pool *ipam_pool(const struct network *n, uint8_t family);

#endif
