/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions.
 *
 *	page fault
 *	  from user mode		vm_fault on the process's map; unresolved: the process ends
 *	  from the kernel, user address	only copyin and its kin may (they have a fixup): the same, as
 *					the user's own access would; unresolved: the copy fails
 *	  from the kernel, kernel_map	vm_fault on kernel_map: parts of it are pageable
 *	  else				a kernel bug: panic
 *	any other
 *	  from user mode		the process ends
 *	  from the kernel		an instruction with a fixup, or panic
 *
 * An exception of a user thread ends its process with PROC_FAULTED and a report on the log.
 */
#include <machine/cpu.h>
#include <machine/trap.h>
#include <pagoda/abi.h>
#include "kernel/base/compiler.h"
#include "kernel/base/panic.h"
#include "kernel/base/sched.h"
#include "kernel/exception.h"
#include "kernel/fault_report.h"
#include "kernel/proc.h"
#include "kernel/thread.h"
#include "vm/vm_fault.h"
#include "vm/vmspace.h"

/* Bits of a page fault's error code. */
#define FAULT_PRESENT  0x01 /* a page is mapped, but not for this access */
#define FAULT_WRITE    0x02
#define FAULT_RESERVED 0x08 /* a damaged table entry */
#define FAULT_FETCH    0x10

static vm_prot_t
access_of(uint64_t error)
{
	if ((error & FAULT_FETCH) != 0)
		return VM_PROT_EXECUTE;
	return (error & FAULT_WRITE) != 0 ? VM_PROT_WRITE : VM_PROT_READ;
}

/* fault_kind: the ABI's word for what vm_fault said. */
static int32_t
fault_kind(kern_return_t kr)
{
	switch (kr) {
	case KERN_PROTECTION_FAILURE:
		return FAULT_ACCERR;
	case KERN_OUT_OF_BOUNDS:
		return FAULT_OBJERR;
	case KERN_RESOURCE_SHORTAGE:
		return FAULT_NOMEM;
	default:
		return FAULT_MAPERR;
	}
}

/* user_fault_failed: it could not be served.  A killed thread ends on its way back to user mode. */
static SLOWPATH void
user_fault_failed(struct trapframe *tf, uintptr_t addr, vm_prot_t access, kern_return_t kr)
{
	if (kr == KERN_ABORTED)
		return;
	fault_report_memory(tf, addr, access, kr);
	proc_end(curthread()->proc, PROC_FAULTED, fault_kind(kr), addr);
}

/* user_fault: a user thread touched addr. */
static void
user_fault(struct trapframe *tf, uintptr_t addr)
{
	vm_prot_t access = access_of(tf->error);
	kern_return_t kr = KERN_INVALID_ADDRESS;

	if (addr < VM_MAX_USER_ADDRESS)
		kr = vm_fault(&curthread()->proc->vmspace->vm_map, addr, access, VM_FAULT_NORMAL);
	if (kr != KERN_SUCCESS)
		user_fault_failed(tf, addr, access, kr);
}

static SLOWPATH _Noreturn void
kernel_bug(struct trapframe *tf, uintptr_t addr, const char *what)
{
	fault_report_kernel(tf, addr);
	panic("%s at %#lx, by the instruction at %#lx", what, addr, tf->rip);
}

/* map_of: the map that a kernel access to addr goes through; NULL: it may not happen. */
static vm_map_t
map_of(uintptr_t addr)
{
	const struct proc *p = curthread()->proc;

	if (addr >= VM_MIN_KERNEL_ADDRESS && addr < VM_MAX_KERNEL_ADDRESS)
		return kernel_map;
	if (addr < VM_MAX_USER_ADDRESS && p != NULL && p->vmspace != NULL)
		return &p->vmspace->vm_map;
	return NULL;
}

/* kernel_fault: the kernel touched addr.  Not inline: the way of a user's fault is short. */
static SLOWPATH void
kernel_fault(struct trapframe *tf, uintptr_t addr)
{
	struct trapframe recovery = *tf;
	bool may_fail = trap_fixup(&recovery);
	vm_map_t map = map_of(addr);

	if (map == NULL || (map != kernel_map && !may_fail))
		kernel_bug(tf, addr, "a wild access of the kernel");
	if (!curthread()->nofaulting && cpu_irqs_on() &&
	    vm_fault(map, addr, access_of(tf->error), VM_FAULT_NORMAL) == KERN_SUCCESS)
		return;
	if (!may_fail)
		kernel_bug(tf, addr, "an access of the kernel that could not be served");
	tf->rip = recovery.rip;
}

void
exception_page_fault(struct trapframe *tf, uintptr_t addr)
{
	if ((tf->error & FAULT_RESERVED) != 0)
		kernel_bug(tf, addr, "a damaged page table");
	if (trapframe_from_user(tf))
		user_fault(tf, addr);
	else
		kernel_fault(tf, addr);
}

/* trap_kind: the ABI's word for an exception. */
static int32_t
trap_kind(uint64_t vector)
{
	switch (vector) {
	case TRAP_DIVIDE:
	case TRAP_FPU:
	case TRAP_SIMD:
		return FAULT_MATH;
	case TRAP_INVALID_OPCODE:
	case TRAP_NO_FPU:
		return FAULT_ILLEGAL;
	case TRAP_DEBUG:
	case TRAP_BREAKPOINT:
		return FAULT_TRAP;
	default:
		return FAULT_GENERAL;
	}
}

void
exception_trap(struct trapframe *tf)
{
	if (trapframe_from_user(tf)) {
		fault_report_trap(tf);
		proc_end(curthread()->proc, PROC_FAULTED, trap_kind(tf->vector), tf->rip);
	} else if (!trap_fixup(tf)) {
		fault_report_kernel_trap(tf);
		panic("%s in the kernel at %#lx", trap_name(tf->vector), tf->rip);
	}
}

void
trap_return_hook(struct trapframe *tf)
{
	struct thread *t = curthread();

	(void)tf;
	if (t->stop_pending && !t->killed)
		thread_stop_here();
	if (t->killed)
		thread_exit();
}
