/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in the kernel for a network, for the files of this folder only. */
#ifndef CLOCHE_NETWORK_BRIDGE_H
#define CLOCHE_NETWORK_BRIDGE_H

#include "network/network.h"

/* Makes all of it that is missing; the caller holds the lock of the records. Returns the bridge's
 * index. */
int must_check network_bring_up(const struct network_store *s, const struct network *n,
				uint32_t *index, struct err *err);
/* Removes it; what is not there is no error. */
int must_check network_bring_down(const struct network_store *s, const struct network *n,
				  struct err *err);
/* The kernel's opinion of whether this network stands, as network_bring_up() left it: its index, or 0. */
uint32_t network_standing(const struct network_store *s, const struct network *n);

/* Gives the network another subnet; under the locks of the records and of the subnets. */
int must_check network_choose_again(const struct network_store *s, struct network *n,
				    struct err *err);

#endif
