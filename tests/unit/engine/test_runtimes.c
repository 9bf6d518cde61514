/* SPDX-License-Identifier: Apache-2.0 */
/* The runtimes' and control groups' part of daemon.json, and where groups are with either driver. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "engine/cgroup_path.h"
#include "engine/runtime_config.h"
#include "engine/scope.h"

static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static int read_text(struct runtime_config *c, const char *text, struct err *err)
{
	auto_json struct json_object *o = NULL;
	int rc = json_parse(text, strlen(text), "test", &o, err);

	assert_int_equal(rc, 0);
	json_object_object_foreach(o, key, value) {
		bool known;

		rc = runtime_config_apply(c, "F", key, value, &known, err);
		if (rc < 0)
			return rc;
		assert_true(known);
	}
	return runtime_config_check(c, "F", err);
}

static void refuses_what_is_malformed(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"{\"runtimes\":[]}", "F: runtimes must be an object"},
		{"{\"runtimes\":{\"cloche\":{\"path\":\"/x\"}}}",
		 "F: runtime name 'cloche' is reserved"},
		{"{\"runtimes\":{\"a\":\"/x\"}}", "F: runtime a: must be an object"},
		{"{\"runtimes\":{\"a\":{}}}",
		 "F: runtime a: either a runtimeType or a path must be configured"},
		{"{\"runtimes\":{\"a\":{\"path\":\"x\",\"runtimeType\":\"y\"}}}",
		 "F: runtime a: cannot specify both runtimeType and path for a runtime"},
		{"{\"runtimes\":{\"a\":{\"path\":1}}}", "F: runtime a: path must be a string"},
		{"{\"runtimes\":{\"a\":{\"path\":\"x\",\"runtimeArgs\":[1]}}}",
		 "F: runtime a: runtimeArgs must be a list of strings"},
		{"{\"runtimes\":{\"a\":{\"path\":\"x\",\"runtimeArgs\":\"y\"}}}",
		 "F: runtime a: runtimeArgs must be a list of strings"},
		{"{\"runtimes\":{\"a\":{\"path\":\"x\",\"args\":[]}}}",
		 "F: runtime a: unknown key \"args\""},
		{"{\"runtimes\":{\"a/b\":{\"path\":\"x\"}}}",
		 "F: runtime a/b: a name must not be empty or have a '/'"},
		{"{\"default-runtime\":1}", "F: default-runtime must be a string"},
		{"{\"default-runtime\":\"x\"}", "F: specified default runtime 'x' does not exist"},
		{"{\"exec-opts\":\"x\"}", "F: exec-opts must be a list of strings"},
		{"{\"exec-opts\":[1]}", "F: exec-opts must be a list of strings"},
		{"{\"exec-opts\":[\"x\"]}", "F: exec-opts: unable to parse key/value option: x"},
		{"{\"exec-opts\":[\"x=y\"]}", "F: exec-opts: unknown option x=y"},
		{"{\"exec-opts\":[\"native.cgroupdriver=x\"]}",
		 "F: native.cgroupdriver option x is internally not supported (systemd, cgroupfs)"},
		{"{\"exec-opts\":[\"native.scopeprefix=a-b\"]}",
		 "F: native.scopeprefix must be 1 to 64 letters, digits or '_'"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct runtime_config c = {0};
		struct err err = ERR_INIT;

		if (read_text(&c, cases[i].text, &err) == 0)
			fail_msg("accepted: %s", cases[i].text);
		assert_string_equal(err.msg, cases[i].message);
		assert_int_equal(err.kind, ERR_USAGE);
		runtime_config_free(&c);
	}
}

static void finds_by_name_and_path(void **state)
{
	static const char text[] =
		"{\"runtimes\":{\"sh\":{\"path\":\"sh\",\"runtimeArgs\":[\"--a\",\"b\"]},"
		"\"gone\":{\"path\":\"/nonexistent/x\"},\"dir\":{\"path\":\"/tmp\"},"
		"\"kata\":{\"runtimeType\":\"io.containerd.kata.v2\"}},\"default-runtime\":\"sh\"}";
	static const struct {
		const char *name, *path, *message;
		enum err_kind kind;
	} cases[] = {
		{NULL, NULL, NULL, ERR_NONE},
		{"cloche", NULL, NULL, ERR_NONE},
		{"cloche-runtime", NULL, NULL, ERR_NONE},
		{"/bin/sh", "/bin/sh", NULL, ERR_NONE},
		{"nope", NULL, "unknown or invalid runtime name: nope", ERR_INVALID},
		{"bin/sh", NULL, "unknown or invalid runtime name: bin/sh", ERR_INVALID},
		{"gone", NULL, "fork/exec /nonexistent/x: no such file or directory",
		 ERR_NO_COMMAND},
		{"dir", NULL, "fork/exec /tmp: permission denied", ERR_NO_EXEC},
		{"kata", NULL,
		 "runtime kata: io.containerd.kata.v2 is a shim of containerd; only programs given "
		 "by \"path\" can be used",
		 ERR_UNSUPPORTED},
	};
	struct runtime_config c = {0};
	struct foreign_runtime r;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(read_text(&c, text, &err), 0);
	assert_string_equal(runtime_config_default(&c), "sh");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int rc = runtime_config_find(&c, cases[i].name, &r, &err);

		assert_int_equal(rc < 0, cases[i].message != NULL);
		if (rc < 0) {
			assert_string_equal(err.msg, cases[i].message);
			assert_int_equal(err.kind, cases[i].kind);
		}
		if (cases[i].path)
			assert_string_equal(r.path, cases[i].path);
		else
			assert_null(r.path);
		foreign_runtime_free(&r);
	}
	assert_int_equal(runtime_config_find(&c, "sh", &r, &err), 0);
	assert_int_equal(r.path[0], '/');
	assert_int_equal(r.args.count, 2);
	assert_string_equal(r.args.items[1], "b");
	foreign_runtime_free(&r);
	runtime_config_free(&c);
}

static void expands_slices(void **state)
{
	static const struct {
		const char *slice, *path; /* NULL: refused */
	} cases[] = {
		{"system.slice", "/system.slice"},
		{"a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice"},
		{"-.slice", ""},
		{"system", NULL},
		{".slice", NULL},
		{"/system.slice", NULL},
		{"a--b.slice", NULL},
		{"-a.slice", NULL},
		{"a-.slice", NULL},
		{"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char out[CGROUP_PATH_MAX];
		struct err err = ERR_INIT;
		int rc = systemd_expand_slice(cases[i].slice, out, sizeof(out), &err);

		if (cases[i].path ? rc < 0 : rc == 0)
			fail_msg("%s: %s", cases[i].slice, rc < 0 ? err.msg : out);
		if (rc == 0)
			assert_string_equal(out, cases[i].path);
	}
}

static void expect_path(const struct engine *e, const char *parent, const char *wanted,
			const char *oci)
{
	char out[CGROUP_PATH_MAX], expected[CGROUP_PATH_MAX];
	struct err err = ERR_INIT;

	assert_int_equal(engine_cgroup_path(e, parent, id, out, sizeof(out), &err), 0);
	snprintf(expected, sizeof(expected), "%s%s%s", wanted, id,
		 e->runtimes.systemd ? ".scope" : "");
	assert_string_equal(out, expected);
	assert_int_equal(engine_oci_cgroup_path(e, parent, id, out, sizeof(out), &err), 0);
	snprintf(expected, sizeof(expected), "%s%s", oci, id);
	assert_string_equal(out, expected);
}

static void names_groups_by_driver(void **state)
{
	struct engine *e = calloc(1, sizeof(*e));
	struct err err = ERR_INIT;
	char out[CGROUP_PATH_MAX], found[ID_LEN + 1], name[UNIT_NAME_MAX];

	(void)state;
	assert_int_equal(engine_set_cgroup_parent(e, NULL, &err), 0);
	expect_path(e, NULL, "/cloche/", "/cloche/");
	expect_path(e, "docker", "/docker/", "/docker/");
	assert_true(engine_cgroup_id(e, id, found));
	assert_false(engine_cgroup_id(e, "system.slice", found));
	e->runtimes.systemd = true;
	assert_int_equal(engine_set_cgroup_parent(e, NULL, &err), 0);
	expect_path(e, "", "/system.slice/cloche-", "system.slice:cloche:");
	e->runtimes.scope_prefix = xstrdup("docker");
	expect_path(e, "a-b.slice", "/a.slice/a-b.slice/docker-", "a-b.slice:docker:");
	engine_scope_name(e, id, name);
	assert_true(engine_cgroup_id(e, name, found));
	assert_string_equal(found, id);
	assert_false(engine_cgroup_id(e, id, found));
	assert_false(engine_cgroup_id(e, "docker-0123.scope", found));
	assert_true(engine_cgroup_path(e, "/cloche", id, out, sizeof(out), &err) < 0);
	assert_string_equal(err.msg,
			    "cgroup-parent for systemd cgroup should be a valid slice named "
			    "as \"xxx.slice\", not \"/cloche\"");
	runtime_config_free(&e->runtimes);
	free(e);
}

static void says_limits_as_properties(void **state)
{
	static const struct {
		int64_t memory, swap, nano_cpus, quota, period, shares, pids;
		bool v2;
		const char *words;
	} cases[] = {
		{0, 0, 0, 0, 0, 0, 0, true, "TasksMax=infinity"},
		{268435456, 0, 500000000, 0, 0, 512, 50, true,
		 "CPUQuotaPerSecUSec=500000 CPUQuotaPeriodUSec=100000 CPUWeight=20 "
		 "MemoryMax=268435456 MemorySwapMax=268435456 TasksMax=50"},
		{1024, -1, 0, 12345, 50000, 0, -1, true,
		 "CPUQuotaPerSecUSec=250000 CPUQuotaPeriodUSec=50000 MemoryMax=1024 "
		 "MemorySwapMax=infinity TasksMax=infinity"},
		{1024, 4096, 0, -1, 0, 512, 7, true,
		 "CPUWeight=20 MemoryMax=1024 MemorySwapMax=3072 TasksMax=7"},
		{1024, 4096, 10000000, 0, 0, 512, 7, false,
		 "CPUQuotaPerSecUSec=10000 CPUShares=512 MemoryLimit=1024 TasksMax=7"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct container_config c;
		struct strv words = {0};
		struct strbuf text = {0};

		container_config_init(&c);
		c.memory_bytes = cases[i].memory;
		c.memory_swap_bytes = cases[i].swap;
		c.nano_cpus = cases[i].nano_cpus;
		c.cpu_quota_us = cases[i].quota;
		c.cpu_period_us = cases[i].period;
		c.cpu_shares = cases[i].shares;
		c.pids_limit = cases[i].pids;
		scope_add_limits(&c, cases[i].v2, &words);
		for (size_t n = 0; n < words.count; n++)
			strbuf_printf(&text, "%s%s", n ? " " : "", words.items[n]);
		assert_string_equal(strbuf_str(&text), cases[i].words);
		strbuf_free(&text);
		strv_free(&words);
		container_config_free(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_is_malformed),
		cmocka_unit_test(finds_by_name_and_path),
		cmocka_unit_test(expands_slices),
		cmocka_unit_test(names_groups_by_driver),
		cmocka_unit_test(says_limits_as_properties),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
