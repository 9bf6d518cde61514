#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# mount and umount: a container's files at a path of the host.

load helpers

setup() { setup_engine; }
teardown() { teardown_engine; }

# bats test_tags=once
@test "mount shows a container's files, read-only, until umount or rm" {
	local path
	cloche create --name box --network none cloche/busybox sh -c 'echo new >/new; rm /bin/vi; sleep 1000' >/dev/null
	path=$(cloche mount box)
	[ -e "$path/bin/vi" ] && [ ! -e "$path/new" ]
	assert_equal "$(cloche mount box)" "$path"
	run touch "$path/x"
	assert_status 1
	assert_equal "$(cloche umount box)" box
	assert_equal "$(engine_mounts)" ""
	run cloche umount box
	assert_status 1
	[[ $output == *"is not mounted" ]]

	cloche start box >/dev/null
	changed() { [ -e "/proc/$(container_pid box)/root/new" ] && [ ! -e "/proc/$(container_pid box)/root/bin/vi" ]; }
	wait_for 5 changed
	path=$(cloche container mount box)
	assert_equal "$(cat "$path/new") $(ls -A "$path/proc")" "new "
	echo later >"/proc/$(container_pid box)/root/later"
	assert_equal "$(cat "$path/later")" later
	assert_equal "$(cloche mount)" "$(inspect box .Id | cut -c 1-12) $path"
	# what removes the container takes the path with it
	cloche rm -f box >/dev/null
	assert_equal "$(engine_mounts)$(cloche mount)" ""
}
