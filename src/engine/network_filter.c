/* SPDX-License-Identifier: Apache-2.0 */
/* The filters of network lists, by table. Of one key any value will do, but for labels all must; id and
 * name are regular expressions that may match anywhere, as Docker has them. */
#include <errno.h>
#include <regex.h>

#include "base/str.h"
#include "engine/filter_values.h"
#include "engine/network_manage.h"

/* 1: passes, 0: not, -errno with *err. value is what stands behind the equals sign. */
typedef int (*filter_fn)(struct network_store *s, const struct network *n, const char *value,
			 struct err *err);

/* In use is what a running container is connected to. */
static int by_dangling(struct network_store *s, const struct network *n, const char *value,
		       struct err *err)
{
	auto_strv struct strv ids = {0};
	bool wanted;
	int rc = 0;

	if (str_to_bool(value, &wanted) < 0)
		return filter_bad_value("dangling", value, err);
	if (network_is_predefined(n))
		return !wanted;
	if (*n->id)
		rc = network_users(s, n, &ids, err);
	return rc < 0 ? rc : wanted == (ids.count == 0);
}

static int by_driver(struct network_store *s, const struct network *n, const char *value,
		     struct err *err)
{
	(void)s, (void)err;
	return str_eq(n->driver, value);
}

static int matches(const char *key, const char *text, const char *value, struct err *err)
{
	regex_t regex;
	int rc;

	if (str_eq(text, value))
		return 1;
	if (regcomp(&regex, value, REG_EXTENDED | REG_NOSUB) != 0)
		return filter_bad_value(key, value, err);
	rc = regexec(&regex, text, 0, NULL, 0);
	regfree(&regex);
	return rc == 0;
}

static int by_id(struct network_store *s, const struct network *n, const char *value,
		 struct err *err)
{
	(void)s;
	return matches("id", n->id, value, err);
}

static int by_name(struct network_store *s, const struct network *n, const char *value,
		   struct err *err)
{
	(void)s;
	return matches("name", n->name, value, err);
}

static int by_label(struct network_store *s, const struct network *n, const char *value,
		    struct err *err)
{
	(void)s, (void)err;
	return filter_label(&n->labels, value);
}

static int by_scope(struct network_store *s, const struct network *n, const char *value,
		    struct err *err)
{
	(void)s, (void)n, (void)err;
	return str_eq(value, "local");
}

static int by_type(struct network_store *s, const struct network *n, const char *value,
		   struct err *err)
{
	(void)s;
	if (!str_eq(value, "builtin") && !str_eq(value, "custom"))
		return filter_bad_value("type", value, err);
	return str_eq(value, "builtin") == network_is_predefined(n);
}

static const struct filter_row {
	const char *key;
	filter_fn fn;
	bool every; /* all values must pass, not any */
} rows[] = {
	{"dangling", by_dangling, true}, {"driver", by_driver, false}, {"id", by_id, false},
	{"label", by_label, true},       {"name", by_name, false},     {"scope", by_scope, false},
	{"type", by_type, false},
};
#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static const struct filter_row *find_row(const char *filter, const char **value)
{
	size_t n = strcspn(filter, "=");

	*value = filter[n] ? filter + n + 1 : "";
	for (size_t i = 0; i < ROW_COUNT; i++) {
		if (strlen(rows[i].key) == n && memcmp(rows[i].key, filter, n) == 0)
			return &rows[i];
	}
	return NULL;
}

static int passes(struct network_store *s, const struct strv *filters, const struct network *n,
		  struct err *err)
{
	bool asked[ROW_COUNT] = {false}, passed[ROW_COUNT] = {false}, refused = false;

	/* All of them, whatever the first ones say: a malformed one is an error. */
	for (size_t i = 0; i < filters->count; i++) {
		const char *value;
		const struct filter_row *row = find_row(filters->items[i], &value);
		int rc = row ? row->fn(s, n, value, err) : filter_unknown(filters->items[i], err);

		if (rc < 0)
			return rc;
		refused = refused || (row->every && rc == 0);
		asked[row - rows] = true;
		passed[row - rows] = passed[row - rows] || rc;
	}
	if (refused)
		return 0;
	for (size_t i = 0; i < ROW_COUNT; i++) {
		if (asked[i] && !passed[i])
			return 0;
	}
	return 1;
}

int engine_network_filter(struct engine *e, const struct strv *filters, struct network *list,
			  size_t *count, struct err *err)
{
	struct network_store s;
	size_t kept = 0, n = *count;
	int rc = 0;

	engine_network_store(e, &s);
	for (size_t i = 0; i < n; i++) {
		struct network swap = list[i];

		if (rc >= 0)
			rc = passes(&s, filters, &swap, err);
		/* Swapped, so that after an error every one is still freed once. */
		list[i] = list[kept];
		list[kept] = swap;
		kept += rc == 1;
	}
	if (rc < 0)
		return rc;
	for (size_t i = kept; i < n; i++)
		network_free(&list[i]);
	*count = kept;
	return 0;
}
