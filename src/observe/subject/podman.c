/* SPDX-License-Identifier: Apache-2.0 */
/* Podman by its command line; its stores are those of CONTAINERS_STORAGE_CONF and the caller. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/resource.h>

#include "base/file.h"
#include "base/str.h"
#include "kernel/capability.h"
#include "observe/subject/private_mounts.h"
#include "observe/subject/subject_internal.h"

#define CALL_TIMEOUT_MS 60000
#define MOST_ASKED ((rlim_t)1 << 20)

static int ask(struct subject *s, const char *format, char **out, struct err *err)
{
	return subject_call(s, CALL_TIMEOUT_MS, out, err,
			    SUBJECT_WORDS("info", "--format", format));
}

static int hide_hybrid(const struct subject *s, const void *arg)
{
	(void)s;
	(void)arg;
	return private_mounts_hide_hybrid();
}

static rlim_t min_limit(rlim_t a, rlim_t b)
{
	return a < b ? a : b;
}

static void add_limit(struct subject *s, const char *name, const struct rlimit *l, rlim_t most)
{
	strv_add(&s->host_flags, "--ulimit");
	strv_add_taken(&s->host_flags, xasprintf("%s=%llu:%llu", name,
						 (unsigned long long)min_limit(l->rlim_cur, most),
						 (unsigned long long)min_limit(l->rlim_max, most)));
}

static rlim_t highest_pid(void)
{
	char text[32];
	ssize_t n = file_read_small_at(AT_FDCWD, "/proc/sys/kernel/pid_max", text, sizeof(text));
	uint64_t value;

	if (n <= 0)
		return MOST_ASKED;
	text[strcspn(text, "\n")] = '\0';
	return str_to_u64(text, &value) < 0 ? MOST_ASKED : min_limit(value, MOST_ASKED);
}

/* Root's podman gives every container 1,048,576 files and processes, which root cannot where it has not the
 * right to raise limits; each start would fail. Of processes it first takes no more for itself than there
 * are pids, so more than that is too many as well. */
static void keep_limits(struct subject *s)
{
	uint64_t effective, permitted, inheritable;
	struct rlimit files, processes;

	if (capability_get(&effective, &permitted, &inheritable) < 0 ||
	    (effective & CAPABILITY_BIT(CAP_SYS_RESOURCE)) ||
	    getrlimit(RLIMIT_NOFILE, &files) < 0 || getrlimit(RLIMIT_NPROC, &processes) < 0)
		return;
	add_limit(s, "nofile", &files, MOST_ASKED);
	add_limit(s, "nproc", &processes, highest_pid());
	s->remark = xstrdup("started with --ulimit nofile and nproc of the caller: its own need "
			    "CAP_SYS_RESOURCE, which root has not here");
}

static int probe(struct subject *s, struct err *err)
{
	int rc;

	s->program = subject_find_program("podman");
	if (!s->program)
		return err_set(err, ERR_UNSUPPORTED, ENOENT,
			       "podman is not installed (Debian: apt-get install podman)");
	rc = ask(s, "podman version {{.Version.Version}}", &s->version, err);
	if (rc == 0)
		rc = ask(s, "{{.Store.GraphRoot}}", &s->data_root, err);
	if (rc == 0)
		rc = ask(s, "{{.Host.OCIRuntime.Name}}", &s->runtime, err);
	if (rc == 0)
		keep_limits(s);
	if (rc == 0 && str_eq(s->runtime, "crun"))
		rc = private_mounts_make(s, hide_hybrid, NULL, err);
	return rc;
}

const struct subject_ops subject_podman = {
	.kind = SUBJECT_PODMAN,
	.probe = probe,
	.load = docker_like_load,
	.run_command = docker_like_run,
	.exec_command = docker_like_exec,
	.sweep = docker_like_sweep,
	.unload = docker_like_unload,
	.prepare_child = private_mounts_enter,
};
