/* SPDX-License-Identifier: Apache-2.0 */
/* Networks from the request to the bridge, and away again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "kernel/link.h"
#include "network/endpoint.h"
#include "network_fixture.h"

static struct fixture *fixture_of(void **state)
{
	if (!*state)
		skip();
	return *state;
}

/* A request for "net" and what tests put into it. */
static void request(struct network *n, const char *subnet)
{
	network_init(n);
	n->name = xstrdup("net");
	if (!subnet)
		return;
	n->pools = xcalloc(2, sizeof(*n->pools));
	n->pool_count = 1;
	n->pools[0].subnet = prefix_of(subnet);
	n->pools[0].subnet_given = true;
}

static bool refused(struct fixture *f, struct network *n, enum err_kind kind, const char *text)
{
	struct err err = ERR_INIT;
	bool as_expected = network_create(&f->s, n, &err) < 0 && err.kind == kind &&
			   strcmp(err.msg, text) == 0;

	if (!as_expected)
		print_message("%d \"%s\"\n", (int)err.kind, err.msg);
	network_free(n);
	return as_expected;
}

static void pools_are_refused_in_dockers_words(void **state)
{
	struct fixture *f = fixture_of(state);
	struct network n;

	request(&n, "10.1.0.9/16");
	assert_true(refused(f, &n, ERR_INVALID,
			    "invalid network config:\n"
			    "invalid subnet 10.1.0.9/16: it should be 10.1.0.0/16"));
	request(&n, "10.1.0.0/16");
	n.pools[0].gateway = address_of("10.2.0.1");
	n.pools[0].range = prefix_of("10.0.0.0/8");
	strv_add(&n.pools[0].aux, "a=10.3.0.1");
	assert_true(refused(f, &n, ERR_INVALID,
			    "invalid network config:\n"
			    "invalid ip-range 10.0.0.0/8: CIDR block is bigger than its parent "
			    "subnet 10.1.0.0/16\n"
			    "invalid gateway 10.2.0.1: parent subnet 10.1.0.0/16 doesn't contain "
			    "this address\n"
			    "invalid auxiliary address 10.3.0.1: parent subnet 10.1.0.0/16 doesn't "
			    "contain this address"));
	request(&n, "10.1.0.0/16");
	n.pools[0].range = prefix_of("10.2.5.0/24");
	assert_true(
		refused(f, &n, ERR_INVALID,
			"invalid network config:\n"
			"invalid ip-range 10.2.5.0/24: parent subnet 10.1.0.0/16 doesn't contain "
			"ip-range"));
	request(&n, "10.1.0.0/16");
	n.pools[0].gateway = address_of("fd00::1");
	assert_true(refused(f, &n, ERR_INVALID,
			    "invalid network config:\n"
			    "invalid gateway fd00::1: parent subnet is an IPv4 block"));
	request(&n, "10.1.0.0/16");
	n.pools[1].subnet = prefix_of("10.2.0.0/16");
	n.pool_count = 2;
	assert_true(
		refused(f, &n, ERR_FORBIDDEN, "bridge driver doesn't support multiple subnets"));
}

static void addresses_that_nobody_can_have_are_refused(void **state)
{
	struct fixture *f = fixture_of(state);
	static const struct {
		const char *subnet, *gateway, *aux[2], *text;
	} cases[] = {
		{"10.1.0.0/16", "10.1.0.0", {}, "gateway (10.1.0.0)"},
		{"10.1.0.0/16", "10.1.255.255", {}, "gateway (10.1.255.255)"},
		{"fd00:1::/64", "fd00:1::", {}, "gateway (fd00:1::)"},
		{"10.1.0.0/16", "10.1.0.1", {"a=10.1.0.1"}, "secondary ip address (a:10.1.0.1)"},
		{"10.1.0.0/16", NULL, {"a=10.1.0.0"}, "secondary ip address (a:10.1.0.0)"},
		{"10.1.0.0/16",
		 NULL,
		 {"a=10.1.0.9", "b=10.1.0.9"},
		 "secondary ip address (b:10.1.0.9)"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct network n;
		char text[256];

		request(&n, cases[i].subnet);
		n.ipv6 = n.pools[0].subnet.address.family == AF_INET6;
		if (cases[i].gateway)
			n.pools[0].gateway = address_of(cases[i].gateway);
		for (size_t k = 0; k < 2 && cases[i].aux[k]; k++)
			strv_add(&n.pools[0].aux, cases[i].aux[k]);
		snprintf(text, sizeof(text), "failed to allocate %s: Address already in use",
			 cases[i].text);
		assert_true(refused(f, &n, ERR_FORBIDDEN, text));
	}
}

static void names_and_drivers_are_refused_in_dockers_words(void **state)
{
	struct fixture *f = fixture_of(state);
	struct network n;

	request(&n, NULL);
	n.driver = xstrdup("x");
	assert_true(refused(f, &n, ERR_NOT_FOUND, "plugin \"x\" not found"));
	request(&n, NULL);
	n.driver = xstrdup("overlay");
	assert_true(
		refused(f, &n, ERR_CONFLICT,
			"This node is not a swarm manager. Use \"docker swarm init\" or \"docker "
			"swarm join\" to connect this node to swarm and try again."));
	request(&n, NULL);
	n.driver = xstrdup("host");
	assert_true(
		refused(f, &n, ERR_FORBIDDEN, "only one instance of \"host\" network is allowed"));
	request(&n, NULL);
	n.name[0] = '-';
	assert_true(refused(f, &n, ERR_INVALID,
			    "invalid network name (-et), only [a-zA-Z0-9][a-zA-Z0-9_.-] are "
			    "allowed"));
	request(&n, NULL);
	free(n.name);
	n.name = xstrdup("bridge");
	assert_true(refused(f, &n, ERR_FORBIDDEN,
			    "operation is not permitted on predefined bridge network"));
	request(&n, NULL);
	strv_add(&n.options, "com.docker.network.bridge.enable_icc=perhaps");
	assert_true(refused(f, &n, ERR_INVALID,
			    "failed to parse com.docker.network.bridge.enable_icc value: perhaps "
			    "(strconv.ParseBool: parsing \"perhaps\": invalid syntax)"));
}

static void networks_do_not_get_in_each_others_way(void **state)
{
	struct fixture *f = fixture_of(state);
	auto_network struct network first;
	struct err err = ERR_INIT;
	struct network n;
	char expected[256];

	request(&first, "10.1.0.0/16");
	strv_add(&first.options, "com.docker.network.bridge.name=mybr0");
	assert_done(network_create(&f->s, &first, &err), err);
	assert_string_equal(first.bridge, "mybr0");
	assert_true(link_index("mybr0") != 0);
	request(&n, NULL);
	assert_true(refused(f, &n, ERR_CONFLICT, "network with name net already exists"));
	request(&n, "10.1.128.0/17");
	n.name[0] = 'm';
	assert_true(refused(f, &n, ERR_FORBIDDEN,
			    "Pool overlaps with other one on this address space"));
	network_init(&n);
	n.name = xstrdup("other");
	strv_add(&n.options, "com.docker.network.bridge.name=mybr0");
	assert_true(network_create(&f->s, &n, &err) < 0);
	snprintf(
		expected, sizeof(expected),
		"cannot create network %s (mybr0): conflicts with network %s (mybr0): networks have "
		"same bridge name",
		n.id, first.id);
	assert_string_equal(err.msg, expected);
	network_free(&n);
	/* Nothing stays of what was refused. */
	assert_true(network_find(&f->s, "other", &n, &err) < 0);
	assert_done(network_remove(&f->s, &first, &err), err);
	assert_int_equal(link_index("mybr0"), 0);
	request(&n, "10.1.0.0/16");
	assert_done(network_create(&f->s, &n, &err), err);
	network_free(&n);
}

static void gaps_are_filled_in(void **state)
{
	struct fixture *f = fixture_of(state);
	auto_network struct network n;
	struct err err = ERR_INIT;
	char text[IP_TEXT_MAX], out[512];

	assert_int_equal(shell("ip link add taken type bridge && ip addr add 172.17.3.3/24 dev "
			       "taken && ip link set taken up",
			       out, sizeof(out)),
			 0);
	request(&n, NULL);
	n.ipv6 = true;
	assert_done(network_create(&f->s, &n, &err), err);
	ip_prefix_format(&n.pools[0].subnet, text);
	assert_string_equal(text, "172.18.0.0/16");
	ip_format(&n.pools[0].gateway, text);
	assert_string_equal(text, "172.18.0.1");
	assert_int_equal(n.pool_count, 2);
	assert_int_equal(n.pools[1].subnet.length, 64);
	assert_int_equal(strncmp(n.bridge, "br-", 3), 0);
	assert_int_equal(strncmp(n.bridge + 3, n.id, 12), 0);
	snprintf(out, sizeof(out), "ip addr show %s | grep -q 'inet 172.18.0.1/16 brd'", n.bridge);
	assert_int_equal(shell(out, NULL, 0), 0);
	snprintf(out, sizeof(out), "ip addr show %s | grep -q 'inet6 fd.*::1/64 scope global'",
		 n.bridge);
	assert_int_equal(shell(out, NULL, 0), 0);
	assert_int_equal(shell("grep -q 1 /proc/sys/net/ipv4/ip_forward && grep -q 1 "
			       "/proc/sys/net/ipv6/conf/all/forwarding",
			       NULL, 0),
			 0);
}

static void a_removed_bridge_comes_back(void **state)
{
	struct fixture *f = fixture_of(state);
	auto_network struct network n;
	struct err err = ERR_INIT;
	uint32_t index, again;
	char command[64], mac[64], mac_again[64];

	assert_done(network_find(&f->s, NETWORK_DEFAULT, &n, &err), err);
	assert_int_equal(link_index(n.bridge), 0);
	assert_done(network_up(&f->s, &n, &index, &err), err);
	assert_int_equal(index, link_index(n.bridge));
	assert_done(network_up(&f->s, &n, &again, &err), err);
	assert_int_equal(index, again);
	shell("ip -o link show type bridge | grep -o 'link/ether [0-9a-f:]*'", mac, sizeof(mac));
	snprintf(command, sizeof(command), "ip link del %s", n.bridge);
	assert_int_equal(shell(command, NULL, 0), 0);
	assert_done(network_up(&f->s, &n, &again, &err), err);
	assert_int_equal(again, link_index(n.bridge));
	assert_true(again != 0);
	shell("ip -o link show type bridge | grep -o 'link/ether [0-9a-f:]*'", mac_again,
	      sizeof(mac_again));
	assert_string_equal(mac, mac_again);
	assert_int_equal(shell("nft flush ruleset", command, 0), 0);
	assert_done(network_up(&f->s, &n, &again, &err), err);
	snprintf(command, sizeof(command), "nft list table inet %s | grep -q %s", f->s.table,
		 n.bridge);
	assert_int_equal(shell(command, NULL, 0), 0);
	assert_true(network_remove(&f->s, &n, &err) < 0);
	assert_string_equal(err.msg, "bridge is a pre-defined network and cannot be removed");
	assert_int_equal(err.kind, ERR_FORBIDDEN);
}

static void the_default_network_evades_others(void **state)
{
	struct fixture *f = fixture_of(state);
	struct err err = ERR_INIT;
	struct network n;
	char text[IP_TEXT_MAX], out[256];
	uint32_t index;

	assert_done(network_find(&f->s, NETWORK_DEFAULT, &n, &err), err);
	ip_prefix_format(&n.pools[0].subnet, text);
	assert_string_equal(text, "172.17.0.0/16");
	assert_int_equal(
		shell("ip link add taken type bridge && ip addr add 172.17.0.1/16 dev taken", out,
		      sizeof(out)),
		0);
	assert_done(network_up(&f->s, &n, &index, &err), err);
	ip_prefix_format(&n.pools[0].subnet, text);
	assert_string_equal(text, "172.18.0.0/16");
	network_free(&n);
	/* And stays there. */
	assert_done(network_find(&f->s, NETWORK_DEFAULT, &n, &err), err);
	ip_prefix_format(&n.pools[0].subnet, text);
	assert_string_equal(text, "172.18.0.0/16");
	network_free(&n);
}

static void a_prepared_bridge_is_used_and_left(void **state)
{
	struct fixture *f = fixture_of(state);
	auto_network struct network n;
	struct err err = ERR_INIT;
	char text[IP_TEXT_MAX], out[256];
	uint32_t index;

	assert_int_equal(shell("ip link add mine0 type bridge && ip addr add 10.7.0.5/24 dev mine0",
			       out, sizeof(out)),
			 0);
	snprintf(f->s.default_bridge, sizeof(f->s.default_bridge), "mine0");
	assert_done(network_find(&f->s, NETWORK_DEFAULT, &n, &err), err);
	ip_prefix_format(&n.pools[0].subnet, text);
	assert_string_equal(text, "10.7.0.0/24");
	ip_format(&n.pools[0].gateway, text);
	assert_string_equal(text, "10.7.0.5");
	assert_done(network_up(&f->s, &n, &index, &err), err);
	assert_int_equal(index, link_index("mine0"));
}

static void engines_at_once_choose_different_subnets(void **state)
{
	struct fixture *f = fixture_of(state);
	struct network_store s;
	auto_free struct link_address *list = NULL;
	struct err err = ERR_INIT;
	size_t count = 0, compared = 0;
	int fd;

	/* Each with roots of its own, each making its default network and two others. */
	for (int i = 0; i < 5; i++) {
		char root[128], run[128];

		if (fork() != 0)
			continue;
		snprintf(root, sizeof(root), "%s/%d", f->root, i);
		snprintf(run, sizeof(run), "%s/%d", f->run, i);
		if (mkdir(root, 0700) < 0 || mkdir(run, 0700) < 0)
			_exit(1);
		network_store_init(&s, root, open(root, O_RDONLY), run, open(run, O_RDONLY));
		for (int k = 0; k < 3; k++) {
			struct network n;
			uint32_t index;
			int rc;

			network_init(&n);
			if (k == 0) {
				rc = network_find(&s, NETWORK_DEFAULT, &n, &err);
			} else {
				n.name = xasprintf("n%d", k);
				rc = network_create(&s, &n, &err);
			}
			if (rc < 0 || network_up(&s, &n, &index, &err) < 0) {
				fprintf(stderr, "%s\n", err.msg);
				_exit(2);
			}
		}
		_exit(0);
	}
	await_children(5);
	fd = netlink_open(NETLINK_ROUTE);
	assert_done(link_list_addresses(fd, &list, &count, &err), err);
	close(fd);
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < i; k++) {
			if (list[i].address.address.family != AF_INET ||
			    list[k].address.address.family != AF_INET)
				continue;
			compared++;
			assert_false(ip_prefix_overlaps(&list[i].address, &list[k].address));
		}
	/* 15 bridges and the loopback device. */
	assert_true(compared >= 15 * 14 / 2);
}

static int setup(void **state)
{
	*state = NULL;
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("skipped: no network namespace of its own (needs root)\n");
		return 0;
	}
	return shell("ip link set lo up", NULL, 0) == 0 ? fixture_setup(state) : -1;
}

static int teardown(void **state)
{
	return *state ? fixture_teardown(state) : 0;
}

#define network_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		network_test(pools_are_refused_in_dockers_words),
		network_test(addresses_that_nobody_can_have_are_refused),
		network_test(names_and_drivers_are_refused_in_dockers_words),
		network_test(networks_do_not_get_in_each_others_way),
		network_test(gaps_are_filled_in),
		network_test(a_removed_bridge_comes_back),
		network_test(the_default_network_evades_others),
		network_test(a_prepared_bridge_is_used_and_left),
		network_test(engines_at_once_choose_different_subnets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
