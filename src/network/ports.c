/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published ports: sockets that keep them, and links that say whose they are. The socket decides: who
 * has bound it has the port, and nobody else on the host gets it. The link, <run>/network/ports/
 * <protocol>-<port>-<address>, tells a container's port from any other program's, and finds the dead
 * container whose rules still stand where a port has become free.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "network/holder.h"
#include "network/sandbox.h"

#define ANY_PORT_TRIES 64
#define BURY_TRIES 2000 /* milliseconds */
#define LISTEN_BACKLOG 4096
#define SPARE_DESCRIPTORS 128
#define NAME_BYTES (sizeof("udp-65535-") + IP_TEXT_MAX)

static const char *protocol_name(uint8_t protocol)
{
	return protocol == IPPROTO_UDP ? "udp" : "tcp";
}

static void port_name(const struct port_binding *p, char out[static NAME_BYTES])
{
	char address[IP_TEXT_MAX];

	ip_format(&p->host_address, address);
	snprintf(out, NAME_BYTES, "%s-%u-%s", protocol_name(p->protocol), p->host_port, address);
}

char *ports_path(const struct network_store *store, const struct port_binding *p)
{
	char name[NAME_BYTES];

	port_name(p, name);
	return xasprintf("%s/" HOLDER_PORTS "/%s", store->run_root, name);
}

static int open_ports(const struct network_store *store, bool make)
{
	int fd = openat(store->run_fd, HOLDER_PORTS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && make) {
		int rc = file_mkdir_all_at(store->run_fd, HOLDER_PORTS, 0700);

		if (rc < 0)
			return rc;
		fd = openat(store->run_fd, HOLDER_PORTS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

/* ---- sockets ---- */

static socklen_t fill_address(struct sockaddr_storage *out, const struct port_binding *p)
{
	const struct ip_address *a = &p->host_address;

	memset(out, 0, sizeof(*out));
	if (a->family == AF_INET6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(p->host_port);
		memcpy(&in6->sin6_addr, a->bytes, sizeof(in6->sin6_addr));
		return sizeof(*in6);
	}
	struct sockaddr_in *in = (struct sockaddr_in *)out;

	in->sin_family = AF_INET;
	in->sin_port = htons(p->host_port);
	memcpy(&in->sin_addr, a->bytes, sizeof(in->sin_addr));
	return sizeof(*in);
}

static int bind_to(int fd, const struct port_binding *p)
{
	struct sockaddr_storage a;
	socklen_t n = fill_address(&a, p);

	return bind(fd, (struct sockaddr *)&a, n) < 0 ? -errno : 0;
}

static int reuse(int fd)
{
	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0 ? -errno : 0;
}

/* SO_REUSEADDR lets a port be bound while old connections of it linger (TIME_WAIT), but also lets two
 * sockets have it until one of them listens: so such a socket listens at once. */
static int bind_listening(int fd, const struct port_binding *p)
{
	int rc = reuse(fd);

	if (rc == 0)
		rc = bind_to(fd, p);
	return rc == 0 && listen(fd, LISTEN_BACKLOG) < 0 ? -errno : rc;
}

/* A descriptor or -errno; listens if the monitor is to take what comes. */
static int bind_socket(const struct port_binding *p, bool forwarded)
{
	bool tcp = p->protocol == IPPROTO_TCP;
	auto_close int fd = socket(p->host_address.family,
				   (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK,
				   0);
	int rc;

	if (fd < 0)
		return -errno;
	if (p->host_address.family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int)) < 0)
		return -errno;
	if (tcp && forwarded)
		rc = bind_listening(fd, p);
	else
		rc = bind_to(fd, p);
	/* What comes in is translated and never reaches the socket, whether it listens or not. */
	if (rc == -EADDRINUSE && tcp && !forwarded)
		rc = bind_listening(fd, p);
	return rc < 0 ? rc : take_fd(&fd);
}

static int bound_port(int fd, uint16_t *port)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		return -errno;
	*port = ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
					      : ((struct sockaddr_in *)&a)->sin_port);
	return 0;
}

/* ---- one request: the same port on each of its addresses ---- */

struct attempt {
	struct port_binding ports[2]; /* what was bound, or failed last */
	int fds[2];
	size_t wanted, bound, failed;
};

static void attempt_init(struct attempt *a, const struct port_binding *request)
{
	static const struct ip_address any[2] = {{.family = AF_INET}, {.family = AF_INET6}};

	*a = (struct attempt){.wanted = request->host_address.family ? 1 : 2};
	for (size_t i = 0; i < a->wanted; i++) {
		a->ports[i] = *request;
		if (!request->host_address.family)
			a->ports[i].host_address = any[i];
	}
}

static void attempt_undo(struct attempt *a)
{
	while (a->bound)
		close(a->fds[--a->bound]);
}

/* 0, or -errno of ports[bound]. */
static int attempt_bind(struct attempt *a, uint16_t port)
{
	while (a->bound < a->wanted) {
		struct port_binding *p = &a->ports[a->bound];
		int rc;

		p->host_port = p->host_port_last = port;
		rc = bind_socket(p, sandbox_port_listens(p));
		/* A host without IPv6 publishes on 0.0.0.0 alone. */
		if (rc == -EAFNOSUPPORT && a->bound == 1) {
			a->wanted = 1;
			return 0;
		}
		if (rc < 0)
			return rc;
		a->fds[a->bound++] = rc;
		rc = port ? 0 : bound_port(a->fds[a->bound - 1], &port);
		if (rc < 0)
			return rc;
		p->host_port = p->host_port_last = port;
	}
	return 0;
}

static int attempt_any(struct attempt *a, const struct port_binding *request)
{
	uint32_t last = request->host_port ? request->host_port_last : ANY_PORT_TRIES - 1;
	uint32_t at = request->host_port;
	int rc;

	do {
		attempt_init(a, request);
		rc = attempt_bind(a, request->host_port ? (uint16_t)at : 0);
		if (rc < 0) {
			a->failed = a->bound < a->wanted ? a->bound : 0;
			attempt_undo(a);
		}
	} while (rc == -EADDRINUSE && at++ < last);
	return rc;
}

/* ---- whose it is ---- */

/* Whether a link's name is of a port that excludes p. */
static bool excludes(const char *name, const struct port_binding *p)
{
	char head[NAME_BYTES];
	struct ip_address a;

	snprintf(head, sizeof(head), "%s-%u-", protocol_name(p->protocol), p->host_port);
	if (!str_starts(name, head) || ip_parse(name + strlen(head), &a) < 0 ||
	    a.family != p->host_address.family)
		return false;
	return ip_is_unspecified(&a) || ip_is_unspecified(&p->host_address) ||
	       ip_equal(&a, &p->host_address);
}

static bool is_ours(const struct network_store *store, const struct port_binding *p)
{
	int fd = open_ports(store, false);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL) {
		struct holder h;

		if (excludes(entry->d_name, p) && holder_read(fd, entry->d_name, &h) == 0 &&
		    holder_lives(store, h.container_id))
			return true;
	}
	return false;
}

static int refuse(const struct network_store *store, const struct sandbox *s,
		  const struct port_binding *p, int rc, struct err *err)
{
	const struct endpoint *e = &s->endpoints[p->network];
	bool v6 = p->host_address.family == AF_INET6;
	char address[IP_TEXT_MAX];
	const char *why;

	ip_format(&p->host_address, address);
	if (rc == -EADDRINUSE && is_ours(store, p))
		return err_set(
			err, ERR_SYSTEM, EADDRINUSE,
			"driver failed programming external connectivity on endpoint %s (%s): "
			"Bind for %s:%u failed: port is already allocated",
			s->container_name, e->id, address, p->host_port);
	why = rc == -EADDRINUSE      ? "address already in use"
	      : rc == -EADDRNOTAVAIL ? "cannot assign requested address"
	      : rc == -EACCES        ? "permission denied"
				     : err_errno_text(-rc);
	return err_set(err, ERR_SYSTEM, -rc,
		       "driver failed programming external connectivity on endpoint %s (%s): "
		       "listen %s%c %s%s%s:%u: bind: %s%s",
		       s->container_name, e->id, protocol_name(p->protocol), v6 ? '6' : '4',
		       v6 ? "[" : "", address, v6 ? "]" : "", p->host_port, why,
		       rc == -EMFILE ? " (raise the limit, see ulimit -n)" : "");
}

/* Puts our link in place of one; under the lock that keeps sweepers from taking it for the old one. */
static int replace_link(int dir, const char *name, const char *text)
{
	int rc = 0;

	if (flock(dir, LOCK_EX) < 0)
		return -errno;
	if ((unlinkat(dir, name, 0) < 0 && errno != ENOENT) || symlinkat(text, dir, name) < 0)
		rc = -errno;
	flock(dir, LOCK_UN);
	return rc;
}

/* Somebody killed loses his sockets a moment before his lock (the kernel lets go of the last opened
 * first), and a lock is also held by those who look, or sweep up. All of these are waited for. */
static int bury(const struct network_store *store, const char *container_id)
{
	const struct timespec nap = {.tv_nsec = 1000000};
	int rc = -EBUSY;

	for (int i = 0; rc == -EBUSY && i < BURY_TRIES; i++) {
		if (i)
			nanosleep(&nap, NULL);
		rc = holder_bury(store, container_id);
	}
	return rc;
}

/* The port is ours by its socket; a link that says otherwise is of somebody dead, whose rules may still
 * stand and go now. */
static int claim(const struct network_store *store, const struct sandbox *s,
		 const struct port_binding *p)
{
	auto_close int dir = open_ports(store, true);
	struct holder own = {.veth = "-"}, other;
	char name[NAME_BYTES], text[HOLDER_TEXT_MAX];
	int rc;

	if (dir < 0)
		return dir;
	memcpy(own.container_id, s->container_id, sizeof(own.container_id));
	port_name(p, name);
	holder_format(&own, text);
	if (symlinkat(text, dir, name) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	rc = holder_read(dir, name, &other);
	if (rc == 0 && !str_eq(other.container_id, s->container_id))
		rc = bury(store, other.container_id);
	if (rc == -EBUSY)
		return -EADDRINUSE;
	return rc < 0 && rc != -ENOENT && rc != -EINVAL ? rc : replace_link(dir, name, text);
}

static void release(const struct network_store *store, const struct sandbox *s,
		    const struct port_binding *p)
{
	auto_close int dir = open_ports(store, false);
	char name[NAME_BYTES];
	struct holder h;

	port_name(p, name);
	if (dir >= 0 && holder_read(dir, name, &h) == 0 && str_eq(h.container_id, s->container_id))
		unlinkat(dir, name, 0);
}

/* ---- all of them ---- */

void sandbox_sockets_close(struct sandbox_sockets *sockets)
{
	for (size_t i = 0; i < sockets->count; i++)
		close(sockets->fds[i]);
	free(sockets->fds);
	*sockets = (struct sandbox_sockets){.fds = NULL};
}

void ports_release(const struct network_store *store, const struct sandbox *s)
{
	for (size_t i = 0; i < s->port_count; i++)
		release(store, s, &s->ports[i]);
}

/* A caller's soft limit is made for programs that select(2). */
static void make_room(size_t count)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= 2 * count + SPARE_DESCRIPTORS)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return; /* socket(2) will say so. */
}

static int keep(const struct network_store *store, struct sandbox *s, struct attempt *a,
		struct sandbox_sockets *sockets, struct err *err)
{
	for (size_t i = 0; i < a->wanted; i++) {
		int rc = claim(store, s, &a->ports[i]);

		if (rc < 0) {
			while (i--)
				release(store, s, &a->ports[i]);
			attempt_undo(a);
			return refuse(store, s, &a->ports[0], rc, err);
		}
	}
	for (size_t i = 0; i < a->wanted; i++) {
		s->ports[s->port_count++] = a->ports[i];
		sockets->fds[sockets->count++] = a->fds[i];
	}
	return 0;
}

int ports_bind(const struct network_store *store, struct sandbox *s,
	       const struct port_binding *ports, size_t count, struct sandbox_sockets *sockets,
	       struct err *err)
{
	int rc = 0;

	*sockets = (struct sandbox_sockets){.fds = NULL};
	if (!count)
		return 0;
	make_room(count);
	s->ports = xcalloc(2 * count, sizeof(*s->ports));
	sockets->fds = xcalloc(2 * count, sizeof(*sockets->fds));
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct attempt a;

		rc = attempt_any(&a, &ports[i]);
		rc = rc < 0 ? refuse(store, s, &a.ports[a.failed], rc, err)
			    : keep(store, s, &a, sockets, err);
	}
	if (rc == 0)
		return 0;
	ports_release(store, s);
	s->port_count = 0;
	sandbox_sockets_close(sockets);
	return rc;
}
