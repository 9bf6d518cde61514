/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work whose system calls are known exactly: every call here is made by number, so that no library adds
 * or saves one, and is one that nothing else in the helper makes. Done by threads of children, because
 * those are what a counter of one process loses.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "observe/helper/helper.h"
#include "observe/helper/verbs.h"

#define THREADS_MAX 64
#define CHILDREN_MAX 64
#define ARGUMENTS_MAX 16
#define PARTS 101
#define NAP_NS 1000000
/* keyctl(2): which key is the session's. Changes nothing, and is what engines' filters refuse. */
#define GET_KEYRING_ID 0
#define SESSION_KEYRING (-3)

struct work {
	uint64_t times;    /* getppid, and as often fchdir of no directory, which fails */
	uint64_t naps;     /* of NAP_NS */
	uint64_t refusals; /* keyctl */
};

static void *do_work(void *arg)
{
	const struct work *w = arg;

	for (uint64_t i = 0; i < w->times; i++) {
		syscall(SYS_getppid);
		syscall(SYS_fchdir, -1);
	}
	for (uint64_t i = 0; i < w->naps; i++) {
		struct timespec nap = {.tv_nsec = NAP_NS};

		syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &nap, NULL);
	}
	for (uint64_t i = 0; i < w->refusals; i++)
		syscall(SYS_keyctl, GET_KEYRING_ID, SESSION_KEYRING, 0);
	return NULL;
}

/* In a child: all threads to their end. */
static int do_threads(struct work *w, uint64_t threads)
{
	pthread_t ids[THREADS_MAX];
	uint64_t made = 0;

	while (made < threads && pthread_create(&ids[made], NULL, do_work, w) == 0)
		made++;
	for (uint64_t i = 0; i < made; i++)
		pthread_join(ids[i], NULL);
	return made == threads ? 0 : 1;
}

static int wait_all(const pid_t *pids, uint64_t n)
{
	int failed = 0;

	for (uint64_t i = 0; i < n; i++) {
		int status = 0;

		while (waitpid(pids[i], &status, 0) < 0 && errno == EINTR)
			;
		failed += status != 0;
	}
	return failed;
}

/* children=C threads=T times=N naps=S refusals=R: C children of T threads each, each of which makes
 * these calls. Answers how many of each were made in all. */
static int calls(const struct helper_request *r)
{
	struct work w = {.times = helper_u64_or(r, "times", 1000),
			 .naps = helper_u64_or(r, "naps", 0),
			 .refusals = helper_u64_or(r, "refusals", 0)};
	uint64_t children = helper_u64_or(r, "children", 1),
		 threads = helper_u64_or(r, "threads", 1);
	uint64_t made = 0, begun = helper_now_ns(), workers;
	pid_t pids[CHILDREN_MAX];

	if (children > CHILDREN_MAX || threads > THREADS_MAX)
		return -EINVAL;
	for (; made < children; made++) {
		pids[made] = fork();
		if (pids[made] < 0)
			break;
		if (pids[made] == 0)
			_exit(do_threads(&w, threads));
	}
	if (wait_all(pids, made) || made < children)
		return -EAGAIN;
	workers = children * threads;
	helper_answer("getppid=%" PRIu64 " fchdir=%" PRIu64 " clock_nanosleep=%" PRIu64
		      " keyctl=%" PRIu64 " born=%" PRIu64 " took_ns=%" PRIu64,
		      workers * w.times, workers * w.times, workers * w.naps, workers * w.refusals,
		      children + workers, helper_now_ns() - begun);
	return 0;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* times=N: what one of the cheapest calls takes, ns, the loop's few instructions included. The median
 * of parts that are shorter than a turn of the scheduler, so that neighbours do not count. */
static int call_time(const struct helper_request *r)
{
	uint64_t times = helper_u64_or(r, "times", 100000) / PARTS;
	double parts[PARTS];

	if (!times)
		return -EINVAL;
	for (int part = 0; part < PARTS; part++) {
		uint64_t start = helper_now_ns();

		for (uint64_t i = 0; i < times; i++)
			syscall(SYS_getppid);
		parts[part] = (double)(helper_now_ns() - start) / (double)times;
	}
	qsort(parts, PARTS, sizeof(*parts), by_size);
	helper_answer("per_call_ns=%.3f", parts[PARTS / 2]);
	return 0;
}

static void become(char *const argv[])
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd < 3; fd++) {
		if (null >= 0)
			dup2(null, fd);
		else
			close(fd);
	}
	execv(argv[0], argv);
	_exit(errno == ENOENT ? 127 : 126);
}

/* arg0=PATH arg1=...: runs a program of the image, without input and output. Answers its exit code, 128 +
 * n for signal n. */
static int execute(const struct helper_request *r)
{
	char *argv[ARGUMENTS_MAX + 1] = {NULL};
	int status = 0;
	pid_t pid;

	for (int i = 0; i < ARGUMENTS_MAX; i++) {
		char key[8];

		snprintf(key, sizeof(key), "arg%d", i);
		argv[i] = (char *)helper_text(r, key);
		if (!argv[i])
			break;
	}
	if (!argv[0])
		return -EINVAL;
	pid = fork();
	if (pid == 0)
		become(argv);
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	helper_answer("exit_code=%d",
		      WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	return 0;
}

const struct helper_verb helper_verb_calls = {"calls", calls};
const struct helper_verb helper_verb_call_time = {"call_time", call_time};
const struct helper_verb helper_verb_execute = {"execute", execute};
