/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads of a test.  Each is a host thread, bound to a processor of its own; the test itself runs
 * on processor 0.
 */
#ifndef MODEL_THREAD_H
#define MODEL_THREAD_H

#include <stdbool.h>
#include <stdint.h>

struct thread;

/* model_threads_init: make the caller the thread of processor 0. */
void model_threads_init(void);

/* model_thread_start: run fn(arg) in a new thread.  model_thread_join: sleep until it has ended, and
 * forget it. */
struct thread *model_thread_start(const char *name, void (*fn)(void *arg), void *arg);
void model_thread_join(struct thread *t);

/* model_thread_kill: what sched_kill does: mark t and end its killable wait. */
void model_thread_kill(struct thread *t);

/* model_thread_await_sleep: return when t sleeps (in sleepq_wait); the caller does not. */
void model_thread_await_sleep(struct thread *t);

/* model_cpu_switch: the caller goes on as processor id, which has no thread. */
void model_cpu_switch(uint32_t id);

/* model_switches: how often a thread would have gone as its preempt_pending asked.  Atomic. */
extern uint32_t model_switches;

/* A flag that threads can wait for. */
struct model_event {
	bool set;
};
void model_event_set(struct model_event *e);
void model_event_wait(struct model_event *e);

/* For the sleep queues: a thread came or went. */
void model_sleepq_thread_started(void);
void model_sleepq_thread_ended(void);
bool model_sleepq_is_asleep(struct thread *t);

#endif
