/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where networks are, who is in one, and what is left of containers whose monitor is gone. See
 * network.h.
 */
#include "engine/network.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "engine/internal.h"
#include "network/script.h"

void engine_network_store(const struct engine *e, struct network_store *s)
{
	network_store_init(s, e->root, e->root_fd, e->run_root, e->run_fd);
	if (*e->bridge && !str_eq(e->bridge, "none"))
		memcpy(s->default_bridge, e->bridge, sizeof(s->default_bridge));
	s->default_address = e->bridge_address;
	s->respect = e->respect_firewall;
}

bool container_sandbox(const struct engine *e, const struct container *c, struct sandbox *out)
{
	auto_close int run_dir = -1;
	struct err ignored = ERR_INIT;

	sandbox_init(out);
	if (!container_is_alive(c) || !c->config.endpoint_count)
		return false;
	run_dir = container_run_dir(e, c->id);
	return run_dir >= 0 && sandbox_read(run_dir, out, &ignored) == 0;
}

static bool find_endpoint(const struct sandbox *s, const char *network_id, size_t *index)
{
	for (size_t i = 0; i < s->endpoint_count; i++) {
		if (str_eq(s->endpoints[i].network_id, network_id)) {
			*index = i;
			return true;
		}
	}
	return false;
}

/* True when the container lives and is in the network. */
static bool read_member(struct engine *e, const struct network *n, const char *id,
			struct network_member *m)
{
	auto_close int run_dir = -1;
	struct err ignored = ERR_INIT;

	sandbox_init(&m->sandbox);
	if (!id_is_hex(id, ID_LEN) || !container_lock_is_held(e, id))
		return false;
	run_dir = container_run_dir(e, id);
	return run_dir >= 0 && sandbox_read(run_dir, &m->sandbox, &ignored) == 0 &&
	       find_endpoint(&m->sandbox, n->id, &m->endpoint);
}

static int compare_members(const void *a, const void *b)
{
	return strcmp(((const struct network_member *)a)->sandbox.container_id,
		      ((const struct network_member *)b)->sandbox.container_id);
}

int engine_network_members(struct engine *e, const struct network *n, struct network_member **out,
			   size_t *count, struct err *err)
{
	auto_strv struct strv ids = {0};
	struct network_store store;
	struct network_member *list;
	size_t found = 0;
	int rc;

	engine_network_store(e, &store);
	rc = network_users(&store, n, &ids, err);
	if (rc < 0)
		return rc;
	list = xcalloc(ids.count + 1, sizeof(*list));
	for (size_t i = 0; i < ids.count; i++) {
		if (read_member(e, n, ids.items[i], &list[found]))
			found++;
		else
			sandbox_free(&list[found].sandbox);
	}
	if (found)
		qsort(list, found, sizeof(*list), compare_members);
	*out = list;
	*count = found;
	return 0;
}

void network_members_free(struct network_member *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sandbox_free(&list[i].sandbox);
	free(list);
}

void container_network_sweep(const struct engine *e, const char *id)
{
	auto_close int run_dir = container_run_dir(e, id);
	int rc = run_dir < 0 ? 0 : script_undo_file(run_dir);

	if (rc < 0)
		program_log(&e->log, LOG_LEVEL_WARN, id, "take back its network: %s",
			    err_errno_text(-rc));
}
