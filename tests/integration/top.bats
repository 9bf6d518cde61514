#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# top and port, against what ps says of the same processes.
bats_require_minimum_version 1.5.0
load helpers

image=cloche/busybox

setup() { setup_engine; }
teardown() { teardown_engine; }

# Rows as the host's ps prints them, blanks between cells reduced to one.
squeeze() { tr -s ' ' | sed 's/^ //; s/ $//'; }

# Without C, the share of a processor, and TIME, which grow from one look to the next, and without STIME, which ps
# reckons from now and so rounds to one minute or to the other.
steady() { squeeze | awk '{$4 = $5 = $7 = ""; print}' | sort; }

# Both programs run, not copies of the shell that are about to execute them.
two_sleeps() {
	local pid count=0
	for pid in $(cat "$(cgroup_dir "$(container_pid box)" pids)/cgroup.procs"); do
		[[ $(tr '\0' ' ' <"/proc/$pid/cmdline") == "sleep "* ]] && count=$((count + 1))
	done
	[ "$count" -eq 2 ]
}

@test "the processes are those of the container's group, as ps shows them" {
	local pid other
	command -v ps >/dev/null || skip "no ps"
	cloche run -d --name box --pid host $image sh -c 'sleep 1000 & exec sleep 2000'
	pid=$(container_pid box)
	wait_for 5 two_sleeps
	other=$(grep -v "^$pid\$" "$(cgroup_dir "$pid" pids)/cgroup.procs")
	run -0 cloche top box
	assert_equal "$(steady <<<"$output")" "$(ps -f -p "$pid,$other" | steady)"
	[[ ${lines[0]} =~ ^"UID                 PID                 PPID                C                   STIME               TTY                 TIME                CMD"$ ]]
	# Any columns of ps, and its words when it refuses.
	run -0 cloche top box -o pid,comm
	assert_equal "$(squeeze <<<"$output" | tail -n +2 | sort -n)" "$(ps -o pid=,comm= -p "$pid,$other" | squeeze | sort -n)"
	run -0 cloche container top box aux
	[[ ${lines[0]} == USER*COMMAND && ${#lines[@]} -eq 3 ]]
	run -1 cloche top box -o comm
	assert_equal "$output" "cloche: Couldn't find PID field in ps output"
	run -1 cloche top box -o user=PID,args
	assert_equal "$output" 'Error response from daemon: specifying "user=PID,args" is not allowed'
	run -1 cloche top box --nonsense
	assert_equal "$output" "cloche: ps: $(ps --nonsense 2>&1 | grep -m 1 .)"
	assert_equal "$(cloche events --since 1h --until "$(date +%s.%N)" -f event=top --format '{{.Actor.ID}}' | uniq -c | awk '{print $1, $2}')" \
		"3 $(inspect box .Id)"
}

# bats test_tags=any-kernel
@test "what does not run has no processes, and nothing publishes a port" {
	cloche create --name box $image true
	run -1 cloche top box
	assert_equal "$output" "Error response from daemon: Container $(inspect box .Id) is not running"
	run -1 cloche top nobody
	assert_equal "$output" "Error response from daemon: No such container: nobody"
	run -0 cloche port box
	assert_equal "$output" ""
	run -1 cloche port box 80
	assert_equal "$output" "Error: No public port '80' published for box"
	run -1 cloche port box abc
	assert_equal "$output" 'Error: invalid port (abc): strconv.ParseUint: parsing "abc": invalid syntax'
}
