/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A living group: counters, its processes, freezing, killing, removal. Works on explicit directories
 * so that the monitor needs no layout. Never allocates; what it needs of the stack is bounded.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "kernel/cgroup.h"

#define STAT_TEXT_MAX 2048
#define ENTRIES_BYTES 1024
/* Groups below groups that are looked into; the kernel allows more, nobody uses it. */
#define GROUP_DEPTH_MAX 24
#define PAUSE_MS 1

struct linux_dirent {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static ssize_t read_file(const struct cgroup_dir *dir, const char *file, char *out, size_t size)
{
	auto_close int fd = open(dir->path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : file_read_small_at(fd, file, out, size);
}

static bool read_number(const struct cgroup_dir *dir, const char *file, uint64_t *out)
{
	char text[64];

	if (read_file(dir, file, text, sizeof(text)) < 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	if (str_eq(text, "max")) {
		*out = UINT64_MAX;
		return true;
	}
	return str_to_u64(text, out) == 0;
}

/* The number after "key " at the start of a line. */
static bool find_key(const char *text, const char *key, uint64_t *out)
{
	size_t n = strlen(key);

	for (const char *p = text; *p;) {
		size_t len = strcspn(p, "\n");
		char number[24];

		if (len > n && strncmp(p, key, n) == 0 && p[n] == ' ')
			return str_format(number, sizeof(number), "%.*s", (int)(len - n - 1),
					  p + n + 1) == 0 &&
			       str_to_u64(number, out) == 0;
		p += len;
		p += *p == '\n';
	}
	return false;
}

/* Iteration over the groups directly below a directory. Names are handed out one by one; fn gets an
 * open fd of the child, closed afterwards. */
static int each_child(int dirfd, int (*fn)(int parent, const char *name, void *arg), void *arg)
{
	_Alignas(struct linux_dirent) char buf[ENTRIES_BYTES];
	auto_close int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	/* kernfs counts subdirectories in the links; the files alone are 30 entries to skip. */
	if (st.st_nlink <= 2)
		return 0;
	for (;;) {
		long n = syscall(SYS_getdents64, fd, buf, sizeof(buf));

		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (long at = 0; at < n;) {
			struct linux_dirent *e = (struct linux_dirent *)(buf + at);
			int r = 0;

			at += e->reclen;
			if (e->type == DT_DIR && !str_eq(e->name, ".") && !str_eq(e->name, ".."))
				r = fn(fd, e->name, arg);
			if (r)
				return r;
		}
	}
}

static void stats_memory_now_v1(const struct cgroup_dir *dir, struct cgroup_stats *out)
{
	out->has_memory = read_number(dir, "memory.usage_in_bytes", &out->memory_bytes);
	out->has_memory_limit = read_number(dir, "memory.limit_in_bytes", &out->memory_limit_bytes);
	/* "No limit" is the largest page-aligned signed number. */
	if (out->has_memory_limit && out->memory_limit_bytes >= (uint64_t)INT64_MAX - 65535)
		out->memory_limit_bytes = UINT64_MAX;
}

static void stats_memory_v1(const struct cgroup_dir *dir, bool death, struct cgroup_stats *out)
{
	char text[256];

	if (!death)
		stats_memory_now_v1(dir, out);
	out->has_memory_peak =
		read_number(dir, "memory.max_usage_in_bytes", &out->memory_peak_bytes);
	if (read_file(dir, "memory.oom_control", text, sizeof(text)) > 0)
		out->has_oom_kills = find_key(text, "oom_kill", &out->oom_kills);
}

static void stats_memory_v2(const struct cgroup_dir *dir, bool death, struct cgroup_stats *out)
{
	char text[512];

	out->has_memory_peak = read_number(dir, "memory.peak", &out->memory_peak_bytes);
	if (!death) {
		out->has_memory = read_number(dir, "memory.current", &out->memory_bytes);
		out->has_memory_limit = read_number(dir, "memory.max", &out->memory_limit_bytes);
	}
	if (read_file(dir, "memory.events", text, sizeof(text)) > 0)
		out->has_oom_kills = find_key(text, "oom_kill", &out->oom_kills);
}

static void stats_cpu_v1(const struct cgroup_dir *dir, bool death, struct cgroup_stats *out)
{
	char text[STAT_TEXT_MAX];

	if ((dir->controllers & CGROUP_CPUACCT) &&
	    read_number(dir, "cpuacct.usage", &out->cpu_usage_ns)) {
		out->has_cpu = death ||
			       (read_number(dir, "cpuacct.usage_user", &out->cpu_user_ns) &&
				read_number(dir, "cpuacct.usage_sys", &out->cpu_system_ns));
	}
	if ((dir->controllers & CGROUP_CPU) && read_file(dir, "cpu.stat", text, sizeof(text)) > 0)
		out->has_throttling = find_key(text, "nr_periods", &out->periods) &&
				      find_key(text, "nr_throttled", &out->throttled_periods) &&
				      find_key(text, "throttled_time", &out->throttled_ns);
}

static void stats_cpu_v2(const struct cgroup_dir *dir, struct cgroup_stats *out)
{
	char text[STAT_TEXT_MAX];
	uint64_t usage, user, system, throttled;

	if (read_file(dir, "cpu.stat", text, sizeof(text)) <= 0)
		return;
	/* Beside v1 hierarchies the unified one counts as well, but v1's figures come first. */
	if (!out->has_cpu && find_key(text, "usage_usec", &usage) &&
	    find_key(text, "user_usec", &user) && find_key(text, "system_usec", &system)) {
		out->has_cpu = true;
		out->cpu_usage_ns = usage * 1000;
		out->cpu_user_ns = user * 1000;
		out->cpu_system_ns = system * 1000;
	}
	if (!out->has_throttling && find_key(text, "nr_periods", &out->periods) &&
	    find_key(text, "nr_throttled", &out->throttled_periods) &&
	    find_key(text, "throttled_usec", &throttled)) {
		out->has_throttling = true;
		out->throttled_ns = throttled * 1000;
	}
}

static void stats_of_dir(const struct cgroup_dir *d, bool death, struct cgroup_stats *out)
{
	if (!d->v2 && (d->controllers & CGROUP_MEMORY))
		stats_memory_v1(d, death, out);
	else if (d->v2 && !out->has_memory && !out->has_memory_peak)
		stats_memory_v2(d, death, out);
	if (d->v2 && !(death && out->has_cpu && out->has_throttling))
		stats_cpu_v2(d, out);
	else if (d->controllers & (CGROUP_CPU | CGROUP_CPUACCT))
		stats_cpu_v1(d, death, out);
	if (!death && ((d->v2 && !out->has_pids) || (d->controllers & CGROUP_PIDS)))
		out->has_pids = read_number(d, "pids.current", &out->pids);
}

static int read_stats(const struct cgroup_dir *dirs, size_t count, bool death,
		      struct cgroup_stats *out)
{
	const uint32_t counted = CGROUP_MEMORY | CGROUP_CPU | CGROUP_CPUACCT | CGROUP_PIDS;
	bool found = false;

	memset(out, 0, sizeof(*out));
	/* v1 first: where its controllers count, the unified hierarchy beside them need not be read. */
	for (int v2 = 0; v2 < 2; v2++) {
		for (size_t i = 0; i < count; i++) {
			const struct cgroup_dir *d = &dirs[i];

			if (d->v2 != (v2 == 1) || (!d->v2 && !(d->controllers & counted)) ||
			    access(d->path, F_OK) < 0)
				continue;
			found = true;
			stats_of_dir(d, death, out);
		}
	}
	return found ? 0 : -ENOENT;
}

int cgroup_read_stats(const struct cgroup_dir *dirs, size_t count, struct cgroup_stats *out)
{
	return read_stats(dirs, count, false, out);
}

int cgroup_read_death(const struct cgroup_dir *dirs, size_t count, struct cgroup_stats *out)
{
	return read_stats(dirs, count, true, out);
}

void cgroup_read_evidence(const struct cgroup_dir *dirs, size_t count, uint64_t *pids_max_hits,
			  uint64_t *pressure_us)
{
	char text[256];

	*pids_max_hits = *pressure_us = 0;
	for (size_t i = 0; i < count; i++) {
		const struct cgroup_dir *d = &dirs[i];
		const char *total;

		if ((d->controllers & CGROUP_PIDS) &&
		    read_file(d, "pids.events", text, sizeof(text)) > 0)
			(void)find_key(text, "max", pids_max_hits);
		if (!d->v2 || !(d->controllers & CGROUP_MEMORY) ||
		    read_file(d, "memory.pressure", text, sizeof(text)) <= 0)
			continue;
		/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=123" is the first line. */
		total = strstr(text, "total=");
		if (total)
			*pressure_us = strtoull(total + strlen("total="), NULL, 10);
	}
}

static void reset_peak_v2(const struct cgroup_dir *dir, int *peak_fd)
{
	char path[CGROUP_PATH_MAX];
	auto_close int fd = -1;

	if (str_format(path, sizeof(path), "%s/memory.peak", dir->path) < 0)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && write(fd, "reset\n", 6) == 6)
		*peak_fd = take_fd(&fd);
}

void cgroup_reset_peak(const struct cgroup_dir *dirs, size_t count, int *peak_fd)
{
	*peak_fd = -1;
	for (size_t i = 0; i < count; i++) {
		char path[CGROUP_PATH_MAX];

		if (!(dirs[i].controllers & CGROUP_MEMORY))
			continue;
		if (dirs[i].v2)
			reset_peak_v2(&dirs[i], peak_fd);
		else if (str_format(path, sizeof(path), "%s/memory.max_usage_in_bytes",
				    dirs[i].path) == 0 &&
			 file_write_kernel_at(AT_FDCWD, path, "0") < 0)
			continue;
	}
}

struct pid_walk {
	int (*fn)(int pid, void *arg);
	void *arg;
	int depth;
};

static int pids_of(int dirfd, struct pid_walk *walk)
{
	auto_close int fd = openat(dirfd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char buf[512];
	int pid = 0;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			int r = 0;

			if (buf[i] >= '0' && buf[i] <= '9') {
				pid = pid * 10 + (buf[i] - '0');
				continue;
			}
			if (pid > 0)
				r = walk->fn(pid, walk->arg);
			pid = 0;
			if (r)
				return r;
		}
	}
	/* ENODEV: removed under our hands. EOPNOTSUPP: a threaded group, its root lists them. */
	return n < 0 && errno != ENODEV && errno != EOPNOTSUPP ? -errno : 0;
}

static int walk_child(int parent, const char *name, void *arg)
{
	struct pid_walk *walk = arg;
	auto_close int fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (walk->depth >= GROUP_DEPTH_MAX)
		return -ELOOP;
	r = pids_of(fd, walk);
	if (r)
		return r;
	walk->depth++;
	r = each_child(fd, walk_child, walk);
	walk->depth--;
	return r;
}

/* One hierarchy is enough to list a container's processes; only one with privilege over the host
 * can be elsewhere in another. The unified one is preferred: it can also kill. */
static const struct cgroup_dir *listing_dir(const struct cgroup_dir *dirs, size_t count)
{
	const struct cgroup_dir *best = NULL;

	for (size_t i = 0; i < count; i++) {
		if (dirs[i].v2)
			return &dirs[i];
		if (!best || (dirs[i].controllers & CGROUP_PIDS))
			best = &dirs[i];
	}
	return best;
}

int cgroup_for_each_pid(const struct cgroup_dir *dirs, size_t count, int (*fn)(int pid, void *arg),
			void *arg)
{
	const struct cgroup_dir *dir = listing_dir(dirs, count);
	struct pid_walk walk = {.fn = fn, .arg = arg};
	auto_close int fd = -1;
	int r;

	if (!dir)
		return -ENOENT;
	fd = open(dir->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = pids_of(fd, &walk);
	return r ? r : each_child(fd, walk_child, &walk);
}

static void pause_ms(long ms)
{
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

static int64_t now_ms(void)
{
	return (int64_t)(clock_now_ns() / 1000000);
}

static int kill_one(int pid, void *arg)
{
	int *found = arg;

	(*found)++;
	/* Gone already is what we want; a pid of pid 1's own kind cannot be listed here. */
	if (kill(pid, SIGKILL) < 0 && errno != ESRCH)
		return -errno;
	return 0;
}

/* On version 1 a frozen process takes no signal, not even this one. */
static void thaw_v1(const struct cgroup_dir *dirs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char path[CGROUP_PATH_MAX];

		if (dirs[i].v2 || !(dirs[i].controllers & CGROUP_FREEZER) ||
		    str_format(path, sizeof(path), "%s/freezer.state", dirs[i].path))
			continue;
		if (file_write_kernel_at(AT_FDCWD, path, "THAWED") < 0)
			continue;
	}
}

int cgroup_kill_all(const struct cgroup_dir *dirs, size_t count, int timeout_ms)
{
	const struct cgroup_dir *dir = listing_dir(dirs, count);
	int64_t deadline = now_ms() + timeout_ms;

	for (;;) {
		int found = 0;
		int r = cgroup_for_each_pid(dirs, count, kill_one, &found);

		if (r == -ENOENT || (r == 0 && found == 0))
			return 0;
		if (r)
			return r;
		thaw_v1(dirs, count);
		/* One write kills what forks faster than we can list it (kernel 5.14). */
		if (dir->v2) {
			char path[CGROUP_PATH_MAX];

			if (str_format(path, sizeof(path), "%s/cgroup.kill", dir->path) == 0 &&
			    file_write_kernel_at(AT_FDCWD, path, "1") < 0)
				errno = 0; /* older kernels: the loop does it */
		}
		if (now_ms() >= deadline)
			return -ETIMEDOUT;
		pause_ms(PAUSE_MS);
	}
}

static int remove_child(int parent, const char *name, void *arg)
{
	int *depth = arg;
	auto_close int fd = -1;

	if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;
	if (*depth >= GROUP_DEPTH_MAX)
		return -ELOOP;
	fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	(*depth)++;
	if (each_child(fd, remove_child, depth) < 0)
		errno = EBUSY; /* the rmdir below says what matters */
	(*depth)--;
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_dir(const char *path, int64_t deadline)
{
	for (;;) {
		auto_close int fd = -1;
		int depth = 0;

		if (rmdir(path) == 0 || errno == ENOENT)
			return 0;
		if (errno != EBUSY && errno != ENOTEMPTY)
			return -errno;
		fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && each_child(fd, remove_child, &depth) == 0 && rmdir(path) == 0)
			return 0;
		if (now_ms() >= deadline)
			return -EBUSY;
		pause_ms(PAUSE_MS);
	}
}

int cgroup_remove(const struct cgroup_dir *dirs, size_t count, int timeout_ms)
{
	int64_t deadline = now_ms() + timeout_ms;
	int first = 0;

	for (size_t i = 0; i < count; i++) {
		int r = remove_dir(dirs[i].path, deadline);

		if (r && !first)
			first = r;
	}
	return first;
}

static bool frozen_as_wanted(const struct cgroup_dir *dir, bool frozen)
{
	char text[256];
	uint64_t value;

	if (!dir->v2)
		return read_file(dir, "freezer.state", text, sizeof(text)) > 0 &&
		       str_starts(text, frozen ? "FROZEN" : "THAWED");
	return read_file(dir, "cgroup.events", text, sizeof(text)) > 0 &&
	       find_key(text, "frozen", &value) && (value == 1) == frozen;
}

static const struct cgroup_dir *freezer_of(const struct cgroup_dir *dirs, size_t count)
{
	const struct cgroup_dir *dir = NULL;

	for (size_t i = 0; i < count; i++)
		if ((dirs[i].controllers & CGROUP_FREEZER) || (dirs[i].v2 && !dir))
			dir = &dirs[i];
	return dir;
}

bool cgroup_is_frozen(const struct cgroup_dir *dirs, size_t count)
{
	const struct cgroup_dir *dir = freezer_of(dirs, count);

	return dir && frozen_as_wanted(dir, true);
}

int cgroup_freeze(const struct cgroup_dir *dirs, size_t count, bool frozen, int timeout_ms)
{
	const struct cgroup_dir *dir = freezer_of(dirs, count);
	int64_t deadline = now_ms() + timeout_ms;
	char path[CGROUP_PATH_MAX];
	int r;

	if (!dir)
		return -EOPNOTSUPP;
	r = str_format(path, sizeof(path), "%s/%s", dir->path,
		       dir->v2 ? "cgroup.freeze" : "freezer.state");
	if (r)
		return r;
	for (;;) {
		/* v1 can stay FREEZING until it is asked again. */
		r = file_write_kernel_at(AT_FDCWD, path,
					 dir->v2 ? (frozen ? "1" : "0")
						 : (frozen ? "FROZEN" : "THAWED"));
		if (r)
			return r;
		if (frozen_as_wanted(dir, frozen))
			return 0;
		if (now_ms() >= deadline)
			return -ETIMEDOUT;
		pause_ms(PAUSE_MS);
	}
}

struct child_list {
	int (*fn)(const char *name, const char *dir, void *arg);
	void *arg;
	const char *parent;
};

static int list_child(int parent, const char *name, void *arg)
{
	const struct child_list *list = arg;
	char dir[CGROUP_PATH_MAX];
	int r = str_format(dir, sizeof(dir), "%s/%s", list->parent, name);

	(void)parent;
	return r ? r : list->fn(name, dir, list->arg);
}

int cgroup_list_children(const struct cgroup_layout *layout, const char *parent,
			 int (*fn)(const char *name, const char *dir, void *arg), void *arg)
{
	for (size_t i = 0; i < layout->count; i++) {
		char dir[CGROUP_PATH_MAX];
		struct child_list list = {.fn = fn, .arg = arg, .parent = dir};
		auto_close int fd = -1;
		int r = str_format(dir, sizeof(dir), "%s%s", layout->hierarchies[i].mount, parent);

		if (r)
			return r;
		fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		r = fd < 0 ? -errno : each_child(fd, list_child, &list);
		if (r)
			return r;
	}
	return 0;
}
