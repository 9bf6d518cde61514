/* SPDX-License-Identifier: Apache-2.0 */
/* The image's configuration under what the user asked for, as Docker merges the two. */
#ifndef CLOCHE_ENGINE_MERGE_H
#define CLOCHE_ENGINE_MERGE_H

#include "base/err.h"
#include "engine/container.h"
#include "image/image.h"

#define CONTAINER_DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/*
 * Completes c, whose id and config are set, from the image (NULL with --rootfs):
 * - c->config itself becomes what `inspect` shows: env, cmd, entrypoint, labels, exposed ports, stop
 *   signal, the image's volumes added to mounts unless something is mounted there already, hostname;
 * - c->argv, env, user, working_dir, stop_signal, image_id and lower are what the start needs.
 * Modes that were not given get their defaults (network, ipc, cgroupns, restart policy, log driver,
 * runtime). "No command specified" is ERR_INVALID.
 */
int must_check container_merge(struct container *c, const struct image *image, struct err *err);

#endif
