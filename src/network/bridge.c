/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device of a network and what goes with it: addresses, forwarding, our table's elements, the
 * host's consent. Everything here can be done twice, and is done again as long as
 * <run>/network/<id>/ready, which is made last, does not name the device that stands.
 */
#include "network/bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"
#include "kernel/link.h"
#include "network/table.h"

#define RUN_PATH_BYTES (sizeof("network//address") + ID_LEN)
#define MESSAGE_BYTES 4096
#define INDEX_TEXT_MAX 16
#define SYSCTL_TEXT_MAX 16

static void run_path(const struct network *n, const char *file, char out[static RUN_PATH_BYTES])
{
	snprintf(out, RUN_PATH_BYTES, "network/%.*s/%s", ID_LEN, n->id, file);
}

/* ---- the mark that all of it stands ---- */

uint32_t network_standing(const struct network_store *s, const struct network *n)
{
	char path[RUN_PATH_BYTES], text[INDEX_TEXT_MAX];
	uint64_t marked;
	ssize_t bytes;

	run_path(n, "ready", path);
	bytes = readlinkat(s->run_fd, path, text, sizeof(text) - 1);
	if (bytes <= 0)
		return 0;
	text[bytes] = '\0';
	if (str_to_u64(text, &marked) < 0 || marked != link_index(n->bridge))
		return 0;
	return (uint32_t)marked;
}

static int mark_ready(const struct network_store *s, const struct network *n, uint32_t index,
		      struct err *err)
{
	char path[RUN_PATH_BYTES], text[INDEX_TEXT_MAX];

	run_path(n, "ready", path);
	snprintf(text, sizeof(text), "%u", index);
	/* Under the lock of the records: nobody else makes it. */
	if ((unlinkat(s->run_fd, path, 0) < 0 && errno != ENOENT) ||
	    symlinkat(text, s->run_fd, path) < 0)
		return err_sys(err, "make %s/%s", s->run_root, path);
	return 0;
}

/* ---- switches of the kernel's ---- */

static int read_switch(const char *path)
{
	char text[SYSCTL_TEXT_MAX];
	ssize_t n = file_read_small_at(AT_FDCWD, path, text, sizeof(text));

	return n < 0 ? (int)n : atoi(text);
}

/* Writes only what differs: /proc/sys may be read-only and right. */
static int turn(const char *path, const char *value, struct err *err)
{
	int rc = read_switch(path);

	if (rc >= 0 && rc == atoi(value))
		return 0;
	rc = file_write_kernel_at(AT_FDCWD, path, value);
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "write %s to %s: %s", value, path,
				err_errno_text(-rc))
		      : 0;
}

/* A router takes no router's advertisements unless told to (2): turning forwarding on would cost the
 * host the default route that it has learned. */
static void keep_advertisements(void)
{
	static const char conf[] = "/proc/sys/net/ipv6/conf";
	auto_closedir DIR *dir = opendir(conf);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL) {
		auto_free char *path = xasprintf("%s/%s/accept_ra", conf, entry->d_name);
		struct err ignored = ERR_INIT;

		if (entry->d_name[0] != '.' && !str_eq(entry->d_name, "all") &&
		    !str_eq(entry->d_name, "default") && read_switch(path) == 1 &&
		    turn(path, "2", &ignored) < 0)
			continue;
	}
}

static int turn_on_ipv6(const struct network *n, struct err *err)
{
	static const char forwarding[] = "/proc/sys/net/ipv6/conf/all/forwarding";
	auto_free char *off = xasprintf("/proc/sys/net/ipv6/conf/%s/disable_ipv6", n->bridge);
	int rc = read_switch(forwarding);

	if (rc == -ENOENT)
		return err_set(err, ERR_UNSUPPORTED, EAFNOSUPPORT,
			       "network %s wants IPv6, which this kernel has turned off", n->name);
	if (rc == 0)
		keep_advertisements();
	rc = turn(forwarding, "1", err);
	return rc == 0 ? turn(off, "0", err) : rc;
}

/* A container may not become the host's router: whoever may send raw frames can say that he is one
 * (CVE-2020-13401), on a network without IPv6, too. */
static int refuse_advertisements(const struct network *n, struct err *err)
{
	auto_free char *ra = xasprintf("/proc/sys/net/ipv6/conf/%s/accept_ra", n->bridge);

	return read_switch(ra) == -ENOENT ? 0 : turn(ra, "0", err);
}

static int turn_switches(const struct network *n, struct err *err)
{
	auto_free char *localnet =
		xasprintf("/proc/sys/net/ipv4/conf/%s/route_localnet", n->bridge);
	int rc = turn("/proc/sys/net/ipv4/ip_forward", "1", err);

	/* What is published on 127.0.0.1 leaves through the bridge with that source; our table's guard
	 * keeps everybody else out of 127.0.0.0/8 (CVE-2020-8558). */
	return rc == 0 ? turn(localnet, "1", err) : rc;
}

/* ---- the device ---- */

/* The same at every making, so that neighbours' caches stay right, and recognisable as ours. */
static void bridge_mac(const struct network *n, uint8_t mac[static 6])
{
	mac[0] = 0x02;
	mac[1] = 0x42;
	for (int i = 0; i < 4; i++) {
		char hex[3] = {n->id[2 * i], n->id[2 * i + 1], '\0'};

		mac[2 + i] = (uint8_t)strtoul(hex, NULL, 16);
	}
}

/* What has this name. *index 0: nothing. */
static int look_up(int fd, const char *name, struct link_info *out, struct err *err)
{
	auto_free struct link_info *list = NULL;
	size_t count = 0;
	int rc;

	*out = (struct link_info){.index = 0};
	if (!link_index(name))
		return 0;
	rc = link_list(fd, &list, &count, err);
	for (size_t i = 0; rc == 0 && i < count; i++)
		if (str_eq(list[i].name, name))
			*out = list[i];
	return rc;
}

static int make_device(int fd, const struct network *n, const struct network_behaviour *b,
		       uint32_t *index, bool *ours, struct err *err)
{
	_Alignas(8) unsigned char bytes[MESSAGE_BYTES];
	struct netlink_buffer buffer = {.bytes = bytes, .size = sizeof(bytes)};
	struct netlink_refusal refusal = {.index = 0};
	struct link_info there;
	uint8_t mac[6];
	int rc = look_up(fd, n->bridge, &there, err);

	if (rc < 0)
		return rc;
	if (there.index && !str_eq(there.kind, "bridge"))
		return err_set(err, ERR_CONFLICT, EEXIST,
			       "network %s: the host has a device %s that is no bridge", n->name,
			       n->bridge);
	bridge_mac(n, mac);
	*index = there.index;
	*ours = !*index || memcmp(there.mac, mac, sizeof(mac)) == 0;
	if (*index)
		link_put_up(&buffer, n->bridge, true);
	else {
		link_put_bridge(&buffer, &(struct link_bridge){
						 .name = n->bridge, .mtu = b->mtu, .mac = mac});
	}
	rc = netlink_transact(fd, bytes, buffer.used, &refusal);
	if (rc < 0 && rc != -EEXIST)
		return err_set(err, ERR_SYSTEM, -rc, "make bridge %s of network %s: %s%s%s",
			       n->bridge, n->name, err_errno_text(-rc), refusal.text[0] ? ": " : "",
			       refusal.text);
	*index = link_index(n->bridge);
	return *index ? 0
		      : err_set(err, ERR_SYSTEM, ENODEV,
				"bridge %s of network %s: it is gone again", n->bridge, n->name);
}

static int add_address(int fd, const struct network *n, struct ip_prefix address, uint32_t index,
		       struct err *err)
{
	_Alignas(8) unsigned char bytes[MESSAGE_BYTES];
	struct netlink_buffer buffer = {.bytes = bytes, .size = sizeof(bytes)};
	struct netlink_refusal refusal = {.index = 0};
	char text[IP_TEXT_MAX];
	int rc;

	link_put_address(&buffer, index, &address);
	rc = netlink_transact(fd, bytes, buffer.used, &refusal);
	if (rc == 0 || rc == -EEXIST)
		return 0;
	ip_prefix_format(&address, text);
	return err_set(err, ERR_SYSTEM, -rc, "give bridge %s of network %s the address %s: %s%s%s",
		       n->bridge, n->name, text, err_errno_text(-rc), refusal.text[0] ? ": " : "",
		       refusal.text);
}

static int make_bridge(const struct network *n, const struct network_behaviour *b, uint32_t *index,
		       struct err *err)
{
	/* Without one the kernel would not look for neighbours on behalf of those it forwards for. */
	static const struct ip_prefix link_local = {
		.address = {.family = AF_INET6, .bytes = {0xfe, 0x80, [15] = 1}}, .length = 64};
	auto_close int fd = netlink_open(NETLINK_ROUTE);
	bool ours = false;
	int rc;

	if (fd < 0)
		return err_set(err, ERR_SYSTEM, -fd, "open a netlink socket: %s",
			       err_errno_text(-fd));
	rc = make_device(fd, n, b, index, &ours, err);
	/* A bridge of the host's without IPv6 of ours may lead to its router. */
	if (rc == 0 && (ours || n->ipv6))
		rc = refuse_advertisements(n, err);
	if (rc == 0)
		rc = turn_switches(n, err);
	if (rc == 0 && n->ipv6)
		rc = turn_on_ipv6(n, err);
	for (size_t i = 0; rc == 0 && i < n->pool_count; i++)
		if (n->ipv6 || n->pools[i].gateway.family == AF_INET)
			rc = add_address(fd, n,
					 (struct ip_prefix){.address = n->pools[i].gateway,
							    .length = n->pools[i].subnet.length},
					 *index, err);
	if (rc == 0 && n->ipv6)
		rc = add_address(fd, n, link_local, *index, err);
	return rc;
}

/* ---- all of it ---- */

int network_bring_up(const struct network_store *s, const struct network *n, uint32_t *index,
		     struct err *err)
{
	struct network_behaviour b;
	char path[RUN_PATH_BYTES];
	int rc = network_behaviour(n, &b, err);

	if (rc < 0)
		return rc;
	run_path(n, "address", path);
	rc = file_mkdir_all_at(s->run_fd, path, 0700);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "make %s/%s: %s", s->run_root, path,
			       err_errno_text(-rc));
	/* The guards before what they guard. */
	rc = table_add_network(s, n, &b, err);
	if (rc == 0)
		rc = make_bridge(n, &b, index, err);
	if (rc == 0)
		rc = host_filter_admit(s, n, err);
	return rc == 0 ? mark_ready(s, n, *index, err) : rc;
}

static int delete_device(const struct network *n, struct err *err)
{
	auto_close int fd = netlink_open(NETLINK_ROUTE);
	_Alignas(8) unsigned char bytes[MESSAGE_BYTES];
	struct netlink_buffer buffer = {.bytes = bytes, .size = sizeof(bytes)};
	struct link_info there;
	uint8_t mac[6];
	int rc;

	if (fd < 0)
		return err_set(err, ERR_SYSTEM, -fd, "open a netlink socket: %s",
			       err_errno_text(-fd));
	rc = look_up(fd, n->bridge, &there, err);
	bridge_mac(n, mac);
	/* One that was there before us stays. */
	if (rc < 0 || !there.index || memcmp(there.mac, mac, sizeof(mac)) != 0)
		return rc;
	link_put_delete(&buffer, n->bridge);
	rc = netlink_transact(fd, bytes, buffer.used, NULL);
	return rc < 0 && rc != -ENODEV ? err_set(err, ERR_SYSTEM, -rc, "remove bridge %s: %s",
						 n->bridge, err_errno_text(-rc))
				       : 0;
}

/* Under the lock of the records, as whatever makes one stand. */
static bool none_stands(const struct network_store *s)
{
	int fd = openat(s->run_fd, "network", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	char path[RUN_PATH_BYTES];

	while (dir && (entry = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%.*s/ready", ID_LEN, entry->d_name);
		if (faccessat(fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return false;
	}
	return dir != NULL;
}

int network_bring_down(const struct network_store *s, const struct network *n, struct err *err)
{
	struct network_behaviour b;
	char path[RUN_PATH_BYTES];
	int rc = network_behaviour(n, &b, err);

	run_path(n, "ready", path);
	if (unlinkat(s->run_fd, path, 0) < 0 && errno != ENOENT)
		return err_sys(err, "remove %s/%s", s->run_root, path);
	/* The bridge first: without its rules it would be open to everybody. */
	if (rc == 0)
		rc = delete_device(n, err);
	if (rc == 0)
		rc = host_filter_dismiss(s, n, err);
	if (rc == 0)
		rc = table_remove_network(s, n, &b, err);
	if (rc < 0)
		return rc;
	run_path(n, "", path);
	path[strlen(path) - 1] = '\0';
	rc = remove_tree_at(s->run_fd, path);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "remove %s/%s: %s", s->run_root, path,
			       err_errno_text(-rc));
	/* The last one takes the table along. */
	return none_stands(s) ? table_remove(s, err) : 0;
}
