/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A simulated processor's interrupts: what others ask of it (shootdowns) reaches it at any time
 * while they are on, and otherwise when it turns them on or polls.
 */
#ifndef RACE_MACHINE_CPU_H
#define RACE_MACHINE_CPU_H

#include <stdbool.h>
#include <stdint.h>
#include <machine/param.h>
#include <machine/percpu.h>

/* race/cpu.c: this processor's interrupts go off, or on; a turn of a loop that waits. */
void sim_irqs_off(void);
void sim_irqs_on(void);
void sim_poll(void);

static inline bool
cpu_irqs_on(void)
{
	return curcpu()->irqs_on;
}

static inline void
cpu_irq_disable(void)
{
	curcpu()->irqs_on = false;
	sim_irqs_off();
}

static inline void
cpu_irq_enable(void)
{
	curcpu()->irqs_on = true;
	sim_irqs_on();
}

static inline bool
cpu_irq_save(void)
{
	bool on = cpu_irqs_on();

	if (on)
		cpu_irq_disable();
	return on;
}

static inline void
cpu_irq_restore(bool on)
{
	if (on)
		cpu_irq_enable();
}

static inline void
cpu_pause(void)
{
	sim_poll();
}

static inline void
cpu_spin_turn(unsigned n)
{
	(void)n;
	cpu_pause();
}

static inline void
cpu_spin_poll(unsigned n)
{
	cpu_spin_turn(n);
}

static inline uint32_t
cpu_count(void)
{
	return MACHINE_MAX_CPUS;
}

static inline uint32_t
cpu_id(void)
{
	return curcpu()->id;
}

/* No processor is idle here. */
static inline void
cpu_reschedule(uint32_t cpu)
{
	(void)cpu;
}

static inline uint64_t
cpu_timestamp(void)
{
	return __builtin_ia32_rdtsc();
}

/* model_yield: let another host thread run. */
void model_yield(void);

#endif
