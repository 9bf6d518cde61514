#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Containers made by other OCI runtimes: runc, crun and cloche-runtime, by name and by path. What a user
# sees must not depend on who makes the container.
# shellcheck disable=SC2016,SC2154 # expressions are the container shell's; bats sets status, output, stderr

bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_engine
	# crun up to 1.8 refuses version 1 hierarchies beside a version 2 one: it gets to see the former.
	cat >"$ENGINE_DIR/crun" <<-'END'
		#!/bin/sh
		[ -d /sys/fs/cgroup/unified ] || exec crun "$@"
		exec unshare -m sh -c 'umount /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; exec crun "$@"' crun "$@"
	END
	chmod 755 "$ENGINE_DIR/crun"
	cat >"$CLOCHE_CONFIG" <<-END
		{"cgroup-parent": "/$ENGINE_CGROUP", "runtimes": {
			"runc": {"path": "runc", "runtimeArgs": ["--debug"]},
			"crun": {"path": "$ENGINE_DIR/crun"},
			"own": {"path": "$BUILD/bin/cloche-runtime"},
			"gone": {"path": "/nonexistent/runtime"},
			"kata": {"runtimeType": "io.containerd.kata.v2"}}}
	END
}

teardown() { teardown_engine; }

# split CODE ARG...: cloche with what it writes to stdout and stderr apart, which must end with CODE.
split() {
	local code=$1
	shift
	run "-$code" --separate-stderr timeout "$(patience 20)" cloche "$@"
}

# bats test_tags=any-kernel
@test "info lists the runtimes and the default one" {
	assert_contains "$(cloche info)" " Runtimes: cloche runc crun own gone kata"
	assert_contains "$(cloche info)" " Default Runtime: cloche"
	assert_equal "$(cloche info -f '{{.Runtimes.runc.path}} {{.DefaultRuntime}}')" "runc cloche"
}

@test "streams, exit codes, environment and limits are the same by every runtime" {
	local name
	for name in "$(command -v runc)" crun own; do
		echo "# $name"
		split 7 run --rm --runtime "$name" --network none -e A=b -m 64m -h box cloche/busybox \
			sh -c 'echo "$A $(hostname) $$"; cat /proc/1/cgroup | grep -vc ":/$"; grep -E "^(CapEff|Seccomp):" /proc/self/status | tr -d "\n"; echo end >&2; exit 7'
		assert_equal "${lines[0]}" "b box 1"
		[ "$(cgroup_version)" = 1 ] || assert_equal "${lines[1]}" 0
		assert_equal "${lines[2]}" "CapEff:	00000000a80425fbSeccomp:	2"
		assert_equal "$stderr" end
	done
	assert_equal "$(printf 'a\nb\n' | cloche run --rm -i --runtime runc --network none cloche/busybox cat)" $'a\nb'
}

# bats test_tags=any-kernel
@test "a program that is missing or cannot be executed ends as with Docker" {
	local name
	for name in runc crun own; do
		echo "# $name"
		split 127 run --rm --runtime "$name" --network none cloche/busybox nosuch
		assert_contains "$stderr" "OCI runtime create failed: "
		assert_contains "$stderr" nosuch
	done
	split 126 run --rm --runtime crun --network none cloche/busybox /etc/passwd
}

# bats test_tags=any-kernel
@test "a runtime that is unknown, missing or a shim is refused with words" {
	split 125 run --rm --runtime nope --network none cloche/busybox true
	assert_contains "$stderr" "unknown or invalid runtime name: nope"
	split 127 run --rm --runtime gone --network none cloche/busybox true
	assert_contains "$stderr" "fork/exec /nonexistent/runtime: no such file or directory"
	split 125 run --rm --runtime kata --network none cloche/busybox true
	assert_contains "$stderr" "io.containerd.kata.v2 is a shim of containerd"
	printf '{"default-runtime": "x"}' >"$ENGINE_DIR/bad.json"
	CLOCHE_CONFIG=$ENGINE_DIR/bad.json split 1 ps
	assert_contains "$stderr" "specified default runtime 'x' does not exist"
}

# bats test_tags=any-kernel
@test "a terminal has its size and the exit code comes through" {
	local name
	for name in runc crun; do
		echo "# $name"
		run -5 timeout "$(patience 20)" script -qec \
			"stty rows 33 cols 77; cloche run --rm -t --network none --runtime $name cloche/busybox sh -c 'stty size; tty; exit 5'" \
			/dev/null </dev/null
		assert_equal "$(tr -d '\r' <<<"$output")" $'33 77\n/dev/pts/0'
	done
}

# bats test_tags=once
@test "a created container starts again and again, is inspected, killed and says how it died" {
	local name
	for name in runc crun; do
		echo "# $name"
		cloche create --name "$name" --runtime "$name" --network none -m 48m cloche/busybox \
			sh -c 'echo line; if [ -e /eat ]; then x=$(head -c 96m /dev/zero | tr "\0" x); fi; touch /eat; exec sleep 1000'
		cloche start "$name"
		assert_equal "$(inspect "$name" .HostConfig.Runtime)" "$name"
		container_is "$name" running
		assert_equal "$(cgroup_file "$name" memory memory.limit_in_bytes memory.max)" $((48 << 20))
		wait_for 10 grep -qs sleep "/proc/$(container_pid "$name")/cmdline"
		wait_for 5 has_said "$name" line
		assert_equal "$(cloche logs "$name")" line
		assert_equal "$(cloche exec -e A=b "$name" sh -c 'echo "$A $(hostname)"; ls /eat')" \
			"b $(inspect "$name" .Config.Hostname)"$'\n/eat'
		run -4 cloche exec "$name" sh -c 'exit 4'
		cloche pause "$name"
		container_is "$name" paused
		assert_equal "$(cloche top "$name" -o pid,comm | awk 'END {print $2}')" sleep
		cloche unpause "$name"
		assert_equal "$(cloche stats --no-stream --format '{{.Name}} {{.PIDs}}' "$name")" "$name 1"
		cloche kill "$name"
		wait_for 10 container_is "$name" exited
		assert_equal "$(inspect "$name" '"\(.State.ExitCode) \(.State.OOMKilled)"')" "137 false"
	done
	cloche start crun
	wait_for 20 container_is crun exited
	assert_equal "$(inspect crun .State.OOMKilled)" true
}

# bats test_tags=once
@test "it joins another container's namespaces" {
	cloche run -d --name base --ipc shareable --network none cloche/busybox sleep 1000
	run -6 cloche run --runtime runc --name guest --network container:base --pid container:base --ipc container:base \
		cloche/busybox sh -c 'for n in pid net ipc; do readlink /proc/self/ns/$n; done; exit 6'
	assert_contains "$output" "$(readlink "/proc/$(container_pid base)"/ns/{pid,net,ipc})"
	cloche exec base sh -c 'echo shared >/dev/shm/file'
	for runtime in runc crun own; do
		echo "# $runtime"
		assert_equal "$(cloche run --rm --runtime "$runtime" --network none --ipc container:base cloche/busybox \
			cat /dev/shm/file)" shared
	done
	container_is base running
}

@test "a killed monitor takes the container of another runtime with it" {
	local pid monitor
	cloche create --name lost --runtime runc --network none cloche/busybox sleep 1000
	cloche start lost
	pid=$(container_pid lost)
	monitor=$(jq .MonitorPid "$CLOCHE_RUN_ROOT"/containers/*/state.json)
	kill -KILL "$monitor"
	wait_for 10 has_ended "$pid"
	wait_for 10 container_is lost exited
	cloche start lost
	container_is lost running
}

# bats test_tags=any-kernel
@test "a restart policy starts it again by the same runtime" {
	local first
	cloche run -d --name again --runtime runc --restart on-failure:2 --network none cloche/busybox \
		sh -c 'echo run; exit 3' >/dev/null
	wait_for 20 container_is again exited
	assert_equal "$(inspect again '"\(.RestartCount) \(.State.ExitCode)"')" "2 3"
	wait_for 5 has_run_thrice again
	cloche rm again
	cloche run -d --name forever --runtime runc --restart always --network none cloche/busybox sleep 1000 >/dev/null
	first=$(container_pid forever)
	kill -KILL "$first"
	wait_for 20 bash -c "p=\$(cloche inspect -f '{{.State.Pid}}' forever) && [ \"\$p\" -gt 0 ] && [ \"\$p\" != $first ]"
	assert_equal "$(cloche exec forever hostname)" "$(inspect forever .Config.Hostname)"
}

has_run_thrice() { [ "$(cloche logs "$1")" = $'run\nrun\nrun' ]; }

# bats test_tags=any-kernel
@test "crun and runc take the bundle that cloche-runtime spec writes" {
	local name
	mkdir -p "$ENGINE_DIR/bundle/rootfs/bin"
	cp "$(command -v busybox)" "$ENGINE_DIR/bundle/rootfs/bin/sh"
	cd "$ENGINE_DIR/bundle"
	cloche-runtime spec
	jq --arg group "/$ENGINE_CGROUP/spec" '.process.terminal = false | .linux.cgroupsPath = $group
		| .process.args = ["sh", "-c", "echo made"]' config.json >new
	mv new config.json
	for name in runc "$ENGINE_DIR/crun"; do
		assert_equal "$("$name" --root "$ENGINE_DIR/state" run "spec-$$" </dev/null)" made
	done
}
