/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks that run beside the container, in the runtime's own namespaces. */
#ifndef CLOCHE_RUNTIME_CLI_HOOKS_H
#define CLOCHE_RUNTIME_CLI_HOOKS_H

#include "oci/runtime_config.h"

/* Runs the hooks of a stage in order, each with the state on standard input and exactly the
 * environment it names; stops at the first that fails or outlives its timeout. */
int must_check hooks_run(const struct oci_config *c, enum oci_hook_stage stage, const char *state,
			 struct err *err);

#endif
