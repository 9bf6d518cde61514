#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cloche analyze: which tests run, how it ends, what it writes, and that what is put into a start is found
# in it.
bats_require_minimum_version 1.5.0
load helpers

setup() { setup_engine; }
teardown() { teardown_engine; }

report() { jq -r "$1" "$ENGINE_DIR/report.json"; }

# median KEY [SUBJECT]: of a figure, in its unit.
median() {
	report ".tests[].figures[] | select(.key == \"$1\" and .subject == \"${2:-cloche}\") | .summary.median"
}

# A runtime that does what another does; making a container takes it some seconds more.
late_runtime() { # PATH REAL SECONDS
	printf '#!/bin/sh\ncase " $* " in *" create "*) sleep %s ;; esac\nexec %s "$@"\n' "$3" "$2" >"$1"
	chmod +x "$1"
}

@test "a test by its name, and what the report says of the host" {
	cloche analyze startup --runs 3 --no-progress --json "$ENGINE_DIR/report.json" >"$ENGINE_DIR/out"
	[ "$(report '.tests | length')" = 1 ]
	[ "$(report '.tests[0].key + " " + .tests[0].status')" = "startup done" ]
	[ "$(report '[.tests[0].figures[] | select(.key == "startup.total")][0].samples | length')" = 3 ]
	for key in kernel cpu memory storage cgroup clocksource load.before load.after observer; do
		[ -n "$(report ".facts[] | select(.key == \"$key\") | .value")" ]
	done
	report '.facts[] | select(.section == "prerequisite") | .key' | grep -qx root
	grep -q 'startup' "$ENGINE_DIR/out"
	[ "$(awk 'length > 100' "$ENGINE_DIR/out" | wc -l)" = 0 ]
}

# bats test_tags=any-kernel
@test "a start's phases have the floor beside them, and its parts do not exceed the whole" {
	cloche analyze 1 --runs 3 --no-progress --json "$ENGINE_DIR/report.json" >/dev/null
	report '.tests[].figures[] | select(.key == "startup.total") | .floor | numbers' | grep -q .
	report '.tests[].figures[] | select(.key == "startup.phase.mount") | .floor | numbers' | grep -q .
	awk -v a="$(median startup.to_program)" -v b="$(median startup.total)" 'BEGIN { exit !(a > 0 && a < b) }'
	awk -v a="$(median startup.exec)" -v b="$(median startup.load)" 'BEGIN { exit !(a > 0 && b > 0) }'
}

# bats test_tags=any-kernel
@test "what was asked for wrongly is refused with what there is" {
	run -1 cloche analyze nosuchtest --no-progress
	[[ $output == *"nosuchtest"*startup* ]]
	run -1 cloche analyze startup --subject nosuchengine --no-progress
	[[ $output == *nosuchengine* ]]
	run -125 cloche analyze --runs -1
	# Before the work whose result it was to take.
	run -1 cloche analyze layers --no-progress --json "$ENGINE_DIR/nowhere/report.json"
	assert_equal "${#lines[@]}" 1
	[[ $output == *"$ENGINE_DIR/nowhere"* ]]
}

# bats test_tags=any-kernel
@test "a runtime that starts 400 ms late: they stand in the runtime's part of the start" {
	late_runtime "$ENGINE_DIR/late" "$BUILD/bin/cloche-runtime" 0.401
	late_runtime "$ENGINE_DIR/prompt" "$BUILD/bin/cloche-runtime" 0.001
	jq --arg dir "$ENGINE_DIR" '.runtimes = {late: {path: ($dir + "/late")}, prompt: {path: ($dir + "/prompt")}}' \
		"$CLOCHE_CONFIG" >"$ENGINE_DIR/c"
	mv "$ENGINE_DIR/c" "$CLOCHE_CONFIG"
	local with without
	cloche analyze startup --runs 3 --no-progress --run-flag --runtime=prompt --json "$ENGINE_DIR/report.json" >/dev/null
	without=$(report '.tests[].figures[] | select(.key == "startup.phase.exec") | .summary.min')
	cloche analyze startup --runs 3 --no-progress --run-flag --runtime=late --json "$ENGINE_DIR/report.json" >/dev/null
	with=$(report '.tests[].figures[] | select(.key == "startup.phase.exec") | .summary.min')
	echo "runtime's part: $without ms, 400 ms late: $with ms"
	# Of a noisy machine the quickest runs say most; of one that emulates, only that nothing is missing.
	awk -v a="$with" -v b="$without" -v slow="$CLOCHE_TEST_SLOW" 'BEGIN { d = a - b; exit !(d > 360 && (slow || d < 440)) }'
	report '.findings[] | select(.test == "startup") | .title' | grep -q "the runtime's start"
}

# bats test_tags=any-kernel
@test "an OCI runtime is a subject, by its path" {
	cloche analyze startup --runs 3 --no-progress --subject "cloche,$BUILD/bin/cloche-runtime" \
		--json "$ENGINE_DIR/report.json" >/dev/null
	awk -v a="$(median startup.total cloche-runtime)" 'BEGIN { exit !(a > 0) }'
	[ "$(report '[.comparisons[] | select(.key == "startup.total")] | length')" = 1 ]
}

# bats test_tags=any-kernel
@test "run flags reach the containers, and a run that fails is counted, not averaged" {
	run -1 cloche analyze startup --runs 2 --no-progress --run-flag --memory=nonsense --json "$ENGINE_DIR/report.json"
	[ "$(report '[.tests[].figures[] | select(.key == "startup.total")][0] | "\(.samples | length) \(.failed > 0)"')" = "0 true" ]
}

is_as() { assert_engine_as "$1" >/dev/null; }

@test "the host is as it was, images too" {
	cloche run --rm --network none cloche/busybox true
	cloche info >/dev/null
	cloche network ls >/dev/null
	local before images
	before=$(snapshot_engine)
	images=$(cloche images --no-trunc)
	cloche analyze startup --runs 2 --no-progress >/dev/null
	wait_for 5 is_as "$before" || assert_engine_as "$before"
	assert_equal "$(cloche images --no-trunc)" "$images"
	# Nobody reads on; then an end in the middle of making an image of its own.
	cloche analyze layers --brief --no-progress | head -n 1 >/dev/null
	assert_engine_as "$before"
	local status=0
	cloche analyze startup --runs 2 --no-progress >/dev/null 3>&- &
	wait_for 30 has_image_to_load
	kill -INT $!
	wait $! || status=$?
	assert_equal "$status" 130
	assert_equal "$(cloche images --no-trunc)" "$images"
	wait_for 5 is_as "$before" || assert_engine_as "$before"
}

has_image_to_load() { [ -n "$(cloche images -q --filter 'reference=cloche-analyze-*/load')" ]; }
