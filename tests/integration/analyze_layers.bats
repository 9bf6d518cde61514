#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the third test of analyze says of layers that were made to be told apart.

load helpers
setup() { setup_engine; }
teardown() { teardown_engine; }

analyze() { # ARGUMENT...
	run cloche analyze layers --no-progress --json "$ENGINE_DIR/report.json" "$@"
	[ "$status" -eq 0 ]
}

# The one sample of a figure of cloche.
figure() { # KEY
	jq -e --arg key "$1" '[.. | objects | select(.key? == $key and .subject? == "cloche") |
		.samples? // empty][0][0]' "$ENGINE_DIR/report.json"
}

@test "an image of one layer hides nothing, and its files are those of that directory" {
	analyze --verify
	[ "$(figure layers.count)" = 1 ]
	[ "$(figure layers.hidden_files)" = 0 ]
	[ "$(figure layers.files)" = "$(find "$CLOCHE_ROOT"/overlay2/*/diff -type f | wc -l)" ]
	[ "$(figure layers.bytes)" = "$(find "$CLOCHE_ROOT"/overlay2/*/diff -type f -printf '%i %s\n' |
		sort -u | awk '{n += $2} END {print n}')" ]
	jq -e '[.. | objects | select(.key? == "layers.source")][0].verdict == "holds"' "$ENGINE_DIR/report.json"
	jq -e '[.. | objects | select(.key? == "layers.shared")][0].verdict == "holds"' "$ENGINE_DIR/report.json"
	jq -e '[.. | objects | select(has("agrees"))] | length == 1 and all(.agrees)' "$ENGINE_DIR/report.json"
}

# bats test_tags=any-kernel
@test "what upper layers delete and replace is found, with its size and the layer it lies in" {
	cloche run --name one cloche/busybox sh -c 'mkdir /big /all; dd if=/dev/zero of=/big/file bs=1k count=8000
		echo a >/all/a; echo b >/all/b; echo first >/twice' 2>/dev/null
	cloche commit one layered:1
	cloche run --name two layered:1 sh -c 'rm /big/file; rm -r /all; mkdir /all; echo second >/twice'
	cloche commit two layered:2
	cloche rm one two
	analyze --image layered:2 --details
	[ "$(figure layers.count)" = 3 ]
	# /big/file, /all/a, /all/b, /twice
	[ "$(figure layers.hidden_files)" = 4 ]
	[ "$(figure layers.hidden_bytes)" = $((8000 * 1024 + 2 + 2 + 6)) ]
	[[ $output == *'/big/file (whiteout)'* ]]
	[[ $output == *'/all/a (opaque directory)'* ]]
	[[ $output == *'/twice (replaced)'* ]]
	[[ $output == *'% of the image cannot be seen'* ]]
	# The lowest layer is in all three images, the topmost in one.
	jq -e '[.. | objects | select(.key? == "layers.cloche.stack")][0].rows[1:] |
		map(.[8]) == [1, 2, 3]' "$ENGINE_DIR/report.json"
}

# bats test_tags=any-kernel
@test "options in force are those of the container's own mount" {
	analyze
	jq -e '[.. | objects | select(.key? == "layers.options")][0].evidence |
		any(test("volatile=yes"))' "$ENGINE_DIR/report.json"
	analyze --run-flag=--read-only
	jq -e '[.. | objects | select(.key? == "layers.options")][0].evidence |
		any(test("mount: ro"))' "$ENGINE_DIR/report.json"
}

# bats test_tags=any-kernel
@test "nothing is left behind" {
	analyze
	[ -z "$(cloche ps -aq)" ]
	[ -z "$(engine_mounts)" ]
}
