#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cp both ways and as a tar, on running and stopped containers. What each case must do was written down
# from docker 28.2.2 with dockerd 20.10.24.

load helpers

setup() {
	setup_engine
	cd "$ENGINE_DIR"
	mkdir -p src/dir/sub dst/edir
	echo hello >src/file
	echo x >src/dir/f1
	echo y >src/dir/sub/f2
	ln -s file src/link
	ln -s dir src/dlink
	ln -s /etc/nowhere src/dangling
	echo old >dst/efile
	ln -s efile dst/elink
	ln -s edir dst/edlink
	ln -s newfile dst/dangling
	chown -R 1000:1001 src/file
	cloche create --name box --network none -v vol:/data -v "$ENGINE_DIR/src:/ro:ro" cloche/busybox sleep 1000 >/dev/null
}
teardown() { teardown_engine; }

# What a directory of the container holds: type, mode, path and link target of each entry.
tree() { # CONTAINER PATH
	cloche cp "$1:$2" - | tar tvf - --numeric-owner | awk '{print $1, $2, $6, $7, $8}' | sed 's/ *$//'
}

# case SOURCE DESTINATION EXPECTED...: the paths below the destination afterwards, or the error.
into() {
	local source=$1 destination=$2 expected=$3
	# a fresh /mnt each time
	cloche cp empty/mnt box:/ 2>/dev/null || { mkdir -p empty/mnt; cloche cp empty/mnt box:/; }
	tar -C dst -c . | cloche cp - "box:$fresh"
	run cloche cp "$source" "box:$fresh/$destination"
	if [ "$status" -eq 0 ]; then
		output=$(cloche cp "box:$fresh/." - | tar tf - | sed 's,^\./,,' | grep -v '^$' | tr '\n' ' ')
	fi
	output=${output#cloche: } output=${output#Error response from daemon: }
	assert_equal "${output% }" "${expected% }"
}

# bats test_tags=any-kernel
@test "cp into a container goes where docker puts it" {
	local n=0 fresh base='dangling edir/ edlink efile elink '
	while IFS='|' read -r source destination expected; do
		n=$((n + 1)) fresh=/mnt/$n
		mkdir -p "empty/mnt/$n"
		into "$source" "$destination" "$expected"
	done <<-END
		src/file|efile|$base
		src/file|edir|dangling edir/ edir/file edlink efile elink
		src/file|edlink|dangling edir/ edir/file edlink efile elink
		src/file|new|${base}new
		src/file|new/|no such directory
		src/file|dangling|${base}newfile
		src/file|no/such|Could not find the file /mnt/7/no in container box
		src/dir|efile|cannot copy directory
		src/dir|efile/|cannot overwrite non-directory "/mnt/9/efile" with directory "/mnt/9"
		src/dir|edir|dangling edir/ edir/dir/ edir/dir/f1 edir/dir/sub/ edir/dir/sub/f2 edlink efile elink
		src/dir/.|edir|dangling edir/ edir/f1 edir/sub/ edir/sub/f2 edlink efile elink
		src/dir/.|new|${base}new/ new/f1 new/sub/ new/sub/f2
		src/dir|new/|${base}new/ new/f1 new/sub/ new/sub/f2
		src/dlink|new|${base}new
		src/dlink/|new|${base}new/ new/f1 new/sub/ new/sub/f2
		src/nosuch|new|lstat $ENGINE_DIR/src/nosuch: no such file or directory
		src/file/|new|not a directory
	END
}

# bats test_tags=any-kernel
@test "cp out of a container goes where docker puts it" {
	local base='dangling edir edlink efile elink '
	cloche cp src box:/root/
	while IFS='|' read -r source destination expected; do
		rm -rf d
		cp -a dst d
		run cloche cp "box:/root/src/$source" "d/$destination"
		[ "$status" -ne 0 ] || output=$(cd d && find . -mindepth 1 -printf '%P\n' | sort | tr '\n' ' ')
		output=${output#cloche: } output=${output#Error response from daemon: }
		assert_equal "${output% }" "${expected% }"
	done <<-END
		file|efile|$base
		file|edir|dangling edir edir/file edlink efile elink
		file|edlink|dangling edir edir/file edlink efile elink
		file|new|${base}new
		file|new/|no such directory
		file|dangling|${base}newfile
		file|no/such|invalid output path: directory "$ENGINE_DIR/d/no" does not exist
		dir|efile|cannot copy directory
		dir|edir|dangling edir edir/dir edir/dir/f1 edir/dir/sub edir/dir/sub/f2 edlink efile elink
		dir/.|edir|dangling edir edir/f1 edir/sub edir/sub/f2 edlink efile elink
		dir|new|${base}new new/f1 new/sub new/sub/f2
		dlink|new|${base}new
		dlink/|new|${base}new new/f1 new/sub new/sub/f2
		nosuch|new|Could not find the file /root/src/nosuch in container box
		file/|new|lstat /root/src/file/: not a directory
	END
	# a link is copied, and with -L what it leads to in the container
	cloche cp box:/root/src/link d/
	assert_equal "$(readlink d/link)" file
	cloche cp -L box:/root/src/link d/
	assert_equal "$(cat d/link)" hello
	[ ! -L d/link ]
}

@test "cp: owners, modes, times, the tar streams, and what is refused" {
	chmod 750 src/file
	touch -d '2020-01-02 03:04:05.678' src/file
	cloche cp src/file box:/one
	cloche cp -a src/file box:/two
	assert_equal "$(cloche cp box:/one - | tar tvf - --numeric-owner --full-time | tr -s ' ')" "-rwxr-x--- 0/0 6 2020-01-02 03:04:05 one"
	assert_equal "$(cloche cp box:/two - | tar tvf - --numeric-owner --full-time | tr -s ' ')" "-rwxr-x--- 1000/1001 6 2020-01-02 03:04:05 two"
	cloche cp box:/two d1
	assert_equal "$(stat -c '%u:%g %a %Y' d1)" "0:0 750 1577934245"
	cloche cp -a box:/two d2
	assert_equal "$(stat -c '%u:%g %a %y' d2 | cut -c 1-40)" "1000:1001 750 2020-01-02 03:04:05.678000"

	# streams: in, also compressed, and out again
	tar -C src -c dir | gzip | cloche cp - box:/mnt
	assert_equal "$(cloche cp box:/mnt - | tar tf - | tr '\n' ' ')" "mnt/ mnt/dir/ mnt/dir/f1 mnt/dir/sub/ mnt/dir/sub/f2 "
	assert_equal "$(cloche cp box:/mnt/. - | tar xOf - ./dir/sub/f2)" y

	# through volumes of a stopped container, and not into what is read-only
	cloche cp src/file box:/data/
	assert_equal "$(cat "$CLOCHE_ROOT/volumes/vol/_data/file")" hello
	run cloche cp src/file box:/ro/new
	assert_equal "$output" "Error response from daemon: mounted volume is marked read-only"
	cloche create --name ro --read-only --network none cloche/busybox sleep 1000 >/dev/null
	run cloche cp src/file ro:/tmp
	assert_equal "$output" "Error response from daemon: container rootfs is marked read-only"

	# words
	while IFS='|' read -r source destination expected; do
		run cloche cp "$source" "$destination" </dev/null
		assert_status 1
		assert_equal "$output" "$expected"
	done <<-END
		a|b|cloche: must specify at least one container source
		box:/a|box:/b|cloche: copying between containers is not supported
		box:/root|/dev/null|cloche: invalid output path: "/dev/null" must be a directory or a regular file: got a device
		-|box:/etc/passwd|cloche: destination "box:/etc/passwd" must be a directory
		-|box:/nosuch|cloche: destination "box:/nosuch" must be a directory
		nobody:/etc|d|Error response from daemon: No such container: nobody
		box:/nosuch|-|Error response from daemon: Could not find the file /nosuch in container box
	END
	run cloche cp "" box:/
	assert_equal "$output" "cloche: source can not be empty"
	run cloche cp box: d
	assert_equal "$status $output" "1 cloche: bad parameter: path cannot be empty"
	run cloche cp a box:
	assert_equal "$status $output" "1 cloche: no such directory"
	assert_equal "$(engine_mounts)" ""
}

@test "cp of a running container: its own mounts, and what it says on a terminal" {
	cloche start box >/dev/null
	cloche cp src/file box:/tmp/here
	local root
	root=/proc/$(container_pid box)/root
	assert_equal "$(cat "$root/tmp/here")" hello
	echo there >"$root/data/there"
	assert_equal "$(cloche cp box:/data/there - | tar xOf -)" there
	assert_equal "$(cloche cp box:/proc/1/comm - | tar tf -)" comm
	# kept, and not read as a link into this host
	assert_equal "$(cloche cp -L box:/proc/self/root/etc/hostname - 2>&1 | grep -ac "$(hostname)\$")" 0
	run script -qec "cloche cp src/file box:/tmp/again" /dev/null
	assert_status 0
	[[ $output == *"Successfully copied 2.05kB to box:/tmp/again"* ]]
	run cloche cp src/file box:/tmp/quiet
	assert_equal "$output" ""
	assert_equal "$(engine_mounts)" ""
}
