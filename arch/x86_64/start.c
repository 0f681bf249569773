/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first C code: from the loader's 64-bit hand-over (boot/entry.S) to kmain.
 *
 * The boot stack belongs to thread0, which is a thread from the first line on: percpu_area[0] and
 * thread0 are filled in at link time, and entry.S has pointed %gs at the former.
 */
#include <machine/acpi.h>
#include <machine/apic.h>
#include <machine/console.h>
#include <machine/features.h>
#include <machine/fpu.h>
#include <machine/param.h>
#include <machine/percpu.h>
#include <machine/segments.h>
#include <machine/start.h>
#include <machine/timer.h>
#include <machine/trap.h>
#include <machine/uart.h>
#include <machine/upcalls.h>
#include "boot/boot_info.h"
#include "kernel/base/print.h"
#include "kernel/base/sched.h"

void boot_start(uint32_t magic, uint32_t info_phys);

struct boot_stack boot_stack __attribute__((aligned(PAGE_SIZE)));

struct thread thread0 = {
    .kstack_base = (uintptr_t)boot_stack.bytes,
    .kstack_top = (uintptr_t)boot_stack.bytes + KERNEL_STACK_SIZE,
    .state = THREAD_RUNNING,
    .priority = SCHED_PRIO_DEFAULT,
    .name = "boot",
};

struct percpu percpu_area[MACHINE_MAX_CPUS] = {
    [0] =
	{
	    .self = &percpu_area[0],
	    .curthread = &thread0,
	    .kernel_stack = (uintptr_t)boot_stack.bytes + KERNEL_STACK_SIZE,
	},
};

uint32_t cpu_limit = 1;

/*
 * boot_start: called by boot/entry.S on the boot stack, interrupts off, with what the loader left.
 * Does not return.
 */
void
boot_start(uint32_t magic, uint32_t info_phys)
{
	const struct boot_info *bi;

	uart_init();
	kprintf("Pagoda\n");
	segments_init(curcpu(), NULL);
	trap_init();
	pic_disable();
	bi = boot_info_init(magic, info_phys);
	features_init();
	fpu_init();
	boot_info_print(bi);
	features_print();
	kmain(bi);
}

void
machine_init_devices(const struct boot_info *bi)
{
	display_init(bi);
	acpi_init(bi);
	lapic_init();
	ioapic_init();
	timer_init();
	uart_input_init();
}
