/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The default profile: what any container may call, what a capability adds, and the calls whose
 * arguments decide. Coverage is that of Docker's default profile; anything not named fails with
 * EPERM. What must never be here without a capability: keyrings, io_uring, bpf, userfaultfd,
 * mounting, modules, new namespaces.
 */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "kernel/capability.h"
#include "kernel/seccomp_profile.h"

/* CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET of clone(2). */
#define CLONE_NAMESPACES UINT64_C(0x7e020000)
#define AF_VSOCK_NUMBER 40

/* Names separated by blanks, by subject. */
static const char *const always[] = {
	/* files by name */
	"access chdir chmod chown chown32 creat faccessat faccessat2 fchmodat fchmodat2 fchownat "
	"futimesat lchown lchown32 link linkat mkdir mkdirat mknod mknodat name_to_handle_at open "
	"openat openat2 readlink readlinkat rename renameat renameat2 rmdir symlink symlinkat "
	"truncate truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes",
	/* what a file is */
	"fstat fstat64 fstatat64 fstatfs fstatfs64 lstat lstat64 newfstatat stat stat64 statfs "
	"statfs64 statx",
	/* extended attributes */
	"fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr "
	"listxattrat llistxattr lremovexattr lsetxattr removexattr removexattrat setxattr "
	"setxattrat",
	/* open files */
	"_llseek close close_range copy_file_range dup dup2 dup3 fadvise64 fadvise64_64 fallocate "
	"fchdir fchmod fchown fchown32 fcntl fcntl64 fdatasync flock fsync ftruncate ftruncate64 "
	"getcwd getdents getdents64 ioctl lseek pread64 preadv preadv2 pwrite64 pwritev pwritev2 "
	"read readahead readv sendfile sendfile64 splice sync sync_file_range syncfs tee vmsplice "
	"write writev",
	/* waiting for events */
	"_newselect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 "
	"epoll_wait epoll_wait_old eventfd eventfd2 fanotify_mark inotify_add_watch inotify_init "
	"inotify_init1 inotify_rm_watch pipe pipe2 poll ppoll ppoll_time64 pselect6 "
	"pselect6_time64 select signalfd signalfd4",
	"io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit",
	/* memory */
	"brk cachestat madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock "
	"mlock2 mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap "
	"pkey_alloc pkey_free pkey_mprotect process_mrelease remap_file_pages",
	/* processes and threads */
	"execve execveat exit exit_group fork futex futex_requeue futex_time64 futex_wait "
	"futex_waitv futex_wake get_robust_list get_thread_area getcpu getpgid getpgrp getpid "
	"getppid getsid gettid kill pause pidfd_open pidfd_send_signal prctl restart_syscall rseq "
	"set_robust_list set_thread_area set_tid_address setpgid setsid tgkill tkill vfork wait4 "
	"waitid waitpid process_vm_readv process_vm_writev ptrace",
	/* signals */
	"rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend "
	"rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack sigprocmask sigreturn",
	/* identity, and what restricts oneself */
	"capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 "
	"getresgid getresgid32 getresuid getresuid32 getuid getuid32 landlock_add_rule "
	"landlock_create_ruleset landlock_restrict_self seccomp setfsgid setfsgid32 setfsuid "
	"setfsuid32 setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid "
	"setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32",
	/* scheduling and limits */
	"getpriority getrlimit getrusage ioprio_get ioprio_set prlimit64 sched_get_priority_max "
	"sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler "
	"sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr "
	"sched_setparam sched_setscheduler sched_yield setpriority setrlimit ugetrlimit",
	/* time; setting it needs CAP_SYS_TIME in the kernel itself */
	"adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 "
	"clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer "
	"gettimeofday nanosleep setitimer time timer_create timer_delete timer_getoverrun "
	"timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create "
	"timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times",
	/* sockets; socket itself is below */
	"accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom "
	"recvmmsg recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown "
	"socketcall socketpair",
	/* System V and POSIX IPC */
	"ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend "
	"mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop "
	"semtimedop_time64 shmat shmctl shmdt shmget",
	/* the rest */
	"arch_prctl getrandom modify_ldt sysinfo uname uretprobe",
};

static const struct {
	const char *capability;
	const char *names;
} with_capability[] = {
	{"CAP_SYS_ADMIN",
	 "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick listmount lookup_dcookie "
	 "mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd "
	 "setdomainname sethostname setns statmount syslog umount umount2 unshare"},
	{"CAP_DAC_READ_SEARCH", "open_by_handle_at"},
	{"CAP_SYS_BOOT", "reboot"},
	{"CAP_SYS_CHROOT", "chroot"},
	{"CAP_SYS_MODULE", "delete_module finit_module init_module"},
	{"CAP_SYS_PACCT", "acct"},
	{"CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise"},
	{"CAP_SYS_RAWIO", "ioperm iopl"},
	{"CAP_SYS_TIME", "clock_settime clock_settime64 settimeofday stime"},
	{"CAP_SYS_TTY_CONFIG", "vhangup"},
	{"CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"},
	{"CAP_SYSLOG", "syslog"},
	{"CAP_BPF", "bpf"},
	{"CAP_PERFMON", "perf_event_open"},
};

static void add_names(struct seccomp_rule *rule, const char *names)
{
	while (*names) {
		size_t len = strcspn(names, " ");

		strv_add_taken(&rule->names, xstrndup(names, len));
		names += len;
		names += strspn(names, " ");
	}
}

static struct seccomp_rule *add_rule(struct seccomp_profile *p, const char *names,
				     enum seccomp_action action)
{
	struct seccomp_rule *rule = seccomp_profile_add_rule(p);

	rule->action = action;
	add_names(rule, names);
	return rule;
}

static void allow_if(struct seccomp_profile *p, const char *name, enum seccomp_compare compare,
		     uint64_t value, uint64_t value_two)
{
	seccomp_rule_add_condition(
		add_rule(p, name, SECCOMP_DO_ALLOW),
		(struct seccomp_condition){
			.index = 0, .compare = compare, .value = value, .value_two = value_two});
}

/* Linux, 32-bit Linux, both without address randomisation's helper bit UNAME26, and "just asking". */
static const uint64_t personalities[] = {0, 0x8, 0x20000, 0x20008, 0xffffffff};

void seccomp_profile_default(uint64_t capabilities, struct seccomp_profile *out)
{
	bool admin = capabilities & CAPABILITY_BIT(capability_number("CAP_SYS_ADMIN"));
	struct seccomp_rule *rule;

	memset(out, 0, sizeof(*out));
	out->default_action = SECCOMP_DO_ERRNO;
	out->default_errno = EPERM;
	out->archs = SECCOMP_ON_X86_64 | SECCOMP_ON_X86 | SECCOMP_ON_X32;
	rule = add_rule(out, "", SECCOMP_DO_ALLOW);
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		add_names(rule, always[i]);
	for (size_t i = 0; i < sizeof(with_capability) / sizeof(with_capability[0]); i++) {
		int number = capability_number(with_capability[i].capability);

		if (number >= 0 && (capabilities & CAPABILITY_BIT(number)))
			add_names(rule, with_capability[i].names);
	}
	allow_if(out, "socket", SECCOMP_CMP_NOT_EQUAL, AF_VSOCK_NUMBER, 0);
	for (size_t i = 0; i < sizeof(personalities) / sizeof(personalities[0]); i++)
		allow_if(out, "personality", SECCOMP_CMP_IS_EQUAL, personalities[i], 0);
	if (admin)
		return;
	/* Without new namespaces. clone3 hides its flags behind a pointer: ENOSYS makes every libc
	 * fall back to clone. */
	allow_if(out, "clone", SECCOMP_CMP_MASKED, CLONE_NAMESPACES, 0);
	add_rule(out, "clone3", SECCOMP_DO_ERRNO)->errno_value = ENOSYS;
}

static uint64_t digest_text(uint64_t hash, const char *text)
{
	/* FNV-1a; the terminating zero keeps neighbours apart. */
	do
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	while (*text++);
	return hash;
}

uint64_t seccomp_default_digest(void)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		hash = digest_text(hash, always[i]);
	for (size_t i = 0; i < sizeof(with_capability) / sizeof(with_capability[0]); i++) {
		hash = digest_text(hash, with_capability[i].capability);
		hash = digest_text(hash, with_capability[i].names);
	}
	for (size_t i = 0; i < sizeof(personalities) / sizeof(personalities[0]); i++)
		hash = (hash ^ personalities[i]) * UINT64_C(0x100000001b3);
	return hash;
}
