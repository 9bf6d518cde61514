/* SPDX-License-Identifier: Apache-2.0 */
/* Values of filters. Pure. */
#include "engine/filter_values.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

#define NS_PER_S 1000000000u

bool filter_label(const struct strv *labels, const char *value)
{
	return strchr(value, '=') ? strv_contains(labels, value)
				  : strv_get_env(labels, value) != NULL;
}

/* "1136073600.000000001" */
static int parse_seconds(const char *value, uint64_t *wall_ns)
{
	size_t whole = strcspn(value, ".");
	auto_free char *seconds_text = xstrndup(value, whole);
	char fraction[10] = "000000000";
	uint64_t seconds, ns;

	if (value[whole]) {
		size_t n = strlen(value + whole + 1);

		if (n < 1 || n > 9)
			return -EINVAL;
		memcpy(fraction, value + whole + 1, n);
	}
	if (str_to_u64(seconds_text, &seconds) < 0 || str_to_u64(fraction, &ns) < 0 ||
	    seconds > UINT64_MAX / NS_PER_S - 1)
		return -EINVAL;
	*wall_ns = seconds * NS_PER_S + ns;
	return 0;
}

int filter_until(const char *value, uint64_t now_ns, uint64_t *wall_ns)
{
	int64_t ago;

	if (parse_seconds(value, wall_ns) == 0)
		return 0;
	if (str_to_duration(value, &ago) == 0) {
		*wall_ns = ago > 0 && (uint64_t)ago > now_ns ? 0 : now_ns - (uint64_t)ago;
		return 0;
	}
	return clock_parse_rfc3339(value, wall_ns);
}

int filter_bad_value(const char *key, const char *value, struct err *err)
{
	return err_set(err, ERR_INVALID, EINVAL, "invalid filter '%s=[%.200s]'", key, value);
}

int filter_unknown(const char *filter, struct err *err)
{
	return err_set(err, ERR_INVALID, EINVAL, "invalid filter '%.*s'", (int)strcspn(filter, "="),
		       filter);
}
