/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interpreter: waits for release, runs the operations in order, stamps the clock after each and
 * stops at the first failure. Nothing here may be undone by the child itself: all it does dies with
 * its namespaces.
 */
#include "runtime/child/child.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

static const child_op_fn ops[OP_COUNT] = {
	[OP_JOIN_CGROUP] = child_op_join_cgroup,
	[OP_JOIN_GROUPS] = child_op_join_groups,
	[OP_UNSHARE] = child_op_unshare,
	[OP_SETNS] = child_op_setns,
	[OP_JOIN] = child_op_join,
	[OP_BASELINE] = child_op_baseline,
	[OP_SETSID] = child_op_setsid,
	[OP_HOSTNAME] = child_op_hostname,
	[OP_DOMAINNAME] = child_op_domainname,
	[OP_LOOPBACK_UP] = child_op_loopback_up,
	[OP_NETWORK] = child_op_network,
	[OP_PROPAGATION] = child_op_propagation,
	[OP_ROOT_OVERLAY] = child_op_root_overlay,
	[OP_ROOT_BIND] = child_op_root_bind,
	[OP_MOUNT] = child_op_mount,
	[OP_BIND] = child_op_bind,
	[OP_REMOUNT] = child_op_remount,
	[OP_MKDIR] = child_op_mkdir,
	[OP_MKNOD] = child_op_mknod,
	[OP_SYMLINK] = child_op_symlink,
	[OP_PIVOT] = child_op_pivot,
	[OP_MASK] = child_op_mask,
	[OP_READ_ONLY] = child_op_read_only,
	[OP_ROOT_PROPAGATION] = child_op_root_propagation,
	[OP_SYSCTL] = child_op_sysctl,
	[OP_RLIMIT] = child_op_rlimit,
	[OP_OOM_SCORE_ADJ] = child_op_oom_score_adj,
	[OP_STDIO] = child_op_stdio,
	[OP_CONSOLE] = child_op_console,
	[OP_CONTROL_TERMINAL] = child_op_control_terminal,
	[OP_CLONE] = child_op_clone,
	[OP_CHDIR] = child_op_chdir,
	[OP_BOUNDING] = child_op_bounding,
	[OP_USER] = child_op_user,
	[OP_CAPABILITIES] = child_op_capabilities,
	[OP_NO_NEW_PRIVS] = child_op_no_new_privs,
	[OP_SECCOMP] = child_op_seccomp,
	[OP_HOOK] = child_op_hook,
	[OP_FIND_PROGRAM] = child_op_find_program,
	[OP_SKIP_ABSENT] = child_op_skip_absent,
	[OP_GATE] = child_op_gate,
	[OP_PERSONALITY] = child_op_personality,
	[OP_IO_PRIORITY] = child_op_io_priority,
	[OP_EXEC] = child_op_exec,
};

int child_arm_parent_death(const struct child_context *c)
{
	struct pollfd p = {.fd = c->report_fd};

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	/* getppid() is 0 in a new pid namespace, so the socket tells whether it is too late. */
	return poll(&p, 1, 0) > 0 && (p.revents & POLLHUP) ? -EPIPE : 0;
}

#ifdef CLOCHE_TEST_HOOKS
/* Test builds can make the child slow or dead at any operation and any point. PID 1 of a namespace
 * is deaf to a SIGKILL of its own, so the monitor is asked for it. */
static void test_hook(const struct plan_shared *shared, const struct child_context *c, bool slow,
		      bool dead)
{
	struct timespec delay = {.tv_sec = (time_t)(shared->test_delay_ns / 1000000000),
				 .tv_nsec = (long)(shared->test_delay_ns % 1000000000)};
	const char tag = CHILD_REPORT_KILL_ME;

	if (slow)
		nanosleep(&delay, NULL);
	if (dead && fd_send(c->report_fd, &tag, 1, NULL, 0) == 0)
		poll(NULL, 0, -1);
}
#else
static void test_hook(const struct plan_shared *shared, const struct child_context *c, bool slow,
		      bool dead)
{
	(void)shared;
	(void)c;
	(void)slow;
	(void)dead;
}
#endif

static void stamp_point(struct plan_shared *shared, const struct child_context *c,
			enum timeline_point point)
{
	test_hook(shared, c, shared->test_delay_point == point + 1u,
		  shared->test_kill_point == point + 1u);
	shared->point_ns[point] = clock_now_ns();
}

/* Returns once the launcher is further than `before`: PLAN_WAIT, or PLAN_BEGIN. */
static void wait_beyond(struct plan_shared *shared, enum plan_release before)
{
	uint32_t seen;

	while ((seen = __atomic_load_n(&shared->released, __ATOMIC_ACQUIRE)) == PLAN_WAIT ||
	       seen == (uint32_t)before)
		syscall(SYS_futex, &shared->released, FUTEX_WAIT, seen, NULL, NULL, 0);
	if (seen == PLAN_CANCEL)
		_exit(1);
}

/* From here on all operations stand. */
static void await_release(struct plan_shared *shared, const struct child_context *c)
{
	wait_beyond(shared, PLAN_BEGIN);
	stamp_point(shared, c, POINT_CHILD_RELEASED);
	if (!c->die_with_parent && prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) < 0)
		_exit(1);
}

static void fail(struct plan_shared *shared, const struct child_context *c, uint32_t index, int rc)
{
	shared->failed_errno = -rc;
	shared->failed_step = c->step;
	shared->failed_detail = c->detail;
	__atomic_store_n(&shared->failed_op, index + 1, __ATOMIC_RELEASE);
	_exit(1);
}

static void warn(struct plan_shared *shared, uint32_t index, int rc)
{
	uint32_t n = shared->warned_count;

	if (n < sizeof(shared->warned_ops) / sizeof(shared->warned_ops[0])) {
		shared->warned_ops[n] = (uint16_t)index;
		shared->warned_errno[n] = -rc;
		shared->warned_count = n + 1;
	}
}

static void run_op(struct plan *plan, struct child_context *c, uint32_t i)
{
	struct plan_shared *shared = &plan->shared;
	const struct plan_op *op = &plan->ops[i];
	int rc;

	c->step = STEP_NONE;
	c->detail = 0;
	test_hook(shared, c, shared->test_delay_op == i + 1, shared->test_kill_op == i + 1);
	rc = op->type < OP_COUNT && ops[op->type] ? ops[op->type](c, plan, op) : -ENOSYS;
	if (rc < 0 && !(op->flags & OP_FLAG_BEST_EFFORT))
		fail(shared, c, i, rc);
	if (rc < 0 && !(op->flags & OP_FLAG_QUIET))
		warn(shared, i, rc);
	shared->op_end_ns[i] = clock_now_ns();
}

_Noreturn void child_run(struct plan *plan, struct child_context *c)
{
	struct plan_shared *shared = &plan->shared;

	stamp_point(shared, c, POINT_CHILD_MAIN);
	/* Whoever lets us go must be alive to do so, also where the container is to outlive it. */
	if (child_arm_parent_death(c) < 0)
		_exit(1);
	/* The network namespace costs more than all the others; its maker has other things to do. */
	if (plan->early.own_namespaces && syscall(SYS_unshare, (int)plan->early.own_namespaces) < 0)
		c->early_result = -errno;
	__atomic_store_n(&shared->child_ready, 1, __ATOMIC_RELEASE);
	wait_beyond(shared, PLAN_WAIT);
	for (uint32_t i = 0, begin = shared->begin_count; i < PLAN_MAX_OPS; i++) {
		if (i == begin)
			await_release(shared, c);
		if (i >= begin && i >= plan->op_count)
			break;
		run_op(plan, c, i);
	}
	_exit(1);
}
