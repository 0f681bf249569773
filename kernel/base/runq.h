/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run queues: what the files of the scheduler share.
 *
 * Each processor has one: a list of ready threads for each priority, and a word with a bit for each
 * list that is not empty, so that the best thread is found by one instruction.
 *
 *	nonempty	0 0 1 0 ... 1
 *	ready[]		    |       +--> thread --> thread	priority 2
 *			    +--> thread				priority 5
 */
#ifndef KERNEL_BASE_RUNQ_H
#define KERNEL_BASE_RUNQ_H

#include "kernel/base/list.h"
#include "kernel/base/sched.h"
#include "kernel/base/spinlock.h"

struct runq {
	struct spinlock lock;
	uint32_t
	    load; /* (q) threads on it, and the running one unless that is the idle thread; others
			* read it for a guess */
	unsigned running; /* (q) priority of who runs; likewise */
	bool poked; /* (a) somebody thinks that this processor, if it is idle, should look around */
	struct thread *moving; /* (q) on its way to the queue of another one, see after_switch */
	uint32_t moving_to;    /* (q) that of this processor */
	uint64_t nonempty;     /* (q) bit p: ready[p] is not empty */
	struct list ready[SCHED_PRIORITIES]; /* (q) */
} __attribute__((aligned(CACHE_LINE_SIZE))); /* (q) its lock  (a) atomic */

extern struct runq runqs[MACHINE_MAX_CPUS]; /* by processor id */

static inline void
runq_insert(struct runq *q, struct thread *t, bool at_front)
{
	struct list *l = &q->ready[t->priority];

	if (at_front)
		list_push_front(l, &t->run_link);
	else
		list_push_back(l, &t->run_link);
	t->queued_priority = t->priority;
	q->nonempty |= (uint64_t)1 << t->priority;
}

static inline void
runq_remove(struct runq *q, struct thread *t)
{
	list_remove(&t->run_link);
	if (list_empty(&q->ready[t->queued_priority]))
		q->nonempty &= ~((uint64_t)1 << t->queued_priority);
}

/* runq_best: the best priority with a ready thread; SCHED_PRIO_IDLE if there is none. */
static inline unsigned
runq_best(const struct runq *q)
{
	return q->nonempty == 0 ? SCHED_PRIO_IDLE : (unsigned)__builtin_ctzll(q->nonempty);
}

static inline struct thread *
runq_first(const struct runq *q, unsigned priority)
{
	return list_first_entry(&q->ready[priority], struct thread, run_link);
}

/* sched_first_turn: t, which is new, becomes ready, somewhere.  No run queue is locked. */
void sched_first_turn(struct thread *t);

/* sched_leave_for_ever: the end of a thread's last turn. */
_Noreturn void sched_leave_for_ever(void);

/* sched_cpu_online: c schedules from now on, and t is what runs there; c->idle is set. */
void sched_cpu_online(struct percpu *c, struct thread *t);

/* sched_steal: an idle processor looks for a thread that waits elsewhere, and takes it over: true if
 * there was one.  The caller is the idle thread, which goes as soon as it may. */
bool sched_steal(void);

#endif
