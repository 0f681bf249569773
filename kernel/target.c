/* SPDX-License-Identifier: BSD-2-Clause */
/* From handles to what they name. */
#include <pagoda/errno.h>
#include "kernel/base/compiler.h"
#include "kernel/handle.h"
#include "kernel/memobj.h"
#include "kernel/proc.h"
#include "kernel/target.h"
#include "kernel/thread.h"
#include "vm/vmspace.h"

int
target_proc(uint64_t handle, uint32_t needed, struct proc **out)
{
	struct proc *self = curproc();
	struct kobject *o;
	int error;

	if (handle == HANDLE_SELF) {
		kobject_ref(&self->object);
		*out = self;
		return 0;
	}
	error = handle_get(&self->handles, handle, HANDLE_TYPE_PROC, needed, &o, NULL);
	if (error == 0)
		*out = proc_from_object(o);
	return error;
}

int
target_thread(uint64_t handle, uint32_t needed, struct uthread **out)
{
	struct kobject *o;
	int error;

	if (handle == HANDLE_SELF) {
		*out = curthread()->upper;
		kobject_ref(&(*out)->object);
		return 0;
	}
	error = handle_get(&curproc()->handles, handle, HANDLE_TYPE_THREAD, needed, &o, NULL);
	if (error == 0)
		*out = thread_from_object(o);
	return error;
}

int
target_memobj(uint64_t handle, uint32_t needed, struct memobj **out, uint32_t *rights)
{
	struct kobject *o;
	int error = handle_get(&curproc()->handles, handle, HANDLE_TYPE_OBJECT, needed, &o, rights);

	if (error == 0)
		*out = memobj_from_object(o);
	return error;
}

int
target_physmem(uint64_t handle, uint32_t needed, uint32_t *rights)
{
	struct kobject *o;
	int error =
	    handle_get(&curproc()->handles, handle, HANDLE_TYPE_PHYSMEM, needed, &o, rights);

	if (error == 0)
		kobject_unref(o);
	return error;
}

/* get_other: the space of another process, which may end at any moment: with references. */
static SLOWPATH int
get_other(uint64_t handle, uint32_t needed, struct target *t)
{
	int error = target_proc(handle, needed, &t->proc);

	if (error != 0)
		return error;
	t->vm = proc_get_space(t->proc);
	if (t->vm == NULL) {
		proc_unref(t->proc);
		return ESRCH;
	}
	t->map = &t->vm->vm_map;
	t->own = false;
	return 0;
}

int
target_get(uint64_t handle, uint32_t needed, struct target *t)
{
	if (handle != HANDLE_SELF)
		return get_other(handle, needed, t);
	/* The caller's process and space last at least as long as the calling thread. */
	t->proc = curproc();
	t->vm = t->proc->vmspace;
	t->map = &t->vm->vm_map;
	t->own = true;
	return 0;
}

void
target_put(struct target *t)
{
	if (t->own)
		return;
	vmspace_free(t->vm);
	proc_unref(t->proc);
}

bool
target_range_ok(uint64_t addr, uint64_t length)
{
	return page_aligned(addr | length) && addr <= VM_MAX_USER_ADDRESS &&
	       length <= VM_MAX_USER_ADDRESS - addr;
}
