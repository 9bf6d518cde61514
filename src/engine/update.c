/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Update. The kernel first, then the record, under the record's lock: what the record says was
 * accepted by the kernel, whoever dies in between.
 */
#include "engine/update.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "engine/cgroup_path.h"
#include "engine/config_oci.h"
#include "engine/event.h"
#include "engine/internal.h"
#include "engine/monitor/protocol.h"
#include "engine/revive.h"
#include "engine/scope.h"

/* Limits that exclude each other, of which one stands and one is asked for; Docker's words. */
static int check_conflicts(const struct container_config *now, const struct container_update *u,
			   struct err *err)
{
	const struct {
		bool conflict;
		const char *text;
	} table[] = {
		{u->nano_cpus && now->cpu_period_us,
		 "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been "
		 "set"},
		{u->nano_cpus && now->cpu_quota_us,
		 "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been "
		 "set"},
		{u->cpu_period_us && now->nano_cpus,
		 "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been "
		 "set"},
		{u->cpu_quota_us && now->nano_cpus,
		 "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been "
		 "set"},
		{u->memory_bytes && !u->memory_swap_bytes && now->memory_swap_bytes >= 0 &&
			 u->memory_bytes > now->memory_swap_bytes && now->memory_swap_bytes,
		 "Memory limit should be smaller than already set memoryswap limit, update the "
		 "memoryswap at the same time"},
		{u->restart_policy && !str_eq(u->restart_policy, "no") && now->auto_remove,
		 "Restart policy cannot be updated because AutoRemove is enabled for the "
		 "container"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].conflict)
			return err_set(err, ERR_CONFLICT, EINVAL, "%s", table[i].text);
	}
	return 0;
}

static void take_number(int64_t *slot, int64_t value)
{
	if (value)
		*slot = value;
}

static void take_text(char **slot, const char *value)
{
	if (!value || !*value)
		return;
	free(*slot);
	*slot = xstrdup(value);
}

static void apply_to_config(struct container_config *c, const struct container_update *u)
{
	take_number(&c->memory_bytes, u->memory_bytes);
	take_number(&c->memory_swap_bytes, u->memory_swap_bytes);
	/* As when it is made. */
	if (c->memory_bytes > 0 && !c->memory_swap_bytes)
		c->memory_swap_bytes = 2 * c->memory_bytes;
	take_number(&c->memory_reservation_bytes, u->memory_reservation_bytes);
	take_number(&c->nano_cpus, u->nano_cpus);
	take_number(&c->cpu_period_us, u->cpu_period_us);
	take_number(&c->cpu_quota_us, u->cpu_quota_us);
	take_number(&c->cpu_shares, u->cpu_shares);
	take_number(&c->blkio_weight, u->blkio_weight);
	take_text(&c->cpuset_cpus, u->cpuset_cpus);
	take_text(&c->cpuset_mems, u->cpuset_mems);
	if (u->has_pids_limit)
		c->pids_limit = u->pids_limit;
	if (u->restart_policy) {
		take_text(&c->restart_policy, u->restart_policy);
		c->restart_max_retries = u->restart_max_retries;
	}
}

/* Only what is asked for: the kernel may refuse today what it took when the container was made. Swap is
 * counted with memory, so the two go together. */
static void keep_asked(struct cgroup_resources *r, const struct container_update *u)
{
	bool memory = u->memory_bytes || u->memory_swap_bytes;

	r->has_memory_limit = r->has_memory_limit && memory;
	r->has_memory_swap = r->has_memory_swap && memory;
	r->has_memory_reservation = u->memory_reservation_bytes != 0;
	r->has_memory_swappiness = r->has_oom_kill_disable = false;
	r->has_cpu_period = u->cpu_period_us || u->nano_cpus;
	r->has_cpu_quota = u->cpu_quota_us || u->nano_cpus;
	r->has_cpu_shares = u->cpu_shares != 0;
	r->has_io_weight = u->blkio_weight != 0;
	r->has_pids_limit = u->has_pids_limit;
	r->read_bps_count = r->write_bps_count = r->read_iops_count = r->write_iops_count = 0;
	r->io_device_weight_count = 0;
}

static int apply_to_kernel(struct engine *e, const struct container *c,
			   const struct container_update *u, struct err *err)
{
	auto_oci_config struct oci_config oci = {0};
	struct cgroup_resources asked; /* borrows from oci */
	char path[CGROUP_PATH_MAX];
	int rc = engine_detect_cgroups(e, err);

	if (rc == 0)
		rc = container_cgroup_path(e, c, path, err);
	if (rc == 0)
		rc = container_resources(&c->config, &oci, err);
	if (rc < 0)
		return rc;
	asked = oci.resources;
	keep_asked(&asked, u);
	if (u->has_pids_limit && u->pids_limit <= 0)
		asked.pids_limit = -1;
	if (!u->cpuset_cpus || !*u->cpuset_cpus)
		asked.cpus = NULL;
	if (!u->cpuset_mems || !*u->cpuset_mems)
		asked.mems = NULL;
	/* systemd first, since it rounds. */
	rc = container_scope_update(e, c, err);
	if (rc < 0)
		return rc;
	return cgroup_apply(&e->cgroups, path, &asked, c->name, err);
}

/* A monitor that is just ending needs to know nothing: the next start reads the record. */
static void tell_monitor(struct engine *e, const struct container *c)
{
	const struct {
		struct frame_header header;
		struct frame_restart restart;
	} frame = {.header = {.type = FRAME_RESTART,
			      .length_be = {0, 0, 0, sizeof(struct frame_restart)}},
		   .restart = {.policy = container_restart_policy(c),
			       .max = (uint32_t)c->config.restart_max_retries}};
	auto_close int fd = monitor_connect(e, c->id);

	if (fd >= 0 && monitor_send_attach(fd, false, false) == 0)
		(void)!fd_send(fd, &frame, sizeof(frame), NULL, 0);
}

int container_update(struct engine *e, struct container *c, const struct container_update *u,
		     struct err *err)
{
	auto_close int record = -1;
	int rc = container_record_lock(e, c, &record, err);

	if (rc < 0)
		return rc;
	rc = check_conflicts(&c->config, u, err);
	if (rc == 0) {
		apply_to_config(&c->config, u);
		rc = container_validate_limits(&c->config, err);
		if (rc < 0)
			return rc;
	}
	if (rc == 0 && container_is_alive(c) && c->state.status != CONTAINER_RESTARTING)
		rc = apply_to_kernel(e, c, u, err);
	if (rc == 0)
		rc = container_record_write(c, record, c->persistent, err);
	if (rc < 0)
		return err_wrap(err, "Cannot update container %s", c->id);
	if (u->restart_policy && container_is_alive(c))
		tell_monitor(e, c);
	event_container(e, c, "update", NULL, NULL);
	return 0;
}
