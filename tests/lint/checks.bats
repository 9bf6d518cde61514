# SPDX-License-Identifier: Apache-2.0
# The checks of script/ find what they are there for: each is run on a small tree with one fault.

setup() {
	tree=$(mktemp -d)
	cp -a "$BATS_TEST_DIRNAME/../../script" "$BATS_TEST_DIRNAME/../../.clang-format" "$tree/"
	mkdir -p "$tree/src/base" "$tree/src/kernel" "$tree/src/runtime/child"
	git -C "$tree" init -q
	source_file base/a.h '#ifndef A_H' '#define A_H' '#include <stddef.h>' 'size_t a(void);' '#endif'
	source_file kernel/b.c '#include "base/a.h"'
}

teardown() {
	rm -rf "$tree"
}

source_file() { # PATH LINE...
	local path=$tree/src/$1
	shift
	printf '%s\n' '/* SPDX-License-Identifier: Apache-2.0 */' "$@" >"$path"
}

refuses() { # CHECK TEXT...
	run "$tree/script/$1"
	[ "$status" -ne 0 ]
	shift
	for text; do [[ $output == *"$text"* ]] || { echo "$output" && return 1; }; done
}

@test "a clean tree passes" {
	for check in layers sizes headers tree; do
		run "$tree/script/check-$check"
		[ "$status" -eq 0 ] || { echo "$check: $output" && return 1; }
	done
}

@test "layers: a lower folder may not include a higher one" {
	source_file base/up.c '#include "kernel/b.h"'
	refuses check-layers 'src/base/up.c:2: "kernel/b.h" is above base'
}

@test "layers: the child is held to base, kernel and runtime" {
	mkdir "$tree/src/oci"
	source_file oci/config.h '#define C 1'
	source_file runtime/config.c '#include "oci/config.h"'
	source_file runtime/child/child.c '#include "oci/config.h"'
	refuses check-layers 'src/runtime/child/child.c:2: "oci/config.h" is above runtime/child'
	[[ $output != *runtime/config.c* ]]
}

@test "layers: an include says its folder, and the file exists" {
	source_file base/short.c '#include "a.h"'
	source_file base/gone.c '#include "base/gone.h"'
	refuses check-layers 'short.c:2: "a.h" is not written' 'gone.c:2: "base/gone.h" does not exist'
}

@test "sizes: 71 lines are too many for a function, 70 are not" {
	function_of() { printf 'int %s(void)\n{\n' "$1" && yes '	;' | head -n $(($2 - 3)) && printf '}\n'; }
	source_file base/long.c "$(function_of good 70)" '' "$(function_of bad 71)"
	refuses check-sizes 'src/base/long.c:73: function of 71 lines, at most 70'
	[ "${#lines[@]}" -eq 1 ]
}

@test "sizes: a file of 801 lines, a child of 1501" {
	source_file base/big.c "$(yes '/* */' | head -n 800)"
	source_file runtime/child/a.c "$(yes '/* */' | head -n 750)"
	source_file runtime/child/b.c "$(yes '/* */' | head -n 749)"
	refuses check-sizes 'src/base/big.c: 801 lines, at most 800' 'src/runtime/child: 1501 lines in total'
}

@test "headers: one that leans on what was included before it" {
	source_file base/leans.h '#ifndef L_H' '#define L_H' 'size_t leans(void);' '#endif'
	refuses check-headers 'src/base/leans.h: does not compile alone'
}

@test "headers: one without a guard" {
	source_file base/twice.h 'struct twice { int x; };'
	refuses check-headers 'src/base/twice.h: does not compile alone'
}

@test "child: a call that nobody allowed, and a permission nobody needs" {
	source_file runtime/child/c.c '#include <stdlib.h>' 'void *c(void);' 'void *c(void) { return malloc(1); }'
	refuses check-child 'the child calls what is not allowed: malloc' 'allowed but no longer called: execve'
}

@test "tree: licence, foreign places, unfinished marks, blanks" {
	printf 'int x;\n' >"$tree/src/base/none.c"
	source_file base/place.c '/* see /ho''me/someone */'
	source_file base/mark.c '/* TO''DO */'
	source_file base/blank.c 'int y; '
	refuses check-tree 'none.c:1: no SPDX line' 'place.c:2: names a place' 'mark.c:2: unfinished' 'blank.c:2: blanks'
}

@test "format: spaces where tabs belong" {
	source_file base/spaces.c 'int f(void)' '{' '    return 0;' '}'
	run "$tree/script/format" --check
	[ "$status" -ne 0 ]
	[[ $output == *spaces.c* ]]
}
