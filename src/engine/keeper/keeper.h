/* SPDX-License-Identifier: Apache-2.0 */
/* What the keeper's files share. */
#ifndef CLOCHE_ENGINE_KEEPER_KEEPER_H
#define CLOCHE_ENGINE_KEEPER_KEEPER_H

#include <stdbool.h>

/* In place of an id: whatever lost its monitor. */
#define KEEPER_HEAL_ALL "all"

struct keeper_options {
	const char *root, *run_root; /* NULL: the engine's own choice */
	const char *heal;            /* an id, or KEEPER_HEAL_ALL; NULL: no helper */
	bool boot;
};

/* The keeper itself: returns the exit code once it is not needed any more, at once when the run root
 * has one. */
int keeper_serve(const struct keeper_options *o);

#endif
