/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a container as the OCI specification words it (hooks get it on standard input, `state`
 * prints it), and what cloche-runtime keeps beside it. Source: runtime-spec runtime.md "State".
 */
#ifndef CLOCHE_OCI_RUNTIME_STATE_H
#define CLOCHE_OCI_RUNTIME_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "oci/runtime_config.h"

enum oci_status {
	OCI_STATUS_CREATING,
	OCI_STATUS_CREATED,
	OCI_STATUS_RUNNING,
	OCI_STATUS_STOPPED,
	OCI_STATUS_PAUSED,
};

struct oci_state {
	char *id;
	pid_t pid;
	enum oci_status status;
	char *bundle;
	struct oci_annotation *annotations;
	size_t annotation_count;
	/* not in the specification */
	char *rootfs;
	char *cgroup_path;
	char *created; /* RFC 3339 */
	char *owner;
	uint64_t pid_start_ticks;
	bool own_pid_namespace;
};

enum oci_state_form {
	OCI_STATE_FOR_HOOKS, /* the specification's fields alone, one line */
	OCI_STATE_FOR_USER,  /* as runc's `state` prints it, indented */
	OCI_STATE_STORED,    /* all */
};

const char *oci_status_name(enum oci_status status);
/* The caller frees the text. */
char *oci_state_encode(const struct oci_state *s, enum oci_state_form form);
/* Reads the stored form. On failure *out is empty. */
int must_check oci_state_parse(const char *text, size_t len, const char *what,
			       struct oci_state *out, struct err *err);
void oci_state_free(struct oci_state *s);
#define auto_oci_state __attribute__((cleanup(oci_state_free)))

#endif
