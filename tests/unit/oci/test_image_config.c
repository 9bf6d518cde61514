/* SPDX-License-Identifier: Apache-2.0 */
/* Image configurations decode whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/str.h"
#include "oci/image_config.h"

static int decode(const char *text, struct oci_image_config *c, struct err *err)
{
	*err = ERR_INIT;
	return oci_image_config_decode(text, strlen(text), "config", c, err);
}

static void test_everything_decodes(void **state)
{
	auto_image_config struct oci_image_config c = {0};
	struct err err;

	(void)state;
	assert_int_equal(
		decode("{\"architecture\":\"arm64\",\"variant\":\"v8\",\"os\":\"linux\",\"author\":\"me\","
		       "\"created\":\"2020-09-13T12:26:40.5Z\",\"config\":{\"User\":\"1:2\","
		       "\"WorkingDir\":\"/w\",\"StopSignal\":\"SIGINT\",\"Env\":[\"A=b\",\"C=\"],"
		       "\"Entrypoint\":[\"/e\"],\"Cmd\":[],\"Shell\":[\"/bin/bash\",\"-c\"],"
		       "\"Volumes\":{\"/v\":{},\"/a\":{}},\"ExposedPorts\":{\"80/tcp\":{}},"
		       "\"Labels\":{\"k\":\"v=w\",\"n\":null},\"OnBuild\":null,"
		       "\"Healthcheck\":{\"Test\":[\"CMD\",\"x\"],\"Interval\":5000000000,\"Retries\":3}},"
		       "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:1\",\"sha256:2\"]},"
		       "\"history\":[{\"created\":\"2020-09-13T12:26:40Z\",\"created_by\":\"step\"},"
		       "{\"empty_layer\":true,\"comment\":\"c\"}],\"unknown\":[1]}",
		       &c, &err),
		0);
	assert_string_equal(c.architecture, "arm64");
	assert_string_equal(c.variant, "v8");
	assert_string_equal(c.author, "me");
	assert_int_equal(c.created_ns, 1600000000500000000);
	assert_string_equal(c.user, "1:2");
	assert_string_equal(c.working_dir, "/w");
	assert_string_equal(c.stop_signal, "SIGINT");
	assert_int_equal(c.env.count, 2);
	assert_string_equal(c.env.items[1], "C=");
	assert_true(c.entrypoint_set);
	assert_string_equal(c.entrypoint.items[0], "/e");
	assert_true(c.cmd_set);
	assert_int_equal(c.cmd.count, 0);
	assert_string_equal(c.shell.items[1], "-c");
	assert_string_equal(c.volumes.items[1], "/a");
	assert_string_equal(c.exposed_ports.items[0], "80/tcp");
	assert_string_equal(c.labels.items[0], "k=v=w");
	assert_string_equal(c.labels.items[1], "n=");
	assert_true(c.healthcheck.present);
	assert_int_equal(c.healthcheck.interval_ns, 5000000000);
	assert_int_equal(c.healthcheck.retries, 3);
	assert_string_equal(c.diff_ids.items[1], "sha256:2");
	assert_int_equal(c.history_count, 2);
	assert_string_equal(c.history[0].created_by, "step");
	assert_false(c.history[0].empty_layer);
	assert_true(c.history[1].empty_layer);
	assert_string_equal(c.history[1].comment, "c");
}

static void test_least_document(void **state)
{
	auto_image_config struct oci_image_config c = {0};
	struct err err;

	(void)state;
	assert_int_equal(decode("{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":null,"
				"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":null}}",
				&c, &err),
			 0);
	assert_null(c.user);
	assert_false(c.cmd_set);
	assert_false(c.healthcheck.present);
	assert_int_equal(c.created_ns, 0);
	assert_int_equal(c.diff_ids.count, 0);
}

#define WITH(more)                                                                                        \
	"{\"architecture\":\"a\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}," more \
	"}"

static void test_bad_documents_are_refused(void **state)
{
	static const struct {
		const char *text, *message;
		enum err_kind kind;
	} cases[] = {
		{"", "config: invalid JSON: ", ERR_INVALID},
		{"{} x", "config: invalid JSON: ", ERR_INVALID},
		{"[]", "config: not a JSON object", ERR_INVALID},
		{"null", "config: not a JSON object", ERR_INVALID},
		{"{\"architecture\":\"a\",\"rootfs\":{}}", "config: \"os\" is missing",
		 ERR_INVALID},
		{"{\"os\":\"linux\"}", "config: \"architecture\" is missing", ERR_INVALID},
		{"{\"os\":\"linux\",\"architecture\":5}",
		 "config: \"architecture\" has the wrong type", ERR_INVALID},
		{"{\"os\":\"linux\",\"architecture\":\"a\"}", "config: it has no \"rootfs\"",
		 ERR_INVALID},
		{"{\"os\":\"linux\",\"architecture\":\"a\",\"rootfs\":{\"type\":\"x\",\"diff_ids\":[]}}",
		 "config: rootfs type \"x\" is not supported", ERR_UNSUPPORTED},
		{WITH("\"created\":\"yesterday\""), "config: \"created\" is not a time",
		 ERR_INVALID},
		{WITH("\"config\":[]"), "config: \"config\" has the wrong type", ERR_INVALID},
		{WITH("\"config\":{\"Env\":\"A=b\"}"), "config: \"Env\" has the wrong type",
		 ERR_INVALID},
		{WITH("\"config\":{\"Cmd\":[1]}"), "config: \"Cmd\" has the wrong type",
		 ERR_INVALID},
		{WITH("\"config\":{\"Cmd\":[\"a\\u0000b\"]}"), "config: \"Cmd\" has the wrong type",
		 ERR_INVALID},
		{WITH("\"config\":{\"Labels\":{\"a\":1}}"), "config: \"Labels\" has the wrong type",
		 ERR_INVALID},
		{WITH("\"config\":{\"Volumes\":[\"/v\"]}"),
		 "config: \"Volumes\" has the wrong type", ERR_INVALID},
		{WITH("\"config\":{\"Healthcheck\":{\"Retries\":\"3\"}}"),
		 "config: \"Retries\" has the wrong type", ERR_INVALID},
		{WITH("\"history\":[1]"), "config: \"history\" has the wrong type", ERR_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct oci_image_config c;
		struct err err;

		if (decode(cases[i].text, &c, &err) == 0)
			print_error("accepted: %s\n", cases[i].text);
		if (!str_starts(err.msg, cases[i].message))
			print_error("%s\n  gives %s\n  expected %s\n", cases[i].text, err.msg,
				    cases[i].message);
		assert_int_equal(err.kind, cases[i].kind);
		assert_true(str_starts(err.msg, cases[i].message));
		/* nothing of it was kept */
		assert_null(c.document);
		assert_null(c.os);
	}
}

static void test_depth_is_bounded(void **state)
{
	char text[1000];
	struct oci_image_config c;
	struct err err;

	(void)state;
	memset(text, '[', sizeof(text));
	err = ERR_INIT;
	assert_int_not_equal(oci_image_config_decode(text, sizeof(text), "config", &c, &err), 0);
	assert_string_equal(err.msg, "config: invalid JSON: nesting too deep");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_decodes),
		cmocka_unit_test(test_least_document),
		cmocka_unit_test(test_bad_documents_are_refused),
		cmocka_unit_test(test_depth_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
