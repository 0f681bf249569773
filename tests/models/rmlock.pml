/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Read-mostly locks: counts of readers, one a processor, against the rwlock of the writers.
 *
 * To be read beside the code; what is modelled has the name of the function it models:
 *
 *	kernel/base/rmlock.h		rmlock_read, rmlock_read_unlock, rmlock_write,
 *					rmlock_write_unlock, rmlock_readers
 *	kernel/base/rmlock.c		rmlock_read_slowly, rmlock_back_out, rmlock_reader_left,
 *					rmlock_wait_for_readers, try_close, rmlock_tryupgrade,
 *					rmlock_downgrade
 *	kernel/base/rwlock.h		rwlock_wanted, rwlock_write, rwlock_write_unlock
 *
 * The rwlock in it is taken as right: who may not enter waits, and it wakes whom it should.  Of
 * the sleep queue there is what a single waiter needs (sleepq.pml has all of it).
 *
 * Readers come in, and leave or try to become the writer; writers come in, and leave or become
 * readers.  Between any two steps a thread may have moved to another processor, so the place
 * where a reader is counted out is any.  The sum over the places is taken one by one, while
 * others change.
 *
 * What must hold:
 *	a writer inside is alone;
 *	everybody gets in and out in the end (Spin: no invalid end state): the wake-up of a writer that
 *	waits for readers is not lost.
 *
 * All words are changed by locked instructions, each of which is a step here, so there are no
 * store buffers.
 *
 * Runs:
 *	-DREADERS=2 -DWRITERS=1
 *	-DREADERS=1 -DWRITERS=2
 *
 * Planted faults:
 *	LOOK_BEFORE_COUNT	assertion	a reader looks for writers before it has counted itself
 *	SUM_BEFORE_WRITE	assertion	a writer adds up before it has the rwlock
 *	BACK_OUT_ELSEWHERE	assertion	a reader takes back its count at the place where it is by then
 *	COUNT_AFTER_RW		assertion	a slow reader lets go of the rwlock before it counts itself
 *	DOWNGRADE_LATE		assertion	a writer opens the lock before it counts itself as a reader
 *	UPGRADE_AMONG_OTHERS	assertion	a reader becomes the writer while another one is inside
 *	BACK_OUT_QUIETLY	deadlock	a reader that backs out does not wake the writer
 *	LEAVE_LOOKS_FIRST	deadlock	a reader that leaves looks for writers before it is counted out
 *	SLEEP_UNPREPARED	deadlock	a writer prepares to sleep after it has added up
 */
#define CPUS   2
#define BEFORE 8 /* of a count: it may go below 0 */

byte count[CPUS] = BEFORE;

/* The rwlock: has it a writer, readers, and how many writers that sleep for it? */
bool rw_write;
byte rw_readers, rw_waiting;

/* The sleep queue's channel l->readers, where only who holds the rwlock exclusively waits. */
#define NONE	 0
#define PREPARED 1
#define WOKEN	 2
byte wait;

/* What is true, whatever the counts say. */
byte readers_inside, writers_inside;

#define may_write() (!rw_write && rw_readers == 0)
#define may_read()  !rw_write

#define rwlock_wanted() (rw_write || rw_waiting > 0)

/* rwlock_write: who spins is not counted. */
inline rwlock_write()
{
	if
	:: atomic { may_write() -> rw_write = true }
	:: atomic { !may_write() -> rw_waiting++ };
		atomic { may_write() -> rw_write = true; rw_waiting-- }
	fi
}

inline rwlock_write_unlock()
{
	rw_write = false
}

/* place: the processor where this thread is now. */
inline place()
{
	if
	:: here = 0
	:: here = 1
	fi
}

inline inside(as)
{
	d_step { as++; assert(writers_inside == 0 || writers_inside + readers_inside == 1) }
}

inline outside(as)
{
	as--
}

/* ---- Readers ---- */

inline rmlock_reader_left()
{
	wait = (wait == PREPARED -> WOKEN : wait)
}

inline rmlock_back_out()
{
#ifdef BACK_OUT_ELSEWHERE
	atomic { place(); count[here]-- };
#else
	count[here]--;
#endif
#ifndef BACK_OUT_QUIETLY
	rmlock_reader_left()
#endif
}

inline rmlock_read_slowly()
{
	atomic { may_read() -> rw_readers++ };
#ifdef COUNT_AFTER_RW
	rw_readers--;
	atomic { place(); count[here]++ }
#else
	atomic { place(); count[here]++ };
	rw_readers--
#endif
}

inline rmlock_read()
{
#ifdef LOOK_BEFORE_COUNT
	open = !rwlock_wanted();
	atomic { place(); count[here]++ };
#else
	atomic { place(); count[here]++ };
	open = !rwlock_wanted();
#endif
	if
	:: open
	:: else -> rmlock_back_out(); rmlock_read_slowly()
	fi;
	open = false;
	inside(readers_inside)
}

inline rmlock_read_unlock()
{
	outside(readers_inside);
#ifdef LEAVE_LOOKS_FIRST
	open = !rwlock_wanted();
	atomic { place(); count[here]-- };
#else
	atomic { place(); count[here]-- };
	open = !rwlock_wanted();
#endif
	if
	:: open
	:: else -> rmlock_reader_left()
	fi;
	open = false
}

/* ---- Writers ---- */

/* rmlock_readers: how many are inside, at least. */
inline rmlock_readers()
{
	sum = count[0];
	sum = sum + count[1] - 2 * BEFORE
}

inline rmlock_wait_for_readers()
{
	do
	::
#ifdef SLEEP_UNPREPARED
		rmlock_readers();
		wait = PREPARED;
#else
		wait = PREPARED;
		rmlock_readers();
#endif
		if
		:: sum == 0 -> wait = NONE; break /* sleepq_cancel */
		:: else -> atomic { wait == WOKEN -> wait = NONE }
		fi
	od
}

inline rmlock_write()
{
#ifndef SUM_BEFORE_WRITE
	rwlock_write();
	rmlock_readers();
#else
	rmlock_readers();
	rwlock_write();
#endif
	if
	:: sum != 0 -> rmlock_wait_for_readers()
	:: else
	fi;
	inside(writers_inside)
}

inline rmlock_write_unlock()
{
	rwlock_write_unlock()
}

#ifndef UPGRADE_AMONG_OTHERS
#define ALONE (sum == 1)
#else
#define ALONE (sum > 0)
#endif

/* rmlock_tryupgrade: `open` is what it returns. */
inline rmlock_tryupgrade()
{
	atomic { open = may_write(); rw_write = rw_write || open }; /* try_close */
	if
	:: open ->
		rmlock_readers();
		if
		:: ALONE ->
			d_step { outside(readers_inside); inside(writers_inside) };
			atomic { place(); count[here]-- }
		:: else -> rmlock_write_unlock(); open = false
		fi
	:: else
	fi
}

inline rmlock_downgrade()
{
	d_step { outside(writers_inside); inside(readers_inside) };
#ifdef DOWNGRADE_LATE
	rmlock_write_unlock();
	atomic { place(); count[here]++ }
#else
	atomic { place(); count[here]++ };
	rmlock_write_unlock()
#endif
}

/* ---- Who takes part ---- */

inline leave_as_writer()
{
	if
	:: outside(writers_inside); rmlock_write_unlock()
	:: rmlock_downgrade(); rmlock_read_unlock()
	fi
}

active [READERS] proctype reader()
{
	byte here;
	short sum;
	bool open;

	rmlock_read();
	if
	:: rmlock_read_unlock()
	:: rmlock_tryupgrade();
		if
		:: open -> leave_as_writer()
		:: else -> rmlock_read_unlock()
		fi
	fi
}

active [WRITERS] proctype writer()
{
	byte here;
	short sum;
	bool open;

	rmlock_write();
	leave_as_writer()
}
