#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# events: one journal for every command and every monitor, past and live.

bats_require_minimum_version 1.5.0
load helpers
setup() { setup_engine; }
teardown() { teardown_engine; }

# What has happened until now: "0s" would be the last full second, as with Docker.
so_far() { cloche events --since 1h --until "$(date +%s.%N)" "$@"; }

# past [FILTER...]: "Type Action" of everything that happened, one a line.
past() {
	local args=()
	for filter; do args+=(--filter "$filter"); done
	so_far --format '{{.Type}} {{.Action}}' "${args[@]}"
}

@test "run --rm says what Docker says, in its order" {
	run -3 cloche run --rm --name gone -l tier=web cloche/busybox sh -c 'exit 3'
	assert_equal "$(past)" \
		$'container create\ncontainer attach\nnetwork connect\ncontainer start\ncontainer die\nnetwork disconnect\ncontainer destroy'
	assert_equal "$(past container=gone event=die)" "container die"
	assert_equal "$(past container=other)" ""
	assert_equal "$(past label=tier=web type=container event=start event=die | wc -l)" 2
	assert_equal "$(so_far -f event=die \
		--format '{{.Actor.Attributes.exitCode}} {{.Actor.Attributes.name}} {{.From}} {{.Status}}')" \
		"3 gone cloche/busybox die"
	# The line of text, and JSON in the shape of the API.
	run so_far -f event=destroy
	[[ ${lines[0]} =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}(Z|[+-][0-9:]{5})\ container\ destroy\ [0-9a-f]{64}\ \(image=cloche/busybox,\ name=gone,\ .*tier=web\)$ ]]
	so_far -f event=start --format json |
		jq -e '.Actor.Attributes.tier == "web" and .scope == "local" and .id == .Actor.ID and
			(.timeNano / 1000000000 | floor) == .time'
}

@test "oom is told when it happens, once for each, and not again at the end" {
	local victim='x=0123456789; while :; do x=$x$x; done'
	mkdir "$ENGINE_DIR/host"
	cloche run -d --name hungry -m 16m -v "$ENGINE_DIR/host:/host" cloche/busybox \
		sh -c "sh -c '$victim'; while [ ! -e /host/again ]; do sleep 0.1; done; sh -c '$victim'; exec sleep 1000"
	count() { [ "$(past container=hungry event=oom | wc -l)" = "$1" ]; }
	wait_for 10 count 1
	container_is hungry running
	# This one is heard of by who watches, the first may have been found by looking.
	touch "$ENGINE_DIR/host/again"
	wait_for 10 count 2
	cloche kill hungry
	wait_for 5 container_is hungry exited
	count 2
	# PID 1 itself: before its end.
	run -137 cloche run --name short -m 16m cloche/busybox sh -c "$victim"
	assert_equal "$(past container=short event=oom event=die)" $'container oom\ncontainer die'
}

@test "create, kill, stop and rm are told, and a volume's mount" {
	cloche create --name cc -v data:/data --stop-signal KILL cloche/busybox sleep 1000
	cloche start cc
	cloche stop cc
	cloche start cc
	cloche kill -s USR1 cc
	cloche rm -f cc
	assert_equal "$(past type=container event=kill event=stop event=die event=destroy event=create)" \
		$'container create\ncontainer kill\ncontainer die\ncontainer stop\ncontainer kill\ncontainer kill\ncontainer die\ncontainer destroy'
	assert_equal "$(so_far -f event=kill --format '{{.Actor.Attributes.signal}}' | tr '\n' ' ')" \
		"9 10 9 "
	assert_equal "$(so_far -f event=mount -f volume=data \
		--format '{{.Actor.ID}} {{.Actor.Attributes.destination}}' | uniq)" "data /data"
	assert_equal "$(past volume=data event=unmount | wc -l)" 2
}

@test "images and volumes tell their names" {
	local id
	cloche run --rm cloche/busybox true
	id=$(cloche image inspect -f '{{.Id}}' cloche/busybox)
	cloche tag cloche/busybox bb:v1
	cloche rmi bb:v1
	cloche volume create vol
	cloche volume rm vol
	assert_equal "$(so_far -f type=image -f type=volume --format '{{.Action}} {{.Actor.ID}} {{.Actor.Attributes.name}}')" \
		"$(printf '%s\n' "tag $id bb:v1" "untag $id $id" "create vol <no value>" "destroy vol <no value>")"
	# Anonymous ones come and go with their container, whoever removes it.
	cloche run --rm -v /data cloche/busybox true
	cloche create --name box -v /data cloche/busybox true
	cloche rm -v box
	assert_equal "$(so_far -f type=volume -f event=create -f event=destroy --format '{{.Actor.ID}}' | sort | uniq -c | awk '{print $1}' | tr -d '\n')" 222
	cloche save -o "$ENGINE_DIR/saved.tar" cloche/busybox
	assert_equal "$(so_far -f event=save --format '{{.Actor.ID}} {{.Actor.Attributes.name}}')" "$id $id"
	cloche load -i "$BUILD/share/cloche/images/busybox.tar"
	cloche rmi cloche/busybox
	assert_equal "$(so_far -f type=image -f event=load -f event=delete --format '{{.Action}} {{.Actor.ID}}')" \
		"$(printf '%s\n' "load $id" "delete $id")"
}

@test "a signal that a foreground client passes on is told once" {
	local pid status=0
	cloche run --name fg cloche/busybox sh -c 'trap "exit 3" TERM; echo up; while :; do sleep 0.02; done' \
		>"$ENGINE_DIR/out" 3>&- &
	pid=$!
	# What has come through the client says that both of them listen.
	wait_for 5 grep -q up "$ENGINE_DIR/out"
	kill -TERM "$pid"
	wait "$pid" || status=$?
	assert_equal "$status" 3
	assert_equal "$(so_far -f container=fg --format '{{.Action}}' | tr '\n' ' ')" "create attach start kill die "
	assert_equal "$(so_far -f event=kill --format '{{.Actor.Attributes.signal}}')" 15
}

# It has the journal open, and has gone to its end, which is not its beginning.
watches() { # PID
	local file
	for file in "/proc/$1/fd"/*; do
		[[ $(readlink "$file") != */events/journal ]] || grep -q '^pos:.*[1-9]' "${file/fd/fdinfo}" && return
	done
	return 1
}

lines_of() { [ "$(wc -l <"$1")" -ge "$2" ]; }

@test "what happens is told as it happens, until a signal or the time" {
	local pid
	cloche run --rm cloche/busybox true
	cloche events --format '{{.Action}}' -f type=container >"$ENGINE_DIR/live" 3>&- &
	pid=$!
	wait_for 5 watches "$pid"
	cloche run --rm cloche/busybox true
	wait_for 5 lines_of "$ENGINE_DIR/live" 5
	kill -INT "$pid"
	wait "$pid" && status=0 || status=$?
	assert_equal "$status" 130
	assert_equal "$(tr '\n' ' ' <"$ENGINE_DIR/live")" "create attach start die destroy "
	# A time to come ends it by itself.
	run -0 timeout "$(patience 10)" cloche events --until -1s --since 1h -f event=start --format '{{.Action}}'
	assert_equal "$output" $'start\nstart'
}

@test "what cannot be is refused with Docker's words" {
	run -64 cloche events --format '{{.Nope}}'
	assert_equal "$output" "Error parsing format: template: :1:2: executing \"\" at <.Nope>: can't evaluate field Nope in type *events.Message"
	run -1 cloche events --since soon
	assert_equal "$output" 'failed to parse value as time or duration: "soon"'
	run -125 cloche system events -f nonsense
	assert_contains "$output" 'bad format of filter (expected name=value)'
	cloche volume create told >/dev/null
	assert_equal "$(timeout "$(patience 20)" cloche events --since 0 --until 0 --format '{{.Action}}')" create
	run -1 cloche events word
	assert_contains "$output" "accepts no arguments"
}
