/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the text renderer share. Nobody else includes it. */
#ifndef CLOCHE_OBSERVE_REPORT_REPORT_TEXT_H
#define CLOCHE_OBSERVE_REPORT_REPORT_TEXT_H

#include "observe/report/report_render.h"
#include "observe/report/text.h"

/* What a first look is shown of long lists. */
#define TEXT_FIGURES_MAX 24
#define TEXT_ROWS_MAX 14
#define TEXT_EVIDENCE_MAX 6
#define TEXT_FINDINGS_MAX 15
#define TEXT_LINES_MAX 3

/* "... 12 more figures; --details shows all", when there are more than were shown. */
void text_more(const struct text *t, size_t indent, size_t count, size_t shown, const char *what);
/* The figures of a test, sampled ones and single values, with what stands below them. */
void text_figures(const struct text *t, const struct report_test *test, bool details);
/* The facts of one section below its name; nothing where there are none. */
void text_facts(const struct text *t, const struct report *r, const char *section, bool details);
/* "SUBJECT" belongs to a table only where there is more than one. */
bool text_subjects_differ(const struct report_test *test);

#endif
