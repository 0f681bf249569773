/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernel memory: kmem_malloc and its kin, submaps made at boot, kernel stacks, slabs. */
#include <string.h>
#include "kernel/base/clock.h"
#include "kernel/base/sched.h"
#include "model/kernel.h"
#include "model/memory.h"
#include "model/mmu.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/thread.h"
#include "model/vm_fixture.h"
#include "vm/vm_fault.h"
#include "vm/vm_kern.h"
#include "vm/vm_malloc.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_zone.h"
#include <machine/cpu.h>

#define P PAGE_SIZE

static bool
in_map(vm_map_t map, vm_offset_t addr, vm_size_t size)
{
	return addr >= vm_map_min(map) && addr + size <= vm_map_max(map) && addr + size > addr;
}

/* suballoc: a submap of kernel_map; suballoc_free: by the recipe of vm_map_submap(9). */
static vm_map_t
suballoc(size_t pages)
{
	vm_offset_t min, max;
	vm_map_t map = kmem_suballoc(kernel_map, &min, &max, ptoa(pages), FALSE);

	check_u64(min, vm_map_min(map));
	check_u64(max, vm_map_max(map));
	check_u64(ptoa(pages), max - min);
	return map;
}

static void
suballoc_free(vm_map_t map)
{
	vm_offset_t min = vm_map_min(map), max = vm_map_max(map);

	check_kr(KERN_SUCCESS, vm_map_remove(map, min, max));
	check_kr(KERN_SUCCESS, vm_map_remove(kernel_map, min, max));
	vm_map_deallocate(map);
}

/* KM-01 */

static void
whole_pages(void **state)
{
	static const vm_size_t sizes[] = {1, P - 1, P, P + 1, 5 * P, 100 * P};
	struct vm_usage before = vm_usage_read();
	struct pmap_mapping m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		vm_size_t size = round_page(sizes[i]), held = kmem_map->size;
		vm_offset_t addr = kmem_malloc(kmem_map, sizes[i], KMEM_ZERO);

		assert_true(page_aligned(addr) && in_map(kmem_map, addr, size));
		check_u64(size, kmem_map->size - held);
		for (size_t k = 0; k < size; k++)
			check_u64(0, ((uint8_t *)addr)[k]);
		memset((void *)addr, 0xff, size);
		for (vm_offset_t va = addr; va < addr + size; va += P) {
			assert_true(pmap_query(kernel_pmap, va, &m));
			assert_true(m.wired && m.prot == VM_PROT_RW);
			check_u64(1, m.page->wire_count);
			check_u64(atop(va - VM_MIN_KERNEL_ADDRESS), m.page->pindex);
			assert_ptr_equal(kernel_object, m.page->object);
		}
		check_u64(1, space_entry(kmem_map, addr)->wired_count);
		kmem_free(kmem_map, addr, sizes[i]);
		check_hole(kmem_map, addr, addr + size);
		vm_usage_check(&before);
	}
}

/* What was written is not seen by the next owner who asks for zeroes. */
static void
zero_again(void **state)
{
	vm_offset_t addr = kmem_malloc(kmem_map, 4 * P, 0);

	(void)state;
	memset((void *)addr, 0x77, 4 * P);
	kmem_free(kmem_map, addr, 4 * P);
	check_u64(addr, kmem_malloc(kmem_map, 4 * P, KMEM_ZERO));
	for (size_t i = 0; i < 4 * P; i++)
		check_u64(0, ((uint8_t *)addr)[i]);
	kmem_free(kmem_map, addr, 4 * P);
}

static void
full_submap(void **state)
{
	vm_map_t map = suballoc(16);
	vm_offset_t addr;

	(void)state;
	check_u64(0, kmem_malloc(map, 17 * P, KMEM_NOWAIT));
	check_u64(0, kmem_malloc(map, 0, KMEM_NOWAIT));
	addr = kmem_malloc(map, 16 * P, KMEM_NOWAIT);
	check_u64(vm_map_min(map), addr);
	check_u64(0, kmem_malloc(map, 1, KMEM_NOWAIT));
	kmem_free(map, addr, 16 * P);
	addr = kmem_malloc(map, 1, KMEM_NOWAIT);
	check_u64(vm_map_min(map), addr);
	kmem_free(map, addr, 1);
	suballoc_free(map);
}

static void
full_submap_panics(void **state)
{
	vm_map_t map = suballoc(4);

	(void)state;
	expect_panic("no addresses left", kmem_malloc(map, 5 * P, 0));
}

static void
nowait_without_memory(void **state)
{
	struct vm_usage before = vm_usage_read();

	(void)state;
	model_memory_take_all();
	check_u64(0, kmem_malloc(kmem_map, 1, KMEM_NOWAIT));
	check_u64(0, kmem_malloc(kmem_map, 100 * P, KMEM_NOWAIT | KMEM_ZERO));
	assert_null(kmalloc(100 * P, VM_ZONE_NOWAIT));
	check_u64(0, clock_now());
	model_memory_give_back();
	vm_usage_check(&before);
}

/* Each allocation fails in turn: all or nothing. */
static void
nowait_sweep(void **state)
{
	struct vm_usage before = vm_usage_read();
	vm_offset_t addr;

	(void)state;
	for (uint64_t k = 1;; k++) {
		map_drop_spares(kmem_map);
		model_fail_after(k);
		addr = kmem_malloc(kmem_map, 6 * P, KMEM_NOWAIT);
		model_fail_off();
		if (addr != 0)
			break;
		check_u64(0, kmem_map->size);
		check_u64(before.frames, vm_usage_read().frames);
		check_u64(before.mappings, vm_usage_read().mappings);
	}
	memset((void *)addr, 1, 6 * P);
	kmem_free(kmem_map, addr, 6 * P);
	vm_usage_check(&before);
}

struct waiter {
	vm_map_t map;
	vm_size_t size;
	vm_offset_t addr;
	bool done;
};

static void
malloc_it(void *arg)
{
	struct waiter *w = arg;

	w->addr = kmem_malloc(w->map, w->size, KMEM_ZERO);
}

static void
waits_for_frames(void **state)
{
	struct waiter w = {.map = kmem_map, .size = 8 * P};
	struct thread *t;

	(void)state;
	model_memory_take_all();
	t = model_thread_start("kmem_malloc", malloc_it, &w);
	model_thread_await_sleep(t);
	assert_true(vm_map_trylock(kmem_map));
	vm_map_unlock(kmem_map);
	model_memory_give_back();
	model_thread_join(t);
	assert_int_not_equal(w.addr, 0);
	memset((void *)w.addr, 1, w.size);
	kmem_free(kmem_map, w.addr, w.size);
}

static void
killed_while_it_waits(void **state)
{
	struct vm_usage before = vm_usage_read();
	struct waiter w = {.map = kmem_map, .size = 8 * P, .addr = 1};
	struct thread *t;

	(void)state;
	model_memory_take_all();
	t = model_thread_start("kmem_malloc", malloc_it, &w);
	model_thread_await_sleep(t);
	model_thread_kill(t);
	/* It needs entries to cut its range out, so it may have to wait for a few frames. */
	model_memory_give_back();
	model_thread_join(t);
	check_u64(0, w.addr);
	vm_usage_check(&before);
}

static void
wrong_free(void **state)
{
	vm_offset_t addr = kmem_malloc(kmem_map, P, 0);

	(void)state;
	expect_panic("no kernel page", kmem_free(kmem_map, addr, 2 * P));
}

static void
not_with_a_map_lock(void **state)
{
	struct vm_fixture *f = *state;

	vm_map_lock(f->map);
	expect_panic("kmem_malloc", kmem_malloc(kmem_map, P, 0));
}

/* KM-02 */

static void
alloc_wait_it(void *arg)
{
	struct waiter *w = arg;

	w->addr = kmem_alloc_wait(w->map, w->size);
}

static void
alloc_wait(void **state)
{
	vm_map_t map = suballoc(8);
	vm_offset_t first = kmem_alloc_wait(map, 5 * P), second = kmem_alloc_wait(map, 3 * P - 1);
	struct waiter w = {.map = map, .size = 4 * P, .addr = 1};
	struct thread *t;

	(void)state;
	check_u64(vm_map_min(map), first);
	check_u64(first + 5 * P, second);
	t = model_thread_start("waits", alloc_wait_it, &w);
	model_thread_await_sleep(t);
	kmem_free_wakeup(map, second, 3 * P - 1); /* not enough */
	model_thread_await_sleep(t);
	kmem_free_wakeup(map, first, 5 * P);
	model_thread_join(t);
	check_u64(first, w.addr);
	kmem_free_wakeup(map, w.addr, 4 * P);
	suballoc_free(map);
}

static void
alloc_wait_never(void **state)
{
	vm_map_t map = suballoc(8);
	vm_offset_t all;

	(void)state;
	check_u64(0, kmem_alloc_wait(map, 8 * P + 1));
	check_u64(0, kmem_alloc_wait(map, 0));
	check_u64(0, kmem_alloc_wait(map, UINT64_MAX));
	check_u64(0, kmem_alloc_wait(map, UINT64_MAX - 2 * P));
	all = kmem_alloc_wait(map, 8 * P);
	check_u64(vm_map_min(map), all);
	kmem_free_wakeup(map, all, 8 * P);
	suballoc_free(map);
}

static void
alloc_wait_killed(void **state)
{
	vm_map_t map = suballoc(8);
	vm_offset_t all = kmem_alloc_wait(map, 8 * P);
	struct waiter w = {.map = map, .size = P, .addr = 1};
	struct thread *t = model_thread_start("waits", alloc_wait_it, &w);

	(void)state;
	model_thread_await_sleep(t);
	model_thread_kill(t);
	model_thread_join(t);
	check_u64(0, w.addr);
	check_u64(8 * P, map->size);
	kmem_free_wakeup(map, all, 8 * P);
	suballoc_free(map);
}

/* Several wait; whoever fits goes on. */
static void
alloc_wait_many(void **state)
{
	vm_map_t map = suballoc(4);
	vm_offset_t all = kmem_alloc_wait(map, 4 * P);
	struct waiter w[3];
	struct thread *t[3];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		w[i] = (struct waiter){.map = map, .size = P};
		t[i] = model_thread_start("waits", alloc_wait_it, &w[i]);
		model_thread_await_sleep(t[i]);
	}
	kmem_free_wakeup(map, all, 4 * P);
	for (size_t i = 0; i < 3; i++) {
		model_thread_join(t[i]);
		assert_true(in_map(map, w[i].addr, P));
	}
	check_u64(3 * P, map->size);
	suballoc_free(map);
}

/* Its memory is pageable: a fault through the parent resolves in the submap. */
static void
pageable(void **state)
{
	vm_offset_t addr = kmem_alloc_wait(exec_map, 4 * P);

	(void)state;
	check_u64(0, space_entry(exec_map, addr)->wired_count);
	assert_null(space_mapped(kernel_map, addr + P));
	check_kr(KERN_SUCCESS, vm_fault(kernel_map, addr + P, VM_PROT_WRITE, 0));
	check_u64(0, *(uint8_t *)(addr + P));
	*(uint8_t *)(addr + P) = 1;
	assert_null(space_mapped(kernel_map, addr));
	kmem_free_wakeup(exec_map, addr, 4 * P);
	check_kr(KERN_INVALID_ADDRESS, vm_fault(kernel_map, addr + P, VM_PROT_READ, 0));
	assert_null(space_mapped(kernel_map, addr + P));
}

/* KM-03 */

#define MANY 400

static void
many(void **state)
{
	static vm_offset_t addr[MANY];
	struct vm_usage before = vm_usage_read();

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		map_drop_spares(kmem_map);
		addr[i] = kmem_malloc(kmem_map, (1 + i % 3) * P, 0);
		assert_int_not_equal(addr[i], 0);
		memset((void *)addr[i], (int)i, (1 + i % 3) * P);
	}
	/* Every other one first: each is cut out of its neighbours. */
	for (size_t half = 0; half < 2; half++) {
		for (size_t i = half; i < MANY; i += 2) {
			map_drop_spares(kmem_map);
			check_u64((uint8_t)i, *(uint8_t *)addr[i]);
			kmem_free(kmem_map, addr[i], (1 + i % 3) * P);
		}
	}
	check_u64(0, kmem_map->size);
	/* Spares that lie in slabs of their own are no leak. */
	map_drop_spares(kmem_map);
	vm_usage_check(&before);
}

/* A free needs entries to cut, and there are none: it waits, and cannot fail. */
static void
free_without_memory(void **state)
{
	struct vm_usage before = vm_usage_read();
	vm_offset_t addr = kmem_malloc(kmem_map, 3 * P, 0);

	(void)state;
	map_drop_spares(kmem_map);
	model_fail_after(1);
	kmem_free(kmem_map, addr + P, P);
	check_u64(1, model_fail_count());
	model_fail_off();
	check_u64(2 * P, kmem_map->size);
	kmem_free(kmem_map, addr, P);
	kmem_free(kmem_map, addr + 2 * P, P);
	vm_usage_check(&before);
}

struct churner {
	bool ok;
};

static void
churn(void *arg)
{
	struct churner *c = arg;

	for (size_t i = 0; i < 300; i++) {
		vm_size_t size = (1 + i % 5) * P;
		uint8_t *p = (uint8_t *)kmem_malloc(kmem_map, size, KMEM_ZERO);

		if (p[0] != 0 || p[size - 1] != 0)
			return;
		memset(p, 1, size);
		kmem_free(kmem_map, (vm_offset_t)p, size);
	}
	c->ok = true;
}

static void
concurrent(void **state)
{
	struct churner c[3] = {{false}};
	struct thread *t[3];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		t[i] = model_thread_start("churner", churn, &c[i]);
	for (size_t i = 0; i < 3; i++) {
		model_thread_join(t[i]);
		assert_true(c[i].ok);
	}
	check_u64(0, kmem_map->size);
}

/* kmem_alloc, kmem_alloc_nofault */

static void
alloc_wired(void **state)
{
	struct vm_usage before = vm_usage_read();
	vm_offset_t addr = kmem_alloc(kernel_map, 3 * P - 5);
	struct pmap_mapping m;

	(void)state;
	assert_true(in_map(kernel_map, addr, 3 * P));
	for (vm_offset_t va = addr; va < addr + 3 * P; va += P) {
		assert_true(pmap_query(kernel_pmap, va, &m));
		assert_true(m.wired && m.page->wire_count == 1);
		check_u64(0, *(uint64_t *)va);
		*(uint64_t *)va = va;
	}
	check_kr(KERN_SUCCESS, vm_map_remove(kernel_map, addr, addr + 3 * P));
	assert_null(space_mapped(kernel_map, addr));
	vm_usage_check(&before);
}

static void
alloc_wired_sweep(void **state)
{
	struct vm_usage before = vm_usage_read();
	vm_offset_t addr;

	(void)state;
	for (uint64_t k = 1;; k++) {
		map_drop_spares(kernel_map);
		model_fail_from(k);
		addr = kmem_alloc(kernel_map, 3 * P);
		model_fail_off();
		if (addr != 0)
			break;
		vm_usage_check(&before);
	}
	check_kr(KERN_SUCCESS, vm_map_remove(kernel_map, addr, addr + 3 * P));
	vm_usage_check(&before);
}

static void
nofault(void **state)
{
	struct vm_usage before = vm_usage_read();
	vm_offset_t addr = kmem_alloc_nofault(kernel_map, 3 * P);

	(void)state;
	assert_true(in_map(kernel_map, addr, 3 * P));
	check_u64(before.charge, vm_usage_read().charge);
	assert_null(space_mapped(kernel_map, addr));
	check_u64(VM_ENTRY_NOFAULT, space_entry(kernel_map, addr)->eflags);
	check_kr(KERN_SUCCESS, vm_map_remove(kernel_map, addr, addr + 3 * P));
	vm_usage_check(&before);
}

/* kmem_suballoc */

static void
submap_bounds(void **state)
{
	vm_offset_t min, max;
	vm_map_t first = suballoc(3), second = suballoc(5), super;
	vm_map_entry_t e = space_entry(kernel_map, vm_map_min(first));

	(void)state;
	assert_true(vm_map_max(first) <= vm_map_min(second) ||
		    vm_map_max(second) <= vm_map_min(first));
	assert_ptr_equal(first, e->sub_map);
	check_u64(VM_ENTRY_IS_SUB_MAP, e->eflags);
	check_u64(vm_map_min(first), e->start);
	check_u64(vm_map_max(first), e->end);
	assert_ptr_equal(vm_map_pmap(kernel_map), vm_map_pmap(first));
	assert_true(first->system);
	check_u64(VM_MAP_IS_SUB_MAP, first->flags);
	super = kmem_suballoc(kernel_map, &min, &max, 3 * P + 1, TRUE);
	check_u64(0, min % SUPERPAGE_SIZE);
	check_u64(min + 4 * P, max);
	suballoc_free(super);
	suballoc_free(second);
	suballoc_free(first);
	check_hole(kernel_map, min, max);
}

static void
submap_too_large(void **state)
{
	vm_offset_t min, max;

	(void)state;
	expect_panic("no room",
		     kmem_suballoc(kernel_map, &min, &max,
				   VM_MAX_KERNEL_ADDRESS - VM_MIN_KERNEL_ADDRESS, FALSE));
}

static void
boot_submaps(void **state)
{
	vm_map_t maps[] = {kmem_map, exec_map, stack_map};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		vm_offset_t min = vm_map_min(maps[i]), max = vm_map_max(maps[i]);

		assert_true(in_map(kernel_map, min, max - min));
		assert_ptr_equal(maps[i], space_entry(kernel_map, min)->sub_map);
		check_u64(max, space_entry(kernel_map, min)->end);
	}
}

/* Stacks */

#define STACKS 50

static void
check_stack(vm_offset_t stack)
{
	assert_true(page_aligned(stack) && in_map(stack_map, stack, KERNEL_STACK_SIZE));
	memset((void *)stack, 0x11, KERNEL_STACK_SIZE);
	assert_true(kstack_in_guard(stack - 1));
	assert_true(kstack_in_guard(stack - P));
	assert_false(kstack_in_guard(stack));
	assert_false(kstack_in_guard(stack + KERNEL_STACK_SIZE - 1));
	assert_true(space_entry(stack_map, stack - 1)->eflags & VM_ENTRY_GUARD);
	assert_null(space_mapped(stack_map, stack - P));
	check_kr(KERN_PROTECTION_FAILURE, vm_fault(kernel_map, stack - 1, VM_PROT_WRITE, 0));
}

static void
stacks(void **state)
{
	vm_offset_t stack[STACKS];
	struct vm_usage before = vm_usage_read();

	(void)state;
	for (size_t i = 0; i < STACKS; i++) {
		stack[i] = kstack_alloc();
		check_stack(stack[i]);
	}
	for (size_t i = 0; i < STACKS; i += 3) {
		kstack_free(stack[i]);
		check_hole(stack_map, stack[i] - P, stack[i] + KERNEL_STACK_SIZE);
	}
	for (size_t i = 0; i < STACKS; i += 3) {
		vm_offset_t again = kstack_alloc();

		check_u64(stack[i], again);
		check_stack(again);
	}
	for (size_t i = STACKS; i-- > 0;)
		kstack_free(stack[i]);
	check_u64(0, stack_map->nentries);
	assert_false(kstack_in_guard(vm_map_max(stack_map)));
	assert_false(kstack_in_guard(vm_map_min(stack_map) - 1));
	map_drop_spares(stack_map);
	vm_usage_check(&before);
}

static void
stacks_sweep(void **state)
{
	struct vm_usage before = vm_usage_read();
	vm_offset_t stack;

	(void)state;
	for (uint64_t k = 1;; k++) {
		map_drop_spares(stack_map);
		model_fail_after(k);
		stack = kstack_alloc();
		model_fail_off();
		if (stack != 0)
			break;
		check_u64(0, stack_map->nentries);
		vm_usage_check(&before);
	}
	check_stack(stack);
	kstack_free(stack);
	vm_usage_check(&before);
}

/* Slabs */

#define OBJECTS 200
#define OBJECT	100 /* bytes */

static void
slabs(void **state)
{
	static struct vm_zone general, direct;
	void *p[OBJECTS], *q[OBJECTS];

	(void)state;
	vm_zone_init(&general, "general", OBJECT, NULL);
	vm_zone_init(&direct, "direct", OBJECT, &vm_zone_direct);
	for (size_t i = 0; i < OBJECTS; i++) {
		p[i] = vm_zone_alloc(&general, 0);
		q[i] = vm_zone_alloc(&direct, 0);
		assert_true(in_map(kmem_map, (vm_offset_t)p[i], OBJECT));
		assert_false(in_map(kernel_map, (vm_offset_t)q[i], OBJECT));
		memset(p[i], 1, OBJECT);
		memset(q[i], 2, OBJECT);
	}
	for (size_t i = 0; i < OBJECTS; i++) {
		vm_zone_free(&general, p[i]);
		vm_zone_free(&direct, q[i]);
	}
}

static void
heap(void **state)
{
	uint8_t *p;

	(void)state;
	for (size_t size = 1; size <= 3 * P; size += 61) {
		p = kmalloc(size, VM_ZONE_ZERO);
		assert_true(in_map(kmem_map, (vm_offset_t)p, size));
		for (size_t k = 0; k < size; k++)
			check_u64(0, p[k]);
		memset(p, 3, size);
		kfree(p, size);
	}
	kfree(NULL, 10);
}

/* The heap goes on while somebody has the parent locked. */
static void
parent_locked(void **state)
{
	struct waiter w = {.map = kmem_map, .size = 4 * P};
	struct thread *t;

	(void)state;
	vm_map_lock(kernel_map);
	t = model_thread_start("kmem_malloc", malloc_it, &w);
	while (__atomic_load_n(&w.addr, __ATOMIC_SEQ_CST) == 0)
		model_yield();
	vm_map_unlock(kernel_map);
	model_thread_join(t);
	kmem_free(kmem_map, w.addr, w.size);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"KM-01: kmem_malloc gives whole wired pages of kernel_object", whole_pages},
	    {"KM-01: M_ZERO is zero also where something was before", zero_again},
	    {"KM-01: NOWAIT with a full submap gives 0", full_submap},
	    {"KM-01: a full submap without NOWAIT is a panic", full_submap_panics},
	    {"KM-01: NOWAIT without memory gives 0 at once and leaves nothing",
	     nowait_without_memory},
	    {"KM-01: whichever allocation fails, all or nothing", nowait_sweep},
	    {"KM-01: without NOWAIT it waits for frames, with nothing locked", waits_for_frames},
	    {"KM-01: that wait ends when the thread is killed", killed_while_it_waits},
	    {"KM-01: a free that matches no allocation is a panic", wrong_free},
	    {"KM-01: with a map locked kmem_malloc is a panic", not_with_a_map_lock},
	    {"KM-02: alloc_wait waits until what it needs is freed", alloc_wait},
	    {"KM-02: what can never fit is refused at once", alloc_wait_never},
	    {"KM-02: a waiting thread can be killed", alloc_wait_killed},
	    {"KM-02: one free serves all who fit", alloc_wait_many},
	    {"KM-02: its memory is pageable, and faults find it through the parent", pageable},
	    {"KM-03: many allocations with no entry in reserve", many},
	    {"KM-03: a free that finds no entry waits for one", free_without_memory},
	    {"KM-03: several threads at once", concurrent},
	    {"KM: kmem_alloc wires zeroed memory", alloc_wired},
	    {"KM: kmem_alloc without memory leaves nothing", alloc_wired_sweep},
	    {"KM: kmem_alloc_nofault gives addresses only", nofault},
	    {"KM: kmem_suballoc: bounds, alignment, pmap", submap_bounds},
	    {"KM: kmem_suballoc without room is a panic", submap_too_large},
	    {"KM: the submaps made at boot", boot_submaps},
	    {"KM: kernel stacks and their guards", stacks},
	    {"KM: kernel stacks without memory", stacks_sweep},
	    {"KM: general slabs lie in kmem_map, direct ones do not", slabs},
	    {"KM: kmalloc's memory lies in kmem_map and is zeroed on request", heap},
	    {"KM: the heap does not need its parent's lock", parent_locked},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
