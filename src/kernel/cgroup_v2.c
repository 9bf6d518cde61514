/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unified hierarchy. What must hold: controllers are only ever enabled, never disabled, and only
 * on the way down to our own group.
 * Source: Documentation/admin-guide/cgroup-v2.rst; conversions from the OCI values as runc and crun.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "kernel/cgroup_driver.h"

static const uint32_t managed[] = {CGROUP_CPU,  CGROUP_CPUSET,  CGROUP_IO,  CGROUP_MEMORY,
				   CGROUP_PIDS, CGROUP_HUGETLB, CGROUP_RDMA};

static uint32_t read_controllers(const char *dir, const char *file)
{
	char path[CGROUP_PATH_MAX], text[512];

	if (str_format(path, sizeof(path), "%s/%s", dir, file) ||
	    file_read_small_at(AT_FDCWD, path, text, sizeof(text)) < 0)
		return 0;
	return cgroup_parse_controllers(text);
}

/* Enables what the children of dir lack. A refusal (a group that holds processes itself) is no error
 * here: a limit that needs the controller will fail with its own message. */
static void enable_in(const char *dir, uint32_t wanted)
{
	uint32_t have = read_controllers(dir, "cgroup.subtree_control");
	char path[CGROUP_PATH_MAX], text[24];

	if (str_format(path, sizeof(path), "%s/cgroup.subtree_control", dir))
		return;
	for (size_t i = 0; i < sizeof(managed) / sizeof(managed[0]); i++) {
		if (!(wanted & managed[i] & ~have))
			continue;
		snprintf(text, sizeof(text), "+%s", cgroup_controller_name(managed[i], true));
		if (file_write_kernel_at(AT_FDCWD, path, text) < 0)
			continue;
	}
}

int cgroup_v2_create(const struct cgroup_hierarchy *h, const char *path, bool *made,
		     struct err *err)
{
	char dir[CGROUP_PATH_MAX];
	uint32_t wanted = 0;
	bool parent_made = false;
	int r = cgroup_mkdirs(h->mount, path, made, &parent_made, err);

	if (r)
		return r;
	if (str_format(dir, sizeof(dir), "%s%s", h->mount, path))
		return err_set(err, ERR_INVALID, ENAMETOOLONG, "cgroup path %s is too long", path);
	for (size_t i = 0; i < sizeof(managed) / sizeof(managed[0]); i++)
		wanted |= h->controllers & managed[i];
	/* One read tells whether the way down is done, as it is for all but the first container. */
	if (!wanted || (wanted & ~read_controllers(dir, "cgroup.controllers")) == 0)
		return 0;
	for (char *slash = dir + strlen(h->mount); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		enable_in(dir, wanted);
		*slash = '/';
	}
	return 0;
}

static int apply_memory(const struct cgroup_target *t, const struct cgroup_resources *r,
			struct err *err)
{
	bool limit = r->has_memory_limit && r->memory_limit != 0;
	int64_t swap = r->memory_swap;
	uint64_t now;
	int rc = 0;

	if (r->has_memory_swappiness)
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "set memory swappiness of %s: cgroup v2 has none", t->what);
	if (r->has_oom_kill_disable && r->oom_kill_disable)
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "disable the OOM killer of %s: cgroup v2 cannot", t->what);
	if (limit && r->memory_check_before_update && r->memory_limit > 0 &&
	    cgroup_get_u64(t, "memory.current", &now) == 0 && (uint64_t)r->memory_limit < now)
		return err_set(err, ERR_CONFLICT, EBUSY,
			       "set memory limit of %s: it uses %" PRIu64 " bytes already", t->what,
			       now);
	if (limit)
		rc = cgroup_set_bytes(t, "memory.max", "memory limit", r->memory_limit, err);
	if (rc == 0 && r->has_memory_swap && swap != 0) {
		/* v2 counts swap alone. */
		if (swap > 0 && (!limit || r->memory_limit < 0 || swap < r->memory_limit))
			return err_set(err, ERR_INVALID, EINVAL,
				       "set memory+swap limit of %s: needs a memory limit that is "
				       "not above it",
				       t->what);
		rc = cgroup_set_bytes(t, "memory.swap.max", "swap limit",
				      swap < 0 ? -1 : swap - r->memory_limit, err);
	}
	if (rc == 0 && r->has_memory_reservation && r->memory_reservation != 0)
		rc = cgroup_set_bytes(t, "memory.low", "memory reservation", r->memory_reservation,
				      err);
	return rc;
}

static int apply_cpu_max(const struct cgroup_target *t, const struct cgroup_resources *r,
			 struct err *err)
{
	char text[64];
	bool quota = r->has_cpu_quota && r->cpu_quota != 0;
	bool period = r->has_cpu_period && r->cpu_period != 0;

	if (!quota && !period)
		return 0;
	if (quota && r->cpu_quota > 0)
		snprintf(text, sizeof(text), "%" PRId64, r->cpu_quota);
	else
		strcpy(text, "max");
	if (period)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %" PRIu64,
			 r->cpu_period);
	return cgroup_set(t, "cpu.max", "cpu quota", text, text, err);
}

static int apply_cpu(const struct cgroup_target *t, const struct cgroup_resources *r,
		     struct err *err)
{
	int rc = 0;

	if ((r->has_cpu_rt_runtime && r->cpu_rt_runtime) ||
	    (r->has_cpu_rt_period && r->cpu_rt_period))
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "set cpu real-time limits of %s: cgroup v2 has none", t->what);
	if (r->has_cpu_idle)
		rc = cgroup_set_u64(t, "cpu.idle", "cpu idle", r->cpu_idle != 0, err);
	if (rc == 0 && r->has_cpu_shares && r->cpu_shares)
		rc = cgroup_set_u64(t, "cpu.weight", "cpu weight",
				    cgroup_weight_of_shares(r->cpu_shares), err);
	if (rc == 0)
		rc = apply_cpu_max(t, r, err);
	if (rc == 0 && r->has_cpu_burst)
		rc = cgroup_set_u64(t, "cpu.max.burst", "cpu burst", r->cpu_burst, err);
	return rc;
}

static int apply_rates(const struct cgroup_target *t, const char *key,
		       const struct cgroup_device_rate *rates, size_t count, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < count && rc == 0; i++) {
		char text[80];

		snprintf(text, sizeof(text), "%u:%u %s=%" PRIu64, rates[i].major, rates[i].minor,
			 key, rates[i].rate);
		if (rates[i].rate == 0)
			snprintf(text, sizeof(text), "%u:%u %s=max", rates[i].major, rates[i].minor,
				 key);
		rc = cgroup_set(t, "io.max", "device rate", text, text, err);
	}
	return rc;
}

/* BFQ's file takes the OCI value as it is; io.weight has another scale. */
static int set_io_weight(const struct cgroup_target *t, const char *device, uint64_t weight,
			 struct err *err)
{
	bool bfq = cgroup_has_file(t, "io.bfq.weight");
	char text[64];

	snprintf(text, sizeof(text), "%s %" PRIu64, device,
		 bfq ? weight : cgroup_io_weight_of(weight));
	return cgroup_set(t, bfq ? "io.bfq.weight" : "io.weight", "blkio weight", text, text, err);
}

static int apply_io(const struct cgroup_target *t, const struct cgroup_resources *r,
		    struct err *err)
{
	int rc = 0;

	if ((r->has_io_leaf_weight && r->io_leaf_weight))
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "set blkio leaf weight of %s: cgroup v2 has none", t->what);
	if (r->has_io_weight && r->io_weight)
		rc = set_io_weight(t, "default", r->io_weight, err);
	for (size_t i = 0; i < r->io_device_weight_count && rc == 0; i++) {
		char device[32];

		snprintf(device, sizeof(device), "%u:%u", r->io_device_weights[i].major,
			 r->io_device_weights[i].minor);
		if (r->io_device_weights[i].leaf_weight)
			return err_set(err, ERR_UNSUPPORTED, 0,
				       "set blkio leaf weight of %s: cgroup v2 has none", t->what);
		rc = set_io_weight(t, device, r->io_device_weights[i].weight, err);
	}
	if (rc == 0)
		rc = apply_rates(t, "rbps", r->read_bps, r->read_bps_count, err);
	if (rc == 0)
		rc = apply_rates(t, "wbps", r->write_bps, r->write_bps_count, err);
	if (rc == 0)
		rc = apply_rates(t, "riops", r->read_iops, r->read_iops_count, err);
	if (rc == 0)
		rc = apply_rates(t, "wiops", r->write_iops, r->write_iops_count, err);
	return rc;
}

static int apply_hugetlb(const struct cgroup_target *t, const struct cgroup_resources *r,
			 struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < r->hugepage_count && rc == 0; i++) {
		const struct cgroup_hugepage_limit *l = &r->hugepages[i];
		char file[64];

		if (str_format(file, sizeof(file), "hugetlb.%s.max", l->page_size))
			return err_set(err, ERR_INVALID, EINVAL, "invalid huge page size");
		rc = cgroup_set_u64(t, file, "huge page limit", l->limit_bytes, err);
		/* Reservations are counted apart since 5.7; without this a fault gets SIGBUS. */
		if (rc == 0 &&
		    str_format(file, sizeof(file), "hugetlb.%s.rsvd.max", l->page_size) == 0 &&
		    cgroup_has_file(t, file))
			rc = cgroup_set_u64(t, file, "huge page reservation limit", l->limit_bytes,
					    err);
	}
	return rc;
}

static int apply_devices(const struct cgroup_target *t, const struct cgroup_resources *r,
			 struct err *err)
{
	return r->device_count ? cgroup_v2_set_devices(t, r->devices, r->device_count, err) : 0;
}

/* Last, since what is given in the kernel's own words wins. */
static int apply_unified(const struct cgroup_target *t, const struct cgroup_resources *r,
			 struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < r->unified_count && rc == 0; i++) {
		const struct cgroup_unified *u = &r->unified[i];

		if (strchr(u->file, '/') || u->file[0] == '.' || u->file[0] == '\0')
			return err_set(err, ERR_INVALID, EINVAL,
				       "invalid unified resource \"%.80s\"", u->file);
		rc = cgroup_set(t, u->file, u->file, u->value, u->value, err);
	}
	return rc;
}

int cgroup_v2_apply(const struct cgroup_target *t, const struct cgroup_resources *r,
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
		{CGROUP_RDMA, cgroup_apply_rdma},
		{UINT32_MAX, apply_unified},
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		int rc = t->controllers & parts[i].controller ? parts[i].apply(t, r, err) : 0;

		if (rc)
			return rc;
	}
	return 0;
}
