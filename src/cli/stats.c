/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats: what containers use, once or every second. All of them are looked at twice with one pause
 * between, however many they are.
 */
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/human.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/engine_door.h"
#include "cli/following.h"
#include "cli/list_output.h"
#include "engine/stats.h"

#define PERIOD_NS 1000000000u
#define SIZE_DIGITS 3

struct stats_options {
	bool all, no_stream, no_trunc;
	const char *format;
};
#define FIELD(field) offsetof(struct stats_options, field)

static const struct option rows[] = {
	{"all", 'a', &option_bool, FIELD(all), "Show all containers (default shows just running)",
	 NULL},
	{"format", 0, &option_text, FIELD(format), LIST_FORMAT_HELP, NULL},
	{"no-stream", 0, &option_bool, FIELD(no_stream),
	 "Disable streaming stats and only pull the first result", NULL},
	{"no-trunc", 0, &option_bool, FIELD(no_trunc), "Do not truncate output", NULL},
};
static const struct option_table table = {OPTION_ROWS(rows)};

static const struct list_field fields[] = {
	{"BlockIO", "BLOCK I/O"}, {"CPUPerc", "CPU %"}, {"Container", "CONTAINER"},
	{"ID", "CONTAINER ID"},   {"MemPerc", "MEM %"}, {"MemUsage", "MEM USAGE / LIMIT"},
	{"Name", "NAME"},         {"NetIO", "NET I/O"}, {"PIDs", "PIDS"},
};

static const struct list_layout layout = {
	.fields = fields,
	.field_count = sizeof(fields) / sizeof(fields[0]),
	.table = "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t"
		 "{{.BlockIO}}\t{{.PIDs}}",
	.go_type = "*container.statsContext",
};

/* One line of the table. */
struct entry {
	struct container c;
	const char *given; /* as the user named it; NULL: found by us */
	struct container_stats stats;
};

struct entries {
	struct entry *items;
	size_t count;
};

static void free_entries(struct entries *l)
{
	for (size_t i = 0; i < l->count; i++)
		container_free(&l->items[i].c);
	free(l->items);
	*l = (struct entries){.items = NULL};
}

/* ---- rows ---- */

static void put_pair(struct json_object *row, const char *key, uint64_t a, uint64_t b)
{
	char first[HUMAN_MAX], second[HUMAN_MAX];
	auto_free char *text = NULL;

	human_size(a, SIZE_DIGITS, first);
	human_size(b, SIZE_DIGITS, second);
	text = xasprintf("%s / %s", first, second);
	json_add_string(row, key, text);
}

static void put_percent(struct json_object *row, const char *key, double percent)
{
	char text[64];

	snprintf(text, sizeof(text), "%.2f%%", percent);
	json_add_string(row, key, text);
}

static void put_memory(struct json_object *row, const struct container_stats *s)
{
	char used[HUMAN_MAX], limit[HUMAN_MAX];
	auto_free char *text = NULL;

	human_bytes(stats_memory_used(s), used);
	human_bytes(s->memory_limit_bytes, limit);
	text = xasprintf("%s / %s", used, limit);
	put_percent(row, "MemPerc", stats_memory_percent(s));
	json_add_string(row, "MemUsage", text);
}

static void put_io(struct json_object *row, const struct container_stats *s)
{
	uint64_t read = 0, written = 0;

	for (size_t i = 0; i < s->device_count; i++) {
		read += s->devices[i].read_bytes;
		written += s->devices[i].written_bytes;
	}
	put_pair(row, "BlockIO", read, written);
}

static void put_networks(struct json_object *row, const struct container_stats *s)
{
	uint64_t received = 0, sent = 0;

	for (size_t i = 0; i < s->interface_count; i++) {
		received += s->interfaces[i].rx_bytes;
		sent += s->interfaces[i].tx_bytes;
	}
	put_pair(row, "NetIO", received, sent);
}

static struct json_object *make_row(const struct entry *e, bool cut)
{
	struct json_object *row = json_object_new_object();
	auto_free char *id = xstrndup(e->c.id, cut ? ID_SHORT_LEN : ID_LEN);
	auto_free char *found = xstrndup(e->c.id, ID_SHORT_LEN);
	char pids[24];

	snprintf(pids, sizeof(pids), "%llu", (unsigned long long)e->stats.pids);
	put_io(row, &e->stats);
	put_percent(row, "CPUPerc", stats_cpu_percent(&e->stats));
	json_add_string(row, "Container", e->given ? e->given : found);
	json_add_string(row, "ID", id);
	put_memory(row, &e->stats);
	json_add_string(row, "Name", e->c.name ? e->c.name : "--");
	put_networks(row, &e->stats);
	json_add_string(row, "PIDs", pids);
	return row;
}

/* Over what stands there: from the top left, each line and what is below wiped, as Docker draws it. */
static int redraw(const struct strbuf *text)
{
	auto_strbuf struct strbuf out = {0};
	const char *line = strbuf_str(text);

	strbuf_puts(&out, "\033[H");
	while (*line) {
		size_t n = strcspn(line, "\n");

		strbuf_add(&out, line, n);
		strbuf_puts(&out, " \033[K\n");
		line += n;
		line += *line == '\n';
	}
	strbuf_puts(&out, " \033[K\n\033[J");
	return cli_print(&out);
}

static int print_rows(const struct entries *l, const struct stats_options *o, bool again)
{
	struct json_object **all = xcalloc(l->count + 1, sizeof(struct json_object *));
	auto_strbuf struct strbuf text = {0};
	int code;

	for (size_t i = 0; i < l->count; i++)
		all[i] = make_row(&l->items[i], !o->no_trunc);
	code = list_render(&layout, o->format, all, l->count, &text);
	if (code == 0)
		code = again ? redraw(&text) : cli_print(&text);
	for (size_t i = 0; i < l->count; i++)
		json_object_put(all[i]);
	free(all);
	return code;
}

/* ---- looking ---- */

/* Those named, in the order given; one that does not exist fails all, after all were tried. */
static int find_named(struct engine *e, const struct strv *names, struct entries *out)
{
	int code = 0;

	out->items = xcalloc(names->count, sizeof(*out->items));
	for (size_t i = 0; i < names->count; i++) {
		struct entry *entry = &out->items[out->count++];
		struct err err = ERR_INIT;

		container_init(&entry->c);
		entry->given = names->items[i];
		if (container_find(e, names->items[i], &entry->c, &err) < 0)
			code = cli_fail(&err);
	}
	return code;
}

static const struct container_stats *last_stats(const struct entries *l, const char *id)
{
	for (size_t i = 0; i < l->count; i++) {
		if (str_eq(l->items[i].c.id, id))
			return &l->items[i].stats;
	}
	return NULL;
}

/* All that there are now, with what was known of them. */
static int find_all(struct engine *e, bool all, struct entries *l, struct err *err)
{
	struct entries found = {.items = NULL};
	struct container *list = NULL;
	size_t count = 0;
	int rc = container_list(e, &list, &count, err);

	if (rc < 0)
		return rc;
	found.items = xcalloc(count + 1, sizeof(*found.items));
	for (size_t i = 0; i < count; i++) {
		const struct container_stats *last = last_stats(l, list[i].id);

		if (!all && list[i].state.status != CONTAINER_RUNNING &&
		    list[i].state.status != CONTAINER_PAUSED) {
			container_free(&list[i]);
			continue;
		}
		found.items[found.count].c = list[i];
		if (last)
			found.items[found.count].stats = *last;
		found.count++;
	}
	/* Their contents have moved. */
	free(list);
	free_entries(l);
	*l = found;
	return 0;
}

/* Fresh states of those named; those that are gone leave the list. */
static int refresh_named(struct engine *e, struct entries *l, struct err *err)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->count; i++) {
		struct entry *entry = &l->items[i];
		struct err one = ERR_INIT;
		struct container fresh;

		container_init(&fresh);
		if (container_record_read(e, entry->c.id, &fresh, &one) < 0) {
			container_free(&fresh);
			container_free(&entry->c);
			if (one.kind == ERR_NOT_FOUND)
				continue;
			*err = one;
			l->items[kept++] = *entry;
			return err_code(&one);
		}
		container_free(&entry->c);
		entry->c = fresh;
		l->items[kept++] = *entry;
	}
	l->count = kept;
	return 0;
}

static int look(struct engine *e, struct entries *l, bool cpu_only, struct err *err)
{
	struct stats_host host;
	int rc = stats_host_read(&host, err);

	for (size_t i = 0; rc == 0 && i < l->count; i++)
		rc = container_stats_cpu(e, &l->items[i].c, &host, &l->items[i].stats, err);
	for (size_t i = 0; rc == 0 && !cpu_only && i < l->count; i++)
		rc = container_stats_rest(e, &l->items[i].c, &host, &l->items[i].stats, err);
	return rc;
}

static void sleep_until(uint64_t when_ns)
{
	uint64_t now = clock_now_ns();
	struct timespec left;

	if (now >= when_ns)
		return;
	left = (struct timespec){.tv_sec = (time_t)((when_ns - now) / 1000000000u),
				 .tv_nsec = (long)((when_ns - now) % 1000000000u)};
	nanosleep(&left, NULL);
}

static int once(struct engine *e, struct entries *l, const struct stats_options *o, struct err *err)
{
	uint64_t begin = clock_now_ns();
	bool any = false;
	int rc = look(e, l, true, err);

	for (size_t i = 0; i < l->count; i++)
		any = any || l->items[i].stats.read_ns;
	/* What does not run needs no second look. */
	if (rc == 0 && any) {
		sleep_until(begin + PERIOD_NS);
		rc = look(e, l, false, err);
	}
	return rc < 0 ? cli_fail(err) : print_rows(l, o, false);
}

/* Until a signal, or until all that were named are gone. */
static int stream(struct engine *e, struct entries *l, bool named, const struct stats_options *o,
		  struct err *err)
{
	uint64_t next = clock_now_ns();

	follow_end_on_signals();
	for (;;) {
		int rc = named ? refresh_named(e, l, err) : find_all(e, o->all, l, err);

		if (rc == 0)
			rc = look(e, l, false, err);
		if (rc < 0)
			return cli_fail(err);
		if (named && l->count == 0)
			return 0;
		if (print_rows(l, o, true))
			return EXIT_FAILED;
		next += PERIOD_NS;
		sleep_until(next);
	}
}

static int run_stats(struct cli_context *ctx, const struct stats_options *o,
		     const struct strv *names)
{
	struct entries l = {.items = NULL};
	struct err err = ERR_INIT;
	struct engine *e;
	int code = 0;

	if (cli_engine(ctx, &e, &err) < 0)
		return cli_fail(&err);
	if (names->count)
		code = find_named(e, names, &l);
	else if (find_all(e, o->all, &l, &err) < 0)
		code = cli_fail(&err);
	if (code == 0)
		code = o->no_stream ? once(e, &l, o, &err)
				    : stream(e, &l, names->count > 0, o, &err);
	free_entries(&l);
	return code;
}

static int cmd_stats(struct cli_context *ctx, int argc, char **argv)
{
	struct stats_options o = {.all = false};
	auto_free char *configured = NULL;
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	o.format = list_format(o.format, "statsFormat", &configured);
	return run_stats(ctx, &o, &args);
}

const struct command command_stats = {
	.paths = {"container stats", "stats"},
	.arguments = "[CONTAINER...]",
	.summary = "Display a live stream of container(s) resource usage statistics",
	.run = cmd_stats,
	.options = &table,
	.max_args = -1,
};
