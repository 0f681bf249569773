/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleep queues: waiting for an event, named by an address (a "channel").
 *
 * Waiting takes two steps, so that no wake-up is lost and any lock can guard the condition:
 *
 *	lock(x);
 *	while (!condition) {
 *		sleepq_prepare(&chan, "why");	now I am a waiter: a wake-up from here on counts
 *		unlock(x);
 *		result = sleepq_wait(deadline, flags);	returns at once if it already came
 *		lock(x);
 *	}
 *
 * Between the two steps the thread may release locks but not sleep otherwise.  Wake-ups may be
 * spurious: always test the condition again.  Callers hold no spinlock in sleepq_wait.
 */
#ifndef KERNEL_BASE_SLEEPQ_H
#define KERNEL_BASE_SLEEPQ_H

#include <stdbool.h>
#include <stdint.h>

struct thread;

enum sleepq_result {
	SLEEPQ_WOKEN,
	SLEEPQ_TIMEOUT,
	SLEEPQ_KILLED, /* only with SLEEPQ_KILLABLE: the thread is to die */
};

#define SLEEPQ_KILLABLE 0x1 /* end the wait when the thread is killed */

#define SLEEPQ_FOREVER UINT64_MAX

/* sleepq_prepare: become a waiter of chan; `why` is shown by ps and GDB.  Any lock may be held. */
void sleepq_prepare(const void *chan, const char *why);

/* sleepq_cancel: stop being a waiter (after prepare, instead of wait).  A wake-up that has come
 * already is passed on to the next waiter. */
void sleepq_cancel(void);

/* sleepq_wait: sleep until woken, until the clock reaches deadline (ns, see clock.h), or, with
 * SLEEPQ_KILLABLE, until the thread is killed.  No spinlock held; sleeps.  A wake-up that came
 * before the deadline or the kill is never lost: it is the result. */
enum sleepq_result sleepq_wait(uint64_t deadline, int flags);

/* sleepq_wake_one, sleepq_wake_all: wake the first, or every, waiter of chan; returns how many.
 * Any lock below LOCK_RANK_SLEEPQ may be held; callable from interrupts. */
int sleepq_wake_one(const void *chan);
int sleepq_wake_all(const void *chan);

/* sleepq_expire: end the waits whose deadline is `now` (ns) or earlier.  Timer interrupt. */
void sleepq_expire(uint64_t now);

/* sleepq_next_deadline: when the next timed wait ends, SLEEPQ_FOREVER if there is none. */
uint64_t sleepq_next_deadline(void);

/* sleepq_waits_killably: does t sleep now, in a wait that its death would end? */
bool sleepq_waits_killably(const struct thread *t);

/* sleepq_interrupt: end t's wait if it is a killable one (its killed flag is set already). */
void sleepq_interrupt(struct thread *t);

#endif
