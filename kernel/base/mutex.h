/* SPDX-License-Identifier: BSD-2-Clause */
/* Sleeping mutexes.  Not recursive.  The wait is not killable: holders never wait for an event. */
#ifndef KERNEL_BASE_MUTEX_H
#define KERNEL_BASE_MUTEX_H

#include <stdbool.h>
#include <stdint.h>
#include "kernel/base/lockorder.h"

struct thread;

struct mutex {
	uintptr_t owner; /* thread pointer | MUTEX_WAITERS; 0 free; changed by compare-and-swap */
	enum lock_rank rank;
	const char *name;
};

#define MUTEX_INITIALIZER(n, r)                      \
	{                                            \
		.owner = 0, .rank = (r), .name = (n) \
	}

void mutex_init(struct mutex *m, const char *name, enum lock_rank rank);
/* mutex_lock: take m; sleeps.  Not held on entry. */
void mutex_lock(struct mutex *m);
/* mutex_trylock: true if taken, at once. */
bool mutex_trylock(struct mutex *m);
/* mutex_unlock: release m, held by the current thread. */
void mutex_unlock(struct mutex *m);
/* mutex_owned: held by the current thread? */
bool mutex_owned(const struct mutex *m);

#endif
