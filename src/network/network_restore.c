/* SPDX-License-Identifier: Apache-2.0 */
/* Putting back rules that somebody else has removed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/link.h"
#include "network/bridge.h"
#include "network/holder.h"
#include "network/record.h"
#include "network/sandbox.h"
#include "network/table.h"

#define PATH_BYTES (sizeof("containers/") + ID_LEN)

static int send_ports(const struct network_store *s, int fd, const struct sandbox *sandbox,
		      bool remove)
{
	size_t size = table_ports_bytes(sandbox->port_count);
	auto_free unsigned char *bytes = xcalloc(1, size);
	struct netlink_buffer b = {.bytes = bytes, .size = size};
	int rc;

	table_put_ports(s, sandbox, remove, &b);
	if (!b.used)
		return 0;
	rc = netlink_transact(fd, bytes, b.used, NULL);
	return rc == (remove ? -ENOENT : -EEXIST) ? 0 : rc;
}

/* The script has another name from the moment that its rules are on their way out: whoever adds them
 * and then does not find it must take them back. */
static bool is_connected(const struct network_store *s, int run_dir, const char *id)
{
	return faccessat(run_dir, SCRIPT_FILE, F_OK, 0) == 0 && holder_lives(s, id);
}

static int restore_container(const struct network_store *s, int fd, const char *id)
{
	auto_sandbox struct sandbox sandbox;
	struct err ignored = ERR_INIT;
	auto_close int dir = -1;
	char path[PATH_BYTES];
	int rc;

	sandbox_init(&sandbox);
	snprintf(path, sizeof(path), "containers/%.*s", ID_LEN, id);
	dir = openat(s->run_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || !is_connected(s, dir, id) || sandbox_read(dir, &sandbox, &ignored) < 0 ||
	    !sandbox.port_count)
		return 0;
	rc = send_ports(s, fd, &sandbox, false);
	if (rc == 0 && !is_connected(s, dir, id))
		rc = send_ports(s, fd, &sandbox, true);
	return rc;
}

static int restore_containers(const struct network_store *s, struct err *err)
{
	int dir_fd = openat(s->run_fd, "containers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = dir_fd < 0 ? NULL : fdopendir(dir_fd);
	auto_close int fd = netlink_open(NETLINK_NETFILTER);
	struct dirent *entry;
	int first = fd < 0 ? fd : 0;

	while (fd >= 0 && dir && (entry = readdir(dir)) != NULL) {
		int rc = strlen(entry->d_name) == ID_LEN && id_is_hex(entry->d_name, ID_LEN)
				 ? restore_container(s, fd, entry->d_name)
				 : 0;

		if (rc < 0 && first == 0)
			first = rc;
	}
	return first < 0 ? err_set(err, ERR_SYSTEM, -first, "restore published ports: %s",
				   err_errno_text(-first))
			 : 0;
}

int network_restore(struct network_store *s, struct err *err)
{
	struct network *list = NULL;
	auto_close int lock = -1;
	size_t count = 0;
	int rc = network_lock(s, &lock, err);

	if (rc == 0)
		rc = network_records(s, &list, &count, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		uint32_t index;

		/* Those that nobody uses come up when somebody does. */
		if (list[i].bridge[0] && link_index(list[i].bridge))
			rc = network_bring_up(s, &list[i], &index, err);
	}
	network_list_free(list, count);
	return rc < 0 ? rc : restore_containers(s, err);
}
