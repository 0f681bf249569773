/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler's hand-over: a thread is run by one processor at a time, and its stack is left
 * before anybody else relies on that.
 *
 * To be read beside the code; what is modelled has the name of the function it models:
 *
 *	kernel/base/sched.c		enqueue, lock_runq_of, requeue, switch_away, after_switch,
 *					sched_block, sched_yield, sched_wakeup, sched_steal,
 *					sched_hold, become_ready, take_best
 *	kernel/base/sched_life.c	sched_exit, wait_until_left
 *
 * Two processors, each with its idle thread, and threads 0 to 2: 0 and 1 run at first, 2 is
 * ready. Whatever runs goes on for a while, yields (or is preempted, which is the same here), and
 * goes to the queue of any processor then; blocks; or, thread 2, ends.  A third processor does
 * what others may do to a thread that they do not run: wakes it, looks what it does (sched_hold),
 * reaps it.
 *
 * `stack` is the truth: the processor that is on a thread's stack.  context_swap() is the one
 * step in which that changes; until then the registers of who goes are not saved, although a run
 * queue or a state may say already that it is ready, asleep or dead.  All of that is guarded by
 * the lock of the run queue of the processor that t->cpu names.
 *
 * What must hold:
 *	nobody switches to a thread whose stack is in use: it is never run by two processors;
 *	who holds the lock of runqs[t->cpu] and sees t as ready, asleep or dead, finds its stack left;
 *	who is woken is asleep.
 *
 * Left out: priorities and turns; why a thread goes where; preemption in the middle of a move,
 * and who is told of it (both in idle.pml).
 *
 * Runs:
 *	-DTHREADS=3
 *
 * Planted faults:
 *	UNLOCK_EARLY		assertion	the queue is unlocked before the switch, not by who comes
 *	QUEUE_EARLY		assertion	who moves is queued elsewhere while it is on its stack
 *	MOVE_EARLY		assertion	t->cpu names the new queue while t is on its stack
 *	ONE_LOOK		assertion	lock_runq_of does not look again whether t has moved
 *	STEAL_UNLOCKED		assertion	steal_from takes a thread without its queue's lock
 *	STEAL_KEEPS_CPU		assertion	who steals changes t->cpu when it has unlocked the queue
 *	WAKE_UNLOCKED		assertion	sched_wakeup does not take the lock
 *	REAP_UNSEEN		assertion	the reaper does not wait until the dead has left
 */
#define CPUS   2
#define NOBODY 255
#define NONE   255
#define IDLE   (THREADS + me) /* this processor's idle thread */
#define DYING  2
#define BIT(n) (1 << (n))

/* enum thread_state */
#define READY	 0
#define RUNNING	 1
#define SLEEPING 2
#define ZOMBIE	 3

byte state[THREADS + CPUS];
byte cpu[THREADS + CPUS];   /* t->cpu */
byte stack[THREADS + CPUS]; /* the processor that is on it */
bool waits[THREADS + CPUS]; /* its wait_state says so: somebody may wake it */
bool announced;		    /* DYING is on the list of zombies */

bool locked[CPUS];
byte ready[CPUS];
byte moving[CPUS], moving_to[CPUS];

#define lock(q)	  !locked[q] -> locked[q] = true
#define unlock(q) locked[q] = false

/* lock_runq_of: the queue is q. */
inline lock_runq_of(t)
{
	do
	:: q = cpu[t];
#ifdef ONE_LOOK
		atomic { lock(q) };
		break
#else
		atomic { !locked[q] -> there = cpu[t] == q; locked[q] = there };
		if
		:: there -> break
		:: else
		fi
#endif
	od
}

/* any_place: choose_cpu(), next_place() */
inline any_place(place)
{
	if
	:: place = 0
	:: place = 1
	fi
}

inline enqueue(t)
{
	atomic { !locked[cpu[t]] -> ready[cpu[t]] = ready[cpu[t]] | BIT(t) }
}

/* ---- Processors ---- */

inline take_best()
{
	if
	:: ready[me] & BIT(0) -> next = 0
	:: ready[me] & BIT(1) -> next = 1
	:: ready[me] & BIT(2) -> next = 2
	:: ready[me] == 0 -> next = IDLE
	fi;
	ready[me] = ready[me] & ~BIT(next)
}

/* requeue: what runs stays ready, here or elsewhere. */
inline requeue()
{
	state[cur] = READY;
	if
	:: cur == IDLE
	:: cur != IDLE -> ready[me] = ready[me] | BIT(cur)
	:: cur != IDLE ->
#if defined(QUEUE_EARLY)
		cpu[cur] = 1 - me;
		ready[1 - me] = ready[1 - me] | BIT(cur)
#elif defined(MOVE_EARLY)
		moving[me] = cur;
		moving_to[me] = 1 - me;
		cpu[cur] = 1 - me
#else
		moving[me] = cur;
		moving_to[me] = 1 - me
#endif
	fi
}

/* switch_away, after_switch: run another thread than `cur`, whose new state is set. */
inline switch_away()
{
	atomic { take_best(); state[next] = RUNNING };
#ifdef UNLOCK_EARLY
	unlock(me);
#endif
	d_step { /* context_swap */
		stack[cur] = NOBODY;
		assert(stack[next] == NOBODY);
		stack[next] = me;
		cur = next;
		next = 0
	};
	atomic {
		t = moving[me];
		moving[me] = NONE;
		if
		:: t != NONE -> cpu[t] = moving_to[me]
		:: else
		fi;
		moving_to[me] = 0;
#ifndef UNLOCK_EARLY
		unlock(me)
#endif
	};
	if
	:: t != NONE -> atomic { enqueue(t); t = 0 }
	:: else -> t = 0
	fi
}

/* sched_steal: take over t, which somebody has seen at the other processor. */
inline sched_steal()
{
#ifdef STEAL_UNLOCKED
	found = (ready[1 - me] & BIT(t)) != 0;
	ready[1 - me] = ready[1 - me] & ~BIT(t);
	cpu[t] = (found -> me : cpu[t]);
#else
	atomic {
		lock(1 - me);
		found = (ready[1 - me] & BIT(t)) != 0;
		ready[1 - me] = ready[1 - me] & ~BIT(t);
#ifndef STEAL_KEEPS_CPU
		cpu[t] = (found -> me : cpu[t]);
#endif
		unlock(1 - me)
	};
#ifdef STEAL_KEEPS_CPU
	cpu[t] = (found -> me : cpu[t]);
#endif
#endif
	if
	:: found -> atomic { enqueue(t); found = false; t = 0 }
	:: else -> t = 0
	fi
}

proctype processor(byte me; byte cur)
{
	byte next, t;
	bool found;

end:	do
	:: cur != IDLE || ready[me] != 0 -> /* sched_yield, sched_preempt */
		atomic { lock(me); requeue() };
		switch_away()
	:: cur != IDLE -> /* sched_block, with sleepq.c's commit */
		atomic { lock(me); waits[cur] = true };
		state[cur] = SLEEPING;
		switch_away()
	:: cur == DYING -> /* sched_exit */
		announced = true;
		atomic { lock(me); state[cur] = ZOMBIE };
		switch_away()
	:: atomic { cur == IDLE && (ready[1 - me] & BIT(0)) -> t = 0 }; sched_steal()
	:: atomic { cur == IDLE && (ready[1 - me] & BIT(1)) -> t = 1 }; sched_steal()
	:: atomic { cur == IDLE && (ready[1 - me] & BIT(2)) -> t = 2 }; sched_steal()
	od
}

/* ---- What others do ---- */

/* sched_wakeup: its wait has been ended by us, so nobody else calls this. */
inline sched_wakeup(t)
{
#ifndef WAKE_UNLOCKED
	lock_runq_of(t);
#endif
	atomic {
		assert(state[t] == SLEEPING);
		assert(stack[t] == NOBODY);
		state[t] = READY; /* become_ready */
		any_place(cpu[t]);
#ifndef WAKE_UNLOCKED
		unlock(q);
#endif
		q = 0;
		there = false
	};
	enqueue(t)
}

/* sched_hold, sched_release */
inline sched_hold(t)
{
	lock_runq_of(t);
	atomic {
		assert(state[t] == RUNNING || stack[t] == NOBODY);
		dead = state[t] == ZOMBIE;
		unlock(q);
		q = 0;
		there = false
	}
}

inline sched_reap()
{
#ifndef REAP_UNSEEN
	do
	:: sched_hold(DYING); /* wait_until_left */
		if
		:: dead -> break
		:: else
		fi
	od;
#endif
	assert(stack[DYING] == NOBODY);
	dead = false
}

proctype others()
{
	byte q;
	bool there, dead;

end:	do
	:: atomic { waits[0] -> waits[0] = false }; sched_wakeup(0)
	:: atomic { waits[1] -> waits[1] = false }; sched_wakeup(1)
	:: atomic { waits[2] -> waits[2] = false }; sched_wakeup(2)
	:: sched_hold(0)
	:: sched_hold(1)
	:: sched_hold(2)
	:: atomic { announced -> announced = false }; sched_reap()
	od
}

init
{
	atomic {
		state[0] = RUNNING;
		state[1] = RUNNING;
		stack[0] = 0;
		stack[1] = 1;
		stack[2] = NOBODY;
		stack[3] = NOBODY;
		stack[4] = NOBODY;
		cpu[1] = 1;
		moving[0] = NONE;
		moving[1] = NONE;
		ready[0] = BIT(2);
		run processor(0, 0);
		run processor(1, 1);
		run others()
	}
}
