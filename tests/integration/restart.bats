#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Restart policies as the monitor carries them out, and what it keeps open and tells meanwhile.

load helpers

setup() { setup_engine; }
teardown() { teardown_engine; }

# made NAME POLICY COMMAND...: a container with a restart policy.
made() { cloche create --name "$1" --restart "$2" --network none cloche/busybox "${@:3}" >/dev/null; }

run_dir() { echo "$CLOCHE_RUN_ROOT/containers/$(cloche inspect -f '{{.Id}}' "$1")"; }
state() { jq -r "$2" "$(run_dir "$1")/state.json"; }
log_of() { cat "$CLOCHE_ROOT/containers/$(cloche inspect -f '{{.Id}}' "$1")/"*-json.log; }
state_is() { [ "$(state "$1" "$2")" = "$3" ]; }
restarted() { [ "$(state "$1" .RestartCount)" -ge "$2" ]; }

@test "policies against exit codes" {
	made never no false
	made failed on-failure:2 sh -c 'exit 3'
	made fine on-failure:2 true
	made always always true
	made unless unless-stopped false
	cloche start never failed fine always unless >/dev/null
	wait_for 10 state_is failed .Status exited
	wait_for 10 restarted always 2
	wait_for 10 restarted unless 2
	wait_for 10 state_is never .Status exited
	wait_for 10 state_is fine .Status exited
	assert_equal "$(state never '[.Status, .RestartCount, .ExitCode] | @csv')" '"exited",0,1'
	assert_equal "$(state failed '[.Status, .RestartCount, .ExitCode] | @csv')" '"exited",2,3'
	assert_equal "$(state fine '[.Status, .RestartCount, .ExitCode] | @csv')" '"exited",0,0'
	[ "$(inspect always .RestartCount)" -ge 2 ]
	# The stop is not kept waiting by the pause, which is longer by now. Wherever else it meets the run, it
	# is the program that ends it.
	wait_for 10 state_is unless .Status restarting
	cloche stop always unless
	wait_for 5 state_is always .Status exited
	wait_for 5 state_is unless .Status exited
	assert_equal "$(cloche wait unless)" 1
	wait_for 5 told "$(cloche inspect -f '{{.Id}}' failed)" 'ended after .* with exit code 3$'
	told "$(cloche inspect -f '{{.Id}}' failed)" 'ended after .* with exit code 3; restart 2 follows in 200 ms'
}

# told ID PATTERN: the program log has such a line of the container.
told() { cloche system log | grep -q "cloche-monitor\[[0-9]*\] ${1:0:12} $2"; }

@test "the pauses double; each run's output and counters are its own" {
	local times i pause
	made loop on-failure:3 sh -c 'echo run; exit 1'
	cloche start loop >/dev/null
	wait_for 10 state_is loop .Status exited
	# It says so before the last words are in the log; this waits for the monitor.
	assert_equal "$(cloche wait loop)" 1
	assert_equal "$(log_of loop | jq -r .log | grep -c run)" 4
	assert_equal "$(grep -c '"status":"die"' "$CLOCHE_RUN_ROOT/events/journal")" 4
	mapfile -t times < <(grep '"status":"start"' "$CLOCHE_RUN_ROOT/events/journal" | jq .timeNano)
	[ "${#times[@]}" -eq 4 ]
	for i in 0 1 2; do
		told "$(cloche inspect -f '{{.Id}}' loop)" "ended after .*; restart $((i + 1)) follows in $((100 << i)) ms"
		# From one start to the next: the end in between is told a while after the pause has begun.
		pause=$(((times[i + 1] - times[i]) / 1000000))
		echo "pause $i: $pause ms"
		[ "$pause" -ge $((95 << i)) ]
		[ "$pause" -lt $(((100 << i) + $(patience 5) * 1000)) ]
	done
	# Four runs of a shell would have used more than one has.
	[ "$(state loop .CpuUsageNs)" -gt 0 ]
	assert_equal "$(state loop .BootId)" "$(cat /proc/sys/kernel/random/boot_id)"
}

@test "a signal of the user's is his word against a restart, as with Docker" {
	local loop='trap : HUP; while [ ! -e /end ]; do sleep 0.05; done; exit 3'
	made any always sh -c "$loop"
	# One that says which signal ends it has its policy's protection from all others.
	cloche create --name own --restart always --stop-signal INT cloche/busybox sh -c "$loop"
	cloche create --name unless --restart unless-stopped --stop-signal INT cloche/busybox sh -c "$loop"
	cloche start any own unless >/dev/null
	cloche kill -s HUP any own unless >/dev/null
	# Which may end with the container before it ends by itself.
	for name in any own unless; do cloche exec -d "$name" touch /end; done
	wait_for 10 state_is any .Status exited
	wait_for 10 state_is unless .Status exited
	wait_for 10 restarted own 1
	assert_equal "$(state any '[.Status, .RestartCount, .ExitCode] | @csv')" '"exited",0,3'
	cloche stop -t 0 own
	# A start of the user's is as good as the first.
	cloche start any >/dev/null
	wait_for 10 restarted any 1
}

# bats test_tags=any-kernel
@test "a program that is gone at a restart ends it, with the reason" {
	local dir
	made vanish always /bin/own
	dir=$CLOCHE_ROOT/overlay2/$(cloche inspect -f '{{.Id}}' vanish)/diff
	mkdir -p "$dir/bin"
	printf '#!/bin/sh\nrm /bin/own\n' >"$dir/bin/own"
	chmod 755 "$dir/bin/own"
	cloche start vanish >/dev/null
	wait_for 5 state_is vanish .Status exited
	assert_equal "$(state vanish '[.ExitCode, .RestartCount] | @csv')" 127,1
	assert_contains "$(state vanish .Error)" "no such file or directory"
}

# bats test_tags=any-kernel
@test "stdin of a detached container stays open; with StdinOnce it ends with its first client" {
	cloche run -di --name open --network none cloche/busybox cat >/dev/null
	local word client pid
	pid=$(container_pid open)
	for word in one two; do
		cloche start -ai open < <(echo $word) >"$ENGINE_DIR/$word" 3>&- &
		client=$!
		# Also after the end of the first one's input.
		wait_for 10 grep -q $word "$ENGINE_DIR/$word"
		kill -KILL "$client"
		wait "$client" || true
	done
	assert_equal "$(container_pid open)" "$pid"
	cloche create -i --name once --network none cloche/busybox cat >/dev/null
	cloche start once >/dev/null
	container_is once running
	assert_equal "$(echo two | cloche start -ai once)" two
	wait_for 5 container_is once exited
}

# bats test_tags=any-kernel
@test "several clients get the same bytes, in order, and the end" {
	local i sum clients=() status
	# Each is attached when it has heard something.
	cloche create --name many --network none cloche/busybox \
		sh -c 'while [ ! -e /go ]; do echo waiting; sleep 0.05; done
			i=0; while [ $i -lt 20000 ]; do echo "line $i of the talk"; i=$((i + 1)); done; exit 7' >/dev/null
	cloche start many >/dev/null
	for i in 0 1 2 3 4; do
		cloche start -a many >"$ENGINE_DIR/out$i" 2>/dev/null 3>&- &
		clients+=($!)
	done
	for i in 0 1 2 3 4; do wait_for 10 grep -q waiting "$ENGINE_DIR/out$i"; done
	: >"/proc/$(container_pid many)/root/go"
	for i in "${clients[@]}"; do
		status=0
		wait "$i" || status=$?
		assert_equal "$status" 7
	done
	sum=$(seq -f 'line %.0f of the talk' 0 19999 | md5sum)
	for i in 0 1 2 3 4; do assert_equal "$(grep -vx waiting "$ENGINE_DIR/out$i" | md5sum)" "$sum"; done
	assert_equal "$(log_of many | jq -rj .log | grep -vx waiting | md5sum)" "$sum"
}

# bats test_tags=any-kernel
@test "the log keeps every byte through rotation, and its files stay small" {
	local dir
	cloche create --name bytes --network none --log-opt max-size=200k --log-opt max-file=50 cloche/busybox sh -c \
		'seq 1 30000; cat /bin/busybox | head -c 200000 | tr "\200-\377" "a-z\"\\\\\n\t"; printf "no end \303\244 \342\202\254"' >/dev/null
	dir=$CLOCHE_ROOT/containers/$(cloche inspect -f '{{.Id}}' bytes)
	cloche start bytes >/dev/null
	cloche wait bytes >/dev/null
	[ "$(ls "$dir" | grep -c json.log)" -ge 10 ]
	find "$dir" -name '*json.log*' -size +220k | grep . && return 1
	all_logs "$dir" | jq -rj .log >"$ENGINE_DIR/said"
	# Every byte, through all files in their order: cloche run has no log in the way.
	cloche run --rm --network none cloche/busybox sh -c \
		'seq 1 30000; cat /bin/busybox | head -c 200000 | tr "\200-\377" "a-z\"\\\\\n\t"; printf "no end \303\244 \342\202\254"' >"$ENGINE_DIR/expected"
	cmp "$ENGINE_DIR/said" "$ENGINE_DIR/expected"
}

# The files of a log, the oldest first.
all_logs() {
	local n=100
	while [ $((--n)) -gt 0 ]; do
		[ ! -e "$(echo "$1"/*-json.log)".$n ] || cat "$1"/*-json.log.$n
	done
	cat "$1"/*-json.log
}

@test "a host restart is told from a lost monitor" {
	local id dir
	made reboot no sleep 1000
	cloche start reboot >/dev/null
	id=$(cloche inspect -f '{{.Id}}' reboot)
	dir=$CLOCHE_ROOT/containers/$id
	wait_for 5 test -e "$dir/state.json"
	assert_equal "$(jq -r .Status "$dir/state.json")" running
	kill -9 "$(state reboot .MonitorPid)"
	wait_for 5 container_is reboot exited
	assert_equal "$(inspect reboot '[.State.ExitCode, .State.Error] | @csv')" '137,"monitor lost"'
	# What a reboot leaves: no run root, and a state of another boot.
	rm -rf "${CLOCHE_RUN_ROOT:?}"
	sed -i 's/"BootId":"[^"]*"/"BootId":"00000000-0000-4000-8000-000000000000"/' "$dir/state.json"
	assert_equal "$(inspect reboot '[.State.ExitCode, .State.Error, .State.Status] | @csv')" '255,"host was restarted","exited"'
	assert_equal "$(cloche start reboot)" reboot
	container_is reboot running
}
