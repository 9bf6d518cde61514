/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding containers: by reference, or all of them. Reads only; never takes a lock for longer than a
 * look. What vanishes while it is being read was never there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "engine/brief.h"
#include "engine/engine.h"
#include "engine/internal.h"

int engine_for_each_id(int root_fd, int (*fn)(const char *id, void *arg), void *arg)
{
	auto_close int fd = openat(root_fd, "containers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int rc = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	take_fd(&fd);
	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		if (id_is_hex(entry->d_name, ID_LEN))
			rc = fn(entry->d_name, arg);
	}
	return rc;
}

struct id_list {
	char (*ids)[ID_LEN + 1];
	size_t count, capacity;
	const char *prefix; /* "" for all */
};

static int collect_id(const char *id, void *arg)
{
	struct id_list *list = arg;

	if (!str_starts(id, list->prefix))
		return 0;
	if (list->count == list->capacity) {
		list->capacity = list->capacity ? 2 * list->capacity : 64;
		list->ids = xrealloc(list->ids, list->capacity * sizeof(*list->ids));
	}
	memcpy(list->ids[list->count++], id, ID_LEN + 1);
	return 0;
}

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, ID_LEN);
}

/* All ids that have a directory in either root, each once; a running persistent container has one
 * in both. */
static int collect_ids(const struct engine *e, struct id_list *list, struct err *err)
{
	size_t kept = 0;
	int rc = engine_for_each_id(e->root_fd, collect_id, list);

	if (rc == 0)
		rc = engine_for_each_id(e->run_fd, collect_id, list);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "list containers: %s", err_errno_text(-rc));
	if (list->count)
		qsort(list->ids, list->count, sizeof(*list->ids), compare_ids);
	for (size_t i = 0; i < list->count; i++) {
		if (kept && compare_ids(list->ids[kept - 1], list->ids[i]) == 0)
			continue;
		memmove(list->ids[kept++], list->ids[i], ID_LEN + 1);
	}
	list->count = kept;
	return 0;
}

static bool has_record(const struct engine *e, const char *id)
{
	bool persistent;
	auto_close int fd = container_record_dir(e, id, &persistent);

	return fd >= 0;
}

/* 0, -ENOENT, or -EEXIST when several containers match. */
static int resolve_prefix(const struct engine *e, const char *prefix, char id[static ID_LEN + 1],
			  struct err *err)
{
	struct id_list list = {.prefix = prefix};
	size_t matches = 0;
	int rc = -ENOENT;

	if (strspn(prefix, "0123456789abcdef") != strlen(prefix))
		return -ENOENT;
	if (collect_ids(e, &list, err) < 0) {
		free(list.ids);
		return err_code(err);
	}
	for (size_t i = 0; i < list.count && matches < 2; i++) {
		if (!has_record(e, list.ids[i]))
			continue;
		memcpy(id, list.ids[i], ID_LEN + 1);
		matches++;
		rc = 0;
	}
	free(list.ids);
	return matches > 1 ? -EEXIST : rc;
}

static int resolve(const struct engine *e, const char *reference, char id[static ID_LEN + 1],
		   struct err *err)
{
	if (id_is_hex(reference, ID_LEN) && has_record(e, reference)) {
		memcpy(id, reference, ID_LEN + 1);
		return 0;
	}
	if (name_resolve(e, reference, id) == 0 && has_record(e, id))
		return 0;
	return resolve_prefix(e, reference, id, err);
}

typedef int (*read_fn)(struct engine *e, const char *id, struct container *c, struct err *err);

static int find(struct engine *e, const char *reference, read_fn read_one, struct container *c,
		struct err *err)
{
	const char *bare = *reference == '/' ? reference + 1 : reference;
	char id[ID_LEN + 1];
	int rc;

	if (!*bare)
		return err_set(err, ERR_INVALID, EINVAL,
			       "invalid container name or ID: value is empty");
	err->kind = ERR_NONE;
	rc = resolve(e, bare, id, err);
	if (rc == -EEXIST)
		return err_set(err, ERR_INVALID, EINVAL,
			       "multiple IDs found with provided prefix: %s", bare);
	if (rc < 0 && err->kind != ERR_NONE)
		return rc;
	if (rc < 0)
		return err_set(err, ERR_NOT_FOUND, ENOENT, "No such container: %s", reference);
	rc = read_one(e, id, c, err);
	if (rc < 0 && err->kind == ERR_NOT_FOUND)
		return err_set(err, ERR_NOT_FOUND, ENOENT, "No such container: %s", reference);
	return rc;
}

int container_find(struct engine *e, const char *reference, struct container *c, struct err *err)
{
	return find(e, reference, container_record_read, c, err);
}

int container_find_brief(struct engine *e, const char *reference, struct container *c,
			 struct err *err)
{
	return find(e, reference, container_brief_read, c, err);
}

static int newest_first(const void *a, const void *b)
{
	const struct container *x = *(struct container *const *)a;
	const struct container *y = *(struct container *const *)b;

	if (x->created_ns != y->created_ns)
		return x->created_ns < y->created_ns ? 1 : -1;
	return strcmp(x->id, y->id);
}

/* By pointers: the struct is too big to be swapped a dozen times. */
static struct container *sort_newest_first(struct container *list, size_t count)
{
	auto_free struct container **order = xcalloc(count + 1, sizeof(struct container *));
	struct container *sorted = xcalloc(count + 1, sizeof(*sorted));

	for (size_t i = 0; i < count; i++)
		order[i] = &list[i];
	qsort(order, count, sizeof(struct container *), newest_first);
	for (size_t i = 0; i < count; i++)
		sorted[i] = *order[i];
	free(list);
	return sorted;
}

void container_list_free(struct container *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		container_free(&list[i]);
	free(list);
}

static int list_by(struct engine *e, read_fn read_one, struct container **out, size_t *count,
		   struct err *err)
{
	struct id_list ids = {.prefix = ""};
	struct container *list;
	size_t n = 0;

	if (collect_ids(e, &ids, err) < 0) {
		free(ids.ids);
		return err_code(err);
	}
	list = xcalloc(ids.count, sizeof(*list));
	for (size_t i = 0; i < ids.count; i++) {
		struct err one = ERR_INIT;

		container_init(&list[n]);
		/* Half-made, vanished or damaged: one bad record must not hide the others; `system
		 * check` names it. */
		if (read_one(e, ids.ids[i], &list[n], &one) < 0)
			container_free(&list[n]);
		else
			n++;
	}
	free(ids.ids);
	*out = sort_newest_first(list, n);
	*count = n;
	return 0;
}

int container_list(struct engine *e, struct container **out, size_t *count, struct err *err)
{
	return list_by(e, container_record_read, out, count, err);
}

int container_list_brief(struct engine *e, struct container **out, size_t *count, struct err *err)
{
	return list_by(e, container_brief_read, out, count, err);
}

int engine_image_user(void *engine, const char *image_id, char container_id[65], bool *running,
		      struct err *err)
{
	struct container *list = NULL;
	size_t count = 0;
	int found = 0, rc = container_list_brief(engine, &list, &count, err);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		bool alive = container_is_alive(&list[i]);

		if (!list[i].image_id || !str_eq(list[i].image_id, image_id) || (found && !alive))
			continue;
		memcpy(container_id, list[i].id, ID_LEN + 1);
		*running = alive;
		found = 1;
		if (alive)
			break;
	}
	container_list_free(list, count);
	return rc < 0 ? rc : found;
}
