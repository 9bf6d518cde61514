/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names over TCP: messages with their length in front, one answered after another. A stream that says
 * nothing for a while is ended, and no container has more than a few.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/keeper/names.h"

#define STREAMS_PER_CLIENT 32
#define SILENCE_NS (10 * NS_PER_S)
#define ACCEPTED_AT_ONCE 16

struct name_stream {
	struct source source;
	struct names_client *client;
	struct name_stream *previous, *next;
	struct timer silence;
	uint8_t in[2 + QUERY_BYTES_MAX];
	size_t in_used;
	bool waiting; /* for an answer */
	bool busy;    /* work() is on the stack */
	uint8_t *out;
	size_t out_used, out_sent;
};

static struct loop *loop_of(const struct name_stream *s)
{
	return &s->client->names->keeper->loop;
}

static void release_stream(struct source *source)
{
	struct name_stream *s = container_of(source, struct name_stream, source);

	free(s->out);
	free(s);
}

static void end(struct name_stream *s)
{
	struct names_client *c = s->client;

	if (s->source.fd < 0)
		return;
	lookups_end(c, s);
	timer_set(&c->names->streams, &s->silence, 0);
	if (s->previous)
		s->previous->next = s->next;
	else
		c->streams = s->next;
	if (s->next)
		s->next->previous = s->previous;
	c->stream_count--;
	loop_end(loop_of(s), &s->source);
}

void streams_end(struct names_client *c)
{
	while (c->streams)
		end(c->streams);
}

static void on_silence(struct timer *t)
{
	end(container_of(t, struct name_stream, silence));
}

/* Sends what there is. False when the stream has ended. */
static bool flush(struct name_stream *s)
{
	while (s->out_sent < s->out_used) {
		ssize_t n = send(s->source.fd, s->out + s->out_sent, s->out_used - s->out_sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			end(s);
			return false;
		}
		s->out_sent += (size_t)n;
	}
	free(s->out);
	s->out = NULL;
	s->out_used = s->out_sent = 0;
	return true;
}

/* Reads what has come. False when the stream has ended. */
static bool fill(struct name_stream *s)
{
	ssize_t n =
		recv(s->source.fd, s->in + s->in_used, sizeof(s->in) - s->in_used, MSG_DONTWAIT);

	if (n > 0) {
		s->in_used += (size_t)n;
		return true;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	end(s);
	return false;
}

/* Bytes of the first message with its length, 0: not all of it has come; -EMSGSIZE. */
static ssize_t first_message(const struct name_stream *s)
{
	size_t n;

	if (s->in_used < 2)
		return 0;
	n = 2 + ((size_t)s->in[0] << 8 | s->in[1]);
	if (n > sizeof(s->in))
		return -EMSGSIZE;
	return n <= s->in_used ? (ssize_t)n : 0;
}

/* Answers what has come, as far as that is possible now. */
static void work(struct name_stream *s)
{
	const struct asker who = {.stream = s};
	ssize_t n = 0;

	if (s->busy)
		return;
	s->busy = true;
	while (s->source.fd >= 0 && flush(s) && !s->out && !s->waiting &&
	       (n = first_message(s)) > 0) {
		s->waiting = true;
		names_ask(s->client, &who, s->in + 2, (size_t)n - 2);
		/* What asks outside has its own copy. */
		s->in_used -= (size_t)n;
		memmove(s->in, s->in + n, s->in_used);
	}
	s->busy = false;
	if (n < 0)
		end(s);
	if (s->source.fd < 0)
		return;
	timer_set(&s->client->names->streams, &s->silence, clock_now_ns() + SILENCE_NS);
	loop_wait_for(loop_of(s), &s->source, s->out ? EPOLLOUT : s->waiting ? 0 : EPOLLIN);
}

void stream_answer(struct name_stream *s, const uint8_t *message, size_t n)
{
	s->waiting = false;
	s->out = n ? malloc(2 + n) : NULL;
	if (!s->out) {
		end(s);
		return;
	}
	s->out[0] = (uint8_t)(n >> 8);
	s->out[1] = (uint8_t)n;
	memcpy(s->out + 2, message, n);
	s->out_used = 2 + n;
	s->out_sent = 0;
	work(s);
}

static void on_stream(struct source *source, uint32_t events)
{
	struct name_stream *s = container_of(source, struct name_stream, source);

	if ((events & EPOLLIN) && !s->out && !s->waiting && !fill(s))
		return;
	if ((events & (EPOLLERR | EPOLLHUP)) && !(events & EPOLLIN)) {
		end(s);
		return;
	}
	work(s);
}

static void begin(struct names_client *c, int fd)
{
	struct name_stream *s = calloc(1, sizeof(*s));

	if (!s) {
		close(fd);
		return;
	}
	s->source = (struct source){.fd = fd, .ready = on_stream, .release = release_stream};
	s->silence.fire = on_silence;
	s->client = c;
	if (loop_add(&c->names->keeper->loop, &s->source, EPOLLIN) < 0) {
		free(s);
		return;
	}
	s->next = c->streams;
	if (s->next)
		s->next->previous = s;
	c->streams = s;
	c->stream_count++;
	timer_set(&c->names->streams, &s->silence, clock_now_ns() + SILENCE_NS);
}

void stream_accept(struct names_client *c, int listener)
{
	for (int i = 0; i < ACCEPTED_AT_ONCE; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		/* They are their container's own, and the oldest are the least likely to be used. */
		if (c->stream_count >= STREAMS_PER_CLIENT) {
			struct name_stream *oldest = c->streams;

			while (oldest->next)
				oldest = oldest->next;
			end(oldest);
		}
		begin(c, fd);
	}
}
