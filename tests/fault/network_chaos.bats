#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Hundreds of connected containers of two engines on one host, killed at any moment: nothing of a
# network stays, and neither engine feels the other. NETWORK_CHAOS_SECONDS (20), NETWORK_CHAOS_COUNT (200)
# and CHAOS_SEED choose how long, how many at once, and which.
# bats file_tags=beside
load fault

# shellcheck disable=SC2034 # bats reads it
BATS_TEST_TIMEOUT=900

setup() { setup_network_engine; }
teardown() {
	local second=$ENGINE_DIR/second status=0
	CLOCHE_ROOT=$second/data CLOCHE_RUN_ROOT=$second/run CLOCHE_CONFIG=$second/daemon.json cloche system check --repair || status=1
	teardown_network_engine || status=1
	return "$status"
}

@test "200 at once, killed at random: no address, device, rule or namespace stays" {
	local seed=${CHAOS_SEED:-$RANDOM} second=$ENGINE_DIR/second
	mkdir -p "$second/data"
	printf '{"cgroup-parent": "/%s-second"}\n' "$ENGINE_CGROUP" >"$second/daemon.json"
	cloche run --rm --network bridge cloche/busybox true
	on_host "$BATS_TEST_DIRNAME/network-chaos-driver" "${NETWORK_CHAOS_SECONDS:-20}" \
		"${NETWORK_CHAOS_COUNT:-200}" "$seed" "$ENGINE_DIR" "$second"
}
