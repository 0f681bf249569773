/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Places where ThreadSanitizer lets a program map memory: all below 512 GiB, so kernel and user
 * addresses share a slot of the top level.  They never share a tree: the upper half of a root, which
 * a user's copies from the kernel's, is empty here.
 */
#ifndef RACE_MACHINE_PARAM_H
#define RACE_MACHINE_PARAM_H

#include "arch/x86_64/include/machine/param.h"

#undef VM_MIN_KERNEL_ADDRESS
#undef VM_MAX_KERNEL_ADDRESS
#define VM_MIN_KERNEL_ADDRESS 0x2000000000ul
#define VM_MAX_KERNEL_ADDRESS 0x2100000000ul

#undef DIRECT_MAP_BASE
#define DIRECT_MAP_BASE 0x1000000000ul

#endif
