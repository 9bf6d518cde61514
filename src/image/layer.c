/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a layer's tar and hands each entry to layer_place.c. The stream is hashed as libarchive pulls
 * it and drained to its last byte after the end of the archive, so the diff id is that of the whole.
 *
 * The process must be in the C locale: libarchive then keeps names as the bytes they are.
 */
#include "image/layer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "image/image_archive.h"
#include "image/layer_internal.h"

#define TRAILING_MAX (16u << 20)
#define WHITEOUT ".wh."
#define WHITEOUT_META ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

/* What libarchive's callback needs; an error of the stream waits here. */
struct feed {
	struct stream *stream;
	struct err err;
};

static la_ssize_t feed_read(struct archive *a, void *context, const void **bytes)
{
	struct feed *f = context;
	const unsigned char *chunk = NULL;
	ssize_t n = f->stream->next(f->stream, &chunk, &f->err);

	*bytes = chunk;
	if (n < 0) {
		archive_set_error(a, EIO, "%s", f->err.msg);
		return ARCHIVE_FATAL;
	}
	return n;
}

static struct archive *open_tar(struct feed *f)
{
	struct archive *a = archive_read_new();

	if (!a)
		return NULL;
	if (archive_read_support_format_tar(a) != ARCHIVE_OK ||
	    archive_read_support_format_empty(a) != ARCHIVE_OK ||
	    archive_read_set_read_callback(a, feed_read) != ARCHIVE_OK ||
	    archive_read_set_callback_data(a, f) != ARCHIVE_OK ||
	    archive_read_open1(a) != ARCHIVE_OK) {
		archive_read_free(a);
		return NULL;
	}
	return a;
}

static int bad_layer(const struct feed *f, struct archive *a, struct err *err)
{
	const char *why = a ? archive_error_string(a) : NULL;

	if (f->err.kind != ERR_NONE) {
		*err = f->err;
		return err_code(err);
	}
	return err_set(err, ERR_INVALID, EBADMSG, "no tar or damaged: %s",
		       why ? why : "unknown format");
}

/* "./": the attributes of the image's root. */
static int apply_root(struct layer *l, struct archive_entry *e, struct err *err)
{
	struct placed p = {.fd = l->root, .parent = -1};
	struct timespec times[2];

	if (archive_entry_filetype(e) != AE_IFDIR || archive_entry_hardlink(e))
		return err_set(err, ERR_INVALID, EINVAL, "the root can only be a directory");
	attributes_times(e, times);
	layer_note_times(l, ".", times);
	return attributes_apply(l, e, &p, "/", err);
}

static int apply_whiteout(struct layer *l, const char *path, const char *base, struct err *err)
{
	const char *name = base + strlen(WHITEOUT);

	if (str_eq(base, WHITEOUT_OPAQUE))
		return layer_opaque(l, path, err);
	/* AUFS's own bookkeeping */
	if (str_starts(base, WHITEOUT_META))
		return 0;
	if (!name[0] || str_eq(name, ".") || str_eq(name, ".."))
		return err_set(err, ERR_INVALID, EINVAL, "%.200s: invalid whiteout", path);
	return layer_whiteout(l, path, name, err);
}

static int apply_entry(struct layer *l, struct archive_entry *e, struct err *err)
{
	const char *raw = archive_entry_pathname(e);
	const char *base;
	char path[PATH_MAX];
	int rc;

	if (!raw || !raw[0])
		return err_set(err, ERR_INVALID, EINVAL, "an entry without a name");
	rc = archive_clean_name(raw, path);
	if (rc == -ENAMETOOLONG)
		return err_set(err, ERR_INVALID, ENAMETOOLONG, "%.100s...: name too long", raw);
	if (rc < 0)
		return err_set(err, ERR_INVALID, EINVAL, "entry \"%.200s\" leads out of the image",
			       raw);
	if (str_eq(path, "."))
		return apply_root(l, e, err);
	base = strrchr(path, '/');
	base = base ? base + 1 : path;
	if (str_starts(base, WHITEOUT))
		return apply_whiteout(l, path, base, err);
	return layer_place(l, e, path, err);
}

static int read_entries(struct layer *l, const struct feed *f, layer_entry_fn entry,
			struct err *err)
{
	struct archive_entry *e;
	int rc;

	while ((rc = archive_read_next_header(l->archive, &e)) == ARCHIVE_OK ||
	       rc == ARCHIVE_WARN) {
		rc = entry(l, e, err);
		if (rc < 0 && f->err.kind != ERR_NONE)
			*err = f->err;
		if (rc < 0)
			return rc;
	}
	return rc == ARCHIVE_EOF ? 0 : bad_layer(f, l->archive, err);
}

/* What follows the end of the archive counts for the digest: padding, by some writers a megabyte. */
static int drain(struct stream *s, struct err *err)
{
	const unsigned char *bytes;
	size_t left = TRAILING_MAX;
	ssize_t n;

	while ((n = s->next(s, &bytes, err)) > 0) {
		if ((size_t)n > left)
			return err_set(err, ERR_INVALID, EFBIG,
				       "more than %u bytes after the end of the tar", TRAILING_MAX);
		left -= (size_t)n;
	}
	return (int)n;
}

int layer_read(struct layer *l, struct stream *tar, layer_entry_fn entry, struct err *err)
{
	struct feed f = {.stream = tar, .err = ERR_INIT};
	int rc;

	l->archive = open_tar(&f);
	rc = l->archive ? read_entries(l, &f, entry, err) : bad_layer(&f, NULL, err);
	archive_read_free(l->archive);
	l->archive = NULL;
	return rc < 0 ? rc : drain(tar, err);
}

void layer_free(struct layer *l)
{
	if (l->parent >= 0)
		close(l->parent);
	for (size_t i = 0; i < l->directory_count; i++)
		free(l->directories[i].path);
	free(l->directories);
}

int layer_apply(struct stream *tar, int dir, const struct merged *lower, struct layer_result *out,
		struct err *err)
{
	auto_hash struct hash hash = {0};
	auto_stream struct stream *tap = NULL;
	struct layer l = {.root = dir, .lower = lower, .out = out, .parent = -1};
	int rc = hash_start(&hash, err);

	memset(out, 0, sizeof(*out));
	if (rc < 0)
		return rc;
	tap = stream_tap_borrowed(tar, &hash, NULL);
	rc = layer_start(&l, err);
	if (rc == 0)
		rc = layer_read(&l, tap, apply_entry, err);
	if (rc == 0)
		rc = layer_finish(&l, err);
	if (rc == 0)
		rc = hash_finish(&hash, out->diff_id, err);
	layer_free(&l);
	return rc;
}
