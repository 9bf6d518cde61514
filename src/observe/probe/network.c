/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel is asked by netlink from inside the namespace; switches come from /proc/sys/net, which
 * shows those of whoever looks. What a namespace does with a packet's route (rules, reverse path,
 * forwarding, martians) is the kernel's own answer to RTM_GETROUTE.
 */
#include "observe/probe/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

#define TCP_STATE_LISTEN 10
#define TCP_STATE_CLOSE 7 /* of UDP: bound, not connected */

struct route_socket {
	int fd;
};

/* ---- entering ---- */

/* Enters the namespace of pid; *back is for leave(). */
static int enter(pid_t pid, int *back)
{
	char path[64];
	auto_close int there = -1;

	*back = -1;
	if (!pid)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	there = open(path, O_RDONLY | O_CLOEXEC);
	if (there < 0)
		return -errno;
	*back = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (*back < 0)
		return -errno;
	return setns(there, CLONE_NEWNET) < 0 ? -errno : 0;
}

/* A process that cannot come back would go on looking at a stranger's devices as if they were its own. */
static int leave(int back)
{
	int rc = 0;

	if (back >= 0 && setns(back, CLONE_NEWNET) < 0)
		rc = -errno;
	if (back >= 0)
		close(back);
	return rc;
}

/* ---- routes ---- */

static void put_address(struct netlink_buffer *b, uint16_t attribute, const struct ip_address *a)
{
	if (a->family)
		netlink_put(b, attribute, a->bytes, ip_bytes(a));
}

static void take_address(const struct nlattr *a, uint8_t family, struct ip_address *out)
{
	*out = (struct ip_address){.family = family};
	if (!a || netlink_value_bytes(a) != ip_bytes(out)) {
		out->family = 0;
		return;
	}
	memcpy(out->bytes, netlink_value(a), ip_bytes(out));
}

static int take_route(const struct nlmsghdr *h, size_t n, uint8_t family, struct net_route *out)
{
	const struct nlattr *a[RTA_MAX + 1];
	const struct rtmsg *m = NLMSG_DATA(h);
	const struct nlmsgerr *e = NLMSG_DATA(h);
	int rc;

	if (n < NLMSG_HDRLEN || h->nlmsg_len > n)
		return -EBADMSG;
	if (h->nlmsg_type == NLMSG_ERROR)
		return h->nlmsg_len >= NLMSG_HDRLEN + sizeof(e->error) && e->error ? e->error
										   : -EBADMSG;
	rc = netlink_attributes(h, sizeof(*m), a, RTA_MAX);
	if (rc < 0)
		return rc;
	out->type = m->rtm_type;
	out->out = a[RTA_OIF] ? netlink_value_u32(a[RTA_OIF]) : 0;
	take_address(a[RTA_GATEWAY], family, &out->gateway);
	take_address(a[RTA_PREFSRC], family, &out->source);
	return 0;
}

static int ask_route(void *context, const struct net_route_query *q, struct net_route *out)
{
	unsigned char bytes[2048] __attribute__((aligned(4))) = {0};
	struct netlink_buffer b = {.bytes = bytes, .size = sizeof(bytes)};
	uint8_t bits = q->to.family == AF_INET6 ? 128 : 32;
	struct rtmsg header = {.rtm_family = q->to.family,
			       .rtm_dst_len = bits,
			       .rtm_src_len = q->from.family ? bits : 0};
	const struct route_socket *s = context;
	ssize_t n;

	netlink_begin(&b, RTM_GETROUTE, 0, &header, sizeof(header));
	put_address(&b, RTA_DST, &q->to);
	put_address(&b, RTA_SRC, &q->from);
	if (q->in)
		netlink_put_u32(&b, RTA_IIF, q->in);
	if (q->mark)
		netlink_put_u32(&b, RTA_MARK, q->mark);
	if (q->protocol) {
		netlink_put_u8(&b, RTA_IP_PROTO, q->protocol);
		netlink_put_u16(&b, RTA_SPORT, htons(q->source_port));
		netlink_put_u16(&b, RTA_DPORT, htons(q->destination_port));
	}
	if (b.overflow)
		return -EMSGSIZE;
	if (send(s->fd, bytes, b.used, 0) < 0)
		return -errno;
	n = recv(s->fd, bytes, sizeof(bytes), 0);
	if (n < 0)
		return -errno;
	return take_route((const struct nlmsghdr *)bytes, (size_t)n, q->to.family, out);
}

static void end_routes(void *context)
{
	struct route_socket *s = context;

	close(s->fd);
	free(s);
}

static int open_routes(struct net_view *v, struct err *err)
{
	struct route_socket *s;
	int fd = netlink_open(NETLINK_ROUTE);

	if (fd < 0)
		return err_set(err, ERR_SYSTEM, -fd, "ask for routes: %s", err_errno_text(-fd));
	s = xcalloc(1, sizeof(*s));
	s->fd = fd;
	v->context = s;
	v->route = ask_route;
	v->end = end_routes;
	return 0;
}

/* ---- sockets ---- */

struct socket_list {
	struct net_view *view;
	size_t room;
	uint8_t protocol;
};

static int take_socket(const struct nlmsghdr *h, void *context)
{
	const struct inet_diag_msg *m = NLMSG_DATA(h);
	const struct nlattr *a[INET_DIAG_SKV6ONLY + 1];
	struct socket_list *l = context;
	struct net_view *v = l->view;
	struct net_socket *s;
	int rc = netlink_attributes(h, sizeof(*m), a, INET_DIAG_SKV6ONLY);

	if (rc < 0)
		return rc;
	if (v->socket_count == l->room) {
		l->room = l->room ? 2 * l->room : 32;
		v->sockets = xrealloc(v->sockets, l->room * sizeof(*v->sockets));
	}
	s = &v->sockets[v->socket_count++];
	*s = (struct net_socket){.protocol = l->protocol,
				 .port = ntohs(m->id.idiag_sport),
				 .inode = m->idiag_inode,
				 .address.family = m->idiag_family};
	memcpy(s->address.bytes, m->id.idiag_src, ip_bytes(&s->address));
	s->both = m->idiag_family == AF_INET6 && a[INET_DIAG_SKV6ONLY] &&
		  *(const uint8_t *)netlink_value(a[INET_DIAG_SKV6ONLY]) == 0;
	return 0;
}

static int read_sockets_of(int fd, struct socket_list *l, uint8_t family)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 r;
	} request = {
		.h = {.nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_len = sizeof(request)},
		.r = {.sdiag_family = family,
		      .sdiag_protocol = l->protocol,
		      .idiag_states = l->protocol == IPPROTO_TCP ? 1u << TCP_STATE_LISTEN
								 : 1u << TCP_STATE_CLOSE},
	};

	return netlink_dump(fd, &request, sizeof(request), take_socket, NULL, l);
}

static int read_sockets(struct net_view *v, struct err *err)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
	struct socket_list l = {.view = v};
	auto_close int fd = netlink_open(NETLINK_SOCK_DIAG);
	int rc = fd < 0 ? fd : 0;

	for (size_t i = 0; rc == 0 && i < sizeof(protocols); i++) {
		l.protocol = protocols[i];
		rc = read_sockets_of(fd, &l, AF_INET);
		if (rc == 0)
			rc = read_sockets_of(fd, &l, AF_INET6);
	}
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "list sockets: %s", err_errno_text(-rc)) : 0;
}

/* ---- switches ---- */

static uint64_t read_number(const char *path)
{
	char text[64];
	uint64_t v = 0;

	if (file_read_small_at(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return str_to_u64(text, &v) == 0 ? v : 0;
}

static void read_lines(const char *path, struct strv *out)
{
	auto_free char *text = NULL;
	size_t n;

	if (file_read_at(AT_FDCWD, path, 4096, &text, &n) < 0)
		return;
	for (char *line = text, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (*line)
			strv_add(out, line);
	}
}

static void read_port_range(struct net_view *v)
{
	char text[64];
	unsigned first, last;

	if (file_read_small_at(AT_FDCWD, "/proc/sys/net/ipv4/ip_local_port_range", text,
			       sizeof(text)) < 0 ||
	    sscanf(text, "%u %u", &first, &last) != 2 || first > last || last > UINT16_MAX)
		return;
	v->port_first = (uint16_t)first;
	v->port_last = (uint16_t)last;
}

static void read_switches(struct net_view *v)
{
	v->forward4 = read_number("/proc/sys/net/ipv4/ip_forward");
	v->forward6 = read_number("/proc/sys/net/ipv6/conf/all/forwarding");
	v->bridge_calls4 = read_number("/proc/sys/net/bridge/bridge-nf-call-iptables");
	v->bridge_calls6 = read_number("/proc/sys/net/bridge/bridge-nf-call-ip6tables");
	read_port_range(v);
	v->conntrack_count = read_number("/proc/sys/net/netfilter/nf_conntrack_count");
	v->conntrack_max = read_number("/proc/sys/net/netfilter/nf_conntrack_max");
	read_lines("/proc/self/net/ip_tables_names", &v->legacy4);
	read_lines("/proc/self/net/ip6_tables_names", &v->legacy6);
}

/* ---- all of it ---- */

static int read_rules(struct net_view *v, struct err *err)
{
	auto_close int fd = netlink_open(NETLINK_NETFILTER);

	/* A kernel without it filters nothing by it. */
	if (fd == -EPROTONOSUPPORT)
		return 0;
	if (fd < 0)
		return err_set(err, ERR_SYSTEM, -fd, "ask for the packet filter's rules: %s",
			       err_errno_text(-fd));
	if (nft_ruleset_read(fd, true, &v->rules, err) < 0)
		v->rules_unreadable = true;
	return 0;
}

static int read_links(struct net_view *v, struct err *err)
{
	auto_close int fd = netlink_open(NETLINK_ROUTE);
	int rc;

	if (fd < 0)
		return err_set(err, ERR_SYSTEM, -fd, "ask for devices: %s", err_errno_text(-fd));
	rc = link_list(fd, &v->links, &v->link_count, err);
	if (rc == 0)
		rc = link_list_addresses(fd, &v->addresses, &v->address_count, err);
	if (rc == 0)
		rc = link_list_routes(fd, &v->routes, &v->route_count, err);
	return rc;
}

static int read_all(struct net_view *v, struct err *err)
{
	int rc = read_links(v, err);

	if (rc == 0)
		rc = read_rules(v, err);
	if (rc == 0)
		rc = read_sockets(v, err);
	if (rc == 0)
		rc = open_routes(v, err);
	if (rc == 0)
		read_switches(v);
	return rc;
}

int network_probe(pid_t pid, struct net_view *out, struct err *err)
{
	int back, rc, left;

	memset(out, 0, sizeof(*out));
	rc = enter(pid, &back);
	if (rc < 0) {
		(void)leave(back);
		return err_set(err, ERR_SYSTEM, -rc,
			       "enter the network namespace of process %d: %s", (int)pid,
			       err_errno_text(-rc));
	}
	rc = read_all(out, err);
	left = leave(back);
	if (rc == 0 && left < 0)
		rc = err_set(err, ERR_SYSTEM, -left, "come back to the own network namespace: %s",
			     err_errno_text(-left));
	if (rc < 0)
		net_view_free(out);
	return rc;
}

/* ---- who holds a socket ---- */

static struct net_socket *socket_of(struct net_view *const *views, size_t count, uint64_t inode)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < views[i]->socket_count; k++) {
			struct net_socket *s = &views[i]->sockets[k];

			if (s->inode == inode && !s->pid)
				return s;
		}
	}
	return NULL;
}

static void read_program(int pid, char out[static 16])
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	if (file_read_small_at(AT_FDCWD, path, out, 16) < 0)
		out[0] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

static void look_at_process(struct net_view *const *views, size_t count, int pid)
{
	auto_closedir DIR *d = NULL;
	const struct dirent *entry;
	char path[64], link[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd >= 0 ? fdopendir(fd) : NULL;
	while (d && (entry = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), entry->d_name, link, sizeof(link) - 1);
		struct net_socket *s;
		uint64_t inode;

		if (n <= 9 || strncmp(link, "socket:[", 8) != 0)
			continue;
		link[n - 1] = '\0';
		if (str_to_u64(link + 8, &inode) < 0)
			continue;
		s = socket_of(views, count, inode);
		if (!s)
			continue;
		s->pid = pid;
		read_program(pid, s->program);
	}
	if (fd >= 0 && !d)
		close(fd);
}

void network_probe_programs(struct net_view *const *views, size_t count)
{
	auto_closedir DIR *d = opendir("/proc");
	const struct dirent *entry;
	uint64_t pid;

	while (d && (entry = readdir(d))) {
		if (str_to_u64(entry->d_name, &pid) == 0 && pid <= INT32_MAX)
			look_at_process(views, count, (int)pid);
	}
}
