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

/*
 * syscall_table: what entry.S calls for the numbers from SYSCALL_FIRST on, SYSCALL_COUNT of them;
 * syscall_unknown: for all others.  Arguments in tf; the result goes to its rax.  Interrupts on.
 * syscall_check: in debug builds, called with the result, which it returns.
 */
typedef int64_t syscall_fn(const struct trapframe *tf);
extern syscall_fn *const syscall_table[];
syscall_fn syscall_unknown;
int64_t syscall_check(int64_t result);

/* exception_page_fault: a page fault at addr.  Interrupts as they were at the fault. */
void exception_page_fault(struct trapframe *tf, uintptr_t addr);

/* exception_trap: any other exception.  Interrupts as they were. */
void exception_trap(struct trapframe *tf);

/* trap_return_hook: the current thread is about to return to user mode and is to die or has used up
 * its turn.  Interrupts on; may not return. */
void trap_return_hook(struct trapframe *tf);

#endif
