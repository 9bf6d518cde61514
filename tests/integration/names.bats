#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Names: who is called what, whom one asks for the rest, and what of it goes on when a keeper does not.
# names-driver plays monitors, containers and servers outside around a keeper, in namespaces of its own.

load helpers

setup() { setup_engine; }
teardown() { teardown_engine; }

play() { # SCENARIO
	: >"$ENGINE_DIR/resolv.conf"
	# shellcheck disable=SC2016 # the inner shell expands
	CLOCHE_TEST_SLOW=${CLOCHE_TEST_SLOW:-0} unshare --net --mount --pid --fork --kill-child --mount-proc sh -c '
		ip link set lo up && mount --bind "$1/resolv.conf" /etc/resolv.conf && exec "$2" "$3" "$1" "$4"' \
		sh "$ENGINE_DIR" "$BATS_TEST_DIRNAME/names-driver" "$BUILD/libexec/cloche/cloche-keeper" "$1" || {
		cat "$ENGINE_DIR/run/cloche.log" || true
		return 1
	}
	# Those of the other process namespace are not ours to look for.
	rm -rf "$ENGINE_DIR/run/containers"
}

@test "names, aliases and addresses: seen by whom they share a network with, while they run" { play table; }
@test "several with one alias: all of them, each first in turn" { play rotation; }
@test "internal networks ask nobody outside; --dns is asked in place of the host's servers" { play internal; }
@test "servers that are dead, closed, failing or slow" { play silent; }
@test "a server that cuts its answers" { play truncating; }
@test "a hostile server, and hostile containers" { play hostile; }
@test "a killed keeper: what was asked meanwhile is answered, nobody is wrongly unknown" { play restart; }
@test "containers come and go while others ask" { play crowd; }
@test "few descriptors: connections wait, questions are refused, the rest goes on" { play limits; }
@test "what comes to [::1] is carried to the container" { play forwarded; }
