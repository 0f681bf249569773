/* SPDX-License-Identifier: BSD-2-Clause */
/* The commit account: each byte that can be written to is charged once, whoever shares it. */
#include "kernel/base/sched.h"
#include "model/charges.h"
#include "model/memory.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/stacks.h"
#include "model/vm_fixture.h"
#include "vm/vm_charge.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"
#include "vm/vmspace.h"

#define A   0x100000ul
#define P   PAGE_SIZE
#define R   VM_PROT_READ
#define RW  VM_PROT_RW
#define ALL VM_PROT_ALL

/* charged: so many pages, and just those that should be. */
#define charged(pages)                                  \
	do {                                            \
		check_u64((pages)*P, vm_charge_used()); \
		charges_check();                        \
	} while (0)

static void
protect(struct proc *p, vm_offset_t start, size_t pages, vm_prot_t prot)
{
	check_kr(KERN_SUCCESS,
		 vm_map_protect(model_proc_map(p), start, start + ptoa(pages), prot, FALSE));
}

static void
inherit(struct vm_fixture *f, vm_offset_t start, size_t pages, vm_inherit_t how)
{
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, start, start + ptoa(pages), how));
}

static void
unmap(struct proc *p, vm_offset_t start, size_t pages)
{
	check_kr(KERN_SUCCESS, vm_map_remove(model_proc_map(p), start, start + ptoa(pages)));
}

/* sharer_of_four: a child with whom the process shares four pages. */
static struct proc *
sharer_of_four(struct vm_fixture *f)
{
	space_map(f->map, A, 4 * P, RW, ALL, 0);
	space_fill(f->proc, A, 4, 1);
	inherit(f, A, 4, VM_INHERIT_SHARE);
	return model_proc_fork(f->proc);
}

static void
readers_become_writers(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child, *other;

	space_map(f->map, A, 4 * P, R, ALL, 0);
	check_u64(0, model_user_load(f->proc, A));
	inherit(f, A, 4, VM_INHERIT_SHARE);
	child = model_proc_fork(f->proc);
	other = model_proc_fork(f->proc);
	charged(0ul);
	protect(child, A, 4, RW);
	charged(4ul);
	protect(f->proc, A, 4, RW);
	protect(other, A + P, 1, RW);
	charged(4ul);
	protect(f->proc, A, 4, R);
	protect(child, A, 4, R);
	charged(4ul);
	model_proc_destroy(child);
	model_proc_destroy(other);
	charged(4ul);
	unmap(f->proc, A, 4);
	charged(0ul);
}

/* Cut in parts that become writable together: once, and refused without a trace if it is too much. */
static void
readers_refused(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;
	struct proc *child;

	space_map(f->map, A, 4 * P, R, ALL, 0);
	inherit(f, A, 4, VM_INHERIT_SHARE);
	child = model_proc_fork(f->proc);
	check_kr(KERN_SUCCESS,
		 vm_map_protect(f->map, A + P, A + 2 * P, R | VM_PROT_EXECUTE, FALSE));
	before = map_snapshot_take(f->map);
	vm_charge_set_limit(4 * P - 1);
	check_kr(KERN_RESOURCE_SHORTAGE, vm_map_protect(f->map, A, A + 4 * P, RW, FALSE));
	check_unchanged(before, f->map);
	vm_charge_set_limit(4 * P);
	protect(f->proc, A, 4, RW);
	charged(4ul);
	vm_charge_set_limit(VM_CHARGE_UNLIMITED);
	model_proc_destroy(child);
}

static void
parts_of_shared_memory(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	space_map(f->map, A, 8 * P, RW, ALL, 0);
	space_fill(f->proc, A, 8, 1);
	inherit(f, A, 8, VM_INHERIT_SHARE);
	child = model_proc_fork(f->proc);
	check_u64(1, space_chain(f->map, A));
	charged(8ul);
	/* It is one object: what one has given up the other still has. */
	unmap(child, A, 4);
	charged(8ul);
	unmap(f->proc, A + 6 * P, 2);
	charged(8ul);
	model_proc_destroy(child);
	/* The parent alone is left: what it shows. */
	unmap(f->proc, A, 1);
	charged(5ul);
	check_u64(5, space_entry(f->map, A + P)->object->resident);
	check_fill(f->proc, A + P, 5, 2);
	unmap(f->proc, A, 8);
	charged(0ul);
}

static void
parts_not_inherited(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	space_map(f->map, A, 9 * P, RW, ALL, 0);
	space_fill(f->proc, A, 9, 1);
	inherit(f, A, 3, VM_INHERIT_SHARE);
	inherit(f, A + 3 * P, 3, VM_INHERIT_NONE);
	protect(f->proc, A + 6 * P, 3, R);
	child = model_proc_fork(f->proc);
	/* Three shared, three the parent's alone, three of each. */
	charged(12ul);
	protect(f->proc, A + 6 * P, 3, RW);
	protect(child, A + 6 * P, 3, RW);
	charged(12ul);
	model_proc_destroy(child);
	charged(9ul);
	unmap(f->proc, A + 3 * P, 3);
	charged(6ul);
	check_fill(f->proc, A, 3, 1);
	check_fill(f->proc, A + 6 * P, 3, 7);
}

/* A part that was read-only when another part was shared is not forgotten. */
static void
siblings_of_shared_memory(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	space_map(f->map, A, 4 * P, R, ALL, 0);
	protect(f->proc, A, 2, RW);
	inherit(f, A, 2, VM_INHERIT_SHARE);
	child = model_proc_fork(f->proc);
	charged(2ul);
	protect(f->proc, A + 2 * P, 2, RW);
	charged(4ul);
	protect(child, A + 2 * P, 2, RW);
	charged(6ul);
	model_proc_destroy(child);
	charged(4ul);
}

/* A copy of what is shared: both will write to memory of their own. */
static void
copies_of_shared_memory(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *sharer, *copy;

	sharer = sharer_of_four(f);
	inherit(f, A, 4, VM_INHERIT_COPY);
	/* No room for the parent's copy, then none for the child's. */
	vm_charge_set_limit(8 * P - 1);
	check_kr(KERN_RESOURCE_SHORTAGE, vmspace_fork(f->vmspace, &(struct vmspace *){NULL}));
	charged(4ul);
	vm_charge_set_limit(12 * P - 1);
	check_kr(KERN_RESOURCE_SHORTAGE, vmspace_fork(f->vmspace, &(struct vmspace *){NULL}));
	charged(4ul);
	vm_charge_set_limit(12 * P);
	copy = model_proc_fork(f->proc);
	charged(12ul);
	/* No fault needs more. */
	space_fill(f->proc, A, 4, 11);
	space_fill(copy, A, 4, 21);
	space_fill(sharer, A, 4, 31);
	charged(12ul);
	model_proc_destroy(sharer);
	charged(8ul);
	model_proc_destroy(copy);
	charged(4ul);
	check_fill(f->proc, A, 4, 11);
	vm_charge_set_limit(VM_CHARGE_UNLIMITED);
}

/* The last who shares writes to a copy: what it shared is its own again, and not charged twice. */
static void
last_of_shared_memory(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *sharer, *copy;

	sharer = sharer_of_four(f);
	model_proc_destroy(sharer);
	inherit(f, A, 4, VM_INHERIT_COPY);
	copy = model_proc_fork(f->proc);
	charged(8ul);
	model_proc_destroy(copy);
	model_user_store(f->proc, A, 9);
	charged(4ul);
	check_u64(2, model_user_load(f->proc, A + P));
}

static void
shared_copy_keeps_no_mark(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *copy, *sharer;

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	space_fill(f->proc, A, 2, 1);
	copy = model_proc_fork(f->proc);
	space_fill(f->proc, A, 2, 11);
	inherit(f, A, 2, VM_INHERIT_SHARE);
	sharer = model_proc_fork(f->proc);
	charged(4ul);
	protect(f->proc, A, 2, R);
	protect(f->proc, A, 2, RW);
	protect(sharer, A, 2, R);
	protect(sharer, A, 2, RW);
	charged(4ul);
	model_proc_destroy(sharer);
	model_proc_destroy(copy);
	charged(2ul);
}

/* The limit was lowered: what is charged stays, and nothing more is. */
static void
limit_below_use(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 4 * P, RW, ALL, 0);
	vm_charge_set_limit(2 * P);
	assert_false(vm_charge(P));
	assert_false(vm_charge(0));
	charged(4ul);
	unmap(f->proc, A, 3);
	assert_true(vm_charge(P));
	assert_false(vm_charge(1));
	vm_uncharge(P);
	vm_charge_set_limit(VM_CHARGE_UNLIMITED);
}

/* To be charged is an allocation for the debug call that lets them fail. */
static void
told_to_fail(void **state)
{
	struct debug_allocs *allocs = &curthread()->debug_allocs;

	(void)state;
	*allocs = (struct debug_allocs){.skip = 1, .fail = 1};
	assert_true(vm_charge(P));
	assert_false(vm_charge(P));
	assert_true(vm_charge(P));
	check_u64(1, allocs->failed);
	vm_uncharge(2 * P);
	charged(0ul);
}

/* An object that somebody named is charged as a whole, whoever shows how much, and when he has gone. */
static void
named_stays_whole(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(6, 1);

	assert_true(vm_charge(6 * P));
	vm_object_set_charge(object, 6 * P);
	check_kr(KERN_SUCCESS,
		 space_insert(f->map, object, 0, A, A + 4 * P, RW, ALL, MAP_INHERIT_SHARE));
	charged(6ul);
	unmap(f->proc, A, 1); /* a cut, which makes private what it can */
	charged(6ul);
	check_u64(6, object->resident);
	unmap(f->proc, A, 4);
	charged(0ul);
}

/* An object that several show from the beginning: as a whole, with the first who may write. */
static void
object_of_many(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(6, 1);

	vm_object_reference(object);
	check_kr(KERN_SUCCESS, space_insert(f->map, object, 0, A, A + 2 * P, R, ALL, 0));
	charged(0ul);
	vm_object_reference(object);
	check_kr(KERN_SUCCESS,
		 space_insert(f->map, object, 2 * P, A + 8 * P, A + 10 * P, RW, ALL, 0));
	charged(6ul);
	protect(f->proc, A, 2, RW);
	charged(6ul);
	space_map_object(f->map, object, A + 16 * P, RW, ALL, MAP_COPY_ON_WRITE);
	charged(12ul);
	unmap(f->proc, A, 32);
	charged(6ul);
	vm_object_deallocate(object);
	charged(0ul);
}

/* One that only the entry knows is the entry's memory, as if it had been made for it. */
static void
object_of_one(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(6, 1);

	check_kr(KERN_SUCCESS, space_insert(f->map, object, 0, A, A + 6 * P, R, ALL, 0));
	charged(0ul);
	protect(f->proc, A, 2, RW);
	charged(2ul);
	unmap(f->proc, A + 2 * P, 2);
	check_u64(4, object->resident);
	charged(2ul);
}

/* What a handle named stays whole, although nobody can name it any more. */
static void
object_without_name(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(6, 1);
	struct proc *child;

	vm_object_reference(object);
	check_kr(KERN_SUCCESS,
		 space_insert(f->map, object, 0, A, A + 4 * P, RW, ALL, MAP_INHERIT_SHARE));
	vm_object_deallocate(object);
	charged(6ul);
	protect(f->proc, A, 2, R);
	unmap(f->proc, A, 1);
	charged(6ul);
	check_u64(6, object->resident);
	child = model_proc_fork(f->proc);
	charged(6ul);
	model_proc_destroy(child);
	unmap(f->proc, A, 4);
	charged(0ul);
}

/* The sharer goes while both have copies to make: what was shared is charged to none of them twice. */
static void
sharer_goes_first(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *sharer, *copy;

	sharer = sharer_of_four(f);
	inherit(f, A, 4, VM_INHERIT_COPY);
	copy = model_proc_fork(f->proc);
	charged(12ul);
	model_proc_destroy(sharer);
	charged(12ul);
	model_proc_destroy(copy);
	charged(8ul);
	model_user_store(f->proc, A, 9);
	charged(4ul);
	check_fill(f->proc, A + P, 3, 2);
}

/* An entry that has grown beyond what its object stands for does not take the charge back. */
static void
grown_sharer(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t addr = A;
	struct proc *child;

	child = sharer_of_four(f);
	check_kr(KERN_SUCCESS, vm_map_move(f->map, A, 4 * P, 6 * P, &addr, 0));
	check_u64(A, addr);
	charged(4ul);
	model_proc_destroy(child);
	protect(f->proc, A + 2 * P, 4, R);
	charged(4ul);
	check_fill(f->proc, A, 4, 1);
}

/* What was a copy once and is shared now is no place for a debugger's private change. */
static void
no_copy_any_more(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(2, 1);
	struct proc *child;
	struct vm_page *m;

	vm_object_reference(object);
	check_kr(KERN_SUCCESS, space_insert(f->map, object, 0, A, A + 2 * P, R, R,
					    MAP_COPY_ON_WRITE | MAP_INHERIT_SHARE));
	check_kr(KERN_SUCCESS, vm_fault_hold(f->map, A, R | VM_PROT_COPY, VM_FAULT_NOGROW, &m));
	vm_fault_release(m, R | VM_PROT_COPY);
	child = model_proc_fork(f->proc);
	check_kr(KERN_PROTECTION_FAILURE,
		 vm_fault_hold(f->map, A, R | VM_PROT_COPY, VM_FAULT_NOGROW, &m));
	check_kr(KERN_PROTECTION_FAILURE,
		 vm_fault_hold(model_proc_map(child), A, R | VM_PROT_COPY, VM_FAULT_NOGROW, &m));
	model_proc_destroy(child);
	vm_object_deallocate(object);
}

static void
no_charge_for_life(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	check_kr(KERN_SUCCESS,
		 vm_map_stack(f->map, STACK_BOTTOM, STACK_SIZE, RW, ALL, MAP_ACC_NO_CHARGE));
	space_map(f->map, A, 2 * P, RW, ALL, MAP_ACC_NO_CHARGE);
	space_map(f->map, A + 8 * P, 2 * P, R, ALL, MAP_ACC_NO_CHARGE);
	charged(0ul);
	model_user_store(f->proc, STACK_TOP - 2 * vm_sgrowsiz, 1);
	protect(f->proc, A, 2, R);
	protect(f->proc, A, 2, RW);
	protect(f->proc, A + 8 * P, 1, RW);
	charged(0ul);
	inherit(f, A, 2, VM_INHERIT_SHARE);
	child = model_proc_fork(f->proc);
	model_user_store(child, STACK_TOP - 3 * vm_sgrowsiz, 1);
	model_user_store(f->proc, STACK_TOP - 3 * vm_sgrowsiz, 1);
	model_user_store(child, A, 1);
	protect(child, A + 8 * P, 2, RW);
	charged(0ul);
	model_proc_destroy(child);
}

/* A stack whose rights on record change grows by those, charge and all. */
static void
stack_gains_write(void **state)
{
	struct vm_fixture *f = *state;

	check_kr(KERN_SUCCESS, vm_map_stack(f->map, STACK_BOTTOM, STACK_SIZE, R, ALL, 0));
	charged(0ul);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, STACK_BOTTOM, STACK_TOP, RW, FALSE));
	charged(atop(vm_sgrowsiz));
	model_user_store(f->proc, STACK_TOP - 2 * vm_sgrowsiz, 1);
	charged(atop(2 * vm_sgrowsiz));
}

/* What is paid for already stands between two parts of what is to be paid for once. */
static void
counted_once(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *unpaid = space_object(2, 1), *paid = space_object(1, 3);

	space_map_object(f->map, paid, A + 8 * P, RW, ALL, 0);
	for (vm_offset_t at = 0; at < 2; at++) {
		vm_object_reference(unpaid);
		check_kr(KERN_SUCCESS, space_insert(f->map, unpaid, at * P, A + 2 * at * P,
						    A + (2 * at + 1) * P, R, ALL, 0));
	}
	space_map_object(f->map, paid, A + P, R, ALL, 0);
	charged(1ul);
	vm_charge_set_limit(3 * P);
	protect(f->proc, A, 3, RW);
	charged(3ul);
	/* Where nothing is due nothing need be left. */
	protect(f->proc, A, 3, R);
	protect(f->proc, A, 3, RW);
	charged(3ul);
	vm_charge_set_limit(VM_CHARGE_UNLIMITED);
	vm_object_deallocate(unpaid);
	vm_object_deallocate(paid);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"CHG-01: who shares read-only memory and gains WRITE is charged with all, once",
	     readers_become_writers},
	    {"CHG-01: likewise in parts; refused, nothing has changed", readers_refused},
	    {"CHG-02: shared memory is charged as long as anybody shows any of it",
	     parts_of_shared_memory},
	    {"CHG-03: what a fork leaves out stays charged to the parent", parts_not_inherited},
	    {"CHG-03: read-only parts beside what is shared are charged when they gain WRITE",
	     siblings_of_shared_memory},
	    {"CHG-04: copies of shared memory are charged at the fork, both",
	     copies_of_shared_memory},
	    {"CHG-04: the last who shares is charged as for its own", last_of_shared_memory},
	    {"CHG-04: memory that was copied, then shared, is charged once",
	     shared_copy_keeps_no_mark},
	    {"CHG-04: likewise when the sharer has gone first", sharer_goes_first},
	    {"CHG-04: who shows more than the object stands for takes no charge back",
	     grown_sharer},
	    {"CHG-04: what is shared is no copy any more", no_copy_any_more},
	    {"CHG-01: an object in two parts is counted once, whatever lies between", counted_once},
	    {"CHG-05: an object that others know is charged as a whole", object_of_many},
	    {"CHG-05: one that nobody else knows is charged by its entry", object_of_one},
	    {"CHG-05: one that a handle named stays whole", object_without_name},
	    {"CHG-06: what is not to be charged never is: growth, rights, fork",
	     no_charge_for_life},
	    {"CHG-06: a stack that gains WRITE is charged as it grows", stack_gains_write},
	    {"CHG: a limit below what is in use takes nothing away, and gives nothing",
	     limit_below_use},
	    {"CHG: a charge can be told to fail", told_to_fail},
	    {"CHG: a named object stays charged as a whole", named_stays_whole},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
