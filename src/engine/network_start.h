/* SPDX-License-Identifier: Apache-2.0 */
/* The network's part of a launch (engine/start.c). */
#ifndef CLOCHE_ENGINE_NETWORK_START_H
#define CLOCHE_ENGINE_NETWORK_START_H

#include "engine/start_internal.h"

/* Once the monitor was spawned and the container has its name: takes addresses and ports, writes the
 * script, and lets the monitor connect the container while the launch goes on. Nothing for a container
 * without endpoints. A warning when the host filters what is forwarded in a way that is left alone. */
int must_check launch_network(struct launch *l, struct strv *warnings, struct err *err);
/* Then: the files that depend on it. */
int must_check launch_host_files(struct launch *l, struct err *err);
/* Events "network connect". */
void launch_tell_network(struct launch *l);
void launch_network_free(struct launch *l);

#endif
