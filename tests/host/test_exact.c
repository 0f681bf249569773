/* SPDX-License-Identifier: BSD-2-Clause */
/* Wirings, stacks, submaps and forks: exact accounts, exact places, which error of two. */
#include "model/memory.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/stacks.h"
#include "model/thread.h"
#include "model/vm_fixture.h"
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vm_kern.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_radix.h"
#include "vm/vm_wire.h"
#include "vm/vmspace.h"
#include <machine/cpu.h>

#define A   0x100000ul
#define P   PAGE_SIZE
#define MAX MODEL_USER_MAX

#define R   VM_PROT_READ
#define RW  VM_PROT_RW
#define ALL VM_PROT_ALL

#define USER   VM_MAP_WIRE_USER
#define SYSTEM VM_MAP_WIRE_SYSTEM
#define HOLES  VM_MAP_WIRE_HOLESOK

/* ---- wirings ---- */

/* What is wired already asks nothing of the limit, not even of one that was lowered since. */
static void
lowered_limit(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 4 * P, RW, ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + 4 * P, USER));
	model_proc_set_limit(f->proc, VM_LIMIT_MEMLOCK, P);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + 4 * P, USER));
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + 4 * P, SYSTEM));
	check_kr(KERN_SUCCESS, vm_map_unwire(f->map, A, A + 4 * P, SYSTEM));
	check_u64(4 * P, f->map->user_wired);
}

static void
execute_only(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, P, VM_PROT_EXECUTE, ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + P, USER));
	check_u64(1, pmap_wired_count(f->pmap));
}

/* A call that fails takes back its own wirings, not an earlier one. */
static void
earlier_wiring_stays(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 3 * P, RW, ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + P, USER));
	model_memory_take_all();
	check_kr(KERN_RESOURCE_SHORTAGE, vm_map_wire(f->map, A, A + 3 * P, USER));
	model_memory_give_back();
	check_u64(P, f->map->user_wired);
	check_u64(1, pmap_wired_count(f->pmap));
	check_u64(1, space_entry(f->map, A)->wired_count);
	check_u64(0, space_entry(f->map, A + P)->wired_count);
}

static void
wired_in_parts(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + P, USER));
	check_u64(2, f->map->nentries);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A + P, A + 2 * P, USER));
	check_u64(1, f->map->nentries);
}

static void
unwire_errors(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + 2 * P, USER));
	check_kr(KERN_INVALID_ADDRESS, vm_map_unwire(f->map, A, A + 3 * P, USER));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_unwire(f->map, A, A + 2 * P, SYSTEM));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_unwire(f->map, A + 1, A + P, USER));
	/* With holes allowed, so is what is not wired; the user's wiring is not the system's. */
	check_kr(KERN_SUCCESS, vm_map_unwire(f->map, A, A + 3 * P, SYSTEM | HOLES));
	check_u64(2, pmap_wired_count(f->pmap));
	check_u64(2 * P, f->map->user_wired);
	map_drop_spares(f->map);
	model_fail_from(1);
	check_kr(KERN_INVALID_ADDRESS, vm_map_unwire(f->map, A + P, A + 3 * P, USER));
	check_kr(KERN_RESOURCE_SHORTAGE, vm_map_unwire(f->map, A + P, A + 2 * P, USER));
	model_fail_off();
	check_u64(2 * P, f->map->user_wired);
}

struct request {
	struct vm_fixture *f;
	kern_return_t kr;
};

static void
wire(void *arg)
{
	struct request *r = arg;

	r->kr = vm_map_wire(r->f->map, A, A + 4 * P, USER);
}

static void
unwire(void *arg)
{
	struct request *r = arg;

	r->kr = vm_map_unwire(r->f->map, A, A + 4 * P, USER);
}

static void
killed_unwiring(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = vm_object_allocate_anon(4);
	struct request wiring = {f, -1}, unwiring = {f, -1};
	struct thread *wirer, *unwirer;

	space_map_object(f->map, object, A, RW, ALL, 0);
	space_object_stall(object, 1);
	wirer = model_thread_start("wirer", wire, &wiring);
	model_thread_await_sleep(wirer);
	unwirer = model_thread_start("unwirer", unwire, &unwiring);
	model_thread_await_sleep(unwirer);
	model_thread_kill(unwirer);
	model_thread_join(unwirer);
	check_kr(KERN_ABORTED, unwiring.kr);
	space_object_go_on(object, 1);
	model_thread_join(wirer);
	check_kr(KERN_SUCCESS, wiring.kr);
	check_u64(4 * P, f->map->user_wired);
	vm_object_deallocate(object);
}

/* What a fork has copied of wired memory is all there is, and nobody has it elsewhere. */
static void
wired_copy(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;
	struct vm_object *copy;

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + 2 * P, USER));
	child = model_proc_fork(f->proc);
	copy = space_entry(model_proc_map(child), A)->object;
	check_u64(2, copy->size);
	rwlock_read(&copy->lock);
	assert_true(vm_radix_lookup(&copy->pages, 1)->aflags & VM_PAGE_DIRTY);
	rwlock_read_unlock(&copy->lock);
	model_proc_destroy(child);
}

/* Of two entries that must be copied now the first cannot be: the call has failed. */
static void
first_copy_fails(void **state)
{
	struct vm_fixture *f = *state;
	kern_return_t kr = -1;

	for (uint64_t k = 1; kr != KERN_SUCCESS; k++) {
		struct proc *child;

		space_map(f->map, A, P, R, ALL, 0);
		space_map(f->map, A + P, P, R, RW, 0);
		check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + 2 * P, USER));
		child = model_proc_fork(f->proc);
		map_drop_spares(f->map);
		model_fail_after(k);
		kr = vm_map_protect(f->map, A, A + 2 * P, RW, FALSE);
		if (model_fail_count() != 0)
			check_kr(KERN_RESOURCE_SHORTAGE, kr);
		model_fail_off();
		model_proc_destroy(child);
		check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 2 * P));
	}
}

/* A wired page stays where it is while nothing may be written that could not be before. */
static void
no_copy_needed(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;
	struct vm_page *m;

	space_map(f->map, A, P, R, ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + P, USER));
	m = space_mapped(f->map, A);
	child = model_proc_fork(f->proc);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + P, R | VM_PROT_EXECUTE, FALSE));
	assert_ptr_equal(m, space_mapped(f->map, A));
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + P, ALL, TRUE));
	assert_ptr_equal(m, space_mapped(f->map, A));
	assert_ptr_equal(space_entry(f->map, A)->object,
			 space_entry(model_proc_map(child), A)->object);
	model_proc_destroy(child);
}

/* ---- stacks ---- */

static void
stack_places(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before = map_snapshot_take(f->map);

	check_kr(KERN_NO_SPACE, vm_map_stack(f->map, MAX + P, STACK_SIZE, RW, ALL, 0));
	check_kr(KERN_NO_SPACE, vm_map_stack(f->map, MAX, STACK_SIZE, RW, ALL, 0));
	check_kr(KERN_NO_SPACE, vm_map_stack(f->map, MAX - STACK_SIZE + P, STACK_SIZE, RW, ALL, 0));
	check_kr(KERN_INVALID_ARGUMENT,
		 vm_map_stack(f->map, STACK_BOTTOM + 8, STACK_SIZE - 8, RW, ALL, 0));
	check_unchanged(before, f->map);
	check_kr(KERN_SUCCESS, vm_map_stack(f->map, MAX - STACK_SIZE, STACK_SIZE, RW, ALL, 0));
}

/* Of the flags only those count that concern memory of the program. */
static void
stack_flags(void **state)
{
	struct vm_fixture *f = *state;

	check_kr(KERN_SUCCESS,
		 vm_map_stack(f->map, STACK_BOTTOM, STACK_SIZE, RW, ALL, MAP_CREATE_GUARD));
	check_u64(MODEL_OK, model_user_write(f->proc, STACK_TOP - 1, "", 1));
}

/* Every part of a stack counts its offset from the bottom of the reservation. */
static void
check_offsets(struct vm_fixture *f)
{
	for (vm_offset_t at = stack_start(f->map, STACK_TOP); at < STACK_TOP;
	     at = map_at(f->map, at)->end)
		check_u64(at - STACK_BOTTOM, map_at(f->map, at)->offset);
}

static void
stack_offsets(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t start;

	stack_make(f);
	check_offsets(f);
	start = stack_start(f->map, STACK_TOP);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, start, start + P, R, FALSE));
	model_user_store(f->proc, start - P, 1);
	assert_true(stack_entries(f->map, STACK_TOP) > 1);
	check_offsets(f);
}

/* Its sharer has gone: the stack grows in place again. */
static void
alone_again(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;
	vm_offset_t start;

	stack_make(f);
	model_user_store(f->proc, STACK_TOP - 1, 1);
	start = stack_start(f->map, STACK_TOP);
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, start, STACK_TOP, VM_INHERIT_SHARE));
	child = model_proc_fork(f->proc);
	model_proc_destroy(child);
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, start, STACK_TOP, VM_INHERIT_COPY));
	model_user_store(f->proc, start - 1, 1);
	assert_true(stack_start(f->map, STACK_TOP) < start);
	check_offsets(f);
}

/* ---- forks ---- */

static void
zeroed(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(4, 1);
	vm_map_entry_t e;
	struct proc *child;

	check_kr(KERN_SUCCESS,
		 space_insert(f->map, object, 2 * P, A, A + 2 * P, RW, ALL, MAP_COPY_ON_WRITE));
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, A + 2 * P, VM_INHERIT_ZERO));
	child = model_proc_fork(f->proc);
	check_u64(0, model_user_load(child, A));
	model_user_store(child, A + P, 1);
	e = space_entry(model_proc_map(child), A);
	check_u64(0, e->offset);
	check_u64(0, e->eflags & (VM_ENTRY_COW | VM_ENTRY_NEEDS_COPY));
	check_u64(1, space_chain(model_proc_map(child), A));
	check_fill(f->proc, A, 2, 3);
	model_proc_destroy(child);
}

static void
zeroed_stack(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;
	vm_map_entry_t e;

	stack_make(f);
	model_user_store(f->proc, STACK_TOP - 1, 1);
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, stack_start(f->map, STACK_TOP), STACK_TOP,
					      VM_INHERIT_ZERO));
	child = model_proc_fork(f->proc);
	check_u64(0, model_user_load(child, STACK_TOP - 1));
	e = map_at(model_proc_map(child), STACK_TOP - 1);
	check_u64(e->start - STACK_BOTTOM, e->offset);
	model_proc_destroy(child);
}

/* What the child may write is charged, what it may not is not; a refusal is that error. */
static void
zeroes_are_charged(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(1, 1);
	uint64_t used;

	space_map(f->map, A, P, R, ALL, 0);
	space_map_object(f->map, object, A + 4 * P, RW, ALL, 0);
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, A + 5 * P, VM_INHERIT_ZERO));
	used = vm_charge_used();
	vm_charge_set_limit(used);
	check_kr(KERN_RESOURCE_SHORTAGE, vmspace_fork(f->vmspace, &(struct vmspace *){NULL}));
	vm_charge_set_limit(used + P);
	model_proc_destroy(model_proc_fork(f->proc));
	vm_charge_set_limit(VM_CHARGE_UNLIMITED);
	check_u64(used, vm_charge_used());
	vm_object_deallocate(object);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"WIR-04: what is wired already asks nothing of a lowered limit", lowered_limit},
	    {"WIR-01: memory that can only be executed can be wired", execute_only},
	    {"WIR-03: a failed wiring leaves an earlier one alone", earlier_wiring_stays},
	    {"WIR-01: wired part by part it is one entry again", wired_in_parts},
	    {"WIR-02: unwiring: which error of two, and holes", unwire_errors},
	    {"WIR: an unwiring that waits can be killed", killed_unwiring},
	    {"WIR-05: the copy of wired memory has its size and is dirty", wired_copy},
	    {"PRT-15: if one of two wired entries cannot be copied, the call fails",
	     first_copy_fails},
	    {"PRT-15: rights that allow no store move no wired page", no_copy_needed},
	    {"STK-06: reservations across the end of the map, and beyond it", stack_places},
	    {"STK: flags that mean nothing for a stack are left out", stack_flags},
	    {"STK: each part of a stack counts from the bottom", stack_offsets},
	    {"GRW: a stack that was shared for a while grows", alone_again},
	    {"FRK: zeroes for the child have no old object and no old offset", zeroed},
	    {"FRK: a stack of zeroes counts from the bottom", zeroed_stack},
	    {"FRK: zeroes that the child may write are charged", zeroes_are_charged},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
