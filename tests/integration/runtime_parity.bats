#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The process that cloche-runtime starts from crun's default bundle is confined as crun confines it, so
# that speed is not bought by skipping work. crun refuses hybrid cgroups: it runs in a mount namespace
# in which only the version 1 hierarchies are left.

load runtime_helpers

setup() {
	command -v crun >/dev/null || skip "crun is not installed"
	setup_runtime
	rm config.json
	crun spec
	# shellcheck disable=SC2016 # the name is jq's, the text is the container's shell's
	configure '.process.terminal = false | .process.args = ["sh", "-c", $script]' --arg script '
		cat /proc/self/mountinfo
		echo ---
		grep -E "^(Cap|Seccomp:|NoNewPrivs|Groups|Uid|Gid|Sig(Blk|Ign))" /proc/self/status
		cat /proc/self/limits /proc/self/oom_score_adj
		umask
		ls -l /dev /dev/pts | sed "s/[A-Z][a-z][a-z] [ 0-9]* [0-9:]* / /"
		for path in /proc/acpi /sys/firmware; do ls -A $path; done
		cat /proc/keys /proc/timer_list | wc -c
		touch /proc/sys/kernel/x /file 2>&1
		hostname
		env | sort
		ls -l /proc/self/fd | grep -c " -> "'
	local name
	for name in wc sed hostname umask env sort; do ln -s busybox "rootfs/bin/$name"; done
}
teardown() { teardown_runtime; }

run_crun() {
	use_group "$GROUP/crun"
	# shellcheck disable=SC2016 # expanded by the inner shell
	unshare -m sh -c '
		for m in /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
			! mountpoint -q "$m" || umount "$m" || exit 1
		done
		exec crun --root "$1" run c' sh "$DIR/crun"
}

run_ours() {
	use_group "$GROUP/ours"
	rt run c
}

# "TARGET TYPE FLAGS" of the mounts both should make. What differs by design is left out: crun has no
# unified and systemd hierarchies here, shows the host's /dev/null over masked files where we show the
# container's own, and writes the superblock's options differently.
mounts_of() {
	sed '/^---$/,$d' "$1" | awk '
		$5 ~ "^/sys/fs/cgroup/(unified|systemd)$" { next }
		{ for (i = 7; $i != "-"; i++); type = $(i + 1)
		  if ($4 == "/null") { print $5, "masked"; next }
		  if ($5 == "/sys/fs/cgroup") { print $5, "tmpfs"; next }
		  print $5, type, $6 }' | sort
}

state_of() {
	sed '1,/^---$/d' "$1"
}

@test "mounts, capabilities, limits, devices, masks and environment equal crun's" {
	run_ours >"$DIR/ours"
	run_crun >"$DIR/theirs"
	[ "$(mounts_of "$DIR/theirs" | wc -l)" -ge 12 ]
	diff <(mounts_of "$DIR/theirs") <(mounts_of "$DIR/ours")
	[ "$(state_of "$DIR/theirs" | wc -l)" -ge 30 ]
	diff <(state_of "$DIR/theirs") <(state_of "$DIR/ours")
}

@test "with the same seccomp section both filter" {
	configure '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64"],
		syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 38}]}
		| .process.args = ["sh", "-c", "grep Seccomp: /proc/self/status; mkdir /dev/x 2>&1"]'
	ln -s busybox rootfs/bin/mkdir
	run_ours >"$DIR/ours" || true
	run_crun >"$DIR/theirs" || true
	assert_contains "$(cat "$DIR/theirs")" "Function not implemented"
	diff "$DIR/theirs" "$DIR/ours"
}
