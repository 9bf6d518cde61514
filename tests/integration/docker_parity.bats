#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What Cloche shows of containers beside what Docker shows of containers of the same shape, in the same
# run, field by field. Every difference stands in a table with its reason: one that is not there fails,
# and so does a row that no difference needs.
bats_require_minimum_version 1.5.0
# bats file_tags=peer
load helpers

setup_file() {
	[ "${CLOCHE_TEST_SLOW:-0}" = 0 ] || skip "compared where the kernel is not emulated"
	command -v dockerd docker >/dev/null || skip "dockerd is not installed"
	# A host for each, so that both give out the same addresses.
	setup_network_engine
	make_netns DOCKER_NETNS
	export DOCKER_NETNS
	export DOCKER_DIR=$ENGINE_DIR/docker DOCKER_HOST=unix://$ENGINE_DIR/docker/d.sock HOME=$ENGINE_DIR
	mkdir -p "$DOCKER_DIR"
	nsenter --net="/proc/$DOCKER_NETNS/ns/net" dockerd --data-root "$DOCKER_DIR/data" --exec-root "$DOCKER_DIR/exec" \
		-H "$DOCKER_HOST" -p "$DOCKER_DIR/pid" --storage-driver overlay2 --cgroup-parent "/$ENGINE_CGROUP" \
		>"$DOCKER_DIR/log" 2>&1 3>&- &
	wait_for 30 docker version >/dev/null 2>&1 || skip "dockerd does not start here: $(tail -n 1 "$DOCKER_DIR/log")"
	# The same image on both sides, with a configuration of its own.
	cloche run --rm --network none cloche/busybox true
	local root
	root=$(cloche image inspect -f '{{.GraphDriver.Data.UpperDir}}' cloche/busybox)
	tar -C "$root" -c . | docker import --change 'CMD ["sh"]' --change 'ENV A=b' --change 'LABEL made=here' \
		--change 'WORKDIR /tmp' - same:1 >/dev/null
	docker save same:1 | cloche load >/dev/null
}

teardown_file() {
	local ids pid mount
	[ -n "${DOCKER_DIR:-}" ] || return 0
	if pid=$(cat "$DOCKER_DIR/pid" 2>/dev/null); then
		mapfile -t ids < <(docker ps -aq)
		[ "${#ids[@]}" -eq 0 ] || docker rm -f "${ids[@]}" >/dev/null
		kill "$pid"
		wait_for 20 not_running "$pid"
	fi
	grep -F "$DOCKER_DIR" /proc/self/mountinfo | awk '{ print $5 }' | sort -r | while read -r mount; do umount "$mount"; done
	end_netns "$DOCKER_NETNS"
	teardown_network_engine
}

not_running() { ! kill -0 "$1" 2>/dev/null; }

# both ARGUMENT...: the same command of each.
both() {
	docker "$@" >/dev/null
	cloche "$@" >/dev/null
}

# leaves < JSON: a line for each value: its path, a blank, the value.
leaves() {
	jq -r '. as $o | paths(type != "object" and type != "array" or length == 0) as $p
		| ($p | map(tostring) | join(".")) + " " + ($o | getpath($p) | tojson)'
}

# What differs from run to run, under one name.
normal() { # ID
	sed -E -e "s/$1/ID/g" -e "s/${1:0:12}/SHORT/g" \
		-e 's/"20[0-9]{2}-[0-9-]+T[0-9:.]+Z"/TIME/' -e 's/^([A-Za-z0-9.]*Pid) [1-9][0-9]*$/\1 PID/' \
		-e "s#$DOCKER_DIR/data#DATA#g" -e "s#$DOCKER_DIR/exec#RUN#g" -e "s#$CLOCHE_ROOT#DATA#g" -e "s#$CLOCHE_RUN_ROOT#RUN#g"
}

# What clients before version 23 (Debian 12's) ask for and show in other words than those since.
as_old_clients() { # FILE...
	sed -E -i -e 's/^(HostConfig\.(Blkio[A-Za-z]*|Ulimits)) \[\]$/\1 null/' \
		-e 's/^(HostConfig\.Cap(Add|Drop)\.[0-9]+) "CAP_/\1 "/' \
		-e 's/\[::\]:([0-9])/:::\1/g' -e '/^Platform null$/d' "$@"
}

# compare TABLE A B: differences of two texts that no row of the table explains, and rows that explain none.
# A row is a basic regular expression of the line without its value, two blanks, and the reason.
compare() {
	local table=$1 line path row used="" bad=0
	[ "$(docker version --format '{{.Client.Version}}' | cut -d. -f1)" -ge 23 ] || as_old_clients "$2" "$3"
	while read -r line; do
		path=${line#[<>] }
		path=${path%% *}
		row=""
		while read -r pattern reason; do
			[ -n "$pattern" ] || continue
			[ -n "$reason" ] || { echo "no reason: $pattern" && return 1; }
			if [[ $path =~ ^${pattern}$ ]]; then
				row=$pattern
				break
			fi
		done <<<"$table"
		if [ -z "$row" ]; then
			echo "not explained: $line"
			bad=1
		fi
		used+=" $row "
	done < <(diff "$2" "$3" | grep '^[<>]')
	while read -r pattern reason; do
		if [ -n "$pattern" ] && [[ $used != *" $pattern "* ]]; then
			echo "needed by no difference: $pattern"
			bad=1
		fi
	done <<<"$table"
	return "$bad"
}

# shape NAME OPTION...: a container of each, created alike.
shape() {
	local name=$1
	shift
	both create --name "$name" --network none "$@"
}

# Appends what inspect says of a container on both sides; the order of mounts is Docker's client's whim.
inspected() { # NAME
	local tool id
	for tool in docker cloche; do
		id=$("$tool" inspect -f '{{.Id}}' "$1")
		"$tool" inspect "$1" | jq '.[0] | del(.Cloche) | .HostConfig.Binds |= (. // [] | sort) |
			.Mounts |= sort_by(.Destination)' | leaves | normal "$id" | sort >>"$BATS_TEST_TMPDIR/$tool"
	done
}

@test "inspect" {
	shape options -l x=y -e E=1 -w /usr -u 1000:7 -m 64m --cpus 0.5 --pids-limit 20 --cap-add NET_ADMIN --cap-drop KILL \
		--tmpfs /run:size=1m --read-only -t -i --entrypoint /bin/sh --stop-signal SIGINT --shm-size 1m -h host --ulimit nofile=10:20 \
		-v named:/data:ro -v /usr:/mnt --mount type=tmpfs,target=/scratch,tmpfs-size=1m \
		--mount type=bind,source=/usr,target=/usr2,readonly --mount type=volume,source=other,target=/other,volume-nocopy --security-opt no-new-privileges same:1 -c true
	shape privileged --privileged --pid host --ipc host --uts host --group-add 7 --cpuset-cpus 0 \
		--cpu-shares 100 --log-driver none --no-healthcheck --device-read-bps /dev/zero:1mb --restart always same:1 true
	shape more --add-host a:1.2.3.4 --cgroup-parent "/$ENGINE_CGROUP/parity" --cpu-period 50000 \
		--cpu-quota 25000 --device /dev/null:/dev/zip:r --device-cgroup-rule 'c 1:3 r' --dns 1.1.1.1 --dns-option ndots:1 \
		--dns-search x.y --domainname d --expose 80 --health-cmd true --health-interval 5s --health-retries 2 --init \
		--memory 64m --memory-reservation 32m --memory-swap 96m --oom-score-adj 5 --restart on-failure:3 --stop-timeout 3 \
		--sysctl net.ipv4.ip_forward=1 --log-driver json-file --log-opt max-size=1m --log-opt max-file=2 same:1 true
	shape runs same:1 sleep 1000
	shape ended same:1 sh -c 'exit 3'
	shape broken same:1 /nosuch
	both start runs ended
	docker start broken >/dev/null 2>&1 || true
	cloche start broken >/dev/null 2>&1 || true
	docker wait ended >/dev/null
	cloche wait ended >/dev/null
	local name
	for name in options privileged more runs ended broken; do inspected "$name"; done
	compare "
HostConfig.CgroupnsMode  containers have a cgroup namespace of their own on version 1 too
HostConfig.Runtime  the runtime is our own
HostConfig.Mounts.2.VolumeOptions.DriverConfig  the client's empty object is not kept
HostConfig.SecurityOpt(.0)?  there is no SELinux to be switched off
ResolvConfPath  files of a run lie in the run root
HostnamePath  files of a run lie in the run root
HostsPath  files of a run lie in the run root
LogPath  Docker names it at the first start, we at creation
GraphDriver.Data.LowerDir  there is no -init layer below a container's own: what it holds is mounted
GraphDriver.Data.(Upper|Merged|Work)Dir  the layer has the container's id for its name, Docker's another
NetworkSettings.SandboxID  ours is the container's id, and only while it runs
NetworkSettings.SandboxKey  a namespace is named by its process, and only while it runs
NetworkSettings.Networks.none.(NetworkID|EndpointID)  nothing is connected to the network none
Config.Hostname  with the host's UTS namespace the host's name is the container's
State.Error  the text is the engine's own without the runtime's name around it
State.(StartedAt|FinishedAt)  a start that failed has a time of its end
" "$BATS_TEST_TMPDIR/docker" "$BATS_TEST_TMPDIR/cloche"
}

# What goes up and down from moment to moment, digits and units, as one sign.
shapes() { sed -E 's/[0-9.]+(B|kB|MB|GB|KiB|MiB|GiB)/SIZE/g; s/[0-9]+\.[0-9]+%/PERCENT/g'; }

# The first part of a line is what compare matches.
@test "ps, stats, logs, top and diff" {
	local tool id
	both run -d --name shown --network none -l x=y -v data:/data same:1 \
		sh -c 'echo out; echo err >&2; rm /etc/passwd; mkdir /new; touch /new/file; exec sleep 1000'
	for tool in docker cloche; do
		wait_for 10 "$tool" exec shown grep -qx sleep /proc/1/comm
		wait_for 10 has_logged_both "$tool"
		id=$("$tool" inspect -f '{{.Id}}' shown)
		{
			# Labels are in whatever order Go's map has this time.
			"$tool" ps -s --filter name=shown --format '{{json .}}' |
				jq 'del(.CreatedAt, .RunningFor, .Status) | .Labels |= (split(",") | sort | join(","))' | leaves
			"$tool" ps --filter name=shown --format '{{.Names}} {{.Status}} {{.RunningFor}}' |
				sed -E 's/([0-9]+ (seconds?|minutes)|Less than a second|About a minute)/AGE/g'
			"$tool" ps -a --filter name=shown | sed -n '1s/  */ /gp'
			"$tool" stats --no-stream --format '{{json .}}' shown | leaves | shapes
			"$tool" stats --no-stream shown | sed -n 1p
			"$tool" logs shown 2>&1 | sort
			"$tool" logs -t shown 2>/dev/null | sed -E 's/^20[0-9-]+T[0-9:]+\.[0-9]{9}Z/STAMP/'
			"$tool" logs --tail 0 shown 2>&1
			"$tool" top shown -o pid,comm,args | sed -E 's/^[0-9]+ +/PID /'
			"$tool" top shown | sed -n 1p
			"$tool" diff shown | sort
		} | normal "$id" >"$BATS_TEST_TMPDIR/$tool"
	done
	compare "" "$BATS_TEST_TMPDIR/docker" "$BATS_TEST_TMPDIR/cloche"
	# And it is not nothing that was compared.
	assert_contains "$(cat "$BATS_TEST_TMPDIR/cloche")" 'Names "shown"'
	assert_contains "$(cat "$BATS_TEST_TMPDIR/cloche")" 'D /etc/passwd'
	assert_contains "$(cat "$BATS_TEST_TMPDIR/cloche")" 'MemUsage "SIZE / SIZE"'
}

has_logged_both() { [ "$("$1" logs shown 2>&1 | wc -l)" -eq 2 ]; } # TOOL

@test "events of a life from creation to removal" {
	local tool id begin
	begin=$(date +%s)
	both run -d --name told --network none -l x=y --mount type=volume,source=box,target=/box same:1 sleep 1000
	both pause told
	both unpause told
	both rename told tale
	both restart -t 0 tale
	both kill -s KILL tale
	docker wait tale >/dev/null
	cloche wait tale >/dev/null
	for tool in docker cloche; do id=$("$tool" inspect -f '{{.Id}}' tale) && echo "$id" >"$BATS_TEST_TMPDIR/$tool.id"; done
	both rm tale
	both volume rm box
	for tool in docker cloche; do
		id=$(cat "$BATS_TEST_TMPDIR/$tool.id")
		# The order within one moment is nobody's promise: each type for itself.
		"$tool" events --since "$begin" --until "$(($(date +%s) + 1))" --format '{{json .}}' |
			jq -c 'select(.Type != "image") | [.Type, .Action, (.Actor.ID | if length == 64 then . else . end), .Actor.Attributes, (keys - ["time", "timeNano"]), .scope]' |
			grep -e "$id" -e box | sort -s -t, -k 1,1 | normal "$id" | sed -E 's/"execDuration":"[0-9]+"/"execDuration":"N"/' \
			>"$BATS_TEST_TMPDIR/$tool"
	done
	compare "
\\[\"network\",.*  nothing is connected to the network none
" "$BATS_TEST_TMPDIR/docker" "$BATS_TEST_TMPDIR/cloche"
	assert_contains "$(cat "$BATS_TEST_TMPDIR/cloche")" '["container","destroy"'
}

# What is random in a network, under one name: ids, the device and its pair.
unnumbered() { sed -E -e 's/\b[0-9a-f]{64}\b/HEX/g' -e 's/@if[0-9]+/@PAIR/; s/^(inside\.[a-z]+\.)[0-9]+: /\1N: /; s/ +$//'; }

@test "networks, and the containers in them" {
	local tool id
	both network create --subnet 10.50.0.0/24 --ip-range 10.50.0.128/25 --gateway 10.50.0.9 --aux-address x=10.50.0.130 \
		--label a=b --label c --attachable -o com.docker.network.driver.mtu=1400 web
	both network create --subnet 10.51.0.0/24 --ipv6 --subnet fd00:51::/64 --internal six
	both run -d --name alone --network none same:1 sleep 1000
	both run -d --name plain --network bridge same:1 sleep 1000
	both run -d --name served --network web --network-alias www --hostname host.dom -p 8080:80 -p 127.0.0.1:5353:53/udp \
		--expose 99 --add-host up:1.2.3.4 --dns 9.9.9.9 same:1 sleep 1000
	both network connect --ip 10.51.0.77 --alias sixth --alias other six served
	both create --name waits --network web --ip 10.50.0.200 same:1 sleep 1000
	for tool in docker cloche; do
		{
			"$tool" network ls | sed -E 's/[0-9a-f]{12}/SHORT/; s/ +/ /g'
			"$tool" network ls --format '{{json .}}' | jq -c 'del(.CreatedAt, .ID, .IPv4) | .Labels |= (split(",") | sort | join(","))'
			for id in bridge host none web six; do
				"$tool" network inspect "$id" | jq '.[0]' | leaves | sed "s/^/network.$id./"
			done
			for id in plain served waits; do
				"$tool" inspect "$id" | jq '.[0].NetworkSettings' | leaves | sed "s/^/$id./; s/$("$tool" inspect -f '{{.Id}}' "$id" | cut -c1-12)/SHORT/g"
				"$tool" port "$id" | sed "s/^/port.$id /"
				"$tool" ps -a --filter "name=$id" --format "ps.$id {{.Ports}}"
				# Docker's client has them in any order.
				"$tool" ps -a --filter "name=$id" --format '{{.Networks}}' | tr , '\n' | sort | sed "s/^/ps.$id.network /"
			done
			for id in plain served; do
				"$tool" exec "$id" sh -c 'ip -o addr show dev eth0; ip route; cat /etc/hosts /etc/resolv.conf; ip link show dev eth0' |
					sed -E "s/$("$tool" inspect -f '{{.Id}}' "$id" | cut -c1-12)/SHORT/g; s/^/inside.$id./"
			done
		} | normal "$("$tool" inspect -f '{{.Id}}' served)" | unnumbered | sort >"$BATS_TEST_TMPDIR/$tool"
	done
	compare "
inside.(plain|served).N:  the device's queue has the length that the kernel gives it
network.none.Containers(.*)?  who is connected to nothing is in no network
network.bridge.IPAM.Config.0.Gateway  Docker shows it from its second start on
network.bridge.Options.com.docker.network.bridge.name  the device has a name of our own
(plain|served).Sandbox(ID|Key)  a sandbox is the container's network namespace, and has no other name
served.Networks.six.DriverOpts  the client's empty object is not kept
served.Networks.(six|web).Aliases.[23]  a host name is no alias
" "$BATS_TEST_TMPDIR/docker" "$BATS_TEST_TMPDIR/cloche"
	assert_contains "$(cat "$BATS_TEST_TMPDIR/cloche")" 'network.web.IPAM.Config.0.Gateway "10.50.0.9"'
	both rm -f alone plain served waits
	both network rm web six
}
