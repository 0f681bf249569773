/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the page-table layer share: struct pmap, and steps through its tables. */
#ifndef ARCH_PMAP_PRIVATE_H
#define ARCH_PMAP_PRIVATE_H

#include "arch/x86_64/pmap_tlb.h"
#include "arch/x86_64/pte.h"
#include "kernel/base/spinlock.h"
#include "vm/pmap.h"
#include "vm/vm_page.h"

struct pmap {
	struct spinlock lock;
	pte_t *root;	     /* (c) the level-4 table; its kernel half is the same in every pmap */
	pte_t leaf_bits;     /* (c) in every page mapped: PTE_USER, or PTE_GLOBAL of the kernel's */
	uint64_t id;	     /* (c) never used twice; 0 is kernel_pmap */
	uint64_t resident;   /* (p) pages mapped; in kernel_pmap: in the kernel_map slot */
	uint64_t wired;	     /* (p) those with PTE_WIRED */
	uint64_t tables;     /* (p) table pages, the root included */
	uint64_t recent;     /* (p) the 2 MiB whose level-1 table was used last, or PMAP_NONE */
	pte_t *recent_table; /* (p) that table */
	uint32_t active;     /* (a) processors that have it loaded, a bit each */
	uint32_t stale;	     /* (a) processors that must flush when they load it, see pmap_tlb.c */
};			     /* (c) constant after creation  (p) lock  (a) atomic */

/* direct_map, direct_map_phys: between a physical address and its place in the direct map. */
static inline void *
direct_map(vm_paddr_t pa)
{
	return (void *)(DIRECT_MAP_BASE + pa);
}

static inline vm_paddr_t
direct_map_phys(const void *p)
{
	return (vm_offset_t)p - DIRECT_MAP_BASE;
}

/* pte_page: the frame in an entry: of the page mapped, or of the table below. */
static inline struct vm_page *
pte_page(pte_t entry)
{
	return vm_page_from_phys(entry & PTE_FRAME);
}

/* pte_table: the table that an entry of level 2 to 4 leads to. */
static inline pte_t *
pte_table(pte_t entry)
{
	return direct_map(entry & PTE_FRAME);
}

/* pt_page: the vm_page of the table that an entry is in.  Its wire_count is the number of its
 * entries in use. */
static inline struct vm_page *
pt_page(const pte_t *entry)
{
	return vm_page_from_phys(direct_map_phys(entry));
}

/* pt_down: one storey down, from a table of `level` to the one below that leads to va; false if
 * there is none. */
static inline bool
pt_down(pte_t **table, vm_offset_t va, int level)
{
	pte_t entry = pte_read(&(*table)[pt_index(va, level)]);

	*table = pte_table(entry);
	return (entry & PTE_PRESENT) != 0;
}

/* pmap_recent: which level-1 table va belongs to, as struct pmap remembers it. */
#define PMAP_NONE UINT64_MAX
static inline uint64_t
pmap_recent(vm_offset_t va)
{
	return va / pt_span(2);
}

/*
 * pmap_pte: the level-1 entry of va, or NULL if there is no table for it.  Only for addresses that
 * no large page maps: user space and the kernel_map slot.  Mostly it lies in the table of last time.
 * The pmap's lock is held.
 */
static inline pte_t *
pmap_pte(struct pmap *pmap, vm_offset_t va)
{
	pte_t *table = pmap->root;

	if (__builtin_expect(pmap->recent == pmap_recent(va), 1))
		return &pmap->recent_table[pt_index(va, 1)];
	if (!pt_down(&table, va, 4) || !pt_down(&table, va, 3) || !pt_down(&table, va, 2))
		return NULL;
	pmap->recent = pmap_recent(va);
	pmap->recent_table = table;
	return &table[pt_index(va, 1)];
}

/* pmap_contains: is [start, end) in the part of the address space that this pmap manages? */
static inline bool
pmap_contains(const struct pmap *pmap, vm_offset_t start, vm_offset_t end)
{
	if (pmap == kernel_pmap)
		return start >= VM_MIN_KERNEL_ADDRESS && end <= VM_MAX_KERNEL_ADDRESS;
	return end <= VM_MAX_USER_ADDRESS;
}

/* pmap_pte_create: the level-1 entry of va, with new tables on the way; NULL without memory, and
 * then some may be left empty.  The pmap's lock is held. */
pte_t *pmap_pte_create(struct pmap *pmap, vm_offset_t va);

/* pmap_unlink_empty: unlink the tables on the way to va that have no entry in use, and leave them to
 * the batch.  pmap_trim: the same, and flush and free them.  The pmap's lock is held. */
void pmap_unlink_empty(struct pmap *pmap, vm_offset_t va, struct tlb_batch *batch);
void pmap_trim(struct pmap *pmap, vm_offset_t va);

/*
 * pmap_clear_pte: take the mapping of va, which is there, out of its table and out of the counts,
 * and move its accessed and dirty bits to the page; a table that is empty now goes too.  What is
 * left to the caller is in the batch and in the old entry, which is returned: with PTE_MANAGED it
 * is still in the reverse map.  Of the entry the bits in `keep` stay (tlb_batch_unmapped).  The pmap's
 * lock is held.
 */
pte_t pmap_clear_pte(struct pmap *pmap, vm_offset_t va, pte_t *pte, pte_t keep,
		     struct tlb_batch *batch);

/* pmap_find_leaf: the entry that maps va, large pages included, and its level; 0 if unmapped. */
pte_t pmap_find_leaf(const struct pmap *pmap, vm_offset_t va, int *level);

#endif
