/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The servers outside: those of the container (--dns), or else of the host's resolv.conf, which is read
 * again when it has changed; and who of them answers. One that is silent costs its time once: until it
 * has answered again it is only asked beside another, now and then.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/keeper/names.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLV_CONF_MAX 65536
#define RETRY_FIRST_NS (10 * NS_PER_S)
#define DOUBLINGS_MAX 5
#define DNS_PORT 53

/* "10.0.0.1", "fd00::1", "fe80::1%eth0". */
static int parse_address(const char *text, struct server *out)
{
	char address[INET6_ADDRSTRLEN + 1 + IF_NAMESIZE];
	struct sockaddr_in *four = (struct sockaddr_in *)(void *)&out->address;
	char *zone;

	*out = (struct server){.address_bytes = sizeof(out->address)};
	if (str_format(address, sizeof(address), "%s", text) < 0)
		return -EINVAL;
	zone = strchr(address, '%');
	if (zone)
		*zone++ = '\0';
	if (inet_pton(AF_INET6, address, &out->address.sin6_addr) == 1) {
		out->address.sin6_family = AF_INET6;
		out->address.sin6_port = htons(DNS_PORT);
		out->address.sin6_scope_id = zone ? if_nametoindex(zone) : 0;
		return zone && !out->address.sin6_scope_id ? -EINVAL : 0;
	}
	if (zone || inet_pton(AF_INET, address, &four->sin_addr) != 1)
		return -EINVAL;
	four->sin_family = AF_INET;
	four->sin_port = htons(DNS_PORT);
	out->address_bytes = sizeof(*four);
	return 0;
}

/* The one with this address, in use; NULL: the address is none, or there is no room. */
static struct server *server_get(struct names *names, const char *text)
{
	struct server new, *free_one = NULL;

	if (parse_address(text, &new) < 0)
		return NULL;
	for (size_t i = 0; i < names->server_count; i++) {
		struct server *s = &names->servers[i];

		if (s->address_bytes == new.address_bytes &&
		    memcmp(&s->address, &new.address, new.address_bytes) == 0) {
			s->users++;
			return s;
		}
		if (!s->users)
			free_one = s;
	}
	if (names->server_count < sizeof(names->servers) / sizeof(names->servers[0]))
		free_one = &names->servers[names->server_count++];
	if (!free_one)
		return NULL;
	new.users = 1;
	*free_one = new;
	return free_one;
}

void server_put(struct server *s)
{
	s->users--;
}

static void describe(const struct server *s, char out[static INET6_ADDRSTRLEN])
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)&s->address;

	if (s->address.sin6_family == AF_INET6)
		inet_ntop(AF_INET6, &s->address.sin6_addr, out, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET, &four->sin_addr, out, INET6_ADDRSTRLEN);
}

void server_answers(struct names *names, struct server *s)
{
	char text[INET6_ADDRSTRLEN];

	s->answered_ns = clock_now_ns();
	if (s->retry_ns && s->told) {
		s->told = false;
		describe(s, text);
		program_log(&names->keeper->log, LOG_LEVEL_INFO, NULL,
			    "name server %s answers again", text);
	}
	s->retry_ns = 0;
	s->failures = 0;
}

void server_is_silent(struct names *names, struct server *s)
{
	uint64_t now = clock_now_ns();
	char text[INET6_ADDRSTRLEN];

	/* Of many questions that it was asked at once, the first counts. */
	if (s->retry_ns > now)
		return;
	/* A slow one is not told of at each question. */
	if (s->failures && !s->told) {
		s->told = true;
		describe(s, text);
		program_log(&names->keeper->log, LOG_LEVEL_WARN, NULL,
			    "name server %s does not answer", text);
	}
	s->retry_ns = now + (RETRY_FIRST_NS
			     << (s->failures < DOUBLINGS_MAX ? s->failures : DOUBLINGS_MAX));
	s->failures++;
}

/* ---- the host's ---- */

static void drop_host(struct names *names)
{
	while (names->host_count)
		server_put(names->host[--names->host_count]);
}

static void read_host(struct names *names)
{
	auto_free char *text = NULL;
	size_t n;
	char *rest, *line;

	drop_host(names);
	if (file_read_at(AT_FDCWD, RESOLV_CONF, RESOLV_CONF_MAX, &text, &n) < 0)
		return;
	for (rest = text; (line = strsep(&rest, "\n")) && names->host_count < SERVERS_MAX;) {
		const char *word = strtok_r(line, " \t", &line);
		struct server *s;

		if (!word || !str_eq(word, "nameserver"))
			continue;
		word = strtok_r(NULL, " \t\r", &line);
		s = word ? server_get(names, word) : NULL;
		if (s)
			names->host[names->host_count++] = s;
	}
}

static void refresh_host(struct names *names)
{
	uint64_t stamp[4] = {0};
	struct stat st;

	if (stat(RESOLV_CONF, &st) == 0) {
		stamp[0] = st.st_ino;
		stamp[1] = (uint64_t)st.st_size;
		stamp[2] = (uint64_t)st.st_mtim.tv_sec * NS_PER_S + (uint64_t)st.st_mtim.tv_nsec;
		stamp[3] = (uint64_t)st.st_ctim.tv_sec * NS_PER_S + (uint64_t)st.st_ctim.tv_nsec;
	}
	if (memcmp(stamp, names->host_stamp, sizeof(stamp)) == 0)
		return;
	memcpy(names->host_stamp, stamp, sizeof(stamp));
	read_host(names);
}

/* ---- whom to ask ---- */

/* Those that answer first, else as they were. */
static void sort_silent_last(struct server **list, size_t n)
{
	struct server *silent[SERVERS_MAX];
	size_t good = 0, bad = 0;

	for (size_t i = 0; i < n; i++) {
		if (list[i]->retry_ns)
			silent[bad++] = list[i];
		else
			list[good++] = list[i];
	}
	for (size_t i = 0; i < bad; i++)
		list[good + i] = silent[i];
}

size_t servers_for(struct names *names, const struct names_client *c,
		   struct server *out[static SERVERS_MAX])
{
	const struct strv *own = zone_member_servers(c->member);
	size_t n = 0;

	for (size_t i = 0; i < own->count && n < SERVERS_MAX; i++) {
		out[n] = server_get(names, own->items[i]);
		n += out[n] != NULL;
	}
	if (!own->count) {
		refresh_host(names);
		for (; n < names->host_count; n++) {
			out[n] = names->host[n];
			out[n]->users++;
		}
	}
	sort_silent_last(out, n);
	return n;
}
