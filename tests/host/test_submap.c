/* SPDX-License-Identifier: BSD-2-Clause */
/* vm_map_submap: which ranges it takes and which it refuses.  What may be done afterwards is in
 * test_submap_use.c. */
#include "model/memory.h"
#include "model/snapshot.h"
#include "model/stacks.h"
#include "model/submap_fixture.h"
#include "vm/pmap.h"
#include "vm/vm_fault.h"
#include "vm/vm_kern.h"
#include "vm/vm_object.h"

#define PAGE PAGE_SIZE

/* refuse: vm_map_submap refuses, and neither map has changed. */
static void
refuse(vm_map_t map, vm_offset_t start, vm_offset_t end, vm_map_t submap)
{
	struct map_snapshot *before = map_snapshot_take(map);
	struct map_snapshot *sub_before = map_snapshot_take(sub);

	check_kr(KERN_INVALID_ARGUMENT, vm_map_submap(map, start, end, submap));
	check_unchanged(before, map);
	check_unchanged(sub_before, sub);
}

/* ---- installation ---- */

static void
sub_01(void **state)
{
	uint32_t placeholders = vm_submap_object->ref_count;
	const struct vm_map_entry *e;
	vm_size_t size;

	(void)state;
	place(parent, LOW, SIZE, 0);
	size = parent->size;
	check_kr(KERN_SUCCESS, vm_map_submap(parent, LOW, HIGH, sub));
	e = map_at(parent, LOW);
	check_u64(LOW, e->start);
	check_u64(HIGH, e->end);
	check_u64(VM_ENTRY_IS_SUB_MAP, e->eflags);
	assert_ptr_equal(sub, e->sub_map);
	check_u64(2, sub->ref_count);
	assert_true(sub->flags & VM_MAP_IS_SUB_MAP);
	check_u64(placeholders, vm_submap_object->ref_count);
	check_u64(size, parent->size);
	check_u64(1, parent->nentries);

	map_pages(sub, LOW + PAGE, 2 * PAGE, VM_PROT_RW);
	check_kr(KERN_SUCCESS, vm_fault(parent, LOW + PAGE, VM_PROT_WRITE, VM_FAULT_NORMAL));
	check_u64(0, load(LOW + PAGE));
	store(LOW + PAGE, 7);
	check_kr(KERN_SUCCESS, vm_fault(sub, LOW + PAGE, VM_PROT_READ, VM_FAULT_NORMAL));
	check_u64(7, load(LOW + PAGE));
	check_u64(1, map_at(sub, LOW + PAGE)->object->resident);
	check_kr(KERN_PROTECTION_FAILURE,
		 vm_fault(parent, LOW + PAGE, VM_PROT_EXECUTE, VM_FAULT_NORMAL));
	check_u64(0, vm_submap_object->resident);
}

/* The kernel's own: kmem_suballoc prepares the ranges with the placeholder. */
static void
sub_01_kernel(void **state)
{
	const vm_map_t maps[] = {kmem_map, exec_map, stack_map};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		const struct vm_map_entry *e = map_at(kernel_map, vm_map_min(maps[i]));

		check_u64(VM_ENTRY_IS_SUB_MAP, e->eflags);
		assert_ptr_equal(maps[i], e->sub_map);
		check_u64(vm_map_min(maps[i]), e->start);
		check_u64(vm_map_max(maps[i]), e->end);
	}
	check_u64(1, vm_submap_object->ref_count);
}

/* A submap of a submap: the lookup goes down two levels. */
static void
sub_01_nested(void **state)
{
	vm_map_t inner = vm_map_create(kernel_pmap, LOW + 4 * PAGE, LOW + 8 * PAGE);

	(void)state;
	install();
	place(sub, LOW + 4 * PAGE, 4 * PAGE, 0);
	check_kr(KERN_SUCCESS, vm_map_submap(sub, LOW + 4 * PAGE, LOW + 8 * PAGE, inner));
	map_pages(inner, LOW + 4 * PAGE, PAGE, VM_PROT_RW);
	check_kr(KERN_SUCCESS, vm_fault(parent, LOW + 4 * PAGE, VM_PROT_WRITE, VM_FAULT_NORMAL));
	store(LOW + 4 * PAGE, 3);
	check_u64(3, load(LOW + 4 * PAGE));
	check_kr(KERN_INVALID_ADDRESS,
		 vm_fault(parent, LOW + 5 * PAGE, VM_PROT_READ, VM_FAULT_NORMAL));
	check_unlocked(parent);
	check_unlocked(sub);
	check_unlocked(inner);
	empty(inner);
	empty(sub);
	vm_map_deallocate(inner);
}

static void
sub_08(void **state)
{
	uint32_t placeholders = vm_submap_object->ref_count;
	vm_offset_t start = LOW - 8 * PAGE, end = HIGH + 8 * PAGE;
	vm_map_t front = vm_map_create(kernel_pmap, start, LOW);
	const struct vm_map_entry *e;

	(void)state;
	place(parent, start, end - start, 0);
	check_kr(KERN_SUCCESS, vm_map_submap(parent, LOW, HIGH, sub));
	check_u64(3, parent->nentries);
	check_u64(end - start, parent->size);
	check_u64(placeholders + 2, vm_submap_object->ref_count);
	e = map_at(parent, LOW);
	check_u64(LOW, e->start);
	check_u64(HIGH, e->end);
	check_u64(VM_ENTRY_IS_SUB_MAP, e->eflags);
	check_u64(start, e->prev->start);
	check_u64(LOW, e->prev->end);
	assert_ptr_equal(vm_submap_object, e->prev->object);
	check_u64(0, e->prev->offset);
	check_u64(HIGH, e->next->start);
	check_u64(end, e->next->end);
	assert_ptr_equal(vm_submap_object, e->next->object);
	check_u64(HIGH - start, e->next->offset);
	/* What is left is as good as before. */
	check_kr(KERN_SUCCESS, vm_map_submap(parent, start, LOW, front));
	check_u64(2, front->ref_count);
	check_kr(KERN_SUCCESS, vm_map_remove(parent, start, LOW));
	check_u64(1, front->ref_count);
	vm_map_deallocate(front);
}

/* ---- refusals ---- */

static void
sub_02(void **state)
{
	(void)state;
	place_object(NULL, 0);
	refuse(parent, LOW, HIGH, sub);
	refuse(parent, LOW + PAGE, HIGH - PAGE, sub);
	/* The object that the first fault makes is no better. */
	check_kr(KERN_SUCCESS, vm_fault(parent, LOW, VM_PROT_WRITE, VM_FAULT_NORMAL));
	refuse(parent, LOW, HIGH, sub);
}

static void
sub_03(void **state)
{
	struct vm_object *anonymous = vm_object_allocate_anon(atop(SIZE));

	(void)state;
	place_object(anonymous, 0);
	refuse(parent, LOW, HIGH, sub);
	empty(parent);
	vm_object_reference(kernel_object);
	place_object(kernel_object, 0);
	refuse(parent, LOW, HIGH, sub);
	empty(parent);
	map_guard(parent, LOW, SIZE);
	refuse(parent, LOW, HIGH, sub);
}

static void
sub_04(void **state)
{
	(void)state;
	place(parent, LOW, SIZE, MAP_COPY_ON_WRITE);
	refuse(parent, LOW, HIGH, sub);
	empty(parent);
	place_object(NULL, MAP_COPY_ON_WRITE);
	refuse(parent, LOW, HIGH, sub);
}

static void
sub_05(void **state)
{
	vm_map_t wide = vm_map_create(kernel_pmap, PARENT_MIN - SIZE, PARENT_MAX + SIZE);
	/* These would do if the range were cut. */
	vm_map_t first = vm_map_create(kernel_pmap, PARENT_MIN, PARENT_MIN + SIZE);
	vm_map_t last = vm_map_create(kernel_pmap, PARENT_MAX - SIZE, PARENT_MAX);

	(void)state;
	place(parent, PARENT_MIN, PARENT_MAX - PARENT_MIN, 0);
	refuse(parent, PARENT_MIN - PAGE, PARENT_MIN + SIZE, first);
	refuse(parent, PARENT_MAX - SIZE, PARENT_MAX + PAGE, last);
	refuse(parent, PARENT_MIN - PAGE, PARENT_MIN + SIZE, wide);
	refuse(parent, PARENT_MAX - SIZE, PARENT_MAX + PAGE, wide);
	refuse(parent, PARENT_MIN - PAGE, PARENT_MAX + PAGE, wide);
	refuse(parent, PARENT_MIN - PAGE, HIGH, sub);
	refuse(parent, LOW, PARENT_MAX + PAGE, sub);
	refuse(parent, LOW, UINT64_MAX & ~PAGE_MASK, sub);
	refuse(parent, PARENT_MAX, PARENT_MAX + PAGE, wide);
	refuse(parent, PARENT_MIN - SIZE, PARENT_MIN, wide);
	vm_map_deallocate(wide);
	vm_map_deallocate(first);
	vm_map_deallocate(last);
}

static void
sub_06(void **state)
{
	(void)state;
	place(parent, LOW, SIZE, 0);
	refuse(parent, LOW, LOW, sub);
	refuse(parent, HIGH, LOW, sub);
	refuse(parent, HIGH, HIGH, sub);
	refuse(parent, LOW + 1, HIGH, sub);
	refuse(parent, LOW, HIGH - 1, sub);
}

static void
sub_07(void **state)
{
	(void)state;
	refuse(parent, LOW, HIGH, sub); /* a hole */
	place(parent, LOW, SIZE / 2, 0);
	refuse(parent, LOW, HIGH, sub); /* a hole behind */
	refuse(parent, LOW + PAGE, HIGH - PAGE, sub);
	place(parent, LOW + SIZE / 2, SIZE / 2, 0);
	check_u64(2, parent->nentries);
	refuse(parent, LOW, HIGH, sub); /* two entries */
	refuse(parent, LOW + PAGE, HIGH - PAGE, sub);
	check_kr(KERN_SUCCESS, vm_map_remove(parent, LOW, LOW + SIZE / 2));
	refuse(parent, LOW, HIGH, sub); /* a hole before */
}

static void
sub_09(void **state)
{
	(void)state;
	place(parent, LOW, SIZE, 0);
	refuse(parent, LOW, HIGH, NULL);
}

/* Same pmap, same addresses, no cycle, and only in a system map. */
static void
sub_09_unfit(void **state)
{
	struct vm_fixture *f = *state;
	vm_map_t small = vm_map_create(kernel_pmap, LOW, HIGH - PAGE);
	vm_map_t late = vm_map_create(kernel_pmap, LOW + PAGE, HIGH);
	vm_map_t user = vm_map_create(f->pmap, LOW, HIGH);
	vm_map_t twin = vm_map_create(kernel_pmap, PARENT_MIN, PARENT_MAX);

	place(parent, LOW, SIZE, 0);
	refuse(parent, LOW, HIGH, small);
	refuse(parent, LOW, HIGH, late);
	refuse(parent, LOW, HIGH, user);
	refuse(parent, LOW, HIGH, parent);
	check_kr(KERN_SUCCESS, vm_map_submap(parent, LOW, HIGH, sub));
	place(sub, LOW, SIZE, 0);
	refuse(sub, LOW, HIGH, parent); /* would come back to where it began */
	refuse(sub, LOW, HIGH, sub);
	/* Nor may two maps with the same bounds show each other. */
	place(parent, HIGH, SIZE, 0);
	place(twin, HIGH, SIZE, 0);
	refuse(parent, HIGH, HIGH + SIZE, twin);
	refuse(twin, HIGH, HIGH + SIZE, parent);
	empty(twin);
	vm_map_deallocate(twin);
	vm_map_deallocate(small);
	vm_map_deallocate(late);
	vm_map_deallocate(user);
}

static void
sub_09_user(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t at = STACK_BOTTOM;
	vm_map_t user = vm_map_create(f->pmap, at, at + SIZE);

	place(f->map, at, SIZE, 0);
	refuse(f->map, at, at + SIZE, user);
	vm_map_deallocate(user);
}

static void
sub_10(void **state)
{
	struct map_snapshot *before;

	(void)state;
	place(parent, LOW, SIZE, 0);
	before = map_snapshot_take(parent);
	check_kr(KERN_INVALID_ADDRESS, vm_fault(parent, LOW, VM_PROT_READ, VM_FAULT_NORMAL));
	check_kr(KERN_INVALID_ADDRESS,
		 vm_fault(parent, HIGH - PAGE, VM_PROT_WRITE, VM_FAULT_NORMAL));
	check_u64(0, vm_submap_object->resident);
	check_unchanged(before, parent);
	check_unlocked(parent);
	check_kr(KERN_SUCCESS, vm_map_submap(parent, LOW, HIGH, sub));
}

static kern_return_t protected(vm_offset_t start, vm_offset_t end)
{
	return vm_map_protect(parent, start, end, VM_PROT_RW, FALSE);
}

static kern_return_t
protected_alike(vm_offset_t start, vm_offset_t end)
{
	return vm_map_protect(parent, start, end, VM_PROT_ALL, FALSE);
}

static kern_return_t
inherited(vm_offset_t start, vm_offset_t end)
{
	return vm_map_inherit(parent, start, end, VM_INHERIT_NONE);
}

static kern_return_t
inherited_alike(vm_offset_t start, vm_offset_t end)
{
	return vm_map_inherit(parent, start, end, VM_INHERIT_DEFAULT);
}

static kern_return_t
advised_alike(vm_offset_t start, vm_offset_t end)
{
	return vm_map_madvise(parent, start, end, VM_ADVICE_NORMAL);
}

static kern_return_t
discarded(vm_offset_t start, vm_offset_t end)
{
	return vm_map_discard(parent, start, end);
}

static kern_return_t
wired(vm_offset_t start, vm_offset_t end)
{
	kern_return_t kr = vm_map_wire(parent, start, end, VM_MAP_WIRE_SYSTEM);

	return kr == KERN_INVALID_ADDRESS ? KERN_SUCCESS : KERN_FAILURE; /* there is no page */
}

static kern_return_t (*const done[])(vm_offset_t, vm_offset_t) = {
    protected, protected_alike, inherited, inherited_alike, advised_alike, discarded, wired};

/* Nothing may have been done to the range, be it undone or without effect. */
static void
sub_10_touched(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(done); i++) {
		place(parent, LOW, SIZE, 0);
		check_kr(KERN_SUCCESS, done[i](LOW, HIGH));
		refuse(parent, LOW, HIGH, sub);
		empty(parent);
		place(parent, LOW, SIZE, 0);
		check_kr(KERN_SUCCESS, done[i](LOW + PAGE, LOW + 2 * PAGE));
		refuse(parent, LOW, HIGH, sub);
		refuse(parent, LOW + PAGE, LOW + 2 * PAGE, sub);
		empty(parent);
	}
}

/* What was done to a part of the range was not done to the rest. */
static void
sub_10_part(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(done); i++) {
		place(parent, LOW, SIZE, 0);
		check_kr(KERN_SUCCESS, done[i](LOW + PAGE, LOW + 2 * PAGE));
		for (vm_offset_t va = LOW; va < HIGH; va += PAGE)
			check_u64(va == LOW + PAGE ? VM_ENTRY_TOUCHED : 0,
				  map_at(parent, va)->eflags & VM_ENTRY_TOUCHED);
		empty(parent);
	}
	place(parent, LOW, SIZE, 0);
	map_drop_spares(parent);
	model_fail_from(1);
	check_kr(KERN_RESOURCE_SHORTAGE, vm_map_discard(parent, LOW, LOW + 2 * PAGE));
	model_fail_off();
	check_u64(0, map_at(parent, LOW)->eflags & VM_ENTRY_TOUCHED);
	check_kr(KERN_SUCCESS, vm_map_discard(parent, LOW, LOW + 2 * PAGE));
	check_kr(KERN_SUCCESS, vm_map_submap(parent, LOW + 2 * PAGE, HIGH, sub));
}

static void
sub_11(void **state)
{
	vm_map_t second = vm_map_create(kernel_pmap, LOW, HIGH);

	(void)state;
	install();
	map_pages(sub, LOW, PAGE, VM_PROT_RW);
	check_kr(KERN_SUCCESS, vm_fault(parent, LOW, VM_PROT_WRITE, VM_FAULT_NORMAL));
	store(LOW, 5);
	refuse(parent, LOW, HIGH, second);
	refuse(parent, LOW + PAGE, HIGH - PAGE, second);
	refuse(parent, LOW, HIGH, sub);
	check_u64(1, second->ref_count);
	check_u64(0, second->flags & VM_MAP_IS_SUB_MAP);
	check_kr(KERN_SUCCESS, vm_fault(parent, LOW, VM_PROT_WRITE, VM_FAULT_NORMAL));
	check_u64(5, load(LOW));
	vm_map_deallocate(second);
}

/* Without memory for a cut nothing changes. */
static void
sub_08_memory(void **state)
{
	struct map_snapshot *before;
	unsigned failures = 0;
	kern_return_t kr;

	(void)state;
	place(parent, LOW - PAGE, SIZE + 2 * PAGE, 0);
	before = map_snapshot_take(parent);
	for (uint64_t k = 1;; k++) {
		map_drop_spares(parent);
		model_fail_after(k);
		kr = vm_map_submap(parent, LOW, HIGH, sub);
		model_fail_off();
		if (model_fail_count() == 0)
			break;
		check_kr(KERN_RESOURCE_SHORTAGE, kr);
		check_unchanged(before, parent);
		check_u64(1, sub->ref_count);
		failures++;
	}
	check_kr(KERN_SUCCESS, kr);
	check_u64(2, failures);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"SUB-01: a range with the placeholder becomes a submap; faults go through it", sub_01},
	    {"SUB-01: the kernel's own submaps are made so", sub_01_kernel},
	    {"SUB-01: submaps nest", sub_01_nested},
	    {"SUB-02: a NULL backing object is refused", sub_02},
	    {"SUB-03: any other object is refused", sub_03},
	    {"SUB-04: copy-on-write is refused", sub_04},
	    {"SUB-05: a range beyond the parent is refused, not clamped", sub_05},
	    {"SUB-06: an empty, reversed or unaligned range is refused", sub_06},
	    {"SUB-07: a range over two entries or a hole is refused, nothing is cut", sub_07},
	    {"SUB-08: a part of an entry becomes a submap, the rest stays what it was", sub_08},
	    {"SUB-08: without memory for a cut nothing changes", sub_08_memory},
	    {"SUB-09: no submap is refused", sub_09},
	    {"SUB-09: other bounds, another pmap and a cycle are refused", sub_09_unfit},
	    {"SUB-09: a user map gets no submap", sub_09_user},
	    {"SUB-10: a fault on the placeholder finds nothing and changes nothing", sub_10},
	    {"SUB-10: a range that anything was done to is refused", sub_10_touched},
	    {"SUB-11: a second submap over the same range is refused", sub_11},
	    {"SUB-10: what was done to a part was not done to the rest", sub_10_part},
	};

	return host_run(&submap_fixture, tests, ARRAY_SIZE(tests));
}
