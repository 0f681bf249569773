/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The buddy allocator: free memory in blocks of 2^order frames, each aligned to its size.
 *
 * Every block of order k > 0 is two buddies of order k - 1, whose frame numbers differ in bit k - 1
 * only.  An allocation takes the smallest block that is large enough and halves it until it fits;
 * the upper halves become free blocks:
 *
 *	order 3	[ 0 . . . . . . . ]		take one frame
 *	order 2	                 [ 4 . . . ]	stays free
 *	order 1	         [ 2 . ]		stays free
 *	order 0	 0 [ 1 ]			0 is handed out, 1 stays free
 *
 * A block that comes back is united with its buddy as long as that is free and whole.
 *
 * buddies.bitmap[k] has a bit for each block of order k: "free as a block of just this order".  So
 * the question "is my buddy free?" reads no vm_page, and memory that was never handed out has no
 * initialised vm_page but those of the heads of free blocks.  All others are initialised when their
 * frame is allocated.
 *
 * Invariants (vm_phys_audit() checks them): the set bits of bitmap[k] are the heads on list[k];
 * no frame is in two free blocks; no two buddies are both free; buddies.frames is the sum.
 *
 * The last VM_PAGE_RESERVE frames are for requests with VM_ALLOC_RESERVE.  Single frames are
 * mostly served by the caches above this file: see vm_page_alloc.c.
 */
#include "kernel/base/compiler.h"
#include "kernel/base/debug.h"
#include "kernel/base/list.h"
#include "kernel/base/panic.h"
#include "kernel/base/spinlock.h"
#include "kernel/base/string.h"
#include "vm/pmap.h"
#include "vm/vm_page.h"
#include "vm/vm_page_poison.h"
#include "vm/vm_phys.h"
#include "vm/vm_phys_early.h"

#define MAX_ORDER    (VM_PHYS_ORDERS - 1)
#define BITS_PER_MAP 64

#define SCATTER_TRIES 64 /* frames looked at for a free one */

struct vm_page *vm_page_array;
uint64_t vm_page_max_pfn;

static struct { /* (f) guarded by lock */
	struct spinlock lock;
	struct list list[VM_PHYS_ORDERS]; /* (f) heads of the free blocks of each order */
	uint64_t *bitmap[VM_PHYS_ORDERS]; /* (f) the same by block number */
	uint32_t nonempty;		  /* (f) bit k: list[k] is not empty */
	uint64_t frames;		  /* (f) in free blocks */
	uint64_t total;			  /* (f) frames this allocator was ever given */
} buddies = {
    .lock = SPINLOCK_INITIALIZER("vm_phys", LOCK_RANK_PHYS),
};

static uint64_t
page_to_pfn(const struct vm_page *m)
{
	return (uint64_t)(m - vm_page_array);
}

static bool
block_is_free(uint64_t pfn, unsigned order)
{
	uint64_t block = pfn >> order;

	return (buddies.bitmap[order][block / BITS_PER_MAP] >> (block % BITS_PER_MAP) & 1) != 0;
}

static void
block_flip(uint64_t pfn, unsigned order)
{
	uint64_t block = pfn >> order;

	buddies.bitmap[order][block / BITS_PER_MAP] ^= 1ull << (block % BITS_PER_MAP);
}

/* block_insert: make [pfn, pfn + 2^order) a free block.  Lock held. */
static void
block_insert(uint64_t pfn, unsigned order)
{
	struct vm_page *m = &vm_page_array[pfn];

	m->state = VM_PAGE_STATE_FREE;
	m->order = (uint8_t)order;
	list_push_front(&buddies.list[order], &m->link);
	buddies.nonempty |= 1u << order;
	block_flip(pfn, order);
}

/* block_remove: the free block at pfn is one no longer.  Lock held. */
static void
block_remove(uint64_t pfn, unsigned order)
{
	struct vm_page *m = &vm_page_array[pfn];

	ASSERT(m->state == VM_PAGE_STATE_FREE && m->order == order,
	       "free block %#zx of order %u says state %u order %u", (size_t)pfn, order, m->state,
	       m->order);
	list_remove(&m->link);
	if (list_empty(&buddies.list[order]))
		buddies.nonempty &= ~(1u << order);
	block_flip(pfn, order);
}

/* block_alloc: take a block, splitting a larger one; NULL if there is none.  Lock held. */
static struct vm_page *
block_alloc(unsigned order)
{
	uint32_t usable = buddies.nonempty >> order << order;
	struct vm_page *m;
	unsigned k;

	if (usable == 0)
		return NULL;
	k = (unsigned)__builtin_ctz(usable);
	m = list_first_entry(&buddies.list[k], struct vm_page, link);
	block_remove(page_to_pfn(m), k);
	while (k > order) {
		k--;
		block_insert(page_to_pfn(m) + (1ull << k), k);
	}
	COUNT_ADD(buddies.frames, -(1ull << order));
	return m;
}

/* assert_not_free: no frame of a block that comes back lies in a free block already. */
static void
assert_not_free(uint64_t pfn, unsigned order)
{
	for (unsigned k = order; k < VM_PHYS_ORDERS; k++)
		ASSERT(!block_is_free(pfn, k), "frame %#zx is freed twice (free block of order %u)",
		       (size_t)pfn, k);
	(void)pfn, (void)order;
}

/* block_free: give a block back, united with its buddies.  Lock held. */
static void
block_free(uint64_t pfn, unsigned order)
{
	assert_not_free(pfn, order);
	COUNT_ADD(buddies.frames, 1ull << order);
	while (order < MAX_ORDER && block_is_free(pfn ^ (1ull << order), order)) {
		block_remove(pfn ^ (1ull << order), order);
		pfn &= ~(1ull << order);
		order++;
	}
	block_insert(pfn, order);
}

/* may_take: does the reserve allow n frames for this request?  Lock held. */
static bool
may_take(uint64_t n, int req)
{
	uint64_t kept = (req & VM_ALLOC_RESERVE) != 0 ? 0 : VM_PAGE_RESERVE;

	return buddies.frames >= n + kept;
}

struct vm_page *
vm_phys_alloc(unsigned order, int req)
{
	struct vm_page *m = NULL;

	ASSERT(order < VM_PHYS_ORDERS, "order %u", order);
	if (debug_alloc_fails())
		return NULL;
	spinlock_lock(&buddies.lock);
	if (may_take(1ull << order, req))
		m = block_alloc(order);
	spinlock_unlock(&buddies.lock);
	if (m == NULL)
		return NULL;
	for (uint64_t i = 0; i < 1ull << order; i++) {
		vm_page_check_poison(&m[i]);
		vm_page_init(&m[i], req);
		if ((req & VM_ALLOC_ZERO) != 0)
			pmap_zero_page(&m[i]);
	}
	return m;
}

void
vm_phys_free(struct vm_page *m, unsigned order)
{
	uint64_t pfn = page_to_pfn(m);

	ASSERT(pfn < vm_page_max_pfn && (pfn & ((1ull << order) - 1)) == 0,
	       "freed block %#zx is not aligned to order %u", (size_t)pfn, order);
	ASSERT(m->state == VM_PAGE_STATE_USED, "freed frame %#zx has state %u", (size_t)pfn,
	       m->state);
	for (uint64_t i = 0; i < 1ull << order; i++)
		vm_page_poison(&m[i]);
	spinlock_lock(&buddies.lock);
	block_free(pfn, order);
	spinlock_unlock(&buddies.lock);
	vm_page_wake_waiters();
}

/* take_block: a whole block at once, handed out as single frames; false if there is none.  Lock
 * held. */
static bool
take_block(struct vm_page **chain, unsigned order)
{
	struct vm_page *m = block_alloc(order);

	if (m == NULL)
		return false;
	for (unsigned i = 1u << order; i-- > 0;)
		vm_page_chain_push(chain, &m[i]);
	return true;
}

/* block_alloc_frame: the frame pfn out of the free block of this order that it is in.  Lock held. */
static struct vm_page *
block_alloc_frame(uint64_t pfn, unsigned order)
{
	block_remove(pfn >> order << order, order);
	while (order > 0) {
		order--;
		block_insert((pfn >> order ^ 1) << order, order);
	}
	COUNT_ADD(buddies.frames, -1);
	return &vm_page_array[pfn];
}

/* next_scattered: a free frame two below the last one, or a little further down.  Lock held. */
static struct vm_page *
next_scattered(void)
{
	static uint64_t pfn; /* (f) */

	for (unsigned tries = 0; tries < SCATTER_TRIES; tries++) {
		/* From the top again, by the frames left out before. */
		pfn = pfn < 2 ? vm_page_max_pfn - 1 - pfn : pfn - 2;
		for (unsigned order = 0; order < VM_PHYS_ORDERS; order++) {
			if (block_is_free(pfn >> order << order, order))
				return block_alloc_frame(pfn, order);
		}
	}
	return block_alloc(0);
}

/* take_scattered: as vm_phys_take_frames, under debug.frames=scattered.  The first frame of a chain
 * is used first, so it is the highest.  Lock held. */
static unsigned
take_scattered(struct vm_page **chain, unsigned n, int req)
{
	struct vm_page *first = NULL, *m;

	while (n > 0 && !may_take(n, req))
		n--;
	for (unsigned i = 0; i < n; i++)
		vm_page_chain_push(&first, next_scattered());
	while ((m = first) != NULL) {
		first = vm_page_chain_next(m);
		vm_page_chain_push(chain, m);
	}
	return n;
}

/* Blocks as large as what is still missing: splitting one frame off at a time costs ten times more. */
unsigned
vm_phys_take_frames(struct vm_page **chain, unsigned n, int req)
{
	unsigned got = 0, order = 31 - (unsigned)__builtin_clz(n);

	spinlock_lock(&buddies.lock);
	if (debug_scattered())
		got = n = take_scattered(chain, n, req);
	while (got < n && may_take(1, req)) {
		if (1u << order <= n - got && may_take(1u << order, req) &&
		    take_block(chain, order))
			got += 1u << order;
		else if (order == 0)
			break;
		else
			order--;
	}
	spinlock_unlock(&buddies.lock);
	return got;
}

void
vm_phys_return_frames(struct vm_page *chain)
{
	struct vm_page *m;

	spinlock_lock(&buddies.lock);
	while ((m = chain) != NULL) {
		chain = vm_page_chain_next(m);
		block_free(page_to_pfn(m), 0);
	}
	spinlock_unlock(&buddies.lock);
}

void
vm_phys_add_page(struct vm_page *m)
{
	ASSERT(page_to_pfn(m) < vm_page_max_pfn, "no frame of ours: %#zx", (size_t)page_to_pfn(m));
	vm_page_init(m, 0);
	spinlock_lock(&buddies.lock);
	COUNT_ADD(buddies.total, 1);
	spinlock_unlock(&buddies.lock);
	vm_phys_free(m, 0);
}

uint64_t
vm_phys_free_frames(void)
{
	return __atomic_load_n(&buddies.frames, __ATOMIC_RELAXED);
}

uint64_t
vm_phys_total_frames(void)
{
	return __atomic_load_n(&buddies.total, __ATOMIC_RELAXED);
}

/* give_range: hand the frames [pfn, end) to the buddies in the largest blocks that fit. */
static void
give_range(uint64_t pfn, uint64_t end)
{
	buddies.total += end - pfn;
	while (pfn < end) {
		unsigned order = MAX_ORDER;

		if (pfn != 0 && (unsigned)__builtin_ctzll(pfn) < order)
			order = (unsigned)__builtin_ctzll(pfn);
		while (pfn + (1ull << order) > end)
			order--;
		block_free(pfn, order);
		pfn += 1ull << order;
	}
}

/*
 * release_hole: nobody needs the vm_pages of [start, end), which is no memory: the whole frames of
 * the array that hold only such vm_pages become ordinary free memory.
 */
static void
release_hole(vm_paddr_t array, vm_paddr_t start, vm_paddr_t end)
{
	vm_paddr_t first = round_page(array + atop(start) * sizeof(struct vm_page));
	vm_paddr_t last = trunc_page(array + atop(end) * sizeof(struct vm_page));

	if (first < last)
		give_range(atop(first), atop(last));
}

static void
release_holes(vm_paddr_t array)
{
	const struct vm_phys_ranges *ram = vm_phys_early_ram();
	vm_paddr_t end = 0;

	for (unsigned i = 0; i < ram->count; i++) {
		release_hole(array, end, ram->range[i].start);
		end = ram->range[i].end;
	}
}

/*
 * make_bitmaps: one for each order, all in one piece of early memory.  They are rounded up to whole
 * largest blocks, so the buddy of a block of ours always has a bit.
 */
static void
make_bitmaps(void)
{
	uint64_t largest = (vm_page_max_pfn >> MAX_ORDER) + 1;
	uint64_t words[VM_PHYS_ORDERS], all = 0, *map;
	vm_size_t size;

	for (unsigned k = 0; k < VM_PHYS_ORDERS; k++) {
		words[k] = ((largest << (MAX_ORDER - k)) + BITS_PER_MAP - 1) / BITS_PER_MAP;
		all += words[k];
	}
	size = round_page(all * sizeof(*map));
	map = pmap_phys_address(vm_phys_early_alloc(size, PAGE_SIZE));
	memset(map, 0, size);
	for (unsigned k = 0; k < VM_PHYS_ORDERS; k++) {
		buddies.bitmap[k] = map;
		map += words[k];
		list_init(&buddies.list[k]);
	}
}

void
vm_phys_init(void)
{
	struct vm_phys_ranges *left = vm_phys_early_free();
	vm_paddr_t array;

	vm_page_max_pfn = atop(vm_phys_early_max());
	array =
	    vm_phys_early_alloc(round_page(vm_page_max_pfn * sizeof(struct vm_page)), PAGE_SIZE);
	vm_page_array = pmap_phys_address(array);
	make_bitmaps();
	for (unsigned i = 0; i < left->count; i++)
		give_range(atop(left->range[i].start), atop(left->range[i].end));
	left->count = 0;
	release_holes(array);
}

/* audit_block: m heads a free block of this order, alone and without a free buddy. */
static void
audit_block(const struct vm_page *m, unsigned order)
{
	uint64_t pfn = page_to_pfn(m);

	VERIFY(pfn < vm_page_max_pfn && (pfn & ((1ull << order) - 1)) == 0,
	       "block %#zx on the list of order %u", (size_t)pfn, order);
	VERIFY(m->state == VM_PAGE_STATE_FREE && m->order == order,
	       "block %#zx of order %u says state %u order %u", (size_t)pfn, order, m->state,
	       m->order);
	VERIFY(block_is_free(pfn, order), "block %#zx of order %u has no bit", (size_t)pfn, order);
	for (unsigned k = order + 1; k < VM_PHYS_ORDERS; k++)
		VERIFY(!block_is_free(pfn, k), "block %#zx is free in orders %u and %u",
		       (size_t)pfn, order, k);
	VERIFY(order == MAX_ORDER || !block_is_free(pfn ^ (1ull << order), order),
	       "block %#zx of order %u and its buddy are both free", (size_t)pfn, order);
}

/* audit_bits: the number of set bits of an order's bitmap. */
static uint64_t
audit_bits(unsigned order)
{
	uint64_t blocks = ((vm_page_max_pfn >> MAX_ORDER) + 1) << (MAX_ORDER - order), n = 0;

	/* Bit by bit: the compiler's popcount is a library function, which no kernel has. */
	for (uint64_t i = 0; i < (blocks + BITS_PER_MAP - 1) / BITS_PER_MAP; i++) {
		for (uint64_t bits = buddies.bitmap[order][i]; bits != 0; bits &= bits - 1)
			n++;
	}
	return n;
}

void
vm_phys_audit(void)
{
	uint64_t frames = 0, bits, blocks;
	struct vm_page *m;

	spinlock_lock(&buddies.lock);
	for (unsigned k = 0; k < VM_PHYS_ORDERS; k++) {
		blocks = 0;
		list_for_each_entry (m, &buddies.list[k], link) {
			audit_block(m, k);
			blocks++;
		}
		bits = audit_bits(k);
		VERIFY(bits == blocks, "order %u: %zu bits, %zu blocks", k, (size_t)bits,
		       (size_t)blocks);
		VERIFY((blocks != 0) == (buddies.nonempty >> k & 1),
		       "order %u: %zu blocks, mask %#x", k, (size_t)blocks, buddies.nonempty);
		frames += blocks << k;
	}
	VERIFY(frames == buddies.frames, "%zu frames in blocks, count says %zu", (size_t)frames,
	       (size_t)buddies.frames);
	spinlock_unlock(&buddies.lock);
}
