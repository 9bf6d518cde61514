#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Images from files: load, images, tag, rmi, history, inspect.
load helpers
load image_helpers

setup() { setup_engine; }
teardown() { cd / && unmount_images; teardown_engine; }

@test "load takes Docker and OCI archives, plain, gzip and zstd, from a file and from a pipe" {
	local kind name
	while read -r kind name; do
		run cloche load -i "$(fixture "$kind")"
		assert_status 0
		assert_equal "$output" "Loaded image: $name"
		mount_image "$name" "$ENGINE_DIR/m"
		assert_equal "$(cat "$ENGINE_DIR/m/etc/hello")" hello
		unmount_images
		cloche rmi "$name"
		run bash -c "cat '$(fixture "$kind")' | cloche load"
		assert_status 0
		assert_equal "$output" "Loaded image: $name"
		cloche rmi "$name"
		assert_empty_store
	done <<-'END'
		oci oci:1
		oci-gzip ocigzip:1
		oci-zstd ocizstd:1
		docker-media dockerfamily:1
		linked-layers fixture:1
		many-members members:1
	END
}

@test "the archive itself may be compressed" {
	gzip -c "$(fixture oci-zstd)" >"$ENGINE_DIR/a.tar.gz"
	zstd -q "$(fixture linked-layers)" -o "$ENGINE_DIR/b.tar.zst"
	run cloche load -i "$ENGINE_DIR/a.tar.gz"
	assert_equal "$output" "Loaded image: ocizstd:1"
	run bash -c "cloche load <'$ENGINE_DIR/b.tar.zst'"
	assert_equal "$output" "Loaded image: fixture:1"
	assert_equal "$(load_leftovers)" ""
}

@test "several images and names in one archive; shared layers are unpacked once" {
	run cloche load -i "$(fixture several)"
	assert_status 0
	assert_equal "$output" $'Loaded image: multi/x:1\nLoaded image: multi/x:2\nLoaded image: multi/y:1'
	run cloche load -i "$(fixture untagged)"
	assert_equal "$output" "Loaded image ID: $(image_id "$(cloche images -q -f dangling=true)")"
	# x has layers a, b; y has b alone; the untagged one is a alone: a, a+b, b
	assert_equal "$(find "$CLOCHE_ROOT/image/overlay2/layerdb/sha256" -mindepth 1 -maxdepth 1 | wc -l)" 3
	assert_equal "$(find "$CLOCHE_ROOT/overlay2/l" -type l | wc -l)" 3
}

@test "an archive from before Docker 1.10 loads, with the history of its layers" {
	run cloche load -i "$(fixture legacy)"
	assert_status 0
	assert_equal "$output" $'Loaded image: legacy:1\nLoaded image: legacy:two'
	mount_image legacy:1 "$ENGINE_DIR/m"
	assert_equal "$(cat "$ENGINE_DIR/m/etc/hello" "$ENGINE_DIR/m/second")" $'hello\n2'
	assert_equal "$(cloche image inspect -f '{{.Config.Env}} {{.DockerVersion}}' legacy:two)" "[A=b] 1.9.1"
	assert_equal "$(cloche history --format '{{.CreatedBy}}' legacy:1)" $'/bin/sh -c step 1\n/bin/sh -c step 0'
}

@test "what is loaded already is not unpacked again, and a name that moves is said" {
	local before
	cloche load -i "$(fixture three-layers)"
	before=$(find "$CLOCHE_ROOT/overlay2" -mindepth 1 -printf '%P %i %C@\n' | sort)
	run cloche load -i "$(fixture three-layers)"
	assert_status 0
	assert_equal "$output" $'Loaded image: three:1\nLoaded image: three:two'
	assert_equal "$(find "$CLOCHE_ROOT/overlay2" -mindepth 1 -printf '%P %i %C@\n' | sort)" "$before"
	cloche tag three:1 fixture:1
	run cloche load -i "$(fixture linked-layers)"
	assert_equal "${lines[0]}" \
		"The image fixture:1 already exists, renaming the old one with ID $(image_id three:1) to empty string"
}

@test "a nested index gives the image of this machine" {
	run cloche load -i "$(fixture oci-index)"
	assert_equal "$output" "Loaded image: nested:1"
	mount_image nested:1 "$ENGINE_DIR/m"
	assert_equal "$(cat "$ENGINE_DIR/m/etc/hello")" hello
	unmount_images
}

@test "an image of 125 layers, as many as Docker allows, loads and runs" {
	run cloche load -i "$(fixture deep)"
	assert_equal "$output" "Loaded image: deep:1"
	run cloche run --rm --network none deep:1 sh -c 'echo d/*'
	assert_status 0
	# shellcheck disable=SC2086 # one word a file
	set -- $output
	assert_equal "$#" 124
}

@test "an image of another architecture loads; run warns and cannot execute it" {
	cloche load -i "$(fixture other-architecture)"
	run cloche run --rm foreign:1
	[ "$status" -ne 0 ]
	assert_contains "$output" "does not match the detected host platform"
	assert_contains "$output" "exec format error"
}

@test "the image that comes with Cloche needs no load, can be removed and comes back" {
	run cloche run --rm --network none cloche/busybox sh -c 'echo in; id -u nobody'
	assert_status 0
	assert_equal "$output" $'in\n65534'
	assert_equal "$(cloche images --format '{{.Repository}}:{{.Tag}}')" cloche/busybox:latest
	run cloche rmi cloche/busybox
	assert_status 0
	assert_equal "${lines[0]}" "Untagged: cloche/busybox:latest"
	run cloche run --rm --network none docker.io/cloche/busybox:latest true
	assert_status 0
}

@test "images prints Docker's table" {
	cloche load -i "$(fixture three-layers)"
	cloche load -i "$(fixture untagged)"
	local three none
	three=$(image_id three:1) none=$(cloche images -q -f dangling=true)
	run cloche images
	assert_status 0
	assert_equal "${lines[0]}" "REPOSITORY   TAG       IMAGE ID       CREATED       SIZE"
	assert_contains "$output" "three        1         ${three:7:12}"
	assert_contains "$output" "three        two       ${three:7:12}"
	assert_contains "$output" "<none>       <none>    $none"
	run cloche images --digests three
	assert_equal "${lines[0]}" "REPOSITORY   TAG       DIGEST    IMAGE ID       CREATED       SIZE"
	assert_equal "${#lines[@]}" 3
	assert_equal "$(cloche image ls -q --no-trunc three:two)" "$three"
	assert_equal "$(cloche images --format '{{.Repository}} {{.Tag}} {{.Size}}' 'thr*:1')" "three 1 20.1kB"
	assert_equal "$(cloche images -q -f label=none)" ""
	run cloche images -f nonsense=1
	assert_status 1
	assert_contains "$output" "invalid filter 'nonsense'"
	run cloche images -f 'reference=['
	assert_status 1
	assert_equal "$output" "Error response from daemon: syntax error in pattern"
	run cloche images --format '{{.Nope}}'
	assert_status 1
	assert_equal "$output" "template parsing error: template: :1:2: executing \"\" at <.Nope>: can't evaluate field Nope in type *formatter.imageContext"
	run cloche history --format '{{.Nope}}' three:1
	assert_contains "$output" "in type *image.historyContext"
	# A row as a whole is what Go marshals by itself, a member is not.
	assert_equal "$(cloche images -f dangling=true --format json)" "$(cloche images -f dangling=true --format '{{json .}}')"
	assert_contains "$(cloche images -f dangling=true --format json)" '"Repository":"\u003cnone\u003e"'
	assert_equal "$(cloche images -f dangling=true --format '{{json .Tag}}')" '"<none>"'
}

@test "tag gives a second name; docker.io/library is left out" {
	cloche load -i "$(fixture linked-layers)"
	run cloche tag fixture:1 docker.io/library/other:x
	assert_status 0
	assert_equal "$(image_id other:x)" "$(image_id fixture:1)"
	assert_equal "$(cloche images --format '{{.Repository}}:{{.Tag}}' other)" other:x
	run cloche tag fixture:1 Bad/Name
	assert_status 1
	assert_contains "$output" 'Error parsing reference: "Bad/Name" is not a valid repository/tag: invalid reference format: repository name (Bad/Name) must be lowercase'
	run cloche tag fixture:1 sha256:1
	assert_status 1
	assert_equal "$output" "Error response from daemon: refusing to create an ambiguous tag using digest algorithm as name"
	run cloche tag none fixture:2
	assert_status 1
	assert_contains "$output" "No such image: none:latest"
}

@test "rmi untags, then deletes the image and the layers nobody else has" {
	cloche load -i "$(fixture several)"
	run cloche rmi multi/x:1
	assert_equal "$output" "Untagged: multi/x:1"
	local id
	id=$(image_id multi/x:2)
	run cloche rmi multi/x:2
	assert_equal "${lines[0]}" "Untagged: multi/x:2"
	assert_equal "${lines[1]}" "Deleted: $id"
	assert_equal "${#lines[@]}" 4
	mount_image multi/y:1 "$ENGINE_DIR/m"
	assert_equal "$(cat "$ENGINE_DIR/m/second")" 2
	unmount_images
	run cloche rmi multi/y:1 nothing
	assert_status 1
	assert_contains "$output" "No such image: nothing:latest"
	run cloche rmi -f nothing
	assert_status 0
	assert_empty_store
}

@test "rmi refuses an image that a container uses" {
	cloche create --name user --network none cloche/busybox true
	local id short
	id=$(image_id cloche/busybox) short=$(cloche ps -aq)
	run cloche rmi cloche/busybox
	assert_status 1
	assert_contains "$output" "conflict: unable to remove repository reference \"cloche/busybox\" (must force) - container $short is using its referenced image ${id:7:12}"
	run cloche rmi "${id:7:12}"
	assert_status 1
	assert_contains "$output" "conflict: unable to delete ${id:7:12} (must be forced) - image is being used by stopped container $short"
	# forced, only the name goes: the container still has its root
	run cloche rmi -f cloche/busybox
	assert_status 0
	assert_equal "$output" "Untagged: cloche/busybox:latest"
	run cloche start -a user
	assert_status 0
	cloche rm user
	cloche rmi "$id"
	assert_empty_store
}

@test "history shows the steps with the sizes of their layers" {
	cloche load -i "$(fixture three-layers)"
	local id
	id=$(image_id three:1)
	run cloche history three:1
	assert_status 0
	assert_contains "${lines[0]}" "IMAGE          CREATED       CREATED BY   SIZE      COMMENT"
	assert_contains "${lines[1]}" "${id:7:12}"
	assert_contains "${lines[1]}" "layer 2"
	assert_contains "${lines[3]}" "<missing>"
	assert_equal "$(cloche history -q --no-trunc three:1)" "$id"$'\n<missing>\n<missing>'
	run cloche history -H=false three:1
	assert_contains "${lines[2]}" "2020-09-13T"
	assert_contains "${lines[2]}" " 19 "
	assert_equal "$(cloche history -H=false --format '{{.CreatedSince}}' three:1)" "$(cloche history --format '{{.CreatedAt}}' three:1)"
}

@test "image inspect has Docker's members" {
	cloche load -i "$(fixture three-layers)"
	run cloche image inspect three:1
	assert_status 0
	assert_equal "$(jq -r '.[0] | keys_unsorted | join(" ")' <<<"$output")" \
		"Id RepoTags RepoDigests Parent Comment Created Container ContainerConfig DockerVersion Author Config Architecture Os Size VirtualSize GraphDriver RootFS Metadata"
	assert_equal "$(jq -r '.[0].RepoTags | join(" ")' <<<"$output")" "three:1 three:two"
	assert_equal "$(jq -r '.[0].Created' <<<"$output")" 2020-09-13T12:26:40Z
	assert_equal "$(jq -r '.[0].RootFS.Layers | length' <<<"$output")" 3
	[ -d "$(jq -r '.[0].GraphDriver.Data.UpperDir' <<<"$output")" ]
	assert_equal "$(cloche image inspect -f '{{json .Config.Cmd}} {{len .RootFS.Layers}}' three:1)" '["sh"] 3'
	run cloche image inspect none
	assert_status 1
	assert_equal "${lines[0]}" "[]"
	assert_contains "$output" "No such image: none:latest"
}

@test "loads of one image at the same time end with one copy" {
	local i pids=()
	for i in 1 2 3 4; do
		cloche load -q -i "$(fixture three-layers)" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	assert_equal "$(find "$CLOCHE_ROOT/image/overlay2/layerdb/sha256" -mindepth 1 -maxdepth 1 | wc -l)" 3
	assert_equal "$(find "$CLOCHE_ROOT/overlay2" -mindepth 1 -maxdepth 1 ! -name l | wc -l)" 3
	assert_equal "$(load_leftovers)" ""
	mount_image three:1 "$ENGINE_DIR/m"
	assert_equal "$(cat "$ENGINE_DIR/m/dir/c/new")" n
	unmount_images
}

# Its temporary directory is there, and locked: what it shares with others is locked for reading.
has_begun_load() { # PID
	compgen -G "$CLOCHE_ROOT/overlay2/tmp-*" >/dev/null && grep -q "FLOCK .* WRITE $1 " /proc/locks
}

@test "a killed load leaves no image; check finds the rest and repair removes it" {
	local fifo=$ENGINE_DIR/fifo pid program
	program=$BUILD/libexec/cloche/cloche-image
	mkfifo "$fifo"
	# an archive that never ends: it is taken in, and the rest does not come
	"$program" --root "$CLOCHE_ROOT" load -i "$fifo" &
	pid=$!
	exec 7>"$fifo"
	head -c 1500 "$(fixture three-layers)" >&7
	wait_for 5 has_begun_load "$pid"
	# while it lives, nothing of it is a leftover
	run cloche system check
	assert_status 0
	kill -KILL "$pid"
	wait "$pid" || true
	exec 7>&-
	assert_equal "$(cloche images -aq)" ""
	run cloche system check
	[ "$status" -ne 0 ]
	assert_contains "$output" "overlay2/tmp-"
	cloche system check --repair
	assert_empty_store
	cloche load -i "$(fixture three-layers)"
}

# bats test_tags=once
@test "a kill at any system call of the naming leaves the old images whole" {
	local spot killed=0 spots
	cloche load -q -i "$(fixture linked-layers)"
	spots=(syncfs:1 symlinkat:{1,2,3} fsync:{1,4,7,8} unlinkat:{1,2,3})
	# from the first small file to repositories.json
	spots+=(renameat:{1,8,15,17,18,19,20,21,22,23,24,25,26,27,28,29,30})
	for spot in "${spots[@]}"; do
		strace -qq -o /dev/null -e trace="${spot%:*}" \
			-e inject="${spot%:*}:signal=KILL:when=${spot#*:}" \
			"$BUILD/libexec/cloche/cloche-image" --root "$CLOCHE_ROOT" load \
			-i "$(fixture three-layers)" >/dev/null 2>&1 || killed=$((killed + 1))
		assert_equal "$(cloche images --format '{{.Repository}}' fixture)" fixture
		cloche system check --repair >/dev/null
		assert_equal "$(load_leftovers)" ""
		# either it was named, and is whole, or nothing of it is there
		if cloche image inspect three:1 >/dev/null 2>&1; then
			mount_image three:1 "$ENGINE_DIR/m"
			assert_equal "$(cat "$ENGINE_DIR/m/dir/c/new")" n
			unmount_images
			cloche rmi three:1 three:two >/dev/null
		fi
		assert_equal "$(find "$CLOCHE_ROOT/overlay2" -mindepth 1 -maxdepth 1 ! -name l | wc -l)" 1
		run cloche system check
		assert_status 0
	done
	echo "$killed of ${#spots[@]} killed"
	[ "$killed" -ge 15 ]
}

@test "a full data root: one clear error, nothing left, no image lost" {
	mkdir -p "$CLOCHE_ROOT"
	mount -t tmpfs -o size=6m,mode=755 tmpfs "$CLOCHE_ROOT"
	cloche load -q -i "$(fixture linked-layers)"
	local before
	before=$(find "$CLOCHE_ROOT" ! -name '*lock' -printf '%P %s\n' | sort)
	head -c 20000000 /dev/urandom >"$ENGINE_DIR/big"
	tar -C "$ENGINE_DIR" -cf "$ENGINE_DIR/layer.tar" big
	"$BATS_TEST_DIRNAME/make-image" --pack big:1 "$ENGINE_DIR/big.tar" "$ENGINE_DIR/layer.tar"
	run cloche load -i "$ENGINE_DIR/big.tar"
	assert_status 1
	assert_equal "${#lines[@]}" 1
	assert_contains "$output" "free on $CLOCHE_ROOT"
	assert_equal "$(find "$CLOCHE_ROOT" ! -name '*lock' -printf '%P %s\n' | sort)" "$before"
	cloche image inspect fixture:1 >/dev/null
	rm -f "$ENGINE_DIR/big"
	unmount_images
}
