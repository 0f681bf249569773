/* SPDX-License-Identifier: BSD-2-Clause */
/* The registers of a simulated processor that page tables need (race/cpu.c). */
#ifndef RACE_MACHINE_REGISTERS_H
#define RACE_MACHINE_REGISTERS_H

#include <stdint.h>
#include <machine/asmdefs.h>

uint64_t cr3_read(void);
void cr3_write(uint64_t value);
uint64_t cr4_read(void);
void cr4_write(uint64_t value);
void invlpg(uintptr_t va);

#endif
