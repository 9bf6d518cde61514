/* SPDX-License-Identifier: Apache-2.0 */
/* Dumps of network devices, addresses and routes into arrays. Allocates: not for the monitor. */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/str.h"
#include "kernel/link.h"

struct list {
	char *items;
	size_t item_bytes, count, room;
};

static void *list_add(struct list *l)
{
	if (l->count == l->room) {
		l->room = l->room ? 2 * l->room : 16;
		l->items = xrealloc(l->items, l->room * l->item_bytes);
	}
	return memset(l->items + l->item_bytes * l->count++, 0, l->item_bytes);
}

static void list_reset(void *context)
{
	((struct list *)context)->count = 0;
}

/* The dump of one kind. The request has room for the largest of the families' headers. */
static int dump(int fd, uint16_t type, netlink_message_fn *fn, struct list *l, const char *what,
		struct err *err)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} request = {.h = {.nlmsg_type = type, .nlmsg_len = sizeof request}};
	int r = netlink_dump(fd, &request, sizeof request, fn, list_reset, l);

	if (r == 0)
		return 0;
	free(l->items);
	l->items = NULL;
	return err_set(err, ERR_SYSTEM, -r, "list the host's %s: %s", what, err_errno_text(-r));
}

static void copy_address(const struct nlattr *a, uint8_t family, struct ip_address *out)
{
	size_t n = family == AF_INET6 ? 16 : 4;

	if (!a || netlink_value_bytes(a) < n)
		return;
	out->family = family;
	memcpy(out->bytes, netlink_value(a), n);
}

static void copy_text(const struct nlattr *a, char *out, size_t size)
{
	const char *s = netlink_value_string(a);

	if (s && strlen(s) < size)
		memcpy(out, s, strlen(s) + 1);
}

static void copy_statistics(const struct nlattr *a, struct link_info *out)
{
	struct rtnl_link_stats64 s = {0};
	size_t n;

	if (!a)
		return;
	n = netlink_value_bytes(a);
	memcpy(&s, netlink_value(a), n < sizeof s ? n : sizeof s);
	out->rx_bytes = s.rx_bytes;
	out->tx_bytes = s.tx_bytes;
	out->rx_packets = s.rx_packets;
	out->tx_packets = s.tx_packets;
	out->rx_dropped = s.rx_dropped;
	out->tx_dropped = s.tx_dropped;
	out->rx_errors = s.rx_errors;
	out->tx_errors = s.tx_errors;
}

static void copy_port(const struct nlattr *kind, const struct nlattr *data, struct link_info *out)
{
	const char *name = kind ? netlink_value_string(kind) : NULL;
	const struct nlattr *a[IFLA_BRPORT_ISOLATED + 1];

	if (!name || strcmp(name, "bridge") != 0 || !data ||
	    netlink_nested(data, a, IFLA_BRPORT_ISOLATED) < 0)
		return;
	out->hairpin = a[IFLA_BRPORT_MODE] &&
		       *(const uint8_t *)netlink_value(a[IFLA_BRPORT_MODE]) != 0;
	out->isolated = a[IFLA_BRPORT_ISOLATED] &&
			*(const uint8_t *)netlink_value(a[IFLA_BRPORT_ISOLATED]) != 0;
}

static int take_link(const struct nlmsghdr *h, void *context)
{
	const struct ifinfomsg *i = (const void *)((const char *)h + NLMSG_HDRLEN);
	const struct nlattr *a[IFLA_LINK_NETNSID + 1], *info[IFLA_INFO_MAX + 1];
	struct link_info *out;
	int r = netlink_attributes(h, sizeof *i, a, IFLA_LINK_NETNSID);

	if (r < 0)
		return r;
	out = list_add(context);
	out->index = (uint32_t)i->ifi_index;
	out->flags = i->ifi_flags;
	out->master = netlink_value_u32(a[IFLA_MASTER]);
	out->mtu = netlink_value_u32(a[IFLA_MTU]);
	out->peer_netns = a[IFLA_LINK_NETNSID] ? (int32_t)netlink_value_u32(a[IFLA_LINK_NETNSID])
					       : -1;
	copy_text(a[IFLA_IFNAME], out->name, sizeof out->name);
	if (a[IFLA_ADDRESS] && netlink_value_bytes(a[IFLA_ADDRESS]) == sizeof out->mac)
		memcpy(out->mac, netlink_value(a[IFLA_ADDRESS]), sizeof out->mac);
	copy_statistics(a[IFLA_STATS64], out);
	if (a[IFLA_LINKINFO]) {
		r = netlink_nested(a[IFLA_LINKINFO], info, IFLA_INFO_MAX);
		if (r < 0)
			return r;
		copy_text(info[IFLA_INFO_KIND], out->kind, sizeof out->kind);
		copy_port(info[IFLA_INFO_SLAVE_KIND], info[IFLA_INFO_SLAVE_DATA], out);
	}
	/* IFLA_LINK of other kinds is the device below (VLAN). */
	if (strcmp(out->kind, "veth") == 0)
		out->peer_index = netlink_value_u32(a[IFLA_LINK]);
	return 0;
}

static int take_address(const struct nlmsghdr *h, void *context)
{
	const struct ifaddrmsg *m = (const void *)((const char *)h + NLMSG_HDRLEN);
	const struct nlattr *a[IFA_FLAGS + 1];
	struct link_address *out;
	int r = netlink_attributes(h, sizeof *m, a, IFA_FLAGS);

	if (r < 0)
		return r;
	if (m->ifa_family != AF_INET && m->ifa_family != AF_INET6)
		return 0;
	out = list_add(context);
	out->index = m->ifa_index;
	out->scope = m->ifa_scope;
	out->flags = a[IFA_FLAGS] ? netlink_value_u32(a[IFA_FLAGS]) : m->ifa_flags;
	out->address.length = m->ifa_prefixlen;
	/* On a point-to-point link IFA_ADDRESS is the other end's. */
	copy_address(a[IFA_LOCAL] ? a[IFA_LOCAL] : a[IFA_ADDRESS], m->ifa_family,
		     &out->address.address);
	return 0;
}

static int take_route(const struct nlmsghdr *h, void *context)
{
	const struct rtmsg *m = (const void *)((const char *)h + NLMSG_HDRLEN);
	const struct nlattr *a[RTA_TABLE + 1];
	struct link_route *out;
	int r = netlink_attributes(h, sizeof *m, a, RTA_TABLE);

	if (r < 0)
		return r;
	if (m->rtm_family != AF_INET && m->rtm_family != AF_INET6)
		return 0;
	out = list_add(context);
	out->to.address.family = m->rtm_family;
	out->to.length = m->rtm_dst_len;
	copy_address(a[RTA_DST], m->rtm_family, &out->to.address);
	copy_address(a[RTA_GATEWAY], m->rtm_family, &out->gateway);
	copy_address(a[RTA_PREFSRC], m->rtm_family, &out->source);
	out->index = netlink_value_u32(a[RTA_OIF]);
	out->metric = netlink_value_u32(a[RTA_PRIORITY]);
	out->table = a[RTA_TABLE] ? netlink_value_u32(a[RTA_TABLE]) : m->rtm_table;
	out->type = m->rtm_type;
	out->scope = m->rtm_scope;
	out->protocol = m->rtm_protocol;
	return 0;
}

int link_list(int fd, struct link_info **out, size_t *count, struct err *err)
{
	struct list l = {.item_bytes = sizeof **out};
	int r = dump(fd, RTM_GETLINK, take_link, &l, "network devices", err);

	*out = (struct link_info *)(void *)l.items;
	*count = r < 0 ? 0 : l.count;
	return r;
}

int link_list_addresses(int fd, struct link_address **out, size_t *count, struct err *err)
{
	struct list l = {.item_bytes = sizeof **out};
	int r = dump(fd, RTM_GETADDR, take_address, &l, "addresses", err);

	*out = (struct link_address *)(void *)l.items;
	*count = r < 0 ? 0 : l.count;
	return r;
}

int link_list_routes(int fd, struct link_route **out, size_t *count, struct err *err)
{
	struct list l = {.item_bytes = sizeof **out};
	int r = dump(fd, RTM_GETROUTE, take_route, &l, "routes", err);

	*out = (struct link_route *)(void *)l.items;
	*count = r < 0 ? 0 : l.count;
	return r;
}
