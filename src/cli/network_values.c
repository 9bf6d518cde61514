/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --network in its short and long form, the flags that mean the first network, names and addresses for
 * the files of the container. What Docker's client refuses is refused here; whether there is such a
 * network is the engine's to find out.
 */
#include <ctype.h>
#include <errno.h>

#include "base/ip.h"
#include "base/quote.h"
#include "cli/run_options.h"
#include "cli/run_values.h"

static bool is_user_network(const char *name)
{
	static const char *const others[] = {"default", "bridge", "host", "none"};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (str_eq(name, others[i]))
			return false;
	}
	return !str_starts(name, "container:");
}

static bool is_mac(const char *text)
{
	for (size_t i = 0; i < 17; i++) {
		bool fits = i % 3 == 2 ? text[i] == ':' || text[i] == '-'
				       : isxdigit((unsigned char)text[i]) != 0;

		if (!fits)
			return false;
	}
	return !text[17];
}

/* "0242.0a3d.0002" with colons; NULL for anything else. */
static char *mac_of_words(const char *text)
{
	for (size_t i = 0; i < 14; i++) {
		if (i % 5 == 4 ? text[i] != '.' : !isxdigit((unsigned char)text[i]))
			return NULL;
	}
	return text[14] ? NULL
			: xasprintf("%.2s:%.2s:%.2s:%.2s:%.2s:%.2s", text, text + 2, text + 5,
				    text + 7, text + 10, text + 12);
}

static int check_mac(char **slot, struct err *err)
{
	char *colons = mac_of_words(*slot);

	if (colons) {
		free(*slot);
		*slot = colons;
	}
	return is_mac(*slot) ? 0
			     : err_set(err, ERR_USAGE, 0, "%s is not a valid mac address", *slot);
}

/* ---- --network ---- */

static void replace(char **slot, const char *value)
{
	free(*slot);
	*slot = xstrdup(value);
}

static int set_gw_priority(struct endpoint_request *r, const char *value, struct err *err)
{
	int rc = str_to_i64(value, &r->gw_priority);

	if (rc == 0)
		return 0;
	return err_set(err, ERR_USAGE, 0, "invalid gw-priority (%s): %s", value,
		       rc == -ERANGE ? "value out of range" : "invalid syntax");
}

static int long_field(struct endpoint_request *r, const char *key, const char *value,
		      struct err *err)
{
	if (str_eq(key, "name"))
		replace(&r->network, value);
	else if (str_eq(key, "alias"))
		strv_add(&r->aliases, value);
	else if (str_eq(key, "ip"))
		replace(&r->ipv4, value);
	else if (str_eq(key, "ip6"))
		replace(&r->ipv6, value);
	else if (str_eq(key, "mac-address"))
		replace(&r->mac, value);
	else if (str_eq(key, "driver-opt") && strchr(value, '='))
		strv_add(&r->driver_options, value);
	else if (str_eq(key, "driver-opt"))
		return err_set(err, ERR_USAGE, 0,
			       "invalid key value pair format in driver options");
	else if (str_eq(key, "link-local-ip"))
		strv_add(&r->link_local, value);
	else if (str_eq(key, "gw-priority"))
		return set_gw_priority(r, value, err);
	else
		return err_set(err, ERR_USAGE, 0, "invalid field key %s", key);
	return 0;
}

static char *trim(char *text)
{
	size_t n;

	text += strspn(text, " \t");
	n = strlen(text);
	while (n && strchr(" \t", text[n - 1]))
		text[--n] = '\0';
	return text;
}

/* "name=net,alias=a,ip=10.0.0.2", in lower case like Docker. */
static int parse_long(struct endpoint_request *r, const char *value, struct err *err)
{
	auto_free char *text = xstrdup(value);
	char *word, *rest = text;
	int rc = 0;

	for (char *p = text; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	while (rc == 0 && (word = strsep(&rest, ",")) != NULL) {
		char *equals = strchr(word, '=');

		if (!equals)
			return err_set(err, ERR_USAGE, 0, "invalid field %s", word);
		*equals++ = '\0';
		rc = long_field(r, trim(word), trim(equals), err);
	}
	if (rc == 0 && (!r->network || !*r->network))
		rc = err_set(err, ERR_USAGE, 0, "network name/id is not specified");
	return rc;
}

/* \w+=\w+ somewhere in it */
static bool is_long(const char *value)
{
	for (const char *p = strchr(value, '='); p; p = strchr(p + 1, '=')) {
		if (p > value && (isalnum((unsigned char)p[-1]) || p[-1] == '_') &&
		    (isalnum((unsigned char)p[1]) || p[1] == '_'))
			return true;
	}
	return str_starts(value, "name=");
}

static int add_request(struct container_config *c, struct endpoint_request *r, struct err *err)
{
	if (!*r->network)
		return err_set(err, ERR_CONFLICT, 0, "no name set for network");
	if (str_eq(r->network, "container:") || str_eq(r->network, "container"))
		return err_set(
			err, ERR_CONFLICT, 0,
			"Invalid network mode: invalid container format container:<name|id>");
	for (size_t i = 0; i < c->endpoint_count; i++) {
		if (str_eq(c->endpoints[i].network, r->network))
			return err_set(err, ERR_CONFLICT, 0,
				       "network \"%s\" is specified multiple times", r->network);
	}
	*container_config_add_endpoint(c) = *r;
	*r = (struct endpoint_request){0};
	return 0;
}

static int set_network(void *field, const char *value, const struct option *o, struct err *err)
{
	struct endpoint_request r = {0};
	int rc = 0;

	(void)o;
	if (is_long(value))
		rc = parse_long(&r, value, err);
	else
		r.network = xstrdup(value);
	if (rc == 0)
		rc = add_request(field, &r, err);
	endpoint_request_clear(&r);
	return rc;
}

/* ---- what means the first network ---- */

static int conflict(struct err *err, const char *what)
{
	return err_set(err, ERR_USAGE, 0, "conflicting options: cannot specify both %s", what);
}

/* NULL and "" are not given. */
static int take_flag(char **slot, const char *flag, const char *both, struct err *err)
{
	if (!flag || !*flag)
		return 0;
	if (*slot && **slot)
		return conflict(err, both);
	replace(slot, flag);
	return 0;
}

static int apply_flags(const struct run_options *o, struct endpoint_request *r, struct err *err)
{
	int rc = take_flag(&r->ipv4, o->ip, "--ip and per-network IPv4 address", err);

	if (rc == 0)
		rc = take_flag(&r->ipv6, o->ip6, "--ip6 and per-network IPv6 address", err);
	if (rc == 0)
		rc = take_flag(&r->mac, o->mac, "--mac-address and per-network MAC address", err);
	if (rc < 0)
		return rc;
	if (o->network_aliases.count && r->aliases.count)
		return conflict(err, "--network-alias and per-network alias");
	strv_add_all(&r->aliases, &o->network_aliases);
	if (o->link_local.count && r->link_local.count)
		return conflict(err, "--link-local-ip and per-network link-local IP addresses");
	strv_add_all(&r->link_local, &o->link_local);
	if (is_user_network(r->network))
		strv_add_all(&r->links, &o->config.links);
	return 0;
}

/* Of several either all are the user's own, or none; and only those know aliases. */
static int check_kinds(const struct container_config *c, struct err *err)
{
	size_t own = 0;

	for (size_t i = 0; i < c->endpoint_count; i++) {
		const struct endpoint_request *r = &c->endpoints[i];

		own += is_user_network(r->network);
		if (r->aliases.count && !is_user_network(r->network))
			return err_set(err, ERR_USAGE, 0,
				       "network-scoped aliases are only supported for "
				       "user-defined networks");
	}
	if (own && own < c->endpoint_count)
		return err_set(err, ERR_USAGE, 0,
			       "conflicting options: cannot attach both user-defined and "
			       "non-user-defined network-modes");
	return 0;
}

static int check_macs(struct container_config *c, struct err *err)
{
	int rc = c->mac_address ? check_mac(&c->mac_address, err) : 0;

	for (size_t i = 0; rc == 0 && i < c->endpoint_count; i++) {
		if (c->endpoints[i].mac && *c->endpoints[i].mac)
			rc = check_mac(&c->endpoints[i].mac, err);
	}
	return rc;
}

int run_finish_network(struct run_options *o, struct err *err)
{
	struct container_config *c = &o->config;
	bool asked = c->endpoint_count > 0;
	int rc;

	if (!asked)
		container_config_add_endpoint(c)->network = xstrdup("default");
	if (o->mac && *o->mac)
		replace(&c->mac_address, o->mac);
	rc = apply_flags(o, &c->endpoints[0], err);
	if (rc == 0)
		rc = check_kinds(c, err);
	if (rc == 0)
		rc = check_macs(c, err);
	if (rc == 0 && asked)
		replace(&c->network_mode, c->endpoints[0].network);
	return rc;
}

/* ---- files of the container ---- */

static int bad_host(const char *fmt, const char *text, struct err *err)
{
	auto_strbuf struct strbuf quoted = {0};

	quote_go(&quoted, text, strlen(text));
	return err_set(err, ERR_USAGE, 0, fmt, strbuf_str(&quoted));
}

/* "name:ADDRESS" or "name=ADDRESS", of IPv6 also in brackets; kept with a colon. */
static int set_host(void *field, const char *value, const struct option *o, struct err *err)
{
	size_t n = strcspn(value, strchr(value, '=') ? "=" : ":");
	const char *address = value[n] ? value + n + 1 : NULL;
	size_t len = address ? strlen(address) : 0;
	auto_free char *bare = NULL;
	struct ip_address a;

	(void)o;
	if (!n || !address)
		return bad_host("bad format for add-host: %s", value, err);
	if (len > 2 && *address == '[' && address[len - 1] == ']')
		bare = xstrndup(address + 1, len - 2);
	else
		bare = xstrdup(address);
	if (!str_eq(bare, "host-gateway") && ip_parse(bare, &a) < 0)
		return bad_host("invalid IP address in add-host: %s", bare, err);
	strv_add_taken(field, xasprintf("%.*s:%s", (int)n, value, bare));
	return 0;
}

static int set_dns(void *field, const char *value, const struct option *o, struct err *err)
{
	char text[IP_TEXT_MAX];
	struct ip_address a;

	(void)o;
	if (ip_parse(value, &a) < 0)
		return err_set(err, ERR_USAGE, 0, "IP address is not correctly formatted: %s",
			       value);
	ip_format(&a, text);
	strv_add(field, text);
	return 0;
}

/* Letters, digits, - and _ between dots, no part empty or with a - at its ends; "." is none at all. */
static bool is_domain(const char *name)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t n;

	for (; *name; name += n + (name[n] == '.')) {
		n = strspn(name, allowed);
		if (!n || *name == '-' || name[n - 1] == '-' || (name[n] && name[n] != '.'))
			return false;
	}
	return true;
}

static int set_search(void *field, const char *value, const struct option *o, struct err *err)
{
	(void)o;
	if (!str_eq(value, ".") && (!*value || strlen(value) > 255 || !is_domain(value)))
		return err_set(err, ERR_USAGE, 0, "%s is not a valid domain", value);
	strv_add(field, value);
	return 0;
}

/* "container" or "container:alias", kept with both. */
static int set_link(void *field, const char *value, const struct option *o, struct err *err)
{
	const char *colon = strchr(value, ':');
	size_t n = colon ? (size_t)(colon - value) : strlen(value);

	(void)o;
	if (!*value)
		return err_set(err, ERR_USAGE, 0, "empty string specified for links");
	if (colon && strchr(colon + 1, ':'))
		return err_set(err, ERR_USAGE, 0, "bad format for links: %s", value);
	strv_add_taken(field, xasprintf("%.*s:%s", (int)n, value, colon ? colon + 1 : value));
	return 0;
}

const struct option_type option_network = {"network", false, set_network};
const struct option_type option_add_host = {"list", false, set_host};
const struct option_type option_dns = {"list", false, set_dns};
const struct option_type option_dns_search = {"list", false, set_search};
const struct option_type option_link = {"list", false, set_link};
