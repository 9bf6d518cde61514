/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key sequence that ends an attachment and leaves the container running. Bytes that might be
 * its beginning are held back until it is clear that they are not.
 */
#ifndef CLOCHE_CLI_DETACH_KEYS_H
#define CLOCHE_CLI_DETACH_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define DETACH_KEYS_MAX 16
#define DETACH_KEYS_DEFAULT "ctrl-p,ctrl-q"

struct detach_keys {
	unsigned char bytes[DETACH_KEYS_MAX];
	size_t count;   /* 0: never */
	size_t matched; /* of bytes, held back */
};

/* Reads "ctrl-p,ctrl-q", "a,b", "ctrl-[": single characters and ctrl-<a-z @ [ \ ] ^ _>. "" is
 * never. "Invalid detach keys (x) provided" otherwise. */
int must_check detach_keys_parse(const char *text, struct detach_keys *out, struct err *err);
/* Passes n bytes through: those to be sent go to out (room for n + DETACH_KEYS_MAX), their number
 * to *sent. True: the sequence is complete; what came after it is dropped. */
bool detach_keys_filter(struct detach_keys *k, const unsigned char *bytes, size_t n,
			unsigned char *out, size_t *sent);

#endif
