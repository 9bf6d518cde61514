/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of structs as JSON. Our own form of the mounts loses nothing; Docker's four forms are made
 * from it and never read back.
 */
#include "engine/record_requests.h"

#include <errno.h>

#include "engine/container.h"
#include "engine/fields.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static const char *const mount_kinds[] = {
	[MOUNT_KIND_BIND] = "bind",
	[MOUNT_KIND_VOLUME] = "volume",
	[MOUNT_KIND_TMPFS] = "tmpfs",
};

static void write_kind(struct json_writer *w, const char *key, const void *base)
{
	const struct mount_request *m = base;

	json_write_string(w, key, mount_kinds[m->kind]);
}

static int read_kind(struct json_object *v, void *base)
{
	struct mount_request *m = base;

	for (size_t i = 0; i < COUNT_OF(mount_kinds); i++) {
		if (json_object_is_type(v, json_type_string) &&
		    str_eq(json_object_get_string(v), mount_kinds[i])) {
			m->kind = (enum mount_kind)i;
			return 0;
		}
	}
	return -EINVAL;
}

#define MOUNT_AT(member) .offset = offsetof(struct mount_request, member)
static const struct field mount_fields[] = {
	{"Kind", FIELD_CUSTOM, .write = write_kind, .read = read_kind},
	{"Source", FIELD_STRING, EMPTY_OMIT, MOUNT_AT(source)},
	{"Target", FIELD_STRING, MOUNT_AT(target)},
	{"Mode", FIELD_STRING, EMPTY_OMIT, MOUNT_AT(mode)},
	{"Propagation", FIELD_STRING, EMPTY_OMIT, MOUNT_AT(propagation)},
	{"TmpfsOptions", FIELD_STRING, EMPTY_OMIT, MOUNT_AT(tmpfs_options)},
	{"ReadOnly", FIELD_BOOL, EMPTY_OMIT, MOUNT_AT(read_only)},
	{"NonRecursive", FIELD_BOOL, EMPTY_OMIT, MOUNT_AT(non_recursive)},
	{"NoCopy", FIELD_BOOL, EMPTY_OMIT, MOUNT_AT(no_copy)},
	{"CreateSource", FIELD_BOOL, EMPTY_OMIT, MOUNT_AT(create_source)},
	{"FromImage", FIELD_BOOL, EMPTY_OMIT, MOUNT_AT(from_image)},
	{"Inherited", FIELD_BOOL, EMPTY_OMIT, MOUNT_AT(inherited)},
	{"LongForm", FIELD_BOOL, EMPTY_OMIT, MOUNT_AT(long_form)},
	{"TmpfsSize", FIELD_I64, EMPTY_OMIT, MOUNT_AT(tmpfs_size_bytes)},
	{"TmpfsMode", FIELD_I64, EMPTY_OMIT, MOUNT_AT(tmpfs_mode), .unset = -1},
};

#define ULIMIT_AT(member) .offset = offsetof(struct ulimit_request, member)
static const struct field ulimit_fields[] = {
	{"Name", FIELD_STRING, ULIMIT_AT(name)},
	{"Hard", FIELD_I64, ULIMIT_AT(hard)},
	{"Soft", FIELD_I64, ULIMIT_AT(soft)},
};

#define DEVICE_AT(member) .offset = offsetof(struct device_request, member)
static const struct field device_fields[] = {
	{"PathOnHost", FIELD_STRING, DEVICE_AT(host_path)},
	{"PathInContainer", FIELD_STRING, DEVICE_AT(container_path)},
	{"CgroupPermissions", FIELD_STRING, DEVICE_AT(permissions)},
};

static void write_array(struct json_writer *w, const char *key, const struct field *fields,
			size_t field_count, const void *items, size_t count, size_t item_size)
{
	json_write_begin(w, key, '[');
	for (size_t i = 0; i < count; i++) {
		json_write_begin(w, NULL, '{');
		fields_write(w, fields, field_count, (const char *)items + i * item_size);
		json_write_end(w, '}');
	}
	json_write_end(w, ']');
}

void requests_write_mounts(struct json_writer *w, const char *key, const void *base)
{
	const struct container *c = base;

	write_array(w, key, mount_fields, COUNT_OF(mount_fields), c->config.mounts,
		    c->config.mount_count, sizeof(*c->config.mounts));
}

int requests_read_mounts(struct json_object *v, void *base)
{
	struct container *c = base;
	struct err err;

	if (!json_object_is_type(v, json_type_array))
		return -EINVAL;
	for (size_t i = 0; i < json_object_array_length(v); i++) {
		struct mount_request *m = container_config_add_mount(&c->config);

		if (fields_read(mount_fields, COUNT_OF(mount_fields),
				json_object_array_get_idx(v, i), m, "", &err) < 0 ||
		    !m->target)
			return -EINVAL;
	}
	return 0;
}

void requests_write_ulimits(struct json_writer *w, const char *key, const void *base)
{
	const struct container *c = base;

	write_array(w, key, ulimit_fields, COUNT_OF(ulimit_fields), c->config.ulimits,
		    c->config.ulimit_count, sizeof(*c->config.ulimits));
}

int requests_read_ulimits(struct json_object *v, void *base)
{
	struct container *c = base;
	struct err err;
	size_t n;

	if (!json_object_is_type(v, json_type_array))
		return -EINVAL;
	n = json_object_array_length(v);
	c->config.ulimits = xcalloc(n, sizeof(*c->config.ulimits));
	for (size_t i = 0; i < n; i++) {
		struct ulimit_request *u = &c->config.ulimits[c->config.ulimit_count++];

		if (fields_read(ulimit_fields, COUNT_OF(ulimit_fields),
				json_object_array_get_idx(v, i), u, "", &err) < 0 ||
		    !u->name)
			return -EINVAL;
	}
	return 0;
}

void requests_write_devices(struct json_writer *w, const char *key, const void *base)
{
	const struct container *c = base;

	write_array(w, key, device_fields, COUNT_OF(device_fields), c->config.devices,
		    c->config.device_count, sizeof(*c->config.devices));
}

int requests_read_devices(struct json_object *v, void *base)
{
	struct container *c = base;
	struct err err;
	size_t n;

	if (!json_object_is_type(v, json_type_array))
		return -EINVAL;
	n = json_object_array_length(v);
	c->config.devices = xcalloc(n, sizeof(*c->config.devices));
	for (size_t i = 0; i < n; i++) {
		struct device_request *d = &c->config.devices[c->config.device_count++];

		if (fields_read(device_fields, COUNT_OF(device_fields),
				json_object_array_get_idx(v, i), d, "", &err) < 0 ||
		    !d->host_path || !d->container_path)
			return -EINVAL;
	}
	return 0;
}

#define ENDPOINT_AT(member) .offset = offsetof(struct endpoint_request, member)
static const struct field endpoint_fields[] = {
	{"Network", FIELD_STRING, ENDPOINT_AT(network)},
	{"Aliases", FIELD_STRV, EMPTY_OMIT, ENDPOINT_AT(aliases)},
	{"Links", FIELD_STRV, EMPTY_OMIT, ENDPOINT_AT(links)},
	{"DriverOptions", FIELD_STRV, EMPTY_OMIT, ENDPOINT_AT(driver_options)},
	{"IPv4", FIELD_STRING, EMPTY_OMIT, ENDPOINT_AT(ipv4)},
	{"IPv6", FIELD_STRING, EMPTY_OMIT, ENDPOINT_AT(ipv6)},
	{"MAC", FIELD_STRING, EMPTY_OMIT, ENDPOINT_AT(mac)},
	{"LinkLocalIPs", FIELD_STRV, EMPTY_OMIT, ENDPOINT_AT(link_local)},
	{"GwPriority", FIELD_I64, EMPTY_OMIT, ENDPOINT_AT(gw_priority)},
};

void requests_write_endpoints(struct json_writer *w, const char *key, const void *base)
{
	const struct container *c = base;

	if (c->config.endpoint_count)
		write_array(w, key, endpoint_fields, COUNT_OF(endpoint_fields), c->config.endpoints,
			    c->config.endpoint_count, sizeof(*c->config.endpoints));
}

int requests_read_endpoints(struct json_object *v, void *base)
{
	struct container *c = base;
	struct err err;

	if (!json_object_is_type(v, json_type_array))
		return -EINVAL;
	for (size_t i = 0; i < json_object_array_length(v); i++) {
		struct endpoint_request *r = container_config_add_endpoint(&c->config);

		if (fields_read(endpoint_fields, COUNT_OF(endpoint_fields),
				json_object_array_get_idx(v, i), r, "", &err) < 0 ||
		    !r->network)
			return -EINVAL;
	}
	return 0;
}

#define RATE_AT(member) .offset = offsetof(struct rate_request, member)
static const struct field rate_fields[] = {
	{"Path", FIELD_STRING, RATE_AT(path)},
	{"Rate", FIELD_I64, RATE_AT(rate)},
};

void requests_write_rates(struct json_writer *w, const char *key, const struct rate_list *list)
{
	write_array(w, key, rate_fields, COUNT_OF(rate_fields), list->items, list->count,
		    sizeof(*list->items));
}

static const struct field weight_fields[] = {
	{"Path", FIELD_STRING, RATE_AT(path)},
	{"Weight", FIELD_I64, RATE_AT(rate)},
};

void requests_write_weights(struct json_writer *w, const char *key, const struct rate_list *list)
{
	if (!list->count)
		json_write_raw(w, key, "[]");
	else
		write_array(w, key, weight_fields, COUNT_OF(weight_fields), list->items,
			    list->count, sizeof(*list->items));
}

static int read_rates(struct json_object *v, const struct field *fields, struct rate_list *list)
{
	struct err err;
	size_t n;

	if (!json_object_is_type(v, json_type_array))
		return -EINVAL;
	n = json_object_array_length(v);
	list->items = xcalloc(n, sizeof(*list->items));
	for (size_t i = 0; i < n; i++) {
		struct rate_request *r = &list->items[list->count++];

		if (fields_read(fields, COUNT_OF(rate_fields), json_object_array_get_idx(v, i), r,
				"", &err) < 0 ||
		    !r->path)
			return -EINVAL;
	}
	return 0;
}

int requests_read_rates(struct json_object *v, struct rate_list *list)
{
	return read_rates(v, rate_fields, list);
}

int requests_read_weights(struct json_object *v, struct rate_list *list)
{
	return read_rates(v, weight_fields, list);
}

static bool is_anonymous_volume(const struct mount_request *m)
{
	return m->kind == MOUNT_KIND_VOLUME && !m->source && !m->long_form;
}

static bool is_bind_string(const struct mount_request *m)
{
	return m->kind != MOUNT_KIND_TMPFS && m->source && !m->long_form && !m->inherited;
}

void requests_write_docker_binds(struct json_writer *w, const char *key, const void *base)
{
	const struct container *c = base;
	bool open = false;

	for (size_t i = 0; i < c->config.mount_count; i++) {
		const struct mount_request *m = &c->config.mounts[i];
		auto_free char *text = NULL;

		if (!is_bind_string(m))
			continue;
		if (!open)
			json_write_begin(w, key, '[');
		open = true;
		text = xasprintf("%s:%s%s%s", m->source, m->target, m->mode ? ":" : "",
				 m->mode ? m->mode : "");
		json_write_string(w, NULL, text);
	}
	if (open)
		json_write_end(w, ']');
	else
		json_write_raw(w, key, "null");
}

static void write_mount_options(struct json_writer *w, const struct mount_request *m)
{
	if (m->kind == MOUNT_KIND_BIND && (m->propagation || m->non_recursive)) {
		json_write_begin(w, "BindOptions", '{');
		if (m->propagation)
			json_write_string(w, "Propagation", m->propagation);
		if (m->non_recursive)
			json_write_bool(w, "NonRecursive", true);
		json_write_end(w, '}');
	}
	if (m->kind == MOUNT_KIND_VOLUME && m->no_copy)
		json_write_raw(w, "VolumeOptions", "{\"NoCopy\":true}");
	if (m->kind == MOUNT_KIND_TMPFS && (m->tmpfs_size_bytes || m->tmpfs_mode >= 0)) {
		json_write_begin(w, "TmpfsOptions", '{');
		if (m->tmpfs_size_bytes)
			json_write_i64(w, "SizeBytes", m->tmpfs_size_bytes);
		if (m->tmpfs_mode >= 0)
			json_write_i64(w, "Mode", m->tmpfs_mode);
		json_write_end(w, '}');
	}
}

/* Docker leaves the member out when there are none. */
void requests_write_docker_mounts(struct json_writer *w, const char *key, const void *base)
{
	const struct container *c = base;
	bool open = false;

	for (size_t i = 0; i < c->config.mount_count; i++) {
		const struct mount_request *m = &c->config.mounts[i];

		if (!m->long_form)
			continue;
		if (!open)
			json_write_begin(w, key, '[');
		open = true;
		json_write_begin(w, NULL, '{');
		json_write_string(w, "Type", mount_kinds[m->kind]);
		if (m->source)
			json_write_string(w, "Source", m->source);
		json_write_string(w, "Target", m->target);
		if (m->read_only)
			json_write_bool(w, "ReadOnly", true);
		write_mount_options(w, m);
		json_write_end(w, '}');
	}
	if (open)
		json_write_end(w, ']');
}

void requests_write_docker_tmpfs(struct json_writer *w, const char *key, const void *base)
{
	const struct container *c = base;
	bool open = false;

	for (size_t i = 0; i < c->config.mount_count; i++) {
		const struct mount_request *m = &c->config.mounts[i];

		if (m->kind != MOUNT_KIND_TMPFS || m->long_form)
			continue;
		if (!open)
			json_write_begin(w, key, '{');
		open = true;
		json_write_string(w, m->target, m->tmpfs_options ? m->tmpfs_options : "");
	}
	if (open)
		json_write_end(w, '}');
}

void requests_write_docker_volumes(struct json_writer *w, const char *key, const void *base)
{
	const struct container *c = base;
	bool open = false;

	for (size_t i = 0; i < c->config.mount_count; i++) {
		if (!is_anonymous_volume(&c->config.mounts[i]))
			continue;
		if (!open)
			json_write_begin(w, key, '{');
		open = true;
		json_write_raw(w, c->config.mounts[i].target, "{}");
	}
	if (open)
		json_write_end(w, '}');
	else
		json_write_raw(w, key, "null");
}

/* Those of the default network, as Docker's table of them has them; of others the endpoint has them. */
void requests_write_docker_links(struct json_writer *w, const char *key, const void *base)
{
	const struct container *c = base;
	const char *mode = c->config.network_mode;
	bool table = !mode || str_eq(mode, "default") || str_eq(mode, "bridge");

	if (!c->config.links.count || !table) {
		json_write_raw(w, key, "null");
		return;
	}
	json_write_begin(w, key, '[');
	for (size_t i = 0; i < c->config.links.count; i++) {
		const char *link = c->config.links.items[i];
		int n = (int)strcspn(link, ":");
		auto_free char *shown = xasprintf("/%.*s:/%s/%s", n, link, c->name ? c->name : "",
						  link[n] ? link + n + 1 : link);

		json_write_string(w, NULL, shown);
	}
	json_write_end(w, ']');
}
