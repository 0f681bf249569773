/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time: the clock is the time-stamp counter, the alarm is the local APIC's timer, one-shot.
 *
 * There is no tick.  Whoever wants the timer interrupt (the end of a turn, of a timed wait) says by
 * clock_set_deadline() when; the earliest wish is armed.  Later wishes are not kept: those who have
 * them say so again when the interrupt comes, in the order that kernel/base/clock.h tells.
 *
 * Both rates are read from CPUID where it has them (leaf 0x15: the crystal that drives the APIC
 * timer and the ratio of the counter to it).  Elsewhere both are measured against channel 2 of the
 * old timer chip, whose rate is known, three times for a third of a millisecond.  The shortest
 * of them counts: whatever disturbs a measurement makes it longer.
 *
 * Time is ticks * scale / 2^32: one multiplication, no division.
 */
#include <stdbool.h>
#include <machine/apic.h>
#include <machine/cpu.h>
#include <machine/io.h>
#include <machine/percpu.h>
#include <machine/registers.h>
#include <machine/timer.h>
#include <machine/trap.h>
#include "kernel/base/clock.h"
#include "kernel/base/print.h"
#include "kernel/base/sched.h"
#include "kernel/base/sleepq.h"

#define PIT_HZ		  1193182u
#define PIT_CHANNEL2	  0x42
#define PIT_COMMAND	  0x43
#define PIT_CHANNEL2_LOAD 0xb0 /* channel 2, both bytes, mode 0: output rises at zero */
#define PORT_SPEAKER	  0x61
#define SPEAKER_GATE	  0x01
#define SPEAKER_DATA	  0x02
#define SPEAKER_OUTPUT	  0x20

#define MEASURE_TICKS	400u /* a third of a millisecond */
#define MEASURE_ROUNDS	3
#define MEASURE_TIMEOUT 10000000u

#define CPUID_TSC	0x15
#define CPUID_FREQUENCY 0x16
#define MHZ		1000000ul

#define LAPIC_DIVIDER	16
#define SCALE_SHIFT	32
#define NO_DEADLINE	UINT64_MAX
#define TSC_HZ_FALLBACK 1000000000ul /* without any timer to measure by: wrong, but time passes */

/* Set by timer_init, constant afterwards. */
static bool running;
static uint64_t tsc_hz, tsc_start;
static uint64_t ns_per_tsc;   /* << SCALE_SHIFT */
static uint64_t lapic_per_ns; /* << SCALE_SHIFT */

/* The time each processor's alarm is set to; its own, with interrupts off. */
static uint64_t armed[MACHINE_MAX_CPUS] = {[0 ... MACHINE_MAX_CPUS - 1] = NO_DEADLINE};

static uint64_t
scale(uint64_t value, uint64_t factor)
{
	return (unsigned __int128)value * factor >> SCALE_SHIFT;
}

uint64_t
clock_now(void)
{
	return scale(cpu_timestamp() - tsc_start, ns_per_tsc);
}

uint64_t
timer_tsc_hz(void)
{
	return tsc_hz;
}

/* arm: interrupt at ns, or as near to it as the counter reaches; the handler finds out. */
static void
arm(uint64_t ns)
{
	uint64_t now = clock_now();
	uint64_t count = ns > now ? scale(ns - now, lapic_per_ns) : 0;

	if (count > UINT32_MAX)
		count = UINT32_MAX;
	lapic_timer_start(count != 0 ? count : 1);
}

void
clock_set_deadline(uint64_t ns)
{
	uint64_t *mine = &armed[cpu_id()];

	if (ns >= *mine)
		return;
	*mine = ns;
	if (running)
		arm(ns);
}

static void
timer_interrupt(void *arg)
{
	uint64_t now = clock_now();

	(void)arg;
	armed[cpu_id()] = NO_DEADLINE;
	sleepq_expire(now);
	sched_tick(now);
	clock_set_deadline(sleepq_next_deadline());
}

/* rates_from_cpuid: both rates, if the processor tells them. */
static bool
rates_from_cpuid(uint64_t *tsc, uint64_t *lapic)
{
	struct cpuid_result r = cpuid(CPUID_TSC, 0);
	uint64_t crystal = r.ecx;

	if (r.eax == 0 || r.ebx == 0)
		return false;
	if (crystal == 0)
		crystal = (cpuid(CPUID_FREQUENCY, 0).eax & 0xffff) * MHZ * r.eax / r.ebx;
	*tsc = crystal * r.ebx / r.eax;
	*lapic = crystal / LAPIC_DIVIDER;
	return crystal != 0;
}

/* measure_once: count both while the timer chip counts MEASURE_TICKS; false if it does not. */
static bool
measure_once(uint64_t *tsc, uint64_t *lapic)
{
	uint8_t speaker = io_in8(PORT_SPEAKER) & ~(SPEAKER_DATA | SPEAKER_GATE);
	uint64_t tsc_ticks, lapic_ticks;
	uint32_t patience = MEASURE_TIMEOUT;

	io_out8(PORT_SPEAKER, speaker | SPEAKER_GATE);
	io_out8(PIT_COMMAND, PIT_CHANNEL2_LOAD);
	io_out8(PIT_CHANNEL2, MEASURE_TICKS & 0xff);
	lapic_timer_start(UINT32_MAX);
	io_out8(PIT_CHANNEL2, MEASURE_TICKS >> 8); /* counting starts */
	tsc_ticks = cpu_timestamp();
	lapic_ticks = lapic_timer_count();
	while ((io_in8(PORT_SPEAKER) & SPEAKER_OUTPUT) == 0 && --patience > 0)
		cpu_pause();
	tsc_ticks = cpu_timestamp() - tsc_ticks;
	lapic_ticks -= lapic_timer_count();
	lapic_timer_start(0);
	io_out8(PORT_SPEAKER, speaker);

	*tsc = tsc_ticks;
	*lapic = lapic_ticks;
	return patience != 0 && tsc_ticks != 0 && lapic_ticks != 0;
}

/* measure: both rates; false if there is nothing to measure by. */
static bool
measure(uint64_t *tsc, uint64_t *lapic)
{
	uint64_t tsc_best = UINT64_MAX, lapic_best = 0;

	for (int i = 0; i < MEASURE_ROUNDS; i++) {
		uint64_t t, l;

		if (!measure_once(&t, &l))
			return false;
		if (t < tsc_best) {
			tsc_best = t;
			lapic_best = l;
		}
	}
	*tsc = tsc_best * PIT_HZ / MEASURE_TICKS;
	*lapic = lapic_best * PIT_HZ / MEASURE_TICKS;
	return true;
}

void
timer_init(void)
{
	uint64_t lapic_hz = TSC_HZ_FALLBACK / LAPIC_DIVIDER;
	bool known = rates_from_cpuid(&tsc_hz, &lapic_hz);

	if (!known && !measure(&tsc_hz, &lapic_hz)) {
		tsc_hz = TSC_HZ_FALLBACK;
		lapic_hz = TSC_HZ_FALLBACK / LAPIC_DIVIDER;
		kprintf("timer: nothing to measure by, the clock will be wrong\n");
	}
	ns_per_tsc = (NS_PER_SEC << SCALE_SHIFT) / tsc_hz;
	lapic_per_ns = (lapic_hz << SCALE_SHIFT) / NS_PER_SEC;
	tsc_start = cpu_timestamp();
	irq_register(VECTOR_TIMER, timer_interrupt, NULL);
	running = true;
	if (armed[cpu_id()] != NO_DEADLINE)
		arm(armed[cpu_id()]);
	kprintf("timer: counter %lu kHz, APIC timer %lu kHz (%s)\n", tsc_hz / 1000, lapic_hz / 1000,
		known ? "from CPUID" : "measured");
}
