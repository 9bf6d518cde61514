#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Escapes by way of a container's start: the program that makes it, the descriptors it has open, and
# the directory it stands in. Each attack is carried out; nothing on the host may change.
bats_require_minimum_version 1.5.0
load ../integration/helpers

setup() {
	setup_engine
	MONITOR=$BUILD/libexec/cloche/cloche-monitor
	BEFORE=$(sha256sum "$BUILD"/bin/* "$BUILD"/libexec/cloche/*)
}

teardown() {
	assert_equal "$(sha256sum "$BUILD"/bin/* "$BUILD"/libexec/cloche/*)" "$BEFORE"
	teardown_engine
}

# An image's own root as a plain folder that the attacker may fill.
attackers_root() {
	mkdir "$ENGINE_DIR/root"
	cp -a "$(command -v busybox)" "$ENGINE_DIR/root/busybox"
	mkdir -p "$ENGINE_DIR"/root/{bin,etc,proc,sys,dev,tmp}
	ln -s ../busybox "$ENGINE_DIR/root/bin/sh"
}

@test "CVE-2019-5736: PID 1 is /proc/self/exe: it runs nothing that could be written to" {
	run cloche run --rm --network none --entrypoint /proc/self/exe cloche/busybox
	# What runs is the monitor's program in the container's own cage: it finds no plan and gives up.
	[ "$status" -ne 0 ]
	attackers_root
	# A script whose interpreter is the program that starts it, as in the published attack.
	printf '#!/proc/self/exe\n' >"$ENGINE_DIR/root/entry"
	chmod 755 "$ENGINE_DIR/root/entry"
	run cloche run --rm --network none --rootfs "$ENGINE_DIR/root" /entry
	[ "$status" -ne 0 ]
}

# Looks from the host at the process that sets a container up, the moment before it executes: its
# program lies on a mount of its own that is read-only, and cannot be opened for writing through /proc
# even by the host's root.
@test "CVE-2019-5736: the program that enters a container lies on a read-only mount of its own" {
	local pid monitor
	cloche create --name box --network none cloche/busybox sleep 1000
	cloche start box
	pid=$(container_pid box)
	monitor=$(proc_status "$pid" PPid)
	assert_equal "$(stat -Lc %i "/proc/$monitor/exe")" "$(stat -c %i "$MONITOR")"
	run python3 -c "import os; print(os.fstatvfs(os.open('/proc/$monitor/exe', os.O_RDONLY)).f_flag & os.ST_RDONLY)"
	assert_equal "$output" 1
	run bash -c ": >>/proc/$monitor/exe"
	assert_status 1
	assert_equal "$(readlink "/proc/$pid/exe")" /bin/sleep
}

# A process of the container that shares the host's pid namespace tries to open the program of
# whatever starts beside it, again and again, for writing.
# A process of the container that shares the host's pid namespace tries to open the program of
# whatever starts beside it, again and again, for writing.
@test "CVE-2019-5736: a privileged neighbour cannot write to what starts containers" {
	local i said
	# shellcheck disable=SC2016 # for the shell in the container
	cloche create --name attacker --network none --pid host --cap-add SYS_PTRACE --security-opt seccomp=unconfined \
		cloche/busybox sh -c 'while :; do for p in /proc/[0-9]*; do
			if grep -qs cloche-monitor $p/cmdline; then
				echo tried
				if (: >>$p/exe) 2>/dev/null; then echo opened; fi
			fi
		done; done'
	cloche start attacker
	for ((i = 0; i < 20; i++)); do cloche run --rm --network none cloche/busybox true; done
	wait_for 10 grep -qs tried "$CLOCHE_ROOT"/containers/*/*-json.log
	said=$(cat "$CLOCHE_ROOT"/containers/*/*-json.log)
	[[ $said != *opened* ]]
}

@test "CVE-2024-21626: PID 1 has the descriptors 0, 1 and 2, and no other" {
	local pid
	cloche create --name box --network none cloche/busybox sleep 1000
	exec 50<"$ENGINE_DIR" 51<"$CLOCHE_CONFIG"
	cloche start box
	exec 50<&- 51<&-
	pid=$(container_pid box)
	assert_equal "$(cd "/proc/$pid/fd" && echo *)" "0 1 2"
	assert_equal "$(readlink "/proc/$pid/fd/"* | grep -cv -e '^pipe:' -e '^/dev/null$')" 0
	assert_equal "$(readlink "/proc/$pid/cwd")" /
}

@test "CVE-2024-21626: no working directory /proc/self/fd/N leads out" {
	local n
	exec 9</
	for n in {3..12} 64 65; do
		run cloche run --rm --network none -w "/proc/self/fd/$n" cloche/busybox cat ../../../../etc/shadow
		[ "$status" -ne 0 ] || { echo "-w /proc/self/fd/$n: $output" && return 1; }
		[[ $output != *root:* ]]
		run cloche run --rm --network none -w "/proc/self/fd/$n/../../../.." cloche/busybox cat etc/shadow
		[ "$status" -ne 0 ] || { echo "-w /proc/self/fd/$n/..: $output" && return 1; }
	done
	exec 9<&-
}

@test "CVE-2024-21626: an image's link to /proc/self/fd/N as working directory leads nowhere" {
	local n
	attackers_root
	exec 9</
	for n in {3..12} 64 65; do
		ln -sfn "/proc/self/fd/$n" "$ENGINE_DIR/root/cwd"
		run cloche run --rm --network none --rootfs "$ENGINE_DIR/root" -w /cwd /busybox cat ../../../../etc/shadow
		[ "$status" -ne 0 ] || { echo "$n: $output" && return 1; }
		[[ $output != *root:* ]]
	done
	exec 9<&-
}

# The program's path is looked up while descriptors of the set-up may still be open. A script of the
# image names its interpreter the same way.
@test "CVE-2024-21626: no program below /proc/self/fd/N comes from the host" {
	local n
	attackers_root
	printf '#!/bin/sh\ntouch %s\n' "$ENGINE_DIR/escaped" >"$ENGINE_DIR/attack"
	chmod 755 "$ENGINE_DIR/attack"
	exec 9</
	for n in {3..20} {64..70}; do
		run -127 cloche run --rm --network none --rootfs "$ENGINE_DIR/root" "/proc/self/fd/$n/../../../../../..$ENGINE_DIR/attack" || { echo "program by fd $n: $output" && return 1; }
		printf '#!/proc/self/fd/%s/../../../../../..%s\n' "$n" "$BUILD/bin/cloche" >"$ENGINE_DIR/root/entry"
		chmod 755 "$ENGINE_DIR/root/entry"
		run -127 cloche run --rm --network none --rootfs "$ENGINE_DIR/root" /entry || { echo "interpreter by fd $n: $output" && return 1; }
		[[ $output != *"container engine"* ]] || { echo "interpreter by fd $n: $output" && return 1; }
	done
	exec 9<&-
}

@test "during its set-up a container is not to be seen or traced by its neighbours" {
	cloche create --name first --network none cloche/busybox sleep 1000
	cloche start first
	# Not dumpable: the files below its /proc belong to root of the host, also for another user.
	local monitor
	monitor=$(proc_status "$(container_pid first)" PPid)
	run setpriv --reuid 65534 --regid 65534 --clear-groups ls "/proc/$monitor/fd"
	[ "$status" -ne 0 ]
	run setpriv --bounding-set -sys_ptrace cat "/proc/$monitor/environ"
	assert_equal "$(tr -d '\0' <"/proc/$monitor/environ")" ""
}
