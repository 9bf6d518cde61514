/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helper's talk: `serve TOKEN` answers requests until its input ends, which is also how a dead
 * observer ends it; anything else on the command line is one verb that is done and ends. The token is
 * not looked at: it makes this process findable from outside by its command line.
 *
 * No heap. As PID 1 of a container it reaps what its verbs leave.
 */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "observe/helper/helper.h"

#define REQUEST_MAX 8192

static const size_t words_max = sizeof(((struct helper_request *)0)->words) /
				sizeof(((struct helper_request *)0)->words[0]);

const char *helper_text(const struct helper_request *r, const char *key)
{
	size_t n = strlen(key);

	for (int i = 0; i < r->count; i++) {
		if (strncmp(r->words[i], key, n) == 0 && r->words[i][n] == '=')
			return r->words[i] + n + 1;
	}
	return NULL;
}

int helper_u64(const struct helper_request *r, const char *key, uint64_t *out)
{
	const char *text = helper_text(r, key);

	return text ? str_to_u64(text, out) : -EINVAL;
}

uint64_t helper_u64_or(const struct helper_request *r, const char *key, uint64_t fallback)
{
	uint64_t value;

	return helper_u64(r, key, &value) < 0 ? fallback : value;
}

void helper_answer(const char *fmt, ...)
{
	char line[REQUEST_MAX];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n > sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	line[n] = '\n';
	/* Whoever asked has gone: the end of the input says so next. */
	if (fd_write_all(STDOUT_FILENO, line, (size_t)n + 1) < 0)
		return;
}

uint64_t helper_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

bool helper_told(void)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

static const struct helper_verb *find_verb(const char *name)
{
	for (int i = 0; i < helper_verbs_count; i++) {
		if (str_eq(helper_verbs[i]->name, name))
			return helper_verbs[i];
	}
	return NULL;
}

/* %20 and the like, in place. */
static void decode(char *s)
{
	char *to = s;

	for (; *s; s++) {
		char hex[3] = {0};

		if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
			hex[0] = s[1];
			hex[1] = s[2];
			*to++ = (char)strtoul(hex, NULL, 16);
			s += 2;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

static int do_verb(const char *name, const struct helper_request *r)
{
	const struct helper_verb *v = find_verb(name);
	int rc = v ? v->run(r) : -ENOSYS;

	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	if (rc < 0)
		helper_answer("error %d %s: %s", -rc, name,
			      v ? err_errno_text(-rc) : "the helper has no such verb");
	else
		helper_answer("ok");
	return rc;
}

static void do_line(char *line)
{
	struct helper_request r = {.count = 0};
	char *save, *verb = strtok_r(line, " ", &save), *word;

	if (!verb)
		return;
	while ((word = strtok_r(NULL, " ", &save)) && (size_t)r.count < words_max) {
		decode(word);
		r.words[r.count++] = word;
	}
	if (word)
		helper_answer("error %d %s: too many words", E2BIG, verb);
	else
		do_verb(verb, &r);
}

static int serve(void)
{
	char buffer[REQUEST_MAX];
	size_t have = 0;
	ssize_t n;

	while ((n = read(STDIN_FILENO, buffer + have, sizeof(buffer) - have)) != 0) {
		char *end, *at = buffer;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return EXIT_FAILURE;
		have += (size_t)n;
		while ((end = memchr(at, '\n', have - (size_t)(at - buffer)))) {
			*end = '\0';
			do_line(at);
			at = end + 1;
		}
		have -= (size_t)(at - buffer);
		memmove(buffer, at, have);
		if (have == sizeof(buffer))
			return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct helper_request r = {.count = 0};

	signal(SIGPIPE, SIG_IGN);
	if (argc < 2 || (size_t)argc - 2 > words_max)
		return 2;
	if (str_eq(argv[1], "serve")) {
		char hello[] = "hello";

		do_line(hello);
		return serve();
	}
	for (int i = 2; i < argc; i++)
		r.words[r.count++] = argv[i];
	return do_verb(argv[1], &r) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
