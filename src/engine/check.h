/* SPDX-License-Identifier: Apache-2.0 */
/* Finding and sweeping what a crash left of this engine. */
#ifndef CLOCHE_ENGINE_CHECK_H
#define CLOCHE_ENGINE_CHECK_H

#include "engine/engine.h"

struct engine_finding {
	/* "container", "record", "layer", "name", "cgroup", "process", "mount", "volume", "file" or
	 * "image store" */
	const char *kind;
	const char *object;  /* path, name, pid or id */
	const char *why;     /* "nothing refers to it", ... */
	bool repaired;       /* only ever true with repair */
	const char *failure; /* why the repair did not succeed, or NULL */
};

/* Called for each finding; its strings live until it returns. */
typedef void (*engine_finding_fn)(void *context, const struct engine_finding *finding);

/*
 * Looks for everything that a killed command, monitor or machine leaves: lost monitors, processes and
 * groups of dead containers, mounts, half-made and half-removed records, layers, run directories,
 * names, volumes, temporary files, and leftovers of the image store. With repair each is swept under
 * its lock, and when no container is left the engine's empty parent groups go too.
 *
 * Never touched: a container whose lock is held (it lives, or is being made or removed); what belongs
 * to another engine. A group below our parent whose id is unknown here may be another engine's, made
 * this very moment: it counts only if it has had no process for a minute.
 *
 * 0 whatever was found; -errno when the looking itself failed.
 */
int must_check engine_check(struct engine *e, bool repair, engine_finding_fn report, void *context,
			    struct err *err);

#endif
