/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program reports how it ended as one struct err, which is written as it lies in memory: both
 * sides are of one build. No report is an error too, so a crash never passes for success.
 */
#include "engine/image_program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/subprocess.h"
#include "image/program.h"

/* Above every number that is about to be given. */
#define FD_ASIDE 16

struct moved {
	int from[5], to[5];
	size_t count;
};

/* A copy of fd out of the way, to become number `to` in the child. */
static int move_fd(struct moved *m, int fd, int to)
{
	int copy = fd < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : fd;
	int aside = copy < 0 ? -1 : fcntl(copy, F_DUPFD_CLOEXEC, FD_ASIDE);
	int saved = errno;

	if (fd < 0 && copy >= 0)
		close(copy);
	if (aside < 0)
		return -saved;
	m->from[m->count] = aside;
	m->to[m->count++] = to;
	return 0;
}

static int spawn(const char *program, const struct strv *arguments, const struct moved *m,
		 pid_t *pid)
{
	auto_strv struct strv argv = {0};
	posix_spawn_file_actions_t actions;
	int rc;

	strv_add(&argv, program);
	strv_add_all(&argv, arguments);
	rc = posix_spawn_file_actions_init(&actions);
	if (rc)
		return -rc;
	for (size_t i = 0; rc == 0 && i < m->count; i++)
		rc = posix_spawn_file_actions_adddup2(&actions, m->from[i], m->to[i]);
	if (rc == 0)
		rc = posix_spawn(pid, program, &actions, NULL, argv.items, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -rc;
}

int image_program_start(const struct strv *arguments, int input, int output, int root,
			struct image_program *out, struct err *err)
{
	return image_program_start_with(arguments, input, output, root, -1, out, err);
}

int image_program_start_with(const struct strv *arguments, int input, int output, int root,
			     int config, struct image_program *out, struct err *err)
{
	struct moved m = {.count = 0};
	char program[PATH_MAX];
	int ends[2], rc;

	*out = IMAGE_PROGRAM_NONE;
	rc = subprocess_own_program("cloche-image", program, sizeof(program), err);
	if (rc < 0)
		return rc;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "make a pipe");
	rc = move_fd(&m, input, STDIN_FILENO);
	if (rc == 0)
		rc = move_fd(&m, output, STDOUT_FILENO);
	if (rc == 0)
		rc = move_fd(&m, root, IMAGE_PROGRAM_ROOT_FD);
	if (rc == 0)
		rc = move_fd(&m, ends[1], IMAGE_PROGRAM_ERROR_FD);
	if (rc == 0)
		rc = move_fd(&m, config, IMAGE_PROGRAM_CONFIG_FD);
	if (rc == 0)
		rc = spawn(program, arguments, &m, &out->pid);
	for (size_t i = 0; i < m.count; i++)
		close(m.from[i]);
	close(ends[1]);
	if (rc < 0) {
		close(ends[0]);
		out->pid = 0;
		return err_set(err, ERR_SYSTEM, -rc, "start %s: %s", program, err_errno_text(-rc));
	}
	out->error_fd = ends[0];
	return 0;
}

int image_program_wait(struct image_program *p, struct err *err)
{
	struct err report;
	ssize_t n = fd_read_full(p->error_fd, &report, sizeof(report));
	int status = 0;

	close(p->error_fd);
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	*p = IMAGE_PROGRAM_NONE;
	if (n != (ssize_t)sizeof(report))
		return err_set(err, ERR_SYSTEM, ECHILD, "cloche-image died (status %d)", status);
	report.msg[sizeof(report.msg) - 1] = '\0';
	if (report.kind == ERR_NONE)
		return 0;
	*err = report;
	return err_code(err);
}
