#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Every command line that tutorials and toolkits use, as they write it: `docker` is cloche here. What is
# left out needs a registry, a builder, or a swarm.
load helpers
load seed_images

setup_file() {
	setup_engine
	make_seed_images
}

teardown_file() { teardown_engine; }

teardown() {
	local ids
	mapfile -t ids < <(cloche ps -aq --no-trunc)
	[ "${#ids[@]}" -eq 0 ] || cloche rm -f "${ids[@]}" >/dev/null
}

docker() { cloche "$@"; }

# Runs a command line on a terminal, with INPUT typed.
on_terminal() { # INPUT COMMAND...
	local input=$1
	shift
	printf '%s' "$input" | script -qec "$(printf '%q ' "$@")" /dev/null | tr -d '\r'
}

assert_matches() { # TEXT REGEX
	[[ $1 =~ $2 ]] || {
		printf 'expected to match: %s\nactual: %s\n' "$2" "$1"
		return 1
	}
}

@test "version and info" {
	assert_matches "$(docker --version)" '^(Docker|Cloche) version [0-9]+\.[0-9]+\.[0-9]+'
	assert_matches "$(docker version --format '{{.Server.Version}}')" '^[0-9]+\.[0-9]+\.[0-9]+'
	local info
	info=$(docker info)
	run grep -cE '^ (Storage Driver|Kernel Version|Operating System|CPUs|Total Memory): ' <<<"$info"
	assert_equal "$output" 5
	assert_matches "$(grep 'Total Memory' <<<"$info")" '^ Total Memory: [0-9.]+GiB$'
	assert_matches "$(grep -A 10 'Storage Driver' <<<"$info")" $' Storage Driver: overlay2\n  Backing Filesystem: '
	assert_contains "$(grep -i runtime <<<"$info")" ' Default Runtime: '
	assert_contains "$(grep -i runtime <<<"$info")" ' Runtimes: '
	assert_equal "$(docker info --format '{{.Driver}}')" overlay2
}

@test "run in the foreground: terminals, dd, tmpfs, binds" {
	local out name
	out=$(on_terminal $'exit 7\n' cloche run -it --name ubuntu-container ubuntu:22.04 bash || true)
	assert_matches "$out" 'root@[0-9a-f]{12}:/# '
	assert_equal "$(docker inspect -f '{{.State.ExitCode}}' ubuntu-container)" 7
	out=$(on_terminal $'exit\n' cloche run -it --name alpine-container alpine sh)
	assert_contains "$out" '/ # '
	run docker run --rm alpine true
	assert_equal "$status $output" "0 "
	assert_equal "$(docker run --rm alpine echo traced)" traced
	for name in alpine nginx python:3.11-slim; do
		assert_equal "$(docker run --rm "$name" echo hello)" hello
	done
	out=$(docker run --rm alpine sh -c 'dd if=/dev/zero of=/data bs=1M count=8 oflag=direct 2>&1')
	assert_contains "$out" '8+0 records out'
	docker run --rm alpine sh -c 'dd if=/dev/urandom of=/usr/share/misc/test_copyup bs=64k count=1 2>&1 || mkdir -p /usr/share/misc' >/dev/null
	mkdir "$BATS_TEST_TMPDIR/io"
	out=$(docker run --rm -v "$BATS_TEST_TMPDIR/io:/data" alpine sh -c 'dd if=/dev/zero of=/data/f bs=1M count=4 conv=fsync 2>&1')
	assert_contains "$out" '4+0 records out'
	[ -s "$BATS_TEST_TMPDIR/io/f" ]
	docker run --rm -v "$BATS_TEST_TMPDIR/io:/data" alpine sh -c 'for i in $(seq 1 50); do touch /data/file$i; done'
	[ -e "$BATS_TEST_TMPDIR/io/file50" ]
	out=$(docker run --rm --tmpfs /tmp alpine dd if=/dev/zero of=/tmp/test-tmpfs bs=1M count=100 2>&1)
	assert_contains "$out" '100+0 records out'
	out=$(on_terminal $'findmnt -no PROPAGATION /host-tmp; exit\n' \
		cloche run --rm -it --mount type=bind,source=/tmp,target=/host-tmp,bind-propagation=shared ubuntu bash)
	assert_contains "$out" shared
}

@test "run in the foreground: capabilities, seccomp, half a processor" {
	local out whole half
	out=$(docker run --rm alpine sh -c 'cat /proc/self/status | grep Cap')
	assert_equal "$(awk '{print $2}' <<<"$out" | paste -sd' ')" \
		'0000000000000000 00000000a80425fb 00000000a80425fb 00000000a80425fb 0000000000000000'
	out=$(docker run --rm --cap-drop=ALL alpine sh -c 'cat /proc/self/status | grep Cap')
	assert_equal "$(awk '{print $2}' <<<"$out" | sort -u)" 0000000000000000
	out=$(docker run --rm --cap-add=ALL --cap-drop=MKNOD ubuntu capsh --print)
	assert_contains "$out" cap_net_admin
	assert_equal "$(grep -c 'Bounding set.*cap_mknod' <<<"$out" || true)" 0
	out=$(docker run --rm --security-opt seccomp=unconfined ubuntu grep Seccomp /proc/self/status)
	assert_matches "$out" $'^Seccomp:\t0\nSeccomp_filters:\t0$'
	assert_contains "$(docker run --rm ubuntu grep Seccomp /proc/self/status)" $'Seccomp:\t2'
	# shellcheck disable=SC2016 # for the shell in the container
	local count='END=$(($(date +%s) + 2)); COUNT=0; while [ $(date +%s) -lt $END ]; do COUNT=$((COUNT+1)); done; echo $COUNT'
	whole=$(docker run --rm alpine sh -c "$count")
	half=$(docker run --rm --cpus=0.5 alpine sh -c "$count")
	# How many is the machine's affair; the limit itself is measured in run_options.bats.
	assert_matches "$whole $half" '^[1-9][0-9]* [1-9][0-9]*$'
}

@test "run detached, exec, ps, inspect, stop, rm" {
	local id out upper
	id=$(docker run -dit --name layer-test ubuntu:22.04 bash)
	assert_matches "$id" '^[0-9a-f]{64}$'
	docker exec layer-test bash -c "echo 'layer' > /newfile; mkdir -p /data && echo x > /data/y; echo h >> /etc/hostname; echo '# x' >> /etc/bash.bashrc"
	assert_equal "$(docker exec layer-test cat /newfile)" layer
	assert_contains "$(docker exec layer-test ls -lh /newfile)" /newfile
	run docker exec layer-test bash
	assert_equal "$status $output" "0 "
	assert_contains "$(docker exec layer-test bash -c "echo 'Inside container: PID is' '\$\$' && ps aux")" bash
	out=$(docker exec layer-test ps aux)
	assert_matches "$out" $'\nroot +1 .*bash'
	assert_equal "$(docker inspect -f '{{.State.Pid}}' layer-test)" "$(docker inspect layer-test --format='{{.State.Pid}}')"
	assert_equal "$(docker inspect -f '{{.Id}}' layer-test)" "$id"
	upper=$(docker inspect -f '{{.GraphDriver.Data.UpperDir}}' layer-test)
	[ "$(cat "$upper/newfile")" = layer ]
	assert_matches "$(docker inspect -f '{{.GraphDriver.Data.LowerDir}}' layer-test)" '/overlay2/.*/diff'
	assert_matches "$(docker inspect -f '{{.GraphDriver.Data.WorkDir}} {{.GraphDriver.Data.MergedDir}}' layer-test)" '/work .*/merged$'
	assert_contains "$(docker inspect layer-test | grep -A 30 GraphDriver)" '"UpperDir"'
	assert_equal "$(docker stop -t 1 layer-test)" layer-test
	out=$(docker ps -a --filter name=layer-test)
	assert_matches "$out" '^CONTAINER ID   IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES'
	assert_matches "$out" "${id:0:12}"' +ubuntu:22.04 +"bash" .* ago +Exited \(137\) .* ago +layer-test'
	assert_equal "$(docker rm layer-test)" layer-test
	[ ! -e "$upper" ]
	assert_equal "$(docker ps -a --filter name=layer-test | wc -l)" 1
	run docker rm -f nosuch
	assert_equal "$status" 0
	assert_contains "$output" 'No such container: nosuch'
}

@test "several at once: names, filters, privilege, sockets, jq" {
	local out
	docker run -d --name nginx1 nginx:alpine >/dev/null
	docker run -d --name nginx2 nginx >/dev/null
	docker run -d --name shared-pid-container --pid=host ubuntu sleep infinity >/dev/null
	assert_equal "$(docker ps -a --filter 'status=running' --format '{{.Names}}' | sort | paste -sd' ')" 'nginx1 nginx2 shared-pid-container'
	assert_matches "$(docker ps -q --filter name=nginx1)" '^[0-9a-f]{12}$'
	out=$(docker exec shared-pid-container ps aux)
	assert_contains "$out" "$BATS_ROOT_PID" || [ "$(wc -l <<<"$out")" -gt "$(docker exec nginx1 ps | wc -l)" ]
	assert_equal "$(docker inspect nginx1 --format='{{.HostConfig.Privileged}} {{.Name}}')" 'false /nginx1'
	assert_equal "$(docker inspect nginx1 --format='{{range .Mounts}}{{if eq .Source "/var/run/docker.sock"}}{{$.Name}}{{end}}{{end}}')" ''
	docker inspect nginx1 | jq -e '.[0].GraphDriver.Data.UpperDir' >/dev/null
	docker inspect nginx | jq -e '.[0].RootFS.Layers | length == 2' >/dev/null
	docker inspect nginx1 | jq -e '.[0] | {Name: .Name, State: .State.Status, Created: .Created, RestartCount: .RestartCount} |
		.Name == "/nginx1" and .State == "running" and .RestartCount == 0' >/dev/null
	docker inspect nginx1 | jq -e '.[0] | .NetworkSettings.Networks != null and .Mounts == [] and .HostConfig.RestartPolicy.Name == "no"' >/dev/null
	docker inspect nginx1 | jq -e '.[0].HostConfig | .Memory == 0 and .CpuShares == 0 and .CpuQuota == 0 and .CpuPeriod == 0' >/dev/null
	assert_equal "$(docker rm -f nginx1 nginx2 | paste -sd' ')" 'nginx1 nginx2'
	run docker exec -it "$(docker ps -q --filter name=web)" ip route
	assert_equal "$status" 1
}

# bats test_tags=once
@test "limits: as the kernel's files show them, and as stats does" {
	local out dir
	docker run -dit --name cgroup-test --cpus="0.5" --memory="256m" ubuntu:22.04 bash -c "while true; do echo test > /dev/null; done" >/dev/null
	assert_equal "$(docker inspect -f '{{.HostConfig.CgroupParent}}' cgroup-test)" ''
	assert_equal "$(cgroup_file cgroup-test memory memory.limit_in_bytes memory.max)" 268435456
	if [ "$(cgroup_version)" = 2 ]; then
		dir=$(cgroup_dir "$(container_pid cgroup-test)" cpu)
		assert_equal "$(cat "$dir/cpu.max")" '50000 100000'
	else
		assert_equal "$(cgroup_file cgroup-test cpu cpu.cfs_quota_us -)" 50000
	fi
	out=$(docker stats cgroup-test --no-stream)
	assert_matches "$out" '^CONTAINER ID   NAME +CPU % +MEM USAGE / LIMIT +MEM % +NET I/O +BLOCK I/O +PIDS'
	assert_matches "$out" 'cgroup-test +[0-9.]+% +[0-9.]+[KM]iB / 256MiB +[0-9.]+% .* 1 *$'
	# A busy machine gives it less, none more; one look that was itself held up says nothing.
	wait_for 15 uses_half cgroup-test
	docker run -d --name cpu-limited --cpu-period=100000 --cpu-quota=50000 alpine sh -c 'yes > /dev/null' >/dev/null
	docker run -dit --name stress-test --cpus="1.0" --memory="64m" --memory-swap="64m" ubuntu:22.04 bash >/dev/null
	out=$(docker stats --no-stream --format "table {{.Name}}\t{{.MemUsage}}\t{{.MemPerc}}" stress-test cpu-limited)
	assert_matches "$out" $'^NAME +MEM USAGE / LIMIT +MEM %\nstress-test .*\ncpu-limited '
	assert_matches "$(docker stats --no-stream --format '{{.MemUsage}}' stress-test)" '^[0-9.]+[KM]iB / 64MiB$'
	assert_equal "$(docker stats --all --no-stream | wc -l)" 4
	run docker stats stress-test 10s --format=table
	assert_equal "$status" 1
	assert_contains "$output" 'No such container: 10s'
	run docker exec stress-test stress-ng --vm 1 --vm-bytes 128M --vm-keep --timeout 3s --oomable
	assert_equal "$(docker inspect -f '{{.State.Status}}' stress-test)" running
}

uses_half() { # CONTAINER: a processor
	docker stats --no-stream --format "{{.CPUPerc}}" "$1" | awk '{ exit !($1 + 0 > 2 && $1 + 0 < 75) }'
}

@test "images: inspect, history, digests, rmi" {
	local id
	docker image inspect nginx:alpine | jq -e '.[0].RootFS.Layers[]' >/dev/null
	assert_contains "$(docker inspect ubuntu:22.04 | grep -A 20 RootFS)" '"Layers"'
	id=$(docker image inspect nginx:alpine --format='{{.Id}}')
	assert_matches "$id" '^sha256:[0-9a-f]{64}$'
	docker image inspect nginx:alpine --format='{{json .RootFS.Layers}}' | jq -e 'length == 2' >/dev/null
	assert_equal "$(docker image inspect nginx:alpine --format='{{len .RootFS.Layers}}')" 2
	assert_matches "$(docker images --digests)" '^REPOSITORY +TAG +DIGEST +IMAGE ID +CREATED +SIZE'
	assert_matches "$(docker history nginx --no-trunc)" '^IMAGE +CREATED +CREATED BY +SIZE +COMMENT'
	assert_contains "$(docker history nginx --no-trunc)" "$id"
	docker tag alpine:latest alpine:gone
	assert_equal "$(docker rmi alpine:gone)" 'Untagged: alpine:gone'
	run docker rmi alpine:gone
	assert_equal "$status" 1
}

@test "volumes and system" {
	local out
	assert_equal "$(docker volume create perf_test_vol)" perf_test_vol
	out=$(docker run --rm -v perf_test_vol:/data alpine sh -c 'dd if=/dev/zero of=/data/f bs=1M count=2 2>&1; for j in $(seq 1 50); do echo x > /data/m$j; done')
	assert_contains "$out" '2+0 records out'
	assert_equal "$(docker run --rm -v perf_test_vol:/data alpine sh -c 'ls /data | wc -l')" 51
	assert_equal "$(docker volume rm perf_test_vol)" perf_test_vol
	out=$(docker system df)
	assert_matches "$out" $'^TYPE +TOTAL +ACTIVE +SIZE +RECLAIMABLE\nImages .*\nContainers .*\nLocal Volumes .*\nBuild Cache '
	out=$(docker system df -v)
	for title in 'Images space usage:' 'Containers space usage:' 'Local Volumes space usage:' 'Build cache usage: 0B'; do
		assert_contains "$out" "$title"
	done
}

@test "networks" {
	local id
	assert_equal "$(docker network ls | sed -E 's/^[0-9a-f]{12} /ID /; s/ +/ /g' | head -n 4)" "NETWORK ID NAME DRIVER SCOPE
ID bridge bridge local
ID host host local
ID none null local"
	docker network inspect bridge | jq -e '.[0] | .IPAM.Config[0].Subnet and .Options["com.docker.network.bridge.name"]'
	id=$(docker network create --driver bridge --subnet=192.168.100.0/24 --ip-range=192.168.100.128/25 --gateway=192.168.100.1 custom-net)
	assert_matches "$id" '^[0-9a-f]{64}$'
	assert_equal "$(docker network inspect custom-net -f '{{.Id}}' | cut -c1-12)" "${id:0:12}"
	docker run -d --name custom-container --network custom-net nginx >/dev/null
	ip link show type bridge "br-${id:0:12}"
	assert_matches "$(docker inspect custom-container | jq -r '.[0].NetworkSettings.Networks["custom-net"].IPAddress')" \
		'^192\.168\.100\.(12[89]|1[3-9][0-9]|2[0-9]{2})$'
	run docker network create --driver overlay --attachable overlay-net
	assert_equal "$status" 1
	assert_contains "$output" 'This node is not a swarm manager.'
	docker rm -f custom-container >/dev/null
	assert_equal "$(docker network rm custom-net)" custom-net
}

@test "looking in from the host: namespaces, groups, the process above" {
	local pid ppid
	docker run -d --name isolated-container ubuntu sleep infinity >/dev/null
	pid=$(docker inspect -f '{{.State.Pid}}' isolated-container)
	assert_matches "$(grep NSpid "/proc/$pid/status")" $'\t'"$pid"$'\t1$'
	for ns in mnt uts ipc pid net cgroup; do
		[ "$(readlink "/proc/$pid/ns/$ns")" != "$(readlink "/proc/self/ns/$ns")" ]
	done
	for ns in user time; do
		[ "$(readlink "/proc/$pid/ns/$ns")" = "$(readlink "/proc/self/ns/$ns")" ]
	done
	assert_contains "$(cat "/proc/$pid/cgroup")" "/$(docker inspect -f '{{.Id}}' isolated-container)"
	ppid=$(proc_status "$pid" PPid)
	assert_contains "$(cat "/proc/$ppid/comm")" cloche-monitor
}
