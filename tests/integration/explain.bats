#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cloche explain: nine topics, each statement with what was read for it, and statements that change when
# the container is another one.

bats_require_minimum_version 1.5.0
load helpers

setup() { setup_engine; }
teardown() { teardown_engine; }

# explained CONTAINER [TOPIC...]: the report goes to $REPORT, the text to $TEXT.
explained() {
	REPORT=$ENGINE_DIR/report.json TEXT=$ENGINE_DIR/text
	cloche explain --json "$REPORT" "$@" >/dev/null
	cloche explain "$@" >"$TEXT"
}

# verdict KEY [CONTAINER]: of the first claim of that key.
verdict() {
	jq -r --arg key "$1" --arg subject "${2:-}" 'first(.tests[].claims[]
		| select(.key == $key and ($subject == "" or .subject == $subject)) | .verdict)' "$REPORT"
}

evidence() { # KEY
	jq -r --arg key "$1" '.tests[].claims[] | select(.key == $key) | .evidence[]' "$REPORT"
}

start() { # NAME [FLAG...]
	cloche run -d --name "$1" --network "${NETWORK:-none}" "${@:2}" cloche/busybox sleep 100000 >/dev/null
}

@test "all nine topics, each claim with evidence of this very container" {
	start web
	local pid
	pid=$(container_pid web)
	explained web
	assert_equal "$(jq -r '[.tests[].key] | join(" ")' "$REPORT")" \
		"kernel pids namespaces creation cgroup load layers ancestry sharing"
	assert_equal "$(jq '[.tests[].claims[] | select(.evidence | length == 0)] | length' "$REPORT")" 0
	assert_equal "$(jq '[.tests[] | select(.claims | length == 0)] | length' "$REPORT")" 0
	assert_equal "$(jq -r '[.tests[].status] | unique | join(" ")' "$REPORT")" "done"
	assert_contains "$(evidence pids.two_numbers)" "here $pid, inside 1"
	assert_contains "$(evidence namespaces.net)" "$(readlink "/proc/$pid/ns/net")"
	assert_contains "$(evidence kernel.one)" "$(cat /proc/sys/kernel/random/boot_id)"
	assert_equal "$(awk 'length > 100' "$TEXT" | wc -l)" 0
	assert_equal "$(LC_ALL=C grep -c '[^ -~]' "$TEXT" || true)" 0
}

# bats test_tags=any-kernel
@test "what is shared with the host is told from what is not" {
	start own
	start shared --pid host --uts host
	explained own namespaces sharing pids
	for kind in pid uts net mnt ipc cgroup; do assert_equal "$(verdict "namespaces.$kind")" holds; done
	assert_equal "$(verdict namespaces.user)" broken
	assert_equal "$(verdict sharing.visible_processes)" holds
	explained shared namespaces sharing pids
	for kind in pid uts; do assert_equal "$(verdict "namespaces.$kind")" broken; done
	for kind in net mnt ipc cgroup; do assert_equal "$(verdict "namespaces.$kind")" holds; done
	assert_equal "$(verdict pids.two_numbers)" broken
	assert_equal "$(verdict sharing.visible_processes)" broken
	assert_contains "$(evidence sharing.pid)" "PidMode = host"
}

# bats test_tags=any-kernel
@test "a network that was joined is not one that was made" {
	start first
	NETWORK=container:first start second
	explained second sharing creation
	assert_equal "$(verdict sharing.net)" broken
	assert_contains "$(evidence sharing.net)" "process $(container_pid first) (sleep)"
	jq -r '.tests[].claims[] | select(.key == "sharing.net") | .consequence' "$REPORT" |
		grep -q 'was there first: second joined'
	assert_contains "$(evidence creation.namespaces)" "join network namespace"
	# Who was joined is told the other way round.
	explained first sharing
	jq -r '.tests[].claims[] | select(.key == "sharing.net") | .consequence' "$REPORT" |
		grep -q 'came later'
}

# bats test_tags=any-kernel
@test "a process of the container that makes namespaces of its own is found" {
	start tampered --privileged
	explained tampered namespaces
	assert_equal "$(verdict namespaces.uniform)" holds
	cloche exec -d tampered unshare -u -i sleep 100001
	wait_for 10 has_stray tampered
	explained tampered namespaces
	assert_equal "$(verdict namespaces.uniform)" broken
	evidence namespaces.uniform | grep -q '(sleep): ipc:\[.* uts:\['
}

has_stray() { # CONTAINER
	local pid
	for pid in $(pgrep -f 'sleep 100001'); do
		grep -q "$(inspect "$1" '{{.Id}}')" "/proc/$pid/cgroup" || continue
		[ "$(cat "/proc/$pid/comm")" = sleep ] || continue
		[ "$(readlink "/proc/$pid/ns/uts")" != "$(readlink "/proc/$(container_pid "$1")/ns/uts")" ] && return 0
	done
	return 1
}

# bats test_tags=once
@test "limits that were asked for are in force, and what happened at them was counted" {
	# The kernel keeps whole pages, an engine whole microseconds.
	start limited --memory 33554433 --cpus 0.050006 --pids-limit 8
	start free
	explained limited cgroup load
	for key in cgroup.cpu cgroup.memory cgroup.pids; do assert_equal "$(verdict $key)" holds; done
	assert_contains "$(evidence cgroup.memory)" 33554432
	assert_contains "$(evidence cgroup.cpu)" "0.05 processors"
	run ! grep -F "does not hold what was asked" "$REPORT"
	assert_equal "$(verdict load.killed)" broken
	assert_equal "$(verdict load.pids)" broken
	cloche exec -d limited sh -c 'while :; do :; done'
	wait_for 30 is_throttled limited
	run cloche exec limited sh -c 'tail /dev/zero'
	run cloche exec limited sh -c 'for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; wait'
	explained limited load
	assert_equal "$(verdict load.killed)" holds
	assert_equal "$(verdict load.memory)" holds
	assert_equal "$(verdict load.pids)" holds
	explained free cgroup load
	for key in cgroup.cpu cgroup.memory cgroup.pids load.throttled load.memory; do
		assert_equal "$(verdict $key)" broken
	done
}

# A busy machine gives it little, so this may take a while.
is_throttled() { # CONTAINER
	explained "$1" load
	[ "$(verdict load.throttled)" = holds ]
}

# bats test_tags=once
@test "what a container changed is told, and what the engine put there is not" {
	start quiet
	start busy
	cloche exec busy sh -c 'echo a >/added; echo b >>/etc/passwd; rm /etc/group'
	explained quiet layers
	assert_equal "$(verdict layers.changes)" broken
	assert_equal "$(verdict layers.recorded)" holds
	assert_equal "$(verdict layers.shared)" holds
	explained busy layers
	assert_equal "$(verdict layers.changes)" holds
	assert_contains "$(evidence layers.changes)" "1 changed, 1 removed"
}

# bats test_tags=any-kernel
@test "a process by its number, and names that nobody has" {
	sleep 100002 3>&- &
	explained $! kernel pids layers
	assert_equal "$(verdict kernel.userland)" broken
	assert_equal "$(verdict pids.first)" broken
	run -0 cloche explain "pid:$!" kernel
	kill $!
	run -1 cloche explain nobody
	assert_contains "$output" "looked in cloche in $CLOCHE_ROOT"
	run -1 cloche explain pid:999999999
	start idle
	run -1 cloche explain idle nonsense
	assert_contains "$output" "kernel pids namespaces"
	run -1 cloche explain docker:idle
	cloche kill idle >/dev/null
	wait_for 10 container_is idle exited
	run -1 cloche explain idle
	assert_contains "$output" "does not run"
}

# What an engine makes at first use and keeps: image, id, networks.
make_lasting() {
	cloche run --rm --network none cloche/busybox true
	cloche info >/dev/null
	cloche network inspect none >/dev/null
	cloche run --rm --network none --name made cloche/busybox true
}

# bats test_tags=any-kernel,once
@test "the course: its own containers, all topics, nothing left" {
	local before
	make_lasting
	before=$(snapshot_engine)
	cloche explain --lab --json "$ENGINE_DIR/report.json" >"$ENGINE_DIR/text"
	REPORT=$ENGINE_DIR/report.json
	assert_equal "$(jq -r '[.tests[].number] | unique | join(" ")' "$REPORT" | tr -d '\n')" "0 1 2 3 4 5 6 7 8 9"
	assert_equal "$(jq '[.tests[].claims[] | select(.evidence | length == 0)] | length' "$REPORT")" 0
	assert_contains "$(jq -r '.tests[].claims[] | select(.key == "kernel.userland" and .subject == "foreign")
		| .evidence[]' "$REPORT")" "Second Root 2"
	assert_equal "$(verdict kernel.between)" holds
	assert_equal "$(verdict namespaces.between)" holds
	for key in load.killed load.pids load.throttled layers.changes; do assert_equal "$(verdict $key)" holds; done
	assert_equal "$(verdict sharing.pid hostpids)" broken
	# What the bill says of one birth and what the kernel said of another is the same.
	assert_equal "$(verdict creation.watched)" holds
	assert_contains "$(evidence creation.watched)" "clone3 with $(jq -r '.tests[].claims[]
		| select(.key == "creation.clone") | .consequence' "$REPORT" | sed 's/.* are \(.*\);.*/\1/')"
	assert_equal "$(verdict sharing.net joined)" broken
	assert_equal "$(awk 'length > 100' "$ENGINE_DIR/text" | wc -l)" 0
	assert_equal "$(cloche ps -aq | wc -l)" 0
	assert_equal "$(cloche images -q | wc -l)" 1
	assert_engine_as "$before"
}

# bats test_tags=any-kernel
@test "a course that is interrupted removes what it made" {
	local before status=0
	make_lasting
	before=$(snapshot_engine)
	cloche explain --lab >"$ENGINE_DIR/text" 3>&- &
	wait_for 20 some_run
	kill -INT $!
	wait $! || status=$?
	assert_equal "$status" 130
	assert_contains "$(cat "$ENGINE_DIR/text")" "interrupted"
	assert_equal "$(cloche ps -aq | wc -l)" 0
	assert_equal "$(cloche images -q | wc -l)" 1
	assert_engine_as "$before"
}

some_run() { [ "$(cloche ps -q | wc -l)" -ge 2 ]; }
