/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Netlink: building messages, sending batches, reading answers and dumps. The monitor uses it: nothing
 * here allocates, and every length that comes from the kernel is still checked before it is believed.
 *
 * A request is worked off inside sendmsg(2), so every answer is in the socket's queue when that
 * returns: reading never waits, and an answer that is missing is an error instead of a hang.
 */
#include "kernel/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWER_BYTES 2048 /* capped (NETLINK_CAP_ACK), with the kernel's words */
#define DUMP_BYTES 32768  /* the most that the kernel puts into one datagram of a dump */
#define DUMP_ATTEMPTS \
	1000 /* a dump is a few milliseconds; hosts do not change faster for seconds */

/* ---- building ---- */

static void *reserve(struct netlink_buffer *b, size_t n)
{
	size_t padded = NLMSG_ALIGN(n);
	void *at;

	if (b->overflow || padded > b->size - b->used) {
		b->overflow = true;
		b->used = 0;
		return NULL;
	}
	at = b->bytes + b->used;
	memset(at, 0, padded);
	b->used += padded;
	return at;
}

static struct nlmsghdr *message_under_way(const struct netlink_buffer *b)
{
	return (struct nlmsghdr *)(void *)(b->bytes + b->message);
}

void netlink_begin(struct netlink_buffer *b, uint16_t type, uint16_t flags, const void *header,
		   size_t header_bytes)
{
	size_t at = b->used;
	struct nlmsghdr *h = reserve(b, NLMSG_HDRLEN + header_bytes);

	if (!h)
		return;
	b->message = at;
	h->nlmsg_type = type;
	h->nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST);
	h->nlmsg_len = (uint32_t)(b->used - at);
	if (header_bytes)
		memcpy((unsigned char *)h + NLMSG_HDRLEN, header, header_bytes);
}

size_t netlink_put(struct netlink_buffer *b, uint16_t attribute, const void *value, size_t n)
{
	struct nlattr *a;

	if (n > UINT16_MAX - NETLINK_ATTRIBUTE_HEADER) {
		b->overflow = true;
		b->used = 0;
		return 0;
	}
	a = reserve(b, NETLINK_ATTRIBUTE_HEADER + n);
	if (!a)
		return 0;
	a->nla_type = attribute;
	a->nla_len = (uint16_t)(NETLINK_ATTRIBUTE_HEADER + n);
	if (n)
		memcpy((unsigned char *)a + NETLINK_ATTRIBUTE_HEADER, value, n);
	message_under_way(b)->nlmsg_len = (uint32_t)(b->used - b->message);
	return (size_t)((unsigned char *)a - b->bytes) + NETLINK_ATTRIBUTE_HEADER;
}

void netlink_put_header(struct netlink_buffer *b, const void *header, size_t n)
{
	void *at = reserve(b, n);

	if (!at)
		return;
	memcpy(at, header, n);
	message_under_way(b)->nlmsg_len = (uint32_t)(b->used - b->message);
}

size_t netlink_put_u8(struct netlink_buffer *b, uint16_t attribute, uint8_t v)
{
	return netlink_put(b, attribute, &v, sizeof v);
}

size_t netlink_put_u16(struct netlink_buffer *b, uint16_t attribute, uint16_t v)
{
	return netlink_put(b, attribute, &v, sizeof v);
}

size_t netlink_put_u32(struct netlink_buffer *b, uint16_t attribute, uint32_t v)
{
	return netlink_put(b, attribute, &v, sizeof v);
}

size_t netlink_put_be32(struct netlink_buffer *b, uint16_t attribute, uint32_t v)
{
	return netlink_put_u32(b, attribute, htonl(v));
}

size_t netlink_put_string(struct netlink_buffer *b, uint16_t attribute, const char *s)
{
	return netlink_put(b, attribute, s, strlen(s) + 1);
}

size_t netlink_nest_begin(struct netlink_buffer *b, uint16_t attribute)
{
	size_t value = netlink_put(b, (uint16_t)(attribute | NLA_F_NESTED), NULL, 0);

	return value - (value ? NETLINK_ATTRIBUTE_HEADER : 0);
}

void netlink_nest_end(struct netlink_buffer *b, size_t place)
{
	size_t n;

	if (b->overflow)
		return;
	n = b->used - place;
	if (n > UINT16_MAX) {
		b->overflow = true;
		b->used = 0;
		return;
	}
	((struct nlattr *)(void *)(b->bytes + place))->nla_len = (uint16_t)n;
}

/* ---- the socket ---- */

int netlink_open(int protocol)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	int on = 1;

	if (fd < 0)
		return -errno;
	/* Better words and shorter answers; without them it works, too. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
	return fd;
}

/* The kernel takes a message only as a whole, and only as far as the socket's buffer allows. */
static int send_all(int fd, const void *bytes, size_t n)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	int room = 0;
	socklen_t room_bytes = sizeof room;
	ssize_t sent;

	if (n > INT32_MAX / 2)
		return -EMSGSIZE;
	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, &room_bytes) == 0 &&
	    n + 1024 > (size_t)room) {
		room = (int)n + 1024;
		if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) < 0)
			(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	}
	do
		sent = sendto(fd, bytes, n, 0, (struct sockaddr *)&kernel, sizeof kernel);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	return (size_t)sent == n ? 0 : -EMSGSIZE;
}

/* One datagram from the kernel, never from another process. Its length, 0 when there is none. */
static ssize_t receive(int fd, void *bytes, size_t n)
{
	for (;;) {
		struct sockaddr_nl from = {.nl_family = AF_UNSPEC};
		struct iovec part = {.iov_base = bytes, .iov_len = n};
		struct msghdr m = {.msg_name = &from,
				   .msg_namelen = sizeof from,
				   .msg_iov = &part,
				   .msg_iovlen = 1};
		ssize_t got = recvmsg(fd, &m, MSG_DONTWAIT);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (from.nl_pid != 0)
			continue;
		return m.msg_flags & MSG_TRUNC ? -EMSGSIZE : got;
	}
}

/* The message at *at of a datagram, and *at behind it; NULL at its end or when it is malformed. */
static const struct nlmsghdr *next_message(const void *bytes, size_t n, size_t *at)
{
	const struct nlmsghdr *h = (const void *)((const char *)bytes + *at);
	size_t left = n - *at;

	if (left < NLMSG_HDRLEN || h->nlmsg_len < NLMSG_HDRLEN || h->nlmsg_len > left)
		return NULL;
	*at += NLMSG_ALIGN(h->nlmsg_len);
	if (*at > n)
		*at = n;
	return h;
}

/* ---- batches ---- */

struct batch {
	const void *bytes;
	size_t n, messages;
	size_t wanted, seen; /* answers */
	int error;           /* of the first refusal */
	size_t error_index;
	struct netlink_refusal *refusal;
};

/* Numbers the messages from 1. */
static int number_messages(struct batch *b, void *bytes)
{
	size_t at = 0;

	while (at < b->n) {
		struct nlmsghdr *h = (void *)((char *)bytes + at);

		if (!next_message(bytes, b->n, &at))
			return -EMSGSIZE;
		h->nlmsg_seq = (uint32_t)++b->messages;
		h->nlmsg_pid = 0;
		if (h->nlmsg_flags & NLM_F_ACK)
			b->wanted++;
	}
	return b->messages ? 0 : -EMSGSIZE;
}

static uint16_t message_type(const struct batch *b, size_t index)
{
	const struct nlmsghdr *h = NULL;
	size_t at = 0;

	for (size_t i = 0; i <= index; i++)
		h = next_message(b->bytes, b->n, &at);
	return h ? h->nlmsg_type : 0;
}

/* NLMSGERR_ATTR_MSG of an answer: it follows the header of the message that was refused, which follows
 * whole unless it was capped. */
static void copy_words(const struct nlmsghdr *h, char *out, size_t size)
{
	const struct nlmsgerr *e = (const void *)((const char *)h + NLMSG_HDRLEN);
	const struct nlattr *attributes[NLMSGERR_ATTR_MSG + 1];
	size_t after = sizeof *e;
	const char *words = NULL;

	out[0] = '\0';
	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(h->nlmsg_flags & NLM_F_CAPPED))
		after += NLMSG_ALIGN(e->msg.nlmsg_len) - NLMSG_HDRLEN;
	if (netlink_attributes(h, after, attributes, NLMSGERR_ATTR_MSG) == 0)
		words = netlink_value_string(attributes[NLMSGERR_ATTR_MSG]);
	if (!words)
		return;
	strncpy(out, words, size - 1);
	out[size - 1] = '\0';
}

static void take_answer(struct batch *b, const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = (const void *)((const char *)h + NLMSG_HDRLEN);
	size_t index;

	if (h->nlmsg_type != NLMSG_ERROR || h->nlmsg_len < NLMSG_HDRLEN + sizeof *e ||
	    h->nlmsg_seq < 1 || h->nlmsg_seq > b->messages)
		return;
	index = h->nlmsg_seq - 1;
	if (e->error >= 0) {
		b->seen++;
		return;
	}
	if (b->error && index >= b->error_index)
		return;
	b->error = e->error;
	b->error_index = index;
	if (b->refusal) {
		b->refusal->index = index;
		b->refusal->type = message_type(b, index);
		copy_words(h, b->refusal->text, sizeof b->refusal->text);
	}
}

static int take_answers(struct batch *b, int fd)
{
	_Alignas(struct nlmsghdr) char buffer[ANSWER_BYTES];
	bool lost = false;

	for (;;) {
		ssize_t got = receive(fd, buffer, sizeof buffer);
		size_t at = 0;
		const struct nlmsghdr *h;

		if (got == 0)
			break;
		/* Answers that the queue had no room for: what is there still counts. */
		if (got == -ENOBUFS || got == -EMSGSIZE) {
			lost = true;
			continue;
		}
		if (got < 0)
			return (int)got;
		while ((h = next_message(buffer, (size_t)got, &at)))
			take_answer(b, h);
	}
	if (b->error)
		return b->error;
	if (b->seen >= b->wanted)
		return 0;
	return lost ? -ENOBUFS : -EBADMSG;
}

int netlink_transact(int fd, void *bytes, size_t n, struct netlink_refusal *refusal)
{
	struct batch b = {.bytes = bytes, .n = n, .refusal = refusal};
	int r;

	if (refusal)
		*refusal = (struct netlink_refusal){.text = ""};
	r = number_messages(&b, bytes);
	if (r < 0)
		return r;
	r = send_all(fd, bytes, n);
	if (r < 0)
		return r;
	return take_answers(&b, fd);
}

/* ---- dumps ---- */

struct dump {
	netlink_message_fn *fn;
	void *context;
	bool interrupted, done;
	int result; /* of the callback or the kernel */
};

static void take_dumped(struct dump *d, const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = (const void *)((const char *)h + NLMSG_HDRLEN);

	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		d->interrupted = true;
	if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) {
		bool has_code = h->nlmsg_len >= NLMSG_HDRLEN + sizeof e->error;

		d->done = true;
		if (!d->result && has_code && e->error < 0)
			d->result = e->error;
		return;
	}
	if (h->nlmsg_type >= NLMSG_MIN_TYPE && !d->result)
		d->result = d->fn(h, d->context);
}

/* To the dump's end even when the callback wants no more: the socket is used again. */
static int dump_once(int fd, const void *request, size_t n, struct dump *d)
{
	_Alignas(struct nlmsghdr) char buffer[DUMP_BYTES];
	int r = send_all(fd, request, n);

	if (r < 0)
		return r;
	while (!d->done) {
		ssize_t got = receive(fd, buffer, sizeof buffer);
		size_t at = 0;
		const struct nlmsghdr *h;

		if (got == 0)
			return -EBADMSG;
		if (got < 0)
			return (int)got;
		while (!d->done && (h = next_message(buffer, (size_t)got, &at)))
			take_dumped(d, h);
	}
	return d->result;
}

int netlink_get(int fd, void *request, size_t n, netlink_message_fn *fn, void *context)
{
	struct nlmsghdr *h = request;
	struct dump d = {.fn = fn, .context = context};

	if (n < NLMSG_HDRLEN)
		return -EMSGSIZE;
	/* The answer to NLM_F_ACK comes behind the message: it ends this as NLMSG_DONE does a dump. */
	h->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	h->nlmsg_seq = 1;
	return dump_once(fd, request, n, &d);
}

int netlink_dump(int fd, void *request, size_t n, netlink_message_fn *fn,
		 void (*reset)(void *context), void *context)
{
	struct nlmsghdr *h = request;

	if (n < NLMSG_HDRLEN)
		return -EMSGSIZE;
	h->nlmsg_flags |= NLM_F_REQUEST | NLM_F_DUMP;
	for (int i = 0; i < DUMP_ATTEMPTS; i++) {
		struct dump d = {.fn = fn, .context = context};
		int r;

		if (i > 0 && reset)
			reset(context);
		h->nlmsg_seq = (uint32_t)i + 1;
		r = dump_once(fd, request, n, &d);
		if (r == -EINTR || (r == 0 && d.interrupted))
			continue;
		return r;
	}
	return -EAGAIN;
}

/* ---- reading ---- */

static int collect(const char *bytes, size_t n, const struct nlattr **out, uint16_t max)
{
	for (size_t i = 0; i <= max; i++)
		out[i] = NULL;
	while (n >= NETLINK_ATTRIBUTE_HEADER) {
		const struct nlattr *a = (const void *)bytes;
		uint16_t number = (uint16_t)(a->nla_type & NLA_TYPE_MASK);
		size_t step;

		if (a->nla_len < NETLINK_ATTRIBUTE_HEADER || a->nla_len > n)
			return -EBADMSG;
		if (number <= max)
			out[number] = a;
		step = NLMSG_ALIGN(a->nla_len);
		if (step >= n)
			return 0;
		bytes += step;
		n -= step;
	}
	return n ? -EBADMSG : 0;
}

int netlink_attributes(const struct nlmsghdr *h, size_t after, const struct nlattr **out,
		       uint16_t max)
{
	size_t begin = NLMSG_HDRLEN + NLMSG_ALIGN(after);

	if (h->nlmsg_len < NLMSG_HDRLEN + after)
		return -EBADMSG;
	return collect((const char *)h + begin, h->nlmsg_len > begin ? h->nlmsg_len - begin : 0,
		       out, max);
}

int netlink_nested(const struct nlattr *a, const struct nlattr **out, uint16_t max)
{
	return collect(netlink_value(a), netlink_value_bytes(a), out, max);
}

static void copy_value(const struct nlattr *a, void *out, size_t n)
{
	if (a && netlink_value_bytes(a) >= n)
		memcpy(out, netlink_value(a), n);
}

uint8_t netlink_value_u8(const struct nlattr *a)
{
	uint8_t v = 0;

	copy_value(a, &v, sizeof v);
	return v;
}

uint16_t netlink_value_u16(const struct nlattr *a)
{
	uint16_t v = 0;

	copy_value(a, &v, sizeof v);
	return v;
}

uint32_t netlink_value_u32(const struct nlattr *a)
{
	uint32_t v = 0;

	copy_value(a, &v, sizeof v);
	return v;
}

uint32_t netlink_value_be32(const struct nlattr *a)
{
	return ntohl(netlink_value_u32(a));
}

const char *netlink_value_string(const struct nlattr *a)
{
	const char *s;
	size_t n;

	if (!a)
		return NULL;
	s = netlink_value(a);
	n = netlink_value_bytes(a);
	return n > 0 && s[n - 1] == '\0' ? s : NULL;
}
