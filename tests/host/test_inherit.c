/* SPDX-License-Identifier: BSD-2-Clause */
/* vm_map_inherit: what a fork does with a range, and what the child gets of it. */
#include "kernel/base/sched.h"
#include "model/mmu.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/thread.h"
#include "model/vm_fixture.h"
#include "vm/vm_page.h"
#include "vm/vmspace.h"

#define A 0x100000ul
#define P PAGE_SIZE

static void
inherit(struct proc *p, vm_offset_t start, size_t pages, vm_inherit_t how)
{
	check_kr(KERN_SUCCESS, vm_map_inherit(model_proc_map(p), start, start + ptoa(pages), how));
}

/* filled: a process's memory of 4 pages at A that holds 1 to 4, and is passed on so. */
static void
filled(struct proc *p, vm_inherit_t how)
{
	space_map(model_proc_map(p), A, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	space_fill(p, A, 4, 1);
	inherit(p, A, 4, how);
}

/* INH-01 */

static void
none(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	filled(f->proc, VM_INHERIT_NONE);
	space_map(f->map, A + 8 * P, P, VM_PROT_RW, VM_PROT_ALL, 0);
	child = model_proc_fork(f->proc);
	check_hole(model_proc_map(child), A, A + 4 * P);
	check_u64(P, model_proc_map(child)->size);
	check_u64(SEGV_MAPERR, model_user_write(child, A, "", 1));
	check_fill(f->proc, A, 4, 1);
	model_proc_destroy(child);
}

static void
share(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;
	uint64_t charge;

	filled(f->proc, VM_INHERIT_SHARE);
	charge = vm_usage_read().charge;
	child = model_proc_fork(f->proc);
	check_u64(charge, vm_usage_read().charge);
	model_user_store(child, A, 20);
	check_u64(20, model_user_load(f->proc, A));
	model_user_store(f->proc, A + P, 21);
	check_u64(21, model_user_load(child, A + P));
	model_proc_destroy(child);
	check_u64(20, model_user_load(f->proc, A));
	check_u64(charge, vm_usage_read().charge);
}

/* The object must exist before the fork, or each would make one of its own. */
static void
share_untouched(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	space_map(f->map, A, 4 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	inherit(f->proc, A, 4, VM_INHERIT_SHARE);
	child = model_proc_fork(f->proc);
	check_u64(0, model_user_load(f->proc, A));
	model_user_store(child, A, 5);
	check_u64(5, model_user_load(f->proc, A));
	model_user_store(f->proc, A + 3 * P, 6);
	check_u64(6, model_user_load(child, A + 3 * P));
	model_proc_destroy(child);
}

/* The object outlives the process that made it. */
static void
share_survives(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child, *grandchild;

	filled(f->proc, VM_INHERIT_SHARE);
	child = model_proc_fork(f->proc);
	grandchild = model_proc_fork(child);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 4 * P));
	model_user_store(child, A, 30);
	model_proc_destroy(child);
	check_u64(30, model_user_load(grandchild, A));
	check_fill(grandchild, A + P, 3, 2);
	model_proc_destroy(grandchild);
	check_u64(0, vm_usage_read().charge);
}

static void
copy(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	filled(f->proc, VM_INHERIT_COPY);
	child = model_proc_fork(f->proc);
	check_u64(8 * P, vm_usage_read().charge);
	model_user_store(child, A, 20);
	model_user_store(f->proc, A + P, 21);
	check_u64(1, model_user_load(f->proc, A));
	check_u64(2, model_user_load(child, A + P));
	check_fill(f->proc, A + 2 * P, 2, 3);
	check_fill(child, A + 2 * P, 2, 3);
	model_proc_destroy(child);
	check_u64(4 * P, vm_usage_read().charge);
}

static void
zero(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	filled(f->proc, VM_INHERIT_ZERO);
	child = model_proc_fork(f->proc);
	check_u64(8 * P, vm_usage_read().charge);
	for (vm_offset_t va = A; va < A + 4 * P; va += P)
		check_u64(0, model_user_load(child, va));
	space_fill(child, A, 4, 50);
	check_fill(f->proc, A, 4, 1);
	check_u64(VM_INHERIT_ZERO, space_entry(model_proc_map(child), A)->inheritance);
	model_proc_destroy(child);
}

/* ZERO over a copy that is still to be made: neither sees the other's. */
static void
zero_of_a_copy(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *first, *second;

	filled(f->proc, VM_INHERIT_COPY);
	first = model_proc_fork(f->proc);
	inherit(first, A, 4, VM_INHERIT_ZERO);
	second = model_proc_fork(first);
	check_u64(0, model_user_load(second, A + P));
	model_user_store(second, A, 9);
	check_fill(first, A, 4, 1);
	check_fill(f->proc, A, 4, 1);
	model_proc_destroy(first);
	check_u64(9, model_user_load(second, A));
	model_proc_destroy(second);
}

static void
each_its_own(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	space_map(f->map, A, 5 * P, VM_PROT_RW, VM_PROT_ALL, 0);
	space_fill(f->proc, A, 5, 1);
	inherit(f->proc, A + P, 1, VM_INHERIT_NONE);
	inherit(f->proc, A + 2 * P, 1, VM_INHERIT_SHARE);
	inherit(f->proc, A + 3 * P, 1, VM_INHERIT_ZERO);
	child = model_proc_fork(f->proc);
	space_fill(f->proc, A, 5, 11);
	check_u64(1, model_user_load(child, A));
	check_hole(model_proc_map(child), A + P, A + 2 * P);
	check_u64(13, model_user_load(child, A + 2 * P));
	check_u64(0, model_user_load(child, A + 3 * P));
	check_u64(5, model_user_load(child, A + 4 * P));
	model_proc_destroy(child);
}

static void
guards(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	check_kr(KERN_SUCCESS, space_insert(f->map, NULL, 0, A, A + 4 * P, VM_PROT_NONE,
					    VM_PROT_NONE, MAP_CREATE_GUARD));
	inherit(f->proc, A + 2 * P, 1, VM_INHERIT_NONE);
	inherit(f->proc, A + 3 * P, 1, VM_INHERIT_ZERO);
	check_u64(VM_INHERIT_COPY, space_entry(f->map, A + 3 * P)->inheritance);
	child = model_proc_fork(f->proc);
	check_rights(model_proc_map(child), A, A + 2 * P, VM_PROT_NONE, VM_PROT_NONE);
	check_hole(model_proc_map(child), A + 2 * P, A + 3 * P);
	assert_true(space_entry(model_proc_map(child), A + 3 * P)->eflags & VM_ENTRY_GUARD);
	check_u64(0, model_proc_map(child)->size);
	model_proc_destroy(child);
}

/* INH-02 */

static void
illegal(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;

	filled(f->proc, VM_INHERIT_COPY);
	before = map_snapshot_take(f->map);
	check_kr(KERN_INVALID_ARGUMENT, vm_map_inherit(f->map, A, A + P, 4));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_inherit(f->map, A, A + P, 255));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_inherit(f->map, A, A, 4));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_inherit(f->map, A + 1, A + P, VM_INHERIT_NONE));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_inherit(f->map, A, A + P + 1, VM_INHERIT_NONE));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_inherit(f->map, A + P, A, VM_INHERIT_NONE));
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A + P, A + P, VM_INHERIT_NONE));
	check_unchanged(before, f->map);
}

static void
holes(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, P, VM_PROT_RW, VM_PROT_ALL, 0);
	space_map(f->map, A + 2 * P, P, VM_PROT_RW, VM_PROT_ALL, 0);
	inherit(f->proc, A - P, 6, VM_INHERIT_SHARE);
	check_u64(VM_INHERIT_SHARE, space_entry(f->map, A)->inheritance);
	check_u64(VM_INHERIT_SHARE, space_entry(f->map, A + 2 * P)->inheritance);
	check_hole(f->map, A + P, A + 2 * P);
	inherit(f->proc, A + 8 * P, 4, VM_INHERIT_NONE);
}

/* INH-03 */

static void
rights(void **state)
{
	static const struct {
		vm_prot_t prot, max;
	} cases[] = {
	    {VM_PROT_NONE, VM_PROT_NONE}, {VM_PROT_NONE, VM_PROT_ALL},
	    {VM_PROT_READ, VM_PROT_READ}, {VM_PROT_READ, VM_PROT_RW},
	    {VM_PROT_RW, VM_PROT_RW},	  {VM_PROT_READ | VM_PROT_EXECUTE, VM_PROT_ALL},
	};
	struct vm_fixture *f = *state;

	for (vm_inherit_t how = VM_INHERIT_SHARE; how <= VM_INHERIT_ZERO; how++) {
		struct proc *child;

		for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
			space_map(f->map, A + 2 * i * P, P, cases[i].prot, cases[i].max, 0);
		inherit(f->proc, A, 2 * ARRAY_SIZE(cases), how);
		child = model_proc_fork(f->proc);
		for (size_t i = 0; i < ARRAY_SIZE(cases) && how != VM_INHERIT_NONE; i++) {
			vm_offset_t va = A + 2 * i * P;

			check_entry(f->map, va, va + P, cases[i].prot, cases[i].max);
			check_entry(model_proc_map(child), va, va + P, cases[i].prot, cases[i].max);
			check_u64(how, space_entry(model_proc_map(child), va)->inheritance);
		}
		model_proc_destroy(child);
		check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 16 * P));
	}
}

static void
rights_bind(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	space_map(f->map, A, P, VM_PROT_READ, VM_PROT_READ, 0);
	child = model_proc_fork(f->proc);
	check_kr(KERN_PROTECTION_FAILURE,
		 vm_map_protect(model_proc_map(child), A, A + P, VM_PROT_RW, FALSE));
	check_u64(SEGV_ACCERR, model_user_write(child, A, "", 1));
	model_proc_destroy(child);
}

/* INH-04 */

/* on_processor: what the program of p loads on that processor. */
static uint8_t
on_processor(uint32_t cpu, struct proc *p, vm_offset_t va)
{
	uint8_t value;

	model_cpu_switch(cpu);
	value = model_user_load(p, va);
	model_cpu_switch(0);
	return value;
}

static void
share_of_a_copy(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child, *grandchild;
	struct vm_page *old;

	filled(f->proc, VM_INHERIT_COPY);
	child = model_proc_fork(f->proc);
	check_u64(1, on_processor(1, child, A));
	inherit(child, A, 4, VM_INHERIT_SHARE);
	grandchild = model_proc_fork(child);
	/* The child still sees the ancestor's page, and processor 1 knows where it is. */
	check_u64(1, on_processor(1, child, A));
	old = space_mapped(model_proc_map(child), A);
	assert_ptr_equal(old, space_mapped(f->map, A));

	model_user_store(grandchild, A, 9);
	assert_ptr_not_equal(old, space_mapped(model_proc_map(child), A));
	check_u64(9, on_processor(1, child, A));
	check_u64(1, model_user_load(f->proc, A));
	model_user_store(child, A + P, 8);
	check_u64(8, model_user_load(grandchild, A + P));
	check_fill(f->proc, A, 4, 1);
	vm_fixture_audit(f);
	model_proc_destroy(child);
	check_u64(9, model_user_load(grandchild, A));
	model_proc_destroy(grandchild);
	check_fill(f->proc, A, 4, 1);
}

/* The copy that the sharers wait for is one, also when the ancestor writes first or goes. */
static void
share_of_a_copy_ancestor(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child, *grandchild;

	filled(f->proc, VM_INHERIT_COPY);
	child = model_proc_fork(f->proc);
	inherit(child, A, 4, VM_INHERIT_SHARE);
	grandchild = model_proc_fork(child);
	space_fill(f->proc, A, 2, 70);
	check_fill(child, A, 4, 1);
	check_fill(grandchild, A, 4, 1);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 4 * P));
	model_user_store(grandchild, A + 3 * P, 6);
	check_u64(6, model_user_load(child, A + 3 * P));
	check_fill(child, A, 3, 1);
	check_fill(grandchild, A, 3, 1);
	model_proc_destroy(grandchild);
	check_u64(6, model_user_load(child, A + 3 * P));
	model_proc_destroy(child);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"INH-01: NONE: the child has a hole", none},
	    {"INH-01: SHARE: each sees the other's stores, charged once", share},
	    {"INH-01: SHARE: memory nobody has touched yet is shared, too", share_untouched},
	    {"INH-01: SHARE: the memory outlives the one who made it", share_survives},
	    {"INH-01: COPY: neither sees the other's stores", copy},
	    {"INH-01: ZERO: the child reads zeroes", zero},
	    {"INH-01: ZERO of a copy that is still to be made", zero_of_a_copy},
	    {"INH-01: parts of one range are passed on each in its way", each_its_own},
	    {"INH-01: a guard is passed on as a guard, and ignores ZERO", guards},
	    {"INH-02: an illegal value or range is an invalid argument, nothing changed", illegal},
	    {"INH-02: holes are fine", holes},
	    {"INH-03: protection, maximum and inheritance are passed on exactly", rights},
	    {"INH-03: the child cannot exceed the maximum it got", rights_bind},
	    {"INH-04: a store to a shared copy is seen by all sharers, whatever their processors "
	     "remember",
	     share_of_a_copy},
	    {"INH-04: the ancestor of a shared copy writes, or goes", share_of_a_copy_ancestor},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
