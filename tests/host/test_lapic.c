/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC in both modes: which registers are read and written, and how.
 *
 * QEMU without KVM has no x2APIC, so this is where that mode is tested: a write that the processor
 * would refuse (the upper half of the command, a reserved bit) fails the test.
 */
#include <stdio.h>
#include <string.h>
#include <machine/apic.h>
#include <machine/features.h>
#include <machine/percpu.h>
#include <machine/pmap.h>
#include <machine/registers.h>
#include <machine/trap.h>
#include "model/harness.h"

#define APIC_BASE   0xfee00000ul
#define BASE_BSP    (1u << 8)
#define BASE_X2APIC (1u << 10)
#define BASE_ENABLE (1u << 11)
#define REGISTERS   0x40 /* 16 bytes apart, or numbers from MSR 0x800 on */
#define X2APIC	    0x800

/* Numbers of registers: Intel's manual, volume 3, table "Local APIC Register Address Map Supported
 * by x2APIC". */
enum {
	ID = 0x02,
	TPR = 0x08,
	EOI = 0x0b,
	SPURIOUS = 0x0f,
	ESR = 0x28,
	COMMAND = 0x30,
	COMMAND_HIGH = 0x31,
	LVT_TIMER = 0x32,
	LVT_LINT0 = 0x35,
	LVT_LINT1 = 0x36,
	LVT_ERROR = 0x37,
	INITIAL = 0x38,
	CURRENT = 0x39,
	DIVIDE = 0x3e,
};

struct cpu_features cpu_features;

static struct {
	bool has_x2apic;
	uint64_t base;
	uint64_t x2[REGISTERS];				    /* as MSRs */
	uint32_t memory[REGISTERS * 16 / sizeof(uint32_t)]; /* as memory */
	unsigned eois;
} apic;

static uint32_t
in_memory(unsigned n)
{
	return apic.memory[n * 16 / sizeof(uint32_t)];
}

uint64_t
msr_read(uint32_t msr)
{
	if (msr == MSR_APIC_BASE)
		return apic.base;
	if ((apic.base & BASE_X2APIC) == 0 || msr - X2APIC >= REGISTERS)
		fail_msg("rdmsr %#x: no such register", msr);
	if (msr - X2APIC == EOI || msr - X2APIC == COMMAND_HIGH)
		fail_msg("rdmsr %#x: not to be read", msr);
	return apic.x2[msr - X2APIC];
}

/* writable: the bits that register n takes in x2APIC mode. */
static uint64_t
writable(unsigned n)
{
	switch (n) {
	case TPR:
		return 0xff;
	case EOI:
	case ESR:
		return 0;
	case SPURIOUS:
		return 0x13ff;
	case COMMAND:
		return 0xffffffff000ccfff;
	case LVT_TIMER:
		return 0x700ff;
	case LVT_LINT0:
	case LVT_LINT1:
		return 0x1a7ff;
	case LVT_ERROR:
		return 0x100ff;
	case INITIAL:
		return 0xffffffff;
	case DIVIDE:
		return 0xb;
	default:
		fail_msg("wrmsr %#x: not to be written", X2APIC + n);
		return 0;
	}
}

static void
base_write(uint64_t value)
{
	uint64_t was = apic.base & (BASE_ENABLE | BASE_X2APIC);
	uint64_t is = value & (BASE_ENABLE | BASE_X2APIC);

	assert_true(is != BASE_X2APIC);
	assert_true(apic.has_x2apic || (is & BASE_X2APIC) == 0);
	/* Out of x2APIC mode only by switching it off; into it only from the other one. */
	assert_false((was & BASE_X2APIC) != 0 && is == BASE_ENABLE);
	assert_false(was == 0 && (is & BASE_X2APIC) != 0);
	apic.base = value;
}

void
msr_write(uint32_t msr, uint64_t value)
{
	unsigned n = msr - X2APIC;

	if (msr == MSR_APIC_BASE) {
		base_write(value);
		return;
	}
	if ((apic.base & BASE_X2APIC) == 0 || n >= REGISTERS)
		fail_msg("wrmsr %#x: no such register", msr);
	if ((value & ~writable(n)) != 0)
		fail_msg("wrmsr %#x: %#lx has reserved bits", msr, value);
	apic.x2[n] = value;
	apic.eois += n == EOI;
}

void *
pmap_map_registers(vm_paddr_t pa, vm_size_t size)
{
	check_u64(APIC_BASE, pa);
	check_u64(PAGE_SIZE, size);
	assert_false(apic.has_x2apic && cpu_features.x2apic);
	return apic.memory;
}

/* set_up: a processor as the firmware hands it over, with this APIC number. */
static void
set_up(bool x2apic, uint64_t base, uint32_t id)
{
	memset(&apic, 0, sizeof(apic));
	apic.has_x2apic = cpu_features.x2apic = x2apic;
	apic.base = APIC_BASE | BASE_BSP | base;
	apic.x2[ID] = id;
	apic.memory[ID * 4] = id << 24;
	lapic_init();
}

/* as_set_up: what every processor's registers must hold. */
static void
as_set_up(uint64_t (*reg)(unsigned n))
{
	check_u64(0, reg(TPR));
	check_u64(0x10000, reg(LVT_LINT0));
	check_u64(0x400, reg(LVT_LINT1));
	check_u64(0x10000, reg(LVT_ERROR));
	check_u64(0x10000 | VECTOR_TIMER, reg(LVT_TIMER));
	check_u64(0x3, reg(DIVIDE));
	check_u64(0x100 | VECTOR_SPURIOUS, reg(SPURIOUS));
}

static uint64_t
reg_x2(unsigned n)
{
	return apic.x2[n];
}

static uint64_t
reg_memory(unsigned n)
{
	return in_memory(n);
}

static void
x2apic_set_up(void **state)
{
	(void)state;
	set_up(true, BASE_ENABLE, 0x12345);
	check_u64(APIC_BASE | BASE_BSP | BASE_ENABLE | BASE_X2APIC, apic.base);
	as_set_up(reg_x2);
	check_u64(1, apic.eois);
	check_u64(0x12345, lapic_id());
	check_u64(0x12345, curcpu()->apic_id);

	/* Another processor, which comes up in the other mode. */
	apic.base = APIC_BASE | BASE_ENABLE;
	apic.x2[ID] = 7;
	lapic_cpu_init();
	check_u64(APIC_BASE | BASE_ENABLE | BASE_X2APIC, apic.base);
	check_u64(7, curcpu()->apic_id);
}

static void
x2apic_by_firmware(void **state)
{
	(void)state;
	set_up(true, BASE_ENABLE | BASE_X2APIC, 3);
	check_u64(APIC_BASE | BASE_BSP | BASE_ENABLE | BASE_X2APIC, apic.base);
	as_set_up(reg_x2);
}

static void
x2apic_commands(void **state)
{
	(void)state;
	set_up(true, BASE_ENABLE, 0);
	lapic_send(0x10002, VECTOR_SHOOTDOWN);
	check_u64(0x10002ul << 32 | 0x4000 | VECTOR_SHOOTDOWN, apic.x2[COMMAND]);
	lapic_send_nmi(3);
	check_u64(3ul << 32 | 0x4400, apic.x2[COMMAND]);
	lapic_send_init(4);
	check_u64(4ul << 32 | 0xc500, apic.x2[COMMAND]);
	lapic_send_startup(5, 0x9a);
	check_u64(5ul << 32 | 0x469a, apic.x2[COMMAND]);
	assert_true(lapic_reaches(0x10002));
}

static void
x2apic_timer(void **state)
{
	(void)state;
	set_up(true, BASE_ENABLE, 0);
	lapic_timer_start(1000);
	check_u64(VECTOR_TIMER, apic.x2[LVT_TIMER]);
	check_u64(1000, apic.x2[INITIAL]);
	apic.x2[CURRENT] = 990;
	check_u64(990, lapic_timer_count());
	lapic_timer_start(0);
	check_u64(0x10000 | VECTOR_TIMER, apic.x2[LVT_TIMER]);
	check_u64(0, apic.x2[INITIAL]);
}

static void
xapic(void **state)
{
	(void)state;
	set_up(false, BASE_ENABLE, 0xab);
	check_u64(APIC_BASE | BASE_BSP | BASE_ENABLE, apic.base);
	as_set_up(reg_memory);
	check_u64(0xab, lapic_id());
	lapic_send(5, VECTOR_RESCHED);
	check_u64(5u << 24, in_memory(COMMAND_HIGH));
	check_u64(0x4000 | VECTOR_RESCHED, in_memory(COMMAND));
	assert_true(lapic_reaches(254));
	assert_false(lapic_reaches(255));
	assert_false(lapic_reaches(256));
}

static int
no_fixture(void **state)
{
	static struct percpu cpu;

	(void)state;
	model_percpu = &cpu;
	return 0;
}

int
main(void)
{
	static const struct host_fixture fixture = {.setup = no_fixture};
	static const struct host_test tests[] = {
	    {"x2APIC: its registers are set up, on the first processor and the others",
	     x2apic_set_up},
	    {"x2APIC: the firmware has switched it on already", x2apic_by_firmware},
	    {"x2APIC: a command is one store, with a number of 32 bits", x2apic_commands},
	    {"x2APIC: the timer", x2apic_timer},
	    {"xAPIC: registers in memory, commands in two halves, numbers below 255", xapic},
	};

	return host_run(&fixture, tests, ARRAY_SIZE(tests));
}
