/* SPDX-License-Identifier: Apache-2.0 */
/* The state keeps what it was given; hooks and users see the specification's fields and no others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/str.h"
#include "oci/runtime_features.h"
#include "oci/runtime_state.h"

static void fill(struct oci_state *s)
{
	*s = (struct oci_state){.id = xstrdup("c"),
				.pid = 77,
				.status = OCI_STATUS_CREATED,
				.bundle = xstrdup("/b"),
				.rootfs = xstrdup("/b/r"),
				.cgroup_path = xstrdup("/g/c"),
				.created = xstrdup("2026-01-02T03:04:05Z"),
				.owner = xstrdup("root"),
				.pid_start_ticks = UINT64_C(123456789012),
				.own_pid_namespace = true};
	s->annotations = xcalloc(1, sizeof(*s->annotations));
	s->annotations[0] = (struct oci_annotation){xstrdup("k"), xstrdup("v")};
	s->annotation_count = 1;
}

static void test_stored_state_comes_back(void **state)
{
	auto_oci_state struct oci_state s, back = {0};
	auto_free char *text = NULL;
	struct err err = ERR_INIT;

	(void)state;
	fill(&s);
	text = oci_state_encode(&s, OCI_STATE_STORED);
	if (oci_state_parse(text, strlen(text), "state.json", &back, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(back.pid, 77);
	assert_int_equal(back.status, OCI_STATUS_CREATED);
	assert_true(back.pid_start_ticks == s.pid_start_ticks && back.own_pid_namespace);
	assert_string_equal(back.cgroup_path, "/g/c");
	assert_string_equal(back.annotations[0].value, "v");
}

static void test_hooks_see_the_specifications_fields(void **state)
{
	auto_oci_state struct oci_state s;
	auto_free char *text = NULL;
	auto_json struct json_object *o = NULL;
	struct err err = ERR_INIT;
	const char *status;

	(void)state;
	fill(&s);
	text = oci_state_encode(&s, OCI_STATE_FOR_HOOKS);
	assert_null(strchr(text, '\n'));
	assert_int_equal(json_parse(text, strlen(text), "t", &o, &err), 0);
	assert_int_equal(json_object_object_length(o), 6);
	assert_int_equal(json_get_string(o, "status", &status), 0);
	assert_string_equal(status, "created");
}

static void test_damaged_states_are_refused(void **state)
{
	auto_oci_state struct oci_state s;
	auto_free char *text = NULL;
	struct oci_state back;
	struct err err = ERR_INIT;

	(void)state;
	fill(&s);
	text = oci_state_encode(&s, OCI_STATE_STORED);
	for (size_t len = 0; len < strlen(text); len++) {
		assert_true(oci_state_parse(text, len, "state.json", &back, &err) < 0);
		assert_null(back.id);
	}
	*strstr(text, "created") = 'x';
	assert_true(oci_state_parse(text, strlen(text), "state.json", &back, &err) < 0);
}

static void test_features_are_json(void **state)
{
	auto_free char *text = oci_features_encode();
	auto_json struct json_object *o = NULL;
	struct json_object *hooks;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(json_parse(text, strlen(text), "features", &o, &err), 0);
	assert_int_equal(json_get_array(o, "hooks", &hooks), 0);
	assert_int_equal(json_object_array_length(hooks), OCI_HOOK_STAGES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stored_state_comes_back),
		cmocka_unit_test(test_hooks_see_the_specifications_fields),
		cmocka_unit_test(test_damaged_states_are_refused),
		cmocka_unit_test(test_features_are_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
