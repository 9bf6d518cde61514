# SPDX-License-Identifier: Apache-2.0
# The picture of a trace: valid, self-contained, and with everybody who took part.
bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_engine
	SVG=$ENGINE_DIR/trace.svg
	cloche trace --svg "$SVG" -- true 2>"$ENGINE_DIR/why" || skip "$(cat "$ENGINE_DIR/why")"
}
teardown() { teardown_engine; }

# The texts of a picture, one a line, as a viewer shows them.
texts() {
	xmllint --xpath '//*[local-name()="text"]/text()' "$SVG"
}

has_text() {
	texts | grep -qxF -- "$1" || { echo "$1 is missing" && texts && return 1; }
}

# bats test_tags=any-kernel
@test "trace --svg draws every process, the moments and the bills, and needs nothing from elsewhere" {
	cloche trace --svg "$SVG" --json "$ENGINE_DIR/trace.json" -- cloche run --rm --network none cloche/busybox true 2>/dev/null
	xmllint --noout "$SVG"
	local what
	for what in cloche cloche-monitor 'the program runs' 'it has ended' 'The path by phase' 'The path by program' mounts; do
		has_text "$what"
	done
	while read -r what; do
		has_text "$what"
	done < <(jq -r '.processes[] | "\(.pid) \(.role)"' "$ENGINE_DIR/trace.json")
	run ! grep -qiE '<script|<style|<image|<use|<foreignObject|href|url\(|@import|@font-face| on[a-z]+=' "$SVG"
	[ "$(grep -o 'http[^" ]*' "$SVG" | sort -u)" = http://www.w3.org/2000/svg ]
}

# bats test_tags=any-kernel
@test "commands that are no XML stay text" {
	cloche trace --svg "$SVG" -- sh -c $': "<a> & \'b\'"' 2>/dev/null
	xmllint --noout "$SVG"
	has_text $'sh -c : "&lt;a&gt; &amp; \'b\'"'
}

# bats test_tags=any-kernel,once
@test "a program that ran long does not squeeze its start" {
	cloche trace --svg "$SVG" -- cloche run --rm --network none cloche/busybox sleep 3 2>/dev/null
	# of the container's first process the last stretch, which is its program's
	local x
	x=$(xmllint --xpath 'string(//*[local-name()="rect"][*[starts-with(., "sleep 3 (")]]/@width)' "$SVG")
	awk -v x="$x" 'BEGIN { exit !(x > 0 && x < 200) }'
}

# bats test_tags=any-kernel
@test "what is no file is not written over" {
	local option
	mkfifo "$ENGINE_DIR/fifo"
	for option in --svg --json; do
		run -1 --separate-stderr cloche trace "$option" "$ENGINE_DIR/fifo" -- true
		[ -p "$ENGINE_DIR/fifo" ]
	done
	# shellcheck disable=SC2154 # set by run
	[[ $stderr == *'named pipe'* ]]
	[ -z "$(find "$ENGINE_DIR" -maxdepth 1 -name '.cloche-*')" ]
}
