#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# analyze network: every way to a container works and is timed; a known delay is found where it was put.
bats_require_minimum_version 1.5.0
# bats file_tags=measure
load helpers

setup() { setup_engine; }
teardown() { teardown_engine; }

look() { # ARGUMENT...
	cloche analyze network --runs 3 --no-progress --json "$ENGINE_DIR/report.json" "$@" >"$ENGINE_DIR/out"
}

report() { jq -r "$1" "$ENGINE_DIR/report.json"; }
figure() { report ".tests[].figures[] | select(.key == \"network.$1\") | .$2"; }
verdict() { report ".tests[].claims[] | select(.key == \"network.$1\") | .verdict"; }

# within LOW HIGH VALUE
within() { echo "# $3 in $1 to $2"; awk -v l="$1" -v h="$2" -v v="$3" 'BEGIN { exit !(v >= l && v <= h) }'; }

@test "every way is reached without loss, timed, and nothing of the networks is left" {
	local before way
	before=$(ip -o link | sed 's/^[0-9]*: //' | grep -c '^br-') || true
	look
	assert_equal "$(report '.tests[0].status')" "done"
	for way in host loopback host_network host_to_container container_to_container published; do
		assert_equal "$way $(verdict "reached.$way")" "$way holds"
		assert_equal "$(figure "rtt.$way" 'samples | length')" 3
		assert_equal "$(figure "connect.$way" 'samples | length')" 3
	done
	assert_equal "$(verdict reached.icmp)" holds
	assert_equal "$(verdict name)" holds
	assert_equal "$(verdict none)" holds
	# what decides on the way to the published port, from its rules
	report '.tests[].claims[] | select(.key == "network.rules.1") | .claim' | grep -q 'reachable for this host'
	assert_equal "$(cloche network ls --format '{{.Name}}' | sort | tr '\n' ' ')" "bridge host none "
	assert_equal "$(ip -o link | sed 's/^[0-9]*: //' | grep -c '^br-')" "$before"
	assert_equal "$(awk 'length > 100' "$ENGINE_DIR/out" | wc -l)" 0
}

@test "10 ms of the peer are found on the ways to it, and on no other" {
	local way
	export CLOCHE_ANALYZE_PEER_DELAY_US=10000
	look --brief --runs 5
	unset CLOCHE_ANALYZE_PEER_DELAY_US
	for way in host_to_container container_to_container published; do
		# a round trip is the delay and what the way itself takes; the least of three is the quietest
		within 10000 11000 "$(figure "rtt.$way" 'samples | min')"
	done
	for way in host loopback host_network icmp; do
		within 0 5000 "$(figure "rtt.$way" 'samples | min')"
	done
	report '.findings[] | select(.test == "network") | .title' |
		grep -qE 'A round trip takes 1[0-9]{4}\.[0-9] us by way of (host to container|container to|published)'
}

@test "no address outside is reached unless it is given" {
	look
	! report '.tests[].figures[].key' | grep -q outside || false
	look --address 127.0.0.1
	assert_equal "$(figure rtt.outside_from_host 'samples | length')" 3
	look --address nowhere.example
	assert_equal "$(report '.tests[0].status')" partial
}
