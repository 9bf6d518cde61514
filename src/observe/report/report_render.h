/* SPDX-License-Identifier: Apache-2.0 */
/* The renderers of a finished report. HTML will be a third one over the same model. */
#ifndef CLOCHE_OBSERVE_REPORT_REPORT_RENDER_H
#define CLOCHE_OBSERVE_REPORT_REPORT_RENDER_H

#include "observe/report/report.h"

struct report_text_options {
	bool colour;
	bool details; /* every figure and table; otherwise what a first look needs */
	bool brief;   /* less than that: claims that hold without their evidence, few rows */
};

/* At most 100 columns, complete without colour. */
void report_text(const struct report *r, const struct report_text_options *o, struct strbuf *out);
/* One test, as soon as it is there: the driver shows it while the next one runs. Needs no
 * report_finish(); comparisons are left to report_text_end(). */
void report_text_test(struct report_test *t, const struct report *r,
		      const struct report_text_options *o, struct strbuf *out);
/* What stands before the tests (prerequisites, environment, subjects) and after them (side by side,
 * findings). */
void report_text_begin(const struct report *r, const struct report_text_options *o,
		       struct strbuf *out);
void report_text_end(const struct report *r, const struct report_text_options *o,
		     struct strbuf *out);
/* By report.schema.json, which is installed beside it. */
void report_json(const struct report *r, struct strbuf *out);

#endif
