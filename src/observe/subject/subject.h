/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be measured: cloche, docker, podman, an OCI runtime by path, the bare host. A subject turns
 * the description of a container into a command line of its engine; everything else (starting it,
 * talking to the helper in it, timing) is the same for all and stands in session.h, so that no engine is
 * measured by other means than its neighbour.
 *
 * Names of containers begin with the run's prefix; subject_sweep() removes what bears it, also after a
 * crash in the middle.
 */
#ifndef CLOCHE_OBSERVE_SUBJECT_SUBJECT_H
#define CLOCHE_OBSERVE_SUBJECT_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/strv.h"

/* Where the helper stands inside every container that was asked for with .helper. */
#define SUBJECT_HELPER_PATH "/.cloche-helper"

enum subject_kind {
	SUBJECT_CLOCHE,
	SUBJECT_DOCKER,
	SUBJECT_PODMAN,
	SUBJECT_RUNTIME, /* an OCI runtime's command line on a bundle */
	SUBJECT_HOST,    /* no container: the same program, run directly */
};

enum subject_mount_type {
	SUBJECT_BIND,
	SUBJECT_VOLUME, /* source: a name; removed with the run */
	SUBJECT_TMPFS,  /* source unused */
};

struct subject_mount {
	enum subject_mount_type type;
	const char *source, *target;
	bool read_only;
};

/* Borrowed by whoever receives it. Zero: the engine's default. */
struct container_spec {
	const char *name; /* after the prefix; NULL: a number */
	const char *const
		*argv; /* NULL-terminated; NULL: the helper, serving its standard streams */
	const char *const *helper_argv; /* instead of argv: the helper with these arguments */
	bool helper;                    /* put the helper in (implied when argv is NULL) */
	bool interactive;               /* stdin stays open (implied when argv is NULL) */
	const char *image;              /* NULL: subject->image */
	const char *network; /* "none", "bridge", "host", a network's name; NULL: "none" */
	const char *pid, *ipc,
		*uts; /* "host", "container:NAME" with the prefix put to it by the subject */
	const char *const *publish; /* "127.0.0.1:18080:80" */
	const struct subject_mount *mounts;
	size_t mount_count;
	uint64_t memory_bytes; /* memory and swap together */
	double cpus;           /* 0.37: quota 37 ms in 100 ms */
	unsigned cpu_shares;   /* in v1's units, 1024 is one part */
	unsigned pids_limit;
	const char *cpuset;
	const char *device_write_bps; /* "/dev/loop0:1048576" */
	const char *device_read_bps;
	const char *const *devices; /* of the host, for reading and writing at the same path */
	const char *const *cap_add, *const *cap_drop;
	bool privileged, read_only, no_new_privileges;
	const char *const *environment; /* KEY=VALUE */
	const char *user;
};

struct subject;

/* One table per kind. NULL: it has no such thing. */
struct subject_ops {
	enum subject_kind kind;
	/* Whether it can be used here; the error says what is missing and how to get it. Also finds
	 * versions and puts them into the subject. */
	int (*probe)(struct subject *s, struct err *err);
	/* Makes the image available (archive: a docker archive of it) and remembers what to undo. */
	int (*load)(struct subject *s, const char *archive, struct err *err);
	/* The command that runs spec in the foreground and removes the container at its end. */
	int (*run_command)(struct subject *s, const struct container_spec *spec, struct strv *out,
			   struct err *err);
	/* The command that runs argv in the container of that name (without prefix). */
	int (*exec_command)(struct subject *s, const char *name, const char *const *argv,
			    struct strv *out, struct err *err);
	/* Removes every container and volume of this run. */
	int (*sweep)(struct subject *s, struct err *err);
	/* Undoes load. */
	int (*unload)(struct subject *s, struct err *err);
	/* What a child does before it executes such a command (the private mount namespace that crun
	 * needs on hybrid hosts). Async-signal-safe. 0 or -errno. */
	int (*prepare_child)(const struct subject *s);
};

struct subject {
	const struct subject_ops *ops;
	char *name;              /* as given and shown: "cloche", "docker", "crun" */
	char *program;           /* absolute path */
	char *version;           /* one line */
	char *chosen_runtime;    /* by its spec; only while it is opened */
	char *runtime;           /* the OCI runtime behind it and its version, or NULL */
	char *image;             /* reference or directory of the image that all subjects share */
	char *data_root;         /* where its images and upper layers lie; NULL: unknown */
	char *prefix;            /* of names: "cloche-analyze-4f2a-" */
	char *helper;            /* the helper's path on the host */
	char *scratch;           /* a directory of this run, for bundles and the like */
	struct strv undo;        /* private to the kind */
	struct strv extra_flags; /* of run, put in verbatim; by --run-flag and tests */
	struct strv host_flags;  /* of run: without them the engine starts nothing on this host */
	char *remark;            /* what had to be done for it here and why, or NULL */
	int mount_namespace;     /* of an OCI runtime's bundles; -1 elsewhere */
	int sequence;
};

/* spec: "cloche", "docker", "podman", "host", "cloche:RUNTIME" or "docker:RUNTIME", or the path or name of an OCI runtime ("crun",
 * "runtime:/usr/bin/runc"). image NULL: the built-in one. The caller frees. */
int must_check subject_open(const char *spec, const char *prefix, const char *scratch,
			    const char *image, struct subject **out, struct err *err);
void subject_free(struct subject *s);

/* These call the table's row; where there is none, -ENOTSUP (ERR_UNSUPPORTED) for exec, and nothing is to
 * be done for the others. */
int must_check subject_run_command(struct subject *s, const struct container_spec *spec,
				   struct strv *out, struct err *err);
int must_check subject_exec_command(struct subject *s, const char *name, const char *const *argv,
				    struct strv *out, struct err *err);
int must_check subject_load(struct subject *s, const char *archive, struct err *err);
int must_check subject_sweep(struct subject *s, struct err *err);
int must_check subject_unload(struct subject *s, struct err *err);

#endif
