/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The I/O APICs: from devices' interrupt lines to processors.
 *
 * The inputs of all of them together are numbered through ("global system interrupts"), each I/O
 * APIC having those from its gsi_base on.  Input n becomes vector VECTOR_IOAPIC + n.  The registers
 * are reached through a pair of them, index and data.
 */
#include <stddef.h>
#include <machine/acpi.h>
#include <machine/apic.h>
#include <machine/param.h>
#include <machine/pmap.h>
#include <machine/trap.h>
#include "kernel/base/lockorder.h"
#include "kernel/base/spinlock.h"

#define IOAPIC_INDEX 0 /* word offsets in the register page */
#define IOAPIC_DATA  4

#define REG_VERSION	0x01
#define REG_REDIRECTION 0x10 /* two words for each input */

#define VERSION_MAX_SHIFT 16
#define VERSION_MAX_MASK  0xff

#define REDIRECT_ACTIVE_LOW (1u << 13)
#define REDIRECT_LEVEL	    (1u << 15)
#define REDIRECT_MASKED	    (1u << 16)
#define REDIRECT_CPU_SHIFT  24

static struct ioapic {
	volatile uint32_t *registers;
	uint32_t gsi_base, inputs;
} ioapics[ACPI_MAX_IOAPICS]; /* constant after boot, registers guarded by ioapic_lock */

static uint32_t ioapic_count;
static struct spinlock ioapic_lock = SPINLOCK_INITIALIZER("ioapic", LOCK_RANK_TIMER);

static uint32_t
ioapic_read(struct ioapic *io, uint32_t reg)
{
	io->registers[IOAPIC_INDEX] = reg;
	return io->registers[IOAPIC_DATA];
}

static void
ioapic_write(struct ioapic *io, uint32_t reg, uint32_t value)
{
	io->registers[IOAPIC_INDEX] = reg;
	io->registers[IOAPIC_DATA] = value;
}

void
ioapic_init(void)
{
	for (uint32_t i = 0; i < acpi_info.ioapic_count; i++) {
		struct ioapic *io = &ioapics[ioapic_count++];

		io->registers = pmap_map_registers(acpi_info.ioapic[i].base, PAGE_SIZE);
		io->gsi_base = acpi_info.ioapic[i].gsi_base;
		io->inputs =
		    (ioapic_read(io, REG_VERSION) >> VERSION_MAX_SHIFT & VERSION_MAX_MASK) + 1;
		for (uint32_t n = 0; n < io->inputs; n++)
			ioapic_write(io, REG_REDIRECTION + 2 * n, REDIRECT_MASKED);
	}
}

/* find: the I/O APIC that has this global interrupt, or NULL. */
static struct ioapic *
find(uint32_t gsi)
{
	for (uint32_t i = 0; i < ioapic_count; i++) {
		if (gsi >= ioapics[i].gsi_base && gsi - ioapics[i].gsi_base < ioapics[i].inputs)
			return &ioapics[i];
	}
	return NULL;
}

uint8_t
ioapic_isa_vector(uint8_t irq)
{
	uint32_t gsi = acpi_info.isa[irq % ACPI_ISA_IRQS].gsi;

	return gsi < IRQ_MAX && find(gsi) != NULL ? VECTOR_IOAPIC + gsi : 0;
}

bool
ioapic_route_isa(uint8_t irq)
{
	uint8_t vector = ioapic_isa_vector(irq);
	uint32_t gsi = acpi_info.isa[irq % ACPI_ISA_IRQS].gsi, low = vector;
	struct ioapic *io = find(gsi);
	uint32_t reg;

	if (vector == 0)
		return false;
	if (acpi_info.isa[irq].active_low)
		low |= REDIRECT_ACTIVE_LOW;
	if (acpi_info.isa[irq].level)
		low |= REDIRECT_LEVEL;
	reg = REG_REDIRECTION + 2 * (gsi - io->gsi_base);
	spinlock_lock(&ioapic_lock);
	ioapic_write(io, reg + 1, lapic_id() << REDIRECT_CPU_SHIFT);
	ioapic_write(io, reg, low);
	spinlock_unlock(&ioapic_lock);
	return true;
}
