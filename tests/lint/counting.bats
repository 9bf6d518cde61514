# SPDX-License-Identifier: Apache-2.0
# The counts that CI reports: what a log says is what is counted, and what did not report has failed.

setup() {
	. "$BATS_TEST_DIRNAME/../../script/lib.sh"
	log=$BATS_TEST_TMPDIR/log
}

counts() { # EXPECTED LINE...
	local expected=$1
	shift
	printf '%s\n' "$@" >"$log"
	run count_tap "$log"
	[ "$output" = "$expected" ] || { echo "counted $output, expected $expected" && return 1; }
}

@test "passed, failed and skipped, as cmocka and as bats write them" {
	counts '2 1 3' '1..6' 'ok 1 - one' 'ok 2 two in 3ms' 'not ok 3 three' 'ok 4 # SKIP - four' 'ok 5 five # skip why' \
		'not ok 6 # SKIP six'
}

@test "a name that only speaks of skipping is not skipped" {
	counts '1 0 0' '1..1' 'ok 1 the skipped ones are named'
}

@test "a program that dies half way fails what it did not reach" {
	counts '1 3 0' '1..4' 'ok 1 - one' 'Segmentation fault'
}

@test "a program that never said how many is one failure" {
	counts '0 1 0' 'Segmentation fault'
}

@test "several logs are summed, each with its own plan" {
	printf '1..1\nok 1 - a\n' >"$log.a"
	printf '1..2\nok 1 - b\n' >"$log.b"
	run count_tap "$log.a" "$log.b"
	[ "$output" = '2 1 0' ]
}

@test "the closing line leaves out skipped tests when there are none, and fails with a failure" {
	run tally 3 0 0
	[ "$status" -eq 0 ] && [ "$output" = '3 passed, 0 failed' ]
	run tally 3 1 2
	[ "$status" -eq 1 ] && [ "$output" = '3 passed, 1 failed, 2 skipped' ]
}
