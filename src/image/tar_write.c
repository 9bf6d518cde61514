/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers and blocks. A value goes into the ustar header when it fits there and into a pax record
 * when it does not; readers that know no pax then still get the file, under a shortened name.
 */
#include "image/tar_write.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/fd.h"

#define BUFFER_BYTES (256u << 10)
#define OCTAL_7 2097151ll /* 7 octal digits */
#define OCTAL_11 8589934591ll

/* ustar's header; all of it characters. */
struct ustar {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type;
	char link[100], magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155];
	char unused[12];
};
_Static_assert(sizeof(struct ustar) == TAR_BLOCK, "a tar header is one block");

int tar_sink_fd(void *context, const void *bytes, size_t n)
{
	return fd_write_all(*(const int *)context, bytes, n);
}

void tar_writer_init(struct tar_writer *w, tar_sink_fn sink, void *context)
{
	*w = (struct tar_writer){
		.sink = sink, .context = context, .buffer = xrealloc(NULL, BUFFER_BYTES)};
}

void tar_writer_free(struct tar_writer *w)
{
	for (size_t i = 0; i < w->link_size; i++)
		free(w->links[i].name);
	free(w->links);
	free(w->buffer);
	*w = (struct tar_writer){.sink = NULL};
}

static int flush(struct tar_writer *w, struct err *err)
{
	int rc = w->used ? w->sink(w->context, w->buffer, w->used) : 0;

	w->used = 0;
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "write the archive: %s", err_errno_text(-rc))
		      : 0;
}

int tar_write_data(struct tar_writer *w, const void *bytes, size_t n, struct err *err)
{
	const unsigned char *from = bytes;

	w->size_bytes += n;
	while (n > 0) {
		size_t room = BUFFER_BYTES - w->used;
		size_t part = n < room ? n : room;
		int rc;

		memcpy(w->buffer + w->used, from, part);
		w->used += part;
		from += part;
		n -= part;
		if (w->used < BUFFER_BYTES)
			continue;
		rc = flush(w, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int tar_end_data(struct tar_writer *w, uint64_t size_bytes, struct err *err)
{
	static const unsigned char zeros[TAR_BLOCK];
	size_t over = (size_t)(size_bytes % TAR_BLOCK);

	return over ? tar_write_data(w, zeros, TAR_BLOCK - over, err) : 0;
}

int tar_writer_finish(struct tar_writer *w, struct err *err)
{
	static const unsigned char zeros[2 * TAR_BLOCK];
	int rc = tar_write_data(w, zeros, sizeof(zeros), err);

	return rc < 0 ? rc : flush(w, err);
}

void tar_pax_record(struct strbuf *out, const char *key, const void *value, size_t n)
{
	size_t body = strlen(key) + n + 3; /* blank, '=', newline */
	size_t total = body + 1;
	char number[24];

	/* the length counts its own digits */
	while (total != body + (size_t)snprintf(number, sizeof(number), "%zu", total))
		total = body + strlen(number);
	strbuf_printf(out, "%s %s=", number, key);
	strbuf_add(out, value, n);
	strbuf_putc(out, '\n');
}

static void pax_text(struct strbuf *out, const char *key, const char *value)
{
	tar_pax_record(out, key, value, strlen(value));
}

static void pax_number(struct strbuf *out, const char *key, long long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", value);
	pax_text(out, key, text);
}

static bool is_ascii(const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s >= 0x80)
			return false;
	}
	return true;
}

/* Puts name into the header, split at a slash if need be. False when it does not fit. */
static bool put_name(struct ustar *h, const char *name)
{
	size_t n = strlen(name), prefix;

	if (n <= sizeof(h->name)) {
		memcpy(h->name, name, n);
		return true;
	}
	for (prefix = n < sizeof(h->prefix) + 1 ? n - 1 : sizeof(h->prefix); prefix > 0; prefix--) {
		if (name[prefix] != '/' || prefix == n - 1)
			continue;
		if (n - prefix - 1 > sizeof(h->name))
			break;
		memcpy(h->prefix, name, prefix);
		memcpy(h->name, name + prefix + 1, n - prefix - 1);
		return true;
	}
	return false;
}

static void put_octal(char *field, size_t size, long long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%0*llo", (int)size - 1, (unsigned long long)value);
	memcpy(field, text, size);
}

static void seal(struct ustar *h)
{
	const unsigned char *bytes = (const unsigned char *)h;
	unsigned sum = 0;

	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
	memset(h->checksum, ' ', sizeof(h->checksum));
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += bytes[i];
	snprintf(h->checksum, sizeof(h->checksum), "%06o", sum);
	h->checksum[7] = ' ';
}

static char type_of(const struct tar_entry *e)
{
	static const struct {
		mode_t type;
		char flag;
	} flags[] = {{S_IFREG, '0'}, {S_IFLNK, '2'}, {S_IFCHR, '3'},
		     {S_IFBLK, '4'}, {S_IFDIR, '5'}, {S_IFIFO, '6'}};

	if (e->hard_link)
		return '1';
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if ((e->st->st_mode & S_IFMT) == flags[i].type)
			return flags[i].flag;
	}
	return 0;
}

/* Numbers into the header, or where they do not fit into pax. */
static void put_numbers(const struct tar_entry *e, struct ustar *h, struct strbuf *pax)
{
	const struct stat *st = e->st;
	long long size = h->type == '0' ? st->st_size : 0, seconds = st->st_mtim.tv_sec;
	char text[48];

	put_octal(h->mode, sizeof(h->mode), st->st_mode & 07777);
	if (st->st_gid > OCTAL_7)
		pax_number(pax, "gid", st->st_gid);
	if (st->st_uid > OCTAL_7)
		pax_number(pax, "uid", st->st_uid);
	if (size > OCTAL_11)
		pax_number(pax, "size", size);
	put_octal(h->gid, sizeof(h->gid), st->st_gid > OCTAL_7 ? 0 : st->st_gid);
	put_octal(h->uid, sizeof(h->uid), st->st_uid > OCTAL_7 ? 0 : st->st_uid);
	put_octal(h->size, sizeof(h->size), size > OCTAL_11 ? 0 : size);
	if (e->nanoseconds && st->st_mtim.tv_nsec && seconds >= 0) {
		snprintf(text, sizeof(text), "%lld.%09ld", seconds, st->st_mtim.tv_nsec);
		pax_text(pax, "mtime", text);
	} else if (seconds < 0 || seconds > OCTAL_11) {
		pax_number(pax, "mtime", seconds);
	}
	put_octal(h->mtime, sizeof(h->mtime), seconds < 0 || seconds > OCTAL_11 ? 0 : seconds);
	if (h->type == '3' || h->type == '4') {
		put_octal(h->major, sizeof(h->major), major(st->st_rdev));
		put_octal(h->minor, sizeof(h->minor), minor(st->st_rdev) & OCTAL_7);
	}
}

/* The header and the pax records it needs. */
static int render(const struct tar_entry *e, struct ustar *h, struct strbuf *pax, struct err *err)
{
	size_t target = e->target ? strlen(e->target) : 0;

	h->type = type_of(e);
	if (!h->type)
		return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "%.200s: a tar cannot hold this type",
			       e->name);
	if (e->xattrs)
		strbuf_add(pax, strbuf_str(e->xattrs), e->xattrs->len);
	put_numbers(e, h, pax);
	if (target > sizeof(h->link) || (e->target && !is_ascii(e->target)))
		pax_text(pax, "linkpath", e->target);
	memcpy(h->link, target ? e->target : "",
	       target < sizeof(h->link) ? target : sizeof(h->link));
	if (!put_name(h, e->name)) {
		pax_text(pax, "path", e->name);
		memcpy(h->name, e->name, sizeof(h->name));
	} else if (!is_ascii(e->name)) {
		pax_text(pax, "path", e->name);
	}
	seal(h);
	return 0;
}

static int write_pax(struct tar_writer *w, const char *name, const struct strbuf *pax,
		     struct err *err)
{
	const char *slash = strrchr(name, '/');
	struct ustar h = {.type = 'x'};
	int rc;

	snprintf(h.name, sizeof(h.name), "PaxHeaders.0/%s",
		 slash && slash[1] && is_ascii(slash) ? slash + 1 : "entry");
	put_octal(h.mode, sizeof(h.mode), 0644);
	put_octal(h.uid, sizeof(h.uid), 0);
	put_octal(h.gid, sizeof(h.gid), 0);
	put_octal(h.size, sizeof(h.size), (long long)pax->len);
	put_octal(h.mtime, sizeof(h.mtime), 0);
	seal(&h);
	rc = tar_write_data(w, &h, sizeof(h), err);
	if (rc == 0)
		rc = tar_write_data(w, pax->data, pax->len, err);
	return rc < 0 ? rc : tar_end_data(w, pax->len, err);
}

int tar_write_header(struct tar_writer *w, const struct tar_entry *e, struct err *err)
{
	auto_strbuf struct strbuf pax = {0};
	struct ustar h = {.type = 0};
	int rc = render(e, &h, &pax, err);

	if (rc == 0 && pax.len)
		rc = write_pax(w, e->name, &pax, err);
	w->entries++;
	return rc < 0 ? rc : tar_write_data(w, &h, sizeof(h), err);
}

int tar_write_file(struct tar_writer *w, const char *name, const void *bytes, size_t n,
		   int64_t mtime_s, struct err *err)
{
	const struct stat st = {
		.st_mode = S_IFREG | 0644, .st_size = (off_t)n, .st_mtim.tv_sec = mtime_s};
	const struct tar_entry e = {.name = name, .st = &st};
	int rc = tar_write_header(w, &e, err);

	if (rc == 0)
		rc = tar_write_data(w, bytes, n, err);
	return rc < 0 ? rc : tar_end_data(w, n, err);
}

int tar_write_directory(struct tar_writer *w, const char *name, int64_t mtime_s, struct err *err)
{
	const struct stat st = {.st_mode = S_IFDIR | 0755, .st_mtim.tv_sec = mtime_s};
	const struct tar_entry e = {.name = name, .st = &st};

	return tar_write_header(w, &e, err);
}
