/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloche explain`: what one container is, in nine topics. A topic is one function and one row of the
 * table in topics.c. Each says what it claims, shows what it read of the kernel for this very container
 * in this run, and what follows; what could not be read is a note of the test with the reason. Only
 * reads.
 */
#ifndef CLOCHE_OBSERVE_EXPLAIN_EXPLAIN_H
#define CLOCHE_OBSERVE_EXPLAIN_EXPLAIN_H

#include "base/str.h"
#include "observe/probe/namespaces.h"
#include "observe/probe/processes.h"
#include "observe/report/report.h"
#include "observe/subject/target.h"

struct engine;

/* One container looked at. Borrowed, but for what explain_look() fills. */
struct explain {
	struct report *report;
	struct report_test *test; /* the topic being filled */
	const struct target *target;
	const struct target *other; /* another container to compare with, or NULL */
	struct engine *engine;      /* NULL: no Cloche on this host */
	const char *name;           /* as it is called in sentences */
	/* filled by explain_look() */
	struct process_table processes;
	struct namespace_census census;
	struct namespace_set own, host;
};

struct explain_topic {
	unsigned number;
	const char *key;
	const char *title;
	const char *lesson; /* for the course: what to look at and why */
	/* 0, or -errno with *err for what makes the topic impossible. */
	int (*explain)(struct explain *x, struct err *err);
};

extern const struct explain_topic explain_topics[];
extern const size_t explain_topics_count;
/* NULL when there is none of that name. */
const struct explain_topic *explain_find_topic(const char *key);

/* Reads what all topics share. Ended by explain_forget(). */
int must_check explain_look(struct explain *x, struct err *err);
void explain_forget(struct explain *x);
/* Adds one topic to the report as a test of its own, or to the test of that key which is there. A topic
 * that cannot be explained says so in its test. */
void explain_topic_add(struct explain *x, const struct explain_topic *topic);
/* All topics, or those of keys; unknown ones are ERR_USAGE. */
int must_check explain_container(struct explain *x, const struct strv *keys, struct err *err);

/* The finished report as a text to be read from top to bottom, at most 100 columns. course: with the
 * lesson before each topic. */
void explain_text(const struct report *r, bool colour, bool course, struct strbuf *out);

#endif
