# SPDX-License-Identifier: Apache-2.0
# The picture of a start bill: valid, self-contained, and with the figures that the bill has.
bats_require_minimum_version 1.5.0
load helpers
setup() { setup_engine; }
teardown() { teardown_engine; }

# Runs a container of that name to its end, so that its bill is complete.
run_and_keep() { # NAME COMMAND...
	cloche run --name "$1" --network none cloche/busybox "${@:2}"
	wait_for 5 has_exit "$1"
}

has_exit() {
	cloche timeline --json "$1" | jq -e '[.Phases[].Phase] | index("exit") != null' >/dev/null
}

# The texts of a picture, one a line, as a viewer shows them.
texts() { # FILE
	xmllint --xpath '//*[local-name()="text"]/text()' "$1"
}

# bats test_tags=any-kernel
@test "timeline --svg draws a valid picture beside the table" {
	run_and_keep web true
	cloche timeline --svg "$ENGINE_DIR/web.svg" web | grep -q '^total '
	xmllint --noout "$ENGINE_DIR/web.svg"
	[ "$(stat -c %a "$ENGINE_DIR/web.svg")" = 644 ]
	texts "$ENGINE_DIR/web.svg" >"$ENGINE_DIR/texts"
	local what
	for what in 'Start bill of web' 'command line' monitor child program mount namespaces exit \
		'mount /proc' pivot_root 'execve, until the program runs'; do
		grep -qF "$what" "$ENGINE_DIR/texts" || { echo "$what is missing" && return 1; }
	done
}

# bats test_tags=any-kernel
@test "the picture needs nothing from elsewhere and runs nothing" {
	run_and_keep web true
	cloche timeline --svg - web >"$ENGINE_DIR/web.svg"
	xmllint --noout "$ENGINE_DIR/web.svg"
	[ "$(head -c 5 "$ENGINE_DIR/web.svg")" = '<?xml' ]
	run ! grep -qiE '<script|<style|<image|<use|<foreignObject|href|url\(|@import|@font-face| on[a-z]+=' "$ENGINE_DIR/web.svg"
	[ "$(grep -o 'http[^" ]*' "$ENGINE_DIR/web.svg" | sort -u)" = http://www.w3.org/2000/svg ]
}

# bats test_tags=any-kernel
@test "the picture's figures are the bill's" {
	run_and_keep web true
	cloche timeline --json --svg "$ENGINE_DIR/web.svg" web >"$ENGINE_DIR/bill.json"
	local phase ns said
	while read -r phase ns; do
		said=$(texts "$ENGINE_DIR/web.svg" | grep -xFA1 "$phase" | grep -xE '[0-9.]+ ms' | head -1)
		[ -n "$said" ] || { echo "no time beside $phase" && return 1; }
		awk -v said="${said% ms}" -v ms="$(jq -n "$ns / 1000000")" \
			'BEGIN { d = said - ms; exit !((d < 0 ? -d : d) <= 0.0006 + 0.01 * ms) }'
	done < <(jq -r '.Phases[] | select(.Phase != "other") | "\(.Phase) \(.DurationNs)"' "$ENGINE_DIR/bill.json")
}

# bats test_tags=any-kernel
@test "names that are no XML stay text" {
	mkdir -p "$ENGINE_DIR/a<b>&\"c'"
	cloche run --name web --network none -v "$ENGINE_DIR/a<b>&\"c':/m<nt>&\"'" cloche/busybox true
	wait_for 5 has_exit web
	cloche timeline --svg "$ENGINE_DIR/web.svg" web >/dev/null
	xmllint --noout "$ENGINE_DIR/web.svg"
	texts "$ENGINE_DIR/web.svg" | grep -qF '/m&lt;nt&gt;&amp;"'"'"
}

# bats test_tags=any-kernel,once
@test "a program that ran long does not squeeze its start" {
	run_and_keep slow sleep 2
	cloche timeline --svg "$ENGINE_DIR/slow.svg" slow >/dev/null
	# the widest bar of the axis of time, its right half, is not the program's
	local x
	x=$(xmllint --xpath 'string(//*[local-name()="rect"][*[starts-with(., "run: ")]]/@width)' "$ENGINE_DIR/slow.svg")
	awk -v x="$x" 'BEGIN { exit !(x > 0 && x < 100) }'
	texts "$ENGINE_DIR/slow.svg" | grep -q 'beyond scale'
}

# bats test_tags=any-kernel
@test "a file that cannot be written is an error and leaves nothing" {
	run_and_keep web true
	run --separate-stderr cloche timeline --svg "$ENGINE_DIR/none/web.svg" web
	[ "$status" -ne 0 ]
	[ -z "$output" ]
	# shellcheck disable=SC2154 # set by run
	[[ $stderr == *none* ]]
	mkdir "$ENGINE_DIR/directory"
	run ! cloche timeline --svg "$ENGINE_DIR/directory" web
	[ -z "$(ls -A "$ENGINE_DIR/directory")" ]
	[ -z "$(find "$ENGINE_DIR" -maxdepth 1 -name '.cloche-*')" ]
}
