/* SPDX-License-Identifier: Apache-2.0 */
/* Figures as people read them: one scale for all numbers of a line, three digits that count. */
#ifndef CLOCHE_OBSERVE_REPORT_UNIT_H
#define CLOCHE_OBSERVE_REPORT_UNIT_H

#include "base/str.h"

enum unit_kind {
	UNIT_OTHER,
	UNIT_TIME,  /* ns, us, ms, s */
	UNIT_BYTES, /* B, KiB, MiB, GiB */
	UNIT_RATE,  /* bytes per second */
	UNIT_COUNT, /* "1" */
};

struct unit_scale {
	enum unit_kind kind;
	double factor;    /* shown = value * factor */
	const char *name; /* what stands behind the number; "" for counts */
	int decimals;
};

/* The scale in which `median` is best read, and digits for it: those of `other` when it is 0. name is borrowed
 * from unit or static. */
struct unit_scale unit_scale(const char *unit, double median, double other);
/* The number alone; "-" for what is none. At most 24 characters. */
void unit_number(const struct unit_scale *s, double value, struct strbuf *out);
/* The number with its unit. */
void unit_value(const char *unit, double value, struct strbuf *out);

#endif
