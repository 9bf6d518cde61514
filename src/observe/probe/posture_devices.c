/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device nodes that the process finds, and the rules that say which devices it may use. On version 1 the
 * rules can be read back (devices.list); on version 2 they are programs, of which only the number can.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "kernel/cgroup.h"
#include "kernel/path.h"
#include "observe/probe/posture_internal.h"

#define DEPTH_MAX 3

/* ---- nodes ---- */

/* OCI's default devices: null zero full tty random urandom, console, ptmx and terminals of pts. */
static bool is_usual(char type, unsigned major, unsigned minor)
{
	if (type != 'c')
		return false;
	if (major == 1)
		return minor == 3 || minor == 5 || minor == 7 || minor == 8 || minor == 9;
	if (major == 5)
		return minor <= 2;
	return major >= 136 && major <= 143;
}

static void add_node(struct posture *p, const char *path, const struct stat *st)
{
	char type = S_ISBLK(st->st_mode) ? 'b' : 'c';
	unsigned a = major(st->st_rdev), b = minor(st->st_rdev);

	if (p->node_count == POSTURE_NODES_MAX) {
		p->nodes_cut = true;
		return;
	}
	p->nodes = xrealloc(p->nodes, (p->node_count + 1) * sizeof(*p->nodes));
	p->nodes[p->node_count++] = (struct posture_node){.path = xstrdup(path),
							  .type = type,
							  .major = a,
							  .minor = b,
							  .usual = is_usual(type, a, b)};
}

/* Takes ownership of fd. No deeper than DEPTH_MAX, so the recursion is bounded. */
// NOLINTNEXTLINE(misc-no-recursion)
static void walk(struct posture *p, int fd, const char *path, int depth)
{
	auto_closedir DIR *d = fdopendir(fd);
	const struct dirent *e;

	if (!d) {
		close(fd);
		return;
	}
	while (!p->nodes_cut && (e = readdir(d))) {
		auto_free char *at = xasprintf("%s/%s", path, e->d_name);
		struct stat st;

		if (str_eq(e->d_name, ".") || str_eq(e->d_name, "..") ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
			add_node(p, at, &st);
		if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX) {
			int below = openat(dirfd(d), e->d_name,
					   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (below >= 0)
				walk(p, below, at, depth + 1);
		}
	}
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct posture_node *)a)->path,
		      ((const struct posture_node *)b)->path);
}

/* ---- rules ---- */

/* The group of the controller in a /proc/PID/cgroup; "" names version 2's line. Heap or NULL. */
static char *group_of(const char *text, const char *controller)
{
	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		const char *names = strchr(p, ':'), *path = names ? strchr(names + 1, ':') : NULL;
		auto_free char *list = path ? xstrndup(names + 1, (size_t)(path - names - 1))
					    : NULL;

		if (list && (*controller ? mounts_has_option(list, controller) : !*list))
			return xstrndup(path + 1, strcspn(path + 1, "\n"));
	}
	return NULL;
}

static void take_rules(struct posture *p, const char *dir)
{
	auto_free char *path = xasprintf("%s/devices.list", dir);
	auto_free char *text = NULL;

	if (file_read_at(AT_FDCWD, path, 1 << 20, &text, NULL) < 0)
		return;
	p->device_rules_kind = POSTURE_DEVICES_LISTED;
	for (const char *l = text; *l; l += strcspn(l, "\n"), l += *l == '\n') {
		strv_add_taken(&p->device_rules, xstrndup(l, strcspn(l, "\n")));
		if (str_starts(l, "a *:* rwm"))
			p->device_rules_kind = POSTURE_DEVICES_ALL;
	}
}

/* Programs in force, those of groups above included. */
static void count_programs(struct posture *p, const char *dir)
{
	auto_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint32_t ids[64];
	union bpf_attr a;

	if (fd < 0)
		return;
	memset(&a, 0, sizeof(a));
	a.query.target_fd = (uint32_t)fd;
	a.query.attach_type = BPF_CGROUP_DEVICE;
	a.query.query_flags = BPF_F_QUERY_EFFECTIVE;
	a.query.prog_ids = (uint64_t)(uintptr_t)ids;
	a.query.prog_cnt = sizeof(ids) / sizeof(ids[0]);
	if (syscall(SYS_bpf, BPF_PROG_QUERY, &a, sizeof(a)) < 0)
		return;
	p->device_programs = (int)a.query.prog_cnt;
	p->device_rules_kind = p->device_programs ? POSTURE_DEVICES_FILTERED : POSTURE_DEVICES_ALL;
}

static void read_rules(struct posture *p)
{
	struct cgroup_layout layout;
	struct err ignored = ERR_INIT;
	const struct cgroup_hierarchy *h;
	auto_free char *text = NULL, *group = NULL, *dir = NULL;
	char path[48];
	bool listed;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)p->pid);
	if (cgroup_detect(&layout, &ignored) < 0 ||
	    file_read_at(AT_FDCWD, path, 1 << 16, &text, NULL) < 0)
		return;
	h = cgroup_hierarchy_of(&layout, CGROUP_DEVICES);
	listed = h != NULL;
	if (!h)
		h = cgroup_unified_of(&layout);
	group = h ? group_of(text, listed ? "devices" : "") : NULL;
	if (!group)
		return;
	dir = xasprintf("%s%s", h->mount, group);
	if (listed)
		take_rules(p, dir);
	else
		count_programs(p, dir);
}

void posture_take_devices(struct posture *p, int rootfd)
{
	int fd = rootfd < 0 ? -1 : path_open(rootfd, "/dev", O_RDONLY | O_DIRECTORY, 0);

	if (fd >= 0)
		walk(p, fd, "/dev", 1);
	if (p->node_count)
		qsort(p->nodes, p->node_count, sizeof(*p->nodes), by_path);
	read_rules(p);
}
