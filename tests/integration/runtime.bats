#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cloche-runtime as containerd, Podman and people call it: runc's commands on a bundle. What a container
# is said to be is compared with the kernel's own files.

bats_require_minimum_version 1.5.0
load runtime_helpers

setup() { setup_runtime; }
teardown() { teardown_runtime; }

# bats test_tags=any-kernel
@test "run prints what the program prints and ends with its exit code" {
	use_args sh -c 'echo out; echo err >&2; exit 7'
	run --separate-stderr rt run c
	assert_status 7
	assert_equal "$output" out
	# shellcheck disable=SC2154 # set by run
	assert_equal "$stderr" err
	[ -z "$(rt list -q)" ]
}

# bats test_tags=any-kernel
@test "run says 128+n for a program that a signal ended" {
	configure '.linux.namespaces |= map(select(.type != "pid"))'
	use_args sh -c 'kill -KILL $$'
	run rt run c
	assert_status 137
}

# bats test_tags=any-kernel
@test "spec writes a bundle once, for runc as for us" {
	mkdir "$DIR/fresh"
	cd "$DIR/fresh"
	rt spec
	jq -e '.process.args == ["sh"] and (.linux.namespaces | length == 5)' config.json
	run rt spec
	assert_status 1
	assert_contains "$output" "config.json exists"
}

@test "the life of a container: created, running, stopped, gone" {
	use_args sh -c 'touch /tmp/started; exec sleep 1000'
	rt create --pid-file "$DIR/pid" c
	local pid
	pid=$(cat "$DIR/pid")
	assert_equal "$(status_of c)" created
	assert_equal "$(rt state c | jq .pid)" "$pid"
	[ ! -e rootfs/tmp/started ]
	rt start c
	wait_for 5 test -e rootfs/tmp/started
	assert_equal "$(status_of c)" running
	wait_for 5 grep -qa sleep "/proc/$pid/cmdline"
	assert_equal "$(rt ps -f json c)" "[$pid]"
	rt kill c KILL
	wait_for 5 has_status c stopped
	assert_equal "$(rt state c | jq .pid)" 0
	rt delete c
	run rt state c
	assert_status 1
	assert_contains "$output" "does not exist"
	[ ! -d "$DIR/state/c" ]
}

# bats test_tags=any-kernel
@test "what is not possible in a state is refused and changes nothing" {
	use_args sleep 1000
	rt create c
	run rt create c
	assert_status 1
	assert_contains "$output" "already exists"
	rt start c
	run rt start c
	assert_status 1
	assert_contains "$output" "cannot start an already running container"
	run rt delete c
	assert_status 1
	assert_contains "$output" "not stopped: running"
	assert_equal "$(status_of c)" running
	rt kill c 9
	wait_for 5 has_status c stopped
	run rt kill c
	assert_status 1
	assert_contains "$output" "container not running"
	run rt start c
	assert_contains "$output" "cannot start a container that has stopped"
	rt delete c
	run rt delete c
	assert_status 1
	rt delete -f c
}

@test "a created container can be deleted before it starts" {
	use_args touch /tmp/started
	rt create c
	rt delete c
	[ ! -e rootfs/tmp/started ]
	no_group c
}

# bats test_tags=any-kernel
@test "a missing program is told by create, with nothing left behind" {
	use_args /no/such/program
	run rt create c
	assert_status 1
	assert_contains "$output" "/no/such/program"
	[ -z "$(rt list -q)" ]
	no_group c
}

# bats test_tags=any-kernel
@test "messages go to --log in the form that containerd reads" {
	run --separate-stderr rt --log "$DIR/log" --log-format json state nobody
	assert_status 1
	assert_contains "$stderr" 'container "nobody" does not exist'
	jq -e '.level == "error" and (.msg | contains("does not exist")) and .time' "$DIR/log"
}

# bats test_tags=any-kernel
@test "what this version does not do is refused aloud" {
	run rt create --no-pivot c
	assert_status 1
	assert_contains "$output" "not supported"
	run rt --systemd-cgroup list
	assert_status 1
	configure '.linux.intelRdt = {closID: "x"}'
	run rt create c
	assert_status 1
	assert_contains "$output" "linux.intelRdt: is not supported"
	run rt checkpoint c
	assert_status 1
}

# bats test_tags=any-kernel
@test "ids that are no file names are refused" {
	for id in '' . .. ../x a/b '-x' 'a b' $'a\nb'; do
		run rt create -- "$id"
		assert_status 1
	done
}

@test "limits and device rules are in the kernel's files" {
	configure '.linux.resources.memory = {limit: 67108864} | .linux.resources.pids = {limit: 9}
		| .linux.resources.cpu = {quota: 50000, period: 100000, shares: 512}'
	use_args sleep 1000
	rt create --pid-file "$DIR/pid" c
	rt start c
	local pid
	pid=$(cat "$DIR/pid")
	if [ "$(cgroup_version)" = 2 ]; then
		assert_equal "$(cat "$(cgroup_dir "$pid" memory)/memory.max")" 67108864
		assert_equal "$(cat "$(cgroup_dir "$pid" cpu)/cpu.max")" "50000 100000"
	else
		assert_equal "$(cat "$(cgroup_dir "$pid" memory)/memory.limit_in_bytes")" 67108864
		assert_equal "$(cat "$(cgroup_dir "$pid" cpu)/cpu.cfs_quota_us")" 50000
		assert_contains "$(cat "$(cgroup_dir "$pid" devices)/devices.list")" "c 1:3 rwm"
	fi
	assert_equal "$(cat "$(cgroup_dir "$pid" pids)/pids.max")" 9
}

@test "a block device that was not granted cannot be read, null can" {
	configure '.process.capabilities |= map_values(. + ["CAP_MKNOD"])'
	use_args sh -c 'echo x >/dev/null && mknod /tmp/d b 7 0 && ! dd if=/tmp/d of=/dev/null bs=1 count=1 2>/tmp/err
		grep -o "not permitted" /tmp/err'
	configure '.mounts += [{destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["dev"]}]'
	run rt run c
	assert_status 0
	assert_equal "$output" "not permitted"
}

# bats test_tags=any-kernel
@test "hooks run in order, each with the state it may know" {
	mkdir "$DIR/out"
	cat >"$DIR/hook" <<-'SCRIPT'
		#!/bin/sh
		read -r state
		echo "$1 $(echo "$state" | sed 's/.*"status":"\([a-z]*\)".*/\1/')" >>"$2"
	SCRIPT
	chmod +x "$DIR/hook"
	cp "$DIR/hook" rootfs/bin/hook
	ln -s busybox rootfs/bin/sed
	# shellcheck disable=SC2016 # the names are jq's
	configure '
		def hook(name): [{path: $hook, args: ["hook", name, ($out + "/log")], env: ["PATH=/usr/bin:/bin"]}];
		.hooks = {prestart: hook("prestart"), createRuntime: hook("createRuntime"),
			createContainer: hook("createContainer"), poststart: hook("poststart"), poststop: hook("poststop"),
			startContainer: [{path: "/bin/hook", args: ["hook", "startContainer", "/out/log"], env: ["PATH=/bin"]}]}
		| .mounts += [{destination: "/out", type: "bind", source: $out, options: ["bind"]}]' \
		--arg hook "$DIR/hook" --arg out "$DIR/out"
	use_args sh -c 'exec sleep 1000'
	rt create c
	rt start c
	rt delete -f c
	assert_equal "$(cut -d' ' -f1 "$DIR/out/log" | tr '\n' ' ')" \
		"prestart createRuntime createContainer startContainer poststart poststop "
	assert_equal "$(sed -n 2p "$DIR/out/log")" "createRuntime creating"
	assert_equal "$(sed -n 5p "$DIR/out/log")" "poststart running"
	assert_equal "$(sed -n 6p "$DIR/out/log")" "poststop stopped"
}

# bats test_tags=any-kernel
@test "a hook that fails or hangs ends create with nothing left" {
	configure '.hooks = {createRuntime: [{path: "/bin/false"}]}'
	run rt create c
	assert_status 1
	assert_contains "$output" "createRuntime hook /bin/false: exit status 1"
	configure '.hooks = {prestart: [{path: "/bin/sleep", args: ["sleep", "1000"], timeout: 1}]}'
	run rt create c
	assert_status 1
	assert_contains "$output" "no end after 1 seconds"
	[ -z "$(rt list -q)" ]
	no_group c
}

# bats test_tags=any-kernel
@test "the terminal's master goes to the console socket" {
	configure '.process.terminal = true | .process.consoleSize = {height: 33, width: 77}'
	use_args sh -c 'tty; stty size'
	run rt create c
	assert_status 1
	assert_contains "$output" "console socket"
	"$BATS_TEST_DIRNAME/receive-terminal" "$DIR/tty.sock" >"$DIR/tty.out" &
	wait_for 5 test -S "$DIR/tty.sock"
	rt create --console-socket "$DIR/tty.sock" c
	rt start c
	wait "$!"
	assert_contains "$(cat "$DIR/tty.out")" "/dev/pts/0"
	assert_contains "$(cat "$DIR/tty.out")" "33 77"
}

# bats test_tags=any-kernel
@test "run in the foreground passes signals on" {
	use_args sh -c 'trap "exit 9" TERM; touch /tmp/ready; while :; do sleep 0.05; done'
	rt run c &
	local runner=$! status=0
	wait_for 5 test -e rootfs/tmp/ready
	kill -TERM "$(pgrep -P "$runner" -f 'cloche-runtime' || echo "$runner")"
	wait "$runner" || status=$?
	assert_equal "$status" 9
	[ -z "$(rt list -q)" ]
}

# bats test_tags=any-kernel
@test "only preserved descriptors reach the program" {
	use_args sh -c 'cat <&3; ls /proc/self/fd | tr "\n" " "'
	ln -s busybox rootfs/bin/tr
	echo kept >"$DIR/three"
	run rt run --preserve-fds 1 c 3<"$DIR/three" 4</dev/null 5</dev/null
	assert_status 0
	# 4 is the directory that ls reads
	assert_equal "$(echo "$output" | tr '\n' ' ')" "kept 0 1 2 3 4  "
	run rt run --preserve-fds 900 c
	assert_status 1
}

@test "a paused container shows it, and can be resumed or deleted by force" {
	use_args sleep 1000
	rt create c
	rt start c
	rt pause c
	assert_equal "$(status_of c)" paused
	rt resume c
	assert_equal "$(status_of c)" running
	rt pause c
	rt delete -f c
	[ -z "$(rt list -q)" ]
}

has_processes() { # CONTAINER COUNT
	[ "$(rt ps -f json "$1" | jq length)" = "$2" ]
}

@test "kill --all reaches every process of a container without a pid namespace" {
	configure '.linux.namespaces |= map(select(.type != "pid"))'
	use_args sh -c 'sleep 1000 & sleep 1000 & wait'
	rt create c
	rt start c
	wait_for 5 has_processes c 3
	rt kill --all c KILL
	wait_for 5 has_status c stopped
	assert_equal "$(rt ps -f json c)" "[]"
}

# bats test_tags=any-kernel
@test "list shows all containers, in a table, as JSON, or ids alone" {
	use_args sleep 1000
	use_group "$GROUP/a"
	rt create a
	use_group "$GROUP/b"
	rt create b
	rt start b
	assert_equal "$(rt list -q | tr '\n' ' ')" "a b "
	assert_equal "$(rt list -f json | jq -r '.[] | .id + "=" + .status' | tr '\n' ' ')" "a=created b=running "
	assert_equal "$(rt list | awk 'NR == 2 { print $1, $3 }')" "a created"
	run rt list -f xml
	assert_status 1
}

hook_sleeps() {
	pgrep -P "$(pgrep -d, -f "cloche-runtime --root $DIR/state create c")" -x sleep >/dev/null
}

@test "a create that was killed leaves nothing that delete -f does not remove" {
	configure '.hooks = {prestart: [{path: "/bin/sleep", args: ["sleep", "1000"]}]}'
	rt create c 3>&- &
	local creator=$! hook
	wait_for 5 test -e "$DIR/state/c/state.json"
	wait_for 5 sh -c "grep -q '\"pid\":[1-9]' '$DIR/state/c/state.json'"
	# Before it is executed the hook has its maker's name, and would outlive it unseen.
	wait_for 5 hook_sleeps
	pgrep -f "cloche-runtime --root $DIR/state create c" | while read -r pid; do
		hook=$(pgrep -P "$pid" -x sleep || true)
		kill -KILL "$pid"
		[ -z "$hook" ] || kill -KILL "$hook"
	done
	wait "$creator" || true
	rt delete -f c
	[ -z "$(rt list -q)" ]
}

# bats test_tags=any-kernel
@test "features names what the specification asks for" {
	rt features | jq -e '.ociVersionMax == "1.2.0" and (.hooks | length) == 6 and
		(.linux.namespaces | index("pid")) and (.linux.seccomp.actions | index("SCMP_ACT_ERRNO"))'
}

# bats test_tags=any-kernel
@test "a bundle that umoci unpacked runs" {
	command -v umoci >/dev/null || skip "umoci is not installed"
	cd "$DIR"
	umoci init --layout layout
	umoci new --image layout:latest
	umoci unpack --image layout:latest unpacked >/dev/null
	make_rootfs "$DIR/unpacked/rootfs"
	jq --arg path "/$GROUP/u" '.process.terminal = false | .linux.cgroupsPath = $path
		| .process.args = ["sh", "-c", "echo from umoci; id"]' unpacked/config.json >new.json
	mv new.json unpacked/config.json
	run rt run -b "$DIR/unpacked" u
	assert_status 0
	assert_equal "${lines[0]}" "from umoci"
}

@test "capabilities that our caller gave up are left out, and said" {
	configure '.process.capabilities |= map_values(. + ["CAP_SYS_BOOT"])'
	use_args grep CapBnd /proc/self/status
	run --separate-stderr setpriv --bounding-set -sys_boot "$BUILD/bin/cloche-runtime" --root "$DIR/state" run c
	assert_status 0
	# kill, net_bind_service, audit_write
	assert_equal "$output" $'CapBnd:\t0000000020000420'
	assert_contains "$stderr" "CAP_SYS_BOOT is not available here and not granted"
}

# bats test_tags=any-kernel
@test "a program that cannot be executed after all is told by start" {
	printf '#!/no/such/interpreter\n' >rootfs/bin/broken
	chmod +x rootfs/bin/broken
	use_args /bin/broken
	rt create c
	run rt start c
	assert_status 1
	assert_contains "$output" "/bin/broken"
	# Its parent, who reaps it, is the machine's init.
	wait_for 5 has_status c stopped
	rt delete c
}
