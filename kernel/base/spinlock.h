/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spinlocks: mutual exclusion between processors, with interrupts off on the holder's.
 *
 * The holder must not sleep, allocate memory that may wait, or touch user addresses.  Interrupts
 * come back on when the last spinlock of this processor is released and they were on before the
 * first; a thread that was woken meanwhile and is better than the current one then runs at once.
 * So interrupts may be on only once there is a current thread.
 * A waiter calls cpu_spin_poll(), which pauses and serves shootdown requests.
 *
 * The fast paths are short and inline.  In debug builds they are functions, in spinlock.c, which
 * check the order of locks and know the place they were called from.
 */
#ifndef KERNEL_BASE_SPINLOCK_H
#define KERNEL_BASE_SPINLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include "kernel/base/lockorder.h"
#include "kernel/base/sched.h"
#include <machine/cpu.h>
#include <machine/percpu.h>

#define SPINLOCK_FREE 0u

struct spinlock {
	uint32_t owner; /* 0 free, otherwise processor id + 1; changed by compare-and-swap */
	enum lock_rank rank;
	const char *name;
};

#define SPINLOCK_INITIALIZER(n, r)                               \
	{                                                        \
		.owner = SPINLOCK_FREE, .rank = (r), .name = (n) \
	}

void spinlock_init(struct spinlock *l, const char *name, enum lock_rank rank);

/* spin_preempt, spinlock_wait: the slow paths of what follows; not for other callers. */
void spin_preempt(void);
void spinlock_wait(struct spinlock *l, uint32_t self);

/* spin_enter: interrupts off, counted, as spinlock_lock does (nests with it). */
static inline void
spin_enter(void)
{
	bool were_on = cpu_irq_save();
	struct percpu *c = curcpu();

	if (c->spin_depth++ == 0)
		c->spin_irqs_were_on = were_on;
}

/* spin_exit: undo one spin_enter; the last one turns interrupts on if they were. */
static inline void
spin_exit(void)
{
	struct percpu *c = curcpu();

	if (--c->spin_depth > 0 || !c->spin_irqs_were_on)
		return;
	if (__builtin_expect(c->curthread->preempt_pending, 0))
		spin_preempt();
	cpu_irq_enable();
}

/* spinlock_owned: held by this processor? */
static inline bool
spinlock_owned(const struct spinlock *l)
{
	return __atomic_load_n(&l->owner, __ATOMIC_RELAXED) == cpu_id() + 1;
}

/* spinlock_take: one attempt, interrupts off already; true if taken. */
static inline bool
spinlock_take(struct spinlock *l, uint32_t self)
{
	uint32_t expected = SPINLOCK_FREE;

	return __atomic_compare_exchange_n(&l->owner, &expected, self, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

#ifdef CONFIG_DEBUG

/* spinlock_lock: take l.  Not held by this processor on entry; interrupts are off on return. */
void spinlock_lock(struct spinlock *l);

/* spinlock_trylock: take l if it is free now; true if taken (no order check: cannot deadlock). */
bool spinlock_trylock(struct spinlock *l);

/* spinlock_unlock: release l, held by this processor. */
void spinlock_unlock(struct spinlock *l);

/* spinlock_lock_nested, spinlock_trylock_nested, spinlock_unlock_nested: the same, cheaper, while another
 * spinlock is held from before to after, or between spin_enter() and spin_exit(): interrupts are off
 * anyway. */
static inline void
spinlock_lock_nested(struct spinlock *l)
{
	spinlock_lock(l);
}

static inline bool
spinlock_trylock_nested(struct spinlock *l)
{
	return spinlock_trylock(l);
}

static inline void
spinlock_unlock_nested(struct spinlock *l)
{
	spinlock_unlock(l);
}

#else

static inline void
spinlock_lock(struct spinlock *l)
{
	uint32_t self;

	spin_enter();
	self = cpu_id() + 1;
	if (__builtin_expect(!spinlock_take(l, self), 0))
		spinlock_wait(l, self);
}

static inline bool
spinlock_trylock(struct spinlock *l)
{
	spin_enter();
	if (spinlock_take(l, cpu_id() + 1))
		return true;
	spin_exit();
	return false;
}

static inline void
spinlock_unlock(struct spinlock *l)
{
	__atomic_store_n(&l->owner, SPINLOCK_FREE, __ATOMIC_RELEASE);
	spin_exit();
}

static inline void
spinlock_lock_nested(struct spinlock *l)
{
	uint32_t self = cpu_id() + 1;

	if (__builtin_expect(!spinlock_take(l, self), 0))
		spinlock_wait(l, self);
}

static inline bool
spinlock_trylock_nested(struct spinlock *l)
{
	return spinlock_take(l, cpu_id() + 1);
}

static inline void
spinlock_unlock_nested(struct spinlock *l)
{
	__atomic_store_n(&l->owner, SPINLOCK_FREE, __ATOMIC_RELEASE);
}

#endif

#endif
