/* SPDX-License-Identifier: Apache-2.0 */
/* What takes room on disk and who uses it: `system df`, and the API's /system/df later. */
#ifndef CLOCHE_ENGINE_USAGE_H
#define CLOCHE_ENGINE_USAGE_H

#include "engine/engine.h"
#include "engine/size.h"
#include "engine/volume_record.h"
#include "image/image.h"

struct image_usage {
	struct image_summary image;
	uint64_t shared_bytes; /* of layers that other images have too */
	size_t containers;     /* that were made from it */
};

struct container_usage {
	const struct container *container; /* brief; in engine_usage.list */
	struct container_size size;
};

struct volume_usage {
	struct volume volume;
	uint64_t bytes;
	size_t users; /* containers that refer to it */
};

struct engine_usage {
	uint64_t layers_bytes; /* of all images, each layer once */
	struct image_usage *images;
	size_t image_count;
	struct container *list; /* newest first */
	struct container_usage *containers;
	size_t container_count;
	struct volume_usage *volumes;
	size_t volume_count;
};

/* Looks at everything. The caller frees *out, also after an error. */
int must_check engine_usage(struct engine *e, struct engine_usage *out, struct err *err);
void engine_usage_free(struct engine_usage *u);
#define auto_usage __attribute__((cleanup(engine_usage_free)))

/* One line of the summary. */
struct usage_total {
	size_t total, active;
	uint64_t bytes, reclaimable_bytes;
};

/* Pure: sums as Docker's client does them (cli/command/formatter/disk_usage.go). */
struct usage_total usage_of_images(const struct engine_usage *u);
struct usage_total usage_of_containers(const struct engine_usage *u);
struct usage_total usage_of_volumes(const struct engine_usage *u);

/* Room that all layers of all images take, each once. */
int must_check engine_layers_size(struct engine *e, uint64_t *bytes, struct err *err);

#endif
