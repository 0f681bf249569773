/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reverse map: from a page to the places where it is mapped.
 *
 *	vm_page                          pv_entry            pv_entry
 *	+---------------------+         +-----------+       +-----------+
 *	| pv_pmap, pv_va      |   +---> | pmap, va  |   +-> | pmap, va  |
 *	| pv_more ------------|---+     | next -----|---+   | next NULL |
 *	+---------------------+         +-----------+       +-----------+
 *
 * Most pages are mapped once: that pair is in the vm_page, and takes no allocation.  A page is
 * mapped somewhere if and only if pv_pmap is set; then there may be a chain.
 *
 * Locks: the pv lock of a page, one of a few that pages share by hash; only an unmapped page's first
 * mapping is made without (pv_insert() says why it may).  Its order is after the page table's lock, as
 * everything that starts from an address wants it: table, entry, page.  Who starts from a page needs the
 * two the other way round, and so only *tries* the table's lock; if that fails it lets go of the pv lock,
 * serves what other processors ask of it, and starts again.  He does as well if there is no such table any
 * more: who unmapped the page with the last entry of it is between that and pv_remove().  If he gets the lock
 * the entry is there.
 *
 * May the pmap be destroyed between our reading it from the page and our being done with it?  Not while we
 * hold the pv lock and the page still has the mapping: pmap_destroy() has yet to remove it, which needs our
 * pv lock.  When we have removed it ourselves and its table is still there, pmap_destroy() has yet to lock
 * that, and we have it; if the table went along, pmap_destroy() waits for our flush like everybody else.
 */
#include "arch/x86_64/pmap_private.h"
#include "arch/x86_64/pmap_pv.h"
#include "kernel/base/lockhold.h"
#include "kernel/base/panic.h"
#include "vm/vm_zone.h"
#include <machine/cpu.h>

/* One mapping of a page that has several. */
struct pv_entry {
	struct pv_entry *next; /* (v) */
	struct pmap *pmap;     /* (v) */
	vm_offset_t va;	       /* (v) */
};			       /* (v) pv lock of the page */

struct page_lock pv_locks[PAGE_LOCKS] = PAGE_LOCKS_INITIALIZER("pv", LOCK_RANK_PV);

static struct vm_zone pv_zone;

void
pv_init(void)
{
	vm_zone_init(&pv_zone, "pv entry", sizeof(struct pv_entry), &vm_zone_direct);
}

/* pv_chain: pv_insert_more() with the pv lock held. */
static bool
pv_chain(struct vm_page *m, struct pmap *pmap, vm_offset_t va)
{
	struct pv_entry *pv;

	if (m->pv_pmap == NULL)
		return pv_insert(m, pmap, va); /* the mapping we saw has gone meanwhile */
	pv = vm_zone_alloc(&pv_zone, VM_ZONE_NOWAIT);
	if (pv == NULL)
		return false;
	pv->pmap = pmap;
	pv->va = va;
	pv->next = m->pv_more;
	m->pv_more = pv;
	return true;
}

bool
pv_insert_more(struct vm_page *m, struct pmap *pmap, vm_offset_t va)
{
	bool done;

	spinlock_lock_nested(pv_lock(m));
	done = pv_chain(m, pmap, va);
	spinlock_unlock_nested(pv_lock(m));
	return done;
}

/* pv_remove_first: forget the mapping in the vm_page itself; the first of the chain moves up.  The
 * pv lock is held. */
static void
pv_remove_first(struct vm_page *m)
{
	struct pv_entry *pv = m->pv_more;

	if (pv == NULL) {
		__atomic_store_n(&m->pv_pmap, NULL, __ATOMIC_RELEASE);
		return;
	}
	pv_set_first(m, pv->pmap, pv->va);
	m->pv_more = pv->next;
	vm_zone_free(&pv_zone, pv);
}

void
pv_remove_more(struct vm_page *m, const struct pmap *pmap, vm_offset_t va)
{
	struct pv_entry **link = &m->pv_more, *pv;

	if (m->pv_pmap == pmap && m->pv_va == va) {
		pv_remove_first(m);
		return;
	}
	while ((pv = *link) != NULL && (pv->pmap != pmap || pv->va != va))
		link = &pv->next;
	VERIFY(pv != NULL, "page %#lx has no reverse mapping to pmap %p va %#lx",
	       vm_page_to_phys(m), (const void *)pmap, va);
	*link = pv->next;
	vm_zone_free(&pv_zone, pv);
}

/*
 * pv_lock_table: from the page to the page table, with m's pv lock held: the table of a mapping that the
 * reverse map has, locked.  NULL: the pv lock was released in between and the page's mappings must be looked
 * at anew.
 */
static struct vm_page *
pv_lock_table(struct vm_page *m, struct pmap *pmap, vm_offset_t va, struct lockhold_wait *w)
{
	struct vm_page *t = pmap_table_try(pmap, va);

	if (t != NULL) {
		pte_t entry = pte_read(pt_entry(t, va));

		VERIFY(pte_page(entry) == m && (entry & PTE_MANAGED) != 0,
		       "page %#lx: pmap %p has %#lx at va %#lx", vm_page_to_phys(m), (void *)pmap,
		       entry, va);
		return t;
	}
	VERIFY(!lockhold_waits_too_long(w), "page %#lx: no table in pmap %p for va %#lx",
	       vm_page_to_phys(m), (void *)pmap, va);
	spinlock_unlock(pv_lock(m));
	cpu_spin_poll(0);
	spinlock_lock(pv_lock(m));
	return NULL;
}

/* pv_unmap: remove the mapping of m, which is in the table t, locked, and let go of that.  The pv lock is
 * held. */
static void
pv_unmap(struct vm_page *m, struct pmap *pmap, struct vm_page *t, vm_offset_t va)
{
	struct tlb_batch batch;

	tlb_batch_init(&batch, pmap);
	pmap_clear_pte(pmap, t, va, pt_entry(t, va), 0, &batch);
	pv_remove_more(m, pmap, va);
	tlb_batch_finish(&batch);
	pmap_table_unlock(t);
}

void
pmap_remove_all(struct vm_page *m)
{
	struct lockhold_wait w = {0};
	struct pmap *pmap;

	spinlock_lock(pv_lock(m));
	while ((pmap = m->pv_pmap) != NULL) {
		vm_offset_t va = m->pv_va;
		struct vm_page *t = pv_lock_table(m, pmap, va, &w);

		if (t != NULL)
			pv_unmap(m, pmap, t, va);
	}
	spinlock_unlock(pv_lock(m));
}

/* unmap_unwired: remove one mapping of m that is not wired; false: there is none.  The pv lock is held, but
 * may be released in between. */
static bool
unmap_unwired(struct vm_page *m, struct lockhold_wait *w)
{
	struct pv_entry first = {.next = m->pv_more, .pmap = m->pv_pmap, .va = m->pv_va};

	for (const struct pv_entry *pv = &first; pv != NULL && pv->pmap != NULL; pv = pv->next) {
		struct vm_page *t = pv_lock_table(m, pv->pmap, pv->va, w);

		if (t == NULL)
			return true; /* the list may have changed */
		if ((pte_read(pt_entry(t, pv->va)) & PTE_WIRED) == 0) {
			pv_unmap(m, pv->pmap, t, pv->va);
			return true;
		}
		pmap_table_unlock(t);
	}
	return false;
}

void
pmap_remove_unwired(struct vm_page *m)
{
	struct lockhold_wait w = {0};

	spinlock_lock(pv_lock(m));
	while (unmap_unwired(m, &w))
		;
	spinlock_unlock(pv_lock(m));
}

/* clear_bits: clear bits in the entry of one mapping, and flush if any was set; returns the old
 * entry.  The table's lock is held. */
static pte_t
clear_bits(struct pmap *pmap, vm_offset_t va, pte_t *pte, pte_t bits)
{
	pte_t old = pte_read(pte);
	struct tlb_batch batch;

	if (bits == 0)
		return old;
	old = __atomic_fetch_and(pte, ~bits, __ATOMIC_SEQ_CST);
	if ((old & bits) != 0) {
		tlb_batch_init(&batch, pmap);
		tlb_batch_add(&batch, va);
		tlb_batch_finish(&batch);
	}
	return old;
}

/* pv_clear_pass: go through the mappings of m for pv_clear_bits(); false when a table is busy, and
 * then the list may have changed.  The pv lock is held. */
static bool
pv_clear_pass(struct vm_page *m, pte_t test, pte_t bits, int *found, struct lockhold_wait *w)
{
	struct pv_entry first = {.next = m->pv_more, .pmap = m->pv_pmap, .va = m->pv_va};

	if (first.pmap == NULL)
		return true;
	for (const struct pv_entry *pv = &first; pv != NULL; pv = pv->next) {
		struct vm_page *t = pv_lock_table(m, pv->pmap, pv->va, w);

		if (t == NULL)
			return false;
		*found += (clear_bits(pv->pmap, pv->va, pt_entry(t, pv->va), bits) & test) != 0;
		pmap_table_unlock(t);
	}
	return true;
}

/*
 * pv_clear_bits: clear bits in the entries of all mappings of m; returns how many of them had a bit
 * of `test`.  A pass that was cut short begins anew: an entry that was cleared is not counted
 * twice, and with nothing to clear the count only has to be right about zero.
 */
static int
pv_clear_bits(struct vm_page *m, pte_t test, pte_t bits)
{
	struct lockhold_wait w = {0};
	int found = 0;

	spinlock_lock(pv_lock(m));
	while (!pv_clear_pass(m, test, bits, &found, &w))
		;
	spinlock_unlock(pv_lock(m));
	return found;
}

void
pmap_remove_write(struct vm_page *m)
{
	pv_clear_bits(m, 0, PTE_WRITE);
}

/* pmap_is_modified: the page itself is asked last: an entry that goes away meanwhile has left its
 * dirty bit there. */
bool
pmap_is_modified(struct vm_page *m)
{
	return pv_clear_bits(m, PTE_DIRTY, 0) > 0 ||
	       (__atomic_load_n(&m->aflags, __ATOMIC_RELAXED) & VM_PAGE_DIRTY) != 0;
}

void
pmap_clear_modify(struct vm_page *m)
{
	pv_clear_bits(m, 0, PTE_DIRTY);
	__atomic_fetch_and(&m->aflags, (uint8_t)~VM_PAGE_DIRTY, __ATOMIC_RELAXED);
}

int
pmap_ts_referenced(struct vm_page *m)
{
	return pv_clear_bits(m, PTE_ACCESSED, PTE_ACCESSED);
}

bool
pmap_page_is_mapped(struct vm_page *m)
{
	return __atomic_load_n(&m->pv_pmap, __ATOMIC_RELAXED) != NULL;
}

unsigned
pv_count(struct vm_page *m, const struct pmap *pmap, vm_offset_t va)
{
	unsigned count;

	spinlock_lock(pv_lock(m));
	count = m->pv_pmap == pmap && m->pv_va == va;
	if (m->pv_pmap != NULL)
		for (struct pv_entry *pv = m->pv_more; pv != NULL; pv = pv->next)
			count += pv->pmap == pmap && pv->va == va;
	spinlock_unlock(pv_lock(m));
	return count;
}
