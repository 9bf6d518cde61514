#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# inspect: what it adds to what docker_parity.bats compares: sizes, kinds of objects, executed processes,
# health, errors.
bats_require_minimum_version 1.5.0
load helpers

setup() { setup_engine; }
teardown() { teardown_engine; }

@test "sizes, processes executed in it, and restarts" {
	local id
	cloche run -d --name web cloche/busybox sh -c 'head -c 3000 /dev/zero >/a; : >/ready; exec sleep 1000' >/dev/null
	wait_for 5 cloche exec web test -e /ready
	assert_equal "$(inspect web '[has("SizeRw"), .ExecIDs, .RestartCount] | @json')" '[false,null,0]'
	assert_equal "$(cloche inspect -s web | jq -r '.[0] | [.SizeRw, .SizeRootFs] | @json')" \
		"[3000,$((3000 + $(cloche image inspect -f '{{.Size}}' cloche/busybox)))]"
	assert_equal "$(cloche container inspect -s web | jq -r '.[0] | keys_unsorted | .[19:22] | join(" ")')" "GraphDriver SizeRw SizeRootFs"
	cloche exec -d web sleep 1000
	wait_for 5 eval '[ "$(inspect web ".ExecIDs | length")" = 1 ]'
	id=$(inspect web '.ExecIDs[0]')
	[[ $id =~ ^[0-9a-f]{64}$ ]]
}

@test "health as the monitor has it" {
	local id
	cloche create --name web --health-cmd 'test -e /well' --health-interval 100ms --health-retries 1 cloche/busybox sleep 1000 >/dev/null
	assert_equal "$(inspect web '.State | has("Health")')" false
	cloche start web >/dev/null
	wait_for 10 eval '[ "$(inspect web .State.Health.Status)" = unhealthy ]'
	assert_equal "$(inspect web '.State | keys_unsorted | .[-1]')" Health
	assert_equal "$(inspect web '.State.Health | keys_unsorted | join(" ")')" "Status FailingStreak Log"
	assert_contains "$(cloche ps --format '{{.Status}}')" "(unhealthy)"
	assert_equal "$(cloche ps -q --no-trunc -f health=unhealthy)$(cloche ps -q -f health=healthy)" "$(inspect web .Id)"
	assert_contains "$(cloche why web)" "is running, but its health checks fail"
}

@test "what a record leaves out is empty for a template, as for Docker's" {
	cloche create --name plain -v /tmp:/t cloche/busybox true >/dev/null
	cloche create --name ill --health-cmd false --health-interval 90s cloche/busybox true >/dev/null
	assert_equal "$(cloche inspect -f '{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}' plain ill)" $'none\nnone'
	assert_equal "$(cloche inspect -f '{{with .Config.Healthcheck}}{{.Interval}} {{.Timeout}} {{.Retries}}{{else}}none{{end}}' plain ill)" $'none\n1m30s 0s 0'
	assert_equal "$(cloche inspect -f '{{.HostConfig.Init}} {{.HostConfig.Tmpfs}} {{len .HostConfig.Mounts}} {{.Config.StopTimeout}} {{json .SizeRw}} {{.HostConfig.LogConfig}}' plain)" \
		"<nil> map[] 0 <nil> null {json-file map[]}"
	assert_equal "$(cloche inspect -f '{{.NetworkSettings.Networks.other.IPAddress}}' plain)" "<no value>"
	assert_equal "$(cloche inspect -f '{{range .Mounts}}{{.Type}},{{.Name}},{{.Destination}}{{end}}' plain)" bind,,/t
	assert_equal "$(cloche image inspect -f '{{.Config.Healthcheck}}{{.Config.Shell}}{{.Variant}}' cloche/busybox)" "<nil>[]"
}

@test "kinds of objects, and names of none" {
	cloche create --name both -v both:/d cloche/busybox true >/dev/null
	cloche tag cloche/busybox both
	# The container comes first, then the image, then the volume.
	assert_equal "$(cloche inspect -f '{{.Name}}' both)" /both
	assert_equal "$(cloche inspect --type image both | jq -r '.[0].RepoTags | index("both:latest") != null')" true
	assert_equal "$(cloche inspect --type volume -f '{{.Mountpoint}}' both)" "$CLOCHE_ROOT/volumes/both/_data"
	run -1 --separate-stderr cloche inspect both nosuch
	# shellcheck disable=SC2154 # run sets it
	assert_equal "$stderr" "Error: No such object: nosuch"
	assert_equal "$(jq length <<<"$output")" 1
	run -1 --separate-stderr cloche inspect ""
	assert_equal "$stderr" "invalid container name or ID: value is empty"
	run -1 cloche inspect --type nothing both
	assert_contains "$output" 'unknown type: "nothing": must be one of "config", "container", "image"'
	run -0 --separate-stderr cloche inspect -s --type image -f x both
	assert_equal "$stderr" "WARNING: --size ignored for image"
	run -0 --separate-stderr cloche inspect -s -f '{{.Id}}' cloche/busybox
	assert_equal "$stderr" "WARNING: --size ignored for image"
	run -1 --separate-stderr cloche inspect -f '{{.State.Health.Status}}' both
	assert_equal "$output" ""
	assert_contains "$stderr" 'map has no entry for key "Health"'
	run -1 cloche inspect --type node none
	assert_contains "$output" "No such object: none"
}
