/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing, timed around the system calls and nothing else: opening, truncating, emptying the
 * cache and making the file to read from are outside. Every place gets the same calls in the same order
 * with the same bytes.
 */
#include "observe/helper/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "observe/helper/helper.h"
#include "observe/helper/verbs.h"

#define CACHED_MAX_PAGES 65536 /* 256 MiB of a file are looked at */
#define PAGE_BYTES 4096u

uint64_t io_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

unsigned char *io_block(void)
{
	static unsigned char block[IO_BLOCK] __attribute__((aligned(PAGE_BYTES)));
	uint64_t state = 1, value;

	memcpy(&value, block, sizeof(value));
	/* Later there is in it what was read last, from files that were filled with the same. */
	for (size_t i = 0; value == 0 && i < IO_BLOCK; i += sizeof(state)) {
		uint64_t next = io_random(&state);

		memcpy(block + i, &next, sizeof(next));
	}
	return block;
}

int io_cached_percent(int fd, uint64_t bytes)
{
	static unsigned char resident[CACHED_MAX_PAGES];
	size_t pages = (size_t)((bytes + PAGE_BYTES - 1) / PAGE_BYTES), have = 0;
	void *map;

	if (pages > CACHED_MAX_PAGES)
		pages = CACHED_MAX_PAGES;
	if (pages == 0)
		return -1;
	map = mmap(NULL, pages * PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -1;
	if (mincore(map, pages * PAGE_BYTES, resident) < 0)
		have = pages * 2;
	munmap(map, pages * PAGE_BYTES);
	if (have)
		return -1;
	for (size_t i = 0; i < pages; i++)
		have += resident[i] & 1;
	return (int)(have * 100 / pages);
}

int io_fill(const char *path, uint64_t bytes)
{
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	unsigned char *block = io_block();

	if (fd < 0)
		return -errno;
	for (uint64_t done = 0; done < bytes; done += IO_BLOCK) {
		uint64_t left = bytes - done;
		int rc = fd_write_all(fd, block, left < IO_BLOCK ? (size_t)left : IO_BLOCK);

		if (rc < 0)
			return rc;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* ---- transfers ---- */

struct transfer {
	int fd;
	bool write, random;
	uint64_t bytes; /* of the file */
	uint64_t block, count;
};

static int transfer_blocks(const struct transfer *t, unsigned char *block)
{
	uint64_t state = 7, blocks = t->bytes / t->block;

	for (uint64_t i = 0; i < t->count; i++) {
		off_t at = (off_t)((t->random ? io_random(&state) % blocks : i) * t->block);
		ssize_t n = t->write ? pwrite(t->fd, block, t->block, at)
				     : pread(t->fd, block, t->block, at);

		if (n < 0)
			return -errno;
		if ((uint64_t)n != t->block)
			return -EIO;
	}
	return 0;
}

/* Pages that are dirty cannot be dropped, so they are written first. */
static int empty_cache(int fd, bool random)
{
	int rc = fsync(fd) < 0 ? errno : posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);

	if (rc == 0 && random)
		rc = posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	return -rc;
}

static int open_transfer(const struct helper_request *r, const char *path, struct transfer *t)
{
	bool direct = helper_u64_or(r, "direct", 0);
	int flags = (t->write ? O_WRONLY | O_CREAT : O_RDONLY) | (direct ? O_DIRECT : 0) |
		    O_CLOEXEC;
	int rc = 0;

	/* Random writes meet a file that is there; what is appended is another thing. */
	if (t->write && !t->random)
		flags |= O_TRUNC;
	t->fd = open(path, flags, 0644);
	if (t->fd < 0)
		return -errno;
	if (!t->write && !direct)
		rc = empty_cache(t->fd, t->random);
	return rc;
}

/* path op=write|read bytes block random count direct sync: ns covers the blocks and, for a write with
 * sync, the fsync after them; cached is what of a read lay in memory before it. */
static int transfer(const struct helper_request *r)
{
	const char *path = helper_text(r, "path"), *op = helper_text(r, "op");
	struct transfer t = {.fd = -1};
	auto_close int fd = -1;
	unsigned char *block = io_block();
	uint64_t begin, end, written;
	int rc, cached;

	if (!path || !op || helper_u64(r, "bytes", &t.bytes) < 0)
		return -EINVAL;
	t.write = str_eq(op, "write");
	t.random = helper_u64_or(r, "random", 0);
	t.block = helper_u64_or(r, "block", IO_BLOCK);
	if (t.block == 0 || t.block > IO_BLOCK || t.bytes < t.block)
		return -EINVAL;
	t.count = helper_u64_or(r, "count", t.bytes / t.block);
	rc = open_transfer(r, path, &t);
	fd = t.fd;
	if (rc < 0)
		return rc;
	cached = t.write ? -1 : io_cached_percent(fd, t.bytes);
	begin = helper_now_ns();
	rc = transfer_blocks(&t, block);
	written = helper_now_ns();
	if (rc == 0 && t.write && helper_u64_or(r, "sync", 1) && fsync(fd) < 0)
		rc = -errno;
	end = helper_now_ns();
	if (rc < 0)
		return rc;
	helper_answer("ns=%llu sync_ns=%llu bytes=%llu count=%llu cached=%d",
		      (unsigned long long)(end - begin), (unsigned long long)(end - written),
		      (unsigned long long)(t.count * t.block), (unsigned long long)t.count, cached);
	return 0;
}

/* ---- copies ---- */

static int copy_loop(int from, int to, uint64_t *bytes)
{
	unsigned char *block = io_block();
	ssize_t n;

	while ((n = read(from, block, IO_BLOCK)) > 0) {
		int rc = fd_write_all(to, block, (size_t)n);

		if (rc < 0)
			return rc;
		*bytes += (uint64_t)n;
	}
	return n < 0 ? -errno : 0;
}

/* Brings a file into the cache; *cached is how much of it stayed there. */
static int read_through(const char *path, int *cached)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned char *block = io_block();
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	while ((n = read(fd, block, IO_BLOCK)) > 0)
		;
	*cached = io_cached_percent(fd, (uint64_t)st.st_size);
	return n < 0 ? -errno : 0;
}

/* from to sync: what a copy of a file costs without any layers: read and write in blocks, fsync when
 * asked. The copy is removed; its source was read before and lies in the cache. */
static int copy(const struct helper_request *r)
{
	const char *from = helper_text(r, "from"), *to = helper_text(r, "to");
	auto_close int source = -1, target = -1;
	uint64_t bytes = 0, begin, end;
	int rc, cached;

	if (!from || !to)
		return -EINVAL;
	rc = read_through(from, &cached);
	if (rc < 0)
		return rc;
	begin = helper_now_ns();
	source = open(from, O_RDONLY | O_CLOEXEC);
	target = source < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (target < 0)
		return -errno;
	rc = copy_loop(source, target, &bytes);
	if (rc == 0 && helper_u64_or(r, "sync", 1) && fsync(target) < 0)
		rc = -errno;
	end = helper_now_ns();
	unlink(to);
	if (rc == 0)
		helper_answer("ns=%llu bytes=%llu cached=%d", (unsigned long long)(end - begin),
			      (unsigned long long)bytes, cached);
	return rc;
}

/* from to: whether this file system gives a file a second name for the same blocks. */
static int reflink(const struct helper_request *r)
{
	const char *from = helper_text(r, "from"), *to = helper_text(r, "to");
	auto_close int source = -1, target = -1;
	bool works;

	if (!from || !to)
		return -EINVAL;
	source = open(from, O_RDONLY | O_CLOEXEC);
	target = source < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (target < 0)
		return -errno;
	works = ioctl(target, FICLONE, source) == 0;
	unlink(to);
	helper_answer("reflink=%d", works);
	return 0;
}

/* ---- the first write ---- */

enum touch { TOUCH_WRITE, TOUCH_OPEN, TOUCH_APPEND, TOUCH_CHMOD };

static const char *const touches[] = {"write", "open", "append", "chmod"};

/* One change of one byte, or none. *opened_ns: after open, where copies are made. */
static int touch_file(const char *path, enum touch how, uint64_t *opened_ns)
{
	auto_close int fd = -1;

	if (how == TOUCH_CHMOD)
		return chmod(path, 0640) < 0 ? -errno : 0;
	fd = open(path, (how == TOUCH_OPEN ? O_RDWR : O_WRONLY) |
				(how == TOUCH_APPEND ? O_APPEND : 0) | O_CLOEXEC);
	*opened_ns = helper_now_ns();
	if (fd < 0)
		return -errno;
	if (how == TOUCH_WRITE && pwrite(fd, "x", 1, 0) != 1)
		return -errno;
	if (how == TOUCH_APPEND && write(fd, "x", 1) != 1)
		return -errno;
	return 0;
}

/* path how=write|open|append|chmod: the file is read first, so that it lies in the cache; then changed,
 * then changed again in the same way. open_ns is the part of ns that open(2) took. */
static int first_write(const struct helper_request *r)
{
	const char *path = helper_text(r, "path"), *name = helper_text(r, "how");
	uint64_t begin, end, opened = 0, again, ignored;
	unsigned how = 0;
	int rc, cached;

	while (name && how < sizeof(touches) / sizeof(touches[0]) && !str_eq(name, touches[how]))
		how++;
	if (!path || !name || how == sizeof(touches) / sizeof(touches[0]))
		return -EINVAL;
	rc = read_through(path, &cached);
	if (rc < 0)
		return rc;
	begin = helper_now_ns();
	rc = touch_file(path, (enum touch)how, &opened);
	end = helper_now_ns();
	if (rc == 0)
		rc = touch_file(path, (enum touch)how, &ignored);
	again = helper_now_ns();
	if (rc == 0)
		helper_answer("ns=%llu open_ns=%llu second_ns=%llu cached=%d",
			      (unsigned long long)(end - begin),
			      (unsigned long long)(opened ? opened - begin : 0),
			      (unsigned long long)(again - end), cached);
	return rc;
}

/* ---- what stands around a measurement ---- */

/* path bytes: makes a file of that size. */
static int fill(const struct helper_request *r)
{
	const char *path = helper_text(r, "path");
	uint64_t bytes;

	return !path || helper_u64(r, "bytes", &bytes) < 0 ? -EINVAL : io_fill(path, bytes);
}

/* path: everything of that file system is on its disk when this returns. */
static int sync_all(const struct helper_request *r)
{
	const char *path = helper_text(r, "path");
	auto_close int fd = -1;
	uint64_t begin = helper_now_ns();

	if (!path)
		return -EINVAL;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || syncfs(fd) < 0)
		return -errno;
	helper_answer("ns=%llu", (unsigned long long)(helper_now_ns() - begin));
	return 0;
}

/* path: makes a directory; one that is there is as good. */
static int make_directory(const struct helper_request *r)
{
	const char *path = helper_text(r, "path");

	if (!path)
		return -EINVAL;
	return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* path: removes a file or an empty directory; nothing there is as good. */
static int remove_one(const struct helper_request *r)
{
	const char *path = helper_text(r, "path");

	if (!path)
		return -EINVAL;
	if (unlink(path) == 0 || errno == ENOENT)
		return 0;
	return rmdir(path) < 0 ? -errno : 0;
}

const struct helper_verb helper_verb_io_transfer = {"io-transfer", transfer};
const struct helper_verb helper_verb_io_copy = {"io-copy", copy};
const struct helper_verb helper_verb_io_reflink = {"io-reflink", reflink};
const struct helper_verb helper_verb_io_first_write = {"io-first-write", first_write};
const struct helper_verb helper_verb_io_fill = {"io-fill", fill};
const struct helper_verb helper_verb_io_sync = {"io-sync", sync_all};
const struct helper_verb helper_verb_io_mkdir = {"io-mkdir", make_directory};
const struct helper_verb helper_verb_io_remove = {"io-remove", remove_one};
