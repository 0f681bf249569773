/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A mutex of one word.  0: free.  1: held, nobody waits.  2: held, somebody may wait.
 *
 * Whoever has to wait sets 2, and whoever unlocks a 2 wakes one waiter, who takes the lock as a 2
 * (there may be more waiters).  Without a contender neither end enters the kernel.
 */
#include <stdbool.h>

#include <pagoda/syscalls.h>
#include <pagoda/thread.h>

enum {
	FREE,
	HELD,
	CONTENDED
};

void
mutex_lock(struct mutex *m)
{
	uint32_t expected = FREE;

	if (__atomic_compare_exchange_n(&m->state, &expected, HELD, false, __ATOMIC_ACQUIRE,
					__ATOMIC_RELAXED)) {
		return;
	}
	while (__atomic_exchange_n(&m->state, CONTENDED, __ATOMIC_ACQUIRE) != FREE) {
		futex_wait(&m->state, CONTENDED, FOREVER);
	}
}

void
mutex_unlock(struct mutex *m)
{
	if (__atomic_exchange_n(&m->state, FREE, __ATOMIC_RELEASE) == CONTENDED) {
		futex_wake(&m->state, 1);
	}
}
