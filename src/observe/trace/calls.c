/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row per call. A row tells the kernel's half what to copy (programs.c) and the reader how to say it
 * (describe.c). Calls that only wait are recorded when they took long; everything else always.
 */
#include "observe/trace/calls.h"

#include <linux/mount.h>
#include <linux/sched.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>

#include "observe/trace/describe.h"

#define ROW(call, family, words, ...)                                   \
	{                                                               \
		SYS_##call, #call, TRACE_##family, {__VA_ARGS__}, words \
	}
#define PLAIN .how = RAW_PLAIN_CALL
#define WAIT(call) ROW(call, WAITS, NULL, .how = RAW_WAIT)
#define DISK(call) ROW(call, DISK, NULL, .how = RAW_WAIT)
#define PATHS(...) .text = {__VA_ARGS__}

static const struct call_row rows[] = {
#ifdef SYS_fork
	ROW(fork, PROCESSES, NULL, PLAIN),
	ROW(vfork, PROCESSES, NULL, PLAIN),
#endif
	ROW(clone, PROCESSES, describe_clone, PLAIN),
	ROW(clone3, PROCESSES, describe_clone3, PLAIN, .structure = 1),
	ROW(unshare, NAMESPACES, describe_unshare, PLAIN),
	ROW(setns, NAMESPACES, describe_setns, PLAIN),
	ROW(sethostname, NAMESPACES, describe_text, PLAIN, PATHS(1)),
	ROW(setdomainname, NAMESPACES, describe_text, PLAIN, PATHS(1)),
	ROW(mount, MOUNTS, describe_mount, PLAIN, PATHS(1, 2, 3)),
	ROW(umount2, MOUNTS, describe_umount, PLAIN, PATHS(1)),
	ROW(pivot_root, MOUNTS, describe_two, PLAIN, PATHS(1, 2)),
	ROW(chroot, MOUNTS, describe_text, PLAIN, PATHS(1)),
	ROW(move_mount, MOUNTS, describe_move_mount, PLAIN, PATHS(2, 4)),
	ROW(open_tree, MOUNTS, describe_open_tree, PLAIN, PATHS(2)),
	ROW(fsopen, MOUNTS, describe_text, PLAIN, PATHS(1)),
	ROW(fsconfig, MOUNTS, describe_fsconfig, PLAIN, PATHS(3, 4)),
	ROW(fsmount, MOUNTS, describe_fsmount, PLAIN),
	ROW(fspick, MOUNTS, describe_fspick, PLAIN, PATHS(2)),
	ROW(mount_setattr, MOUNTS, describe_mount_setattr, PLAIN, PATHS(0, 2), .structure = 4),
	ROW(execve, PROCESSES, describe_exec, .how = RAW_EXECUTE, PATHS(1, 2)),
	ROW(execveat, PROCESSES, describe_exec, .how = RAW_EXECUTE, PATHS(2, 3)),
	ROW(exit_group, PROCESSES, describe_exit, .how = RAW_NO_RETURN),
	ROW(seccomp, SECURITY, describe_seccomp, PLAIN),
	ROW(prctl, SECURITY, describe_prctl, PLAIN),
	ROW(capset, SECURITY, NULL, PLAIN),
	ROW(setuid, SECURITY, describe_number, PLAIN),
	ROW(setgid, SECURITY, describe_number, PLAIN),
	ROW(setresuid, SECURITY, describe_number, PLAIN),
	ROW(setresgid, SECURITY, describe_number, PLAIN),
	ROW(setgroups, SECURITY, describe_groups, PLAIN),
	ROW(bpf, SECURITY, describe_bpf, PLAIN),
#ifdef SYS_open
	ROW(open, CGROUPS, describe_text, .how = RAW_OPEN, PATHS(1), .flags = 2),
#endif
	ROW(openat, CGROUPS, describe_text, .how = RAW_OPEN, PATHS(2), .flags = 3),
	ROW(openat2, CGROUPS, describe_second, .how = RAW_OPEN, PATHS(0, 2), .structure = 3),
	ROW(write, CGROUPS, describe_write, .how = RAW_WRITE),
	ROW(pwrite64, CGROUPS, describe_write, .how = RAW_WRITE),
	ROW(close, CGROUPS, NULL, .how = RAW_CLOSE),
	WAIT(wait4),
	WAIT(waitid),
	WAIT(futex),
#ifdef SYS_epoll_wait
	WAIT(epoll_wait),
	WAIT(poll),
	WAIT(select),
#endif
	WAIT(epoll_pwait),
#ifdef SYS_epoll_pwait2
	WAIT(epoll_pwait2),
#endif
	WAIT(ppoll),
	WAIT(pselect6),
	WAIT(nanosleep),
	WAIT(clock_nanosleep),
	WAIT(rt_sigtimedwait),
	WAIT(rt_sigsuspend),
	WAIT(read),
	WAIT(recvmsg),
	WAIT(recvfrom),
	WAIT(accept4),
	WAIT(accept),
	WAIT(connect),
	WAIT(flock),
	WAIT(fcntl),
	WAIT(sendto),
	WAIT(sendmsg),
	WAIT(sendmmsg),
	WAIT(writev),
	WAIT(ioctl),
	DISK(fsync),
	DISK(fdatasync),
	DISK(syncfs),
	DISK(sync),
	DISK(sync_file_range),
	DISK(renameat2),
	DISK(unlinkat),
};

const struct call_row *call_find(int nr)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].nr == nr)
			return &rows[i];
	}
	return NULL;
}

void call_specs(struct raw_spec specs[static RAW_CALLS_MAX])
{
	memset(specs, 0, RAW_CALLS_MAX * sizeof(specs[0]));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		specs[rows[i].nr] = rows[i].spec;
}

uint64_t call_namespaces(const struct raw_record *r)
{
	uint64_t flags = 0;

	/* clone's low byte is the signal at the end; CLONE_NEWTIME would be in it. */
	if (r->head.nr == SYS_clone)
		flags = r->args[0] & ~(uint64_t)0xff;
	else if (r->head.nr == SYS_clone3)
		memcpy(&flags, r->text[0], sizeof(flags));
	else if (r->head.nr == SYS_unshare)
		flags = r->args[0];
	else if (r->head.nr == SYS_setns)
		flags = r->args[1];
	return flags & NAMESPACE_FLAGS;
}
