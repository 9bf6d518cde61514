/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks as users know them: records that outlive reboots, <root>/network/<id>.json and
 * <root>/network/names/<name> (a symlink that says the id, made atomically), and the devices behind
 * them. Knows nothing of containers: who is connected is an endpoint (network/endpoint.h).
 *
 * "bridge", "host" and "none" are always there; their records are made on first use.
 */
#ifndef CLOCHE_NETWORK_NETWORK_H
#define CLOCHE_NETWORK_NETWORK_H

#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/ip.h"
#include "base/strv.h"

#define NETWORK_DEFAULT "bridge"

/* Where networks of one engine live; filled by the engine, borrowed by everything here. */
struct network_store {
	const char *root, *run_root; /* absolute */
	int root_fd, run_fd;
	char table[32];                /* our nftables table: "cloche", or "cloche-<8 hex>" */
	char default_bridge[IFNAMSIZ]; /* "cloche0", configuration's "bridge", or "cloche<8 hex>" */
	struct ip_prefix default_address; /* configuration's "bip", family 0 none */
	bool respect; /* configuration's "host-firewall": "respect"; else cooperate */
};

/* table and default_bridge by the run root: the plain names for the default one, so that engines with
 * different roots never share either. Bridge and address of the configuration are set by the caller
 * afterwards. */
void network_store_init(struct network_store *s, const char *root, int root_fd,
			const char *run_root, int run_fd);

struct network_pool {
	struct ip_prefix subnet;
	struct ip_prefix range;           /* family 0: the whole subnet */
	struct ip_address gateway;        /* family 0 in a request: the first address */
	bool subnet_given, gateway_given; /* by the request, and in the record: for inspect */
	struct strv aux;                  /* "name=address" */
};

struct network {
	char id[ID_LEN + 1];
	char *name;
	char *driver; /* "bridge", "host", "null" */
	uint64_t created_ns;
	bool internal, ipv6, attachable;
	struct network_pool *pools; /* IPv4 first */
	size_t pool_count;
	struct strv options;      /* "com.docker.network.bridge.name=x", as given */
	struct strv ipam_options; /* KEY=VALUE, as given; nothing here knows any */
	struct strv labels;
	char bridge[IFNAMSIZ]; /* device; "" for host and none */
};
void network_init(struct network *n);
void network_free(struct network *n);
#define auto_network __attribute__((cleanup(network_free)))

/* What options mean. */
struct network_behaviour {
	uint32_t mtu;    /* 0: the kernel's choice */
	bool icc;        /* containers may speak with each other */
	bool masquerade; /* what leaves looks like the host's */
	struct ip_address
		binding; /* where ports are published unless -p says; family 0: everywhere */
};
int must_check network_behaviour(const struct network *n, struct network_behaviour *out,
				 struct err *err);
/* Of a network that is about to be made; also refuses what would do something else here. */
int must_check network_options_check(const struct network *n, struct err *err);

/* Makes the record (not the device): n has what was asked for; id, missing subnets (the first free ones
 * of Docker's default pools that overlap no address or route of the host and no other network),
 * gateways and the bridge's name are filled in. Docker's texts: "network with name x already exists",
 * "Pool overlaps with other one on this address space", "invalid subnet ..." and so on. */
int must_check network_create(struct network_store *s, struct network *n, struct err *err);
/* Full id, name or unique id prefix. "network x not found" (ERR_NOT_FOUND). */
int must_check network_find(struct network_store *s, const char *reference, struct network *n,
			    struct err *err);
/* All, oldest first, the three predefined ones included; the caller frees. */
int must_check network_list(struct network_store *s, struct network **out, size_t *count,
			    struct err *err);
void network_list_free(struct network *list, size_t count);
bool network_is_predefined(const struct network *n);
/* Removes record, device, rules. ERR_FORBIDDEN "bridge is a pre-defined network and cannot be removed";
 * ERR_CONFLICT while it has endpoints: "error while removing network: network x id y has active
 * endpoints". */
int must_check network_remove(struct network_store *s, const struct network *n, struct err *err);

/* Makes sure that device, addresses, forwarding switches, our table with this network's elements, and
 * (unless respect) the host's consent stand, and returns the device's index; cheap when they do. The
 * default network whose subnet has meanwhile been taken by somebody else gets another, as long as it
 * has no endpoints. */
int must_check network_up(struct network_store *s, struct network *n, uint32_t *bridge_index,
			  struct err *err);
/* Puts back whatever of all networks' rules is missing, as after `nft flush ruleset`: tables, sets,
 * published ports (from the network.json of running containers), the host's consent. For the keeper. */
int must_check network_restore(struct network_store *s, struct err *err);

#endif
