/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <json-c/json_pointer.h>

#include "base/json.h"
#include "engine/info.h"
#include "engine/inspect.h"
#include "engine_fixture.h"

/* docker-compat.md: the order of GET /containers/{id}/json. */
static const char *const members[] = {
	"Id",
	"Created",
	"Path",
	"Args",
	"State",
	"Image",
	"ResolvConfPath",
	"HostnamePath",
	"HostsPath",
	"LogPath",
	"Name",
	"RestartCount",
	"Driver",
	"Platform",
	"MountLabel",
	"ProcessLabel",
	"AppArmorProfile",
	"ExecIDs",
	"HostConfig",
	"GraphDriver",
	"Mounts",
	"Config",
	"NetworkSettings",
	"Cloche",
};

static const char *text_at(struct json_object *o, const char *path)
{
	struct json_object *v;

	if (json_pointer_get(o, path, &v) < 0)
		fail_msg("no %s", path);
	return json_text(v);
}

static void fill(struct container *c)
{
	struct mount_request *m;

	container_init(c);
	fixture_id(c->id, "abc");
	c->name = xstrdup("web");
	c->persistent = true;
	c->created_ns = 1700000000123456789u;
	strv_add(&c->argv, "sh");
	strv_add(&c->argv, "-c");
	c->lower = xstrdup("l/TOP:l/LOW");
	c->image_id = xstrdup("sha256:1");
	c->config.log_driver = xstrdup("json-file");
	c->config.network_mode = xstrdup("none");
	m = container_config_add_mount(&c->config);
	m->kind = MOUNT_KIND_BIND;
	m->source = xstrdup("/tmp");
	m->target = xstrdup("/host");
	m->mode = xstrdup("ro");
	m->read_only = true;
	m = container_config_add_mount(&c->config);
	m->kind = MOUNT_KIND_VOLUME;
	m->target = xstrdup("/data");
	strv_add(&c->volume_paths, "/d/volumes/feed/_data");
	m = container_config_add_mount(&c->config);
	m->kind = MOUNT_KIND_TMPFS;
	m->target = xstrdup("/run");
	m->tmpfs_options = xstrdup("size=1m");
	c->state.status = CONTAINER_EXITED;
	c->state.exit_code = 137;
	c->state.exit_signal = 9;
	c->state.oom_killed = true;
	c->state.oom_kills = 2;
	c->state.started_ns = 1700000001000000000u;
	c->state.error = xstrdup("say \"no\"");
}

static void has_dockers_order(void **state)
{
	struct fixture *f = *state;
	auto_container struct container c;
	auto_json struct json_object *o = NULL;
	struct err err;
	size_t i = 0;

	fill(&c);
	assert_int_equal(container_inspect(&f->e, &c, NULL, &o, &err), 0);
	json_object_object_foreach(o, key, value) {
		(void)value;
		assert_true(i < sizeof(members) / sizeof(members[0]));
		assert_string_equal(key, members[i++]);
	}
	assert_int_equal(i, sizeof(members) / sizeof(members[0]));
}

static void shows_what_it_knows(void **state)
{
	static const char *const cases[][2] = {
		{"/Created", "\"2023-11-14T22:13:20.123456789Z\""},
		{"/Name", "\"/web\""},
		{"/Args", "[\"-c\"]"},
		{"/State/Status", "\"exited\""},
		{"/State/Running", "false"},
		{"/State/OOMKilled", "true"},
		{"/State/ExitCode", "137"},
		{"/State/Error", "\"say \\\"no\\\"\""},
		{"/State/StartedAt", "\"2023-11-14T22:13:21Z\""},
		{"/State/FinishedAt", "\"0001-01-01T00:00:00Z\""},
		{"/ExecIDs", "null"},
		{"/HostConfig/Binds", "[\"/tmp:/host:ro\"]"},
		{"/HostConfig/Tmpfs", "{\"/run\":\"size=1m\"}"},
		{"/HostConfig/PidsLimit", "null"},
		{"/HostConfig/MemorySwappiness", "null"},
		{"/HostConfig/PortBindings", "{}"},
		{"/Config/Volumes", "{\"/data\":{}}"},
		{"/Config/Cmd", "null"},
		{"/Config/Entrypoint", "null"},
		{"/Config/Labels", "{}"},
		{"/Mounts/0",
		 "{\"Type\":\"bind\",\"Source\":\"/tmp\",\"Destination\":\"/host\",\"Mode\":"
		 "\"ro\",\"RW\":false,\"Propagation\":\"rprivate\"}"},
		{"/Mounts/1",
		 "{\"Type\":\"volume\",\"Name\":\"feed\",\"Source\":"
		 "\"/d/volumes/feed/_data\",\"Destination\":\"/data\",\"Driver\":\"local\","
		 "\"Mode\":\"\",\"RW\":true,\"Propagation\":\"\"}"},
		{"/NetworkSettings/Networks/none/EndpointID", "\"\""},
		{"/Cloche/OomKills", "2"},
		{"/Cloche/ExitSignal", "9"},
	};
	struct fixture *f = *state;
	auto_container struct container c;
	auto_json struct json_object *o = NULL;
	struct json_object *mounts;
	struct err err;

	fill(&c);
	assert_int_equal(container_inspect(&f->e, &c, NULL, &o, &err), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(text_at(o, cases[i][0]), cases[i][1]);
	assert_int_equal(json_get_array(o, "Mounts", &mounts), 0);
	assert_int_equal(json_object_array_length(mounts), 2);
}

static void names_the_layers(void **state)
{
	struct fixture *f = *state;
	auto_container struct container c;
	auto_json struct json_object *o = NULL;
	auto_free char *lower = NULL, *upper = NULL;
	struct err err;

	assert_int_equal(symlinkat("../cache1/diff", f->e.root_fd, "overlay2/l/TOP"), 0);
	fill(&c);
	assert_int_equal(container_inspect(&f->e, &c, NULL, &o, &err), 0);
	lower = xasprintf("\"%s/overlay2/cache1/diff:%s/overlay2/l/LOW\"", f->e.root, f->e.root);
	assert_string_equal(text_at(o, "/GraphDriver/Data/LowerDir"), lower);
	upper = xasprintf("\"%s/overlay2/%s/diff\"", f->e.root, c.id);
	assert_string_equal(text_at(o, "/GraphDriver/Data/UpperDir"), upper);
}

static void names_the_user_of_an_image(void **state)
{
	struct fixture *f = *state;
	auto_container struct container c;
	struct err err;
	char id[65] = "";
	bool running = true;
	auto_close int dir = -1;

	fill(&c);
	assert_int_equal(engine_image_user(&f->e, "sha256:1", id, &running, &err), 0);
	assert_int_equal(file_mkdir_all_at(f->e.root_fd, "containers/x", 0700), 0);
	fixture_container(f, "abc", "web", 1, true);
	{
		auto_free char *path = xasprintf("containers/%s", c.id);

		dir = openat(f->e.root_fd, path, O_RDONLY | O_DIRECTORY);
		assert_int_equal(container_record_write(&c, dir, false, &err), 0);
	}
	assert_int_equal(engine_image_user(&f->e, "sha256:1", id, &running, &err), 1);
	assert_string_equal(id, c.id);
	assert_false(running);
	assert_int_equal(engine_image_user(&f->e, "sha256:2", id, &running, &err), 0);
}

static void knows_its_host(void **state)
{
	struct fixture *f = *state;
	struct engine_info info;
	struct err err;
	char text[256];

	fixture_container(f, "1", "web", 1, true);
	fixture_container(f, "2", "db", 1, false);
	if (engine_info(&f->e, &info, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(info.containers, 2);
	assert_int_equal(info.stopped, 2);
	assert_int_equal(info.images, 0);
	assert_true(file_read_small_at(AT_FDCWD, "/proc/sys/kernel/osrelease", text, sizeof(text)) >
		    0);
	assert_memory_equal(info.kernel_version, text, strlen(text) - 1);
	assert_true(info.cpus >= 1);
	assert_true(info.memory_bytes > 16 << 20);
	assert_true(info.supports_d_type);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(has_dockers_order, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(shows_what_it_knows, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(names_the_layers, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(names_the_user_of_an_image, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(knows_its_host, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
