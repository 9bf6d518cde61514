#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Escapes by way of exec: a process that comes from the host into a container whose processes wait for
# it. Each attack is carried out; nothing on the host may change. What can be seen of such a process
# while it is being set up is slowed down and looked at in tests/fault/exec.bats.
bats_require_minimum_version 1.5.0
load ../integration/helpers

setup() {
	setup_engine
	BEFORE=$(sha256sum "$BUILD"/bin/* "$BUILD"/libexec/cloche/*)
}

teardown() {
	assert_equal "$(sha256sum "$BUILD"/bin/* "$BUILD"/libexec/cloche/*)" "$BEFORE"
	teardown_engine
}

start_box() { # FLAGS...
	cloche create --name box --network none "$@" cloche/busybox sleep 1000 >/dev/null
	cloche start box >/dev/null
}

@test "CVE-2019-5736: exec of /proc/self/exe runs nothing that could be written to" {
	start_box
	run cloche exec box /proc/self/exe
	[ "$status" -ne 0 ]
	[[ $output != *"container engine"* ]]
	# the published attack: a shell of the container's that is a script of that interpreter
	cloche exec box sh -c 'printf "#!/proc/self/exe\n" >/tmp/sh && chmod 755 /tmp/sh'
	run cloche exec box /tmp/sh
	[ "$status" -ne 0 ]
	[[ $output != *"container engine"* ]]
	# and as it is done from inside: the program held open by its own file, to be written to later
	run -127 cloche exec box sh -c 'exec /proc/self/exe -c ": >>/proc/self/exe"'
}

# The attacker may trace, and looks at every process that appears in its pid namespace.
@test "CVE-2019-5736, CVE-2016-9962: a neighbour that may trace gets nothing of a process that enters" {
	local i said
	# shellcheck disable=SC2016 # for the shell in the container
	cloche create --name box --network none --cap-add SYS_PTRACE --security-opt seccomp=unconfined cloche/busybox sh -c '
		while :; do for p in /proc/[0-9]*; do
			if grep -qs cloche-monitor $p/cmdline; then
				echo seen
				if (: >>$p/exe) 2>/dev/null; then echo written; fi
				grep -s CapEff $p/status
				ls -l $p/fd $p/cwd $p/root 2>/dev/null
			fi
		done; done' >/dev/null
	cloche start box >/dev/null
	for ((i = 0; i < 30; i++)); do cloche exec box true; done
	said=$(cloche logs box 2>&1)
	[[ $said != *written* ]]
	# No capability that the container lacks was ever to be had.
	assert_equal "$(grep CapEff <<<"$said" | sort -u | grep -v "$(cloche exec box grep CapEff /proc/1/status)")" ""
	[[ $said != *"$ENGINE_DIR"* ]] && [[ $said != *cgroup* ]]
}

@test "CVE-2024-21626: no descriptor of the host's crosses, and none leads out" {
	local n
	start_box
	exec 9</ 50<"$ENGINE_DIR"
	assert_equal "$(cloche exec box sh -c 'cd /proc/self/fd && echo *')" "0 1 2 3"
	for n in {3..9} 50 64; do
		run -127 cloche exec -w "/proc/self/fd/$n" box cat ../../../../etc/shadow || { echo "-w /proc/self/fd/$n: $output" && return 1; }
		run -127 cloche exec box "/proc/self/fd/$n/../../../../../../$BUILD/bin/cloche" || { echo "program by fd $n: $output" && return 1; }
	done
	exec 9<&- 50<&-
	cloche exec box sh -c 'for n in 7 9 50; do ln -s /proc/self/fd/$n /tmp/cwd$n; done'
	for n in 7 9 50; do
		run -127 cloche exec -w "/tmp/cwd$n" box cat ../../../../etc/shadow || { echo "-w by a link to $n: $output" && return 1; }
	done
}

@test "passwd, group and the terminal are the container's to put anything there" {
	start_box
	# names and groups lead out of the root, or never end
	printf 'evil:x:0:0::/:/bin/sh\n' >"$ENGINE_DIR/passwd"
	cloche exec box ln -sf "../../../../../..$ENGINE_DIR/passwd" /etc/passwd
	run -126 cloche exec -u evil box true
	assert_equal "$output" $'unable to find user evil: no matching entries in passwd file\r'
	cloche exec box sh -c 'rm /etc/passwd /etc/group; mkfifo /etc/passwd; ln -s /dev/zero /etc/group'
	run -126 timeout "$(patience 5)" cloche exec -u evil box true
	assert_equal "$(cloche exec box grep -w Uid /proc/self/status)" $'Uid:\t0\t0\t0\t0'
	# a terminal that is not of the container's devpts
	cloche rm -f box >/dev/null
	start_box --cap-add SYS_ADMIN --security-opt seccomp=unconfined
	cloche exec box sh -c 'touch /dev/fake; mount --bind /dev/zero /dev/pts/ptmx'
	run cloche exec -t box sh -c 'echo reached'
	[ "$status" -ne 0 ]
	[[ $output != *reached* ]]
	cloche exec box umount /dev/pts/ptmx
	cloche exec box mount -t tmpfs none /dev/pts
	cloche exec box ln -s /proc/1/fd/0 /dev/pts/ptmx
	run cloche exec -t box sh -c 'echo reached'
	[ "$status" -ne 0 ]
	[[ $output != *reached* ]]
}
