/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes as users manage them: made, listed, removed by name. What was asked for at creation stands
 * in <data>/volumes/<name>/volume.json; a volume that a container made for itself has no such file.
 */
#ifndef CLOCHE_ENGINE_VOLUME_RECORD_H
#define CLOCHE_ENGINE_VOLUME_RECORD_H

#include "engine/engine.h"
#include "base/json_writer.h"

/* In the volume's directory. */
#define VOLUME_FILE "volume.json"
#define VOLUME_FILE_MAX (1u << 20)

struct volume {
	char *name;
	char *mountpoint; /* <data>/volumes/<name>/_data, as containers have it in volume_paths */
	uint64_t created_ns;         /* wall clock */
	bool anonymous;              /* its name was generated */
	struct strv labels, options; /* KEY=VALUE */
};

void volume_free(struct volume *v);
#define auto_volume __attribute__((cleanup(volume_free)))

/* What `volume create` asks for. Zero is nothing. */
struct volume_request {
	const char *name;   /* NULL or "": one is generated */
	const char *driver; /* NULL or "local" */
	struct strv labels, options;
};

/* Makes a volume, durably; one of that name that exists is taken as it is. *out is filled. Options are
 * those of Docker's local driver: type=none with o=bind (and ro) and device=PATH; others are
 * ERR_UNSUPPORTED, unknown names ERR_INVALID. */
int must_check volume_create(struct engine *e, const struct volume_request *r, struct volume *out,
			     struct err *err);
/* "get x: no such volume" (ERR_NOT_FOUND). */
int must_check volume_find(struct engine *e, const char *name, struct volume *out, struct err *err);
/* All, sorted by name. The caller frees. */
int must_check volume_list(struct engine *e, struct volume **out, size_t *count, struct err *err);
void volume_list_free(struct volume *list, size_t count);
/* Keeps those that pass every filter "key=value": dangling, driver, label, label!, name, and with
 * prune all, until. ERR_INVALID "invalid filter 'x'". */
int must_check volume_filter(struct engine *e, const struct strv *filters, bool prune,
			     struct volume *list, size_t *count, struct err *err);
/* "remove x: volume is in use - [ids]" (ERR_CONFLICT); force: one that is missing is fine. */
int must_check volume_remove(struct engine *e, const char *name, bool force, struct err *err);

/* How many containers of the list (briefs do) refer to v. */
size_t volume_users(const struct volume *v, const struct container *list, size_t count);
/* Docker's object; size_bytes and users -1: without UsageData. */
void volume_write(const struct volume *v, int64_t size_bytes, int64_t users, struct json_writer *w);

/* What is to be mounted for a container's volume whose volume_paths entry is path: path itself, or the
 * host's directory that the volume stands for, with *read_only set when it was made so. The caller
 * frees *source. */
int must_check volume_source(struct engine *e, const char *path, char **source, bool *read_only,
			     struct err *err);

/* Held shared from before a container's volumes are made until its record, which refers to them,
 * stands; exclusively by whoever removes volumes, while he looks who uses them. Closing *fd lets go. */
int must_check volumes_lock(struct engine *e, bool exclusive, int *fd, struct err *err);
/* Takes a volume that nobody uses out of sight; the caller holds the lock exclusively. *aside, for the
 * caller to free, is to be removed once the lock is gone. -ENOENT when there is none. */
int must_check volume_take_away(struct engine *e, const char *name, char **aside);

#endif
