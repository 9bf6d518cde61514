#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# SIGKILL at every operation of the child, at every stamped point of command line, monitor and child,
# and at random moments. What stays is a container that runs or one that is known to be lost; what is
# left over is found by `system check` and removed by its repair.
load fault

setup() { setup_warm_engine; }
teardown() { teardown_engine; }

# Kills at one point or operation and judges, once for what the kill did and, where the container still
# runs, once more after its ordinary end, since the point may come only then.
kill_at() { # SPEC ARG...
	local spec=$1 failed=0
	shift
	CLOCHE_TEST_KILL=$spec start_echo "$@"
	echo hello >&7
	wait_for 5 settled || { echo "$spec $*: neither ended nor begun" && failed=1; }
	wait_for 1 quiet_judge || { judge || true; echo "  at $spec $*" && failed=1; }
	if ! cli_is_gone; then
		echo bye >&7
		wait_for 5 cli_is_gone || { echo "$spec $*: does not end" && failed=1; }
		wait_for 1 quiet_judge || { judge || true; echo "  after $spec $*" && failed=1; }
	fi
	end_echo
	killed_as_meant "$spec" || failed=1
	assert_swept || { echo "  after $spec $*" && failed=1; }
	return "$failed"
}

# That the point was reached, by whom it belongs to: the command line dies itself, or says that the
# monitor or the child did. Once a monitor has answered only leftovers tell, if there are any.
killed_as_meant() { # SPEC
	local name expected
	name=$(point_name "${1#point:}")
	case "$name" in
	POINT_CLI_*) expected=137 ;;
	POINT_MONITOR_ANSWERED | POINT_MONITOR_CLEANED) expected=0 ;;
	*) expected=125 ;;
	esac
	[ "$CLI_STATUS" -eq "$expected" ] || { echo "$name: the command ended with $CLI_STATUS, not $expected" && return 1; }
}

no_directory_stays() { ! compgen -G "$CLOCHE_RUN_ROOT/containers/*" && ! compgen -G "$CLOCHE_ROOT/names/*"; } >/dev/null
quiet_judge() { judge >/dev/null; }

@test "a child killed at any operation: one error, nothing stays, no repair needed" {
	local i status out n failed=0
	n=$(plan_ops)
	for ((i = 0; i < n; i++)); do
		status=0
		out=$(CLOCHE_TEST_KILL="op:#$i" cloche run --rm --network none cloche/busybox true 2>&1 </dev/null) || status=$?
		# At the last one the program is already as good as running.
		if [ "$i" -eq $((n - 1)) ] && [ "$status" -eq 137 ]; then continue; fi
		if [ "$status" -ne 125 ] || [ "$(grep -c . <<<"$out")" -gt 2 ] ||
			[[ $out != *"killed by signal 9"* ]]; then
			echo "$(op_label "$i"): status $status, said: $out" && failed=1
		fi
		wait_for 1 no_directory_stays || { echo "$(op_label "$i"): left behind" && engine_leftovers && failed=1; }
	done
	wait_for 2 nobody_holds_on
	cloche system check --repair
	assert_engine_as "$BASE"
	[ "$failed" -eq 0 ]
}

@test "killed at any point of command line, monitor or child: runs or is known to be lost (--rm)" {
	local i n failed=0
	n=$(plan_points)
	for ((i = 0; i < n; i++)); do
		kill_at "point:$i" --rm || failed=1
	done
	[ "$failed" -eq 0 ]
}

@test "killed at any point of command line, monitor or child: the same of one that persists" {
	local i n failed=0
	n=$(plan_points)
	for ((i = 0; i < n; i++)); do
		kill_at "point:$i" || failed=1
	done
	[ "$failed" -eq 0 ]
}

# The monitor of a start under way, or of a container that runs; nothing when there is none.
monitor_of_victim() {
	local pid
	read -r pid _ 2>/dev/null <"/proc/$CLI/task/$CLI/children" || true
	[ -z "$pid" ] || [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != cloche-monitor ] || echo "$pid"
}

kill_at_random() { # cli|monitor ARG...
	local who=$1 moment pid failed=0
	shift
	moment=0.$(printf '%03d' $((RANDOM % 60)))
	start_echo "$@"
	sleep "$moment"
	pid=$CLI
	[ "$who" = cli ] || pid=$(monitor_of_victim)
	[ -z "$pid" ] || ! kill -KILL "$pid" 2>/dev/null || hits=$((hits + 1))
	echo hello >&7
	wait_for 5 settled || { echo "$who $moment $*: neither ended nor begun" && failed=1; }
	wait_for 1 quiet_judge || { judge || true; echo "  of $who after $moment s, $*" && failed=1; }
	if ! cli_is_gone; then
		echo bye >&7
		wait_for 5 cli_is_gone || { echo "$who $moment $*: does not end" && failed=1; }
	fi
	end_echo
	assert_swept || { echo "  $who killed after $moment s, $*" && failed=1; }
	return "$failed"
}

@test "killed at random moments, fifty times" {
	local i mode hits=0 failed=0
	for ((i = 0; i < 25; i++)); do
		mode=()
		[ $((i % 2)) -eq 0 ] || mode=(--rm)
		kill_at_random cli "${mode[@]}" || failed=1
		kill_at_random monitor "${mode[@]}" || failed=1
	done
	[ "$hits" -ge 30 ] || { echo "only $hits of 50 kills met a process" && failed=1; }
	[ "$failed" -eq 0 ]
}

# With Docker, too, it runs before it is asked to end, and is asked as any other: this one does not hear,
# and ends of its own accord.
@test "a stop while the next run is being made does not kill it" {
	CLOCHE_TEST_DELAY='op:#1=500' cloche run -d --name victim --restart always --network none cloche/busybox \
		sh -c 'sleep 0.1; exit 4' >/dev/null
	wait_for 5 second_run_is_made
	cloche stop victim
	assert_equal "$(state_of victim)" 'exited 4 '
	cloche rm victim >/dev/null
	assert_swept
}

# Its first run has ended, and a child works on the second.
second_run_is_made() {
	local monitor
	monitor=$(jq 'select(.Status == "restarting") | .MonitorPid' "$CLOCHE_RUN_ROOT"/containers/*/state.json)
	[ -n "$monitor" ] && [ -n "$(cat "/proc/$monitor/task/$monitor/children")" ]
}

# The kernel forgets the parent-death signal when a program of another user is executed, so this one
# outlives its monitor. It must not do so unseen.
@test "a set-user-ID program that outlives its monitor is found, and ended by the repair" {
	local pid found
	mkdir -p "$ENGINE_DIR"/root/{proc,sys,dev,etc,tmp}
	cp "$(command -v busybox)" "$ENGINE_DIR/root/busybox"
	chmod 4755 "$ENGINE_DIR/root/busybox"
	cloche create --name victim --network none --rootfs "$ENGINE_DIR/root" -u 1000 /busybox sleep 1000 >/dev/null
	cloche start victim >/dev/null
	pid=$(container_pid victim)
	kill -KILL "$(proc_status "$pid" PPid)"
	wait_for 1 says_lost
	if [ -d "/proc/$pid" ]; then
		found=$(cloche system check) && return 1
		assert_contains "$found" "process $pid: runs in a container without a monitor"
		cloche system check --repair
	fi
	wait_for 2 is_gone "$pid"
	rm -r "$ENGINE_DIR/root"
	assert_swept
}

says_lost() { [ "$(state_of victim)" = 'exited 137 monitor lost' ]; }
is_gone() { [ ! -d "/proc/$1" ] || [ "$(proc_status "$1" State | cut -c1)" = Z ]; }
