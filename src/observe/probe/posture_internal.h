/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of posture_read(). */
#ifndef CLOCHE_OBSERVE_PROBE_POSTURE_INTERNAL_H
#define CLOCHE_OBSERVE_PROBE_POSTURE_INTERNAL_H

#include "observe/probe/posture.h"

/* Mounts, masked and read-only paths, the root. own are mounts of the process; hosts the lists, NULL last, in
 * which a part of it is looked for on the host, the first that has it names it. */
void posture_take_mounts(struct posture *p, const struct mount_list *own,
			 const struct mount_list *const *hosts, int rootfd);
/* Nodes below /dev, the rules of its control group. */
void posture_take_devices(struct posture *p, int rootfd);
/* The fields of a status file. */
void posture_take_status(struct posture *p, const char *status);
void posture_take_limits(struct posture *p, const char *limits);
size_t posture_parse_map(const char *text, struct posture_map **out);

#endif
