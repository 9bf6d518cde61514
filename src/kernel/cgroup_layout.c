/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which hierarchies are mounted where, and the paths of one group in them. What must hold: one entry
 * per hierarchy however often it is mounted, and no path that could leave its mount.
 * Source: cgroups(7), proc(5) on mountinfo.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_driver.h"

#define MOUNTINFO_MAX (1 << 20)
#define SELF_CGROUP_MAX 8192

static const struct {
	const char *name;
	uint32_t bit;
} controller_names[] = {
	{"cpu", CGROUP_CPU},
	{"cpuacct", CGROUP_CPUACCT},
	{"cpuset", CGROUP_CPUSET},
	{"memory", CGROUP_MEMORY},
	{"devices", CGROUP_DEVICES},
	{"freezer", CGROUP_FREEZER},
	{"blkio", CGROUP_IO},
	{"io", CGROUP_IO},
	{"pids", CGROUP_PIDS},
	{"hugetlb", CGROUP_HUGETLB},
	{"net_cls", CGROUP_NET_CLS},
	{"net_prio", CGROUP_NET_PRIO},
	{"perf_event", CGROUP_PERF_EVENT},
	{"rdma", CGROUP_RDMA},
	{"misc", CGROUP_MISC},
};

/* Options of a v1 mount that name no controller. */
static const char *const plain_options[] = {
	"rw",          "ro", "none", "all", "noprefix", "xattr", "clone_children", "cpuset_v2_mode",
	"favordynmods"};

static uint32_t controller_bit(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(controller_names) / sizeof(controller_names[0]); i++)
		if (strlen(controller_names[i].name) == len &&
		    memcmp(controller_names[i].name, name, len) == 0)
			return controller_names[i].bit;
	return 0;
}

const char *cgroup_controller_name(uint32_t bit, bool v2)
{
	if (bit == CGROUP_IO)
		return v2 ? "io" : "blkio";
	for (size_t i = 0; i < sizeof(controller_names) / sizeof(controller_names[0]); i++)
		if (controller_names[i].bit == bit)
			return controller_names[i].name;
	return "?";
}

uint32_t cgroup_parse_controllers(const char *text)
{
	uint32_t bits = 0;

	while (*text) {
		size_t len = strcspn(text, " ,\n");

		bits |= controller_bit(text, len);
		text += len;
		text += strspn(text, " ,\n");
	}
	return bits;
}

static bool is_plain_option(const char *option, size_t len)
{
	if (len > 14 && memcmp(option, "release_agent=", 14) == 0)
		return true;
	for (size_t i = 0; i < sizeof(plain_options) / sizeof(plain_options[0]); i++)
		if (strlen(plain_options[i]) == len && memcmp(plain_options[i], option, len) == 0)
			return true;
	return false;
}

/* Copies len bytes with mountinfo's octal escapes resolved. */
static int unescape(const char *in, size_t len, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = in[i];

		if (c == '\\' && i + 3 < len) {
			c = (char)((in[i + 1] - '0') * 64 + (in[i + 2] - '0') * 8 +
				   (in[i + 3] - '0'));
			i += 3;
		}
		if (n + 1 >= size)
			return -ENAMETOOLONG;
		out[n++] = c;
	}
	out[n] = '\0';
	return 0;
}

struct mount_line {
	const char *root, *mount, *type, *super;
	size_t root_len, mount_len, type_len, super_len;
};

/* Splits one line: id parent dev ROOT MOUNT options tags... - TYPE source SUPER. */
static bool split_line(const char *line, size_t len, struct mount_line *out)
{
	const char *end = line + len;
	const char *fields[8] = {NULL};
	const char *p = line;
	const char *dash = memmem(line, len, " - ", 3);

	if (!dash)
		return false;
	for (int i = 0; i < 6 && p < dash; i++) {
		fields[i] = p;
		p = memchr(p, ' ', (size_t)(end - p));
		if (!p)
			return false;
		p++;
	}
	if (!fields[5])
		return false;
	out->root = fields[3];
	out->root_len = (size_t)(fields[4] - fields[3] - 1);
	out->mount = fields[4];
	out->mount_len = (size_t)(fields[5] - fields[4] - 1);
	out->type = dash + 3;
	p = memchr(out->type, ' ', (size_t)(end - out->type));
	if (!p)
		return false;
	out->type_len = (size_t)(p - out->type);
	p = memchr(p + 1, ' ', (size_t)(end - p - 1));
	if (!p)
		return false;
	out->super = p + 1;
	out->super_len = (size_t)(end - out->super);
	return true;
}

/* "rw,cpu,cpuacct" -> "cpu,cpuacct"; a named hierarchy keeps its "name=". */
static int hierarchy_name(const struct mount_line *m, char *out, size_t size)
{
	size_t n = 0;
	const char *p = m->super;
	const char *end = m->super + m->super_len;

	out[0] = '\0';
	while (p < end) {
		size_t len = 0;

		while (p + len < end && p[len] != ',')
			len++;
		if (len && !is_plain_option(p, len)) {
			if (n + len + 2 > size)
				return -ENAMETOOLONG;
			if (n)
				out[n++] = ',';
			memcpy(out + n, p, len);
			n += len;
			out[n] = '\0';
		}
		p += len + 1;
	}
	return 0;
}

static struct cgroup_hierarchy *find_hierarchy(struct cgroup_layout *l, bool v2, const char *name)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->hierarchies[i].v2 == v2 && str_eq(l->hierarchies[i].name, name))
			return &l->hierarchies[i];
	return NULL;
}

/* Takes one mountinfo line; a hierarchy mounted twice keeps its place below /sys/fs/cgroup. */
static int take_line(struct cgroup_layout *l, char (*roots)[CGROUP_PATH_MAX], const char *line,
		     size_t len)
{
	struct mount_line m;
	struct cgroup_hierarchy h = {0};
	struct cgroup_hierarchy *known;

	if (!split_line(line, len, &m))
		return 0;
	h.v2 = m.type_len == 7 && memcmp(m.type, "cgroup2", 7) == 0;
	if (!h.v2 && !(m.type_len == 6 && memcmp(m.type, "cgroup", 6) == 0))
		return 0;
	if (unescape(m.mount, m.mount_len, h.mount, sizeof(h.mount)))
		return 0; /* a mount point too long to be the host's own */
	if (!h.v2 && hierarchy_name(&m, h.name, sizeof(h.name)))
		return -ENAMETOOLONG;
	h.controllers = h.v2 ? 0 : cgroup_parse_controllers(h.name);
	known = find_hierarchy(l, h.v2, h.name);
	if (known &&
	    (str_starts(known->mount, "/sys/fs/cgroup") || !str_starts(h.mount, "/sys/fs/cgroup")))
		return 0;
	if (!known) {
		if (l->count == CGROUP_HIERARCHIES_MAX)
			return -E2BIG;
		known = &l->hierarchies[l->count++];
	}
	*known = h;
	return unescape(m.root, m.root_len, roots[known - l->hierarchies], CGROUP_PATH_MAX);
}

/* Whether two comma-separated lists name the same things in any order. */
static bool same_names(const char *a, const char *b, size_t b_len)
{
	size_t a_len = strlen(a);

	if (a_len != b_len)
		return false;
	if (memcmp(a, b, a_len) == 0)
		return true;
	return cgroup_parse_controllers(a) != 0 && !memchr(b, '=', b_len) &&
	       cgroup_parse_controllers(a) == cgroup_parse_controllers(b);
}

/* Fills self from "3:cpuset:/path" and "0::/path"; what the mount's own root hides is cut off. */
static int take_self(struct cgroup_layout *l, char (*roots)[CGROUP_PATH_MAX], const char *line,
		     size_t len)
{
	const char *names = memchr(line, ':', len);
	const char *path = names ? memchr(names + 1, ':', len - (size_t)(names + 1 - line)) : NULL;
	char list[CGROUP_NAME_MAX];

	if (!path)
		return 0;
	names++;
	if (str_format(list, sizeof(list), "%.*s", (int)(path - names), names))
		return 0;
	path++;
	for (size_t i = 0; i < l->count; i++) {
		struct cgroup_hierarchy *h = &l->hierarchies[i];
		size_t root_len = strlen(roots[i]);
		size_t path_len = len - (size_t)(path - line);

		if (h->v2 != (list[0] == '\0') || !same_names(h->name, list, strlen(list)))
			continue;
		if (root_len > 1 && path_len >= root_len && memcmp(path, roots[i], root_len) == 0) {
			path += root_len;
			path_len -= root_len;
		}
		return str_format(h->self, sizeof(h->self), "%.*s", (int)path_len, path);
	}
	return 0;
}

typedef int (*line_fn)(struct cgroup_layout *l, char (*roots)[CGROUP_PATH_MAX], const char *line,
		       size_t len);

static int each_line(const char *text, line_fn fn, struct cgroup_layout *l,
		     char (*roots)[CGROUP_PATH_MAX])
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		int r = fn(l, roots, text, len);

		if (r)
			return r;
		text += len;
		if (*text)
			text++;
	}
	return 0;
}

/* What the v2 root offers. Beside v1 hierarchies only what its owner enabled already: enabling more
 * would take the controller away from whoever wants to mount it as v1. */
static void read_v2_controllers(const struct cgroup_layout *l, struct cgroup_hierarchy *h)
{
	char text[512];
	char path[CGROUP_PATH_MAX];

	if (str_format(path, sizeof(path), "%s/%s", h->mount,
		       l->mode == CGROUP_V2 ? "cgroup.controllers" : "cgroup.subtree_control"))
		return;
	if (file_read_small_at(AT_FDCWD, path, text, sizeof(text)) >= 0)
		h->controllers = cgroup_parse_controllers(text);
}

int cgroup_parse_layout(const char *mountinfo, const char *self_cgroup, struct cgroup_layout *out,
			struct err *err)
{
	char roots[CGROUP_HIERARCHIES_MAX][CGROUP_PATH_MAX];
	bool v1 = false, v2 = false;
	int r;

	memset(out, 0, sizeof(*out));
	r = each_line(mountinfo, take_line, out, roots);
	if (r)
		return err_set(err, ERR_UNSUPPORTED, -r, "read cgroup mounts: %s",
			       r == -E2BIG ? "too many hierarchies" : "a name is too long");
	if (!out->count)
		return err_set(err, ERR_UNSUPPORTED, ENOENT, "no cgroup hierarchy is mounted");
	for (size_t i = 0; i < out->count; i++) {
		strcpy(out->hierarchies[i].self, "/");
		if (out->hierarchies[i].v2)
			v2 = true;
		else
			v1 = true;
	}
	out->mode = !v1 ? CGROUP_V2 : v2 ? CGROUP_HYBRID : CGROUP_V1;
	for (size_t i = 0; i < out->count; i++)
		if (out->hierarchies[i].v2)
			read_v2_controllers(out, &out->hierarchies[i]);
	r = each_line(self_cgroup, take_self, out, roots);
	if (r)
		return err_set(err, ERR_UNSUPPORTED, -r, "read own cgroup: path too long");
	return 0;
}

int cgroup_detect(struct cgroup_layout *out, struct err *err)
{
	auto_free char *mounts = NULL;
	char self[SELF_CGROUP_MAX];
	size_t len;
	int r = file_read_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &mounts, &len);

	if (r)
		return err_set(err, ERR_SYSTEM, -r, "read /proc/self/mountinfo: %s",
			       err_errno_text(-r));
	r = (int)file_read_small_at(AT_FDCWD, "/proc/self/cgroup", self, sizeof(self));
	if (r < 0)
		return err_set(err, ERR_SYSTEM, -r, "read /proc/self/cgroup: %s",
			       err_errno_text(-r));
	return cgroup_parse_layout(mounts, self, out, err);
}

const struct cgroup_hierarchy *cgroup_hierarchy_of(const struct cgroup_layout *layout,
						   enum cgroup_controller controller)
{
	for (size_t i = 0; i < layout->count; i++)
		if (layout->hierarchies[i].controllers & controller)
			return &layout->hierarchies[i];
	return NULL;
}

const struct cgroup_hierarchy *cgroup_unified_of(const struct cgroup_layout *layout)
{
	for (size_t i = 0; i < layout->count; i++)
		if (layout->hierarchies[i].v2)
			return &layout->hierarchies[i];
	return NULL;
}

static bool component_ok(const char *p, size_t len)
{
	return len > 0 && len <= 255 && !(len == 1 && p[0] == '.') &&
	       !(len == 2 && p[0] == '.' && p[1] == '.');
}

int cgroup_check_path(const char *path, struct err *err)
{
	const char *p = path;

	if (path[0] != '/' || path[1] == '\0' || strchr(path, '\n') ||
	    strlen(path) + CGROUP_MOUNT_MAX + 32 > CGROUP_PATH_MAX)
		return err_set(err, ERR_INVALID, EINVAL, "invalid cgroup path \"%.200s\"", path);
	while (*p) {
		size_t len = strcspn(++p, "/");

		if (!component_ok(p, len))
			return err_set(err, ERR_INVALID, EINVAL, "invalid cgroup path \"%.200s\"",
				       path);
		p += len;
	}
	return 0;
}

int cgroup_dirs_of(const struct cgroup_layout *layout, const char *path, struct cgroup_dirs *out,
		   struct err *err)
{
	int r = cgroup_check_path(path, err);

	if (r)
		return r;
	out->count = layout->count;
	for (size_t i = 0; i < layout->count; i++) {
		const struct cgroup_hierarchy *h = &layout->hierarchies[i];

		if (str_format(out->paths[i], sizeof(out->paths[i]), "%s%s", h->mount, path))
			return err_set(err, ERR_INVALID, ENAMETOOLONG, "cgroup path %s is too long",
				       path);
		out->dirs[i] = (struct cgroup_dir){
			.path = out->paths[i], .controllers = h->controllers, .v2 = h->v2};
	}
	return 0;
}

int cgroup_join_of(const struct cgroup_layout *layout, const char *path, struct cgroup_join *out,
		   struct err *err)
{
	int r = cgroup_check_path(path, err);

	if (r)
		return r;
	out->count = 0;
	out->v2_dir[0] = '\0';
	for (size_t i = 0; i < layout->count; i++) {
		const struct cgroup_hierarchy *h = &layout->hierarchies[i];

		if (h->v2)
			r = str_format(out->v2_dir, sizeof(out->v2_dir), "%s%s", h->mount, path);
		else
			r = str_format(out->tasks[out->count++], CGROUP_PATH_MAX, "%s%s/tasks",
				       h->mount, path);
		if (r)
			return err_set(err, ERR_INVALID, ENAMETOOLONG, "cgroup path %s is too long",
				       path);
	}
	return 0;
}
