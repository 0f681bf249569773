/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Radix trees: the pages of an object by index.
 *
 * 64-way nodes with a bitmap of used slots; a subtree that holds one page is that page (tagged
 * pointer), so a sparse object costs few nodes.  Nodes come from a zone with the direct supplier.
 */
#ifndef VM_VM_RADIX_H
#define VM_VM_RADIX_H

#include "vm/vm_types.h"

struct vm_page;

struct radix_node;

struct vm_radix {
	uintptr_t root;		 /* 0 empty; otherwise a node or a tagged page */
	struct radix_node *leaf; /* lowest-level node of the last insertion, or NULL */
};

void vm_radix_init(void); /* the zone; boot */

/* vm_radix_insert: m under m->pindex, which is absent.  KERN_RESOURCE_SHORTAGE without a node. */
kern_return_t vm_radix_insert(struct vm_radix *t, struct vm_page *m);
struct vm_page *vm_radix_lookup(const struct vm_radix *t, vm_pindex_t index);
/* vm_radix_lookup_ge: the page with the least index >= index, or NULL. */
struct vm_page *vm_radix_lookup_ge(const struct vm_radix *t, vm_pindex_t index);
/* vm_radix_remove: take the page with this index out and return it; NULL if absent.  Never fails,
 * frees nodes that are no longer needed. */
struct vm_page *vm_radix_remove(struct vm_radix *t, vm_pindex_t index);

#endif
