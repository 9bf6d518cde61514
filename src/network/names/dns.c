/* SPDX-License-Identifier: Apache-2.0 */
#include "network/names/dns.h"

#include <errno.h>
#include <string.h>

#define FLAG_RESPONSE 0x8000u
#define FLAG_AUTHORITATIVE 0x0400u
#define FLAG_TRUNCATED 0x0200u
#define FLAG_RECURSION_DESIRED 0x0100u
#define FLAG_RECURSION_AVAILABLE 0x0080u
#define FLAG_AUTHENTIC 0x0020u
#define FLAG_CHECKING_DISABLED 0x0010u
#define OPCODE_MASK 0x7800u
#define CODE_MASK 0x000fu

#define LABEL_MAX 63
#define POINTER 0xc0u
#define RECORD_FIXED 10 /* type, class, time to live, length of what follows */
#define OPT_BYTES 11
#define OPT_DNSSEC_OK 0x8000u
/* What a query may carry besides its question: OPT, a signature. */
#define QUERY_RECORDS_MAX 4

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* ---- names ---- */

static char lower(uint8_t c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* What a name says: may be filled in while it is walked. */
struct name_text {
	char *out; /* DNS_TEXT_MAX bytes, or NULL */
	size_t used;
	bool plain;
};

static void add_label(struct name_text *t, const uint8_t *label, size_t n)
{
	if (!t->out)
		return;
	if (t->used)
		t->out[t->used++] = '.';
	for (size_t i = 0; i < n; i++) {
		t->plain = t->plain && label[i] > ' ' && label[i] < 0x7f && label[i] != '.';
		t->out[t->used++] = lower(label[i]);
	}
}

/*
 * Walks the name at *at and moves *at behind it. Every pointer leads before the part it stands in, and
 * what it leads to ends there, too: so the walk ends, and no name depends on what comes behind it. The
 * whole is at most DNS_NAME_MAX, so the text fits. pointers: whether there may be any.
 */
static int walk_name(const uint8_t *m, size_t n, size_t *at, bool pointers, struct name_text *text)
{
	size_t here = *at, part = *at, total = 0;
	bool jumped = false;

	for (;;) {
		if (here >= n)
			return -EBADMSG;
		uint8_t length = m[here];

		if ((length & POINTER) == POINTER) {
			size_t target;

			if (!pointers || here + 2 > n)
				return -EBADMSG;
			target = get16(m + here) & 0x3fffu;
			if (target < DNS_HEADER_BYTES || target >= part)
				return -EBADMSG;
			if (!jumped)
				*at = here + 2;
			jumped = true;
			n = part;
			here = part = target;
			continue;
		}
		total += 1u + length;
		if (length > LABEL_MAX || total > DNS_NAME_MAX || here + 1 + length > n)
			return -EBADMSG;
		here += 1u + length;
		if (!length)
			break;
		add_label(text, m + here - length, length);
	}
	if (!jumped)
		*at = here;
	if (text->out)
		text->out[text->used] = '\0';
	return 0;
}

static int skip_name(const uint8_t *m, size_t n, size_t *at)
{
	struct name_text none = {0};

	return walk_name(m, n, at, true, &none);
}

/* ---- records ---- */

struct record {
	size_t begin, data, data_bytes;
	uint16_t type, class;
	uint32_t ttl;
	bool root; /* its name is the root */
};

/* How many names stand in a record's data, after how many bytes, and with how many behind them. */
static void names_in(uint16_t type, unsigned *count, size_t *before, size_t *behind)
{
	*count = type == DNS_NS || type == DNS_CNAME || type == DNS_PTR || type == DNS_MX ||
		 type == DNS_SRV || type == DNS_DNAME;
	*before = type == DNS_MX ? 2 : type == DNS_SRV ? 6 : 0;
	*behind = 0;
	if (type == DNS_SOA) {
		*count = 2;
		*behind = 20;
	}
}

static int check_data(const uint8_t *m, const struct record *r)
{
	size_t at = r->data, end = r->data + r->data_bytes, before, behind;
	unsigned count;

	if ((r->type == DNS_A && r->class == DNS_CLASS_IN && r->data_bytes != 4) ||
	    (r->type == DNS_AAAA && r->data_bytes != 16))
		return -EBADMSG;
	names_in(r->type, &count, &before, &behind);
	if (!count)
		return 0;
	at += before;
	while (count--) {
		/* What is behind the data does not belong to a name in it. */
		if (at >= end || skip_name(m, end, &at) < 0)
			return -EBADMSG;
	}
	return at + behind == end ? 0 : -EBADMSG;
}

/* Reads the record at *at and moves *at behind it. */
static int read_record(const uint8_t *m, size_t n, size_t *at, struct record *r)
{
	r->begin = *at;
	r->root = *at < n && m[*at] == 0;
	if (skip_name(m, n, at) < 0 || n - *at < RECORD_FIXED)
		return -EBADMSG;
	r->type = get16(m + *at);
	r->class = get16(m + *at + 2);
	r->ttl = (uint32_t)get16(m + *at + 4) << 16 | get16(m + *at + 6);
	r->data_bytes = get16(m + *at + 8);
	r->data = *at + RECORD_FIXED;
	if (n - r->data < r->data_bytes)
		return -EBADMSG;
	*at = r->data + r->data_bytes;
	return check_data(m, r);
}

/* As the header says: answers, authorities and the rest. */
static unsigned record_count(const uint8_t *m)
{
	return (unsigned)get16(m + 6) + get16(m + 8) + get16(m + 10);
}

/* ---- reading ---- */

static int read_opt(const struct record *r, struct dns_query *q)
{
	if (q->edns || !r->root)
		return DNS_FORMAT_ERROR;
	q->edns = true;
	q->udp_bytes = r->class > DNS_UDP_MIN ? r->class : DNS_UDP_MIN;
	q->dnssec_ok = r->ttl & OPT_DNSSEC_OK;
	return (r->ttl >> 16 & 0xff) == 0 ? 0 : DNS_BAD_VERSION;
}

/* What stands behind the question. */
static int read_extras(const uint8_t *m, size_t n, struct dns_query *q)
{
	unsigned records = record_count(m);
	size_t at = q->bytes;

	if (records > QUERY_RECORDS_MAX)
		return DNS_FORMAT_ERROR;
	for (unsigned i = 0; i < records; i++) {
		struct record r;
		int rc;

		if (read_record(m, n, &at, &r) < 0)
			return DNS_FORMAT_ERROR;
		rc = r.type == DNS_OPT ? read_opt(&r, q) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

static int read_question(const uint8_t *m, size_t n, struct dns_query *q)
{
	struct name_text text = {.out = q->name, .plain = true};
	size_t at = DNS_HEADER_BYTES;

	if (walk_name(m, n, &at, false, &text) < 0 || n - at < 4) {
		q->name[0] = '\0';
		return DNS_FORMAT_ERROR;
	}
	q->plain = text.plain;
	q->type = get16(m + at);
	q->class = get16(m + at + 2);
	q->bytes = at + 4;
	return 0;
}

int dns_read_query(const uint8_t *message, size_t n, struct dns_query *out)
{
	int rc;

	out->name[0] = '\0';
	out->plain = out->edns = out->dnssec_ok = false;
	out->type = out->class = 0;
	out->bytes = 0;
	out->udp_bytes = DNS_UDP_MIN;
	if (n < DNS_HEADER_BYTES || message[2] & (FLAG_RESPONSE >> 8))
		return -EBADMSG;
	out->id = get16(message);
	out->flags = get16(message + 2);
	if (out->flags & OPCODE_MASK)
		return DNS_NOT_IMPLEMENTED;
	if (get16(message + 4) != 1)
		return DNS_FORMAT_ERROR;
	rc = read_question(message, n, out);
	return rc ? rc : read_extras(message, n, out);
}

/* The same name, type and class as q asked, whatever the case of the letters. */
static bool is_question_of(const uint8_t *m, size_t n, const struct dns_query *q)
{
	char name[DNS_TEXT_MAX];
	struct name_text text = {.out = name, .plain = true};
	size_t at = DNS_HEADER_BYTES;

	return walk_name(m, n, &at, false, &text) == 0 && n - at >= 4 && at + 4 == q->bytes &&
	       text.plain == q->plain && strcmp(name, q->name) == 0 && get16(m + at) == q->type &&
	       get16(m + at + 2) == q->class;
}

int dns_read_reply(const uint8_t *message, size_t n, const struct dns_query *q, uint16_t id,
		   struct dns_reply *out)
{
	unsigned flags, records;
	size_t at;

	if (n < DNS_HEADER_BYTES || n > DNS_MESSAGE_MAX || get16(message) != id)
		return -EBADMSG;
	flags = get16(message + 2);
	if (!(flags & FLAG_RESPONSE) || flags & OPCODE_MASK || get16(message + 4) != 1 ||
	    !is_question_of(message, n, q))
		return -EBADMSG;
	at = q->bytes;
	out->code = flags & CODE_MASK;
	out->truncated = flags & FLAG_TRUNCATED;
	/* Of one that was cut nothing is used: servers cut in the middle of a record, too. */
	records = out->truncated ? 0 : record_count(message);
	while (records--) {
		struct record r;

		if (read_record(message, n, &at, &r) < 0)
			return -EBADMSG;
	}
	out->bytes = at;
	return 0;
}

/* ---- writing ---- */

static size_t put_opt(uint8_t *out, const struct dns_query *q, unsigned code)
{
	out[0] = 0;
	put16(out + 1, DNS_OPT);
	put16(out + 3, DNS_UDP_ASKED);
	out[5] = (uint8_t)(code >> 4);
	out[6] = 0;
	put16(out + 7, q->dnssec_ok ? OPT_DNSSEC_OK : 0);
	put16(out + 9, 0);
	return OPT_BYTES;
}

size_t dns_write_question(uint8_t out[static DNS_QUERY_MAX], const uint8_t *message,
			  const struct dns_query *q, uint16_t id)
{
	size_t n = q->bytes;

	memcpy(out, message, n);
	memset(out + 4, 0, DNS_HEADER_BYTES - 4);
	put16(out, id);
	put16(out + 2,
	      q->flags & (FLAG_RECURSION_DESIRED | FLAG_AUTHENTIC | FLAG_CHECKING_DISABLED));
	put16(out + 4, 1);
	if (!q->edns)
		return n;
	put16(out + 10, 1);
	return n + put_opt(out + n, q, 0);
}

void dns_adopt_reply(uint8_t *message, const uint8_t *asked, const struct dns_query *q)
{
	put16(message, q->id);
	memcpy(message + DNS_HEADER_BYTES, asked + DNS_HEADER_BYTES, q->bytes - DNS_HEADER_BYTES);
}

/* Where the OPT record of a checked message stands; 0: it has none. */
static size_t find_opt(const uint8_t *m, size_t n, size_t at, unsigned records, size_t *bytes)
{
	while (records--) {
		struct record r;

		if (read_record(m, n, &at, &r) < 0)
			return 0;
		*bytes = at - r.begin;
		if (r.type == DNS_OPT && r.root)
			return r.begin;
	}
	return 0;
}

size_t dns_truncate(uint8_t *message, size_t n, size_t limit)
{
	struct name_text none = {0};
	size_t at = DNS_HEADER_BYTES, end, opt, opt_bytes = 0;
	unsigned answers = get16(message + 6), kept = 0;

	if (n <= limit)
		return n;
	if (walk_name(message, n, &at, false, &none) < 0 || n - at < 4)
		return 0;
	at = end = at + 4;
	opt = find_opt(message, n, at, record_count(message), &opt_bytes);
	if (end + opt_bytes > limit)
		opt = 0;
	if (!opt)
		opt_bytes = 0;
	while (kept < answers) {
		struct record r;

		if (read_record(message, n, &at, &r) < 0 || at + opt_bytes > limit)
			break;
		end = at;
		kept++;
	}
	put16(message + 2, get16(message + 2) | FLAG_TRUNCATED);
	put16(message + 6, kept);
	put16(message + 8, 0);
	put16(message + 10, opt != 0);
	/* It stands behind all that is kept. */
	if (opt)
		memmove(message + end, message + opt, opt_bytes);
	return end + opt_bytes;
}

void dns_answer_begin(struct dns_answer *a, uint8_t *out, size_t size, size_t limit,
		      const uint8_t *message, const struct dns_query *q)
{
	a->bytes = out;
	a->query = q;
	a->limit = limit < size ? limit : size;
	a->used = q->bytes ? q->bytes : DNS_HEADER_BYTES;
	a->records = 0;
	a->truncated = false;
	memcpy(out, message, a->used);
	if (q->edns)
		a->limit -= OPT_BYTES;
}

/* Room for a record of the name that was asked with so much data; NULL: none is left. */
static uint8_t *add_record(struct dns_answer *a, enum dns_type type, size_t n)
{
	uint8_t *p = a->bytes + a->used;

	if (a->truncated || a->used > a->limit || a->limit - a->used < 2 + RECORD_FIXED + n) {
		a->truncated = true;
		return NULL;
	}
	put16(p, POINTER << 8 | DNS_HEADER_BYTES);
	put16(p + 2, type);
	put16(p + 4, DNS_CLASS_IN);
	memset(p + 6, 0, 4);
	put16(p + 10, (unsigned)n);
	a->used += 2 + RECORD_FIXED + n;
	a->records++;
	return p + 2 + RECORD_FIXED;
}

void dns_answer_address(struct dns_answer *a, const struct ip_address *address)
{
	size_t n = ip_bytes(address);
	uint8_t *p = add_record(a, n == 4 ? DNS_A : DNS_AAAA, n);

	if (p)
		memcpy(p, address->bytes, n);
}

void dns_answer_pointer(struct dns_answer *a, const char *name)
{
	uint8_t *p;

	if (!dns_name_is_valid(name))
		return;
	p = add_record(a, DNS_PTR, strlen(name) + 2);
	while (p) {
		size_t n = strcspn(name, ".");

		*p++ = (uint8_t)n;
		memcpy(p, name, n);
		p += n;
		if (!name[n]) {
			*p = 0;
			return;
		}
		name += n + 1;
	}
}

size_t dns_answer_end(struct dns_answer *a, enum dns_code code)
{
	const struct dns_query *q = a->query;
	unsigned flags = FLAG_RESPONSE | FLAG_AUTHORITATIVE | FLAG_RECURSION_AVAILABLE;

	flags |= q->flags & (OPCODE_MASK | FLAG_RECURSION_DESIRED | FLAG_CHECKING_DISABLED);
	if (a->truncated)
		flags |= FLAG_TRUNCATED;
	put16(a->bytes + 2, flags | ((unsigned)code & CODE_MASK));
	put16(a->bytes + 4, q->bytes ? 1 : 0);
	put16(a->bytes + 6, a->records);
	put16(a->bytes + 8, 0);
	put16(a->bytes + 10, q->edns);
	if (q->edns)
		a->used += put_opt(a->bytes + a->used, q, code);
	return a->used;
}

size_t dns_udp_limit(const struct dns_query *q)
{
	return q->udp_bytes < DNS_UDP_MAX ? q->udp_bytes : DNS_UDP_MAX;
}
