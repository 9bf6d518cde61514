/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Test 5: what it costs to reach a container, by every way there is. One server container and one client
 * on a network made for the run, one container each with the host's network and with none; the host
 * talks to itself beside them, which is the floor. All ways take turns in every round.
 *
 * A sample of a round trip is the median of one round's pings over an established TCP connection; losses
 * are counted by UDP. Both ends of every way run on one processor, before others: what is compared are
 * ways through the kernel, not the time that it takes to wake an idle processor or to wait for a busy one.
 * Nothing leaves this host, except to an address that the user gives (--address).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "observe/experiment/experiments.h"
#include "observe/experiment/network_ways.h"
#include "observe/subject/subject_internal.h"

#define ASK_MS 60000
#define CALL_MS 60000
#define PINGS 20
#define PINGS_BRIEF 5
#define CONNECTIONS 20
#define SHARES_MAX 262144 /* of version 1; version 2's 10000 */
#define FAILURES_MAX 3    /* in a row; then a way is given up */

/* ---- one way ---- */

static double median_of_times(const struct strv *lines)
{
	double times[PINGS * 2];
	size_t count = 0;

	for (size_t i = 0; i < lines->count; i++) {
		auto_free char *list = session_value(lines->items[i], "times_ns");
		char *save, *word;

		for (word = list ? strtok_r(list, ",", &save) : NULL;
		     word && count < sizeof(times) / sizeof(times[0]);
		     word = strtok_r(NULL, ",", &save))
			times[count++] = strtod(word, NULL);
	}
	return count ? statistics_median_of(times, count) : NAN;
}

/* The line that bears the key; "" when none does. */
static const char *line_with(const struct strv *lines, const char *key)
{
	for (size_t i = 0; i < lines->count; i++) {
		auto_free char *value = session_value(lines->items[i], key);

		if (value)
			return lines->items[i];
	}
	return "";
}

static int ping(const struct network_way *w, const char *protocol, unsigned count,
		struct strv *lines, struct err *err)
{
	return session_ask(w->client, ASK_MS, lines, err,
			   "ping to=%s port=%u protocol=%s count=%u timeout_ms=1000", w->to,
			   w->port, protocol, count);
}

static void fail(struct network_way *w, struct report_figure *f, const char *why)
{
	f->failed++;
	w->failures_in_row++;
	snprintf(w->why, sizeof(w->why), "%s", why);
}

static void take_trip(struct network_way *w, const struct strv *lines, bool warm_up)
{
	double took = median_of_times(lines);

	if (warm_up)
		w->trip->warm_ups++;
	else if (isnan(took))
		fail(w, w->trip,
		     err_errno_text(
			     (int)session_number(line_with(lines, "error"), "error", ETIMEDOUT)));
	else {
		report_sample(w->trip, took / 1e3);
		w->failures_in_row = 0;
	}
}

static void take_losses(struct network_way *w, const struct strv *lines)
{
	const char *line = line_with(lines, "sent");

	w->sent += (size_t)session_number(line, "sent", 0);
	w->received += (size_t)session_number(line, "received", 0);
}

static void take_rate(struct network_way *w, const struct strv *lines, bool warm_up)
{
	const char *line = line_with(lines, "took_ns");
	double done = session_number(line, "done", 0), took = session_number(line, "took_ns", 0);

	if (warm_up)
		w->rate->warm_ups++;
	else if (done <= 0 || took <= 0)
		w->rate->failed++;
	else
		report_sample(w->rate, done * 1e9 / took);
}

/* Only an interrupt is an error: a way that does not work is what is to be shown. */
static int try_way(struct network_way *w, unsigned pings, bool warm_up, struct err *err)
{
	auto_strv struct strv lines = {0};
	struct err why = ERR_INIT;
	int rc;

	if (w->failures_in_row >= FAILURES_MAX)
		return 0;
	rc = ping(w, w->icmp ? "icmp" : "tcp", pings, &lines, &why);
	if (rc == 0)
		take_trip(w, &lines, warm_up);
	if (rc == 0 && w->icmp && !warm_up)
		take_losses(w, &lines);
	if (rc == 0 && !w->icmp) {
		rc = ping(w, "udp", pings, &lines, &why);
		if (rc == 0 && !warm_up)
			take_losses(w, &lines);
	}
	if (rc == 0 && w->rate) {
		rc = session_ask(w->client, ASK_MS, &lines, &why, "connect to=%s port=%u count=%d",
				 w->to, w->port, CONNECTIONS);
		if (rc == 0)
			take_rate(w, &lines, warm_up);
	}
	if (rc < 0 && experiment_interrupted())
		return experiment_go_on(err);
	if (rc < 0)
		fail(w, w->trip, why.msg);
	return 0;
}

static int try_name(struct network_run *n, bool warm_up, struct err *err)
{
	auto_strv struct strv lines = {0};
	struct err why = ERR_INIT;
	double took;
	int rc;

	if (!n->lookup || n->lookup_failures >= FAILURES_MAX)
		return 0;
	rc = session_ask(n->client, ASK_MS, &lines, &why, "lookup name=%s timeout_ms=2000",
			 session_name(n->server));
	if (rc < 0 && experiment_interrupted())
		return experiment_go_on(err);
	took = rc < 0 ? NAN : session_number(line_with(&lines, "took_ns"), "took_ns", NAN);
	n->answers = rc < 0 ? 0 : (int)session_number(line_with(&lines, "answers"), "answers", 0);
	if (warm_up && n->answers)
		n->lookup->warm_ups++;
	else if (isnan(took) || !n->answers) {
		n->lookup->failed++;
		n->lookup_failures++;
		snprintf(n->lookup_why, sizeof(n->lookup_why), "%s",
			 rc < 0 ? why.msg : "the name is not known");
	} else {
		report_sample(n->lookup, took / 1e3);
		n->lookup_failures = 0;
	}
	return 0;
}

/* ---- setting up ---- */

static void add_way(struct network_run *n, const char *key, const char *label,
		    struct session *client, const char *to, unsigned port, bool icmp)
{
	struct network_way *w = &n->ways[n->way_count++];
	auto_free char *trip_key = xasprintf("network.rtt.%s", key);
	auto_free char *rate_key = xasprintf("network.connect.%s", key);
	auto_free char *trip_label = xasprintf("Round trip, %s", label);
	auto_free char *rate_label = xasprintf("Connections, %s", label);

	/* What was sent and received at earlier moments of the run stays counted. */
	*w = (struct network_way){
		.key = key,
		.label = label,
		.client = client,
		.port = port,
		.icmp = icmp,
		.sent = w->key && str_eq(w->key, key) ? w->sent : 0,
		.received = w->key && str_eq(w->key, key) ? w->received : 0,
	};
	snprintf(w->to, sizeof(w->to), "%s", to);
	w->trip = report_figure(n->x->test, n->subject->name, trip_key, trip_label, "us",
				REPORT_LOWER);
	if (!icmp)
		w->rate = report_figure(n->x->test, n->subject->name, rate_key, rate_label, "1/s",
					REPORT_HIGHER);
}

/* The last processor that this program may use: interrupts mostly go to the first. */
static int one_processor(void)
{
	cpu_set_t set;
	int last = 0;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 0;
	for (size_t i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			last = (int)i;
	return last;
}

/* Before others, so that their load is not taken for the way's cost: by the lowest real-time priority
 * where groups of containers may have any (not with RT_GROUP_SCHED), else by nice and the group's shares.
 * From here: a container may not do so itself. */
static void put_first(pid_t pid)
{
	const struct sched_param lowest = {.sched_priority = 1};

	if (sched_setscheduler(pid, SCHED_RR, &lowest) < 0)
		setpriority(PRIO_PROCESS, (id_t)pid, -20);
}

/* A session on that processor. */
static int open_end(struct network_run *n, struct subject *s, const struct container_spec *spec,
		    struct session **out, struct err *err)
{
	struct container_spec first = *spec;
	auto_strv struct strv lines = {0};
	struct err why = ERR_INIT;
	int rc;

	first.cpu_shares = SHARES_MAX;
	rc = session_open(s, &first, out, err);
	if (rc == 0 && session_ask(*out, ASK_MS, &lines, &why, "pin cpu=%d", one_processor()) < 0)
		report_note(n->x->test, "%s: %s is not kept on one processor: %s", s->name,
			    spec->name, why.msg);
	if (rc == 0)
		put_first(session_pid(*out));
	return rc;
}

/* Starts the far end in a session; its port. delay_us: the known delay of a test. */
static int start_echo(struct session *s, unsigned port, const char *delay_us, unsigned *out,
		      struct err *err)
{
	auto_strv struct strv lines = {0};
	int rc = session_ask(s, ASK_MS, &lines, err, "echo port=%u delay_us=%s", port, delay_us);

	*out = rc < 0 ? 0 : (unsigned)session_number(line_with(&lines, "port"), "port", 0);
	return rc;
}

/* The first address of the session's namespace that is not of lo. */
static int address_of(struct session *s, char out[static 64], struct err *err)
{
	auto_strv struct strv lines = {0};
	int rc = session_ask(s, ASK_MS, &lines, err, "addresses");

	*out = '\0';
	for (size_t i = 0; rc == 0 && i < lines.count; i++) {
		auto_free char *address = session_value(lines.items[i], "address");

		if (address && session_number(lines.items[i], "loopback", 1) == 0) {
			snprintf(out, 64, "%s", address);
			return 0;
		}
	}
	return rc;
}

/* A port that nobody has now: the engine takes it next. */
static unsigned free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof(a);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		return 0;
	return ntohs(a.sin_port);
}

static int open_alone(struct network_run *n, struct err *err)
{
	unsigned port;
	int rc = session_open(n->subject,
			      &(struct container_spec){.name = "no-network", .network = "none"},
			      &n->none, err);

	if (rc == 0)
		rc = start_echo(n->none, 0, "0", &port, err);
	if (rc == 0)
		add_way(n, "loopback", "loopback in a container", n->none, "127.0.0.1", port,
			false);
	if (rc == 0)
		rc = session_open(
			n->subject,
			&(struct container_spec){.name = "host-network", .network = "host"},
			&n->shared, err);
	if (rc == 0)
		rc = start_echo(n->shared, 0, "0", &port, err);
	if (rc == 0)
		add_way(n, "host_network", "--network host, loopback", n->shared, "127.0.0.1", port,
			false);
	return rc;
}

static int make_network(struct network_run *n, struct err *err)
{
	char *name = xasprintf("%snet", n->subject->prefix);
	int rc = subject_call(n->subject, CALL_MS, NULL, err,
			      SUBJECT_WORDS("network", "create", name));

	if (rc == 0)
		n->network = take_ptr(&name);
	free(name);
	return rc;
}

static int open_connected(struct network_run *n, struct err *err)
{
	const char *delay = getenv("CLOCHE_ANALYZE_PEER_DELAY_US");
	unsigned published = free_port(), port;
	auto_free char *tcp = xasprintf("127.0.0.1:%u:%d/tcp", published, NETWORK_SERVER_PORT);
	auto_free char *udp = xasprintf("127.0.0.1:%u:%d/udp", published, NETWORK_SERVER_PORT);
	const char *const publish[] = {tcp, udp, NULL};
	uint64_t ignored;
	int rc = make_network(n, err);

	if (rc == 0)
		rc = session_open(n->subject,
				  &(struct container_spec){.name = "server",
							   .network = n->network,
							   .publish = publish},
				  &n->server, err);
	if (rc == 0)
		rc = session_open(n->subject,
				  &(struct container_spec){.name = "client", .network = n->network},
				  &n->client, err);
	if (delay && str_to_u64(delay, &ignored) < 0)
		delay = NULL;
	if (rc == 0)
		rc = start_echo(n->server, NETWORK_SERVER_PORT, delay ? delay : "0", &port, err);
	if (rc == 0)
		rc = address_of(n->server, n->address, err);
	if (rc < 0)
		return rc;
	if (!*n->address)
		return err_set(err, ERR_SYSTEM, EADDRNOTAVAIL,
			       "the server container has no address");
	add_way(n, "host_to_container", "host to container", n->host, n->address,
		NETWORK_SERVER_PORT, false);
	add_way(n, "container_to_container", "container to container", n->client, n->address,
		NETWORK_SERVER_PORT, false);
	n->ways[n->way_count - 1].trip->headline = true;
	add_way(n, "published", "published port, from the host", n->host, "127.0.0.1", published,
		false);
	add_way(n, "icmp", "ICMP, host to container", n->host, n->address, 0, true);
	n->lookup = report_figure(n->x->test, n->subject->name, "network.lookup",
				  "Name of a container looked up", "us", REPORT_LOWER);
	return 0;
}

/* An address outside, only when it was asked for. */
static void add_outside(struct network_run *n)
{
	struct in_addr ignored;

	if (!n->x->address)
		return;
	if (inet_pton(AF_INET, n->x->address, &ignored) != 1) {
		report_status(n->x->test, REPORT_PARTIAL, "--address %s: no IPv4 address",
			      n->x->address);
		return;
	}
	if (n->client)
		add_way(n, "outside", "ICMP, container to the address given", n->client,
			n->x->address, 0, true);
	add_way(n, "outside_from_host", "ICMP, host to the address given", n->host, n->x->address,
		0, true);
}

static int open_run(struct network_run *n, struct err *err)
{
	struct err why = ERR_INIT;
	unsigned port;
	int rc =
		open_end(n, n->x->host, &(struct container_spec){.name = "network"}, &n->host, err);

	if (rc == 0)
		rc = start_echo(n->host, 0, "0", &port, err);
	if (rc < 0)
		return rc;
	add_way(n, "host", "loopback of the host", n->host, "127.0.0.1", port, false);
	if (n->subject->ops->kind == SUBJECT_HOST)
		return 0;
	rc = open_alone(n, &why);
	if (rc == 0 && n->subject->ops->kind == SUBJECT_RUNTIME)
		report_note(n->x->test,
			    "%s is a runtime: networks are made by engines, so it has none "
			    "and the host's only",
			    n->subject->name);
	else if (rc == 0)
		rc = open_connected(n, &why);
	if (rc < 0 && experiment_interrupted())
		return experiment_go_on(err);
	if (rc < 0)
		report_status(n->x->test, REPORT_PARTIAL, "%s: %s", n->subject->name, why.msg);
	add_outside(n);
	return 0;
}

static void close_run(struct network_run *n)
{
	struct err ignored = ERR_INIT;

	session_close(n->client);
	session_close(n->server);
	session_close(n->shared);
	session_close(n->none);
	session_close(n->host);
	/* After an interrupt the sweep does it. */
	if (n->network && !experiment_interrupted() &&
	    subject_call(n->subject, CALL_MS, NULL, &ignored,
			 SUBJECT_WORDS("network", "rm", n->network)) < 0)
		report_note(n->x->test, "network %s: %s", n->network, ignored.msg);
	free(n->network);
	n->network = NULL;
	n->host = n->none = n->shared = n->server = n->client = NULL;
	n->lookup = NULL;
	n->way_count = 0;
}

/* ---- running ---- */

struct all_runs {
	struct network_run *runs;
	size_t count;
};

static void close_all(struct all_runs **a)
{
	for (size_t i = 0; i < (*a)->count; i++)
		close_run(&(*a)->runs[i]);
	(*a)->count = 0;
}
#define auto_close_runs __attribute__((cleanup(close_all)))

static void release(void *state)
{
	struct all_runs *a = state;

	free(a->runs);
	free(a);
}

static struct all_runs *runs_of(struct experiment_context *x)
{
	struct all_runs *a = x->state;

	if (a)
		return a;
	a = xcalloc(1, sizeof(*a));
	a->runs = xcalloc(x->subject_count, sizeof(*a->runs));
	x->state = a;
	return a;
}

static int step(struct experiment_context *x, struct subject *s, size_t round, bool warm_up,
		void *arg, struct err *err)
{
	struct all_runs *a = arg;
	struct network_run *n = a->runs;
	int rc = 0;

	while (n->subject != s)
		n++;
	/* Each round begins with another way, so that none always comes after the same one. */
	for (size_t i = 0; rc == 0 && i < n->way_count; i++)
		rc = try_way(&n->ways[(i + round) % n->way_count], x->brief ? PINGS_BRIEF : PINGS,
			     warm_up, err);
	return rc < 0 ? rc : try_name(n, warm_up, err);
}

/* Beside every way of a subject stands the host's loopback, measured in the same rounds. */
static void put_floors(struct network_run *n)
{
	double floor = report_median(n->ways[0].trip);

	for (size_t i = 1; !isnan(floor) && i < n->way_count; i++)
		report_floor(n->ways[i].trip, floor, "loopback of the host");
}

static int run(struct experiment_context *x, struct err *err)
{
	auto_close_runs struct all_runs *a = runs_of(x);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < x->subject_count; i++) {
		a->runs[i].x = x;
		a->runs[i].subject = x->subjects[i];
		a->count++;
		experiment_progress(x, "networks", i, x->subject_count);
		rc = open_run(&a->runs[i], err);
	}
	if (rc == 0)
		rc = experiment_interleave(x, experiment_warm_ups(x), x->runs, step, a, err);
	for (size_t i = 0; rc == 0 && experiment_is_last(x) && i < a->count; i++) {
		put_floors(&a->runs[i]);
		network_claims(&a->runs[i]);
		network_rules(&a->runs[i]);
	}
	return rc;
}

const struct experiment experiment_network = {
	.number = 5,
	.key = "network",
	.title = "Network: what it costs to reach a container",
	.run = run,
	.spread = true,
	.release = release,
};
