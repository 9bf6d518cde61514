/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image configuration (OCI image-spec config.md; Docker's image JSON is the same document) as a
 * C struct. Decoding is strict about types and silent about members it does not know. All strings
 * are heap-owned by the struct.
 */
#ifndef CLOCHE_OCI_IMAGE_CONFIG_H
#define CLOCHE_OCI_IMAGE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"

struct json_object;

/* What HEALTHCHECK said; times in ns, 0 means inherit/default. */
struct oci_healthcheck {
	bool present;
	struct strv test; /* "NONE", "CMD"..., "CMD-SHELL"... */
	int64_t interval_ns, timeout_ns, start_period_ns, start_interval_ns;
	int64_t retries;
};

/* One step of the build, oldest first. */
struct oci_history {
	uint64_t created_ns;                 /* wall clock, 0 unknown */
	char *created_by, *author, *comment; /* NULL when absent */
	bool empty_layer;
};

struct oci_image_config {
	uint64_t created_ns; /* wall clock, 0 unknown */
	char *author;        /* NULL when absent, as all strings below unless noted */
	char *architecture;  /* "amd64", never NULL */
	char *variant;       /* "v8" */
	char *os;            /* "linux", never NULL */
	/* the part named "config" */
	char *user;        /* "" or NULL: root */
	char *working_dir; /* "" or NULL: "/" */
	char *stop_signal; /* "SIGTERM" or "15" */
	struct strv env, entrypoint, cmd, shell, on_build;
	bool entrypoint_set, cmd_set; /* false: null or absent */
	struct strv volumes;          /* absolute paths, in the order of the document */
	struct strv exposed_ports;    /* "80/tcp" */
	struct strv labels;           /* KEY=VALUE */
	struct oci_healthcheck healthcheck;
	/* the file system */
	struct strv diff_ids; /* "sha256:<64 hex>", lowest layer first */
	struct oci_history *history;
	size_t history_count;
	/* The document itself, for front ends that echo it (inspect). */
	struct json_object *document;
};

/* Decodes a document of len bytes; what names it in errors ("image config sha256:..."). On failure
 * *out is empty. ERR_INVALID for a malformed document, ERR_UNSUPPORTED for a rootfs that is not
 * "layers". */
int must_check oci_image_config_decode(const char *text, size_t len, const char *what,
				       struct oci_image_config *out, struct err *err);
void oci_image_config_free(struct oci_image_config *c);
#define auto_image_config __attribute__((cleanup(oci_image_config_free)))

#endif
