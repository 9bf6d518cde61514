#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cloche analyze, interrupted at any moment: it reports what it has, and the host is as it was before:
# mounts, groups, links, processes, files. CLOCHE_INTERRUPTS says how many moments are tried.
bats_require_minimum_version 1.5.0
load ../integration/helpers

setup() {
	setup_network_engine
	cloche run --rm cloche/busybox true
	cloche run --rm --network none cloche/busybox true
	cloche run --rm -p 127.0.0.1::80 cloche/busybox true
	cloche info >/dev/null
	# The keeper goes when the last connected container has gone.
	wait_for 10 no_process
	BASE=$(snapshot_host)
}
teardown() { teardown_network_engine; }

no_process() { [ -z "$(engine_processes)" ]; }

# The engine and the links of its host.
snapshot_host() {
	snapshot_engine
	on_host ip -br link | awk '{ print "link", $1 }'
}

as_before() { diff <(printf '%s\n' "$BASE") <(snapshot_host) >/dev/null; }

# interrupted SIGNAL MS ARGUMENT...: analyze, sent the signal after so long. CODE and OUT are set.
interrupted() {
	local signal=$1 ms=$2 pid
	shift 2
	nsenter --net="/proc/$HOST_NETNS/ns/net" -- "$BUILD/bin/cloche" analyze --no-progress --runs 200 "$@" \
		>"$ENGINE_DIR.out" 2>&1 3>&- &
	pid=$!
	sleep "$(awk -v ms="$ms" 'BEGIN { printf "%.3f", ms / 1000 }')"
	kill "-$signal" "$pid" 2>/dev/null || true
	[ "${TWICE:-0}" = 0 ] || kill "-$signal" "$pid" 2>/dev/null || true
	CODE=0
	wait "$pid" || CODE=$?
}

# A signal that comes before the observer has begun ends it as it ends any program.
ended_well() { [ "$CODE" = 130 ] || [ "$CODE" = 143 ] || [ "$CODE" = 129 ] || [ "$CODE" = 1 ]; }

check_moment() { # SIGNAL MS ARGUMENT...
	interrupted "$@"
	echo "signal $1 after $2 ms: exit code $CODE"
	tail -n 3 "$ENGINE_DIR.out"
	ended_well
	wait_for 10 as_before || { diff <(printf '%s\n' "$BASE") <(snapshot_host) && return 1; }
}

@test "at random moments the sweep runs to its end" {
	local i moments=${CLOCHE_INTERRUPTS:-4} signals=(INT TERM HUP)
	for ((i = 0; i < moments; i++)); do
		check_moment "${signals[i % 3]}" $((RANDOM % $(patience 4000)))
	done
	rm -f "$ENGINE_DIR.out"
}

@test "a second signal does not skip the sweep, and the report is told as interrupted" {
	TWICE=1 check_moment INT "$(patience 1500)" --json "$ENGINE_DIR/r.json" startup
	[ "$CODE" = 130 ]
	[ "$(jq -r .interrupted "$ENGINE_DIR/r.json")" = true ]
	rm -f "$ENGINE_DIR/r.json" "$ENGINE_DIR.out"
}

has_begun() { compgen -G "$CLOCHE_ROOT/tmp/cloche-analyze-*" >/dev/null && [ -n "$(cloche ps -q)" ]; }

@test "what a killed run leaves, the next one takes back" {
	nsenter "--net=/proc/$HOST_NETNS/ns/net" -- "$BUILD/bin/cloche" analyze startup --no-progress --runs 200 \
		>"$ENGINE_DIR.out" 2>&1 3>&- &
	local pid=$!
	wait_for 20 has_begun
	kill -KILL "$pid"
	wait "$pid" || true
	compgen -G "$CLOCHE_ROOT/tmp/cloche-analyze-*"
	nsenter "--net=/proc/$HOST_NETNS/ns/net" -- "$BUILD/bin/cloche" analyze layers --brief --no-progress >"$ENGINE_DIR.out"
	grep -q 'swept  *what 1 killed run ' "$ENGINE_DIR.out" || { cat "$ENGINE_DIR.out" && false; }
	wait_for 10 as_before || { diff <(printf '%s\n' "$BASE") <(snapshot_host) && return 1; }
	rm -f "$ENGINE_DIR.out"
}
