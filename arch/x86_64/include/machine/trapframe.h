/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers that every entry into the kernel saves, system calls included.  For a user thread
 * the frame is at the very top of its kernel stack (thread->user_frame).
 */
#ifndef MACHINE_TRAPFRAME_H
#define MACHINE_TRAPFRAME_H

#include <stdbool.h>
#include <stdint.h>

struct trapframe {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector; /* exception or interrupt number; TRAP_SYSCALL for a system call */
	uint64_t error;	 /* error code; DR6 of a debug exception; otherwise 0 */
	uint64_t rip, cs, rflags, rsp, ss; /* what iretq takes */
};

#define TRAP_PAGE_FAULT 14
#define TRAP_SYSCALL	0x100

static inline bool
trapframe_from_user(const struct trapframe *tf)
{
	return (tf->cs & 3) != 0;
}

/* trapframe_init_user: a frame that starts a user program at rip with the stack pointer rsp and all
 * other registers zero. */
void trapframe_init_user(struct trapframe *tf, uint64_t rip, uint64_t rsp);

/* trapframe_sanitize: after registers were set by a program: force what a user frame must have
 * (selectors, interrupt flag, no privileged flags).  The address rip need not be checked. */
void trapframe_sanitize(struct trapframe *tf);

/* trapframe_print: all registers to the log.  Any context. */
void trapframe_print(const struct trapframe *tf);

/* trapframe_enter_user: leave the kernel with the current thread's user_frame; does everything that
 * a return from a system call does (kill, preemption).  No lock held. */
_Noreturn void trapframe_enter_user(void);

#endif
