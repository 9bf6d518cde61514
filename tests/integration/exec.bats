#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# exec: who the process is, its streams and its terminal, exit codes, what is left of it.
# shellcheck disable=SC2154 # bats sets status, output, stderr

bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_engine
	cd "$ENGINE_DIR"
}

teardown() {
	local socket
	for socket in "$ENGINE_DIR"/tmux*; do
		[ ! -S "$socket" ] || tmux -S "$socket" kill-server || true
	done
	teardown_engine
}

start_box() { # FLAGS... : a container named box that sleeps
	cloche create --name box "$@" cloche/busybox sleep 1000 >/dev/null
	cloche start box >/dev/null
}

# The states that are kept of the box's execs.
states() {
	cat "$CLOCHE_RUN_ROOT/containers/$(inspect box .Id)"/exec/*/state.json
}

run_by_state() { # SECOND_ARGUMENTS: as JSON, of the execs that run by their states
	[ "$(states | jq -s -c '[.[] | select(.Status == "running") | .Args[1]] | sort')" = "$1" ]
}

runs_in_box() { # ARGUMENTS...: whether a process of the box has exactly these
	cloche exec box ps -o args | grep -qxF -- "$*"
}

@test "exec runs in all namespaces and groups of the container, as a start would make it" {
	start_box -m 64m -e A=1 -w /tmp --hostname inside --group-add 42
	local pid kind own groups
	own=$(cloche exec box sh -c 'for n in pid mnt net ipc uts cgroup; do readlink /proc/self/ns/$n; done')
	pid=$(container_pid box)
	assert_equal "$own" "$(for kind in pid mnt net ipc uts cgroup; do readlink "/proc/$pid/ns/$kind"; done)"
	groups=$(cloche exec box cat /proc/1/cgroup)
	assert_equal "$(cloche exec box cat /proc/self/cgroup)" "$groups"
	assert_equal "$(cloche exec box sh -c 'pwd; hostname; echo $A $HOME')" $'/tmp\ninside\n1 /root'
	assert_equal "$(cloche exec box grep -E '^(Cap|Groups|Seccomp|NoNewPrivs|Umask)' /proc/self/status)" \
		"$(grep -E '^(Cap|Groups|Seccomp|NoNewPrivs|Umask)' "/proc/$pid/status")"
	assert_equal "$(cloche exec box cat /proc/self/limits)" "$(cat "/proc/$pid/limits")"
	assert_equal "$(cloche exec box cat /proc/self/oom_score_adj)" "$(cat "/proc/$pid/oom_score_adj")"
	# a session of its own, of which it is the leader, and no terminal
	# shellcheck disable=SC2016
	assert_equal "$(cloche exec box sh -c 'set -- $(cat /proc/$$/stat); [ $1 = $6 ] && echo $7')" 0
	assert_equal "$(cloche exec box sh -c 'cd /proc/self/fd && echo *')" "0 1 2 3"
	run cloche exec box ps -o pid,args
	assert_contains "$output" "1 sleep 1000"
	# Without a monitor that could be asked for it, all is the same.
	rm "$CLOCHE_RUN_ROOT"/containers/*/attach.sock
	assert_equal "$(cloche exec box sh -c 'for n in pid mnt net ipc uts cgroup; do readlink /proc/self/ns/$n; done')" "$own"
	assert_equal "$(cloche exec box cat /proc/self/cgroup)" "$groups"
}

# bats test_tags=any-kernel
@test "user, directory, variables and privilege are the command's own" {
	start_box -e A=1 -e B=2 -u 5:6
	printf 'C=from file\nA=file\n' >vars
	assert_equal "$(cloche exec box sh -c "id -u; id -g; id -G")" $'5\n6\n6'
	assert_equal "$(cloche exec -u 7:8 box id -u)" 7
	run cloche exec -u root -w /proc/sys --env-file vars -e B=3 -e HOME=/x box sh -c 'echo $PWD $A $B $C $HOME; grep CapEff /proc/self/status'
	assert_equal "$output" $'/proc/sys file 3 from file /x\nCapEff:\t00000000a80425fb'
	# A name that has no value here takes the container's away, and adds nothing.
	assert_equal "$(env -u A -u N cloche exec -e A -e N box env | grep -E '^(A|B|N)\b')" B=2
	run cloche exec -u root --privileged box grep CapEff /proc/self/status
	assert_equal "$output" "$(printf 'CapEff:\t%s' "$(awk '/^CapBnd/ { print $2 }' /proc/self/status)")"
	run -126 cloche exec -u nosuch box true
	assert_equal "$output" $'unable to find user nosuch: no matching entries in passwd file\r'
	run -127 cloche exec -w /nosuch box true
	assert_contains "$output" "OCI runtime exec failed: exec failed: unable to start container process: "
}

runs_anew() { # CONTAINER PID: it runs again, as another process
	[ "$(inspect "$1" ".State.Status == \"running\" and .State.Pid != $2")" = true ]
}

@test "each further exec joins the container's groups, also of its next run" {
	start_box --restart always
	local pid groups
	pid=$(container_pid box)
	groups=$(cloche exec box cat /proc/1/cgroup)
	for _ in 1 2 3; do
		assert_equal "$(cloche exec box cat /proc/self/cgroup)" "$groups"
	done
	# Nothing of what is kept open for that is the process's.
	assert_equal "$(cloche exec box sh -c 'cd /proc/self/fd && echo *')" "0 1 2 3"
	kill -KILL "$pid"
	wait_for 10 runs_anew box "$pid"
	for _ in 1 2 3; do
		assert_equal "$(cloche exec box cat /proc/self/cgroup)" "$groups"
	done
}

# bats test_tags=any-kernel
@test "exit codes: the command's, 128 and the signal, 126 and 127" {
	start_box
	run -7 cloche exec box sh -c 'exit 7'
	# shellcheck disable=SC2016
	run -137 cloche exec box sh -c 'kill -KILL $$'
	# What Docker's daemon says once the streams are open is in the command's output, as from a terminal.
	run --separate-stderr -127 cloche exec box nosuch
	assert_equal "$output$stderr" 'OCI runtime exec failed: exec failed: unable to start container process: exec: "nosuch": executable file not found in $PATH: unknown'$'\r'
	run --separate-stderr -126 cloche exec -u nosuch box true
	assert_equal "$output$stderr" $'unable to find user nosuch: no matching entries in passwd file\r'
	run -127 cloche exec box /nosuch
	assert_contains "$output" 'exec: "/nosuch": stat /nosuch: no such file or directory'
	run -126 cloche exec box /etc/passwd
	assert_contains "$output" 'exec: "/etc/passwd": permission denied'
	run -1 cloche exec -d box nosuch
	assert_equal "$output" 'Error response from daemon: OCI runtime exec failed: exec failed: unable to start container process: exec: "nosuch": executable file not found in $PATH: unknown'
	run -1 cloche exec -d -u nosuch box true
	assert_equal "$output" "Error response from daemon: unable to find user nosuch: no matching entries in passwd file"
	run -127 cloche exec -w /nosuch box true
	assert_contains "$output" 'chdir to cwd ("/nosuch") set in config.json failed: no such file or directory: unknown'
	run -126 cloche exec -w relative box true
	assert_equal "$output" $'OCI runtime exec failed: exec failed: Cwd must be an absolute path: unknown\r'
	# none of them is left as a zombie
	assert_equal "$(cloche exec box ps -o args)" $'COMMAND\nsleep 1000\nps -o args'
	run -1 cloche exec --detach-keys nonsense box touch /tmp/begun
	assert_equal "$output" "Error response from daemon: Invalid escape keys (nonsense) provided"
	[ ! -e "/proc/$(container_pid box)/root/tmp/begun" ]
	run -1 cloche exec -it nosuch true
	assert_equal "$output" "Error response from daemon: No such container: nosuch"
	run -1 cloche exec nosuch true
	assert_equal "$output" "Error response from daemon: No such container: nosuch"
	run -1 cloche exec box
	assert_contains "$output" "requires at least 2 arguments"
}

# bats test_tags=any-kernel
@test "a container that does not run is refused" {
	cloche create --name box cloche/busybox true >/dev/null
	run -1 cloche exec box true
	assert_equal "$output" "Error response from daemon: Container $(inspect box .Id) is not running"
	cloche start box >/dev/null
	wait_for 5 container_is box exited
	run -1 cloche exec box true
	assert_equal "$output" "Error response from daemon: Container $(inspect box .Id) is not running"
	cloche run -d --name still cloche/busybox sleep 1000 >/dev/null
	cloche pause still >/dev/null
	run -1 cloche exec still true
	assert_equal "$output" "Error response from daemon: Container still is paused, unpause the container before exec"
}

# bats test_tags=any-kernel
@test "streams: stdin with -i alone, stdout and stderr apart, every byte" {
	start_box
	head -c 20000000 /dev/urandom >in
	cloche exec -i box cat <in >out
	cmp in out
	assert_equal "$(cat in | cloche exec -i box cat | sha256sum)" "$(sha256sum <in)"
	run --separate-stderr cloche exec box sh -c 'echo out; echo err >&2'
	assert_equal "$output $stderr" "out err"
	# without -i standard input is empty, whatever ours is
	assert_equal "$(echo text | cloche exec box cat)" ""
	assert_equal "$(echo 'echo text' | cloche exec box sh)" ""
	# a reader that goes away ends the client, as it would end a local command
	run bash -c 'cloche exec box yes | head -1'
	assert_equal "$output" y
}

# bats test_tags=any-kernel
@test "-d does not wait; the process lives on without its front end, and dies with the container" {
	start_box
	run -0 cloche exec -d box sleep 2000
	assert_equal "$output" ""
	runs_in_box sleep 2000
	cloche exec box sleep 3000 &
	local client=$!
	wait_for 5 runs_in_box sleep 3000
	kill -KILL "$client"
	wait "$client" || true
	runs_in_box sleep 2000
	runs_in_box sleep 3000
	# A process is there before its supervisor has written that it runs.
	wait_for 5 run_by_state '["2000","3000"]'
	# What is left of processes and files fails the teardown.
	cloche rm -f box >/dev/null
	wait_for 5 eval '[ -z "$(engine_processes)" ]'
}

@test "a terminal: the container's own devpts, its size, raw input, control-C" {
	start_box
	tmux -S tmux1 -f /dev/null new-session -d -x 100 -y 30 "cloche exec -it box sh; echo code \$?; exec sleep 1000"
	shows() { tmux -S tmux1 capture-pane -p | grep -Eq -- "$1"; }
	wait_for 10 shows '^/ #'
	tmux -S tmux1 send-keys 'tty; stty size; sleep 500' Enter
	wait_for 10 shows '^/dev/pts/0' || { tmux -S tmux1 capture-pane -p && return 1; }
	wait_for 10 shows '^30 100'
	wait_for 10 runs_in_box sleep 500
	tmux -S tmux1 send-keys C-c
	tmux -S tmux1 resize-window -x 90 -y 20
	# Asks again: the size has its own way through, which may be slower than the keys'.
	says_size() { tmux -S tmux1 send-keys 'stty size' Enter && shows '^20 90'; }
	wait_for 10 says_size
	tmux -S tmux1 send-keys 'exit 3' Enter
	wait_for 10 shows '^code 3'
	run -1 cloche exec -it box true </dev/null
	assert_equal "$output" "the input device is not a TTY"
	run -0 cloche exec -t -u 1000 box sh -c 'tty; stat -c %u:%g $(tty)'
	assert_equal "$output" $'/dev/pts/0\r\n1000:5\r'
}

# bats test_tags=any-kernel
@test "what is known of an exec: its state, its events" {
	start_box
	run -4 cloche exec -u 1:2 -e X=y box sh -c 'exit 4'
	assert_equal "$(states | jq -c '[.Status, .Pid, .ExitCode, .Args, .User, .Env, .Tty, .Privileged]')" \
		'["exited",0,4,["sh","-c","exit 4"],"1:2",["X=y"],false,false]'
	assert_equal "$(states | jq '.FinishedNs >= .StartedNs and .StartedNs > 0')" true
	assert_equal "$(jq -r 'select(.Action | startswith("exec")) | [.Action, .Actor.Attributes.exitCode // ""] | join("|")' "$CLOCHE_RUN_ROOT/events/journal")" \
		$'exec_create: sh -c exit 4|\nexec_start: sh -c exit 4|\nexec_die|4'
}

# bats test_tags=any-kernel
@test "a hundred at once: each has its own exit code" {
	start_box
	local i failed=0 monitor
	local -a pids
	for ((i = 0; i < 100; i++)); do
		cloche exec box sh -c "exit $i" &
		pids[i]=$!
	done
	for ((i = 0; i < 100; i++)); do
		local code=0
		wait "${pids[i]}" || code=$?
		[ "$code" = "$i" ] || { echo "exec $i ended with $code" && failed=1; }
	done
	[ "$failed" = 0 ]
	# The monitor has forked their supervisors, and waits for the end of each.
	monitor=$(jq .MonitorPid "$CLOCHE_RUN_ROOT"/containers/*/state.json)
	wait_for 5 eval '! ps -o stat= --ppid "$monitor" | grep -q Z'
	assert_equal "$(states | jq -s '[.[] | select(.Status == "exited")] | length')" 100
}

# bats test_tags=once
@test "a realtime caller gets an exec, and a container, of ordinary priority" {
	chrt -f 10 true || skip "no realtime policy here"
	chrt -f 10 cloche run -d --name box cloche/busybox sleep 1000 >/dev/null
	assert_contains "$(chrt -p "$(container_pid box)")" "SCHED_OTHER"
	chrt -f 10 cloche exec -d box sleep 500
	wait_for 5 runs_in_box sleep 500
	exec_pid() { states | jq -s '.[] | select(.Args == ["sleep", "500"]) | .Pid'; }
	wait_for 5 eval '[ "$(exec_pid)" -gt 0 ]'
	assert_contains "$(chrt -p "$(exec_pid)")" "SCHED_OTHER"
}
