/* SPDX-License-Identifier: Apache-2.0 */
/* Streams decompress whatever the chunks, notice every kind of damage, and stay in their budget. */
#include <isa-l/igzip_lib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "image/stream.h"

#define TEXT_LEN 5000

/* A source that gives its bytes in chunks of one size. */
struct chunks {
	struct stream base;
	const unsigned char *bytes;
	size_t len, chunk;
};

static ssize_t chunks_next(struct stream *s, const unsigned char **bytes, struct err *err)
{
	struct chunks *c = (struct chunks *)s;
	size_t n = c->len < c->chunk ? c->len : c->chunk;

	(void)err;
	*bytes = c->bytes;
	c->bytes += n;
	c->len -= n;
	return (ssize_t)n;
}

static void chunks_close(struct stream *s)
{
	free(s);
}

static struct stream *from_chunks(const void *bytes, size_t len, size_t chunk)
{
	struct chunks *c = xcalloc(1, sizeof(*c));

	c->base = (struct stream){.next = chunks_next, .close = chunks_close};
	c->bytes = bytes;
	c->len = len;
	c->chunk = chunk;
	return &c->base;
}

static void fill(unsigned char text[TEXT_LEN])
{
	for (size_t i = 0; i < TEXT_LEN; i++)
		text[i] = (unsigned char)((i * 7 + i / 13) & 0x3f);
}

static size_t gzip(const unsigned char *in, size_t n, unsigned char *out, size_t size)
{
	struct isal_zstream z;

	isal_deflate_stateless_init(&z);
	z.gzip_flag = IGZIP_GZIP;
	z.end_of_stream = 1;
	z.next_in = (uint8_t *)(uintptr_t)in;
	z.avail_in = (uint32_t)n;
	z.next_out = out;
	z.avail_out = (uint32_t)size;
	assert_int_equal(isal_deflate_stateless(&z), COMP_OK);
	return size - z.avail_out;
}

/* Decompresses and compares. Returns 0 or -errno with the error. */
static int run(const void *bytes, size_t len, size_t chunk, const void *expected, size_t n,
	       struct err *err)
{
	struct stream_budget budget = {.max_bytes = 1 << 20, .input_bytes = len, .where = "x"};
	auto_stream struct stream *s =
		stream_decompress(from_chunks(bytes, len, chunk), &budget, "data: ");
	auto_free unsigned char *all = xcalloc(1, n + 1);
	size_t at = 0;

	*err = ERR_INIT;
	for (;;) {
		const unsigned char *out;
		ssize_t got = s->next(s, &out, err);

		if (got < 0)
			return (int)got;
		if (got == 0)
			break;
		assert_true(at + (size_t)got <= n);
		memcpy(all + at, out, (size_t)got);
		at += (size_t)got;
	}
	assert_int_equal(at, n);
	assert_memory_equal(all, expected, n);
	return 0;
}

static void test_gzip_members_at_every_chunk_size(void **state)
{
	unsigned char text[TEXT_LEN], packed[3 * TEXT_LEN];
	struct err err;
	size_t n;

	(void)state;
	fill(text);
	n = gzip(text, 1000, packed, sizeof(packed));
	n += gzip(text + 1000, 0, packed + n, sizeof(packed) - n);
	n += gzip(text + 1000, TEXT_LEN - 1000, packed + n, sizeof(packed) - n);
	for (size_t chunk = 8; chunk < n + 8; chunk += chunk < 64 ? 1 : 37)
		assert_int_equal(run(packed, n, chunk, text, TEXT_LEN, &err), 0);
}

static void test_zstd_frames_at_every_chunk_size(void **state)
{
	unsigned char text[TEXT_LEN], packed[3 * TEXT_LEN];
	struct err err;
	size_t n;

	(void)state;
	fill(text);
	n = ZSTD_compress(packed, sizeof(packed), text, 2000, 3);
	n += ZSTD_compress(packed + n, sizeof(packed) - n, text + 2000, TEXT_LEN - 2000, 3);
	for (size_t chunk = 8; chunk < n + 8; chunk += chunk < 64 ? 1 : 37)
		assert_int_equal(run(packed, n, chunk, text, TEXT_LEN, &err), 0);
}

static void test_plain_passes(void **state)
{
	unsigned char text[TEXT_LEN];
	struct err err;

	(void)state;
	fill(text);
	assert_int_equal(run(text, TEXT_LEN, 512, text, TEXT_LEN, &err), 0);
	assert_int_equal(run(text, 0, 512, text, 0, &err), 0);
}

static void test_every_truncation_and_flip_is_noticed(void **state)
{
	unsigned char text[TEXT_LEN], packed[3 * TEXT_LEN];
	struct err err;
	size_t n;

	(void)state;
	fill(text);
	n = gzip(text, TEXT_LEN, packed, sizeof(packed));
	for (size_t cut = 18; cut < n; cut += 11) {
		assert_int_not_equal(run(packed, cut, 256, text, TEXT_LEN, &err), 0);
		assert_true(str_starts(err.msg, "data: "));
	}
	/* the last byte alone */
	assert_int_not_equal(run(packed, n - 1, 256, text, TEXT_LEN, &err), 0);
	assert_string_equal(err.msg, "data: truncated gzip data");
	packed[n - 8] ^= 1; /* the checksum */
	assert_int_not_equal(run(packed, n, 256, text, TEXT_LEN, &err), 0);
	assert_string_equal(err.msg, "data: damaged gzip data");
	n = ZSTD_compress(packed, sizeof(packed), text, TEXT_LEN, 3);
	assert_int_not_equal(run(packed, n - 1, 256, text, TEXT_LEN, &err), 0);
	assert_string_equal(err.msg, "data: truncated zstd data");
}

static void test_known_but_unread_compression(void **state)
{
	static const unsigned char xz[] = {0xfd, '7', 'z', 'X', 'Z', 0, 0, 0};
	struct err err;

	(void)state;
	assert_int_not_equal(run(xz, sizeof(xz), 8, xz, 0, &err), 0);
	assert_int_equal(err.kind, ERR_UNSUPPORTED);
	assert_string_equal(err.msg, "data: compression xz is not supported");
}

static void test_budget(void **state)
{
	struct stream_budget full = {.max_bytes = 10 << 20, .input_bytes = 5, .where = "/data"};
	struct stream_budget bomb = {
		.max_bytes = UINT64_MAX, .input_bytes = 1 << 20, .where = "/data"};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(stream_budget_take(&full, 10 << 20, &err), 0);
	assert_int_not_equal(stream_budget_take(&full, 1, &err), 0);
	assert_string_equal(err.msg,
			    "the archive unpacks to more than the 10 MiB that are free on /data");
	/* 1 MiB may become 1100 MiB and no more */
	assert_int_equal(stream_budget_take(&bomb, 1100ul << 20, &err), 0);
	assert_int_not_equal(stream_budget_take(&bomb, 3 << 20, &err), 0);
	assert_string_equal(err.msg,
			    "the archive unpacks to more than 1100 times its size: this is a "
			    "decompression bomb");
}

static void test_tap_hashes_what_passes(void **state)
{
	auto_hash struct hash h = {0};
	struct err err = ERR_INIT;
	char digest[DIGEST_LEN + 1];
	const unsigned char *bytes;
	uint64_t count = 0;

	(void)state;
	assert_int_equal(hash_start(&h, &err), 0);
	{
		auto_stream struct stream *s = stream_tap(from_chunks("abc", 3, 2), &h, &count);

		while (s->next(s, &bytes, &err) > 0)
			;
	}
	assert_int_equal(count, 3);
	assert_int_equal(hash_finish(&h, digest, &err), 0);
	assert_string_equal(
		digest, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gzip_members_at_every_chunk_size),
		cmocka_unit_test(test_zstd_frames_at_every_chunk_size),
		cmocka_unit_test(test_plain_passes),
		cmocka_unit_test(test_every_truncation_and_flip_is_noticed),
		cmocka_unit_test(test_known_but_unread_compression),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_tap_hashes_what_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
