#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# An image without layers, as FROM scratch alone makes it.

load helpers

setup() { setup_engine; }
teardown() { teardown_engine; }

make_scratch_image() { # FILE
	local dir=$ENGINE_DIR/scratch config='{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}'
	mkdir "$dir"
	printf '%s' "$config" >"$dir/config.json"
	printf '[{"Config":"config.json","RepoTags":["scratch:1"],"Layers":[]}]' >"$dir/manifest.json"
	tar -cf "$1" -C "$dir" config.json manifest.json
}

@test "an image without layers runs what is mounted into it" {
	make_scratch_image "$ENGINE_DIR/scratch.tar"
	cloche load -i "$ENGINE_DIR/scratch.tar"
	run cloche run --rm --network none -v /bin/busybox:/bin/busybox:ro scratch:1 /bin/busybox echo hello
	[ "$status" -eq 0 ]
	[ "$output" = hello ]
	bats_require_minimum_version 1.5.0
	run -127 cloche run --rm --network none scratch:1 /bin/true
}
