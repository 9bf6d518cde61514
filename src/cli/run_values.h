/* SPDX-License-Identifier: Apache-2.0 */
/* The values of run's flags that have a grammar of their own. */
#ifndef CLOCHE_CLI_RUN_VALUES_H
#define CLOCHE_CLI_RUN_VALUES_H

#include "cli/options.h"
#include "engine/container.h"

/* Fields: struct container_config for the first five, struct strv for the rest. */
extern const struct option_type option_volume;  /* -v [SOURCE:]TARGET[:MODE] */
extern const struct option_type option_mount;   /* --mount type=bind,source=...,target=... */
extern const struct option_type option_tmpfs;   /* --tmpfs TARGET[:OPTIONS] */
extern const struct option_type option_ulimit;  /* --ulimit NAME=SOFT[:HARD] */
extern const struct option_type option_swap;    /* --memory-swap: a size, or -1 */
extern const struct option_type option_env;     /* -e KEY[=VALUE] */
extern const struct option_type option_label;   /* -l KEY[=VALUE] */
extern const struct option_type option_streams; /* -a stdin|stdout|stderr, lower case */
extern const struct option_type option_pid_mode, option_ipc_mode, option_uts_mode,
	option_cgroupns_mode, option_network; /* char * */

/* "./x", "." and "x/.." as seen from the current directory; absolute paths are only cleaned. The
 * caller frees the result. */
char *run_absolute_path(const char *path);

#endif
