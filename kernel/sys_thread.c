/* SPDX-License-Identifier: BSD-2-Clause */
/* The calls on threads. */
#include <machine/copy.h>
#include <machine/fpu.h>
#include <machine/smp.h>
#include <pagoda/abi.h>
#include <pagoda/errno.h>
#include "kernel/proc.h"
#include "kernel/syscall.h"
#include "kernel/target.h"
#include "kernel/thread.h"
#include "vm/vm_malloc.h"

static int
create_in(struct proc *p, const struct thread_regs *regs, bool stopped, uint32_t *h)
{
	struct handle_table *handles = &curproc()->handles;
	struct uthread *ut;
	int error = handle_reserve(handles, 0, h);

	if (error != 0)
		return error;
	error = thread_create(p, regs, stopped, &ut);
	if (error != 0) {
		handle_cancel(handles, *h);
		return error;
	}
	thread_start(ut);
	handle_fill(handles, *h, &ut->object, RIGHT_ALL);
	return 0;
}

int64_t
sys_thread_create(const struct trapframe *tf)
{
	uint64_t flags = ARG2(tf);
	struct thread_regs regs;
	struct proc *p;
	uint32_t h;
	int error;

	if ((flags & ~(uint64_t)THREAD_CREATE_STOPPED) != 0)
		return -EINVAL;
	if (!copyin((const void *)ARG1(tf), &regs, sizeof(regs)))
		return -EFAULT;
	if (!thread_regs_valid(&regs))
		return -EINVAL;
	error = target_proc(ARG0(tf), RIGHT_WRITE, &p);
	if (error != 0)
		return -error;
	error = create_in(p, &regs, (flags & THREAD_CREATE_STOPPED) != 0, &h);
	proc_unref(p);
	return error == 0 ? (int64_t)h : -error;
}

int64_t
sys_thread_exit(const struct trapframe *tf)
{
	(void)tf;
	thread_exit();
}

int64_t
sys_thread_kill(const struct trapframe *tf)
{
	struct uthread *ut;
	int error = target_thread(ARG0(tf), RIGHT_KILL, &ut);

	if (error != 0)
		return -error;
	thread_kill(ut);
	thread_unref(ut);
	return 0;
}

int64_t
sys_thread_wait(const struct trapframe *tf)
{
	struct uthread *ut;
	int error = target_thread(ARG0(tf), RIGHT_WAIT, &ut);

	if (error != 0)
		return -error;
	error = &ut->thread == curthread() ? EINVAL : thread_wait(ut, ARG1(tf));
	thread_unref(ut);
	return -error;
}

int64_t
sys_thread_stop(const struct trapframe *tf)
{
	struct uthread *ut;
	int error = target_thread(ARG0(tf), RIGHT_WRITE, &ut);

	if (error != 0)
		return -error;
	error = &ut->thread == curthread() ? EINVAL : thread_stop(ut);
	thread_unref(ut);
	return -error;
}

int64_t
sys_thread_resume(const struct trapframe *tf)
{
	struct uthread *ut;
	int error = target_thread(ARG0(tf), RIGHT_WRITE, &ut);

	if (error != 0)
		return -error;
	thread_resume(ut);
	thread_unref(ut);
	return 0;
}

int64_t
sys_thread_id(const struct trapframe *tf)
{
	struct uthread *ut;
	int64_t id;
	int error = target_thread(ARG0(tf), RIGHT_READ, &ut);

	if (error != 0)
		return -error;
	id = (int64_t)ut->thread.id;
	thread_unref(ut);
	return id;
}

int64_t
sys_thread_affinity(const struct trapframe *tf)
{
	uint64_t set = ARG1(tf);
	struct uthread *ut;
	int error = target_thread(ARG0(tf), RIGHT_WRITE, &ut);

	if (error != 0)
		return -error;
	if (set != 0 && (set & smp_online()) == 0)
		error = EINVAL;
	else
		sched_set_affinity(&ut->thread, (uint32_t)set);
	thread_unref(ut);
	return -error;
}

int64_t
sys_thread_cpu(const struct trapframe *tf)
{
	struct uthread *ut;
	int64_t cpu;
	int error = target_thread(ARG0(tf), RIGHT_READ, &ut);

	if (error != 0)
		return -error;
	cpu = __atomic_load_n(&ut->thread.cpu, __ATOMIC_RELAXED);
	thread_unref(ut);
	return cpu;
}

/* ---- State of a stopped thread ---- */

static int
get_regs(struct uthread *ut, void *buffer)
{
	thread_regs_store(ut, buffer);
	return 0;
}

static int
set_regs(struct uthread *ut, void *buffer)
{
	if (!thread_regs_valid(buffer))
		return EINVAL;
	thread_regs_load(ut, buffer);
	return 0;
}

static int
get_fpu(struct uthread *ut, void *buffer)
{
	fpu_state_get(&ut->thread, buffer);
	return 0;
}

static int
set_fpu(struct uthread *ut, void *buffer)
{
	return fpu_state_set(&ut->thread, buffer, fpu_state_size()) ? 0 : EINVAL;
}

/* state_size: of the state `which`; 0 if there is none. */
static size_t
state_size(uint64_t which)
{
	switch (which) {
	case THREAD_REGS:
		return sizeof(struct thread_regs);
	case THREAD_FPU:
		return fpu_state_size();
	default:
		return 0;
	}
}

/* open_state: check the arguments that get and set share, and find thread and memory. */
static int
open_state(const struct trapframe *tf, uint32_t right, struct uthread **ut, void **buffer)
{
	size_t size = state_size(ARG1(tf));
	int error;

	if (size == 0 || ARG3(tf) != size)
		return EINVAL;
	error = target_thread(ARG0(tf), right, ut);
	if (error != 0)
		return error;
	*buffer = kmalloc(size, 0);
	if (*buffer != NULL)
		return 0;
	thread_unref(*ut);
	return ENOMEM;
}

static void
close_state(uint64_t which, struct uthread *ut, void *buffer)
{
	kfree(buffer, state_size(which));
	thread_unref(ut);
}

int64_t
sys_thread_get(const struct trapframe *tf)
{
	uint64_t which = ARG1(tf);
	struct uthread *ut;
	void *buffer;
	int error = open_state(tf, RIGHT_READ, &ut, &buffer);

	if (error != 0)
		return -error;
	error = thread_look(ut, which == THREAD_REGS ? get_regs : get_fpu, buffer);
	if (error == 0 && !copyout(buffer, (void *)ARG2(tf), state_size(which)))
		error = EFAULT;
	close_state(which, ut, buffer);
	return error == 0 ? (int64_t)state_size(which) : -error;
}

int64_t
sys_thread_set(const struct trapframe *tf)
{
	uint64_t which = ARG1(tf);
	struct uthread *ut;
	void *buffer;
	int error = open_state(tf, RIGHT_WRITE, &ut, &buffer);

	if (error != 0)
		return -error;
	if (copyin((const void *)ARG2(tf), buffer, state_size(which)))
		error = thread_change(ut, which == THREAD_REGS ? set_regs : set_fpu, buffer);
	else
		error = EFAULT;
	close_state(which, ut, buffer);
	return -error;
}
