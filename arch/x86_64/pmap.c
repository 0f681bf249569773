/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page tables: the x86-64 implementation of vm/pmap.h.
 *
 * A pmap is one tree of tables as pte.h draws it, reached through the direct map, so no table has
 * to be mapped before it can be read.  The upper half of every root is a copy of the kernel's,
 * made once: the kernel's level-4 entries all exist since boot and never change, so no address
 * space ever has to be told of a new one.
 *
 *	pmap.c			life of a pmap; one mapping: enter, change, look up
 *	pmap_range.c		many mappings: remove, protect, unwire, drop, next
 *	pmap_table.c		table pages: found and made on the way down, freed on the way up
 *	pmap_pv.c		from a page to its mappings
 *	pmap_tlb.c		what processors have cached, and how they forget it
 *	pmap_bootstrap.c	the kernel's own tables, devices
 *	pmap_debug.c		the auditor, and a walk for the eye
 *
 * Invariants, whenever no lock is held:
 *	a table page's wire_count is the number of its entries in use, and is not 0 (the root may
 *	be empty, a table of level 1 whose maker is on his way to it, too, and kernel_pmap's level-3
 *	table of the kernel_map slot has one more: it stays);
 *	PTE_MANAGED is set in an entry if and only if the page's reverse map has the mapping.
 *
 * Order of a change that takes rights away: entry, flush on every processor, then frames and
 * tables are freed, then the table's lock is released.  Rights that only grow need no flush: a
 * processor that still knows the old entry takes a fault, walks again and goes on.
 *
 * Locks: each level-1 table's own guards its entries, pmap->lock the tables above; in this order, never
 * two tables'.  Between them comes the reverse map, below them zones and vm_phys.
 */
#include "kernel/base/compiler.h"
#include "arch/x86_64/pmap_private.h"
#include "arch/x86_64/pmap_pv.h"
#include "kernel/base/panic.h"
#include "vm/vm_zone.h"
#include <machine/cpu.h>
#include <machine/percpu.h>
#include <machine/pmap.h>
#include <machine/shootdown.h>

static struct vm_zone pmap_zone;
static uint64_t pmap_last_id; /* (a) */

/* What each combination of rights looks like; x86 can always read what it can write or execute. */
static const pte_t prot_bits[VM_PROT_ALL + 1] = {
    [VM_PROT_READ] = PTE_NO_EXECUTE,
    [VM_PROT_WRITE] = PTE_NO_EXECUTE | PTE_WRITE,
    [VM_PROT_RW] = PTE_NO_EXECUTE | PTE_WRITE,
    [VM_PROT_EXECUTE] = 0,
    [VM_PROT_READ | VM_PROT_EXECUTE] = 0,
    [VM_PROT_WRITE | VM_PROT_EXECUTE] = PTE_WRITE,
    [VM_PROT_ALL] = PTE_WRITE,
};

/*
 * pmap_init: what needs memory.  The level-3 table of the kernel_map slot gets the hold that keeps
 * it: it is older than its vm_page.
 */
void
pmap_init(void)
{
	struct vm_page *m = pte_page(kernel_pmap->root[pt_index(VM_MIN_KERNEL_ADDRESS, 4)]);

	m->wire_count = 1;
	vm_zone_init(&pmap_zone, "pmap", sizeof(struct pmap), &vm_zone_direct);
	pv_init();
}

struct pmap *
pmap_create(void)
{
	struct pmap *pmap;
	struct vm_page *root;

	pmap = vm_zone_alloc(&pmap_zone, VM_ZONE_ZERO | VM_ZONE_NOWAIT);
	if (pmap == NULL)
		return NULL;
	root = vm_page_alloc_noobj(VM_ALLOC_ZERO);
	if (root == NULL) {
		vm_zone_free(&pmap_zone, pmap);
		return NULL;
	}
	root->wire_count = 0;
	spinlock_init(&pmap->lock, "pmap", LOCK_RANK_PMAP);
	pmap->root = pmap_page_address(root);
	for (unsigned i = PT_KERNEL; i < PT_ENTRIES; i++)
		pmap->root[i] = kernel_pmap->root[i];
	pmap->leaf_bits = PTE_PRESENT | PTE_USER;
	pmap->id = __atomic_add_fetch(&pmap_last_id, 1, __ATOMIC_RELAXED);
	pmap->tables = 1;
	return pmap;
}

void
pmap_destroy(struct pmap *pmap)
{
	spin_enter();
	if (curcpu()->loaded_pmap == pmap)
		pmap_activate(kernel_pmap);
	spin_exit();
	VERIFY(pmap != kernel_pmap, "kernel_pmap is for ever");
	shootdown_leave(pmap);
	VERIFY(__atomic_load_n(&pmap->active, __ATOMIC_SEQ_CST) == 0,
	       "pmap %p is loaded on processors %#x", (void *)pmap, pmap->active);
	pmap_remove(pmap, 0, VM_MAX_USER_ADDRESS);
	/* Who came from the reverse map and said last that a table is flushed may still have the lock. */
	spinlock_lock(&pmap->lock);
	VERIFY(pmap->tables == 1 && pmap->unflushed == NULL, "%lu tables left, unflushed %p",
	       pmap->tables, (void *)pmap->unflushed);
	spinlock_unlock(&pmap->lock);
	vm_page_free_noobj(pt_page(pmap->root));
	vm_zone_free(&pmap_zone, pmap);
}

/*
 * pmap_activate: see vm/pmap.h.  The bit in `active` is set before the tables are loaded and
 * cleared after others are: who takes rights away never misses a processor that may use them.
 */
void
pmap_activate(struct pmap *pmap)
{
	struct percpu *cpu = curcpu();
	struct pmap *old = cpu->loaded_pmap;
	uint32_t bit = 1u << cpu->id;

	ASSERT(!cpu_irqs_on(), "interrupts are on, pmap %p", (void *)pmap);
	if (pmap == old)
		return;
	__atomic_fetch_or(&pmap->active, bit, __ATOMIC_SEQ_CST);
	tlb_load(pmap);
	cpu->loaded_pmap = pmap;
	__atomic_fetch_and(&old->active, ~bit, __ATOMIC_SEQ_CST);
}

/* The bits that the flags of pmap_enter() stand for. */
#define ENTER_FLAGS (PMAP_ENTER_WIRED | PMAP_ENTER_WRITE)
static const pte_t flag_bits[ENTER_FLAGS + 1] = {
    [PMAP_ENTER_WIRED] = PTE_WIRED,
    [PMAP_ENTER_WRITE] = PTE_ACCESSED | PTE_DIRTY,
    [ENTER_FLAGS] = PTE_WIRED | PTE_ACCESSED | PTE_DIRTY,
};

/* leaf_entry: the level-1 entry that maps m so. */
static inline pte_t
leaf_entry(const struct pmap *pmap, const struct vm_page *m, vm_prot_t prot, int flags)
{
	pte_t entry = vm_page_to_phys(m) | pmap->leaf_bits;

	entry |= prot_bits[prot & VM_PROT_ALL] | flag_bits[flags & ENTER_FLAGS];
	if ((m->flags & VM_PAGE_UNMANAGED) == 0)
		entry |= PTE_MANAGED;
	return entry;
}

/*
 * mapping_add: fill the empty entry pte of table t, which va leads to, with `entry`, which maps m.
 * KERN_RESOURCE_SHORTAGE without memory for the reverse map: nothing is mapped.
 */
static inline kern_return_t
mapping_add(struct pmap *pmap, struct vm_page *t, vm_offset_t va, pte_t *pte, struct vm_page *m,
	    pte_t entry)
{
	if ((entry & PTE_MANAGED) != 0 && !pv_insert(m, pmap, va))
		return KERN_RESOURCE_SHORTAGE;
	__atomic_store_n(pte, entry, __ATOMIC_RELEASE);
	t->wire_count++;
	if ((entry & PTE_WIRED) != 0)
		t->pindex++;
	return KERN_SUCCESS;
}

/* count_wired: an entry of t that was `old` is `now`. */
static inline void
count_wired(struct vm_page *t, pte_t old, pte_t now)
{
	if (((old ^ now) & PTE_WIRED) != 0)
		t->pindex += (now & PTE_WIRED) != 0 ? 1 : -1ul;
}

/*
 * mapping_change: the page at va stays, its rights and wiring become those of `entry`.  Accessed
 * and dirty bits stay as well.
 */
static void
mapping_change(struct pmap *pmap, struct vm_page *t, vm_offset_t va, pte_t *pte, pte_t entry)
{
	const pte_t bits = PTE_ACCESSED | PTE_DIRTY;
	pte_t old = pte_read(pte);
	struct tlb_batch batch;

	ASSERT(((old ^ entry) & (PTE_MANAGED | PTE_DEVICE | PTE_CACHE_BITS)) == 0,
	       "va %#lx changes from %#lx to %#lx", va, old, entry);
	while (!__atomic_compare_exchange_n(pte, &old, entry | (old & bits), true, __ATOMIC_SEQ_CST,
					    __ATOMIC_RELAXED))
		;
	count_wired(t, old, entry);
	if ((old & ~entry & PTE_WRITE) == 0 && (entry & ~old & PTE_NO_EXECUTE) == 0)
		return;
	tlb_batch_init(&batch, pmap);
	tlb_batch_add(&batch, va);
	tlb_batch_finish(&batch);
}

/* save_bits: move the accessed and dirty bits of an entry that is gone to its page.  Mostly the page
 * knows already, and then its cache line is only read. */
static void
save_bits(pte_t old)
{
	struct vm_page *m = pte_page(old);
	uint8_t aflags = 0;

	if ((old & PTE_DIRTY) != 0)
		aflags |= VM_PAGE_DIRTY;
	if ((old & PTE_ACCESSED) != 0)
		aflags |= VM_PAGE_REFERENCED;
	if ((aflags & ~__atomic_load_n(&m->aflags, __ATOMIC_RELAXED)) != 0)
		__atomic_fetch_or(&m->aflags, aflags, __ATOMIC_RELAXED);
}

/*
 * mapping_replace: va, which is mapped to another page, shows m from now on.  The new entry is
 * written over the old one in one step, so no processor ever sees a hole.
 * KERN_RESOURCE_SHORTAGE without memory for the reverse map: va is unmapped.
 */
static kern_return_t
mapping_replace(struct pmap *pmap, struct vm_page *t, vm_offset_t va, pte_t *pte, struct vm_page *m,
		pte_t entry)
{
	struct tlb_batch batch;
	pte_t old;

	tlb_batch_init(&batch, pmap);
	if ((entry & PTE_MANAGED) != 0 && !pv_insert(m, pmap, va)) {
		pmap_unmap_pte(pmap, t, va, pte, &batch);
		tlb_batch_finish(&batch);
		return KERN_RESOURCE_SHORTAGE;
	}
	old = __atomic_exchange_n(pte, entry, __ATOMIC_SEQ_CST);
	count_wired(t, old, entry);
	if ((old & PTE_MANAGED) != 0)
		save_bits(old);
	tlb_batch_add(&batch, va);
	tlb_batch_finish(&batch);
	/* The lock is still ours, so nobody has found the old mapping without its entry. */
	if ((old & PTE_MANAGED) != 0)
		pv_remove(pte_page(old), pmap, va);
	return KERN_SUCCESS;
}

/* enter_mapped: pmap_enter() where something is mapped at va. */
static SLOWPATH kern_return_t
enter_mapped(struct pmap *pmap, struct vm_page *t, vm_offset_t va, pte_t *pte, struct vm_page *m,
	     pte_t entry)
{
	if (((pte_read(pte) ^ entry) & PTE_FRAME) != 0)
		return mapping_replace(pmap, t, va, pte, m, entry);
	mapping_change(pmap, t, va, pte, entry);
	return KERN_SUCCESS;
}

/* enter_failed: nothing could be mapped; t, locked, may have been made for it. */
static SLOWPATH void
enter_failed(struct pmap *pmap, struct vm_page *t, vm_offset_t va)
{
	struct tlb_batch batch;

	tlb_batch_init(&batch, pmap);
	if (pt_leads_to(t, pmap, va) && t->wire_count == 0)
		pmap_table_unlink(pmap, t, va, &batch);
	tlb_batch_finish(&batch);
}

/* enter_check: what no caller may ask for. */
static inline void
enter_check(const struct pmap *pmap, vm_offset_t va, vm_prot_t prot, int flags)
{
	ASSERT(page_aligned(va) && pmap_contains(pmap, va, va + PAGE_SIZE), "va %#lx", va);
	ASSERT((prot & VM_PROT_ALL) != VM_PROT_NONE, "va %#lx without any right", va);
	ASSERT((flags & PMAP_ENTER_WRITE) == 0 || (prot & VM_PROT_WRITE) != 0,
	       "va %#lx prot %#x: a store to what is not writable", va, prot);
	ASSERT(pmap != kernel_pmap || (~prot & (VM_PROT_WRITE | VM_PROT_EXECUTE)) != 0,
	       "va %#lx would be writable and executable in the kernel", va);
	(void)pmap, (void)va, (void)prot, (void)flags;
}

/* enter: map va by `entry`, which maps m. */
static inline __attribute__((always_inline)) kern_return_t
enter(struct pmap *pmap, vm_offset_t va, struct vm_page *m, pte_t entry)
{
	struct vm_page *t;
	kern_return_t kr;
	pte_t *pte;

	if (__builtin_expect(!pmap_table_recent(pmap, va, &t), 0)) {
		t = pmap_table_create(pmap, va);
		if (t == NULL)
			return KERN_RESOURCE_SHORTAGE;
	}
	pte = pt_entry(t, va);
	if (__builtin_expect(pte_read(pte) == 0, 1))
		kr = mapping_add(pmap, t, va, pte, m, entry);
	else
		kr = enter_mapped(pmap, t, va, pte, m, entry);
	if (__builtin_expect(kr != KERN_SUCCESS, 0))
		enter_failed(pmap, t, va);
	pmap_table_unlock(t);
	return kr;
}

kern_return_t
pmap_enter(struct pmap *pmap, vm_offset_t va, struct vm_page *m, vm_prot_t prot, int flags)
{
	enter_check(pmap, va, prot, flags);
	ASSERT(m->object == NULL || (m->flags & VM_PAGE_VALID) != 0, "va %#lx: page %p not valid",
	       va, (const void *)m);
	return enter(pmap, va, m, leaf_entry(pmap, m, prot, flags));
}

kern_return_t
pmap_enter_device(struct pmap *pmap, vm_offset_t va, vm_paddr_t pa, enum pmap_cache cache,
		  vm_prot_t prot, int flags)
{
	pte_t entry = pa | pmap->leaf_bits | PTE_DEVICE | pte_of_cache(cache);

	enter_check(pmap, va, prot, flags);
	ASSERT(page_aligned(pa) && (pa & ~PTE_FRAME) == 0, "va %#lx to %#lx", va, pa);
	entry |= prot_bits[prot & VM_PROT_ALL] | flag_bits[flags & ENTER_FLAGS];
	/* The page is none, but without PTE_MANAGED nobody looks at it. */
	return enter(pmap, va, pte_page(entry), entry);
}

pte_t
pmap_clear_pte(struct pmap *pmap, struct vm_page *t, vm_offset_t va, pte_t *pte, pte_t keep,
	       struct tlb_batch *batch)
{
	pte_t old = __atomic_exchange_n(pte, pte_read(pte) & keep, __ATOMIC_SEQ_CST);

	ASSERT((old & PTE_PRESENT) != 0, "va %#lx is not mapped: %#lx", va, old);
	count_wired(t, old, 0);
	tlb_batch_add(batch, va);
	if ((old & PTE_MANAGED) != 0)
		save_bits(old);
	if (--t->wire_count == 0)
		pmap_table_unlink(pmap, t, va, batch);
	return old;
}

bool
pmap_query(struct pmap *pmap, vm_offset_t va, struct pmap_mapping *out)
{
	int level;
	pte_t entry;

	spinlock_lock(&pmap->lock);
	entry = pmap_find_leaf(pmap, va, &level);
	spinlock_unlock(&pmap->lock);
	if (entry == 0)
		return false;
	out->page =
	    (entry & PTE_DEVICE) != 0 ? NULL : pte_page(entry) + atop(va & (pt_span(level) - 1));
	out->prot = pte_prot(entry);
	out->cache = pte_cache(entry);
	out->wired = (entry & PTE_WIRED) != 0;
	out->accessed = (entry & PTE_ACCESSED) != 0;
	out->dirty = (entry & PTE_DIRTY) != 0;
	return true;
}

bool
pmap_extract(struct pmap *pmap, vm_offset_t va, vm_paddr_t *pa)
{
	int level;
	pte_t entry;

	spinlock_lock(&pmap->lock);
	entry = pmap_find_leaf(pmap, va, &level);
	spinlock_unlock(&pmap->lock);
	if (entry == 0)
		return false;
	*pa = (entry & PTE_FRAME) + (va & (pt_span(level) - 1));
	return true;
}

void *
pmap_phys_address(vm_paddr_t pa)
{
	return direct_map(pa);
}

void *
pmap_page_address(const struct vm_page *m)
{
	return direct_map(vm_page_to_phys(m));
}

void
pmap_zero_page(struct vm_page *m)
{
	void *to = pmap_page_address(m);
	size_t words = PAGE_SIZE / sizeof(uint64_t);

	__asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(0ul) : "memory");
}

void
pmap_copy_page(const struct vm_page *src, struct vm_page *dst)
{
	const void *from = pmap_page_address(src);
	void *to = pmap_page_address(dst);
	size_t words = PAGE_SIZE / sizeof(uint64_t);

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

uint64_t
pmap_table_count(struct pmap *pmap)
{
	return __atomic_load_n(&pmap->tables, __ATOMIC_RELAXED);
}
