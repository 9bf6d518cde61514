/* SPDX-License-Identifier: Apache-2.0 */
/* One measured mode as a table and as JSON. Subjects without a good run show why. */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

/* False when either has no samples. */
static bool ratio_to(const struct bench_subjects *all, const struct bench_subject *s,
		     const char *other, struct interval *out)
{
	const struct bench_subject *base = bench_subjects_find(all, other);

	if (!base || base == s || !base->sample_count || !s->sample_count)
		return false;
	*out = statistics_median_ratio(s->samples_ms, s->sample_count, base->samples_ms,
				       base->sample_count);
	return true;
}

/* "   2.310 [2.250-2.400]" */
static void put_interval(struct strbuf *out, int digits, const struct interval *i)
{
	char range[64];

	snprintf(range, sizeof(range), "[%.*f-%.*f]", digits, i->low, digits, i->high);
	strbuf_printf(out, " %*.*f %-15s", digits == 2 ? 7 : 8, digits, i->value, range);
}

static void put_ratio(const struct bench_subjects *all, const struct bench_subject *s,
		      const char *other, struct strbuf *out)
{
	struct interval r;

	if (ratio_to(all, s, other, &r))
		put_interval(out, 2, &r);
	else
		strbuf_printf(out, " %7s %-15s", "-", "");
}

static void put_subject(const struct bench_subjects *all, const struct bench_subject *s,
			const char *baseline, struct strbuf *out)
{
	const struct summary *m = &s->summary;

	strbuf_printf(out, "%-16s %4zu %6zu", s->name, s->sample_count, s->failed);
	if (!s->sample_count) {
		strbuf_printf(out, "  no run succeeded; the last ended with %d\n", s->last_status);
		return;
	}
	put_interval(out, m->median < 100 ? 3 : 1,
		     &(struct interval){m->median, m->median_low, m->median_high});
	strbuf_printf(out, " %8.3f %7.3f %8.3f %8.3f", m->mean, m->sd, m->min, m->max);
	put_ratio(all, s, s->floor, out);
	put_ratio(all, s, baseline, out);
	while (out->data[out->len - 1] == ' ')
		out->data[--out->len] = '\0';
	strbuf_putc(out, '\n');
}

void bench_text(const struct bench_subjects *s, const struct bench_mode *mode, const char *baseline,
		struct strbuf *out)
{
	strbuf_printf(
		out,
		"\n%s: %llu runs of each, interleaved; %llu warm-ups dropped; %llu ms between runs; ms\n",
		mode->name, (unsigned long long)mode->runs, (unsigned long long)mode->warm_ups,
		(unsigned long long)mode->pause_ms);
	strbuf_printf(out, "%-16s %4s %6s %8s %-15s %8s %7s %8s %8s %7s %-15s x %s\n", "SUBJECT",
		      "N", "FAILED", "MEDIAN", "[95 %]", "MEAN", "SD", "MIN", "MAX", "x FLOOR",
		      "[95 %]", baseline);
	for (size_t i = 0; i < s->count; i++)
		put_subject(s, &s->items[i], baseline, out);
}

static void add_double(struct json_object *o, const char *key, double value)
{
	json_object_object_add(o, key, json_object_new_double(value));
}

static void add_ratio(struct json_object *o, const char *key, const struct bench_subjects *all,
		      const struct bench_subject *s, const char *other)
{
	struct json_object *r;
	struct interval i;

	if (!ratio_to(all, s, other, &i))
		return;
	r = json_object_new_object();
	json_add_string(r, "To", other);
	add_double(r, "Value", i.value);
	add_double(r, "Low", i.low);
	add_double(r, "High", i.high);
	json_object_object_add(o, key, r);
}

static struct json_object *subject_json(const struct bench_subjects *all,
					const struct bench_subject *s, const char *baseline)
{
	struct json_object *o = json_object_new_object(), *samples = json_object_new_array();

	json_add_string(o, "Name", s->name);
	json_add_strv(o, "Command", &s->command, false);
	json_add_u64(o, "Runs", s->sample_count);
	json_add_u64(o, "Failed", s->failed);
	if (s->failed)
		json_add_i64(o, "LastFailure", s->last_status);
	if (s->sample_count) {
		add_double(o, "MedianMs", s->summary.median);
		add_double(o, "MedianLowMs", s->summary.median_low);
		add_double(o, "MedianHighMs", s->summary.median_high);
		add_double(o, "MeanMs", s->summary.mean);
		add_double(o, "SdMs", s->summary.sd);
		add_double(o, "MinMs", s->summary.min);
		add_double(o, "MaxMs", s->summary.max);
	}
	add_ratio(o, "RatioToFloor", all, s, s->floor);
	add_ratio(o, "RatioToBaseline", all, s, baseline);
	for (size_t i = 0; i < s->sample_count; i++)
		json_object_array_add(samples, json_object_new_double(s->samples_ms[i]));
	json_object_object_add(o, "SortedSamplesMs", samples);
	return o;
}

struct json_object *bench_json(const struct bench_subjects *s, const struct bench_mode *mode,
			       const char *baseline)
{
	struct json_object *o = json_object_new_object(), *subjects = json_object_new_array();

	json_add_string(o, "Mode", mode->name);
	json_add_u64(o, "PauseMs", mode->pause_ms);
	json_add_u64(o, "WarmUpsDropped", mode->warm_ups);
	for (size_t i = 0; i < s->count; i++)
		json_object_array_add(subjects, subject_json(s, &s->items[i], baseline));
	json_object_object_add(o, "Subjects", subjects);
	return o;
}
