/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model's page tables and translation caches (TLBs).
 *
 * Each processor has a TLB that is filled by accesses and emptied only by the invalidations that
 * the pmap functions perform: it behaves like hardware, and an access through a stale entry reaches
 * the old frame.
 */
#ifndef MODEL_MMU_H
#define MODEL_MMU_H

#include <stddef.h>
#include "vm/pmap.h"

/*
 * model_access: what a processor does for one load (VM_PROT_READ), store (VM_PROT_WRITE) or fetch
 * (VM_PROT_EXECUTE) of a byte; the current thread's processor.  False: a page fault, nothing has
 * happened.  A TLB entry with too few rights is a fault, too, and is gone then.
 */
bool model_access(struct pmap *pmap, vm_offset_t va, vm_prot_t type, uint8_t *value);

/* model_access_range: likewise for size bytes within one page. */
bool model_access_range(struct pmap *pmap, vm_offset_t va, vm_prot_t type, void *buffer,
			size_t size);

/* model_tlb_audit: no TLB holds a right that the page tables do not give; fails the test. */
void model_tlb_audit(void);

/* model_tlb_skip_invalidation: from now on the pmap functions forget to invalidate.  To test
 * tests. */
void model_tlb_skip_invalidation(bool skip);

/* model_pmap_mappings: mappings of all pmaps, for leak checks. */
uint64_t model_pmap_mappings(void);

#endif
