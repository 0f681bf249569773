/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleeping mutexes.
 *
 * One word holds the owner and a bit that says whether somebody may be asleep:
 *
 *	0				free
 *	thread				held, nobody waits: releasing need not look at sleep queues
 *	thread | MUTEX_WAITERS		held, somebody may wait: releasing wakes one
 *
 * A waiter becomes a waiter of the sleep queue first, then sets the bit in the owner's word, and
 * sleeps only if that compare-and-swap found the mutex held.  So either the bit is there when the
 * owner lets go, and the wake-up finds the waiter on the queue, or the waiter sees that the mutex
 * is free.  Releasing forgets the bit though others may still sleep; the one that was woken cannot
 * know, so whoever has waited takes the mutex with the bit set.  At worst the last of them wakes
 * nobody once.
 *
 * A thread that comes by may take the mutex before the one that was woken.  Handing it over instead
 * would make each release under contention wait for a switch.
 *
 * Once the word is released the mutex may be gone: from there on only its address is used.
 *
 * This file is also compiled into the host tests: it may use only kernel/base and <machine/cpu.h>.
 */
#include "kernel/base/mutex.h"
#include "kernel/base/panic.h"
#include "kernel/base/sleepq.h"
#include <machine/percpu.h>

#define MUTEX_FREE    ((uintptr_t)0)
#define MUTEX_WAITERS ((uintptr_t)1)

void
mutex_init(struct mutex *m, const char *name, enum lock_rank rank)
{
	*m = (struct mutex)MUTEX_INITIALIZER(name, rank);
}

/* mutex_cas: change the owner word from *expected; otherwise *expected is what it is now. */
static bool
mutex_cas(struct mutex *m, uintptr_t *expected, uintptr_t word)
{
	return __atomic_compare_exchange_n(&m->owner, expected, word, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

/* mutex_take_or_mark: take m with the waiters' bit for `self`, or see to it that the owner has the
 * bit.  True if taken. */
static bool
mutex_take_or_mark(struct mutex *m, uintptr_t self)
{
	uintptr_t owner = __atomic_load_n(&m->owner, __ATOMIC_RELAXED);

	for (;;) {
		if (owner == MUTEX_FREE) {
			if (mutex_cas(m, &owner, self | MUTEX_WAITERS))
				return true;
		} else if ((owner & MUTEX_WAITERS) || mutex_cas(m, &owner, owner | MUTEX_WAITERS)) {
			return false;
		}
	}
}

/* mutex_wait: the slow path of mutex_lock: sleep until m is taken. */
static __attribute__((noinline)) void
mutex_wait(struct mutex *m, uintptr_t self)
{
	VERIFY(!mutex_owned(m), "mutex \"%s\" %p is held by this thread", m->name, (void *)m);
	for (;;) {
		sleepq_prepare(m, m->name);
		if (mutex_take_or_mark(m, self)) {
			sleepq_cancel();
			return;
		}
		sleepq_wait(SLEEPQ_FOREVER, 0);
	}
}

void
mutex_lock(struct mutex *m)
{
	uintptr_t self = (uintptr_t)curthread(), expected = MUTEX_FREE;

	lockorder_assert_sleepable("mutex_lock");
	lockorder_acquire(m, m->name, m->rank, LOCK_CALLER);
	if (__builtin_expect(!mutex_cas(m, &expected, self), 0))
		mutex_wait(m, self);
}

bool
mutex_trylock(struct mutex *m)
{
	uintptr_t expected = MUTEX_FREE;

	if (!mutex_cas(m, &expected, (uintptr_t)curthread()))
		return false;
	lockorder_note(m, m->name, m->rank, LOCK_CALLER);
	return true;
}

void
mutex_unlock(struct mutex *m)
{
	ASSERT(mutex_owned(m), "mutex \"%s\" %p: owner word %#lx, released by %p", m->name,
	       (void *)m, (unsigned long)__atomic_load_n(&m->owner, __ATOMIC_RELAXED),
	       (void *)curthread());
	lockorder_release(m);
	if (__atomic_exchange_n(&m->owner, MUTEX_FREE, __ATOMIC_RELEASE) & MUTEX_WAITERS)
		sleepq_wake_one(m);
}

bool
mutex_owned(const struct mutex *m)
{
	uintptr_t owner = __atomic_load_n(&m->owner, __ATOMIC_RELAXED);

	return owner != MUTEX_FREE && (owner & ~MUTEX_WAITERS) == (uintptr_t)curthread();
}
