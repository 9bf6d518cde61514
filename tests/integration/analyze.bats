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

# bats test_tags=once
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
	run -1 bash -c 'cloche analyze namespaces --brief --no-progress >/dev/full'
	# Before the work whose result it was to take.
	run -1 cloche analyze layers --no-progress --json "$ENGINE_DIR/nowhere/report.json"
	assert_equal "${#lines[@]}" 1
	[[ $output == *"$ENGINE_DIR/nowhere"* ]]
}

# later KEY: how much more the late runtime's median is, ms.
later() { awk -v a="$(median "$1" cloche:late)" -v b="$(median "$1" cloche:prompt)" 'BEGIN { print a - b }'; }

# Of a machine that emulates, only that nothing is missing.
is_40_ms() { awk -v d="$1" -v slow="$CLOCHE_TEST_SLOW" 'BEGIN { exit !(d >= 36 && (slow || d <= 44)) }'; }

# Medians of starts that took turns. Where the machine itself stands still for longer than what is looked for, once more.
finds_40_ms() {
	cloche analyze startup --brief --runs "$1" --no-progress --subject cloche:prompt --subject cloche:late \
		--json "$ENGINE_DIR/report.json" >/dev/null
	echo "the runtime's part: $(later startup.phase.exec) ms, until the program runs: $(later startup.to_program) ms," \
		"all: $(later startup.total) ms"
	is_40_ms "$(later startup.phase.exec)" && is_40_ms "$(later startup.to_program)"
}

# bats test_tags=any-kernel,measure
@test "a runtime that starts 40 ms late: they stand in the runtime's part of the start, and in no other" {
	local late=$BUILD/obj/tests/late-runtime
	[ -x "$late" ] || skip "built without tests"
	# Both pause: after one the kernel waits longer for who joins a cgroup (RCU), which is not looked for here.
	jq --arg late "$late" --arg runtime "$BUILD/bin/cloche-runtime" '.runtimes = {
		prompt: {path: $late, runtimeArgs: ["30", $runtime]},
		late: {path: $late, runtimeArgs: ["70", $runtime]}}' "$CLOCHE_CONFIG" >"$ENGINE_DIR/c"
	mv "$ENGINE_DIR/c" "$CLOCHE_CONFIG"
	finds_40_ms 12 || finds_40_ms 20 || finds_40_ms 40
	local phase others
	others=$(report '[.tests[].figures[].key | select(startswith("startup.phase."))] | unique | .[]' | grep -v '\.exec$')
	for phase in $others; do
		echo "$phase: $(later "$phase") ms"
		awk -v d="$(later "$phase")" 'BEGIN { exit !(d < 20 && d > -20) }'
	done
	report '.comparisons[] | select(.key == "startup.phase.exec") | .shown' | grep -qx true
	report '.findings[] | select(.test == "startup" and .subject == "cloche:late") | .title' | grep -q "the runtime's start"
}

# bats test_tags=any-kernel,once
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

# bats test_tags=any-kernel,once
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
