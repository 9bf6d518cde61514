/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of a measured path. `echo` leaves a server behind, TCP and UDP on one port, that ends with
 * the helper; `ping` times single round trips to it (or ICMP echo to any address), `connect` the making
 * of connections, `lookup` one question to a name server. IPv4: it is what every engine's default
 * network has.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "observe/helper/helper.h"
#include "observe/helper/verbs.h"

#define PEERS_MAX 16
#define PINGS_MAX 500
#define TIMEOUT_MS 1000
#define PAYLOAD 64 /* bytes, as ping(8) sends 56 and its header */

static int address_of(const struct helper_request *r, struct sockaddr_in *out)
{
	const char *to = helper_text(r, "to");
	uint64_t port = helper_u64_or(r, "port", 0);

	*out = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	return to && port <= UINT16_MAX && inet_pton(AF_INET, to, &out->sin_addr) == 1 ? 0
										       : -EINVAL;
}

/* ---- the far end ---- */

struct server {
	struct pollfd fds[2 + PEERS_MAX]; /* UDP, listening TCP, connections */
	int count;
	uint64_t delay_us;
};

/* The known delay of a test. */
static void delay(const struct server *s)
{
	struct timespec t = {.tv_sec = (time_t)(s->delay_us / 1000000),
			     .tv_nsec = (long)(s->delay_us % 1000000) * 1000};

	if (s->delay_us)
		nanosleep(&t, NULL);
}

static void answer_datagram(const struct server *s)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char bytes[2048];
	ssize_t n = recvfrom(s->fds[0].fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &len);

	if (n < 0)
		return;
	delay(s);
	/* A lost answer is what the other end counts. */
	if (sendto(s->fds[0].fd, bytes, (size_t)n, 0, (struct sockaddr *)&from, len) < 0)
		return;
}

static void take_connection(struct server *s)
{
	int fd = accept4(s->fds[1].fd, NULL, NULL, SOCK_CLOEXEC), on = 1;

	if (fd < 0)
		return;
	if (s->count == (int)(sizeof(s->fds) / sizeof(s->fds[0]))) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	s->fds[s->count++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

/* Whether the connection goes on. */
static bool answer_stream(const struct server *s, int fd)
{
	char bytes[2048];
	ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

	if (n <= 0)
		return false;
	delay(s);
	return send(fd, bytes, (size_t)n, MSG_NOSIGNAL) == n;
}

static void serve_forever(struct server *s)
{
	while (poll(s->fds, (nfds_t)s->count, -1) >= 0 || errno == EINTR) {
		for (int i = s->count - 1; i >= 2; i--) {
			if (!s->fds[i].revents || answer_stream(s, s->fds[i].fd))
				continue;
			close(s->fds[i].fd);
			s->fds[i] = s->fds[--s->count];
		}
		if (s->fds[0].revents)
			answer_datagram(s);
		if (s->fds[1].revents)
			take_connection(s);
	}
}

static int bind_both(struct server *s, struct sockaddr_in *a)
{
	socklen_t len = sizeof(*a);
	int on = 1;

	s->fds[1].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	s->fds[0].fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->fds[0].fd < 0 || s->fds[1].fd < 0)
		return -errno;
	setsockopt(s->fds[1].fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(s->fds[1].fd, (struct sockaddr *)a, sizeof(*a)) < 0 ||
	    getsockname(s->fds[1].fd, (struct sockaddr *)a, &len) < 0 ||
	    bind(s->fds[0].fd, (struct sockaddr *)a, sizeof(*a)) < 0 ||
	    listen(s->fds[1].fd, 128) < 0)
		return -errno;
	return 0;
}

static int echo(const struct helper_request *r)
{
	struct server s = {.fds = {{.fd = -1, .events = POLLIN}, {.fd = -1, .events = POLLIN}},
			   .count = 2,
			   .delay_us = helper_u64_or(r, "delay_us", 0)};
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((uint16_t)helper_u64_or(r, "port", 0))};
	const char *at = helper_text(r, "address");
	pid_t parent = getpid(), pid = -1;
	int rc;

	if (at && inet_pton(AF_INET, at, &a.sin_addr) != 1)
		return -EINVAL;
	rc = bind_both(&s, &a);
	if (rc == 0) {
		pid = fork();
		if (pid < 0)
			rc = -errno;
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_TIMERSLACK, 1); /* ns: a delay is to be no longer than asked */
		close(STDIN_FILENO);
		close(STDOUT_FILENO);
		if (getppid() == parent)
			serve_forever(&s);
		_exit(0);
	}
	if (rc == 0)
		helper_answer("port=%u pid=%d", ntohs(a.sin_port), (int)pid);
	for (int i = 0; i < 2; i++)
		if (s.fds[i].fd >= 0)
			close(s.fds[i].fd);
	return rc;
}

/* ---- the near end ---- */

/* One way of asking; bytes are PAYLOAD long and begin with the sequence number, behind ICMP's header. */
struct pinger {
	int fd;
	bool icmp, stream;
	int timeout_ms;
};

static uint16_t checksum(const unsigned char *bytes, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static bool wait_readable(int fd, uint64_t until_ns)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t now = helper_now_ns();

	return now < until_ns && poll(&p, 1, (int)((until_ns - now) / 1000000) + 1) > 0;
}

/* Whether these bytes are the answer to number `sequence`. */
static bool is_answer(const struct pinger *p, const unsigned char *bytes, ssize_t n,
		      uint32_t sequence)
{
	size_t skip = 0;
	uint32_t got;

	if (p->icmp) {
		/* A raw socket hands out the IP header, too, and all the host's ICMP. */
		skip = (size_t)(bytes[0] & 15) * 4;
		if (n < (ssize_t)(skip + 12) || bytes[skip] != ICMP_ECHOREPLY ||
		    memcmp(bytes + skip + 4, &(uint16_t){htons((uint16_t)getpid())}, 2) != 0)
			return false;
		skip += 8;
	}
	if (n < (ssize_t)(skip + 4))
		return false;
	memcpy(&got, bytes + skip, sizeof(got));
	return got == sequence;
}

static size_t make_question(const struct pinger *p, uint32_t sequence, unsigned char *bytes)
{
	size_t skip = p->icmp ? 8 : 0;

	memset(bytes, 0, PAYLOAD);
	memcpy(bytes + skip, &sequence, sizeof(sequence));
	if (p->icmp) {
		uint16_t id = htons((uint16_t)getpid()), number = htons((uint16_t)sequence), sum;

		bytes[0] = ICMP_ECHO;
		memcpy(bytes + 4, &id, 2);
		memcpy(bytes + 6, &number, 2);
		sum = checksum(bytes, PAYLOAD);
		memcpy(bytes + 2, &sum, 2);
	}
	return PAYLOAD;
}

/* The round trip in ns, 0 when no answer came in time, or -errno. */
static int64_t ping_once(const struct pinger *p, uint32_t sequence)
{
	unsigned char bytes[2048];
	size_t n = make_question(p, sequence, bytes);
	uint64_t start = helper_now_ns(), until = start + (uint64_t)p->timeout_ms * 1000000;

	if (send(p->fd, bytes, n, MSG_NOSIGNAL) < 0)
		return -errno;
	while (wait_readable(p->fd, until)) {
		ssize_t got = recv(p->fd, bytes, p->stream ? PAYLOAD : sizeof(bytes),
				   p->stream ? MSG_WAITALL : 0);
		uint64_t now = helper_now_ns();

		if (got < 0)
			return -errno;
		if (got == 0)
			return -ECONNRESET;
		if (is_answer(p, bytes, got, sequence))
			return (int64_t)(now - start);
	}
	return 0;
}

static int open_pinger(struct pinger *p, const struct sockaddr_in *to)
{
	struct timeval t = {.tv_sec = p->timeout_ms / 1000, .tv_usec = p->timeout_ms % 1000 * 1000};
	int on = 1;

	if (p->icmp)
		p->fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	else
		p->fd = socket(AF_INET, (p->stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	if (p->fd < 0)
		return -errno;
	/* Bounds connect(2), too. */
	setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	if (p->stream)
		setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(p->fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
		return errno == EINPROGRESS ? -ETIMEDOUT : -errno;
	return 0;
}

static void tell_times(const uint64_t *times, size_t count)
{
	char line[1024];
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		used += (size_t)snprintf(line + used, sizeof(line) - used, "%s%llu",
					 used ? "," : "", (unsigned long long)times[i]);
		if (used > sizeof(line) - 24 || i + 1 == count) {
			helper_answer("times_ns=%s", line);
			used = 0;
		}
	}
}

static int ping(const struct helper_request *r)
{
	const char *protocol = helper_text(r, "protocol");
	uint64_t count = helper_u64_or(r, "count", 10), times[PINGS_MAX];
	struct pinger p = {.fd = -1,
			   .icmp = protocol && str_eq(protocol, "icmp"),
			   .stream = protocol && str_eq(protocol, "tcp"),
			   .timeout_ms = (int)helper_u64_or(r, "timeout_ms", TIMEOUT_MS)};
	size_t received = 0, sent = 0;
	struct sockaddr_in to;
	int error = 0, rc = address_of(r, &to);

	if (rc == 0)
		rc = open_pinger(&p, &to);
	while (rc == 0 && sent < count && received < PINGS_MAX) {
		int64_t took = ping_once(&p, (uint32_t)++sent);

		if (took > 0)
			times[received++] = (uint64_t)took;
		if (took < 0)
			error = (int)-took;
		if (took < 0 && p.stream)
			break;
	}
	if (p.fd >= 0)
		close(p.fd);
	if (rc < 0)
		return rc;
	tell_times(times, received);
	helper_answer("sent=%zu received=%zu error=%d", sent, received, error);
	return 0;
}

/* ---- connections ---- */

/* Made and reset: an ordinary end would leave the host thousands of sockets in TIME_WAIT. */
static int connect_once(const struct sockaddr_in *to, int timeout_ms)
{
	struct pinger p = {.fd = -1, .stream = true, .timeout_ms = timeout_ms};
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	int rc = open_pinger(&p, to);

	if (p.fd >= 0) {
		setsockopt(p.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(p.fd);
	}
	return rc;
}

static int connect_many(const struct helper_request *r)
{
	uint64_t count = helper_u64_or(r, "count", 10), start;
	int timeout_ms = (int)helper_u64_or(r, "timeout_ms", TIMEOUT_MS);
	size_t done = 0, failed = 0;
	struct sockaddr_in to;
	int error = 0, rc = address_of(r, &to);

	if (rc < 0)
		return rc;
	start = helper_now_ns();
	for (uint64_t i = 0; i < count; i++) {
		rc = connect_once(&to, timeout_ms);
		if (rc == 0) {
			done++;
			continue;
		}
		error = -rc;
		/* Nobody answers there: the others would wait as long. */
		if (++failed == 3)
			break;
	}
	helper_answer("done=%zu failed=%zu error=%d took_ns=%llu", done, failed, error,
		      (unsigned long long)(helper_now_ns() - start));
	return 0;
}

/* ---- names ---- */

/* The first IPv4 server of resolv.conf (resolv.conf(5)). */
static int read_server(struct in_addr *out)
{
	char text[4096];
	char *save, *line;
	ssize_t n = file_read_small_at(AT_FDCWD, "/etc/resolv.conf", text, sizeof(text));

	if (n < 0)
		return (int)n;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char address[64];

		if (sscanf(line, "nameserver %63s", address) == 1 &&
		    inet_pton(AF_INET, address, out) == 1)
			return 0;
	}
	return -ENOENT;
}

/* A question of type A (RFC 1035, 4.1); its length or -EINVAL. */
static ssize_t make_query(const char *name, uint16_t id, unsigned char *out, size_t size)
{
	static const unsigned char tail[] = {0, 0, 1, 0, 1};
	size_t at = 12;

	memset(out, 0, 12);
	out[0] = (unsigned char)(id >> 8);
	out[1] = (unsigned char)id;
	out[2] = 1; /* recursion desired */
	out[5] = 1; /* one question */
	while (*name) {
		size_t n = strcspn(name, ".");

		if (!n || n > 63 || at + n + 1 + sizeof(tail) > size)
			return -EINVAL;
		out[at++] = (unsigned char)n;
		memcpy(out + at, name, n);
		at += n;
		name += n + (name[n] == '.');
	}
	memcpy(out + at, tail, sizeof(tail));
	return (ssize_t)(at + sizeof(tail));
}

static int lookup(const struct helper_request *r)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
	struct pinger p = {.fd = -1, .timeout_ms = (int)helper_u64_or(r, "timeout_ms", TIMEOUT_MS)};
	const char *name = helper_text(r, "name");
	unsigned char bytes[1024];
	uint64_t start = helper_now_ns();
	uint16_t id = (uint16_t)start;
	ssize_t n = name ? make_query(name, id, bytes, 512) : -EINVAL;
	int rc = n < 0 ? (int)n : read_server(&to.sin_addr);

	if (rc == 0)
		rc = open_pinger(&p, &to);
	if (rc == 0 && send(p.fd, bytes, (size_t)n, MSG_NOSIGNAL) < 0)
		rc = -errno;
	if (rc == 0 && !wait_readable(p.fd, start + (uint64_t)p.timeout_ms * 1000000))
		rc = -ETIMEDOUT;
	if (rc == 0) {
		n = recv(p.fd, bytes, sizeof(bytes), 0);
		rc = n < 0 ? -errno : n < 12 || (bytes[0] << 8 | bytes[1]) != id ? -EBADMSG : 0;
	}
	if (rc == 0)
		helper_answer("took_ns=%llu code=%d answers=%d",
			      (unsigned long long)(helper_now_ns() - start), bytes[3] & 15,
			      bytes[7]);
	if (p.fd >= 0)
		close(p.fd);
	return rc;
}

static int addresses(const struct helper_request *r)
{
	struct ifaddrs *all = NULL;
	char text[INET_ADDRSTRLEN];

	(void)r;
	if (getifaddrs(&all) < 0)
		return -errno;
	for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
		if (!a->ifa_addr || a->ifa_addr->sa_family != AF_INET ||
		    !inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)a->ifa_addr)->sin_addr,
			       text, sizeof(text)))
			continue;
		helper_answer("address=%s interface=%s loopback=%d", text, a->ifa_name,
			      (a->ifa_flags & IFF_LOOPBACK) != 0);
	}
	freeifaddrs(all);
	return 0;
}

/* Keeps this program, and what it starts from now on, on one processor. */
static int pin(const struct helper_request *r)
{
	uint64_t cpu;
	cpu_set_t set;

	if (helper_u64(r, "cpu", &cpu) < 0 || cpu >= CPU_SETSIZE)
		return -EINVAL;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) < 0 ? -errno : 0;
}

const struct helper_verb helper_verb_pin = {"pin", pin};
const struct helper_verb helper_verb_echo = {"echo", echo};
const struct helper_verb helper_verb_ping = {"ping", ping};
const struct helper_verb helper_verb_connect = {"connect", connect_many};
const struct helper_verb helper_verb_lookup = {"lookup", lookup};
const struct helper_verb helper_verb_addresses = {"addresses", addresses};
