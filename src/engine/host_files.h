/* SPDX-License-Identifier: Apache-2.0 */
/* /etc/hosts, /etc/hostname and /etc/resolv.conf of a container, kept in its run directory. */
#ifndef CLOCHE_ENGINE_HOST_FILES_H
#define CLOCHE_ENGINE_HOST_FILES_H

#include "engine/container.h"

/* Writes the three files below run_dir. They are the container's to change while it runs. */
int must_check host_files_write(const struct container *c, int run_dir, struct err *err);

#endif
