#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Every flag of run, as the kernel sees it from outside: /proc, mountinfo, cgroup files.
# shellcheck disable=SC2154 # bats sets status, output, stderr

bats_require_minimum_version 1.5.0
load helpers
setup() { setup_engine; }
teardown() {
	! mountpoint -q "$ENGINE_DIR/src" || umount -l "$ENGINE_DIR/src"
	teardown_engine
}

# up FLAGS...: a container `box` of the built-in image that sleeps, started with these flags. Its PID 1
# is in $pid.
up() {
	cloche create --name box "$@" cloche/busybox sleep 1000 >/dev/null
	cloche start box >/dev/null
	pid=$(container_pid box)
}

ns() { # PID NAMESPACE
	readlink "/proc/$1/ns/$2"
}

environment() { # NAME
	tr '\0' '\n' <"/proc/$pid/environ" | sed -n "s/^$1=//p"
}

# bats test_tags=any-kernel
@test "-e: given, inherited from the caller, from a file, from the image" {
	printf 'FILE=1\nBOTH=file\n' >"$ENGINE_DIR/env"
	INHERITED=yes up -e GIVEN='a b' -e INHERITED -e NOT_SET_ANYWHERE -e BOTH=flag --env-file "$ENGINE_DIR/env"
	assert_equal "$(environment GIVEN)" "a b"
	assert_equal "$(environment INHERITED)" yes
	assert_equal "$(environment FILE)" 1
	assert_equal "$(environment BOTH)" flag
	assert_equal "$(environment PATH)" /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	assert_equal "$(environment HOSTNAME)" "$(inspect box .Config.Hostname)"
	! tr '\0' '\n' <"/proc/$pid/environ" | grep -q NOT_SET_ANYWHERE
}

# bats test_tags=any-kernel
@test "-e NAME that the caller has not: the variable is taken away" {
	run -0 env -u ABSENT -u LANG cloche run --rm -e ABSENT -e LANG=C -e LANG cloche/busybox env
	[[ $output != *LANG* ]]
	[[ $output != *ABSENT* ]]
}

# bats test_tags=any-kernel
@test "-w: made when missing, and PID 1 stands in it" {
	up -w /made/for/it
	assert_equal "$(readlink "/proc/$pid/cwd")" /made/for/it
}

# bats test_tags=any-kernel
@test "-u and --group-add: numbers and names, resolved in the image" {
	up -u 1234:5678 --group-add 42 --group-add wheel
	assert_equal "$(proc_status "$pid" Uid)" $'1234\t1234\t1234\t1234'
	assert_equal "$(proc_status "$pid" Gid)" $'5678\t5678\t5678\t5678'
	assert_equal "$(proc_status "$pid" Groups | xargs -n1 | sort -n | xargs)" "10 42 5678"
	assert_equal "$(proc_status "$pid" CapEff)" 0000000000000000
}

# bats test_tags=any-kernel
@test "-h: the host name, also in /etc/hostname and the environment" {
	up -h named.box
	assert_equal "$(nsenter -t "$pid" -u hostname)" named.box
	assert_equal "$(cat "/proc/$pid/root/etc/hostname")" named.box
	assert_equal "$(environment HOSTNAME)" named.box
}

# bats test_tags=any-kernel
@test "the host name is the short id when none is given" {
	up
	assert_equal "$(nsenter -t "$pid" -u hostname)" "$(inspect box '.Id[0:12]')"
}

# bats test_tags=any-kernel
@test "--entrypoint: replaces the image's, its command is dropped" {
	cloche create --name box --entrypoint /bin/sleep cloche/busybox 777 >/dev/null
	cloche start box >/dev/null
	assert_equal "$(tr '\0' ' ' <"/proc/$(container_pid box)/cmdline")" "/bin/sleep 777 "
}

# bats test_tags=any-kernel
@test "-l and --label-file: shown by inspect and found by ps" {
	printf 'from=file\n' >"$ENGINE_DIR/labels"
	up -l key=value -l bare --label-file "$ENGINE_DIR/labels"
	assert_equal "$(inspect box '.Config.Labels | [.key, .bare, .from] | join(",")')" value,,file
	assert_equal "$(cloche ps --filter label=from=file --format '{{.Names}}')" box
}

# bats test_tags=any-kernel
@test "--name: taken once; --rm: gone after the exit, its name free again" {
	up
	run -125 cloche run --rm --name box cloche/busybox true
	assert_contains "$output" 'Conflict. The container name "/box" is already in use by container'
	run -0 cloche run --rm --name gone cloche/busybox true
	wait_for 5 bash -c '[ -z "$(cloche ps -aq --filter name=gone)" ]'
	run -0 cloche run --rm --name gone cloche/busybox true
}

# bats test_tags=once
@test "-v: a host directory, read-only, with propagation; a missing source is made" {
	mkdir "$ENGINE_DIR/src"
	mount -t tmpfs test "$ENGINE_DIR/src"
	mount --make-shared "$ENGINE_DIR/src"
	echo host >"$ENGINE_DIR/src/file"
	up -v "$ENGINE_DIR/src:/rw" -v "$ENGINE_DIR/src:/ro:ro,rslave" -v "$ENGINE_DIR/new:/new"
	assert_equal "$(cat "/proc/$pid/root/rw/file")" host
	[[ $(container_mount box /rw | cut -d' ' -f6) == rw* ]]
	[[ $(container_mount box /ro | cut -d' ' -f6) == ro* ]]
	assert_contains "$(container_mount box /ro)" " master:"
	[ -d "$ENGINE_DIR/new" ]
	run -0 nsenter -t "$pid" -m /bin/busybox sh -c 'echo x >/rw/out; echo y >/ro/out 2>/dev/null; true'
	assert_equal "$(cat "$ENGINE_DIR/src/out")" x
}

# bats test_tags=any-kernel
@test "-v NAME: a volume that outlives the container, filled from the image at first" {
	up -v keep:/etc
	[ -e "$CLOCHE_ROOT/volumes/keep/_data/passwd" ]
	echo mine >"/proc/$pid/root/etc/mine"
	cloche rm -f box >/dev/null
	up -v keep:/kept
	assert_equal "$(cat "/proc/$pid/root/kept/mine")" mine
}

# bats test_tags=once
@test "--mount: bind read-only from a source that must exist, tmpfs with size and mode" {
	echo content >"$ENGINE_DIR/file"
	up --mount "type=bind,source=$ENGINE_DIR/file,target=/file,readonly" \
		--mount type=tmpfs,target=/scratch,tmpfs-size=3m,tmpfs-mode=0750
	assert_equal "$(cat "/proc/$pid/root/file")" content
	[[ $(container_mount box /file | cut -d' ' -f6) == ro* ]]
	assert_contains "$(container_mount box /scratch)" "size=3072k"
	assert_equal "$(stat -c %a "/proc/$pid/root/scratch")" 750
}

# bats test_tags=once
@test "--tmpfs: Docker's flags by default, and those given" {
	up --tmpfs /plain --tmpfs /sized:size=2m,exec
	assert_equal "$(container_mount box /plain | cut -d' ' -f6)" "rw,nosuid,nodev,noexec,relatime"
	assert_contains "$(container_mount box /sized)" "size=2048k"
	[[ $(container_mount box /sized | cut -d' ' -f6) != *noexec* ]]
	assert_equal "$(stat -c %a "/proc/$pid/root/plain")" 1777
}

# bats test_tags=once
@test "--read-only: the root cannot be written, what is mounted can" {
	up --read-only --tmpfs /tmp
	[[ $(container_mount box / | cut -d' ' -f6) == ro* ]]
	touch "/proc/$pid/root/tmp/x"
	! touch "/proc/$pid/root/x" 2>/dev/null
}

@test "-m and --memory-swap: limits in the group" {
	up -m 64m --memory-swap 96m
	assert_equal "$(cgroup_file box memory memory.limit_in_bytes memory.max)" 67108864
	if [ "$(cgroup_version)" = 2 ]; then
		assert_equal "$(cgroup_file box memory '' memory.swap.max)" 33554432
	elif [ -e "$(cgroup_dir "$pid" memory)/memory.memsw.limit_in_bytes" ]; then
		assert_equal "$(cgroup_file box memory memory.memsw.limit_in_bytes '')" 100663296
	fi
}

@test "--cpus, --cpu-period and --cpu-quota: the scheduler's bandwidth" {
	up --cpus 0.5
	if [ "$(cgroup_version)" = 2 ]; then
		assert_equal "$(cgroup_file box cpu '' cpu.max)" "50000 100000"
	else
		assert_equal "$(cgroup_file box cpu cpu.cfs_quota_us '') $(cgroup_file box cpu cpu.cfs_period_us '')" "50000 100000"
	fi
	cloche rm -f box >/dev/null
	up --cpu-period 50000 --cpu-quota 20000
	if [ "$(cgroup_version)" = 2 ]; then
		assert_equal "$(cgroup_file box cpu '' cpu.max)" "20000 50000"
	else
		assert_equal "$(cgroup_file box cpu cpu.cfs_quota_us '') $(cgroup_file box cpu cpu.cfs_period_us '')" "20000 50000"
	fi
}

@test "--cpu-shares: the weight" {
	up --cpu-shares 512
	if [ "$(cgroup_version)" = 2 ]; then
		assert_equal "$(cgroup_file box cpu '' cpu.weight)" 20
	else
		assert_equal "$(cgroup_file box cpu cpu.shares '')" 512
	fi
}

@test "--cpuset-cpus: where PID 1 may run" {
	up --cpuset-cpus 0
	assert_equal "$(proc_status "$pid" Cpus_allowed_list)" 0
	assert_equal "$(cgroup_file box cpuset cpuset.cpus cpuset.cpus)" 0
}

@test "--pids-limit: in the group; -1 is none" {
	up --pids-limit 20
	assert_equal "$(cgroup_file box pids pids.max pids.max)" 20
	cloche rm -f box >/dev/null
	up --pids-limit -1
	assert_equal "$(cgroup_file box pids pids.max pids.max)" max
}

@test "capabilities: the default set, --cap-add, --cap-drop, ALL" {
	local caps
	up
	assert_equal "$(proc_status "$pid" CapEff)" 00000000a80425fb
	assert_equal "$(proc_status "$pid" CapBnd)" 00000000a80425fb
	cloche rm -f box >/dev/null
	up --cap-add NET_ADMIN --cap-drop CAP_MKNOD
	caps=$((0x00000000a80425fb | 1 << 12))
	assert_equal "$(proc_status "$pid" CapEff)" "$(printf '%016x' $((caps & ~(1 << 27))))"
	cloche rm -f box >/dev/null
	up --cap-drop ALL
	assert_equal "$(proc_status "$pid" CapEff)" 0000000000000000
	assert_equal "$(proc_status "$pid" CapBnd)" 0000000000000000
}

# bats test_tags=once
@test "--privileged: all this host can give, no filter, devices, writable /proc/sys" {
	local device
	# It gets those that are there when it starts; others' tests make and remove some.
	device=$(find /dev -maxdepth 1 -type b | head -n 1)
	up --privileged
	assert_equal "$(proc_status "$pid" CapEff)" "$(proc_status self CapBnd)"
	assert_equal "$(proc_status "$pid" Seccomp)" 0
	! container_mount box /proc/sys
	[ -b "/proc/$pid/root$device" ]
}

@test "seccomp: on by default, off, and a profile of the user's" {
	up
	assert_equal "$(proc_status "$pid" Seccomp)" 2
	cloche rm -f box >/dev/null
	up --security-opt seccomp=unconfined
	assert_equal "$(proc_status "$pid" Seccomp)" 0
	echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":1}]}' \
		>"$ENGINE_DIR/profile.json"
	run -1 cloche run --rm --security-opt "seccomp=$ENGINE_DIR/profile.json" cloche/busybox mkdir /x
	assert_contains "$output" "Operation not permitted"
}

# bats test_tags=once
@test "--security-opt no-new-privileges: the kernel's flag" {
	up
	assert_equal "$(proc_status "$pid" NoNewPrivs)" 0
	cloche rm -f box >/dev/null
	up --security-opt no-new-privileges
	assert_equal "$(proc_status "$pid" NoNewPrivs)" 1
	assert_equal "$(proc_status "$pid" Seccomp)" 2
}

# bats test_tags=once
@test "--ulimit: soft and hard, as the kernel has them" {
	up --ulimit nofile=100:200 --ulimit nproc=50 --ulimit core=0
	assert_equal "$(awk '/^Max open files/ {print $4, $5}' "/proc/$pid/limits")" "100 200"
	assert_equal "$(awk '/^Max processes/ {print $3, $4}' "/proc/$pid/limits")" "50 50"
	assert_equal "$(awk '/^Max core file size/ {print $5, $6}' "/proc/$pid/limits")" "0 0"
}

# bats test_tags=once
@test "--shm-size: of /dev/shm; 64 MB when not given" {
	up --shm-size 5m
	assert_contains "$(container_mount box /dev/shm)" "size=5120k"
	cloche rm -f box >/dev/null
	up
	assert_contains "$(container_mount box /dev/shm)" "size=65536k"
}

@test "namespaces: all its own, cgroups seen from the container's own root" {
	local name
	up
	for name in mnt uts ipc pid net cgroup; do
		[ "$(ns "$pid" "$name")" != "$(ns self "$name")" ] || { echo "shares $name"; return 1; }
	done
	assert_equal "$(proc_status "$pid" NSpid | wc -w)" 2
	run -0 nsenter -t "$pid" -m -C -p /bin/busybox cat /proc/1/cgroup
	[ -z "$(grep -v ':/$' <<<"$output")" ]
	# Its mounts begin at its own group, and list its own processes.
	run -0 nsenter -t "$pid" -m -C -p /bin/busybox sh -c '
		awk "/ - cgroup2? / { print \$4 }" /proc/1/mountinfo | sort -u
		cat $(ls /sys/fs/cgroup/memory/cgroup.procs /sys/fs/cgroup/cgroup.procs 2>/dev/null)'
	assert_equal "$output" $'/\n1'
}

# bats test_tags=once
@test "--pid host, --ipc host, --uts host, --cgroupns host, --network host: shared" {
	local name
	up --pid host --ipc host --uts host --cgroupns host --network host
	for name in uts ipc pid net cgroup; do
		assert_equal "$name $(ns "$pid" "$name")" "$name $(ns self "$name")"
	done
	[ "$(ns "$pid" mnt)" != "$(ns self mnt)" ]
}

# bats test_tags=once
@test "--ipc private, --cgroupns private, --network none: its own" {
	local name
	up --ipc private --cgroupns private --network none
	for name in ipc net cgroup; do
		[ "$(ns "$pid" "$name")" != "$(ns self "$name")" ]
	done
	assert_equal "$(nsenter -t "$pid" -n cat /proc/net/dev | awk -F: 'NR > 2 {gsub(/ /, "", $1); print $1}')" lo
}

# The container's shell has set its trap: the kernel says that it catches SIGINT.
catches_int() {
	(($((0x$(proc_status "$(container_pid "$1")" SigCgt))) & 2))
}

# bats test_tags=any-kernel
@test "--stop-signal: what stop sends; --stop-timeout: how long it waits" {
	cloche create --name box --stop-signal INT cloche/busybox \
		sh -c 'trap "exit 44" INT; while :; do sleep 0.05; done' >/dev/null
	cloche start box >/dev/null
	wait_for 10 catches_int box
	cloche stop box >/dev/null
	assert_equal "$(inspect box .State.ExitCode)" 44
	cloche rm box >/dev/null
	up --stop-timeout 1
	cloche stop box >/dev/null
	assert_equal "$(inspect box .State.ExitCode)" 137
}

# bats test_tags=any-kernel
@test "--rootfs: a plain folder is the root, and all arguments are the command" {
	mkdir -p "$ENGINE_DIR/tree/bin"
	cp /bin/busybox "$ENGINE_DIR/tree/bin/"
	ln -s busybox "$ENGINE_DIR/tree/bin/sh"
	run -0 cloche run --rm --rootfs "$ENGINE_DIR/tree" /bin/sh -c 'echo "$$ $(/bin/busybox ls /bin)"'
	assert_equal "$output" $'1 busybox\nsh'
	cd "$ENGINE_DIR"
	run -3 cloche run --rm --rootfs ./tree /bin/sh -c 'exit 3'
}

@test "-t: PID 1 has a terminal of the container's own" {
	up -t
	assert_equal "$(readlink "/proc/$pid/fd/0")" /dev/pts/0
	assert_equal "$(readlink "/proc/$pid/fd/1")" /dev/pts/0
	[ -c "/proc/$pid/root/dev/console" ]
	assert_equal "$(environment TERM)" xterm
}

# bats test_tags=any-kernel
@test "without -i standard input is empty; nothing of the caller's is open" {
	run -0 cloche run --rm cloche/busybox sh -c 'cat; ls /proc/self/fd' <<<ignored
	assert_equal "$output" $'0\n1\n2\n3'
}
