/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the command while the tracepoints record. The recorder sleeps most of the time and empties the
 * buffer at fixed intervals, so that it does not wake with each record; it keeps everything and thinks
 * afterwards. Attached first, then looked who is there, then forked: so nobody is missed.
 */
#include "observe/probe/namespaces.h"
#include "observe/trace/recorder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "observe/trace/programs.h"

#define DRAIN_MS 10
#define SETTLE_MS 200 /* what daemons still clean up after the command ended */
/* What a host does in an hour must not take its memory: 320 MiB of the ones, as much of the others. */
#define SCHEDULING_MAX (8U << 20)
#define RECORDS_MAX_BYTES (320U << 20)

/* "PID (name) S PARENT": the name may hold anything. */
static int read_stat(const char *path, char comm[static 16], pid_t *parent)
{
	char text[512];
	const char *open, *close;
	ssize_t n = file_read_small_at(AT_FDCWD, path, text, sizeof(text));

	if (n <= 0)
		return -ESRCH;
	open = strchr(text, '(');
	close = strrchr(text, ')');
	if (!open || !close || close < open || sscanf(close + 1, " %*c %d", parent) != 1)
		return -EINVAL;
	snprintf(comm, 16, "%.*s", (int)(close - open - 1), open + 1);
	return 0;
}

static void know_threads(struct recording *r, pid_t pid)
{
	struct known_thread base = {.tgid = pid};
	char path[64];
	auto_closedir DIR *dir = NULL;
	struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_stat(path, base.comm, &base.parent) < 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		base.tid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (base.tid <= 0)
			continue;
		r->known = xrealloc(r->known, (r->known_count + 1) * sizeof(*r->known));
		r->known[r->known_count++] = base;
	}
}

static void know_processes(struct recording *r)
{
	auto_closedir DIR *dir = opendir("/proc");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0)
			know_threads(r, pid);
	}
}

static void take(void *opaque, const void *record, size_t size)
{
	struct recording *r = opaque;
	size_t kept = size < RAW_TEXT_SIZE ? RAW_TEXT_SIZE : sizeof(struct raw_record);
	struct raw_record *copy;

	if (size == sizeof(struct raw_head)) {
		if (r->scheduling_count == SCHEDULING_MAX) {
			r->dropped++;
			return;
		}
		if (r->scheduling_count == r->scheduling_room) {
			r->scheduling_room = r->scheduling_room ? r->scheduling_room * 2 : 4096;
			r->scheduling = xrealloc(r->scheduling,
						 r->scheduling_room * sizeof(*r->scheduling));
		}
		memcpy(&r->scheduling[r->scheduling_count++], record, size);
		return;
	}
	if (r->bytes + kept > RECORDS_MAX_BYTES) {
		r->dropped++;
		return;
	}
	r->bytes += kept;
	if (r->count == r->room) {
		r->room = r->room ? r->room * 2 : 1024;
		r->records = xrealloc(r->records, r->room * sizeof(struct raw_record *));
	}
	copy = xcalloc(1, kept);
	memcpy(copy, record, size);
	r->records[r->count++] = copy;
}

static int by_time(const void *a, const void *b)
{
	const struct raw_record *x = *(struct raw_record *const *)a;
	const struct raw_record *y = *(struct raw_record *const *)b;

	return (x->head.ns > y->head.ns) - (x->head.ns < y->head.ns);
}

static int heads_by_time(const void *a, const void *b)
{
	const struct raw_head *x = a, *y = b;

	return (x->ns > y->ns) - (x->ns < y->ns);
}

_Noreturn static void run_command(const struct trace_options *o, const char *const *argv,
				  int report)
{
	static const int handed_on[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE};
	sigset_t none;
	int rc = 0;

	for (size_t i = 0; i < sizeof(handed_on) / sizeof(handed_on[0]); i++)
		signal(handed_on[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (o->output_fd >= 0 &&
	    (dup2(o->output_fd, STDOUT_FILENO) < 0 || dup2(o->output_fd, STDERR_FILENO) < 0))
		rc = -errno;
	if (rc == 0 && o->prepare_child)
		rc = o->prepare_child(o->opaque);
	if (rc == 0) {
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		rc = -errno;
	}
	rc = fd_write_all(report, &rc, sizeof(rc));
	_exit(127);
}

/* 0, or -errno when the program could not be executed; the child has been waited for then. */
static int start_command(const struct trace_options *o, const char *const *argv,
			 struct recording *r, struct err *err)
{
	auto_close int read_end = -1, write_end = -1;
	int ends[2], failure = 0;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "start %s", argv[0]);
	read_end = ends[0];
	write_end = ends[1];
	r->begin_ns = clock_now_ns();
	r->command = fork();
	if (r->command < 0)
		return err_sys(err, "start %s", argv[0]);
	if (r->command == 0)
		run_command(o, argv, write_end);
	close(take_fd(&write_end));
	if (fd_read_full(read_end, &failure, sizeof(failure)) != (ssize_t)sizeof(failure))
		return 0;
	waitpid(r->command, NULL, 0);
	return err_set(err, failure == -ENOENT ? ERR_NO_COMMAND : ERR_NO_EXEC, -failure,
		       "start %s: %s", argv[0], err_errno_text(-failure));
}

/* What asks this process to end is handed on to the command, but for what a terminal (or the kernel) sent it
 * already, being in the same process group; the caller gets to see it afterwards. */
static void hand_on(const struct recording *r, int signals, sigset_t *came)
{
	uint32_t info[32]; /* struct signalfd_siginfo: 128 bytes; number, errno, code */

	while (read(signals, info, sizeof(info)) == (ssize_t)sizeof(info)) {
		sigaddset(came, (int)info[0]);
		/* By a process: 0 or negative (sigaction(2), si_code). */
		if (info[0] == SIGTERM || info[0] == SIGHUP || (int32_t)info[2] <= 0)
			kill(r->command, (int)info[0]);
	}
}

/* Until the command ended, and a little longer. */
static void follow(const struct trace_options *o, struct recording *r, struct programs *p,
		   int signals, int pidfd, sigset_t *came)
{
	struct pollfd waits[2] = {{.fd = pidfd, .events = POLLIN},
				  {.fd = signals, .events = POLLIN}};
	uint64_t limit = o->timeout_ms > 0 ? (uint64_t)o->timeout_ms * 1000000 : UINT64_MAX;
	int status = 0;
	uint64_t until;

	while (!(waits[0].revents & POLLIN)) {
		poll(waits, 2, DRAIN_MS);
		bpf_ring_drain(&p->reader, take, r);
		hand_on(r, signals, came);
		if (clock_now_ns() - r->begin_ns > limit)
			kill(r->command, SIGKILL);
	}
	r->end_ns = clock_now_ns();
	waitpid(r->command, &status, 0);
	r->exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	until = r->end_ns + SETTLE_MS * UINT64_C(1000000);
	while (clock_now_ns() < until) {
		poll(NULL, 0, DRAIN_MS);
		bpf_ring_drain(&p->reader, take, r);
	}
}

static int signal_descriptor(sigset_t *old)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, old);
	return (int)syscall(SYS_signalfd4, -1, &set, (size_t)8, O_CLOEXEC | O_NONBLOCK);
}

/* What came meanwhile comes again, now that whoever waits for it can. */
static void restore_signals(const sigset_t *old, const sigset_t *came)
{
	sigprocmask(SIG_SETMASK, old, NULL);
	for (int i = 1; i < NSIG; i++) {
		if (sigismember(came, i) == 1)
			raise(i);
	}
}

static void sum_costs(struct recording *r, const struct programs *p, uint64_t cpu_before)
{
	r->cpu_ns = clock_cpu_ns() - cpu_before;
	r->lost = programs_lost(p);
	for (size_t i = 0; i < p->count; i++) {
		uint64_t ns, runs;

		*(p->scheduling[i] ? &r->missed : &r->lost) +=
			bpf_program_missed(p->program_fds[i]);
		if (bpf_program_cost(p->program_fds[i], &ns, &runs) == 0) {
			r->kernel_ns += ns;
			r->kernel_runs += runs;
		}
	}
}

static int record_attached(const struct trace_options *o, const char *const *argv,
			   struct programs *p, struct recording *r, struct err *err)
{
	uint64_t cpu_before = clock_cpu_ns();
	auto_close int signals = -1, pidfd = -1;
	sigset_t old, came;
	int rc;

	sigemptyset(&came);
	know_processes(r);
	signals = signal_descriptor(&old);
	rc = start_command(o, argv, r, err);
	if (rc == 0) {
		pidfd = (int)syscall(SYS_pidfd_open, r->command, 0);
		follow(o, r, p, signals, pidfd, &came);
	}
	restore_signals(&old, &came);
	sum_costs(r, p, cpu_before);
	return rc;
}

int recording_make(const struct trace_options *o, const char *const *argv, struct recording *out,
		   struct err *err)
{
	struct programs p;
	auto_close int costs = -1;
	int rc;

	*out = (struct recording){.command = -1};
	rc = namespaces_check_pids(err);
	if (rc < 0)
		return rc;
	rc = programs_attach((uint32_t)getpid(), !o->no_scheduling, &p, err);
	if (rc < 0)
		return rc;
	costs = bpf_count_cost();
	rc = record_attached(o, argv, &p, out, err);
	programs_detach(&p);
	bpf_ring_drain(&p.reader, take, out);
	programs_close(&p);
	if (rc < 0) {
		recording_free(out);
		return rc;
	}
	if (out->count > 0)
		qsort(out->records, out->count, sizeof(struct raw_record *), by_time);
	if (out->scheduling_count > 0)
		qsort(out->scheduling, out->scheduling_count, sizeof(*out->scheduling),
		      heads_by_time);
	return 0;
}

void recording_free(struct recording *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->records[i]);
	free(r->records);
	free(r->scheduling);
	free(r->known);
	*r = (struct recording){.command = -1};
}

int trace_record(const struct trace_options *o, const char *const *argv, struct trace **out,
		 struct err *err)
{
	auto_recording struct recording r = {.command = -1};
	int rc = recording_make(o, argv, &r, err);

	if (rc < 0)
		return rc;
	*out = trace_build(&r);
	for (size_t i = 0; argv[i]; i++)
		strv_add(&(*out)->command, argv[i]);
	return 0;
}
