/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decodes indexes and manifests from strangers. Every list has a bound, every digest the one form
 * that can name a blob, and a document is read as exactly one kind.
 */
#include "oci/image_manifest.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "base/json.h"
#include "base/str.h"
#include "oci/member.h"

#define DESCRIPTORS_MAX 1000
#define HEX_LEN 64

static const struct {
	const char *type;
	enum oci_media kind;
} media_types[] = {
	{"application/vnd.oci.image.index.v1+json", OCI_MEDIA_INDEX},
	{"application/vnd.docker.distribution.manifest.list.v2+json", OCI_MEDIA_INDEX},
	{"application/vnd.oci.image.manifest.v1+json", OCI_MEDIA_MANIFEST},
	{"application/vnd.docker.distribution.manifest.v2+json", OCI_MEDIA_MANIFEST},
	{"application/vnd.oci.image.config.v1+json", OCI_MEDIA_CONFIG},
	{"application/vnd.docker.container.image.v1+json", OCI_MEDIA_CONFIG},
	{"application/vnd.oci.image.layer.v1.tar", OCI_MEDIA_LAYER},
	{"application/vnd.oci.image.layer.v1.tar+gzip", OCI_MEDIA_LAYER},
	{"application/vnd.oci.image.layer.v1.tar+zstd", OCI_MEDIA_LAYER},
	{"application/vnd.oci.image.layer.nondistributable.v1.tar", OCI_MEDIA_LAYER},
	{"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", OCI_MEDIA_LAYER},
	{"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", OCI_MEDIA_LAYER},
	{"application/vnd.docker.image.rootfs.diff.tar", OCI_MEDIA_LAYER},
	{"application/vnd.docker.image.rootfs.diff.tar.gzip", OCI_MEDIA_LAYER},
	{"application/vnd.docker.image.rootfs.diff.tar.zstd", OCI_MEDIA_LAYER},
	{"application/vnd.docker.image.rootfs.foreign.diff.tar", OCI_MEDIA_LAYER},
	{"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", OCI_MEDIA_LAYER},
};

enum oci_media oci_media_kind(const char *media_type)
{
	for (size_t i = 0; i < sizeof(media_types) / sizeof(media_types[0]); i++)
		if (str_eq(media_type, media_types[i].type))
			return media_types[i].kind;
	return OCI_MEDIA_OTHER;
}

static int malformed(struct err *err, const char *what, const char *member)
{
	return err_set(err, ERR_INVALID, EINVAL, "%s: \"%s\" is missing or has the wrong type",
		       what, member);
}

static void descriptor_free(struct oci_descriptor *d)
{
	free(d->media_type);
	free(d->digest);
	free(d->os);
	free(d->architecture);
	free(d->variant);
	free(d->name);
	memset(d, 0, sizeof(*d));
}

static int decode_platform(struct json_object *o, struct oci_descriptor *d, const char *what,
			   struct err *err)
{
	struct json_object *p;
	int rc = json_get_object(o, "platform", &p);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return malformed(err, what, "platform");
	rc = member_string(p, "os", &d->os, what, err);
	if (rc == 0)
		rc = member_string(p, "architecture", &d->architecture, what, err);
	if (rc == 0)
		rc = member_string(p, "variant", &d->variant, what, err);
	return rc;
}

static int decode_annotations(struct json_object *o, struct oci_descriptor *d, const char *what,
			      struct err *err)
{
	struct json_object *a;
	const char *s;
	int rc = json_get_object(o, "annotations", &a);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return malformed(err, what, "annotations");
	d->attestation = json_object_object_get_ex(a, "vnd.docker.reference.type", NULL);
	rc = json_get_string(a, "io.containerd.image.name", &s);
	if (rc == -ENOENT)
		rc = json_get_string(a, "org.opencontainers.image.ref.name", &s);
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return malformed(err, what, "annotations");
	d->name = xstrdup(s);
	return 0;
}

static int check_digest(const struct oci_descriptor *d, const char *what, struct err *err)
{
	if (str_starts(d->digest, "sha256:") && id_is_hex(d->digest + 7, HEX_LEN))
		return 0;
	return err_set(err, ERR_UNSUPPORTED, ENOTSUP, "%s: unsupported digest \"%.100s\"", what,
		       d->digest);
}

static int decode_descriptor(struct json_object *o, struct oci_descriptor *d, const char *what,
			     struct err *err)
{
	int rc;

	if (!json_object_is_type(o, json_type_object))
		return malformed(err, what, "descriptor");
	rc = member_string(o, "mediaType", &d->media_type, what, err);
	if (rc == 0)
		rc = member_string(o, "digest", &d->digest, what, err);
	if (rc == 0 && (!d->media_type || !d->digest))
		rc = malformed(err, what, d->digest ? "mediaType" : "digest");
	if (rc == 0)
		rc = check_digest(d, what, err);
	if (rc == 0 && json_get_u64(o, "size", &d->size_bytes) < 0)
		rc = malformed(err, what, "size");
	if (rc == 0)
		rc = decode_platform(o, d, what, err);
	if (rc == 0)
		rc = decode_annotations(o, d, what, err);
	if (rc == 0)
		d->media = oci_media_kind(d->media_type);
	return rc;
}

static int decode_descriptors(struct json_object *o, const char *key, struct oci_descriptors *out,
			      const char *what, struct err *err)
{
	struct json_object *a;
	size_t n;
	int rc = 0;

	if (json_get_array(o, key, &a) < 0)
		return malformed(err, what, key);
	n = json_object_array_length(a);
	if (n > DESCRIPTORS_MAX)
		return err_set(err, ERR_INVALID, EINVAL,
			       "%s: %zu entries in \"%s\", at most %d are taken", what, n, key,
			       DESCRIPTORS_MAX);
	out->items = xcalloc(n + 1, sizeof(*out->items));
	for (size_t i = 0; rc == 0 && i < n; i++) {
		out->count = i + 1;
		rc = decode_descriptor(json_object_array_get_idx(a, i), &out->items[i], what, err);
	}
	return rc;
}

/* Checks schemaVersion and that the document is of one kind only. */
static int check_kind(struct json_object *o, enum oci_media kind, const char *what, struct err *err)
{
	bool index = json_object_object_get_ex(o, "manifests", NULL);
	bool manifest = json_object_object_get_ex(o, "layers", NULL) ||
			json_object_object_get_ex(o, "config", NULL);
	const char *media_type;
	int64_t schema;
	int rc;

	if (!json_object_is_type(o, json_type_object))
		return err_set(err, ERR_INVALID, EINVAL, "%s: not a JSON object", what);
	if (json_get_i64(o, "schemaVersion", &schema) < 0)
		return malformed(err, what, "schemaVersion");
	if (schema != 2)
		return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
			       "%s: schema version %lld is not supported", what, (long long)schema);
	if ((index && manifest) || json_object_object_get_ex(o, "fsLayers", NULL))
		return err_set(err, ERR_INVALID, EINVAL,
			       "%s: ambiguous: it can be read as more than one kind of document",
			       what);
	rc = json_get_string(o, "mediaType", &media_type);
	if (rc == -EINVAL)
		return malformed(err, what, "mediaType");
	if (rc == 0 && oci_media_kind(media_type) != kind)
		return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
			       "%s: unsupported media type \"%.150s\"", what, media_type);
	return 0;
}

int oci_index_decode(const char *text, size_t len, const char *what, struct oci_descriptors *out,
		     struct err *err)
{
	auto_json struct json_object *o = NULL;
	int rc;

	memset(out, 0, sizeof(*out));
	rc = json_parse(text, len, what, &o, err);
	if (rc == 0)
		rc = check_kind(o, OCI_MEDIA_INDEX, what, err);
	if (rc == 0)
		rc = decode_descriptors(o, "manifests", out, what, err);
	if (rc < 0)
		oci_descriptors_free(out);
	return rc;
}

static int check_media(const struct oci_descriptor *d, enum oci_media kind, const char *what,
		       struct err *err)
{
	if (d->media == kind)
		return 0;
	return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
		       "%s: unsupported media type \"%.150s\" of its %s", what, d->media_type,
		       kind == OCI_MEDIA_CONFIG ? "config" : "layer");
}

static int decode_manifest(struct json_object *o, struct oci_manifest *out, const char *what,
			   struct err *err)
{
	struct json_object *config;
	int rc = check_kind(o, OCI_MEDIA_MANIFEST, what, err);

	if (rc < 0)
		return rc;
	if (json_get_object(o, "config", &config) < 0)
		return malformed(err, what, "config");
	rc = decode_descriptor(config, &out->config, what, err);
	if (rc == 0)
		rc = check_media(&out->config, OCI_MEDIA_CONFIG, what, err);
	if (rc == 0)
		rc = decode_descriptors(o, "layers", &out->layers, what, err);
	for (size_t i = 0; rc == 0 && i < out->layers.count; i++)
		rc = check_media(&out->layers.items[i], OCI_MEDIA_LAYER, what, err);
	return rc;
}

int oci_manifest_decode(const char *text, size_t len, const char *what, struct oci_manifest *out,
			struct err *err)
{
	auto_json struct json_object *o = NULL;
	int rc;

	memset(out, 0, sizeof(*out));
	rc = json_parse(text, len, what, &o, err);
	if (rc == 0)
		rc = decode_manifest(o, out, what, err);
	if (rc < 0)
		oci_manifest_free(out);
	return rc;
}

static int decode_archive_image(struct json_object *o, struct docker_archive_image *i,
				const char *what, struct err *err)
{
	int rc;

	if (!json_object_is_type(o, json_type_object))
		return malformed(err, what, "entry");
	rc = member_string(o, "Config", &i->config, what, err);
	if (rc == 0 && !i->config)
		rc = malformed(err, what, "Config");
	if (rc < 0)
		return rc;
	rc = json_get_strv(o, "RepoTags", &i->names);
	if (rc < 0 && rc != -ENOENT)
		return malformed(err, what, "RepoTags");
	rc = json_get_strv(o, "Layers", &i->layers);
	if (rc < 0 && rc != -ENOENT)
		return malformed(err, what, "Layers");
	return 0;
}

static int decode_archive(struct json_object *a, struct docker_archive_manifest *out,
			  const char *what, struct err *err)
{
	size_t n;
	int rc = 0;

	if (!json_object_is_type(a, json_type_array))
		return err_set(err, ERR_INVALID, EINVAL, "%s: not a JSON array", what);
	n = json_object_array_length(a);
	if (n == 0 || n > DESCRIPTORS_MAX)
		return err_set(err, ERR_INVALID, EINVAL, "%s: it lists %zu images", what, n);
	out->items = xcalloc(n, sizeof(*out->items));
	for (size_t i = 0; rc == 0 && i < n; i++) {
		out->count = i + 1;
		rc = decode_archive_image(json_object_array_get_idx(a, i), &out->items[i], what,
					  err);
	}
	return rc;
}

int docker_archive_manifest_decode(const char *text, size_t len, const char *what,
				   struct docker_archive_manifest *out, struct err *err)
{
	auto_json struct json_object *a = NULL;
	int rc;

	memset(out, 0, sizeof(*out));
	rc = json_parse(text, len, what, &a, err);
	if (rc == 0)
		rc = decode_archive(a, out, what, err);
	if (rc < 0)
		docker_archive_manifest_free(out);
	return rc;
}

void oci_descriptors_free(struct oci_descriptors *d)
{
	for (size_t i = 0; i < d->count; i++)
		descriptor_free(&d->items[i]);
	free(d->items);
	memset(d, 0, sizeof(*d));
}

void oci_manifest_free(struct oci_manifest *m)
{
	descriptor_free(&m->config);
	oci_descriptors_free(&m->layers);
}

void docker_archive_manifest_free(struct docker_archive_manifest *m)
{
	for (size_t i = 0; i < m->count; i++) {
		free(m->items[i].config);
		strv_free(&m->items[i].names);
		strv_free(&m->items[i].layers);
	}
	free(m->items);
	memset(m, 0, sizeof(*m));
}

static bool same(const char *a, const char *b)
{
	return a && str_eq(a, b);
}

const struct oci_descriptor *oci_descriptors_choose(const struct oci_descriptors *d, const char *os,
						    const char *architecture)
{
	const struct oci_descriptor *first = NULL;

	for (size_t i = 0; i < d->count; i++) {
		const struct oci_descriptor *c = &d->items[i];

		if (c->attestation ||
		    (c->media != OCI_MEDIA_MANIFEST && c->media != OCI_MEDIA_INDEX))
			continue;
		if (same(c->os, os) && same(c->architecture, architecture))
			return c;
		if (!first)
			first = c;
	}
	return first;
}
