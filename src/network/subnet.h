/* SPDX-License-Identifier: Apache-2.0 */
/* Which subnets are free, for the files of this folder only. */
#ifndef CLOCHE_NETWORK_SUBNET_H
#define CLOCHE_NETWORK_SUBNET_H

#include "network/network.h"

/*
 * Held while a subnet is chosen and until its bridge stands, so that two engines of one host, whatever
 * their roots, do not choose the same one: a name among the abstract unix sockets, which belong to the
 * network namespace that the bridges are in. Waits a bounded time. *lock_fd is the caller's.
 */
int must_check subnet_lock(int *lock_fd, struct err *err);

/* Prefixes that must not be chosen. */
struct subnet_list {
	struct ip_prefix *items;
	size_t count;
};
void subnet_list_add(struct subnet_list *l, const struct ip_prefix *p);
void subnet_list_free(struct subnet_list *l);
#define auto_subnet_list __attribute__((cleanup(subnet_list_free)))

/* Adds the host's addresses, routes (but the default ones) and resolvers; without those of the device
 * `except`, which may be NULL. */
int must_check subnet_add_host(struct subnet_list *l, const char *except, struct err *err);
/* The pools of the networks, but of the one with the id `except` (NULL: of all). */
void subnet_add_networks(struct subnet_list *l, const struct network *list, size_t count,
			 const char *except);
bool subnet_overlaps(const struct subnet_list *l, const struct ip_prefix *p);

/* The first of Docker's default pools that overlaps none; for AF_INET6 a random unique local /64
 * (RFC 4193). */
int must_check subnet_choose(const struct subnet_list *taken, uint8_t family, struct ip_prefix *out,
			     struct err *err);

#endif
