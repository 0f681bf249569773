/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the machine layer calls upward.  The functions are in kernel/; these are their contracts.
 * Everything else in arch/ and boot/ knows only its own storey and those below.
 */
#ifndef MACHINE_UPCALLS_H
#define MACHINE_UPCALLS_H

#include <stdint.h>

struct boot_info;
struct trapframe;

/* kmain: the kernel proper, on the stack of thread0, interrupts off. */
_Noreturn void kmain(const struct boot_info *bi);

/* syscall_dispatch: a system call; registers in tf, result into tf->rax.  Interrupts on. */
void syscall_dispatch(struct trapframe *tf);

/* exception_page_fault: a page fault at addr.  Interrupts as they were at the fault. */
void exception_page_fault(struct trapframe *tf, uintptr_t addr);

/* exception_trap: any other exception.  Interrupts as they were. */
void exception_trap(struct trapframe *tf);

/* trap_return_hook: the current thread is about to return to user mode and is to die or has used up
 * its turn.  Interrupts on; may not return. */
void trap_return_hook(struct trapframe *tf);

#endif
