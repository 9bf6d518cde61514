/* SPDX-License-Identifier: Apache-2.0 */
/* The launcher's side of connecting a container: what it hands to the monitor. */
#ifndef CLOCHE_ENGINE_NETWORK_RELEASE_H
#define CLOCHE_ENGINE_NETWORK_RELEASE_H

#include "base/err.h"
#include "network/endpoint.h"
#include "runtime/plan.h"

/*
 * Hands the sockets to the monitor behind control_fd and tells it that <run dir>/network.script stands
 * (FRAME_NETWORK). Only with plan_early.network, which must be set before the monitor is spawned; after
 * sandbox_prepare(), and before the release, the earlier the better: the monitor makes the network
 * while the caller goes on. From here on the monitor undoes the script at its end, also when the launch
 * is cancelled or its launcher dies. The sockets stay the caller's to close. p: for the start bill.
 */
int must_check network_release(struct plan *p, int control_fd,
			       const struct sandbox_sockets *sockets, struct err *err);
/* The same for a running container that was connected to another network, over a connection to its
 * attach.sock on which nothing was said yet: sockets of its ports, or (names) of the name service. */
int must_check network_add_sockets(int attach_fd, const int *fds, size_t count, bool names,
				   struct err *err);

#endif
