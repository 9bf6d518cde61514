/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One poll loop, two bounded buffers. Nothing inherited is made non-blocking, since other processes
 * share it: the socket is used with MSG_DONTWAIT, a pipe is reopened, and everything else is written
 * in pieces that poll has promised room for.
 */
#include "cli/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/detach_keys.h"
#include "cli/terminal.h"
#include "cli/test_hook.h"

#define BUFFER_SIZE (2 * FRAME_PAYLOAD_MAX)
#define INPUT_CHUNK 32768
#define CONTROL_MAX 1024 /* largest payload that is not a stream's */

_Static_assert(sizeof(struct err) <= CONTROL_MAX, "an ERROR frame must fit");

struct buffer {
	unsigned char bytes[BUFFER_SIZE];
	size_t start, end; /* what is in it */
};

struct stream {
	int fd;      /* where to write */
	size_t step; /* most bytes that one write() may carry without blocking */
	bool own;    /* fd was opened here */
	bool wanted;
};

struct attach {
	const struct attach_options *options;
	struct attach_result *result;
	struct err *err;
	struct stream out, error;
	struct detach_keys keys;
	int signal_fd;
	bool input_open;
	bool sending; /* the monitor still listens */
	bool started;
	bool done;
	struct buffer receive, send;
	/* the frame that receive.start is in */
	bool in_frame;
	uint8_t type;
	size_t left;
	struct stream *blocked; /* waits for room; nothing is received meanwhile */
};

static void finish(struct attach *a, enum attach_end end)
{
	if (a->done)
		return;
	a->result->end = end;
	cli_test_hook(POINT_CLI_EXIT);
	a->result->ended_ns = clock_now_ns();
	a->done = true;
}

static size_t buffered(const struct buffer *b)
{
	return b->end - b->start;
}

/* Free bytes at the end, after moving what there is to the front. */
static size_t make_room(struct buffer *b)
{
	if (b->start) {
		memmove(b->bytes, b->bytes + b->start, buffered(b));
		b->end -= b->start;
		b->start = 0;
	}
	return sizeof(b->bytes) - b->end;
}

/* ---- towards the monitor ---- */

static bool queue_frame(struct attach *a, enum frame_type type, const void *payload, size_t n)
{
	struct frame_header header;

	if (!a->sending || make_room(&a->send) < sizeof(header) + n)
		return false;
	frame_header_set(&header, type, (uint32_t)n);
	memcpy(a->send.bytes + a->send.end, &header, sizeof(header));
	if (n)
		memcpy(a->send.bytes + a->send.end + sizeof(header), payload, n);
	a->send.end += sizeof(header) + n;
	return true;
}

static void flush_send(struct attach *a)
{
	while (a->sending && buffered(&a->send)) {
		ssize_t n = send(a->options->fd, a->send.bytes + a->send.start, buffered(&a->send),
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		/* The monitor has hung up; what it said before can still be read. */
		if (n < 0)
			a->sending = false;
		else
			a->send.start += (size_t)n;
	}
}

static void end_input(struct attach *a)
{
	a->input_open = false;
	queue_frame(a, FRAME_STDIN_END, NULL, 0);
}

static void read_input(struct attach *a)
{
	unsigned char bytes[INPUT_CHUNK], filtered[INPUT_CHUNK + DETACH_KEYS_MAX];
	ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));
	size_t count;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) { /* an error is a terminal that hung up: there will be no more input */
		end_input(a);
		return;
	}
	if (!a->options->terminal) {
		queue_frame(a, FRAME_STDIN, bytes, (size_t)n);
		return;
	}
	if (detach_keys_filter(&a->keys, bytes, (size_t)n, filtered, &count))
		finish(a, ATTACH_DETACHED);
	if (count)
		queue_frame(a, FRAME_STDIN, filtered, count);
}

static void send_size(struct attach *a)
{
	struct frame_resize size;

	terminal_size(&size.rows, &size.columns);
	if (size.rows && size.columns)
		queue_frame(a, FRAME_RESIZE, &size, sizeof(size));
}

/* Signals must not wait behind input that the container does not read. */
static void send_signal(struct attach *a, int number)
{
	struct frame_signal signal = {.number = number};
	int unread = 0;

	if (a->options->signal && a->started &&
	    (buffered(&a->send) || (ioctl(a->options->fd, SIOCOUTQ, &unread) == 0 && unread > 0)))
		a->options->signal(a->options->signal_context, number);
	else
		queue_frame(a, FRAME_SIGNAL, &signal, sizeof(signal));
}

static void read_signal(struct attach *a)
{
	struct signalfd_siginfo info;

	if (read(a->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGWINCH) {
		send_size(a);
	} else if (a->options->proxy_signals && !a->options->terminal) {
		send_signal(a, (int)info.ssi_signo);
	} else {
		a->result->signal_number = (int)info.ssi_signo;
		finish(a, ATTACH_SIGNALLED);
	}
}

/* ---- from the monitor ---- */

static struct stream *stream_of(struct attach *a, uint8_t type)
{
	return type == FRAME_STDOUT ? &a->out : &a->error;
}

/* Writes what there is of a stream's payload. */
static void write_stream(struct attach *a, struct stream *s)
{
	size_t n = buffered(&a->receive) < a->left ? buffered(&a->receive) : a->left;
	ssize_t written = (ssize_t)n;

	if (s->wanted) {
		struct pollfd p = {.fd = s->fd, .events = POLLOUT};

		/* One write after each promise of room. */
		if (s->step < SSIZE_MAX && poll(&p, 1, 0) == 0) {
			a->blocked = s;
			return;
		}
		written = write(s->fd, a->receive.bytes + a->receive.start,
				n < s->step ? n : s->step);
	}
	if (written < 0 && errno == EAGAIN)
		a->blocked = s;
	if (written < 0 && errno == EPIPE)
		finish(a, ATTACH_PIPE);
	else if (written < 0 && errno != EAGAIN && errno != EINTR) {
		(void)!err_sys(a->err, "write to standard %s", s == &a->out ? "output" : "error");
		finish(a, ATTACH_FAILED);
	}
	if (written <= 0)
		return;
	a->receive.start += (size_t)written;
	a->left -= (size_t)written;
}

static void on_control(struct attach *a, const void *payload)
{
	struct frame_started started;

	if (a->type == FRAME_STARTED && a->left == sizeof(started)) {
		memcpy(&started, payload, sizeof(started));
		a->result->pid = started.pid;
		cli_test_hook(POINT_CLI_STARTED);
		a->result->started_ns = clock_now_ns();
		a->started = true;
		if (a->options->started)
			a->options->started(a->options->started_context);
		if (a->options->terminal)
			send_size(a); /* it may have changed while the container was being made */
	} else if (a->type == FRAME_ERROR && a->left == sizeof(*a->err)) {
		memcpy(a->err, payload, sizeof(*a->err));
		a->err->msg[sizeof(a->err->msg) - 1] = '\0';
		finish(a, ATTACH_NOT_STARTED);
	} else if (a->type == FRAME_EXIT && a->left == sizeof(a->result->exit)) {
		memcpy(&a->result->exit, payload, sizeof(a->result->exit));
		finish(a, ATTACH_EXITED);
	} else {
		(void)!err_set(a->err, ERR_CORRUPT, 0,
			       "the monitor sent a frame of type %u that is no frame", a->type);
		finish(a, ATTACH_FAILED);
	}
}

static bool is_stream(uint8_t type)
{
	return type == FRAME_STDOUT || type == FRAME_STDERR;
}

static bool begin_frame(struct attach *a)
{
	struct frame_header header;

	if (buffered(&a->receive) < sizeof(header))
		return false;
	memcpy(&header, a->receive.bytes + a->receive.start, sizeof(header));
	a->receive.start += sizeof(header);
	a->type = header.type;
	a->left = frame_length(&header);
	a->in_frame = true;
	if (a->left > (is_stream(a->type) ? FRAME_PAYLOAD_MAX : CONTROL_MAX)) {
		(void)!err_set(a->err, ERR_CORRUPT, 0, "the monitor sent a frame of %zu bytes",
			       a->left);
		finish(a, ATTACH_FAILED);
	}
	return true;
}

/* Handles whatever is complete in the receive buffer, until a stream has no room. */
static void process(struct attach *a)
{
	while (!a->done && !a->blocked) {
		if (!a->in_frame && !begin_frame(a))
			return;
		if (a->done)
			return;
		if (is_stream(a->type)) {
			if (a->left && !buffered(&a->receive))
				return;
			if (a->left)
				write_stream(a, stream_of(a, a->type));
			a->in_frame = a->left > 0;
			continue;
		}
		if (buffered(&a->receive) < a->left)
			return;
		on_control(a, a->receive.bytes + a->receive.start);
		a->receive.start += a->left;
		a->in_frame = false;
	}
}

static void receive(struct attach *a)
{
	size_t room = make_room(&a->receive);
	ssize_t n;

	if (!room)
		return;
	n = recv(a->options->fd, a->receive.bytes + a->receive.end, room, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		finish(a, ATTACH_LOST);
		return;
	}
	a->receive.end += (size_t)n;
	process(a);
}

/* ---- the loop ---- */

enum slot { SLOT_SOCKET, SLOT_SIGNAL, SLOT_INPUT, SLOT_OUTPUT, SLOT_COUNT };

static void prepare(const struct attach *a, struct pollfd p[static SLOT_COUNT])
{
	bool room = sizeof(a->send.bytes) - buffered(&a->send) >
		    INPUT_CHUNK + DETACH_KEYS_MAX + 2 * sizeof(struct frame_header) + CONTROL_MAX;

	p[SLOT_SOCKET] = (struct pollfd){.fd = a->options->fd};
	if (!a->blocked)
		p[SLOT_SOCKET].events |= POLLIN;
	if (a->sending && buffered(&a->send))
		p[SLOT_SOCKET].events |= POLLOUT;
	/* A socket nothing is wanted of would wake poll for ever once the monitor is gone. */
	if (!p[SLOT_SOCKET].events)
		p[SLOT_SOCKET].fd = -1;
	p[SLOT_SIGNAL] = (struct pollfd){.fd = a->signal_fd, .events = POLLIN};
	p[SLOT_INPUT] = (struct pollfd){
		.fd = a->input_open && a->sending && room ? STDIN_FILENO : -1, .events = POLLIN};
	p[SLOT_OUTPUT] = (struct pollfd){.fd = a->blocked ? a->blocked->fd : -1, .events = POLLOUT};
}

static void turn(struct attach *a)
{
	struct pollfd p[SLOT_COUNT];

	prepare(a, p);
	if (poll(p, SLOT_COUNT, -1) < 0) {
		if (errno != EINTR) {
			(void)!err_sys(a->err, "poll");
			finish(a, ATTACH_FAILED);
		}
		return;
	}
	if (p[SLOT_SIGNAL].revents)
		read_signal(a);
	if (p[SLOT_OUTPUT].revents) {
		a->blocked = NULL;
		process(a);
	}
	if (p[SLOT_INPUT].revents)
		read_input(a);
	if (buffered(&a->send))
		flush_send(a);
	if (!a->blocked && p[SLOT_SOCKET].revents & (POLLIN | POLLHUP | POLLERR))
		receive(a);
}

/* How much one write may carry: without limit to files, as much as the pipe takes when it could be
 * reopened for this process alone, else what POLLOUT promises. */
static void open_stream(struct stream *s, int fd, bool wanted)
{
	struct stat st;
	char path[32];
	int own;

	*s = (struct stream){.fd = fd, .step = SSIZE_MAX, .wanted = wanted};
	if (!wanted || fstat(fd, &st) < 0 || S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
		return;
	s->step = PIPE_BUF;
	if (!S_ISFIFO(st.st_mode))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (own < 0)
		return;
	*s = (struct stream){.fd = own, .step = SSIZE_MAX, .own = true, .wanted = true};
}

static void close_stream(struct stream *s)
{
	if (s->own)
		close(s->fd);
}

/* Blocks the signals that are taken by signalfd; *old is the mask to go back to. */
static int open_signals(struct attach *a, sigset_t *old)
{
	static const int own[] = {SIGCHLD, SIGPIPE, SIGURG,  SIGCONT, SIGSEGV,
				  SIGBUS,  SIGILL,  SIGFPE,  SIGTRAP, SIGSYS,
				  SIGABRT, SIGTTIN, SIGTTOU, SIGSTOP, SIGKILL};
	static const int deadly[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	sigset_t set;

	sigemptyset(&set);
	if (a->options->proxy_signals && !a->options->terminal) {
		sigfillset(&set);
		for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
			sigdelset(&set, own[i]);
	} else if (a->options->terminal) {
		for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
			sigaddset(&set, deadly[i]);
	}
	if (a->options->terminal)
		sigaddset(&set, SIGWINCH);
	else
		sigdelset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, old);
	a->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return a->signal_fd < 0 ? err_sys(a->err, "signalfd") : 0;
}

static void relay(struct attach *a)
{
	struct terminal terminal = {.raw = false};

	if (a->options->terminal && a->options->input && terminal_make_raw(&terminal, a->err) < 0) {
		finish(a, ATTACH_FAILED);
		return;
	}
	if (a->options->terminal)
		send_size(a);
	while (!a->done)
		turn(a);
	terminal_restore(&terminal);
}

void attach_run(const struct attach_options *options, struct attach_result *result, struct err *err)
{
	struct attach *a = calloc(1, sizeof(*a));
	const char *keys = options->detach_keys ? options->detach_keys : DETACH_KEYS_DEFAULT;
	struct sigaction ignore = {.sa_handler = SIG_IGN}, saved_pipe;
	sigset_t saved;

	*result = (struct attach_result){.end = ATTACH_FAILED};
	if (!a) {
		(void)!err_set(err, ERR_SYSTEM, ENOMEM, "attach: out of memory");
		return;
	}
	a->options = options;
	a->result = result;
	a->err = err;
	a->signal_fd = -1;
	a->input_open = options->input;
	a->sending = true;
	sigaction(SIGPIPE, &ignore, &saved_pipe);
	sigprocmask(SIG_BLOCK, NULL, &saved);
	open_stream(&a->out, STDOUT_FILENO, options->output);
	open_stream(&a->error, STDERR_FILENO, options->error);
	if (detach_keys_parse(keys, &a->keys, err) == 0 && open_signals(a, &saved) == 0)
		relay(a);
	if (a->signal_fd >= 0)
		close(a->signal_fd);
	close_stream(&a->out);
	close_stream(&a->error);
	sigprocmask(SIG_SETMASK, &saved, NULL);
	sigaction(SIGPIPE, &saved_pipe, NULL);
	free(a);
}
