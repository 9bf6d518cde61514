/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "observe/timeline/timeline.h"

#define MAIN_NS 1000000000ULL

/* A start whose child was waiting when it was released; every time is in us after main. */
static void set(struct timeline_stamps *s, enum timeline_point point, unsigned us)
{
	s->point_ns[point] = MAIN_NS + us * 1000ULL;
}

static struct timeline_op op_of(enum plan_phase phase, const char *label, unsigned us)
{
	return (struct timeline_op){phase, strdup(label), MAIN_NS + us * 1000ULL};
}

static struct timeline_stamps usual_start(void)
{
	struct timeline_stamps s = {.ops = calloc(8, sizeof(*s.ops)), .op_count = 7};

	set(&s, POINT_CLI_MAIN, 0);
	set(&s, POINT_CLI_PARSED, 50);
	set(&s, POINT_CLI_PREPARED, 150);
	set(&s, POINT_CLI_SPAWNED, 300);
	set(&s, POINT_CLI_RESOLVED, 500);
	set(&s, POINT_CLI_RECORDED, 900);
	set(&s, POINT_CLI_CGROUP, 1300);
	set(&s, POINT_CLI_PLANNED, 1500);
	set(&s, POINT_CLI_RELEASED, 1510);
	set(&s, POINT_MONITOR_MAIN, 280); /* before posix_spawn returned */
	set(&s, POINT_CHILD_MAIN, 1250);
	set(&s, POINT_MONITOR_CLONED, 1240);
	set(&s, POINT_MONITOR_MOVED, 1400);
	set(&s, POINT_CHILD_RELEASED, 1530);
	s.ops[0] = op_of(PHASE_CGROUP, "join /sys/fs/cgroup/cpu/x/tasks", 1560);
	s.ops[1] = op_of(PHASE_CGROUP, "join /sys/fs/cgroup/pids/x/tasks", 1590);
	s.ops[2] = op_of(PHASE_MOUNT, "mount / (overlay)", 1890);
	s.ops[3] = op_of(PHASE_MOUNT, "mount /proc", 1920);
	s.ops[4] = op_of(PHASE_NETWORK, "loopback up", 2020);
	s.ops[5] = op_of(PHASE_SECURITY, "load seccomp filter", 2080);
	s.ops[6] = (struct timeline_op){PHASE_EXEC, strdup("execve true"), 0};
	set(&s, POINT_MONITOR_EXEC, 2300);
	set(&s, POINT_CLI_STARTED, 2310);
	set(&s, POINT_MONITOR_EXITED, 2900);
	set(&s, POINT_MONITOR_RECORDED, 2950);
	set(&s, POINT_MONITOR_ANSWERED, 2960);
	set(&s, POINT_CLI_EXIT, 2980);
	set(&s, POINT_CLI_END, 3000);
	set(&s, POINT_MONITOR_CLEANED, 3500);
	return s;
}

static uint64_t sum(const struct timeline_list *l)
{
	uint64_t total = 0;

	for (size_t i = 0; i < l->count; i++)
		total += l->items[i].duration_ns;
	return total;
}

static const struct timeline_entry *find(const struct timeline_list *l, const char *what)
{
	for (size_t i = 0; i < l->count; i++) {
		if (strcmp(l->items[i].what, what) == 0)
			return &l->items[i];
	}
	return NULL;
}

static struct timeline compute(const struct timeline_stamps *s)
{
	struct err err = ERR_INIT;
	struct timeline t;

	assert_int_equal(timeline_compute(s, &t, &err), 0);
	return t;
}

static void phases_sum_to_the_time_from_main_to_the_last_stamp(void **state)
{
	auto_stamps struct timeline_stamps s = usual_start();
	auto_timeline struct timeline t = compute(&s);
	uint64_t phases = 0;

	(void)state;
	for (int p = 0; p < TIMELINE_PHASES; p++)
		phases += t.phase_ns[p];
	assert_int_equal(t.total_ns, 3000000);
	assert_int_equal(phases, 3000000);
	assert_int_equal(sum(&t.path), 3000000);
	for (size_t i = 1; i < t.path.count; i++)
		assert_int_equal(t.path.items[i].start_ns,
				 t.path.items[i - 1].start_ns + t.path.items[i - 1].duration_ns);
	assert_int_equal(t.to_exec_ns, 2300000);
}

static void the_command_line_is_the_path_when_the_child_waited(void **state)
{
	auto_stamps struct timeline_stamps s = usual_start();
	auto_timeline struct timeline t = compute(&s);

	(void)state;
	assert_int_equal(t.phase_ns[PHASE_RESOLVE], 200000);
	assert_int_equal(t.phase_ns[PHASE_RECORD], 100000 + 400000);
	assert_int_equal(t.phase_ns[PHASE_CGROUP], 400000 + 30000 + 30000);
	assert_int_equal(t.phase_ns[PHASE_NAMESPACES], 20000); /* waking alone */
	assert_int_equal(t.phase_ns[PHASE_MOUNT], 330000);
	assert_int_equal(t.phase_ns[PHASE_NETWORK], 100000);
	assert_int_equal(t.phase_ns[PHASE_SECURITY], 60000);
	assert_int_equal(t.phase_ns[PHASE_EXEC], 220000);
	assert_int_equal(t.phase_ns[PHASE_RUN], 600000);
	assert_int_equal(t.phase_ns[PHASE_EXIT], 100000);
	assert_int_equal(t.phase_ns[PHASE_CLEANUP], 0);
	assert_null(find(&t.path, "clone the child with its namespaces"));
	assert_int_equal(find(&t.parallel, "clone the child with its namespaces")->duration_ns,
			 970000);
	assert_int_equal(find(&t.parallel, "leave the caller's cgroups")->duration_ns, 160000);
	assert_int_equal(find(&t.parallel, "remove cgroups and directories")->duration_ns, 540000);
}

static void the_monitor_is_the_path_when_the_child_came_late(void **state)
{
	auto_stamps struct timeline_stamps s = usual_start();

	(void)state;
	set(&s, POINT_CHILD_MAIN, 1522);
	{
		auto_timeline struct timeline t = compute(&s);

		assert_int_equal(t.total_ns, 3000000);
		assert_int_equal(sum(&t.path), 3000000);
		/* from the command line's spawn at 300 to the child at 1522, then 8 us of waking */
		assert_int_equal(t.phase_ns[PHASE_NAMESPACES], 1222000 + 8000);
		assert_int_equal(t.phase_ns[PHASE_RESOLVE], 0);
		assert_int_equal(find(&t.parallel, "write record, directories, files")->duration_ns,
				 400000);
		assert_int_equal(
			find(&t.parallel, "find the image, merge configurations")->start_ns,
			300000);
	}
}

/* The child goes on as soon as the network stands; what the monitor did for that lies beside the wait,
 * wherever it began. */
static void the_wait_for_the_network_is_on_the_path_and_its_making_beside(void **state)
{
	auto_stamps struct timeline_stamps s = usual_start();

	(void)state;
	set(&s, POINT_CLI_NETWORK, 1100);
	set(&s, POINT_MONITOR_NETWORK, 1410);
	set(&s, POINT_MONITOR_LINKED, 1810);
	set(&s, POINT_MONITOR_RULED, 1910);
	set(&s, POINT_MONITOR_CONNECTED, 2010);
	free(s.ops[4].label);
	s.ops[4].label = strdup("wait for the network");
	{
		auto_timeline struct timeline t = compute(&s);

		assert_int_equal(t.total_ns, 3000000);
		assert_int_equal(sum(&t.path), 3000000);
		assert_int_equal(find(&t.path, "take addresses and ports")->duration_ns, 200000);
		assert_int_equal(find(&t.path, "wait for the network")->duration_ns, 100000);
		assert_int_equal(t.phase_ns[PHASE_NETWORK], 300000);
		assert_int_equal(find(&t.parallel, "make the network devices")->duration_ns,
				 400000);
		assert_int_equal(find(&t.parallel, "publish the ports")->duration_ns, 100000);
		assert_int_equal(find(&t.parallel, "set addresses and routes")->start_ns, 1910000);
	}
}

/* The monitor stamps that it has answered after it has; by then the command may have ended. */
static void what_the_monitor_does_after_the_end_is_not_waited_for(void **state)
{
	auto_stamps struct timeline_stamps s = usual_start();

	(void)state;
	set(&s, POINT_MONITOR_ANSWERED, 3100);
	{
		auto_timeline struct timeline t = compute(&s);

		assert_int_equal(t.total_ns, 3000000);
		assert_int_equal(sum(&t.path), 3000000);
		assert_int_equal(t.phase_ns[PHASE_EXIT], 100000);
		assert_int_equal(find(&t.parallel, "remove cgroups and directories")->duration_ns,
				 400000);
	}
}

static void a_delay_is_charged_to_its_own_operation(void **state)
{
	auto_stamps struct timeline_stamps s = usual_start();
	auto_timeline struct timeline before = compute(&s);

	(void)state;
	for (size_t i = 3; i < 6; i++)
		s.ops[i].end_ns += 5000000;
	for (int p = POINT_MONITOR_EXEC; p <= POINT_MONITOR_CLEANED; p++)
		s.point_ns[p] += 5000000;
	for (int p = POINT_CLI_STARTED; p <= POINT_CLI_END; p++)
		s.point_ns[p] += 5000000;
	{
		auto_timeline struct timeline after = compute(&s);

		assert_int_equal(after.total_ns, before.total_ns + 5000000);
		for (int p = 0; p < TIMELINE_PHASES; p++)
			assert_int_equal(after.phase_ns[p] - before.phase_ns[p],
					 p == PHASE_MOUNT ? 5000000 : 0);
		assert_int_equal(find(&after.path, "mount /proc")->duration_ns, 5030000);
	}
}

static void a_record_without_the_command_ends_with_the_removal(void **state)
{
	auto_stamps struct timeline_stamps s = usual_start();

	(void)state;
	s.point_ns[POINT_CLI_EXIT] = 0;
	s.point_ns[POINT_CLI_END] = 0;
	{
		auto_timeline struct timeline t = compute(&s);

		assert_int_equal(t.total_ns, 3500000);
		assert_int_equal(t.phase_ns[PHASE_CLEANUP], 540000);
		assert_int_equal(sum(&t.path), 3500000);
	}
}

static void a_failed_start_is_billed_up_to_where_it_came(void **state)
{
	auto_stamps struct timeline_stamps s = usual_start();

	(void)state;
	for (size_t i = 3; i < s.op_count; i++)
		s.ops[i].end_ns = 0;
	for (int p = 0; p < POINT_COUNT; p++) {
		if (s.point_ns[p] > MAIN_NS + 1890000)
			s.point_ns[p] = 0;
	}
	{
		auto_timeline struct timeline t = compute(&s);

		assert_int_equal(t.total_ns, 1890000);
		assert_int_equal(t.to_exec_ns, 0);
	}
}

static void nothing_recorded_is_an_error(void **state)
{
	struct timeline_stamps s = {.op_count = 0};
	struct err err = ERR_INIT;
	struct timeline t;

	(void)state;
	assert_true(timeline_compute(&s, &t, &err) < 0);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void text_fits_and_names_every_phase(void **state)
{
	static const char *const wanted[] = {"resolve",
					     "record",
					     "cgroup",
					     "namespaces",
					     "mount",
					     "network",
					     "security",
					     "exec",
					     "run",
					     "exit",
					     "total",
					     "mount /proc",
					     "join /sys/fs/cgroup/cpu/x/... and 1 more",
					     "In parallel",
					     "wall 3.400 ms",
					     "0.400"};
	auto_stamps struct timeline_stamps s = usual_start();
	auto_strbuf struct strbuf out = {0};
	auto_timeline struct timeline t = {0};
	size_t width = 0;

	(void)state;
	free(s.ops[4].label);
	s.ops[4].label =
		strdup("mount /a/very/long/path/with/an/\033[31mescape/that/goes/on/and/on/and/on");
	t = compute(&s);
	t.wall_ns = 3400000;
	timeline_text(&t, "web", NULL, &out);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (!strstr(out.data, wanted[i]))
			fail_msg("'%s' is not in:\n%s", wanted[i], out.data);
	}
	assert_null(strchr(out.data, '\033'));
	for (const char *c = out.data; *c; c++) {
		width = *c == '\n' ? 0 : width + 1;
		assert_true(width <= 100);
	}
}

/* The shape that the monitor writes. */
static struct json_object *recorded_points(int points, const char *ops)
{
	auto_strbuf struct strbuf b = {0};
	struct json_object *o;
	struct err err = ERR_INIT;

	strbuf_puts(&b, "{\"SchemaVersion\":1,\"Points\":[");
	for (int i = 0; i < points; i++)
		strbuf_printf(&b, "%s%d", i ? "," : "", i + 1);
	strbuf_printf(&b, "],\"Ops\":%s}", ops);
	assert_int_equal(json_parse(b.data, b.len, "test", &o, &err), 0);
	return o;
}

static struct json_object *recorded(const char *ops)
{
	return recorded_points(POINT_COUNT, ops);
}

static void decodes_what_the_monitor_writes(void **state)
{
	auto_json struct json_object *o =
		recorded("[[3,2,77,\"join x\"],[12,4,18446744073709,\"mount \\\"q\\\"\"]]");
	auto_stamps struct timeline_stamps s = {0};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(timeline_stamps_decode(o, "timeline.json", &s, &err), 0);
	assert_int_equal(s.point_ns[POINT_CLI_MAIN], 1);
	assert_int_equal(s.point_ns[POINT_CHILD_RELEASED], POINT_CHILD_RELEASED + 1);
	assert_int_equal(s.point_ns[POINT_MONITOR_CONNECTED], POINT_MONITOR_CONNECTED + 1);
	assert_int_equal(s.op_count, 2);
	assert_int_equal(s.ops[0].phase, PHASE_CGROUP);
	assert_int_equal(s.ops[1].end_ns, 18446744073709ULL);
	assert_string_equal(s.ops[1].label, "mount \"q\"");
}

/* What an earlier version stored is of a start without a network. */
static void decodes_fewer_points_and_refuses_more(void **state)
{
	static const int counts[] = {POINT_CHILD_RELEASED + 1, POINT_CHILD_RELEASED,
				     POINT_COUNT + 1};
	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		auto_json struct json_object *o = recorded_points(counts[i], "[]");
		auto_stamps struct timeline_stamps s = {0};
		struct err err = ERR_INIT;

		if (i == 0) {
			assert_int_equal(timeline_stamps_decode(o, "timeline.json", &s, &err), 0);
			assert_int_equal(s.point_ns[POINT_MONITOR_NETWORK], 0);
			continue;
		}
		assert_true(timeline_stamps_decode(o, "timeline.json", &s, &err) < 0);
		assert_int_equal(err.kind, ERR_CORRUPT);
	}
}

static void refuses_damaged_records(void **state)
{
	static const char *const bad[] = {
		"[[3,2,77]]", "[[3,99,77,\"x\"]]",   "[[3,2,-1,\"x\"]]", "[[3,2,77,4]]", "[7]",
		"{}",         "[[3,2,\"77\",\"x\"]]"};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		auto_json struct json_object *o = recorded(bad[i]);
		struct timeline_stamps s;
		struct err err = ERR_INIT;

		if (timeline_stamps_decode(o, "timeline.json", &s, &err) == 0)
			fail_msg("accepted %s", bad[i]);
		assert_int_equal(err.kind, ERR_CORRUPT);
	}
}

static void refuses_another_schema_version(void **state)
{
	static const char text[] = "{\"SchemaVersion\":2,\"Points\":[],\"Ops\":[]}";
	struct json_object *o;
	struct timeline_stamps s;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(json_parse(text, strlen(text), "test", &o, &err), 0);
	assert_true(timeline_stamps_decode(o, "timeline.json", &s, &err) < 0);
	assert_int_equal(err.kind, ERR_UNSUPPORTED);
	json_object_put(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(phases_sum_to_the_time_from_main_to_the_last_stamp),
		cmocka_unit_test(the_command_line_is_the_path_when_the_child_waited),
		cmocka_unit_test(the_monitor_is_the_path_when_the_child_came_late),
		cmocka_unit_test(the_wait_for_the_network_is_on_the_path_and_its_making_beside),
		cmocka_unit_test(what_the_monitor_does_after_the_end_is_not_waited_for),
		cmocka_unit_test(a_delay_is_charged_to_its_own_operation),
		cmocka_unit_test(a_record_without_the_command_ends_with_the_removal),
		cmocka_unit_test(a_failed_start_is_billed_up_to_where_it_came),
		cmocka_unit_test(nothing_recorded_is_an_error),
		cmocka_unit_test(text_fits_and_names_every_phase),
		cmocka_unit_test(decodes_what_the_monitor_writes),
		cmocka_unit_test(decodes_fewer_points_and_refuses_more),
		cmocka_unit_test(refuses_damaged_records),
		cmocka_unit_test(refuses_another_schema_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
