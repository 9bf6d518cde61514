/* SPDX-License-Identifier: Apache-2.0 */
/* Values of run's flags that are not mounts: environment, labels, limits, namespace modes. */
#include "cli/run_values.h"

static int set_env(void *field, const char *value, const struct option *o, struct err *err)
{
	const char *inherited;

	(void)o;
	if (!*value || *value == '=')
		return err_set(err, ERR_USAGE, 0, "invalid environment variable: %s", value);
	if (strchr(value, '=')) {
		strv_add(field, value);
		return 0;
	}
	inherited = getenv(value);
	/* Not set here either: a bare key takes the image's variable away. */
	strv_add_taken(field, inherited ? xasprintf("%s=%s", value, inherited) : xstrdup(value));
	return 0;
}

static int set_label(void *field, const char *value, const struct option *o, struct err *err)
{
	(void)o;
	if (value[strspn(value, " \t\r\n\v\f")] == '=' || !value[strspn(value, " \t\r\n\v\f")])
		return err_set(err, ERR_USAGE, 0, "invalid label '%s': empty name", value);
	if (strchr(value, '='))
		strv_add(field, value);
	else
		strv_add_taken(field, xasprintf("%s=", value));
	return 0;
}

static int set_streams(void *field, const char *value, const struct option *o, struct err *err)
{
	static const char *const names[] = {"stdin", "stdout", "stderr"};

	(void)o;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcasecmp(value, names[i]) == 0) {
			strv_add(field, names[i]);
			return 0;
		}
	}
	return err_set(err, ERR_USAGE, 0, "valid streams are STDIN, STDOUT and STDERR");
}

static int set_swap(void *field, const char *value, const struct option *o, struct err *err)
{
	(void)o;
	if (str_eq(value, "-1")) {
		*(int64_t *)field = -1;
		return 0;
	}
	return option_parse_bytes(value, field, err);
}

static bool is_ulimit(const char *name)
{
	static const char *const names[] = {"core",    "cpu",      "data",   "fsize",      "locks",
					    "memlock", "msgqueue", "nice",   "nofile",     "nproc",
					    "rss",     "rtprio",   "rttime", "sigpending", "stack"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (str_eq(names[i], name))
			return true;
	}
	return false;
}

/* "SOFT" or "SOFT:HARD", -1 in either for unlimited. Changes text. */
static int parse_ulimit_values(char *text, struct ulimit_request *out, struct err *err)
{
	char *colon = strchr(text, ':');
	int rc;

	if (colon && strchr(colon + 1, ':'))
		return err_set(err, ERR_USAGE, 0,
			       "too many limit value arguments - %s, can only have up to two, "
			       "`soft[:hard]`",
			       text);
	if (colon)
		*colon = '\0';
	rc = option_parse_int(text, &out->soft, err);
	if (rc < 0)
		return rc;
	out->hard = out->soft;
	if (colon) {
		rc = option_parse_int(colon + 1, &out->hard, err);
		if (rc < 0)
			return rc;
	}
	if (out->soft < -1 || out->hard < -1)
		return err_set(err, ERR_USAGE, 0,
			       "a limit is a number from 0, or -1 for unlimited");
	if (out->hard != -1 && out->soft == -1)
		return err_set(
			err, ERR_USAGE, 0,
			"ulimit soft limit must be less than or equal to hard limit: soft: -1 "
			"(unlimited), hard: %lld",
			(long long)out->hard);
	if (out->hard != -1 && out->soft > out->hard)
		return err_set(
			err, ERR_USAGE, 0,
			"ulimit soft limit must be less than or equal to hard limit: %lld > %lld",
			(long long)out->soft, (long long)out->hard);
	return 0;
}

/* The entry of that name, made when it is not there: the later flag wins. */
static struct ulimit_request *ulimit_slot(struct container_config *c, const char *name)
{
	for (size_t i = 0; i < c->ulimit_count; i++) {
		if (str_eq(c->ulimits[i].name, name))
			return &c->ulimits[i];
	}
	c->ulimits = xrealloc(c->ulimits, (c->ulimit_count + 1) * sizeof(*c->ulimits));
	c->ulimits[c->ulimit_count] = (struct ulimit_request){.name = xstrdup(name)};
	return &c->ulimits[c->ulimit_count++];
}

static int set_ulimit(void *field, const char *value, const struct option *o, struct err *err)
{
	auto_free char *name = xstrdup(value);
	char *equals = strchr(name, '=');
	struct ulimit_request limits = {0}, *slot;
	int rc;

	(void)o;
	if (!equals)
		return err_set(err, ERR_USAGE, 0, "invalid ulimit argument: %s", value);
	*equals = '\0';
	if (!is_ulimit(name))
		return err_set(err, ERR_USAGE, 0, "invalid ulimit type: %s", name);
	rc = parse_ulimit_values(equals + 1, &limits, err);
	if (rc < 0)
		return rc;
	slot = ulimit_slot(field, name);
	slot->soft = limits.soft;
	slot->hard = limits.hard;
	return 0;
}

/* One word of those in accepted (blank-separated). */
static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = words; len && *p; p += strcspn(p, " "), p += *p == ' ') {
		if (strcspn(p, " ") == len && memcmp(p, word, len) == 0)
			return true;
	}
	return false;
}

static int set_mode(void *field, const char *value, const char *accepted, enum err_kind kind,
		    const char *refusal, struct err *err)
{
	char **slot = field;

	/* "" is the default, as if the flag were not there. */
	if (*value && !has_word(accepted, value))
		return err_set(err, kind, 0, "%s", refusal);
	free(*slot);
	*slot = *value ? xstrdup(value) : NULL;
	return 0;
}

/* "container:NAME"; whether there is one of that name is the engine's to find out. */
static int set_joined(void *field, const char *value, enum err_kind kind, const char *refusal,
		      struct err *err)
{
	char **slot = field;

	if (!value[strlen("container:")])
		return err_set(err, kind, 0, "%s", refusal);
	free(*slot);
	*slot = xstrdup(value);
	return 0;
}

static int set_pid_mode(void *field, const char *value, const struct option *o, struct err *err)
{
	if (str_starts(value, "container:"))
		return set_joined(field, value, ERR_CONFLICT, "--pid: invalid PID mode", err);
	(void)o;
	return set_mode(field, value, "host", ERR_CONFLICT, "--pid: invalid PID mode", err);
}

static int set_ipc_mode(void *field, const char *value, const struct option *o, struct err *err)
{
	auto_free char *refusal = xasprintf("Invalid IPC mode: %s", value);

	(void)o;
	if (str_starts(value, "container:"))
		return set_joined(field, value, ERR_FORBIDDEN, refusal, err);
	return set_mode(field, value, "private host shareable none", ERR_FORBIDDEN, refusal, err);
}

static int set_uts_mode(void *field, const char *value, const struct option *o, struct err *err)
{
	(void)o;
	return set_mode(field, value, "host", ERR_CONFLICT, "--uts: invalid UTS mode", err);
}

static int set_cgroupns_mode(void *field, const char *value, const struct option *o,
			     struct err *err)
{
	(void)o;
	return set_mode(field, value, "private host", ERR_CONFLICT,
			"--cgroupns: invalid CGROUP mode", err);
}

const struct option_type option_env = {"list", false, set_env};
const struct option_type option_label = {"list", false, set_label};
const struct option_type option_streams = {"list", false, set_streams};
const struct option_type option_swap = {"bytes", false, set_swap};
const struct option_type option_ulimit = {"ulimit", false, set_ulimit};
const struct option_type option_pid_mode = {"string", false, set_pid_mode};
const struct option_type option_ipc_mode = {"string", false, set_ipc_mode};
const struct option_type option_uts_mode = {"string", false, set_uts_mode};
const struct option_type option_cgroupns_mode = {"string", false, set_cgroupns_mode};
