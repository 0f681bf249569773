/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler: which thread runs next, where, and for how long.
 *
 * A ready thread is on the run queue of one processor (runq.h), a running one on none, the idle threads
 * never are.
 *
 * Turns.  Threads of one priority take turns of SCHED_QUANTUM_NS.  Who is preempted by a better
 * thread keeps the rest of the quantum and the first place in its list; who has used it up, or
 * yields, goes to the end with a new one.  The timer is asked for only while two threads share a
 * priority that runs: a thread alone is never interrupted for the scheduler's sake.
 *
 * Places.  A thread that becomes ready goes back to the processor where it ran last, if that is idle;
 * to another idle one; to the first one again, if it is better than what runs there; else to where
 * fewest threads are.  At the end of its turn a thread that has rivals moves to the next processor with
 * fewer of them, round all processors: one thread too many, and each gets the same share.  A processor
 * that becomes idle looks for threads that wait at others (sched_steal).
 *
 * Preemption.  preempt_pending of the running thread says that it should go.  Only its own processor
 * sets it: another one that wants something sends an interrupt (cpu_reschedule), whose handler looks
 * at the queue.  It is looked at on the way out of each interrupt and trap, and when the last spinlock
 * is released, never inside.
 *
 * Hand-over.  The lock of a run queue guards also who runs on its processor.  It is taken by the thread
 * that goes and released by the thread that comes, on its own stack: so who holds the lock of
 * runqs[t->cpu] sees no thread as ready, asleep or dead while its stack is still in use.
 *
 *	thread A			thread B
 *	lock
 *	A->state = SLEEPING
 *	context_switch(A, B) ---------> returns from its own context_switch (or starts in
 *					sched_begin, if this is its first turn)
 *					unlock
 *
 * The processor's note whether interrupts were on belongs to the lock's holder, so each thread
 * saves its own around the switch.  No two of these locks are held at once: a thread that moves is
 * on no queue in between, but in the hands of who moves it, who must not be preempted until it is on
 * the other.  t->cpu changes only under the lock of the queue that it named before.
 *
 * Birth, death and idleness: sched_life.c.
 */
#include "kernel/base/sched.h"
#include "kernel/base/clock.h"
#include "kernel/base/debug.h"
#include "kernel/base/panic.h"
#include "kernel/base/preempt.h"
#include "kernel/base/runq.h"
#include "kernel/base/sleepq.h"
#include "kernel/base/spinlock.h"
#include <machine/cpu.h>
#include <machine/param.h>

#define QUANTUM_NS    debug_limit(SCHED_QUANTUM_NS, QUANTUM_SMALL)
#define QUANTUM_SMALL 500000 /* ns */

_Static_assert(SCHED_PRIORITIES <= 64, "one word has a bit for each priority");

struct runq runqs[MACHINE_MAX_CPUS] = {
    [0 ... MACHINE_MAX_CPUS - 1] = {.lock = SPINLOCK_INITIALIZER("run queue", LOCK_RANK_SCHED)},
};

static uint32_t online; /* (a) processors that schedule, a bit each */
static uint32_t idle;	/* (a) those that run their idle thread */

/* ---- The current processor; its queue is locked ---- */

static struct runq *
my_runq(void)
{
	return &runqs[curcpu()->id];
}

/* my_runq_lock: a thread may move until it has the lock, and then the queue is another's. */
static struct runq *
my_runq_lock(void)
{
	struct runq *q;

	spin_enter();
	q = my_runq();
	spinlock_lock(&q->lock);
	spin_exit();
	return q;
}

/* take_best: the thread that c runs next, taken off its queue. */
static struct thread *
take_best(struct percpu *c)
{
	struct runq *q = &runqs[c->id];
	unsigned best = runq_best(q);
	struct thread *t;

	if (best == SCHED_PRIO_IDLE)
		return c->idle;
	t = runq_first(q, best);
	runq_remove(q, t);
	return t;
}

/* account: charge the time since the last call to c's current thread. */
static void
account(struct percpu *c, uint64_t now)
{
	struct thread *t = c->curthread;
	uint64_t used = now > c->quantum_start ? now - c->quantum_start : 0;

	c->quantum_start = now;
	t->cpu_time += used;
	t->quantum_left = used < t->quantum_left ? t->quantum_left - used : 0;
}

/* allowed_on: which processors may t run on, of those that there are? */
static uint32_t
allowed_on(const struct thread *t)
{
	uint32_t all = __atomic_load_n(&online, __ATOMIC_RELAXED);

	return (t->affinity & all) != 0 ? t->affinity & all : all;
}

/* look_for_rivals: see to it that c's current thread goes at once if a better one is ready or it may
 * not be here, and at the end of its quantum if an equal one is. */
static void
look_for_rivals(struct percpu *c)
{
	struct thread *t = c->curthread;
	unsigned best = runq_best(&runqs[c->id]);

	if (t->affinity != 0 && t != c->idle && (allowed_on(t) >> c->id & 1) == 0)
		t->preempt_pending = true;
	if (t->preempt_pending || best == SCHED_PRIO_IDLE || best > t->priority)
		return;
	if (best < t->priority || t->quantum_left == 0)
		t->preempt_pending = true;
	else
		clock_set_deadline(c->quantum_start + t->quantum_left);
}

/* note_idle: whether this processor runs its idle thread, for those who place threads. */
static void
note_idle(struct percpu *c, bool now)
{
	uint32_t bit = 1u << c->id;

	if (((__atomic_load_n(&idle, __ATOMIC_RELAXED) & bit) != 0) == now)
		return;
	if (now) {
		/* The idle thread may have been preempted behind its last look. */
		__atomic_store_n(&runqs[c->id].poked, true, __ATOMIC_RELAXED);
		__atomic_fetch_or(&idle, bit, __ATOMIC_SEQ_CST);
	} else {
		__atomic_fetch_and(&idle, ~bit, __ATOMIC_SEQ_CST);
	}
}

/*
 * switch_away: run the best thread instead of the current one, whose new state is set.
 *
 * Locks:   this processor's run queue, and no other spinlock; on return, when the thread's next turn
 *          has come, that of the processor where that is.
 */
static void
switch_away(void)
{
	struct percpu *c = curcpu();
	struct thread *cur = c->curthread, *next;
	uint32_t irqs_were_on = c->spin_irqs_were_on;

	ASSERT(c->spin_depth == 1, "switch with %u spinlocks held", c->spin_depth);
	next = take_best(c);
	next->state = THREAD_RUNNING;
	next->preempt_pending = false;
	runqs[c->id].running = next->priority;
	note_idle(c, next == c->idle);
	if (next != cur) {
		lockorder_release(&runqs[c->id].lock);
		context_switch(cur, next);
		c = curcpu();
		lockorder_note(&runqs[c->id].lock, runqs[c->id].lock.name, LOCK_RANK_SCHED,
			       LOCK_CALLER);
	}
	c->spin_irqs_were_on = irqs_were_on;
	look_for_rivals(c);
}

/* ---- Places ---- */

static uint32_t
load_of(uint32_t cpu)
{
	return __atomic_load_n(&runqs[cpu].load, __ATOMIC_RELAXED);
}

static uint32_t
first_of(uint32_t set)
{
	return (uint32_t)__builtin_ctz(set);
}

/* idle_of: those of the set that have nothing to do. */
static uint32_t
idle_of(uint32_t set)
{
	return set & __atomic_load_n(&idle, __ATOMIC_SEQ_CST);
}

/* least_loaded: the processor of the set with fewest threads; on a tie `favourite`, then those that come
 * after it. */
static uint32_t
least_loaded(uint32_t set, uint32_t favourite)
{
	uint32_t best = favourite, later = set & ~1u << favourite;

	for (uint32_t left = later; left != 0; left &= left - 1) {
		if (load_of(first_of(left)) < load_of(best))
			best = first_of(left);
	}
	for (uint32_t left = set & ~later; left != 0; left &= left - 1) {
		if (load_of(first_of(left)) < load_of(best))
			best = first_of(left);
	}
	return best;
}

/* choose_cpu: where t, which becomes ready, goes. */
static uint32_t
choose_cpu(const struct thread *t)
{
	uint32_t set = allowed_on(t), free = idle_of(set);
	uint32_t last = (set >> t->cpu & 1) != 0 ? t->cpu : first_of(set);

	if ((set & (set - 1)) == 0 || (free >> last & 1) != 0)
		return last;
	if (free != 0)
		return first_of(free);
	if (t->priority < __atomic_load_n(&runqs[last].running, __ATOMIC_RELAXED))
		return last;
	return least_loaded(set, last);
}

/*
 * call_idle: t has come onto the queue of `cpu`, where it may have to wait: the idle processors that may
 * run it are to come and take it.  All of them: one may be given something else before it looks.
 *
 * Who becomes idle sets its bit and then looks at the queues; here the thread is queued and then the bits
 * are looked at.  With a full barrier between on both sides one of the two sees the other.
 */
static void
call_idle(const struct thread *t, uint32_t cpu)
{
	uint32_t free;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	free = idle_of(allowed_on(t) & ~(1u << cpu));
	for (; free != 0; free &= free - 1)
		cpu_reschedule(first_of(free));
}

/* notify: t has come onto the queue q of `cpu`, which is locked: that processor is to look. */
static void
notify(const struct runq *q, const struct thread *t, uint32_t cpu)
{
	if (cpu == curcpu()->id)
		look_for_rivals(curcpu());
	else if (t->priority <= q->running)
		cpu_reschedule(cpu);
	if (q->load > 1)
		call_idle(t, cpu);
}

/* enqueue: t, on no queue and on no processor, waits for its turn on the processor t->cpu from now on.
 * No run queue is locked; the caller has not been preemptible since t is in its hands. */
static void
enqueue(struct thread *t)
{
	struct runq *q = &runqs[t->cpu];

	ASSERT(!cpu_irqs_on() || curthread()->nopreempt != 0, "thread \"%s\" could be lost",
	       t->name);
	spinlock_lock(&q->lock);
	runq_insert(q, t, false);
	q->load++;
	notify(q, t, t->cpu);
	spinlock_unlock(&q->lock);
}

/* become_ready: t is ready, and goes to the queue of a processor that is chosen now: enqueue() is
 * next.  The queue of the present one is locked, or t is new. */
static void
become_ready(struct thread *t)
{
	if (t->quantum_left == 0)
		t->quantum_left = QUANTUM_NS;
	t->state = THREAD_READY;
	t->cpu = choose_cpu(t);
}

void
sched_first_turn(struct thread *t)
{
	preempt_enter();
	become_ready(t);
	enqueue(t);
	preempt_exit();
}

/* steal_from: take the best thread that waits at `victim` and may run on `cpu`; NULL: there is none. */
static struct thread *
steal_from(uint32_t victim, uint32_t cpu)
{
	struct runq *q = &runqs[victim];
	struct thread *t, *found = NULL;

	spinlock_lock(&q->lock);
	for (uint64_t left = q->nonempty; left != 0 && found == NULL; left &= left - 1) {
		list_for_each_entry (t, &q->ready[__builtin_ctzll(left)], run_link) {
			if ((allowed_on(t) >> cpu & 1) == 0)
				continue;
			found = t;
			break;
		}
	}
	if (found != NULL) {
		runq_remove(q, found);
		q->load--;
		found->cpu = cpu;
	}
	spinlock_unlock(&q->lock);
	return found;
}

/* steal_for: take over a thread from another processor for `self`, this one; false: none waits. */
static bool
steal_for(uint32_t self)
{
	for (uint32_t i = 1; i < MACHINE_MAX_CPUS; i++) {
		uint32_t victim = (self + i) % MACHINE_MAX_CPUS;
		struct thread *t;

		if (__atomic_load_n(&runqs[victim].nonempty, __ATOMIC_RELAXED) == 0)
			continue;
		t = steal_from(victim, self);
		if (t != NULL) {
			enqueue(t);
			return true;
		}
	}
	return false;
}

bool
sched_steal(void)
{
	uint32_t self = cpu_id(); /* the caller, an idle thread, never moves */
	bool found;

	__atomic_store_n(&runqs[self].poked, false, __ATOMIC_SEQ_CST);
	preempt_enter();
	found = steal_for(self);
	preempt_exit();
	return found;
}

/* ---- Turns ---- */

/* next_place: where the current thread, which goes but stays ready, waits: at the end of its turn where
 * fewest threads are, else at an idle processor, or here. */
static uint32_t
next_place(const struct percpu *c, bool keeps_turn)
{
	uint32_t set = allowed_on(c->curthread), free = idle_of(set);
	uint32_t here = (set >> c->id & 1) != 0 ? c->id : first_of(set);

	if ((set & (set - 1)) == 0)
		return here;
	if (keeps_turn)
		return free != 0 ? first_of(free) : here;
	return least_loaded(set, here);
}

/*
 * requeue: the current thread goes but stays ready.  If it is to wait elsewhere it is only noted as
 * moving: as long as it uses its stack it belongs to this processor, whose queue is locked.
 */
static void
requeue(struct percpu *c)
{
	struct runq *q = &runqs[c->id];
	struct thread *t = c->curthread;
	uint32_t place;
	bool keeps_turn;

	account(c, clock_now());
	t->state = THREAD_READY;
	if (t == c->idle)
		return;
	keeps_turn = t->quantum_left > 0;
	if (!keeps_turn)
		t->quantum_left = QUANTUM_NS;
	place = next_place(c, keeps_turn);
	if (place == c->id) {
		runq_insert(q, t, keeps_turn);
		call_idle(t, c->id);
	} else {
		q->moving = t;
		q->moving_to = place;
		q->load--;
	}
}

/* after_switch: what the thread that came does: release the queue, and send on the thread that went, if
 * that is moving. */
static void
after_switch(void)
{
	struct runq *q = my_runq();
	struct thread *moving = q->moving;

	q->moving = NULL;
	if (moving != NULL)
		moving->cpu = q->moving_to; /* it has left its stack */
	spin_enter();
	spinlock_unlock(&q->lock);
	if (moving != NULL)
		enqueue(moving);
	spin_exit();
}

void
sched_begin(void (*entry)(void *), void *arg)
{
	struct percpu *c = curcpu();
	struct spinlock *lock = &runqs[c->id].lock;

	lockorder_note(lock, lock->name, lock->rank, LOCK_CALLER);
	c->spin_irqs_were_on = true;
	look_for_rivals(c);
	after_switch();
	entry(arg);
	panic("thread \"%s\" returned from its entry function", curthread()->name);
}

void
sched_yield(void)
{
	struct thread *t = curthread();
	struct runq *q;

	lockorder_assert_sleepable("sched_yield");
	q = my_runq_lock();
	if (runq_best(q) <= t->priority) {
		t->quantum_left = 0;
		requeue(curcpu());
		switch_away();
	}
	after_switch();
}

void
sched_preempt(void)
{
	if (!curthread()->preempt_pending)
		return;
	my_runq_lock();
	requeue(curcpu());
	switch_away();
	after_switch();
}

/* leave: the current thread neither runs nor is ready any more.  This processor's queue is locked. */
static void
leave(struct thread *t, enum thread_state state)
{
	struct percpu *c = curcpu();

	account(c, clock_now());
	runqs[c->id].load--;
	t->state = state;
	switch_away();
}

void
sched_block(bool (*commit)(struct thread *t))
{
	struct thread *t = curthread();

	my_runq_lock();
	if (commit(t))
		leave(t, THREAD_SLEEPING);
	after_switch();
}

void
sched_leave_for_ever(void)
{
	struct thread *t = curthread();

	my_runq_lock();
	leave(t, THREAD_ZOMBIE);
	panic("thread \"%s\" runs although it is dead", t->name);
}

/* lock_runq_of: the queue of the processor where t runs, waits or was last. */
static struct runq *
lock_runq_of(const struct thread *t)
{
	for (;;) {
		uint32_t cpu = __atomic_load_n(&t->cpu, __ATOMIC_RELAXED);

		spinlock_lock(&runqs[cpu].lock);
		if (t->cpu == cpu)
			return &runqs[cpu];
		spinlock_unlock(&runqs[cpu].lock);
	}
}

void
sched_wakeup(struct thread *t)
{
	struct runq *q;

	preempt_enter();
	q = lock_runq_of(t);
	ASSERT(t->state == THREAD_SLEEPING, "thread \"%s\" woken in state %d", t->name, t->state);
	become_ready(t);
	spinlock_unlock(&q->lock);
	enqueue(t);
	preempt_exit();
}

enum thread_state
sched_hold(const struct thread *t)
{
	lock_runq_of(t);
	return t->state;
}

void
sched_release(const struct thread *t)
{
	spinlock_unlock(&runqs[t->cpu].lock);
}

void
sched_poke(const struct thread *t)
{
	uint32_t cpu = __atomic_load_n(&t->cpu, __ATOMIC_RELAXED);
	bool irqs = cpu_irq_save();

	if (cpu != cpu_id())
		cpu_reschedule(cpu);
	cpu_irq_restore(irqs);
}

void
sched_kill(struct thread *t)
{
	__atomic_store_n(&t->killed, true, __ATOMIC_SEQ_CST);
	sleepq_interrupt(t);
	sched_poke(t);
}

void
sched_set_priority(struct thread *t, uint8_t priority)
{
	struct runq *q;

	VERIFY(priority < SCHED_PRIORITIES, "priority %u", priority);
	q = lock_runq_of(t);
	t->priority = priority;
	if (t->state == THREAD_READY && list_linked(&t->run_link)) {
		runq_remove(q, t);
		runq_insert(q, t, false);
	} else if (t->state == THREAD_RUNNING) {
		q->running = priority;
	}
	if (t->cpu == curcpu()->id)
		look_for_rivals(curcpu());
	else
		cpu_reschedule(t->cpu);
	spinlock_unlock(&q->lock);
}

void
sched_set_affinity(struct thread *t, uint32_t affinity)
{
	struct runq *q = lock_runq_of(t);

	t->affinity = affinity;
	if (t->cpu == curcpu()->id)
		look_for_rivals(curcpu());
	else
		cpu_reschedule(t->cpu);
	if (t->state == THREAD_READY && list_linked(&t->run_link))
		call_idle(t, t->cpu); /* where it may run now */
	spinlock_unlock(&q->lock);
}

void
sched_tick(uint64_t now)
{
	struct percpu *c = curcpu();
	struct thread *t = c->curthread;
	struct runq *q = my_runq_lock();

	account(c, now);
	if (t->quantum_left == 0 && runq_best(q) > t->priority)
		t->quantum_left = QUANTUM_NS;
	look_for_rivals(c);
	spinlock_unlock(&q->lock);
}

void
sched_look(void)
{
	struct runq *q = my_runq_lock();

	q->poked = true;
	look_for_rivals(curcpu());
	spinlock_unlock(&q->lock);
}

void
sched_cpu_online(struct percpu *c, struct thread *t)
{
	struct runq *q = &runqs[c->id];

	for (unsigned p = 0; p < SCHED_PRIORITIES; p++)
		list_init(&q->ready[p]);
	t->state = THREAD_RUNNING;
	t->quantum_left = QUANTUM_NS;
	t->cpu = c->id;
	q->running = t->priority;
	q->load = t == c->idle ? 0 : 1;
	c->curthread = t;
	c->quantum_start = clock_now();
	note_idle(c, t == c->idle);
	__atomic_fetch_or(&online, 1u << c->id, __ATOMIC_SEQ_CST);
}
