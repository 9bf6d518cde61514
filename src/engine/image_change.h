/* SPDX-License-Identifier: Apache-2.0 */
/* `--change` of commit and import: one Dockerfile instruction applied to an image's configuration. */
#ifndef CLOCHE_ENGINE_IMAGE_CHANGE_H
#define CLOCHE_ENGINE_IMAGE_CHANGE_H

#include <json-c/json.h>

#include "base/err.h"
#include "base/strv.h"

/* Applies CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and
 * WORKDIR, in order, to config (the object that Docker calls Config). ERR_INVALID with Docker's
 * words. */
int must_check image_changes_apply(struct json_object *config, const struct strv *changes,
				   struct err *err);

#endif
