/* SPDX-License-Identifier: Apache-2.0 */
/* From a health check as it was configured to the plan of a process that does it. */
#include "engine/health.h"

#include <errno.h>
#include <stdio.h>

#include "base/str.h"
#include "engine/config_oci.h"
#include "runtime/plan_build.h"

#define NS_PER_S 1000000000LL
#define DEFAULT_INTERVAL (30 * NS_PER_S)
#define DEFAULT_TIMEOUT (30 * NS_PER_S)
#define DEFAULT_START_INTERVAL (5 * NS_PER_S)
#define DEFAULT_RETRIES 3

bool health_is_on(const struct container_config *config)
{
	const struct strv *test = &config->health.test;

	return !config->health.disabled && test->count > 1 &&
	       (str_eq(test->items[0], "CMD") || str_eq(test->items[0], "CMD-SHELL"));
}

static uint64_t or_default(int64_t value, int64_t otherwise)
{
	return (uint64_t)(value > 0 ? value : otherwise);
}

/* As Go prints a duration: "1m30s", "1.5s", "100ms". */
static void format_duration(uint64_t ns, char *out, size_t size)
{
	uint64_t s = ns / (uint64_t)NS_PER_S, below = ns % (uint64_t)NS_PER_S;
	char fraction[16] = "";

	if (!s) {
		const char *unit = below >= 1000000 ? "ms" : below >= 1000 ? "µs" : "ns";
		uint64_t one = below >= 1000000 ? 1000000 : below >= 1000 ? 1000 : 1;
		int digits = snprintf(fraction, sizeof(fraction), ".%0*llu", one == 1000000 ? 6 : 3,
				      (unsigned long long)(below % one));

		while (digits > 0 && (fraction[digits - 1] == '0' || fraction[digits - 1] == '.'))
			fraction[--digits] = '\0';
		snprintf(out, size, "%llu%s%s", (unsigned long long)(below / one), fraction, unit);
		return;
	}
	if (below) {
		int digits =
			snprintf(fraction, sizeof(fraction), ".%09llu", (unsigned long long)below);

		while (fraction[digits - 1] == '0')
			fraction[--digits] = '\0';
	}
	if (s >= 3600)
		snprintf(out, size, "%lluh%llum%llu%ss", (unsigned long long)(s / 3600),
			 (unsigned long long)(s / 60 % 60), (unsigned long long)(s % 60), fraction);
	else if (s >= 60)
		snprintf(out, size, "%llum%llu%ss", (unsigned long long)(s / 60),
			 (unsigned long long)(s % 60), fraction);
	else
		snprintf(out, size, "%llu%ss", (unsigned long long)s, fraction);
}

static void fill_times(struct launch *l)
{
	const struct health_request *r = &l->c->config.health;
	struct plan_health *h = &l->plan->monitor.health;
	char duration[64], text[128];

	h->enabled = 1;
	h->retries = (uint32_t)or_default(r->retries, DEFAULT_RETRIES);
	h->interval_ns = or_default(r->interval_ns, DEFAULT_INTERVAL);
	h->timeout_ns = or_default(r->timeout_ns, DEFAULT_TIMEOUT);
	h->start_period_ns = or_default(r->start_period_ns, 0);
	h->start_interval_ns = or_default(r->start_interval_ns, DEFAULT_START_INTERVAL);
	format_duration(h->timeout_ns, duration, sizeof(duration));
	snprintf(text, sizeof(text), "Health check exceeded timeout (%s)", duration);
	h->timeout_text = plan_add_string(l->plan, text);
}

static void command_of(const struct strv *test, struct strv *argv)
{
	if (str_eq(test->items[0], "CMD-SHELL")) {
		strv_add(argv, "/bin/sh");
		strv_add(argv, "-c");
	}
	for (size_t i = 1; i < test->count; i++)
		strv_add(argv, test->items[i]);
}

static int build(struct launch *l, struct plan *p, const struct container *as,
		 const struct user_identity *user, const struct cgroup_join *join, struct err *err)
{
	auto_seccomp_program struct seccomp_program seccomp = {0};
	struct plan_input input = {.join = join,
				   .limits_best_effort = true,
				   .clone_before_filter = container_has_own_profile(&as->config)};
	auto_oci_config struct oci_config oci = {0};
	int rc = container_process(as, user, &oci, &input.quiet_limits, err);

	if (rc == 0)
		rc = container_seccomp(l->e, &as->config, oci.process.capabilities.bounding,
				       &seccomp, err);
	input.seccomp = seccomp.count ? &seccomp : NULL;
	if (rc == 0)
		rc = plan_build_exec(p, &oci.process, &input, err);
	return rc;
}

int health_fill_plan(struct launch *l, const struct user_identity *user,
		     const struct cgroup_join *join, struct err *err)
{
	struct container as = *l->c;
	auto_strv struct strv argv = {0};
	struct plan *p;
	int rc;

	if (!health_is_on(&l->c->config))
		return 0;
	rc = plan_map_health(l->plan_fd, &p, err);
	if (rc < 0)
		return rc;
	command_of(&l->c->config.health.test, &argv);
	as.argv = argv;
	as.config.tty = false;
	rc = build(l, p, &as, user, join, err);
	plan_unmap(p);
	if (rc == 0)
		fill_times(l);
	return rc;
}
