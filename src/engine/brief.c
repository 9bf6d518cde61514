/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing and reading briefs. The reader knows only the JSON that json_writer makes of them and
 * trusts none of it: whatever is not as expected is left to the reader of the whole record. The same
 * holds for state.json, which is read here only where nothing must be concluded from what is missing.
 */
#include "engine/brief.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/str.h"
#include "engine/internal.h"

#define BRIEF_VERSION 2
#define BRIEF_START "{\"" BRIEF_KEY "\":["
#define BRIEF_MAX_BYTES 16384 /* longer ones are read with the whole record */
#define STATE_START "{\"SchemaVersion\":1,\"Status\":\""
#define STATE_MAX_BYTES 8192
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static const size_t strings[] = {
	offsetof(struct container, name),
	offsetof(struct container, config.image),
	offsetof(struct container, config.rootfs),
	offsetof(struct container, image_id),
	offsetof(struct container, config.network_mode),
	offsetof(struct container, config.cgroup_parent),
};

static const size_t lists[] = {
	offsetof(struct container, argv),
	offsetof(struct container, config.labels),
	offsetof(struct container, config.exposed_ports),
	offsetof(struct container, config.publish),
	offsetof(struct container, config.health.test),
	offsetof(struct container, volume_paths),
};

/* ---- writing ---- */

static void write_text(struct json_writer *w, const char *text)
{
	json_write_string(w, NULL, text ? text : "");
}

void brief_write(struct json_writer *w, const char *key, const void *base)
{
	const struct container *c = base;

	json_write_begin(w, key, '[');
	json_write_u64(w, NULL, BRIEF_VERSION);
	write_text(w, c->id);
	json_write_u64(w, NULL, c->created_ns);
	json_write_u64(w, NULL, c->config.auto_remove);
	for (size_t i = 0; i < COUNT_OF(strings); i++)
		write_text(w, *(char *const *)((const char *)c + strings[i]));
	for (size_t i = 0; i < COUNT_OF(lists); i++) {
		const struct strv *list = (const void *)((const char *)c + lists[i]);

		json_write_u64(w, NULL, list->count);
		for (size_t n = 0; n < list->count; n++)
			write_text(w, list->items[n]);
	}
	json_write_u64(w, NULL, c->config.mount_count);
	for (size_t i = 0; i < c->config.mount_count; i++) {
		json_write_u64(w, NULL, c->config.mounts[i].kind);
		write_text(w, c->config.mounts[i].source);
		write_text(w, c->config.mounts[i].target);
	}
	json_write_u64(w, NULL, c->config.publish_all);
	json_write_u64(w, NULL, c->config.endpoint_count);
	for (size_t i = 0; i < c->config.endpoint_count; i++)
		write_text(w, c->config.endpoints[i].network);
	json_write_end(w, ']');
}

/* ---- reading ---- */

/* Where the reader stands; ok turns false once and for all. */
struct cursor {
	const char *p, *end;
	bool ok, first;
};

static void expect(struct cursor *c, char wanted)
{
	c->ok = c->ok && c->p < c->end && *c->p == wanted;
	if (c->ok)
		c->p++;
}

static void next_element(struct cursor *c)
{
	if (!c->first)
		expect(c, ',');
	c->first = false;
}

static uint64_t read_number(struct cursor *c)
{
	uint64_t value = 0;
	int digits = 0;

	next_element(c);
	for (; c->ok && c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++, digits++)
		value = value * 10 + (uint64_t)(*c->p - '0');
	c->ok = c->ok && digits > 0 && digits <= 20;
	return value;
}

/* A character of the Basic Multilingual Plane, which is all that \u is written for here. */
static void put_utf8(struct strbuf *out, unsigned code)
{
	if (code < 0x80) {
		strbuf_putc(out, (char)code);
	} else if (code < 0x800) {
		strbuf_putc(out, (char)(0xc0 | code >> 6));
		strbuf_putc(out, (char)(0x80 | (code & 0x3f)));
	} else {
		strbuf_putc(out, (char)(0xe0 | code >> 12));
		strbuf_putc(out, (char)(0x80 | (code >> 6 & 0x3f)));
		strbuf_putc(out, (char)(0x80 | (code & 0x3f)));
	}
}

/* After a backslash. */
static void read_escape(struct cursor *c, struct strbuf *out)
{
	static const char from[] = "\"\\/nrtbf", to[] = "\"\\/\n\r\t\b\f";
	const char *known = c->p < c->end && *c->p ? strchr(from, *c->p) : NULL;
	unsigned code = 0;

	if (known) {
		strbuf_putc(out, to[known - from]);
		c->p++;
		return;
	}
	expect(c, 'u');
	for (int i = 0; i < 4 && c->ok; i++) {
		static const char digits[] = "0123456789abcdef";
		const char *digit = c->p < c->end && *c->p ? strchr(digits, *c->p) : NULL;

		c->ok = digit != NULL;
		if (digit)
			code = code << 4 | (unsigned)(digit - digits);
		c->p++;
	}
	/* No string of ours holds a NUL, and none is written with surrogates. */
	c->ok = c->ok && code && (code < 0xd800 || code > 0xdfff);
	if (c->ok)
		put_utf8(out, code);
}

/* The rest of a string in which the first backslash stands at c->p. */
static char *read_escaped(struct cursor *c, const char *start)
{
	auto_strbuf struct strbuf out = {0};

	for (;;) {
		strbuf_add(&out, start, (size_t)(c->p - start));
		c->ok = c->ok && c->p < c->end;
		if (!c->ok || *c->p++ == '"')
			return strbuf_take(&out);
		read_escape(c, &out);
		start = c->p;
		while (c->ok && c->p < c->end && *c->p != '"' && *c->p != '\\')
			c->p++;
	}
}

/* A heap string, never NULL. Nearly all are without escapes: one allocation of their size. */
static char *read_string(struct cursor *c)
{
	const char *start;

	next_element(c);
	expect(c, '"');
	start = c->p;
	while (c->ok && c->p < c->end && *c->p != '"' && *c->p != '\\')
		c->p++;
	if (c->ok && c->p < c->end && *c->p == '\\')
		return read_escaped(c, start);
	c->ok = c->ok && c->p < c->end;
	if (!c->ok)
		return xstrdup("");
	return xstrndup(start, (size_t)(c->p++ - start));
}

/* NULL for "". */
static void read_slot(struct cursor *c, char **slot)
{
	char *text = read_string(c);

	if (*text) {
		free(*slot);
		*slot = text;
	} else {
		free(text);
	}
}

static void read_list(struct cursor *c, struct strv *list)
{
	uint64_t count = read_number(c);

	for (uint64_t i = 0; i < count && c->ok; i++)
		strv_add_taken(list, read_string(c));
}

static void read_mounts(struct cursor *c, struct container_config *config)
{
	uint64_t count = read_number(c);

	for (uint64_t i = 0; i < count && c->ok; i++) {
		struct mount_request *m = container_config_add_mount(config);
		uint64_t kind = read_number(c);

		c->ok = c->ok && kind <= MOUNT_KIND_TMPFS;
		m->kind = (enum mount_kind)kind;
		read_slot(c, &m->source);
		m->target = read_string(c);
	}
}

static void read_endpoints(struct cursor *c, struct container_config *config)
{
	uint64_t count = read_number(c);

	for (uint64_t i = 0; i < count && c->ok; i++)
		container_config_add_endpoint(config)->network = read_string(c);
}

int brief_read(const char *text, size_t len, struct container *c)
{
	struct cursor at = {.p = text + sizeof(BRIEF_START) - 1, .end = text + len, .ok = true};
	auto_free char *id = NULL;

	if (len < sizeof(BRIEF_START) || memcmp(text, BRIEF_START, sizeof(BRIEF_START) - 1) != 0)
		return -ENOENT;
	at.first = true;
	if (read_number(&at) != BRIEF_VERSION)
		return -ENOENT;
	id = read_string(&at);
	if (!at.ok || !id_is_hex(id, ID_LEN))
		return -ENOENT;
	memcpy(c->id, id, ID_LEN + 1);
	c->created_ns = read_number(&at);
	c->config.auto_remove = read_number(&at) != 0;
	for (size_t i = 0; i < COUNT_OF(strings); i++)
		read_slot(&at, (char **)((char *)c + strings[i]));
	for (size_t i = 0; i < COUNT_OF(lists); i++)
		read_list(&at, (struct strv *)((char *)c + lists[i]));
	read_mounts(&at, &c->config);
	c->config.publish_all = read_number(&at) != 0;
	read_endpoints(&at, &c->config);
	expect(&at, ']');
	return at.ok && c->name ? 0 : -ENOENT;
}

/* ---- state.json ---- */

/* The value of a member of the flat object. Within its strings every quote has a backslash before
 * it, so that ,"Key": can stand nowhere but in front of a member. */
static bool find_number(const char *text, const char *key, uint64_t *out)
{
	char wanted[40];
	struct cursor c = {.ok = true, .first = true};
	const char *at;

	if (str_format(wanted, sizeof(wanted), ",\"%s\":", key) < 0)
		return false;
	at = strstr(text, wanted);
	if (!at)
		return false;
	c.p = at + strlen(wanted);
	c.end = c.p + strlen(c.p);
	*out = read_number(&c);
	return c.ok;
}

static bool parse_status(const char *text, enum container_status *out)
{
	for (int s = CONTAINER_CREATED; s <= CONTAINER_DEAD; s++) {
		const char *word = container_status_text((enum container_status)s);
		size_t n = strlen(word);

		if (strncmp(text, word, n) == 0 && text[n] == '"') {
			*out = (enum container_status)s;
			return true;
		}
	}
	return false;
}

int brief_read_state(const char *text, size_t len, struct container_state *s)
{
	uint64_t pid, monitor, code;

	if (len < sizeof(STATE_START) || strlen(text) != len || !str_starts(text, STATE_START) ||
	    !str_ends(text, "}\n"))
		return -EINVAL;
	if (!parse_status(text + sizeof(STATE_START) - 1, &s->status) ||
	    !find_number(text, "Pid", &pid) || !find_number(text, "MonitorPid", &monitor) ||
	    !find_number(text, "ExitCode", &code) ||
	    !find_number(text, "StartedNs", &s->started_ns) ||
	    !find_number(text, "FinishedNs", &s->finished_ns))
		return -EINVAL;
	/* Somebody may have to start it again (engine/revive.h). */
	if (strstr(text, ",\"MonitorLost\":true"))
		return -EINVAL;
	if (pid > INT32_MAX || monitor > INT32_MAX || code > 255)
		return -EINVAL;
	s->pid = (int)pid;
	s->monitor_pid = (int)monitor;
	s->exit_code = (int)code;
	return 0;
}

static ssize_t read_start(int dirfd, const char *path, char *out, size_t size)
{
	auto_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);

	if (n < 0)
		return -errno;
	out[n] = '\0';
	return n;
}

static bool lock_held(int run_fd, const char *path)
{
	auto_close int fd = openat(run_fd, path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

static bool exists(int dirfd, const char *directory, const char *file)
{
	char path[sizeof("containers/") + ID_LEN + 32];

	return str_format(path, sizeof(path), "%s/%s", directory, file) == 0 &&
	       faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool container_state_peek(const struct engine *e, struct container *c)
{
	char dir[sizeof("containers/") + ID_LEN], path[sizeof(dir) + 16], text[STATE_MAX_BYTES];
	struct container_state s = {.status = CONTAINER_CREATED};
	ssize_t n;

	if (str_format(dir, sizeof(dir), "containers/%s", c->id) < 0 ||
	    str_format(path, sizeof(path), "%s/" STATE_FILE, dir) < 0)
		return false;
	n = read_start(e->run_fd, path, text, sizeof(text));
	if (n <= 0 || brief_read_state(text, (size_t)n, &s) < 0)
		return false;
	if (s.status == CONTAINER_RUNNING) {
		/* The look at the lock comes second: who holds it now did so when this was written. */
		if (str_format(path, sizeof(path), "%s/" LOCK_FILE, dir) < 0 ||
		    !lock_held(e->run_fd, path))
			return false;
		if (exists(e->run_fd, dir, "paused"))
			s.status = CONTAINER_PAUSED;
	} else if (s.status != CONTAINER_EXITED) {
		return false;
	}
	c->state = s;
	return true;
}

/* The monitor's health.json begins with the status (moby's types.Health). */
static enum container_health read_health(const struct engine *e, const struct container *c)
{
	static const char *const starts[] = {
		[CONTAINER_HEALTH_STARTING] = "{\"Status\":\"starting\"",
		[CONTAINER_HEALTH_HEALTHY] = "{\"Status\":\"healthy\"",
		[CONTAINER_HEALTH_UNHEALTHY] = "{\"Status\":\"unhealthy\"",
	};
	const struct strv *test = &c->config.health.test;
	char path[sizeof("containers/") + ID_LEN + 32], text[64];

	if (!test->count || str_eq(test->items[0], "NONE") || c->state.pid <= 0 ||
	    str_format(path, sizeof(path), "containers/%s/health.json", c->id) < 0)
		return CONTAINER_HEALTH_NONE;
	if (read_start(e->run_fd, path, text, sizeof(text)) < 0)
		return CONTAINER_HEALTH_STARTING;
	for (size_t i = CONTAINER_HEALTH_STARTING; i < COUNT_OF(starts); i++) {
		if (str_starts(text, starts[i]))
			return (enum container_health)i;
	}
	return CONTAINER_HEALTH_STARTING;
}

/* 0, -ENOENT for no such record, -EINVAL for one without a brief. */
static int read_brief_at(int root_fd, const char *id, struct container *c)
{
	char path[sizeof("containers/"
			 "/" RECORD_FILE) +
		  ID_LEN],
		text[BRIEF_MAX_BYTES];
	ssize_t n;

	if (str_format(path, sizeof(path), "containers/%s/" RECORD_FILE, id) < 0)
		return -EINVAL;
	n = read_start(root_fd, path, text, sizeof(text));
	if (n < 0)
		return n == -ENOENT ? -ENOENT : -EINVAL;
	return brief_read(text, (size_t)n, c) == 0 && str_eq(c->id, id) ? 0 : -EINVAL;
}

int container_brief_read(struct engine *e, const char *id, struct container *c, struct err *err)
{
	int rc = read_brief_at(e->root_fd, id, c);

	c->persistent = rc == 0;
	if (rc == -ENOENT)
		rc = read_brief_at(e->run_fd, id, c);
	if (rc < 0) {
		container_free(c);
		rc = container_record_read(e, id, c, err);
	} else {
		c->brief = true;
		if (!container_state_peek(e, c))
			rc = container_state_read(e, c, err);
	}
	if (rc == 0)
		c->state.health = read_health(e, c);
	return rc;
}
