/* SPDX-License-Identifier: BSD-2-Clause */
/* Time since boot, and timed waits' expiry.  Implemented by arch/x86_64/timer.c. */
#ifndef KERNEL_BASE_CLOCK_H
#define KERNEL_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_SEC 1000000000ull
#define NS_PER_MS  1000000ull

/* clock_now: nanoseconds since boot; monotonic; any context. */
uint64_t clock_now(void);

/*
 * clock_set_deadline: have this processor's timer interrupt come at `ns`, if it is not to come
 * earlier anyway.  A time in the past means at once.  Called with interrupts off and locks up to
 * LOCK_RANK_SCHED held; before the timer runs, the wish is only remembered.
 *
 * The timer interrupt forgets the time it came for, then does, in this order,
 *
 *	sleepq_expire(now); sched_tick(now); clock_set_deadline(sleepq_next_deadline());
 *
 * and the last two leave the timer armed for what is wanted next, or off if that is nothing.
 */
void clock_set_deadline(uint64_t ns);

#endif
