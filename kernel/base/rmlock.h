/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Read-mostly locks: sleeping reader/writer locks whose readers, on different processors, write to
 * different cache lines.
 *
 *	readers[cpu].count	in: +1 on the processor where it comes in, -1 where it leaves
 *	rw			writers take it exclusively; readers that find it with a writer take it
 *				shared, come in then, and let it go.  While it has a writer, or one that
 *				sleeps for it, the lock is closed
 *
 * A reader counts itself first and looks at rw then; a writer takes rw first and adds up the counts
 * then: one of them sees the other.  A reader that finds the lock closed takes back its count in the
 * same place; so while it is closed, no place goes down that did not go up before, and the sum is
 * never less than the readers inside.
 *
 * Writers pay for it: they look at one cache line for each processor.  The same rules as for a rwlock,
 * and one more: who leaves as a reader looks at the lock once more afterwards, so it must be kept (by
 * a reference, say) until then.
 */
#ifndef KERNEL_BASE_RMLOCK_H
#define KERNEL_BASE_RMLOCK_H

#include "kernel/base/rwlock.h"
#include <machine/cpu.h>
#include <machine/param.h>

struct rmlock {
	struct rwlock rw; /* its word is read by all who come in, and by writers that wait */
	uint8_t apart[CACHE_LINE_SIZE - sizeof(struct rwlock)];
	struct rmlock_readers {
		uint32_t count; /* (a) may be below 0, as readers move */
		uint8_t apart[CACHE_LINE_SIZE - sizeof(uint32_t)];
	} readers[MACHINE_MAX_CPUS];
} __attribute__((aligned(CACHE_LINE_SIZE))); /* (a) atomic */

/* rmlock_init: l, which is all zero, is an open lock. */
void rmlock_init(struct rmlock *l, const char *name, enum lock_rank rank);

/* rmlock_tryread, rmlock_trywrite: true if taken, at once. */
bool rmlock_tryread(struct rmlock *l);
bool rmlock_trywrite(struct rmlock *l);

/* rmlock_tryupgrade: shared to exclusive without a window; false (still shared) if others read.
 * rmlock_downgrade: exclusive to shared without a window. */
bool rmlock_tryupgrade(struct rmlock *l);
void rmlock_downgrade(struct rmlock *l);

/* rmlock_write_owned: does the current thread hold l exclusively?  rmlock_held: does somebody hold l in
 * some way?  For assertions only. */
bool rmlock_write_owned(const struct rmlock *l);
bool rmlock_held(const struct rmlock *l);

/* What is left to do when the lock was not open; for the functions below. */
void rmlock_read_slowly(struct rmlock *l);
void rmlock_back_out(struct rmlock *l, uint32_t *place);
void rmlock_reader_left(struct rmlock *l);
void rmlock_wait_for_readers(struct rmlock *l);

/* rmlock_readers: how many are inside, at least.  The lock is closed. */
static inline uint32_t
rmlock_readers(const struct rmlock *l)
{
	uint32_t sum = __atomic_load_n(&l->readers[0].count, __ATOMIC_SEQ_CST);

	for (uint32_t id = 1; id < cpu_count(); id++)
		sum += __atomic_load_n(&l->readers[id].count, __ATOMIC_SEQ_CST);
	return sum;
}

static inline uint32_t *
rmlock_place(struct rmlock *l)
{
	return &l->readers[cpu_id()].count;
}

/* rmlock_enter: come in as a reader if the lock is open. */
static inline bool
rmlock_enter(struct rmlock *l)
{
	uint32_t *place = rmlock_place(l);

	__atomic_fetch_add(place, 1, __ATOMIC_SEQ_CST);
	if (__builtin_expect(!rwlock_wanted(&l->rw), 1))
		return true;
	rmlock_back_out(l, place);
	return false;
}

static inline void
rmlock_leave(struct rmlock *l)
{
	__atomic_fetch_sub(rmlock_place(l), 1, __ATOMIC_SEQ_CST);
	if (__builtin_expect(rwlock_wanted(&l->rw), 0))
		rmlock_reader_left(l);
}

/* rmlock_write, rmlock_write_unlock: exclusive.  Sleeps. */
static inline void
rmlock_write(struct rmlock *l)
{
	rwlock_write(&l->rw);
	if (__builtin_expect(rmlock_readers(l) != 0, 0))
		rmlock_wait_for_readers(l);
}

static inline void
rmlock_write_unlock(struct rmlock *l)
{
	rwlock_write_unlock(&l->rw);
}

/* rmlock_read, rmlock_read_unlock: shared.  Sleeps.  Release builds have the open case inline. */
#ifdef CONFIG_DEBUG
void rmlock_read(struct rmlock *l);
void rmlock_read_unlock(struct rmlock *l);
#else

static inline void
rmlock_read(struct rmlock *l)
{
	if (!rmlock_enter(l))
		rmlock_read_slowly(l);
}

static inline void
rmlock_read_unlock(struct rmlock *l)
{
	rmlock_leave(l);
}

#endif

#endif
