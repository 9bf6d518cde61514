#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Unpacked images equal what was packed, in every attribute, compared by tools that are not ours; and
# equal what Docker makes of the same archive.
# bats file_tags=peer
load helpers
load image_helpers

setup() { setup_engine; }
teardown() {
	cd /
	# It may have mounted its data root, and need not take that away.
	stop_docker
	unmount_images
	teardown_engine
}

# The tree that Docker unpacked, at DIR.
mount_docker_image() { # NAME DIR
	local upper lower
	upper=$(docker image inspect -f '{{.GraphDriver.Data.UpperDir}}' "$1")
	lower=$(docker image inspect -f '{{.GraphDriver.Data.LowerDir}}' "$1")
	mkdir -p "$2"
	mount -t overlay overlay -o "ro,lowerdir=$upper:$lower" "$2"
}

# A Debian root with python3 as a tar, made once per build directory.
python_root() {
	command -v mmdebstrap >/dev/null || skip "no mmdebstrap"
	local path=$BUILD/test-cache/python.tar
	if [ ! -s "$path" ]; then
		mkdir -p "${path%/*}"
		# by the name it would take what is not called .tar for a directory
		outside mmdebstrap --quiet --format=tar --variant=essential --include=python3-minimal,iputils-ping bookworm "$path.new" \
			>"$BATS_TEST_TMPDIR/mmdebstrap.log" 2>&1 || {
			cat "$BATS_TEST_TMPDIR/mmdebstrap.log"
			return 1
		}
		mv "$path.new" "$path"
	fi
	printf '%s\n' "$path"
}

# The image has one layer, and its tree is the tar's.
assert_tree_is() { # IMAGE TAR
	local tree
	tree=$(cloche image inspect -f '{{.GraphDriver.Data.UpperDir}}' "$1")
	"$BATS_TEST_DIRNAME/compare-trees" "$tree" "$2"
	tar --compare --xattrs --xattrs-include='*' -f "$2" -C "$tree"
}

assert_python_runs() {
	run cloche run --rm --network none "$1" python3 -c 'print(6*7)'
	assert_status 0
	assert_equal "${lines[-1]}" 42
}

@test "Debian with python3, packed by skopeo with zstd layers: equal to the tar, and runs" {
	local root
	root=$(python_root)
	"$BATS_TEST_DIRNAME/make-image" --pack py:1 "$ENGINE_DIR/py.tar" "$root"
	skopeo --tmpdir "$ENGINE_DIR" copy -q --dest-compress-format zstd "docker-archive:$ENGINE_DIR/py.tar" \
		"oci-archive:$ENGINE_DIR/zstd.tar:py:zstd"
	run cloche load -i "$ENGINE_DIR/zstd.tar"
	assert_equal "$output" "Loaded image: py:zstd"
	assert_tree_is py:zstd "$root"
	assert_python_runs py:zstd
}

@test "Debian with python3, packed by docker save: equal to the tar, and runs" {
	local root
	root=$(python_root)
	start_docker || skip "no dockerd that starts here"
	docker import "$root" py:saved >/dev/null
	docker save -o "$ENGINE_DIR/saved.tar" py:saved
	run cloche load -i "$ENGINE_DIR/saved.tar"
	assert_equal "$output" "Loaded image: py:saved"
	assert_tree_is py:saved "$root"
	assert_python_runs py:saved
}

@test "three layers with whiteouts, opaque directories, links and capabilities: the tree Docker makes" {
	start_docker || skip "no dockerd that starts here"
	docker load -q -i "$(fixture three-layers)"
	cloche load -q -i "$(fixture three-layers)"
	mount_docker_image three:1 "$ENGINE_DIR/docker-tree"
	mount_image three:1 "$ENGINE_DIR/tree"
	# directories that no entry mentions get the time of the load, in both
	run "$BATS_TEST_DIRNAME/compare-trees" "$ENGINE_DIR/tree" "$ENGINE_DIR/docker-tree"
	assert_equal "$(grep -v ': mtime: ' <<<"$output" | tail -n +2)" ""
	assert_equal "$(grep -c ': mtime: ' <<<"$output")" 5
	assert_equal "$(cloche image inspect -f '{{.Id}} {{.Size}}' three:1)" \
		"$(docker image inspect -f '{{.Id}} {{.Size}}' three:1)"
	# an archive that states no ids gets the ones that Docker computes
	docker load -q -i "$(fixture legacy)"
	cloche load -q -i "$(fixture legacy)"
	assert_equal "$(cloche image inspect -f '{{.Id}}' legacy:1)" "$(docker image inspect -f '{{.Id}}' legacy:1)"
}

@test "three layers: what each rule of layers says" {
	cloche load -q -i "$(fixture three-layers)"
	mount_image three:1 "$ENGINE_DIR/m"
	cd "$ENGINE_DIR/m"
	# whiteouts
	[ ! -e gone ] && [ ! -e gone-dir ] && [ ! -e dir/a ] && [ -e dir/b ] && [ ! -e etc/user ]
	# an opaque directory shows only what its own layer has, with its own attributes
	assert_equal "$(ls opaque)" new
	assert_equal "$(stat -c '%a %u' opaque)" "700 9"
	# a directory removed and made again does not bring back what it had
	assert_equal "$(ls dir/c)" new
	assert_equal "$(ls file-to-dir)" in
	assert_equal "$(cat dir-to-file)" "now a file"
	# changing one of two links leaves the other
	assert_equal "$(cat usr/lib/libc.so.6)" changed
	assert_equal "$(stat -c %s usr/lib/libc.so)" 20000
	assert_equal "$(stat -c %i etc/twin)" "$(stat -c %i etc/twin2)"
	# capability, setuid, setgid, sticky, owner, time, access list, devices
	assert_contains "$(getcap bin/ping)" "cap_net_raw=ep"
	assert_equal "$(stat -c %a bin/su bin/wall tmp)" $'4755\n2755\n1777'
	assert_equal "$(stat -c '%u %g' big-owner)" "3000000 3000001"
	assert_equal "$(stat -c %.9Y etc/shadow)" 1234567890.123456700
	assert_contains "$(getfacl -cn etc/acl)" "user:1234:r--"
	assert_equal "$(stat -c '%F %t %T' dev-null dev-loop fifo)" \
		$'character special file 1 3\nblock special file 7 0\nfifo 0 0'
	assert_equal "$(readlink dangling)" ../../../../etc/shadow
	assert_equal "$(getfattr -h --only-values -n trusted.note dangling fifo 2>/dev/null)" linkfifo
	# names are bytes
	[ -e $'na\xc3\xafve-\xe6\x97\xa5\xe6\x9c\xac' ] && [ -e $'nfd-e\xcc\x81' ]
	cd /
}

@test "hard links into lower layers, and entries that replace each other" {
	cloche load -q -i "$(fixture cross-hardlink)"
	mount_image cross:1 "$ENGINE_DIR/m"
	assert_equal "$(cat "$ENGINE_DIR/m/copy" "$ENGINE_DIR/m/copy2")" sharedshared
	assert_equal "$(stat -c '%a %u' "$ENGINE_DIR/m/copy" "$ENGINE_DIR/m/data/file")" $'640 12\n640 12'
	assert_equal "$(stat -c %i "$ENGINE_DIR/m/copy")" "$(stat -c %i "$ENGINE_DIR/m/data/file")"
	# the directory that had to be made for it looks as it did below
	assert_equal "$(stat -c '%a %u' "$ENGINE_DIR/m/data")" "750 11"
	cloche load -q -i "$(fixture duplicates)"
	mount_image dup:1 "$ENGINE_DIR/d"
	assert_equal "$(cat "$ENGINE_DIR/d/once")" 22
	assert_equal "$(cat "$ENGINE_DIR/d/d")" "file now"
	assert_equal "$(cat "$ENGINE_DIR/d/f/y")" y
	assert_equal "$(cat "$ENGINE_DIR/d/s")" "no link"
}

@test "what GNU tar packs: sparse files, access lists, attributes, in GNU and PAX form" {
	local format src=$ENGINE_DIR/src tree more
	mkdir -p "$src/sub"
	truncate -s 40M "$src/sparse"
	printf data | dd of="$src/sparse" bs=1 seek=20000000 conv=notrunc status=none
	printf end | dd of="$src/sparse" bs=1 seek=41943037 conv=notrunc status=none
	truncate -s 1M "$src/all-hole"
	printf x >"$src/$(printf 'n%.0s' {1..200})"
	setfacl -m u:4321:rwx,g:77:r "$src/sub"
	setfacl -d -m u:4321:rwx "$src/sub"
	setfattr -n user.color -v blue "$src/sub"
	touch -d '1969-12-31 23:00:00 UTC' "$src/sub"
	for format in gnu pax; do
		more=()
		[ "$format" = gnu ] || more=(--acls --xattrs --xattrs-include='*')
		(cd "$src" && tar --sparse --format="$format" "${more[@]}" \
			--numeric-owner -cf "$ENGINE_DIR/$format.tar" .)
		"$BATS_TEST_DIRNAME/make-image" --pack "$format:1" "$ENGINE_DIR/a.tar" "$ENGINE_DIR/$format.tar"
		cloche load -q -i "$ENGINE_DIR/a.tar"
		tree=$(cloche image inspect -f '{{.GraphDriver.Data.UpperDir}}' "$format:1")
		cmp "$src/sparse" "$tree/sparse"
		cmp "$src/all-hole" "$tree/all-hole"
		[ "$(stat -c %b "$tree/sparse")" -lt 200 ]
		[ -e "$tree/$(printf 'n%.0s' {1..200})" ]
	done
	assert_equal "$(getfacl -cn "$tree/sub" 2>/dev/null)" "$(getfacl -cn "$src/sub" 2>/dev/null)"
	assert_equal "$(getfattr --only-values -n user.color "$tree/sub" 2>/dev/null)" blue
	assert_equal "$(stat -c %Y "$tree/sub")" -3600
	tar --compare --acls --xattrs -f "$ENGINE_DIR/pax.tar" -C "$tree"
}

@test "layers made by umoci" {
	local dir=$ENGINE_DIR/oci bundle=$ENGINE_DIR/bundle
	umoci init --layout "$dir" && umoci new --image "$dir:u" && umoci unpack --image "$dir:u" "$bundle" >/dev/null
	mkdir -p "$bundle/rootfs/a" && echo 1 >"$bundle/rootfs/a/one" && echo 2 >"$bundle/rootfs/a/two"
	umoci repack --refresh-bundle --image "$dir:u" "$bundle" >/dev/null 2>&1
	rm "$bundle/rootfs/a/one" && ln "$bundle/rootfs/a/two" "$bundle/rootfs/a/three"
	umoci repack --image "$dir:u" "$bundle" >/dev/null 2>&1
	tar -C "$dir" -cf "$ENGINE_DIR/u.tar" .
	run cloche load -i "$ENGINE_DIR/u.tar"
	assert_status 0
	assert_equal "$output" "Loaded image: u:latest"
	mount_image u "$ENGINE_DIR/m"
	assert_equal "$(ls "$ENGINE_DIR/m/a")" $'three\ntwo'
	"$BATS_TEST_DIRNAME/compare-trees" --ignore mtime "$ENGINE_DIR/m" "$bundle/rootfs"
}
