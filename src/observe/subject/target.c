/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a container's first process. Every engine answers in Docker's form, so one reader serves all. */
#include "observe/subject/target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/engine.h"
#include "engine/inspect.h"
#include "kernel/proc.h"
#include "observe/subject/session.h"

#define ANSWER_MS 15000

const char *target_engine_name(enum target_engine engine)
{
	static const char *const names[] = {"process", "cloche", "docker", "podman"};

	return names[engine];
}

void target_free(struct target *t)
{
	free(t->name);
	free(t->id);
	free(t->image);
	free(t->image_id);
	free(t->runtime);
	free(t->upper);
	free(t->work);
	free(t->merged);
	strv_free(&t->lower);
	cleanup_json(&t->inspect);
	*t = (struct target){.engine = TARGET_PROCESS};
}

bool target_is_alive(const struct target *t)
{
	return proc_is_alive(t->pid, t->start_ticks);
}

/* The value at a path of members; NULL when a step is missing. */
static struct json_object *member(struct json_object *o, const char *path)
{
	char step[64];

	while (o && *path) {
		size_t len = strcspn(path, ".");

		if (str_format(step, sizeof(step), "%.*s", (int)len, path) < 0 ||
		    !json_object_is_type(o, json_type_object) ||
		    !json_object_object_get_ex(o, step, &o))
			return NULL;
		path += len + (path[len] == '.');
	}
	return o;
}

const char *target_setting(const struct target *t, const char *path)
{
	struct json_object *o = t->inspect ? member(t->inspect, path) : NULL;

	return o ? json_object_get_string(o) : "";
}

static void set_text(char **field, const char *text)
{
	free(*field);
	*field = xstrdup(text ? text : "");
}

static void split_layers(struct target *t, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, ":");

		if (len)
			strv_add_taken(&t->lower, xstrndup(text, len));
		text += len + (text[len] == ':');
	}
}

static void set_empty(struct target *t)
{
	char **const fields[] = {&t->name,    &t->id,    &t->image, &t->image_id,
				 &t->runtime, &t->upper, &t->work,  &t->merged};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		set_text(fields[i], "");
}

/* The process itself: it is the same one as long as its start time is. */
static int take_process(struct target *t, int64_t pid, struct err *err)
{
	struct proc_stat s;
	int rc;

	if (pid <= 0 || pid > INT_MAX)
		return err_set(err, ERR_USAGE, 0, "%lld is no process", (long long)pid);
	rc = proc_read_stat((pid_t)pid, &s);
	if (rc == 0 && s.state == 'Z')
		rc = -ESRCH;
	if (rc < 0)
		return err_set(err, ERR_NOT_FOUND, -rc, "process %lld: %s", (long long)pid,
			       rc == -ESRCH ? "there is none" : err_errno_text(-rc));
	t->pid = (pid_t)pid;
	t->start_ticks = s.start_ticks;
	t->supervisor = s.parent;
	return 0;
}

/* Fills t from an engine's description, which it takes. */
static int take_description(struct target *t, struct json_object *o, struct err *err)
{
	struct json_object *pid = member(o, "State.Pid");
	const char *name, *image;

	t->inspect = o;
	name = target_setting(t, "Name");
	image = target_setting(t, "ImageName"); /* podman; "Config.Image" elsewhere */
	set_text(&t->name, name + (*name == '/'));
	set_text(&t->id, target_setting(t, "Id"));
	set_text(&t->image, *image ? image : target_setting(t, "Config.Image"));
	set_text(&t->image_id, target_setting(t, "Image"));
	set_text(&t->runtime, target_setting(t, "HostConfig.Runtime"));
	if (t->engine == TARGET_PODMAN)
		set_text(&t->runtime, target_setting(t, "OCIRuntime"));
	set_text(&t->upper, target_setting(t, "GraphDriver.Data.UpperDir"));
	set_text(&t->work, target_setting(t, "GraphDriver.Data.WorkDir"));
	set_text(&t->merged, target_setting(t, "GraphDriver.Data.MergedDir"));
	split_layers(t, target_setting(t, "GraphDriver.Data.LowerDir"));
	if (!pid || json_object_get_int64(pid) <= 0)
		return err_set(
			err, ERR_CONFLICT, 0,
			"container %s of %s does not run (%s): there is no process to look at",
			t->name, target_engine_name(t->engine), target_setting(t, "State.Status"));
	return take_process(t, json_object_get_int64(pid), err);
}

/* 0; -ENOENT with why added to *looked. */
static int ask_cloche(struct engine *e, const char *name, struct target *t, struct strbuf *looked,
		      struct err *err)
{
	auto_container struct container c;
	struct json_object *o = NULL;
	int rc;

	container_init(&c);
	if (!e) {
		strbuf_puts(looked, "; cloche: not asked");
		return -ENOENT;
	}
	rc = container_find(e, name, &c, err);
	if (rc < 0 && err->kind == ERR_NOT_FOUND) {
		strbuf_printf(looked, "; cloche in %s", e->root);
		return -ENOENT;
	}
	if (rc == 0)
		rc = container_inspect(e, &c, NULL, &o, err);
	if (rc < 0)
		return rc;
	t->engine = TARGET_CLOCHE;
	rc = take_description(t, o, err);
	return rc == -ENOENT ? -ESRCH : rc;
}

/* The first executable of that name in PATH; "" when there is none. */
static void find_program(const char *name, char out[static PATH_MAX])
{
	const char *path = getenv("PATH");

	for (path = path ? path : ""; *path;) {
		size_t len = strcspn(path, ":");

		if (len && str_format(out, PATH_MAX, "%.*s/%s", (int)len, path, name) == 0 &&
		    access(out, X_OK) == 0)
			return;
		path += len + (path[len] == ':');
	}
	out[0] = '\0';
}

/* Why an engine that was asked had no answer, as one short phrase. */
static void add_reason(struct strbuf *looked, const char *engine, const char *errors)
{
	const char *text = errors ? errors : "";

	if (strstr(text, "o such ")) {
		strbuf_printf(looked, "; %s", engine);
		return;
	}
	if (str_starts(text, "Error: "))
		text += strlen("Error: ");
	strbuf_printf(looked, "; %s does not answer: %.*s", engine, (int)strcspn(text, "\n"), text);
}

/* Docker's or Podman's own program is asked, as the user would. */
static int ask_program(enum target_engine engine, const char *name, struct target *t,
		       struct strbuf *looked, struct err *err)
{
	const char *program = target_engine_name(engine);
	auto_command_run struct command_run answer = {.output = NULL};
	auto_json struct json_object *list = NULL;
	struct json_object *first;
	auto_strv struct strv argv = {0};
	char path[PATH_MAX];
	int rc;

	find_program(program, path);
	if (!path[0]) {
		strbuf_printf(looked, "; %s is not installed", program);
		return -ENOENT;
	}
	strv_add(&argv, path);
	strv_add(&argv, "container");
	strv_add(&argv, "inspect");
	strv_add(&argv, "--");
	strv_add(&argv, name);
	rc = command_execute(NULL, &argv, ANSWER_MS, &answer, err);
	if (rc < 0)
		return rc;
	if (answer.exit_code != 0) {
		add_reason(looked, program, answer.errors);
		return -ENOENT;
	}
	rc = json_parse(answer.output, strlen(answer.output), path, &list, err);
	if (rc < 0)
		return rc;
	if (!json_object_is_type(list, json_type_array) || !json_object_array_length(list))
		return err_set(err, ERR_CORRUPT, 0, "%s inspect %s: its answer is no list", program,
			       name);
	first = json_object_array_get_idx(list, 0);
	t->engine = engine;
	return take_description(t, json_object_get(first), err);
}

static int ask(enum target_engine engine, struct engine *e, const char *name, struct target *t,
	       struct strbuf *looked, struct err *err)
{
	if (engine == TARGET_CLOCHE)
		return ask_cloche(e, name, t, looked, err);
	return ask_program(engine, name, t, looked, err);
}

static int resolve_pid(const char *text, struct target *t, struct err *err)
{
	char path[64], name[64];
	int64_t pid;
	ssize_t n;
	int rc;

	if (str_to_i64(text, &pid) < 0)
		return err_set(err, ERR_USAGE, 0, "pid:%s is not the number of a process", text);
	rc = take_process(t, pid, err);
	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), "/proc/%d/comm", t->pid);
	n = file_read_small_at(AT_FDCWD, path, name, sizeof(name));
	if (n > 0 && name[n - 1] == '\n')
		name[n - 1] = '\0';
	set_text(&t->name, n > 0 ? name : text);
	return 0;
}

/* As pids are written: no longer than the largest (PID_MAX_LIMIT, 4194304). The beginning of an id may be all
 * digits, too. */
static bool is_pid(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	return digits > 0 && digits <= 7 && text[digits] == '\0';
}

static int resolve(struct engine *e, const char *reference, struct target *t, struct err *err)
{
	auto_strbuf struct strbuf looked = {0};
	const char *colon = strchr(reference, ':');
	size_t len = colon ? (size_t)(colon - reference) : 0;
	int rc;

	if (colon && len == 3 && !strncmp(reference, "pid", len))
		return resolve_pid(colon + 1, t, err);
	if (is_pid(reference))
		return resolve_pid(reference, t, err);
	for (enum target_engine i = TARGET_CLOCHE; i <= TARGET_PODMAN; i++) {
		const char *engine = target_engine_name(i);
		bool named = colon && strlen(engine) == len && !strncmp(reference, engine, len);

		if (colon && !named)
			continue;
		/* What one engine had to say of another's container is no error of this run. */
		*err = ERR_INIT;
		rc = ask(i, e, colon ? colon + 1 : reference, t, &looked, err);
		if (rc != -ENOENT)
			return rc;
	}
	if (!looked.len)
		return err_set(err, ERR_USAGE, 0,
			       "%s: say cloche:NAME, docker:NAME, podman:NAME or pid:NUMBER",
			       reference);
	return err_set(err, ERR_NOT_FOUND, 0, "No such container: %s (looked in %s)", reference,
		       looked.data + strlen("; "));
}

int target_resolve(struct engine *e, const char *reference, struct target *out, struct err *err)
{
	int rc;

	*out = (struct target){.engine = TARGET_PROCESS};
	set_empty(out);
	rc = resolve(e, reference, out, err);
	if (rc < 0)
		target_free(out);
	return rc;
}
