/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread that keeps its processor for a moment: what belongs to a processor and is never used by
 * interrupt handlers (caches of frames and of objects) needs no more than that.
 *
 * Interrupts come and go; the switch that one of them asks for waits until preempt_exit().  Much
 * cheaper than spin_enter(), as the interrupt flag stays alone.  Spinlocks may be taken inside;
 * sleeping is forbidden as with them.
 */
#ifndef KERNEL_BASE_PREEMPT_H
#define KERNEL_BASE_PREEMPT_H

#include "kernel/base/sched.h"

/* preempt_late: preempt_exit()'s slow path: a switch has been asked for. */
void preempt_late(void);

/* preempt_enter: the current thread keeps its processor from now on.  Nests. */
static inline void
preempt_enter(void)
{
	curthread()->nopreempt++;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* preempt_exit: undo one preempt_enter(). */
static inline void
preempt_exit(void)
{
	struct thread *t = curthread();

	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->nopreempt--;
	if (__builtin_expect(__atomic_load_n(&t->preempt_pending, __ATOMIC_RELAXED), 0))
		preempt_late();
}

#endif
