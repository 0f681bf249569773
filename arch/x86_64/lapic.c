/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC: where this processor's interrupts arrive, and its timer.
 *
 * Its registers are 16 bytes apart in a page of memory (xAPIC), or, where the processor has it, the
 * same registers are MSRs (x2APIC), which is faster and knows more than 255 processors.
 */
#include <machine/acpi.h>
#include <machine/apic.h>
#include <machine/cpu.h>
#include <machine/features.h>
#include <machine/param.h>
#include <machine/percpu.h>
#include <machine/pmap.h>
#include <machine/registers.h>
#include <machine/trap.h>
#include "kernel/base/print.h"

#define APIC_BASE_X2APIC  (1u << 10)
#define APIC_BASE_ENABLE  (1u << 11)
#define APIC_BASE_ADDRESS 0x000ffffffffff000ul
#define X2APIC_MSRS	  0x800
#define REGISTER_SHIFT	  4 /* a register's offset in memory, to its number among the MSRs */

#define LAPIC_ID	    0x020
#define LAPIC_TPR	    0x080
#define LAPIC_EOI	    0x0b0
#define LAPIC_SPURIOUS	    0x0f0
#define LAPIC_ESR	    0x280
#define LAPIC_COMMAND	    0x300
#define LAPIC_COMMAND_HIGH  0x310
#define LAPIC_LVT_TIMER	    0x320
#define LAPIC_LVT_LINT0	    0x350
#define LAPIC_LVT_LINT1	    0x360
#define LAPIC_LVT_ERROR	    0x370
#define LAPIC_TIMER_INITIAL 0x380
#define LAPIC_TIMER_CURRENT 0x390
#define LAPIC_TIMER_DIVIDE  0x3e0

#define LAPIC_SOFTWARE_ENABLE 0x100
#define LVT_MASKED	      0x10000
#define LVT_NMI		      0x400
#define DIVIDE_BY_16	      0x3
#define COMMAND_NMI	      0x00400
#define COMMAND_INIT	      0x00500
#define COMMAND_STARTUP	      0x00600
#define COMMAND_PENDING	      0x01000
#define COMMAND_ASSERT	      0x04000
#define COMMAND_LEVEL	      0x08000
#define XAPIC_ID_SHIFT	      24
#define XAPIC_ID_ALL	      255

/* Constant after lapic_init on the boot processor. */
static volatile uint32_t *registers; /* NULL: x2APIC */

static uint32_t
lapic_read(uint32_t reg)
{
	if (registers != NULL)
		return registers[reg / sizeof(uint32_t)];
	return msr_read(X2APIC_MSRS + (reg >> REGISTER_SHIFT));
}

static void
lapic_write(uint32_t reg, uint32_t value)
{
	if (registers != NULL)
		registers[reg / sizeof(uint32_t)] = value;
	else
		msr_write(X2APIC_MSRS + (reg >> REGISTER_SHIFT), value);
}

void
lapic_cpu_init(void)
{
	uint64_t mode = registers == NULL ? APIC_BASE_X2APIC : 0;

	msr_write(MSR_APIC_BASE, msr_read(MSR_APIC_BASE) | APIC_BASE_ENABLE | mode);
	lapic_write(LAPIC_TPR, 0);
	lapic_write(LAPIC_LVT_LINT0, LVT_MASKED); /* the old controllers' line */
	lapic_write(LAPIC_LVT_LINT1, LVT_NMI);
	lapic_write(LAPIC_LVT_ERROR, LVT_MASKED);
	lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_16);
	lapic_write(LAPIC_ESR, 0);
	lapic_write(LAPIC_SPURIOUS, LAPIC_SOFTWARE_ENABLE | VECTOR_SPURIOUS);
	lapic_eoi(); /* whatever the firmware left unfinished */
	curcpu()->apic_id = lapic_id();
}

/* x2apic_works: switch the better mode on, if it is there. */
static bool
x2apic_works(void)
{
	uint64_t base = msr_read(MSR_APIC_BASE);

	if (!cpu_features.x2apic)
		return false;
	msr_write(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	return (msr_read(MSR_APIC_BASE) & APIC_BASE_X2APIC) != 0;
}

void
lapic_init(void)
{
	uint64_t base = msr_read(MSR_APIC_BASE) & APIC_BASE_ADDRESS;

	if (!x2apic_works())
		registers = pmap_map_registers(base, PAGE_SIZE);
	lapic_cpu_init();
	kprintf("apic: number %u, %s\n", lapic_id(), registers != NULL ? "xAPIC" : "x2APIC");
}

uint32_t
lapic_id(void)
{
	uint32_t id = lapic_read(LAPIC_ID);

	return registers != NULL ? id >> XAPIC_ID_SHIFT : id;
}

void
lapic_eoi(void)
{
	lapic_write(LAPIC_EOI, 0);
}

bool
lapic_reaches(uint32_t apic_id)
{
	return registers == NULL || apic_id < XAPIC_ID_ALL;
}

/* send: have the command carried out on the processor with this number, which then sees what was
 * stored before: writing an MSR does not imply that.  Interrupts off: the two halves of xAPIC's
 * register belong together. */
static void
send(uint32_t apic_id, uint32_t command)
{
	if (registers == NULL) {
		__asm__ volatile("mfence; lfence" : : : "memory");
		msr_write(X2APIC_MSRS + (LAPIC_COMMAND >> REGISTER_SHIFT),
			  (uint64_t)apic_id << 32 | command);
		return;
	}
	while ((lapic_read(LAPIC_COMMAND) & COMMAND_PENDING) != 0)
		cpu_pause();
	lapic_write(LAPIC_COMMAND_HIGH, apic_id << XAPIC_ID_SHIFT);
	lapic_write(LAPIC_COMMAND, command);
}

void
lapic_send(uint32_t apic_id, uint8_t vector)
{
	send(apic_id, COMMAND_ASSERT | vector);
}

void
lapic_send_nmi(uint32_t apic_id)
{
	send(apic_id, COMMAND_ASSERT | COMMAND_NMI);
}

void
lapic_send_init(uint32_t apic_id)
{
	send(apic_id, COMMAND_ASSERT | COMMAND_LEVEL | COMMAND_INIT);
}

void
lapic_send_startup(uint32_t apic_id, uint32_t page)
{
	send(apic_id, COMMAND_ASSERT | COMMAND_STARTUP | page);
}

void
lapic_timer_start(uint32_t count)
{
	lapic_write(LAPIC_LVT_TIMER, count != 0 ? VECTOR_TIMER : LVT_MASKED | VECTOR_TIMER);
	lapic_write(LAPIC_TIMER_INITIAL, count);
}

uint32_t
lapic_timer_count(void)
{
	return lapic_read(LAPIC_TIMER_CURRENT);
}
