/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The four storeys of an x86-64 page table, and what one entry says.
 *
 *	 63      48 47     39 38     30 29     21 20     12 11          0
 *	+----------+---------+---------+---------+---------+-------------+
 *	| like b47 | level 4 | level 3 | level 2 | level 1 | byte of page|   a virtual address
 *	+----------+---------+---------+---------+---------+-------------+
 *	                |         |         |         |
 *	 CR3 -->  table[i] -> table[i] -> table[i] -> table[i] -> frame
 *	 one entry spans
 *	           512 GiB     1 GiB       2 MiB       4 KiB
 *
 * A table is one frame of 512 entries of 8 bytes.  An entry of level 4 to 2 holds the frame of the
 * table below; one of level 1, or one of level 3 or 2 with PTE_LARGE, holds the frame that is
 * mapped.  The rights of a page are the intersection of all entries on its way, so upper levels
 * allow everything and the last one decides.
 *
 * The processor itself sets PTE_ACCESSED and PTE_DIRTY, at any moment and on any processor that
 * has the table loaded: a present entry is changed only by atomic operations.
 */
#ifndef ARCH_PTE_H
#define ARCH_PTE_H

#include "vm/pmap.h"
#include "vm/vm_types.h"

typedef uint64_t pte_t;

/* pte_read: an entry as it is now: the processor may be setting bits in it. */
static inline pte_t
pte_read(const pte_t *entry)
{
	return __atomic_load_n(entry, __ATOMIC_RELAXED);
}

#define PTE_PRESENT	  0x001ul
#define PTE_WRITE	  0x002ul
#define PTE_USER	  0x004ul
#define PTE_WRITE_THROUGH 0x008ul
#define PTE_CACHE_DISABLE 0x010ul
#define PTE_ACCESSED	  0x020ul
#define PTE_DIRTY	  0x040ul
#define PTE_LARGE	  0x080ul /* levels 3 and 2: maps a 1 GiB or 2 MiB page */
#define PTE_GLOBAL	  0x100ul /* survives a change of address space */
#define PTE_WIRED	  0x200ul /* ours: entered with PMAP_ENTER_WIRED */
#define PTE_MANAGED	  0x400ul /* ours: the page's reverse map has this mapping */
#define PTE_DEVICE	  0x800ul /* ours: the frame has no vm_page (pmap_enter_device) */
#define PTE_FRAME	  0x000ffffffffff000ul
#define PTE_NO_EXECUTE	  (1ul << 63)
#define PTE_UNMAPPED	  (PTE_FRAME | PTE_MANAGED) /* what stays of an entry until the flush */

/* Memory types, in the attribute table that pmap_cpu_init() loads (entries 0, 1 and 3 of it). */
#define PTE_CACHED	    0ul
#define PTE_WRITE_COMBINING PTE_WRITE_THROUGH
#define PTE_UNCACHED	    (PTE_WRITE_THROUGH | PTE_CACHE_DISABLE)
#define PTE_CACHE_BITS	    (PTE_WRITE_THROUGH | PTE_CACHE_DISABLE)

#define PT_LEVELS     4
#define PT_INDEX_BITS 9
#define PT_ENTRIES    (1u << PT_INDEX_BITS)
#define PT_KERNEL     (PT_ENTRIES / 2) /* first level-4 entry of the kernel's half */

/* pt_span: the bytes that one entry of a level spans. */
static inline vm_size_t
pt_span(int level)
{
	return 1ul << (PAGE_SHIFT + PT_INDEX_BITS * (level - 1));
}

/* pt_index: which entry of a table of this level leads to va. */
static inline unsigned
pt_index(vm_offset_t va, int level)
{
	return va >> (PAGE_SHIFT + PT_INDEX_BITS * (level - 1)) & (PT_ENTRIES - 1);
}

/* pte_is_leaf: does a present entry of this level map memory, and not lead to a table? */
static inline bool
pte_is_leaf(pte_t entry, int level)
{
	return level == 1 || (entry & PTE_LARGE) != 0;
}

/* pte_prot: the rights that an entry of the last level grants. */
static inline vm_prot_t
pte_prot(pte_t entry)
{
	return VM_PROT_READ | ((entry & PTE_WRITE) != 0 ? VM_PROT_WRITE : 0) |
	       ((entry & PTE_NO_EXECUTE) != 0 ? 0 : VM_PROT_EXECUTE);
}

/* pte_of_cache, pte_cache: between memory types and the bits that select them. */
static inline pte_t
pte_of_cache(enum pmap_cache cache)
{
	switch (cache) {
	case PMAP_UNCACHED:
		return PTE_UNCACHED;
	case PMAP_WRITE_COMBINING:
		return PTE_WRITE_COMBINING;
	default:
		return PTE_CACHED;
	}
}

static inline enum pmap_cache
pte_cache(pte_t entry)
{
	switch (entry & PTE_CACHE_BITS) {
	case PTE_CACHED:
		return PMAP_CACHED;
	case PTE_WRITE_COMBINING:
		return PMAP_WRITE_COMBINING;
	default:
		return PMAP_UNCACHED;
	}
}

#endif
