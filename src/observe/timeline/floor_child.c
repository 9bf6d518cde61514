/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor inside the container: a table of steps, each of bare system calls, each stamped. Paths
 * are relative to the new root until pivot_root and absolute after it. Allocates nothing. Anything
 * that fails ends the child; the parent reads the step and errno from the shared page.
 */
#include "observe/timeline/floor_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"

/* Docker's default capabilities; `crun spec` grants AUDIT_WRITE, KILL and NET_BIND_SERVICE. */
#define CAPS_IMAGE 0xa80425fbULL
#define CAPS_BUNDLE 0x20000420ULL
#define NO_SUID_DEV_EXEC (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* A v1 task that writes "0" to `tasks` migrates itself without the global lock that `cgroup.procs`
 * takes. On v2 clone3 has put the child there already. */
static int join_cgroups(const struct floor_child *c)
{
	char path[FLOOR_PATH_MAX];

	for (size_t i = 0; i < c->f->hierarchy_count; i++) {
		const struct floor_hierarchy *h = &c->f->hierarchies[i];
		int fd;

		if (h->v2)
			continue;
		snprintf(path, sizeof(path), "%s/%s/%s/tasks", h->path, c->f->group, c->name);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0", 1) != 1)
			return -1;
		close(fd);
	}
	if (c->f->unified_only || c->f->kind == FLOOR_BUNDLE)
		return 0;
	return unshare(CLONE_NEWCGROUP);
}

static int mount_rootfs(const struct floor_child *c)
{
	char options[sizeof(c->f->lower) + 3 * FLOOR_PATH_MAX];
	char merged[FLOOR_PATH_MAX];

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	if (c->f->kind == FLOOR_BUNDLE) {
		if (mount(c->f->lower, c->f->lower, NULL, MS_BIND | MS_REC, NULL) < 0)
			return -1;
		return chdir(c->f->lower);
	}
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s/diff,workdir=%s/work,volatile",
		 c->f->lower, c->dir, c->dir);
	snprintf(merged, sizeof(merged), "%s/merged", c->dir);
	if (*c->f->base && chdir(c->f->base) < 0)
		return -1;
	if (mount("overlay", merged, "overlay", 0, options) < 0)
		return -1;
	return chdir(merged);
}

static int mount_proc(const struct floor_child *c)
{
	(void)c;
	return mount("proc", "proc", "proc", NO_SUID_DEV_EXEC, NULL);
}

static int make_dev(const struct floor_child *c)
{
	static const struct {
		const char *path;
		unsigned major, minor;
	} nodes[] = {{"dev/null", 1, 3},   {"dev/zero", 1, 5},    {"dev/full", 1, 7},
		     {"dev/random", 1, 8}, {"dev/urandom", 1, 9}, {"dev/tty", 5, 0}};
	static const char *const links[][2] = {
		{"/proc/self/fd", "dev/fd"},       {"/proc/self/fd/0", "dev/stdin"},
		{"/proc/self/fd/1", "dev/stdout"}, {"/proc/self/fd/2", "dev/stderr"},
		{"/proc/kcore", "dev/core"},       {"pts/ptmx", "dev/ptmx"}};

	(void)c;
	if (mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k") < 0)
		return -1;
	umask(0);
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		if (mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) <
		    0)
			return -1;
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		if (symlink(links[i][0], links[i][1]) < 0)
			return -1;
	}
	umask(022);
	return 0;
}

static int mount_devpts(const struct floor_child *c)
{
	(void)c;
	if (mkdir("dev/pts", 0755) < 0)
		return -1;
	return mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
		     "newinstance,ptmxmode=0666,mode=0620,gid=5");
}

static int mount_shm(const struct floor_child *c)
{
	(void)c;
	if (mkdir("dev/shm", 01777) < 0)
		return -1;
	return mount("shm", "dev/shm", "tmpfs", NO_SUID_DEV_EXEC, "mode=1777,size=65536k");
}

static int mount_mqueue(const struct floor_child *c)
{
	(void)c;
	if (mkdir("dev/mqueue", 01777) < 0)
		return -1;
	return mount("mqueue", "dev/mqueue", "mqueue", NO_SUID_DEV_EXEC, NULL);
}

static int mount_sysfs(const struct floor_child *c)
{
	(void)c;
	return mount("sysfs", "sys", "sysfs", NO_SUID_DEV_EXEC | MS_RDONLY, NULL);
}

/* Without a cgroup namespace a fresh mount would show the host's tree, so the container's own group
 * is bound instead, as crun and runc do. */
static int bind_cgroup(const struct floor_child *c, const struct floor_hierarchy *h, const char *to)
{
	char from[FLOOR_PATH_MAX];

	snprintf(from, sizeof(from), "%s/%s/%s", h->path, c->f->group, c->name);
	if (mount(from, to, NULL, MS_BIND, NULL) < 0)
		return -1;
	return mount(NULL, to, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | NO_SUID_DEV_EXEC, NULL);
}

static int mount_one_cgroup(const struct floor_child *c, const struct floor_hierarchy *h,
			    const char *to)
{
	if (c->f->kind == FLOOR_BUNDLE)
		return bind_cgroup(c, h, to);
	return mount("cgroup", to, h->v2 ? "cgroup2" : "cgroup", NO_SUID_DEV_EXEC | MS_RDONLY,
		     h->v2 ? NULL : h->options);
}

static int mount_cgroups(const struct floor_child *c)
{
	char to[FLOOR_PATH_MAX];

	if (c->f->unified_only)
		return mount_one_cgroup(c, &c->f->hierarchies[0], "sys/fs/cgroup");
	if (mount("tmpfs", "sys/fs/cgroup", "tmpfs", NO_SUID_DEV_EXEC, "mode=755") < 0)
		return -1;
	for (size_t i = 0; i < c->f->hierarchy_count; i++) {
		const struct floor_hierarchy *h = &c->f->hierarchies[i];

		snprintf(to, sizeof(to), "sys/fs/cgroup/%s", h->name);
		if (mkdir(to, 0755) < 0 || mount_one_cgroup(c, h, to) < 0)
			return -1;
	}
	return mount(NULL, "sys/fs/cgroup", NULL,
		     MS_REMOUNT | MS_BIND | MS_RDONLY | NO_SUID_DEV_EXEC, NULL);
}

static int bind_hosts(const struct floor_child *c)
{
	static const char *const files[] = {"resolv.conf", "hostname", "hosts"};
	char from[FLOOR_PATH_MAX + 16], to[32];

	if (c->f->kind == FLOOR_BUNDLE)
		return 0;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(from, sizeof(from), "%s/%s", c->f->scratch, files[i]);
		snprintf(to, sizeof(to), "etc/%s", files[i]);
		if (mount(from, to, NULL, MS_BIND, NULL) < 0)
			return -1;
	}
	return 0;
}

static int pivot(const struct floor_child *c)
{
	if (c->f->kind == FLOOR_BUNDLE &&
	    mount(NULL, ".", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
		return -1;
	/* The old root lands on top of the new one and is taken off there (pivot_root(2)). */
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0)
		return -1;
	return chdir("/");
}

static int mask_paths(const struct floor_child *c)
{
	static const char *const masked[] = {
		"/proc/acpi",          "/proc/asound",     "/proc/kcore",       "/proc/keys",
		"/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
		"/proc/scsi",          "/sys/firmware"};
	static const char *const read_only[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
						"/proc/sysrq-trigger"};

	(void)c;
	for (size_t i = 0; i < sizeof(masked) / sizeof(masked[0]); i++) {
		if (mount("/dev/null", masked[i], NULL, MS_BIND, NULL) == 0 || errno == ENOENT)
			continue;
		if (errno != ENOTDIR || mount("tmpfs", masked[i], "tmpfs", MS_RDONLY, NULL) < 0)
			return -1;
	}
	for (size_t i = 0; i < sizeof(read_only) / sizeof(read_only[0]); i++) {
		if (mount(read_only[i], read_only[i], NULL, MS_BIND | MS_REC, NULL) < 0) {
			if (errno == ENOENT)
				continue;
			return -1;
		}
		if (mount(NULL, read_only[i], NULL,
			  MS_REMOUNT | MS_BIND | MS_RDONLY | NO_SUID_DEV_EXEC, NULL) < 0)
			return -1;
	}
	return 0;
}

static int loopback_up(const struct floor_child *c)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)c;
	if (sock < 0 || ioctl(sock, SIOCSIFFLAGS, &request) < 0)
		return -1;
	return close(sock);
}

static int set_hostname(const struct floor_child *c)
{
	return sethostname(c->name, strlen(c->name));
}

static int restrict_self(const struct floor_child *c)
{
	uint64_t caps = c->f->kind == FLOOR_IMAGE ? CAPS_IMAGE : CAPS_BUNDLE;
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{(uint32_t)caps, (uint32_t)caps, 0},
		{(uint32_t)(caps >> 32), (uint32_t)(caps >> 32), 0}};

	/* fds of the caller never enter a container. */
	if (syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */) < 0)
		return -1;
	for (unsigned cap = 0; cap < 64; cap++) {
		if (caps & (1ULL << cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap) < 0) {
			if (errno == EINVAL)
				break; /* past the kernel's last capability */
			return -1;
		}
	}
	if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, 0, 0, 0) < 0 ||
	    syscall(SYS_setresuid, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_capset, &head, data);
}

static int load_filter(const struct floor_child *c)
{
	/* Refused where keyrings are off (ENOSYS) or by policy; a start goes on without. */
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, c->name);
	if (c->f->kind == FLOOR_BUNDLE)
		return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &c->filter);
}

static const struct {
	enum floor_step step;
	int (*fn)(const struct floor_child *c);
} steps[] = {
	{FLOOR_CGROUP_JOIN, join_cgroups},
	{FLOOR_ROOTFS, mount_rootfs},
	{FLOOR_PROC, mount_proc},
	{FLOOR_DEV, make_dev},
	{FLOOR_DEVPTS, mount_devpts},
	{FLOOR_SHM, mount_shm},
	{FLOOR_MQUEUE, mount_mqueue},
	{FLOOR_SYSFS, mount_sysfs},
	{FLOOR_CGROUP_MOUNT, mount_cgroups},
	{FLOOR_HOSTS, bind_hosts},
	{FLOOR_PIVOT, pivot},
	{FLOOR_MASK, mask_paths},
	{FLOOR_NETWORK, loopback_up},
	{FLOOR_HOSTNAME, set_hostname},
	{FLOOR_SECCOMP, load_filter},
	{FLOOR_SECURITY, restrict_self},
};

static _Noreturn void fail(const struct floor_child *c, enum floor_step step)
{
	c->shared->failed_errno = errno;
	c->shared->failed_step = (int)step;
	_exit(125);
}

_Noreturn void floor_child_run(const struct floor_child *c)
{
	static const char *const envp[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};

	c->shared->stamp_ns[FLOOR_CLONE] = clock_now_ns();
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (steps[i].fn(c) < 0)
			fail(c, steps[i].step);
		c->shared->stamp_ns[steps[i].step] = clock_now_ns();
	}
	execve(c->f->argv[0], (char *const *)c->f->argv, (char *const *)envp);
	fail(c, FLOOR_EXEC);
}
