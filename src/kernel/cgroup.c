/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making and limiting one group over all hierarchies; what differs between the versions is in
 * cgroup_v1.c and cgroup_v2.c. Every directory made is on the caller's undo stack before the next
 * step is tried.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_driver.h"

#define MKDIR_TRIES 16

uint64_t cgroup_weight_of_shares(uint64_t shares)
{
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	return 1 + ((shares - 2) * 9999) / 262142;
}

uint64_t cgroup_io_weight_of(uint64_t blkio_weight)
{
	if (blkio_weight < 10)
		blkio_weight = 10;
	if (blkio_weight > 1000)
		blkio_weight = 1000;
	return 1 + (blkio_weight - 10) * 9999 / 990;
}

/* *last_made: the parent itself is new. */
static int make_parents(char *dir, size_t mount_len, bool *last_made, struct err *err)
{
	for (char *slash = strchr(dir + mount_len + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		*last_made = mkdir(dir, 0755) == 0;
		if (!*last_made && errno != EEXIST && errno != ENOENT)
			return err_sys(err, "create cgroup %s", dir);
		*slash = '/';
	}
	return 0;
}

int cgroup_mkdirs(const char *mount, const char *path, bool *made, bool *parent_made,
		  struct err *err)
{
	char dir[CGROUP_PATH_MAX];
	size_t mount_len = strlen(mount);
	int r;

	*parent_made = false;
	if (str_format(dir, sizeof(dir), "%s%s", mount, path))
		return err_set(err, ERR_INVALID, ENAMETOOLONG, "cgroup path %s is too long", path);
	/* Once more when somebody removes the empty parent that we have just made or seen. */
	for (int i = 0; i < MKDIR_TRIES; i++) {
		*made = mkdir(dir, 0755) == 0;
		if (*made || errno == EEXIST)
			return 0;
		if (errno != ENOENT)
			break;
		r = make_parents(dir, mount_len, parent_made, err);
		if (r)
			return r;
	}
	return err_sys(err, "create cgroup %s", dir);
}

static int create_in(const struct cgroup_hierarchy *h, const char *path, bool may_exist,
		     struct undo_stack *undo, struct err *err)
{
	char dir[CGROUP_PATH_MAX];
	bool made = false;
	int r = h->v2 ? cgroup_v2_create(h, path, &made, err)
		      : cgroup_v1_create(h, path, &made, err);
	int pushed;

	if (str_format(dir, sizeof(dir), "%s%s", h->mount, path))
		return err_set(err, ERR_INVALID, ENAMETOOLONG, "cgroup path %s is too long", path);
	if (made) {
		pushed = undo_push(undo, undo_rmdir, AT_FDCWD, dir);
		if (pushed) {
			undo_rmdir(AT_FDCWD, dir);
			return err_set(err, ERR_SYSTEM, -pushed,
				       "create cgroup %s: undo stack is full", dir);
		}
	}
	if (r)
		return r;
	if (!made && !may_exist)
		return err_set(err, ERR_CONFLICT, EEXIST, "cgroup %s exists already", dir);
	return 0;
}

int cgroup_create(const struct cgroup_layout *layout, const char *path, bool may_exist,
		  struct undo_stack *undo, struct err *err)
{
	int r = cgroup_check_path(path, err);

	for (size_t i = 0; i < layout->count && r == 0; i++)
		r = create_in(&layout->hierarchies[i], path, may_exist, undo, err);
	return r;
}

int cgroup_enter(const struct cgroup_join *join, bool v1_only, struct err *err)
{
	char path[CGROUP_PATH_MAX];
	int r;

	for (size_t i = 0; i < join->count; i++) {
		r = file_write_kernel_at(AT_FDCWD, join->tasks[i], "0");
		if (r)
			return err_set(err, ERR_SYSTEM, -r, "enter cgroup %s: %s", join->tasks[i],
				       err_errno_text(-r));
	}
	if (v1_only || !join->v2_dir[0])
		return 0;
	r = str_format(path, sizeof(path), "%s/cgroup.procs", join->v2_dir);
	if (r == 0)
		r = file_write_kernel_at(AT_FDCWD, path, "0");
	return r ? err_set(err, ERR_SYSTEM, -r, "enter cgroup %s: %s", join->v2_dir,
			   err_errno_text(-r))
		 : 0;
}

static int target_path(const struct cgroup_target *t, const char *file, char *out, size_t size)
{
	return str_format(out, size, "%s/%s", t->dir, file);
}

int cgroup_set(const struct cgroup_target *t, const char *file, const char *label,
	       const char *value, const char *shown, struct err *err)
{
	char path[CGROUP_PATH_MAX];
	int r = target_path(t, file, path, sizeof(path));

	if (r == 0)
		r = file_write_kernel_at(AT_FDCWD, path, value);
	if (r == 0)
		return 0;
	if (r == -ENOENT)
		return err_set(err, ERR_UNSUPPORTED, ENOENT,
			       "set %s of %s to %s: this kernel has no %s here", label, t->what,
			       shown, file);
	return err_set(err, ERR_SYSTEM, -r, "set %s of %s to %s: %s (%s)", label, t->what, shown,
		       err_errno_text(-r), path);
}

int cgroup_set_u64(const struct cgroup_target *t, const char *file, const char *label,
		   uint64_t value, struct err *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return cgroup_set(t, file, label, text, text, err);
}

int cgroup_apply_cpuset(const struct cgroup_target *t, const struct cgroup_resources *r,
			struct err *err)
{
	int rc = 0;

	if (r->cpus)
		rc = cgroup_set(t, "cpuset.cpus", "cpus", r->cpus, r->cpus, err);
	if (rc == 0 && r->mems)
		rc = cgroup_set(t, "cpuset.mems", "memory nodes", r->mems, r->mems, err);
	return rc;
}

int cgroup_apply_pids(const struct cgroup_target *t, const struct cgroup_resources *r,
		      struct err *err)
{
	if (!r->has_pids_limit)
		return 0;
	if (r->pids_limit <= 0)
		return cgroup_set(t, "pids.max", "pids limit", "max", "unlimited", err);
	return cgroup_set_u64(t, "pids.max", "pids limit", (uint64_t)r->pids_limit, err);
}

/* 67108864 -> "64 MiB"; what is no whole unit stays in bytes. */
static void show_bytes(int64_t value, char *out, size_t size)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	size_t unit = 0;

	while (unit < 4 && value >= 1024 && value % 1024 == 0) {
		value /= 1024;
		unit++;
	}
	snprintf(out, size, "%" PRId64 " %s", value, units[unit]);
}

int cgroup_set_bytes(const struct cgroup_target *t, const char *file, const char *label,
		     int64_t value, struct err *err)
{
	char text[24], shown[40];

	if (value < 0)
		return cgroup_set(t, file, label, t->v2 ? "max" : "-1", "unlimited", err);
	snprintf(text, sizeof(text), "%" PRId64, value);
	show_bytes(value, shown, sizeof(shown));
	return cgroup_set(t, file, label, text, shown, err);
}

bool cgroup_has_file(const struct cgroup_target *t, const char *file)
{
	char path[CGROUP_PATH_MAX];

	return target_path(t, file, path, sizeof(path)) == 0 && access(path, F_OK) == 0;
}

int cgroup_get_u64(const struct cgroup_target *t, const char *file, uint64_t *out)
{
	char path[CGROUP_PATH_MAX];
	char text[64];
	ssize_t n;
	int r = target_path(t, file, path, sizeof(path));

	if (r)
		return r;
	n = file_read_small_at(AT_FDCWD, path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	text[strcspn(text, "\n")] = '\0';
	if (str_eq(text, "max")) {
		*out = UINT64_MAX;
		return 0;
	}
	return str_to_u64(text, out);
}

/* The controllers that resources need. */
static uint32_t needed_controllers(const struct cgroup_resources *r)
{
	uint32_t need = 0;

	if (r->has_memory_limit || r->has_memory_swap || r->has_memory_reservation ||
	    r->has_memory_swappiness || (r->has_oom_kill_disable && r->oom_kill_disable))
		need |= CGROUP_MEMORY;
	if (r->has_cpu_shares || r->has_cpu_quota || r->has_cpu_period || r->has_cpu_burst ||
	    r->has_cpu_rt_runtime || r->has_cpu_rt_period || r->has_cpu_idle)
		need |= CGROUP_CPU;
	if (r->cpus || r->mems)
		need |= CGROUP_CPUSET;
	if (r->has_pids_limit)
		need |= CGROUP_PIDS;
	if (r->has_io_weight || r->has_io_leaf_weight || r->io_device_weight_count ||
	    r->read_bps_count || r->write_bps_count || r->read_iops_count || r->write_iops_count)
		need |= CGROUP_IO;
	if (r->hugepage_count)
		need |= CGROUP_HUGETLB;
	if (r->has_net_class_id)
		need |= CGROUP_NET_CLS;
	if (r->net_priority_count)
		need |= CGROUP_NET_PRIO;
	if (r->rdma_count)
		need |= CGROUP_RDMA;
	return need;
}

static int check_controllers(const struct cgroup_layout *layout, const struct cgroup_resources *r,
			     const char *what, struct err *err)
{
	uint32_t need = needed_controllers(r);

	for (size_t i = 0; i < layout->count; i++)
		need &= ~layout->hierarchies[i].controllers;
	if (need)
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "set limits of %s: this host has no %s cgroup controller", what,
			       cgroup_controller_name(need & -need, layout->mode == CGROUP_V2));
	if (r->device_count && !cgroup_hierarchy_of(layout, CGROUP_DEVICES) &&
	    !cgroup_unified_of(layout))
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "set device rules of %s: this host has no devices cgroup controller",
			       what);
	if (r->unified_count && layout->mode != CGROUP_V2)
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "set unified limits of %s: they need cgroup v2 alone", what);
	return 0;
}

int cgroup_apply(const struct cgroup_layout *layout, const char *path,
		 const struct cgroup_resources *resources, const char *what, struct err *err)
{
	/* Device rules belong to the v1 controller wherever it is mounted. */
	bool v1_devices = cgroup_hierarchy_of(layout, CGROUP_DEVICES) != NULL;
	int r = cgroup_check_path(path, err);

	if (r == 0)
		r = check_controllers(layout, resources, what, err);
	for (size_t i = 0; i < layout->count && r == 0; i++) {
		const struct cgroup_hierarchy *h = &layout->hierarchies[i];
		char dir[CGROUP_PATH_MAX];
		struct cgroup_target t = {
			.dir = dir,
			.what = what,
			.controllers = h->controllers | (h->v2 && !v1_devices ? CGROUP_DEVICES : 0),
			.v2 = h->v2};

		if (!t.controllers && !resources->unified_count)
			continue;
		if (str_format(dir, sizeof(dir), "%s%s", h->mount, path))
			return err_set(err, ERR_INVALID, ENAMETOOLONG, "cgroup path %s is too long",
				       path);
		r = h->v2 ? cgroup_v2_apply(&t, resources, err)
			  : cgroup_v1_apply(&t, resources, err);
	}
	return r;
}

int cgroup_apply_rdma(const struct cgroup_target *t, const struct cgroup_resources *r,
		      struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < r->rdma_count && rc == 0; i++) {
		const struct cgroup_rdma_limit *l = &r->rdma[i];
		char text[128], handles[16] = "max", objects[16] = "max";

		if (l->has_handles)
			snprintf(handles, sizeof(handles), "%u", l->handles);
		if (l->has_objects)
			snprintf(objects, sizeof(objects), "%u", l->objects);
		if (str_format(text, sizeof(text), "%s hca_handle=%s hca_object=%s", l->device,
			       handles, objects))
			return err_set(err, ERR_INVALID, EINVAL, "invalid RDMA device");
		rc = cgroup_set(t, "rdma.max", "RDMA limit", text, text, err);
	}
	return rc;
}
