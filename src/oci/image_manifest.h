/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an archive or registry says about images: OCI index and manifest (image-spec), Docker's
 * manifest list and manifest (schema 2), and manifest.json of `docker save`. Media types of both
 * families mean the same here.
 *
 * A document that could be read as index and as manifest is refused (CVE-2021-41190).
 */
#ifndef CLOCHE_OCI_IMAGE_MANIFEST_H
#define CLOCHE_OCI_IMAGE_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"

enum oci_media {
	OCI_MEDIA_OTHER,
	OCI_MEDIA_INDEX,
	OCI_MEDIA_MANIFEST,
	OCI_MEDIA_CONFIG,
	OCI_MEDIA_LAYER, /* tar, plain or compressed: the bytes say how */
};

/* The meaning of a media type. */
enum oci_media oci_media_kind(const char *media_type);

struct oci_descriptor {
	enum oci_media media;
	char *media_type;
	char *digest; /* checked form: "sha256:<64 lower-case hex>" */
	uint64_t size_bytes;
	char *os, *architecture, *variant; /* platform; NULL when not given */
	char *name; /* the image's name by annotation: io.containerd.image.name or ref.name, or NULL */
	bool attestation; /* vnd.docker.reference.type: about an image, not one */
};

struct oci_descriptors {
	struct oci_descriptor *items;
	size_t count;
};

struct oci_manifest {
	struct oci_descriptor config;
	struct oci_descriptors layers; /* lowest first */
};

/* One image in manifest.json of `docker save`: paths inside the archive. */
struct docker_archive_image {
	char *config;
	struct strv names; /* RepoTags */
	struct strv layers;
};

struct docker_archive_manifest {
	struct docker_archive_image *items;
	size_t count;
};

/* Decode documents of len bytes; `what` names them in errors. On failure *out is empty. ERR_INVALID
 * for what is malformed or ambiguous, ERR_UNSUPPORTED for unknown schema, media type or digest. */
int must_check oci_index_decode(const char *text, size_t len, const char *what,
				struct oci_descriptors *out, struct err *err);
int must_check oci_manifest_decode(const char *text, size_t len, const char *what,
				   struct oci_manifest *out, struct err *err);
int must_check docker_archive_manifest_decode(const char *text, size_t len, const char *what,
					      struct docker_archive_manifest *out, struct err *err);

void oci_descriptors_free(struct oci_descriptors *d);
void oci_manifest_free(struct oci_manifest *m);
void docker_archive_manifest_free(struct docker_archive_manifest *m);
#define auto_descriptors __attribute__((cleanup(oci_descriptors_free)))
#define auto_manifest __attribute__((cleanup(oci_manifest_free)))
#define auto_docker_manifest __attribute__((cleanup(docker_archive_manifest_free)))

/* The first descriptor of that os and architecture, else the first that is an image at all (no
 * attestation, no unknown media type). NULL when there is none. */
const struct oci_descriptor *oci_descriptors_choose(const struct oci_descriptors *d, const char *os,
						    const char *architecture);

#endif
