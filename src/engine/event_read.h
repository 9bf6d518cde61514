/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the journal of events: what is past, then what comes, each once and in the order of the
 * journal, through its rotations. A reader holds nobody up and learns of news by inotify; one that
 * falls behind by two whole journals (8 MiB) misses the one that is gone.
 */
#ifndef CLOCHE_ENGINE_EVENT_READ_H
#define CLOCHE_ENGINE_EVENT_READ_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/strv.h"
#include "engine/engine.h"

/* Which events. With neither time: those that come from now on. */
struct event_query {
	uint64_t since_ns, until_ns; /* wall clock, both included; 0: not given */
	const struct strv *filters;  /* KEY=VALUE, as event_matches(); borrowed */
};

struct event_reader;

/* The caller ends *out with event_reader_close(). The engine and the query's filters must outlive it. */
int must_check event_reader_open(struct engine *e, const struct event_query *q,
				 struct event_reader **out, struct err *err);
void event_reader_close(struct event_reader *r);

enum event_news {
	EVENT_NONE, /* nothing yet: wait */
	EVENT_ONE, /* *event is one, in the shape of Docker's API, attributes sorted; the caller puts it */
	EVENT_END, /* until_ns has passed: nothing will come */
};

/* Never blocks. An enum event_news or -errno. */
int must_check event_reader_next(struct event_reader *r, struct json_object **event,
				 struct err *err);
/* Waits for news, for until_ns, or for a signal. */
int must_check event_reader_wait(struct event_reader *r, struct err *err);

/* Whether an event passes filters, by Docker's rules: of one key any value will do, of label all
 * must; unknown keys let everything pass (event_filter.c). */
bool event_matches(struct json_object *event, const struct strv *filters);

#endif
