/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a container's figures. On version 1 each controller counts in a hierarchy of its own, on
 * version 2 one directory has all; beside version 1 hierarchies an empty version 2 one counts nothing
 * and is passed over.
 */
#include "engine/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/cgroup_path.h"
#include "engine/internal.h"

#define TEXT_MAX 16384
#define NS_PER_S 1000000000u
#define NS_PER_US 1000u

/* The group's directory in the hierarchy of a controller; NULL when it counts nowhere. */
static const struct cgroup_dir *dir_of(const struct cgroup_dirs *dirs, uint32_t controller)
{
	const struct cgroup_dir *unified = NULL;

	for (size_t i = 0; i < dirs->count; i++) {
		if (dirs->dirs[i].controllers & controller)
			return &dirs->dirs[i];
		if (dirs->dirs[i].v2)
			unified = &dirs->dirs[i];
	}
	/* Version 2 counts processor time in every group. */
	return controller == CGROUP_CPUACCT ? unified : NULL;
}

/* "" when there is no such file. */
static const char *read_text(const struct cgroup_dir *dir, const char *file, char *text,
			     size_t size)
{
	char path[CGROUP_PATH_MAX + 64];

	if (str_format(path, sizeof(path), "%s/%s", dir->path, file) < 0 ||
	    file_read_small_at(AT_FDCWD, path, text, size) < 0)
		*text = '\0';
	return text;
}

/* "max" is UINT64_MAX, what cannot be read 0. */
static uint64_t read_number(const struct cgroup_dir *dir, const char *file)
{
	char text[64];

	read_text(dir, file, text, sizeof(text));
	if (str_starts(text, "max"))
		return UINT64_MAX;
	return strtoull(text, NULL, 10);
}

/* The number after "key " at the start of a line, or 0. */
static uint64_t find_key(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = text; *p;) {
		if (strncmp(p, key, n) == 0 && p[n] == ' ')
			return strtoull(p + n + 1, NULL, 10);
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
	return 0;
}

uint64_t stats_parse_host_cpu(const char *proc_stat, unsigned *online_cpus)
{
	long hertz = sysconf(_SC_CLK_TCK);
	uint64_t ticks = 0;

	*online_cpus = 0;
	for (const char *p = proc_stat; str_starts(p, "cpu");) {
		char *at;

		if (p[3] != ' ') {
			++*online_cpus;
		} else {
			/* user nice system idle iowait irq softirq: guest time is in user already */
			at = (char *)p + 4;
			for (int i = 0; i < 7; i++)
				ticks += strtoull(at, &at, 10);
		}
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
	return ticks * (NS_PER_S / (uint64_t)(hertz > 0 ? hertz : 100));
}

/* Only its first lines are wanted; the rest, interrupts, is long. */
static uint64_t read_host_cpu(unsigned *online_cpus)
{
	static const char path[] = "/proc/stat";
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[TEXT_MAX];
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return stats_parse_host_cpu(text, online_cpus);
}

int stats_host_read(struct stats_host *out, struct err *err)
{
	char text[4096];
	ssize_t n = file_read_small_at(AT_FDCWD, "/proc/meminfo", text, sizeof(text));
	const char *total = n < 0 ? NULL : strstr(text, "MemTotal:");

	if (!total)
		return err_set(err, ERR_SYSTEM, n < 0 ? (int)-n : EBADMSG, "read /proc/meminfo");
	out->memory_bytes = strtoull(total + strlen("MemTotal:"), NULL, 10) * 1024;
	out->cpu_ns = read_host_cpu(&out->online_cpus);
	return 0;
}

static void read_cpu(const struct cgroup_dirs *dirs, struct stats_cpu *cpu)
{
	const struct cgroup_dir *d = dir_of(dirs, CGROUP_CPUACCT);
	char text[4096];

	if (d && d->v2) {
		read_text(d, "cpu.stat", text, sizeof(text));
		cpu->usage_ns = find_key(text, "usage_usec") * NS_PER_US;
		cpu->user_ns = find_key(text, "user_usec") * NS_PER_US;
		cpu->system_ns = find_key(text, "system_usec") * NS_PER_US;
	} else if (d) {
		cpu->usage_ns = read_number(d, "cpuacct.usage");
	}
}

/* Where the time was spent, and what the quota took. */
static void read_cpu_details(const struct cgroup_dirs *dirs, struct stats_cpu *cpu)
{
	const struct cgroup_dir *d = dir_of(dirs, CGROUP_CPUACCT);
	const struct cgroup_dir *quota = dir_of(dirs, CGROUP_CPU);
	char text[4096];

	if (d && !d->v2) {
		cpu->user_ns = read_number(d, "cpuacct.usage_user");
		cpu->system_ns = read_number(d, "cpuacct.usage_sys");
	}
	if (!quota)
		return;
	read_text(quota, "cpu.stat", text, sizeof(text));
	cpu->periods = find_key(text, "nr_periods");
	cpu->throttled_periods = find_key(text, "nr_throttled");
	cpu->throttled_ns = quota->v2 ? find_key(text, "throttled_usec") * NS_PER_US
				      : find_key(text, "throttled_time");
}

static void read_memory(const struct cgroup_dirs *dirs, const struct stats_host *host,
			struct container_stats *s)
{
	const struct cgroup_dir *d = dir_of(dirs, CGROUP_MEMORY);
	char text[TEXT_MAX];

	if (!d)
		return;
	s->memory_usage_bytes = read_number(d, d->v2 ? "memory.current" : "memory.usage_in_bytes");
	s->memory_limit_bytes = read_number(d, d->v2 ? "memory.max" : "memory.limit_in_bytes");
	s->memory_peak_bytes = read_number(d, d->v2 ? "memory.peak" : "memory.max_usage_in_bytes");
	if (s->memory_limit_bytes == 0 || s->memory_limit_bytes > host->memory_bytes)
		s->memory_limit_bytes = host->memory_bytes;
	read_text(d, "memory.stat", text, sizeof(text));
	s->memory_inactive_file_bytes =
		find_key(text, d->v2 ? "inactive_file" : "total_inactive_file");
}

static struct stats_device *device(struct container_stats *s, unsigned major, unsigned minor)
{
	for (size_t i = 0; i < s->device_count; i++) {
		if (s->devices[i].major == major && s->devices[i].minor == minor)
			return &s->devices[i];
	}
	if (s->device_count == STATS_DEVICES_MAX)
		return NULL;
	s->devices[s->device_count] = (struct stats_device){.major = major, .minor = minor};
	return &s->devices[s->device_count++];
}

/* "8:0 Read 4096" and other words, a line each; a "Total N" at the end. */
void stats_parse_blkio(const char *text, struct container_stats *s)
{
	for (const char *p = text; *p; p += *p == '\n') {
		unsigned major, minor;
		char word[16];
		uint64_t bytes;
		struct stats_device *d;

		if (sscanf(p, "%u:%u %15s %" SCNu64, &major, &minor, word, &bytes) == 4 &&
		    (str_eq(word, "Read") || str_eq(word, "Write"))) {
			d = device(s, major, minor);
			if (d && *word == 'R')
				d->read_bytes += bytes;
			else if (d)
				d->written_bytes += bytes;
		}
		p += strcspn(p, "\n");
	}
}

/* "8:0 rbytes=4096 wbytes=0 rios=...", a line each. */
void stats_parse_io_stat(const char *text, struct container_stats *s)
{
	for (const char *p = text; *p; p += *p == '\n') {
		size_t n = strcspn(p, "\n");
		unsigned major, minor;
		auto_free char *line = xstrndup(p, n);
		const char *read = strstr(line, " rbytes="), *written = strstr(line, " wbytes=");
		struct stats_device *d = NULL;

		if (sscanf(line, "%u:%u ", &major, &minor) == 2 && read && written)
			d = device(s, major, minor);
		if (d) {
			d->read_bytes = strtoull(read + strlen(" rbytes="), NULL, 10);
			d->written_bytes = strtoull(written + strlen(" wbytes="), NULL, 10);
		}
		p += n;
	}
}

static void read_io(const struct cgroup_dirs *dirs, struct container_stats *s)
{
	const struct cgroup_dir *d = dir_of(dirs, CGROUP_IO);
	char text[TEXT_MAX];

	if (!d)
		return;
	if (d->v2)
		stats_parse_io_stat(read_text(d, "io.stat", text, sizeof(text)), s);
	else
		stats_parse_blkio(read_text(d, "blkio.throttle.io_service_bytes_recursive", text,
					    sizeof(text)),
				  s);
}

static void read_pids(const struct cgroup_dirs *dirs, struct container_stats *s)
{
	const struct cgroup_dir *d = dir_of(dirs, CGROUP_PIDS);

	if (!d)
		return;
	s->pids = read_number(d, "pids.current");
	s->pids_limit = read_number(d, "pids.max");
}

/* "  eth0: 8 numbers received, 8 sent" after two lines of headings. */
void stats_parse_net_dev(const char *text, struct container_stats *s)
{
	for (const char *p = text; *p; p += *p == '\n') {
		struct stats_interface i = {.name = ""};

		if (s->interface_count < STATS_INTERFACES_MAX &&
		    sscanf(p,
			   " %15[^:|\n]: %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
			   " %*u %*u %*u %*u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
			   i.name, &i.rx_bytes, &i.rx_packets, &i.rx_errors, &i.rx_dropped,
			   &i.tx_bytes, &i.tx_packets, &i.tx_errors, &i.tx_dropped) == 9 &&
		    !str_eq(i.name, "lo"))
			s->interfaces[s->interface_count++] = i;
		p += strcspn(p, "\n");
	}
}

/* A network of its own; "none" has nothing but the loopback device. */
static void read_networks(const struct container *c, struct container_stats *s)
{
	const char *mode = c->config.network_mode ? c->config.network_mode : "";
	char path[64], text[TEXT_MAX];

	s->has_networks = !str_eq(mode, "host") && !str_starts(mode, "container:");
	if (!s->has_networks || str_eq(mode, "none"))
		return;
	snprintf(path, sizeof(path), "/proc/%d/net/dev", c->state.pid);
	if (file_read_small_at(AT_FDCWD, path, text, sizeof(text)) > 0)
		stats_parse_net_dev(text, s);
}

static bool runs(const struct container *c)
{
	return c->state.status == CONTAINER_RUNNING || c->state.status == CONTAINER_PAUSED;
}

static int find_group(struct engine *e, const struct container *c, struct cgroup_dirs *dirs,
		      struct err *err)
{
	char path[CGROUP_PATH_MAX];
	int rc = engine_detect_cgroups(e, err);

	if (rc == 0)
		rc = container_cgroup_path(e, c, path, err);
	return rc < 0 ? rc : cgroup_dirs_of(&e->cgroups, path, dirs, err);
}

int container_stats_cpu(struct engine *e, const struct container *c, const struct stats_host *host,
			struct container_stats *s, struct err *err)
{
	struct stats_cpu before = s->cpu;
	struct cgroup_dirs dirs;
	int rc;

	*s = (struct container_stats){.read_ns = 0};
	if (!runs(c))
		return 0;
	rc = find_group(e, c, &dirs, err);
	if (rc < 0)
		return rc;
	s->before = before;
	s->online_cpus = host->online_cpus;
	s->cpu.host_ns = host->cpu_ns;
	s->read_ns = clock_wall_ns();
	read_cpu(&dirs, &s->cpu);
	return 0;
}

int container_stats_rest(struct engine *e, const struct container *c, const struct stats_host *host,
			 struct container_stats *s, struct err *err)
{
	struct cgroup_dirs dirs;
	int rc = runs(c) ? find_group(e, c, &dirs, err) : 0;

	if (rc < 0 || !runs(c))
		return rc;
	read_cpu_details(&dirs, &s->cpu);
	read_memory(&dirs, host, s);
	read_io(&dirs, s);
	read_pids(&dirs, s);
	read_networks(c, s);
	return 0;
}

double stats_cpu_percent(const struct container_stats *s)
{
	double used = (double)s->cpu.usage_ns - (double)s->before.usage_ns;
	double host = (double)s->cpu.host_ns - (double)s->before.host_ns;

	return used > 0 && host > 0 ? used / host * s->online_cpus * 100 : 0;
}

uint64_t stats_memory_used(const struct container_stats *s)
{
	return s->memory_inactive_file_bytes < s->memory_usage_bytes
		       ? s->memory_usage_bytes - s->memory_inactive_file_bytes
		       : s->memory_usage_bytes;
}

double stats_memory_percent(const struct container_stats *s)
{
	return s->memory_limit_bytes
		       ? (double)stats_memory_used(s) * 100 / (double)s->memory_limit_bytes
		       : 0;
}
