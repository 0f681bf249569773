/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the machine is brought up, in two steps around memory management:
 *
 *	boot_start (start.c)		serial console, segments, traps, boot information
 *	  kmain (kernel/main.c)		physical memory, page tables, heap
 *	    machine_init_devices	what needs mappings: screen, ACPI, APICs, clock
 */
#ifndef MACHINE_START_H
#define MACHINE_START_H

#include <machine/param.h>

struct boot_info;
struct thread;

/* The stack of thread0; pmap_bootstrap leaves the guard unmapped. */
extern struct boot_stack {
	char guard[PAGE_SIZE];
	char bytes[KERNEL_STACK_SIZE];
} boot_stack;

/* The thread that boots; it runs on the boot stack, name, id and stack bounds set. */
extern struct thread thread0;

/*
 * machine_init_devices: screen, ACPI tables, APICs, timer, serial input.  Boot processor,
 * interrupts off, after pmap_bootstrap.  Interrupts may be enabled afterwards, once sched_init has
 * run.
 */
void machine_init_devices(const struct boot_info *bi);

#endif
