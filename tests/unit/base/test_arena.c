/* SPDX-License-Identifier: Apache-2.0 */
/* The allocator under names of its own, beside libc's. */
#define malloc arena_malloc
#define calloc arena_calloc
#define realloc arena_realloc
#define free arena_free
#define aligned_alloc arena_aligned_alloc
#define posix_memalign arena_posix_memalign
#define memalign arena_memalign
#define malloc_usable_size arena_usable_size
void *arena_malloc(unsigned long size);
void *arena_calloc(unsigned long count, unsigned long size);
void *arena_realloc(void *p, unsigned long size);
void arena_free(void *p);
void *arena_aligned_alloc(unsigned long alignment, unsigned long size);
int arena_posix_memalign(void **out, unsigned long alignment, unsigned long size);
#include "base/arena.c"
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef aligned_alloc
#undef posix_memalign
#undef memalign
#undef malloc_usable_size

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_classes_hold_what_is_asked(void **state)
{
	size_t holds, before = 0;
	uint32_t class, last = 0;

	(void)state;
	for (size_t size = 0; size <= LARGEST; size++) {
		class = class_of(size, &holds);
		assert_true(class < CLASSES);
		assert_true(holds >= size && holds >= ALIGNMENT && holds % ALIGNMENT == 0);
		/* At most a quarter more, a class has one size, and larger sizes larger classes. */
		assert_true(size <= 64 || holds <= size + size / 4 + ALIGNMENT);
		assert_true(class >= last);
		assert_true((class == last) == (holds == before || size == 0));
		last = class;
		before = holds;
	}
}

static void fill(unsigned char *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(seed * 31 + i * 7);
}

static void check(const unsigned char *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(p[i], (unsigned char)(seed * 31 + i * 7));
}

/* What each of many blocks holds stays its own through all that is done to the others. */
static void test_blocks_are_apart(void **state)
{
	enum { BLOCKS = 300, ROUNDS = 20000 };
	static struct {
		unsigned char *p;
		size_t n;
		unsigned seed;
	} all[BLOCKS];
	unsigned random = 1;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned i = (random = random * 1103515245 + 12345) >> 16 & 0xffff;
		size_t n = (random >> 8) % (round % 50 ? 2000 : 300000);

		i %= BLOCKS;
		if (all[i].p)
			check(all[i].p, all[i].n, all[i].seed);
		switch (round % 4) {
		case 0:
			arena_free(all[i].p);
			all[i].p = arena_malloc(n);
			break;
		case 1:
			arena_free(all[i].p);
			all[i].p = arena_calloc(n, 1);
			for (size_t k = 0; k < n; k++)
				assert_int_equal(all[i].p[k], 0);
			break;
		case 2:
			all[i].p = arena_realloc(all[i].p, n);
			check(all[i].p, all[i].n < n ? all[i].n : n, all[i].seed);
			break;
		default:
			arena_free(all[i].p);
			all[i].p = arena_aligned_alloc(256, n);
			assert_int_equal((uintptr_t)all[i].p % 256, 0);
		}
		assert_non_null(all[i].p);
		assert_int_equal((uintptr_t)all[i].p % ALIGNMENT, 0);
		assert_true(arena_usable_size(all[i].p) >= n);
		all[i].n = n;
		all[i].seed = round;
		fill(all[i].p, n, round);
	}
	for (unsigned i = 0; i < BLOCKS; i++)
		arena_free(all[i].p);
}

/* A command that runs for days does the same again and again. */
static void test_freed_blocks_are_used_again(void **state)
{
	const unsigned char *small = NULL, *large = NULL;

	(void)state;
	for (int round = 0; round < 10000; round++) {
		void *a = arena_malloc(100), *b = arena_calloc(3, 5000), *c = arena_malloc(200000);
		char *grown = NULL;

		for (size_t n = 1; n < 20000; n *= 2)
			grown = arena_realloc(grown, n);
		if (round == 1) {
			small = arena.small.at;
			large = arena.large.at;
		}
		assert_true(round <= 1 || (arena.small.at == small && arena.large.at == large));
		arena_free(b);
		arena_free(a);
		arena_free(grown);
		arena_free(c);
	}
}

static void test_what_cannot_be_is_refused(void **state)
{
	volatile size_t huge = SIZE_MAX;
	void *p = arena_malloc(10), *same = NULL;

	(void)state;
	errno = 0;
	assert_null(arena_malloc(huge));
	assert_int_equal(errno, ENOMEM);
	assert_null(arena_malloc(huge / 2));
	assert_null(arena_calloc(huge / 2, 3));
	assert_null(arena_realloc(p, huge - 100));
	assert_null(arena_aligned_alloc(64, huge - 10));
	assert_int_equal(arena_posix_memalign(&same, 64, huge - 10), ENOMEM);
	arena_free(p);
	arena_free(NULL);
	assert_non_null(p = arena_malloc(0));
	arena_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes_hold_what_is_asked),
		cmocka_unit_test(test_blocks_are_apart),
		cmocka_unit_test(test_freed_blocks_are_used_again),
		cmocka_unit_test(test_what_cannot_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
