/* SPDX-License-Identifier: Apache-2.0 */
/* One container in a list: the words for its state and command, and which filters it passes. */
#ifndef CLOCHE_ENGINE_SUMMARY_H
#define CLOCHE_ENGINE_SUMMARY_H

#include "base/str.h"
#include "base/strv.h"
#include "engine/engine.h"

/* "Up 3 minutes", "Exited (137) About a minute ago", "Created", ...; now is the wall clock. */
void container_status_line(const struct container *c, uint64_t now_ns, struct strbuf *out);
/* The command with its arguments, those that hold blanks in single quotes. */
void container_command_line(const struct container *c, struct strbuf *out);

/* The names of its networks, as `ps` has them: "bridge,other", "none", "host"; "" for that of another
 * container. */
void container_networks(const struct container *c, struct strbuf *out);
/* Whether a network of this name is one of them. */
bool container_is_in_network(const struct container *c, const char *network);
/* What Docker calls the name of mount i: the volume's, also of an anonymous one, else the source. The
 * caller frees it. */
char *container_mount_name(const struct container *c, size_t i);

/* Keeps those of *list (ended by container_list_free with the new *count) that pass every filter
 * "key=value": of one key any value will do, of `label` all must. ERR_INVALID for an unknown key or
 * a value that cannot be. all says whether containers that do not run are wanted; a filter for a
 * status implies it. Needs no more of a container than its brief. */
int must_check container_filter(struct engine *e, const struct strv *filters, bool all,
				struct container *list, size_t *count, struct err *err);

#endif
