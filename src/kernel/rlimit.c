/* SPDX-License-Identifier: Apache-2.0 */
/* Names of resource limits and Docker's --ulimit syntax. Allocates nothing. */
#include "kernel/rlimit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"

static const struct {
	const char *name; /* without RLIMIT_, lower case */
	int resource;
} table[RLIMIT_NAME_COUNT] = {
	{"cpu", RLIMIT_CPU},           {"fsize", RLIMIT_FSIZE},
	{"data", RLIMIT_DATA},         {"stack", RLIMIT_STACK},
	{"core", RLIMIT_CORE},         {"rss", RLIMIT_RSS},
	{"nproc", RLIMIT_NPROC},       {"nofile", RLIMIT_NOFILE},
	{"memlock", RLIMIT_MEMLOCK},   {"as", RLIMIT_AS},
	{"locks", RLIMIT_LOCKS},       {"sigpending", RLIMIT_SIGPENDING},
	{"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
	{"rtprio", RLIMIT_RTPRIO},     {"rttime", RLIMIT_RTTIME},
};

static const char *const oci_names[RLIMIT_NAME_COUNT] = {
	"RLIMIT_CPU",      "RLIMIT_FSIZE", "RLIMIT_DATA",   "RLIMIT_STACK",
	"RLIMIT_CORE",     "RLIMIT_RSS",   "RLIMIT_NPROC",  "RLIMIT_NOFILE",
	"RLIMIT_MEMLOCK",  "RLIMIT_AS",    "RLIMIT_LOCKS",  "RLIMIT_SIGPENDING",
	"RLIMIT_MSGQUEUE", "RLIMIT_NICE",  "RLIMIT_RTPRIO", "RLIMIT_RTTIME",
};

int rlimit_number(const char *name)
{
	for (size_t i = 0; i < RLIMIT_NAME_COUNT; i++)
		if (str_eq(table[i].name, name) || str_eq(oci_names[i], name))
			return table[i].resource;
	return -EINVAL;
}

const char *rlimit_name(int resource)
{
	for (size_t i = 0; i < RLIMIT_NAME_COUNT; i++)
		if (table[i].resource == resource)
			return oci_names[i];
	return NULL;
}

static int parse_value(const char *text, uint64_t *out)
{
	if (str_eq(text, "-1")) {
		*out = RLIMIT_UNLIMITED;
		return 0;
	}
	return str_to_u64(text, out);
}

int rlimit_parse(const char *text, struct rlimit_value *out, struct err *err)
{
	const char *equals = strchr(text, '=');
	char name[32], soft[32];
	const char *colon;

	if (!equals)
		return err_set(err, ERR_INVALID, EINVAL, "invalid ulimit argument: %.200s", text);
	if (str_format(name, sizeof(name), "%.*s", (int)(equals - text), text) ||
	    (out->resource = rlimit_number(name)) < 0 || strncmp(name, "RLIMIT_", 7) == 0)
		return err_set(err, ERR_INVALID, EINVAL, "invalid ulimit type: %.*s",
			       (int)(equals - text), text);
	colon = strchr(equals + 1, ':');
	if (str_format(soft, sizeof(soft), "%.*s",
		       colon ? (int)(colon - equals - 1) : (int)strlen(equals + 1), equals + 1) ||
	    parse_value(soft, &out->soft) || (colon && parse_value(colon + 1, &out->hard)))
		return err_set(err, ERR_INVALID, EINVAL, "invalid ulimit value \"%.200s\"",
			       equals + 1);
	if (!colon)
		out->hard = out->soft;
	if (out->hard != RLIMIT_UNLIMITED &&
	    (out->soft == RLIMIT_UNLIMITED || out->soft > out->hard))
		return err_set(
			err, ERR_INVALID, EINVAL,
			"ulimit soft limit must be less than or equal to hard limit: %s > %s", soft,
			colon + 1);
	return 0;
}

int rlimit_set(const struct rlimit_value *value)
{
	struct rlimit limit = {.rlim_cur = value->soft, .rlim_max = value->hard};

	/* By number: the libcs disagree on the type of the first parameter. */
	return syscall(SYS_prlimit64, 0, value->resource, &limit, NULL) < 0 ? -errno : 0;
}
