/* SPDX-License-Identifier: BSD-2-Clause */
/* Segments, task state and the stacks of the exceptions that cannot trust the current one. */
#ifndef MACHINE_SEGMENTS_H
#define MACHINE_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <machine/asmdefs.h>

/* Interrupt stack table slots; 0 in a gate means "no switch". */
#define IST_DOUBLE_FAULT  1
#define IST_NMI		  2
#define IST_MACHINE_CHECK 3
#define IST_DEBUG	  4
#define IST_COUNT	  4

struct percpu;

/*
 * segments_init: GDT, TSS and exception stacks of this processor, whose area is p, in memory of
 * segments_size() bytes, zeroed and aligned to 16; NULL: the boot processor's own.  Interrupts off;
 * %gs stays as it is.
 */
size_t segments_size(void);
void segments_init(struct percpu *p, void *memory);

/* segments_on_exception_stack: do these bytes lie on stacks of this processor for exceptions?  Any
 * context. */
bool segments_on_exception_stack(uintptr_t addr, size_t size);

/* segments_set_kernel_stack: the stack for traps from user mode on this processor. */
void segments_set_kernel_stack(struct percpu *p, uintptr_t top);

#endif
