/* SPDX-License-Identifier: Apache-2.0 */
/* Pure functions; the steps and roundings are Docker's. */
#include "base/human.h"

#include <stddef.h>
#include <stdio.h>

#define NS_PER_S 1000000000u

void human_duration(uint64_t ns, char out[static HUMAN_MAX])
{
	uint64_t seconds = ns / NS_PER_S, minutes = seconds / 60;
	uint64_t hours = (seconds + 1800) / 3600; /* rounded */
	const struct {
		uint64_t below, value; /* the first row with hours < below is taken */
		const char *unit;
	} long_ones[] = {{48, hours, "hours"},
			 {24 * 14, hours / 24, "days"},
			 {24 * 60, hours / 24 / 7, "weeks"},
			 {24 * 365 * 2, hours / 24 / 30, "months"},
			 {UINT64_MAX, seconds / 3600 / 24 / 365, "years"}};
	size_t i = 0;

	if (seconds < 1)
		snprintf(out, HUMAN_MAX, "Less than a second");
	else if (seconds == 1)
		snprintf(out, HUMAN_MAX, "1 second");
	else if (seconds < 60)
		snprintf(out, HUMAN_MAX, "%u seconds", (unsigned)seconds);
	else if (minutes == 1)
		snprintf(out, HUMAN_MAX, "About a minute");
	else if (minutes < 60)
		snprintf(out, HUMAN_MAX, "%u minutes", (unsigned)minutes);
	else if (hours == 1)
		snprintf(out, HUMAN_MAX, "About an hour");
	else {
		while (hours >= long_ones[i].below)
			i++;
		snprintf(out, HUMAN_MAX, "%llu %s", (unsigned long long)long_ones[i].value,
			 long_ones[i].unit);
	}
}

static void scaled(double value, double base, const char *const *units, int digits, char *out)
{
	size_t i = 0;

	for (; value >= base && units[i + 1]; i++)
		value /= base;
	snprintf(out, HUMAN_MAX, "%.*g%s", digits, value, units[i]);
}

void human_size(uint64_t bytes, int digits, char out[static HUMAN_MAX])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB", NULL};

	scaled((double)bytes, 1000, units, digits, out);
}

void human_bytes(uint64_t bytes, char out[static HUMAN_MAX])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", NULL};

	scaled((double)bytes, 1024, units, 4, out);
}
