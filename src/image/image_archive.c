/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Indexes a tar and reads files out of it at any time. The index holds where the headers of each
 * entry start; to read one, a new libarchive reader begins there, so that all that tar can say about
 * an entry (PAX headers, long names) is understood by one parser only.
 */
#include "image/image_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

/* An image of 127 layers in every layout at once has fewer than a thousand. */
#define ENTRIES_MAX 100000
#define LINKS_MAX 8
#define TAR_BLOCK 512
#define TAR_CHECKSUM 148 /* where a header has it, in octal digits */

int archive_clean_name(const char *name, char out[static PATH_MAX])
{
	size_t n = 0;

	for (;;) {
		size_t part;

		name += strspn(name, "/");
		part = strcspn(name, "/");
		if (part == 0)
			break;
		if (part == 2 && name[0] == '.' && name[1] == '.') {
			if (n == 0)
				return -EINVAL;
			while (n > 0 && out[n - 1] != '/')
				n--;
			n -= n > 0;
		} else if (part != 1 || name[0] != '.') {
			if (n + part + 2 > PATH_MAX)
				return -ENAMETOOLONG;
			if (n)
				out[n++] = '/';
			memcpy(out + n, name, part);
			n += part;
		}
		name += part;
	}
	if (n == 0)
		out[n++] = '.';
	out[n] = '\0';
	return 0;
}

/* ---- libarchive on a range of a file ---- */

struct reader {
	int fd;
	uint64_t offset;
	unsigned char bytes[STREAM_CHUNK];
};

static la_ssize_t reader_read(struct archive *a, void *context, const void **bytes)
{
	struct reader *r = context;
	ssize_t n;

	do
		n = pread(r->fd, r->bytes, sizeof(r->bytes), (off_t)r->offset);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		archive_set_error(a, errno, "read: %s", err_errno_text(errno));
		return ARCHIVE_FATAL;
	}
	r->offset += (uint64_t)n;
	*bytes = r->bytes;
	return n;
}

/* Skips in the file, never past its end: a size that lies shows as truncation. */
static la_int64_t reader_skip(struct archive *a, void *context, la_int64_t request)
{
	struct reader *r = context;
	struct stat st;
	uint64_t left;

	(void)a;
	if (fstat(r->fd, &st) < 0 || request < 0)
		return 0;
	left = (uint64_t)st.st_size > r->offset ? (uint64_t)st.st_size - r->offset : 0;
	if ((uint64_t)request > left)
		request = (la_int64_t)left;
	r->offset += (uint64_t)request;
	return request;
}

/* A libarchive reader of tar alone. NULL only without memory. */
static struct archive *open_reader(struct reader *r)
{
	struct archive *a = archive_read_new();

	if (!a)
		return NULL;
	if (archive_read_support_format_tar(a) != ARCHIVE_OK ||
	    archive_read_set_read_callback(a, reader_read) != ARCHIVE_OK ||
	    archive_read_set_skip_callback(a, reader_skip) != ARCHIVE_OK ||
	    archive_read_set_callback_data(a, r) != ARCHIVE_OK ||
	    archive_read_open1(a) != ARCHIVE_OK) {
		archive_read_free(a);
		return NULL;
	}
	return a;
}

static int bad_archive(struct err *err, struct archive *a)
{
	const char *why = a ? archive_error_string(a) : NULL;

	return err_set(err, ERR_INVALID, EBADMSG, "the archive is no tar or damaged: %s",
		       why ? why : "unknown format");
}

/* ---- the index ---- */

static int by_name(const void *a, const void *b)
{
	const struct archive_entry_index *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	if (order)
		return order;
	/* the later entry first, so that it is the one kept */
	return x->order < y->order ? 1 : -1;
}

static void keep_last_of_each(struct image_archive *a)
{
	size_t kept = 0;

	if (a->count)
		qsort(a->entries, a->count, sizeof(*a->entries), by_name);
	for (size_t i = 0; i < a->count; i++) {
		if (kept && str_eq(a->entries[kept - 1].name, a->entries[i].name)) {
			free(a->entries[i].name);
			free(a->entries[i].target);
		} else {
			a->entries[kept++] = a->entries[i];
		}
	}
	a->count = kept;
}

/* What a link means: a symlink's target counts from its directory, a hard link's from the root. */
static int link_target(struct archive_entry *e, const char *name, char out[static PATH_MAX])
{
	const char *hard = archive_entry_hardlink(e);
	const char *soft = archive_entry_symlink(e);
	const char *slash = strrchr(name, '/');
	char joined[2 * PATH_MAX];

	if (hard)
		return archive_clean_name(hard, out);
	if (!soft)
		return -EINVAL;
	if (str_format(joined, sizeof(joined), "%.*s/%s", slash ? (int)(slash - name) : 0, name,
		       soft) < 0)
		return -ENAMETOOLONG;
	return archive_clean_name(joined, out);
}

static int add_entry(struct image_archive *a, struct archive_entry *e, uint64_t offset,
		     struct err *err)
{
	const char *raw = archive_entry_pathname(e);
	bool link = archive_entry_hardlink(e) || archive_entry_filetype(e) == AE_IFLNK;
	char name[PATH_MAX], target[PATH_MAX];

	if (!raw || archive_clean_name(raw, name) < 0)
		return err_set(err, ERR_INVALID, EINVAL,
			       "the archive has an invalid name: \"%.200s\"", raw ? raw : "");
	if (!link && archive_entry_filetype(e) != AE_IFREG)
		return 0;
	if (link && link_target(e, name, target) < 0)
		return err_set(err, ERR_INVALID, EINVAL,
			       "the archive has a link that leaves it: \"%.200s\"", raw);
	if (a->count >= ENTRIES_MAX)
		return err_set(err, ERR_INVALID, EFBIG, "the archive has more than %d entries",
			       ENTRIES_MAX);
	if ((a->count & (a->count + 1)) == 0)
		a->entries = xrealloc(a->entries, 2 * (a->count + 1) * sizeof(*a->entries));
	a->entries[a->count] = (struct archive_entry_index){
		.name = xstrdup(name),
		.target = link ? xstrdup(target) : NULL,
		.offset = offset,
		.size_bytes = (uint64_t)archive_entry_size(e),
		.order = a->count,
	};
	a->count++;
	return 0;
}

static int index_entries(struct image_archive *a, struct archive *reader, struct err *err)
{
	struct archive_entry *e;
	int rc;

	while ((rc = archive_read_next_header(reader, &e)) == ARCHIVE_OK || rc == ARCHIVE_WARN) {
		int added = add_entry(a, e, (uint64_t)archive_read_header_position(reader), err);

		if (added < 0)
			return added;
	}
	if (rc != ARCHIVE_EOF)
		return bad_archive(err, reader);
	if (a->count == 0)
		return err_set(err, ERR_INVALID, EBADMSG, "the archive is empty");
	keep_last_of_each(a);
	return 0;
}

static int build_index(struct image_archive *a, struct err *err)
{
	auto_free struct reader *r = xcalloc(1, sizeof(*r));
	struct archive *reader;
	int rc;

	r->fd = a->fd;
	reader = open_reader(r);
	rc = reader ? index_entries(a, reader, err) : bad_archive(err, NULL);
	archive_read_free(reader);
	return rc;
}

/* ---- opening ---- */

/* True when fd can be read in place: a regular file at its start, with no compression. */
static bool usable_in_place(int fd, uint64_t *size)
{
	unsigned char magic[6] = {0};
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || lseek(fd, 0, SEEK_CUR) != 0 ||
	    pread(fd, magic, sizeof(magic), 0) < 0)
		return false;
	*size = (uint64_t)st.st_size;
	/* a tar starts with a name or with zeros; none of the compressed formats looks like a name
	 * followed by zeros, but their magic numbers do not come up as names either */
	return !(magic[0] == 0x1f && magic[1] == 0x8b) &&
	       memcmp(magic, "\x28\xb5\x2f\xfd", 4) != 0 &&
	       memcmp(magic,
		      "\xfd"
		      "7zXZ",
		      6) != 0 &&
	       memcmp(magic, "\x04\x22\x4d\x18", 4) != 0 && memcmp(magic, "BZh", 3) != 0;
}

/* Whether these first bytes can begin a tar: by the checksum of the first header, which some have summed
 * with signed bytes. */
static bool begins_a_tar(const unsigned char *header, size_t n)
{
	long stated = 0, sum = 0, signed_sum = 0;

	if (n < TAR_BLOCK)
		return true;
	for (size_t i = 0; i < TAR_BLOCK; i++) {
		bool checksum = i >= TAR_CHECKSUM && i < TAR_CHECKSUM + 8;

		sum += checksum ? ' ' : header[i];
		signed_sum += checksum ? ' ' : (signed char)header[i];
		if (checksum && header[i] >= '0' && header[i] <= '7')
			stated = stated * 8 + header[i] - '0';
	}
	return stated == sum || stated == signed_sum;
}

/* Copies the input, decompressed, into an unnamed file. What is no tar may have no end either, and must
 * not fill the disk before it is refused. */
static int spool(int input, int tmp_dir, struct stream_budget *budget, struct err *err)
{
	auto_stream struct stream *in = NULL;
	auto_close int fd = -1;
	bool first = true;

	fd = openat(tmp_dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
		fd = openat(tmp_dir, "spool", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0 && unlinkat(tmp_dir, "spool", 0) < 0)
			return err_sys(err, "create a temporary file");
	}
	if (fd < 0)
		return err_sys(err, "create a temporary file");
	in = stream_decompress(stream_from_fd(input, &budget->input_bytes), budget,
			       "the archive: ");
	for (;;) {
		const unsigned char *bytes;
		ssize_t n = in->next(in, &bytes, err);
		int rc;

		if (n < 0)
			return (int)n;
		if (n == 0)
			return take_fd(&fd);
		if (first && !begins_a_tar(bytes, (size_t)n))
			return err_set(
				err, ERR_INVALID, EBADMSG,
				"the archive is no tar or damaged: it begins with no header");
		first = false;
		rc = fd_write_all(fd, bytes, (size_t)n);
		if (rc < 0)
			return err_set(err, ERR_SYSTEM, -rc, "write a temporary file: %s",
				       err_errno_text(-rc));
	}
}

int image_archive_open(int input, int tmp_dir, struct stream_budget *budget,
		       struct image_archive *out, struct err *err)
{
	int rc;

	memset(out, 0, sizeof(*out));
	out->fd = -1;
	budget->input_bytes = 0;
	if (usable_in_place(input, &budget->input_bytes)) {
		out->fd = fcntl(input, F_DUPFD_CLOEXEC, 3);
		if (out->fd < 0)
			return err_sys(err, "read the archive");
	} else {
		out->fd = spool(input, tmp_dir, budget, err);
		if (out->fd < 0)
			return out->fd;
		/* what the layers unpack to is counted apart from this copy */
		budget->produced_bytes = 0;
	}
	rc = build_index(out, err);
	if (rc < 0)
		image_archive_close(out);
	return rc;
}

void image_archive_close(struct image_archive *a)
{
	for (size_t i = 0; i < a->count; i++) {
		free(a->entries[i].name);
		free(a->entries[i].target);
	}
	free(a->entries);
	if (a->fd >= 0)
		close(a->fd);
	memset(a, 0, sizeof(*a));
	a->fd = -1;
}

/* ---- reading ---- */

static int compare_name(const void *key, const void *element)
{
	return strcmp(key, ((const struct archive_entry_index *)element)->name);
}

static const struct archive_entry_index *find(const struct image_archive *a, const char *name)
{
	char clean[PATH_MAX];

	if (archive_clean_name(name, clean) < 0)
		return NULL;
	for (int i = 0; i <= LINKS_MAX; i++) {
		const struct archive_entry_index *e =
			bsearch(clean, a->entries, a->count, sizeof(*a->entries), compare_name);

		if (!e || !e->target)
			return e;
		memcpy(clean, e->target, strlen(e->target) + 1);
	}
	return NULL;
}

bool image_archive_has(const struct image_archive *a, const char *name)
{
	return find(a, name) != NULL;
}

bool image_archive_size(const struct image_archive *a, const char *name, uint64_t *bytes)
{
	const struct archive_entry_index *index = find(a, name);

	if (index)
		*bytes = index->size_bytes;
	return index != NULL;
}

struct entry_stream {
	struct stream base;
	struct archive *archive;
	uint64_t position;
	char name[128];
	struct reader reader;
};

static ssize_t entry_next(struct stream *s, const unsigned char **bytes, struct err *err)
{
	struct entry_stream *e = (struct entry_stream *)s;
	const void *block;
	la_int64_t offset;
	size_t n;
	int rc;

	do {
		rc = archive_read_data_block(e->archive, &block, &n, &offset);
		if (rc == ARCHIVE_EOF)
			return 0;
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			return bad_archive(err, e->archive);
	} while (n == 0);
	if ((uint64_t)offset != e->position)
		return err_set(err, ERR_INVALID, EBADMSG, "the archive is damaged: %s has holes",
			       e->name);
	e->position += n;
	*bytes = block;
	return (ssize_t)n;
}

static void entry_close(struct stream *s)
{
	struct entry_stream *e = (struct entry_stream *)s;

	archive_read_free(e->archive);
	free(e);
}

int image_archive_stream(const struct image_archive *a, const char *name, struct stream **out,
			 uint64_t *size, struct err *err)
{
	const struct archive_entry_index *index = find(a, name);
	struct archive_entry *entry;
	struct entry_stream *e;

	if (!index)
		return err_set(err, ERR_NOT_FOUND, ENOENT, "the archive has no %.200s", name);
	e = xcalloc(1, sizeof(*e));
	e->base = (struct stream){.next = entry_next, .close = entry_close};
	snprintf(e->name, sizeof(e->name), "%s", index->name);
	e->reader.fd = a->fd;
	e->reader.offset = index->offset;
	e->archive = open_reader(&e->reader);
	if (!e->archive || archive_read_next_header(e->archive, &entry) < ARCHIVE_WARN ||
	    (uint64_t)archive_entry_size(entry) != index->size_bytes) {
		int rc = bad_archive(err, e->archive);

		entry_close(&e->base);
		return rc;
	}
	*out = &e->base;
	*size = index->size_bytes;
	return 0;
}

int image_archive_read(const struct image_archive *a, const char *name, size_t max, char **out,
		       size_t *len, struct err *err)
{
	auto_stream struct stream *in = NULL;
	auto_free char *text = NULL;
	uint64_t size;
	size_t n = 0;
	int rc = image_archive_stream(a, name, &in, &size, err);

	if (rc < 0)
		return rc;
	if (size > max)
		return err_set(err, ERR_INVALID, EFBIG,
			       "%.200s is larger than the %zu bytes allowed", name, max);
	text = xcalloc(1, size + 1);
	for (;;) {
		const unsigned char *bytes;
		ssize_t got = in->next(in, &bytes, err);

		if (got < 0)
			return (int)got;
		if (got == 0)
			break;
		if ((size_t)got > size - n)
			return err_set(err, ERR_INVALID, EBADMSG,
				       "the archive is damaged: %.200s is too long", name);
		memcpy(text + n, bytes, (size_t)got);
		n += (size_t)got;
	}
	*out = take_ptr(&text);
	*len = n;
	return 0;
}
