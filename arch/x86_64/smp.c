/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starting the other processors.
 *
 *	boot processor				another one
 *	memory for it; smp_start filled in
 *	INIT, STARTUP(page) ----------------->	boot_ap_start (boot/entry.S), real mode, in the page
 *						boot_ap_high, on the stack of its idle thread
 *						smp_entered: tables, features, APIC
 *	waits for percpu.online <------------	online
 *	the next one				sched_idle
 *
 * One at a time, as they share the page and smp_start.  Processor 0 is the one that booted, the others
 * are numbered as they come.
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
#define START_TRIES   5

/* What boot_ap_high works with. */
struct smp_start {
	uint64_t cr3;	 /* physical address of kernel_pmap's root */
	uintptr_t stack; /* end of the idle thread's */
	struct percpu *percpu;
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
		cpu_spin_poll();
}

static bool
has_come(const struct percpu *p)
{
	return __atomic_load_n(&p->online, __ATOMIC_ACQUIRE);
}

/* wake: make the processor begin in the page; true when it has come up. */
static bool
wake(const struct percpu *p)
{
	bool irqs = cpu_irq_save();

	lapic_send_init(p->apic_id);
	wait_ns(INIT_WAIT_NS);
	for (int i = 0; i < START_TRIES && !has_come(p); i++) {
		uint64_t end = clock_now() + START_WAIT_NS;

		lapic_send_startup(p->apic_id, start_page >> PAGE_SHIFT);
		while (!has_come(p) && clock_now() < end)
			cpu_spin_poll();
	}
	cpu_irq_restore(irqs);
	return has_come(p);
}

/* start: bring up the processor with this APIC number as number `id`. */
static void
start(uint32_t id, uint32_t apic_id)
{
	struct percpu *p = &percpu_area[id];
	vm_size_t size = sizeof(struct cpu_memory) + segments_size();
	struct cpu_memory *memory = (void *)kmem_malloc(kmem_map, size, KMEM_NOWAIT | KMEM_ZERO);
	uintptr_t stack = memory != NULL ? kstack_alloc() : 0;

	if (stack == 0) {
		kprintf("smp: no memory for processor %u\n", id);
		return;
	}
	sched_idle_init(&memory->idle, id, stack);
	*p = (struct percpu){
	    .self = p,
	    .id = id,
	    .apic_id = apic_id,
	    .curthread = &memory->idle,
	    .idle = &memory->idle,
	    .kernel_stack = stack + KERNEL_STACK_SIZE,
	};
	pmap_cpu_prepare(p);
	__atomic_store_n(&cpu_limit, id + 1, __ATOMIC_SEQ_CST);
	smp_start = (struct smp_start){
	    .cr3 = pmap_kernel_cr3(),
	    .stack = stack + KERNEL_STACK_SIZE,
	    .percpu = p,
	};
	/* One that is late may still come, into memory that is its own: nothing is taken back. */
	if (!wake(p))
		kprintf("smp: processor %u (APIC %u) does not answer\n", id, apic_id);
}

void
smp_init(void)
{
	uint32_t self = curcpu()->apic_id,
		 max = (uint32_t)boot_option_number("smp.max", MACHINE_MAX_CPUS);
	uint32_t id = 1;

	irq_register(VECTOR_RESCHED, resched_interrupt, NULL);
	shootdown_init();
	if (start_page == 0 && acpi_info.cpu_count > 1)
		kprintf("smp: no memory below 1 MiB to start the others from\n");
	if (start_page == 0)
		return;
	memcpy(pmap_phys_address(start_page), pmap_phys_address((vm_paddr_t)boot_ap_start),
	       (size_t)(boot_ap_end - boot_ap_start));
	for (uint32_t i = 0; i < acpi_info.cpu_count && id < max; i++) {
		if (acpi_info.cpu_apic_id[i] != self)
			start(id++, acpi_info.cpu_apic_id[i]);
	}
	kprintf("smp: %u of %u processors\n", smp_count(), acpi_info.cpu_count);
}
