/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's connections: addresses, devices, published ports; what is asked for, what was given,
 * and the script (network/script.h) that does it.
 *
 * Files: <run>/network/<network id>/address/<ip> is a symlink that says "<container id> <veth>" and is
 * made atomically: whoever makes it has the address. It goes when the script is undone; one whose
 * container is gone is taken over only once the device that used it is gone too.
 * <run>/containers/<id>/network.json is struct sandbox, for inspect, debug, names and rules put back.
 */
#ifndef CLOCHE_NETWORK_ENDPOINT_H
#define CLOCHE_NETWORK_ENDPOINT_H

#include "network/network.h"
#include "network/script.h"

#define SANDBOX_FILE "network.json"

/* One of --network, or `network connect`. Strings are heap-owned, NULL unset. */
struct endpoint_request {
	char *network; /* name or id, as typed */
	struct strv aliases, links, driver_options;
	struct strv link_local; /* addresses besides the network's own */
	char *ipv4, *ipv6;      /* wanted addresses */
	char *mac;
	int64_t gw_priority; /* the highest has the default route and the published ports */
};
void endpoint_request_clear(struct endpoint_request *r);

/* One published port. */
struct port_binding {
	uint16_t container_port, host_port; /* host_port 0 in a request: any */
	uint16_t host_port_last; /* request: end of the range to choose from; else host_port */
	uint8_t protocol;        /* IPPROTO_TCP, IPPROTO_UDP */
	struct ip_address host_address; /* family 0: every address, IPv4 and IPv6 */
	uint8_t network;                /* sandbox: index of the endpoint that it leads to */
};

struct endpoint {
	char id[ID_LEN + 1], network_id[ID_LEN + 1];
	char *network_name;
	char bridge[IFNAMSIZ];
	char device[IFNAMSIZ];       /* inside: "eth0" */
	char veth[IFNAMSIZ];         /* on the host, of the first run; see struct script_link */
	struct ip_prefix ipv4, ipv6; /* family 0: none */
	struct ip_address gateway4, gateway6;
	uint8_t mac[6];
	bool internal, has_names;        /* has_names: a user network */
	struct strv aliases;             /* without the container's name and short id */
	struct endpoint_request request; /* what it came from, for inspect */
	uint32_t mtu;                    /* 0: the kernel's choice */
	bool isolated;                   /* speaks with the bridge alone, not with its neighbours */
	/* Not in network.json: */
	uint32_t bridge_index;
	struct ip_address binding; /* where ports are published; family 0: everywhere */
};

struct sandbox {
	char container_id[ID_LEN + 1];
	char *container_name;
	struct endpoint *endpoints; /* in the order in which they were connected */
	size_t endpoint_count;
	struct port_binding
		*ports; /* host_port and host_address decided: never "every address", but one
				     * entry each for 0.0.0.0 and :: */
	size_t port_count;
	struct strv dns; /* --dns: the name service asks these instead of the host's resolvers */
};
/* Whether the monitor takes all that comes to a port: [::1] always, and IPv6 to an endpoint without it. */
bool sandbox_port_is_forwarded(const struct sandbox *s, const struct port_binding *p);
/* Whether its socket listens: all of IPv6, since what comes to [::1] cannot be translated, and nothing can
 * once the network with IPv6 is left. Others are only bound. */
bool sandbox_port_listens(const struct port_binding *p);
void sandbox_init(struct sandbox *s);
void sandbox_free(struct sandbox *s);
#define auto_sandbox __attribute__((cleanup(sandbox_free)))

struct sandbox_request {
	const char *container_id, *container_name;
	const struct endpoint_request *endpoints;
	size_t endpoint_count;
	const struct port_binding *ports;
	size_t port_count;
	const struct strv *dns; /* NULL: none */
};

/* Sockets that keep the host's ports for the container: bound, so that nobody else gets them, and those
 * of IPv6 that cannot be translated listening (the monitor forwards what comes): one for each of the
 * sandbox's ports, in their order. All are the caller's. */
struct sandbox_sockets {
	int *fds;
	size_t count;
};

/*
 * Brings the networks up, takes addresses and ports, and writes network.json and network.script below
 * run_dir (a descriptor; run_path its absolute path). Nothing of the kernel's is changed for the
 * container yet: that is script_run(). On failure everything taken is given back. Errors in Docker's
 * words: "network x not found", "driver failed programming external connectivity on endpoint NAME
 * (ID): Bind for 0.0.0.0:80 failed: port is already allocated", "... listen tcp4 0.0.0.0:80: bind:
 * address already in use", "no available IPv4 addresses on this network's address pools: x (id)",
 * "Address already in use", "user specified IP address is supported on user defined networks only".
 */
int must_check sandbox_prepare(struct network_store *s, const struct sandbox_request *request,
			       int run_dir, const char *run_path, struct sandbox *out,
			       struct sandbox_sockets *sockets, struct err *err);
/* network.json of a container; -ENOENT when it is not connected. */
int must_check sandbox_read(int run_dir, struct sandbox *out, struct err *err);
int must_check sandbox_write(const struct sandbox *s, int run_dir, struct err *err);

/* `network connect` and `disconnect` of a running container with this pid: device, address, files,
 * script. The caller tells the keeper. */
int must_check sandbox_connect(struct network_store *s, struct sandbox *sandbox,
			       const struct endpoint_request *request, int run_dir,
			       const char *run_path, pid_t pid, int pidfd, struct err *err);
int must_check sandbox_disconnect(struct network_store *s, struct sandbox *sandbox,
				  const char *network_id, int run_dir, const char *run_path,
				  pid_t pid, int pidfd, struct err *err);

/* The sockets of the name service inside, of a container that was started without; the caller's. */
int must_check sandbox_open_names(pid_t pid, int pidfd, struct script_names *names,
				  struct err *err);

/* Ids of the containers that have an endpoint in a network (addresses that are held); the caller frees. */
int must_check network_users(struct network_store *s, const struct network *n, struct strv *ids,
			     struct err *err);

/* What crashes left: addresses and ports whose container is dead. kind: "address" or "port"; rc: 0, or
 * why a repair could not remove it (-EBUSY: its device still stands). With repair, a dead container's
 * script is undone. */
typedef void network_finding_fn(void *context, const char *kind, const char *what,
				const char *container_id, int rc);
int must_check network_sweep(struct network_store *s, bool repair, network_finding_fn *report,
			     void *context, struct err *err);

#endif
