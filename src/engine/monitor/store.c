/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the monitor leaves in files: how the container stands and its start bill. Both are replaced
 * whole, so a reader never sees half of one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "engine/monitor/monitor.h"

#define STATE_FILE "state.json"
#define STATE_BYTES 4096

/* Our own messages are plain text, but they name the container's files. */
static void escape(const char *text, char *out, size_t size)
{
	size_t n = 0;

	for (; *text && n + 7 < size; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			out[n++] = '\\';
		if (c < 0x20 || c >= 0x7f)
			n += (size_t)snprintf(out + n, 7, "\\u%04x", c);
		else
			out[n++] = (char)c;
	}
	out[n] = '\0';
}

static const char *as_bool(bool b)
{
	return b ? "true" : "false";
}

static size_t format_state(const struct monitor *m, const char *status, char *out, size_t size)
{
	const struct cgroup_stats *c = &m->stats;
	bool running = strcmp(status, "running") == 0;
	char error[2 * ERR_MSG_MAX];
	int n;

	escape(m->start_error.kind ? m->start_error.msg : "", error, sizeof(error));
	n = snprintf(out, size,
		     "{\"SchemaVersion\":1,\"Status\":\"%s\",\"Pid\":%d,\"MonitorPid\":%d,"
		     "\"StartedNs\":%llu,\"FinishedNs\":%llu,\"ExitCode\":%d,\"ExitSignal\":%d,"
		     "\"SignalSender\":\"%s\",\"OomKilled\":%s,\"OomKills\":%llu,"
		     "\"PeakMemoryBytes\":%llu,\"CpuUsageNs\":%llu,\"ThrottledPeriods\":%llu,"
		     "\"ThrottledNs\":%llu,\"PidsMaxHits\":%llu,\"PressureUs\":%llu,"
		     "\"RestartCount\":%u,\"NextStartNs\":%llu,\"BootId\":\"%s\","
		     "\"Error\":\"%s\"}\n",
		     status, running ? m->pid : 0, getpid(), (unsigned long long)m->started_wall_ns,
		     (unsigned long long)m->finished_wall_ns, running ? 0 : m->exit_code,
		     running ? 0 : m->exit_signal, m->signal_sender ? m->signal_sender : "",
		     as_bool(c->oom_kills > 0), (unsigned long long)c->oom_kills,
		     (unsigned long long)c->memory_peak_bytes, (unsigned long long)c->cpu_usage_ns,
		     (unsigned long long)c->throttled_periods, (unsigned long long)c->throttled_ns,
		     (unsigned long long)m->pids_max_hits, (unsigned long long)m->pressure_us,
		     m->restart.count,
		     (unsigned long long)(m->restart.again ? m->restart.next_wall_ns : 0),
		     m->boot_id, error);
	return n < 0 || (size_t)n >= size ? 0 : (size_t)n;
}

/* A full file system still takes a state of the same length where the last one stands. A reader may
 * see a torn one for the moment that a write takes, which beats a death that is not recorded. */
static int overwrite(int dir, const char *text, size_t n)
{
	auto_close int fd = openat(dir, STATE_FILE, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	if (pwrite(fd, text, n, 0) != (ssize_t)n)
		return -ENOSPC;
	return ftruncate(fd, (off_t)n) < 0 ? -errno : 0;
}

static int replace_state(int dir, const char *text, size_t n)
{
	int rc = file_replace_at(dir, STATE_FILE, text, n, 0644, FILE_VOLATILE);

	return (rc == -ENOSPC || rc == -EDQUOT) && overwrite(dir, text, n) == 0 ? 0 : rc;
}

/* The run root's is the one that is read; this one is for after the next boot. */
static void store_in_record(const struct monitor *m, const char *text, size_t n)
{
	const char *record = plan_string(m->plan, m->plan->monitor.record_directory);
	auto_close int dir = record ? open(record, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (dir >= 0 && replace_state(dir, text, n) < 0)
		return;
}

int store_state(struct monitor *m, const char *status)
{
	char text[STATE_BYTES];
	size_t n = format_state(m, status, text, sizeof(text));
	int rc = replace_state(m->run_dir, text, n);

	/* That it runs is told first and written beside the record later. */
	if (strcmp(status, "running") != 0)
		store_in_record(m, text, n);
	return rc;
}

void store_running_in_record(struct monitor *m)
{
	char text[STATE_BYTES];

	store_in_record(m, text, format_state(m, "running", text, sizeof(text)));
}

void store_read_boot_id(struct monitor *m)
{
	ssize_t n = file_read_small_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", m->boot_id,
				       sizeof(m->boot_id));

	if (n < 0)
		m->boot_id[0] = '\0';
	m->boot_id[strcspn(m->boot_id, "\n")] = '\0';
}

/* The bill as JSON, decoded by observe/timeline. Points by number, ops with their labels. */
static size_t format_timeline(const struct monitor *m, char *out, size_t size)
{
	const struct plan *p = m->plan;
	size_t n = (size_t)snprintf(out, size, "{\"SchemaVersion\":1,\"Points\":[");

	for (int i = 0; i < POINT_COUNT && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%llu", i ? "," : "",
				      (unsigned long long)p->shared.point_ns[i]);
	if (n < size)
		n += (size_t)snprintf(out + n, size - n, "],\"Ops\":[");
	for (uint32_t i = 0; i < p->op_count && n < size; i++) {
		char label[256];

		escape(plan_string(p, p->ops[i].label), label, sizeof(label));
		n += (size_t)snprintf(out + n, size - n, "%s[%u,%u,%llu,\"%s\"]", i ? "," : "",
				      p->ops[i].type, p->ops[i].phase,
				      (unsigned long long)p->shared.op_end_ns[i], label);
	}
	if (n < size)
		n += (size_t)snprintf(out + n, size - n, "]}\n");
	return n < size ? n : 0;
}

static void store_timeline_at(struct monitor *m, int dir)
{
	/* The frame buffer is free whenever this is called. */
	size_t n = format_timeline(m, (char *)m->frame_bytes, sizeof(m->frame_bytes));

	if (n && file_replace_at(dir, "timeline.json", m->frame_bytes, n, 0644, FILE_VOLATILE) < 0)
		return;
}

void store_timeline(struct monitor *m)
{
	if (client_frame_pending(m))
		return;
	m->timeline_stored = true;
	store_timeline_at(m, m->run_dir);
}

void store_timeline_in_record(struct monitor *m)
{
	const char *record = plan_string(m->plan, m->plan->monitor.record_directory);
	auto_close int dir = record ? open(record, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (dir >= 0)
		store_timeline_at(m, dir);
}
