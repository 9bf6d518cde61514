/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers, in all programs: 6 the context, 7 tgid << 32 | tid, 8 the row of the call, 9 the record
 * being made, which lies in a map of one value per CPU since the stack is too small for it. A call is
 * remembered when it is entered and recorded when it returns: then its strings have been read by the
 * kernel, so that they are in memory and can be copied without a fault. Only execve is recorded when it
 * is entered, for afterwards the memory is gone.
 */
#include "observe/trace/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "kernel/tracepoint.h"
#include "observe/trace/calls.h"
#include "observe/trace/raw.h"
#include "observe/trace/trace.h"

#define RING_SIZE (16U << 20)
#define THREADS_MAX 32768
#define WATCHED_MAX 8192
#define O_ACCESS_BITS 3
#define CONTROL_GROUP_PREFIX "/sys/fs/cgroup"

#define HEAD(field) ((int)offsetof(struct raw_head, field))
#define RECORD(field) ((int)offsetof(struct raw_record, field))
#define SPEC(field) ((int)offsetof(struct raw_spec, field))

/* On the stack. */
#define KEY (-8)
#define NUMBER (-16)
#define RESULT (-24)
#define SAVED (-96) /* struct saved */
#define SMALL (-96) /* struct raw_head of a scheduling record */

/* What is kept of a call that has not returned. Eight words, so that a masked index stays inside. */
struct saved {
	uint64_t args[6];
	uint64_t ns;
	uint64_t nr;
};
#define SAVED_FIELD(field) ((int)offsetof(struct saved, field))

struct writer {
	struct bpf_code *c;
	const struct programs *p;
	const struct tracepoint *t;
	struct err *err;
	uint32_t own_pid;
	bool failed; /* a field is missing; *err says which */
	bpf_label out;
};

static int field(struct writer *w, const char *name)
{
	int offset = tracepoint_offset(w->t, name, w->err);

	if (offset < 0)
		w->failed = true;
	return offset;
}

static int field_size(const struct writer *w, const char *name)
{
	for (size_t i = 0; i < w->t->count; i++) {
		if (str_eq(w->t->fields[i].name, name))
			return w->t->fields[i].size == 8 ? BPF_DW : BPF_W;
	}
	return BPF_W;
}

/* r2 points to a place on the stack. */
static void stack_address(struct bpf_code *c, int reg, int offset)
{
	bpf_move(c, reg, 10);
	bpf_op(c, BPF_ADD, reg, offset);
}

/* r0: the value of the key at KEY. */
static void look_up(struct bpf_code *c, int map)
{
	bpf_map(c, 1, map);
	stack_address(c, 2, KEY);
	bpf_call(c, BPF_FUNC_map_lookup_elem);
}

static void begin(struct writer *w)
{
	struct bpf_code *c = w->c;

	w->out = bpf_new_label(c);
	bpf_move(c, 6, 1);
	bpf_call(c, BPF_FUNC_get_current_pid_tgid);
	bpf_move(c, 7, 0);
	bpf_op(c, BPF_RSH, 0, 32);
	bpf_jump(c, BPF_JEQ, 0, (int)w->own_pid, w->out);
}

static void finish(struct writer *w)
{
	bpf_here(w->c, w->out);
	bpf_set(w->c, 0, 0);
	bpf_exit(w->c);
}

/* r9: this CPU's record, its head filled but for begin_ns. */
static void new_record(struct writer *w, enum raw_kind kind)
{
	struct bpf_code *c = w->c;

	bpf_store_imm(c, BPF_DW, 10, KEY, 0);
	look_up(c, w->p->scratch);
	bpf_jump(c, BPF_JEQ, 0, 0, w->out);
	bpf_move(c, 9, 0);
	bpf_store_imm(c, BPF_W, 9, HEAD(kind), (int)kind); /* and nr, 0 */
	bpf_store(c, BPF_W, 9, HEAD(tid), 7);
	bpf_move(c, 1, 7);
	bpf_op(c, BPF_RSH, 1, 32);
	bpf_store(c, BPF_W, 9, HEAD(tgid), 1);
	bpf_store_imm(c, BPF_W, 9, HEAD(extra), 0);
	bpf_store_imm(c, BPF_DW, 9, HEAD(begin_ns), 0);
	bpf_call(c, BPF_FUNC_ktime_get_ns);
	bpf_store(c, BPF_DW, 9, HEAD(ns), 0);
}

static void comm(struct bpf_code *c)
{
	bpf_move(c, 1, 9);
	bpf_op(c, BPF_ADD, 1, RECORD(comm));
	bpf_set(c, 2, 16);
	bpf_call(c, BPF_FUNC_get_current_comm);
}

/* Hands size bytes at reg to the reader. It looks by itself: waking it would disturb what is watched. */
static void output(struct writer *w, int reg, int offset, size_t size)
{
	struct bpf_code *c = w->c;
	bpf_label fine = bpf_new_label(c);

	bpf_map(c, 1, w->p->ring);
	bpf_move(c, 2, reg);
	bpf_op(c, BPF_ADD, 2, offset);
	bpf_set(c, 3, (int)size);
	bpf_set(c, 4, BPF_RB_NO_WAKEUP);
	bpf_call(c, BPF_FUNC_ringbuf_output);
	bpf_jump(c, BPF_JEQ, 0, 0, fine);
	bpf_store_imm(c, BPF_DW, 10, KEY, 0);
	look_up(c, w->p->lost);
	bpf_jump(c, BPF_JEQ, 0, 0, fine);
	bpf_set(c, 1, 1);
	bpf_atomic_add(c, BPF_DW, 0, 0, 1);
	bpf_here(c, fine);
}

/* Finds the row of the call in r8 and its class in r1; leaves when it is none of ours. */
static void find_spec(struct writer *w)
{
	struct bpf_code *c = w->c;

	bpf_load(c, BPF_DW, 1, 6, field(w, "id"));
	bpf_store(c, BPF_DW, 10, NUMBER, 1);
	bpf_store(c, BPF_DW, 10, KEY, 1);
	bpf_jump(c, BPF_JGE, 1, RAW_CALLS_MAX, w->out);
	look_up(c, w->p->specs);
	bpf_jump(c, BPF_JEQ, 0, 0, w->out);
	bpf_move(c, 8, 0);
	bpf_load(c, BPF_W, 1, 8, SPEC(how));
	bpf_jump(c, BPF_JEQ, 1, RAW_SKIP, w->out);
}

/* KEY: process and descriptor in register fd (changed). */
static void descriptor_key(struct bpf_code *c, int fd)
{
	bpf_op(c, BPF_LSH, fd, 32);
	bpf_op(c, BPF_RSH, fd, 32);
	bpf_move(c, 2, 7);
	bpf_op(c, BPF_RSH, 2, 32);
	bpf_op(c, BPF_LSH, 2, 32);
	bpf_op_reg(c, BPF_OR, 2, fd);
	bpf_store(c, BPF_DW, 10, KEY, 2);
}

static void thread_key(struct bpf_code *c)
{
	bpf_move(c, 1, 7);
	bpf_op(c, BPF_LSH, 1, 32);
	bpf_op(c, BPF_RSH, 1, 32);
	bpf_store(c, BPF_DW, 10, KEY, 1);
}

/* r2 := the argument whose number plus one stands in r1, from the record. */
static void argument(struct bpf_code *c, int reg)
{
	bpf_op(c, BPF_SUB, 1, 1);
	bpf_op(c, BPF_AND, 1, 7);
	bpf_op(c, BPF_LSH, 1, 3);
	bpf_move(c, 2, 9);
	bpf_op_reg(c, BPF_ADD, 2, 1);
	bpf_load(c, BPF_DW, reg, 2, RECORD(args));
}

/* Copies the string that register 3 points to. */
static void copy_string(struct bpf_code *c, int offset, int size, int helper)
{
	bpf_move(c, 1, 9);
	bpf_op(c, BPF_ADD, 1, offset);
	bpf_set(c, 2, size);
	bpf_call(c, helper);
}

/* File and arguments of an execve that begins. The list of arguments is read pointer by pointer. */
static void write_exec(struct writer *w, int args)
{
	struct bpf_code *c = w->c;
	bpf_label done = bpf_new_label(c);

	new_record(w, RAW_EXEC_TRY);
	for (int i = 0; i < 6; i++) {
		bpf_load(c, BPF_DW, 1, 6, args + 8 * i);
		bpf_store(c, BPF_DW, 9, RECORD(args) + 8 * i, 1);
	}
	comm(c);
	bpf_store_imm(c, BPF_B, 9, RECORD(exec.file), 0);
	for (int i = 0; i < RAW_ARGUMENTS; i++)
		bpf_store_imm(c, BPF_B, 9, RECORD(exec.arguments) + RAW_ARGUMENT * i, 0);
	bpf_load(c, BPF_W, 1, 8, SPEC(text[0]));
	argument(c, 3);
	copy_string(c, RECORD(exec.file), RAW_TEXT, BPF_FUNC_probe_read_user_str);
	bpf_load(c, BPF_W, 1, 8, SPEC(text[1]));
	argument(c, 8);
	for (int i = 0; i < RAW_ARGUMENTS; i++) {
		stack_address(c, 1, RESULT);
		bpf_set(c, 2, 8);
		bpf_move(c, 3, 8);
		bpf_op(c, BPF_ADD, 3, 8 * i);
		bpf_call(c, BPF_FUNC_probe_read_user);
		bpf_jump(c, BPF_JNE, 0, 0, done);
		bpf_load(c, BPF_DW, 3, 10, RESULT);
		bpf_jump(c, BPF_JEQ, 3, 0, done);
		copy_string(c, RECORD(exec.arguments) + RAW_ARGUMENT * i, RAW_ARGUMENT,
			    BPF_FUNC_probe_read_user_str);
	}
	bpf_here(c, done);
	output(w, 9, 0, sizeof(struct raw_record));
}

/* Leaves for what is not to be remembered: opens for reading, and the end of a descriptor. Every write is
 * remembered, so that who is woken meanwhile is known to be woken by a message (write_wake). */
static void filter_enter(struct writer *w, int args, bpf_label keep)
{
	struct bpf_code *c = w->c;
	bpf_label opens = bpf_new_label(c), flags_2 = bpf_new_label(c);

	bpf_jump(c, BPF_JEQ, 1, RAW_OPEN, opens);
	bpf_jump(c, BPF_JNE, 1, RAW_CLOSE, keep);
	bpf_load(c, BPF_DW, 3, 6, args);
	descriptor_key(c, 3);
	bpf_map(c, 1, w->p->watched);
	stack_address(c, 2, KEY);
	bpf_call(c, BPF_FUNC_map_delete_elem);
	bpf_goto(c, w->out);
	bpf_here(c, opens);
	bpf_load(c, BPF_W, 1, 8, SPEC(flags));
	bpf_jump(c, BPF_JEQ, 1, 0, keep);
	bpf_load(c, BPF_DW, 2, 6, args + 8);
	bpf_jump(c, BPF_JEQ, 1, 2, flags_2);
	bpf_load(c, BPF_DW, 2, 6, args + 16);
	bpf_here(c, flags_2);
	bpf_op(c, BPF_AND, 2, O_ACCESS_BITS);
	bpf_jump(c, BPF_JEQ, 2, 0, w->out);
}

static void write_enter(struct writer *w)
{
	struct bpf_code *c = w->c;
	bpf_label keep = bpf_new_label(c), ends = bpf_new_label(c), executes = bpf_new_label(c);
	int args = field(w, "args");

	begin(w);
	find_spec(w);
	filter_enter(w, args, keep);
	bpf_here(c, keep);
	for (int i = 0; i < 6; i++) {
		bpf_load(c, BPF_DW, 1, 6, args + 8 * i);
		bpf_store(c, BPF_DW, 10, SAVED + SAVED_FIELD(args) + 8 * i, 1);
	}
	bpf_load(c, BPF_DW, 1, 10, NUMBER);
	bpf_store(c, BPF_DW, 10, SAVED + SAVED_FIELD(nr), 1);
	bpf_call(c, BPF_FUNC_ktime_get_ns);
	bpf_store(c, BPF_DW, 10, SAVED + SAVED_FIELD(ns), 0);
	thread_key(c);
	bpf_map(c, 1, w->p->saved);
	stack_address(c, 2, KEY);
	stack_address(c, 3, SAVED);
	bpf_set(c, 4, BPF_ANY);
	bpf_call(c, BPF_FUNC_map_update_elem);
	bpf_load(c, BPF_W, 1, 8, SPEC(how));
	bpf_jump(c, BPF_JEQ, 1, RAW_NO_RETURN, ends);
	bpf_jump(c, BPF_JEQ, 1, RAW_EXECUTE, executes);
	bpf_goto(c, w->out);
	bpf_here(c, ends);
	new_record(w, RAW_EXIT_CALL);
	comm(c);
	bpf_load(c, BPF_DW, 1, 10, NUMBER);
	bpf_store(c, BPF_H, 9, HEAD(nr), 1);
	bpf_load(c, BPF_DW, 1, 6, args);
	bpf_store(c, BPF_DW, 9, RECORD(args), 1);
	output(w, 9, 0, RAW_PLAIN_SIZE);
	bpf_goto(c, w->out);
	bpf_here(c, executes);
	write_exec(w, args);
	finish(w);
}

/* The three texts and the structure of a call that returned. */
static void copy_texts(struct writer *w)
{
	struct bpf_code *c = w->c;
	bpf_label none = bpf_new_label(c);

	for (int i = 0; i < RAW_TEXTS; i++) {
		bpf_label next = bpf_new_label(c);

		bpf_store_imm(c, BPF_B, 9, RECORD(text) + RAW_TEXT * i, 0);
		bpf_load(c, BPF_W, 1, 8, SPEC(text) + 4 * i);
		bpf_jump(c, BPF_JEQ, 1, 0, next);
		argument(c, 3);
		copy_string(c, RECORD(text) + RAW_TEXT * i, RAW_TEXT, BPF_FUNC_probe_read_user_str);
		bpf_here(c, next);
	}
	bpf_load(c, BPF_W, 1, 8, SPEC(structure));
	bpf_jump(c, BPF_JEQ, 1, 0, none);
	argument(c, 3);
	bpf_store(c, BPF_DW, 10, RESULT, 3);
	copy_string(c, RECORD(text), RAW_STRUCT, BPF_FUNC_probe_read_user);
	bpf_jump(c, BPF_JEQ, 0, 0, none);
	/* A shorter one at the end of a page. */
	bpf_load(c, BPF_DW, 3, 10, RESULT);
	copy_string(c, RECORD(text), 32, BPF_FUNC_probe_read_user);
	bpf_here(c, none);
}

/* What a write wrote: at most RAW_TEXT - 1 bytes. */
static void copy_written(struct bpf_code *c)
{
	bpf_label fits = bpf_new_label(c);

	for (int i = 0; i < RAW_TEXT; i += 8)
		bpf_store_imm(c, BPF_DW, 9, RECORD(text) + i, 0);
	bpf_load(c, BPF_DW, 2, 9, RECORD(args) + 16);
	bpf_jump(c, BPF_JLE, 2, RAW_TEXT - 1, fits);
	bpf_set(c, 2, RAW_TEXT - 1);
	bpf_here(c, fits);
	bpf_op(c, BPF_AND, 2, RAW_TEXT - 1);
	bpf_load(c, BPF_DW, 3, 9, RECORD(args) + 8);
	bpf_move(c, 1, 9);
	bpf_op(c, BPF_ADD, 1, RECORD(text));
	bpf_call(c, BPF_FUNC_probe_read_user);
}

/* Goes to yes when the text begins with prefix, of at most 16 bytes. */
static void if_prefix(struct bpf_code *c, const char *prefix, bpf_label yes)
{
	bpf_label no = bpf_new_label(c);
	size_t len = strlen(prefix), at = 0;

	for (size_t step = 8; step > 0; step /= 2) {
		for (; len - at >= step; at += step) {
			int size = step == 8   ? BPF_DW
				   : step == 4 ? BPF_W
				   : step == 2 ? BPF_H
					       : BPF_B;
			uint64_t want = 0;

			memcpy(&want, prefix + at, step);
			bpf_load(c, size, 1, 9, RECORD(text) + (int)at);
			bpf_set64(c, 2, want);
			bpf_jump_reg(c, BPF_JNE, 1, 2, no);
		}
	}
	bpf_goto(c, yes);
	bpf_here(c, no);
}

/* Only files of cgroups: by their full path, or below a descriptor by the controller in their name. */
static void filter_opened(struct writer *w, bpf_label forget)
{
	static const char *const prefixes[] = {
		CONTROL_GROUP_PREFIX, "cgroup.",  "memory.", "cpu.",   "cpuset.",
		"cpuacct.",           "pids.",    "io.",     "blkio.", "devices.",
		"hugetlb.",           "freezer.",
	};
	struct bpf_code *c = w->c;
	bpf_label yes = bpf_new_label(c), done = bpf_new_label(c), named = bpf_new_label(c);

	/* openat2 names them below a hierarchy's root: too many ways for here, and few enough calls. */
	bpf_load(c, BPF_W, 1, 8, SPEC(flags));
	bpf_jump(c, BPF_JNE, 1, 0, named);
	bpf_load(c, BPF_DW, 1, 9, RECORD(text)); /* open_how's flags */
	bpf_op(c, BPF_AND, 1, O_ACCESS_BITS);
	bpf_jump(c, BPF_JEQ, 1, 0, forget);
	bpf_goto(c, yes);
	bpf_here(c, named);
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if_prefix(c, prefixes[i], yes);
	bpf_goto(c, forget);
	bpf_here(c, yes);
	bpf_load(c, BPF_DW, 3, 9, RECORD(result));
	bpf_jump(c, BPF_JSLT, 3, 0, done);
	descriptor_key(c, 3);
	bpf_map(c, 1, w->p->watched);
	stack_address(c, 2, KEY);
	stack_address(c, 3, KEY);
	bpf_set(c, 4, BPF_ANY);
	bpf_call(c, BPF_FUNC_map_update_elem);
	bpf_here(c, done);
}

/* r6: the remembered call. Fills the record from it. */
static void restore(struct writer *w, bpf_label forget)
{
	struct bpf_code *c = w->c;
	bpf_label unknown = bpf_new_label(c), go_on = bpf_new_label(c);

	thread_key(c);
	look_up(c, w->p->saved);
	bpf_move(c, 6, 0);
	new_record(w, RAW_CALL);
	bpf_load(c, BPF_DW, 1, 10, NUMBER);
	bpf_store(c, BPF_H, 9, HEAD(nr), 1);
	bpf_load(c, BPF_DW, 2, 10, RESULT);
	bpf_store(c, BPF_DW, 9, RECORD(result), 2);
	bpf_jump(c, BPF_JEQ, 6, 0, unknown);
	bpf_load(c, BPF_DW, 2, 6, SAVED_FIELD(nr));
	bpf_jump_reg(c, BPF_JNE, 1, 2, unknown);
	for (int i = 0; i < 6; i++) {
		bpf_load(c, BPF_DW, 1, 6, SAVED_FIELD(args) + 8 * i);
		bpf_store(c, BPF_DW, 9, RECORD(args) + 8 * i, 1);
	}
	bpf_load(c, BPF_DW, 2, 6, SAVED_FIELD(ns));
	bpf_store(c, BPF_DW, 9, HEAD(begin_ns), 2);
	bpf_load(c, BPF_W, 1, 8, SPEC(how));
	bpf_jump(c, BPF_JNE, 1, RAW_WAIT, go_on);
	bpf_load(c, BPF_DW, 3, 9, HEAD(ns));
	bpf_op_reg(c, BPF_SUB, 3, 2);
	bpf_jump(c, BPF_JLT, 3, TRACE_WAIT_MIN_NS, forget);
	bpf_goto(c, go_on);
	/* Entered before the recording began: of a wait, its end is worth knowing. */
	bpf_here(c, unknown);
	for (int i = 0; i < 6; i++)
		bpf_store_imm(c, BPF_DW, 9, RECORD(args) + 8 * i, 0);
	bpf_load(c, BPF_W, 1, 8, SPEC(how));
	bpf_jump(c, BPF_JNE, 1, RAW_WAIT, w->out);
	bpf_here(c, go_on);
	comm(c);
}

static void write_exit(struct writer *w)
{
	struct bpf_code *c = w->c;
	bpf_label forget = bpf_new_label(c), plain = bpf_new_label(c), full = bpf_new_label(c);
	bpf_label opened = bpf_new_label(c), written = bpf_new_label(c);

	begin(w);
	find_spec(w);
	bpf_load(c, BPF_DW, 1, 6, field(w, "ret"));
	bpf_store(c, BPF_DW, 10, RESULT, 1);
	restore(w, forget);
	bpf_load(c, BPF_W, 1, 8, SPEC(how));
	bpf_jump(c, BPF_JEQ, 1, RAW_OPEN, opened);
	bpf_jump(c, BPF_JEQ, 1, RAW_WRITE, written);
	bpf_jump(c, BPF_JNE, 1, RAW_PLAIN_CALL, plain);
	copy_texts(w);
	bpf_goto(c, full);
	bpf_here(c, written);
	bpf_load(c, BPF_DW, 3, 9, RECORD(args));
	descriptor_key(c, 3);
	look_up(c, w->p->watched);
	bpf_jump(c, BPF_JEQ, 0, 0, forget);
	copy_written(c);
	bpf_goto(c, full);
	bpf_here(c, opened);
	copy_texts(w);
	filter_opened(w, forget);
	bpf_here(c, full);
	output(w, 9, 0, RAW_TEXT_SIZE);
	bpf_goto(c, forget);
	bpf_here(c, plain);
	output(w, 9, 0, RAW_PLAIN_SIZE);
	bpf_here(c, forget);
	thread_key(c);
	bpf_map(c, 1, w->p->saved);
	stack_address(c, 2, KEY);
	bpf_call(c, BPF_FUNC_map_delete_elem);
	finish(w);
}

static void write_task(struct writer *w)
{
	struct bpf_code *c = w->c;

	begin(w);
	new_record(w, RAW_TASK);
	bpf_load(c, BPF_W, 1, 6, field(w, "pid"));
	bpf_store(c, BPF_W, 9, HEAD(extra), 1);
	bpf_load(c, field_size(w, "clone_flags"), 1, 6, field(w, "clone_flags"));
	bpf_store(c, BPF_DW, 9, HEAD(begin_ns), 1);
	comm(c);
	output(w, 9, 0, RAW_PLAIN_SIZE);
	finish(w);
}

/* A string of the tracepoint's own record, whose place stands in field name. */
static void copy_located(struct writer *w, const char *name)
{
	struct bpf_code *c = w->c;

	bpf_load(c, BPF_W, 1, 6, field(w, name));
	bpf_op(c, BPF_AND, 1, 0xffff);
	bpf_move(c, 3, 6);
	bpf_op_reg(c, BPF_ADD, 3, 1);
	copy_string(c, RECORD(text), RAW_TEXT, BPF_FUNC_probe_read_kernel_str);
}

static void write_exec_done(struct writer *w)
{
	struct bpf_code *c = w->c;

	begin(w);
	new_record(w, RAW_EXEC);
	bpf_load(c, BPF_W, 1, 6, field(w, "old_pid"));
	bpf_store(c, BPF_W, 9, HEAD(extra), 1);
	comm(c);
	copy_located(w, "filename");
	output(w, 9, 0, RAW_TEXT_SIZE);
	finish(w);
}

static void write_end(struct writer *w)
{
	struct bpf_code *c = w->c;

	begin(w);
	new_record(w, RAW_EXIT);
	comm(c);
	output(w, 9, 0, RAW_PLAIN_SIZE);
	thread_key(c);
	bpf_map(c, 1, w->p->saved);
	stack_address(c, 2, KEY);
	bpf_call(c, BPF_FUNC_map_delete_elem);
	finish(w);
}

static void write_cgroup(struct writer *w, enum raw_kind kind, const char *path)
{
	begin(w);
	new_record(w, kind);
	comm(w->c);
	copy_located(w, path);
	output(w, 9, 0, RAW_TEXT_SIZE);
	finish(w);
}

static void write_cgroup_mkdir(struct writer *w)
{
	write_cgroup(w, RAW_CGROUP_MKDIR, "path");
}

static void write_cgroup_rmdir(struct writer *w)
{
	write_cgroup(w, RAW_CGROUP_RMDIR, "path");
}

static void write_cgroup_attach(struct writer *w)
{
	struct bpf_code *c = w->c;

	begin(w);
	new_record(w, RAW_CGROUP_ATTACH);
	bpf_load(c, BPF_W, 1, 6, field(w, "pid"));
	bpf_store(c, BPF_W, 9, HEAD(extra), 1);
	comm(c);
	copy_located(w, "dst_path");
	output(w, 9, 0, RAW_TEXT_SIZE);
	finish(w);
}

/* A head alone, on the stack: these come by the ten thousand. begin_ns is left to the caller. */
static void begin_small(struct writer *w, enum raw_kind kind, const char *other)
{
	struct bpf_code *c = w->c;

	w->out = bpf_new_label(c);
	bpf_move(c, 6, 1);
	bpf_call(c, BPF_FUNC_get_current_pid_tgid);
	bpf_move(c, 7, 0);
	bpf_store(c, BPF_W, 10, SMALL + HEAD(tid), 0);
	bpf_op(c, BPF_RSH, 0, 32);
	bpf_store(c, BPF_W, 10, SMALL + HEAD(tgid), 0);
	bpf_store_imm(c, BPF_W, 10, SMALL + HEAD(kind), (int)kind);
	bpf_load(c, BPF_W, 1, 6, field(w, other));
	bpf_store(c, BPF_W, 10, SMALL + HEAD(extra), 1);
	bpf_call(c, BPF_FUNC_ktime_get_ns);
	bpf_store(c, BPF_DW, 10, SMALL + HEAD(ns), 0);
}

static void write_switch(struct writer *w)
{
	struct bpf_code *c = w->c;

	begin_small(w, RAW_SWITCH, "next_pid");
	bpf_load(c, field_size(w, "prev_state"), 1, 6, field(w, "prev_state"));
	bpf_store(c, BPF_DW, 10, SMALL + HEAD(begin_ns), 1);
	output(w, 10, SMALL, sizeof(struct raw_head));
	finish(w);
}

/* With the call that the waker is in. */
static void write_wake(struct writer *w)
{
	struct bpf_code *c = w->c;
	bpf_label none = bpf_new_label(c);

	begin_small(w, RAW_WAKE, "pid");
	bpf_store_imm(c, BPF_DW, 10, SMALL + HEAD(begin_ns), 0);
	thread_key(c);
	look_up(c, w->p->saved);
	bpf_jump(c, BPF_JEQ, 0, 0, none);
	bpf_load(c, BPF_DW, 1, 0, SAVED_FIELD(nr));
	bpf_op(c, BPF_ADD, 1, 1);
	bpf_store(c, BPF_DW, 10, SMALL + HEAD(begin_ns), 1);
	bpf_here(c, none);
	output(w, 10, SMALL, sizeof(struct raw_head));
	finish(w);
}

/* What may be missing is missing where cgroups have no such tracepoint. */
static const struct {
	const char *tracepoint, *name;
	void (*write)(struct writer *w);
	bool scheduling;
} table[] = {
	{"raw_syscalls/sys_exit", "cloche_exit", write_exit, false},
	{"raw_syscalls/sys_enter", "cloche_enter", write_enter, false},
	{"task/task_newtask", "cloche_task", write_task, false},
	{"sched/sched_process_exec", "cloche_exec", write_exec_done, false},
	{"sched/sched_process_exit", "cloche_end", write_end, false},
	{"cgroup/cgroup_mkdir", "cloche_mkdir", write_cgroup_mkdir, false},
	{"cgroup/cgroup_rmdir", "cloche_rmdir", write_cgroup_rmdir, false},
	{"cgroup/cgroup_attach_task", "cloche_attach", write_cgroup_attach, false},
	{"sched/sched_switch", "cloche_switch", write_switch, true},
	{"sched/sched_waking", "cloche_wake", write_wake, true},
};
_Static_assert(sizeof(table) / sizeof(table[0]) <= PROGRAMS_MAX, "room for every program");

static int attach_one(struct programs *p, int tracefs, uint32_t own_pid, size_t row,
		      struct err *err)
{
	auto_free struct bpf_code *code = xcalloc(1, sizeof(*code));
	struct tracepoint t;
	struct writer w = {.c = code, .p = p, .t = &t, .err = err, .own_pid = own_pid};
	auto_close int program = -1;
	int rc = tracepoint_read(tracefs, table[row].tracepoint, &t, err);

	if (rc < 0)
		return rc;
	table[row].write(&w);
	if (w.failed)
		return err_code(err);
	rc = bpf_program_load(code, BPF_PROG_TYPE_TRACEPOINT, table[row].name, &program, err);
	if (rc < 0)
		return rc;
	rc = bpf_attach_tracepoint(program, t.id, t.name, &p->event_fds[p->count], err);
	if (rc < 0)
		return rc;
	p->scheduling[p->count] = table[row].scheduling;
	p->program_fds[p->count++] = take_fd(&program);
	return 0;
}

static int make_maps(struct programs *p, struct err *err)
{
	auto_free struct raw_spec *specs = xcalloc(RAW_CALLS_MAX, sizeof(*specs));
	const struct {
		int *fd;
		enum bpf_map_type type;
		size_t key, value, entries;
	} maps[] = {
		{&p->ring, BPF_MAP_TYPE_RINGBUF, 0, 0, RING_SIZE},
		{&p->specs, BPF_MAP_TYPE_ARRAY, 4, sizeof(struct raw_spec), RAW_CALLS_MAX},
		{&p->saved, BPF_MAP_TYPE_HASH, 8, sizeof(struct saved), THREADS_MAX},
		{&p->watched, BPF_MAP_TYPE_HASH, 8, 8, WATCHED_MAX},
		{&p->scratch, BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct raw_record), 1},
		{&p->lost, BPF_MAP_TYPE_ARRAY, 4, 8, 1},
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(maps) / sizeof(maps[0]); i++)
		rc = bpf_map_create(maps[i].type, maps[i].key, maps[i].value, maps[i].entries,
				    "cloche_trace", maps[i].fd, err);
	if (rc < 0)
		return rc;
	call_specs(specs);
	for (uint32_t i = 0; rc == 0 && i < RAW_CALLS_MAX; i++)
		rc = bpf_map_put(p->specs, &i, &specs[i]);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "fill a BPF map: %s", err_errno_text(-rc));
	return bpf_ring_open(p->ring, RING_SIZE, &p->reader, err);
}

int programs_attach(uint32_t own_pid, bool scheduling, struct programs *out, struct err *err)
{
	auto_close int tracefs = -1;
	int rc;

	*out = (struct programs){
		.ring = -1, .specs = -1, .saved = -1, .watched = -1, .scratch = -1, .lost = -1};
	rc = tracefs_open(&tracefs, err);
	if (rc == 0)
		rc = make_maps(out, err);
	for (size_t i = 0; rc == 0 && i < sizeof(table) / sizeof(table[0]); i++) {
		if (scheduling || !table[i].scheduling)
			rc = attach_one(out, tracefs, own_pid, i, err);
	}
	if (rc < 0)
		programs_close(out);
	return rc;
}

void programs_detach(struct programs *p)
{
	for (size_t i = 0; i < p->count; i++)
		cleanup_close(&p->event_fds[i]), p->event_fds[i] = -1;
}

void programs_close(struct programs *p)
{
	const int maps[] = {p->ring, p->specs, p->saved, p->watched, p->scratch, p->lost};

	programs_detach(p);
	for (size_t i = 0; i < p->count; i++)
		cleanup_close(&p->program_fds[i]);
	p->count = 0;
	bpf_ring_close(&p->reader);
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		cleanup_close(&maps[i]);
}

uint64_t programs_lost(const struct programs *p)
{
	uint32_t key = 0;
	uint64_t lost = 0;

	return bpf_map_get(p->lost, &key, &lost) < 0 ? 0 : lost;
}
