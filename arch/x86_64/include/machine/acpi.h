/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel wants from ACPI's tables: processors and interrupt controllers (MADT). */
#ifndef MACHINE_ACPI_H
#define MACHINE_ACPI_H

#include <stdbool.h>
#include <stdint.h>
#include <machine/param.h>

struct boot_info;

#define ACPI_MAX_IOAPICS 4
#define ACPI_ISA_IRQS	 16

struct acpi_info {
	bool present;	     /* a MADT was found */
	uint64_t lapic_base; /* physical; 0 if not told */

	uint32_t cpu_count;
	uint32_t cpu_apic_id[MACHINE_MAX_CPUS]; /* usable processors, in the table's order */
	uint32_t cpus_beyond;			/* as usable, but more than there is room for */

	uint32_t ioapic_count;
	struct {
		uint64_t base;	   /* physical */
		uint32_t gsi_base; /* its first global interrupt */
	} ioapic[ACPI_MAX_IOAPICS];

	/* Where the ISA interrupts really arrive. */
	struct {
		uint32_t gsi;
		bool active_low, level;
	} isa[ACPI_ISA_IRQS];
};

/* Constant after acpi_init. */
extern struct acpi_info acpi_info;

/* acpi_init: read the tables.  Boot, after pmap_bootstrap.  Damaged tables give a line in the log,
 * and the PC's usual arrangement is assumed. */
void acpi_init(const struct boot_info *bi);

#endif
