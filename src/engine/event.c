/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of the journal, written with one call each. Members stand in the order of Docker's API; the
 * attributes come as they are given and are sorted by who reads them.
 */
#include "engine/event.h"

#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/event_journal.h"
#include "engine/internal.h"
#include "base/json_writer.h"
#include "runtime/plan_build.h"

#define NS_PER_S 1000000000u

/* What stands before the attributes. from: image of a container, or NULL. */
static void begin_line(struct json_writer *w, const char *type, const char *action, const char *id,
		       const char *from)
{
	bool container = str_eq(type, "container");

	json_write_begin(w, NULL, '{');
	/* Docker keeps these old members for these types alone. */
	if (container || str_eq(type, "image")) {
		json_write_string(w, "status", action);
		json_write_string(w, "id", id);
	}
	if (container && from)
		json_write_string(w, "from", from);
	json_write_string(w, "Type", type);
	json_write_string(w, "Action", action);
	json_write_begin(w, "Actor", '{');
	json_write_string(w, "ID", id);
	json_write_begin(w, "Attributes", '{');
}

static void append_line(struct engine *e, struct json_writer *w)
{
	uint64_t now_ns = clock_wall_ns();
	struct iovec line;

	json_write_end(w, '}');
	json_write_end(w, '}');
	json_write_string(w, "scope", "local");
	json_write_u64(w, "time", now_ns / NS_PER_S);
	json_write_u64(w, "timeNano", now_ns);
	json_write_end(w, '}');
	strbuf_putc(w->out, '\n');
	line = (struct iovec){.iov_base = w->out->data, .iov_len = w->out->len};
	/* Nothing that happened is undone because it could not be told. */
	if (event_journal_append(e->run_fd, EVENT_JOURNAL, &e->event_fd, &line, 1) < 0)
		return;
}

static bool is_given(const struct event_attribute *attributes, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++) {
		if (str_eq(attributes[i].key, key))
			return true;
	}
	return false;
}

/* A container's own attributes: labels, then what no label may hide. */
static void write_own_attributes(struct json_writer *w, const struct container *c,
				 const struct event_attribute *given, size_t count)
{
	for (size_t i = 0; i < c->config.labels.count; i++) {
		const char *pair = c->config.labels.items[i];
		const char *equals = strchr(pair, '=');
		auto_free char *key =
			xstrndup(pair, equals ? (size_t)(equals - pair) : strlen(pair));

		if (!is_given(given, count, key) && !str_eq(key, "image") && !str_eq(key, "name"))
			json_write_string(w, key, equals ? equals + 1 : "");
	}
	if (c->config.image)
		json_write_string(w, "image", c->config.image);
	if (c->name)
		json_write_string(w, "name", c->name);
}

void event_emit(struct engine *e, const char *type, const char *action, const char *id,
		const struct event_attribute *attributes, size_t count)
{
	auto_strbuf struct strbuf text = {0};
	struct json_writer w = {.out = &text};

	begin_line(&w, type, action, id, NULL);
	for (size_t i = 0; i < count; i++)
		json_write_string(&w, attributes[i].key, attributes[i].value);
	append_line(e, &w);
}

void event_container_with(struct engine *e, const struct container *c, const char *action,
			  const struct event_attribute *attributes, size_t count)
{
	auto_strbuf struct strbuf text = {0};
	struct json_writer w = {.out = &text};

	begin_line(&w, "container", action, c->id, c->config.image);
	for (size_t i = 0; i < count; i++)
		json_write_string(&w, attributes[i].key, attributes[i].value);
	write_own_attributes(&w, c, attributes, count);
	append_line(e, &w);
}

void event_container(struct engine *e, const struct container *c, const char *action,
		     const char *key, const char *value)
{
	const struct event_attribute one = {key, value};

	event_container_with(e, c, action, &one, key != NULL);
}

void event_kill(struct engine *e, const struct container *c, int signal)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", signal);
	event_container(e, c, "kill", "signal", number);
}

/* Volume names of c, in the order of its mounts: <volumes>/<name>/_data. */
static char *volume_name(const struct container *c, size_t volume)
{
	const char *path = c->volume_paths.items[volume], *end = strrchr(path, '/');
	const char *start = end;

	while (start && start > path && start[-1] != '/')
		start--;
	return start ? xstrndup(start, (size_t)(end - start)) : xstrdup(path);
}

void event_volume_mounts(struct engine *e, const struct container *c)
{
	size_t volume = 0;

	for (size_t i = 0; i < c->config.mount_count && volume < c->volume_paths.count; i++) {
		const struct mount_request *m = &c->config.mounts[i];
		auto_free char *name = NULL;

		if (m->kind != MOUNT_KIND_VOLUME)
			continue;
		name = volume_name(c, volume++);
		event_emit(
			e, "volume", "mount", name,
			(struct event_attribute[]){{"container", c->id},
						   {"destination", m->target},
						   {"driver", "local"},
						   {"propagation", ""},
						   {"read/write", m->read_only ? "false" : "true"}},
			5);
	}
}

void event_network(struct engine *e, const char *action, const char *container_id,
		   const char *network_id, const char *network_name)
{
	event_emit(e, "network", action, network_id,
		   (struct event_attribute[]){
			   {"container", container_id}, {"name", network_name}, {"type", "bridge"}},
		   3);
}

/* Members without the braces. */
static void render_attributes(const struct container *c, struct strbuf *out)
{
	struct json_writer w = {.out = out};

	write_own_attributes(&w, c, NULL, 0);
}

void event_fill_plan(const struct engine *e, const struct container *c,
		     const struct sandbox *sandbox, struct plan *p)
{
	auto_free char *journal = xasprintf("%s/" EVENT_JOURNAL, e->run_root);
	auto_strbuf struct strbuf attributes = {0}, from = {0};
	auto_strv struct strv volumes = {0}, networks = {0};
	struct json_writer w = {.out = &from};

	render_attributes(c, &attributes);
	if (c->config.image)
		json_write_string(&w, NULL, c->config.image);
	for (size_t i = 0; i < c->volume_paths.count; i++)
		strv_add_taken(&volumes, volume_name(c, i));
	for (size_t i = 0; sandbox && i < sandbox->endpoint_count; i++)
		strv_add_taken(&networks, xasprintf("%s %s", sandbox->endpoints[i].network_id,
						    sandbox->endpoints[i].network_name));
	p->monitor.event_journal = plan_add_string(p, journal);
	p->monitor.event_attributes = plan_add_string(p, strbuf_str(&attributes));
	p->monitor.event_from = from.len ? plan_add_string(p, from.data) : 0;
	p->monitor.event_volumes = volumes.count ? plan_add_list(p, &volumes) : 0;
	p->monitor.event_networks = networks.count ? plan_add_list(p, &networks) : 0;
}

void event_refresh_attributes(struct engine *e, const struct container *c)
{
	auto_close int run_dir = container_run_dir(e, c->id);
	auto_strbuf struct strbuf attributes = {0};

	render_attributes(c, &attributes);
	/* What cannot be written leaves the monitor with the old name. */
	if (run_dir >= 0 && file_replace_at(run_dir, EVENT_ATTRIBUTES_FILE, strbuf_str(&attributes),
					    attributes.len, 0600, FILE_VOLATILE) < 0)
		return;
}

void event_refresh_networks(const struct sandbox *sandbox, int run_dir)
{
	auto_strbuf struct strbuf text = {0};

	for (size_t i = 0; i < sandbox->endpoint_count; i++)
		strbuf_printf(&text, "%s %s\n", sandbox->endpoints[i].network_id,
			      sandbox->endpoints[i].network_name);
	/* What cannot be written leaves the monitor with the old ones. */
	if (file_replace_at(run_dir, EVENT_NETWORKS_FILE, strbuf_str(&text), text.len, 0600,
			    FILE_VOLATILE) < 0)
		return;
}
