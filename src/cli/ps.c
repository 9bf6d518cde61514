/* SPDX-License-Identifier: Apache-2.0 */
/* ps: the containers of this engine as a list. Reads only. */
#include "base/clock.h"
#include "base/human.h"
#include "base/json.h"
#include "base/quote.h"
#include "cli/commands.h"
#include "cli/engine_door.h"
#include "cli/list_output.h"
#include "engine/summary.h"

#define COMMAND_WIDTH 20
#define MOUNT_WIDTH 15

struct ps_options {
	bool all, no_trunc, quiet, latest;
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
	{"size", 's', &option_later_bool, 0, NULL, NULL},
};
static const struct option_table table = {OPTION_ROWS(rows)};

static const struct list_field fields[] = {
	{"Command", "COMMAND"}, {"CreatedAt", "CREATED AT"}, {"ID", "CONTAINER ID"},
	{"Image", "IMAGE"},     {"Labels", "LABELS"},        {"LocalVolumes", "LOCAL VOLUMES"},
	{"Mounts", "MOUNTS"},   {"Names", "NAMES"},          {"Networks", "NETWORKS"},
	{"Ports", "PORTS"},     {"RunningFor", "CREATED"},   {"Size", "SIZE"},
	{"State", "STATE"},     {"Status", "STATUS"},
};

static int label_method(struct json_object *row, const char *name, const char *argument,
			struct json_object **result)
{
	auto_free char *labels = NULL, *key = NULL;
	const char *text = json_object_get_string(json_object_object_get(row, "Labels"));
	char *rest, *pair;

	if (!argument || !str_eq(name, "Label"))
		return 0;
	labels = xstrdup(text ? text : "");
	key = xasprintf("%s=", argument);
	rest = labels;
	while ((pair = strsep(&rest, ",")) != NULL) {
		if (str_starts(pair, key)) {
			*result = json_object_new_string(pair + strlen(key));
			return 1;
		}
	}
	*result = json_object_new_string("");
	return 1;
}

static const struct list_layout layout = {
	.fields = fields,
	.field_count = sizeof(fields) / sizeof(fields[0]),
	.table =
		"{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}",
	.go_type = "*formatter.ContainerContext",
	.method = label_method,
};

static void add_command(struct json_object *row, const struct container *c, bool cut)
{
	auto_strbuf struct strbuf command = {0}, shown = {0}, quoted = {0};

	container_command_line(c, &command);
	list_put_cut(strbuf_str(&command), COMMAND_WIDTH, cut, &shown);
	quote_go(&quoted, strbuf_str(&shown), shown.len);
	json_add_string(row, "Command", strbuf_str(&quoted));
}

static void add_created_at(struct json_object *row, const struct container *c, const char *format)
{
	auto_strbuf struct strbuf text = {0};

	/* Reads the time zone from the host: only when it is asked for. */
	if (list_wants(format, "CreatedAt"))
		list_put_time(c->created_ns, &text);
	json_add_string(row, "CreatedAt", strbuf_str(&text));
}

static void add_joined(struct json_object *row, const char *key, const struct strv *items)
{
	auto_strbuf struct strbuf text = {0};

	for (size_t i = 0; i < items->count; i++)
		strbuf_printf(&text, "%s%s", i ? "," : "", items->items[i]);
	json_add_string(row, key, strbuf_str(&text));
}

static void add_mounts(struct json_object *row, const struct container *c, bool cut)
{
	auto_strv struct strv names = {0};
	size_t volumes = 0;
	char count[24];

	for (size_t i = 0; i < c->config.mount_count; i++) {
		const struct mount_request *m = &c->config.mounts[i];
		auto_strbuf struct strbuf name = {0};

		if (m->kind == MOUNT_KIND_TMPFS)
			continue;
		volumes += m->kind == MOUNT_KIND_VOLUME;
		list_put_cut(m->source ? m->source : "", MOUNT_WIDTH, cut, &name);
		strv_add_taken(&names, strbuf_take(&name));
	}
	snprintf(count, sizeof(count), "%zu", volumes);
	json_add_string(row, "LocalVolumes", count);
	add_joined(row, "Mounts", &names);
}

static struct json_object *make_row(const struct container *c, const struct ps_options *o,
				    uint64_t now_ns)
{
	struct json_object *row = json_object_new_object();
	auto_strbuf struct strbuf status = {0};
	auto_free char *id = xstrndup(c->id, o->no_trunc ? ID_LEN : ID_SHORT_LEN);
	char age[HUMAN_MAX];
	auto_free char *created = NULL;

	container_status_line(c, now_ns, &status);
	human_duration(now_ns > c->created_ns ? now_ns - c->created_ns : 0, age);
	created = xasprintf("%s ago", age);
	add_command(row, c, !o->no_trunc);
	add_created_at(row, c, o->format);
	json_add_string(row, "ID", id);
	json_add_string(row, "Image",
			c->config.image    ? c->config.image
			: c->config.rootfs ? c->config.rootfs
					   : "");
	add_joined(row, "Labels", &c->config.labels);
	add_mounts(row, c, !o->no_trunc);
	json_add_string(row, "Names", c->name ? c->name : "");
	json_add_string(row, "Networks", c->config.network_mode ? c->config.network_mode : "");
	json_add_string(row, "Ports", "");
	json_add_string(row, "RunningFor", created);
	json_add_string(row, "Size", "0B");
	json_add_string(row, "State", container_status_text(c->state.status));
	json_add_string(row, "Status", strbuf_str(&status));
	return row;
}

static int print_list(const struct ps_options *o, const struct container *list, size_t count)
{
	struct json_object **all = xcalloc(count, sizeof(struct json_object *));
	const char *format = o->format;
	uint64_t now_ns = clock_wall_ns();
	int code;

	for (size_t i = 0; i < count; i++)
		all[i] = make_row(&list[i], o, now_ns);
	if (o->quiet && format && *format)
		cli_note(
			"WARNING: Ignoring custom format, because both --format and --quiet are set.");
	code = list_print(&layout, o->quiet ? "{{.ID}}" : format, all, count);
	for (size_t i = 0; i < count; i++)
		json_object_put(all[i]);
	free(all);
	return code;
}

static int list_containers(struct engine *e, const struct ps_options *o)
{
	struct container *list = NULL;
	struct err err = ERR_INIT;
	size_t count = 0, shown;
	int64_t last = o->latest ? 1 : o->last;
	int code, rc = container_list(e, &list, &count, &err);

	if (rc == 0)
		rc = container_filter(e, &o->filters, o->all || last > 0, list, &count, &err);
	if (rc < 0) {
		container_list_free(list, count);
		return cli_fail(&err);
	}
	shown = last > 0 && (uint64_t)last < count ? (size_t)last : count;
	code = print_list(o, list, shown);
	container_list_free(list, count);
	return code;
}

static int cmd_ps(struct cli_context *ctx, int argc, char **argv)
{
	struct ps_options o = {.last = -1};
	auto_strv struct strv args = {0};
	struct err err = ERR_INIT;
	struct engine *e;
	int rc = cli_parse(ctx, &o, argc, argv, &args);

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
