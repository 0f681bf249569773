/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spinlocks: the slow paths, and the checked fast paths of debug builds.
 *
 *	spin_depth	counts, per processor, the spinlocks held and the spin_enter()s
 *	0 -> 1		interrupts go off; whether they were on is kept in spin_irqs_were_on
 *	1 -> 0		if they were, they come back, after a switch that became due meanwhile
 *
 * The owner word holds the processor, not the thread: with interrupts off the two are one, and it
 * tells a processor that waits for itself.  Taking is a compare-and-swap with acquire order, giving
 * back a store with release order.  The lock is not fair.  Ticket locks are, but a holder's
 * processor could then not be named, and a virtual processor that loses its turn would stop all
 * others behind it.
 *
 * This file is also compiled into the host tests: it may use only kernel/base and <machine/cpu.h>.
 */
#include "kernel/base/spinlock.h"
#include "kernel/base/lockhold.h"
#include "kernel/base/panic.h"
#include "kernel/base/preempt.h"

void
spinlock_init(struct spinlock *l, const char *name, enum lock_rank rank)
{
	*l = (struct spinlock)SPINLOCK_INITIALIZER(name, rank);
}

/*
 * spin_preempt: let a better thread run, now that this processor's last spinlock is released.
 *
 * Locks:   none; interrupts off on entry and exit.
 * Inside an interrupt nothing is done: its way out looks at preempt_pending again; nor between
 * preempt_enter() and preempt_exit().
 */
void
spin_preempt(void)
{
	if (curcpu()->irq_depth == 0 && curthread()->nopreempt == 0)
		sched_preempt();
}

/* preempt_late: see preempt.h.  Inside a spinlock or an interrupt nothing is done: what ends it looks
 * again. */
void
preempt_late(void)
{
	if (!cpu_irqs_on() || curthread()->nopreempt != 0)
		return;
	cpu_irq_disable();
	sched_preempt();
	cpu_irq_enable();
}

/*
 * spinlock_wait: spin until l is taken for this processor.
 *
 *	self	owner word of this processor
 *
 * Locks:   interrupts off, l not held; l held on exit.
 * Only reads the word while it is taken, so that the waiters do not pull the cache line about.
 */
void
spinlock_wait(struct spinlock *l, uint32_t self)
{
	struct lockhold_wait w = {0};

	for (unsigned turns = 1;; turns++) {
		uint32_t owner = __atomic_load_n(&l->owner, __ATOMIC_RELAXED);

		VERIFY(owner != self,
		       "processor %u waits for itself: spinlock \"%s\" %p is held here", self - 1,
		       l->name, (void *)l);
		if (owner == SPINLOCK_FREE && spinlock_take(l, self))
			return;
		if (lockhold_waits_too_long(&w))
			panic("spinlock \"%s\" %p is not released by processor %u", l->name,
			      (void *)l, owner - 1);
		cpu_spin_poll(turns);
	}
}

#ifdef CONFIG_DEBUG

void
spinlock_lock(struct spinlock *l)
{
	uint32_t self;

	spin_enter();
	self = cpu_id() + 1;
	lockorder_acquire(l, l->name, l->rank, LOCK_CALLER);
	if (!spinlock_take(l, self))
		spinlock_wait(l, self);
	lockorder_taken();
}

bool
spinlock_trylock(struct spinlock *l)
{
	spin_enter();
	if (spinlock_take(l, cpu_id() + 1)) {
		lockorder_note(l, l->name, l->rank, LOCK_CALLER);
		return true;
	}
	spin_exit();
	return false;
}

void
spinlock_unlock(struct spinlock *l)
{
	ASSERT(spinlock_owned(l), "spinlock \"%s\" %p: owner word %u, released by processor %u",
	       l->name, (void *)l, __atomic_load_n(&l->owner, __ATOMIC_RELAXED), cpu_id());
	ASSERT(curcpu()->spin_depth > 0, "spinlock \"%s\" released at depth 0", l->name);
	lockorder_unlocked(l, LOCK_CALLER);
	__atomic_store_n(&l->owner, SPINLOCK_FREE, __ATOMIC_RELEASE);
	spin_exit();
}

#endif
