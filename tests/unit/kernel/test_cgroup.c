/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layouts from given texts; then, as root, one real group: made, limited, entered, read, killed,
 * removed, with the kernel's own files as the witness.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_devices.h"

static const char hybrid_mounts[] =
	"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
	"32 31 0:29 / /t/unified rw - cgroup2 cgroup2 rw,nsdelegate\n"
	"33 31 0:30 / /t/systemd rw shared:9 - cgroup cgroup rw,xattr,name=systemd\n"
	"34 31 0:31 / /t/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct\n"
	"35 31 0:32 /docker/abc /t/memory rw - cgroup cgroup rw,memory\n"
	"36 31 0:31 / /elsewhere/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
	"37 31 0:33 / /t/with\\040blank rw - cgroup cgroup rw,pids\n";
static const char hybrid_self[] = "5:cpuacct,cpu:/a\n4:memory:/docker/abc/x\n3:pids:/\n"
				  "1:name=systemd:/user.slice\n0::/u\n";

static void test_hybrid_layout(void **state)
{
	struct err err = ERR_INIT;
	struct cgroup_layout l;
	struct cgroup_join join;
	const struct cgroup_hierarchy *h;

	(void)state;
	assert_int_equal(cgroup_parse_layout(hybrid_mounts, hybrid_self, &l, &err), 0);
	assert_int_equal(l.mode, CGROUP_HYBRID);
	assert_int_equal(l.count, 5);
	h = cgroup_hierarchy_of(&l, CGROUP_CPUACCT);
	assert_string_equal(h->mount, "/t/cpu,cpuacct");
	assert_string_equal(h->self, "/a");
	assert_ptr_equal(h, cgroup_hierarchy_of(&l, CGROUP_CPU));
	assert_string_equal(cgroup_hierarchy_of(&l, CGROUP_MEMORY)->self, "/x");
	assert_string_equal(cgroup_hierarchy_of(&l, CGROUP_PIDS)->mount, "/t/with blank");
	assert_string_equal(cgroup_unified_of(&l)->self, "/u");
	assert_null(cgroup_hierarchy_of(&l, CGROUP_DEVICES));
	assert_int_equal(cgroup_join_of(&l, "/cloche/web", &join, &err), 0);
	assert_int_equal(join.count, 4);
	assert_string_equal(join.v2_dir, "/t/unified/cloche/web");
	assert_string_equal(join.tasks[0], "/t/systemd/cloche/web/tasks");
}

static void test_other_layouts(void **state)
{
	struct err err = ERR_INIT;
	struct cgroup_layout l;

	(void)state;
	assert_int_equal(cgroup_parse_layout("32 31 0:29 / /t rw - cgroup2 cgroup2 rw\n", "0::/\n",
					     &l, &err),
			 0);
	assert_int_equal(l.mode, CGROUP_V2);
	assert_int_equal(cgroup_parse_layout("32 31 0:29 / /t rw - cgroup none rw,pids\n",
					     "1:pids:/\n", &l, &err),
			 0);
	assert_int_equal(l.mode, CGROUP_V1);
	assert_true(cgroup_parse_layout("garbage\n1 2 3\n - \n", "", &l, &err) < 0);
	assert_int_equal(err.kind, ERR_UNSUPPORTED);
}

static void test_paths_that_leave_are_refused(void **state)
{
	static const char *const bad[] = {"",      "/",   "a/b",  "/a/../b", "/..",
					  "/a//b", "/a/", "/./a", "/a\nb"};
	struct err err = ERR_INIT;
	char longest[600];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(cgroup_check_path(bad[i], &err) < 0);
	memset(longest, 'a', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	assert_true(cgroup_check_path(longest, &err) < 0);
	assert_int_equal(cgroup_check_path("/cloche/..x", &err), 0);
}

static void test_conversions(void **state)
{
	(void)state;
	assert_int_equal(cgroup_weight_of_shares(2), 1);
	assert_int_equal(cgroup_weight_of_shares(1024), 39);
	assert_int_equal(cgroup_weight_of_shares(262144), 10000);
	assert_int_equal(cgroup_weight_of_shares(1 << 30), 10000);
	assert_int_equal(cgroup_io_weight_of(10), 1);
	assert_int_equal(cgroup_io_weight_of(1000), 10000);
}

/* What the kernel's BPF machine would answer; only what cgroup_device_program emits. */
static int run_device_program(const struct bpf_insn *p, size_t count, uint32_t type,
			      uint32_t access, uint32_t major, uint32_t minor)
{
	uint32_t ctx[3] = {access << 16 | type, major, minor};
	int64_t r[11] = {0};

	for (size_t pc = 0; pc < count; pc++) {
		const struct bpf_insn *i = &p[pc];
		int64_t src = i->code & BPF_X ? r[i->src_reg] : i->imm;

		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			r[i->dst_reg] = ctx[i->off / 4];
			break;
		case BPF_ALU64 | BPF_MOV | BPF_X:
		case BPF_ALU64 | BPF_MOV | BPF_K:
			r[i->dst_reg] = src;
			break;
		case BPF_ALU64 | BPF_AND | BPF_K:
			r[i->dst_reg] &= src;
			break;
		case BPF_ALU64 | BPF_RSH | BPF_K:
			r[i->dst_reg] >>= src;
			break;
		case BPF_JMP | BPF_JNE | BPF_K:
			/* the immediate is sign-extended, majors are not */
			if (r[i->dst_reg] != src)
				pc += (size_t)i->off;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			if (r[i->dst_reg] == src)
				pc += (size_t)i->off;
			break;
		case BPF_JMP | BPF_EXIT:
			return (int)r[0];
		default:
			fail_msg("unknown instruction %x", i->code);
		}
	}
	fail_msg("ran off the end");
	return -1;
}

/* The rules' meaning, written down plainly: each access bit is decided by the last rule for it. */
static bool rules_allow(const struct cgroup_device_rule *rules, size_t count, char type,
			uint8_t access, int64_t major, int64_t minor)
{
	for (uint8_t bit = 1; bit <= 4; bit <<= 1) {
		bool allowed = false;

		if (!(access & bit))
			continue;
		for (size_t i = 0; i < count; i++)
			if ((rules[i].type == 'a' || rules[i].type == type) &&
			    (rules[i].major < 0 || rules[i].major == major) &&
			    (rules[i].minor < 0 || rules[i].minor == minor) &&
			    (rules[i].access & bit))
				allowed = rules[i].allow;
		if (!allowed)
			return false;
	}
	return true;
}

static void check_device_program(const struct cgroup_device_rule *rules, size_t count)
{
	static const uint32_t numbers[] = {0, 1, 3, 5, 8, 136, 200};
	/* READ, WRITE, MKNOD of ours to BPF_DEVCG_ACC_* */
	static const uint32_t kernel_bits[] = {0, 2, 4, 6, 1, 3, 5, 7};
	struct bpf_insn insns[CGROUP_DEVICE_INSNS_MAX];
	size_t n = cgroup_device_program(rules, count, insns, CGROUP_DEVICE_INSNS_MAX);

	assert_true(n <= CGROUP_DEVICE_INSNS_MAX);
	for (int block = 0; block < 2; block++)
		for (uint8_t access = 1; access < 8; access++)
			for (size_t a = 0; a < 7; a++)
				for (size_t b = 0; b < 7; b++)
					assert_int_equal(run_device_program(insns, n, block ? 1 : 2,
									    kernel_bits[access],
									    numbers[a], numbers[b]),
							 rules_allow(rules, count,
								     block ? 'b' : 'c', access,
								     numbers[a], numbers[b]));
}

static void test_device_program_means_what_the_rules_mean(void **state)
{
	const struct cgroup_device_rule defaults[] = {
		{false, 'a', -1, -1, 7}, {true, 'c', -1, -1, 4}, {true, 'b', -1, -1, 4},
		{true, 'c', 1, 3, 7},    {true, 'c', 1, 5, 7},   {true, 'c', 136, -1, 7},
	};
	const struct cgroup_device_rule odd[] = {
		{true, 'a', -1, -1, 7}, {false, 'b', 8, -1, 2}, {false, 'c', 5, 0, 3},
		{true, 'c', 5, 0, 1},   {false, 'a', 3, 3, 4},  {true, 'b', 8, 1, 7},
	};
	const struct cgroup_device_rule late_all[] = {
		{false, 'c', 1, 3, 7}, {true, 'a', -1, -1, 7}, {false, 'c', 200, -1, 1}};

	(void)state;
	check_device_program(defaults, 6);
	check_device_program(odd, 6);
	check_device_program(late_all, 3);
	check_device_program(NULL, 0);
}

struct group {
	struct cgroup_layout layout;
	struct cgroup_dirs dirs;
	struct undo_stack undo;
	struct err err;
	char path[64], top[64];
};

static int setup_group(void **state)
{
	struct group *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	*state = g;
	if (geteuid() != 0 || cgroup_detect(&g->layout, &g->err))
		return 0;
	snprintf(g->top, sizeof(g->top), "/cloche-test-%d", getpid());
	snprintf(g->path, sizeof(g->path), "%s/web", g->top);
	if (cgroup_create(&g->layout, g->path, false, &g->undo, &g->err)) {
		print_message("%s\n", g->err.msg);
		g->path[0] = '\0';
	}
	return 0;
}

static int teardown_group(void **state)
{
	struct group *g = *state;

	if (g->top[0] && cgroup_dirs_of(&g->layout, g->top, &g->dirs, &g->err) == 0) {
		assert_int_equal(cgroup_kill_all(g->dirs.dirs, g->dirs.count, 2000), 0);
		assert_int_equal(cgroup_remove(g->dirs.dirs, g->dirs.count, 2000), 0);
	}
	free(g);
	return 0;
}

/* A group that can be made here, or a counted skip: not root, or cgroups are read-only. */
static struct group *usable(void **state)
{
	struct group *g = *state;

	if (!g->path[0])
		skip();
	assert_int_equal(cgroup_dirs_of(&g->layout, g->path, &g->dirs, &g->err), 0);
	return g;
}

static void kernel_file(const struct group *g, enum cgroup_controller c, const char *v1,
			const char *v2, char *out, size_t size)
{
	const struct cgroup_hierarchy *h = cgroup_hierarchy_of(&g->layout, c);
	char path[CGROUP_PATH_MAX * 2];
	ssize_t n;

	assert_non_null(h);
	snprintf(path, sizeof(path), "%s%s/%s", h->mount, g->path, h->v2 ? v2 : v1);
	n = file_read_small_at(AT_FDCWD, path, out, size);
	if (n < 0)
		fail_msg("%s: %s", path, strerror((int)-n));
	out[strcspn(out, "\n")] = '\0';
}

static void test_limits_are_in_the_kernels_files(void **state)
{
	struct group *g = usable(state);
	char text[256];
	struct cgroup_device_rule rules[] = {{false, 'a', -1, -1, 7}, {true, 'c', 1, 3, 7}};
	struct cgroup_resources r = {
		.has_memory_limit = true,
		.memory_limit = 64 << 20,
		.has_pids_limit = true,
		.pids_limit = 7,
		.has_cpu_quota = true,
		.cpu_quota = 50000,
		.has_cpu_period = true,
		.cpu_period = 100000,
		.has_cpu_shares = true,
		.cpu_shares = 512,
		.cpus = "0",
		.devices = rules,
		.device_count = 2,
	};

	if (cgroup_apply(&g->layout, g->path, &r, "web", &g->err))
		fail_msg("%s", g->err.msg);
	kernel_file(g, CGROUP_MEMORY, "memory.limit_in_bytes", "memory.max", text, sizeof(text));
	assert_string_equal(text, "67108864");
	kernel_file(g, CGROUP_PIDS, "pids.max", "pids.max", text, sizeof(text));
	assert_string_equal(text, "7");
	kernel_file(g, CGROUP_CPU, "cpu.cfs_quota_us", "cpu.max", text, sizeof(text));
	assert_string_equal(text, g->layout.mode == CGROUP_V2 ? "50000 100000" : "50000");
	kernel_file(g, CGROUP_CPU, "cpu.shares", "cpu.weight", text, sizeof(text));
	assert_string_equal(text, g->layout.mode == CGROUP_V2 ? "20" : "512");
	kernel_file(g, CGROUP_CPUSET, "cpuset.cpus", "cpuset.cpus", text, sizeof(text));
	assert_string_equal(text, "0");
	if (g->layout.mode != CGROUP_V2) {
		kernel_file(g, CGROUP_DEVICES, "devices.list", "", text, sizeof(text));
		assert_string_equal(text, "c 1:3 rwm");
	}
}

static void test_refused_limits_say_what_and_why(void **state)
{
	struct group *g = usable(state);
	struct cgroup_resources r = {.cpus = "4095"};

	assert_true(cgroup_apply(&g->layout, g->path, &r, "web", &g->err) < 0);
	assert_non_null(strstr(g->err.msg, "set cpus of web to 4095: "));
	assert_int_equal(cgroup_create(&g->layout, g->path, false, &g->undo, &g->err), -EEXIST);
	assert_int_equal(g->err.kind, ERR_CONFLICT);
	assert_int_equal(cgroup_create(&g->layout, g->path, true, &g->undo, &g->err), 0);
}

/* A process that enters by itself, tries what the rules forbid, then eats memory or waits. */
static pid_t start_inside(const struct group *g, size_t eat_bytes)
{
	struct cgroup_join join;
	struct err err = ERR_INIT;
	pid_t pid;

	assert_int_equal(cgroup_join_of(&g->layout, g->path, &join, &err), 0);
	pid = fork();
	if (pid == 0) {
		char *p;

		if (cgroup_enter(&join, false, &err)) {
			print_message("%s\n", err.msg);
			_exit(99);
		}
		if (!eat_bytes)
			for (;;)
				pause();
		p = mmap(NULL, eat_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0);
		memset(p, 1, eat_bytes);
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static int note_pid(int pid, void *arg)
{
	int *wanted = arg;

	if (*wanted == pid)
		*wanted = 0;
	return 0;
}

static void wait_until_inside(const struct group *g, int pid)
{
	for (int i = 0; i < 5000; i++) {
		int wanted = pid;

		assert_int_equal(
			cgroup_for_each_pid(g->dirs.dirs, g->dirs.count, note_pid, &wanted), 0);
		if (!wanted)
			return;
		usleep(1000);
	}
	fail_msg("process %d never entered", pid);
}

static void test_oom_is_counted(void **state)
{
	struct group *g = usable(state);
	struct cgroup_resources r = {.has_memory_limit = true,
				     .memory_limit = 16 << 20,
				     .has_memory_swap = true,
				     .memory_swap = 16 << 20};
	struct cgroup_stats s;
	int status;
	pid_t pid;

	if (cgroup_apply(&g->layout, g->path, &r, "web", &g->err))
		fail_msg("%s", g->err.msg);
	pid = start_inside(g, 64 << 20);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(cgroup_read_stats(g->dirs.dirs, g->dirs.count, &s), 0);
	assert_true(s.has_oom_kills && s.has_memory_peak && s.has_memory_limit && s.has_cpu);
	assert_int_equal(s.oom_kills, 1);
	assert_in_range(s.memory_peak_bytes, 15 << 20, 16 << 20);
	assert_int_equal(s.memory_limit_bytes, 16 << 20);
	assert_true(s.cpu_usage_ns > 0);
}

static void test_kill_reaches_nested_groups_and_remove_takes_them(void **state)
{
	struct group *g = usable(state);
	struct group inner = *g;
	struct cgroup_dirs dirs;
	int status;
	pid_t a, b;

	snprintf(inner.path, sizeof(inner.path), "%s/deep", g->path);
	assert_int_equal(cgroup_create(&g->layout, inner.path, false, &g->undo, &g->err), 0);
	assert_int_equal(cgroup_dirs_of(&g->layout, inner.path, &inner.dirs, &g->err), 0);
	a = start_inside(&inner, 0);
	wait_until_inside(&inner, a);
	/* On v2 a group with controllers for its children holds no process itself. */
	b = g->layout.mode == CGROUP_V2 ? -1 : start_inside(g, 0);
	if (b > 0)
		wait_until_inside(g, b);
	assert_int_equal(cgroup_remove(g->dirs.dirs, g->dirs.count, 5), -EBUSY);
	assert_int_equal(cgroup_dirs_of(&g->layout, g->path, &dirs, &g->err), 0);
	assert_int_equal(cgroup_kill_all(dirs.dirs, dirs.count, 2000), 0);
	assert_int_equal(waitpid(a, &status, 0), a);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	if (b > 0) {
		assert_int_equal(waitpid(b, &status, 0), b);
		assert_int_equal(WTERMSIG(status), SIGKILL);
	}
	assert_int_equal(cgroup_remove(dirs.dirs, dirs.count, 2000), 0);
	for (size_t i = 0; i < dirs.count; i++)
		assert_int_equal(access(dirs.dirs[i].path, F_OK), -1);
	assert_int_equal(cgroup_remove(dirs.dirs, dirs.count, 0), 0);
	assert_int_equal(cgroup_kill_all(dirs.dirs, dirs.count, 0), 0);
}

static void test_failure_unwinds_what_was_made(void **state)
{
	struct group *g = usable(state);
	struct cgroup_dirs dirs;
	char path[80];

	snprintf(path, sizeof(path), "%s/gone", g->top);
	undo_disarm(&g->undo);
	assert_int_equal(cgroup_create(&g->layout, path, false, &g->undo, &g->err), 0);
	assert_int_equal(cgroup_dirs_of(&g->layout, path, &dirs, &g->err), 0);
	undo_unwind(&g->undo);
	for (size_t i = 0; i < dirs.count; i++)
		assert_int_equal(access(dirs.dirs[i].path, F_OK), -1);
}

static int count_name(const char *name, const char *dir, void *arg)
{
	int *count = arg;

	assert_string_equal(strrchr(dir, '/') + 1, name);
	if (strcmp(name, "web") == 0)
		(*count)++;
	return 0;
}

static void test_children_are_listed(void **state)
{
	struct group *g = usable(state);
	int count = 0;

	assert_int_equal(cgroup_list_children(&g->layout, g->top, count_name, &count), 0);
	assert_int_equal(count, g->layout.count);
	assert_int_equal(cgroup_list_children(&g->layout, "/no-such-group", count_name, &count), 0);
}

static void test_freeze_stops_and_thaw_continues(void **state)
{
	struct group *g = usable(state);
	int status;
	pid_t pid = start_inside(g, 0);

	wait_until_inside(g, pid);
	assert_int_equal(cgroup_freeze(g->dirs.dirs, g->dirs.count, true, 2000), 0);
	assert_int_equal(cgroup_freeze(g->dirs.dirs, g->dirs.count, false, 2000), 0);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WTERMSIG(status), SIGTERM);
}

#define GROUP_TEST(f) cmocka_unit_test_setup_teardown(f, setup_group, teardown_group)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hybrid_layout),
		cmocka_unit_test(test_other_layouts),
		cmocka_unit_test(test_paths_that_leave_are_refused),
		cmocka_unit_test(test_conversions),
		cmocka_unit_test(test_device_program_means_what_the_rules_mean),
		GROUP_TEST(test_limits_are_in_the_kernels_files),
		GROUP_TEST(test_refused_limits_say_what_and_why),
		GROUP_TEST(test_oom_is_counted),
		GROUP_TEST(test_kill_reaches_nested_groups_and_remove_takes_them),
		GROUP_TEST(test_failure_unwinds_what_was_made),
		GROUP_TEST(test_children_are_listed),
		GROUP_TEST(test_freeze_stops_and_thaw_continues),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
