/* SPDX-License-Identifier: Apache-2.0 */
/* Facts about the engine and its host. Reads only; prints nothing. */
#include "engine/info.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include "base/file.h"
#include "base/str.h"
#include "engine/internal.h"
#include "image/image.h"

#define ID_FILE "engine-id"

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif
#ifndef ZFS_SUPER_MAGIC
#define ZFS_SUPER_MAGIC 0x2fc12fc1
#endif

static const struct {
	long magic;
	const char *name;
} filesystems[] = {
	{EXT4_SUPER_MAGIC, "extfs"},          {XFS_SUPER_MAGIC, "xfs"},
	{BTRFS_SUPER_MAGIC, "btrfs"},         {TMPFS_MAGIC, "tmpfs"},
	{OVERLAYFS_SUPER_MAGIC, "overlayfs"}, {ZFS_SUPER_MAGIC, "zfs"},
	{F2FS_SUPER_MAGIC, "f2fs"},           {NFS_SUPER_MAGIC, "nfs"},
};

/* uname's machine -> Go's. */
static const char *const architectures[][2] = {
	{"x86_64", "amd64"},    {"aarch64", "arm64"},   {"armv7l", "arm"},  {"i686", "386"},
	{"riscv64", "riscv64"}, {"ppc64le", "ppc64le"}, {"s390x", "s390x"},
};

static void copy(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text);
}

static void name_filesystem(struct engine *e, struct engine_info *out)
{
	struct statfs st;

	copy(out->backing_filesystem, sizeof(out->backing_filesystem), "<unknown>");
	if (fstatfs(e->root_fd, &st) < 0)
		return;
	for (size_t i = 0; i < sizeof(filesystems) / sizeof(filesystems[0]); i++) {
		if (filesystems[i].magic == (long)st.f_type)
			copy(out->backing_filesystem, sizeof(out->backing_filesystem),
			     filesystems[i].name);
	}
}

/* Overlay needs it: without it whiteouts cannot be seen in a listing. */
static bool has_d_type(struct engine *e)
{
	auto_close int fd = openat(e->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return false;
	take_fd(&fd);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_type != DT_UNKNOWN)
			return true;
	}
	return false;
}

/* What stands behind the equals sign, without quotes. */
static void copy_value(char *out, size_t size, const char *line)
{
	const char *value = strchr(line, '=') + 1;

	value += *value == '"' || *value == '\'';
	snprintf(out, size, "%.*s", (int)strcspn(value, "\"'\n"), value);
}

static void name_system(struct engine_info *out)
{
	char text[4096];
	const char *line;

	copy(out->operating_system, sizeof(out->operating_system), "Linux");
	if (file_read_small_at(AT_FDCWD, "/etc/os-release", text, sizeof(text)) < 0 &&
	    file_read_small_at(AT_FDCWD, "/usr/lib/os-release", text, sizeof(text)) < 0)
		return;
	line = str_starts(text, "PRETTY_NAME=") ? text : strstr(text, "\nPRETTY_NAME=");
	if (line)
		copy_value(out->operating_system, sizeof(out->operating_system), line);
	line = str_starts(text, "VERSION_ID=") ? text : strstr(text, "\nVERSION_ID=");
	if (line)
		copy_value(out->os_version, sizeof(out->os_version), line);
}

static void name_machine(struct engine_info *out)
{
	struct utsname u;

	if (uname(&u) < 0)
		return;
	copy(out->kernel_version, sizeof(out->kernel_version), u.release);
	copy(out->architecture, sizeof(out->architecture), u.machine);
	copy(out->host_name, sizeof(out->host_name), u.nodename);
	copy(out->go_architecture, sizeof(out->go_architecture), u.machine);
	for (size_t i = 0; i < sizeof(architectures) / sizeof(architectures[0]); i++) {
		if (str_eq(architectures[i][0], u.machine))
			copy(out->go_architecture, sizeof(out->go_architecture),
			     architectures[i][1]);
	}
}

static bool file_below(const struct cgroup_hierarchy *h, const char *file)
{
	auto_free char *path = h ? xasprintf("%s/%s", h->mount, file) : NULL;

	return path && access(path, F_OK) == 0;
}

static void describe_cgroups(const struct engine *e, struct engine_info *out)
{
	const struct cgroup_layout *layout = &e->cgroups;
	static const char *const modes[] = {
		[CGROUP_V2] = "v2", [CGROUP_V1] = "v1", [CGROUP_HYBRID] = "hybrid"};
	const struct cgroup_hierarchy *memory = cgroup_hierarchy_of(layout, CGROUP_MEMORY);
	const struct cgroup_hierarchy *cpu = cgroup_hierarchy_of(layout, CGROUP_CPU);

	copy(out->cgroup_driver, sizeof(out->cgroup_driver),
	     e->runtimes.systemd ? "systemd" : "cgroupfs");
	copy(out->cgroup_version, sizeof(out->cgroup_version),
	     layout->mode == CGROUP_V2 ? "2" : "1");
	copy(out->cgroup_mode, sizeof(out->cgroup_mode), modes[layout->mode]);
	out->memory_limit = memory != NULL;
	/* The root of v2 has no such file, but every group below it has. */
	out->swap_limit = memory &&
			  (memory->v2 || file_below(memory, "memory.memsw.limit_in_bytes"));
	out->cpu_quota = cpu && (cpu->v2 || file_below(cpu, "cpu.cfs_quota_us"));
	out->cpu_shares = cpu != NULL;
	out->cpuset = cgroup_hierarchy_of(layout, CGROUP_CPUSET) != NULL;
	out->pids_limit = cgroup_hierarchy_of(layout, CGROUP_PIDS) != NULL;
	/* Version 2 has no such switch. */
	out->oom_kill_disable = memory && !memory->v2;
}

int engine_host_info(struct engine *e, struct engine_info *out, struct err *err)
{
	struct sysinfo si;
	char forward[8];
	int rc = engine_detect_cgroups(e, err);

	*out = (struct engine_info){.cpus = sysconf(_SC_NPROCESSORS_ONLN)};
	if (rc < 0)
		return rc;
	copy(out->os_type, sizeof(out->os_type), "linux");
	name_filesystem(e, out);
	out->supports_d_type = has_d_type(e);
	name_system(out);
	name_machine(out);
	describe_cgroups(e, out);
	out->ipv4_forwarding = file_read_small_at(AT_FDCWD, "/proc/sys/net/ipv4/ip_forward",
						  forward, sizeof(forward)) > 0 &&
			       *forward == '1';
	if (sysinfo(&si) == 0)
		out->memory_bytes = (uint64_t)si.totalram * si.mem_unit;
	return 0;
}

static int count_images(struct engine *e, size_t *count, struct err *err)
{
	auto_image_store struct image_store store = {.root_fd = -1, .image_fd = -1};
	struct image_summary *list = NULL;
	int rc = image_store_open(&store, e->root_fd, e->root, IMAGE_STORE_READ, err);

	if (rc == 0)
		rc = image_list(&store, &list, count, err);
	if (rc == 0)
		image_list_free(list, *count);
	return rc;
}

/* A random UUID, kept in the data root. Two first askers agree on one by link(2). */
static void read_id(struct engine *e, struct engine_info *out)
{
	char fresh[40], name[32];
	ssize_t n = file_read_small_at(e->root_fd, ID_FILE, out->id, sizeof(out->id));

	if (n < 0 && file_read_small_at(AT_FDCWD, "/proc/sys/kernel/random/uuid", fresh,
					sizeof(fresh)) > 0) {
		snprintf(name, sizeof(name), "." ID_FILE ".%d", getpid());
		if (file_replace_at(e->root_fd, name, fresh, strlen(fresh), 0644, FILE_DURABLE) ==
		    0) {
			(void)!linkat(e->root_fd, name, e->root_fd, ID_FILE, 0);
			unlinkat(e->root_fd, name, 0);
		}
		n = file_read_small_at(e->root_fd, ID_FILE, out->id, sizeof(out->id));
	}
	out->id[n > 0 ? strcspn(out->id, "\n") : 0] = '\0';
}

int engine_info(struct engine *e, struct engine_info *out, struct err *err)
{
	struct container *list = NULL;
	size_t count = 0;
	int rc = engine_host_info(e, out, err);

	if (rc == 0)
		rc = count_images(e, &out->images, err);
	if (rc == 0)
		rc = container_list_brief(e, &list, &count, err);
	if (rc < 0)
		return rc;
	read_id(e, out);
	out->containers = count;
	for (size_t i = 0; i < count; i++) {
		out->running += list[i].state.status == CONTAINER_RUNNING;
		out->paused += list[i].state.status == CONTAINER_PAUSED;
	}
	out->stopped = count - out->running - out->paused;
	container_list_free(list, count);
	return 0;
}
