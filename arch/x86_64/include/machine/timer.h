/* SPDX-License-Identifier: BSD-2-Clause */
/* Clock and timer interrupt; see kernel/base/clock.h for what the rest of the kernel uses. */
#ifndef MACHINE_TIMER_H
#define MACHINE_TIMER_H

#include <stdint.h>

/* timer_init: measure the time-stamp counter and the local APIC's timer, and let the timer
 * interrupt.  Boot, after lapic_init, interrupts off.  clock_now() counts from here. */
void timer_init(void);

/* timer_tsc_hz: ticks of the time-stamp counter in a second. */
uint64_t timer_tsc_hz(void);

#endif
