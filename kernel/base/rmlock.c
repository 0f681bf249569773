/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Read-mostly locks: what is not inline.  rmlock.h says how they work.
 *
 * In debug builds a reader inside is noted with the lock's own address, a writer with that of its rw.
 *
 * This file is also compiled into the host tests: it may use only kernel/base and <machine/cpu.h>.
 */
#include "kernel/base/rmlock.h"
#include "kernel/base/panic.h"
#include "kernel/base/sleepq.h"

void
rmlock_init(struct rmlock *l, const char *name, enum lock_rank rank)
{
	rwlock_init(&l->rw, name, rank);
}

/* note_reader: this thread is a reader inside from now on; forget_reader: no more. */
static void
note_reader(struct rmlock *l)
{
	lockorder_note(l, l->rw.name, l->rw.rank, LOCK_CALLER);
}

static void
forget_reader(struct rmlock *l)
{
	lockorder_release(l);
}

/* ---- Readers ---- */

void
rmlock_back_out(struct rmlock *l, uint32_t *place)
{
	__atomic_fetch_sub(place, 1, __ATOMIC_SEQ_CST);
	rmlock_reader_left(l);
}

/* readers_channel: where the writer that has rw waits for the last reader. */
static const void *
readers_channel(const struct rmlock *l)
{
	return l->readers;
}

/* The writer has taken rw before it looks for readers: if it found one more, it waits now. */
void
rmlock_reader_left(struct rmlock *l)
{
	sleepq_wake_one(readers_channel(l));
}

/* No writer is in while we hold rw; one that waits for it will find us counted. */
void
rmlock_read_slowly(struct rmlock *l)
{
	rwlock_read(&l->rw);
	__atomic_fetch_add(rmlock_place(l), 1, __ATOMIC_SEQ_CST);
	rwlock_read_unlock(&l->rw);
}

bool
rmlock_tryread(struct rmlock *l)
{
	if (!rmlock_enter(l))
		return false;
	note_reader(l);
	return true;
}

#ifdef CONFIG_DEBUG

void
rmlock_read(struct rmlock *l)
{
	lockorder_assert_sleepable("rmlock_read");
	lockorder_acquire(l, l->rw.name, l->rw.rank, LOCK_CALLER);
	if (rmlock_enter(l))
		return;
	forget_reader(l);
	rmlock_read_slowly(l);
	note_reader(l);
}

void
rmlock_read_unlock(struct rmlock *l)
{
	forget_reader(l);
	rmlock_leave(l);
}

#endif

/* ---- Writers ---- */

/* Until all are out; none come in any more. */
void
rmlock_wait_for_readers(struct rmlock *l)
{
	for (unsigned turns = cpu_count() > 1 ? LOCK_SPIN_TURNS : 0; turns > 0; turns--) {
		if (rmlock_readers(l) == 0)
			return;
		cpu_spin_turn(turns);
	}
	for (;;) {
		sleepq_prepare(readers_channel(l), l->rw.name);
		if (rmlock_readers(l) == 0) {
			sleepq_cancel();
			return;
		}
		sleepq_wait(SLEEPQ_FOREVER, 0);
	}
}

/* try_close: as a writer, if nobody but `self` readers are inside. */
static bool
try_close(struct rmlock *l, uint32_t self)
{
	if (!rwlock_trywrite(&l->rw))
		return false;
	if (rmlock_readers(l) == self)
		return true;
	rmlock_write_unlock(l);
	return false;
}

bool
rmlock_trywrite(struct rmlock *l)
{
	return try_close(l, 0);
}

bool
rmlock_tryupgrade(struct rmlock *l)
{
	if (!try_close(l, 1))
		return false;
	__atomic_fetch_sub(rmlock_place(l), 1, __ATOMIC_SEQ_CST);
	forget_reader(l);
	return true;
}

void
rmlock_downgrade(struct rmlock *l)
{
	ASSERT(rmlock_write_owned(l), "rmlock \"%s\" %p: downgraded, not held", l->rw.name,
	       (void *)l);
	__atomic_fetch_add(rmlock_place(l), 1, __ATOMIC_SEQ_CST);
	rmlock_write_unlock(l);
	note_reader(l);
}

bool
rmlock_write_owned(const struct rmlock *l)
{
	return rwlock_write_owned(&l->rw);
}

bool
rmlock_held(const struct rmlock *l)
{
	return rwlock_held(&l->rw) || rmlock_readers(l) != 0;
}
