/* SPDX-License-Identifier: BSD-2-Clause */
/* What happened to a program, or to the kernel, in words. */
#ifndef KERNEL_FAULT_REPORT_H
#define KERNEL_FAULT_REPORT_H

#include <stdint.h>
#include <machine/trapframe.h>
#include "vm/vm_types.h"

/*
 * fault_report_memory: the current thread of user mode could not access addr (`access`: one VM_PROT_*
 * right): say who, where, which region was hit or is nearest, and why that did not do.  kr is what
 * vm_fault said.  No lock held; may sleep.
 */
void fault_report_memory(const struct trapframe *tf, uintptr_t addr, vm_prot_t access,
			 kern_return_t kr);

/* fault_report_trap: likewise any other exception. */
void fault_report_trap(const struct trapframe *tf);

/* fault_report_init: have every panic list the threads.  Boot. */
void fault_report_init(void);

/* fault_report_kernel: a fault at addr that the kernel made by mistake, before a panic: registers,
 * and what is known of the address.  Takes no lock. */
void fault_report_kernel(const struct trapframe *tf, uintptr_t addr);

/* fault_report_kernel_trap: likewise any other exception of the kernel. */
void fault_report_kernel_trap(const struct trapframe *tf);

#endif
