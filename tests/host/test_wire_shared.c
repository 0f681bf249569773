/* SPDX-License-Identifier: BSD-2-Clause */
/* Wired memory that two processes share while some of its pages are still in a backing object. */
#include "model/mmu.h"
#include "model/vm_fixture.h"
#include "vm/vm_map.h"
#include "vm/vmspace.h"

#define A    0x100000ul
#define SIZE (4 * PAGE_SIZE)

/* fork_with: a child to whom [A, A + SIZE) is passed on in this way. */
static struct proc *
fork_with(struct vm_fixture *f, vm_inherit_t inherit)
{
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, A + SIZE, inherit));
	return model_proc_fork(f->proc);
}

/*
 * sharer: a child that shares [A, A + SIZE) with the process.  A copy was forked off before, so what
 * they share is a shadow object, and the page at A, which holds a 1, lies below it.
 */
static struct proc *
sharer(struct vm_fixture *f, struct proc **copy)
{
	vm_offset_t addr = A;

	check_kr(KERN_SUCCESS, vm_map_find(f->map, NULL, 0, &addr, SIZE, 0, VMFS_NO_SPACE,
					   VM_PROT_RW, VM_PROT_ALL, 0));
	model_user_store(f->proc, A, 1);
	*copy = fork_with(f, VM_INHERIT_COPY);
	return fork_with(f, VM_INHERIT_SHARE);
}

static void
protect_keeps_sharing(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *copy, *child = sharer(f, &copy);
	vm_map_t map = model_proc_map(child);

	check_kr(KERN_SUCCESS, vm_map_protect(map, A, A + SIZE, VM_PROT_READ, FALSE));
	check_kr(KERN_SUCCESS, vm_map_wire(map, A, A + SIZE, VM_MAP_WIRE_USER));
	check_kr(KERN_SUCCESS, vm_map_protect(map, A, A + SIZE, VM_PROT_RW, FALSE));
	model_user_store(f->proc, A, 5);
	check_u64(5, model_user_load(child, A));
	model_user_store(child, A, 6);
	check_u64(6, model_user_load(f->proc, A));
	check_u64(1, model_user_load(copy, A));
	model_proc_destroy(child);
	model_proc_destroy(copy);
}

static void
other_writes(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *copy, *child = sharer(f, &copy);
	vm_map_t map = model_proc_map(child);

	check_kr(KERN_SUCCESS, vm_map_protect(map, A, A + SIZE, VM_PROT_READ, FALSE));
	check_kr(KERN_SUCCESS, vm_map_wire(map, A, A + SIZE, VM_MAP_WIRE_USER));
	model_user_store(f->proc, A, 5);
	check_u64(5, model_user_load(child, A));
	check_kr(KERN_SUCCESS, vm_map_unwire(map, A, A + SIZE, VM_MAP_WIRE_USER));
	check_kr(KERN_SUCCESS, vm_map_remove(map, A, A + SIZE));
	model_proc_destroy(child);
	model_proc_destroy(copy);
}

/*
 * The process has a page wired, read-only, in the object that its children shadow.  Two of them share
 * the shadow, and one writes: the page is shadowed for them, and stays where it is for the process.
 */
static void
shadowed_for_others(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child, *grandchild;
	vm_offset_t addr = A;
	uint64_t faults;

	check_kr(KERN_SUCCESS, vm_map_find(f->map, NULL, 0, &addr, SIZE, 0, VMFS_NO_SPACE,
					   VM_PROT_RW, VM_PROT_ALL, 0));
	model_user_store(f->proc, A, 1);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + SIZE, VM_PROT_READ, FALSE));
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + SIZE, VM_MAP_WIRE_USER));
	child = fork_with(f, VM_INHERIT_COPY);
	check_kr(KERN_SUCCESS,
		 vm_map_protect(model_proc_map(child), A, A + SIZE, VM_PROT_RW, FALSE));
	check_kr(KERN_SUCCESS,
		 vm_map_inherit(model_proc_map(child), A, A + SIZE, VM_INHERIT_SHARE));
	grandchild = model_proc_fork(child);
	check_u64(1, model_user_load(child, A));
	check_u64(1, model_user_load(grandchild, A));
	check_u64(4, pmap_wired_count(f->pmap));
	faults = model_fault_count();
	check_u64(1, model_user_load(f->proc, A));
	check_u64(faults, model_fault_count());

	model_user_store(grandchild, A, 2);
	check_u64(2, model_user_load(child, A));
	check_u64(4, pmap_wired_count(f->pmap));
	faults = model_fault_count();
	check_u64(1, model_user_load(f->proc, A));
	check_u64(faults, model_fault_count());
	model_proc_destroy(grandchild);
	model_proc_destroy(child);
	check_kr(KERN_SUCCESS, vm_map_unwire(f->map, A, A + SIZE, VM_MAP_WIRE_USER));
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"wire: granting a write on wired shared memory keeps it shared",
	     protect_keeps_sharing},
	    {"wire: a store by one sharer reaches another's wired read-only mapping, which can be "
	     "unwired",
	     other_writes},
	    {"wire: a page that others shadow keeps its wired mapping, no access faults",
	     shadowed_for_others},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
