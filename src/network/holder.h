/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds an address or a port, for the files of this folder only: a symlink in the run root says
 * "<container id> <veth>". Making it is the taking; it is made by symlink(2), which fails for all but
 * one.
 */
#ifndef CLOCHE_NETWORK_HOLDER_H
#define CLOCHE_NETWORK_HOLDER_H

#include "network/endpoint.h"

#define HOLDER_PORTS "network/ports" /* below the run root */

struct holder {
	char container_id[ID_LEN + 1];
	char veth[IFNAMSIZ]; /* of a port: "-" */
};
#define HOLDER_TEXT_MAX (ID_LEN + 1 + IFNAMSIZ)

void holder_format(const struct holder *h, char out[static HOLDER_TEXT_MAX]);
bool holder_same(const struct holder *a, const struct holder *b);
/* -ENOENT when nobody holds it, -EINVAL when the link says something else. */
int must_check holder_read(int dir, const char *name, struct holder *out);

/* Whether the container is being made, runs, or is being swept up after: somebody has its lock. */
bool holder_lives(const struct network_store *s, const char *container_id);
/* Takes the dead container's lock for a moment and undoes what its script did, if it left one. -EBUSY
 * when it is not dead. */
int must_check holder_bury(const struct network_store *s, const char *container_id);

/* Devices of the host whose names are those of a veth but for the run's number; the list is read once,
 * when first asked for. */
struct holder_devices {
	char (*names)[IFNAMSIZ];
	size_t count;
	bool known;
};
/* True also when that cannot be found out. */
bool holder_device_stands(struct holder_devices *d, const char *veth);
void holder_devices_free(struct holder_devices *d);
#define auto_holder_devices __attribute__((cleanup(holder_devices_free)))

#endif
