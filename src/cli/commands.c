/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every command there is, one line each. A command's own file holds its row; the order of the
 * common ones is the order in which help shows them.
 */
#include "cli/commands.h"

#include "cli/command.h"

static const struct command help = {.paths = {"help"},
				    .summary = "Help about the command",
				    .run = cmd_help,
				    .max_args = -1,
				    .hidden = true};

const struct command *const commands[] = {
	&command_run,
	&command_ps,
	&command_version,
	&command_info,
	&command_create,
	&command_start,
	&command_kill,
	&command_stop,
	&command_rm,
	&command_attach,
	&command_pause,
	&command_unpause,
	&command_rename,
	&command_restart,
	&command_update,
	&command_wait,
	&command_inspect,
	&command_container_inspect,
	&command_images,
	&command_load,
	&command_tag,
	&command_rmi,
	&command_history,
	&command_image_inspect,
	&command_container_prune,
	&command_image_prune,
	&command_system_df,
	&command_system_prune,
	&command_volume_prune,
	&command_why,
	&command_network_connect,
	&command_network_create,
	&command_network_disconnect,
	&command_network_inspect,
	&command_network_ls,
	&command_network_prune,
	&command_network_rm,
	&command_volume_create,
	&command_volume_inspect,
	&command_volume_ls,
	&command_volume_rm,
	&command_check,
	&command_system_log,
	&command_debug_network,
	&command_analyze_delegated,
	&command_explain_delegated,
	&command_trace_delegated,
	&command_timeline,
	&command_events,
	&command_logs,
	&command_stats,
	&command_top,
	&command_port,
	&command_exec,
	&command_cp,
	&command_diff,
	&command_export,
	&command_commit,
	&command_import,
	&command_save,
	&command_mount,
	&command_umount,
	&help,
};
const size_t commands_count = sizeof(commands) / sizeof(commands[0]);

const struct command_group command_groups[] = {
	{"container", "Manage containers"}, {"debug", "Look into what runs"},
	{"image", "Manage images"},         {"network", "Manage networks"},
	{"system", "Manage Cloche"},        {"volume", "Manage volumes"},
};
const size_t command_groups_count = sizeof(command_groups) / sizeof(command_groups[0]);
