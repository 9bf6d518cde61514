/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from transfers and metadata: the places side by side, and what is slower than the host. */
#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "observe/experiment/io.h"

/* A place that reaches this share of the host's speed is left alone: less than that is noise of disks
 * between two runs. */
#define GOOD_SHARE 0.8
#define BAD_SHARE 0.5
#define SIGNIFICANT 0.05

static const struct report_figure *of_host(const struct io_run *r, const char *key)
{
	const char *operation = strchr(strchr(key, '.') + 1, '.');
	auto_free char *host = xasprintf("io.host%s", operation);

	return report_find_figure(r->x->test, r->x->host->name, host);
}

/* Speed against the host's, 1 is equal; NAN when it cannot be said or is no real difference. */
static double share_of_host(const struct io_run *r, const struct report_figure *f)
{
	const struct report_figure *host = of_host(r, f->key);
	struct mann_whitney m;
	double ratio;

	if (!host || host->count == 0 || f->count == 0)
		return NAN;
	m = statistics_mann_whitney(f->samples, f->count, host->samples, host->count);
	if (m.p >= SIGNIFICANT || str_eq(statistics_magnitude(m.cliff_delta), "negligible"))
		return NAN;
	ratio = report_median(f) / report_median(host);
	return f->better == REPORT_LOWER ? 1 / ratio : ratio;
}

/* The figure of a place that is farthest from the host. */
static const struct report_figure *worst_of(const struct io_run *r, const struct io_place *p,
					    double *share)
{
	auto_free char *prefix = xasprintf("io.%s.", p->key);
	const struct report_figure *worst = NULL;

	for (size_t i = 0; i < r->x->test->figure_count; i++) {
		const struct report_figure *f = r->x->test->figures[i];
		double now;

		if (!str_starts(f->key, prefix) || !str_eq(f->subject, p->subject->name))
			continue;
		now = share_of_host(r, f);
		if (!isnan(now) && (!worst || now < *share)) {
			worst = f;
			*share = now;
		}
	}
	return worst;
}

static void find_slowest(struct io_run *r, const struct io_place *p)
{
	double share = 1;
	const struct report_figure *f = worst_of(r, p, &share);
	struct report_finding *finding;
	bool upper = str_eq(p->key, "upper");

	if (!f || share >= GOOD_SHARE)
		return;
	finding = report_finding(r->x->report, share < BAD_SHARE ? REPORT_MEDIUM : REPORT_LOW,
				 1 - share, r->x->test->key, p->subject->name,
				 "%s: %.2f of the host's speed (%.4g against %.4g %s)", f->label,
				 share, report_median(f), report_median(of_host(r, f->key)),
				 str_eq(f->unit, "1/s") ? "operations a second" : f->unit);
	report_reason(
		finding,
		"of all that was measured in this place this is farthest from the same calls on "
		"the host in the same run (p < %.2f); below %.2f it is worth a change",
		SIGNIFICANT, GOOD_SHARE);
	if (upper)
		report_recommend(finding, "-v NAME:DIRECTORY",
				 "put directories with many writes or many files on a volume");
	else
		report_recommend(finding, NULL,
				 "the volume is a directory of the host: look for limits on the "
				 "container's input and output");
}

static void find_volatile(struct io_run *r, const struct io_place *p)
{
	struct report_finding *f;

	if (!p->is_volatile)
		return;
	f = report_finding(
		r->x->report, REPORT_INFO, 0, r->x->test->key, p->subject->name,
		"fsync does nothing in the upper layer: its synced writes are at the speed "
		"of memory");
	report_reason(f,
		      "the overlay is mounted as volatile, since the container is removed at its "
		      "end; such figures say nothing about the disk");
	report_recommend(f, "-v NAME:DIRECTORY",
			 "put what must outlive a crash of the host on a volume");
}

/* ---- places side by side ---- */

static char *cell(double value)
{
	if (isnan(value))
		return xstrdup("-");
	return xasprintf(value < 100 ? "%.3g" : "%.0f", value);
}

static double median_of(const struct io_run *r, const char *subject, const char *place,
			const char *operation)
{
	auto_free char *key = xasprintf("io.%s.%s", place, operation);

	return report_median(report_find_figure(r->x->test, subject, key));
}

static void show_places(struct io_run *r, const struct subject *s)
{
	static const char *const columns[] = {"medians", "unit",  ">upper", ">volume",
					      ">tmpfs",  ">host", NULL};
	auto_free char *key = xasprintf("io.%s.places", s->name);
	auto_free char *title = xasprintf("%s: the same calls in four places", s->name);
	struct report_table *t = report_table(r->x->test, key, title, columns);

	for (size_t i = 0; i < io_operation_count; i++) {
		const struct io_operation *o = &io_operations[i];
		auto_free char *upper = cell(median_of(r, s->name, "upper", o->key));
		auto_free char *volume = cell(median_of(r, s->name, "volume", o->key));
		auto_free char *tmpfs = cell(median_of(r, s->name, "tmpfs", o->key));
		auto_free char *host = cell(median_of(r, r->x->host->name, "host", o->key));

		report_row(t, (const char *const[]){o->label, o->unit, upper, volume, tmpfs, host});
	}
}

void io_conclude(struct io_run *r)
{
	for (size_t i = 0; i < r->place_count; i++) {
		const struct io_place *p = &r->places[i];

		if (str_eq(p->key, "upper")) {
			show_places(r, p->subject);
			find_volatile(r, p);
		}
		if (p->disk && !str_eq(p->key, "host"))
			find_slowest(r, p);
	}
}
