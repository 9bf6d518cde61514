#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# analyze security: the default beside a restricted container, and weaknesses put in on purpose, each
# found where it was put.
bats_require_minimum_version 1.5.0
load helpers

image=cloche/busybox

setup() { setup_engine; }
teardown() {
	[ -z "${LISTENER:-}" ] || kill "$LISTENER" || true
	end_dockerd
	teardown_engine
}

# Gone, with what it mounts, before its directories are.
end_dockerd() {
	local pid mount
	pid=$(cat "$ENGINE_DIR/dp" 2>/dev/null) || return 0
	kill "$pid"
	wait_for 20 not_running "$pid"
	grep -F "$ENGINE_DIR/d" /proc/self/mountinfo | awk '{ print $5 }' | sort -r | while read -r mount; do umount "$mount"; done
}

not_running() { ! kill -0 "$1" 2>/dev/null; }

# look FLAG...: analyze's report of a container made with these flags, or of --container.
look() {
	local flags=()
	for flag; do
		case "$flag" in
		--container=*) flags+=("$flag") ;;
		*) flags+=("--run-flag=$flag") ;;
		esac
	done
	cloche analyze security --runs 1 --no-progress --json "$ENGINE_DIR/report.json" "${flags[@]}" >"$ENGINE_DIR/out"
}

report() { jq -r "$1" "$ENGINE_DIR/report.json"; }

# findings SEVERITY: their titles.
findings() { report ".findings[] | select(.severity == \"$1\" and .test == \"security\") | .title"; }

verdict() { report ".tests[].claims[] | select(.key == \"security.$1\") | .verdict"; }

figure() { report ".tests[].figures[] | select(.key == \"security.$1\") | .samples[0]"; }

# A socket somebody listens on, as an engine's would be called.
listen_at() { # PATH
	python3 -c 'import signal, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); signal.pause()' "$1" 3>&- &
	LISTENER=$!
	wait_for 10 test -S "$1"
}

# bats test_tags=once
@test "the default: fourteen capabilities, a filter that refuses what is dangerous, nothing above low" {
	look
	assert_equal "$(report '.tests[0].status')" "done"
	[ "$(figure capabilities)" = 14 ]
	[ "$(figure restricted.capabilities)" = 0 ]
	[ "$(figure denied_calls)" -gt 40 ]
	for claim in capabilities filter mounts kernel_files devices; do
		assert_equal "$(verdict "$claim")" holds
	done
	for call in mount reboot kexec_load ptrace; do
		report '.tests[].claims[] | select(.key == "security.filter") | .evidence[]' | tr -d ',' | grep -qw "$call" ||
			[ "$call" = ptrace ] # from Linux 4.8 on it is let through
	done
	[ -z "$(findings critical)$(findings high)" ]
	findings low | grep -q 'runs as root'
	[ "$(awk 'length > 100' "$ENGINE_DIR/out" | wc -l)" = 0 ]
}

# bats test_tags=any-kernel
@test "the filter is asked call by call: one profile refuses exactly what another allows" {
	cat >"$ENGINE_DIR/p.json" <<-'END'
		{"defaultAction": "SCMP_ACT_ALLOW",
		 "syscalls": [{"names": ["chown", "sysinfo"], "action": "SCMP_ACT_ERRNO"},
		              {"names": ["times"], "action": "SCMP_ACT_KILL_PROCESS"}]}
	END
	look "--security-opt=seccomp=$ENGINE_DIR/p.json"
	assert_equal "$(figure denied_calls)" 3
	report '.tests[].claims[] | select(.key == "security.filter") | .evidence[2]' >"$ENGINE_DIR/calls"
	grep -qw chown "$ENGINE_DIR/calls" && grep -qw sysinfo "$ENGINE_DIR/calls" && grep -q 'times (killed)' "$ENGINE_DIR/calls"
}

# bats test_tags=any-kernel
@test "an added capability" {
	look --cap-add=SYS_ADMIN
	findings critical | grep -q CAP_SYS_ADMIN
	assert_equal "$(verdict capabilities)" broken
	assert_equal "$(figure capabilities)" 15
	report '.findings[] | select(.title | test("SYS_ADMIN")) | .flag' | grep -q -- '--cap-drop SYS_ADMIN'
}

# bats test_tags=any-kernel
@test "a privileged container" {
	look --privileged
	findings critical | grep -q 'privileged: all'
	assert_equal "$(verdict filter)" broken
	assert_equal "$(figure denied_calls)" 0
	assert_equal "$(findings critical | grep -c CAP_)" 0 # one finding, not one per capability
}

# bats test_tags=any-kernel
@test "an engine's socket, alone and in the directory around it" {
	mkdir "$ENGINE_DIR/run-of-host"
	listen_at "$ENGINE_DIR/run-of-host/docker.sock"
	look "--volume=$ENGINE_DIR/run-of-host/docker.sock:/a/docker.sock:ro"
	findings critical | grep -q "socket is mounted: /a/docker.sock ($ENGINE_DIR/run-of-host/docker.sock)"
	look "--volume=$ENGINE_DIR/run-of-host:/b"
	findings critical | grep -q 'socket is mounted: /b/docker.sock'
	assert_equal "$(verdict mounts)" broken
}

# bats test_tags=any-kernel
@test "host paths: what may be written is told from what may be read, and files from system files" {
	mkdir "$ENGINE_DIR/d"
	look --volume=/etc:/host-etc --volume=/usr:/host-usr:ro "--volume=$ENGINE_DIR/d:/d"
	findings high | grep -q 'write system files of the host: /etc on /host-etc$'
	findings medium | grep -q 'read system files of the host: /usr on /host-usr$'
	findings low | grep -q "write files of the host: $ENGINE_DIR/d on /d$"
}

# bats test_tags=any-kernel
@test "no filter; processes of the host" {
	look --security-opt=seccomp=unconfined --pid=host
	findings high | grep -q 'No seccomp filter'
	findings high | grep -q "pid namespace is the host's"
	findings medium | grep -q 'can make user namespaces' # none of Docker's flags adds that alone
}

# bats test_tags=any-kernel
@test "what the flags are worth: root, setuid, root file system, limits are no findings any more" {
	look --user=1000 --read-only --security-opt=no-new-privileges --cap-drop=ALL --memory=64m --pids-limit=64
	assert_equal "$(findings low | grep -cE 'runs as root|setuid|writable|not limited|capabilities')" 0
}

# bats test_tags=any-kernel
@test "a container that was there before, and what is not asked of it" {
	cloche run -d --name weak --network none --cap-add SYS_MODULE $image sleep 600 >/dev/null
	look --container=weak
	findings critical | grep -q CAP_SYS_MODULE
	[ "$(report '.findings[0].subject')" = weak ]
	report '.tests[].notes[]' | grep -q 'from outside only'
	[ -z "$(figure denied_calls)" ]
	run -1 cloche analyze startup --container weak --no-progress
	cloche rm -f weak >/dev/null
}

# bats test_tags=any-kernel
@test "published ports: everywhere is told from loopback, and who gets there" {
	cloche run -d --name web -p 127.0.0.1:18080:80 -p 18081:81/tcp $image sleep 600 >/dev/null
	look --container=web
	assert_equal "$(verdict ports)" broken
	findings medium | grep -qx 'Port 81/tcp is published at every address of the host, port 18081'
	assert_equal "$(findings medium | grep -c '80/tcp')" 0
	report '.tests[].claims[] | select(.key == "security.ports") | .evidence[]' >"$ENGINE_DIR/ports"
	grep -qx '80/tcp at 127.0.0.1, port 18080' "$ENGINE_DIR/ports"
	grep -q '18080/tcp -> 80: .* for this host' "$ENGINE_DIR/ports"
	cloche rm -f web >/dev/null
}

# bats test_tags=any-kernel,once
@test "a container of Docker's, found by its name, judged by the same rules" {
	[ "${CLOCHE_TEST_SLOW:-0}" = 0 ] || skip "dockerd runs where the kernel is not emulated"
	command -v dockerd docker >/dev/null || skip "dockerd is not installed"
	export DOCKER_HOST=unix://$ENGINE_DIR/d.sock
	dockerd --data-root "$ENGINE_DIR/dd" --exec-root "$ENGINE_DIR/de" -H "$DOCKER_HOST" -p "$ENGINE_DIR/dp" \
		--storage-driver overlay2 --cgroup-parent "/$ENGINE_CGROUP" --bridge none --iptables=false --ip6tables=false \
		>"$ENGINE_DIR/log" 2>&1 3>&- &
	if ! wait_for 30 docker version >/dev/null 2>&1; then skip "dockerd does not start: $(tail -n 1 "$ENGINE_DIR/log")"; fi
	cloche run --rm --network none $image true
	cloche save $image | docker load >/dev/null
	docker run -d --name weak --network none --cap-add SYS_PTRACE --pid host $image sleep 600 >/dev/null
	look --container=docker:weak
	docker rm -f weak >/dev/null
	[ "$(report '.findings[0].subject')" = weak ]
	findings high | grep -q 'CAP_SYS_PTRACE'
	findings high | grep -q "pid namespace is the host's"
	assert_equal "$(verdict ports)" holds
}
