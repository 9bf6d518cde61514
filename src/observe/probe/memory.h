/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of processes as the kernel's page tables have it: what is theirs alone, what they share, and by
 * files: which inode is behind a mapping, really (an overlay shows an inode number of a lower file under a
 * device number of its own), how much of it is in the page cache, and in which page frames. Two
 * containers that map the same frame share that memory; no other proof is as good. Reads only.
 *
 * Sources: proc(5) on smaps, smaps_rollup and pagemap; cachestat(2); mincore(2).
 */
#ifndef CLOCHE_OBSERVE_PROBE_MEMORY_H
#define CLOCHE_OBSERVE_PROBE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "observe/probe/cgroup.h"

struct layers_mount;

/* Sums over processes; bytes. */
struct memory_totals {
	uint64_t rss, pss;
	uint64_t private_bytes, shared_bytes; /* clean and dirty; shared: mapped more than once */
	uint64_t anonymous, swap;
	size_t processes, unreadable; /* the second: ended meanwhile, or no permission */
};

/* Adds one process by its smaps_rollup. 0 or -errno (then counted as unreadable). */
int memory_add_process(pid_t pid, struct memory_totals *sum);
/* All processes of a container's groups. -ENOENT when the group is gone. */
int must_check memory_read_group(const struct group_view *g, struct memory_totals *out);
/* Part, for tests: a text of smaps_rollup. */
void memory_add_rollup(const char *text, struct memory_totals *sum);

/* One page of a file and the frame of physical memory it is in. */
struct memory_page {
	uint64_t page; /* of the file, counted from its begin */
	uint64_t frame;
};

/* One file that some of the processes map. */
struct memory_file {
	char *path;             /* as the container sees it */
	uint64_t device, inode; /* as the container sees them (stat) */
	bool overlay;
	char *real_path;                  /* the file behind it on the host; NULL: not found */
	uint64_t real_device, real_inode; /* of real_path; 0: not found */
	uint64_t size;
	uint64_t rss, pss; /* of all mappings of all processes looked at */
	uint64_t resident; /* bytes of it in the page cache; valid with has_resident */
	bool has_resident, by_mincore;
	struct memory_page *pages; /* page cache pages that are mapped, by page */
	size_t page_count;
	bool has_frames; /* false: the kernel shows no frame numbers (no CAP_SYS_ADMIN) */
};
struct memory_files {
	struct memory_file *items; /* largest rss first */
	size_t count;
};

/* The files that any of pids maps; root is the root mount of their container (layers_read()), or NULL.
 * Processes that end meanwhile are left out. */
int must_check memory_read_files(const pid_t *pids, size_t pid_count,
				 const struct layers_mount *root, struct memory_files *out,
				 struct err *err);
void memory_files_free(struct memory_files *f);
#define auto_memory_files __attribute__((cleanup(memory_files_free)))
/* Of two files: bytes of the pages that are mapped in both, and of those that are so in the same frames. */
struct memory_overlap {
	uint64_t both, common;
};
struct memory_overlap memory_compare_files(const struct memory_file *a,
					   const struct memory_file *b);
/* The file with that inode behind it, or NULL. */
const struct memory_file *memory_find_file(const struct memory_files *f, uint64_t real_device,
					   uint64_t real_inode);
/* Bytes of an open file that are in the page cache. An overlay's own file has none: ask the one behind
 * it. *by_mincore: the kernel has no cachestat (6.5). */
int must_check memory_resident(int fd, uint64_t *bytes, bool *by_mincore);

/* What the host has left, bytes: MemAvailable of /proc/meminfo and the free pages that processors hold in
 * lists of their own (/proc/zoneinfo). 0: unknown. */
uint64_t memory_available(void);

#endif
