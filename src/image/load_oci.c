/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OCI layouts: index.json points to manifests by digest, blobs lie in blobs/sha256/. Every blob that
 * is read whole has its digest and size checked here; layers have theirs checked while unpacking.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "image/hash.h"
#include "image/load_internal.h"
#include "oci/image_manifest.h"

/* An index in an index in an index is an attack or a mistake. */
#define NESTING_MAX 4

static void blob_name(const char *digest, char out[static 128])
{
	snprintf(out, 128, "blobs/sha256/%s", id_hex(digest));
}

static int read_blob(struct load *l, const struct oci_descriptor *d, char **out, size_t *len,
		     struct err *err)
{
	auto_free char *text = NULL;
	char name[128], digest[IMAGE_ID_SIZE];
	size_t n = 0;
	int rc;

	if (d->size_bytes > IMAGE_CONFIG_MAX)
		return err_set(err, ERR_INVALID, EFBIG, "%s: %llu bytes, at most %u are taken",
			       d->digest, (unsigned long long)d->size_bytes, IMAGE_CONFIG_MAX);
	blob_name(d->digest, name);
	rc = image_archive_read(&l->archive, name, IMAGE_CONFIG_MAX, &text, &n, err);
	if (rc == 0 && n != d->size_bytes)
		rc = err_set(err, ERR_INVALID, EBADMSG,
			     "%s: has %zu bytes, its descriptor says %llu", d->digest, n,
			     (unsigned long long)d->size_bytes);
	if (rc == 0)
		rc = hash_bytes(text, n, digest, err);
	if (rc == 0 && !str_eq(digest, d->digest))
		rc = err_set(err, ERR_INVALID, EBADMSG,
			     "%s: content does not match, its digest is %s", d->digest, digest);
	if (rc < 0)
		return rc;
	*out = take_ptr(&text);
	*len = n;
	return 0;
}

static int add_layers(struct load *l, struct load_image *i, const struct oci_manifest *m,
		      struct err *err)
{
	for (size_t n = 0; n < m->layers.count; n++) {
		const struct oci_descriptor *d = &m->layers.items[n];
		uint64_t size;
		char name[128];

		blob_name(d->digest, name);
		if (!image_archive_size(&l->archive, name, &size))
			return err_set(err, ERR_INVALID, ENOENT, "layer %s is not in the archive",
				       d->digest);
		if (size != d->size_bytes)
			return err_set(err, ERR_INVALID, EBADMSG,
				       "layer %s: has %llu bytes, its descriptor says %llu",
				       d->digest, (unsigned long long)size,
				       (unsigned long long)d->size_bytes);
		strv_add(&i->blobs, name);
		strv_add(&i->blob_digests, d->digest);
	}
	return 0;
}

static int add_manifest(struct load *l, const struct oci_descriptor *d, const char *name,
			struct err *err)
{
	auto_manifest struct oci_manifest m = {0};
	auto_free char *text = NULL;
	struct load_image *i;
	char *config = NULL;
	size_t len = 0, config_len = 0;
	int rc = read_blob(l, d, &text, &len, err);

	if (rc == 0)
		rc = oci_manifest_decode(text, len, d->digest, &m, err);
	if (rc == 0)
		rc = read_blob(l, &m.config, &config, &config_len, err);
	if (rc == 0)
		rc = load_add_image(l, config, config_len, &i, err);
	if (rc < 0)
		return rc;
	memcpy(i->manifest_digest, d->digest, IMAGE_ID_SIZE);
	i->manifest_text = take_ptr(&text);
	i->manifest_len = len;
	if (name)
		rc = load_add_name(i, name, err);
	return rc < 0 ? rc : add_layers(l, i, &m, err);
}

static int add_descriptor(struct load *l, const struct oci_descriptor *d, const char *name,
			  int depth, struct err *err)
{
	auto_descriptors struct oci_descriptors index = {0};
	const struct oci_descriptor *chosen;
	auto_free char *text = NULL;
	char host[128];
	size_t len = 0;
	int rc;

	if (d->media == OCI_MEDIA_MANIFEST)
		return add_manifest(l, d, name, err);
	if (d->media != OCI_MEDIA_INDEX)
		return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
			       "%s: unsupported media type \"%.150s\"", d->digest, d->media_type);
	if (depth == NESTING_MAX)
		return err_set(err, ERR_INVALID, EMLINK, "%s: indexes are nested too deeply",
			       d->digest);
	rc = read_blob(l, d, &text, &len, err);
	if (rc == 0)
		rc = oci_index_decode(text, len, d->digest, &index, err);
	if (rc < 0)
		return rc;
	image_host_platform(host, sizeof(host));
	chosen = oci_descriptors_choose(&index, "linux", host + strlen("linux/"));
	if (!chosen)
		return err_set(err, ERR_INVALID, ENOENT, "%s: the index has no image", d->digest);
	return add_descriptor(l, chosen, name, depth + 1, err);
}

int load_oci_layout(struct load *l, struct err *err)
{
	auto_descriptors struct oci_descriptors index = {0};
	auto_free char *text = NULL;
	size_t len = 0, images = 0;
	int rc = image_archive_read(&l->archive, "index.json", IMAGE_CONFIG_MAX, &text, &len, err);

	if (rc == 0)
		rc = oci_index_decode(text, len, "index.json", &index, err);
	for (size_t i = 0; rc == 0 && i < index.count; i++) {
		if (index.items[i].attestation)
			continue;
		images++;
		rc = add_descriptor(l, &index.items[i], index.items[i].name, 0, err);
	}
	if (rc == 0 && images == 0)
		rc = err_set(err, ERR_INVALID, ENOENT, "index.json: it names no image");
	return rc;
}
