#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Names: who is called what, whom one asks for the rest, and what of it goes on when a keeper does not.
# names-driver plays monitors, containers and servers outside around a keeper, in namespaces of its own.

load helpers

setup() { setup_network_engine; }
teardown() { teardown_network_engine; }

play() { # SCENARIO
	# Of a machine that has none the whole directory is stood in for.
	local over=/etc/resolv.conf
	[ -e "$over" ] || { over=/etc && cp -a /etc "$ENGINE_DIR/etc" && rm -f "$ENGINE_DIR/etc/resolv.conf" && ln -s etc/resolv.conf "$ENGINE_DIR/resolv.conf"; }
	: >"$ENGINE_DIR/resolv.conf"
	# shellcheck disable=SC2016 # the inner shell expands
	CLOCHE_TEST_SLOW=${CLOCHE_TEST_SLOW:-0} unshare --net --mount --pid --fork --kill-child --mount-proc sh -c '
		ip link set lo up && mount --bind "$1/${5##*/}" "$5" && exec "$2" "$3" "$1" "$4"' \
		sh "$ENGINE_DIR" "$BATS_TEST_DIRNAME/names-driver" "$BUILD/libexec/cloche/cloche-keeper" "$1" "$over" || {
		cat "$ENGINE_DIR/run/cloche.log" || true
		return 1
	}
	# Those of the other process namespace are not ours to look for.
	rm -rf "$ENGINE_DIR/run/containers"
}

sleeper() { # NAME OPTION...
	cloche run -d --name "$1" "${@:2}" cloche/busybox sleep 1000 >/dev/null
}
address() { inspect "$1" ".NetworkSettings.Networks.$2.IPAddress"; }
# What a container is told: addresses, or nothing.
resolved() { # CONTAINER NAME
	cloche exec "$1" nslookup "$2" 2>/dev/null | sed -n '/^Name:/,$ s/^Address: //p' | sort | tr '\n' ' ' | sed 's/ $//'
}
resolves() { # CONTAINER NAME ADDRESSES
	[ "$(resolved "$1" "$2")" = "$3" ]
}
pings() { cloche exec "$1" ping -c 1 -W 5 "$2" >/dev/null 2>&1; }

@test "containers of a user network find each other, and only there" {
	cloche network create one >/dev/null
	cloche network create two >/dev/null
	sleeper web --network one --network-alias www
	sleeper db --network one
	sleeper far --network two
	sleeper plain --network bridge
	cloche exec db grep -q '^nameserver 127.0.0.11' /etc/resolv.conf
	pings db web
	pings web db
	assert_equal "$(resolved db web)" "$(address web one)"
	assert_equal "$(resolved db www.one)" "$(address web one)"
	assert_equal "$(resolved db "$(inspect web '.Id[:12]')")" "$(address web one)"
	assert_contains "$(cloche exec db nslookup "$(address web one)")" 'name = web.one'
	run pings far web
	assert_status 1
	# Whoever is only in the default network asks as the host does.
	run cloche exec plain grep 127.0.0.11 /etc/resolv.conf
	assert_status 1
}

@test "names come with a container and go with it, at once" {
	local i old
	cloche network create net >/dev/null
	sleeper asker --network net
	for i in 1 2 3; do
		sleeper web --network net --network-alias "www$i"
		assert_equal "$(resolved asker web)" "$(address web net)"
		old=$(address web net)
		cloche rm -f web >/dev/null
		wait_for 5 resolves asker web ''
		wait_for 5 resolves asker "www$i" ''
	done
	[ -n "$old" ]
	sleeper web --network net --network-alias both
	sleeper web2 --network net --network-alias both
	assert_equal "$(resolved asker both)" "$(printf '%s\n' "$(address web net)" "$(address web2 net)" | sort | tr '\n' ' ' | sed 's/ $//')"
	cloche rename web other
	assert_equal "$(resolved asker other)" "$(address other net)"
	wait_for 5 resolves asker web ''
	cloche network disconnect net other
	wait_for 5 resolves asker other ''
	cloche network connect --alias again net other
	assert_equal "$(resolved asker again)" "$(address other net)"
	assert_equal "$(resolved other asker)" "$(address asker net)"
	# One that its policy starts again keeps its name.
	cloche run -d --name back --restart always --network net cloche/busybox sleep 1000 >/dev/null
	kill -9 "$(container_pid back)"
	wait_for 10 restarted back
	wait_for 5 resolves asker back "$(address back net)"
	assert_equal "$(resolved back asker)" "$(address asker net)"
}

restarted() { [ "$(inspect "$1" .RestartCount)" -ge 1 ] && container_is "$1" running; }

@test "other names are asked outside, those of containers are not" {
	local server
	# Not by on_host: its shell would be what is killed.
	nsenter --net="/proc/$HOST_NETNS/ns/net" -- "$BATS_TEST_DIRNAME/names-driver" - "$ENGINE_DIR/outside" outside \
		>/dev/null 2>&1 3>&- &
	server=$!
	wait_for 10 test -e "$ENGINE_DIR/outside/asked"
	cloche network create net >/dev/null
	cloche network create --internal inside >/dev/null
	sleeper web --network net --dns 127.0.0.53
	sleeper db --network net --dns 127.0.0.53
	sleeper shut --network inside --dns 127.0.0.53
	assert_equal "$(resolved web host.example)" 192.0.2.1
	assert_equal "$(resolved web db)" "$(address db net)"
	cloche exec web nslookup -type=mx db || true
	assert_equal "$(resolved shut host.example)" ''
	kill "$server"
	wait "$server" || true
	assert_equal "$(sort -u "$ENGINE_DIR/outside/asked")" host.example
}

@test "what containers and addresses that nobody has now are called is told nobody outside" {
	local server short
	nsenter --net="/proc/$HOST_NETNS/ns/net" -- "$BATS_TEST_DIRNAME/names-driver" - "$ENGINE_DIR/outside" outside \
		>/dev/null 2>&1 3>&- &
	server=$!
	wait_for 10 test -e "$ENGINE_DIR/outside/asked"
	cloche network create --subnet 10.94.1.0/24 net >/dev/null
	cloche network create --subnet 10.94.2.0/24 --ipv6 --subnet fd94:2::/64 Far >/dev/null
	sleeper web --network net --dns 127.0.0.53
	# Each kind of answer once before: what is created later is known at once all the same.
	for name in printer web.example 203.0.113.9; do
		cloche exec web nslookup "$name" >/dev/null 2>&1 || true
	done
	short=$(cloche create --name Database --network net --network-alias dba cloche/busybox true)
	short=${short:0:12}
	cloche create --name lone --network Far cloche/busybox true >/dev/null
	for name in database dba "$short" lone database.net dba.net lone.far lone.net \
		10.94.1.77 10.94.2.9 fd94:2::9; do
		run cloche exec web nslookup "$name"
		assert_contains "$output" NXDOMAIN
	done
	cloche rename lone alone
	cloche network disconnect net Database
	cloche network connect --alias other net Database
	wait_for 5 not_asked other
	run cloche exec web nslookup alone
	assert_contains "$output" NXDOMAIN
	# Whom nobody is called any more is as free as any other.
	run cloche exec web nslookup lone
	assert_contains "$output" 192.0.2.1
	cloche rm Database >/dev/null
	run cloche exec web nslookup dba
	assert_contains "$output" 192.0.2.1
	kill "$server"
	wait "$server" || true
	assert_equal "$(sort -u "$ENGINE_DIR/outside/asked" | grep -v '^other$' | xargs)" \
		'9.113.0.203.in-addr.arpa dba lone printer web.example'
}

not_asked() { # an alias is known soon after it was given
	! cloche exec web nslookup "$1" | grep -q 192.0.2.1
}

@test "a killed keeper: the next one knows the same names" {
	local keeper
	cloche network create net >/dev/null
	sleeper web --network net
	sleeper db --network net
	assert_equal "$(resolved db web)" "$(address web net)"
	keeper=$(keeper_pid)
	kill -9 "$keeper"
	# Nobody is wrongly unknown as long as all find the next one within a second: see the scenario `restart`.
	wait_for 10 resolves db web "$(address web net)"
	wait_for 10 keeper_is_new "$keeper"
	wait_for 10 resolves web db "$(address db net)"
}

@test "names, aliases and addresses: seen by whom they share a network with, while they run" { play table; }
@test "several with one alias: all of them, each first in turn" { play rotation; }
@test "internal networks ask nobody outside; --dns is asked in place of the host's servers" { play internal; }
# bats test_tags=once
@test "servers that are dead, closed, failing or slow" { play silent; }
@test "a server that cuts its answers" { play truncating; }
@test "a hostile server, and hostile containers" { play hostile; }
@test "a killed keeper: what was asked meanwhile is answered, nobody is wrongly unknown" { play restart; }
@test "containers come and go while others ask" { play crowd; }
# bats test_tags=once
@test "few descriptors: questions for outside are refused, the rest goes on" { play limits; }
