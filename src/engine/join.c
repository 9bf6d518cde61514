/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joining namespaces. A namespace is named by /proc/PID/ns; that PID is still the container's is known
 * from a pidfd that was verified under a living monitor, and asked again just before the release. The
 * child compares the namespace's inode, so that a restart long after cannot meet a stranger.
 */
#include "engine/join.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "engine/internal.h"
#include "kernel/pidfd.h"
#include "runtime/plan_build.h"

#define PREFIX "container:"

static const char *donor_of(const char *mode)
{
	return mode && str_starts(mode, PREFIX) ? mode + strlen(PREFIX) : NULL;
}

static int resolve_mode(struct engine *e, char **mode, struct err *err)
{
	const char *reference = donor_of(*mode);
	auto_container struct container donor;
	int rc;

	container_init(&donor);
	if (!reference)
		return 0;
	rc = container_find(e, reference, &donor, err);
	if (rc < 0)
		return rc;
	free(*mode);
	*mode = xasprintf(PREFIX "%s", donor.id);
	return 0;
}

int join_resolve(struct engine *e, struct container_config *c, struct err *err)
{
	int rc = resolve_mode(e, &c->network_mode, err);

	if (rc == 0)
		rc = resolve_mode(e, &c->pid_mode, err);
	if (rc == 0)
		rc = resolve_mode(e, &c->ipc_mode, err);
	return rc;
}

/* Docker's words for each of the three. */
static int refuse_state(const struct container *donor, enum oci_namespace_type type,
			struct err *err)
{
	if (donor->state.status == CONTAINER_RESTARTING)
		return err_set(err, ERR_CONFLICT, EAGAIN,
			       "Container %s is restarting, wait until the container is running",
			       donor->id);
	if (type == OCI_NS_IPC)
		return err_set(err, ERR_CONFLICT, ESRCH,
			       "can't join IPC of container %s: container %s is not running",
			       donor->id, donor->id);
	return err_set(err, ERR_CONFLICT, ESRCH, "cannot join %s of a non running container: %s",
		       type == OCI_NS_PID ? "PID" : "network", donor->id);
}

/* One that shares another's passes that on. */
static bool is_shareable(const char *mode)
{
	return !mode || str_eq(mode, "shareable") || str_eq(mode, "host") || donor_of(mode);
}

static int find_donor(struct launch *l, const char *id, enum oci_namespace_type type,
		      struct container *donor, struct err *err)
{
	int fd, rc;

	if (str_eq(id, l->c->id))
		return err_set(err, ERR_INVALID, EINVAL, "cannot join own %s",
			       type == OCI_NS_NETWORK ? "network"
			       : type == OCI_NS_PID   ? "PID namespace"
						      : "IPC namespace");
	rc = container_find(l->e, id, donor, err);
	if (rc < 0)
		return rc;
	fd = container_open_init(l->e, donor, err);
	if (fd < 0)
		return err->kind == ERR_CONFLICT ? refuse_state(donor, type, err) : fd;
	l->joined[l->joined_count++] = fd;
	if (type == OCI_NS_IPC && !is_shareable(donor->config.ipc_mode))
		return err_set(err, ERR_CONFLICT, EINVAL,
			       "can't join IPC of container %s: non-shareable IPC (hint: use "
			       "IpcMode:shareable for the donor container)",
			       donor->id);
	return 0;
}

/* What sharing a network brings with it. */
static void share_network(struct launch *l, const struct container *donor)
{
	free(l->network_dir);
	l->network_dir = xasprintf("%s/containers/%s", l->e->run_root, donor->id);
	if (donor->config.hostname) {
		free(l->c->config.hostname);
		l->c->config.hostname = xstrdup(donor->config.hostname);
	}
}

/* /dev/shm lies in the donor's mount namespace and nowhere else. */
static int share_memory(struct launch *l, const struct container *donor, struct err *err)
{
	struct stat st;

	l->donor_mounts = xasprintf("/proc/%d/ns/mnt", donor->state.pid);
	if (stat(l->donor_mounts, &st) < 0)
		return err_sys(err, "look at %s", l->donor_mounts);
	l->donor_mounts_inode = st.st_ino;
	return 0;
}

static int join_one(struct launch *l, const char *mode, enum oci_namespace_type type,
		    const char *file, struct err *err)
{
	const char *id = donor_of(mode);
	auto_container struct container donor;
	auto_free char *path = NULL;
	struct stat st;
	int rc;

	container_init(&donor);
	if (!id)
		return 0;
	rc = find_donor(l, id, type, &donor, err);
	if (rc < 0)
		return rc;
	path = xasprintf("/proc/%d/ns/%s", donor.state.pid, file);
	if (stat(path, &st) < 0)
		return err_sys(err, "look at %s", path);
	oci_config_add_namespace(&l->oci, type, path);
	if (type == OCI_NS_PID) {
		l->plan->early.pid_namespace = plan_add_string(l->plan, path);
		l->plan->early.pid_namespace_inode = st.st_ino;
	}
	if (type == OCI_NS_NETWORK)
		share_network(l, &donor);
	return type == OCI_NS_IPC ? share_memory(l, &donor, err) : 0;
}

int join_namespaces(struct launch *l, struct err *err)
{
	const struct container_config *c = &l->c->config;
	int rc = join_one(l, c->pid_mode, OCI_NS_PID, "pid", err);

	if (rc == 0)
		rc = join_one(l, c->ipc_mode, OCI_NS_IPC, "ipc", err);
	if (rc == 0)
		rc = join_one(l, c->network_mode, OCI_NS_NETWORK, "net", err);
	return rc;
}

int join_verify(const struct launch *l, struct err *err)
{
	for (size_t i = 0; i < l->joined_count; i++) {
		if (process_fd_signal(l->joined[i], 0) < 0)
			return err_set(err, ERR_CONFLICT, ESRCH,
				       "the container to join has just ended");
	}
	return 0;
}
