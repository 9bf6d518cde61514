/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts of the configuration as operations. Flags of the old mount(2) become attributes of the
 * mount or options of the file system; sources are looked at now, targets never: the child opens
 * them inside the root.
 */
#include "runtime/plan_mounts.h"

#include <errno.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/str.h"

#define MS_PROPAGATION (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)

/* The MOUNT_ATTR_* for MS_* flags. The access-time setting is an enumeration, not bits. */
static uint64_t attributes_of(uint64_t ms)
{
	static const struct {
		uint64_t ms, attribute;
	} table[] = {
		{MS_RDONLY, MOUNT_ATTR_RDONLY},         {MS_NOSUID, MOUNT_ATTR_NOSUID},
		{MS_NODEV, MOUNT_ATTR_NODEV},           {MS_NOEXEC, MOUNT_ATTR_NOEXEC},
		{MS_NOATIME, MOUNT_ATTR_NOATIME},       {MS_STRICTATIME, MOUNT_ATTR_STRICTATIME},
		{MS_NODIRATIME, MOUNT_ATTR_NODIRATIME}, {MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW},
	};
	uint64_t out = 0;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (ms & table[i].ms)
			out |= table[i].attribute;
	}
	return out;
}

/* The kernel wants the whole access-time field cleared when part of it is set. */
static uint64_t cleared_attributes_of(const struct oci_mount *m)
{
	uint64_t clear = attributes_of(m->flags_clear) & ~(uint64_t)MOUNT_ATTR__ATIME;

	if ((m->flags_set | m->flags_clear) & (MS_NOATIME | MS_STRICTATIME | MS_RELATIME))
		clear |= MOUNT_ATTR__ATIME;
	return clear;
}

static void add_option(struct strbuf *list, const char *option, size_t n)
{
	strbuf_add(list, option, n);
	strbuf_putc(list, '\0');
}

/* "a,b=c" and the file system's own flags as the NUL-separated list that mount_new() takes. */
static plan_ref add_option_list(struct plan *p, const char *data, uint64_t ms)
{
	static const struct {
		uint64_t ms;
		const char *name;
	} flags[] = {{MS_RDONLY, "ro"},
		     {MS_SYNCHRONOUS, "sync"},
		     {MS_DIRSYNC, "dirsync"},
		     {MS_LAZYTIME, "lazytime"},
		     {MS_MANDLOCK, "mand"}};
	auto_strbuf struct strbuf list = {0};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (ms & flags[i].ms)
			add_option(&list, flags[i].name, strlen(flags[i].name));
	}
	while (data && *data) {
		size_t n = strcspn(data, ",");

		if (n)
			add_option(&list, data, n);
		data += n + (data[n] == ',');
	}
	if (!list.len)
		return 0;
	strbuf_putc(&list, '\0');
	return plan_add_bytes(p, list.data, list.len, 1);
}

static void set_attributes(struct plan_op *op, const struct oci_mount *m)
{
	op->n = attributes_of(m->flags_set);
	op->k = cleared_attributes_of(m);
	op->m = m->propagation ? m->propagation & MS_PROPAGATION : MS_PRIVATE;
}

/* A directory of another container, which only its own mount namespace has. */
static void add_donor_bind(struct plan *p, const struct oci_mount *m,
			   const struct plan_input *input)
{
	struct plan_op *op = plan_add_op(p, OP_BIND, PHASE_MOUNT, "mount %s", m->destination);

	op->a = plan_add_string(p, m->source);
	op->b = plan_add_string(p, m->destination);
	op->d = plan_add_string(p, input->donor_mounts);
	op->l = input->donor_mounts_inode;
	op->flags = OP_FLAG_MAKE_DIRECTORY;
	set_attributes(op, m);
}

static int add_bind(struct plan *p, const struct oci_mount *m, const struct plan_input *input,
		    struct err *err)
{
	auto_free char *joined = NULL;
	const char *source = m->source;
	struct plan_op *op;
	struct stat st;

	if (!source || !*source)
		return err_set(err, ERR_INVALID, EINVAL, "mount %s: a bind mount needs a source",
			       m->destination);
	if (*source != '/' && input->bundle)
		source = joined = xasprintf("%s/%s", input->bundle, source);
	if (stat(source, &st) < 0) {
		if (errno == ENOENT)
			return err_set(err, ERR_INVALID, ENOENT,
				       "bind source path does not exist: %s", source);
		return err_sys(err, "mount %s: look at the source %s", m->destination, source);
	}
	op = plan_add_op(p, OP_BIND, PHASE_MOUNT, "mount %s", m->destination);
	op->a = plan_add_string(p, source);
	op->b = plan_add_string(p, m->destination);
	op->flags = S_ISDIR(st.st_mode) ? OP_FLAG_MAKE_DIRECTORY : OP_FLAG_MAKE_FILE;
	if (m->recursive_bind)
		op->flags |= OP_FLAG_RECURSIVE;
	set_attributes(op, m);
	if (m->attr_recursive_set || m->attr_recursive_clear) {
		op->flags |= OP_FLAG_RECURSIVE_ATTR;
		op->n |= m->attr_recursive_set;
		op->k |= m->attr_recursive_clear;
	}
	return 0;
}

static void add_file_system(struct plan *p, const struct oci_mount *m)
{
	struct plan_op *op = plan_add_op(p, OP_MOUNT, PHASE_MOUNT, "mount %s", m->destination);
	bool kernel_fs = str_eq(m->type, "proc") || str_eq(m->type, "sysfs");

	op->a = plan_add_string(p, m->type);
	op->b = plan_add_string(p, m->destination);
	op->c = add_option_list(p, m->data, m->flags_set);
	op->d = plan_add_string(p, m->source ? m->source : m->type);
	op->n = attributes_of(m->flags_set);
	op->m = m->propagation & MS_PROPAGATION;
	op->flags = OP_FLAG_MAKE_DIRECTORY;
	if (kernel_fs)
		op->flags |= OP_FLAG_NO_SYMLINK;
}

/* The group's own directory of one hierarchy, below the tmpfs. Bound, also in a cgroup namespace, where
 * a mount made anew shows the same: for that the kernel would look at every v2 group and every
 * hierarchy there is, and hold its one lock of groups meanwhile. */
static void add_v1_hierarchy(struct plan *p, const struct oci_mount *m,
			     const struct cgroup_hierarchy *h, const char *group)
{
	const char *base = strrchr(h->mount, '/') + 1;
	auto_free char *target = xasprintf("%s/%s", m->destination, base);
	auto_free char *dir = xasprintf("%s%s", h->mount, group);
	struct plan_op *op = plan_add_op(p, OP_BIND, PHASE_MOUNT, "mount %s", target);

	op->a = plan_add_string(p, dir);
	op->b = plan_add_string(p, target);
	op->n = attributes_of(m->flags_set);
	op->m = MS_PRIVATE;
	op->flags = OP_FLAG_MAKE_DIRECTORY;
}

/* cpu -> cpu,cpuacct for hierarchies that hold several controllers. */
static void add_v1_symlinks(struct plan *p, const struct oci_mount *m,
			    const struct cgroup_hierarchy *h)
{
	const char *base = strrchr(h->mount, '/') + 1;

	if (!strchr(h->name, ',') || !str_eq(base, h->name))
		return;
	for (const char *at = h->name; *at;) {
		size_t n = strcspn(at, ",");
		auto_free char *link = xasprintf("%s/%.*s", m->destination, (int)n, at);
		struct plan_op *op = plan_add_op(p, OP_SYMLINK, PHASE_MOUNT, "link %s", link);

		op->a = plan_add_string(p, base);
		op->b = plan_add_string(p, link);
		at += n + (at[n] == ',');
	}
}

static void add_cgroup(struct plan *p, const struct oci_config *c, const struct oci_mount *m,
		       const struct plan_input *input)
{
	bool own_namespace = c->namespaces[OCI_NS_CGROUP].present;
	const struct cgroup_layout *layout = input->cgroups;
	struct oci_mount dir = *m;

	if (layout->mode == CGROUP_V2) {
		dir.type = (char *)(uintptr_t) "cgroup2";
		dir.data = NULL;
		if (own_namespace) {
			add_file_system(p, &dir);
		} else {
			struct plan_op *op =
				plan_add_op(p, OP_BIND, PHASE_MOUNT, "mount %s", m->destination);
			auto_free char *group =
				xasprintf("%s%s", layout->hierarchies[0].mount, input->cgroup_path);

			op->a = plan_add_string(p, group);
			op->b = plan_add_string(p, m->destination);
			op->n = attributes_of(m->flags_set);
			op->m = MS_PRIVATE;
			op->flags = OP_FLAG_MAKE_DIRECTORY;
		}
		return;
	}
	dir.type = (char *)(uintptr_t) "tmpfs";
	dir.source = (char *)(uintptr_t) "tmpfs";
	dir.data = (char *)(uintptr_t) "mode=755";
	dir.flags_set &= ~(uint64_t)MS_RDONLY;
	add_file_system(p, &dir);
	for (size_t i = 0; i < layout->count; i++) {
		add_v1_hierarchy(p, m, &layout->hierarchies[i], input->cgroup_path);
		add_v1_symlinks(p, m, &layout->hierarchies[i]);
	}
	if (m->flags_set & MS_RDONLY) {
		struct plan_op *op = plan_add_op(p, OP_REMOUNT, PHASE_MOUNT, "mount %s read-only",
						 m->destination);

		op->b = plan_add_string(p, m->destination);
		op->n = MOUNT_ATTR_RDONLY;
	}
}

int plan_add_mounts(struct plan *p, const struct oci_config *c, const struct plan_input *input,
		    struct err *err)
{
	for (size_t i = 0; i < c->mount_count; i++) {
		const struct oci_mount *m = &c->mounts[i];
		int rc = 0;

		if (m->idmap || m->copy_up)
			return err_set(err, ERR_UNSUPPORTED, 0, "mount %s: %s is not supported yet",
				       m->destination, m->idmap ? "idmap" : "tmpcopyup");
		if (m->donor)
			add_donor_bind(p, m, input);
		else if (m->bind || !m->type)
			rc = add_bind(p, m, input, err);
		else if (str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2"))
			add_cgroup(p, c, m, input);
		else
			add_file_system(p, m);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void add_device(struct plan *p, const char *path, char type, uint32_t major, uint32_t minor,
		       mode_t mode, uint32_t uid, uint32_t gid)
{
	struct plan_op *op = plan_add_op(p, OP_MKNOD, PHASE_MOUNT, "make %s", path);
	mode_t kind = type == 'b' ? S_IFBLK : type == 'p' ? S_IFIFO : S_IFCHR;

	op->b = plan_add_string(p, path);
	op->n = kind | (mode & 07777);
	op->m = type == 'p' ? 0 : makedev(major, minor);
	op->k = (uint64_t)uid << 32 | gid;
}

void plan_add_devices(struct plan *p, const struct oci_config *c)
{
	static const struct {
		const char *path;
		uint32_t major, minor;
	} devices[] = {{"/dev/null", 1, 3}, {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
		       {"/dev/tty", 5, 0},  {"/dev/urandom", 1, 9}, {"/dev/random", 1, 8}};
	static const struct {
		const char *to, *path;
	} links[] = {{"/proc/self/fd", "/dev/fd"},       {"/proc/self/fd/0", "/dev/stdin"},
		     {"/proc/self/fd/1", "/dev/stdout"}, {"/proc/self/fd/2", "/dev/stderr"},
		     {"/proc/kcore", "/dev/core"},       {"pts/ptmx", "/dev/ptmx"}};

	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		add_device(p, devices[i].path, 'c', devices[i].major, devices[i].minor, 0666, 0, 0);
	for (size_t i = 0; i < c->device_count; i++) {
		const struct oci_device *d = &c->devices[i];

		add_device(p, d->path, d->type, d->major, d->minor, d->mode, d->uid, d->gid);
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		struct plan_op *op =
			plan_add_op(p, OP_SYMLINK, PHASE_MOUNT, "link %s", links[i].path);

		op->a = plan_add_string(p, links[i].to);
		op->b = plan_add_string(p, links[i].path);
	}
}

void plan_add_hidden_paths(struct plan *p, const struct oci_config *c)
{
	for (size_t i = 0; i < c->readonly_paths.count; i++) {
		struct plan_op *op = plan_add_op(p, OP_READ_ONLY, PHASE_SECURITY, "read-only %s",
						 c->readonly_paths.items[i]);

		op->b = plan_add_string(p, c->readonly_paths.items[i]);
	}
	for (size_t i = 0; i < c->masked_paths.count; i++) {
		struct plan_op *op = plan_add_op(p, OP_MASK, PHASE_SECURITY, "mask %s",
						 c->masked_paths.items[i]);

		op->b = plan_add_string(p, c->masked_paths.items[i]);
	}
}
