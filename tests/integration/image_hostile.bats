#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Archives made to harm: one clear error, exit 1, nothing left, nothing outside.
load helpers
load image_helpers

setup() { setup_engine; }
teardown() { cd / && unmount_images; teardown_engine; }

# Refused with one line, and the store is as it was.
assert_refused() {
	run cloche load -i "$(fixture "$1")"
	if ! { assert_status 1 && assert_equal "${#lines[@]}" 1 && assert_contains "$output" "cloche: " &&
		assert_empty_store; }; then
		echo "kind: $1"
		return 1
	fi
}

@test "every malformed or hostile archive is refused with one line and leaves nothing" {
	local kind count=0
	for kind in $("$BATS_TEST_DIRNAME/make-image" --list | grep '^bad-' | grep -v bomb); do
		assert_refused "$kind"
		count=$((count + 1))
	done
	[ "$count" -ge 40 ]
}

@test "what is wrong is said" {
	local kind text
	while IFS='|' read -r kind text; do
		run cloche load -i "$(fixture "$kind")"
		assert_contains "$output" "$text"
	done <<-'END'
		bad-dotdot|entry "../cloche-escape" leads out of the image
		bad-control-bytes|entry "../a?]0;title??b???c?" leads out of the image
		bad-hardlink-out|leads out of the image
		bad-whiteout-dotdot|invalid whiteout
		bad-diff-id|the image configuration says sha256:
		bad-blob-digest|content does not match, its digest is sha256:
		bad-layer-size|bytes, its descriptor says
		bad-manifest-digest|content does not match
		bad-manifest-size|larger than the 4194304 bytes allowed
		bad-media-type|unsupported media type "application/x-unknown"
		bad-ambiguous|can be read as more than one kind of document
		bad-layer-missing|is not in the archive
		bad-name-case|must be lowercase
		bad-compression|compression xz is not supported
		bad-gzip-truncated|truncated gzip data
		bad-text|no tar or damaged
		bad-deep|max depth exceeded
		bad-legacy-id|invalid layer id "../../../etc/passwd"
		bad-legacy-loop|max depth exceeded
		bad-trailing|after the end of the tar
	END
}

@test "a stream that never ends and is no tar is refused at its beginning" {
	run timeout "$(patience 20)" bash -c 'cloche load </dev/zero'
	assert_status 1
	assert_contains "$output" "it begins with no header"
	assert_empty_store
}

@test "symlinks, absolute names and overlay attributes stay inside the image" {
	local kind
	for kind in safe-absolute safe-symlink-through safe-overlay-xattr safe-empty-layer safe-no-layers; do
		run cloche load -i "$(fixture "$kind")"
		assert_status 0
		assert_equal "$(load_leftovers)" ""
	done
	cloche load -q -i "$(fixture safe-symlink-through)"
	mount_image fixture:1 "$ENGINE_DIR/m"
	assert_equal "$(cat "$ENGINE_DIR/m/tmp/cloche-through")" in
	assert_equal "$(cat "$ENGINE_DIR/m/tmp/cloche-up")" in
	assert_equal "$(cat "$ENGINE_DIR/m/b/in-b")" in
	unmount_images
	# no layer carries an overlay attribute that was in a tar
	cloche load -q -i "$(fixture safe-overlay-xattr)"
	assert_equal "$(getfattr -R -h -d -m 'overlay' "$CLOCHE_ROOT/overlay2" 2>/dev/null)" ""
}

# bats test_tags=once
@test "decompression bombs end early on a small file system" {
	local kind
	mkdir -p "$CLOCHE_ROOT"
	mount -t tmpfs -o size=48m,mode=755 tmpfs "$CLOCHE_ROOT"
	for kind in bad-bomb-gzip bad-bomb-zstd bad-bomb-nested; do
		assert_refused "$kind"
		assert_contains "$output" "unpacks to more than"
	done
}

# bats test_tags=once
@test "a bomb is told by its ratio where the disk would hold it" {
	# 32 GB of zeros from one megabyte
	run timeout 60 cloche load -i "$(fixture bad-bomb-zstd)"
	assert_status 1
	assert_contains "$output" "unpacks to more than"
	assert_empty_store
}

@test "the program that parses archives has given up what it does not need" {
	local pid fifo=$ENGINE_DIR/fifo
	! grep -q __asan_init "$BUILD/libexec/cloche/cloche-image" || skip "the sanitizers need their calls and files"
	mkfifo "$fifo"
	"$BUILD/libexec/cloche/cloche-image" --root "$CLOCHE_ROOT" load -i "$fifo" &
	pid=$!
	exec 7>"$fifo"
	wait_for 5 compgen -G "$CLOCHE_ROOT/overlay2/tmp-*" >/dev/null
	assert_equal "$(proc_status "$pid" NoNewPrivs)" 1
	assert_equal "$(proc_status "$pid" Seccomp)" 2
	# chown dac_override dac_read_search fowner fsetid sys_admin mknod setfcap
	assert_equal "$(proc_status "$pid" CapPrm)" 000000008820001f
	assert_equal "$(proc_status "$pid" CapInh)" 0000000000000000
	assert_equal "$(readlink "/proc/$pid/root")" "$CLOCHE_ROOT"
	kill -KILL "$pid"
	wait "$pid" || true
	exec 7>&-
	cloche system check --repair >/dev/null
}
