/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How each kind of flag reads its value. Strict: what Docker's client refuses is refused here with
 * the same words, and nothing is rounded or cut in silence.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>

#include "base/quote.h"
#include "cli/options.h"

/* `strconv.ParseInt: parsing "x": invalid syntax` */
static int go_parse_error(struct err *err, const char *function, const char *value, const char *why)
{
	auto_strbuf struct strbuf quoted = {0};

	quote_go(&quoted, value, strlen(value));
	return err_set(err, ERR_USAGE, EINVAL, "strconv.%s: parsing %s: %s", function,
		       strbuf_str(&quoted), why);
}

static int set_bool(void *field, const char *value, const struct option *o, struct err *err)
{
	(void)o;
	if (str_to_bool(value, field) < 0)
		return go_parse_error(err, "ParseBool", value, "invalid syntax");
	return 0;
}

static int set_text(void *field, const char *value, const struct option *o, struct err *err)
{
	(void)o, (void)err;
	*(const char **)field = value;
	return 0;
}

static int set_string(void *field, const char *value, const struct option *o, struct err *err)
{
	char **slot = field;

	(void)o, (void)err;
	free(*slot);
	*slot = xstrdup(value);
	return 0;
}

static int set_list(void *field, const char *value, const struct option *o, struct err *err)
{
	(void)o, (void)err;
	strv_add(field, value);
	return 0;
}

/* "a,b" is two, as in pflag's string slices. */
static int set_strings(void *field, const char *value, const struct option *o, struct err *err)
{
	(void)o, (void)err;
	for (;;) {
		size_t n = strcspn(value, ",");

		strv_add_taken(field, xstrndup(value, n));
		if (!value[n])
			return 0;
		value += n + 1;
	}
}

/* "key" is "key="; the last of a key counts. */
static int set_map(void *field, const char *value, const struct option *o, struct err *err)
{
	auto_free char *pair = xasprintf("%s%s", value, strchr(value, '=') ? "" : "=");

	(void)o, (void)err;
	strv_set_env(field, pair);
	return 0;
}

/* Narrows text[*from, *end) by blanks at both ends. */
static void trim(const char *text, size_t *from, size_t *end)
{
	while (*from < *end && isspace((unsigned char)text[*from]))
		(*from)++;
	while (*end > *from && isspace((unsigned char)text[*end - 1]))
		(*end)--;
}

/* As Docker's client: the name in small letters, both without blanks around, nothing for nothing. */
static int set_filter(void *field, const char *value, const struct option *o, struct err *err)
{
	auto_strbuf struct strbuf filter = {0};
	size_t name = strcspn(value, "="), end = strlen(value), first = name + 1, from = 0;

	(void)o;
	if (!*value)
		return 0;
	if (!value[name])
		return err_set(err, ERR_USAGE, 0, "bad format of filter (expected name=value)");
	trim(value, &from, &name);
	trim(value, &first, &end);
	for (; from < name; from++)
		strbuf_putc(&filter, (char)tolower((unsigned char)value[from]));
	strbuf_putc(&filter, '=');
	strbuf_add(&filter, value + first, end - first);
	strv_add(field, strbuf_str(&filter));
	return 0;
}

/* The digits that Go accepts for base 0: "0x1f", "0o17", "017", "0b1"; returns the base. */
static int integer_base(const char **digits)
{
	static const struct {
		char letter;
		int base;
	} prefixes[] = {{'x', 16}, {'o', 8}, {'b', 2}};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if ((*digits)[0] == '0' &&
		    tolower((unsigned char)(*digits)[1]) == prefixes[i].letter) {
			*digits += 2;
			return prefixes[i].base;
		}
	}
	return (*digits)[0] == '0' && (*digits)[1] ? 8 : 10;
}

int option_parse_int(const char *value, int64_t *out, struct err *err)
{
	bool negative = *value == '-';
	const char *digits = value + (*value == '-' || *value == '+');
	int base = integer_base(&digits);
	unsigned long long magnitude;
	char *end;

	if (!isxdigit((unsigned char)*digits))
		return go_parse_error(err, "ParseInt", value, "invalid syntax");
	errno = 0;
	magnitude = strtoull(digits, &end, base);
	if (*end || (base == 16 && digits[0] == '0' && tolower((unsigned char)digits[1]) == 'x'))
		return go_parse_error(err, "ParseInt", value, "invalid syntax");
	if (errno || magnitude > (unsigned long long)INT64_MAX + negative)
		return go_parse_error(err, "ParseInt", value, "value out of range");
	*out = (int64_t)(negative ? 0 - magnitude : magnitude);
	return 0;
}

static int set_int(void *field, const char *value, const struct option *o, struct err *err)
{
	(void)o;
	return option_parse_int(value, field, err);
}

static int set_uint16(void *field, const char *value, const struct option *o, struct err *err)
{
	struct err why = ERR_INIT;
	int64_t n = 0;

	(void)o;
	if (*value == '-' || *value == '+' ||
	    (option_parse_int(value, &n, &why) < 0 && str_ends(why.msg, "invalid syntax")))
		return go_parse_error(err, "ParseUint", value, "invalid syntax");
	if (why.kind || n > UINT16_MAX)
		return go_parse_error(err, "ParseUint", value, "value out of range");
	*(int64_t *)field = n;
	return 0;
}

/* "k", "KB", "kib", "b": the power of 1024; -1 for anything else. */
static int unit_power(const char *unit)
{
	static const char letters[] = "bkmgtp";
	const char *at = strchr(letters, tolower((unsigned char)unit[0]));
	size_t len = strlen(unit);

	if (!at || (at == letters && len > 1))
		return -1;
	if (len > 1 && strcasecmp(unit + 1, "b") != 0 && strcasecmp(unit + 1, "ib") != 0)
		return -1;
	return (int)(at - letters);
}

static bool is_plain_decimal(const char *s)
{
	return *s && strspn(s, "0123456789.eE+-") == strlen(s) &&
	       (isdigit((unsigned char)s[0]) || strchr("+-.", s[0]));
}

int option_parse_bytes(const char *value, int64_t *out, struct err *err)
{
	size_t len = strlen(value), digits = len;
	auto_free char *number = NULL;
	const char *unit;
	double bytes;
	char *end;
	int power = 0;

	while (digits && !strchr("0123456789. ", value[digits - 1]))
		digits--;
	if (!digits)
		return err_set(err, ERR_USAGE, EINVAL, "invalid size: '%s'", value);
	unit = value + digits;
	number = xstrndup(value, value[digits - 1] == ' ' ? digits - 1 : digits);
	bytes = strtod(number, &end);
	if (!is_plain_decimal(number) || *end || end == number)
		return go_parse_error(err, "ParseFloat", number, "invalid syntax");
	if (*unit) {
		power = unit_power(unit);
		if (power < 0)
			return err_set(err, ERR_USAGE, EINVAL, "invalid suffix: '%s'", unit);
	}
	bytes = ldexp(bytes, 10 * power);
	if (!(bytes >= 0) || bytes >= 0x1p63)
		return err_set(err, ERR_USAGE, ERANGE, "invalid size: '%s'", value);
	*out = (int64_t)bytes;
	return 0;
}

static int set_bytes(void *field, const char *value, const struct option *o, struct err *err)
{
	(void)o;
	return option_parse_bytes(value, field, err);
}

/* Reads digits, keeping at most 18 significant ones: more cannot be a whole number of billionths
 * of any machine's processors. */
static int read_digits(const char **p, uint64_t *value, int *count)
{
	int n = 0;

	for (; isdigit((unsigned char)**p); (*p)++, n++) {
		if (*value > UINT64_C(99999999999999999))
			return -ERANGE;
		*value = *value * 10 + (uint64_t)(**p - '0');
	}
	*count = n;
	return 0;
}

/* value x 10^9 of "1.5", "3/2" or "15e-1" as a whole number. -EINVAL: not a number, -ERANGE: not a
 * whole number of billionths, or beyond 64 bits. */
static int billionths(const char *text, int64_t *out)
{
	bool negative = *text == '-';
	const char *p = text + (*text == '-' || *text == '+');
	uint64_t numerator = 0, denominator = 1;
	int whole = 0, fraction = 0, power = 9, count;

	if (read_digits(&p, &numerator, &whole) < 0)
		return -ERANGE;
	if (*p == '/') {
		denominator = 0;
		p++;
		if (!whole || read_digits(&p, &denominator, &count) < 0 || !denominator)
			return -EINVAL;
	} else {
		if (*p == '.' && (p++, read_digits(&p, &numerator, &fraction) < 0))
			return -ERANGE;
		if (*p == 'e' || *p == 'E') {
			int64_t exponent;

			if (str_to_i64(p + 1, &exponent) < 0 || exponent > 18 || exponent < -18)
				return -EINVAL;
			power += (int)exponent;
			p += strlen(p);
		}
		power -= fraction;
	}
	if (*p || whole + fraction == 0)
		return -EINVAL;
	for (; power > 0; power--) {
		if (__builtin_mul_overflow(numerator, UINT64_C(10), &numerator))
			return -ERANGE;
	}
	for (; power < 0; power++) {
		if (numerator % 10)
			return -ERANGE;
		numerator /= 10;
	}
	if (numerator % denominator || numerator / denominator > INT64_MAX)
		return -ERANGE;
	*out = (int64_t)(numerator / denominator) * (negative ? -1 : 1);
	return 0;
}

static int set_cpus(void *field, const char *value, const struct option *o, struct err *err)
{
	int rc = billionths(value, field);

	(void)o;
	if (rc == -ERANGE)
		return err_set(err, ERR_USAGE, ERANGE, "value is too precise");
	if (rc < 0)
		return err_set(err, ERR_USAGE, EINVAL, "failed to parse %s as a rational number",
			       value);
	return 0;
}

static int refuse(void *field, const char *value, const struct option *o, struct err *err)
{
	(void)field, (void)value;
	return err_set(err, ERR_UNSUPPORTED, 0, "--%s is not supported yet", o->name);
}

const struct option_type option_bool = {"", true, set_bool};
const struct option_type option_text = {"string", false, set_text};
const struct option_type option_string = {"string", false, set_string};
const struct option_type option_list = {"list", false, set_list};
const struct option_type option_strings = {"strings", false, set_strings};
const struct option_type option_map = {"map", false, set_map};
const struct option_type option_filter = {"filter", false, set_filter};
const struct option_type option_uint16 = {"uint16", false, set_uint16};
const struct option_type option_int = {"int", false, set_int};
const struct option_type option_bytes = {"bytes", false, set_bytes};
const struct option_type option_cpus = {"decimal", false, set_cpus};
const struct option_type option_later = {"value", false, refuse};
const struct option_type option_later_bool = {"", true, refuse};
