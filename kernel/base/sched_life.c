/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Birth, death and idleness of threads, as far as the scheduler is concerned.
 *
 * Death.  A zombie cannot free the stack it runs on, and the thread that comes next may hold any
 * sleeping lock; so the dead are left to the reaper, a thread for just that.
 *
 *	sched_exit: on the list of zombies, reaper woken -> lock of the run queue -> ZOMBIE, switch
 *	reaper: off the list -> until it is a ZOMBIE under that lock: its stack is left -> reap
 *
 * Idleness.  Each processor has an idle thread, which runs when nothing else wants to: it looks for
 * threads that wait elsewhere, zeroes pages, and halts until an interrupt.
 */
#include "kernel/base/panic.h"
#include "kernel/base/preempt.h"
#include "kernel/base/runq.h"
#include "kernel/base/sched.h"
#include "kernel/base/sleepq.h"
#include "kernel/base/spinlock.h"
#include "kernel/base/string.h"
#include <machine/cpu.h>
#include <machine/param.h>

#define STACK_ALIGNMENT 16
#define IDLE_ID		1
#define REAPER_ID	2

/* A thread that the scheduler makes before there is memory to allocate. */
struct own_thread {
	struct thread thread;
	uint8_t stack[KERNEL_STACK_SIZE] __attribute__((aligned(STACK_ALIGNMENT)));
};

static struct spinlock threads_lock = SPINLOCK_INITIALIZER("threads", LOCK_RANK_THREADS);
static struct list threads = LIST_INITIALIZER(threads); /* threads_lock; started, not reaped */
static struct list zombies = LIST_INITIALIZER(zombies); /* threads_lock; for the reaper */
static struct own_thread boot_idle, reaper;

bool (*sched_idle_hook)(void);

static void
threads_add(struct thread *t)
{
	spinlock_lock(&threads_lock);
	list_push_back(&threads, &t->all_link);
	spinlock_unlock(&threads_lock);
}

void
sched_start(struct thread *t)
{
	VERIFY(t->state == THREAD_EMBRYO && t->priority < SCHED_PRIORITIES,
	       "thread \"%s\" in state %d, priority %u", t->name, t->state, t->priority);
	t->cpu = cpu_id();
	threads_add(t);
	sched_first_turn(t);
}

void
sched_exit(void (*reap)(struct thread *t))
{
	struct thread *t = curthread();

	lockorder_assert_sleepable("sched_exit");
	lockorder_assert_none(LOCK_RANK_PRINT, "sched_exit");
	t->reap = reap;
	preempt_enter(); /* nobody waits in vain for the switch that is announced now */
	spinlock_lock(&threads_lock);
	list_push_back(&zombies, &t->run_link);
	spinlock_unlock(&threads_lock);
	sleepq_wake_one(&zombies);
	sched_leave_for_ever();
}

void
sched_for_each(void (*fn)(struct thread *t, void *arg), void *arg)
{
	bool locked = !panic_active();
	struct thread *t;

	if (locked)
		spinlock_lock(&threads_lock);
	list_for_each_entry (t, &threads, all_link)
		fn(t, arg);
	if (locked)
		spinlock_unlock(&threads_lock);
}

/* ---- The reaper ---- */

/* next_zombie: wait for a thread to die, and take it off all lists. */
static struct thread *
next_zombie(void)
{
	struct list_link *link;
	struct thread *t;

	spinlock_lock(&threads_lock);
	while ((link = list_pop_front(&zombies)) == NULL) {
		sleepq_prepare(&zombies, "reaper");
		spinlock_unlock(&threads_lock);
		sleepq_wait(SLEEPQ_FOREVER, 0);
		spinlock_lock(&threads_lock);
	}
	t = container_of(link, struct thread, run_link);
	list_remove(&t->all_link);
	spinlock_unlock(&threads_lock);
	return t;
}

/* wait_until_left: t has announced its end; it is still to make its last switch, on another processor. */
static void
wait_until_left(const struct thread *t)
{
	enum thread_state state;

	do {
		state = sched_hold(t);
		sched_release(t);
	} while (state != THREAD_ZOMBIE);
}

static void
reaper_main(void *arg)
{
	(void)arg;
	for (;;) {
		struct thread *t = next_zombie();

		wait_until_left(t);
		t->reap(t);
	}
}

/* ---- Idleness ---- */

/* idle_main: between the last look and the halt no interrupt can come unnoticed. */
static void
idle_main(void *arg)
{
	(void)arg;
	for (;;) {
		if (sched_steal() || (sched_idle_hook != NULL && sched_idle_hook()))
			continue;
		cpu_irq_disable();
		if (curthread()->preempt_pending) {
			sched_preempt();
			cpu_irq_enable();
		} else if (__atomic_load_n(&runqs[cpu_id()].poked, __ATOMIC_SEQ_CST)) {
			cpu_irq_enable();
		} else {
			cpu_wait_for_interrupt();
		}
	}
}

void
sched_idle(void)
{
	cpu_irq_enable();
	idle_main(NULL);
	panic("the idle thread has ended");
}

void
sched_idle_init(struct thread *t, uint32_t cpu, uintptr_t stack)
{
	t->kstack_base = stack;
	t->kstack_top = stack + KERNEL_STACK_SIZE;
	t->id = IDLE_ID;
	t->priority = SCHED_PRIO_IDLE;
	t->cpu = cpu;
	strlcpy(t->name, "idle", sizeof(t->name));
	context_init(t, idle_main, NULL);
	threads_add(t);
}

/* ---- The start ---- */

void
sched_init(struct thread *thread0)
{
	struct percpu *c = curcpu();
	struct thread *r = &reaper.thread;

	c->idle = &boot_idle.thread;
	sched_cpu_online(c, thread0);
	threads_add(thread0);
	sched_idle_init(c->idle, c->id, (uintptr_t)boot_idle.stack);

	r->kstack_base = (uintptr_t)reaper.stack;
	r->kstack_top = r->kstack_base + sizeof(reaper.stack);
	r->id = REAPER_ID;
	r->priority = SCHED_PRIO_KERNEL;
	strlcpy(r->name, "reaper", sizeof(r->name));
	context_init(r, reaper_main, NULL);
	sched_start(r);
}
