/* SPDX-License-Identifier: BSD-2-Clause */
/* Control registers, model-specific registers, CPUID: the instructions that C has no words for. */
#ifndef MACHINE_REGISTERS_H
#define MACHINE_REGISTERS_H

#include <stdint.h>
#include <machine/asmdefs.h>

static inline uint64_t
msr_read(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

static inline void
msr_write(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"(value >> 32) : "memory");
}

#define DEFINE_CONTROL_REGISTER(name)                                           \
	static inline uint64_t name##_read(void)                                \
	{                                                                       \
		uint64_t value;                                                 \
                                                                                \
		__asm__ volatile("mov %%" #name ", %0" : "=r"(value));          \
		return value;                                                   \
	}                                                                       \
	static inline void name##_write(uint64_t value)                         \
	{                                                                       \
		__asm__ volatile("mov %0, %%" #name : : "r"(value) : "memory"); \
	}

DEFINE_CONTROL_REGISTER(cr0)
DEFINE_CONTROL_REGISTER(cr2)
DEFINE_CONTROL_REGISTER(cr3)
DEFINE_CONTROL_REGISTER(cr4)
DEFINE_CONTROL_REGISTER(dr6)

/* invlpg: forget the cached translation of va, and all cached upper-level page-table entries. */
static inline void
invlpg(uintptr_t va)
{
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

struct cpuid_result {
	uint32_t eax, ebx, ecx, edx;
};

/* cpuid: one leaf; all zero if the processor does not have it. */
struct cpuid_result cpuid(uint32_t leaf, uint32_t subleaf);

#endif
