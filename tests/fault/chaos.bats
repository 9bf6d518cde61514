#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many clients, kills at any moment, a full disk now and then: at the end the records agree with the
# kernel, and nothing answered was lost. CHAOS_SECONDS (60) and CHAOS_SEED choose how long and which.
# bats file_tags=beside
load fault

# shellcheck disable=SC2034 # bats reads it
BATS_TEST_TIMEOUT=900

setup() {
	setup_engine
	mkdir -p "$CLOCHE_ROOT" "$CLOCHE_RUN_ROOT"
	truncate -s 256M "$ENGINE_DIR/disk"
	mke2fs -q -t ext4 "$ENGINE_DIR/disk"
	mount -o loop "$ENGINE_DIR/disk" "$CLOCHE_ROOT"
	mount -t tmpfs -o size=16m,mode=755 chaos "$CLOCHE_RUN_ROOT"
}

teardown() {
	local ids status=0
	mapfile -t ids < <(cloche ps -aq --no-trunc)
	[ "${#ids[@]}" -eq 0 ] || cloche rm -f "${ids[@]}" >/dev/null || status=1
	cloche system check --repair || status=1
	wait_for 10 disks_are_free || { echo "a root is still in use" && status=1; }
	teardown_engine || status=1
	return "$status"
}

disks_are_free() {
	local place
	for place in "$CLOCHE_ROOT" "$CLOCHE_RUN_ROOT"; do
		! mountpoint -q "$place" || umount "$place" 2>/dev/null || return 1
	done
}

@test "16 clients, kills and full disks: nothing lost, doubled, torn or left" {
	cloche run --rm --network none cloche/busybox true
	"$BATS_TEST_DIRNAME/chaos-driver" "${CHAOS_SECONDS:-60}" 16 ${CHAOS_SEED:+"$CHAOS_SEED"}
}
