#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# diff, export and import. What changes count as what was written down from dockerd 20.10.24, which tests
# here compare with where it is installed.

load helpers

setup() {
	setup_engine
	cd "$ENGINE_DIR"
}
teardown() {
	cd /
	teardown_engine
}

CHANGES='touch /tmp/x; mkdir -p /opt/a/b; echo 1 >/opt/a/b/c; rm /bin/vi; rm -rf /usr; echo f >/usr
	rm -rf /var; mkdir /var; echo a >>/etc/passwd; ln -s x /tmp/l; mkfifo /tmp/p; mkdir "/tmp/d d"
	chmod 644 /etc/group; chmod 600 /etc/nsswitch.conf; mv /bin/ls /bin/ls2; touch -d 2001-01-01 /home'

EXPECTED='C /bin
D /bin/ls
A /bin/ls2
D /bin/vi
C /etc
C /etc/nsswitch.conf
C /etc/passwd
A /opt
A /opt/a
A /opt/a/b
A /opt/a/b/c
C /tmp
A /tmp/d d
A /tmp/l
A /tmp/p
A /tmp/x
A /tmp/vol
C /usr
C /var
D /var/log
D /var/tmp'

@test "diff shows what docker shows, and export what there is" {
	local before
	cloche create --name box --network none -v /tmp/vol cloche/busybox sh -c "$CHANGES; echo done; sleep 1000" >/dev/null
	assert_equal "$(cloche diff box)" ""
	before=$(cloche export box | tar tf -)
	[[ $before != *./* && $'\n'$before == *$'\n'bin/busybox$'\n'* ]]
	cloche start box >/dev/null
	wait_for 10 has_said box "done"
	assert_equal "$(cloche diff box | sort)" "$(sort <<<"$EXPECTED")"
	# in order of path
	assert_equal "$(cloche diff box | cut -c 3- | tr / '\1')" "$(cloche diff box | cut -c 3- | tr / '\1' | LC_ALL=C sort)"

	# running: without what is mounted into it
	echo inside >"/proc/$(container_pid box)/root/tmp/vol/hidden"
	mkdir out
	cloche container export box | tar -x -C out
	assert_equal "$(cat out/opt/a/b/c) $(cat out/usr) $(readlink out/tmp/l) $(stat -c %a out/etc/nsswitch.conf)" "1 f x 600"
	[ -p out/tmp/p ]
	assert_equal "$(ls -A out/tmp/vol out/proc out/dev)" "$(printf 'out/dev:\n\nout/proc:\n\nout/tmp/vol:')"
	# stopped: the same
	cloche export box | tar tf - >running
	cloche stop -t 0 box >/dev/null
	cloche export -o stopped.tar box
	assert_equal "$(stat -c %a stopped.tar)" 600
	tar tf stopped.tar | diff running -
	assert_equal "$(cloche diff box | sort)" "$(sort <<<"$EXPECTED")"
	assert_equal "$(engine_mounts)" ""
	rm -r out

	# words
	run cloche export -o /nosuch/x box
	assert_equal "$status $output" "1 cloche: failed to export container: invalid output path: stat /nosuch: no such file or directory"
	run cloche export -o /dev/null box
	assert_equal "$output" "cloche: failed to export container: cannot write to a character device file"
	run script -qec "cloche export box" /dev/null
	[[ $output == *"cowardly refusing to save to a terminal. Use the -o flag or redirect"* ]]
	run cloche diff nobody
	assert_equal "$status $output" "1 Error response from daemon: No such container: nobody"
}
