/* SPDX-License-Identifier: Apache-2.0 */
/* images and history: the store as lists. Read only. */
#include <stdio.h>
#include <time.h>

#include "base/human.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/image_store.h"
#include "cli/list_output.h"

#define SHORT_ID 12
#define CREATED_BY_WIDTH 45
#define NONE "<none>"
#define MISSING "<missing>"

static void add_text(struct json_object *row, const char *key, const struct strbuf *text)
{
	json_add_string(row, key, strbuf_str(text));
}

/* "sha256:..." or its first 12 digits. */
static void add_id(struct json_object *row, const char *id, bool whole)
{
	auto_free char *text = whole ? xstrdup(id)
				     : xstrndup(id + sizeof(DIGEST_PREFIX) - 1, SHORT_ID);

	json_add_string(row, "ID", text);
}

static void free_rows(struct json_object **rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		json_object_put(rows[i]);
	free(rows);
}

/* ---- images ---- */

struct images_options {
	bool all, digests, no_trunc, quiet;
	struct strv filters;
	const char *format;
};
#define FIELD(field) offsetof(struct images_options, field)

static const struct option images_rows[] = {
	{"all", 'a', &option_bool, FIELD(all),
	 "Show all images (default hides intermediate images)", NULL},
	{"digests", 0, &option_bool, FIELD(digests), "Show digests", NULL},
	{"filter", 'f', &option_filter, FIELD(filters),
	 "Filter output based on conditions provided", NULL},
	{"format", 0, &option_text, FIELD(format), LIST_FORMAT_HELP, NULL},
	{"no-trunc", 0, &option_bool, FIELD(no_trunc), "Don't truncate output", NULL},
	{"quiet", 'q', &option_bool, FIELD(quiet), "Only show image IDs", NULL},
	{"tree", 0, &option_later_bool, 0, NULL, NULL},
};
static const struct option_table images_table = {OPTION_ROWS(images_rows)};

const struct list_field list_image_fields[LIST_IMAGE_FIELDS] = {
	{"Containers", "CONTAINERS"},
	{"CreatedAt", "CREATED AT"},
	{"CreatedSince", "CREATED"},
	{"Digest", "DIGEST"},
	{"ID", "IMAGE ID"},
	{"Repository", "REPOSITORY"},
	{"SharedSize", "SHARED SIZE"},
	{"Size", "SIZE"},
	{"Tag", "TAG"},
	{"UniqueSize", "UNIQUE SIZE"},
	{"VirtualSize", "VIRTUAL SIZE"},
};

struct image_rows {
	const struct images_options *options;
	struct json_object **rows;
	size_t count;
};

static void add_row(struct image_rows *r, const struct image_summary *i, const char *repository,
		    const char *tag, const char *digest)
{
	const struct images_options *o = r->options;
	struct json_object *row = json_object_new_object();
	auto_strbuf struct strbuf created = {0}, age = {0};
	char size[HUMAN_MAX], exact[HUMAN_MAX];

	human_size(i->size_bytes, 3, size);
	human_size(i->size_bytes, 4, exact);
	if (list_wants(o->format, "CreatedAt"))
		list_put_time(i->created_ns, &created);
	cli_put_age(i->created_ns, &age);
	json_add_string(row, "Containers", "N/A");
	add_text(row, "CreatedAt", &created);
	add_text(row, "CreatedSince", &age);
	json_add_string(row, "Digest", digest);
	add_id(row, i->id, o->no_trunc);
	json_add_string(row, "Repository", repository);
	json_add_string(row, "SharedSize", "N/A");
	json_add_string(row, "Size", size);
	json_add_string(row, "Tag", tag);
	json_add_string(row, "UniqueSize", "N/A");
	json_add_string(row, "VirtualSize", exact);
	r->rows = xrealloc(r->rows, (r->count + 1) * sizeof(*r->rows));
	r->rows[r->count++] = row;
}

/* The digest by which a repository knows the image, or <none>. */
static const char *digest_in(const struct image_summary *i, const char *repository)
{
	for (size_t n = 0; n < i->digests.count; n++) {
		const char *at = strchr(i->digests.items[n], '@');
		size_t len = (size_t)(at - i->digests.items[n]);

		if (strlen(repository) == len && memcmp(repository, i->digests.items[n], len) == 0)
			return at + 1;
	}
	return NONE;
}

static bool has_tag_in(const struct image_summary *i, const char *repository)
{
	auto_free char *prefix = xasprintf("%s:", repository);

	for (size_t n = 0; n < i->tags.count; n++)
		if (str_starts(i->tags.items[n], prefix) &&
		    !strchr(i->tags.items[n] + strlen(prefix), '/'))
			return true;
	return false;
}

/* A row for each name, one for a repository that knows only the digest, one for no name at all. */
static void add_rows(struct image_rows *r, const struct image_summary *i)
{
	size_t before = r->count;

	for (size_t n = 0; n < i->tags.count; n++) {
		const char *colon = strrchr(i->tags.items[n], ':');
		auto_free char *repository =
			xstrndup(i->tags.items[n], (size_t)(colon - i->tags.items[n]));

		add_row(r, i, repository, colon + 1, digest_in(i, repository));
	}
	for (size_t n = 0; n < i->digests.count; n++) {
		const char *at = strchr(i->digests.items[n], '@');
		auto_free char *repository =
			xstrndup(i->digests.items[n], (size_t)(at - i->digests.items[n]));

		if (!has_tag_in(i, repository))
			add_row(r, i, repository, NONE, at + 1);
	}
	if (r->count == before)
		add_row(r, i, NONE, NONE, NONE);
}

static int print_images(const struct images_options *o, const struct image_summary *list,
			size_t count)
{
	const struct list_layout layout = {
		.fields = list_image_fields,
		.field_count = LIST_IMAGE_FIELDS,
		.table =
			o->digests
				? "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t"
				  "{{.Size}}"
				: "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
		.go_type = "*formatter.imageContext",
	};
	struct image_rows r = {.options = o};
	int code;

	for (size_t i = 0; i < count; i++)
		add_rows(&r, &list[i]);
	code = list_print(&layout, o->quiet ? "{{.ID}}" : o->format, r.rows, r.count);
	free_rows(r.rows, r.count);
	return code;
}

static int list_images(struct cli_context *ctx, const struct images_options *o)
{
	auto_image_store struct image_store store = {.image_fd = -1};
	struct image_summary *list = NULL;
	struct err err = ERR_INIT;
	size_t count = 0;
	int rc = cli_image_store(ctx, &store);

	if (rc)
		return rc;
	rc = image_list(&store, &list, &count, &err);
	if (rc == 0)
		rc = image_filter(&store, &o->filters, list, &count, &err);
	rc = rc < 0 ? cli_fail(&err) : print_images(o, list, count);
	image_list_free(list, count);
	return rc;
}

static int cmd_images(struct cli_context *ctx, int argc, char **argv)
{
	struct images_options o = {.all = false};
	auto_free char *configured = NULL;
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc == CLI_GO_ON) {
		if (args.count)
			strv_add_taken(&o.filters, xasprintf("reference=%s", args.items[0]));
		if (!o.quiet)
			o.format = list_format(o.format, "imagesFormat", &configured);
		rc = list_images(ctx, &o);
	}
	strv_free(&o.filters);
	return rc;
}

const struct command command_images = {
	.paths = {"image ls", "image list", "images"},
	.arguments = "[REPOSITORY[:TAG]]",
	.summary = "List images",
	.run = cmd_images,
	.options = &images_table,
	.max_args = 1,
	.common = true,
};

/* ---- history ---- */

struct history_options {
	bool human, no_trunc, quiet;
	const char *format;
};
#define HISTORY_FIELD(field) offsetof(struct history_options, field)

static const struct option history_rows[] = {
	{"format", 0, &option_text, HISTORY_FIELD(format), LIST_FORMAT_HELP, NULL},
	{"human", 'H', &option_bool, HISTORY_FIELD(human),
	 "Print sizes and dates in human readable format", "true"},
	{"no-trunc", 0, &option_bool, HISTORY_FIELD(no_trunc), "Don't truncate output", NULL},
	{"platform", 0, &option_later, 0, NULL, NULL},
	{"quiet", 'q', &option_bool, HISTORY_FIELD(quiet), "Only show image IDs", NULL},
};
static const struct option_table history_table = {OPTION_ROWS(history_rows)};

static const struct list_field history_fields[] = {
	{"Comment", "COMMENT"},
	{"CreatedAt", "CREATED AT"},
	{"CreatedBy", "CREATED BY"},
	{"CreatedSince", "CREATED"},
	{"ID", "IMAGE"},
	{"Size", "SIZE"},
};

/* RFC 3339 to the second, in the host's time zone. */
static void put_created_at(uint64_t created_ns, struct strbuf *out)
{
	time_t seconds = (time_t)(created_ns / 1000000000u);
	char text[40] = "";
	struct tm tm;

	if (!localtime_r(&seconds, &tm))
		return;
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	strbuf_puts(out, text);
	if (tm.tm_gmtoff == 0)
		strbuf_putc(out, 'Z');
	else
		strbuf_printf(out, "%+03ld:%02ld", tm.tm_gmtoff / 3600,
			      labs(tm.tm_gmtoff) / 60 % 60);
}

static struct json_object *history_row(const struct image_step *s, const char *id,
				       const struct history_options *o)
{
	struct json_object *row = json_object_new_object();
	auto_strbuf struct strbuf at = {0}, by = {0}, age = {0}, plain = {0};
	char size[HUMAN_MAX];

	/* columns are cut at tabs */
	for (const char *p = s->created_by; *p; p++)
		strbuf_putc(&plain, *p == '\t' ? ' ' : *p);
	list_put_cut(strbuf_str(&plain), CREATED_BY_WIDTH, !o->no_trunc, &by);
	put_created_at(s->created_ns, &at);
	cli_put_age(s->created_ns, &age);
	human_size(s->size_bytes, 3, size);
	if (!o->human)
		snprintf(size, sizeof(size), "%llu", (unsigned long long)s->size_bytes);
	json_add_string(row, "Comment", s->comment);
	add_text(row, "CreatedAt", &at);
	add_text(row, "CreatedBy", &by);
	add_text(row, "CreatedSince", o->human ? &age : &at);
	if (id)
		add_id(row, id, o->no_trunc);
	else
		json_add_string(row, "ID", MISSING);
	json_add_string(row, "Size", size);
	return row;
}

static int print_history(const struct history_options *o, const char *id,
			 const struct image_step *steps, size_t count)
{
	const struct list_layout layout = {
		.fields = history_fields,
		.field_count = sizeof(history_fields) / sizeof(history_fields[0]),
		.table =
			o->human
				? "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
				: "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
		.go_type = "*image.historyContext",
	};
	struct json_object **rows = xcalloc(count + 1, sizeof(struct json_object *));
	int code;

	for (size_t i = 0; i < count; i++)
		rows[i] = history_row(&steps[i], i == 0 ? id : NULL, o);
	code = list_print(&layout, o->quiet ? "{{.ID}}" : o->format, rows, count);
	free_rows(rows, count);
	return code;
}

static int cmd_history(struct cli_context *ctx, int argc, char **argv)
{
	auto_image_store struct image_store store = {.image_fd = -1};
	struct history_options o = {.human = true};
	auto_strv struct strv args = {0};
	struct image_step *steps = NULL;
	struct err err = ERR_INIT;
	char id[IMAGE_ID_SIZE];
	size_t count = 0;
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	rc = cli_image_store(ctx, &store);
	if (rc)
		return rc;
	rc = image_history(&store, args.items[0], id, &steps, &count, &err);
	rc = rc < 0 ? cli_fail(&err) : print_history(&o, id, steps, count);
	image_history_free(steps, count);
	return rc;
}

const struct command command_history = {
	.paths = {"image history", "history"},
	.arguments = "IMAGE",
	.summary = "Show the history of an image",
	.run = cmd_history,
	.options = &history_table,
	.min_args = 1,
	.max_args = 1,
};
