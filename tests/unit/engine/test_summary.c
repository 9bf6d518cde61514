/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a list, and which containers pass its filters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/str.h"
#include "engine/summary.h"

#define S UINT64_C(1000000000)
#define NOW (1000000 * S)

static void test_status(void **state)
{
	static const struct {
		enum container_status status;
		int code;
		uint64_t started_ns, finished_ns;
		const char *text;
	} rows[] = {
		{CONTAINER_CREATED, 0, 0, 0, "Created"},
		{CONTAINER_RUNNING, 0, NOW - 180 * S, 0, "Up 3 minutes"},
		{CONTAINER_RUNNING, 0, NOW + S, 0, "Up Less than a second"},
		{CONTAINER_PAUSED, 0, NOW - 60 * S, 0, "Up About a minute (Paused)"},
		{CONTAINER_EXITED, 137, NOW - 99 * S, NOW - 5 * S, "Exited (137) 5 seconds ago"},
		{CONTAINER_RESTARTING, 1, 0, NOW - 3600 * S, "Restarting (1) About an hour ago"},
		{CONTAINER_REMOVING, 0, 0, 0, "Removal In Progress"},
		{CONTAINER_DEAD, 0, 0, 0, "Dead"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct container c = {.state = {.status = rows[i].status,
						.exit_code = rows[i].code,
						.started_ns = rows[i].started_ns,
						.finished_ns = rows[i].finished_ns}};
		auto_strbuf struct strbuf out = {0};

		container_status_line(&c, NOW, &out);
		assert_string_equal(strbuf_str(&out), rows[i].text);
	}
}

static void test_command(void **state)
{
	auto_container struct container c;
	auto_strbuf struct strbuf out = {0};

	(void)state;
	container_init(&c);
	strv_add(&c.argv, "/bin/a b");
	strv_add(&c.argv, "-c");
	strv_add(&c.argv, "echo x");
	container_command_line(&c, &out);
	assert_string_equal(strbuf_str(&out), "/bin/a b -c 'echo x'");
}

static struct container *make_list(size_t *count)
{
	struct container *list = xcalloc(3, sizeof(*list));

	for (int i = 0; i < 3; i++) {
		container_init(&list[i]);
		memset(list[i].id, "abc"[i], ID_LEN);
	}
	list[0].name = xstrdup("web-1");
	list[0].state.status = CONTAINER_RUNNING;
	list[0].config.image = xstrdup("bb:latest");
	list[0].config.network_mode = xstrdup("host");
	list[0].state.health = CONTAINER_HEALTH_HEALTHY;
	strv_add(&list[0].config.exposed_ports, "80/tcp");
	strv_add(&list[0].config.labels, "tier=front");
	strv_add(&list[0].config.labels, "x=1");
	list[1].name = xstrdup("web-2");
	list[1].state.status = CONTAINER_EXITED;
	list[1].state.exit_code = 3;
	list[1].config.image = xstrdup("bb");
	list[1].image_id = xstrdup("sha256:1234567890abcdef");
	strv_add(&list[1].config.labels, "tier=back");
	container_config_add_mount(&list[1].config)->target = xstrdup("/data");
	list[1].config.mounts[0].kind = MOUNT_KIND_VOLUME;
	strv_add(&list[1].volume_paths, "/d/volumes/feed/_data");
	strv_add(&list[1].config.publish, "127.0.0.1:8080:80");
	list[2].name = xstrdup("db");
	list[2].state.status = CONTAINER_CREATED;
	list[2].config.image = xstrdup("other:1");
	for (int i = 1; i < 3; i++)
		container_config_add_endpoint(&list[i].config)->network = xstrdup("bridge");
	*count = 3;
	return list;
}

/* Names of what passes the blank-separated filters, joined by commas. */
static void check(const char *filters, bool all, const char *expected)
{
	auto_strbuf struct strbuf names = {0};
	auto_strv struct strv list_of = {0};
	auto_free char *text = xstrdup(filters);
	char *rest = text, *word;
	struct err err = ERR_INIT;
	size_t count;
	struct container *list = make_list(&count);

	while ((word = strsep(&rest, " ")) != NULL) {
		if (*word)
			strv_add(&list_of, word);
	}
	if (container_filter(NULL, &list_of, all, list, &count, &err) < 0)
		strbuf_printf(&names, "! %s", err.msg);
	else
		for (size_t i = 0; i < count; i++)
			strbuf_printf(&names, "%s%s", i ? "," : "", list[i].name);
	container_list_free(list, count);
	if (!str_eq(strbuf_str(&names), expected))
		fail_msg("%s: %s, not %s", filters, strbuf_str(&names), expected);
}

static void test_filters(void **state)
{
	(void)state;
	check("", false, "web-1");
	check("", true, "web-1,web-2,db");
	check("name=web", true, "web-1,web-2");
	check("name=^/web-1$", true, "web-1");
	check("name=2 name=db", true, "web-2,db");
	check("name=web label=tier", true, "web-1,web-2");
	check("label=tier=front label=x=1", true, "web-1");
	check("label=tier=front label=x=2", true, "");
	check("label!=tier=front", true, "web-2,db");
	check("status=exited", false, "web-2");
	check("status=exited status=created", false, "web-2,db");
	check("status=nosuch", false, "! invalid filter 'status=nosuch'");
	check("exited=3", false, "");
	check("exited=3", true, "web-2");
	check("exited=x", false, "! strconv.Atoi: parsing \"x\": invalid syntax");
	check("id=bb", true, "web-2");
	check("ancestor=bb", true, "web-1,web-2");
	check("ancestor=bb:latest", true, "web-1,web-2");
	check("ancestor=123456", true, "web-2");
	check("ancestor=other", true, "");
	check("volume=/data", true, "web-2");
	check("network=host", true, "web-1");
	/* The default. */
	check("network=bridge", true, "web-2,db");
	check("network=none", true, "");
	check("volume=feed", true, "web-2");
	check("health=healthy", true, "web-1");
	check("health=none", true, "web-2,db");
	check("health=ill", true, "! Unrecognised filter value for health: ill");
	check("is-task=false", true, "web-1,web-2,db");
	check("is-task=true", true, "");
	check("is-task=maybe", true, "! invalid filter 'is-task=[maybe]'");
	check("isolation=default", false, "web-1");
	check("isolation=hyperv", true, "web-1,web-2,db");
	check("expose=80", true, "web-1");
	check("expose=79-81/tcp", true, "web-1");
	check("expose=80/udp", true, "");
	check("publish=80", true, "");
	check("publish=8080", true, "");
	check("publish=1:2", true, "! filter for 'publish' should not contain ':': 1:2");
	check("expose=x", true,
	      "! error while looking up for expose x: strconv.ParseUint: parsing \"x\": invalid "
	      "syntax");
	check("name=(", true, "! invalid filter: ( is no regular expression");
	check("foo=bar", true, "! invalid filter 'foo'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_filters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
