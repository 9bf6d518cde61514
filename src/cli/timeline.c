/* SPDX-License-Identifier: Apache-2.0 */
/* `cloche timeline CONTAINER`: the start bill that every start leaves behind. Reads only. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/output_file.h"
#include "engine/engine.h"
#include "observe/timeline/timeline.h"
#include "observe/timeline/timeline_svg.h"

#define TIMELINE_FILE_MAX (1 << 20)
#define FIELD(field) offsetof(struct timeline_options, field)

struct timeline_options {
	bool json, floor;
	const char *svg; /* a path, or NULL */
};

static const struct option rows[] = {
	{"floor", 0, &option_bool, FIELD(floor),
	 "Measure the same kernel work bare and show it beside the bill", NULL},
	{"json", 0, &option_bool, FIELD(json), "Print JSON", NULL},
	{"svg", 0, &option_text, FIELD(svg), "Draw the bill into a file (\"-\": standard output)",
	 NULL},
};
static const struct option_table options = {OPTION_ROWS(rows)};

/* Decodes one file; -ENOENT when there is none, *out empty then. */
static int read_file(int root_fd, const char *path, struct timeline_stamps *out, struct err *err)
{
	auto_json struct json_object *o = NULL;
	int rc = json_read_at(root_fd, path, TIMELINE_FILE_MAX, &o, err);

	return rc < 0 ? rc : timeline_stamps_decode(o, path, out, err);
}

/* The run root's bill was written while the container ran, the record's when it had ended: the one
 * of the later start, and of the same start the record's. */
static int read_stamps(const struct engine *e, const struct container *c,
		       struct timeline_stamps *out, struct err *err)
{
	auto_free char *path = xasprintf("containers/%s/timeline.json", c->id);
	struct timeline_stamps running = {0};
	int rc = read_file(e->root_fd, path, out, err);
	bool recorded = rc == 0;

	if (rc < 0 && rc != -ENOENT)
		return rc;
	rc = read_file(e->run_fd, path, &running, err);
	if (rc == 0 &&
	    (!recorded || running.point_ns[POINT_CLI_MAIN] > out->point_ns[POINT_CLI_MAIN])) {
		timeline_stamps_free(out);
		*out = running;
		return 0;
	}
	timeline_stamps_free(&running);
	if (recorded)
		return 0;
	if (rc == -ENOENT)
		return err_set(err, ERR_NOT_FOUND, 0, "no start of %s was recorded yet", c->name);
	return rc;
}

static int measure_floor(const struct engine *e, const struct container *c,
			 struct floor_bill *floor, struct err *err)
{
	auto_free char *layers = xasprintf("%s/overlay2", e->root);

	return floor_bill_measure(layers, c->lower ? c->lower : c->config.rootfs, e->root,
				  FLOOR_RUNS_DEFAULT, floor, err);
}

/* The table goes on to the terminal, unless that is where the picture goes. */
static int draw(const char *path, const struct timeline *bill, const char *title,
		const struct floor_bill *floor, struct err *err)
{
	auto_strbuf struct strbuf picture = {0};

	timeline_svg(bill, title, floor, &picture);
	return output_file_write(path, picture.data, picture.len, err);
}

static int show(const struct timeline_options *o, const struct engine *e, const struct container *c,
		struct strbuf *out, struct err *err)
{
	auto_stamps struct timeline_stamps stamps = {0};
	auto_timeline struct timeline bill = {0};
	auto_free char *title = xasprintf("%s (%.12s)", c->name, c->id);
	struct floor_bill floor;
	int rc = read_stamps(e, c, &stamps, err);

	if (rc == 0)
		rc = timeline_compute(&stamps, &bill, err);
	if (rc == 0 && o->floor)
		rc = measure_floor(e, c, &floor, err);
	if (rc == 0 && o->svg)
		rc = draw(o->svg, &bill, title, o->floor ? &floor : NULL, err);
	if (rc < 0 || (o->svg && str_eq(o->svg, "-")))
		return rc;
	if (o->json) {
		auto_json struct json_object *json =
			timeline_json(&bill, c->id, o->floor ? &floor : NULL);
		auto_free char *text = json_text_indented(json);

		strbuf_printf(out, "%s\n", text);
	} else {
		timeline_text(&bill, title, o->floor ? &floor : NULL, out);
	}
	return 0;
}

static int cmd_timeline(struct cli_context *ctx, int argc, char **argv)
{
	auto_container struct container c;
	auto_strbuf struct strbuf out = {0};
	auto_strv struct strv args = {0};
	struct timeline_options o = {.json = false};
	struct err err = ERR_INIT;
	struct engine *engine;
	int rc;

	container_init(&c);
	rc = cli_parse(ctx, &o, argc, argv, &args);
	if (rc != CLI_GO_ON)
		return rc;
	rc = cli_engine(ctx, &engine, &err);
	if (rc == 0)
		rc = container_find(engine, args.items[0], &c, &err);
	if (rc == 0)
		rc = show(&o, engine, &c, &out, &err);
	return rc < 0 ? cli_fail(&err) : cli_print(&out);
}

const struct command command_timeline = {
	.paths = {"timeline", "container timeline"},
	.arguments = "CONTAINER",
	.summary = "Show where the time of a container's start went",
	.run = cmd_timeline,
	.options = &options,
	.min_args = 1,
	.max_args = 1,
};
