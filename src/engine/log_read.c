/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From files to entries. A file is complete once its name belongs to another: it is then read once
 * more to its end before its successor is opened. That a container has ended is known from the end of
 * its monitor, which writes the last line before it goes.
 */
#include "engine/log_read.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "engine/internal.h"
#include "engine/log_details.h"
#include "engine/log_files.h"
#include "kernel/pidfd.h"

#define BUFFER_BYTES (256u << 10)
#define LINE_MAX_BYTES (16u << 20) /* a longer one is none of ours */
#define NS_PER_MS 1000000
#define NS_PER_S 1000000000u

struct log_reader {
	struct log_query query;
	char *path; /* of the newest file */
	char *line_attributes;
	char since[LOG_TIME_LEN + 1], until[LOG_TIME_LEN + 1];
	char time[LOG_TIME_LEN + 1];
	struct log_files files; /* those after fd, as far as they are open */
	int fd;                 /* being read, -1 none yet */
	off_t pos;              /* how far it was read */
	bool saw_end;           /* its name was another's already when its end was seen */
	bool ended;             /* the monitor is gone: what is there now is all there will be */
	bool done;
	int inotify, monitor; /* -1 unless it follows */
	char *buffer, *text;
	size_t start, end, cap; /* of what was read and not consumed */
};

/* ---- opening ---- */

static void format_bound(uint64_t wall_ns, char out[static LOG_TIME_LEN + 1])
{
	char text[CLOCK_RFC3339_MAX];
	struct log_line line = {.time = text};

	clock_format_rfc3339(wall_ns ? wall_ns : 1, text);
	line.time_len = strlen(text);
	/* Our own formatter's: years above 9999 alone would not fit, and bound nothing. */
	if (log_line_time(&line, out) < 0)
		*out = '\0';
}

static bool keeps_no_log(const struct container *c)
{
	return c->config.log_driver && *c->config.log_driver &&
	       !str_eq(c->config.log_driver, "json-file");
}

/* *out: a pidfd of the monitor that holds the container's lock; -1 when none does. */
static int open_monitor(struct engine *e, struct container *c, int *out, struct err *err)
{
	auto_close int fd = -1;
	int rc = container_state_read(e, c, err), pid = c->state.monitor_pid;

	*out = -1;
	if (rc < 0)
		return rc;
	if (pid <= 0 || !container_lock_is_held(e, c->id))
		return 0;
	fd = process_fd_open(pid);
	if (fd < 0)
		return 0;
	/* Still the one with this number, now that it cannot be another's. */
	rc = container_state_read(e, c, err);
	if (rc == 0 && c->state.monitor_pid == pid && container_lock_is_held(e, c->id))
		*out = take_fd(&fd);
	return rc;
}

/* The last words of one that has ended: its state says so a moment before its monitor has written them.
 * Others may hold the lock for long, as a copy of its files does, and write nothing. */
static int await_last_words(struct engine *e, struct container *c, struct err *err)
{
	auto_close int monitor = -1;
	int rc = open_monitor(e, c, &monitor, err);

	return rc < 0 || monitor < 0 ? rc : container_read_settled(e, c, err);
}

static int watch(struct log_reader *r, struct engine *e, struct container *c, struct err *err)
{
	auto_free char *directory = NULL;
	int rc = open_monitor(e, c, &r->monitor, err);

	if (rc < 0)
		return rc;
	if (r->monitor < 0) {
		r->query.follow = false;
		return 0;
	}
	directory = xstrndup(r->path, (size_t)(strrchr(r->path, '/') - r->path));
	r->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (r->inotify < 0 ||
	    inotify_add_watch(r->inotify, directory, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
		return err_sys(err, "watch %s%s", directory,
			       errno == EMFILE || errno == ENOSPC
				       ? " (fs.inotify limits in /proc/sys)"
				       : "");
	return 0;
}

static void next_file(struct log_reader *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = log_files_take(&r->files);
	r->pos = 0;
	/* Half a line at the end of a file stays half. */
	r->start = r->end = 0;
	r->saw_end = false;
}

/* Files that were last written before `since` hold nothing that is asked for. */
static void skip_old_files(struct log_reader *r)
{
	while (r->query.since_ns && r->files.count - r->files.first > 1) {
		struct stat st;

		if (fstat(r->files.fds[r->files.first], &st) < 0 ||
		    (uint64_t)st.st_mtim.tv_sec + 1 >= r->query.since_ns / NS_PER_S)
			return;
		close(log_files_take(&r->files));
	}
}

static int open_files(struct log_reader *r, struct err *err)
{
	off_t offset = 0;
	int rc = log_files_open(r->path, &r->files);

	if (rc == 0 && r->query.tail >= 0)
		rc = log_files_tail(&r->files, (uint64_t)r->query.tail, &offset);
	else if (rc == 0)
		skip_old_files(r);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "open the log %s: %s", r->path,
			       err_errno_text(-rc));
	next_file(r);
	r->pos = offset;
	return 0;
}

int log_reader_open(struct engine *e, struct container *c, const struct log_query *q,
		    struct log_reader **out, struct err *err)
{
	struct log_reader *r;
	int rc;

	if (keeps_no_log(c))
		return err_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
			       "configured logging driver does not support reading");
	r = xcalloc(1, sizeof(*r));
	*r = (struct log_reader){.query = *q, .fd = -1, .inotify = -1, .monitor = -1};
	r->path = xasprintf("%s/containers/%s/%s-json.log", c->persistent ? e->root : e->run_root,
			    c->id, c->id);
	format_bound(q->since_ns, r->since);
	format_bound(q->until_ns, r->until);
	r->cap = BUFFER_BYTES;
	r->buffer = xrealloc(NULL, r->cap);
	r->text = xrealloc(NULL, r->cap);
	/* Watched before the files are opened: no change goes unnoticed. */
	rc = q->follow ? watch(r, e, c, err) : await_last_words(e, c, err);
	if (rc == 0)
		rc = open_files(r, err);
	if (rc < 0) {
		log_reader_close(r);
		return rc;
	}
	*out = r;
	return 0;
}

void log_reader_close(struct log_reader *r)
{
	const int fds[] = {r->fd, r->inotify, r->monitor};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	log_files_close(&r->files);
	free(r->path);
	free(r->line_attributes);
	free(r->buffer);
	free(r->text);
	free(r);
}

/* ---- reading ---- */

static void make_room(struct log_reader *r)
{
	if (r->start) {
		memmove(r->buffer, r->buffer + r->start, r->end - r->start);
		r->end -= r->start;
		r->start = 0;
	}
	if (r->end < r->cap)
		return;
	if (r->cap >= LINE_MAX_BYTES) {
		r->end = 0;
		return;
	}
	r->cap *= 2;
	r->buffer = xrealloc(r->buffer, r->cap);
	r->text = xrealloc(r->text, r->cap);
}

/* 1: there is more in the buffer, 0: the file has no more now. */
static int fill(struct log_reader *r, struct err *err)
{
	struct stat st;
	ssize_t n;

	if (r->fd < 0)
		return 0;
	make_room(r);
	n = pread(r->fd, r->buffer + r->end, r->cap - r->end, r->pos);
	if (n < 0)
		return errno == EINTR ? 1 : err_sys(err, "read the log %s", r->path);
	r->pos += n;
	r->end += (size_t)n;
	if (n > 0)
		return 1;
	/* A writer out of space takes half an entry back. */
	if (r->end > 0 && fstat(r->fd, &st) == 0 && st.st_size < r->pos) {
		r->pos -= (off_t)r->end;
		r->end = 0;
	}
	return 0;
}

static bool is_newest(const struct log_reader *r)
{
	struct stat own, named;

	if (stat(r->path, &named) < 0)
		return false;
	return r->fd >= 0 && fstat(r->fd, &own) == 0 && own.st_ino == named.st_ino &&
	       own.st_dev == named.st_dev;
}

/* Between what was read and the oldest file that is left: 0 none, -1 nobody knows. */
static int64_t bytes_missed(const struct log_reader *r, struct log_files *files)
{
	int64_t begin, next;

	if (files->count == 0 || (r->fd >= 0 && log_files_drop_until(files, r->fd)))
		return 0;
	next = log_file_begin(files->fds[files->first]);
	/* There was no log when it was opened. */
	if (r->fd < 0)
		return next > 0 ? next : 0;
	begin = log_file_begin(r->fd);
	return begin < 0 || next < begin + r->pos ? -1 : next - begin - r->pos;
}

/* At the end of the newest file that we know. LOG_ENTRY: there is more to read. */
static int find_successor(struct log_reader *r, struct log_entry *out, struct err *err)
{
	struct log_files files;
	int rc;

	if (is_newest(r)) {
		r->saw_end = false;
		return LOG_NONE;
	}
	if (r->fd >= 0 && !r->saw_end) {
		r->saw_end = true;
		return LOG_ENTRY;
	}
	rc = log_files_open(r->path, &files);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "open the log %s: %s", r->path,
			       err_errno_text(-rc));
	out->bytes_missed = bytes_missed(r, &files);
	if (files.first == files.count) {
		log_files_close(&files);
		return LOG_NONE;
	}
	log_files_close(&r->files);
	r->files = files;
	next_file(r);
	return out->bytes_missed ? LOG_GAP : LOG_ENTRY;
}

/* What follows when the buffer holds no whole line. LOG_ENTRY: look again. */
static int read_on(struct log_reader *r, struct log_entry *out, struct err *err)
{
	/* The end must be known before the last look. */
	bool last_look = !r->query.follow || r->ended ||
			 (r->query.until_ns && clock_wall_ns() > r->query.until_ns);
	int rc = fill(r, err);

	if (rc != 0)
		return rc < 0 ? rc : LOG_ENTRY;
	if (r->files.first < r->files.count) {
		next_file(r);
		return LOG_ENTRY;
	}
	rc = r->query.follow ? find_successor(r, out, err) : LOG_NONE;
	return rc == LOG_NONE && last_look ? LOG_END : rc;
}

/* ---- lines ---- */

/* A writer that was killed in the middle of a line leaves half of one in front of the next. */
static int decode(struct log_reader *r, const char *line, size_t n, struct log_line *out)
{
	static const char begin[] = "{\"log\":\"";
	const char *at = line, *end = line + n;

	while (log_line_decode(at, (size_t)(end - at), r->text, out) < 0 ||
	       log_line_time(out, r->time) < 0) {
		at = memmem(at + 1, (size_t)(end - at - 1), begin, sizeof(begin) - 1);
		if (!at)
			return -EINVAL;
	}
	return 0;
}

static const char *attributes_of(struct log_reader *r, const struct log_line *line)
{
	if (!r->query.details || !line->attributes)
		return "";
	free(r->line_attributes);
	r->line_attributes = log_details_of_line(line->attributes, line->attributes_len);
	return r->line_attributes;
}

/* LOG_ENTRY, LOG_NONE for one that is not asked for, or LOG_END for one after `until`. */
static int take_line(struct log_reader *r, const char *bytes, size_t n, struct log_entry *out)
{
	struct log_line line;

	if (decode(r, bytes, n, &line) < 0)
		return LOG_NONE;
	if ((r->query.only_stdout && line.is_stderr) || (r->query.only_stderr && !line.is_stderr))
		return LOG_NONE;
	if (r->query.since_ns && strcmp(r->time, r->since) < 0)
		return LOG_NONE;
	if (r->query.until_ns && strcmp(r->time, r->until) > 0)
		return LOG_END;
	*out = (struct log_entry){.text = line.text,
				  .len = line.text_len,
				  .is_stderr = line.is_stderr,
				  .time = r->time,
				  .attributes = attributes_of(r, &line)};
	return LOG_ENTRY;
}

int log_reader_next(struct log_reader *r, struct log_entry *out, struct err *err)
{
	while (!r->done) {
		const char *bytes = r->buffer + r->start, *end;
		int rc;

		end = r->end > r->start ? memchr(bytes, '\n', r->end - r->start) : NULL;
		if (end) {
			r->start += (size_t)(end - bytes) + 1;
			rc = take_line(r, bytes, (size_t)(end - bytes), out);
			if (rc == LOG_NONE)
				continue;
		} else {
			rc = read_on(r, out, err);
			if (rc == LOG_ENTRY)
				continue;
		}
		r->done = rc == LOG_END;
		return rc;
	}
	return LOG_END;
}

int log_reader_wait(struct log_reader *r, struct err *err)
{
	struct pollfd p[] = {{.fd = r->inotify, .events = POLLIN},
			     {.fd = r->monitor, .events = POLLIN}};
	uint64_t now = clock_wall_ns();
	uint64_t left_ms = r->query.until_ns > now ? (r->query.until_ns - now) / NS_PER_MS + 1 : 0;
	char drop[4096];
	int rc = poll(p, 2, !r->query.until_ns ? -1 : left_ms > INT_MAX ? INT_MAX : (int)left_ms);

	if (rc < 0 && errno != EINTR)
		return err_sys(err, "wait for the log %s", r->path);
	if (rc > 0 && p[1].revents)
		r->ended = true;
	while (rc > 0 && p[0].revents && read(r->inotify, drop, sizeof(drop)) > 0)
		;
	return 0;
}
