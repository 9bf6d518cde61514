/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one result model of all instruments. Experiments, explanations and traces fill it; renderers
 * (report_text.h, report_json.h) show it and compute nothing. What is said about samples is worked out
 * once, by report_finish().
 *
 *	report --- facts (environment, prerequisites), findings
 *	  `-- tests --- figures (samples of one quantity of one subject), claims, tables, checks by a
 *	                second instrument, notes, raw files
 *
 * Everything handed out is owned by the report and freed with it; strings handed in are copied. Keys are
 * lower-case words with '.' and '_' ("startup.to_exec"), never change their meaning, and stand in
 * docs/measurement.md.
 */
#ifndef CLOCHE_OBSERVE_REPORT_REPORT_H
#define CLOCHE_OBSERVE_REPORT_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/strv.h"
#include "observe/statistics/statistics.h"

#define REPORT_SCHEMA_VERSION 1

enum report_better {
	REPORT_NEITHER,
	REPORT_LOWER,
	REPORT_HIGHER,
};

enum report_status {
	REPORT_DONE,
	REPORT_PARTIAL,     /* some of it could not be measured; notes say what and why */
	REPORT_UNAVAILABLE, /* nothing could; the reason says why. Never shown as good */
	REPORT_FAILED,      /* it went wrong; the reason is the error */
	REPORT_INTERRUPTED,
};

enum report_verdict {
	REPORT_HOLDS,
	REPORT_BROKEN,
	REPORT_UNKNOWN, /* could not be read; the evidence says why */
};

enum report_severity {
	REPORT_INFO,
	REPORT_LOW,
	REPORT_MEDIUM,
	REPORT_HIGH,
	REPORT_CRITICAL,
};

/* One quantity of one subject. Samples stay in the order in which they were taken. */
struct report_figure {
	char *key, *label, *unit; /* unit: "ms", "B", "MiB/s", "%", "1" for counts */
	char *subject;            /* "" when it belongs to none */
	enum report_better better;
	bool headline; /* among the ten that are compared between runs, one per test */
	bool detail;   /* text shows it with --details alone: a table or claim says it shorter */
	double *samples;
	size_t count, room;
	size_t failed;     /* runs that gave no sample; never averaged in */
	size_t warm_ups;   /* dropped */
	double floor;      /* what physics leaves, same unit, same run; NAN: there is none */
	char *floor_label; /* heap or NULL */
	char *reference;   /* a published range with its source, or NULL; shown as such */
	/* by report_finish(), when count > 0 */
	struct summary summary;
	bool noisy; /* the interval is wider than STATISTICS_NOISY of the median */
};

/* By report_finish(): figures of one key, each subject of the report against the first that has it. */
struct report_comparison {
	const struct report_test *test; /* borrowed, as are the figures */
	const struct report_figure *base, *other;
	struct interval ratio; /* other / base; NAN where base has values that are not above 0 */
	/* two-sided Mann-Whitney U; Holm over the report; NAN where a side was read only once */
	double p, p_holm;
	double cliff_delta;    /* above 0: other is the larger one */
	const char *magnitude; /* negligible, small, medium, large */
	bool shown;   /* p_holm < 0.05 and not negligible: only then may one say "faster" */
	bool too_few; /* with so few samples no difference whatever could have been shown */
};

/* A statement with what was read for it in this run, and what follows. */
struct report_claim {
	char *key, *subject;
	enum report_verdict verdict;
	char *claim;
	struct strv evidence;
	char *consequence; /* or NULL */
};

enum report_align {
	REPORT_LEFT,
	REPORT_RIGHT, /* numbers; become JSON numbers where the whole cell is one */
};

struct report_table {
	char *key, *title;
	struct strv columns; /* their headings */
	enum report_align *align;
	struct strv cells; /* row after row */
};

/* The same quantity by an instrument that shares no code with the first (--verify). */
struct report_check {
	char *key, *subject, *what, *unit;
	char *first_name, *second_name;
	double first, second;
	double bound_percent;  /* documented; of the second's value */
	double bound_absolute; /* or within this much, same unit; 0: none */
	/* by report_finish() */
	double off_percent; /* of the second's value; NAN: that is 0 and the first is not */
	bool agrees;
};

struct report_finding {
	enum report_severity severity;
	double cost; /* orders findings of one severity: the share of the whole that it costs, 0 to 1 */
	char *test, *subject;
	char *title;          /* with the figure in it */
	char *reason;         /* with threshold and where that comes from */
	char *recommendation; /* what to do */
	char *flag;           /* the flag or command that does it, or NULL */
};

/* The section of facts that are known only when the tests are done; shown at the end. */
#define REPORT_AFTERWARDS "afterwards"

struct report_fact {
	char *section; /* "environment", "prerequisite", "subject", REPORT_AFTERWARDS */
	char *key, *value;
	bool good;  /* prerequisites: present */
	char *cost; /* prerequisites: what its lack costs; else NULL */
};

struct report_test {
	unsigned number; /* 0: has none */
	char *key, *title;
	enum report_status status;
	char *reason; /* for all but REPORT_DONE */
	double took_s;
	struct report_figure **figures;
	struct report_claim **claims;
	struct report_table **tables;
	struct report_check **checks;
	size_t figure_count, claim_count, table_count, check_count;
	struct strv notes;
	struct strv raw; /* files below the directory of --keep */
};

/* The same start of a program on the bare host, looked at all through the run. */
struct report_steadiness {
	size_t looks; /* 0: it was not looked at */
	double median_us;
	double low_us, high_us; /* without the tenth at each end */
	bool unsteady; /* by report_finish(): they are farther apart than STATISTICS_NOISY of the median */
};

struct report {
	char *kind;    /* "analyze", "explain" */
	char *title;   /* "cloche analyze" */
	char *started; /* RFC 3339 */
	double took_s;
	struct strv subjects; /* names, in the order given; the first is the base of comparisons */
	struct report_test **tests;
	struct report_finding **findings;
	struct report_fact **facts;
	struct report_comparison *comparisons;
	size_t test_count, finding_count, fact_count, comparison_count;
	struct report_steadiness steadiness;
	bool interrupted;
};

void report_free(struct report *r);
#define auto_report __attribute__((cleanup(report_free)))

struct report_test *report_add_test(struct report *r, unsigned number, const char *key,
				    const char *title);
/* Sets status and reason; the first that is worse stays. */
void report_status(struct report_test *t, enum report_status status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void report_note(struct report_test *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Finds the figure of that key and subject, or makes it. */
struct report_figure *report_figure(struct report_test *t, const char *subject, const char *key,
				    const char *label, const char *unit, enum report_better better);
/* NULL when there is none. */
struct report_figure *report_find_figure(const struct report_test *t, const char *subject,
					 const char *key);
/* What is no number (NAN, infinite) counts as a failed run. */
void report_sample(struct report_figure *f, double value);
/* NAN for NULL, and without samples. */
double report_median(const struct report_figure *f);
void report_floor(struct report_figure *f, double value, const char *label);

/* evidence_fmt gives the first line of evidence; more with report_evidence(). */
struct report_claim *report_claim(struct report_test *t, const char *subject, const char *key,
				  enum report_verdict verdict, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
void report_evidence(struct report_claim *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void report_consequence(struct report_claim *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* columns is NULL-terminated; a heading that begins with '>' is aligned right. */
struct report_table *report_table(struct report_test *t, const char *key, const char *title,
				  const char *const columns[]);
/* As many cells as there are columns. */
void report_row(struct report_table *t, const char *const cells[]);
void report_check(struct report_test *t, const char *subject, const char *key, const char *what,
		  const char *unit, const char *first_name, double first, const char *second_name,
		  double second, double bound_percent, double bound_absolute);

struct report_finding *report_finding(struct report *r, enum report_severity severity, double cost,
				      const char *test, const char *subject, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));
void report_finding_free(struct report_finding *f);
void report_reason(struct report_finding *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void report_recommend(struct report_finding *f, const char *flag, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

void report_fact(struct report *r, const char *section, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void report_prerequisite(struct report *r, const char *what, bool present, const char *cost);

/* Summaries, noise, comparisons, agreement of checks; orders the findings, of which those that two tests
 * came to are kept once. Before rendering; again when something was added. */
void report_finish(struct report *r);
/* The part of it that concerns one test alone. */
void report_finish_test(struct report_test *t);

const char *report_status_name(enum report_status status);
const char *report_verdict_name(enum report_verdict verdict);
const char *report_severity_name(enum report_severity severity);

#endif
