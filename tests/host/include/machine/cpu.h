/* SPDX-License-Identifier: BSD-2-Clause */
/* There are no interrupts on the host; whether they would be on is kept all the same. */
#ifndef HOST_MACHINE_CPU_H
#define HOST_MACHINE_CPU_H

#include <stdbool.h>
#include <stdint.h>
#include <machine/param.h>
#include <machine/percpu.h>

/* model_yield: let another host thread run. */
void model_yield(void);

static inline bool
cpu_irq_save(void)
{
	bool on = curcpu()->irqs_on;

	curcpu()->irqs_on = false;
	return on;
}

static inline void
cpu_irq_restore(bool on)
{
	if (on)
		curcpu()->irqs_on = true;
}

static inline void
cpu_irq_enable(void)
{
	curcpu()->irqs_on = true;
}

static inline void
cpu_irq_disable(void)
{
	curcpu()->irqs_on = false;
}

static inline bool
cpu_irqs_on(void)
{
	return curcpu()->irqs_on;
}

static inline void
cpu_pause(void)
{
	model_yield();
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

#endif
