/* SPDX-License-Identifier: Apache-2.0 */
/* Removing what nobody uses, many at a time. What comes into use meanwhile stays, and what cannot be
 * removed does not keep the rest. */
#ifndef CLOCHE_ENGINE_PRUNE_H
#define CLOCHE_ENGINE_PRUNE_H

#include "engine/engine.h"

struct prune_result {
	/* containers: ids; networks and volumes: names; images: "Untagged: bb:latest", "Deleted: sha256:..." */
	struct strv removed;
	uint64_t bytes;
};

void prune_result_free(struct prune_result *r);
#define auto_prune_result __attribute__((cleanup(prune_result_free)))

/* Filters "key=value" as Docker has them: label, label!, until (not volumes), dangling
 * (images: false takes all that no container uses), all (volumes: true takes named ones too).
 * ERR_INVALID before anything is removed: "invalid filter 'x'". */
int must_check container_prune(struct engine *e, const struct strv *filters,
			       struct prune_result *out, struct err *err);
int must_check image_prune(struct engine *e, const struct strv *filters, struct prune_result *out,
			   struct err *err);
/* Networks that no running container is connected to, but for the predefined ones. */
int must_check network_prune(struct engine *e, const struct strv *filters, struct prune_result *out,
			     struct err *err);
int must_check volume_prune(struct engine *e, const struct strv *filters, struct prune_result *out,
			    struct err *err);

#endif
