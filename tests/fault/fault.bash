# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the fault tests share. They need a build with test hooks (script/build --hooks), which can make
# any operation of the child and any stamped point slow or deadly; what there is to kill and to delay
# is read from a start that this build recorded, never listed here.
load ../integration/helpers

require_hooks() {
	grep -qa CLOCHE_TEST_DELAY "$BUILD/bin/cloche" || skip "a build without test hooks"
}

# An engine that has run a container before, so that what it makes once is made: its groups, its
# caches. Sets BASE, what it looks like with nothing in it, and PLAN, a recorded start.
setup_warm_engine() {
	require_hooks
	setup_engine
	cloche run --name warm --network none cloche/busybox true
	# Stored after the command was answered.
	wait_for 2 compgen -G "$CLOCHE_ROOT/containers/*/timeline.json" >/dev/null
	PLAN=$(cat "$CLOCHE_ROOT"/containers/*/timeline.json)
	cloche rm warm >/dev/null
	cloche system check --repair >/dev/null
	BASE=$(snapshot_engine)
	export PLAN BASE
}

# How many operations the plan has; and what stamps the points there are, by number.
plan_ops() { jq '.Ops | length' <<<"$PLAN"; }
# Those of the network, which come last, are stamped in a connected container's start only.
plan_points() { echo $(($(point_names | grep -n POINT_CLI_NETWORK | cut -d: -f1) - 1)); }
all_points() { jq '.Points | length' <<<"$PLAN"; }
# The name in the source of a point.
point_name() { point_names | sed -n "$(($1 + 1))p"; }
point_names() {
	grep -o '^	POINT_[A-Z_]*' "$BATS_TEST_DIRNAME/../../src/runtime/plan.h" | grep -v _COUNT | tr -d '\t'
}
op_label() { jq -r ".Ops[$1][3]" <<<"$PLAN"; }

# The state of a container as "STATUS CODE ERROR", or "none".
state_of() {
	local out
	out=$(cloche inspect "$1" 2>/dev/null) || { echo none && return; }
	jq -r '.[0].State | "\(.Status) \(.ExitCode) \(.Error)"' <<<"$out"
}

# Echoes lines until "bye"; at the end of its input it goes on, saying so for ever.
# shellcheck disable=SC2016 # for the shell in the container
echo_loop='while read -r l; do echo "$l"; [ "$l" != bye ] || exit 0; done; while :; do echo tick; sleep 0.05; done'

# Starts that in the background: CLI is its pid, fd 7 its input, $ENGINE_DIR/{out,err} its output.
start_echo() { # ARG... of cloche run
	mkfifo "$ENGINE_DIR/in"
	: >"$ENGINE_DIR/out"
	: >"$ENGINE_DIR/err"
	exec 7<>"$ENGINE_DIR/in"
	cloche run -i --name victim --network none "$@" cloche/busybox sh -c "$echo_loop" \
		<"$ENGINE_DIR/in" >"$ENGINE_DIR/out" 2>"$ENGINE_DIR/err" 7>&- 3>&- &
	CLI=$!
}

end_echo() {
	exec 7>&-
	wait "$CLI" 2>/dev/null
	CLI_STATUS=$?
	export CLI_STATUS
	rm -f "$ENGINE_DIR"/{in,out,err}
}

cli_is_gone() { ! kill -0 "$CLI" 2>/dev/null; }
echoes() { grep -qx "$1" "$ENGINE_DIR/out"; }
ticks() { grep -qs '"log":"tick' "$CLOCHE_ROOT"/containers/*/*-json.log "$CLOCHE_RUN_ROOT"/containers/*/*-json.log; }

# What a kill may leave after a second: a container that runs, its streams whole; one that says that
# its monitor was lost; one that ended or was refused in the ordinary way; none. Says what it saw when
# it is none of these.
judge() {
	local state
	state=$(state_of victim)
	case "$state" in
	none | 'exited 137 monitor lost' | 'exited 0 ' | 'created 128 '*killed\ by\ signal\ 9*) return 0 ;;
	# Whole but never begun, as `create` leaves it.
	'created 0 ') return 0 ;;
	running*)
		if cli_is_gone; then
			wait_for 1 ticks && return 0
			echo "runs, but its output does not reach the log: $state"
		else
			echo ping >&7
			wait_for 1 echoes ping && return 0
			echo "runs, but does not echo: $state"
		fi
		;;
	*) echo "state: $state" ;;
	esac
	return 1
}

settled() {
	! cli_is_gone || return 0
	echoes hello
}

# What is there but for the engine's own parent groups, which are no leftovers; the repair takes them
# away all the same.
snapshot_contents() {
	local all
	# At once: a grep beside it would be seen as a process that names the engine.
	all=$(snapshot_engine)
	grep -v "^cgroup .*/$ENGINE_CGROUP\$" <<<"$all"
}

# After a kill: nothing that it left is missed by `system check`, and the repair leaves the engine as
# it was. A container that stands for itself in the list is ended and removed as its user would.
assert_swept() {
	local found seen
	end_victim || return 1
	# On a slow machine a start may still be under way when its command has been dead for a while.
	wait_for 2 nobody_holds_on || end_victim || return 1
	wait_for 2 nobody_holds_on || { echo "processes stay:" && engine_processes && return 1; }
	seen=$(snapshot_contents)
	if [ "$seen" != "$BASE" ] && { found=$(cloche system check) || [ -z "$found" ]; }; then
		echo "left, but not found by system check:"
		diff <(echo "$BASE") <(echo "$seen")
		return 1
	fi
	found=$(cloche system check --repair) || { echo "not repaired: $found" && return 1; }
	assert_engine_as "$BASE"
}

end_victim() {
	local state
	state=$(state_of victim)
	[ "${state%% *}" != running ] || cloche kill victim >/dev/null || return 1
	[ "$state" = none ] || [ "$(inspect victim .HostConfig.AutoRemove)" = true ] || cloche rm -f victim >/dev/null
}

nobody_holds_on() { [ -z "$(engine_processes)" ]; }
