/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making, looking at, renaming and removing many small files: what a package manager or a checkout does.
 * Each kind of operation is done on all files before the next kind begins, timed as a whole. Nothing is
 * flushed: this is the price of the calls, not of the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "observe/helper/helper.h"
#include "observe/helper/verbs.h"

#define FILES_EACH 10 /* files in a directory, and directories in one above, when nested */

struct tree {
	const char *base;
	uint64_t count;
	bool nested;
};

/* BASE/3/7/f371 or BASE/f371; level 1 and 2 name the directories above, 0 the file itself. */
static int name(const struct tree *t, uint64_t i, int level, const char *suffix,
		char out[static PATH_MAX])
{
	unsigned long long n = i, middle = i / FILES_EACH, outer = middle / FILES_EACH;

	if (!t->nested)
		return str_format(out, PATH_MAX, "%s/f%llu%s", t->base, n, suffix);
	if (level == 2)
		return str_format(out, PATH_MAX, "%s/%llu", t->base, outer);
	if (level == 1)
		return str_format(out, PATH_MAX, "%s/%llu/%llu", t->base, outer, middle);
	return str_format(out, PATH_MAX, "%s/%llu/%llu/f%llu%s", t->base, outer, middle, n, suffix);
}

static int make_directories(const struct tree *t)
{
	char path[PATH_MAX];

	for (uint64_t i = 0; t->nested && i < t->count; i += FILES_EACH) {
		for (int level = 2; level > 0; level--) {
			if (name(t, i, level, "", path) < 0 ||
			    (mkdir(path, 0755) < 0 && errno != EEXIST))
				return -errno;
		}
	}
	return 0;
}

static void remove_directories(const struct tree *t)
{
	char path[PATH_MAX];

	for (int level = 1; t->nested && level < 3; level++) {
		for (uint64_t i = 0; i < t->count; i += FILES_EACH) {
			if (name(t, i, level, "", path) == 0)
				rmdir(path);
		}
	}
	rmdir(t->base);
}

static int create(const char *path, const char *other)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	(void)other;
	return fd < 0 ? -errno : close(fd);
}

static int look(const char *path, const char *other)
{
	struct stat st;

	(void)other;
	return lstat(path, &st) < 0 ? -errno : 0;
}

static int move(const char *path, const char *other)
{
	return rename(path, other) < 0 ? -errno : 0;
}

static int drop(const char *path, const char *other)
{
	(void)path;
	return unlink(other) < 0 ? -errno : 0;
}

/* Does one thing with every file; *ns is how long all took, names made up included. */
static int on_each(const struct tree *t, int (*what)(const char *path, const char *other),
		   uint64_t *ns)
{
	char path[PATH_MAX], other[PATH_MAX];
	uint64_t begin = helper_now_ns();

	for (uint64_t i = 0; i < t->count; i++) {
		int rc = name(t, i, 0, "", path);

		if (rc == 0)
			rc = name(t, i, 0, "-", other);
		if (rc == 0)
			rc = what(path, other);
		if (rc < 0)
			return rc;
	}
	*ns = helper_now_ns() - begin;
	return 0;
}

/* After a failure: what may be there under either name. */
static void remove_files(const struct tree *t)
{
	char path[PATH_MAX];

	for (uint64_t i = 0; i < t->count; i++) {
		if (name(t, i, 0, "", path) == 0)
			unlink(path);
		if (name(t, i, 0, "-", path) == 0)
			unlink(path);
	}
}

static int make_files(const struct tree *t)
{
	uint64_t create_ns = 0, stat_ns = 0, rename_ns = 0;
	int rc;

	if (mkdir(t->base, 0755) < 0)
		return -errno;
	rc = make_directories(t);
	if (rc == 0)
		rc = on_each(t, create, &create_ns);
	if (rc == 0)
		rc = on_each(t, look, &stat_ns);
	if (rc == 0)
		rc = on_each(t, move, &rename_ns);
	if (rc < 0) {
		remove_files(t);
		remove_directories(t);
		return rc;
	}
	helper_answer("create_ns=%llu stat_ns=%llu rename_ns=%llu", (unsigned long long)create_ns,
		      (unsigned long long)stat_ns, (unsigned long long)rename_ns);
	return 0;
}

static int drop_files(const struct tree *t)
{
	uint64_t unlink_ns = 0;
	int rc = on_each(t, drop, &unlink_ns);

	if (rc < 0)
		remove_files(t);
	remove_directories(t);
	if (rc == 0)
		helper_answer("unlink_ns=%llu", (unsigned long long)unlink_ns);
	return rc;
}

/* path count nested step=make|drop: makes, looks at and renames files, or removes them. Two requests,
 * because making files soon after others were removed is another thing on some file systems. */
static int metadata(const struct helper_request *r)
{
	const char *step = helper_text(r, "step");
	struct tree t = {.base = helper_text(r, "path")};

	if (!t.base || !step || helper_u64(r, "count", &t.count) < 0)
		return -EINVAL;
	t.nested = helper_u64_or(r, "nested", 0);
	return str_eq(step, "drop") ? drop_files(&t) : make_files(&t);
}

const struct helper_verb helper_verb_io_metadata = {"io-metadata", metadata};
