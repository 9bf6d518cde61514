/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and RFC 3339, computed without tzset() so that the host's TZ never matters. */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_S 1000000000ULL

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t clock_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

uint64_t clock_cpu_ns(void)
{
	return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

/* Days since the epoch to a civil date (Howard Hinnant's algorithm, proleptic Gregorian). */
static void civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
	int64_t z = days + 719468;
	int64_t era = z / 146097;
	unsigned doe = (unsigned)(z - era * 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned mp = (5 * doy + 2) / 153;

	*day = doy - (153 * mp + 2) / 5 + 1;
	*month = mp < 10 ? mp + 3 : mp - 9;
	*year = (int64_t)yoe + era * 400 + (*month <= 2);
}

static int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
	int64_t y = year - (month <= 2);
	int64_t era = y / 400;
	unsigned yoe = (unsigned)(y - era * 400);
	unsigned doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * 146097 + (int64_t)doe - 719468;
}

void clock_format_rfc3339(uint64_t wall_ns, char out[static CLOCK_RFC3339_MAX])
{
	uint64_t s = wall_ns / NS_PER_S;
	unsigned ns = (unsigned)(wall_ns % NS_PER_S);
	unsigned month, day, rem = (unsigned)(s % 86400);
	int64_t year;
	size_t n;

	if (wall_ns == 0) {
		strcpy(out, CLOCK_RFC3339_ZERO);
		return;
	}
	civil_from_days((int64_t)(s / 86400), &year, &month, &day);
	snprintf(out, CLOCK_RFC3339_MAX, "%04d-%02u-%02uT%02u:%02u:%02u.%09u", (int)year, month,
		 day, rem / 3600, rem / 60 % 60, rem % 60, ns);
	n = strlen(out);
	while (out[n - 1] == '0')
		n--;
	if (out[n - 1] == '.')
		n--;
	out[n] = 'Z';
	out[n + 1] = '\0';
}

static int parse_fraction(const char **p, uint64_t *ns)
{
	uint64_t value = 0, scale = NS_PER_S;

	*ns = 0;
	if (**p != '.')
		return 0;
	for ((*p)++; **p >= '0' && **p <= '9'; (*p)++) {
		if (scale == 1)
			return -EINVAL;
		scale /= 10;
		value += (uint64_t)(**p - '0') * scale;
	}
	*ns = value;
	return scale == NS_PER_S ? -EINVAL : 0;
}

static int parse_offset(const char *p, int64_t *seconds)
{
	unsigned hh, mm;
	char sign;
	int used = 0;

	*seconds = 0;
	if ((*p == 'Z' || *p == 'z') && !p[1])
		return 0;
	if (sscanf(p, "%c%2u:%2u%n", &sign, &hh, &mm, &used) != 3 || p[used] ||
	    (sign != '+' && sign != '-') || hh > 23 || mm > 59)
		return -EINVAL;
	*seconds = (int64_t)(hh * 3600 + mm * 60) * (sign == '-' ? -1 : 1);
	return 0;
}

int clock_parse_rfc3339(const char *text, uint64_t *wall_ns)
{
	unsigned year, month, day, hh, mm, ss;
	int64_t offset, total;
	const char *p;
	uint64_t ns;
	char sep;
	int used = 0;

	if (sscanf(text, "%4u-%2u-%2u%c%2u:%2u:%2u%n", &year, &month, &day, &sep, &hh, &mm, &ss,
		   &used) != 7 ||
	    (sep != 'T' && sep != 't' && sep != ' ') || month < 1 || month > 12 || day < 1 ||
	    day > 31 || hh > 23 || mm > 59 || ss > 60)
		return -EINVAL;
	p = text + used;
	if (parse_fraction(&p, &ns) < 0 || parse_offset(p, &offset) < 0)
		return -EINVAL;
	total = days_from_civil(year, month, day) * 86400 + hh * 3600 + mm * 60 + ss - offset;
	*wall_ns = total < 0 ? 0 : (uint64_t)total * NS_PER_S + ns;
	return 0;
}
