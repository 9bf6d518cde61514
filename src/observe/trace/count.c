/* SPDX-License-Identifier: Apache-2.0 */
/* The observer's side of the counter: who is followed, and what was counted. */
#include "observe/trace/count.h"

#include <dirent.h>
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "kernel/bpf.h"
#include "observe/probe/namespaces.h"
#include "observe/probe/processes.h"
#include "observe/trace/count_program.h"

/* A listing after which none was new; a container that forks faster than it is listed ends this. */
#define LISTINGS_MAX 20

struct call_counter {
	struct count_maps maps;
	int followers[COUNT_FOLLOWERS], follower_events[COUNT_FOLLOWERS];
	int listeners[COUNT_LISTENERS], listener_events[COUNT_LISTENERS]; /* -1: not listening */
	int listening;                                                    /* how often it began */
	uint64_t past_ns, past_runs; /* cost of listeners that were closed */
	int cost;                    /* keeps the kernel counting what programs cost */
	int cpus;
};

static void close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

static void add_cost(const int *programs, size_t n, uint64_t *sum_ns, uint64_t *sum_runs)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t ns, runs;

		if (programs[i] < 0 || bpf_program_cost(programs[i], &ns, &runs) < 0)
			continue;
		*sum_ns += ns;
		*sum_runs += runs;
	}
}

void call_counter_pause(struct call_counter *c)
{
	close_all(c->listener_events, COUNT_LISTENERS);
	add_cost(c->listeners, COUNT_LISTENERS, &c->past_ns, &c->past_runs);
	close_all(c->listeners, COUNT_LISTENERS);
}

int call_counter_resume(struct call_counter *c, struct err *err)
{
	int rc;

	if (c->listener_events[0] >= 0)
		return 0;
	rc = count_listen(&c->maps, ++c->listening, c->listeners, c->listener_events, err);
	if (rc < 0)
		call_counter_pause(c);
	return rc;
}

void call_counter_close(struct call_counter *c)
{
	if (!c)
		return;
	call_counter_pause(c);
	close_all(c->follower_events, COUNT_FOLLOWERS);
	close_all(c->followers, COUNT_FOLLOWERS);
	close_all(&c->maps.threads, 1);
	close_all(&c->maps.sums, 1);
	close_all(&c->cost, 1);
	free(c);
}

static void have_nothing(struct call_counter *c)
{
	c->maps.threads = c->maps.sums = -1;
	memset(c->followers, 0xff, sizeof(c->followers));
	memset(c->follower_events, 0xff, sizeof(c->follower_events));
	memset(c->listeners, 0xff, sizeof(c->listeners));
	memset(c->listener_events, 0xff, sizeof(c->listener_events));
}

int call_counter_open(struct call_counter **out, struct err *err)
{
	auto_call_counter struct call_counter *c = xcalloc(1, sizeof(*c));
	int rc = namespaces_check_pids(err);

	*out = NULL;
	have_nothing(c);
	if (rc < 0)
		return rc;
	c->cpus = bpf_possible_cpus();
	c->cost = bpf_count_cost();
	rc = bpf_map_create(BPF_MAP_TYPE_HASH, sizeof(uint32_t), sizeof(struct counted_thread),
			    CALL_THREADS_MAX, "count_threads", &c->maps.threads, err);
	if (rc == 0)
		rc = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(uint32_t),
				    sizeof(struct call_count), COUNT_SLOT_ROWS, "count_sums",
				    &c->maps.sums, err);
	if (rc == 0)
		rc = count_follow(&c->maps, c->followers, c->follower_events, err);
	if (rc == 0)
		rc = call_counter_resume(c, err);
	if (rc < 0)
		return rc;
	*out = take_ptr(&c);
	return 0;
}

static bool thread_lives(uint32_t tid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%u", tid);
	return access(path, F_OK) == 0;
}

/* 1 when it was new. One that ended between the listing and here would stay for ever, and its number
 * may be given to a stranger: looked at again once it is in. */
static int follow_thread(struct call_counter *c, uint32_t tid)
{
	struct counted_thread t = {.begin_ns = 0};

	if (bpf_map_get(c->maps.threads, &tid, &t) == 0)
		return 0;
	memset(&t, 0, sizeof(t));
	if (bpf_map_put(c->maps.threads, &tid, &t) < 0)
		return -ENOSPC;
	if (thread_lives(tid))
		return 1;
	(void)!bpf_map_remove(c->maps.threads, &tid);
	return 0;
}

static int follow_process(struct call_counter *c, pid_t pid, size_t *added)
{
	auto_closedir DIR *dir = NULL;
	struct dirent *d;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		uint64_t tid;
		int rc = str_to_u64(d->d_name, &tid) < 0 ? 0 : follow_thread(c, (uint32_t)tid);

		if (rc < 0)
			return rc;
		*added += (size_t)rc;
	}
	return 0;
}

static int follow_listed(struct call_counter *c, pid_t pid, bool container, size_t *added,
			 struct err *err)
{
	auto_processes struct process_table table = {.count = 0};
	int rc = process_table_read(pid, container, &table, err);

	for (size_t i = 0; rc == 0 && i < table.count; i++) {
		if (!table.items[i].member)
			continue;
		rc = follow_process(c, table.items[i].pid, added);
		if (rc < 0)
			return err_set(err, ERR_SYSTEM, -rc,
				       "more than %d threads in the container", CALL_THREADS_MAX);
	}
	return rc;
}

int call_counter_follow(struct call_counter *c, pid_t pid, bool container, size_t *added,
			struct err *err)
{
	size_t before, sum = 0;
	int rc = 0, listings = 0;

	/* What was born by one that was listed but not yet put in is in the next listing. */
	do {
		before = sum;
		rc = follow_listed(c, pid, container, &sum, err);
	} while (rc == 0 && sum > before && ++listings < LISTINGS_MAX);
	if (added)
		*added = sum;
	return rc;
}

static void add(struct call_count *sum, const struct call_count *part)
{
	sum->begun += part->begun;
	sum->ended += part->ended;
	sum->errors += part->errors;
	sum->refused += part->refused;
	sum->time_ns += part->time_ns;
	if (part->longest_ns > sum->longest_ns)
		sum->longest_ns = part->longest_ns;
}

static int sum_row(const struct call_counter *c, struct call_count *values, uint32_t row,
		   struct call_count *out)
{
	int rc = bpf_map_get(c->maps.sums, &row, values);

	memset(out, 0, sizeof(*out));
	for (int cpu = 0; rc == 0 && cpu < c->cpus; cpu++)
		add(out, &values[cpu]);
	return rc;
}

int call_counter_read(const struct call_counter *c, struct call_counts *out, struct err *err)
{
	auto_free struct call_count *values = xcalloc((size_t)c->cpus, sizeof(*values));
	struct call_count event;
	uint64_t *const slots[] = {&out->born, &out->gone, &out->lost};
	int rc = 0;

	memset(out, 0, sizeof(*out));
	out->at_ns = clock_now_ns();
	for (uint32_t i = 0; rc == 0 && i <= CALL_NUMBERS; i++)
		rc = sum_row(c, values, i, &out->numbers[i]);
	for (uint32_t i = 0; rc == 0 && i < 3; i++) {
		rc = sum_row(c, values, COUNT_SLOT_BORN + i, &event);
		*slots[i] = event.begun;
	}
	out->program_ns = c->past_ns;
	out->program_runs = c->past_runs;
	add_cost(c->followers, COUNT_FOLLOWERS, &out->program_ns, &out->program_runs);
	add_cost(c->listeners, COUNT_LISTENERS, &out->program_ns, &out->program_runs);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "read the counted calls: %s",
				err_errno_text(-rc))
		      : 0;
}

static void subtract(struct call_count *after, const struct call_count *before)
{
	after->begun -= before->begun;
	after->ended -= before->ended;
	after->errors -= before->errors;
	after->refused -= before->refused;
	after->time_ns -= before->time_ns;
}

void call_counts_subtract(struct call_counts *after, const struct call_counts *before)
{
	for (size_t i = 0; i <= CALL_NUMBERS; i++)
		subtract(&after->numbers[i], &before->numbers[i]);
	after->at_ns -= before->at_ns;
	after->born -= before->born;
	after->gone -= before->gone;
	after->lost -= before->lost;
	after->program_ns -= before->program_ns;
	after->program_runs -= before->program_runs;
}

void call_counts_add(struct call_counts *sum, const struct call_counts *part)
{
	for (size_t i = 0; i <= CALL_NUMBERS; i++)
		add(&sum->numbers[i], &part->numbers[i]);
	sum->at_ns += part->at_ns;
	sum->born += part->born;
	sum->gone += part->gone;
	sum->lost += part->lost;
	sum->program_ns += part->program_ns;
	sum->program_runs += part->program_runs;
}

struct call_count call_counts_total(const struct call_counts *c)
{
	struct call_count sum = {.begun = 0};

	for (size_t i = 0; i <= CALL_NUMBERS; i++)
		add(&sum, &c->numbers[i]);
	return sum;
}

char *call_name(size_t number)
{
	char *name = number < CALL_NUMBERS
			     ? seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)number)
			     : NULL;

	if (name)
		return name;
	return number < CALL_NUMBERS ? xasprintf("call %zu", number) : xstrdup("other numbers");
}

int call_number(const char *name)
{
	int number = seccomp_syscall_resolve_name_arch(SCMP_ARCH_NATIVE, name);

	return number >= 0 && number < CALL_NUMBERS ? number : -1;
}
