/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What processors remember of page tables, and how they are made to forget it.
 *
 * A processor caches translations and upper-level entries and does not notice when a table in
 * memory changes.  So whoever takes a right away, here or on another processor, flushes before the
 * frame is used for anything else.  Few pages are flushed one by one; for many it is cheaper to
 * forget all: by loading CR3 again, or, as that spares global (kernel) pages, by turning CR4.PGE
 * off and on.
 *
 * Who changes an entry looks at pmap->active then; who loads a pmap sets its bit there first.  Both do it
 * by locked operations, so one of them sees the other: a plain store to an entry may still wait in the
 * processor when `active` is read, and the other one would walk through the old entry, unasked.
 *
 * A user pmap needs a flush only where it is loaded: loading another CR3 forgets it anyhow.  Not
 * so with process-context identifiers (PCIDs), where translations are tagged and outlive the
 * switch.  Each processor has PCID_SLOTS tags, and a pmap may use only the one its id selects; the
 * processor knows the id of the last pmap that did.  If it is still this one and nobody took
 * rights from the pmap meanwhile (its bit in pmap->stale), the load keeps what is cached.
 *
 *	tag 0: kernel_pmap	tag 1 + id % PCID_SLOTS: a user pmap
 */
#include "arch/x86_64/pmap_private.h"
#include "arch/x86_64/pmap_pv.h"
#include "kernel/base/compiler.h"
#include "kernel/base/panic.h"
#include <machine/cpu.h>
#include <machine/features.h>
#include <machine/registers.h>
#include <machine/shootdown.h>

/* In a value for CR3: keep what is cached for the tag being loaded. */
#define CR3_NO_FLUSH (1ul << 63)

/* Up to so many pages are flushed one by one. */
#define TLB_FLUSH_PAGES 32

#define PCID_SLOTS 32

static bool pcids_on; /* (c) since the boot processor's set-up */
static uint64_t pcid_owner[MACHINE_MAX_CPUS][PCID_SLOTS]; /* (p) pmap ids */

void
tlb_enable_pcids(void)
{
	if (!cpu_features.pcid)
		return;
	cr4_write(cr4_read() | CR4_PCIDE);
	pcids_on = true;
}

/*
 * pcid_select: what to load into CR3 besides the root: the pmap's tag, and whether to keep what is
 * cached for it.  Who takes rights away first marks the pmap stale and then looks at who has it
 * loaded; we set our bit in `active` first and then look at the mark.  So one of us sees the other.
 */
static uint64_t
pcid_select(struct pmap *pmap)
{
	uint32_t bit = 1u << cpu_id();
	uint64_t slot = pmap->id % PCID_SLOTS;
	uint64_t *owner = &pcid_owner[cpu_id()][slot];
	bool keep;

	if (pmap == kernel_pmap)
		return 0;
	keep = (__atomic_fetch_and(&pmap->stale, ~bit, __ATOMIC_SEQ_CST) & bit) == 0 &&
	       *owner == pmap->id;
	*owner = pmap->id;
	return (slot + 1) | (keep ? CR3_NO_FLUSH : 0);
}

void
tlb_load(struct pmap *pmap)
{
	cr3_write(direct_map_phys(pmap->root) | (pcids_on ? pcid_select(pmap) : 0));
}

void
tlb_flush_all(void)
{
	uint64_t cr4 = cr4_read();

	cr4_write(cr4 ^ CR4_PGE);
	cr4_write(cr4);
}

void
tlb_flush_range(const struct pmap *pmap, vm_offset_t start, vm_offset_t end)
{
	if (atop(end - start) <= TLB_FLUSH_PAGES) {
		for (vm_offset_t va = start; va < end; va += PAGE_SIZE)
			invlpg(va);
	} else if (pmap == kernel_pmap) {
		tlb_flush_all();
	} else {
		cr3_write(cr3_read());
	}
}

/* pmap_invalidate_range: [start, end) lost rights: no processor knows better on return. */
static void
pmap_invalidate_range(struct pmap *pmap, vm_offset_t start, vm_offset_t end)
{
	uint32_t self = 1u << cpu_id();
	bool loaded =
	    pmap == kernel_pmap || (__atomic_load_n(&pmap->active, __ATOMIC_RELAXED) & self) != 0;

	if (pcids_on && pmap != kernel_pmap)
		__atomic_fetch_or(&pmap->stale, loaded ? ~self : ~0u, __ATOMIC_SEQ_CST);
	if (loaded)
		tlb_flush_range(pmap, start, end);
	pmap_shootdown(pmap, start, end);
}

/* tlb_batch_add_table: flushing any address also forgets all upper-level entries, so the address the table
 * leads to is enough. */
void
tlb_batch_add_table(struct tlb_batch *b, vm_offset_t va, struct vm_page *m)
{
	if (list_empty(&b->tables)) {
		b->number = ++b->pmap->batches;
		b->next = b->pmap->unflushed;
		__atomic_store_n(&b->pmap->unflushed, b, __ATOMIC_RELAXED);
	}
	tlb_batch_add(b, va);
	list_push_back(&b->tables, &m->link);
}

/* forget_mappings: the reverse map follows, now that no processor knows better. */
static __attribute__((noinline)) void
forget_mappings(struct tlb_batch *b)
{
	vm_offset_t va = b->unmapped_va;

	for (pte_t *pte = b->unmapped; pte < b->unmapped_end; pte++, va += PAGE_SIZE) {
		pte_t entry = pte_read(pte);

		if (entry == 0 || (entry & PTE_PRESENT) != 0)
			continue;
		pv_remove(pte_page(entry), b->pmap, va);
		__atomic_store_n(pte, 0, __ATOMIC_RELAXED);
	}
}

bool
tlb_unflushed(const struct pmap *pmap, vm_offset_t start, vm_offset_t end, uint64_t last)
{
	const struct tlb_batch *b = pmap->unflushed;

	if (start == end)
		return false;
	while (b != NULL && (b->number > last || b->end <= start || end <= b->start))
		b = b->next;
	return b != NULL;
}

/* tables_flushed: nobody has to wait any more for b, which has tables, and they can go. */
static SLOWPATH void
tables_flushed(struct tlb_batch *b)
{
	struct tlb_batch **link = &b->pmap->unflushed;
	struct list_link *l;

	spinlock_lock_nested(&b->pmap->lock);
	while (*link != b)
		link = &(*link)->next;
	__atomic_store_n(link, b->next, __ATOMIC_RELEASE);
	spinlock_unlock_nested(&b->pmap->lock);
	while ((l = list_pop_front(&b->tables)) != NULL)
		vm_page_free_zeroed(container_of(l, struct vm_page, link));
}

void
tlb_batch_finish(struct tlb_batch *b)
{
	ASSERT(curcpu()->spin_depth > 0, "pmap %p: a batch without a lock", (void *)b->pmap);
	/* With PCIDs a flush by address reaches the upper-level entries of the current tag only, but
	 * every address space leads to a kernel table. */
	if (__builtin_expect(!list_empty(&b->tables), 0) && pcids_on && b->pmap == kernel_pmap)
		pmap_invalidate_range(b->pmap, VM_MIN_KERNEL_ADDRESS, VM_MAX_KERNEL_ADDRESS);
	else if (b->start < b->end)
		pmap_invalidate_range(b->pmap, b->start, b->end);
	if (b->unmapped != NULL)
		forget_mappings(b);
	if (!list_empty(&b->tables))
		tables_flushed(b);
}
