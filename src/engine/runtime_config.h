/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which OCI runtimes there are and how control groups are made: the keys of daemon.json that say so
 * ("runtimes", "default-runtime", "exec-opts"), and the choice of a runtime by name or path. Reads
 * the configuration only; runs nothing. A malformed value is an error, never a default.
 */
#ifndef CLOCHE_ENGINE_RUNTIME_CONFIG_H
#define CLOCHE_ENGINE_RUNTIME_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strv.h"

struct json_object;

/* Our own runtime: the engine makes the container itself. Always there. */
#define RUNTIME_OWN "cloche"
/* What it was called in records of earlier versions. */
#define RUNTIME_OWN_OLD "cloche-runtime"

/* One of "runtimes". */
struct runtime_entry {
	char *name;
	char *path; /* a program: with a slash as it is, else looked for in PATH; NULL: a shim */
	char *type; /* "runtimeType", NULL unless given: containerd's shims, which are not run here */
	struct strv args; /* "runtimeArgs" */
};

/* All zeroes is what an empty file says. Owns its strings. */
struct runtime_config {
	struct runtime_entry *entries;
	size_t count;
	char *default_runtime; /* NULL: our own */
	bool systemd;          /* native.cgroupdriver=systemd */
	char *scope_prefix;    /* native.scopeprefix, NULL: "cloche" */
};

/* A runtime that is not our own, ready to be executed. */
struct foreign_runtime {
	char *path; /* absolute; NULL: our own */
	struct strv args;
};

/* Takes one key of the file named in errors. *known tells whether the key is one of these. */
int must_check runtime_config_apply(struct runtime_config *c, const char *file, const char *key,
				    struct json_object *value, bool *known, struct err *err);
/* What can only be checked once the whole file was read. */
int must_check runtime_config_check(const struct runtime_config *c, const char *file,
				    struct err *err);
void runtime_config_free(struct runtime_config *c);

/* The name that a container gets which asked for none. */
const char *runtime_config_default(const struct runtime_config *c);
/* name: of an entry, of our own (NULL too), or an absolute path. 0, or "unknown or invalid runtime
 * name: x" (ERR_INVALID). Does not look whether the program is there. */
int must_check runtime_config_validate(const struct runtime_config *c, const char *name,
				       struct err *err);
/* The same, and the program found: ERR_NO_COMMAND or ERR_NO_EXEC when there is none that can be
 * executed, ERR_UNSUPPORTED for a shim. out->path NULL: our own. The caller frees *out. */
int must_check runtime_config_find(const struct runtime_config *c, const char *name,
				   struct foreign_runtime *out, struct err *err);
void foreign_runtime_free(struct foreign_runtime *r);

#endif
