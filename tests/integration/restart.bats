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
	assert_equal "$(log_of loop | jq -r .log | grep -c run)" 4
	mapfile -t times < <(grep '"status":"start"\|"status":"die"' "$CLOCHE_RUN_ROOT/events/journal" | jq .timeNano)
	[ "${#times[@]}" -eq 8 ]
	for i in 0 1 2; do
		# From one end to the next start; the clock of the monitor begins a little before the event.
		pause=$(((times[2 * i + 2] - times[2 * i + 1]) / 1000000))
		echo "pause $i: $pause ms"
		[ "$pause" -ge $((95 << i)) ]
		[ "$pause" -lt $(((100 << i) + $(patience 1) * 1000)) ]
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
	echo one | timeout -s KILL "$(patience 2)" cloche start -ai open >"$ENGINE_DIR/out" || true
	container_is open running
	wait_for 5 grep -q one "$ENGINE_DIR/out"
	cloche create -i --name once --network none cloche/busybox cat >/dev/null
	cloche start once >/dev/null
	container_is once running
	assert_equal "$(echo two | cloche start -ai once)" two
	wait_for 5 container_is once exited
}

# bats test_tags=any-kernel
@test "several clients get the same bytes, in order, and the end" {
	local i sum
	cloche create -i --name many --network none cloche/busybox \
		sh -c 'read go; i=0; while [ $i -lt 20000 ]; do echo "line $i of the talk"; i=$((i + 1)); done; exit 7' >/dev/null
	cloche start many >/dev/null
	for i in 1 2 3 4; do
		cloche start -a many >"$ENGINE_DIR/out$i" 2>/dev/null &
		eval "client$i=\$!"
	done
	# Not before all of them are attached.
	wait_for 10 attached many 4
	echo go | cloche start -ai many >"$ENGINE_DIR/out0" || [ $? -eq 7 ]
	# shellcheck disable=SC2154
	for i in 1 2 3 4; do
		local pid=client$i status=0
		wait "${!pid}" || status=$?
		assert_equal "$status" 7
	done
	sum=$(seq -f 'line %.0f of the talk' 0 19999 | md5sum)
	for i in 0 1 2 3 4; do assert_equal "$(md5sum <"$ENGINE_DIR/out$i")" "$sum"; done
	assert_equal "$(log_of many | jq -rj .log | md5sum)" "$sum"
}

# Connections that the container's monitor has accepted, the launcher's among them.
attached() {
	local monitor
	monitor=$(state "$1" .MonitorPid)
	[ "$(ls -l "/proc/$monitor/fd" | grep -c socket:)" -gt "$2" ]
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
