/* SPDX-License-Identifier: Apache-2.0 */
/* Sums over processes, residency of a file, and what the host has left. */
#include "observe/probe/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

#define ROLLUP_MAX 4096
#define ZONEINFO_MAX (1 << 20)
#define KIB 1024U
/* cachestat has this number on every architecture (Linux 6.5); older headers lack the name. */
#define CACHESTAT 451

struct cachestat_range_ {
	uint64_t offset, length;
};
struct cachestat_ {
	uint64_t cached, dirty, writeback, evicted, recently_evicted;
};

static uint64_t kib_of(const char *line, const char *key)
{
	size_t n = strlen(key);
	uint64_t kib = 0;

	if (strncmp(line, key, n) != 0 || line[n] != ':')
		return 0;
	return sscanf(line + n + 1, "%lu kB", &kib) == 1 ? kib * KIB : 0;
}

void memory_add_rollup(const char *text, struct memory_totals *sum)
{
	for (const char *line = text; line && *line;
	     line = strchr(line, '\n'), line = line ? line + 1 : line) {
		sum->rss += kib_of(line, "Rss");
		sum->pss += kib_of(line, "Pss");
		sum->private_bytes += kib_of(line, "Private_Clean") + kib_of(line, "Private_Dirty");
		sum->shared_bytes += kib_of(line, "Shared_Clean") + kib_of(line, "Shared_Dirty");
		sum->anonymous += kib_of(line, "Anonymous");
		sum->swap += kib_of(line, "Swap");
	}
}

int memory_add_process(pid_t pid, struct memory_totals *sum)
{
	char path[64], text[ROLLUP_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	n = file_read_small_at(AT_FDCWD, path, text, sizeof(text));
	if (n < 0) {
		sum->unreadable++;
		return (int)n;
	}
	memory_add_rollup(text, sum);
	sum->processes++;
	return 0;
}

static int add_pid(int pid, void *arg)
{
	(void)memory_add_process(pid, arg); /* counted there */
	return 0;
}

int memory_read_group(const struct group_view *g, struct memory_totals *out)
{
	memset(out, 0, sizeof(*out));
	return group_for_each_pid(g, add_pid, out);
}

static int resident_by_mincore(int fd, uint64_t size, uint64_t *bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (size_t)((size + page - 1) / page);
	auto_free unsigned char *present = xcalloc(pages + 1, 1);
	void *at = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
	int rc;

	if (at == MAP_FAILED)
		return -errno;
	rc = mincore(at, (size_t)size, present) < 0 ? -errno : 0;
	munmap(at, (size_t)size);
	for (size_t i = 0; rc == 0 && i < pages; i++)
		*bytes += (present[i] & 1) ? page : 0;
	return rc;
}

int memory_resident(int fd, uint64_t *bytes, bool *by_mincore)
{
	struct cachestat_range_ range = {0, 0}; /* length 0: to the end */
	struct cachestat_ stat = {0};
	struct stat st;

	*bytes = 0;
	*by_mincore = false;
	if (syscall(CACHESTAT, fd, &range, &stat, 0) == 0) {
		*bytes = stat.cached * (uint64_t)sysconf(_SC_PAGESIZE);
		return 0;
	}
	if (errno != ENOSYS && errno != EPERM)
		return -errno;
	*by_mincore = true;
	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_size > 0 ? resident_by_mincore(fd, (uint64_t)st.st_size, bytes) : 0;
}

/* Free pages that wait in the lists of a processor are free to everybody soon, but in no sum of meminfo's:
 * a few dozen MiB each on kernels since 6.7, which let the lists grow. */
static uint64_t listed_bytes(void)
{
	auto_free char *text = NULL;
	uint64_t pages = 0, count;
	size_t len;

	if (file_read_at(AT_FDCWD, "/proc/zoneinfo", ZONEINFO_MAX, &text, &len) < 0)
		return 0;
	for (const char *at = strstr(text, " count:"); at; at = strstr(at + 1, " count:"))
		if (sscanf(at, " count: %lu", &count) == 1)
			pages += count;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t memory_available(void)
{
	char text[ROLLUP_MAX];
	const char *at;
	ssize_t n = file_read_small_at(AT_FDCWD, "/proc/meminfo", text, sizeof(text));

	if (n < 0)
		return 0;
	at = strstr(text, "MemAvailable");
	return at ? kib_of(at, "MemAvailable") + listed_bytes() : 0;
}
