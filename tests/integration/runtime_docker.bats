#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cloche-runtime behind Debian's dockerd and containerd: what people do with docker works, and docker
# leaves nothing behind.

bats_require_minimum_version 1.5.0
# bats file_tags=peer
load runtime_helpers

setup() {
	command -v dockerd >/dev/null || skip "dockerd is not installed"
	setup_runtime
	export DOCKER_HOST=unix://$DIR/docker.sock
	jq -n --arg path "$BUILD/bin/cloche-runtime" '{runtimes: {cloche: {path: $path}}}' >"$DIR/daemon.json"
	dockerd --config-file "$DIR/daemon.json" --data-root "$DIR/data" --exec-root "$DIR/exec" -H "$DOCKER_HOST" \
		-p "$DIR/docker.pid" --bridge=none --iptables=false --ip6tables=false --cgroup-parent "/$GROUP" \
		>"$DIR/docker.log" 2>&1 3>&- &
	wait_for 30 docker info >/dev/null 2>&1
	tar -C "$BUNDLE/rootfs" -c . | docker import - image >/dev/null
}

teardown() {
	local pid ids mount
	[ -n "${DIR:-}" ] || return 0
	mapfile -t ids < <(docker ps -aq)
	[ "${#ids[@]}" -eq 0 ] || docker rm -f "${ids[@]}" >/dev/null
	pid=$(cat "$DIR/docker.pid")
	kill "$pid"
	wait_for 20 not_running "$pid"
	grep -F "$DIR" /proc/self/mountinfo | awk '{ print $5 }' | sort -r | while read -r mount; do umount "$mount"; done
	teardown_runtime
}

not_running() {
	! kill -0 "$1" 2>/dev/null
}

drun() {
	docker run --rm --network none --runtime cloche "$@"
}

@test "docker run, with its exit codes and streams" {
	run --separate-stderr drun image sh -c 'echo out; echo err >&2; exit 7'
	assert_status 7
	assert_equal "$output" out
	# shellcheck disable=SC2154 # set by run
	assert_equal "$stderr" err
	run -127 drun image /nope
	assert_status 127
	run drun image /tmp
	assert_status 126
	assert_equal "$(drun -t image tty | tr -d '\r')" /dev/pts/0
	assert_contains "$(drun -u 1000:7 image id)" "uid=1000 gid=7"
}

@test "docker's life cycle: detached, paused, killed, removed" {
	local id
	id=$(docker run -d --network none --runtime cloche -m 32m image sleep 1000)
	assert_equal "$(docker inspect -f '{{.State.Status}}' "$id")" running
	docker pause "$id"
	assert_equal "$(docker inspect -f '{{.State.Status}}' "$id")" paused
	docker unpause "$id"
	docker kill "$id"
	assert_equal "$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$id")" "exited 137"
	docker rm "$id"
	wait_for 5 sh -c "! ls -d /sys/fs/cgroup/*/$GROUP/$id 2>/dev/null"
}

@test "docker's privileged and confined containers differ in what they may" {
	local confined privileged
	confined=$(drun image grep -E '^(CapEff|Seccomp):' /proc/self/status)
	privileged=$(drun --privileged image grep -E '^(CapEff|Seccomp):' /proc/self/status)
	assert_equal "$confined" $'CapEff:\t00000000a80425fb\nSeccomp:\t2'
	assert_contains "$privileged" $'Seccomp:\t0'
	[ "$confined" != "$privileged" ]
}
