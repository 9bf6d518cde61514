#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Health checks: states, streaks, log and events as Docker has them, timed by the monitor.
# shellcheck disable=SC2154 # bats sets status, output, stderr

bats_require_minimum_version 1.5.0
load helpers

setup() { setup_engine; }
teardown() { teardown_engine; }

health_is() { # CONTAINER STATUS
	[ "$(cloche inspect -f '{{.State.Health.Status}}' "$1")" = "$2" ]
}

health() { # CONTAINER JQ_FILTER
	inspect "$1" ".State.Health | $2"
}

streak_is_over() { # CONTAINER N
	[ "$(health "$1" .FailingStreak)" -gt "$2" ]
}

# When the last check began, in ns.
last_check() { # CONTAINER
	date -d "$(health "$1" '.Log[-1].Start')" +%s%N
}

said_late_with_output() {
	[ "$(health box 'any(.Log[].Output; . == "Health check exceeded timeout (200ms): begun\n")')" = true ]
}

sleeps_of_one_check() {
	[ "$(cloche exec box ps -o args | grep -c '^sleep [34]00')" -le 2 ]
}

health_events() { # CONTAINER
	jq -r --arg name "$1" 'select(.Actor.Attributes.name == $name and (.Action | startswith("health"))) | .Action' \
		"$CLOCHE_RUN_ROOT/events/journal"
}

was_healthy_times() { # CONTAINER N
	[ "$(health_events "$1" | grep -c ': healthy$')" = "$2" ]
}

# Between two checks there is only the container's own process, and no zombie of any check.
nothing_runs_beside_it() {
	[ "$(cloche exec box ps -o args)" = $'COMMAND\nsleep 1000\nps -o args' ]
}

@test "starting, healthy, unhealthy, healthy again; ps, inspect and events say so" {
	cloche run -d --name box --health-cmd 'echo looked; test -e /ok' --health-interval 100ms --health-retries 2 \
		--health-start-period 60s --health-start-interval 100ms cloche/busybox sleep 1000 >/dev/null
	# In the start period failures do not count.
	wait_for 10 eval '[ "$(health box ".Log | length")" -ge 3 ]'
	assert_equal "$(health box '[.Status, .FailingStreak, .Log[0].ExitCode, .Log[0].Output] | @json')" '["starting",0,1,"looked\n"]'
	assert_contains "$(cloche ps --format '{{.Status}}')" "(health: starting)"
	cloche exec box touch /ok
	wait_for 10 health_is box healthy
	assert_contains "$(cloche ps --format '{{.Status}}')" "(healthy)"
	assert_equal "$(cloche ps -q --filter health=healthy | wc -l)" 1
	cloche exec box rm /ok
	wait_for 10 health_is box unhealthy
	streak_is_over box 1
	assert_contains "$(cloche ps --format '{{.Status}}')" "(unhealthy)"
	wait_for 10 streak_is_over box 4
	assert_equal "$(health box '.Log | length')" 5
	assert_equal "$(health box '.Log | map(.Start) == (map(.Start) | sort) and all(.End >= .Start)')" true
	cloche exec box touch /ok
	wait_for 10 health_is box healthy
	assert_equal "$(health box .FailingStreak)" 0
	assert_equal "$(health_events box)" $'health_status: healthy\nhealth_status: unhealthy\nhealth_status: healthy'
	# It runs as the container does, and leaves nothing behind.
	wait_for 10 nothing_runs_beside_it
	# Anew with the next start; what does not run is not healthy.
	cloche stop -t 0 box >/dev/null
	assert_equal "$(health box .Status)" unhealthy
	# From starting to healthy is a change, from healthy to healthy would be none.
	cloche start box >/dev/null
	wait_for 10 was_healthy_times box 3
	assert_equal "$(health box .FailingStreak)" 0
}

@test "a check that takes too long is killed with what it has started, and said so" {
	cloche run -d --name box --health-cmd 'echo begun; sleep 300 & sleep 400' --health-interval 100ms \
		--health-timeout 200ms --health-retries 1 cloche/busybox sleep 1000 >/dev/null
	wait_for 10 health_is box unhealthy
	# One of them at least has come to its first word in that time.
	wait_for 10 said_late_with_output
	assert_equal "$(health box '[.Log[] | .ExitCode] | unique | @json')" '[-1]'
	# of the checks before this one nothing is left
	wait_for 10 streak_is_over box 2
	wait_for 5 sleeps_of_one_check
}

@test "a check that cannot be run fails with the reason; its output is cut after 4096 bytes" {
	cloche create --name missing --health-cmd x --health-interval 100ms --health-retries 1 cloche/busybox sleep 1000 >/dev/null
	cloche run -d --name loud --health-cmd 'yes "a\"b" | head -c 100000; printf "\377"; exit 3' --health-interval 100ms \
		cloche/busybox sleep 1000 >/dev/null
	# The command alone, as an image may have it.
	cloche run -d --name none --entrypoint sh --health-cmd 'kill -9 $$' --health-interval 100ms --health-retries 1 cloche/busybox -c 'rm /bin/sh; exec sleep 1000' >/dev/null
	cloche start missing >/dev/null
	wait_for 10 health_is missing unhealthy
	assert_equal "$(health missing '[.Log[0].ExitCode, .Log[0].Output] | @json')" '[127,"/bin/sh: x: not found\n"]'
	wait_for 10 health_is none unhealthy
	# The first one may have found its shell yet.
	wait_for 10 eval '[ "$(health none ".Log[-1].ExitCode")" = -1 ]'
	assert_equal "$(health none '[.Log[-1].ExitCode, .Log[-1].Output] | @json')" \
		'[-1,"OCI runtime exec failed: exec failed: unable to start container process: exec: \"/bin/sh\": stat /bin/sh: no such file or directory: unknown"]'
	wait_for 10 streak_is_over loud 0
	assert_equal "$(health loud '[.Log[0].ExitCode, (.Log[0].Output | length), .Log[0].Output[0:8], .Log[0].Output[-3:]] | @json')" \
		'[3,4099,"a\"b\na\"b\n","..."]'
}

@test "no health check: no state, no file, nothing is run" {
	cloche run -d --name off --no-healthcheck cloche/busybox sleep 1000 >/dev/null
	cloche run -d --name plain cloche/busybox sleep 1000 >/dev/null
	assert_equal "$(inspect plain '.State | has("Health")')" false
	assert_equal "$(inspect off '.State | has("Health")')" false
	assert_equal "$(cloche ps --format '{{.Status}}' | grep -c health)" 0
	[ ! -e "$CLOCHE_RUN_ROOT/containers/$(inspect plain .Id)/health.json" ]
}

@test "a paused container is not checked; a restarted one begins anew" {
	cloche run -d --name box --health-cmd 'echo x >>/tmp/checks' --health-interval 100ms --restart always \
		cloche/busybox sh -c 'while [ ! -e /tmp/end ]; do sleep 0.1; done; rm /tmp/end' >/dev/null
	wait_for 10 health_is box healthy
	# Another's failures tell how often it would have been its turn.
	cloche run -d --name clock --health-cmd false --health-interval 100ms cloche/busybox sleep 1000 >/dev/null
	cloche pause box >/dev/null
	local paused after
	# One that had begun before may be told after.
	paused=$(date +%s%N)
	wait_for 10 streak_is_over clock $(($(health clock .FailingStreak) + 3))
	[ "$(last_check box)" -le "$paused" ]
	assert_contains "$(cloche ps -f name=box --format '{{.Status}}')" "(Paused)"
	cloche unpause box >/dev/null
	wait_for 10 eval '[ "$(last_check box)" -gt "$paused" ]'
	after=$(inspect box .RestartCount)
	# From outside: with the container an exec would end, too.
	: >"/proc/$(container_pid box)/root/tmp/end"
	wait_for 10 eval '[ "$(inspect box .RestartCount)" -gt "$after" ]'
	wait_for 10 health_is box healthy
}
