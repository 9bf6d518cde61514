/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images as one archive that Docker, skopeo and this program load: an OCI layout with the files of
 * `docker save` beside it, as Docker 25 and later write it. Layers are the very tars that were loaded
 * (tar_record.h), so ids and diff ids stay what they are; every layer is checked while it is written.
 */
#ifndef CLOCHE_IMAGE_SAVE_H
#define CLOCHE_IMAGE_SAVE_H

#include "image/image.h"

/* Writes the images that references name to fd. A name without a tag means all its tags, an id no
 * name at all. ERR_NOT_FOUND "reference does not exist"; ERR_UNSUPPORTED for a layer of which no
 * record was kept; ERR_CORRUPT for one whose files changed. What was written before an error is no
 * archive. */
int must_check image_save(struct image_store *s, const struct strv *references, int fd,
			  struct err *err);

#endif
