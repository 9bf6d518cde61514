/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connecting a container that starts: addresses and ports first, so that the monitor can make the
 * devices while the plan is being laid out. What is taken is on the undo stack until the release.
 */
#include "engine/network_start.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "engine/event.h"
#include "engine/event_journal.h"
#include "engine/host_files.h"
#include "engine/internal.h"
#include "engine/network.h"
#include "engine/network_release.h"
#include "engine/ports.h"
#include "network/script.h"

static void undo_script(int run_dir, const char *path)
{
	(void)path;
	/* What could not be taken back, the sweeping of addresses finds. */
	if (script_undo_file(run_dir) < 0)
		return;
}

static void close_sockets(struct sandbox_sockets *s)
{
	for (size_t i = 0; i < s->count; i++)
		close(s->fds[i]);
	free(s->fds);
	*s = (struct sandbox_sockets){0};
}

void launch_network_free(struct launch *l)
{
	if (!l->sandbox)
		return;
	sandbox_free(l->sandbox);
	free(l->sandbox);
	l->sandbox = NULL;
}

static int prepare(struct launch *l, const struct port_binding *ports, size_t port_count,
		   struct sandbox_sockets *sockets, struct err *err)
{
	const struct container *c = l->c;
	const struct sandbox_request request = {.container_id = c->id,
						.container_name = c->name,
						.endpoints = c->config.endpoints,
						.endpoint_count = c->config.endpoint_count,
						.ports = ports,
						.port_count = port_count,
						.dns = &c->config.dns};
	struct network_store store;
	int rc;

	engine_network_store(l->e, &store);
	l->sandbox = xcalloc(1, sizeof(*l->sandbox));
	sandbox_init(l->sandbox);
	rc = sandbox_prepare(&store, &request, l->run_dir, l->run_path, l->sandbox, sockets, err);
	if (rc < 0)
		return rc;
	rc = undo_push(&l->undo, undo_script, l->run_dir, NULL);
	if (rc < 0) {
		undo_script(l->run_dir, NULL);
		return err_set(err, ERR_SYSTEM, -rc, "remember the network: %s",
			       err_errno_text(-rc));
	}
	return 0;
}

/* What succeeded with a reservation: that of the host's packet filter. */
static void take_warning(struct strv *warnings, struct err *err)
{
	if (err->kind != ERR_UNSUPPORTED)
		return;
	strv_add(warnings, err->msg);
	*err = ERR_INIT;
}

int launch_network(struct launch *l, struct strv *warnings, struct err *err)
{
	auto_free struct port_binding *ports = NULL;
	struct sandbox_sockets sockets = {0};
	size_t count = 0;
	int rc;

	if (!l->plan->early.network)
		return 0;
	/* Of a run before: it was connected to more, or less, while it ran. */
	if (l->c->state.started_ns)
		unlinkat(l->run_dir, EVENT_NETWORKS_FILE, 0);
	rc = container_port_requests(&l->c->config, &ports, &count, err);
	if (rc == 0)
		rc = prepare(l, ports, count, &sockets, err);
	if (rc == 0)
		take_warning(warnings, err);
	if (rc == 0)
		rc = network_release(l->plan, l->control_fd, &sockets, err);
	close_sockets(&sockets);
	return rc;
}

/* ---- files ---- */

static int gateway_of_host(struct launch *l, struct ip_address *out, struct err *err)
{
	auto_network struct network n;
	struct network_store store;
	int rc;

	*out = (struct ip_address){0};
	network_init(&n);
	for (size_t i = 0; i < l->c->config.extra_hosts.count; i++) {
		if (!str_ends(l->c->config.extra_hosts.items[i], ":host-gateway"))
			continue;
		engine_network_store(l->e, &store);
		rc = network_find(&store, NETWORK_DEFAULT, &n, err);
		if (rc == 0 && n.pool_count)
			*out = n.pools[0].gateway;
		return rc;
	}
	return 0;
}

/* "ADDRESS alias host-name name" of the container that "name:alias" links to. */
static int add_link(struct launch *l, const char *link, struct strv *lines, struct err *err)
{
	size_t n = strcspn(link, ":");
	auto_free char *name = xstrndup(link, n);
	const char *alias = link[n] && link[n + 1] ? link + n + 1 : name;
	auto_container struct container other;
	auto_sandbox struct sandbox sandbox;
	char address[IP_TEXT_MAX];

	container_init(&other);
	sandbox_init(&sandbox);
	if (container_find(l->e, name, &other, err) < 0)
		return err_wrap(err, "could not get container for %s", name);
	if (!container_is_alive(&other))
		return err_set(err, ERR_CONFLICT, ESRCH,
			       "Cannot link to a non running container: /%s AS /%s/%s", other.name,
			       l->c->name, alias);
	if (!container_sandbox(l->e, &other, &sandbox) || !sandbox.endpoint_count)
		return 0;
	ip_format(&sandbox.endpoints[0].ipv4.address, address);
	strv_add_taken(lines, xasprintf("%s\t%s %s%s%s", address, alias, other.config.hostname,
					str_eq(alias, other.name) ? "" : " ",
					str_eq(alias, other.name) ? "" : other.name));
	return 0;
}

/* On a user network they are names of the name service. */
static int add_links(struct launch *l, struct strv *lines, struct err *err)
{
	const struct container_config *c = &l->c->config;
	bool by_file = c->endpoint_count && !network_name_is_users(c->endpoints[0].network);
	int rc = 0;

	for (size_t i = 0; rc == 0 && by_file && i < c->links.count; i++)
		rc = add_link(l, c->links.items[i], lines, err);
	return rc;
}

int launch_host_files(struct launch *l, struct err *err)
{
	auto_strv struct strv links = {0};
	struct ip_address gateway;
	const struct host_files files = {
		.c = l->c, .sandbox = l->sandbox, .links = &links, .host_gateway = &gateway};
	int rc = gateway_of_host(l, &gateway, err);

	if (rc == 0)
		rc = add_links(l, &links, err);
	if (rc < 0)
		return rc;
	rc = host_files_write(&files, l->run_dir, err);
	return rc < 0 ? err_wrap(err, "in %s", l->run_path) : 0;
}

void launch_tell_network(struct launch *l)
{
	for (size_t i = 0; l->sandbox && i < l->sandbox->endpoint_count; i++)
		event_network(l->e, "connect", l->c->id, l->sandbox->endpoints[i].network_id,
			      l->sandbox->endpoints[i].network_name);
}
