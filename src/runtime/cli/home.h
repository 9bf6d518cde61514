/* SPDX-License-Identifier: Apache-2.0 */
/* HOME for a process that was not given one, as runc and crun do. */
#ifndef CLOCHE_RUNTIME_CLI_HOME_H
#define CLOCHE_RUNTIME_CLI_HOME_H

#include "oci/runtime_config.h"

/* Appends HOME to the environment when it is missing: from the root's /etc/passwd, else "/". */
void home_add(struct oci_process *p, const char *rootfs);

#endif
