/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold afterwards: a bug in a parser reaches the directory it works in (the image store, a
 * container's root, the target of a copy) and nothing else of the host's files, cannot start a program, talk to anybody, trace or mount, and cannot get any of it back.
 *
 * CAP_SYS_ADMIN has to stay, since the kernel wants it for trusted.* attributes; what else it would
 * allow is what the list of system calls leaves out. chroot is no prison for who holds CAP_SYS_CHROOT
 * or a directory outside; this process has neither.
 */
#include "image/confine.h"

#include <errno.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "kernel/capability.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

/* Owners, modes and times of strangers' files; devices; capabilities and trusted.* of files. */
#define KEPT                                                                                    \
	(CAPABILITY_BIT(CAP_CHOWN) | CAPABILITY_BIT(CAP_DAC_OVERRIDE) |                         \
	 CAPABILITY_BIT(CAP_DAC_READ_SEARCH) | CAPABILITY_BIT(CAP_FOWNER) |                     \
	 CAPABILITY_BIT(CAP_FSETID) | CAPABILITY_BIT(CAP_MKNOD) | CAPABILITY_BIT(CAP_SETFCAP) | \
	 CAPABILITY_BIT(CAP_SYS_ADMIN))

static int drop_capabilities(struct err *err)
{
	uint64_t effective, permitted, inheritable;
	int rc = capability_get(&effective, &permitted, &inheritable);

	if (rc == 0)
		rc = capability_set_ambient(0);
	if (rc == 0)
		rc = capability_set(permitted & KEPT, permitted & KEPT, 0);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "give up capabilities: %s",
			       err_errno_text(-rc));
	return 0;
}

#ifndef SANITIZED

static const int allowed[] = {
	/* files that are open */
	SCMP_SYS(read),
	SCMP_SYS(pread64),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(pwrite64),
	SCMP_SYS(lseek),
	SCMP_SYS(_llseek),
	SCMP_SYS(close),
	SCMP_SYS(fcntl),
	SCMP_SYS(fcntl64),
	SCMP_SYS(dup),
	SCMP_SYS(flock),
	SCMP_SYS(ftruncate),
	SCMP_SYS(ftruncate64),
	SCMP_SYS(fallocate),
	SCMP_SYS(copy_file_range),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(syncfs),
	SCMP_SYS(fstat),
	SCMP_SYS(fstat64),
	SCMP_SYS(fstatfs),
	SCMP_SYS(fstatfs64),
	SCMP_SYS(statx),
	SCMP_SYS(getdents64),
	SCMP_SYS(fchdir),
	/* names below a directory */
	SCMP_SYS(openat),
	SCMP_SYS(openat2),
	SCMP_SYS(newfstatat),
	SCMP_SYS(fstatat64),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(mkdirat),
	SCMP_SYS(mknodat),
	SCMP_SYS(linkat),
	SCMP_SYS(symlinkat),
	SCMP_SYS(readlinkat),
	SCMP_SYS(unlinkat),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(utimensat),
	SCMP_SYS(utimensat_time64),
	/* attributes */
	SCMP_SYS(fchown),
	SCMP_SYS(fchown32),
	SCMP_SYS(fchownat),
	SCMP_SYS(fchmod),
	SCMP_SYS(fchmodat),
	SCMP_SYS(fsetxattr),
	SCMP_SYS(lsetxattr),
	SCMP_SYS(fgetxattr),
	SCMP_SYS(flistxattr),
	/* the process itself */
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(futex_time64),
	SCMP_SYS(getrandom),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(uname),
	SCMP_SYS(sysinfo),
	SCMP_SYS(sched_yield),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_gettime64),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(tgkill),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* Only for memory that holds no program: a library of the root that it is confined to can never be
 * loaded, whatever makes the C library look for one (CVE-2019-14271). */
static const int allowed_without_exec[] = {SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(mprotect)};

static int limit_calls(struct err *err)
{
	const struct scmp_arg_cmp no_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int rc = filter ? 0 : -ENOMEM;

	for (size_t i = 0; rc == 0 && i < 3; i++) {
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_without_exec[i], 1, no_exec);
		if (rc == -EDOM)
			rc = 0;
	}

	for (size_t i = 0; rc == 0 && i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
		/* a call that this architecture has not */
		if (rc == -EDOM)
			rc = 0;
	}
	if (rc == 0)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "limit system calls: %s", err_errno_text(-rc));
	return 0;
}

static int enter_root(int root, struct err *err)
{
	if (fchdir(root) < 0 || chroot(".") < 0)
		return err_sys(err, "leave the host's file system (this needs root)");
	return 0;
}

#endif

int confine(int root, struct err *err)
{
	int rc = 0;

#ifdef SANITIZED
	(void)root;
#else
	rc = enter_root(root, err);
#endif
	if (rc == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		rc = err_sys(err, "set no_new_privs");
	if (rc == 0)
		rc = drop_capabilities(err);
#ifndef SANITIZED
	if (rc == 0)
		rc = limit_calls(err);
#endif
	return rc;
}
