/* SPDX-License-Identifier: Apache-2.0 */
/* Test 5 in parts: the ways that are measured, and what is said of them. */
#ifndef CLOCHE_OBSERVE_EXPERIMENT_NETWORK_WAYS_H
#define CLOCHE_OBSERVE_EXPERIMENT_NETWORK_WAYS_H

#include "observe/experiment/experiment.h"

#define NETWORK_WAYS_MAX 10
#define NETWORK_SERVER_PORT 7007

/* From a helper to a far end: another helper's echo, or an address that answers ICMP. */
struct network_way {
	const char *key, *label;
	struct session *client; /* borrowed */
	char to[64];
	unsigned port;
	bool icmp;
	struct report_figure *trip; /* us */
	struct report_figure *rate; /* connections per second; NULL: none are made */
	size_t sent, received;      /* datagrams, or ICMP echoes */
	unsigned failures_in_row;
	char why[200]; /* of the last failure */
};

/* One subject. */
struct network_run {
	struct experiment_context *x;
	struct subject *subject;
	char *network; /* made for the run; NULL: none */
	struct session *host, *none, *shared, *server, *client;
	char address[64]; /* of the server container */
	struct network_way ways[NETWORK_WAYS_MAX];
	size_t way_count; /* the first is the host's loopback */
	struct report_figure *lookup;
	int answers;
	unsigned lookup_failures; /* in a row */
	char lookup_why[200];
};

/* Whether each way works, what gets lost, what none means, what it costs. */
void network_claims(struct network_run *n);
/* The rules that decide on the way to the published port. */
void network_rules(struct network_run *n);

#endif
