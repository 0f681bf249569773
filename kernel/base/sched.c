/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler: which thread runs next, and for how long.
 *
 * Each processor has a run queue: a list of ready threads for each priority, and a word with a bit
 * for each list that is not empty, so that the best thread is found by one instruction.
 *
 *	runqs[cpu].nonempty	0 0 1 0 ... 1
 *	runqs[cpu].ready[]	    |       +--> thread --> thread	priority 2
 *				    +--> thread				priority 5
 *
 * A running thread is on no queue.  A thread that is made ready goes to the queue of the processor
 * that makes it ready.  The idle thread is on no queue ever; it runs when the queue is empty.
 *
 * Turns.  Threads of one priority take turns of SCHED_QUANTUM_NS.  Who is preempted by a better
 * thread keeps the rest of the quantum and the first place in its list; who has used it up, or
 * yields, goes to the end with a new one.  The timer is asked for only while two threads share a
 * priority that runs: a thread alone is never interrupted for the scheduler's sake.
 *
 * Preemption.  preempt_pending of the running thread says that it should go.  It is looked at on
 * the way out of each interrupt and trap, and when the last spinlock is released, never inside.
 *
 * Hand-over.  One lock, sched_lock, guards all of this.  It is taken by the thread that goes and
 * released by the thread that comes, on its own stack: so nobody, on any processor, sees a thread
 * as ready or dead while its stack is still in use.
 *
 *	thread A			thread B
 *	lock
 *	A->state = SLEEPING
 *	context_switch(A, B) ---------> returns from its own context_switch (or starts in
 *					sched_begin, if this is its first turn)
 *					unlock
 *
 * The processor's note whether interrupts were on belongs to the lock's holder, so each thread
 * saves its own around the switch.
 *
 * Death.  A zombie cannot free the stack it runs on, and the thread that comes next may hold any
 * sleeping lock; so the dead are left to the reaper, a thread for just that.
 *
 * One queue lock per processor, and idle processors that look at the queues of others, can come
 * without a change of the interface; thread->cpu says already which queue a ready thread is on.
 */
#include "kernel/base/sched.h"
#include "kernel/base/clock.h"
#include "kernel/base/debug.h"
#include "kernel/base/panic.h"
#include "kernel/base/sleepq.h"
#include "kernel/base/spinlock.h"
#include "kernel/base/string.h"
#include <machine/cpu.h>
#include <machine/param.h>

#define STACK_ALIGNMENT 16

#define QUANTUM_NS    debug_limit(SCHED_QUANTUM_NS, QUANTUM_SMALL)
#define QUANTUM_SMALL 500000 /* ns */

_Static_assert(SCHED_PRIORITIES <= 64, "one word has a bit for each priority");

struct runq {
	uint64_t nonempty;		     /* sched_lock: bit p is set if ready[p] is not empty */
	struct list ready[SCHED_PRIORITIES]; /* sched_lock */
};

/* A thread that the scheduler makes before there is memory to allocate. */
struct own_thread {
	struct thread thread;
	uint8_t stack[KERNEL_STACK_SIZE] __attribute__((aligned(STACK_ALIGNMENT)));
};

static struct spinlock sched_lock = SPINLOCK_INITIALIZER("sched", LOCK_RANK_SCHED);
static struct runq runqs[MACHINE_MAX_CPUS];		/* sched_lock; by processor id */
static struct list threads = LIST_INITIALIZER(threads); /* sched_lock; started, not reaped */
static struct list zombies = LIST_INITIALIZER(zombies); /* sched_lock; for the reaper */
static struct own_thread idle, reaper;

bool (*sched_idle_hook)(void);

static void
runq_insert(struct runq *q, struct thread *t, bool at_front)
{
	struct list *l = &q->ready[t->priority];

	if (at_front)
		list_push_front(l, &t->run_link);
	else
		list_push_back(l, &t->run_link);
	q->nonempty |= (uint64_t)1 << t->priority;
}

static void
runq_remove(struct runq *q, struct thread *t)
{
	list_remove(&t->run_link);
	if (list_empty(&q->ready[t->priority]))
		q->nonempty &= ~((uint64_t)1 << t->priority);
}

/* runq_best: the best priority with a ready thread; SCHED_PRIO_IDLE if there is none. */
static unsigned int
runq_best(const struct runq *q)
{
	return q->nonempty == 0 ? SCHED_PRIO_IDLE : (unsigned int)__builtin_ctzll(q->nonempty);
}

/* take_best: the thread that c runs next, taken off its queue. */
static struct thread *
take_best(struct percpu *c)
{
	struct runq *q = &runqs[c->id];
	unsigned int best = runq_best(q);
	struct thread *t;

	if (best == SCHED_PRIO_IDLE)
		return c->idle;
	t = list_first_entry(&q->ready[best], struct thread, run_link);
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

/* look_for_rivals: see to it that c's current thread goes at once if a better one is ready, and at
 * the end of its quantum if an equal one is. */
static void
look_for_rivals(struct percpu *c)
{
	struct thread *t = c->curthread;
	unsigned int best = runq_best(&runqs[c->id]);

	if (t->preempt_pending || best == SCHED_PRIO_IDLE || best > t->priority)
		return;
	if (best < t->priority || t->quantum_left == 0)
		t->preempt_pending = true;
	else
		clock_set_deadline(c->quantum_start + t->quantum_left);
}

/* requeue: put the current thread, which is to go but stays ready, back on its queue. */
static void
requeue(struct thread *t)
{
	bool keeps_turn = t->quantum_left > 0;

	if (t->priority == SCHED_PRIO_IDLE)
		return;
	if (!keeps_turn)
		t->quantum_left = QUANTUM_NS;
	runq_insert(&runqs[t->cpu], t, keeps_turn);
}

/*
 * switch_away: run the best thread instead of the current one, whose new state is set.
 *
 * Locks:   sched_lock, and no other spinlock; held again on return, when the thread's next turn
 *          has come, perhaps on another processor.
 */
static void
switch_away(void)
{
	struct percpu *c = curcpu();
	struct thread *cur = c->curthread, *next;
	uint32_t irqs_were_on = c->spin_irqs_were_on;

	ASSERT(c->spin_depth == 1, "switch with %u spinlocks held", c->spin_depth);
	account(c, clock_now());
	if (cur->state == THREAD_READY)
		requeue(cur);
	next = take_best(c);
	next->state = THREAD_RUNNING;
	next->preempt_pending = false;
	next->cpu = c->id;
	if (next != cur)
		context_switch(cur, next);

	c = curcpu();
	c->spin_irqs_were_on = irqs_were_on;
	look_for_rivals(c);
}

/* make_ready: t, new or asleep, becomes ready on this processor.  sched_lock held. */
static void
make_ready(struct thread *t)
{
	struct percpu *c = curcpu();

	if (t->quantum_left == 0)
		t->quantum_left = QUANTUM_NS;
	t->state = THREAD_READY;
	t->cpu = c->id;
	runq_insert(&runqs[c->id], t, false);
	look_for_rivals(c);
}

void
sched_begin(void (*entry)(void *), void *arg)
{
	struct percpu *c = curcpu();

	lockorder_note(&sched_lock, sched_lock.name, sched_lock.rank, LOCK_CALLER);
	c->spin_irqs_were_on = true;
	look_for_rivals(c);
	spinlock_unlock(&sched_lock);
	entry(arg);
	panic("thread \"%s\" returned from its entry function", curthread()->name);
}

void
sched_start(struct thread *t)
{
	VERIFY(t->state == THREAD_EMBRYO && t->priority < SCHED_PRIORITIES,
	       "thread \"%s\" in state %d, priority %u", t->name, t->state, t->priority);
	spinlock_lock(&sched_lock);
	list_push_back(&threads, &t->all_link);
	make_ready(t);
	spinlock_unlock(&sched_lock);
}

void
sched_yield(void)
{
	struct thread *t = curthread();

	lockorder_assert_sleepable("sched_yield");
	spinlock_lock(&sched_lock);
	if (runq_best(&runqs[curcpu()->id]) <= t->priority) {
		t->quantum_left = 0;
		t->state = THREAD_READY;
		switch_away();
	}
	spinlock_unlock(&sched_lock);
}

void
sched_preempt(void)
{
	struct thread *t = curthread();

	if (!t->preempt_pending)
		return;
	spinlock_lock(&sched_lock);
	t->state = THREAD_READY;
	switch_away();
	spinlock_unlock(&sched_lock);
}

void
sched_block(bool (*commit)(struct thread *t))
{
	struct thread *t = curthread();

	spinlock_lock(&sched_lock);
	if (commit(t)) {
		t->state = THREAD_SLEEPING;
		switch_away();
	}
	spinlock_unlock(&sched_lock);
}

void
sched_wakeup(struct thread *t)
{
	spinlock_lock(&sched_lock);
	ASSERT(t->state == THREAD_SLEEPING, "thread \"%s\" woken in state %d", t->name, t->state);
	make_ready(t);
	spinlock_unlock(&sched_lock);
}

void
sched_kill(struct thread *t)
{
	__atomic_store_n(&t->killed, true, __ATOMIC_SEQ_CST);
	sleepq_interrupt(t);
}

void
sched_exit(void (*reap)(struct thread *t))
{
	struct thread *t = curthread();

	lockorder_assert_sleepable("sched_exit");
	lockorder_assert_none(LOCK_RANK_PRINT, "sched_exit");
	spinlock_lock(&sched_lock);
	t->reap = reap;
	t->state = THREAD_ZOMBIE;
	list_push_back(&zombies, &t->run_link);
	if (reaper.thread.state == THREAD_SLEEPING)
		make_ready(&reaper.thread);
	switch_away();
	panic("thread \"%s\" runs although it is dead", t->name);
}

void
sched_set_priority(struct thread *t, uint8_t priority)
{
	VERIFY(priority < SCHED_PRIORITIES, "priority %u", priority);
	spinlock_lock(&sched_lock);
	if (t->state == THREAD_READY) {
		runq_remove(&runqs[t->cpu], t);
		t->priority = priority;
		runq_insert(&runqs[t->cpu], t, false);
	} else {
		t->priority = priority;
	}
	look_for_rivals(&percpu_area[t->cpu]);
	spinlock_unlock(&sched_lock);
}

void
sched_tick(uint64_t now)
{
	struct percpu *c = curcpu();
	struct thread *t = c->curthread;

	spinlock_lock(&sched_lock);
	account(c, now);
	if (t->quantum_left == 0 && runq_best(&runqs[c->id]) > t->priority)
		t->quantum_left = QUANTUM_NS;
	look_for_rivals(c);
	spinlock_unlock(&sched_lock);
}

void
sched_for_each(void (*fn)(struct thread *t, void *arg), void *arg)
{
	bool locked = !panic_active();
	struct thread *t;

	if (locked)
		spinlock_lock(&sched_lock);
	list_for_each_entry (t, &threads, all_link)
		fn(t, arg);
	if (locked)
		spinlock_unlock(&sched_lock);
}

/* idle_main: what a processor does when there is nothing to do.  Between the look at
 * preempt_pending and the halt no interrupt can come unnoticed. */
static void
idle_main(void *arg)
{
	(void)arg;
	for (;;) {
		if (sched_idle_hook != NULL && sched_idle_hook())
			continue;
		cpu_irq_disable();
		if (!curthread()->preempt_pending) {
			cpu_wait_for_interrupt();
			continue;
		}
		sched_preempt();
		cpu_irq_enable();
	}
}

/* next_zombie: wait for a thread to die, and take it off all lists. */
static struct thread *
next_zombie(void)
{
	struct list_link *link;
	struct thread *t;

	spinlock_lock(&sched_lock);
	while ((link = list_pop_front(&zombies)) == NULL) {
		reaper.thread.state = THREAD_SLEEPING;
		switch_away();
	}
	t = container_of(link, struct thread, run_link);
	list_remove(&t->all_link);
	spinlock_unlock(&sched_lock);
	return t;
}

static void
reaper_main(void *arg)
{
	(void)arg;
	for (;;) {
		struct thread *t = next_zombie();

		t->reap(t);
	}
}

static struct thread *
own_thread_init(struct own_thread *o, const char *name, uint64_t id, uint8_t priority,
		void (*main)(void *))
{
	struct thread *t = &o->thread;

	t->kstack_base = (uintptr_t)o->stack;
	t->kstack_top = (uintptr_t)o->stack + sizeof(o->stack);
	t->id = id;
	t->priority = priority;
	strlcpy(t->name, name, sizeof(t->name));
	context_init(t, main, NULL);
	return t;
}

void
sched_init(struct thread *thread0)
{
	struct percpu *c = curcpu();

	for (unsigned int cpu = 0; cpu < MACHINE_MAX_CPUS; cpu++) {
		for (unsigned int p = 0; p < SCHED_PRIORITIES; p++)
			list_init(&runqs[cpu].ready[p]);
	}
	thread0->state = THREAD_RUNNING;
	thread0->quantum_left = QUANTUM_NS;
	thread0->cpu = c->id;
	list_push_back(&threads, &thread0->all_link);
	c->curthread = thread0;
	c->quantum_start = clock_now();

	c->idle = own_thread_init(&idle, "idle", 1, SCHED_PRIO_IDLE, idle_main);
	c->idle->cpu = c->id;
	list_push_back(&threads, &c->idle->all_link);
	sched_start(own_thread_init(&reaper, "reaper", 2, SCHED_PRIO_KERNEL, reaper_main));
}
