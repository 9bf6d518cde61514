/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limits and devices of a container as an OCI configuration has them. What the kernel is to be
 * asked (which device is that?) is asked here, at each start.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/str.h"
#include "engine/config_oci.h"

#define DEVICE_DEPTH_MAX 16

static int find_device(const char *path, struct stat *st, struct err *err)
{
	char why[ERR_ERRNO_TEXT_MAX];

	return stat(path, st) < 0 ? err_set(err, ERR_INVALID, errno, "stat %s: %s", path,
					    err_errno_lower(errno, why))
				  : 0;
}

static int add_device_weights(const struct rate_list *from, struct cgroup_resources *r,
			      struct err *err)
{
	r->io_device_weights = xcalloc(from->count, sizeof(*r->io_device_weights));
	for (size_t i = 0; i < from->count; i++) {
		struct stat st;
		int rc;

		/* 0 asks for nothing. */
		if (!from->items[i].rate)
			continue;
		rc = find_device(from->items[i].path, &st, err);
		if (rc < 0)
			return rc;
		r->io_device_weights[r->io_device_weight_count++] =
			(struct cgroup_device_weight){.major = major(st.st_rdev),
						      .minor = minor(st.st_rdev),
						      .weight = (uint16_t)from->items[i].rate};
	}
	return 0;
}

static int add_rate_list(const struct rate_list *from, struct cgroup_device_rate **to,
			 size_t *count, struct err *err)
{
	*to = xcalloc(from->count, sizeof(**to));
	for (size_t i = 0; i < from->count; i++) {
		const struct rate_request *r = &from->items[i];
		struct stat st;

		if (find_device(r->path, &st, err) < 0)
			return err_code(err);
		(*to)[(*count)++] = (struct cgroup_device_rate){.major = major(st.st_rdev),
								.minor = minor(st.st_rdev),
								.rate = (uint64_t)r->rate};
	}
	return 0;
}

static int add_rates(const struct container_config *c, struct cgroup_resources *r, struct err *err)
{
	int rc = add_rate_list(&c->read_bps, &r->read_bps, &r->read_bps_count, err);

	if (rc == 0)
		rc = add_rate_list(&c->write_bps, &r->write_bps, &r->write_bps_count, err);
	if (rc == 0)
		rc = add_rate_list(&c->read_iops, &r->read_iops, &r->read_iops_count, err);
	if (rc == 0)
		rc = add_rate_list(&c->write_iops, &r->write_iops, &r->write_iops_count, err);
	return rc;
}

int container_resources(const struct container_config *c, struct oci_config *out, struct err *err)
{
	struct cgroup_resources *r = &out->resources;
	int rc;

	if (c->memory_bytes > 0) {
		r->has_memory_limit = true;
		r->memory_limit = c->memory_bytes;
		/* As Docker: as much swap as memory unless said otherwise. */
		r->has_memory_swap = true;
		r->memory_swap = c->memory_swap_bytes ? c->memory_swap_bytes : 2 * c->memory_bytes;
	}
	r->has_memory_reservation = c->memory_reservation_bytes > 0;
	r->memory_reservation = c->memory_reservation_bytes;
	r->has_memory_swappiness = c->memory_swappiness >= 0;
	r->memory_swappiness = r->has_memory_swappiness ? (uint64_t)c->memory_swappiness : 0;
	r->has_oom_kill_disable = r->oom_kill_disable = c->oom_kill_disable;
	r->has_cpu_period = c->cpu_period_us > 0 || c->nano_cpus > 0;
	r->cpu_period = c->nano_cpus > 0 ? 100000 : (uint64_t)c->cpu_period_us;
	r->has_cpu_quota = c->cpu_quota_us != 0 || c->nano_cpus > 0;
	r->cpu_quota = c->nano_cpus > 0 ? c->nano_cpus / 10000 : c->cpu_quota_us;
	r->has_cpu_shares = c->cpu_shares > 0;
	r->cpu_shares = c->cpu_shares > 0 ? (uint64_t)c->cpu_shares : 0;
	r->cpus = c->cpuset_cpus && *c->cpuset_cpus ? xstrdup(c->cpuset_cpus) : NULL;
	r->mems = c->cpuset_mems && *c->cpuset_mems ? xstrdup(c->cpuset_mems) : NULL;
	r->has_pids_limit = c->pids_limit > 0;
	r->pids_limit = c->pids_limit;
	r->has_io_weight = c->blkio_weight > 0;
	r->io_weight = (uint16_t)c->blkio_weight;
	rc = add_device_weights(&c->device_weights, r, err);
	return rc < 0 ? rc : add_rates(c, r, err);
}

static uint8_t access_of(const char *permissions)
{
	uint8_t access = 0;

	for (const char *p = permissions; *p; p++)
		access |= (uint8_t)(*p == 'r'   ? CGROUP_DEV_READ
				    : *p == 'w' ? CGROUP_DEV_WRITE
						: CGROUP_DEV_MKNOD);
	return access;
}

static void add_node(struct oci_config *out, const char *path, const struct stat *st,
		     const char *permissions)
{
	const struct cgroup_device_rule rule = {
		.allow = true,
		.type = S_ISCHR(st->st_mode) ? 'c' : 'b',
		.major = major(st->st_rdev),
		.minor = minor(st->st_rdev),
		.access = access_of(permissions && *permissions ? permissions : "rwm")};

	oci_config_add_device(out, path, rule.type, major(st->st_rdev), minor(st->st_rdev),
			      st->st_mode & 07777, st->st_uid, st->st_gid);
	oci_config_add_device_rule(out, rule);
}

/* Every device below a directory; what is none is passed over. */
static void add_directory(struct oci_config *out, const char *from, const char *to,
			  const char *permissions, int depth)
{
	auto_closedir DIR *dir = opendir(from);
	const struct dirent *entry;

	while (dir && depth < DEVICE_DEPTH_MAX && (entry = readdir(dir))) {
		auto_free char *path = xasprintf("%s/%s", from, entry->d_name);
		auto_free char *target = xasprintf("%s/%s", to, entry->d_name);
		struct stat st;

		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, "..") ||
		    lstat(path, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			add_directory(out, path, target, permissions, depth + 1);
		else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
			add_node(out, target, &st, permissions);
	}
}

static int add_one_device(struct oci_config *out, const struct device_request *d, struct err *err)
{
	const char *target = d->container_path ? d->container_path : d->host_path;
	char why[ERR_ERRNO_TEXT_MAX];
	struct stat st;

	if (stat(d->host_path, &st) < 0)
		return err_set(
			err, ERR_INVALID, errno,
			"error gathering device information while adding custom device \"%s\": %s",
			d->host_path, err_errno_lower(errno, why));
	if (S_ISDIR(st.st_mode)) {
		add_directory(out, d->host_path, target, d->permissions, 0);
		return 0;
	}
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(
			err, ERR_INVALID, EINVAL,
			"error gathering device information while adding custom device \"%s\": not a "
			"device node",
			d->host_path);
	add_node(out, target, &st, d->permissions);
	return 0;
}

/* "c 13:* rwm", checked by container_validate(). */
static int add_cgroup_rule(struct oci_config *out, const char *text, struct err *err)
{
	struct cgroup_device_rule rule = {.allow = true, .major = -1, .minor = -1};
	char major_text[24], minor_text[24], access[8];

	if (sscanf(text, "%c %23[0-9*]:%23[0-9*] %7[rwm]", &rule.type, major_text, minor_text,
		   access) != 4 ||
	    (!str_eq(major_text, "*") && str_to_i64(major_text, &rule.major) < 0) ||
	    (!str_eq(minor_text, "*") && str_to_i64(minor_text, &rule.minor) < 0))
		return err_set(err, ERR_INVALID, EINVAL, "invalid device cgroup rule format: '%s'",
			       text);
	rule.access = access_of(access);
	oci_config_add_device_rule(out, rule);
	return 0;
}

/* --privileged: what the host has directly in /dev. */
static void add_host_devices(struct oci_config *out)
{
	auto_closedir DIR *dir = opendir("/dev");
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		auto_free char *path = xasprintf("/dev/%s", entry->d_name);
		struct stat st;

		if (lstat(path, &st) < 0 || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)) ||
		    str_eq(entry->d_name, "console") || str_eq(entry->d_name, "ptmx"))
			continue;
		oci_config_add_device(out, path, S_ISCHR(st.st_mode) ? 'c' : 'b', major(st.st_rdev),
				      minor(st.st_rdev), st.st_mode & 07777, st.st_uid, st.st_gid);
	}
}

int container_devices(const struct container_config *c, struct oci_config *out, struct err *err)
{
	int rc = 0;

	if (c->privileged) {
		struct cgroup_device_rule all = {.allow = true,
						 .type = 'a',
						 .major = -1,
						 .minor = -1,
						 .access = CGROUP_DEV_READ | CGROUP_DEV_WRITE |
							   CGROUP_DEV_MKNOD};

		oci_config_add_device_rule(out, all);
		add_host_devices(out);
		return 0;
	}
	oci_config_add_default_device_rules(out);
	for (size_t i = 0; rc == 0 && i < c->device_count; i++)
		rc = add_one_device(out, &c->devices[i], err);
	for (size_t i = 0; rc == 0 && i < c->device_cgroup_rules.count; i++)
		rc = add_cgroup_rule(out, c->device_cgroup_rules.items[i], err);
	return rc;
}
