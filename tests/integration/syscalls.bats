# SPDX-License-Identifier: Apache-2.0
# The counted system calls of a container, held to work whose calls are known.
bats_require_minimum_version 1.5.0
load helpers
setup() { setup_engine; }
teardown() { teardown_engine; }

# analyze_syscalls FLAG...: the report as JSON in $ENGINE_DIR/report.json; skips where nothing can be counted.
analyze_syscalls() {
	cloche analyze syscalls --brief --runs 2 --no-progress --json "$ENGINE_DIR/report.json" "$@" >"$ENGINE_DIR/text"
	[ "$(wc -L <"$ENGINE_DIR/text")" -le 100 ]
	[ "$(the .status)" != unavailable ] || skip "$(the .reason)"
}

# the FILTER: jq over the test's part of the report.
the() {
	jq -r ".tests[0] | $1" "$ENGINE_DIR/report.json"
}

verdict() { # KEY
	the ".claims[] | select(.key == \"$1\") | .verdict"
}

# row TABLE CALL: the cells of a row, one a line.
row() {
	the ".tables[] | select(.key == \"$1\") | .rows[] | select(.[1] == \"$2\") | .[]"
}

@test "every call of the threads of children is counted, and nobody else's" {
	analyze_syscalls
	[ "$(the .status)" = "done" ]
	[ "$(verdict syscalls.followed)" = holds ]
	[ "$(the '[.figures[] | select(.key == "syscalls.missed") | .samples[]] | add')" = 0 ]
	# 4 children, 3 threads, 100 times, 2 runs
	local cells
	mapfile -t cells < <(row syscalls.known getppid)
	[ "${cells[2]}" = 2400 ] && [ "${cells[3]}" = 2400 ] && [ "${cells[4]}" = 0 ]
	mapfile -t cells < <(row syscalls.known fchdir)
	[ "${cells[3]}" = 2400 ] && [ "${cells[4]}" = 2400 ]
	# a nap takes its millisecond
	mapfile -t cells < <(row syscalls.known clock_nanosleep)
	awk -v mean="${cells[6]}" 'BEGIN { exit !(mean >= 1000) }'
}

# bats test_tags=any-kernel
@test "an ordinary command's calls are told by name, its children's among them" {
	analyze_syscalls
	local cells
	# the shell, ls, cat and wc
	mapfile -t cells < <(row syscalls.command execve)
	awk -v n="${cells[2]}" 'BEGIN { exit !(n >= 3) }'
	mapfile -t cells < <(row syscalls.command wait4)
	awk -v n="${cells[2]}" 'BEGIN { exit !(n >= 1) }'
	[ "$(the '[.figures[] | select(.key == "syscalls.command_calls") | .samples[]] | min > 50')" = true ]
}

# bats test_tags=any-kernel
@test "a call that the seccomp filter refuses is told from one that runs" {
	analyze_syscalls
	[ "$(verdict syscalls.refused)" = holds ]
	local cells
	mapfile -t cells < <(row syscalls.known keyctl)
	[ "${cells[3]}" = 120 ] && [ "${cells[5]}" = 120 ]
	analyze_syscalls --run-flag=--security-opt=seccomp=unconfined
	[ "$(verdict syscalls.refused)" = broken ]
	mapfile -t cells < <(row syscalls.known keyctl)
	[ "${cells[3]}" = 120 ] && [ "${cells[5]}" = 0 ]
}

# bats test_tags=any-kernel
@test "where pids are other than the kernel's nothing is counted, and nothing claimed" {
	unshare --pid --fork --mount-proc cloche analyze syscalls --brief --no-progress --json "$ENGINE_DIR/report.json" >/dev/null
	[ "$(jq -r '.tests[0] | "\(.status) \(.claims | length)"' "$ENGINE_DIR/report.json")" = "unavailable 0" ]
	assert_contains "$(jq -r '.tests[0].reason' "$ENGINE_DIR/report.json")" "pid namespace of its own"
}

@test "strace counts the same" {
	analyze_syscalls --verify
	[ "$(the '.checks | length')" -eq 5 ] || { the .notes && return 1; }
	[ "$(the '[.checks[].agrees] | all')" = true ]
	[ "$(the '[.checks[] | select(.second == 0)] | length')" -eq 0 ]
}

# bats test_tags=any-kernel
@test "what was counted is kept whole, and nothing is left on the host" {
	mkdir "$ENGINE_DIR/keep"
	analyze_syscalls --subject cloche --subject host --keep "$ENGINE_DIR/keep"
	grep -q "^known	getppid	2400	2400	0	0	" "$ENGINE_DIR/keep/syscalls-cloche.tsv"
	grep -q "^known	getppid	2400	2400	0	0	" "$ENGINE_DIR/keep/syscalls-host.tsv"
	[ "$(the '[.claims[] | select(.key == "syscalls.followed") | .verdict] | unique | join(" ")')" = holds ]
	[ -z "$(cloche ps -aq)" ]
}
