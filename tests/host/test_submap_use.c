/* SPDX-License-Identifier: BSD-2-Clause */
/* Submaps in use: lookups through them, what is refused over their range, and how they go. */
#include "kernel/base/sched.h"
#include "model/kernel.h"
#include "model/memory_fixture.h"
#include "model/pager.h"
#include "model/snapshot.h"
#include "model/stacks.h"
#include "model/submap_fixture.h"
#include "model/thread.h"
#include "vm/pmap.h"
#include "vm/vm_fault.h"
#include "vm/vm_kern.h"
#include "vm/vm_malloc.h"
#include "vm/vm_object.h"
#include "vm/vmspace.h"

#define PAGE PAGE_SIZE

/* ---- lookup ---- */

static void
sub_12(void **state)
{
	struct map_snapshot *before, *sub_before;

	(void)state;
	install();
	map_pages(sub, LOW + PAGE, PAGE, VM_PROT_READ);
	before = map_snapshot_take(parent);
	sub_before = map_snapshot_take(sub);
	check_kr(KERN_INVALID_ADDRESS, vm_fault(parent, LOW, VM_PROT_READ, VM_FAULT_NORMAL));
	check_unlocked(parent);
	check_unlocked(sub);
	check_kr(KERN_PROTECTION_FAILURE,
		 vm_fault(parent, LOW + PAGE, VM_PROT_WRITE, VM_FAULT_NORMAL));
	check_unlocked(parent);
	check_unlocked(sub);
	check_unchanged(before, parent);
	check_unchanged(sub_before, sub);
}

/* A lookup's results. */
struct found {
	vm_map_entry_t entry;
	struct vm_object *object;
	vm_pindex_t pindex;
	vm_prot_t prot;
	boolean_t wired;
};

static kern_return_t
lookup(vm_map_t *map, vm_offset_t va, struct found *r)
{
	return vm_map_lookup(map, va, VM_PROT_WRITE, &r->entry, &r->object, &r->pindex, &r->prot,
			     &r->wired);
}

static void
sub_13(void **state)
{
	vm_map_t map = parent;
	struct found r;

	(void)state;
	install();
	map_pages(sub, LOW + 4 * PAGE, 4 * PAGE, VM_PROT_RW);
	check_kr(KERN_SUCCESS, lookup(&map, LOW + 6 * PAGE, &r));
	assert_ptr_equal(sub, map);
	check_u64(LOW + 4 * PAGE, r.entry->start);
	check_u64(2, r.pindex);
	check_u64(VM_PROT_RW, r.prot);
	check_u64(0, r.wired);
	/* The submap's lock is held, the parent's is not. */
	check_u64(0, vm_map_trylock(sub));
	check_u64(1, vm_map_trylock(parent));
	vm_map_unlock(parent);
	vm_map_lookup_done(map, r.entry);
	check_unlocked(parent);
	check_unlocked(sub);
	assert_ptr_equal(map_at(sub, LOW + 4 * PAGE), r.entry);
	assert_ptr_equal(r.entry->object, r.object);
	check_u64(2, sub->ref_count);
}

static struct model_pager pager;

static void
wire_page(void *arg)
{
	(void)arg;
	check_kr(KERN_SUCCESS, vm_map_wire(sub, LOW, LOW + PAGE, VM_MAP_WIRE_SYSTEM));
}

static void
look_up_page(void *arg)
{
	vm_map_t *map = arg;
	struct found r;

	check_kr(KERN_SUCCESS, lookup(map, LOW, &r));
	assert_true(r.wired);
	vm_map_lookup_done(*map, r.entry);
}

/* The lookup sleeps in the submap, and afterwards begins again in the map where it began. */
static void
sub_13_wiring(void **state)
{
	struct vm_object *object = model_pager_object(&pager, 1, 1);
	struct thread *wirer, *looker;
	vm_offset_t at = LOW;
	vm_map_t map = parent;

	(void)state;
	install();
	check_kr(KERN_SUCCESS, vm_map_find(sub, object, 0, &at, PAGE, 0, VMFS_NO_SPACE, VM_PROT_RW,
					   VM_PROT_ALL, 0));
	pager.silent = true;
	wirer = model_thread_start("wires", wire_page, NULL);
	model_thread_await_sleep(wirer);
	looker = model_thread_start("looks", look_up_page, &map);
	model_thread_await_sleep(looker);
	check_unlocked(parent);
	check_unlocked(sub);
	model_pager_speak(&pager, VM_PAGER_OK);
	model_thread_join(wirer);
	model_thread_join(looker);
	assert_ptr_equal(sub, map);
	check_unlocked(parent);
	check_unlocked(sub);
	check_kr(KERN_SUCCESS, vm_map_unwire(sub, LOW, LOW + PAGE, VM_MAP_WIRE_SYSTEM));
}

static void
sub_18(void **state)
{
	vm_map_t map = parent;
	struct found r;

	(void)state;
	install();
	map_pages(sub, LOW, PAGE, VM_PROT_RW);
	vm_map_lock_read(parent);
	check_kr(KERN_FAILURE, vm_map_lookup_locked(&map, LOW, VM_PROT_READ, &r.entry, &r.object,
						    &r.pindex, &r.prot, &r.wired));
	assert_ptr_equal(parent, map);
	check_u64(1, curthread()->lockorder.count); /* still the parent's */
	check_u64(0, vm_map_trylock(parent));
	vm_map_unlock_read(parent);
	check_unlocked(sub);
	check_u64(2, sub->ref_count);
}

/* ---- what is refused over the parent's range ---- */

static void
refuse_range(vm_offset_t start, vm_offset_t end)
{
	struct map_snapshot *before = map_snapshot_take(parent);
	struct map_snapshot *sub_before = map_snapshot_take(sub);
	const kern_return_t refused = KERN_INVALID_ARGUMENT;
	uint8_t pages[2 * SIZE / PAGE_SIZE];

	check_kr(refused, vm_map_protect(parent, start, end, VM_PROT_READ, FALSE));
	check_kr(refused, vm_map_protect(parent, start, end, VM_PROT_READ, TRUE));
	check_kr(refused, vm_map_protect(parent, start, end, VM_PROT_NONE, FALSE));
	check_kr(refused, vm_map_inherit(parent, start, end, VM_INHERIT_NONE));
	check_kr(refused, vm_map_wire(parent, start, end, VM_MAP_WIRE_SYSTEM));
	check_kr(refused, vm_map_wire(parent, start, end, VM_MAP_WIRE_USER));
	check_kr(refused,
		 vm_map_wire(parent, start, end, VM_MAP_WIRE_SYSTEM | VM_MAP_WIRE_HOLESOK));
	check_kr(refused,
		 vm_map_unwire(parent, start, end, VM_MAP_WIRE_USER | VM_MAP_WIRE_HOLESOK));
	for (int advice = VM_ADVICE_NORMAL; advice <= VM_ADVICE_CORE; advice++)
		check_kr(refused, vm_map_madvise(parent, start, end, advice));
	check_kr(refused, vm_map_discard(parent, start, end));
	check_kr(refused, vm_map_sync(parent, start, end, TRUE, FALSE));
	check_kr(refused, vm_map_residency(parent, start, end, pages));
	/* An empty range has no submap in it. */
	for (int advice = VM_ADVICE_NORMAL; advice <= VM_ADVICE_CORE; advice++)
		check_kr(KERN_SUCCESS, vm_map_madvise(parent, LOW + PAGE, LOW + PAGE, advice));
	check_kr(KERN_SUCCESS, vm_map_discard(parent, LOW + PAGE, LOW + PAGE));
	check_kr(KERN_SUCCESS, vm_map_residency(parent, LOW + PAGE, LOW + PAGE, pages));
	check_unchanged(before, parent);
	check_unchanged(sub_before, sub);
}

static void
sub_14(void **state)
{
	(void)state;
	map_pages(parent, LOW - 4 * PAGE, 4 * PAGE, VM_PROT_RW);
	map_pages(parent, HIGH, 4 * PAGE, VM_PROT_RW);
	install();
	map_pages(sub, LOW, 4 * PAGE, VM_PROT_RW);
	check_kr(KERN_SUCCESS, vm_fault(parent, LOW, VM_PROT_WRITE, VM_FAULT_NORMAL));
	check_kr(KERN_SUCCESS, vm_fault(parent, LOW - PAGE, VM_PROT_WRITE, VM_FAULT_NORMAL));
	refuse_range(LOW, HIGH);
	refuse_range(LOW + PAGE, LOW + 2 * PAGE);
	refuse_range(LOW - 4 * PAGE, HIGH); /* what lies before it stays as it is, too */
	refuse_range(LOW - PAGE, LOW + PAGE);
	refuse_range(HIGH - PAGE, HIGH + PAGE);
}

/* The range is taken: nothing else is mapped there. */
static void
sub_14_taken(void **state)
{
	struct map_snapshot *before;
	vm_offset_t at = LOW;

	(void)state;
	install();
	before = map_snapshot_take(parent);
	check_kr(KERN_NO_SPACE, vm_map_find(parent, NULL, 0, &at, PAGE, 0, VMFS_NO_SPACE,
					    VM_PROT_RW, VM_PROT_ALL, 0));
	check_unchanged(before, parent);
	at = LOW;
	check_kr(KERN_SUCCESS, vm_map_find(parent, NULL, 0, &at, PAGE, 0, VMFS_ANY_SPACE,
					   VM_PROT_RW, VM_PROT_ALL, 0));
	check_u64(HIGH, at);
}

/* ---- removal ---- */

/* use: pages in the submap, wired and not. */
static void
use(void)
{
	map_pages(sub, LOW, 8 * PAGE, VM_PROT_RW);
	check_kr(KERN_SUCCESS, vm_map_wire(sub, LOW, LOW + 2 * PAGE, VM_MAP_WIRE_SYSTEM));
	for (vm_offset_t va = LOW; va < LOW + 8 * PAGE; va += PAGE) {
		check_kr(KERN_SUCCESS, vm_fault(parent, va, VM_PROT_WRITE, VM_FAULT_NORMAL));
		store(va, 1);
	}
}

static void
check_nothing_mapped(void)
{
	vm_offset_t va;

	assert_false(pmap_next(kernel_pmap, LOW, HIGH, &va));
}

static void
sub_15(void **state)
{
	struct map_snapshot *before = map_snapshot_take(parent);
	struct vm_usage usage;

	(void)state;
	vm_map_deallocate(sub);
	usage = vm_usage_read();
	for (int round = 0; round < 2; round++) {
		sub = vm_map_create(kernel_pmap, LOW, HIGH);
		install();
		use();
		check_kr(KERN_SUCCESS, vm_map_remove(sub, LOW, HIGH));
		check_nothing_mapped();
		check_kr(KERN_SUCCESS, vm_map_remove(parent, LOW, HIGH));
		check_u64(1, sub->ref_count);
		check_u64(0, parent->nentries);
		check_u64(0, parent->size);
		vm_map_deallocate(sub);
		vm_usage_check(&usage);
		/* The addresses serve for anything else. */
		map_pages(parent, LOW, SIZE, VM_PROT_RW);
		check_kr(KERN_SUCCESS, vm_fault(parent, LOW, VM_PROT_WRITE, VM_FAULT_NORMAL));
		check_u64(0, load(LOW));
		check_kr(KERN_SUCCESS, vm_map_remove(parent, LOW, HIGH));
	}
	sub = vm_map_create(kernel_pmap, LOW, HIGH);
	check_unchanged(before, parent);
}

/* The parent's range first: no page of it is mapped any more, its contents are still the submap's. */
static void
sub_15_parent_first(void **state)
{
	(void)state;
	install();
	use();
	check_kr(KERN_SUCCESS, vm_map_unwire(sub, LOW, LOW + 2 * PAGE, VM_MAP_WIRE_SYSTEM));
	check_kr(KERN_SUCCESS, vm_map_remove(parent, LOW, HIGH));
	check_nothing_mapped();
	check_kr(KERN_INVALID_ADDRESS, vm_fault(parent, LOW, VM_PROT_READ, VM_FAULT_NORMAL));
	check_u64(1, sub->ref_count);
	check_u64(8, map_at(sub, LOW)->object->resident);
}

static void
sub_15_not_empty(void **state)
{
	(void)state;
	install();
	use();
	check_kr(KERN_SUCCESS, vm_map_remove(parent, LOW, HIGH));
	expect_panic("entries", vm_map_deallocate(sub));
}

/* A part of the range goes: two entries of the parent show the submap then. */
static void
sub_15_part(void **state)
{
	(void)state;
	install();
	map_pages(sub, LOW, SIZE, VM_PROT_RW);
	check_kr(KERN_SUCCESS, vm_map_remove(sub, LOW + 4 * PAGE, LOW + 8 * PAGE));
	check_kr(KERN_SUCCESS, vm_map_remove(parent, LOW + 4 * PAGE, LOW + 8 * PAGE));
	check_u64(2, parent->nentries);
	check_u64(3, sub->ref_count);
	check_kr(KERN_SUCCESS, vm_fault(parent, LOW + PAGE, VM_PROT_WRITE, VM_FAULT_NORMAL));
	check_kr(KERN_SUCCESS, vm_fault(parent, HIGH - PAGE, VM_PROT_WRITE, VM_FAULT_NORMAL));
	check_kr(KERN_INVALID_ADDRESS,
		 vm_fault(parent, LOW + 4 * PAGE, VM_PROT_WRITE, VM_FAULT_NORMAL));
}

/* ---- threads ---- */

struct faulter {
	vm_offset_t va;
	kern_return_t kr;
};

static void
fault(void *arg)
{
	struct faulter *t = arg;

	t->kr = vm_fault(parent, t->va, VM_PROT_READ, VM_FAULT_NORMAL);
}

struct holder {
	vm_map_t map;
	struct model_event held, release;
};

static void
hold(void *arg)
{
	struct holder *h = arg;

	vm_map_lock(h->map);
	model_event_set(&h->held);
	model_event_wait(&h->release);
	vm_map_unlock(h->map);
}

/*
 * A fault has left the parent and waits for the submap's lock, while the submap is taken out of the
 * parent and loses every other reference.
 */
static void
sub_12_going(void **state)
{
	struct holder h = {.map = sub};
	struct faulter t = {.va = LOW};
	struct thread *holder, *faulter;

	(void)state;
	install();
	holder = model_thread_start("hold", hold, &h);
	model_event_wait(&h.held);
	faulter = model_thread_start("fault", fault, &t);
	model_thread_await_sleep(faulter);
	check_kr(KERN_SUCCESS, vm_map_remove(parent, LOW, HIGH));
	check_u64(2, sub->ref_count); /* ours and the fault's */
	vm_map_deallocate(sub);
	sub = NULL;
	model_event_set(&h.release);
	model_thread_join(holder);
	model_thread_join(faulter);
	check_kr(KERN_INVALID_ADDRESS, t.kr);
	check_unlocked(parent);
}

static void
sub_16(void **state)
{
	struct holder h = {.map = kernel_map};
	struct thread *holder = model_thread_start("hold", hold, &h);
	vm_offset_t addr;
	char *small;

	(void)state;
	model_event_wait(&h.held);
	addr = kmem_malloc(kmem_map, 3 * PAGE, KMEM_ZERO);
	assert_true(addr >= vm_map_min(kmem_map) && addr < vm_map_max(kmem_map));
	check_u64(0, load(addr + 3 * PAGE - 1));
	small = kmalloc(2 * PAGE, 0);
	assert_non_null(small);
	small[0] = 1;
	kfree(small, 2 * PAGE);
	kmem_free(kmem_map, addr, 3 * PAGE);
	model_event_set(&h.release);
	model_thread_join(holder);
}

/* ---- fork ---- */

/* No user map has a submap; this one is given one by pretending that it is a system map. */
static void
sub_17(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t at = STACK_BOTTOM;
	vm_map_t inner = vm_map_create(f->pmap, at, at + SIZE);
	struct map_snapshot *before;

	map_pages(f->map, at - 4 * PAGE, 4 * PAGE, VM_PROT_RW);
	map_pages(f->map, at + SIZE, 4 * PAGE, VM_PROT_RW);
	f->map->system = true;
	place(f->map, at, SIZE, 0);
	check_kr(KERN_SUCCESS, vm_map_submap(f->map, at, at + SIZE, inner));
	before = map_snapshot_take(f->map);
	check_kr(KERN_INVALID_ARGUMENT, vmspace_fork(f->vmspace, &(struct vmspace *){NULL}));
	check_unchanged(before, f->map);
	check_unlocked(f->map);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, at, at + SIZE));
	f->map->system = false;
	vm_map_deallocate(inner);
	model_user_store(f->proc, at - 1, 1);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"SUB-12: a fault in a hole of the submap fails and leaves no lock", sub_12},
	    {"SUB-12: a submap may go while a fault waits for its lock", sub_12_going},
	    {"SUB-13: a lookup returns the submap, locked, and lookup_done unlocks it", sub_13},
	    {"SUB-13: a lookup waits for a wiring in the submap", sub_13_wiring},
	    {"SUB-14: protect, inherit, wire, advice, sync, discard over a submap are refused",
	     sub_14},
	    {"SUB-14: a submap's range is not free", sub_14_taken},
	    {"SUB-15: emptied, taken out, destroyed: every page and address is free again", sub_15},
	    {"SUB-15: without the parent's range nothing is mapped, contents stay",
	     sub_15_parent_first},
	    {"SUB-15: a submap that is not empty cannot be destroyed", sub_15_not_empty},
	    {"SUB-15: a part of the range can be taken out", sub_15_part},
	    {"SUB-16: the heap allocates while another processor holds the parent", sub_16},
	    {"SUB-17: a map with a submap cannot be forked", sub_17},
	    {"SUB-18: lookup_locked does not go into a submap", sub_18},
	};

	return host_run(&submap_fixture, tests, ARRAY_SIZE(tests));
}
