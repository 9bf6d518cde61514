/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of an OCI bundle from the description of a container. */
#ifndef CLOCHE_OBSERVE_SUBJECT_BUNDLE_H
#define CLOCHE_OBSERVE_SUBJECT_BUNDLE_H

#include "observe/subject/subject.h"

/* Makes directory with config.json in it; its rootfs is scratch/rootfs. ERR_UNSUPPORTED for what only an
 * engine has (networks, published ports, other containers' namespaces). */
int must_check bundle_write(struct subject *s, const struct container_spec *spec, const char *name,
			    const char *directory, struct err *err);

#endif
