/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starting the other processors.
 *
 *	boot processor				another one
 *	memory for it; smp_start filled in
 *	INIT, STARTUP(page) ----------------->	boot_ap_start (boot/entry.S), real mode, in the page
 *						boot_ap_high: takes smp_start.percpu, and with it the
 *						stack of its idle thread
 *						smp_entered: tables, features, APIC
 *	waits for percpu.online <------------	online
 *	the next one				sched_idle
 *
 * One at a time, as they share the page and smp_start.  Processor 0 is the one that booted, the others
 * are numbered as they come.  From one that does not come the boot processor takes smp_start.percpu
 * back, and what was prepared is for the next one.
 */
#include <machine/acpi.h>
#include <machine/apic.h>
#include <machine/asmdefs.h>
#include <machine/cpu.h>
#include <machine/features.h>
#include <machine/fpu.h>
#include <machine/irq.h>
#include <machine/param.h>
#include <machine/percpu.h>
#include <machine/pmap.h>
#include <machine/registers.h>
#include <machine/segments.h>
#include <machine/shootdown.h>
#include <machine/smp.h>
#include <machine/trap.h>
#include "boot/boot_info.h"
#include "kernel/base/clock.h"
#include "kernel/base/print.h"
#include "kernel/base/runq.h"
#include "kernel/base/sched.h"
#include "kernel/base/string.h"
#include "vm/pmap.h"
#include "vm/vm_kern.h"
#include "vm/vm_phys.h"

#define START_LIMIT   0x100000 /* real mode reaches no further */
#define INIT_WAIT_NS  (10 * NS_PER_MS)
#define START_WAIT_NS (200 * NS_PER_MS) /* between two STARTUPs, if the first one is not answered */
#define START_TRIES   25
#define COMING_NS     (5 * NS_PER_SEC) /* from boot_ap_high to online */
#define NO_APIC	      UINT32_MAX

/* What boot_ap_high works with. */
struct smp_start {
	uint64_t cr3;	       /* physical address of kernel_pmap's root */
	uintptr_t stack;       /* end of the idle thread's */
	struct percpu *percpu; /* (a) NULL: taken */
} smp_start;

_Static_assert(offsetof(struct smp_start, cr3) == SMP_START_CR3 &&
		   offsetof(struct smp_start, stack) == SMP_START_STACK &&
		   offsetof(struct smp_start, percpu) == SMP_START_PERCPU,
	       "entry.S knows other places");

extern const char boot_ap_start[], boot_ap_end[]; /* physical addresses */

void smp_entered(void);

static vm_paddr_t start_page; /* 0: there is none */
static uint32_t online = 1;   /* (a) processors that run, a bit each */

/* What a processor needs before it can ask for anything. */
struct cpu_memory {
	struct thread idle;
	char segments[] __attribute__((aligned(16)));
};

void
smp_reserve(void)
{
	vm_paddr_t page = vm_phys_early_alloc(PAGE_SIZE, PAGE_SIZE);

	start_page = page < START_LIMIT ? page : 0;
}

uint32_t
smp_online(void)
{
	return __atomic_load_n(&online, __ATOMIC_ACQUIRE);
}

uint32_t
smp_count(void)
{
	uint32_t n = 0;

	for (uint32_t set = smp_online(); set != 0; set &= set - 1)
		n++;
	return n;
}

void
cpu_reschedule(uint32_t cpu)
{
	lapic_send(percpu_area[cpu].apic_id, VECTOR_RESCHED);
}

uint32_t
cpu_stop_others(void)
{
	uint32_t others = smp_online() & ~(1u << cpu_id());

	for (uint32_t left = others; left != 0; left &= left - 1)
		lapic_send_nmi(percpu_area[__builtin_ctz(left)].apic_id);
	return others;
}

static void
resched_interrupt(void *arg)
{
	(void)arg;
	sched_look();
}

/* smp_entered: the first C code of another processor, on the stack of its idle thread, interrupts off,
 * with %gs at its area and kernel_pmap loaded.  Does not return. */
void
smp_entered(void)
{
	struct percpu *p = curcpu();

	segments_init(p, (char *)p->idle + offsetof(struct cpu_memory, segments));
	trap_cpu_init();
	features_cpu_init();
	fpu_cpu_init();
	lapic_cpu_init();
	/* From here on others wait until we forget what they change; what we have cached so far, nobody
	 * has waited for. */
	__atomic_fetch_or(&online, 1u << p->id, __ATOMIC_SEQ_CST);
	pmap_cpu_init();
	tlb_serve();
	sched_cpu_online(p, p->idle);
	__atomic_store_n(&p->online, true, __ATOMIC_RELEASE);
	sched_idle();
}

static void
wait_ns(uint64_t ns)
{
	uint64_t end = clock_now() + ns;

	while (clock_now() < end)
		cpu_spin_poll(0);
}

static bool
is_online(const struct percpu *p)
{
	return __atomic_load_n(&p->online, __ATOMIC_ACQUIRE);
}

static bool
is_taken(void)
{
	return __atomic_load_n(&smp_start.percpu, __ATOMIC_ACQUIRE) == NULL;
}

/* call: INIT and STARTUP, until the processor has taken smp_start or for some seconds. */
static void
call(const struct percpu *p)
{
	lapic_send_init(p->apic_id);
	wait_ns(INIT_WAIT_NS);
	for (int i = 0; i < START_TRIES && !is_taken(); i++) {
		uint64_t end = clock_now() + START_WAIT_NS;

		lapic_send_startup(p->apic_id, start_page >> PAGE_SHIFT);
		while (!is_taken() && clock_now() < end)
			cpu_spin_poll(0);
	}
}

enum answer {
	UP,
	SILENT, /* it has not come, and will not */
	LOST,	/* it has come, and is not heard of any more: what was prepared is its own */
};

/* wake: have the processor p->apic_id run with what was prepared in p. */
static enum answer
wake(struct percpu *p)
{
	bool irqs = cpu_irq_save();
	enum answer answer = UP;
	uint64_t end;

	smp_start.cr3 = pmap_kernel_cr3();
	smp_start.stack = p->kernel_stack;
	__atomic_store_n(&smp_start.percpu, p, __ATOMIC_RELEASE);
	call(p);
	if (__atomic_exchange_n(&smp_start.percpu, NULL, __ATOMIC_ACQ_REL) != NULL) {
		lapic_send_init(p->apic_id); /* if it is on its way, it goes back */
		answer = SILENT;
	}
	end = clock_now() + COMING_NS;
	while (answer == UP && !is_online(p)) {
		cpu_spin_poll(0);
		if (clock_now() >= end)
			answer = LOST;
	}
	cpu_irq_restore(irqs);
	return answer;
}

/* prepare: what processor `id` needs before it can ask for anything; NULL without memory. */
static struct percpu *
prepare(uint32_t id)
{
	struct percpu *p = &percpu_area[id];
	vm_size_t size = sizeof(struct cpu_memory) + segments_size();
	struct cpu_memory *memory = (void *)kmem_malloc(kmem_map, size, KMEM_NOWAIT | KMEM_ZERO);
	uintptr_t stack = memory != NULL ? kstack_alloc() : 0;

	if (stack == 0) {
		kprintf("smp: no memory for processor %u\n", id);
		return NULL;
	}
	sched_idle_init(&memory->idle, id, stack);
	*p = (struct percpu){
	    .self = p,
	    .id = id,
	    .curthread = &memory->idle,
	    .idle = &memory->idle,
	    .kernel_stack = stack + KERNEL_STACK_SIZE,
	};
	pmap_cpu_prepare(p);
	__atomic_store_n(&cpu_limit, id + 1, __ATOMIC_SEQ_CST);
	return p;
}

/* start: bring this processor up with what is prepared in p; true if it has taken that. */
static bool
start(struct percpu *p, uint32_t apic_id)
{
	if (!lapic_reaches(apic_id)) {
		kprintf("smp: APIC %u is beyond what can be addressed without x2APIC\n", apic_id);
		return false;
	}
	p->apic_id = apic_id;
	switch (wake(p)) {
	case SILENT:
		kprintf("smp: the processor with APIC %u does not answer\n", apic_id);
		return false;
	case LOST:
		kprintf("smp: processor %u (APIC %u) has come, and is not heard of any more\n",
			p->id, apic_id);
		return true;
	default:
		return true;
	}
}

/* most: how many processors may run. */
static uint32_t
most(void)
{
	uint64_t max = boot_option_number("smp.max", MACHINE_MAX_CPUS);

	if (max >= 1 && max <= MACHINE_MAX_CPUS)
		return (uint32_t)max;
	kprintf("smp: smp.max=%lu is not from 1 to %u\n", max, MACHINE_MAX_CPUS);
	return max == 0 ? 1 : MACHINE_MAX_CPUS;
}

/* candidates: the APIC numbers of those to be started, at most MACHINE_MAX_CPUS; their number. */
static uint32_t
candidates(uint32_t *apic_id)
{
	uint32_t self = curcpu()->apic_id, n = 0;

#ifdef CONFIG_DEBUG
	/* One that is not there. */
	apic_id[n] = (uint32_t)boot_option_number("debug.absent", NO_APIC);
	if (apic_id[n] != NO_APIC)
		n++;
#endif
	for (uint32_t i = 0; i < acpi_info.cpu_count; i++) {
		if (acpi_info.cpu_apic_id[i] != self && n < MACHINE_MAX_CPUS)
			apic_id[n++] = acpi_info.cpu_apic_id[i];
	}
	return n;
}

/* start_all: as many as may run. */
static void
start_all(void)
{
	uint32_t apic_id[MACHINE_MAX_CPUS], n = candidates(apic_id), max = most(), id = 1;
	struct percpu *p = NULL;

	for (uint32_t i = 0; i < n && id < max; i++) {
		if (p == NULL && (p = prepare(id)) == NULL)
			return;
		if (start(p, apic_id[i])) {
			p = NULL;
			id++;
		}
	}
}

void
smp_init(void)
{
	uint32_t there = acpi_info.cpu_count > 0 ? acpi_info.cpu_count : 1;

	irq_register(VECTOR_RESCHED, resched_interrupt, NULL);
	shootdown_init();
	if (start_page != 0) {
		memcpy(pmap_phys_address(start_page), pmap_phys_address((vm_paddr_t)boot_ap_start),
		       (size_t)(boot_ap_end - boot_ap_start));
		start_all();
	} else if (there > 1) {
		kprintf("smp: no memory below 1 MiB to start the others from\n");
	}
	kprintf("smp: %u of %u processors\n", smp_count(), there);
}
