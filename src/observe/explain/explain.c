/* SPDX-License-Identifier: Apache-2.0 */
/* One container through some topics: what they share is read once, then each fills its test. */
#include "observe/explain/topics.h"

#include <unistd.h>

#include "base/clock.h"

int explain_look(struct explain *x, struct err *err)
{
	bool container = x->target->engine != TARGET_PROCESS;
	int rc = process_table_read(x->target->pid, container, &x->processes, err);

	if (rc == 0)
		rc = namespaces_read(x->target->pid, &x->own, err);
	if (rc == 0)
		rc = namespaces_read_host(&x->host, err);
	if (rc == 0)
		rc = namespaces_census(&x->census, err);
	return rc;
}

pid_t explain_host_pid(const struct explain *x)
{
	return x->host.pid ? x->host.pid : getpid();
}

void explain_forget(struct explain *x)
{
	process_table_free(&x->processes);
	namespaces_census_free(&x->census);
}

static struct report_test *test_of(struct report *r, const struct explain_topic *topic)
{
	for (size_t i = 0; i < r->test_count; i++) {
		if (str_eq(r->tests[i]->key, topic->key))
			return r->tests[i];
	}
	return report_add_test(r, topic->number, topic->key, topic->title);
}

void explain_topic_add(struct explain *x, const struct explain_topic *topic)
{
	uint64_t start_ns = clock_now_ns();
	struct err err = ERR_INIT;
	int rc;

	x->test = test_of(x->report, topic);
	rc = topic->explain(x, &err);
	/* What could not be read of one that ended says no more than that it ended. */
	if (!target_is_alive(x->target))
		report_status(x->test, rc < 0 ? REPORT_FAILED : REPORT_PARTIAL,
			      "%s ended while it was looked at", x->name);
	else if (rc < 0)
		report_status(x->test,
			      err.kind == ERR_UNSUPPORTED ? REPORT_UNAVAILABLE : REPORT_FAILED,
			      "%s", err.msg);
	x->test->took_s += (double)(clock_now_ns() - start_ns) / 1e9;
}

static int check_keys(const struct strv *keys, struct err *err)
{
	for (size_t i = 0; i < keys->count; i++) {
		auto_strbuf struct strbuf all = {0};

		if (explain_find_topic(keys->items[i]))
			continue;
		for (size_t k = 0; k < explain_topics_count; k++)
			strbuf_printf(&all, " %s", explain_topics[k].key);
		return err_set(err, ERR_USAGE, 0, "no topic \"%s\"; there are:%s", keys->items[i],
			       all.data);
	}
	return 0;
}

int explain_container(struct explain *x, const struct strv *keys, struct err *err)
{
	int rc = check_keys(keys, err);

	if (rc == 0)
		rc = explain_look(x, err);
	for (size_t i = 0; rc == 0 && i < explain_topics_count; i++) {
		if (!keys->count || strv_contains(keys, explain_topics[i].key))
			explain_topic_add(x, &explain_topics[i]);
	}
	explain_forget(x);
	return rc;
}
