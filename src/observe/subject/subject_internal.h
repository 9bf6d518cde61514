/* SPDX-License-Identifier: Apache-2.0 */
/* What the kinds of subjects share. */
#ifndef CLOCHE_OBSERVE_SUBJECT_SUBJECT_INTERNAL_H
#define CLOCHE_OBSERVE_SUBJECT_SUBJECT_INTERNAL_H

#include "observe/subject/session.h"
#include "observe/subject/subject.h"

extern const struct subject_ops subject_cloche, subject_docker, subject_podman, subject_runtime,
	subject_host;

/* The absolute path of a program in PATH; heap, NULL when there is none. */
char *subject_find_program(const char *name);

/* PROGRAM WORD..., run to its end. An exit code other than 0 is an error with the last of what it said;
 * output (heap, without the newline at the end) may be NULL. */
int must_check subject_call(const struct subject *s, int timeout_ms, char **output, struct err *err,
			    const char *const words[]);
#define SUBJECT_WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Docker's command line, which cloche and podman have too. */
int must_check docker_like_run(struct subject *s, const struct container_spec *spec,
			       struct strv *out, struct err *err);
int must_check docker_like_exec(struct subject *s, const char *name, const char *const *argv,
				struct strv *out, struct err *err);
/* `load -i`; the image is removed again by docker_like_unload(). */
int must_check docker_like_load(struct subject *s, const char *archive, struct err *err);
/* Containers and volumes of the prefix. */
int must_check docker_like_sweep(struct subject *s, struct err *err);
int must_check docker_like_unload(struct subject *s, struct err *err);

#endif
