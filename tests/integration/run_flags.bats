#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The flags of run and create that say how a container lives, and its devices and limits, as the kernel
# and inspect see them. Each container serves many checks.
# shellcheck disable=SC2016,SC2154 # quoted words are for the container; bats sets status, output, stderr

bats_require_minimum_version 1.5.0
load helpers
setup() { setup_engine; }
teardown() { teardown_engine; }

# up FLAGS...: a container `box` of the built-in image that sleeps. Its PID 1 is in $pid.
up() {
	cloche run -d --name box "$@" cloche/busybox sleep 1000 >/dev/null
	pid=$(container_pid box)
}

# refused WORDS FLAGS...: run ends with 125 and these words.
refused() {
	local words=$1
	shift
	run -125 cloche run "$@" cloche/busybox true
	assert_contains "$output" "$words"
}

@test "limits and devices reach the kernel and the record" {
	up -m 64m --memory-reservation 32m --cpuset-mems 0 --oom-score-adj 300 --device /dev/null:/dev/nothing:rw \
		--device-cgroup-rule 'c 42:* rwm' --sysctl kernel.msgmax=4096 --sysctl net.ipv4.ip_forward=1 \
		--domainname example.test --annotation one.two=3 --group-add 77 --userns host --isolation default \
		--volume-driver local --platform linux/amd64 --pull never --expose 80 --expose 7000-7001/udp
	assert_equal "$(cgroup_file box memory memory.soft_limit_in_bytes memory.low)" 33554432
	assert_equal "$(cgroup_file box cpuset cpuset.mems cpuset.mems)" 0
	assert_equal "$(cat "/proc/$pid/oom_score_adj")" 300
	assert_equal "$(stat -c '%t:%T %F' "/proc/$pid/root/dev/nothing")" "1:3 character special file"
	assert_equal "$(cat "/proc/$pid/root/proc/sys/kernel/msgmax")" "$(cat /proc/sys/kernel/msgmax)"
	assert_equal "$(nsenter -t "$pid" -i cat /proc/sys/kernel/msgmax)" 4096
	assert_equal "$(nsenter -t "$pid" -n cat /proc/sys/net/ipv4/ip_forward)" 1
	assert_equal "$(nsenter -t "$pid" -u cat /proc/sys/kernel/domainname)" example.test
	[ "$(cgroup_version)" = 2 ] || assert_contains "$(cgroup_file box devices devices.list -)" "c 42:* rwm"
	assert_equal "$(inspect box '.HostConfig | [.Memory, .MemorySwap, .MemoryReservation, .OomScoreAdj] | @csv')" \
		67108864,134217728,33554432,300
	assert_equal "$(inspect box '.HostConfig.Devices[0] | [.PathOnHost, .PathInContainer, .CgroupPermissions] | @csv')" \
		'"/dev/null","/dev/nothing","rw"'
	assert_equal "$(inspect box '.HostConfig.Sysctls["net.ipv4.ip_forward"], .HostConfig.Annotations["one.two"]')" $'1\n3'
	assert_equal "$(inspect box '.Config.ExposedPorts | keys | @csv')" '"7000/udp","7001/udp","80/tcp"'
}

# The command ends so and says exactly this, on standard error; "@" is what follows where `run` refuses.
says() { # TEXT EXIT COMMAND...
	local expected=${1/@/$'\n\n'"Run 'cloche run --help' for more information"}
	run "-$2" --separate-stderr "${@:3}"
	assert_equal "$output" ""
	assert_equal "$stderr" "$expected"
}

# Docker's client names the flag and the usage where it cannot read a value, and the command alone where the
# value makes no sense.
# bats test_tags=any-kernel
@test "what is refused has Docker's words and shape" {
	local flags words
	cd "$ENGINE_DIR"
	printf 'A=1\nB C=2\n' >blank.env
	printf '=x\n' >nameless.env
	printf 'A=1\n\377\376=1\n' >bytes.env
	touch cid
	while IFS='|' read -r flags words; do
		eval "set -- $flags"
		# A row says with "!" what is the daemon's to say.
		says "cloche: ${words/#!/Error response from daemon: }@" 125 cloche run "$@" cloche/busybox true
	done <<-'END'
		--device :/x|bad format for path: :/x
		--device null|null is not an absolute path
		--device /dev/null:/dev/x:q|bad mode specified: q
		-p x|invalid containerPort: x
		--expose ''|invalid range format for --expose: , error: empty string specified for ports
		--expose 80:80|invalid port format for --expose: 80:80
		--mount type=bad,dst=/x|!invalid mount config for type "bad": mount type unknown
		--mount type=bind,src=/tmp,dst=x|!invalid mount config for type "bind": invalid mount path: 'x' mount path must be absolute
		-v ''|invalid empty volume spec
		-v /tmp:|invalid spec: /tmp:: empty section between colons
		-v /tmp:/x:bad|!invalid mode: bad
		-v /tmp:/x -v /etc:/x|!Duplicate mount point: /x
		--tmpfs /x:bad|!invalid tmpfs option ["bad"]
		--pid bad|--pid: invalid PID mode
		--ipc bad|!Invalid IPC mode: bad
		--uts container:x|--uts: invalid UTS mode
		--pull bad|invalid pull option: 'bad': must be one of "always", "missing" or "never"
		--storage-opt x|invalid storage option
		--env-file nosuch|open nosuch: no such file or directory
		--env-file blank.env|invalid env file (blank.env): variable 'B C' contains whitespaces
		--env-file nameless.env|invalid env file (nameless.env): no variable name on line '=x'
		--env-file bytes.env|invalid env file (bytes.env): invalid utf8 bytes at line 2: [255 254 61 49]
		--env-file .|invalid env file (.): read .: is a directory
		--label-file nosuch|open nosuch: no such file or directory
		--cidfile cid|container ID file found, make sure the other container isn't running or delete cid
		--cidfile /nosuch/x|failed to create the container ID file: open /nosuch/x: no such file or directory
		--security-opt no-new-privileges=x|!invalid --security-opt 2: "no-new-privileges=x"
		-u -1|!uids and gids must be in range 0-2147483647
		-u 0:-1|!uids and gids must be in range 0-2147483647
		--device /nosuchdev|!error gathering device information while adding custom device "/nosuchdev": no such file or directory
		--device-read-bps /dev/nosuch:1mb|!stat /dev/nosuch: no such file or directory
		--volumes-from ''|!volumes-from specification cannot be an empty string
		--log-opt max-size=0|!failed to initialize logging driver: max-size must be a positive number
		--log-opt max-file=-1|!failed to initialize logging driver: max-file cannot be less than 1
		--log-opt compress=x|!failed to initialize logging driver: strconv.ParseBool: parsing "x": invalid syntax
		--cpuset-cpus 1-0|!Invalid value 1-0 for cpuset cpus: invalid format: 1-0
		--cpus 1 --cpu-period 1000|!Conflicting options: Nano CPUs and CPU Period cannot both be set
		--privileged --cap-drop BAD|!invalid CapDrop: unknown capability: "CAP_BAD"
		--uts host --hostname x|!conflicting options: hostname and the UTS mode
		--uts host --domainname x|!sysctl "kernel.domainname" is not in a separate kernel namespace
	END
	run -125 cloche run --blkio-weight -1 cloche/busybox true
	assert_contains "$output" $'invalid argument "-1" for "--blkio-weight" flag: strconv.ParseUint: parsing "-1": invalid syntax\n\nUsage:  '
	# create ends with 125 of its own refusals, with 1 of the engine's.
	run -125 cloche create -p x cloche/busybox
	assert_equal "$output" $'cloche: invalid containerPort: x\n\nRun \'cloche create --help\' for more information'
	says "Error response from daemon: the working directory 'rel' is invalid, it needs to be an absolute path" 1 cloche create -w rel cloche/busybox
	says "cloche: container ID file found, make sure the other container isn't running or delete cid" 1 cloche create --cidfile cid cloche/busybox
	assert_equal "$(cloche ps -aq)" ""
	# A directory on a file.
	run -125 cloche run --rm --network none -v /tmp:/bin/busybox cloche/busybox true
	assert_contains "$output" "Are you trying to mount a directory onto a file (or vice-versa)?"
	run -125 cloche run --rm --network none -v /etc/passwd:/tmp cloche/busybox true
	assert_contains "$output" "Are you trying to mount a directory onto a file (or vice-versa)?"
	# What Docker takes.
	cloche run --rm --network none --pull '' -v /tmp:/x -v /tmp:/x --tmpfs /y --tmpfs /y cloche/busybox true
	cloche create --name /slash cloche/busybox true >/dev/null
	assert_equal "$(inspect slash .Name)" /slash
}

@test "block devices: weight and rates" {
	local device name
	device=$(lsblk -dnpo NAME,MAJ:MIN 2>/dev/null | awk '{ print $1; exit }')
	name=$(lsblk -dno MAJ:MIN "$device" 2>/dev/null | tr -d ' ')
	[ -b "$device" ] || skip "no block device here"
	up --blkio-weight 300 --device-read-bps "$device:1mb" --device-write-iops "$device:10"
	if [ "$(cgroup_version)" = 1 ]; then
		assert_equal "$(cgroup_file box blkio blkio.throttle.read_bps_device -)" "$name 1048576"
		assert_equal "$(cgroup_file box blkio blkio.throttle.write_iops_device -)" "$name 10"
	else
		assert_contains "$(cgroup_file box io - io.max)" "rbps=1048576"
		assert_contains "$(cgroup_file box io - io.max)" "wiops=10"
	fi
	assert_equal "$(inspect box '.HostConfig.BlkioDeviceReadBps[0] | [.Path, .Rate] | @csv')" "\"$device\",1048576"
	assert_equal "$(inspect box .HostConfig.BlkioWeight)" 300
	# The kernel takes a device's weight where its scheduler is BFQ (or iocost, on version 2), else it says so.
	run cloche run --name weighed --network none --blkio-weight-device "$device:300" cloche/busybox \
		cat /sys/fs/cgroup/blkio/blkio.bfq.weight_device /sys/fs/cgroup/io.weight
	case "$output" in
	*"$name 300"* | *"$name $((1 + 290 * 9999 / 990))"*) ;;
	*) assert_contains "$output" "blkio" ;;
	esac
	cloche create --name asked --network none --blkio-weight-device "$device:300" cloche/busybox true
	assert_equal "$(inspect asked '.HostConfig.BlkioWeightDevice[0] | [.Path, .Weight] | @csv')" "\"$device\",300"
	refused "invalid weight for device: $device:9" --blkio-weight-device "$device:9"
	refused "bad format for device path: sda:10" --blkio-weight-device sda:10
}

# bats test_tags=any-kernel
@test "health checks, restart policies and logs are recorded; what contradicts itself is refused" {
	cloche create --name box --health-cmd 'test -e /ok' --health-interval 1m30s --health-timeout 5s --health-retries 4 \
		--health-start-period 2s --health-start-interval 500ms --restart on-failure:3 --log-opt max-size=1m \
		--log-opt max-file=2 --stop-timeout 3 cloche/busybox true >/dev/null
	assert_equal "$(inspect box '.Config.Healthcheck | tojson')" \
		'{"Test":["CMD-SHELL","test -e /ok"],"Interval":90000000000,"Timeout":5000000000,"StartPeriod":2000000000,"StartInterval":500000000,"Retries":4}'
	assert_equal "$(inspect box '.HostConfig.RestartPolicy | tojson')" '{"Name":"on-failure","MaximumRetryCount":3}'
	assert_equal "$(inspect box '.HostConfig.LogConfig | tojson')" '{"Type":"json-file","Config":{"max-file":"2","max-size":"1m"}}'
	cloche create --name off --no-healthcheck --log-driver none --restart unless-stopped cloche/busybox true >/dev/null
	assert_equal "$(inspect off '[.Config.Healthcheck.Test[0], .HostConfig.LogConfig.Type, .HostConfig.RestartPolicy.Name] | @csv')" \
		'"NONE","none","unless-stopped"'
	refused '--no-healthcheck conflicts with --health-* options' --no-healthcheck --health-cmd x
	refused '--health-retries cannot be negative' --health-retries -1
	refused 'time: invalid duration "x"' --health-interval x
	refused 'Interval in Healthcheck cannot be less than 1ms' --health-interval 1us
	refused 'conflicting options: cannot specify both --restart and --rm' --rm --restart always
	refused "invalid restart policy 'sometimes'" --restart sometimes
	refused 'maximum retry count cannot be used with restart policy '\''always'\' --restart always:3
	refused 'invalid restart policy format: maximum retry count must be an integer' --restart on-failure:x
	refused 'maximum retry count cannot be negative' --restart on-failure:-1
	refused 'error looking up logging plugin syslogd: plugin "syslogd" not found' --log-driver syslogd
	refused "unknown log opt 'nosuch' for json-file log driver" --log-opt nosuch=1
	refused 'invalid logging opts for driver none' --log-driver none --log-opt max-size=1m
}

# bats test_tags=any-kernel
@test "what Docker refuses is refused in its words, and leaves nothing" {
	refused "sysctl 'vm.swappiness=1' is not allowed" --sysctl vm.swappiness=1
	refused 'sysctl "net.core.somaxconn" not allowed in host network namespace' --network host --sysctl net.core.somaxconn=5
	refused 'bad mode specified: x' --device /dev/null:/dev/x:x
	refused 'error gathering device information while adding custom device "/dev/nosuch": no such file or directory' --device /dev/nosuch
	refused "invalid device cgroup format 'x'" --device-cgroup-rule x
	refused 'bad format for device path: /x:1' --device-read-bps /x:1
	refused 'Number must be a positive integer. Unit is optional and can be kb, mb, or gb' --device-read-bps /dev/null:x
	refused 'Range of blkio weight is from 10 to 1000' --blkio-weight 5
	refused 'invalid value: 101. Valid memory swappiness range is 0-100' --memory-swappiness 101
	refused "--storage-opt is supported only for overlay over xfs with 'pquota' mount option" --storage-opt size=1g
	refused 'does not match the specified platform: wanted linux/s390x' --platform linux/s390x
	refused 'could not select device driver' --gpus all
	refused 'Requested memory nodes are not available' --cpuset-mems 99
	refused 'not supported yet' --pull always
	refused 'No such image: nosuch:tag' --pull never nosuch:tag
	assert_equal "$(cloche ps -aq)" ""
}

# bats test_tags=once
@test "a limit that cannot be raised, or a score that cannot be lowered, is said" {
	local wanted
	# Nothing is said of one that is only lowered.
	run --separate-stderr -0 cloche run --rm --ulimit nofile=300:400 cloche/busybox sh -c 'ulimit -n; ulimit -Hn'
	assert_equal "$output" $'300\n400'
	assert_equal "$stderr" ""
	wanted=$(($(ulimit -Hn) + 1000))
	run --separate-stderr -0 cloche run --rm --ulimit nofile=$wanted cloche/busybox true
	if (ulimit -Hn $wanted) 2>/dev/null; then
		assert_equal "$stderr" ""
	else
		assert_contains "$stderr" "limit RLIMIT_NOFILE: Operation not permitted"
		run --separate-stderr -0 cloche run -d --rm --ulimit nofile=$wanted cloche/busybox true
		assert_contains "$stderr" "limit RLIMIT_NOFILE: Operation not permitted"
	fi
}

# bats test_tags=any-kernel
@test "--volumes-from: binds, named and anonymous volumes, read-only if asked, own mounts win" {
	mkdir "$ENGINE_DIR/host" "$ENGINE_DIR/own"
	cloche create --name from -v "$ENGINE_DIR/host:/host" -v named:/named -v /anonymous --tmpfs /tmpfs cloche/busybox true >/dev/null
	run -0 cloche run --name to --volumes-from from:ro -v "$ENGINE_DIR/own:/own" cloche/busybox sh -c \
		'grep -cE " /(host|named|anonymous) ro," /proc/self/mountinfo; ! grep " /tmpfs " /proc/self/mountinfo; touch /own/x'
	assert_equal "$output" 3
	assert_equal "$(inspect to '.Mounts | map(.Destination + " " + (.RW | tostring)) | sort | @csv')" \
		'"/anonymous false","/host false","/named false","/own true"'
	assert_equal "$(inspect to '.HostConfig | [.VolumesFrom, .Binds] | tojson')" "[[\"from:ro\"],[\"$ENGINE_DIR/own:/own\"]]"
	assert_equal "$(inspect to '.Mounts | map(select(.Destination == "/anonymous"))[0].Name')" \
		"$(inspect from '.Mounts | map(select(.Destination == "/anonymous"))[0].Name')"
	run -0 cloche run --rm --volumes-from from -v "$ENGINE_DIR/own:/host" cloche/busybox sh -c 'ls /host; echo kept >/anonymous/file'
	assert_equal "$output" x
	run -0 cloche run --rm --volumes-from to:rw cloche/busybox cat /anonymous/file
	assert_equal "$output" kept
	refused "No such container: nosuch" --volumes-from nosuch
	refused "invalid mode: x" --volumes-from from:x
}

# bats test_tags=once
@test "update: limits of a running container change in the kernel and in the record" {
	up -m 64m
	run -1 cloche update box
	assert_contains "$output" "you must provide one or more flags when using this command"
	run -0 cloche update -m 100m --memory-reservation 20m --cpus 0.5 --pids-limit 50 --cpuset-cpus 0 --restart on-failure:2 box
	assert_equal "$output" box
	assert_equal "$(cgroup_file box memory memory.limit_in_bytes memory.max)" 104857600
	assert_equal "$(cgroup_file box pids pids.max pids.max)" 50
	assert_equal "$(cgroup_file box cpuset cpuset.cpus cpuset.cpus)" 0
	if [ "$(cgroup_version)" = 1 ]; then
		assert_equal "$(cgroup_file box cpu cpu.cfs_quota_us -)" 50000
		assert_equal "$(cgroup_file box memory memory.memsw.limit_in_bytes -)" 134217728
	else
		assert_equal "$(cgroup_file box cpu - cpu.max)" "50000 100000"
		assert_equal "$(cgroup_file box memory - memory.swap.max)" 29360128
	fi
	assert_equal "$(inspect box '.HostConfig | [.Memory, .MemorySwap, .NanoCpus, .PidsLimit, .CpusetCpus, .RestartPolicy.Name] | @csv')" \
		'104857600,134217728,500000000,50,"0","on-failure"'
	# The monitor that runs knows the new policy.
	cloche update --restart always box >/dev/null
	kill -KILL "$pid"
	wait_for 10 has_restarted box
	run -0 cloche update --restart no --pids-limit -1 box
	assert_equal "$(cgroup_file box pids pids.max pids.max)" max
	run -1 cloche update -m 200m box
	assert_contains "$output" "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"
	run -1 cloche update --cpu-quota 5000 box
	assert_contains "$output" "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set"
	run -1 cloche update -m 1m box
	assert_contains "$output" "Minimum memory limit allowed is 6MB"
	assert_equal "$(inspect box .HostConfig.Memory)" 104857600
	cloche stop -t 0 box >/dev/null
	run -0 cloche update --memory-swap -1 -m 128m box
	cloche start box >/dev/null
	assert_equal "$(cgroup_file box memory memory.limit_in_bytes memory.max)" 134217728
	cloche run -d --rm --name gone cloche/busybox sleep 1000 >/dev/null
	run -1 cloche update --restart always gone
	assert_contains "$output" "Restart policy cannot be updated because AutoRemove is enabled for the container"
}

has_restarted() { # CONTAINER
	[ "$(inspect "$1" '.State.Status + " " + (.RestartCount | tostring)')" = "running 1" ]
}

ns() { # PID NAMESPACE
	readlink "/proc/$1/ns/$2"
}

has_one_child() { # PID; one that waits to be reaped counts
	[ "$(wc -w <"/proc/$1/task/$1/children")" = 1 ]
}

# bats test_tags=once
@test "--init: an init of ours is PID 1, passes signals on, reaps orphans, ends as its child" {
	cloche run -d --init --name box cloche/busybox sh -c \
		'trap "exit 7" TERM; (sleep 0.01 & exec true); (sh -c "sleep 0.02 & :"); echo ready; while :; do sleep 0.05; done' >/dev/null
	pid=$(container_pid box)
	assert_equal "$(tr '\0' ' ' <"/proc/$pid/cmdline" | cut -d' ' -f1-3)" "/sbin/docker-init -- sh"
	assert_contains "$(container_mount box /sbin/docker-init)" " ro,"
	# Before that the shell has no trap, and may be all that there is.
	wait_for 10 has_said box ready
	wait_for 10 has_one_child "$pid"
	assert_equal "$(inspect box '[.Path, (.HostConfig.Init | tostring)] | @csv')" '"sh","true"'
	cloche stop -t 5 box >/dev/null
	assert_equal "$(inspect box .State.ExitCode)" 7
	run -3 cloche run --rm --init cloche/busybox sh -c 'exit 3'
	run -137 cloche run --rm --init cloche/busybox sh -c 'kill -KILL $$'
	run -127 cloche run --rm --init cloche/busybox nosuch
	assert_contains "$output" "exec nosuch failed: No such file or directory"
}

# bats test_tags=once
@test "--ipc shareable, container: and none: /dev/shm is shared, passed on, or not there" {
	cloche run -d --name donor --ipc shareable --shm-size 8m cloche/busybox sleep 1000 >/dev/null
	cloche run -d --name guest --ipc container:donor cloche/busybox sleep 1000 >/dev/null
	cloche run -d --name second --ipc container:guest cloche/busybox sleep 1000 >/dev/null
	cloche exec donor sh -c 'echo from the donor >/dev/shm/a'
	cloche exec second sh -c 'echo from the guest >/dev/shm/b'
	assert_equal "$(cloche exec guest cat /dev/shm/a)" "from the donor"
	assert_equal "$(cloche exec donor cat /dev/shm/b)" "from the guest"
	# The same file system with the limits that a place of its own has, and nothing else of the donor's.
	assert_equal "$(cloche exec guest stat -f -c %b /dev/shm)" "$(cloche exec donor stat -f -c %b /dev/shm)"
	[[ " $(cloche exec guest sed -n 's/.* \/dev\/shm \([^ ]*\) .*/,\1,/p' /proc/self/mountinfo) " == *,nosuid,*noexec,* ]]
	cloche exec donor touch /only-mine
	run -1 cloche exec guest ls /only-mine
	# It lives as long as anybody uses it.
	cloche rm -f donor >/dev/null
	assert_equal "$(cloche exec second cat /dev/shm/a)" "from the donor"
	cloche run -d --name none --ipc none cloche/busybox sleep 1000 >/dev/null
	run -1 cloche exec none grep -q /dev/shm /proc/self/mountinfo
	assert_equal "$(inspect none .HostConfig.IpcMode)" none
	# What a container puts in its place is not followed.
	cloche run -d --name trap --ipc shareable --cap-add SYS_ADMIN cloche/busybox sleep 1000 >/dev/null
	cloche exec trap sh -c 'umount /dev/shm && rmdir /dev/shm && ln -s /proc/1/root/etc /dev/shm'
	run -125 cloche run --rm --ipc container:trap cloche/busybox ls /dev/shm
	assert_contains "$output" "mount /dev/shm"
}

# bats test_tags=once
@test "--pid, --ipc, --network container: the namespaces of another, its files and its host name" {
	local donor id
	id=$(cloche run -d --name donor -h giver --ipc shareable cloche/busybox sleep 1000)
	donor=$(container_pid donor)
	cloche run -d --name box --pid container:donor --ipc container:donor --network container:donor \
		cloche/busybox sleep 1000 >/dev/null 2>"$ENGINE_DIR/warnings"
	pid=$(container_pid box)
	for kind in pid ipc net; do assert_equal "$(ns "$pid" $kind)" "$(ns "$donor" $kind)"; done
	[ "$(ns "$pid" mnt)" != "$(ns "$donor" mnt)" ]
	assert_equal "$(inspect box '.HostConfig | [.PidMode, .NetworkMode] | @csv')" "\"container:$id\",\"container:$id\""
	assert_equal "$(cloche exec box cat /etc/hostname)" giver
	assert_contains "$(cloche exec box ps)" "sleep 1000"
	# Stopped, it takes its own processes with it and nobody else's.
	cloche stop -t 0 box >/dev/null
	container_is donor running
	cloche stop -t 0 donor >/dev/null
	run -1 cloche start box
	assert_contains "$output" "cannot join PID of a non running container: $id"
	cloche start donor >/dev/null
	run -0 cloche start box
	refused "No such container: nosuch" --network container:nosuch
	refused "conflicting options: hostname and the network mode" -h x --network container:donor
	cloche run -d --name private cloche/busybox sleep 1000 >/dev/null
	refused "non-shareable IPC (hint: use IpcMode:shareable for the donor container)" --ipc container:private
}
