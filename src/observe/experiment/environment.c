/* SPDX-License-Identifier: Apache-2.0 */
/* The host as far as it explains figures. What cannot be read is said to be unknown, never left out. */
#include "observe/experiment/environment.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "kernel/cgroup.h"
#include "observe/subject/session.h"

#define SECTION "environment"

/* The file's first line; "" when it cannot be read. Heap. */
static char *first_line(const char *path)
{
	char text[4096];
	ssize_t n = file_read_small_at(AT_FDCWD, path, text, sizeof(text));

	if (n <= 0)
		return xstrdup("");
	return xstrndup(text, strcspn(text, "\n"));
}

static void fact_of_file(struct report *r, const char *key, const char *path, const char *otherwise)
{
	auto_free char *text = first_line(path);

	report_fact(r, SECTION, key, "%s", *text ? text : otherwise);
}

/* ---- processor and memory ---- */

static void describe_cpu(struct report *r)
{
	auto_free char *text = NULL;
	const char *model = "unknown processor", *at;
	bool virtual;
	size_t n;

	if (file_read_at(AT_FDCWD, "/proc/cpuinfo", 16u << 20, &text, &n) < 0)
		text = xstrdup("");
	virtual = strstr(text, " hypervisor") != NULL;
	at = strstr(text, "model name");
	at = at ? strchr(at, ':') : NULL;
	if (at)
		model = at + 2;
	report_fact(r, SECTION, "cpu", "%ld x %.*s", sysconf(_SC_NPROCESSORS_ONLN),
		    (int)strcspn(model, "\n"), model);
	fact_of_file(r, "governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
		     "none visible");
	if (virtual) {
		auto_free char *vendor = first_line("/sys/class/dmi/id/sys_vendor");
		auto_free char *product = first_line("/sys/class/dmi/id/product_name");

		report_fact(r, SECTION, "virtualisation", "virtual machine%s%s%s%s",
			    *vendor ? ", " : "", vendor, *product ? " " : "", product);
	} else {
		report_fact(r, SECTION, "virtualisation", "none that the processor tells of");
	}
}

static void describe_memory(struct report *r)
{
	struct sysinfo s;

	if (sysinfo(&s) == 0)
		report_fact(r, SECTION, "memory", "%.1f GiB, swap %.1f GiB",
			    (double)s.totalram * s.mem_unit / (1 << 30),
			    (double)s.totalswap * s.mem_unit / (1 << 30));
}

/* ---- storage ---- */

/* The line of mountinfo whose mount point is the longest that contains path; "" when none. Heap. */
static char *mount_of(const char *path)
{
	auto_free char *text = NULL;
	size_t best = 0, size;
	char *save, *line, *found = xstrdup("");

	if (file_read_at(AT_FDCWD, "/proc/self/mountinfo", 16u << 20, &text, &size) < 0)
		return found;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char place[1024];
		size_t n;

		if (sscanf(line, "%*s %*s %*s %*s %1023s", place) != 1)
			continue;
		n = strlen(place);
		if (n < best || !str_starts(path, place) ||
		    (n > 1 && path[n] != '/' && path[n] != '\0'))
			continue;
		best = n;
		free(found);
		found = xstrdup(line);
	}
	return found;
}

static void describe_device(struct report *r, const char *path)
{
	struct stat st;
	char place[128];
	const char *layers[] = {"", "/.."}; /* a partition's queue is its disk's */

	if (stat(path, &st) < 0 || major(st.st_dev) == 0)
		return;
	for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
		auto_free char *rotational = NULL;
		auto_free char *scheduler = NULL;

		snprintf(place, sizeof(place), "/sys/dev/block/%u:%u%s/queue/rotational",
			 major(st.st_dev), minor(st.st_dev), layers[i]);
		rotational = first_line(place);
		if (!*rotational)
			continue;
		snprintf(place, sizeof(place), "/sys/dev/block/%u:%u%s/queue/scheduler",
			 major(st.st_dev), minor(st.st_dev), layers[i]);
		scheduler = first_line(place);
		report_fact(r, SECTION, "storage.device", "%u:%u, %s, scheduler %s",
			    major(st.st_dev), minor(st.st_dev),
			    str_eq(rotational, "1") ? "rotational" : "solid state", scheduler);
		return;
	}
}

static void describe_storage(struct report *r, const char *data_root)
{
	auto_free char *real = data_root ? realpath(data_root, NULL) : NULL;
	auto_free char *line = real ? mount_of(real) : xstrdup("");
	const char *tail = strstr(line, " - ");
	char type[64], source[512], options[1024];

	if (!real || !tail || sscanf(tail, " - %63s %511s %1023s", type, source, options) != 3) {
		report_fact(r, SECTION, "storage", "unknown");
		return;
	}
	report_fact(r, SECTION, "storage", "%s on %s (%s) for %s", type, source, options, real);
	describe_device(r, real);
}

/* ---- kernel ---- */

/* Options that change what containers cost. */
static void describe_config(struct report *r, const char *release)
{
	static const char *const wanted[] = {"CONFIG_HZ=",
					     "CONFIG_PREEMPT_DYNAMIC=",
					     "CONFIG_CFS_BANDWIDTH=",
					     "CONFIG_OVERLAY_FS=",
					     "CONFIG_PSI=",
					     "CONFIG_SECCOMP_FILTER=",
					     "CONFIG_USER_NS=",
					     "CONFIG_BPF_SYSCALL=",
					     "CONFIG_FTRACE_SYSCALLS="};
	auto_command_run struct command_run run = {0};
	auto_strv struct strv argv = {0};
	auto_strbuf struct strbuf out = {0};
	auto_free char *path = xasprintf("/boot/config-%s", release);
	auto_free char *text = NULL;
	struct err err = ERR_INIT;
	size_t n;

	if (file_read_at(AT_FDCWD, path, 4u << 20, &text, &n) < 0) {
		strv_add(&argv, "/bin/zcat");
		strv_add(&argv, "/proc/config.gz");
		if (access("/proc/config.gz", R_OK) < 0 ||
		    command_execute(NULL, &argv, 5000, &run, &err) < 0 || run.exit_code) {
			report_fact(r, SECTION, "kernel.config",
				    "unknown: neither %s nor /proc/config.gz", path);
			return;
		}
		text = take_ptr(&run.output);
	}
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		const char *at = strstr(text, wanted[i]);

		if (out.len)
			strbuf_putc(&out, ' ');
		if (at)
			strbuf_add(&out, at + strlen("CONFIG_"),
				   strcspn(at, "\n") - strlen("CONFIG_"));
		else
			strbuf_printf(&out, "%sn", wanted[i] + strlen("CONFIG_"));
	}
	report_fact(r, SECTION, "kernel.config", "%s", strbuf_str(&out));
}

static void describe_kernel(struct report *r)
{
	struct utsname u;

	if (uname(&u) < 0)
		return;
	report_fact(r, SECTION, "kernel", "%s %s %s %s", u.sysname, u.release, u.version,
		    u.machine);
	describe_config(r, u.release);
	fact_of_file(r, "clocksource",
		     "/sys/devices/system/clocksource/clocksource0/current_clocksource", "unknown");
	fact_of_file(r, "huge_pages", "/sys/kernel/mm/transparent_hugepage/enabled", "none");
	fact_of_file(r, "lockdown", "/sys/kernel/security/lockdown", "none");
}

static void describe_cgroups(struct report *r)
{
	static const char *const names[] = {
		[CGROUP_V2] = "version 2", [CGROUP_V1] = "version 1", [CGROUP_HYBRID] = "hybrid"};
	auto_free struct cgroup_layout *layout = xcalloc(1, sizeof(*layout));
	struct err err = ERR_INIT;

	if (cgroup_detect(layout, &err) < 0)
		report_fact(r, SECTION, "cgroup", "none: %s", err.msg);
	else
		report_fact(r, SECTION, "cgroup", "%s, %zu hierarch%s", names[layout->mode],
			    layout->count, layout->count == 1 ? "y" : "ies");
}

void environment_describe(struct report *r, const char *data_root)
{
	report_fact(r, SECTION, "tool", "cloche %s", CLOCHE_VERSION);
	describe_kernel(r);
	describe_cpu(r);
	describe_memory(r);
	describe_storage(r, data_root);
	describe_cgroups(r);
}

/* ---- load ---- */

void environment_pressure(struct report *r, const char *when)
{
	static const char *const what[] = {"cpu", "memory", "io"};
	auto_strbuf struct strbuf out = {0};
	auto_free char *load = first_line("/proc/loadavg");
	auto_free char *key = xasprintf("load.%s", when);

	strbuf_printf(&out, "load %.*s", (int)strcspn(load, " "), load);
	for (size_t i = 0; i < sizeof(what) / sizeof(what[0]); i++) {
		auto_free char *path = xasprintf("/proc/pressure/%s", what[i]);
		auto_free char *line = first_line(path);
		const char *at = strstr(line, "avg10=");

		if (at)
			strbuf_printf(&out, ", %s pressure %.*s %%", what[i],
				      (int)strcspn(at + 6, " "), at + 6);
		else
			strbuf_printf(&out, ", %s pressure unknown", what[i]);
	}
	report_fact(r, str_eq(when, "after") ? REPORT_AFTERWARDS : SECTION, key, "%s",
		    strbuf_str(&out));
}
