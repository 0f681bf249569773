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
#include <machine/percpu.h>

struct thread;

struct rwlock {
	uint64_t state; /* readers, write and waiter bits: see rwlock.c; changed atomically */
	struct thread *writer; /* exclusive holder, for assertions; written by the holder */
	enum lock_rank rank;
	const char *name;
};

/* How often who finds a sleeping lock closed looks again before he sleeps, if there are other processors:
 * about the time of a switch there and back. */
#define LOCK_SPIN_TURNS 2000

void rwlock_init(struct rwlock *l, const char *name, enum lock_rank rank);

/* rwlock_tryread: true if taken, at once. */
bool rwlock_tryread(struct rwlock *l);

/* rwlock_tryupgrade: shared to exclusive without a window; false (still shared) if others read. */
bool rwlock_tryupgrade(struct rwlock *l);
/* rwlock_downgrade: exclusive to shared without a window. */
void rwlock_downgrade(struct rwlock *l);

/* rwlock_write_owned: does the current thread hold l exclusively? */
bool rwlock_write_owned(const struct rwlock *l);
/* rwlock_held: does somebody hold l in some way?  For assertions only. */
bool rwlock_held(const struct rwlock *l);

/* The state word; the whole picture is in rwlock.c. */
#define RWLOCK_COUNT_MASK      (((uint64_t)1 << 20) - 1)
#define RWLOCK_WRITE	       ((uint64_t)1 << 0)
#define RWLOCK_WRITER_WAITING  ((uint64_t)1 << 1)
#define RWLOCK_WRITERS_WAITING (RWLOCK_COUNT_MASK * RWLOCK_WRITER_WAITING)
#define RWLOCK_READER	       ((uint64_t)1 << 22) /* one of those inside */
#define RWLOCK_READERS	       (RWLOCK_COUNT_MASK * RWLOCK_READER)

/* rwlock_wanted: has l a writer, or one that sleeps for it?  After a store of the caller's that is
 * sequentially consistent: if not, every writer to come sees that store. */
static inline bool
rwlock_wanted(const struct rwlock *l)
{
	return (__atomic_load_n(&l->state, __ATOMIC_SEQ_CST) &
		(RWLOCK_WRITE | RWLOCK_WRITERS_WAITING)) != 0;
}

/* What is left to do when the word was not in its most common state; for the functions below. */
void rwlock_read_slowly(struct rwlock *l);
void rwlock_write_slowly(struct rwlock *l);
void rwlock_reader_left(struct rwlock *l, uint64_t state);
/* rwlock_write_leave: take WRITE away and `add` something, make it the waiting readers' turn, and
 * wake those that may enter. */
void rwlock_write_leave(struct rwlock *l, uint64_t add);

/*
 * rwlock_read, rwlock_write: take l shared or exclusive; sleep.  rwlock_read_unlock,
 * rwlock_write_unlock: let go.  rwlock_trywrite: take it exclusively, true, if nobody has it or waits for
 * it.  Release builds have the undisturbed case inline.
 */
#ifdef CONFIG_DEBUG
bool rwlock_trywrite(struct rwlock *l);
void rwlock_read(struct rwlock *l);
void rwlock_write(struct rwlock *l);
void rwlock_read_unlock(struct rwlock *l);
void rwlock_write_unlock(struct rwlock *l);
#else

static inline bool
rwlock_change(struct rwlock *l, uint64_t from, uint64_t to)
{
	return __builtin_expect(__atomic_compare_exchange_n(&l->state, &from, to, false,
							    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED),
				1);
}

static inline void
rwlock_read(struct rwlock *l)
{
	uint64_t s = __atomic_load_n(&l->state, __ATOMIC_RELAXED);

	if ((s & ~RWLOCK_READERS) != 0 || !rwlock_change(l, s, s + RWLOCK_READER))
		rwlock_read_slowly(l);
}

static inline bool
rwlock_trywrite(struct rwlock *l)
{
	if (!rwlock_change(l, 0, RWLOCK_WRITE))
		return false;
	__atomic_store_n(&l->writer, curthread(), __ATOMIC_RELAXED);
	return true;
}

static inline void
rwlock_write(struct rwlock *l)
{
	if (!rwlock_change(l, 0, RWLOCK_WRITE))
		rwlock_write_slowly(l);
	__atomic_store_n(&l->writer, curthread(), __ATOMIC_RELAXED);
}

static inline void
rwlock_read_unlock(struct rwlock *l)
{
	uint64_t s = __atomic_sub_fetch(&l->state, RWLOCK_READER, __ATOMIC_RELEASE);

	if (__builtin_expect((s & RWLOCK_WRITERS_WAITING) != 0, 0))
		rwlock_reader_left(l, s);
}

static inline void
rwlock_write_unlock(struct rwlock *l)
{
	__atomic_store_n(&l->writer, NULL, __ATOMIC_RELAXED);
	if (!rwlock_change(l, RWLOCK_WRITE, 0))
		rwlock_write_leave(l, 0);
}

#endif

#endif
