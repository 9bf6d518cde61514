/* SPDX-License-Identifier: Apache-2.0 */
/* Podman by its command line; its stores are those of CONTAINERS_STORAGE_CONF and the caller. */
#include <errno.h>

#include "base/str.h"
#include "observe/subject/private_mounts.h"
#include "observe/subject/subject_internal.h"

#define CALL_TIMEOUT_MS 60000

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
