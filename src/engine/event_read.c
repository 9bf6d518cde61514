/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following the journal. Writers never write to a file that was renamed (event_journal.h), so a file
 * is complete once its name belongs to another: then it is read once more to its end, and its
 * successor is opened. Two files are opened as a pair that belongs together, or again.
 */
#include "engine/event_read.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/event_journal.h"

#define CHUNK_BYTES 65536
#define PAIR_TRIES 1000
#define NS_PER_MS 1000000

struct event_reader {
	struct engine *e;
	struct event_query query;
	int inotify;
	int fd;            /* the file being read, -1 none */
	int next_fd;       /* the one after it, while fd is an old one; -1 */
	bool saw_end;      /* its name belonged to another already when it was read to its end */
	bool until_passed; /* when the files were read to their end */
	struct strbuf text;
	size_t at; /* bytes of text that were consumed */
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int open_file(const struct event_reader *r, const char *path)
{
	int fd = openat(r->e->run_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 && errno != ENOENT ? -errno : fd < 0 ? -ENOENT : fd;
}

/* True if both are the same file; a missing one is like none. */
static bool same_file(int a, int b)
{
	struct stat x, y;

	if (a < 0 || b < 0)
		return a < 0 && b < 0;
	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino &&
	       x.st_dev == y.st_dev;
}

/* The old file and the one that follows it: no rotation lies between the two looks. Either may be
 * missing (-1). */
static int open_pair(const struct event_reader *r, int *old, int *current, struct err *err)
{
	for (int i = 0; i < PAIR_TRIES; i++) {
		auto_close int first = open_file(r, EVENT_JOURNAL);
		auto_close int before = open_file(r, EVENT_JOURNAL EVENT_OLD_SUFFIX);
		auto_close int second = open_file(r, EVENT_JOURNAL);

		if ((first < 0 && first != -ENOENT) || (before < 0 && before != -ENOENT))
			return err_set(err, ERR_SYSTEM,
				       first != -ENOENT && first < 0 ? -first : -before,
				       "open the journal of events in %s/" EVENT_DIRECTORY,
				       r->e->run_root);
		if (!same_file(first, second))
			continue;
		*current = first < 0 ? -1 : take_fd(&first);
		*old = before < 0 ? -1 : take_fd(&before);
		return 0;
	}
	return err_set(err, ERR_SYSTEM, EBUSY, "the journal of events is rotated too fast to read");
}

static int start(struct event_reader *r, struct err *err)
{
	bool past = r->query.since_ns || r->query.until_ns;
	int rc = open_pair(r, &r->fd, &r->next_fd, err);

	if (rc < 0)
		return rc;
	if (!past) {
		close_fd(&r->fd);
		r->fd = take_fd(&r->next_fd);
		if (r->fd >= 0 && lseek(r->fd, 0, SEEK_END) < 0)
			return err_sys(err, "seek in the journal of events");
	}
	return 0;
}

int event_reader_open(struct engine *e, const struct event_query *q, struct event_reader **out,
		      struct err *err)
{
	auto_free char *directory = xasprintf("%s/" EVENT_DIRECTORY, e->run_root);
	struct event_reader *r = xcalloc(1, sizeof(*r));
	int rc = 0;

	*r = (struct event_reader){.e = e, .query = *q, .fd = -1, .next_fd = -1};
	/* Before the files are opened: no change goes unnoticed. */
	r->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (r->inotify < 0 ||
	    inotify_add_watch(r->inotify, directory, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
		rc = err_sys(err, "watch %s%s", directory,
			     errno == EMFILE || errno == ENOSPC
				     ? " (fs.inotify limits in /proc/sys)"
				     : "");
	if (rc == 0)
		rc = start(r, err);
	if (rc < 0) {
		event_reader_close(r);
		return rc;
	}
	*out = r;
	return 0;
}

void event_reader_close(struct event_reader *r)
{
	if (!r)
		return;
	close_fd(&r->inotify);
	close_fd(&r->fd);
	close_fd(&r->next_fd);
	strbuf_free(&r->text);
	free(r);
}

/* 1 when bytes came, 0 at the end of the file. */
static int read_more(struct event_reader *r, struct err *err)
{
	char chunk[CHUNK_BYTES];
	ssize_t n = r->fd < 0 ? 0 : read(r->fd, chunk, sizeof(chunk));

	if (n < 0)
		return errno == EINTR ? 1 : err_sys(err, "read the journal of events");
	if (r->at) {
		memmove(r->text.data, r->text.data + r->at, r->text.len - r->at);
		r->text.len -= r->at;
		r->at = 0;
	}
	if (n > 0)
		strbuf_add(&r->text, chunk, (size_t)n);
	return n > 0;
}

/* At the end of the file: 1 when there is something new to read, 0 when not. */
static int advance(struct event_reader *r, struct err *err)
{
	auto_close int old = -1;
	auto_close int current = -1;
	int rc;

	if (r->next_fd >= 0) {
		close_fd(&r->fd);
		r->fd = take_fd(&r->next_fd);
		r->text.len = r->at = 0;
		return 1;
	}
	rc = open_pair(r, &old, &current, err);
	if (rc < 0)
		return rc;
	if (same_file(r->fd, current)) {
		r->saw_end = false;
		return 0;
	}
	/* Renamed: what was written between the last read and that comes first. */
	if (r->fd >= 0 && !r->saw_end) {
		r->saw_end = true;
		return 1;
	}
	if (current < 0 && same_file(r->fd, old))
		return 0;
	r->saw_end = false;
	r->text.len = r->at = 0;
	if (r->fd >= 0 && !same_file(r->fd, old) && old >= 0) {
		/* Rotated twice meanwhile. */
		close_fd(&r->fd);
		r->fd = take_fd(&old);
		r->next_fd = take_fd(&current);
	} else {
		close_fd(&r->fd);
		r->fd = take_fd(&current);
	}
	return 1;
}

/* A line, without its newline, or NULL when none is complete. */
static char *take_line(struct event_reader *r)
{
	char *start, *end;

	if (r->at >= r->text.len)
		return NULL;
	start = r->text.data + r->at;
	end = memchr(start, '\n', r->text.len - r->at);
	if (!end)
		return NULL;
	*end = '\0';
	r->at += (size_t)(end - start) + 1;
	return start;
}

/* A writer that a full disk cut short leaves half a line in front of the next one. */
static struct json_object *parse_line(const char *line)
{
	struct err ignored = ERR_INIT;
	struct json_object *o = NULL;

	for (const char *at = line; at; at = strstr(at + 1, "{\"")) {
		if (at != line && !str_starts(at, "{\"status\"") && !str_starts(at, "{\"Type\""))
			continue;
		if (json_parse(at, strlen(at), "event", &o, &ignored) == 0)
			return o;
	}
	return NULL;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* As Go writes a map. */
static void sort_attributes(struct json_object *event)
{
	struct json_object *actor, *attributes, *sorted = json_object_new_object();
	const char **keys;
	size_t n = 0;

	if (json_get_object(event, "Actor", &actor) < 0 ||
	    json_get_object(actor, "Attributes", &attributes) < 0) {
		json_object_put(sorted);
		return;
	}
	keys = xcalloc((size_t)json_object_object_length(attributes), sizeof(*keys));
	json_object_object_foreach(attributes, key, value) {
		(void)value;
		keys[n++] = key;
	}
	if (n)
		qsort(keys, n, sizeof(*keys), by_key);
	for (size_t i = 0; i < n; i++)
		json_object_object_add(
			sorted, keys[i],
			json_object_get(json_object_object_get(attributes, keys[i])));
	free(keys);
	json_object_object_add(actor, "Attributes", sorted);
}

static bool is_wanted(const struct event_reader *r, struct json_object *event)
{
	uint64_t when;

	if (!json_object_is_type(event, json_type_object) ||
	    json_get_u64(event, "timeNano", &when) < 0 || when < r->query.since_ns ||
	    (r->query.until_ns && when > r->query.until_ns))
		return false;
	return event_matches(event, r->query.filters);
}

int event_reader_next(struct event_reader *r, struct json_object **event, struct err *err)
{
	for (;;) {
		char *line = take_line(r);
		int rc;

		if (line) {
			struct json_object *o = parse_line(line);

			if (o && is_wanted(r, o)) {
				sort_attributes(o);
				*event = o;
				return EVENT_ONE;
			}
			json_object_put(o);
			continue;
		}
		/* What is written before that moment must be read after it. */
		r->until_passed = r->query.until_ns && clock_wall_ns() > r->query.until_ns;
		rc = read_more(r, err);
		if (rc == 0)
			rc = advance(r, err);
		if (rc < 0)
			return rc;
		if (rc == 0)
			return r->until_passed ? EVENT_END : EVENT_NONE;
	}
}

int event_reader_wait(struct event_reader *r, struct err *err)
{
	uint64_t now = clock_wall_ns();
	struct pollfd p = {.fd = r->inotify, .events = POLLIN};
	uint64_t left_ms = r->query.until_ns > now ? (r->query.until_ns - now) / NS_PER_MS + 1 : 0;
	char drop[4096];
	int rc = poll(&p, 1, !r->query.until_ns ? -1 : left_ms > INT_MAX ? INT_MAX : (int)left_ms);

	if (rc < 0 && errno != EINTR)
		return err_sys(err, "wait for events");
	while (rc > 0 && read(r->inotify, drop, sizeof(drop)) > 0)
		;
	return 0;
}
