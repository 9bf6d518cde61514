/* SPDX-License-Identifier: Apache-2.0 */
/* Which subjects there are, and what all kinds share. */
#include "observe/subject/subject.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "base/subprocess.h"
#include "observe/subject/subject_internal.h"

#define HELPER_PROGRAM "cloche-helper"
#define RUNTIME_PREFIX "runtime:"

static bool is_program(const char *path)
{
	struct stat st;

	return access(path, X_OK) == 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

char *subject_find_program(const char *name)
{
	const char *path = getenv("PATH");
	auto_free char *places = xstrdup(path ? path : "/usr/sbin:/usr/bin:/sbin:/bin");
	char *save, *place = strtok_r(places, ":", &save);

	if (!*name)
		return NULL;
	if (strchr(name, '/'))
		return is_program(name) ? realpath(name, NULL) : NULL;
	for (; place; place = strtok_r(NULL, ":", &save)) {
		auto_free char *candidate = xasprintf("%s/%s", place, name);

		if (is_program(candidate))
			return take_ptr(&candidate);
	}
	return NULL;
}

int subject_call(const struct subject *s, int timeout_ms, char **output, struct err *err,
		 const char *const words[])
{
	auto_command_run struct command_run run = {0};
	auto_strv struct strv argv = {0};
	size_t n;
	int rc;

	strv_add(&argv, s->program);
	for (; *words; words++)
		strv_add(&argv, *words);
	rc = command_execute(s, &argv, timeout_ms, &run, err);
	if (rc < 0)
		return rc;
	if (run.exit_code)
		return err_set(err, ERR_SYSTEM, EIO, "%s %s: exit code %d%s%.200s", s->name,
			       argv.items[1], run.exit_code, *run.errors ? ": " : "", run.errors);
	n = strlen(run.output);
	if (n && run.output[n - 1] == '\n')
		run.output[n - 1] = '\0';
	if (output)
		*output = take_ptr(&run.output);
	return 0;
}

/* ---- making one ---- */

/* NAME, or NAME:RUNTIME of an engine that takes a runtime's name with each container. */
static bool choose_engine(struct subject *s, const char *spec)
{
	static const struct {
		const char *name;
		const struct subject_ops *ops;
		bool has_runtimes;
	} kinds[] = {
		{"cloche", &subject_cloche, true},
		{"docker", &subject_docker, true},
		{"podman", &subject_podman, false},
		{"host", &subject_host, false},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t n = strlen(kinds[i].name);
		bool with_runtime;

		if (strncmp(spec, kinds[i].name, n) != 0)
			continue;
		with_runtime = kinds[i].has_runtimes && spec[n] == ':' && spec[n + 1];
		if (spec[n] && !with_runtime)
			continue;
		s->ops = kinds[i].ops;
		s->name = xstrdup(spec);
		if (with_runtime) {
			s->chosen_runtime = xstrdup(spec + n + 1);
			strv_add_taken(&s->extra_flags,
				       xasprintf("--runtime=%s", s->chosen_runtime));
		}
		return true;
	}
	return false;
}

static int choose_kind(struct subject *s, const char *spec, struct err *err)
{
	const char *program = spec;

	if (choose_engine(s, spec))
		return 0;
	if (str_starts(spec, RUNTIME_PREFIX))
		program += strlen(RUNTIME_PREFIX);
	s->ops = &subject_runtime;
	s->program = subject_find_program(program);
	if (!s->program)
		return err_set(
			err, ERR_NOT_FOUND, ENOENT,
			"subject \"%s\": there is no such program; known are cloche, docker, "
			"podman, host, cloche:RUNTIME, docker:RUNTIME and OCI runtimes by name "
			"or path",
			spec);
	s->name = xstrdup(strrchr(s->program, '/') + 1);
	return 0;
}

int subject_open(const char *spec, const char *prefix, const char *scratch, const char *image,
		 struct subject **out, struct err *err)
{
	struct subject *s = xcalloc(1, sizeof(*s));
	char helper[PATH_MAX];
	int rc;

	s->mount_namespace = -1;
	s->prefix = xstrdup(prefix);
	s->scratch = xstrdup(scratch);
	s->image = image ? xstrdup(image) : NULL;
	rc = choose_kind(s, spec, err);
	if (rc == 0)
		rc = subprocess_own_program(HELPER_PROGRAM, helper, sizeof(helper), err);
	if (rc == 0) {
		s->helper = realpath(helper, NULL);
		rc = s->ops->probe(s, err);
	}
	if (rc < 0) {
		subject_free(s);
		return rc;
	}
	if (s->chosen_runtime) {
		free(s->runtime);
		s->runtime = take_ptr(&s->chosen_runtime);
	}
	*out = s;
	return 0;
}

void subject_free(struct subject *s)
{
	char **owned[] = {&s->name,    &s->program,        &s->version, &s->runtime,
			  &s->image,   &s->data_root,      &s->prefix,  &s->helper,
			  &s->scratch, &s->chosen_runtime, &s->remark};

	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		free(*owned[i]);
	strv_free(&s->undo);
	strv_free(&s->extra_flags);
	strv_free(&s->host_flags);
	if (s->mount_namespace >= 0)
		close(s->mount_namespace);
	free(s);
}

/* ---- by the table ---- */

static int has_none(const struct subject *s, const char *what, struct err *err)
{
	return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "%s cannot %s", s->name, what);
}

int subject_run_command(struct subject *s, const struct container_spec *spec, struct strv *out,
			struct err *err)
{
	return s->ops->run_command(s, spec, out, err);
}

int subject_exec_command(struct subject *s, const char *name, const char *const *argv,
			 struct strv *out, struct err *err)
{
	if (!s->ops->exec_command)
		return has_none(s, "execute in a container", err);
	return s->ops->exec_command(s, name, argv, out, err);
}

int subject_load(struct subject *s, const char *archive, struct err *err)
{
	return s->ops->load ? s->ops->load(s, archive, err) : 0;
}

int subject_unload(struct subject *s, struct err *err)
{
	return s->ops->unload ? s->ops->unload(s, err) : 0;
}

int subject_sweep(struct subject *s, struct err *err)
{
	return s->ops->sweep ? s->ops->sweep(s, err) : 0;
}
