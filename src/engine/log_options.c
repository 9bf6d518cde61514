/* SPDX-License-Identifier: Apache-2.0 */
/* https://docs.docker.com/engine/logging/drivers/json-file/#options */
#include "engine/log_options.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/quote.h"
#include "base/str.h"

/* "10m", "1.5 GB", "500": as the units package of Docker's, powers of 1000. */
static int parse_size(const char *text, uint64_t *out)
{
	static const char units[] = "kmgtp";
	char *end;
	double number = strtod(text, &end);
	const char *unit;

	if (end == text || number < 0)
		return -EINVAL;
	end += *end == ' ';
	unit = *end ? strchr(units, tolower((unsigned char)*end)) : NULL;
	for (const char *u = units; unit && u <= unit; u++)
		number *= 1000;
	end += unit != NULL;
	end += *end == 'b' || *end == 'B';
	if (*end || number > 9e18)
		return -EINVAL;
	*out = (uint64_t)number;
	return 0;
}

static int parse_max_size(const char *text, uint64_t *out, struct err *err)
{
	if (str_eq(text, "-1")) {
		*out = 0;
		return 0;
	}
	if (parse_size(text, out) < 0)
		return err_set(err, ERR_INVALID, EINVAL, "invalid size: '%s'", text);
	if (*out == 0)
		return err_set(err, ERR_INVALID, EINVAL, "max-size must be a positive number");
	return 0;
}

static int parse_max_file(const char *text, uint32_t *out, struct err *err)
{
	bool negative = *text == '-';
	uint64_t n;

	if (str_to_u64(text + negative, &n) < 0 || n > INT32_MAX)
		return err_set(err, ERR_INVALID, EINVAL,
			       "strconv.Atoi: parsing \"%s\": invalid syntax", text);
	if (n < 1 || negative)
		return err_set(err, ERR_INVALID, EINVAL, "max-file cannot be less than 1");
	*out = (uint32_t)n;
	return 0;
}

static int check_bool(const char *text, struct err *err)
{
	auto_strbuf struct strbuf quoted = {0};
	bool value;

	if (str_to_bool(text, &value) == 0)
		return 0;
	quote_go(&quoted, text, strlen(text));
	return err_set(err, ERR_INVALID, EINVAL, "strconv.ParseBool: parsing %s: invalid syntax",
		       strbuf_str(&quoted));
}

int log_options_parse(const struct strv *options, uint64_t *max_bytes, uint32_t *max_files,
		      struct err *err)
{
	for (size_t i = 0; i < options->count; i++) {
		const char *option = options->items[i];
		int rc = 0;

		if (strncmp(option, "max-size=", 9) == 0)
			rc = parse_max_size(option + 9, max_bytes, err);
		else if (strncmp(option, "max-file=", 9) == 0)
			rc = parse_max_file(option + 9, max_files, err);
		else if (strncmp(option, "compress=", 9) == 0)
			rc = check_bool(option + 9, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}
