/* SPDX-License-Identifier: Apache-2.0 */
/* Writes config.json: what the field's engines give a container by default, and the description's wishes. */
#include "observe/subject/bundle.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json_writer.h"
#include "base/str.h"

#define CPU_PERIOD_US 100000

static void write_list(struct json_writer *w, const char *key, const char *const *items)
{
	json_write_begin(w, key, '[');
	for (; *items; items++)
		json_write_string(w, NULL, *items);
	json_write_end(w, ']');
}
#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

/* ---- process ---- */

static bool is_among(const char *const *list, const char *name)
{
	for (; list && *list; list++) {
		if (str_eq(*list, name) || str_eq(*list, "ALL") ||
		    (str_starts(name, "CAP_") && str_eq(*list, name + strlen("CAP_"))))
			return true;
	}
	return false;
}

static void write_capabilities(struct json_writer *w, const struct container_spec *spec)
{
	static const char *const defaults[] = {
		"CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",           "CAP_FOWNER",
		"CAP_MKNOD",   "CAP_NET_RAW",      "CAP_SETGID",           "CAP_SETUID",
		"CAP_SETFCAP", "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
		"CAP_KILL",    "CAP_AUDIT_WRITE"};
	static const char *const sets[] = {"bounding", "effective", "permitted"};

	json_write_begin(w, "capabilities", '{');
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		json_write_begin(w, sets[i], '[');
		for (size_t j = 0; j < sizeof(defaults) / sizeof(defaults[0]); j++) {
			if (!is_among(spec->cap_drop, defaults[j]))
				json_write_string(w, NULL, defaults[j]);
		}
		for (const char *const *c = spec->cap_add; c && *c; c++) {
			auto_free char *name =
				xasprintf("%s%s", str_starts(*c, "CAP_") ? "" : "CAP_", *c);

			json_write_string(w, NULL, name);
		}
		json_write_end(w, ']');
	}
	json_write_end(w, '}');
}

static void write_process(struct json_writer *w, const struct container_spec *spec)
{
	static const char *const serve[] = {"serve", NULL};
	const char *const *words = spec->argv;

	json_write_begin(w, "process", '{');
	json_write_bool(w, "terminal", false);
	json_write_begin(w, "user", '{');
	json_write_u64(w, "uid", spec->user ? strtoul(spec->user, NULL, 10) : 0);
	json_write_u64(w, "gid", 0);
	json_write_end(w, '}');
	json_write_begin(w, "args", '[');
	if (!words) {
		json_write_string(w, NULL, SUBJECT_HELPER_PATH);
		words = spec->helper_argv ? spec->helper_argv : serve;
	}
	for (; *words; words++)
		json_write_string(w, NULL, *words);
	json_write_end(w, ']');
	json_write_begin(w, "env", '[');
	json_write_string(w, NULL,
			  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	for (const char *const *e = spec->environment; e && *e; e++)
		json_write_string(w, NULL, *e);
	json_write_end(w, ']');
	json_write_string(w, "cwd", "/");
	write_capabilities(w, spec);
	json_write_bool(w, "noNewPrivileges", spec->no_new_privileges);
	json_write_end(w, '}');
}

/* ---- mounts ---- */

static void write_mount(struct json_writer *w, const char *target, const char *type,
			const char *source, const char *const *options)
{
	json_write_begin(w, NULL, '{');
	json_write_string(w, "destination", target);
	json_write_string(w, "type", type);
	json_write_string(w, "source", source);
	write_list(w, "options", options);
	json_write_end(w, '}');
}

static int write_wishes(struct json_writer *w, const struct subject *s,
			const struct container_spec *spec, struct err *err)
{
	for (size_t i = 0; i < spec->mount_count; i++) {
		const struct subject_mount *m = &spec->mounts[i];
		const char *access = m->read_only ? "ro" : "rw";
		auto_free char *volume = NULL;
		int rc = 0;

		if (m->type == SUBJECT_TMPFS) {
			write_mount(w, m->target, "tmpfs", "tmpfs",
				    LIST("nosuid", "nodev", access));
			continue;
		}
		volume = xasprintf("%s/volumes/%s", s->scratch, m->source);
		if (m->type == SUBJECT_VOLUME)
			rc = file_mkdir_all_at(AT_FDCWD, volume, 0755);
		if (rc < 0)
			return err_set(err, ERR_SYSTEM, -rc, "make %s: %s", volume,
				       err_errno_text(-rc));
		write_mount(w, m->target, "bind", m->type == SUBJECT_VOLUME ? volume : m->source,
			    LIST("rbind", access));
	}
	if (spec->helper || spec->helper_argv || !spec->argv)
		write_mount(w, SUBJECT_HELPER_PATH, "bind", s->helper, LIST("rbind", "ro"));
	return 0;
}

static int write_mounts(struct json_writer *w, const struct subject *s,
			const struct container_spec *spec, struct err *err)
{
	int rc;

	json_write_begin(w, "mounts", '[');
	write_mount(w, "/proc", "proc", "proc", LIST("nosuid", "noexec", "nodev"));
	write_mount(w, "/dev", "tmpfs", "tmpfs",
		    LIST("nosuid", "strictatime", "mode=755", "size=65536k"));
	write_mount(w, "/dev/pts", "devpts", "devpts",
		    LIST("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"));
	write_mount(w, "/dev/shm", "tmpfs", "shm",
		    LIST("nosuid", "noexec", "nodev", "mode=1777", "size=65536k"));
	write_mount(w, "/dev/mqueue", "mqueue", "mqueue", LIST("nosuid", "noexec", "nodev"));
	write_mount(w, "/sys", "sysfs", "sysfs",
		    LIST("nosuid", "noexec", "nodev", spec->privileged ? "rw" : "ro"));
	write_mount(w, "/sys/fs/cgroup", "cgroup", "cgroup",
		    LIST("nosuid", "noexec", "nodev", "relatime", "ro"));
	rc = write_wishes(w, s, spec, err);
	json_write_end(w, ']');
	return rc;
}

/* ---- linux ---- */

static void write_namespaces(struct json_writer *w, const struct container_spec *spec)
{
	const struct {
		const char *type, *mode;
	} all[] = {{"mount", NULL},
		   {"uts", spec->uts},
		   {"ipc", spec->ipc},
		   {"pid", spec->pid},
		   {"network", spec->network}};

	json_write_begin(w, "namespaces", '[');
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (all[i].mode && str_eq(all[i].mode, "host"))
			continue;
		json_write_begin(w, NULL, '{');
		json_write_string(w, "type", all[i].type);
		json_write_end(w, '}');
	}
	json_write_end(w, ']');
}

static void write_resources(struct json_writer *w, const struct container_spec *spec)
{
	json_write_begin(w, "resources", '{');
	if (spec->memory_bytes) {
		json_write_begin(w, "memory", '{');
		json_write_u64(w, "limit", spec->memory_bytes);
		json_write_end(w, '}');
	}
	if (spec->cpus > 0 || spec->cpu_shares || spec->cpuset) {
		json_write_begin(w, "cpu", '{');
		if (spec->cpus > 0) {
			json_write_i64(w, "quota", (int64_t)(spec->cpus * CPU_PERIOD_US + 0.5));
			json_write_u64(w, "period", CPU_PERIOD_US);
		}
		if (spec->cpu_shares)
			json_write_u64(w, "shares", spec->cpu_shares);
		if (spec->cpuset)
			json_write_string(w, "cpus", spec->cpuset);
		json_write_end(w, '}');
	}
	if (spec->pids_limit) {
		json_write_begin(w, "pids", '{');
		json_write_i64(w, "limit", spec->pids_limit);
		json_write_end(w, '}');
	}
	json_write_begin(w, "devices", '[');
	json_write_begin(w, NULL, '{');
	json_write_bool(w, "allow", spec->privileged);
	json_write_string(w, "access", "rwm");
	json_write_end(w, '}');
	json_write_end(w, ']');
	json_write_end(w, '}');
}

static void write_linux(struct json_writer *w, const struct container_spec *spec, const char *name)
{
	/* Below the root, so that no parent is left which the runtime would have had to make. */
	auto_free char *group = xasprintf("/%s", name);

	json_write_begin(w, "linux", '{');
	json_write_string(w, "cgroupsPath", group);
	write_namespaces(w, spec);
	write_resources(w, spec);
	if (!spec->privileged) {
		write_list(w, "maskedPaths",
			   LIST("/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys",
				"/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
				"/proc/sched_debug", "/sys/firmware", "/proc/scsi"));
		write_list(w, "readonlyPaths",
			   LIST("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
				"/proc/sysrq-trigger"));
	}
	json_write_end(w, '}');
}

static int refuse(const struct subject *s, const char *what, struct err *err)
{
	return err_set(err, ERR_UNSUPPORTED, 0, "%s is an OCI runtime, which has no %s", s->name,
		       what);
}

static int check(const struct subject *s, const struct container_spec *spec, struct err *err)
{
	const char *const joined[] = {spec->pid, spec->ipc, spec->uts};

	if (spec->network && !str_eq(spec->network, "none") && !str_eq(spec->network, "host"))
		return refuse(s, "networks", err);
	if (spec->publish)
		return refuse(s, "published ports", err);
	if (spec->image)
		return refuse(s, "images", err);
	if (spec->device_read_bps || spec->device_write_bps)
		return refuse(s, "names of devices", err);
	for (size_t i = 0; i < sizeof(joined) / sizeof(joined[0]); i++) {
		if (joined[i] && !str_eq(joined[i], "host"))
			return refuse(s, "names of other containers", err);
	}
	return 0;
}

int bundle_write(struct subject *s, const struct container_spec *spec, const char *name,
		 const char *directory, struct err *err)
{
	auto_strbuf struct strbuf out = {0};
	struct json_writer w = {.out = &out};
	auto_free char *path = xasprintf("%s/config.json", directory);
	auto_free char *rootfs = xasprintf("%s/rootfs", s->scratch);
	int rc = check(s, spec, err);

	if (rc < 0)
		return rc;
	json_write_begin(&w, NULL, '{');
	json_write_string(&w, "ociVersion", "1.0.2");
	write_process(&w, spec);
	json_write_begin(&w, "root", '{');
	json_write_string(&w, "path", rootfs);
	json_write_bool(&w, "readonly", spec->read_only);
	json_write_end(&w, '}');
	json_write_string(&w, "hostname", "bundle");
	rc = write_mounts(&w, s, spec, err);
	write_linux(&w, spec, name);
	json_write_end(&w, '}');
	if (rc < 0)
		return rc;
	rc = file_mkdir_all_at(AT_FDCWD, directory, 0755);
	if (rc == 0)
		rc = file_replace_at(AT_FDCWD, path, out.data, out.len, 0644, FILE_VOLATILE);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "write %s: %s", path, err_errno_text(-rc))
		      : 0;
}
