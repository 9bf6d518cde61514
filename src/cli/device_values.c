/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of run's flags that name devices or kernel settings: --device, --device-cgroup-rule,
 * --device-read-bps and its kin, --sysctl. What Docker's client refuses is refused here, in its words;
 * whether a device exists is asked at each start.
 */
#include <ctype.h>

#include "cli/run_values.h"

/* Letters of "rwm", each at most once. */
static bool is_device_mode(const char *text)
{
	static const char letters[] = "rwm";
	unsigned seen = 0;

	for (const char *p = text; *p; p++) {
		const char *at = strchr(letters, *p);

		if (!at || (seen & (1u << (at - letters))))
			return false;
		seen |= 1u << (at - letters);
	}
	return seen != 0;
}

static int refuse_path(const char *value, struct err *err)
{
	return err_set(err, ERR_CONFLICT, 0, "bad format for path: %s", value);
}

static int add_device(struct container_config *c, const char *host, const char *container,
		      const char *mode, struct err *err)
{
	struct device_request *d;

	if (*container != '/')
		return err_set(err, ERR_CONFLICT, 0, "%s is not an absolute path", container);
	c->devices = xrealloc(c->devices, (c->device_count + 1) * sizeof(*c->devices));
	d = &c->devices[c->device_count++];
	*d = (struct device_request){.host_path = xstrdup(host),
				     .container_path = run_absolute_path(container),
				     .permissions = xstrdup(mode)};
	return 0;
}

/* HOST, HOST:MODE, HOST:CONTAINER, HOST:CONTAINER:MODE */
static int set_device(void *field, const char *value, const struct option *o, struct err *err)
{
	auto_free char *copy = xstrdup(value);
	char *rest = copy, *part[4] = {NULL};
	size_t n = 0;

	(void)o;
	while (n < 4 && rest)
		part[n++] = strsep(&rest, ":");
	if (n > 3 || !*part[0])
		return refuse_path(value, err);
	if (n == 3 && !is_device_mode(part[2]))
		return err_set(err, ERR_CONFLICT, 0, "bad mode specified: %s", part[2]);
	if (n == 2 && is_device_mode(part[1]))
		return add_device(field, part[0], part[0], part[1], err);
	return add_device(field, part[0], n > 1 ? part[1] : part[0], n > 2 ? part[2] : "rwm", err);
}

/* A number, or "*". Returns what follows, NULL when it is neither. */
static const char *skip_number(const char *p)
{
	const char *start = p;

	if (*p == '*')
		return p + 1;
	while (isdigit((unsigned char)*p))
		p++;
	return p > start ? p : NULL;
}

/* "[acb] MAJOR:MINOR [rwm]{1,3}" */
static bool is_cgroup_rule(const char *text)
{
	const char *p = text;
	size_t n;

	if (!*p || !strchr("acb", *p) || p[1] != ' ')
		return false;
	p = skip_number(p + 2);
	p = p && *p == ':' ? skip_number(p + 1) : NULL;
	if (!p || *p != ' ')
		return false;
	n = strspn(p + 1, "rwm");
	return n >= 1 && n <= 3 && !p[1 + n];
}

static int set_cgroup_rule(void *field, const char *value, const struct option *o, struct err *err)
{
	(void)o;
	if (!is_cgroup_rule(value))
		return err_set(err, ERR_USAGE, 0, "invalid device cgroup format '%s'", value);
	strv_add(field, value);
	return 0;
}

/* "/dev/X:VALUE" -> the path, which the caller frees, and where VALUE begins. */
static int split_device(const char *value, char **path, const char **rest, struct err *err)
{
	const char *colon = strchr(value, ':');

	if (!colon || strchr(colon + 1, ':') || colon == value)
		return err_set(err, ERR_USAGE, 0, "bad format: %s", value);
	if (!str_starts(value, "/dev/"))
		return err_set(err, ERR_USAGE, 0, "bad format for device path: %s", value);
	*path = xstrndup(value, (size_t)(colon - value));
	*rest = colon + 1;
	return 0;
}

static void append_rate(struct rate_list *list, char **path, int64_t rate)
{
	list->items = xrealloc(list->items, (list->count + 1) * sizeof(*list->items));
	list->items[list->count++] = (struct rate_request){.path = take_ptr(path), .rate = rate};
}

static int add_rate(struct rate_list *list, const char *value, bool bytes, struct err *err)
{
	auto_free char *path = NULL;
	struct err ignored;
	int64_t rate = -1;
	const char *text;
	int rc = split_device(value, &path, &text, err);

	if (rc < 0)
		return rc;
	rc = bytes ? option_parse_bytes(text, &rate, &ignored)
		   : option_parse_int(text, &rate, &ignored);
	if (rc < 0 || rate < 0)
		return err_set(err, ERR_USAGE, 0,
			       "invalid rate for device: %s. The correct format is "
			       "<device-path>:<number>%s. Number must be a positive integer%s",
			       value, bytes ? "[<unit>]" : "",
			       bytes ? ". Unit is optional and can be kb, mb, or gb" : "");
	append_rate(list, &path, rate);
	return 0;
}

/* 0 leaves the device's weight as it is. */
static int set_device_weight(void *field, const char *value, const struct option *o,
			     struct err *err)
{
	auto_free char *path = NULL;
	const char *text;
	uint64_t weight;
	int rc = split_device(value, &path, &text, err);

	(void)o;
	if (rc < 0)
		return rc;
	if (str_to_u64(text, &weight) < 0 || weight > 1000 || (weight > 0 && weight < 10))
		return err_set(err, ERR_USAGE, 0, "invalid weight for device: %s", value);
	append_rate(field, &path, (int64_t)weight);
	return 0;
}

static int set_bytes_rate(void *field, const char *value, const struct option *o, struct err *err)
{
	(void)o;
	return add_rate(field, value, true, err);
}

static int set_operations_rate(void *field, const char *value, const struct option *o,
			       struct err *err)
{
	(void)o;
	return add_rate(field, value, false, err);
}

/* Those that belong to a namespace of the container. */
static bool is_namespaced_sysctl(const char *value)
{
	static const char *const names[] = {
		"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
		"kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"};
	size_t n = strcspn(value, "=");

	if (!value[n])
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i]) == n && strncmp(names[i], value, n) == 0)
			return true;
	}
	return str_starts(value, "net.") || str_starts(value, "fs.mqueue.");
}

static int set_sysctl(void *field, const char *value, const struct option *o, struct err *err)
{
	(void)o;
	if (!is_namespaced_sysctl(value))
		return err_set(err, ERR_USAGE, 0, "sysctl '%s' is not allowed", value);
	strv_set_env(field, value);
	return 0;
}

static int set_refused_gpus(void *field, const char *value, const struct option *o, struct err *err)
{
	(void)field, (void)value, (void)o;
	return err_set(err, ERR_UNSUPPORTED, 0,
		       "could not select device driver \"\" with capabilities: [[gpu]]");
}

const struct option_type option_device = {"list", false, set_device};
const struct option_type option_cgroup_rule = {"list", false, set_cgroup_rule};
const struct option_type option_bytes_rate = {"list", false, set_bytes_rate};
const struct option_type option_operations_rate = {"list", false, set_operations_rate};
const struct option_type option_device_weight = {"list", false, set_device_weight};
const struct option_type option_sysctl = {"map", false, set_sysctl};
const struct option_type option_gpus = {"gpu-request", false, set_refused_gpus};
