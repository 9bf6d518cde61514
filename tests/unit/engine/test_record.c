/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "engine_fixture.h"

static struct strv *list_at(struct container *c, size_t i)
{
	struct strv *lists[] = {&c->config.env,
				&c->config.cmd,
				&c->config.entrypoint,
				&c->config.labels,
				&c->config.exposed_ports,
				&c->config.cap_add,
				&c->config.cap_drop,
				&c->config.group_add,
				&c->config.security_opt,
				&c->config.sysctls,
				&c->config.dns,
				&c->config.dns_search,
				&c->config.dns_options,
				&c->config.extra_hosts,
				&c->config.links,
				&c->config.volumes_from,
				&c->config.device_cgroup_rules,
				&c->config.annotations,
				&c->config.publish,
				&c->config.log_options,
				&c->volume_paths};

	return i < sizeof(lists) / sizeof(lists[0]) ? lists[i] : NULL;
}

static char **string_at(struct container *c, size_t i)
{
	char **strings[] = {&c->config.image,
			    &c->config.rootfs,
			    &c->config.hostname,
			    &c->config.domainname,
			    &c->user,
			    &c->working_dir,
			    &c->config.stop_signal,
			    &c->config.network_mode,
			    &c->config.mac_address,
			    &c->config.pid_mode,
			    &c->config.ipc_mode,
			    &c->config.uts_mode,
			    &c->config.cgroupns_mode,
			    &c->config.userns_mode,
			    &c->config.cgroup_parent,
			    &c->config.runtime,
			    &c->config.restart_policy,
			    &c->config.cpuset_cpus,
			    &c->config.cpuset_mems,
			    &c->config.log_driver,
			    &c->config.container_id_file,
			    &c->image_id,
			    &c->stop_signal,
			    &c->lower,
			    &c->name};

	return i < sizeof(strings) / sizeof(strings[0]) ? strings[i] : NULL;
}

static int64_t *integer_at(struct container *c, size_t i)
{
	int64_t *all[] = {&c->config.stop_timeout,
			  &c->config.restart_max_retries,
			  &c->config.memory_bytes,
			  &c->config.memory_swap_bytes,
			  &c->config.memory_reservation_bytes,
			  &c->config.memory_swappiness,
			  &c->config.nano_cpus,
			  &c->config.cpu_period_us,
			  &c->config.cpu_quota_us,
			  &c->config.cpu_shares,
			  &c->config.pids_limit,
			  &c->config.blkio_weight,
			  &c->config.shm_size_bytes,
			  &c->config.oom_score_adj};

	return i < sizeof(all) / sizeof(all[0]) ? all[i] : NULL;
}

static bool *flag_at(struct container *c, size_t i)
{
	bool *all[] = {
		&c->config.attach_stdin, &c->config.attach_stdout, &c->config.attach_stderr,
		&c->config.tty,          &c->config.open_stdin,    &c->config.stdin_once,
		&c->config.auto_remove,  &c->config.privileged,    &c->config.read_only_rootfs,
		&c->config.publish_all,  &c->config.init,          &c->config.oom_kill_disable};

	return i < sizeof(all) / sizeof(all[0]) ? all[i] : NULL;
}

/* Every member different from its default and from every other. */
static void fill(struct container *c)
{
	container_init(c);
	fixture_id(c->id, "abcdef");
	c->created_ns = 1700000000123456789u;
	c->restart_count = 3;
	strv_add(&c->argv, "/bin/sh");
	strv_add(&c->argv, "-c");
	strv_add(&c->argv, "echo \"quoted\" \\ \t\n\x01 \xc3\xa9 <&>");
	for (size_t i = 0; string_at(c, i); i++)
		*string_at(c, i) = xasprintf("string-%zu", i);
	for (size_t i = 0; list_at(c, i); i++) {
		strv_add_taken(list_at(c, i), xasprintf("A%zu=one", i));
		strv_add_taken(list_at(c, i), xasprintf("B%zu=two=2", i));
	}
	for (size_t i = 0; integer_at(c, i); i++)
		*integer_at(c, i) = (int64_t)i + 1000;
	*integer_at(c, 3) = -1; /* memory_swap_bytes: unlimited */
	for (size_t i = 0; flag_at(c, i); i++)
		*flag_at(c, i) = true;
}

static void fill_endpoints(struct container_config *c)
{
	struct endpoint_request *r = container_config_add_endpoint(c);

	r->network = xstrdup("net");
	r->ipv4 = xstrdup("10.0.0.2");
	r->ipv6 = xstrdup("fd00::2");
	r->mac = xstrdup("02:42:0a:00:00:02");
	strv_add(&r->aliases, "a");
	strv_add(&r->links, "db:d");
	strv_add(&r->driver_options, "k=v");
	container_config_add_endpoint(c)->network = xstrdup("other");
}

static void check_endpoints(const struct container_config *c)
{
	const struct endpoint_request *r = c->endpoints;

	assert_int_equal(c->endpoint_count, 2);
	assert_string_equal(r->network, "net");
	assert_string_equal(r->ipv4, "10.0.0.2");
	assert_string_equal(r->ipv6, "fd00::2");
	assert_string_equal(r->mac, "02:42:0a:00:00:02");
	assert_string_equal(r->aliases.items[0], "a");
	assert_string_equal(r->links.items[0], "db:d");
	assert_string_equal(r->driver_options.items[0], "k=v");
	assert_string_equal(r[1].network, "other");
	assert_true(!r[1].ipv4 && !r[1].aliases.count);
}

static void fill_requests(struct container *c)
{
	struct mount_request *m = container_config_add_mount(&c->config);

	*m = (struct mount_request){MOUNT_KIND_BIND,
				    xstrdup("/src"),
				    xstrdup("/dst"),
				    xstrdup("ro,z"),
				    xstrdup("rslave"),
				    NULL,
				    true,
				    true,
				    true,
				    true,
				    true,
				    true,
				    true,
				    0,
				    -1};
	m = container_config_add_mount(&c->config);
	m->kind = MOUNT_KIND_TMPFS;
	m->target = xstrdup("/run");
	m->tmpfs_options = xstrdup("size=1m");
	m->tmpfs_size_bytes = 4096;
	m->tmpfs_mode = 0;
	m = container_config_add_mount(&c->config);
	m->kind = MOUNT_KIND_VOLUME;
	m->target = xstrdup("/data");
	c->config.ulimits = calloc(1, sizeof(*c->config.ulimits));
	c->config.ulimits[c->config.ulimit_count++] =
		(struct ulimit_request){xstrdup("nofile"), 10, -1};
	c->config.devices = calloc(1, sizeof(*c->config.devices));
	c->config.devices[c->config.device_count++] =
		(struct device_request){xstrdup("/dev/a"), xstrdup("/dev/b"), xstrdup("rwm")};
	fill_endpoints(&c->config);
}

static int open_record_dir(struct fixture *f, const char *id)
{
	char path[128];

	snprintf(path, sizeof(path), "containers/%s", id);
	assert_int_equal(mkdirat(f->e.root_fd, path, 0700), 0);
	return openat(f->e.root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void compare_mounts(const struct container *a, const struct container *b)
{
	assert_int_equal(a->config.mount_count, b->config.mount_count);
	for (size_t i = 0; i < a->config.mount_count; i++) {
		const struct mount_request *x = &a->config.mounts[i], *y = &b->config.mounts[i];
		const char *pairs[][2] = {{x->source, y->source},
					  {x->target, y->target},
					  {x->mode, y->mode},
					  {x->propagation, y->propagation},
					  {x->tmpfs_options, y->tmpfs_options}};

		for (size_t k = 0; k < 5; k++) {
			assert_int_equal(!pairs[k][0], !pairs[k][1]);
			if (pairs[k][0])
				assert_string_equal(pairs[k][0], pairs[k][1]);
		}
		assert_int_equal(x->kind, y->kind);
		assert_int_equal(x->read_only, y->read_only);
		assert_int_equal(x->non_recursive, y->non_recursive);
		assert_int_equal(x->no_copy, y->no_copy);
		assert_int_equal(x->create_source, y->create_source);
		assert_int_equal(x->from_image, y->from_image);
		assert_int_equal(x->long_form, y->long_form);
		assert_int_equal(x->tmpfs_size_bytes, y->tmpfs_size_bytes);
		assert_int_equal(x->tmpfs_mode, y->tmpfs_mode);
	}
}

static void keeps_every_member(void **state)
{
	struct fixture *f = *state;
	auto_container struct container a, b;
	auto_close int dirfd = -1;
	struct err err = ERR_INIT;

	fill(&a);
	fill_requests(&a);
	container_init(&b);
	dirfd = open_record_dir(f, a.id);
	assert_int_equal(container_record_write(&a, dirfd, true, &err), 0);
	if (container_record_read(&f->e, a.id, &b, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(a.id, b.id);
	assert_int_equal(a.created_ns, b.created_ns);
	assert_int_equal(a.restart_count, b.restart_count);
	assert_true(b.persistent);
	assert_int_equal(b.argv.count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(a.argv.items[i], b.argv.items[i]);
	for (size_t i = 0; string_at(&a, i); i++)
		assert_string_equal(*string_at(&a, i), *string_at(&b, i));
	for (size_t i = 0; integer_at(&a, i); i++)
		assert_int_equal(*integer_at(&a, i), *integer_at(&b, i));
	for (size_t i = 0; flag_at(&a, i); i++)
		assert_int_equal(*flag_at(&a, i), *flag_at(&b, i));
	for (size_t i = 0; list_at(&a, i); i++) {
		assert_int_equal(list_at(&a, i)->count, list_at(&b, i)->count);
		for (size_t k = 0; k < list_at(&a, i)->count; k++)
			assert_string_equal(list_at(&a, i)->items[k], list_at(&b, i)->items[k]);
	}
	compare_mounts(&a, &b);
	check_endpoints(&b.config);
	assert_int_equal(b.config.ulimits[0].hard, -1);
	assert_int_equal(b.config.ulimits[0].soft, 10);
	assert_string_equal(b.config.devices[0].container_path, "/dev/b");
	assert_string_equal(strv_get_env(&b.env, "A0"), "one");
	assert_non_null(strv_get_env(&b.env, "PATH"));
}

static void keeps_unset_members_unset(void **state)
{
	struct fixture *f = *state;
	auto_container struct container b;
	struct err err = ERR_INIT;
	char id[ID_LEN + 1];

	fixture_container(f, "1", "bare", 5, false);
	fixture_id(id, "1");
	container_init(&b);
	if (container_record_read(&f->e, id, &b, &err) < 0)
		fail_msg("%s", err.msg);
	assert_false(b.persistent);
	assert_null(b.config.image);
	assert_null(b.config.user);
	assert_string_equal(b.user, "");
	assert_int_equal(b.config.memory_swappiness, -1);
	assert_int_equal(b.config.stop_timeout, -1);
	assert_int_equal(b.config.pids_limit, 0);
	assert_int_equal(b.config.shm_size_bytes, 64 << 20);
	assert_false(b.config.entrypoint_set);
	assert_int_equal(b.state.status, CONTAINER_CREATED);
}

static void replaces_bytes_that_are_not_utf8(void **state)
{
	struct fixture *f = *state;
	auto_container struct container a, b;
	auto_close int dirfd = -1;
	struct err err = ERR_INIT;

	container_init(&a);
	container_init(&b);
	fixture_id(a.id, "2");
	a.name = xstrdup("bytes");
	strv_add(&a.argv, "a\xff"
			  "b\xc0\xaf\xed\xa0\x80\xf0\x9f\x98\x80");
	dirfd = open_record_dir(f, a.id);
	assert_int_equal(container_record_write(&a, dirfd, false, &err), 0);
	if (container_record_read(&f->e, a.id, &b, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(b.argv.items[0], "a\xef\xbf\xbd"
					     "b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
					     "\xef\xbf\xbd\xf0\x9f\x98\x80");
}

static void has_dockers_members_in_order(void **state)
{
	struct fixture *f = *state;
	static const char *const wanted[] = {"Binds",       "ContainerIDFile", "LogConfig",
					     "NetworkMode", "PortBindings",    "RestartPolicy",
					     "AutoRemove"};
	auto_json struct json_object *o = NULL;
	struct err err = ERR_INIT;
	char path[160], id[ID_LEN + 1];
	size_t next = 0;

	fixture_container(f, "3", "order", 5, true);
	fixture_id(id, "3");
	snprintf(path, sizeof(path), "containers/%s/hostconfig.json", id);
	assert_int_equal(json_read_at(f->e.root_fd, path, 1 << 20, &o, &err), 0);
	json_object_object_foreach(o, key, value) {
		(void)value;
		if (next < 7 && str_eq(key, wanted[next]))
			next++;
	}
	assert_int_equal(next, 7);
	assert_int_equal(json_object_get_int(json_object_object_get(o, "SchemaVersion")), 1);
}

/* Damage is named, never guessed around. */
static void refuses_damaged_records(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *file, *text;
		enum err_kind kind;
	} cases[] = {
		{"config.v2.json", "{\"SchemaVersion\":1,", ERR_INVALID},
		{"config.v2.json", "{}", ERR_CORRUPT},
		{"config.v2.json", "{\"SchemaVersion\":99}", ERR_UNSUPPORTED},
		{"config.v2.json", "{\"SchemaVersion\":1,\"ID\":\"x\"}", ERR_CORRUPT},
		{"hostconfig.json", "{\"SchemaVersion\":1,\"Memory\":\"much\"}", ERR_CORRUPT},
	};
	char id[ID_LEN + 1], path[160];

	fixture_id(id, "4");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		auto_container struct container c;
		struct err err = ERR_INIT;

		if (i == 0)
			fixture_container(f, "4", "damaged", 5, true);
		container_init(&c);
		snprintf(path, sizeof(path), "containers/%s/%s", id, cases[i].file);
		if (i == 4) {
			auto_container struct container good;
			auto_close int dirfd = -1;
			char dir[128];

			container_init(&good);
			fixture_id(good.id, "4");
			good.name = xstrdup("damaged");
			strv_add(&good.argv, "x");
			snprintf(dir, sizeof(dir), "containers/%s", id);
			dirfd = openat(f->e.root_fd, dir, O_RDONLY | O_DIRECTORY);
			assert_int_equal(container_record_write(&good, dirfd, false, &err), 0);
		}
		assert_int_equal(file_replace_at(f->e.root_fd, path, cases[i].text,
						 strlen(cases[i].text), 0600, FILE_VOLATILE),
				 0);
		assert_true(container_record_read(&f->e, id, &c, &err) < 0);
		assert_int_equal(err.kind, cases[i].kind);
		assert_non_null(strstr(err.msg, cases[i].file));
	}
}

/* A directory without config.v2.json is no container. */
static void hides_half_made_records(void **state)
{
	struct fixture *f = *state;
	auto_container struct container c;
	struct err err = ERR_INIT;
	struct container *list;
	size_t count;
	char id[ID_LEN + 1], path[160];

	fixture_container(f, "5", "half", 5, true);
	fixture_id(id, "5");
	snprintf(path, sizeof(path), "containers/%s/config.v2.json", id);
	assert_int_equal(unlinkat(f->e.root_fd, path, 0), 0);
	container_init(&c);
	assert_true(container_record_read(&f->e, id, &c, &err) < 0);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_int_equal(container_list(&f->e, &list, &count, &err), 0);
	assert_int_equal(count, 0);
	container_list_free(list, count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(keeps_every_member, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(keeps_unset_members_unset, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(replaces_bytes_that_are_not_utf8, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(has_dockers_members_in_order, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(refuses_damaged_records, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(hides_half_made_records, fixture_setup,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
