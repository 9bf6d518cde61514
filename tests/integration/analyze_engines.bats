#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cloche analyze with the field's engines as subjects, each with roots of its own: figures, intervals, p
# values, and nothing left in any of them.
bats_require_minimum_version 1.5.0
# bats file_tags=peer
load helpers

setup_file() {
	[ "${CLOCHE_TEST_SLOW:-0}" = 0 ] || skip "compared where the kernel is not emulated"
	setup_engine
	# Three engines take turns; where others want the processors each start waits for them.
	export BATS_TEST_TIMEOUT=$((BATS_TEST_TIMEOUT * 3))
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
	# Podman's parent of all its groups stays when the last one has gone; another podman's is not empty.
	rmdir /sys/fs/cgroup/{*/,}libpod_parent/{conmon,} 2>/dev/null || true
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
	printf '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n' \
		>"$CONTAINERS_CONF"
}

report() { jq -r "$1" "$PEER_DIR/report.json"; }

# beside TEST...: a report of the three, and nothing of it left in them.
beside() {
	docker version >/dev/null 2>&1 || skip "there is no dockerd"
	command -v podman >/dev/null || skip "podman is not installed"
	cloche analyze "$@" --brief --runs 3 --no-progress --subject cloche,docker,podman --json "$PEER_DIR/report.json" >"$PEER_DIR/out"
	cat "$PEER_DIR/out"
	assert_equal "$(docker ps -aq; docker images -q; docker volume ls -q)" ""
	assert_equal "$(podman ps -aq; podman images -q; podman volume ls -q)" ""
	grep -q 'Side by side' "$PEER_DIR/out"
}

# Each of the three has the figure, with an interval; the others have a ratio with one, and p, corrected and not.
has_figure() { # KEY
	assert_equal "$1: $(report "[.tests[].figures[] | select(.key == \"$1\" and (.samples | length) > 1) | select(.summary.median_low <= .summary.median and .summary.median <= .summary.median_high) | .subject] | sort | join(\" \")")" \
		"$1: cloche docker podman"
	assert_equal "$1: $(report "[.comparisons[] | select(.key == \"$1\") | select([.ratio_low, .ratio_high, .p, .p_holm] | map(numbers) | length == 4) | .other] | sort | join(\" \")")" \
		"$1: docker podman"
}

verdict() { # SUBJECT KEY
	report ".tests[].claims[] | select(.key == \"$2\" and .subject == \"$1\") | .verdict"
}

parts() { # SUBJECT JQ_FILTER
	report ".tests[].tables[] | select(.key == \"startup.parts.$1\") | .rows | $2"
}

@test "starts and memory of docker and podman beside cloche, and whom a start of each waits for" {
	beside startup memory
	for key in startup.to_program startup.total startup.exec startup.load memory.marginal memory.supervisor; do has_figure "$key"; done
	for engine in docker podman; do
		# What the engines take differs by more than any noise.
		report ".comparisons[] | select(.key == \"startup.total\" and .other == \"$engine\") | .ratio > 2" | grep -qx true
		parts "$engine" '(map(.[2]) | (.[:-1] | add) - .[-1]) | fabs < 0.1' | grep -qx true
	done
	assert_equal "$(parts docker '[.[] | select(.[0] == "containerd" or .[0] == "the engine\u0027s daemon") | .[1]] | sort | join(" ")')" "containerd dockerd"
	assert_contains "$(parts docker '.[] | select(.[0] == "shim or monitor") | .[1]')" containerd-shim
	assert_equal "$(parts podman '.[] | select(.[0] == "shim or monitor") | .[1]')" conmon
}

@test "I/O of docker and podman beside cloche" {
	beside io
	for key in io.upper.write io.volume.random_read io.copy_up.10mib.first; do has_figure "$key"; done
}

@test "limits of docker and podman beside cloche, run against" {
	beside limits
	for engine in cloche docker podman; do
		for key in memory pids; do assert_equal "$(verdict "$engine" "limits.$key")" holds; done
		# On a host whose processors others want, a quota holds nobody back, and that is said.
		report ".tests[].claims[] | select(.key == \"limits.quota\" and .subject == \"$engine\") | .verdict == \"holds\" or (.evidence | any(test(\"others had the processor\")))" |
			grep -qx true
		report ".tests[].claims[] | select(.key == \"limits.io\" and .subject == \"$engine\") | .evidence[]" |
			grep -E ' were written in |loop device'
	done
}

@test "an engine that is not there is told of, and the others are measured" {
	DOCKER_HOST=unix:///nowhere cloche analyze startup --brief --runs 2 --no-progress --subject cloche,docker \
		--json "$PEER_DIR/report.json" >/dev/null
	report '.facts[] | select(.section == "prerequisite" and .key == "docker") | .good' | grep -qx false
	[ "$(report '.subjects | join(" ")')" = cloche ]
}
