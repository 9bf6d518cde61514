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
	# One that never ran has said nothing, and does not begin to.
	cloche create --name idle $image true >/dev/null
	run -0 cloche logs idle
	run -0 timeout "$(patience 10)" cloche logs -f idle
	assert_equal "$output" ""
	run -1 cloche logs nobody
	assert_equal "$output" "Error response from daemon: No such container: nobody"
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

writes_when_told='echo begin; while [ ! -e /go ]; do sleep 0.02; done; seq 1 30000; echo end'

# follow NAME: a follower of a container that waits for its word. Sets follower.
follow() {
	cloche run -d --name "$1" --log-opt max-size="$2" --log-opt max-file=3 $image sh -c "$writes_when_told"
	cloche logs -f "$1" >"$ENGINE_DIR/$1.followed" 2>"$ENGINE_DIR/$1.told" 3>&- &
	follower=$!
	wait_for 5 has_line "$ENGINE_DIR/$1.followed" begin
}

go() { : >"/proc/$(container_pid "$1")/root/go"; }

@test "rotation loses nothing that it keeps, and what it removed unread is told" {
	local files bytes
	# Three files of a megabyte hold all of it.
	follow whole 1m
	go whole
	wait "$follower"
	assert_equal "$(md5sum <"$ENGINE_DIR/whole.followed")" "$({ echo begin; seq 1 30000; echo end; } | md5sum)"
	assert_equal "$(cat "$ENGINE_DIR/whole.told")" ""
	assert_equal "$(cloche logs whole | md5sum)" "$(md5sum <"$ENGINE_DIR/whole.followed")"
	assert_equal "$(cloche logs -n 20000 whole | head -1)" 10002
	# A follower that does nothing meanwhile slows nobody, and hears how much has gone.
	follow late 100k
	kill -STOP "$follower"
	go late
	cloche wait late
	kill -CONT "$follower"
	wait "$follower"
	assert_equal "$(tail -n 1 "$ENGINE_DIR/late.followed")" end
	files=("$CLOCHE_ROOT/containers/$(inspect late .Id)/"*-json.log*)
	assert_equal "${#files[@]}" 3
	bytes=$(sed -n 's/^cloche: \([0-9]*\) bytes of the log were rotated away before they were read$/\1/p' "$ENGINE_DIR/late.told")
	# 30,002 entries of about 80 bytes, of which three files of 100 KiB are left.
	[ "$bytes" -gt 1500000 ] && [ "$bytes" -lt 2700000 ]
}

@test "a driver that keeps nothing cannot be read" {
	cloche run --name quiet --log-driver none $image echo said
	run -1 cloche logs quiet
	assert_equal "$output" "cloche: configured logging driver does not support reading"
	cloche run -d --name detailed -l tier=web --log-opt labels=tier,nope $image sh -c 'echo hi'
	# Its state says "exited" before its last words are in the log.
	cloche wait detailed
	assert_equal "$(cloche logs --details detailed)" "tier=web hi"
}

@test "log options put labels, variables and a tag into every entry, as Docker's json-file has them" {
	local file
	cloche run -d --name marked -l tier=web -l com.a=1 -l com.b=2 -l other=x -e LEVEL=7 -e PATHS=9 \
		--log-opt labels=tier,nope --log-opt 'labels-regex=^com\.' --log-opt env=LEVEL \
		--log-opt 'tag={{.Name}}/{{.ImageName}}' $image sh -c 'echo out; echo err >&2'
	cloche wait marked
	file=$(cloche inspect -f '{{.LogPath}}' marked)
	assert_equal "$(jq -r '.attrs | tojson' "$file" | sort -u)" \
		"{\"LEVEL\":\"7\",\"com.a\":\"1\",\"com.b\":\"2\",\"tag\":\"marked/$image\",\"tier\":\"web\"}"
	assert_equal "$(jq -r '[.log[:-1], .stream] | join(" ")' "$file" | sort)" $'err stderr\nout stdout'
	# the order of members is Docker's too
	run -0 head -1 "$file"
	[[ "$output" = '{"log":'*'"stream":'*'"attrs":{'*'},"time":"'*'"}' ]]
	assert_equal "$(cloche logs --details marked 2>/dev/null)" \
		"LEVEL=7,com.a=1,com.b=2,tag=marked%2F${image//\//%2F},tier=web out"
	run -125 cloche run --log-opt 'labels-regex=(' $image true
	[[ "$output" = *"failed to initialize logging driver: error parsing regexp"* ]]
	run -125 cloche run --log-opt 'tag={{.Nope}}' $image true
	[[ "$output" = *"failed to initialize logging driver"* ]]
}

# The monitor is held up where it has stored that the container has exited. Its sanitizers would follow strace.
# bats test_tags=once
@test "of a container that has exited the last words are there" {
	local monitor
	cloche run -d --name brief $image sh -c 'while [ ! -e /go ]; do sleep 0.02; done; printf last' >/dev/null
	monitor=$(inspect brief .Cloche.MonitorPid)
	timeout "$(patience 30)" strace -p "$monitor" -o "$ENGINE_DIR/calls" -e trace=renameat,renameat2,rename \
		-e inject=renameat,renameat2,rename:delay_exit=500000 2>/dev/null 3>&- &
	wait_for 5 is_traced "$monitor"
	: >"/proc/$(container_pid brief)/root/go"
	wait_for 10 container_is brief exited
	assert_equal "$(cloche logs brief)" last
}
