/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches what others do to the packet filter while containers have networks: when our table is gone or
 * parts of it are, when rules of ours in somebody's chain are, or when somebody has made a new chain for
 * forwarded packets or a rule that may drop them, a helper puts back what is missing (network_restore()).
 * What we add and take away ourselves, elements of sets, is none of that.
 */
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/keeper/keeper.h"
#include "kernel/netlink.h"
#include "network/table.h"

/* Changes come many at once. */
#define SETTLE_NS (50 * NS_PER_MS)
/* Between the end of one helper and the next, while we do not listen either: whoever takes away again and
 * again what we put back costs us no more than a helper in that time, however fast he is. Well below a
 * second, in which ports have to lead where they should again. */
#define INTERVAL_NS (400 * NS_PER_MS)
#define FORGET_MAX 65536
#define RECEIVE_BYTES 65536
#define QUEUE_BYTES (1 << 20)
#define ATTRIBUTES_MAX 16

struct table_watch {
	struct source source; /* fd -1: not watching */
	struct keeper *keeper;
	struct network_store store; /* to look for the table; nothing else of it is set */
	char comment[48];           /* what rules of ours in other tables carry */
	struct timer pause;
	uint64_t restored_ns; /* when the last helper ended; 0: there was none */
	pid_t helper;         /* 0: none */
	bool again;           /* something has changed since it was started */
};

static void restore_soon(struct table_watch *w)
{
	uint64_t due = clock_now_ns() + SETTLE_NS;

	if (w->pause.due_ns)
		return;
	if (w->restored_ns && due < w->restored_ns + INTERVAL_NS)
		due = w->restored_ns + INTERVAL_NS;
	timer_set(&w->keeper->pauses, &w->pause, due);
	loop_wait_for(&w->keeper->loop, &w->source, 0);
}

/* Takes what has come out of the socket, unread. */
static void forget_events(struct table_watch *w)
{
	char byte;

	for (int i = 0; i < FORGET_MAX; i++) {
		if (recv(w->source.fd, &byte, 1, MSG_DONTWAIT) < 0 && errno != ENOBUFS)
			return;
	}
}

static void on_pause(struct timer *t)
{
	struct table_watch *w = container_of(t, struct table_watch, pause);

	if (!w->keeper->network_count)
		return;
	/* One after the other. */
	if (w->helper) {
		w->again = true;
		return;
	}
	w->again = false;
	/* It will see for itself all that has happened so far. */
	forget_events(w);
	loop_wait_for(&w->keeper->loop, &w->source, EPOLLIN);
	w->helper = keeper_spawn(w->keeper, "--restore", NULL);
	if (!w->helper)
		restore_soon(w);
}

bool table_watch_helper_ended(struct keeper *k, pid_t pid, int status)
{
	struct table_watch *w = k->table_watch;

	if (pid != w->helper)
		return false;
	w->helper = 0;
	w->restored_ns = clock_now_ns();
	if (w->again)
		restore_soon(w);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		program_log(&k->log, LOG_LEVEL_ERROR, NULL,
			    "the rules of networks could not be put back");
	return true;
}

/* ---- events ---- */

/* The kernel's message as far as it matters: a base chain of hook forward. */
static bool is_forward_chain(const struct nlattr *hook)
{
	const struct nlattr *in[NFTA_HOOK_MAX + 1];

	return hook && netlink_nested(hook, in, NFTA_HOOK_MAX) == 0 && in[NFTA_HOOK_HOOKNUM] &&
	       netlink_value_be32(in[NFTA_HOOK_HOOKNUM]) == NF_INET_FORWARD;
}

static bool has_comment(const struct table_watch *w, const struct nlattr *data)
{
	return data && memmem(netlink_value(data), netlink_value_bytes(data), w->comment,
			      strlen(w->comment));
}

static bool matters(const struct table_watch *w, const struct nlmsghdr *h)
{
	const struct nlattr *in[ATTRIBUTES_MAX + 1];
	const char *table;
	bool ours;

	if (h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES ||
	    netlink_attributes(h, sizeof(struct nfgenmsg), in, ATTRIBUTES_MAX) < 0 || !in[1])
		return false;
	/* The table's name is the first attribute of all of them. */
	table = netlink_value_string(in[1]);
	ours = table && strcmp(table, w->store.table) == 0;
	switch (h->nlmsg_type & 0xff) {
	case NFT_MSG_DELTABLE:
	case NFT_MSG_DELCHAIN:
	case NFT_MSG_DELSET:
		return ours;
	case NFT_MSG_DELRULE:
		return ours || has_comment(w, in[NFTA_RULE_USERDATA]);
	case NFT_MSG_NEWCHAIN:
		return !ours && is_forward_chain(in[NFTA_CHAIN_HOOK]);
	case NFT_MSG_NEWRULE:
		/* Networks' own rules are no filter of the host's. */
		return table && !table_is_engines(table) && !has_comment(w, in[NFTA_RULE_USERDATA]);
	default:
		return false;
	}
}

static void on_events(struct source *s, uint32_t events)
{
	struct table_watch *w = container_of(s, struct table_watch, source);
	static uint32_t buffer[RECEIVE_BYTES / sizeof(uint32_t)];
	ssize_t n;

	(void)events;
	while ((n = recv(s->fd, buffer, sizeof(buffer), MSG_DONTWAIT)) != 0) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)buffer;

		/* More than we could take: something of it may matter. */
		if (n < 0 && errno == ENOBUFS) {
			restore_soon(w);
			continue;
		}
		if (n < 0)
			return;
		for (size_t left = (size_t)n; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			if (matters(w, h))
				restore_soon(w);
		}
	}
}

/* ---- beginning and end ---- */

static int begin(struct table_watch *w)
{
	/* Bound: one without a number of its own is passed over, as if it had made the change. */
	const struct sockaddr_nl address = {.nl_family = AF_NETLINK,
					    .nl_groups = 1u << (NFNLGRP_NFTABLES - 1)};
	const int bytes = QUEUE_BYTES;
	int rc;

	w->source = (struct source){.fd = netlink_open(NETLINK_NETFILTER), .ready = on_events};
	if (w->source.fd < 0)
		return w->source.fd;
	/* Someone's large table may go at once. */
	setsockopt(w->source.fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	if (bind(w->source.fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		rc = -errno;
		close(w->source.fd);
		w->source.fd = -1;
		return rc;
	}
	rc = loop_add(&w->keeper->loop, &w->source, EPOLLIN);
	if (rc < 0)
		return rc;
	/* What was done while there was no keeper, and since the first container was connected. */
	if (table_stands(&w->store) == -ENOENT || host_filter_was_not_asked(&w->store))
		restore_soon(w);
	return 0;
}

void table_watch_adjust(struct keeper *k)
{
	struct table_watch *w = k->table_watch;

	if (k->network_count && w->source.fd < 0 && begin(w) < 0)
		program_log(&k->log, LOG_LEVEL_WARN, NULL,
			    "changes of the packet filter are not seen: %s", err_errno_text(errno));
	else if (!k->network_count && w->source.fd >= 0)
		loop_end(&k->loop, &w->source);
}

void table_watch_close(struct keeper *k)
{
	free(k->table_watch);
}

int table_watch_open(struct keeper *k)
{
	struct table_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	k->table_watch = w;
	*w = (struct table_watch){.source = {.fd = -1}, .keeper = k, .pause = {.fire = on_pause}};
	network_store_init(&w->store, k->options->root, -1, k->options->run_root, k->run_fd);
	snprintf(w->comment, sizeof(w->comment), "cloche %s", w->store.table);
	return 0;
}
