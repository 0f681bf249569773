/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions: what the processor could not do, as it comes from arch/ (machine/upcalls.h). */
#ifndef KERNEL_EXCEPTION_H
#define KERNEL_EXCEPTION_H

#include <stdint.h>

struct trapframe;

void exception_page_fault(struct trapframe *tf, uintptr_t addr);
void exception_trap(struct trapframe *tf);
void trap_return_hook(struct trapframe *tf);

#endif
