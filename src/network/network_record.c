/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of networks: <root>/network/<id>.json, written aside, synced and renamed, and the names that
 * lead to them, <root>/network/names/<name>, symlinks to the id. Readers take no lock: a name without
 * a record is no network (its maker has not finished, or did not live to), and whoever makes one with
 * that name takes it over under the lock.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "network/record.h"

#define RECORD_BYTES_MAX (1u << 20)
#define PATH_BYTES (sizeof("network/names/.json") + ID_LEN + NETWORK_NAME_MAX)

void network_init(struct network *n)
{
	*n = (struct network){.name = NULL};
}

static void pool_clear(struct network_pool *p)
{
	strv_free(&p->aux);
}

void network_free(struct network *n)
{
	free(n->name);
	free(n->driver);
	for (size_t i = 0; i < n->pool_count; i++)
		pool_clear(&n->pools[i]);
	free(n->pools);
	strv_free(&n->options);
	strv_free(&n->ipam_options);
	strv_free(&n->labels);
	network_init(n);
}

void network_list_free(struct network *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		network_free(&list[i]);
	free(list);
}

/* ---- names ---- */

static bool is_word(const char *name, size_t max)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t n = strlen(name);

	return n >= 1 && n <= max && strspn(name, letters) == n && !strchr("_.-", name[0]);
}

bool network_name_is_valid(const char *name)
{
	return is_word(name, NETWORK_NAME_MAX);
}

bool network_device_is_valid(const char *name)
{
	return is_word(name, IFNAMSIZ - 1);
}

static void name_path(const char *name, char out[static PATH_BYTES])
{
	snprintf(out, PATH_BYTES, "network/names/%.*s", NETWORK_NAME_MAX, name);
}

static void record_path(const char *id, char out[static PATH_BYTES])
{
	snprintf(out, PATH_BYTES, "network/%.*s.json", ID_LEN, id);
}

int network_name_read(const struct network_store *s, const char *name, char id[static ID_LEN + 1])
{
	char path[PATH_BYTES];
	ssize_t n;

	if (!network_name_is_valid(name))
		return -ENOENT;
	name_path(name, path);
	n = readlinkat(s->root_fd, path, id, ID_LEN + 1);
	if (n < 0)
		return -errno;
	if (n != ID_LEN)
		return -EINVAL;
	id[n] = '\0';
	return id_is_hex(id, ID_LEN) ? 0 : -EINVAL;
}

static bool record_exists(const struct network_store *s, const char *id)
{
	char path[PATH_BYTES];

	record_path(id, path);
	return faccessat(s->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int network_name_take(const struct network_store *s, const char *name, const char *id)
{
	char path[PATH_BYTES], owner[ID_LEN + 1];
	int rc = network_name_read(s, name, owner);

	name_path(name, path);
	if (rc == 0 && record_exists(s, owner))
		return -EEXIST;
	/* Somebody died between name and record. */
	if (rc != -ENOENT && unlinkat(s->root_fd, path, 0) < 0 && errno != ENOENT)
		return -errno;
	if (symlinkat(id, s->root_fd, path) < 0)
		return -errno;
	return file_sync_dir_at(s->root_fd, "network/names");
}

void network_name_release(const struct network_store *s, const char *name, const char *id)
{
	char path[PATH_BYTES], owner[ID_LEN + 1];

	name_path(name, path);
	if (network_name_read(s, name, owner) == 0 && str_eq(owner, id))
		unlinkat(s->root_fd, path, 0);
}

int network_lock(const struct network_store *s, int *lock_fd, struct err *err)
{
	int rc = file_mkdir_all_at(s->root_fd, "network/names", 0700);
	auto_close int fd = -1;

	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "make %s/network: %s", s->root,
			       err_errno_text(-rc));
	fd = openat(s->root_fd, "network/lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	while (fd < 0 || flock(fd, LOCK_EX) < 0) {
		if (fd < 0 || errno != EINTR)
			return err_sys(err, "lock %s/network/lock", s->root);
	}
	*lock_fd = take_fd(&fd);
	return 0;
}

/* ---- writing ---- */

static void write_list(struct json_writer *w, const char *key, const struct strv *v)
{
	json_write_begin(w, key, '[');
	for (size_t i = 0; i < v->count; i++)
		json_write_string(w, NULL, v->items[i]);
	json_write_end(w, ']');
}

static void write_prefix(struct json_writer *w, const char *key, const struct ip_prefix *p)
{
	char text[IP_TEXT_MAX];

	ip_prefix_format(p, text);
	if (*text)
		json_write_string(w, key, text);
}

static void write_pool(struct json_writer *w, const struct network_pool *p)
{
	char gateway[IP_TEXT_MAX];

	ip_format(&p->gateway, gateway);
	json_write_begin(w, NULL, '{');
	write_prefix(w, "Subnet", &p->subnet);
	write_prefix(w, "IPRange", &p->range);
	json_write_string(w, "Gateway", gateway);
	json_write_bool(w, "SubnetGiven", p->subnet_given);
	json_write_bool(w, "GatewayGiven", p->gateway_given);
	write_list(w, "Auxiliary", &p->aux);
	json_write_end(w, '}');
}

static void write_network(struct json_writer *w, const struct network *n)
{
	char created[CLOCK_RFC3339_MAX];

	clock_format_rfc3339(n->created_ns, created);
	json_write_begin(w, NULL, '{');
	json_write_u64(w, "SchemaVersion", NETWORK_SCHEMA_VERSION);
	json_write_string(w, "Id", n->id);
	json_write_string(w, "Name", n->name);
	json_write_string(w, "Driver", n->driver);
	json_write_string(w, "Created", created);
	json_write_bool(w, "Internal", n->internal);
	json_write_bool(w, "IPv6", n->ipv6);
	json_write_bool(w, "Attachable", n->attachable);
	json_write_string(w, "Bridge", n->bridge);
	json_write_begin(w, "Pools", '[');
	for (size_t i = 0; i < n->pool_count; i++)
		write_pool(w, &n->pools[i]);
	json_write_end(w, ']');
	write_list(w, "Options", &n->options);
	write_list(w, "IPAMOptions", &n->ipam_options);
	write_list(w, "Labels", &n->labels);
	json_write_end(w, '}');
}

int network_record_write(const struct network_store *s, const struct network *n, struct err *err)
{
	auto_strbuf struct strbuf text = {0};
	struct json_writer w = {.out = &text};
	char path[PATH_BYTES];
	int rc;

	write_network(&w, n);
	strbuf_putc(&text, '\n');
	record_path(n->id, path);
	rc = file_replace_at(s->root_fd, path, text.data, text.len, 0600, FILE_DURABLE);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "write %s/%s: %s", s->root, path,
				err_errno_text(-rc))
		      : 0;
}

int network_record_remove(const struct network_store *s, const char *id)
{
	char path[PATH_BYTES];

	record_path(id, path);
	if (unlinkat(s->root_fd, path, 0) < 0 && errno != ENOENT)
		return -errno;
	return file_sync_dir_at(s->root_fd, "network");
}

/* ---- reading: 0, or -EINVAL for what makes no sense ---- */

/* Missing: none. */
static int get_prefix(struct json_object *o, const char *key, struct ip_prefix *out)
{
	const char *text;
	int rc = json_get_string(o, key, &text);

	if (rc == -ENOENT)
		return 0;
	return rc < 0 ? rc : ip_prefix_parse(text, out);
}

static int read_pool(struct json_object *o, struct network_pool *p)
{
	const char *gateway;

	if (get_prefix(o, "Subnet", &p->subnet) < 0 || get_prefix(o, "IPRange", &p->range) < 0 ||
	    json_get_string(o, "Gateway", &gateway) < 0 || ip_parse(gateway, &p->gateway) < 0 ||
	    json_get_bool(o, "SubnetGiven", &p->subnet_given) < 0 ||
	    json_get_bool(o, "GatewayGiven", &p->gateway_given) < 0 ||
	    json_get_strv(o, "Auxiliary", &p->aux) < 0 || !p->subnet.address.family ||
	    !ip_prefix_contains(&p->subnet, &p->gateway) ||
	    (p->range.address.family && (!ip_prefix_contains(&p->subnet, &p->range.address) ||
					 p->range.length < p->subnet.length)))
		return -EINVAL;
	return 0;
}

static int read_pools(struct json_object *o, struct network *n)
{
	struct json_object *pools;
	int rc = json_get_array(o, "Pools", &pools);
	size_t count;

	if (rc < 0)
		return rc;
	count = json_object_array_length(pools);
	if (!count)
		return 0;
	n->pools = xcalloc(count, sizeof(*n->pools));
	for (size_t i = 0; i < count; i++) {
		n->pool_count = i + 1;
		if (read_pool(json_object_array_get_idx(pools, i), &n->pools[i]) < 0)
			return -EINVAL;
	}
	return 0;
}

static int read_identity(struct json_object *o, const char *id, struct network *n)
{
	const char *own, *name, *created;

	if (json_get_string(o, "Id", &own) < 0 || !str_eq(own, id) ||
	    json_get_string(o, "Name", &name) < 0 || !network_name_is_valid(name) ||
	    json_get_string(o, "Created", &created) < 0 ||
	    clock_parse_rfc3339(created, &n->created_ns) < 0)
		return -EINVAL;
	memcpy(n->id, id, ID_LEN + 1);
	n->name = xstrdup(name);
	return 0;
}

/* A bridge has a device and an IPv4 pool first; the others have neither. */
static int read_driver(struct json_object *o, struct network *n)
{
	const char *driver, *bridge;

	if (json_get_string(o, "Driver", &driver) < 0 ||
	    json_get_string(o, "Bridge", &bridge) < 0 ||
	    str_format(n->bridge, sizeof(n->bridge), "%s", bridge) < 0)
		return -EINVAL;
	n->driver = xstrdup(driver);
	if (str_eq(driver, "bridge"))
		return network_device_is_valid(n->bridge) && n->pool_count &&
				       n->pools[0].subnet.address.family == AF_INET
			       ? 0
			       : -EINVAL;
	return (str_eq(driver, "host") || str_eq(driver, "null")) && !n->pool_count && !n->bridge[0]
		       ? 0
		       : -EINVAL;
}

static int read_network(struct json_object *o, const char *id, struct network *n)
{
	uint64_t version;

	if (json_get_u64(o, "SchemaVersion", &version) < 0 || version != NETWORK_SCHEMA_VERSION ||
	    read_identity(o, id, n) < 0 || read_pools(o, n) < 0 || read_driver(o, n) < 0 ||
	    json_get_bool(o, "Internal", &n->internal) < 0 ||
	    json_get_bool(o, "IPv6", &n->ipv6) < 0 ||
	    json_get_bool(o, "Attachable", &n->attachable) < 0 ||
	    json_get_strv(o, "Options", &n->options) < 0 ||
	    json_get_strv(o, "IPAMOptions", &n->ipam_options) < 0 ||
	    json_get_strv(o, "Labels", &n->labels) < 0)
		return -EINVAL;
	return 0;
}

int network_record_read(const struct network_store *s, const char *id, struct network *n,
			struct err *err)
{
	auto_json struct json_object *o = NULL;
	struct err why = ERR_INIT;
	char path[PATH_BYTES];
	int rc;

	record_path(id, path);
	rc = json_read_at(s->root_fd, path, RECORD_BYTES_MAX, &o, &why);
	if (rc == -ENOENT)
		return rc;
	if (rc < 0 && why.kind == ERR_SYSTEM && rc != -EFBIG) {
		*err = why;
		return rc;
	}
	if (rc == 0)
		rc = read_network(o, id, n);
	return rc < 0 ? err_set(err, ERR_CORRUPT, EUCLEAN, "%s/%s is no record of a network%s%s",
				s->root, path, why.msg[0] ? ": " : "", why.msg)
		      : 0;
}

/* ---- all of them ---- */

static int compare_age(const void *a, const void *b)
{
	const struct network *x = a, *y = b;

	if (x->created_ns != y->created_ns)
		return x->created_ns < y->created_ns ? -1 : 1;
	return strcmp(x->id, y->id);
}

static bool is_record(const char *file, char id[static ID_LEN + 1])
{
	if (strlen(file) != ID_LEN + strlen(".json") || !str_eq(file + ID_LEN, ".json"))
		return false;
	memcpy(id, file, ID_LEN);
	id[ID_LEN] = '\0';
	return id_is_hex(id, ID_LEN);
}

int network_records(const struct network_store *s, struct network **out, size_t *count,
		    struct err *err)
{
	int fd = openat(s->root_fd, "network", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct network *list = NULL;
	struct dirent *entry;
	size_t n = 0;

	*out = NULL;
	*count = 0;
	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, "read %s/network", s->root);
	while ((entry = readdir(dir)) != NULL) {
		struct err one = ERR_INIT;
		struct network network;
		char id[ID_LEN + 1];

		if (!is_record(entry->d_name, id))
			continue;
		network_init(&network);
		/* A damaged one must not hide the others. */
		if (network_record_read(s, id, &network, &one) < 0) {
			network_free(&network);
			continue;
		}
		list = xrealloc(list, (n + 1) * sizeof(*list));
		list[n++] = network;
	}
	if (n)
		qsort(list, n, sizeof(*list), compare_age);
	*out = list;
	*count = n;
	return 0;
}
