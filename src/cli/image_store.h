/* SPDX-License-Identifier: Apache-2.0 */
/* What the image commands share: the store of the engine. */
#ifndef CLOCHE_CLI_IMAGE_STORE_H
#define CLOCHE_CLI_IMAGE_STORE_H

#include "cli/command.h"
#include "engine/engine.h"
#include "image/image.h"

/* Opens the engine and its image store. On failure the error is printed and the exit code returned;
 * 0 when it is open. */
int must_check cli_image_store(struct cli_context *ctx, struct image_store *store);

/* When something was created, for people: "3 weeks ago", "N/A" for what is unknown. */
void cli_put_age(uint64_t created_ns, struct strbuf *out);

#endif
