/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of volumes. A volume exists when its directory has _data in it; volume.json is written
 * before that, so that no volume can be met without the options it was made with. A removal renames
 * the directory to a name that is none and deletes it then: it can be cut anywhere.
 */
#include "engine/volume_record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "engine/event.h"
#include "engine/fields.h"
#include "engine/internal.h"
#include "engine/volume.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

void volume_free(struct volume *v)
{
	free(v->name);
	free(v->mountpoint);
	strv_free(&v->labels);
	strv_free(&v->options);
	*v = (struct volume){.name = NULL};
}

void volume_list_free(struct volume *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		volume_free(&list[i]);
	free(list);
}

/* ---- the file ---- */

static void write_created(struct json_writer *w, const char *key, const void *base)
{
	char text[CLOCK_RFC3339_MAX];

	clock_format_rfc3339(((const struct volume *)base)->created_ns, text);
	json_write_string(w, key, text);
}

static int read_created(struct json_object *v, void *base)
{
	struct volume *volume = base;

	if (!json_object_is_type(v, json_type_string))
		return -EINVAL;
	return clock_parse_rfc3339(json_object_get_string(v), &volume->created_ns);
}

#define AT(member) .offset = offsetof(struct volume, member)
static const struct field file_fields[] = {
	{"SchemaVersion", FIELD_LITERAL, .literal = "1"},
	{"CreatedAt", FIELD_CUSTOM, .write = write_created, .read = read_created},
	{"Driver", FIELD_LITERAL, .literal = "\"local\""},
	{"Labels", FIELD_MAP, AT(labels)},
	{"Options", FIELD_MAP, AT(options)},
	{"Anonymous", FIELD_BOOL, AT(anonymous)},
};

static int write_file(int volume_dir, const struct volume *v, struct err *err)
{
	auto_strbuf struct strbuf text = {0};
	struct json_writer w = {.out = &text};
	int rc;

	json_write_begin(&w, NULL, '{');
	fields_write(&w, file_fields, COUNT_OF(file_fields), v);
	json_write_end(&w, '}');
	strbuf_putc(&text, '\n');
	rc = file_replace_at(volume_dir, VOLUME_FILE, text.data, text.len, 0600, FILE_DURABLE);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "record volume %s: %s", v->name,
				err_errno_text(-rc))
		      : 0;
}

static uint64_t time_of(const struct stat *st)
{
	return (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
}

/* Fills *v from the directory of volume `name`. -ENOENT when there is no such volume. */
static int read_volume(struct engine *e, const char *name, struct volume *v, struct err *err)
{
	auto_free char *path = xasprintf("volumes/%s", name);
	auto_close int dir =
		openat(e->root_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_json struct json_object *o = NULL;
	struct stat st;
	int rc;

	if (dir < 0 || faccessat(dir, "_data", F_OK, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fstat(dir, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
			       ? -ENOENT
			       : err_sys(err, "open volume %s", name);
	v->name = xstrdup(name);
	v->mountpoint = xasprintf("%s/%s/_data", e->root, path);
	rc = json_read_at(dir, VOLUME_FILE, VOLUME_FILE_MAX, &o, err);
	if (rc == -ENOENT) {
		v->created_ns = time_of(&st);
		v->anonymous = id_is_hex(name, ID_LEN);
		return 0;
	}
	if (rc == 0)
		rc = fields_read(file_fields, COUNT_OF(file_fields), o, v, VOLUME_FILE, err);
	/* -ENOENT means that there is none. */
	return rc < 0 ? err_wrap(err, "volume %s", name) : 0;
}

static int not_found(const char *name, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, ENOENT, "get %s: no such volume", name);
}

/* A name that is a path leads nowhere. */
static bool is_name(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/');
}

int volume_find(struct engine *e, const char *name, struct volume *out, struct err *err)
{
	int rc;

	*out = (struct volume){.name = NULL};
	rc = is_name(name) ? read_volume(e, name, out, err) : -ENOENT;
	return rc == -ENOENT ? not_found(name, err) : rc;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct volume *)a)->name, ((const struct volume *)b)->name);
}

int volume_list(struct engine *e, struct volume **out, size_t *count, struct err *err)
{
	int fd = openat(e->root_fd, "volumes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct volume *list = NULL;
	struct dirent *entry;
	size_t n = 0;

	*out = NULL;
	*count = 0;
	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, "read %s/volumes", e->root);
	while ((entry = readdir(dir)) != NULL) {
		struct volume v = {.name = NULL};
		struct err one = ERR_INIT;

		/* A damaged one must not hide the others. */
		if (!is_name(entry->d_name) || read_volume(e, entry->d_name, &v, &one) < 0) {
			volume_free(&v);
			continue;
		}
		list = xrealloc(list, (n + 1) * sizeof(*list));
		list[n++] = v;
	}
	if (n)
		qsort(list, n, sizeof(*list), compare_names);
	*out = list;
	*count = n;
	return 0;
}

/* ---- who uses it ---- */

size_t volume_users(const struct volume *v, const struct container *list, size_t count)
{
	size_t users = 0;

	for (size_t i = 0; i < count; i++)
		users += strv_contains(&list[i].volume_paths, v->mountpoint);
	return users;
}

/* ---- making ---- */

static const char *option(const struct strv *options, const char *key)
{
	const char *value = strv_get_env(options, key);

	return value ? value : "";
}

/* o=bind, rbind, ro, rw in any order; *bind and *read_only say what was found. */
static bool parse_flags(const char *text, bool *bind, bool *read_only)
{
	auto_free char *copy = xstrdup(text);
	char *rest = copy, *word;

	*bind = *read_only = false;
	while ((word = strsep(&rest, ",")) != NULL) {
		if (str_eq(word, "bind") || str_eq(word, "rbind"))
			*bind = true;
		else if (str_eq(word, "ro"))
			*read_only = true;
		else if (*word && !str_eq(word, "rw") && !str_eq(word, "private") &&
			 !str_eq(word, "rprivate"))
			return false;
	}
	return true;
}

/* moby's volume/local: which keys there are and what must come together. */
static int check_options(const struct strv *options, struct err *err)
{
	static const char *const known[] = {"type", "o", "device", "size"};
	const char *type = option(options, "type"), *device = option(options, "device");
	bool bind, read_only;

	for (size_t i = 0; i < options->count; i++) {
		size_t n = strcspn(options->items[i], "="), k = 0;

		while (k < COUNT_OF(known) &&
		       (strlen(known[k]) != n || strncmp(known[k], options->items[i], n) != 0))
			k++;
		if (k == COUNT_OF(known))
			return err_set(err, ERR_INVALID, EINVAL, "invalid option: \"%.*s\"", (int)n,
				       options->items[i]);
	}
	if (!options->count)
		return 0;
	if (*option(options, "size"))
		return err_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
			       "volume option size=%s: quotas of volumes are not supported",
			       option(options, "size"));
	if (!*device || !*type)
		return err_set(err, ERR_INVALID, EINVAL, "missing required option: \"%s\"",
			       *device ? "type" : "device");
	if (str_eq(type, "tmpfs"))
		return err_set(
			err, ERR_UNSUPPORTED, EOPNOTSUPP,
			"volume option type=tmpfs is not supported: it would be one mount of "
			"the host's, shared by all containers; use --tmpfs or --mount "
			"type=tmpfs");
	if (!parse_flags(option(options, "o"), &bind, &read_only) || !bind || *device != '/')
		return err_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
			       "volume options type=%.64s,o=%.64s,device=%.128s are not supported: "
			       "only type=none,o=bind[,ro] of an absolute path is",
			       type, option(options, "o"), device);
	return 0;
}

static int make(struct engine *e, const struct volume_request *r, const char *name, struct err *err)
{
	auto_close int dir = volume_lock_directory(e, name, err);
	struct volume v = {.name = (char *)name,
			   .created_ns = clock_wall_ns(),
			   .anonymous = !r->name || !*r->name,
			   .labels = r->labels,
			   .options = r->options};
	int rc;

	if (dir < 0)
		return dir;
	if (faccessat(dir, "_data", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	rc = write_file(dir, &v, err);
	if (rc == 0)
		rc = volume_make_data(dir, name, NULL, err);
	if (rc >= 0 && (fsync(dir) < 0 || file_sync_dir_at(e->root_fd, "volumes") < 0))
		rc = err_sys(err, "sync volume %s", name);
	if (rc >= 0)
		event_emit(e, "volume", "create", name,
			   &(struct event_attribute){"driver", "local"}, 1);
	return rc < 0 ? rc : 0;
}

int volume_create(struct engine *e, const struct volume_request *r, struct volume *out,
		  struct err *err)
{
	const char *name = r->name;
	char generated[ID_LEN + 1];
	auto_close int lock = -1;
	int rc;

	*out = (struct volume){.name = NULL};
	if (r->driver && *r->driver && !str_eq(r->driver, "local"))
		return err_set(
			err, ERR_NOT_FOUND, ENOENT,
			"create %s: error looking up volume plugin %s: plugin \"%s\" not found",
			name ? name : "", r->driver, r->driver);
	if (!name || !*name) {
		rc = id_generate(generated);
		if (rc < 0)
			return err_set(err, ERR_SYSTEM, -rc, "make a name: %s",
				       err_errno_text(-rc));
		name = generated;
	}
	rc = volume_check_name(name, err);
	if (rc == 0)
		rc = check_options(&r->options, err);
	if (rc < 0)
		return err_wrap(err, "create %s", name);
	rc = volumes_lock(e, false, &lock, err);
	if (rc == 0)
		rc = make(e, r, name, err);
	return rc < 0 ? rc : volume_find(e, name, out, err);
}

/* ---- removing ---- */

int volumes_lock(struct engine *e, bool exclusive, int *fd, struct err *err)
{
	auto_close int dir = openat(e->root_fd, "volumes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	while (dir < 0 || flock(dir, exclusive ? LOCK_EX : LOCK_SH) < 0) {
		if (dir < 0 || errno != EINTR)
			return err_sys(err, "lock %s/volumes", e->root);
	}
	*fd = take_fd(&dir);
	return 0;
}

int volume_take_away(struct engine *e, const char *name, char **aside)
{
	auto_free char *path = xasprintf("volumes/%s", name);
	auto_free char *gone = NULL;
	char id[ID_LEN + 1];
	int rc = id_generate(id);

	if (rc < 0)
		return rc;
	gone = xasprintf("volumes/" VOLUME_REMOVED_PREFIX "%s", id);
	if (renameat(e->root_fd, path, e->root_fd, gone) < 0)
		return -errno;
	*aside = take_ptr(&gone);
	return 0;
}

static int refuse_used(const char *name, const char *mountpoint, const struct container *list,
		       size_t count, struct err *err)
{
	auto_strbuf struct strbuf ids = {0};

	for (size_t i = 0; i < count; i++) {
		if (strv_contains(&list[i].volume_paths, mountpoint))
			strbuf_printf(&ids, "%s%s", ids.len ? ", " : "", list[i].id);
	}
	return ids.len ? err_set(err, ERR_CONFLICT, EBUSY, "remove %s: volume is in use - [%s]",
				 name, strbuf_str(&ids))
		       : 0;
}

/* Under the lock: nobody can begin to use it between the look and the taking. */
static int take_unused(struct engine *e, const char *name, char **aside, struct err *err)
{
	auto_free char *mountpoint = xasprintf("%s/volumes/%s/_data", e->root, name);
	struct container *list = NULL;
	auto_close int lock = -1;
	size_t count = 0;
	int rc = volumes_lock(e, true, &lock, err);

	if (rc == 0)
		rc = container_list_brief(e, &list, &count, err);
	if (rc == 0)
		rc = refuse_used(name, mountpoint, list, count, err);
	container_list_free(list, count);
	if (rc < 0)
		return rc;
	rc = volume_take_away(e, name, aside);
	if (rc == -ENOENT)
		return not_found(name, err);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "remove %s: %s", name, err_errno_text(-rc))
		      : 0;
}

int volume_remove(struct engine *e, const char *name, bool force, struct err *err)
{
	auto_free char *aside = NULL;
	int rc = is_name(name) ? take_unused(e, name, &aside, err) : not_found(name, err);

	if (rc < 0)
		return force && err->kind == ERR_NOT_FOUND ? 0 : rc;
	rc = remove_tree_at(e->root_fd, aside);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "remove %s: %s", name, err_errno_text(-rc));
	event_emit(e, "volume", "destroy", name, &(struct event_attribute){"driver", "local"}, 1);
	return 0;
}

/* ---- what it stands for ---- */

int volume_source(struct engine *e, const char *path, char **source, bool *read_only,
		  struct err *err)
{
	auto_volume struct volume v = {.name = NULL};
	auto_free char *prefix = xasprintf("%s/volumes/", e->root);
	auto_free char *name = NULL;
	bool bind;
	int rc;

	*source = NULL;
	*read_only = false;
	if (str_starts(path, prefix) && str_ends(path, "/_data")) {
		size_t n = strlen(prefix);

		name = xstrndup(path + n, strlen(path) - n - strlen("/_data"));
		rc = volume_find(e, name, &v, err);
		if (rc < 0 && err->kind != ERR_NOT_FOUND)
			return rc;
	}
	if (!v.options.count) {
		*source = xstrdup(path);
		return 0;
	}
	if (!parse_flags(option(&v.options, "o"), &bind, read_only))
		*read_only = false;
	if (access(option(&v.options, "device"), F_OK) < 0)
		return err_set(err, ERR_SYSTEM, errno,
			       "error while mounting volume '%s': failed to mount local volume: "
			       "mount %s:%s, flags: 0x1000: %s",
			       path, option(&v.options, "device"), path, err_errno_text(errno));
	*source = xstrdup(option(&v.options, "device"));
	return 0;
}

/* ---- JSON ---- */

static void write_map(struct json_writer *w, const char *key, const struct strv *map)
{
	const struct field f = {.key = key, .type = FIELD_MAP, .empty = EMPTY_NULL};

	fields_write(w, &f, 1, map);
}

void volume_write(const struct volume *v, int64_t size_bytes, int64_t users, struct json_writer *w)
{
	char created[CLOCK_RFC3339_MAX];

	clock_format_rfc3339(v->created_ns - v->created_ns % 1000000000u, created);
	json_write_begin(w, NULL, '{');
	json_write_string(w, "CreatedAt", created);
	json_write_string(w, "Driver", "local");
	write_map(w, "Labels", &v->labels);
	json_write_string(w, "Mountpoint", v->mountpoint);
	json_write_string(w, "Name", v->name);
	write_map(w, "Options", &v->options);
	json_write_string(w, "Scope", "local");
	if (size_bytes >= 0 || users >= 0) {
		json_write_begin(w, "UsageData", '{');
		json_write_i64(w, "RefCount", users);
		json_write_i64(w, "Size", size_bytes);
		json_write_end(w, '}');
	}
	json_write_end(w, '}');
}
