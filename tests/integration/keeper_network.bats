#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the keeper does for networks besides names: rules that others have taken away.

# shellcheck disable=SC2016 # inner shells expand
load helpers

setup() { setup_network_engine; }
teardown() { teardown_network_engine; }

web() { # NAME OPTION...: a container that serves its name
	cloche run -d --name "$1" --network bridge "${@:2}" cloche/busybox \
		sh -c 'mkdir /www && echo "from $0" >/www/index.html && exec httpd -f -p 80 -h /www' "$1" >/dev/null
}
serves() { # ADDRESS:PORT NAME
	[ "$(on_host timeout 5 busybox wget -q -O - "http://$1/" 2>/dev/null)" = "from $2" ]
}
is_admitted() { on_host nft list chain "$1" filter FORWARD | grep -q 'comment "cloche '; } # ip|ip6

# bats test_tags=once
@test "nft flush ruleset by somebody, again and again: published ports work again soon, for old and new" {
	local i
	web first -p 8081:80
	wait_for 10 serves 127.0.0.1:8081 first
	wait_for 10 keeper_pid
	on_host nft flush ruleset
	serves '[::1]:8081' first
	wait_for 10 serves 127.0.0.1:8081 first
	web second -p 8082:80
	wait_for 10 serves 127.0.0.1:8082 second
	# Not all of it: the chains without their rules.
	on_host sh -c 'nft flush table $(nft list tables | sed -n "s/^table \(inet cloche[^ ]*\)/\1/p")'
	wait_for 10 serves 127.0.0.1:8081 first
	# Whoever does not give up meets somebody who does not either.
	for ((i = 0; i < 8; i++)); do
		on_host nft flush ruleset
		wait_for 10 serves 127.0.0.1:8082 second
	done
	grep -q 'are put back' "$CLOCHE_RUN_ROOT/cloche.log"
}

@test "a firewall that comes later, or begins anew, is asked to let containers through" {
	web first -p 8081:80
	wait_for 10 keeper_pid
	on_host nft 'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'
	wait_for 10 is_admitted ip
	on_host nft flush chain ip filter FORWARD
	wait_for 10 is_admitted ip
}

@test "a firewall that drops nothing at first is asked when it begins to" {
	web first -p 8081:80
	wait_for 10 keeper_pid
	on_host nft 'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; }'
	on_host nft 'add rule ip filter FORWARD ip saddr 203.0.113.9 drop'
	on_host nft 'add rule ip filter FORWARD counter drop'
	wait_for 10 is_admitted ip
	# In front of what drops all, behind what drops somebody.
	on_host nft -a list chain ip filter FORWARD >"$BATS_TEST_TMPDIR/chain"
	[ "$(grep -n 'cloche ' "$BATS_TEST_TMPDIR/chain" | head -1 | cut -d: -f1)" -gt \
		"$(grep -n 203.0.113.9 "$BATS_TEST_TMPDIR/chain" | cut -d: -f1)" ]
	grep -E 'cloche |counter packets [0-9]+ bytes [0-9]+ drop' "$BATS_TEST_TMPDIR/chain" | tail -1 | grep -q drop
}

@test "rules that go while there is no keeper come back with the next one" {
	local keeper
	web first -p 8081:80
	wait_for 10 keeper_pid
	keeper=$(keeper_pid)
	kill -STOP "$keeper"
	on_host nft flush ruleset
	kill -KILL "$keeper"
	wait_for 10 serves 127.0.0.1:8081 first
}

@test "a firewall that comes while there is no keeper is asked by the next one" {
	local keeper
	cloche network create --ipv6 --subnet fd77::/64 six >/dev/null
	web first -p 8081:80
	cloche run -d --name second --network six cloche/busybox sleep 1000 >/dev/null
	wait_for 10 keeper_pid
	keeper=$(keeper_pid)
	kill -STOP "$keeper"
	on_host nft 'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'
	kill -KILL "$keeper"
	wait_for 10 is_admitted ip
	# One for IPv6 alone.
	wait_for 10 keeper_is_new "$keeper"
	keeper=$(keeper_pid)
	kill -STOP "$keeper"
	on_host nft 'add table ip6 filter; add chain ip6 filter FORWARD { type filter hook forward priority 0; policy drop; }'
	kill -KILL "$keeper"
	wait_for 10 is_admitted ip6
}
