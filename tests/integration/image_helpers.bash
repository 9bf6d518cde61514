# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the tests of images share.

# fixture KIND: the archive of that kind, made once per file.
fixture() {
	local path=$BATS_FILE_TMPDIR/$1.tar
	[ -e "$path" ] || "$BATS_TEST_DIRNAME/make-image" "$1" "$path" || return 1
	printf '%s\n' "$path"
}

image_id() {
	cloche image inspect -f '{{.Id}}' "$1"
}

# mount_image NAME DIR: the image's layers as overlayfs shows them. unmount_images ends all.
mount_image() {
	local id lower
	id=$(image_id "$1") || return 1
	lower=$(<"$CLOCHE_ROOT/image/overlay2/imagedb/metadata/sha256/${id#sha256:}/lower")
	mkdir -p "$2" "$ENGINE_DIR/empty"
	# overlayfs wants two layers at least
	(cd "$CLOCHE_ROOT/overlay2" && mount -t overlay overlay -o "ro,lowerdir=$lower:$ENGINE_DIR/empty" "$2")
}

unmount_images() {
	local target
	while read -r target; do umount "$target"; done < <(awk -v d="$ENGINE_DIR/" \
		'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
}

# Everything that a load may have left half-made, and what it may have made outside.
load_leftovers() {
	[ ! -d "$CLOCHE_ROOT" ] || find "$CLOCHE_ROOT" -name 'tmp-*' -o -name '*.tmp'
	find / /tmp /etc -maxdepth 1 -name 'cloche-escape*' -o -maxdepth 1 -name 'cloche-absolute' \
		-o -maxdepth 1 -name 'cloche-through' -o -maxdepth 1 -name 'cloche-up' 2>/dev/null
}

# The store has no image, no layer, nothing unfinished.
assert_empty_store() {
	assert_equal "$(load_leftovers)" ""
	assert_equal "$(cloche images -aq)" ""
	assert_equal "$(find "$CLOCHE_ROOT/overlay2" "$CLOCHE_ROOT/image/overlay2/layerdb/sha256" \
		"$CLOCHE_ROOT/image/overlay2/imagedb/content/sha256" \
		"$CLOCHE_ROOT/image/overlay2/imagedb/metadata/sha256" \
		"$CLOCHE_ROOT/image/overlay2/content/sha256" -mindepth 1 ! -path '*/overlay2/l' 2>/dev/null)" ""
}
