/* SPDX-License-Identifier: Apache-2.0 */
/* The dump of a ruleset that nft(8) made in a network namespace of the test's own. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/netfilter.h>
#include <string.h>

#include "kernel/nftables.h"

static const char ruleset[] =
	"table inet a {\n"
	"  map ports { type inet_proto . inet_service : ipv4_addr . inet_service;\n"
	"    elements = { tcp . 80 : 10.0.0.2 . 8080 } }\n"
	"  set wide { type ipv4_addr . inet_service; flags interval;\n"
	"    elements = { 10.0.0.0/8 . 1-1024 } }\n"
	"  chain sub { counter; }\n"
	"  chain f { type filter hook forward priority 5; policy drop;\n"
	"    tcp dport vmap { 22 : accept, 23 : jump sub } comment \"which ports\"\n"
	"    iifname \"eth0\" drop; accept; }\n"
	"}\n"
	"table ip b {\n  flags dormant;\n"
	"  chain x { type nat hook postrouting priority 100; }\n}\n";

static int load(const char *text)
{
	FILE *f = popen("nft -f -", "w");

	if (!f)
		return -1;
	fputs(text, f);
	return pclose(f);
}

static const struct nft_dump_chain *chain(const struct nft_ruleset *r, const char *name)
{
	for (size_t i = 0; i < r->chain_count; i++) {
		if (strcmp(r->chains[i].name, name) == 0)
			return &r->chains[i];
	}
	fail_msg("chain %s is missing", name);
	return NULL;
}

static const struct nft_dump_set *set(const struct nft_ruleset *r, const char *name)
{
	for (size_t i = 0; i < r->set_count; i++) {
		if (strncmp(r->sets[i].name, name, strlen(name)) == 0)
			return &r->sets[i];
	}
	fail_msg("set %s is missing", name);
	return NULL;
}

static void check_chains(const struct nft_ruleset *r)
{
	const struct nft_dump_chain *f = chain(r, "f"), *x = chain(r, "x");

	assert_string_equal(f->type, "filter");
	assert_int_equal(f->hook, NF_INET_FORWARD);
	assert_int_equal(f->priority, 5);
	assert_int_equal(f->policy, NF_DROP);
	assert_false(f->dormant);
	assert_int_equal(f->rule_count, 3);
	assert_string_equal(f->rules[0]->comment, "which ports");
	assert_string_equal(f->rules[0]->expressions[0].name, "meta");
	assert_null(f->rules[1]->comment);
	assert_string_equal(f->rules[2]->expressions[0].name, "immediate");
	assert_true(f->rules[0]->handle < f->rules[1]->handle);
	assert_null(chain(r, "sub")->type);
	assert_int_equal(chain(r, "sub")->rule_count, 1);
	assert_string_equal(x->type, "nat");
	assert_true(x->dormant);
}

static void check_sets(const struct nft_ruleset *r)
{
	static const uint8_t key[] = {6, 0, 0, 0, 0, 80, 0, 0};
	static const uint8_t data[] = {10, 0, 0, 2, 0x1f, 0x90, 0, 0};
	const struct nft_dump_set *ports = set(r, "ports"), *wide = set(r, "wide"),
				  *map = set(r, "__map");
	int jumps = 0;

	assert_int_equal(ports->element_count, 1);
	assert_int_equal(ports->elements[0].key_bytes, sizeof(key));
	assert_memory_equal(ports->elements[0].key, key, sizeof(key));
	assert_int_equal(ports->elements[0].data_bytes, sizeof(data));
	assert_memory_equal(ports->elements[0].data, data, sizeof(data));
	assert_int_equal(wide->field_count, 2);
	assert_int_equal(wide->fields[0], 4);
	assert_int_equal(wide->fields[1], 2);
	assert_int_equal(wide->element_count, 1);
	assert_memory_equal(wide->elements[0].key, "\x0a\0\0\0\0\1", 6);
	assert_memory_equal(wide->elements[0].key_end, "\x0a\xff\xff\xff\x04\0", 6);
	assert_int_equal(map->element_count, 2);
	for (size_t i = 0; i < map->element_count; i++) {
		if (map->elements[i].verdict != NFT_JUMP)
			continue;
		assert_string_equal(map->elements[i].chain, "sub");
		jumps++;
	}
	assert_int_equal(jumps, 1);
}

static void test_dump(void **state)
{
	struct nft_ruleset r;
	struct err err = ERR_INIT;
	int fd;

	(void)state;
	if (geteuid() != 0 || system("command -v nft >/dev/null") != 0 ||
	    unshare(CLONE_NEWNET) < 0) {
		print_message("skip: needs root and nft(8)\n");
		skip();
	}
	assert_int_equal(load(ruleset), 0);
	fd = netlink_open(NETLINK_NETFILTER);
	assert_true(fd >= 0);
	if (nft_ruleset_read(fd, true, &r, &err) < 0)
		fail_msg("%s", err.msg);
	check_chains(&r);
	check_sets(&r);
	nft_ruleset_free(&r);

	if (nft_ruleset_read(fd, false, &r, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(set(&r, "ports")->element_count, 0);
	nft_ruleset_free(&r);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_dump)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
