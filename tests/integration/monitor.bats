#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the monitor costs and does when those it serves go away.

# bats file_tags=any-kernel
load helpers

setup() { setup_engine; }
teardown() { teardown_engine; }

# Clock ticks that a process has used.
ticks_of() {
	awk '{print $14 + $15}' "/proc/$1/stat"
}

monitor_of() {
	jq .MonitorPid "$CLOCHE_RUN_ROOT"/containers/"$1"*/state.json
}

@test "a client that dies while its input is held back costs the monitor nothing" {
	local client monitor before after
	cloche run -i --name held --network none cloche/busybox sleep 1000 </dev/zero >/dev/null 2>&1 &
	client=$!
	wait_for 10 container_is held running
	monitor=$(monitor_of "$(cloche inspect -f '{{.Id}}' held)")
	# The pipe and the socket are full once the client has nothing more to do.
	wait_for 10 bash -c "a=\$(awk '{print \$14+\$15}' /proc/$client/stat); sleep 0.3; [ \"\$a\" = \"\$(awk '{print \$14+\$15}' /proc/$client/stat)\" ]"
	kill -9 "$client"
	wait "$client" || true
	before=$(ticks_of "$monitor")
	sleep 1
	after=$(ticks_of "$monitor")
	echo "ticks in a second: $((after - before))"
	[ $((after - before)) -le 5 ]
	container_is held running
}
