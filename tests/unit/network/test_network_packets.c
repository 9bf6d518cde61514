/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What our table lets pass, translates and drops, told by real connections between namespaces: a
 * client, the host, containers on two networks, one of them without a way out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "network/hosts.h"
#include "network/table.h"

#define PORT 8080  /* published on every address */
#define BOUND 8081 /* published on 192.0.2.1 and [2001:db8::1] */
#define LOCAL 8082 /* published on 127.0.0.1 */
#define INSIDE 80

struct world {
	pid_t client, web, web2, other, closed;
	int web_listener, web2_listener, other_listener, closed_listener, client_listener;
	struct network_pool pools[4][2];
	struct network networks[4];
};

static const struct network_store the_store = {.table = "cloche"};

static void add_network(struct world *w, int i, const char *bridge, const char *v4, const char *v6,
			bool internal)
{
	/* the last is one whose containers do not speak with each other */
	struct network_behaviour b = {.icc = i != 3, .masquerade = true};
	struct network *n = &w->networks[i];
	struct err err = ERR_INIT;

	make_bridge(bridge, v4, v6);
	w->pools[i][0] = (struct network_pool){.subnet = prefix_of(v4)};
	w->pools[i][1] = (struct network_pool){.subnet = prefix_of(v6)};
	*n = (struct network){.name = (char *)bridge,
			      .pools = w->pools[i],
			      .pool_count = 2,
			      .internal = internal};
	strcpy(n->bridge, bridge);
	assert_int_equal(table_add_network(&the_store, n, &b, &err), 0);
}

static struct port_binding published(const char *address, uint16_t port)
{
	struct port_binding p = {
		.host_port = port, .container_port = INSIDE, .protocol = IPPROTO_TCP};

	assert_int_equal(ip_parse(address, &p.host_address), 0);
	return p;
}

static void publish(void)
{
	struct port_binding ports[] = {
		published("0.0.0.0", PORT),    published("::", PORT),
		published("192.0.2.1", BOUND), published("2001:db8::1", BOUND),
		published("127.0.0.1", LOCAL),
	};
	struct endpoint e = {.ipv4 = prefix_of("10.1.0.2/24"), .ipv6 = prefix_of("fd00:1::2/64")};
	struct sandbox sandbox = {
		.endpoints = &e, .endpoint_count = 1, .ports = ports, .port_count = 5};
	_Alignas(4) unsigned char bytes[2048];
	struct netlink_buffer b = {.bytes = bytes, .size = sizeof bytes};
	int fd = netlink_open(NETLINK_NETFILTER);

	table_put_ports(&the_store, &sandbox, false, &b);
	assert_int_equal(netlink_transact(fd, b.bytes, b.used, NULL), 0);
	close(fd);
}

static struct world *make_world(void)
{
	struct world *w = calloc(1, sizeof *w);

	w->client = make_client();
	add_network(w, 0, "cloche0", "10.1.0.1/24", "fd00:1::1/64", false);
	add_network(w, 1, "br-2", "10.2.0.1/24", "fd00:2::1/64", false);
	add_network(w, 2, "br-3", "10.3.0.1/24", "fd00:3::1/64", true);
	w->web = make_container("cloche0", "veth1", "10.1.0.2/24", "10.1.0.1", "fd00:1::2/64",
				"fd00:1::1");
	w->web2 = make_container("cloche0", "veth2", "10.1.0.3/24", "10.1.0.1", "fd00:1::3/64",
				 "fd00:1::1");
	w->other = make_container("br-2", "veth3", "10.2.0.2/24", "10.2.0.1", "fd00:2::2/64",
				  "fd00:2::1");
	w->closed = make_container("br-3", "veth4", "10.3.0.2/24", "10.3.0.1", "fd00:3::2/64",
				   "fd00:3::1");
	w->web_listener = serve(w->web, INSIDE);
	w->web2_listener = serve(w->web2, INSIDE);
	w->other_listener = serve(w->other, INSIDE);
	w->closed_listener = serve(w->closed, INSIDE);
	w->client_listener = serve(w->client, INSIDE);
	publish();
	return w;
}

static void end_world(struct world *w)
{
	struct err err = ERR_INIT;

	assert_int_equal(table_remove(&the_store, &err), 0);
	holder_end(w->client);
	holder_end(w->web);
	holder_end(w->web2);
	holder_end(w->other);
	holder_end(w->closed);
	close(w->web_listener);
	close(w->web2_listener);
	close(w->other_listener);
	close(w->closed_listener);
	close(w->client_listener);
	free(w);
}

static void check_published(struct world *w)
{
	char peer[INET6_ADDRSTRLEN];

	/* from beyond, with the client's own address */
	assert_true(reaches(w->client, "192.0.2.1", PORT, w->web_listener, true, peer));
	assert_string_equal(peer, "::ffff:192.0.2.2");
	assert_true(reaches(w->client, "2001:db8::1", PORT, w->web_listener, true, peer));
	assert_string_equal(peer, "2001:db8::2");
	assert_reaches(w->client, "192.0.2.1", BOUND, w->web_listener);
	assert_reaches(w->client, "2001:db8::1", BOUND, w->web_listener);
	assert_int_equal(connect_from(w->client, "192.0.2.1", LOCAL, PATIENCE_MS), -ECONNREFUSED);
	/* from the host itself */
	assert_true(reaches(0, "127.0.0.1", PORT, w->web_listener, true, peer));
	assert_string_equal(peer, "::ffff:10.1.0.1");
	assert_reaches(0, "127.0.0.1", LOCAL, w->web_listener);
	assert_reaches(0, "127.1.2.3", PORT, w->web_listener);
	assert_reaches(0, "192.0.2.1", PORT, w->web_listener);
	assert_reaches(0, "2001:db8::1", PORT, w->web_listener);
	assert_reaches(0, "10.2.0.1", PORT, w->web_listener);
	assert_int_equal(connect_from(0, "127.0.0.1", BOUND, PATIENCE_MS), -ECONNREFUSED);
	/* [::1] is the monitor's */
	assert_int_equal(connect_from(0, "::1", PORT, PATIENCE_MS), -ECONNREFUSED);
}

static void check_from_containers(struct world *w)
{
	char peer[INET6_ADDRSTRLEN];

	/* of the network: the answer has to come by the host */
	assert_true(reaches(w->web2, "192.0.2.1", PORT, w->web_listener, true, peer));
	assert_string_equal(peer, "::ffff:10.1.0.1");
	assert_reaches(w->web2, "10.1.0.1", PORT, w->web_listener);
	assert_true(reaches(w->web2, "2001:db8::1", PORT, w->web_listener, true, peer));
	assert_string_equal(peer, "fd00:1::1");
	/* itself */
	assert_reaches(w->web, "192.0.2.1", PORT, w->web_listener);
	assert_reaches(w->web, "2001:db8::1", PORT, w->web_listener);
	/* of another one */
	assert_reaches(w->other, "192.0.2.1", PORT, w->web_listener);
	assert_reaches(w->other, "2001:db8::1", PORT, w->web_listener);
	/* of one without a way out */
	assert_blocked(w->closed, "192.0.2.1", PORT, w->web_listener);
	assert_blocked(w->closed, "10.3.0.1", PORT, w->web_listener);
	assert_blocked(w->closed, "2001:db8::1", PORT, w->web_listener);
}

static void check_networks(struct world *w)
{
	char peer[INET6_ADDRSTRLEN];

	/* within, with the real address */
	assert_true(reaches(w->web, "10.1.0.3", INSIDE, w->web2_listener, true, peer));
	assert_string_equal(peer, "::ffff:10.1.0.2");
	assert_reaches(w->web, "fd00:1::3", INSIDE, w->web2_listener);
	/* to others */
	assert_blocked(w->web, "10.2.0.2", INSIDE, w->other_listener);
	assert_blocked(w->web, "fd00:2::2", INSIDE, w->other_listener);
	assert_blocked(w->web, "10.3.0.2", INSIDE, w->closed_listener);
	assert_blocked(w->closed, "10.1.0.2", INSIDE, w->web_listener);
	/* outwards: as the host */
	assert_true(reaches(w->web, "192.0.2.2", INSIDE, w->client_listener, true, peer));
	assert_string_equal(peer, "::ffff:192.0.2.1");
	assert_true(reaches(w->web, "2001:db8::2", INSIDE, w->client_listener, true, peer));
	assert_string_equal(peer, "2001:db8::1");
	assert_blocked(w->closed, "192.0.2.2", INSIDE, w->client_listener);
	assert_blocked(w->closed, "2001:db8::2", INSIDE, w->client_listener);
	/* inwards without being asked; the host itself may */
	assert_blocked(w->client, "10.1.0.2", INSIDE, w->web_listener);
	assert_blocked(w->client, "fd00:1::2", INSIDE, w->web_listener);
	assert_blocked(w->client, "10.3.0.2", INSIDE, w->closed_listener);
	assert_reaches(0, "10.1.0.2", INSIDE, w->web_listener);
	assert_reaches(0, "10.3.0.2", INSIDE, w->closed_listener);
	assert_reaches(0, "fd00:1::2", INSIDE, w->web_listener);
}

/* With or without br_netfilter, which sends what stays within a bridge through our chains, too. False:
 * this kernel has none. */
static bool set_bridge_netfilter(bool on)
{
	if (access("/proc/sys/net/bridge/bridge-nf-call-iptables", F_OK) < 0) {
		if (on)
			print_message("skipped: no br_netfilter\n");
		return !on;
	}
	write_sysctl("bridge/bridge-nf-call-iptables", on ? "1" : "0");
	write_sysctl("bridge/bridge-nf-call-ip6tables", on ? "1" : "0");
	return true;
}

static void check_all(bool bridge_netfilter)
{
	struct world *w;

	if (!enter_new_netns() || !set_bridge_netfilter(bridge_netfilter))
		skip();
	w = make_world();
	check_published(w);
	check_from_containers(w);
	check_networks(w);
	end_world(w);
}

static void test_connections(void **state)
{
	(void)state;
	check_all(false);
}

static void test_connections_with_bridge_netfilter(void **state)
{
	(void)state;
	check_all(true);
}

/* CVE-2020-8558: a container sends to 127.0.0.1 of the host by way of its gateway. */
static void test_loopback_of_the_host_is_out_of_reach(void **state)
{
	struct world *w;
	int listener;
	char out[256];

	(void)state;
	if (!enter_new_netns())
		skip();
	w = make_world();
	listener = serve(0, 9999);
	/* The container's own tables must let it out: no local 127.0.0.0/8, and routed to the gateway. */
	snprintf(out, sizeof out,
		 "nsenter -t %d -n sh -c 'ip route del table local local 127.0.0.0/8 dev lo;"
		 " ip route del table local local 127.0.0.1 dev lo; ip addr flush dev lo;"
		 " ip route add 127.0.0.1 via 10.1.0.1 dev eth0;"
		 " echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet' 2>&1",
		 (int)w->web);
	shell(out, out, sizeof out);
	assert_blocked(w->web, "127.0.0.1", 9999, listener);
	/* It was our guard that dropped it, not somebody's accident. */
	assert_int_equal(shell("nft list chain inet cloche guard | grep 'daddr 127.0.0.0/8' | "
			       "grep -c 'packets [1-9]'",
			       out, sizeof out),
			 0);
	close(listener);
	end_world(w);
}

/* icc=false: neither by the bridge nor by way of the host, which knows the way back to the bridge; but
 * the host, the world and what is published are there. */
static void check_without_icc(bool bridge_netfilter)
{
	struct world *w;
	pid_t a, b;
	int listener;
	char command[128];

	if (!enter_new_netns() || !set_bridge_netfilter(bridge_netfilter))
		skip();
	w = make_world();
	add_network(w, 3, "br-4", "10.4.0.1/24", "fd00:4::1/64", false);
	a = make_port("br-4", "veth5", true, "10.4.0.2/24", "10.4.0.1", "fd00:4::2/64",
		      "fd00:4::1");
	b = make_port("br-4", "veth6", true, "10.4.0.3/24", "10.4.0.1", "fd00:4::3/64",
		      "fd00:4::1");
	listener = serve(b, INSIDE);
	assert_reaches(0, "10.4.0.3", INSIDE, listener);
	assert_blocked(a, "10.4.0.3", INSIDE, listener);
	assert_blocked(a, "fd00:4::3", INSIDE, listener);
	snprintf(command, sizeof command,
		 "nsenter -t %d -n sh -c 'ip route add 10.4.0.3 via 10.4.0.1;"
		 " ip -6 route add fd00:4::3 via fd00:4::1'",
		 (int)a);
	assert_int_equal(shell(command, NULL, 0), 0);
	assert_blocked(a, "10.4.0.3", INSIDE, listener);
	assert_blocked(a, "fd00:4::3", INSIDE, listener);
	assert_reaches(a, "192.0.2.1", PORT, w->web_listener);
	assert_reaches(a, "192.0.2.2", INSIDE, w->client_listener);
	close(listener);
	holder_end(a);
	holder_end(b);
	end_world(w);
}

static void test_without_icc(void **state)
{
	(void)state;
	check_without_icc(false);
}

static void test_without_icc_with_bridge_netfilter(void **state)
{
	(void)state;
	check_without_icc(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connections),
		cmocka_unit_test(test_connections_with_bridge_netfilter),
		cmocka_unit_test(test_without_icc),
		cmocka_unit_test(test_without_icc_with_bridge_netfilter),
		cmocka_unit_test(test_loopback_of_the_host_is_out_of_reach),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
