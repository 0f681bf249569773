/* SPDX-License-Identifier: BSD-2-Clause */
/* Stacks of tests. */
#include "model/kernel.h"
#include "model/snapshot.h"
#include "model/stacks.h"
#include "vm/vmspace.h"

vm_size_t
stack_guard(void)
{
	return ptoa(vm_stack_guard_pages);
}

vm_size_t
stack_init(vm_size_t max_ssize)
{
	vm_size_t init = max_ssize - stack_guard();

	return init < vm_sgrowsiz ? init : vm_sgrowsiz;
}

void
stack_make(struct vm_fixture *f)
{
	check_kr(KERN_SUCCESS,
		 vm_map_stack(f->map, STACK_BOTTOM, STACK_SIZE, VM_PROT_RW, VM_PROT_ALL, 0));
}

void
stack_make_main(struct vm_fixture *f, vm_size_t size)
{
	check_kr(KERN_SUCCESS,
		 vm_map_stack(f->map, STACK_BOTTOM, size, VM_PROT_RW, VM_PROT_ALL, 0));
	vm_map_lock(f->map);
	f->vmspace->vm_ssize = atop(stack_init(size));
	f->vmspace->vm_maxsaddr = STACK_BOTTOM;
	f->vmspace->vm_stacktop = STACK_BOTTOM + size;
	vm_map_unlock(f->map);
}

vm_map_entry_t
map_at(vm_map_t map, vm_offset_t addr)
{
	vm_map_entry_t e;

	vm_map_lock_read(map);
	if (!vm_map_lookup_entry(map, addr, &e))
		model_die("nothing is mapped at %#lx", addr);
	vm_map_unlock_read(map);
	return e;
}

/* next_part: the stack entry right below e, or NULL. */
static vm_map_entry_t
next_part(vm_map_t map, vm_map_entry_t e)
{
	vm_map_entry_t below = e->prev;

	if (below == &map->header || below->end != e->start ||
	    !(below->eflags & VM_ENTRY_GROWS_DOWN))
		return NULL;
	return below;
}

vm_offset_t
stack_start(vm_map_t map, vm_offset_t top)
{
	vm_map_entry_t e = map_at(map, top - 1), below;

	while ((below = next_part(map, e)) != NULL)
		e = below;
	return e->start;
}

unsigned
stack_entries(vm_map_t map, vm_offset_t top)
{
	unsigned n = 0;

	for (vm_map_entry_t e = map_at(map, top - 1); e != NULL; e = next_part(map, e))
		n++;
	return n;
}

void
check_stack(vm_map_t map, vm_offset_t bottom, vm_offset_t start, vm_offset_t top, vm_prot_t prot,
	    vm_prot_t max)
{
	vm_map_entry_t gap = map_at(map, bottom), lowest = map_at(map, start);

	check_u64(start, stack_start(map, top));
	check_u64(VM_ENTRY_GUARD | VM_ENTRY_STACK_GAP, gap->eflags);
	check_u64(bottom, gap->start);
	check_u64(start, gap->end);
	check_u64(VM_PROT_NONE, gap->protection);
	check_u64(VM_PROT_NONE, gap->max_protection);
	check_u64(stack_guard(), gap->gap_guard);
	check_u64(prot, gap->gap_protection);
	check_u64(max, gap->gap_max_protection);
	assert_true(lowest->eflags & VM_ENTRY_GROWS_DOWN);
	check_u64(prot, lowest->protection);
	check_u64(max, lowest->max_protection);
}

void
check_no_growth(struct vm_fixture *f, kern_return_t expected, vm_offset_t addr)
{
	struct map_snapshot *before = map_snapshot_take(f->map);

	check_kr(expected, vm_map_growstack(f->proc, addr));
	check_unchanged(before, f->map);
}

void
map_pages(vm_map_t map, vm_offset_t addr, vm_size_t size, vm_prot_t prot)
{
	vm_offset_t at = addr;

	check_kr(KERN_SUCCESS,
		 vm_map_find(map, NULL, 0, &at, size, 0, VMFS_NO_SPACE, prot, VM_PROT_ALL, 0));
}

void
map_guard(vm_map_t map, vm_offset_t addr, vm_size_t size)
{
	vm_offset_t at = addr;

	check_kr(KERN_SUCCESS, vm_map_find(map, NULL, 0, &at, size, 0, VMFS_NO_SPACE, VM_PROT_NONE,
					   VM_PROT_NONE, MAP_CREATE_GUARD));
}
