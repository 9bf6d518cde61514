/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that make and change network devices, addresses and routes. Builders only: what they build
 * is sent by whoever holds the socket, at once or much later. No allocation; the monitor uses it.
 */
#include "kernel/link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#define MAC_BYTES 6
/* Some kernels put devices of tunnels into every new namespace. */
#define INDEX_BEYOND_TUNNELS 16u
/* Devices are numbered upwards, each that was ever made: a billion containers. */
#define INDEX_BEYOND_HOST 0x40000000u

/* AF_SPEC of a family that the kernel does not have is an error. */
static bool kernel_has_ipv6(void)
{
	return access("/proc/sys/net/ipv6", F_OK) == 0;
}

static void begin_link(struct netlink_buffer *b, uint16_t type, uint16_t flags,
		       const struct ifinfomsg *i)
{
	netlink_begin(b, type, (uint16_t)(flags | NLM_F_ACK), i, sizeof *i);
}

/* Zero padded to IFNAMSIZ, so that another name of any length can take its place. */
static size_t put_name(struct netlink_buffer *b, const char *name)
{
	char padded[IFNAMSIZ] = {0};

	strncpy(padded, name, sizeof padded - 1);
	return netlink_put(b, IFLA_IFNAME, padded, sizeof padded);
}

static void put_mtu_and_mac(struct netlink_buffer *b, uint32_t mtu, const uint8_t *mac)
{
	if (mtu)
		netlink_put_u32(b, IFLA_MTU, mtu);
	if (mac)
		netlink_put(b, IFLA_ADDRESS, mac, MAC_BYTES);
}

static void put_no_link_local(struct netlink_buffer *b, const char *name)
{
	struct ifinfomsg i = {.ifi_family = AF_UNSPEC};
	size_t spec, inet6;

	begin_link(b, RTM_SETLINK, 0, &i);
	put_name(b, name);
	spec = netlink_nest_begin(b, IFLA_AF_SPEC);
	inet6 = netlink_nest_begin(b, AF_INET6);
	netlink_put_u8(b, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	netlink_nest_end(b, inet6);
	netlink_nest_end(b, spec);
}

void link_put_bridge(struct netlink_buffer *b, const struct link_bridge *l)
{
	struct ifinfomsg i = {.ifi_family = AF_UNSPEC};
	size_t info;

	begin_link(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &i);
	put_name(b, l->name);
	put_mtu_and_mac(b, l->mtu, l->mac);
	info = netlink_nest_begin(b, IFLA_LINKINFO);
	netlink_put_string(b, IFLA_INFO_KIND, "bridge");
	netlink_nest_end(b, info);
	/* The kernel looks at AF_SPEC only for a device that is there. */
	if (kernel_has_ipv6())
		put_no_link_local(b, l->name);
	link_put_up(b, l->name, true);
}

static void put_pair(struct netlink_buffer *b, const struct link_veth *l,
		     struct link_veth_places *places)
{
	struct ifinfomsg inside = {.ifi_family = AF_UNSPEC, .ifi_index = (int)l->peer_index};
	struct ifinfomsg host = {.ifi_family = AF_UNSPEC};
	size_t info, data, peer;

	begin_link(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &inside);
	put_name(b, l->peer);
	put_mtu_and_mac(b, l->mtu, l->peer_mac);
	places->pid = netlink_put_u32(b, IFLA_NET_NS_PID, (uint32_t)l->pid);
	info = netlink_nest_begin(b, IFLA_LINKINFO);
	netlink_put_string(b, IFLA_INFO_KIND, "veth");
	data = netlink_nest_begin(b, IFLA_INFO_DATA);
	/* An ifinfomsg and attributes of the other end. */
	peer = netlink_nest_begin(b, VETH_INFO_PEER);
	netlink_put_header(b, &host, sizeof host);
	places->name = put_name(b, l->name);
	put_mtu_and_mac(b, l->mtu, NULL);
	netlink_nest_end(b, peer);
	netlink_nest_end(b, data);
	netlink_nest_end(b, info);
}

static size_t put_port(struct netlink_buffer *b, const struct link_veth *l, bool up)
{
	struct ifinfomsg i = {.ifi_family = AF_UNSPEC,
			      .ifi_flags = up ? IFF_UP : 0,
			      .ifi_change = up ? IFF_UP : 0};
	size_t name;

	begin_link(b, RTM_SETLINK, 0, &i);
	name = put_name(b, l->name);
	netlink_put_u32(b, IFLA_MASTER, l->bridge_index);
	return name;
}

/* With br_netfilter what a container sends to a port of its own by way of the host comes back through
 * the bridge's port that it came from, which bridges do only when they are told to. */
static bool bridges_pass_netfilter(void)
{
	static const char *const switches[] = {"/proc/sys/net/bridge/bridge-nf-call-iptables",
					       "/proc/sys/net/bridge/bridge-nf-call-ip6tables"};

	for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
		int fd = open(switches[i], O_RDONLY | O_CLOEXEC);
		char on = '0';

		if (fd < 0)
			continue;
		if (read(fd, &on, sizeof on) != sizeof on)
			on = '0';
		close(fd);
		if (on != '0')
			return true;
	}
	return false;
}

/* Of a port that is there already: RTM_NEWLINK without NLM_F_CREATE changes it. Up last, so that the
 * port never forwards before it is isolated. */
static size_t put_port_switches(struct netlink_buffer *b, const struct link_veth *l, bool hairpin)
{
	struct ifinfomsg i = {.ifi_family = AF_UNSPEC, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	size_t name, info, data;

	begin_link(b, RTM_NEWLINK, 0, &i);
	name = put_name(b, l->name);
	info = netlink_nest_begin(b, IFLA_LINKINFO);
	netlink_put_string(b, IFLA_INFO_SLAVE_KIND, "bridge");
	data = netlink_nest_begin(b, IFLA_INFO_SLAVE_DATA);
	if (hairpin)
		netlink_put_u8(b, IFLA_BRPORT_MODE, 1);
	if (l->isolated)
		netlink_put_u8(b, IFLA_BRPORT_ISOLATED, 1);
	netlink_nest_end(b, data);
	netlink_nest_end(b, info);
	return name;
}

void link_put_veth(struct netlink_buffer *b, const struct link_veth *l,
		   struct link_veth_places *places)
{
	bool hairpin = bridges_pass_netfilter();

	*places = (struct link_veth_places){0};
	put_pair(b, l, places);
	places->port_name = put_port(b, l, !l->isolated && !hairpin);
	if (l->isolated || hairpin)
		places->isolated_name = put_port_switches(b, l, hairpin);
}

uint32_t link_peer_index(uint32_t n)
{
	struct utsname kernel;
	unsigned long major, minor = 0;
	char *end;

	if (uname(&kernel) < 0)
		return INDEX_BEYOND_HOST + n;
	major = strtoul(kernel.release, &end, 10);
	if (*end == '.')
		minor = strtoul(end + 1, NULL, 10);
	return n + (major > 6 || (major == 6 && minor >= 15) ? INDEX_BEYOND_TUNNELS
							     : INDEX_BEYOND_HOST);
}

void link_put_delete(struct netlink_buffer *b, const char *name)
{
	struct ifinfomsg i = {.ifi_family = AF_UNSPEC};

	begin_link(b, RTM_DELLINK, 0, &i);
	put_name(b, name);
}

void link_put_up(struct netlink_buffer *b, const char *name, bool up)
{
	struct ifinfomsg i = {
		.ifi_family = AF_UNSPEC, .ifi_flags = up ? IFF_UP : 0, .ifi_change = IFF_UP};

	begin_link(b, RTM_SETLINK, 0, &i);
	put_name(b, name);
}

void link_put_address(struct netlink_buffer *b, uint32_t index, const struct ip_prefix *address)
{
	const struct ip_address *a = &address->address;
	bool v6 = a->family == AF_INET6;
	struct ifaddrmsg m = {.ifa_family = a->family,
			      .ifa_prefixlen = address->length,
			      .ifa_flags = v6 ? IFA_F_NODAD : 0,
			      .ifa_scope = RT_SCOPE_UNIVERSE,
			      .ifa_index = index};

	netlink_begin(b, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &m, sizeof m);
	netlink_put(b, IFA_LOCAL, a->bytes, ip_bytes(a));
	netlink_put(b, IFA_ADDRESS, a->bytes, ip_bytes(a));
	if (!v6 && address->length < 31) {
		struct ip_address last = ip_prefix_last(address);

		netlink_put(b, IFA_BROADCAST, last.bytes, ip_bytes(&last));
	}
}

static uint8_t route_family(const struct ip_prefix *to, const struct ip_address *gateway)
{
	if (to)
		return to->address.family;
	return gateway ? gateway->family : AF_INET;
}

void link_put_route(struct netlink_buffer *b, const struct ip_prefix *to,
		    const struct ip_address *gateway, uint32_t index, uint32_t metric)
{
	bool reached_by_gateway = gateway && gateway->family;
	struct rtmsg m = {.rtm_family = route_family(to, gateway),
			  .rtm_dst_len = to ? to->length : 0,
			  .rtm_table = RT_TABLE_MAIN,
			  .rtm_protocol = RTPROT_BOOT,
			  .rtm_type = RTN_UNICAST};

	m.rtm_scope = m.rtm_family == AF_INET6 || reached_by_gateway ? RT_SCOPE_UNIVERSE
								     : RT_SCOPE_LINK;
	netlink_begin(b, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof m);
	if (to && to->length) {
		struct ip_address first = ip_prefix_first(to);

		netlink_put(b, RTA_DST, first.bytes, ip_bytes(&first));
	}
	if (reached_by_gateway)
		netlink_put(b, RTA_GATEWAY, gateway->bytes, ip_bytes(gateway));
	if (index)
		netlink_put_u32(b, RTA_OIF, index);
	if (metric)
		netlink_put_u32(b, RTA_PRIORITY, metric);
}

uint32_t link_index(const char *name)
{
	struct ifreq request = {.ifr_ifindex = 0};
	int fd, r;

	if (strlen(name) >= IFNAMSIZ)
		return 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	memcpy(request.ifr_name, name, strlen(name) + 1);
	r = ioctl(fd, SIOCGIFINDEX, &request);
	close(fd);
	return r < 0 ? 0 : (uint32_t)request.ifr_ifindex;
}
