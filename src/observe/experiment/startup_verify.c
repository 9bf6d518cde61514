/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start bill against the kernel's tracepoints, of the same starts: from the exec of the command until
 * the container's program runs. The two share no code; the bill's clock starts a little later, at the
 * first line of main().
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/str.h"
#include "observe/experiment/startup_internal.h"
#include "observe/trace/trace.h"

#define TRACED_RUNS 5
/* Documented under "startup" in docs/measurement.md. */
#define BOUND_PERCENT 10
#define BOUND_MS 2.0

/* When the command's own program began, of the trace. */
static uint64_t main_ns(const struct trace *t)
{
	for (size_t i = 0; i < t->process_count; i++) {
		const struct trace_process *p = &t->processes[i];

		if (p->role == TRACE_COMMAND && p->exec_count)
			return p->execs[0].at_ns;
	}
	return TRACE_NEVER;
}

struct traced {
	const struct subject *subject;
	double bill[TRACED_RUNS], trace[TRACED_RUNS];
	size_t count;
	int null_fd;
};

static int prepare(void *opaque)
{
	const struct subject *s = opaque;

	return s->ops->prepare_child ? s->ops->prepare_child(s) : 0;
}

static int trace_start(struct traced *all, const struct strv *argv, struct err *err)
{
	const struct trace_options o = {.output_fd = all->null_fd,
					.timeout_ms = STARTUP_TIMEOUT_MS,
					.prepare_child = prepare,
					.opaque = (void *)(uintptr_t)all->subject};
	auto_trace struct trace *t = NULL;
	int rc = trace_record(&o, (const char *const *)argv->items, &t, err);

	if (rc < 0)
		return rc;
	if (t->exit_code || t->program_ns == TRACE_NEVER || main_ns(t) == TRACE_NEVER)
		return err_set(err, ERR_NOT_FOUND, ENODATA,
			       "the trace shows no program of a container (exit code %d)",
			       t->exit_code);
	all->trace[all->count] = (double)(t->program_ns - main_ns(t)) / 1e6;
	return 0;
}

static int bill_of(const char *text, double *ms, struct err *err)
{
	auto_json struct json_object *bill = NULL;
	uint64_t to_exec;
	int rc = json_parse(text, strlen(text), "the start bill", &bill, err);

	if (rc == 0 && json_get_u64(bill, "ToExecNs", &to_exec) < 0)
		rc = err_set(err, ERR_CORRUPT, 0, "the start bill lacks its sum");
	if (rc == 0)
		*ms = (double)to_exec / 1e6;
	return rc;
}

static int verify_once(struct subject *s, struct traced *all, struct err *err)
{
	struct startup_kept kept = {.name = NULL};
	auto_free char *bill = NULL;
	int rc = startup_kept_command(s, &kept, err);

	if (rc == 0)
		rc = trace_start(all, &kept.argv, err);
	rc = startup_kept_end(s, &kept, rc, &bill, err);
	if (rc == 0)
		rc = bill_of(bill, &all->bill[all->count], err);
	if (rc == 0)
		all->count++;
	return rc;
}

static int verify_subject(struct experiment_context *x, struct subject *s, struct err *err)
{
	auto_close int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct traced all = {.subject = s, .null_fd = null_fd};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < TRACED_RUNS; i++) {
		rc = experiment_go_on(err);
		experiment_progress(x, "second instrument", i, TRACED_RUNS);
		if (rc == 0)
			rc = verify_once(s, &all, err);
	}
	if (rc < 0)
		return rc;
	report_check(x->test, s->name, "startup.verify.to_exec",
		     "until the container's program runs", "ms", "the start bill",
		     statistics_median_of(all.bill, all.count), "kernel tracepoints",
		     statistics_median_of(all.trace, all.count), BOUND_PERCENT, BOUND_MS);
	return 0;
}

int startup_verify(struct experiment_context *x, struct err *err)
{
	if (!x->verify)
		return 0;
	for (size_t i = 0; i < x->subject_count; i++) {
		struct subject *s = x->subjects[i];
		int rc = s->ops->kind == SUBJECT_CLOCHE ? verify_subject(x, s, err) : 0;

		if (rc == -EINTR)
			return rc;
		if (rc < 0)
			report_status(x->test, REPORT_PARTIAL,
				      "the start bill could not be held against tracepoints: %s",
				      err->msg);
	}
	return 0;
}
