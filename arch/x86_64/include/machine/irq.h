/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt dispatch, for trap.c. */
#ifndef MACHINE_IRQ_H
#define MACHINE_IRQ_H

struct trapframe;

/* irq_dispatch: serve the interrupt in tf.  Interrupts off; may switch threads on the way out. */
void irq_dispatch(struct trapframe *tf);

#endif
