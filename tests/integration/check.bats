#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What `system check` finds and removes after real crashes and of planted leftovers, and what it must
# never touch.
load helpers

image=cloche/busybox

setup() {
	setup_engine
	# The built-in image is loaded on first use; that is no leftover.
	cloche run --rm --network none $image true
	wait_for 5 monitors_are_gone
}
teardown() { teardown_engine; }

start_sleeper() { # NAME ARG...
	local name=$1
	shift
	cloche create --name "$name" --network none "$@" $image sleep 1000 >/dev/null
	cloche start "$name" >/dev/null
}

# The monitor is the parent of PID 1.
monitor_pid() {
	ps -o ppid= -p "$(container_pid "$1")" | tr -d ' '
}

kill_monitor() { # NAME
	local pid init
	init=$(container_pid "$1")
	pid=$(monitor_pid "$1")
	kill -KILL "$pid"
	wait_for 2 process_is_gone "$pid"
	# It goes with its monitor.
	wait_for 2 process_is_gone "$init"
}

process_is_gone() { [ ! -d "/proc/$1" ] || grep -q '^State:.*Z' "/proc/$1/status"; }

# Those who swept up after the answer.
monitors_are_gone() { ! engine_processes | grep -q cloche-monitor; }

one_monitor_is_left() { [ "$(engine_processes | grep -c cloche-monitor)" -eq 1 ]; }

# check_finds KIND...: exactly these, in any order, one line each, and the count at the end.
check_finds() {
	run cloche system check
	assert_status 1
	assert_equal "$(printf '%s\n' "$output" | sed '$d' | cut -d' ' -f1 | sort)" "$(printf '%s\n' "$@" | sort)"
}

assert_clean() {
	run cloche system check
	assert_status 0
	assert_equal "$output" "Nothing was left behind."
}

@test "a healthy engine has nothing to sweep, and a repair changes nothing" {
	local before
	start_sleeper runs -v named:/data -v /anonymous
	start_sleeper stopped
	cloche stop -t 0 stopped >/dev/null
	wait_for 5 one_monitor_is_left
	before=$(snapshot_engine)
	assert_clean
	run cloche system check --repair
	assert_status 0
	assert_engine_as "$before"
	container_is runs running
}

@test "a lost monitor: found, recorded as such, and its groups removed" {
	local before
	start_sleeper victim
	start_sleeper bystander
	kill_monitor victim
	assert_equal "$(inspect victim '.State.Status, .State.ExitCode, .State.Error, .Cloche.MonitorLost')" \
		"$(printf '%s\n' exited 137 "monitor lost" true)"
	check_finds cgroup container
	run cloche system check --repair
	assert_status 0
	assert_contains "$output" "its monitor is lost"
	assert_clean
	container_is bystander running
	assert_equal "$(inspect victim '.State.ExitCode, .State.Error, .Cloche.MonitorLost')" \
		"$(printf '%s\n' 137 "monitor lost" true)"
	assert_equal "$(engine_cgroups | grep -c "$(inspect victim .Id)")" 0
	cloche start victim >/dev/null
	container_is victim running
	assert_equal "$(inspect victim .Cloche.MonitorLost)" false
}

@test "a lost monitor of a --rm container: a repair leaves nothing of it" {
	local before front
	cloche system check --repair
	before=$(snapshot_engine)
	cloche run --rm --name victim --network none -v /anonymous $image sleep 1000 3>&- &
	front=$!
	wait_for 5 container_is victim running
	kill_monitor victim
	wait "$front" || true
	check_finds cgroup container
	run cloche system check --repair
	assert_status 0
	assert_clean
	assert_engine_as "$before"
}

@test "planted leftovers of every kind: found, then removed, and nothing else" {
	local before dead id
	start_sleeper honest
	id=$(inspect honest .Id)
	dead=dead$(printf '%060d' 0)
	before=$(snapshot_engine)
	mkdir "$CLOCHE_ROOT/containers/$dead" "$CLOCHE_RUN_ROOT/containers/$dead"
	echo '{' >"$CLOCHE_ROOT/containers/$dead/hostconfig.json"
	mkdir -p "$CLOCHE_ROOT/overlay2/$dead/diff/etc" "$CLOCHE_ROOT/overlay2/$dead/merged"
	ln -s "$dead" "$CLOCHE_ROOT/names/ghost"
	mkdir -p "$CLOCHE_ROOT/volumes/$dead/_data" "$CLOCHE_ROOT/volumes/half"
	ln -s "$dead" "$CLOCHE_ROOT/volumes/$dead/owner"
	mkdir "$CLOCHE_ROOT/overlay2/tmp-load"
	mount -t tmpfs planted "$CLOCHE_ROOT/overlay2/$dead/merged"
	cgroup_mounts | while read -r mount; do mkdir -p "$mount/$ENGINE_CGROUP/$dead"; done
	check_finds mount cgroup name layer record record volume volume image
	run cloche system check --repair
	assert_status 0
	assert_clean
	assert_engine_as "$before"
	container_is honest running
	assert_equal "$(inspect honest .Id)" "$id"
}

@test "a process in the group of a dead container is found and killed" {
	local id pid mount
	cloche create --name gone --network none $image true >/dev/null
	id=$(inspect gone .Id)
	mount=$(cgroup_mounts | head -n 1)
	mkdir -p "$mount/$ENGINE_CGROUP/$id"
	sleep 1000 3>&- &
	pid=$!
	echo "$pid" >"$mount/$ENGINE_CGROUP/$id/cgroup.procs"
	run cloche system check
	assert_status 1
	assert_contains "$output" "process $pid:"
	[ -d "/proc/$pid" ]
	run cloche system check --repair
	assert_status 0
	wait_for 2 process_is_gone "$pid"
	assert_clean
}

@test "another engine under the same parent is not touched" {
	local other before after
	other=$ENGINE_DIR/other
	CLOCHE_ROOT=$other/data CLOCHE_RUN_ROOT=$other/run cloche create --name theirs --network none $image sleep 1000
	CLOCHE_ROOT=$other/data CLOCHE_RUN_ROOT=$other/run cloche start theirs
	before=$(engine_cgroups)
	assert_clean
	run cloche system check --repair
	assert_status 0
	assert_equal "$output" "Nothing was left behind."
	assert_equal "$(engine_cgroups)" "$before"
	after=$(CLOCHE_ROOT=$other/data CLOCHE_RUN_ROOT=$other/run cloche inspect -f '{{.State.Status}}' theirs)
	assert_equal "$after" running
	CLOCHE_ROOT=$other/data CLOCHE_RUN_ROOT=$other/run cloche rm -f theirs
}

@test "the last repair takes the empty parent groups along" {
	cloche run --rm --network none $image true
	[ -n "$(engine_cgroups)" ]
	cloche system check --repair
	assert_equal "$(engine_cgroups)" ""
}
