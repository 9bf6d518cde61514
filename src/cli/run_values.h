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
	option_cgroupns_mode; /* char * */

extern const struct option_type option_device; /* struct container_config */
extern const struct option_type option_cgroup_rule, option_sysctl, option_annotation,
	option_log_opt, option_storage_opt, option_expose; /* struct strv */
extern const struct option_type option_add_host, option_dns, option_dns_search,
	option_link;                                            /* struct strv */
extern const struct option_type option_network, option_publish; /* struct container_config */
extern const struct option_type option_bytes_rate, option_operations_rate,
	option_device_weight;                                        /* struct rate_list */
extern const struct option_type option_duration;                     /* int64_t: ns */
extern const struct option_type option_userns, option_volume_driver; /* char * */
extern const struct option_type option_pull;                         /* const char * */
extern const struct option_type option_isolation, option_gpus;       /* nothing is kept */

/* "on-failure:3" into its two parts; *policy (may be NULL) is replaced. The name itself is judged by
 * the engine. */
int must_check run_parse_restart(const char *value, char **policy, int64_t *max_retries,
				 struct err *err);

/* "./x", "." and "x/.." as seen from the current directory; absolute paths are only cleaned. The
 * caller frees the result. */
char *run_absolute_path(const char *path);

#endif
