#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Escapes by way of cp: links that lead out, links that are swapped while the copy runs, magic links,
# archives made to leave their directory. Each attack is carried out; nothing of the host is read or
# changed.
load ../integration/helpers

setup() {
	setup_engine
	cd "$ENGINE_DIR"
	mkdir outside work
	echo secret >outside/secret
	echo payload >payload
	OUTSIDE=$(snapshot_tree outside; cat outside/secret)
}

teardown() {
	assert_equal "$(snapshot_tree "$ENGINE_DIR/outside"; cat "$ENGINE_DIR/outside/secret")" "$OUTSIDE"
	teardown_engine
}

@test "CVE-2018-15664: a link that is swapped while the copy runs leads nowhere" {
	# the attacker swaps /swap between a directory and a link to the host's directory
	cloche create --name evil --network none cloche/busybox sh -c \
		"mkdir -p /real $ENGINE_DIR/outside; echo mine >/real/secret; ln -s $ENGINE_DIR/outside /link
		cp -a /link /swap; while :; do mv -T /swap /away 2>/dev/null; ln -s $ENGINE_DIR/outside /swap 2>/dev/null
		rm -f /swap; mkdir /swap 2>/dev/null; rm -rf /away; done" >/dev/null
	cloche start evil >/dev/null
	for _ in $(seq 10); do
		cloche cp payload evil:/swap/secret 2>/dev/null || true
		cloche cp payload evil:/swap/ 2>/dev/null || true
		cloche cp evil:/swap/secret work/got 2>/dev/null || true
		cloche cp -L evil:/swap work/ 2>/dev/null || true
	done
	run grep -r secret work
	assert_status 1
}

@test "CVE-2018-15664: links out of the root, absolute and relative, mean the root" {
	mkdir tree
	ln -s "$ENGINE_DIR/outside" tree/absolute
	ln -s "../../../../../../../../..$ENGINE_DIR/outside" tree/relative
	ln -s /proc/self/root tree/magic
	ln -s /proc/1/root tree/init
	cloche create --name box --network none cloche/busybox sleep 1000 >/dev/null
	cloche cp tree/. box:/tree
	for running in no yes; do
		[ $running = no ] || cloche start box >/dev/null
		for link in absolute relative magic$ENGINE_DIR/outside init$ENGINE_DIR/outside; do
			run cloche cp "box:/tree/$link/secret" work/got
			assert_status 1
			run cloche cp payload "box:/tree/$link/secret"
			assert_status 1
			run cloche cp payload "box:/tree/../../../../../..$ENGINE_DIR/outside/secret"
			assert_status 1
		done
		run cloche cp box:/tree/absolute/. -
		assert_status 1
	done
	# and on the way out a link stays a link
	cloche cp box:/tree work/
	[ -L work/tree/absolute ]
	run cloche cp box:/tree/absolute work/tree/absolute
	assert_equal "$(cat outside/secret)" secret
}

# entries.py writes tars that no honest program writes.
hostile() { # NAME
	python3 - "$1" "$ENGINE_DIR" <<-'END'
		import io, sys, tarfile
		kind, top = sys.argv[1:]
		t = tarfile.open(fileobj=sys.stdout.buffer, mode="w|")
		def add(name, type=tarfile.REGTYPE, link="", data=b"owned\n", **more):
		    i = tarfile.TarInfo(name)
		    i.type, i.linkname, i.mode = type, link, 0o777
		    for k, v in more.items(): setattr(i, k, v)
		    i.size = len(data) if type == tarfile.REGTYPE else 0
		    t.addfile(i, io.BytesIO(data) if i.size else None)
		out = top + "/outside/secret"
		if kind == "dotdot": add("../" * 20 + out[1:])
		if kind == "absolute": add(out)
		if kind == "symlink": add("l", tarfile.SYMTYPE, top + "/outside"); add("l/secret")
		if kind == "relative": add("l", tarfile.SYMTYPE, "../" * 20 + top[1:] + "/outside"); add("l/secret")
		if kind == "hardlink": add("h", tarfile.LNKTYPE, "../" * 20 + out[1:]); add("h")
		if kind == "hardabs": add("h", tarfile.LNKTYPE, out); add("h")
		if kind == "magic": add("m", tarfile.SYMTYPE, "/proc/self/root"); add("m" + out)
		if kind == "device": add("disk", tarfile.BLKTYPE, devmajor=8, devminor=0)
		if kind == "long": add("a/" * 3000 + "x")
		t.close()
	END
}

@test "hostile archives of cp - stay below the container's root" {
	local stat
	cloche create --name box --network none cloche/busybox sleep 1000 >/dev/null
	for running in no yes; do
		[ $running = no ] || cloche start box >/dev/null
		for kind in dotdot absolute symlink relative hardlink hardabs magic long; do
			case $running$kind in nodotdot | noabsolute | nohardabs | nolong) continue ;; esac
			hostile $kind >evil.tar
			run cloche cp - box:/mnt <evil.tar
			case $kind in dotdot | hardlink | hardabs | long) assert_status 1 ;; esac
			assert_equal "$(cat outside/secret)" secret
		done
	done
	# a device may be made, as docker makes it, but the container cannot open it
	hostile device | cloche cp - box:/mnt
	stat=$(cloche cp box:/mnt/disk - | tar tvf -)
	[[ $stat == b* ]]
	run cloche exec box dd if=/mnt/disk count=1
	[ "$status" -ne 0 ]
	# and does not come to the host that way
	run cloche cp box:/mnt/disk work/
	[ ! -e work/disk ]
	[[ $output == *"device files were left out"* ]]
}

@test "set-id bits and capabilities of a container's files stay behind" {
	cp /bin/true work/suid
	chmod 4755 work/suid
	setcap cap_sys_admin+ep work/suid 2>/dev/null || true
	cloche create --name box --network none cloche/busybox true >/dev/null
	cloche cp -a work/suid box:/suid
	[[ $(cloche cp box:/suid - | tar tvf -) == -rws* ]]
	cloche cp box:/suid got
	assert_equal "$(stat -c '%a' got) $(getcap got)" "755 "
}

# The unpacking process is looked at while it waits for its archive.
@test "CVE-2019-14271: what unpacks into a container is confined to it and loads nothing from there" {
	local pid
	! grep -q __asan_init "$BUILD/libexec/cloche/cloche-image" || skip "a build with sanitizers is not confined"
	cloche create --name box --network none cloche/busybox sleep 1000 >/dev/null
	mkfifo pipe
	cloche cp - box:/mnt <pipe 3>&- &
	local copy=$!
	exec 9>pipe
	unpacker() { pid=$(grep -ls "cloche-image" /proc/[0-9]*/comm | head -n 1 | cut -d/ -f3) && [ "$(readlink "/proc/$pid/root")" = / ] &&
		grep -q '^Seccomp:.*2' "/proc/$pid/status"; }
	wait_for 5 unpacker
	# its root is the container's: the host's files have no name there
	[ ! -e "/proc/$pid/root$ENGINE_DIR/outside" ]
	[ -e "/proc/$pid/root/bin/busybox" ]
	assert_equal "$(proc_status "$pid" NoNewPrivs)" 1
	tar -c payload >&9
	exec 9>&-
	wait "$copy"
	assert_equal "$(cloche cp box:/mnt/payload - | tar xOf -)" payload
}
