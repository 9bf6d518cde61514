/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of images, with the grammar of github.com/distribution/reference: [DOMAIN/]PATH[:TAG]
 * [@DIGEST], and Docker's "familiar" short form (docker.io/library/x, library/x and x are one name,
 * shown as x).
 */
#ifndef CLOCHE_IMAGE_REFERENCE_H
#define CLOCHE_IMAGE_REFERENCE_H

#include <stdbool.h>

#include "base/err.h"

#define REFERENCE_NAME_MAX 255
#define REFERENCE_TAG_MAX 128
#define DIGEST_PREFIX "sha256:"
#define DIGEST_HEX_LEN 64
#define DIGEST_LEN (7 + DIGEST_HEX_LEN) /* "sha256:" and 64 hex digits */

struct reference {
	char name[REFERENCE_NAME_MAX + 32]; /* familiar: "bb", "cloche/busybox", "host:5000/x" */
	char tag[REFERENCE_TAG_MAX + 1];    /* "" when there is none */
	char digest[DIGEST_LEN + 1];        /* "" when there is none */
};

#define REFERENCE_TEXT_MAX (REFERENCE_NAME_MAX + 32 + 1 + REFERENCE_TAG_MAX + 1 + DIGEST_LEN + 1)

/* Parses text strictly. With neither tag nor digest the tag stays "". Errors (ERR_INVALID) have
 * Docker's texts: "invalid reference format", "invalid reference format: repository name (library/X)
 * must be lowercase", "repository name must not be more than 255 characters", "cannot specify 64-byte
 * hexadecimal strings". */
int must_check reference_parse(const char *text, struct reference *out, struct err *err);
/* Refuses what no image may be called: a digest, and what reads like one. ERR_INVALID. */
int must_check reference_check_tag(const struct reference *r, struct err *err);
/* Sets the tag "latest" when there is neither tag nor digest. */
void reference_default_tag(struct reference *r);
/* "name:tag", "name@digest", "name:tag@digest" or "name". */
void reference_format(const struct reference *r, char out[static REFERENCE_TEXT_MAX]);
/* True for "sha256:" and 64 lower-case hex digits; the only algorithm known. */
bool digest_valid(const char *text);

#endif
