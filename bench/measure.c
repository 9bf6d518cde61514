/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs and times. The clock is read before the child is made and after waitid() returned: what a
 * shell's user waits. Nothing else happens in between: commands are built beforehand, output goes to
 * /dev/null, and the child shares this process's memory until it executes (vfork), so that the
 * bench's own size costs nobody anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "bench.h"

struct bench {
	struct bench_subjects *subjects;
	const struct bench_mode *mode;
	const volatile int *interrupted;
	int null_fd;
	int *namespace_fds; /* one per subject, -1: none */
	uint64_t run_number;
	uint64_t random;
};

/* Replaces {n} and {pid} in every word. */
static void fill_in(const struct strv *words, uint64_t n, pid_t pid, struct strv *out)
{
	for (size_t i = 0; i < words->count; i++) {
		auto_strbuf struct strbuf b = {0};
		const char *at = words->items[i];

		while (*at) {
			if (str_starts(at, "{n}")) {
				strbuf_printf(&b, "%llu", (unsigned long long)n);
				at += strlen("{n}");
			} else if (str_starts(at, "{pid}")) {
				strbuf_printf(&b, "%d", pid);
				at += strlen("{pid}");
			} else {
				strbuf_putc(&b, *at++);
			}
		}
		strv_add(out, strbuf_str(&b));
	}
}

/* In the vfork child: only system calls. */
static void become(char *const argv[], int null_fd, int namespace_fd)
{
	if (namespace_fd >= 0 && setns(namespace_fd, CLONE_NEWNS) < 0)
		_exit(126);
	for (int fd = 0; fd < 3; fd++)
		dup2(null_fd, fd);
	execve(argv[0], argv, environ);
	_exit(127);
}

static pid_t start(char *const argv[], int null_fd, int namespace_fd)
{
	/* NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork): see the file's head */
	pid_t pid = vfork();

	if (pid == 0) /* NOLINTNEXTLINE(clang-analyzer-unix.Vfork): it only makes system calls */
		become(argv, null_fd, namespace_fd);
	return pid;
}

/* Exit code or 128 + signal. */
static int wait_for(pid_t pid)
{
	siginfo_t info = {0};

	while (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0) {
		if (errno != EINTR)
			return 255;
	}
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

static int run_after(const struct bench *b, const struct bench_subject *s, pid_t pid,
		     int namespace_fd)
{
	auto_strv struct strv words = {0};
	pid_t after;

	if (!s->after.count)
		return 0;
	fill_in(&s->after, b->run_number, pid, &words);
	after = start(words.items, b->null_fd, namespace_fd);
	return after < 0 ? 255 : wait_for(after);
}

static int run_once(struct bench *b, size_t index, bool keep, struct err *err)
{
	struct bench_subject *s = &b->subjects->items[index];
	auto_strv struct strv words = {0};
	uint64_t start_ns, end_ns;
	int status;
	pid_t pid;

	b->run_number++;
	fill_in(&s->command, b->run_number, 0, &words);
	start_ns = clock_now_ns();
	pid = start(words.items, b->null_fd, b->namespace_fds[index]);
	if (pid < 0)
		return err_sys(err, "%s: start %s", s->name, words.items[0]);
	status = wait_for(pid);
	end_ns = clock_now_ns();
	if (run_after(b, s, pid, b->namespace_fds[index]) && !status)
		status = 255;
	if (!keep)
		return 0;
	if (status) {
		s->failed++;
		s->last_status = status;
	} else {
		s->samples_ms[s->sample_count++] = (double)(end_ns - start_ns) / 1e6;
	}
	return 0;
}

static void pause_for(uint64_t ms)
{
	struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};

	if (ms)
		nanosleep(&t, NULL);
}

/* Another order in each round, so that no subject always runs in the wake of the same other. */
static void shuffle(size_t *order, size_t n, uint64_t *random)
{
	for (size_t i = n; i-- > 1;) {
		size_t j, kept = order[i];

		*random = *random * 6364136223846793005ULL + 1442695040888963407ULL;
		j = (size_t)((*random >> 33) % (i + 1));
		order[i] = order[j];
		order[j] = kept;
	}
}

static int run_rounds(struct bench *b, struct err *err)
{
	size_t n = b->subjects->count;
	auto_free size_t *order = xcalloc(n, sizeof(*order));

	for (size_t i = 0; i < n; i++)
		order[i] = i;
	for (uint64_t round = 0; round < b->mode->warm_ups + b->mode->runs; round++) {
		shuffle(order, n, &b->random);
		for (size_t i = 0; i < n; i++) {
			int rc;

			pause_for(b->mode->pause_ms);
			if (*b->interrupted)
				return err_set(err, ERR_SYSTEM, EINTR, "interrupted");
			rc = run_once(b, order[i], round >= b->mode->warm_ups, err);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static int open_namespaces(struct bench *b, struct err *err)
{
	for (size_t i = 0; i < b->subjects->count; i++) {
		struct bench_subject *s = &b->subjects->items[i];

		s->sample_count = s->failed = 0;
		s->samples_ms = xrealloc(s->samples_ms, (b->mode->runs + 1) * sizeof(double));
		if (!s->namespace_of)
			continue;
		b->namespace_fds[i] = open(s->namespace_of, O_RDONLY | O_CLOEXEC);
		if (b->namespace_fds[i] < 0)
			return err_sys(err, "%s: open %s", s->name, s->namespace_of);
	}
	return 0;
}

int bench_measure(struct bench_subjects *s, const struct bench_mode *mode,
		  const volatile int *interrupted, struct err *err)
{
	auto_close int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	auto_free int *fds = xcalloc(s->count, sizeof(*fds));
	struct bench b = {.subjects = s,
			  .mode = mode,
			  .interrupted = interrupted,
			  .null_fd = null_fd,
			  .namespace_fds = fds,
			  .run_number = mode->pause_ms ? 0 : 1000000,
			  .random = 1};
	int rc;

	if (null_fd < 0)
		return err_sys(err, "open /dev/null");
	for (size_t i = 0; i < s->count; i++)
		fds[i] = -1;
	rc = open_namespaces(&b, err);
	if (rc == 0)
		rc = run_rounds(&b, err);
	for (size_t i = 0; i < s->count; i++) {
		struct bench_subject *one = &s->items[i];

		if (fds[i] >= 0)
			close(fds[i]);
		if (rc == 0 && one->sample_count)
			statistics_summarize(one->samples_ms, one->sample_count, &one->summary);
	}
	return rc;
}
