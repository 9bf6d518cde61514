/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Netlink: messages built in a buffer of the caller's, sent in one batch, every answer read. No
 * allocation and no text, so that the static monitor can send what the engine has built. netlink(7),
 * rtnetlink(7).
 */
#ifndef CLOCHE_KERNEL_NETLINK_H
#define CLOCHE_KERNEL_NETLINK_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* NLA_HDRLEN, which is an int of a negative and a size. */
#define NETLINK_ATTRIBUTE_HEADER sizeof(struct nlattr)

/* Messages one after another. Set bytes and size; the rest begins as zeros. After an overflow nothing
 * is left (used is 0), nothing more is added, and netlink_transact() refuses it (-EMSGSIZE). */
struct netlink_buffer {
	unsigned char *bytes; /* aligned to 4 */
	size_t size, used;
	size_t message; /* where the message under way begins */
	bool overflow;
};

/* Begins a message: NLM_F_REQUEST is added to flags; header (ifinfomsg, nfgenmsg, ...) follows it. */
void netlink_begin(struct netlink_buffer *b, uint16_t type, uint16_t flags, const void *header,
		   size_t header_bytes);
/* Adds an attribute to the message begun last; returns the offset of its value in the buffer. */
size_t netlink_put(struct netlink_buffer *b, uint16_t attribute, const void *value, size_t n);
size_t netlink_put_u8(struct netlink_buffer *b, uint16_t attribute, uint8_t v);
size_t netlink_put_u16(struct netlink_buffer *b, uint16_t attribute, uint16_t v);
size_t netlink_put_u32(struct netlink_buffer *b, uint16_t attribute, uint32_t v);
size_t netlink_put_be32(struct netlink_buffer *b, uint16_t attribute, uint32_t v);
size_t netlink_put_string(struct netlink_buffer *b, uint16_t attribute,
			  const char *s); /* with NUL */
/* A family's header inside an attribute, as VETH_INFO_PEER begins with one. */
void netlink_put_header(struct netlink_buffer *b, const void *header, size_t n);
/* Attributes put until netlink_nest_end(place) are inside. NLA_F_NESTED is set. */
size_t netlink_nest_begin(struct netlink_buffer *b, uint16_t attribute);
void netlink_nest_end(struct netlink_buffer *b, size_t place);

/* A close-on-exec socket of NETLINK_ROUTE or NETLINK_NETFILTER in the caller's network namespace, with
 * NETLINK_EXT_ACK and NETLINK_CAP_ACK. Descriptor or -errno. */
int must_check netlink_open(int protocol);

/* Which message of a batch was refused, and the kernel's words for it (may be ""). */
struct netlink_refusal {
	size_t index;  /* of the message in the batch, 0 the first */
	uint16_t type; /* its nlmsg_type */
	char text[128];
};

/* Sends all messages at once and reads an answer to each that asks for one (NLM_F_ACK). 0, or -errno of
 * the first refusal (*refusal may be NULL). The kernel does the rest of a batch of NETLINK_ROUTE after
 * a refusal, and nothing of a batch of NETLINK_NETFILTER. The bytes are numbered (nlmsg_seq) in place. */
int must_check netlink_transact(int fd, void *bytes, size_t n, struct netlink_refusal *refusal);

/* Called for every message of an answer. A fn that returns not 0 ends it with that. */
typedef int netlink_message_fn(const struct nlmsghdr *h, void *context);
/* One request whose answer is a message (no dump): calls fn with it. -errno of the kernel, -ENOENT when
 * there is no such thing. */
int must_check netlink_get(int fd, void *request, size_t n, netlink_message_fn *fn, void *context);
/* One dump request (NLM_F_DUMP is added), read to its end; begins again when the kernel says that it
 * was interrupted: then the callback sees everything once more after reset(context), if given. -EAGAIN
 * when it is interrupted for ever. */
int must_check netlink_dump(int fd, void *request, size_t n, netlink_message_fn *fn,
			    void (*reset)(void *context), void *context);

/* Attributes of a message, by number: out[0] to out[max]; a missing one is NULL. after: bytes of the
 * family's own header. -EBADMSG when malformed. */
int must_check netlink_attributes(const struct nlmsghdr *h, size_t after, const struct nlattr **out,
				  uint16_t max);
int must_check netlink_nested(const struct nlattr *a, const struct nlattr **out, uint16_t max);
static inline const void *netlink_value(const struct nlattr *a)
{
	return (const char *)a + NETLINK_ATTRIBUTE_HEADER;
}
static inline size_t netlink_value_bytes(const struct nlattr *a)
{
	return (size_t)a->nla_len - NETLINK_ATTRIBUTE_HEADER;
}
/* 0 when there is none or it is too short. */
uint8_t netlink_value_u8(const struct nlattr *a);
uint16_t netlink_value_u16(const struct nlattr *a);
uint32_t netlink_value_u32(const struct nlattr *a);
uint32_t netlink_value_be32(const struct nlattr *a);
/* NULL when there is none, or it does not end with a NUL. */
const char *netlink_value_string(const struct nlattr *a);

#endif
