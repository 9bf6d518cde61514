#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# On a host whose PID 1 is systemd, with cgroup version 2: the systemd cgroup driver, read from the
# kernel's files and from systemctl; and that no unit of systemd's takes a container with it.
# Run by script/lab --systemd.
# shellcheck disable=SC2154 # bats sets status, output, stderr

bats_require_minimum_version 1.5.0
load ../integration/helpers

setup() {
	[ "$(cat /proc/1/comm)" = systemd ] || skip "PID 1 is not systemd"
	setup_engine
	use_systemd '"native.cgroupdriver=systemd", "native.scopeprefix=docker"' ""
}

teardown() { teardown_engine; }

use_systemd() { # EXEC_OPTS REST
	cat >"$CLOCHE_CONFIG" <<-END
		{"exec-opts": [$1], "runtimes": {"crun": {"path": "crun"}, "runc": {"path": "runc"}}$2}
	END
}

# run_idle NAME OPTION...: a container that sleeps, with SCOPE and GROUP set.
run_idle() {
	local name=$1 id
	shift
	id=$(cloche run -d --name "$name" --network none "$@" cloche/busybox sleep 1000)
	SCOPE=docker-$id.scope
	GROUP=/sys/fs/cgroup/system.slice/$SCOPE
}

scope_is_gone() {
	[ ! -e "$GROUP" ] && [ "$(systemctl show -P LoadState "$SCOPE")" = not-found ]
}

@test "a container is a scope of system.slice with Docker's limits, and stopping it removes the scope" {
	local pid
	assert_equal "$(cloche info -f '{{.CgroupDriver}} {{.CgroupVersion}}')" "systemd 2"
	run_idle web --cpus 0.5 -m 256m --pids-limit 50 -c 512
	assert_equal "$(cat "$GROUP/cpu.max")" "50000 100000"
	assert_equal "$(cat "$GROUP/memory.max")" 268435456
	assert_equal "$(cat "$GROUP/memory.swap.max")" 268435456
	assert_equal "$(cat "$GROUP/pids.max")" 50
	assert_equal "$(cat "$GROUP/cpu.weight")" 20
	pid=$(container_pid web)
	assert_equal "$(cat "/proc/$pid/cgroup")" "0::/system.slice/$SCOPE"
	assert_equal "$(cat "$GROUP/cgroup.procs")" "$pid"
	# From inside it is the root of a namespace.
	assert_equal "$(cloche exec web cat /proc/self/cgroup)" "0::/"
	run -0 systemctl status --no-pager "$SCOPE"
	assert_contains "$output" "Active: active (running)"
	assert_contains "$output" "$pid sleep 1000"
	assert_equal "$(systemctl show -p MemoryMax -p CPUQuotaPerSecUSec -p TasksMax -p Delegate "$SCOPE" | sort | paste -sd' ')" \
		"CPUQuotaPerSecUSec=500ms Delegate=yes MemoryMax=268435456 TasksMax=50"
	cloche update -m 300m --memory-swap 300m --cpus 0.333 web
	systemctl daemon-reload
	assert_equal "$(cat "$GROUP/memory.max") $(cat "$GROUP/memory.swap.max")" "314572800 0"
	assert_equal "$(systemctl show -P MemoryMax "$SCOPE")" 314572800
	cloche update --cpus 0.5 -m 256m --memory-swap 512m web
	cloche stop -t 0 web
	wait_for 5 scope_is_gone
	assert_equal "$(systemctl --failed --no-legend --plain | wc -l)" 0
	# The same name once more.
	cloche start web
	assert_equal "$(cat "$GROUP/cpu.max")" "50000 100000"
	cloche rm -f web
	wait_for 5 scope_is_gone
}

limits() {
	(cd "$GROUP" && head cpu.max memory.max memory.swap.max pids.max cpu.weight)
}

disk_is_denied() {
	run cloche exec web sh -c "[ -e /disk ] || mknod /disk b $(stat -c '%Hr %Lr' /dev/vda); head -c 1 /disk"
	[ "$status" -ne 0 ] && [[ $output == *"not permitted"* ]] && cloche exec web head -c 1 /dev/zero >/dev/null
}

@test "neither a reload of systemd nor a restart by policy changes limits or devices" {
	local before pid
	run_idle web --cpus 0.25 -m 64m --restart always
	before=$(limits)
	assert_equal "$(cat "$GROUP/pids.max")" max
	systemctl daemon-reload
	assert_equal "$(limits)" "$before"
	disk_is_denied
	pid=$(container_pid web)
	kill -KILL "$pid"
	wait_for 10 bash -c "p=\$(cloche inspect -f '{{.State.Pid}}' web) && [ \"\$p\" -gt 0 ] && [ \"\$p\" != $pid ]"
	assert_equal "$(cat "/proc/$(container_pid web)/cgroup")" "0::/system.slice/$SCOPE"
	assert_equal "$(limits)" "$before"
	disk_is_denied
}

unit_is_gone() { [ "$(systemctl show -P LoadState "$1")" = not-found ]; }

@test "a container outlives the unit that started it, with either driver" {
	local pid driver
	for driver in systemd cgroupfs; do
		use_systemd "\"native.cgroupdriver=$driver\"" "$([ "$driver" = systemd ] || printf ', "cgroup-parent": "/%s"' "$ENGINE_CGROUP")"
		systemd-run --quiet --wait --collect --unit "login-$driver" -E CLOCHE_ROOT -E CLOCHE_RUN_ROOT -E CLOCHE_CONFIG \
			"$BUILD/bin/cloche" run -d --name "c-$driver" --network none cloche/busybox sleep 1000
		# It is forgotten once systemd has heard that the command which waited for it has gone.
		wait_for 5 unit_is_gone "login-$driver.service"
		container_is "c-$driver" running
		pid=$(container_pid "c-$driver")
		case $driver in
		systemd) assert_contains "$(cat "/proc/$pid/cgroup")" "0::/system.slice/cloche-" ;;
		cgroupfs) assert_contains "$(cat "/proc/$pid/cgroup")" "0::/$ENGINE_CGROUP/" ;;
		esac
		cloche exec "c-$driver" true
		cloche rm -f "c-$driver"
	done
}

@test "cgroup-parent is a slice, of the engine or of one container" {
	local pid
	use_systemd '"native.cgroupdriver=systemd"' ', "cgroup-parent": "lab-outer.slice"'
	cloche create --name one --network none cloche/busybox sleep 1000
	cloche create --name two --network none --cgroup-parent lab-inner.slice cloche/busybox sleep 1000
	cloche start one two
	assert_contains "$(cat "/proc/$(container_pid one)/cgroup")" "0::/lab.slice/lab-outer.slice/cloche-"
	assert_contains "$(cat "/proc/$(container_pid two)/cgroup")" "0::/lab.slice/lab-inner.slice/cloche-"
	run -1 cloche create --cgroup-parent /x --network none cloche/busybox true
	assert_contains "$output" 'cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"'
}

@test "a program that is missing leaves no scope" {
	run -127 cloche run --network none --name gone cloche/busybox nosuch
	SCOPE=docker-$(inspect gone .Id).scope
	GROUP=/sys/fs/cgroup/system.slice/$SCOPE
	wait_for 5 scope_is_gone
}

@test "runc and crun make their containers' scopes in the same place" {
	local name
	for name in runc crun; do
		echo "# $name"
		run_idle "$name" --runtime "$name" --cpus 0.5 -m 256m
		assert_equal "$(cat "$GROUP/cpu.max") $(cat "$GROUP/memory.max")" "50000 100000 268435456"
		cloche exec "$name" true
		cloche rm -f "$name"
		wait_for 5 scope_is_gone
	done
}
