/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks by reference, and the three that are always there. Those are made by whoever first asks for
 * one of them, under the lock of the records, so that two who ask at once get the same.
 */
#include "network/network.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/str.h"
#include "kernel/link.h"
#include "network/bridge.h"
#include "network/record.h"
#include "network/subnet.h"

#define DEFAULT_RUN_ROOT "/run/cloche"
#define FNV_OFFSET 2166136261u
#define FNV_PRIME 16777619u

static const struct {
	const char *name, *driver;
} predefined[] = {{"bridge", "bridge"}, {"host", "host"}, {"none", "null"}};
#define PREDEFINED_COUNT (sizeof(predefined) / sizeof(predefined[0]))

/* FNV-1a: names must be the same from every program, and nothing depends on their being hard to
 * guess. */
static uint32_t hash_of(const char *text)
{
	uint32_t h = FNV_OFFSET;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * FNV_PRIME;
	return h;
}

void network_store_init(struct network_store *s, const char *root, int root_fd,
			const char *run_root, int run_fd)
{
	*s = (struct network_store){
		.root = root, .run_root = run_root, .root_fd = root_fd, .run_fd = run_fd};
	if (str_eq(run_root, DEFAULT_RUN_ROOT)) {
		snprintf(s->table, sizeof(s->table), "cloche");
		snprintf(s->default_bridge, sizeof(s->default_bridge), "cloche0");
		return;
	}
	snprintf(s->table, sizeof(s->table), "cloche-%08x", hash_of(run_root));
	snprintf(s->default_bridge, sizeof(s->default_bridge), "cloche%08x", hash_of(run_root));
}

bool network_is_predefined(const struct network *n)
{
	for (size_t i = 0; i < PREDEFINED_COUNT; i++)
		if (str_eq(n->name, predefined[i].name))
			return true;
	return false;
}

/* ---- the predefined ones ---- */

static void set_pool(struct network *n, const struct ip_prefix *subnet,
		     const struct ip_address *gateway, bool given)
{
	if (!n->pool_count) {
		n->pools = xcalloc(1, sizeof(*n->pools));
		n->pool_count = 1;
	}
	n->pools[0].subnet = *subnet;
	n->pools[0].subnet.address = ip_prefix_first(subnet);
	n->pools[0].range = (struct ip_prefix){.length = 0};
	n->pools[0].gateway = *gateway;
	n->pools[0].subnet_given = n->pools[0].gateway_given = given;
}

/* A bridge that somebody has prepared under the name brings its address along. */
static bool adopt_address(struct network *n, const char *bridge)
{
	auto_close int fd = netlink_open(NETLINK_ROUTE);
	auto_free struct link_address *list = NULL;
	uint32_t index = link_index(bridge);
	struct err ignored = ERR_INIT;
	size_t count = 0;

	if (!index || fd < 0 || link_list_addresses(fd, &list, &count, &ignored) < 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (list[i].index != index || list[i].address.address.family != AF_INET ||
		    list[i].address.length > 30)
			continue;
		set_pool(n, &list[i].address, &list[i].address.address, false);
		return true;
	}
	return false;
}

static int choose_pool(const struct network_store *s, struct network *n, struct err *err)
{
	auto_subnet_list struct subnet_list taken = {0};
	struct network *list = NULL;
	struct ip_prefix subnet;
	struct ip_address gateway;
	size_t count = 0;
	int rc = network_records(s, &list, &count, err);

	subnet_add_networks(&taken, list, count, n->id);
	network_list_free(list, count);
	if (rc == 0)
		rc = subnet_add_host(&taken, n->bridge, err);
	if (rc == 0)
		rc = subnet_choose(&taken, AF_INET, &subnet, err);
	if (rc < 0)
		return rc;
	gateway = ip_add(&subnet.address, 1);
	set_pool(n, &subnet, &gateway, false);
	return 0;
}

/* As Docker shows its default network's options. */
static void set_default_options(struct network *n)
{
	static const char *const fixed[] = {"com.docker.network.bridge.default_bridge=true",
					    "com.docker.network.bridge.enable_icc=true",
					    "com.docker.network.bridge.enable_ip_masquerade=true",
					    "com.docker.network.bridge.host_binding_ipv4=0.0.0.0",
					    "com.docker.network.driver.mtu=1500"};

	strv_free(&n->options);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		strv_add(&n->options, fixed[i]);
	strv_add_taken(&n->options, xasprintf("com.docker.network.bridge.name=%s", n->bridge));
}

/* Bridge and address as the configuration has them, or the first subnet that is free. */
static int configure_default(const struct network_store *s, struct network *n, struct err *err)
{
	bool moved = !str_eq(n->bridge, s->default_bridge);

	snprintf(n->bridge, sizeof(n->bridge), "%s", s->default_bridge);
	set_default_options(n);
	if (s->default_address.address.family == AF_INET) {
		set_pool(n, &s->default_address, &s->default_address.address, true);
		return 0;
	}
	if (moved && adopt_address(n, n->bridge))
		return 0;
	/* One that the configuration gave once and gives no more stays. */
	return n->pool_count ? 0 : choose_pool(s, n, err);
}

static bool same_prefix(const struct ip_prefix *a, const struct ip_prefix *b)
{
	struct ip_address x = ip_prefix_first(a), y = ip_prefix_first(b);

	return a->length == b->length && ip_equal(&x, &y);
}

bool network_is_outdated(const struct network_store *s, const struct network *n)
{
	return str_eq(n->name, NETWORK_DEFAULT) &&
	       (!str_eq(n->bridge, s->default_bridge) || !n->pool_count ||
		(s->default_address.address.family == AF_INET &&
		 (!same_prefix(&n->pools[0].subnet, &s->default_address) ||
		  !ip_equal(&n->pools[0].gateway, &s->default_address.address))));
}

static int make_predefined(const struct network_store *s, size_t i, struct err *err)
{
	auto_network struct network n;
	int rc;

	network_init(&n);
	rc = id_generate(n.id);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "make an id: %s", err_errno_text(-rc));
	n.name = xstrdup(predefined[i].name);
	n.driver = xstrdup(predefined[i].driver);
	n.created_ns = clock_wall_ns();
	if (str_eq(n.driver, "bridge"))
		rc = configure_default(s, &n, err);
	if (rc < 0)
		return rc;
	/* The name first: a name without a record is no network, a record without a name would be. */
	rc = network_name_take(s, n.name, n.id);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "name network %s: %s", n.name,
			       err_errno_text(-rc));
	return network_record_write(s, &n, err);
}

static int predefine_one(const struct network_store *s, size_t i, struct err *err)
{
	auto_network struct network n;
	char id[ID_LEN + 1];
	int rc = network_name_read(s, predefined[i].name, id);

	network_init(&n);
	if (rc == 0)
		rc = network_record_read(s, id, &n, err);
	if (rc == -ENOENT || rc == -EINVAL)
		return make_predefined(s, i, err);
	if (rc < 0 || !network_is_outdated(s, &n))
		return rc;
	rc = configure_default(s, &n, err);
	return rc < 0 ? rc : network_record_write(s, &n, err);
}

int network_predefine(const struct network_store *s, struct err *err)
{
	auto_close int lock = -1, subnets = -1;
	int rc = network_lock(s, &lock, err);

	if (rc == 0)
		rc = subnet_lock(&subnets, err);
	for (size_t i = 0; rc == 0 && i < PREDEFINED_COUNT; i++)
		rc = predefine_one(s, i, err);
	return rc;
}

int network_choose_again(const struct network_store *s, struct network *n, struct err *err)
{
	int rc = choose_pool(s, n, err);

	return rc < 0 ? rc : network_record_write(s, n, err);
}

/* ---- references ---- */

static int not_found(const char *reference, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, ENOENT, "network %s not found", reference);
}

/* -ENOENT: no such name, or its maker has not finished. */
static int find_by_name(const struct network_store *s, const char *name, struct network *n,
			struct err *err)
{
	char id[ID_LEN + 1];
	int rc = network_name_read(s, name, id);

	if (rc == 0)
		rc = network_record_read(s, id, n, err);
	if (rc == 0 && network_is_outdated(s, n)) {
		network_free(n);
		return -ENOENT;
	}
	if (rc == -EINVAL && err->kind == ERR_NONE)
		return -ENOENT;
	return rc;
}

static bool is_hex(const char *text)
{
	size_t n = strlen(text);

	return n >= 1 && n <= ID_LEN && id_is_hex(text, n);
}

static int find_by_prefix(const struct network_store *s, const char *prefix, struct network *n,
			  struct err *err)
{
	struct network *list = NULL;
	size_t count = 0, matches = 0;
	int rc = network_records(s, &list, &count, err);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (!str_starts(list[i].id, prefix))
			continue;
		if (matches++ == 0) {
			*n = list[i];
			network_init(&list[i]);
		}
	}
	network_list_free(list, count);
	if (rc < 0 || matches == 1)
		return rc;
	network_free(n);
	return matches ? err_set(err, ERR_INVALID, EINVAL,
				 "network %s is ambiguous (%zu matches found based on ID prefix)",
				 prefix, matches)
		       : -ENOENT;
}

static bool names_predefined(const char *reference)
{
	for (size_t i = 0; i < PREDEFINED_COUNT; i++)
		if (str_eq(reference, predefined[i].name))
			return true;
	return false;
}

int network_find(struct network_store *s, const char *reference, struct network *n, struct err *err)
{
	int rc = -ENOENT;

	*err = ERR_INIT;
	network_init(n);
	if (is_hex(reference) && strlen(reference) == ID_LEN)
		rc = network_record_read(s, reference, n, err);
	if (rc == -ENOENT)
		rc = find_by_name(s, reference, n, err);
	if (rc == -ENOENT && names_predefined(reference)) {
		rc = network_predefine(s, err);
		if (rc == 0)
			rc = find_by_name(s, reference, n, err);
	}
	if (rc == -ENOENT && is_hex(reference))
		rc = find_by_prefix(s, reference, n, err);
	if (rc == -ENOENT && err->kind == ERR_NONE)
		return not_found(reference, err);
	return rc;
}

static bool has_predefined(const struct network *list, size_t count)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		found += network_is_predefined(&list[i]);
	return found == PREDEFINED_COUNT;
}

int network_list(struct network_store *s, struct network **out, size_t *count, struct err *err)
{
	int rc = network_records(s, out, count, err);

	if (rc < 0 || has_predefined(*out, *count))
		return rc;
	network_list_free(*out, *count);
	*out = NULL;
	*count = 0;
	rc = network_predefine(s, err);
	return rc < 0 ? rc : network_records(s, out, count, err);
}
