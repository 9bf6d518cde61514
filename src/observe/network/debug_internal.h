/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that make the model share. */
#ifndef CLOCHE_OBSERVE_NETWORK_DEBUG_INTERNAL_H
#define CLOCHE_OBSERVE_NETWORK_DEBUG_INTERNAL_H

#include "observe/network/debug.h"

/* Follows everybody's packets to the subject's ports. from: as of network_debug_read(), parsed. */
void debug_claims(struct network_debug *d, const struct ip_address *from, uint32_t from_device);

#endif
