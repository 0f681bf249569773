/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleeping reader/writer locks.
 *
 * The whole state is one word, changed by atomic operations only:
 *
 *	 61      42 41      22   21    20       1    0
 *	+----------+----------+-------+----------+-------+
 *	| readers  | readers  | RTURN | writers  | WRITE |
 *	| waiting  |          |       | waiting  |       |
 *	+----------+----------+-------+----------+-------+
 *
 *	WRITE	a writer holds the lock; then there are no readers
 *	RTURN	the readers' turn: those that wait may enter although writers wait, too.  Set only
 *		when readers wait; goes away when the last of them enters
 *
 * Who may enter:
 *	a reader	no WRITE, and no writer waits or it is the readers' turn
 *	a writer	no WRITE, no readers, and it is not the readers' turn
 *
 * Who wakes whom:
 *	a writer leaves, or		all waiting readers, and makes it their turn; if none
 *	becomes a reader		waits and it leaves, the first waiting writer
 *	the last reader leaves		the first waiting writer, unless readers that have the
 *					turn are still to come: the last of those does it
 *
 * So phases alternate while both sides wait: a waiting writer holds new readers off and gets the
 * lock when the present ones are gone; after it the readers that waited all come in at once.
 *
 * A thread that finds the lock closed first spins for a while, if there are other processors: most are
 * held for less time than it takes to sleep and to be woken.  Then it counts itself as waiting, in the
 * same compare-and-swap that finds the lock closed.  Then, as often as needed, it becomes a waiter of the
 * sleep queue, tries to enter, sleeps if it could not, and spins again.  No wake-up is lost: whoever
 * opens the lock changes the word first and wakes then, so either the attempt sees the open lock, or the
 * wake-up finds the waiter.  Readers and writers wait on channels of their own, so a wake-up goes to one that can use it.
 *
 * Once a holder has changed the word to leave, the lock may be gone: from there on only its
 * address is used.
 *
 * This file is also compiled into the host tests: it may use only kernel/base and <machine/cpu.h>.
 */
#include "kernel/base/rwlock.h"
#include "kernel/base/panic.h"
#include "kernel/base/sleepq.h"
#include <machine/cpu.h>
#include <machine/percpu.h>

#define WRITE		RWLOCK_WRITE
#define RTURN		((uint64_t)1 << 21)
#define READER		RWLOCK_READER /* one reader */
#define READER_WAITING	((uint64_t)1 << 42)
#define WRITER_WAITING	RWLOCK_WRITER_WAITING
#define READERS		RWLOCK_READERS
#define READERS_WAITING (RWLOCK_COUNT_MASK * READER_WAITING)
#define WRITERS_WAITING RWLOCK_WRITERS_WAITING

void
rwlock_init(struct rwlock *l, const char *name, enum lock_rank rank)
{
	*l = (struct rwlock){.name = name, .rank = rank};
}

/* The two channels of a lock. */
static const void *
readers_channel(const struct rwlock *l)
{
	return &l->state;
}

static const void *
writers_channel(const struct rwlock *l)
{
	return &l->writer;
}

static uint64_t
state_load(const struct rwlock *l)
{
	return __atomic_load_n(&l->state, __ATOMIC_RELAXED);
}

/* state_change: change the word from *s to `to`; otherwise *s is what it is now.  Serves entering
 * (acquire) and leaving (release), and those who ask rwlock_wanted (sequentially consistent). */
static inline bool
state_change(struct rwlock *l, uint64_t *s, uint64_t to)
{
	return __atomic_compare_exchange_n(&l->state, s, to, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_RELAXED);
}

static inline bool
open_to_readers(uint64_t s)
{
	return !(s & WRITE) && (!(s & WRITERS_WAITING) || (s & RTURN));
}

static inline bool
open_to_writers(uint64_t s)
{
	return !(s & (WRITE | READERS | RTURN));
}

/* enter_waiting_reader: the word after one that waited has come in. */
static uint64_t
enter_waiting_reader(uint64_t s)
{
	s += READER - READER_WAITING;
	return (s & READERS_WAITING) ? s : s & ~RTURN;
}

static uint64_t
enter_waiting_writer(uint64_t s)
{
	return s + WRITE - WRITER_WAITING;
}

/* enter_or_count: enter by adding `entry` if the lock is open, or count oneself as waiting by
 * adding `waiting`.  True if entered. */
static bool
enter_or_count(struct rwlock *l, bool (*is_open)(uint64_t), uint64_t entry, uint64_t waiting)
{
	uint64_t s = state_load(l);

	for (;;) {
		bool open = is_open(s);

		if (state_change(l, &s, s + (open ? entry : waiting)))
			return open;
	}
}

/* enter_counted: enter, as one of those counted as waiting, if the lock is open. */
static bool
enter_counted(struct rwlock *l, bool (*is_open)(uint64_t), uint64_t (*enter)(uint64_t))
{
	uint64_t s = state_load(l);

	while (is_open(s)) {
		if (state_change(l, &s, enter(s)))
			return true;
	}
	return false;
}

/* spin: until the lock is open, or for as long as it may be worth while.  False: it is closed. */
static bool
spin(const struct rwlock *l, bool (*is_open)(uint64_t))
{
	for (unsigned turns = cpu_count() > 1 ? LOCK_SPIN_TURNS : 0; turns > 0; turns--) {
		if (is_open(state_load(l)))
			return true;
		cpu_spin_turn(turns);
	}
	return false;
}

/* spin_enter: enter by adding `entry`, if the lock opens while it may be worth while to look for that. */
static inline bool
spin_enter(struct rwlock *l, bool (*is_open)(uint64_t), uint64_t entry)
{
	for (unsigned turns = cpu_count() > 1 ? LOCK_SPIN_TURNS : 0; turns > 0; turns--) {
		uint64_t s = state_load(l);

		if (is_open(s) && state_change(l, &s, s + entry))
			return true;
		cpu_spin_turn(turns);
	}
	return false;
}

/* wait_counted: sleep until entered, as one of those counted as waiting. */
static void
wait_counted(struct rwlock *l, const void *chan, bool (*is_open)(uint64_t),
	     uint64_t (*enter)(uint64_t))
{
	do {
		sleepq_prepare(chan, l->name);
		if (enter_counted(l, is_open, enter)) {
			sleepq_cancel();
			return;
		}
		sleepq_wait(SLEEPQ_FOREVER, 0);
	} while (!spin(l, is_open) || !enter_counted(l, is_open, enter));
}

void
rwlock_read_slowly(struct rwlock *l)
{
	VERIFY(!rwlock_write_owned(l), "rwlock \"%s\" %p: reading, but held for writing", l->name,
	       (void *)l);
	if (!spin_enter(l, open_to_readers, READER) &&
	    !enter_or_count(l, open_to_readers, READER, READER_WAITING))
		wait_counted(l, readers_channel(l), open_to_readers, enter_waiting_reader);
}

void
rwlock_write_slowly(struct rwlock *l)
{
	VERIFY(!rwlock_write_owned(l), "rwlock \"%s\" %p is held by this thread", l->name,
	       (void *)l);
	if (!spin_enter(l, open_to_writers, WRITE) &&
	    !enter_or_count(l, open_to_writers, WRITE, WRITER_WAITING))
		wait_counted(l, writers_channel(l), open_to_writers, enter_waiting_writer);
}

/* set_writer: note the exclusive holder; others read it only to compare it with themselves. */
static inline void
set_writer(struct rwlock *l, struct thread *t)
{
	__atomic_store_n(&l->writer, t, __ATOMIC_RELAXED);
}

/* try_enter: enter by adding `entry` if the lock is open; does not wait. */
static inline bool
try_enter(struct rwlock *l, bool (*is_open)(uint64_t), uint64_t entry)
{
	uint64_t s = state_load(l);

	while (is_open(s)) {
		if (state_change(l, &s, s + entry))
			return true;
	}
	return false;
}

#ifdef CONFIG_DEBUG

bool
rwlock_trywrite(struct rwlock *l)
{
	uint64_t free = 0;

	if (!state_change(l, &free, WRITE))
		return false;
	lockorder_note(l, l->name, l->rank, LOCK_CALLER);
	set_writer(l, curthread());
	return true;
}

void
rwlock_read(struct rwlock *l)
{
	lockorder_assert_sleepable("rwlock_read");
	lockorder_acquire(l, l->name, l->rank, LOCK_CALLER);
	if (__builtin_expect(!try_enter(l, open_to_readers, READER), 0))
		rwlock_read_slowly(l);
}

void
rwlock_write(struct rwlock *l)
{
	lockorder_assert_sleepable("rwlock_write");
	lockorder_acquire(l, l->name, l->rank, LOCK_CALLER);
	if (__builtin_expect(!try_enter(l, open_to_writers, WRITE), 0))
		rwlock_write_slowly(l);
	set_writer(l, curthread());
}

#endif

bool
rwlock_tryread(struct rwlock *l)
{
	if (!try_enter(l, open_to_readers, READER))
		return false;
	lockorder_note(l, l->name, l->rank, LOCK_CALLER);
	return true;
}

void
rwlock_reader_left(struct rwlock *l, uint64_t s)
{
	if ((s & WRITERS_WAITING) && open_to_writers(s))
		sleepq_wake_one(writers_channel(l));
}

void
rwlock_write_leave(struct rwlock *l, uint64_t add)
{
	uint64_t s = state_load(l), to;

	do {
		to = s - WRITE + add;
		if (to & READERS_WAITING)
			to |= RTURN;
	} while (!state_change(l, &s, to));

	if (to & READERS_WAITING)
		sleepq_wake_all(readers_channel(l));
	else if ((to & WRITERS_WAITING) && open_to_writers(to))
		sleepq_wake_one(writers_channel(l));
}

#ifdef CONFIG_DEBUG

void
rwlock_read_unlock(struct rwlock *l)
{
	uint64_t s;

	ASSERT(state_load(l) & READERS, "rwlock \"%s\" %p: no readers, state %#lx", l->name,
	       (void *)l, (unsigned long)state_load(l));
	lockorder_release(l);
	s = __atomic_sub_fetch(&l->state, READER, __ATOMIC_RELEASE);
	rwlock_reader_left(l, s);
}

void
rwlock_write_unlock(struct rwlock *l)
{
	uint64_t held = WRITE;

	ASSERT(rwlock_write_owned(l), "rwlock \"%s\" %p: writer %p, released by %p", l->name,
	       (void *)l, (void *)__atomic_load_n(&l->writer, __ATOMIC_RELAXED),
	       (void *)curthread());
	lockorder_release(l);
	set_writer(l, NULL);
	if (__builtin_expect(!state_change(l, &held, 0), 0))
		rwlock_write_leave(l, 0);
}

#endif

bool
rwlock_tryupgrade(struct rwlock *l)
{
	uint64_t s = state_load(l);

	ASSERT(s & READERS, "rwlock \"%s\" %p: upgraded without readers, state %#lx", l->name,
	       (void *)l, (unsigned long)s);
	while ((s & READERS) == READER) {
		if (state_change(l, &s, s - READER + WRITE)) {
			set_writer(l, curthread());
			return true;
		}
	}
	return false;
}

void
rwlock_downgrade(struct rwlock *l)
{
	ASSERT(rwlock_write_owned(l), "rwlock \"%s\" %p: downgraded, writer %p", l->name, (void *)l,
	       (void *)__atomic_load_n(&l->writer, __ATOMIC_RELAXED));
	set_writer(l, NULL);
	rwlock_write_leave(l, READER);
}

bool
rwlock_write_owned(const struct rwlock *l)
{
	return __atomic_load_n(&l->writer, __ATOMIC_RELAXED) == curthread();
}

bool
rwlock_held(const struct rwlock *l)
{
	return (state_load(l) & (WRITE | READERS)) != 0;
}
