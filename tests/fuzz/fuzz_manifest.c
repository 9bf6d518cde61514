/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a hostile index, manifest or manifest.json. No document may decode as both index and
 * manifest (CVE-2021-41190), and every digest that is let through has the one safe form. The same
 * bytes are tried as an image's name.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "image/reference.h"
#include "oci/image_manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_digests(const struct oci_descriptors *d)
{
	for (size_t i = 0; i < d->count; i++)
		if (!digest_valid(d->items[i].digest) || strchr(d->items[i].digest, '/'))
			abort();
}

/* A name that parses shows in a form that parses to the same. */
static void try_name(const char *text)
{
	char shown[REFERENCE_TEXT_MAX], again[REFERENCE_TEXT_MAX];
	struct err err = ERR_INIT;
	struct reference r;

	if (reference_parse(text, &r, &err) < 0)
		return;
	reference_default_tag(&r);
	reference_format(&r, shown);
	/* a tag may hold "..", a repository not */
	if (strstr(r.name, "..") || strchr(shown, '\n') || reference_parse(shown, &r, &err) < 0)
		abort();
	reference_format(&r, again);
	if (!str_eq(shown, again))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	auto_free char *name = xstrndup(text, size);
	struct docker_archive_manifest archive;
	struct oci_descriptors index;
	struct oci_manifest manifest;
	struct err err = ERR_INIT;
	bool is_index = false;

	if (oci_index_decode(text, size, "index", &index, &err) == 0) {
		is_index = true;
		check_digests(&index);
		(void)oci_descriptors_choose(&index, "linux", "amd64");
		oci_descriptors_free(&index);
	}
	if (oci_manifest_decode(text, size, "manifest", &manifest, &err) == 0) {
		if (is_index || !digest_valid(manifest.config.digest))
			abort();
		check_digests(&manifest.layers);
		oci_manifest_free(&manifest);
	}
	if (docker_archive_manifest_decode(text, size, "manifest.json", &archive, &err) == 0)
		docker_archive_manifest_free(&archive);
	try_name(name);
	return 0;
}
