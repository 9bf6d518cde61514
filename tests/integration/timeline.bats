# SPDX-License-Identifier: Apache-2.0
# The start bill, as someone who wonders where the time went would read it.
load helpers
setup() { setup_engine; }
teardown() { teardown_engine; }

# bill_of CONTAINER JQ_FILTER
bill_of() {
	cloche timeline --json "$1" | jq -r "$2"
}

# A container that has run and whose bill is complete.
run_and_keep() {
	cloche run --name "$1" --network none cloche/busybox true
	wait_for 5 bill_is_complete "$1"
}

bill_is_complete() {
	[ "$(bill_of "$1" '[.Phases[].Phase] | index("exit") != null')" = true ]
}

# bats test_tags=any-kernel
@test "run --timeline prints the bill to stderr and leaves stdout and the exit code alone" {
	local code=0
	cloche run --rm --network none --timeline cloche/busybox sh -c 'echo out; exit 7' \
		>"$ENGINE_DIR/out" 2>"$ENGINE_DIR/err" || code=$?
	[ "$code" -eq 7 ]
	[ "$(cat "$ENGINE_DIR/out")" = out ]
	for phase in resolve record cgroup mount network security exec run exit total; do
		grep -q "^$phase " "$ENGINE_DIR/err" || { cat "$ENGINE_DIR/err" && return 1; }
	done
	grep -q 'mount /proc' "$ENGINE_DIR/err"
	[ "$(wc -L <"$ENGINE_DIR/err")" -le 100 ]
}

# bats test_tags=any-kernel
@test "run --timeline hands stdin on and shows what lies outside of main()" {
	printf 'in' | cloche run -i --rm --network none --timeline cloche/busybox cat \
		>"$ENGINE_DIR/out" 2>"$ENGINE_DIR/err"
	[ "$(cat "$ENGINE_DIR/out")" = in ]
	grep -q '^outside *program start and exit' "$ENGINE_DIR/err"
}

# bats test_tags=any-kernel
@test "run --timeline passes a signal on to the container" {
	cloche run --rm --network none --name sig --timeline cloche/busybox \
		sh -c 'trap "exit 9" USR1; while :; do sleep 0.1; done' 2>"$ENGINE_DIR/err" 3>&- &
	local pid=$! code=0
	wait_for 10 container_is sig running
	kill -USR1 "$pid"
	wait "$pid" || code=$?
	[ "$code" -eq 9 ]
}

@test "the phases of a recorded bill sum to the time from main() to the last stamp" {
	run_and_keep web
	bill_of web '"\(.TotalNs) \([.Phases[].DurationNs] | add) \([.Path[].DurationNs] | add)"' >"$ENGINE_DIR/sums"
	read -r total phases path <"$ENGINE_DIR/sums"
	[ "$total" -gt 0 ]
	[ "$total" -eq "$phases" ]
	[ "$total" -eq "$path" ]
	# no gaps either: each entry begins where the one before ended
	[ "$(bill_of web '[.Path | to_entries[] | select(.key > 0)] as $rest | [$rest[].value.StartNs] ==
		([.Path[:-1][] | .StartNs + .DurationNs])')" = true ]
}

# bats test_tags=any-kernel
@test "the bill is there while the container runs, and belongs to its latest start" {
	local first second
	cloche run --name long --network none cloche/busybox sleep 1000 3>&- &
	wait_for 5 has_bill long
	[ "$(bill_of long '[.Phases[].Phase] | index("mount") != null')" = true ]
	[ "$(bill_of long '.ToExecNs > 0')" = true ]
	[ "$(bill_of long '[.Phases[].Phase] | index("exit") == null')" = true ]
	cloche kill long
	wait_for 5 bill_is_complete long
	first=$(bill_of long .TotalNs)
	cloche start -a long 3>&- &
	wait_for 5 another_bill long "$first"
	second=$(bill_of long '[.Phases[].Phase] | index("exit") == null')
	[ "$second" = true ]
	cloche rm -f long
}

has_bill() {
	cloche timeline "$1" >/dev/null 2>&1
}

another_bill() {
	[ "$(bill_of "$1" .TotalNs)" != "$2" ]
}

# bats test_tags=any-kernel
@test "what a bill says of run is what the program took" {
	cloche run --name slow --network none cloche/busybox sleep 0.5
	wait_for 5 bill_is_complete slow
	local ms
	ms=$(bill_of slow '.Phases[] | select(.Phase == "run") | .DurationNs / 1000000 | floor')
	[ "$ms" -ge 495 ] && [ "$ms" -le $((510 + $(patience 1) * 100)) ]
}

@test "--floor measures the bare kernel work beside the bill and leaves nothing behind" {
	cloche run --name web --network none cloche/busybox true
	wait_for 5 bill_is_complete web
	local before
	before=$(snapshot_engine)
	cloche timeline --floor --json web >"$ENGINE_DIR/bill.json"
	[ "$(jq '.Floor.Runs' "$ENGINE_DIR/bill.json")" -eq 30 ]
	jq -e '.Floor.MedianMs > 0 and .Floor.MedianLowMs <= .Floor.MedianMs and
		.Floor.MedianMs <= .Floor.MedianHighMs and .Floor.StepMedianMs.clone > 0' "$ENGINE_DIR/bill.json"
	cloche timeline --floor web | grep -q 'ratio'
	assert_engine_as "$before"
	[ -z "$(find /sys/fs/cgroup -maxdepth 2 -name 'cloche-floor-*')" ]
}

# bats test_tags=any-kernel
@test "--floor says why it cannot be measured and leaves nothing behind" {
	mkdir -p "$ENGINE_DIR/rootfs/bin"
	cp "$(command -v busybox)" "$ENGINE_DIR/rootfs/bin/busybox"
	cloche run --name bare --network none --rootfs "$ENGINE_DIR/rootfs" /bin/busybox true
	wait_for 5 bill_is_complete bare
	local before
	before=$(snapshot_engine)
	run cloche timeline --floor bare
	[ "$status" -eq 1 ]
	[[ $output == *"neither /bin/true nor /usr/bin/true runs in the image"* ]]
	assert_engine_as "$before"
	[ -z "$(find /sys/fs/cgroup -maxdepth 2 -name 'cloche-floor-*')" ]
}

# bats test_tags=any-kernel
@test "a container that was never started has no bill; an unknown one is named" {
	cloche create --name idle --network none cloche/busybox true
	run cloche timeline idle
	[ "$status" -eq 1 ]
	[[ $output == *"no start of idle was recorded yet"* ]]
	run cloche timeline nosuch
	[ "$status" -eq 1 ]
	[[ $output == *"No such container: nosuch"* ]]
}
