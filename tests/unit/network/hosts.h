/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces that play hosts, and TCP connections between them: this process is in the host's. A client
 * beyond it, 192.0.2.2 and 2001:db8::2 behind the host's device "up0"; containers behind bridges.
 */
#ifndef CLOCHE_TESTS_HOSTS_H
#define CLOCHE_TESTS_HOSTS_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/link.h"
#include "kernel/namespace.h"

#define PATIENCE_MS 20000 /* for what shall come to pass */
#define SILENCE_MS 200    /* for what shall not: nothing answers */

static inline struct ip_prefix prefix_of(const char *text)
{
	struct ip_prefix p;

	assert_int_equal(ip_prefix_parse(text, &p), 0);
	return p;
}

static inline void write_sysctl(const char *path, const char *value)
{
	char full[128];
	int fd;

	snprintf(full, sizeof full, "/proc/sys/net/%s", path);
	fd = open(full, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, value, strlen(value)), strlen(value));
	close(fd);
}

/* Sends what the callback builds to the namespace that we are in. */
#define SEND_LINKS(b, ...)                                                             \
	do {                                                                           \
		_Alignas(4) unsigned char bytes_[4096] = {0};                          \
		struct netlink_buffer b##_ = {.bytes = bytes_, .size = sizeof bytes_}; \
		struct netlink_buffer *b = &b##_;                                      \
		int fd_ = netlink_open(NETLINK_ROUTE);                                 \
		__VA_ARGS__;                                                           \
		assert_int_equal(netlink_transact(fd_, b->bytes, b->used, NULL), 0);   \
		close(fd_);                                                            \
	} while (0)

/* A bridge with its gateway's addresses, as network_up() makes it. */
static inline void make_bridge(const char *name, const char *v4, const char *v6)
{
	struct link_bridge bridge = {.name = name};
	struct ip_prefix p4 = prefix_of(v4), p6 = prefix_of(v6), local = prefix_of("fe80::1/64");
	char path[128];

	SEND_LINKS(b, link_put_bridge(b, &bridge));
	SEND_LINKS(b, link_put_address(b, link_index(name), &p4);
		   link_put_address(b, link_index(name), &p6);
		   link_put_address(b, link_index(name), &local));
	snprintf(path, sizeof path, "ipv4/conf/%s/route_localnet", name);
	write_sysctl(path, "1");
}

/* Addresses and routes of a host with one device. */
static inline void configure_host(pid_t pid, const char *v4, const char *gateway4, const char *v6,
				  const char *gateway6)
{
	struct ip_prefix p4 = prefix_of(v4), p6 = prefix_of(v6);
	uint32_t index = link_peer_index(0);
	struct ip_address g4, g6;
	int back = netns_enter(pid);

	assert_int_equal(ip_parse(gateway4, &g4), 0);
	assert_int_equal(ip_parse(gateway6, &g6), 0);
	SEND_LINKS(b, link_put_up(b, "lo", true); link_put_up(b, "eth0", true);
		   link_put_address(b, index, &p4); link_put_address(b, index, &p6);
		   link_put_route(b, NULL, &g4, index, 0); link_put_route(b, NULL, &g6, index, 0));
	netns_leave(back);
}

/* A container behind a bridge; returns the process that holds its namespace. */
static inline pid_t make_port(const char *bridge, const char *veth, bool isolated, const char *v4,
			      const char *gateway4, const char *v6, const char *gateway6)
{
	struct link_veth_places places;
	struct link_veth veth_pair = {.name = veth,
				      .peer = "eth0",
				      .bridge_index = link_index(bridge),
				      .peer_index = link_peer_index(0),
				      .isolated = isolated,
				      .pid = holder_start()};

	SEND_LINKS(b, link_put_veth(b, &veth_pair, &places));
	configure_host(veth_pair.pid, v4, gateway4, v6, gateway6);
	return veth_pair.pid;
}

static inline pid_t make_container(const char *bridge, const char *veth, const char *v4,
				   const char *gateway4, const char *v6, const char *gateway6)
{
	return make_port(bridge, veth, false, v4, gateway4, v6, gateway6);
}

/* The host, this process's namespace, which forwards, and the client beyond it. */
static inline pid_t make_client(void)
{
	struct link_bridge up = {.name = "up0"};
	struct ip_prefix p4 = prefix_of("192.0.2.1/24"), p6 = prefix_of("2001:db8::1/64");

	write_sysctl("ipv4/ip_forward", "1");
	write_sysctl("ipv6/conf/all/forwarding", "1");
	SEND_LINKS(b, link_put_up(b, "lo", true); link_put_bridge(b, &up));
	SEND_LINKS(b, link_put_address(b, link_index("up0"), &p4);
		   link_put_address(b, link_index("up0"), &p6));
	return make_container("up0", "vethclient", "192.0.2.2/24", "192.0.2.1", "2001:db8::2/64",
			      "2001:db8::1");
}

static inline socklen_t socket_address(const char *address, uint16_t port,
				       struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (void *)out;
	struct sockaddr_in6 *v6 = (void *)out;

	memset(out, 0, sizeof *out);
	if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return sizeof *v4;
	}
	assert_int_equal(inet_pton(AF_INET6, address, &v6->sin6_addr), 1);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	return sizeof *v6;
}

/* Listens on a port of both families in the namespace of pid (0: ours). */
static inline int serve(pid_t pid, uint16_t port)
{
	int back = pid ? netns_enter(pid) : -1, fd = socket(AF_INET6, SOCK_STREAM, 0), off = 0;
	struct sockaddr_storage a;
	socklen_t n = socket_address("::", port, &a);

	assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(fd, 16), 0);
	if (pid)
		netns_leave(back);
	return fd;
}

/* Connects from the namespace of pid (0: ours). The descriptor, -ETIMEDOUT when nothing answers within
 * `ms`, or what the kernel said. */
static inline int connect_from(pid_t pid, const char *address, uint16_t port, int ms)
{
	int back = pid ? netns_enter(pid) : -1, error = 0, r, fd;
	struct sockaddr_storage a;
	socklen_t n = socket_address(address, port, &a), error_bytes = sizeof error;
	struct pollfd p = {.events = POLLOUT};

	fd = p.fd = socket(a.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	r = connect(fd, (struct sockaddr *)&a, n) < 0 && errno != EINPROGRESS ? -errno : 0;
	if (pid)
		netns_leave(back);
	if (r == 0 && poll(&p, 1, ms) == 0)
		r = -ETIMEDOUT;
	if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_bytes) == 0 && error)
		r = -error;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

/* Whether a connection comes to this listener; peer: where it seems to come from (may be NULL). A
 * wrong expectation costs the time of silence or patience, a right one only silence. */
static inline bool reaches(pid_t from, const char *address, uint16_t port, int listener,
			   bool expected, char *peer)
{
	int fd = connect_from(from, address, port, expected ? PATIENCE_MS : SILENCE_MS), got;
	struct pollfd p = {.fd = listener, .events = POLLIN};
	struct sockaddr_in6 a;
	socklen_t n = sizeof a;

	if (fd < 0)
		return false;
	if (poll(&p, 1, expected ? PATIENCE_MS : SILENCE_MS) <= 0) {
		close(fd);
		return false;
	}
	got = accept(listener, (struct sockaddr *)&a, &n);
	assert_true(got >= 0);
	if (peer)
		inet_ntop(AF_INET6, &a.sin6_addr, peer, INET6_ADDRSTRLEN);
	close(got);
	close(fd);
	return true;
}

#define assert_reaches(from, address, port, listener) \
	assert_true(reaches(from, address, port, listener, true, NULL))
#define assert_blocked(from, address, port, listener) \
	assert_false(reaches(from, address, port, listener, false, NULL))

#endif
