/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small static program that experiments put into containers (and run on the host): it does what it
 * is asked on its standard input and answers on its standard output (session.h has the form), timing
 * with the monotonic clock of the kernel it shares with the observer. It needs nothing of the image: no
 * shell, no libc, no /proc. With a verb and arguments on its command line it does that one thing and
 * ends.
 *
 * A verb is one function and one row in verbs.c. Heap-free where it can be; links base's heap-free part.
 */
#ifndef CLOCHE_OBSERVE_HELPER_HELPER_H
#define CLOCHE_OBSERVE_HELPER_HELPER_H

#include <stdbool.h>
#include <stdint.h>

struct helper_request {
	char *words[32]; /* key=value, after the verb */
	int count;
};

struct helper_verb {
	const char *name;
	/* 0, or -errno: answered as "error". Answers its data lines itself. */
	int (*run)(const struct helper_request *r);
};
extern const struct helper_verb *const helper_verbs[];
extern const int helper_verbs_count;

/* The value of key, or NULL. */
const char *helper_text(const struct helper_request *r, const char *key);
/* 0, or -EINVAL when the key is missing or no number. */
int helper_u64(const struct helper_request *r, const char *key, uint64_t *out);
uint64_t helper_u64_or(const struct helper_request *r, const char *key, uint64_t fallback);
/* One line of the answer, newline put to it; flushed at once. */
void helper_answer(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
uint64_t helper_now_ns(void);
/* Whether the observer has sent something or gone: verbs that run until told look at it. */
bool helper_told(void);

#endif
