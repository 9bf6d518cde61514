/* SPDX-License-Identifier: Apache-2.0 */
/* Test 10: what the sums say. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "observe/experiment/syscalls_internal.h"

#define TOP_CALLS 12
/* Below, a failing call is the usual look-up of a file that may be there. */
#define ERRORS_MUCH_PERCENT 20.0
/* Below, the difference to the host is within what two processes of one program differ by. */
#define FILTER_MUCH_US 0.02

static double us(uint64_t ns)
{
	return (double)ns / 1e3;
}

static double figure_median(const struct report_test *t, const char *subject, const char *key)
{
	return report_median(report_find_figure(t, subject, key));
}

/* ---- tables ---- */

/* The index of the call that took the longest among those not yet shown; -1: none is left. */
static int next_call(const struct call_counts *c, const bool shown[CALL_NUMBERS + 1])
{
	int best = -1;

	for (int i = 0; i <= CALL_NUMBERS; i++) {
		const struct call_count *n = &c->numbers[i];

		if (shown[i] || !(n->begun + n->refused))
			continue;
		if (best < 0 || n->time_ns > c->numbers[best].time_ns)
			best = i;
	}
	return best;
}

static void put_call(struct report_table *table, const struct counted_subject *c, int number)
{
	const struct call_count *n = &c->command->numbers[number];
	auto_free char *name = call_name((size_t)number);
	auto_free char *count = xasprintf("%.1f", (double)n->begun / (double)c->command_runs);
	auto_free char *rate = xasprintf("%.0f", (double)n->begun / ((double)c->command_ns / 1e9));
	auto_free char *errors = xasprintf("%.1f", (double)n->errors / (double)c->command_runs);
	auto_free char *refused = xasprintf("%.1f", (double)n->refused / (double)c->command_runs);
	auto_free char *total =
		xasprintf("%.3f", (double)n->time_ns / 1e6 / (double)c->command_runs);
	auto_free char *mean =
		xasprintf("%.2f", n->ended ? us(n->time_ns) / (double)n->ended : 0.0);
	auto_free char *longest = xasprintf("%.1f", us(n->longest_ns));
	const char *const cells[] = {c->subject->name, name,  count, rate,   errors,
				     refused,          total, mean,  longest};

	report_row(table, cells);
}

static void put_top(struct syscalls_test *t)
{
	static const char *const columns[] = {"subject",     "call",     ">calls",    ">per s",
					      ">errors",     ">refused", ">total ms", ">mean us",
					      ">longest us", NULL};
	struct report_table *table = NULL;

	for (size_t i = 0; i < t->count; i++) {
		const struct counted_subject *c = &t->subjects[i];
		bool shown[CALL_NUMBERS + 1] = {false};
		int number;

		for (int row = 0; c->command_runs && row < TOP_CALLS; row++) {
			number = next_call(c->command, shown);
			if (number < 0)
				break;
			if (!table)
				table = report_table(t->x->test, "syscalls.command",
						     "System calls of an ordinary command, per run "
						     "(ls -lR /etc; cat | wc)",
						     columns);
			shown[number] = true;
			put_call(table, c, number);
		}
	}
}

static void put_known(struct syscalls_test *t)
{
	static const char *const columns[] = {"subject", "call",     ">made",    ">counted",
					      ">errors", ">refused", ">mean us", NULL};
	struct report_table *table = NULL;

	for (size_t i = 0; i < t->count; i++) {
		const struct counted_subject *c = &t->subjects[i];

		for (enum known_call k = 0; c->runs && k < KNOWN_CALLS; k++) {
			const struct call_count *n =
				&c->known->numbers[call_number(known_names[k])];
			auto_free char *made = xasprintf("%" PRIu64, c->made[k]);
			auto_free char *counted =
				xasprintf("%" PRIu64, counted_attempts(c->known, k));
			auto_free char *errors = xasprintf("%" PRIu64, n->errors);
			auto_free char *refused = xasprintf("%" PRIu64, n->refused);
			auto_free char *mean = xasprintf(
				"%.2f", n->ended ? us(n->time_ns) / (double)n->ended : 0.0);
			const char *const cells[] = {
				c->subject->name, known_names[k], made, counted,
				errors,           refused,        mean};

			if (!table)
				table = report_table(t->x->test, "syscalls.known",
						     "Calls whose number is known", columns);
			report_row(table, cells);
		}
	}
}

/* Everything, for those who look further. */
static void keep_all(struct syscalls_test *t, const struct counted_subject *c)
{
	auto_free char *name = xasprintf("syscalls-%s.tsv", c->subject->name);
	auto_strbuf struct strbuf text = {0};

	strbuf_puts(&text, "work\tcall\tbegun\tended\terrors\trefused\ttime_ns\tlongest_ns\n");
	for (int work = 0; work < 2; work++) {
		const struct call_counts *counts = work ? c->command : c->known;

		for (size_t i = 0; i <= CALL_NUMBERS; i++) {
			const struct call_count *n = &counts->numbers[i];
			auto_free char *call = call_name(i);

			if (n->begun + n->refused)
				strbuf_printf(&text,
					      "%s\t%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64
					      "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n",
					      work ? "command" : "known", call, n->begun, n->ended,
					      n->errors, n->refused, n->time_ns, n->longest_ns);
		}
	}
	experiment_keep(t->x, name, text.data, text.len);
}

/* ---- claims ---- */

static void claim_followed(struct syscalls_test *t, const struct counted_subject *c)
{
	const struct call_counts *seen = c->known;
	struct report_claim *claim =
		report_claim(t->x->test, c->subject->name, "syscalls.followed",
			     c->missed ? REPORT_BROKEN : REPORT_HOLDS,
			     "Every call of every thread and child was counted, and nobody else's");

	for (enum known_call k = 0; k < KNOWN_CALLS; k++)
		report_evidence(claim, "%s: the helper made %" PRIu64 ", counted %" PRIu64,
				known_names[k], c->made[k], counted_attempts(seen, k));
	report_evidence(claim,
			"%" PRIu64
			" threads and children were born meanwhile (the helper made %" PRIu64
			"), %" PRIu64 " could not be followed",
			seen->born, c->made_threads, seen->lost);
	report_evidence(claim, "this program made %" PRIu64 " getppid meanwhile: not counted",
			c->outside);
	report_consequence(claim, "a counter of one process would have seen none of these calls: "
				  "all were made by threads of children");
}

static void claim_refused(struct syscalls_test *t, const struct counted_subject *c)
{
	const struct call_count *n = &c->known->numbers[call_number(known_names[KNOWN_KEYCTL])];
	struct report_claim *claim;

	if (!counted_in_container(c))
		return;
	claim = report_claim(t->x->test, c->subject->name, "syscalls.refused",
			     n->refused == c->made[KNOWN_KEYCTL] ? REPORT_HOLDS : REPORT_BROKEN,
			     "The seccomp filter refuses keyctl before it begins");
	report_evidence(claim, "of %" PRIu64 " calls %" PRIu64 " were refused, %" PRIu64 " ran",
			c->made[KNOWN_KEYCTL], n->refused, n->begun);
	report_consequence(claim, n->refused ? "refused calls cost the program an error, and the "
					       "kernel behind them is out of its reach"
					     : "the kernel's keyrings are within the reach of the "
					       "container's programs");
}

/* ---- findings ---- */

static void find_errors(struct syscalls_test *t, const struct counted_subject *c)
{
	double percent = figure_median(t->x->test, c->subject->name, "syscalls.command_errors");
	struct report_finding *f;
	int worst = 0;

	for (int i = 0; i <= CALL_NUMBERS; i++) {
		if (c->command->numbers[i].errors > c->command->numbers[worst].errors)
			worst = i;
	}
	if (!(percent >= ERRORS_MUCH_PERCENT))
		return;
	f = report_finding(t->x->report, REPORT_INFO, percent / 100, "syscalls", c->subject->name,
			   "%.0f %% of an ordinary command's system calls fail", percent);
	auto_free char *name = call_name((size_t)worst);
	report_reason(f,
		      "%s fails %.1f times a run; from %.0f %% on it is more than the usual "
		      "looking for files that may be there",
		      name, (double)c->command->numbers[worst].errors / (double)c->command_runs,
		      ERRORS_MUCH_PERCENT);
	report_recommend(f, "strace -f -Z -p PID",
			 "see which paths it looks for in vain; each look-up costs %.2f us",
			 c->command->numbers[worst].ended
				 ? us(c->command->numbers[worst].time_ns) /
					   (double)c->command->numbers[worst].ended
				 : 0.0);
}

static void find_filter(struct syscalls_test *t, const struct counted_subject *c, double host_us)
{
	double own_us = figure_median(t->x->test, c->subject->name, "syscalls.call_time");
	double calls = figure_median(t->x->test, c->subject->name, "syscalls.command_calls");
	double window_us = c->command_runs ? us(c->command_ns) / (double)c->command_runs : 0;
	double share = window_us > 0 && calls > 0 ? calls * (own_us - host_us) / window_us : 0;
	struct report_finding *f;

	if (!counted_in_container(c) || !(own_us - host_us >= FILTER_MUCH_US))
		return;
	f = report_finding(t->x->report, REPORT_INFO, share > 0 && share < 1 ? share : 0,
			   "syscalls", c->subject->name,
			   "each system call costs %.3f us more than on the host (ratio %.2f)",
			   own_us - host_us, own_us / host_us);
	report_reason(
		f,
		"the seccomp filter runs at every call; getppid takes %.3f us inside and %.3f "
		"outside. Below %.2f us it would be within the noise. Of an ordinary command "
		"(%.0f calls) it is %.1f %%",
		own_us, host_us, FILTER_MUCH_US, calls > 0 ? calls : 0, 100 * share);
	report_recommend(
		f, NULL,
		"leave the filter on; a program that makes a million small calls a second "
		"pays %.0f ms of each second for it and gains more from fewer, larger calls "
		"(readv, sendmmsg, io_uring)",
		(own_us - host_us) * 1e3);
}

static void conclude_one(struct syscalls_test *t, const struct counted_subject *c, double host_us)
{
	struct report_figure *f = report_figure(t->x->test, c->subject->name, "syscalls.call_time",
						"the cheapest call, unwatched", "us", REPORT_LOWER);

	f->headline = true;
	if (isfinite(host_us) && counted_in_container(c))
		report_floor(f, host_us, "the same on the host");
	claim_followed(t, c);
	claim_refused(t, c);
	keep_all(t, c);
	if (c->command_runs)
		find_errors(t, c);
	if (isfinite(host_us))
		find_filter(t, c, host_us);
	if (c->known->program_runs)
		report_note(t->x->test,
			    "%s: counting took %.0f ns at each of %" PRIu64
			    " events of the whole host (begins and ends of calls, forks, exits)",
			    c->subject->name,
			    (double)c->known->program_ns / (double)c->known->program_runs,
			    c->known->program_runs);
}

void syscalls_conclude(struct syscalls_test *t)
{
	double host_us = t->floor_count ? statistics_median_of(t->floor_us, t->floor_count) : NAN;

	for (size_t i = 0; i < t->count && !isfinite(host_us); i++) {
		if (t->subjects[i].runs && !counted_in_container(&t->subjects[i]))
			host_us = figure_median(t->x->test, t->subjects[i].subject->name,
						"syscalls.call_time");
	}
	for (size_t i = 0; i < t->count; i++) {
		if (t->subjects[i].runs)
			conclude_one(t, &t->subjects[i], host_us);
	}
	put_known(t);
	put_top(t);
}
