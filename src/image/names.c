/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repositories.json: {"Repositories":{"bb":{"bb:latest":"sha256:...","bb@sha256:...":"sha256:..."}}},
 * Docker's format. Replaced as a whole under the exclusive lock, so a reader sees the old or the new.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "image/layout.h"

static int check_repository(struct json_object *repository)
{
	if (!json_object_is_type(repository, json_type_object))
		return -EINVAL;
	json_object_object_foreach(repository, name, id) {
		(void)name;
		if (!json_object_is_type(id, json_type_string) ||
		    !digest_valid(json_object_get_string(id)))
			return -EINVAL;
	}
	return 0;
}

static int check(struct json_object *names, struct err *err)
{
	struct json_object *repositories;
	int rc = json_get_object(names, "Repositories", &repositories);

	if (rc == 0) {
		json_object_object_foreach(repositories, name, repository) {
			(void)name;
			if (check_repository(repository) < 0)
				rc = -EINVAL;
		}
	}
	if (rc < 0)
		return err_set(err, ERR_CORRUPT, EBADMSG, "image store: %s is malformed",
			       LAYOUT_NAMES);
	return 0;
}

int names_read(struct image_store *s, struct json_object **out, struct err *err)
{
	auto_json struct json_object *names = NULL;
	int rc = -ENOENT;

	if (s->image_fd >= 0)
		rc = json_read_at(s->image_fd, LAYOUT_NAMES, LAYOUT_NAMES_MAX, &names, err);
	if (rc == -ENOENT) {
		names = json_object_new_object();
		json_object_object_add(names, "Repositories", json_object_new_object());
		rc = 0;
	}
	if (rc == 0)
		rc = check(names, err);
	if (rc == 0)
		*out = take_ptr(&names);
	return rc;
}

static struct json_object *repositories_of(struct json_object *names)
{
	struct json_object *repositories = NULL;

	json_object_object_get_ex(names, "Repositories", &repositories);
	return repositories;
}

/* The key of r within its repository: by digest when it has one, as Docker does. */
static void key_of(const struct reference *r, char out[static REFERENCE_TEXT_MAX])
{
	struct reference key = *r;

	if (key.digest[0])
		key.tag[0] = '\0';
	reference_default_tag(&key);
	reference_format(&key, out);
}

const char *names_get(struct json_object *names, const struct reference *r)
{
	char key[REFERENCE_TEXT_MAX];
	struct json_object *repository, *id;

	key_of(r, key);
	if (!json_object_object_get_ex(repositories_of(names), r->name, &repository) ||
	    !json_object_object_get_ex(repository, key, &id))
		return NULL;
	return json_object_get_string(id);
}

void names_set(struct json_object *names, const struct reference *r, const char *id)
{
	struct json_object *repositories = repositories_of(names);
	struct json_object *repository;
	char key[REFERENCE_TEXT_MAX];

	key_of(r, key);
	if (!json_object_object_get_ex(repositories, r->name, &repository)) {
		repository = json_object_new_object();
		json_object_object_add(repositories, r->name, repository);
	}
	json_object_object_add(repository, key, json_object_new_string(id));
}

void names_remove(struct json_object *names, const char *repository, const char *reference)
{
	struct json_object *repositories = repositories_of(names);
	struct json_object *o;

	if (!json_object_object_get_ex(repositories, repository, &o))
		return;
	json_object_object_del(o, reference);
	if (json_object_object_length(o) == 0)
		json_object_object_del(repositories, repository);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void names_of(struct json_object *names, const char *id, struct strv *tags, struct strv *digests)
{
	json_object_object_foreach(repositories_of(names), repository, references) {
		(void)repository;
		json_object_object_foreach(references, reference, value) {
			struct strv *list = strchr(reference, '@') ? digests : tags;

			if (list && str_eq(json_object_get_string(value), id))
				strv_add(list, reference);
		}
	}
	if (tags && tags->count)
		qsort(tags->items, tags->count, sizeof(char *), by_text);
	if (digests && digests->count)
		qsort(digests->items, digests->count, sizeof(char *), by_text);
}

int names_write(struct image_store *s, struct json_object *names, struct err *err)
{
	const char *text = json_text(names);
	int rc = file_replace_at(s->image_fd, LAYOUT_NAMES, text, strlen(text), 0600, FILE_DURABLE);

	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "write %s: %s", LAYOUT_NAMES,
			       err_errno_text(-rc));
	return 0;
}
