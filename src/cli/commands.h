/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the command table; each is defined in the file of its command. */
#ifndef CLOCHE_CLI_COMMANDS_H
#define CLOCHE_CLI_COMMANDS_H

struct command;

extern const struct command command_attach, command_pause, command_rename, command_restart,
	command_unpause, command_update;

extern const struct command command_exec, command_run, command_create, command_start, command_kill,
	command_stop, command_rm, command_wait, command_ps, command_inspect,
	command_container_inspect, command_version, command_info, command_check, command_system_log,
	command_timeline, command_images, command_load, command_tag, command_rmi, command_history,
	command_image_inspect, command_events;
/* What shows and prunes. */
extern const struct command command_volume_create, command_volume_inspect, command_volume_ls,
	command_volume_prune, command_volume_rm, command_container_prune, command_image_prune,
	command_system_df, command_system_prune, command_why;

extern const struct command command_network_connect, command_network_create,
	command_network_disconnect, command_network_inspect, command_network_ls,
	command_network_prune, command_network_rm;

/* Done by cloche-observe. */
extern const struct command command_analyze_delegated, command_explain_delegated,
	command_trace_delegated;
/* and its own rows */
extern const struct command command_analyze, command_explain, command_trace;

/* What goes on. */
extern const struct command command_logs, command_stats, command_top, command_port,
	command_debug_network;

/* files in and out of containers and images */
extern const struct command command_cp, command_diff, command_export, command_commit,
	command_import, command_save, command_mount, command_umount;

#endif
