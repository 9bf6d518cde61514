/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Docker's choice among Go's layouts (moby: api/types/time/timestamp.go) and Go's parser for the
 * elements that these have. The layout's text stands in the errors, so it is what is walked.
 */
#include "base/timestamp.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <time.h>

#include "base/clock.h"
#include "base/str.h"

#define NS_PER_S 1000000000

struct moment {
	int year, month, day, hour, minute, second;
	int64_t ns, offset_s;
	const char *out_of_range; /* which element, or NULL */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* min to max digits. */
static bool take_number(const char **value, int min, int max, int *out)
{
	int n = 0;

	for (*out = 0; n < max && is_digit((*value)[n]); n++)
		*out = *out * 10 + ((*value)[n] - '0');
	*value += n;
	return n >= min;
}

/* A fraction may stand after the seconds whether the layout has one or not. */
static bool take_fraction(const char **value, int64_t *ns)
{
	int64_t scale = NS_PER_S;

	if ((**value != '.' && **value != ',') || !is_digit((*value)[1]))
		return true;
	for ((*value)++, *ns = 0; is_digit(**value); (*value)++) {
		if (scale == 1)
			continue;
		scale /= 10;
		*ns += (**value - '0') * scale;
	}
	return true;
}

static bool take_zone(const char **value, int64_t *offset_s)
{
	char sign = **value;
	int hours, minutes;

	(*value)++;
	if (sign == 'Z')
		return true;
	if ((sign != '+' && sign != '-') || !take_number(value, 2, 2, &hours) ||
	    *(*value)++ != ':' || !take_number(value, 2, 2, &minutes))
		return false;
	*offset_s = (hours * 60 + minutes) * 60 * (sign == '-' ? -1 : 1);
	return true;
}

static void check_range(struct moment *m, const char *what, int value, int low, int high)
{
	if (!m->out_of_range && (value < low || value > high))
		m->out_of_range = what;
}

/* One element of the layout. */
static bool take_element(const char *element, const char **value, struct moment *m)
{
	bool ok;

	if (str_eq(element, "2006"))
		return take_number(value, 4, 4, &m->year);
	if (str_eq(element, "01")) {
		ok = take_number(value, 2, 2, &m->month);
		check_range(m, "month", m->month, 1, 12);
	} else if (str_eq(element, "02")) {
		ok = take_number(value, 2, 2, &m->day);
	} else if (str_eq(element, "15")) {
		ok = take_number(value, 1, 2, &m->hour);
		check_range(m, "hour", m->hour, 0, 23);
	} else if (str_eq(element, "04")) {
		ok = take_number(value, 2, 2, &m->minute);
		check_range(m, "minute", m->minute, 0, 59);
	} else if (str_eq(element, "05")) {
		ok = take_number(value, 2, 2, &m->second) && take_fraction(value, &m->ns);
		check_range(m, "second", m->second, 0, 59);
	} else {
		ok = take_zone(value, &m->offset_s);
	}
	return ok;
}

/* The element that the layout has here, or "". */
static const char *element_at(const char *layout)
{
	static const char *const elements[] = {"2006", "01", "02", "15", "04", "05", "Z07:00"};

	for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++) {
		if (str_starts(layout, elements[i]))
			return elements[i];
	}
	return "";
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

static int parse_layout(const char *layout, const char *text, struct moment *m, struct err *err)
{
	const char *value = text, *at = layout;

	while (*at) {
		const char *element = element_at(at), *before = value;

		if (str_starts(at, ".999999999")) {
			at += strlen(".999999999");
		} else if (!*element && *at == *value) {
			at++;
			value++;
		} else if (!*element) {
			return err_set(err, ERR_INVALID, EINVAL,
				       "parsing time \"%s\" as \"%s\": cannot parse \"%s\" as "
				       "\"%.*s\"",
				       text, layout, value, 1, at);
		} else if (!take_element(element, &value, m)) {
			return err_set(err, ERR_INVALID, EINVAL,
				       "parsing time \"%s\" as \"%s\": cannot parse \"%s\" as "
				       "\"%s\"",
				       text, layout, before, element);
		} else {
			at += strlen(element);
		}
		if (m->out_of_range)
			return err_set(err, ERR_INVALID, EINVAL,
				       "parsing time \"%s\": %s out of range", text,
				       m->out_of_range);
	}
	if (*value)
		return err_set(err, ERR_INVALID, EINVAL, "parsing time \"%s\": extra text: \"%s\"",
			       text, value);
	if (m->day < 1 || m->day > days_in_month(m->year, m->month))
		return err_set(err, ERR_INVALID, EINVAL, "parsing time \"%s\": day out of range",
			       text);
	return 0;
}

static size_t count_char(const char *text, char c)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == c;
	return n;
}

/* local: the text names no time zone. */
static const char *choose_layout(const char *text, bool local)
{
	size_t colons = count_char(text, ':');

	if (strchr(text, '.'))
		return local ? "2006-01-02T15:04:05.999999999"
			     : "2006-01-02T15:04:05.999999999Z07:00";
	if (!strchr(text, 'T'))
		return local ? "2006-01-02" : "2006-01-02Z07:00";
	/* The offset's own. */
	if (!local && !strpbrk(text, "zZ") && colons)
		colons--;
	if (colons == 0)
		return local ? "2006-01-02T15" : "2006-01-02T15Z07:00";
	if (colons == 1)
		return local ? "2006-01-02T15:04" : "2006-01-02T15:04Z07:00";
	return local ? "2006-01-02T15:04:05" : "2006-01-02T15:04:05Z07:00";
}

static int64_t local_offset(uint64_t now_ns)
{
	time_t seconds = (time_t)(now_ns / NS_PER_S);
	struct tm tm;

	return localtime_r(&seconds, &tm) ? tm.tm_gmtoff : 0;
}

/* "s" or "s.fraction" since the epoch, sign allowed. */
static int parse_unix(const char *text, uint64_t *out_ns)
{
	const char *point = strchr(text, '.');
	auto_free char *seconds = xstrndup(text, point ? (size_t)(point - text) : strlen(text));
	int64_t s, ns = 0;

	if (str_to_i64(seconds, &s) < 0)
		return -EINVAL;
	if (point && point[1]) {
		if (!take_fraction(&point, &ns) || *point)
			return -EINVAL;
	}
	*out_ns = s < 0 || s > INT64_MAX / NS_PER_S ? 0 : (uint64_t)s * NS_PER_S + (uint64_t)ns;
	return 0;
}

static uint64_t to_wall(const struct moment *m)
{
	char text[64];
	uint64_t ns = 0;
	int64_t total;

	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02dZ", m->year, m->month, m->day,
		 m->hour, m->minute, m->second);
	if (clock_parse_rfc3339(text, &ns) < 0)
		return 0;
	total = (int64_t)ns + m->ns - m->offset_s * NS_PER_S;
	return total < 0 ? 0 : (uint64_t)total;
}

int timestamp_parse(const char *text, uint64_t now_ns, uint64_t *out_ns, struct err *err)
{
	bool local = !strpbrk(text, "zZ+") && count_char(text, '-') != 3;
	struct moment m = {.month = 1, .day = 1, .offset_s = local ? local_offset(now_ns) : 0};
	int64_t duration;
	int rc;

	if (!str_eq(text, "0") && str_to_duration(text, &duration) == 0) {
		int64_t then = (int64_t)now_ns - duration;

		*out_ns = then < 0 ? 0 : (uint64_t)then / NS_PER_S * NS_PER_S;
		return 0;
	}
	rc = parse_layout(choose_layout(text, local), text, &m, err);
	if (rc == 0) {
		*out_ns = to_wall(&m);
		return 0;
	}
	if (strchr(text, '-'))
		return rc;
	if (parse_unix(text, out_ns) < 0)
		return err_set(err, ERR_INVALID, EINVAL,
			       "failed to parse value as time or duration: \"%s\"", text);
	return 0;
}
