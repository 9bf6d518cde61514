/* SPDX-License-Identifier: Apache-2.0 */
/* State directories. A state is written whole or not at all; its status is never believed but asked
 * from the kernel: pid with start time, lock on the gate, freezer. */
#include "runtime/cli/store.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "kernel/cgroup.h"
#include "kernel/proc.h"

#define STATE_MAX (1 << 20)
#define ID_MAX 255

int store_check_id(const char *id, struct err *err)
{
	size_t len = strlen(id);

	if (len == 0 || len > ID_MAX || id[0] == '.' || id[0] == '-')
		return err_set(err, ERR_INVALID, EINVAL, "invalid container ID format: \"%.80s\"",
			       id);
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)id[i]) && !strchr("_+-.", id[i]))
			return err_set(err, ERR_INVALID, EINVAL,
				       "invalid container ID format: \"%.80s\"", id);
	return 0;
}

static int open_root(const struct runtime *rt, bool make, struct err *err)
{
	int r = make ? file_mkdir_all_at(AT_FDCWD, rt->root, 0711) : 0;
	int fd = r ? -1 : open(rt->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (r)
		return err_set(err, ERR_SYSTEM, -r, "create %s: %s", rt->root, err_errno_text(-r));
	return fd < 0 ? -errno : fd;
}

int store_make(const struct runtime *rt, const char *id, int *dirfd, struct err *err)
{
	auto_close int root = open_root(rt, true, err);

	if (root < 0)
		return err->kind ? root
				 : err_set(err, ERR_SYSTEM, -root, "open %s: %s", rt->root,
					   err_errno_text(-root));
	if (mkdirat(root, id, 0711) < 0)
		return errno == EEXIST ? err_set(err, ERR_CONFLICT, EEXIST,
						 "container with given ID already exists")
				       : err_sys(err, "create %s/%s", rt->root, id);
	*dirfd = openat(root, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *dirfd < 0 ? err_sys(err, "open %s/%s", rt->root, id) : 0;
}

int store_open(const struct runtime *rt, const char *id, int *dirfd, struct err *err)
{
	int r = store_check_id(id, err);
	auto_close int root = -1;

	if (r)
		return r;
	root = open_root(rt, false, err);
	*dirfd = root < 0 ? -1 : openat(root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*dirfd >= 0)
		return 0;
	if (root == -ENOENT || errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, ENOENT, "container \"%s\" does not exist", id);
	return err_sys(err, "open %s/%s", rt->root, id);
}

int store_remove(const struct runtime *rt, const char *id, struct err *err)
{
	auto_close int root = open_root(rt, false, err);
	int r = root < 0 ? root : remove_tree_at(root, id);

	return r ? err_set(err, ERR_SYSTEM, -r, "remove %s/%s: %s", rt->root, id,
			   err_errno_text(-r))
		 : 0;
}

int store_write_state(int dirfd, const struct oci_state *s, struct err *err)
{
	auto_free char *text = oci_state_encode(s, OCI_STATE_STORED);
	int r = file_replace_at(dirfd, "state.json", text, strlen(text), 0600, FILE_VOLATILE);

	return r ? err_set(err, ERR_SYSTEM, -r, "write state of %s: %s", s->id, err_errno_text(-r))
		 : 0;
}

bool store_waits_at_gate(int dirfd)
{
	auto_close int fd = openat(dirfd, STORE_GATE, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

static bool is_frozen(const struct oci_state *s)
{
	struct cgroup_layout layout;
	struct cgroup_dirs dirs;
	struct err err;

	return cgroup_detect(&layout, &err) == 0 &&
	       cgroup_dirs_of(&layout, s->cgroup_path, &dirs, &err) == 0 &&
	       cgroup_is_frozen(dirs.dirs, dirs.count);
}

static void refresh(int dirfd, struct oci_state *s)
{
	/* Being made: no process yet. Its maker may have died, which `delete` finds out. */
	if (s->status == OCI_STATUS_CREATING && s->pid == 0)
		return;
	if (!proc_is_alive(s->pid, s->pid_start_ticks))
		s->status = OCI_STATUS_STOPPED;
	else if (s->status == OCI_STATUS_CREATING)
		return;
	else if (store_waits_at_gate(dirfd))
		s->status = OCI_STATUS_CREATED;
	else
		s->status = is_frozen(s) ? OCI_STATUS_PAUSED : OCI_STATUS_RUNNING;
}

int store_read_state(int dirfd, const char *id, struct oci_state *out, struct err *err)
{
	auto_free char *text = NULL;
	size_t len;
	int r = file_read_at(dirfd, "state.json", STATE_MAX, &text, &len);

	if (r == -ENOENT)
		return err_set(err, ERR_NOT_FOUND, ENOENT, "container \"%s\" does not exist", id);
	if (r)
		return err_set(err, ERR_SYSTEM, -r, "read state of %s: %s", id, err_errno_text(-r));
	r = oci_state_parse(text, len, "state.json", out, err);
	if (r)
		return err_wrap(err, "container %s", id);
	refresh(dirfd, out);
	return 0;
}

int store_load(const struct runtime *rt, const char *id, int *dirfd, struct oci_state *out,
	       struct err *err)
{
	int r = store_open(rt, id, dirfd, err);

	return r ? r : store_read_state(*dirfd, id, out, err);
}
