/* SPDX-License-Identifier: Apache-2.0 */
/* events: what happened and what happens, from the journal that all front ends and monitors share. */
#include "base/clock.h"
#include "base/json.h"
#include "base/template.h"
#include "base/timestamp.h"
#include "cli/commands.h"
#include "cli/engine_door.h"
#include "cli/following.h"
#include "engine/event_read.h"

#define EXIT_BAD_FORMAT 64

struct events_options {
	const char *since, *until, *format;
	struct strv filters;
};
#define FIELD(field) offsetof(struct events_options, field)

static const struct option rows[] = {
	{"filter", 'f', &option_filter, FIELD(filters),
	 "Filter output based on conditions provided", NULL},
	{"format", 0, &option_text, FIELD(format),
	 "Format output using a custom template:\n"
	 "'json':             Print in JSON format\n"
	 "'TEMPLATE':         Print output using the given Go template.",
	 NULL},
	{"since", 0, &option_text, FIELD(since), "Show all events created since timestamp", NULL},
	{"until", 0, &option_text, FIELD(until), "Stream events until this timestamp", NULL},
};
static const struct option_table table = {OPTION_ROWS(rows)};

/* Go's names of the members that JSON has in lower case; what Docker leaves out when empty, Go has. */
static int go_member(struct json_object *event, const char *name, const char *argument,
		     struct json_object **result)
{
	static const struct {
		const char *name, *key;
	} members[] = {{"Status", "status"}, {"ID", "id"},     {"From", "from"},
		       {"Scope", "scope"},   {"Time", "time"}, {"TimeNano", "timeNano"}};

	for (size_t i = 0; !argument && i < sizeof(members) / sizeof(members[0]); i++) {
		struct json_object *found;

		if (!str_eq(members[i].name, name))
			continue;
		*result = json_object_object_get_ex(event, members[i].key, &found)
				  ? json_object_get(found)
				  : json_object_new_string("");
		return 1;
	}
	return 0;
}

static const struct template_member members[] = {
	{"Actor", NULL, TEMPLATE_STRUCT},
	{"Attributes", NULL, TEMPLATE_STRING_MAP},
};
static const struct template_model model = {.members = members,
					    .member_count = sizeof(members) / sizeof(members[0]),
					    .root_type = "*events.Message",
					    .method = go_member};

/* Docker tries the template on an empty event before it asks for real ones. */
static int parse_format(const char *format, struct template **out, struct err *err)
{
	static const char empty[] = "{\"Type\":\"\",\"Action\":\"\",\"Actor\":{\"ID\":\"\","
				    "\"Attributes\":{}},\"time\":0,\"timeNano\":0}";
	auto_json struct json_object *event = NULL;
	auto_strbuf struct strbuf dropped = {0};
	int rc;

	if (!format || !*format)
		return 0;
	if (str_eq(format, "json"))
		format = "{{json .}}";
	rc = template_parse(format, strlen(format), out, err);
	if (rc == 0)
		rc = json_parse(empty, sizeof(empty) - 1, "event", &event, err);
	return rc < 0 ? rc : template_execute(*out, event, &model, &dropped, err);
}

static void put_text(struct json_object *event, struct strbuf *out)
{
	struct json_object *actor, *attributes = NULL;
	const char *type = "", *action = "", *id = "";
	uint64_t when = 0;
	size_t n = 0;

	/* The reader gives complete ones only; what a newer version leaves out is empty. */
	if (json_get_u64(event, "timeNano", &when) < 0 ||
	    json_get_string(event, "Type", &type) < 0 ||
	    json_get_string(event, "Action", &action) < 0 ||
	    json_get_object(event, "Actor", &actor) < 0 || json_get_string(actor, "ID", &id) < 0)
		return;
	follow_put_time(when, out);
	strbuf_printf(out, " %s %s %s", type, action, id);
	if (json_get_object(actor, "Attributes", &attributes) == 0 &&
	    json_object_object_length(attributes) > 0) {
		json_object_object_foreach(attributes, key, value)
			strbuf_printf(out, "%s%s=%s", n++ ? ", " : " (", key,
				      json_object_get_string(value));
		strbuf_putc(out, ')');
	}
	strbuf_putc(out, '\n');
}

static int put_event(struct json_object *event, const struct template *t, struct strbuf *out,
		     struct err *err)
{
	int rc = 0;

	if (t) {
		rc = template_execute(t, event, &model, out, err);
		strbuf_putc(out, '\n');
	} else {
		put_text(event, out);
	}
	return rc;
}

/* Prints what there is, then waits for more. 0 once there can be no more. */
static int print_events(struct event_reader *r, const struct template *t, struct err *err)
{
	auto_strbuf struct strbuf out = {0};

	for (;;) {
		auto_json struct json_object *event = NULL;
		int rc = event_reader_next(r, &event, err);

		if (rc == EVENT_ONE)
			rc = put_event(event, t, &out, err) < 0 ? err_code(err) : EVENT_ONE;
		if ((rc != EVENT_ONE || out.len >= 65536) && cli_print(&out))
			return EXIT_FAILED;
		if (rc == EVENT_NONE)
			rc = event_reader_wait(r, err);
		if (rc < 0)
			return cli_fail(err);
		if (rc == EVENT_END)
			return 0;
	}
}

static int parse_times(const struct events_options *o, struct event_query *q, struct err *err)
{
	uint64_t now = clock_wall_ns();
	int rc = o->since && *o->since ? timestamp_parse(o->since, now, &q->since_ns, err) : 0;

	if (rc == 0 && o->until && *o->until)
		rc = timestamp_parse(o->until, now, &q->until_ns, err);
	if (rc == 0 && o->until && *o->until && !q->until_ns)
		q->until_ns = now; /* "0": what was, and no more */
	return rc;
}

static int run_events(struct cli_context *ctx, const struct events_options *o)
{
	struct event_query q = {.filters = &o->filters};
	auto_template struct template *t = NULL;
	struct event_reader *r = NULL;
	struct err err = ERR_INIT;
	struct engine *e;
	int code;

	if (parse_format(o->format, &t, &err) < 0) {
		cli_note("Error parsing format: %s", err.msg);
		return EXIT_BAD_FORMAT;
	}
	if (parse_times(o, &q, &err) < 0) {
		cli_note("%s", err.msg);
		return EXIT_FAILED;
	}
	follow_end_on_signals();
	if (cli_engine(ctx, &e, &err) < 0 || event_reader_open(e, &q, &r, &err) < 0)
		return cli_fail(&err);
	code = print_events(r, t, &err);
	event_reader_close(r);
	return code;
}

static int cmd_events(struct cli_context *ctx, int argc, char **argv)
{
	struct events_options o = {.since = NULL};
	auto_strv struct strv args = {0};
	int rc = cli_parse(ctx, &o, argc, argv, &args);

	if (rc == CLI_GO_ON)
		rc = run_events(ctx, &o);
	strv_free(&o.filters);
	return rc;
}

const struct command command_events = {
	.paths = {"system events", "events"},
	.summary = "Get real time events from the server",
	.run = cmd_events,
	.options = &table,
};
