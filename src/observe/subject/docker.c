/* SPDX-License-Identifier: Apache-2.0 */
/* Docker by its client; which daemon is DOCKER_HOST's matter. */
#include <errno.h>

#include "base/str.h"
#include "observe/subject/subject_internal.h"

#define CALL_TIMEOUT_MS 60000

static int ask(struct subject *s, const char *command, const char *format, char **out,
	       struct err *err)
{
	return subject_call(s, CALL_TIMEOUT_MS, out, err,
			    SUBJECT_WORDS(command, "--format", format));
}

static int probe(struct subject *s, struct err *err)
{
	int rc;

	s->program = subject_find_program("docker");
	if (!s->program)
		return err_set(err, ERR_UNSUPPORTED, ENOENT,
			       "docker is not installed (Debian: apt-get install docker.io)");
	rc = ask(s, "version", "Docker version {{.Server.Version}}", &s->version, err);
	if (rc == 0)
		rc = ask(s, "info", "{{.DockerRootDir}}", &s->data_root, err);
	if (rc == 0)
		rc = ask(s, "info", "{{.DefaultRuntime}}", &s->runtime, err);
	if (rc < 0)
		return err_wrap(err, "docker's daemon (DOCKER_HOST names it)");
	return 0;
}

const struct subject_ops subject_docker = {
	.kind = SUBJECT_DOCKER,
	.probe = probe,
	.load = docker_like_load,
	.run_command = docker_like_run,
	.exec_command = docker_like_exec,
	.sweep = docker_like_sweep,
	.unload = docker_like_unload,
};
