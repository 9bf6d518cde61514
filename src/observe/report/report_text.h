/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the text renderer share. Nobody else includes it. */
#ifndef CLOCHE_OBSERVE_REPORT_REPORT_TEXT_H
#define CLOCHE_OBSERVE_REPORT_REPORT_TEXT_H

#include "observe/report/report_render.h"
#include "observe/report/text.h"

/* How much of long lists is shown; 0: all. */
struct text_limits {
	size_t figures, rows, evidence, findings;
	size_t claims; /* of those that hold */
	size_t lines;  /* of one text */
	bool held;     /* evidence of claims that hold */
	bool details;  /* no limit at all */
};
struct text_limits text_limits(const struct report_text_options *o);

/* "... 12 more figures; --details shows all", when there are more than the limit. */
void text_more(const struct text *t, size_t indent, size_t count, size_t limit, const char *what);
/* The figures of a test, sampled ones and single values, with what stands below them. */
void text_figures(const struct text *t, const struct report *r, const struct report_test *test,
		  const struct text_limits *limits);
/* The facts of one section below its name; nothing where there are none. */
void text_facts(const struct text *t, const struct report *r, const char *section, size_t lines);

#endif
