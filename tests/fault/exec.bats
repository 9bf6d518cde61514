#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# exec held up and killed at its steps: what the container can see of it, and what is left.
bats_require_minimum_version 1.5.0
load fault

setup() {
	require_hooks
	setup_engine
	cloche create --name box --network none --cap-add SYS_PTRACE cloche/busybox sleep 1000 >/dev/null
	cloche start box >/dev/null
}

teardown() { teardown_engine; }

# An exec that stays at one step for a while, in the background.
held_at() { # LABEL
	CLOCHE_TEST_DELAY="op:$1=1500" cloche exec box sleep 1 &
	HELD=$!
}

# The other processes of the box than PID 1 and the one that looks, as "PID NAME CAPEFF".
others() {
	# shellcheck disable=SC2016 # for the shell in the container
	cloche exec box sh -c 'for p in /proc/[0-9]*; do
		pid=${p#/proc/}; [ $pid = 1 ] || [ $pid = $$ ] || awk -v p=$pid "/^Name/ { n = \$2 } /^CapEff/ { print p, n, \$2 }" $p/status
	done' | grep -v ' awk '
}

seen() { [ -n "$(others)" ]; }

@test "nobody in the container sees a process before it has given up what the container lacks" {
	held_at "enter its pid namespace"
	wait_for 1 seen && others && return 1
	wait "$HELD"
}

@test "what a tracer in the container sees of it has the container's capabilities and no descriptor of the host's" {
	local pid mask shared
	mask=$(cloche exec box awk '/^CapEff/ { print $2 }' /proc/1/status)
	held_at "new session"
	wait_for 5 seen
	read -r pid _ <<<"$(others)"
	assert_equal "$(others)" "$pid cloche-monitor $mask"
	# The tracer is root with CAP_SYS_PTRACE; what the process has open is pipes.
	run cloche exec box sh -c "ls -l /proc/$pid/fd | sed -n 's/.* -> //p' | grep -v -e '^pipe:' -e '^socket:' -e '^/dev/null' -e '^/\$'"
	assert_equal "$output" ""
	# In common with those outside it has two pages for times and results, nothing that they go by.
	shared=$(cloche exec box awk '$2 ~ /s$/ { print $1 }' "/proc/$pid/maps")
	assert_equal $((0x${shared#*-} - 0x${shared%-*})) 8192
	wait "$HELD"
}

@test "killed at any operation: an error, no zombie, nothing left" {
	local label
	for label in "join the container" "become user 0:0" "enter its pid namespace" "new session"; do
		CLOCHE_TEST_KILL="op:$label" run -126 cloche exec box true
		[[ $output == "OCI runtime exec failed: "* ]] || { echo "$label: $output" && return 1; }
	done
	# From here on it is the program that was killed, as far as anybody can tell.
	CLOCHE_TEST_KILL="op:execve true" run -137 cloche exec box true
	assert_equal "$(cloche exec box ps -o args)" $'COMMAND\nsleep 1000\nps -o args'
}

@test "the front end killed at any point of an exec leaves no process that was not released" {
	local deadline
	CLOCHE_TEST_DELAY="op:join the container=300" cloche exec box sleep 500 &
	local client=$!
	wait_for 5 compgen -G "$CLOCHE_RUN_ROOT/containers/*/exec/*" >/dev/null
	kill -KILL "$client"
	wait "$client" || true
	# Either it never began, or it runs with its supervisor: both are what the state says.
	deadline=$((SECONDS + $(patience 5)))
	until [ "$(cat "$CLOCHE_RUN_ROOT"/containers/*/exec/*/state.json 2>/dev/null | grep -c '"Status":"running"')" = \
		"$(cloche exec box ps -o args | grep -cx 'sleep 500')" ]; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
	done
}
