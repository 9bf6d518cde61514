/* SPDX-License-Identifier: Apache-2.0 */
/* Devices, addresses and routes made in network namespaces of the test's own, and read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "kernel/link.h"
#include "kernel/namespace.h"

struct fixture {
	_Alignas(4) unsigned char bytes[8192];
	struct netlink_buffer b;
	int fd;
};

static void begin(struct fixture *f)
{
	f->b = (struct netlink_buffer){.bytes = f->bytes, .size = sizeof f->bytes};
	f->fd = netlink_open(NETLINK_ROUTE);
	assert_true(f->fd >= 0);
}

/* Sends what is in the buffer and empties it. */
static int commit(struct fixture *f, struct netlink_refusal *refusal)
{
	int r = netlink_transact(f->fd, f->b.bytes, f->b.used, refusal);

	f->b.used = 0;
	return r;
}

static struct link_info find_link(int fd, const char *name)
{
	struct link_info *list, found = {0};
	struct err err = ERR_INIT;
	size_t n;

	assert_int_equal(link_list(fd, &list, &n, &err), 0);
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].name, name) == 0)
			found = list[i];
	free(list);
	return found;
}

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;

	assert_int_equal(ip_prefix_parse(text, &p), 0);
	return p;
}

static bool has_address(int fd, uint32_t index, const char *text)
{
	struct ip_prefix wanted = prefix(text);
	struct link_address *list;
	struct err err = ERR_INIT;
	bool found = false;
	size_t n;

	assert_int_equal(link_list_addresses(fd, &list, &n, &err), 0);
	for (size_t i = 0; i < n; i++)
		found |= list[i].index == index && list[i].address.length == wanted.length &&
			 ip_equal(&list[i].address.address, &wanted.address);
	free(list);
	return found;
}

static size_t count_addresses(int fd, uint32_t index)
{
	struct link_address *list;
	struct err err = ERR_INIT;
	size_t n, found = 0;

	assert_int_equal(link_list_addresses(fd, &list, &n, &err), 0);
	for (size_t i = 0; i < n; i++)
		found += list[i].index == index;
	free(list);
	return found;
}

static void test_bridge(void **state)
{
	static const uint8_t mac[6] = {2, 0x42, 1, 2, 3, 4};
	struct link_bridge bridge = {.name = "br0", .mtu = 1400, .mac = mac};
	struct fixture f;
	struct link_info i;

	(void)state;
	if (!enter_new_netns())
		skip();
	begin(&f);
	assert_int_equal(link_index("br0"), 0);
	link_put_bridge(&f.b, &bridge);
	assert_int_equal(commit(&f, NULL), 0);
	i = find_link(f.fd, "br0");
	assert_int_equal(i.index, link_index("br0"));
	assert_string_equal(i.kind, "bridge");
	assert_int_equal(i.mtu, 1400);
	assert_memory_equal(i.mac, mac, 6);
	assert_true(i.flags & IFF_UP);

	link_put_up(&f.b, "br0", false);
	assert_int_equal(commit(&f, NULL), 0);
	assert_false(find_link(f.fd, "br0").flags & IFF_UP);
	link_put_delete(&f.b, "br0");
	assert_int_equal(commit(&f, NULL), 0);
	assert_int_equal(link_index("br0"), 0);
	close(f.fd);
}

static void test_refusal_names_the_message_and_the_kernels_words(void **state)
{
	struct link_bridge bridge = {.name = "br0"};
	struct netlink_refusal refusal;
	struct fixture f;

	(void)state;
	if (!enter_new_netns())
		skip();
	begin(&f);
	link_put_bridge(&f.b, &bridge);
	assert_int_equal(commit(&f, &refusal), 0);
	assert_string_equal(refusal.text, "");
	link_put_up(&f.b, "br0", true);
	link_put_bridge(&f.b, &bridge);
	link_put_delete(&f.b, "no-such");
	assert_int_equal(commit(&f, &refusal), -EEXIST);
	assert_int_equal(refusal.index, 1);
	assert_int_equal(refusal.type, RTM_NEWLINK);

	struct ip_address gateway;

	/* Words differ between kernels; that there are some does not. */
	assert_int_equal(ip_parse("10.9.8.7", &gateway), 0);
	link_put_route(&f.b, NULL, &gateway, 0, 0);
	assert_int_equal(commit(&f, &refusal), -ENETUNREACH);
	assert_int_equal(refusal.index, 0);
	assert_string_not_equal(refusal.text, "");
	close(f.fd);
}

/* What a connect does: a bridge, a pair, and addresses and routes over there. */
static void connect_pair(struct fixture *f, pid_t pid, bool isolated,
			 struct link_veth_places *places)
{
	static const uint8_t mac[6] = {2, 0x42, 10, 1, 0, 2};
	struct link_bridge bridge = {.name = "br0"};
	struct ip_prefix gateway = prefix("10.1.0.1/16");

	link_put_bridge(&f->b, &bridge);
	assert_int_equal(commit(f, NULL), 0);
	link_put_address(&f->b, link_index("br0"), &gateway);
	assert_int_equal(commit(f, NULL), 0);

	struct link_veth veth = {.name = "vethaaaaa00",
				 .peer = "eth0",
				 .bridge_index = link_index("br0"),
				 .mtu = 1420,
				 .peer_index = 200,
				 .peer_mac = mac,
				 .isolated = isolated};

	link_put_veth(&f->b, &veth, places);
	memcpy(f->b.bytes + places->pid, &(int32_t){pid}, 4);
	memcpy(f->b.bytes + places->name, "vethbbbbb01\0\0\0\0", IFNAMSIZ);
	memcpy(f->b.bytes + places->port_name, "vethbbbbb01\0\0\0\0", IFNAMSIZ);
	if (places->isolated_name)
		memcpy(f->b.bytes + places->isolated_name, "vethbbbbb01\0\0\0\0", IFNAMSIZ);
	assert_int_equal(commit(f, NULL), 0);
}

static void test_veth_into_another_namespace(void **state)
{
	struct link_veth_places places;
	struct link_info i, peer;
	struct fixture f, inside;
	pid_t pid;
	int back;

	(void)state;
	if (!enter_new_netns())
		skip();
	begin(&f);
	pid = holder_start();
	connect_pair(&f, pid, false, &places);
	i = find_link(f.fd, "vethbbbbb01");
	assert_int_equal(i.master, link_index("br0"));
	assert_string_equal(i.kind, "veth");
	assert_int_equal(i.peer_index, 200);
	assert_int_equal(i.mtu, 1420);
	assert_true(i.flags & IFF_UP);
	assert_int_equal(link_index("eth0"), 0);

	back = netns_enter(pid);
	begin(&inside);
	peer = find_link(inside.fd, "eth0");
	assert_int_equal(peer.index, 200);
	assert_int_equal(peer.mtu, 1420);
	assert_memory_equal(peer.mac, ((uint8_t[]){2, 0x42, 10, 1, 0, 2}), 6);
	assert_false(peer.flags & IFF_UP);
	netns_leave(back);
	close(inside.fd);
	holder_end(pid);
	close(f.fd);
}

/* The host has a device of every small number, as after a day's work. */
static void test_peer_index_that_the_host_has(void **state)
{
	struct link_veth veth = {.name = "vethaaaaa00", .peer = "eth0"};
	struct link_veth_places places;
	struct fixture f;
	int back;

	(void)state;
	if (!enter_new_netns())
		skip();
	begin(&f);
	for (int i = 0; i < 24; i++) {
		char name[IFNAMSIZ];

		snprintf(name, sizeof name, "br%d", i);
		link_put_bridge(&f.b, &(struct link_bridge){.name = name});
		assert_int_equal(commit(&f, NULL), 0);
	}
	veth.bridge_index = link_index("br0");
	veth.peer_index = link_peer_index(1);
	veth.pid = holder_start();
	link_put_veth(&f.b, &veth, &places);
	assert_int_equal(commit(&f, NULL), 0);
	assert_int_equal(find_link(f.fd, "vethaaaaa00").peer_index, veth.peer_index);
	back = netns_enter(veth.pid);
	assert_int_equal(link_index("eth0"), link_peer_index(0) + 1);
	netns_leave(back);
	holder_end(veth.pid);
	close(f.fd);
}

static void test_isolated_port(void **state)
{
	struct link_veth_places places;
	struct fixture f;
	char out[64];
	pid_t pid;

	(void)state;
	if (!enter_new_netns())
		skip();
	begin(&f);
	pid = holder_start();
	connect_pair(&f, pid, true, &places);
	assert_true(find_link(f.fd, "vethbbbbb01").flags & IFF_UP);
	assert_int_equal(shell("ip -d -o link show vethbbbbb01 | grep -o 'isolated [a-z]*'", out,
			       sizeof out),
			 0);
	assert_string_equal(out, "isolated on\n");
	holder_end(pid);
	close(f.fd);
}

/* Address and route of both families inside, where eth0 has index 200. */
static void configure_inside(struct fixture *f)
{
	struct ip_prefix v4 = prefix("10.1.0.2/16"), v6 = prefix("fd00:1::2/64"),
			 far = prefix("10.7.0.9/16");
	struct ip_address gateway4, gateway6;

	assert_int_equal(ip_parse("10.1.0.1", &gateway4), 0);
	assert_int_equal(ip_parse("fd00:1::1", &gateway6), 0);
	link_put_up(&f->b, "lo", true);
	link_put_up(&f->b, "eth0", true);
	link_put_address(&f->b, 200, &v4);
	link_put_address(&f->b, 200, &v6);
	link_put_address(
		&f->b, LINK_INDEX_LOOPBACK,
		&(struct ip_prefix){.address = {.family = AF_INET, .bytes = {127, 0, 0, 11}},
				    .length = 32});
	link_put_route(&f->b, NULL, &gateway4, 200, 0);
	link_put_route(&f->b, NULL, &gateway6, 200, 77);
	link_put_route(&f->b, &far, NULL, 200, 5);
	assert_int_equal(commit(f, NULL), 0);
}

static const struct link_route *find_route(const struct link_route *list, size_t n, uint8_t family,
					   uint8_t length)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].table == RT_TABLE_MAIN && list[i].to.length == length &&
		    list[i].to.address.family == family)
			return &list[i];
	return NULL;
}

static void test_addresses_and_routes(void **state)
{
	struct link_veth_places places;
	struct link_route *routes;
	const struct link_route *r4, *r6;
	struct fixture f, inside;
	struct err err = ERR_INIT;
	size_t n;
	pid_t pid;
	int back;

	(void)state;
	if (!enter_new_netns())
		skip();
	begin(&f);
	pid = holder_start();
	connect_pair(&f, pid, false, &places);
	assert_true(has_address(f.fd, link_index("br0"), "10.1.0.1/16"));
	/* A port is there, so the bridge has a carrier and would have made a link-local address. */
	assert_int_equal(count_addresses(f.fd, link_index("br0")), 1);

	back = netns_enter(pid);
	begin(&inside);
	configure_inside(&inside);
	assert_true(has_address(inside.fd, 200, "10.1.0.2/16"));
	assert_true(has_address(inside.fd, 200, "fd00:1::2/64"));
	assert_true(has_address(inside.fd, 1, "127.0.0.11/32"));
	assert_int_equal(link_list_routes(inside.fd, &routes, &n, &err), 0);
	r4 = find_route(routes, n, AF_INET, 0);
	assert_non_null(r4);
	assert_memory_equal(r4->gateway.bytes, ((uint8_t[]){10, 1, 0, 1}), 4);
	assert_int_equal(r4->index, 200);
	r6 = find_route(routes, n, AF_INET6, 0);
	assert_non_null(r6);
	assert_int_equal(r6->metric, 77);
	free(routes);
	netns_leave(back);
	close(inside.fd);
	holder_end(pid);
	close(f.fd);
}

/* Answers for which the socket's queue has no room: the first one is still the first, and the socket
 * serves on. */
static void test_more_refusals_than_the_queue_holds(void **state)
{
	enum { MESSAGES = 4000, BYTES = MESSAGES * 64 };
	unsigned char *bytes = calloc(1, BYTES);
	struct link_bridge bridge = {.name = "br0"};
	struct netlink_refusal refusal;
	struct fixture f;

	(void)state;
	if (!enter_new_netns())
		skip();
	begin(&f);
	f.b = (struct netlink_buffer){.bytes = bytes, .size = BYTES};
	link_put_bridge(&f.b, &bridge);
	for (int i = 0; i < MESSAGES - 4; i++)
		link_put_delete(&f.b, "no-such");
	assert_false(f.b.overflow);
	assert_int_equal(netlink_transact(f.fd, f.b.bytes, f.b.used, &refusal), -ENODEV);
	assert_int_equal(refusal.type, RTM_DELLINK);
	assert_in_range(refusal.index, 2, 3); /* behind the bridge, of two or three messages */
	f.b = (struct netlink_buffer){.bytes = f.bytes, .size = sizeof f.bytes};
	link_put_delete(&f.b, "br0");
	assert_int_equal(commit(&f, &refusal), 0);
	free(bytes);
	close(f.fd);
}

static int end_early(const struct nlmsghdr *h, void *context)
{
	(void)h;
	++*(int *)context;
	return -ECANCELED;
}

static void test_dump_ended_early_leaves_the_socket_usable(void **state)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} request = {.h = {.nlmsg_type = RTM_GETLINK, .nlmsg_len = sizeof request}};
	struct link_bridge bridge = {.name = "br0"};
	struct fixture f;
	int calls = 0;

	(void)state;
	if (!enter_new_netns())
		skip();
	begin(&f);
	link_put_bridge(&f.b, &bridge);
	assert_int_equal(commit(&f, NULL), 0);
	assert_int_equal(netlink_dump(f.fd, &request, sizeof request, end_early, NULL, &calls),
			 -ECANCELED);
	assert_int_equal(calls, 1);
	assert_int_not_equal(find_link(f.fd, "br0").index, 0);
	close(f.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bridge),
		cmocka_unit_test(test_refusal_names_the_message_and_the_kernels_words),
		cmocka_unit_test(test_veth_into_another_namespace),
		cmocka_unit_test(test_peer_index_that_the_host_has),
		cmocka_unit_test(test_isolated_port),
		cmocka_unit_test(test_addresses_and_routes),
		cmocka_unit_test(test_more_refusals_than_the_queue_holds),
		cmocka_unit_test(test_dump_ended_early_leaves_the_socket_usable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
