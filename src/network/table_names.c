/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules inside the namespace of a container that has a name service: what it asks of port 53 of
 * 127.0.0.11 goes to the service's own port, so that port 53 is left to programs of the container's.
 */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <netinet/in.h>

#include "kernel/nftables.h"
#include "network/script.h"
#include "network/table.h"

#define TABLE "cloche"
#define CHAIN "names"
#define NAT_PRIORITY (-100) /* as chains of Docker's and of nft's documentation have it */
#define DNS_PORT 53
/* Offsets in the headers of IPv4, and of TCP as well as UDP. */
#define IPV4_DESTINATION 16
#define DESTINATION_PORT 2
#define ADDRESS_REG NFT_REG32_00
#define PORT_REG NFT_REG32_01

static void put_rule(struct netlink_buffer *b, uint8_t protocol)
{
	const uint32_t address = htonl(SCRIPT_NAMES_ADDRESS);
	const uint16_t asked = htons(DNS_PORT), port = htons(SCRIPT_NAMES_PORT);
	struct nft_rule r = {.family = NFPROTO_IPV4, .table = TABLE, .chain = CHAIN};

	nft_rule_begin(b, &r);
	nft_expr_payload(b, NFT_PAYLOAD_NETWORK_HEADER, IPV4_DESTINATION, sizeof(address),
			 ADDRESS_REG);
	nft_expr_cmp(b, ADDRESS_REG, NFT_CMP_EQ, &address, sizeof(address));
	nft_expr_meta(b, NFT_META_L4PROTO, ADDRESS_REG);
	nft_expr_cmp(b, ADDRESS_REG, NFT_CMP_EQ, &protocol, sizeof(protocol));
	nft_expr_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, DESTINATION_PORT, sizeof(asked),
			 ADDRESS_REG);
	nft_expr_cmp(b, ADDRESS_REG, NFT_CMP_EQ, &asked, sizeof(asked));
	nft_expr_immediate(b, ADDRESS_REG, &address, sizeof(address));
	nft_expr_immediate(b, PORT_REG, &port, sizeof(port));
	nft_expr_dnat(b, NFPROTO_IPV4, ADDRESS_REG, PORT_REG);
	nft_rule_end(b, &r);
}

void table_put_names(struct netlink_buffer *b)
{
	const struct nft_chain chain = {.family = NFPROTO_IPV4,
					.table = TABLE,
					.name = CHAIN,
					.type = "nat",
					.hook = NF_INET_LOCAL_OUT,
					.priority = NAT_PRIORITY};

	nft_batch_begin(b);
	nft_put_table(b, chain.family, TABLE);
	nft_put_chain(b, &chain);
	/* The sockets may have been opened before. */
	nft_put_flush(b, chain.family, TABLE, CHAIN);
	put_rule(b, IPPROTO_UDP);
	put_rule(b, IPPROTO_TCP);
	nft_batch_end(b);
}
