/* SPDX-License-Identifier: Apache-2.0 */
/* Making and removing networks, told in the journal of events. */
#include "engine/network_manage.h"

#include <errno.h>

#include "base/str.h"
#include "engine/event.h"

static void tell(struct engine *e, const struct network *n, const char *action)
{
	event_emit(e, "network", action, n->id,
		   (struct event_attribute[]){{"name", n->name}, {"type", n->driver}}, 2);
}

static bool is_other(const char *value, const char *usual)
{
	return value && *value && !str_eq(value, usual);
}

static int check_demands(const struct network_demands *d, struct err *err)
{
	if (d->ingress)
		return err_set(err, ERR_FORBIDDEN, EPERM,
			       "Ingress network can only be global scope network");
	if (is_other(d->scope, "local") && str_eq(d->scope, "swarm"))
		return err_set(err, ERR_FORBIDDEN, EPERM,
			       "cannot create a swarm scoped network when swarm is not active");
	if (is_other(d->scope, "local"))
		return err_set(err, ERR_INVALID, EINVAL, "invalid scope %.200s: networks are local",
			       d->scope);
	if (is_other(d->ipam_driver, "default"))
		return err_set(err, ERR_NOT_FOUND, ENOENT, "plugin \"%.200s\" not found",
			       d->ipam_driver);
	if (d->config_only || d->config_from)
		return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
			       "networks that only hold a configuration for others are not "
			       "supported: give the options to each network");
	if (d->no_ipv4)
		return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
			       "networks without IPv4 are not supported");
	return 0;
}

int engine_network_create(struct engine *e, struct network *n, const struct network_demands *d,
			  struct err *err)
{
	auto_network struct network first;
	struct network_store s;
	int rc;

	network_init(&first);
	rc = check_demands(d, err);
	if (rc < 0)
		return rc;
	engine_network_store(e, &s);
	/* The default network has the first choice of a subnet, used or not. */
	rc = network_find(&s, NETWORK_DEFAULT, &first, err);
	if (rc == 0)
		rc = network_create(&s, n, err);
	if (rc == 0)
		tell(e, n, "create");
	return rc;
}

int engine_network_remove(struct engine *e, const char *reference, struct err *err)
{
	auto_network struct network n;
	struct network_store s;
	int rc;

	network_init(&n);
	engine_network_store(e, &s);
	rc = network_find(&s, reference, &n, err);
	if (rc == 0)
		rc = network_remove(&s, &n, err);
	if (rc == 0)
		tell(e, &n, "destroy");
	return rc;
}

int engine_network_list(struct engine *e, struct network **out, size_t *count, struct err *err)
{
	struct network_store s;

	engine_network_store(e, &s);
	return network_list(&s, out, count, err);
}
