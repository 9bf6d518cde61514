/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the instruments read of processes that may be hostile. First byte 0: mountinfo, whose names a
 * container chooses; 1: a line of the helper's answers, which whoever is in the container may forge; 2:
 * mountinfo and, after a zero byte, /proc/PID/cgroup.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "observe/probe/cgroup.h"
#include "observe/probe/mounts.h"
#include "observe/subject/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_mounts(const char *text)
{
	auto_mounts struct mount_list list = {0};

	mounts_parse(text, &list);
	for (size_t i = 0; i < list.count; i++) {
		const struct mount_entry *m = &list.entries[i];
		auto_free char *host = mounts_host_path(&list, m);

		/* The uppermost there is one of that target, and a path below it lies on some mount. */
		/* A target and a root, which the text has both. */
		if (host && strlen(host) > strlen(text))
			abort();
		if (!mounts_at(&list, m->target) ||
		    !str_eq(mounts_at(&list, m->target)->target, m->target))
			abort();
		(void)mounts_holding(&list, m->target);
		(void)mounts_read_only(m);
	}
}

static void read_answer(const char *line)
{
	static const char *const keys[] = {"a", "pid", "uid_map", ""};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		auto_free char *value = session_value(line, keys[i]);
		double number = session_number(line, keys[i], -1);

		/* Decoding makes nothing longer. */
		if (value && strlen(value) > strlen(line))
			abort();
		if (!value && number != -1)
			abort();
	}
}

/* Where the host has its hierarchies: nowhere, so that no limit of a real group is read. */
static const char layout[] = "30 20 0:26 / /nonexistent/unified rw - cgroup2 cgroup2 rw\n"
			     "31 20 0:27 / /nonexistent/memory rw - cgroup cgroup rw,memory\n"
			     "32 20 0:28 / /nonexistent/cpu rw - cgroup cgroup rw,cpu,cpuacct\n";

static void read_groups(const char *text, size_t size)
{
	static struct group_view view;
	const char *cgroup = memchr(text, '\0', size);
	struct err err = ERR_INIT;

	cgroup = cgroup ? cgroup + 1 : text + size;
	if (group_probe_texts(layout, cgroup, text, &view, &err) == 0)
		(void)group_cpus(&view);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = NULL;

	if (size < 1 || size > 1 << 16)
		return 0;
	text = xcalloc(1, size + 1);
	memcpy(text, data + 1, size - 1);
	if (data[0] == 0)
		read_mounts(text);
	else if (data[0] == 1)
		read_answer(text);
	else
		read_groups(text, size - 1);
	return 0;
}
