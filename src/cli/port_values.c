/* SPDX-License-Identifier: Apache-2.0 */
/*
 * -p and --expose in all of Docker's spellings, with the words its client refuses them in
 * (docker/go-connections, nat.ParsePortSpec). What comes out has one form: "IP:HOST:PORT/PROTO", IP and
 * HOST possibly empty, HOST possibly a range, IPv6 in brackets.
 */
#include <ctype.h>
#include <errno.h>

#include "base/ip.h"
#include "base/quote.h"
#include "cli/run_values.h"

struct range {
	uint64_t first, last;
};

/* What Go's ParseUint(text, 10, 16) says, in its words. */
static int parse_port(const char *text, uint64_t *out, struct err *err)
{
	auto_strbuf struct strbuf quoted = {0};
	bool digits = *text && text[strspn(text, "0123456789")] == '\0';
	int rc = str_to_u64(text, out);

	if (rc == 0 && *out <= UINT16_MAX)
		return 0;
	quote_go(&quoted, text, strlen(text));
	return err_set(err, ERR_CONFLICT, EINVAL, "strconv.ParseUint: parsing %s: %s",
		       strbuf_str(&quoted), digits ? "value out of range" : "invalid syntax");
}

static int parse_range(const char *text, struct range *out, struct err *err)
{
	auto_free char *first = xstrdup(text);
	char *dash = strchr(first, '-');
	int rc;

	if (dash)
		*dash++ = '\0';
	rc = parse_port(first, &out->first, err);
	out->last = out->first;
	if (rc == 0 && dash)
		rc = parse_port(dash, &out->last, err);
	if (rc == 0 && out->last < out->first)
		rc = err_set(err, ERR_CONFLICT, EINVAL, "invalid range specified for port: %s",
			     text);
	return rc;
}

/* "80/udp" into its two parts, in place; "tcp" when nothing is said. */
static const char *split_protocol(char *port)
{
	char *slash = strchr(port, '/');

	if (!slash)
		return "tcp";
	*slash++ = '\0';
	slash[strcspn(slash, "/")] = '\0';
	for (char *p = slash; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return *slash ? slash : "tcp";
}

static bool is_protocol(const char *name)
{
	return str_eq(name, "tcp") || str_eq(name, "udp") || str_eq(name, "sctp");
}

static void add_exposed(struct strv *exposed, uint64_t port, const char *protocol)
{
	auto_free char *text = xasprintf("%llu/%s", (unsigned long long)port, protocol);

	if (!strv_contains(exposed, text))
		strv_add_taken(exposed, take_ptr(&text));
}

/* "80", "80/udp", "7000-7010/tcp" */
static int set_expose(void *field, const char *value, const struct option *o, struct err *err)
{
	auto_free char *port = xstrdup(value);
	const char *protocol = split_protocol(port);
	struct range range;
	struct err why;

	(void)o;
	if (strchr(value, ':'))
		return err_set(err, ERR_CONFLICT, 0, "invalid port format for --expose: %s", value);
	if (!*port)
		return err_set(
			err, ERR_CONFLICT, 0,
			"invalid range format for --expose: %s, error: empty string specified "
			"for ports",
			value);
	if (parse_range(port, &range, &why) < 0)
		return err_set(err, ERR_CONFLICT, 0,
			       "invalid range format for --expose: %s, error: %s", value, why.msg);
	if (!is_protocol(protocol) || !range.first)
		return err_set(err, ERR_CONFLICT, 0,
			       "invalid range format for --expose: %s, error: invalid port", value);
	for (uint64_t p = range.first; p <= range.last; p++)
		add_exposed(field, p, protocol);
	return 0;
}

/* ---- --publish ---- */

/* "IP:HOST:PORT" from its end, in place; IP may hold colons. */
static void split_parts(char *text, const char **ip, const char **host, char **container)
{
	char *last = strrchr(text, ':'), *middle;

	*ip = *host = "";
	*container = last ? last + 1 : text;
	if (!last)
		return;
	*last = '\0';
	middle = strrchr(text, ':');
	*host = middle ? middle + 1 : text;
	if (!middle)
		return;
	*middle = '\0';
	*ip = text;
}

/* "" or the address as it is kept: of IPv6 in brackets, whether it came in some or not. */
static int parse_address(const char *text, char **out, struct err *err)
{
	size_t n = strlen(text);
	bool opened = *text == '[', closed = n && text[n - 1] == ']';
	auto_free char *bare = opened && closed ? xstrndup(text + 1, n - 2) : xstrdup(text);
	char canonical[IP_TEXT_MAX];
	struct ip_address a;

	if (opened && !closed)
		return err_set(err, ERR_CONFLICT, 0,
			       "invalid IP address %s: address %s:: missing ']' in address", text,
			       text);
	*out = NULL;
	if (!*text)
		return 0;
	if (ip_parse(bare, &a) < 0)
		return err_set(err, ERR_CONFLICT, 0, "invalid IP address: %s", bare);
	ip_format(&a, canonical);
	*out = xasprintf(ip_bytes(&a) == 16 ? "[%s]" : "%s", canonical);
	return 0;
}

static void add_binding(struct container_config *c, const char *ip, const struct range *host,
			uint64_t port, const char *protocol)
{
	char hosts[32] = "";

	if (host && host->first == host->last)
		snprintf(hosts, sizeof(hosts), "%llu", (unsigned long long)host->first);
	else if (host)
		snprintf(hosts, sizeof(hosts), "%llu-%llu", (unsigned long long)host->first,
			 (unsigned long long)host->last);
	strv_add_taken(&c->publish, xasprintf("%s:%s:%llu/%s", ip ? ip : "", hosts,
					      (unsigned long long)port, protocol));
	add_exposed(&c->exposed_ports, port, protocol);
}

/* One of each, or a range of host ports to choose from for a single port. */
static void add_bindings(struct container_config *c, const char *ip, const struct range *host,
			 const struct range *ports, const char *protocol)
{
	if (!host || ports->first == ports->last) {
		for (uint64_t p = ports->first; p <= ports->last; p++)
			add_binding(c, ip, host, p, protocol);
		return;
	}
	for (uint64_t i = 0; i <= ports->last - ports->first; i++)
		add_binding(c, ip, &(struct range){host->first + i, host->first + i},
			    ports->first + i, protocol);
}

static int publish(struct container_config *c, const char *value, struct err *err)
{
	auto_free char *text = xstrdup(value), *address = NULL;
	const char *ip, *host, *protocol;
	struct range ports, hosts = {0};
	struct err ignored;
	char *container;
	int rc;

	split_parts(text, &ip, &host, &container);
	if (*container == '/')
		*container = '\0';
	protocol = split_protocol(container);
	rc = parse_address(ip, &address, err);
	if (rc < 0)
		return rc;
	if (!*container)
		return err_set(err, ERR_CONFLICT, 0, "no port specified: %s<empty>", value);
	if (parse_range(container, &ports, &ignored) < 0 || !ports.first)
		return err_set(err, ERR_CONFLICT, 0, "invalid containerPort: %s", container);
	if (*host && parse_range(host, &hosts, &ignored) < 0)
		return err_set(err, ERR_CONFLICT, 0, "invalid hostPort: %s", host);
	if (*host && ports.last != ports.first &&
	    ports.last - ports.first != hosts.last - hosts.first)
		return err_set(err, ERR_CONFLICT, 0,
			       "invalid ranges specified for container and host Ports: %s and %s",
			       container, host);
	if (!is_protocol(protocol))
		return err_set(err, ERR_CONFLICT, 0, "invalid proto: %s", protocol);
	if (str_eq(protocol, "sctp"))
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "publishing a port of sctp is not supported yet");
	add_bindings(c, address, *host && hosts.last ? &hosts : NULL, &ports, protocol);
	return 0;
}

/* "target=80,published=8080,protocol=tcp,mode=host" as the short form; other names say nothing. */
static int publish_long(struct container_config *c, const char *value, struct err *err)
{
	auto_free char *text = xstrdup(value), *spec = NULL;
	const char *target = "", *published = "", *protocol = "tcp";
	char *word, *rest = text;

	while ((word = strsep(&rest, ",")) != NULL) {
		char *equals = strchr(word, '=');

		if (!equals)
			return err_set(
				err, ERR_CONFLICT, 0,
				"invalid publish opts format (should be name=value but got '%s')",
				word);
		*equals++ = '\0';
		equals[strcspn(equals, "=")] = '\0';
		if (str_eq(word, "target"))
			target = equals;
		else if (str_eq(word, "published"))
			published = equals;
		else if (str_eq(word, "protocol"))
			protocol = equals;
	}
	spec = xasprintf("%s:%s/%s", published, target, protocol);
	return publish(c, spec, err);
}

static int set_publish(void *field, const char *value, const struct option *o, struct err *err)
{
	(void)o;
	return strchr(value, '=') ? publish_long(field, value, err) : publish(field, value, err);
}

const struct option_type option_expose = {"list", false, set_expose};
const struct option_type option_publish = {"list", false, set_publish};
