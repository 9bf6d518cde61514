/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which mounts lead out of the container. A mount is the host's when the host has the same part of the
 * same file system mounted (device number and root of mountinfo), as the caller sees it or as PID 1 does;
 * what an engine mounts for every container is left out by its target.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "kernel/path.h"
#include "observe/probe/posture_internal.h"

/* Sockets by which engines and their daemons take orders, as they are called, and as they lie in a
 * directory that was mounted whole. */
static const char *const engine_sockets[] = {
	"docker.sock", "containerd.sock", "podman.sock",      "crio.sock",
	"cloche.sock", "cloched.sock",    "cri-dockerd.sock", "buildkitd.sock",
};
static const char *const socket_places[] = {
	"",          "run/",        "var/run/",        "containerd/", "podman/", "crio/",
	"buildkit/", "run/podman/", "run/containerd/", "run/crio/",   "cloche/", "run/cloche/",
};
/* Put there by engines for every container. */
static const char *const engine_targets[] = {
	"/etc/resolv.conf", "/etc/hostname",     "/etc/hosts",       "/run/.containerenv",
	"/run/secrets",     "/.cloche-helper",   "/dev/console",     "/dev/shm",
	"/dev/init",        "/sbin/docker-init", "/run/podman-init", "/dev/mqueue",
};
static const char *const kernel_types[] = {"debugfs",  "tracefs", "securityfs", "bpf",
					   "configfs", "pstore",  "efivarfs"};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool is_one_of(const char *text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(text, list[i]))
			return true;
	return false;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* File type of a path in the container; 0 unknown. */
static mode_t type_of(int rootfd, const char *path)
{
	auto_close int fd = rootfd < 0 ? -1 : path_open(rootfd, path, O_PATH, 0);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? st.st_mode & S_IFMT : 0;
}

static void add_mount(struct posture *p, enum posture_mount_kind kind, const struct mount_entry *m,
		      const char *target, char *host_path)
{
	p->mounts = xrealloc(p->mounts, (p->mount_count + 1) * sizeof(*p->mounts));
	p->mounts[p->mount_count++] = (struct posture_mount){.kind = kind,
							     .target = xstrdup(target),
							     .host_path = host_path,
							     .type = xstrdup(m->type),
							     .read_only = mounts_read_only(m)};
}

/* Sockets that came in with the directory around them. */
static void find_sockets(struct posture *p, const struct mount_entry *m, const char *host_path,
			 int rootfd)
{
	for (size_t i = 0; i < COUNT(socket_places); i++) {
		for (size_t k = 0; k < COUNT(engine_sockets); k++) {
			auto_free char *at = xasprintf("%s%s%s%s", m->target,
						       str_eq(m->target, "/") ? "" : "/",
						       socket_places[i], engine_sockets[k]);

			if (type_of(rootfd, at) == S_IFSOCK)
				add_mount(p, POSTURE_ENGINE_SOCKET, m, at,
					  xasprintf("%s/%s%s", host_path, socket_places[i],
						    engine_sockets[k]));
		}
	}
}

static bool is_volume(const char *host_path)
{
	return strstr(host_path, "/volumes/") && str_ends(host_path, "/_data");
}

static void take_host_path(struct posture *p, const struct mount_entry *m, char *host_path,
			   int rootfd)
{
	mode_t type = type_of(rootfd, m->target);
	enum posture_mount_kind kind = is_volume(host_path) ? POSTURE_VOLUME : POSTURE_HOST_PATH;

	if (type == S_IFCHR || type == S_IFBLK) {
		free(host_path); /* devices are told of by their nodes */
		return;
	}
	if (type == S_IFSOCK)
		kind = is_one_of(base_name(m->target), engine_sockets, COUNT(engine_sockets)) ||
				       is_one_of(base_name(m->root), engine_sockets,
						 COUNT(engine_sockets))
			       ? POSTURE_ENGINE_SOCKET
			       : POSTURE_SOCKET;
	if (type == S_IFDIR)
		find_sockets(p, m, host_path, rootfd);
	add_mount(p, kind, m, m->target, host_path);
}

static bool below_proc_or_sys(const char *target)
{
	return str_starts(target, "/proc/") || str_starts(target, "/sys/");
}

/* An empty thing over a path that stays there: /dev/null, or a file system of its own. */
static bool is_mask(const struct mount_entry *m)
{
	return below_proc_or_sys(m->target) &&
	       (str_eq(m->root, "/null") || (str_eq(m->type, "tmpfs") && mounts_read_only(m))) &&
	       !str_starts(m->target, "/sys/fs/cgroup");
}

static void take_mount(struct posture *p, const struct mount_entry *m,
		       const struct mount_list *const *hosts, int rootfd)
{
	char *host_path = NULL;

	if (is_mask(m)) {
		strv_add(&p->masked, m->target);
		return;
	}
	if (str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2")) {
		if (!mounts_read_only(m))
			add_mount(p, POSTURE_CGROUP, m, m->target, NULL);
		return;
	}
	if (is_one_of(m->type, kernel_types, COUNT(kernel_types))) {
		add_mount(p, POSTURE_KERNEL, m, m->target, NULL);
		return;
	}
	if (str_eq(m->type, "proc") || str_eq(m->type, "sysfs")) {
		if (mounts_read_only(m))
			strv_add(&p->read_only, m->target);
		return;
	}
	if (str_eq(m->target, "/") || is_one_of(m->target, engine_targets, COUNT(engine_targets)) ||
	    str_eq(m->type, "devpts") || str_eq(m->type, "mqueue") || str_eq(m->type, "devtmpfs"))
		return;
	/* Podman binds a hybrid host's directory of hierarchies. */
	if (str_starts(m->target, "/sys/fs/cgroup/") && mounts_read_only(m))
		return;
	for (; *hosts && !host_path; hosts++)
		host_path = mounts_host_path(*hosts, m);
	if (host_path)
		take_host_path(p, m, host_path, rootfd);
}

static bool writable_at(const struct mount_list *own, const char *path, const char *type)
{
	const struct mount_entry *m = mounts_holding(own, path);

	return m && str_eq(m->type, type) && !mounts_read_only(m);
}

void posture_take_mounts(struct posture *p, const struct mount_list *own,
			 const struct mount_list *const *hosts, int rootfd)
{
	const struct mount_entry *root = mounts_at(own, "/");

	p->root_type = xstrdup(root ? root->type : "");
	p->root_read_only = root && mounts_read_only(root);
	p->proc_sys_writable = writable_at(own, "/proc/sys", "proc");
	/* A kernel may be built without it. */
	p->sysrq_writable = writable_at(own, "/proc/sysrq-trigger", "proc") &&
			    (rootfd < 0 || type_of(rootfd, "/proc/sysrq-trigger"));
	p->sys_writable = writable_at(own, "/sys", "sysfs");
	/* In the host's own mount namespace everything is the host's, and nothing was mounted in. */
	if (namespaces_relate(&p->namespaces, &p->host, NAMESPACE_MNT) == NAMESPACE_SAME)
		return;
	for (size_t i = 0; i < own->count; i++)
		take_mount(p, &own->entries[i], hosts, rootfd);
}

const char *posture_mount_kind_name(enum posture_mount_kind kind)
{
	static const char *const names[POSTURE_MOUNT_KINDS] = {
		"engine socket", "socket", "host path", "volume", "control groups", "kernel",
	};

	return names[kind];
}
