/* SPDX-License-Identifier: Apache-2.0 */
/* `docker save` archives: manifest.json says for each image its configuration, names and layers. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "image/load_internal.h"
#include "oci/image_manifest.h"

static int add_image(struct load *l, const struct docker_archive_image *d, struct err *err)
{
	struct load_image *i;
	char *text = NULL;
	size_t len = 0;
	int rc = image_archive_read(&l->archive, d->config, IMAGE_CONFIG_MAX, &text, &len, err);

	if (rc < 0)
		return err_wrap(err, "image configuration");
	rc = load_add_image(l, text, len, &i, err);
	if (rc < 0)
		return rc;
	for (size_t n = 0; rc == 0 && n < d->names.count; n++)
		rc = load_add_name(i, d->names.items[n], err);
	for (size_t n = 0; rc == 0 && n < d->layers.count; n++) {
		if (!image_archive_has(&l->archive, d->layers.items[n]))
			return err_set(err, ERR_INVALID, ENOENT,
				       "manifest.json: layer %.200s is not in the archive",
				       d->layers.items[n]);
		strv_add(&i->blobs, d->layers.items[n]);
		strv_add(&i->blob_digests, "");
	}
	return rc;
}

int load_docker_archive(struct load *l, struct err *err)
{
	auto_docker_manifest struct docker_archive_manifest m = {0};
	auto_free char *text = NULL;
	size_t len = 0;
	int rc = image_archive_read(&l->archive, "manifest.json", IMAGE_CONFIG_MAX, &text, &len,
				    err);

	if (rc == 0)
		rc = docker_archive_manifest_decode(text, len, "manifest.json", &m, err);
	for (size_t i = 0; rc == 0 && i < m.count; i++)
		rc = add_image(l, &m.items[i], err);
	return rc;
}
