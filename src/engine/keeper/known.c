/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is ours although nobody who runs answers to it: names, short ids and aliases of containers that
 * exist, and addresses of any network's subnets. No server outside is to learn of them. The records of
 * the data root say so; they are read again only where they have changed, and only when a question is
 * about to leave that could be meant.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/keeper/names.h"
#include "network/network.h"

#define RECORD "hostconfig.json"
#define RECORD_BYTES_MAX (16u << 20)
/* A container's aliases may change without its directory's knowing: they are looked at again so often. */
#define LOOK_NS (100 * NS_PER_MS)
/* What was changed less than this before it was read may have been changed again in the same tick. */
#define TICK_NS (20 * NS_PER_MS)

struct stamp {
	uint64_t inode, changed_ns;
	bool settled; /* the same stamp later means: the same content */
};

struct known_container {
	char id[ID_LEN + 1];
	struct stamp record;
	struct strv aliases;
	bool exists;
};

struct known {
	int root_fd, run_fd;
	struct network_store store;
	struct stamp networks_stamp, stamps[3]; /* of the directories in look() */
	struct network *networks;
	size_t network_count;
	struct known_container *containers;
	size_t container_count;
	size_t next; /* the directory's order is theirs, mostly */
	struct strv names;
	uint64_t looked_ns;
};

struct known *known_open(struct keeper *k)
{
	struct known *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->root_fd = -1;
	n->run_fd = k->run_fd;
	if (k->options->root)
		n->root_fd = open(k->options->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	network_store_init(&n->store, k->options->root, n->root_fd, k->options->run_root,
			   k->run_fd);
	return n;
}

void known_close(struct known *n)
{
	if (!n)
		return;
	network_list_free(n->networks, n->network_count);
	for (size_t i = 0; i < n->container_count; i++)
		strv_free(&n->containers[i].aliases);
	free(n->containers);
	strv_free(&n->names);
	if (n->root_fd >= 0)
		close(n->root_fd);
	free(n);
}

/* ---- what has changed ---- */

/* Whether path says for certain that it is as it was; takes down how it is now. */
static bool is_unchanged(int dir, const char *path, struct stamp *last)
{
	struct stamp now = {.inode = 0};
	struct stat st;
	bool same;

	if (fstatat(dir, path, &st, 0) == 0) {
		now.inode = st.st_ino;
		now.changed_ns =
			(uint64_t)st.st_ctim.tv_sec * NS_PER_S + (uint64_t)st.st_ctim.tv_nsec;
	}
	now.settled = clock_wall_ns() > now.changed_ns + TICK_NS;
	same = last->settled && now.inode == last->inode && now.changed_ns == last->changed_ns;
	*last = now;
	return same;
}

/* ---- networks ---- */

static void read_networks(struct known *n)
{
	struct err ignored = ERR_INIT;

	if (is_unchanged(n->root_fd, "network", &n->networks_stamp))
		return;
	network_list_free(n->networks, n->network_count);
	if (network_list(&n->store, &n->networks, &n->network_count, &ignored) < 0) {
		n->networks = NULL;
		n->network_count = 0;
	}
}

static bool is_of_a_network(const struct known *n, const struct ip_address *a)
{
	for (size_t i = 0; i < n->network_count; i++)
		for (size_t p = 0; p < n->networks[i].pool_count; p++)
			if (ip_prefix_contains(&n->networks[i].pools[p].subnet, a))
				return true;
	return false;
}

static bool is_network(const struct known *n, const char *name)
{
	for (size_t i = 0; i < n->network_count; i++)
		if (strcasecmp(n->networks[i].name, name) == 0)
			return true;
	return false;
}

/* ---- containers ---- */

static DIR *open_list(int root, const char *path)
{
	int fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !d)
		close(fd);
	return d;
}

static void read_names(struct known *n)
{
	auto_closedir DIR *d = open_list(n->root_fd, "names");
	struct dirent *entry;

	strv_free(&n->names);
	while (d && (entry = readdir(d)))
		if (entry->d_name[0] != '.')
			strv_add(&n->names, entry->d_name);
}

static void read_aliases(struct known_container *c, int dir, const char *path)
{
	auto_json struct json_object *record = NULL;
	struct json_object *ours = NULL, *ends = NULL;
	struct err ignored = ERR_INIT;

	strv_free(&c->aliases);
	if (json_read_at(dir, path, RECORD_BYTES_MAX, &record, &ignored) < 0 ||
	    json_get_object(record, "Cloche", &ours) < 0 ||
	    json_get_array(ours, "Endpoints", &ends) < 0)
		return;
	for (size_t i = 0; i < json_object_array_length(ends); i++)
		/* One that makes no sense has none. */
		if (json_get_strv(json_object_array_get_idx(ends, i), "Aliases", &c->aliases) < 0)
			continue;
}

static struct known_container *container_of_id(struct known *n, const char *id)
{
	for (size_t i = 0; i < n->container_count; i++) {
		size_t at = (n->next + i) % n->container_count;

		if (str_eq(n->containers[at].id, id)) {
			n->next = at + 1;
			return &n->containers[at];
		}
	}
	n->containers = xrealloc(n->containers, (n->container_count + 1) * sizeof(*n->containers));
	n->containers[n->container_count] = (struct known_container){.exists = false};
	snprintf(n->containers[n->container_count].id, ID_LEN + 1, "%s", id);
	return &n->containers[n->container_count++];
}

static void read_containers(struct known *n, int root)
{
	auto_closedir DIR *d = open_list(root, "containers");
	char path[sizeof("/" RECORD) + ID_LEN];
	struct dirent *entry;

	while (d && (entry = readdir(d))) {
		struct known_container *c;

		if (!id_is_hex(entry->d_name, ID_LEN) ||
		    str_format(path, sizeof(path), "%s/" RECORD, entry->d_name) < 0 ||
		    faccessat(dirfd(d), path, F_OK, 0) < 0)
			continue;
		c = container_of_id(n, entry->d_name);
		c->exists = true;
		if (!is_unchanged(dirfd(d), path, &c->record))
			read_aliases(c, dirfd(d), path);
	}
}

static void look(struct known *n)
{
	const struct {
		int root;
		const char *path;
	} dirs[] = {{n->root_fd, "names"}, {n->root_fd, "containers"}, {n->run_fd, "containers"}};
	bool same = n->looked_ns + LOOK_NS > clock_now_ns();
	size_t kept = 0;

	for (size_t i = 0; i < 3; i++)
		same = is_unchanged(dirs[i].root, dirs[i].path, &n->stamps[i]) && same;
	if (same)
		return;
	read_names(n);
	for (size_t i = 0; i < n->container_count; i++)
		n->containers[i].exists = false;
	read_containers(n, n->root_fd);
	read_containers(n, n->run_fd);
	for (size_t i = 0; i < n->container_count; i++) {
		if (n->containers[i].exists)
			n->containers[kept++] = n->containers[i];
		else
			strv_free(&n->containers[i].aliases);
	}
	n->container_count = kept;
	n->looked_ns = clock_now_ns();
}

static bool has(const struct strv *v, const char *name, size_t bytes)
{
	for (size_t i = 0; i < v->count; i++)
		if (strlen(v->items[i]) == bytes && strncasecmp(v->items[i], name, bytes) == 0)
			return true;
	return false;
}

/* Whether the first so many bytes of name are what some container is called. */
static bool is_container(struct known *n, const char *name, size_t bytes)
{
	look(n);
	if (has(&n->names, name, bytes))
		return true;
	for (size_t i = 0; i < n->container_count; i++) {
		const struct known_container *c = &n->containers[i];

		if ((bytes == ID_SHORT_LEN && memcmp(c->id, name, bytes) == 0) ||
		    has(&c->aliases, name, bytes))
			return true;
	}
	return false;
}

bool known_is_ours(struct known *n, const struct dns_query *q)
{
	struct ip_address a;
	const char *dot = strchr(q->name, '.');

	if (n->root_fd < 0 || !*q->name)
		return false;
	/* What has dots may well be somebody else's, whatever a container is called. */
	if (!dot)
		return is_container(n, q->name, strlen(q->name));
	read_networks(n);
	if (dns_reverse_parse(q->name, &a) == 0)
		return is_of_a_network(n, &a);
	for (; dot; dot = strchr(dot + 1, '.'))
		if (is_network(n, dot + 1) && is_container(n, q->name, (size_t)(dot - q->name)))
			return true;
	return false;
}
