/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes tar archives (POSIX ustar, with pax records only where ustar has no room), one entry at a
 * time into a sink, in constant memory but for the names of hard-linked files. What is written is the
 * same for the same content: names in byte order, no names of users, times in whole seconds unless
 * asked for more. Format: POSIX.1-2017 pax(1); extended attributes as SCHILY.xattr.NAME.
 *
 * Files are read through descriptors, one component at a time and never through a symlink, so a tree
 * that a container changes meanwhile cannot lead the walk elsewhere.
 */
#ifndef CLOCHE_IMAGE_TAR_WRITE_H
#define CLOCHE_IMAGE_TAR_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/str.h"

#define TAR_BLOCK 512u

/* Takes all n bytes: 0 or -errno. */
typedef int (*tar_sink_fn)(void *context, const void *bytes, size_t n);
/* A sink of a file descriptor: context is an int *. */
int must_check tar_sink_fd(void *context, const void *bytes, size_t n);

struct tar_link {
	dev_t device;
	ino_t inode;
	char *name; /* NULL: free */
};

struct tar_writer {
	tar_sink_fn sink;
	void *context;
	uint64_t size_bytes; /* written so far, for progress and for the size of an archive */
	uint64_t entries;
	unsigned char *buffer;
	size_t used;
	struct tar_link *links; /* hash table, size a power of two */
	size_t link_count, link_size;
};

void tar_writer_init(struct tar_writer *w, tar_sink_fn sink, void *context);
/* The end of the archive: two empty blocks; hands everything to the sink. */
int must_check tar_writer_finish(struct tar_writer *w, struct err *err);
void tar_writer_free(struct tar_writer *w);
#define auto_tar_writer __attribute__((cleanup(tar_writer_free)))

/* One entry. Regular files: its st_size bytes follow by tar_write_data(), then tar_end_data(). */
struct tar_entry {
	const char *name;   /* directories with a slash at the end */
	const char *target; /* of a symlink or hard link, else NULL */
	bool hard_link;
	const struct stat *st;       /* type, mode, owner, size, mtime, rdev */
	const struct strbuf *xattrs; /* ready pax records, or NULL */
	bool nanoseconds;
};

int must_check tar_write_header(struct tar_writer *w, const struct tar_entry *e, struct err *err);
int must_check tar_write_data(struct tar_writer *w, const void *bytes, size_t n, struct err *err);
int must_check tar_end_data(struct tar_writer *w, uint64_t size_bytes, struct err *err);
/* A file from memory, owned by root. */
int must_check tar_write_file(struct tar_writer *w, const char *name, const void *bytes, size_t n,
			      int64_t mtime_s, struct err *err);
int must_check tar_write_directory(struct tar_writer *w, const char *name, int64_t mtime_s,
				   struct err *err);
/* Appends one pax record, "LENGTH key=value\n", length included. */
void tar_pax_record(struct strbuf *out, const char *key, const void *value, size_t n);

/* ---- trees ---- */

struct tar_tree_options {
	bool nanoseconds;
	bool contents_only; /* what is in the directory, not the directory itself */
	bool overlay_upper; /* whiteouts and opaque directories as layers have them */
	/* True for what is left out, with everything below it. name without a slash at the end. */
	bool (*skip)(void *context, const char *name, const struct stat *st);
	void *context;
};

/*
 * Writes what leaf in dir is (never followed when it is a symlink), named `name`, and everything
 * below it. dir may be O_PATH. Sockets are left out. A file that shrinks meanwhile is filled with
 * zeros, one that vanishes before it was opened is left out.
 */
int must_check tar_write_tree(struct tar_writer *w, int dir, const char *leaf, const char *name,
			      const struct tar_tree_options *options, struct err *err);

#endif
