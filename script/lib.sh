# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What all scripts share: where the tree is, and how they speak. Sourced, never run.
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=$(basename "$0")
export top

say() { printf '%s\n' "$*" >&2; }
die() {
	printf '%s: %s\n' "$program" "$*" >&2
	exit 1
}

# The files of the project, NUL-separated, relative to the top: what git tracks or would track, so
# that build output is never looked at. Patterns are git pathspecs.
tree_files() {
	git -C "$top" -c safe.directory='*' ls-files -z --cached --others --exclude-standard -- "$@" |
		while IFS= read -r -d '' f; do
			[ ! -f "$top/$f" ] || printf '%s\0' "$f"
		done
}

# Counts TAP logs: prints "passed failed skipped". A plan that promised more tests than reported,
# or no plan at all, means that the program died: what is missing counts as failed.
count_tap() {
	awk '
	function settle() {
		if (planned >= 0 && seen < planned) failed += planned - seen
		if (planned < 0 && started) failed++
	}
	FNR == 1 { settle(); planned = -1; seen = 0; started = 1 }
	/^[ \t]*1\.\.[0-9]+/ { sub(/^[ \t]*1\.\./, ""); planned = $1 + 0 }
	/^ok / { seen++; if (tolower($0) ~ /# skip/) skipped++; else passed++ }
	/^not ok / { seen++; if (tolower($0) ~ /^not ok [0-9]+ # skip/) skipped++; else failed++ }
	END { settle(); print passed + 0, failed + 0, skipped + 0 }' "$@"
}

# The one line every run of tests ends with; fails when something did.
tally() { # passed failed [skipped]
	printf '%d passed, %d failed' "$1" "$2"
	[ "${3:-0}" -eq 0 ] || printf ', %d skipped' "$3"
	printf '\n'
	[ "$2" -eq 0 ]
}

# The apt sources of this machine that are Debian's own for its release, as one-line entries.
debian_sources() {
	local release
	release=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
	# shellcheck disable=SC2016 # apt expands these
	apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
		awk -v r="$release" '$2 == r || $2 == r "-updates" || $2 == r "-security" {
			print "deb", $1, $2, $3 }' | sort -u
}

# How this machine's apt reaches them (proxy, retries, date checks), as lines of apt.conf.
apt_access() {
	apt-config dump | grep -E '^Acquire::(https?::|Check|Retries)' || true
}

# What engines make outside their own directories and leave there: benches remove what was not there before.
made_places=()
note_places() {
	local hierarchy name
	for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*/; do
		for name in docker libpod_parent cloche cloche-monitor cloche-runtime; do
			[ -d "$hierarchy/$name" ] || made_places+=("${hierarchy%/}/$name")
		done
	done
	[ -d /run/docker ] || made_places+=(/run/docker)
}

remove_made_places() {
	local place
	for place in "${made_places[@]}"; do
		find "$place" -depth -type d -exec rmdir {} + 2>/dev/null
	done
}
