/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A seccomp program for the floor. It is not a security profile: it stands for one, with the same
 * number of intervals as Docker's default has, in the cheapest shape known (the kernel runs every
 * filter once per system call number when it is loaded, so the path length decides the cost).
 */
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "observe/timeline/floor_child.h"

/* System calls that Docker's default profile refuses, as far as every architecture numbers them. */
static const unsigned refused[] = {
	SYS_acct,
	SYS_add_key,
	SYS_bpf,
	SYS_clock_settime,
	SYS_delete_module,
	SYS_finit_module,
	SYS_get_mempolicy,
	SYS_init_module,
	SYS_kcmp,
	SYS_kexec_load,
	SYS_keyctl,
	SYS_mbind,
	SYS_mount,
	SYS_move_pages,
	SYS_open_by_handle_at,
	SYS_perf_event_open,
	SYS_pivot_root,
	SYS_process_madvise,
	SYS_quotactl,
	SYS_reboot,
	SYS_request_key,
	SYS_set_mempolicy,
	SYS_setns,
	SYS_settimeofday,
	SYS_swapoff,
	SYS_swapon,
	SYS_umount2,
	SYS_unshare,
	SYS_userfaultfd,
	SYS_vhangup,
};

#define REFUSED_COUNT (sizeof(refused) / sizeof(refused[0]))
#define BOUND_MAX (2 * REFUSED_COUNT)

struct tree {
	unsigned bounds[BOUND_MAX]; /* the action changes at each of these numbers */
	size_t count;
	struct sock_filter *out;
	unsigned short len;
};

static bool is_refused(unsigned nr)
{
	for (size_t i = 0; i < REFUSED_COUNT; i++) {
		if (refused[i] == nr)
			return true;
	}
	return false;
}

static void find_bounds(struct tree *t)
{
	for (unsigned nr = 1; nr < 1024 && t->count < BOUND_MAX; nr++) {
		if (is_refused(nr) != is_refused(nr - 1))
			t->bounds[t->count++] = nr;
	}
}

/* Emits the search over leaves lo..hi, where leaf i ends at bounds[i]. */
static void emit(struct tree *t, size_t lo, size_t hi)
{
	size_t mid;
	unsigned short at;

	if (lo == hi) {
		t->out[t->len++] = (struct sock_filter)BPF_STMT(
			BPF_RET | BPF_K, lo % 2 ? SECCOMP_RET_ERRNO | 1 : SECCOMP_RET_ALLOW);
		return;
	}
	mid = lo + (hi - lo) / 2;
	at = t->len++;
	emit(t, lo, mid);
	t->out[at] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, t->bounds[mid],
						  (unsigned char)(t->len - at - 1), 0);
	emit(t, mid + 1, hi);
}

unsigned short floor_filter_build(struct sock_filter out[static FLOOR_FILTER_MAX])
{
	struct tree t = {.out = out};

	find_bounds(&t);
	out[t.len++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						    offsetof(struct seccomp_data, arch));
	/* No real machine has architecture 0; the check is there for its cost. */
	out[t.len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
	out[t.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	out[t.len++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						    offsetof(struct seccomp_data, nr));
	emit(&t, 0, t.count);
	return t.len;
}
