#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cloche explain on containers of Debian's dockerd: the same topics by the same means, and no word of the
# engine's but where the first process is.

bats_require_minimum_version 1.5.0
# bats file_tags=any-kernel,peer
load helpers

setup() {
	command -v dockerd >/dev/null || skip "dockerd is not installed"
	setup_engine
	export DOCKER_HOST=unix://$ENGINE_DIR/docker.sock
	echo '{}' >"$ENGINE_DIR/docker.json"
	dockerd --config-file "$ENGINE_DIR/docker.json" --data-root "$ENGINE_DIR/docker" --exec-root "$ENGINE_DIR/exec" -H "$DOCKER_HOST" \
		-p "$ENGINE_DIR/docker.pid" --bridge=none --iptables=false --ip6tables=false \
		--cgroup-parent "/$ENGINE_CGROUP" >"$ENGINE_DIR/docker.log" 2>&1 3>&- &
	wait_for 30 docker info >/dev/null 2>&1
	cloche run --rm --network none cloche/busybox true
	cloche save -o "$ENGINE_DIR/image.tar" cloche/busybox
	docker load -q -i "$ENGINE_DIR/image.tar" >/dev/null
}

teardown() {
	local pid ids mount
	[ -n "${ENGINE_DIR:-}" ] || return 0
	mapfile -t ids < <(docker ps -aq)
	[ "${#ids[@]}" -eq 0 ] || docker rm -f "${ids[@]}" >/dev/null
	pid=$(cat "$ENGINE_DIR/docker.pid")
	kill "$pid"
	wait_for 20 not_running "$pid"
	grep -F "$ENGINE_DIR/" /proc/self/mountinfo | awk '{ print $5 }' | sort -r |
		while read -r mount; do umount "$mount"; done
	teardown_engine
}

not_running() { ! kill -0 "$1" 2>/dev/null; }

explained() { # CONTAINER [TOPIC...]
	REPORT=$ENGINE_DIR/report.json
	cloche explain --json "$REPORT" "$@" >/dev/null
}

verdict() { # KEY
	jq -r --arg key "$1" 'first(.tests[].claims[] | select(.key == $key) | .verdict)' "$REPORT"
}

evidence() { # KEY
	jq -r --arg key "$1" '.tests[].claims[] | select(.key == $key) | .evidence[]' "$REPORT"
}

@test "all nine topics of a docker container, found by its plain name" {
	docker run -d --name web --network none -m 48m --cpus 0.5 cloche/busybox sleep 100000 >/dev/null
	local pid shim
	pid=$(docker inspect -f '{{.State.Pid}}' web)
	shim=$(proc_status "$pid" PPid)
	explained web
	assert_equal "$(jq -r '[.tests[].key] | join(" ")' "$REPORT")" \
		"kernel pids namespaces creation cgroup load layers ancestry sharing"
	assert_equal "$(jq '[.tests[].claims[] | select(.evidence | length == 0)] | length' "$REPORT")" 0
	assert_equal "$(jq -r '[.tests[].status] | unique | join(" ")' "$REPORT")" "done"
	for kind in pid net mnt uts ipc; do assert_equal "$(verdict "namespaces.$kind")" holds; done
	assert_contains "$(evidence namespaces.net)" "$(readlink "/proc/$pid/ns/net")"
	assert_equal "$(verdict creation.recorded)" unknown
	assert_contains "$(jq -r '.tests[].claims[] | select(.key == "creation.recorded") | .consequence' "$REPORT")" \
		"cloche trace -- docker run"
	assert_equal "$(verdict cgroup.memory)" holds
	assert_contains "$(evidence cgroup.memory)" 50331648
	assert_contains "$(evidence cgroup.cpu)" "0.50 processors"
	assert_equal "$(verdict layers.recorded)" holds
	assert_contains "$(evidence ancestry.chain)" "/proc/$shim/stat: containerd-shim"
	assert_equal "$(verdict ancestry.gone)" holds
	assert_equal "$(verdict ancestry.daemons)" holds
	assert_contains "$(evidence ancestry.daemons)" "/proc/$(cat "$ENGINE_DIR/docker.pid")/stat: dockerd"
}

@test "docker's shared namespaces are told from its own" {
	docker run -d --name first --network none cloche/busybox sleep 100000 >/dev/null
	docker run -d --name second --network container:first --pid host cloche/busybox sleep 100000 >/dev/null
	explained docker:second namespaces sharing
	assert_equal "$(verdict namespaces.pid)" broken
	assert_equal "$(verdict sharing.net)" broken
	assert_contains "$(evidence sharing.net)" "process $(docker inspect -f '{{.State.Pid}}' first) (sleep)"
	assert_equal "$(verdict sharing.visible_processes)" broken
	explained docker:first namespaces
	assert_equal "$(verdict namespaces.pid)" holds
}

@test "the course with docker's containers, and nothing of it left in docker" {
	cloche explain --lab --subject docker --json "$ENGINE_DIR/report.json" >"$ENGINE_DIR/text"
	REPORT=$ENGINE_DIR/report.json
	assert_equal "$(jq -r '[.tests[].number] | unique | join(" ")' "$REPORT")" "0 1 2 3 4 5 6 7 8 9"
	for key in load.killed load.pids load.throttled layers.changes kernel.between; do
		assert_equal "$(verdict $key)" holds
	done
	assert_equal "$(awk 'length > 100' "$ENGINE_DIR/text" | wc -l)" 0
	assert_equal "$(docker ps -aq | wc -l)" 0
	assert_equal "$(docker images -q | wc -l)" 1
}
