/* SPDX-License-Identifier: BSD-2-Clause */
/* Host threads that stand for processors, each with one kernel thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/pthreads.h"
#include "kernel/base/panic.h"
#include "kernel/base/sched.h"
#include "kernel/base/sleepq.h"
#include "model/kernel.h"
#include "model/thread.h"
#include "vm/pmap.h"
#include "vm/vm_page.h"
#include <machine/cpu.h>

struct percpu percpu_area[MACHINE_MAX_CPUS];
_Thread_local struct percpu *model_percpu;

struct model_thread {
	struct thread thread;
	pthread_t host;
	void (*fn)(void *arg);
	void *arg;
	uint32_t cpu;
	struct model_event ended;
};

static pthread_mutex_t cpus_lock = PTHREAD_MUTEX_INITIALIZER;
static bool cpu_taken[MACHINE_MAX_CPUS]; /* cpus_lock */
static uint64_t next_id = 1;		 /* atomic */

extern int host_sched_yield(void) __asm__("sched_yield");

void
model_yield(void)
{
	host_sched_yield();
}

/* The host decides who runs: only noted. */
uint32_t model_switches;

void
sched_preempt(void)
{
	struct thread *t = curthread();

	if (t->preempt_pending)
		__atomic_add_fetch(&model_switches, 1, __ATOMIC_RELAXED);
	t->preempt_pending = false;
}

static uint32_t
cpu_take(void)
{
	uint32_t id = 0;

	pthread_mutex_lock(&cpus_lock);
	while (id < MACHINE_MAX_CPUS && cpu_taken[id])
		id++;
	if (id == MACHINE_MAX_CPUS)
		model_die("more than %d threads at once", MACHINE_MAX_CPUS);
	cpu_taken[id] = true;
	pthread_mutex_unlock(&cpus_lock);
	return id;
}

static void
cpu_give(uint32_t id)
{
	pthread_mutex_lock(&cpus_lock);
	cpu_taken[id] = false;
	pthread_mutex_unlock(&cpus_lock);
}

/* What a processor remembers that has used no page table. */
static struct vm_page no_table;

/* cpu_enter: the caller becomes processor id and runs t there. */
static void
cpu_enter(uint32_t id, struct thread *t)
{
	percpu_area[id] =
	    (struct percpu){.curthread = t, .id = id, .irqs_on = true, .loaded_pmap = kernel_pmap};
	for (unsigned i = 0; i < RECENT_TABLES; i++)
		percpu_area[id].recent_table[i] = &no_table;
	model_percpu = &percpu_area[id];
	t->cpu = id;
}

static void
thread_init(struct thread *t, const char *name)
{
	memset(t, 0, sizeof(*t));
	t->state = THREAD_RUNNING;
	t->id = __atomic_fetch_add(&next_id, 1, __ATOMIC_RELAXED);
	snprintf(t->name, sizeof(t->name), "%s", name);
}

void
model_threads_init(void)
{
	static struct thread first;

	thread_init(&first, "test");
	cpu_enter(cpu_take(), &first);
	model_sleepq_thread_started();
}

static void *
thread_main(void *arg)
{
	struct model_thread *mt = arg;

	cpu_enter(mt->cpu, &mt->thread);
	mt->fn(mt->arg);
	if (mt->thread.lockorder.count != 0)
		model_die("thread %s ended with \"%s\" held", mt->thread.name,
			  mt->thread.lockorder.held[0].name);
	model_event_set(&mt->ended);
	model_sleepq_thread_ended();
	return NULL;
}

struct thread *
model_thread_start(const char *name, void (*fn)(void *arg), void *arg)
{
	struct model_thread *mt = calloc(1, sizeof(*mt));

	thread_init(&mt->thread, name);
	mt->fn = fn;
	mt->arg = arg;
	mt->cpu = cpu_take();
	model_sleepq_thread_started();
	if (pthread_create(&mt->host, NULL, thread_main, mt) != 0)
		model_die("no host thread for %s", name);
	return &mt->thread;
}

void
model_thread_join(struct thread *t)
{
	struct model_thread *mt = container_of(t, struct model_thread, thread);

	model_event_wait(&mt->ended);
	pthread_join(mt->host, NULL);
	cpu_give(mt->cpu);
	free(mt);
}

void
model_thread_kill(struct thread *t)
{
	__atomic_store_n(&t->killed, true, __ATOMIC_SEQ_CST);
	sleepq_interrupt(t);
}

void
model_thread_await_sleep(struct thread *t)
{
	while (!model_sleepq_is_asleep(t))
		model_yield();
}

void
model_cpu_switch(uint32_t id)
{
	struct thread *t = curthread();
	bool irqs;

	if (id == curcpu()->id)
		return;
	irqs = cpu_irq_save();
	pmap_activate(kernel_pmap);
	cpu_irq_restore(irqs);
	pthread_mutex_lock(&cpus_lock);
	if (cpu_taken[id])
		model_die("processor %u has a thread already", id);
	cpu_taken[id] = true;
	cpu_taken[curcpu()->id] = false;
	pthread_mutex_unlock(&cpus_lock);
	cpu_enter(id, t);
}

void
model_event_set(struct model_event *e)
{
	__atomic_store_n(&e->set, true, __ATOMIC_SEQ_CST);
	sleepq_wake_all(e);
}

void
model_event_wait(struct model_event *e)
{
	while (!__atomic_load_n(&e->set, __ATOMIC_SEQ_CST)) {
		sleepq_prepare(e, "model event");
		if (__atomic_load_n(&e->set, __ATOMIC_SEQ_CST))
			sleepq_cancel();
		else
			sleepq_wait(SLEEPQ_FOREVER, 0);
	}
}
