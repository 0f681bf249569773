/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looking at page tables: the auditor of debug builds, and a walk printed for panic reports.
 *
 * The auditor counts for itself what the pmap says of itself: in every table the entries in use and
 * those wired, and the tables; and it asks the reverse map for each managed page.  In the kernel's half it
 * looks for pages that should not be there.
 */
#include "arch/x86_64/pmap_private.h"
#include "arch/x86_64/pmap_pv.h"
#include "kernel/base/panic.h"
#include "kernel/base/print.h"
#include "vm/vm_phys.h"
#include <machine/pmap.h>

/* entry_describe: the bits of an entry as letters, "-" where one is missing. */
static const char *
entry_describe(pte_t entry, char *buf)
{
	static const struct {
		pte_t bit;
		char letter;
	} letters[] = {
	    {PTE_USER, 'u'},	      {PTE_PRESENT, 'r'},  {PTE_WRITE, 'w'},
	    {PTE_NO_EXECUTE, 'n'},    {PTE_ACCESSED, 'a'}, {PTE_DIRTY, 'd'},
	    {PTE_LARGE, 'L'},	      {PTE_GLOBAL, 'g'},   {PTE_WRITE_THROUGH, 't'},
	    {PTE_CACHE_DISABLE, 'c'}, {PTE_WIRED, 'W'},	   {PTE_MANAGED, 'M'},
	    {PTE_DEVICE, 'D'},
	};
	size_t i;

	for (i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		buf[i] = (entry & letters[i].bit) != 0 ? letters[i].letter : '-';
	buf[i] = '\0';
	return buf;
}

void
pmap_walk_print(const struct pmap *pmap, vm_offset_t va)
{
	const pte_t *table = pmap->root;
	char bits[16];

	kprintf("page tables of %#lx in pmap %p (id %lu, active %#x)\n", va, (const void *)pmap,
		pmap->id, pmap->active);
	for (int level = PT_LEVELS; level > 0; level--) {
		pte_t entry = pte_read(&table[pt_index(va, level)]);
		vm_paddr_t frame = entry & PTE_FRAME;

		kprintf("  level %d [%3u] %016lx %s", level, pt_index(va, level), entry,
			entry_describe(entry, bits));
		if ((entry & PTE_PRESENT) == 0) {
			kprintf(" nothing here\n");
			return;
		}
		if (pte_is_leaf(entry, level)) {
			kprintf(" maps %#lx\n",
				(frame & ~(pt_span(level) - 1)) + (va & (pt_span(level) - 1)));
			return;
		}
		kprintf(" table %#lx\n", frame);
		if (vm_page_max_pfn != 0 && atop(frame) >= vm_page_max_pfn) {
			kprintf("  which is beyond the end of memory: a damaged entry\n");
			return;
		}
		table = pte_table(entry);
	}
}

#ifdef CONFIG_DEBUG

static void
audit_page(struct pmap *pmap, vm_offset_t va, pte_t entry)
{
	unsigned n;

	VERIFY((entry & PTE_PRESENT) != 0 &&
		   (entry & ~(PTE_FRAME | PTE_NO_EXECUTE | PAGE_MASK)) == 0 &&
		   (entry & pmap->leaf_bits) == pmap->leaf_bits,
	       "va %#lx: entry %#lx", va, entry);
	VERIFY((entry & PTE_DEVICE) == 0
		   ? vm_phys_has_ram(entry & PTE_FRAME, (entry & PTE_FRAME) + 1) &&
			 pte_cache(entry) == PMAP_CACHED
		   : (entry & PTE_MANAGED) == 0 && pte_cache(entry) != PMAP_CACHED &&
			 !vm_phys_has_ram(entry & PTE_FRAME, (entry & PTE_FRAME) + 1),
	       "va %#lx: entry %#lx: RAM and devices are mixed up", va, entry);
	if ((entry & PTE_MANAGED) == 0)
		return;
	n = pv_count(pte_page(entry), pmap, va);
	VERIFY(n == 1, "va %#lx: page %#lx has the mapping %u times", va, entry & PTE_FRAME, n);
}

/* awaited: is somebody on his way to a table, locked, that is empty?  Who made it has the pmap's lock from
 * then on until he is a visitor. */
static bool
awaited(struct pmap *pmap)
{
	uint32_t visitors;

	spinlock_lock_nested(&pmap->lock);
	visitors = __atomic_load_n(&pmap->visitors, __ATOMIC_RELAXED);
	spinlock_unlock_nested(&pmap->lock);
	return visitors > 0;
}

/* audit_pages: the level-1 table t, locked, whose first address is va. */
static void
audit_pages(struct pmap *pmap, const struct vm_page *t, vm_offset_t va)
{
	const pte_t *table = pt_entry(t, va);
	unsigned used = 0, wired = 0;

	VERIFY(pt_leads_to(t, pmap, va), "table at %#lx, before va %#lx: leads to %#lx in pmap %p",
	       vm_page_to_phys(t), va, t->pv_va, (void *)t->pv_pmap);
	for (unsigned i = 0; i < PT_ENTRIES; i++, va += PAGE_SIZE) {
		pte_t entry = pte_read(&table[i]);

		if (entry == 0)
			continue;
		used++;
		wired += (entry & PTE_WIRED) != 0;
		audit_page(pmap, va, entry);
	}
	VERIFY(t->wire_count == used && t->pindex == wired,
	       "table at %#lx, before va %#lx: noted %u entries, %lu wired; counted %u, %u",
	       vm_page_to_phys(t), va, t->wire_count, t->pindex, used, wired);
	VERIFY(used > 0 || awaited(pmap), "empty table at %#lx, before va %#lx", vm_page_to_phys(t),
	       va);
}

/* audit_upper: a table of level 2 or more whose first entry leads to va, and those below it down to level
 * 2; `held`: what its wire_count has beyond the entries.  Returns how many tables there are, those of
 * level 1 included.  The pmap's lock is held. */
static uint64_t
audit_upper(const pte_t *table, int level, vm_offset_t va, unsigned held)
{
	unsigned used = 0;
	uint64_t tables = 1;

	for (unsigned i = 0; i < PT_ENTRIES; i++, va += pt_span(level)) {
		pte_t entry = pte_read(&table[i]);

		if (level == PT_LEVELS && i == PT_KERNEL)
			break;
		if (entry == 0)
			continue;
		used++;
		VERIFY((entry & PTE_PRESENT) != 0, "va %#lx: level %d entry %#lx", va, level,
		       entry);
		if (level > 2)
			tables += audit_upper(pte_table(entry), level - 1, va, 0);
		else
			tables++; /* named, unless it is just being unlinked: audit_pages() */
	}
	VERIFY(pt_page(table)->wire_count == used + held,
	       "level %d table at %#lx, before va %#lx: wire_count %u, entries in use %u", level,
	       direct_map_phys(table), va, pt_page(table)->wire_count, used);
	VERIFY(used + held > 0 || level == PT_LEVELS, "empty level %d table, before va %#lx", level,
	       va);
	return tables;
}

/* audit_kernel_half: no page below this table is writable and executable, or a user's. */
static void
audit_kernel_half(const pte_t *table, int level)
{
	for (unsigned i = level == PT_LEVELS ? PT_KERNEL : 0; i < PT_ENTRIES; i++) {
		pte_t entry = pte_read(&table[i]);

		VERIFY((entry & PTE_USER) == 0, "level %d entry %#lx: a user's", level, entry);
		if ((entry & PTE_PRESENT) == 0)
			continue;
		if (!pte_is_leaf(entry, level))
			audit_kernel_half(pte_table(entry), level - 1);
		else
			VERIFY((entry & PTE_WRITE) == 0 || (entry & PTE_NO_EXECUTE) != 0,
			       "level %d entry %#lx: writable and executable", level, entry);
	}
}

/* audit_tables: what is above level 1. */
static void
audit_tables(struct pmap *pmap)
{
	uint64_t tables;

	spinlock_lock(&pmap->lock);
	if (pmap == kernel_pmap) {
		unsigned slot = pt_index(VM_MIN_KERNEL_ADDRESS, PT_LEVELS);

		/* The count has those of the fixed parts, too. */
		audit_kernel_half(pmap->root, PT_LEVELS);
		audit_upper(pte_table(pmap->root[slot]), PT_LEVELS - 1, VM_MIN_KERNEL_ADDRESS, 1);
	} else {
		tables = audit_upper(pmap->root, PT_LEVELS, 0, 0);
		VERIFY(tables == pmap->tables, "%lu tables, noted %lu", tables, pmap->tables);
	}
	spinlock_unlock(&pmap->lock);
}

void
pmap_audit(struct pmap *pmap)
{
	vm_offset_t va = pmap == kernel_pmap ? VM_MIN_KERNEL_ADDRESS : 0;
	vm_offset_t end = pmap == kernel_pmap ? VM_MAX_KERNEL_ADDRESS : VM_MAX_USER_ADDRESS;
	struct vm_page *t;

	audit_tables(pmap);
	while ((t = pmap_table_next(pmap, &va, end)) != NULL) {
		va &= ~(pt_span(2) - 1);
		audit_pages(pmap, t, va);
		va += pt_span(2);
		pmap_table_unlock(t);
	}
}

#endif
