/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing networks up when they are first used, and removing them. */
#include <errno.h>

#include "base/str.h"
#include "kernel/link.h"
#include "network/bridge.h"
#include "network/endpoint.h"
#include "network/record.h"
#include "network/subnet.h"
#include "network/table.h"

/* Somebody came to use the default network's subnet while it had no bridge. *moved says whether it has
 * another now. Under the lock of the records. */
static int evade(const struct network_store *s, struct network *n, struct err *err)
{
	auto_subnet_list struct subnet_list taken = {0};
	int rc;

	if (!str_eq(n->name, NETWORK_DEFAULT) || n->pools[0].subnet_given || link_index(n->bridge))
		return 0;
	rc = subnet_add_host(&taken, n->bridge, err);
	if (rc < 0 || !subnet_overlaps(&taken, &n->pools[0].subnet))
		return rc;
	return network_choose_again(s, n, err);
}

/* Others may have done it, or changed or removed the record, while we waited for the lock. */
static int read_again(const struct network_store *s, struct network *n, struct err *err)
{
	struct network fresh;
	int rc;

	network_init(&fresh);
	rc = network_record_read(s, n->id, &fresh, err);
	if (rc == -ENOENT)
		rc = err_set(err, ERR_NOT_FOUND, ENOENT, "network %s not found", n->name);
	if (rc < 0) {
		network_free(&fresh);
		return rc;
	}
	network_free(n);
	*n = fresh;
	return 0;
}

static int bring_up_locked(struct network_store *s, struct network *n, uint32_t *index,
			   struct err *err)
{
	auto_close int lock = -1, subnets = -1;
	int rc = network_lock(s, &lock, err);

	if (rc == 0)
		rc = read_again(s, n, err);
	if (rc == 0)
		rc = subnet_lock(&subnets, err);
	if (rc == 0)
		rc = evade(s, n, err);
	return rc == 0 ? network_bring_up(s, n, index, err) : rc;
}

int network_up(struct network_store *s, struct network *n, uint32_t *bridge_index, struct err *err)
{
	*bridge_index = 0;
	if (!n->bridge[0])
		return err_set(err, ERR_INVALID, EINVAL, "network %s has no bridge", n->name);
	*bridge_index = network_standing(s, n);
	if (*bridge_index && table_stands(s) == 0)
		return 0;
	return bring_up_locked(s, n, bridge_index, err);
}

static int refuse_used(struct network_store *s, const struct network *n, struct err *err)
{
	auto_strv struct strv ids = {0};
	int rc = network_users(s, n, &ids, err);

	if (rc < 0 || !ids.count)
		return rc;
	return err_set(err, ERR_FORBIDDEN, EBUSY,
		       "error while removing network: network %s id %s has active endpoints",
		       n->name, n->id);
}

int network_remove(struct network_store *s, const struct network *n, struct err *err)
{
	auto_close int lock = -1;
	int rc;

	if (network_is_predefined(n))
		return err_set(err, ERR_FORBIDDEN, EPERM,
			       "%s is a pre-defined network and cannot be removed", n->name);
	rc = network_lock(s, &lock, err);
	if (rc == 0)
		rc = refuse_used(s, n, err);
	if (rc == 0)
		rc = network_bring_down(s, n, err);
	if (rc < 0)
		return rc;
	rc = network_record_remove(s, n->id);
	if (rc < 0)
		return err_set(err, ERR_SYSTEM, -rc, "remove network %s: %s", n->name,
			       err_errno_text(-rc));
	network_name_release(s, n->name, n->id);
	return 0;
}
