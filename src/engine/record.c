/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of a container: config.v2.json and hostconfig.json in one directory. config.v2.json is
 * written last and by rename: a directory without it is half-made (or half-removed) and is no
 * container to anyone; `system check` sweeps it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "engine/engine.h"
#include "engine/internal.h"
#include "engine/record_fields.h"

#define RECORD_MAX_BYTES (16u << 20) /* argv and env together are at most 2 MiB, escaped sixfold */

static void write_document(struct strbuf *out, const struct field_table *table,
			   const struct container *c)
{
	struct json_writer w = {.out = out};

	json_write_begin(&w, NULL, '{');
	fields_write(&w, table->fields, table->count, c);
	json_write_end(&w, '}');
	strbuf_putc(out, '\n');
}

/* In a fresh directory nobody looks at the file before config.v2.json stands beside it, so it needs
 * no rename; an existing one is replaced. */
static int write_hostconfig(int dirfd, const struct strbuf *text, bool durable)
{
	auto_close int fd = openat(dirfd, RECORD_HOSTCONFIG_FILE,
				   O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int rc;

	if (fd < 0 && errno == EEXIST)
		return file_replace_at(dirfd, RECORD_HOSTCONFIG_FILE, text->data, text->len, 0600,
				       durable ? FILE_DURABLE : FILE_VOLATILE);
	if (fd < 0)
		return -errno;
	rc = fd_write_all(fd, text->data, text->len);
	if (rc == 0 && durable && fsync(fd) < 0)
		rc = -errno;
	if (rc == 0 && close(take_fd(&fd)) < 0)
		rc = -errno;
	if (rc < 0)
		unlinkat(dirfd, RECORD_HOSTCONFIG_FILE, 0);
	return rc;
}

int container_record_write(const struct container *c, int dirfd, bool durable, struct err *err)
{
	auto_strbuf struct strbuf text = {0};
	int rc;

	write_document(&text, &record_hostconfig_file, c);
	rc = write_hostconfig(dirfd, &text, durable);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "write the record of %s: %s: %s", c->id,
			       RECORD_HOSTCONFIG_FILE, err_errno_text(-rc));
	text.len = 0;
	write_document(&text, &record_v2_file, c);
	rc = file_replace_at(dirfd, RECORD_FILE, text.data, text.len, 0600,
			     durable ? FILE_DURABLE : FILE_VOLATILE);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "write the record of %s: %s: %s", c->id,
			       RECORD_FILE, err_errno_text(-rc));
	return 0;
}

static int read_document(int dirfd, const char *file, const struct field_table *table,
			 struct container *c, struct err *err)
{
	auto_json struct json_object *o = NULL;
	int64_t version = 0;
	int rc = json_read_at(dirfd, file, RECORD_MAX_BYTES, &o, err);

	if (rc < 0)
		return rc;
	rc = json_get_i64(o, "SchemaVersion", &version);
	if (rc < 0 || version < 1)
		return err_set(err, ERR_CORRUPT, EUCLEAN, "%s: no schema version", file);
	if (version > RECORD_SCHEMA_VERSION)
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "%s: schema version %lld was written by a newer cloche", file,
			       (long long)version);
	return fields_read(table->fields, table->count, o, c, file, err);
}

/* What the files hold once, the struct holds twice. */
static void complete(struct container *c)
{
	struct container_config *config = &c->config;

	config->entrypoint_set = config->entrypoint.count > 0;
	free(config->user);
	config->user = c->user ? xstrdup(c->user) : NULL;
	free(config->working_dir);
	config->working_dir = c->working_dir ? xstrdup(c->working_dir) : NULL;
	if (!c->user)
		c->user = xstrdup("");
	if (!c->working_dir)
		c->working_dir = xstrdup("");
	container_complete_env(c);
}

static int read_from(int dirfd, const char *id, struct container *c, struct err *err)
{
	int rc = read_document(dirfd, RECORD_FILE, &record_v2_file, c, err);

	if (rc < 0)
		return rc;
	if (!str_eq(c->id, id) || !c->name)
		return err_set(err, ERR_CORRUPT, EUCLEAN, "%s: not the record of this container",
			       RECORD_FILE);
	rc = read_document(dirfd, RECORD_HOSTCONFIG_FILE, &record_hostconfig_file, c, err);
	if (rc == -ENOENT)
		return err_set(err, ERR_CORRUPT, EUCLEAN, "%s is missing", RECORD_HOSTCONFIG_FILE);
	if (rc < 0)
		return rc;
	complete(c);
	return 0;
}

int container_record_dir(const struct engine *e, const char *id, bool *persistent)
{
	const int roots[] = {e->root_fd, e->run_fd};
	char path[sizeof("containers/") + NAME_MAX];

	if (str_format(path, sizeof(path), "containers/%s", id) < 0)
		return -ENOENT;
	for (size_t i = 0; i < 2; i++) {
		int fd = openat(roots[i], path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd >= 0 && faccessat(fd, RECORD_FILE, F_OK, 0) == 0) {
			*persistent = i == 0;
			return fd;
		}
		if (fd >= 0)
			close(fd);
		else if (errno != ENOENT)
			return -errno;
	}
	return -ENOENT;
}

int container_record_load(struct engine *e, const char *id, struct container *c, struct err *err)
{
	bool persistent;
	auto_close int dirfd = container_record_dir(e, id, &persistent);
	int rc;

	if (dirfd == -ENOENT)
		return err_set(err, ERR_NOT_FOUND, ENOENT, "No such container: %s", id);
	if (dirfd < 0)
		return err_set(err, ERR_SYSTEM, -dirfd, "open the record of %s: %s", id,
			       err_errno_text(-dirfd));
	rc = read_from(dirfd, id, c, err);
	/* Removed between the two looks. */
	if (rc == -ENOENT)
		return err_set(err, ERR_NOT_FOUND, ENOENT, "No such container: %s", id);
	if (rc < 0)
		return err_wrap(err, "record of %.12s", id);
	c->persistent = persistent;
	return 0;
}

int container_record_read(struct engine *e, const char *id, struct container *c, struct err *err)
{
	int rc = container_record_load(e, id, c, err);

	return rc < 0 ? rc : container_state_read(e, c, err);
}
