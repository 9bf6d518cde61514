/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of cloche-observe, which `cloche` hands the whole command line to. */
#include "cli/command.h"
#include "cli/commands.h"

const struct command *const commands[] = {&command_analyze, &command_explain, &command_trace};
const size_t commands_count = sizeof(commands) / sizeof(commands[0]);

const struct command_group command_groups[] = {{NULL, NULL}};
const size_t command_groups_count = 0;
