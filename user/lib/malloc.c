/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The heap: lists of free blocks by size class, and mappings of their own for large blocks.
 *
 *	mapping:  | header | block ... | header | block ... | header | block ... |
 *
 * Each block has a header of 16 bytes in front.  A class is a power of two or one and a half times
 * one.  When a class has no free block, a span of pages is mapped and cut up; spans are never given
 * back.  A block over LARGEST_CLASS is a mapping of its own and is unmapped when it is freed.
 *
 * The header's mark tells a block that is out from one that is free, so that freeing twice or
 * freeing a wrong address ends the program at once instead of later.
 */
#include <stddef.h>
#include <stdint.h>

#include <pagoda/assert.h>
#include <pagoda/memory.h>
#include <pagoda/stdlib.h>
#include <pagoda/string.h>
#include <pagoda/thread.h>

struct block {
	uint32_t mark;
	uint32_t class;		 /* CLASS_OWN_MAPPING, or index of its list */
	uint64_t length;	 /* bytes of the mapping, or usable bytes of the block */
	struct block *next_free; /* first word of the memory handed out; only while free */
};

#define HEADER offsetof(struct block, next_free)

#define MARK_USED 0x75736564u /* "used" */
#define MARK_FREE 0x66726565u /* "free" */

#define SMALLEST_CLASS	  16u
#define CLASSES		  20u /* even: the last one is a power of two */
#define LARGEST_CLASS	  ((size_t)SMALLEST_CLASS << CLASSES / 2)
#define CLASS_OWN_MAPPING UINT32_MAX

#define SPAN_BYTES (16 * PAGE_SIZE)

/* No request can be larger; keeps sums from wrapping. */
#define MALLOC_MAX (1ul << 46)

static struct mutex lock = MUTEX_INIT;
static struct block *free_blocks[CLASSES]; /* guarded by lock */

_Static_assert(HEADER == 16, "what malloc returns must be 16-byte aligned");
_Static_assert(HEADER + LARGEST_CLASS <= SPAN_BYTES / 2, "a span holds blocks of every class");

/* Usable bytes of a class: 16, 32, 48, 64, 96, 128, 192 ... */
static size_t
class_size(uint32_t class)
{
	if (class == 0) {
		return SMALLEST_CLASS;
	}
	size_t power = (size_t)SMALLEST_CLASS << ((class + 1) / 2);

	return class % 2 == 1 ? power : power + power / 2;
}

/* The smallest class that holds size bytes, size <= LARGEST_CLASS. */
static uint32_t
class_of(size_t size)
{
	uint32_t class = 0;

	while (class_size(class) < size) {
		class ++;
	}
	return class;
}

void
heap_lock(void)
{
	mutex_lock(&lock);
}

void
heap_unlock(void)
{
	mutex_unlock(&lock);
}

/* Map a span and cut it into free blocks of the class.  Heap locked. */
static void
refill(uint32_t class)
{
	size_t stride = HEADER + class_size(class);
	char *span = map_pages(SPAN_BYTES, PROT_RW);

	if (span == NULL) {
		return;
	}
	for (size_t at = 0; at + stride <= SPAN_BYTES; at += stride) {
		struct block *b = (struct block *)(span + at);

		b->mark = MARK_FREE;
		b->class = class;
		b->length = class_size(class);
		b->next_free = free_blocks[class];
		free_blocks[class] = b;
	}
}

static struct block *
take_block(uint32_t class)
{
	heap_lock();
	if (free_blocks[class] == NULL) {
		refill(class);
	}
	struct block *b = free_blocks[class];
	if (b != NULL) {
		free_blocks[class] = b->next_free;
	}
	heap_unlock();
	return b;
}

static struct block *
map_block(size_t size)
{
	size_t bytes = page_round_up(HEADER + size);
	struct block *b = map_pages(bytes, PROT_RW);

	if (b != NULL) {
		b->class = CLASS_OWN_MAPPING;
		b->length = bytes - HEADER;
	}
	return b;
}

/* The block that p was handed out as; p must come from malloc and not have been freed. */
static struct block *
block_of(void *p)
{
	struct block *b = (struct block *)((char *)p - HEADER);

	assert(b->mark == MARK_USED);
	return b;
}

void *
malloc(size_t size)
{
	if (size > MALLOC_MAX) {
		return NULL;
	}
	struct block *b = size <= LARGEST_CLASS ? take_block(class_of(size)) : map_block(size);
	if (b == NULL) {
		return NULL;
	}
	b->mark = MARK_USED;
	return &b->next_free;
}

void
free(void *p)
{
	if (p == NULL) {
		return;
	}
	struct block *b = block_of(p);

	b->mark = MARK_FREE;
	if (b->class == CLASS_OWN_MAPPING) {
		unmap_pages(b, HEADER + b->length);
		return;
	}
	heap_lock();
	b->next_free = free_blocks[b->class];
	free_blocks[b->class] = b;
	heap_unlock();
}

void *
calloc(size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		return NULL;
	}
	void *p = malloc(bytes);
	if (p != NULL && bytes <= LARGEST_CLASS) {
		memset(p, 0, bytes); /* a fresh mapping is zero already */
	}
	return p;
}

void *
realloc(void *p, size_t size)
{
	if (p == NULL) {
		return malloc(size);
	}
	size_t old = block_of(p)->length;
	if (size <= old) {
		return p;
	}
	void *larger = malloc(size);
	if (larger != NULL) {
		memcpy(larger, p, old);
		free(p);
	}
	return larger;
}
