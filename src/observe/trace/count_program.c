/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs at each system call of the host. A thread that is not followed costs one look into a hash;
 * one that is, two, and sums of its own CPU, so CPUs never wait for each other.
 */
#include "observe/trace/count_program.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "kernel/bpf.h"
#include "kernel/tracepoint.h"

/* Places on the programs' stack. */
#define AT_KEY (-4)
#define AT_SLOT (-8)
#define AT_THREAD (-32)
#define AT_NUMBER (-40)

/* Where the registers of a call have its number (arch/ARCH/include/asm/ptrace.h, struct pt_regs). */
#ifdef __x86_64__
#define REGISTERS_NUMBER 120
#define NUMBER_SIZE BPF_DW
#elif defined(__aarch64__)
#define REGISTERS_NUMBER 280
#define NUMBER_SIZE BPF_W
#else
#error "where the number of a system call stands is not known for this architecture"
#endif

/* Raw arguments: sys_enter(registers, number), sys_exit(registers, result). */
#define RAW_REGISTERS 0
#define RAW_SECOND 8

#define THREAD(field) ((int)offsetof(struct counted_thread, field))
#define COUNT(field) ((int)offsetof(struct call_count, field))

struct writer {
	struct bpf_code *code;
	const struct count_maps *maps;
	const struct tracepoint *event; /* of the followers */
	int listening;                  /* of the listeners */
	bpf_label out;
};

/* r0: the value of the key at AT_KEY or AT_SLOT; on to out when there is none. */
static void look_up(struct writer *w, int map, int at)
{
	bpf_map(w->code, 1, map);
	bpf_move(w->code, 2, 10);
	bpf_op(w->code, BPF_ADD, 2, at);
	bpf_call(w->code, BPF_FUNC_map_lookup_elem);
	bpf_jump(w->code, BPF_JEQ, 0, 0, w->out);
}

/* The key: the running thread's id. */
static void take_current(struct writer *w)
{
	bpf_call(w->code, BPF_FUNC_get_current_pid_tgid);
	bpf_store(w->code, BPF_W, 10, AT_KEY, 0);
}

/* r0: the sums of the call whose number is in r8, which is clamped. */
static void find_sums(struct writer *w)
{
	bpf_label fits = bpf_new_label(w->code);

	bpf_jump(w->code, BPF_JLT, 8, CALL_NUMBERS, fits);
	bpf_set(w->code, 8, CALL_NUMBERS);
	bpf_here(w->code, fits);
	bpf_store(w->code, BPF_W, 10, AT_SLOT, 8);
	look_up(w, w->maps->sums, AT_SLOT);
}

/* *(r0 + field) += 1; uses r1. */
static void count_one(struct writer *w, int field)
{
	bpf_set(w->code, 1, 1);
	bpf_atomic_add(w->code, BPF_DW, 0, field, 1);
}

static void count_event(struct writer *w, int slot)
{
	bpf_store_imm(w->code, BPF_W, 10, AT_SLOT, slot);
	look_up(w, w->maps->sums, AT_SLOT);
	count_one(w, COUNT(begun));
}

static int load_field(struct writer *w, int size, int dst, const char *field, struct err *err)
{
	int at = tracepoint_offset(w->event, field, err);

	if (at < 0)
		return at;
	bpf_load(w->code, size, dst, 6, at);
	return 0;
}

static void write_enter(struct writer *w)
{
	take_current(w);
	look_up(w, w->maps->threads, AT_KEY);
	bpf_move(w->code, 7, 0);
	bpf_load(w->code, BPF_DW, 8, 6, RAW_SECOND);
	bpf_store(w->code, BPF_DW, 7, THREAD(number), 8);
	bpf_store_imm(w->code, BPF_DW, 7, THREAD(listening), w->listening);
	find_sums(w);
	count_one(w, COUNT(begun));
	/* last, so that the counting is in no call's time */
	bpf_call(w->code, BPF_FUNC_ktime_get_ns);
	bpf_store(w->code, BPF_DW, 7, THREAD(begin_ns), 0);
}

/* r0 the sums, r9 the duration. */
static void write_duration(struct writer *w)
{
	bpf_label shorter = bpf_new_label(w->code);

	count_one(w, COUNT(ended));
	bpf_atomic_add(w->code, BPF_DW, 0, COUNT(time_ns), 9);
	bpf_load(w->code, BPF_DW, 1, 0, COUNT(longest_ns));
	bpf_jump_reg(w->code, BPF_JGE, 1, 9, shorter);
	bpf_store(w->code, BPF_DW, 0, COUNT(longest_ns), 9);
	bpf_here(w->code, shorter);
}

/* Not an error: -516 to -512, which the kernel makes a restart or EINTR of (include/linux/errno.h). */
static void write_result(struct writer *w)
{
	bpf_label failed = bpf_new_label(w->code);

	bpf_load(w->code, BPF_DW, 1, 6, RAW_SECOND);
	bpf_jump(w->code, BPF_JSGE, 1, 0, w->out);
	bpf_jump(w->code, BPF_JSLT, 1, -4095, w->out);
	bpf_jump(w->code, BPF_JSLT, 1, -516, failed);
	bpf_jump(w->code, BPF_JSLE, 1, -512, w->out);
	bpf_here(w->code, failed);
	count_one(w, COUNT(errors));
}

/* An end without a begin. Its number is read from the registers. */
static void write_refused(struct writer *w)
{
	bpf_store_imm(w->code, BPF_DW, 10, AT_NUMBER, 0);
	bpf_move(w->code, 1, 10);
	bpf_op(w->code, BPF_ADD, 1, AT_NUMBER);
	bpf_set(w->code, 2, NUMBER_SIZE == BPF_DW ? 8 : 4);
	bpf_load(w->code, BPF_DW, 3, 6, RAW_REGISTERS);
	bpf_op(w->code, BPF_ADD, 3, REGISTERS_NUMBER);
	bpf_call(w->code, BPF_FUNC_probe_read_kernel);
	bpf_load(w->code, BPF_DW, 8, 10, AT_NUMBER);
	find_sums(w);
	count_one(w, COUNT(refused));
	bpf_goto(w->code, w->out);
}

static void write_leave(struct writer *w)
{
	bpf_label known = bpf_new_label(w->code), begun = bpf_new_label(w->code);

	bpf_call(w->code, BPF_FUNC_ktime_get_ns);
	bpf_move(w->code, 9, 0);
	take_current(w);
	look_up(w, w->maps->threads, AT_KEY);
	bpf_move(w->code, 7, 0);
	/* The first end that is heard of a thread: of a call begun unheard, or its return from fork. */
	bpf_load(w->code, BPF_DW, 1, 7, THREAD(listening));
	bpf_jump(w->code, BPF_JEQ, 1, w->listening, known);
	bpf_store_imm(w->code, BPF_DW, 7, THREAD(listening), w->listening);
	bpf_store_imm(w->code, BPF_DW, 7, THREAD(begin_ns), 0);
	bpf_goto(w->code, w->out);
	bpf_here(w->code, known);
	bpf_load(w->code, BPF_DW, 1, 7, THREAD(begin_ns));
	bpf_jump(w->code, BPF_JNE, 1, 0, begun);
	write_refused(w);
	bpf_here(w->code, begun);
	bpf_op_reg(w->code, BPF_SUB, 9, 1);
	bpf_store_imm(w->code, BPF_DW, 7, THREAD(begin_ns), 0);
	/* Not the registers', which rt_sigreturn has restored by now. */
	bpf_load(w->code, BPF_DW, 8, 7, THREAD(number));
	find_sums(w);
	write_duration(w);
	write_result(w);
}

/* Puts the thread at AT_THREAD under the key in the field; what does not fit is counted. */
static int put_thread(struct writer *w, const char *field, struct err *err)
{
	bpf_label full = bpf_new_label(w->code);
	int rc = load_field(w, BPF_W, 1, field, err);

	bpf_store(w->code, BPF_W, 10, AT_KEY, 1);
	bpf_map(w->code, 1, w->maps->threads);
	bpf_move(w->code, 2, 10);
	bpf_op(w->code, BPF_ADD, 2, AT_KEY);
	bpf_move(w->code, 3, 10);
	bpf_op(w->code, BPF_ADD, 3, AT_THREAD);
	bpf_set(w->code, 4, BPF_ANY);
	bpf_call(w->code, BPF_FUNC_map_update_elem);
	bpf_jump(w->code, BPF_JNE, 0, 0, full);
	count_event(w, COUNT_SLOT_BORN);
	bpf_goto(w->code, w->out);
	bpf_here(w->code, full);
	count_event(w, COUNT_SLOT_LOST);
	return rc;
}

/* Runs before the child does, so its first call is not missed. */
static int write_fork(struct writer *w, struct err *err)
{
	int rc = load_field(w, BPF_W, 1, "parent_pid", err);

	bpf_store(w->code, BPF_W, 10, AT_KEY, 1);
	look_up(w, w->maps->threads, AT_KEY);
	for (int i = 0; i < (int)sizeof(struct counted_thread); i += 8)
		bpf_store_imm(w->code, BPF_DW, 10, AT_THREAD + i, 0);
	return rc < 0 ? rc : put_thread(w, "child_pid", err);
}

static void remove_thread(struct writer *w)
{
	bpf_map(w->code, 1, w->maps->threads);
	bpf_move(w->code, 2, 10);
	bpf_op(w->code, BPF_ADD, 2, AT_KEY);
	bpf_call(w->code, BPF_FUNC_map_delete_elem);
}

/* A thread that executes while others live takes the id of the first, which has ended by then. */
static int write_exec(struct writer *w, struct err *err)
{
	int rc = load_field(w, BPF_W, 7, "old_pid", err);

	if (rc == 0)
		rc = load_field(w, BPF_W, 8, "pid", err);
	bpf_jump_reg(w->code, BPF_JEQ, 7, 8, w->out);
	bpf_store(w->code, BPF_W, 10, AT_KEY, 7);
	look_up(w, w->maps->threads, AT_KEY);
	for (int i = 0; i < (int)sizeof(struct counted_thread); i += 8) {
		bpf_load(w->code, BPF_DW, 1, 0, i);
		bpf_store(w->code, BPF_DW, 10, AT_THREAD + i, 1);
	}
	remove_thread(w);
	return rc < 0 ? rc : put_thread(w, "pid", err);
}

static int write_exit(struct writer *w, struct err *err)
{
	(void)err;
	take_current(w);
	look_up(w, w->maps->threads, AT_KEY);
	remove_thread(w);
	count_event(w, COUNT_SLOT_GONE);
	return 0;
}

static void begin(struct writer *w)
{
	w->out = bpf_new_label(w->code);
	bpf_move(w->code, 6, 1);
}

static void end(struct writer *w)
{
	bpf_here(w->code, w->out);
	bpf_set(w->code, 0, 0);
	bpf_exit(w->code);
}

/* Fields of these have to be looked up, since their raw arguments are structures of the kernel. */
static const struct {
	const char *event, *name;
	int (*write)(struct writer *w, struct err *err);
} followers[COUNT_FOLLOWERS] = {
	{"sched/sched_process_exit", "count_exit", write_exit},
	{"sched/sched_process_exec", "count_exec", write_exec},
	{"sched/sched_process_fork", "count_fork", write_fork},
};

static int attach_follower(int tracefs, const struct count_maps *maps, size_t i, int *program,
			   int *event, struct err *err)
{
	auto_free struct bpf_code *code = xcalloc(1, sizeof(*code));
	struct tracepoint t;
	struct writer w = {.code = code, .maps = maps, .event = &t};
	int rc = tracepoint_read(tracefs, followers[i].event, &t, err);

	if (rc < 0)
		return rc;
	begin(&w);
	rc = followers[i].write(&w, err);
	end(&w);
	if (rc == 0)
		rc = bpf_program_load(code, BPF_PROG_TYPE_TRACEPOINT, followers[i].name, program,
				      err);
	return rc < 0 ? rc : bpf_attach_tracepoint(*program, t.id, followers[i].event, event, err);
}

int count_follow(const struct count_maps *maps, int programs[COUNT_FOLLOWERS],
		 int events[COUNT_FOLLOWERS], struct err *err)
{
	auto_close int tracefs = -1;
	int rc = tracefs_open(&tracefs, err);

	for (size_t i = 0; rc == 0 && i < COUNT_FOLLOWERS; i++)
		rc = attach_follower(tracefs, maps, i, &programs[i], &events[i], err);
	return rc;
}

/* Ends before begins: no call is seen to begin whose end would go unseen. */
static const struct {
	const char *event, *name;
	void (*write)(struct writer *w);
} listeners[COUNT_LISTENERS] = {
	{"sys_exit", "count_leave", write_leave},
	{"sys_enter", "count_enter", write_enter},
};

int count_listen(const struct count_maps *maps, int listening, int programs[COUNT_LISTENERS],
		 int events[COUNT_LISTENERS], struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < COUNT_LISTENERS; i++) {
		auto_free struct bpf_code *code = xcalloc(1, sizeof(*code));
		struct writer w = {.code = code, .maps = maps, .listening = listening};

		begin(&w);
		listeners[i].write(&w);
		end(&w);
		rc = bpf_program_load(code, BPF_PROG_TYPE_RAW_TRACEPOINT, listeners[i].name,
				      &programs[i], err);
		if (rc == 0)
			rc = bpf_attach_raw_tracepoint(programs[i], listeners[i].event, &events[i],
						       err);
	}
	return rc;
}
