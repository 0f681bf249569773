/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions and interrupts: what the rest of the kernel can ask of trap.c, irq.c and idt.c. */
#ifndef MACHINE_TRAP_H
#define MACHINE_TRAP_H

#include <stdbool.h>
#include <stdint.h>
#include <machine/trapframe.h>

#define VECTOR_COUNT	  256
#define VECTOR_EXCEPTIONS 32 /* below: exceptions; from here on: interrupts */

/* Interrupt vectors, by priority class. */
#define VECTOR_PIC	 32 /* 16 of them: the old controller, masked, spurious at most */
#define VECTOR_IOAPIC	 48 /* + global interrupt number, IRQ_MAX of them */
#define VECTOR_TIMER	 240
#define VECTOR_RESCHED	 241 /* from another processor: look at preempt_pending */
#define VECTOR_SHOOTDOWN 242 /* from another processor: forget translations (pmap_tlb.c) */
#define VECTOR_SPURIOUS	 255

#define IRQ_MAX 64

enum trap_number {
	TRAP_DIVIDE = 0,
	TRAP_DEBUG = 1,
	TRAP_NMI = 2,
	TRAP_BREAKPOINT = 3,
	TRAP_INVALID_OPCODE = 6,
	TRAP_NO_FPU = 7,
	TRAP_DOUBLE_FAULT = 8,
	TRAP_PROTECTION = 13,
	TRAP_FPU = 16,
	TRAP_ALIGNMENT = 17,
	TRAP_MACHINE_CHECK = 18,
	TRAP_SIMD = 19,
};

/* trap_init: fill the IDT, and trap_cpu_init().  Early boot.
 * trap_cpu_init: load the IDT on this processor, and its system-call registers. */
void trap_init(void);
void trap_cpu_init(void);

/* trap_name: the exception's usual name, "interrupt" from 32 on. */
const char *trap_name(uint64_t vector);

/*
 * trap_fixup: if the kernel instruction at tf->rip is one that may fault (copy.S), make it go on at
 * its recovery address and return true.  For faults that could not be resolved.
 */
bool trap_fixup(struct trapframe *tf);

/*
 * irq_register: call fn(arg) for each interrupt of this vector (VECTOR_EXCEPTIONS and up), with
 * interrupts off; it must not sleep.  Registered once, before the source is unmasked.
 */
void irq_register(uint8_t vector, void (*fn)(void *arg), void *arg);

#endif
