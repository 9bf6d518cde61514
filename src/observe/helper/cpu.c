/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A load that watches itself: it does nothing but read the clock, so whenever two readings lie far
 * apart, it was not running. Workers are processes; each asks the kernel for its own use (rusage) at the
 * first and at the last reading.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "observe/helper/helper.h"
#include "observe/helper/verbs.h"

#define WORKERS_MAX 64
/* Gaps from here on are stalls: interrupts take microseconds, losing the processor takes longer. */
#define STALL_NS 500000ULL
#define NS_PER_MS 1000000ULL

struct worker {
	uint64_t begin_ns, end_ns;
	uint64_t user_ns, system_ns;
	uint64_t longest_stall_ns, stalled_ns, stalls, readings;
	uint64_t processors; /* bit n: it ran on processor n */
};

static uint64_t ns_of(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000000ULL + (uint64_t)t->tv_usec * 1000ULL;
}

static void wait_until(uint64_t ns)
{
	struct timespec t = {.tv_sec = (time_t)(ns / 1000000000ULL),
			     .tv_nsec = (long)(ns % 1000000000ULL)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		continue;
}

/* When the load is to run, and between which marks it counts. */
struct window {
	uint64_t start_ns, from_ns, to_ns, until_ns;
};

static void note_gap(struct worker *w, uint64_t gap)
{
	if (gap < STALL_NS)
		return;
	w->stalls++;
	w->stalled_ns += gap;
	if (gap > w->longest_stall_ns)
		w->longest_stall_ns = gap;
}

/* A mark that passes while it does not run is taken at its next reading; it used nothing in between, so
 * what it had used at the mark is what it has used then. */
static void work(struct worker *w, const struct window *t)
{
	struct rusage before = {0}, after = {0};
	uint64_t last, now = helper_now_ns();
	bool begun = false, ended = false;

	last = now;
	while (now < t->until_ns || !ended) {
		now = helper_now_ns();
		if (!begun && now >= t->from_ns) {
			getrusage(RUSAGE_SELF, &before);
			w->begin_ns = last = now;
			begun = true;
		}
		if (begun && !ended) {
			note_gap(w, now - last);
			if (w->readings++ % 64 == 0) {
				unsigned cpu = 0;

				if (syscall(SYS_getcpu, &cpu, NULL, NULL) == 0)
					w->processors |= 1ULL << (cpu & 63);
			}
		}
		if (!ended && now >= t->to_ns) {
			getrusage(RUSAGE_SELF, &after);
			w->end_ns = now;
			ended = true;
		}
		last = now;
	}
	w->user_ns = ns_of(&after.ru_utime) - ns_of(&before.ru_utime);
	w->system_ns = ns_of(&after.ru_stime) - ns_of(&before.ru_stime);
}

static void answer_workers(const struct worker *w, uint64_t count, uint64_t wall_ns)
{
	struct worker all = {.begin_ns = UINT64_MAX};

	for (uint64_t i = 0; i < count; i++) {
		all.begin_ns = w[i].begin_ns < all.begin_ns ? w[i].begin_ns : all.begin_ns;
		all.end_ns = w[i].end_ns > all.end_ns ? w[i].end_ns : all.end_ns;
		all.user_ns += w[i].user_ns;
		all.system_ns += w[i].system_ns;
		all.stalls += w[i].stalls;
		all.stalled_ns += w[i].stalled_ns;
		all.readings += w[i].readings;
		all.processors |= w[i].processors;
		if (w[i].longest_stall_ns > all.longest_stall_ns)
			all.longest_stall_ns = w[i].longest_stall_ns;
	}
	helper_answer("wall_ns=%llu user_ns=%llu system_ns=%llu longest_stall_ns=%llu "
		      "stalled_ns=%llu stalls=%llu readings=%llu processors=%llu begin_ns=%llu "
		      "end_ns=%llu",
		      (unsigned long long)wall_ns, (unsigned long long)all.user_ns,
		      (unsigned long long)all.system_ns, (unsigned long long)all.longest_stall_ns,
		      (unsigned long long)all.stalled_ns, (unsigned long long)all.stalls,
		      (unsigned long long)all.readings, (unsigned long long)all.processors,
		      (unsigned long long)all.begin_ns, (unsigned long long)all.end_ns);
}

/* spin ms=N [workers=N] [start_ns=T] [lead_ms=N] [tail_ms=N]: all workers begin at the same time, T of
 * the monotonic clock or as soon as all are there; what is counted begins lead_ms later, takes ms and is
 * followed by tail_ms of the same load. wall_ns of the answer is the time between the two marks; begin_ns
 * and end_ns say when the first and the last of the workers noticed them. */
static int spin(const struct helper_request *r)
{
	uint64_t ms, workers = helper_u64_or(r, "workers", 1);
	struct window t;
	size_t bytes = sizeof(struct worker) * WORKERS_MAX;
	pid_t pids[WORKERS_MAX];
	struct worker *w;
	int rc = helper_u64(r, "ms", &ms);

	if (rc < 0 || workers < 1 || workers > WORKERS_MAX)
		return -EINVAL;
	w = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (w == MAP_FAILED)
		return -errno;
	t.start_ns = helper_u64_or(r, "start_ns", helper_now_ns() + 2 * NS_PER_MS);
	t.from_ns = t.start_ns + helper_u64_or(r, "lead_ms", 0) * NS_PER_MS;
	t.to_ns = t.from_ns + ms * NS_PER_MS;
	t.until_ns = t.to_ns + helper_u64_or(r, "tail_ms", 0) * NS_PER_MS;
	for (uint64_t i = 0; i < workers; i++) {
		pids[i] = rc == 0 ? fork() : -1;
		if (pids[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			wait_until(t.start_ns);
			work(&w[i], &t);
			_exit(0);
		}
		if (pids[i] < 0 && rc == 0)
			rc = -errno;
	}
	for (uint64_t i = 0; i < workers; i++) {
		int status = 0;

		if (pids[i] > 0 && rc < 0)
			kill(pids[i], SIGKILL);
		while (pids[i] > 0 && waitpid(pids[i], &status, 0) < 0 && errno == EINTR)
			continue;
		if (rc == 0 && status != 0)
			rc = -ECHILD;
	}
	if (rc == 0)
		answer_workers(w, workers, t.to_ns - t.from_ns);
	munmap(w, bytes);
	return rc;
}

/* The processors that the scheduler may use for it, as a list of bits. */
static int affinity(const struct helper_request *r)
{
	unsigned long long bits[16] = {0};
	long n = syscall(SYS_sched_getaffinity, 0, sizeof(bits), bits);
	int count = 0;

	(void)r;
	if (n < 0)
		return -errno;
	for (long i = 0; i < n / (long)sizeof(bits[0]); i++)
		count += __builtin_popcountll(bits[i]);
	helper_answer("count=%d processors=%llu", count, bits[0]);
	return 0;
}

const struct helper_verb helper_verb_spin = {"spin", spin};
const struct helper_verb helper_verb_affinity = {"affinity", affinity};
