/* SPDX-License-Identifier: Apache-2.0 */
/* What instruments need of the host, and what the lack of it costs. */
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "observe/experiment/environment.h"
#include "observe/subject/subject_internal.h"

/* A map of one element: the least that programs which count need. */
static bool has_bpf(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1};
	auto_close int fd = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));

	return fd >= 0;
}

static bool is_there(const char *path)
{
	return access(path, R_OK) == 0;
}

/* A module that is not loaded yet shows by its directory once the first container has run. */
static bool has_file_system(const char *name)
{
	char text[4096];
	ssize_t n = file_read_small_at(AT_FDCWD, "/proc/filesystems", text, sizeof(text));

	return n > 0 && strstr(text, name);
}

static bool has_program(const char *name)
{
	auto_free char *path = subject_find_program(name);

	return path != NULL;
}

void prerequisites_describe(struct report *r, bool verify)
{
	report_prerequisite(r, "root", geteuid() == 0,
			    "nothing can be started or read: run it with sudo");
	report_prerequisite(r, "cgroup files", is_there("/sys/fs/cgroup"),
			    "no limits, no memory figures of containers");
	report_prerequisite(r, "BPF", has_bpf(),
			    "no traces by cgroup: hierarchy and syscalls are left out");
	report_prerequisite(r, "tracefs",
			    is_there("/sys/kernel/tracing/events") ||
				    is_there("/sys/kernel/debug/tracing/events"),
			    "no tracepoints: hierarchy and syscalls are left out (mount -t tracefs "
			    "tracefs /sys/kernel/tracing)");
	report_prerequisite(r, "pressure (PSI)", is_there("/proc/pressure/cpu"),
			    "the noise of the host is told by its load alone");
	report_prerequisite(r, "overlay", has_file_system("overlay"), "no layers");
	if (verify)
		report_prerequisite(r, "strace", has_program("strace"),
				    "system calls are not counted a second time");
}
