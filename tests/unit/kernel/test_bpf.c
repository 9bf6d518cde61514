/* SPDX-License-Identifier: Apache-2.0 */
/* The assembler against the kernel's verifier, and programs that really ran. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "kernel/bpf.h"
#include "kernel/tracepoint.h"

static const char fork_format[] =
	"name: sched_process_fork\nID: 366\nformat:\n"
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n"
	"\tfield:__data_loc char[] parent_comm;\toffset:8;\tsize:4;\tsigned:0;\n"
	"\tfield:pid_t parent_pid;\toffset:12;\tsize:4;\tsigned:1;\n"
	"\tfield:char comm[16];\toffset:20;\tsize:16;\tsigned:0;\n\nprint fmt: \"x\"\n";

static void test_format_files(void **state)
{
	struct tracepoint t = {.name = "sched/sched_process_fork"};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(tracepoint_parse(fork_format, &t), 0);
	assert_int_equal(t.count, 4);
	assert_int_equal(tracepoint_offset(&t, "parent_comm", &err), 8);
	assert_int_equal(tracepoint_offset(&t, "parent_pid", &err), 12);
	assert_int_equal(tracepoint_offset(&t, "comm", &err), 20);
	assert_int_equal(t.fields[3].size, 16);
	assert_int_equal(tracepoint_offset(&t, "absent", &err), -ENOENT);
	assert_int_equal(err.kind, ERR_UNSUPPORTED);
	assert_int_equal(tracepoint_parse("", &t), -EINVAL);
	assert_int_equal(tracepoint_parse("field:int x", &t), -EINVAL);
	assert_int_equal(tracepoint_parse("field:int x;\toffset:-4;\tsize:4;", &t), -EINVAL);
	assert_int_equal(tracepoint_parse("field:int x;\toffset:a;\tsize:4;", &t), -EINVAL);
}

/* Whether this process may use BPF at all; says why not. */
static bool allowed(void)
{
	struct err err = ERR_INIT;
	auto_close int fd = -1;

	if (bpf_map_create(BPF_MAP_TYPE_ARRAY, 4, 8, 1, "test", &fd, &err) == 0)
		return true;
	assert_true(strlen(err.msg) > 0);
	print_message("no BPF here: %s\n", err.msg);
	return false;
}

/* The kernel copies one value for each CPU that there may be: one too few counted is memory overwritten. */
static void test_lists_of_cpus(void **state)
{
	(void)state;
	assert_int_equal(bpf_count_cpus("0\n"), 1);
	assert_int_equal(bpf_count_cpus("0-3\n"), 4);
	assert_int_equal(bpf_count_cpus("0-1,4\n"), 3);
	assert_int_equal(bpf_count_cpus("0,2-5,8-9"), 7);
	assert_int_equal(bpf_count_cpus(""), -1);
	assert_int_equal(bpf_count_cpus("3-1"), -1);
	assert_int_equal(bpf_count_cpus("0-"), -1);
	assert_int_equal(bpf_count_cpus("0-4294967295"), -1);
	assert_int_equal(bpf_count_cpus("0;1"), -1);
}

static void test_maps(void **state)
{
	struct err err = ERR_INIT;
	auto_close int fd = -1;
	uint32_t key = 7, next = 0;
	uint64_t value = 42;

	(void)state;
	if (!allowed())
		skip();
	assert_int_equal(bpf_map_create(BPF_MAP_TYPE_HASH, 4, 8, 4, "test", &fd, &err), 0);
	assert_int_equal(bpf_map_get(fd, &key, &value), -ENOENT);
	assert_int_equal(bpf_map_put(fd, &key, &value), 0);
	value = 0;
	assert_int_equal(bpf_map_get(fd, &key, &value), 0);
	assert_int_equal(value, 42);
	assert_int_equal(bpf_map_next(fd, NULL, &next), 0);
	assert_int_equal(next, 7);
	assert_int_equal(bpf_map_next(fd, &key, &next), -ENOENT);
	assert_int_equal(bpf_map_remove(fd, &key), 0);
	assert_int_equal(bpf_map_remove(fd, &key), -ENOENT);
	assert_true(bpf_possible_cpus() >= 1);
}

static void test_verifier_is_quoted(void **state)
{
	auto_free struct bpf_code *c = xcalloc(1, sizeof(*c));
	struct err err = ERR_INIT;
	int fd = -1;

	(void)state;
	if (!allowed())
		skip();
	bpf_load(c, BPF_DW, 0, 3, 0); /* register 3 was never set */
	bpf_exit(c);
	assert_true(bpf_program_load(c, BPF_PROG_TYPE_TRACEPOINT, "bad", &fd, &err) < 0);
	assert_int_equal(fd, -1);
	assert_non_null(strstr(err.msg, "R3 !read_ok"));
}

static void test_open_label_is_refused(void **state)
{
	auto_free struct bpf_code *c = xcalloc(1, sizeof(*c));
	struct err err = ERR_INIT;
	int fd = -1;

	(void)state;
	bpf_goto(c, bpf_new_label(c));
	bpf_exit(c);
	assert_int_equal(bpf_program_load(c, BPF_PROG_TYPE_TRACEPOINT, "open", &fd, &err), -EINVAL);
}

/* At sys_enter of `number` in process `pid`: puts the first argument into the ring. */
static void write_program(struct bpf_code *c, int id, int args, long number, pid_t pid, int ring)
{
	bpf_label out = bpf_new_label(c);

	bpf_move(c, 6, 1);
	bpf_load(c, BPF_DW, 2, 6, id);
	bpf_jump(c, BPF_JNE, 2, (int)number, out);
	bpf_call(c, BPF_FUNC_get_current_pid_tgid);
	bpf_op(c, BPF_RSH, 0, 32);
	bpf_jump(c, BPF_JNE, 0, pid, out);
	bpf_load(c, BPF_DW, 2, 6, args);
	bpf_store(c, BPF_DW, 10, -8, 2);
	bpf_map(c, 1, ring);
	bpf_move(c, 2, 10);
	bpf_op(c, BPF_ADD, 2, -8);
	bpf_set(c, 3, 8);
	bpf_set(c, 4, BPF_RB_NO_WAKEUP);
	bpf_call(c, BPF_FUNC_ringbuf_output);
	bpf_here(c, out);
	bpf_set(c, 0, 0);
	bpf_exit(c);
}

struct taken {
	uint64_t values[16];
	size_t count;
};

static void take(void *opaque, const void *record, size_t size)
{
	struct taken *t = opaque;

	assert_int_equal(size, 8);
	assert_true(t->count < 16);
	memcpy(&t->values[t->count++], record, 8);
}

static void test_records_of_calls(void **state)
{
	auto_free struct bpf_code *c = xcalloc(1, sizeof(*c));
	auto_close int map = -1, program = -1, event = -1, tracefs = -1;
	struct bpf_ring ring = {.map_fd = -1};
	struct tracepoint t;
	struct taken got = {.count = 0};
	struct err err = ERR_INIT;
	int id, args;

	(void)state;
	if (!allowed())
		skip();
	if (tracefs_open(&tracefs, &err) < 0 ||
	    tracepoint_read(tracefs, "raw_syscalls/sys_enter", &t, &err) < 0) {
		print_message("%s\n", err.msg);
		skip();
	}
	id = tracepoint_offset(&t, "id", &err);
	args = tracepoint_offset(&t, "args", &err);
	assert_true(id > 0 && args > 0);
	assert_int_equal(bpf_map_create(BPF_MAP_TYPE_RINGBUF, 0, 0, 1 << 16, "ring", &map, &err),
			 0);
	assert_int_equal(bpf_ring_open(map, 1 << 16, &ring, &err), 0);
	write_program(c, id, args, SYS_umask, getpid(), map);
	if (bpf_program_load(c, BPF_PROG_TYPE_TRACEPOINT, "calls", &program, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(bpf_attach_tracepoint(program, t.id, t.name, &event, &err), 0);
	for (int i = 0; i < 3; i++)
		syscall(SYS_umask, 020 + i);
	assert_int_equal(bpf_ring_drain(&ring, take, &got), 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(got.values[i], 020 + i);
	close(take_fd(&event));
	syscall(SYS_umask, 022);
	assert_int_equal(bpf_ring_drain(&ring, take, &got), 0);
	bpf_ring_close(&ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format_files),
		cmocka_unit_test(test_lists_of_cpus),
		cmocka_unit_test(test_maps),
		cmocka_unit_test(test_verifier_is_quoted),
		cmocka_unit_test(test_open_label_is_refused),
		cmocka_unit_test(test_records_of_calls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
