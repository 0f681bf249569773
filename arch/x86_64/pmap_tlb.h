/* SPDX-License-Identifier: BSD-2-Clause */
/* Forgetting translations: see pmap_tlb.c. */
#ifndef ARCH_PMAP_TLB_H
#define ARCH_PMAP_TLB_H

#include "arch/x86_64/pte.h"
#include "kernel/base/list.h"
#include "vm/vm_types.h"

struct pmap;
struct vm_page;

/*
 * A batch gathers what a change of page tables leaves to do: addresses that lost rights, pages that
 * lost a mapping, and table pages that nothing points to any more.
 *
 * The reverse map forgets a mapping only after the flush, or somebody who looks there would find the
 * page unmapped, and free it, while another processor still knows it.  Until then he finds the mapping,
 * and waits for the table's lock.  The tables are freed after the flush, too, since a processor may still
 * walk through its memory of them.
 *
 * Where the table is gone its lock cannot be found, so a batch with tables is on a list of the pmap until it
 * is done: who finds no table at an address looks there (tlb_unflushed).
 *
 * The pages that lost a mapping are noted where they were: their entries, of one level-1 table, are not
 * present any more but keep the frame (PTE_UNMAPPED) until the batch is finished.
 */
struct tlb_batch {
	struct pmap *pmap;
	vm_offset_t start, end;		/* covers all addresses added; start >= end: none */
	struct list tables;		/* of vm_page.link */
	struct tlb_batch *next;		/* (p) in pmap->unflushed, if there are tables */
	uint64_t number;		/* (p) there: counted from 1 */
	pte_t *unmapped, *unmapped_end; /* entries among which are all that keep a frame; or NULL */
	vm_offset_t unmapped_va;	/* of the first one */
};					/* (p) the pmap's lock */

static inline void
tlb_batch_init(struct tlb_batch *b, struct pmap *pmap)
{
	b->pmap = pmap;
	b->start = UINTPTR_MAX;
	b->end = 0;
	list_init(&b->tables);
	b->unmapped = NULL;
}

/* tlb_batch_unmapped: the entry of va, behind those that were noted before and in the same table, keeps
 * its frame. */
static inline void
tlb_batch_unmapped(struct tlb_batch *b, pte_t *pte, vm_offset_t va)
{
	if (b->unmapped == NULL) {
		b->unmapped = pte;
		b->unmapped_va = va;
	}
	b->unmapped_end = pte + 1;
}

/* tlb_batch_add: the page at va lost rights. */
static inline void
tlb_batch_add(struct tlb_batch *b, vm_offset_t va)
{
	if (va < b->start)
		b->start = va;
	if (va + PAGE_SIZE > b->end)
		b->end = va + PAGE_SIZE;
}

/* tlb_batch_add_table: the table page m, which leads to va, is being unlinked, and is to be freed.  The
 * pmap's lock is held. */
void tlb_batch_add_table(struct tlb_batch *b, vm_offset_t va, struct vm_page *m);

/* tlb_batch_finish: flush everywhere, then mend the reverse map and free the tables.  The batch is
 * used up.  The lock of the table whose entries changed is held, or, of a batch of nothing but tables, any
 * spinlock or spin_enter(); the pmap's lock is not held if there are tables. */
void tlb_batch_finish(struct tlb_batch *b);

/* tlb_unflushed: does a batch with a number up to `last` that has tables, and is not finished, cover an
 * address in [start, end)?  The pmap's lock is held. */
bool tlb_unflushed(const struct pmap *pmap, vm_offset_t start, vm_offset_t end, uint64_t last);

/* tlb_load: make the pmap's tables the ones in use on this processor.  Interrupts off, and this
 * processor's bit in pmap->active is set already. */
void tlb_load(struct pmap *pmap);

/* tlb_enable_pcids: tag cached translations by address space where the processor can. */
void tlb_enable_pcids(void);

/* tlb_flush_all: forget everything on this processor, global entries too.
 * tlb_flush_range: forget [start, end) of the loaded pmap, or of kernel_pmap. */
void tlb_flush_all(void);
void tlb_flush_range(const struct pmap *pmap, vm_offset_t start, vm_offset_t end);

#endif
