/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleep and wake: the machine in one word by which a wait ends once.
 *
 * To be read beside the code; what is modelled has the name of the function it models:
 *
 *	kernel/base/sleepq.c		sleepq_prepare, sleepq_cancel, sleepq_wait,
 *					sleepq_wake_one, sleepq_expire, sleepq_interrupt,
 *					wait_change, wait_end, wait_finish, wait_commit
 *	kernel/base/sched.c		sched_block, sched_wakeup, sched_kill, become_ready
 *
 * Of the scheduler there is what matters: a run queue's lock, and a thread that sleeps or does not.
 *
 * Two threads wait on one channel for tokens; who gets none sleeps.  Thread 0 may be killable,
 * and may have a deadline: all combinations are tried.  One process brings one token or two, each
 * with a wake-up; the timer lets deadlines pass, and a third one kills thread 0, at any moment.
 * Who has a token, was killed or has waited too long ends, and then nobody may touch it any more
 * (but who kills, he has a reference).
 *
 * What must hold:
 *	when nothing goes on any more, no token lies there while somebody sleeps: no wake-up is
 *	lost, or spent on one that gave up; and nobody sleeps who has a deadline, or is killed and
 *	killable;
 *	who is made ready sleeps, so nobody is woken twice, or half asleep;
 *	nobody touches a thread that is gone.
 *
 * A critical section that touches only what its lock guards is one step here.
 *
 * Left out: that there are several buckets and channels; sleepq_wake_all(), which is the same
 * loop.
 *
 * Runs:
 *	-DTHREADS=2
 *
 * Planted faults:
 *	CHECK_BEFORE_PREPARE	assertion	the condition is looked at before, not after sleepq_prepare
 *	NO_PASS_ON		assertion	sleepq_cancel keeps a wake-up that has come
 *	WAKE_THE_ENDED		assertion	wake() counts one whose wait has ended otherwise
 *	PLAIN_STORE		assertion	wait_end stores without looking what is there now
 *	WAKE_THE_PREPARED	assertion	wait_end makes ready who is not yet asleep
 *	EARLY_COMMIT		assertion	sched_block commits before it has the run queue's lock
 *	KILL_LOOKS_FIRST	assertion	killing looks at the state first and sets `killed` then
 *	COMMIT_BLINDLY		assertion	wait_commit does not look at `killed`
 *	STAY_IN_BUCKET		assertion	wait_finish does not leave the bucket
 *	STAY_IN_TIMEOUTS	assertion	sleepq_wait does not leave the list of timed waits
 */
/* enum wait_state */
#define NONE		  0
#define PREPARED	  1
#define SLEEPING	  2
#define SLEEPING_KILLABLE 3
#define WOKEN		  4
#define TIMED_OUT	  5
#define KILLED		  6

/* enum thread_state; IN_HANDS: ready, but on no queue yet */
#define RUNNING	 0
#define ASLEEP	 1
#define IN_HANDS 2
#define READY	 3

byte wait_state[THREADS];
byte state[THREADS];
bool in_bucket[THREADS];   /* wait_link */
bool in_timeouts[THREADS]; /* timeout_link */
bool killable[THREADS], timed[THREADS];
bool killed[THREADS];
bool gone[THREADS];
bool bucket_lock, timeouts_lock, runq_lock;
byte tokens, to_come;
bool sleeps_in_vain;

#define lock(l)	  atomic { !l -> l = true }
#define unlock(l) l = false
#define touch(t)  assert(!gone[t])

/* ---- Scheduler ---- */

inline sched_wakeup(t)
{
	atomic {
		!runq_lock -> touch(t);
		assert(state[t] == ASLEEP);
		state[t] = IN_HANDS /* become_ready */
	};
	atomic {
		!runq_lock -> touch(t); /* enqueue, perhaps elsewhere */
		state[t] = READY
	}
}

/* ---- Ends of a wait ---- */

/* wait_change: compare and swap; `done` says whether it was in `from`. */
inline wait_change(t, from, to)
{
	d_step {
		done = wait_state[t] == from;
		wait_state[t] = (done -> to : wait_state[t])
	}
}

inline wait_end(t, end)
{
	do
	:: d_step { touch(t); s = wait_state[t] };
		if
		:: s >= WOKEN -> done = false; break
		:: else
		fi;
#ifdef PLAIN_STORE
		atomic { done = true; wait_state[t] = end };
#else
		wait_change(t, s, end);
#endif
		if
		:: !done
		:: done ->
#ifndef WAKE_THE_PREPARED
			if
			:: s != PREPARED -> sched_wakeup(t)
			:: else
			fi;
#else
			sched_wakeup(t);
#endif
			done = true;
			break
		fi
	od
}

#ifndef WAKE_THE_ENDED
#define MAY_WAKE(t) (in_bucket[t] && wait_state[t] < WOKEN)
#else
#define MAY_WAKE(t) in_bucket[t]
#endif

/* sleepq_wake_one: wake().  Who has ended is passed over in the same step: he stays so until we
 * unlock. */
inline sleepq_wake_one()
{
	lock(bucket_lock);
	do
	:: d_step { MAY_WAKE(0) || MAY_WAKE(1) -> w = (MAY_WAKE(0) -> 0 : 1) };
		touch(w);
		in_bucket[w] = false;
		wait_end(w, WOKEN);
		if
		:: done -> break
#ifdef WAKE_THE_ENDED
		:: else -> break
#else
		:: else
#endif
		fi
	:: !MAY_WAKE(0) && !MAY_WAKE(1) -> break
	od;
	atomic { unlock(bucket_lock); w = 0; s = 0; done = false }
}

inline sleepq_expire()
{
	lock(timeouts_lock);
	do
	:: d_step { in_timeouts[0] || in_timeouts[1] -> w = (in_timeouts[0] -> 0 : 1) };
		touch(w);
		in_timeouts[w] = false;
		wait_end(w, TIMED_OUT)
	:: !in_timeouts[0] && !in_timeouts[1] -> break
	od;
	atomic { unlock(timeouts_lock); w = 0; s = 0; done = false }
}

inline sched_kill(t)
{
#ifndef KILL_LOOKS_FIRST
	killed[t] = true;
	wait_change(t, SLEEPING_KILLABLE, KILLED); /* sleepq_interrupt */
#else
	wait_change(t, SLEEPING_KILLABLE, KILLED);
	killed[t] = true;
#endif
	if
	:: done -> sched_wakeup(t)
	:: else
	fi
}

/* ---- Waiting ---- */

inline sleepq_prepare()
{
	atomic {
		!bucket_lock -> wait_state[me] = PREPARED;
		in_bucket[me] = true
	}
}

/* wait_finish: `end` is how the wait ended, PREPARED if it has not. */
inline wait_finish()
{
	end = wait_state[me];
	if
	:: end != WOKEN ->
#ifndef STAY_IN_BUCKET
		atomic { !bucket_lock -> in_bucket[me] = false };
#endif
		end = wait_state[me]
	:: else
	fi;
	wait_state[me] = NONE
}

inline sleepq_cancel()
{
	wait_finish();
#ifndef NO_PASS_ON
	if
	:: end == WOKEN -> sleepq_wake_one()
	:: else
	fi
#endif
}

/* wait_commit: from prepared to sleeping; not `done` if the wait has ended already. */
inline wait_commit()
{
	if
	:: !killable[me] -> wait_change(me, PREPARED, SLEEPING)
	:: killable[me] ->
		wait_change(me, PREPARED, SLEEPING_KILLABLE);
#ifndef COMMIT_BLINDLY
		if
		:: done && killed[me] ->
			wait_change(me, SLEEPING_KILLABLE, KILLED);
			done = !done
		:: else
		fi
#endif
	fi
}

inline sched_block()
{
#ifdef EARLY_COMMIT
	wait_commit();
	lock(runq_lock);
#else
	lock(runq_lock);
	wait_commit();
#endif
	if
	:: done ->
		atomic { state[me] = ASLEEP; unlock(runq_lock); done = false };
end_asleep:	atomic { state[me] == READY -> state[me] = RUNNING }
	:: else -> unlock(runq_lock)
	fi
}

inline sleepq_wait()
{
	if
	:: timed[me] -> atomic { !timeouts_lock -> in_timeouts[me] = true }
	:: else
	fi;
	sched_block();
#ifndef STAY_IN_TIMEOUTS
	if
	:: timed[me] -> atomic { !timeouts_lock -> in_timeouts[me] = false }
	:: else
	fi;
#endif
	wait_finish()
}

/* ---- Who takes part ---- */

#define take_token atomic { tokens > 0 -> tokens-- }

proctype sleeper(byte me)
{
	byte end, s, w;
	bool done;

	do
#ifdef CHECK_BEFORE_PREPARE
	:: take_token; break
	:: tokens == 0 ->
		sleepq_prepare();
		sleepq_wait();
#else
	:: sleepq_prepare();
		if
		:: take_token -> sleepq_cancel(); break
		:: else -> sleepq_wait()
		fi;
#endif
		if
		:: end == TIMED_OUT || end == KILLED -> break
		:: else -> assert(end == WOKEN); end = NONE
		fi
	od;
	gone[me] = true
}

proctype waker()
{
	byte s, w;
	bool done;

	do
	:: to_come > 0 ->
		atomic { to_come--; tokens++ };
		sleepq_wake_one()
	:: else -> break
	od
}

proctype timer()
{
	byte s, w;
	bool done;

end:	do
	:: in_timeouts[0] || in_timeouts[1] -> sleepq_expire()
	od
}

proctype killer()
{
	bool done;

	sched_kill(0)
}

#define AT_REST(t) (gone[t] || (tokens == 0 && !timed[t] && !(killed[t] && killable[t])))

init
{
	atomic {
		if
		:: to_come = 1
		:: to_come = 2
		fi;
		if
		:: killable[0] = true
		:: skip
		fi;
		if
		:: timed[0] = true
		:: skip
		fi;
		run sleeper(0);
		run sleeper(1);
		run waker();
		run timer();
		run killer()
	};
	timeout;
	sleeps_in_vain = !AT_REST(0) || !AT_REST(1);
	assert(!sleeps_in_vain)
}
