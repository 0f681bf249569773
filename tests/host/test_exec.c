/* SPDX-License-Identifier: BSD-2-Clause */
/* vmspace_exec: a process gets a new space; contracts 1.10. */
#include "model/memory.h"
#include "model/mmu.h"
#include "model/vm_fixture.h"
#include "vm/vm_map.h"
#include "vm/vm_proc.h"
#include "vm/vmspace.h"

#define A 0x100000ul

static void
insert_page(vm_map_t map)
{
	vm_offset_t addr = A;

	check_kr(KERN_SUCCESS, vm_map_find(map, NULL, 0, &addr, PAGE_SIZE, 0, VMFS_NO_SPACE,
					   VM_PROT_RW, VM_PROT_ALL, 0));
}

static void
new_space(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *p = model_proc_create();
	struct vmspace *before = proc_vmspace(p), *old = NULL;
	vm_map_t map;

	(void)f;
	insert_page(&before->vm_map);
	model_user_store(p, A, 7);
	check_kr(KERN_SUCCESS, vmspace_exec(p, 0x20000, 0x70000000, &old));
	assert_ptr_equal(before, old);
	assert_ptr_not_equal(before, proc_vmspace(p));
	map = model_proc_map(p);
	check_u64(0, map->nentries);
	check_u64(0x20000, vm_map_min(map));
	check_u64(0x70000000, vm_map_max(map));
	assert_ptr_equal(p, map->owner);
	/* The old one is whole, but nobody's. */
	assert_null(old->vm_map.owner);
	check_u64(1, old->vm_map.nentries);
	vmspace_free(old);
	insert_page(map);
	check_u64(0, model_user_load(p, A));
	model_proc_destroy(p);
}

static void
no_memory(void **state)
{
	struct vm_fixture *f = *state;
	struct vmspace *before = proc_vmspace(f->proc), *old = NULL;

	insert_page(f->map);
	model_user_store(f->proc, A, 7);
	for (unsigned k = 1; k <= 2; k++) { /* the space, its page tables */
		model_fail_after(k);
		check_kr(KERN_RESOURCE_SHORTAGE, vmspace_exec(f->proc, 0x20000, 0x70000000, &old));
		check_u64(1, model_fail_count());
		model_fail_off();
	}
	assert_ptr_equal(before, proc_vmspace(f->proc));
	assert_ptr_equal(f->proc, f->map->owner);
	check_u64(7, model_user_load(f->proc, A));
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + PAGE_SIZE));
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"exec: a process gets an empty space, the old one is whole and has no owner",
	     new_space},
	    {"exec: without memory the process keeps its space", no_memory},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
