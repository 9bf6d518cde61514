/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's streams. Output is read once into one frame, logged, and the next is not read
 * before every attached client has taken it: a foreground client is like a pipe. Input is written
 * as the container takes it, the client's socket holding back the rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "engine/monitor/monitor.h"

#define READS_MAX 16
#define PIPE_WIDE_BYTES (256 << 10)

void relay_close_output(struct monitor *m, int stream)
{
	int fd = m->output[stream];

	if (fd < 0)
		return;
	/* With a terminal one descriptor serves both ways. */
	if (fd == m->input)
		m->input = -1;
	close(fd);
	m->output[stream] = -1;
}

/* A container that fills its pipe gets a larger one: fewer turns of ours for the same bytes. */
static void widen(const struct monitor *m, int fd)
{
	if (!m->plan->early.terminal && fcntl(fd, F_GETPIPE_SZ) < PIPE_WIDE_BYTES)
		fcntl(fd, F_SETPIPE_SZ, PIPE_WIDE_BYTES);
}

static void begin_frame(struct monitor *m, int stream, size_t n)
{
	m->frame_len = n;
	frame_header_set(&m->frame, stream == 0 ? FRAME_STDOUT : FRAME_STDERR, (uint32_t)n);
	for (int i = 0; i < MONITOR_CLIENTS_MAX; i++) {
		struct client *c = &m->clients[i];

		c->sent = 0;
		if (c->fd >= 0 && c->wants_output)
			client_push(m, c);
	}
}

/* One read. True if there is likely more and nobody who must take this first. */
static bool relay_once(struct monitor *m, int stream)
{
	ssize_t n = read(m->output[stream], m->frame_bytes, sizeof(m->frame_bytes));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	/* EIO is a terminal's way to say that nobody holds the other side; more may come if somebody
	 * opens it again, but not once PID 1 is gone. */
	if (n < 0 && errno == EIO && m->plan->early.terminal && !m->exited) {
		m->terminal_idle = true;
		return false;
	}
	if (n <= 0) {
		relay_close_output(m, stream);
		return false;
	}
	log_write(m, stream, m->frame_bytes, (size_t)n);
	if (client_listens(m)) {
		begin_frame(m, stream, (size_t)n);
		return false;
	}
	m->frame_len = 0;
	if ((size_t)n < sizeof(m->frame_bytes))
		return false;
	widen(m, m->output[stream]);
	return true;
}

void relay_output(struct monitor *m, int stream)
{
	/* Bounded: the other stream, and who wants to attach, have their turn. */
	for (int i = 0; i < READS_MAX && relay_once(m, stream); i++)
		;
	log_flush(m, false);
}

static void close_input(struct monitor *m)
{
	m->input_len = m->input_sent = 0;
	if (m->input >= 0 && m->input != m->output[0])
		close(m->input);
	m->input = -1;
}

bool relay_awaits_terminal(const struct monitor *m)
{
	return m->plan->early.terminal && m->input < 0 && m->report_fd >= 0;
}

void relay_input(struct monitor *m)
{
	if (relay_awaits_terminal(m))
		return;
	while (m->input >= 0 && m->input_sent < m->input_len) {
		ssize_t n = write(m->input, m->input_bytes + m->input_sent,
				  m->input_len - m->input_sent);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			/* The container closed its stdin; what comes is thrown away, as by a pipe. */
			close_input(m);
			return;
		}
		m->input_sent += (size_t)n;
	}
	m->input_len = m->input_sent = 0;
	if (m->input_end && !m->plan->early.terminal)
		close_input(m);
}
