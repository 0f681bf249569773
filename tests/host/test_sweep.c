/* SPDX-License-Identifier: BSD-2-Clause */
/* The sweep over what is done to ranges: mapped, grown, cut, moved, given other rights. */
#include "model/space.h"
#include "sweep/sweep.h"
#include "vm/pmap.h"
#include "vm/vm_object.h"

static kern_return_t
op_insert(void)
{
	return space_insert(scene.f->map, NULL, 0, END, END + PAGES * P, VM_PROT_RW, VM_PROT_ALL,
			    0);
}

static kern_return_t
op_insert_guard(void)
{
	return space_insert(scene.f->map, NULL, 0, END, END + P, VM_PROT_NONE, VM_PROT_NONE,
			    MAP_CREATE_GUARD);
}

static kern_return_t
op_find(void)
{
	vm_offset_t at = A;

	return vm_map_find(scene.f->map, NULL, 0, &at, 3 * P, 0, VMFS_ANY_SPACE, VM_PROT_RW,
			   VM_PROT_ALL, 0);
}

static kern_return_t
op_find_aligned(void)
{
	vm_offset_t at = A;

	return vm_map_find(scene.f->map, NULL, 0, &at, SUPERPAGE_SIZE, 0, VMFS_OPTIMAL_SPACE,
			   VM_PROT_READ, VM_PROT_ALL, 0);
}

static kern_return_t
op_find_min(void)
{
	vm_offset_t at = MODEL_USER_MAX - P;

	return vm_map_find_min(scene.f->map, NULL, 0, &at, 3 * P, A, 0, VMFS_ANY_SPACE, VM_PROT_RW,
			       VM_PROT_ALL, 0);
}

static kern_return_t
op_find_replacing(void)
{
	vm_offset_t at = FROM;

	return vm_map_find(scene.f->map, NULL, 0, &at, TO - FROM, 0, VMFS_NO_SPACE, VM_PROT_RW,
			   VM_PROT_ALL, MAP_REMAP);
}

static kern_return_t
op_fixed(void)
{
	return vm_map_fixed(scene.f->map, NULL, 0, FROM, TO - FROM, VM_PROT_RW, VM_PROT_ALL, 0);
}

static kern_return_t
op_fixed_exclusive(void)
{
	return vm_map_fixed(scene.f->map, NULL, 0, A, END - A, VM_PROT_RW, VM_PROT_ALL,
			    MAP_CHECK_EXCL);
}

/* The reference stays the caller's on failure. */
static kern_return_t
op_fixed_object(void)
{
	struct vm_object *object = scene.object;
	kern_return_t kr;

	vm_object_reference(object);
	kr = vm_map_fixed(scene.f->map, object, 0, END, 2 * P, VM_PROT_RW, VM_PROT_ALL,
			  MAP_CHECK_EXCL | MAP_COPY_ON_WRITE | MAP_PREFAULT);
	if (kr != KERN_SUCCESS)
		vm_object_deallocate(object);
	return kr;
}

static kern_return_t
op_fixed_device(void)
{
	kern_return_t kr;

	vm_object_reference(scene.device);
	kr = vm_map_fixed(scene.f->map, scene.device, 0, END, 2 * P, VM_PROT_RW, VM_PROT_RW,
			  MAP_CHECK_EXCL | MAP_INHERIT_SHARE);
	if (kr != KERN_SUCCESS)
		vm_object_deallocate(scene.device);
	return kr;
}

static kern_return_t
op_stack(void)
{
	return vm_map_stack(scene.f->map, STACK - STACK_MAX, STACK_MAX, VM_PROT_RW, VM_PROT_ALL, 0);
}

static kern_return_t
op_grow(void)
{
	return vm_map_growstack(scene.f->proc, STACK_TOP - 3 * vm_sgrowsiz);
}

static kern_return_t
op_grow_little(void)
{
	return vm_map_growstack(scene.f->proc, STACK_TOP - vm_sgrowsiz - 1);
}

static kern_return_t
op_remove(void)
{
	return vm_map_remove(scene.f->map, FROM, TO);
}

static kern_return_t
op_remove_all(void)
{
	return vm_map_remove(scene.f->map, MODEL_USER_MIN, MODEL_USER_MAX);
}

static kern_return_t
op_protect_read(void)
{
	return vm_map_protect(scene.f->map, FROM, TO, VM_PROT_READ, FALSE);
}

static kern_return_t
op_protect_write(void)
{
	return vm_map_protect(scene.f->map, FROM, TO, VM_PROT_RW, FALSE);
}

static kern_return_t
op_protect_none(void)
{
	return vm_map_protect(scene.f->map, FROM, TO, VM_PROT_NONE, FALSE);
}

static kern_return_t
op_protect_max(void)
{
	return vm_map_protect(scene.f->map, FROM, TO, VM_PROT_READ, TRUE);
}

static kern_return_t
op_inherit_share(void)
{
	return vm_map_inherit(scene.f->map, FROM, TO, VM_INHERIT_SHARE);
}

static kern_return_t
op_inherit_zero(void)
{
	return vm_map_inherit(scene.f->map, FROM, TO, VM_INHERIT_ZERO);
}

static kern_return_t
move(vm_size_t new_length, int flags)
{
	vm_offset_t at = END + 16 * P;

	return vm_map_move(scene.f->map, A, END - A, new_length, &at, flags);
}

static kern_return_t
op_extend(void)
{
	return move(END - A + 2 * P, 0);
}

static kern_return_t
op_shrink(void)
{
	return move(2 * P, 0);
}

static kern_return_t
op_move(void)
{
	return move(END - A + 2 * P, VM_MAP_MOVE_FIXED);
}

/* Each is a test. */
#define OPERATIONS(X)                                                            \
	X(op_insert, "vm_map_insert", UNCHANGED, 0)                              \
	X(op_insert_guard, "vm_map_insert of a guard", UNCHANGED, 0)             \
	X(op_find, "vm_map_find", UNCHANGED, 0)                                  \
	X(op_find_aligned, "vm_map_find of a superpage", UNCHANGED, 0)           \
	X(op_find_min, "vm_map_find_min", UNCHANGED, 0)                          \
	X(op_find_replacing, "vm_map_find that replaces", A_HOLE, TAKES)         \
	X(op_fixed, "vm_map_fixed", A_HOLE, TAKES)                               \
	X(op_fixed_exclusive, "vm_map_fixed where nothing may be", UNCHANGED, 0) \
	X(op_fixed_object, "vm_map_fixed of an object", UNCHANGED, 0)            \
	X(op_fixed_device, "vm_map_fixed of a device", UNCHANGED, 0)             \
	X(op_stack, "vm_map_stack", UNCHANGED, 0)                                \
	X(op_grow, "vm_map_growstack", UNCHANGED, OR_LESS)                       \
	X(op_grow_little, "vm_map_growstack by a page", UNCHANGED, OR_LESS)      \
	X(op_remove, "vm_map_remove that cuts", UNCHANGED, TAKES)                \
	X(op_remove_all, "vm_map_remove of all", UNCHANGED, TAKES)               \
	X(op_protect_read, "vm_map_protect to read", UNCHANGED, 0)               \
	X(op_protect_write, "vm_map_protect to write", UNCHANGED, 0)             \
	X(op_protect_none, "vm_map_protect to none", UNCHANGED, 0)               \
	X(op_protect_max, "vm_map_protect of the maximum", UNCHANGED, 0)         \
	X(op_inherit_share, "vm_map_inherit to share", UNCHANGED, 0)             \
	X(op_inherit_zero, "vm_map_inherit to zero", UNCHANGED, 0)               \
	X(op_extend, "vm_map_move that extends", UNCHANGED, TAKES)               \
	X(op_shrink, "vm_map_move that shrinks", UNCHANGED, TAKES)               \
	X(op_move, "vm_map_move to another place", UNCHANGED, TAKES)

SWEEP_MAIN(OPERATIONS)
