/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --volumes-from: the mounts of other containers, bound at the same places. What the container asks
 * for itself comes before them, and of two containers the later one named wins. Decided when the
 * container is made; that the other one goes away later changes nothing.
 */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "engine/internal.h"

/* <data>/volumes/<name>/_data -> name */
static char *name_of_path(const char *path)
{
	const char *end = strrchr(path, '/'), *begin = end;

	while (begin && begin > path && begin[-1] != '/')
		begin--;
	return begin ? xstrndup(begin, (size_t)(end - begin)) : NULL;
}

static char *copy_text(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

/* The place for a mount on target: a new one, that of an earlier container named, or NULL when the
 * container has its own. */
static struct mount_request *place_for(struct container_config *c, const char *target)
{
	for (size_t i = 0; i < c->mount_count; i++) {
		struct mount_request *m = &c->mounts[i];

		if (!str_eq(m->target, target))
			continue;
		if (!m->inherited)
			return NULL;
		mount_request_clear(m);
		return m;
	}
	return container_config_add_mount(c);
}

static void inherit(struct container_config *c, const struct mount_request *from,
		    const char *volume_path, bool read_only)
{
	auto_free char *volume = volume_path ? name_of_path(volume_path) : NULL;
	struct mount_request *m = place_for(c, from->target);

	if (!m)
		return;
	m->kind = from->kind;
	m->source = volume ? take_ptr(&volume) : copy_text(from->source);
	m->target = xstrdup(from->target);
	m->mode = copy_text(from->mode);
	m->propagation = copy_text(from->propagation);
	m->read_only = from->read_only || read_only;
	m->non_recursive = from->non_recursive;
	m->no_copy = true;
	m->inherited = true;
}

static int parse_mode(const char *mode, bool *read_only, struct err *err)
{
	*read_only = false;
	for (const char *p = mode; p && *p;) {
		size_t n = strcspn(p, ",");

		if (n == 2 && strncmp(p, "ro", 2) == 0)
			*read_only = true;
		else if (!(n == 2 && strncmp(p, "rw", 2) == 0) &&
			 !(n == 1 && (*p == 'z' || *p == 'Z')))
			return err_set(err, ERR_INVALID, EINVAL, "invalid mode: %s", mode);
		p += n + (p[n] == ',');
	}
	return 0;
}

static int inherit_all(struct engine *e, struct container *c, const char *spec, struct err *err)
{
	auto_container struct container from;
	auto_free char *reference = xstrndup(spec, strcspn(spec, ":"));
	const char *mode = strchr(spec, ':');
	size_t volume = 0;
	bool read_only;
	int rc;

	container_init(&from);
	if (!*reference)
		return err_set(err, ERR_INVALID, EINVAL,
			       "volumes-from specification cannot be an empty string");
	rc = parse_mode(mode ? mode + 1 : NULL, &read_only, err);
	if (rc == 0)
		rc = container_find(e, reference, &from, err);
	for (size_t i = 0; rc == 0 && i < from.config.mount_count; i++) {
		const struct mount_request *m = &from.config.mounts[i];
		const char *path = NULL;

		if (m->kind == MOUNT_KIND_TMPFS)
			continue;
		if (m->kind == MOUNT_KIND_VOLUME) {
			if (volume >= from.volume_paths.count)
				break;
			path = from.volume_paths.items[volume++];
		}
		inherit(&c->config, m, path, read_only);
	}
	return rc;
}

int container_volumes_from(struct engine *e, struct container *c, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->config.volumes_from.count; i++)
		rc = inherit_all(e, c, c->config.volumes_from.items[i], err);
	return rc;
}
