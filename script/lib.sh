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
