/* SPDX-License-Identifier: Apache-2.0 */
/* --pid, --ipc and --network container:X: sharing the namespaces of a container that runs. */
#ifndef CLOCHE_ENGINE_JOIN_H
#define CLOCHE_ENGINE_JOIN_H

#include "engine/start_internal.h"

/* When a container is made: puts the full id in place of the name in each such mode and refuses what
 * contradicts it, in Docker's words. */
int must_check join_resolve(struct engine *e, struct container_config *config, struct err *err);
/* At each start: finds those containers running, adds their namespaces to l->oci and to the plan's
 * early part, and takes over host name and directory of network files. Their processes are held by
 * pidfds in l->joined, so that join_verify() can tell that they still live. */
int must_check join_namespaces(struct launch *l, struct err *err);
int must_check join_verify(const struct launch *l, struct err *err);

#endif
