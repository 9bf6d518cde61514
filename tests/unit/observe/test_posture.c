/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts and the posture of a process, from texts as /proc has them and from a process of one's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "observe/probe/posture.h"
#include "observe/probe/posture_internal.h"

static const char host_mounts[] = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
				  "30 27 0:25 / /run rw - tmpfs tmpfs rw,mode=755\n"
				  "31 27 8:1 /srv /data rw shared:4 - ext4 /dev/sda1 rw\n";

static const char container_mounts[] =
	"100 90 0:50 / / ro,relatime - overlay overlay rw,lowerdir=/a:/b\n"
	"101 100 0:51 / /proc rw,nosuid - proc proc rw\n"
	"102 101 0:51 /sys /proc/sys ro,nosuid - proc proc rw\n"
	"103 101 0:52 /null /proc/kcore rw,nosuid - tmpfs tmpfs rw\n"
	"104 101 0:53 / /proc/scsi ro - tmpfs tmpfs ro\n"
	"105 100 0:54 / /sys ro - sysfs sysfs ro\n"
	"106 100 254:0 /var/lib/x/volumes/v/_data /v rw - ext4 /dev/vda rw\n"
	"107 100 254:0 /etc /host\\040etc ro - ext4 /dev/vda rw\n"
	"108 100 254:0 /var/lib/x/containers/1/hosts /etc/hosts rw - ext4 /dev/vda rw\n"
	"109 100 8:1 /srv/a /a rw master:7 - ext4 /dev/sda1 rw\n"
	"110 105 0:60 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n"
	"this is no line of it\n";

static void test_mounts_of_a_container(void **state)
{
	auto_mounts struct mount_list own = {0}, here = {0}, host = {0};
	const struct mount_list *const hosts[] = {&here, &host, NULL};
	auto_posture struct posture p = {0};

	(void)state;
	mounts_parse(container_mounts, &own);
	/* The caller has another part of a disk for its root, and a disk of the host's not at all. */
	mounts_parse("50 1 254:0 /etc /own/etc rw - ext4 /dev/vda rw\n", &here);
	mounts_parse(host_mounts, &host);
	assert_int_equal(own.count, 11);
	assert_int_equal(own.entries[9].major, 8);
	assert_true(own.entries[9].slave && !own.entries[9].shared && host.entries[2].shared);
	posture_take_mounts(&p, &own, hosts, -1);
	assert_string_equal(p.root_type, "overlay");
	assert_true(p.root_read_only);
	assert_false(p.proc_sys_writable);
	assert_true(p.sysrq_writable);
	assert_int_equal(p.masked.count, 2);
	assert_string_equal(p.masked.items[0], "/proc/kcore");
	assert_int_equal(p.read_only.count, 2);
	assert_int_equal(p.mount_count, 4);
	assert_int_equal(p.mounts[0].kind, POSTURE_VOLUME);
	assert_int_equal(p.mounts[1].kind, POSTURE_HOST_PATH);
	assert_string_equal(p.mounts[1].target, "/host etc");
	assert_string_equal(p.mounts[1].host_path, "/own/etc");
	assert_true(p.mounts[1].read_only);
	assert_string_equal(p.mounts[2].host_path, "/data/a");
	assert_int_equal(p.mounts[3].kind, POSTURE_CGROUP);
}

static void test_the_mount_a_path_lies_on(void **state)
{
	auto_mounts struct mount_list own = {0};

	(void)state;
	mounts_parse(container_mounts, &own);
	assert_string_equal(mounts_holding(&own, "/proc/sys/net")->target, "/proc/sys");
	assert_string_equal(mounts_holding(&own, "/proc/sysrq-trigger")->target, "/proc");
	assert_string_equal(mounts_holding(&own, "/ab")->target, "/");
	assert_null(mounts_at(&own, "/ab"));
	assert_true(mounts_has_option("ro,nosuid", "nosuid"));
	assert_false(mounts_has_option("ro,nosuid", "no"));
}

static void test_status_maps_and_limits(void **state)
{
	auto_posture struct posture p = {0};
	auto_strbuf struct strbuf names = {0};

	(void)state;
	posture_take_status(&p, "Name:\tx\nUid:\t0\t1000\t0\t0\nGid:\t5\t6\t7\t8\n"
				"CapEff:\t0000000000200001\nCapBnd:\t00000000a80425fb\n"
				"NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n");
	assert_int_equal(p.uid, 1000);
	assert_int_equal(p.gid, 6);
	assert_int_equal(p.capabilities.effective, 0x200001);
	assert_int_equal(p.capabilities.bounding, CAPABILITY_DEFAULT_MASK);
	assert_true(p.no_new_privileges);
	assert_int_equal(p.seccomp_mode, 2);
	assert_int_equal(p.seccomp_filters, 3);
	posture_capability_names(p.capabilities.effective, &names);
	assert_string_equal(strbuf_str(&names), "chown, sys_admin");
	p.uid_map_count =
		posture_parse_map("         0     100000      65536\n 70000 5 1\n", &p.uid_map);
	assert_int_equal(p.uid_map_count, 2);
	assert_int_equal(p.uid_map[0].outside, 100000);
	posture_take_limits(
		&p,
		"Limit                     Soft Limit           Hard Limit           Units     \n"
		"Max open files            20000                unlimited            files     \n");
	assert_int_equal(p.limit_count, 1);
	assert_string_equal(posture_limit_of(&p, "Max open files")->soft, "20000");
	assert_string_equal(posture_limit_of(&p, "Max open files")->hard, "unlimited");
	assert_null(posture_limit_of(&p, "Max"));
}

static void test_a_process_of_ones_own(void **state)
{
	auto_posture struct posture p = {0}, none = {0};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(posture_read(getpid(), &p, &err), 0);
	assert_int_equal(p.inside_uid, geteuid());
	assert_true(p.limit_count > 10);
	assert_true(p.node_count > 0);
	assert_true(p.seccomp_mode >= 0);
	assert_int_not_equal(posture_read(0x3fffffff, &none, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mounts_of_a_container),
		cmocka_unit_test(test_the_mount_a_path_lies_on),
		cmocka_unit_test(test_status_maps_and_limits),
		cmocka_unit_test(test_a_process_of_ones_own),
	};

	return cmocka_run_group_tests_name("posture", tests, NULL, NULL);
}
