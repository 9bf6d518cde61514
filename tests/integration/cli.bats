#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Words and exit codes of the command line itself: help, unknown words, bad values.
# shellcheck disable=SC2154 # bats sets status, output, stderr

bats_require_minimum_version 1.5.0
load helpers
setup() { setup_engine; }
teardown() { teardown_engine; }

@test "alone it prints help that lists every command" {
	run -0 cloche
	assert_contains "$output" "Usage:  cloche [OPTIONS] COMMAND"
	for word in run create start stop kill rm wait ps inspect version info container image system; do
		grep -Eq "^  $word +[A-Z]" <<<"$output" || { echo "no $word"; return 1; }
	done
}

@test "--version and version name the same version" {
	run -0 cloche --version
	[[ $output =~ ^Cloche\ version\ ([0-9.]+)$ ]]
	assert_equal "$(cloche version --format '{{.Server.Version}}')" "${BASH_REMATCH[1]}"
	assert_equal "$(cloche version --format '{{.Server.KernelVersion}}')" "$(uname -r)"
}

@test "an unknown command is refused, also in a group" {
	run -1 cloche nosuch
	assert_contains "$output" "cloche: unknown command: cloche nosuch"
	run -1 cloche container nosuch
	assert_equal "$output" $'cloche: unknown command: cloche container nosuch\n\nUsage:  cloche container\n\nRun \'cloche container --help\' for more information'
	run -125 cloche network -x
	assert_contains "$output" $'unknown shorthand flag: \'x\' in -x\n\nUsage:  cloche network\n\n'
	run -1 cloche swarm init
	assert_contains "$output" "cloche: 'swarm' is not supported yet"
}

@test "a group alone lists its commands, and they are the same commands" {
	run -0 --separate-stderr cloche container
	assert_equal "$output" ""
	# shellcheck disable=SC2154 # run sets it
	assert_equal "$stderr" "$(cloche container --help)"
	grep -Eq '^  ls +List containers$' <<<"$stderr"
	run -0 cloche container ls
	[[ ${lines[0]} == "CONTAINER ID"* ]]
	run -0 cloche container run --rm cloche/busybox echo same
	assert_equal "$output" same
}

@test "an unknown flag names itself, the usage and where to read on; exit code 125" {
	run -125 cloche run --nosuch image
	assert_equal "$output" "unknown flag: --nosuch

Usage:  cloche run [OPTIONS] IMAGE [COMMAND] [ARG...]

Run 'cloche run --help' for more information"
	run -125 cloche ps -Z
	assert_equal "${lines[0]}" "unknown shorthand flag: 'Z' in -Z"
	run -125 cloche --nosuch
	assert_equal "${lines[0]}" "unknown flag: --nosuch"
}

@test "a flag of Docker's that is not there yet is refused by name with 125" {
	local flag
	for flag in --io-maxiops=1 --publish=80/sctp --use-api-socket; do
		run -125 cloche run "$flag" cloche/busybox true
		assert_contains "$output" "not supported yet"
	done
	run -0 cloche ps -aq
	assert_equal "$output" ""
}

@test "too few or too many arguments: exit code 1" {
	run -1 cloche run
	assert_contains "$output" "cloche: 'cloche run' requires at least 1 argument"
	assert_contains "$output" "See 'cloche run --help'"
	run -1 cloche port
	assert_contains "$output" "cloche: 'cloche port' requires at least 1 and at most 2 arguments"
	run -1 cloche volume create a b
	assert_contains "$output" "cloche: 'cloche volume create' requires at most 1 argument"
	run -1 cloche ps extra
	assert_contains "$output" "cloche: 'cloche ps' accepts no arguments"
	run -1 cloche kill
	assert_contains "$output" "cloche: 'cloche kill' requires at least 1 argument"
}

@test "help of a command shows usage, aliases and flags" {
	run -0 cloche ps --help
	assert_contains "$output" "Usage:  cloche ps [OPTIONS]"
	assert_contains "$output" "cloche container ls, cloche container list, cloche container ps, cloche ps"
	assert_contains "$output" "  -a, --all             Show all containers (default shows just running)"
	assert_equal "$(cloche help ps)" "$output"
	assert_equal "$(cloche top --help | head -n 1)$(cloche top --help | grep -c Options:)" "Usage:  cloche top CONTAINER [ps OPTIONS]0"
}

# Each line: the flag and value, then the words that must be in the one message.
@test "absurd values are one clear error, exit code 125, and leave nothing" {
	local before flag words
	run -0 cloche run --rm cloche/busybox true
	# Its monitor sweeps up after the answer.
	wait_for 10 eval '[ -z "$(engine_processes)" ]'
	before=$(snapshot_engine)
	while IFS='|' read -r flag words; do
		# shellcheck disable=SC2086 # flag and value
		run -125 --separate-stderr cloche run $flag cloche/busybox true
		assert_equal "$output" ""
		assert_contains "$stderr" "$words"
	done <<-'END'
		-m x|invalid argument "x" for "-m, --memory" flag: invalid size: 'x'
		-m 5x|invalid suffix: 'x'
		-m 1m|Minimum memory limit allowed is 6MB
		-m 64m --memory-swap 32m|Minimum memoryswap limit should be larger than memory limit, see usage
		--cpus abc|failed to parse abc as a rational number
		--cpus 5000|Range of CPUs is from 0.01 to
		--cpus 0.0000000001|value is too precise
		--cpuset-cpus 9999|Requested CPUs are not available - requested 9999
		--cpuset-cpus a|Invalid value a for cpuset cpus
		--cpu-period 5|CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s
		--pids-limit x|strconv.ParseInt: parsing "x": invalid syntax
		--ulimit nofile=3:1|ulimit soft limit must be less than or equal to hard limit: 3 > 1
		--cap-add NOSUCH|invalid CapAdd: unknown capability: "CAP_NOSUCH"
		--name a/b|Invalid container name (a/b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed
		--mount type=bind,source=/no/such,target=/x|bind source path does not exist: /no/such
		-v /a:b|invalid mount path: 'b' mount path must be absolute
		--tmpfs /x:nosuch|invalid tmpfs option ["nosuch"]
		-w rel|the working directory 'rel' is invalid, it needs to be an absolute path
		-u nosuch|unable to find user nosuch: no matching entries in passwd file
		--stop-signal FOO|nvalid signal: FOO
		--shm-size -1|invalid size: '-1'
		--security-opt seccomp=/no/such|opening seccomp profile (/no/such) failed
	END
	assert_engine_as "$before"
}

@test "a bad image reference is said in Docker's words; a missing image ends with 125" {
	run -125 cloche run Upper
	assert_contains "$output" "invalid reference format: repository name (library/Upper) must be lowercase"
	run -125 cloche run a:b:c
	assert_contains "$output" "invalid reference format"
	run -125 cloche run nosuch:tag true
	assert_contains "$output" "No such image: nosuch:tag"
}

@test "exit codes of run: the program's, 126, 127, 128+n" {
	run -7 cloche run --rm cloche/busybox sh -c 'exit 7'
	run -127 cloche run --rm cloche/busybox /no/such
	assert_contains "$output" "no such file or directory"
	run -126 cloche run --rm cloche/busybox /etc
	assert_contains "$output" "permission denied"
	cloche run --name victim cloche/busybox sleep 1000 &
	wait_for 5 container_is victim running
	cloche kill victim >/dev/null
	local rc=0
	wait $! || rc=$?
	assert_equal "$rc" 137
}

@test "commands on containers go on after a failure and end with 1" {
	cloche create --name one cloche/busybox true >/dev/null
	cloche create --name two cloche/busybox true >/dev/null
	run -1 --separate-stderr cloche rm one nosuch two
	assert_equal "$output" $'one\ntwo'
	assert_contains "$stderr" "No such container: nosuch"
	run -0 --separate-stderr cloche rm -f nosuch
	assert_contains "$stderr" "No such container: nosuch"
}

@test "ps shows the running, -a all; columns, quiet, formats and filters" {
	cloche create --name idle -l tier=x -l b=2 cloche/busybox echo 'a b' >/dev/null
	cloche create --name busy -v /tmp:/t cloche/busybox sleep 1000 >/dev/null
	cloche start busy >/dev/null
	run -0 cloche ps
	assert_equal "${#lines[@]}" 2
	[[ ${lines[0]} =~ ^CONTAINER\ ID\ +IMAGE\ +COMMAND\ +CREATED\ +STATUS\ +PORTS\ +NAMES$ ]]
	[[ ${lines[1]} =~ ^[0-9a-f]{12}\ +cloche/busybox\ +\"sleep\ 1000\"\ +.*\ ago\ +Up\ .*busy$ ]]
	assert_equal "$(cloche ps -aq --no-trunc | grep -Ec '^[0-9a-f]{64}$')" 2
	assert_equal "$(cloche ps -a --format '{{.Names}} {{.State}} {{.Label "tier"}}')" $'busy running \nidle created x'
	assert_equal "$(cloche ps -a --filter name=idle --format '{{.Command}}')" "\"echo 'a b'\""
	assert_equal "$(cloche ps -a -f label=tier=x -f label=b --format '{{.Names}}')" idle
	assert_equal "$(cloche ps -f status=created --format '{{.Names}}')" idle
	assert_equal "$(cloche ps -n 1 --format '{{.Names}}')" busy
	assert_equal "$(cloche ps --format json | jq -r .Mounts)" /tmp
	assert_equal "$(cloche ps --filter name=nosuch --format 'table {{.Names}}\t{{.ID}}')" "NAMES     CONTAINER ID"
	run -1 cloche ps --format '{{.Nope}}'
	assert_equal "$output" "failed to execute template: template: :1:2: executing \"\" at <.Nope>: can't evaluate field Nope in type *formatter.ContainerContext"
	run -1 cloche ps --filter foo=bar
	assert_contains "$output" "invalid filter 'foo'"
}

@test "inspect: JSON, templates, and what is not there" {
	local id
	id=$(cloche create --name box -m 64m --cpus 0.5 -l b=2 -l a=1 cloche/busybox sleep 5)
	assert_equal "$(cloche inspect "${id:0:12}" | jq -r '.[0].Id')" "$id"
	assert_equal "$(cloche inspect -f '{{.ID}} {{.HostConfig.NanoCPUs}} {{.HostConfig.Memory}}' box)" "$id 500000000 67108864"
	assert_equal "$(cloche inspect box --format='{{json .Args}} {{index .Config.Labels "b"}}')" '["5"] 2'
	assert_equal "$(cloche container inspect -f '{{range .Args}}<{{.}}>{{end}}{{.Name}}' box)" "<5>/box"
	run -1 --separate-stderr cloche inspect nosuch
	assert_equal "$output" "[]"
	assert_contains "$stderr" "nosuch"
	run -1 --separate-stderr cloche inspect -f '{{.Nope}}' box
	assert_equal "$output" ""
	assert_equal "$stderr" 'template parsing error: template: :1:2: executing "" at <.Nope>: map has no entry for key "Nope"'
	run -64 cloche inspect -f '{{' box
	assert_equal "$output" "template parsing error: template: :1: unclosed action"
}

@test "create, start, wait, stop, rm: one life" {
	local id
	id=$(cloche create --name life cloche/busybox sh -c 'trap "exit 5" TERM; echo ready; while :; do sleep 0.05; done')
	[[ $id =~ ^[0-9a-f]{64}$ ]]
	container_is life created
	run -0 cloche start life
	assert_equal "$output" life
	container_is life running
	# Until then PID 1 is deaf to the signal.
	wait_for 5 has_said life ready
	cloche wait life >"$ENGINE_DIR/waited" &
	run -0 cloche stop life
	assert_equal "$output" life
	wait $!
	assert_equal "$(cat "$ENGINE_DIR/waited")" 5
	container_is life exited
	assert_equal "$(inspect life .State.ExitCode)" 5
	run -0 cloche start life life
	run -1 cloche rm life
	assert_contains "$output" "You cannot remove a running container"
	run -0 cloche rm -f life
	run -0 cloche ps -aq
	assert_equal "$output" ""
}

@test "start -a shows the output again and passes the exit code on" {
	cloche create --name again cloche/busybox sh -c 'echo shown; exit 3' >/dev/null
	run -3 cloche start -a again
	assert_equal "$output" shown
	run -3 cloche start -a again
	assert_equal "$output" shown
	run -1 cloche start -a again other
	assert_contains "$output" "you cannot start and attach multiple containers at once"
	run -1 cloche start nosuch
	assert_contains "$output" "No such container: nosuch"
	assert_contains "$output" "failed to start containers: nosuch"
	cloche create --name broken cloche/busybox /no/such >/dev/null
	run -1 cloche start broken
	assert_contains "$output" "no such file or directory"
	run -1 cloche start -a broken
	assert_contains "$output" "no such file or directory"
}

@test "a monitor that dies takes the container with it, and the client says so" {
	local rc=0
	cloche run --name lost cloche/busybox sh -c 'echo ready; exec sleep 1000' >"$ENGINE_DIR/out" 2>"$ENGINE_DIR/err" &
	# By then the client knows that it runs: the state says so a moment before the client is told.
	wait_for 5 grep -q ready "$ENGINE_DIR/out"
	kill -KILL "$(cloche inspect -f '{{.Cloche.MonitorPid}}' lost)"
	wait $! || rc=$?
	assert_equal "$rc" 125
	assert_contains "$(cat "$ENGINE_DIR/err")" "monitor lost"
	wait_for 5 container_is lost exited
}

@test "--cidfile holds the id and is not overwritten" {
	run -0 cloche run --rm --cidfile "$ENGINE_DIR/cid" cloche/busybox true
	[[ $(cat "$ENGINE_DIR/cid") =~ ^[0-9a-f]{64}$ ]]
	run -125 cloche run --rm --cidfile "$ENGINE_DIR/cid" cloche/busybox true
	assert_contains "$output" "container ID file found"
}

@test "output that cannot be written is an error" {
	run -1 --separate-stderr bash -c 'cloche version >/dev/full'
	assert_contains "$stderr" "write to standard output: No space left on device"
	run -125 --separate-stderr bash -c 'cloche run --rm cloche/busybox echo x >/dev/full'
	assert_contains "$stderr" "write to standard output: No space left on device"
}
