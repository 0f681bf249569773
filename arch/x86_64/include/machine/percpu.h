/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each processor keeps for itself, reached through %gs while in the kernel.
 *
 * The offsets of the first fields are known to entry.S (checked there against PERCPU_*).
 */
#ifndef MACHINE_PERCPU_H
#define MACHINE_PERCPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <machine/param.h>

struct pmap;
struct thread;
struct vm_page;

struct percpu {
	struct percpu *self;	  /* 0: so that C can have the address */
	struct thread *curthread; /* 8 */
	uint64_t kernel_stack; /* 16: top of the current thread's kernel stack, for syscall entry */
	uint64_t user_rsp;     /* 24: scratch of syscall entry */
	uint32_t id;	       /* 32: 0 is the boot processor */
	uint32_t spin_depth;   /* 36: spinlocks held and spin_enter()s, see spinlock.c */
	uint32_t spin_irqs_were_on; /* 40: interrupt state before the first of them */
	uint32_t irq_depth;	    /* 44: interrupts being served */
	struct thread *idle;	    /* 48 */
	struct pmap *loaded_pmap;   /* 56: whose CR3 is loaded */
	struct vm_page *recent_table[RECENT_TABLES]; /* page tables used last */
	uint64_t quantum_start; /* ns, when the current thread was last accounted */
	uint32_t apic_id;
	uint32_t
	    requests; /* (a) processors that wait for this one to forget translations, pmap_tlb.c */
	bool online;  /* (a) it has come up */
	void *tss;
} __attribute__((aligned(CACHE_LINE_SIZE)));

extern struct percpu percpu_area[MACHINE_MAX_CPUS];

/* curcpu: this processor's area.  Stable only while interrupts are off or the thread is bound. */
static inline struct percpu *
curcpu(void)
{
	struct percpu *p;

	__asm__ volatile("mov %%gs:0, %0" : "=r"(p));
	return p;
}

/* curthread: the running thread; one load, so it is right even if preempted in between. */
static inline struct thread *
curthread(void)
{
	struct thread *t;

	__asm__("mov %%gs:8, %0" : "=r"(t));
	return t;
}

#endif
