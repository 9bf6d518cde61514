/* SPDX-License-Identifier: Apache-2.0 */
/* Names of resource limits. Allocates nothing. */
#include "kernel/rlimit.h"

#include <errno.h>
#include <sys/resource.h>

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
