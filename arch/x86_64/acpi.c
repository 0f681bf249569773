/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ACPI's tables, as far as they are plain data: from the root pointer to the MADT, which lists
 * processors and interrupt controllers.
 *
 *	RSDP (copied by boot/) ---> XSDT or RSDT: header | addresses of tables
 *	                                                   |-> "APIC", the MADT: header | entries
 *
 * A table is believed once its checksum is right, and no further than its length.  If anything is
 * damaged, a line says so and the PC's classic arrangement stays: one I/O APIC, ISA interrupts
 * wired straight through, one processor.
 */
#include <stddef.h>
#include <machine/acpi.h>
#include <machine/features.h>
#include <machine/pmap.h>
#include "boot/boot_info.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"

#define RSDP_RSDT_ADDRESS 16
#define RSDP_XSDT_ADDRESS 24
#define RSDP_REVISION	  15

#define ACPI_MAX_TABLE	(1u << 20)
#define ACPI_MAX_TABLES 256
#define ACPI_SIGNATURE	4

#define IOAPIC_CLASSIC_BASE 0xfec00000

#define CPU_ENABLED	    1 /* without it: not there, or not yet */
#define LAPIC_ID_NOBODY	    255
#define POLARITY_MASK	    3
#define POLARITY_ACTIVE_LOW 3
#define TRIGGER_MASK	    (3 << 2)
#define TRIGGER_LEVEL	    (3 << 2)

struct acpi_header {
	char signature[ACPI_SIGNATURE];
	uint32_t length;
	uint8_t revision, checksum;
	char oem[6], oem_table[8];
	uint32_t oem_revision, creator, creator_revision;
} __attribute__((packed));

struct madt {
	struct acpi_header header;
	uint32_t lapic_base;
	uint32_t flags;
} __attribute__((packed));

enum madt_type {
	MADT_LAPIC = 0,
	MADT_IOAPIC = 1,
	MADT_OVERRIDE = 2,
	MADT_LAPIC_ADDRESS = 5,
	MADT_X2APIC = 9,
};

struct madt_entry {
	uint8_t type, length;
	union {
		struct {
			uint8_t processor, apic_id;
			uint32_t flags;
		} __attribute__((packed)) lapic;
		struct {
			uint8_t id, reserved;
			uint32_t base, gsi_base;
		} __attribute__((packed)) ioapic;
		struct {
			uint8_t bus, irq;
			uint32_t gsi;
			uint16_t flags;
		} __attribute__((packed)) override;
		struct {
			uint16_t reserved;
			uint64_t base;
		} __attribute__((packed)) lapic_address;
		struct {
			uint16_t reserved;
			uint32_t apic_id, flags, processor;
		} __attribute__((packed)) x2apic;
	} u;
} __attribute__((packed));

#define MADT_ENTRY_SIZE(kind) \
	(offsetof(struct madt_entry, u) + sizeof(((struct madt_entry *)0)->u.kind))

struct acpi_info acpi_info;

/* map: n bytes of firmware memory, or NULL if the processor has no such addresses. */
static const struct acpi_header *
map(uint64_t pa, size_t n)
{
	if (pa == 0 || pa >= (1ul << cpu_features.physical_bits) - ACPI_MAX_TABLE)
		return NULL;
	return pmap_map_device(pa, n, PMAP_CACHED);
}

/* map_table: a table with a right checksum, or NULL (after a line in the log). */
static const struct acpi_header *
map_table(uint64_t pa)
{
	const struct acpi_header *h = map(pa, sizeof(*h));
	uint32_t length = h != NULL ? h->length : 0;
	const uint8_t *p;
	uint8_t sum = 0;

	if (length < sizeof(*h) || length > ACPI_MAX_TABLE) {
		kprintf("acpi: table at %#lx says it has %u bytes, ignored\n", pa, length);
		return NULL;
	}
	h = map(pa, length);
	p = (const uint8_t *)h;
	for (uint32_t i = 0; i < length; i++)
		sum += p[i];
	if (sum != 0) {
		kprintf("acpi: table \"%.4s\" at %#lx has a wrong checksum, ignored\n",
			h->signature, pa);
		return NULL;
	}
	return h;
}

/* find_table: look through the root table, whose entries are `width` bytes, for a signature. */
static const struct acpi_header *
find_table(const struct acpi_header *root, size_t width, const char *signature)
{
	const char *entries = (const char *)(root + 1);
	size_t count = (root->length - sizeof(*root)) / width;

	for (size_t i = 0; i < count && i < ACPI_MAX_TABLES; i++) {
		const struct acpi_header *h;
		uint64_t pa = 0;

		memcpy(&pa, entries + i * width, width);
		h = map(pa, sizeof(*h));
		if (h != NULL && memcmp(h->signature, signature, ACPI_SIGNATURE) == 0)
			return map_table(pa);
	}
	return NULL;
}

/* find_madt: by the 64-bit root table if there is one. */
static const struct madt *
find_madt(const uint8_t *rsdp)
{
	const struct acpi_header *root = NULL, *h;
	size_t width = sizeof(uint64_t);
	uint64_t pa = 0;

	if (rsdp[RSDP_REVISION] >= 2)
		memcpy(&pa, rsdp + RSDP_XSDT_ADDRESS, sizeof(uint64_t));
	if (pa != 0)
		root = map_table(pa);
	if (root == NULL) {
		width = sizeof(uint32_t);
		pa = 0;
		memcpy(&pa, rsdp + RSDP_RSDT_ADDRESS, sizeof(uint32_t));
		root = pa != 0 ? map_table(pa) : NULL;
	}
	h = root != NULL ? find_table(root, width, "APIC") : NULL;
	return h != NULL && h->length >= sizeof(struct madt) ? (const struct madt *)h : NULL;
}

/* add_cpu: one that can be started; some firmware lists each both ways. */
static void
add_cpu(struct acpi_info *info, uint32_t apic_id, uint32_t flags)
{
	if ((flags & CPU_ENABLED) == 0)
		return;
	for (uint32_t i = 0; i < info->cpu_count; i++) {
		if (info->cpu_apic_id[i] == apic_id)
			return;
	}
	if (info->cpu_count == MACHINE_MAX_CPUS)
		info->cpus_beyond++;
	else
		info->cpu_apic_id[info->cpu_count++] = apic_id;
}

static void
add_ioapic(struct acpi_info *info, uint64_t base, uint32_t gsi_base)
{
	if (info->ioapic_count == ACPI_MAX_IOAPICS)
		return;
	info->ioapic[info->ioapic_count].base = base;
	info->ioapic[info->ioapic_count].gsi_base = gsi_base;
	info->ioapic_count++;
}

static void
add_override(struct acpi_info *info, uint8_t irq, uint32_t gsi, uint16_t flags)
{
	if (irq >= ACPI_ISA_IRQS)
		return;
	info->isa[irq].gsi = gsi;
	info->isa[irq].active_low = (flags & POLARITY_MASK) == POLARITY_ACTIVE_LOW;
	info->isa[irq].level = (flags & TRIGGER_MASK) == TRIGGER_LEVEL;
}

/* read_entry: one entry of the MADT, which is as long as it says; false if that is too short. */
static bool
read_entry(struct acpi_info *info, const struct madt_entry *e)
{
	switch (e->type) {
	case MADT_LAPIC:
		if (e->length < MADT_ENTRY_SIZE(lapic))
			return false;
		if (e->u.lapic.apic_id != LAPIC_ID_NOBODY)
			add_cpu(info, e->u.lapic.apic_id, e->u.lapic.flags);
		return true;
	case MADT_X2APIC:
		if (e->length < MADT_ENTRY_SIZE(x2apic))
			return false;
		add_cpu(info, e->u.x2apic.apic_id, e->u.x2apic.flags);
		return true;
	case MADT_IOAPIC:
		if (e->length < MADT_ENTRY_SIZE(ioapic))
			return false;
		add_ioapic(info, e->u.ioapic.base, e->u.ioapic.gsi_base);
		return true;
	case MADT_OVERRIDE:
		if (e->length < MADT_ENTRY_SIZE(override))
			return false;
		add_override(info, e->u.override.irq, e->u.override.gsi, e->u.override.flags);
		return true;
	case MADT_LAPIC_ADDRESS:
		if (e->length < MADT_ENTRY_SIZE(lapic_address))
			return false;
		info->lapic_base = e->u.lapic_address.base;
		return true;
	default:
		return true;
	}
}

/* read_madt: all entries; false, with a line in the log, where the table is damaged. */
static bool
read_madt(struct acpi_info *info, const struct madt *madt)
{
	const char *p = (const char *)(madt + 1);
	size_t left = madt->header.length - sizeof(*madt);

	info->lapic_base = madt->lapic_base;
	while (left > 0) {
		const struct madt_entry *e = (const struct madt_entry *)p;

		if (left < 2 || e->length < 2 || e->length > left || !read_entry(info, e)) {
			kprintf("acpi: MADT damaged %zu bytes before its end, ignored\n", left);
			return false;
		}
		p += e->length;
		left -= e->length;
	}
	return true;
}

/* assume_classic: what every PC has. */
static void
assume_classic(struct acpi_info *info)
{
	memset(info, 0, sizeof(*info));
	for (uint32_t i = 0; i < ACPI_ISA_IRQS; i++)
		info->isa[i].gsi = i;
}

void
acpi_init(const struct boot_info *bi)
{
	struct acpi_info *info = &acpi_info;
	const struct madt *madt = bi->has_rsdp ? find_madt(bi->rsdp) : NULL;

	assume_classic(info);
	if (madt == NULL)
		kprintf("acpi: no table of interrupt controllers, the usual ones are assumed\n");
	else if (read_madt(info, madt))
		info->present = true;
	else
		assume_classic(info);
	if (!info->present)
		add_ioapic(info, IOAPIC_CLASSIC_BASE, 0);
	kprintf("acpi: %u processors, %u I/O APICs\n", info->cpu_count + info->cpus_beyond,
		info->ioapic_count);
	if (info->cpus_beyond != 0)
		kprintf("acpi: this kernel knows no more than %u processors, %u are not used\n",
			MACHINE_MAX_CPUS, info->cpus_beyond);
}
