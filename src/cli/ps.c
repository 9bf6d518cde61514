/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ps: the containers of this engine as a list. Reads only, and of a container no more than the format
 * shows: a thousand of them must be listed within 50 ms.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/human.h"
#include "base/json.h"
#include "base/quote.h"
#include "cli/commands.h"
#include "cli/engine_door.h"
#include "cli/list_output.h"
#include "engine/network.h"
#include "engine/ports.h"
#include "engine/size.h"
#include "engine/summary.h"

#define COMMAND_WIDTH 20
#define MOUNT_WIDTH 15

struct ps_options {
	bool all, no_trunc, quiet, latest, size;
	int64_t last;
	struct strv filters;
	const char *format;
};
#define FIELD(field) offsetof(struct ps_options, field)

static const struct option rows[] = {
	{"all", 'a', &option_bool, FIELD(all), "Show all containers (default shows just running)",
	 NULL},
	{"filter", 'f', &option_filter, FIELD(filters),
	 "Filter output based on conditions provided", NULL},
	{"format", 0, &option_text, FIELD(format), LIST_FORMAT_HELP, NULL},
	{"last", 'n', &option_int, FIELD(last),
	 "Show n last created containers (includes all states)", "-1"},
	{"latest", 'l', &option_bool, FIELD(latest),
	 "Show the latest created container (includes all states)", NULL},
	{"no-trunc", 0, &option_bool, FIELD(no_trunc), "Don't truncate output", NULL},
	{"quiet", 'q', &option_bool, FIELD(quiet), "Only display container IDs", NULL},
	{"size", 's', &option_bool, FIELD(size), "Display total file sizes", NULL},
};
static const struct option_table table = {OPTION_ROWS(rows)};

#define TABLE \
	"{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"

/* One container on its way to a row. */
struct entry {
	const struct engine *engine;
	const struct container *c;
	const struct ps_options *o;
	uint64_t now_ns;
	struct container_size size; /* with o->size */
};

static void put_id(const struct entry *e, struct strbuf *out)
{
	strbuf_add(out, e->c->id, e->o->no_trunc ? ID_LEN : ID_SHORT_LEN);
}

static void put_image(const struct entry *e, struct strbuf *out)
{
	const struct container_config *config = &e->c->config;

	strbuf_puts(out, config->image ? config->image : config->rootfs ? config->rootfs : "");
}

static void put_command(const struct entry *e, struct strbuf *out)
{
	auto_strbuf struct strbuf command = {0}, shown = {0};

	container_command_line(e->c, &command);
	list_put_cut(strbuf_str(&command), COMMAND_WIDTH, !e->o->no_trunc, &shown);
	quote_go(out, strbuf_str(&shown), shown.len);
}

static void put_created_at(const struct entry *e, struct strbuf *out)
{
	list_put_time(e->c->created_ns, out);
}

static void put_running_for(const struct entry *e, struct strbuf *out)
{
	char age[HUMAN_MAX];

	human_duration(e->now_ns > e->c->created_ns ? e->now_ns - e->c->created_ns : 0, age);
	strbuf_puts(out, age);
	strbuf_puts(out, " ago");
}

static void put_status(const struct entry *e, struct strbuf *out)
{
	container_status_line(e->c, e->now_ns, out);
}

static void put_state(const struct entry *e, struct strbuf *out)
{
	strbuf_puts(out, container_status_text(e->c->state.status));
}

static void put_names(const struct entry *e, struct strbuf *out)
{
	strbuf_puts(out, e->c->name ? e->c->name : "");
}

static void put_labels(const struct entry *e, struct strbuf *out)
{
	list_put_labels(&e->c->config.labels, out);
}

static void put_mounts(const struct entry *e, struct strbuf *out)
{
	bool first = true;

	for (size_t i = 0; i < e->c->config.mount_count; i++) {
		auto_free char *name = NULL;

		if (e->c->config.mounts[i].kind == MOUNT_KIND_TMPFS)
			continue;
		name = container_mount_name(e->c, i);
		if (!first)
			strbuf_putc(out, ',');
		first = false;
		list_put_cut(name, MOUNT_WIDTH, !e->o->no_trunc, out);
	}
}

static void put_local_volumes(const struct entry *e, struct strbuf *out)
{
	size_t volumes = 0;

	for (size_t i = 0; i < e->c->config.mount_count; i++)
		volumes += e->c->config.mounts[i].kind == MOUNT_KIND_VOLUME;
	strbuf_printf(out, "%zu", volumes);
}

static void put_networks(const struct entry *e, struct strbuf *out)
{
	container_networks(e->c, out);
}

/* Of one that does not run there are none. */
static void put_ports(const struct entry *e, struct strbuf *out)
{
	const struct container_config *config = &e->c->config;
	auto_free struct shown_port *ports = NULL;
	auto_sandbox struct sandbox sandbox;
	size_t count = 0;

	sandbox_init(&sandbox);
	if (!config->endpoint_count || (!config->publish.count && !config->exposed_ports.count))
		return;
	if (container_sandbox(e->engine, e->c, &sandbox)) {
		container_shown_ports(config, &sandbox, &ports, &count);
		ports_format(ports, count, out);
	}
}

static void put_size(const struct entry *e, struct strbuf *out)
{
	char size[HUMAN_MAX];

	human_size(e->size.rw_bytes, 3, size);
	strbuf_puts(out, size);
	if (!e->size.rootfs_bytes)
		return;
	human_size(e->size.rootfs_bytes, 3, size);
	strbuf_printf(out, " (virtual %s)", size);
}

/* In the order of their names, as JSON has them. */
static const struct ps_field {
	const char *name, *header;
	void (*put)(const struct entry *e, struct strbuf *out);
} ps_fields[] = {
	{"Command", "COMMAND", put_command},
	{"CreatedAt", "CREATED AT", put_created_at},
	{"ID", "CONTAINER ID", put_id},
	{"Image", "IMAGE", put_image},
	{"Labels", "LABELS", put_labels},
	{"LocalVolumes", "LOCAL VOLUMES", put_local_volumes},
	{"Mounts", "MOUNTS", put_mounts},
	{"Names", "NAMES", put_names},
	{"Networks", "NETWORKS", put_networks},
	{"Platform", "PLATFORM", NULL}, /* as from a daemon of API 1.41: null */
	{"Ports", "PORTS", put_ports},
	{"RunningFor", "CREATED", put_running_for},
	{"Size", "SIZE", put_size},
	{"State", "STATE", put_state},
	{"Status", "STATUS", put_status},
};
#define FIELD_COUNT (sizeof(ps_fields) / sizeof(ps_fields[0]))

/* Every field stands in a row, those that the format does not use empty. */
static struct json_object *make_row(const struct entry *e, const bool wanted[FIELD_COUNT])
{
	struct json_object *row = json_object_new_object();
	auto_strbuf struct strbuf text = {0};

	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if (!wanted[i])
			continue;
		if (!ps_fields[i].put) {
			json_object_object_add(row, ps_fields[i].name, NULL);
			continue;
		}
		text.len = 0;
		ps_fields[i].put(e, &text);
		json_object_object_add_ex(
			row, ps_fields[i].name,
			json_object_new_string_len(text.len ? text.data : "", (int)text.len),
			JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_ADD_CONSTANT_KEY);
	}
	return row;
}

/* "json", and templates that look at the whole row, want everything. */
static void choose_fields(const char *template, bool wanted[FIELD_COUNT])
{
	bool all = strstr(template, "json") || strstr(template, "{{.}}") || strchr(template, '$') ||
		   strstr(template, "with") || strstr(template, "range") ||
		   strstr(template, "template") || strstr(template, "print");

	for (size_t i = 0; i < FIELD_COUNT; i++)
		wanted[i] = all || strstr(template, ps_fields[i].name);
	/* .Label reads them. */
	for (size_t i = 0; i < FIELD_COUNT; i++)
		wanted[i] = wanted[i] ||
			    (str_eq(ps_fields[i].name, "Labels") && strstr(template, "Label"));
}

/* Docker tries the template, on which a whole row but for "json" touches its size. */
static bool shows_size(const char *format)
{
	return format && (strstr(format, ".Size") || strstr(format, "json .}}") ||
			  strstr(format, "json . }}"));
}

static int measure(struct engine *engine, struct entry *entries, size_t count)
{
	int code = 0;

	for (size_t i = 0; i < count; i++) {
		struct err err = ERR_INIT;

		if (container_size(engine, entries[i].c, &entries[i].size, &err) < 0)
			code = cli_fail(&err);
	}
	return code;
}

static int print_list(struct engine *engine, const struct ps_options *o,
		      const struct container *list, size_t count)
{
	struct list_field fields[FIELD_COUNT];
	const struct list_layout layout = {
		.fields = fields,
		.field_count = FIELD_COUNT,
		.table = o->size ? TABLE "\t{{.Size}}" : TABLE,
		.go_type = "*formatter.ContainerContext",
		.tried = true,
		.method = list_label_method,
	};
	const char *format = o->quiet ? "{{.ID}}" : o->format;
	auto_free struct entry *entries = xcalloc(count + 1, sizeof(*entries));
	struct json_object **lines = xcalloc(count + 1, sizeof(struct json_object *));
	bool wanted[FIELD_COUNT], plain = !format || !*format || str_eq(format, "table");
	uint64_t now_ns = clock_wall_ns();
	int code = 0, printed;

	choose_fields(plain ? layout.table : format, wanted);
	for (size_t i = 0; i < FIELD_COUNT; i++)
		fields[i] = (struct list_field){ps_fields[i].name, ps_fields[i].header};
	for (size_t i = 0; i < count; i++)
		entries[i] =
			(struct entry){.engine = engine, .c = &list[i], .o = o, .now_ns = now_ns};
	if (o->size || shows_size(format))
		code = measure(engine, entries, count);
	for (size_t i = 0; i < count; i++)
		lines[i] = make_row(&entries[i], wanted);
	printed = list_print(&layout, format, lines, count);
	for (size_t i = 0; i < count; i++)
		json_object_put(lines[i]);
	free(lines);
	return printed ? printed : code;
}

static int list_containers(struct engine *e, const struct ps_options *o)
{
	struct container *list = NULL;
	struct err err = ERR_INIT;
	size_t count = 0, shown;
	int64_t last = o->latest && o->last == -1 ? 1 : o->last;
	int code, rc = container_list_brief(e, &list, &count, &err);

	if (rc == 0)
		rc = container_filter(e, &o->filters, o->all || last > 0, list, &count, &err);
	if (rc < 0) {
		container_list_free(list, count);
		return cli_fail(&err);
	}
	shown = last > 0 && (uint64_t)last < count ? (size_t)last : count;
	code = print_list(e, o, list, shown);
	container_list_free(list, count);
	return code;
}

static int cmd_ps(struct cli_context *ctx, int argc, char **argv)
{
	struct ps_options o = {.last = -1};
	auto_free char *configured = NULL;
	auto_strv struct strv args = {0};
	struct err err = ERR_INIT;
	struct engine *e;
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc == CLI_GO_ON && o.quiet && o.format && *o.format)
		cli_note("WARNING: Ignoring custom format, because both --format and --quiet are "
			 "set.");
	if (rc == CLI_GO_ON && !o.quiet)
		o.format = list_format(o.format, "psFormat", &configured);
	if (rc == CLI_GO_ON)
		rc = cli_engine(ctx, &e, &err) < 0 ? cli_fail(&err) : list_containers(e, &o);
	strv_free(&o.filters);
	return rc;
}

const struct command command_ps = {
	.paths = {"container ls", "container list", "container ps", "ps"},
	.summary = "List containers",
	.run = cmd_ps,
	.options = &table,
	.common = true,
};
