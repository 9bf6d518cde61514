/* SPDX-License-Identifier: Apache-2.0 */
/* Scales of times, bytes and rates. */
#include "observe/report/unit.h"

#include <math.h>

struct known_unit {
	const char *name;
	enum unit_kind kind;
	double size; /* in the smallest of its kind */
};

/* Of one kind from the largest on. */
static const struct known_unit known[] = {
	{"s", UNIT_TIME, 1e9},
	{"ms", UNIT_TIME, 1e6},
	{"us", UNIT_TIME, 1e3},
	{"ns", UNIT_TIME, 1},
	{"GiB", UNIT_BYTES, 1073741824.0},
	{"MiB", UNIT_BYTES, 1048576.0},
	{"KiB", UNIT_BYTES, 1024.0},
	{"B", UNIT_BYTES, 1},
	{"GiB/s", UNIT_RATE, 1073741824.0},
	{"MiB/s", UNIT_RATE, 1048576.0},
	{"KiB/s", UNIT_RATE, 1024.0},
	{"B/s", UNIT_RATE, 1},
};
#define KNOWN (sizeof(known) / sizeof(*known))

static const struct known_unit *find(const char *unit)
{
	for (size_t i = 0; i < KNOWN; i++) {
		if (str_eq(known[i].name, unit))
			return &known[i];
	}
	return NULL;
}

/* Three digits that count; none behind the point for what is whole. */
static int decimals_for(double shown, bool whole)
{
	double size = fabs(shown);
	int digits;

	if (whole || !(size > 0) || size >= 100)
		return 0;
	digits = 2 - (int)floor(log10(size));
	return digits > 6 ? 6 : digits;
}

struct unit_scale unit_scale(const char *unit, double median, double other)
{
	const struct known_unit *from = find(unit), *to = from;
	double typical = median != 0 ? median : other;
	bool count = str_eq(unit, "1");
	struct unit_scale out = {.factor = 1, .name = unit};

	/* "1" and "1/s": the one is not said. */
	if (*unit == '1' && (count || unit[1] == '/'))
		out.name++;
	if (!from) {
		out.kind = count ? UNIT_COUNT : UNIT_OTHER;
		out.decimals =
			decimals_for(typical, typical == floor(typical) && other == floor(other));
		return out;
	}
	if (isfinite(typical) && typical != 0) {
		double smallest = fabs(typical) * from->size;

		for (to = known; to->kind != from->kind || (smallest < to->size && to->size > 1);
		     to++)
			;
	}
	out.kind = from->kind;
	out.factor = from->size / to->size;
	out.name = to->name;
	out.decimals = decimals_for(typical * out.factor, to->size == 1 && from->size == 1);
	return out;
}

void unit_number(const struct unit_scale *s, double value, struct strbuf *out)
{
	double shown = value * s->factor;

	if (!isfinite(shown))
		strbuf_putc(out, '-');
	else if (fabs(shown) >= 1e15)
		strbuf_printf(out, "%.4g", shown);
	else
		/* Adding 0 turns minus nothing into nothing. */
		strbuf_printf(out, "%.*f", s->decimals, shown + 0.0);
}

void unit_value(const char *unit, double value, struct strbuf *out)
{
	struct unit_scale s = unit_scale(unit, value, value);

	unit_number(&s, value, out);
	if (*s.name && isfinite(value))
		strbuf_printf(out, " %s", s.name);
}
