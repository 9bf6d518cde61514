#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# logs: what a container said, on the streams that it said it, and what it says now.
bats_require_minimum_version 1.5.0
load helpers

image=cloche/busybox

setup() { setup_engine; }
teardown() { teardown_engine; }

@test "past lines come back as they were said" {
	local stamp='[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}Z' between
	cloche run --name box $image sh -c 'echo one; printf "\001\"\\ \303\251 \360\237\230\200\n" >&2'
	between=$(date +%s.%N)
	run --separate-stderr cloche start -a box
	run -0 --separate-stderr cloche logs box
	assert_equal "$output" $'one\none'
	# shellcheck disable=SC2154 # bats sets it
	assert_equal "$stderr" "$(printf '\001"\\ \303\251 \360\237\230\200\n%.0s' 1 2)"
	assert_equal "$(cloche logs -n 1 --until "$between" box 2>&1)" ""
	assert_equal "$(cloche logs --since "$between" box 2>/dev/null)" one
	assert_equal "$(cloche logs --until "$between" box 2>/dev/null)" one
	assert_equal "$(cloche container logs --tail 2 --since 1h box 2>/dev/null)" one
	[[ $(cloche logs -t --tail 4 box 2>/dev/null | head -1) =~ ^$stamp\ one$ ]]
	assert_equal "$(cloche logs --details -n bogus box 2>/dev/null | head -1)" " one"
	# What is not ended by a newline is not given one.
	cloche run --name part $image printf 'a\nb'
	assert_equal "$(cloche logs part | od -An -c | tr -d ' ')" 'a\nb'
	run -1 cloche logs nobody
	assert_equal "$output" "cloche: No such container: nobody"
	run -1 cloche logs --since soon box
	assert_equal "$output" 'invalid value for "since": failed to parse value as time or duration: "soon"'
}

has_line() { grep -q "^$2\$" "$1"; }

@test "a follower hears every line at once, and ends with the container" {
	cloche create --name box $image sh -c 'echo first; read x </dev/null; while [ ! -e /go ]; do sleep 0.02; done; echo last'
	cloche start box
	cloche logs -f box >"$ENGINE_DIR/followed" 3>&- &
	follower=$!
	wait_for 5 has_line "$ENGINE_DIR/followed" first
	: >"/proc/$(container_pid box)/root/go"
	wait "$follower"
	assert_equal "$(cat "$ENGINE_DIR/followed")" $'first\nlast'
	# Of one that has ended there is nothing to wait for.
	assert_equal "$(timeout "$(patience 10)" cloche logs -f -n 1 box)" last
}

@test "rotation loses no line that a follower has time to read" {
	# A --rm container keeps two files of 4 MiB at most: this fills four.
	cloche create --rm --name box $image sh -c \
		'while [ ! -e /go ]; do sleep 0.02; done; i=0; while [ $i -lt 4 ]; do dd if=/dev/zero bs=1000 count=3000 2>/dev/null | tr "\000" x | fold -w 999; echo; i=$((i+1)); done'
	cloche start box
	cloche logs -f box >"$ENGINE_DIR/followed" 2>"$ENGINE_DIR/told" 3>&- &
	follower=$!
	: >"/proc/$(container_pid box)/root/go"
	wait "$follower"
	# Either all of it was read, or what was not was told.
	[ -s "$ENGINE_DIR/told" ] || assert_equal "$(tr -d '\n' <"$ENGINE_DIR/followed" | wc -c)" 12000000
	[ ! -s "$ENGINE_DIR/told" ] || grep -qE 'rotated away before' "$ENGINE_DIR/told"
}
