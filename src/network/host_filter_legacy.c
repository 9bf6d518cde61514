/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether iptables-legacy filters forwarded packets. It is no nf_tables: its whole table would have to
 * be written anew for one rule, in a race with everybody else, so it is only looked at.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netfilter_ipv4/ip_tables.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "network/host_filter_internal.h"

#define TABLE "filter"

/* To ask for a table makes it, so only where its name is listed. */
static bool table_is_there(void)
{
	char names[1024];
	auto_close int fd = open("/proc/self/net/ip_tables_names", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, names, sizeof names - 1);

	if (n <= 0)
		return false;
	names[n] = '\0';
	return strncmp(names, TABLE "\n", sizeof TABLE) == 0 || strstr(names, "\n" TABLE "\n");
}

/* The policy is the last entry of the chain, which is what "underflow" points to. */
static bool policy_is_drop(int fd, const struct ipt_getinfo *info)
{
	size_t size = sizeof(struct ipt_get_entries) + info->size;
	auto_free struct ipt_get_entries *entries = xcalloc(1, size);
	size_t at = info->underflow[NF_INET_FORWARD];
	const struct xt_standard_target *target;
	const struct ipt_entry *entry;
	socklen_t n = (socklen_t)size;

	memcpy(entries->name, TABLE, sizeof TABLE);
	entries->size = info->size;
	if (getsockopt(fd, IPPROTO_IP, IPT_SO_GET_ENTRIES, entries, &n) < 0 ||
	    at + sizeof *entry + sizeof *target > info->size)
		return true; /* changed meanwhile: somebody is filtering */
	entry = (const void *)((const char *)entries->entrytable + at);
	if (at + entry->target_offset + sizeof *target > info->size)
		return true;
	target = (const void *)((const char *)entry + entry->target_offset);
	return target->verdict == -NF_DROP - 1;
}

bool host_filter_is_legacy(void)
{
	struct ipt_getinfo info = {.name = TABLE};
	socklen_t n = sizeof info;
	auto_close int fd = -1;

	if (!table_is_there())
		return false;
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0 || getsockopt(fd, IPPROTO_IP, IPT_SO_GET_INFO, &info, &n) < 0)
		return false;
	return info.hook_entry[NF_INET_FORWARD] != info.underflow[NF_INET_FORWARD] ||
	       policy_is_drop(fd, &info);
}
