/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stages of a byte stream. The decompressors are ISA-L's inflate and zstd; both have fixed windows
 * here, so a stream of any size takes the same memory.
 */
#include "image/stream.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

#define OUT_CHUNK (1u << 20)
/* gzip cannot exceed 1032:1; an honest zstd layer of a gigabyte does not come near this either. */
#define RATIO_MAX 1100u
#define RATIO_FROM (1ull << 30)

int stream_budget_take(struct stream_budget *b, size_t n, struct err *err)
{
	b->produced_bytes += n;
	if (b->produced_bytes > b->max_bytes)
		return err_set(err, ERR_INVALID, ENOSPC,
			       "the archive unpacks to more than the %llu MiB that are free on %s",
			       (unsigned long long)(b->max_bytes >> 20), b->where);
	if (b->produced_bytes > RATIO_FROM && b->produced_bytes / RATIO_MAX > b->input_bytes)
		return err_set(err, ERR_INVALID, EFBIG,
			       "the archive unpacks to more than %u times its size: this is a "
			       "decompression bomb",
			       RATIO_MAX);
	return 0;
}

/* ---- from a file ---- */

struct fd_stream {
	struct stream base;
	int fd;
	uint64_t *count;
	unsigned char bytes[STREAM_CHUNK];
};

static ssize_t fd_next(struct stream *s, const unsigned char **bytes, struct err *err)
{
	struct fd_stream *f = (struct fd_stream *)s;
	ssize_t n = fd_read_full(f->fd, f->bytes, sizeof(f->bytes));

	if (n < 0)
		return err_set(err, ERR_SYSTEM, (int)-n, "read the archive: %s",
			       err_errno_text((int)-n));
	if (f->count)
		*f->count += (uint64_t)n;
	*bytes = f->bytes;
	return n;
}

static void fd_close(struct stream *s)
{
	free(s);
}

struct stream *stream_from_fd(int fd, uint64_t *count)
{
	struct fd_stream *f = xcalloc(1, sizeof(*f));

	f->base = (struct stream){.next = fd_next, .close = fd_close};
	f->fd = fd;
	f->count = count;
	return &f->base;
}

/* ---- tap ---- */

struct tap_stream {
	struct stream base;
	struct stream *below;
	struct hash *hash;
	uint64_t *count;
	bool borrowed;
};

static ssize_t tap_next(struct stream *s, const unsigned char **bytes, struct err *err)
{
	struct tap_stream *t = (struct tap_stream *)s;
	ssize_t n = t->below->next(t->below, bytes, err);

	if (n > 0 && t->hash)
		hash_add(t->hash, *bytes, (size_t)n);
	if (n > 0 && t->count)
		*t->count += (uint64_t)n;
	return n;
}

static void tap_close(struct stream *s)
{
	struct tap_stream *t = (struct tap_stream *)s;

	if (!t->borrowed)
		stream_close(&t->below);
	free(t);
}

static struct stream *new_tap(struct stream *below, struct hash *hash, uint64_t *count,
			      bool borrowed)
{
	struct tap_stream *t = xcalloc(1, sizeof(*t));

	*t = (struct tap_stream){
		.base = {.next = tap_next, .close = tap_close},
		.below = below,
		.hash = hash,
		.count = count,
		.borrowed = borrowed,
	};
	return &t->base;
}

struct stream *stream_tap(struct stream *below, struct hash *hash, uint64_t *count)
{
	return new_tap(below, hash, count, false);
}

struct stream *stream_tap_borrowed(struct stream *below, struct hash *hash, uint64_t *count)
{
	return new_tap(below, hash, count, true);
}

/* ---- decompression ---- */

struct inflate {
	struct stream base;
	struct stream *below;
	struct stream_budget *budget;
	const char *what;
	ssize_t (*step)(struct inflate *f, const unsigned char **bytes, struct err *err);
	const unsigned char *in; /* not consumed yet */
	size_t in_len;
	bool in_end;  /* below has ended */
	bool between; /* at the end of a member or frame, where input may end */
	struct inflate_state *gzip;
	ZSTD_DStream *zstd;
	unsigned char *out;
};

static int damaged(struct inflate *f, const char *how, struct err *err)
{
	return err_set(err, ERR_INVALID, EBADMSG, "%s%s", f->what, how);
}

/* Makes sure there is input unless it has ended. */
static int refill(struct inflate *f, struct err *err)
{
	ssize_t n;

	if (f->in_len || f->in_end)
		return 0;
	n = f->below->next(f->below, &f->in, err);
	if (n < 0)
		return (int)n;
	f->in_len = (size_t)n;
	f->in_end = n == 0;
	return 0;
}

static ssize_t plain_step(struct inflate *f, const unsigned char **bytes, struct err *err)
{
	int rc = refill(f, err);
	size_t n = f->in_len;

	if (rc < 0)
		return rc;
	*bytes = f->in;
	f->in_len = 0;
	return (ssize_t)n;
}

static ssize_t gzip_step(struct inflate *f, const unsigned char **bytes, struct err *err)
{
	struct inflate_state *z = f->gzip;

	for (;;) {
		size_t made;
		int rc = refill(f, err);

		if (rc < 0)
			return rc;
		if (!f->in_len && f->between)
			return 0;
		if (f->between) {
			isal_inflate_reset(z);
			z->crc_flag = ISAL_GZIP;
			f->between = false;
		}
		z->next_in = (uint8_t *)(uintptr_t)f->in;
		z->avail_in = (uint32_t)f->in_len;
		z->next_out = f->out;
		z->avail_out = OUT_CHUNK;
		rc = isal_inflate(z);
		if (rc < 0)
			return damaged(f, "damaged gzip data", err);
		made = OUT_CHUNK - z->avail_out;
		f->between = z->block_state == ISAL_BLOCK_FINISH;
		if (made == 0 && f->in_end && !f->between)
			return damaged(f, "truncated gzip data", err);
		f->in = z->next_in;
		f->in_len = z->avail_in;
		*bytes = f->out;
		if (made)
			return (ssize_t)made;
	}
}

static ssize_t zstd_step(struct inflate *f, const unsigned char **bytes, struct err *err)
{
	for (;;) {
		ZSTD_outBuffer out = {.dst = f->out, .size = OUT_CHUNK};
		ZSTD_inBuffer in = {0};
		int rc = refill(f, err);
		size_t left;

		if (rc < 0)
			return rc;
		if (!f->in_len && f->between)
			return 0;
		in = (ZSTD_inBuffer){.src = f->in, .size = f->in_len};
		left = ZSTD_decompressStream(f->zstd, &out, &in);
		if (ZSTD_isError(left))
			return damaged(f, "damaged zstd data", err);
		f->in += in.pos;
		f->in_len -= in.pos;
		f->between = left == 0;
		if (out.pos == 0 && f->in_end && !f->between)
			return damaged(f, "truncated zstd data", err);
		*bytes = f->out;
		if (out.pos)
			return (ssize_t)out.pos;
	}
}

static int start_gzip(struct inflate *f)
{
	f->gzip = xcalloc(1, sizeof(*f->gzip));
	isal_inflate_init(f->gzip);
	f->gzip->crc_flag = ISAL_GZIP;
	f->step = gzip_step;
	return 0;
}

static int start_zstd(struct inflate *f)
{
	f->zstd = ZSTD_createDStream();
	if (!f->zstd)
		return -ENOMEM;
	f->step = zstd_step;
	return 0;
}

static const struct {
	const char *name;
	unsigned char magic[6];
	size_t len;
	int (*start)(struct inflate *f); /* NULL: known and not read */
} formats[] = {
	{"gzip", {0x1f, 0x8b}, 2, start_gzip},
	{"zstd", {0x28, 0xb5, 0x2f, 0xfd}, 4, start_zstd},
	{"bzip2", {'B', 'Z', 'h'}, 3, NULL},
	{"xz", {0xfd, '7', 'z', 'X', 'Z', 0}, 6, NULL},
	{"lz4", {0x04, 0x22, 0x4d, 0x18}, 4, NULL},
};

/* Looks at the first bytes. A source gives at least its first chunk whole, so they are all there. */
static int detect(struct inflate *f, struct err *err)
{
	int rc = refill(f, err);

	if (rc < 0)
		return rc;
	f->step = plain_step;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (f->in_len < formats[i].len ||
		    memcmp(f->in, formats[i].magic, formats[i].len) != 0)
			continue;
		if (!formats[i].start)
			return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
				       "%scompression %s is not supported", f->what,
				       formats[i].name);
		f->out = malloc(OUT_CHUNK);
		if (!f->out || formats[i].start(f) < 0)
			return err_set(err, ERR_SYSTEM, ENOMEM, "%sout of memory", f->what);
	}
	return 0;
}

static ssize_t inflate_next(struct stream *s, const unsigned char **bytes, struct err *err)
{
	struct inflate *f = (struct inflate *)s;
	ssize_t n;
	int rc = f->step ? 0 : detect(f, err);

	if (rc < 0)
		return rc;
	n = f->step(f, bytes, err);
	if (n > 0) {
		rc = stream_budget_take(f->budget, (size_t)n, err);
		if (rc < 0)
			return rc;
	}
	return n;
}

static void inflate_close(struct stream *s)
{
	struct inflate *f = (struct inflate *)s;

	stream_close(&f->below);
	free(f->gzip);
	ZSTD_freeDStream(f->zstd);
	free(f->out);
	free(f);
}

struct stream *stream_decompress(struct stream *below, struct stream_budget *budget,
				 const char *what)
{
	struct inflate *f = xcalloc(1, sizeof(*f));

	f->base = (struct stream){.next = inflate_next, .close = inflate_close};
	f->below = below;
	f->budget = budget;
	f->what = what;
	return &f->base;
}
