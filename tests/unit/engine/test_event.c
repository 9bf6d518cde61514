/* SPDX-License-Identifier: Apache-2.0 */
/* The journal: what is written is read once and in order, through rotations, by many; and filters. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "engine/event.h"
#include "engine/event_journal.h"
#include "engine/event_read.h"
#include "engine_fixture.h"

static const char *text_at(struct json_object *o, const char *a, const char *b, const char *c)
{
	o = json_object_object_get(o, a);
	o = b ? json_object_object_get(o, b) : o;
	o = c ? json_object_object_get(o, c) : o;
	return json_object_get_string(o);
}

static void open_reader(struct fixture *f, struct event_reader **r, uint64_t since, uint64_t until)
{
	const struct event_query q = {.since_ns = since, .until_ns = until};
	struct err err = ERR_INIT;

	if (event_reader_open(&f->e, &q, r, &err) < 0)
		fail_msg("open: %s", err.msg);
}

static int next(struct event_reader *r, struct json_object **o)
{
	struct err err = ERR_INIT;
	int rc = event_reader_next(r, o, &err);

	if (rc < 0)
		fail_msg("next: %s", err.msg);
	return rc;
}

static void test_shape(void **state)
{
	struct fixture *f = *state;
	auto_container struct container c;
	auto_json struct json_object *o = NULL;
	struct event_reader *r;
	auto_free char *expected = NULL;
	struct json_object *when;

	container_init(&c);
	fixture_id(c.id, "ab");
	c.name = xstrdup("x");
	c.config.image = xstrdup("bb");
	strv_add(&c.config.labels, "zone=a\"b");
	strv_add(&c.config.labels, "name=hidden");
	event_container(&f->e, &c, "die", "exitCode", "4");
	open_reader(f, &r, 1, clock_wall_ns());
	assert_int_equal(next(r, &o), EVENT_ONE);
	when = json_object_object_get(o, "timeNano");
	expected = xasprintf(
		"{\"status\":\"die\",\"id\":\"%s\",\"from\":\"bb\",\"Type\":\"container\","
		"\"Action\":\"die\",\"Actor\":{\"ID\":\"%s\",\"Attributes\":{\"exitCode\":\"4\","
		"\"image\":\"bb\",\"name\":\"x\",\"zone\":\"a\\\"b\"}},\"scope\":\"local\","
		"\"time\":%lld,\"timeNano\":%lld}",
		c.id, c.id, (long long)(json_object_get_int64(when) / 1000000000),
		(long long)json_object_get_int64(when));
	assert_string_equal(json_text(o), expected);
	json_object_put(o);
	o = NULL;
	while (next(r, &o) == EVENT_NONE)
		;
	assert_null(o);
	event_reader_close(r);
}

static void test_live_and_past(void **state)
{
	struct fixture *f = *state;
	struct event_reader *live, *past;
	struct json_object *o = NULL;
	struct err err = ERR_INIT;

	event_emit(&f->e, "volume", "create", "before", NULL, 0);
	open_reader(f, &live, 0, 0);
	assert_int_equal(next(live, &o), EVENT_NONE);
	event_emit(&f->e, "volume", "create", "after", NULL, 0);
	assert_int_equal(event_reader_wait(live, &err), 0);
	assert_int_equal(next(live, &o), EVENT_ONE);
	assert_string_equal(text_at(o, "Actor", "ID", NULL), "after");
	json_object_put(o);
	assert_int_equal(next(live, &o), EVENT_NONE);
	open_reader(f, &past, 1, 0);
	assert_int_equal(next(past, &o), EVENT_ONE);
	assert_string_equal(text_at(o, "Actor", "ID", NULL), "before");
	json_object_put(o);
	event_reader_close(past);
	event_reader_close(live);
}

/* A line that a full disk cut short costs itself and nothing else. */
static void test_torn_line(void **state)
{
	struct fixture *f = *state;
	auto_close int fd = openat(f->e.run_fd, EVENT_JOURNAL, O_WRONLY | O_CREAT | O_APPEND, 0600);
	static const char torn[] = "{\"status\":\"die\",\"id\":\"{\\\"Type\\\"";
	struct event_reader *r;
	struct json_object *o = NULL;

	assert_int_equal(write(fd, torn, sizeof(torn) - 1), sizeof(torn) - 1);
	event_emit(&f->e, "volume", "create", "whole", NULL, 0);
	open_reader(f, &r, 1, 0);
	assert_int_equal(next(r, &o), EVENT_ONE);
	assert_string_equal(text_at(o, "Actor", "ID", NULL), "whole");
	json_object_put(o);
	assert_int_equal(next(r, &o), EVENT_NONE);
	event_reader_close(r);
}

#define WRITERS 3
#define EVENTS 2500
#define PADDING 2000 /* bytes: all of them together are three journals and a half */
/* How far a writer may be ahead of the reader: who falls behind by two journals has lost one. */
#define AHEAD 500

/* One writer's events, numbered; for each that the reader has read a byte comes from paces. */
static void write_many(struct fixture *f, int writer, int paces)
{
	char padding[PADDING + 1], number[32], id[8];
	struct engine e;
	struct err err;

	memset(padding, 'p', PADDING);
	padding[PADDING] = '\0';
	if (engine_open(&e, f->e.root, f->e.run_root, &err) < 0)
		_exit(1);
	snprintf(id, sizeof(id), "w%d", writer);
	for (int i = 0; i < EVENTS; i++) {
		if (i >= AHEAD && read(paces, &(char){0}, 1) != 1)
			_exit(2);
		snprintf(number, sizeof(number), "%d", i);
		event_emit(&e, "volume", "create", id,
			   (struct event_attribute[]){{"n", number}, {"padding", padding}}, 2);
	}
	engine_close(&e);
	_exit(0);
}

/* Readers keep up with three writers through all rotations, and no event is lost, doubled or late. */
static void test_rotation(void **state)
{
	struct fixture *f = *state;
	struct event_reader *r;
	struct json_object *o = NULL;
	struct err err = ERR_INIT;
	int expected[WRITERS] = {0}, total = 0;
	pid_t pids[WRITERS];
	int paces[WRITERS][2];

	open_reader(f, &r, 0, 0);
	for (int w = 0; w < WRITERS; w++) {
		assert_int_equal(pipe2(paces[w], O_CLOEXEC), 0);
		pids[w] = fork();
		if (pids[w] == 0)
			write_many(f, w, paces[w][0]);
	}
	while (total < WRITERS * EVENTS) {
		int w, rc = next(r, &o);

		if (rc == EVENT_NONE) {
			assert_int_equal(event_reader_wait(r, &err), 0);
			continue;
		}
		w = text_at(o, "Actor", "ID", NULL)[1] - '0';
		assert_int_equal(atoi(text_at(o, "Actor", "Attributes", "n")), expected[w]);
		expected[w]++;
		total++;
		json_object_put(o);
		assert_int_equal(write(paces[w][1], "", 1), 1);
	}
	for (int w = 0; w < WRITERS; w++) {
		int status;

		close(paces[w][0]);
		close(paces[w][1]);

		assert_int_equal(waitpid(pids[w], &status, 0), pids[w]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(next(r, &o), EVENT_NONE);
	event_reader_close(r);
	/* Bounded: the journal and one old one. */
	for (int i = 0; i < 2; i++) {
		struct stat st;

		assert_int_equal(fstatat(f->e.run_fd,
					 i ? EVENT_JOURNAL EVENT_OLD_SUFFIX : EVENT_JOURNAL, &st,
					 0),
				 0);
		if (st.st_size >= EVENT_JOURNAL_MAX_BYTES / 2 * 3)
			fail_msg("journal %d: %lld bytes", i, (long long)st.st_size);
	}
}

static void test_filters(void **state)
{
	static const char die[] =
		"{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"abcdef\","
		"\"Attributes\":{\"image\":\"reg:5000/bb:v1\",\"name\":\"web\",\"tier\":\"a\","
		"\"zone\":\"\"}},\"scope\":\"local\"}";
	static const char exec[] =
		"{\"Type\":\"container\",\"Action\":\"exec_start: sh -c ls\",\"Actor\":{\"ID\":\"abcdef\","
		"\"Attributes\":{\"name\":\"web\"}},\"scope\":\"local\"}";
	static const char tag[] =
		"{\"Type\":\"image\",\"Action\":\"tag\",\"Actor\":{\"ID\":\"sha256:12\","
		"\"Attributes\":{\"name\":\"bb:v1\"}},\"scope\":\"local\"}";
	static const struct {
		const char *event, *filters[4];
		bool matches;
	} rows[] = {
		{die, {NULL}, true},
		{die, {"type=container"}, true},
		{die, {"type=image"}, false},
		{die, {"type=image", "type=container"}, true},
		{die, {"event=die"}, true},
		{die, {"event=di"}, false},
		{die, {"event=start"}, false},
		{exec, {"event=exec_start"}, true},
		{exec, {"event=exec_start: sh -c ls"}, true},
		{exec, {"event=exec"}, false},
		{die, {"container=web"}, true},
		{die, {"container=abc"}, true},
		{die, {"container=bcd"}, false},
		{die, {"image=reg:5000/bb"}, true},
		{die, {"image=reg:5000/bb:v1"}, true},
		{die, {"image=reg"}, false},
		{tag, {"image=bb"}, true},
		{tag, {"image=sha256:12"}, true},
		{tag, {"image=b"}, false},
		{die, {"label=tier=a"}, true},
		{die, {"label=tier=b"}, false},
		{die, {"label=tier=a", "label=zone"}, true},
		{die, {"label=tier=a", "label=nope"}, false},
		{die, {"scope=local"}, true},
		{die, {"scope=swarm"}, false},
		{die, {"type=container", "event=start"}, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		auto_json struct json_object *o = json_tokener_parse(rows[i].event);
		auto_strv struct strv filters = {0};

		for (size_t k = 0; k < 4 && rows[i].filters[k]; k++)
			strv_add(&filters, rows[i].filters[k]);
		if (event_matches(o, &filters) != rows[i].matches)
			fail_msg("row %zu: %s", i, rows[i].filters[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_shape, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_live_and_past, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_torn_line, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_rotation, fixture_setup, fixture_teardown),
		cmocka_unit_test(test_filters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
