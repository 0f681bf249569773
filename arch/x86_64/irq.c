/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts: a table of handlers by vector, the end-of-interrupt signal, and preemption on the way
 * out.
 *
 * A handler runs with interrupts off and irq_depth raised.  Afterwards, if it interrupted the
 * kernel where that may be preempted (no spinlock, no preempt_enter(), no other interrupt), the scheduler may switch;
 * where it interrupted a user program, entry.S looks on its way out.
 */
#include <stddef.h>
#include <machine/apic.h>
#include <machine/irq.h>
#include <machine/percpu.h>
#include <machine/trap.h>
#include "kernel/base/panic.h"
#include "kernel/base/print.h"
#include "kernel/base/sched.h"

/* Written at boot before the source is unmasked, then constant. */
static struct {
	void (*fn)(void *arg);
	void *arg;
} handlers[VECTOR_COUNT];

static bool reported[VECTOR_COUNT]; /* unexpected ones are reported once */

void
irq_register(uint8_t vector, void (*fn)(void *arg), void *arg)
{
	VERIFY(vector >= VECTOR_EXCEPTIONS && handlers[vector].fn == NULL,
	       "vector %u is an exception or taken", vector);
	handlers[vector].arg = arg;
	handlers[vector].fn = fn;
}

static void
report_unexpected(uint8_t vector)
{
	if (reported[vector])
		return;
	reported[vector] = true;
	kprintf("irq: unexpected interrupt, vector %u\n", vector);
}

/* needs_eoi: the local APIC does not wait for the end of its spurious ones, nor of the old
 * controller's. */
static bool
needs_eoi(uint8_t vector)
{
	return vector != VECTOR_SPURIOUS && vector >= VECTOR_IOAPIC;
}

void
irq_dispatch(struct trapframe *tf)
{
	struct percpu *p = curcpu();
	uint8_t vector = tf->vector;

	p->irq_depth++;
	if (handlers[vector].fn != NULL)
		handlers[vector].fn(handlers[vector].arg);
	else if (vector != VECTOR_SPURIOUS)
		report_unexpected(vector);
	if (needs_eoi(vector))
		lapic_eoi();
	p->irq_depth--;

	if (!trapframe_from_user(tf) && p->irq_depth == 0 && p->spin_depth == 0 &&
	    curthread()->preempt_pending && curthread()->nopreempt == 0)
		sched_preempt();
}
