/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "observe/subject/bundle.h"
#include "observe/subject/interrupt.h"
#include "observe/subject/subject_internal.h"

static struct subject engine = {.ops = &subject_docker,
				.name = (char *)"docker",
				.program = (char *)"/usr/bin/docker",
				.image = (char *)"image",
				.prefix = (char *)"run-1-",
				.helper = (char *)"/opt/helper",
				.mount_namespace = -1};

/* The words, joined by blanks. */
static char *joined(const struct strv *v)
{
	struct strbuf out = {0};

	for (size_t i = 0; i < v->count; i++)
		strbuf_printf(&out, "%s%s", i ? " " : "", v->items[i]);
	return strbuf_take(&out);
}

static void expect_run(const struct container_spec *spec, const char *expected)
{
	auto_strv struct strv words = {0};
	auto_free char *line = NULL;
	struct err err = ERR_INIT;

	engine.sequence = 6;
	assert_int_equal(subject_run_command(&engine, spec, &words, &err), 0);
	line = joined(&words);
	assert_string_equal(line, expected);
}

/* ---- command lines ---- */

static void a_container_is_private_unless_said(void **state)
{
	(void)state;
	expect_run(
		&(struct container_spec){.argv = (const char *const[]){"true", NULL}},
		"/usr/bin/docker run --rm --pull never --name run-1-7 --network none image true");
}

static void the_helper_is_bound_where_it_runs(void **state)
{
	(void)state;
	expect_run(&(struct container_spec){.name = "a"},
		   "/usr/bin/docker run --rm --pull never -i --name run-1-a --network none "
		   "-v /opt/helper:/.cloche-helper:ro --entrypoint /.cloche-helper image serve");
	expect_run(&(struct container_spec){.name = "a",
					    .helper_argv = (const char *const[]){"now", NULL}},
		   "/usr/bin/docker run --rm --pull never --name run-1-a --network none "
		   "-v /opt/helper:/.cloche-helper:ro --entrypoint /.cloche-helper image now");
}

static void wishes_become_flags(void **state)
{
	const struct subject_mount mounts[] = {
		{SUBJECT_BIND, "/etc", "/x", true},
		{SUBJECT_VOLUME, "data", "/v", false},
		{SUBJECT_TMPFS, NULL, "/t", false},
	};

	(void)state;
	expect_run(&(struct container_spec){.name = "a",
					    .argv = (const char *const[]){"sh", NULL},
					    .network = "bridge",
					    .pid = "container:b",
					    .ipc = "host",
					    .publish = (const char *const[]){"80:80", NULL},
					    .mounts = mounts,
					    .mount_count = 3,
					    .memory_bytes = 64u << 20,
					    .cpus = 0.37,
					    .cpu_shares = 512,
					    .pids_limit = 9,
					    .cap_drop = (const char *const[]){"ALL", NULL},
					    .read_only = true,
					    .no_new_privileges = true,
					    .user = "7"},
		   "/usr/bin/docker run --rm --pull never --name run-1-a --network bridge "
		   "--pid container:run-1-b --ipc host -p 80:80 -v /etc:/x:ro -v run-1-data:/v "
		   "--tmpfs /t --memory 67108864 --memory-swap 67108864 --cpus 0.370 "
		   "--cpu-shares 512 --pids-limit 9 --cap-drop ALL --read-only "
		   "--security-opt no-new-privileges --user 7 image sh");
}

static void the_host_runs_the_helper_itself(void **state)
{
	const char *const words[] = {SUBJECT_HELPER_PATH, "true", NULL};
	struct subject host = engine;
	auto_strv struct strv run = {0};
	auto_strv struct strv exec = {0};
	auto_free char *a = NULL;
	auto_free char *b = NULL;
	struct err err = ERR_INIT;

	(void)state;
	host.ops = &subject_host;
	assert_int_equal(
		subject_run_command(&host, &(struct container_spec){.name = "a"}, &run, &err), 0);
	assert_int_equal(subject_exec_command(&host, "a", words, &exec, &err), 0);
	a = joined(&run);
	b = joined(&exec);
	assert_string_equal(a, "/opt/helper serve");
	assert_string_equal(b, "/opt/helper true");
}

/* ---- bundles ---- */

struct bundle {
	char directory[64];
	struct json_object *config;
};

static void write_bundle(struct bundle *b, const struct container_spec *spec)
{
	struct subject s = engine;
	char path[128];
	struct err err = ERR_INIT;

	strcpy(b->directory, "/tmp/bundle.XXXXXX");
	assert_non_null(mkdtemp(b->directory));
	s.scratch = b->directory;
	assert_int_equal(bundle_write(&s, spec, "run-1-a", b->directory, &err), 0);
	snprintf(path, sizeof(path), "%s/config.json", b->directory);
	assert_int_equal(json_read_at(AT_FDCWD, path, 1u << 20, &b->config, &err), 0);
}

static void free_bundle(struct bundle *b)
{
	json_object_put(b->config);
	assert_int_equal(remove_tree_at(AT_FDCWD, b->directory), 0);
}

static struct json_object *member(struct json_object *o, const char *a, const char *b,
				  const char *c)
{
	const char *const keys[] = {a, b, c};

	for (size_t i = 0; i < 3 && keys[i]; i++)
		assert_true(json_object_object_get_ex(o, keys[i], &o));
	return o;
}

static void a_bundle_has_limits_and_namespaces(void **state)
{
	struct bundle b;
	struct json_object *o;

	(void)state;
	write_bundle(&b,
		     &(struct container_spec){.cpus = 0.37,
					      .memory_bytes = 1 << 20,
					      .network = "host",
					      .cap_drop = (const char *const[]){"NET_RAW", NULL}});
	o = member(b.config, "linux", "resources", "cpu");
	assert_int_equal(json_object_get_int64(member(o, "quota", NULL, NULL)), 37000);
	o = member(b.config, "linux", "resources", "memory");
	assert_int_equal(json_object_get_int64(member(o, "limit", NULL, NULL)), 1 << 20);
	/* mount, uts, ipc, pid */
	assert_int_equal(json_object_array_length(member(b.config, "linux", "namespaces", NULL)),
			 4);
	assert_int_equal(
		json_object_array_length(member(b.config, "process", "capabilities", "bounding")),
		13);
	assert_string_equal(json_object_get_string(member(b.config, "linux", "cgroupsPath", NULL)),
			    "/run-1-a");
	free_bundle(&b);
}

static void a_bundle_refuses_what_only_engines_have(void **state)
{
	const struct container_spec refused[] = {
		{.network = "bridge"},
		{.pid = "container:b"},
		{.publish = (const char *const[]){"80:80", NULL}},
	};
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		assert_true(bundle_write(&engine, &refused[i], "a", "/nowhere", &err) < 0);
		assert_int_equal(err.kind, ERR_UNSUPPORTED);
	}
}

/* ---- answers ---- */

static void values_are_found_by_their_whole_key(void **state)
{
	const char *line = "hello pid=12 xpid=3 path=/a%20b%zz empty=";
	auto_free char *path = session_value(line, "path");
	auto_free char *empty = session_value(line, "empty");

	(void)state;
	assert_int_equal((int)session_number(line, "pid", -1), 12);
	assert_int_equal((int)session_number(line, "id", -1), -1);
	assert_int_equal((int)session_number(line, "path", -1), -1);
	assert_string_equal(path, "/a b%zz");
	assert_string_equal(empty, "");
	assert_null(session_value(line, "hell"));
}

/* ---- commands ---- */

static struct strv command(const char *script)
{
	struct strv v = {0};

	strv_add(&v, "/bin/sh");
	strv_add(&v, "-c");
	strv_add(&v, script);
	return v;
}

static void a_command_tells_how_it_went(void **state)
{
	auto_strv struct strv argv = command("echo out; echo err >&2; exit 3");
	auto_command_run struct command_run run = {0};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(command_execute(NULL, &argv, 10000, &run, &err), 0);
	assert_int_equal(run.exit_code, 3);
	assert_string_equal(run.output, "out\n");
	assert_string_equal(run.errors, "err");
	assert_true(run.spawned_ns < run.first_output_ns && run.first_output_ns <= run.ended_ns);
}

static void a_program_that_is_missing_is_an_error(void **state)
{
	auto_strv struct strv argv = {0};
	auto_command_run struct command_run run = {0};
	struct err err = ERR_INIT;

	(void)state;
	strv_add(&argv, "/nowhere/program");
	assert_int_equal(command_execute(NULL, &argv, 1000, &run, &err), -ENOENT);
}

static void what_is_left_behind_is_not_waited_for(void **state)
{
	auto_strv struct strv argv = command("sleep 2 & echo started");
	auto_command_run struct command_run run = {0};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(command_execute(NULL, &argv, 1000, &run, &err), 0);
	assert_string_equal(run.output, "started\n");
}

static void time_that_is_up_is_an_error(void **state)
{
	auto_strv struct strv argv = command("exec sleep 60");
	auto_command_run struct command_run run = {0};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(command_execute(NULL, &argv, 50, &run, &err), -ETIMEDOUT);
}

/* Last: from then on this process is interrupted. */
static void an_interrupt_stays_until_it_is_ignored(void **state)
{
	auto_strv struct strv argv = command("sleep 0.2");
	auto_command_run struct command_run first = {0};
	auto_command_run struct command_run second = {0};
	struct err err = ERR_INIT;

	(void)state;
	interrupt_catch();
	assert_false(interrupt_came());
	raise(SIGINT);
	assert_true(interrupt_came());
	assert_int_equal(command_execute(NULL, &argv, 10000, &first, &err), -EINTR);
	assert_true(interrupt_came());
	/* It was let come to its end. */
	assert_int_equal(first.exit_code, 0);
	interrupt_ignore();
	assert_false(interrupt_came());
	raise(SIGTERM);
	assert_int_equal(command_execute(NULL, &argv, 10000, &second, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_container_is_private_unless_said),
		cmocka_unit_test(the_helper_is_bound_where_it_runs),
		cmocka_unit_test(wishes_become_flags),
		cmocka_unit_test(the_host_runs_the_helper_itself),
		cmocka_unit_test(a_bundle_has_limits_and_namespaces),
		cmocka_unit_test(a_bundle_refuses_what_only_engines_have),
		cmocka_unit_test(values_are_found_by_their_whole_key),
		cmocka_unit_test(a_command_tells_how_it_went),
		cmocka_unit_test(a_program_that_is_missing_is_an_error),
		cmocka_unit_test(what_is_left_behind_is_not_waited_for),
		cmocka_unit_test(time_that_is_up_is_an_error),
		cmocka_unit_test(an_interrupt_stays_until_it_is_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
