/* SPDX-License-Identifier: Apache-2.0 */
/* network ls, rm, inspect. (network_create.c and network_connect.c have the rest, prune.c the prune.) */
#include <stdlib.h>
#include <time.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/engine_door.h"
#include "cli/inspect.h"
#include "cli/list_output.h"
#include "engine/network_manage.h"

/* ---- ls ---- */

struct ls_options {
	struct strv filters;
	const char *format;
	bool no_trunc, quiet;
};
#define LS_FIELD(field) offsetof(struct ls_options, field)

static const struct option ls_rows[] = {
	{"filter", 'f', &option_filter, LS_FIELD(filters),
	 "Provide filter values (e.g. \"driver=bridge\")", NULL},
	{"format", 0, &option_text, LS_FIELD(format), LIST_FORMAT_HELP, NULL},
	{"no-trunc", 0, &option_bool, LS_FIELD(no_trunc), "Do not truncate the output", NULL},
	{"quiet", 'q', &option_bool, LS_FIELD(quiet), "Only display network IDs", NULL},
};
static const struct option_table ls_table = {OPTION_ROWS(ls_rows)};

static const struct list_field ls_fields[] = {
	{"CreatedAt", "CREATED AT"},
	{"Driver", "DRIVER"},
	{"ID", "NETWORK ID"},
	{"IPv4", "IPV4"},
	{"IPv6", "IPV6"},
	{"Internal", "INTERNAL"},
	{"Labels", "LABELS"},
	{"Name", "NAME"},
	{"Scope", "SCOPE"},
};

static const struct list_layout ls_layout = {
	.fields = ls_fields,
	.field_count = sizeof(ls_fields) / sizeof(ls_fields[0]),
	.table = "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
	.go_type = "*network.networkContext",
	.method = list_label_method,
};

/* Go's time.Time.String() of a time in UTC, which the daemon's times are: with all digits that say
 * something. */
static void put_created(uint64_t wall_ns, struct strbuf *out)
{
	time_t seconds = (time_t)(wall_ns / 1000000000u);
	char text[32] = "", fraction[16];
	struct tm tm;
	size_t n;

	if (gmtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	n = (size_t)snprintf(fraction, sizeof(fraction), ".%09u",
			     (unsigned int)(wall_ns % 1000000000u));
	while (n && (fraction[n - 1] == '0' || fraction[n - 1] == '.'))
		n--;
	strbuf_printf(out, "%s%.*s +0000 UTC", text, (int)n, fraction);
}

static const char *truth(bool b)
{
	return b ? "true" : "false";
}

static struct json_object *make_row(const struct network *n, bool whole)
{
	auto_free char *id = xstrndup(n->id, whole ? ID_LEN : ID_SHORT_LEN);
	auto_strbuf struct strbuf labels = {0}, created = {0};
	struct json_object *row = json_object_new_object();

	list_put_labels(&n->labels, &labels);
	put_created(n->created_ns, &created);
	json_add_string(row, "CreatedAt", strbuf_str(&created));
	json_add_string(row, "Driver", n->driver);
	json_add_string(row, "ID", id);
	json_add_string(row, "IPv4", "true");
	json_add_string(row, "IPv6", truth(n->ipv6));
	json_add_string(row, "Internal", truth(n->internal));
	json_add_string(row, "Labels", strbuf_str(&labels));
	json_add_string(row, "Name", n->name);
	json_add_string(row, "Scope", "local");
	return row;
}

/* Digits at the beginning, without leading zeros. */
static size_t count_digits(const char **text)
{
	*text += strspn(*text, "0");
	return strspn(*text, "0123456789");
}

/* net9 before net10: a number is compared as one. */
static int compare_natural(const char *a, const char *b)
{
	static const char digits[] = "0123456789";
	int rc = 0;

	while (rc == 0 && *a && *b) {
		bool numbers = strspn(a, digits) && strspn(b, digits);
		size_t x = numbers ? count_digits(&a) : 1, y = numbers ? count_digits(&b) : 1;

		rc = x != y ? (x < y ? -1 : 1) : memcmp(a, b, x);
		a += x;
		b += y;
	}
	return rc ? rc : (int)(*a != '\0') - (int)(*b != '\0');
}

static int compare_names(const void *a, const void *b)
{
	const char *x = ((const struct network *)a)->name, *y = ((const struct network *)b)->name;
	int rc = compare_natural(x, y);

	return rc ? rc : strcmp(x, y);
}

static int print_networks(const struct ls_options *o, struct network *list, size_t count)
{
	struct json_object **rows = xcalloc(count + 1, sizeof(struct json_object *));
	int code;

	if (count)
		qsort(list, count, sizeof(*list), compare_names);
	for (size_t i = 0; i < count; i++)
		rows[i] = make_row(&list[i], o->no_trunc);
	code = list_print(&ls_layout, o->quiet ? "{{.ID}}" : o->format, rows, count);
	for (size_t i = 0; i < count; i++)
		json_object_put(rows[i]);
	free(rows);
	return code;
}

static int list_networks(struct cli_context *ctx, const struct ls_options *o)
{
	struct network *list = NULL;
	struct err err = ERR_INIT;
	struct engine *e;
	size_t count = 0;
	int code, rc = cli_engine(ctx, &e, &err);

	if (rc == 0)
		rc = engine_network_list(e, &list, &count, &err);
	if (rc == 0)
		rc = engine_network_filter(e, &o->filters, list, &count, &err);
	code = rc < 0 ? cli_fail(&err) : print_networks(o, list, count);
	network_list_free(list, count);
	return code;
}

static int cmd_ls(struct cli_context *ctx, int argc, char **argv)
{
	struct ls_options o = {.format = NULL};
	auto_free char *configured = NULL;
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc == CLI_GO_ON && !o.quiet)
		o.format = list_format(o.format, "networksFormat", &configured);
	if (rc == CLI_GO_ON)
		rc = list_networks(ctx, &o);
	strv_free(&o.filters);
	return rc;
}

const struct command command_network_ls = {
	.paths = {"network ls", "network list"},
	.summary = "List networks",
	.run = cmd_ls,
	.options = &ls_table,
};

/* ---- rm ---- */

struct rm_options {
	bool force;
};

static const struct option rm_rows[] = {
	{"force", 'f', &option_bool, offsetof(struct rm_options, force),
	 "Do not error if the network does not exist", NULL},
};
static const struct option_table rm_table = {OPTION_ROWS(rm_rows)};

static int cmd_rm(struct cli_context *ctx, int argc, char **argv)
{
	struct rm_options o = {.force = false};
	auto_strbuf struct strbuf out = {0};
	auto_strv struct strv args = {0};
	struct err err = ERR_INIT;
	struct engine *e;
	int code = 0, rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc != CLI_GO_ON)
		return rc;
	if (cli_engine(ctx, &e, &err) < 0)
		return cli_fail(&err);
	for (size_t i = 0; i < args.count; i++) {
		err = ERR_INIT;
		if (engine_network_remove(e, args.items[i], &err) == 0)
			strbuf_printf(&out, "%s\n", args.items[i]);
		else if (!o.force || err.kind != ERR_NOT_FOUND)
			code = cli_fail(&err);
		if (cli_print(&out))
			return EXIT_FAILED;
	}
	return code;
}

const struct command command_network_rm = {
	.paths = {"network rm", "network remove"},
	.arguments = "NETWORK [NETWORK...]",
	.summary = "Remove one or more networks",
	.run = cmd_rm,
	.options = &rm_table,
	.min_args = 1,
	.max_args = -1,
};

/* ---- inspect ---- */

struct inspect_options {
	const char *format;
	bool verbose;
};
#define INSPECT_FIELD(field) offsetof(struct inspect_options, field)

/* --verbose shows what a swarm would add. */
static const struct option inspect_rows[] = {
	{"format", 'f', &option_text, INSPECT_FIELD(format), INSPECT_FORMAT_HELP, NULL},
	{"verbose", 'v', &option_bool, INSPECT_FIELD(verbose), "Verbose output for diagnostics",
	 NULL},
};
static const struct option_table inspect_table = {OPTION_ROWS(inspect_rows)};

static const struct template_member members[] = {
	{"AuxiliaryAddresses", "AuxAddress", TEMPLATE_STRING_MAP},
	{"Config", NULL, TEMPLATE_LIST},
	{"ConfigFrom", NULL, TEMPLATE_STRUCT},
	{"Containers", NULL, TEMPLATE_POINTER_MAP},
	{"IPAM", NULL, TEMPLATE_STRUCT},
	{"Id", "ID", TEMPLATE_STRUCT},
	{"Labels", NULL, TEMPLATE_STRING_MAP},
	{"Options", NULL, TEMPLATE_STRING_MAP},
};
static const struct template_optional optionals[] = {
	{"", "Created", NULL, TEMPLATE_TIME},
	{"", "Peers", NULL, TEMPLATE_LIST},
	{"", "Services", NULL, TEMPLATE_POINTER_MAP},
	{"Config", "AuxiliaryAddresses", "AuxAddress", TEMPLATE_STRING_MAP},
	{"Config", "Gateway", NULL, TEMPLATE_TEXT},
	{"Config", "IPRange", NULL, TEMPLATE_TEXT},
};
static const struct template_model model = {.members = members,
					    .member_count = sizeof(members) / sizeof(members[0]),
					    .optionals = optionals,
					    .optional_count =
						    sizeof(optionals) / sizeof(optionals[0])};

const struct inspector inspect_network = {"network", engine_network_inspect, &model, false};

static int cmd_inspect(struct cli_context *ctx, int argc, char **argv)
{
	static const struct inspector *const which = &inspect_network;
	struct inspect_options o = {.format = NULL};
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	return rc != CLI_GO_ON ? rc : inspect_names(ctx, &which, 1, o.format, &args);
}

const struct command command_network_inspect = {
	.paths = {"network inspect"},
	.arguments = "NETWORK [NETWORK...]",
	.summary = "Display detailed information on one or more networks",
	.run = cmd_inspect,
	.options = &inspect_table,
	.min_args = 1,
	.max_args = -1,
};
