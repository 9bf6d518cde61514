/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing subnets that nobody on this host uses. */
#include "network/subnet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "kernel/link.h"

#define LOCK_NAME "cloche-subnets"
#define LOCK_WAIT_NS 20000000000ull
#define LOCK_BACKLOG 4096
#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLV_CONF_MAX (1u << 20)
#define ULA_TRIES 16

/* ---- the lock ---- */

static socklen_t lock_address(struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(a->sun_path + 1, LOCK_NAME, strlen(LOCK_NAME));
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(LOCK_NAME));
}

static int stream_socket(int flags)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	return fd < 0 ? -errno : fd;
}

/* 0 and the lock, or -EADDRINUSE. */
static int try_lock(int *lock_fd)
{
	auto_close int fd = stream_socket(0);
	struct sockaddr_un a;
	socklen_t n = lock_address(&a);

	if (fd < 0)
		return fd;
	if (bind(fd, (struct sockaddr *)&a, n) < 0 || listen(fd, LOCK_BACKLOG) < 0)
		return -errno;
	*lock_fd = take_fd(&fd);
	return 0;
}

/* Waits until the holder is gone, which ends the connection that it never accepts. *squatted: the
 * holder is of another user, so not one of us, and may stay for ever. */
static void await_holder(uint64_t timeout_ns, bool *squatted)
{
	auto_close int fd = stream_socket(SOCK_NONBLOCK);
	struct timespec nap = {.tv_nsec = 1000000};
	struct sockaddr_un a;
	socklen_t n = lock_address(&a);
	struct ucred who;
	socklen_t who_bytes = sizeof(who);
	struct pollfd p = {.fd = fd, .events = 0};

	*squatted = false;
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, n) < 0) {
		/* Bound and not listening yet, full, or just gone. */
		nanosleep(&nap, NULL);
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &who_bytes) == 0 && who.uid != 0 &&
	    who.uid != geteuid()) {
		*squatted = true;
		return;
	}
	poll(&p, 1, (int)(timeout_ns / 1000000) + 1);
}

int subnet_lock(int *lock_fd, struct err *err)
{
	uint64_t end = clock_now_ns() + LOCK_WAIT_NS;
	bool squatted = false;
	int rc;

	*lock_fd = -1;
	while ((rc = try_lock(lock_fd)) == -EADDRINUSE) {
		uint64_t now = clock_now_ns();

		if (now >= end)
			return err_set(err, ERR_SYSTEM, ETIMEDOUT,
				       "choose a subnet: the process that has the socket @%s (see "
				       "ss -xlp) does not give it back",
				       LOCK_NAME);
		await_holder(end - now, &squatted);
		/* A name that anybody may take must not be able to stop us. */
		if (squatted)
			return 0;
	}
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "lock the choice of subnets: %s",
				err_errno_text(-rc))
		      : 0;
}

/* ---- what is taken ---- */

void subnet_list_add(struct subnet_list *l, const struct ip_prefix *p)
{
	l->items = xrealloc(l->items, (l->count + 1) * sizeof(*l->items));
	l->items[l->count++] = *p;
}

void subnet_list_free(struct subnet_list *l)
{
	free(l->items);
	*l = (struct subnet_list){.items = NULL};
}

bool subnet_overlaps(const struct subnet_list *l, const struct ip_prefix *p)
{
	for (size_t i = 0; i < l->count; i++)
		if (ip_prefix_overlaps(&l->items[i], p))
			return true;
	return false;
}

void subnet_add_networks(struct subnet_list *l, const struct network *list, size_t count,
			 const char *except)
{
	for (size_t i = 0; i < count; i++) {
		if (except && str_eq(list[i].id, except))
			continue;
		for (size_t p = 0; p < list[i].pool_count; p++)
			subnet_list_add(l, &list[i].pools[p].subnet);
	}
}

static int add_addresses(struct subnet_list *l, int fd, uint32_t except, struct err *err)
{
	auto_free struct link_address *list = NULL;
	size_t count = 0;
	int rc = link_list_addresses(fd, &list, &count, err);

	for (size_t i = 0; rc == 0 && i < count; i++)
		if (list[i].index != except)
			subnet_list_add(l, &list[i].address);
	return rc;
}

/* A default route leads everywhere, and says nothing of who is there; so do the two halves that VPNs
 * put in its place. Multicast and link-local prefixes overlap no pool. */
static int add_routes(struct subnet_list *l, int fd, uint32_t except, struct err *err)
{
	auto_free struct link_route *list = NULL;
	size_t count = 0;
	int rc = link_list_routes(fd, &list, &count, err);

	for (size_t i = 0; rc == 0 && i < count; i++)
		if (list[i].to.length > 1 && list[i].index != except && list[i].type == RTN_UNICAST)
			subnet_list_add(l, &list[i].to);
	return rc;
}

/* The host's resolvers may be reached by the default route alone. */
static void add_resolvers(struct subnet_list *l)
{
	auto_free char *text = NULL;
	char *rest, *line;

	if (file_read_at(AT_FDCWD, RESOLV_CONF, RESOLV_CONF_MAX, &text, &(size_t){0}) < 0)
		return;
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL) {
		struct ip_prefix p;
		char *end;

		line += strspn(line, " \t");
		if (!str_starts(line, "nameserver"))
			continue;
		line += strlen("nameserver");
		line += strspn(line, " \t");
		end = line + strcspn(line, " \t\r%#;");
		*end = '\0';
		if (ip_parse(line, &p.address) < 0)
			continue;
		p.length = (uint8_t)(8 * ip_bytes(&p.address));
		subnet_list_add(l, &p);
	}
}

int subnet_add_host(struct subnet_list *l, const char *except, struct err *err)
{
	auto_close int fd = netlink_open(NETLINK_ROUTE);
	uint32_t index = except ? link_index(except) : 0;
	int rc;

	if (fd < 0)
		return err_set(err, ERR_SYSTEM, -fd, "open a netlink socket: %s",
			       err_errno_text(-fd));
	rc = add_addresses(l, fd, index, err);
	if (rc == 0)
		rc = add_routes(l, fd, index, err);
	add_resolvers(l);
	return rc;
}

/* ---- the choice ---- */

static int choose_ipv4(const struct subnet_list *taken, struct ip_prefix *out, struct err *err)
{
	static const struct {
		const char *first;
		uint32_t count, step;
	} pools[] = {{"172.17.0.0/16", 15, 1u << 16}, {"192.168.0.0/20", 16, 1u << 12}};

	for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++) {
		struct ip_prefix p;

		if (ip_prefix_parse(pools[i].first, &p) < 0)
			continue;
		for (uint32_t k = 0; k < pools[i].count; k++) {
			if (!subnet_overlaps(taken, &p)) {
				*out = p;
				return 0;
			}
			p.address = ip_add(&p.address, pools[i].step);
		}
	}
	return err_set(err, ERR_CONFLICT, EADDRNOTAVAIL,
		       "could not find an available, non-overlapping IPv4 address pool among the "
		       "defaults to assign to the network (choose one with --subnet)");
}

static int choose_ipv6(const struct subnet_list *taken, struct ip_prefix *out, struct err *err)
{
	for (int i = 0; i < ULA_TRIES; i++) {
		struct ip_prefix p = {.address = {.family = AF_INET6, .bytes = {0xfd}},
				      .length = 64};

		/* 40 random bits make it global; subnet 0 of it. */
		if (getrandom(p.address.bytes + 1, 5, 0) != 5)
			return err_sys(err, "choose an IPv6 subnet");
		if (!subnet_overlaps(taken, &p)) {
			*out = p;
			return 0;
		}
	}
	return err_set(err, ERR_CONFLICT, EADDRNOTAVAIL,
		       "could not find an available, non-overlapping IPv6 address pool");
}

int subnet_choose(const struct subnet_list *taken, uint8_t family, struct ip_prefix *out,
		  struct err *err)
{
	return family == AF_INET6 ? choose_ipv6(taken, out, err) : choose_ipv4(taken, out, err);
}
