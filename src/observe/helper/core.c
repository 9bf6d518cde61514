/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs that every session needs: who the helper is, and nothing at all. */
#include <sys/stat.h>
#include <unistd.h>

#include "observe/helper/helper.h"
#include "observe/helper/verbs.h"

/* pid and uid as the container sees them; pid_namespace: the inode, 0 where there is no /proc. */
static int hello(const struct helper_request *r)
{
	struct stat st = {.st_ino = 0};

	(void)r;
	if (stat("/proc/self/ns/pid", &st) < 0)
		st.st_ino = 0;
	helper_answer("hello pid=%d uid=%u pid_namespace=%llu now_ns=%llu", (int)getpid(), getuid(),
		      (unsigned long long)st.st_ino, (unsigned long long)helper_now_ns());
	return 0;
}

/* The least a program can do: on the command line what a start is measured with. */
static int do_nothing(const struct helper_request *r)
{
	(void)r;
	return 0;
}

/* The monotonic clock. */
static int now(const struct helper_request *r)
{
	(void)r;
	helper_answer("now_ns=%llu", (unsigned long long)helper_now_ns());
	return 0;
}

const struct helper_verb helper_verb_hello = {"hello", hello};
const struct helper_verb helper_verb_true = {"true", do_nothing};
const struct helper_verb helper_verb_now = {"now", now};
