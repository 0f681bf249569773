/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI's tables: which processors and interrupt controllers the kernel believes in. */
#include <stdlib.h>
#include <string.h>
#include <machine/acpi.h>
#include <machine/features.h>
#include <machine/pmap.h>
#include "boot/boot_info.h"
#include "model/harness.h"

#define RSDT_AT	  0x100000u /* "physical" addresses of the two tables */
#define MADT_AT	  0x101000u
#define TABLE_MAX 4096u
#define HEADER	  36u
#define MADT_HEAD 44u

struct cpu_features cpu_features = {.physical_bits = 40};

static struct {
	uint8_t rsdt[TABLE_MAX], madt[TABLE_MAX];
	struct boot_info bi;
} firmware;

void *
pmap_map_device(vm_paddr_t pa, vm_size_t size, enum pmap_cache cache)
{
	uint8_t *table = pa >= MADT_AT ? firmware.madt : firmware.rsdt;
	vm_paddr_t at = pa >= MADT_AT ? MADT_AT : RSDT_AT;

	(void)cache;
	assert_in_range(pa, at, at + TABLE_MAX - size);
	return table + (pa - at);
}

static void
seal(uint8_t *table, const char *signature, uint32_t length)
{
	uint8_t sum = 0;

	memcpy(table, signature, 4);
	memcpy(table + 4, &length, 4);
	table[9] = 0;
	for (uint32_t i = 0; i < length; i++)
		sum += table[i];
	table[9] = (uint8_t)-sum;
}

/* tables: read a MADT with these entries. */
static void
tables(const void *entries, uint32_t size)
{
	uint32_t at = RSDT_AT, madt = MADT_AT;

	memset(&firmware, 0, sizeof(firmware));
	memcpy(firmware.madt + MADT_HEAD, entries, size);
	seal(firmware.madt, "APIC", MADT_HEAD + size);
	memcpy(firmware.rsdt + HEADER, &madt, 4);
	seal(firmware.rsdt, "RSDT", HEADER + 4);
	firmware.bi.has_rsdp = true;
	memcpy(firmware.bi.rsdp + 16, &at, 4);
	acpi_init(&firmware.bi);
}

#define LAPIC(id, flags)  0, 8, 0, (id), (flags), 0, 0, 0
#define X2APIC(id, flags) 9, 16, 0, 0, (id)&0xff, (id) >> 8, 0, 0, (flags), 0, 0, 0, 0, 0, 0, 0
#define IOAPIC(base_mb)	  1, 12, 0, 0, 0, 0, (base_mb)&0xff, (base_mb) >> 8, 0, 0, 0, 0

static void
check_cpus(const uint32_t *ids, uint32_t n)
{
	check_u64(n, acpi_info.cpu_count);
	for (uint32_t i = 0; i < n; i++)
		check_u64(ids[i], acpi_info.cpu_apic_id[i]);
}

static void
plain(void **state)
{
	static const uint8_t madt[] = {LAPIC(0, 1), LAPIC(2, 1), LAPIC(4, 1), IOAPIC(0xfec0)};

	(void)state;
	tables(madt, sizeof(madt));
	assert_true(acpi_info.present);
	check_cpus((const uint32_t[]){0, 2, 4}, 3);
	check_u64(0, acpi_info.cpus_beyond);
	check_u64(1, acpi_info.ioapic_count);
	check_u64(0xfec00000, acpi_info.ioapic[0].base);
}

static void
not_there(void **state)
{
	/* Disabled; disabled, but may be plugged in; the number that means nobody. */
	static const uint8_t madt[] = {LAPIC(0, 1),   LAPIC(1, 0),    LAPIC(2, 2),   LAPIC(3, 3),
				       LAPIC(255, 1), X2APIC(300, 0), X2APIC(301, 2)};

	(void)state;
	tables(madt, sizeof(madt));
	check_cpus((const uint32_t[]){0, 3}, 2);
}

static void
both_ways(void **state)
{
	static const uint8_t madt[] = {LAPIC(0, 1), LAPIC(1, 1), X2APIC(0, 1), X2APIC(1, 1),
				       X2APIC(300, 1)};

	(void)state;
	tables(madt, sizeof(madt));
	check_cpus((const uint32_t[]){0, 1, 300}, 3);
}

static void
too_many(void **state)
{
	uint8_t madt[24][8];

	(void)state;
	for (uint8_t i = 0; i < 24; i++)
		memcpy(madt[i], (const uint8_t[]){LAPIC(i, 1)}, 8);
	tables(madt, sizeof(madt));
	check_u64(MACHINE_MAX_CPUS, acpi_info.cpu_count);
	check_u64(24 - MACHINE_MAX_CPUS, acpi_info.cpus_beyond);
	check_u64(MACHINE_MAX_CPUS - 1, acpi_info.cpu_apic_id[MACHINE_MAX_CPUS - 1]);
}

/* classic: what is assumed where nothing is believed. */
static void
classic(void)
{
	assert_false(acpi_info.present);
	check_u64(0, acpi_info.cpu_count);
	check_u64(1, acpi_info.ioapic_count);
	check_u64(0xfec00000, acpi_info.ioapic[0].base);
	for (uint32_t i = 0; i < ACPI_ISA_IRQS; i++)
		check_u64(i, acpi_info.isa[i].gsi);
}

static void
damaged(void **state)
{
	static const uint8_t no_length[] = {LAPIC(0, 1), LAPIC(1, 1), 0, 0};
	static const uint8_t too_long[] = {LAPIC(0, 1), 0, 9, 0, 1, 1, 0, 0, 0};
	static const uint8_t too_short[] = {LAPIC(0, 1), 0, 6, 0, 1, 1, 0};
	static const uint8_t one_byte[] = {LAPIC(0, 1), 0};

	(void)state;
	tables(no_length, sizeof(no_length));
	classic();
	tables(too_long, sizeof(too_long));
	classic();
	tables(too_short, sizeof(too_short));
	classic();
	tables(one_byte, sizeof(one_byte));
	classic();
}

static void
wrong_sum(void **state)
{
	static const uint8_t madt[] = {LAPIC(0, 1), LAPIC(1, 1)};

	(void)state;
	tables(madt, sizeof(madt));
	check_u64(2, acpi_info.cpu_count);
	firmware.madt[MADT_HEAD + 3] = 7;
	acpi_init(&firmware.bi);
	classic();
	firmware.bi.has_rsdp = false;
	acpi_init(&firmware.bi);
	classic();
}

/* Rubbish of every kind ends, reads nothing beyond its table, and finds no more than fits. */
static void
rubbish(void **state)
{
	uint8_t madt[256];

	(void)state;
	host_random_seed(1);
	for (unsigned round = 0; round < 20000; round++) {
		uint32_t size = (uint32_t)(host_random() % sizeof(madt));

		for (uint32_t i = 0; i < size; i++)
			madt[i] = host_random() % 3 == 0 ? (uint8_t)host_random()
							 : (uint8_t)(host_random() % 17);
		tables(madt, size);
		assert_in_range(acpi_info.cpu_count, 0, MACHINE_MAX_CPUS);
		assert_in_range(acpi_info.ioapic_count, 1 - acpi_info.present, ACPI_MAX_IOAPICS);
	}
}

static int
no_fixture(void **state)
{
	(void)state;
	return 0;
}

int
main(void)
{
	static const struct host_fixture fixture = {.setup = no_fixture};
	static const struct host_test tests[] = {
	    {"MADT: processors in the table's order", plain},
	    {"MADT: who is not there, or not yet, is not started", not_there},
	    {"MADT: a processor that is listed both ways counts once", both_ways},
	    {"MADT: those that are too many are counted", too_many},
	    {"MADT: a damaged table is not believed at all", damaged},
	    {"MADT: nor is one with a wrong checksum", wrong_sum},
	    {"MADT: rubbish does no harm", rubbish},
	};

	return host_run(&fixture, tests, ARRAY_SIZE(tests));
}
