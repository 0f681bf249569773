/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Radix trees with path compression.
 *
 * An index is read six bits at a time, from the top; each node looks at one such digit and has 64
 * slots.  A slot holds a node or a page (told apart by the lowest bit).  Digits that do not decide
 * anything have no node: a subtree with one page is that page, wherever it is in the tree, and a
 * node may skip levels, which is why it knows its own shift and prefix:
 *
 *	index	= prefix . digit . shift bits below
 *
 *	pages 5, 0x41, 0x1000		root: shift 12 (prefix 0)
 *					 [0] node: shift 6, [0] page 5   [1] page 0x41
 *					 [1] page 0x1000
 *
 * Invariants: every node has at least two slots in use, and `used` has just their bits; other slots
 * are 0; all indices below a node begin with its prefix.
 *
 * A lookup follows digits without comparing prefixes: at the end it finds a page, whose own index
 * tells whether it is the right one.
 *
 * Pages are mostly made in order, so the tree remembers the lowest node it inserted into; the next
 * lookup and insertion there need no descent.
 */
#include "kernel/base/compiler.h"
#include "kernel/base/panic.h"
#include "vm/vm_page.h"
#include "vm/vm_radix.h"
#include "vm/vm_zone.h"

#define DIGIT_BITS VM_RADIX_BITS
#define SLOTS	   VM_RADIX_SLOTS
#define DIGIT_MASK (SLOTS - 1)
#define INDEX_BITS 54 /* of a byte offset of 64 bits 52 remain: 9 digits */
#define PAGE_TAG   VM_RADIX_PAGE_TAG

static struct vm_zone node_zone;

void
vm_radix_init(void)
{
	vm_zone_init(&node_zone, "radix nodes", sizeof(struct vm_radix_node), &vm_zone_direct);
}

static bool
is_node(uintptr_t e)
{
	return e != 0 && (e & PAGE_TAG) == 0;
}

static struct vm_radix_node *
to_node(uintptr_t e)
{
	return (struct vm_radix_node *)e;
}

static struct vm_page *
to_page(uintptr_t e)
{
	return (struct vm_page *)(e & ~PAGE_TAG);
}

static unsigned
node_digit(const struct vm_radix_node *n, vm_pindex_t index)
{
	return (unsigned)(index >> n->shift) & DIGIT_MASK;
}

/* node_first: the least index that the node can hold. */
static vm_pindex_t
node_first(const struct vm_radix_node *n)
{
	return n->prefix << (n->shift + DIGIT_BITS);
}

static bool
node_covers(const struct vm_radix_node *n, vm_pindex_t index)
{
	return index >> (n->shift + DIGIT_BITS) == n->prefix;
}

static void
node_set(struct vm_radix_node *n, vm_pindex_t index, uintptr_t e)
{
	unsigned s = node_digit(n, index);

	n->slot[s] = e;
	n->used |= 1ull << s;
}

struct vm_page *
vm_radix_descend(const struct vm_radix *t, vm_pindex_t index)
{
	uintptr_t e = t->root;
	struct vm_page *m;

	while (is_node(e))
		e = to_node(e)->slot[node_digit(to_node(e), index)];
	m = to_page(e);
	return m != NULL && m->pindex == index ? m : NULL;
}

/* remember: if n is a lowest node, the next page will probably go there too. */
static void
remember(struct vm_radix *t, struct vm_radix_node *n)
{
	if (n->shift == 0)
		t->leaf = n;
}

/* split: put a new node above e, which is at *link, so that index gets a slot beside it. */
static kern_return_t
split(struct vm_radix *t, uintptr_t *link, uintptr_t e, vm_pindex_t index, uintptr_t leaf)
{
	vm_pindex_t other = is_node(e) ? node_first(to_node(e)) : to_page(e)->pindex;
	struct vm_radix_node *n;
	unsigned top;

	VERIFY(other != index, "index %#zx is there already", (size_t)index);
	n = vm_zone_alloc(&node_zone, VM_ZONE_ZERO);
	if (n == NULL)
		return KERN_RESOURCE_SHORTAGE;
	top = 63 - (unsigned)__builtin_clzll(index ^ other); /* the highest bit that differs */
	n->shift = top / DIGIT_BITS * DIGIT_BITS;
	n->prefix = index >> (n->shift + DIGIT_BITS);
	node_set(n, other, e);
	node_set(n, index, leaf);
	*link = (uintptr_t)n;
	remember(t, n);
	return KERN_SUCCESS;
}

kern_return_t
vm_radix_insert_below(struct vm_radix *t, struct vm_page *m)
{
	uintptr_t leaf = (uintptr_t)m | PAGE_TAG;
	vm_pindex_t index = m->pindex;
	struct vm_radix_node *n = NULL;
	uintptr_t *link = &t->root;

	ASSERT(index >> INDEX_BITS == 0, "index %#zx", (size_t)index);
	while (is_node(*link) && node_covers(to_node(*link), index)) {
		n = to_node(*link);
		link = &n->slot[node_digit(n, index)];
	}
	if (*link != 0)
		return split(t, link, *link, index, leaf);
	if (n == NULL) {
		t->root = leaf;
	} else {
		node_set(n, index, leaf);
		remember(t, n);
	}
	return KERN_SUCCESS;
}

/* node_shrink: n, which hangs at *link, lost a slot: with one left it is not needed. */
static void
node_shrink(struct vm_radix *t, uintptr_t *link, struct vm_radix_node *n)
{
	if ((n->used & (n->used - 1)) != 0)
		return;
	if (t->leaf == n)
		t->leaf = NULL;
	*link = n->slot[__builtin_ctzll(n->used)];
	vm_zone_free(&node_zone, n);
}

struct vm_page *
vm_radix_remove(struct vm_radix *t, vm_pindex_t index)
{
	uintptr_t *link = &t->root, *node_link = NULL;
	struct vm_radix_node *n = NULL;
	struct vm_page *m;

	while (is_node(*link)) {
		node_link = link;
		n = to_node(*link);
		link = &n->slot[node_digit(n, index)];
	}
	m = to_page(*link);
	if (m == NULL || m->pindex != index)
		return NULL;
	*link = 0;
	if (n != NULL) {
		n->used &= ~(1ull << node_digit(n, index));
		node_shrink(t, node_link, n);
	}
	return m;
}

/* least: the page with the least index below e; NULL if e is empty. */
static struct vm_page *
least(uintptr_t e)
{
	while (is_node(e))
		e = to_node(e)->slot[__builtin_ctzll(to_node(e)->used)];
	return to_page(e);
}

struct vm_page *
vm_radix_lookup_ge(const struct vm_radix *t, vm_pindex_t index)
{
	uintptr_t e = t->root, next = 0; /* next: the nearest subtree wholly above index */
	struct vm_page *m;

	while (is_node(e)) {
		struct vm_radix_node *n = to_node(e);
		uint64_t above;

		if (!node_covers(n, index))
			return least(index < node_first(n) ? e : next);
		above = n->used & ~((2ull << node_digit(n, index)) - 1);
		if (above != 0)
			next = n->slot[__builtin_ctzll(above)];
		e = n->slot[node_digit(n, index)];
	}
	m = to_page(e);
	return m != NULL && m->pindex >= index ? m : least(next);
}

/* find_slot: where the page with this index hangs; NULL if absent. */
static uintptr_t *
find_slot(struct vm_radix *t, vm_pindex_t index)
{
	uintptr_t *link = &t->root;
	struct vm_page *m;

	while (is_node(*link))
		link = &to_node(*link)->slot[node_digit(to_node(*link), index)];
	m = to_page(*link);
	return m != NULL && m->pindex == index ? link : NULL;
}

kern_return_t
vm_radix_put(struct vm_radix *t, struct vm_page *m, struct vm_page **old)
{
	uintptr_t *slot = find_slot(t, m->pindex);

	*old = NULL;
	if (slot == NULL)
		return vm_radix_insert(t, m);
	*old = to_page(*slot);
	*slot = (uintptr_t)m | PAGE_TAG;
	return KERN_SUCCESS;
}

/* ---- whole trees: recursion as deep as an index has digits ---- */

static bool
walk_below(const struct vm_radix_node *n, vm_radix_visitor *fn, void *arg)
{
	for (uint64_t left = n->used; left != 0; left &= left - 1) {
		uintptr_t e = n->slot[__builtin_ctzll(left)];

		if (!(is_node(e) ? walk_below(to_node(e), fn, arg) : fn(to_page(e), arg)))
			return false;
	}
	return true;
}

bool
vm_radix_walk(const struct vm_radix *t, vm_radix_visitor *fn, void *arg)
{
	if (is_node(t->root))
		return walk_below(to_node(t->root), fn, arg);
	return t->root == 0 || fn(to_page(t->root), arg);
}

static void
free_below(uintptr_t e)
{
	struct vm_radix_node *n = to_node(e);

	if (!is_node(e))
		return;
	if (n->shift != 0)
		for (uint64_t left = n->used; left != 0; left &= left - 1)
			free_below(n->slot[__builtin_ctzll(left)]);
	vm_zone_free(&node_zone, n);
}

void
vm_radix_clear(struct vm_radix *t)
{
	free_below(t->root);
	t->root = 0;
	t->leaf = NULL;
}
