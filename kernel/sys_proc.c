/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The calls on processes.
 *
 * A call that makes a handle reserves its number first: what it then makes need not be undone because
 * a table is full.
 */
#include <machine/copy.h>
#include <pagoda/abi.h>
#include <pagoda/errno.h>
#include "kernel/elf.h"
#include "kernel/exec.h"
#include "kernel/exec_args.h"
#include "kernel/proc.h"
#include "kernel/syscall.h"
#include "kernel/target.h"
#include "kernel/thread.h"

int64_t
sys_proc_create(const struct trapframe *tf)
{
	struct proc *self = curproc(), *p;
	char name[PROC_NAME_MAX];
	enum copyinstr_result result = copyinstr((const char *)ARG0(tf), name, sizeof(name), NULL);
	uint64_t flags = ARG1(tf);
	uint32_t h;
	int error;

	if (result != COPYINSTR_OK)
		return result == COPYINSTR_FAULT ? -EFAULT : -EINVAL;
	if ((flags & ~(uint64_t)PROC_CREATE_ROOT) != 0)
		return -EINVAL;
	if (flags != 0 && !self->root)
		return -EPERM;
	error = handle_reserve(&self->handles, 0, &h);
	if (error != 0)
		return -error;
	p = proc_create(name, flags);
	if (p == NULL) {
		handle_cancel(&self->handles, h);
		return -ENOMEM;
	}
	handle_fill(&self->handles, h, &p->object, RIGHT_ALL);
	return h;
}

/* ---- Fork ---- */

/* give_same: install the caller's handle h in the table of an embryo, at the same number. */
static int
give_same(handle_t h, struct proc *child)
{
	uint64_t number = (uint64_t)(int64_t)h;
	struct kobject *o;
	uint32_t rights, at;
	int error =
	    handle_get(&curproc()->handles, number, HANDLE_TYPE_ANY, RIGHT_DUP, &o, &rights);

	if (error != 0)
		return error;
	error = handle_may_give(o, child) ? handle_reserve(&child->handles, number, &at) : EINVAL;
	if (error == 0)
		handle_fill(&child->handles, at, o, rights);
	else
		kobject_unref(o);
	return error;
}

static int
give_all(uint64_t uaddr, uint64_t n, struct proc *child)
{
	int error = 0;

	for (uint64_t i = 0; error == 0 && i < n; i++) {
		handle_t h;

		error = copyin((const void *)(uaddr + i * sizeof(h)), &h, sizeof(h))
			    ? give_same(h, child)
			    : EFAULT;
	}
	return error;
}

/* fork_from: fork p and give the copy its handles. */
static int
fork_from(struct proc *p, uint64_t give, uint64_t n, struct proc **out)
{
	int error = proc_fork(p, out);

	if (error != 0)
		return error;
	error = give_all(give, n, *out);
	if (error != 0)
		proc_unref(*out);
	return error;
}

int64_t
sys_proc_fork(const struct trapframe *tf)
{
	struct handle_table *handles = &curproc()->handles;
	struct proc *p, *child;
	uint32_t h;
	int error;

	if (ARG2(tf) > HANDLE_MAX)
		return -EINVAL;
	error = target_proc(ARG0(tf), RIGHT_READ, &p);
	if (error != 0)
		return -error;
	error = handle_reserve(handles, 0, &h);
	if (error == 0) {
		error = fork_from(p, ARG1(tf), ARG2(tf), &child);
		if (error == 0)
			handle_fill(handles, h, &child->object, RIGHT_ALL);
		else
			handle_cancel(handles, h);
	}
	proc_unref(p);
	return error == 0 ? (int64_t)h : -error;
}

/* ---- Load ---- */

static int
load_with_args(struct proc *p, const struct elf_source *source, const struct proc_args *where,
	       struct proc_entry *entry)
{
	struct exec_args args;
	int error = exec_args_init(&args);

	if (error != 0)
		return error;
	error = exec_args_copyin(&args, where->argv, &args.argc);
	if (error == 0)
		error = exec_args_copyin(&args, where->envp, &args.envc);
	if (error == 0)
		error = exec_load(p, source, &args, entry);
	exec_args_free(&args);
	return error;
}

int64_t
sys_proc_load(const struct trapframe *tf)
{
	const void *image = (const void *)ARG1(tf);
	struct elf_source source = elf_source_user(image, ARG2(tf));
	struct proc_args where;
	struct proc_entry entry;
	struct proc *p;
	int error;

	if (!user_range_ok(image, ARG2(tf)) ||
	    !copyin((const void *)ARG3(tf), &where, sizeof(where)))
		return -EFAULT;
	error = target_proc(ARG0(tf), RIGHT_WRITE, &p);
	if (error != 0)
		return -error;
	error = load_with_args(p, &source, &where, &entry);
	proc_unref(p);
	if (error == 0 && !copyout(&entry, (void *)ARG4(tf), sizeof(entry)))
		error = EFAULT;
	return -error;
}

/* ---- End ---- */

int64_t
sys_proc_exit(const struct trapframe *tf)
{
	proc_end(curproc(), PROC_EXITED, (int32_t)ARG0(tf), 0);
	thread_exit();
}

int64_t
sys_proc_kill(const struct trapframe *tf)
{
	struct proc *p;
	int error = target_proc(ARG0(tf), RIGHT_KILL, &p);

	if (error != 0)
		return -error;
	proc_end(p, PROC_KILLED, (int32_t)ARG1(tf), 0);
	proc_unref(p);
	return 0;
}

int64_t
sys_proc_wait(const struct trapframe *tf)
{
	struct proc_status status;
	struct proc *p;
	int error = target_proc(ARG0(tf), RIGHT_WAIT, &p);

	if (error != 0)
		return -error;
	/* To wait for one's own end would be to wait for ever. */
	error = p == curproc() ? EINVAL : proc_wait(p, ARG2(tf), &status);
	proc_unref(p);
	if (error == 0 && !copyout(&status, (void *)ARG1(tf), sizeof(status)))
		error = EFAULT;
	return -error;
}

/* ---- Looking ---- */

int64_t
sys_proc_id(const struct trapframe *tf)
{
	struct proc *p;
	int64_t id;
	int error;

	if (ARG0(tf) == HANDLE_SELF)
		return (int64_t)curproc()->id;
	error = target_proc(ARG0(tf), RIGHT_READ, &p);
	if (error != 0)
		return -error;
	id = (int64_t)p->id;
	proc_unref(p);
	return id;
}

int64_t
sys_proc_info(const struct trapframe *tf)
{
	struct proc *p = proc_find(ARG0(tf));
	struct proc_info info;

	if (p == NULL)
		return -ENOENT;
	proc_describe(p, &info);
	proc_unref(p);
	return copyout(&info, (void *)ARG1(tf), sizeof(info)) ? 0 : -EFAULT;
}

int64_t
sys_proc_open(const struct trapframe *tf)
{
	struct proc *self = curproc(), *p;
	uint32_t h;
	int error;

	if (!self->root)
		return -EPERM;
	p = proc_find(ARG0(tf));
	if (p != NULL && p->id != ARG0(tf)) {
		proc_unref(p);
		p = NULL;
	}
	if (p == NULL)
		return -ESRCH;
	error = handle_reserve(&self->handles, 0, &h);
	if (error != 0) {
		proc_unref(p);
		return -error;
	}
	handle_fill(&self->handles, h, &p->object, RIGHT_ALL);
	return h;
}

int64_t
sys_limit_get(const struct trapframe *tf)
{
	struct limit limit;
	struct proc *p;
	int error;

	if (ARG1(tf) >= LIMIT_COUNT)
		return -EINVAL;
	error = target_proc(ARG0(tf), RIGHT_READ, &p);
	if (error != 0)
		return -error;
	proc_limit_get(p, (unsigned)ARG1(tf), &limit);
	proc_unref(p);
	return copyout(&limit, (void *)ARG2(tf), sizeof(limit)) ? 0 : -EFAULT;
}

int64_t
sys_limit_set(const struct trapframe *tf)
{
	struct limit limit;
	struct proc *p;
	int error;

	if (ARG1(tf) >= LIMIT_COUNT)
		return -EINVAL;
	if (!copyin((const void *)ARG2(tf), &limit, sizeof(limit)))
		return -EFAULT;
	error = target_proc(ARG0(tf), RIGHT_WRITE, &p);
	if (error != 0)
		return -error;
	error = proc_limit_set(p, (unsigned)ARG1(tf), &limit);
	proc_unref(p);
	return -error;
}
