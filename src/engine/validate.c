/* SPDX-License-Identifier: Apache-2.0 */
/* What Docker's daemon refuses at creation, in its words; scripts match them. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "base/signal_name.h"
#include "base/str.h"
#include "engine/config_oci.h"
#include "kernel/rlimit.h"

#define MEMORY_MIN (6 << 20)

static int invalid(struct err *err, const char *text)
{
	return err_set(err, ERR_INVALID, EINVAL, "%s", text);
}

static int check_memory(const struct container_config *c, struct err *err)
{
	if (c->memory_bytes && c->memory_bytes < MEMORY_MIN)
		return invalid(err, "Minimum memory limit allowed is 6MB");
	if (c->memory_bytes && c->memory_swap_bytes > 0 && c->memory_swap_bytes < c->memory_bytes)
		return invalid(err,
			       "Minimum memoryswap limit should be larger than memory limit, see "
			       "usage");
	if (!c->memory_bytes && c->memory_swap_bytes > 0)
		return invalid(
			err, "You should always set the Memory limit when using Memoryswap limit, "
			     "see usage");
	if (c->memory_reservation_bytes && c->memory_reservation_bytes < MEMORY_MIN)
		return invalid(err, "Minimum memory reservation allowed is 6MB");
	if (c->memory_bytes && c->memory_reservation_bytes > c->memory_bytes)
		return invalid(
			err, "Minimum memory limit can not be less than memory reservation limit, "
			     "see usage");
	if (c->memory_swappiness < -1 || c->memory_swappiness > 100)
		return err_set(err, ERR_INVALID, EINVAL,
			       "Invalid value: %lld, valid memory swappiness range is 0-100",
			       (long long)c->memory_swappiness);
	return 0;
}

static int check_cpu(const struct container_config *c, struct err *err)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (c->nano_cpus < 0 || c->nano_cpus > (int64_t)cpus * 1000000000 ||
	    (c->nano_cpus && c->nano_cpus < 10000000))
		return err_set(
			err, ERR_INVALID, EINVAL,
			"Range of CPUs is from 0.01 to %ld.00, as there are only %ld CPUs available",
			cpus, cpus);
	if (c->nano_cpus && (c->cpu_period_us || c->cpu_quota_us))
		return err_set(err, ERR_INVALID, EINVAL,
			       "Conflicting options: Nano CPUs and CPU %s cannot both be set.",
			       c->cpu_period_us ? "Period" : "Quota");
	if (c->cpu_period_us && (c->cpu_period_us < 1000 || c->cpu_period_us > 1000000))
		return invalid(err,
			       "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than "
			       "1s (i.e. 1000000)");
	if (c->cpu_quota_us > 0 && c->cpu_quota_us < 1000)
		return invalid(err, "CPU cfs quota can not be less than 1ms (i.e. 1000)");
	if (c->cpu_shares < 0)
		return err_set(err, ERR_INVALID, EINVAL,
			       "invalid CPU shares (%lld): value must be a positive integer",
			       (long long)c->cpu_shares);
	return 0;
}

/* "0-3,7": well-formed and nothing that the machine lacks. */
static int check_set(const char *set, long available, const char *what, const char *flag,
		     struct err *err)
{
	const char *p = set;

	while (p && *p) {
		char *end;
		unsigned long from = strtoul(p, &end, 10), to = from;
		bool ok = end != p;

		if (ok && *end == '-') {
			p = end + 1;
			to = strtoul(p, &end, 10);
			ok = end != p;
		}
		if (!ok || (*end && *end != ',') || to < from || to > 65535 || strpbrk(set, " +"))
			return err_set(err, ERR_INVALID, EINVAL, "Invalid value %s for %s", set,
				       flag);
		if (to >= (unsigned long)available)
			return err_set(
				err, ERR_INVALID, EINVAL,
				"Requested %s are not available - requested %s, available: 0-%ld",
				what, set, available - 1);
		p = *end ? end + 1 : end;
	}
	return 0;
}

static int check_ulimits(const struct container_config *c, struct err *err)
{
	for (size_t i = 0; i < c->ulimit_count; i++) {
		const struct ulimit_request *u = &c->ulimits[i];

		if (rlimit_number(u->name) < 0)
			return err_set(err, ERR_INVALID, EINVAL, "invalid ulimit type: %s",
				       u->name);
		if (u->hard != -1 && (u->soft == -1 || u->soft > u->hard))
			return err_set(
				err, ERR_INVALID, EINVAL,
				"ulimit soft limit must be less than or equal to hard limit: %lld > "
				"%lld",
				(long long)u->soft, (long long)u->hard);
	}
	return 0;
}

static int check_mounts(const struct container_config *c, struct err *err)
{
	for (size_t i = 0; i < c->mount_count; i++) {
		const struct mount_request *m = &c->mounts[i];

		if (m->target[0] != '/')
			return err_set(
				err, ERR_INVALID, EINVAL,
				"invalid mount config for type \"%s\": invalid mount path: '%s' mount "
				"path must be absolute",
				m->kind == MOUNT_KIND_BIND ? "bind" : "volume", m->target);
		if (str_eq(m->target, "/"))
			return invalid(err, "invalid specification: destination can't be '/'");
		for (size_t j = 0; j < i; j++) {
			if (str_eq(c->mounts[j].target, m->target))
				return err_set(err, ERR_INVALID, EINVAL,
					       "Duplicate mount point: %s", m->target);
		}
		if (m->kind == MOUNT_KIND_BIND && !m->create_source && access(m->source, F_OK) < 0)
			return err_set(
				err, ERR_INVALID, EINVAL,
				"invalid mount config for type \"bind\": bind source path does not "
				"exist: %s",
				m->source);
	}
	return 0;
}

static int check_stop_signal(const struct container_config *c, struct err *err)
{
	int number;

	return c->stop_signal ? signal_parse(c->stop_signal, &number, err) : 0;
}

int container_validate(const struct container_config *c, struct err *err)
{
	uint64_t caps;
	int rc = check_memory(c, err);

	if (rc == 0)
		rc = check_cpu(c, err);
	if (rc == 0)
		rc = check_set(c->cpuset_cpus, sysconf(_SC_NPROCESSORS_CONF), "CPUs", "cpuset cpus",
			       err);
	if (rc == 0)
		rc = check_ulimits(c, err);
	if (rc == 0)
		rc = check_stop_signal(c, err);
	if (rc == 0)
		rc = check_mounts(c, err);
	if (rc == 0)
		rc = container_capabilities(c, &caps, err);
	if (rc == 0 && c->shm_size_bytes < 0)
		rc = invalid(err, "SHM size can not be less than 0");
	if (rc == 0 && (c->oom_score_adj < -1000 || c->oom_score_adj > 1000))
		rc = err_set(err, ERR_INVALID, EINVAL,
			     "Invalid value %lld, range for oom score adj is [-1000, 1000]",
			     (long long)c->oom_score_adj);
	return rc;
}
