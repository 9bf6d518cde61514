/* SPDX-License-Identifier: Apache-2.0 */
/* The filters of volume lists and prunes, by table. Nothing is decided here that Docker decides
 * otherwise (moby volume/service). */
#include <errno.h>
#include <regex.h>

#include "base/clock.h"
#include "base/str.h"
#include "engine/filter_values.h"
#include "engine/volume_record.h"

struct filter_context {
	const struct container *containers;
	size_t container_count;
};

/* 1: passes, 0: not, -errno with *err. value is what stands behind the equals sign. */
typedef int (*filter_fn)(struct filter_context *f, const struct volume *v, const char *value,
			 struct err *err);

static int by_dangling(struct filter_context *f, const struct volume *v, const char *value,
		       struct err *err)
{
	bool wanted;

	if (str_to_bool(value, &wanted) < 0)
		return filter_bad_value("dangling", value, err);
	return wanted == (volume_users(v, f->containers, f->container_count) == 0);
}

static int by_driver(struct filter_context *f, const struct volume *v, const char *value,
		     struct err *err)
{
	(void)f, (void)v, (void)err;
	return str_eq(value, "local");
}

static int by_label(struct filter_context *f, const struct volume *v, const char *value,
		    struct err *err)
{
	(void)f, (void)err;
	return filter_label(&v->labels, value);
}

static int by_other_label(struct filter_context *f, const struct volume *v, const char *value,
			  struct err *err)
{
	(void)f, (void)err;
	return !filter_label(&v->labels, value);
}

static int by_name(struct filter_context *f, const struct volume *v, const char *value,
		   struct err *err)
{
	regex_t regex;
	int rc;

	(void)f;
	if (regcomp(&regex, value, REG_EXTENDED | REG_NOSUB) != 0)
		return err_set(err, ERR_INVALID, EINVAL,
			       "invalid filter: %s is no regular expression", value);
	rc = regexec(&regex, v->name, 0, NULL, 0);
	regfree(&regex);
	return rc == 0;
}

/* prune: named ones too. */
static int by_all(struct filter_context *f, const struct volume *v, const char *value,
		  struct err *err)
{
	bool all;

	(void)f;
	if (str_to_bool(value, &all) < 0)
		return filter_bad_value("all", value, err);
	return all || v->anonymous;
}

static const struct filter_row {
	const char *key;
	filter_fn fn;
	bool every;     /* all values must pass, not any */
	bool in_lists;  /* of volume ls */
	bool in_prunes; /* of volume prune */
} rows[] = {
	{"all", by_all, true, false, true},           {"dangling", by_dangling, true, true, false},
	{"driver", by_driver, false, true, false},    {"label", by_label, true, true, true},
	{"label!", by_other_label, true, true, true}, {"name", by_name, false, true, false},
};
#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static const struct filter_row *find_row(const char *filter, bool prune, const char **value)
{
	size_t n = strcspn(filter, "=");

	*value = filter[n] ? filter + n + 1 : "";
	for (size_t i = 0; i < ROW_COUNT; i++) {
		if ((prune ? rows[i].in_prunes : rows[i].in_lists) && strlen(rows[i].key) == n &&
		    memcmp(rows[i].key, filter, n) == 0)
			return &rows[i];
	}
	return NULL;
}

static int passes(struct filter_context *f, const struct strv *filters, bool prune,
		  const struct volume *v, struct err *err)
{
	bool asked[ROW_COUNT] = {false}, passed[ROW_COUNT] = {false};

	for (size_t i = 0; i < filters->count; i++) {
		const char *value;
		const struct filter_row *row = find_row(filters->items[i], prune, &value);
		int rc = row->fn(f, v, value, err);

		if (rc < 0 || (rc == 0 && row->every))
			return rc;
		asked[row - rows] = true;
		passed[row - rows] = passed[row - rows] || rc;
	}
	for (size_t i = 0; i < ROW_COUNT; i++) {
		if (asked[i] && !passed[i])
			return 0;
	}
	return 1;
}

int volume_filter(struct engine *e, const struct strv *filters, bool prune, struct volume *list,
		  size_t *count, struct err *err)
{
	char empty[] = "";
	const struct volume nothing = {.name = empty, .mountpoint = empty};
	struct filter_context f = {.containers = NULL};
	struct container *containers = NULL;
	size_t kept = 0, n = *count;
	bool users = false;
	int rc = 0;

	for (size_t i = 0; i < filters->count; i++) {
		const char *value;
		const struct filter_row *row = find_row(filters->items[i], prune, &value);

		if (!row)
			return filter_unknown(filters->items[i], err);
		users = users || row->fn == by_dangling;
	}
	if (users)
		rc = container_list_brief(e, &containers, &f.container_count, err);
	f.containers = containers;
	/* A bad value is one whether there is anything to filter or not. */
	if (rc == 0)
		rc = passes(&f, filters, prune, &nothing, err);
	for (size_t i = 0; i < n; i++) {
		struct volume swap = list[i];

		if (rc >= 0)
			rc = passes(&f, filters, prune, &swap, err);
		/* Swapped, so that after an error every one is still freed once. */
		list[i] = list[kept];
		list[kept] = swap;
		kept += rc == 1;
	}
	container_list_free(containers, f.container_count);
	if (rc < 0)
		return rc;
	for (size_t i = kept; i < n; i++)
		volume_free(&list[i]);
	*count = kept;
	return 0;
}
