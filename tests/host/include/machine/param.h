/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's sizes and places: those of the real machine, but that kernel_map lies where a host
 * program may map memory, so that kernel addresses can really be used.
 */
#ifndef HOST_MACHINE_PARAM_H
#define HOST_MACHINE_PARAM_H

#include "arch/x86_64/include/machine/param.h"

#undef VM_MIN_KERNEL_ADDRESS
#undef VM_MAX_KERNEL_ADDRESS
#define VM_MIN_KERNEL_ADDRESS 0x500000000000ul
#define VM_MAX_KERNEL_ADDRESS 0x508000000000ul

#endif
