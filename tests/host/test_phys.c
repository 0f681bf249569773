/* SPDX-License-Identifier: BSD-2-Clause */
/* Physical memory: early ranges, buddies, caches, the pool of zeroed frames. */
#include <stdlib.h>
#include <string.h>
#include "kernel/base/clock.h"
#include "kernel/base/debug.h"
#include "model/kernel.h"
#include "model/memory.h"
#include "model/memory_fixture.h"
#include "model/thread.h"
#include "vm/pmap.h"
#include "vm/vm_page.h"
#include "vm/vm_phys.h"
#include "vm/vm_phys_early.h"

#define STEPS  50000
#define BLOCKS 300
#define ALL    (2 * MEMORY_FIXTURE_FRAMES)

/* Early ranges. */

static void
check_ranges(const struct vm_phys_ranges *l, size_t n, const vm_paddr_t *expected)
{
	check_u64(n, l->count);
	for (size_t i = 0; i < n; i++) {
		check_u64(expected[2 * i], l->range[i].start);
		check_u64(expected[2 * i + 1], l->range[i].end);
	}
}

#define CHECK_RANGES(l, ...)                                                          \
	check_ranges(l, sizeof((vm_paddr_t[]){__VA_ARGS__}) / sizeof(vm_paddr_t) / 2, \
		     (vm_paddr_t[]){__VA_ARGS__})

/* no_ranges: forget the ranges of the boot; the buddies have them. */
static struct vm_phys_ranges *
no_ranges(void)
{
	struct vm_phys_ranges *ram = (struct vm_phys_ranges *)(uintptr_t)vm_phys_early_ram();

	ram->count = 0;
	vm_phys_early_free()->count = 0;
	return vm_phys_early_free();
}

static void
ranges_merge(void **state)
{
	struct vm_phys_ranges *l = no_ranges();

	(void)state;
	vm_phys_early_add(0x5000, 0x7000);
	vm_phys_early_add(0x1000, 0x2000);
	CHECK_RANGES(l, 0x1000, 0x2000, 0x5000, 0x7000);
	vm_phys_early_add(0x2000, 0x3000);
	CHECK_RANGES(l, 0x1000, 0x3000, 0x5000, 0x7000);
	vm_phys_early_add(0x2000, 0x6000);
	CHECK_RANGES(l, 0x1000, 0x7000);
	vm_phys_early_add(0x8001, 0x9fff);
	CHECK_RANGES(l, 0x1000, 0x7000);
	vm_phys_early_add(0x7800, 0x9800);
	CHECK_RANGES(l, 0x1000, 0x7000, 0x8000, 0x9000);
	check_u64(0x9000, vm_phys_early_max());
}

static void
ranges_reserve(void **state)
{
	struct vm_phys_ranges *l = no_ranges();

	(void)state;
	vm_phys_early_add(0x1000, 0x9000);
	vm_phys_early_reserve(0x3001, 0x4001);
	CHECK_RANGES(l, 0x1000, 0x3000, 0x5000, 0x9000);
	vm_phys_early_reserve(0, 0x2000);
	vm_phys_early_reserve(0x8000, 0x20000);
	CHECK_RANGES(l, 0x2000, 0x3000, 0x5000, 0x8000);
	vm_phys_early_reserve(0x2000, 0x6000);
	CHECK_RANGES(l, 0x6000, 0x8000);
	CHECK_RANGES(vm_phys_early_ram(), 0x1000, 0x9000);
}

static void
ranges_alloc(void **state)
{
	struct vm_phys_ranges *l = no_ranges();

	(void)state;
	vm_phys_early_add(0x1000, 0x2000);
	vm_phys_early_add(0x3000, 0x20000);
	check_u64(0x4000, vm_phys_early_alloc(0x2000, 0x4000));
	check_u64(0x1000, vm_phys_early_alloc(0x1000, 0x1000));
	check_u64(0x10000, vm_phys_early_alloc(0x1000, 0x10000));
	CHECK_RANGES(l, 0x3000, 0x4000, 0x6000, 0x10000, 0x11000, 0x20000);
	expect_panic("too little memory", vm_phys_early_alloc(0x100000, 0x1000));
}

static void
ranges_full(void **state)
{
	(void)state;
	no_ranges();
	for (vm_paddr_t i = 0; i < VM_PHYS_EARLY_RANGES; i++)
		vm_phys_early_add(i * 0x2000, i * 0x2000 + 0x1000);
	vm_phys_early_add(0x1000, 0x2000); /* joins two */
	vm_phys_early_add(0x1000000, 0x1001000);
	expect_panic("more than", vm_phys_early_add(0x2000000, 0x2001000));
}

/* Buddies. */

static uint8_t owner[2 * ALL]; /* by frame number: 0 free, otherwise who has it */

static void
claim(const struct vm_page *m, unsigned order, uint8_t who)
{
	uint64_t pfn = atop(vm_page_to_phys(m));

	check_u64(0, pfn & ((1ul << order) - 1));
	for (uint64_t i = pfn; i < pfn + (1ul << order); i++) {
		check_u64(0, owner[i]);
		check_u64(VM_PAGE_STATE_USED, vm_page_array[i].state);
		assert_null(vm_page_array[i].object);
		owner[i] = who;
	}
}

static void
disclaim(const struct vm_page *m, unsigned order)
{
	memset(&owner[atop(vm_page_to_phys(m))], 0, 1ul << order);
}

static void
buddy_fuzz(void **state)
{
	struct {
		struct vm_page *m;
		unsigned order;
	} block[BLOCKS] = {0};
	uint64_t held = 0, start = memory_free();

	(void)state;
	for (int i = 0; i < STEPS; i++) {
		size_t k = host_random_below(BLOCKS);

		if (block[k].m != NULL) {
			disclaim(block[k].m, block[k].order);
			vm_phys_free(block[k].m, block[k].order);
			held -= 1ul << block[k].order;
			block[k].m = NULL;
		} else {
			block[k].order = (unsigned)host_random_below(VM_PHYS_ORDERS) / 2;
			block[k].m = vm_phys_alloc(block[k].order, 0);
			if (block[k].m != NULL) {
				claim(block[k].m, block[k].order, 1);
				held += 1ul << block[k].order;
			}
		}
		check_u64(start - held, memory_free());
		if (i % 100 == 0)
			vm_phys_audit();
	}
	for (size_t k = 0; k < BLOCKS; k++) {
		if (block[k].m != NULL)
			vm_phys_free(block[k].m, block[k].order);
	}
}

/* Whatever the order of frees, the largest blocks come together again. */
static void
buddy_unites(void **state)
{
	static struct vm_page *m[ALL], *big[ALL];
	size_t n = 0, nbig = 0;

	(void)state;
	while ((big[nbig] = vm_phys_alloc(VM_PHYS_ORDERS - 1, VM_ALLOC_RESERVE)) != NULL)
		nbig++;
	assert_true(nbig >= 3);
	for (size_t i = 0; i < nbig; i++)
		vm_phys_free(big[i], VM_PHYS_ORDERS - 1);
	while ((m[n] = vm_phys_alloc(0, VM_ALLOC_RESERVE)) != NULL)
		n++;
	check_u64(0, memory_free());
	for (size_t i = n; i > 1; i--) {
		size_t k = host_random_below(i);
		struct vm_page *swap = m[k];

		m[k] = m[i - 1];
		m[i - 1] = swap;
	}
	for (size_t i = 0; i < n; i++)
		vm_phys_free(m[i], 0);
	vm_phys_audit();
	for (size_t i = 0; i < nbig; i++)
		assert_non_null(big[i] = vm_phys_alloc(VM_PHYS_ORDERS - 1, VM_ALLOC_RESERVE));
	for (size_t i = 0; i < nbig; i++)
		vm_phys_free(big[i], VM_PHYS_ORDERS - 1);
}

static void
buddy_double_free(void **state)
{
	struct vm_page *m = vm_phys_alloc(3, 0);

	(void)state;
	vm_phys_free(m, 3);
	m->state = VM_PAGE_STATE_USED; /* so that only the bitmaps can tell */
	expect_panic("is freed twice", vm_phys_free(m, 0));
}

static void
buddy_misaligned(void **state)
{
	struct vm_page *m = vm_phys_alloc(3, 0);

	(void)state;
	expect_panic("is not aligned", vm_phys_free(m + 1, 3));
}

static void
add_page(void **state)
{
	struct vm_page *m = vm_page_alloc_noobj(0);
	uint64_t before = memory_free();
	struct vm_page_counts c;
	uint64_t total;

	(void)state;
	vm_page_get_counts(&c);
	total = c.total;
	memset(m, 0xa5, sizeof(*m)); /* as a frame that was never the allocator's */
	vm_phys_add_page(m);
	check_u64(before + 1, memory_free());
	vm_page_get_counts(&c);
	check_u64(total + 1, c.total);
}

/* Single frames. */

/* take_all: every frame that these requests get; returns how many. */
static size_t
take_all(struct vm_page **m, int req)
{
	size_t n = 0;

	while ((m[n] = vm_page_alloc_noobj(req)) != NULL)
		n++;
	return n;
}

static void
free_all(struct vm_page **m, size_t n)
{
	while (n-- > 0)
		vm_page_free_noobj(m[n]);
}

/*
 * Every frame there is can be written to without harm to the page array, of which some frames were
 * given away because they describe a hole.
 */
static void
holes(void **state)
{
	static struct vm_page *m[ALL];
	struct vm_page_counts c;
	size_t n;

	(void)state;
	vm_page_get_counts(&c);
	check_u64(c.total, c.free);
	assert_true(c.total > MEMORY_FIXTURE_FRAMES);
	n = take_all(m, VM_ALLOC_RESERVE);
	check_u64(c.total, n);
	for (size_t i = 0; i < n; i++) {
		claim(m[i], 0, 1);
		memset(pmap_page_address(m[i]), 0xee, PAGE_SIZE);
	}
	free_all(m, n);
}

static void
reserve(void **state)
{
	static struct vm_page *m[ALL], *last[ALL];
	size_t n, n_last;

	(void)state;
	while (vm_page_zero_idle())
		;
	n = take_all(m, 0);
	check_u64(VM_PAGE_RESERVE, memory_free());
	assert_null(vm_page_alloc_noobj(VM_ALLOC_ZERO));
	assert_null(vm_phys_alloc(0, 0));
	n_last = take_all(last, VM_ALLOC_RESERVE);
	check_u64(VM_PAGE_RESERVE, n_last);
	check_u64(0, memory_free());
	free_all(last, n_last);
	assert_null(vm_page_alloc_noobj(0));
	free_all(m, n);
}

static void
zero(void **state)
{
	static struct vm_page *m[ALL];
	size_t n;

	(void)state;
	n = take_all(m, 0);
	for (size_t i = 0; i < n; i++)
		memset(pmap_page_address(m[i]), 0xee, PAGE_SIZE);
	free_all(m, n);
	for (int i = 0; i < 20; i++)
		vm_page_zero_idle();
	n = take_all(m, VM_ALLOC_ZERO);
	for (size_t i = 0; i < n; i++) {
		const char *p = pmap_page_address(m[i]);

		assert_int_equal(p[0], 0);
		assert_memory_equal(p, p + 1, PAGE_SIZE - 1);
	}
	free_all(m, n);
}

static void
pool(void **state)
{
	uint64_t start = memory_free();
	struct vm_page_counts c;
	struct vm_page *m, *z;

	(void)state;
	while (vm_page_zero_idle())
		;
	vm_page_get_counts(&c);
	check_u64(64, c.zeroed);
	check_u64(start, c.free);
	m = vm_page_alloc_noobj(0);
	vm_page_get_counts(&c);
	check_u64(64, c.zeroed);
	z = vm_page_alloc_noobj(VM_ALLOC_ZERO);
	vm_page_get_counts(&c);
	check_u64(63, c.zeroed);
	check_u64(start - 2, c.free);
	vm_page_free_noobj(m);
	vm_page_free_noobj(z);
}

static void
wired(void **state)
{
	struct vm_page *m = vm_page_alloc_noobj(VM_ALLOC_WIRED);

	(void)state;
	check_u64(1, m->wire_count);
	vm_page_free_noobj(m);
	m = vm_page_alloc_noobj(0);
	check_u64(0, m->wire_count);
	vm_page_free_noobj(m);
}

static void
page_double_free(void **state)
{
	struct vm_page *m = vm_page_alloc_noobj(0);

	(void)state;
	vm_page_free_noobj(m);
	expect_panic("is freed twice", vm_page_free_noobj(m));
}

/* A store to a free frame, at either end. */
static void
store_to_free(size_t word)
{
	struct vm_page *m = vm_page_alloc_noobj(0);
	uint64_t *words = pmap_page_address(m);

	vm_page_free_noobj(m);
	words[word] = 1;
	expect_panic("was written to", vm_page_alloc_noobj(0));
}

static void
page_store_first(void **state)
{
	(void)state;
	store_to_free(0);
}

static void
page_store_last(void **state)
{
	(void)state;
	store_to_free(PAGE_SIZE / sizeof(uint64_t) - 1);
}

static void
page_store_middle(void **state)
{
	(void)state;
	debug_switches.poison = true;
	store_to_free(100);
}

/* A frame that has another life in between is no longer poisoned. */
static void
page_store_allowed(void **state)
{
	struct list allocated = LIST_INITIALIZER(allocated);
	struct vm_page *m = vm_page_alloc_noobj(0);
	uint64_t *words = pmap_page_address(m);

	(void)state;
	vm_page_free_noobj(m);
	assert_ptr_equal(vm_page_alloc_noobj(0), m);
	words[1] = 1;
	vm_phys_return_frames(m); /* free, but nobody poisoned it */
	for (struct vm_page *all = NULL; all != m;) {
		all = vm_phys_alloc(0, 0);
		assert_non_null(all);
		list_push_back(&allocated, &all->link);
	}
	while (!list_empty(&allocated))
		vm_phys_free(container_of(list_pop_front(&allocated), struct vm_page, link), 0);
}

#define SCATTERED 24

static void
scattered_frames(void **state)
{
	struct vm_page *chain[2] = {NULL, NULL}, *last = NULL;

	(void)state;
	debug_switches.scattered = true;
	for (unsigned i = 0; i < 2; i++)
		check_u64(SCATTERED, vm_phys_take_frames(&chain[i], SCATTERED, 0));
	for (unsigned i = 0; i < 2; i++) {
		for (struct vm_page *m = chain[i]; m != NULL; m = vm_page_chain_next(m)) {
			if (last != NULL)
				check_u64(2, last - m);
			last = m;
		}
	}
	for (unsigned i = 0; i < 2; i++)
		vm_phys_return_frames(chain[i]);
}

/* All of them, and no more, whatever the order. */
static void
scattered_all(void **state)
{
	static struct vm_page *m[ALL];
	size_t n;

	(void)state;
	n = take_all(m, VM_ALLOC_RESERVE);
	free_all(m, n);
	debug_switches.scattered = true;
	check_u64(n, take_all(m, VM_ALLOC_RESERVE));
	free_all(m, n);
}

/* When memory is short a frame freed on one processor can be had on another. */
static void
short_of_memory(void **state)
{
	static struct vm_page *m[ALL];
	size_t n = take_all(m, 0);

	(void)state;
	model_cpu_switch(1);
	vm_page_free_noobj(m[--n]);
	model_cpu_switch(2);
	m[n] = vm_page_alloc_noobj(0);
	assert_non_null(m[n]);
	model_cpu_switch(0);
	free_all(m, n + 1);
}

static void
churn(void *arg)
{
	uint64_t seed = (uint64_t)(uintptr_t)arg;
	struct vm_page *m[100] = {0};

	for (int i = 0; i < STEPS; i++) {
		size_t k = (seed = seed * 6364136223846793005ull + 1) % 100;

		if (m[k] != NULL) {
			vm_page_free_noobj(m[k]);
			m[k] = NULL;
		} else {
			m[k] = vm_page_alloc_noobj(k % 2 != 0 ? VM_ALLOC_ZERO : 0);
		}
		if (i % 16 == 0)
			vm_page_zero_idle();
	}
	for (size_t k = 0; k < 100; k++) {
		if (m[k] != NULL)
			vm_page_free_noobj(m[k]);
	}
}

static void
threads(void **state)
{
	struct thread *t[3];

	(void)state;
	for (uintptr_t i = 0; i < ARRAY_SIZE(t); i++)
		t[i] = model_thread_start("churn", churn, (void *)(i + 1));
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		model_thread_join(t[i]);
}

/* Waiting for memory. */

static kern_return_t wait_result;

static void
wait_once(void *arg)
{
	(void)arg;
	wait_result = vm_page_wait("test");
}

static void
wait_freed(void **state)
{
	static struct vm_page *m[ALL];
	size_t n = take_all(m, 0);
	struct thread *t = model_thread_start("waiter", wait_once, NULL);

	(void)state;
	model_thread_await_sleep(t);
	vm_page_free_noobj(m[--n]);
	model_thread_join(t);
	check_kr(KERN_SUCCESS, wait_result);
	check_u64(0, clock_now());
	free_all(m, n);
}

static void
wait_time(void **state)
{
	static struct vm_page *m[ALL];
	size_t n = take_all(m, 0);

	(void)state;
	check_kr(KERN_SUCCESS, vm_page_wait("test"));
	check_u64(100 * NS_PER_MS, clock_now());
	free_all(m, n);
	check_kr(KERN_SUCCESS, vm_page_wait("test"));
	check_u64(100 * NS_PER_MS, clock_now());
}

static void
wait_killed(void **state)
{
	static struct vm_page *m[ALL];
	size_t n = take_all(m, 0);
	struct thread *t = model_thread_start("waiter", wait_once, NULL);

	(void)state;
	model_thread_await_sleep(t);
	model_thread_kill(t);
	model_thread_join(t);
	check_kr(KERN_ABORTED, wait_result);
	free_all(m, n);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"early: ranges that touch or overlap become one, others stay sorted", ranges_merge},
	    {"early: a reservation splits, trims and removes ranges, in whole pages",
	     ranges_reserve},
	    {"early: allocations are aligned and leave the rest", ranges_alloc},
	    {"early: too many ranges are an error, not an overflow", ranges_full},
	    {"buddies: random blocks never overlap, counts are exact", buddy_fuzz},
	    {"buddies: all frames freed in random order unite to the largest blocks", buddy_unites},
	    {"buddies: a frame inside a free block cannot be freed", buddy_double_free},
	    {"buddies: a block that is not aligned to its order is refused", buddy_misaligned},
	    {"frames: all can be used, also those of the page array that describe a hole", holes},
	    {"buddies: a frame reserved at boot can be handed in later", add_page},
	    {"frames: the last ones are for VM_ALLOC_RESERVE only", reserve},
	    {"frames: VM_ALLOC_ZERO gives zeroes, from the pool or not", zero},
	    {"frames: the pool is filled to its size and used for zeroed requests first", pool},
	    {"frames: VM_ALLOC_WIRED wires, and freeing forgets it", wired},
	    {"frames: a double free is found", page_double_free},
	    {"frames: a store to the first word of a free one is found", page_store_first},
	    {"frames: a store to the last word of a free one is found", page_store_last},
	    {"frames: under debug.poison, a store to the middle of a free one is found",
	     page_store_middle},
	    {"frames: who has one may store to it, whichever way it goes back", page_store_allowed},
	    {"frames: scattered, each is two below the one before", scattered_frames},
	    {"frames: scattered, all can be used", scattered_all},
	    {"frames: when memory is short, a freed frame can be had on any processor",
	     short_of_memory},
	    {"frames: three processors allocate, free and zero at once", threads},
	    {"wait: a freed frame wakes", wait_freed},
	    {"wait: ends after 100 ms, at once if there is memory", wait_time},
	    {"wait: ends when the thread is killed", wait_killed},
	};

	return host_run(&memory_fixture, tests, ARRAY_SIZE(tests));
}
