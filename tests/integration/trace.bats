# SPDX-License-Identifier: Apache-2.0
# `cloche trace`: who took part in a start, held against strace, a real dockerd, and a sleep of known length.
# shellcheck disable=SC2154 # bats sets status, output, stderr
bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_engine
	cloche run --rm --network none cloche/busybox true # the image is there from now on
	TRACE=$ENGINE_DIR/trace.json
	cloche trace --json "$TRACE" -- true 2>"$ENGINE_DIR/why" || skip "$(cat "$ENGINE_DIR/why")"
}

teardown() {
	stop_docker
	teardown_engine
}

# of JQ_FILTER: from the last trace.
of() { jq -r "$1" "$TRACE"; }

# The path has no gaps and no overlap, and the bills sum to it.
path_is_whole() {
	of '[.path | range(1; length) as $i | select(.[$i].begin_ns != .[$i - 1].end_ns)] | length == 0' | grep -qx true
	of '([.path[] | .end_ns - .begin_ns] | add) as $all | ([.phases[].ns] | add) == $all
		and ([.programs[].ns] | add) == $all' | grep -qx true
	of '.path[-1].end_ns == (.program_ns // .end_ns)' | grep -qx true
}

# bats test_tags=any-kernel
@test "streams and exit codes are the command's; text fits 100 columns; JSON fits its schema" {
	run -7 --separate-stderr cloche trace --calls --json "$TRACE" -- \
		cloche run --rm --network none cloche/busybox sh -c 'echo out; exit 7'
	assert_equal "$output" out
	assert_equal "$(wc -L <<<"$stderr" | awk '{ print ($1 <= 100) }')" 1
	assert_equal "$(of '.exit_code')" 7
	assert_equal "$(of '.observer.lost')" 0
	path_is_whole
	if /usr/bin/python3 -c 'import jsonschema' 2>/dev/null; then
		/usr/bin/python3 -c 'import json, sys, jsonschema
jsonschema.validate(json.load(open(sys.argv[2])), json.load(open(sys.argv[1])))' \
			"$BUILD/share/cloche/trace.schema.json" "$TRACE"
	fi
	run -127 cloche trace -- /nonexistent/program
	assert_contains "$output" "/nonexistent/program: No such file or directory"
	run -143 cloche trace -- sh -c 'kill -TERM $$'
}

# bats test_tags=any-kernel
@test "where recording is not possible the reason is said, and nothing is run" {
	# Where whoever is not root can reach it, which the tree need not be.
	chmod 755 "$ENGINE_DIR"
	cp -a "$BUILD/bin" "$BUILD/libexec" "$BUILD/share" "$ENGINE_DIR"
	run -1 setpriv --reuid 65534 --clear-groups --inh-caps=-all "$ENGINE_DIR/bin/cloche" trace -- touch "$ENGINE_DIR/ran"
	assert_contains "$output" "permission denied (only root may: try sudo)"
	run -1 unshare --pid --fork --mount-proc cloche trace -- touch "$ENGINE_DIR/ran"
	assert_contains "$output" "pid namespace of its own"
	[ ! -e "$ENGINE_DIR/ran" ]
}

# bats test_tags=any-kernel
@test "a request to end reaches the command, and the trace is shown" {
	local code=0
	# shellcheck disable=SC2016 # the command's shell expands it
	cloche trace -- sh -c 'trap "exit 9" TERM; : >"$0"; while :; do sleep 0.02; done' "$ENGINE_DIR/on" \
		2>"$ENGINE_DIR/text" 3>&- &
	local pid=$!
	wait_for 10 test -e "$ENGINE_DIR/on"
	kill -TERM "$pid"
	wait "$pid" || code=$?
	assert_equal "$code" 9
	assert_contains "$(cat "$ENGINE_DIR/text")" "exit code 9"
}

# bats test_tags=any-kernel
@test "a request to end ends the comparison, too, and an interrupt by a process is one" {
	# shellcheck disable=SC2016 # the command's shell expands it
	cloche trace --cost -- sh -c 'echo run >>"$0"; exec sleep 20' "$ENGINE_DIR/runs" \
		>/dev/null 2>"$ENGINE_DIR/text" 3>&- &
	local pid=$!
	wait_for 10 test -s "$ENGINE_DIR/runs"
	kill -INT "$pid"
	wait "$pid" || true
	assert_equal "$(wc -l <"$ENGINE_DIR/runs")" 1
	assert_contains "$(cat "$ENGINE_DIR/text")" "signal 2"
}

# bats test_tags=any-kernel
@test "a start of cloche's own is whole: command, monitor, init" {
	cloche trace --json "$TRACE" -- cloche run --rm --network none cloche/busybox echo hello 2>/dev/null
	assert_equal "$(of '[.processes[] | select(.role == "command")][0].name')" cloche
	assert_equal "$(of '[.processes[] | select(.role == "supervisor")] | map(.name) | join(" ")')" cloche-monitor
	assert_equal "$(of '.processes[.init] | "\(.role) \(.name) \(.command)"')" "init echo echo hello"
	assert_equal "$(of '[.processes[] | select(.before)] | length')" 0
	# The client makes no namespace; whoever clones the child makes all but the cgroup's.
	assert_equal "$(of '[.calls[] | select(.process == 0 and .group == "namespaces")] | length')" 0
	assert_equal "$(of '[.calls[] | select(.name == "clone3" and .namespaces != "")][0].namespaces')" mnt,pid,net,ipc,uts
	assert_equal "$(of '[.calls[] | select(.name == "pivot_root")] | length')" 1
}

# The calls that strace saw, and those that the trace has, by name and count.
compared() {
	sed -nE 's/^[0-9]+ +([a-z_0-9]+)\(.*/\1/p' "$ENGINE_DIR/strace" | grep -xE "$1" | sort | uniq -c
}
traced() {
	of '.calls[].name' | grep -xE "$1" | sort | uniq -c
}

# bats test_tags=measure
@test "mount and namespace calls are those that strace sees in the same run" {
	command -v strace >/dev/null || skip "no strace"
	local calls='mount|umount2|pivot_root|chroot|unshare|setns|sethostname|move_mount|open_tree|fsopen|fsmount|fsconfig|mount_setattr'
	cloche trace --json "$TRACE" -- strace -f -qq -o "$ENGINE_DIR/strace" -e "trace=${calls//|/,}" \
		cloche run --rm --network none cloche/busybox true 2>/dev/null
	[ "$(compared "$calls" | wc -l)" -ge 8 ]
	assert_equal "$(traced "$calls")" "$(compared "$calls")"
}

# bats test_tags=any-kernel
@test "a sleep of 40 ms in a runtime's wrapper is found there, with its length" {
	command -v runc >/dev/null || skip "no runc"
	cat >"$ENGINE_DIR/wrapper" <<-'END'
		#!/bin/sh
		case "$*" in *create*) sleep 0.04 ;; esac
		exec runc "$@"
	END
	chmod 755 "$ENGINE_DIR/wrapper"
	printf '{"cgroup-parent": "/%s", "runtimes": {"slow": {"path": "%s"}}}\n' \
		"$ENGINE_CGROUP" "$ENGINE_DIR/wrapper" >"$CLOCHE_CONFIG"
	cloche trace --json "$TRACE" -- cloche run --rm --runtime slow --network none cloche/busybox true 2>/dev/null
	path_is_whole
	# In `sleep`, which the wrapper forked, in the call that sleeps: 40 ms, or half as long again where the
	# processor was not ours at its end.
	run jq -r '.processes as $p | .waits[] | select(.state == "asleep" and .in == "clock_nanosleep" and
		$p[.process].name == "sleep" and .end_ns - .begin_ns >= 40e6 and .end_ns - .begin_ns <= 60e6) |
		$p[$p[.process].parent].execs[0].program' "$TRACE"
	assert_equal "$output" wrapper
}

# bats test_tags=any-kernel,once
@test "docker run is found whole: client, dockerd, containerd, shim, runc, init" {
	[ "${CLOCHE_TEST_SLOW:-0}" = 0 ] || skip "dockerd runs where the kernel is not emulated"
	command -v dockerd docker runc >/dev/null || skip "dockerd is not installed"
	start_docker || skip "dockerd does not start here: $(tail -1 "$ENGINE_DIR/docker/log")"
	docker load -qi "$BUILD/share/cloche/images/busybox.tar" >/dev/null
	cloche trace --json "$TRACE" -- docker run --rm --network none cloche/busybox true 2>"$ENGINE_DIR/text"
	path_is_whole
	assert_equal "$(of '.processes[0].name')" docker
	assert_equal "$(of '[.processes[] | select(.role == "daemon") | .name] | contains(["dockerd", "containerd"])')" true
	assert_equal "$(of '[.processes[] | select(.role == "supervisor") | .name | startswith("containerd-shim")] | any')" true
	assert_equal "$(of '[.processes[] | select(.role == "runtime") | .name | startswith("runc")] | any')" true
	assert_equal "$(of '.processes[.init] | "\(.role) \(.name)"')" "init true"
	# From the init up to the daemon that was there before, without a gap.
	assert_equal "$(of '.processes as $p | [.init | recurse($p[.].parent; . != null) | $p[.]] | last.before')" true
	assert_equal "$(of '[.calls[] | select(.process == 0 and (.group == "namespaces" or .group == "mounts"))] | length')" 0
	docker rm -f x >/dev/null 2>&1 || true
}

# bats test_tags=any-kernel,measure
@test "test 2 of analyze: three processes, claims that hold, and the counts of strace" {
	cloche analyze hierarchy --runs 1 --verify --no-progress --json "$ENGINE_DIR/report" >/dev/null
	run jq -r '.tests[0] | .status, (.figures[] | select(.key == "hierarchy.processes") | .samples[]),
		([.claims[].verdict] | unique[]), ([.checks[].agrees] | all)' "$ENGINE_DIR/report"
	assert_equal "${lines[*]}" "done 3 holds true"
}
