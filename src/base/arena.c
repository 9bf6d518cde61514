/* SPDX-License-Identifier: Apache-2.0 */
/*
 * malloc() for the programs that start containers: single-threaded, mostly over in milliseconds, linked
 * against musl, whose allocator maps and unmaps a page or two at every turn (a third of what such a
 * command cost). Linked in place of libc's by defining its names; no other program has it.
 *
 * Blocks come from the end of a chunk, rounded up to a size class; a freed block waits in its class's
 * list for the next of that class, so that a command that runs for days (logs -f, events, stats) grows
 * no further than it has been in use. Above the largest class each block is a mapping of its own.
 * What must hold: a block's header says its class, and no block is in two lists.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGNMENT 16
#define STEPS 4          /* classes between two powers of two */
#define SMALLEST_SHIFT 6 /* up to 64 bytes classes are ALIGNMENT apart */
#define LARGEST_SHIFT 17 /* 128 KiB */
#define LARGEST ((size_t)1 << LARGEST_SHIFT)
#define CLASSES (STEPS * (LARGEST_SHIFT - SMALLEST_SHIFT + 1) + 1)
#define OWN_MAPPING CLASSES
#define LARGE ((size_t)8 << 10)        /* from here on a block comes from the large chunk */
#define FIRST_CHUNK ((size_t)48 << 10) /* what most commands need, in memory from the start */
#define CHUNK ((size_t)512 << 10)

/* In front of what the caller gets. */
struct block {
	uint32_t class; /* OWN_MAPPING: size is the mapping's */
	uint32_t offset; /* from the start of the block that was allocated to this header (alignment) */
	size_t size;     /* what it can hold */
};
_Static_assert(sizeof(struct block) == ALIGNMENT, "blocks must stay aligned");

struct free_block {
	struct block head;
	struct free_block *next;
};

struct chunk {
	unsigned char *at, *end; /* what is left of it */
};

/* The allocator's state cannot be passed on by malloc()'s callers. */
static struct {
	struct free_block *freed[CLASSES];
	struct chunk small;
	struct chunk large; /* apart: a large block is not to end the chunk of small ones */
} arena;

/* Class of a size up to LARGEST, and what blocks of that class hold. */
static uint32_t class_of(size_t size, size_t *holds)
{
	unsigned shift, step_shift;
	size_t step;

	if (size <= (size_t)1 << SMALLEST_SHIFT) {
		step = size ? (size - 1) / ALIGNMENT : 0;
		*holds = (step + 1) * ALIGNMENT;
		return (uint32_t)step;
	}
	shift = 63 - (unsigned)__builtin_clzl(size - 1);
	step_shift = shift - 2;
	step = (size - 1) >> step_shift; /* 4..7 */
	*holds = (step + 1) << step_shift;
	return (uint32_t)(STEPS * (shift - SMALLEST_SHIFT) + step);
}

static bool take_chunk(struct chunk *chunk, size_t need)
{
	bool first = chunk == &arena.small && !chunk->end && need <= FIRST_CHUNK;
	size_t size = first ? FIRST_CHUNK : CHUNK;
	unsigned char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | (first ? MAP_POPULATE : 0), -1, 0);

	if (p == MAP_FAILED)
		return false;
	*chunk = (struct chunk){.at = p, .end = p + size};
	return true;
}

static struct block *map_block(size_t size)
{
	size_t all = (size + sizeof(struct block) + 4095) & ~(size_t)4095;
	struct block *b = size > PTRDIFF_MAX - 4096 ? MAP_FAILED
						    : mmap(NULL, all, PROT_READ | PROT_WRITE,
							   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (b == MAP_FAILED)
		return NULL;
	*b = (struct block){.class = OWN_MAPPING, .size = all - sizeof(*b)};
	return b;
}

/* *fresh: the kernel has just zeroed it. */
static struct block *allocate(size_t size, bool *fresh)
{
	struct chunk *chunk = size < LARGE ? &arena.small : &arena.large;
	struct block *b;
	uint32_t class;
	size_t holds;

	*fresh = true;
	if (size > LARGEST)
		return map_block(size);
	class = class_of(size, &holds);
	if (arena.freed[class]) {
		b = &arena.freed[class]->head;
		arena.freed[class] = arena.freed[class]->next;
		*fresh = false;
		return b;
	}
	if ((size_t)(chunk->end - chunk->at) < holds + sizeof(*b) &&
	    !take_chunk(chunk, holds + sizeof(*b)))
		return NULL;
	b = (struct block *)(void *)chunk->at;
	chunk->at += holds + sizeof(*b);
	*b = (struct block){.class = class, .size = holds};
	return b;
}

static struct block *block_of(void *p)
{
	struct block *b = (struct block *)p - 1;

	return (struct block *)(void *)((unsigned char *)b - b->offset);
}

/* The names of libc's parameters are its own.
 * NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */
static void *refuse(void)
{
	errno = ENOMEM;
	return NULL;
}

void *malloc(size_t size)
{
	bool fresh;
	struct block *b = allocate(size, &fresh);

	return b ? b + 1 : refuse();
}

void *calloc(size_t count, size_t size)
{
	struct block *b;
	size_t all;
	bool fresh;

	if (__builtin_mul_overflow(count, size, &all))
		return refuse();
	b = allocate(all, &fresh);
	if (!b)
		return refuse();
	return fresh ? b + 1 : memset(b + 1, 0, all);
}

void free(void *p)
{
	int errnum = errno;
	struct free_block *f;
	struct block *b;

	if (!p)
		return;
	b = block_of(p);
	if (b->class == OWN_MAPPING) {
		munmap(b, b->size + sizeof(*b));
		errno = errnum;
		return;
	}
	f = (struct free_block *)(void *)b;
	f->next = arena.freed[b->class];
	arena.freed[b->class] = f;
}

/* A mapping moves without a copy. */
static void *remap(struct block *b, size_t size)
{
	size_t all = (size + sizeof(*b) + 4095) & ~(size_t)4095;

	b = size > PTRDIFF_MAX - 4096 ? MAP_FAILED
				      : mremap(b, b->size + sizeof(*b), all, MREMAP_MAYMOVE);
	if (b == MAP_FAILED)
		return refuse();
	b->size = all - sizeof(*b);
	return b + 1;
}

void *realloc(void *p, size_t size)
{
	struct block *b = p ? block_of(p) : NULL;
	bool plain = b && (void *)(b + 1) == p;
	size_t had;
	void *out;

	if (!p)
		return malloc(size);
	if (plain && b->class == OWN_MAPPING && size > LARGEST)
		return remap(b, size);
	had = b->size - (size_t)((unsigned char *)p - (unsigned char *)(b + 1));
	if (size <= had && b->class != OWN_MAPPING)
		return p;
	out = malloc(size);
	if (!out)
		return NULL;
	memcpy(out, p, size < had ? size : had);
	free(p);
	return out;
}

void *aligned_alloc(size_t alignment, size_t size)
{
	unsigned char *p = size + alignment < size ? refuse() : malloc(size + alignment);
	struct block *b, *inner;
	size_t over;

	if (!p || alignment <= ALIGNMENT)
		return p;
	over = (uintptr_t)p & (alignment - 1);
	if (!over)
		return p;
	b = (struct block *)(void *)p - 1;
	inner = (struct block *)(void *)(p + alignment - over) - 1;
	*inner = *b;
	inner->offset = (uint32_t)((unsigned char *)inner - (unsigned char *)b);
	return inner + 1;
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
	void *p = aligned_alloc(alignment, size);

	if (!p)
		return ENOMEM;
	*out = p;
	return 0;
}

void *memalign(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size)
{
	return aligned_alloc(alignment, size);
}

size_t malloc_usable_size(void *p);
size_t malloc_usable_size(void *p)
{
	struct block *b = p ? block_of(p) : NULL;

	return b ? b->size - (size_t)((unsigned char *)p - (unsigned char *)(b + 1)) : 0;
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
