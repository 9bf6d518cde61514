#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Volumes as users manage them: made, listed, used, kept from removal while somebody uses them, pruned.
bats_require_minimum_version 1.5.0
load helpers

setup() { setup_engine; }
teardown() { teardown_engine; }

volume() { cloche volume inspect "$1" | jq -cS ".[0] | $2"; }

@test "a volume keeps what it was made with, and shows it as Docker does" {
	local before
	before=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	assert_equal "$(cloche volume create --label a=b --label c data)" data
	assert_equal "$(volume data .)" "$(jq -cnS --arg root "$CLOCHE_ROOT" --argjson at "$(volume data .CreatedAt)" '{
		CreatedAt: $at, Driver: "local", Labels: {a: "b", c: ""}, Mountpoint: "\($root)/volumes/data/_data",
		Name: "data", Options: null, Scope: "local"}')"
	[[ ! "$(volume data .CreatedAt | tr -d '"')" < "$before" ]]
	assert_equal "$(cloche volume inspect data | jq -r '.[0] | keys_unsorted | join(" ")')" \
		"CreatedAt Driver Labels Mountpoint Name Options Scope"
	# Again is the same one, whatever is asked for.
	cloche volume create --label x=y data
	assert_equal "$(volume data .Labels)" '{"a":"b","c":""}'
	local generated
	generated=$(cloche volume create)
	[[ $generated =~ ^[0-9a-f]{64}$ ]]
	assert_equal "$(cloche volume ls)" "DRIVER    VOLUME NAME
$(printf 'local     %s\n' "$generated" data | sort -k 2)"
	assert_equal "$(cloche volume ls -q -f label=a=b)$(cloche volume ls -qf name=^dat)$(cloche volume ls -qf label=zz)" datadata
	assert_equal "$(cloche volume ls -f name=data --format '{{.Name}} {{.Label "a"}} {{.Links}} {{.Mountpoint}}')" \
		"data b N/A $CLOCHE_ROOT/volumes/data/_data"
	assert_equal "$(cloche volume inspect -f '{{.Name}} {{.Labels.a}}' data)" "data b"
	assert_equal "$(cloche inspect --type volume data | jq -r '.[0].Name')$(cloche inspect data | jq -r '.[0].Name')" datadata
}

@test "what Docker refuses is refused in its words" {
	local row
	while IFS='|' read -r row expected; do
		# shellcheck disable=SC2086 # words of a command
		run -1 --separate-stderr cloche volume $row
		# shellcheck disable=SC2154 # run sets it
		stderr=${stderr#cloche: } stderr=${stderr#Error response from daemon: }
		assert_equal "$stderr" "$expected"
	done <<-'EOT'
		rm nosuch|get nosuch: no such volume
		inspect nosuch|get nosuch: no such volume
		create -o foo=bar v3|create v3: invalid option: "foo"
		create -o type=none v3|create v3: missing required option: "device"
		create -d foo v3|create v3: error looking up volume plugin foo: plugin "foo" not found
		create x|create x: volume name is too short, names should be at least two alphanumeric characters
		create --name v3 v4|conflicting options: cannot specify a volume-name through both --name and as a positional arg
		ls -f foo=bar|invalid filter 'foo'
		ls -f dangling=x|invalid filter 'dangling=[x]'
	EOT
	run -125 cloche volume create --label =x
	assert_contains "$output" "invalid label '=x': empty name"
	cloche volume rm "$(cloche volume create --name of-old)"
	run -1 cloche volume create a/b
	assert_contains "$output" 'create a/b: "a/b" includes invalid characters for a local volume name'
	run -1 cloche volume create -o type=tmpfs -o device=tmpfs v3
	assert_contains "$output" "type=tmpfs is not supported"
	assert_equal "$(cloche volume rm -f nosuch)" nosuch
	assert_equal "$(cloche volume ls -q)" ""
	run -1 --separate-stderr cloche volume inspect -f '{{.Nope}}' "$(cloche volume create vv)"
	assert_contains "$stderr" 'executing "" at <.Nope>: can'"'"'t evaluate field Nope in type volume.Volume'
}

@test "a volume in use stays; one that nobody uses goes with all that is in it" {
	cloche create --name web -v data:/d -v /anon cloche/busybox true >/dev/null
	local id
	id=$(inspect web .Id)
	run -1 cloche volume rm data
	assert_equal "$output" "Error response from daemon: remove data: volume is in use - [$id]"
	run -1 cloche volume rm -f data
	assert_equal "$(cloche volume ls -qf dangling=false | grep -c .)" 2
	cloche rm web >/dev/null
	# The anonymous one outlives rm without -v.
	assert_equal "$(cloche volume ls -qf dangling=true | grep -c .)" 2
	touch "$CLOCHE_ROOT/volumes/data/_data/x"
	assert_equal "$(cloche volume rm data)" data
	assert_equal "$(find "$CLOCHE_ROOT/volumes" -mindepth 1 -maxdepth 1 | wc -l)" 1
}

@test "a volume that stands for a directory of the host is that directory" {
	mkdir "$ENGINE_DIR/host"
	echo there >"$ENGINE_DIR/host/file"
	cloche volume create -o type=none -o o=bind -o device="$ENGINE_DIR/host" data
	assert_equal "$(volume data .Options)" "{\"device\":\"$ENGINE_DIR/host\",\"o\":\"bind\",\"type\":\"none\"}"
	assert_equal "$(cloche run --rm -v data:/etc cloche/busybox sh -c 'cat /etc/file; touch /etc/new; ls /etc/passwd' 2>&1)" \
		$'there\nls: /etc/passwd: No such file or directory'
	[ -e "$ENGINE_DIR/host/new" ]
	rm -r "$ENGINE_DIR/host"
	run cloche run --rm -v data:/etc cloche/busybox true
	assert_contains "$output" "error while mounting volume '$CLOCHE_ROOT/volumes/data/_data': failed to mount local volume"
	cloche volume create -o type=none -o o=bind,ro -o device=/tmp fixed
	run cloche run --rm -v fixed:/mnt cloche/busybox touch /mnt/x
	assert_contains "$output" "Read-only file system"
	# Removing the volume leaves the directory.
	cloche volume rm fixed data
	[ -d /tmp ]
}

@test "containers that begin at once with the same fresh volume find it filled once and whole" {
	local pids=() i expected
	expected=$(cloche run --rm cloche/busybox sh -c 'ls /bin | wc -l')
	for i in 1 2 3 4; do
		cloche run --rm -v data:/bin cloche/busybox sh -c 'ls /bin | wc -l' >"$ENGINE_DIR/out.$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	assert_equal "$(sort -u "$ENGINE_DIR"/out.?)" "$expected"
	assert_equal "$(ls -A "$CLOCHE_ROOT/volumes/data")" _data
}

@test "a container that has an empty volume sees what another's image brings into it" {
	local client
	cloche run --name first -v data:/mnt cloche/busybox sh -c 'until [ -e /mnt/sh ]; do sleep 0.05; done; echo seen' \
		>"$ENGINE_DIR/out" &
	client=$!
	wait_for 5 container_is first running
	cloche run --rm -v data:/bin cloche/busybox true
	wait "$client"
	assert_equal "$(cat "$ENGINE_DIR/out")" seen
}

@test "a fill that was cut short is finished by the next container, and is not taken for a full volume" {
	local dir=$CLOCHE_ROOT/volumes/data expected
	expected=$(cloche run --rm cloche/busybox sh -c 'ls /bin | wc -l')
	# While it copies: nothing is in the volume yet.
	cloche volume create data >/dev/null
	mkdir "$dir/_data.tmp"
	echo half >"$dir/_data.tmp/sh"
	assert_equal "$(cloche run --rm -v data:/bin cloche/busybox sh -c 'ls /bin | wc -l')" "$expected"
	assert_equal "$(ls -A "$dir" | tr '\n' ' ')" "_data volume.json "
	# While it moves the entries of a whole copy in: the rest waits beside it.
	mkdir "$dir/_data.new"
	mv "$dir/_data/ls" "$dir/_data.new/"
	echo mine >"$dir/_data/kept"
	assert_equal "$(cloche run --rm -v data:/bin cloche/busybox sh -c 'ls /bin | wc -l; cat /bin/kept')" "$((expected + 1))"$'\nmine'
	assert_equal "$(ls -A "$dir" | tr '\n' ' ')" "_data volume.json "
}

@test "an anonymous volume that a second container has outlives the --rm of the first" {
	local volume
	cloche run -d --rm --name first -v /data cloche/busybox sleep 1000 >/dev/null
	volume=$(cloche volume ls -q)
	cloche run -d --name second -v "$volume:/data" cloche/busybox sleep 1000 >/dev/null
	touch "$CLOCHE_ROOT/volumes/$volume/_data/kept"
	cloche stop -t 0 first >/dev/null
	wait_for 5 eval '! cloche inspect first >/dev/null 2>&1'
	# What goes with the first has gone when its run directory has.
	wait_for 5 eval '[ "$(ls "$CLOCHE_RUN_ROOT/containers" | wc -l)" = 1 ]'
	cloche exec second test -e /data/kept
	cloche rm -f second >/dev/null
	assert_equal "$(cloche volume prune -f | grep -cx "$volume")" 1
}
