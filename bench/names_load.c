/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names-load: asks for names from inside many containers at a steady rate, and says how many answers
 * came, how many were wrong, and how long they took.
 *
 *	names-load [-r PER_SECOND] [-t SECONDS] [-e] PREFIX PID...
 *
 * PREFIX0, PREFIX1, ... are the names, one for each PID; each container asks for all of them in turn. -e:
 * in place of the name service a process of ours answers, at another port, with what it was sent: what
 * the kernel's part alone takes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define CONTAINERS_MAX 1000
#define ECHO_PORT 5300
#define WAIT_NS 2000000000ull
#define NS_PER_S 1000000000ull
#define SAMPLES_MAX (1u << 22)

struct load {
	uint64_t rate, seconds;
	bool echo;
	const char *prefix;
	int sockets[CONTAINERS_MAX], echoes[CONTAINERS_MAX];
	unsigned count;
	uint64_t sent, received, wrong;
	uint64_t *sent_ns; /* by number of the question */
	uint64_t *took_ns;
	int epoll;
};

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static int open_socket(uint16_t port, bool server)
{
	const struct sockaddr_in a = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(0x7f00000b)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || (server ? bind(fd, (const struct sockaddr *)&a, sizeof(a))
			      : connect(fd, (const struct sockaddr *)&a, sizeof(a))) < 0)
		die("socket");
	return fd;
}

/* Sockets belong to the namespace that they were made in. */
static void open_in(struct load *l, const char *pid)
{
	char path[64];
	int ns;

	snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		die(path);
	close(ns);
	if (l->echo)
		l->echoes[l->count] = open_socket(ECHO_PORT, true);
	l->sockets[l->count++] = open_socket(l->echo ? ECHO_PORT : 53, false);
}

static void watch(int epoll, int fd, uint32_t number)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = number};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0)
		die("epoll_ctl");
}

static _Noreturn void serve_echo(const struct load *l)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[64];
	char bytes[512];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < l->count; i++)
		watch(epoll, l->echoes[i], i);
	for (;;) {
		int n = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < n; i++) {
			int fd = l->echoes[events[i].data.u32];
			struct sockaddr_in from;
			socklen_t size = sizeof(from);
			ssize_t got = recvfrom(fd, bytes, sizeof(bytes), 0,
					       (struct sockaddr *)&from, &size);

			if (got > 0 && sendto(fd, bytes, (size_t)got, 0,
					      (const struct sockaddr *)&from, size) < 0)
				continue;
		}
	}
}

/* The id is the question's number as far as it goes. */
static void ask(struct load *l, uint64_t number)
{
	uint8_t m[128] = {(uint8_t)(number >> 8), (uint8_t)number, 1, 0, 0, 1};
	unsigned from = (unsigned)(number % l->count);
	unsigned to = (unsigned)(number / l->count % l->count);
	char name[64];
	int n = snprintf(name, sizeof(name), "%s%u", l->prefix, to);

	m[12] = (uint8_t)n;
	memcpy(m + 13, name, (size_t)n);
	m[13 + n + 2] = 1;
	m[13 + n + 4] = 1;
	l->sent_ns[number] = clock_now_ns();
	if (send(l->sockets[from], m, (size_t)(13 + n + 5), 0) < 0)
		perror("send");
	l->sent++;
}

/* Of the questions with this id the last that was sent. */
static void take(struct load *l, const uint8_t *m, ssize_t n)
{
	uint64_t number = (l->sent - 1) & ~0xffffull;

	number |= (uint64_t)(m[0] << 8 | m[1]);
	if (number >= l->sent)
		number -= 0x10000;
	if (n < 12 || number >= l->sent || l->received >= l->sent ||
	    (!l->echo && (m[3] & 15 || m[7] != 1)))
		l->wrong++;
	else
		l->took_ns[l->received++] = clock_now_ns() - l->sent_ns[number];
}

static void receive(struct load *l, int timeout_ms)
{
	struct epoll_event events[64];
	int n = epoll_wait(l->epoll, events, 64, timeout_ms);

	for (int i = 0; i < n; i++) {
		uint8_t m[512];
		ssize_t got;

		while ((got = recv(l->sockets[events[i].data.u32], m, sizeof(m), 0)) > 0)
			take(l, m, got);
	}
}

static void run(struct load *l)
{
	uint64_t begin = clock_now_ns(), total = l->rate * l->seconds, now;

	while (l->sent < total) {
		now = clock_now_ns();
		/* As many as are due: one that oversleeps catches up. */
		while (l->sent < total && l->sent * NS_PER_S / l->rate <= now - begin)
			ask(l, l->sent);
		receive(l, 1);
	}
	now = clock_now_ns();
	while (l->received + l->wrong < l->sent && clock_now_ns() - now < WAIT_NS)
		receive(l, 100);
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double quantile_us(const struct load *l, double q)
{
	size_t n = l->received;

	return n ? (double)l->took_ns[(size_t)(q * (double)(n - 1))] / 1e3 : 0;
}

int main(int argc, char **argv)
{
	static struct load l = {.rate = 10000, .seconds = 5};
	int option;

	while ((option = getopt(argc, argv, "r:t:e")) != -1) {
		if (option == 'r')
			l.rate = strtoull(optarg, NULL, 10);
		else if (option == 't')
			l.seconds = strtoull(optarg, NULL, 10);
		else if (option == 'e')
			l.echo = true;
		else
			return 2;
	}
	if (argc - optind < 2 || argc - optind > CONTAINERS_MAX || !l.rate ||
	    l.rate * l.seconds > SAMPLES_MAX)
		return 2;
	l.prefix = argv[optind++];
	while (optind < argc)
		open_in(&l, argv[optind++]);
	l.sent_ns = calloc(l.rate * l.seconds, sizeof(uint64_t));
	l.took_ns = calloc(l.rate * l.seconds + 1, sizeof(uint64_t));
	l.epoll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < l.count; i++)
		watch(l.epoll, l.sockets[i], i);
	if (l.echo && fork() == 0)
		serve_echo(&l);
	run(&l);
	qsort(l.took_ns, l.received, sizeof(uint64_t), compare);
	printf("%-8s %8llu asked %8llu answered %6llu wrong   p50 %.0f us   p99 %.0f us   p999 %.0f us\n",
	       l.echo ? "echo" : "names", (unsigned long long)l.sent,
	       (unsigned long long)l.received, (unsigned long long)l.wrong, quantile_us(&l, 0.5),
	       quantile_us(&l, 0.99), quantile_us(&l, 0.999));
	return 0;
}
