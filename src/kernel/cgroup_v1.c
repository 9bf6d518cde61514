/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Version 1 hierarchies: one directory per controller or bundle of controllers. What must hold: a
 * group made here can take processes at once (cpuset filled in), and limits that depend on each
 * other are written in the order the kernel accepts.
 * Source: Documentation/admin-guide/cgroup-v1/ of the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "kernel/cgroup_driver.h"

#define CPUSET_TEXT_MAX 2048

/* Copies one cpuset file down from the parent; a parent that is empty itself is filled first. dir is
 * changed on the way and restored. */
static int fill_cpuset(char *dir, size_t mount_len, const char *file, struct err *err)
{
	char text[CPUSET_TEXT_MAX], path[CGROUP_PATH_MAX];
	char *slash = strrchr(dir, '/');
	ssize_t n;
	int r;

	if (str_format(path, sizeof(path), "%s/%s", dir, file))
		return err_set(err, ERR_INVALID, ENAMETOOLONG, "cgroup path %s is too long", dir);
	n = file_read_small_at(AT_FDCWD, path, text, sizeof(text));
	if (n < 0)
		return err_set(err, ERR_SYSTEM, (int)-n, "read %s: %s", path,
			       err_errno_text((int)-n));
	if (n > 1)
		return 0; /* more than a newline: filled */
	if (strlen(dir) <= mount_len)
		return err_set(err, ERR_SYSTEM, ENOSPC, "%s is empty", path);
	*slash = '\0';
	r = fill_cpuset(dir, mount_len, file, err);
	if (r == 0) {
		r = str_format(path, sizeof(path), "%s/%s", dir, file);
		n = r ? r : file_read_small_at(AT_FDCWD, path, text, sizeof(text));
		r = n < 0 ? err_set(err, ERR_SYSTEM, (int)-n, "read %s: %s", path,
				    err_errno_text((int)-n))
			  : 0;
	}
	*slash = '/';
	if (r)
		return r;
	r = str_format(path, sizeof(path), "%s/%s", dir, file);
	if (r == 0)
		r = file_write_kernel_at(AT_FDCWD, path, text);
	return r ? err_set(err, ERR_SYSTEM, -r, "write %s: %s", path, err_errno_text(-r)) : 0;
}

static int fill_cpusets(char *dir, size_t mount_len, struct err *err)
{
	int r = fill_cpuset(dir, mount_len, "cpuset.cpus", err);

	return r ? r : fill_cpuset(dir, mount_len, "cpuset.mems", err);
}

/* Has the kernel itself fill in the groups made below a parent of ours from now on. A write to cpuset.cpus
 * or cpuset.mems makes it look at every sibling and build the scheduler's domains anew. Its refusal costs
 * only that. */
static void have_cpusets_cloned(char *dir, size_t mount_len)
{
	char path[CGROUP_PATH_MAX];
	char *slash = strrchr(dir, '/');

	*slash = '\0';
	if (strlen(dir) > mount_len &&
	    str_format(path, sizeof(path), "%s/cgroup.clone_children", dir) == 0 &&
	    file_write_kernel_at(AT_FDCWD, path, "1") < 0)
		errno = 0;
	*slash = '/';
}

int cgroup_v1_create(const struct cgroup_hierarchy *h, const char *path, bool *made,
		     struct err *err)
{
	char dir[CGROUP_PATH_MAX];
	bool parent_made = false;
	int r = cgroup_mkdirs(h->mount, path, made, &parent_made, err);

	if (r || !(h->controllers & CGROUP_CPUSET))
		return r;
	if (str_format(dir, sizeof(dir), "%s%s", h->mount, path))
		return err_set(err, ERR_INVALID, ENAMETOOLONG, "cgroup path %s is too long", path);
	r = fill_cpusets(dir, strlen(h->mount), err);
	if (r == 0 && parent_made)
		have_cpusets_cloned(dir, strlen(h->mount));
	return r;
}

static int apply_memory(const struct cgroup_target *t, const struct cgroup_resources *r,
			struct err *err)
{
	bool limit = r->has_memory_limit && r->memory_limit != 0;
	bool swap = r->has_memory_swap && r->memory_swap != 0;
	uint64_t now = 0;
	bool swap_first = false;
	int rc = 0;

	if (limit && r->memory_check_before_update && r->memory_limit > 0 &&
	    cgroup_get_u64(t, "memory.usage_in_bytes", &now) == 0 &&
	    (uint64_t)r->memory_limit < now)
		return err_set(err, ERR_CONFLICT, EBUSY,
			       "set memory limit of %s: it uses %" PRIu64 " bytes already", t->what,
			       now);
	/* The kernel wants memory <= memory+swap at every moment: the wider one goes first. */
	if (limit && swap && cgroup_get_u64(t, "memory.memsw.limit_in_bytes", &now) == 0)
		swap_first = r->memory_limit < 0 || now < (uint64_t)r->memory_limit;
	if (swap && swap_first)
		rc = cgroup_set_bytes(t, "memory.memsw.limit_in_bytes", "memory+swap limit",
				      r->memory_swap, err);
	if (rc == 0 && limit)
		rc = cgroup_set_bytes(t, "memory.limit_in_bytes", "memory limit", r->memory_limit,
				      err);
	if (rc == 0 && swap && !swap_first)
		rc = cgroup_set_bytes(t, "memory.memsw.limit_in_bytes", "memory+swap limit",
				      r->memory_swap, err);
	if (rc == 0 && r->has_memory_reservation && r->memory_reservation != 0)
		rc = cgroup_set_bytes(t, "memory.soft_limit_in_bytes", "memory reservation",
				      r->memory_reservation, err);
	if (rc == 0 && r->has_memory_swappiness)
		rc = cgroup_set_u64(t, "memory.swappiness", "memory swappiness",
				    r->memory_swappiness, err);
	if (rc == 0 && r->has_oom_kill_disable && r->oom_kill_disable)
		rc = cgroup_set(t, "memory.oom_control", "OOM killer", "1", "disabled", err);
	return rc;
}

static int set_i64(const struct cgroup_target *t, const char *file, const char *label,
		   int64_t value, struct err *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	return cgroup_set(t, file, label, text, text, err);
}

static int apply_cpu(const struct cgroup_target *t, const struct cgroup_resources *r,
		     struct err *err)
{
	int rc = 0;

	if (r->has_cpu_idle)
		rc = set_i64(t, "cpu.idle", "cpu idle", r->cpu_idle, err);
	if (rc == 0 && r->has_cpu_shares && r->cpu_shares)
		rc = cgroup_set_u64(t, "cpu.shares", "cpu shares", r->cpu_shares, err);
	if (rc == 0 && r->has_cpu_period && r->cpu_period)
		rc = cgroup_set_u64(t, "cpu.cfs_period_us", "cpu period", r->cpu_period, err);
	if (rc == 0 && r->has_cpu_quota && r->cpu_quota)
		rc = set_i64(t, "cpu.cfs_quota_us", "cpu quota", r->cpu_quota, err);
	if (rc == 0 && r->has_cpu_burst)
		rc = cgroup_set_u64(t, "cpu.cfs_burst_us", "cpu burst", r->cpu_burst, err);
	if (rc == 0 && r->has_cpu_rt_period && r->cpu_rt_period)
		rc = cgroup_set_u64(t, "cpu.rt_period_us", "cpu real-time period", r->cpu_rt_period,
				    err);
	if (rc == 0 && r->has_cpu_rt_runtime && r->cpu_rt_runtime)
		rc = set_i64(t, "cpu.rt_runtime_us", "cpu real-time runtime", r->cpu_rt_runtime,
			     err);
	return rc;
}

static int apply_rates(const struct cgroup_target *t, const char *file, const char *label,
		       const struct cgroup_device_rate *rates, size_t count, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < count && rc == 0; i++) {
		char text[64];

		snprintf(text, sizeof(text), "%u:%u %" PRIu64, rates[i].major, rates[i].minor,
			 rates[i].rate);
		rc = cgroup_set(t, file, label, text, text, err);
	}
	return rc;
}

static int apply_io_weights(const struct cgroup_target *t, const struct cgroup_resources *r,
			    struct err *err)
{
	/* CFQ's file until 4.x, BFQ's since. */
	bool bfq = cgroup_has_file(t, "blkio.bfq.weight");
	int rc = 0;

	if (r->has_io_weight && r->io_weight)
		rc = cgroup_set_u64(t, bfq ? "blkio.bfq.weight" : "blkio.weight", "blkio weight",
				    r->io_weight, err);
	if (rc == 0 && r->has_io_leaf_weight && r->io_leaf_weight)
		rc = cgroup_set_u64(t, "blkio.leaf_weight", "blkio leaf weight", r->io_leaf_weight,
				    err);
	for (size_t i = 0; i < r->io_device_weight_count && rc == 0; i++) {
		const struct cgroup_device_weight *w = &r->io_device_weights[i];
		char text[64];

		snprintf(text, sizeof(text), "%u:%u %u", w->major, w->minor, w->weight);
		if (w->weight)
			rc = cgroup_set(t, bfq ? "blkio.bfq.weight_device" : "blkio.weight_device",
					"blkio device weight", text, text, err);
		snprintf(text, sizeof(text), "%u:%u %u", w->major, w->minor, w->leaf_weight);
		if (rc == 0 && w->leaf_weight)
			rc = cgroup_set(t, "blkio.leaf_weight_device", "blkio device leaf weight",
					text, text, err);
	}
	return rc;
}

static int apply_io(const struct cgroup_target *t, const struct cgroup_resources *r,
		    struct err *err)
{
	int rc = 0;

	if (r->has_io_weight || r->has_io_leaf_weight || r->io_device_weight_count)
		rc = apply_io_weights(t, r, err);
	if (rc == 0)
		rc = apply_rates(t, "blkio.throttle.read_bps_device", "device read rate",
				 r->read_bps, r->read_bps_count, err);
	if (rc == 0)
		rc = apply_rates(t, "blkio.throttle.write_bps_device", "device write rate",
				 r->write_bps, r->write_bps_count, err);
	if (rc == 0)
		rc = apply_rates(t, "blkio.throttle.read_iops_device", "device read operations",
				 r->read_iops, r->read_iops_count, err);
	if (rc == 0)
		rc = apply_rates(t, "blkio.throttle.write_iops_device", "device write operations",
				 r->write_iops, r->write_iops_count, err);
	return rc;
}

static int write_rule(int fd, const struct cgroup_device_rule *rule, char type)
{
	char text[64], major[24] = "*", minor[24] = "*";
	int n;

	if (rule->major >= 0)
		snprintf(major, sizeof(major), "%" PRId64, rule->major);
	if (rule->minor >= 0)
		snprintf(minor, sizeof(minor), "%" PRId64, rule->minor);
	n = snprintf(text, sizeof(text), "%c %s:%s %s%s%s", type, major, minor,
		     rule->access & CGROUP_DEV_READ ? "r" : "",
		     rule->access & CGROUP_DEV_WRITE ? "w" : "",
		     rule->access & CGROUP_DEV_MKNOD ? "m" : "");
	return write(fd, text, (size_t)n) < 0 ? -errno : 0;
}

static bool is_everything(const struct cgroup_device_rule *rule)
{
	return rule->type == 'a' && rule->major < 0 && rule->minor < 0 &&
	       rule->access == (CGROUP_DEV_READ | CGROUP_DEV_WRITE | CGROUP_DEV_MKNOD);
}

/* The two files stay open over all rules: 13 rules then cost 20 us instead of 100. */
static int apply_devices(const struct cgroup_target *t, const struct cgroup_resources *r,
			 struct err *err)
{
	auto_close int dir = -1, allow = -1, deny = -1;
	int rc = 0;

	if (!r->device_count)
		return 0;
	dir = open(t->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	allow = dir < 0 ? -1 : openat(dir, "devices.allow", O_WRONLY | O_CLOEXEC);
	deny = dir < 0 ? -1 : openat(dir, "devices.deny", O_WRONLY | O_CLOEXEC);
	if (allow < 0 || deny < 0 || write(deny, "a", 1) < 0)
		return err_sys(err, "set device rules of %s (%s)", t->what, t->dir);
	for (size_t i = 0; i < r->device_count && rc == 0; i++) {
		const struct cgroup_device_rule *rule = &r->devices[i];
		int fd = rule->allow ? allow : deny;

		if (is_everything(rule)) {
			rc = write(fd, "a", 1) < 0 ? -errno : 0;
		} else if (rule->type == 'a') {
			/* The kernel takes any rule of type a for everything. */
			rc = write_rule(fd, rule, 'b');
			if (rc == 0)
				rc = write_rule(fd, rule, 'c');
		} else {
			rc = write_rule(fd, rule, rule->type);
		}
		if (rc)
			return err_set(err, ERR_SYSTEM, -rc, "set device rule %zu of %s: %s (%s)",
				       i, t->what, err_errno_text(-rc), t->dir);
	}
	return rc;
}

static int apply_hugetlb(const struct cgroup_target *t, const struct cgroup_resources *r,
			 struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < r->hugepage_count && rc == 0; i++) {
		char file[64];

		if (str_format(file, sizeof(file), "hugetlb.%s.limit_in_bytes",
			       r->hugepages[i].page_size))
			return err_set(err, ERR_INVALID, EINVAL, "invalid huge page size");
		rc = cgroup_set_u64(t, file, "huge page limit", r->hugepages[i].limit_bytes, err);
	}
	return rc;
}

static int apply_net_cls(const struct cgroup_target *t, const struct cgroup_resources *r,
			 struct err *err)
{
	return r->has_net_class_id
		       ? cgroup_set_u64(t, "net_cls.classid", "network class", r->net_class_id, err)
		       : 0;
}

static int apply_net_prio(const struct cgroup_target *t, const struct cgroup_resources *r,
			  struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < r->net_priority_count && rc == 0; i++) {
		char text[64];

		if (str_format(text, sizeof(text), "%s %u", r->net_priorities[i].interface,
			       r->net_priorities[i].priority))
			return err_set(err, ERR_INVALID, EINVAL, "invalid network priority");
		rc = cgroup_set(t, "net_prio.ifpriomap", "network priority", text, text, err);
	}
	return rc;
}

int cgroup_v1_apply(const struct cgroup_target *t, const struct cgroup_resources *r,
		    struct err *err)
{
	static const struct {
		uint32_t controller;
		int (*apply)(const struct cgroup_target *t, const struct cgroup_resources *r,
			     struct err *err);
	} parts[] = {
		{CGROUP_MEMORY, apply_memory},
		{CGROUP_CPU, apply_cpu},
		{CGROUP_CPUSET, cgroup_apply_cpuset},
		{CGROUP_PIDS, cgroup_apply_pids},
		{CGROUP_IO, apply_io},
		{CGROUP_DEVICES, apply_devices},
		{CGROUP_HUGETLB, apply_hugetlb},
		{CGROUP_NET_CLS, apply_net_cls},
		{CGROUP_NET_PRIO, apply_net_prio},
		{CGROUP_RDMA, cgroup_apply_rdma},
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		int rc = t->controllers & parts[i].controller ? parts[i].apply(t, r, err) : 0;

		if (rc)
			return rc;
	}
	return 0;
}
