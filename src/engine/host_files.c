/* SPDX-License-Identifier: Apache-2.0 */
/* The three network files. Made anew at each start, as Docker does. */
#include "engine/host_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/resolv_conf.h"

#define HOST_FILE_MAX 65536
#define HOST_GATEWAY "host-gateway"

static int write_file(int dir, const char *name, const char *text, size_t n, struct err *err)
{
	/* Into a directory that only we know of: no need to write aside. */
	auto_close int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int rc = fd < 0 ? -errno : fd_write_all(fd, text, n);

	/* The container's users must be able to read them, whatever our umask. */
	if (rc == 0 && fchmod(fd, 0644) < 0)
		rc = -errno;
	return rc < 0 ? err_set(err, ERR_SYSTEM, -rc, "write %s: %s", name, err_errno_text(-rc))
		      : 0;
}

static int copy_hosts(int dir, struct err *err)
{
	auto_free char *text = NULL;
	size_t n = 0;
	int rc = file_read_at(AT_FDCWD, "/etc/hosts", HOST_FILE_MAX, &text, &n);

	if (rc < 0 && rc != -ENOENT)
		return err_set(err, ERR_SYSTEM, -rc, "read /etc/hosts: %s", err_errno_text(-rc));
	return write_file(dir, "hosts", rc == 0 ? text : "", n, err);
}

/* "name:address", where the address may be that of the host. */
static int put_extra_host(const struct host_files *f, const char *entry, struct strbuf *out,
			  struct err *err)
{
	size_t n = strcspn(entry, ":");
	const char *address = entry[n] ? entry + n + 1 : "";
	char text[IP_TEXT_MAX];

	if (!*address)
		return 0;
	if (str_eq(address, HOST_GATEWAY)) {
		if (!f->host_gateway || !f->host_gateway->family)
			return err_set(err, ERR_INVALID, EINVAL,
				       "unable to derive the IP value for " HOST_GATEWAY);
		ip_format(f->host_gateway, text);
		address = text;
	}
	strbuf_printf(out, "%s\t%.*s\n", address, (int)n, entry);
	return 0;
}

/* An address with the host's full name, and the name without the domain, wherever that was given. */
static void put_address(const struct container *c, const struct ip_address *a, struct strbuf *out)
{
	const char *domain = c->config.domainname;
	bool apart = domain && *domain;
	auto_free char *name =
		xasprintf("%s%s%s", c->config.hostname, apart ? "." : "", apart ? domain : "");
	size_t first = strcspn(name, ".");
	char text[IP_TEXT_MAX];

	if (!a->family)
		return;
	ip_format(a, text);
	strbuf_printf(out, "%s\t%s", text, name);
	if (name[first])
		strbuf_printf(out, " %.*s", (int)first, name);
	strbuf_putc(out, '\n');
}

static int build_hosts(const struct host_files *f, struct strbuf *out, struct err *err)
{
	const struct container *c = f->c;
	int rc = 0;

	strbuf_puts(out, "127.0.0.1\tlocalhost\n"
			 "::1\tlocalhost ip6-localhost ip6-loopback\n"
			 "fe00::0\tip6-localnet\n"
			 "ff00::0\tip6-mcastprefix\n"
			 "ff02::1\tip6-allnodes\n"
			 "ff02::2\tip6-allrouters\n");
	for (size_t i = 0; rc == 0 && i < c->config.extra_hosts.count; i++)
		rc = put_extra_host(f, c->config.extra_hosts.items[i], out, err);
	for (size_t i = 0; f->links && i < f->links->count; i++)
		strbuf_printf(out, "%s\n", f->links->items[i]);
	for (size_t i = 0; f->sandbox && i < f->sandbox->endpoint_count; i++) {
		put_address(c, &f->sandbox->endpoints[i].ipv4.address, out);
		put_address(c, &f->sandbox->endpoints[i].ipv6.address, out);
	}
	return rc;
}

static int write_hosts(const struct host_files *f, int run_dir, struct err *err)
{
	auto_strbuf struct strbuf b = {0};
	int rc = build_hosts(f, &b, err);

	return rc < 0 ? rc : write_file(run_dir, "hosts", b.data, b.len, err);
}

/* Drops the lines that begin with this address. */
static void drop_address(const struct ip_address *a, char *text)
{
	char address[IP_TEXT_MAX];
	size_t n;

	if (!a->family)
		return;
	ip_format(a, address);
	n = strlen(address);
	for (char *line = text; *line;) {
		char *next = line + strcspn(line, "\n");

		next += *next == '\n';
		if (strncmp(line, address, n) == 0 && (line[n] == '\t' || line[n] == ' '))
			memmove(line, next, strlen(next) + 1);
		else
			line = next;
	}
}

int host_files_edit(const struct container *c, const struct endpoint *endpoint, bool add,
		    int run_dir, struct err *err)
{
	auto_strbuf struct strbuf b = {0};
	auto_free char *text = NULL;
	size_t n;
	int rc = file_read_at(run_dir, "hosts", HOST_FILE_MAX, &text, &n);

	/* The container's own to empty, fill or make no text of. */
	if (rc < 0 || strlen(text) != n)
		return 0;
	drop_address(&endpoint->ipv4.address, text);
	drop_address(&endpoint->ipv6.address, text);
	strbuf_puts(&b, text);
	if (add) {
		put_address(c, &endpoint->ipv4.address, &b);
		put_address(c, &endpoint->ipv6.address, &b);
	}
	return write_file(run_dir, "hosts", strbuf_str(&b), b.len, err);
}

bool sandbox_has_names(const struct sandbox *s)
{
	for (size_t i = 0; s && i < s->endpoint_count; i++) {
		if (s->endpoints[i].has_names)
			return true;
	}
	return false;
}

static bool is_host_network(const struct container_config *c)
{
	return c->network_mode && str_eq(c->network_mode, "host");
}

int host_files_write_resolv_conf(const struct host_files *f, int run_dir, struct err *err)
{
	const struct container_config *c = &f->c->config;
	enum resolv_kind kind = is_host_network(c)              ? RESOLV_HOST
				: sandbox_has_names(f->sandbox) ? RESOLV_SERVICE
								: RESOLV_OWN;
	auto_strbuf struct strbuf b = {0};
	auto_free char *host = NULL;
	int rc = resolv_conf_host(kind, &host, err);

	if (rc < 0)
		return rc;
	resolv_conf_build(kind, host, &c->dns, &c->dns_search, &c->dns_options, &b);
	return write_file(run_dir, "resolv.conf", strbuf_str(&b), b.len, err);
}

int host_files_write(const struct host_files *f, int run_dir, struct err *err)
{
	const struct container_config *c = &f->c->config;
	auto_free char *hostname = xasprintf("%s\n", c->hostname);
	int rc = write_file(run_dir, "hostname", hostname, strlen(hostname), err);

	/* The host's own, unless something is to be added to it. */
	if (rc == 0)
		rc = is_host_network(c) && !c->extra_hosts.count ? copy_hosts(run_dir, err)
								 : write_hosts(f, run_dir, err);
	return rc < 0 ? rc : host_files_write_resolv_conf(f, run_dir, err);
}
