/* SPDX-License-Identifier: BSD-2-Clause */
/* Sizes and places of the x86-64 address space; the picture is in docs/book/address-space.md. */
#ifndef MACHINE_PARAM_H
#define MACHINE_PARAM_H

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096ul
#define PAGE_MASK  (PAGE_SIZE - 1)

#define SUPERPAGE_SHIFT 21
#define SUPERPAGE_SIZE	(1ul << SUPERPAGE_SHIFT)

#define MACHINE_MAX_CPUS 16
#define CACHE_LINE_SIZE	 64
#define RECENT_TABLES	 4 /* page tables that a processor remembers; a power of two */

/* User space: the first 64 KiB are never mapped, the last page below the hole neither. */
#define VM_MIN_USER_ADDRESS 0x0000000000000000ul
#define VM_MAX_USER_ADDRESS 0x00007ffffffff000ul
#define VM_LOW_GUARD	    0x10000ul

/* All physical memory, read/write, no-execute. */
#define DIRECT_MAP_BASE 0xffff800000000000ul
#define DIRECT_MAP_SIZE 0x0000400000000000ul

/* kernel_map: one slot of the top level (512 GiB), so its page-directory-pointer page exists from
 * boot and no address space ever has to be told of a new one. */
#define VM_MIN_KERNEL_ADDRESS 0xffffc00000000000ul
#define VM_MAX_KERNEL_ADDRESS 0xffffc08000000000ul

/* Device memory that the kernel itself touches: pmap_map_device() in <machine/pmap.h>.  One slot. */
#define DEVICE_MAP_BASE 0xffffe00000000000ul
#define DEVICE_MAP_SIZE 0x0000008000000000ul

#define KERNEL_IMAGE_BASE 0xffffffff80000000ul

#define KERNEL_STACK_SIZE (4 * PAGE_SIZE)

#endif
