/* SPDX-License-Identifier: Apache-2.0 */
/* system df: a line for each kind of object, or with -v a table for each. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/human.h"
#include "base/json.h"
#include "base/quote.h"
#include "cli/commands.h"
#include "cli/engine_door.h"
#include "cli/image_store.h"
#include "cli/list_output.h"
#include "engine/summary.h"
#include "engine/usage.h"

#define COMMAND_WIDTH 20
#define MOUNT_WIDTH 15
#define NONE "<none>"

struct df_options {
	bool verbose;
	const char *format;
};
#define FIELD(field) offsetof(struct df_options, field)

static const struct option rows[] = {
	{"format", 0, &option_text, FIELD(format), LIST_FORMAT_HELP, NULL},
	{"verbose", 'v', &option_bool, FIELD(verbose), "Show detailed information on space usage",
	 NULL},
};
static const struct option_table table = {OPTION_ROWS(rows)};

/* Rows of one table. */
struct row_list {
	struct json_object **items;
	size_t count;
};

static struct json_object *add_row(struct row_list *list)
{
	list->items = xrealloc(list->items, (list->count + 1) * sizeof(struct json_object *));
	return list->items[list->count++] = json_object_new_object();
}

static void free_rows(struct row_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		json_object_put(list->items[i]);
	free(list->items);
}
#define auto_rows __attribute__((cleanup(free_rows)))

static void add_size(struct json_object *row, const char *key, uint64_t bytes, int digits)
{
	char text[HUMAN_MAX];

	human_size(bytes, digits, text);
	json_add_string(row, key, text);
}

static void add_count(struct json_object *row, const char *key, size_t count)
{
	auto_free char *text = xasprintf("%zu", count);

	json_add_string(row, key, text);
}

/* ---- the summary ---- */

static const struct list_field total_fields[] = {
	{"Active", "ACTIVE"}, {"Reclaimable", "RECLAIMABLE"},
	{"Size", "SIZE"},     {"TotalCount", "TOTAL"},
	{"Type", "TYPE"},
};

static const struct list_layout total_layout = {
	.fields = total_fields,
	.field_count = sizeof(total_fields) / sizeof(total_fields[0]),
	.table = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
	.go_type = "*formatter.diskUsageImagesContext",
};

static void add_total(struct row_list *list, const char *type, const struct usage_total *t)
{
	struct json_object *row = add_row(list);
	char size[HUMAN_MAX];
	auto_free char *reclaimable = NULL;

	human_size(t->reclaimable_bytes, 4, size);
	reclaimable =
		t->bytes ? xasprintf("%s (%llu%%)", size,
				     (unsigned long long)(t->reclaimable_bytes * 100 / t->bytes))
			 : xstrdup(size);
	add_count(row, "Active", t->active);
	json_add_string(row, "Reclaimable", reclaimable);
	add_size(row, "Size", t->bytes, 4);
	add_count(row, "TotalCount", t->total);
	json_add_string(row, "Type", type);
}

static int print_totals(const struct engine_usage *u, const char *format)
{
	const struct usage_total images = usage_of_images(u), containers = usage_of_containers(u),
				 volumes = usage_of_volumes(u), cache = {.total = 0};
	auto_rows struct row_list list = {0};

	add_total(&list, "Images", &images);
	add_total(&list, "Containers", &containers);
	add_total(&list, "Local Volumes", &volumes);
	add_total(&list, "Build Cache", &cache);
	return list_print(&total_layout, format, list.items, list.count);
}

/* ---- images ---- */

static const struct list_layout image_layout = {
	.fields = list_image_fields,
	.field_count = LIST_IMAGE_FIELDS,
	.table = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t"
		 "{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}",
	.go_type = "*formatter.imageContext",
};

static void add_image_row(struct row_list *list, const struct image_usage *i, const char *name,
			  bool cut)
{
	struct json_object *row = add_row(list);
	const char *colon = name ? strrchr(name, ':') : NULL;
	auto_free char *repository = colon ? xstrndup(name, (size_t)(colon - name)) : xstrdup(NONE);
	auto_free char *id = cut ? xstrndup(i->image.id + sizeof(DIGEST_PREFIX) - 1, ID_SHORT_LEN)
				 : xstrdup(i->image.id);
	auto_strbuf struct strbuf age = {0}, created = {0};

	cli_put_age(i->image.created_ns, &age);
	list_put_time(i->image.created_ns, &created);
	add_count(row, "Containers", i->containers);
	json_add_string(row, "CreatedAt", strbuf_str(&created));
	json_add_string(row, "CreatedSince", strbuf_str(&age));
	json_add_string(row, "Digest", "");
	json_add_string(row, "ID", id);
	json_add_string(row, "Repository", repository);
	add_size(row, "SharedSize", i->shared_bytes, 4);
	add_size(row, "Size", i->image.size_bytes, 3);
	json_add_string(row, "Tag", colon ? colon + 1 : NONE);
	add_size(row, "UniqueSize", i->image.size_bytes - i->shared_bytes, 4);
	add_size(row, "VirtualSize", i->image.size_bytes, 4);
}

static void add_images(struct row_list *list, const struct engine_usage *u, bool cut)
{
	for (size_t i = 0; i < u->image_count; i++) {
		const struct image_usage *image = &u->images[i];

		for (size_t n = 0; n < image->image.tags.count; n++)
			add_image_row(list, image, image->image.tags.items[n], cut);
		if (!image->image.tags.count)
			add_image_row(list, image, NULL, cut);
	}
}

/* ---- containers ---- */

static const struct list_field container_fields[] = {
	{"Command", "COMMAND"}, {"CreatedAt", "CREATED AT"}, {"ID", "CONTAINER ID"},
	{"Image", "IMAGE"},     {"Labels", "LABELS"},        {"LocalVolumes", "LOCAL VOLUMES"},
	{"Mounts", "MOUNTS"},   {"Names", "NAMES"},          {"Networks", "NETWORKS"},
	{"Ports", "PORTS"},     {"RunningFor", "CREATED"},   {"Size", "SIZE"},
	{"State", "STATE"},     {"Status", "STATUS"},
};

static const struct list_layout container_layout = {
	.fields = container_fields,
	.field_count = sizeof(container_fields) / sizeof(container_fields[0]),
	.table = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t"
		 "{{.RunningFor}}\t{{.Status}}\t{{.Names}}",
	.go_type = "*formatter.ContainerContext",
};

static void add_command(struct json_object *row, const struct container *c, bool cut)
{
	auto_strbuf struct strbuf command = {0}, shown = {0}, quoted = {0};

	container_command_line(c, &command);
	list_put_cut(strbuf_str(&command), COMMAND_WIDTH, cut, &shown);
	quote_go(&quoted, strbuf_str(&shown), shown.len);
	json_add_string(row, "Command", strbuf_str(&quoted));
}

static void add_mounts(struct json_object *row, const struct container *c, bool cut)
{
	auto_strbuf struct strbuf names = {0};
	size_t volumes = 0;

	for (size_t i = 0; i < c->config.mount_count; i++) {
		auto_free char *name = container_mount_name(c, i);

		if (c->config.mounts[i].kind == MOUNT_KIND_TMPFS)
			continue;
		volumes += c->config.mounts[i].kind == MOUNT_KIND_VOLUME;
		if (names.len)
			strbuf_putc(&names, ',');
		list_put_cut(name, MOUNT_WIDTH, cut, &names);
	}
	add_count(row, "LocalVolumes", volumes);
	json_add_string(row, "Mounts", strbuf_str(&names));
}

static void add_container(struct row_list *list, const struct container_usage *usage, bool cut)
{
	const struct container *c = usage->container;
	struct json_object *row = add_row(list);
	auto_strbuf struct strbuf created = {0}, age = {0}, status = {0}, labels = {0},
				  networks = {0};
	auto_free char *id = xstrndup(c->id, cut ? ID_SHORT_LEN : ID_LEN);

	list_put_time(c->created_ns, &created);
	cli_put_age(c->created_ns, &age);
	container_status_line(c, clock_wall_ns(), &status);
	list_put_labels(&c->config.labels, &labels);
	add_command(row, c, cut);
	json_add_string(row, "CreatedAt", strbuf_str(&created));
	json_add_string(row, "ID", id);
	json_add_string(row, "Image",
			c->config.image    ? c->config.image
			: c->config.rootfs ? c->config.rootfs
					   : "");
	json_add_string(row, "Labels", strbuf_str(&labels));
	add_mounts(row, c, cut);
	json_add_string(row, "Names", c->name);
	container_networks(c, &networks);
	json_add_string(row, "Networks", strbuf_str(&networks));
	json_add_string(row, "Ports", "");
	json_add_string(row, "RunningFor", strbuf_str(&age));
	add_size(row, "Size", usage->size.rw_bytes, 3);
	json_add_string(row, "State", container_status_text(c->state.status));
	json_add_string(row, "Status", strbuf_str(&status));
}

/* ---- volumes ---- */

static const struct list_layout volume_layout = {
	.fields = list_volume_fields,
	.field_count = LIST_VOLUME_FIELDS,
	.table = "{{.Name}}\t{{.Links}}\t{{.Size}}",
	.go_type = "*formatter.volumeContext",
};

static void add_volume(struct row_list *list, const struct volume_usage *usage)
{
	struct json_object *row = add_row(list);
	auto_strbuf struct strbuf labels = {0};

	list_put_labels(&usage->volume.labels, &labels);
	json_add_string(row, "Availability", "N/A");
	json_add_string(row, "Driver", "local");
	json_add_string(row, "Group", "N/A");
	json_add_string(row, "Labels", strbuf_str(&labels));
	add_count(row, "Links", usage->users);
	json_add_string(row, "Mountpoint", usage->volume.mountpoint);
	json_add_string(row, "Name", usage->volume.name);
	json_add_string(row, "Scope", "local");
	add_size(row, "Size", usage->bytes, 4);
	json_add_string(row, "Status", "N/A");
}

/* ---- all of them ---- */

struct details {
	struct row_list images, containers, volumes;
};

static void fill_details(struct details *d, const struct engine_usage *u, bool cut)
{
	add_images(&d->images, u, cut);
	for (size_t i = 0; i < u->container_count; i++)
		add_container(&d->containers, &u->containers[i], cut);
	for (size_t i = 0; i < u->volume_count; i++)
		add_volume(&d->volumes, &u->volumes[i]);
}

static void free_details(struct details *d)
{
	free_rows(&d->images);
	free_rows(&d->containers);
	free_rows(&d->volumes);
}
#define auto_details __attribute__((cleanup(free_details)))

static int print_tables(const struct details *d)
{
	const struct {
		const char *title;
		const struct list_layout *layout;
		const struct row_list *rows;
	} parts[] = {
		{"Images space usage:\n\n", &image_layout, &d->images},
		{"\nContainers space usage:\n\n", &container_layout, &d->containers},
		{"\nLocal Volumes space usage:\n\n", &volume_layout, &d->volumes},
	};
	auto_strbuf struct strbuf out = {0};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		int rc;

		strbuf_puts(&out, parts[i].title);
		rc = cli_print(&out);
		if (rc == 0)
			rc = list_print(parts[i].layout, NULL, parts[i].rows->items,
					parts[i].rows->count);
		if (rc)
			return rc;
	}
	strbuf_puts(&out,
		    "\nBuild cache usage: 0B\n\n"
		    "CACHE ID   CACHE TYPE   SIZE      CREATED   LAST USED   USAGE     SHARED\n");
	return cli_print(&out);
}

static void add_array(struct json_object *o, const char *key, const struct row_list *list)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < list->count; i++)
		json_object_array_add(array, json_object_get(list->items[i]));
	json_object_object_add(o, key, array);
}

static int print_details(const struct engine_usage *u, const char *format)
{
	auto_details struct details d = {.images = {0}};
	auto_json struct json_object *o = NULL;
	bool plain = !format || !*format || str_eq(format, "table");
	const struct row_list nothing = {0};

	fill_details(&d, u, plain);
	if (plain)
		return print_tables(&d);
	o = json_object_new_object();
	add_array(o, "Images", &d.images);
	add_array(o, "Containers", &d.containers);
	add_array(o, "Volumes", &d.volumes);
	add_array(o, "BuildCache", &nothing);
	return list_print_object(
		format, o, &(struct template_model){.root_type = "*formatter.diskUsageContext"});
}

static int cmd_df(struct cli_context *ctx, int argc, char **argv)
{
	struct df_options o = {.verbose = false};
	auto_usage struct engine_usage u = {.images = NULL};
	auto_strv struct strv args = {0};
	struct err err = ERR_INIT;
	struct engine *e;
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	if (cli_engine(ctx, &e, &err) < 0 || engine_usage(e, &u, &err) < 0)
		return cli_fail(&err);
	return o.verbose ? print_details(&u, o.format) : print_totals(&u, o.format);
}

const struct command command_system_df = {
	.paths = {"system df"},
	.summary = "Show disk usage",
	.run = cmd_df,
	.options = &table,
};
