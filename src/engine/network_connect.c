/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `network connect` and `disconnect`. Under the lock of the record, which is read afresh there, so that
 * two of them do not lose each other's change. What is refused, and how, is moby's
 * daemon/container_operations.go.
 */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "engine/event.h"
#include "engine/host_files.h"
#include "engine/internal.h"
#include "engine/keeper_notify.h"
#include "engine/network.h"
#include "engine/network_release.h"
#include "network/script.h"

/* One change under way. */
struct change {
	struct engine *e;
	struct container *c;
	struct network network;
	struct network_store store;
	struct sandbox sandbox; /* of a running container */
	int record_dir, run_dir, pidfd;
	char run_path[PATH_MAX];
};

static void change_end(struct change *g)
{
	network_free(&g->network);
	sandbox_free(&g->sandbox);
	cleanup_close(&g->record_dir);
	cleanup_close(&g->run_dir);
	cleanup_close(&g->pidfd);
}
#define auto_change __attribute__((cleanup(change_end)))

static void change_init(struct change *g, struct engine *e, struct container *c)
{
	memset(g, 0, sizeof(*g));
	g->e = e;
	g->c = c;
	g->record_dir = g->run_dir = g->pidfd = -1;
	network_init(&g->network);
	sandbox_init(&g->sandbox);
	engine_network_store(e, &g->store);
	snprintf(g->run_path, sizeof(g->run_path), "%s/containers/%s", e->run_root, c->id);
}

static int refuse(struct err *err, const char *text)
{
	return err_set(err, ERR_FORBIDDEN, EPERM, "%s", text);
}

static const char *driver_of(const struct network *n)
{
	return n->driver ? n->driver : "";
}

/* In "none" or "host", which no request stands for. */
static bool is_in_predefined(const struct container *c, const char *network)
{
	return !c->config.endpoint_count && (str_eq(network, "none") || str_eq(network, "host")) &&
	       str_eq(container_network_name(&c->config), network);
}

static int refuse_twice(const struct container *c, const struct network *n, struct err *err)
{
	return err_set(err, ERR_FORBIDDEN, EEXIST,
		       "endpoint with name %s already exists in network %s", c->name, n->name);
}

/* A network that cannot be joined beside others, or a container that has none of its own. */
static int check_kinds(const struct container *c, const struct network *n, struct err *err)
{
	const char *mode = container_network_name(&c->config);

	if (is_in_predefined(c, n->name))
		return refuse_twice(c, n, err);
	if (str_eq(driver_of(n), "host"))
		return refuse(err,
			      "container cannot be disconnected from host network or connected to "
			      "host network");
	if (!*mode || str_eq(mode, "host"))
		return refuse(err,
			      "container sharing network namespace with another container or host "
			      "cannot be connected to any other network");
	if (str_eq(driver_of(n), "null") || (str_eq(mode, "none") && !c->config.endpoint_count))
		return refuse(err,
			      "container cannot be connected to multiple networks with one of the "
			      "networks in private (none) mode");
	return 0;
}

static struct endpoint_request *find_request(struct container_config *c, const char *network)
{
	for (size_t i = 0; i < c->endpoint_count; i++) {
		if (str_eq(c->endpoints[i].network, network))
			return &c->endpoints[i];
	}
	return NULL;
}

static void drop_request(struct container_config *c, const char *network)
{
	struct endpoint_request *r = find_request(c, network);
	size_t i = r ? (size_t)(r - c->endpoints) : 0;

	if (!r)
		return;
	endpoint_request_clear(r);
	memmove(r, r + 1, (c->endpoint_count - i - 1) * sizeof(*r));
	c->endpoint_count--;
}

/* The process and the files of a running container, which must not end meanwhile unseen. */
static int open_running(struct change *g, struct err *err)
{
	int rc;

	g->pidfd = container_open_init(g->e, g->c, err);
	if (g->pidfd < 0)
		return g->pidfd;
	g->run_dir = container_run_dir(g->e, g->c->id);
	if (g->run_dir < 0)
		return err_set(err, ERR_SYSTEM, -g->run_dir, "open %s: %s", g->run_path,
			       err_errno_text(-g->run_dir));
	rc = sandbox_read(g->run_dir, &g->sandbox, err);
	if (rc != -ENOENT)
		return rc;
	/* It was started without any. */
	memcpy(g->sandbox.container_id, g->c->id, sizeof(g->sandbox.container_id));
	g->sandbox.container_name = xstrdup(g->c->name);
	return 0;
}

static int begin(struct change *g, const char *network, struct err *err)
{
	int rc = network_find(&g->store, network, &g->network, err);

	if (rc == 0)
		rc = container_record_lock(g->e, g->c, &g->record_dir, err);
	return rc;
}

static int write_record(struct change *g, struct err *err)
{
	return container_record_write(g->c, g->record_dir, g->c->persistent, err);
}

/* Keeper and monitor. */
static void tell_running(const struct change *g)
{
	event_refresh_networks(&g->sandbox, g->run_dir);
	keeper_notify_reload(g->e, g->c->id);
}

/* The name service of a container that had none so far: its sockets are made inside, and go by its
 * monitor to the keeper. */
static int add_names(struct change *g, struct err *err)
{
	struct script_names names = {.udp = -1, .tcp = -1};
	auto_close int monitor = -1;
	int rc = sandbox_open_names(g->c->state.pid, g->pidfd, &names, err);

	/* They are there since it had names before: its monitor keeps them. */
	if (rc == -EADDRINUSE)
		return 0;
	if (rc == 0) {
		monitor = monitor_connect(g->e, g->c->id);
		rc = monitor < 0 ? err_set(err, ERR_SYSTEM, -monitor, "reach the monitor: %s",
					   err_errno_text(-monitor))
				 : network_add_sockets(monitor, (int[]){names.udp, names.tcp}, 2,
						       true, err);
	}
	cleanup_close(&names.udp);
	cleanup_close(&names.tcp);
	return rc;
}

/* With the first network that has names, or without the last one, others are asked. */
static int change_resolvers(struct change *g, bool had_names, struct err *err)
{
	const struct host_files files = {.c = g->c, .sandbox = &g->sandbox};
	bool has = sandbox_has_names(&g->sandbox);
	int rc = 0;

	if (has == had_names)
		return 0;
	if (has)
		rc = add_names(g, err);
	return rc < 0 ? rc : host_files_write_resolv_conf(&files, g->run_dir, err);
}

static int connect_running(struct change *g, const struct endpoint_request *request,
			   struct err *err)
{
	int rc = open_running(g, err);
	bool had_names;

	if (rc < 0)
		return rc;
	had_names = sandbox_has_names(&g->sandbox);
	for (size_t i = 0; i < g->sandbox.endpoint_count; i++) {
		if (str_eq(g->sandbox.endpoints[i].network_id, g->network.id))
			return refuse_twice(g->c, &g->network, err);
	}
	rc = sandbox_connect(&g->store, &g->sandbox, request, g->run_dir, g->run_path,
			     g->c->state.pid, g->pidfd, err);
	if (rc == 0)
		rc = change_resolvers(g, had_names, err);
	if (rc < 0 || !g->sandbox.endpoint_count)
		return rc;
	return host_files_edit(g->c, &g->sandbox.endpoints[g->sandbox.endpoint_count - 1], true,
			       g->run_dir, err);
}

int container_network_connect(struct engine *e, struct container *c,
			      struct endpoint_request *request, struct err *err)
{
	auto_change struct change g;
	bool runs;
	int rc;

	change_init(&g, e, c);
	rc = begin(&g, request->network, err);
	if (rc == 0)
		rc = check_kinds(c, &g.network, err);
	if (rc < 0)
		return rc;
	free(request->network);
	request->network = xstrdup(g.network.name);
	rc = endpoint_request_check(request, err);
	runs = container_is_alive(c);
	if (rc == 0 && runs)
		rc = connect_running(&g, request, err);
	if (rc < 0)
		return rc;
	drop_request(&c->config, g.network.name);
	*container_config_add_endpoint(&c->config) = *request;
	*request = (struct endpoint_request){0};
	rc = write_record(&g, err);
	if (rc < 0 || !runs)
		return rc;
	tell_running(&g);
	event_network(e, "connect", c->id, g.network.id, g.network.name);
	return 0;
}

static int disconnect_running(struct change *g, struct err *err)
{
	const struct endpoint *endpoint = NULL;
	int rc = open_running(g, err);
	bool had_names = rc == 0 && sandbox_has_names(&g->sandbox);

	for (size_t i = 0; rc == 0 && i < g->sandbox.endpoint_count; i++) {
		if (str_eq(g->sandbox.endpoints[i].network_id, g->network.id))
			endpoint = &g->sandbox.endpoints[i];
	}
	if (rc == 0 && !endpoint)
		return err_set(err, ERR_CONFLICT, ENOENT,
			       "container %s is not connected to network %s", g->c->id,
			       g->network.name);
	if (rc == 0)
		rc = host_files_edit(g->c, endpoint, false, g->run_dir, err);
	if (rc == 0)
		rc = sandbox_disconnect(&g->store, &g->sandbox, g->network.id, g->run_dir,
					g->run_path, g->c->state.pid, g->pidfd, err);
	return rc < 0 ? rc : change_resolvers(g, had_names, err);
}

/* The network is gone, its name is all there is. */
static int forget(struct change *g, const char *network, struct err *err)
{
	int rc = container_record_lock(g->e, g->c, &g->record_dir, err);

	if (rc < 0)
		return rc;
	if (!find_request(&g->c->config, network))
		return err_set(err, ERR_CONFLICT, ENOENT,
			       "container %s is not connected to the network %s", g->c->id,
			       network);
	drop_request(&g->c->config, network);
	return write_record(g, err);
}

int container_network_disconnect(struct engine *e, struct container *c, const char *network,
				 bool force, struct err *err)
{
	auto_change struct change g;
	bool runs;
	int rc;

	change_init(&g, e, c);
	rc = begin(&g, network, err);
	if (rc < 0 && err->kind == ERR_NOT_FOUND && force)
		return forget(&g, network, err);
	if (rc < 0)
		return rc;
	if (str_eq(driver_of(&g.network), "host") &&
	    str_eq(container_network_name(&c->config), "host"))
		return refuse(err,
			      "container cannot be disconnected from host network or connected to "
			      "host network");
	runs = container_is_alive(c);
	/* From then on it is like one that has left the default network, and may be connected. */
	if (is_in_predefined(c, g.network.name)) {
		free(c->config.network_mode);
		c->config.network_mode = xstrdup("default");
		rc = write_record(&g, err);
		if (rc == 0)
			event_network(e, "disconnect", c->id, g.network.id, g.network.name);
		return rc;
	}
	if (!runs && !find_request(&c->config, g.network.name))
		return err_set(err, ERR_CONFLICT, ENOENT,
			       "container %s is not connected to the network %s", c->id,
			       g.network.name);
	if (runs) {
		rc = disconnect_running(&g, err);
		if (rc < 0)
			return rc;
	}
	drop_request(&c->config, g.network.name);
	rc = write_record(&g, err);
	if (rc < 0)
		return rc;
	if (runs)
		tell_running(&g);
	event_network(e, "disconnect", c->id, g.network.id, g.network.name);
	return 0;
}
