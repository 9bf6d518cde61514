#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A lost monitor, a lost keeper, a lost host: whose policy wants it is started again, nobody else.

load helpers

setup() { setup_engine; }
teardown() { teardown_engine; }

KEEPER=$BUILD/libexec/cloche/cloche-keeper

# made NAME POLICY COMMAND...: a container with a restart policy.
made() { cloche create --name "$1" --restart "$2" --network none cloche/busybox "${@:3}" >/dev/null; }

run_dir() { echo "$CLOCHE_RUN_ROOT/containers/$(cloche inspect -f '{{.Id}}' "$1")"; }
monitor_of() { jq .MonitorPid "$(run_dir "$1")/state.json"; }
monitor_is_not() { container_is "$1" running && [ "$(monitor_of "$1")" != "$2" ]; }

# This run root's keeper and its helpers.
keepers() { pgrep -f "cloche-keeper .*--run-root $CLOCHE_RUN_ROOT"; }
no_keeper() { ! keepers >/dev/null; }
keeper_is_alone() { [ "$(keepers)" = "$(keeper_pid)" ]; }
listens() { [ -S "$CLOCHE_RUN_ROOT/keeper.sock" ]; }
connected() { # to the keeper: containers
	[ "$(ls -l "/proc/$(keeper_pid)/fd" | grep -c socket:)" -eq $((1 + $1)) ]
}

@test "killed monitors: brought back by policy, the count goes on; a stopped one and one without stay" {
	local first second keeper
	made web unless-stopped sleep 1000
	made job on-failure sleep 1000
	made plain no sleep 1000
	cloche start web job plain >/dev/null
	wait_for 10 listens
	keeper=$(keeper_pid)
	wait_for 10 connected 2
	first=$(monitor_of web)
	kill -9 "$first" "$(monitor_of job)" "$(monitor_of plain)"
	wait_for 10 monitor_is_not web "$first"
	wait_for 10 container_is job running
	wait_for 10 container_is plain exited
	assert_equal "$(inspect web .RestartCount)" 1
	assert_equal "$(keeper_pid)" "$keeper"
	wait_for 10 connected 2
	# Again: after a keeper that was killed, which the monitors replace.
	kill -9 "$keeper"
	wait_for 10 keeper_is_new "$keeper"
	wait_for 10 connected 2
	second=$(monitor_of web)
	kill -9 "$second"
	wait_for 10 monitor_is_not web "$second"
	assert_equal "$(inspect web .RestartCount)" 2
	# Whoever has started it says so afterwards.
	wait_for 10 is_logged 'cloche-keeper.* started again after its monitor was lost'
	# What a user stopped stays stopped, and nobody is left to watch over.
	cloche stop -t 0 web job >/dev/null
	wait_for 10 no_keeper
	container_is web exited
}

is_logged() { cloche system log | grep -q "$1"; }

@test "monitor and keeper killed at once: the next keeper finds what was lost" {
	local keeper
	made lost always sleep 1000
	made other always sleep 1000
	cloche start lost other >/dev/null
	wait_for 10 connected 2
	keeper=$(keeper_pid)
	kill -STOP "$keeper"
	kill -9 "$(monitor_of lost)"
	wait_for 10 flock -n "$(run_dir lost)/lock" true
	kill -9 "$keeper"
	wait_for 10 keeper_is_new "$keeper"
	wait_for 10 container_is lost running
	assert_equal "$(inspect other .RestartCount)" 0
}

@test "every monitor and the keeper killed at once: the next command of anybody brings back what was lost" {
	local before dies
	made lost always sleep 1000
	made job unless-stopped sleep 1000
	made plain no sleep 1000
	cloche start lost job plain >/dev/null
	before=$(monitor_of lost)
	kill_all 2 lost job plain
	# A look at the list will do.
	cloche ps -q
	wait_for 10 monitor_is_not lost "$before"
	wait_for 10 container_is job running
	container_is plain exited
	assert_equal "$(inspect lost .RestartCount)" 1
	wait_for 10 connected 2
	# A user's stop is as good here, and a removal.
	kill_all 2 lost job
	cloche stop lost
	cloche rm job >/dev/null
	container_is lost exited
	no_keeper
	dies=$(grep '"status":"die"' "$CLOCHE_RUN_ROOT/events/journal" | grep -c '"name":"lost"')
	assert_equal "$dies" 1
}

# kill_all CONNECTED CONTAINER...: their monitors and the keeper die in the same moment, so that nobody
# sees it. So many are connected to it.
kill_all() {
	local name locks=() monitors=()
	for name in "${@:2}"; do
		wait_for 5 container_is "$name" running
		locks+=("$(run_dir "$name")/lock")
		monitors+=("$(monitor_of "$name")")
	done
	wait_for 10 connected "$1"
	# The first of its helpers looks for what is lost, too.
	wait_for 10 keeper_is_alone
	monitors+=("$(keeper_pid)")
	kill -STOP "${monitors[@]}"
	kill -9 "${monitors[@]}"
	for name in "${locks[@]}"; do wait_for 10 flock -n "$name" true; done
	wait_for 10 no_keeper
}

@test "one that shares another's namespace gets a new plan for each run" {
	cloche run -d --name host --network none cloche/busybox sleep 1000 >/dev/null
	cloche create --name guest --restart always --network container:host cloche/busybox sh -c 'exit 3' >/dev/null
	cloche start guest >/dev/null
	wait_for 10 restarts guest 3
	# Meanwhile it goes on.
	cp "$CLOCHE_RUN_ROOT/events/journal" "$BATS_TEST_TMPDIR/journal"
	assert_equal "$(grep -c '"action":"die"\|"status":"die"' "$BATS_TEST_TMPDIR/journal")" \
		"$(grep '"status":"die"' "$BATS_TEST_TMPDIR/journal" | grep -c '"exitCode":"3"')"
	# In the keeper's pause, mostly: the user's word ends it, and then there is nobody to watch over.
	cloche stop -t 0 guest >/dev/null
	wait_for 10 no_keeper
	container_is guest exited
	cloche start guest >/dev/null
	wait_for 10 restarts guest 3
	cloche rm -f guest host >/dev/null
	wait_for 10 no_keeper
}

restarts() { [ "$(inspect "$1" .RestartCount)" -ge "$2" ]; }

@test "after a boot: always, and unless-stopped that ran; not what a user stopped, not what never ran" {
	local name
	made always always sleep 1000
	made unless unless-stopped sleep 1000
	made stopped unless-stopped sleep 1000
	made failure on-failure sleep 1000
	made fresh always sleep 1000
	cloche start always unless stopped failure >/dev/null
	cloche stop -t 0 stopped >/dev/null
	for name in always unless failure; do wait_for 5 in_record "$name"; done
	host_restart always unless failure
	assert_equal "$(inspect unless '[.State.Status, .State.ExitCode, .State.Error] | @csv')" '"exited",255,"host was restarted"'
	"$KEEPER" --boot
	container_is always running
	container_is unless running
	container_is stopped exited
	container_is failure exited
	container_is fresh created
	wait_for 10 connected 2
}

in_record() { [ -e "$CLOCHE_ROOT/containers/$(cloche inspect -f '{{.Id}}' "$1")/state.json" ]; }

# host_restart CONTAINER...: nothing of the run root is left, and the records are of another boot.
host_restart() {
	kill_all $# "$@"
	rm -rf "${CLOCHE_RUN_ROOT:?}"
	sed -i 's/"BootId":"[^"]*"/"BootId":"00000000-0000-4000-8000-000000000000"/' "$CLOCHE_ROOT"/containers/*/state.json
}

@test "the keeper is small, alone, of no session, and in the monitors' group" {
	local keeper i pss own
	made one always sleep 1000
	cloche start one >/dev/null
	wait_for 10 connected 1
	keeper=$(keeper_pid)
	for i in 1 2 3; do "$KEEPER" --root "$CLOCHE_ROOT" --run-root "$CLOCHE_RUN_ROOT"; done
	assert_equal "$(keeper_pid)" "$keeper"
	assert_equal "$(ps -o sid= -p "$keeper" | tr -d ' ')" "$keeper"
	grep -q '/cloche-monitor$' "/proc/$keeper/cgroup"
	pss=$(awk '$1 == "Pss:" { print $2 }' "/proc/$keeper/smaps_rollup")
	own=$(awk '$1 == "Pss_Anon:" { print $2 }' "/proc/$keeper/smaps_rollup")
	echo "keeper: $pss KiB, $own KiB of its own"
	# How much of its file is in memory is up to the kernel, which reads ahead.
	grep -qa __asan_init "$KEEPER" || { [ "$own" -le 64 ] && [ "$pss" -le 768 ]; }
	cloche rm -f one >/dev/null
	wait_for 10 no_keeper
	[ ! -e "$CLOCHE_RUN_ROOT/keeper.sock" ]
}
