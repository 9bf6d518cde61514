/* SPDX-License-Identifier: Apache-2.0 */
/* Records of networks: written and read back, damaged, found, and made by several processes at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "network/record.h"
#include "network/subnet.h"
#include "network_fixture.h"

static const char some_id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static void fill(struct network *n, const char *id, const char *name)
{
	network_init(n);
	memcpy(n->id, id, ID_LEN + 1);
	n->name = xstrdup(name);
	n->driver = xstrdup("bridge");
	n->created_ns = 1700000000123456789ull;
	n->pools = xcalloc(1, sizeof(*n->pools));
	n->pool_count = 1;
	n->pools[0].subnet = prefix_of("10.1.0.0/16");
	n->pools[0].gateway = address_of("10.1.0.1");
	snprintf(n->bridge, sizeof(n->bridge), "br-x");
}

static void store(struct fixture *f, const struct network *n)
{
	struct err err = ERR_INIT;
	int lock;

	assert_done(network_lock(&f->s, &lock, &err), err);
	assert_int_equal(network_name_take(&f->s, n->name, n->id), 0);
	assert_done(network_record_write(&f->s, n, &err), err);
	close(lock);
}

static void what_is_written_is_read(void **state)
{
	struct fixture *f = *state;
	auto_network struct network n, back;
	struct err err = ERR_INIT;

	fill(&n, some_id, "web.net-1_x");
	n.internal = n.ipv6 = true;
	n.pools[0].range = prefix_of("10.1.5.0/24");
	n.pools[0].gateway_given = true;
	strv_add(&n.pools[0].aux, "host=10.1.0.9");
	n.pools = xrealloc(n.pools, 2 * sizeof(*n.pools));
	n.pools[1] = (struct network_pool){.subnet = prefix_of("fd00:1::/64"),
					   .gateway = address_of("fd00:1::1"),
					   .subnet_given = true};
	n.pool_count = 2;
	strv_add(&n.labels, "a=\"b\\c\xff");
	strv_add(&n.options, "com.docker.network.driver.mtu=1400");
	strv_add(&n.ipam_options, "k=v");
	store(f, &n);
	assert_done(network_find(&f->s, "web.net-1_x", &back, &err), err);
	assert_string_equal(back.id, some_id);
	assert_string_equal(back.bridge, "br-x");
	assert_int_equal(back.created_ns, n.created_ns);
	assert_true(back.internal && back.ipv6 && !back.attachable);
	assert_int_equal(back.pool_count, 2);
	assert_memory_equal(&back.pools[0].range, &n.pools[0].range, sizeof(struct ip_prefix));
	assert_true(back.pools[0].gateway_given && !back.pools[0].subnet_given);
	assert_string_equal(back.pools[0].aux.items[0], "host=10.1.0.9");
	assert_memory_equal(&back.pools[1].subnet, &n.pools[1].subnet, sizeof(struct ip_prefix));
	assert_true(back.pools[1].subnet_given);
	/* Not UTF-8 on the way in, and no damaged record for it. */
	assert_string_equal(back.labels.items[0], "a=\"b\\c\xef\xbf\xbd");
	assert_string_equal(back.options.items[0], n.options.items[0]);
	assert_string_equal(back.ipam_options.items[0], "k=v");
}

/* One sound record, and what is put in place of a part of it. */
static const char sound[] =
	"{\"SchemaVersion\":1,\"Id\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789"
	"abcdef\",\"Name\":\"n\",\"Driver\":\"bridge\",\"Created\":\"2026-01-01T00:00:00Z\","
	"\"Internal\":false,\"IPv6\":false,\"Attachable\":false,\"Bridge\":\"br-x\",\"Pools\":["
	"{\"Subnet\":\"10.1.0.0/16\",\"Gateway\":\"10.1.0.1\",\"SubnetGiven\":true,"
	"\"GatewayGiven\":true,\"Auxiliary\":[]}],\"Options\":[],\"IPAMOptions\":[],"
	"\"Labels\":[]}";

static void write_record(struct fixture *f, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "network/%s.json", some_id);
	assert_int_equal(file_mkdir_all_at(f->s.root_fd, "network/names", 0700), 0);
	assert_int_equal(
		file_replace_at(f->s.root_fd, path, text, strlen(text), 0600, FILE_VOLATILE), 0);
}

static void damaged_records_are_named(void **state)
{
	static const struct {
		const char *part, *instead;
	} damages[] = {
		{"Version\":1", "Version\":2"},
		{"\"Id\":\"0", "\"Id\":\"1"},
		{"\"Name\":\"n\"", "\"Name\":\"../n\""},
		{"\"Name\":\"n\"", "\"Name\":7"},
		{"\"Driver\":\"bridge\"", "\"Driver\":\"overlay\""},
		{"\"Driver\":\"bridge\"", "\"Driver\":\"host\""},
		{"2026-01-01T", "yesterday"},
		{"\"Internal\":false", "\"Internal\":\"no\""},
		{"br-x", "br/x"},
		{"br-x", "br-0123456789ab-x"},
		{"\"Bridge\":\"br-x\"", "\"Bridge\":\"\""},
		{"\"Pools\":[", "\"Pools\":[7,"},
		{"\"Subnet\":\"10.1.0.0/16\"", "\"Subnet\":\"10.1.0.0\""},
		{"\"Subnet\":\"10.1.0.0/16\",", ""},
		{"\"Subnet\":\"10.1.0.0/16\"", "\"Subnet\":\"fd00::/64\""},
		{"\"Gateway\":\"10.1.0.1\"", "\"Gateway\":\"10.2.0.1\""},
		{"\"Subnet\":", "\"IPRange\":\"10.0.0.0/8\",\"Subnet\":"},
		{"\"Auxiliary\":[]", "\"Auxiliary\":[1]"},
		{"\"Labels\":[]", "\"Labels\":{}"},
		{"\"Labels\":[]}", "\"Labels\":[]"},
		{"{\"Schema", "[{\"Schema"},
	};
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct network n;

	write_record(f, sound);
	assert_done(network_find(&f->s, some_id, &n, &err), err);
	network_free(&n);
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		const char *at = strstr(sound, damages[i].part);
		char *text;

		assert_non_null(at);
		text = xasprintf("%.*s%s%s", (int)(at - sound), sound, damages[i].instead,
				 at + strlen(damages[i].part));
		write_record(f, text);
		if (network_find(&f->s, some_id, &n, &err) == 0 || err.kind != ERR_CORRUPT ||
		    !strstr(err.msg, some_id))
			fail_msg("%s: \"%s\"", text, err.msg);
		network_free(&n);
		free(text);
	}
}

static void networks_are_found(void **state)
{
	static const char other_id[] =
		"0123ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
	struct fixture *f = *state;
	struct network one, two, found;
	struct err err = ERR_INIT;

	fill(&one, some_id, "one");
	fill(&two, other_id, "abc");
	store(f, &one);
	store(f, &two);
	assert_done(network_find(&f->s, "01234", &found, &err), err);
	assert_string_equal(found.name, "one");
	network_free(&found);
	/* A name before the beginning of an id. */
	assert_done(network_find(&f->s, "abc", &found, &err), err);
	assert_string_equal(found.id, other_id);
	network_free(&found);
	assert_true(network_find(&f->s, "0123", &found, &err) < 0);
	assert_string_equal(err.msg,
			    "network 0123 is ambiguous (2 matches found based on ID prefix)");
	assert_true(network_find(&f->s, "nowhere", &found, &err) < 0);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_string_equal(err.msg, "network nowhere not found");
	assert_true(network_find(&f->s, "../one", &found, &err) < 0);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	network_free(&one);
	network_free(&two);
}

static void a_name_of_a_dead_maker_is_free(void **state)
{
	struct fixture *f = *state;
	struct network n, found;
	struct err err = ERR_INIT;

	fill(&n, some_id, "left");
	assert_int_equal(file_mkdir_all_at(f->s.root_fd, "network/names", 0700), 0);
	assert_int_equal(symlinkat("00000000000000000000000000000000000000000000000000000000000000"
				   "00",
				   f->s.root_fd, "network/names/left"),
			 0);
	assert_true(network_find(&f->s, "left", &found, &err) < 0);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	store(f, &n);
	assert_done(network_find(&f->s, "left", &found, &err), err);
	network_free(&found);
	assert_int_equal(network_name_take(&f->s, "left", some_id), -EEXIST);
	network_free(&n);
}

static void predefined_networks_are_made_once(void **state)
{
	struct fixture *f = *state;
	struct network *list, n;
	struct err err = ERR_INIT;
	size_t count;

	for (int i = 0; i < 8; i++) {
		if (fork() != 0)
			continue;
		if (network_find(&f->s, i % 2 ? "bridge" : "none", &n, &err) < 0 ||
		    network_list(&f->s, &list, &count, &err) < 0) {
			fprintf(stderr, "%s\n", err.msg);
			_exit(1);
		}
		_exit(count == 3 ? 0 : 2);
	}
	await_children(8);
	assert_done(network_list(&f->s, &list, &count, &err), err);
	assert_int_equal(count, 3);
	assert_string_equal(list[0].name, "bridge");
	assert_string_equal(list[1].name, "host");
	assert_string_equal(list[2].name, "none");
	assert_string_equal(list[2].driver, "null");
	assert_string_equal(list[0].bridge, f->s.default_bridge);
	assert_int_equal(list[0].pool_count, 1);
	assert_true(network_is_predefined(&list[2]));
	network_list_free(list, count);
}

static void the_default_network_follows_the_configuration(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	char id[ID_LEN + 1], text[IP_TEXT_MAX];
	struct network n;

	assert_done(network_find(&f->s, "bridge", &n, &err), err);
	memcpy(id, n.id, sizeof(id));
	network_free(&n);
	f->s.default_address = prefix_of("10.200.0.5/24");
	snprintf(f->s.default_bridge, sizeof(f->s.default_bridge), "other0");
	assert_done(network_find(&f->s, "bridge", &n, &err), err);
	assert_string_equal(n.id, id);
	assert_string_equal(n.bridge, "other0");
	ip_prefix_format(&n.pools[0].subnet, text);
	assert_string_equal(text, "10.200.0.0/24");
	ip_format(&n.pools[0].gateway, text);
	assert_string_equal(text, "10.200.0.5");
	assert_string_equal(strv_get_env(&n.options, "com.docker.network.bridge.name"), "other0");
	network_free(&n);
}

static void engines_share_no_names_of_devices(void **state)
{
	struct network_store one, two, usual;

	(void)state;
	network_store_init(&one, "/a", -1, "/run/one", -1);
	network_store_init(&two, "/a", -1, "/run/two", -1);
	network_store_init(&usual, "/var/lib/cloche", -1, "/run/cloche", -1);
	assert_string_not_equal(one.table, two.table);
	assert_string_not_equal(one.default_bridge, two.default_bridge);
	assert_string_equal(usual.table, "cloche");
	assert_string_equal(usual.default_bridge, "cloche0");
	assert_true(network_device_is_valid(one.default_bridge));
}

static void free_subnets_are_chosen_in_order(void **state)
{
	auto_subnet_list struct subnet_list taken = {0};
	struct err err = ERR_INIT;
	struct ip_prefix p, q;
	char text[IP_TEXT_MAX];

	(void)state;
	assert_done(subnet_choose(&taken, AF_INET, &p, &err), err);
	ip_prefix_format(&p, text);
	assert_string_equal(text, "172.17.0.0/16");
	/* A host's address in the first, a route over three more. */
	p = prefix_of("172.17.255.9/32");
	subnet_list_add(&taken, &p);
	p = prefix_of("172.18.0.0/15");
	subnet_list_add(&taken, &p);
	assert_done(subnet_choose(&taken, AF_INET, &p, &err), err);
	ip_prefix_format(&p, text);
	assert_string_equal(text, "172.20.0.0/16");
	p = prefix_of("172.16.0.0/12");
	subnet_list_add(&taken, &p);
	p = prefix_of("192.168.1.7/24");
	subnet_list_add(&taken, &p);
	assert_done(subnet_choose(&taken, AF_INET, &p, &err), err);
	ip_prefix_format(&p, text);
	assert_string_equal(text, "192.168.16.0/20");
	p = prefix_of("192.168.0.0/16");
	subnet_list_add(&taken, &p);
	assert_true(subnet_choose(&taken, AF_INET, &p, &err) < 0);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_done(subnet_choose(&taken, AF_INET6, &p, &err), err);
	assert_done(subnet_choose(&taken, AF_INET6, &q, &err), err);
	assert_int_equal(p.address.bytes[0], 0xfd);
	assert_int_equal(p.length, 64);
	assert_false(ip_prefix_overlaps(&p, &q));
}

static void the_choice_of_subnets_is_one_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	char path[128];

	snprintf(path, sizeof(path), "%s/inside", f->run);
	for (int i = 0; i < 12; i++) {
		int lock;

		if (fork() != 0)
			continue;
		for (int round = 0; round < 20; round++) {
			/* O_EXCL fails for whoever is not alone. */
			int fd = subnet_lock(&lock, &err) < 0 || lock < 0
					 ? -1
					 : open(path, O_CREAT | O_EXCL | O_CLOEXEC, 0600);

			if (fd < 0 || unlink(path) < 0)
				_exit(1);
			close(fd);
			close(lock);
		}
		_exit(0);
	}
	await_children(12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_written_is_read, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(damaged_records_are_named, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(networks_are_found, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(a_name_of_a_dead_maker_is_free, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(predefined_networks_are_made_once, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(the_default_network_follows_the_configuration,
						fixture_setup, fixture_teardown),
		cmocka_unit_test(engines_share_no_names_of_devices),
		cmocka_unit_test(free_subnets_are_chosen_in_order),
		cmocka_unit_test_setup_teardown(the_choice_of_subnets_is_one_at_a_time,
						fixture_setup, fixture_teardown),
	};

	/* Not the host's subnets, nor its lock; without root those will do, for they are only looked at. */
	if (unshare(CLONE_NEWNET) < 0)
		print_message("# in the host's network namespace\n");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
