#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# system df and the prunes: what takes room, and what goes when nobody uses it.
bats_require_minimum_version 1.5.0
load helpers

setup() { setup_engine; }
teardown() { teardown_engine; }

# Size of the image as df shows it: four digits, and as ps does: three.
image_size() { numfmt --to=si --format=%.3f "$(cloche image inspect -f '{{.Size}}' cloche/busybox)" | tr -d M; }

@test "df counts images, containers and volumes, and what of them could go" {
	cloche run --name done -v data:/data cloche/busybox sh -c 'head -c 2000 /dev/zero >/a; head -c 500 /dev/zero >/data/x'
	cloche create --name idle cloche/busybox true >/dev/null
	cloche volume create spare >/dev/null
	head -c 1500 /dev/zero >"$CLOCHE_ROOT/volumes/spare/_data/y"
	local size
	size=$(image_size)
	assert_equal "$(cloche system df)" "TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE
Images          1         1         ${size}MB   0B (0%)
Containers      2         0         2kB       2kB (100%)
Local Volumes   2         1         2kB       1.5kB (75%)
Build Cache     0         0         0B        0B"
	assert_equal "$(cloche system df --format '{{.Type}}:{{.Active}}' | tr '\n' ' ')" \
		"Images:1 Containers:0 Local Volumes:1 Build Cache:0 "
	assert_equal "$(cloche system df --format json | jq -r .TotalCount | tr '\n' ' ')" "1 2 2 0 "
	run -0 cloche system df -v
	assert_contains "$output" "REPOSITORY       TAG       IMAGE ID"
	assert_contains "$output" "VOLUME NAME   LINKS     SIZE
data          1         500B
spare         0         1.5kB

Build cache usage: 0B"
	assert_equal "$(cloche system df -v --format json | jq -c '[.Images[0].Containers, .Images[0].UniqueSize, (.Containers | map(.Names + .Size)),
		(.Volumes | map(.Name + .Size)), .BuildCache]')" \
		"[\"2\",\"${size}MB\",[\"idle0B\",\"done2kB\"],[\"data500B\",\"spare1.5kB\"],[]]"
}

@test "container prune takes what does not run, after asking" {
	local client id
	cloche run --name busy cloche/busybox sleep 1000 >/dev/null &
	client=$!
	# Before the others are made, who are listed by their age.
	wait_for 5 container_is busy running
	cloche run --name done cloche/busybox sh -c 'head -c 2000 /dev/zero >/a'
	cloche create --name keep -l keep=1 cloche/busybox true >/dev/null
	id=$(inspect done .Id)
	run -0 cloche container prune </dev/null
	assert_equal "$output" $'WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] '
	run -0 cloche container prune <<<yes
	run -0 cloche container prune <<<n
	assert_equal "$(cloche ps -aq | grep -c .)" 3
	run -1 cloche container prune -f --filter foo=bar
	assert_equal "$output" "Error response from daemon: invalid filter 'foo'"
	assert_equal "$(cloche container prune -f --filter until=1h)" "Total reclaimed space: 0B"
	run -0 cloche container prune --filter label!=keep <<<y
	assert_contains "$output" "Deleted Containers:
$id

Total reclaimed space: 2kB"
	assert_equal "$(cloche ps -a --format '{{.Names}}' | tr '\n' ' ')" "keep busy "
	cloche rm -f busy >/dev/null
	wait "$client" || true
}

@test "volume prune takes anonymous ones, with -a all that nobody uses" {
	cloche create --name web -v used:/u -v /anon cloche/busybox true >/dev/null
	cloche create --name gone -v /anon cloche/busybox true >/dev/null
	cloche volume create --label keep=1 kept >/dev/null
	cloche volume create spare >/dev/null
	cloche rm gone >/dev/null
	assert_equal "$(cloche volume prune -f | grep -cE '^[0-9a-f]{64}$')" 1
	assert_equal "$(cloche volume ls -q | grep -cE '^[0-9a-f]{64}$')" 1
	run -0 cloche volume prune -a --filter label!=keep <<<y
	assert_contains "$output" "WARNING! This will remove all local volumes not used by at least one container."
	assert_contains "$output" $'Deleted Volumes:\nspare\n\nTotal reclaimed space: 0B'
	assert_equal "$(cloche volume ls -q | grep -vE '^[0-9a-f]{64}$' | tr '\n' ' ')" "kept used "
}

@test "image prune and system prune leave what a container uses" {
	cloche run --name done -v /anon cloche/busybox true
	local id size
	id=$(cloche image inspect -f '{{.Id}}' cloche/busybox)
	size=$(image_size)
	cloche tag cloche/busybox other:1
	assert_equal "$(cloche image prune -af)" "Total reclaimed space: 0B"
	run -0 cloche system prune --volumes --filter label=x </dev/null
	assert_equal "$output" "WARNING! This will remove:
  - all stopped containers
  - all networks not used by at least one container
  - all anonymous volumes not used by at least one container
  - all dangling images
  - unused build cache

  Items to be pruned will be filtered with:
  - label=x

Are you sure you want to continue? [y/N] "
	run -0 cloche system prune -af --volumes
	assert_contains "$output" $'Deleted Containers:\n'
	assert_contains "$output" $'Deleted Volumes:\n'
	assert_contains "$output" "untagged: other:1"
	assert_contains "$output" "deleted: $id"
	assert_contains "$output" "Total reclaimed space: ${size}MB"
	assert_equal "$(cloche images -q)$(cloche ps -aq)$(cloche volume ls -q)" ""
	assert_equal "$(ls "$CLOCHE_ROOT/overlay2")" l
}

@test "info and version: the lines scripts look for, and one object for templates" {
	cloche create --name idle cloche/busybox true >/dev/null
	local text line id
	text=$(cloche info)
	for line in "Storage Driver: overlay2" "Kernel Version: $(uname -r)" "CPUs: $(nproc --all)" "OSType: linux" \
		"Architecture: $(uname -m)" "Default Runtime: cloche" "Containers: 1" "Images: 1" "Name: $(uname -n)" \
		"Operating System: $(. /etc/os-release && echo "$PRETTY_NAME")" "Docker Root Dir: $CLOCHE_ROOT"; do
		grep -qx " $line" <<<"$text" || {
			printf 'no line " %s" in:\n%s\n' "$line" "$text"
			return 1
		}
	done
	assert_contains "$text" " Total Memory: "
	assert_contains "$text" " Runtimes: cloche"
	id=$(cloche info -f '{{.ID}}')
	[[ $id =~ ^[0-9a-f]{8}-[0-9a-f]{4}- ]]
	assert_equal "$(cloche info -f json | jq -c '[.ID, .ContainersStopped, .Driver, .NCPU, .MemTotal, .Swarm.LocalNodeState, .CgroupVersion]')" \
		"[\"$id\",1,\"overlay2\",$(nproc --all),$(($(awk '/^MemTotal/ {print $2}' /proc/meminfo) * 1024)),\"inactive\",\"$(cgroup_version)\"]"
	assert_equal "$(cloche version -f '{{.Server.Version}} {{.Client.APIVersion}} {{.Server.MinAPIVersion}}')" \
		"$(cloche --version | awk '{print $NF}') 1.41 1.12"
	assert_equal "$(cloche info -f '{{.HTTPProxy}}{{.HTTPSProxy}}{{.CPUCfsQuota}}')" "$(cloche info -f '{{.HttpProxy}}{{.HttpsProxy}}{{.CpuCfsQuota}}')"
	run -1 cloche info -f '{{.Nope}}'
	assert_contains "$output" "can't evaluate field Nope in type system.dockerInfo"
}
