/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of run's flags that say how a container lives: --restart, the --health-* times, --annotation,
 * --log-opt, --storage-opt, --pull, --platform, --userns, --isolation. Only the words are judged here.
 */
#include <errno.h>

#include "cli/run_values.h"

int run_parse_restart(const char *value, char **policy, int64_t *max_retries, struct err *err)
{
	const char *colon = strchr(value, ':');
	struct err ignored;
	int64_t count = 0;

	if (colon == value)
		return err_set(err, ERR_USAGE, 0,
			       "invalid restart policy format: no policy provided before colon");
	if (colon && colon[1] &&
	    (option_parse_int(colon + 1, &count, &ignored) < 0 || count > INT32_MAX ||
	     count < INT32_MIN))
		return err_set(err, ERR_USAGE, 0,
			       "invalid restart policy format: maximum retry count must be an "
			       "integer");
	free(*policy);
	*policy = colon ? xstrndup(value, (size_t)(colon - value)) : xstrdup(value);
	*max_retries = count;
	return 0;
}

static int set_duration(void *field, const char *value, const struct option *o, struct err *err)
{
	(void)o;
	if (*value && value[strspn(value, "+-.0123456789")] == '\0' && !str_eq(value, "0"))
		return err_set(err, ERR_USAGE, EINVAL, "time: missing unit in duration \"%s\"",
			       value);
	if (str_to_duration(value, field) < 0)
		return err_set(err, ERR_USAGE, EINVAL, "time: invalid duration \"%s\"", value);
	return 0;
}

static int set_pair(void *field, const char *value, const struct option *o, struct err *err)
{
	auto_free char *pair = strchr(value, '=') ? xstrdup(value) : xasprintf("%s=", value);

	(void)o, (void)err;
	strv_set_env(field, pair);
	return 0;
}

static int set_storage(void *field, const char *value, const struct option *o, struct err *err)
{
	(void)o;
	if (!strchr(value, '='))
		return err_set(err, ERR_CONFLICT, 0, "invalid storage option");
	strv_add(field, value);
	return 0;
}

/* Accepts one of the words, blank-separated, and keeps nothing. */
static int set_one_of(const char *words, const char *value, struct err *err, const char *fmt)
{
	size_t len = strlen(value);

	for (const char *p = words; *p; p += strcspn(p, " "), p += *p == ' ') {
		if (strcspn(p, " ") == len && memcmp(p, value, len) == 0)
			return 0;
	}
	return err_set(err, ERR_CONFLICT, 0, fmt, value);
}

static int set_isolation(void *field, const char *value, const struct option *o, struct err *err)
{
	(void)field, (void)o;
	return set_one_of("default Default DEFAULT", *value ? value : "default", err,
			  "invalid isolation '%s' on linux: only 'default' is supported");
}

static int set_pull(void *field, const char *value, const struct option *o, struct err *err)
{
	(void)o;
	if (str_eq(value, "always"))
		return err_set(err, ERR_UNSUPPORTED, 0, "--pull always is not supported yet");
	*(const char **)field = value;
	return set_one_of("missing never", *value ? value : "missing", err,
			  "invalid pull option: '%s': must be one of \"always\", \"missing\" or "
			  "\"never\"");
}

/* Namespaces of other users' containers come with user namespaces. */
static int set_userns(void *field, const char *value, const struct option *o, struct err *err)
{
	char **slot = field;

	(void)o;
	if (*value && !str_eq(value, "host"))
		return err_set(err, ERR_CONFLICT, 0, "--userns: invalid USER mode");
	free(*slot);
	*slot = xstrdup(value);
	return 0;
}

static int set_volume_driver(void *field, const char *value, const struct option *o,
			     struct err *err)
{
	char **slot = field;

	(void)o;
	if (*value && !str_eq(value, "local"))
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "error looking up volume plugin %s: plugin \"%s\" not found", value,
			       value);
	free(*slot);
	*slot = xstrdup(value);
	return 0;
}

const struct option_type option_duration = {"duration", false, set_duration};
const struct option_type option_annotation = {"map", false, set_pair};
const struct option_type option_log_opt = {"list", false, set_pair};
const struct option_type option_storage_opt = {"list", false, set_storage};
const struct option_type option_isolation = {"string", false, set_isolation};
const struct option_type option_pull = {"string", false, set_pull};
const struct option_type option_userns = {"string", false, set_userns};
const struct option_type option_volume_driver = {"string", false, set_volume_driver};
