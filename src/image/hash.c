/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 through OpenSSL's EVP. */
#include "image/hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/id.h"

int hash_start(struct hash *h, struct err *err)
{
	h->context = EVP_MD_CTX_new();
	if (!h->context || EVP_DigestInit_ex(h->context, EVP_sha256(), NULL) != 1)
		return err_set(err, ERR_SYSTEM, ENOMEM, "start SHA-256: OpenSSL refused");
	return 0;
}

void hash_add(struct hash *h, const void *bytes, size_t n)
{
	if (h->context && EVP_DigestUpdate(h->context, bytes, n) != 1)
		hash_free(h);
}

int hash_finish(struct hash *h, char out[static DIGEST_LEN + 1], struct err *err)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	if (!h->context || EVP_DigestFinal_ex(h->context, digest, &n) != 1 || n != 32)
		return err_set(err, ERR_SYSTEM, EIO, "finish SHA-256: OpenSSL refused");
	memcpy(out, DIGEST_PREFIX, strlen(DIGEST_PREFIX));
	hex_encode(digest, n, out + strlen(DIGEST_PREFIX));
	return 0;
}

void hash_free(struct hash *h)
{
	EVP_MD_CTX_free(h->context);
	h->context = NULL;
}

int hash_bytes(const void *bytes, size_t n, char out[static DIGEST_LEN + 1], struct err *err)
{
	auto_hash struct hash h = {0};
	int rc = hash_start(&h, err);

	if (rc < 0)
		return rc;
	hash_add(&h, bytes, n);
	return hash_finish(&h, out, err);
}

int hash_chain(const char *parent, const char *diff_id, char out[static DIGEST_LEN + 1],
	       struct err *err)
{
	char text[2 * DIGEST_LEN + 2];

	if (!parent[0]) {
		memcpy(out, diff_id, DIGEST_LEN + 1);
		return 0;
	}
	snprintf(text, sizeof(text), "%.71s %.71s", parent, diff_id);
	return hash_bytes(text, strlen(text), out, err);
}
