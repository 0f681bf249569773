/* SPDX-License-Identifier: BSD-2-Clause */
/* The few processor operations that machine-independent code needs. */
#ifndef MACHINE_CPU_H
#define MACHINE_CPU_H

#include <stdbool.h>
#include <stdint.h>
#include <machine/percpu.h>

/* cpu_irq_save: interrupts off; true if they were on. */
static inline bool
cpu_irq_save(void)
{
	uint64_t flags;

	__asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
	return (flags & 0x200) != 0;
}

static inline void
cpu_irq_restore(bool on)
{
	if (on)
		__asm__ volatile("sti" : : : "memory");
}

static inline void
cpu_irq_enable(void)
{
	__asm__ volatile("sti" : : : "memory");
}

static inline void
cpu_irq_disable(void)
{
	__asm__ volatile("cli" : : : "memory");
}

static inline bool
cpu_irqs_on(void)
{
	uint64_t flags;

	__asm__ volatile("pushfq; popq %0" : "=r"(flags));
	return (flags & 0x200) != 0;
}

static inline void
cpu_pause(void)
{
	__asm__ volatile("pause");
}

/* tlb_serve: do what other processors ask in curcpu()->requests: pmap_tlb.c. */
void tlb_serve(void);

/* cpu_spin_turn: what a spinning processor does between two looks, the n-th time.  It pauses but rarely:
 * most locks are held for less time than a pause takes, which an emulator makes long. */
static inline void
cpu_spin_turn(unsigned n)
{
	if (n % 512 == 0)
		cpu_pause();
}

/* cpu_spin_poll: the same, and serve what others ask (shootdowns) although interrupts may be off. */
static inline void
cpu_spin_poll(unsigned n)
{
	cpu_spin_turn(n);
	if (__builtin_expect(__atomic_load_n(&curcpu()->requests, __ATOMIC_RELAXED) != 0, 0))
		tlb_serve();
}

/* cpu_reschedule: have another processor call sched_look() soon.  Interrupts off. */
void cpu_reschedule(uint32_t cpu);

/* cpu_wait_for_interrupt: interrupts on and halt, without a window between the two; interrupts are
 * on afterwards. */
static inline void
cpu_wait_for_interrupt(void)
{
	__asm__ volatile("sti; hlt" : : : "memory");
}

static inline uint32_t
cpu_id(void)
{
	uint32_t id;

	__asm__ volatile("movl %%gs:32, %0" : "=r"(id));
	return id;
}

/* cpu_count: processors that may run, numbered from 0; grows while they start. */
extern uint32_t cpu_limit;
static inline uint32_t
cpu_count(void)
{
	return __atomic_load_n(&cpu_limit, __ATOMIC_RELAXED);
}

/* cpu_timestamp: a cheap, ever-growing number (instructions under -icount shift=0). */
static inline uint64_t
cpu_timestamp(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

/* cpu_stop_others: interrupt all other processors so that they call panic_stand_still(); which, a bit
 * each. */
uint32_t cpu_stop_others(void);

/* cpu_print_registers: to the log, those that no trapframe has.  Any context. */
void cpu_print_registers(void);

/* cpu_exit: end the machine: isa-debug-exit with `code` where there is one, else halt for ever. */
_Noreturn void cpu_exit(uint32_t code);

/* Codes for cpu_exit; QEMU's status is (code << 1) | 1. */
#define CPU_EXIT_OK    0x10 /* status 33 */
#define CPU_EXIT_FAIL  0x11 /* status 35: a test failed */
#define CPU_EXIT_PANIC 0x12 /* status 37 */

#endif
