/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtimes' part of daemon.json, with dockerd's keys, so that one file serves both:
 * https://docs.docker.com/reference/cli/dockerd/#daemon-configuration-file. What must hold: every
 * name that a container can ask for leads to exactly one program.
 */
#include "engine/runtime_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/str.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
/* The unit is called PREFIX-<id>.scope and a name of a unit has at most 255 bytes. */
#define SCOPE_PREFIX_MAX 64

static void free_entry(struct runtime_entry *e)
{
	free(e->name);
	free(e->path);
	free(e->type);
	strv_free(&e->args);
}

static void free_entries(struct runtime_config *c)
{
	for (size_t i = 0; i < c->count; i++)
		free_entry(&c->entries[i]);
	free(c->entries);
	c->entries = NULL;
	c->count = 0;
}

void runtime_config_free(struct runtime_config *c)
{
	free_entries(c);
	free(c->default_runtime);
	free(c->scope_prefix);
	*c = (struct runtime_config){0};
}

static bool is_own(const char *name)
{
	return str_eq(name, RUNTIME_OWN) || str_eq(name, RUNTIME_OWN_OLD);
}

static int wrong(struct err *err, const char *file, const char *what, const char *name,
		 const char *why)
{
	return err_set(err, ERR_USAGE, EINVAL, "%s: %s %s: %s", file, what, name, why);
}

/* One member of a runtime's object. */
static int take_member(struct runtime_entry *e, const char *file, const char *key,
		       struct json_object *value, struct json_object *object, struct err *err)
{
	bool string = json_object_is_type(value, json_type_string);

	if (str_eq(key, "path") || str_eq(key, "runtimeType")) {
		char **slot = str_eq(key, "path") ? &e->path : &e->type;

		if (!string)
			return wrong(err, file, "runtime", e->name, "path must be a string");
		free(*slot);
		*slot = *json_object_get_string(value) ? xstrdup(json_object_get_string(value))
						       : NULL;
		return 0;
	}
	if (str_eq(key, "runtimeArgs")) {
		strv_free(&e->args);
		return json_get_strv(object, key, &e->args) < 0
			       ? wrong(err, file, "runtime", e->name,
				       "runtimeArgs must be a list of strings")
			       : 0;
	}
	/* Options go to a shim; without one they say nothing. */
	if (str_eq(key, "options"))
		return 0;
	return err_set(err, ERR_USAGE, EINVAL, "%s: runtime %s: unknown key \"%s\"", file, e->name,
		       key);
}

static int take_runtime(struct runtime_config *c, const char *file, const char *name,
			struct json_object *o, struct err *err)
{
	struct runtime_entry *e;
	int rc = 0;

	if (is_own(name))
		return err_set(err, ERR_USAGE, EINVAL, "%s: runtime name '%s' is reserved", file,
			       name);
	if (!*name || strchr(name, '/'))
		return wrong(err, file, "runtime", name, "a name must not be empty or have a '/'");
	if (!json_object_is_type(o, json_type_object))
		return wrong(err, file, "runtime", name, "must be an object");
	c->entries = xrealloc(c->entries, (c->count + 1) * sizeof(*e));
	e = &c->entries[c->count++];
	*e = (struct runtime_entry){.name = xstrdup(name)};
	json_object_object_foreach(o, key, value) {
		rc = take_member(e, file, key, value, o, err);
		if (rc < 0)
			return rc;
	}
	if (!e->path && !e->type)
		return wrong(err, file, "runtime", name,
			     "either a runtimeType or a path must be configured");
	if (e->path && e->type)
		return wrong(err, file, "runtime", name,
			     "cannot specify both runtimeType and path for a runtime");
	return 0;
}

static int take_runtimes(struct runtime_config *c, const char *file, struct json_object *o,
			 struct err *err)
{
	free_entries(c);
	if (!json_object_is_type(o, json_type_object))
		return err_set(err, ERR_USAGE, EINVAL, "%s: runtimes must be an object", file);
	json_object_object_foreach(o, name, value) {
		int rc = take_runtime(c, file, name, value, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int take_default(struct runtime_config *c, const char *file, struct json_object *o,
			struct err *err)
{
	if (!json_object_is_type(o, json_type_string))
		return err_set(err, ERR_USAGE, EINVAL, "%s: default-runtime must be a string",
			       file);
	free(c->default_runtime);
	c->default_runtime = *json_object_get_string(o) ? xstrdup(json_object_get_string(o)) : NULL;
	return 0;
}

static int take_driver(struct runtime_config *c, const char *file, const char *value,
		       struct err *err)
{
	c->systemd = str_eq(value, "systemd");
	if (c->systemd || str_eq(value, "cgroupfs") || !*value)
		return 0;
	return err_set(
		err, ERR_USAGE, EINVAL,
		"%s: native.cgroupdriver option %s is internally not supported (systemd, cgroupfs)",
		file, value);
}

static int take_prefix(struct runtime_config *c, const char *file, const char *value,
		       struct err *err)
{
	size_t n = strlen(value);

	if (!n || n > SCOPE_PREFIX_MAX ||
	    strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != n)
		return err_set(err, ERR_USAGE, EINVAL,
			       "%s: native.scopeprefix must be 1 to %d letters, digits or '_'",
			       file, SCOPE_PREFIX_MAX);
	free(c->scope_prefix);
	c->scope_prefix = xstrdup(value);
	return 0;
}

static int take_exec_option(struct runtime_config *c, const char *file, const char *option,
			    struct err *err)
{
	const char *equal = strchr(option, '=');
	size_t n = equal ? (size_t)(equal - option) : 0;

	if (!equal)
		return err_set(err, ERR_USAGE, EINVAL,
			       "%s: exec-opts: unable to parse key/value option: %s", file, option);
	if (n == strlen("native.cgroupdriver") &&
	    strncasecmp(option, "native.cgroupdriver", n) == 0)
		return take_driver(c, file, equal + 1, err);
	if (n == strlen("native.scopeprefix") && strncasecmp(option, "native.scopeprefix", n) == 0)
		return take_prefix(c, file, equal + 1, err);
	return err_set(err, ERR_USAGE, EINVAL, "%s: exec-opts: unknown option %s", file, option);
}

static int take_exec_options(struct runtime_config *c, const char *file, struct json_object *o,
			     struct err *err)
{
	int rc = 0;

	if (!json_object_is_type(o, json_type_array))
		return err_set(err, ERR_USAGE, EINVAL, "%s: exec-opts must be a list of strings",
			       file);
	for (size_t i = 0; rc == 0 && i < json_object_array_length(o); i++) {
		struct json_object *item = json_object_array_get_idx(o, i);

		if (!json_object_is_type(item, json_type_string))
			return err_set(err, ERR_USAGE, EINVAL,
				       "%s: exec-opts must be a list of strings", file);
		rc = take_exec_option(c, file, json_object_get_string(item), err);
	}
	return rc;
}

int runtime_config_apply(struct runtime_config *c, const char *file, const char *key,
			 struct json_object *value, bool *known, struct err *err)
{
	static const struct {
		const char *key;
		int (*take)(struct runtime_config *c, const char *file, struct json_object *value,
			    struct err *err);
	} keys[] = {
		{"runtimes", take_runtimes},
		{"default-runtime", take_default},
		{"exec-opts", take_exec_options},
	};

	*known = false;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!str_eq(keys[i].key, key))
			continue;
		*known = true;
		return keys[i].take(c, file, value, err);
	}
	return 0;
}

static const struct runtime_entry *find_entry(const struct runtime_config *c, const char *name)
{
	for (size_t i = 0; i < c->count; i++) {
		if (str_eq(c->entries[i].name, name))
			return &c->entries[i];
	}
	return NULL;
}

int runtime_config_check(const struct runtime_config *c, const char *file, struct err *err)
{
	struct err why;

	if (!c->default_runtime || runtime_config_validate(c, c->default_runtime, &why) == 0)
		return 0;
	return err_set(err, ERR_USAGE, EINVAL, "%s: specified default runtime '%s' does not exist",
		       file, c->default_runtime);
}

const char *runtime_config_default(const struct runtime_config *c)
{
	return c->default_runtime ? c->default_runtime : RUNTIME_OWN;
}

int runtime_config_validate(const struct runtime_config *c, const char *name, struct err *err)
{
	if (!name || !*name || is_own(name) || find_entry(c, name) || *name == '/')
		return 0;
	return err_set(err, ERR_INVALID, EINVAL, "unknown or invalid runtime name: %s", name);
}

/* An absolute path of a program that may be executed, or NULL; *why is then the best reason. */
static char *try_program(const char *dir, size_t n, const char *name, int *why)
{
	auto_free char *path = *name == '/' ? xstrdup(name)
			       : n          ? xasprintf("%.*s/%s", (int)n, dir, name)
					    : NULL;
	struct stat st;

	if (!path || *path != '/')
		return NULL;
	if (stat(path, &st) < 0) {
		if (*why == ENOENT)
			*why = errno;
		return NULL;
	}
	if (S_ISDIR(st.st_mode) || access(path, X_OK) < 0) {
		*why = EACCES;
		return NULL;
	}
	return take_ptr(&path);
}

static char *find_program(const char *name, int *why)
{
	const char *at = getenv("PATH");
	char *found = NULL;

	*why = ENOENT;
	if (*name == '/')
		return try_program("", 0, name, why);
	for (at = at && *at ? at : DEFAULT_PATH; !found; at++) {
		size_t n = strcspn(at, ":");

		found = try_program(at, n, name, why);
		at += n;
		if (!*at)
			break;
	}
	return found;
}

int runtime_config_find(const struct runtime_config *c, const char *name,
			struct foreign_runtime *out, struct err *err)
{
	const struct runtime_entry *e = name ? find_entry(c, name) : NULL;
	const char *program = e ? e->path : name;
	int why, rc = runtime_config_validate(c, name, err);

	*out = (struct foreign_runtime){0};
	if (rc < 0 || !name || !*name || (!e && is_own(name)))
		return rc;
	if (!program)
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "runtime %s: %s is a shim of containerd; only programs given by "
			       "\"path\" can be used",
			       name, e->type);
	out->path = find_program(program, &why);
	if (!out->path)
		return err_set(err, why == EACCES ? ERR_NO_EXEC : ERR_NO_COMMAND, why,
			       "fork/exec %s: %s", program,
			       why == EACCES   ? "permission denied"
			       : why == ENOENT ? "no such file or directory"
					       : err_errno_text(why));
	if (e)
		strv_add_all(&out->args, &e->args);
	return 0;
}

void foreign_runtime_free(struct foreign_runtime *r)
{
	free(r->path);
	strv_free(&r->args);
	*r = (struct foreign_runtime){0};
}
