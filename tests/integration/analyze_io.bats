#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the fourth test of analyze says of a disk that is held to a known speed, and of copies up, which the
# kernel's own counters size.

# bats file_tags=measure
load helpers
bats_require_minimum_version 1.5.0

setup() { setup_engine; }

teardown() {
	teardown_engine_disk
	teardown_engine
}

# A data root on a disk of its own that the tests may hold back; where /tmp is in memory the kernel counts
# nothing as written.
setup_engine_disk() {
	command -v mkfs.ext4 >/dev/null || skip "no mkfs.ext4 here"
	truncate -s 1G "$ENGINE_DIR/disk"
	mkfs.ext4 -q "$ENGINE_DIR/disk"
	mkdir "$CLOCHE_ROOT"
	DISK=$(losetup --find --show --direct-io=on "$ENGINE_DIR/disk" 2>/dev/null) || skip "no loop devices here"
	mount "$DISK" "$CLOCHE_ROOT"
}

# Before the engine's own teardown, which wants to see no mount: the containers are gone by now.
teardown_engine_disk() {
	[ -n "${DISK:-}" ] || return 0
	umount "$CLOCHE_ROOT"
	losetup --detach "$DISK"
	unset DISK
}

analyze() { # ARGUMENT...
	run -0 cloche analyze io --no-progress --brief --runs 4 --json "$ENGINE_DIR/report.json" "$@"
}

median() { # SUBJECT KEY
	jq -e --arg subject "$1" --arg key "$2" '[.. | objects | select(.key? == $key and .subject? == $subject) |
		.summary?.median // empty][0]' "$ENGINE_DIR/report.json"
}

verdict() { # KEY
	jq -re --arg key "$1" '[.. | objects | select(.key? == $key) | .verdict? // empty][0]' "$ENGINE_DIR/report.json"
}

within() { # VALUE PERCENT OF
	echo "$1 within $2 % of $3"
	awk -v a="$1" -v p="$2" -v b="$3" 'BEGIN { exit !(a >= b * (1 - p / 100) && a <= b * (1 + p / 100)) }'
}

@test "a disk held to 8 MiB/s is found where it is, and not where it is not" {
	setup_engine_disk
	analyze --run-flag="--device-write-bps=$DISK:8mb"
	echo "$output"
	within "$(median cloche io.upper.write_direct)" 10 8
	within "$(median cloche io.volume.write_direct)" 10 8
	# The same disk, but who is not held back.
	[ "$(median host io.host.write_direct | cut -d. -f1)" -ge 12 ]
	[ "$(median cloche io.tmpfs.write | cut -d. -f1)" -ge 12 ]
	[[ $output == *"volume: write"*"of the host's speed"* || $output == *"upper: write"*"of the host's speed"* ]]
}

# What the kernel counts as written has the file system's own blocks too: a group of blocks that nobody has used
# before begins with its bitmaps and a table of inodes.
within_metadata() { # VALUE PERCENT OF
	echo "$1 within $2 % of $3, and 256 KiB"
	awk -v a="$1" -v p="$2" -v b="$3" 'BEGIN { exit !(a >= b * (1 - p / 100) && a <= b * (1 + p / 100) + 262144) }'
}

@test "a copy-up writes the file once, of 64 MiB too, the second change and a volume nothing" {
	setup_engine_disk
	analyze --verify
	for mib in 1 10 64; do
		within "$(median cloche io.copy_up.${mib}mib.disk)" 10 $((mib << 20))
		within_metadata "$(median cloche io.copy_up.${mib}mib.written)" 10 $((mib << 20))
	done
	[ "$(verdict io.copy_up.second)" = holds ]
	[ "$(verdict io.copy_up.volume)" = holds ]
	[ "$(verdict io.copy_up.other_changes)" = holds ]
	for how in chmod open append; do
		within_metadata "$(median cloche io.copy_up.${how}_10mib.written)" 10 $((10 << 20))
	done
	jq -e '[.. | objects | select(has("agrees")) | select(.key | endswith(".written"))] |
		length == 6 and all(.agrees)' "$ENGINE_DIR/report.json"
}

# bats test_tags=any-kernel
@test "its images, volumes and containers are gone, also after an interrupt" {
	analyze
	[ "$(cloche images -q | wc -l)" -le 1 ]
	[ -z "$(cloche volume ls -q)" ]
	[ -z "$(cloche ps -aq)" ]
	cloche analyze io --no-progress >/dev/null 2>&1 &
	pid=$!
	wait_for 30 has_container
	kill -INT "$pid"
	wait "$pid" || true
	[ "$(cloche images -q | wc -l)" -le 1 ]
	[ -z "$(cloche volume ls -q)" ]
	[ -z "$(cloche ps -aq)" ]
}

has_container() { [ -n "$(cloche ps -q)" ]; }
