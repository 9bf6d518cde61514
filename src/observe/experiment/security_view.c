/* SPDX-License-Identifier: Apache-2.0 */
/* What test 7 shows: claims with the evidence of this container, and one table of all that was read. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "observe/experiment/security.h"

#define NAMES_PER_LINE 6
#define LINES_MAX 14

void security_view_free(struct security_view *v)
{
	posture_free(&v->posture);
	namespaces_census_free(&v->census);
	free(v->groups);
	strv_free(&v->calls.denied);
	strv_free(&v->calls.variants);
	strv_free(&v->calls.refused);
	strv_free(&v->calls.allowed);
	*v = (struct security_view){0};
}

/* A list as evidence, some names a line. */
static void put_list(struct report_claim *c, const char *lead, const struct strv *names)
{
	auto_strbuf struct strbuf line = {0};
	size_t lines = 0;

	for (size_t i = 0; i < names->count; i++) {
		strbuf_printf(&line, "%s%s", line.len ? ", " : "", names->items[i]);
		if ((i + 1) % NAMES_PER_LINE && i + 1 < names->count)
			continue;
		if (++lines > LINES_MAX) {
			report_evidence(c, "and %zu more", names->count - i - 1 + NAMES_PER_LINE);
			return;
		}
		report_evidence(c, "%s%s", lead, strbuf_str(&line));
		line.len = 0;
	}
}

static void claim_capabilities(struct experiment_context *x, const struct security_view *v)
{
	const struct capability_sets *s = &v->posture.capabilities;
	uint64_t beyond = (s->permitted | s->bounding) & ~CAPABILITY_DEFAULT_MASK;
	auto_strbuf struct strbuf names = {0}, more = {0};
	bool own = posture_has_user_namespace(&v->posture);
	struct report_claim *c =
		report_claim(x->test, v->subject, "security.capabilities",
			     beyond && !own ? REPORT_BROKEN : REPORT_HOLDS,
			     "It has no capability beyond the fourteen that engines give");

	posture_capability_names(s->effective, &names);
	report_evidence(c, "effective (%d): %s", __builtin_popcountll(s->effective),
			strbuf_str(&names));
	report_evidence(c, "permitted %#llx, bounding %#llx, inheritable %#llx, ambient %#llx",
			(unsigned long long)s->permitted, (unsigned long long)s->bounding,
			(unsigned long long)s->inheritable, (unsigned long long)s->ambient);
	if (!beyond)
		return;
	posture_capability_names(beyond, &more);
	report_evidence(c, "beyond them: %s", strbuf_str(&more));
	if (own)
		report_consequence(c, "They count within its user namespace only");
}

static void claim_filter(struct experiment_context *x, const struct security_view *v)
{
	const struct posture *p = &v->posture;
	enum report_verdict verdict = p->seccomp_mode < 0    ? REPORT_UNKNOWN
				      : p->seccomp_mode == 0 ? REPORT_BROKEN
							     : REPORT_HOLDS;
	struct report_claim *c = report_claim(x->test, v->subject, "security.filter", verdict,
					      "System calls that it does not need are refused");

	report_evidence(c, "seccomp mode %d (0 none, 2 filter), %d filters; no_new_privs %d",
			p->seccomp_mode, p->seccomp_filters, p->no_new_privileges);
	if (!v->calls.known) {
		report_evidence(
			c, "which calls it refuses was not asked: that takes a program inside");
		return;
	}
	report_evidence(c,
			"asked from inside, none carried out: %zu of %zu calls refused by filter",
			v->calls.denied.count, v->calls.tried);
	put_list(c, "", &v->calls.denied);
	put_list(c, "by their arguments: ", &v->calls.variants);
	if (!v->calls.exact)
		report_evidence(c,
				"a filter that answers as if a call were missing is not seen here");
}

static void claim_privileged_calls(struct experiment_context *x, const struct security_view *v)
{
	size_t all = v->calls.refused.count + v->calls.allowed.count;
	struct report_claim *c;

	if (!all)
		return;
	c = report_claim(
		x->test, v->subject, "security.privileged_calls",
		v->calls.refused.count ? REPORT_HOLDS : REPORT_BROKEN,
		"Calls that change the host are refused, by filter or for lack of privilege");
	report_evidence(c, "made from inside, harmlessly: %zu of %zu refused",
			v->calls.refused.count, all);
	put_list(c, "refused: ", &v->calls.refused);
	put_list(c, "not refused: ", &v->calls.allowed);
}

static void claim_ways_out(struct experiment_context *x, const struct security_view *v)
{
	const struct posture *p = &v->posture;
	struct report_claim *c = report_claim(x->test, v->subject, "security.mounts", REPORT_HOLDS,
					      "Nothing of the host is mounted in it");

	for (size_t i = 0; i < p->mount_count; i++) {
		const struct posture_mount *m = &p->mounts[i];

		report_evidence(c, "%s: %s from %s, %s", posture_mount_kind_name(m->kind),
				m->target, m->host_path ? m->host_path : m->type,
				m->read_only ? "read-only" : "writable");
		if (m->kind != POSTURE_VOLUME)
			c->verdict = REPORT_BROKEN;
	}
	if (!p->mount_count)
		report_evidence(c, "every mount in /proc/%d/mountinfo is the container's own",
				(int)p->pid);
}

static void claim_kernel_files(struct experiment_context *x, const struct security_view *v)
{
	const struct posture *p = &v->posture;
	bool writable = p->proc_sys_writable || p->sysrq_writable || p->sys_writable;
	struct report_claim *c =
		report_claim(x->test, v->subject, "security.kernel_files",
			     writable || !p->masked.count ? REPORT_BROKEN : REPORT_HOLDS,
			     "Settings and secrets of the kernel are out of reach");

	report_evidence(c, "%zu paths masked, %zu read-only below /proc and /sys", p->masked.count,
			p->read_only.count);
	put_list(c, "masked: ", &p->masked);
	put_list(c, "read-only: ", &p->read_only);
}

static void claim_devices(struct experiment_context *x, const struct security_view *v)
{
	static const char *const rules[] = {"unknown", "all devices allowed", "a list",
					    "programs on its control group"};
	const struct posture *p = &v->posture;
	size_t other = 0;
	struct report_claim *c;

	for (size_t i = 0; i < p->node_count; i++)
		other += !p->nodes[i].usual;
	c = report_claim(x->test, v->subject, "security.devices",
			 other || p->device_rules_kind == POSTURE_DEVICES_ALL ? REPORT_BROKEN
			 : p->device_rules_kind == POSTURE_DEVICES_UNKNOWN    ? REPORT_UNKNOWN
									      : REPORT_HOLDS,
			 "It reaches no device but the usual ones");
	report_evidence(c, "%zu%s nodes below /dev, %zu of them unusual", p->node_count,
			p->nodes_cut ? " or more" : "", other);
	report_evidence(c, "rules: %s", rules[p->device_rules_kind]);
	put_list(c, "", &p->device_rules);
}

void security_claims(struct experiment_context *x, const struct security_view *v)
{
	claim_capabilities(x, v);
	claim_filter(x, v);
	claim_privileged_calls(x, v);
	claim_ways_out(x, v);
	claim_kernel_files(x, v);
	claim_devices(x, v);
}

/* ---- the table ---- */

struct property {
	const char *name;
	void (*put)(const struct security_view *v, struct strbuf *out);
};

static void put_capabilities(const struct security_view *v, struct strbuf *out)
{
	strbuf_printf(
		out, "%d of %d",
		__builtin_popcountll(v->posture.capabilities.effective & v->posture.host_bounding),
		__builtin_popcountll(v->posture.host_bounding));
}

static void put_filter(const struct security_view *v, struct strbuf *out)
{
	if (v->posture.seccomp_mode != 2)
		strbuf_puts(out, v->posture.seccomp_mode == 0 ? "none" : "unknown");
	else if (v->calls.known)
		strbuf_printf(out, "%zu of %zu calls refused", v->calls.denied.count,
			      v->calls.tried);
	else
		strbuf_puts(out, "filter");
}

static void put_refused(const struct security_view *v, struct strbuf *out)
{
	size_t all = v->calls.refused.count + v->calls.allowed.count;

	if (all)
		strbuf_printf(out, "%zu of %zu refused", v->calls.refused.count, all);
	else
		strbuf_puts(out, "not asked");
}

static void put_new_privileges(const struct security_view *v, struct strbuf *out)
{
	strbuf_puts(out, v->posture.no_new_privileges ? "refused" : "by setuid programs");
}

static void put_user(const struct security_view *v, struct strbuf *out)
{
	strbuf_printf(out, "%u inside, %u on the host", v->posture.inside_uid, v->posture.uid);
}

static void put_root(const struct security_view *v, struct strbuf *out)
{
	strbuf_printf(out, "%s, %s", v->posture.root_type,
		      v->posture.root_read_only ? "read-only" : "writable");
}

static void put_masks(const struct security_view *v, struct strbuf *out)
{
	strbuf_printf(out, "%zu masked, %zu read-only", v->posture.masked.count,
		      v->posture.read_only.count);
}

static void put_devices(const struct security_view *v, struct strbuf *out)
{
	size_t other = 0;

	for (size_t i = 0; i < v->posture.node_count; i++)
		other += !v->posture.nodes[i].usual;
	strbuf_printf(out, "%zu nodes, %zu unusual%s", v->posture.node_count, other,
		      v->posture.device_rules_kind == POSTURE_DEVICES_ALL ? ", all allowed" : "");
}

static void put_shared(const struct security_view *v, struct strbuf *out)
{
	for (enum namespace_kind kind = 0; kind < NAMESPACE_KINDS; kind++)
		if (namespaces_relate(&v->posture.namespaces, &v->posture.host, kind) ==
		    NAMESPACE_SAME)
			strbuf_printf(out, "%s%s", out->len ? ", " : "",
				      namespace_about[kind].name);
	if (!out->len)
		strbuf_puts(out, "none");
}

static void put_label(const struct security_view *v, struct strbuf *out)
{
	strbuf_puts(out, *v->posture.label ? v->posture.label : "none");
}

static void put_limit(const struct security_view *v, enum group_limit_kind kind, struct strbuf *out)
{
	const struct group_limit *l = v->groups ? &v->groups->limits[kind] : NULL;

	if (!l || !l->known)
		strbuf_puts(out, "unknown");
	else if (l->in_force == GROUP_UNLIMITED)
		strbuf_puts(out, "none");
	else
		strbuf_printf(out, "%llu", (unsigned long long)l->in_force);
}

static void put_pids(const struct security_view *v, struct strbuf *out)
{
	put_limit(v, GROUP_PIDS, out);
}

static void put_memory(const struct security_view *v, struct strbuf *out)
{
	put_limit(v, GROUP_MEMORY, out);
}

static void put_files(const struct security_view *v, struct strbuf *out)
{
	const struct posture_limit *l = posture_limit_of(&v->posture, "Max open files");

	strbuf_printf(out, "%s soft, %s hard", l ? l->soft : "unknown", l ? l->hard : "unknown");
}

static void put_score(const struct security_view *v, struct strbuf *out)
{
	strbuf_printf(out, "%d", v->posture.oom_score_adj);
}

static const struct property properties[] = {
	{"capabilities", put_capabilities},
	{"seccomp", put_filter},
	{"privileged calls made", put_refused},
	{"new privileges", put_new_privileges},
	{"user", put_user},
	{"root file system", put_root},
	{"paths of /proc, /sys", put_masks},
	{"devices", put_devices},
	{"shared with the host", put_shared},
	{"security module", put_label},
	{"processes, limit", put_pids},
	{"memory, limit (bytes)", put_memory},
	{"open files, limit", put_files},
	{"oom_score_adj", put_score},
};

void security_table(struct experiment_context *x, const struct security_view *v,
		    const struct security_view *restricted)
{
	const char *columns[] = {"", v->subject, restricted ? "restricted" : NULL, NULL};
	/* The subject stands over its column. */
	struct report_table *t = report_table(
		x->test, "posture",
		restricted
			? "The default beside --cap-drop ALL --read-only --security-opt no-new-privileges"
			: "Posture",
		columns);

	for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++) {
		auto_strbuf struct strbuf first = {0}, second = {0};

		properties[i].put(v, &first);
		if (restricted)
			properties[i].put(restricted, &second);
		report_row(t, (const char *const[]){properties[i].name, strbuf_str(&first),
						    strbuf_str(&second), NULL});
	}
}
