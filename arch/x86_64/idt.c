/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interrupt descriptor table: all 256 vectors lead to entry.S, each through a stub of its own,
 * VECTOR_STUB_BYTES apart.  All are interrupt gates (interrupts off on entry); user mode may raise
 * only the breakpoint.  Also here: where SYSCALL goes.
 */
#include <machine/param.h>
#include <machine/registers.h>
#include <machine/segments.h>
#include <machine/trap.h>

#define VECTOR_STUB_BYTES 16
#define GATE_INTERRUPT	  0x8e00 /* present, 64-bit interrupt gate */
#define GATE_USER	  0x6000 /* privilege level 3 */

struct gate {
	uint16_t offset_low;
	uint16_t selector;
	uint16_t flags; /* low three bits: interrupt stack */
	uint16_t offset_mid;
	uint32_t offset_high;
	uint32_t reserved;
};

static struct gate idt[VECTOR_COUNT] __attribute__((aligned(PAGE_SIZE)));

extern char trap_stubs[], syscall_entry[], syscall_entry_compat[];

static void
set_gate(unsigned vector, uint16_t flags)
{
	uintptr_t stub = (uintptr_t)trap_stubs + vector * VECTOR_STUB_BYTES;

	idt[vector] = (struct gate){
	    .offset_low = stub & 0xffff,
	    .selector = GDT_KERNEL_CODE,
	    .flags = flags,
	    .offset_mid = stub >> 16 & 0xffff,
	    .offset_high = stub >> 32,
	};
}

/*
 * syscall_init: the flags masked on entry are those that would change how the kernel runs: with
 * interrupts off, no direction flag, no single step, no user access (AC), and NT clear, because
 * IRETQ faults when it is set.
 */
static void
syscall_init(void)
{
	msr_write(MSR_STAR, (uint64_t)(GDT_USER_BASE | 3) << 48 | (uint64_t)GDT_KERNEL_CODE << 32);
	msr_write(MSR_LSTAR, (uintptr_t)syscall_entry);
	msr_write(MSR_CSTAR, (uintptr_t)syscall_entry_compat);
	msr_write(MSR_SFMASK,
		  RFLAGS_IF | RFLAGS_TF | RFLAGS_DF | RFLAGS_AC | RFLAGS_NT | RFLAGS_RF);
}

void
trap_init(void)
{
	for (unsigned v = 0; v < VECTOR_COUNT; v++)
		set_gate(v, GATE_INTERRUPT);
	set_gate(TRAP_BREAKPOINT, GATE_INTERRUPT | GATE_USER);
	set_gate(TRAP_DEBUG, GATE_INTERRUPT | IST_DEBUG);
	set_gate(TRAP_NMI, GATE_INTERRUPT | IST_NMI);
	set_gate(TRAP_DOUBLE_FAULT, GATE_INTERRUPT | IST_DOUBLE_FAULT);
	set_gate(TRAP_MACHINE_CHECK, GATE_INTERRUPT | IST_MACHINE_CHECK);
	trap_cpu_init();
}

void
trap_cpu_init(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idtr = {sizeof(idt) - 1, (uintptr_t)idt};

	__asm__ volatile("lidt %0" : : "m"(idtr));
	syscall_init();
}
