/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of control groups under both drivers. What must hold: two containers never share a path, and
 * no path leaves the parent it was asked for.
 */
#include "engine/cgroup_path.h"

#include <errno.h>
#include <stdio.h>

#include "base/str.h"

#define DEFAULT_CGROUP_PARENT "/cloche"
#define DEFAULT_SCOPE_PREFIX "cloche"
#define SLICE_SUFFIX ".slice"
#define SCOPE_SUFFIX ".scope"

static int bad_slice(const char *slice, struct err *err)
{
	return err_set(err, ERR_INVALID, EINVAL,
		       "cgroup-parent for systemd cgroup should be a valid slice named as "
		       "\"xxx.slice\", not \"%.200s\"",
		       slice);
}

int systemd_expand_slice(const char *slice, char *out, size_t size, struct err *err)
{
	size_t n = strlen(slice), used = 0;
	size_t stem = n - strlen(SLICE_SUFFIX);

	if (n <= strlen(SLICE_SUFFIX) || !str_ends(slice, SLICE_SUFFIX) || strchr(slice, '/') ||
	    strchr(slice, '\n') || n >= UNIT_NAME_MAX || !size)
		return bad_slice(slice, err);
	*out = '\0';
	if (str_eq(slice, "-" SLICE_SUFFIX))
		return 0;
	for (size_t i = 0; i <= stem; i++) {
		bool end = i == stem || slice[i] == '-';

		if (!end)
			continue;
		/* No component may be empty. */
		if (i == 0 || slice[i - 1] == '-' ||
		    str_format(out + used, size - used, "/%.*s" SLICE_SUFFIX, (int)i, slice) < 0)
			return bad_slice(slice, err);
		used += strlen(out + used);
	}
	return 0;
}

const char *engine_slice(const struct engine *e, const char *parent)
{
	return parent && *parent ? parent : e->slice;
}

static const char *scope_prefix(const struct engine *e)
{
	return e->runtimes.scope_prefix ? e->runtimes.scope_prefix : DEFAULT_SCOPE_PREFIX;
}

void engine_scope_name(const struct engine *e, const char *id, char out[static UNIT_NAME_MAX])
{
	snprintf(out, UNIT_NAME_MAX, "%s-%.64s" SCOPE_SUFFIX, scope_prefix(e), id);
}

int engine_cgroup_path(const struct engine *e, const char *parent, const char *id, char *out,
		       size_t size, struct err *err)
{
	bool given = parent && *parent;
	char slice[CGROUP_PATH_MAX], scope[UNIT_NAME_MAX];
	int rc = 0;

	if (!e->runtimes.systemd) {
		const char *at = given ? parent : e->cgroup_parent;

		rc = str_format(out, size, "%s%s/%s", *at == '/' ? "" : "/", at, id);
	} else {
		if (given && systemd_expand_slice(parent, slice, sizeof(slice), err) < 0)
			return err_code(err);
		engine_scope_name(e, id, scope);
		rc = str_format(out, size, "%s/%s", given ? slice : e->cgroup_parent, scope);
	}
	if (rc < 0)
		return err_set(err, ERR_INVALID, ENAMETOOLONG, "cgroup-parent %.200s: too long",
			       given ? parent : e->cgroup_parent);
	return cgroup_check_path(out, err);
}

int container_cgroup_path(const struct engine *e, const struct container *c,
			  char out[static CGROUP_PATH_MAX], struct err *err)
{
	return engine_cgroup_path(e, c->config.cgroup_parent, c->id, out, CGROUP_PATH_MAX, err);
}

int engine_oci_cgroup_path(const struct engine *e, const char *parent, const char *id, char *out,
			   size_t size, struct err *err)
{
	if (!e->runtimes.systemd)
		return engine_cgroup_path(e, parent, id, out, size, err);
	if (str_format(out, size, "%s:%s:%s", engine_slice(e, parent), scope_prefix(e), id) < 0)
		return err_set(err, ERR_INVALID, ENAMETOOLONG, "cgroup-parent: too long");
	return 0;
}

bool engine_cgroup_id(const struct engine *e, const char *name, char id[static ID_LEN + 1])
{
	const char *prefix = scope_prefix(e);
	size_t n = strlen(prefix);

	if (e->runtimes.systemd) {
		if (!str_starts(name, prefix) || name[n] != '-' ||
		    strlen(name + n + 1) != ID_LEN + strlen(SCOPE_SUFFIX) ||
		    !str_ends(name, SCOPE_SUFFIX))
			return false;
		name += n + 1;
	} else if (strlen(name) != ID_LEN) {
		return false;
	}
	snprintf(id, ID_LEN + 1, "%.*s", ID_LEN, name);
	return id_is_hex(id, ID_LEN);
}

int engine_set_cgroup_parent(struct engine *e, const char *text, struct err *err)
{
	bool given = text && *text;
	int rc;

	if (e->runtimes.systemd) {
		rc = str_format(e->slice, sizeof(e->slice), "%s",
				given ? text : SYSTEMD_DEFAULT_SLICE);
		if (rc == 0)
			return systemd_expand_slice(e->slice, e->cgroup_parent,
						    sizeof(e->cgroup_parent), err);
	} else {
		const char *path = given ? text : DEFAULT_CGROUP_PARENT;

		rc = str_format(e->cgroup_parent, sizeof(e->cgroup_parent), "%s%s",
				*path == '/' ? "" : "/", path);
	}
	if (rc < 0)
		return err_set(err, ERR_INVALID, ENAMETOOLONG, "cgroup-parent %.200s: too long",
			       text ? text : "");
	if (cgroup_check_path(e->cgroup_parent, err) < 0)
		return err_wrap(err, "cgroup-parent");
	return 0;
}
