/* SPDX-License-Identifier: Apache-2.0 */
/* One look-up of a name from inside a container's network namespace (RFC 1035). */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "observe/probe/network.h"

#define QUERY_MAX 300
#define DNS_PORT 53

/* A socket stays in the namespace in which it was made. */
static int socket_inside(pid_t pid, uint8_t family)
{
	char path[64];
	auto_close int there = -1, back = -1, fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	there = open(path, O_RDONLY | O_CLOEXEC);
	back = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (there < 0 || back < 0 || setns(there, CLONE_NEWNET) < 0)
		return -errno;
	fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (setns(back, CLONE_NEWNET) < 0)
		return -errno;
	return fd < 0 ? -errno : take_fd(&fd);
}

static int connect_to(int fd, const struct ip_address *server)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(DNS_PORT)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(DNS_PORT)};
	bool six = server->family == AF_INET6;

	memcpy(six ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr, server->bytes, ip_bytes(server));
	if (connect(fd, six ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4,
		    six ? sizeof(v6) : sizeof(v4)) < 0)
		return -errno;
	return 0;
}

/* Labels of at most 63 bytes; 0 when the name does not fit. */
static size_t put_name(unsigned char *out, size_t room, const char *name)
{
	size_t n = 0;

	while (*name) {
		size_t label = strcspn(name, ".");

		if (!label || label > 63 || n + label + 2 > room)
			return 0;
		out[n++] = (unsigned char)label;
		memcpy(out + n, name, label);
		n += label;
		name += label;
		name += *name == '.';
	}
	out[n++] = 0;
	return n;
}

static size_t make_query(unsigned char *out, const char *name, uint16_t id)
{
	static const unsigned char flags[] = {1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
	static const unsigned char question[] = {0, 1, 0, 1};
	size_t n;

	memcpy(out, &id, 2);
	memcpy(out + 2, flags, sizeof(flags));
	n = put_name(out + 12, QUERY_MAX - 12 - sizeof(question), name);
	if (!n)
		return 0;
	memcpy(out + 12 + n, question, sizeof(question));
	return 12 + n + sizeof(question);
}

int network_probe_name(pid_t pid, const struct ip_address *server, const char *name, int timeout_ms,
		       int *answer_ms, int *answer_code)
{
	unsigned char query[QUERY_MAX], answer[512];
	uint64_t start = clock_now_ns();
	uint16_t id = (uint16_t)start;
	size_t n = make_query(query, name, id);
	auto_close int fd = n ? socket_inside(pid, server->family) : -EINVAL;
	struct pollfd p = {.events = POLLIN};
	ssize_t got;
	int rc;

	if (fd < 0)
		return fd;
	rc = connect_to(fd, server);
	if (rc < 0)
		return rc;
	if (send(fd, query, n, 0) < 0)
		return -errno;
	p.fd = fd;
	rc = poll(&p, 1, timeout_ms);
	if (rc <= 0)
		return rc < 0 ? -errno : -ETIMEDOUT;
	got = recv(fd, answer, sizeof(answer), 0);
	if (got < 0)
		return -errno;
	if (got < 12 || memcmp(answer, &id, 2) != 0)
		return -EBADMSG;
	*answer_ms = (int)((clock_now_ns() - start) / 1000000);
	*answer_code = answer[3] & 15;
	return 0;
}
