/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question asked outside. Each attempt is a socket of its own, so that its port is random and only
 * its server's packets arrive, with a random id; whatever does not answer the question exactly is passed
 * over. When a second has gone by the next server is asked as well, and the first answer wins: a slow
 * one is not lost. What a server had to cut is asked again over TCP.
 *
 * Nothing is kept of an answer, so nothing that is forged outlives the one who asked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/keeper/names.h"

#define STEP_NS NS_PER_S
/* glibc and musl ask again after 5 s: by then we have said something. */
#define STEPS 4
/* And when nobody to ask has answered for longer than that: so much for a lost packet. */
#define STEPS_SILENT 2
#define ATTEMPTS_MAX 6
/* A flood of wrong answers is no answer. */
#define WRONG_MAX 16
#define LOOKUPS_PER_CLIENT 512
#define COMPLAIN_NS (60 * NS_PER_S)

struct attempt {
	struct source source;
	struct lookup *lookup;
	struct attempt *next;
	struct server *server;
	uint64_t sent_ns;
	uint16_t id;
	unsigned wrong;
	uint8_t *stream; /* TCP: the reply with its length; NULL: UDP */
	size_t got;
	bool connected;
};

struct lookup {
	struct names_client *client;
	struct lookup *previous, *next;
	struct asker who;
	struct dns_query query;
	uint8_t asked[DNS_QUERY_MAX]; /* header and question of the client */
	struct timer timer;
	unsigned step;
	struct server *servers[SERVERS_MAX];
	size_t server_count, asked_count;
	struct attempt *attempts;
	unsigned attempt_count;
	bool cut;    /* somebody had more to say */
	bool silent; /* when it began none of the servers was known to answer */
};

static struct names *names_of(const struct lookup *l)
{
	return l->client->names;
}

/* ---- ends ---- */

static void release_attempt(struct source *s)
{
	struct attempt *a = container_of(s, struct attempt, source);

	free(a->stream);
	free(a);
}

static void end_attempt(struct attempt *a)
{
	struct lookup *l = a->lookup;
	struct attempt **at = &l->attempts;

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	l->attempt_count--;
	loop_end(&names_of(l)->keeper->loop, &a->source);
}

static void end_lookup(struct lookup *l)
{
	struct names_client *c = l->client;

	while (l->attempts)
		end_attempt(l->attempts);
	timer_set(&c->names->steps, &l->timer, 0);
	for (size_t i = 0; i < l->server_count; i++)
		server_put(l->servers[i]);
	if (l->previous)
		l->previous->next = l->next;
	else
		c->lookups = l->next;
	if (l->next)
		l->next->previous = l->previous;
	c->lookup_count--;
	c->names->lookup_count--;
	free(l);
}

void lookups_end(struct names_client *c, const struct name_stream *stream)
{
	struct lookup *next;

	for (struct lookup *l = c->lookups; l; l = next) {
		next = l->next;
		if (!stream || l->who.stream == stream)
			end_lookup(l);
	}
}

/* Nobody could say: the lookup ends. */
static void give_up(struct lookup *l)
{
	struct names *names = names_of(l);
	const struct asker who = l->who;
	const struct dns_query q = l->query;
	uint8_t asked[DNS_QUERY_MAX];
	/* There is more than fits: whoever can comes again by TCP. */
	bool cut = l->cut && !who.stream;

	memcpy(asked, l->asked, q.bytes);
	end_lookup(l);
	names_refuse(names, &who, asked, &q, cut ? DNS_NO_ERROR : DNS_SERVER_FAILURE, cut);
}

/* A good reply in a buffer of ours: the lookup ends. */
static void deliver(struct lookup *l, uint8_t *message, size_t n)
{
	const struct asker who = l->who;

	dns_adopt_reply(message, l->asked, &l->query);
	n = dns_truncate(message, n, names_limit(&who, &l->query));
	end_lookup(l);
	names_answer(&who, message, n);
}

/* ---- attempts ---- */

static void ask_next(struct lookup *l);
static void on_attempt(struct source *s, uint32_t events);

static struct attempt *new_attempt(struct lookup *l, struct server *server, int type)
{
	struct attempt *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->source = (struct source){
		.fd = socket(server->address.sin6_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
		.ready = on_attempt,
		.release = release_attempt};
	a->lookup = l;
	a->server = server;
	a->sent_ns = clock_now_ns();
	if (type == SOCK_STREAM)
		a->stream = malloc(2 + DNS_MESSAGE_MAX);
	if (a->source.fd < 0 || (type == SOCK_STREAM && !a->stream) ||
	    getrandom(&a->id, sizeof(a->id), 0) != sizeof(a->id) ||
	    (connect(a->source.fd, (const struct sockaddr *)&server->address,
		     server->address_bytes) < 0 &&
	     errno != EINPROGRESS)) {
		if (a->source.fd >= 0)
			close(a->source.fd);
		free(a->stream);
		free(a);
		return NULL;
	}
	return a;
}

static int add_attempt(struct attempt *a, uint32_t events)
{
	struct lookup *l = a->lookup;
	int rc = loop_add(&names_of(l)->keeper->loop, &a->source, events);

	if (rc < 0) {
		free(a->stream);
		free(a);
		return rc;
	}
	a->next = l->attempts;
	l->attempts = a;
	l->attempt_count++;
	return 0;
}

/* False when it could not even be sent. */
static bool ask_server(struct lookup *l, struct server *server)
{
	uint8_t message[DNS_QUERY_MAX];
	struct attempt *a = l->attempt_count < ATTEMPTS_MAX ? new_attempt(l, server, SOCK_DGRAM)
							    : NULL;
	size_t n;

	if (!a || add_attempt(a, EPOLLIN) < 0)
		return false;
	n = dns_write_question(message, l->asked, &l->query, a->id);
	if (send(a->source.fd, message, n, MSG_NOSIGNAL) == (ssize_t)n)
		return true;
	end_attempt(a);
	return false;
}

static void ask_stream(struct lookup *l, struct server *server)
{
	struct attempt *a = l->attempt_count < ATTEMPTS_MAX ? new_attempt(l, server, SOCK_STREAM)
							    : NULL;

	if (!a || add_attempt(a, EPOLLOUT) < 0)
		ask_next(l);
}

/* Asks the next server that has not been; when nobody is left who may answer, that is the end. */
static void ask_next(struct lookup *l)
{
	while (l->asked_count < l->server_count) {
		struct server *s = l->servers[l->asked_count++];

		if (ask_server(l, s))
			return;
		server_is_silent(names_of(l), s);
	}
	if (!l->attempts)
		give_up(l);
}

/* This server will not say: somebody else might. */
static void fail_attempt(struct attempt *a, bool silent)
{
	struct lookup *l = a->lookup;

	if (silent)
		server_is_silent(names_of(l), a->server);
	end_attempt(a);
	ask_next(l);
}

static void take_reply(struct attempt *a, uint8_t *message, const struct dns_reply *reply)
{
	struct lookup *l = a->lookup;
	struct server *server = a->server;

	server_answers(names_of(l), server);
	if (reply->truncated && !a->stream) {
		l->cut = true;
		end_attempt(a);
		ask_stream(l, server);
	} else if (reply->truncated ||
		   (reply->code != DNS_NO_ERROR && reply->code != DNS_NO_NAME)) {
		fail_attempt(a, false);
	} else {
		deliver(l, message, reply->bytes);
	}
}

static void on_datagram(struct attempt *a)
{
	uint8_t message[DNS_UDP_MAX];
	struct lookup *l = a->lookup;
	ssize_t n = recv(a->source.fd, message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);
	struct dns_reply reply;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		fail_attempt(a, true);
	} else if ((size_t)n <= sizeof(message) &&
		   dns_read_reply(message, (size_t)n, &l->query, a->id, &reply) == 0) {
		take_reply(a, message, &reply);
	} else if (++a->wrong >= WRONG_MAX) {
		fail_attempt(a, true);
	}
}

/* ---- over TCP ---- */

static bool send_stream(struct attempt *a)
{
	uint8_t message[2 + DNS_QUERY_MAX];
	size_t n = dns_write_question(message + 2, a->lookup->asked, &a->lookup->query, a->id);

	message[0] = (uint8_t)(n >> 8);
	message[1] = (uint8_t)n;
	/* A new connection has room for so little. */
	return send(a->source.fd, message, n + 2, MSG_NOSIGNAL) == (ssize_t)n + 2;
}

static void on_stream(struct attempt *a)
{
	struct lookup *l = a->lookup;
	size_t wanted = a->got < 2 ? 2 : 2 + ((size_t)a->stream[0] << 8 | a->stream[1]);
	struct dns_reply reply;
	ssize_t n;

	if (!a->connected) {
		a->connected = true;
		if (send_stream(a))
			loop_wait_for(&names_of(l)->keeper->loop, &a->source, EPOLLIN);
		else
			fail_attempt(a, false);
		return;
	}
	n = recv(a->source.fd, a->stream + a->got, wanted - a->got, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		fail_attempt(a, false);
		return;
	}
	a->got += (size_t)n;
	if (a->got < wanted || wanted == 2)
		return;
	if (dns_read_reply(a->stream + 2, wanted - 2, &l->query, a->id, &reply) < 0)
		fail_attempt(a, false);
	else
		take_reply(a, a->stream + 2, &reply);
}

static void on_attempt(struct source *s, uint32_t events)
{
	struct attempt *a = container_of(s, struct attempt, source);

	(void)events;
	if (a->stream)
		on_stream(a);
	else
		on_datagram(a);
}

/* ---- the course of it ---- */

static bool all_are_silent(const struct lookup *l)
{
	for (size_t i = 0; i < l->server_count; i++)
		if (!l->servers[i]->retry_ns)
			return false;
	return true;
}

/* A second has gone by without an answer. */
static void on_step(struct timer *t)
{
	struct lookup *l = container_of(t, struct lookup, timer);
	struct names *names = names_of(l);
	uint64_t now = clock_now_ns();

	for (const struct attempt *a = l->attempts; a; a = a->next) {
		/* One that answers others is there, and only slow with this. */
		if (a->server->answered_ns < a->sent_ns && now - a->sent_ns >= STEP_NS)
			server_is_silent(names, a->server);
	}
	/* Who was waited for in vain is not waited for so long again, unless it has answered meanwhile. */
	if (++l->step >= (l->silent && all_are_silent(l) ? STEPS_SILENT : STEPS)) {
		give_up(l);
		return;
	}
	timer_set(&names->steps, &l->timer, now + STEP_NS);
	/* The list once more from its beginning: packets get lost. */
	if (l->asked_count >= l->server_count)
		l->asked_count = 0;
	ask_next(l);
}

/* The first one; beside it one that was silent for long enough to be tried again; and all when none is
 * known to answer. */
static void ask_first(struct lookup *l)
{
	uint64_t now = clock_now_ns();
	bool known = !l->servers[0]->retry_ns;

	for (size_t i = 1; i < l->server_count; i++) {
		struct server *s = l->servers[i];

		if (!s->retry_ns || (known && s->retry_ns > now))
			continue;
		/* Others that come meanwhile need not try it, too. */
		if (known)
			s->retry_ns = now + STEP_NS;
		if (!ask_server(l, s))
			server_is_silent(names_of(l), s);
	}
	ask_next(l);
}

static bool is_too_much(struct names_client *c)
{
	struct names *names = c->names;
	uint64_t now;

	if (names->lookup_count < names->lookup_max && c->lookup_count < LOOKUPS_PER_CLIENT)
		return false;
	now = clock_now_ns();
	if (!names->complained_ns || now - names->complained_ns > COMPLAIN_NS) {
		names->complained_ns = now;
		program_log(&names->keeper->log, LOG_LEVEL_WARN, c->id,
			    "too many names are asked for outside at once (%u here, %zu in all): "
			    "some are refused",
			    c->lookup_count, names->lookup_count);
	}
	return true;
}

bool lookup_begin(struct names_client *c, const struct asker *who, const uint8_t *message,
		  const struct dns_query *q)
{
	struct names *names = c->names;
	struct lookup *l = is_too_much(c) ? NULL : calloc(1, sizeof(*l));

	if (!l) {
		names_refuse(names, who, message, q, DNS_SERVER_FAILURE, false);
		return true;
	}
	l->server_count = servers_for(names, c, l->servers);
	if (!l->server_count) {
		free(l);
		return false;
	}
	l->silent = all_are_silent(l);
	l->client = c;
	l->who = *who;
	l->query = *q;
	l->timer.fire = on_step;
	memcpy(l->asked, message, q->bytes);
	l->next = c->lookups;
	if (l->next)
		l->next->previous = l;
	c->lookups = l;
	c->lookup_count++;
	names->lookup_count++;
	timer_set(&names->steps, &l->timer, clock_now_ns() + STEP_NS);
	ask_first(l);
	return true;
}
