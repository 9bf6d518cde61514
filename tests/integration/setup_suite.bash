# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Before the first test and after the last: what the suite needs is there, and no engine of it is left.

setup_suite() {
	[ "$(id -u)" = 0 ] || { echo "containers need root" >&2 && return 1; }
	[ -x "${BUILD:?names the build to test}/bin/cloche" ] || { echo "no program in $BUILD/bin" >&2 && return 1; }
	# The suite's own accidents must not become a container's: a test that wants them sets them.
	umask 022
}
