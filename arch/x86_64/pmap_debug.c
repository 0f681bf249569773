/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looking at page tables: the auditor of debug builds, and a walk printed for panic reports.
 *
 * The auditor counts for itself what the pmap says of itself: in every table the entries in use,
 * in all of them the pages, the wired pages and the tables; and it asks the reverse map for each
 * managed page.  In the kernel's half it looks for pages that should not be there.
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

/* What the auditor counts. */
struct audit {
	struct pmap *pmap;
	uint64_t resident, wired, tables;
	bool recent_seen; /* the table that the pmap remembers is one of its tables */
};

static void
audit_page(struct audit *a, vm_offset_t va, pte_t entry)
{
	unsigned n;

	VERIFY((entry & ~(PTE_FRAME | PTE_NO_EXECUTE | PAGE_MASK)) == 0 &&
		   (entry & a->pmap->leaf_bits) == a->pmap->leaf_bits,
	       "va %#lx: entry %#lx", va, entry);
	VERIFY((entry & PTE_DEVICE) == 0
		   ? vm_phys_has_ram(entry & PTE_FRAME, (entry & PTE_FRAME) + 1) &&
			 pte_cache(entry) == PMAP_CACHED
		   : (entry & PTE_MANAGED) == 0 && pte_cache(entry) != PMAP_CACHED &&
			 !vm_phys_has_ram(entry & PTE_FRAME, (entry & PTE_FRAME) + 1),
	       "va %#lx: entry %#lx: RAM and devices are mixed up", va, entry);
	a->resident++;
	a->wired += (entry & PTE_WIRED) != 0;
	if ((entry & PTE_MANAGED) == 0)
		return;
	n = pv_count(pte_page(entry), a->pmap, va);
	VERIFY(n == 1, "va %#lx: page %#lx has the mapping %u times", va, entry & PTE_FRAME, n);
}

/* audit_table: a table of `level` whose first entry leads to va; `held`: what its wire_count has
 * beyond the entries. */
static void
audit_table(struct audit *a, const pte_t *table, int level, vm_offset_t va, unsigned held)
{
	unsigned used = 0;

	a->tables++;
	if (level == 1 && a->pmap->recent == pmap_recent(va)) {
		VERIFY(a->pmap->recent_table == table, "table %p, to va %#lx, is remembered as %p",
		       (const void *)table, va, (void *)a->pmap->recent_table);
		a->recent_seen = true;
	}
	for (unsigned i = 0; i < PT_ENTRIES; i++, va += pt_span(level)) {
		if (level == PT_LEVELS && i == PT_KERNEL)
			break;
		if (table[i] == 0)
			continue;
		used++;
		VERIFY((table[i] & PTE_PRESENT) != 0, "va %#lx: level %d entry %#lx", va, level,
		       table[i]);
		if (level == 1)
			audit_page(a, va, table[i]);
		else
			audit_table(a, pte_table(table[i]), level - 1, va, 0);
	}
	VERIFY(pt_page(table)->wire_count == used + held,
	       "level %d table at %#lx, to va %#lx: wire_count %u, entries in use %u", level,
	       direct_map_phys(table), va, pt_page(table)->wire_count, used);
	VERIFY(used + held > 0 || level == PT_LEVELS, "empty level %d table, to va %#lx", level,
	       va);
}

/* audit_kernel_half: no page below this table is writable and executable, or a user's. */
static void
audit_kernel_half(const pte_t *table, int level)
{
	for (unsigned i = level == PT_LEVELS ? PT_KERNEL : 0; i < PT_ENTRIES; i++) {
		if (table[i] == 0)
			continue;
		VERIFY((table[i] & PTE_USER) == 0, "level %d entry %#lx: a user's", level,
		       table[i]);
		if (!pte_is_leaf(table[i], level))
			audit_kernel_half(pte_table(table[i]), level - 1);
		else
			VERIFY((table[i] & PTE_WRITE) == 0 || (table[i] & PTE_NO_EXECUTE) != 0,
			       "level %d entry %#lx: writable and executable", level, table[i]);
	}
}

void
pmap_audit(struct pmap *pmap)
{
	struct audit a = {.pmap = pmap};

	spinlock_lock(&pmap->lock);
	if (pmap == kernel_pmap) {
		unsigned slot = pt_index(VM_MIN_KERNEL_ADDRESS, PT_LEVELS);

		audit_kernel_half(pmap->root, PT_LEVELS);
		audit_table(&a, pte_table(pmap->root[slot]), PT_LEVELS - 1, VM_MIN_KERNEL_ADDRESS,
			    1);
		a.tables = pmap->tables; /* those of the fixed parts are not counted here */
	} else {
		audit_table(&a, pmap->root, PT_LEVELS, 0, 0);
	}
	VERIFY(a.resident == pmap->resident && a.wired == pmap->wired && a.tables == pmap->tables,
	       "counted resident %lu wired %lu tables %lu, noted %lu %lu %lu", a.resident, a.wired,
	       a.tables, pmap->resident, pmap->wired, pmap->tables);
	VERIFY(a.recent_seen || pmap->recent == PMAP_NONE, "a table to va %#lx is remembered",
	       pmap->recent * pt_span(2));
	spinlock_unlock(&pmap->lock);
}

#endif
