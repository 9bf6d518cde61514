/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connecting the container while it sets itself up, and taking that back at its end. The script comes
 * ready; it is mapped anew for every run, since `network connect` may have changed it.
 *
 * What must hold: the script is undone before the sockets that keep its ports are closed, so that
 * whoever gets a port finds no rule for it; and no socket of the container's own namespace is kept
 * beyond the run, since it would keep the namespace, with its devices and their addresses.
 */
#include "engine/monitor/network.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/monitor/monitor.h"
#include "network/script.h"
#include "runtime/stamp.h"

static bool is_connected(const struct monitor *m)
{
	return m->plan->early.network;
}

/* ---- sockets ---- */

void network_drop_pending(struct monitor *m)
{
	struct monitor_network *n = &m->network;

	while (n->pending_count)
		close(n->pending[--n->pending_count]);
}

static bool take_names(struct monitor_network *n)
{
	if (n->pending_count + n->name_count > NETWORK_NAMES_MAX)
		return false;
	while (n->pending_count)
		n->names[n->name_count++] = n->pending[--n->pending_count];
	return true;
}

static bool take_sockets(struct monitor_network *n, uint8_t kind)
{
	if (n->pending_count > NETWORK_SOCKETS_MAX - n->socket_count)
		return false;
	for (size_t i = 0; i < n->pending_count; i++)
		n->sockets[n->socket_count++] =
			(struct network_socket){.fd = n->pending[i], .kind = kind};
	n->pending_count = 0;
	return true;
}

static void set_state(struct monitor *m, enum plan_network_state state)
{
	uint32_t *futex = &m->plan->shared.network_state;

	__atomic_store_n(futex, (uint32_t)state, __ATOMIC_RELEASE);
	syscall(SYS_futex, futex, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static int fail(struct monitor *m)
{
	m->network.failed = true;
	set_state(m, PLAN_NETWORK_FAILED);
	return -1;
}

bool network_take(struct monitor *m, const struct frame_network *frame, bool launcher)
{
	struct monitor_network *n = &m->network;
	bool whole = is_connected(m) && n->pending_count == frame->count;

	if (whole)
		whole = frame->kind == FRAME_SOCKET_NAMES ? take_names(n)
							  : take_sockets(n, frame->kind);
	network_drop_pending(m);
	if (launcher && !n->told) {
		n->told = frame->last || !whole;
		if (!whole) {
			err_set(&n->error, ERR_SYSTEM, EMFILE,
				"take over the container's %zu ports: %s (raise the limit on open "
				"files, ulimit -n)",
				n->socket_count + frame->count, err_errno_text(EMFILE));
			fail(m);
		} else if (n->told && !m->plan->early.foreign && network_connect(m) < 0) {
			return true; /* the child ends for it */
		}
	} else if (whole && m->started) {
		forward_begin(m);
		keeper_tell(m);
	}
	return whole;
}

void network_launcher_left(struct monitor *m)
{
	struct monitor_network *n = &m->network;

	if (!is_connected(m) || n->told)
		return;
	n->told = true;
	err_set(&n->error, ERR_SYSTEM, ECANCELED,
		"the command that starts the container has ended");
	fail(m);
}

/* ---- the script ---- */

static int open_run_dir(const struct monitor *m)
{
	return open(plan_string(m->plan, m->plan->early.run_directory),
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Writable, but nothing of it goes to the file. */
static int map_script(const struct monitor *m, void **bytes, size_t *n, struct err *err)
{
	auto_close int dir = open_run_dir(m);
	auto_close int fd = dir < 0 ? -1 : openat(dir, SCRIPT_FILE, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "open %s/" SCRIPT_FILE,
			       plan_string(m->plan, m->plan->early.run_directory));
	if (st.st_size <= 0 || st.st_size > SCRIPT_BYTES_MAX)
		return err_set(err, ERR_CORRUPT, EINVAL, "%s/" SCRIPT_FILE ": not a script",
			       plan_string(m->plan, m->plan->early.run_directory));
	*n = (size_t)st.st_size;
	*bytes = mmap(NULL, *n, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	return *bytes == MAP_FAILED ? err_sys(err, "map " SCRIPT_FILE) : 0;
}

static int run_script(struct monitor *m, struct script_times *times)
{
	struct monitor_network *n = &m->network;
	struct script_names names = {-1, -1};
	size_t size = 0;
	void *bytes = NULL;
	int rc = map_script(m, &bytes, &size, &n->error);

	if (rc < 0)
		return rc;
	rc = script_run(bytes, size, m->pid, m->pidfd, m->runs, &names, times, &n->error);
	munmap(bytes, size);
	if (names.udp >= 0)
		n->names[n->name_count++] = names.udp;
	if (names.tcp >= 0)
		n->names[n->name_count++] = names.tcp;
	return rc;
}

int network_connect(struct monitor *m)
{
	struct script_times times = {0};
	uint64_t *points = m->plan->shared.point_ns;

	/* No child, or one that has given up: why is told elsewhere. */
	if (!is_connected(m) || m->network.failed || m->pidfd < 0)
		return m->network.failed ? -1 : 0;
	stamp(m->plan, POINT_MONITOR_NETWORK);
	if (run_script(m, &times) < 0)
		return fail(m);
	points[POINT_MONITOR_LINKED] = times.links;
	points[POINT_MONITOR_RULED] = times.rules;
	stamp(m->plan, POINT_MONITOR_CONNECTED);
	set_state(m, PLAN_NETWORK_DONE);
	return 0;
}

void network_run_ended(struct monitor *m)
{
	struct monitor_network *n = &m->network;

	if (!is_connected(m))
		return;
	while (n->name_count)
		close(n->names[--n->name_count]);
	keeper_tell(m);
}

void network_undo(struct monitor *m)
{
	struct monitor_network *n = &m->network;
	auto_close int dir = -1;
	int filter = -1;

	if (!is_connected(m) || n->undone)
		return;
	n->undone = true;
	while (n->name_count)
		close(n->names[--n->name_count]);
	dir = open_run_dir(m);
	/* What cannot be taken back now is found by whoever sweeps up. The socket stays open until we
	 * end, for the reason that script.h gives. */
	if (dir >= 0 && script_undo_file_by(dir, &filter) < 0)
		n->failed = true;
	forward_end(m);
	while (n->socket_count)
		close(n->sockets[--n->socket_count].fd);
}

bool network_is_to_blame(const struct monitor *m)
{
	const struct plan *p = m->plan;
	uint32_t failed = p->shared.failed_op;

	return m->network.failed && failed && failed <= PLAN_MAX_OPS &&
	       p->ops[failed - 1].type == OP_NETWORK;
}
