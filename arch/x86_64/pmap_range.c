/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations on a range of addresses: remove, protect, unwire, drop, next.
 *
 * All are one loop over the mappings that exist, in the order of their addresses.  A cursor finds
 * them: it stays in one level-1 table as long as it can and skips what an absent upper entry spans
 * in one step, so the cost is that of the mappings and not of the range.
 *
 * The loop works in batches.  Each batch takes the lock once and flushes once, and between two of
 * them interrupts and other processors have their turn, however large the range is.
 */
#include "arch/x86_64/pmap_private.h"
#include "arch/x86_64/pmap_pv.h"
#include "kernel/base/compiler.h"
#include "kernel/base/debug.h"
#include "kernel/base/panic.h"

/* The most mappings that one batch works on, fewer if it has more to do with each of them; and the most
 * level-1 tables that it looks through, which may be all but empty. */
#define RANGE_BATCH  debug_limit(1024, 3)
#define REMOVE_BATCH debug_limit(PT_ENTRIES, 3)
#define TABLES_BATCH debug_limit(8, 1)

struct cursor {
	const struct pmap *pmap;
	vm_offset_t va, end; /* what is left to look at */
	pte_t *pte;	     /* of va, in a level-1 table */
	pte_t *limit;	 /* end of that table, or of the range; not above pte: table not known */
	unsigned tables; /* entered in this batch */
};

/* cursor_enter_table: stand at va, which this level-1 table maps. */
static void
cursor_enter_table(struct cursor *c, pte_t *table)
{
	unsigned first = pt_index(c->va, 1), n = PT_ENTRIES - first;

	if (atop(c->end - c->va) < n)
		n = atop(c->end - c->va);
	c->pte = &table[first];
	c->limit = c->pte + n;
}

/* cursor_descend: go to the level-1 table of va, or to the next one that there is, and move va
 * there; false if that is not below the end, or not for this batch: then va is below the end. */
static bool
cursor_descend(struct cursor *c)
{
	pte_t *table = c->pmap->root;
	int level = PT_LEVELS;

	if (c->va >= c->end || c->tables++ == TABLES_BATCH)
		return false;
	if (c->pmap->recent == pmap_recent(c->va)) {
		cursor_enter_table(c, c->pmap->recent_table);
		return true;
	}
	while (level > 1) {
		pte_t entry = pte_read(&table[pt_index(c->va, level)]);

		if ((entry & PTE_PRESENT) != 0) {
			table = pte_table(entry);
			level--;
			continue;
		}
		c->va = (c->va & ~(pt_span(level) - 1)) + pt_span(level);
		if (c->va >= c->end)
			return false;
		if (pt_index(c->va, level) == 0) { /* ran off the end of this table */
			table = c->pmap->root;
			level = PT_LEVELS;
		}
	}
	cursor_enter_table(c, table);
	return true;
}

static inline void
cursor_advance(struct cursor *c)
{
	c->va += PAGE_SIZE;
	c->pte++;
}

/*
 * cursor_next: the entry of the first mapping from va on, and va is its address; NULL if there is
 * none below the end, or, with va still below it, none in this batch.  The caller steps over it with
 * cursor_advance().
 */
static inline pte_t *
cursor_next(struct cursor *c)
{
	do {
		for (; c->pte < c->limit; cursor_advance(c))
			if ((pte_read(c->pte) & PTE_PRESENT) != 0)
				return c->pte;
	} while (cursor_descend(c));
	return NULL;
}

/* cursor_next_batch: the table may be gone when the lock was released. */
static inline void
cursor_next_batch(struct cursor *c)
{
	c->pte = c->limit = NULL;
	c->tables = 0;
}

/* What is done to one mapping. */
typedef void range_op(struct pmap *pmap, vm_offset_t va, pte_t *pte, struct tlb_batch *batch,
		      pte_t arg);

/* other_table: does the entry lie in another table than those noted in the batch? */
static inline bool
other_table(const struct tlb_batch *b, const pte_t *pte)
{
	return b->unmapped != NULL && ((uintptr_t)pte ^ (uintptr_t)b->unmapped) >= PAGE_SIZE;
}

/*
 * range_apply: do op to each mapping in [start, end).  A table that op empties stays readable until the
 * batch of at most `most` is finished, so the cursor may stand in it.  Inlined, so that each caller gets
 * a loop of its own without indirect calls.
 */
static inline __attribute__((always_inline)) void
range_apply(struct pmap *pmap, vm_offset_t start, vm_offset_t end, range_op *op, pte_t arg,
	    unsigned most)
{
	struct cursor c = {.pmap = pmap, .va = start, .end = end};
	bool more;

	ASSERT(page_aligned(start | end) && start <= end && pmap_contains(pmap, start, end),
	       "range %#lx-%#lx", start, end);
	do {
		struct tlb_batch batch;
		unsigned budget = most;
		pte_t *pte = NULL;

		tlb_batch_init(&batch, pmap);
		spinlock_lock(&pmap->lock);
		while (budget-- > 0 && pmap->resident > 0 && (pte = cursor_next(&c)) != NULL) {
			if (other_table(&batch, pte))
				break;
			op(pmap, c.va, pte, &batch, arg);
			cursor_advance(&c);
		}
		more = pmap->resident > 0 && (pte != NULL || c.va < c.end);
		tlb_batch_finish(&batch);
		spinlock_unlock(&pmap->lock);
		cursor_next_batch(&c);
	} while (more);
}

/* op_remove: unmap, unless the entry has a bit of `spare`. */
static inline void
op_remove(struct pmap *pmap, vm_offset_t va, pte_t *pte, struct tlb_batch *batch, pte_t spare)
{
	pte_t old = pte_read(pte);

	if ((old & spare) != 0)
		return;
	if ((old & PTE_MANAGED) != 0)
		tlb_batch_unmapped(batch, pte, va);
	pmap_clear_pte(pmap, va, pte, (old & PTE_MANAGED) != 0 ? PTE_UNMAPPED : 0, batch);
}

void
pmap_remove(struct pmap *pmap, vm_offset_t start, vm_offset_t end)
{
	range_apply(pmap, start, end, op_remove, 0, REMOVE_BATCH);
}

void
pmap_drop(struct pmap *pmap)
{
	ASSERT(pmap != kernel_pmap, "kernel mappings cannot be faulted in again");
	range_apply(pmap, 0, VM_MAX_USER_ADDRESS, op_remove, PTE_WIRED, REMOVE_BATCH);
}

/* op_protect: take away the rights in `lose`: PTE_WRITE, and PTE_NO_EXECUTE for execution.  The
 * bits that the processor sets meanwhile are kept. */
static inline void
op_protect(struct pmap *pmap, vm_offset_t va, pte_t *pte, struct tlb_batch *batch, pte_t lose)
{
	pte_t old = pte_read(pte), new;

	(void)pmap;
	do {
		new = (old & ~(lose & PTE_WRITE)) | (lose & PTE_NO_EXECUTE);
		if (new == old)
			return;
	} while (
	    !__atomic_compare_exchange_n(pte, &old, new, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	tlb_batch_add(batch, va);
}

void
pmap_protect(struct pmap *pmap, vm_offset_t start, vm_offset_t end, vm_prot_t prot)
{
	pte_t lose = 0;

	if ((prot & VM_PROT_ALL) == VM_PROT_NONE) {
		pmap_remove(pmap, start, end);
		return;
	}
	if ((prot & VM_PROT_WRITE) == 0)
		lose |= PTE_WRITE;
	if ((prot & VM_PROT_EXECUTE) == 0)
		lose |= PTE_NO_EXECUTE;
	if (lose != 0)
		range_apply(pmap, start, end, op_protect, lose, RANGE_BATCH);
}

static inline void
op_unwire(struct pmap *pmap, vm_offset_t va, pte_t *pte, struct tlb_batch *batch, pte_t arg)
{
	(void)va, (void)batch, (void)arg;
	if ((pte_read(pte) & PTE_WIRED) == 0)
		return;
	__atomic_fetch_and(pte, ~PTE_WIRED, __ATOMIC_RELAXED);
	COUNT_ADD(pmap->wired, -1);
}

void
pmap_unwire(struct pmap *pmap, vm_offset_t start, vm_offset_t end)
{
	range_apply(pmap, start, end, op_unwire, 0, RANGE_BATCH);
}

bool
pmap_next(struct pmap *pmap, vm_offset_t start, vm_offset_t end, vm_offset_t *va)
{
	struct cursor c = {.pmap = pmap, .va = start, .end = end};
	bool found, more;

	ASSERT(page_aligned(start | end) && pmap_contains(pmap, start, end), "range %#lx-%#lx",
	       start, end);
	do {
		spinlock_lock(&pmap->lock);
		found = pmap->resident > 0 && cursor_next(&c) != NULL;
		more = !found && pmap->resident > 0 && c.va < c.end;
		spinlock_unlock(&pmap->lock);
		cursor_next_batch(&c);
	} while (more);
	if (found)
		*va = c.va;
	return found;
}
