/* SPDX-License-Identifier: Apache-2.0 */
/* container, image, network, volume and system prune: ask, remove, say what went and how much room it had. */
#include "engine/prune.h"

#include <unistd.h>

#include "base/human.h"
#include "cli/commands.h"
#include "cli/engine_door.h"

struct prune_options {
	bool all, force, volumes;
	struct strv filters;
};
#define FIELD(field) offsetof(struct prune_options, field)

#define FILTER_ROW(example)                                              \
	{                                                                \
		"filter", 0, &option_filter, FIELD(filters),             \
			"Provide filter values (e.g. " example ")", NULL \
	}
#define FORCE_ROW                                                                                \
	{                                                                                        \
		"force", 'f', &option_bool, FIELD(force), "Do not prompt for confirmation", NULL \
	}

/* Shows the text and reads a line. Anything but y, also the end of input, is no. */
static bool confirmed(const char *text)
{
	auto_strbuf struct strbuf out = {0};
	char answer[8];
	size_t n = 0;
	char c;

	strbuf_printf(&out, "%s\nAre you sure you want to continue? [y/N] ", text);
	if (cli_print(&out))
		return false;
	while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n') {
		if (n < sizeof(answer) - 1)
			answer[n++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
	}
	answer[n] = '\0';
	return str_eq(answer, "y");
}

/* One kind of object. */
struct pruner {
	int (*prune)(struct engine *e, const struct strv *filters, struct prune_result *out,
		     struct err *err);
	const char *title;
};

static const struct pruner containers = {container_prune, "Deleted Containers:"};
static const struct pruner images = {image_prune, "Deleted Images:"};
static const struct pruner networks = {network_prune, "Deleted Networks:"};
static const struct pruner volumes = {volume_prune, "Deleted Volumes:"};

/* "Untagged: x" of rmi is "untagged: x" here. */
static void put_removed(const struct pruner *p, const struct prune_result *r, struct strbuf *out)
{
	if (!r->removed.count)
		return;
	strbuf_printf(out, "%s\n", p->title);
	for (size_t i = 0; i < r->removed.count; i++) {
		const char *line = r->removed.items[i];

		if (p == &images && *line >= 'A' && *line <= 'Z')
			strbuf_printf(out, "%c%s\n", *line - 'A' + 'a', line + 1);
		else
			strbuf_printf(out, "%s\n", line);
	}
	strbuf_putc(out, '\n');
}

/* Prunes each kind in turn and says the sum. */
static int prune(struct cli_context *ctx, const struct pruner *const *pruners,
		 const struct strv *const *filters, size_t count)
{
	auto_strbuf struct strbuf out = {0};
	struct err err = ERR_INIT;
	char size[HUMAN_MAX];
	struct engine *e;
	uint64_t bytes = 0;
	int rc = cli_engine(ctx, &e, &err);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		auto_prune_result struct prune_result r = {.bytes = 0};

		rc = pruners[i]->prune(e, filters[i], &r, &err);
		put_removed(pruners[i], &r, &out);
		bytes += r.bytes;
		if (cli_print(&out))
			return EXIT_FAILED;
	}
	if (rc < 0)
		return cli_fail(&err);
	/* Networks alone take no room. */
	if (count == 1 && pruners[0] == &networks)
		return 0;
	human_size(bytes, 4, size);
	strbuf_printf(&out, "Total reclaimed space: %s\n", size);
	return cli_print(&out);
}

static int prune_one(struct cli_context *ctx, const struct pruner *p, const struct strv *filters)
{
	return prune(ctx, &p, &filters, 1);
}

/* ---- container prune ---- */

static const struct option container_rows[] = {FILTER_ROW("\"until=<timestamp>\""), FORCE_ROW};
static const struct option_table container_table = {OPTION_ROWS(container_rows)};

static int cmd_container_prune(struct cli_context *ctx, int argc, char **argv)
{
	struct prune_options o = {.all = false};
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc == CLI_GO_ON)
		rc = !o.force && !confirmed("WARNING! This will remove all stopped containers.")
			     ? 0
			     : prune_one(ctx, &containers, &o.filters);
	strv_free(&o.filters);
	return rc;
}

const struct command command_container_prune = {
	.paths = {"container prune"},
	.summary = "Remove all stopped containers",
	.run = cmd_container_prune,
	.options = &container_table,
};

/* ---- image prune ---- */

static const struct option image_rows[] = {{"all", 'a', &option_bool, FIELD(all),
					    "Remove all unused images, not just dangling ones",
					    NULL},
					   FILTER_ROW("\"until=<timestamp>\""),
					   FORCE_ROW};
static const struct option_table image_table = {OPTION_ROWS(image_rows)};

static int cmd_image_prune(struct cli_context *ctx, int argc, char **argv)
{
	struct prune_options o = {.all = false};
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, &o, argc, argv, &args);
	const char *text = o.all ? "WARNING! This will remove all images without at least one "
				   "container associated to them."
				 : "WARNING! This will remove all dangling images.";

	if (rc == CLI_GO_ON) {
		if (o.all)
			strv_add(&o.filters, "dangling=false");
		rc = !o.force && !confirmed(text) ? 0 : prune_one(ctx, &images, &o.filters);
	}
	strv_free(&o.filters);
	return rc;
}

const struct command command_image_prune = {
	.paths = {"image prune"},
	.summary = "Remove unused images",
	.run = cmd_image_prune,
	.options = &image_table,
};

/* ---- network prune ---- */

static const struct option network_rows[] = {FILTER_ROW("\"until=<timestamp>\""), FORCE_ROW};
static const struct option_table network_table = {OPTION_ROWS(network_rows)};

static int cmd_network_prune(struct cli_context *ctx, int argc, char **argv)
{
	static const char text[] = "WARNING! This will remove all custom networks not used by at "
				   "least one container.";
	struct prune_options o = {.all = false};
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc == CLI_GO_ON)
		rc = !o.force && !confirmed(text) ? 0 : prune_one(ctx, &networks, &o.filters);
	strv_free(&o.filters);
	return rc;
}

const struct command command_network_prune = {
	.paths = {"network prune"},
	.summary = "Remove all unused networks",
	.run = cmd_network_prune,
	.options = &network_table,
};

/* ---- volume prune ---- */

static const struct option volume_rows[] = {{"all", 'a', &option_bool, FIELD(all),
					     "Remove all unused volumes, not just anonymous ones",
					     NULL},
					    FILTER_ROW("\"label=<label>\""),
					    FORCE_ROW};
static const struct option_table volume_table = {OPTION_ROWS(volume_rows)};

static int cmd_volume_prune(struct cli_context *ctx, int argc, char **argv)
{
	struct prune_options o = {.all = false};
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, &o, argc, argv, &args);
	const char *text = o.all ? "WARNING! This will remove all local volumes not used by at "
				   "least one container."
				 : "WARNING! This will remove anonymous local volumes not used by "
				   "at least one container.";

	if (rc == CLI_GO_ON) {
		if (o.all)
			strv_add(&o.filters, "all=true");
		rc = !o.force && !confirmed(text) ? 0 : prune_one(ctx, &volumes, &o.filters);
	}
	strv_free(&o.filters);
	return rc;
}

const struct command command_volume_prune = {
	.paths = {"volume prune"},
	.summary = "Remove unused local volumes",
	.run = cmd_volume_prune,
	.options = &volume_table,
};

/* ---- system prune ---- */

static const struct option system_rows[] = {
	{"all", 'a', &option_bool, FIELD(all), "Remove all unused images not just dangling ones",
	 NULL},
	FILTER_ROW("\"label=<key>=<value>\""),
	FORCE_ROW,
	{"volumes", 0, &option_bool, FIELD(volumes), "Prune anonymous volumes", NULL},
};
static const struct option_table system_table = {OPTION_ROWS(system_rows)};

static void put_warning(const struct prune_options *o, struct strbuf *out)
{
	strbuf_puts(out, "WARNING! This will remove:\n  - all stopped containers\n"
			 "  - all networks not used by at least one container\n");
	if (o->volumes)
		strbuf_puts(out, "  - all anonymous volumes not used by at least one container\n");
	strbuf_puts(out, o->all ? "  - all images without at least one container associated to "
				  "them\n  - all build cache\n"
				: "  - all dangling images\n  - unused build cache\n");
	if (o->filters.count)
		strbuf_puts(out, "\n  Items to be pruned will be filtered with:\n");
	for (size_t i = 0; i < o->filters.count; i++)
		strbuf_printf(out, "  - %s\n", o->filters.items[i]);
}

static int prune_system(struct cli_context *ctx, const struct prune_options *o)
{
	auto_strv struct strv image_filters = {0};
	auto_strbuf struct strbuf warning = {0};
	const struct pruner *pruners[4];
	const struct strv *filters[4];
	size_t count = 0;
	int rc;

	put_warning(o, &warning);
	if (!o->force && !confirmed(strbuf_str(&warning)))
		return 0;
	strv_add_all(&image_filters, &o->filters);
	if (o->all)
		strv_add(&image_filters, "dangling=false");
	pruners[count] = &containers;
	filters[count++] = &o->filters;
	pruners[count] = &networks;
	filters[count++] = &o->filters;
	if (o->volumes) {
		pruners[count] = &volumes;
		filters[count++] = &o->filters;
	}
	pruners[count] = &images;
	filters[count++] = &image_filters;
	rc = prune(ctx, pruners, filters, count);
	return rc;
}

static int cmd_system_prune(struct cli_context *ctx, int argc, char **argv)
{
	struct prune_options o = {.all = false};
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc == CLI_GO_ON) {
		rc = 0;
		for (size_t i = 0; o.volumes && i < o.filters.count; i++) {
			if (!str_starts(o.filters.items[i], "until="))
				continue;
			cli_note("ERROR: The \"until\" filter is not supported with \"--volumes\"");
			rc = EXIT_FAILED;
		}
		if (!rc)
			rc = prune_system(ctx, &o);
	}
	strv_free(&o.filters);
	return rc;
}

const struct command command_system_prune = {
	.paths = {"system prune"},
	.summary = "Remove unused data",
	.run = cmd_system_prune,
	.options = &system_table,
};
