/* SPDX-License-Identifier: Apache-2.0 */
/* A container's file system as one tar: `export`. */
#ifndef CLOCHE_ENGINE_EXPORT_H
#define CLOCHE_ENGINE_EXPORT_H

#include "engine/engine.h"

/* Writes the container's own file system, without what is mounted into it, to fd as tar. */
int must_check container_export(struct engine *e, struct container *c, int fd, struct err *err);

#endif
