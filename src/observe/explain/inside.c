/* SPDX-License-Identifier: Apache-2.0 */
/* The child that looks: it writes what it found to a pipe and says by its exit code what went wrong. */
#include "observe/explain/inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "kernel/path.h"

#define ANSWER_MAX (64 << 10)
#define PATIENCE_MS 3000
#define REAP_MS 200 /* for one that was killed */
#define REAP_PAUSE_MS 5

struct look {
	pid_t pid;
	const char *path;
	bool proc;
};
/* In the child: writes its answer to fd. 0 or -errno. */
typedef int (*look_fn)(const struct look *l, int fd);

void inside_file_free(struct inside_file *f)
{
	free(f->text);
	*f = (struct inside_file){.text = NULL};
}

static int open_root(const struct look *l)
{
	char root[48];
	int fd;

	snprintf(root, sizeof(root), "/proc/%d/root", l->pid);
	fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int send_file(const struct look *l, int out)
{
	auto_close int root = open_root(l);
	auto_close int fd = root < 0 ? root : path_open_regular(root, l->path, true);
	struct inside_file head = {.text = NULL};
	char text[ANSWER_MAX];
	struct statfs fs;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return -errno;
	if (l->proc && fs.f_type != PROC_SUPER_MAGIC)
		return -EXDEV;
	head.device = st.st_dev;
	head.inode = st.st_ino;
	n = fd_read_full(fd, text, sizeof(text));
	if (n < 0)
		return (int)n;
	n = fd_write_all(out, &head, sizeof(head)) < 0 ? -EPIPE
						       : fd_write_all(out, text, (size_t)n);
	return (int)n;
}

static int send_process_count(const struct look *l, int out)
{
	auto_closedir DIR *dir = NULL;
	struct statfs fs;
	ssize_t n = 0;
	auto_close int root = open_root(l);
	int fd = root < 0 ? root : path_open(root, l->path, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return fd;
	if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC) {
		close(fd);
		return -EXDEV;
	}
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	for (const struct dirent *d = readdir(dir); d; d = readdir(dir))
		n += d->d_name[0] >= '1' && d->d_name[0] <= '9';
	return fd_write_all(out, &n, sizeof(n));
}

static int send_uname(const struct look *l, int out)
{
	struct utsname names;
	char path[48];
	auto_close int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/ns/uts", l->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWUTS) < 0 || uname(&names) < 0)
		return -errno;
	return fd_write_all(out, &names, sizeof(names));
}

/* Everything the child writes until it ends, or -ETIMEDOUT. */
static ssize_t collect(int fd, char *out, size_t size)
{
	uint64_t deadline = clock_now_ns() + PATIENCE_MS * 1000000ull;
	size_t len = 0;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		uint64_t now = clock_now_ns();
		ssize_t n;

		if (now >= deadline)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)((deadline - now) / 1000000) + 1) <= 0)
			continue;
		n = read(fd, out + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || len + (size_t)n == size)
			return n < 0 ? -errno : (ssize_t)len + n;
		len += (size_t)n;
	}
}

/* A file system that has taken a question and does not answer holds whoever asked, even one that is killed
 * (fs/fuse/dev.c, request_wait_answer). That one is left to process 1. */
static int reap(pid_t child, bool killed)
{
	const struct timespec pause = {.tv_nsec = REAP_PAUSE_MS * 1000000L};
	int status = 0;

	for (int waited_ms = 0; !killed || waited_ms < REAP_MS; waited_ms += REAP_PAUSE_MS) {
		pid_t rc = waitpid(child, &status, killed ? WNOHANG : 0);

		if (rc == child)
			return status;
		if (rc < 0 && errno != EINTR)
			break;
		if (killed)
			nanosleep(&pause, NULL);
	}
	return -1;
}

static ssize_t look(look_fn fn, const struct look *l, char *out, size_t size)
{
	auto_close int ours = -1;
	int ends[2], status;
	ssize_t n;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	ours = ends[0];
	child = fork();
	if (child == 0)
		_exit(-fn(l, ends[1]));
	close(ends[1]);
	if (child < 0)
		return -errno;
	n = collect(ours, out, size);
	if (n < 0)
		kill(child, SIGKILL);
	status = reap(child, n < 0);
	if (n < 0)
		return n;
	if (!WIFEXITED(status))
		return -EINTR;
	return WEXITSTATUS(status) ? -WEXITSTATUS(status) : n;
}

static int read_file(const struct look *l, struct inside_file *out)
{
	size_t size = sizeof(*out) + ANSWER_MAX + 1;
	auto_free char *answer = xcalloc(1, size);
	ssize_t n = look(send_file, l, answer, size);

	if (n >= 0 && (size_t)n < sizeof(*out))
		n = -EBADMSG;
	if (n < 0)
		return (int)n;
	memcpy(out, answer, sizeof(*out));
	out->text = xstrndup(answer + sizeof(*out), (size_t)n - sizeof(*out));
	return 0;
}

int inside_read(pid_t pid, const char *path, struct inside_file *out)
{
	return read_file(&(struct look){.pid = pid, .path = path}, out);
}

int inside_read_proc(pid_t pid, const char *path, struct inside_file *out)
{
	return read_file(&(struct look){.pid = pid, .path = path, .proc = true}, out);
}

ssize_t inside_count_processes(pid_t pid)
{
	const struct look l = {.pid = pid, .path = "/proc"};
	ssize_t count = 0;
	ssize_t n = look(send_process_count, &l, (char *)&count, sizeof(count));

	if (n >= 0 && n != (ssize_t)sizeof(count))
		n = -EBADMSG;
	return n < 0 ? n : count;
}

int inside_uname(pid_t pid, char node[static 65], char release[static 65])
{
	const struct look l = {.pid = pid};
	struct utsname names;
	ssize_t n = look(send_uname, &l, (char *)&names, sizeof(names));

	if (n >= 0 && n != (ssize_t)sizeof(names))
		n = -EBADMSG;
	if (n < 0)
		return (int)n;
	snprintf(node, 65, "%s", names.nodename);
	snprintf(release, 65, "%s", names.release);
	return 0;
}

static char *os_value(const char *text, const char *key)
{
	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (str_starts(line, key) && line[strlen(key)] == '=') {
			const char *value = line + strlen(key) + 1;
			bool quoted = *value == '"' || *value == '\'';
			char end[3] = {quoted ? *value : '\n', '\n', '\0'};

			value += quoted;
			return xstrndup(value, strcspn(value, end));
		}
	}
	return NULL;
}

char *inside_os_name(const char *os_release)
{
	char *name = os_value(os_release, "PRETTY_NAME");

	if (!name)
		name = os_value(os_release, "NAME");
	return name ? name : xstrdup("");
}
