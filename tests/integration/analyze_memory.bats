#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the sixth test of analyze says of memory that is shared, and of memory that one container holds
# more than its neighbours.
bats_require_minimum_version 1.5.0
# bats file_tags=measure
load helpers
load seed_images

setup() { setup_engine; }
teardown() { teardown_engine; }

report() { jq -r "$1" "$ENGINE_DIR/report.json"; }

verdict() { # KEY
	report ".tests[].claims[] | select(.key == \"$1\" and .subject == \"cloche\") | .verdict"
}

median() { # KEY
	report ".tests[].figures[] | select(.key == \"$1\" and .subject == \"cloche\") | .summary.median // empty"
}

analyze() { # ARGUMENT...
	cloche analyze memory --runs 3 --no-progress --json "$ENGINE_DIR/report.json" "$@" >"$ENGINE_DIR/out"
}

# True when the awk condition on a and b holds.
compare() { # A B CONDITION
	awk -v a="$1" -v b="$2" "BEGIN { exit !($3) }"
}

@test "three containers of the built-in image have its file in the same page frames" {
	analyze --verify
	[ "$(report '.tests[0].status')" = "done" ]
	[ "$(verdict memory.page_cache)" = holds ]
	[ "$(verdict memory.sums)" = holds ]
	[ "$(report '.tests[].checks[] | select(.key == "memory.anonymous") | .agrees')" = true ]
	compare "$(median memory.same_frames)" "$(median memory.shared)" 'a > 0.8 * b && a <= b'
	compare "$(median memory.supervisor)" 0 'a > 0 && a < 262144'
	report '.tests[].claims[] | select(.key == "memory.page_cache") | .evidence[]' |
		grep -q "behind it: $CLOCHE_ROOT/overlay2/"
	[ "$(report '.findings[] | select(.title | test("more private memory"))')" = "" ]
	[ "$(awk 'length > 100' "$ENGINE_DIR/out" | wc -l)" = 0 ]
}

# Of all containers that share a directory, the first to be started allocates 20 MiB: dd's buffer, which it
# cannot get rid of since nobody reads the pipe.
make_greedy_image() {
	cat >"$ENGINE_DIR/work" <<-'END'
		#!/bin/sh
		mkdir /shared/first 2>/dev/null || exec sleep 1000
		mkfifo /tmp/pipe
		exec 3<>/tmp/pipe
		exec dd if=/dev/zero bs=20971520 count=1 >&3
	END
	chmod 755 "$ENGINE_DIR/work"
	cloche create --name make cloche/busybox true >/dev/null
	cloche cp "$ENGINE_DIR/work" make:/bin/work
	cloche commit -c 'CMD ["work"]' make greedy >/dev/null
	cloche rm make >/dev/null
}

@test "20 MiB more in one of three containers: that one is named, with that size" {
	make_greedy_image
	mkdir "$ENGINE_DIR/shared"
	analyze --image greedy --run-flag=-v --run-flag="$ENGINE_DIR/shared:/shared"
	[ -d "$ENGINE_DIR/shared/first" ]
	compare "$(median memory.excess)" 20971520 'a > 0.9 * b && a < 1.1 * b'
	report '.findings[].title' | grep -E '^container 1 .* 20\.[0-9] MiB more private memory'
}

@test "three containers of nginx share its pages and the libraries', and their sum is what they take" {
	type -P nginx >/dev/null || [ -x /usr/sbin/nginx ] || skip "nginx is not installed"
	PATH=$PATH:/usr/sbin host_root "$ENGINE_DIR/web" nginx
	mkdir -p "$ENGINE_DIR/web"/var/{log,lib}/nginx
	cat >"$ENGINE_DIR/web/nginx.conf" <<-'END'
		daemon off;
		user root;
		pid /tmp/nginx.pid;
		error_log /dev/null;
		events {}
		http { access_log off; server { listen 80; return 200 "served"; } }
	END
	tar -C "$ENGINE_DIR/web" -cf - . |
		cloche import -c 'CMD ["nginx", "-c", "/nginx.conf"]' - web >/dev/null
	analyze --image web
	[ "$(verdict memory.page_cache)" = holds ]
	# the program and libc, by name, in the same frames for the most part
	report '.tests[].tables[] | select(.key | test("memory.files")) | .rows[] | tojson' >"$ENGINE_DIR/files"
	grep -q '/usr/bin/nginx"' "$ENGINE_DIR/files"
	grep -q 'libc\.so' "$ENGINE_DIR/files"
	compare "$(median memory.same_frames)" 2097152 'a > b'
	# a page that three share counts a third for each
	compare "$(median memory.pss)" "$(median memory.private)" 'a > b'
	compare "$(median memory.pss)" "$(report '[.tests[].figures[] | select(.key == "memory.private" or
		.key == "memory.shared") | .summary.median] | add')" 'a < 0.75 * b'
}
