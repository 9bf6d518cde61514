/* SPDX-License-Identifier: Apache-2.0 */
/* See resolv_conf.h. The host's text is untrusted only in so far as anything may stand in it. */
#include "engine/resolv_conf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/ip.h"

#define HOST_PATH "/etc/resolv.conf"
#define STUB_PATH "/run/systemd/resolve/resolv.conf"
#define STUB_ADDRESS "127.0.0.53"
#define SERVICE_ADDRESS "127.0.0.11"
#define HOST_FILE_MAX 65536

/* Who answers when the host has no resolver that a container could reach: Docker's choice. */
static const char *const fallback[] = {"8.8.8.8", "8.8.4.4"};

/* Calls fn with the words after `key` of each of its lines. */
static void each_line(const char *text, const char *key,
		      void (*fn)(const char *words, size_t n, struct strv *out), struct strv *out)
{
	size_t len = strlen(key);

	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		const char *line = p + strspn(p, " \t");

		if (strncmp(line, key, len) == 0 && (line[len] == ' ' || line[len] == '\t'))
			fn(line + len, strcspn(line + len, "\n#;"), out);
	}
}

static void add_words(const char *words, size_t n, struct strv *out)
{
	const char *end = words + n;

	while (words < end) {
		size_t len;

		words += strspn(words, " \t\r");
		len = strcspn(words, " \t\r\n#;");
		if (words >= end || !len)
			break;
		strv_add_taken(out, xstrndup(words, len));
		words += len;
	}
}

/* A later line takes the place of an earlier. */
static void replace_words(const char *words, size_t n, struct strv *out)
{
	strv_free(out);
	add_words(words, n, out);
}

static bool is_loopback(const char *text)
{
	auto_free char *bare = xstrndup(text, strcspn(text, "%"));
	struct ip_address a;

	return ip_parse(bare, &a) == 0 && ip_is_loopback(&a);
}

static int read_file(const char *path, char **text, struct err *err)
{
	size_t n;
	int rc = file_read_at(AT_FDCWD, path, HOST_FILE_MAX, text, &n);

	/* A host without the file is no reason to fail. */
	if (rc == -ENOENT) {
		*text = xstrdup("");
		return 0;
	}
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "read %s: %s", path, err_errno_text(-rc)) : 0;
}

static bool is_stub(const char *text)
{
	auto_strv struct strv servers = {0};

	each_line(text, "nameserver", add_words, &servers);
	return servers.count == 1 && str_eq(servers.items[0], STUB_ADDRESS);
}

int resolv_conf_host(enum resolv_kind kind, char **text, struct err *err)
{
	auto_free char *own = NULL;
	int rc = read_file(HOST_PATH, &own, err);

	if (rc < 0)
		return rc;
	if (kind == RESOLV_OWN && is_stub(own) && access(STUB_PATH, R_OK) == 0)
		return read_file(STUB_PATH, text, err);
	*text = take_ptr(&own);
	return 0;
}

static void put_line(const char *key, const struct strv *words, struct strbuf *out)
{
	if (!words->count)
		return;
	strbuf_puts(out, key);
	for (size_t i = 0; i < words->count; i++)
		strbuf_printf(out, " %s", words->items[i]);
	strbuf_putc(out, '\n');
}

/* The host's lines but those that name a resolver of its own. */
static void filter_host(const char *text, struct strbuf *out)
{
	bool any = false;

	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "\n");
		auto_free char *line = xstrndup(p, n);
		auto_strv struct strv servers = {0};

		each_line(line, "nameserver", add_words, &servers);
		if (!servers.count || !is_loopback(servers.items[0]))
			strbuf_printf(out, "%s\n", line);
		any = any || (servers.count && !is_loopback(servers.items[0]));
		p += n + (p[n] == '\n');
	}
	for (size_t i = 0; !any && i < sizeof(fallback) / sizeof(fallback[0]); i++)
		strbuf_printf(out, "nameserver %s\n", fallback[i]);
}

/* Given ones, or the host's. */
static void choose(const struct strv *given, const char *host, const char *key,
		   void (*take)(const char *words, size_t n, struct strv *out), struct strv *out)
{
	if (given->count)
		strv_add_all(out, given);
	else
		each_line(host, key, take, out);
}

static bool has_ndots(const struct strv *options)
{
	for (size_t i = 0; i < options->count; i++) {
		if (str_starts(options->items[i], "ndots:"))
			return true;
	}
	return false;
}

void resolv_conf_build(enum resolv_kind kind, const char *host, const struct strv *dns,
		       const struct strv *search, const struct strv *options, struct strbuf *out)
{
	auto_strv struct strv servers = {0}, domains = {0}, words = {0};
	bool given = dns->count || search->count || options->count;

	if (kind == RESOLV_HOST && !given) {
		strbuf_puts(out, host);
		return;
	}
	if (kind == RESOLV_OWN && !given) {
		filter_host(host, out);
		return;
	}
	choose(search, host, "search", replace_words, &domains);
	choose(options, host, "options", add_words, &words);
	if (kind == RESOLV_SERVICE) {
		strv_add(&servers, SERVICE_ADDRESS);
		/* So that single words are asked of it as they are. */
		if (!has_ndots(&words))
			strv_add(&words, "ndots:0");
	} else {
		choose(dns, host, "nameserver", add_words, &servers);
	}
	/* "." takes the host's domains away. */
	if (!(domains.count == 1 && str_eq(domains.items[0], ".")))
		put_line("search", &domains, out);
	for (size_t i = 0; i < servers.count; i++)
		strbuf_printf(out, "nameserver %s\n", servers.items[i]);
	put_line("options", &words, out);
}
