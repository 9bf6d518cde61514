#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# SIGKILL at every stamped point of a connected start, the network's own among them, and at every
# operation of the child: what is left of address, ports and rules is taken back by the repair, and the
# next container gets them.
load fault

setup() {
	require_hooks
	setup_network_engine
	# A recorded start: how many points and operations there are.
	cloche run --name warm --network bridge cloche/busybox true
	wait_for 5 compgen -G "$CLOCHE_ROOT/containers/*/timeline.json" >/dev/null
	PLAN=$(cat "$CLOCHE_ROOT"/containers/*/timeline.json)
	export PLAN
	cloche rm warm >/dev/null
}

teardown() { teardown_network_engine; }

# Elements of ports in our table.
rule_elements() {
	on_host nft -j list ruleset | jq -r '.nftables[] | select(.map) | .map | select(.elem) | "\(.name) \(.elem | length)"'
}

nothing_is_left() { network_is_clean && [ -z "$(rule_elements)" ]; }

# killed SPEC ARG...: a start in which that dies, and what follows.
killed() {
	local spec=$1
	shift
	CLOCHE_TEST_KILL=$spec timeout "$(patience 20)" cloche run "$@" --name victim --network bridge -p 8080:80 -p 8080:53/udp \
		cloche/busybox true </dev/null >/dev/null 2>&1 || [ $? -ne 124 ] || { echo "$spec $*: hangs" && return 1; }
	cloche rm -f victim >/dev/null 2>&1 || true
	cloche system check --repair >/dev/null || { echo "$spec $*: not repaired" && return 1; }
	wait_for 5 nothing_is_left || { echo "$spec $*:" && network_leftovers && rule_elements && return 1; }
	cloche run --rm --network bridge -p 8080:80 -p 8080:53/udp cloche/busybox true || { echo "  after $spec $*" && return 1; }
}

@test "killed at any point of a connected start: all of it can be had again" {
	local i n failed=0
	n=$(all_points)
	[ "$n" -gt "$(plan_points)" ]
	for ((i = 0; i < n; i++)); do
		killed "point:$i" --rm || failed=1
		killed "point:$i" || failed=1
	done
	[ "$failed" -eq 0 ]
}

@test "a connected child killed at any operation: all of it can be had again" {
	local i n failed=0
	n=$(plan_ops)
	jq -e '[.Ops[][3]] | index("wait for the network")' <<<"$PLAN"
	for ((i = 0; i < n; i += 3)); do
		killed "op:#$i" --rm || failed=1
	done
	killed "op:wait for the network" || failed=1
	[ "$failed" -eq 0 ]
}

@test "a start that its network refuses says why, and leaves nothing" {
	local out code=0
	cloche create --name victim --network bridge -p 8080:80 cloche/busybox true >/dev/null
	# The gateway of the monitor's work is gone: the bridge, taken away behind the launcher's back.
	out=$(CLOCHE_TEST_DELAY="point:$(network_point)=300" cloche start victim 2>&1 & wait_for 5 has_script && on_host ip link del "$(bridge_name)" && wait $!) || code=$?
	[ "$code" -ne 0 ]
	assert_contains "$out" "device"
	wait_for 5 nothing_is_left
	cloche start -a victim
}

network_point() { point_names | grep -n '^POINT_MONITOR_NETWORK$' | cut -d: -f1 | awk '{ print $1 - 1 }'; }
has_script() { compgen -G "$CLOCHE_RUN_ROOT/containers/*/network.script" >/dev/null; }
bridge_name() { on_host ip -j link show type bridge | jq -r '.[0].ifname'; }
