/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private memory that nobody has touched: it has no object yet, so it is made shorter and longer in place;
 * rows INS-05, INS-08, DEL-01, FND-01.
 */
#include "model/memory.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/vm_fixture.h"
#include "vm/vm_charge.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"
#include "vm/vm_pager.h"
#include "vm/vmspace.h"

#define A   0x1000000ul
#define P   PAGE_SIZE
#define R   VM_PROT_READ
#define RW  VM_PROT_RW
#define ALL VM_PROT_ALL

static void
map(struct vm_fixture *f, size_t first, size_t end)
{
	space_map(f->map, A + first * P, (end - first) * P, RW, ALL, 0);
}

static void
unmap(struct vm_fixture *f, size_t first, size_t end)
{
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A + first * P, A + end * P));
}

/* check_one: all there is is one untouched entry, and it is e. */
static void
check_one(struct vm_fixture *f, vm_map_entry_t e, size_t first, size_t end)
{
	check_entry(f->map, A + first * P, A + end * P, RW, ALL);
	assert_ptr_equal(e, space_entry(f->map, A + first * P));
	assert_null(e->object);
	check_u64(1, f->map->nentries);
	check_u64((end - first) * P, f->map->size);
	check_u64((end - first) * P, vm_charge_used());
	vm_fixture_audit(f);
}

/* ---- shorter ---- */

/* An end goes: nothing is made for that, so no memory is needed. */
static void
loses_an_end(void **state)
{
	struct vm_fixture *f = *state;
	vm_map_entry_t e;

	map(f, 0, 9);
	e = space_entry(f->map, A);
	map_drop_spares(f->map);
	model_fail_from(1);
	unmap(f, 0, 2);
	check_one(f, e, 2, 9);
	unmap(f, 8, 9);
	check_one(f, e, 2, 8);
	unmap(f, 0, 3);
	check_one(f, e, 3, 8);
	unmap(f, 7, 20);
	check_one(f, e, 3, 7);
	unmap(f, 4, 7);
	check_one(f, e, 3, 4);
	check_u64(0, model_fail_count());
	model_fail_off();
	check_zero(f->proc, A + 3 * P, 1);
	check_hole(f->map, A + 4 * P, A + 9 * P);
}

/* Several entries, of which the first and the last lose an end. */
static void
around_others(void **state)
{
	struct vm_fixture *f = *state;

	map(f, 0, 4);
	space_map(f->map, A + 4 * P, 2 * P, R, ALL, 0);
	map(f, 6, 9);
	map_drop_spares(f->map);
	model_fail_from(1);
	unmap(f, 3, 7);
	model_fail_off();
	check_u64(2, f->map->nentries);
	check_entry(f->map, A, A + 3 * P, RW, ALL);
	check_hole(f->map, A + 3 * P, A + 7 * P);
	check_entry(f->map, A + 7 * P, A + 9 * P, RW, ALL);
	check_u64(5 * P, f->map->size);
	check_u64(5 * P, vm_charge_used());
}

/* If only one of the two was never touched, the other one needs an entry, and without memory neither
 * changes. */
static void
beside_touched(void **state)
{
	const size_t touched[] = {0, 8};

	for (size_t i = 0; i < ARRAY_SIZE(touched); i++) {
		struct vm_fixture *f = *state;
		struct map_snapshot *before;

		map(f, 0, 4);
		space_map(f->map, A + 4 * P, P, R, ALL, 0);
		map(f, 5, 9);
		space_fill(f->proc, A + touched[i] * P, 1, 7);
		before = map_snapshot_take(f->map);
		map_drop_spares(f->map);
		model_fail_from(1);
		check_kr(KERN_RESOURCE_SHORTAGE, vm_map_remove(f->map, A + 2 * P, A + 7 * P));
		model_fail_off();
		check_unchanged(before, f->map);
		unmap(f, 2, 7);
		check_u64(2, f->map->nentries);
		check_u64(4 * P, vm_charge_used());
		check_fill(f->proc, A + touched[i] * P, 1, 7);
		unmap(f, 0, 9);
	}
}

/* What was cut in two shares an object. */
static void
loses_the_middle(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;

	map(f, 0, 9);
	before = map_snapshot_take(f->map);
	map_drop_spares(f->map);
	model_fail_from(1);
	check_kr(KERN_RESOURCE_SHORTAGE, vm_map_remove(f->map, A + 3 * P, A + 6 * P));
	model_fail_off();
	check_unchanged(before, f->map);
	unmap(f, 3, 6);
	check_u64(2, f->map->nentries);
	check_u64(6 * P, f->map->size);
	check_u64(6 * P, vm_charge_used());
	assert_non_null(space_entry(f->map, A)->object);
	assert_ptr_equal(space_entry(f->map, A)->object, space_entry(f->map, A + 6 * P)->object);
}

/* What costs nothing gives nothing back. */
static void
not_charged(void **state)
{
	struct vm_fixture *f = *state;
	vm_map_entry_t e;

	space_map(f->map, A, 9 * P, R, R, 0);
	space_map(f->map, A + 20 * P, 9 * P, RW, ALL, MAP_ACC_NO_CHARGE);
	e = space_entry(f->map, A);
	check_u64(0, vm_charge_used());
	unmap(f, 0, 2);
	unmap(f, 27, 29);
	check_u64(0, vm_charge_used());
	assert_ptr_equal(e, space_entry(f->map, A + 2 * P));
	check_u64(14 * P, f->map->size);
}

/* A guard is no memory, and a stack more than that: neither is just made shorter. */
static void
guards_and_stacks(void **state)
{
	struct vm_fixture *f = *state;

	check_kr(KERN_SUCCESS, space_insert(f->map, NULL, 0, A, A + 9 * P, VM_PROT_NONE,
					    VM_PROT_NONE, MAP_CREATE_GUARD));
	unmap(f, 0, 2);
	check_u64(0, f->map->size);
	check_entry(f->map, A + 2 * P, A + 9 * P, VM_PROT_NONE, VM_PROT_NONE);
	unmap(f, 2, 9);

	check_kr(KERN_SUCCESS, vm_map_stack(f->map, A, 100 * P, RW, ALL, 0));
	unmap(f, 99, 100);
	check_entry(f->map, A + 68 * P, A + 99 * P, RW, ALL);
	check_u64(31 * P, f->map->size);
	check_u64(31 * P, vm_charge_used());
	space_fill(f->proc, A + 40 * P, 59, 1);
	check_fill(f->proc, A + 40 * P, 59, 1);
	vm_fixture_audit(f);
}

/* ---- longer ---- */

static void
grows_down(void **state)
{
	struct vm_fixture *f = *state;
	vm_map_entry_t e;

	map(f, 6, 9);
	e = space_entry(f->map, A + 6 * P);
	map(f, 4, 6);
	check_one(f, e, 4, 9);
	map(f, 0, 1);
	check_u64(2, f->map->nentries);
	check_entry(f->map, A, A + P, RW, ALL);
	/* What fills a hole makes one of three. */
	map(f, 1, 4);
	check_one(f, space_entry(f->map, A), 0, 9);
	check_zero(f->proc, A, 9);
}

/* It does not if that makes a difference. */
static void
stays_apart(void **state)
{
	struct vm_fixture *f = *state;

	map(f, 6, 7);
	space_map(f->map, A + 5 * P, P, R, ALL, 0);
	space_map(f->map, A + 4 * P, P, R, R, 0);
	space_map(f->map, A + 3 * P, P, R, R, MAP_INHERIT_SHARE);
	space_map(f->map, A + 2 * P, P, R, R, MAP_DISABLE_COREDUMP);
	check_u64(5, f->map->nentries);
	check_entry(f->map, A + 2 * P, A + 3 * P, R, R);
	check_entry(f->map, A + 3 * P, A + 4 * P, R, R);
	check_entry(f->map, A + 4 * P, A + 5 * P, R, R);
	check_entry(f->map, A + 5 * P, A + 6 * P, R, ALL);
	check_entry(f->map, A + 6 * P, A + 7 * P, RW, ALL);
	vm_fixture_audit(f);
}

/* What ends where the map does lies before nothing, whatever it is like. */
static void
at_the_end(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, MODEL_USER_MAX - P, P, VM_PROT_NONE, VM_PROT_NONE, MAP_INHERIT_SHARE);
	check_entry(f->map, MODEL_USER_MAX - P, MODEL_USER_MAX, VM_PROT_NONE, VM_PROT_NONE);
	check_u64(MODEL_USER_MAX, vm_map_max(f->map));
}

/* Memory that was touched has an object, in which there is no room before it. */
static void
stays_apart_from_touched(void **state)
{
	struct vm_fixture *f = *state;

	map(f, 1, 2);
	space_fill(f->proc, A + P, 1, 9);
	map(f, 0, 1);
	check_entry(f->map, A, A + P, RW, ALL);
	check_entry(f->map, A + P, A + 2 * P, RW, ALL);
	check_zero(f->proc, A, 1);
	check_fill(f->proc, A + P, 1, 9);
}

/* An object that is mapped in front of what shows the rest of it is one entry with it. */
static void
object_before_its_rest(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(4, 1);

	vm_object_reference(object);
	vm_object_reference(object);
	check_kr(KERN_SUCCESS, space_insert(f->map, object, 2 * P, A + 2 * P, A + 4 * P, RW, ALL,
					    MAP_INHERIT_SHARE));
	check_kr(KERN_SUCCESS,
		 space_insert(f->map, object, 0, A, A + 2 * P, RW, ALL, MAP_INHERIT_SHARE));
	check_entry(f->map, A, A + 4 * P, RW, ALL);
	check_u64(0, space_entry(f->map, A)->offset);
	check_u64(2, object->ref_count);
	check_fill(f->proc, A, 4, 1);
	unmap(f, 0, 4);
	vm_object_deallocate(object);
}

/* ---- what is got in advance ---- */

static kern_return_t
find(struct vm_fixture *f, vm_offset_t *addr, size_t pages)
{
	return vm_map_find(f->map, NULL, 0, addr, pages * P, 0, VMFS_ANY_SPACE, RW, ALL, 0);
}

/* First fit finds what was given back at either end, and again and again. */
static void
found_again(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t addr = A;

	check_kr(KERN_SUCCESS, find(f, &addr, 9));
	check_u64(A, addr);
	for (unsigned i = 0; i < 3; i++) {
		unmap(f, 0, 1);
		addr = A;
		check_kr(KERN_SUCCESS, find(f, &addr, 1));
		check_u64(A, addr);
		unmap(f, 8, 9);
		addr = A;
		check_kr(KERN_SUCCESS, find(f, &addr, 1));
		check_u64(A + 8 * P, addr);
		addr = A;
		check_kr(KERN_SUCCESS, find(f, &addr, 1));
		check_u64(A + 9 * P, addr);
		unmap(f, 9, 10);
	}
	check_u64(1, f->map->nentries);
}

/* Less than a page is no length, wherever it is looked for. */
static void
odd_lengths(void **state)
{
	struct vm_fixture *f = *state;
	const vm_size_t odd[] = {1, 100, P - 1, P + 1};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(odd); i++) {
		vm_offset_t addr = A;

		check_kr(KERN_INVALID_ARGUMENT,
			 vm_map_find(f->map, NULL, 0, &addr, odd[i % ARRAY_SIZE(odd)], 0,
				     VMFS_ANY_SPACE, RW, ALL, 0));
		check_u64(0, vm_charge_used());
		if (i == ARRAY_SIZE(odd) - 1)
			space_map(f->map, A, P, R, ALL, MAP_ACC_NO_CHARGE);
	}
	check_u64(1, f->map->nentries);
}

/* What is wrong with the place comes before what there is not enough of. */
static void
order_of_errors(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t addr = A;
	struct map_snapshot *before;

	map(f, 0, 2);
	before = map_snapshot_take(f->map);
	vm_charge_set_limit(2 * P);
	check_kr(KERN_NO_SPACE,
		 vm_map_find(f->map, NULL, 0, &addr, P, 0, VMFS_NO_SPACE, RW, ALL, 0));
	check_kr(KERN_NO_SPACE, vm_map_fixed(f->map, NULL, 0, A + P, P, RW, ALL, MAP_CHECK_EXCL));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_fixed(f->map, NULL, 1, A + 2 * P, P, RW, ALL, 0));
	check_kr(KERN_RESOURCE_SHORTAGE, vm_map_fixed(f->map, NULL, 0, A + 2 * P, P, RW, ALL, 0));
	check_kr(KERN_RESOURCE_SHORTAGE, find(f, &addr, 1));
	check_unchanged(before, f->map);
	/* What replaces something costs only what it is more. */
	check_kr(KERN_SUCCESS, vm_map_fixed(f->map, NULL, 0, A, 2 * P, RW, ALL, 0));
	check_u64(2 * P, vm_charge_used());
	vm_charge_set_limit(VM_CHARGE_UNLIMITED);
}

/* Memory that is short before the map is locked is asked for once more when it is; if there is none,
 * nothing has changed and nothing is kept. */
static void
asked_again(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before = map_snapshot_take(f->map);
	vm_offset_t addr = A;

	map_drop_spares(f->map);
	model_fail_charges();
	for (uint64_t k = 1; k <= 2; k++) {
		model_fail_after(k);
		addr = A;
		check_kr(KERN_SUCCESS, find(f, &addr, 1));
		check_u64(1, model_fail_count());
		model_fail_off();
		check_u64(P, vm_charge_used());
		unmap(f, 0, 1);
	}
	for (uint64_t k = 1; k <= 2; k++) {
		model_fail_from(k);
		check_kr(KERN_RESOURCE_SHORTAGE, find(f, &addr, 1));
		check_kr(KERN_RESOURCE_SHORTAGE, vm_map_fixed(f->map, NULL, 0, A, P, RW, ALL, 0));
		model_fail_off();
		check_u64(0, vm_charge_used());
	}
	check_unchanged(before, f->map);
}

/* A guard that fills the room between two others is one with them. */
static void
guards(void **state)
{
	struct vm_fixture *f = *state;
	const size_t order[] = {0, 2, 1};

	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		check_kr(KERN_SUCCESS,
			 space_insert(f->map, NULL, 0, A + order[i] * P, A + (order[i] + 1) * P,
				      VM_PROT_NONE, VM_PROT_NONE, MAP_CREATE_GUARD));
	check_u64(1, f->map->nentries);
	check_u64(0, f->map->size);
	check_entry(f->map, A, A + 3 * P, VM_PROT_NONE, VM_PROT_NONE);
}

/* A map, and whether it was locked at some moment. */
struct moment {
	vm_map_t map;
	bool locked;
};

static void
look(void *arg)
{
	struct moment *m = arg;

	m->locked = vm_map_locked(m->map);
}

/* charged_locked: is a range of so many bytes charged while the map is locked? */
static bool
charged_locked(struct vm_fixture *f, struct vm_object *object, vm_size_t length, bool fixed)
{
	struct moment m = {.map = f->map};
	vm_offset_t addr = A;

	model_fail_charges();
	model_fail_calls(1, look, &m);
	check_kr(KERN_SUCCESS, fixed ? vm_map_fixed(f->map, object, 0, addr, length, RW, ALL, 0)
				     : vm_map_find(f->map, object, 0, &addr, length, 0,
						   VMFS_ANY_SPACE, RW, ALL, 0));
	model_fail_off();
	check_u64(length, vm_charge_used());
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, addr, addr + length));
	return m.locked;
}

/* Much is not charged before it is clear that there is room for it: others would be refused meanwhile.
 * What an object costs is known when the map is locked. */
static void
charged_when_sure(void **state)
{
	struct vm_fixture *f = *state;

	assert_false(charged_locked(f, NULL, P, false));
	assert_false(charged_locked(f, NULL, VM_MAP_LARGE - P, false));
	assert_true(charged_locked(f, NULL, VM_MAP_LARGE, false));
	assert_false(charged_locked(f, NULL, P, true));
	assert_true(charged_locked(f, NULL, VM_MAP_LARGE, true));
	assert_true(charged_locked(f, vm_object_allocate(&vm_pager_anonymous, 2), 2 * P, false));
}

/* Of a stack only what is mapped at first is charged. */
static void
charged_as_it_grows(void **state)
{
	struct vm_fixture *f = *state;

	vm_charge_set_limit(110 * P);
	check_kr(KERN_SUCCESS, vm_map_fixed(f->map, NULL, 0, A, 100 * P, RW, ALL, MAP_STACK_AREA));
	vm_charge_set_limit(VM_CHARGE_UNLIMITED);
	check_u64(vm_sgrowsiz, vm_charge_used());
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"DEL-01: untouched memory loses an end: the same entry, and no memory needed",
	     loses_an_end},
	    {"DEL-01: so do two, with others between them", around_others},
	    {"DEL-01: one that was touched needs an entry: without memory nothing changes",
	     beside_touched},
	    {"DEL-01: untouched memory loses its middle: two entries, one object",
	     loses_the_middle},
	    {"DEL-01: what was not charged gives nothing back", not_charged},
	    {"DEL-01: guards and stacks lose an end", guards_and_stacks},
	    {"INS-05: what is mapped before untouched memory makes it longer", grows_down},
	    {"INS-05: not if its attributes are others", stays_apart},
	    {"INS-05: nor if there is none", at_the_end},
	    {"INS-05: nor if it was touched", stays_apart_from_touched},
	    {"INS-05: an object before its own rest is one entry with it", object_before_its_rest},
	    {"FND-01: first fit finds an end that was given back", found_again},
	    {"FND-01: a length that is no number of pages is refused", odd_lengths},
	    {"INS-08: a wrong place is said before a lack of memory", order_of_errors},
	    {"INS-05: a guard between guards is one with them", guards},
	    {"INS-08: of a stack only its first part is charged", charged_as_it_grows},
	    {"INS-08: little is charged in advance, much when there is room for it",
	     charged_when_sure},
	    {"INS-08: what cannot be had in advance is asked for again", asked_again},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
