/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recorder follows the tar just far enough to know what is content of a plain file. Whatever it
 * does not understand it keeps literally, so a record is always right; at worst it is large.
 */
#include "image/tar_record.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/fd.h"
#include "base/str.h"
#include "image/image_archive.h"
#include "kernel/path.h"

#define MAGIC "cloche-tar-record 1\n"
#define MAGIC_LEN (sizeof(MAGIC) - 1)
#define LEVEL 3
#define META_MAX (1u << 20) /* of a pax or long-name entry that is understood */
#define CHUNK 65536u

enum state {
	IN_HEADER,  /* collecting one block */
	IN_META,    /* the data of a pax or long-name entry, collected and kept */
	IN_CONTENT, /* of a plain file: counted, not kept */
	IN_LITERAL, /* kept: data of another entry, padding */
	IN_REST,    /* kept to the end */
};

struct tar_recorder {
	struct stream base;
	struct stream *below;
	int fd;
	ZSTD_CStream *zstd;
	struct err err; /* of writing */
	enum state state;
	unsigned char block[TAR_BLOCK];
	size_t block_used;
	uint64_t left;    /* of the state */
	uint64_t padding; /* after IN_META and IN_CONTENT */
	char meta_type;   /* 'x', 'L' or 0: not understood */
	struct strbuf meta;
	struct strbuf literal; /* not written yet */
	/* what precedes an entry says of it */
	char *next_name;
	bool next_sized, next_sparse;
	uint64_t next_size;
};

/* ---- writing ---- */

static void put(struct tar_recorder *r, const void *bytes, size_t n, ZSTD_EndDirective end)
{
	unsigned char out[CHUNK];
	ZSTD_inBuffer in = {.src = bytes, .size = n};
	size_t left = 1;

	while (r->err.kind == ERR_NONE && (in.pos < in.size || (end == ZSTD_e_end && left > 0))) {
		ZSTD_outBuffer to = {.dst = out, .size = sizeof(out)};
		int rc;

		left = ZSTD_compressStream2(r->zstd, &to, &in, end);
		rc = ZSTD_isError(left) ? -EIO : fd_write_all(r->fd, out, to.pos);
		if (rc < 0)
			err_set(&r->err, ERR_SYSTEM, -rc, "write the record of a layer: %s",
				err_errno_text(-rc));
	}
}

static void flush_literal(struct tar_recorder *r)
{
	uint32_t n = htole32((uint32_t)r->literal.len);

	if (!r->literal.len)
		return;
	put(r, "L", 1, ZSTD_e_continue);
	put(r, &n, sizeof(n), ZSTD_e_continue);
	put(r, r->literal.data, r->literal.len, ZSTD_e_continue);
	r->literal.len = 0;
}

static void keep(struct tar_recorder *r, const void *bytes, size_t n)
{
	strbuf_add(&r->literal, bytes, n);
	if (r->literal.len >= CHUNK)
		flush_literal(r);
}

static void refer(struct tar_recorder *r, const char *name, uint64_t size)
{
	uint64_t bytes = htole64(size);
	uint16_t n = htole16((uint16_t)strlen(name));

	flush_literal(r);
	put(r, "F", 1, ZSTD_e_continue);
	put(r, &bytes, sizeof(bytes), ZSTD_e_continue);
	put(r, &n, sizeof(n), ZSTD_e_continue);
	put(r, name, strlen(name), ZSTD_e_continue);
}

/* ---- understanding ---- */

static bool read_number(const unsigned char *field, size_t size, uint64_t *out)
{
	uint64_t value = 0;
	size_t i = 0;

	/* base 256 of GNU tar; a negative size is nonsense */
	if (field[0] & 0x80) {
		for (i = 0; i < size; i++) {
			if (value >> 55)
				return false;
			value = value << 8 | (i ? field[i] : field[i] & 0x7f);
		}
		*out = value;
		return true;
	}
	while (i < size && field[i] == ' ')
		i++;
	for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
		value = value << 3 | (uint64_t)(field[i] - '0');
	*out = value;
	return i == size || field[i] == ' ' || field[i] == '\0';
}

static bool is_header(const unsigned char *block)
{
	uint64_t want;
	uint64_t sum = 0, sum_signed = 0;

	for (size_t i = 0; i < TAR_BLOCK; i++) {
		bool in_sum = i >= 148 && i < 156;

		sum += in_sum ? ' ' : block[i];
		sum_signed += in_sum ? ' ' : (uint64_t)(int64_t)(signed char)block[i];
	}
	return read_number(block + 148, 8, &want) && (want == sum || want == sum_signed);
}

/* One pax record "LENGTH key=value\n" at p. Its length, 0 for what is none. */
static size_t parse_pax(struct tar_recorder *r, const char *p, size_t size)
{
	const char *blank = memchr(p, ' ', size < 20 ? size : 20), *equals;
	auto_free char *number = blank ? xstrndup(p, (size_t)(blank - p)) : NULL;
	uint64_t n;

	if (!number || str_to_u64(number, &n) < 0 || n > size || n < (size_t)(blank - p) + 3 ||
	    p[n - 1] != '\n')
		return 0;
	blank++;
	equals = memchr(blank, '=', n - (size_t)(blank - p));
	if (!equals)
		return 0;
	if (equals - blank == 4 && memcmp(blank, "path", 4) == 0) {
		free(r->next_name);
		r->next_name = xstrndup(equals + 1, (size_t)(p + n - 2 - equals));
	} else if (equals - blank == 4 && memcmp(blank, "size", 4) == 0) {
		auto_free char *value = xstrndup(equals + 1, (size_t)(p + n - 2 - equals));

		r->next_sized = str_to_u64(value, &r->next_size) == 0;
	} else if (equals - blank > 10 && memcmp(blank, "GNU.sparse", 10) == 0) {
		r->next_sparse = true;
	}
	return n;
}

static void understand_meta(struct tar_recorder *r)
{
	size_t at = 0, n = 1;

	if (r->meta_type == 'L') {
		free(r->next_name);
		r->next_name = xstrndup(strbuf_str(&r->meta), r->meta.len);
	}
	for (; r->meta_type == 'x' && n && at < r->meta.len; at += n)
		n = parse_pax(r, r->meta.data + at, r->meta.len - at);
	r->meta.len = 0;
}

static char *name_of(struct tar_recorder *r)
{
	const char *block = (const char *)r->block;
	char *name = take_ptr(&r->next_name);

	if (name)
		return name;
	if (memcmp(block + 257, "ustar\0", 6) == 0 && block[345])
		return xasprintf("%.155s/%.100s", block + 345, block);
	return xstrndup(block, strnlen(block, 100));
}

/* True when the unpacked layer has this entry's data as a file; name then is where. */
static bool is_plain_file(struct tar_recorder *r, const char *raw, char name[static PATH_MAX])
{
	char type = (char)r->block[156];
	const char *base;

	if ((type != '0' && type != '\0' && type != '7') || r->next_sparse || str_ends(raw, "/") ||
	    archive_clean_name(raw, name) < 0)
		return false;
	base = strrchr(name, '/');
	/* whiteouts become devices */
	return !str_starts(base ? base + 1 : name, ".wh.");
}

static void forget_next(struct tar_recorder *r)
{
	free(take_ptr(&r->next_name));
	r->next_sized = r->next_sparse = false;
}

static void start_state(struct tar_recorder *r, enum state state, uint64_t size)
{
	r->state = size ? state : IN_HEADER;
	r->left = size;
	r->padding = size ? (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK : 0;
}

/* A block that should be a header is complete. */
static void understand_header(struct tar_recorder *r)
{
	char type = (char)r->block[156], name[PATH_MAX];
	auto_free char *raw = NULL;
	uint64_t size;

	r->block_used = 0;
	keep(r, r->block, TAR_BLOCK);
	if (!is_header(r->block) || !read_number(r->block + 124, 12, &size)) {
		r->state = IN_REST;
		return;
	}
	if (type == 'x' || type == 'L' || type == 'K' || type == 'g' || type == 'X') {
		r->meta_type = type;
		start_state(r,
			    type != 'K' && type != 'g' && size <= META_MAX ? IN_META : IN_LITERAL,
			    size);
		return;
	}
	if (r->next_sized)
		size = r->next_size;
	raw = name_of(r);
	if (type >= '1' && type <= '6')
		size = 0;
	if (size && is_plain_file(r, raw, name)) {
		refer(r, name, size);
		start_state(r, IN_CONTENT, size);
	} else {
		start_state(r, IN_LITERAL, size);
	}
	forget_next(r);
}

/* The data of an entry is complete: its padding follows. */
static void end_data(struct tar_recorder *r)
{
	if (r->state == IN_META)
		understand_meta(r);
	r->left = r->padding;
	r->padding = 0;
	r->state = r->left ? IN_LITERAL : IN_HEADER;
}

/* Takes what it can of n bytes. */
static size_t take(struct tar_recorder *r, const unsigned char *bytes, size_t n)
{
	size_t part = r->left < n ? (size_t)r->left : n;

	if (r->state == IN_REST) {
		keep(r, bytes, n);
		return n;
	}
	if (r->state == IN_HEADER) {
		part = TAR_BLOCK - r->block_used < n ? TAR_BLOCK - r->block_used : n;
		memcpy(r->block + r->block_used, bytes, part);
		r->block_used += part;
		if (r->block_used == TAR_BLOCK)
			understand_header(r);
		return part;
	}
	if (r->state != IN_CONTENT)
		keep(r, bytes, part);
	if (r->state == IN_META)
		strbuf_add(&r->meta, (const char *)bytes, part);
	r->left -= part;
	if (r->left == 0)
		end_data(r);
	return part;
}

/* ---- the stage ---- */

static ssize_t tap_next(struct stream *s, const unsigned char **bytes, struct err *err)
{
	struct tar_recorder *r = (struct tar_recorder *)s;
	ssize_t n = r->below->next(r->below, bytes, err);

	for (size_t at = 0; n > 0 && at < (size_t)n;)
		at += take(r, *bytes + at, (size_t)n - at);
	if (r->err.kind != ERR_NONE) {
		*err = r->err;
		return err_code(err);
	}
	return n;
}

static void tap_close(struct stream *s)
{
	struct tar_recorder *r = (struct tar_recorder *)s;

	ZSTD_freeCStream(r->zstd);
	strbuf_free(&r->meta);
	strbuf_free(&r->literal);
	free(r->next_name);
	free(r);
}

struct stream *tar_record_tap(struct stream *below, int fd, struct tar_recorder **out)
{
	struct tar_recorder *r = xcalloc(1, sizeof(*r));

	r->base = (struct stream){.next = tap_next, .close = tap_close};
	r->below = below;
	r->fd = fd;
	r->err = ERR_INIT;
	r->zstd = ZSTD_createCStream();
	if (!r->zstd || ZSTD_isError(ZSTD_initCStream(r->zstd, LEVEL)))
		err_set(&r->err, ERR_SYSTEM, ENOMEM, "start the compressor");
	put(r, MAGIC, MAGIC_LEN, ZSTD_e_continue);
	*out = r;
	return &r->base;
}

int tar_record_finish(struct tar_recorder *r, struct err *err)
{
	if (r->block_used)
		keep(r, r->block, r->block_used);
	flush_literal(r);
	put(r, "", 0, ZSTD_e_end);
	if (r->err.kind == ERR_NONE)
		return 0;
	*err = r->err;
	return err_code(err);
}

/* ---- giving it back ---- */

struct replay {
	struct stream *stream;
	const unsigned char *bytes;
	size_t left;
	int diff;
	tar_sink_fn sink;
	void *context;
	uint64_t size_bytes;
};

static int damaged(struct err *err)
{
	return err_set(err, ERR_CORRUPT, EUCLEAN, "the record of its tar is damaged");
}

/* Exactly n bytes of the record. 1: it has ended before the first. */
static int get(struct replay *p, void *out, size_t n, struct err *err)
{
	unsigned char *to = out;
	bool started = false;

	while (n > 0) {
		size_t part;

		if (!p->left) {
			ssize_t got = p->stream->next(p->stream, &p->bytes, err);

			if (got < 0)
				return (int)got;
			if (got == 0)
				return started ? damaged(err) : 1;
			p->left = (size_t)got;
		}
		started = true;
		part = p->left < n ? p->left : n;
		memcpy(to, p->bytes, part);
		p->bytes += part;
		p->left -= part;
		to += part;
		n -= part;
	}
	return 0;
}

static int give(struct replay *p, const void *bytes, size_t n, struct err *err)
{
	int rc = p->sink ? p->sink(p->context, bytes, n) : 0;

	p->size_bytes += n;
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "write the archive: %s", err_errno_text(-rc))
		      : 0;
}

static int give_literal(struct replay *p, unsigned char *chunk, struct err *err)
{
	uint32_t n;
	int rc = get(p, &n, sizeof(n), err);

	n = le32toh(n);
	while (rc == 0 && n > 0) {
		uint32_t part = n < CHUNK ? n : CHUNK;

		rc = get(p, chunk, part, err);
		if (rc == 0)
			rc = give(p, chunk, part, err);
		n -= part;
	}
	return rc > 0 ? damaged(err) : rc;
}

static int give_content(struct replay *p, const char *name, uint64_t size, unsigned char *chunk,
			struct err *err)
{
	auto_close int fd = path_open(p->diff, name, O_RDONLY | O_NONBLOCK, 0);
	struct stat st;
	int rc = 0;

	if (fd < 0)
		return err_set(err, ERR_CORRUPT, -fd,
			       "its files are not what was loaded: %.200s: %s", name,
			       err_errno_text(-fd));
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size != size)
		return err_set(err, ERR_CORRUPT, EUCLEAN,
			       "its files are not what was loaded: %.200s has another size", name);
	while (rc == 0 && size > 0) {
		ssize_t n = read(fd, chunk, size < CHUNK ? (size_t)size : CHUNK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read %.200s", name);
		if (n == 0)
			return err_set(err, ERR_CORRUPT, EUCLEAN, "%.200s is too short", name);
		rc = give(p, chunk, (size_t)n, err);
		size -= (uint64_t)n;
	}
	return rc;
}

static int give_file(struct replay *p, unsigned char *chunk, struct err *err)
{
	char name[PATH_MAX];
	uint64_t size;
	uint16_t n;
	int rc = get(p, &size, sizeof(size), err);

	if (rc == 0)
		rc = get(p, &n, sizeof(n), err);
	if (rc == 0 && le16toh(n) >= sizeof(name))
		return damaged(err);
	if (rc == 0)
		rc = get(p, name, le16toh(n), err);
	if (rc)
		return rc > 0 ? damaged(err) : rc;
	name[le16toh(n)] = '\0';
	size = le64toh(size);
	if (p->sink)
		return give_content(p, name, size, chunk, err);
	p->size_bytes += size;
	return 0;
}

int tar_record_replay(int record, int diff, tar_sink_fn sink, void *context, uint64_t *size_bytes,
		      struct err *err)
{
	struct stream_budget budget = {.max_bytes = UINT64_MAX, .where = "the record"};
	auto_free unsigned char *chunk = xrealloc(NULL, CHUNK);
	auto_stream struct stream *stream =
		stream_decompress(stream_from_fd(record, &budget.input_bytes), &budget, "");
	struct replay p = {.stream = stream, .diff = diff, .sink = sink, .context = context};
	char magic[MAGIC_LEN], kind;
	int rc = lseek(record, 0, SEEK_SET) < 0 ? err_sys(err, "read the record of a layer")
						: get(&p, magic, MAGIC_LEN, err);

	if (rc > 0 || (rc == 0 && memcmp(magic, MAGIC, MAGIC_LEN) != 0))
		return damaged(err);
	while (rc == 0 && (rc = get(&p, &kind, 1, err)) == 0) {
		if (kind == 'L')
			rc = give_literal(&p, chunk, err);
		else
			rc = kind == 'F' ? give_file(&p, chunk, err) : damaged(err);
	}
	*size_bytes = p.size_bytes;
	return rc > 0 ? 0 : rc;
}
