/* SPDX-License-Identifier: Apache-2.0 */
/* The walk of /proc. A process that ends while it is read is left out; what may not be read of one that
 * lives stays empty. */
#include "observe/probe/processes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

#define TEXT_MAX (1u << 20)
#define COMMAND_MAX 400 /* of a command line, bytes kept */

static void process_free(struct process *p)
{
	free(p->name);
	free(p->command);
	free(p->cgroup);
}

void process_table_free(struct process_table *t)
{
	for (size_t i = 0; i < t->count; i++)
		process_free(&t->items[i]);
	free(t->items);
	free(t->group);
	*t = (struct process_table){.items = NULL};
}

int process_parse_stat(const char *text, struct process *p)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	uint64_t user, system, gone_user, gone_system;

	if (!open || !close || close < open)
		return -EBADMSG;
	/* proc(5): 3 state, 4 ppid, 5 pgrp, 6 session, 11 cminflt, 13 cmajflt, 14 utime, 15 stime,
	 * 16 cutime, 17 cstime, 20 threads, 22 starttime */
	if (sscanf(close + 1,
		   " %c %d %d %d %*d %*d %*u %*u %" SCNu64 " %*u %*u %" SCNu64 " %" SCNu64
		   " %" SCNu64 " %" SCNu64 " %*d %*d %u %*d %" SCNu64,
		   &p->state, &p->parent, &p->group, &p->session, &p->gone_children_faults, &user,
		   &system, &gone_user, &gone_system, &p->threads, &p->start_ticks) != 11)
		return -EBADMSG;
	p->cpu_ticks = user + system;
	p->gone_children_ticks = gone_user + gone_system;
	free(p->name);
	p->name = xstrndup(open + 1, (size_t)(close - open - 1));
	return 0;
}

/* The line that begins with key; NULL when there is none. */
static const char *status_line(const char *text, const char *key)
{
	while (text && !str_starts(text, key)) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return text ? text + strlen(key) : NULL;
}

int process_parse_status(const char *text, struct process *p)
{
	const char *uid = status_line(text, "Uid:"), *pids = status_line(text, "NSpid:");

	if (!uid || sscanf(uid, "%u", &p->uid) != 1)
		return -EBADMSG;
	p->level_count = 0;
	while (pids && *pids && *pids != '\n' && p->level_count < PROCESS_LEVELS_MAX) {
		char *end;
		long value = strtol(pids, &end, 10);

		if (end == pids || value <= 0 || value > INT32_MAX)
			return -EBADMSG;
		p->ns_pids[p->level_count++] = (pid_t)value;
		pids = end + strspn(end, "\t ");
	}
	return 0;
}

static void read_command(int dir, struct process *p)
{
	char text[COMMAND_MAX];
	auto_close int fd = openat(dir, "cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	while (n > 0 && text[n - 1] == '\0')
		n--;
	for (ssize_t i = 0; i < n; i++)
		text[i] = text[i] == '\0' ? ' ' : text[i];
	p->command = xstrndup(text, n > 0 ? (size_t)n : 0);
}

static int read_texts(int dir, struct process *p)
{
	char *text = NULL;
	int rc = file_read_at(dir, "stat", TEXT_MAX, &text, NULL);

	if (rc == 0)
		rc = process_parse_stat(text, p);
	free(text);
	text = NULL;
	if (rc == 0)
		rc = file_read_at(dir, "status", TEXT_MAX, &text, NULL);
	if (rc == 0)
		rc = process_parse_status(text, p);
	free(text);
	if (rc < 0)
		return rc;
	if (file_read_at(dir, "cgroup", TEXT_MAX, &p->cgroup, NULL) < 0)
		p->cgroup = xstrdup("");
	return 0;
}

static int read_process(int proc, const char *number, struct process *p)
{
	struct stat st;
	auto_close int dir = openat(proc, number, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	*p = (struct process){.pid = (pid_t)strtol(number, NULL, 10)};
	if (dir < 0)
		return -errno;
	rc = read_texts(dir, p);
	if (rc < 0)
		return rc;
	read_command(dir, p);
	if (fstatat(dir, "ns/pid", &st, 0) == 0)
		p->pid_ns = st.st_ino;
	return 0;
}

static int by_pid(const void *a, const void *b)
{
	const struct process *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static int read_all(struct process_table *t, struct err *err)
{
	auto_closedir DIR *proc = opendir("/proc");
	size_t room = 0;

	if (!proc)
		return err_sys(err, "open /proc");
	for (const struct dirent *d = readdir(proc); d; d = readdir(proc)) {
		if (d->d_name[0] < '1' || d->d_name[0] > '9')
			continue;
		if (t->count == room) {
			room = room ? room * 2 : 128;
			t->items = xrealloc(t->items, room * sizeof(*t->items));
		}
		if (read_process(dirfd(proc), d->d_name, &t->items[t->count]) == 0)
			t->count++;
		else
			process_free(&t->items[t->count]);
	}
	if (t->count)
		qsort(t->items, t->count, sizeof(*t->items), by_pid);
	return 0;
}

const struct process *process_find(const struct process_table *t, pid_t pid)
{
	struct process key = {.pid = pid};

	return t->count ? bsearch(&key, t->items, t->count, sizeof(key), by_pid) : NULL;
}

size_t process_count_pid_ns(const struct process_table *t, uint64_t pid_ns)
{
	size_t n = 0;

	for (size_t i = 0; i < t->count; i++)
		n += pid_ns && t->items[i].pid_ns == pid_ns;
	return n;
}

/* Whether a comma-separated list holds a word. */
static bool lists(const char *list, size_t len, const char *word)
{
	size_t wanted = strlen(word);

	for (size_t i = 0; i <= len;) {
		size_t n = strcspn(list + i, ",:");

		if (n == wanted && !strncmp(list + i, word, n))
			return true;
		i += n + 1;
	}
	return false;
}

int process_group_path(const char *cgroup, const char *controller, char **out)
{
	for (const char *line = cgroup; *line; line += line[0] == '\n') {
		size_t len = strcspn(line, "\n");
		const char *names = memchr(line, ':', len);
		const char *path = names ? memchr(names + 1, ':', len - (size_t)(names + 1 - line))
					 : NULL;

		if (path && lists(names + 1, (size_t)(path - names - 1), controller)) {
			*out = xstrndup(path + 1, len - (size_t)(path + 1 - line));
			return 0;
		}
		line += len;
	}
	return -ENOENT;
}

static bool is_inside(const char *path, const char *group)
{
	size_t len = strlen(group);

	return str_starts(path, group) && (path[len] == '\0' || path[len] == '/');
}

/* Whether it is the supervisor's group, too: then it says nothing of who belongs to the container. */
static bool holds_parent(const struct process_table *t, const struct process *first,
			 const char *controller, const char *group)
{
	const struct process *parent = process_find(t, first->parent);
	auto_free char *path = NULL;

	return parent && process_group_path(parent->cgroup, controller, &path) == 0 &&
	       is_inside(path, group);
}

/* Marks by the first hierarchy in which the first process has a group to itself. On a hybrid host
 * runtimes may leave it where it was in version 2, so that comes late. */
static bool mark_group(struct process_table *t, const struct process *first)
{
	static const char *const controllers[] = {"pids", "memory", "cpu", "", "name=systemd"};

	for (size_t c = 0; c < sizeof(controllers) / sizeof(controllers[0]); c++) {
		auto_free char *group = NULL;

		if (process_group_path(first->cgroup, controllers[c], &group) < 0 ||
		    str_eq(group, "/") || holds_parent(t, first, controllers[c], group))
			continue;
		for (size_t i = 0; i < t->count; i++) {
			auto_free char *path = NULL;

			t->items[i].member = process_group_path(t->items[i].cgroup, controllers[c],
								&path) == 0 &&
					     is_inside(path, group);
		}
		t->group = xasprintf("%s:%s", *controllers[c] ? controllers[c] : "unified", group);
		return true;
	}
	return false;
}

static void mark_tree(struct process_table *t, pid_t first)
{
	bool more = true;

	for (size_t i = 0; i < t->count; i++)
		t->items[i].member = t->items[i].pid == first;
	while (more) {
		more = false;
		for (size_t i = 0; i < t->count; i++) {
			const struct process *parent = process_find(t, t->items[i].parent);

			if (t->items[i].member || !parent || !parent->member)
				continue;
			t->items[i].member = true;
			more = true;
		}
	}
}

/* Who has ended is taken out of its groups at once, but has a number until its parent has asked. */
static void mark_dead(struct process_table *t)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct process *parent = process_find(t, t->items[i].parent);

		if (t->items[i].state == 'Z' && parent && parent->member)
			t->items[i].member = true;
	}
}

static void mark(struct process_table *t, const struct process *first, bool container)
{
	if (container && mark_group(t, first)) {
		t->scope = PROCESS_SCOPE_GROUP;
	} else if (first->pid_ns && first->pid_ns != t->own_pid_ns) {
		t->scope = PROCESS_SCOPE_NAMESPACE;
		for (size_t i = 0; i < t->count; i++)
			t->items[i].member = t->items[i].pid_ns == first->pid_ns;
	} else {
		t->scope = PROCESS_SCOPE_TREE;
		mark_tree(t, first->pid);
	}
	mark_dead(t);
	for (size_t i = 0; i < t->count; i++)
		t->member_count += t->items[i].member;
}

int process_table_read(pid_t first, bool container, struct process_table *out, struct err *err)
{
	long hertz = sysconf(_SC_CLK_TCK);
	const struct process *p;
	struct timespec now;
	struct stat st;
	int rc;

	*out = (struct process_table){.ticks_per_s = hertz > 0 ? (uint64_t)hertz : 100};
	clock_gettime(CLOCK_BOOTTIME, &now);
	out->now_ticks = (uint64_t)((double)now.tv_sec * (double)out->ticks_per_s +
				    (double)now.tv_nsec / 1e9 * (double)out->ticks_per_s);
	if (stat("/proc/self/ns/pid", &st) == 0)
		out->own_pid_ns = st.st_ino;
	rc = read_all(out, err);
	p = rc == 0 ? process_find(out, first) : NULL;
	if (rc == 0 && !p)
		rc = err_set(err, ERR_NOT_FOUND, ESRCH, "process %d has ended", first);
	if (rc < 0) {
		process_table_free(out);
		return rc;
	}
	mark(out, p, container);
	return 0;
}

size_t process_ancestors(const struct process_table *t, pid_t pid, const struct process **out,
			 size_t max)
{
	const struct process *p = process_find(t, pid);
	size_t n = 0;

	/* Parents read at different moments may, once in a blue moon, form a ring. */
	for (p = p ? process_find(t, p->parent) : NULL; p && n < t->count;
	     p = process_find(t, p->parent)) {
		if (n < max)
			out[n] = p;
		n++;
	}
	return n;
}

double process_age_s(const struct process_table *t, const struct process *p)
{
	double age = (double)t->now_ticks - (double)p->start_ticks;

	return age > 0 ? age / (double)t->ticks_per_s : 0;
}
