/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be seen from in here: the inside half of every claim on isolation. `mark` makes objects that
 * others then look for, `unmark` removes them; they end with their namespace in any case.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "observe/helper/helper.h"
#include "observe/helper/verbs.h"

#define PIDS_SHOWN 16
#define MARK_BYTES 4096

static void look_at_namespaces(void)
{
	static const char *const kinds[] = {"cgroup", "ipc",  "mnt",  "net",
					    "pid",    "time", "user", "uts"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char path[48];
		struct stat st;

		snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i]);
		if (stat(path, &st) == 0)
			helper_answer("namespace kind=%s inode=%llu", kinds[i],
				      (unsigned long long)st.st_ino);
	}
}

static void look_at_processes(void)
{
	char pids[PIDS_SHOWN * 12] = "";
	const struct dirent *e;
	DIR *d = opendir("/proc");
	size_t count = 0, used = 0;

	while (d && (e = readdir(d))) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		if (count++ < PIDS_SHOWN)
			used += (size_t)snprintf(pids + used, sizeof(pids) - used, "%s%.10s",
						 used ? "," : "", e->d_name);
	}
	if (d)
		closedir(d);
	helper_answer("processes count=%zu pids=%s self=%d", count, pids, (int)getpid());
}

static void look_at_interfaces(void)
{
	struct if_nameindex *all = if_nameindex();

	for (struct if_nameindex *i = all; i && i->if_index; i++)
		helper_answer("interface name=%s index=%u", i->if_name, i->if_index);
	if (all)
		if_freenameindex(all);
}

/* Line by line, since there may be thousands. */
static void look_at_mounts(void)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	size_t count = 0, shared = 0;
	char line[4096];

	while (f && fgets(line, sizeof(line), f)) {
		count++;
		shared += strstr(line, " shared:") != NULL;
	}
	if (f)
		fclose(f);
	helper_answer("mounts count=%zu shared=%zu", count, shared);
}

/* A path with its blanks and percent signs as %20 and %25. */
static void encode(const char *from, char *to, size_t size)
{
	size_t n = 0;

	for (; *from && n + 4 < size; from++) {
		if (*from == ' ' || *from == '%' || *from == '\n')
			n += (size_t)snprintf(to + n, size - n, "%%%02x", (unsigned char)*from);
		else
			to[n++] = *from;
	}
	to[n] = '\0';
}

static void look_at_groups(void)
{
	char text[8192], shown[1024];
	char *save, *line;
	ssize_t n = file_read_small_at(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text));

	if (n < 0)
		return;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;

		if (!path)
			continue;
		*path = '\0';
		encode(path + 1, shown, sizeof(shown));
		helper_answer("cgroup hierarchy=%s path=%s", names + 1, shown);
	}
}

static void look_at_names(void)
{
	char shown[512];
	struct utsname u;

	if (uname(&u) < 0)
		return;
	encode(u.nodename, shown, sizeof(shown));
	helper_answer("host name=%s release=%s", shown, u.release);
}

static void look_at_users(void)
{
	char text[256], shown[300];
	ssize_t n = file_read_small_at(AT_FDCWD, "/proc/self/uid_map", text, sizeof(text));
	unsigned long inside = 0, outside = 0, length = 0;

	if (n > 0 && sscanf(text, "%lu %lu %lu", &inside, &outside, &length) == 3)
		snprintf(shown, sizeof(shown), "%lu:%lu:%lu", inside, outside, length);
	else
		snprintf(shown, sizeof(shown), "unknown");
	helper_answer("user uid=%u gid=%u map=%s", getuid(), getgid(), shown);
}

static unsigned long long clock_ns(clockid_t clock)
{
	struct timespec t = {0};

	clock_gettime(clock, &t);
	return (unsigned long long)t.tv_sec * 1000000000 + (unsigned long long)t.tv_nsec;
}

static void look_at_clocks(void)
{
	helper_answer("clock monotonic_ns=%llu boottime_ns=%llu realtime_ns=%llu",
		      clock_ns(CLOCK_MONOTONIC), clock_ns(CLOCK_BOOTTIME),
		      clock_ns(CLOCK_REALTIME));
}

/* ---- objects that are named by the observer ---- */

static void look_for_objects(const struct helper_request *r)
{
	const char *queue = helper_text(r, "queue"), *file = helper_text(r, "file");
	uint64_t key = helper_u64_or(r, "key", 0), pid = helper_u64_or(r, "pid", 0);

	if (key)
		helper_answer("sysv found=%d", shmget((key_t)key, 0, 0) >= 0);
	if (queue) {
		mqd_t q = mq_open(queue, O_RDONLY);

		helper_answer("queue found=%d error=%d", q != (mqd_t)-1,
			      q == (mqd_t)-1 ? errno : 0);
		if (q != (mqd_t)-1)
			mq_close(q);
	}
	if (file) {
		int there = access(file, F_OK) == 0;

		helper_answer("file found=%d error=%d", there, there ? 0 : errno);
	}
	/* Signal 0 asks whether there is such a process (kill(2)) and does nothing to it. */
	if (pid)
		helper_answer("signal found=%d", kill((pid_t)pid, 0) == 0 || errno != ESRCH);
}

static int look(const struct helper_request *r)
{
	look_at_namespaces();
	look_at_processes();
	look_at_interfaces();
	look_at_mounts();
	look_at_groups();
	look_at_names();
	look_at_users();
	look_at_clocks();
	look_for_objects(r);
	return 0;
}

static int mark(const struct helper_request *r)
{
	const char *queue = helper_text(r, "queue");
	uint64_t key = helper_u64_or(r, "key", 0);
	mqd_t q;

	if (key && shmget((key_t)key, MARK_BYTES, IPC_CREAT | IPC_EXCL | 0600) < 0)
		return -errno;
	if (!queue)
		return 0;
	q = mq_open(queue, O_RDWR | O_CREAT | O_EXCL, 0600, NULL);
	if (q == (mqd_t)-1)
		return -errno;
	mq_close(q);
	return 0;
}

static int unmark(const struct helper_request *r)
{
	const char *queue = helper_text(r, "queue");
	uint64_t key = helper_u64_or(r, "key", 0);
	int id = key ? shmget((key_t)key, 0, 0) : -1;
	int rc = 0;

	if (id >= 0 && shmctl(id, IPC_RMID, NULL) < 0)
		rc = -errno;
	if (queue && mq_unlink(queue) < 0 && errno != ENOENT)
		rc = -errno;
	return rc;
}

const struct helper_verb helper_verb_look = {"look", look};
const struct helper_verb helper_verb_mark = {"mark", mark};
const struct helper_verb helper_verb_unmark = {"unmark", unmark};
