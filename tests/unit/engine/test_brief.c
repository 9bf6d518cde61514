/* SPDX-License-Identifier: Apache-2.0 */
/* Briefs say what the record says, and whatever is not a whole brief is left to the record's reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/file.h>

#include "engine/brief.h"
#include "engine/internal.h"
#include "engine_fixture.h"

#define HEAD "beef"

static void fill(struct container *c)
{
	struct mount_request *m;

	container_init(c);
	fixture_id(c->id, HEAD);
	c->name = xstrdup("web");
	c->created_ns = 1700000000123456789u;
	c->persistent = true;
	c->image_id = xstrdup("sha256:12");
	c->config.image = xstrdup("bb:1");
	c->config.network_mode = xstrdup("host");
	c->config.log_driver = xstrdup("none");
	strv_add(&c->argv, "sh");
	strv_add(&c->argv, "a \"b\" \\ \n\t\x01 \xc3\xa9 \xff]");
	strv_add(&c->config.cmd, "sh");
	strv_add(&c->config.labels, "a=1,2");
	strv_add(&c->config.labels, "b=");
	strv_add(&c->config.exposed_ports, "80/tcp");
	strv_add(&c->config.health.test, "CMD");
	strv_add(&c->volume_paths, "/d/volumes/feed/_data");
	m = container_config_add_mount(&c->config);
	m->kind = MOUNT_KIND_VOLUME;
	m->target = xstrdup("/data");
	m = container_config_add_mount(&c->config);
	m->kind = MOUNT_KIND_BIND;
	m->source = xstrdup("/src");
	m->target = xstrdup("/dst");
	c->config.publish_all = true;
	container_config_add_endpoint(&c->config)->network = xstrdup("net");
	c->stop_signal = xstrdup("SIGTERM");
}

static void render(const struct container *c, struct strbuf *out)
{
	struct json_writer w = {.out = out};

	json_write_begin(&w, NULL, '{');
	brief_write(&w, BRIEF_KEY, c);
	json_write_i64(&w, "More", 1);
	json_write_end(&w, '}');
}

static void check_same(const struct container *a, const struct container *b)
{
	assert_string_equal(a->id, b->id);
	assert_string_equal(a->name, b->name);
	assert_true(a->created_ns == b->created_ns);
	assert_string_equal(a->image_id, b->image_id);
	assert_string_equal(a->config.image, b->config.image);
	assert_null(b->config.rootfs);
	assert_string_equal(a->config.network_mode, b->config.network_mode);
	assert_int_equal(a->argv.count, b->argv.count);
	assert_string_equal(b->argv.items[1], "a \"b\" \\ \n\t\x01 \xc3\xa9 \xef\xbf\xbd]");
	assert_int_equal(b->config.labels.count, 2);
	assert_string_equal(b->config.labels.items[0], "a=1,2");
	assert_string_equal(b->config.exposed_ports.items[0], "80/tcp");
	assert_string_equal(b->config.health.test.items[0], "CMD");
	assert_string_equal(b->volume_paths.items[0], "/d/volumes/feed/_data");
	assert_int_equal(b->config.mount_count, 2);
	assert_int_equal(b->config.mounts[0].kind, MOUNT_KIND_VOLUME);
	assert_null(b->config.mounts[0].source);
	assert_string_equal(b->config.mounts[1].source, "/src");
	assert_string_equal(b->config.mounts[1].target, "/dst");
	assert_true(b->config.publish_all);
	assert_int_equal(b->config.endpoint_count, 1);
	assert_string_equal(b->config.endpoints[0].network, "net");
}

static void reads_what_it_writes(void **state)
{
	auto_container struct container a, b;
	auto_strbuf struct strbuf text = {0};

	(void)state;
	fill(&a);
	container_init(&b);
	render(&a, &text);
	assert_int_equal(brief_read(text.data, text.len, &b), 0);
	check_same(&a, &b);
}

/* Cut anywhere, or with any byte changed, it is no brief or one that can be freed. */
static void survives_damage(void **state)
{
	auto_container struct container a;
	auto_strbuf struct strbuf text = {0};
	size_t whole;

	(void)state;
	fill(&a);
	render(&a, &text);
	whole = text.len - strlen(",\"More\":1}");
	for (size_t n = 0; n < whole; n++) {
		auto_container struct container b;
		auto_free char *part = malloc(n + 1);

		memcpy(part, text.data, n);
		container_init(&b);
		assert_int_equal(brief_read(part, n, &b), -ENOENT);
	}
	for (size_t n = 0; n < whole; n++) {
		static const char others[] = "\"\\,]9u\0";

		for (size_t i = 0; i < sizeof(others); i++) {
			auto_container struct container b;
			auto_free char *changed = malloc(text.len);

			memcpy(changed, text.data, text.len);
			changed[n] = others[i];
			container_init(&b);
			if (brief_read(changed, text.len, &b) == 0)
				assert_non_null(b.name);
		}
	}
}

static int make_record(struct fixture *f, const struct container *c)
{
	char path[128];
	struct err err;
	int dir;

	snprintf(path, sizeof(path), "containers/%s", c->id);
	mkdirat(f->e.root_fd, path, 0700);
	dir = openat(f->e.root_fd, path, O_RDONLY | O_DIRECTORY);
	assert_true(dir >= 0);
	assert_int_equal(container_record_write(c, dir, false, &err), 0);
	return dir;
}

static void lists_from_records(void **state)
{
	struct fixture *f = *state;
	auto_container struct container c;
	auto_close int dir = -1;
	struct container *list;
	struct err err;
	size_t count;

	fill(&c);
	dir = make_record(f, &c);
	assert_int_equal(container_list_brief(&f->e, &list, &count, &err), 0);
	assert_int_equal(count, 1);
	check_same(&c, &list[0]);
	assert_true(list[0].persistent);
	assert_int_equal(list[0].state.status, CONTAINER_CREATED);
	container_list_free(list, count);
	/* A rename writes the record anew. */
	free(c.name);
	c.name = xstrdup("db");
	assert_int_equal(container_record_write(&c, dir, false, &err), 0);
	assert_int_equal(container_list_brief(&f->e, &list, &count, &err), 0);
	assert_string_equal(list[0].name, "db");
	container_list_free(list, count);
	/* What has been half removed is none. */
	assert_int_equal(unlinkat(dir, RECORD_FILE, 0), 0);
	assert_int_equal(container_list_brief(&f->e, &list, &count, &err), 0);
	assert_int_equal(count, 0);
	container_list_free(list, count);
}

/* A record of before there were briefs. */
static void reads_records_without_one(void **state)
{
	struct fixture *f = *state;
	auto_container struct container c;
	auto_close int dir = -1;
	auto_free char *text = NULL, *changed = NULL;
	struct container *list;
	struct err err;
	size_t count, len;
	char *end;

	fill(&c);
	dir = make_record(f, &c);
	assert_int_equal(file_read_at(dir, RECORD_FILE, 65536, &text, &len), 0);
	end = strstr(text, "\"SchemaVersion\"");
	assert_non_null(end);
	changed = xasprintf("{%s", end);
	assert_int_equal(
		file_replace_at(dir, RECORD_FILE, changed, strlen(changed), 0600, FILE_VOLATILE),
		0);
	assert_int_equal(container_list_brief(&f->e, &list, &count, &err), 0);
	assert_int_equal(count, 1);
	check_same(&c, &list[0]);
	container_list_free(list, count);
}

#define RUNNING                                                                                \
	"{\"SchemaVersion\":1,\"Status\":\"running\",\"Pid\":42,\"MonitorPid\":41,"            \
	"\"StartedNs\":7,\"FinishedNs\":0,\"ExitCode\":0,\"ExitSignal\":0,\"OomKilled\":true," \
	"\"Error\":\"\\\"Pid\\\":9\"}\n"

static void reads_states(void **state)
{
	struct container_state s = {.status = CONTAINER_CREATED};
	auto_free char *cut = xstrdup(RUNNING);

	(void)state;
	assert_int_equal(brief_read_state(RUNNING, strlen(RUNNING), &s), 0);
	assert_int_equal(s.status, CONTAINER_RUNNING);
	assert_int_equal(s.pid, 42);
	assert_int_equal(s.monitor_pid, 41);
	assert_true(s.started_ns == 7);
	for (size_t n = strlen(RUNNING) - 1; n > 0; n--) {
		cut[n] = '\0';
		assert_int_equal(brief_read_state(cut, n, &s), -EINVAL);
	}
}

/* Runs while somebody holds the lock, is paused beside the mark, and lost without a monitor. */
static void goes_by_the_lock(void **state)
{
	struct fixture *f = *state;
	auto_container struct container c;
	auto_close int dir = -1, lock = -1, mark = -1;
	char path[160];
	struct container *list;
	struct err err;
	size_t count;

	fill(&c);
	dir = make_record(f, &c);
	fixture_state(f, HEAD, RUNNING);
	snprintf(path, sizeof(path), "containers/%s/lock", c.id);
	lock = openat(f->e.run_fd, path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_int_equal(container_list_brief(&f->e, &list, &count, &err), 0);
	assert_int_equal(list[0].state.status, CONTAINER_RUNNING);
	assert_int_equal(list[0].state.pid, 42);
	assert_int_equal(list[0].state.health, CONTAINER_HEALTH_STARTING);
	container_list_free(list, count);
	snprintf(path, sizeof(path), "containers/%s/paused", c.id);
	mark = openat(f->e.run_fd, path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(container_list_brief(&f->e, &list, &count, &err), 0);
	assert_int_equal(list[0].state.status, CONTAINER_PAUSED);
	container_list_free(list, count);
	close(take_fd(&lock));
	assert_int_equal(container_list_brief(&f->e, &list, &count, &err), 0);
	assert_int_equal(list[0].state.status, CONTAINER_EXITED);
	assert_int_equal(list[0].state.exit_code, 137);
	container_list_free(list, count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_it_writes),
		cmocka_unit_test(survives_damage),
		cmocka_unit_test(reads_states),
		cmocka_unit_test_setup_teardown(lists_from_records, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(reads_records_without_one, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(goes_by_the_lock, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
