#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Streams and terminals: bytes as they are, a shell in a real terminal (tmux), signals, detaching.
# shellcheck disable=SC2154 # bats sets status, output, stderr

bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_engine
	terminals=0
	cd "$ENGINE_DIR"
}

teardown() {
	local socket
	for socket in "$ENGINE_DIR"/tmux*; do
		[ ! -S "$socket" ] || tmux -S "$socket" kill-server || true
	done
	teardown_engine
}

# terminal COMMAND: runs it by a shell in a terminal of 100 x 30. The terminal stays for a look when the
# command has ended; its exit code goes to $ENGINE_DIR/code.
terminal() {
	rm -f "$ENGINE_DIR/code"
	TMUX_SOCKET=$ENGINE_DIR/tmux$((++terminals))
	tmux -S "$TMUX_SOCKET" -f /dev/null new-session -d -x 100 -y 30 \
		"$1; echo \$? >$ENGINE_DIR/code.tmp; stty -a >$ENGINE_DIR/stty; mv $ENGINE_DIR/code.tmp $ENGINE_DIR/code; exec sleep 1000"
}

type_keys() {
	tmux -S "$TMUX_SOCKET" send-keys "$@"
}

screen() {
	tmux -S "$TMUX_SOCKET" capture-pane -p
}

screen_shows() { # REGEX
	screen | grep -Eq -- "$1"
}

await_screen() {
	wait_for 10 screen_shows "$1" || {
		echo "never on the screen: $1"
		screen
		return 1
	}
}

# Of this engine's: other tests have processes with the same arguments.
a_container_runs() { # ARGUMENTS...
	grep -lsF "/$ENGINE_CGROUP/" /proc/[0-9]*/cgroup | sed 's/cgroup$/cmdline/' | xargs -r grep -lsaxz -F -e "$1" |
		xargs -r grep -qsaxz -F -e "$2"
}

await_code() { # EXPECTED
	wait_for 10 [ -e "$ENGINE_DIR/code" ] || { screen; return 1; }
	assert_equal "$(cat "$ENGINE_DIR/code")" "$1"
}

# bats test_tags=once
@test "100 MB through standard input and output, byte for byte" {
	head -c 100000000 /dev/urandom >in
	cloche run --rm -i cloche/busybox cat <in >out
	cmp in out
	# pipes on both sides, which are full and empty at other times
	assert_equal "$(cat in | cloche run --rm -i cloche/busybox cat | sha256sum)" "$(sha256sum <in)"
}

@test "standard error stays apart, and both are complete at the exit" {
	cloche run --rm cloche/busybox sh -c \
		'i=0; while [ $i -lt 2000 ]; do echo "out $i"; echo "err $i" >&2; i=$((i + 1)); done' >out 2>err
	assert_equal "$(sha256sum <out)" "$(seq -f 'out %g' 0 1999 | sha256sum)"
	assert_equal "$(sha256sum <err)" "$(seq -f 'err %g' 0 1999 | sha256sum)"
}

# in_write PID: true if the process waits in a write to its standard output (system call 1 on x86-64, 64
# on others).
in_write() {
	grep -Eq '^(1|64) 0x1 ' "/proc/$1/syscall"
}

@test "a reader that waits holds the container back, and then gets every byte" {
	mkfifo fifo
	cloche run --name slow cloche/busybox head -c 5000000 /dev/zero >fifo &
	exec 5<fifo
	wait_for 5 container_is slow running
	wait_for 5 in_write "$(container_pid slow)"
	assert_equal "$(wc -c <&5)" 5000000
	exec 5<&-
	wait $!
}

@test "the end of standard input reaches the container; output goes on" {
	run -0 cloche run --rm -i cloche/busybox sh -c 'cat; echo after the end' <<<'the input'
	assert_equal "$output" $'the input\nafter the end'
}

@test "closed standard streams do no harm" {
	run -5 bash -c 'cloche run --rm -i cloche/busybox sh -c "cat; exit 5" <&-'
	run -6 bash -c 'cloche run --rm cloche/busybox sh -c "echo x; echo y >&2; exit 6" <&- >&- 2>&-'
}

@test "a reader that goes away ends the client as it ends any writer" {
	run -0 bash -c 'set +o pipefail; cloche run --rm cloche/busybox yes | head -n 1; echo "${PIPESTATUS[0]}"'
	assert_equal "$output" $'y\n141'
	cloche ps -q | xargs -r cloche kill >/dev/null
}

@test "signals to the client reach PID 1" {
	local rc=0
	cloche run --name sig cloche/busybox sh -c 'trap "exit 42" USR1; echo ready; while :; do sleep 0.05; done' >out &
	wait_for 5 grep -q ready out
	kill -USR1 $!
	wait $! || rc=$?
	assert_equal "$rc" 42
}

@test "signals reach PID 1 although it does not read its input" {
	local rc=0 client
	cloche run -i --name sig cloche/busybox sh -c 'trap "exit 43" TERM; echo ready; while :; do sleep 0.05; done' \
		</dev/zero >out &
	client=$!
	wait_for 5 grep -q ready out
	kill -TERM "$client"
	wait "$client" || rc=$?
	assert_equal "$rc" 43
}

@test "-t without -i gives a terminal; what is no terminal is refused with -it" {
	run -0 cloche run --rm -t cloche/busybox sh -c '[ -t 0 ] && [ -t 1 ] && echo yes'
	assert_equal "$output" $'yes\r'
	run -1 cloche run --rm -it cloche/busybox true </dev/null
	assert_equal "$output" "the input device is not a TTY"
	assert_equal "$(cloche ps -aq)" ""
}

# Asks again: the shell hears of its children's states when it looks.
shell_says_running() {
	type_keys 'jobs' Enter
	screen | grep -q 'Running.*sleep 500'
}

@test "-it: a shell with job control, the terminal's size, ctrl-C and the exit code" {
	terminal "cloche run --rm -it cloche/busybox sh"
	await_screen '^/ #'
	type_keys 'stty size; tty' Enter
	await_screen '^30 100$'
	await_screen '^/dev/pts/0$'
	type_keys 'sleep 500' Enter
	wait_for 10 a_container_runs sleep 500
	type_keys C-z
	await_screen 'Stopped.*sleep 500'
	type_keys 'bg' Enter
	await_screen '^\[1\] sleep 500'
	wait_for 10 shell_says_running
	type_keys 'sleep 600' Enter
	wait_for 10 a_container_runs sleep 600
	type_keys C-c
	type_keys 'echo interrupted $?' Enter
	await_screen '^interrupted 130$'
	type_keys 'exit 9' Enter
	await_code 9
}

# Asks again: the size has its own way through, which may be slower than the keys'.
shell_says_size() { # ROWS_COLUMNS
	type_keys 'clear; stty size' Enter
	screen_shows "^$1\$"
}

@test "-it: the size follows the terminal" {
	terminal "cloche run --rm -it cloche/busybox sh"
	await_screen '^/ #'
	tmux -S "$TMUX_SOCKET" resize-window -x 77 -y 21
	wait_for 10 shell_says_size '21 77'
	type_keys 'exit' Enter
	await_code 0
}

@test "-it: the caller's terminal is as before, after an exit, a kill and a signal to the client" {
	terminal "stty -a >$ENGINE_DIR/stty.before; cloche run -it --name tty1 cloche/busybox sh -c 'stty raw; exit 0'"
	await_code 0
	assert_equal "$(cat stty)" "$(cat stty.before)"
	terminal "cloche run -it --name tty2 cloche/busybox sleep 1000"
	wait_for 5 container_is tty2 running
	cloche kill tty2 >/dev/null
	await_code 137
	assert_equal "$(cat stty)" "$(cat stty.before)"
	terminal "sh -c 'echo \$\$ >$ENGINE_DIR/client; exec cloche run -it --name tty3 cloche/busybox sleep 1000'"
	wait_for 5 container_is tty3 running
	kill -TERM "$(cat client)"
	await_code 143
	assert_equal "$(cat stty)" "$(cat stty.before)"
	container_is tty3 running
}

@test "ctrl-p ctrl-q leaves the container running; start -ai comes back to an exited one" {
	terminal "cloche run -it --name kept cloche/busybox sh"
	await_screen '^/ #'
	type_keys C-p C-q
	await_code 0
	container_is kept running
	cloche kill kept >/dev/null
	wait_for 5 container_is kept exited
	terminal "cloche start -ai kept"
	await_screen '^/ #'
	type_keys 'exit 4' Enter
	await_code 4
}

@test "leaving an exec by its detach keys is told, and the process goes on" {
	cloche run -d --name web cloche/busybox sleep 1000
	terminal "cloche exec -it web sh"
	await_screen '^/ #'
	type_keys C-p C-q
	await_code 1
	await_screen 'read escape sequence'
	assert_equal "$(cloche events --since 1h --until "$(date +%s.%N)" -f event=exec_detach \
		--format '{{.Actor.Attributes.execID}}')" "$(cloche inspect -f '{{index .ExecIDs 0}}' web)"
}

@test "--detach-keys: others, and bad ones refused" {
	terminal "cloche run -it --detach-keys ctrl-x,y --name other cloche/busybox cat"
	wait_for 5 container_is other running
	type_keys hello Enter
	await_screen '^hello$'
	type_keys C-x y
	await_code 0
	container_is other running
	run -125 cloche run --rm --detach-keys nonsense cloche/busybox true
	assert_contains "$output" "Invalid detach keys (nonsense) provided"
	assert_contains "$output" "Run 'cloche run --help' for more information"
	cloche create --name idle cloche/busybox true >/dev/null
	run -1 cloche start -a --detach-keys nonsense idle
	container_is idle created
	run -1 cloche attach --detach-keys nonsense other
	assert_equal "$output" "cloche: Invalid detach keys (nonsense) provided"
}
