/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Beside a host that drops what it forwards: what passes before and after, told by connections between
 * a client, the host and a container, and what is left of our rules when the network goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>

#include "kernel/nftables.h"
#include "network/hosts.h"
#include "network/table.h"

#define PORT 8080
#define INSIDE 80

struct world {
	struct network_store store;
	struct network_pool pools[2];
	struct network network;
	pid_t client, web;
	int web_listener, client_listener;
};

static void run(const char *command)
{
	char out[1024];
	int r = shell(command, out, sizeof out);

	if (r != 0)
		print_message("%s: exit code %d: %s\n", command, r, out);
	assert_int_equal(r, 0);
}

static void publish(const struct network_store *s)
{
	struct port_binding ports[2] = {
		{.host_port = PORT, .container_port = INSIDE, .protocol = IPPROTO_TCP},
		{.host_port = PORT, .container_port = INSIDE, .protocol = IPPROTO_TCP}};
	struct endpoint e = {.ipv4 = prefix_of("10.1.0.2/24"), .ipv6 = prefix_of("fd00:1::2/64")};
	struct sandbox sandbox = {
		.endpoints = &e, .endpoint_count = 1, .ports = ports, .port_count = 2};
	_Alignas(4) unsigned char bytes[2048];
	struct netlink_buffer b = {.bytes = bytes, .size = sizeof bytes};
	int fd = netlink_open(NETLINK_NETFILTER);

	assert_int_equal(ip_parse("0.0.0.0", &ports[0].host_address), 0);
	assert_int_equal(ip_parse("::", &ports[1].host_address), 0);
	table_put_ports(s, &sandbox, false, &b);
	assert_int_equal(netlink_transact(fd, b.bytes, b.used, NULL), 0);
	close(fd);
}

static struct world *make_world(void)
{
	struct network_behaviour behaviour = {.icc = true, .masquerade = true};
	struct world *w = calloc(1, sizeof *w);
	struct err err = ERR_INIT;

	w->store = (struct network_store){.table = "cloche"};
	w->client = make_client();
	make_bridge("cloche0", "10.1.0.1/24", "fd00:1::1/64");
	w->pools[0] = (struct network_pool){.subnet = prefix_of("10.1.0.0/24")};
	w->pools[1] = (struct network_pool){.subnet = prefix_of("fd00:1::/64")};
	w->network = (struct network){
		.name = (char *)"bridge", .pools = w->pools, .pool_count = 2, .bridge = "cloche0"};
	assert_int_equal(table_add_network(&w->store, &w->network, &behaviour, &err), 0);
	w->web = make_container("cloche0", "veth1", "10.1.0.2/24", "10.1.0.1", "fd00:1::2/64",
				"fd00:1::1");
	w->web_listener = serve(w->web, INSIDE);
	w->client_listener = serve(w->client, INSIDE);
	publish(&w->store);
	return w;
}

static void end_world(struct world *w)
{
	close(w->web_listener);
	close(w->client_listener);
	holder_end(w->client);
	holder_end(w->web);
	free(w);
}

static void admit(struct world *w)
{
	struct err err = ERR_INIT;

	assert_int_equal(host_filter_admit(&w->store, &w->network, &err), 0);
	assert_string_equal(err.msg, "");
	assert_int_equal(err.kind, ERR_NONE);
}

static void dismiss(struct world *w)
{
	struct err err = ERR_INIT;

	assert_int_equal(host_filter_dismiss(&w->store, &w->network, &err), 0);
}

/* Everything but counters and our own table. */
static char *ruleset(void)
{
	char *out = malloc(1 << 16);

	assert_int_equal(
		shell("nft delete table inet cloche 2>/dev/null; nft --stateless list ruleset 2>&1",
		      out, 1 << 16),
		0);
	return out;
}

static size_t count(const char *what)
{
	char command[128], out[16];

	snprintf(command, sizeof command, "nft list ruleset 2>&1 | grep -c '%s'", what);
	shell(command, out, sizeof out);
	return (size_t)atoi(out);
}

static void assert_open(struct world *w, bool v6)
{
	assert_reaches(w->client, v6 ? "2001:db8::1" : "192.0.2.1", PORT, w->web_listener);
	assert_reaches(w->web, v6 ? "2001:db8::2" : "192.0.2.2", INSIDE, w->client_listener);
	/* Narrow: nobody gets in who could not without the host's filter. */
	assert_blocked(w->client, v6 ? "fd00:1::2" : "10.1.0.2", INSIDE, w->web_listener);
}

static void assert_closed(struct world *w, bool v6)
{
	assert_blocked(w->client, v6 ? "2001:db8::1" : "192.0.2.1", PORT, w->web_listener);
	assert_blocked(w->web, v6 ? "2001:db8::2" : "192.0.2.2", INSIDE, w->client_listener);
}

static void test_docker_user(void **state)
{
	struct world *w;
	char out[2048];

	(void)state;
	if (!enter_new_netns())
		skip();
	run("iptables-nft -P FORWARD DROP && iptables-nft -N DOCKER-USER &&"
	    " iptables-nft -A FORWARD -j DOCKER-USER &&"
	    " iptables-nft -A DOCKER-USER -s 203.0.113.9 -j DROP &&"
	    " iptables-nft -A DOCKER-USER -j RETURN");
	w = make_world();
	assert_closed(w, false);
	admit(w);
	assert_open(w, false);
	assert_int_equal(
		shell("iptables-nft -S DOCKER-USER; iptables-nft -S FORWARD", out, sizeof out), 0);
	assert_string_equal(
		out, "-N DOCKER-USER\n"
		     "-A DOCKER-USER -s 203.0.113.9/32 -j DROP\n"
		     "-A DOCKER-USER -i cloche0 -m comment --comment \"cloche cloche\" -j ACCEPT\n"
		     "-A DOCKER-USER -o cloche0 -m conntrack --ctstate RELATED,ESTABLISHED"
		     " -m comment --comment \"cloche cloche\" -j ACCEPT\n"
		     "-A DOCKER-USER -o cloche0 -m conntrack --ctstate DNAT"
		     " -m comment --comment \"cloche cloche\" -j ACCEPT\n"
		     "-A DOCKER-USER -j RETURN\n"
		     "-P FORWARD DROP\n"
		     "-A FORWARD -j DOCKER-USER\n");
	/* iptables can change what it lists. */
	run("iptables-nft -D DOCKER-USER -i cloche0 -m comment --comment 'cloche cloche' -j ACCEPT");
	admit(w);
	assert_int_equal(count("cloche cloche"), 3);
	end_world(w);
}

/* Hosts that drop the rest, but somebody before: he stays out, and what is for all is let in. */
static void check_condition(const char *rules)
{
	struct world *w;

	if (!enter_new_netns())
		skip();
	run(rules);
	w = make_world();
	assert_closed(w, false);
	admit(w);
	assert_blocked(w->client, "192.0.2.1", PORT, w->web_listener);
	assert_reaches(w->web, "192.0.2.2", INSIDE, w->client_listener);
	end_world(w);
}

#define SOMEBODY " -s 192.0.2.2 -m conntrack --ctstate NEW -j DROP"

static void test_what_the_owner_drops_stays_dropped(void **state)
{
	(void)state;
	check_condition("iptables-nft -P FORWARD DROP && iptables-nft -N DOCKER-USER &&"
			" iptables-nft -A FORWARD -j DOCKER-USER &&"
			" iptables-nft -A DOCKER-USER" SOMEBODY);
	check_condition("iptables-nft -P FORWARD DROP && iptables-nft -A FORWARD" SOMEBODY);
	check_condition("iptables-nft -A FORWARD" SOMEBODY " && iptables-nft -A FORWARD -j DROP");
	/* In chains as ufw has them. */
	check_condition(
		"iptables-nft -P FORWARD DROP && iptables-nft -N user && iptables-nft -N after &&"
		" iptables-nft -A FORWARD -j user && iptables-nft -A FORWARD -j after &&"
		" iptables-nft -A user" SOMEBODY);
	check_condition("nft 'table inet fw { chain passing { type filter hook forward priority 0;"
			" policy drop; ct state vmap { established : accept, invalid : drop };"
			" ip saddr 192.0.2.2 ct state new drop; }; }'");
}

static void test_what_is_dropped_in_a_called_chain_stays_dropped(void **state)
{
	(void)state;
	check_condition("iptables-nft -N mine && iptables-nft -A FORWARD -j mine &&"
			" iptables-nft -A mine" SOMEBODY " && iptables-nft -A mine -j REJECT");
	check_condition(
		"nft 'table inet fw { chain zone { ip saddr 192.0.2.2 ct state new reject;"
		" log; meta l4proto tcp reject with tcp reset; reject; };"
		" chain passing { type filter hook forward priority 0; counter; goto zone; }; }'");
}

/* Those who drop nothing but on a condition are not asked at all. */
static void check_unchanged(const char *rules)
{
	char *before, *after;
	struct world *w;

	if (!enter_new_netns())
		skip();
	run(rules);
	before = ruleset();
	w = make_world();
	admit(w);
	after = ruleset();
	assert_string_equal(after, before);
	free(before);
	free(after);
	end_world(w);
}

static void test_conditions_alone(void **state)
{
	(void)state;
	check_unchanged("iptables-nft -A FORWARD" SOMEBODY);
	check_unchanged("iptables-nft -A FORWARD -p tcp -j REJECT");
	check_unchanged(
		"iptables-nft -N mine && iptables-nft -A mine -j DROP &&"
		" iptables-nft -A FORWARD -i eth9 -j mine && iptables-nft -A FORWARD -j ACCEPT &&"
		" iptables-nft -P FORWARD DROP");
	check_unchanged("nft 'table inet fw { chain go { reject; };"
			" chain passing { type filter hook forward priority 10;"
			" meta l4proto vmap { tcp : goto go }; }; }'");
	check_unchanged(
		"nft 'table inet fw { chain passing { type filter hook forward priority 10;"
		" meta nfproto ipv6 drop; limit rate 1/second drop; ct state new return; drop"
		" comment \"after it\"; }; chain none { drop; }; }'"
		" && nft 'insert rule inet fw passing return'");
}

/* A chain that the host's own traffic goes through as well is not opened by way of the forwarded. */
static void test_a_shared_chain_is_left_alone(void **state)
{
	struct world *w;
	char out[1024];

	(void)state;
	if (!enter_new_netns())
		skip();
	run("iptables-nft -N mine && iptables-nft -A mine -j REJECT && iptables-nft -A FORWARD -j mine &&"
	    " iptables-nft -A INPUT -i cloche0 -j mine");
	w = make_world();
	assert_closed(w, false);
	admit(w);
	assert_open(w, false);
	assert_int_equal(shell("iptables-nft -S mine; iptables-nft -S FORWARD 4", out, sizeof out),
			 0);
	assert_string_equal(out, "-N mine\n"
				 "-A mine -j REJECT --reject-with icmp-port-unreachable\n"
				 "-A FORWARD -j mine\n");
	end_world(w);
}

/* As many hosts as there are ways to drop: each closed before, open after, and as it was at the end. */
static void check_host(const char *rules, bool v6)
{
	char *before, *after;
	struct world *w;

	if (!enter_new_netns())
		skip();
	run(rules);
	before = ruleset();
	w = make_world();
	assert_closed(w, v6);
	admit(w);
	assert_open(w, v6);
	admit(w);
	assert_int_equal(count("cloche cloche"), 3);
	dismiss(w);
	assert_closed(w, v6);
	dismiss(w);
	after = ruleset();
	assert_string_equal(after, before);
	free(before);
	free(after);
	end_world(w);
}

static void test_iptables_policy(void **state)
{
	(void)state;
	check_host("iptables-nft -P FORWARD DROP", false);
}

static void test_ip6tables_policy(void **state)
{
	(void)state;
	check_host("ip6tables-nft -P FORWARD DROP", true);
}

static void test_iptables_reject_in_a_chain_of_its_own(void **state)
{
	(void)state;
	check_host("iptables-nft -N mine && iptables-nft -A FORWARD -j mine &&"
		   " iptables-nft -A mine -j REJECT --reject-with icmp-admin-prohibited",
		   false);
	/* What drops all by several rules, and logs it. */
	check_host("iptables-nft -N mine && iptables-nft -A FORWARD -j mine &&"
		   " iptables-nft -A mine -m limit --limit 1/s -j LOG &&"
		   " iptables-nft -A mine -p tcp -j REJECT --reject-with tcp-reset &&"
		   " iptables-nft -A mine -p udp -j REJECT && iptables-nft -A mine -j DROP",
		   false);
}

static void test_nft_policy(void **state)
{
	(void)state;
	check_host("nft 'table ip fw { chain passing { type filter hook forward priority 0;"
		   " policy drop; iifname lo accept; }; }'",
		   false);
}

static void test_nft_inet_policy_of_ipv6(void **state)
{
	(void)state;
	check_host("nft 'table inet fw { chain passing { type filter hook forward priority -10;"
		   " policy drop; icmpv6 type nd-neighbor-solicit accept; }; }'",
		   true);
}

static void test_nft_verdict_map(void **state)
{
	(void)state;
	check_host("nft 'table inet fw { chain go { reject with icmpx admin-prohibited; };"
		   " chain passing { type filter hook forward priority 10;"
		   " ct state vmap { established : accept, invalid : drop }; goto go; }; }'",
		   false);
}

static void test_two_filters_at_once(void **state)
{
	struct world *w;

	(void)state;
	if (!enter_new_netns())
		skip();
	run("iptables-nft -P FORWARD DROP; nft 'table inet firewalld { chain f {"
	    " type filter hook forward priority 10; ct state established accept; reject; }; }'");
	w = make_world();
	assert_closed(w, false);
	admit(w);
	assert_open(w, false);
	assert_int_equal(count("cloche cloche"), 6);
	dismiss(w);
	assert_int_equal(count("cloche cloche"), 0);
	end_world(w);
}

/* Chains that drop nothing, other engines' tables, and what is for the host itself. */
static void test_others_are_left_alone(void **state)
{
	(void)state;
	check_unchanged(
		"iptables-nft -P INPUT DROP && iptables-nft -A FORWARD -i lo -j ACCEPT &&"
		" nft 'table inet cloche-12345678 { chain forward { type filter hook forward priority 0;"
		" oifname x drop; }; }' &&"
		" nft 'table inet a { chain b { type filter hook input priority 0; policy drop; };"
		" chain unused { drop; }; chain c { type filter hook forward priority 0; counter; }; }'");
}

static void test_respect_touches_nothing(void **state)
{
	struct world *w;

	(void)state;
	if (!enter_new_netns())
		skip();
	run("iptables-nft -P FORWARD DROP");
	w = make_world();
	w->store.respect = true;
	admit(w);
	assert_int_equal(count("cloche cloche"), 0);
	assert_closed(w, false);
	end_world(w);
}

/* Networks of one engine and of two keep their rules apart. */
static void test_networks_are_told_apart(void **state)
{
	struct world *w;
	struct err err = ERR_INIT;

	(void)state;
	if (!enter_new_netns())
		skip();
	run("iptables-nft -P FORWARD DROP");
	w = make_world();
	admit(w);

	struct network other = w->network;
	struct network_store engine = {.table = "cloche-12345678"};

	strcpy(other.bridge, "cloche01"); /* which begins as the first one's does */
	assert_int_equal(host_filter_admit(&w->store, &other, &err), 0);
	assert_int_equal(host_filter_admit(&engine, &w->network, &err), 0);
	assert_int_equal(count("cloche cloche"), 9);
	assert_int_equal(host_filter_dismiss(&engine, &w->network, &err), 0);
	assert_int_equal(count("cloche cloche"), 6);
	assert_int_equal(count("name \"cloche01\""), 3);
	dismiss(w);
	assert_int_equal(count("name \"cloche01\""), 3);
	assert_int_equal(count("name \"cloche0\""), 0);
	end_world(w);
}

/* Eight processes at once: each reads, decides and changes, and the rules are there once. */
static void test_race(void **state)
{
	enum { PROCESSES = 8 };
	struct network n = {.name = (char *)"bridge", .bridge = "cloche0"};
	struct network_store s = {.table = "cloche"};
	pid_t pids[PROCESSES];

	(void)state;
	if (!enter_new_netns())
		skip();
	run("iptables-nft -P FORWARD DROP");
	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct err err = ERR_INIT;
			int r = 0;

			for (int k = 0; k < 20 && r == 0; k++) {
				r = host_filter_admit(&s, &n, &err);
				if (r == 0 && i % 2 && k < 19)
					r = host_filter_dismiss(&s, &n, &err);
			}
			_exit(r == 0 ? 0 : 1);
		}
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status = -1;

		waitpid(pids[i], &status, 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(count("cloche cloche"), 3);
}

static void test_legacy_is_reported(void **state)
{
	struct network n = {.name = (char *)"web", .bridge = "cloche0"};
	struct network_store s = {.table = "cloche"};
	struct err err = ERR_INIT;
	char out[256];

	(void)state;
	if (!enter_new_netns())
		skip();
	if (shell("iptables-legacy -L FORWARD 2>&1", out, sizeof out) != 0) {
		print_message("skipped: this kernel has no iptables-legacy\n");
		skip();
	}
	/* The table is there and lets everything pass. */
	assert_int_equal(host_filter_admit(&s, &n, &err), 0);
	assert_int_equal(err.kind, ERR_NONE);
	run("iptables-legacy -P FORWARD DROP");
	assert_int_equal(host_filter_admit(&s, &n, &err), 0);
	assert_int_equal(err.kind, ERR_UNSUPPORTED);
	assert_non_null(strstr(err.msg, "network web, allow device cloche0 there"));
	err = ERR_INIT;
	run("iptables-legacy -P FORWARD ACCEPT && iptables-legacy -A FORWARD -i x -j DROP");
	assert_int_equal(host_filter_admit(&s, &n, &err), 0);
	assert_int_equal(err.kind, ERR_UNSUPPORTED);
}

/* As a firewalld that owns its table: the kernel ties it to the socket that made it. */
static void test_owned_table_is_reported(void **state)
{
	struct network n = {.name = (char *)"web", .bridge = "cloche0"};
	struct network_store s = {.table = "cloche"};
	struct nfgenmsg g = {.nfgen_family = NFPROTO_INET};
	struct nft_chain chain = {.family = NFPROTO_INET,
				  .table = "fw",
				  .name = "c",
				  .type = "filter",
				  .hook = NF_INET_FORWARD};
	struct nft_rule rule = {.family = NFPROTO_INET, .table = "fw", .chain = "c"};
	_Alignas(4) unsigned char bytes[1024];
	struct netlink_buffer b = {.bytes = bytes, .size = sizeof bytes};
	struct err err = ERR_INIT;
	int fd;

	(void)state;
	if (!enter_new_netns())
		skip();
	fd = netlink_open(NETLINK_NETFILTER);
	nft_batch_begin(&b);
	netlink_begin(&b, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE, NLM_F_CREATE, &g, sizeof g);
	netlink_put_string(&b, NFTA_TABLE_NAME, "fw");
	netlink_put_be32(&b, NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
	nft_put_chain(&b, &chain);
	nft_rule_begin(&b, &rule);
	nft_expr_verdict(&b, NF_DROP, NULL);
	nft_rule_end(&b, &rule);
	nft_batch_end(&b);
	assert_int_equal(netlink_transact(fd, b.bytes, b.used, NULL), 0);
	run("iptables-nft -P FORWARD DROP");
	assert_int_equal(host_filter_admit(&s, &n, &err), 0);
	assert_int_equal(err.kind, ERR_UNSUPPORTED);
	assert_non_null(strstr(err.msg, "with table fw, which is left alone"));
	/* The others are seen to all the same. */
	assert_int_equal(count("cloche cloche"), 3);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_docker_user),
		cmocka_unit_test(test_what_the_owner_drops_stays_dropped),
		cmocka_unit_test(test_what_is_dropped_in_a_called_chain_stays_dropped),
		cmocka_unit_test(test_conditions_alone),
		cmocka_unit_test(test_a_shared_chain_is_left_alone),
		cmocka_unit_test(test_iptables_policy),
		cmocka_unit_test(test_ip6tables_policy),
		cmocka_unit_test(test_iptables_reject_in_a_chain_of_its_own),
		cmocka_unit_test(test_nft_policy),
		cmocka_unit_test(test_nft_inet_policy_of_ipv6),
		cmocka_unit_test(test_nft_verdict_map),
		cmocka_unit_test(test_two_filters_at_once),
		cmocka_unit_test(test_others_are_left_alone),
		cmocka_unit_test(test_respect_touches_nothing),
		cmocka_unit_test(test_networks_are_told_apart),
		cmocka_unit_test(test_race),
		cmocka_unit_test(test_legacy_is_reported),
		cmocka_unit_test(test_owned_table_is_reported),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
