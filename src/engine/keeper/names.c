/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name service: sockets behind 127.0.0.11:53 inside containers, whose monitors keep them when we
 * are gone, so that what was asked meanwhile waits in them. What a container may know is zone.h's to
 * say; anything else is asked outside (lookup.c).
 *
 * Nothing here waits. A name that somebody has is never said to be unknown: before such an answer all
 * that monitors have said is heard, and a new keeper answers nothing until those that were there before
 * it have told it who they are.
 */
#include "engine/keeper/names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"

/* How long monitors may take to find a new keeper. */
#define SETTLE_NS (1000 * NS_PER_MS)
#define EXPECTED_MAX 100000
/* Received at once, so that no container keeps the others waiting. */
#define BATCH 16
/* Each question outside has at most a few sockets. */
#define LOOKUPS_MAX 4096
#define FILES_PER_LOOKUP 8

struct name_socket {
	struct source source;
	struct names_client *client; /* NULL: removed */
	struct name_socket *next;
	bool stream;
};

/* ---- answers ---- */

size_t names_limit(const struct asker *who, const struct dns_query *q)
{
	return who->stream ? DNS_MESSAGE_MAX : dns_udp_limit(q);
}

void names_answer(const struct asker *who, const uint8_t *message, size_t n)
{
	if (who->stream) {
		stream_answer(who->stream, message, n);
		return;
	}
	/* Who does not take it asks again. */
	if (n && sendto(who->socket->source.fd, message, n, MSG_DONTWAIT | MSG_NOSIGNAL,
			(const struct sockaddr *)&who->from, sizeof(who->from)) < 0)
		return;
}

void names_refuse(struct names *names, const struct asker *who, const uint8_t *message,
		  const struct dns_query *q, enum dns_code code, bool cut)
{
	struct dns_answer a;

	dns_answer_begin(&a, names->out, DNS_MESSAGE_MAX, names_limit(who, q), message, q);
	a.truncated = cut;
	names_answer(who, names->out, dns_answer_end(&a, code));
}

static enum zone_result ask_zone(struct names_client *c, const struct asker *who,
				 const uint8_t *message, const struct dns_query *q, size_t *n)
{
	struct names *names = c->names;

	return zone_answer(names->zone, c->member, message, q, names->out, DNS_MESSAGE_MAX,
			   names_limit(who, q), n);
}

static void ask(struct names_client *c, const struct asker *who, const uint8_t *message,
		const struct dns_query *q)
{
	struct names *names = c->names;
	size_t n = 0;
	enum zone_result found = ask_zone(c, who, message, q, &n);

	if (found != ZONE_ANSWERED) {
		/* Somebody's hello may be waiting. */
		loop_hurry(&names->keeper->loop);
		if (c->removed)
			return;
		found = ask_zone(c, who, message, q, &n);
	}
	if (found != ZONE_OUTSIDE) {
		names_answer(who, names->out, n);
		return;
	}
	/* From an internal network nothing leaves, nor what containers that do not run are called, and
	 * without servers nothing can. That there is no such name is what clients take for an answer: for
	 * anything else some try until their time is out. */
	if (!zone_member_may_leave(c->member) || known_is_ours(names->known, q) ||
	    !lookup_begin(c, who, message, q))
		names_refuse(names, who, message, q, DNS_NO_NAME, false);
}

static void hold(struct names_client *c)
{
	c->holds++;
}

static void let_go(struct names_client *c)
{
	if (--c->holds == 0 && c->removed)
		free(c);
}

void names_ask(struct names_client *c, const struct asker *who, const uint8_t *message, size_t n)
{
	struct dns_query q;
	int rc = dns_read_query(message, n, &q);

	hold(c);
	if (rc > 0)
		names_refuse(c->names, who, message, &q, (enum dns_code)rc, false);
	else if (rc == 0)
		ask(c, who, message, &q);
	else
		names_answer(who, NULL, 0);
	let_go(c);
}

/* ---- sockets ---- */

static void on_datagrams(struct name_socket *s)
{
	uint8_t bytes[BATCH][QUERY_BYTES_MAX];
	struct sockaddr_in from[BATCH];
	struct iovec v[BATCH];
	struct mmsghdr m[BATCH];
	struct names_client *c = s->client;
	int n;

	for (size_t i = 0; i < BATCH; i++) {
		v[i] = (struct iovec){bytes[i], sizeof(bytes[i])};
		m[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
					       .msg_namelen = sizeof(from[i]),
					       .msg_iov = &v[i],
					       .msg_iovlen = 1};
	}
	n = recvmmsg(s->source.fd, m, BATCH, MSG_DONTWAIT, NULL);
	hold(c);
	for (int i = 0; i < n && !c->removed; i++) {
		const struct asker who = {.socket = s, .from = from[i]};

		if (!(m[i].msg_hdr.msg_flags & MSG_TRUNC))
			names_ask(c, &who, bytes[i], m[i].msg_len);
	}
	let_go(c);
}

static void on_socket(struct source *source, uint32_t events)
{
	struct name_socket *s = container_of(source, struct name_socket, source);

	(void)events;
	if (s->stream)
		stream_accept(s->client, source->fd);
	else
		on_datagrams(s);
}

static void release_socket(struct source *source)
{
	free(container_of(source, struct name_socket, source));
}

void names_add_socket(struct names_client *c, int fd)
{
	struct name_socket *s = calloc(1, sizeof(*s));
	int type = 0;
	socklen_t n = sizeof(type);

	if (!s || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0) {
		free(s);
		close(fd);
		return;
	}
	s->source = (struct source){.fd = fd, .ready = on_socket, .release = release_socket};
	s->client = c;
	s->stream = type == SOCK_STREAM;
	if (loop_add(&c->names->keeper->loop, &s->source, EPOLLIN) < 0) {
		free(s);
		return;
	}
	if (!c->names->settled)
		loop_wait_for(&c->names->keeper->loop, &s->source, 0);
	s->next = c->sockets;
	c->sockets = s;
}

/* ---- containers ---- */

struct names_client *names_join(struct keeper *k, const char *id, const struct sandbox *s)
{
	struct names *names = k->names;
	struct names_client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->names = names;
	c->member = zone_add(names->zone, s);
	if (!c->member || str_format(c->id, sizeof(c->id), "%s", id) < 0) {
		zone_remove(names->zone, c->member);
		free(c);
		return NULL;
	}
	c->next = names->clients;
	if (c->next)
		c->next->previous = c;
	names->clients = c;
	return c;
}

void names_change(struct names_client *c, const struct sandbox *s)
{
	struct zone_member *member = zone_add(c->names->zone, s);

	if (!member)
		return;
	zone_remove(c->names->zone, c->member);
	c->member = member;
}

void names_leave(struct names_client *c)
{
	struct name_socket *s;

	if (!c)
		return;
	lookups_end(c, NULL);
	streams_end(c);
	while ((s = c->sockets)) {
		c->sockets = s->next;
		loop_end(&c->names->keeper->loop, &s->source);
	}
	zone_remove(c->names->zone, c->member);
	c->member = NULL;
	if (c->previous)
		c->previous->next = c->next;
	else
		c->names->clients = c->next;
	if (c->next)
		c->next->previous = c->previous;
	c->removed = true;
	if (!c->holds)
		free(c);
}

/* ---- a new keeper ---- */

static void settle(struct names *names)
{
	names->settled = true;
	timer_set(&names->keeper->pauses, &names->settle, 0);
	free(names->expected);
	names->expected = NULL;
	names->expected_count = 0;
	for (struct names_client *c = names->clients; c; c = c->next) {
		for (struct name_socket *s = c->sockets; s; s = s->next)
			loop_wait_for(&names->keeper->loop, &s->source, EPOLLIN);
	}
}

static void on_settle(struct timer *t)
{
	settle(container_of(t, struct names, settle));
}

void names_arrived(struct keeper *k, const char *id)
{
	struct names *names = k->names;

	for (size_t i = 0; i < names->expected_count; i++) {
		if (!str_eq(names->expected[i], id))
			continue;
		memcpy(names->expected[i], names->expected[--names->expected_count],
		       sizeof(names->expected[i]));
		break;
	}
	if (!names->settled && !names->expected_count)
		settle(names);
}

/* Whether a container of the run root has networks and a monitor: it holds the lock. */
static bool is_connected(int containers, const char *id)
{
	auto_close int dir = openat(containers, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir >= 0 && faccessat(dir, SANDBOX_FILE, F_OK, 0) == 0 && keeper_has_monitor(dir);
}

static void expect_all(struct names *names)
{
	auto_close int containers =
		openat(names->keeper->run_fd, "containers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int copy = containers < 0 ? -1 : dup(containers);
	auto_closedir DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	while (d && (entry = readdir(d)) && names->expected_count < EXPECTED_MAX) {
		char(*list)[ID_LEN + 1];

		if (!id_is_hex(entry->d_name, ID_LEN) || !is_connected(containers, entry->d_name))
			continue;
		list = realloc(names->expected, (names->expected_count + 1) * sizeof(*list));
		if (!list)
			return;
		names->expected = list;
		memcpy(list[names->expected_count++], entry->d_name, ID_LEN + 1);
	}
}

void names_close(struct keeper *k)
{
	zone_free(k->names->zone);
	known_close(k->names->known);
	free(k->names->expected);
	free(k->names->out);
	free(k->names);
}

int names_open(struct keeper *k)
{
	struct names *names = calloc(1, sizeof(*names));
	struct rlimit files;

	if (!names)
		return -ENOMEM;
	k->names = names;
	names->keeper = k;
	names->zone = zone_new();
	names->known = known_open(k);
	/* Pages of it that nothing is written to cost nothing. */
	names->out = malloc(DNS_MESSAGE_MAX);
	if (!names->zone || !names->known || !names->out)
		return -ENOMEM;
	names->settle.fire = on_settle;
	names->lookup_max = LOOKUPS_MAX;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 &&
	    files.rlim_cur / FILES_PER_LOOKUP < names->lookup_max)
		names->lookup_max = files.rlim_cur / FILES_PER_LOOKUP;
	loop_add_queue(&k->loop, &names->steps);
	loop_add_queue(&k->loop, &names->streams);
	expect_all(names);
	if (names->expected_count)
		timer_set(&k->pauses, &names->settle, clock_now_ns() + SETTLE_NS);
	else
		names->settled = true;
	return 0;
}
