/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Types, units and codes of the virtual-memory system.
 *
 * Addresses and sizes are bytes, ranges half-open [start, end), page indices count pages from the
 * start of an object.
 */
#ifndef VM_VM_TYPES_H
#define VM_VM_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <machine/param.h>

typedef uintptr_t vm_offset_t; /* virtual address, bytes */
typedef size_t vm_size_t;      /* bytes */
typedef uint64_t vm_paddr_t;   /* physical address, bytes */
typedef uint64_t vm_ooffset_t; /* offset in an object, bytes */
typedef uint64_t vm_pindex_t;  /* offset in an object, pages */
typedef int boolean_t;	       /* of the documented prototypes */
typedef int kern_return_t;

#ifndef TRUE
#define TRUE  1
#define FALSE 0
#endif

typedef uint8_t vm_prot_t;
#define VM_PROT_NONE	0x0
#define VM_PROT_READ	0x1
#define VM_PROT_WRITE	0x2
#define VM_PROT_EXECUTE 0x4
#define VM_PROT_COPY	0x8 /* in fault types only: a debugger's write */
#define VM_PROT_RW	(VM_PROT_READ | VM_PROT_WRITE)
#define VM_PROT_ALL	(VM_PROT_READ | VM_PROT_WRITE | VM_PROT_EXECUTE)

typedef uint8_t vm_inherit_t;
#define VM_INHERIT_SHARE   0
#define VM_INHERIT_COPY	   1
#define VM_INHERIT_NONE	   2
#define VM_INHERIT_ZERO	   3
#define VM_INHERIT_DEFAULT VM_INHERIT_COPY

#define KERN_SUCCESS		0
#define KERN_INVALID_ADDRESS	1
#define KERN_PROTECTION_FAILURE 2
#define KERN_NO_SPACE		3
#define KERN_INVALID_ARGUMENT	4
#define KERN_FAILURE		5
#define KERN_RESOURCE_SHORTAGE	6
#define KERN_NOT_RECEIVER	7
#define KERN_NO_ACCESS		8
#define KERN_OUT_OF_BOUNDS	9
#define KERN_RESTART		10
#define KERN_ABORTED		11

#define trunc_page(x)	((x) & ~PAGE_MASK)
#define round_page(x)	(((x) + PAGE_MASK) & ~PAGE_MASK)
#define page_aligned(x) (((x)&PAGE_MASK) == 0)
#define atop(x)		((x) >> PAGE_SHIFT)	       /* bytes to pages */
#define ptoa(x)		((vm_size_t)(x) << PAGE_SHIFT) /* pages to bytes */

typedef struct vm_map *vm_map_t;
typedef struct vm_map_entry *vm_map_entry_t;
typedef struct vm_object *vm_object_t;
typedef struct vm_page *vm_page_t;
typedef struct pmap *pmap_t;

#endif
