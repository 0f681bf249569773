/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations on a range of addresses: remove, protect, unwire, drop, next, count.
 *
 * All are one loop over the level-1 tables that exist, in the order of their addresses, so the cost is
 * that of the mappings and not of the range.  For each table its lock is taken once and translations are
 * flushed once; between two of them interrupts and other processors have their turn, however large the
 * range is.
 */
#include "arch/x86_64/pmap_private.h"
#include "arch/x86_64/pmap_pv.h"
#include "kernel/base/compiler.h"
#include "kernel/base/debug.h"
#include "kernel/base/panic.h"

/* The most mappings that are worked on with a table's lock. */
#define RANGE_BATCH debug_limit(PT_ENTRIES, 3)

/* table_end: where the part of [va, end) ends to which the table of va leads. */
static inline vm_offset_t
table_end(vm_offset_t va, vm_offset_t end)
{
	vm_offset_t last = pt_name(va);

	return last < end ? last + 1 : end;
}

/* What is done to one mapping, of the table t. */
typedef void range_op(struct pmap *pmap, struct vm_page *t, vm_offset_t va, pte_t *pte,
		      struct tlb_batch *batch, pte_t arg);

/* table_apply: do op to mappings of t from va to its end or `end`, at most RANGE_BATCH; returns where to
 * go on.  A table that op empties stays readable until the batch is finished. */
static inline __attribute__((always_inline)) vm_offset_t
table_apply(struct pmap *pmap, struct vm_page *t, vm_offset_t va, vm_offset_t end, range_op *op,
	    pte_t arg)
{
	pte_t *pte = pt_entry(t, va), *limit;
	struct tlb_batch batch;
	unsigned budget = RANGE_BATCH;

	tlb_batch_init(&batch, pmap);
	for (limit = pte + atop(table_end(va, end) - va); pte < limit; pte++, va += PAGE_SIZE) {
		if ((pte_read(pte) & PTE_PRESENT) == 0)
			continue;
		if (budget-- == 0)
			break;
		op(pmap, t, va, pte, &batch, arg);
	}
	tlb_batch_finish(&batch);
	return va;
}

/* range_apply: do op to each mapping in [start, end).  Inlined, so that each caller gets a loop of its own
 * without indirect calls. */
static inline __attribute__((always_inline)) void
range_apply(struct pmap *pmap, vm_offset_t start, vm_offset_t end, range_op *op, pte_t arg)
{
	vm_offset_t va = start;
	struct vm_page *t;

	ASSERT(page_aligned(start | end) && start <= end && pmap_contains(pmap, start, end),
	       "range %#lx-%#lx", start, end);
	while (va < end && (t = pmap_table_next(pmap, &va, end)) != NULL) {
		va = table_apply(pmap, t, va, end, op, arg);
		pmap_table_unlock(t);
	}
}

/* op_remove: unmap, unless the entry has a bit of `spare`. */
static inline void
op_remove(struct pmap *pmap, struct vm_page *t, vm_offset_t va, pte_t *pte, struct tlb_batch *batch,
	  pte_t spare)
{
	if ((pte_read(pte) & spare) == 0)
		pmap_unmap_pte(pmap, t, va, pte, batch);
}

void
pmap_remove(struct pmap *pmap, vm_offset_t start, vm_offset_t end)
{
	range_apply(pmap, start, end, op_remove, 0);
}

void
pmap_drop(struct pmap *pmap)
{
	ASSERT(pmap != kernel_pmap, "kernel mappings cannot be faulted in again");
	range_apply(pmap, 0, VM_MAX_USER_ADDRESS, op_remove, PTE_WIRED);
}

/* op_protect: take away the rights in `lose`: PTE_WRITE, and PTE_NO_EXECUTE for execution.  The
 * bits that the processor sets meanwhile are kept. */
static inline void
op_protect(struct pmap *pmap, struct vm_page *t, vm_offset_t va, pte_t *pte,
	   struct tlb_batch *batch, pte_t lose)
{
	pte_t old = pte_read(pte), new;

	(void)pmap, (void)t;
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
		range_apply(pmap, start, end, op_protect, lose);
}

static inline void
op_unwire(struct pmap *pmap, struct vm_page *t, vm_offset_t va, pte_t *pte, struct tlb_batch *batch,
	  pte_t arg)
{
	(void)pmap, (void)va, (void)batch, (void)arg;
	if ((pte_read(pte) & PTE_WIRED) == 0)
		return;
	__atomic_fetch_and(pte, ~PTE_WIRED, __ATOMIC_RELAXED);
	t->pindex--;
}

void
pmap_unwire(struct pmap *pmap, vm_offset_t start, vm_offset_t end)
{
	range_apply(pmap, start, end, op_unwire, 0);
}

bool
pmap_next(struct pmap *pmap, vm_offset_t start, vm_offset_t end, vm_offset_t *va)
{
	vm_offset_t at = start;
	bool found = false;
	struct vm_page *t;

	ASSERT(page_aligned(start | end) && pmap_contains(pmap, start, end), "range %#lx-%#lx",
	       start, end);
	while (!found && (t = pmap_table_next(pmap, &at, end)) != NULL) {
		const pte_t *pte = pt_entry(t, at), *limit = pte + atop(table_end(at, end) - at);

		while (pte < limit && (pte_read(pte) & PTE_PRESENT) == 0) {
			pte++;
			at += PAGE_SIZE;
		}
		found = pte < limit;
		pmap_table_unlock(t);
	}
	if (found)
		*va = at;
	return found;
}

/* count: of all mappings, or of the wired ones.  Others may change it meanwhile. */
static uint64_t
count(struct pmap *pmap, bool wired)
{
	vm_offset_t va = pmap == kernel_pmap ? VM_MIN_KERNEL_ADDRESS : 0;
	vm_offset_t end = pmap == kernel_pmap ? VM_MAX_KERNEL_ADDRESS : VM_MAX_USER_ADDRESS;
	uint64_t n = 0;
	struct vm_page *t;

	while ((t = pmap_table_next(pmap, &va, end)) != NULL) {
		n += wired ? t->pindex : t->wire_count;
		va = table_end(va, end);
		pmap_table_unlock(t);
	}
	return n;
}

uint64_t
pmap_resident_count(struct pmap *pmap)
{
	return count(pmap, false);
}

uint64_t
pmap_wired_count(struct pmap *pmap)
{
	return count(pmap, true);
}
