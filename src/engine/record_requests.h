/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON of the lists of structs in a container: mounts (in our own lossless form and in Docker's
 * Binds, Mounts, Tmpfs and Volumes, which are derived), ulimits, devices. Writers and readers have
 * the shape of struct field's hooks; base is a struct container.
 */
#ifndef CLOCHE_ENGINE_RECORD_REQUESTS_H
#define CLOCHE_ENGINE_RECORD_REQUESTS_H

#include "base/json.h"
#include "engine/container.h"
#include "base/json_writer.h"

void requests_write_mounts(struct json_writer *w, const char *key, const void *base);
int requests_read_mounts(struct json_object *v, void *base);
void requests_write_ulimits(struct json_writer *w, const char *key, const void *base);
int requests_read_ulimits(struct json_object *v, void *base);
void requests_write_devices(struct json_writer *w, const char *key, const void *base);
int requests_read_devices(struct json_object *v, void *base);

void requests_write_endpoints(struct json_writer *w, const char *key, const void *base);
int requests_read_endpoints(struct json_object *v, void *base);

void requests_write_rates(struct json_writer *w, const char *key, const struct rate_list *list);
int requests_read_rates(struct json_object *v, struct rate_list *list);
/* The same of weights: an empty list is [] with Docker. */
void requests_write_weights(struct json_writer *w, const char *key, const struct rate_list *list);
int requests_read_weights(struct json_object *v, struct rate_list *list);

void requests_write_docker_binds(struct json_writer *w, const char *key, const void *base);
void requests_write_docker_mounts(struct json_writer *w, const char *key, const void *base);
void requests_write_docker_tmpfs(struct json_writer *w, const char *key, const void *base);
void requests_write_docker_volumes(struct json_writer *w, const char *key, const void *base);
void requests_write_docker_links(struct json_writer *w, const char *key, const void *base);

#endif
