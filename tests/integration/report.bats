# SPDX-License-Identifier: Apache-2.0
# The report's outer form: JSON by its schema, and whether two runs say the same.
load helpers

setup() {
	: "${BUILD:?names the build to test}"
	SCHEMA=$BUILD/share/cloche/report.schema.json
	COMPARE=$BATS_TEST_DIRNAME/../../script/compare-reports
}

# validate FILE: one report a line. Debian's own python3 has Debian's modules.
validate() {
	/usr/bin/python3 - "$SCHEMA" "$1" <<'PY'
import json, sys
import jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)
wrong = count = 0
for line in open(sys.argv[2]):
    count += 1
    for e in validator.iter_errors(json.loads(line)):
        wrong += 1
        print(f"report {count}: {list(e.path)}: {e.message[:200]}")
print(count)
sys.exit(wrong > 0 or count == 0)
PY
}

need_jsonschema() {
	/usr/bin/python3 -c 'import jsonschema' 2>/dev/null || skip "no python3-jsonschema"
}

# report FILE MEDIAN...: a report with one headline figure for each median, its interval 1 % wide.
report() {
	local file=$1
	shift
	printf '%s\n' "$@" | jq -sc '{schema_version: 1, tests: [{figures: [to_entries[] | {
		key: "test\(.key).figure", subject: "cloche", unit: "ms", headline: true, n: 30,
		summary: {median: .value, median_low: (.value * 0.995), median_high: (.value * 1.005),
		          noisy: false}}]}]}' >"$file"
}

# bats test_tags=any-kernel,once
@test "every report made at random is valid by the schema" {
	need_jsonschema
	local random=$BUILD/obj/tests/unit/test_report_random
	[ -x "$random" ] || skip "built without unit tests"
	REPORT_RANDOM_DUMP=$BATS_TEST_TMPDIR/reports run "$random"
	[ "$status" -eq 0 ]
	run validate "$BATS_TEST_TMPDIR/reports"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[-1]}" -ge 100 ]
}

# bats test_tags=any-kernel
@test "the schema refuses a member it does not know and a value of another type" {
	need_jsonschema
	local good='{"schema_version":1,"kind":"analyze","title":"t","tool_version":"0","started":null,
		"took_s":1,"interrupted":false,"subjects":[],"facts":[],"tests":[],"comparisons":[],"findings":[]}'
	jq -c . <<<"$good" >"$BATS_TEST_TMPDIR/good"
	run validate "$BATS_TEST_TMPDIR/good"
	[ "$status" -eq 0 ]
	for change in '.more = 1' '.took_s = "1"' 'del(.subjects)' '.schema_version = 2' '.findings = [{}]'; do
		jq -c "$change" <<<"$good" >"$BATS_TEST_TMPDIR/bad"
		run validate "$BATS_TEST_TMPDIR/bad"
		[ "$status" -eq 1 ] || { echo "accepted: $change" && return 1; }
	done
}

# bats test_tags=any-kernel
@test "compare-reports: nine of ten figures whose intervals overlap are agreement" {
	report "$BATS_TEST_TMPDIR/a" 1 2 3 4 5 6 7 8 9 10
	report "$BATS_TEST_TMPDIR/b" 1.005 2 3 4 5 6 7 8 9 20
	run "$COMPARE" "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/b"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[-1]}" = "9 of 10 agree" ]
	[[ ${lines[9]} == "DIFFERS  test9.figure (cloche): 10 "* ]]
}

# bats test_tags=any-kernel
@test "compare-reports: eight of ten are not, and what is no report is refused" {
	report "$BATS_TEST_TMPDIR/a" 1 2 3 4 5 6 7 8 9 10
	report "$BATS_TEST_TMPDIR/b" 1.02 2 3 4 5 6 7 8 9 20
	run "$COMPARE" "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/b"
	[ "$status" -eq 1 ]
	[ "${lines[-1]}" = "8 of 10 agree" ]
	echo '{}' >"$BATS_TEST_TMPDIR/c"
	run "$COMPARE" "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/c"
	[ "$status" -eq 2 ]
	run "$COMPARE" "$BATS_TEST_TMPDIR/a" /nonexistent
	[ "$status" -eq 2 ]
}

# undocumented FILE: keys of its figures that docs/measurement.md does not name. A part of a key in capitals
# stands for any (`startup.phase.PHASE`).
undocumented() {
	/usr/bin/python3 - "$1" "$BATS_TEST_DIRNAME/../../docs/measurement.md" <<'PY'
import json, re, sys
named = [re.compile(re.sub("[A-Z][A-Z_]*", "[a-z0-9_]+", re.escape(word)))
         for word in re.findall(r"`([a-zA-Z0-9_.]+)`", open(sys.argv[2]).read())]
for line in open(sys.argv[1]):
    for key in sorted({f["key"] for t in json.loads(line)["tests"] for f in t["figures"]}):
        if not any(word.fullmatch(key) for word in named):
            print(key)
PY
}

# bats test_tags=any-kernel,once
@test "a real report is valid, fits 100 columns without colour, and keeps samples" {
	need_jsonschema
	setup_engine
	run cloche analyze --brief --runs 3 --json "$BATS_TEST_TMPDIR/real" startup layers namespaces
	teardown_engine
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(wc -L <<<"$output")" -le 100 ]
	[[ $output != *$'\033'* ]]
	run validate "$BATS_TEST_TMPDIR/real"
	echo "$output"
	[ "$status" -eq 0 ]
	run undocumented "$BATS_TEST_TMPDIR/real"
	echo "not in docs/measurement.md: $output"
	[ "$status" -eq 0 ] && [ -z "$output" ]
	jq -e '[.tests[].key] == ["startup", "layers", "namespaces"] and all(.tests[]; .status == "done")
		and ([.tests[0].figures[] | select(.headline) | .samples | length] == [3])' "$BATS_TEST_TMPDIR/real"
}
