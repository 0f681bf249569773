/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects that are split, owned again, adopted: what is unmapped is freed, whoever forked before. */
#include <string.h>
#include "model/charges.h"
#include "model/memory.h"
#include "model/mmu.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/stacks.h"
#include "model/vm_fixture.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vmspace.h"

#define A   0x100000ul
#define P   PAGE_SIZE
#define RW  VM_PROT_RW
#define ALL VM_PROT_ALL

/* cut: [A, A + 8 P) filled with 1 to 8, in two entries that show one object. */
static void
cut(struct vm_fixture *f)
{
	space_map(f->map, A, 8 * P, RW, ALL, 0);
	space_fill(f->proc, A, 8, 1);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A + 4 * P, A + 8 * P, RW, TRUE));
	assert_ptr_not_equal(space_entry(f->map, A), space_entry(f->map, A + 4 * P));
	assert_ptr_equal(space_entry(f->map, A)->object, space_entry(f->map, A + 4 * P)->object);
}

static void
unmap(struct proc *p, vm_offset_t start, vm_offset_t end)
{
	check_kr(KERN_SUCCESS, vm_map_remove(model_proc_map(p), start, end));
}

/* resident: pages in the object of the entry at va. */
static uint64_t
resident(struct proc *p, vm_offset_t va)
{
	return space_entry(model_proc_map(p), va)->object->resident;
}

/* ---- SPL-01: split ---- */

static void
fork_splits(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *lower, *upper;
	struct vm_page *m;
	struct proc *child;
	uint64_t faults;

	cut(f);
	m = space_mapped(f->map, A + 5 * P);
	child = model_proc_fork(f->proc);
	lower = space_entry(f->map, A)->object;
	upper = space_entry(f->map, A + 4 * P)->object;
	assert_ptr_not_equal(lower, upper);
	check_u64(4, lower->resident);
	check_u64(4, upper->resident);
	check_u64(2, lower->ref_count);
	check_u64(2, upper->ref_count);
	check_u64(lower->identity, upper->identity);
	/* No page has moved, nor a mapping. */
	assert_ptr_equal(m, space_mapped(f->map, A + 5 * P));
	assert_ptr_equal(upper, m->object);
	faults = model_fault_count();
	check_fill(f->proc, A, 8, 1);
	check_u64(faults, model_fault_count());
	check_fill(child, A, 8, 1);
	charges_check();
	model_proc_destroy(child);
}

static void
freed_by_the_last(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;
	uint64_t frames;

	cut(f);
	child = model_proc_fork(f->proc);
	frames = vm_usage_read().frames;
	unmap(f->proc, A + 4 * P, A + 8 * P);
	assert_in_range(vm_usage_read().frames - frames, 0, 1);
	check_fill(child, A, 8, 1);
	frames = vm_usage_read().frames;
	unmap(child, A + 4 * P, A + 8 * P);
	assert_true(vm_usage_read().frames >= frames + 4);
	check_fill(f->proc, A, 4, 1);
	check_fill(child, A, 4, 1);
	charges_check();
	model_proc_destroy(child);
}

/* Over a backing object: each part shows its own piece of it. */
static void
over_a_backing_object(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *first, *second;

	space_map(f->map, A, 8 * P, RW, ALL, 0);
	space_fill(f->proc, A, 8, 1);
	first = model_proc_fork(f->proc);
	model_user_store(f->proc, A + P, 91); /* a shadow, with two pages */
	check_u64(8, space_entry(f->map, A)->object->size);
	model_user_store(f->proc, A + 6 * P, 96);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A + 4 * P, A + 8 * P, RW, TRUE));
	second = model_proc_fork(f->proc);
	check_u64(1, resident(f->proc, A));
	check_u64(1, resident(f->proc, A + 4 * P));
	check_u64(91, model_user_load(second, A + P));
	check_u64(96, model_user_load(second, A + 6 * P));
	check_u64(5, model_user_load(second, A + 4 * P));
	/* With the first child gone the pages behind go where they are seen, and nowhere else. */
	model_proc_destroy(first);
	model_proc_destroy(second);
	space_fill(f->proc, A, 8, 11);
	check_u64(4, resident(f->proc, A));
	check_u64(4, resident(f->proc, A + 4 * P));
	check_u64(1, space_chain(f->map, A));
	check_u64(1, space_chain(f->map, A + 4 * P));
	check_fill(f->proc, A, 8, 11);
	charges_check();
}

/* Each half is bypassed by itself: what the other shows does not keep it. */
static void
halves_are_bypassed(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *first, *second;

	cut(f);
	first = model_proc_fork(f->proc);
	second = model_proc_fork(f->proc);
	space_fill(f->proc, A, 4, 21);
	check_u64(1, space_chain(f->map, A));
	check_u64(1, space_chain(f->map, A + 4 * P));
	check_fill(f->proc, A, 4, 21);
	check_fill(first, A, 8, 1);
	check_fill(second, A, 8, 1);
	model_proc_destroy(first);
	model_proc_destroy(second);
}

static void
without_memory(void **state)
{
	struct vm_fixture *f = *state;
	struct vmspace *vm = NULL;
	struct vm_usage before;

	cut(f);
	before = vm_usage_read();
	for (uint64_t k = 1;; k++) {
		model_fail_from(k);
		vmspace_fork(f->vmspace, &vm);
		model_fail_off();
		check_fill(f->proc, A, 8, 1);
		charges_check();
		vm_fixture_audit(f);
		if (vm != NULL)
			break;
		check_u64(before.charge, vm_usage_read().charge);
	}
	vmspace_free(vm);
	space_fill(f->proc, A, 8, 31);
	check_fill(f->proc, A, 8, 31);
}

static void
shared_without_memory(void **state)
{
	struct vm_fixture *f = *state;
	struct vmspace *vm = NULL;

	cut(f);
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, A + 8 * P, VM_INHERIT_SHARE));
	for (uint64_t k = 1;; k++) {
		model_fail_from(k);
		vmspace_fork(f->vmspace, &vm);
		model_fail_off();
		check_fill(f->proc, A, 8, 1);
		charges_check();
		vm_fixture_audit(f);
		if (vm != NULL)
			break;
	}
	check_u64(8 * P, vm_usage_read().charge);
	check_u64(1, space_chain(f->map, A));
	check_u64(1, space_chain(f->map, A + 4 * P));
	vmspace_free(vm);
}

/* While a page is on its way a fork is refused, and nothing has changed. */
static void
paging_puts_it_off(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;
	struct vm_object *object;

	cut(f);
	object = space_entry(f->map, A)->object;
	rwlock_write(&object->lock);
	vm_object_paging_begin(object);
	rwlock_write_unlock(&object->lock);
	for (int how = 0; how < 2; how++) {
		check_kr(KERN_SUCCESS,
			 vm_map_inherit(f->map, A, A + 4 * P,
					how == 0 ? VM_INHERIT_COPY : VM_INHERIT_SHARE));
		before = map_snapshot_take(f->map);
		check_kr(KERN_RESOURCE_SHORTAGE,
			 vmspace_fork(f->vmspace, &(struct vmspace *){NULL}));
		check_unchanged(before, f->map);
	}
	rwlock_write(&object->lock);
	vm_object_paging_end(object);
	rwlock_write_unlock(&object->lock);
	model_proc_destroy(model_proc_fork(f->proc));
	check_fill(f->proc, A, 8, 1);
}

/* The other part is let go of, by whoever unmapped it, at the very moment at which this one was to get
 * an object of its own: there is nothing to split any more, and the whole is this one's. */
static void
let_go(void *entries)
{
	vm_map_release_dead(entries);
}

static void
other_part_goes_meanwhile(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object;
	vm_map_entry_t dead, e;
	kern_return_t kr;

	cut(f);
	object = space_entry(f->map, A)->object;
	vm_map_lock(f->map);
	check_kr(KERN_SUCCESS, vm_map_delete(f->map, A + 4 * P, A + 8 * P));
	dead = vm_map_unlock_deferred(f->map);
	check_u64(2, object->ref_count);
	vm_map_lock(f->map);
	model_fail_calls(1, let_go, dead);
	assert_true(vm_map_lookup_entry(f->map, A, &e));
	kr = vm_map_entry_split(e);
	vm_map_unlock(f->map);
	check_kr(KERN_SUCCESS, kr);
	assert_ptr_equal(object, space_entry(f->map, A)->object);
	check_u64(1, object->ref_count);
	check_u64(4, object->size); /* cut to what is shown */
	check_fill(f->proc, A, 4, 1);
	charges_check();
}

/* Wired memory that was cut stays wired and writable when its parts are shared. */
static void
wired_parts(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;
	uint64_t faults;

	cut(f);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + 8 * P, VM_MAP_WIRE_USER));
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, A + 4 * P, VM_INHERIT_SHARE));
	for (uint64_t k = 1;; k++) {
		struct vmspace *vm = NULL;

		model_fail_from(k);
		vmspace_fork(f->vmspace, &vm);
		model_fail_off();
		faults = model_fault_count();
		space_fill(f->proc, A, 8, (uint8_t)k);
		check_u64(faults, model_fault_count());
		check_u64(8, pmap_wired_count(f->pmap));
		if (vm != NULL) {
			child = model_proc_adopt(vm);
			break;
		}
	}
	model_user_store(child, A, 77);
	check_u64(77, model_user_load(f->proc, A));
	model_proc_destroy(child);
}

static void
private_end_stays(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(2, 1);
	struct proc *child;
	uint8_t byte;

	/* Of four pages the object has two. */
	vm_object_reference(object);
	check_kr(KERN_SUCCESS,
		 space_insert(f->map, object, 0, A, A + 4 * P, RW, ALL, MAP_COPY_ON_WRITE));
	model_user_store(f->proc, A, 9);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A + P, A + 4 * P, RW, TRUE));
	child = model_proc_fork(f->proc);
	for (vm_offset_t va = A + 2 * P; va < A + 4 * P; va += P) {
		check_u64(BUS_OBJERR, model_user_read(f->proc, va, &byte, 1));
		check_u64(BUS_OBJERR, model_user_read(child, va, &byte, 1));
	}
	/* Nor does memory that is mapped next to it make it longer. */
	space_map(f->map, A + 4 * P, P, RW, RW, 0);
	check_u64(BUS_OBJERR, model_user_read(f->proc, A + 3 * P, &byte, 1));
	check_u64(9, model_user_load(child, A));
	model_proc_destroy(child);
	vm_object_deallocate(object);
}

/* ---- SPL-02: one reference left ---- */

static void
own_again(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;
	uint64_t frames;

	space_map(f->map, A, 8 * P, RW, ALL, 0);
	space_fill(f->proc, A, 8, 1);
	child = model_proc_fork(f->proc);
	model_proc_destroy(child);
	frames = vm_usage_read().frames;
	unmap(f->proc, A + 2 * P, A + 4 * P);
	assert_true(vm_usage_read().frames + 1 >= frames + 2);
	check_u64(6, resident(f->proc, A));
	unmap(f->proc, A + 6 * P, A + 8 * P);
	check_u64(4, resident(f->proc, A));
	unmap(f->proc, A, A + P);
	check_u64(3, resident(f->proc, A + P));
	check_fill(f->proc, A + P, 1, 2);
	check_fill(f->proc, A + 4 * P, 2, 5);
}

/* What was unmapped while others saw it goes when they have gone. */
static void
trimmed(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	space_map(f->map, A, 8 * P, RW, ALL, 0);
	space_fill(f->proc, A, 8, 1);
	child = model_proc_fork(f->proc);
	unmap(f->proc, A, A + 2 * P);
	unmap(f->proc, A + 6 * P, A + 8 * P);
	model_proc_destroy(child);
	check_u64(8, resident(f->proc, A + 2 * P));
	model_user_store(f->proc, A + 2 * P, 50);
	check_u64(4, resident(f->proc, A + 2 * P));
	check_u64(50, model_user_load(f->proc, A + 2 * P));
	check_fill(f->proc, A + 3 * P, 3, 4);
	charges_check();
}

/* A stack keeps its offsets, and grows on after a split. */
static void
stack(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	check_kr(KERN_SUCCESS, vm_map_stack(f->map, STACK_BOTTOM, STACK_SIZE, RW, ALL, 0));
	model_user_store(f->proc, STACK_TOP - 1, 1);
	model_user_store(f->proc, STACK_TOP - vm_sgrowsiz, 2);
	model_user_store(f->proc, STACK_TOP - vm_sgrowsiz + P, 2); /* keeps what is behind */
	check_kr(KERN_SUCCESS,
		 vm_map_protect(f->map, STACK_TOP - 4 * P, STACK_TOP, VM_PROT_READ, FALSE));
	child = model_proc_fork(f->proc);
	model_user_store(f->proc, STACK_TOP - vm_sgrowsiz, 3);
	check_u64(atop(STACK_SIZE) - 4, space_entry(f->map, STACK_TOP - vm_sgrowsiz)->object->size);
	model_user_store(f->proc, STACK_TOP - 2 * vm_sgrowsiz, 4);
	check_u64(1, model_user_load(child, STACK_TOP - 1));
	check_u64(2, model_user_load(child, STACK_TOP - vm_sgrowsiz));
	model_user_store(child, STACK_TOP - 2 * vm_sgrowsiz, 5);
	/* Its copy ends where its entry does. */
	model_user_store(child, STACK_TOP - vm_sgrowsiz, 6);
	check_u64(atop(STACK_SIZE) - 4,
		  space_entry(model_proc_map(child), STACK_TOP - vm_sgrowsiz)->object->size);
	model_proc_destroy(child);
	check_u64(1, model_user_load(f->proc, STACK_TOP - 1));
	check_u64(3, model_user_load(f->proc, STACK_TOP - vm_sgrowsiz));
	check_u64(4, model_user_load(f->proc, STACK_TOP - 2 * vm_sgrowsiz));
	charges_check();
}

/* ---- OBJ-01, OBJ-02: what a collapse costs ---- */

static void
adopted(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_page *m[200];
	struct proc *child;
	uint64_t free_frames;

	space_map(f->map, A, 200 * P, RW, ALL, 0);
	space_fill(f->proc, A, 200, 0);
	for (size_t i = 0; i < 200; i++)
		m[i] = space_mapped(f->map, A + ptoa(i));
	child = model_proc_fork(f->proc);
	model_user_store(f->proc, A + 3 * P, 77);
	model_user_store(f->proc, A + 130 * P, 78);
	free_frames = vm_usage_read().frames;
	model_proc_destroy(child);
	check_u64(1, space_chain(f->map, A));
	check_u64(200, resident(f->proc, A));
	/* The two that were shadowed are free, the others where they were. */
	assert_true(vm_usage_read().frames >= free_frames + 2);
	for (size_t i = 0; i < 200; i++) {
		bool copied = i == 3 || i == 130;

		assert_true((space_mapped(f->map, A + ptoa(i)) == m[i]) == !copied);
		check_u64(copied ? (i == 3 ? 77 : 78) : i, model_user_load(f->proc, A + ptoa(i)));
	}
}

/* The question whether all is shadowed is not asked of each page at each fault. */
static void
bypass_in_any_order(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *first, *second;

	space_map(f->map, A, 64 * P, RW, ALL, 0);
	space_fill(f->proc, A + P, 32, 1);
	first = model_proc_fork(f->proc);
	second = model_proc_fork(f->proc);
	/* More pages than there are behind, and then those, from the middle outwards. */
	space_fill(f->proc, A + 33 * P, 31, 100);
	for (size_t i = 0; i < 16; i++) {
		check_u64(2, space_chain(f->map, A));
		model_user_store(f->proc, A + (17 + i) * P, (uint8_t)(60 + i));
		check_u64(2, space_chain(f->map, A));
		model_user_store(f->proc, A + (16 - i) * P, (uint8_t)(40 + i));
	}
	check_u64(1, space_chain(f->map, A));
	check_fill(first, A + P, 32, 1);
	check_fill(f->proc, A + 33 * P, 31, 100);
	model_proc_destroy(first);
	model_proc_destroy(second);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"SPL-01: a fork gives each part of a cut mapping an object of its own", fork_splits},
	    {"SPL-01: a part that parent and child have unmapped is free", freed_by_the_last},
	    {"SPL-01: parts over a backing object take over what they show", over_a_backing_object},
	    {"SPL-01: a part is bypassed without the other", halves_are_bypassed},
	    {"SPL-01: without memory nothing is split, and the fork fails", without_memory},
	    {"SPL-01: likewise when the parts are to be shared", shared_without_memory},
	    {"SPL-01: while paging is under way a fork is refused", paging_puts_it_off},
	    {"SPL-01: wired memory stays wired and writable", wired_parts},
	    {"SPL-01: beyond the end of an object there is nothing, after as before",
	     private_end_stays},
	    {"SPL-01: a stack is split and grows on", stack},
	    {"SPL-02: when the child has gone, what is unmapped is freed again", own_again},
	    {"SPL-02: what was unmapped meanwhile is freed with the next store", trimmed},
	    {"OBJ-01: of many pages behind few none moves", adopted},
	    {"OBJ-02: an object is bypassed with the last page, whatever the order",
	     bypass_in_any_order},
	    {"SPL-01: the other parts go just then: the object is whole and owned",
	     other_part_goes_meanwhile},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
