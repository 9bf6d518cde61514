/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's limits as properties of a systemd unit. What must hold: what a property cannot say
 * exactly allows more than was asked for, never less; the group's own files, written after, say it
 * exactly.
 */
#include "engine/scope.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "base/subprocess.h"
#include "engine/cgroup_path.h"
#include "engine/config_oci.h"
#include "engine/start_internal.h"
#include "runtime/plan_build.h"

#define PROGRAM "cloche-systemd"
#define DEFAULT_PERIOD_US 100000
/* systemd keeps whole percents of a processor. */
#define QUOTA_STEP_US 10000
#define LOOK_MS 50

static void add_number(struct strv *out, const char *name, uint64_t value)
{
	if (value == UINT64_MAX)
		strv_add_taken(out, xasprintf("%s=infinity", name));
	else
		strv_add_taken(out, xasprintf("%s=%" PRIu64, name, value));
}

static void add_cpu(const struct container_config *c, bool v2, struct strv *out)
{
	int64_t period = c->nano_cpus > 0 || !c->cpu_period_us ? DEFAULT_PERIOD_US
							       : c->cpu_period_us;
	int64_t quota = c->nano_cpus > 0 ? c->nano_cpus / 10000 : c->cpu_quota_us;

	if (quota > 0) {
		uint64_t per_s = (uint64_t)quota * 1000000 / (uint64_t)period;

		per_s = (per_s + QUOTA_STEP_US - 1) / QUOTA_STEP_US * QUOTA_STEP_US;
		add_number(out, "CPUQuotaPerSecUSec", per_s);
		if (v2)
			add_number(out, "CPUQuotaPeriodUSec", (uint64_t)period);
	}
	if (c->cpu_shares > 0)
		add_number(out, v2 ? "CPUWeight" : "CPUShares",
			   v2 ? cgroup_weight_of_shares((uint64_t)c->cpu_shares)
			      : (uint64_t)c->cpu_shares);
	if (v2 && c->cpuset_cpus && *c->cpuset_cpus)
		strv_add_taken(out, xasprintf("AllowedCPUs=%s", c->cpuset_cpus));
	if (v2 && c->cpuset_mems && *c->cpuset_mems)
		strv_add_taken(out, xasprintf("AllowedMemoryNodes=%s", c->cpuset_mems));
}

static void add_memory(const struct container_config *c, bool v2, struct strv *out)
{
	int64_t limit = c->memory_bytes, total = c->memory_swap_bytes;

	if (limit > 0)
		add_number(out, v2 ? "MemoryMax" : "MemoryLimit", (uint64_t)limit);
	if (v2 && limit > 0)
		add_number(out, "MemorySwapMax",
			   total < 0    ? UINT64_MAX
			   : total == 0 ? (uint64_t)limit
					: (uint64_t)(total - limit));
	if (v2 && c->memory_reservation_bytes > 0)
		add_number(out, "MemoryLow", (uint64_t)c->memory_reservation_bytes);
}

void scope_add_limits(const struct container_config *c, bool v2, struct strv *out)
{
	add_cpu(c, v2, out);
	add_memory(c, v2, out);
	/* Without a word systemd's own default would be the limit. */
	add_number(out, "TasksMax", c->pids_limit > 0 ? (uint64_t)c->pids_limit : UINT64_MAX);
	if (c->blkio_weight > 0)
		add_number(out, v2 ? "IOWeight" : "BlockIOWeight",
			   v2 ? cgroup_io_weight_of((uint64_t)c->blkio_weight)
			      : (uint64_t)c->blkio_weight);
}

static void add_rule(const struct cgroup_device_rule *r, struct strbuf *out)
{
	const char *kind = r->type == 'b' ? "block" : "char";

	strbuf_puts(out, out->len ? "," : "DeviceAllow=");
	if (r->major < 0)
		strbuf_printf(out, "%s-*", kind);
	else if (r->minor < 0)
		strbuf_printf(out, "%s-%" PRId64, kind, r->major);
	else
		strbuf_printf(out, "/dev/%s/%" PRId64 ":%" PRId64, kind, r->major, r->minor);
	strbuf_printf(out, ":%s%s%s", r->access & CGROUP_DEV_READ ? "r" : "",
		      r->access & CGROUP_DEV_WRITE ? "w" : "",
		      r->access & CGROUP_DEV_MKNOD ? "m" : "");
}

/* The same devices as the group's own rules, for the time after the scope was made anew by a restart. */
static int add_devices(const struct container_config *c, struct strv *out, struct err *err)
{
	auto_oci_config struct oci_config oci = {0};
	auto_strbuf struct strbuf text = {0};
	int rc = container_devices(c, &oci, err);

	for (size_t i = 0; rc == 0 && i < oci.resources.device_count; i++) {
		const struct cgroup_device_rule *r = &oci.resources.devices[i];

		if (r->allow && r->type == 'a')
			return 0;
		if (r->allow)
			add_rule(r, &text);
	}
	if (rc == 0) {
		strv_add(out, "DevicePolicy=strict");
		if (text.len)
			strv_add(out, strbuf_str(&text));
	}
	return rc;
}

static int find_helper(char *out, size_t size, struct err *err)
{
	int rc = subprocess_own_program(PROGRAM, out, size, err);

	return rc < 0 ? err_wrap(err, "cgroup driver systemd (needs libsystemd when it is built)")
		      : 0;
}

int launch_plan_scope(struct launch *l, struct err *err)
{
	bool v2 = l->e->cgroups.mode == CGROUP_V2;
	auto_strv struct strv argv = {0}, stop = {0};
	char program[PATH_MAX], unit[UNIT_NAME_MAX];
	int rc = find_helper(program, sizeof(program), err);

	if (rc < 0)
		return rc;
	engine_scope_name(l->e, l->c->id, unit);
	strv_add(&argv, program);
	strv_add(&argv, "start");
	strv_add(&argv, ""); /* the process: the monitor puts it here */
	strv_add(&argv, unit);
	strv_add_taken(&argv, xasprintf("Description=cloche container %s", l->c->id));
	strv_add_taken(&argv,
		       xasprintf("Slice=%s", engine_slice(l->e, l->c->config.cgroup_parent)));
	strv_add(&argv, "Delegate=yes");
	strv_add(&argv, "CollectMode=inactive-or-failed");
	strv_add(&argv, "DefaultDependencies=no");
	strv_add(&argv, "CPUAccounting=yes");
	strv_add(&argv, "MemoryAccounting=yes");
	strv_add(&argv, "TasksAccounting=yes");
	if (v2)
		strv_add(&argv, "IOAccounting=yes");
	scope_add_limits(&l->c->config, v2, &argv);
	rc = add_devices(&l->c->config, &argv, err);
	if (rc < 0)
		return rc;
	l->plan->early.scope = plan_add_list(l->plan, &argv);
	strv_add(&stop, program);
	strv_add(&stop, "stop");
	strv_add(&stop, unit);
	l->plan->early.scope_stop = plan_add_list(l->plan, &stop);
	return 0;
}

static bool is_gone(pid_t pid)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid;
}

int launch_await_scope(struct launch *l, bool *made, struct err *err)
{
	const struct timespec look = {.tv_nsec = LOOK_MS * 1000000L};
	uint32_t *state = &l->plan->shared.scope_state;
	uint32_t seen;

	*made = false;
	while ((seen = __atomic_load_n(state, __ATOMIC_ACQUIRE)) == PLAN_SCOPE_NONE) {
		if (is_gone(l->monitor_pid))
			return err_set(err, ERR_SYSTEM, ECHILD,
				       "monitor lost: cloche-monitor ended before the container's "
				       "scope was made");
		syscall(SYS_futex, state, FUTEX_WAIT, PLAN_SCOPE_NONE, &look, NULL, 0);
	}
	*made = seen == PLAN_SCOPE_MADE;
	return 0;
}

/* Runs the helper with an empty environment: its exit status or -errno. */
static int run_helper(struct engine *e, const char *id, const char *command,
		      const struct container_config *limits, struct err *err)
{
	auto_strv struct strv argv = {0};
	char program[PATH_MAX], unit[UNIT_NAME_MAX];
	char *no_environment[] = {NULL};
	int rc = find_helper(program, sizeof(program), err);

	if (rc < 0)
		return rc;
	engine_scope_name(e, id, unit);
	strv_add(&argv, program);
	strv_add(&argv, command);
	strv_add(&argv, unit);
	if (limits)
		scope_add_limits(limits, e->cgroups.mode == CGROUP_V2, &argv);
	return subprocess_run(argv.items, no_environment, err);
}

int container_scope_update(struct engine *e, const struct container *c, struct err *err)
{
	int rc = e->runtimes.systemd ? run_helper(e, c->id, "set", &c->config, err) : 0;

	return rc > 0 ? err_set(err, ERR_SYSTEM, EIO,
				"change the scope of %s: systemd refused (see above)", c->name)
		      : rc;
}

void engine_stop_scope(struct engine *e, const char *id)
{
	struct err ignored;

	if (e->runtimes.systemd && run_helper(e, id, "stop", NULL, &ignored) != 0)
		return;
}
