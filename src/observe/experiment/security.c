/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Test 7: what keeps a container from its host. Read from outside (probe/posture) and, in containers of
 * ours, tried from inside (the helper's verb `denied`): the engine's default, and beside it the same
 * container restricted by three flags. Findings are the default's: the restricted one shows what the
 * flags are worth.
 *
 * A container that was there before (--container) is read from outside only.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "observe/experiment/experiments.h"
#include "observe/experiment/isolation.h"
#include "observe/experiment/security.h"

#define ASK_MS 30000

static int read_view(struct security_view *v, pid_t pid, struct err *err)
{
	struct err ignored = ERR_INIT;
	int rc = posture_read(pid, &v->posture, err);

	if (rc == 0)
		rc = namespaces_census(&v->census, err);
	if (rc < 0)
		return rc;
	v->groups = xcalloc(1, sizeof(*v->groups));
	if (group_probe(pid, v->groups, &ignored) < 0) {
		free(v->groups);
		v->groups = NULL;
	}
	return 0;
}

static int view_of_new(struct subject *subject, const struct container_spec *spec,
		       struct security_view *v, struct err *err)
{
	auto_session struct session *s = NULL;
	auto_strv struct strv lines = {0};
	int rc = session_open(subject, spec, &s, err);

	if (rc == 0)
		rc = read_view(v, session_pid(s), err);
	if (rc == 0)
		rc = session_ask(s, ASK_MS, &lines, err, "denied");
	if (rc == 0)
		security_take_calls(&lines, &v->calls);
	return rc;
}

static void put_figures(struct experiment_context *x, const struct security_view *v,
			const char *prefix, const char *label)
{
	auto_free char *key = xasprintf("security.%scapabilities", prefix);
	auto_free char *text = xasprintf("Capabilities%s", label);
	auto_free char *calls = xasprintf("security.%sdenied_calls", prefix);
	auto_free char *calls_text = xasprintf("System calls refused by filter%s", label);
	struct report_figure *f;

	report_sample(report_figure(x->test, v->subject, key, text, "1", REPORT_LOWER),
		      __builtin_popcountll(v->posture.capabilities.effective));
	if (!v->calls.known)
		return;
	f = report_figure(x->test, v->subject, calls, calls_text, "1", REPORT_HIGHER);
	f->headline = !*prefix;
	report_sample(f, (double)v->calls.denied.count);
}

static int run_subject(struct experiment_context *x, struct subject *subject, struct err *err)
{
	static const char *const all[] = {"ALL", NULL};
	const struct container_spec restricted = {.name = "restricted",
						  .cap_drop = all,
						  .read_only = true,
						  .no_new_privileges = true};
	auto_security_view struct security_view plain = {.subject = subject->name};
	auto_security_view struct security_view tight = {.subject = subject->name};
	struct err why = ERR_INIT;
	int rc = view_of_new(subject, &(struct container_spec){.name = "default"}, &plain, err);
	int second;

	if (rc < 0)
		return rc;
	second = view_of_new(subject, &restricted, &tight, &why);
	if (second == -EINTR)
		return experiment_go_on(err);
	if (second < 0)
		report_status(x->test, REPORT_PARTIAL, "%s, restricted: %s", subject->name,
			      why.msg);
	put_figures(x, &plain, "", "");
	if (second == 0)
		put_figures(x, &tight, "restricted.", ", restricted");
	security_table(x, &plain, second == 0 ? &tight : NULL);
	security_claims(x, &plain);
	security_judge(x, &plain);
	return 0;
}

static int run_container(struct experiment_context *x, struct err *err)
{
	auto_security_view struct security_view v = {.subject = x->container->name};
	int rc = read_view(&v, x->container->pid, err);

	if (rc < 0)
		return rc;
	report_note(x->test,
		    "%s was looked at from outside only: which system calls its filter "
		    "refuses takes a program inside",
		    v.subject);
	put_figures(x, &v, "", "");
	security_table(x, &v, NULL);
	security_claims(x, &v);
	security_ports(x);
	security_judge(x, &v);
	return 0;
}

static int run(struct experiment_context *x, struct err *err)
{
	return x->container
		       ? run_container(x, err)
		       : experiment_each(x, "container that could be judged", run_subject, err);
}

const struct experiment experiment_security = {
	.number = 7,
	.key = "security",
	.title = "Security posture",
	.run = run,
};
