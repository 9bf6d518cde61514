/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BPF without a compiler and without libbpf: a small assembler, maps, the ring buffer, loading, and
 * attaching to the kernel's tracepoints (bpf(2), perf_event_open(2), Documentation/bpf/ in the kernel).
 * Programs are written against field offsets that are read from the running kernel (tracepoint.h), so
 * nothing here depends on a kernel's version. All descriptors are close-on-exec; what is attached goes
 * with its descriptor, so a killed observer leaves nothing behind.
 */
#ifndef CLOCHE_KERNEL_BPF_H
#define CLOCHE_KERNEL_BPF_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define BPF_CODE_MAX 2048
#define BPF_LABEL_MAX 512

typedef unsigned bpf_label;

/* A program being written. Zero-initialise it (it is large: on the heap). What does not fit marks it
 * failed, which bpf_program_load() refuses. */
struct bpf_code {
	size_t count, label_count;
	bool failed;
	struct bpf_insn items[BPF_CODE_MAX];
	bpf_label wants[BPF_CODE_MAX]; /* of jumps, plus one; 0: none */
	size_t places[BPF_LABEL_MAX];
};

/* Registers are 0 to 10 as in the kernel's calling convention: 1 to 5 arguments, 0 the result, 6 to 9
 * kept over calls, 10 the end of the stack of 512 bytes. size is BPF_B, BPF_H, BPF_W or BPF_DW; op is
 * BPF_ADD, BPF_AND, BPF_LSH... and for jumps BPF_JEQ, BPF_JNE, BPF_JGT, BPF_JSLT... */
void bpf_emit(struct bpf_code *c, int code, int dst, int src, int off, int imm);
void bpf_move(struct bpf_code *c, int dst, int src);
void bpf_set(struct bpf_code *c, int dst, int imm); /* sign-extended to 64 bits */
void bpf_set64(struct bpf_code *c, int dst, uint64_t value);
void bpf_op(struct bpf_code *c, int op, int dst, int imm);
void bpf_op_reg(struct bpf_code *c, int op, int dst, int src);
void bpf_load(struct bpf_code *c, int size, int dst, int src, int off);
void bpf_store(struct bpf_code *c, int size, int dst, int off, int src);
void bpf_store_imm(struct bpf_code *c, int size, int dst, int off, int imm);
/* *(dst + off) += src, atomically; size BPF_W or BPF_DW. */
void bpf_atomic_add(struct bpf_code *c, int size, int dst, int off, int src);
void bpf_call(struct bpf_code *c, int helper); /* BPF_FUNC_* */
void bpf_map(struct bpf_code *c, int dst, int map_fd);
bpf_label bpf_new_label(struct bpf_code *c);
void bpf_here(struct bpf_code *c, bpf_label label);
void bpf_jump(struct bpf_code *c, int op, int reg, int imm, bpf_label label);
void bpf_jump_reg(struct bpf_code *c, int op, int reg, int other, bpf_label label);
void bpf_goto(struct bpf_code *c, bpf_label label);
void bpf_exit(struct bpf_code *c);

/* Makes a map. Per-cpu maps have values for bpf_possible_cpus() CPUs, each rounded up to 8 bytes. The
 * error of a kernel that has or allows no BPF says which of the two, and why. */
int must_check bpf_map_create(enum bpf_map_type type, size_t key_size, size_t value_size,
			      size_t entries, const char *name, int *fd, struct err *err);
/* 0 or -errno; -ENOENT: no such key. */
int must_check bpf_map_get(int fd, const void *key, void *value);
int must_check bpf_map_put(int fd, const void *key, const void *value);
int must_check bpf_map_remove(int fd, const void *key);
/* The key after key (NULL: the first); -ENOENT: that was the last. */
int must_check bpf_map_next(int fd, const void *key, void *next);
int bpf_possible_cpus(void);
/* How many CPUs a list of the kernel's names ("0-3,8"), -1 when it is none; also for tests. */
int bpf_count_cpus(const char *list);

/* Loads a finished program. The error holds the end of the verifier's log. */
int must_check bpf_program_load(struct bpf_code *c, enum bpf_prog_type type, const char *name,
				int *fd, struct err *err);
/* Runs the program (of type BPF_PROG_TYPE_TRACEPOINT) at each hit of the tracepoint on all CPUs until
 * *fd is closed. what names the tracepoint in errors. */
int must_check bpf_attach_tracepoint(int program_fd, uint64_t tracepoint_id, const char *what,
				     int *fd, struct err *err);
/* The same for a program of type BPF_PROG_TYPE_RAW_TRACEPOINT and a tracepoint by its bare name
 * ("sys_enter"): half the cost of each hit, and closed without waiting, but its context are the raw
 * arguments as 64-bit words (Linux 4.17). */
int must_check bpf_attach_raw_tracepoint(int program_fd, const char *name, int *fd,
					 struct err *err);
/* Processor time that the kernel spent in a loaded program, ns, and how often it ran. Counted only
 * while the descriptor of bpf_count_cost() is open (Linux 5.8); 0 and 0 otherwise. */
int must_check bpf_program_cost(int program_fd, uint64_t *ns, uint64_t *runs);
/* The descriptor, or -errno. */
int must_check bpf_count_cost(void);
/* How often a program was left out because another one ran on that CPU (an interrupt came in the middle
 * of it). 0 also where the kernel does not count that. */
uint64_t bpf_program_missed(int program_fd);

/* The reading side of a BPF_MAP_TYPE_RINGBUF. */
struct bpf_ring {
	int map_fd;
	size_t size;
	unsigned long *consumed;       /* mapped, ours */
	const unsigned long *produced; /* mapped, the kernel's */
	const uint8_t *data;           /* mapped twice in a row, so no record is ever split */
};
/* size as the map was made with: a power of two, whole pages. */
int must_check bpf_ring_open(int map_fd, size_t size, struct bpf_ring *out, struct err *err);
void bpf_ring_close(struct bpf_ring *r);
/* Calls take for each record there is; its bytes are valid during the call. Returns how many. */
size_t bpf_ring_drain(struct bpf_ring *r,
		      void (*take)(void *opaque, const void *record, size_t size), void *opaque);

#endif
