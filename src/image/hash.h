/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 as images use it: "sha256:<64 hex>". OpenSSL, for its use of the CPU's instructions. */
#ifndef CLOCHE_IMAGE_HASH_H
#define CLOCHE_IMAGE_HASH_H

#include <stddef.h>

#include "base/err.h"
#include "image/reference.h"

struct evp_md_ctx_st;

struct hash {
	struct evp_md_ctx_st *context;
};

int must_check hash_start(struct hash *h, struct err *err);
/* Never fails for SHA-256 in memory; a failure shows in hash_finish(). */
void hash_add(struct hash *h, const void *bytes, size_t n);
int must_check hash_finish(struct hash *h, char out[static DIGEST_LEN + 1], struct err *err);
void hash_free(struct hash *h);
#define auto_hash __attribute__((cleanup(hash_free)))

/* All at once. */
int must_check hash_bytes(const void *bytes, size_t n, char out[static DIGEST_LEN + 1],
			  struct err *err);
/* OCI's chain id: the diff id itself for the lowest layer (parent ""), else the digest of
 * "<parent> <diff id>". */
int must_check hash_chain(const char *parent, const char *diff_id, char out[static DIGEST_LEN + 1],
			  struct err *err);

#endif
