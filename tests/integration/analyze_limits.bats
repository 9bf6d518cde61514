#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the eighth test of analyze says of limits, and that it notices one that is not what was asked for.
bats_require_minimum_version 1.5.0
# bats file_tags=measure
load helpers

setup() { setup_engine; }
teardown() { teardown_engine; }

report() { jq -r "$1" "$ENGINE_DIR/report.json"; }

# verdict KEY: of a claim on cloche.
verdict() {
	report ".tests[].claims[] | select(.key == \"$1\" and .subject == \"cloche\") | .verdict"
}

median() { # KEY
	report ".tests[].figures[] | select(.key == \"$1\" and .subject == \"cloche\") | .summary.median // empty"
}

# about VALUE WANTED: within 10 %, or 25 where the processor itself is emulated and gets no even time.
about() {
	awk -v a="$1" -v b="$2" -v off="$([ "${CLOCHE_TEST_SLOW:-0}" = 0 ] && echo 0.1 || echo 0.25)" \
		'BEGIN { exit !(a > (1 - off) * b && a < (1 + off) * b) }'
}

analyze() { # ARGUMENT...
	cloche analyze limits --runs 3 --no-progress --json "$ENGINE_DIR/report.json" "$@" >"$ENGINE_DIR/out"
}

# After a first analyze. On a host whose processors others want, a quota holds nobody back and the tool says
# that it could not test it; then it is asked again.
until_quota_tested() { # ARGUMENT...
	local left=2
	while [ "$(median limits.quota_share)" = "" ] && [ "$left" -gt 0 ]; do
		analyze "$@"
		left=$((left - 1))
	done
	[ "$(median limits.quota_share)" != "" ] ||
		! awk -v n="$(nproc)" '{ exit !($1 > n) }' /proc/loadavg ||
		skip "others want the processors: no quota can be tested, load $(cut -d' ' -f1 /proc/loadavg)"
	[ "$(median limits.quota_share)" != "" ]
}

# Loop devices whose file is gone.
loop_devices() { losetup -ln | grep -c deleted || true; }

@test "each limit is run against and holds; a quota of 37 % is found to be 37 %" {
	local loops
	loops=$(loop_devices)
	analyze --verify
	for key in memory pids; do [ "$(verdict "limits.$key")" = holds ]; done
	[ "$(nproc)" -lt 2 ] || [ "$(verdict limits.cpuset)" = holds ]
	# a host without block throttling or loop devices, or with others at its disk, has to say so
	case "$(verdict limits.io)" in
	holds) awk -v rate="$(median limits.io_rate)" 'BEGIN { exit !(rate > 3.4 && rate < 4.7) }' ;;
	*) report '.tests[].claims[] | select(.key == "limits.io") | .evidence[]' | grep -qE 'not tested: .|slower than the limit' ;;
	esac
	awk -v a="$(median limits.memory_reached)" 'BEGIN { exit !(a > 48 * 1048576 && a <= 64 * 1048576) }'
	[ "$(awk 'length > 100' "$ENGINE_DIR/out" | wc -l)" = 0 ]
	[ "$(loop_devices)" = "$loops" ]
	until_quota_tested --verify
	about "$(median limits.quota_share)" 37
	about "$(median limits.quota_share_rusage)" 37
	[ "$(report '.tests[].checks[] | select(.key == "limits.cpu_time") | .agrees')" = true ]
	[ "$(verdict limits.quota)" = holds ] || [ "${CLOCHE_TEST_SLOW:-0}" = 1 ]
}

@test "limits that are not what was asked for are broken, with what they are" {
	analyze --run-flag=--cpus=0.55 --run-flag=--pids-limit=40
	[ "$(verdict limits.pids)" = broken ]
	report '.tests[].claims[] | select(.key == "limits.pids") | .evidence[]' | grep -q '39 more forked'
	until_quota_tested --run-flag=--cpus=0.55 --run-flag=--pids-limit=40
	[ "$(verdict limits.quota)" = broken ]
	about "$(median limits.quota_share)" 55
}

@test "a container without limits is found, one that has them is not" {
	analyze --runs 1
	report '.findings[].flag' | grep -qxe '--memory'
	report '.findings[].flag' | grep -qxe '--pids-limit'
	analyze --runs 1 --run-flag=--memory=512m --run-flag=--pids-limit=40
	report '.findings[].flag' >"$ENGINE_DIR/flags"
	run ! grep -e '--memory' -e '--pids-limit' "$ENGINE_DIR/flags"
}
