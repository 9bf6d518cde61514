#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The daily life of containers as at a user's terminal: run -d, restart, pause, rename, attach, rm.
# shellcheck disable=SC2016,SC2154 # quoted words are for the container; bats sets status, output, stderr

bats_require_minimum_version 1.5.0
load helpers
setup() { setup_engine; }
teardown() { teardown_engine; }

freezer_state() { # CONTAINER: 1 frozen, 0 not
	local text
	if [ "$(cgroup_version)" = 1 ]; then
		text=$(cgroup_file "$1" freezer freezer.state cgroup.freeze)
		[ "$text" = THAWED ] && echo 0 || echo 1
	else
		cgroup_file "$1" freezer freezer.state cgroup.freeze
	fi
}

# bats test_tags=once
@test "run -d prints the id once it runs, leaves it alone, and --rm removes it at its end" {
	local id code
	id=$(cloche run -d --name back --cidfile "$ENGINE_DIR/cid" cloche/busybox sleep 1000)
	[[ $id =~ ^[0-9a-f]{64}$ ]]
	assert_equal "$(cat "$ENGINE_DIR/cid")" "$id"
	assert_equal "$(inspect back '[.State.Status, .Config.AttachStdout, .Config.OpenStdin] | @csv')" '"running",false,false'
	run -0 cloche run -dit --rm --name shell cloche/busybox
	assert_equal "$(inspect shell '[.Config.Tty, .Config.OpenStdin, .Config.AttachStdin] | @csv')" 'true,true,false'
	run -0 cloche kill -s KILL shell
	wait_for 5 gone shell
	run -125 cloche run -d -a stdout cloche/busybox true
	assert_contains "$output" "conflicting options: cannot specify both --attach and --detach"
	# What cannot start says so with Docker's exit codes, and no id is printed.
	code=0
	cloche run -d --rm cloche/busybox nosuch >"$ENGINE_DIR/out" 2>"$ENGINE_DIR/err" || code=$?
	assert_equal "$code:$(cat "$ENGINE_DIR/out")" 127:
	assert_contains "$(cat "$ENGINE_DIR/err")" 'exec: "nosuch": executable file not found in $PATH'
	run -126 cloche run -d --rm cloche/busybox /etc
	run -125 cloche run -d --rm nosuch:tag true
	assert_equal "$(cloche ps -a --format '{{.Names}}')" back
}

gone() { # CONTAINER
	! cloche inspect "$1" >/dev/null 2>&1
}

# bats test_tags=any-kernel
@test "several at once: names are echoed, failures are said and the rest is done" {
	cloche create --name one cloche/busybox sleep 1000 >/dev/null
	cloche create --name two cloche/busybox sleep 1000 >/dev/null
	run --separate-stderr -1 cloche container start one nosuch two
	assert_equal "$output" $'one\ntwo'
	assert_contains "$stderr" "failed to start containers: nosuch"
	run -0 cloche container stop -t 0 one two
	assert_equal "$output" $'one\ntwo'
	assert_equal "$(cloche wait one two)" $'137\n137'
	run --separate-stderr -1 cloche rm -l one
	assert_contains "$stderr" "Conflict, cannot remove the default link name of the container"
	run --separate-stderr -0 cloche rm -f -v one nosuch /two
	assert_equal "$output" $'one\n/two'
	assert_contains "$stderr" "No such container: nosuch"
	run --separate-stderr -1 cloche rm one
	assert_equal "$output" ""
}

# bats test_tags=once
@test "stop and restart: -s and -t, a new process, --rm survives a restart and nothing else" {
	local first
	cloche run -d --rm --name box cloche/busybox sh -c 'echo started; trap "exit 9" USR1; while :; do sleep 0.05; done' >/dev/null
	first=$(container_pid box)
	run -0 cloche restart -t 0 box
	assert_equal "$output" box
	[ "$(container_pid box)" != "$first" ]
	! [ -e "/proc/$first" ] || [[ $(proc_status "$first" State) == Z* ]]
	run -0 cloche restart -s USR1 -t 5 box
	wait_for 5 container_is box running
	run -1 cloche stop -t 1 --time 1 box
	assert_contains "$output" "conflicting options: cannot specify both --timeout and --time"
	run -1 cloche stop -s NOSUCH box
	run -0 cloche stop -s KILL box
	wait_for 5 gone box
	# A stopped one is started.
	cloche create --name still cloche/busybox sleep 1000 >/dev/null
	run -0 cloche restart still
	container_is still running
}

@test "pause and unpause: the kernel's freezer, Docker's words, kill and stop wake it up" {
	local id
	id=$(cloche run -d --name box cloche/busybox sleep 1000)
	run -1 cloche unpause box
	assert_contains "$output" "Container $id is not paused"
	run -0 cloche pause box
	assert_equal "$output" box
	assert_equal "$(freezer_state box)" 1
	container_is box paused
	assert_equal "$(inspect box '[.State.Running, .State.Paused] | @csv')" true,true
	assert_contains "$(cloche ps --format '{{.Status}}')" "(Paused)"
	run -1 cloche pause box
	assert_contains "$output" "Container $id is already paused"
	run -1 cloche start box
	assert_contains "$output" "cannot start a paused container, try unpause instead"
	run -1 cloche attach box
	assert_contains "$output" "You cannot attach to a paused container, unpause it first"
	run -1 cloche rm box
	assert_contains "$output" "You cannot remove a paused container $id. Unpause and then stop the container before attempting removal or force remove"
	run -0 cloche unpause box
	assert_equal "$(freezer_state box)" 0
	container_is box running
	cloche pause box >/dev/null
	run -0 cloche kill box
	assert_equal "$(cloche wait box)" 137
	run -1 cloche pause box
	assert_contains "$output" "Container $id is not running"
	cloche start box >/dev/null
	container_is box running
	cloche pause box >/dev/null
	run -0 cloche stop -t 0 box
	container_is box exited
	cloche start box >/dev/null
	cloche pause box >/dev/null
	run -0 cloche rm -f box
}

# bats test_tags=any-kernel
@test "rename: running or not, the old name is free at once, with --rm the new one in the end" {
	local id
	id=$(cloche create --name old cloche/busybox true)
	run -0 cloche rename old new
	assert_equal "$output" ""
	assert_equal "$(inspect new .Id,.Name)" "$id"$'\n/new'
	run -1 cloche rename new new
	assert_contains "$output" "Renaming a container with the same name as its current name"
	assert_contains "$output" "Error: failed to rename container named new"
	run -1 cloche rename new ""
	assert_equal "$output" "Error: Neither old nor new names may be empty"
	run -1 cloche rename -- new '-bad'
	assert_contains "$output" "Invalid container name (/-bad), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
	cloche run -d --rm --name old cloche/busybox sleep 1000 >/dev/null
	run -1 cloche rename old new
	assert_contains "$output" "Conflict. The container name \"/new\" is already in use by container \"$id\""
	run -0 cloche rename old newer
	run -0 cloche stop -t 0 newer
	# The record goes first, then the name.
	wait_for 5 eval '[ "$(ls "$CLOCHE_ROOT/names")" = new ]'
	gone newer
}

# Each line: the command, its exit code, what it prints to standard output, and to standard error.
# bats test_tags=any-kernel
@test "odd arguments: Docker's words, its order and its exit codes" {
	local command code out err
	cloche run -d --name box -m 64m cloche/busybox sleep 1000 >/dev/null
	cloche create --name idle cloche/busybox true >/dev/null
	while IFS='|' read -r command code out err; do
		eval "run --separate-stderr -$code cloche $command"
		echo "cloche $command"
		assert_equal "$output" "$out"
		assert_equal "$stderr" "${err//ID/$(inspect box .Id)}"
	done <<-'END'
		kill nosuch|1||Error response from daemon: Cannot kill container: nosuch: No such container: nosuch
		kill -s 999 box|1||Error response from daemon: Cannot kill container: box: The linux daemon does not support signal 999
		kill -s 0 box|1||Error response from daemon: Invalid signal: 0
		kill -s WINCH nosuch box|1|box|Error response from daemon: Cannot kill container: nosuch: No such container: nosuch
		rename box ''|1||Error: Neither old nor new names may be empty
		rename '' box|1||Error: Neither old nor new names may be empty
		rm ''|1||cloche: container name cannot be empty
		update -m 1 box|1||Error response from daemon: Minimum memory limit allowed is 6MB
		update --restart x box|1||Error response from daemon: invalid restart policy 'x'
		update -m 500m box|1||Error response from daemon: Cannot update container ID: Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time
		cp box: -|1||cloche: bad parameter: path cannot be empty
	END
	run -1 --separate-stderr cloche rename box 'a b'
	assert_equal "${stderr_lines[0]}" "Error response from daemon: Error when allocating new name: Invalid container name (/a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
	assert_equal "${stderr_lines[1]}" "Error: failed to rename container named box"
	run -125 cloche run --rm --ipc container:idle cloche/busybox true
	assert_contains "$output" "can't join IPC of container $(inspect idle .Id): container $(inspect idle .Id) is not running"
	# An empty signal is none.
	run -0 cloche kill -s '' box
	assert_equal "$(cloche wait box)" 137
	# Nothing asked for: help, to standard error.
	run -0 --separate-stderr cloche container
	assert_equal "$output" ""
	assert_contains "$stderr" "Usage:  cloche container COMMAND"
}

# bats test_tags=any-kernel
@test "attach: output, input, exit code, signals; what cannot be attached to" {
	local attached code
	cloche run -d -i --name cat cloche/busybox sh -c 'trap "echo hup" HUP; while read -r line; do echo "<$line>"; [ "$line" != end ] || exit 5; done' >/dev/null
	run -5 cloche attach cat < <(printf 'one\nend\n')
	assert_contains "$output" "<one>"
	run -1 cloche attach cat
	assert_equal "$output" "You cannot attach to a stopped container, start it first"
	run -1 cloche attach nosuch
	cloche run -d --name loop cloche/busybox sh -c 'trap "exit 6" TERM; while :; do echo tick; sleep 0.05; done' >/dev/null
	cloche attach --no-stdin loop >"$ENGINE_DIR/out" &
	attached=$!
	wait_for 5 grep -q tick "$ENGINE_DIR/out"
	kill -TERM "$attached"
	code=0
	wait "$attached" || code=$?
	assert_equal "$code" 6
	run -0 cloche start loop
	cloche attach --sig-proxy=false loop >"$ENGINE_DIR/out2" &
	attached=$!
	wait_for 5 grep -q tick "$ENGINE_DIR/out2"
	kill -TERM "$attached"
	code=0
	wait "$attached" || code=$?
	assert_equal "$code" 143
	container_is loop running
}
