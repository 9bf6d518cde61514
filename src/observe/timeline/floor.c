/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor outside the container: directories, groups, clone3, wait, removal. Every change to the
 * host carries this floor's group name or lies below its scratch directory, so removal needs no
 * memory of what was done.
 */
#include "observe/timeline/floor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "observe/timeline/floor_child.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

static const char *const step_names[FLOOR_STEP_COUNT] = {
	[FLOOR_DIRECTORIES] = "directories",
	[FLOOR_CGROUP_MAKE] = "cgroup make",
	[FLOOR_CLONE] = "clone",
	[FLOOR_CGROUP_JOIN] = "cgroup join",
	[FLOOR_ROOTFS] = "rootfs",
	[FLOOR_PROC] = "proc",
	[FLOOR_DEV] = "dev",
	[FLOOR_DEVPTS] = "devpts",
	[FLOOR_SHM] = "shm",
	[FLOOR_MQUEUE] = "mqueue",
	[FLOOR_SYSFS] = "sysfs",
	[FLOOR_CGROUP_MOUNT] = "cgroup mount",
	[FLOOR_HOSTS] = "hosts files",
	[FLOOR_PIVOT] = "pivot",
	[FLOOR_MASK] = "mask",
	[FLOOR_NETWORK] = "network",
	[FLOOR_HOSTNAME] = "hostname",
	[FLOOR_SECCOMP] = "seccomp",
	[FLOOR_SECURITY] = "security",
	[FLOOR_EXEC] = "exec to exit",
	[FLOOR_CLEANUP] = "cleanup",
};

const char *floor_step_name(enum floor_step step)
{
	return step_names[step];
}

/* Where version 1 hierarchies stand by convention (systemd's and every engine's). */
static const struct {
	const char *name, *options;
} known_hierarchies[] = {
	{"cpu,cpuacct", "cpu,cpuacct"},
	{"net_cls,net_prio", "net_cls,net_prio"},
	{"cpu", "cpu"},
	{"cpuacct", "cpuacct"},
	{"cpuset", "cpuset"},
	{"memory", "memory"},
	{"devices", "devices"},
	{"freezer", "freezer"},
	{"blkio", "blkio"},
	{"pids", "pids"},
	{"perf_event", "perf_event"},
	{"hugetlb", "hugetlb"},
	{"net_cls", "net_cls"},
	{"net_prio", "net_prio"},
	{"rdma", "rdma"},
	{"systemd", "name=systemd"},
	{"unified", ""},
};

static void add_hierarchy(struct floor *f, const char *name, const char *options, bool v2)
{
	struct floor_hierarchy *h = &f->hierarchies[f->hierarchy_count++];

	snprintf(h->path, sizeof(h->path), "%s%s%s", CGROUP_ROOT, *name ? "/" : "", name);
	snprintf(h->name, sizeof(h->name), "%s", name);
	snprintf(h->options, sizeof(h->options), "%s", options);
	h->v2 = v2;
}

static int find_hierarchies(struct floor *f, struct err *err)
{
	struct stat root, st;
	struct statfs fs;

	if (statfs(CGROUP_ROOT, &fs) < 0 || stat(CGROUP_ROOT, &root) < 0)
		return err_sys(err, "look at " CGROUP_ROOT);
	if (fs.f_type == CGROUP2_SUPER_MAGIC) {
		f->unified_only = true;
		add_hierarchy(f, "", "", true);
		return 0;
	}
	for (size_t i = 0; i < sizeof(known_hierarchies) / sizeof(known_hierarchies[0]); i++) {
		char path[64];

		snprintf(path, sizeof(path), CGROUP_ROOT "/%s", known_hierarchies[i].name);
		/* lstat: cpu is a symlink where cpu,cpuacct is the mount. */
		if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_dev == root.st_dev)
			continue;
		add_hierarchy(f, known_hierarchies[i].name, known_hierarchies[i].options,
			      !*known_hierarchies[i].options);
	}
	return 0;
}

int floor_open(struct floor *f, enum floor_kind kind, const char *tag, const char *scratch,
	       const char *base, const char *lower, const char *const *argv, struct err *err)
{
	memset(f, 0, sizeof(*f));
	f->kind = kind;
	f->argv = argv;
	if (snprintf(f->group, sizeof(f->group), "cloche-floor-%s", tag) >= (int)sizeof(f->group) ||
	    snprintf(f->scratch, sizeof(f->scratch), "%s", scratch) >= FLOOR_PATH_MAX - 64 ||
	    snprintf(f->base, sizeof(f->base), "%s", base ? base : "") >= (int)sizeof(f->base) ||
	    snprintf(f->lower, sizeof(f->lower), "%s", lower) >= (int)sizeof(f->lower))
		return err_set(err, ERR_USAGE, ENAMETOOLONG, "floor: path too long");
	return find_hierarchies(f, err);
}

static int write_file(const char *path, const char *text)
{
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* Docker's device rules; groups made below inherit them, so a start writes none. */
static int set_device_rules(const char *group)
{
	static const char *const rules[] = {"c *:* m",   "b *:* m",   "c 1:3 rwm",  "c 1:5 rwm",
					    "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm",  "c 5:0 rwm",
					    "c 5:1 rwm", "c 5:2 rwm", "c 136:* rwm"};
	char path[FLOOR_PATH_MAX];
	int rc;

	snprintf(path, sizeof(path), "%s/devices.deny", group);
	rc = write_file(path, "a");
	snprintf(path, sizeof(path), "%s/devices.allow", group);
	for (size_t i = 0; rc == 0 && i < sizeof(rules) / sizeof(rules[0]); i++)
		rc = write_file(path, rules[i]);
	return rc;
}

/* A v1 cpuset group has no processors until told; clone_children makes groups below inherit them. */
static int fill_cpuset(const char *hierarchy, const char *group)
{
	static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
	char path[FLOOR_PATH_MAX], value[4096];

	for (size_t i = 0; i < 2; i++) {
		auto_close int fd = -1;
		ssize_t n;

		snprintf(path, sizeof(path), "%s/%s", hierarchy, files[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? -1 : read(fd, value, sizeof(value) - 1);
		if (n < 0)
			return -errno;
		value[n] = '\0';
		snprintf(path, sizeof(path), "%s/%s", group, files[i]);
		if (write_file(path, value) < 0)
			return -errno;
	}
	snprintf(path, sizeof(path), "%s/cgroup.clone_children", group);
	return write_file(path, "1");
}

static int make_parent_group(const struct floor *f, const struct floor_hierarchy *h,
			     struct err *err)
{
	char group[FLOOR_PATH_MAX];
	int rc = 0;

	snprintf(group, sizeof(group), "%s/%s", h->path, f->group);
	if (mkdir(group, 0755) < 0 && errno != EEXIST)
		return err_sys(err, "make cgroup %s", group);
	if (strcmp(h->name, "devices") == 0)
		rc = set_device_rules(group);
	else if (strcmp(h->name, "cpuset") == 0)
		rc = fill_cpuset(h->path, group);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "set up cgroup %s: %s", group,
			       err_errno_text(-rc));
	return 0;
}

static int make_hosts_files(const struct floor *f, struct err *err)
{
	static const char *const files[][2] = {{"hosts", "127.0.0.1\tlocalhost\n"},
					       {"hostname", "floor\n"},
					       {"resolv.conf", "nameserver 127.0.0.1\n"}};
	char path[FLOOR_PATH_MAX];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int rc;

		snprintf(path, sizeof(path), "%s/%s", f->scratch, files[i][0]);
		rc = write_file(path, files[i][1]);
		if (rc < 0)
			return err_set(err, ERR_SYSTEM, -rc, "write %s: %s", path,
				       err_errno_text(-rc));
	}
	return 0;
}

int floor_prepare(const struct floor *f, struct err *err)
{
	int rc = 0;

	if (mkdir(f->scratch, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "make %s", f->scratch);
	for (size_t i = 0; rc == 0 && i < f->hierarchy_count; i++)
		rc = make_parent_group(f, &f->hierarchies[i], err);
	if (rc == 0)
		rc = make_hosts_files(f, err);
	if (rc < 0)
		floor_finish(f);
	return rc;
}

/* Groups of runs whose owner was killed before it could remove them. */
static void sweep_runs(const char *group)
{
	auto_closedir DIR *dir = opendir(group);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	}
}

void floor_finish(const struct floor *f)
{
	static const char *const files[] = {"hosts", "hostname", "resolv.conf"};
	char path[FLOOR_PATH_MAX];

	for (size_t i = f->hierarchy_count; i-- > 0;) {
		snprintf(path, sizeof(path), "%s/%s", f->hierarchies[i].path, f->group);
		sweep_runs(path);
		rmdir(path);
	}
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", f->scratch, files[i]);
		unlink(path);
	}
	rmdir(f->scratch);
}

void floor_remove_groups(const struct floor *f, const char *name)
{
	char path[FLOOR_PATH_MAX];

	for (size_t i = f->hierarchy_count; i-- > 0;) {
		snprintf(path, sizeof(path), "%s/%s/%s", f->hierarchies[i].path, f->group, name);
		rmdir(path);
	}
}

void floor_remove_directories(const struct floor *f, const char *name)
{
	/* What an overlay mount leaves in its work directory, innermost first. */
	static const char *const parts[] = {"work/work/incompat/volatile",
					    "work/work/incompat",
					    "work/work",
					    "work",
					    "diff",
					    "merged",
					    ""};
	char path[FLOOR_PATH_MAX];

	if (f->kind == FLOOR_BUNDLE)
		return;
	snprintf(path, sizeof(path), "%s/%s/%s/dirty", f->scratch, name, parts[0]);
	unlink(path);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", f->scratch, name, parts[i]);
		rmdir(path);
	}
}

static int make_directories(const struct floor *f, const char *dir)
{
	static const char *const parts[] = {"", "/diff", "/work", "/merged"};
	char path[FLOOR_PATH_MAX];

	if (f->kind == FLOOR_BUNDLE)
		return 0;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", dir, parts[i]);
		if (mkdir(path, 0755) < 0)
			return -1;
	}
	return 0;
}

/* Returns the fd of the v2 group in *v2_fd, -1 where there is none. */
static int make_groups(const struct floor *f, const char *name, int *v2_fd)
{
	char path[FLOOR_PATH_MAX];

	*v2_fd = -1;
	for (size_t i = 0; i < f->hierarchy_count; i++) {
		const struct floor_hierarchy *h = &f->hierarchies[i];

		snprintf(path, sizeof(path), "%s/%s/%s", h->path, f->group, name);
		if (mkdir(path, 0755) < 0)
			return -1;
		if (!h->v2)
			continue;
		*v2_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (*v2_fd < 0)
			return -1;
	}
	return 0;
}

static pid_t clone_child(const struct floor_child *c, int v2_fd)
{
	struct clone_args args = {
		.flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET,
		.exit_signal = SIGCHLD,
	};
	pid_t pid;

	if (v2_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (__u64)v2_fd;
	}
	if (c->f->unified_only)
		args.flags |= CLONE_NEWCGROUP;
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		floor_child_run(c);
	}
	return pid;
}

static int wait_child(pid_t pid, int *exit_code)
{
	siginfo_t info = {0};

	while (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0) {
		if (errno != EINTR)
			return -1;
	}
	*exit_code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	return 0;
}

static void fill_steps(struct floor_run *run, const struct floor_shared *s, uint64_t start_ns,
		       uint64_t end_ns)
{
	uint64_t last = start_ns;

	for (int i = 0; i < FLOOR_EXEC; i++) {
		run->step_ns[i] = s->stamp_ns[i] - last;
		last = s->stamp_ns[i];
	}
	run->step_ns[FLOOR_EXEC] = end_ns - last;
	run->total_ns = end_ns - start_ns;
}

static int start_in(const struct floor *f, const char *name, struct floor_shared *shared,
		    struct floor_run *run, struct err *err)
{
	struct sock_filter filter[FLOOR_FILTER_MAX];
	char dir[FLOOR_PATH_MAX];
	struct floor_child c = {.f = f, .dir = dir, .name = name, .shared = shared};
	auto_close int v2_fd = -1;
	uint64_t start_ns, end_ns;
	pid_t pid;

	/* A real start computes its filter beforehand too (it is cached). */
	c.filter = (struct sock_fprog){.len = floor_filter_build(filter), .filter = filter};
	start_ns = clock_now_ns();
	snprintf(dir, sizeof(dir), "%s/%s", f->scratch, name);
	if (make_directories(f, dir) < 0)
		return err_sys(err, "floor: make %s", dir);
	shared->stamp_ns[FLOOR_DIRECTORIES] = clock_now_ns();
	if (make_groups(f, name, &v2_fd) < 0)
		return err_sys(err, "floor: make cgroups %s/%s", f->group, name);
	shared->stamp_ns[FLOOR_CGROUP_MAKE] = clock_now_ns();
	pid = clone_child(&c, v2_fd);
	if (pid < 0)
		return err_sys(err, "floor: clone3");
	if (wait_child(pid, &run->exit_code) < 0)
		return err_sys(err, "floor: wait");
	end_ns = clock_now_ns();
	if (shared->failed_step >= 0)
		return err_set(err, ERR_SYSTEM, shared->failed_errno, "floor: %s: %s",
			       step_names[shared->failed_step],
			       err_errno_text(shared->failed_errno));
	fill_steps(run, shared, start_ns, end_ns);
	return 0;
}

int floor_start(const struct floor *f, const char *name, struct floor_run *run, struct err *err)
{
	struct floor_shared *shared;
	int rc;

	memset(run, 0, sizeof(*run));
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		return err_sys(err, "floor: shared page");
	shared->failed_step = -1;
	rc = start_in(f, name, shared, run, err);
	munmap(shared, sizeof(*shared));
	if (rc < 0) {
		floor_remove_groups(f, name);
		floor_remove_directories(f, name);
	}
	return rc;
}

static void run_name(char out[static 32], size_t i)
{
	snprintf(out, 32, "%d-%zu", getpid(), i);
}

int floor_measure(const struct floor *f, struct floor_run *runs, size_t n, struct err *err)
{
	char name[32];
	size_t done;
	int rc = 0;

	for (done = 0; done < n && rc == 0; done++) {
		uint64_t start_ns;

		run_name(name, done);
		rc = floor_start(f, name, &runs[done], err);
		start_ns = clock_now_ns();
		floor_remove_groups(f, name);
		runs[done].step_ns[FLOOR_CLEANUP] = clock_now_ns() - start_ns;
	}
	/* Only now: ext4 without a journal passes over inodes deleted in the last minute one by one,
	 * so that removal between the runs would slow each run down by what the ones before it left. */
	for (size_t i = 0; i < done; i++) {
		uint64_t start_ns = clock_now_ns();

		run_name(name, i);
		floor_remove_directories(f, name);
		runs[i].step_ns[FLOOR_CLEANUP] += clock_now_ns() - start_ns;
	}
	return rc;
}
