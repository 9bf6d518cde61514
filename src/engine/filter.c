/* SPDX-License-Identifier: Apache-2.0 */
/* The filters of container lists, by table. Nothing is decided here that Docker decides otherwise. */
#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "engine/network.h"
#include "engine/ports.h"
#include "engine/summary.h"
#include "image/image.h"

struct filter_context {
	struct engine *engine;
	struct image_memo {
		const char *value; /* borrowed */
		char id[IMAGE_ID_SIZE];
	} image; /* the last that an `ancestor` named; id "" for none */
	struct network_memo {
		const char *value; /* borrowed */
		char *name;
	} network;                    /* the last that a `network` named */
	uint64_t before_ns, since_ns; /* creation times of the containers named; 0: no limit */
};

/* 1: passes, 0: not, -errno with *err. value is what stands behind the equals sign. */
typedef int (*filter_fn)(struct filter_context *f, const struct container *c, const char *value,
			 struct err *err);

static int matches(const char *pattern, const char *text, struct err *err)
{
	regex_t regex;
	int rc;

	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return err_set(err, ERR_INVALID, EINVAL,
			       "invalid filter: %s is no regular expression", pattern);
	rc = regexec(&regex, text, 0, NULL, 0);
	regfree(&regex);
	return rc == 0;
}

static int by_id(struct filter_context *f, const struct container *c, const char *value,
		 struct err *err)
{
	(void)f, (void)err;
	return str_starts(c->id, value);
}

/* Docker matches with and without the leading slash. */
static int by_name(struct filter_context *f, const struct container *c, const char *value,
		   struct err *err)
{
	auto_free char *slashed = xasprintf("/%s", c->name ? c->name : "");
	int rc = matches(value, slashed + 1, err);

	(void)f;
	return rc ? rc : matches(value, slashed, err);
}

static int by_label(struct filter_context *f, const struct container *c, const char *value,
		    struct err *err)
{
	(void)f, (void)err;
	if (strchr(value, '='))
		return strv_contains(&c->config.labels, value);
	return strv_get_env(&c->config.labels, value) != NULL;
}

static int by_other_label(struct filter_context *f, const struct container *c, const char *value,
			  struct err *err)
{
	return !by_label(f, c, value, err);
}

static int by_status(struct filter_context *f, const struct container *c, const char *value,
		     struct err *err)
{
	(void)f;
	for (int s = CONTAINER_CREATED; s <= CONTAINER_DEAD; s++) {
		if (str_eq(container_status_text((enum container_status)s), value))
			return (int)c->state.status == s;
	}
	return err_set(err, ERR_INVALID, EINVAL, "invalid filter 'status=%s'", value);
}

static int by_exit_code(struct filter_context *f, const struct container *c, const char *value,
			struct err *err)
{
	int64_t code;

	(void)f;
	if (str_to_i64(value, &code) < 0)
		return err_set(err, ERR_INVALID, EINVAL,
			       "strconv.Atoi: parsing \"%s\": invalid syntax", value);
	return c->state.status == CONTAINER_EXITED && c->state.exit_code == code;
}

/* The image that a name means now, whatever it meant when the container was made. */
static const char *image_id_of(struct filter_context *f, const char *value)
{
	auto_image_store struct image_store store = {.root_fd = -1, .image_fd = -1};
	auto_image struct image image = {0};
	struct err ignored = ERR_INIT;

	if (f->image.value == value)
		return f->image.id;
	f->image = (struct image_memo){.value = value};
	if (f->engine &&
	    image_store_open(&store, f->engine->root_fd, f->engine->root, IMAGE_STORE_READ,
			     &ignored) == 0 &&
	    image_resolve(&store, value, &image, &ignored) == 0)
		memcpy(f->image.id, image.id, sizeof(f->image.id));
	return f->image.id;
}

static bool same_reference(const char *image, const char *value)
{
	size_t len = strlen(value);

	if (strncmp(image, value, len) == 0 && (!image[len] || str_eq(image + len, ":latest")))
		return true;
	return str_ends(value, ":latest") && strlen(image) == len - 7 &&
	       strncmp(image, value, len - 7) == 0;
}

static int by_image(struct filter_context *f, const struct container *c, const char *value,
		    struct err *err)
{
	const char *image = c->config.image ? c->config.image : "";
	const char *id = c->image_id ? c->image_id : "", *meant = image_id_of(f, value);

	(void)err;
	if (*meant)
		return str_eq(id, meant);
	return same_reference(image, value) ||
	       (strlen(value) >= 4 && (str_starts(id, value) ||
				       (str_starts(id, "sha256:") && str_starts(id + 7, value))));
}

static int by_volume(struct filter_context *f, const struct container *c, const char *value,
		     struct err *err)
{
	(void)f, (void)err;
	for (size_t i = 0; i < c->config.mount_count; i++) {
		auto_free char *name = container_mount_name(c, i);

		if (str_eq(c->config.mounts[i].target, value) || (*name && str_eq(name, value)))
			return 1;
	}
	return 0;
}

/* The name of the network whose id begins so, or the value itself. */
static const char *network_name_of(struct filter_context *f, const char *value)
{
	auto_network struct network n;
	struct network_store store;
	struct err ignored = ERR_INIT;

	if (f->network.value == value)
		return f->network.name;
	free(f->network.name);
	f->network.name = NULL;
	f->network.value = value;
	network_init(&n);
	if (f->engine) {
		engine_network_store(f->engine, &store);
		if (network_find(&store, value, &n, &ignored) == 0)
			f->network.name = xstrdup(n.name);
	}
	if (!f->network.name)
		f->network.name = xstrdup(value);
	return f->network.name;
}

static int by_network(struct filter_context *f, const struct container *c, const char *value,
		      struct err *err)
{
	(void)err;
	return container_is_in_network(c, value) ||
	       container_is_in_network(c, network_name_of(f, value));
}

static int by_health(struct filter_context *f, const struct container *c, const char *value,
		     struct err *err)
{
	static const char *const words[] = {
		[CONTAINER_HEALTH_NONE] = "none",
		[CONTAINER_HEALTH_STARTING] = "starting",
		[CONTAINER_HEALTH_HEALTHY] = "healthy",
		[CONTAINER_HEALTH_UNHEALTHY] = "unhealthy",
	};

	(void)f;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (str_eq(words[i], value))
			return (size_t)c->state.health == i;
	}
	return err_set(err, ERR_INVALID, EINVAL, "Unrecognised filter value for health: %s", value);
}

/* Swarm's tasks: there are none. */
static int by_task(struct filter_context *f, const struct container *c, const char *value,
		   struct err *err)
{
	bool wanted;

	(void)f, (void)c;
	if (str_to_bool(value, &wanted) < 0)
		return err_set(err, ERR_INVALID, EINVAL, "invalid filter 'is-task=[%s]'", value);
	return !wanted;
}

/* Of Windows: without a meaning here, and no reason to leave anything out. */
static int by_isolation(struct filter_context *f, const struct container *c, const char *value,
			struct err *err)
{
	(void)f, (void)c, (void)value, (void)err;
	return 1;
}

/* "80", "80-90", either with "/proto", tcp without. */
struct port_range {
	uint64_t first, last;
	const char *protocol;
	size_t protocol_len;
};

static bool parse_port(const char *text, size_t len, uint64_t *out)
{
	auto_free char *digits = xstrndup(text, len);

	return str_to_u64(digits, out) == 0 && *out <= 65535;
}

static bool parse_ports(const char *text, struct port_range *out)
{
	size_t len = strcspn(text, "/"), first = strcspn(text, "-/");

	out->protocol = text[len] ? text + len + 1 : "tcp";
	out->protocol_len = strlen(out->protocol);
	if (!parse_port(text, first, &out->first))
		return false;
	out->last = out->first;
	return text[first] != '-' || (parse_port(text + first + 1, len - first - 1, &out->last) &&
				      out->last >= out->first);
}

static bool overlap(const struct port_range *a, const struct port_range *b)
{
	return a->first <= b->last && b->first <= a->last && a->protocol_len == b->protocol_len &&
	       memcmp(a->protocol, b->protocol, a->protocol_len) == 0;
}

static int wanted_ports(const char *key, const char *value, struct port_range *out, struct err *err)
{
	if (strchr(value, ':'))
		return err_set(err, ERR_INVALID, EINVAL,
			       "filter for '%s' should not contain ':': %s", key, value);
	if (!parse_ports(value, out))
		return err_set(err, ERR_INVALID, EINVAL,
			       "error while looking up for %s %s: strconv.ParseUint: parsing "
			       "\"%s\": invalid syntax",
			       key, value, value);
	return 0;
}

static int by_expose(struct filter_context *f, const struct container *c, const char *value,
		     struct err *err)
{
	const struct strv *own = &c->config.exposed_ports;
	struct port_range wanted, has;
	int rc = wanted_ports("expose", value, &wanted, err);

	(void)f;
	for (size_t i = 0; rc == 0 && i < own->count; i++) {
		if (parse_ports(own->items[i], &has) && overlap(&wanted, &has))
			return 1;
	}
	return rc;
}

/* By the host's port, which only a container that runs has. */
static int by_publish(struct filter_context *f, const struct container *c, const char *value,
		      struct err *err)
{
	auto_free struct shown_port *ports = NULL;
	auto_sandbox struct sandbox sandbox;
	struct port_range wanted;
	size_t count = 0;
	int rc = wanted_ports("publish", value, &wanted, err);

	sandbox_init(&sandbox);
	if (rc < 0 || !f->engine || !c->config.endpoint_count)
		return rc;
	if (container_sandbox(f->engine, c, &sandbox))
		container_shown_ports(&c->config, &sandbox, &ports, &count);
	for (size_t i = 0; i < count; i++) {
		const struct port_range has = {.first = ports[i].host_port,
					       .last = ports[i].host_port,
					       .protocol = ports[i].protocol,
					       .protocol_len = strlen(ports[i].protocol)};

		if (*ports[i].host_ip && overlap(&wanted, &has))
			return 1;
	}
	return 0;
}

static int creation_of(struct filter_context *f, const char *reference, uint64_t *out,
		       struct err *err)
{
	auto_container struct container c;
	int rc;

	if (*out)
		return 0;
	container_init(&c);
	rc = container_find(f->engine, reference, &c, err);
	*out = c.created_ns;
	return rc;
}

static int by_before(struct filter_context *f, const struct container *c, const char *value,
		     struct err *err)
{
	int rc = creation_of(f, value, &f->before_ns, err);

	return rc < 0 ? rc : c->created_ns < f->before_ns;
}

static int by_since(struct filter_context *f, const struct container *c, const char *value,
		    struct err *err)
{
	int rc = creation_of(f, value, &f->since_ns, err);

	return rc < 0 ? rc : c->created_ns > f->since_ns;
}

static const struct filter_row {
	const char *key;
	filter_fn fn;
	bool every;       /* all values must pass, not any */
	bool implies_all; /* containers that do not run are wanted */
} rows[] = {
	{"ancestor", by_image, false, false},   {"before", by_before, true, false},
	{"exited", by_exit_code, false, false}, {"expose", by_expose, false, false},
	{"health", by_health, false, false},    {"id", by_id, false, false},
	{"is-task", by_task, true, false},      {"isolation", by_isolation, false, false},
	{"label", by_label, true, false},       {"label!", by_other_label, true, false},
	{"name", by_name, false, false},        {"network", by_network, false, false},
	{"publish", by_publish, false, false},  {"since", by_since, true, false},
	{"status", by_status, false, true},     {"volume", by_volume, false, false},
};

static const struct filter_row *find_row(const char *filter, const char **value)
{
	const char *equals = strchr(filter, '=');
	size_t len = equals ? (size_t)(equals - filter) : strlen(filter);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strlen(rows[i].key) == len && memcmp(rows[i].key, filter, len) == 0) {
			*value = equals ? equals + 1 : "";
			return &rows[i];
		}
	}
	return NULL;
}

static int passes(struct filter_context *f, const struct strv *filters, const struct container *c,
		  struct err *err)
{
	bool asked[sizeof(rows) / sizeof(rows[0])] = {false};
	bool passed[sizeof(rows) / sizeof(rows[0])] = {false};

	for (size_t i = 0; i < filters->count; i++) {
		const char *value;
		const struct filter_row *row = find_row(filters->items[i], &value);
		size_t n = (size_t)(row - rows);
		int rc = row->fn(f, c, value, err);

		if (rc < 0 || (rc == 0 && row->every))
			return rc;
		asked[n] = true;
		passed[n] = passed[n] || rc;
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (asked[i] && !passed[i])
			return 0;
	}
	return 1;
}

static void free_context(struct filter_context *f)
{
	free(f->network.name);
}

int container_filter(struct engine *e, const struct strv *filters, bool all, struct container *list,
		     size_t *count, struct err *err)
{
	static const struct container nothing;
	__attribute__((cleanup(free_context))) struct filter_context f = {.engine = e};
	size_t kept = 0;

	for (size_t i = 0; i < filters->count; i++) {
		const char *value;
		const struct filter_row *row = find_row(filters->items[i], &value);

		if (!row)
			return err_set(err, ERR_INVALID, EINVAL, "invalid filter '%.*s'",
				       (int)strcspn(filters->items[i], "="), filters->items[i]);
		all = all || row->implies_all;
	}
	/* A bad value is one whether there is anything to filter or not. */
	if (passes(&f, filters, &nothing, err) < 0)
		return err_code(err);
	for (size_t i = 0; i < *count; i++) {
		struct container swap = list[i];
		bool runs = swap.state.status == CONTAINER_RUNNING ||
			    swap.state.status == CONTAINER_PAUSED ||
			    swap.state.status == CONTAINER_RESTARTING;
		int rc = all || runs ? passes(&f, filters, &swap, err) : 0;

		if (rc < 0)
			return rc;
		if (rc == 0)
			continue;
		/* What does not pass is kept behind, for container_list_free. */
		list[i] = list[kept];
		list[kept++] = swap;
	}
	for (size_t i = kept; i < *count; i++)
		container_free(&list[i]);
	*count = kept;
	return 0;
}
