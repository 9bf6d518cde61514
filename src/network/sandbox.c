/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preparing a container's connections: networks are brought up, addresses and ports taken, and what is
 * to be done in the kernel is written down. Whatever was taken is given back when a later step fails;
 * when the caller dies, it is the dead holder's who has no lock any more (network/holder.h).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "kernel/link.h"
#include "network/bridge.h"
#include "network/holder.h"
#include "network/ipam.h"
#include "network/sandbox.h"
#include "network/script.h"

#define STANDING_TRIES 20
#define MAC_BYTES 6
#define PREFIX_OPTION "com.docker.network.container_iface_prefix"
#define PREFIX_MAX 12
#define VETH_RANDOM_BYTES 5 /* of which the first nine digits are shown */

/* ---- what was asked for ---- */

static int check_driver(const struct network *n, struct err *err)
{
	if (str_eq(n->driver, "bridge"))
		return 0;
	if (str_eq(n->driver, "null"))
		return err_set(err, ERR_FORBIDDEN, EPERM,
			       "container cannot be connected to multiple networks with one of the "
			       "networks in private (none) mode");
	return err_set(err, ERR_FORBIDDEN, EPERM,
		       "container cannot be disconnected from host network or connected to host "
		       "network");
}

static int check_wanted(const struct network *n, uint8_t family, const char *text, struct err *err)
{
	const struct network_pool *p = ipam_pool(n, family);

	if (!text || !*text)
		return 0;
	if (network_is_predefined(n))
		return err_set(err, ERR_INVALID, EINVAL,
			       "user specified IP address is supported on user defined networks "
			       "only");
	if (!p || !p->subnet_given)
		return err_set(err, ERR_INVALID, EINVAL,
			       "user specified IP address is supported only when connecting to "
			       "networks with user configured subnets");
	return 0;
}

static int check_request(const struct network *n, const struct sandbox *s,
			 const struct endpoint_request *r, struct err *err)
{
	int rc = check_driver(n, err);

	if (rc == 0)
		rc = check_wanted(n, AF_INET, r->ipv4, err);
	if (rc == 0)
		rc = check_wanted(n, AF_INET6, r->ipv6, err);
	if (rc < 0)
		return rc;
	if (r->aliases.count && network_is_predefined(n))
		return err_set(err, ERR_INVALID, EINVAL,
			       "network-scoped alias is supported only for containers in user "
			       "defined networks");
	for (size_t i = 0; i < s->endpoint_count; i++)
		if (str_eq(s->endpoints[i].network_id, n->id))
			return err_set(err, ERR_FORBIDDEN, EEXIST,
				       "endpoint with name %s already exists in network %s",
				       s->container_name, n->name);
	return 0;
}

static int parse_mac(const char *text, uint8_t out[static MAC_BYTES], struct err *err)
{
	unsigned int b[MAC_BYTES];
	int used = 0;

	if (sscanf(text, "%2x%*1[:-]%2x%*1[:-]%2x%*1[:-]%2x%*1[:-]%2x%*1[:-]%2x%n", &b[0], &b[1],
		   &b[2], &b[3], &b[4], &b[5], &used) != MAC_BYTES ||
	    text[used] != '\0' || used != 17)
		return err_set(err, ERR_INVALID, EINVAL, "invalid MAC address: %s", text);
	for (int i = 0; i < MAC_BYTES; i++)
		out[i] = (uint8_t)b[i];
	if (out[0] & 1)
		return err_set(err, ERR_INVALID, EINVAL,
			       "invalid MAC address: %s is a group's, not a device's", text);
	if (!(b[0] | b[1] | b[2] | b[3] | b[4] | b[5]))
		return err_set(err, ERR_INVALID, EINVAL, "invalid MAC address: %s", text);
	return 0;
}

static int choose_mac(const struct endpoint_request *r, const struct ip_address *ipv4,
		      uint8_t out[static MAC_BYTES], struct err *err)
{
	if (r->mac && *r->mac)
		return parse_mac(r->mac, out, err);
	/* Docker's: neighbours that remember an address remember the right device. */
	out[0] = 0x02;
	out[1] = 0x42;
	memcpy(out + 2, ipv4->bytes, 4);
	return 0;
}

/* ---- names of devices ---- */

static bool has_device(const struct sandbox *s, const char *device)
{
	for (size_t i = 0; i < s->endpoint_count; i++)
		if (str_eq(s->endpoints[i].device, device))
			return true;
	return false;
}

static void choose_device(const struct network *n, const struct sandbox *s,
			  char out[static IFNAMSIZ])
{
	const char *prefix = strv_get_env(&n->options, PREFIX_OPTION);
	size_t length = prefix ? strlen(prefix) : 0;
	unsigned int i = 0;

	if (!length || length > PREFIX_MAX || strchr(prefix, '/'))
		prefix = "eth";
	do
		snprintf(out, IFNAMSIZ, "%s%u", prefix, i++ % 1000);
	while (has_device(s, out));
}

/* "veth", nine random digits, and two for the number of the run. */
static int choose_veth(char out[static IFNAMSIZ], struct err *err)
{
	unsigned char dice[VETH_RANDOM_BYTES];
	char hex[2 * VETH_RANDOM_BYTES + 1];

	if (getrandom(dice, sizeof(dice), 0) != (ssize_t)sizeof(dice))
		return err_sys(err, "name a device");
	hex_encode(dice, sizeof(dice), hex);
	snprintf(out, IFNAMSIZ, "veth%.9s00", hex);
	return 0;
}

/* ---- one endpoint ---- */

static int take(struct network_store *store, const struct network *n, struct endpoint *e,
		const char *container_id, uint8_t family, const char *wanted, struct err *err)
{
	struct ipam_request r = {.network = n, .pool = ipam_pool(n, family)};
	struct ip_prefix *out = family == AF_INET6 ? &e->ipv6 : &e->ipv4;
	struct ip_address *gateway = family == AF_INET6 ? &e->gateway6 : &e->gateway4;
	struct ip_address given;
	int rc;

	if (!r.pool)
		return 0;
	if (wanted && *wanted && (ip_parse(wanted, &r.wanted) < 0 || r.wanted.family != family))
		return err_set(err, ERR_INVALID, EINVAL, "invalid IPv%c address: %s",
			       family == AF_INET6 ? '6' : '4', wanted);
	memcpy(r.holder.container_id, container_id, sizeof(r.holder.container_id));
	memcpy(r.holder.veth, e->veth, sizeof(r.holder.veth));
	rc = ipam_take(store, &r, &given, err);
	if (rc < 0)
		return rc;
	*out = (struct ip_prefix){.address = given, .length = r.pool->subnet.length};
	*gateway = r.pool->gateway;
	return 0;
}

void endpoint_release(const struct network_store *store, const struct sandbox *s,
		      const struct endpoint *e)
{
	if (e->ipv4.address.family)
		ipam_release(store, e->network_id, &e->ipv4.address, s->container_id);
	if (e->ipv6.address.family)
		ipam_release(store, e->network_id, &e->ipv6.address, s->container_id);
}

static int describe(const struct network *n, const struct sandbox *s, struct endpoint *e,
		    struct err *err)
{
	struct network_behaviour b;
	int rc = network_behaviour(n, &b, err);

	if (rc < 0)
		return rc;
	rc = id_generate(e->id);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "make an id: %s", err_errno_text(-rc));
	memcpy(e->network_id, n->id, sizeof(e->network_id));
	e->network_name = xstrdup(n->name);
	memcpy(e->bridge, n->bridge, sizeof(e->bridge));
	e->internal = n->internal;
	e->has_names = !network_is_predefined(n);
	e->mtu = b.mtu;
	e->isolated = !b.icc;
	e->binding = b.binding;
	choose_device(n, s, e->device);
	return choose_veth(e->veth, err);
}

/* Whoever removes the network looks for holders first, and then takes its mark away. It is also away for
 * a moment while others bring the network up: those are waited for by doing the same. */
static int verify_standing(struct network_store *store, struct network *n, struct endpoint *e,
			   struct err *err)
{
	for (int i = 0; i < STANDING_TRIES; i++) {
		int rc;

		if (network_standing(store, n) == e->bridge_index)
			return 0;
		rc = network_up(store, n, &e->bridge_index, err);
		if (rc < 0)
			return rc;
	}
	return err_set(err, ERR_NOT_FOUND, ENOENT, "network %s not found", n->name);
}

static int fill(struct network_store *store, struct network *n, const struct sandbox *s,
		const struct endpoint_request *request, struct endpoint *e, struct err *err)
{
	int rc = describe(n, s, e, err);

	endpoint_request_copy(&e->request, request);
	strv_add_all(&e->aliases, &request->aliases);
	if (rc == 0)
		rc = network_up(store, n, &e->bridge_index, err);
	if (rc == 0)
		rc = take(store, n, e, s->container_id, AF_INET, request->ipv4, err);
	if (rc == 0)
		rc = take(store, n, e, s->container_id, AF_INET6, request->ipv6, err);
	if (rc == 0)
		rc = choose_mac(request, &e->ipv4.address, e->mac, err);
	if (rc == 0)
		rc = verify_standing(store, n, e, err);
	if (rc < 0)
		endpoint_release(store, s, e);
	return rc;
}

int endpoint_make(struct network_store *store, struct sandbox *s,
		  const struct endpoint_request *request, struct err *err)
{
	const char *reference = request->network && *request->network ? request->network
								      : NETWORK_DEFAULT;
	auto_network struct network n;
	struct endpoint made = {.network_name = NULL};
	int rc = network_find(store, reference, &n, err);

	if (rc == 0)
		rc = check_request(&n, s, request, err);
	if (rc == 0)
		rc = fill(store, &n, s, request, &made, err);
	if (rc < 0) {
		endpoint_clear(&made);
		return rc;
	}
	*sandbox_add_endpoint(s) = made;
	return 0;
}

/* ---- all of them ---- */

/* Without a network that is not internal nothing is published. */
static int bind_ports(const struct network_store *store, struct sandbox *s,
		      const struct sandbox_request *request, struct sandbox_sockets *sockets,
		      struct err *err)
{
	auto_free struct port_binding *ports = NULL;
	uint8_t to = sandbox_port_target(s);

	*sockets = (struct sandbox_sockets){.fds = NULL};
	if (to == UINT8_MAX || !request->port_count)
		return 0;
	ports = xcalloc(request->port_count, sizeof(*ports));
	for (size_t i = 0; i < request->port_count; i++) {
		ports[i] = request->ports[i];
		ports[i].network = to;
		if (!ports[i].host_address.family)
			ports[i].host_address = s->endpoints[to].binding;
	}
	return ports_bind(store, s, ports, request->port_count, sockets, err);
}

static int write_files(const struct network_store *store, const struct sandbox *s, int run_dir,
		       struct err *err)
{
	int rc = sandbox_write(s, run_dir, err);

	return rc < 0 ? rc : sandbox_script_write(store, s, run_dir, err);
}

static int prepare(struct network_store *store, const struct sandbox_request *request, int run_dir,
		   struct sandbox *s, struct sandbox_sockets *sockets, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < request->endpoint_count; i++)
		rc = endpoint_make(store, s, &request->endpoints[i], err);
	if (rc == 0)
		rc = bind_ports(store, s, request, sockets, err);
	return rc < 0 ? rc : write_files(store, s, run_dir, err);
}

int sandbox_prepare(struct network_store *store, const struct sandbox_request *request, int run_dir,
		    const char *run_path, struct sandbox *out, struct sandbox_sockets *sockets,
		    struct err *err)
{
	int rc;

	(void)run_path;
	sandbox_init(out);
	*sockets = (struct sandbox_sockets){.fds = NULL};
	/* Of a run whose monitor was lost. What cannot be undone now is reported by system check. */
	rc = script_undo_file(run_dir);
	if (rc < 0)
		*err = ERR_INIT;
	if (str_format(out->container_id, sizeof(out->container_id), "%s", request->container_id) <
	    0)
		return err_set(err, ERR_INVALID, EINVAL, "%s is no id", request->container_id);
	out->container_name = xstrdup(request->container_name);
	if (request->dns)
		strv_add_all(&out->dns, request->dns);
	rc = prepare(store, request, run_dir, out, sockets, err);
	if (rc == 0)
		return 0;
	sandbox_sockets_close(sockets);
	ports_release(store, out);
	for (size_t i = 0; i < out->endpoint_count; i++)
		endpoint_release(store, out, &out->endpoints[i]);
	sandbox_free(out);
	return rc;
}
