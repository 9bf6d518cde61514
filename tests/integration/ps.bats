#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Lists of containers: what they show, which filters they know, and that they hold after accidents.
bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_engine
	export HOME=$ENGINE_DIR
}
teardown() { teardown_engine; }

names() { cloche ps --format '{{.Names}}' "$@" | tr '\n' ' '; }

record_of() { echo "$CLOCHE_ROOT/containers/$(inspect "$1" .Id)"; }

@test "ps -s counts the container's own files, one with several names once, and the image's" {
	cloche run --name web -v vol:/data cloche/busybox \
		sh -c 'head -c 3000 /dev/zero >/a; ln /a /b; mkdir /d; ln -s /a /d/c; echo not mine >/data/x'
	local upper image
	upper=$(inspect web .GraphDriver.Data.UpperDir)
	image=$(cloche image inspect -f '{{.Size}}' cloche/busybox)
	# 3000 bytes and a link of two, of which ps shows three digits.
	assert_equal "$(find "$upper" -type f -size +0 -printf '%n %s\n' | sort -u)" "2 3000"
	assert_equal "$(cloche ps -a --format '{{.Size}}')" "3kB (virtual $(numfmt --to=si --format=%.2f $((image + 3002)) | tr -d M)MB)"
	assert_contains "$(cloche ps -as | head -n 1)" "NAMES     SIZE"
	# As Docker: the size is part of the row, which "json" alone does not ask for.
	assert_equal "$(cloche ps -a --format '{{json .}}' | jq -r .Size)" "$(cloche ps -a --format '{{.Size}}')"
	assert_equal "$(cloche ps -a --format json | jq -r .Size)" 0B
	assert_equal "$(cloche ps -a --format '{{.LocalVolumes}} {{.Mounts}} {{.Networks}}')" "1 vol bridge"
}

@test "filters by everything Docker has, and its words for those it has not" {
	cloche create --name one -l tier=x -v vol:/data cloche/busybox sh >/dev/null
	cloche run --name two cloche/busybox sh -c 'exit 4' || true
	cloche create --name three --network host cloche/busybox sh >/dev/null
	assert_equal "$(names -a)" "three two one "
	assert_equal "$(names -a -f before=two)" "one "
	assert_equal "$(names -a -f since=two)" "three "
	assert_equal "$(names -a -f exited=4)" "two "
	assert_equal "$(names -f status=created)" "three one "
	assert_equal "$(names -a -f ancestor=cloche/busybox -f network=host)" "three "
	assert_equal "$(names -a -f ancestor=nosuch)" ""
	assert_equal "$(names -a -f volume=vol)$(names -a -f volume=/data)" "one one "
	assert_equal "$(names -a -f 'label!=tier')" "three two "
	assert_equal "$(names -a -f health=none -f is-task=false -f 'name=^t')" "three two "
	assert_equal "$(names -l)$(names -n 2)$(names -l -n 1)$(names -l -n 2)" "three three two three three two "
	assert_equal "$(names -f 'Status = exited' -f '')$(names -a -f isolation=any)" "two three two one "
	run -1 cloche ps -f foo=bar
	assert_equal "$output" "Error response from daemon: invalid filter 'foo'"
	run -1 cloche ps -f status=asleep
	assert_equal "$output" "Error response from daemon: invalid filter 'status=asleep'"
	run -1 cloche ps -a -f before=nosuch
	assert_contains "$output" "No such container: nosuch"
}

@test "what a template does to a text, it does not do to a heading" {
	cloche create --name one cloche/busybox sh >/dev/null
	assert_equal "$(cloche ps -a --format 'table {{json .Names}}\t{{.Names | title | lower}}\t{{truncate .State 3}}')" \
		"$(printf '%s\n' 'NAMES     NAMES     STATE' '"one"     one       cre')"
}

@test "the user's own format is taken from Docker's configuration" {
	cloche create --name one cloche/busybox sh >/dev/null
	mkdir "$HOME/.docker"
	echo '{"psFormat": "{{.Names}}:{{.State}}"}' >"$HOME/.docker/config.json"
	assert_equal "$(cloche ps -a)" one:created
	assert_equal "$(cloche ps -a --format '{{.Image}}')" cloche/busybox
	assert_equal "$(cloche ps -aq --no-trunc)" "$(inspect one .Id)"
	cat >"$HOME/.docker/config.json" <<-'END'
		{"imagesFormat": "image {{.Repository}}", "networksFormat": "network {{.Name}}", "statsFormat": "stats {{.Name}}",
		 "volumesFormat": "volume {{.Name}}"}
	END
	cloche volume create vol >/dev/null
	assert_equal "$(cloche images)" "image cloche/busybox"
	assert_equal "$(cloche images --format '')" "image cloche/busybox"
	assert_equal "$(cloche images --format '{{.Tag}}') $(cloche images -q | wc -c)" "latest 13"
	assert_equal "$(cloche network ls -f name=host) $(cloche network ls -q -f name=host | wc -c)" "network host 13"
	assert_equal "$(cloche volume ls) $(cloche volume ls -q)" "volume vol vol"
	assert_equal "$(cloche stats --no-stream one)" "stats one"
	cp "$HOME/.docker/config.json" "$HOME"
	assert_equal "$(DOCKER_CONFIG=$HOME HOME=/nowhere cloche volume ls)" "volume vol"
}

@test "a list holds when a record has no brief, a torn one, or none at all" {
	cloche run --name one -l a=b cloche/busybox true
	cloche create --name two cloche/busybox true >/dev/null
	cloche create --name half cloche/busybox true >/dev/null
	local one two half before shown='{{.ID}} {{.Image}} {{.Command}} {{.CreatedAt}} {{.State}} {{.Names}} {{.Labels}} {{.Networks}}'
	one=$(record_of one) two=$(record_of two) half=$(record_of half)
	before=$(cloche ps -a --filter name=one --filter name=two --format "$shown")
	jq -c 'del(.Brief)' "$one/config.v2.json" >"$ENGINE_DIR/record" && cp "$ENGINE_DIR/record" "$one/config.v2.json"
	jq -c '.Brief |= .[:6]' "$two/config.v2.json" >"$ENGINE_DIR/record" && cp "$ENGINE_DIR/record" "$two/config.v2.json"
	mv "$half/config.v2.json" "$half/moved"
	assert_equal "$(cloche ps -a --format "$shown")" "$before"
	mv "$half/moved" "$half/config.v2.json"
	assert_equal "$(names -a)" "half two one "
}
