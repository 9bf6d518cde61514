/* SPDX-License-Identifier: Apache-2.0 */
/* update: limits and restart policy of containers that stand. */
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/engine_door.h"
#include "cli/run_values.h"
#include "engine/update.h"

#define PIDS_LIMIT_UNSET INT64_MIN

struct update_flags {
	struct container_update update;
	int64_t pids_limit;
	const char *restart;
	int64_t ignored;
};
#define FIELD(field) offsetof(struct update_flags, field)
#define LIMIT(field) offsetof(struct update_flags, update.field)

static const struct option rows[] = {
	{"blkio-weight", 0, &option_uint16, LIMIT(blkio_weight),
	 "Block IO (relative weight), between 10 and 1000, or 0 to disable", "0"},
	{"cpu-period", 0, &option_int, LIMIT(cpu_period_us),
	 "Limit the CPU CFS (Completely Fair Scheduler) period", NULL},
	{"cpu-quota", 0, &option_int, LIMIT(cpu_quota_us),
	 "Limit the CPU CFS (Completely Fair Scheduler) quota", NULL},
	{"cpu-rt-period", 0, &option_later, 0, NULL, NULL},
	{"cpu-rt-runtime", 0, &option_later, 0, NULL, NULL},
	{"cpu-shares", 'c', &option_int, LIMIT(cpu_shares), "CPU shares (relative weight)", NULL},
	{"cpus", 0, &option_cpus, LIMIT(nano_cpus), "Number of CPUs", NULL},
	{"cpuset-cpus", 0, &option_text, LIMIT(cpuset_cpus),
	 "CPUs in which to allow execution (0-3, 0,1)", NULL},
	{"cpuset-mems", 0, &option_text, LIMIT(cpuset_mems),
	 "MEMs in which to allow execution (0-3, 0,1)", NULL},
	/* Kernels have given it up; Docker takes it and does nothing. */
	{"kernel-memory", 0, &option_bytes, FIELD(ignored), NULL, NULL},
	{"memory", 'm', &option_bytes, LIMIT(memory_bytes), "Memory limit", NULL},
	{"memory-reservation", 0, &option_bytes, LIMIT(memory_reservation_bytes),
	 "Memory soft limit", NULL},
	{"memory-swap", 0, &option_swap, LIMIT(memory_swap_bytes),
	 "Swap limit equal to memory plus swap: -1 to enable unlimited swap", NULL},
	{"pids-limit", 0, &option_int, FIELD(pids_limit),
	 "Tune container pids limit (set -1 for unlimited)", NULL},
	{"restart", 0, &option_text, FIELD(restart),
	 "Restart policy to apply when a container exits", NULL},
};
static const struct option_table table = {OPTION_ROWS(rows)};

static int update_one(struct engine *e, struct container *c, const char *name, void *context,
		      struct strbuf *out, struct err *err)
{
	int rc = container_update(e, c, context, err);

	if (rc == 0)
		strbuf_printf(out, "%s\n", name);
	return rc;
}

static bool is_flag(const char *arg)
{
	return arg[0] == '-' && arg[1];
}

static int cmd_update(struct cli_context *ctx, int argc, char **argv)
{
	struct update_flags flags = {.pids_limit = PIDS_LIMIT_UNSET};
	auto_strv struct strv args = {0};
	auto_free char *policy = NULL;
	struct err err = ERR_INIT;
	bool any = false;
	int rc = cli_parse(ctx, &flags, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	for (int i = 0; i < argc; i++)
		any = any || is_flag(argv[i]);
	if (!any) {
		cli_note("you must provide one or more flags when using this command");
		return EXIT_FAILED;
	}
	flags.update.has_pids_limit = flags.pids_limit != PIDS_LIMIT_UNSET;
	flags.update.pids_limit = flags.update.has_pids_limit ? flags.pids_limit : 0;
	if (flags.restart && *flags.restart) {
		if (run_parse_restart(flags.restart, &policy, &flags.update.restart_max_retries,
				      &err) < 0)
			return cli_fail(&err);
		flags.update.restart_policy = policy;
	}
	return cli_each_container(ctx, &args, update_one, &flags.update);
}

const struct command command_update = {
	.paths = {"container update", "update"},
	.arguments = "CONTAINER [CONTAINER...]",
	.summary = "Update configuration of one or more containers",
	.run = cmd_update,
	.options = &table,
	.min_args = 1,
	.max_args = -1,
};
