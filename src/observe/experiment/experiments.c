/* SPDX-License-Identifier: Apache-2.0 */
/* Every experiment there is, one line each, by number. */
#include "observe/experiment/experiment.h"
#include "observe/experiment/experiments.h"

/* clang-format off */
const struct experiment *const experiments[] = {
	&experiment_startup,
	&experiment_hierarchy,
	&experiment_layers,
	&experiment_io,
	&experiment_network,
	&experiment_memory,
	&experiment_security,
	&experiment_limits,
	&experiment_namespaces,
	&experiment_syscalls,
};
/* clang-format on */
const size_t experiments_count = sizeof(experiments) / sizeof(experiments[0]);
