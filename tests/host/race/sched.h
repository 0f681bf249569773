/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads under the kernel's own sleep queues, a timer, and a watchdog. */
#ifndef RACE_SCHED_H
#define RACE_SCHED_H

#include <stdint.h>

struct thread;

/* race_timer_start: a thread that is the timer's interrupt: real time passes, timed waits end.
 * race_timer_stop: it is gone. */
void race_timer_start(void);
void race_timer_stop(void);

/*
 * race_watch: from now on the test fails when no thread says race_alive() for `seconds`: it prints
 * what every thread does, waits for and holds, and where it stands.  race_alive: the caller goes on,
 * with `what` (a string that stays).
 */
void race_watch(unsigned seconds);
void race_unwatch(void);
void race_alive(const char *what);

/* race_start: a thread that is a simulated processor. */
struct thread *race_start(const char *name, void (*fn)(void *arg), void *arg);
void race_join(struct thread *t);

#endif
