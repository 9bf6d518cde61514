/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What connects one container, made ready by the engine and executed by whoever holds the container:
 * the monitor (at its start, again at every restart by policy, and backwards at its end), the engine
 * when it connects a running container, and whoever sweeps up after a lost monitor. A flat file,
 * <run>/containers/<id>/network.script, of entries with finished netlink messages in them: executing it
 * parses no text and allocates nothing.
 *
 * It is written before the first of its entries is done, and undoing an entry that was not done is no
 * error: so it can be undone after a crash at any moment.
 */
#ifndef CLOCHE_NETWORK_SCRIPT_H
#define CLOCHE_NETWORK_SCRIPT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define SCRIPT_FILE "network.script"
#define SCRIPT_UNDONE_FILE "network.script.undone" /* while it is being undone */
#define SCRIPT_VERSION 1u
#define SCRIPT_BYTES_MAX (8u << 20)
#define SCRIPT_RUN_LETTERS 2 /* of a veth's name: the number of the run */

enum script_type {
	SCRIPT_LINK = 1, /* struct script_link, then rtnetlink messages for the host's namespace */
	SCRIPT_INSIDE,   /* rtnetlink messages for the container's namespace */
	SCRIPT_SYSCTL,   /* "path below /proc/sys\0value\0", written in the container's namespace */
	SCRIPT_RULES_ADD,    /* one nfnetlink batch */
	SCRIPT_RULES_REMOVE, /* likewise, when the script is undone: "no such element" is no error */
	SCRIPT_UNLINK, /* "absolute path\0owner\0": a symlink, removed when the script is undone, in
			* order, if what it says begins with the owner */
	SCRIPT_NAMES,  /* sockets of the name service, see script_names; table_put_names() */
	SCRIPT_FORGET, /* array of struct conntrack_port: what the kernel remembers of connections to
			* them is forgotten once rules were added and once they were removed; a failure
			* costs only what goes on under the old rules */
	SCRIPT_FORWARD, /* array of struct script_forward in ascending order; for script_forward_find() */
	SCRIPT_SYSCTL_FIRST, /* as SCRIPT_SYSCTL, before any device is made */
};

struct script_header {
	uint32_t version;
	uint32_t bytes; /* of the whole file */
};

/* Entries follow the header one after another, each aligned to 8. */
struct script_entry {
	uint32_t type;  /* enum script_type */
	uint32_t bytes; /* of the payload, which follows; padded to 8 */
};

/* Offsets into the messages that follow, 0: not there. The device's name is "veth" and letters, the last two
 * of which become the number of the run modulo 256 in hex, since the device of the run before may not be
 * gone yet. */
struct script_link {
	uint32_t pid_at;           /* int32 to be set */
	uint32_t name_at;          /* IFNAMSIZ bytes */
	uint32_t port_name_at;     /* likewise */
	uint32_t isolated_name_at; /* likewise */
};

/* Where the name service really is inside a container. Port 53 of that address, which the container asks,
 * is led there: a socket on it would keep programs of the container's from taking port 53 of all
 * addresses. This one is outside of what the kernel gives to sockets that do not choose. */
#define SCRIPT_NAMES_ADDRESS 0x7f00000bu /* 127.0.0.11 */
#define SCRIPT_NAMES_PORT 61053
/* Sockets of the name service: both -1 when the script has no SCRIPT_NAMES. */
struct script_names {
	int udp, tcp;
};

/* A port that rules cannot translate, and where the monitor carries what comes to it. Ports in network
 * order; what is not used is zero, so that whole keys can be compared. */
struct script_port {
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	uint8_t zero;
	uint16_t port;
	uint8_t address[16]; /* of the host's, IPv6 */
};
struct script_forward {
	struct script_port from;
	uint8_t family; /* of the container's address */
	uint8_t zero;
	uint16_t port;
	uint8_t address[16];
};

/* When the last entry of a kind was done, CLOCK_MONOTONIC ns, for the start bill; 0: there was none. */
struct script_times {
	uint64_t links, inside, rules;
};

/* Does what the script of `bytes` (writable: messages are patched in place) says for the container
 * whose first process is pid / pidfd, up to its end or the first failure, which *err explains.
 * Enters the container's network namespace and comes back: single-threaded callers only. run: 0 for the
 * first. Whatever was done stays: the caller undoes. times may be NULL. */
int must_check script_run(void *bytes, size_t n, pid_t pid, int pidfd, uint32_t run,
			  struct script_names *names, struct script_times *times, struct err *err);
/* Reads <run_dir>/network.script and takes back what does not die with the namespace: rules first, then
 * what is to be unlinked (addresses last, so that nobody gets one that rules still point to); then removes
 * the file. Goes on after failures; -errno of the first, 0 also when there is no file. For sweepers and
 * the monitor; run_dir is a descriptor. It has another name meanwhile: who restores rules
 * (network_restore) can tell that they are on their way out. */
int script_undo_file(int run_dir);
/* The same by a socket of nfnetlink that is the caller's to close (*filter; -1: opened when needed), and
 * that not at once: the kernel flushes what was removed when such a socket is closed, which takes a grace
 * period of RCU, and nobody can change rules meanwhile. A moment later there is nothing to flush. */
int script_undo_file_by(int run_dir, int *filter);

/* Where <run_dir>/network.script, as it stands now, has a port lead to: 0, or -ENOENT when nowhere. */
int must_check script_forward_find(int run_dir, const struct script_port *port,
				   struct script_forward *out);

#endif
