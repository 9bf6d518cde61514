#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What runs out, and what the kernel refuses: a full data root, a full run root, no memory, any system
# call denied. Always one clear error; no image is lost; the next run works; nothing is left behind.
load fault

setup() { setup_warm_engine; }

teardown() {
	local root
	for root in "$CLOCHE_ROOT" "$CLOCHE_RUN_ROOT"; do
		! mountpoint -q "$root" || MOUNTED+=("$root")
	done
	rm -f "$CLOCHE_ROOT/filler" "$CLOCHE_RUN_ROOT/filler"
	[ "${#MOUNTED[@]}" -eq 0 ] || move_home
	teardown_engine
}
MOUNTED=()

# A root moves into a small file system of its own, and back.
move_to_tmpfs() { # DIR OPTIONS
	mv "$1" "$1.home"
	mkdir "$1"
	mount -t tmpfs -o "mode=755,$2" tmpfs "$1"
	cp -a "$1.home/." "$1/"
}

move_home() {
	local root ids
	mapfile -t ids < <(cloche ps -aq --no-trunc)
	[ "${#ids[@]}" -eq 0 ] || cloche rm -f "${ids[@]}" >/dev/null
	cloche system check --repair >/dev/null
	for root in "${MOUNTED[@]}"; do
		umount "$root"
		rmdir "$root"
		mv "$root.home" "$root"
	done
}

fill() { ! dd if=/dev/zero of="$1/filler" bs=4k 2>/dev/null; }

# Runs; expects the status and one error line that contains all of the words.
assert_one_error() { # STATUS WORD... -- COMMAND...
	local expected=$1 words=() word said
	shift
	while [ "$1" != -- ]; do words+=("$1") && shift; done
	shift
	run "$@" </dev/null
	assert_status "$expected"
	said=$(grep -v -e '^$' -e "^Run 'cloche" <<<"$output")
	assert_equal "$(wc -l <<<"$said")" 1
	for word in "${words[@]}"; do assert_contains "$said" "$word"; done
}

assert_runs() {
	assert_equal "$(cloche run --rm --network none cloche/busybox echo works)" works
	wait_for 5 no_container_left
}
no_container_left() { [ -z "$(compgen -G "$CLOCHE_RUN_ROOT/containers/*")" ]; }

@test "a full data root" {
	local before
	move_to_tmpfs "$CLOCHE_ROOT" size=32m
	assert_runs
	fill "$CLOCHE_ROOT"
	before=$(snapshot_contents)
	assert_one_error 125 "No space left on device" "$CLOCHE_ROOT" -- cloche run --network none cloche/busybox true
	assert_one_error 1 "No space left on device" "$CLOCHE_ROOT" -- cloche create --network none cloche/busybox true
	assert_equal "$(snapshot_contents)" "$before"
	rm "$CLOCHE_ROOT/filler"
	assert_runs
}

@test "a data root without a free inode" {
	local before n=0
	move_to_tmpfs "$CLOCHE_ROOT" nr_inodes=$(($(find "$CLOCHE_ROOT" | wc -l) + 60))
	assert_runs
	while touch "$CLOCHE_ROOT/filler.$n" 2>/dev/null; do n=$((n + 1)); done
	before=$(snapshot_contents)
	assert_one_error 125 "No space left on device" -- cloche run --network none cloche/busybox true
	assert_equal "$(snapshot_contents)" "$before"
	rm "$CLOCHE_ROOT"/filler.*
	assert_runs
}

@test "a full run root" {
	local before
	move_to_tmpfs "$CLOCHE_RUN_ROOT" size=2m
	assert_runs
	fill "$CLOCHE_RUN_ROOT"
	before=$(snapshot_contents)
	assert_one_error 125 "No space left on device" "$CLOCHE_RUN_ROOT" -- cloche run --rm --network none cloche/busybox true
	assert_equal "$(snapshot_contents)" "$before"
	rm "$CLOCHE_RUN_ROOT/filler"
	assert_runs
}

@test "a run root that fills up while a container runs: its end is recorded, and it can be removed" {
	move_to_tmpfs "$CLOCHE_RUN_ROOT" size=2m
	cloche create --name box --network none cloche/busybox sh -c 'trap "exit 9" TERM; while :; do sleep 0.05; done' >/dev/null
	cloche start box >/dev/null
	fill "$CLOCHE_RUN_ROOT"
	cloche stop box >/dev/null
	assert_equal "$(state_of box)" "exited 9 "
	cloche rm box >/dev/null
}

@test "a run root without room for the state: refused, not left running unseen" {
	local room
	move_to_tmpfs "$CLOCHE_RUN_ROOT" size=2m
	# Takes away page by page what a start needs, until the start before the last one worked.
	fill "$CLOCHE_RUN_ROOT"
	for ((room = 0; room <= 16; room++)); do
		truncate -s $((2097152 - room * 4096)) "$CLOCHE_RUN_ROOT/filler" 2>/dev/null
		run cloche run --rm --network none cloche/busybox echo hi
		[ "$status" -eq 0 ] || [[ $output == *"No space left on device"* ]] || { echo "$room pages: $output" && return 1; }
		wait_for 5 no_container_left || { echo "$room pages: left behind" && ls -R "$CLOCHE_RUN_ROOT" && return 1; }
	done
	rm "$CLOCHE_RUN_ROOT/filler"
	assert_runs
}

@test "no memory: whatever the limit on addresses, a container or one error" {
	local kib said failed=0
	for ((kib = 1024; kib <= 12288; kib += 256)); do
		run prlimit --as=$((kib * 1024)): cloche run --rm --network none cloche/busybox echo hi
		[ "$status" -ne 0 ] || [ "$output" != hi ] || continue
		# Too little for the program itself to be loaded: the kernel's word, not ours.
		[ "$status" -ne 139 ] && [ "$status" -ne 137 ] || continue
		said=$(grep -v -e '^$' -e "^Run 'cloche" <<<"$output")
		[ "$(wc -l <<<"$said")" -eq 1 ] || { echo "$kib KiB: status $status, said: $said" && failed=1; }
		wait_for 2 no_container_left || { echo "$kib KiB: left behind after: $said" && engine_leftovers && failed=1; }
	done
	wait_for 5 no_container_left
	cloche system check --repair
	assert_engine_as "$BASE"
	[ "$failed" -eq 0 ]
}

# The system calls that a start makes, from the start itself, but for those that no program can be
# without (it could not even load, end, or speak); and rmdir, since an empty group of nobody known is
# left alone for a minute, waitid, since nobody can then say how a program ended, and getrandom, of
# whose failure json-c speaks as well.
calls_of_a_start() {
	strace -f -qq -o "$ENGINE_DIR/trace" cloche run --rm --network none cloche/busybox true
	sed -n 's/^[0-9]* *\([a-z0-9_]*\)(.*/\1/p' "$ENGINE_DIR/trace" | sort -u |
		grep -vxE 'execve|exit|exit_group|brk|mmap|mprotect|munmap|arch_prctl|set_tid_address|read|write|close|fcntl|rmdir|waitid|getrandom'
}

@test "any system call denied: a container, or one error; then everything works again" {
	local call said failed=0 deny=$BUILD/obj/tests/fault/deny
	command -v strace >/dev/null || skip "no strace"
	for call in $(calls_of_a_start); do
		run timeout 20 "$deny" "$call" EPERM cloche run --rm --network none cloche/busybox echo hi </dev/null
		said=$(grep -v -e '^$' -e "^Run 'cloche" <<<"$output")
		case "$status" in
		0) [[ $said == *hi ]] || { echo "$call: 0, said: $said" && failed=1; } ;;
		12[567])
			[[ $said == cloche:\ ?* && $said != *$'\n'* ]] ||
				{ echo "$call: $status, said: $said" && failed=1; }
			;;
		*) echo "$call: status $status, said: $said" && failed=1 ;;
		esac
		# What removes things cannot do so while it is denied.
		case "$call" in
		unlink | unlinkat | getdents64 | dup | poll) wait_for 5 nobody_holds_on ;;
		*) wait_for 2 no_container_left || { echo "$call: left behind" && engine_leftovers && failed=1; } ;;
		esac
		cloche system check --repair >/dev/null || { echo "$call: not repaired" && failed=1; }
		[ -z "$(engine_leftovers)" ] || { echo "$call: left after the repair" && engine_leftovers && failed=1; }
	done
	assert_runs
	[ "$failed" -eq 0 ]
}
