/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What copies up cost: the line through time over size, that nothing is copied twice, that a volume
 * copies nothing, that other changes copy as much; and what a second instrument says.
 */
#include <math.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "observe/experiment/io_copy_up.h"
#include "observe/statistics/line.h"

/* A line explains so much of the scatter, or time does not grow in proportion to size. */
#define LINEAR_R_SQUARED 0.9
/* What is below this share of the first change has copied nothing. */
#define NOTHING_SHARE 0.05
/* The kernel's counts against sizes: metadata and padding to blocks. */
#define BYTES_BOUND_PERCENT 2
/* Two ways to copy the same pages; the line against a size that is no point of it. */
#define COPY_BOUND_PERCENT 60
#define PREDICTION_BOUND_PERCENT 30

static struct report_figure *find(const struct io_run *r, const struct copy_subject *of,
				  const struct copy_file *f, const char *what)
{
	auto_free char *key = xasprintf("io.copy_up.%s.%s", f->key, what);

	return report_find_figure(r->x->test, of->s->name, key);
}

static double median(const struct io_run *r, const struct copy_subject *of,
		     const struct copy_file *f, const char *what)
{
	return report_median(find(r, of, f, what));
}

/* Of a plain copy, which was synced where the overlay syncs. */
static double plain_median(const struct io_run *r, const struct copy_subject *of,
			   const struct copy_file *f, const char *what)
{
	auto_free char *synced = xasprintf("%s_synced", what);
	double value = median(r, of, f, synced);

	return isnan(value) ? median(r, of, f, what) : value;
}

/* The largest fitted file that has samples. */
static const struct copy_file *largest(const struct io_run *r, const struct copy_subject *of)
{
	const struct copy_file *best = NULL;

	for (size_t i = 0; i < copy_file_count; i++) {
		const struct copy_file *f = &copy_files[i];

		if (f->fitted && !isnan(median(r, of, f, "first")) && (!best || f->mib > best->mib))
			best = f;
	}
	return best;
}

/* Through all samples, not through medians: scatter counts. */
static int fit(const struct io_run *r, const struct copy_subject *of, struct line *out)
{
	auto_free double *x = NULL, *y = NULL;
	size_t n = 0;

	for (size_t i = 0; i < copy_file_count; i++) {
		const struct report_figure *f = find(r, of, &copy_files[i], "first");

		if (!f || !copy_files[i].fitted)
			continue;
		x = xrealloc(x, (n + f->count) * sizeof(*x));
		y = xrealloc(y, (n + f->count) * sizeof(*y));
		for (size_t s = 0; s < f->count; s++, n++) {
			x[n] = copy_files[i].mib;
			y[n] = f->samples[s];
		}
	}
	return statistics_line(x, y, n, out);
}

/* Blocks are counted, times scatter: only blocks can refute. */
static enum report_verdict verdict_of_line(const struct io_run *r, const struct copy_subject *of,
					   const struct line *l)
{
	for (size_t i = 0; i < copy_file_count; i++) {
		double mib = copy_files[i].mib;
		double disk = median(r, of, &copy_files[i], "disk") / IO_MIB;

		if (copy_files[i].fitted && fabs(disk - mib) > mib * BYTES_BOUND_PERCENT / 100)
			return REPORT_BROKEN;
	}
	return l->r_squared >= LINEAR_R_SQUARED && l->slope > 0 ? REPORT_HOLDS : REPORT_UNKNOWN;
}

static void claim_linear(struct io_run *r, const struct copy_subject *of, const struct line *l)
{
	double mib_s = l->slope > 0 ? 1e3 / l->slope : NAN;
	struct report_claim *c = report_claim(
		r->x->test, of->s->name, "io.copy_up.linear", verdict_of_line(r, of, l),
		"the first change of a file of the image costs in proportion to its "
		"size, however small the change");

	for (size_t i = 0; i < copy_file_count; i++) {
		const struct copy_file *f = &copy_files[i];

		if (f->fitted && !isnan(median(r, of, f, "first")))
			report_evidence(c,
					"%u MiB: %.3f ms for one byte; %.2f MiB of blocks in the "
					"upper layer",
					f->mib, median(r, of, f, "first"),
					median(r, of, f, "disk") / IO_MIB);
	}
	report_evidence(c,
			"line through all samples: %.3f ms + %.4f ms a MiB (%.0f MiB/s), R2 %.4f",
			l->intercept, l->slope, mib_s, l->r_squared);
	if (c->verdict == REPORT_UNKNOWN)
		report_evidence(c,
				"times scatter too much for a line: below %.2f; blocks are those "
				"of the files",
				LINEAR_R_SQUARED);
	report_consequence(c, "large files that are written belong on a volume");
	if (l->slope > 0)
		report_sample(report_figure(r->x->test, of->s->name, "io.copy_up.rate",
					    "speed of copies up, by the line", "MiB/s",
					    REPORT_HIGHER),
			      mib_s);
	report_sample(report_figure(r->x->test, of->s->name, "io.copy_up.r_squared",
				    "scatter that the line explains (R2)", "1", REPORT_NEITHER),
		      l->r_squared);
}

/* `what` costs nearly nothing beside the first change of the same file. */
static void claim_nothing(struct io_run *r, const struct copy_subject *of, const char *what,
			  const char *key, const char *claim, const char *consequence)
{
	const struct copy_file *most = largest(r, of);
	bool holds = median(r, of, most, what) < NOTHING_SHARE * median(r, of, most, "first");
	struct report_claim *c = report_claim(r->x->test, of->s->name, key,
					      isnan(median(r, of, most, what)) ? REPORT_UNKNOWN
					      : holds                          ? REPORT_HOLDS
									       : REPORT_BROKEN,
					      "%s", claim);

	for (size_t i = 0; i < copy_file_count; i++) {
		const struct copy_file *f = &copy_files[i];

		if (f->fitted && !isnan(median(r, of, f, what)))
			report_evidence(c, "%u MiB: %.3f ms, against %.3f ms for the first change",
					f->mib, median(r, of, f, what), median(r, of, f, "first"));
	}
	report_consequence(c, "%s", consequence);
}

static void claim_other_changes(struct io_run *r, const struct copy_subject *of)
{
	struct report_claim *c = report_claim(
		r->x->test, of->s->name, "io.copy_up.other_changes", REPORT_UNKNOWN,
		of->metacopy ? "a change of mode copies no data here (metacopy); opening for "
			       "writing and appending copy the whole file"
			     : "changing the mode, opening for writing without writing, and "
			       "appending copy the whole file too");
	bool all = true, any = false;

	for (size_t i = 0; i < copy_file_count; i++) {
		const struct copy_file *f = &copy_files[i];
		double disk = median(r, of, f, "disk");
		bool copied = disk >= f->mib * IO_MIB;

		if (f->kind != COPY_OTHER || isnan(disk))
			continue;
		any = true;
		all = all && copied == !(of->metacopy && str_eq(f->how, "chmod"));
		report_evidence(c, "%s of %u MiB: %.3f ms, %.2f MiB of blocks in the upper layer",
				f->how, f->mib, median(r, of, f, "first"), disk / IO_MIB);
	}
	if (any)
		c->verdict = all ? REPORT_HOLDS : REPORT_BROKEN;
	report_consequence(c, "a chown -R or chmod -R of image files at the start doubles them");
}

static void find_cost(struct io_run *r, const struct copy_subject *of)
{
	const struct copy_file *most = largest(r, of);
	double first = median(r, of, most, "first"), volume = median(r, of, most, "volume");
	struct report_finding *f;

	if (isnan(volume) || volume >= first)
		return;
	f = report_finding(r->x->report, REPORT_LOW, 1 - volume / first, r->x->test->key,
			   of->s->name,
			   "the first change of a %u MiB file of the image takes %.3g ms, on a "
			   "volume %.3g ms",
			   most->mib, first, volume);
	report_reason(
		f, "overlayfs copies the whole file into the upper layer before the first byte is "
		   "written, and it then takes its place on the disk twice");
	report_recommend(f, "-v NAME:DIRECTORY",
			 "put files that are written on a volume, or make them small in the image");
}

static void verify_bytes(struct io_run *r, const struct copy_subject *of)
{
	for (size_t i = 0; i < copy_file_count; i++) {
		const struct copy_file *f = &copy_files[i];
		auto_free char *key = xasprintf("io.copy_up.%s.written", f->key);
		auto_free char *what = xasprintf("bytes written by a %s to %u MiB", f->how, f->mib);
		double written = median(r, of, f, "written");

		if (!isnan(written) && !(of->metacopy && str_eq(f->how, "chmod")))
			report_check(r->x->test, of->s->name, key, what, "B",
				     "the process's own count (/proc/PID/io)", written,
				     "blocks of the copy", median(r, of, f, "disk"),
				     BYTES_BOUND_PERCENT, 65536);
	}
}

static void verify_times(struct io_run *r, const struct copy_subject *of, const struct line *l)
{
	for (size_t i = 0; i < copy_file_count; i++) {
		const struct copy_file *f = &copy_files[i];
		auto_free char *key = xasprintf("io.copy_up.%s.first", f->key);
		auto_free char *what = xasprintf("first change of %u MiB", f->mib);
		double first = median(r, of, f, "first"),
		       plain = plain_median(r, of, f, "to_volume");

		if (f->kind != COPY_WRITE || isnan(first))
			continue;
		if (!isnan(plain))
			report_check(r->x->test, of->s->name, key, what, "ms", "copy-up", first,
				     "plain copy to a volume", plain, COPY_BOUND_PERCENT, 2);
		if (!f->fitted)
			report_check(r->x->test, of->s->name, key, what, "ms", "copy-up", first,
				     "the line through the other sizes",
				     l->intercept + l->slope * f->mib, PREDICTION_BOUND_PERCENT, 2);
	}
}

static void set_floors(struct io_run *r, const struct copy_subject *of)
{
	for (size_t i = 0; i < copy_file_count; i++) {
		struct report_figure *first = find(r, of, &copy_files[i], "first");
		double plain = plain_median(r, of, &copy_files[i], "plain");

		if (first && !isnan(plain))
			report_floor(first, plain, "a plain copy of the same file");
	}
}

void copy_up_conclude(struct io_run *r, const struct copy_subject *of)
{
	struct line l;

	struct report_figure *headline = find(r, of, &copy_files[1], "first");

	if (!largest(r, of))
		return;
	if (headline)
		headline->headline = true;
	set_floors(r, of);
	if (fit(r, of, &l) == 0) {
		claim_linear(r, of, &l);
		if (r->x->verify)
			verify_times(r, of, &l);
	}
	claim_nothing(r, of, "second", "io.copy_up.second", "nothing is copied a second time",
		      "only the first change of each file and container pays");
	claim_nothing(r, of, "volume", "io.copy_up.volume", "on a volume nothing is copied",
		      "a volume is the host's directory itself");
	claim_other_changes(r, of);
	find_cost(r, of);
	if (r->x->verify)
		verify_bytes(r, of);
}
