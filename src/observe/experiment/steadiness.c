/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/experiment/steadiness.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "observe/subject/session.h"
#include "observe/subject/subject.h"

#define APART_NS 1000000000ULL
#define STARTS 5
#define TIMEOUT_MS 10000

/* us; 0 when it cannot be told. */
static double look(const struct subject *host)
{
	auto_strv struct strv argv = {0};
	double us[STARTS];

	strv_add(&argv, host->helper);
	strv_add(&argv, "true");
	for (size_t i = 0; i < STARTS; i++) {
		auto_command_run struct command_run run = {0};
		struct err ignored = ERR_INIT;

		if (command_execute(NULL, &argv, TIMEOUT_MS, &run, &ignored) < 0)
			return 0;
		us[i] = (double)(run.ended_ns - run.spawned_ns) / 1e3;
	}
	return statistics_median_of(us, STARTS);
}

void steadiness_probe(struct steadiness *s)
{
	double us;

	if (!s->host || (s->last_ns && clock_now_ns() - s->last_ns < APART_NS))
		return;
	us = look(s->host);
	s->last_ns = clock_now_ns();
	if (us <= 0)
		return;
	s->us = xrealloc(s->us, (s->count + 1) * sizeof(*s->us));
	s->us[s->count++] = us;
}

void steadiness_report(const struct steadiness *s, struct report *r)
{
	auto_free double *sorted = xcalloc(s->count + 1, sizeof(*sorted));
	size_t tenth = s->count / 10;

	if (s->count < 2)
		return;
	memcpy(sorted, s->us, s->count * sizeof(*sorted));
	statistics_sort(sorted, s->count);
	r->steadiness = (struct report_steadiness){
		.looks = s->count,
		.median_us = statistics_median(sorted, s->count),
		.low_us = sorted[tenth],
		.high_us = sorted[s->count - 1 - tenth],
	};
}

void steadiness_free(struct steadiness *s)
{
	free(s->us);
	*s = (struct steadiness){0};
}
