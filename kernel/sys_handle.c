/* SPDX-License-Identifier: BSD-2-Clause */
/* The calls on handles.  HANDLE_SELF is the caller's process, with all rights. */
#include <machine/copy.h>
#include <pagoda/abi.h>
#include <pagoda/errno.h>
#include "kernel/handle.h"
#include "kernel/proc.h"
#include "kernel/syscall.h"
#include "kernel/target.h"

/* any_object: the object behind a handle of any type, with a reference; 0, EBADF or EACCES. */
static int
any_object(uint64_t handle, uint32_t needed, struct kobject **out, uint32_t *rights)
{
	struct proc *self = curproc();

	if (handle != HANDLE_SELF)
		return handle_get(&self->handles, handle, HANDLE_TYPE_ANY, needed, out, rights);
	kobject_ref(&self->object);
	*out = &self->object;
	*rights = RIGHT_ALL;
	return 0;
}

int64_t
sys_handle_close(const struct trapframe *tf)
{
	return -handle_close(&curproc()->handles, ARG0(tf));
}

int64_t
sys_handle_dup(const struct trapframe *tf)
{
	struct handle_table *handles = &curproc()->handles;
	uint32_t rights, h;
	struct kobject *o;
	int error;

	if ((ARG1(tf) & ~(uint64_t)RIGHT_ALL) != 0)
		return -EINVAL;
	error = any_object(ARG0(tf), RIGHT_DUP, &o, &rights);
	if (error != 0)
		return -error;
	error = handle_reserve(handles, 0, &h);
	if (error != 0) {
		kobject_unref(o);
		return -error;
	}
	handle_fill(handles, h, o, rights & (uint32_t)ARG1(tf));
	return h;
}

int64_t
sys_handle_info(const struct trapframe *tf)
{
	struct handle_info info;
	struct kobject *o;
	uint32_t rights;
	int error = any_object(ARG0(tf), 0, &o, &rights);

	if (error != 0)
		return -error;
	info = (struct handle_info){.type = o->ops->type, .rights = rights, .id = o->ops->id(o)};
	kobject_unref(o);
	return copyout(&info, (void *)ARG1(tf), sizeof(info)) ? 0 : -EFAULT;
}

/* give: put o, whose reference is handed over, into p's table. */
static int64_t
give(struct proc *p, struct kobject *o, uint32_t rights, uint64_t at)
{
	uint32_t h;
	int error = handle_may_give(o, p) ? handle_reserve(&p->handles, at, &h) : EINVAL;

	if (error != 0) {
		kobject_unref(o);
		return -error;
	}
	handle_fill(&p->handles, h, o, rights);
	return h;
}

int64_t
sys_proc_give(const struct trapframe *tf)
{
	struct kobject *o;
	struct proc *p;
	uint32_t rights;
	int64_t result;
	int error = target_proc(ARG0(tf), RIGHT_WRITE, &p);

	if (error != 0)
		return -error;
	error = any_object(ARG1(tf), RIGHT_DUP, &o, &rights);
	result = error != 0 ? -error : give(p, o, rights, ARG2(tf));
	proc_unref(p);
	return result;
}
