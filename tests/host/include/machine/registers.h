/* SPDX-License-Identifier: BSD-2-Clause */
/* Model-specific registers of the host: those that a test provides (test_lapic.c). */
#ifndef HOST_MACHINE_REGISTERS_H
#define HOST_MACHINE_REGISTERS_H

#include <stdint.h>
#include "arch/x86_64/include/machine/asmdefs.h"

uint64_t msr_read(uint32_t msr);
void msr_write(uint32_t msr, uint64_t value);

#endif
