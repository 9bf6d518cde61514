# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Bundles and containers of cloche-runtime. Each test has a state directory, a cgroup parent and bundles
# of its own; the tear-down fails when anything of them is left.

load helpers

setup_runtime() {
	: "${BUILD:?names the build to test}"
	DIR=$(mktemp -d /tmp/clrt.XXXXXX)
	GROUP=cloche-rt-${DIR##*.}
	BUNDLE=$DIR/bundle
	export DIR GROUP BUNDLE
	mkdir -p "$DIR/state" "$BUNDLE"
	make_rootfs "$BUNDLE/rootfs"
	(cd "$BUNDLE" && "$BUILD/bin/cloche-runtime" spec)
	configure '.process.terminal = false | .root.readonly = false'
	use_group "$GROUP/c"
	cd "$BUNDLE" || return 1
}

rt() {
	"$BUILD/bin/cloche-runtime" --root "$DIR/state" "$@"
}

make_rootfs() { # DIR
	local name
	mkdir -p "$1/bin" "$1/tmp"
	cp "$(command -v busybox)" "$1/bin/busybox"
	for name in sh cat true sleep ls id mount mknod head echo stty tty grep readlink touch kill dd; do
		ln -s busybox "$1/bin/$name"
	done
}

configure() { # JQ_PROGRAM [JQ_ARG...]
	local program=$1
	shift
	jq "$@" "$program" "$BUNDLE/config.json" >"$BUNDLE/config.new"
	mv "$BUNDLE/config.new" "$BUNDLE/config.json"
}

# shellcheck disable=SC2016 # the names are jq's
use_args() { # ARG...
	configure '.process.args = $args' --argjson args "$(printf '%s\0' "$@" | jq -Rs 'split("\u0000") | if last == "" then .[:-1] else . end')"
}

# shellcheck disable=SC2016
use_group() { # PATH
	configure '.linux.cgroupsPath = $path' --arg path "/$1"
}

group_dirs() {
	local mount
	while read -r mount; do
		find "$mount" -mindepth 1 -type d -path "*/$GROUP*" 2>/dev/null || true
	done < <(cgroup_mounts)
}

no_group() { # NAME
	[ -z "$(group_dirs | sed -n "\\#$GROUP/$1#p")" ]
}

status_of() { # CONTAINER
	rt state "$1" | jq -r .status
}

has_status() { # CONTAINER STATUS
	[ "$(status_of "$1")" = "$2" ]
}

# Ends every container of the test and fails when the kernel or the state directory still knows one.
teardown_runtime() {
	local id left=0 dir
	[ -n "${DIR:-}" ] || return 0
	cd /
	for id in $(rt list -q); do rt delete -f "$id" || left=1; done
	if [ -n "$(find "$DIR/state" -mindepth 1 -maxdepth 1 ! -name .seccomp)" ]; then
		echo "# left in the state directory: $(ls -A "$DIR/state")"
		left=1
	fi
	if group_dirs | grep -q "$GROUP/"; then
		echo "# left cgroups: $(group_dirs | tr '\n' ' ')"
		left=1
	fi
	while read -r dir; do rmdir "$dir" || left=1; done < <(group_dirs | sort -r)
	if grep -qF "$DIR" /proc/self/mountinfo; then
		echo "# left mounts: $(grep -F "$DIR" /proc/self/mountinfo)"
		left=1
	else
		rm -rf --one-file-system "$DIR"
	fi
	return "$left"
}
