/* SPDX-License-Identifier: Apache-2.0 */
/* The command line that Docker has and others took over; one builder, so that all get the same container. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "observe/subject/subject_internal.h"

#define CALL_TIMEOUT_MS 60000

static void add_pair(struct strv *out, const char *flag, char *value)
{
	strv_add(out, flag);
	strv_add_taken(out, value);
}

static void add_text(struct strv *out, const char *flag, const char *value)
{
	if (value)
		add_pair(out, flag, xstrdup(value));
}

static void add_each(struct strv *out, const char *flag, const char *const *values)
{
	for (; values && *values; values++)
		add_pair(out, flag, xstrdup(*values));
}

/* "container:NAME" names one of this run. */
static void add_namespace(struct strv *out, const struct subject *s, const char *flag,
			  const char *value)
{
	static const char joined[] = "container:";

	if (value && str_starts(value, joined))
		add_pair(out, flag, xasprintf("%s%s%s", joined, s->prefix, value + strlen(joined)));
	else
		add_text(out, flag, value);
}

static void add_mounts(struct strv *out, const struct subject *s, const struct container_spec *spec)
{
	for (size_t i = 0; i < spec->mount_count; i++) {
		const struct subject_mount *m = &spec->mounts[i];
		const char *read_only = m->read_only ? ":ro" : "";

		if (m->type == SUBJECT_TMPFS)
			add_pair(out, "--tmpfs",
				 xasprintf("%s%s", m->target, m->read_only ? ":ro" : ""));
		else
			add_pair(out, "-v",
				 xasprintf("%s%s:%s%s", m->type == SUBJECT_VOLUME ? s->prefix : "",
					   m->source, m->target, read_only));
	}
	if (spec->helper || spec->helper_argv || !spec->argv)
		add_pair(out, "-v", xasprintf("%s:" SUBJECT_HELPER_PATH ":ro", s->helper));
}

static void add_limits(struct strv *out, const struct container_spec *spec)
{
	if (spec->memory_bytes) {
		add_pair(out, "--memory",
			 xasprintf("%llu", (unsigned long long)spec->memory_bytes));
		add_pair(out, "--memory-swap",
			 xasprintf("%llu", (unsigned long long)spec->memory_bytes));
	}
	if (spec->cpus > 0)
		add_pair(out, "--cpus", xasprintf("%.3f", spec->cpus));
	if (spec->cpu_shares)
		add_pair(out, "--cpu-shares", xasprintf("%u", spec->cpu_shares));
	if (spec->pids_limit)
		add_pair(out, "--pids-limit", xasprintf("%u", spec->pids_limit));
	add_text(out, "--cpuset-cpus", spec->cpuset);
	add_text(out, "--device-write-bps", spec->device_write_bps);
	add_text(out, "--device-read-bps", spec->device_read_bps);
	add_each(out, "--device", spec->devices);
}

static void add_privilege(struct strv *out, const struct container_spec *spec)
{
	add_each(out, "--cap-add", spec->cap_add);
	add_each(out, "--cap-drop", spec->cap_drop);
	if (spec->privileged)
		strv_add(out, "--privileged");
	if (spec->read_only)
		strv_add(out, "--read-only");
	if (spec->no_new_privileges)
		add_text(out, "--security-opt", "no-new-privileges");
	add_text(out, "--user", spec->user);
}

static bool sets_limits(const struct strv *flags)
{
	for (size_t i = 0; i < flags->count; i++)
		if (str_starts(flags->items[i], "--ulimit"))
			return true;
	return false;
}

/* Networks add up where they are given twice, so a flag of the caller's replaces our none. */
static bool sets_network(const struct strv *flags)
{
	for (size_t i = 0; i < flags->count; i++)
		if (str_starts(flags->items[i], "--network") ||
		    str_starts(flags->items[i], "--net="))
			return true;
	return false;
}

int docker_like_run(struct subject *s, const struct container_spec *spec, struct strv *out,
		    struct err *err)
{
	static const char *const serve[] = {"serve", NULL};
	const char *image = spec->image ? spec->image : s->image;
	const char *const *words = spec->argv;

	(void)err;
	strv_add(out, s->program);
	strv_add(out, "run");
	strv_add(out, "--rm");
	add_text(out, "--pull", "never");
	if (spec->interactive || (!spec->argv && !spec->helper_argv))
		strv_add(out, "-i");
	add_pair(out, "--name",
		 spec->name ? xasprintf("%s%s", s->prefix, spec->name)
			    : xasprintf("%s%d", s->prefix, ++s->sequence));
	if (spec->network || !sets_network(&s->extra_flags))
		add_namespace(out, s, "--network", spec->network ? spec->network : "none");
	add_namespace(out, s, "--pid", spec->pid);
	add_namespace(out, s, "--ipc", spec->ipc);
	add_text(out, "--uts", spec->uts);
	add_each(out, "-p", spec->publish);
	add_each(out, "-e", spec->environment);
	add_mounts(out, s, spec);
	add_limits(out, spec);
	add_privilege(out, spec);
	if (!sets_limits(&s->extra_flags))
		strv_add_all(out, &s->host_flags);
	strv_add_all(out, &s->extra_flags);
	if (!words) {
		add_text(out, "--entrypoint", SUBJECT_HELPER_PATH);
		words = spec->helper_argv ? spec->helper_argv : serve;
	}
	strv_add(out, image);
	for (; *words; words++)
		strv_add(out, *words);
	return 0;
}

int docker_like_exec(struct subject *s, const char *name, const char *const *argv, struct strv *out,
		     struct err *err)
{
	(void)err;
	strv_add(out, s->program);
	strv_add(out, "exec");
	strv_add_taken(out, xasprintf("%s%s", s->prefix, name));
	for (; *argv; argv++)
		strv_add(out, *argv);
	return 0;
}

int docker_like_load(struct subject *s, const char *archive, struct err *err)
{
	strv_add(&s->undo, s->image);
	return subject_call(s, CALL_TIMEOUT_MS, NULL, err,
			    SUBJECT_WORDS("load", "-q", "-i", archive));
}

/* Removes what `LIST` prints, by `REMOVE NAME`. */
static int remove_listed(struct subject *s, const char *const list[], const char *const removal[],
			 struct err *err)
{
	auto_free char *names = NULL;
	char *save, *name;
	int worst = 0;
	int rc = subject_call(s, CALL_TIMEOUT_MS, &names, err, list);

	if (rc < 0)
		return rc;
	for (name = strtok_r(names, "\n", &save); name; name = strtok_r(NULL, "\n", &save)) {
		rc = subject_call(s, CALL_TIMEOUT_MS, NULL, err,
				  SUBJECT_WORDS(removal[0], removal[1], removal[2], name));
		if (rc < 0)
			worst = rc;
	}
	return worst;
}

int docker_like_sweep(struct subject *s, struct err *err)
{
	auto_free char *filter = xasprintf("name=%s", s->prefix);
	int rc = remove_listed(s, SUBJECT_WORDS("ps", "-aq", "--filter", filter),
			       (const char *const[]){"rm", "-f", "-v"}, err);
	int volumes = remove_listed(s, SUBJECT_WORDS("volume", "ls", "-q", "--filter", filter),
				    (const char *const[]){"volume", "rm", "-f"}, err);
	int networks = remove_listed(s, SUBJECT_WORDS("network", "ls", "-q", "--filter", filter),
				     (const char *const[]){"network", "rm", "--"}, err);

	return rc < 0 ? rc : volumes < 0 ? volumes : networks;
}

/* Images that a test made bear the prefix, in their name or as the name before the slash, whether what
 * made them was waited for or not. */
static int remove_images(struct subject *s, struct err *err)
{
	auto_free char *names = xasprintf("reference=%s*", s->prefix);
	auto_free char *below =
		xasprintf("reference=%.*s/*", (int)strlen(s->prefix) - 1, s->prefix);
	const char *const filters[] = {names, below};
	int rc = 0;

	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		int gone = remove_listed(s,
					 SUBJECT_WORDS("images", "--format", "{{.Repository}}",
						       "--filter", filters[i]),
					 (const char *const[]){"image", "rm", "-f"}, err);

		rc = gone < 0 ? gone : rc;
	}
	return rc;
}

int docker_like_unload(struct subject *s, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < s->undo.count; i++) {
		int gone = subject_call(s, CALL_TIMEOUT_MS, NULL, err,
					SUBJECT_WORDS("rmi", s->undo.items[i]));

		rc = gone < 0 ? gone : rc;
	}
	strv_free(&s->undo);
	s->undo = (struct strv){0};
	return remove_images(s, err) < 0 ? err_code(err) : rc;
}
