/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changing threads: everything of a thread that is in the processor and not on its stack.
 *
 *	stack		context_swap (context.S)
 *	traps' stack	TSS.rsp0 for exceptions, percpu.kernel_stack for system calls
 *	address space	CR3, unless the new thread has none or has the one that is loaded
 *	FPU state	of threads that have one (t->fpu): user threads
 *	FS and GS base	of the same; with FSGSBASE a program changes them by itself
 *
 * The user's GS base is in KERNEL_GS_BASE while the kernel runs.
 */
#include <machine/context.h>
#include <machine/features.h>
#include <machine/fpu.h>
#include <machine/percpu.h>
#include <machine/registers.h>
#include <machine/segments.h>
#include "kernel/base/panic.h"
#include "kernel/base/sched.h"
#include "vm/pmap.h"

/* What context_swap takes off a new stack. */
struct start_frame {
	uint64_t r15, r14, r13, r12, rbx, rbp;
	void (*rip)(void);
	uint64_t no_caller; /* keeps the stack aligned as after a call, and ends backtraces */
};

struct thread *context_swap(struct thread *from, struct thread *to);
void context_start(void);

void
context_init(struct thread *t, void (*entry)(void *), void *arg)
{
	uintptr_t top = t->user_frame != NULL ? (uintptr_t)t->user_frame : t->kstack_top;
	struct start_frame *f = (struct start_frame *)top - 1;

	ASSERT(top % 16 == 0 && top > t->kstack_base && top <= t->kstack_top,
	       "stack of %s ends at %#lx, frame at %#lx", t->name, t->kstack_top, top);
	*f = (struct start_frame){
	    .rbx = (uintptr_t)entry,
	    .r12 = (uintptr_t)arg,
	    .rip = context_start,
	};
	t->context.sp = (uintptr_t)f;
}

/* save_user_registers, load_user_registers: the state that the kernel does not touch. */
static void
save_user_registers(struct thread *t)
{
	fpu_save(t->fpu);
	if (cpu_features.fsgsbase)
		__asm__ volatile("rdfsbase %0" : "=r"(t->machine.fs_base));
	else
		t->machine.fs_base = msr_read(MSR_FS_BASE);
	t->machine.gs_base = msr_read(MSR_KERNEL_GS_BASE);
}

static void
load_user_registers(const struct thread *t)
{
	fpu_restore(t->fpu);
	if (cpu_features.fsgsbase)
		__asm__ volatile("wrfsbase %0" : : "r"(t->machine.fs_base));
	else
		msr_write(MSR_FS_BASE, t->machine.fs_base);
	msr_write(MSR_KERNEL_GS_BASE, t->machine.gs_base);
}

struct thread *
context_switch(struct thread *from, struct thread *to)
{
	struct percpu *p = curcpu();

	if (from->fpu != NULL)
		save_user_registers(from);
	segments_set_kernel_stack(p, to->kstack_top);
	if (to->pmap != NULL && to->pmap != p->loaded_pmap)
		pmap_activate(to->pmap);
	if (to->fpu != NULL)
		load_user_registers(to);
	p->curthread = to;
	return context_swap(from, to);
}

bool
context_set_user_bases(struct thread *t, uint64_t fs_base, uint64_t gs_base)
{
	if (fs_base >= VM_MAX_USER_ADDRESS || gs_base >= VM_MAX_USER_ADDRESS)
		return false;
	t->machine.fs_base = fs_base;
	t->machine.gs_base = gs_base;
	if (t == curthread()) {
		msr_write(MSR_FS_BASE, fs_base);
		msr_write(MSR_KERNEL_GS_BASE, gs_base);
	}
	return true;
}

void
context_get_user_bases(const struct thread *t, uint64_t *fs_base, uint64_t *gs_base)
{
	if (t == curthread()) {
		*fs_base = msr_read(MSR_FS_BASE);
		*gs_base = msr_read(MSR_KERNEL_GS_BASE);
	} else {
		*fs_base = t->machine.fs_base;
		*gs_base = t->machine.gs_base;
	}
}
