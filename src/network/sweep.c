/* SPDX-License-Identifier: Apache-2.0 */
/* Who has endpoints in a network, and what crashes left of those who had. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "network/holder.h"

#define DIR_PATH_BYTES (sizeof("network//address") + ID_LEN)

/* Calls fn for every holder's link below the run root's `path`, until it returns non-zero. */
typedef int link_fn(int dir, const char *name, const struct holder *h, void *context);

static int for_each_link(const struct network_store *s, const char *path, link_fn *fn,
			 void *context, struct err *err)
{
	int fd = openat(s->run_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int rc = 0;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, "read %s/%s", s->run_root, path);
	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		struct holder h;

		if (entry->d_name[0] != '.' && holder_read(fd, entry->d_name, &h) == 0)
			rc = fn(fd, entry->d_name, &h, context);
	}
	return rc;
}

struct users {
	const struct network_store *s;
	struct strv *ids;
};

static int add_user(int dir, const char *name, const struct holder *h, void *context)
{
	struct users *u = context;

	(void)dir;
	(void)name;
	if (!strv_contains(u->ids, h->container_id) && holder_lives(u->s, h->container_id))
		strv_add(u->ids, h->container_id);
	return 0;
}

int network_users(struct network_store *s, const struct network *n, struct strv *ids,
		  struct err *err)
{
	struct users u = {.s = s, .ids = ids};
	char path[DIR_PATH_BYTES];

	snprintf(path, sizeof(path), "network/%.*s/address", ID_LEN, n->id);
	return for_each_link(s, path, add_user, &u, err);
}

struct sweep {
	const struct network_store *s;
	bool repair;
	const char *kind;
	network_finding_fn *report;
	void *context;
	struct holder_devices devices;
};

/* Those who take over what the dead held do so under the same lock. */
static int remove_if_same(int dir, const char *name, const struct holder *h)
{
	struct holder now;
	int rc = 0;

	if (flock(dir, LOCK_EX) < 0)
		return -errno;
	if (holder_read(dir, name, &now) == 0 && holder_same(&now, h) && unlinkat(dir, name, 0) < 0)
		rc = -errno;
	flock(dir, LOCK_UN);
	return rc;
}

static int look_at(int dir, const char *name, const struct holder *h, void *context)
{
	struct sweep *w = context;
	int rc = 0;

	if (holder_lives(w->s, h->container_id))
		return 0;
	if (w->repair) {
		rc = holder_bury(w->s, h->container_id);
		if (rc == -EBUSY)
			return 0;
		/* Its script may have been all that was missing; else it died before it had one. */
		if (rc == 0)
			rc = holder_device_stands(&w->devices, h->veth)
				     ? -EBUSY
				     : remove_if_same(dir, name, h);
	}
	w->report(w->context, w->kind, name, h->container_id, rc);
	return 0;
}

static bool names_network(const char *name)
{
	return strlen(name) == ID_LEN && id_is_hex(name, ID_LEN);
}

int network_sweep(struct network_store *s, bool repair, network_finding_fn *report, void *context,
		  struct err *err)
{
	int fd = openat(s->run_fd, "network", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct sweep w = {
		.s = s, .repair = repair, .kind = "port", .report = report, .context = context};
	struct dirent *entry;
	int rc;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, "read %s/network", s->run_root);
	rc = for_each_link(s, HOLDER_PORTS, look_at, &w, err);
	w.kind = "address";
	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		char path[DIR_PATH_BYTES];

		if (!names_network(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "network/%.*s/address", ID_LEN, entry->d_name);
		rc = for_each_link(s, path, look_at, &w, err);
	}
	holder_devices_free(&w.devices);
	return rc;
}
