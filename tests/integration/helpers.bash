# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the integration tests share. A test file begins with
#
#	load helpers
#	setup() { setup_engine; }
#	teardown() { teardown_engine; }
#
# so that each test has an engine of its own: its own data root, run root and cgroup parent, and none
# of it left behind. Assertions about containers read the kernel from outside: /proc, mountinfo, the
# cgroup files, through the functions below. Nothing here waits a fixed time.

# Seconds a condition may take, on a machine that emulates ten times as many.
patience() {
	echo $(($1 * (1 + 9 * ${CLOCHE_TEST_SLOW:-0})))
}

# An engine for one test. Sets ENGINE_DIR, exports CLOCHE_ROOT, CLOCHE_RUN_ROOT, CLOCHE_CONFIG and PATH.
# The directory's name is short because unix sockets live below it.
setup_engine() {
	: "${BUILD:?names the build to test}"
	ENGINE_DIR=$(mktemp -d /tmp/cl.XXXXXX)
	ENGINE_CGROUP=cloche-test-${ENGINE_DIR##*.}
	export ENGINE_DIR ENGINE_CGROUP
	export CLOCHE_ROOT=$ENGINE_DIR/data CLOCHE_RUN_ROOT=$ENGINE_DIR/run CLOCHE_CONFIG=$ENGINE_DIR/daemon.json
	case "$PATH" in "$BUILD/bin:"*) ;; *) export PATH=$BUILD/bin:$PATH ;; esac
	printf '{"cgroup-parent": "/%s"}\n' "$ENGINE_CGROUP" >"$CLOCHE_CONFIG"
	chmod 755 "$ENGINE_DIR"
}

# Removes every container, lets the engine sweep, and fails when anything of it is left. What is
# left is then removed by force, so that one failure does not become many.
teardown_engine() {
	local ids left=0
	[ -n "${ENGINE_DIR:-}" ] || return 0
	cd /
	if [ -d "$CLOCHE_RUN_ROOT" ]; then
		mapfile -t ids < <(cloche ps -aq --no-trunc)
		[ "${#ids[@]}" -eq 0 ] || cloche rm -f "${ids[@]}" >/dev/null || left=1
		cloche system check --repair >/dev/null || left=1
	fi
	wait_for 5 engine_is_gone || left=1
	if [ "$left" -ne 0 ]; then
		echo "# left behind by the engine in $ENGINE_DIR:"
		engine_leftovers | sed 's/^/#   /'
		force_engine_away
	fi
	forget_networks
	[ -n "$(engine_mounts)" ] || rm -rf --one-file-system "${ENGINE_DIR:?}"
	unset ENGINE_DIR
	return "$left"
}

# Bridges and rules outlive an engine as networks do, and there are not so many subnets.
forget_networks() {
	local file bridge
	for file in "$CLOCHE_ROOT"/network/*.json; do
		[ -e "$file" ] || continue
		bridge=$(jq -r '.Bridge // empty' "$file")
		[ -n "$bridge" ] || continue
		ip link del "$bridge" 2>/dev/null || true
		[[ $bridge != cloche* ]] || nft delete table inet "cloche-${bridge#cloche}" 2>/dev/null || true
	done
}

# wait_for SECONDS COMMAND...: until the command succeeds; 1 when it has not in that time.
wait_for() {
	local deadline=$((${EPOCHREALTIME/./} + $(patience "$1") * 1000000))
	shift
	until "$@"; do
		[ "${EPOCHREALTIME/./}" -lt "$deadline" ] || return 1
		sleep 0.02
	done
}

# In the machine's own network, which script/integration keeps away from tests: to fetch packages.
outside() { # COMMAND...
	nsenter --net="/proc/$CLOCHE_TEST_NETWORK/ns/net" -- "$@"
}

# The engine's keeper, not one of its helpers, which begin as copies of it and have one option more.
keeper_pid() {
	pgrep -o -f "cloche-keeper( --root [^ ]+)? --run-root $CLOCHE_RUN_ROOT( --root [^ ]+)? *\$"
}
keeper_is_new() { # OLD_PID
	local pid
	pid=$(keeper_pid) && [ "$pid" != "$1" ]
}

# Whether a process has ended, be it that its parent, often a slow init, has not heard of that yet.
has_ended() { # PID
	! grep -qs '^State:.[^ZX]' "/proc/$1/status"
}

is_traced() { # PID
	! grep -qx 'TracerPid:.0' "/proc/$1/status"
}

# ---- hosts of the test's own ----

# make_netns VARIABLE: a network namespace with nothing in it but lo, which is up. The variable is set to
# the id of the process that holds it; it ends by end_netns, or with the shell that called this: so not
# in a subshell.
make_netns() {
	local -n holder=$1
	setpriv --pdeathsig KILL unshare --net sleep infinity >/dev/null 2>&1 3>&- &
	holder=$!
	wait_for 5 netns_is_made "$holder" || return 1
	in_netns "$holder" ip link set lo up
}

netns_is_made() {
	[ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

end_netns() { # HOLDER
	kill -KILL "$1"
	wait "$1" 2>/dev/null || true
}

in_netns() { # HOLDER COMMAND...
	nsenter --net="/proc/$1/ns/net" -- "${@:2}"
}

# Whether a packet comes to an address, and something back: a device that has just come up answers nobody's
# question for its IPv6 neighbour for a while.
knows() { # HOLDER ADDRESS
	in_netns "$1" bash -c "exec 3<>/dev/tcp/$2/9" 2>&1 | grep -q refused
}

# As setup_engine, with a network namespace that plays the engine's host: HOST_NETNS holds it, `cloche`
# by name is run in it whoever runs it, and other programs by on_host.
setup_network_engine() {
	local program
	setup_engine
	boot_network_host || return 1
	mkdir "$ENGINE_DIR/bin"
	for program in cloche cloche-runtime; do
		# shellcheck disable=SC2016 # expanded by the program
		printf '#!/bin/sh\nread -r holder <%s\nexec nsenter --net="/proc/$holder/ns/net" -- %s "$@"\n' \
			"$ENGINE_DIR/host-netns" "$BUILD/bin/$program" >"$ENGINE_DIR/bin/$program"
	done
	chmod +x "$ENGINE_DIR"/bin/*
	export PATH=$ENGINE_DIR/bin:$PATH
}

# A new network namespace for the host, as after a boot: nothing is in it, and there is no run root. No
# container may be running.
boot_network_host() {
	if [ -n "${HOST_NETNS:-}" ]; then
		# Monitors and a keeper that have nothing to do any more still sweep up.
		wait_for 10 engine_is_idle || return 1
		end_netns "$HOST_NETNS"
	fi
	rm -rf --one-file-system "$CLOCHE_RUN_ROOT"
	make_netns HOST_NETNS || return 1
	export HOST_NETNS
	echo "$HOST_NETNS" >"$ENGINE_DIR/host-netns"
}

on_host() { # COMMAND...
	in_netns "$HOST_NETNS" "$@"
}

engine_is_idle() { [ -z "$(engine_processes)" ]; }

# What containers leave in the host's network besides their networks: devices and addresses.
network_leftovers() {
	on_host ip -br link show type veth | sed 's/^/device /'
	find "$CLOCHE_RUN_ROOT"/network/*/address -mindepth 1 2>/dev/null | sed 's/^/address /'
}

network_is_clean() { [ -z "$(network_leftovers)" ]; }

# As teardown_engine; nothing of a container's network may be left either.
teardown_network_engine() {
	local ids left=0
	[ -n "${HOST_NETNS:-}" ] || return 0
	mapfile -t ids < <(cloche ps -aq --no-trunc)
	[ "${#ids[@]}" -eq 0 ] || cloche rm -f "${ids[@]}" >/dev/null || left=1
	wait_for 5 network_is_clean || left=1
	[ "$left" -eq 0 ] || network_leftovers | sed 's/^/# left behind: /'
	teardown_engine || left=1
	end_netns "$HOST_NETNS"
	unset HOST_NETNS
	return "$left"
}

# ---- what an engine has in the kernel; each prints one item a line ----
# These run at the end of every test, on a machine that may emulate: few programs are started.

# Mounts at, or from, the engine's directories in this mount namespace.
engine_mounts() {
	local line lines
	# At once: `read` seeks back after each line, to where another is when somebody has unmounted meanwhile.
	mapfile -t lines </proc/self/mountinfo
	for line in "${lines[@]}"; do
		[[ $line != *"$ENGINE_DIR"* ]] || printf '%s\n' "$line"
	done
}

# cgroup directories of the engine, in every hierarchy, the deepest first.
engine_cgroups() {
	local mounts
	mapfile -t mounts < <(cgroup_mounts)
	find "${mounts[@]}" -mindepth 1 -depth -type d -path "*/$ENGINE_CGROUP*" 2>/dev/null || true
}

# Processes that are in its cgroups, or hold a file below its directories open, or name them in
# their arguments: "PID command line". The test's own shells are not among them.
engine_processes() {
	local path pid stat seen=" $$ $BASHPID "
	{
		grep -lsaE "/$ENGINE_CGROUP|$ENGINE_DIR/" /proc/[0-9]*/cgroup /proc/[0-9]*/cmdline || true
		find /proc/[0-9]*/fd -mindepth 1 -maxdepth 1 -lname "$ENGINE_DIR/*" 2>/dev/null || true
	} | while read -r path; do
		pid=${path#/proc/}
		pid=${pid%%/*}
		[[ $seen != *" $pid "* ]] || continue
		seen+="$pid "
		# One that has ended is only waiting for its parent, often a slow init.
		{ read -r stat <"/proc/$pid/stat"; } 2>/dev/null || continue
		[[ ${stat##*) } != [ZX]* ]] || continue
		printf '%s %s\n' "$pid" "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)"
	done
}

engine_leftovers() {
	local line
	while read -r line; do printf 'mount %s\n' "$line"; done < <(engine_mounts)
	# The parent group and the monitors' belong to the engine and may stay as long as they are empty.
	while read -r line; do
		[[ $line != *"/$ENGINE_CGROUP"*/* ]] || printf 'cgroup %s\n' "$line"
	done < <(engine_cgroups)
	while read -r line; do printf 'process %s\n' "$line"; done < <(engine_processes)
	for line in "$CLOCHE_RUN_ROOT"/containers/* "$CLOCHE_ROOT"/containers/* "$CLOCHE_ROOT"/names/*; do
		[ ! -e "$line" ] && [ ! -L "$line" ] || printf 'file %s\n' "$line"
	done
}

engine_is_gone() {
	[ -z "$(engine_leftovers)" ] || return 1
	engine_cgroups | xargs -r rmdir
}

force_engine_away() {
	local dir pid target
	engine_processes | while read -r pid _; do kill -KILL "$pid" 2>/dev/null || true; done
	while read -r target; do umount -l "$target" 2>/dev/null || true; done \
		< <(engine_mounts | awk '{print $5}' | sort -r)
	while read -r dir; do wait_for 2 rmdir "$dir" 2>/dev/null || true; done < <(engine_cgroups)
}

# Everything an engine can leave on a host, as text to compare with itself later: mounts, cgroups,
# processes, and the files of the data and run roots with type, mode, owner, size and link target.
snapshot_engine() {
	engine_mounts | awk '{print "mount", $5, $9}'
	engine_cgroups | sort | sed 's/^/cgroup /'
	engine_processes | sort -n | sed 's/^[0-9]* /process /'
	snapshot_tree "$CLOCHE_ROOT" | sed 's/^/data /'
	snapshot_tree "$CLOCHE_RUN_ROOT" | sed 's/^/run /'
}

# Fails, showing the difference, unless the engine is as it was in the snapshot (its text).
assert_engine_as() {
	local now
	# Not in the process substitution: there the first grep without a match would end it.
	now=$(snapshot_engine)
	diff <(printf '%s\n' "$1") <(printf '%s\n' "$now")
}

# One line a file below a directory, in order: path, type, mode, owner, size (of files), link target.
# Lock files may come into being and stay, since removing a lock is a race; the journal of events grows.
snapshot_tree() {
	[ ! -d "$1" ] || find "$1" -mindepth 1 ! -path '*/events/journal*' ! -name 'cloche.log*' \( -type f ! -name '*lock' -printf '%P f %m %U:%G %s\n' \
		-o ! -type f -printf '%P %y %m %U:%G %l\n' \) | sort
}

# ---- cgroups ----

# Where hierarchies are mounted, one a line.
cgroup_mounts() {
	local fields
	while read -r -a fields; do
		[[ " ${fields[*]:6} " != *" - cgroup"[\ 2]* ]] || printf '%s\n' "${fields[4]}"
	done </proc/self/mountinfo
}

# 2 when version 2 has the controllers, else 1.
cgroup_version() {
	awk '{ for (i = 7; $i != "-"; i++); if ($(i + 1) == "cgroup") { v = 1; exit } } END { print v ? 1 : 2 }' \
		/proc/self/mountinfo
}

# cgroup_dir PID CONTROLLER: the absolute directory of the process's group as this host sees it.
cgroup_dir() {
	local pid=$1 controller=$2 path mount
	if [ "$(cgroup_version)" = 2 ]; then
		path=$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
		mount=$(awk '{ for (i = 7; $i != "-"; i++); if ($(i + 1) == "cgroup2") { print $5; exit } }' /proc/self/mountinfo)
	else
		path=$(awk -F: -v c="$controller" '{ n = split($2, a, ","); for (i = 1; i <= n; i++)
			if (a[i] == c) { sub(/^[^:]*:[^:]*:/, ""); print; exit } }' "/proc/$pid/cgroup")
		mount=$(awk -v c="$controller" '{ for (i = 7; $i != "-"; i++); if ($(i + 1) != "cgroup") next
			n = split($(i + 3), a, ","); for (j = 1; j <= n; j++) if (a[j] == c) { print $5; exit } }' \
			/proc/self/mountinfo)
	fi
	[ -n "$path" ] && [ -n "$mount" ] || return 1
	printf '%s%s\n' "$mount" "${path%/}"
}

# has_said CONTAINER LINE: whether its log has exactly that line.
has_said() {
	cloche logs "$1" 2>&1 | grep -qxF -- "$2"
}

# cgroup_file CONTAINER CONTROLLER V1_NAME V2_NAME: what the file of the running container's group says.
cgroup_file() {
	local dir name=$3
	[ "$(cgroup_version)" = 1 ] || name=$4
	dir=$(cgroup_dir "$(container_pid "$1")" "$2") || return 1
	cat "$dir/$name"
}

# ---- containers ----

# inspect CONTAINER JQ_FILTER: one value of its inspect output.
inspect() {
	cloche inspect "$1" | jq -r ".[0] | $2"
}

# PID 1 of the container on the host; fails when it does not run.
container_pid() {
	local pid
	pid=$(inspect "$1" .State.Pid)
	[ "${pid:-0}" -gt 0 ] && echo "$pid"
}

container_is() { # CONTAINER STATUS
	[ "$(inspect "$1" .State.Status)" = "$2" ]
}

# proc_status PID FIELD: a field of /proc/PID/status.
proc_status() {
	awk -v f="$2:" '$1 == f { sub(/^[^\t]*\t/, ""); print }' "/proc/$1/status"
}

# container_mount CONTAINER TARGET: the line of mountinfo, as the container has it mounted last.
container_mount() {
	awk -v t="$2" '$5 == t { line = $0 } END { if (line == "") exit 1; print line }' \
		"/proc/$(container_pid "$1")/mountinfo"
}

# ---- assertions that show what they saw ----

assert_equal() { # ACTUAL EXPECTED
	[ "$1" = "$2" ] || {
		printf 'expected: %s\nactual:   %s\n' "$2" "$1"
		return 1
	}
}

assert_contains() { # TEXT PART
	[[ $1 == *"$2"* ]] || {
		printf 'expected to contain: %s\nactual: %s\n' "$2" "$1"
		return 1
	}
}

# After bats' run: its status, with the output when it differs.
assert_status() {
	# shellcheck disable=SC2154 # bats sets both
	[ "$status" -eq "$1" ] || {
		printf 'expected status %s, got %s; output:\n%s\n' "$1" "$status" "$output"
		return 1
	}
}

# A dockerd of this test's own, without networks, in $ENGINE_DIR/docker. Sets DOCKER_HOST and DOCKER_PID; 1
# when it is not installed or does not come up. stop_docker ends it.
start_docker() {
	local dir=$ENGINE_DIR/docker
	command -v dockerd docker >/dev/null || return 1
	mkdir -p "$dir"
	export DOCKER_HOST=unix://$dir/d.sock
	dockerd --data-root "$dir/data" --exec-root "$dir/exec" -H "$DOCKER_HOST" --pidfile "$dir/pid" \
		--cgroup-parent "/$ENGINE_CGROUP" --bridge=none --iptables=false --ip6tables=false --storage-driver overlay2 \
		>"$dir/log" 2>&1 3>&- &
	DOCKER_PID=$!
	wait_for 30 docker_settled && docker_answers
}

docker_answers() { docker version >/dev/null 2>&1; }
docker_settled() { ! kill -0 "$DOCKER_PID" 2>/dev/null || docker_answers; }

stop_docker() {
	[ -n "${DOCKER_PID:-}" ] || return 0
	kill "$DOCKER_PID" 2>/dev/null || true
	wait "$DOCKER_PID" 2>/dev/null || true
	# Where its data root's propagation was private it had it mounted on itself, and leaves that.
	! mountpoint -q "$ENGINE_DIR/docker/data" || umount "$ENGINE_DIR/docker/data"
	unset DOCKER_PID DOCKER_HOST
}
