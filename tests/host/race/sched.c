/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel's sleep queues want of a scheduler: each thread has a host thread and a processor
 * of its own, so "switch away" is to stop that host thread until somebody makes it ready.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "model/pthreads.h"
#include "kernel/base/clock.h"
#include "kernel/base/panic.h"
#include "kernel/base/sched.h"
#include "kernel/base/sleepq.h"
#include "kernel/base/spinlock.h"
#include "kernel/base/trace.h"
#include "model/kernel.h"
#include "model/thread.h"
#include "race/cpu.h"
#include "race/sched.h"

#define TICK_NS NS_PER_MS

static struct spinlock sched_lock = SPINLOCK_INITIALIZER("sched", LOCK_RANK_SCHED);

/* Where a processor's thread stops; `ready` may be set before it does. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool ready; /* lock */
} places[MACHINE_MAX_CPUS] = {
    [0 ... MACHINE_MAX_CPUS - 1] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false},
};

void
sched_block(bool (*commit)(struct thread *t))
{
	struct thread *t = curthread();
	bool sleeps;

	spinlock_lock(&sched_lock);
	sleeps = commit(t);
	if (sleeps)
		t->state = THREAD_SLEEPING;
	spinlock_unlock(&sched_lock);
	if (!sleeps)
		return;
	pthread_mutex_lock(&places[t->cpu].lock);
	while (!places[t->cpu].ready)
		pthread_cond_wait(&places[t->cpu].cond, &places[t->cpu].lock);
	places[t->cpu].ready = false;
	pthread_mutex_unlock(&places[t->cpu].lock);
}

void
sched_wakeup(struct thread *t)
{
	uint32_t cpu = t->cpu;

	spinlock_lock(&sched_lock);
	VERIFY(t->state == THREAD_SLEEPING, "thread \"%s\" woken in state %d", t->name, t->state);
	t->state = THREAD_RUNNING;
	spinlock_unlock(&sched_lock);
	pthread_mutex_lock(&places[cpu].lock);
	places[cpu].ready = true;
	pthread_cond_signal(&places[cpu].cond);
	pthread_mutex_unlock(&places[cpu].lock);
}

/* ---- what model/thread.c asks ---- */

void
model_sleepq_thread_started(void)
{
}

void
model_sleepq_thread_ended(void)
{
}

bool
model_sleepq_is_asleep(struct thread *t)
{
	bool asleep;

	spinlock_lock(&sched_lock);
	asleep = t->state == THREAD_SLEEPING;
	spinlock_unlock(&sched_lock);
	return asleep;
}

/* ---- the timer ---- */

static struct thread *timer;
static bool timer_ends;

void
clock_set_deadline(uint64_t ns)
{
	(void)ns; /* the timer comes anyway */
}

static uint64_t
host_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec;
}

static void
timer_main(void *arg)
{
	const struct timespec tick = {.tv_nsec = TICK_NS};

	(void)arg;
	while (!__atomic_load_n(&timer_ends, __ATOMIC_RELAXED)) {
		nanosleep(&tick, NULL);
		cpu_irq_disable();
		model_clock_set(host_now());
		sleepq_expire(clock_now());
		cpu_irq_enable();
	}
}

void
race_timer_start(void)
{
	model_clock_set(host_now());
	__atomic_store_n(&timer_ends, false, __ATOMIC_RELAXED);
	timer = race_start("timer", timer_main, NULL);
}

void
race_timer_stop(void)
{
	__atomic_store_n(&timer_ends, true, __ATOMIC_RELAXED);
	race_join(timer);
}

/* ---- threads and the watchdog ---- */

struct body {
	void (*fn)(void *arg);
	void *arg;
};

static struct thread *running[MACHINE_MAX_CPUS]; /* atomic; for the watchdog */
static const char *doing[MACHINE_MAX_CPUS];	 /* atomic */
static uint64_t alive;				 /* atomic: counts signs of life */
static unsigned watch_seconds;
static bool watch_ends; /* atomic */
static pthread_t watchdog;

void
race_alive(const char *what)
{
	__atomic_store_n(&doing[cpu_id()], what, __ATOMIC_RELAXED);
	__atomic_add_fetch(&alive, 1, __ATOMIC_RELAXED);
}

static void
body_main(void *arg)
{
	struct body b = *(struct body *)arg;
	uint32_t id = cpu_id();

	free(arg);
	sim_cpu_start();
	__atomic_store_n(&running[id], curthread(), __ATOMIC_RELEASE);
	b.fn(b.arg);
	__atomic_store_n(&running[id], NULL, __ATOMIC_RELEASE);
	sim_cpu_stop();
}

struct thread *
race_start(const char *name, void (*fn)(void *arg), void *arg)
{
	struct body *b = malloc(sizeof(*b));

	*b = (struct body){fn, arg};
	return model_thread_start(name, body_main, b);
}

void
race_join(struct thread *t)
{
	model_thread_join(t);
}

/* report_thread: it may go on meanwhile, so what is printed may be torn; nothing is changed. */
__attribute__((no_sanitize("thread"))) static void
report_thread(uint32_t cpu, const struct thread *t)
{
	const char *what = __atomic_load_n(&doing[cpu], __ATOMIC_RELAXED);
	const char *why = t->wait_why;

	fprintf(stderr, "processor %u: %s; %s%s\n", cpu, what != NULL ? what : "started",
		why != NULL ? "waits for " : "runs, or spins", why != NULL ? why : "");
	for (uint32_t i = 0; i < t->lockorder.count && i < LOCKORDER_MAX_HELD; i++) {
		const struct lockorder_held *h = &t->lockorder.held[i];
		size_t offset = 0;

		fprintf(stderr, "    has or wants \"%s\" %p, at %s\n", h->name, h->lock,
			ksym_lookup(h->pc, &offset));
	}
}

__attribute__((no_sanitize("thread"))) static void *
watchdog_main(void *arg)
{
	uint64_t last = 0;
	unsigned quiet = 0;

	(void)arg;
	while (!__atomic_load_n(&watch_ends, __ATOMIC_RELAXED) && quiet < 10 * watch_seconds) {
		uint64_t now = __atomic_load_n(&alive, __ATOMIC_RELAXED);

		quiet = now == last ? quiet + 1 : 0;
		last = now;
		usleep(100000);
	}
	if (quiet < 10 * watch_seconds)
		return NULL;
	fprintf(stderr, "no thread has got any further for %u seconds:\n", watch_seconds);
	for (uint32_t cpu = 0; cpu < MACHINE_MAX_CPUS; cpu++) {
		const struct thread *t = __atomic_load_n(&running[cpu], __ATOMIC_ACQUIRE);

		if (t != NULL)
			report_thread(cpu, t);
	}
	_exit(EXIT_FAILURE);
}

void
race_watch(unsigned seconds)
{
	watch_seconds = seconds;
	__atomic_store_n(&watch_ends, false, __ATOMIC_RELAXED);
	pthread_create(&watchdog, NULL, watchdog_main, NULL);
}

void
race_unwatch(void)
{
	__atomic_store_n(&watch_ends, true, __ATOMIC_RELAXED);
	pthread_join(watchdog, NULL);
}

/* The first race ends the test. */
const char *__tsan_default_options(void);

const char *
__tsan_default_options(void)
{
	return "halt_on_error=1:detect_deadlocks=0:history_size=4:handle_segv=2:handle_sigbus=2:"
	       "handle_abort=2";
}
