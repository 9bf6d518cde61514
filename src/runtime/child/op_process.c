/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on the process itself: namespaces, baseline, limits, identity, capabilities, seccomp.
 * Raw system calls for ids: the libc wrappers synchronise threads that do not exist here.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/ioprio.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/capability.h"
#include "kernel/seccomp.h"
#include "runtime/child/child.h"

#define KERNEL_SIGNALS 64
#define KERNEL_SIGSET_BYTES 8
#define CPU_MASK_BYTES 1024  /* 8192 processors, the kernel's own maximum */
#define TIMER_SLACK_NS 50000 /* the kernel's own for a process that nobody gave another */

static int result(long rc)
{
	return rc < 0 ? -errno : 0;
}

int child_op_unshare(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	(void)p;
	return op->flags & OP_FLAG_EARLY ? c->early_result
					 : result(syscall(SYS_unshare, (int)op->n));
}

int child_op_setns(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	auto_close int fd = open(plan_string(p, op->a), O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0) {
		c->step = STEP_SOURCE;
		return -errno;
	}
	/* The process it was named by may have ended, and its number gone to another. */
	if (op->m && (fstat(fd, &st) < 0 || st.st_ino != op->m)) {
		c->step = STEP_VERIFY;
		return -ESTALE;
	}
	return result(syscall(SYS_setns, fd, (int)op->n));
}

/* Everything at once, as the kernel checks it: a process that is just ending gives nothing. */
int child_op_join(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	int rc = result(syscall(SYS_setns, PLAN_FD_TARGET, (int)op->n));

	(void)p;
	if (rc < 0)
		return rc;
	close(PLAN_FD_TARGET);
	/* The root of the mount namespace is the container's since its pivot. */
	c->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return c->root_fd < 0 ? -errno : 0;
}

#ifdef __x86_64__
/* As vfork(): the new process runs on our memory and stack while we are suspended, and all that we do
 * after its exec is to end, which must touch no stack any more. Returns in the new process alone, or
 * with -errno. */
static long clone_and_end(unsigned long flags, int32_t *pid)
{
	register long child_tid asm("r10") = 0, tls asm("r8") = 0;
	long rc;

	asm volatile("syscall\n\t"
		     "test %%rax, %%rax\n\t"
		     "jle 1f\n\t"
		     "xor %%edi, %%edi\n\t"
		     "mov %[exit], %%eax\n\t"
		     "syscall\n"
		     "1:"
		     : "=a"(rc)
		     : "0"((long)SYS_clone), "D"(flags | CLONE_VM | CLONE_VFORK), "S"(0L), "d"(pid),
		       "r"(child_tid), "r"(tls), [exit] "i"(SYS_exit_group)
		     : "rcx", "r11", "memory");
	return rc;
}
#else
static long clone_and_end(unsigned long flags, int32_t *pid)
{
	long rc = syscall(SYS_clone, flags, NULL, pid, NULL, 0);

	if (rc > 0)
		_exit(0);
	return rc < 0 ? -errno : 0;
}
#endif

/*
 * Only a new process enters a pid namespace. This comes as late as can be, when no privilege is left
 * that the container lacks: before it, nobody in there can see us; after it, whoever may trace us
 * (CAP_SYS_PTRACE) wins nothing. A sibling, so that our parent is its parent.
 */
int child_op_clone(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	long rc = clone_and_end(CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD, &p->shared.child_pid);

	(void)op;
	if (rc < 0)
		return (int)rc;
	return c->die_with_parent ? child_arm_parent_death(c) : 0;
}

/* What the kernel's rt_sigaction() takes; all zero is "default, no flags". */
struct kernel_sigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

static int reset_signals(void)
{
	static const struct kernel_sigaction by_default;
	static const uint64_t none;

	for (int n = 1; n <= KERNEL_SIGNALS; n++) {
		if (n == SIGKILL || n == SIGSTOP)
			continue;
		if (syscall(SYS_rt_sigaction, n, &by_default, NULL, KERNEL_SIGSET_BYTES) < 0)
			return -errno;
	}
	return result(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, KERNEL_SIGSET_BYTES));
}

int child_op_baseline(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	struct sched_param other = {0};
	unsigned char all[CPU_MASK_BYTES];
	int rc = reset_signals();

	(void)c;
	(void)p;
	if (rc < 0)
		return rc;
	umask((mode_t)op->n);
	if (personality(PER_LINUX) < 0)
		return -errno;
	memset(all, 0xff, sizeof(all));
	/* The kernel cuts the mask to the cpuset. Who may not change these was not given much by its
	 * caller either, so a refusal is no reason to fail. */
	syscall(SYS_sched_setaffinity, 0, sizeof(all), all);
	syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &other);
	syscall(SYS_setpriority, PRIO_PROCESS, 0, 0);
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_NONE, 0));
	/* Inherited over clone and exec; a realtime caller's slack is 0. */
	prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0);
	prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	return 0;
}

int child_op_setsid(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	(void)c;
	(void)p;
	(void)op;
	return result(syscall(SYS_setsid));
}

int child_op_hostname(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	const char *name = plan_string(p, op->a);

	(void)c;
	return result(syscall(SYS_sethostname, name, strlen(name)));
}

int child_op_domainname(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	const char *name = plan_string(p, op->a);

	(void)c;
	return result(syscall(SYS_setdomainname, name, strlen(name)));
}

int child_op_loopback_up(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	auto_close int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

	(void)c;
	(void)p;
	(void)op;
	return sock < 0 ? -errno : result(ioctl(sock, SIOCSIFFLAGS, &request));
}

/* The monitor connects us meanwhile. Should it die, so do we. */
int child_op_network(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	uint32_t *state = &p->shared.network_state, seen;

	(void)c;
	(void)op;
	while ((seen = __atomic_load_n(state, __ATOMIC_ACQUIRE)) == PLAN_NETWORK_WAITING)
		syscall(SYS_futex, state, FUTEX_WAIT, PLAN_NETWORK_WAITING, NULL, NULL, 0);
	return seen == PLAN_NETWORK_DONE ? 0 : -ECANCELED;
}

int child_op_rlimit(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	struct rlimit now, want = {.rlim_cur = op->m, .rlim_max = op->k};
	int rc = result(syscall(SYS_prlimit64, 0, (int)op->n, &want, NULL));

	(void)c;
	(void)p;
	if (rc != -EPERM || !(op->flags & OP_FLAG_BEST_EFFORT))
		return rc;
	/* No CAP_SYS_RESOURCE: give as much as there is, and let the parent warn. */
	if (syscall(SYS_prlimit64, 0, (int)op->n, NULL, &now) < 0)
		return -errno;
	want.rlim_max = want.rlim_max < now.rlim_max ? want.rlim_max : now.rlim_max;
	want.rlim_cur = want.rlim_cur < want.rlim_max ? want.rlim_cur : want.rlim_max;
	syscall(SYS_prlimit64, 0, (int)op->n, &want, NULL);
	return -EPERM;
}

int child_op_bounding(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	(void)c;
	(void)p;
	return capability_drop_bounding(op->n, (unsigned)op->m);
}

int child_op_user(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	uint64_t effective, permitted, inheritable;
	int rc;

	if (syscall(SYS_setgroups, (size_t)op->k, plan_at(p, op->a)) < 0 ||
	    prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_setresgid, (gid_t)op->m, (gid_t)op->m, (gid_t)op->m) < 0 ||
	    syscall(SYS_setresuid, (uid_t)op->n, (uid_t)op->n, (uid_t)op->n) < 0)
		return -errno;
	/* What follows (seccomp without no_new_privs, a directory the user may not enter) still needs
	 * privilege; OP_CAPABILITIES takes it away. */
	rc = capability_get(&effective, &permitted, &inheritable);
	if (rc == 0 && effective != permitted)
		rc = capability_set(permitted, permitted, inheritable);
	if (rc < 0)
		return rc;
	/* A change of user disarms it and makes the process dumpable again. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return c->die_with_parent ? child_arm_parent_death(c) : 0;
}

int child_op_capabilities(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	int rc = capability_set(op->k, op->n, op->m);

	(void)c;
	(void)p;
	return rc < 0 ? rc : capability_set_ambient(op->l);
}

int child_op_no_new_privs(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	(void)c;
	(void)p;
	(void)op;
	return result(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

int child_op_seccomp(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	(void)c;
	return seccomp_install(plan_at(p, op->a), (size_t)op->n, (unsigned)op->m);
}

int child_op_personality(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	(void)c;
	(void)p;
	return result(personality((unsigned long)op->n));
}

int child_op_io_priority(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	(void)c;
	(void)p;
	return result(syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, (int)op->n));
}
