/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations at the edges: of a map, of a range, of what an entry may be merged with. */
#include "model/memory.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/stacks.h"
#include "model/thread.h"
#include "model/vm_fixture.h"
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vm_fault.h"
#include "vm/vm_kern.h"
#include "vm/vm_map.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_wire.h"
#include "vm/vmspace.h"
#include <machine/cpu.h>

#define A   0x100000ul
#define P   PAGE_SIZE
#define MIN MODEL_USER_MIN
#define MAX MODEL_USER_MAX

#define R   VM_PROT_READ
#define RW  VM_PROT_RW
#define ALL VM_PROT_ALL

/* ---- the map's ends ---- */

/* An entry without rights and flags, inherited by sharing, has the same fields as a map's header. */
static void
like_the_header(void **state)
{
	struct vm_fixture *f = *state;
	const vm_offset_t at[] = {MIN, MAX - P};

	for (size_t i = 0; i < 2; i++)
		check_kr(KERN_SUCCESS, space_insert(f->map, NULL, 0, at[i], at[i] + P, VM_PROT_NONE,
						    VM_PROT_NONE, MAP_INHERIT_SHARE));
	for (size_t i = 0; i < 2; i++)
		check_kr(KERN_SUCCESS,
			 vm_map_protect(f->map, at[i], at[i] + P, VM_PROT_NONE, FALSE));
	check_u64(2, f->map->nentries);
	check_entry(f->map, MIN, MIN + P, VM_PROT_NONE, VM_PROT_NONE);
	check_entry(f->map, MAX - P, MAX, VM_PROT_NONE, VM_PROT_NONE);
	/* Nor when it is continued up to the end. */
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, MAX - P, MAX));
	for (vm_offset_t va = MAX - 2 * P; va < MAX; va += P)
		check_kr(KERN_SUCCESS, space_insert(f->map, NULL, 0, va, va + P, VM_PROT_NONE,
						    VM_PROT_NONE, MAP_INHERIT_SHARE));
	check_u64(2, f->map->nentries);
	check_entry(f->map, MAX - 2 * P, MAX, VM_PROT_NONE, VM_PROT_NONE);
	check_hole(f->map, MIN + P, MAX - 2 * P);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, MIN, MAX));
	check_u64(0, f->map->nentries);
}

static void
beyond_the_end(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;

	space_map(f->map, A, P, RW, ALL, 0);
	space_map(f->map, MAX - P, P, RW, ALL, 0);
	before = map_snapshot_take(f->map);
	check_kr(KERN_INVALID_ADDRESS, vm_map_protect(f->map, MAX - P, MAX + P, R, FALSE));
	check_kr(KERN_INVALID_ADDRESS, vm_map_protect(f->map, MAX - P, MAX + P, R, TRUE));
	check_unchanged(before, f->map);
	vm_map_lock_read(f->map);
	assert_true(vm_map_check_protection(f->map, MAX - P, MAX, RW));
	assert_false(vm_map_check_protection(f->map, MAX - P, MAX + P, RW));
	assert_false(vm_map_check_protection(f->map, MAX - P, MAX + P, VM_PROT_NONE));
	vm_map_unlock_read(f->map);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, MAX - P, MAX, R, FALSE));
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, MAX - P, MAX + 4 * P, VM_INHERIT_NONE));
	check_u64(VM_INHERIT_NONE, space_entry(f->map, MAX - P)->inheritance);
	check_u64(VM_INHERIT_COPY, space_entry(f->map, A)->inheritance);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, MAX - 2 * P, MAX + 4 * P));
	check_u64(1, f->map->nentries);
	check_entry(f->map, A, A + P, RW, ALL);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, 0, A));
	check_entry(f->map, A, A + P, RW, ALL);
}

/* An aligned place beyond 2^64 is not one at 0. */
static void
wraps(void **state)
{
	const vm_offset_t max = (vm_offset_t)0 - P;
	vm_map_t map = vm_map_create(kernel_pmap, max - 16 * P, max);
	vm_offset_t addr;

	(void)state;
	vm_map_lock(map);
	assert_true(vm_map_findspace_aligned(map, 0, P, PAGE_SIZE, &addr));
	check_u64(max - 16 * P, addr);
	assert_false(vm_map_findspace_aligned(map, 0, P, SUPERPAGE_SIZE, &addr));
	vm_map_unlock(map);
	vm_map_deallocate(map);
}

/* ---- places ---- */

static void
occupy(struct vm_fixture *f, vm_offset_t start, vm_size_t size)
{
	space_map(f->map, start, size, RW, ALL, 0);
}

static vm_offset_t
first_fit(struct vm_fixture *f, vm_size_t length)
{
	vm_offset_t at;

	vm_map_lock(f->map);
	at = vm_map_findspace(f->map, A, length);
	vm_map_unlock(f->map);
	return at;
}

/* |####|-|####|-|####|--|####|: what a search for two has passed is not full for one. */
static void
first_fit_of_another_size(void **state)
{
	struct vm_fixture *f = *state;

	occupy(f, A, P);
	occupy(f, A + 2 * P, P);
	occupy(f, A + 4 * P, P);
	occupy(f, A + 7 * P, P);
	check_u64(A + 5 * P, first_fit(f, 2 * P));
	check_u64(A + P, first_fit(f, P));
	occupy(f, A + P, P);
	check_u64(A + 3 * P, first_fit(f, P));
}

static void
small_alignment(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t at = A + 8;

	check_kr(KERN_SUCCESS,
		 vm_map_find(f->map, NULL, 0, &at, P, 0, VMFS_ALIGNED_SPACE(3), RW, ALL, 0));
	check_u64(A + P, at);
}

/* A place that the caller has chosen: which error it is, and that nothing is replaced. */
static void
chosen_places(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(1, 1);
	struct map_snapshot *before;
	vm_offset_t at = (vm_offset_t)0 - P;

	occupy(f, A, P);
	before = map_snapshot_take(f->map);
	check_kr(KERN_INVALID_ADDRESS,
		 vm_map_find(f->map, NULL, 0, &at, 2 * P, MAX, VMFS_NO_SPACE, RW, ALL, 0));
	at = (vm_offset_t)0 - 2 * P;
	check_kr(KERN_NO_SPACE,
		 vm_map_find(f->map, NULL, 0, &at, P, MAX, VMFS_NO_SPACE, RW, ALL, 0));
	at = A;
	check_kr(KERN_NO_SPACE,
		 vm_map_find(f->map, NULL, 0, &at, P, A, VMFS_NO_SPACE, R, ALL, MAP_REMAP));
	check_kr(KERN_NO_SPACE,
		 vm_map_find_min(f->map, NULL, 0, &at, P, MIN, 0, VMFS_NO_SPACE, RW, ALL, 0));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_fixed(f->map, NULL, 0, A + 1, P, RW, ALL, 0));
	check_kr(KERN_INVALID_ADDRESS, vm_map_fixed(f->map, NULL, 0, A, 0, RW, ALL, 0));
	at = A + 16 * P;
	check_kr(KERN_INVALID_ARGUMENT, vm_map_find(f->map, object, 0, &at, 16 * P, 0,
						    VMFS_NO_SPACE, RW, ALL, MAP_STACK_AREA));
	check_unchanged(before, f->map);
	vm_object_deallocate(object);
}

/* ---- arguments ---- */

static void
offsets(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(1, 1);
	struct map_snapshot *before;

	before = map_snapshot_take(f->map);
	check_kr(KERN_INVALID_ARGUMENT,
		 space_insert(f->map, object, (vm_ooffset_t)0 - P, A, A + P, R, ALL, 0));
	check_kr(KERN_INVALID_ARGUMENT,
		 space_insert(f->map, NULL, 0, A, A + P, VM_PROT_NONE, ALL, MAP_CREATE_STACK_GAP));
	check_unchanged(before, f->map);
	check_kr(KERN_SUCCESS,
		 space_insert(f->map, object, (vm_ooffset_t)0 - 2 * P, A, A + P, R, ALL, 0));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_remove(f->map, A, A + P + 1));
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + P));
}

static void
empty_range(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	map_guard(f->map, A + 4 * P, P);
	vm_map_lock_read(f->map);
	assert_true(vm_map_check_protection(f->map, A, A, RW));
	assert_false(vm_map_check_protection(f->map, A + 4 * P, A + 4 * P, VM_PROT_NONE));
	vm_map_unlock_read(f->map);
	map_drop_spares(f->map);
	model_fail_from(1);
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A + P, A + P, VM_INHERIT_NONE));
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A + P, A + P, R, FALSE));
	model_fail_off();
	check_entry(f->map, A, A + 2 * P, RW, ALL);
}

/* ---- merging ---- */

/* The range in the middle was another one for a while. */
static void
merged_again(void **state)
{
	struct vm_fixture *f = *state;

	for (int touched = 0; touched < 2; touched++) {
		space_map(f->map, A, 9 * P, RW, ALL, 0);
		if (touched)
			space_fill(f->proc, A, 9, 1);
		check_kr(KERN_SUCCESS, vm_map_protect(f->map, A + 3 * P, A + 6 * P, R, FALSE));
		check_u64(3, f->map->nentries);
		check_kr(KERN_SUCCESS, vm_map_protect(f->map, A + 3 * P, A + 6 * P, RW, FALSE));
		check_u64(1, f->map->nentries);
		check_kr(KERN_SUCCESS,
			 vm_map_inherit(f->map, A + 3 * P, A + 6 * P, VM_INHERIT_NONE));
		check_u64(3, f->map->nentries);
		check_kr(KERN_SUCCESS,
			 vm_map_inherit(f->map, A + 3 * P, A + 6 * P, VM_INHERIT_COPY));
		check_u64(1, f->map->nentries);
		check_entry(f->map, A, A + 9 * P, RW, ALL);
		check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 9 * P));
	}
}

/* What a call that fails has cut is whole again. */
static void
whole_after_failure(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	space_map(f->map, A, 4 * P, R, ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + 4 * P, VM_MAP_WIRE_USER));
	child = model_proc_fork(f->proc);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + P, R, FALSE));
	check_u64(1, f->map->nentries);
	model_memory_take_all();
	check_kr(KERN_RESOURCE_SHORTAGE, vm_map_protect(f->map, A + P, A + 2 * P, RW, FALSE));
	model_memory_give_back();
	check_u64(1, f->map->nentries);
	check_entry(f->map, A, A + 4 * P, R, ALL);
	model_proc_destroy(child);
}

static void
continued(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(2, 1);

	/* Between two that nobody has touched. */
	space_map(f->map, A, P, RW, ALL, 0);
	space_map(f->map, A + 2 * P, P, RW, ALL, 0);
	space_map(f->map, A + P, P, RW, ALL, 0);
	check_u64(1, f->map->nentries);
	check_entry(f->map, A, A + 3 * P, RW, ALL);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 3 * P));

	/* The next part of the same object. */
	for (size_t i = 0; i < 2; i++) {
		vm_object_reference(object);
		check_kr(KERN_SUCCESS, space_insert(f->map, object, i * P, A + i * P,
						    A + (i + 1) * P, RW, ALL, 0));
	}
	check_entry(f->map, A, A + 2 * P, RW, ALL);
	check_fill(f->proc, A, 2, 1);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 2 * P));
	vm_object_deallocate(object);
}

/* Beside wired memory the entry is another one, but the pages can live together. */
static void
beside_wired(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, P, RW, ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + P, VM_MAP_WIRE_USER));
	space_map(f->map, A + P, P, RW, ALL, 0);
	check_u64(2, f->map->nentries);
	assert_ptr_equal(space_entry(f->map, A)->object, space_entry(f->map, A + P)->object);
	check_u64(P, space_entry(f->map, A + P)->offset);
}

/* Each stack counts its offset from its own bottom. */
static void
beside_a_stack(void **state)
{
	struct vm_fixture *f = *state;

	for (size_t i = 0; i < 2; i++)
		check_kr(KERN_SUCCESS, space_insert(f->map, NULL, 4 * P, A + i * P, A + (i + 1) * P,
						    RW, ALL, MAP_STACK_AREA));
	check_u64(2, f->map->nentries);
}

/* ---- sizes ---- */

static void
object_sizes(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;
	vm_map_entry_t e;

	/* An offset means nothing without an object. */
	check_kr(KERN_SUCCESS, space_insert(f->map, NULL, 4 * P, A, A + 2 * P, RW, ALL, 0));
	model_user_store(f->proc, A, 1);
	e = space_entry(f->map, A);
	check_u64(0, e->offset);
	check_u64(2, e->object->size);
	stack_make(f);
	model_user_store(f->proc, STACK_TOP - 1, 1);
	child = model_proc_fork(f->proc);
	model_user_store(f->proc, A, 2);
	model_user_store(f->proc, STACK_TOP - 1, 2);
	e = space_entry(f->map, A);
	check_u64(2, e->object->size);
	e = space_entry(f->map, STACK_TOP - 1);
	check_u64(atop(STACK_SIZE), e->object->size);
	model_proc_destroy(child);
}

static void
private_zeroes(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, P, RW, ALL, MAP_COPY_ON_WRITE);
	model_user_store(f->proc, A, 1);
	pmap_drop(f->pmap);
	model_user_store(f->proc, A, 2);
	check_u64(1, space_chain(f->map, A));
}

/* ---- without memory ---- */

/* |##|==|##|  |##|: what cuts no entry needs no memory, what cuts one that was touched is refused. */
static void
cuts(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	space_map(f->map, A + 2 * P, 2 * P, R, ALL, 0);
	space_map(f->map, A + 4 * P, 2 * P, RW, ALL, 0);
	space_map(f->map, A + 8 * P, 2 * P, RW, ALL, 0);
	space_fill(f->proc, A, 1, 1);
	space_fill(f->proc, A + 4 * P, 1, 1);
	space_fill(f->proc, A + 8 * P, 1, 1);
	before = map_snapshot_take(f->map);
	map_drop_spares(f->map);
	model_fail_from(1);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A + 6 * P, A + 8 * P));
	check_kr(KERN_RESOURCE_SHORTAGE, vm_map_remove(f->map, A + 7 * P, A + 9 * P));
	check_kr(KERN_RESOURCE_SHORTAGE, vm_map_remove(f->map, A + 2 * P, A + 5 * P));
	check_kr(KERN_RESOURCE_SHORTAGE, vm_map_remove(f->map, A + P, A + 4 * P));
	check_kr(KERN_RESOURCE_SHORTAGE, vm_map_inherit(f->map, A + P, A + 3 * P, VM_INHERIT_NONE));
	check_kr(KERN_RESOURCE_SHORTAGE, vm_map_inherit(f->map, A, A + 3 * P, VM_INHERIT_NONE));
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, A + 4 * P, VM_INHERIT_COPY));
	model_fail_off();
	check_unchanged(before, f->map);
	map_drop_spares(f->map);
	model_fail_from(1);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 4 * P));
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A + 4 * P, A + 8 * P));
	model_fail_off();
	check_u64(1, f->map->nentries);
}

/* The first error counts, whatever else is wrong. */
static void
errors_in_order(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t at = A;

	space_map(f->map, A, 4 * P, R, R, 0);
	map_drop_spares(f->map);
	model_fail_from(1);
	check_kr(KERN_PROTECTION_FAILURE, vm_map_protect(f->map, A + P, A + 2 * P, RW, FALSE));
	model_fail_off();
	vm_charge_set_limit(vm_charge_used());
	check_kr(KERN_PROTECTION_FAILURE, vm_map_protect(f->map, A, A + 4 * P, RW, FALSE));
	vm_charge_set_limit(VM_CHARGE_UNLIMITED);
	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, P);
	check_kr(KERN_NO_SPACE, vm_map_find(f->map, NULL, 0, &at, MAX, 0, VMFS_ANY_SPACE, RW, ALL,
					    MAP_OWNER_LIMIT));
}

/* What may be granted later is not charged now. */
static void
max_is_not_charged(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, P, R, ALL, 0);
	vm_charge_set_limit(vm_charge_used());
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + P, RW, TRUE));
	vm_charge_set_limit(VM_CHARGE_UNLIMITED);
	check_entry(f->map, A, A + P, R, RW);
}

/* ---- limits ---- */

static void
exactly_the_limit(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t at = A;

	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, 4 * P);
	check_kr(KERN_RESOURCE_SHORTAGE, vm_map_find(f->map, NULL, 0, &at, 5 * P, 0, VMFS_NO_SPACE,
						     RW, ALL, MAP_OWNER_LIMIT));
	check_kr(KERN_SUCCESS, vm_map_find(f->map, NULL, 0, &at, 4 * P, 0, VMFS_NO_SPACE, RW, ALL,
					   MAP_OWNER_LIMIT));
	check_kr(KERN_SUCCESS, vm_map_fixed(f->map, NULL, 0, A, 4 * P, RW, ALL, MAP_OWNER_LIMIT));
	/* A guard does not count, so what replaces it does. */
	map_guard(f->map, A + 8 * P, 2 * P);
	check_kr(KERN_RESOURCE_SHORTAGE,
		 vm_map_fixed(f->map, NULL, 0, A + 8 * P, P, RW, ALL, MAP_OWNER_LIMIT));
	check_u64(4 * P, f->map->size);
}

static void
no_owner_no_limit(void **state)
{
	vm_map_t map = space_system_map(16);
	vm_offset_t at = vm_map_min(map);

	(void)state;
	check_kr(KERN_SUCCESS, vm_map_find(map, NULL, 0, &at, 4 * P, 0, VMFS_ANY_SPACE, RW, ALL,
					   MAP_OWNER_LIMIT));
	check_kr(KERN_SUCCESS, vm_map_remove(map, at, at + 4 * P));
	/* One that uses it has it alone. */
	assert_true(vm_map_trylock_read(map));
	assert_true(vm_map_locked(map));
	vm_map_unlock_read(map);
	space_system_map_free(map);
}

/* ---- wired by the system ---- */

/* |####|wired|####|: what lies beside it does not wait for it. */
static void
beside_a_wiring(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 3 * P, RW, ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A + P, A + 2 * P, VM_MAP_WIRE_SYSTEM));
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + P));
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A + 2 * P, A + 3 * P));
	check_kr(KERN_SUCCESS, vm_map_unwire(f->map, A + P, A + 2 * P, VM_MAP_WIRE_SYSTEM));
	check_u64(1, f->map->nentries);
}

struct request {
	struct vm_fixture *f;
	kern_return_t (*fn)(struct vm_fixture *f);
	kern_return_t kr;
};

static void
run(void *arg)
{
	struct request *r = arg;

	r->kr = r->fn(r->f);
}

static kern_return_t
wire(struct vm_fixture *f)
{
	return vm_map_wire(f->map, A, A + 16 * P, VM_MAP_WIRE_USER);
}

static kern_return_t
protect(struct vm_fixture *f)
{
	return vm_map_protect(f->map, A, A + P, R, FALSE);
}

static kern_return_t
inherit(struct vm_fixture *f)
{
	return vm_map_inherit(f->map, A, A + P, VM_INHERIT_NONE);
}

static kern_return_t
replace_by_a_stack(struct vm_fixture *f)
{
	return vm_map_fixed(f->map, NULL, 0, A, 16 * P, RW, ALL, MAP_STACK_AREA);
}

/* Who waits for a wiring is killed: nothing has changed, nothing is locked. */
static void
killed_waiting(struct vm_fixture *f, kern_return_t (*fn)(struct vm_fixture *f))
{
	struct vm_object *object = vm_object_allocate_anon(16);
	struct request wiring = {f, wire, -1}, waiting = {f, fn, -1};
	struct thread *wirer, *waiter;

	space_map_object(f->map, object, A, RW, ALL, 0);
	space_object_stall(object, 1);
	wirer = model_thread_start("wirer", run, &wiring);
	model_thread_await_sleep(wirer);
	waiter = model_thread_start("waiter", run, &waiting);
	model_thread_await_sleep(waiter);
	/* A stack that may replace nothing need not wait. */
	check_kr(KERN_NO_SPACE, vm_map_fixed(f->map, NULL, 0, A, 16 * P, RW, ALL,
					     MAP_STACK_AREA | MAP_CHECK_EXCL));
	model_thread_kill(waiter);
	model_thread_join(waiter);
	check_kr(KERN_ABORTED, waiting.kr);
	assert_false(model_proc_is_locked(f->proc));
	check_entry(f->map, A, A + 16 * P, RW, ALL);
	check_u64(VM_INHERIT_COPY, space_entry(f->map, A)->inheritance);
	space_object_go_on(object, 1);
	model_thread_join(wirer);
	check_kr(KERN_SUCCESS, wiring.kr);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 16 * P));
	vm_object_deallocate(object);
}

static void
killed(void **state)
{
	killed_waiting(*state, protect);
	killed_waiting(*state, inherit);
	killed_waiting(*state, replace_by_a_stack);
}

/* ---- mappings made in advance ---- */

static void
prefault(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(4, 1), *busy = vm_object_allocate_anon(2);

	space_map(f->map, A, 4 * P, RW, ALL, MAP_PREFAULT);
	check_u64(0, pmap_resident_count(f->pmap));
	vm_object_reference(object);
	check_kr(KERN_SUCCESS,
		 space_insert(f->map, object, P, A + 8 * P, A + 10 * P, R, ALL, MAP_PREFAULT));
	check_u64(2, pmap_resident_count(f->pmap));
	assert_non_null(space_mapped(f->map, A + 9 * P));
	space_object_stall(busy, 0);
	space_map_object(f->map, busy, A + 16 * P, R, ALL, MAP_PREFAULT);
	assert_null(space_mapped(f->map, A + 16 * P));
	space_object_go_on(busy, 0);
	vm_object_deallocate(busy);
	vm_object_deallocate(object);
}

/* A debugger may write through a shared mapping that could be made writable. */
static void
debugger_shared(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(1, 1);
	struct vm_page *m;

	space_map_object(f->map, object, A, R, ALL, 0);
	check_kr(KERN_SUCCESS, vm_fault_hold(f->map, A, R | VM_PROT_COPY, VM_FAULT_NOGROW, &m));
	*(uint8_t *)pmap_page_address(m) = 50;
	vm_fault_release(m, R | VM_PROT_COPY);
	check_u64(50, space_object_byte(object, 0));
	vm_object_deallocate(object);
}

/* ---- extending an object ---- */

/* |    |    |    |page|busy|    |    |    | */
static void
extended_beside_busy(void **state)
{
	struct vm_object *object = vm_object_allocate_anon(8);

	(void)state;
	space_object_stall(object, 3);
	space_object_go_on(object, 3);
	space_object_stall(object, 4);
	assert_true(space_object_resident(object, 3));
	assert_false(vm_object_coalesce(object, 0, 3 * P, 2 * P));
	assert_false(vm_object_coalesce(object, 0, 4 * P, P));
	assert_true(vm_object_coalesce(object, 0, 2 * P, 2 * P));
	assert_false(space_object_resident(object, 3));
	space_object_go_on(object, 4);
	vm_object_deallocate(object);
}

/* What others see of an object, or what is charged to it, is no place for something new. */
static void
not_extended(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(4, 1);
	struct proc *child;

	for (size_t i = 0; i < 2; i++) {
		vm_object_reference(object);
		check_kr(KERN_SUCCESS,
			 space_insert(f->map, object, i * 2 * P, A + i * 8 * P, A + (i * 8 + 2) * P,
				      RW, ALL, MAP_ACC_NO_CHARGE));
	}
	check_kr(KERN_SUCCESS,
		 space_insert(f->map, NULL, 0, A + 2 * P, A + 3 * P, RW, ALL, MAP_ACC_NO_CHARGE));
	check_fill(f->proc, A, 2, 1);
	check_u64(0, model_user_load(f->proc, A + 2 * P));
	check_fill(f->proc, A + 8 * P, 2, 3);
	vm_object_deallocate(object);

	space_map(f->map, A + 32 * P, P, RW, ALL, MAP_INHERIT_SHARE);
	child = model_proc_fork(f->proc);
	model_proc_destroy(child);
	assert_int_not_equal(0, space_entry(f->map, A + 32 * P)->object->charge);
	space_map(f->map, A + 33 * P, P, RW, ALL, MAP_INHERIT_SHARE);
	assert_null(space_entry(f->map, A + 33 * P)->object);
}

/* ---- submaps ---- */

/* refuse_submap: over [start, end) of map, with these bounds. */
static void
refuse_submap(vm_map_t map, vm_offset_t start, vm_offset_t end, vm_offset_t min, vm_offset_t max)
{
	vm_map_t submap = vm_map_create(kernel_pmap, min, max);

	check_kr(KERN_INVALID_ARGUMENT, vm_map_submap(map, start, end, submap));
	vm_map_deallocate(submap);
}

/* A submap may end where its parent does, but not reach beyond it at either end. */
static void
submap_bounds(void **state)
{
	vm_map_t map = space_system_map(16), submap;
	vm_offset_t min = vm_map_min(map), max = vm_map_max(map);

	(void)state;
	vm_object_reference(vm_submap_object);
	check_kr(KERN_SUCCESS, space_insert(map, vm_submap_object, 0, min, max, ALL, ALL, 0));
	refuse_submap(map, min, max - P, min - P, max - P);
	refuse_submap(map, min + P, max, min + P, max + P);
	refuse_submap(map, min, max, min, max);
	check_kr(KERN_INVALID_ARGUMENT, vm_map_submap(map, min, max, map));
	submap = vm_map_create(kernel_pmap, min + P, max);
	check_kr(KERN_SUCCESS, vm_map_submap(map, min + P, max, submap));
	check_kr(KERN_SUCCESS, vm_map_remove(map, min, max));
	vm_map_deallocate(submap);
	space_system_map_free(map);
}

/* ---- maps themselves ---- */

#define MAPS 500

static void
maps_go(void **state)
{
	struct vm_usage before = vm_usage_read();
	vm_map_t map;

	(void)state;
	for (int i = 0; i < MAPS; i++) {
		map = vm_map_create(kernel_pmap, vm_map_min(kernel_map), vm_map_max(kernel_map));
		assert_non_null(map);
		vm_map_deallocate(map);
	}
	vm_usage_check(&before);
	model_fail_from(1);
	assert_null(vm_map_create(kernel_pmap, vm_map_min(kernel_map), vm_map_max(kernel_map)));
	model_fail_off();
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"INS: entries that look like a map's header are not merged with it", like_the_header},
	    {"DEL-02: ranges beyond the map's end reach nothing at its start", beyond_the_end},
	    {"FND-04: an aligned place beyond the last address is none", wraps},
	    {"FND-01: after a search for another length the first fit is still the first",
	     first_fit_of_another_size},
	    {"FND-05: an alignment below a page is a page", small_alignment},
	    {"FND-07: a chosen place that will not do: which error, and nothing replaced",
	     chosen_places},
	    {"INS: the last offset, and the first that wraps", offsets},
	    {"PRT-10: an empty range within an entry needs no memory", empty_range},
	    {"PRT-08: a range that is like its neighbours again is one entry with them",
	     merged_again},
	    {"PRT-15: what a failed call has cut is one entry again", whole_after_failure},
	    {"INS-05: what continues its neighbours is one entry with them", continued},
	    {"INS-06: beside wired memory the object is continued, not the entry", beside_wired},
	    {"INS-06: two stacks side by side stay two", beside_a_stack},
	    {"OBJ: an entry's first object and its shadow have just its size", object_sizes},
	    {"FLT: private zeroes get one object, not a shadow too", private_zeroes},
	    {"DEL: only what cuts an entry needs memory", cuts},
	    {"PRT-04: a right that cannot be granted is that error, whatever else fails",
	     errors_in_order},
	    {"PRT-12: a larger maximum is not charged", max_is_not_charged},
	    {"FND: LIMIT_VMEM can be used to the last page; guards do not count",
	     exactly_the_limit},
	    {"LCK: a map of the system has no limit, and no two readers", no_owner_no_limit},
	    {"DEL-05: what ends or starts at a wiring does not wait for it", beside_a_wiring},
	    {"WIR: who waits for a wiring and is killed has changed nothing", killed},
	    {"INS-10: prefaulting maps what is resident, valid and in the range", prefault},
	    {"FLT: a debugger writes through a shared mapping", debugger_shared},
	    {"INS-05: an object is not extended over a page that is being filled",
	     extended_beside_busy},
	    {"INS-05: nor over what others see, nor one that has a charge of its own",
	     not_extended},
	    {"SUB: a submap may end with its parent, not beyond", submap_bounds},
	    {"map: five hundred created and destroyed leave no memory behind", maps_go},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
