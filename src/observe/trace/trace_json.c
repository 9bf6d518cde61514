/* SPDX-License-Identifier: Apache-2.0 */
/* A trace by trace.schema.json. Times are ns since the command was forked; null: never, or unknown. */
#include <stdlib.h>

#include "base/json_writer.h"
#include "observe/trace/calls.h"
#include "observe/trace/trace.h"

static void time_member(struct json_writer *w, const char *key, uint64_t ns)
{
	if (ns == TRACE_NEVER)
		json_write_string(w, key, NULL);
	else
		json_write_u64(w, key, ns);
}

static void index_member(struct json_writer *w, const char *key, size_t index)
{
	if (index == TRACE_NONE)
		json_write_string(w, key, NULL);
	else
		json_write_u64(w, key, index);
}

static void write_process(struct json_writer *w, const struct trace_process *p)
{
	json_write_begin(w, NULL, '{');
	json_write_i64(w, "pid", p->pid);
	index_member(w, "parent", p->parent);
	json_write_string(w, "role", trace_role_name(p->role));
	json_write_string(w, "name", p->name);
	json_write_string(w, "command", p->command);
	json_write_bool(w, "before", p->before);
	json_write_u64(w, "start_ns", p->start_ns);
	time_member(w, "end_ns", p->end_ns);
	json_write_u64(w, "contact_ns", p->contact_ns);
	json_write_u64(w, "cpu_ns", p->cpu_ns);
	json_write_u64(w, "path_ns", p->path_ns);
	json_write_u64(w, "clone_flags", p->flags);
	json_write_begin(w, "execs", '[');
	for (size_t i = 0; i < p->exec_count; i++) {
		json_write_begin(w, NULL, '{');
		json_write_u64(w, "at_ns", p->execs[i].at_ns);
		json_write_string(w, "program", p->execs[i].program);
		json_write_string(w, "command", p->execs[i].command);
		json_write_end(w, '}');
	}
	json_write_end(w, ']');
	json_write_end(w, '}');
}

static void write_call(struct json_writer *w, const struct trace_call *c)
{
	auto_strbuf struct strbuf names = {0};

	json_write_begin(w, NULL, '{');
	json_write_u64(w, "process", c->process);
	json_write_i64(w, "tid", c->tid);
	json_write_string(w, "group", trace_group_name(c->group));
	json_write_string(w, "name", c->name);
	json_write_string(w, "text", c->text);
	json_write_u64(w, "begin_ns", c->begin_ns);
	json_write_u64(w, "end_ns", c->end_ns);
	json_write_i64(w, "result", c->result);
	call_namespace_names(c->flags, &names);
	json_write_string(w, "namespaces", strbuf_str(&names));
	json_write_end(w, '}');
}

static void write_step(struct json_writer *w, size_t process, enum trace_state state,
		       uint64_t begin_ns, uint64_t end_ns, const char *in)
{
	json_write_begin(w, NULL, '{');
	json_write_u64(w, "process", process);
	json_write_string(w, "state", trace_state_name(state));
	json_write_u64(w, "begin_ns", begin_ns);
	json_write_u64(w, "end_ns", end_ns);
	json_write_string(w, "in", in);
	json_write_end(w, '}');
}

static void write_bill(struct json_writer *w, const char *key, const struct trace_bill_line *lines,
		       size_t count)
{
	json_write_begin(w, key, '[');
	for (size_t i = 0; i < count; i++) {
		json_write_begin(w, NULL, '{');
		json_write_string(w, "what", lines[i].what);
		json_write_u64(w, "ns", lines[i].ns);
		json_write_end(w, '}');
	}
	json_write_end(w, ']');
}

static void write_observer(struct json_writer *w, const struct trace *t)
{
	json_write_begin(w, "observer", '{');
	json_write_u64(w, "records", t->records);
	json_write_u64(w, "lost", t->lost);
	json_write_u64(w, "missed", t->missed);
	json_write_u64(w, "cpu_ns", t->recorder_cpu_ns);
	json_write_u64(w, "kernel_cpu_ns", t->kernel_cpu_ns);
	json_write_u64(w, "kernel_runs", t->program_runs);
	json_write_u64(w, "left_out_processes", t->left_out_processes);
	json_write_u64(w, "left_out_acting", t->left_out_calls);
	json_write_end(w, '}');
}

static void write_path(struct json_writer *w, const struct trace *t)
{
	json_write_begin(w, "path", '[');
	for (size_t i = 0; i < t->path_count; i++)
		write_step(w, t->path[i].process, t->path[i].state, t->path[i].begin_ns,
			   t->path[i].end_ns, t->path[i].in);
	json_write_end(w, ']');
	json_write_begin(w, "waits", '[');
	for (size_t i = 0; i < t->wait_count; i++)
		write_step(w, t->waits[i].process, t->waits[i].state, t->waits[i].begin_ns,
			   t->waits[i].end_ns, t->waits[i].in);
	json_write_end(w, ']');
	write_bill(w, "phases", t->phases, t->phase_count);
	write_bill(w, "programs", t->programs, t->program_count);
}

void trace_json(const struct trace *t, struct strbuf *out)
{
	struct json_writer w = {.out = out};

	json_write_begin(&w, NULL, '{');
	json_write_u64(&w, "schema", TRACE_SCHEMA_VERSION);
	json_write_string(&w, "kind", "trace");
	json_write_begin(&w, "command", '[');
	for (size_t i = 0; i < t->command.count; i++)
		json_write_string(&w, NULL, t->command.items[i]);
	json_write_end(&w, ']');
	json_write_u64(&w, "begin_monotonic_ns", t->begin_ns);
	time_member(&w, "program_ns", t->program_ns);
	time_member(&w, "program_end_ns", t->program_end_ns);
	json_write_u64(&w, "end_ns", t->end_ns);
	json_write_i64(&w, "exit_code", t->exit_code);
	index_member(&w, "init", t->init);
	json_write_begin(&w, "processes", '[');
	for (size_t i = 0; i < t->process_count; i++)
		write_process(&w, &t->processes[i]);
	json_write_end(&w, ']');
	json_write_begin(&w, "calls", '[');
	for (size_t i = 0; i < t->call_count; i++)
		write_call(&w, &t->calls[i]);
	json_write_end(&w, ']');
	write_path(&w, t);
	write_observer(&w, t);
	json_write_end(&w, '}');
	strbuf_putc(out, '\n');
}
