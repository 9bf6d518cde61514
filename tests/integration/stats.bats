#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# stats: what containers use, against what the kernel and the flags say.
bats_require_minimum_version 1.5.0
load helpers

image=cloche/busybox

setup() { setup_engine; }
teardown() { teardown_engine; }

# bats test_tags=once
@test "the table shows the containers that run, all with -a, and those named in their order" {
	cloche run -d --name idle -m 64m $image sleep 1000
	cloche create --name stopped $image true
	run -0 cloche stats --no-stream
	assert_equal "${#lines[@]}" 2
	[[ ${lines[0]} =~ ^CONTAINER\ ID\ +NAME\ +CPU\ %\ +MEM\ USAGE\ /\ LIMIT\ +MEM\ %\ +NET\ I/O\ +BLOCK\ I/O\ +PIDS$ ]]
	[[ ${lines[1]} =~ ^[0-9a-f]{12}\ +idle\ +[0-9.]+%\ +[0-9.]+[KM]iB\ /\ 64MiB\ +[0-9.]+%\ +[0-9.]+[kM]?B\ /\ [0-9.]+[kM]?B\ +[0-9.]+[kM]?B\ /\ [0-9.]+[kM]?B\ +1$ ]]
	run -0 cloche stats -a --no-stream --no-trunc --format '{{.Container}} {{.ID}} {{.CPUPerc}} {{.MemUsage}} {{.PIDs}}'
	assert_equal "$(sort <<<"$output" | cut -d ' ' -f 1 | tr '\n' ' ')" "$(cloche ps -aq | sort | tr '\n' ' ')"
	assert_contains "$output" "$(inspect stopped .Id) 0.00% 0B / 0B 0"
	run -0 cloche stats --no-stream --format 'table {{.Container}}\t{{.MemUsage}}\t{{.MemPerc}}' stopped idle
	assert_equal "${lines[0]}" "CONTAINER   MEM USAGE / LIMIT   MEM %"
	[[ ${lines[1]} == stopped* && ${lines[2]} == idle*" / 64MiB"* ]]
	run -0 cloche stats --no-stream --format json stopped
	assert_equal "$(jq -c 'keys' <<<"$output")" \
		'["BlockIO","CPUPerc","Container","ID","MemPerc","MemUsage","Name","NetIO","PIDs"]'
	run -1 cloche stats --no-stream idle nobody
	assert_equal "$output" "Error response from daemon: No such container: nobody"
}

# The container's processor time as its group counts it, in microseconds.
cpu_us() {
	if [ "$(cgroup_version)" = 1 ]; then
		echo $(($(cgroup_file "$1" cpuacct cpuacct.usage -) / 1000))
	else
		cgroup_file "$1" cpu - cpu.stat | awk '$1 == "usage_usec" { print $2 }'
	fi
}

# The time of one processor that the kernel has given account of, in microseconds: what is shown is a share of it.
host_us() {
	awk -v hertz="$(getconf CLK_TCK)" -v count="$(nproc --all)" '$1 == "cpu" {
		printf "%d", ($2 + $3 + $4 + $5 + $6 + $7 + $8) * 1000000 / hertz / count }' /proc/stat
}

@test "processor and memory are what the kernel counts" {
	local before after start end host shown
	cloche run -d --name busy --cpus 0.5 $image sh -c 'x=$(dd if=/dev/zero bs=1M count=4 2>/dev/null | tr "\000" y); while :; do :; done'
	# The text is in the shell's memory now.
	wait_for 10 eval '[ "$(cgroup_file busy memory memory.usage_in_bytes memory.current)" -gt 4000000 ] && [ "$(cpu_us busy)" -gt 200000 ]'
	start=${EPOCHREALTIME/./} host=$(host_us) before=$(cpu_us busy)
	shown=$(cloche stats --no-stream --format '{{.CPUPerc}} {{.MemUsage}}' busy)
	after=$(cpu_us busy) host=$(($(host_us) - host)) end=${EPOCHREALTIME/./}
	echo "$shown; counted $((after - before)) us in $host of $((end - start)) us"
	# Its second lies somewhere within ours. It has not used more in it than in all, and in the rest it had no
	# more than half a processor (and what is left of one period). Other machines may have taken time away.
	awk -v shown="$shown" -v used="$((after - before))" -v host="$host" -v all="$((end - start))" 'BEGIN {
		second = 1000000 - (all > host ? all - host : 0)
		most = second > 100000 ? 100 * used / second : 100
		rest = all - 1000000
		least = 100 * (used - rest / 2 - 100000) / (host > all ? host : all)
		v = shown + 0
		exit !(v <= most + 5 && v >= least - 5) }'
	[[ $shown =~ \ ([0-9.]+)MiB\ / ]]
	awk -v m="${BASH_REMATCH[1]}" 'BEGIN { exit !(m >= 3 && m < 40) }'
}

drawn() { [ "$(grep -c $'^\033\[[JH].*CONTAINER ID' "$1")" -ge "$2" ]; }

# bats test_tags=any-kernel
@test "the stream is drawn anew every second until a signal or the container's removal" {
	local pid
	cloche run -d --name one $image sleep 1000
	cloche stats one >"$ENGINE_DIR/drawn" 3>&- &
	pid=$!
	wait_for 10 drawn "$ENGINE_DIR/drawn" 2
	cloche rm -f one
	wait "$pid"
	cloche stats >"$ENGINE_DIR/all" 3>&- &
	pid=$!
	wait_for 10 drawn "$ENGINE_DIR/all" 1
	kill -TERM "$pid"
	wait "$pid" && status=0 || status=$?
	assert_equal "$status" 143
}
