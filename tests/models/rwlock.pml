/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleeping reader/writer locks: one word, and whom to wake.
 *
 * To be read beside the code; what is modelled has the name of the function it models:
 *
 *	kernel/base/rwlock.c		rwlock_tryread, rwlock_tryupgrade, rwlock_downgrade,
 *					rwlock_reader_left, rwlock_write_leave, open_to_readers,
 *					open_to_writers, enter_or_count, enter_counted,
 *					enter_waiting_reader, enter_waiting_writer, spin,
 *					wait_counted, set_writer
 *	kernel/base/rwlock.h		rwlock_read, rwlock_write, rwlock_trywrite,
 *					rwlock_read_unlock, rwlock_write_unlock
 *	kernel/base/sleepq.c		sleepq_prepare, sleepq_wait, sleepq_cancel,
 *					sleepq_wake_one, sleepq_wake_all
 *
 * A process is a thread.  Each enters so many times (TURNS), one way or the other, and may go from
 * the one to the other while it is inside.  Then it enters as a writer to give up its reference to
 * the lock; who gave up the last one destroys the lock when it has left.
 *
 * The word's parts are variables of their own.  A loop that ends when a compare-and-swap succeeds
 * is one step: it decides by the word that it changes.  The inline functions of release builds are
 * the same: they make the change that the others would make.  How long one spins is left open, and
 * so is whom of those that wait on a channel a wake-up meets; of the sleep queue there is what
 * that takes (sleepq.pml has all of it).
 *
 * What must hold:
 *	a writer inside is alone, and `writer` says so; nobody comes between the reader and the writer
 *	when one becomes the other;
 *	no writer comes in before the readers that the last one left waiting;
 *	nobody touches the word when he has left;
 *	everybody gets in and out in the end (Spin: no invalid end state): no wake-up is lost.
 *
 * Left out: counts that overflow.
 *
 * Runs:
 *	-DTHREADS=3 -DTURNS=2
 *	-DTHREADS=4 -DTURNS=1
 *
 * Planted faults:
 *	NO_LOOK			assertion	a reader comes in although a writer is inside
 *	TURN_IGNORED		assertion	writers do not care whose turn it is
 *	UPGRADE_AMONG_OTHERS	assertion	a reader becomes the writer while another one is inside
 *	UPGRADE_BY_LEAVING	assertion	a reader leaves before it comes in as the writer
 *	DOWNGRADE_BY_LEAVING	assertion	a writer leaves before it comes in as a reader
 *	WRITER_CLEARED_LATE	assertion	a writer clears `writer` when it has left
 *	LOOK_AFTER_LEAVING	assertion	who has left looks at the word to see whom to wake
 *	LEAVE_BLINDLY		assertion	a writer leaves by a plain store: who counted himself is forgotten
 *	NO_TURN			assertion	a writer leaves without giving the readers their turn
 *	TRY_UNPREPARED		deadlock	who waits tries to enter before it prepares to sleep
 *	WAKE_BEFORE_CHANGE	deadlock	a writer wakes those that wait, and opens the lock then
 *	LEAVE_QUIETLY		deadlock	a writer that leaves wakes no writer
 *	LAST_READER_QUIET	deadlock	the last reader wakes no writer
 *	WAKE_ONE_READER		deadlock	a writer wakes one of the readers
 *	DOWNGRADE_QUIETLY	deadlock	a writer that becomes a reader wakes nobody
 *	ENDLESS_TURN		deadlock	the last of the readers does not end their turn
 */
#define READER 1
#define WRITER 2

/* struct rwlock: state (WRITE, RTURN, ...), writer */
bool write, turn;
byte readers, readers_waiting, writers_waiting;
byte writer; /* a thread's number and 1, or 0 */

/* The sleep queue: NONE, READER or WRITER: prepared or asleep, on the channel of those; WOKEN. */
#define NONE  0
#define WOKEN 3
byte wait[THREADS];

/* What is true, whatever the lock says. */
byte readers_inside, writers_inside;
byte counted; /* readers that wait, a bit each */
byte owed;    /* those of them that waited when the last writer left */
byte references = THREADS;
bool destroyed;

#ifndef NO_LOOK
#define open_to_readers (!write && (writers_waiting == 0 || turn))
#else
#define open_to_readers (writers_waiting == 0 || turn)
#endif
#ifndef TURN_IGNORED
#define open_to_writers (!write && readers == 0 && !turn)
#else
#define open_to_writers (!write && readers == 0)
#endif
#define open_to(as) ((as) == READER -> open_to_readers : open_to_writers)

#define BIT(t)	 (1 << (t))
#define touch()	 assert(!destroyed)
#define holds(w) assert(writer == (w))

inline inside(as)
{
	readers_inside = readers_inside + (as == READER -> 1 : 0);
	writers_inside = writers_inside + (as == WRITER -> 1 : 0);
	assert(writers_inside == 0 || writers_inside + readers_inside == 1)
}

inline outside(as)
{
	readers_inside = readers_inside - (as == READER -> 1 : 0);
	writers_inside = writers_inside - (as == WRITER -> 1 : 0)
}

/* ---- The sleep queue ---- */

inline sleepq_wake_one(as)
{
	atomic {
		if
		:: wait[0] == as -> wait[0] = WOKEN
		:: wait[1] == as -> wait[1] = WOKEN
		:: wait[2] == as -> wait[2] = WOKEN
#if THREADS > 3
		:: wait[3] == as -> wait[3] = WOKEN
#endif
		:: else
		fi
	}
}

inline sleepq_wake_all(as)
{
	d_step {
		wait[0] = (wait[0] == as -> WOKEN : wait[0]);
		wait[1] = (wait[1] == as -> WOKEN : wait[1]);
		wait[2] = (wait[2] == as -> WOKEN : wait[2])
#if THREADS > 3
		;
		wait[3] = (wait[3] == as -> WOKEN : wait[3])
#endif
	}
}

#define sleepq_prepare(as) wait[me] = as

inline sleepq_cancel(as)
{
	if
	:: atomic { wait[me] == WOKEN -> wait[me] = NONE };
		sleepq_wake_one(as)
	:: atomic { wait[me] == as -> wait[me] = NONE }
	fi
}

inline sleepq_wait()
{
	atomic { wait[me] == WOKEN -> wait[me] = NONE }
}

/* ---- Entering ---- */

inline add(as)
{
	if
	:: as == READER -> readers++
	:: as == WRITER -> write = true; assert(owed == 0)
	fi;
	inside(as)
}

/* enter_or_count: `entered`, or counted as waiting. */
inline enter_or_count(as)
{
	atomic {
		touch();
		entered = open_to(as);
		if
		:: entered -> add(as)
		:: !entered && as == READER -> readers_waiting++; counted = counted | BIT(me)
		:: !entered && as == WRITER -> writers_waiting++
		fi
	}
}

/* enter_counted: enter_waiting_reader, enter_waiting_writer. */
inline enter_counted(as)
{
	atomic {
		touch();
		entered = open_to(as);
		if
		:: entered && as == READER ->
			assert(readers_waiting > 0);
			readers_waiting--;
#ifndef ENDLESS_TURN
			turn = turn && readers_waiting > 0;
#endif
			counted = counted & ~BIT(me);
			owed = owed & ~BIT(me);
			add(as)
		:: entered && as == WRITER ->
			assert(writers_waiting > 0);
			writers_waiting--;
			add(as)
		:: !entered
		fi
	}
}

/* wait_counted: with spin(). */
inline wait_counted(as)
{
	do
	::
#ifndef TRY_UNPREPARED
		sleepq_prepare(as);
		enter_counted(as);
		if
		:: entered -> sleepq_cancel(as); break
		:: else -> sleepq_wait()
		fi;
#else
		enter_counted(as);
		if
		:: entered -> break
		:: else -> sleepq_prepare(as); sleepq_wait()
		fi;
#endif
		if
		:: open_to(as) -> enter_counted(as)
		:: !open_to(as)
		fi;
		if
		:: entered -> break
		:: else
		fi
	od
}

inline set_writer(w)
{
	writer = w
}

inline rwlock_read()
{
	enter_or_count(READER);
	if
	:: !entered -> wait_counted(READER)
	:: else
	fi;
	entered = false
}

inline rwlock_write()
{
	enter_or_count(WRITER);
	if
	:: !entered -> wait_counted(WRITER)
	:: else
	fi;
	atomic { entered = false; set_writer(me + 1) }
}

/* rwlock_tryread, rwlock_trywrite: `entered` is what they return. */
inline rwlock_tryread()
{
	atomic {
		entered = open_to_readers;
		if
		:: entered -> add(READER)
		:: else
		fi
	}
}

inline rwlock_trywrite()
{
	atomic {
		entered = !write && readers == 0 && !turn &&
			  readers_waiting == 0 && writers_waiting == 0;
		if
		:: entered -> add(WRITER)
		:: else
		fi
	};
	if
	:: entered -> set_writer(me + 1)
	:: else
	fi
}

/* ---- Leaving ---- */

inline rwlock_reader_left()
{
	if
#ifndef LAST_READER_QUIET
	:: wake == WRITER -> sleepq_wake_one(WRITER); wake = NONE
#endif
	:: else
	fi
}

#define ITS_TURN (writers_waiting > 0 && open_to_writers -> WRITER : NONE)
#define WHOM	 (readers_waiting > 0 -> READER : ITS_TURN)

inline rwlock_read_unlock()
{
	d_step {
		touch();
		assert(readers > 0);
		outside(READER);
		readers--;
		wake = ITS_TURN
	};
	rwlock_reader_left()
}

/* wake_waiters: those of rwlock_write_leave. */
inline wake_waiters()
{
	if
#ifndef WAKE_ONE_READER
	:: wake == READER -> sleepq_wake_all(READER)
#else
	:: wake == READER -> sleepq_wake_one(READER)
#endif
#ifndef LEAVE_QUIETLY
	:: wake == WRITER -> sleepq_wake_one(WRITER)
#endif
	:: else
	fi;
	wake = NONE
}

/* rwlock_write_leave: n is 1 if it becomes a reader. */
inline rwlock_write_leave(n)
{
#ifdef WAKE_BEFORE_CHANGE
	wake = (readers_waiting > 0 -> READER : (writers_waiting > 0 && n == 0 -> WRITER : NONE));
	wake_waiters();
#endif
#ifdef LEAVE_BLINDLY
	atomic { r = readers_waiting; w = writers_waiting };
#endif
	d_step {
		touch();
#ifdef LEAVE_BLINDLY
		readers_waiting = r;
		writers_waiting = w;
#endif
		outside(WRITER);
		write = false;
		readers = readers + n;
		if
		:: n > 0 -> inside(READER)
		:: else
		fi;
#ifndef NO_TURN
		turn = turn || readers_waiting > 0;
#endif
		owed = counted;
#if !defined(WAKE_BEFORE_CHANGE) && !defined(LOOK_AFTER_LEAVING)
		wake = WHOM
#endif
	};
#ifdef LOOK_AFTER_LEAVING
	d_step { touch(); wake = WHOM };
#endif
#ifndef WAKE_BEFORE_CHANGE
	wake_waiters()
#endif
}

inline rwlock_write_unlock()
{
	holds(me + 1);
#ifndef WRITER_CLEARED_LATE
	set_writer(0);
#endif
	rwlock_write_leave(0)
#ifdef WRITER_CLEARED_LATE
	;
	set_writer(0)
#endif
}

/* ---- From the one to the other ---- */

#ifndef UPGRADE_AMONG_OTHERS
#define ALONE (readers == 1)
#else
#define ALONE true
#endif

/* rwlock_tryupgrade: `entered` is what it returns. */
inline rwlock_tryupgrade()
{
#ifdef UPGRADE_BY_LEAVING
	d_step { entered = ALONE; readers = (entered -> 0 : readers) };
	if
	:: entered -> atomic { open_to_writers -> outside(READER); add(WRITER) }
	:: else
	fi;
#else
	atomic {
		touch();
		entered = ALONE;
		if
		:: entered -> readers--; write = true; outside(READER); inside(WRITER)
		:: else
		fi
	};
#endif
	if
	:: entered -> set_writer(me + 1)
	:: else
	fi
}

inline rwlock_downgrade()
{
	holds(me + 1);
	set_writer(0);
#if defined(DOWNGRADE_BY_LEAVING)
	d_step { write = false; turn = readers_waiting > 0; owed = counted; wake = WHOM };
	wake_waiters();
	atomic { open_to_readers -> outside(WRITER); add(READER) }
#elif defined(DOWNGRADE_QUIETLY)
	d_step {
		write = false;
		turn = turn || readers_waiting > 0;
		owed = counted;
		readers++;
		outside(WRITER);
		inside(READER)
	}
#else
	rwlock_write_leave(1)
#endif
}

/* ---- Who takes part ---- */

/* enter: `as` says as what, or NONE. */
inline enter()
{
	if
	:: rwlock_read(); as = READER
	:: rwlock_write(); as = WRITER
	:: rwlock_tryread(); as = (entered -> READER : NONE)
	:: rwlock_trywrite(); as = (entered -> WRITER : NONE)
	fi
}

inline change()
{
	if
	:: as == READER -> rwlock_tryupgrade(); as = (entered -> WRITER : READER)
	:: as == WRITER -> rwlock_downgrade(); as = READER
	:: true
	fi
}

inline leave()
{
	if
	:: as == READER -> rwlock_read_unlock()
	:: as == WRITER -> rwlock_write_unlock()
	:: else
	fi
}

proctype thread(byte me)
{
	byte as, wake, left = TURNS;
	bool entered, last;
#ifdef LEAVE_BLINDLY
	byte r, w;
#endif

	do
	:: left > 0 ->
		enter();
		entered = false;
		change();
		entered = false;
		leave();
		atomic { as = NONE; left-- }
	:: else -> break
	od;
	rwlock_write();
	d_step { references--; last = references == 0 };
	rwlock_write_unlock();
	if
	:: last -> destroyed = true
	:: else
	fi
}

init
{
	atomic {
		run thread(0);
		run thread(1);
		run thread(2);
#if THREADS > 3
		run thread(3)
#endif
	}
}
