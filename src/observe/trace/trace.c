/* SPDX-License-Identifier: Apache-2.0 */
/* Names, and the end of a trace. */
#include "observe/trace/trace.h"

#include <stdlib.h>

const char *trace_role_name(enum trace_role role)
{
	static const char *const names[] = {
		[TRACE_COMMAND] = "command",
		[TRACE_DAEMON] = "daemon",
		[TRACE_SUPERVISOR] = "supervisor",
		[TRACE_RUNTIME] = "runtime",
		[TRACE_INIT] = "init",
		[TRACE_INSIDE] = "inside",
		[TRACE_HELPER] = "helper",
	};

	return names[role];
}

const char *trace_group_name(enum trace_group group)
{
	static const char *const names[TRACE_GROUP_COUNT] = {
		[TRACE_NAMESPACES] = "namespaces",
		[TRACE_MOUNTS] = "mounts",
		[TRACE_CGROUPS] = "cgroups",
		[TRACE_SECURITY] = "security",
		[TRACE_PROCESSES] = "processes",
		[TRACE_WAITS] = "waits",
		[TRACE_DISK] = "disk",
	};

	return names[group];
}

const char *trace_state_name(enum trace_state state)
{
	static const char *const names[] = {
		[TRACE_RUNNING] = "running", [TRACE_READY] = "ready", [TRACE_ASLEEP] = "asleep"};

	return names[state];
}

static void free_bill(struct trace_bill_line *lines, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(lines[i].what);
	free(lines);
}

void trace_free(struct trace *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->process_count; i++) {
		struct trace_process *p = &t->processes[i];

		for (size_t k = 0; k < p->exec_count; k++) {
			free(p->execs[k].program);
			free(p->execs[k].command);
		}
		free(p->execs);
		free(p->name);
		free(p->command);
	}
	for (size_t i = 0; i < t->call_count; i++)
		free(t->calls[i].text);
	free_bill(t->phases, t->phase_count);
	free_bill(t->programs, t->program_count);
	free(t->processes);
	free(t->calls);
	free(t->path);
	strv_free(&t->command);
	free(t);
}
