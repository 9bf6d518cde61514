#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# How containers end, and who hears of it: kill, stop, wait, rm against living monitors.
load helpers

image=cloche/busybox

setup() { setup_engine; }
teardown() { teardown_engine; }

start_one() { # NAME COMMAND...
	local name=$1
	shift
	cloche create --name "$name" --network none $image "$@" >/dev/null
	cloche start "$name" >/dev/null
}

# A shell that ends with 7 on TERM, and says when it is ready.
start_gentle() { # NAME
	start_one "$1" sh -c 'trap "exit 7" TERM; touch /ready; while :; do sleep 0.05; done'
	wait_for 5 is_ready "$1"
}

is_ready() { [ -e "/proc/$(container_pid "$1")/root/ready" ]; }

# has_socket PID FLAGS STATE: whether it holds a unix socket that /proc/net/unix shows with these.
has_socket() {
	awk -v flags="$2" -v state="$3" 'NR == FNR { own[$1]; next } $4 == flags && $6 == state && $7 in own { found = 1 }
		END { exit !found }' <(ls -l "/proc/$1/fd" | sed -n 's/.*socket:\[\([0-9]*\)\]$/\1/p') /proc/net/unix
}

listens() { has_socket "$1" 00010000 01; }

# They stand in its socket's queue, or are served.
are_connected() { # CLIENT...
	local client
	for client; do has_socket "$client" 00000000 03 || return 1; done
}

# bats test_tags=any-kernel
@test "a waiter gets the code; a late one too" {
	local waiter
	start_gentle one1
	cloche wait one1 >"$ENGINE_DIR/code" 3>&- &
	waiter=$!
	cloche kill -s TERM one1 >/dev/null
	wait "$waiter"
	assert_equal "$(cat "$ENGINE_DIR/code")" 7
	assert_equal "$(cloche wait one1)" 7
	assert_equal "$(inspect one1 '.State.Status, .State.ExitCode, .State.Pid')" "$(printf '%s\n' exited 7 0)"
}

# bats test_tags=any-kernel
@test "stop is gentle first, then it is not" {
	start_gentle soft
	cloche stop soft >/dev/null
	assert_equal "$(inspect soft .State.ExitCode)" 7
	start_one hard sleep 1000
	cloche stop -t 0 hard >/dev/null
	assert_equal "$(inspect hard .State.ExitCode)" 137
	# Stopping what stands is no error.
	cloche stop hard >/dev/null
}

@test "five who connect while the monitor is busy all hear the end of a --rm container" {
	local init monitor front waiters=() i
	cloche run --rm --name brief --network none $image sleep 1000 3>&- &
	front=$!
	wait_for 5 container_is brief running
	init=$(container_pid brief)
	monitor=$(ps -o ppid= -p "$init" | tr -d ' ')
	# Its state says "running" a moment before.
	wait_for 5 listens "$monitor"
	kill -STOP "$monitor"
	for i in 1 2 3 4 5; do
		cloche wait brief >"$ENGINE_DIR/code$i" 3>&- &
		waiters+=($!)
	done
	wait_for 5 are_connected "${waiters[@]}"
	kill -KILL "$init"
	kill -CONT "$monitor"
	wait "${waiters[@]}"
	wait "$front" || assert_equal $? 137
	for i in 1 2 3 4 5; do assert_equal "$(cat "$ENGINE_DIR/code$i")" 137; done
}

@test "start, kill and start again, with nothing in between" {
	local i
	cloche create --name again --network none $image true >/dev/null
	for i in $(seq 20); do cloche start -a again; done
	cloche rm again >/dev/null
	for i in $(seq 10); do
		start_one next sleep 1000
		cloche rm -f next >/dev/null
	done
}

# Takes the group that monitors live in away whenever it is empty, as a repair of another engine may.
take_group_away() {
	while [ -e "$ENGINE_DIR/taking" ]; do
		rmdir /sys/fs/cgroup/cloche-monitor /sys/fs/cgroup/unified/cloche-monitor 2>/dev/null || true
	done
}

@test "the monitors' group may be taken away while one is about to be born in it" {
	local taker
	touch "$ENGINE_DIR/taking"
	take_group_away 3>&- &
	taker=$!
	for _ in $(seq 30); do cloche run --rm --network none $image true; done
	rm "$ENGINE_DIR/taking"
	wait "$taker"
}

@test "several removals and starts at once leave nothing" {
	local i pids
	for i in $(seq 5); do
		start_one crowd sleep 1000
		pids=()
		cloche rm -f crowd >/dev/null 2>&1 3>&- &
		pids+=($!)
		cloche rm -f crowd >/dev/null 2>&1 3>&- &
		pids+=($!)
		cloche start crowd >/dev/null 2>&1 3>&- &
		pids+=($!)
		cloche rm -f crowd >/dev/null 2>&1 3>&- || true
		# All of them: a late one would meet the next of that name.
		for pid in "${pids[@]}"; do wait "$pid" || true; done
		wait_for 5 removed_or_removable crowd
	done
	run cloche system check
	assert_status 0
}

is_zombie() { [ "$(awk '{ print $3 }' "/proc/$1/stat")" = Z ]; }

# The remover is stopped between its kill and its look at what came of it. Its sanitizers would follow strace.
# bats test_tags=once
@test "rm -f is not kept waiting by a run that somebody else began after its kill" {
	start_one crowd sleep 1000
	local pid monitor remover
	pid=$(container_pid crowd)
	monitor=$(ps -o ppid= -p "$pid" | tr -d ' ')
	kill -STOP "$monitor"
	timeout "$(patience 30)" strace -f -o "$ENGINE_DIR/calls" -e trace=socket -e inject=socket:signal=STOP:when=1 \
		cloche rm -f crowd >/dev/null 3>&- &
	remover=$!
	wait_for 10 grep -q 'stopped by SIGSTOP' "$ENGINE_DIR/calls"
	# It has said nothing to the monitor yet.
	wait_for 5 is_zombie "$pid"
	kill -CONT "$monitor"
	wait_for 5 container_is crowd exited
	cloche start crowd
	kill -CONT "$(sed -n 's/^\([0-9]*\) .*stopped by SIGSTOP.*/\1/p' "$ENGINE_DIR/calls")"
	wait "$remover"
	run cloche inspect crowd
	assert_status 1
}

has_waited() { # PID: it has given the processor away again and again, or has ended
	! awk '$1 == "voluntary_ctxt_switches:" { exit $2 > 20 }' "/proc/$1/status" 2>/dev/null
}

# The monitor is stopped when it has reaped the process, and has not told anybody.
# bats test_tags=once
@test "rm -f of a --rm container waits for the monitor that is about to remove it" {
	local pid monitor remover
	cloche run -d --rm --name brief --network none cloche/busybox sleep 1000 >/dev/null
	pid=$(container_pid brief)
	monitor=$(inspect brief .Cloche.MonitorPid)
	timeout "$(patience 30)" strace -p "$monitor" -o "$ENGINE_DIR/calls" -e trace=waitid -e inject=waitid:signal=STOP:when=1 \
		2>/dev/null 3>&- &
	wait_for 5 is_traced "$monitor"
	kill -KILL "$pid"
	wait_for 10 grep -q 'stopped by SIGSTOP' "$ENGINE_DIR/calls"
	cloche rm -f brief >/dev/null 3>&- &
	remover=$!
	wait_for 5 has_waited "$remover"
	kill -CONT "$monitor"
	wait "$remover"
	run cloche inspect brief
	assert_status 1
}

removed_or_removable() { cloche rm -f "$1" >/dev/null 2>&1 || ! cloche inspect "$1" >/dev/null 2>&1; }

# bats test_tags=any-kernel
@test "Docker's words for what cannot be done" {
	local id
	start_one busy sleep 1000
	id=$(inspect busy .Id)
	run cloche rm busy
	assert_status 1
	assert_contains "$output" "You cannot remove a running container $id. Stop the container before attempting removal or force remove"
	cloche kill busy >/dev/null
	cloche wait busy
	run cloche kill busy
	assert_status 1
	assert_contains "$output" "Container $id is not running"
	run cloche kill -s NOPE busy
	assert_status 1
	assert_contains "$output" "Invalid signal: NOPE"
	cloche rm busy >/dev/null
	run cloche rm busy
	assert_status 1
	assert_contains "$output" "No such container: busy"
	run cloche wait busy
	assert_status 1
}
