/* SPDX-License-Identifier: BSD-2-Clause */
/* The sweep over spaces: made, forked, unshared, and what is left when relatives go. */
#include "sweep/sweep.h"
#include "vm/pmap.h"
#include "vm/vmspace.h"

/* born: a space was made; it is a process's from now on. */
static kern_return_t
born(kern_return_t kr, struct vmspace *vm)
{
	if (kr == KERN_SUCCESS)
		scene.born = model_proc_adopt(vm);
	return kr;
}

static kern_return_t
op_fork(void)
{
	struct vmspace *vm = NULL;
	kern_return_t kr = vmspace_fork(scene.f->vmspace, &vm);

	return born(kr, vm);
}

/* Another process uses the space as well, and leaves it. */
static kern_return_t
op_unshare(void)
{
	struct vmspace *vm = scene.f->vmspace;
	struct proc *other;
	kern_return_t kr;

	assert_true(vmspace_acquire(vm));
	other = model_proc_adopt(vm);
	vm->vm_map.owner = scene.f->proc;
	kr = vmspace_unshare(other);
	if (kr == KERN_SUCCESS) {
		scene.born = other;
	} else {
		assert_ptr_equal(vm, proc_vmspace(other));
		model_proc_destroy(other);
	}
	check_u64(1, vm->refcnt);
	return kr;
}

static kern_return_t
op_alloc_space(void)
{
	struct vmspace *vm = vmspace_alloc(MODEL_USER_MIN, MODEL_USER_MAX);

	return born(vm != NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE, vm);
}

/* Chains get shorter, which may need a node for a page that moves. */
static kern_return_t
op_relative_goes(void)
{
	if (scene.relatives[0] != NULL)
		model_proc_destroy(scene.relatives[0]);
	scene.relatives[0] = NULL;
	return KERN_SUCCESS;
}

/* Each is a test. */
#define OPERATIONS(X)                                     \
	X(op_fork, "vmspace_fork", SAME_MEANING, 0)       \
	X(op_unshare, "vmspace_unshare", SAME_MEANING, 0) \
	X(op_alloc_space, "vmspace_alloc", UNCHANGED, 0)  \
	X(op_relative_goes, "the end of a relative", SAME_MEANING, 0)

SWEEP_MAIN(OPERATIONS)
