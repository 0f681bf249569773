/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the page-table layer share: struct pmap, and steps through its tables. */
#ifndef ARCH_PMAP_PRIVATE_H
#define ARCH_PMAP_PRIVATE_H

#include "arch/x86_64/page_lock.h"
#include "arch/x86_64/pmap_tlb.h"
#include "arch/x86_64/pte.h"
#include "kernel/base/spinlock.h"
#include "vm/pmap.h"
#include "vm/vm_page.h"
#include <machine/percpu.h>

struct pmap {
	struct spinlock lock; /* of the tables above level 1 */
	pte_t *root;	      /* (c) the level-4 table; its kernel half is the same in every pmap */
	pte_t leaf_bits;      /* (c) in every page: PTE_USER, or PTE_GLOBAL of the kernel's */
	uint64_t id;	      /* (c) never used twice; 0 is kernel_pmap */
	uint64_t tables;      /* (p) table pages that are linked, the root included */
	struct tlb_batch *unflushed; /* (p, a) batches with tables that are not linked any more */
	uint64_t batches;	     /* (p) that were there: the number of the last */
	uint32_t active;	     /* (a) processors that have it loaded, a bit each */
	uint32_t stale;		     /* (a) processors that must flush when they load it */
	uint32_t visitors;	     /* (a) processors on their way to a table's lock */
};				     /* (c) constant after creation  (p) lock  (a) atomic */

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

/*
 * A level-1 table goes by its vm_page.  There it says whose it is: pv_pmap, and pv_va: the last address
 * it leads to (which is odd, so a page that is mapped never says the same).  Its lock is one of a few
 * that tables share by hash, and guards its entries, their number (wire_count), how many of them are
 * wired (pindex), and the name itself.  A table may be unlinked while somebody is on his way to its lock:
 * who has the lock looks at the name first, even if it is another page by then.
 */
extern struct page_lock pt_locks[PAGE_LOCKS];

static inline struct spinlock *
pt_lock(const struct vm_page *t)
{
	return page_lock(pt_locks, t);
}

/* pt_name: what pv_va says in the table of va. */
static inline vm_offset_t
pt_name(vm_offset_t va)
{
	return va | (pt_span(2) - 1);
}

/* pt_leads_to: is t the level-1 table of va?  Lasts while its lock is held.  Acquire: who made the table may
 * not have had its lock yet. */
static inline bool
pt_leads_to(const struct vm_page *t, const struct pmap *pmap, vm_offset_t va)
{
	return __atomic_load_n(&t->pv_va, __ATOMIC_ACQUIRE) == pt_name(va) &&
	       __atomic_load_n(&t->pv_pmap, __ATOMIC_RELAXED) == pmap;
}

/* pt_entry: the entry of va in its level-1 table. */
static inline pte_t *
pt_entry(const struct vm_page *t, vm_offset_t va)
{
	pte_t *table = t->table;

	return &table[pt_index(va, 1)];
}

/* pmap_recent_table: where this processor remembers the table of va, or another one.  Interrupts off. */
static inline struct vm_page **
pmap_recent_table(vm_offset_t va)
{
	return &curcpu()->recent_table[va / pt_span(2) % RECENT_TABLES];
}

/* pmap_forget_tables: the processor with this area, which starts, remembers none. */
void pmap_forget_tables(struct percpu *p);

/*
 * pmap_table_recent: lock the level-1 table of va, *t, if this processor has used it lately; false:
 * nothing is locked.  Faults come close together.
 */
static inline bool
pmap_table_recent(const struct pmap *pmap, vm_offset_t va, struct vm_page **t)
{
	spin_enter();
	*t = *pmap_recent_table(va);
	spinlock_lock_nested(pt_lock(*t));
	if (__builtin_expect(pt_leads_to(*t, pmap, va), 1))
		return true;
	spinlock_unlock_nested(pt_lock(*t));
	spin_exit();
	return false;
}

/* pmap_table_unlock: let go of a table; it may be unlinked and freed by now. */
static inline void
pmap_table_unlock(const struct vm_page *t)
{
	spinlock_unlock_nested(pt_lock(t));
	spin_exit();
}

/*
 * pmap_table_next: the first level-1 table that leads to an address in [*va, end), locked, and *va is the
 * first such address; NULL if there is none: then nothing is locked.  No processor knows a mapping of what
 * was skipped.  No lock of the pmap is held.
 */
struct vm_page *pmap_table_next(struct pmap *pmap, vm_offset_t *va, vm_offset_t end);

/*
 * pmap_table_create: the level-1 table of va, locked, made if there is none; NULL without memory, and
 * then nothing is locked or left behind.  It may be empty, and if it is new no processor knows a mapping of
 * the one that was there before.  No lock of the pmap is held.
 */
struct vm_page *pmap_table_create(struct pmap *pmap, vm_offset_t va);

/* pmap_table_try: the level-1 table of va, locked; NULL if there is none, or its lock is taken.  The pv
 * lock of a page that is mapped there, by the reverse map, is held. */
struct vm_page *pmap_table_try(struct pmap *pmap, vm_offset_t va);

/* pmap_table_unlink: unlink the table t, locked and empty, which leads to va, and those above that are
 * empty then, and leave them to the batch. */
void pmap_table_unlink(struct pmap *pmap, struct vm_page *t, vm_offset_t va,
		       struct tlb_batch *batch);

/* pmap_contains: is [start, end) in the part of the address space that this pmap manages? */
static inline bool
pmap_contains(const struct pmap *pmap, vm_offset_t start, vm_offset_t end)
{
	if (pmap == kernel_pmap)
		return start >= VM_MIN_KERNEL_ADDRESS && end <= VM_MAX_KERNEL_ADDRESS;
	return end <= VM_MAX_USER_ADDRESS;
}

/*
 * pmap_clear_pte: take the mapping of va, which is there, out of its table t, which is locked, and move
 * its accessed and dirty bits to the page; if t is empty now it is unlinked.  What is left to the caller
 * is in the batch and in the old entry, which is returned: with PTE_MANAGED it is still in the reverse
 * map.  Of the entry the bits in `keep` stay (tlb_batch_unmapped).
 * pmap_unmap_pte: the same, and the batch sees to the reverse map as well.
 */
pte_t pmap_clear_pte(struct pmap *pmap, struct vm_page *t, vm_offset_t va, pte_t *pte, pte_t keep,
		     struct tlb_batch *batch);

static inline void
pmap_unmap_pte(struct pmap *pmap, struct vm_page *t, vm_offset_t va, pte_t *pte,
	       struct tlb_batch *batch)
{
	bool managed = (pte_read(pte) & PTE_MANAGED) != 0;

	if (managed)
		tlb_batch_unmapped(batch, pte, va);
	pmap_clear_pte(pmap, t, va, pte, managed ? PTE_UNMAPPED : 0, batch);
}

/* pmap_find_leaf: the entry that maps va, large pages included, and its level; 0 if unmapped.  The
 * pmap's lock is held. */
pte_t pmap_find_leaf(const struct pmap *pmap, vm_offset_t va, int *level);

#endif
