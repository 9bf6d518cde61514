/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads one network namespace: devices, addresses, routes, switches, packet filter, listening sockets.
 * Changes nothing there; single-threaded callers only, since it enters the namespace and comes back.
 */
#ifndef CLOCHE_OBSERVE_PROBE_NETWORK_H
#define CLOCHE_OBSERVE_PROBE_NETWORK_H

#include <sys/types.h>

#include "observe/network/view.h"

/* pid 0: the caller's own. Routes are asked of the kernel itself, through a socket that stays in the
 * namespace until net_view_free(). */
int must_check network_probe(pid_t pid, struct net_view *out, struct err *err);
/* Fills in which programs hold the sockets of these views: one walk through /proc. What another user's
 * process holds stays unknown without privilege. */
void network_probe_programs(struct net_view *const *views, size_t count);

/* Asks the name server that the container of pid has in its resolv.conf for `name` (type A), from inside
 * its network namespace: the same packet that its programs would send. *answer_ms when one came.
 * 0, -ETIMEDOUT after timeout_ms, -ECONNREFUSED and so on. */
int must_check network_probe_name(pid_t pid, const struct ip_address *server, const char *name,
				  int timeout_ms, int *answer_ms, int *answer_code);

#endif
