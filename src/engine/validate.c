/* SPDX-License-Identifier: Apache-2.0 */
/* What Docker's daemon refuses at creation, in its words; scripts match them. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/signal_name.h"
#include "base/str.h"
#include "engine/config_oci.h"
#include "engine/log_options.h"
#include "kernel/rlimit.h"

#define MEMORY_MIN (6 << 20)
#define HEALTH_TIME_MIN_NS 1000000

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
			       "Conflicting options: Nano CPUs and CPU %s cannot both be set",
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
	char last[32] = "";

	if (available > 1)
		snprintf(last, sizeof(last), "%ld", available - 1);
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
			return err_set(err, ERR_INVALID, EINVAL,
				       "Invalid value %s for %s: invalid format: %s", set, flag,
				       set);
		if (to >= (unsigned long)available)
			return err_set(
				err, ERR_INVALID, EINVAL,
				"Requested %s are not available - requested %s, available: 0%s%s",
				what, set, available > 1 ? "-" : "", last);
		p = *end ? end + 1 : end;
	}
	return 0;
}

/* How many there may be, from "0-3" or "0"; asked only when somebody wants to know. */
static long memory_nodes(const char *wanted)
{
	char text[64];
	const char *last = text;
	uint64_t n;

	if (!wanted || !*wanted ||
	    file_read_small_at(AT_FDCWD, "/sys/devices/system/node/possible", text, sizeof(text)) <=
		    0)
		return 1;
	text[strcspn(text, "\n")] = '\0';
	if (text[strcspn(text, "-,")])
		last += strcspn(text, "-,") + 1;
	return str_to_u64(last, &n) < 0 || n > 65535 ? 1 : (long)n + 1;
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

int container_validate_restart(const struct container_config *c, struct err *err)
{
	static const char *const plain[] = {"no", "always", "unless-stopped"};
	const char *policy = c->restart_policy;

	if (!policy || !*policy)
		return 0;
	if (c->auto_remove && !str_eq(policy, "no"))
		return invalid(err, "can't create 'AutoRemove' container with restart policy");
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (!str_eq(policy, plain[i]))
			continue;
		return c->restart_max_retries
			       ? err_set(err, ERR_INVALID, EINVAL,
					 "maximum retry count cannot be used with restart policy "
					 "'%s'",
					 policy)
			       : 0;
	}
	if (!str_eq(policy, "on-failure"))
		return err_set(err, ERR_INVALID, EINVAL, "invalid restart policy '%s'", policy);
	if (c->restart_max_retries < 0)
		return invalid(err, "maximum retry count cannot be negative");
	return 0;
}

static int check_health(const struct container_config *c, struct err *err)
{
	const struct health_request *h = &c->health;
	const struct {
		const char *name;
		int64_t ns;
	} times[] = {{"Interval", h->interval_ns},
		     {"Timeout", h->timeout_ns},
		     {"StartPeriod", h->start_period_ns},
		     {"StartInterval", h->start_interval_ns}};

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		if (times[i].ns && times[i].ns < HEALTH_TIME_MIN_NS)
			return err_set(err, ERR_INVALID, EINVAL,
				       "%s in Healthcheck cannot be less than 1ms", times[i].name);
	}
	return h->retries < 0 ? invalid(err, "Retries in Healthcheck cannot be negative") : 0;
}

/* Options of json-file that Docker knows; only the size and the number of files change anything. */
static int check_log(const struct container_config *c, struct err *err)
{
	static const char *const known[] = {"max-file", "max-size",  "compress", "labels",
					    "env",      "env-regex", "tag",      "labels-regex"};
	uint64_t bytes = 0;
	uint32_t files = 0;

	if (c->log_driver && str_eq(c->log_driver, "none"))
		return 0;
	if (c->log_driver && !str_eq(c->log_driver, "json-file"))
		return err_set(err, ERR_INVALID, EINVAL,
			       "error looking up logging plugin %s: plugin \"%s\" not found",
			       c->log_driver, c->log_driver);
	for (size_t i = 0; i < c->log_options.count; i++) {
		const char *option = c->log_options.items[i];
		size_t n = strcspn(option, "=");
		bool found = false;

		for (size_t j = 0; j < sizeof(known) / sizeof(known[0]); j++)
			found = found ||
				(strlen(known[j]) == n && strncmp(known[j], option, n) == 0);
		if (!found)
			return err_set(err, ERR_INVALID, EINVAL,
				       "unknown log opt '%.*s' for json-file log driver", (int)n,
				       option);
	}
	return log_options_parse(&c->log_options, &bytes, &files, err) < 0
		       ? err_wrap(err, "failed to initialize logging driver")
		       : 0;
}

/* In the host's own namespaces they would be the host's settings; in runc's words. */
static int check_sysctls(const struct container_config *c, struct err *err)
{
	bool host_network = c->network_mode && str_eq(c->network_mode, "host");
	bool host_ipc = c->ipc_mode && str_eq(c->ipc_mode, "host");

	for (size_t i = 0; i < c->sysctls.count; i++) {
		const char *key = c->sysctls.items[i];
		int n = (int)strcspn(key, "=");

		if (str_starts(key, "net.")) {
			if (host_network)
				return err_set(err, ERR_INVALID, EINVAL,
					       "sysctl \"%.*s\" not allowed in host network "
					       "namespace",
					       n, key);
		} else if (str_starts(key, "fs.mqueue.") || str_starts(key, "kernel.")) {
			if (host_ipc)
				return err_set(err, ERR_INVALID, EINVAL,
					       "sysctl \"%.*s\" is not allowed in the hosts ipc "
					       "namespace",
					       n, key);
		} else {
			return err_set(err, ERR_INVALID, EINVAL,
				       "sysctl \"%.*s\" is not in a separate kernel namespace", n,
				       key);
		}
	}
	return 0;
}

/* The host's names are not a container's to set. */
static int check_names(const struct container_config *c, struct err *err)
{
	if (!c->uts_mode || !str_eq(c->uts_mode, "host"))
		return 0;
	if (c->hostname)
		return invalid(err, "conflicting options: hostname and the UTS mode");
	return c->domainname ? invalid(err, "sysctl \"kernel.domainname\" is not in a separate "
					    "kernel namespace")
			     : 0;
}

static int check_working_dir(const struct container_config *c, struct err *err)
{
	if (!c->working_dir || !*c->working_dir || *c->working_dir == '/')
		return 0;
	return err_set(err, ERR_INVALID, EINVAL,
		       "the working directory '%s' is invalid, it needs to be an absolute path",
		       c->working_dir);
}

static int check_storage(const struct container_config *c, struct err *err)
{
	if (c->storage_opts.count)
		return invalid(err, "--storage-opt is supported only for overlay over xfs with "
				    "'pquota' mount option");
	if (c->volume_driver && *c->volume_driver && !str_eq(c->volume_driver, "local"))
		return err_set(err, ERR_INVALID, ENOENT,
			       "error looking up volume plugin %s: plugin \"%s\" not found",
			       c->volume_driver, c->volume_driver);
	return 0;
}

static int check_block_io(const struct container_config *c, struct err *err)
{
	if (c->blkio_weight && (c->blkio_weight < 10 || c->blkio_weight > 1000))
		return invalid(err, "Range of blkio weight is from 10 to 1000");
	return 0;
}

void container_discard_unsupported(const struct cgroup_layout *cgroups, struct container_config *c,
				   struct strv *warnings)
{
	if (c->oom_kill_disable && !c->memory_bytes && cgroups->mode != CGROUP_V2)
		strv_add(warnings,
			 "OOM killer is disabled for the container, but no memory limit is set, "
			 "this can result in the system running out of resources.");
	if (cgroups->mode != CGROUP_V2)
		return;
	if (c->memory_swappiness >= 0)
		strv_add(warnings,
			 "Your kernel does not support memory swappiness capabilities or the "
			 "cgroup is not mounted. Memory swappiness discarded.");
	if (c->oom_kill_disable)
		strv_add(warnings, "Your kernel does not support OomKillDisable. OomKillDisable "
				   "discarded.");
	c->memory_swappiness = -1;
	c->oom_kill_disable = false;
}

int container_validate_limits(const struct container_config *c, struct err *err)
{
	int rc = check_memory(c, err);

	if (rc == 0)
		rc = check_cpu(c, err);
	if (rc == 0)
		rc = check_set(c->cpuset_cpus, sysconf(_SC_NPROCESSORS_CONF), "CPUs", "cpuset cpus",
			       err);
	if (rc == 0)
		rc = check_set(c->cpuset_mems, memory_nodes(c->cpuset_mems), "memory nodes",
			       "cpuset mems", err);
	if (rc == 0)
		rc = check_block_io(c, err);
	return rc < 0 ? rc : container_validate_restart(c, err);
}

int container_validate(const struct container_config *c, struct err *err)
{
	static int (*const checks[])(const struct container_config *c,
				     struct err *err) = {container_validate_limits,
							 check_health,
							 check_log,
							 check_sysctls,
							 check_names,
							 check_working_dir,
							 check_storage,
							 check_ulimits,
							 check_stop_signal,
							 check_mounts};
	uint64_t caps;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(checks) / sizeof(checks[0]); i++)
		rc = checks[i](c, err);
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
