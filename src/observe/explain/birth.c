/* SPDX-License-Identifier: Apache-2.0 */
/* What the recorder saw, as claims: which calls made namespaces, who called, and who was there for it. */
#include "observe/explain/birth.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "observe/probe/namespaces.h"
#include "observe/trace/trace.h"

#define BORN "born"
#define CALLS_SHOWN 10
#define PROCESSES_SHOWN 12

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

/* "CLONE_NEWNS | CLONE_NEWPID" of what is set in flags; the caller frees. */
static char *flag_names(uint64_t flags)
{
	struct strbuf out = {0};

	for (enum namespace_kind k = 0; k < NAMESPACE_KINDS; k++) {
		if (flags & namespace_about[k].clone_flag)
			strbuf_printf(&out, "%s%s", out.len ? " | " : "", namespace_about[k].flag);
	}
	return strbuf_take(&out);
}

static void claim_calls(struct report_test *test, const struct trace *t)
{
	struct report_claim *c = report_claim(test, BORN, "creation.watched", REPORT_UNKNOWN,
					      "the calls that made the namespaces of " BORN
					      " were watched");
	auto_free char *made = NULL;
	uint64_t flags = 0;
	size_t shown = 0, all = 0;

	for (size_t i = 0; i < t->call_count; i++) {
		const struct trace_call *call = &t->calls[i];
		const struct trace_process *p = &t->processes[call->process];
		auto_free char *names = flag_names(call->flags);

		if (call->group != TRACE_NAMESPACES || !*names || call->result < 0)
			continue;
		all++;
		if (!str_eq(call->name, "setns"))
			flags |= call->flags;
		if (shown++ < CALLS_SHOWN)
			report_evidence(c, "+%.2f ms, %s (%d, %s): %s with %s", ms(call->begin_ns),
					p->name, p->pid, trace_role_name(p->role), call->name,
					names);
	}
	if (all > CALLS_SHOWN)
		report_evidence(c, "and %zu more such calls", all - CALLS_SHOWN);
	report_evidence(
		c, "recorded in all: %llu events, %llu lost; %zu processes of others left out",
		(unsigned long long)t->records, (unsigned long long)t->lost, t->left_out_processes);
	if (all)
		c->verdict = t->lost ? REPORT_UNKNOWN : REPORT_HOLDS;
	made = flag_names(flags);
	report_consequence(c, "made by clone or unshare: %s; setns joins what is there already",
			   *made ? made : "nothing");
}

static void claim_processes(struct report_test *test, const struct trace *t)
{
	struct report_claim *c = report_claim(test, BORN, "creation.took_part", REPORT_UNKNOWN,
					      "who took part in the birth of " BORN " is known");
	size_t shown = 0;

	for (size_t i = 0; i < t->process_count && shown < PROCESSES_SHOWN; i++) {
		const struct trace_process *p = &t->processes[i];
		const char *end = p->end_ns == TRACE_NEVER ? "lives" : "has ended";

		if (p->role == TRACE_HELPER || p->role == TRACE_INSIDE)
			continue;
		shown++;
		report_evidence(c, "%s (%d): %s, %s; %s", p->name, p->pid, trace_role_name(p->role),
				p->before ? "was there before" : "was started for it", end);
	}
	if (t->program_ns != TRACE_NEVER)
		report_evidence(c, "execve of the container's own program: +%.2f ms",
				ms(t->program_ns));
	if (t->init != TRACE_NONE)
		c->verdict = REPORT_HOLDS;
	else
		report_evidence(c, "no process was found that is the container's first");
	report_consequence(
		c, "most of them are gone when it runs: the tree of a living container does not "
		   "show them");
}

static int prepare(void *opaque)
{
	const struct subject *s = opaque;

	return s->ops->prepare_child ? s->ops->prepare_child(s) : 0;
}

int explain_birth(struct report_test *test, struct subject *s, struct err *err)
{
	const struct container_spec spec = {.name = BORN,
					    .argv = (const char *const[]){"true", NULL}};
	auto_close int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	const struct trace_options options = {
		.output_fd = nowhere, .prepare_child = prepare, .opaque = s};
	auto_trace struct trace *t = NULL;
	auto_strv struct strv argv = {0};
	struct err why = ERR_INIT;
	int rc = subject_run_command(s, &spec, &argv, err);

	if (rc < 0)
		return rc;
	rc = trace_record(&options, (const char *const *)argv.items, &t, &why);
	if (rc == -EINTR) {
		*err = why;
		return rc;
	}
	if (rc < 0) {
		report_note(test, "not read: the birth of one more container: %s", why.msg);
		return 0;
	}
	if (t->exit_code)
		report_note(test,
			    "one more container was started to watch it; it ended with exit "
			    "code %d",
			    t->exit_code);
	claim_calls(test, t);
	claim_processes(test, t);
	return 0;
}
