/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel remembers of connections (nf_conntrack). A translation is decided by a connection's
 * first packet; a UDP sender that never pauses keeps an old decision alive for ever.
 */
#ifndef CLOCHE_KERNEL_CONNTRACK_H
#define CLOCHE_KERNEL_CONNTRACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Where connections went before translation. Flat: scripts carry it. */
struct conntrack_port {
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t protocol;
	uint16_t port;
	uint8_t address[16]; /* all zeros: any */
};

/* Forgets the connections to these ports, whoever made them: the next packet is a first one again. No
 * allocation. 0, or -errno of the first failure (others are tried all the same). */
int must_check conntrack_forget(const struct conntrack_port *ports, size_t count);

#endif
