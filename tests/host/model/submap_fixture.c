/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps for tests of submaps. */
#include "kernel/base/sched.h"
#include "model/kernel.h"
#include "model/mmu.h"
#include "model/submap_fixture.h"
#include "model/vm_fixture.h"
#include "vm/pmap.h"
#include "vm/vm_object.h"

vm_map_t parent, sub;

void
place(vm_map_t map, vm_offset_t addr, vm_size_t size, int cow)
{
	vm_offset_t at = addr;

	vm_object_reference(vm_submap_object);
	check_kr(KERN_SUCCESS, vm_map_find(map, vm_submap_object, 0, &at, size, 0, VMFS_NO_SPACE,
					   VM_PROT_ALL, VM_PROT_ALL, MAP_ACC_NO_CHARGE | cow));
}

void
place_object(struct vm_object *object, int cow)
{
	vm_offset_t at = LOW;

	check_kr(KERN_SUCCESS, vm_map_find(parent, object, 0, &at, SIZE, 0, VMFS_NO_SPACE,
					   VM_PROT_RW, VM_PROT_ALL, cow));
}

void
empty(vm_map_t map)
{
	check_kr(KERN_SUCCESS, vm_map_remove(map, vm_map_min(map), vm_map_max(map)));
}

/* setup: an empty parent, and a map that could become its submap. */
static int
setup(void **state)
{
	vm_fixture.setup(state);
	parent = vm_map_create(kernel_pmap, PARENT_MIN, PARENT_MAX);
	sub = vm_map_create(kernel_pmap, LOW, HIGH);
	assert_non_null(parent);
	assert_non_null(sub);
	return 0;
}

static int
teardown(void **state)
{
	if (model_panicked())
		return 0;
	check_u64(0, curthread()->lockorder.count);
	if (sub != NULL)
		empty(sub);
	empty(parent);
	if (sub != NULL)
		vm_map_deallocate(sub);
	vm_map_deallocate(parent);
	return vm_fixture.teardown(state);
}

const struct host_fixture submap_fixture = {setup, teardown};

void
install(void)
{
	place(parent, LOW, SIZE, 0);
	check_kr(KERN_SUCCESS, vm_map_submap(parent, LOW, HIGH, sub));
}

uint8_t
load(vm_offset_t va)
{
	uint8_t byte = 0;

	assert_true(model_access(kernel_pmap, va, VM_PROT_READ, &byte));
	return byte;
}

void
store(vm_offset_t va, uint8_t byte)
{
	assert_true(model_access(kernel_pmap, va, VM_PROT_WRITE, &byte));
}

void
check_unlocked(vm_map_t map)
{
	check_u64(0, curthread()->lockorder.count);
	check_u64(1, vm_map_trylock(map));
	vm_map_unlock(map);
}
