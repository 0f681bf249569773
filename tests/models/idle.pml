/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Idle processors: no thread waits on a queue while a processor has nothing to do.
 *
 * To be read beside the code; what is modelled has the name of the function it models (but the
 * steps of idle_main and sched_steal are those of `phase`, see below):
 *
 *	kernel/base/sched.c		enqueue, notify, call_idle, note_idle, requeue,
 *					switch_away, after_switch, look_for_rivals, steal_from,
 *					sched_look, sched_steal
 *	kernel/base/sched_life.c	idle_main
 *
 * A process is a processor, with what runs on it.  Threads 0 to CPUS-1 run at first, one on each
 * processor; the others sleep.  Whatever runs may be interrupted, may wake one that sleeps, by
 * itself or in an interrupt, may block for ever, or go on for ever.  Where a thread that becomes
 * ready goes is not modelled: choose_cpu() and next_place() may say anything.  There is no clock:
 * who runs keeps its processor unless a better thread comes, so what waits by mistake, waits for
 * ever.
 *
 * Memory is that of x86: a store may wait in its processor's store buffer while later loads are
 * done.  Here that matters for one store only, runq->nonempty, which idle processors read without
 * the lock; `unseen` says that it waits.  Locked instructions and fences wait until it is seen, and
 * so does, here, the release of a lock: what follows that one begins with a locked instruction.
 *
 * What must hold when nothing goes on any more:
 *	nobody is ready and waits, on a queue or in somebody's hands, while a processor idles;
 *	nobody better waits where somebody worse runs.
 *
 * Left out: affinity (here all may run everywhere), and the end of a turn.
 *
 * Runs:
 *	-DCPUS=3 -DTHREADS=5
 *	-DCPUS=2 -DTHREADS=4
 *
 * Planted faults:
 *	NO_FENCE		assertion	call_idle looks at `idle` without a barrier
 *	CALL_ONE		assertion	call_idle calls one processor, which may have got work meanwhile
 *	CALL_IF_BUSY		assertion	notify calls only for the queue of a processor that is not idle
 *	PREEMPTIBLE_MOVER	assertion	the idle thread is preempted with a thread in its hands
 *	UNPOKED			assertion	who comes back to idleness in the middle of idle_main does not look
 *	POKE_CLEARED_LATE	assertion	sched_steal forgets the pokes that came while it looked
 *	IDLE_BIT_LATE		assertion	`idle` is set when the processor has looked around
 *	TELL_NOBODY		assertion	enqueue does not interrupt the processor that is meant
 */

#define NONE   255
#define IDLE   THREADS /* the idle thread of any processor */
#define BIT(n) (1 << (n))

/* struct runq */
bool locked[CPUS];
byte ready[CPUS];  /* its threads, a bit each */
byte load[CPUS];   /* and the one that runs, unless idle */
bool nonempty[CPUS]; /* ... as others see it */
bool unseen[CPUS]; /* the last store to it is still in a store buffer */
bool poked[CPUS];

/* A processor. */
byte running[CPUS];
byte in_hands[CPUS]; /* thread on no queue, for the one of: */
byte bound_for[CPUS];
byte idles_hands[CPUS]; /* likewise, of its idle thread while another one runs; PREEMPTIBLE_MOVER */
bool preempt_pending[CPUS];
bool interrupt[CPUS]; /* VECTOR_RESCHED is pending */

/* Where the idle thread is in idle_main.  LOOK + n: sched_steal looks at the n-th of the others;
 * not preemptible up to DECIDE, where the idle hook runs; then interrupts go off, and it halts, or
 * looks again. */
byte phase[CPUS];
#define START	 0
#define LOOK	 1
#define DECIDE	 CPUS
#define HALTED	 (CPUS + 1)

bool waits_in_vain;
byte idle;	 /* processors that run their idle thread */
byte asleep;	 /* threads that may be woken */
byte better;	 /* threads of the better priority */
byte endless;	 /* threads that never block */

#define PRIORITY(t)   ((t) == IDLE -> 2 : ((better & BIT(t)) -> 0 : 1))
#define BEST(set)     (((set) & better) != 0 -> 0 : ((set) != 0 -> 1 : 2))
#define CANDIDATES(q) ((ready[q] & better) != 0 -> ready[q] & better : ready[q])
#define FIRST(set) \
	((set) & 1 -> 0 : ((set) & 2 -> 1 : ((set) & 4 -> 2 : ((set) & 8 -> 3 : 4))))

#define lock(q)	  !locked[q] -> locked[q] = true
#define unlock(q) !unseen[q] -> locked[q] = false
#define fence(q)  !unseen[q]

/* store_buffer: a processor's, but one for each queue here: only who has the lock stores. */
proctype store_buffer(byte q)
{
end:	do
	:: d_step { unseen[q] -> unseen[q] = false; nonempty[q] = ready[q] != 0 }
	od
}

inline runq_insert(q, t)
{
	d_step { ready[q] = ready[q] | BIT(t); unseen[q] = true }
}

inline runq_remove(q, t)
{
	d_step { ready[q] = ready[q] & ~BIT(t); unseen[q] = true }
}

/* look_for_rivals: this processor's queue is locked. */
inline look_for_rivals()
{
	preempt_pending[me] = preempt_pending[me] || BEST(ready[me]) < PRIORITY(running[me])
}

/* ---- Telling others ---- */

inline call_idle(q)
{
#ifndef NO_FENCE
	fence(q);
#endif
	d_step {
		free = idle & ~BIT(q);
#ifdef CALL_ONE
		free = free & -free;
#endif
		do
		:: free != 0 ->
			interrupt[FIRST(free)] = true;
			free = free & (free - 1)
		:: else -> break
		od;
		skip
	}
}

/* notify: the first part, for the processor of the queue; and the second, for the others. */
inline notify(q, t)
{
	if
	:: q == me -> look_for_rivals()
	:: q != me && PRIORITY(t) <= PRIORITY(running[q]) ->
#ifndef TELL_NOBODY
		interrupt[q] = true
#else
		skip
#endif
	:: else
	fi
}

inline call_idle_if_crowded(q)
{
	if
#ifdef CALL_IF_BUSY
	:: running[q] != IDLE -> call_idle(q)
#else
	:: load[q] > 1 -> call_idle(q)
#endif
	:: else
	fi
}

/* enqueue: what is in this processor's hands. */
inline enqueue()
{
	atomic {
		lock(bound_for[me]);
		runq_insert(bound_for[me], in_hands[me]);
		load[bound_for[me]]++;
		notify(bound_for[me], in_hands[me])
	};
	atomic {
		call_idle_if_crowded(bound_for[me]);
		unlock(bound_for[me]);
		in_hands[me] = NONE;
		bound_for[me] = 0
	}
}

/* take_in_hands: t, to be queued anywhere but on `except`: choose_cpu() and next_place(). */
inline take_in_hands(t, except)
{
	in_hands[me] = t;
	if
	:: except != 0 -> bound_for[me] = 0
	:: except != 1 -> bound_for[me] = 1
#if CPUS == 3
	:: except != 2 -> bound_for[me] = 2
#endif
	fi
}

/* ---- Switching; this processor's queue is locked ---- */

inline requeue()
{
	if
	:: running[me] == IDLE
	:: running[me] != IDLE ->
		runq_insert(me, running[me]);
		call_idle(me)
	:: running[me] != IDLE -> /* it moves: after_switch sends it on */
		take_in_hands(running[me], me);
		load[me]--
	fi
}

inline note_idle()
{
	d_step {
		!unseen[me] -> /* a locked instruction */
		idle = idle & ~BIT(me);
#ifndef IDLE_BIT_LATE
		idle = (running[me] == IDLE -> idle | BIT(me) : idle);
#endif
#ifndef UNPOKED
		poked[me] = poked[me] || running[me] == IDLE
#endif
	}
}

inline switch_away()
{
	d_step {
		preempt_pending[me] = false;
		running[me] = (ready[me] == 0 -> IDLE : FIRST(CANDIDATES(me)));
		if
		:: ready[me] != 0 -> ready[me] = ready[me] & ~BIT(running[me]); unseen[me] = true
		:: else
		fi
	};
	atomic {
		note_idle();
		look_for_rivals();
		unlock(me)
	}
}

/* ---- Idleness ---- */

#define EMPTY_HANDS (in_hands[me] == NONE)
#define VICTIM	    ((me + phase[me]) % CPUS)

/* sched_steal: one step of it. */
inline sched_steal()
{
	if
	:: phase[me] == START ->
#ifndef POKE_CLEARED_LATE
		poked[me] = false;
#endif
		phase[me] = LOOK
	:: phase[me] != START && !nonempty[VICTIM] -> phase[me]++
	:: phase[me] != START && nonempty[VICTIM] ->
		atomic {
			lock(VICTIM); /* steal_from */
			if
			:: ready[VICTIM] != 0 ->
				in_hands[me] = FIRST(CANDIDATES(VICTIM));
				bound_for[me] = me;
				runq_remove(VICTIM, in_hands[me]);
				load[VICTIM]--
			:: else
			fi
		};
		atomic {
			unlock(VICTIM);
			phase[me] = (EMPTY_HANDS -> phase[me] + 1 : START)
		}
	fi
}

/* decide: interrupts are off. */
inline decide()
{
	d_step {
#ifdef POKE_CLEARED_LATE
		poked[me] = false;
#endif
		phase[me] = (poked[me] -> START : HALTED);
#ifdef IDLE_BIT_LATE
		idle = (phase[me] == HALTED -> idle | BIT(me) : idle);
#endif
		skip
	}
}

/* leave_halt: an interrupt has come. */
inline leave_halt()
{
	phase[me] = (running[me] == IDLE && phase[me] == HALTED -> START : phase[me])
}

/* ---- Processors ---- */

#define IN_STEAL      (running[me] == IDLE && phase[me] < DECIDE)
#ifndef PREEMPTIBLE_MOVER
#define PREEMPTIBLE   (EMPTY_HANDS && !IN_STEAL)
#else
#define PREEMPTIBLE   (EMPTY_HANDS || running[me] == IDLE)
#endif

proctype processor(byte me)
{
	byte free;

end:	do
	:: atomic {
		interrupt[me] && !locked[me] -> /* sched_look */
		interrupt[me] = false;
		poked[me] = true;
		look_for_rivals();
		leave_halt()
	   }
	:: !EMPTY_HANDS -> enqueue()
#ifdef PREEMPTIBLE_MOVER
	:: EMPTY_HANDS && idles_hands[me] != NONE && running[me] == IDLE ->
		d_step { in_hands[me] = idles_hands[me]; bound_for[me] = me; idles_hands[me] = NONE }
#endif
	:: atomic {
		PREEMPTIBLE && preempt_pending[me] -> /* sched_preempt */
		lock(me);
#ifdef PREEMPTIBLE_MOVER
		if
		:: !EMPTY_HANDS -> idles_hands[me] = in_hands[me]; in_hands[me] = NONE
		:: else
		fi;
#endif
		requeue()
	   };
		switch_away()
	:: EMPTY_HANDS && !preempt_pending[me] && running[me] != IDLE && !(endless & BIT(running[me])) ->
		atomic { lock(me); load[me]-- }; /* sched_block */
		switch_away()
	:: atomic {
		EMPTY_HANDS && !preempt_pending[me] && asleep != 0 -> /* sched_wakeup */
		take_in_hands(FIRST(asleep), NONE);
		asleep = asleep & (asleep - 1);
		leave_halt()
	   }
	:: EMPTY_HANDS && IN_STEAL -> sched_steal()
	:: EMPTY_HANDS && !preempt_pending[me] && running[me] == IDLE && phase[me] == DECIDE -> decide()
	od
}

#define WAITS(c)      (ready[c] != 0 || in_hands[c] != NONE || idles_hands[c] != NONE)
#define ANY_WAITS     (WAITS(0) || WAITS(1) || WAITS(CPUS - 1))
#define IDLES(c)      (running[c] == IDLE)
#define ANY_IDLES     (IDLES(0) || IDLES(1) || IDLES(CPUS - 1))
#define WORSE_RUNS(c) (BEST(ready[c]) < PRIORITY(running[c]))

inline start(c)
{
	running[c] = c;
	load[c] = 1;
	in_hands[c] = NONE;
	idles_hands[c] = NONE;
	phase[c] = DECIDE;
	run processor(c);
	run store_buffer(c)
}

inline maybe(set, t)
{
	if
	:: set = set | BIT(t)
	:: skip
	fi
}

init
{
	atomic {
		asleep = BIT(THREADS) - BIT(CPUS);
		start(0);
		start(1);
#if CPUS == 2
		maybe(better, THREADS - 1);
		maybe(better, THREADS - 2);
		maybe(endless, 1);
		maybe(endless, THREADS - 1);
		maybe(endless, THREADS - 2);
#else
		start(2);
		endless = asleep;
#endif
		endless = endless | BIT(0)
	};
	timeout;
	waits_in_vain = (ANY_WAITS && ANY_IDLES) || WORSE_RUNS(0) || WORSE_RUNS(1) ||
			WORSE_RUNS(CPUS - 1);
	assert(!waits_in_vain)
}
