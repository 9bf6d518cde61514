#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The caller's accidents: whatever limits, affinity, priority, mask, descriptors, signals, keyring,
# cgroups and session a container is started from, it shows what one started plainly shows. A monitor
# is no child of its caller's session: the session's end is not the container's.
load fault

setup() { setup_engine; }
teardown() { teardown_engine; }

# What a container shows of itself, as text: run in it.
# shellcheck disable=SC2016 # for the shell in the container
show='cat /proc/1/limits /proc/1/cgroup /proc/1/oom_score_adj /proc/1/personality
grep -E "^(Umask|SigBlk|SigIgn|SigCgt|Cap|NoNewPrivs|Seccomp|Cpus_allowed_list|THP_enabled|Groups|Uid|Gid)" /proc/1/status
for f in /proc/1/fd/*; do echo "fd ${f##*/}"; done
echo "nice $(cut -d" " -f19 /proc/1/stat) policy $(cut -d" " -f41 /proc/1/stat)"
echo "session $(cut -d" " -f6 /proc/1/stat) umask $(umask)"; env | sort; stat -c "%a %n" /etc/hosts /etc/hostname / /tmp
cat /proc/keys'

# shown WRAPPER...: that, of a container started under the wrapper.
shown() {
	"$@" cloche run --rm --network none -h box cloche/busybox sh -c "$show" </dev/null
}

assert_shows_the_same() { # WRAPPER...
	local plain other
	plain=$(shown)
	other=$(shown "$@")
	diff <(echo "$plain") <(echo "$other") || { echo "started with: $*" && return 1; }
	[ "$(grep -c ^fd <<<"$plain")" -ge 3 ]
}

@test "one processor, low priority, idle scheduling, a batch policy" {
	assert_shows_the_same taskset -c 0
	assert_shows_the_same nice -n 10
	assert_shows_the_same chrt --idle 0
	assert_shows_the_same ionice -c 3
}

@test "soft limits: open files, file size, CPU time, address space, stack" {
	assert_shows_the_same prlimit --nofile=256:
	assert_shows_the_same prlimit --fsize=8192000:
	assert_shows_the_same prlimit --cpu=30:
	assert_shows_the_same prlimit --stack=1048576:
	assert_shows_the_same prlimit --core=0:
	assert_shows_the_same prlimit --as=1073741824:
}

@test "hard limits, where they may be raised" {
	prlimit --nofile=256:256 prlimit --nofile=1048576:1048576 true 2>/dev/null ||
		skip "without CAP_SYS_RESOURCE nobody can raise a hard limit"
	assert_shows_the_same prlimit --nofile=256:256
	assert_shows_the_same prlimit --nproc=100:100
	assert_shows_the_same prlimit --memlock=65536:65536
}

with_umask() { (umask 077 && "$@"); }
without_stdin() { "$@" <&-; }
without_any() { "$@" <&- 2>&-; }
with_descriptors() {
	(
		for ((i = 10; i < 60; i++)); do eval "exec $i<$ENGINE_DIR/daemon.json"; done
		"$@"
	)
}
ignoring_signals() { (trap '' INT HUP QUIT TERM PIPE USR1 CHLD && "$@"); }
blocking_signals() {
	python3 -c 'import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
os.execvp(sys.argv[1], sys.argv[1:])' "$@"
}

@test "umask 077" {
	assert_shows_the_same with_umask
}

@test "closed standard input, closed standard error, fifty more descriptors" {
	local plain
	plain=$(shown)
	diff <(echo "$plain") <(cloche run --rm --network none -h box cloche/busybox sh -c "$show" <&-)
	diff <(echo "$plain") <(cloche run --rm --network none -h box cloche/busybox sh -c "$show" <&- 2>&-)
	assert_shows_the_same with_descriptors
}

@test "signals ignored or blocked" {
	assert_shows_the_same ignoring_signals
	assert_shows_the_same blocking_signals
}

@test "a session keyring, address randomisation switched off, an environment" {
	if command -v keyctl >/dev/null; then assert_shows_the_same keyctl session - ; fi
	assert_shows_the_same setarch --addr-no-randomize
	assert_shows_the_same env FOO=bar LD_PRELOAD=/nonexistent LC_ALL=C.UTF-8
}

# prctl NUMBER VALUE COMMAND...: run after that call of prctl(2).
prctl() {
	python3 -c 'import ctypes, os, sys
assert ctypes.CDLL(None).prctl(int(sys.argv[1]), int(sys.argv[2]), 0, 0, 0) == 0
os.execvp(sys.argv[3], sys.argv[3:])' "$@"
}

# Only a privileged process reads another's slack.
slack_under() { # WRAPPER...
	"$@" cloche run -d --name timers --network none cloche/busybox sleep 1000 >/dev/null
	cat "/proc/$(container_pid timers)/timerslack_ns"
	cloche rm -f timers >/dev/null
}

@test "huge pages switched off, timers allowed to be late or never" {
	assert_shows_the_same prctl 41 1 # PR_SET_THP_DISABLE
	assert_equal "$(slack_under prctl 29 5000000)" 50000 # PR_SET_TIMERSLACK
	assert_equal "$(slack_under chrt --rr 10)" 50000
}

# ---- the session's end ----

# Groups of a caller in every hierarchy, below a name of this test's own.
make_caller_groups() {
	local mount
	CALLER=fault-${ENGINE_DIR##*.}
	while read -r mount; do
		mkdir "$mount/$CALLER"
		if [ -e "$mount/$CALLER/cpuset.cpus" ] && [ -e "$mount/cgroup.clone_children" ]; then
			cat "$mount/cpuset.cpus" >"$mount/$CALLER/cpuset.cpus"
			cat "$mount/cpuset.mems" >"$mount/$CALLER/cpuset.mems"
		fi
	done < <(cgroup_mounts)
}

# In a shell of its own: enters all of them, then becomes the command.
in_caller_groups() {
	local mount
	while read -r mount; do echo "$BASHPID" >"$mount/$CALLER/cgroup.procs"; done < <(cgroup_mounts)
	exec "$@"
}

kill_caller_groups() {
	local mount
	while read -r mount; do
		# shellcheck disable=SC2046 # one argument a process
		kill -KILL $(cat "$mount/$CALLER/cgroup.procs") 2>/dev/null || true
	done < <(cgroup_mounts)
}

caller_groups_removed() {
	local mount
	while read -r mount; do
		[ ! -d "$mount/$CALLER" ] || rmdir "$mount/$CALLER" 2>/dev/null || return 1
	done < <(cgroup_mounts)
}

@test "the session that started it is killed with its cgroups: the container lives, and can be stopped" {
	local pid monitor
	make_caller_groups
	in_caller_groups setsid cloche run --name lives --network none cloche/busybox \
		sh -c 'trap "exit 3" TERM; while :; do echo tick; sleep 0.05; done' >"$ENGINE_DIR/out" 2>&1 3>&- &
	wait_for 5 grep -q tick "$ENGINE_DIR/out"
	pid=$(container_pid lives)
	monitor=$(proc_status "$pid" PPid)
	[ "$(cat "/proc/$pid/cgroup" "/proc/$monitor/cgroup" | grep -c "$CALLER")" -eq 0 ]
	kill_caller_groups
	wait_for 2 caller_groups_removed
	kill -0 "$pid"
	kill -0 "$monitor"
	container_is lives running
	wait_for 2 sh -c "test \$(grep -c tick $CLOCHE_ROOT/containers/*/*-json.log) -gt \$(grep -c tick $ENGINE_DIR/out)"
	cloche stop lives
	assert_equal "$(inspect lives .State.ExitCode)" 3
	cloche rm lives
}

# shellcheck disable=SC2016 # for the shell in the container
chatter='i=0; while [ $i -lt 2000 ]; do echo "line $i of many that are longer than the limit"; i=$((i+1)); done; exit 5'

@test "a limit on the caller's files does not end the container's log" {
	cloche run --name chatty --network none cloche/busybox sh -c "$chatter" >/dev/null 3>&- || true
	prlimit --fsize=65536: cloche start chatty >/dev/null
	assert_equal "$(cloche wait chatty)" 5
	assert_equal "$(grep -c 'line 1999' "$CLOCHE_ROOT"/containers/*/*-json.log)" 2
}
