/* SPDX-License-Identifier: Apache-2.0 */
/* What a figure is worth depends on where it was taken. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "bench.h"

/* The text after "key : " in /proc/cpuinfo or meminfo, cut at the line's end. */
static void find_field(const char *path, const char *key, char *out, size_t size)
{
	auto_fclose FILE *f = fopen(path, "re");
	char line[512];

	snprintf(out, size, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (!colon || strncmp(line, key, strlen(key)) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(out, size, "%s", colon + 1 + strspn(colon + 1, " \t"));
		return;
	}
}

static void read_line(const char *path, char *out, size_t size)
{
	ssize_t n = file_read_small_at(AT_FDCWD, path, out, size);

	if (n < 0)
		snprintf(out, size, "unknown");
	out[strcspn(out, "\n")] = '\0';
}

/* "v1 cpu cpuset ... + v2", from the mount table. */
static void describe_cgroups(struct strbuf *out)
{
	auto_fclose FILE *f = fopen("/proc/self/mounts", "re");
	char line[4096], target[1024], type[64];
	bool v2 = false;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %1023s %63s", target, type) != 2)
			continue;
		if (str_eq(type, "cgroup"))
			strbuf_printf(out, "%s%s", out->len ? " " : "v1: ",
				      strrchr(target, '/') ? strrchr(target, '/') + 1 : target);
		v2 = v2 || str_eq(type, "cgroup2");
	}
	if (v2)
		strbuf_puts(out, out->len ? " and v2" : "v2");
}

static const char *file_system_name(const char *dir, char *buffer, size_t size)
{
	static const struct {
		long magic;
		const char *name;
	} known[] = {{0xEF53, "ext2/3/4"},  {0x58465342, "xfs"},     {0x9123683E, "btrfs"},
		     {0x01021994, "tmpfs"}, {0x794c7630, "overlay"}, {0x2FC12FC1, "zfs"}};
	struct statfs fs;

	if (statfs(dir, &fs) < 0)
		return "unknown";
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if ((long)fs.f_type == known[i].magic)
			return known[i].name;
	}
	snprintf(buffer, size, "type 0x%lx", (unsigned long)fs.f_type);
	return buffer;
}

struct json_object *bench_environment(const char *dir, const struct strv *notes)
{
	struct json_object *o = json_object_new_object();
	auto_strbuf struct strbuf cgroups = {0};
	char text[512], date[CLOCK_RFC3339_MAX];
	struct utsname u;

	clock_format_rfc3339(clock_wall_ns(), date);
	json_add_string(o, "Date", date);
	if (uname(&u) == 0) {
		json_add_string(o, "Kernel", u.release);
		json_add_string(o, "Machine", u.machine);
	}
	find_field("/proc/cpuinfo", "model name", text, sizeof(text));
	json_add_string(o, "Processor", text);
	json_add_i64(o, "Processors", get_nprocs());
	find_field("/proc/cpuinfo", "flags", text, sizeof(text));
	json_add_bool(o, "VirtualMachine",
		      access("/sys/hypervisor/type", F_OK) == 0 ||
			      strstr(text, " hypervisor") != NULL);
	find_field("/proc/meminfo", "MemTotal", text, sizeof(text));
	json_add_string(o, "Memory", text);
	read_line("/proc/loadavg", text, sizeof(text));
	json_add_string(o, "LoadAverage", text);
	read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", text,
		  sizeof(text));
	json_add_string(o, "ClockSource", text);
	describe_cgroups(&cgroups);
	json_add_string(o, "Cgroups", strbuf_str(&cgroups));
	json_add_string(o, "FileSystem", file_system_name(dir, text, sizeof(text)));
	for (size_t i = 0; i < notes->count; i++) {
		auto_free char *key = xstrdup(notes->items[i]);
		char *value = strchr(key, '=');

		if (!value)
			continue;
		*value++ = '\0';
		json_add_string(o, key, value);
	}
	return o;
}

void bench_environment_text(struct json_object *environment, struct strbuf *out)
{
	json_object_object_foreach(environment, key, value)
		strbuf_printf(out, "%-16s %s\n", key, json_object_get_string(value));
}
