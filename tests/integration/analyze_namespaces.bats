#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# analyze namespaces: which of the eight are a container's own, seen from both sides; a shared one is
# found, and no other is called shared.
bats_require_minimum_version 1.5.0
load helpers

image=cloche/busybox

setup() { setup_engine; }
teardown() { teardown_engine; }

look() { # ARGUMENT...
	cloche analyze namespaces --no-progress --json "$ENGINE_DIR/report.json" "$@" >"$ENGINE_DIR/out"
}

report() { jq -r "$1" "$ENGINE_DIR/report.json"; }
broken() { report '.tests[].claims[] | select(.verdict == "broken") | .key'; }
evidence() { report ".tests[].claims[] | select(.key == \"namespaces.$1\") | .evidence[]"; }
figure() { report ".tests[].figures[] | select(.key == \"namespaces.$1\") | .samples[0]"; }

@test "the default: all but time and user are its own, by inode and as seen from inside" {
	look
	[ -z "$(broken)" ]
	[ "$(report '.tests[].claims | length')" = 8 ]
	assert_equal "$(figure shared_with_host)" 2
	assert_equal "$(figure shared_with_neighbour)" 2
	evidence ipc | grep -q 'message queue made on the host is not found'
	evidence net | grep -q '^inside: lo; on the host: '
	evidence uts | grep -q "on the host: $(uname -n)\$"
	evidence pid | grep -q '/proc shows 1 processes (1) '
	evidence mnt | grep -q 'made on the host is not there'
	[ "$(awk 'length > 100' "$ENGINE_DIR/out" | wc -l)" = 0 ]
}

# bats test_tags=any-kernel,once
@test "each namespace that is the host's is named, and no other" {
	local flag kind key
	for flag in pid ipc uts network; do
		kind=${flag/network/net}
		look "--run-flag=--$flag=host"
		assert_equal "$(broken)" "namespaces.$kind"
		report '.findings[].title' | grep -q "The $kind namespace is the host's"
		assert_equal "$(figure shared_with_host)" 3
	done
	look --run-flag=--ipc=host
	evidence ipc | grep -q 'shared memory made on the host .* is found'
	# what was made to be found is gone
	key=$(evidence ipc | sed -n 's/.*(key \(0x[0-9a-f]*\)).*/\1/p')
	[ -n "$key" ]
	assert_equal "$(ipcs -m | awk '{ print $1 }' | grep -cix "$(printf '0x%08x' "$key")")" 0
}

# bats test_tags=any-kernel
@test "a namespace of another container: named with whom, in both containers" {
	cloche run -d --name first --network none $image sleep 600 >/dev/null
	cloche run -d --name second --network container:first --pid container:first $image sleep 600 >/dev/null
	look --container second
	report '.findings[].title' | sort >"$ENGINE_DIR/found"
	grep -q "The net namespace is another container's, too .* one is pid $(container_pid first))" "$ENGINE_DIR/found"
	grep -q "The pid namespace is another container's" "$ENGINE_DIR/found"
	[ "$(grep -c "another container's" "$ENGINE_DIR/found")" = 2 ]
	look --container first
	report '.findings[].title' | grep -q "The net namespace is another container's, too .* one is pid $(container_pid second))"
	cloche rm -f first second >/dev/null
}

# bats test_tags=any-kernel
@test "a plain process shares everything with the host" {
	look --container "pid:$$"
	assert_equal "$(figure shared_with_host)" 8
	report '.findings[0].severity' | grep -q critical
}
