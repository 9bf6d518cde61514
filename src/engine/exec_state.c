/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of execs on disk: written whole here before one begins, its head overwritten by the
 * supervisor (engine/monitor/exec.h). Whether one runs is asked of the lock, never of the text.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/exec_internal.h"
#include "engine/internal.h"
#include "base/json_writer.h"
#include "engine/monitor/exec.h"

#define STATE_MAX_BYTES (4 << 20) /* arguments and environment are in it */

int exec_state_make(const struct engine *e, const char *container_id, const char *exec_id,
		    const char *path, int *lock_fd, struct err *err)
{
	auto_close int run_dir = container_run_dir(e, container_id);
	char name[sizeof(EXEC_DIRECTORY "/") + ID_LEN];
	auto_close int dir = -1;

	snprintf(name, sizeof(name), EXEC_DIRECTORY "/%s", exec_id);
	if (run_dir >= 0 && mkdirat(run_dir, name, 0700) < 0 && errno == ENOENT &&
	    (mkdirat(run_dir, EXEC_DIRECTORY, 0700) == 0 || errno == EEXIST))
		(void)!mkdirat(run_dir, name, 0700);
	if (run_dir >= 0)
		dir = openat(run_dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (run_dir == -ENOENT || (dir < 0 && errno == ENOENT))
		return err_set(err, ERR_CONFLICT, ESRCH, "Container %s is not running",
			       container_id);
	/* Who looks may hold it for a moment; nobody else wants it. */
	if (dir < 0 || flock(dir, LOCK_EX) < 0)
		return err_sys(err, "make and lock %s", path);
	*lock_fd = take_fd(&dir);
	return 0;
}

int exec_state_write(int dir, const struct exec_state *s, struct err *err)
{
	const struct exec_head head = {.status = "created"};
	const struct exec_options *o = &s->options;
	auto_strbuf struct strbuf text = {0};
	/* The head's members stand there. */
	struct json_writer w = {.out = &text, .comma = true};
	char bytes[EXEC_HEAD_SIZE];
	auto_close int fd =
		openat(dir, EXEC_STATE_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int rc;

	if (fd < 0)
		return err_sys(err, "make the state of an exec");
	strbuf_add(&text, bytes, (size_t)exec_head_format(&head, bytes));
	json_write_string(&w, "ID", s->id);
	json_write_string(&w, "ContainerID", s->container_id);
	json_write_strv(&w, "Args", &o->argv);
	json_write_strv(&w, "Env", &o->env);
	json_write_string(&w, "User", o->user);
	json_write_string(&w, "WorkingDir", o->working_dir);
	json_write_string(&w, "DetachKeys", o->detach_keys);
	json_write_bool(&w, "Privileged", o->privileged);
	json_write_bool(&w, "Tty", o->tty);
	json_write_bool(&w, "OpenStdin", o->open_stdin);
	json_write_bool(&w, "Detach", o->detach);
	json_write_end(&w, '}');
	strbuf_putc(&text, '\n');
	rc = fd_write_all(fd, text.data, text.len);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "write the state of an exec: %s%s",
				err_errno_text(-rc),
				rc == -ENOSPC || rc == -EDQUOT ? " (make room in the run root)"
							       : "")
		      : 0;
}

static int get_text(struct json_object *o, const char *key, char **out)
{
	const char *text;
	int rc = json_get_string(o, key, &text);

	if (rc == 0)
		*out = xstrdup(text);
	return rc == -ENOENT ? 0 : rc;
}

static int parse(struct json_object *o, struct exec_state *s)
{
	struct exec_options *options = &s->options;
	const struct {
		const char *key;
		bool *value;
	} flags[] = {{"Privileged", &options->privileged},
		     {"Tty", &options->tty},
		     {"OpenStdin", &options->open_stdin},
		     {"Detach", &options->detach}};
	const char *id, *container_id, *status;
	int64_t pid, exit_code;

	if (json_get_string(o, "ID", &id) < 0 ||
	    json_get_string(o, "ContainerID", &container_id) < 0 ||
	    json_get_string(o, "Status", &status) < 0 || json_get_i64(o, "Pid", &pid) < 0 ||
	    json_get_i64(o, "ExitCode", &exit_code) < 0 ||
	    json_get_u64(o, "StartedNs", &s->started_ns) < 0 ||
	    json_get_u64(o, "FinishedNs", &s->finished_ns) < 0 ||
	    json_get_strv(o, "Args", &options->argv) < 0 ||
	    json_get_strv(o, "Env", &options->env) < 0 || get_text(o, "User", &options->user) < 0 ||
	    get_text(o, "WorkingDir", &options->working_dir) < 0 ||
	    get_text(o, "DetachKeys", &s->detach_keys) < 0)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (json_get_bool(o, flags[i].key, flags[i].value) < 0)
			return -EINVAL;
	}
	if (str_format(s->id, sizeof(s->id), "%s", id) < 0 ||
	    str_format(s->container_id, sizeof(s->container_id), "%s", container_id) < 0)
		return -EINVAL;
	options->detach_keys = s->detach_keys;
	s->pid = (int)pid;
	s->exit_code = (int)exit_code;
	s->begun = !str_eq(status, "created");
	s->finished = str_eq(status, "exited");
	return 0;
}

static bool is_held(int dir)
{
	return flock(dir, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

static int read_state(int dir, bool held, struct exec_state *s, struct err *err)
{
	auto_json struct json_object *o = NULL;
	int rc = json_read_at(dir, EXEC_STATE_FILE, STATE_MAX_BYTES, &o, err);

	if (rc < 0)
		return rc;
	if (parse(o, s) < 0)
		return err_set(err, ERR_CORRUPT, EUCLEAN, "%s: not the state of an exec",
			       EXEC_STATE_FILE);
	s->running = held && s->pid > 0;
	if (held)
		s->finished = false;
	else if (s->begun && !s->finished) {
		/* Its supervisor was killed, and the process with it. */
		s->finished = true;
		s->exit_code = MONITOR_LOST_EXIT_CODE;
	}
	if (!s->running)
		s->pid = 0;
	return 0;
}

void exec_state_free(struct exec_state *s)
{
	strv_free(&s->options.argv);
	strv_free(&s->options.env);
	free(s->options.user);
	free(s->options.working_dir);
	free(s->detach_keys);
	*s = (struct exec_state){0};
}

int exec_list(const struct engine *e, const char *container_id, struct strv *ids, struct err *err)
{
	auto_close int run_dir = container_run_dir(e, container_id);
	auto_closedir DIR *all = NULL;
	const struct dirent *entry;
	int fd = run_dir < 0 ? -1
			     : openat(run_dir, EXEC_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return (run_dir == -ENOENT || errno == ENOENT)
			       ? 0
			       : err_sys(err, "open the execs of %.12s", container_id);
	all = fdopendir(fd);
	if (!all) {
		close(fd);
		return err_sys(err, "read the execs of %.12s", container_id);
	}
	while ((entry = readdir(all))) {
		auto_close int dir = -1;

		if (!id_is_hex(entry->d_name, ID_LEN))
			continue;
		dir = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir >= 0 && is_held(dir))
			strv_add(ids, entry->d_name);
	}
	return 0;
}

struct search {
	const struct engine *e;
	const char *exec_id;
	int dir; /* found: open */
};

static int look_in(const char *id, void *arg)
{
	struct search *s = arg;
	auto_free char *path = xasprintf("containers/%s/" EXEC_DIRECTORY "/%s", id, s->exec_id);

	s->dir = openat(s->e->run_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->dir >= 0;
}

static int open_dir(const struct engine *e, const char *exec_id)
{
	struct search search = {.e = e, .exec_id = exec_id, .dir = -1};

	if (!id_is_hex(exec_id, ID_LEN) || engine_for_each_id(e->run_fd, look_in, &search) != 1)
		return -1;
	return search.dir;
}

static int refuse_unknown(const char *exec_id, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, ENOENT, "No such exec instance: %s", exec_id);
}

int exec_find(const struct engine *e, const char *exec_id, struct exec_state *s, struct err *err)
{
	auto_close int dir = open_dir(e, exec_id);
	int rc = dir < 0 ? -ENOENT : read_state(dir, is_held(dir), s, err);

	return rc == -ENOENT ? refuse_unknown(exec_id, err) : rc;
}

int exec_state_take(const struct engine *e, const char *exec_id, struct exec_state *s, int *lock_fd,
		    struct err *err)
{
	auto_close int dir = open_dir(e, exec_id);
	int rc;

	if (dir < 0)
		return refuse_unknown(exec_id, err);
	/* Who only looks has it shared, and for a moment. */
	while (flock(dir, LOCK_EX | LOCK_NB) < 0) {
		if (is_held(dir))
			return err_set(err, ERR_CONFLICT, EBUSY,
				       "Exec command %s is already running", exec_id);
		flock(dir, LOCK_UN);
	}
	rc = read_state(dir, false, s, err);
	if (rc == -ENOENT)
		return refuse_unknown(exec_id, err);
	if (rc == 0 && s->begun)
		return err_set(err, ERR_CONFLICT, EEXIST, "Exec command %s has already run",
			       exec_id);
	if (rc == 0)
		*lock_fd = take_fd(&dir);
	return rc;
}
