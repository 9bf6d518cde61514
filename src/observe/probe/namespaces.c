/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link of /proc/PID/ns is opened and asked by fstat and ioctl, not read as text: the descriptor keeps
 * the namespace from vanishing between two questions, and its inode number cannot be given to another.
 */
#include "observe/probe/namespaces.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"

const struct namespace_about namespace_about[NAMESPACE_KINDS] = {
	{"cgroup", "CLONE_NEWCGROUP", "the root of cgroup paths", "--cgroupns host",
	 CLONE_NEWCGROUP},
	{"ipc", "CLONE_NEWIPC", "System V IPC and POSIX message queues", "--ipc host",
	 CLONE_NEWIPC},
	{"mnt", "CLONE_NEWNS", "mounts", NULL, CLONE_NEWNS},
	{"net", "CLONE_NEWNET", "interfaces, addresses, routes, sockets, packet filter",
	 "--network host", CLONE_NEWNET},
	{"pid", "CLONE_NEWPID", "process ids", "--pid host", CLONE_NEWPID},
	{"time", "CLONE_NEWTIME", "offsets of the monotonic and boot clocks", NULL, CLONE_NEWTIME},
	{"user", "CLONE_NEWUSER", "user and group ids, capabilities", "--userns host",
	 CLONE_NEWUSER},
	{"uts", "CLONE_NEWUTS", "host name and domain name", "--uts host", CLONE_NEWUTS},
};

/* "/proc/PID/FILE", the caller's own for pid 0. */
static void proc_path(pid_t pid, const char *file, char out[64])
{
	if (pid)
		snprintf(out, 64, "/proc/%d/%s", (int)pid, file);
	else
		snprintf(out, 64, "/proc/self/%s", file);
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? (uint64_t)st.st_ino : 0;
}

/* The inode of what an ns ioctl hands out; 0 when it refuses. */
static uint64_t related(int fd, unsigned long request)
{
	auto_close int other = ioctl(fd, request);

	return inode_of(other);
}

static int open_link(pid_t pid, const char *name)
{
	char file[32], path[64];
	int fd;

	snprintf(file, sizeof(file), "ns/%s", name);
	proc_path(pid, file, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static uint64_t link_inode(pid_t pid, const char *name)
{
	auto_close int fd = open_link(pid, name);

	return inode_of(fd);
}

size_t namespaces_parse_pids(const char *status, pid_t *out, size_t max)
{
	const char *p = strstr(status, "\nNSpid:");
	size_t n = 0;

	if (!p)
		return 0;
	for (p += strlen("\nNSpid:"); n < max && (*p == '\t' || *p == ' ');) {
		char *end;
		long value = strtol(p, &end, 10);

		if (end == p)
			break;
		out[n++] = (pid_t)value;
		p = end;
	}
	return n;
}

static void read_kind(struct namespace_set *s, enum namespace_kind kind)
{
	auto_close int fd = open_link(s->pid, namespace_about[kind].name);

	if (fd < 0) {
		s->errors[kind] = fd;
		return;
	}
	s->inode[kind] = inode_of(fd);
	/* The owner of a user namespace is its parent, which NS_GET_USERNS hands out as well. */
	s->owner[kind] = related(fd, NS_GET_USERNS);
	if (kind == NAMESPACE_PID)
		s->pid_parent = related(fd, NS_GET_PARENT);
}

int namespaces_read(pid_t pid, struct namespace_set *out, struct err *err)
{
	char path[64];
	auto_free char *status = NULL;
	int rc;

	*out = (struct namespace_set){.pid = pid};
	proc_path(pid, "status", path);
	rc = file_read_at(AT_FDCWD, path, 1 << 16, &status, NULL);
	if (rc == -ENOENT || rc == -ESRCH)
		return err_set(err, ERR_NOT_FOUND, ESRCH, "there is no process %d", (int)pid);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "read %s: %s", path, err_errno_text(-rc));
	out->pid_count = namespaces_parse_pids(status, out->pids, NAMESPACE_PID_LEVELS);
	for (enum namespace_kind kind = 0; kind < NAMESPACE_KINDS; kind++)
		read_kind(out, kind);
	out->pid_for_children = link_inode(pid, "pid_for_children");
	out->time_for_children = link_inode(pid, "time_for_children");
	return 0;
}

int namespaces_read_host(struct namespace_set *out, struct err *err)
{
	struct namespace_set first;
	int rc = namespaces_read(0, out, err);

	if (rc < 0 || namespaces_read(1, &first, err) < 0)
		return rc;
	if (first.inode[NAMESPACE_MNT])
		out->inode[NAMESPACE_MNT] = first.inode[NAMESPACE_MNT];
	return 0;
}

enum namespace_relation namespaces_relate(const struct namespace_set *a,
					  const struct namespace_set *b, enum namespace_kind kind)
{
	if (!a->inode[kind] || !b->inode[kind])
		return NAMESPACE_UNKNOWN;
	return a->inode[kind] == b->inode[kind] ? NAMESPACE_SAME : NAMESPACE_APART;
}

unsigned namespaces_same_count(const struct namespace_set *a, const struct namespace_set *b)
{
	unsigned n = 0;

	for (enum namespace_kind kind = 0; kind < NAMESPACE_KINDS; kind++)
		n += namespaces_relate(a, b, kind) == NAMESPACE_SAME;
	return n;
}

/* Its inode is fixed (PROC_PID_INIT_INO in the kernel's proc_ns.h). */
int namespaces_check_pids(struct err *err)
{
	struct stat s;

	if (stat("/proc/self/ns/pid", &s) < 0 || s.st_ino == 0xEFFFFFFCU)
		return 0;
	return err_set(
		err, ERR_UNSUPPORTED, 0,
		"record: the kernel tells of processes by the host's pids, but this is a pid "
		"namespace of its own (a container?): run it on the host");
}

/* ---- who is where ---- */

static void count_process(struct namespace_census *c, pid_t pid)
{
	struct namespace_member m = {.pid = pid};
	int failed = 0;

	for (enum namespace_kind kind = 0; kind < NAMESPACE_KINDS; kind++) {
		auto_close int fd = open_link(pid, namespace_about[kind].name);

		m.inode[kind] = inode_of(fd);
		if (fd < 0 && kind == NAMESPACE_MNT)
			failed = fd;
	}
	/* A zombie has left its namespaces but the pid and user ones; one that went is no member. */
	if (failed == -EACCES || failed == -EPERM)
		c->unreadable++;
	if (!m.inode[NAMESPACE_PID])
		return;
	if (c->count == c->room) {
		c->room = c->room ? 2 * c->room : 128;
		c->members = xrealloc(c->members, c->room * sizeof(*c->members));
	}
	c->members[c->count++] = m;
}

int namespaces_census(struct namespace_census *out, struct err *err)
{
	auto_closedir DIR *d = opendir("/proc");
	const struct dirent *e;

	*out = (struct namespace_census){0};
	if (!d)
		return err_sys(err, "open /proc");
	while ((e = readdir(d))) {
		uint64_t pid;

		if (isdigit((unsigned char)e->d_name[0]) && str_to_u64(e->d_name, &pid) == 0)
			count_process(out, (pid_t)pid);
	}
	return 0;
}

void namespaces_census_free(struct namespace_census *c)
{
	free(c->members);
	*c = (struct namespace_census){0};
}

size_t namespaces_count(const struct namespace_census *c, enum namespace_kind kind, uint64_t inode)
{
	size_t n = 0;

	for (size_t i = 0; inode && i < c->count; i++)
		n += c->members[i].inode[kind] == inode;
	return n;
}
