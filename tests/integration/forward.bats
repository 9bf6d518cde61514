#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Published ports that cannot be translated, [::1] of all and [::] of a container without IPv6: its monitor
# carries what comes there. forward-driver is the container's servers and the host's clients.
load helpers

setup() { setup_network_engine; }
teardown() { teardown_network_engine; }

publish() { # OPTION...: a container whose ports forward-driver knows
	cloche run -d --name one --network bridge -p 8080:80 -p 8081:81 -p 8080:80/udp "$@" cloche/busybox sleep 100000 >/dev/null
}

carry() { # SCENARIO
	on_host timeout "$(patience 100)" "$BATS_TEST_DIRNAME/forward-driver" "$1" "$(container_pid one)" "$CLOCHE_RUN_ROOT"
}

@test "what comes to [::1] is carried to the container and back, and its end ends it" {
	local monitor
	publish --rm
	monitor=$(inspect one .Cloche.MonitorPid)
	carry carried
	carry ended
	# Connections end before the last of what it had published is free.
	wait_for 10 has_ended "$monitor"
	publish
}

@test "a killed keeper: transfers, half-closed connections and datagrams of [::1] go on, nothing is lost" {
	publish
	carry killed
}

@test "with few descriptors connections to [::1] wait for their turn" {
	(
		ulimit -n 240
		publish
	)
	carry crowded
	cloche exec one true
}
