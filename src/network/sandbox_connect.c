/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connecting and disconnecting a container that runs. The files say what shall be before it is, so that
 * a crash in between leaves nothing that the container's end does not take back; an address is given
 * back only when the device that had it is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/link.h"
#include "network/sandbox.h"
#include "network/script.h"
#include "network/table.h"

#define MESSAGE_BYTES 2048

struct place {
	struct network_store *store;
	int run_dir;
	pid_t pid;
	int pidfd;
};

/* Runs a script that needs no names and is never undone. */
static int run(const struct place *p, struct strbuf *script, struct err *err)
{
	struct script_names names;

	return script_run(script->data, script->len, p->pid, p->pidfd, 0, &names, NULL, err);
}

static int write_files(const struct place *p, const struct sandbox *s, struct err *err)
{
	int rc = sandbox_write(s, p->run_dir, err);

	return rc < 0 ? rc : sandbox_script_write(p->store, s, p->run_dir, err);
}

/* ---- rules of ports, which follow the network with the default route ---- */

static int change_rules(const struct place *p, const struct sandbox *s, bool remove,
			struct err *err)
{
	size_t size = table_ports_bytes(s->port_count);
	auto_free unsigned char *bytes = xcalloc(1, size);
	struct netlink_buffer b = {.bytes = bytes, .size = size};
	auto_close int fd = -1;
	int rc;

	table_put_ports(p->store, s, remove, &b);
	if (!b.used)
		return 0;
	fd = netlink_open(NETLINK_NETFILTER);
	rc = fd < 0 ? fd : netlink_transact(fd, bytes, b.used, NULL);
	if (rc == 0 || (remove && rc == -ENOENT))
		return 0;
	return err_set(err, ERR_SYSTEM, -rc, "publish the ports of %s elsewhere: %s",
		       s->container_name, err_errno_text(-rc));
}

static bool aims_at(const struct sandbox *s, uint8_t target)
{
	return !s->port_count || s->ports[0].network == target;
}

static void aim(struct sandbox *s, uint8_t target)
{
	for (size_t i = 0; i < s->port_count; i++)
		s->ports[i].network = target;
}

static bool has_default_route(const struct sandbox *s, size_t i)
{
	return sandbox_default_route(s, AF_INET) == &s->endpoints[i] ||
	       sandbox_default_route(s, AF_INET6) == &s->endpoints[i];
}

/* ---- connect ---- */

static int attach(const struct place *p, struct sandbox *s, struct err *err)
{
	const struct endpoint *e = &s->endpoints[s->endpoint_count - 1];
	auto_strbuf struct strbuf script = {0};
	uint8_t target = sandbox_port_target(s);
	int rc = 0;

	if (!aims_at(s, target)) {
		rc = change_rules(p, s, true, err);
		aim(s, target);
	}
	if (rc == 0)
		rc = write_files(p, s, err);
	if (rc == 0)
		rc = sandbox_script(p->store, s, e, &script, err);
	if (rc == 0)
		rc = run(p, &script, err);
	return rc;
}

/* The device, if it was made, is in the container's namespace and found there by its name. */
static int detach(const struct place *p, const struct sandbox *s, const struct endpoint *e,
		  bool routes, struct err *err)
{
	_Alignas(8) unsigned char bytes[MESSAGE_BYTES];
	struct netlink_buffer b = {.bytes = bytes, .size = sizeof(bytes)};
	auto_strbuf struct strbuf script = {0};
	int rc;

	script_begin(&script);
	link_put_delete(&b, e->device);
	script_add(&script, SCRIPT_INSIDE, bytes, b.used);
	rc = script_end(&script, err);
	if (rc == 0)
		rc = run(p, &script, err);
	/* Its administrator has removed or renamed it. */
	if (rc == -ENODEV)
		rc = 0;
	if (rc < 0 || !routes)
		return rc;
	b.used = 0;
	sandbox_put_routes(&b, s, NULL);
	if (!b.used)
		return 0;
	strbuf_free(&script);
	script_begin(&script);
	script_add(&script, SCRIPT_INSIDE, bytes, b.used);
	rc = script_end(&script, err);
	return rc < 0 ? rc : run(p, &script, err);
}

static void give_up(const struct place *p, struct sandbox *s, uint8_t target)
{
	size_t last = s->endpoint_count - 1;
	struct endpoint left = s->endpoints[last];
	struct err ignored = ERR_INIT;
	bool routes = has_default_route(s, last), moved = !aims_at(s, target), gone;

	s->endpoints[last] = (struct endpoint){.network_name = NULL};
	sandbox_remove_endpoint(s, last);
	aim(s, target);
	gone = detach(p, s, &left, routes, &ignored) == 0;
	/* Else its address stays taken until the container ends. */
	if (gone)
		endpoint_release(p->store, s, &left);
	endpoint_clear(&left);
	if (write_files(p, s, &ignored) < 0 || (moved && change_rules(p, s, false, &ignored) < 0))
		return;
}

int sandbox_connect(struct network_store *store, struct sandbox *sandbox,
		    const struct endpoint_request *request, int run_dir, const char *run_path,
		    pid_t pid, int pidfd, struct err *err)
{
	struct place p = {.store = store, .run_dir = run_dir, .pid = pid, .pidfd = pidfd};
	uint8_t before = sandbox->port_count ? sandbox->ports[0].network : UINT8_MAX;
	int rc = endpoint_make(store, sandbox, request, err);

	(void)run_path;
	if (rc < 0)
		return rc;
	rc = attach(&p, sandbox, err);
	/* Ports that led nowhere, or where less is preferred, lead here now. */
	if (rc == 0 && !aims_at(sandbox, before))
		rc = change_rules(&p, sandbox, false, err);
	if (rc < 0)
		give_up(&p, sandbox, before);
	return rc;
}

/* ---- disconnect ---- */

static size_t find_endpoint(const struct sandbox *s, const char *network_id)
{
	size_t i = 0;

	while (i < s->endpoint_count && !str_eq(s->endpoints[i].network_id, network_id))
		i++;
	return i;
}

static int part(const struct place *p, struct sandbox *s, size_t i, struct endpoint *left,
		struct err *err)
{
	bool routes = has_default_route(s, i);
	uint8_t before = s->port_count ? s->ports[0].network : UINT8_MAX;
	bool aimed = before == i;
	int rc;

	if (aimed) {
		rc = change_rules(p, s, true, err);
		if (rc < 0)
			return rc;
	}
	*left = s->endpoints[i];
	s->endpoints[i] = (struct endpoint){.network_name = NULL};
	sandbox_remove_endpoint(s, i);
	aim(s, sandbox_port_target(s));
	rc = detach(p, s, left, routes, err);
	if (rc == 0 && aimed)
		rc = change_rules(p, s, false, err);
	return rc;
}

int sandbox_disconnect(struct network_store *store, struct sandbox *sandbox, const char *network_id,
		       int run_dir, const char *run_path, pid_t pid, int pidfd, struct err *err)
{
	struct place p = {.store = store, .run_dir = run_dir, .pid = pid, .pidfd = pidfd};
	struct endpoint left = {.network_name = NULL};
	size_t i = find_endpoint(sandbox, network_id);
	int rc;

	(void)run_path;
	if (i == sandbox->endpoint_count)
		return err_set(err, ERR_FORBIDDEN, ENOTCONN,
			       "container %s is not connected to network %s",
			       sandbox->container_name, network_id);
	rc = part(&p, sandbox, i, &left, err);
	if (rc == 0)
		rc = write_files(&p, sandbox, err);
	if (rc == 0)
		endpoint_release(store, sandbox, &left);
	endpoint_clear(&left);
	return rc;
}

int sandbox_open_names(pid_t pid, int pidfd, struct script_names *names, struct err *err)
{
	auto_strbuf struct strbuf script = {0};
	int rc;

	script_begin(&script);
	script_add_names(&script);
	rc = script_end(&script, err);
	if (rc == 0)
		rc = script_run(script.data, script.len, pid, pidfd, 0, names, NULL, err);
	if (rc < 0) {
		cleanup_close(&names->udp);
		cleanup_close(&names->tcp);
		*names = (struct script_names){-1, -1};
	}
	return rc;
}
