/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that the kernel remembers and forgets, in a network namespace of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/conntrack.h"
#include "kernel/namespace.h"

/* Sends a datagram to 127.0.0.1 from a port of its own, so that the kernel remembers it. */
static void send_to(const char *address, uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(inet_pton(AF_INET, address, &a.sin_addr), 1);
	assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&a, sizeof a), 1);
	close(fd);
}

/* How many were first sent there; behind that stands what an answer would have, a port of the
 * kernel's choice. */
static int remembered(const char *address, const char *port)
{
	char command[160], out[16];

	snprintf(command, sizeof command,
		 "grep -cE ' udp +17 [0-9]+ src=[^ ]+ dst=%s sport=[0-9]+ dport=%s '"
		 " /proc/self/net/nf_conntrack",
		 address, port);
	shell(command, out, sizeof out);
	return atoi(out);
}

/* lo up, and rules that look at connections, or nothing is remembered. */
static bool prepare(void)
{
	char out[256];

	if (!enter_new_netns())
		return false;
	assert_int_equal(shell("ip link set lo up && nft 'table inet t { chain c { type filter hook"
			       " output priority 0; ct state new accept; }; }' 2>&1",
			       out, sizeof out),
			 0);
	if (access("/proc/self/net/nf_conntrack", R_OK) == 0)
		return true;
	print_message("skipped: this kernel does not list connections\n");
	return false;
}

static void test_forgets_a_port(void **state)
{
	struct conntrack_port p = {.family = AF_INET, .protocol = IPPROTO_UDP, .port = 5300};

	(void)state;
	if (!prepare())
		skip();
	send_to("127.0.0.1", 5300);
	send_to("127.0.0.2", 5300);
	send_to("127.0.0.1", 5301);
	assert_int_equal(remembered("[0-9.]+", "5300"), 2);
	assert_int_equal(conntrack_forget(&p, 1), 0);
	assert_int_equal(remembered("[0-9.]+", "5300"), 0);
	assert_int_equal(remembered("[0-9.]+", "5301"), 1);
	assert_int_equal(conntrack_forget(&p, 1), 0);
}

static void test_forgets_an_address(void **state)
{
	struct conntrack_port p = {.family = AF_INET,
				   .protocol = IPPROTO_UDP,
				   .port = 5300,
				   .address = {127, 0, 0, 2}};

	(void)state;
	if (!prepare())
		skip();
	send_to("127.0.0.1", 5300);
	send_to("127.0.0.2", 5300);
	assert_int_equal(conntrack_forget(&p, 1), 0);
	assert_int_equal(remembered("127.0.0.1", "5300"), 1);
	assert_int_equal(remembered("127.0.0.2", "5300"), 0);
}

static void test_forgets_many(void **state)
{
	struct conntrack_port ports[60];

	(void)state;
	if (!prepare())
		skip();
	for (uint16_t i = 0; i < 60; i++) {
		ports[i] = (struct conntrack_port){.family = i % 2 ? AF_INET : AF_INET6,
						   .protocol = i % 3 ? IPPROTO_UDP : IPPROTO_TCP,
						   .port = 5300 + i};
		send_to("127.0.0.1", 5300 + i);
	}
	send_to("127.0.0.1", 5299);
	assert_int_equal(conntrack_forget(ports, 60), 0);
	/* the other half of those that are IPv6 or TCP here */
	assert_int_equal(remembered("[0-9.]+", "53[0-5][0-9]"), 40);
	assert_int_equal(remembered("[0-9.]+", "5299"), 1);
	assert_int_equal(conntrack_forget(NULL, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forgets_a_port),
		cmocka_unit_test(test_forgets_an_address),
		cmocka_unit_test(test_forgets_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
