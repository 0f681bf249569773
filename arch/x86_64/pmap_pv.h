/* SPDX-License-Identifier: BSD-2-Clause */
/* The reverse map, from a page to its mappings: see pmap_pv.c. */
#ifndef ARCH_PMAP_PV_H
#define ARCH_PMAP_PV_H

#include "arch/x86_64/page_lock.h"
#include "vm/vm_page.h"

struct pmap;

extern struct page_lock pv_locks[PAGE_LOCKS];

/* pv_lock: the lock of a page's reverse map. */
static inline struct spinlock *
pv_lock(const struct vm_page *m)
{
	return page_lock(pv_locks, m);
}

void pv_init(void);

/* pv_insert_more: pv_insert() for a page that may be mapped already. */
bool pv_insert_more(struct vm_page *m, struct pmap *pmap, vm_offset_t va);

/* pv_set_first: the mapping in the vm_page itself.  Its address may be looked at by who takes the page for
 * the table that it was (pt_leads_to), and pv_pmap says that there is one. */
static inline void
pv_set_first(struct vm_page *m, struct pmap *pmap, vm_offset_t va)
{
	__atomic_store_n(&m->pv_va, va, __ATOMIC_RELAXED);
	__atomic_store_n(&m->pv_pmap, pmap, __ATOMIC_RELEASE);
}

/*
 * pv_insert: note that pmap maps m at va; false without memory.  The table's lock is held, and what
 * keeps two from mapping m at once: its object's lock, or that nobody else knows it.  So a page that
 * is not mapped stays so until we map it, and its first mapping needs no lock.
 */
static inline bool
pv_insert(struct vm_page *m, struct pmap *pmap, vm_offset_t va)
{
	if (__builtin_expect(__atomic_load_n(&m->pv_pmap, __ATOMIC_ACQUIRE) != NULL, 0))
		return pv_insert_more(m, pmap, va);
	m->pv_more = NULL;
	pv_set_first(m, pmap, va);
	return true;
}

/* pv_remove_more: pv_remove() for a page that is mapped elsewhere too.  Its pv lock is held. */
void pv_remove_more(struct vm_page *m, const struct pmap *pmap, vm_offset_t va);

/* pv_remove: forget that pmap maps m at va.  The table's lock is held. */
static inline void
pv_remove(struct vm_page *m, const struct pmap *pmap, vm_offset_t va)
{
	struct spinlock *lock = pv_lock(m);

	spinlock_lock_nested(lock);
	if (__builtin_expect(m->pv_more == NULL && m->pv_pmap == pmap && m->pv_va == va, 1))
		__atomic_store_n(&m->pv_pmap, NULL, __ATOMIC_RELEASE);
	else
		pv_remove_more(m, pmap, va);
	spinlock_unlock_nested(lock);
}

/* pv_count: how often m's reverse map names this mapping; for the auditor. */
unsigned pv_count(struct vm_page *m, const struct pmap *pmap, vm_offset_t va);

#endif
