/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which system calls are refused here, and by what.
 *
 * By a filter (seccomp): a child puts a filter of its own behind those that it inherited, one that sends
 * every call to this process instead of to the kernel, and then makes every call there is. The kernel
 * takes the strictest answer of all filters, and refusing is stricter than asking (seccomp(2)): a call
 * that arrives here was let through by all others, and one that does not was refused by them. No call is
 * ever carried out, so reboot(2) can be asked for like any other.
 *
 * By the kernel (capabilities, security modules): some calls that need privilege are really made, each in
 * a child of its own and with arguments that a privileged caller would be refused for another reason, or
 * that change nothing but that child.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "observe/helper/helper.h"
#include "observe/helper/verbs.h"

/* Beyond every system call there is, below x32's. */
#define NUMBERS_MAX 600
/* What a call that was let through comes back with: no errno of the kernel's. */
#define LET_THROUGH 4000
#define X32_BIT 0x40000000
#define WAIT_MS 5000

/* A call with arguments that filters are known to look at. */
struct variant {
	const char *name;
	long number;
	unsigned long first, second;
};
static const struct variant variants[] = {
	{"clone-newuser", SYS_clone, CLONE_NEWUSER, 0},
	{"clone-newns", SYS_clone, CLONE_NEWNS, 0},
	{"personality-no-randomize", SYS_personality, 0x0040000, 0},
	{"socket-vsock", SYS_socket, AF_VSOCK, SOCK_STREAM},
	{"socket-alg", SYS_socket, AF_ALG, SOCK_SEQPACKET},
	{"ioctl-tiocsti", SYS_ioctl, 0, 0x5412},
#ifdef __x86_64__
	{"x32", X32_BIT | SYS_getpid, 0, 0},
#endif
};
#define VARIANTS ((int)(sizeof(variants) / sizeof(variants[0])))
#define TRIES (NUMBERS_MAX + VARIANTS)

/* Between the child and this process; one page or two, shared. */
struct board {
	volatile int listener; /* -1 not yet; -errno - 1 failed */
	volatile int at;       /* the try in progress */
	volatile int done;
	volatile short outcome[TRIES]; /* errno, LET_THROUGH, or 0 */
};

static int load_filter(unsigned action, bool listen)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		/* or the child could not end */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, action),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
	long rc;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (listen)
		rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			     &program);
	else
		rc = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
	return rc < 0 ? -errno : (int)rc;
}

/* Calls that say nothing: the child's own end, and those by which uprobes come back, which the kernel
 * takes before any filter and kills for (x86-64: uretprobe, uprobe). */
static bool is_left_out(int i)
{
#ifdef __x86_64__
	if (i == 335 || i == 336)
		return true;
#endif
	return i == SYS_exit_group;
}

static void try_one(struct board *b, int i)
{
	long rc;

	b->at = i;
	errno = 0;
	if (i < NUMBERS_MAX)
		rc = syscall(i, 0L, 0L, 0L, 0L, 0L, 0L);
	else
		rc = syscall(variants[i - NUMBERS_MAX].number, variants[i - NUMBERS_MAX].first,
			     variants[i - NUMBERS_MAX].second, 0L, 0L, 0L, 0L);
	b->outcome[i] = rc < 0 ? (short)errno : 0;
}

/* In the child. The filter comes last: from there on only memory is touched. */
static void make_calls(struct board *b, int from, bool listen)
{
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = load_filter(listen ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_TRACE, listen);
	b->listener = fd < 0 ? fd - 1 : fd;
	if (fd >= 0) {
		for (int i = from; i < TRIES; i++)
			if (!is_left_out(i))
				try_one(b, i);
		b->done = 1;
	}
	syscall(SYS_exit_group, 0);
}

static void answer_one(int listener)
{
	union {
		struct seccomp_notif in;
		unsigned char room[512]; /* newer kernels may have more to say */
	} n;
	union {
		struct seccomp_notif_resp out;
		unsigned char room[512];
	} a;

	memset(&n, 0, sizeof(n));
	memset(&a, 0, sizeof(a));
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
		return;
	a.out.id = n.in.id;
	a.out.error = -LET_THROUGH;
	/* Fails when the child has just been killed, which poll tells next. */
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &a) < 0)
		return;
}

/* Answers until the child ends. */
static void supervise(struct board *b)
{
	struct pollfd p = {.fd = b->listener, .events = POLLIN};

	while (poll(&p, 1, WAIT_MS) > 0 && !(p.revents & (POLLHUP | POLLERR)))
		answer_one(p.fd);
	close(p.fd);
}

static void wait_for_listener(const struct board *b, pid_t child)
{
	static const struct timespec pause = {.tv_nsec = 50000};

	/* The fork shares descriptors, so its number is the message. A child that was killed says
	 * nothing; it stays a zombie until it is waited for. */
	while (b->listener == -1) {
		siginfo_t info = {.si_pid = 0};

		if (waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
		    info.si_pid)
			return;
		nanosleep(&pause, NULL);
	}
}

/* One child from try `from` on. Its wait status, or -errno. */
static int run_child(struct board *b, int from, bool listen)
{
	long pid;
	int status = 0;

	b->listener = -1;
	b->done = 0;
	b->at = from;
	/* Descriptors are shared, so that the listener is ours, too. */
	pid = syscall(SYS_clone, (listen ? CLONE_FILES : 0) | SIGCHLD, 0, 0, 0, 0);
	if (pid < 0)
		return -errno;
	if (pid == 0)
		make_calls(b, from, listen);
	if (listen) {
		wait_for_listener(b, (pid_t)pid);
		if (b->listener >= 0)
			supervise(b);
	}
	kill((pid_t)pid, b->done || b->listener < -1 ? 0 : SIGKILL);
	while (waitpid((pid_t)pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* Whether the child could not be watched at all. */
static bool refused(const struct board *b)
{
	return b->listener < -1;
}

static int try_filter(struct board *b, bool listen)
{
	for (int from = 0; from < TRIES;) {
		int status = run_child(b, from, listen);

		if (status < 0)
			return status;
		if (refused(b))
			return b->listener + 1;
		if (b->done)
			return 0;
		/* Killed for this one; the next child goes on behind it. */
		b->outcome[b->at] = -1;
		from = b->at + 1;
	}
	return 0;
}

static void tell_filter(const struct board *b, bool listen)
{
	/* Without a listener a call let through fails with ENOSYS, as nobody traces it. */
	int through = listen ? LET_THROUGH : ENOSYS;

	for (int i = 0; i < TRIES; i++) {
		int outcome = b->outcome[i];

		if (outcome == through || is_left_out(i))
			continue;
		if (i < NUMBERS_MAX)
			helper_answer("filter number=%d error=%d", i, outcome);
		else
			helper_answer("filter variant=%s error=%d", variants[i - NUMBERS_MAX].name,
				      outcome);
	}
	helper_answer("filter tried=%d method=%s", NUMBERS_MAX, listen ? "notify" : "trace");
}

/* ---- calls that are made ---- */

static void *const nowhere = (void *)1;

static long try_mount(void)
{
	return syscall(SYS_mount, NULL, "/", NULL, 0, NULL); /* no type: EINVAL */
}
static long try_pivot_root(void)
{
	return syscall(SYS_pivot_root, nowhere, nowhere);
}
static long try_unshare_mount(void)
{
	return unshare(CLONE_NEWNS);
}
static long try_unshare_user(void)
{
	return unshare(CLONE_NEWUSER);
}
static long try_sethostname(void)
{
	return syscall(SYS_sethostname, nowhere, 1);
}
static long try_settimeofday(void)
{
	return syscall(SYS_settimeofday, NULL, NULL); /* sets nothing */
}
static long try_init_module(void)
{
	return syscall(SYS_init_module, nowhere, 0, nowhere);
}
static long try_kexec_load(void)
{
	return syscall(SYS_kexec_load, 0, 99999, nowhere, 0x8000); /* flags nobody knows */
}
static long try_reboot(void)
{
	return syscall(SYS_reboot, 0, 0, 0, 0); /* without the magic numbers: EINVAL */
}
static long try_swapon(void)
{
	return syscall(SYS_swapon, nowhere, 0);
}
static long try_acct(void)
{
	return syscall(SYS_acct, nowhere);
}
static long try_syslog(void)
{
	return syscall(SYS_syslog, 9, NULL, 0); /* how much is unread */
}
static long try_bpf(void)
{
	unsigned attributes[32] = {0};

	return syscall(SYS_bpf, 11, attributes, sizeof(attributes)); /* the first program's id */
}
static long try_handle(void)
{
	struct {
		unsigned bytes;
		int type;
		unsigned char handle[8];
	} h = {.bytes = 8, .type = 0x7ffffff0};

	return syscall(SYS_open_by_handle_at, AT_FDCWD, &h, O_RDONLY);
}
static long try_raw_socket(void)
{
	return socket(AF_INET, SOCK_RAW, 1);
}
static long try_packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0);
}
static long try_chroot(void)
{
	return chroot("/");
}
static long try_nice(void)
{
	return syscall(SYS_setpriority, 0, 0, -1);
}
static long try_userfaultfd(void)
{
	return syscall(SYS_userfaultfd, 0);
}
#ifdef SYS_iopl
static long try_iopl(void)
{
	return syscall(SYS_iopl, 3);
}
#endif

struct attempt {
	const char *name,
		*needs; /* the capability that it takes; "-": none, but a switch may be off */
	long (*make)(void);
};
static const struct attempt attempts[] = {
	{"mount", "sys_admin", try_mount},
	{"pivot_root", "sys_admin", try_pivot_root},
	{"unshare-mount", "sys_admin", try_unshare_mount},
	{"unshare-user", "-", try_unshare_user},
	{"sethostname", "sys_admin", try_sethostname},
	{"settimeofday", "sys_time", try_settimeofday},
	{"init_module", "sys_module", try_init_module},
	{"kexec_load", "sys_boot", try_kexec_load},
	{"reboot", "sys_boot", try_reboot},
	{"swapon", "sys_admin", try_swapon},
	{"acct", "sys_pacct", try_acct},
	{"syslog", "syslog", try_syslog},
	{"bpf", "sys_admin", try_bpf},
	{"open_by_handle_at", "dac_read_search", try_handle},
	{"socket-raw", "net_raw", try_raw_socket},
	{"socket-packet", "net_raw", try_packet_socket},
	{"chroot", "sys_chroot", try_chroot},
	{"setpriority-higher", "sys_nice", try_nice},
	{"userfaultfd", "-", try_userfaultfd},
#ifdef SYS_iopl
	{"iopl", "sys_rawio", try_iopl},
#endif
};

/* error: 0 or errno, -1 killed. */
static void make_attempt(const struct attempt *a, struct board *b)
{
	int status = 0;
	pid_t pid;

	b->outcome[0] = -1;
	pid = fork();
	if (pid == 0) {
		b->outcome[0] = a->make() < 0 ? (short)errno : 0;
		_exit(0);
	}
	if (pid < 0)
		return;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	helper_answer("made name=%s needs=%s error=%d", a->name, a->needs, b->outcome[0]);
}

static int denied(const struct helper_request *r)
{
	struct board *b =
		mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool listen = true;
	int rc;

	(void)r;
	if (b == MAP_FAILED)
		return -errno;
	rc = try_filter(b, listen);
	/* Somebody else listens already, or this kernel has no listeners. */
	if (rc == -EBUSY || rc == -EINVAL || rc == -ENOSYS || rc == -EPERM) {
		listen = false;
		rc = try_filter(b, listen);
	}
	if (rc == 0)
		tell_filter(b, listen);
	else
		helper_answer("filter unknown=1 error=%d", -rc);
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
		make_attempt(&attempts[i], b);
	munmap(b, sizeof(*b));
	return 0;
}

const struct helper_verb helper_verb_denied = {"denied", denied};
