/* SPDX-License-Identifier: Apache-2.0 */
/* Our nftables table as the kernel has it and as nft(8) shows it, in a namespace of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/nftables.h"
#include "network/table.h"
#include "kernel/namespace.h"

static struct network_store store(void)
{
	struct network_store s = {.table = "cloche"};

	return s;
}

static void set_pool(struct network_pool *p, const char *subnet)
{
	*p = (struct network_pool){0};
	assert_int_equal(ip_prefix_parse(subnet, &p->subnet), 0);
}

/* A network of both families. */
struct example {
	struct network_pool pools[2];
	struct network network;
	struct network_behaviour behaviour;
};

static void example_init(struct example *e, const char *bridge, const char *v4, const char *v6)
{
	set_pool(&e->pools[0], v4);
	set_pool(&e->pools[1], v6);
	e->network = (struct network){.name = (char *)"web", .pools = e->pools, .pool_count = 2};
	strcpy(e->network.bridge, bridge);
	e->behaviour = (struct network_behaviour){.icc = true, .masquerade = true};
}

static void example_add(struct example *e)
{
	struct network_store s = store();
	struct err err = ERR_INIT;

	assert_int_equal(table_add_network(&s, &e->network, &e->behaviour, &err), 0);
}

static char *list_table(void)
{
	static char out[1 << 20];

	assert_int_equal(shell("nft list table inet cloche", out, sizeof out), 0);
	return out;
}

/* Rules as in table_rules.c, elements of one network. Sets and chains in the order of creation. */
static const char listing[] =
#include "table_listing.h"
	;

static void assert_listing(const char *expected)
{
	assert_string_equal(list_table(), expected);
}

static void test_text_form(void **state)
{
	struct network_store s = store();
	struct example e;

	(void)state;
	if (!enter_new_netns())
		skip();
	assert_int_equal(table_stands(&s), -ENOENT);
	example_init(&e, "cloche0", "172.17.0.1/16", "fd00:1::1/64");
	example_add(&e);
	assert_int_equal(table_stands(&s), 0);
	assert_listing(listing);
	/* Again, with the table and without its rules, and all of it once more: nothing doubles. */
	example_add(&e);
	assert_listing(listing);
	assert_int_equal(shell("nft flush table inet cloche", NULL, 0), 0);
	assert_int_equal(table_stands(&s), -ENOENT);
	example_add(&e);
	assert_listing(listing);
}

static void test_internal_without_icc(void **state)
{
	struct example e;
	const char *text;

	(void)state;
	if (!enter_new_netns())
		skip();
	example_init(&e, "br-1", "10.1.0.0/24", "fd00:2::/64");
	e.network.internal = true;
	e.behaviour.icc = false;
	example_add(&e);
	text = list_table();
	assert_non_null(
		strstr(text, "set internal {\n\t\ttype ifname\n\t\telements = { \"br-1\" }"));
	assert_null(strstr(text, "\"br-1\" . \"br-1\""));
	assert_non_null(
		strstr(text, "set masquerade4 {\n\t\ttype ipv4_addr\n\t\tflags interval\n\t}"));
}

static void test_networks_come_and_go(void **state)
{
	struct network_store s = store();
	struct err err = ERR_INIT;
	struct example a, b;
	const char *text;

	(void)state;
	if (!enter_new_netns())
		skip();
	example_init(&a, "cloche0", "172.17.0.0/16", "fd00:1::/64");
	example_init(&b, "br-1", "172.18.0.0/16", "fd00:2::/64");
	example_add(&a);
	example_add(&b);
	text = list_table();
	assert_non_null(strstr(text, "{ 172.17.0.0/16, 172.18.0.0/16 }"));
	assert_int_equal(table_remove_network(&s, &b.network, &b.behaviour, &err), 0);
	assert_listing(listing);
	/* Once more, and when only a part is there. */
	assert_int_equal(table_remove_network(&s, &b.network, &b.behaviour, &err), 0);
	assert_int_equal(shell("nft delete element inet cloche bridges '{ cloche0 }'", NULL, 0), 0);
	assert_int_equal(table_remove_network(&s, &a.network, &a.behaviour, &err), 0);
	assert_null(strstr(list_table(), "elements"));
	assert_int_equal(table_remove(&s, &err), 0);
	assert_int_equal(table_stands(&s), -ENOENT);
	assert_int_equal(table_remove(&s, &err), 0);
}

/* The last subnet there is: an interval without an end. */
static void test_subnet_at_the_end(void **state)
{
	struct network_store s = store();
	struct err err = ERR_INIT;
	struct example e;

	(void)state;
	if (!enter_new_netns())
		skip();
	example_init(&e, "br-1", "255.255.0.0/16", "ffff::/16");
	example_add(&e);
	assert_int_equal(table_remove_network(&s, &e.network, &e.behaviour, &err), 0);
	assert_null(strstr(list_table(), "elements"));
}

/* ---- ports ---- */

static struct port_binding port(const char *address, uint16_t host, uint16_t container,
				uint8_t protocol)
{
	struct port_binding p = {
		.host_port = host, .container_port = container, .protocol = protocol};

	assert_int_equal(ip_parse(address, &p.host_address), 0);
	return p;
}

static void endpoint_init(struct endpoint *e, const char *v4, const char *v6)
{
	*e = (struct endpoint){0};
	if (v4)
		assert_int_equal(ip_prefix_parse(v4, &e->ipv4), 0);
	if (v6)
		assert_int_equal(ip_prefix_parse(v6, &e->ipv6), 0);
}

/* Sends the batch of a script. */
static int send_ports(const struct sandbox *sandbox, bool remove)
{
	struct network_store s = store();
	size_t size = table_ports_bytes(sandbox->port_count);
	auto_free unsigned char *bytes = calloc(1, size);
	struct netlink_buffer b = {.bytes = bytes, .size = size};
	int fd = netlink_open(NETLINK_NETFILTER), r;

	table_put_ports(&s, sandbox, remove, &b);
	assert_false(b.overflow);
	r = netlink_transact(fd, b.bytes, b.used, NULL);
	close(fd);
	return r;
}

static void test_ports(void **state)
{
	struct endpoint both[2];
	struct port_binding ports[] = {
		port("0.0.0.0", 8080, 80, IPPROTO_TCP),   port("::", 8080, 80, IPPROTO_TCP),
		port("127.0.0.1", 53, 5353, IPPROTO_UDP), port("fd00:9::9", 443, 8443, IPPROTO_TCP),
		port("::1", 443, 8443, IPPROTO_TCP),      port("::", 9090, 90, IPPROTO_TCP),
	};
	struct sandbox sandbox = {
		.endpoints = both, .endpoint_count = 2, .ports = ports, .port_count = 6};
	struct example e;
	const char *text;
	int r;

	(void)state;
	if (!enter_new_netns())
		skip();
	ports[5].network = 1; /* which has no IPv6 */
	endpoint_init(&both[0], "172.17.0.2/16", "fd00:1::2/64");
	endpoint_init(&both[1], "172.18.0.2/16", NULL);
	example_init(&e, "cloche0", "172.17.0.0/16", "fd00:1::/64");
	example_add(&e);
	assert_int_equal(send_ports(&sandbox, false), 0);
	text = list_table();
	assert_non_null(strstr(text, "elements = { tcp . 8080 : 172.17.0.2 . 80 }"));
	assert_non_null(strstr(text, "elements = { tcp . 8080 : fd00:1::2 . 80 }"));
	assert_non_null(strstr(text, "elements = { 127.0.0.1 . udp . 53 : 172.17.0.2 . 5353 }"));
	assert_non_null(strstr(text, "elements = { fd00:9::9 . tcp . 443 : fd00:1::2 . 8443 }"));
	/* Done twice it is the same; another container's is refused as a whole. */
	assert_int_equal(send_ports(&sandbox, false), 0);
	ports[0].host_port = 8081;
	ports[1].container_port = 81;
	r = send_ports(&sandbox, false);
	assert_true(r == -EEXIST || r == -EBUSY); /* kernels differ */
	assert_null(strstr(list_table(), "8081"));
	ports[0].host_port = 8080;
	assert_int_equal(send_ports(&sandbox, true), 0);
	assert_listing(listing);
	assert_int_equal(send_ports(&sandbox, true), -ENOENT);
}

static void test_nothing_to_translate_is_no_batch(void **state)
{
	struct network_store s = store();
	struct endpoint e;
	struct port_binding p = port("::1", 80, 80, IPPROTO_TCP);
	struct sandbox sandbox = {
		.endpoints = &e, .endpoint_count = 1, .ports = &p, .port_count = 1};
	_Alignas(4) unsigned char bytes[1024];
	struct netlink_buffer b = {.bytes = bytes, .size = sizeof bytes};

	(void)state;
	endpoint_init(&e, "10.0.0.2/24", "fd00::2/64");
	table_put_ports(&s, &sandbox, false, &b);
	assert_int_equal(b.used, 0);
	assert_false(b.overflow);
}

/* As many as a container can ask for, in one transaction, in the space that was said to suffice. */
static void test_thousands_of_ports(void **state)
{
	static const char *addresses[] = {"0.0.0.0", "::", "10.0.0.1", "fd00:9::1"};
	enum { EACH = 2001, ALL = 4 * EACH };
	struct port_binding *ports = calloc(ALL, sizeof *ports);
	struct endpoint endpoint;
	struct sandbox sandbox = {
		.endpoints = &endpoint, .endpoint_count = 1, .ports = ports, .port_count = ALL};
	struct example e;
	char out[32];

	(void)state;
	if (!enter_new_netns())
		skip();
	endpoint_init(&endpoint, "172.17.0.2/16", "fd00:1::2/64");
	for (size_t i = 0; i < ALL; i++)
		ports[i] = port(addresses[i / EACH], 10000 + i % EACH, 80, IPPROTO_TCP);
	example_init(&e, "cloche0", "172.17.0.0/16", "fd00:1::/64");
	example_add(&e);
	assert_int_equal(send_ports(&sandbox, false), 0);
	assert_int_equal(shell("nft list table inet cloche | grep -o 'tcp \\. [0-9]* :' | wc -l",
			       out, sizeof out),
			 0);
	assert_int_equal(atoi(out), ALL);
	assert_int_equal(send_ports(&sandbox, true), 0);
	assert_listing(listing);
	free(ports);
}

/* A batch whose last message is refused leaves nothing of what came before. */
static void test_refused_batch_leaves_nothing(void **state)
{
	_Alignas(4) unsigned char bytes[4096];
	struct netlink_buffer b = {.bytes = bytes, .size = sizeof bytes};
	struct nft_chain orphan = {.family = NFPROTO_INET, .table = "nowhere", .name = "c"};
	struct netlink_refusal refusal;
	char out[16];
	int fd;

	(void)state;
	if (!enter_new_netns())
		skip();
	fd = netlink_open(NETLINK_NETFILTER);
	nft_batch_begin(&b);
	nft_put_table(&b, NFPROTO_INET, "here");
	nft_put_chain(&b, &orphan);
	nft_put_table(&b, NFPROTO_INET, "there");
	nft_batch_end(&b);
	assert_int_equal(netlink_transact(fd, b.bytes, b.used, &refusal), -ENOENT);
	assert_int_equal(refusal.index, 2);
	assert_int_equal(refusal.type & 0xff, NFT_MSG_NEWCHAIN);
	assert_int_equal(shell("nft list ruleset", out, sizeof out), 0);
	assert_string_equal(out, "");
	close(fd);
}

/* More errors than the socket's queue holds. */
static void test_thousands_of_refusals(void **state)
{
	enum { MESSAGES = 4000, BYTES = MESSAGES * 64 };
	unsigned char *bytes = calloc(1, BYTES);
	struct netlink_buffer b = {.bytes = bytes, .size = BYTES};
	struct netlink_refusal refusal;
	char out[16];
	int fd;

	(void)state;
	if (!enter_new_netns())
		skip();
	fd = netlink_open(NETLINK_NETFILTER);
	nft_batch_begin(&b);
	nft_put_table(&b, NFPROTO_INET, "here");
	for (int i = 0; i < MESSAGES - 3; i++)
		nft_put_delete_table(&b, NFPROTO_INET, "nowhere");
	nft_batch_end(&b);
	assert_false(b.overflow);
	assert_int_equal(netlink_transact(fd, b.bytes, b.used, &refusal), -ENOENT);
	assert_int_equal(refusal.index, 2);
	assert_int_equal(shell("nft list ruleset", out, sizeof out), 0);
	assert_string_equal(out, "");
	free(bytes);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_form),
		cmocka_unit_test(test_internal_without_icc),
		cmocka_unit_test(test_networks_come_and_go),
		cmocka_unit_test(test_subnet_at_the_end),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_nothing_to_translate_is_no_batch),
		cmocka_unit_test(test_thousands_of_ports),
		cmocka_unit_test(test_refused_batch_leaves_nothing),
		cmocka_unit_test(test_thousands_of_refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
