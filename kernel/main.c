/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the machine's first C code to the first process.
 *
 * kmain climbs the storeys in order; each is complete before the next one is begun:
 *
 *	memory		early list -> page tables -> buddies -> slabs, objects
 *	spaces		maps -> kernel_map and its submaps -> heap -> vmspaces
 *	activity	scheduler -> devices and the clock -> processes, threads, futexes
 *	gate		tunables, archive; then interrupts on
 *
 * The rest happens on a kernel thread, which has a guarded stack and may sleep; the boot thread ends.
 */
#include <machine/cpu.h>
#include <machine/smp.h>
#include <machine/start.h>
#include <machine/upcalls.h>
#include "boot/boot_info.h"
#include "kernel/base/panic.h"
#include "kernel/base/print.h"
#include "kernel/base/sched.h"
#include "kernel/debug.h"
#include "kernel/exec.h"
#include "kernel/fault_report.h"
#include "kernel/futex.h"
#include "kernel/memobj.h"
#include "kernel/proc.h"
#include "kernel/run.h"
#include "kernel/thread.h"
#include "kernel/tunables.h"
#include "vm/pmap.h"
#include "vm/vm_kern.h"
#include "vm/vm_malloc.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_phys.h"
#include "vm/vm_radix.h"
#include "vm/vmspace.h"

#define MEMORY_MIN (24ul << 20) /* bytes of usable memory */

#define MAIN_STACK_LIMIT (8ul << 20) /* soft LIMIT_STACK */
#define WIRED_LIMIT	 (8ul << 20) /* soft LIMIT_MEMLOCK */

static void
add_memory(const struct boot_info *bi)
{
	if (bi->memory_total < MEMORY_MIN)
		boot_fail("%lu KiB of usable memory are too little, %lu KiB are needed",
			  bi->memory_total >> 10, MEMORY_MIN >> 10);
	for (uint32_t i = 0; i < bi->memory_count; i++)
		vm_phys_early_add(bi->memory[i].start, bi->memory[i].end);
	for (uint32_t i = 0; i < bi->reserved_count; i++)
		vm_phys_early_reserve(bi->reserved[i].start, bi->reserved[i].end);
	smp_reserve();
}

static void
memory_init(const struct boot_info *bi)
{
	add_memory(bi);
	pmap_bootstrap();
	vm_phys_init();
	vm_radix_init();
	vm_object_init();
	pmap_init();
}

static void
spaces_init(void)
{
	vm_map_startup();
	kmem_init();
	kmalloc_init();
	vmspace_init();
}

static void
activity_init(const struct boot_info *bi)
{
	sched_init(&thread0);
	sched_idle_hook = vm_page_zero_idle;
	machine_init_devices(bi);
	proc_init(MAIN_STACK_LIMIT, WIRED_LIMIT);
	thread_init();
	memobj_init();
	futex_init();
	fault_report_init();
}

/* start: what the kernel's first own thread does. */
static void
start(void *arg)
{
	(void)arg;
	smp_init();
	debug_fault();
	run_supervise(run_first());
}

/* boot_thread_reap: the boot thread lives in static storage. */
static void
boot_thread_reap(struct thread *t)
{
	(void)t;
}

_Noreturn void
kmain(const struct boot_info *bi)
{
	debug_init();
	memory_init(bi);
	spaces_init();
	activity_init(bi);
	tunables_init();
	run_init(bi);
	tunables_commit();
	cpu_irq_enable();
	if (!kthread_create("start", SCHED_PRIO_KERNEL, start, NULL))
		boot_fail("there is no memory for the first thread");
	sched_exit(boot_thread_reap);
}
