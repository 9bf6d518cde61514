#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cloche why: each way to end, made on purpose, is named as what it was.
bats_require_minimum_version 1.5.0
load helpers

setup() { setup_engine; }
teardown() { teardown_engine; }

cause() { cloche why -f '{{.Why.Cause}}' "$1"; }

# why NAME CAUSE PART...: the cause, and what the sentences and the evidence hold; inspect agrees.
why() {
	local name=$1 expected=$2 text
	shift 2
	text=$(cloche why "$name")
	assert_equal "$(cause "$name")" "$expected" || {
		printf '%s\n' "$text"
		return 1
	}
	while [ $# -gt 0 ]; do
		assert_contains "$text" "$1"
		shift
	done
	assert_equal "$(inspect "$name" .Cloche.Why.Cause)" "$expected"
}

ends() { # NAME [OPTION...] -- COMMAND...: runs it to its end
	local name=$1 options=()
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	cloche run --name "$name" "${options[@]}" cloche/busybox "$@" >/dev/null 2>&1 || true
}

# bats test_tags=any-kernel
@test "its own exit, and what shells mean by theirs" {
	ends good -- sh -c 'echo one; echo two; echo three'
	why good exit "good ended by itself, successfully" $'last output:\n    one\n    two\n    three'
	assert_equal "$(cloche why -n 1 good | tail -n 2)" $'  last output:\n    three'
	ends bad -- sh -c 'exit 7'
	why bad exit "ended by itself with exit code 7"
	ends lost -- sh -c nosuchcommand
	why lost exit "exit code 127" "a command is not found" "nosuchcommand: not found"
	# A signal from inside ends a child; the first process says so by its code.
	ends inside -- sh -c 'sh -c "kill -9 \$\$"; exit $?'
	why inside exit "exit code 137" "SIGKILL (9); cloche sent none, so it most likely came from inside"
	run -1 cloche why nosuch
	assert_equal "$output" "Error response from daemon: No such container: nosuch"
	assert_equal "$(cloche why --format json bad | jq -c '[.Name, .Why.Cause, .Why.Output]')" '["bad","exit",[]]'
}

# bats test_tags=once
@test "signals, by who sent them" {
	cloche run -d --name web cloche/busybox sleep 1000 >/dev/null
	why web running "as process $(container_pid web) of the host"
	cloche pause web >/dev/null
	why web paused "cloche unpause"
	cloche unpause web >/dev/null
	kill -KILL "$(container_pid web)"
	wait_for 5 container_is web exited
	why web signal "SIGKILL (9)" "sent by a process outside the container, not through cloche"
	cloche start web >/dev/null
	cloche kill web >/dev/null
	wait_for 5 container_is web exited
	why web signal "sent by cloche on a user's behalf"
	cloche run -d --name polite cloche/busybox sh -c 'trap "exit 143" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null
	wait_for 5 has_said polite ready
	cloche stop polite >/dev/null
	why polite exit "exit code 143" "A user had asked for it"
	ends fault -- sh -c 'kill -SEGV $$; exec sleep 0.1'
	# The kernel keeps it from PID 1: it goes on to its end.
	why fault exit successfully
}

@test "no memory: for the first process, and for a child" {
	# The shell that grows is the only process that has anything to give back.
	ends first -m 16m -- sh -c 'x=0123456789; while :; do x=$x$x; done'
	why first oom "it reached its memory limit of 16MiB: its first process was the victim" "memory: limit 16MiB, peak 16MiB" \
		"the kernel killed 1 process for want of it"
	ends child -m 16m -- sh -c 'sh -c "x=0123456789; while :; do x=\$x\$x; done"; echo "child: $?"; exit 3'
	why child oom-child "exit code 3" "after the kernel had killed another process of it" "limit 16MiB" "child: 137"
	# The kernel's log names the victim, where it may be read.
	if head -c 0 /dev/kmsg 2>/dev/null && dmesg 2>/dev/null | grep -q "task_memcg=.*$(inspect child .Id)"; then
		assert_contains "$(cloche why child)" '"sh" (process '
	fi
}

@test "no processes left" {
	# Its end is theirs.
	ends full --pids-limit 3 -- sh -c 'sleep 1000 & sleep 1000 & sleep 1000 & sleep 1000 & exit 2'
	why full pids-limit "its limit of 3 processes had kept it from starting more" "pids: limit 3," "refused"
}

# bats test_tags=any-kernel
@test "a program that is not there, not executable, or of no known kind" {
	ends never -- /nosuch
	why never start-failed 'could not be started: exec: "/nosuch": stat /nosuch: no such file or directory' "There is no such program"
	ends folder -- /etc
	why folder start-failed "permission denied" "It is not executable"
	printf 'neither a program nor a script' >"$ENGINE_DIR/odd"
	chmod 755 "$ENGINE_DIR/odd"
	ends odd -v "$ENGINE_DIR/odd:/odd" -- /odd
	why odd start-failed "exec format error" "another kind of processor"
	# It was there, and then it was not.
	local tool
	cloche create --name vanished cloche/busybox /tool >/dev/null
	why vanished never-started "never started"
	tool=$(inspect vanished .GraphDriver.Data.UpperDir)/tool
	printf '#!/bin/sh\necho ran\n' >"$tool"
	chmod 755 "$tool"
	assert_equal "$(cloche start -a vanished)" ran
	why vanished exit successfully
	rm "$tool"
	run -1 cloche start vanished
	why vanished start-failed "stat /tool: no such file or directory"
}

@test "a monitor that was killed, a host that was restarted, a run between two" {
	local id record
	cloche run -d --name lost cloche/busybox sleep 1000 >/dev/null
	kill -KILL "$(inspect lost .Cloche.MonitorPid)"
	wait_for 5 container_is lost exited
	why lost monitor-lost "because its monitor died" "they end together"
	cloche run -d --name host cloche/busybox sleep 1000 >/dev/null
	id=$(inspect host .Id)
	kill -KILL "$(inspect host .Cloche.MonitorPid)"
	wait_for 5 container_is host exited
	cloche system check --repair >/dev/null || true
	rm -rf "$CLOCHE_RUN_ROOT/containers/$id"
	sed -i -e 's/"BootId":"[^"]*"/"BootId":"00000000-0000-4000-8000-000000000000"/' -e 's/"Status":"exited"/"Status":"running"/' \
		-e 's/"MonitorLost":true/"MonitorLost":false/' "$CLOCHE_ROOT/containers/$id/state.json"
	why host host-restarted "ended with the host" "--restart always"
	cloche create --name loop cloche/busybox sh -c 'exit 3' >/dev/null
	record=$CLOCHE_ROOT/containers/$(inspect loop .Id)/hostconfig.json
	jq -c '.RestartPolicy.Name = "always"' "$record" >"$ENGINE_DIR/record"
	cp "$ENGINE_DIR/record" "$record"
	cloche start loop >/dev/null
	wait_for 10 container_is loop restarting
	assert_contains "$(cloche why loop)" "policy always"
}
