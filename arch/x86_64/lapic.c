/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC: where this processor's interrupts arrive, and its timer.
 *
 * Its registers are 16 bytes apart in a page of memory (xAPIC), or, where the processor has it, the
 * same registers are MSRs (x2APIC), which is faster and knows more than 255 processors.
 */
#include <machine/acpi.h>
#include <machine/apic.h>
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
#define XAPIC_ID_SHIFT	      24

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

/* enable: choose the mode and map the registers if they are in memory. */
static void
enable(void)
{
	uint64_t base = msr_read(MSR_APIC_BASE);

	if (cpu_features.x2apic) {
		msr_write(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
		if ((msr_read(MSR_APIC_BASE) & APIC_BASE_X2APIC) != 0)
			return;
	}
	msr_write(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
	registers = pmap_map_registers(base & APIC_BASE_ADDRESS, PAGE_SIZE);
}

void
lapic_init(void)
{
	enable();
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
