/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the groups of a process. What must hold: a value is either read from the file that is named
 * beside it or said to be unknown; nothing is written. Paths come from /proc/PID/cgroup, which the
 * kernel shows as the reader's own cgroup namespace has them.
 * Source: cgroups(7), the kernel's cgroup-v1/ and cgroup-v2.rst.
 */
#include "observe/probe/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

#define TEXT_MAX 8192
#define MOUNTINFO_MAX (1 << 20)
#define FILE_MAX (CGROUP_PATH_MAX + 48)
/* The longest file name of the kernel's own is blkio.throttle.io_service_bytes_recursive. */
#define NAME_SHOWN_MAX 45
#define NAME_CUT 13 /* with the slash before it */

/* One limit: which hierarchy holds it and under which file. tightens: groups above count, too. */
static const struct limit_row {
	enum cgroup_controller controller;
	const char *v1, *v2; /* NULL: there is none */
	bool tightens;
	const char *name;
} limit_rows[GROUP_LIMITS] = {
	[GROUP_CPU_QUOTA] = {CGROUP_CPU, "cpu.cfs_quota_us", "cpu.max", true, "cpu quota"},
	[GROUP_CPU_WEIGHT] = {CGROUP_CPU, "cpu.shares", "cpu.weight", false, "cpu weight"},
	[GROUP_MEMORY] = {CGROUP_MEMORY, "memory.limit_in_bytes", "memory.max", true, "memory"},
	[GROUP_MEMORY_SWAP] = {CGROUP_MEMORY, "memory.memsw.limit_in_bytes", "memory.swap.max",
			       true, "memory and swap"},
	[GROUP_MEMORY_LOW] = {CGROUP_MEMORY, "memory.soft_limit_in_bytes", "memory.low", false,
			      "memory kept"},
	[GROUP_MEMORY_HIGH] = {CGROUP_MEMORY, NULL, "memory.high", true, "memory high"},
	[GROUP_PIDS] = {CGROUP_PIDS, "pids.max", "pids.max", true, "processes"},
};

struct reading {
	uint64_t value, period_us;
};

const char *group_limit_name(enum group_limit_kind kind)
{
	return limit_rows[kind].name;
}

const char *group_io_name(enum group_io_kind kind)
{
	static const char *const names[] = {"read bytes/s", "written bytes/s", "reads/s",
					    "writes/s"};

	return names[kind];
}

const char *group_short_path(const char *path, char *out, size_t size)
{
	size_t n = 0;

	while (*path && n + 1 < size) {
		size_t len = strcspn(path + 1, "/") + 1;
		int kept = len > NAME_SHOWN_MAX ? NAME_CUT : (int)len;
		int added = snprintf(out + n, size - n, "%.*s%s", kept, path,
				     len > NAME_SHOWN_MAX ? ".." : "");

		n += added > 0 ? (size_t)added : 0;
		path += len;
	}
	out[n < size ? n : size - 1] = '\0';
	return out;
}

const struct group_place *group_place_of(const struct group_view *g,
					 enum cgroup_controller controller)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->places[i].controllers & controller)
			return &g->places[i];
	return NULL;
}

double group_cpus(const struct group_view *g)
{
	const struct group_limit *l = &g->limits[GROUP_CPU_QUOTA];

	if (!l->known || l->in_force == GROUP_UNLIMITED || !l->in_force_period_us)
		return 0;
	return (double)l->in_force / (double)l->in_force_period_us;
}

/* dir/file into text, without the last newline. */
static bool read_text(const char *dir, const char *file, char *text, size_t size)
{
	char path[FILE_MAX];
	ssize_t n;

	if (str_format(path, sizeof(path), "%s/%s", dir, file) < 0)
		return false;
	n = file_read_small_at(AT_FDCWD, path, text, size);
	if (n < 0)
		return false;
	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = '\0';
	return true;
}

/* "max", "-1" and version 1's largest page-aligned number all say "none". */
static bool parse_limit(const char *text, uint64_t *out)
{
	if (str_eq(text, "max") || str_eq(text, "-1")) {
		*out = GROUP_UNLIMITED;
		return true;
	}
	if (str_to_u64(text, out) < 0)
		return false;
	if (*out >= (uint64_t)INT64_MAX - 65535)
		*out = GROUP_UNLIMITED;
	return true;
}

static bool read_limit_file(const char *dir, const char *file, uint64_t *out)
{
	char text[64];

	return read_text(dir, file, text, sizeof(text)) && parse_limit(text, out);
}

static bool read_quota_v2(const char *dir, struct reading *out)
{
	char text[64];
	char *blank;

	if (!read_text(dir, "cpu.max", text, sizeof(text)))
		return false;
	blank = strchr(text, ' ');
	if (!blank)
		return false;
	*blank = '\0';
	return parse_limit(text, &out->value) && str_to_u64(blank + 1, &out->period_us) == 0;
}

static bool read_limit(const struct group_place *p, const char *dir, enum group_limit_kind kind,
		       struct reading *out)
{
	const struct limit_row *row = &limit_rows[kind];
	const char *file = p->v2 ? row->v2 : row->v1;
	uint64_t memory;

	*out = (struct reading){0};
	if (!file)
		return false;
	if (kind == GROUP_CPU_QUOTA && p->v2)
		return read_quota_v2(dir, out);
	if (!read_limit_file(dir, file, &out->value))
		return false;
	if (kind == GROUP_CPU_QUOTA)
		return read_limit_file(dir, "cpu.cfs_period_us", &out->period_us);
	if (kind == GROUP_MEMORY_SWAP && p->v2 && out->value != GROUP_UNLIMITED) {
		/* Version 2 counts swap alone; the sum is what version 1 and OCI speak of. */
		if (!read_limit_file(dir, "memory.max", &memory))
			return false;
		out->value = memory == GROUP_UNLIMITED ? memory : memory + out->value;
	}
	return true;
}

static bool tighter(enum group_limit_kind kind, const struct reading *a, uint64_t value,
		    uint64_t period_us)
{
	if (a->value == GROUP_UNLIMITED)
		return false;
	if (value == GROUP_UNLIMITED)
		return true;
	if (kind != GROUP_CPU_QUOTA)
		return a->value < value;
	return (double)a->value * (double)period_us < (double)value * (double)a->period_us;
}

/* Cuts the last component off path below mount; false at the root. */
static bool go_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash || path[1] == '\0')
		return false;
	slash[slash == path] = '\0';
	return true;
}

static void dir_of(const char *mount, const char *path, char out[CGROUP_PATH_MAX])
{
	/* The parts were read from the kernel; a name too long for us reads as a missing file. */
	if (str_format(out, CGROUP_PATH_MAX, "%s%s", mount, path[1] ? path : "") < 0)
		out[0] = '\0';
}

static void take_limit(const struct group_place *p, enum group_limit_kind kind,
		       struct group_limit *l)
{
	const struct limit_row *row = &limit_rows[kind];
	char path[CGROUP_PATH_MAX], dir[CGROUP_PATH_MAX];
	struct reading r;

	memcpy(path, p->path, sizeof(path));
	do {
		dir_of(p->mount, path, dir);
		if (!read_limit(p, dir, kind, &r))
			continue; /* version 2's root has no limits */
		if (!l->known) {
			l->known = true;
			l->written = l->in_force = r.value;
			l->period_us = l->in_force_period_us = r.period_us;
			snprintf(l->written_file, FILE_MAX, "%s/%s", dir,
				 p->v2 ? row->v2 : row->v1);
			memcpy(l->in_force_file, l->written_file, FILE_MAX);
		} else if (tighter(kind, &r, l->in_force, l->in_force_period_us)) {
			l->in_force = r.value;
			l->in_force_period_us = r.period_us;
			snprintf(l->in_force_file, FILE_MAX, "%s/%s", dir,
				 p->v2 ? row->v2 : row->v1);
		}
	} while (row->tightens && go_up(path));
}

static void take_cpuset(struct group_view *g)
{
	const struct group_place *p = group_place_of(g, CGROUP_CPUSET);

	if (!p)
		return;
	if (!read_text(p->dir, "cpuset.cpus", g->cpuset, sizeof(g->cpuset)))
		g->cpuset[0] = '\0';
	snprintf(g->cpuset_file, FILE_MAX, "%s/cpuset.cpus", p->dir);
	if (!read_text(p->dir, p->v2 ? "cpuset.cpus.effective" : "cpuset.effective_cpus",
		       g->cpuset_effective, sizeof(g->cpuset_effective)))
		g->cpuset_effective[0] = '\0';
}

static struct group_io_limit *add_io(struct group_view *g, const struct group_place *p,
				     const char *file, unsigned major, unsigned minor)
{
	struct group_io_limit *l;

	if (g->io_count == GROUP_DEVICES_MAX)
		return NULL;
	l = &g->io[g->io_count++];
	*l = (struct group_io_limit){.major = major, .minor = minor};
	snprintf(l->file, FILE_MAX, "%s/%s", p->dir, file);
	return l;
}

/* Lines "7:0 1048576" of one file of version 1. */
static void take_io_v1(struct group_view *g, const struct group_place *p)
{
	static const struct {
		const char *file;
		enum group_io_kind kind;
	} files[] = {{"blkio.throttle.read_bps_device", GROUP_READ_BPS},
		     {"blkio.throttle.write_bps_device", GROUP_WRITE_BPS},
		     {"blkio.throttle.read_iops_device", GROUP_READ_IOPS},
		     {"blkio.throttle.write_iops_device", GROUP_WRITE_IOPS}};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char text[TEXT_MAX];
		unsigned major, minor;
		uint64_t value;

		if (!read_text(p->dir, files[i].file, text, sizeof(text)))
			continue;
		for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
			struct group_io_limit *l = NULL;

			if (sscanf(line, "%u:%u %lu", &major, &minor, &value) == 3)
				l = add_io(g, p, files[i].file, major, minor);
			if (l) {
				l->kind = files[i].kind;
				l->per_second = value;
			}
		}
	}
}

/* A line "7:0 rbps=1048576 wbps=max riops=max wiops=max" of version 2. */
static void take_io_line(struct group_view *g, const struct group_place *p, char *line)
{
	static const char *const keys[] = {"rbps=", "wbps=", "riops=", "wiops="};
	unsigned major, minor;

	if (sscanf(line, "%u:%u", &major, &minor) != 2)
		return;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *at = strstr(line, keys[i]);
		struct group_io_limit *l;
		uint64_t value;

		if (!at || sscanf(at + strlen(keys[i]), "%lu", &value) != 1)
			continue;
		l = add_io(g, p, "io.max", major, minor);
		if (l) {
			l->kind = (enum group_io_kind)i;
			l->per_second = value;
		}
	}
}

static void take_io(struct group_view *g)
{
	const struct group_place *p = group_place_of(g, CGROUP_IO);
	char text[TEXT_MAX];

	if (p && !p->v2)
		take_io_v1(g, p);
	if (!p || !p->v2 || !read_text(p->dir, "io.max", text, sizeof(text)))
		return;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		take_io_line(g, p, line);
}

static const struct cgroup_hierarchy *same_hierarchy(const struct cgroup_layout *l,
						     const struct cgroup_hierarchy *h)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->hierarchies[i].v2 == h->v2 && str_eq(l->hierarchies[i].name, h->name))
			return &l->hierarchies[i];
	return NULL;
}

/* h->self is where the process stands below the host's mount, seen->self below the container's own: what
 * the second has more is groups that the container made for itself. */
static void take_place(const struct cgroup_hierarchy *h, const struct cgroup_hierarchy *seen,
		       struct group_place *p)
{
	size_t len = strlen(h->self), inner = seen ? strlen(seen->self) : len;
	char text[sizeof(p->active)];

	p->v2 = h->v2;
	memcpy(p->name, h->name, sizeof(p->name));
	memcpy(p->mount, h->mount, sizeof(p->mount));
	memcpy(p->path, h->self, sizeof(p->path));
	memcpy(p->process_path, h->self, sizeof(p->process_path));
	if (inner > 1 && inner < len && str_eq(h->self + len - inner, seen->self))
		p->path[len - inner] = '\0';
	dir_of(p->mount, p->path, p->dir);
	p->controllers = h->controllers;
	snprintf(p->active, sizeof(p->active), "%s", h->name);
	if (!h->v2)
		return;
	p->controllers = 0;
	p->active[0] = '\0';
	if (read_text(p->dir, "cgroup.controllers", text, sizeof(text))) {
		p->controllers = cgroup_parse_controllers(text);
		memcpy(p->active, text, sizeof(text));
	}
}

int group_probe_texts(const char *own_mountinfo, const char *cgroup, const char *mountinfo,
		      struct group_view *out, struct err *err)
{
	auto_free struct cgroup_layout *host = xcalloc(2, sizeof(*host));
	struct cgroup_layout *inside = &host[1];
	struct err none = ERR_INIT;
	int r = cgroup_parse_layout(own_mountinfo, cgroup, host, err);
	bool seen;

	if (r)
		return r;
	memset(out, 0, sizeof(*out));
	seen = mountinfo[0] && cgroup_parse_layout(mountinfo, cgroup, inside, &none) == 0;
	out->mode = host->mode;
	out->count = host->count;
	for (size_t i = 0; i < host->count; i++) {
		const struct cgroup_hierarchy *h = &host->hierarchies[i];

		take_place(h, seen ? same_hierarchy(inside, h) : NULL, &out->places[i]);
	}
	for (size_t i = 0; i < GROUP_LIMITS; i++) {
		const struct group_place *p = group_place_of(out, limit_rows[i].controller);

		if (p)
			take_limit(p, (enum group_limit_kind)i, &out->limits[i]);
	}
	take_cpuset(out);
	take_io(out);
	return 0;
}

int group_probe(pid_t pid, struct group_view *out, struct err *err)
{
	auto_free char *own = NULL, *inside = NULL;
	char cgroup[TEXT_MAX], path[64];
	size_t len;
	int r = file_read_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &own, &len);

	if (r)
		return err_set(err, ERR_SYSTEM, -r, "read /proc/self/mountinfo: %s",
			       err_errno_text(-r));
	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	r = (int)file_read_small_at(AT_FDCWD, path, cgroup, sizeof(cgroup));
	if (r == -ENOENT || r == -ESRCH)
		return err_set(err, ERR_NOT_FOUND, ESRCH, "there is no process %d", (int)pid);
	if (r < 0)
		return err_set(err, ERR_SYSTEM, -r, "read %s: %s", path, err_errno_text(-r));
	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	if (file_read_at(AT_FDCWD, path, MOUNTINFO_MAX, &inside, &len) < 0)
		inside = xstrdup(""); /* without privilege: the process's own place is taken */
	r = group_probe_texts(own, cgroup, inside, out, err);
	out->pid = pid;
	return r;
}

static size_t dirs_of(const struct group_view *g, struct cgroup_dir *dirs)
{
	for (size_t i = 0; i < g->count; i++)
		dirs[i] = (struct cgroup_dir){.path = g->places[i].dir,
					      .controllers = g->places[i].controllers,
					      .v2 = g->places[i].v2};
	return g->count;
}

int group_for_each_pid(const struct group_view *g, int (*fn)(int pid, void *arg), void *arg)
{
	const struct group_place *p = group_place_of(g, CGROUP_MEMORY);
	struct cgroup_dir dir;

	if (!p && g->count)
		p = &g->places[0];
	if (!p)
		return -ENOENT;
	dir = (struct cgroup_dir){.path = p->dir, .controllers = p->controllers, .v2 = p->v2};
	return cgroup_for_each_pid(&dir, 1, fn, arg);
}

/* The number after "key " at the start of a line. */
static bool find_key(const char *text, const char *key, uint64_t *out)
{
	size_t n = strlen(key);

	for (const char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL)
		if (strncmp(p, key, n) == 0 && p[n] == ' ')
			return sscanf(p + n + 1, "%lu", out) == 1;
	return false;
}

static void take_memory_counters(const struct group_place *p, struct group_counters *c)
{
	static const char *const v1_keys[] = {"total_rss",   "total_cache", "total_mapped_file",
					      "total_shmem", NULL,          "total_inactive_file"};
	static const char *const v2_keys[] = {"anon",  "file",   "file_mapped",
					      "shmem", "kernel", "inactive_file"};
	uint64_t *const values[] = {&c->anonymous, &c->file,   &c->mapped_file,
				    &c->shmem,     &c->kernel, &c->inactive_file};
	const char *const *keys = p->v2 ? v2_keys : v1_keys;
	char text[TEXT_MAX];

	c->has_memory_stat = read_text(p->dir, "memory.stat", text, sizeof(text));
	snprintf(c->memory_stat_file, FILE_MAX, "%s/memory.stat", p->dir);
	for (size_t i = 0; c->has_memory_stat && i < sizeof(values) / sizeof(values[0]); i++)
		if (keys[i])
			(void)find_key(text, keys[i], values[i]);
	if (!p->v2) {
		c->has_memory_failures =
			read_limit_file(p->dir, "memory.failcnt", &c->memory_failures);
		(void)read_limit_file(p->dir, "memory.kmem.usage_in_bytes", &c->kernel);
		return;
	}
	if (!read_text(p->dir, "memory.events", text, sizeof(text)))
		return;
	c->has_oom_events = find_key(text, "oom", &c->oom_events);
	c->has_memory_failures = find_key(text, "max", &c->memory_failures);
}

static struct group_device_io *device_io(struct group_counters *c, unsigned major, unsigned minor)
{
	for (size_t i = 0; i < c->io_count; i++)
		if (c->io[i].major == major && c->io[i].minor == minor)
			return &c->io[i];
	if (c->io_count == GROUP_DEVICES_MAX)
		return NULL;
	c->io[c->io_count] = (struct group_device_io){.major = major, .minor = minor};
	return &c->io[c->io_count++];
}

/* Version 1: "254:0 Read 4096" lines; version 2: "254:0 rbytes=4096 wbytes=0 ...". */
static void take_io_counters(const struct group_place *p, struct group_counters *c)
{
	char text[TEXT_MAX], word[16];
	unsigned major, minor;
	uint64_t a, b;

	c->has_io = read_text(p->dir,
			      p->v2 ? "io.stat" : "blkio.throttle.io_service_bytes_recursive", text,
			      sizeof(text));
	if (!c->has_io)
		return;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		struct group_device_io *d;

		if (sscanf(line, "%u:%u", &major, &minor) != 2)
			continue;
		d = device_io(c, major, minor);
		if (!d)
			continue;
		if (sscanf(line, "%*u:%*u rbytes=%lu wbytes=%lu", &a, &b) == 2) {
			d->read_bytes = a;
			d->written_bytes = b;
		} else if (sscanf(line, "%*u:%*u %15s %lu", word, &a) == 2) {
			d->read_bytes = str_eq(word, "Read") ? a : d->read_bytes;
			d->written_bytes = str_eq(word, "Write") ? a : d->written_bytes;
		}
	}
}

static bool pressure_of(const struct group_place *p, const char *file, uint64_t *out)
{
	char text[512];
	const char *total;

	if (!read_text(p->dir, file, text, sizeof(text)))
		return false;
	total = strstr(text, "total=");
	return total && sscanf(total, "total=%lu", out) == 1;
}

static void take_other_counters(const struct group_view *g, struct group_counters *c)
{
	const struct group_place *p = group_place_of(g, CGROUP_PIDS);
	char text[256];

	if (p && read_text(p->dir, "pids.events", text, sizeof(text)))
		c->has_pids_hits = find_key(text, "max", &c->pids_hits);
	p = group_place_of(g, CGROUP_CPU);
	if (p)
		snprintf(c->cpu_stat_file, FILE_MAX, "%s/cpu.stat", p->dir);
	for (size_t i = 0; i < g->count; i++) {
		p = &g->places[i];
		/* In the root the kernel counts the whole host's. */
		if (!p->v2 || str_eq(p->path, "/"))
			continue;
		c->has_pressure = pressure_of(p, "cpu.pressure", &c->cpu_pressure_us);
		(void)pressure_of(p, "memory.pressure", &c->memory_pressure_us);
		(void)pressure_of(p, "io.pressure", &c->io_pressure_us);
	}
}

int group_counters(const struct group_view *g, struct group_counters *out)
{
	struct cgroup_dir dirs[CGROUP_HIERARCHIES_MAX];
	const struct group_place *p;
	int r;

	memset(out, 0, sizeof(*out));
	r = cgroup_read_stats(dirs, dirs_of(g, dirs), &out->base);
	if (r)
		return r;
	p = group_place_of(g, CGROUP_MEMORY);
	if (p)
		take_memory_counters(p, out);
	p = group_place_of(g, CGROUP_IO);
	if (p)
		take_io_counters(p, out);
	take_other_counters(g, out);
	return 0;
}
