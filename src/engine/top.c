/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which processes are a container's is asked of its control group, never of its pid namespace: the
 * numbers are the host's then. The default table is read from /proc; other columns are ps's business,
 * which is started as Docker starts it.
 */
#include "engine/top.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "engine/cgroup_path.h"
#include "engine/event.h"
#include "engine/internal.h"
#include "engine/top_internal.h"

#define PS_OUTPUT_MAX (64u << 20)

struct pids {
	int *items;
	size_t count;
};

void top_free(struct top_table *t)
{
	strv_free(&t->titles);
	for (size_t i = 0; i < t->row_count; i++)
		strv_free(&t->rows[i]);
	free(t->rows);
	*t = (struct top_table){.rows = NULL};
}

struct strv *top_add_row(struct top_table *t)
{
	t->rows = xrealloc(t->rows, (t->row_count + 1) * sizeof(*t->rows));
	t->rows[t->row_count] = (struct strv){.items = NULL};
	return &t->rows[t->row_count++];
}

static int add_pid(int pid, void *arg)
{
	struct pids *p = arg;

	p->items = xrealloc(p->items, (p->count + 1) * sizeof(int));
	p->items[p->count++] = pid;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Sorted. */
static int collect_pids(struct engine *e, const struct container *c, struct pids *out,
			struct err *err)
{
	char path[CGROUP_PATH_MAX];
	struct cgroup_dirs dirs;
	int rc = engine_detect_cgroups(e, err);

	if (rc == 0)
		rc = container_cgroup_path(e, c, path, err);
	if (rc == 0)
		rc = cgroup_dirs_of(&e->cgroups, path, &dirs, err);
	if (rc < 0)
		return rc;
	rc = cgroup_for_each_pid(dirs.dirs, dirs.count, add_pid, out);
	if (rc < 0 && rc != -ENOENT)
		return err_set(err, ERR_SYSTEM, -rc, "list the processes of %.12s: %s", c->id,
			       err_errno_text(-rc));
	if (out->count)
		qsort(out->items, out->count, sizeof(int), by_number);
	return 0;
}

/* ---- the host's ps ---- */

int top_check_args(const char *ps_args, struct err *err)
{
	for (const char *p = strchr(ps_args, '='); p; p = strchr(p + 1, '=')) {
		const char *key = p, *value = p + 1 + strspn(p + 1, " \t\n\v\f\r");

		while (key > ps_args && !strchr(" \t\n\v\f\r", key[-1]))
			key--;
		/* Only an argument of its own can name a column. */
		if (key == ps_args || !str_starts(value, "PID"))
			continue;
		if ((size_t)(p - key) != 3 || strncmp(key, "pid", 3) != 0)
			return err_set(err, ERR_INVALID, EINVAL,
				       "specifying \"%.*s=%.*s\" is not allowed", (int)(p - key),
				       key, (int)strcspn(value, " \t\n\v\f\r"), value);
	}
	return 0;
}

static void split(const char *text, struct strv *out)
{
	static const char blanks[] = " \t\n\v\f\r";

	for (text += strspn(text, blanks); *text; text += strspn(text, blanks)) {
		size_t n = strcspn(text, blanks);

		strv_add_taken(out, xstrndup(text, n));
		text += n;
	}
}

/* Cells of one line; what the titles have no cell for belongs to the last. */
static void add_process(struct top_table *t, const struct strv *fields)
{
	struct strv *row = top_add_row(t);
	auto_strbuf struct strbuf last = {0};

	for (size_t i = 0; i < fields->count; i++) {
		if (i + 1 < t->titles.count)
			strv_add(row, fields->items[i]);
		else
			strbuf_printf(&last, "%s%s", i + 1 > t->titles.count ? " " : "",
				      fields->items[i]);
	}
	while (row->count + 1 < t->titles.count)
		strv_add(row, "");
	strv_add(row, strbuf_str(&last));
}

/* *within: the line before was of one of these processes: lines of its threads ("-") follow it. */
static int parse_line(const char *line, size_t column, const struct pids *pids, bool *within,
		      struct top_table *out, struct err *err)
{
	auto_strv struct strv fields = {0};
	const char *text;
	uint64_t number;
	int pid;

	split(line, &fields);
	if (fields.count == 0)
		return 0;
	text = column < fields.count ? fields.items[column] : "";
	if (!str_eq(text, "-")) {
		if (str_to_u64(text, &number) < 0 || number > INT32_MAX)
			return err_set(err, ERR_SYSTEM, EBADMSG, "Unexpected pid '%s'", text);
		pid = (int)number;
		*within = bsearch(&pid, pids->items, pids->count, sizeof(int), by_number) != NULL;
	}
	if (*within)
		add_process(out, &fields);
	return 0;
}

int top_parse_ps(const char *output, const int *pids, size_t count, struct top_table *out,
		 struct err *err)
{
	const struct pids wanted = {(int *)pids, count};
	auto_free char *copy = xstrdup(output);
	char *rest = copy, *line = strsep(&rest, "\n");
	bool within = false;
	size_t column = 0;
	int rc = 0;

	split(line, &out->titles);
	while (column < out->titles.count && !str_eq(out->titles.items[column], "PID"))
		column++;
	if (column == out->titles.count)
		return err_set(err, ERR_SYSTEM, EBADMSG, "Couldn't find PID field in ps output");
	while (rc == 0 && (line = strsep(&rest, "\n")) != NULL)
		rc = parse_line(line, column, &wanted, &within, out, err);
	return rc;
}

/* Both of a program's streams until it has closed them. */
static void read_streams(int fds[2], struct strbuf texts[2])
{
	while (fds[0] >= 0 || fds[1] >= 0) {
		struct pollfd p[] = {{.fd = fds[0], .events = POLLIN},
				     {.fd = fds[1], .events = POLLIN}};
		char chunk[65536];

		if (poll(p, 2, -1) < 0)
			continue;
		for (int i = 0; i < 2; i++) {
			ssize_t n = p[i].revents ? read(fds[i], chunk, sizeof(chunk)) : 1;

			if (p[i].revents && n > 0 && texts[i].len < PS_OUTPUT_MAX)
				strbuf_add(&texts[i], chunk, (size_t)n);
			if (n > 0 || (n < 0 && errno == EINTR))
				continue;
			close(fds[i]);
			fds[i] = -1;
		}
	}
}

/* 0 with the program's output and how it ended, or -errno when it could not be started. */
static int run_ps(const struct strv *arguments, struct strbuf texts[2], int *wait_status)
{
	int out[2], errors[2], rc;
	posix_spawn_file_actions_t actions;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(errors, O_CLOEXEC) < 0) {
		rc = -errno;
		close(out[0]), close(out[1]);
		return rc;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, errors[1], STDERR_FILENO);
	rc = posix_spawnp(&pid, "ps", &actions, NULL, arguments->items, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(out[1]), close(errors[1]);
	read_streams((int[]){out[0], errors[0]}, texts);
	if (rc)
		return -rc;
	while (waitpid(pid, wait_status, 0) < 0 && errno == EINTR)
		;
	return 0;
}

static int fail_ps(int rc, const struct strbuf *errors, int wait_status, struct err *err)
{
	const char *text = strbuf_str(errors);

	if (rc == -ENOENT)
		return err_set(err, ERR_SYSTEM, ENOENT,
			       "exec: \"ps\": executable file not found in $PATH");
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "execute ps: %s", err_errno_text(-rc));
	if (*text)
		return err_set(err, ERR_SYSTEM, ECHILD, "ps: %.*s", (int)strcspn(text, "\n"), text);
	return err_set(err, ERR_SYSTEM, ECHILD, "ps: exit status %d", WEXITSTATUS(wait_status));
}

static void pids_argument(const struct pids *pids, struct strv *arguments)
{
	auto_strbuf struct strbuf text = {0};

	for (size_t i = 0; i < pids->count; i++)
		strbuf_printf(&text, "%s%d", i ? "," : "-q", pids->items[i]);
	strv_add(arguments, strbuf_str(&text));
}

/* Some options cannot stand beside -q: then it is asked for all there are. */
static int ask_ps(const char *ps_args, const struct pids *pids, struct top_table *out,
		  struct err *err)
{
	int rc = 0, status = 0;

	for (int with_pids = 1; with_pids >= 0; with_pids--) {
		auto_strbuf struct strbuf output = {0}, errors = {0};
		struct strbuf texts[2] = {{0}, {0}};
		auto_strv struct strv arguments = {0};

		strv_add(&arguments, "ps");
		split(ps_args, &arguments);
		if (with_pids)
			pids_argument(pids, &arguments);
		rc = run_ps(&arguments, texts, &status);
		output = texts[0];
		errors = texts[1];
		if (rc == 0 && status == 0)
			return top_parse_ps(strbuf_str(&output), pids->items, pids->count, out,
					    err);
		if (rc < 0 || !with_pids)
			return fail_ps(rc, &errors, status, err);
	}
	return rc;
}

int container_top(struct engine *e, struct container *c, const char *ps_args, struct top_table *out,
		  struct err *err)
{
	struct pids pids = {.items = NULL};
	int rc = top_check_args(ps_args, err);

	if (rc < 0)
		return rc;
	if (c->state.status == CONTAINER_RESTARTING)
		return err_set(err, ERR_CONFLICT, EBUSY,
			       "Container %s is restarting, wait until the container is running",
			       c->id);
	if (!container_is_alive(c))
		return err_set(err, ERR_CONFLICT, ESRCH, "Container %s is not running", c->id);
	rc = collect_pids(e, c, &pids, err);
	if (rc == 0 && (!*ps_args || str_eq(ps_args, "-ef")))
		top_read_proc(pids.items, pids.count, out);
	else if (rc == 0)
		rc = ask_ps(ps_args, &pids, out, err);
	if (rc == 0)
		event_container(e, c, "top", NULL, NULL);
	free(pids.items);
	return rc;
}
