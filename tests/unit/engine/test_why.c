/* SPDX-License-Identifier: Apache-2.0 */
/* Which cause speaks, and in which words; and what the kernel's log says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>

#include "engine/why.h"

#define S UINT64_C(1000000000)
#define NOW (1000000 * S)
#define ENDED .finished_ns = NOW - 60 * S, .status = CONTAINER_EXITED

static char no_file[] = "exec: \"/x\": stat /x: no such file or directory";
static char no_format[] = "exec /x: exec format error";
static char no_policy[] = "no", always[] = "always";

static const struct row {
	struct container_state s;
	int64_t memory, pids;
	const char *policy;
	bool stopped;
	const char *cause, *summary; /* the summary holds this */
	const char *more;            /* one of the hints or the evidence does, or NULL */
} rows[] = {
	{.s = {.status = CONTAINER_CREATED}, .cause = "never-started", .summary = "never started"},
	{.s = {.status = CONTAINER_CREATED, .error = no_file, .exit_code = 127},
	 .cause = "start-failed",
	 .summary = "could not be started: exec: \"/x\"",
	 .more = "There is no such program"},
	{.s = {ENDED, .error = no_format, .exit_code = 126},
	 .cause = "start-failed",
	 .summary = "exec format error",
	 .more = "another kind of processor"},
	{.s = {.status = CONTAINER_RUNNING, .started_ns = NOW - 180 * S, .pid = 42},
	 .cause = "running",
	 .summary = "is running; it was started 3 minutes ago as process 42 of the host"},
	{.s = {.status = CONTAINER_RUNNING, .pid = 42, .oom_kills = 2},
	 .cause = "running",
	 .summary = "is running",
	 .more = "the kernel killed 2 processes for want of it"},
	{.s = {.status = CONTAINER_PAUSED}, .cause = "paused", .summary = "cloche unpause"},
	{.s = {.status = CONTAINER_RESTARTING,
	       .exit_code = 3,
	       .finished_ns = NOW - 5 * S,
	       .next_start_ns = NOW + S / 2,
	       .restart_count = 4},
	 .policy = always,
	 .cause = "restarting",
	 .summary = "ended with exit code 3 5 seconds ago, the next begins in 500 ms",
	 .more = "restarts: 4, policy always"},
	{.s = {ENDED, .exit_code = 0},
	 .cause = "exit",
	 .summary = "ended by itself, successfully, about a minute ago"},
	{.s = {ENDED, .exit_code = 7}, .cause = "exit", .summary = "exit code 7"},
	{.s = {ENDED, .exit_code = 127},
	 .cause = "exit",
	 .summary = "exit code 127",
	 .more = "a command is not found"},
	{.s = {ENDED, .exit_code = 137},
	 .cause = "exit",
	 .summary = "by itself with exit code 137",
	 .more = "ended by SIGKILL (9); cloche sent none"},
	{.s = {ENDED, .exit_code = 143},
	 .stopped = true,
	 .cause = "exit",
	 .summary = "143",
	 .more = "A user had asked for it"},
	{.s = {ENDED, .exit_code = 137, .exit_signal = SIGKILL, .signal_sender = "user"},
	 .cause = "signal",
	 .summary = "SIGKILL (9) about a minute ago, sent by cloche on a user's"},
	{.s = {ENDED, .exit_code = 137, .exit_signal = SIGKILL, .signal_sender = "host"},
	 .cause = "signal",
	 .summary = "sent by a process outside the container, not through cloche"},
	{.s = {ENDED, .exit_code = 130, .exit_signal = SIGINT, .signal_sender = "client"},
	 .cause = "signal",
	 .summary = "SIGINT (2) about a minute ago, passed on by an attached"},
	{.s = {ENDED, .exit_code = 139, .exit_signal = SIGSEGV, .signal_sender = "self"},
	 .cause = "signal",
	 .summary = "SIGSEGV (11) about a minute ago, which the kernel sends"},
	{.s = {ENDED, .exit_code = 137, .exit_signal = SIGKILL},
	 .cause = "signal",
	 .summary = "a process inside or outside the container"},
	{.s = {ENDED, .exit_code = 137, .exit_signal = SIGKILL, .signal_sender = "kernel-oom",
	       .oom_kills = 1, .peak_memory_bytes = 32 << 20, .pressure_us = 1500},
	 .memory = 32 << 20,
	 .cause = "oom",
	 .summary = "it reached its memory limit of 32MiB: its first process was the victim",
	 .more = "limit 32MiB, peak 32MiB, processes waited 1 ms for it; the kernel killed 1 process"},
	{.s = {ENDED, .exit_code = 137, .exit_signal = SIGKILL, .signal_sender = "kernel-oom",
	       .oom_kills = 1},
	 .cause = "oom",
	 .summary = "because memory ran out"},
	{.s = {ENDED, .exit_code = 1, .oom_kills = 1},
	 .cause = "oom-child",
	 .summary = "after the kernel had killed another process"},
	/* A success is not blamed on a child that was lost on the way. */
	{.s = {ENDED, .oom_kills = 1},
	 .cause = "exit",
	 .summary = "successfully",
	 .more = "for want of it"},
	{.s = {ENDED, .exit_code = 2, .pids_max_hits = 3},
	 .pids = 10,
	 .cause = "pids-limit",
	 .summary = "its limit of 10 processes",
	 .more = "pids: limit 10, 3 forks refused"},
	{.s = {ENDED, .exit_code = 0, .throttled_periods = 2, .throttled_ns = 2 * S},
	 .cause = "exit",
	 .summary = "successfully",
	 .more = "cpu: held back in 2 periods, 2.0 s in all"},
	{.s = {ENDED, .exit_code = 137, .exit_signal = SIGKILL, .monitor_lost = true},
	 .cause = "monitor-lost",
	 .summary = "its monitor died"},
	{.s = {ENDED, .exit_code = 255, .monitor_lost = true, .host_restarted = true},
	 .policy = no_policy,
	 .cause = "host-restarted",
	 .summary = "ended with the host",
	 .more = "--restart always"},
	{.s = {.status = CONTAINER_REMOVING}, .cause = "removing", .summary = "is being removed"},
};

static bool one_holds(const struct strv *list, const char *part)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strstr(list->items[i], part))
			return true;
	}
	return false;
}

static void names_each_cause(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct container c = {.state = r->s, .created_ns = NOW - S};
		const struct why_facts facts = {
			.c = &c, .now_ns = NOW, .stopped_by_user = r->stopped};
		auto_why struct why why;

		c.config.memory_bytes = r->memory;
		c.config.pids_limit = r->pids;
		c.config.restart_policy = (char *)r->policy;
		why_explain(&facts, &why);
		if (strcmp(why.cause, r->cause) != 0 || !strstr(why.summary, r->summary))
			fail_msg("row %zu: %s: %s", i, why.cause, why.summary);
		if (r->more && !one_holds(&why.hints, r->more) &&
		    !one_holds(&why.evidence, r->more))
			fail_msg("row %zu: nothing says: %s", i, r->more);
	}
}

static void tells_health_and_victim(void **state)
{
	struct container c = {.state = {.status = CONTAINER_RUNNING, .oom_kills = 1, .pid = 1}};
	const struct why_facts facts = {
		.c = &c,
		.now_ns = NOW,
		.victim = {.name = "eater", .pid = 77, .anon_bytes = 1 << 20, .own_limit = false},
		.health = "unhealthy",
		.health_output = "connection refused\nmore",
		.health_failures = 3};
	auto_why struct why why;

	(void)state;
	why_explain(&facts, &why);
	assert_string_equal(why.cause, "unhealthy");
	assert_true(one_holds(&why.evidence, ": \"eater\" (process 77 of the host, 1MiB), because "
					     "the host itself had no memory left"));
	assert_true(one_holds(&why.evidence,
			      "health: unhealthy, 3 failed checks in a row; the last "
			      "said: connection refused"));
	assert_false(one_holds(&why.evidence, "more"));
}

/* Records of a Linux 6.18 with cgroup v1; the second process has chosen a misleading name. */
#define OOM(group, name, pid)                                                                  \
	"6,11133,15079378683,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x," \
	"mems_allowed=0,oom_memcg=/cloche/" group ",task_memcg=/cloche/" group ",task=" name   \
	",pid=" pid ",uid=0"
#define KILL(name, pid)                                                                    \
	"3,11134,15079378703,-;Memory cgroup out of memory: Killed process " pid " (" name \
	") total-vm:31456kB, anon-rss:15616kB, file-rss:1392kB, shmem-rss:0kB, UID:0"

static void reads_the_kernels_log(void **state)
{
	struct oom_victim v = {.pid = 0};

	(void)state;
	assert_false(oom_log_record(OOM("other", "sh", "5"), "mine", 0, &v));
	assert_false(oom_log_record(KILL("sh", "5"), "mine", 0, &v));
	assert_int_equal(v.pid, 0);
	assert_false(oom_log_record("garbage", "mine", 0, &v));
	assert_false(oom_log_record(OOM("mine", "sh", "24204"), "mine", 15079378684, &v));
	assert_int_equal(v.pid, 0);
	assert_false(oom_log_record(OOM("mine", "sh", "24204"), "mine", 15079378683, &v));
	assert_false(oom_log_record(KILL("sh", "24205"), "mine", 0, &v));
	assert_true(oom_log_record(KILL("sh", "24204"), "mine", 0, &v));
	assert_string_equal(v.name, "sh");
	assert_int_equal(v.pid, 24204);
	assert_true(v.own_limit);
	assert_int_equal(v.anon_bytes, 15616 * 1024);
	assert_false(oom_log_record(OOM("mine", "a,pid=1,b", "9"), "mine", 0, &v));
	assert_true(oom_log_record(KILL("a anon-rss:1kB", "9"), "mine", 0, &v));
	assert_string_equal(v.name, "a,pid=1,b");
	assert_int_equal(v.anon_bytes, 15616 * 1024);
	/* A process whose name is that of the group is not in it. */
	v = (struct oom_victim){.pid = 0};
	assert_false(oom_log_record(OOM("other", "mine", "5"), "mine", 0, &v));
	assert_int_equal(v.pid, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_each_cause),
		cmocka_unit_test(tells_health_and_victim),
		cmocka_unit_test(reads_the_kernels_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
