/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte streams that are pulled: a source, taps that hash what passes, decompression. Each stage owns
 * the one below. What must hold: memory is bounded whatever the input says, and a budget bounds what
 * decompression may produce.
 */
#ifndef CLOCHE_IMAGE_STREAM_H
#define CLOCHE_IMAGE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "image/hash.h"

#define STREAM_CHUNK (256u << 10) /* bytes */

struct stream {
	/* Gives the next bytes, valid until the next call: count, 0 at the end, -errno with *err. */
	ssize_t (*next)(struct stream *s, const unsigned char **bytes, struct err *err);
	/* Frees this stage and the ones below. */
	void (*close)(struct stream *s);
};

static inline void stream_close(struct stream **s)
{
	if (*s)
		(*s)->close(*s);
	*s = NULL;
}
#define auto_stream __attribute__((cleanup(stream_close)))

/* What decompression may produce in one load, over all its stages. */
struct stream_budget {
	uint64_t max_bytes;   /* what the file system can take */
	uint64_t input_bytes; /* read from the archive as it came */
	uint64_t produced_bytes;
	const char *where; /* for the message: the data root */
};

/* Counts n more bytes produced. ERR_INVALID with a clear text when that is more than fits on disk, or
 * more than any honest compression yields. */
int must_check stream_budget_take(struct stream_budget *b, size_t n, struct err *err);

/* Reads fd (borrowed) from its current offset; *count, when not NULL, grows by the bytes read. */
struct stream *stream_from_fd(int fd, uint64_t *count);
/* Passes bytes on and adds them to *hash and *count (borrowed, may be NULL). */
struct stream *stream_tap(struct stream *below, struct hash *hash, uint64_t *count);
/* The same on a stream that stays the caller's. */
struct stream *stream_tap_borrowed(struct stream *below, struct hash *hash, uint64_t *count);
/* Decompresses gzip (any number of members) or zstd (any number of frames), told by the first bytes;
 * passes anything else on as it is, except formats it knows and does not read (ERR_UNSUPPORTED).
 * Truncated or damaged input is ERR_INVALID. The budget is borrowed; it is charged for what is
 * passed on too. what is put in front of errors ("the archive: ", borrowed). */
struct stream *stream_decompress(struct stream *below, struct stream_budget *budget,
				 const char *what);

#endif
