/* SPDX-License-Identifier: Apache-2.0 */
/* Limits and counters of groups, read from trees of files like the kernel's, version 1 and 2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/str.h"
#include "observe/probe/cgroup.h"

struct tree {
	char dir[64];
	struct group_view view;
	struct group_counters counters;
};

static int setup(void **state)
{
	struct tree *t = xcalloc(1, sizeof(*t));

	strcpy(t->dir, "/tmp/group-probe.XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct tree *t = *state;
	int r = remove_tree_at(-1, t->dir);

	free(t);
	return r;
}

static void put(const struct tree *t, const char *dir, const char *file, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", t->dir, dir);
	assert_int_equal(file_mkdir_all_at(-1, path, 0755), 0);
	strcat(path, "/");
	strcat(path, file);
	assert_int_equal(file_replace_at(-1, path, text, strlen(text), 0644, FILE_VOLATILE), 0);
}

static void probe(struct tree *t, const char *mounts, const char *cgroup, const char *inside)
{
	struct err err = ERR_INIT;
	auto_strbuf struct strbuf text = {0};

	for (const char *p = mounts; *p; p++)
		if (*p == '@')
			strbuf_puts(&text, t->dir);
		else
			strbuf_putc(&text, *p);
	if (group_probe_texts(strbuf_str(&text), cgroup, inside, &t->view, &err))
		fail_msg("%s", err.msg);
}

static const char v1_mounts[] = "33 31 0:30 / @/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
				"34 31 0:31 / @/memory rw - cgroup cgroup rw,memory\n"
				"35 31 0:32 / @/pids rw - cgroup cgroup rw,pids\n"
				"36 31 0:33 / @/blkio rw - cgroup cgroup rw,blkio\n"
				"37 31 0:34 / @/cpuset rw - cgroup cgroup rw,cpuset\n";
static const char v1_cgroup[] = "5:cpu,cpuacct:/docker/ab\n4:memory:/docker/ab\n3:pids:/docker/ab\n"
				"2:blkio:/docker/ab\n1:cpuset:/docker/ab\n";

static void reads_version_1(void **state)
{
	struct tree *t = *state;
	const struct group_limit *l;

	put(t, "cpu/docker/ab", "cpu.cfs_quota_us", "37000\n");
	put(t, "cpu/docker/ab", "cpu.cfs_period_us", "100000\n");
	put(t, "cpu/docker/ab", "cpu.shares", "1024\n");
	put(t, "cpu/docker", "cpu.cfs_quota_us", "-1\n");
	put(t, "cpu/docker", "cpu.cfs_period_us", "100000\n");
	put(t, "memory/docker/ab", "memory.limit_in_bytes", "9223372036854771712\n");
	put(t, "memory/docker", "memory.limit_in_bytes", "67108864\n");
	put(t, "memory/docker/ab", "memory.stat", "cache 1\ntotal_cache 8192\ntotal_rss 4096\n");
	put(t, "pids/docker/ab", "pids.max", "max\n");
	put(t, "blkio/docker/ab", "blkio.throttle.write_bps_device", "7:0 1048576\n");
	put(t, "blkio/docker/ab", "blkio.throttle.io_service_bytes_recursive",
	    "7:0 Read 10\n7:0 Write 20\n7:0 Total 30\nTotal 30\n");
	put(t, "cpuset/docker/ab", "cpuset.cpus", "0-1\n");
	put(t, "cpuset/docker/ab", "cpuset.effective_cpus", "1\n");
	probe(t, v1_mounts, v1_cgroup, "");

	assert_int_equal(t->view.mode, CGROUP_V1);
	l = &t->view.limits[GROUP_CPU_QUOTA];
	assert_true(l->known);
	assert_int_equal(l->written, 37000);
	assert_int_equal(l->period_us, 100000);
	assert_true(group_cpus(&t->view) > 0.3699 && group_cpus(&t->view) < 0.3701);
	l = &t->view.limits[GROUP_MEMORY];
	assert_true(l->written == GROUP_UNLIMITED);
	assert_int_equal(l->in_force, 67108864);
	assert_true(str_ends(l->in_force_file, "/memory/docker/memory.limit_in_bytes"));
	assert_true(str_ends(l->written_file, "/memory/docker/ab/memory.limit_in_bytes"));
	assert_true(t->view.limits[GROUP_PIDS].in_force == GROUP_UNLIMITED);
	assert_false(t->view.limits[GROUP_MEMORY_HIGH].known);
	assert_int_equal(t->view.io_count, 1);
	assert_int_equal(t->view.io[0].kind, GROUP_WRITE_BPS);
	assert_int_equal(t->view.io[0].per_second, 1048576);
	assert_string_equal(t->view.cpuset, "0-1");
	assert_string_equal(t->view.cpuset_effective, "1");

	assert_int_equal(group_counters(&t->view, &t->counters), 0);
	assert_int_equal(t->counters.anonymous, 4096);
	assert_int_equal(t->counters.file, 8192);
	assert_int_equal(t->counters.io_count, 1);
	assert_int_equal(t->counters.io[0].written_bytes, 20);
}

static const char v2_mounts[] = "32 31 0:29 / @ rw - cgroup2 cgroup2 rw,nsdelegate\n";
/* As the host sees the mounts of a container that runs a service manager of its own. */
static const char v2_inside[] =
	"90 80 0:29 /a.slice/c.scope /sys/fs/cgroup ro - cgroup2 cgroup rw\n";

static void reads_version_2(void **state)
{
	struct tree *t = *state;

	put(t, "a.slice/c.scope", "cgroup.controllers", "cpuset cpu io memory pids\n");
	put(t, "a.slice/c.scope", "cpu.max", "max 100000\n");
	put(t, "a.slice", "cpu.max", "50000 200000\n");
	put(t, "a.slice/c.scope", "cpu.weight", "39\n");
	put(t, "a.slice/c.scope", "memory.max", "1000000\n");
	put(t, "a.slice/c.scope", "memory.swap.max", "500000\n");
	put(t, "a.slice/c.scope", "memory.high", "max\n");
	put(t, "a.slice/c.scope", "pids.max", "12\n");
	put(t, "a.slice/c.scope", "io.max", "8:16 rbps=2097152 wbps=max riops=max wiops=120\n");
	put(t, "a.slice/c.scope", "memory.events", "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\n");
	put(t, "a.slice/c.scope", "memory.stat", "anon 4096\nfile 8192\nkernel 12\nshmem 5\n");
	put(t, "a.slice/c.scope", "cpu.stat",
	    "usage_usec 7\nuser_usec 4\nsystem_usec 3\nnr_periods 10\nnr_throttled 4\n"
	    "throttled_usec 2000\n");
	put(t, "a.slice/c.scope", "io.stat", "8:16 rbytes=1 wbytes=2 rios=1 wios=1\n");
	put(t, "a.slice/c.scope", "cpu.pressure",
	    "some avg10=0.00 avg60=0.00 avg300=0.00 total=77\n");
	probe(t, v2_mounts, "0::/a.slice/c.scope/init.scope\n", v2_inside);

	assert_int_equal(t->view.mode, CGROUP_V2);
	assert_string_equal(t->view.places[0].path, "/a.slice/c.scope");
	assert_string_equal(t->view.places[0].process_path, "/a.slice/c.scope/init.scope");
	assert_true(t->view.limits[GROUP_CPU_QUOTA].written == GROUP_UNLIMITED);
	assert_true(group_cpus(&t->view) == 0.25);
	assert_int_equal(t->view.limits[GROUP_CPU_WEIGHT].written, 39);
	assert_int_equal(t->view.limits[GROUP_MEMORY_SWAP].in_force, 1500000);
	assert_true(t->view.limits[GROUP_MEMORY_HIGH].in_force == GROUP_UNLIMITED);
	assert_int_equal(t->view.io_count, 2);
	assert_int_equal(t->view.io[0].kind, GROUP_READ_BPS);
	assert_int_equal(t->view.io[1].kind, GROUP_WRITE_IOPS);
	assert_int_equal(t->view.io[1].per_second, 120);

	assert_int_equal(group_counters(&t->view, &t->counters), 0);
	assert_int_equal(t->counters.anonymous, 4096);
	assert_int_equal(t->counters.kernel, 12);
	assert_int_equal(t->counters.oom_events, 2);
	assert_int_equal(t->counters.memory_failures, 9);
	assert_int_equal(t->counters.base.oom_kills, 1);
	assert_int_equal(t->counters.base.throttled_ns, 2000000);
	assert_int_equal(t->counters.cpu_pressure_us, 77);
	assert_int_equal(t->counters.io[0].written_bytes, 2);
}

static void shortens_ids_only(void **state)
{
	char out[128];

	(void)state;
	assert_string_equal(
		group_short_path("/sys/fs/cgroup/docker/"
				 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/"
				 "memory.max",
				 out, sizeof(out)),
		"/sys/fs/cgroup/docker/0123456789ab../memory.max");
	assert_string_equal(group_short_path("/a/b", out, 3), "/a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shortens_ids_only),
		cmocka_unit_test_setup_teardown(reads_version_1, setup, teardown),
		cmocka_unit_test_setup_teardown(reads_version_2, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
