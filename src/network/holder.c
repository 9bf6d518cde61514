/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds what, and whether they are still there. */
#include "network/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "kernel/link.h"
#include "network/script.h"

#define LOCK_PATH_BYTES (sizeof("containers//lock") + ID_LEN)

void holder_format(const struct holder *h, char out[static HOLDER_TEXT_MAX])
{
	snprintf(out, HOLDER_TEXT_MAX, "%.*s %.*s", ID_LEN, h->container_id, IFNAMSIZ - 1, h->veth);
}

bool holder_same(const struct holder *a, const struct holder *b)
{
	return str_eq(a->container_id, b->container_id) && str_eq(a->veth, b->veth);
}

int holder_read(int dir, const char *name, struct holder *out)
{
	char text[HOLDER_TEXT_MAX + 1];
	const char *veth;
	ssize_t n = readlinkat(dir, name, text, sizeof(text) - 1);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	if (n < ID_LEN + 2 || text[ID_LEN] != ' ')
		return -EINVAL;
	text[ID_LEN] = '\0';
	veth = text + ID_LEN + 1;
	if (!id_is_hex(text, ID_LEN) || strlen(veth) >= sizeof(out->veth))
		return -EINVAL;
	memcpy(out->container_id, text, ID_LEN + 1);
	memcpy(out->veth, veth, strlen(veth) + 1);
	return 0;
}

static int open_lock(const struct network_store *s, const char *container_id)
{
	char path[LOCK_PATH_BYTES];
	int fd;

	snprintf(path, sizeof(path), "containers/%.*s/lock", ID_LEN, container_id);
	fd = openat(s->run_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

bool holder_lives(const struct network_store *s, const char *container_id)
{
	auto_close int fd = open_lock(s, container_id);

	/* Shared, for a moment: who wants it in earnest tells us from another holder (engine/engine.h). */
	if (fd < 0)
		return fd != -ENOENT;
	return flock(fd, LOCK_SH | LOCK_NB) < 0;
}

int holder_bury(const struct network_store *s, const char *container_id)
{
	auto_close int lock = open_lock(s, container_id), dir = -1;
	char path[LOCK_PATH_BYTES];

	snprintf(path, sizeof(path), "containers/%.*s", ID_LEN, container_id);
	dir = openat(s->run_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	if (lock < 0)
		return lock == -ENOENT ? script_undo_file(dir) : lock;
	if (faccessat(dir, SCRIPT_FILE, F_OK, 0) < 0 &&
	    faccessat(dir, SCRIPT_UNDONE_FILE, F_OK, 0) < 0)
		return flock(lock, LOCK_SH | LOCK_NB) < 0 ? -EBUSY : 0;
	if (flock(lock, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return script_undo_file(dir);
}

static void read_devices(struct holder_devices *d)
{
	auto_close int fd = netlink_open(NETLINK_ROUTE);
	auto_free struct link_info *list = NULL;
	struct err ignored = ERR_INIT;
	size_t count = 0;

	if (fd < 0 || link_list(fd, &list, &count, &ignored) < 0)
		return;
	d->names = xcalloc(count + 1, sizeof(*d->names));
	for (size_t i = 0; i < count; i++)
		memcpy(d->names[i], list[i].name, IFNAMSIZ);
	d->count = count;
	d->known = true;
}

bool holder_device_stands(struct holder_devices *d, const char *veth)
{
	size_t n = strlen(veth);

	if (!d->known)
		read_devices(d);
	if (!d->known)
		return true;
	for (size_t i = 0; n > SCRIPT_RUN_LETTERS && i < d->count; i++)
		if (strlen(d->names[i]) == n &&
		    strncmp(d->names[i], veth, n - SCRIPT_RUN_LETTERS) == 0)
			return true;
	return false;
}

void holder_devices_free(struct holder_devices *d)
{
	free(d->names);
	*d = (struct holder_devices){.known = false};
}
