/* SPDX-License-Identifier: Apache-2.0 */
/* New images from containers and tars, and images as archives: `commit`, `import`, `save`. The work
 * on the store is done by cloche-image. */
#ifndef CLOCHE_ENGINE_COMMIT_H
#define CLOCHE_ENGINE_COMMIT_H

#include "engine/engine.h"
#include "image/image.h"

struct image_description {
	const char *name;           /* "repo[:tag]" to give, or NULL */
	const char *author;         /* or NULL */
	const char *message;        /* or NULL */
	const struct strv *changes; /* Dockerfile instructions */
};

/* An image of c as it is now: its image's layers and one of what it changed. pause: it is frozen while
 * that is read. */
int must_check container_commit(struct engine *e, struct container *c,
				const struct image_description *description, bool pause,
				char id[static IMAGE_ID_SIZE], struct err *err);
/* An image of one layer, the tar (plain, gzip, zstd) that input gives. platform: "os[/arch[/variant]]"
 * or NULL. */
int must_check image_import(struct engine *e, int input, const char *platform,
			    const struct image_description *description,
			    char id[static IMAGE_ID_SIZE], struct err *err);
/* image_save() of image/save.h, to fd. */
int must_check images_save(struct engine *e, const struct strv *references, int fd,
			   struct err *err);

#endif
