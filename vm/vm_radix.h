/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Radix trees: the pages of an object by index.
 *
 * 64-way nodes with a bitmap of used slots; a subtree that holds one page is that page (tagged
 * pointer), so a sparse object costs few nodes.  Nodes come from a zone with the direct supplier.
 */
#ifndef VM_VM_RADIX_H
#define VM_VM_RADIX_H

#include <stdbool.h>
#include "kernel/base/panic.h"
#include "vm/vm_page.h"
#include "vm/vm_types.h"

#define VM_RADIX_BITS	  6
#define VM_RADIX_SLOTS	  (1u << VM_RADIX_BITS)
#define VM_RADIX_PAGE_TAG 1ul /* in a slot: this is a page, not a node */

struct vm_radix_node {
	uint64_t used;	 /* bit s: slot[s] is not 0 */
	uint64_t prefix; /* the digits above ours */
	unsigned shift;	 /* bits below our digit */
	uintptr_t slot[VM_RADIX_SLOTS];
};

struct vm_radix {
	uintptr_t root;		    /* 0 empty; otherwise a node or a tagged page */
	struct vm_radix_node *leaf; /* lowest-level node of the last insertion, or NULL */
};

void vm_radix_init(void); /* the zone; boot */

/* vm_radix_in_leaf: is index one of those that the remembered node holds? */
static inline bool
vm_radix_in_leaf(const struct vm_radix *t, vm_pindex_t index)
{
	return t->leaf != NULL && index >> VM_RADIX_BITS == t->leaf->prefix;
}

/* vm_radix_insert: m under m->pindex, which is absent.  KERN_RESOURCE_SHORTAGE without a node.
 * _below: by descent from the root. */
kern_return_t vm_radix_insert_below(struct vm_radix *t, struct vm_page *m);
static inline kern_return_t
vm_radix_insert(struct vm_radix *t, struct vm_page *m)
{
	unsigned s = m->pindex & (VM_RADIX_SLOTS - 1);

	if (!vm_radix_in_leaf(t, m->pindex))
		return vm_radix_insert_below(t, m);
	ASSERT(t->leaf->slot[s] == 0, "index %#zx is there already", (size_t)m->pindex);
	t->leaf->slot[s] = (uintptr_t)m | VM_RADIX_PAGE_TAG;
	t->leaf->used |= 1ull << s;
	return KERN_SUCCESS;
}

/* vm_radix_lookup: the page with this index, or NULL.  _descend: from the root. */
struct vm_page *vm_radix_descend(const struct vm_radix *t, vm_pindex_t index);
static inline struct vm_page *
vm_radix_lookup(const struct vm_radix *t, vm_pindex_t index)
{
	if (!vm_radix_in_leaf(t, index))
		return vm_radix_descend(t, index);
	return (struct vm_page *)(t->leaf->slot[index & (VM_RADIX_SLOTS - 1)] & ~VM_RADIX_PAGE_TAG);
}

/* vm_radix_lookup_ge: the page with the least index >= index, or NULL. */
struct vm_page *vm_radix_lookup_ge(const struct vm_radix *t, vm_pindex_t index);
/* vm_radix_remove: take the page with this index out and return it; NULL if absent.  Never fails,
 * frees nodes that are no longer needed. */
struct vm_page *vm_radix_remove(struct vm_radix *t, vm_pindex_t index);

/* vm_radix_put: m under m->pindex, whatever is there; *old gets the page that was, or NULL.
 * KERN_RESOURCE_SHORTAGE without a node, which only an absent index may need; nothing changed. */
kern_return_t vm_radix_put(struct vm_radix *t, struct vm_page *m, struct vm_page **old);

/* vm_radix_walk: fn for each page, by index; the tree must not change meanwhile.  False as soon as fn
 * says so.  A page takes a dozen instructions, which is far less than a lookup. */
typedef bool vm_radix_visitor(struct vm_page *m, void *arg);
bool vm_radix_walk(const struct vm_radix *t, vm_radix_visitor *fn, void *arg);

/* vm_radix_clear: forget all pages, which stay as they are, and free the nodes. */
void vm_radix_clear(struct vm_radix *t);

#endif
