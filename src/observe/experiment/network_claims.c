/* SPDX-License-Identifier: Apache-2.0 */
/* What test 5 says of the ways, and the rules that stand on them. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/str.h"
#include "engine/engine.h"
#include "observe/experiment/network_ways.h"
#include "observe/network/debug.h"

#define ASK_MS 20000
/* A path whose median is this much above the host's own loopback is told of. A bridge is two more
 * devices, one more look-up of routes and the packet filter: 1.5 to 3 times on machines measured so far. */
#define SLOW_RATIO 5.0
#define HOPS_SHOWN 8

static void claim_way(struct network_run *n, const struct network_way *w)
{
	auto_free char *key = xasprintf("network.reached.%s", w->key);
	bool reached = w->trip->count && w->received;
	struct report_claim *c = report_claim(n->x->test, n->subject->name, key,
					      !reached                ? REPORT_BROKEN
					      : w->received < w->sent ? REPORT_BROKEN
								      : REPORT_HOLDS,
					      "Reached without loss: %s", w->label);

	report_evidence(c, "%zu of %zu %s to %s%s%.0u came back", w->received, w->sent,
			w->icmp ? "ICMP echoes" : "datagrams", w->to, w->icmp ? "" : " port ",
			w->icmp ? 0 : w->port);
	if (*w->why)
		report_evidence(c, "%zu rounds failed, the last: %s", w->trip->failed, w->why);
	if (c->verdict == REPORT_BROKEN && reached)
		report_consequence(c,
				   "Datagrams are lost on this host: look at its load, the queues' "
				   "drops and the packet filter");
}

static void put_table(struct network_run *n)
{
	static const char *const columns[] = {"way",   ">round trip, us", ">x host",
					      ">lost", ">connections/s",  NULL};
	auto_free char *title = xasprintf("Ways to a container, medians, %s", n->subject->name);
	struct report_table *t = report_table(n->x->test, "ways", title, columns);
	double floor = report_median(n->ways[0].trip);

	for (size_t i = 0; i < n->way_count; i++) {
		const struct network_way *w = &n->ways[i];
		double trip = report_median(w->trip), rate = w->rate ? report_median(w->rate) : NAN;
		char trip_text[24] = "-", times[24] = "-", lost[48] = "-", rate_text[24] = "-";

		if (!isnan(trip))
			snprintf(trip_text, sizeof(trip_text), "%.1f", trip);
		if (!isnan(trip) && !isnan(floor) && i)
			snprintf(times, sizeof(times), "%.2f", trip / floor);
		if (w->sent)
			snprintf(lost, sizeof(lost), "%zu of %zu", w->sent - w->received, w->sent);
		if (!isnan(rate))
			snprintf(rate_text, sizeof(rate_text), "%.0f", rate);
		report_row(t, (const char *const[]){w->label, trip_text, times, lost, rate_text});
	}
}

static void claim_name(struct network_run *n)
{
	struct report_claim *c;

	if (!n->lookup)
		return;
	c = report_claim(n->x->test, n->subject->name, "network.name",
			 n->lookup->count ? REPORT_HOLDS : REPORT_BROKEN,
			 "Containers of a network find each other by name");
	report_evidence(c,
			"%s asked of the name server in resolv.conf: %zu answers, %zu failures%s%s",
			session_name(n->server), n->lookup->count, n->lookup->failed,
			*n->lookup_why ? ", the last: " : "", n->lookup_why);
}

/* A container with no network asks for the server's address. */
static void claim_none(struct network_run *n)
{
	auto_strv struct strv lines = {0};
	struct err err = ERR_INIT;
	struct report_claim *c;
	int rc;

	if (!n->none || !*n->address)
		return;
	rc = session_ask(n->none, ASK_MS, &lines, &err,
			 "ping to=%s port=%d protocol=tcp count=1 timeout_ms=500", n->address,
			 NETWORK_SERVER_PORT);
	c = report_claim(n->x->test, n->subject->name, "network.none",
			 rc == -ENETUNREACH ? REPORT_HOLDS
			 : rc < 0           ? REPORT_UNKNOWN
					    : REPORT_BROKEN,
			 "With --network none nothing is reached");
	report_evidence(c, "asked for %s from inside: %s", n->address,
			rc < 0 ? err.msg : "an answer came");
}

/* The way that costs most against the host's own loopback, where it costs much. */
static void find_slow(struct network_run *n)
{
	const struct network_way *worst = NULL;
	double floor = report_median(n->ways[0].trip), most = SLOW_RATIO;
	struct report_finding *f;

	for (size_t i = 1; i < n->way_count; i++) {
		double trip = report_median(n->ways[i].trip);

		if (!n->ways[i].icmp && !isnan(trip) && trip / floor > most) {
			most = trip / floor;
			worst = &n->ways[i];
		}
	}
	if (!worst)
		return;
	f = report_finding(
		n->x->report, most > 100 ? REPORT_MEDIUM : REPORT_LOW, 1.0 - 1.0 / most, "network",
		n->subject->name,
		"A round trip takes %.1f us by way of %s, %.1f times the host's loopback",
		report_median(worst->trip), worst->label, most);
	report_reason(
		f,
		"above %.0f times the floor of this run; devices and the packet filter of a bridge "
		"cost less than that",
		SLOW_RATIO);
	report_recommend(
		f, NULL,
		"look for what waits: `cloche debug network` names rules and devices on the "
		"way, and the program at the far end may be slow itself");
}

static void find_lost(struct network_run *n)
{
	for (size_t i = 0; i < n->way_count; i++) {
		const struct network_way *w = &n->ways[i];
		struct report_finding *f;

		if (w->sent == w->received && w->trip->count)
			continue;
		f = report_finding(n->x->report, REPORT_MEDIUM, 0.9, "network", n->subject->name,
				   "%zu of %zu packets were lost by way of %s",
				   w->sent - w->received, w->sent, w->label);
		report_reason(f, "%s", *w->why ? w->why : "no answer within a second");
		report_recommend(f, "cloche debug network", "see what decides on that way");
	}
}

void network_claims(struct network_run *n)
{
	put_table(n);
	for (size_t i = 0; i < n->way_count; i++)
		claim_way(n, &n->ways[i]);
	claim_name(n);
	claim_none(n);
	find_slow(n);
	find_lost(n);
}

/* ---- rules ---- */

static void claim_reach(struct network_run *n, const struct network_debug *d,
			const struct debug_claim *claim, size_t number)
{
	auto_free char *key = xasprintf("network.rules.%zu", number);
	auto_strbuf struct strbuf decider = {0}, port = {0};
	const struct path_result *r = &claim->result;
	struct report_claim *c;

	network_debug_port_text(&d->subject->sandbox.ports[claim->port], &port);
	c = report_claim(n->x->test, n->subject->name, key,
			 r->end == PATH_UNKNOWN ? REPORT_UNKNOWN : REPORT_HOLDS,
			 "%s: %s for %s (%s%s)", strbuf_str(&port), path_end_text(r->end),
			 claim->who, claim->direct ? "directly, " : "", claim->via);
	network_debug_decider(d, r, &decider);
	if (decider.len)
		report_evidence(c, "decided by %s", strbuf_str(&decider));
	else if (*r->reason)
		report_evidence(c, "%s", r->reason);
	for (size_t i = 0; i < r->hops.count && i < HOPS_SHOWN; i++)
		report_evidence(c, "%s", r->hops.items[i]);
	if (r->hops.count > HOPS_SHOWN)
		report_evidence(c, "and %zu more steps", r->hops.count - HOPS_SHOWN);
}

void network_rules(struct network_run *n)
{
	auto_network_debug struct network_debug d = {0};
	struct err err = ERR_INIT;
	struct engine e;
	int rc;

	if (!n->server)
		return;
	if (n->subject->ops->kind != SUBJECT_CLOCHE) {
		report_note(n->x->test,
			    "Rules are followed on networks of Cloche alone; of %s the way "
			    "was measured, not read",
			    n->subject->name);
		return;
	}
	rc = engine_open(&e, NULL, NULL, &err);
	if (rc == 0) {
		rc = network_debug_read(&e, session_name(n->server), NULL, &d, &err);
		for (size_t i = 0; rc == 0 && i < d.claim_count; i++)
			claim_reach(n, &d, &d.claims[i], i + 1);
		engine_close(&e);
	}
	if (rc < 0)
		report_note(n->x->test, "Rules on the way could not be followed: %s", err.msg);
}
