/* SPDX-License-Identifier: BSD-2-Clause */
/* A host thread is a processor that runs one thread: its area is reached by a thread-local pointer. */
#ifndef HOST_MACHINE_PERCPU_H
#define HOST_MACHINE_PERCPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <machine/param.h>

struct pmap;
struct thread;
struct vm_page;

struct percpu {
	struct thread *curthread;
	uint32_t id;
	uint32_t spin_depth;
	uint32_t spin_irqs_were_on;
	uint32_t irq_depth;
	bool irqs_on;
	uint32_t apic_id;
	struct pmap *loaded_pmap;
	struct vm_page *recent_table[RECENT_TABLES];
};

extern struct percpu percpu_area[MACHINE_MAX_CPUS];
extern _Thread_local struct percpu *model_percpu;

static inline struct percpu *
curcpu(void)
{
	return model_percpu;
}

static inline struct thread *
curthread(void)
{
	return model_percpu->curthread;
}

#endif
