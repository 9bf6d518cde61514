/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the name service share: names.c (who asks, and what we know ourselves), stream.c
 * (who asks over TCP), known.c (what is ours though it does not run), lookup.c (questions asked outside),
 * servers.c (whom, and who of them answers).
 */
#ifndef CLOCHE_ENGINE_KEEPER_NAMES_H
#define CLOCHE_ENGINE_KEEPER_NAMES_H

#include <netinet/in.h>

#include "engine/keeper/keeper.h"
#include "network/names/dns.h"
#include "network/names/zone.h"

/* A question may ask so many servers, one after another. */
#define SERVERS_MAX 8
/* Over TCP, too, nobody has more to ask than this. */
#define QUERY_BYTES_MAX 1232

struct name_socket;
struct name_stream;
struct lookup;
struct known;

/* A server outside. */
struct server {
	struct sockaddr_in6 address; /* or sockaddr_in */
	socklen_t address_bytes;
	unsigned users;       /* questions that may ask it */
	unsigned failures;    /* in a row: times that it was found silent */
	uint64_t retry_ns;    /* not asked first before; 0: it answers */
	uint64_t answered_ns; /* last */
	bool told;            /* the program log says that it is silent */
};

struct names {
	struct keeper *keeper;
	struct zone *zone;
	struct known *known;
	struct names_client *clients;
	/* Until the monitors of these have connected, or the timer fires, nothing is answered. */
	char (*expected)[ID_LEN + 1];
	size_t expected_count;
	bool settled;
	struct timer settle;
	struct timer_queue steps;   /* of lookups */
	struct timer_queue streams; /* those that say nothing */
	size_t lookup_count, lookup_max;
	uint64_t complained_ns; /* of too many of them */
	struct server servers[64];
	size_t server_count;
	/* The host's resolv.conf as it was read last. */
	struct server *host[SERVERS_MAX];
	size_t host_count;
	uint64_t host_stamp[4];
	uint8_t *out; /* an answer under construction: DNS_MESSAGE_MAX */
};

/* A container. */
struct names_client {
	struct names *names;
	struct names_client *previous, *next;
	char id[ID_LEN + 1];
	struct zone_member *member;
	struct name_socket *sockets;
	struct name_stream *streams;
	struct lookup *lookups;
	unsigned stream_count, lookup_count;
	unsigned holds; /* on the stack */
	bool removed;
};

/* Who waits for an answer: a client of a UDP socket, or a stream. */
struct asker {
	struct name_socket *socket;
	struct sockaddr_in from;
	struct name_stream *stream;
};

/* A message from inside a container: answers it, now or later. */
void names_ask(struct names_client *c, const struct asker *who, const uint8_t *message, size_t n);
/* An answer, n bytes; 0: there is none. */
void names_answer(const struct asker *who, const uint8_t *message, size_t n);
/* An answer of ours that says no more than a code; cut: that it would have. */
void names_refuse(struct names *names, const struct asker *who, const uint8_t *message,
		  const struct dns_query *q, enum dns_code code, bool cut);
/* What fits on the way back. */
size_t names_limit(const struct asker *who, const struct dns_query *q);

/* ---- what does not run ---- */

/* NULL when memory is gone. */
struct known *known_open(struct keeper *k);
void known_close(struct known *n);
/* Whether it asks for a container that exists, by itself ("db") or in a network ("db.net"), or for the
 * name of an address of ours: then nobody outside is asked. */
bool known_is_ours(struct known *n, const struct dns_query *q);

/* ---- streams ---- */

void stream_accept(struct names_client *c, int listener);
void stream_answer(struct name_stream *s, const uint8_t *message, size_t n);
void streams_end(struct names_client *c);

/* ---- outside ---- */

/* Asks the container's servers, or the host's; false when there are none. */
bool lookup_begin(struct names_client *c, const struct asker *who, const uint8_t *message,
		  const struct dns_query *q);
/* Nobody waits for these any more. stream: only of this one; NULL: all. */
void lookups_end(struct names_client *c, const struct name_stream *stream);

/* Whom to ask for a container, in this order, at most SERVERS_MAX; how many. Each is in use until
 * server_put(). */
size_t servers_for(struct names *names, const struct names_client *c,
		   struct server *out[static SERVERS_MAX]);
void server_put(struct server *s);
void server_answers(struct names *names, struct server *s);
void server_is_silent(struct names *names, struct server *s);

#endif
