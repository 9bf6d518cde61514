/* SPDX-License-Identifier: Apache-2.0 */
/* The filters of image lists, by table. Nothing is decided here that Docker decides otherwise. */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "image/layout.h"

#define NS_PER_S 1000000000u

struct filter_context {
	struct image_store *store;
	const char *key; /* of the filter being asked */
};

/* 1: passes, 0: not, -errno with *err. value is what stands behind the equals sign. */
typedef int (*filter_fn)(struct filter_context *f, const struct image_summary *i, const char *value,
			 struct err *err);

static int bad_value(struct filter_context *f, const char *value, struct err *err)
{
	return err_set(err, ERR_INVALID, EINVAL, "invalid filter '%s=[%.200s]'", f->key, value);
}

static int by_dangling(struct filter_context *f, const struct image_summary *i, const char *value,
		       struct err *err)
{
	bool wanted;

	if (str_to_bool(value, &wanted) < 0)
		return bad_value(f, value, err);
	return wanted == (i->tags.count + i->digests.count == 0);
}

static int by_label(struct filter_context *f, const struct image_summary *i, const char *value,
		    struct err *err)
{
	(void)f, (void)err;
	if (strchr(value, '='))
		return strv_contains(&i->labels, value);
	return strv_get_env(&i->labels, value) != NULL;
}

/* When the image that a filter names was created. */
static int created_of(struct filter_context *f, const char *reference, uint64_t *out,
		      struct err *err)
{
	auto_image struct image image = {0};
	int rc = image_resolve(f->store, reference, &image, err);

	if (rc == 0)
		*out = image.config.created_ns;
	return rc;
}

static int by_before(struct filter_context *f, const struct image_summary *i, const char *value,
		     struct err *err)
{
	uint64_t created;
	int rc = created_of(f, value, &created, err);

	return rc < 0 ? rc : i->created_ns < created;
}

static int by_since(struct filter_context *f, const struct image_summary *i, const char *value,
		    struct err *err)
{
	uint64_t created;
	int rc = created_of(f, value, &created, err);

	return rc < 0 ? rc : i->created_ns > created;
}

/* A point in time: a duration before now, RFC 3339, or seconds since the epoch. */
static int by_until(struct filter_context *f, const struct image_summary *i, const char *value,
		    struct err *err)
{
	uint64_t until, seconds;
	int64_t ago;

	if (str_to_u64(value, &seconds) == 0)
		until = seconds * NS_PER_S;
	else if (str_to_duration(value, &ago) == 0)
		until = clock_wall_ns() - (uint64_t)ago;
	else if (clock_parse_rfc3339(value, &until) < 0)
		return bad_value(f, value, err);
	return i->created_ns < until;
}

/* Go's path.Match of the pattern with "name:tag", then with "name" alone. */
static bool name_matches(const char *pattern, const char *name)
{
	struct err ignored = ERR_INIT;
	struct reference r;

	if (fnmatch(pattern, name, FNM_PATHNAME) == 0)
		return true;
	return reference_parse(name, &r, &ignored) == 0 &&
	       fnmatch(pattern, r.name, FNM_PATHNAME) == 0;
}

static bool any_matches(const char *pattern, const struct strv *names)
{
	for (size_t i = 0; i < names->count; i++)
		if (name_matches(pattern, names->items[i]))
			return true;
	return false;
}

/* Whether Go's path.Match could read it: sets are closed and hold something, a backslash is followed. */
static bool pattern_valid(const char *p)
{
	for (; *p; p++) {
		if (*p == '\\' && !*++p)
			return false;
		if (*p != '[')
			continue;
		p += p[1] == '^';
		if (p[1] == ']')
			return false;
		while (*++p != ']') {
			if (!*p || (*p == '\\' && !*++p))
				return false;
		}
	}
	return true;
}

static int by_reference(struct filter_context *f, const struct image_summary *i, const char *value,
			struct err *err)
{
	(void)f;
	if (!pattern_valid(value))
		return err_set(err, ERR_INVALID, EINVAL, "syntax error in pattern");
	return any_matches(value, &i->tags) || any_matches(value, &i->digests);
}

static const struct filter_row {
	const char *key;
	filter_fn fn;
	bool all; /* every value must pass, not any */
} rows[] = {
	{"dangling", by_dangling, false}, {"label", by_label, true},
	{"before", by_before, false},     {"since", by_since, false},
	{"until", by_until, false},       {"reference", by_reference, false},
};
#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static const struct filter_row *find_row(const char *filter, const char **value)
{
	size_t n = strcspn(filter, "=");

	*value = filter[n] ? filter + n + 1 : "";
	for (size_t i = 0; i < ROW_COUNT; i++)
		if (strlen(rows[i].key) == n && memcmp(rows[i].key, filter, n) == 0)
			return &rows[i];
	return NULL;
}

/* One key against all its values. */
static int passes_key(struct filter_context *f, const struct filter_row *row,
		      const struct strv *filters, const struct image_summary *i, struct err *err)
{
	bool asked = false;

	f->key = row->key;
	for (size_t n = 0; n < filters->count; n++) {
		const char *value;
		int rc;

		if (find_row(filters->items[n], &value) != row)
			continue;
		asked = true;
		rc = row->fn(f, i, value, err);
		if (rc < 0 || (rc == 0) == row->all)
			return rc;
	}
	return !asked || row->all;
}

/* With filters for references only the names that match are shown. */
static void keep_matching(struct strv *names, const struct strv *filters)
{
	struct strv kept = {0};
	bool asked = false;

	for (size_t i = 0; i < names->count; i++) {
		bool keep = false;

		for (size_t n = 0; n < filters->count; n++) {
			const char *value;
			const struct filter_row *row = find_row(filters->items[n], &value);

			if (row->fn != by_reference)
				continue;
			asked = true;
			keep = keep || name_matches(value, names->items[i]);
		}
		if (keep || !asked)
			strv_add(&kept, names->items[i]);
	}
	strv_free(names);
	*names = kept;
}

static int passes(struct filter_context *f, const struct strv *filters,
		  const struct image_summary *i, struct err *err)
{
	int rc = 1;

	for (size_t n = 0; rc == 1 && n < ROW_COUNT; n++)
		rc = passes_key(f, &rows[n], filters, i, err);
	return rc;
}

int image_filter(struct image_store *s, const struct strv *filters, struct image_summary *list,
		 size_t *count, struct err *err)
{
	struct filter_context f = {.store = s};
	size_t kept = 0, n = *count;
	int rc = 0;

	for (size_t i = 0; i < filters->count; i++) {
		const char *value;

		if (!find_row(filters->items[i], &value))
			return err_set(err, ERR_INVALID, EINVAL, "invalid filter '%.*s'",
				       (int)strcspn(filters->items[i], "="), filters->items[i]);
	}
	for (size_t i = 0; i < n; i++) {
		struct image_summary swap = list[i];

		if (rc >= 0)
			rc = passes(&f, filters, &swap, err);
		/* swapped, so that after an error every one is still freed once */
		list[i] = list[kept];
		list[kept] = swap;
		if (rc == 1) {
			keep_matching(&list[kept].tags, filters);
			keep_matching(&list[kept].digests, filters);
			kept++;
		}
	}
	if (rc < 0)
		return rc;
	for (size_t i = kept; i < n; i++)
		image_summary_free(&list[i]);
	*count = kept;
	return 0;
}
