#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cloche analyze with the field's engines as subjects, each with roots of its own: figures, intervals, p
# values, and nothing left in any of them.
bats_require_minimum_version 1.5.0
# bats file_tags=measure
load helpers

setup_file() {
	[ "${CLOCHE_TEST_SLOW:-0}" = 0 ] || skip "compared where the kernel is not emulated"
	setup_engine
	export PEER_DIR=$ENGINE_DIR/peer DOCKER_HOST=unix://$ENGINE_DIR/peer/d.sock HOME=$ENGINE_DIR
	mkdir -p "$PEER_DIR"
	if command -v dockerd docker >/dev/null; then start_dockerd; fi
	if command -v podman >/dev/null; then configure_podman; fi
}

teardown_file() {
	local pid mount
	[ -n "${PEER_DIR:-}" ] || return 0
	if pid=$(cat "$PEER_DIR/pid" 2>/dev/null); then
		kill "$pid"
		wait_for 20 not_running "$pid"
	fi
	grep -F "$PEER_DIR" /proc/self/mountinfo | awk '{ print $5 }' | sort -r | while read -r mount; do umount "$mount"; done
	teardown_engine
}

not_running() { ! kill -0 "$1" 2>/dev/null; }

# Without networks of its own: what is measured here has none.
start_dockerd() {
	dockerd --data-root "$PEER_DIR/data" --exec-root "$PEER_DIR/exec" -H "$DOCKER_HOST" -p "$PEER_DIR/pid" \
		--storage-driver overlay2 --cgroup-parent "/$ENGINE_CGROUP" --bridge none --iptables=false --ip6tables=false \
		>"$PEER_DIR/log" 2>&1 3>&- &
	wait_for 30 docker version >/dev/null 2>&1 || echo "# dockerd does not start: $(tail -n 1 "$PEER_DIR/log")" >&3
}

configure_podman() {
	export CONTAINERS_STORAGE_CONF=$PEER_DIR/storage.conf CONTAINERS_CONF=$PEER_DIR/containers.conf
	printf '[storage]\ndriver = "overlay"\nrunroot = "%s/run"\ngraphroot = "%s/store"\n' "$PEER_DIR" "$PEER_DIR" \
		>"$CONTAINERS_STORAGE_CONF"
	# Its defaults raise limits, which not every host lets root do.
	printf '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n' \
		>"$CONTAINERS_CONF"
}

report() { jq -r "$1" "$PEER_DIR/report.json"; }

# beside ENGINE: a report of cloche and it.
beside() {
	cloche analyze startup --brief --runs 3 --no-progress --subject "cloche,$1" --json "$PEER_DIR/report.json" >"$PEER_DIR/out"
	cat "$PEER_DIR/out"
	[ "$(report '.tests[0].status')" = "done" ]
	for key in startup.to_program startup.total startup.exec startup.load; do
		report ".comparisons[] | select(.key == \"$key\" and .other == \"$1\") | [.ratio_low, .ratio_high, .p, .p_holm] | map(numbers) | length" |
			grep -qx 4
	done
	# What the engines take differs by more than any noise.
	report '.comparisons[] | select(.key == "startup.total") | .ratio > 2' | grep -qx true
	grep -q 'Side by side' "$PEER_DIR/out"
}

@test "docker beside cloche, and its daemon is as it was" {
	docker version >/dev/null 2>&1 || skip "there is no dockerd"
	beside docker
	assert_equal "$(docker ps -aq; docker images -q; docker volume ls -q)" ""
}

@test "podman beside cloche, and its store is as it was" {
	command -v podman >/dev/null || skip "podman is not installed"
	beside podman
	assert_equal "$(podman ps -aq; podman images -q; podman volume ls -q)" ""
}

@test "an engine that is not there is told of, and the others are measured" {
	DOCKER_HOST=unix:///nowhere cloche analyze startup --brief --runs 2 --no-progress --subject cloche,docker \
		--json "$PEER_DIR/report.json" >/dev/null
	report '.facts[] | select(.section == "prerequisite" and .key == "docker") | .good' | grep -qx false
	[ "$(report '.subjects | join(" ")')" = cloche ]
}
