/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleeping reader/writer locks.  Not recursive, not even for readers.  Waiting writers hold off new
 * readers, and after a writer the readers that waited have their turn, so neither side starves.
 * Waits are not killable: holders never wait for an event.
 */
#ifndef KERNEL_BASE_RWLOCK_H
#define KERNEL_BASE_RWLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include "kernel/base/lockorder.h"

struct thread;

struct rwlock {
	uint64_t state; /* readers, write and waiter bits: see rwlock.c; changed atomically */
	struct thread *writer; /* exclusive holder, for assertions; written by the holder */
	enum lock_rank rank;
	const char *name;
};

void rwlock_init(struct rwlock *l, const char *name, enum lock_rank rank);

/* rwlock_read, rwlock_write: take l shared or exclusive; sleep. */
void rwlock_read(struct rwlock *l);
void rwlock_write(struct rwlock *l);
/* rwlock_tryread, rwlock_trywrite: true if taken, at once. */
bool rwlock_tryread(struct rwlock *l);
bool rwlock_trywrite(struct rwlock *l);
void rwlock_read_unlock(struct rwlock *l);
void rwlock_write_unlock(struct rwlock *l);

/* rwlock_tryupgrade: shared to exclusive without a window; false (still shared) if others read. */
bool rwlock_tryupgrade(struct rwlock *l);
/* rwlock_downgrade: exclusive to shared without a window. */
void rwlock_downgrade(struct rwlock *l);

/* rwlock_write_owned: does the current thread hold l exclusively? */
bool rwlock_write_owned(const struct rwlock *l);
/* rwlock_held: does somebody hold l in some way?  For assertions only. */
bool rwlock_held(const struct rwlock *l);

#endif
