/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said of a packet's way against what the kernel does with real ones: a host with two bridges,
 * three containers and a neighbour, all in network namespaces of the test's own; random rule sets, and
 * TCP connections from everywhere to everywhere. What is called reachable must connect, and what is
 * called anything else must not; "unknown" is no claim, but must stay rare.
 *
 * CLOCHE_TEST_SEED and CLOCHE_TEST_ROUNDS choose other rule sets and more of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "../kernel/namespace.h"
#include "base/str.h"
#include "observe/network/path.h"
#include "observe/probe/network.h"

#define ROUNDS 60
#define PROBES 12
#define PLACES 5 /* host, c, d, e; and the neighbour, which is no place of the world */
#define NEIGHBOUR 4
#define LISTENERS_MAX 64

static const char *const names[PLACES] = {"host", "c", "d", "e", "neighbour"};
static const char *const addresses[2][PLACES] = {
	{"192.0.2.1", "10.9.0.2", "10.9.0.3", "10.8.0.2", "192.0.2.9"},
	{"2001:db8::1", "fd00:9::2", "fd00:9::3", "fd00:8::2", "2001:db8::9"},
};
static const uint16_t ports[] = {80, 8080, 443};

struct bench {
	pid_t pids[PLACES]; /* 0: this process */
	struct net_view views[PLACES];
	struct path_port ports[PLACES];
	struct path_place places[PLACES - 1];
	struct path_world world;
	int listeners[LISTENERS_MAX];
	size_t listener_count;
	uint16_t next_port;
	unsigned reached, blocked, unknown, rounds;
};

static uint64_t seed;

static unsigned draw(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

/* ---- the bench ---- */

static void run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *fmt, ...)
{
	char command[2048], out[2048];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	if (shell(command, out, sizeof(out)) != 0)
		fail_msg("%s: %s", command, out);
}

static struct ip_address ip(const char *text)
{
	struct ip_address a;

	if (ip_parse(text, &a) < 0)
		fail_msg("no address: %s", text);
	return a;
}

static void add_container(struct bench *b, int i, const char *bridge, const char *net4,
			  const char *net6)
{
	char text[64];
	struct path_port *p = &b->ports[i];

	run("ip link add v%d type veth peer name eth0 netns %d && ip link set v%d master %s up && "
	    "nsenter -t %d -n sh -c 'ip link set lo up; ip addr add %s/24 dev eth0; "
	    "ip -6 addr add %s/64 dev eth0 nodad; ip link set eth0 up; "
	    "ip route add default via %s1; ip -6 route add default via %s1'",
	    i, b->pids[i], i, bridge, b->pids[i], addresses[0][i], addresses[1][i], net4, net6);
	p->bridge = if_nametoindex(bridge);
	snprintf(text, sizeof(text), "v%d", i);
	p->veth = if_nametoindex(text);
	strcpy(p->device, "eth0");
	p->ipv4 = (struct ip_prefix){ip(addresses[0][i]), 24};
	p->ipv6 = (struct ip_prefix){ip(addresses[1][i]), 64};
	snprintf(text, sizeof(text), "%s1", net4);
	p->gateway4 = ip(text);
	snprintf(text, sizeof(text), "%s1", net6);
	p->gateway6 = ip(text);
	b->places[i].ports = p;
	b->places[i].port_count = 1;
}

static void make_network(struct bench *b)
{
	run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1; ip link set lo up; "
	    "for n in 9 8; do ip link add br$n address 02:00:00:00:00:0$n type bridge && ip addr add 10.$n.0.1/24 dev br$n && "
	    "ip -6 addr add fd00:$n::1/64 dev br$n nodad && ip link set br$n up && "
	    "sysctl -qw net.ipv4.conf.br$n.route_localnet=1; done");
	add_container(b, 1, "br9", "10.9.0.", "fd00:9::");
	add_container(b, 2, "br9", "10.9.0.", "fd00:9::");
	add_container(b, 3, "br8", "10.8.0.", "fd00:8::");
	run("ip link add out0 type veth peer name eth0 netns %d && ip addr add 192.0.2.1/24 dev out0 && "
	    "ip -6 addr add 2001:db8::1/64 dev out0 nodad && ip link set out0 up && "
	    "nsenter -t %d -n sh -c 'ip link set lo up; ip addr add 192.0.2.9/24 dev eth0; "
	    "ip -6 addr add 2001:db8::9/64 dev eth0 nodad; ip link set eth0 up; "
	    "ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8::1'",
	    b->pids[NEIGHBOUR], b->pids[NEIGHBOUR]);
}

static socklen_t to_sockaddr(const struct ip_address *a, uint16_t port,
			     struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	out->ss_family = a->family;
	if (a->family == AF_INET6) {
		v6->sin6_port = htons(port);
		memcpy(&v6->sin6_addr, a->bytes, 16);
		return sizeof(*v6);
	}
	v4->sin_port = htons(port);
	memcpy(&v4->sin_addr, a->bytes, 4);
	return sizeof(*v4);
}

static void listen_at(struct bench *b, int place, const char *address, uint16_t port)
{
	int back = place ? netns_enter(b->pids[place]) : -1, fd, on = 1;
	struct ip_address a = ip(address);
	struct sockaddr_storage s;
	socklen_t n = to_sockaddr(&a, port, &s);

	fd = socket(a.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)&s, n), 0);
	assert_int_equal(listen(fd, 4096), 0);
	b->listeners[b->listener_count++] = fd;
	if (back >= 0)
		netns_leave(back);
}

static void probe(struct bench *b, int place)
{
	struct err err = ERR_INIT;

	net_view_free(&b->views[place]);
	if (network_probe(b->pids[place], &b->views[place], &err) < 0)
		fail_msg("%s", err.msg);
}

static void start_listeners(struct bench *b)
{
	/* of every place two ports of three, so that there are some where nobody listens */
	for (int i = 0; i < 4; i++) {
		for (int k = 0; k < 2; k++) {
			listen_at(b, i, addresses[0][i], ports[(i + k) % 3]);
			listen_at(b, i, addresses[1][i], ports[(i + k) % 3]);
		}
	}
	listen_at(b, 0, "127.0.0.1", 80);
	listen_at(b, 0, "::1", 80);
	listen_at(b, 0, "10.9.0.1", 80);
}

/* Neighbours for good: their discovery is filtered by the same rules, and whether one is still known is
 * a question of time. */
static void make_neighbours(struct bench *b)
{
	static const char *const device[PLACES] = {"", "br9", "br9", "br8", "out0"};
	static const char *const host_side[2][PLACES] = {
		{"", "10.9.0.1", "10.9.0.1", "10.8.0.1", "192.0.2.1"},
		{"", "fd00:9::1", "fd00:9::1", "fd00:8::1", "2001:db8::1"},
	};

	for (int i = 1; i < PLACES; i++) {
		for (int six = 0; six < 2; six++)
			run("there=$(nsenter -t %d -n ip -o link show dev eth0 | "
			    "sed 's/.*ether \\([^ ]*\\).*/\\1/'); "
			    "here=$(ip -o link show dev %s | sed 's/.*ether \\([^ ]*\\).*/\\1/'); "
			    "ip neigh replace %s lladdr $there dev %s nud permanent && "
			    "nsenter -t %d -n ip neigh replace %s lladdr $here dev eth0 nud permanent",
			    b->pids[i], device[i], addresses[six][i], device[i], b->pids[i],
			    host_side[six][i]);
	}
	for (int six = 0; six < 2; six++)
		for (int i = 1; i < 3; i++)
			run("there=$(nsenter -t %d -n ip -o link show dev eth0 | "
			    "sed 's/.*ether \\([^ ]*\\).*/\\1/'); "
			    "nsenter -t %d -n ip neigh replace %s lladdr $there dev eth0 nud permanent",
			    b->pids[3 - i], b->pids[i], addresses[six][3 - i]);
}

static int setup(void **state)
{
	struct bench *b = xcalloc(1, sizeof(*b));

	*state = b;
	b->next_port = 10000;
	if (geteuid() != 0 ||
	    system("command -v nft >/dev/null && command -v ip >/dev/null") != 0 ||
	    unshare(CLONE_NEWNET) < 0) {
		print_message("skipped: needs root, ip(8) and nft(8)\n");
		return 0;
	}
	for (int i = 1; i < PLACES; i++)
		b->pids[i] = holder_start();
	make_network(b);
	make_neighbours(b);
	start_listeners(b);
	for (int i = 0; i < 4; i++) {
		probe(b, i);
		b->places[i].name = names[i];
		b->places[i].view = &b->views[i];
	}
	b->world = (struct path_world){b->places, 4};
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	for (size_t i = 0; i < b->listener_count; i++)
		close(b->listeners[i]);
	for (int i = 1; i < PLACES; i++) {
		if (b->pids[i])
			holder_end(b->pids[i]);
		if (i < 4)
			net_view_free(&b->views[i]);
	}
	net_view_free(&b->views[0]);
	free(b);
	return 0;
}

/* ---- rule sets ---- */

static const char *pick_address(bool six)
{
	static const char *const four[] = {"192.0.2.1",   "10.9.0.2",    "10.9.0.3",  "10.8.0.2",
					   "192.0.2.9",   "10.9.0.1",    "127.0.0.1", "10.9.0.0/24",
					   "10.8.0.0/16", "192.0.2.0/28"};
	static const char *const sixes[] = {
		"2001:db8::1", "fd00:9::2", "fd00:9::3",   "fd00:8::2",   "2001:db8::9",
		"fd00:9::1",   "::1",       "fd00:9::/64", "fd00:8::/32", "2001:db8::/64"};

	return six ? sixes[draw(10)] : four[draw(10)];
}

static const char *pick_device(void)
{
	static const char *const devices[] = {"br9", "br8", "out0", "lo", "br*", "v1"};

	return devices[draw(6)];
}

static void put_match(struct strbuf *s, bool six)
{
	const char *f = six ? "ip6" : "ip";
	const char *not = draw(4) ? "" : "!= ";

	switch (draw(23)) {
	case 0:
	case 1:
		strbuf_printf(s, "iifname %s\"%s\" ", not, pick_device());
		return;
	case 2:
	case 3:
		strbuf_printf(s, "oifname %s\"%s\" ", not, pick_device());
		return;
	case 4:
		strbuf_printf(s, "%s saddr %s%s ", f, not, pick_address(six));
		return;
	case 5:
	case 6:
		strbuf_printf(s, "%s daddr %s%s ", f, not, pick_address(six));
		return;
	case 7:
	case 8:
		strbuf_printf(s, "tcp dport %s%u ", not, ports[draw(3)]);
		return;
	case 9:
		strbuf_printf(s, "tcp dport %s{ 80, 400-500, 8080-9000 } ", not );
		return;
	case 10:
		strbuf_puts(s, draw(2) ? "ct state new " : "ct state established,related ");
		return;
	case 11:
		strbuf_puts(s, draw(2) ? "ct status dnat " : "ct direction original ");
		return;
	case 12:
		strbuf_printf(s, "fib daddr type %slocal ", not );
		return;
	case 13:
		strbuf_printf(s, "meta mark %s%u ", not, draw(3));
		return;
	case 14:
		strbuf_printf(s, "meta mark & 0x%x == 0x%x ", 1u << draw(3), 0u);
		return;
	case 15:
		strbuf_puts(s, draw(2) ? "tcp flags syn " : "tcp flags & (syn | ack) == syn ");
		return;
	case 16:
		strbuf_printf(s, "%s saddr @wide%s ", f, six ? "6" : "4");
		return;
	case 17:
		strbuf_printf(s, "%s daddr . tcp dport @pair%s ", f, six ? "6" : "4");
		return;
	case 18:
		strbuf_puts(s, "iifname . oifname { \"br9\" . \"br8\", \"out0\" . \"br9\" } ");
		return;
	case 19:
		strbuf_printf(s, "ct original %s daddr %s%s ", f, not, pick_address(six));
		return;
	case 20:
		strbuf_printf(s, "tcp sport %s%u-%u ", not, 10000 + draw(500), 10600 + draw(4000));
		return;
	case 21:
		strbuf_puts(s, "limit rate 100000/second ");
		return;
	default:
		strbuf_printf(s, "meta l4proto %stcp ", not );
		return;
	}
}

/* kind: 0 filter, 1 raw, 2 nat of destinations, 3 nat of sources, 4 a chain that others jump to */
static void put_action(struct strbuf *s, int kind, bool six)
{
	unsigned to = 1 + draw(3);

	if (kind == 2 && draw(3)) {
		if (draw(5) == 0)
			strbuf_printf(s, "meta l4proto tcp redirect to :%u", ports[draw(3)]);
		else
			strbuf_printf(s, "meta l4proto tcp dnat %s to %s%s%s:%u",
				      six ? "ip6" : "ip", six ? "[" : "", addresses[six][to],
				      six ? "]" : "", ports[draw(3)]);
		return;
	}
	if (kind == 3 && draw(3)) {
		if (draw(2))
			strbuf_puts(s, "masquerade");
		else
			strbuf_printf(s, "snat %s to %s", six ? "ip6" : "ip",
				      six ? "2001:db8::1" : "192.0.2.1");
		return;
	}
	switch (draw(kind >= 2 ? 6 : 9)) {
	case 0:
		strbuf_printf(s, "meta mark set %u", draw(3));
		return;
	case 1:
		strbuf_puts(s, kind == 4 ? "return" : "jump sub");
		return;
	case 2:
		strbuf_puts(s, kind == 4 ? "counter" : "goto sub");
		return;
	case 3:
	case 4:
		strbuf_puts(s, "accept");
		return;
	case 5:
		strbuf_puts(s, kind >= 2 ? "counter" : "drop");
		return;
	case 6:
		strbuf_puts(s, kind == 0 ? "reject" : "notrack");
		return;
	case 7:
		strbuf_puts(s, "tcp dport vmap { 80 : accept, 443 : drop, 8000-8100 : jump sub }");
		return;
	default:
		strbuf_puts(s, "counter accept");
		return;
	}
}

static void put_rules(struct strbuf *s, unsigned most, int kind, bool only4, bool only6)
{
	unsigned n = draw(most + 1);

	while (n--) {
		bool six = only6 || (!only4 && draw(2));
		unsigned matches = draw(3) + (kind == 1 || kind == 3);

		strbuf_puts(s, "  ");
		while (matches--)
			put_match(s, six);
		put_action(s, kind, six);
		strbuf_putc(s, '\n');
	}
}

static void put_chain(struct strbuf *s, const char *name, const char *type, const char *hook,
		      int priority, int kind, bool only4, bool only6)
{
	bool drop = kind == 0 && draw(3) == 0;

	if (draw(3) == 0)
		return;
	strbuf_printf(s, " chain %s { type %s hook %s priority %d; policy %s;\n", name, type, hook,
		      priority, drop ? "drop" : "accept");
	put_rules(s, drop ? 7 : 4, kind, only4, only6);
	strbuf_puts(s, " }\n");
}

static void put_table(struct strbuf *s, const char *family, const char *name, bool nat)
{
	bool only4 = str_eq(family, "ip"), only6 = str_eq(family, "ip6");
	int shift = (int)draw(5) - 2;

	strbuf_printf(s, "table %s %s {\n", family, name);
	strbuf_puts(s, " set wide4 { type ipv4_addr; flags interval; elements = "
		       "{ 10.9.0.2-10.9.0.9, 192.0.2.0/25 } }\n"
		       " set wide6 { type ipv6_addr; flags interval; elements = "
		       "{ fd00:9::2-fd00:9::9, 2001:db8::/96 } }\n"
		       " set pair4 { type ipv4_addr . inet_service; flags interval; elements = "
		       "{ 10.9.0.0/24 . 80, 192.0.2.1 . 100-9000, 10.8.0.2 . 443 } }\n"
		       " set pair6 { type ipv6_addr . inet_service; flags interval; elements = "
		       "{ fd00:9::/64 . 80, 2001:db8::1 . 100-9000, fd00:8::2 . 443 } }\n"
		       " chain sub {\n");
	put_rules(s, 3, 4, only4, only6);
	strbuf_puts(s, " }\n");
	put_chain(s, "raw", "filter", "prerouting", -300 + shift, 1, only4, only6);
	put_chain(s, "early", "filter", "prerouting", -150 + shift, 0, only4, only6);
	put_chain(s, "in", "filter", "input", shift, 0, only4, only6);
	put_chain(s, "out", "filter", "output", shift, 0, only4, only6);
	put_chain(s, "forwards", "filter", "forward", shift, 0, only4, only6);
	put_chain(s, "forwards2", "filter", "forward", shift, 0, only4, only6);
	put_chain(s, "post", "filter", "postrouting", shift, 0, only4, only6);
	if (nat) {
		put_chain(s, "to_dn", "nat", "prerouting", -100 + shift, 2, only4, only6);
		put_chain(s, "to_dn2", "nat", "prerouting", -100 + shift, 2, only4, only6);
		put_chain(s, "out_dn", "nat", "output", -100 + shift, 2, only4, only6);
		put_chain(s, "from_sn", "nat", "postrouting", 100 + shift, 3, only4, only6);
	}
	strbuf_puts(s, "}\n");
}

/* False when the kernel refuses it: not every expression may stand in every hook. */
static bool load(const char *text)
{
	FILE *f = popen("nft -f - 2>/dev/null", "w");

	assert_non_null(f);
	fputs(text, f);
	return pclose(f) == 0;
}

/* What iptables-nft writes has expressions of its own. */
static void put_iptables(struct strbuf *s)
{
	static const char *const matches[] = {"-p tcp -m conntrack --ctstate NEW",
					      "-m conntrack --ctstate RELATED,ESTABLISHED",
					      "-m addrtype --dst-type LOCAL",
					      "-p tcp -m multiport --dports 80,8000:9000",
					      "-p tcp --dport 80",
					      "-i br9",
					      "! -i br8",
					      "-m mark --mark 0x1/0x3",
					      "-m conntrack --ctstate DNAT",
					      "-p tcp --syn",
					      "-m comment --comment x"};
	static const char *const ends[] = {"ACCEPT", "DROP", "RETURN", "MARK --set-mark 1",
					   "REJECT"};
	static const char *const chains[] = {"INPUT", "FORWARD"};

	for (unsigned n = draw(7); n; n--)
		strbuf_printf(s, "-A %s %s -j %s\n", chains[draw(2)],
			      matches[draw(sizeof(matches) / sizeof(matches[0]))], ends[draw(5)]);
}

static void load_iptables(bool six, struct strbuf *told)
{
	auto_strbuf struct strbuf s = {0};
	FILE *f;

	strbuf_printf(&s, "*filter\n:FORWARD %s [0:0]\n:INPUT ACCEPT [0:0]\n",
		      draw(3) ? "ACCEPT" : "DROP");
	put_iptables(&s);
	strbuf_puts(&s, "COMMIT\n");
	if (draw(2))
		strbuf_printf(&s,
			      "*nat\n-A PREROUTING -p tcp -m addrtype --dst-type LOCAL --dport 443 "
			      "-j DNAT --to-destination %s%s%s:80\n"
			      "-A POSTROUTING ! -o br9 -j MASQUERADE\nCOMMIT\n",
			      six ? "[" : "", addresses[six][1], six ? "]" : "");
	f = popen(six ? "ip6tables-restore" : "iptables-restore", "w");
	assert_non_null(f);
	fputs(strbuf_str(&s), f);
	if (pclose(f) != 0)
		fail_msg("iptables-restore refuses:\n%s", strbuf_str(&s));
	strbuf_printf(told, "# iptables%s:\n%s", six ? " (6)" : "", strbuf_str(&s));
}

/* ---- connections ---- */

struct attempt {
	int fd;
	struct path_start start;
	struct path_result result;
	int from;
};

/* A byte got through and its receipt came back: a socket may believe itself connected while the last
 * packet of the handshake was dropped. */
static bool connected(int fd)
{
	struct tcp_info t = {0};
	socklen_t n = sizeof(t);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &t, &n) == 0 && t.tcpi_state == 1 &&
	       t.tcpi_unacked == 0 && t.tcpi_bytes_acked > 1;
}

static void choose(struct bench *b, struct attempt *a)
{
	bool six = draw(2);
	int from = (int)draw(PLACES), to = (int)draw(4);
	static const char *const own[2][2] = {{"127.0.0.1", "10.9.0.1"}, {"::1", "fd00:9::1"}};

	a->from = from;
	a->start = (struct path_start){.place = from == NEIGHBOUR ? 0 : (size_t)from,
				       .source = ip(addresses[six][from]),
				       .destination = ip(addresses[six][to]),
				       .protocol = IPPROTO_TCP,
				       .port = ports[draw(3)],
				       .source_port = b->next_port};
	if (from == 0)
		a->start.source.family = 0;
	if (from == 0 && draw(4) == 0)
		a->start.destination = ip(own[six][draw(2)]);
	if (from == NEIGHBOUR)
		a->start.in = if_nametoindex("out0");
	b->next_port = b->next_port < 30000 ? b->next_port + 1 : 10000;
}

static void dial(struct bench *b, struct attempt *a)
{
	int back = a->from ? netns_enter(b->pids[a->from]) : -1, on = 1;
	struct linger abort_at_close = {1, 0};
	struct ip_address any = {.family = a->start.destination.family};
	struct sockaddr_storage s;
	socklen_t n = to_sockaddr(&any, a->start.source_port, &s);

	a->fd = socket(any.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(a->fd >= 0);
	setsockopt(a->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(a->fd, SOL_SOCKET, SO_LINGER, &abort_at_close, sizeof(abort_at_close));
	assert_int_equal(bind(a->fd, (struct sockaddr *)&s, n), 0);
	n = to_sockaddr(&a->start.destination, a->start.port, &s);
	(void)!connect(a->fd, (struct sockaddr *)&s, n);
	if (back >= 0)
		netns_leave(back);
}

static void tell(const struct bench *b, const struct attempt *a, const char *rules)
{
	char to[IP_TEXT_MAX];

	(void)b;
	ip_format(&a->start.destination, to);
	print_error("from %s to %s port %u (source port %u): said %s (trip %u: %s)\n",
		    names[a->from], to, a->start.port, a->start.source_port,
		    path_end_text(a->result.end), a->result.trip, a->result.reason);
	for (size_t i = 0; i < a->result.hops.count; i++)
		print_error("  %s\n", a->result.hops.items[i]);
	fputs(rules, stderr); /* longer than print_error() takes */
}

/* A few seconds for what was said to come; what was said not to come must not have by then. */
static void await(const struct attempt *a)
{
	const struct timespec pause = {.tv_nsec = 10000000};

	for (int i = 0; i < 500 && !connected(a->fd); i++) {
		nanosleep(&pause, NULL);
		(void)!send(a->fd, "", 0, MSG_NOSIGNAL);
	}
}

static void drain(struct bench *b)
{
	for (size_t i = 0; i < b->listener_count; i++) {
		int fd;

		while ((fd = accept4(b->listeners[i], NULL, NULL, SOCK_CLOEXEC)) >= 0)
			close(fd);
	}
}

static unsigned judge(struct bench *b, struct attempt *a, const char *rules)
{
	bool said = a->result.end == PATH_REACHED, is;

	if (a->result.end == PATH_UNKNOWN) {
		b->unknown++;
		return 0;
	}
	(void)!send(a->fd, "x", 1, MSG_NOSIGNAL);
	if (said && !connected(a->fd))
		await(a);
	is = connected(a->fd);
	b->reached += said;
	b->blocked += !said;
	if (said == is)
		return 0;
	print_error("%s, but it was said otherwise:\n", is ? "it connects" : "it does not connect");
	tell(b, a, rules);
	return 1;
}

static unsigned play(struct bench *b, const char *rules)
{
	struct attempt attempts[PROBES];
	unsigned wrong = 0;

	probe(b, 0);
	for (int i = 0; i < PROBES; i++) {
		choose(b, &attempts[i]);
		path_follow(&b->world, &attempts[i].start, &attempts[i].result);
	}
	for (int i = 0; i < PROBES; i++)
		dial(b, &attempts[i]);
	for (int i = 0; i < PROBES; i++) {
		if (!wrong)
			wrong += judge(b, &attempts[i], rules);
	}
	for (int i = 0; i < PROBES; i++) {
		close(attempts[i].fd);
		path_result_free(&attempts[i].result);
	}
	drain(b);
	b->rounds++;
	return wrong;
}

static void test_random_rules(void **state)
{
	struct bench *b = *state;
	const char *text = getenv("CLOCHE_TEST_SEED"), *many = getenv("CLOCHE_TEST_ROUNDS");
	unsigned rounds = many ? (unsigned)atoi(many) : ROUNDS, wrong = 0;
	uint64_t begin = text ? (uint64_t)atoll(text) : 1;

	if (!b->pids[1])
		skip();
	for (unsigned i = 0; i < rounds && wrong < 3; i++) {
		auto_strbuf struct strbuf s = {0};

		seed = (begin + i) * 0x9e3779b97f4a7c15u;
		(void)draw(2);
		strbuf_printf(&s, "# seed %llu\nflush ruleset\n", (unsigned long long)(begin + i));
		put_table(&s, "inet", "a", true);
		if (draw(2))
			put_table(&s, draw(2) ? "ip" : "ip6", "b", draw(2));
		if (!load(strbuf_str(&s)))
			continue;
		if (draw(3) == 0)
			load_iptables(draw(2), &s);
		wrong += play(b, strbuf_str(&s));
	}
	print_message("%u rule sets: %u reachable, %u not, %u unknown\n", b->rounds, b->reached,
		      b->blocked, b->unknown);
	assert_int_equal(wrong, 0);
	assert_true(b->reached > 0 && b->blocked > 0);
	assert_true(3 * b->rounds >= rounds); /* the others were refused */
	assert_true(10 * b->unknown <= b->reached + b->blocked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_rules)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
