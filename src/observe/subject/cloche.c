/* SPDX-License-Identifier: Apache-2.0 */
/* Cloche by its own command line: the one of this installation, with the caller's roots. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "observe/subject/subject_internal.h"

#define CALL_TIMEOUT_MS 60000
#define BUILTIN_IMAGE "cloche/busybox"

/* bin/cloche of the tree that this program lies in, libexec/cloche/cloche-observe. */
static char *own_command(void)
{
	static const char *const places[] = {"../../bin/cloche", "cloche"};
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return NULL;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		auto_free char *path = xasprintf("%s/%s", self, places[i]);
		char *found = subject_find_program(path);

		if (found)
			return found;
	}
	return NULL;
}

static int probe(struct subject *s, struct err *err)
{
	int rc;

	s->program = own_command();
	if (!s->program)
		return err_set(err, ERR_NOT_FOUND, ENOENT,
			       "cloche is not installed beside this program");
	rc = subject_call(s, CALL_TIMEOUT_MS, &s->version, err, SUBJECT_WORDS("--version"));
	if (rc == 0)
		rc = subject_call(s, CALL_TIMEOUT_MS, &s->data_root, err,
				  SUBJECT_WORDS("info", "--format", "{{.DockerRootDir}}"));
	if (rc == 0)
		rc = subject_call(s, CALL_TIMEOUT_MS, &s->runtime, err,
				  SUBJECT_WORDS("info", "--format", "{{.DefaultRuntime}}"));
	if (rc < 0)
		return rc;
	if (!s->image)
		s->image = xstrdup(BUILTIN_IMAGE);
	return 0;
}

const struct subject_ops subject_cloche = {
	.kind = SUBJECT_CLOCHE,
	.probe = probe,
	.run_command = docker_like_run,
	.exec_command = docker_like_exec,
	.sweep = docker_like_sweep,
	.unload = docker_like_unload,
};
