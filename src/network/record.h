/* SPDX-License-Identifier: Apache-2.0 */
/* Records of networks as files, for the files of this folder only. The rules of what is in them are
 * network_create.c's. */
#ifndef CLOCHE_NETWORK_RECORD_H
#define CLOCHE_NETWORK_RECORD_H

#include "network/network.h"

#define NETWORK_SCHEMA_VERSION 1
#define NETWORK_NAME_MAX 128

/* Waits for <root>/network/lock, made when missing: whoever makes or removes a record holds it, readers
 * do not. *lock_fd is the caller's; closing it is the unlocking. */
int must_check network_lock(const struct network_store *s, int *lock_fd, struct err *err);

/* [a-zA-Z0-9][a-zA-Z0-9_.-]*, at most NETWORK_NAME_MAX. */
bool network_name_is_valid(const char *name);
/* A name that a device can have and that is no path. */
bool network_device_is_valid(const char *name);

/* Durable. */
int must_check network_record_write(const struct network_store *s, const struct network *n,
				    struct err *err);
/* -ENOENT (*err untouched) when there is none; ERR_CORRUPT when what it says makes no sense. n is
 * initialised. */
int must_check network_record_read(const struct network_store *s, const char *id, struct network *n,
				   struct err *err);
/* 0 also when there is none. */
int must_check network_record_remove(const struct network_store *s, const char *id);

/* The id that a name stands for; -ENOENT, or -EINVAL for a link that holds no id. */
int must_check network_name_read(const struct network_store *s, const char *name,
				 char id[static ID_LEN + 1]);
/* Under the lock. -EEXIST when a network with a record has it. */
int must_check network_name_take(const struct network_store *s, const char *name, const char *id);
void network_name_release(const struct network_store *s, const char *name, const char *id);

/* Every record that can be read, predefined ones only as far as they exist; oldest first. */
int must_check network_records(const struct network_store *s, struct network **out, size_t *count,
			       struct err *err);

/* Makes those of the predefined networks that are missing, and brings the default one's up to the
 * configuration. */
int must_check network_predefine(const struct network_store *s, struct err *err);
/* Whether the record of the default network is not what the configuration asks for. */
bool network_is_outdated(const struct network_store *s, const struct network *n);

#endif
