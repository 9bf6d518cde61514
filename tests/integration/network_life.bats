#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Connected containers seen from everywhere: from inside, from the host, from each other, and from a
# second host that knows nothing of their networks. The host is a network namespace of the test's own.
bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_network_engine
	servers=()
}

teardown() {
	local server
	for server in "${servers[@]}"; do kill -KILL "$server" 2>/dev/null && wait "$server" 2>/dev/null; done
	[ -z "${PEER:-}" ] || end_netns "$PEER"
	teardown_network_engine
}

probe() { "$BATS_TEST_DIRNAME/net-probe" "$@"; }
pid_of() { inspect "$1" .State.Pid; }
address_of() { inspect "$1" ".NetworkSettings.Networks[\"${2:-bridge}\"].IPAddress"; }
address6_of() { inspect "$1" ".NetworkSettings.Networks[\"${2:-bridge}\"].GlobalIPv6Address"; }
gateway_of() { inspect "$1" ".NetworkSettings.Networks[\"${2:-bridge}\"].Gateway"; }
# As a process of the container would see its network.
in_container() { nsenter --net="/proc/$(pid_of "$1")/ns/net" -- "${@:2}"; }

sleeper() { # NAME OPTION...
	cloche run -d --name "$1" --network bridge "${@:2}" cloche/busybox sleep 100000 >/dev/null
}

# serve WHERE KIND ADDRESS PORT: an answering server, WHERE is `on_host`, `on_peer` or `in_container NAME`.
serve() {
	local log=$ENGINE_DIR/server.${#servers[@]} where
	read -ra where <<<"$1"
	case "${where[0]}" in
	on_host) where=("--net=/proc/$HOST_NETNS/ns/net") ;;
	on_peer) where=("--net=/proc/$PEER/ns/net") ;;
	in_container) where=("--net=/proc/$(pid_of "${where[1]}")/ns/net") ;;
	esac
	: >"$log"
	# A program, not a function: it is that process which is to be ended.
	nsenter "${where[@]}" -- "$BATS_TEST_DIRNAME/net-probe" serve "$2" "$3" "$4" >"$log" 2>&1 3>&- &
	servers+=($!)
	wait_for 10 grep -qx ready "$log" || { cat "$log" && return 1; }
}

# One inside a container holds its network namespace, even after the container's end.
end_server() {
	kill -KILL "${servers[-1]}"
	wait "${servers[-1]}" 2>/dev/null || true
	unset 'servers[-1]'
}

on_peer() { in_netns "$PEER" "$@"; }

# A second host beside the first, on 192.0.2.0/24 and 2001:db8:2::/64. It has no way to any network of
# the first one's containers but through that one, if it lets it.
make_peer() {
	make_netns PEER
	ip link add up0 netns "$HOST_NETNS" type veth peer name up0 netns "$PEER"
	on_host ip addr add 192.0.2.1/24 dev up0
	on_host ip addr add 2001:db8:2::1/64 dev up0 nodad
	on_host ip link set up0 up
	on_peer ip addr add 192.0.2.2/24 dev up0
	on_peer ip addr add 2001:db8:2::2/64 dev up0 nodad
	on_peer ip link set up0 up
	wait_for 30 knows "$PEER" 2001:db8:2::1
	wait_for 30 knows "$HOST_NETNS" 2001:db8:2::2
}

# Whether the server there answers. Who is not there yet to be asked by his neighbour is asked again each second.
answers() { # COMMAND-PREFIX... -- KIND ADDRESS PORT
	asks 10 "$@"
}

asks() { # SECONDS COMMAND-PREFIX... -- KIND ADDRESS PORT
	local seconds=$1 prefix=()
	shift
	while [ "$1" != -- ]; do prefix+=("$1") && shift; done
	shift
	"${prefix[@]}" "$BATS_TEST_DIRNAME/net-probe" ask "$1" "$2" "$3" hello "$(patience "$seconds")" \
		>"$ENGINE_DIR/answer" 2>&1
}

refuses() {
	! asks 3 "$@" || { echo "answered: $(cat "$ENGINE_DIR/answer")" && return 1; }
}

@test "inside: an address, a default route, lo; outside: its device on the bridge" {
	sleeper one
	local address gateway link
	address=$(address_of one)
	gateway=$(gateway_of one)
	[ -n "$address" ] && [ -n "$gateway" ]
	cloche exec one ip -4 addr show eth0 | grep -q "inet $address/"
	cloche exec one ip addr show lo | grep -q 'inet 127.0.0.1/8'
	[ "$(cloche exec one ip route show default)" = "default via $gateway dev eth0 " ] ||
		cloche exec one ip route show default | grep -qx "default via $gateway dev eth0 *"
	# The other end, by number, is up and a port of the bridge that has the gateway's address.
	link=$(on_host ip -o link | grep "^$(cloche exec one cat /sys/class/net/eth0/iflink): ")
	[[ $link =~ veth[^@]*@ ]]
	[[ $link == *LOWER_UP* ]]
	[[ $link =~ master\ ([^ ]+) ]]
	on_host ip -4 addr show "${BASH_REMATCH[1]}" | grep -q "inet $gateway/"
	[ "$(cloche exec one cat /sys/class/net/eth0/address)" = "$(inspect one '.NetworkSettings.Networks.bridge.MacAddress')" ]
}

@test "ping: the gateway, each other, oneself; not across networks" {
	cloche network create other >/dev/null
	sleeper one
	sleeper two
	cloche run -d --name three --network other cloche/busybox sleep 100000 >/dev/null
	cloche exec one ping -c 1 -W 5 "$(gateway_of one)"
	cloche exec one ping -c 1 -W 5 "$(address_of two)"
	cloche exec two ping -c 1 -W 5 "$(address_of one)"
	cloche exec one ping -c 1 -W 5 "$(address_of one)"
	on_host busybox ping -c 1 -W 5 "$(address_of three other)"
	! cloche exec one ping -c 1 -W 1 "$(address_of three other)" || false
	! cloche exec three ping -c 1 -W 1 "$(address_of one)" || false
}

@test "a published port answers from the host on every address, and nowhere else" {
	make_peer
	sleeper one -p 8080:80
	serve "in_container one" tcp 0.0.0.0 80
	local at
	for at in 127.0.0.1 127.1.2.3 192.0.2.1 "$(gateway_of one)" "$(address_of one)"; do
		case "$at" in "$(address_of one)") port=80 ;; *) port=8080 ;; esac
		answers on_host -- tcp "$at" "$port" || { echo "$at: $(cat "$ENGINE_DIR/answer")" && return 1; }
	done
	for at in ::1 2001:db8:2::1; do
		wait_for 10 answers on_host -- tcp "$at" 8080 || { echo "$at: $(cat "$ENGINE_DIR/answer")" && return 1; }
	done
	refuses on_host -- tcp 127.0.0.1 80
	refuses on_host -- tcp 127.0.0.1 8081
}

# bats test_tags=once
@test "a second host reaches the published port, IPv4 and IPv6, and nothing else" {
	make_peer
	sleeper one -p 8080:80
	serve "in_container one" tcp 0.0.0.0 80
	serve "in_container one" tcp 0.0.0.0 81
	answers on_peer -- tcp 192.0.2.1 8080
	# Who asks is seen as who he is.
	grep -qx '192.0.2.2 hello' "$ENGINE_DIR/answer"
	wait_for 10 answers on_peer -- tcp 2001:db8:2::1 8080
	refuses on_peer -- tcp 192.0.2.1 81
	# Who has a route to the containers' network gets no further for it.
	on_peer ip route add "$(address_of one)/32" via 192.0.2.1
	refuses on_peer -- tcp "$(address_of one)" 81
}

# bats test_tags=once
@test "outwards: a container reaches the second host, which sees the first one's address" {
	make_peer
	sleeper one
	serve on_peer tcp 192.0.2.2 9000
	serve on_peer udp 192.0.2.2 9000
	answers in_container one -- tcp 192.0.2.2 9000 || { cat "$ENGINE_DIR/answer" && return 1; }
	grep -qx '192.0.2.1 hello' "$ENGINE_DIR/answer"
	answers in_container one -- udp 192.0.2.2 9000
	grep -qx '192.0.2.1 hello' "$ENGINE_DIR/answer"
	cloche exec one ping -c 1 -W 5 192.0.2.2
}

# bats test_tags=once
@test "udp: published, from the host, from a second one, and on [::1]" {
	make_peer
	sleeper one -p 5300:53/udp
	serve "in_container one" udp 0.0.0.0 53
	answers on_host -- udp 127.0.0.1 5300
	answers on_host -- udp 192.0.2.1 5300
	answers on_peer -- udp 192.0.2.1 5300
	grep -qx '192.0.2.2 hello' "$ENGINE_DIR/answer"
	wait_for 10 answers on_host -- udp ::1 5300
}

# bats test_tags=once
@test "udp: a sender that never pauses reaches whoever has the port now" {
	local log=$ENGINE_DIR/flow
	make_peer
	nsenter "--net=/proc/$PEER/ns/net" -- "$BATS_TEST_DIRNAME/net-probe" flow 192.0.2.1 5300 hello >>"$log" 2>&1 3>&- &
	servers+=($!)
	wait_for 10 grep -qx sent "$log"
	sleeper one -p 5300:53/udp
	serve "in_container one" udp 0.0.0.0 53
	wait_for 10 grep -qx '192.0.2.2 hello' "$log"
	end_server
	cloche rm -f one >/dev/null
	sleeper between # takes the address that is free now
	sleeper two -p 5300:53/udp
	serve "in_container two" udp 0.0.0.0 53
	: >"$log"
	wait_for 10 grep -qx '192.0.2.2 hello' "$log"
}

# bats test_tags=once
@test "IPv6: addresses, each other, published, outwards" {
	make_peer
	cloche network create --ipv6 --subnet fd00:c10c::/64 six >/dev/null
	cloche run -d --name one --network six -p 8080:80 -p 5300:53/udp cloche/busybox sleep 100000 >/dev/null
	cloche run -d --name two --network six cloche/busybox sleep 100000 >/dev/null
	local address
	address=$(address6_of one six)
	[[ $address == fd00:c10c::* ]]
	cloche exec one ip -6 addr show eth0 | grep -q "inet6 $address/64"
	# Without the wait that a duplicate would be looked for in.
	! cloche exec one ip -6 addr show eth0 | grep "$address/" | grep -q tentative || false
	cloche exec two ping6 -c 1 -W 5 "$address"
	serve "in_container one" tcp :: 80
	serve "in_container one" udp :: 53
	answers in_container two -- tcp "$address" 80
	answers on_host -- tcp 2001:db8:2::1 8080
	answers on_host -- tcp 127.0.0.1 8080
	wait_for 10 answers on_host -- tcp ::1 8080
	answers on_peer -- tcp 2001:db8:2::1 8080
	grep -qx '2001:db8:2::2 hello' "$ENGINE_DIR/answer"
	answers on_peer -- udp 2001:db8:2::1 5300
	serve on_peer tcp 2001:db8:2::2 9000
	answers in_container one -- tcp 2001:db8:2::2 9000 || { cat "$ENGINE_DIR/answer" && return 1; }
	grep -qx '2001:db8:2::1 hello' "$ENGINE_DIR/answer"
}

# DEVICE/disable_ipv6 DEVICE/accept_ra..., of lo and the devices there are
ipv6_switches() { # CONTAINER
	cloche exec "$1" sh -c 'cd /proc/sys/net/ipv6/conf && for d in lo eth*; do echo $d $(cat $d/disable_ipv6 $d/accept_ra); done'
}

@test "IPv6 is on where the network has it, and there no router is listened to" {
	local kind
	cloche network create four >/dev/null
	for kind in six seven; do
		cloche network create --ipv6 --subnet "fd00:c10${#kind}::/64" "$kind" >/dev/null
	done
	cloche run -d --name old --network four cloche/busybox sleep 100000 >/dev/null
	cloche run -d --name new --network six --network four cloche/busybox sleep 100000 >/dev/null
	assert_equal "$(ipv6_switches old)" $'lo 0 1\neth0 1 1'
	assert_equal "$(ipv6_switches new)" $'lo 0 1\neth0 0 0\neth1 1 1'
	cloche network connect six old
	cloche network connect seven new
	assert_equal "$(ipv6_switches old)" $'lo 0 1\neth0 1 1\neth1 0 0'
	assert_equal "$(ipv6_switches new)" $'lo 0 1\neth0 0 0\neth1 1 1\neth2 0 0'
	cloche exec old ping6 -c 1 -W 5 "$(address6_of new six)"
	cloche restart -t 0 old >/dev/null
	[ "$(ipv6_switches old | grep -c ' 0 0$')" -eq 1 ]
	cloche exec old ping6 -c 1 -W 5 "$(address6_of new six)"
}

# Networks of the container's default routes, IPv4 and IPv6
routes_through() { # CONTAINER
	in_container "$1" sh -c 'ip route show default; ip -6 route show default' | sed -n 's/^default via \([^ ]*\) .*/\1/p' | paste -sd ' '
}

@test "the network of the highest gw-priority has the default routes and the published ports" {
	local n
	for n in 1 2 3; do cloche network create --subnet "10.$n.0.0/24" "n$n" >/dev/null; done
	cloche network create --ipv6 --subnet 10.4.0.0/24 --subnet fd00:4::/64 n4 >/dev/null
	cloche run -d --name web --network n1 -p 8080:80 cloche/busybox sleep 100000 >/dev/null
	serve "in_container web" tcp 0.0.0.0 80
	assert_equal "$(routes_through web)" 10.1.0.1
	cloche network connect --gw-priority 5 n2 web
	assert_equal "$(routes_through web)" 10.2.0.1
	cloche network connect --gw-priority=-1 n3 web
	assert_equal "$(routes_through web)" 10.2.0.1
	answers on_host -- tcp 10.2.0.1 8080
	cloche network connect --gw-priority 9 n4 web
	assert_equal "$(routes_through web)" "10.4.0.1 fd00:4::1"
	on_host nft list ruleset | grep -q "8080 : $(address_of web n4) . 80"
	answers on_host -- tcp 10.2.0.1 8080
	end_server
	cloche restart -t 0 web >/dev/null
	assert_equal "$(routes_through web)" "10.4.0.1 fd00:4::1"
	serve "in_container web" tcp 0.0.0.0 80
	answers on_host -- tcp 10.2.0.1 8080
	cloche network disconnect n4 web
	assert_equal "$(routes_through web)" 10.2.0.1
	answers on_host -- tcp 10.2.0.1 8080
	cloche network disconnect n2 web
	assert_equal "$(routes_through web)" 10.1.0.1
	answers on_host -- tcp 10.2.0.1 8080
	assert_equal "$(cloche inspect -f '{{range $n, $e := .NetworkSettings.Networks}}{{$n}} {{$e.GwPriority}} {{end}}' web)" "n1 0 n3 -1 "
	# Of run, and the first of the highest.
	for n in "n1 gw-priority=-2 10.2.0.1" "n1 gw-priority=0 10.1.0.1" "n1 gw-priority=+7 10.1.0.1"; do
		read -ra n <<<"$n"
		cloche run --rm --network "name=${n[0]},${n[1]}" --network n2 cloche/busybox ip route | grep -q "^default via ${n[2]} "
	done
	for n in "x|invalid syntax" "0x1|invalid syntax" "|invalid syntax" "9223372036854775808|value out of range"; do
		run -125 cloche run --network "name=n1,gw-priority=${n%|*}" cloche/busybox true
		assert_contains "$output" "invalid argument \"name=n1,gw-priority=${n%|*}\" for \"--network\" flag: invalid gw-priority (${n%|*}): ${n#*|}"
	done
}

# bats test_tags=once
@test "hairpin: a published port is reached by its own container and its neighbours" {
	make_peer
	cloche network create other >/dev/null
	sleeper one -p 8080:80
	sleeper two
	cloche run -d --name three --network other cloche/busybox sleep 100000 >/dev/null
	serve "in_container one" tcp 0.0.0.0 80
	answers in_container one -- tcp 192.0.2.1 8080
	answers in_container two -- tcp 192.0.2.1 8080
	answers in_container two -- tcp "$(gateway_of two)" 8080
	# What is published for all is for other networks' containers, too.
	answers in_container three -- tcp 192.0.2.1 8080
}

# bats test_tags=once
@test "only the address that a port is published on answers" {
	make_peer
	sleeper one -p 127.0.0.1:8080:80 -p 192.0.2.1:8081:80 -p '[::1]:8082:80'
	serve "in_container one" tcp 0.0.0.0 80
	answers on_host -- tcp 127.0.0.1 8080
	refuses on_host -- tcp 192.0.2.1 8080
	refuses on_peer -- tcp 192.0.2.1 8080
	answers on_peer -- tcp 192.0.2.1 8081
	refuses on_host -- tcp 127.0.0.1 8081
	wait_for 10 answers on_host -- tcp ::1 8082
	refuses on_host -- tcp 127.0.0.1 8082
}

runs_again() { [ "$(inspect "$1" .RestartCount)" -ge "$2" ] && [ "$(inspect "$1" .State.Status)" = running ]; }

# bats test_tags=once
@test "a restart by policy is connected again, with its address, its ports, another device" {
	make_peer
	sleeper one --restart always -p 8080:80
	local address pid i
	address=$(address_of one)
	for i in 1 2 3; do
		pid=$(pid_of one)
		kill -KILL "$pid"
		wait_for 20 runs_again one "$i"
		[ "$(address_of one)" = "$address" ]
		cloche exec one ip -4 addr show eth0 | grep -q "inet $address/"
		serve "in_container one" tcp 0.0.0.0 80
		answers on_host -- tcp 127.0.0.1 8080
		answers on_peer -- tcp 192.0.2.1 8080
		wait_for 10 answers on_host -- tcp ::1 8080
		end_server
	done
	# One device at last, whatever there was in between.
	wait_for 10 one_device
}

one_device() { [ "$(on_host ip -br link show type veth | grep -c '^veth')" -eq 1 ]; }

# bats test_tags=once
@test "what a container published is free once its end is known" {
	local i
	for ((i = 0; i < 10; i++)); do
		cloche run --rm --network bridge -p 8080:80 -p 8080:80/udp -p 127.0.0.1:8081:81 cloche/busybox true
	done
	# Long enough for a keeper to be started, and for connections to [::1] to be listened for.
	for ((i = 0; i < 5; i++)); do
		cloche run --rm --network bridge -p 8080:80 -p 8080:80/udp cloche/busybox sleep 0.2
	done
	sleeper one -p 8080:80
	run cloche run --rm --network bridge -p 8080:80 cloche/busybox true
	[ "$status" -eq 125 ]
	assert_contains "$output" 'port is already allocated'
	cloche rm -f one
	sleeper two -p 8080:80
}

# One connection that goes on: fd 8 asks, $ENGINE_DIR/talk has the answers.
begin_talk() { # ADDRESS PORT
	mkfifo "$ENGINE_DIR/ask"
	exec 8<>"$ENGINE_DIR/ask"
	nsenter --net="/proc/$PEER/ns/net" -- "$BATS_TEST_DIRNAME/net-probe" talk "$1" "$2" \
		<"$ENGINE_DIR/ask" >"$ENGINE_DIR/talk" 2>&1 3>&- 8>&- &
	servers+=($!)
}

still_talks() { # WORD
	echo "$1" >&8
	wait_for 10 grep -q " $1\$" "$ENGINE_DIR/talk" || { cat "$ENGINE_DIR/talk" && return 1; }
}

# bats test_tags=once
@test "an established connection outlives the command, the keeper, and other containers' monitors" {
	local keeper
	make_peer
	cloche run --name one --network bridge -p 8080:80 cloche/busybox sleep 100000 </dev/null >/dev/null 2>&1 3>&- &
	local cli=$!
	servers+=("$cli")
	wait_for 10 container_is one running
	sleeper two -p 8081:80
	serve "in_container one" tcp 0.0.0.0 80
	begin_talk 192.0.2.1 8080
	still_talks first
	kill -KILL "$cli"
	still_talks command
	wait_for 10 keeper_pid
	keeper=$(keeper_pid)
	kill -KILL "$keeper"
	still_talks keeper
	wait_for 10 keeper_is_new "$keeper"
	kill -KILL "$(proc_status "$(pid_of two)" PPid)"
	cloche rm -f two >/dev/null
	still_talks monitor
	exec 8>&-
}

# bats test_tags=once
@test "what a killed monitor leaves is taken back by the next that looks" {
	sleeper one -p 8080:80
	kill -KILL "$(proc_status "$(pid_of one)" PPid)"
	wait_for 10 container_is one exited
	# The same ports and the same container again: nothing of the last run is in the way.
	cloche start one >/dev/null
	serve "in_container one" tcp 0.0.0.0 80
	answers on_host -- tcp 127.0.0.1 8080
	kill -KILL "$(proc_status "$(pid_of one)" PPid)"
	cloche rm -f one >/dev/null
	sleeper two -p 8080:80
	[ "$(find "$CLOCHE_RUN_ROOT"/network/*/address -type l | wc -l)" -eq 1 ]
}

# bats test_tags=once
@test "another runtime's container is connected between create and start" {
	printf '{"cgroup-parent": "/%s", "runtimes": {"other": {"path": "%s"}}}\n' \
		"$ENGINE_CGROUP" "$BUILD/bin/cloche-runtime" >"$CLOCHE_CONFIG"
	make_peer
	cloche run -d --name one --runtime other --network bridge -p 8080:80 cloche/busybox sleep 100000 >/dev/null
	cloche exec one ip -4 addr show eth0 | grep -q "inet $(address_of one)/"
	serve "in_container one" tcp 0.0.0.0 80
	answers on_peer -- tcp 192.0.2.1 8080
}

# bats test_tags=once
@test "the bill of a connected start says what was waited for, and what was done meanwhile" {
	cloche run --name one --network bridge -p 8080:80 cloche/busybox true
	wait_for 10 has_whole_bill
	cloche timeline --json one >"$ENGINE_DIR/bill"
	jq -e '(([.Path[].DurationNs] | add) == .TotalNs) and
		([.Path[].What] | index("wait for the network")) and
		([.Path[], .Parallel[] | .What] | index("take addresses and ports")) and
		([.Path[], .Parallel[] | .What] | index("make the network devices")) and
		([.Path[], .Parallel[] | .What] | index("set addresses and routes")) and
		([.Path[], .Parallel[] | .What] | index("publish the ports"))' "$ENGINE_DIR/bill"
}

has_whole_bill() { [ "$(cloche timeline --json one | jq '[.Phases[].Phase] | index("exit") != null')" = true ]; }

@test "a host that filters with iptables-legacy: said once, when the network comes up" {
	on_host iptables-legacy -P FORWARD DROP
	cloche run -d --name one cloche/busybox sleep 100000 >/dev/null 2>"$ENGINE_DIR/said"
	grep -q '^WARNING: .*iptables-legacy, which is left alone.*allow device' "$ENGINE_DIR/said" || { cat "$ENGINE_DIR/said" && false; }
	cloche run -d --name two cloche/busybox sleep 100000 >/dev/null 2>"$ENGINE_DIR/said"
	assert_equal "$(cat "$ENGINE_DIR/said")" ""
}
