/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the monitor itself says in the journal of events (engine/event_journal.h). Each call is one
 * write; none fails its caller. m->plan's monitor section must be filled, so: after the release.
 */
#ifndef CLOCHE_ENGINE_MONITOR_EVENT_H
#define CLOCHE_ENGINE_MONITOR_EVENT_H

#include <stddef.h>

#include "engine/monitor/monitor.h"

struct monitor_attribute {
	const char *key, *value; /* plain text: nothing that JSON would escape */
};

/* Opens the journal while nobody waits. */
void event_get_ready(struct monitor *m);
/* An event of this container; action and attributes are plain text. */
void event_say(struct monitor *m, const char *action, const struct monitor_attribute *attributes,
	       size_t count);
void event_start(struct monitor *m);
/* "die" with the exit code of the state; "oom" before it when processes of the container were killed
 * for memory and that was not told before; "unmount" of its volumes after. */
void event_die(struct monitor *m);
/* "destroy": with --rm, once the container exists for nobody. */
void event_destroy(struct monitor *m);
/* "kill" and "resize" on behalf of an attached client; nothing of a process that was executed beside
 * PID 1, as Docker says nothing. */
void event_signal(struct monitor *m, int number);
void event_resize(struct monitor *m, unsigned rows, unsigned columns);

#endif
