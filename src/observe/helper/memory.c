/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory on demand: private pages, pages of a file, a program of the image's own, and a process that
 * allocates until it is stopped. What a verb takes stays until release or until the helper ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "observe/helper/helper.h"
#include "observe/helper/verbs.h"

#define REGIONS_MAX 64
#define PAGE 4096U
#define ARGUMENTS_MAX 24
#define DEFAULT_CHUNK (1U << 20)

struct regions {
	size_t count;
	struct {
		void *at;
		size_t bytes;
	} items[REGIONS_MAX];
};

/* Static of necessity: a verb has no context, and its memory is to outlive it. */
static struct regions *held(void)
{
	static struct regions regions;

	return &regions;
}

static int hold(void *at, size_t bytes)
{
	struct regions *h = held();

	if (h->count == REGIONS_MAX) {
		munmap(at, bytes);
		return -ENOSPC;
	}
	h->items[h->count].at = at;
	h->items[h->count++].bytes = bytes;
	return 0;
}

/* Each page gets bytes of its own, so that neither the zero page nor page merging can share it. */
static void fill(unsigned char *at, size_t bytes, uint64_t seed)
{
	for (size_t i = 0; i < bytes; i += PAGE) {
		uint64_t mark = seed + i;

		memcpy(at + i, &mark, sizeof(mark));
	}
}

static int allocate(const struct helper_request *r)
{
	uint64_t bytes, begin = helper_now_ns();
	void *at;
	int rc = helper_u64(r, "bytes", &bytes);

	if (rc < 0)
		return rc;
	at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	/* Huge pages would round the figure up. Where there are none, the advice is refused. */
	(void)madvise(at, bytes, MADV_NOHUGEPAGE);
	fill(at, bytes, begin);
	rc = hold(at, bytes);
	if (rc < 0)
		return rc;
	helper_answer("bytes=%llu took_ns=%llu", (unsigned long long)bytes,
		      (unsigned long long)(helper_now_ns() - begin));
	return 0;
}

/* Reads every page of a file through a mapping, and keeps the mapping. */
static int map_file(const struct helper_request *r)
{
	const char *path = helper_text(r, "path");
	volatile const unsigned char *at;
	unsigned sum = 0;
	struct stat st;
	void *got;
	int fd, rc;

	if (!path)
		return -EINVAL;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || st.st_size <= 0) {
		close(fd);
		return -EINVAL;
	}
	got = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	rc = got == MAP_FAILED ? -errno : 0;
	close(fd);
	if (rc < 0)
		return rc;
	at = got;
	for (size_t i = 0; i < (size_t)st.st_size; i += PAGE)
		sum += at[i];
	rc = hold(got, (size_t)st.st_size);
	if (rc < 0)
		return rc;
	helper_answer("bytes=%llu sum=%u", (unsigned long long)st.st_size, sum);
	return 0;
}

static int release(const struct helper_request *r)
{
	struct regions *h = held();

	(void)r;
	for (size_t i = 0; i < h->count; i++)
		munmap(h->items[i].at, h->items[i].bytes);
	h->count = 0;
	return 0;
}

/* In the child. The observer's pipes are not the program's to write to. */
static void become(char **arguments)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0) /* an image without /dev */
		for (int fd = 0; fd < 3; fd++)
			close(fd);
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	setsid();
	execv(arguments[0], arguments);
	_exit(errno & 0xff);
}

/* Returns when the other end of the pipe has been closed by every process that had it: by exec or exit. */
static void wait_until_closed(int fd)
{
	char none;

	while (read(fd, &none, 1) < 0 && errno == EINTR)
		continue;
}

/* Starts a program: the words "arg=" in their order, the first the path; answers when it is the program
 * that runs, no copy of this one. It ends with the helper at the latest. */
static int spawn(const struct helper_request *r)
{
	char *arguments[ARGUMENTS_MAX + 1] = {NULL};
	int n = 0, rc, executed[2];
	pid_t pid;

	for (int i = 0; i < r->count && n < ARGUMENTS_MAX; i++)
		if (strncmp(r->words[i], "arg=", 4) == 0)
			arguments[n++] = r->words[i] + 4;
	if (n == 0 || arguments[0][0] != '/')
		return -EINVAL;
	if (access(arguments[0], X_OK) < 0)
		return -errno;
	if (pipe2(executed, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		become(arguments);
	}
	rc = pid < 0 ? -errno : 0;
	close(executed[1]);
	if (rc == 0)
		wait_until_closed(executed[0]);
	close(executed[0]);
	if (rc < 0)
		return rc;
	helper_answer("pid=%d", (int)pid);
	return 0;
}

/* In the child: one chunk after the other, each fully touched before it is counted. */
static void overrun_child(uint64_t bytes, uint64_t chunk, volatile uint64_t *reached)
{
	while (*reached < bytes) {
		unsigned char *at = mmap(NULL, chunk, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (at == MAP_FAILED)
			_exit(errno & 0xff);
		(void)madvise(at, chunk, MADV_NOHUGEPAGE);
		for (uint64_t i = 0; i < chunk; i += PAGE) {
			fill(at + i, PAGE, *reached);
			*reached += PAGE;
		}
	}
	_exit(0);
}

/* Allocates up to bytes in a process of its own, so that whoever is killed, somebody can tell: reached is
 * what was touched, signal what ended it (0: it got all), error the errno of a refused mmap. */
static int overrun(const struct helper_request *r)
{
	volatile uint64_t *reached;
	uint64_t bytes, chunk = helper_u64_or(r, "chunk", DEFAULT_CHUNK);
	int status = 0, rc = helper_u64(r, "bytes", &bytes);
	void *shared;
	pid_t pid;

	if (rc < 0 || chunk < PAGE)
		return -EINVAL;
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return -errno;
	reached = shared;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		overrun_child(bytes, chunk, reached);
	}
	rc = pid < 0 ? -errno : 0;
	while (rc == 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			rc = -errno;
	if (rc == 0)
		helper_answer("reached=%llu pid=%d signal=%d error=%d",
			      (unsigned long long)*reached, (int)pid,
			      WIFSIGNALED(status) ? WTERMSIG(status) : 0,
			      WIFEXITED(status) ? WEXITSTATUS(status) : 0);
	munmap(shared, PAGE);
	return rc;
}

const struct helper_verb helper_verb_allocate = {"allocate", allocate};
const struct helper_verb helper_verb_map = {"map", map_file};
const struct helper_verb helper_verb_release = {"release", release};
const struct helper_verb helper_verb_spawn = {"spawn", spawn};
const struct helper_verb helper_verb_overrun = {"overrun", overrun};
