/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Table pages: made on the way down to an entry, freed on the way up from one.
 *
 * A table page is a frame in no object; its wire_count is the number of its entries in use.  The
 * entry that becomes 0 last takes the table with it, and so on upwards: an address space that maps
 * nothing has its root and no other table.
 *
 * An unlinked table is freed only after the flush (the batch keeps it): until then a processor may
 * walk through it from upper-level entries that it has cached.
 */
#include "arch/x86_64/pmap_private.h"
#include "kernel/base/compiler.h"
#include "kernel/base/panic.h"

/* table_add: hang a new, empty table into `entry`; false without memory. */
static bool
table_add(struct pmap *pmap, pte_t *entry)
{
	struct vm_page *m = vm_page_alloc_noobj(VM_ALLOC_ZERO);

	if (m == NULL)
		return false;
	m->wire_count = 0;
	__atomic_store_n(
	    entry, vm_page_to_phys(m) | PTE_PRESENT | PTE_WRITE | (pmap->leaf_bits & PTE_USER),
	    __ATOMIC_RELEASE);
	pt_page(entry)->wire_count++;
	COUNT_ADD(pmap->tables, 1);
	return true;
}

pte_t *
pmap_pte_create(struct pmap *pmap, vm_offset_t va)
{
	pte_t *table = pmap->root;

	for (int level = PT_LEVELS; level > 1; level--) {
		pte_t *entry = &table[pt_index(va, level)];

		if ((pte_read(entry) & PTE_PRESENT) == 0) {
			VERIFY(pmap != kernel_pmap || level < PT_LEVELS,
			       "kernel address %#lx lies in a slot that boot did not make", va);
			if (!table_add(pmap, entry))
				return NULL;
		}
		table = pte_table(pte_read(entry));
	}
	return &table[pt_index(va, 1)];
}

void
pmap_unlink_empty(struct pmap *pmap, vm_offset_t va, struct tlb_batch *batch)
{
	pte_t *entry[PT_LEVELS + 1]; /* [level]: leads to va */
	pte_t *table = pmap->root;
	int level;

	for (level = PT_LEVELS; level > 1; level--) {
		entry[level] = &table[pt_index(va, level)];
		if ((pte_read(entry[level]) & PTE_PRESENT) == 0)
			break;
		table = pte_table(pte_read(entry[level]));
	}
	while (++level <= PT_LEVELS) {
		struct vm_page *m = pte_page(pte_read(entry[level]));

		if (m->wire_count != 0)
			return;
		/* Locked, as `active` is looked at next (pmap_tlb.c). */
		__atomic_exchange_n(entry[level], 0, __ATOMIC_SEQ_CST);
		if (pmap->recent == pmap_recent(va))
			pmap->recent = PMAP_NONE;
		pt_page(entry[level])->wire_count--;
		COUNT_ADD(pmap->tables, -1);
		tlb_batch_add_table(batch, va, m);
	}
}

void
pmap_trim(struct pmap *pmap, vm_offset_t va)
{
	struct tlb_batch batch;

	tlb_batch_init(&batch, pmap);
	pmap_unlink_empty(pmap, va, &batch);
	tlb_batch_finish(&batch);
}

pte_t
pmap_find_leaf(const struct pmap *pmap, vm_offset_t va, int *level)
{
	const pte_t *table = pmap->root;

	for (*level = PT_LEVELS;; --*level) {
		pte_t entry = pte_read(&table[pt_index(va, *level)]);

		if ((entry & PTE_PRESENT) == 0)
			return 0;
		if (pte_is_leaf(entry, *level))
			return entry;
		table = pte_table(entry);
	}
}
