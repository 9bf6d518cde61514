/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last steps: standard streams or terminal, hooks, the gate of `create`, and execve. Only
 * descriptors 0, 1, 2 and those the caller asked to preserve cross execve.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "kernel/mount.h"
#include "kernel/path.h"
#include "runtime/child/child.h"

static int failed(struct child_context *c, enum child_step step, int rc)
{
	c->step = step;
	return rc;
}

int child_op_stdio(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	(void)p;
	(void)op;
	for (int i = 0; i < 3; i++) {
		int rc = c->stdio[i] < 0 ? 0 : fd_place(c->stdio[i], i);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int put_on_dev_console(struct child_context *c, int terminal)
{
	auto_close int target =
		path_make_file(c->root_fd, "/dev/console", 0600, PATH_KEEP_OWNER, PATH_KEEP_OWNER);
	auto_close int tree = mount_clone(terminal, "", false);

	if (target < 0 || tree < 0)
		return target < 0 ? target : tree;
	return mount_attach(tree, target);
}

int child_op_console(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	struct winsize size = {.ws_row = (unsigned short)op->n, .ws_col = (unsigned short)op->m};
	auto_close int master =
		path_open_nosymlink(c->root_fd, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
	auto_close int terminal = -1;
	const char tag = CHILD_REPORT_CONSOLE;
	struct statfs fs;
	int unlock = 0, rc;

	(void)p;
	if (master < 0)
		return failed(c, STEP_SOURCE, master);
	if (fstatfs(master, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC)
		return failed(c, STEP_VERIFY, -EXDEV);
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return -errno;
	/* By ioctl, not by name: the name could lead elsewhere by now (CVE-2025-52565). */
	terminal = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (terminal < 0)
		return -errno;
	if ((size.ws_row || size.ws_col) && ioctl(terminal, TIOCSWINSZ, &size) < 0)
		return -errno;
	if (fchown(terminal, (uid_t)op->k, (gid_t)-1) < 0)
		return -errno;
	rc = op->flags & OP_FLAG_LATER ? 0 : put_on_dev_console(c, terminal);
	if (rc < 0)
		return failed(c, STEP_ATTACH, rc);
	if (!(op->flags & OP_FLAG_LATER) && ioctl(terminal, TIOCSCTTY, 0) < 0)
		return -errno;
	rc = fd_send(c->report_fd, &tag, 1, &master, 1);
	for (int i = 0; rc == 0 && i < 3; i++)
		rc = fd_place(terminal, i);
	return rc;
}

int child_op_control_terminal(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	(void)c;
	(void)p;
	(void)op;
	return ioctl(0, TIOCSCTTY, 0) < 0 ? -errno : 0;
}

/* Turns a list of offsets into the pointers that execve() wants, in the room the plan has for it. */
static char **pointers_of(struct plan *p, plan_ref ref)
{
	struct plan_list *list = plan_at(p, ref);
	char **out = plan_at(p, list->pointers);

	for (uint32_t i = 0; i < list->count; i++)
		out[i] = plan_at(p, list->items[i]);
	out[list->count] = NULL;
	return out;
}

/* The forked half of a hook. */
static _Noreturn void become_hook(struct plan *p, const struct plan_op *op, int input)
{
	char **argv = pointers_of(p, op->a);

	if (fd_place(input, 0) == 0 && syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
		execve(plan_string(p, op->d), argv, pointers_of(p, op->b));
	_exit(127);
}

static int wait_for_hook(struct child_context *c, pid_t pid, int timeout_s)
{
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd poll_for = {.fd = pidfd, .events = POLLIN};
	int status, ready;

	if (pidfd < 0)
		return -errno;
	do
		ready = poll(&poll_for, 1, timeout_s > 0 ? timeout_s * 1000 : -1);
	while (ready < 0 && errno == EINTR);
	if (ready <= 0)
		kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	c->detail = status;
	if (ready <= 0)
		return failed(c, STEP_HOOK_STATUS, -ETIMEDOUT);
	return status ? failed(c, STEP_HOOK_STATUS, -ECANCELED) : 0;
}

int child_op_hook(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	const char *state = plan_string(p, op->c);
	auto_close int input = -1, output = -1;
	int fds[2], rc;
	pid_t pid;

	/* A pipe takes 64 KiB without a reader; the state text is far below that. */
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	input = fds[0];
	output = fds[1];
	rc = fd_write_all(output, state, strlen(state));
	if (rc < 0)
		return rc;
	close(take_fd(&output));
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become_hook(p, op, input);
	return wait_for_hook(c, pid, (int)op->n);
}

/* Docker and the shell agree: what was found but may not run wins over what was not found. */
static int worse(int before, int rc)
{
	return rc == -ENOENT || rc == -ENOTDIR ? (before ? before : rc) : rc;
}

int child_op_find_program(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	const struct plan_list *list = plan_at(p, op->a);
	int rc = 0;

	for (uint32_t i = 0; i < list->count; i++) {
		struct stat st;

		if (stat(plan_string(p, list->items[i]), &st) < 0) {
			rc = worse(rc, -errno);
			continue;
		}
		if (!S_ISDIR(st.st_mode) && (st.st_mode & 0111))
			return 0;
		rc = S_ISDIR(st.st_mode) ? -EISDIR : -EACCES;
	}
	return failed(c, STEP_EXEC, rc ? rc : -ENOENT);
}

/* An execve() that finds nothing costs ten times a look. */
int child_op_skip_absent(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	const struct plan_list *list = plan_at(p, op->a);
	struct stat st;

	while (c->candidate + 1 < list->count &&
	       stat(plan_string(p, list->items[c->candidate]), &st) < 0 &&
	       (errno == ENOENT || errno == ENOTDIR))
		c->candidate++;
	return 0;
}

int child_op_gate(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	const char tag = CHILD_REPORT_CREATED;
	char go;
	ssize_t got;
	int rc = fd_send(c->report_fd, &tag, 1, NULL, 0);

	(void)p;
	(void)op;
	if (rc < 0)
		return rc;
	do
		got = read(c->gate_fd, &go, 1);
	while (got < 0 && errno == EINTR);
	return got == 1 ? 0 : -ECANCELED;
}

static int close_between(unsigned first, unsigned end)
{
	return end > first && syscall(SYS_close_range, first, end - 1, 0) < 0 ? -errno : 0;
}

/* The program's path and its interpreter's are the image's: while the kernel looks them up, nothing may
 * be open that /proc/self/fd could lead through (CVE-2024-21626). Two must stay until the exec, and no
 * longer, since their end tells of it: the report socket, and the fifo whose lock `start` waits for. */
static int close_all_but(unsigned first, int report, int gate)
{
	int low = gate >= 0 && gate < report ? gate : report;
	int high = gate > report ? gate : report;
	int rc = close_between(first, (unsigned)low);

	if (rc == 0)
		rc = close_between((unsigned)low + 1, (unsigned)high);
	if (rc < 0)
		return rc;
	if (syscall(SYS_close_range, high + 1, ~0U, 0) < 0 ||
	    syscall(SYS_close_range, low, high, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	return 0;
}

int child_op_exec(struct child_context *c, struct plan *p, const struct plan_op *op)
{
	const struct plan_list *list = plan_at(p, op->a);
	char **argv = pointers_of(p, op->b);
	char **envp = pointers_of(p, op->c);
	int rc = close_all_but(3 + c->preserve_fds, c->report_fd, c->gate_fd);

	if (rc < 0)
		return rc;
	for (uint32_t i = c->candidate; i < list->count; i++) {
		execve(plan_string(p, list->items[i]), argv, envp);
		rc = worse(rc, -errno);
		if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
			break;
	}
	return failed(c, STEP_EXEC, rc ? rc : -ENOENT);
}
