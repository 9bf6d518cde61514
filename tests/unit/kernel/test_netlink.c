/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as bytes, and malformed ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

#include "kernel/netlink.h"

#define BUFFER(name, n)                                  \
	_Alignas(4) unsigned char name##_bytes[n];       \
	memset(name##_bytes, 0xaa, sizeof name##_bytes); \
	struct netlink_buffer name = {.bytes = name##_bytes, .size = sizeof name##_bytes}

static void test_message_is_padded_and_nested(void **state)
{
	BUFFER(b, 256);
	struct rtmsg header = {.rtm_family = 2};
	const struct nlattr *a[4], *inner[2];
	size_t nest, value;

	(void)state;
	netlink_begin(&b, RTM_NEWROUTE, NLM_F_ACK, &header, sizeof header);
	netlink_put_u8(&b, 1, 7);
	nest = netlink_nest_begin(&b, 2);
	value = netlink_put_be32(&b, 1, 0x01020304);
	netlink_nest_end(&b, nest);
	netlink_put_string(&b, 3, "abc");
	assert_false(b.overflow);
	assert_int_equal(b.used, 16 + 12 + 8 + (4 + 8) + 8);
	assert_memory_equal(b.bytes + value, "\1\2\3\4", 4);

	const struct nlmsghdr *h = (const void *)b.bytes;

	assert_int_equal(h->nlmsg_len, b.used);
	assert_int_equal(h->nlmsg_flags, NLM_F_ACK | NLM_F_REQUEST);
	assert_int_equal(netlink_attributes(h, sizeof header, a, 3), 0);
	assert_null(a[0]);
	assert_int_equal(netlink_value_u8(a[1]), 7);
	assert_memory_equal((const char *)netlink_value(a[1]) + 1, "\0\0\0", 3);
	assert_int_equal(netlink_nested(a[2], inner, 1), 0);
	assert_int_equal(netlink_value_be32(inner[1]), 0x01020304);
	assert_string_equal(netlink_value_string(a[3]), "abc");
	assert_null(netlink_value_string(a[1]));
	assert_int_equal(netlink_value_u32(a[0]), 0);
	assert_int_equal(netlink_value_u32(a[1]), 0); /* too short */
}

static void test_overflow_leaves_nothing(void **state)
{
	BUFFER(b, 60);
	int fd = netlink_open(NETLINK_ROUTE);
	size_t nest;

	(void)state;
	assert_true(fd >= 0);
	netlink_begin(&b, RTM_NEWLINK, 0, NULL, 0);
	nest = netlink_nest_begin(&b, 1);
	netlink_put(&b, 2, "0123456789012345678901234567890123456789", 40);
	netlink_nest_end(&b, nest);
	assert_true(b.overflow);
	assert_int_equal(b.used, 0);
	netlink_put_u8(&b, 1, 1);
	netlink_begin(&b, RTM_NEWLINK, 0, NULL, 0);
	assert_int_equal(b.used, 0);
	assert_int_equal(netlink_transact(fd, b.bytes, b.used, NULL), -EMSGSIZE);
	close(fd);
}

static void test_attribute_of_64_kib_is_an_overflow(void **state)
{
	static _Alignas(4) unsigned char bytes[200 * 1024];
	struct netlink_buffer b = {.bytes = bytes, .size = sizeof bytes};
	static char big[60000];
	size_t nest;

	(void)state;
	netlink_begin(&b, RTM_NEWLINK, 0, NULL, 0);
	nest = netlink_nest_begin(&b, 1);
	netlink_put(&b, 1, big, sizeof big);
	netlink_put(&b, 1, big, sizeof big);
	assert_false(b.overflow);
	netlink_nest_end(&b, nest);
	assert_true(b.overflow);
}

static void test_malformed_attributes(void **state)
{
	BUFFER(b, 64);
	const struct nlattr *a[3];
	struct nlmsghdr *h = (void *)b_bytes;
	struct nlattr *first = (void *)(b_bytes + NLMSG_HDRLEN);

	(void)state;
	netlink_begin(&b, RTM_NEWLINK, 0, NULL, 0);
	netlink_put_u32(&b, 1, 1);
	assert_int_equal(netlink_attributes(h, 0, a, 2), 0);
	first->nla_len = 12; /* beyond the message */
	assert_int_equal(netlink_attributes(h, 0, a, 2), -EBADMSG);
	first->nla_len = 3; /* shorter than itself */
	assert_int_equal(netlink_attributes(h, 0, a, 2), -EBADMSG);
	first->nla_len = 8;
	assert_int_equal(netlink_attributes(h, 40, a, 2), -EBADMSG); /* no room for the header */
}

static void test_batch_of_wrong_lengths_is_not_sent(void **state)
{
	BUFFER(b, 64);
	struct nlmsghdr *h = (void *)b_bytes;
	int fd = netlink_open(NETLINK_ROUTE);

	(void)state;
	netlink_begin(&b, RTM_NEWLINK, 0, NULL, 0);
	h->nlmsg_len = 60;
	assert_int_equal(netlink_transact(fd, b.bytes, b.used, NULL), -EMSGSIZE);
	h->nlmsg_len = 4;
	assert_int_equal(netlink_transact(fd, b.bytes, b.used, NULL), -EMSGSIZE);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message_is_padded_and_nested),
		cmocka_unit_test(test_overflow_leaves_nothing),
		cmocka_unit_test(test_attribute_of_64_kib_is_an_overflow),
		cmocka_unit_test(test_malformed_attributes),
		cmocka_unit_test(test_batch_of_wrong_lengths_is_not_sent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
