/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of the kernel, and the arithmetic of Docker's client on two looks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/stats.h"

static void test_host_cpu(void **state)
{
	static const char text[] = "cpu  1 2 3 4 5 6 7 800 900 1000\n"
				   "cpu0 1 1 1 1 1 1 1 1 1 1\ncpu1 0 1 2 3 4 5 6 7 8 9\nintr 77\n";
	unsigned cpus;

	(void)state;
	/* The first seven alone: the time of guests is part of the first two. */
	assert_int_equal(stats_parse_host_cpu(text, &cpus),
			 28 * (1000000000 / sysconf(_SC_CLK_TCK)));
	assert_int_equal(cpus, 2);
}

static void test_blkio(void **state)
{
	struct container_stats s = {.read_ns = 0};

	(void)state;
	stats_parse_blkio("8:0 Read 4096\n8:0 Write 100\n8:0 Sync 4196\n8:0 Total 4196\n"
			  "253:1 Read 1\n253:1 Write 18446744073709551615\nTotal 4297\n",
			  &s);
	assert_int_equal(s.device_count, 2);
	assert_int_equal(s.devices[0].read_bytes, 4096);
	assert_int_equal(s.devices[0].written_bytes, 100);
	assert_int_equal(s.devices[1].major, 253);
	assert_int_equal(s.devices[1].minor, 1);
	assert_int_equal(s.devices[1].read_bytes, 1);
	assert_true(s.devices[1].written_bytes == UINT64_MAX);
}

static void test_io_stat(void **state)
{
	struct container_stats s = {.read_ns = 0};

	(void)state;
	stats_parse_io_stat(
		"8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0\n"
		"7:0\n8:0 rbytes=5 wbytes=6 rios=1 wios=1\n",
		&s);
	assert_int_equal(s.device_count, 2);
	assert_int_equal(s.devices[0].minor, 16);
	assert_int_equal(s.devices[0].read_bytes, 1459200);
	assert_int_equal(s.devices[0].written_bytes, 314773504);
	assert_int_equal(s.devices[1].read_bytes, 5);
	assert_int_equal(s.devices[1].written_bytes, 6);
}

static void test_net_dev(void **state)
{
	struct container_stats s = {.read_ns = 0};

	(void)state;
	stats_parse_net_dev(
		"Inter-|   Receive                                                |  Transmit\n"
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs "
		"drop fifo colls carrier compressed\n"
		"    lo:     100       1    0    0    0     0          0         0      100       1    0    "
		"0    0     0       0          0\n"
		"  eth0: 1090 12 3 4 5 6 7 8 126 9 10 11 12 13 14 15\n",
		&s);
	assert_int_equal(s.interface_count, 1);
	assert_string_equal(s.interfaces[0].name, "eth0");
	assert_int_equal(s.interfaces[0].rx_bytes, 1090);
	assert_int_equal(s.interfaces[0].rx_packets, 12);
	assert_int_equal(s.interfaces[0].rx_errors, 3);
	assert_int_equal(s.interfaces[0].rx_dropped, 4);
	assert_int_equal(s.interfaces[0].tx_bytes, 126);
	assert_int_equal(s.interfaces[0].tx_packets, 9);
	assert_int_equal(s.interfaces[0].tx_errors, 10);
	assert_int_equal(s.interfaces[0].tx_dropped, 11);
}

static void test_percent(void **state)
{
	struct container_stats s = {
		.before = {.usage_ns = 1000, .host_ns = 10000},
		.cpu = {.usage_ns = 1500, .host_ns = 12000},
		.online_cpus = 4,
		.memory_usage_bytes = 300,
		.memory_inactive_file_bytes = 100,
		.memory_limit_bytes = 800,
	};

	(void)state;
	/* A quarter of what four processors had: one of them. */
	assert_true(stats_cpu_percent(&s) == 100);
	assert_int_equal(stats_memory_used(&s), 200);
	assert_true(stats_memory_percent(&s) == 25);
	/* Counters that went backwards, as after a restart, and no time between. */
	s.cpu.usage_ns = 900;
	assert_true(stats_cpu_percent(&s) == 0);
	s.cpu = (struct stats_cpu){.usage_ns = 2000, .host_ns = 10000};
	assert_true(stats_cpu_percent(&s) == 0);
	/* The cache of files cannot be more than all of it. */
	s.memory_inactive_file_bytes = 400;
	assert_int_equal(stats_memory_used(&s), 300);
	s = (struct container_stats){.read_ns = 0};
	assert_true(stats_cpu_percent(&s) == 0 && stats_memory_percent(&s) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_cpu), cmocka_unit_test(test_blkio),
		cmocka_unit_test(test_io_stat),  cmocka_unit_test(test_net_dev),
		cmocka_unit_test(test_percent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
