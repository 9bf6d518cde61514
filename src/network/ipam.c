/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving addresses. Taking a free one is one symlink(2), which cannot succeed twice. A hint, written
 * without any lock, says where to go on; a wrong one costs some more tries. Only when all are taken,
 * or one is asked for that is, are holders looked at: who is dead, and whose device is gone with its
 * namespace, loses the address to one taker, which a lock on the directory makes certain. That lock
 * is not held while anything is undone or waited for.
 */
#include "network/ipam.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"

#define DIR_PATH_BYTES (sizeof("network//address") + ID_LEN)
#define DEVICE_WAIT_NS 3000000000ull
#define DEVICE_NAP_NS 5000000

static void place(const char *network_id, const char *file, char out[static DIR_PATH_BYTES])
{
	snprintf(out, DIR_PATH_BYTES, "network/%.*s/%s", ID_LEN, network_id, file);
}

const struct network_pool *ipam_pool(const struct network *n, uint8_t family)
{
	for (size_t i = 0; i < n->pool_count; i++)
		if (n->pools[i].subnet.address.family == family)
			return family == AF_INET6 && !n->ipv6 ? NULL : &n->pools[i];
	return NULL;
}

char *ipam_path(const struct network_store *s, const char *network_id, const struct ip_address *a)
{
	char text[IP_TEXT_MAX];

	ip_format(a, text);
	return xasprintf("%s/network/%s/address/%s", s->run_root, network_id, text);
}

static int open_addresses(const struct network_store *s, const char *network_id, bool make)
{
	char path[DIR_PATH_BYTES];
	int fd;

	place(network_id, "address", path);
	fd = openat(s->run_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && make) {
		int rc = file_mkdir_all_at(s->run_fd, path, 0700);

		if (rc < 0)
			return rc;
		fd = openat(s->run_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

/* ---- which ones may be given ---- */

static bool is_aux(const struct network_pool *p, const struct ip_address *a)
{
	for (size_t i = 0; i < p->aux.count; i++) {
		const char *text = strchr(p->aux.items[i], '=');
		struct ip_address aux;

		if (text && ip_parse(text + 1, &aux) == 0 && ip_equal(&aux, a))
			return true;
	}
	return false;
}

bool ipam_is_subnets_own(const struct ip_prefix *subnet, const struct ip_address *a)
{
	struct ip_address first = ip_prefix_first(subnet), last = ip_prefix_last(subnet);
	bool ipv4 = a->family == AF_INET;

	/* A subnet of one or two addresses has none of its own (RFC 3021, RFC 6164). */
	return subnet->length < (ipv4 ? 31 : 127) &&
	       (ip_equal(a, &first) || (ipv4 && ip_equal(a, &last)));
}

static bool is_reserved(const struct network_pool *p, const struct ip_address *a)
{
	return ipam_is_subnets_own(&p->subnet, a) || ip_equal(a, &p->gateway) || is_aux(p, a);
}

/* ---- taking a free one ---- */

/* 0, -EEXIST, or another -errno. */
static int take_link(int dir, const struct ip_address *a, const struct holder *h)
{
	char name[IP_TEXT_MAX], text[HOLDER_TEXT_MAX];

	ip_format(a, name);
	holder_format(h, text);
	return symlinkat(text, dir, name) < 0 ? -errno : 0;
}

/* The number of the address given last within its range, or anything else, which is as good. */
static int open_hint(const struct network_store *s, const struct ipam_request *r)
{
	char path[DIR_PATH_BYTES];

	place(r->network->id, r->pool->subnet.address.family == AF_INET6 ? "last6" : "last4", path);
	return openat(s->run_fd, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static uint64_t read_hint(int fd)
{
	uint64_t last;

	/* Then the range's first is next. */
	if (fd < 0 || pread(fd, &last, sizeof(last), 0) != (ssize_t)sizeof(last))
		return UINT64_MAX;
	return last;
}

static void write_hint(int fd, uint64_t last)
{
	if (fd >= 0 && pwrite(fd, &last, sizeof(last), 0) != (ssize_t)sizeof(last))
		return; /* The next one begins where this one did. */
}

struct span {
	struct ip_address first;
	uint64_t last; /* number of the last address */
};

static struct span span_of(const struct network_pool *p)
{
	const struct ip_prefix *range = p->range.address.family ? &p->range : &p->subnet;
	struct ip_address first = ip_prefix_first(range), last = ip_prefix_last(range);

	return (struct span){.first = first, .last = ip_distance(&first, &last)};
}

static uint64_t after(const struct span *span, uint64_t at)
{
	return at >= span->last ? 0 : at + 1;
}

/* 0, -EADDRNOTAVAIL when all are taken, or another -errno. */
static int take_free(const struct network_store *s, int dir, const struct ipam_request *r,
		     struct ip_address *out)
{
	struct span span = span_of(r->pool);
	auto_close int hint = open_hint(s, r);
	uint64_t first = after(&span, read_hint(hint)), at = first;

	do {
		struct ip_address a = ip_add(&span.first, at);
		int rc = is_reserved(r->pool, &a) ? -EEXIST : take_link(dir, &a, &r->holder);

		if (rc == 0) {
			write_hint(hint, at);
			*out = a;
		}
		if (rc != -EEXIST)
			return rc;
		at = after(&span, at);
	} while (at != first);
	return -EADDRNOTAVAIL;
}

/* ---- taking one over ---- */

/* Whether the holder is dead and has been undone. Ours is: we hold our own lock, and begin. */
static bool is_dead(const struct network_store *s, const struct ipam_request *r,
		    const struct holder *h)
{
	if (str_eq(h->container_id, r->holder.container_id))
		return true;
	return holder_bury(s, h->container_id) == 0;
}

static int replace_link(int dir, const struct ip_address *a, const struct holder *old,
			const struct holder *new)
{
	char name[IP_TEXT_MAX];
	struct holder now;
	int rc;

	ip_format(a, name);
	if (flock(dir, LOCK_EX) < 0)
		return -errno;
	rc = holder_read(dir, name, &now);
	/* Somebody was faster, or its owner has given it back. */
	if (rc == 0 && (!old || !holder_same(&now, old)))
		rc = -EEXIST;
	else if ((rc == 0 || rc == -EINVAL) && unlinkat(dir, name, 0) < 0)
		rc = -errno;
	else if (rc == -EINVAL || rc == -ENOENT)
		rc = 0;
	if (rc == 0)
		rc = take_link(dir, a, new);
	flock(dir, LOCK_UN);
	return rc;
}

/* 0, -EEXIST when its holder lives, -EBUSY when its device still stands, or another -errno. */
static int take_over(const struct network_store *s, int dir, const struct ipam_request *r,
		     struct holder_devices *devices, const struct ip_address *a)
{
	char name[IP_TEXT_MAX];
	struct holder h;
	int rc;

	ip_format(a, name);
	rc = holder_read(dir, name, &h);
	if (rc == -ENOENT)
		return take_link(dir, a, &r->holder);
	if (rc == -EINVAL)
		return replace_link(dir, a, NULL, &r->holder);
	if (rc < 0)
		return rc;
	if (!is_dead(s, r, &h))
		return -EEXIST;
	if (holder_device_stands(devices, h.veth))
		return -EBUSY;
	return replace_link(dir, a, &h, &r->holder);
}

static int take_any_over(const struct network_store *s, int dir, const struct ipam_request *r,
			 struct ip_address *out)
{
	auto_holder_devices struct holder_devices devices = {.known = false};
	struct span span = span_of(r->pool);
	uint64_t at = 0;

	do {
		struct ip_address a = ip_add(&span.first, at);
		int rc = is_reserved(r->pool, &a) ? -EEXIST : take_over(s, dir, r, &devices, &a);

		if (rc == 0)
			*out = a;
		if (rc != -EEXIST && rc != -EBUSY)
			return rc;
		at = after(&span, at);
	} while (at != 0);
	return -EADDRNOTAVAIL;
}

/* A namespace that has just ended takes its devices along soon. */
static int take_wanted(const struct network_store *s, int dir, const struct ipam_request *r)
{
	const struct timespec nap = {.tv_nsec = DEVICE_NAP_NS};
	uint64_t end = clock_now_ns() + DEVICE_WAIT_NS;
	int rc = take_link(dir, &r->wanted, &r->holder);

	while (rc == -EEXIST || rc == -EBUSY) {
		auto_holder_devices struct holder_devices devices = {.known = false};

		rc = take_over(s, dir, r, &devices, &r->wanted);
		if (rc != -EBUSY || clock_now_ns() >= end)
			return rc;
		nanosleep(&nap, NULL);
	}
	return rc;
}

/* ---- in words ---- */

static const char *family_name(const struct network_pool *p)
{
	return p->subnet.address.family == AF_INET6 ? "IPv6" : "IPv4";
}

static int refuse(const struct ipam_request *r, int rc, struct err *err)
{
	if (rc == -EADDRNOTAVAIL)
		return err_set(err, ERR_CONFLICT, EADDRNOTAVAIL,
			       "no available %s addresses on this network's address pools: %s (%s)",
			       family_name(r->pool), r->network->name, r->network->id);
	if (rc == -EEXIST || rc == -EBUSY)
		return err_set(err, ERR_FORBIDDEN, EADDRINUSE, "Address already in use");
	return err_set(err, ERR_SYSTEM, -rc, "take an address of network %s: %s", r->network->name,
		       err_errno_text(-rc));
}

int ipam_take(const struct network_store *s, const struct ipam_request *r, struct ip_address *out,
	      struct err *err)
{
	auto_close int dir = open_addresses(s, r->network->id, true);
	char text[IP_TEXT_MAX];
	int rc;

	if (dir < 0)
		return refuse(r, dir, err);
	if (!r->wanted.family) {
		rc = take_free(s, dir, r, out);
		if (rc == -EADDRNOTAVAIL)
			rc = take_any_over(s, dir, r, out);
		return rc < 0 ? refuse(r, rc, err) : 0;
	}
	if (!ip_prefix_contains(&r->pool->subnet, &r->wanted)) {
		ip_format(&r->wanted, text);
		return err_set(err, ERR_INVALID, EINVAL,
			       "Invalid address %s: It does not belong to any of this network's "
			       "subnets",
			       text);
	}
	rc = is_reserved(r->pool, &r->wanted) ? -EEXIST : take_wanted(s, dir, r);
	*out = r->wanted;
	return rc < 0 ? refuse(r, rc, err) : 0;
}

void ipam_release(const struct network_store *s, const char *network_id, const struct ip_address *a,
		  const char *container_id)
{
	auto_close int dir = open_addresses(s, network_id, false);
	char name[IP_TEXT_MAX];
	struct holder h;

	ip_format(a, name);
	if (dir >= 0 && holder_read(dir, name, &h) == 0 && str_eq(h.container_id, container_id))
		unlinkat(dir, name, 0);
}
