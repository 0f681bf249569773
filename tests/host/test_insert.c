/* SPDX-License-Identifier: BSD-2-Clause */
/* vm_map_insert: rows INS-01 to INS-11. */
#include "model/memory.h"
#include "model/mmu.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/vm_fixture.h"
#include "vm/vm_charge.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_radix.h"
#include "vm/vmspace.h"

#define P PAGE_SIZE
#define A 0x100000ul

#define R   VM_PROT_READ
#define W   VM_PROT_WRITE
#define RW  VM_PROT_RW
#define ALL VM_PROT_ALL

/* refused: an insertion of anonymous memory fails with kr and leaves no trace. */
static void
refused(vm_map_t map, kern_return_t kr, vm_offset_t start, vm_offset_t end)
{
	struct map_snapshot *before = map_snapshot_take(map);

	check_kr(kr, space_insert(map, NULL, 0, start, end, RW, ALL, 0));
	check_unchanged(before, map);
}

static void
ins_01(void **state)
{
	struct vm_fixture *f = *state;

	refused(f->map, KERN_INVALID_ADDRESS, A, A);
	refused(f->map, KERN_INVALID_ADDRESS, A + P, A);
	refused(f->map, KERN_INVALID_ADDRESS, MODEL_USER_MIN, MODEL_USER_MIN);
	refused(f->map, KERN_INVALID_ADDRESS, MODEL_USER_MAX, MODEL_USER_MAX);
	refused(f->map, KERN_INVALID_ADDRESS, MODEL_USER_MAX, MODEL_USER_MIN);
}

static void
ins_02(void **state)
{
	struct vm_fixture *f = *state;

	refused(f->map, KERN_INVALID_ADDRESS, MODEL_USER_MIN - P, MODEL_USER_MIN);
	refused(f->map, KERN_INVALID_ADDRESS, MODEL_USER_MIN - P, MODEL_USER_MIN + P);
	refused(f->map, KERN_INVALID_ADDRESS, MODEL_USER_MAX - P, MODEL_USER_MAX + P);
	refused(f->map, KERN_INVALID_ADDRESS, MODEL_USER_MAX, MODEL_USER_MAX + P);
	refused(f->map, KERN_INVALID_ADDRESS, MODEL_USER_MIN - P, MODEL_USER_MAX + P);
	space_map(f->map, MODEL_USER_MIN, P, RW, ALL, 0);
	space_map(f->map, MODEL_USER_MAX - P, P, RW, ALL, 0);
	space_map(f->map, MODEL_USER_MIN + P, MODEL_USER_MAX - MODEL_USER_MIN - 2 * P, R, R, 0);
	check_u64(MODEL_USER_MAX - MODEL_USER_MIN, f->map->size);
}

static void
ins_unaligned(void **state)
{
	struct vm_fixture *f = *state;

	refused(f->map, KERN_INVALID_ARGUMENT, A + 1, A + P);
	refused(f->map, KERN_INVALID_ARGUMENT, A, A + P - 1);
	refused(f->map, KERN_INVALID_ARGUMENT, A + 8, A + P + 8);
}

static void
ins_03(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 4 * P, RW, ALL, 0);
	space_fill(f->proc, A, 4, 1);
	refused(f->map, KERN_NO_SPACE, A - 3 * P, A + P);
	refused(f->map, KERN_NO_SPACE, A + 3 * P, A + 7 * P);
	refused(f->map, KERN_NO_SPACE, A - P, A + 5 * P);
	refused(f->map, KERN_NO_SPACE, A + P, A + 2 * P);
	refused(f->map, KERN_NO_SPACE, A, A + 4 * P);
	refused(f->map, KERN_NO_SPACE, A, A + P);
	refused(f->map, KERN_NO_SPACE, A + 3 * P, A + 4 * P);
	/* A guard is room that is taken, too. */
	space_map(f->map, A + 8 * P, P, VM_PROT_NONE, VM_PROT_NONE, MAP_CREATE_GUARD);
	refused(f->map, KERN_NO_SPACE, A + 8 * P, A + 9 * P);
	refused(f->map, KERN_NO_SPACE, A + 4 * P, A + 9 * P);
	check_fill(f->proc, A, 4, 1);
}

static void
ins_04(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, P, R, R, 0);
	space_map(f->map, A + 4 * P, P, R, R, 0);
	space_map(f->map, A + P, 3 * P, RW, RW, 0);
	check_u64(3, f->map->nentries);
	check_u64(5 * P, f->map->size);
	check_entry(f->map, A + P, A + 4 * P, RW, RW);
	space_fill(f->proc, A + P, 3, 7);
	check_fill(f->proc, A, 1, 0);
	check_fill(f->proc, A + P, 3, 7);
	check_fill(f->proc, A + 4 * P, 1, 0);
}

/* INS-05: what is appended behaves like a part of what was there. */

static void
ins_05(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	space_map(f->map, A + 2 * P, 2 * P, RW, ALL, 0);
	space_fill(f->proc, A, 4, 1);
	space_map(f->map, A + 4 * P, 2 * P, RW, ALL, 0);
	check_fill(f->proc, A, 4, 1);
	check_fill(f->proc, A + 4 * P, 1, 0);
	check_fill(f->proc, A + 5 * P, 1, 0);
	space_fill(f->proc, A, 6, 40);
	check_fill(f->proc, A, 6, 40);
	check_u64(6 * P, f->map->size);
	check_u64(6 * P, vm_charge_used());
	check_entry(f->map, A, A + 6 * P, RW, ALL);
}

static void
ins_05_between(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	space_map(f->map, A + 4 * P, 2 * P, RW, ALL, 0);
	space_fill(f->proc, A, 2, 1);
	space_fill(f->proc, A + 4 * P, 2, 11);
	space_map(f->map, A + 2 * P, 2 * P, RW, ALL, 0);
	check_fill(f->proc, A, 2, 1);
	check_fill(f->proc, A + 2 * P, 1, 0);
	check_fill(f->proc, A + 3 * P, 1, 0);
	check_fill(f->proc, A + 4 * P, 2, 11);
	check_rights(f->map, A, A + 6 * P, RW, ALL);
}

/* The object of what is there holds pages just beyond its end: they must not be seen. */
static void
ins_05_stale(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(8, 50);

	check_kr(KERN_SUCCESS, space_insert(f->map, object, 0, A, A + 4 * P, RW, ALL, 0));
	space_map(f->map, A + 4 * P, 6 * P, RW, ALL, 0);
	check_fill(f->proc, A, 4, 50);
	for (size_t i = 4; i < 10; i++)
		check_fill(f->proc, A + i * P, 1, 0);
}

/* ... and they are not lost for somebody else who names the object. */
static void
ins_05_shared(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(8, 50);

	vm_object_reference(object);
	check_kr(KERN_SUCCESS, space_insert(f->map, object, 0, A, A + 4 * P, RW, ALL, 0));
	space_map(f->map, A + 4 * P, 4 * P, RW, ALL, 0);
	space_fill(f->proc, A + 4 * P, 4, 1);
	check_fill(f->proc, A, 4, 50);
	for (size_t i = 0; i < 8; i++)
		check_u64(50 + i, space_object_byte(object, i));
	check_u64(8, object->size);
	vm_object_deallocate(object);
}

/* A memory object that is charged itself (what a handle names) never grows by a neighbour. */
static void
ins_05_charged_object(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(4, 50);

	assert_true(vm_charge(4 * P));
	vm_object_set_charge(object, 4 * P);
	vm_object_reference(object);
	check_kr(KERN_SUCCESS, space_insert(f->map, object, 0, A, A + 4 * P, RW, ALL, 0));
	space_map(f->map, A + 4 * P, 4 * P, RW, ALL, 0);
	space_fill(f->proc, A + 4 * P, 4, 1);
	check_u64(4, object->size);
	check_u64(8 * P, vm_charge_used());
	vm_object_deallocate(object);
}

/* Part of memory given back and taken again is zero, whatever has become of its object. */
static void
ins_05_again(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 8 * P, RW, ALL, 0);
	space_fill(f->proc, A, 8, 1);
	model_proc_destroy(model_proc_fork(f->proc));
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A + 4 * P, A + 8 * P));
	space_map(f->map, A + 4 * P, 4 * P, RW, ALL, MAP_COPY_ON_WRITE);
	for (size_t i = 4; i < 8; i++)
		check_fill(f->proc, A + i * P, 1, 0);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A + 2 * P, A + 6 * P));
	space_map(f->map, A + 2 * P, 4 * P, RW, ALL, 0);
	for (size_t i = 2; i < 8; i++)
		check_fill(f->proc, A + i * P, 1, 0);
	check_fill(f->proc, A, 2, 1);
}

/* INS-06 */

/* separate: what is appended at A + 2P is an entry of its own. */
static void
separate(struct vm_fixture *f, vm_prot_t prot, vm_prot_t max, int cow)
{
	vm_map_entry_t e;

	space_map(f->map, A + 2 * P, 2 * P, prot, max, cow);
	check_entry(f->map, A, A + 2 * P, RW, ALL);
	check_entry(f->map, A + 2 * P, A + 4 * P, prot, max);
	e = space_entry(f->map, A + 2 * P);
	check_u64(0, e->wired_count);
	check_u64(cow & MAP_INHERIT_SHARE ? VM_INHERIT_SHARE : VM_INHERIT_COPY, e->inheritance);
	check_fill(f->proc, A + 2 * P, 1, 0);
	check_fill(f->proc, A + 3 * P, 1, 0);
	check_fill(f->proc, A, 2, 1);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A + 2 * P, A + 4 * P));
	check_fill(f->proc, A, 2, 1);
}

static void
ins_06(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	space_fill(f->proc, A, 2, 1);
	separate(f, R, ALL, 0);
	separate(f, RW, RW, 0);
	separate(f, RW, ALL, MAP_INHERIT_SHARE);
	separate(f, RW, ALL, MAP_DISABLE_COREDUMP);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + 2 * P, VM_MAP_WIRE_USER));
	separate(f, RW, ALL, 0);
	check_u64(1, space_entry(f->map, A)->wired_count);
	check_u64(2, pmap_wired_count(f->pmap));
}

/* INS-07: every way to fail leaves the reference with the caller. */

static void
keeps_reference(vm_map_t map, struct vm_object *object, kern_return_t kr, vm_offset_t start,
		vm_offset_t end, vm_prot_t max, int cow)
{
	struct map_snapshot *before = map_snapshot_take(map);

	check_kr(kr, space_insert(map, object, 0, start, end, max & RW, max, cow));
	check_u64(1, object->ref_count);
	check_unchanged(before, map);
}

static void
ins_07(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(4, 1);

	space_map(f->map, A, 4 * P, RW, ALL, 0);
	keeps_reference(f->map, object, KERN_INVALID_ADDRESS, A, A, ALL, 0);
	keeps_reference(f->map, object, KERN_INVALID_ADDRESS, 0, 4 * P, ALL, 0);
	keeps_reference(f->map, object, KERN_NO_SPACE, A + P, A + 5 * P, ALL, 0);
	keeps_reference(f->map, object, KERN_INVALID_ARGUMENT, A + 4 * P, A + 8 * P, VM_PROT_NONE,
			MAP_CREATE_GUARD);
	vm_charge_set_limit(vm_charge_used() + 3 * P);
	keeps_reference(f->map, object, KERN_RESOURCE_SHORTAGE, A + 4 * P, A + 8 * P, ALL,
			MAP_COPY_ON_WRITE);
	vm_charge_set_limit(VM_CHARGE_UNLIMITED);
	map_drop_spares(f->map);
	model_fail_after(1);
	check_kr(KERN_RESOURCE_SHORTAGE,
		 space_insert(f->map, object, 0, A + 4 * P, A + 8 * P, RW, ALL, 0));
	model_fail_off();
	check_u64(1, object->ref_count);
	/* On success it is the entry's. */
	check_kr(KERN_SUCCESS, space_insert(f->map, object, 0, A + 4 * P, A + 8 * P, RW, ALL, 0));
	check_u64(1, object->ref_count);
	check_fill(f->proc, A + 4 * P, 4, 1);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 8 * P));
}

static void
ins_08(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	vm_charge_set_limit(vm_charge_used() + 4 * P);
	refused(f->map, KERN_RESOURCE_SHORTAGE, A + 8 * P, A + 13 * P);
	refused(f->map, KERN_RESOURCE_SHORTAGE, A + 2 * P, A + 7 * P); /* would be appended */
	space_map(f->map, A + 8 * P, 4 * P, RW, ALL, 0);
	check_u64(6 * P, vm_charge_used());
	refused(f->map, KERN_RESOURCE_SHORTAGE, A + 16 * P, A + 17 * P);
	/* What cannot be written, or is nobody's to keep, costs nothing. */
	space_map(f->map, A + 16 * P, 4 * P, R, ALL, 0);
	space_map(f->map, A + 24 * P, 4 * P, RW, ALL, MAP_ACC_NO_CHARGE);
	space_map(f->map, A + 32 * P, 4 * P, VM_PROT_NONE, VM_PROT_NONE, MAP_CREATE_GUARD);
	check_u64(6 * P, vm_charge_used());
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 10 * P));
	check_u64(2 * P, vm_charge_used());
	vm_charge_set_limit(VM_CHARGE_UNLIMITED);
}

static void
ins_09(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(2, 1);
	struct map_snapshot *before = map_snapshot_take(f->map);

	check_kr(KERN_INVALID_ARGUMENT, space_insert(f->map, object, 0, A, A + 2 * P, VM_PROT_NONE,
						     VM_PROT_NONE, MAP_CREATE_GUARD));
	check_kr(KERN_INVALID_ARGUMENT,
		 space_insert(f->map, NULL, 0, A, A + 2 * P, VM_PROT_NONE, R, MAP_CREATE_GUARD));
	check_kr(KERN_INVALID_ARGUMENT,
		 space_insert(f->map, NULL, 0, A, A + 2 * P, R, ALL, MAP_CREATE_GUARD));
	check_unchanged(before, f->map);
	vm_object_deallocate(object);

	space_map(f->map, A, 2 * P, VM_PROT_NONE, VM_PROT_NONE, MAP_CREATE_GUARD);
	check_u64(0, f->map->size);
	check_u64(1, f->map->nentries);
	check_u64(0, vm_charge_used());
	check_u64(SEGV_ACCERR, model_user_read(f->proc, A, &(uint8_t){0}, 1));
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + P));
	check_u64(0, f->map->size);
	check_entry(f->map, A + P, A + 2 * P, VM_PROT_NONE, VM_PROT_NONE);
}

/* INS-10 */

static void
ins_10(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(4, 60);
	struct pmap_mapping m;
	uint64_t faults;

	rwlock_write(&object->lock);
	object->size = 8; /* pages 4 to 7 are not resident */
	rwlock_write_unlock(&object->lock);
	space_map_object(f->map, object, A, RW, ALL, MAP_PREFAULT);
	check_u64(4, pmap_resident_count(f->pmap));
	check_u64(4, object->resident);
	faults = model_fault_count();
	check_fill(f->proc, A, 4, 60);
	space_fill(f->proc, A, 4, 70);
	check_u64(faults, model_fault_count());
	check_u64(70, space_object_byte(object, 0));
	assert_false(pmap_query(f->pmap, A + 4 * P, &m));
	check_fill(f->proc, A + 4 * P, 1, 0);
	vm_object_deallocate(object);
}

/* A private view: the pages are there, but may not be written before they are copied. */
static void
ins_10_private(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(4, 60);

	space_map_object(f->map, object, A, RW, ALL, MAP_PREFAULT | MAP_COPY_ON_WRITE);
	check_u64(4, pmap_resident_count(f->pmap));
	vm_fixture_audit(f);
	space_fill(f->proc, A, 4, 1);
	check_fill(f->proc, A, 4, 1);
	check_u64(60, space_object_byte(object, 0));
	vm_object_deallocate(object);
}

static void
ins_10_offset(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(6, 60);
	static const vm_prot_t prots[] = {R, W, RW, ALL, VM_PROT_EXECUTE, VM_PROT_NONE};

	for (size_t i = 0; i < ARRAY_SIZE(prots); i++) {
		for (int cow = 0; cow <= MAP_COPY_ON_WRITE; cow += MAP_COPY_ON_WRITE) {
			vm_object_reference(object);
			check_kr(KERN_SUCCESS, space_insert(f->map, object, 2 * P, A, A + 3 * P,
							    prots[i], ALL, cow | MAP_PREFAULT));
			vm_fixture_audit(f);
			assert_in_range(pmap_resident_count(f->pmap), 0, 3);
			if (prots[i] & R)
				check_fill(f->proc, A, 3, 62);
			check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 3 * P));
		}
	}
	check_u64(6, object->resident);
	vm_object_deallocate(object);
}

/* INS-11: the bounds of a process's map are those that kernel/proc.c gives it. */
static void
ins_11(void **state)
{
	struct vmspace *vm = vmspace_alloc(vm_min_user_map, VM_MAX_USER_ADDRESS);
	static const vm_offset_t low[] = {0, P, 2 * P, VM_LOW_GUARD - P};
	vm_offset_t addr;

	(void)state;
	check_u64(64 * 1024, vm_min_user_map);
	for (size_t i = 0; i < ARRAY_SIZE(low); i++)
		refused(&vm->vm_map, KERN_INVALID_ADDRESS, low[i], low[i] + P);
	refused(&vm->vm_map, KERN_INVALID_ADDRESS, VM_LOW_GUARD - P, VM_LOW_GUARD + P);
	refused(&vm->vm_map, KERN_INVALID_ADDRESS, 1, P + 1);
	refused(&vm->vm_map, KERN_INVALID_ADDRESS, P - 1, 2 * P - 1);
	refused(&vm->vm_map, KERN_INVALID_ADDRESS, (vm_offset_t)-1, P - 1);
	refused(&vm->vm_map, KERN_INVALID_ADDRESS, -P, 0);
	refused(&vm->vm_map, KERN_INVALID_ADDRESS, -1 - P, (vm_offset_t)-1);
	/* First fit from 0 on gives the lowest address that is allowed. */
	addr = 0;
	check_kr(KERN_SUCCESS,
		 vm_map_find(&vm->vm_map, NULL, 0, &addr, P, 0, VMFS_ANY_SPACE, RW, ALL, 0));
	check_u64(VM_LOW_GUARD, addr);
	check_kr(KERN_SUCCESS, vm_map_remove(&vm->vm_map, addr, addr + P));
	space_map(&vm->vm_map, VM_LOW_GUARD, P, RW, ALL, 0);
	vmspace_free(vm);
}

static void
ins_11_fixed(void **state)
{
	struct vmspace *vm = vmspace_alloc(vm_min_user_map, VM_MAX_USER_ADDRESS);
	static const vm_offset_t bad[] = {0, 1, P - 1, VM_LOW_GUARD - P, -1ul, -P, -1 - P};
	struct map_snapshot *before;

	(void)state;
	space_map(&vm->vm_map, VM_LOW_GUARD, P, RW, ALL, 0);
	before = map_snapshot_take(&vm->vm_map);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		vm_offset_t addr = bad[i];

		check_kr(KERN_INVALID_ADDRESS,
			 vm_map_fixed(&vm->vm_map, NULL, 0, addr, P, RW, ALL, 0));
		check_kr(KERN_INVALID_ADDRESS,
			 vm_map_find(&vm->vm_map, NULL, 0, &addr, P, 0, VMFS_NO_SPACE, RW, ALL, 0));
	}
	check_unchanged(before, &vm->vm_map);
	vmspace_free(vm);
}

static void
wxorx(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;

	f->map->flags |= VM_MAP_WXORX;
	before = map_snapshot_take(f->map);
	check_kr(KERN_PROTECTION_FAILURE, space_insert(f->map, NULL, 0, A, A + P, ALL, ALL, 0));
	check_unchanged(before, f->map);
	space_map(f->map, A, P, R | VM_PROT_EXECUTE, ALL, 0);
	f->map->flags &= ~VM_MAP_WXORX;
	space_map(f->map, A + P, P, ALL, ALL, 0);
}

/* Whichever allocation of an insertion between two others fails, nothing has changed. */
static void
no_memory(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;
	kern_return_t kr;

	space_map(f->map, A, P, RW, ALL, 0);
	space_map(f->map, A + 2 * P, P, RW, ALL, 0);
	space_fill(f->proc, A, 1, 1);
	for (uint64_t k = 1;; k++) {
		before = map_snapshot_take(f->map);
		map_drop_spares(f->map);
		model_fail_after(k);
		kr = space_insert(f->map, NULL, 0, A + P, A + 2 * P, RW, ALL, 0);
		model_fail_off();
		if (kr == KERN_SUCCESS)
			break;
		check_kr(KERN_RESOURCE_SHORTAGE, kr);
		check_unchanged(before, f->map);
	}
	check_rights(f->map, A, A + 3 * P, RW, ALL);
	check_u64(3 * P, f->map->size);
	check_u64(3 * P, vm_charge_used());
}

/* charge_it: another one who shows the object has had it charged. */
static void
charge_it(void *arg)
{
	struct vm_object *object = arg;

	assert_true(vm_charge(2 * P));
	vm_object_set_charge(object, 2 * P);
}

/* What was charged for an object that another has charged meanwhile is given back. */
static void
ins_08_meanwhile(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(2, 1);

	map_drop_spares(f->map);
	model_fail_calls(1, charge_it, object); /* when the entry is made */
	space_map_object(f->map, object, A, RW, ALL, 0);
	check_u64(2 * P, vm_charge_used());
	vm_object_deallocate(object);
}

/* A view that will be a copy does not make the object one that is shared and charged as a whole. */
static void
ins_08_private_view(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(2, 1);

	space_map_object(f->map, object, A, R, ALL, MAP_COPY_ON_WRITE);
	check_u64(0, object->flags & (VM_OBJECT_SHARED | VM_OBJECT_NAMED));
	space_map_object(f->map, object, A + 4 * P, R, ALL, 0);
	check_u64(VM_OBJECT_SHARED, object->flags & (VM_OBJECT_SHARED | VM_OBJECT_CHARGED));
	vm_object_deallocate(object);
}

/* A page that is there, but not filled. */
static void
ins_10_invalid(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(3, 1);
	struct vm_page *m;

	rwlock_write(&object->lock);
	m = vm_radix_lookup(&object->pages, 1);
	m->flags &= (uint8_t)~VM_PAGE_VALID;
	rwlock_write_unlock(&object->lock);
	space_map_object(f->map, object, A, R, ALL, MAP_PREFAULT);
	check_u64(2, pmap_resident_count(f->pmap));
	assert_null(space_mapped(f->map, A + P));
	vm_object_deallocate(object);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"INS-01: an empty or reversed range is an invalid address", ins_01},
	    {"INS-02: a range outside the bounds is an invalid address", ins_02},
	    {"INS: an unaligned range is an invalid argument", ins_unaligned},
	    {"INS-03: an overlap of any kind finds no space", ins_03},
	    {"INS-04: an exact fit between two entries", ins_04},
	    {"INS-05: equal neighbours behave as one region", ins_05},
	    {"INS-05: what closes a gap between equal regions is zero", ins_05_between},
	    {"INS-05: stale pages of the object read as zeroes", ins_05_stale},
	    {"INS-05: an object that others name is not touched", ins_05_shared},
	    {"INS-05: an object with a charge of its own is not extended", ins_05_charged_object},
	    {"INS-05: memory given back and taken again is zero", ins_05_again},
	    {"INS-06: other attributes make another entry", ins_06},
	    {"INS-07: a failure leaves the object's reference with the caller", ins_07},
	    {"INS-08: a refused charge changes nothing; only private writable memory is charged",
	     ins_08},
	    {"INS-08: what another has charged meanwhile is not charged twice", ins_08_meanwhile},
	    {"INS-08: a private view does not make an object a shared one", ins_08_private_view},
	    {"INS-09: a guard has no object and no rights, and does not count", ins_09},
	    {"INS-10: PREFAULT maps resident pages and allocates none", ins_10},
	    {"INS-10: PREFAULT of a private view grants no write to the object", ins_10_private},
	    {"INS-10: PREFAULT from an offset, with any rights", ins_10_offset},
	    {"INS-10: PREFAULT maps no page that is not valid", ins_10_invalid},
	    {"INS-11: below 64 KiB and at the ends of the space nothing can be inserted", ins_11},
	    {"INS-11: ... nor by fixed requests", ins_11_fixed},
	    {"INS: write and execute together are refused on a W^X map only", wxorx},
	    {"INS: whichever allocation fails, nothing has changed", no_memory},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
