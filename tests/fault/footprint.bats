#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a monitor costs: fifty containers alive, each one's proportional and private memory as the kernel
# counts it. Not of a sanitizer's build, which has memory of its own.
load fault

setup() { setup_engine; }
teardown() { teardown_engine; }

all_run() { [ "$(cloche ps -q | wc -l)" -eq 50 ]; }

# The value in KiB of a field of smaps_rollup.
rollup() { awk -v f="$2:" '$1 == f { print $2; exit }' "/proc/$1/smaps_rollup"; }

@test "fifty monitors: at most 256 KiB each in proportion, 100 KiB private and anonymous" {
	local i pid monitor pss=0 anonymous=0 p a most=0
	! grep -qa __asan_init "$BUILD/libexec/cloche/cloche-monitor" || skip "a build with sanitizers"
	for ((i = 0; i < 50; i++)); do
		cloche create --name "c$i" --network none cloche/busybox sleep 1000 >/dev/null
		cloche start "c$i" >/dev/null
	done
	wait_for 10 all_run
	for ((i = 0; i < 50; i++)); do
		pid=$(container_pid "c$i")
		monitor=$(proc_status "$pid" PPid)
		p=$(rollup "$monitor" Pss)
		a=$(rollup "$monitor" Anonymous)
		pss=$((pss + p))
		anonymous=$((anonymous + a))
		[ "$a" -le "$most" ] || most=$a
	done
	echo "# monitor: mean PSS $((pss / 50)) KiB, private anonymous mean $((anonymous / 50)) KiB, most $most KiB" >&3
	[ $((pss / 50)) -le 256 ]
	[ "$most" -le 100 ]
}
