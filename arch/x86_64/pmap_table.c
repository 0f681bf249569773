/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Table pages: found, made on the way down to an entry, freed on the way up from one.
 *
 * A table page is a frame in no object; its wire_count is the number of its entries in use.  The
 * entry that becomes 0 last takes the table with it, and so on upwards: an address space that maps
 * nothing has its root and no other table.
 *
 * The tables of level 1 have locks of their own, so that processors that work in different parts of a
 * space do not meet; those above are few, change seldom, and have the pmap's lock.
 *
 *	up	table's lock, its last entry is gone; with it the pmap's lock: unlink; flush, free
 *	down	pmap's lock: walk, make what is missing, and try the table's lock; if it is taken:
 *		nothing locked; table's lock: is it still the table of this address?  If not, again
 *
 * So the table's lock comes first, and nobody on his way down waits for it with the pmap's lock.  Mostly
 * there is no way down: a processor remembers tables that it used lately, and asks them whose they are.
 * While somebody is on his way the table may be empty (`visitors`, for the auditor).
 *
 * The lock of a table is held until what lost rights there is flushed, so nobody finds an entry gone that
 * another processor knows.  The last entry takes the table away before its flush.  Who finds no table, to
 * leave it at that or to make one, waits for such flushes of his addresses (tlb_unflushed).
 *
 * An unlinked table is freed only after the flush (the batch keeps it): until then a processor may
 * walk through it from upper-level entries that it has cached.  It finds nothing there, even if the address
 * lies below an upper table that was unlinked and has a new one by then, with a mapping; the fault makes the
 * processor forget what led to it, so there is one at most (SDM volume 3, 4.10.4.1).
 */
#include "arch/x86_64/pmap_private.h"
#include "kernel/base/compiler.h"
#include "kernel/base/lockhold.h"
#include "kernel/base/panic.h"
#include <machine/cpu.h>
#include <machine/percpu.h>

struct page_lock pt_locks[PAGE_LOCKS] = PAGE_LOCKS_INITIALIZER("page table", LOCK_RANK_PAGE_TABLE);

void
pmap_forget_tables(struct percpu *p)
{
	static struct vm_page nobody; /* the table of no address: its name is 0 */

	for (unsigned i = 0; i < RECENT_TABLES; i++)
		p->recent_table[i] = &nobody;
}

/* first_table: the first level-1 table that leads to an address in [*va, end), and *va is the first such
 * address; or NULL, and if *va is below end, it was too far to see.  The pmap's lock is held. */
static struct vm_page *
first_table(const struct pmap *pmap, vm_offset_t *va, vm_offset_t end)
{
	const pte_t *table = pmap->root;
	int level = PT_LEVELS;

	for (unsigned steps = 0; *va < end && steps < PT_ENTRIES; steps++) {
		pte_t entry = pte_read(&table[pt_index(*va, level)]);

		if ((entry & PTE_PRESENT) != 0) {
			if (--level == 1)
				return pte_page(entry);
			table = pte_table(entry);
			continue;
		}
		*va = (*va & ~(pt_span(level) - 1)) + pt_span(level);
		if (pt_index(*va, level) == 0) { /* ran off the end of this table */
			table = pmap->root;
			level = PT_LEVELS;
		}
	}
	return NULL;
}

/* await_flushed: until the tables that led to [start, end), and are unlinked by now, are flushed.  The pmap's
 * lock is held, but released in between. */
static SLOWPATH void
await_flushed(struct pmap *pmap, vm_offset_t start, vm_offset_t end)
{
	struct lockhold_wait w = {0};
	uint64_t last = pmap->batches;

	do {
		spinlock_unlock_nested(&pmap->lock);
		cpu_spin_poll(0);
		spinlock_lock_nested(&pmap->lock);
		VERIFY(!lockhold_waits_too_long(&w), "pmap %p: %#lx-%#lx is still being flushed",
		       (void *)pmap, start, end);
	} while (tlb_unflushed(pmap, start, end, last));
}

/* first_flushed: first_table(), and no processor knows a mapping that was in what was skipped. */
static struct vm_page *
first_flushed(struct pmap *pmap, vm_offset_t *va, vm_offset_t end)
{
	for (;;) {
		vm_offset_t at = *va, hole_end;
		struct vm_page *t = first_table(pmap, &at, end);

		hole_end = at < end ? at : end;
		if (__builtin_expect(!tlb_unflushed(pmap, *va, hole_end, UINT64_MAX), 1)) {
			*va = at;
			return t;
		}
		await_flushed(pmap, *va, hole_end);
		*va = hole_end;
	}
}

/*
 * table_lock: from the pmap's lock, which is held, to that of t, the table of va.  NULL: it has been
 * unlinked meanwhile.  Only what is returned is locked.
 */
static struct vm_page *
table_lock(struct pmap *pmap, struct vm_page *t, vm_offset_t va)
{
	if (__builtin_expect(spinlock_trylock_nested(pt_lock(t)), 1)) {
		spinlock_unlock_nested(&pmap->lock);
	} else {
		/* It may be new, and empty until its lock is ours. */
		__atomic_fetch_add(&pmap->visitors, 1, __ATOMIC_RELAXED);
		spinlock_unlock_nested(&pmap->lock);
		spinlock_lock_nested(pt_lock(t));
		__atomic_fetch_sub(&pmap->visitors, 1, __ATOMIC_RELAXED);
		if (!pt_leads_to(t, pmap, va)) {
			pmap_table_unlock(t);
			return NULL;
		}
	}
	*pmap_recent_table(va) = t;
	return t;
}

/* has_tables: may there be a table, linked or not flushed yet?  Who unlinks one lists it first, and then
 * counts it off (unlink_empty). */
static inline bool
has_tables(const struct pmap *pmap)
{
	return __atomic_load_n(&pmap->tables, __ATOMIC_ACQUIRE) > 1 ||
	       __atomic_load_n(&pmap->unflushed, __ATOMIC_ACQUIRE) != NULL;
}

/* table_next: as pmap_table_next(), if this processor has not used it lately; NULL as well if *va is not at
 * the end yet. */
static __attribute__((noinline)) struct vm_page *
table_next(struct pmap *pmap, vm_offset_t *va, vm_offset_t end)
{
	struct vm_page *t;

	spin_enter();
	spinlock_lock_nested(&pmap->lock);
	t = first_flushed(pmap, va, end);
	if (t != NULL)
		return table_lock(pmap, t, *va);
	spinlock_unlock_nested(&pmap->lock);
	spin_exit();
	return NULL;
}

struct vm_page *
pmap_table_next(struct pmap *pmap, vm_offset_t *va, vm_offset_t end)
{
	struct vm_page *t;

	while (*va < end && has_tables(pmap)) {
		if (__builtin_expect(pmap_table_recent(pmap, *va, &t), 1))
			return t;
		t = table_next(pmap, va, end);
		if (t != NULL)
			return t;
	}
	return NULL;
}

struct vm_page *
pmap_table_try(struct pmap *pmap, vm_offset_t va)
{
	struct vm_page *t;

	spin_enter();
	spinlock_lock_nested(&pmap->lock);
	t = first_table(pmap, &va, va + PAGE_SIZE);
	spinlock_unlock_nested(&pmap->lock);
	if (t == NULL || !spinlock_trylock_nested(pt_lock(t))) {
		spin_exit();
		return NULL;
	}
	ASSERT(pt_leads_to(t, pmap, va), "table %p, not to va %#lx", (void *)t, va);
	return t;
}

/* set_name: t is the level-1 table whose last address is `name` from now on; NULL, 0: it is none. */
static void
set_name(struct vm_page *t, struct pmap *pmap, vm_offset_t name)
{
	__atomic_store_n(&t->pv_pmap, pmap, __ATOMIC_RELAXED);
	__atomic_store_n(&t->pv_va, name, __ATOMIC_RELEASE);
}

/* table_add: hang a new, empty table of `level` into `entry`, which leads to va; NULL without memory.
 * The pmap's lock is held. */
static struct vm_page *
table_add(struct pmap *pmap, pte_t *entry, vm_offset_t va, int level)
{
	struct vm_page *m = vm_page_alloc_noobj(VM_ALLOC_ZERO);

	if (m == NULL)
		return NULL;
	m->wire_count = 0;
	m->parent = entry;
	__atomic_store_n(
	    entry, vm_page_to_phys(m) | PTE_PRESENT | PTE_WRITE | (pmap->leaf_bits & PTE_USER),
	    __ATOMIC_RELEASE);
	pt_page(entry)->wire_count++;
	COUNT_ADD(pmap->tables, 1);
	if (level == 1) {
		m->table = pmap_page_address(m);
		set_name(m, pmap, pt_name(va));
	}
	return m;
}

/* make_tables: the table of va in the lowest level that can be reached, with new tables on the way; *level
 * is 1 unless memory is short, and then it may be empty.  The pmap's lock is held. */
static struct vm_page *
make_tables(struct pmap *pmap, vm_offset_t va, int *level)
{
	pte_t *table = pmap->root;
	struct vm_page *t = NULL;

	for (*level = PT_LEVELS; *level > 1; --*level) {
		pte_t *entry = &table[pt_index(va, *level)];

		if ((pte_read(entry) & PTE_PRESENT) == 0) {
			VERIFY(pmap != kernel_pmap || *level < PT_LEVELS,
			       "kernel address %#lx lies in a slot that boot did not make", va);
			if (table_add(pmap, entry, va, *level - 1) == NULL)
				break;
		}
		t = pte_page(pte_read(entry));
		table = pte_table(pte_read(entry));
	}
	return t;
}

/* unlink_empty: unlink t, of `level` and on the way to va, if it has no entry in use, and then those above
 * likewise, and leave them to the batch.  The pmap's lock is held; if t is of level 1, that too. */
static void
unlink_empty(struct pmap *pmap, struct vm_page *t, int level, vm_offset_t va,
	     struct tlb_batch *batch)
{
	while (level++ < PT_LEVELS && t->wire_count == 0) {
		pte_t *entry = t->parent;
		struct vm_page *above = pt_page(entry);

		tlb_batch_add_table(batch, va, t);
		/* Locked, as `active` is looked at next (pmap_tlb.c). */
		__atomic_exchange_n(entry, 0, __ATOMIC_SEQ_CST);
		above->wire_count--;
		__atomic_store_n(&pmap->tables, pmap->tables - 1, __ATOMIC_RELEASE);
		t = above;
	}
}

void
pmap_table_unlink(struct pmap *pmap, struct vm_page *t, vm_offset_t va, struct tlb_batch *batch)
{
	ASSERT(pt_leads_to(t, pmap, va) && t->wire_count == 0,
	       "table %p, to va %#lx, has %u entries", (void *)t, va, t->wire_count);
	t->table = NULL;
	set_name(t, NULL, 0);
	spinlock_lock_nested(&pmap->lock);
	unlink_empty(pmap, t, 1, va, batch);
	spinlock_unlock_nested(&pmap->lock);
}

/* no_memory: for a table below t, of `level` and on the way to va.  The pmap's lock is held, and nothing on
 * return. */
static SLOWPATH struct vm_page *
no_memory(struct pmap *pmap, struct vm_page *t, int level, vm_offset_t va)
{
	struct tlb_batch batch;

	tlb_batch_init(&batch, pmap);
	if (t != NULL)
		unlink_empty(pmap, t, level, va, &batch);
	spinlock_unlock_nested(&pmap->lock);
	tlb_batch_finish(&batch);
	spin_exit();
	return NULL;
}

struct vm_page *
pmap_table_create(struct pmap *pmap, vm_offset_t va)
{
	vm_offset_t first = va & ~(pt_span(2) - 1);
	struct vm_page *t;
	int level;

	do {
		spin_enter();
		spinlock_lock_nested(&pmap->lock);
		while (
		    __builtin_expect(tlb_unflushed(pmap, first, first + pt_span(2), UINT64_MAX), 0))
			await_flushed(pmap, first, first + pt_span(2));
		t = make_tables(pmap, va, &level);
		if (level > 1)
			return no_memory(pmap, t, level, va);
		t = table_lock(pmap, t, va);
	} while (t == NULL);
	return t;
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
