/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passwd(5) and group(5) as text from an image: untrusted, any length, any bytes. Lines that do not
 * parse are passed over; the first match wins.
 */
#include "engine/user.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define FIELDS_MAX 7
#define ID_MAX INT32_MAX

/* One line cut at colons; pieces point into the text and are not terminated. */
struct line {
	const char *field[FIELDS_MAX];
	size_t len[FIELDS_MAX];
	size_t count;
};

/* Takes the next line from *at; false at the end of the text. */
static bool next_line(const char **at, struct line *out)
{
	const char *p = *at, *end;

	if (!p || !*p)
		return false;
	end = p + strcspn(p, "\n");
	*at = *end ? end + 1 : end;
	out->count = 0;
	while (out->count < FIELDS_MAX) {
		size_t n = (size_t)(end - p);
		const char *colon = memchr(p, ':', n);

		n = colon ? (size_t)(colon - p) : n;
		out->field[out->count] = p;
		out->len[out->count++] = n;
		if (!colon)
			break;
		p = colon + 1;
	}
	return true;
}

static bool field_is(const struct line *l, size_t i, const char *text, size_t n)
{
	return i < l->count && l->len[i] == n && memcmp(l->field[i], text, n) == 0;
}

static bool field_number(const struct line *l, size_t i, uint32_t *out)
{
	char text[12];
	uint64_t v;

	if (i >= l->count || l->len[i] == 0 || l->len[i] >= sizeof(text))
		return false;
	memcpy(text, l->field[i], l->len[i]);
	text[l->len[i]] = '\0';
	if (str_to_u64(text, &v) < 0 || v > ID_MAX)
		return false;
	*out = (uint32_t)v;
	return true;
}

/* 1: a number in range; 0: not a number; -ERANGE. */
static int parse_id(const char *text, uint32_t *out)
{
	bool negative = *text == '-';
	uint64_t v;
	int rc = str_to_u64(text + negative, &v);

	if (rc == -EINVAL)
		return 0;
	if (rc < 0 || v > ID_MAX || (negative && v))
		return -ERANGE;
	*out = (uint32_t)v;
	return 1;
}

static int out_of_range(struct err *err)
{
	return err_set(err, ERR_INVALID, ERANGE, "uids and gids must be in range 0-%d", ID_MAX);
}

static int add_group(struct user_identity *u, uint32_t gid, struct err *err)
{
	for (size_t i = 0; i < u->group_count; i++) {
		if (u->groups[i] == gid)
			return 0;
	}
	if (u->group_count == USER_GROUPS_MAX)
		return err_set(err, ERR_INVALID, E2BIG, "more than %d supplementary groups",
			       USER_GROUPS_MAX);
	u->groups[u->group_count++] = gid;
	return 0;
}

/* Whether the comma-separated member list of a group holds name. */
static bool has_member(const struct line *l, const char *name, size_t name_len)
{
	const char *p, *end;

	if (l->count < 4 || !name_len)
		return false;
	p = l->field[3];
	end = p + l->len[3];
	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		size_t n = comma ? (size_t)(comma - p) : (size_t)(end - p);

		if (n == name_len && memcmp(p, name, n) == 0)
			return true;
		p += n + 1;
	}
	return false;
}

static int find_user(const char *name, const char *passwd, struct user_identity *u,
		     char user_name[256], struct err *err)
{
	uint32_t wanted = 0, uid, gid;
	int numeric = *name ? parse_id(name, &wanted) : 1;
	const char *at = passwd;
	struct line l;

	if (numeric < 0)
		return out_of_range(err);
	while (next_line(&at, &l)) {
		bool match = *name && field_is(&l, 0, name, strlen(name));

		if (!field_number(&l, 2, &uid) || !field_number(&l, 3, &gid))
			continue;
		if (!match && !(numeric && uid == wanted))
			continue;
		u->uid = uid;
		u->gid = gid;
		snprintf(user_name, 256, "%.*s", (int)l.len[0], l.field[0]);
		if (l.count > 5 && l.len[5] && l.len[5] < sizeof(u->home))
			snprintf(u->home, sizeof(u->home), "%.*s", (int)l.len[5], l.field[5]);
		return 0;
	}
	if (!numeric)
		return err_set(err, ERR_INVALID, EINVAL,
			       "unable to find user %s: no matching entries in passwd file", name);
	u->uid = wanted;
	return 0;
}

static int find_group(const char *name, const char *group, uint32_t *gid, struct err *err)
{
	int numeric = parse_id(name, gid);
	const char *at = group;
	struct line l;

	if (numeric < 0)
		return out_of_range(err);
	while (next_line(&at, &l)) {
		uint32_t found;

		if (field_is(&l, 0, name, strlen(name)) && field_number(&l, 2, &found)) {
			*gid = found;
			return 0;
		}
	}
	return numeric ? 0
		       : err_set(err, ERR_INVALID, EINVAL,
				 "unable to find group %s: no matching entries in group file",
				 name);
}

static int add_memberships(const char *user_name, const char *group, struct user_identity *u,
			   struct err *err)
{
	const char *at = group;
	struct line l;

	while (next_line(&at, &l)) {
		uint32_t gid;
		int rc;

		if (!has_member(&l, user_name, strlen(user_name)) || !field_number(&l, 2, &gid))
			continue;
		rc = add_group(u, gid, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int user_resolve(const char *spec, const struct strv *group_add, const char *passwd,
		 const char *group, struct user_identity *out, struct err *err)
{
	auto_free char *name = xstrdup(spec ? spec : "");
	char *colon = strchr(name, ':');
	char user_name[256] = "";
	uint32_t gid;
	int rc;

	out->uid = out->gid = 0;
	out->group_count = 0;
	strcpy(out->home, "/");
	if (colon)
		*colon++ = '\0';
	rc = find_user(name, passwd, out, user_name, err);
	if (rc == 0 && colon && *colon) {
		rc = find_group(colon, group, &gid, err);
		out->gid = rc == 0 ? gid : out->gid;
	} else if (rc == 0 && *user_name) {
		rc = add_memberships(user_name, group, out, err);
	}
	/* The primary group belongs to the list, else giving it up would take nothing away
	 * (CVE-2022-36109). */
	if (rc == 0)
		rc = add_group(out, out->gid, err);
	for (size_t i = 0; rc == 0 && i < group_add->count; i++) {
		rc = find_group(group_add->items[i], group, &gid, err);
		if (rc == 0)
			rc = add_group(out, gid, err);
	}
	return rc;
}
