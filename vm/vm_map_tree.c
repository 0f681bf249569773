/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The index of a map: a balanced tree of its entries, keyed by address, which also finds free space.
 *
 * The tree is intrusive (the links are in the entries) so that a lookup and an insertion allocate
 * nothing.  Lookups write nothing, so any number of readers may search at once.  Each node keeps
 *
 *	rank	how high its subtree may be: more than the ranks of its children (no child: 0)
 *	max_gap	the largest free gap *before* any entry of its subtree, up to VM_MAP_GAP_CAP
 *
 *	min        e1.start  e1.end     e2.start        max
 *	 |---gap(e1)---|########|---gap(e2)---|####|-gap(header)-|
 *
 * As long as entries are only added, it is an AVL tree and the ranks are its heights.  Taking one out
 * changes no rank and moves nothing: so a leaf that comes to the same place again finds room.  (Sen,
 * Tarjan and Kim call it a ravl tree.)  The height stays logarithmic, though in the number of insertions
 * there ever were instead of entries.
 *
 * The gap before an entry follows from its list neighbour (the header's `end` is the map's min, its
 * `start` the max), so it is not stored.  First fit is a descent that skips every subtree whose
 * max_gap is too small: O(log n).  A change of a gap walks up only as long as a max_gap really changes.
 *
 * The map's hint is the entry linked last, or what is left beside one that was taken out: operations
 * come back to the same place.  Only writers move it.
 */
#include "kernel/base/panic.h"
#include "vm/vm_map.h"
#include "vm/vm_map_impl.h"

#define LOW  0 /* child[LOW]: addresses below */
#define HIGH 1

static int
rank(const struct vm_map_entry *e)
{
	return e == NULL ? 0 : e->rank;
}

static uint32_t
max_gap(const struct vm_map_entry *e)
{
	return e == NULL ? 0 : e->max_gap;
}

/* largest_gap: what e's max_gap must be, by its own gap and its children. */
static uint32_t
largest_gap(const struct vm_map_entry *e)
{
	uint32_t gap = vm_map_gap_capped(vm_map_entry_gap(e));
	uint32_t low = max_gap(e->child[LOW]), high = max_gap(e->child[HIGH]);

	if (gap < low)
		gap = low;
	return gap < high ? high : gap;
}

/* replace_child: where `parent` (NULL: the map) pointed to old, it points to new. */
static void
replace_child(vm_map_t map, vm_map_entry_t parent, vm_map_entry_t old, vm_map_entry_t new)
{
	if (parent == NULL)
		map->root = new;
	else
		parent->child[parent->child[HIGH] == old] = new;
	if (new != NULL)
		new->parent = parent;
}

/*
 * rotate: the child of e on the far side of `dir` takes e's place, e becomes its child on the side
 * of dir.  The largest gap of both together stays; ranks are the caller's to mend.
 *
 *	dir LOW:       e                 y
 *	              / \               / \
 *	             a   y      -->    e   c
 *	                / \           / \
 *	               b   c         a   b
 */
static void
rotate(vm_map_t map, vm_map_entry_t e, int dir)
{
	vm_map_entry_t y = e->child[!dir];

	e->child[!dir] = y->child[dir];
	if (y->child[dir] != NULL)
		y->child[dir]->parent = e;
	replace_child(map, e->parent, e, y);
	y->child[dir] = e;
	e->parent = y;
	y->max_gap = e->max_gap;
	e->max_gap = largest_gap(e);
}

/* make_room: e, of p's rank, is its child on `side`; its sibling is at least two lower, so p goes down
 * there, and e, or e's inner child if that is the higher one, takes its place. */
static void
make_room(vm_map_t map, vm_map_entry_t p, vm_map_entry_t e, int side)
{
	vm_map_entry_t inner = e->child[!side];

	if (e->rank == rank(inner) + 1) {
		rotate(map, e, side);
		inner->rank++;
		e->rank--;
	}
	rotate(map, p, !side);
	p->rank--;
}

/* rebalance: e may have come up to its parent's rank: mend that, and what follows from it above.  Nothing
 * follows when room was made. */
static void
rebalance(vm_map_t map, vm_map_entry_t e)
{
	vm_map_entry_t p;
	int side;

	for (; (p = e->parent) != NULL && p->rank == e->rank; e = p) {
		side = p->child[HIGH] == e ? HIGH : LOW;
		if (p->rank == rank(p->child[!side]) + 1)
			p->rank++;
		else
			make_room(map, p, e, side);
	}
}

/* update_gaps: the largest gaps from e upwards, until one does not change.  What does not change is not
 * written: another processor may have it in its cache. */
static inline void
update_gaps(vm_map_entry_t e)
{
	for (; e != NULL; e = e->parent) {
		uint32_t gap = largest_gap(e);

		if (gap == e->max_gap)
			return;
		e->max_gap = gap;
	}
}

/* update_gap: the gap before e (an entry or the header) has changed. */
static void
update_gap(vm_map_t map, vm_map_entry_t e)
{
	if (e != &map->header)
		update_gaps(e);
}

/* not_full_from: there may be room again from addr on. */
static void
not_full_from(vm_map_t map, vm_offset_t addr)
{
	if (map->full.to > addr)
		map->full.to = addr > map->full.from ? addr : map->full.from;
}

void
vm_map_tree_link(vm_map_t map, vm_map_entry_t after, vm_map_entry_t e)
{
	vm_map_entry_t next = after->next;

	e->prev = after;
	e->next = next;
	after->next = e;
	next->prev = e;

	/* Either `after` has no higher child, or `next` (the lowest below it) has no lower one. */
	e->child[LOW] = e->child[HIGH] = NULL;
	e->rank = 1;
	e->max_gap = vm_map_gap_capped(vm_map_entry_gap(e));
	if (after != &map->header && after->child[HIGH] == NULL) {
		after->child[HIGH] = e;
		e->parent = after;
	} else if (next != &map->header) {
		next->child[LOW] = e;
		e->parent = next;
	} else {
		map->root = e;
		e->parent = NULL;
	}
	map->nentries++;
	map->hint = e;
	update_gaps(e->parent);
	if (e->parent != next)
		update_gap(map, next);
	rebalance(map, e);
}

/* take_place: s, the successor of e, moves to e's place in the tree.  Returns the lowest node with another
 * child than before. */
static vm_map_entry_t
take_place(vm_map_t map, vm_map_entry_t e, vm_map_entry_t s)
{
	vm_map_entry_t from = s;

	if (s->parent != e) {
		from = s->parent;
		replace_child(map, from, s, s->child[HIGH]);
		s->child[HIGH] = e->child[HIGH];
		s->child[HIGH]->parent = s;
	}
	s->child[LOW] = e->child[LOW];
	s->child[LOW]->parent = s;
	replace_child(map, e->parent, e, s);
	s->rank = e->rank;
	s->max_gap = e->max_gap;
	return from;
}

void
vm_map_tree_unlink(vm_map_t map, vm_map_entry_t e)
{
	vm_map_entry_t next = e->next, from;

	e->prev->next = next;
	next->prev = e->prev;
	if (map->hint == e)
		map->hint = e->prev;
	not_full_from(map, e->prev->end);
	if (e->child[LOW] != NULL && e->child[HIGH] != NULL) {
		from = take_place(map, e, next);
	} else {
		from = e->parent;
		replace_child(map, from, e, e->child[e->child[LOW] == NULL]);
	}
	map->nentries--;
	update_gaps(from);
	if (from != next)
		update_gap(map, next);
}

void
vm_map_tree_grown(vm_map_t map, vm_map_entry_t e)
{
	update_gaps(e);
	update_gap(map, e->next);
}

void
vm_map_tree_trim(vm_map_t map, vm_map_entry_t e, vm_offset_t start, vm_offset_t end)
{
	not_full_from(map, start > e->start ? e->prev->end : end);
	e->start = start;
	e->end = end;
	update_gaps(e);
	update_gap(map, e->next);
}

boolean_t
vm_map_lookup_entry(vm_map_t map, vm_offset_t addr, vm_map_entry_t *entry)
{
	vm_map_entry_t e = map->hint, before = &map->header;

	/* Where the last change was, or right behind it? */
	if (e->start <= addr && addr < e->next->start) {
		*entry = e;
		return addr < e->end;
	}
	e = map->root;
	while (e != NULL) {
		if (addr < e->start) {
			e = e->child[LOW];
		} else {
			before = e;
			if (addr < e->end)
				break;
			e = e->child[HIGH];
		}
	}
	*entry = before;
	return e != NULL;
}

/* A search for free space. */
struct gap_search {
	vm_offset_t addr; /* the entry must start above it */
	vm_size_t length; /* the gap that is needed */
	uint32_t capped;  /* what to compare max_gap with */
};

/*
 * gap_below: the lowest entry of e's subtree that will do; NULL if none does.  A lower subtree whose
 * large gaps all lie below addr is searched in vain once, along one path; and one whose capped gaps
 * are all too short costs a look at each, of which an address space cannot hold many.
 */
static vm_map_entry_t
gap_below(const struct gap_search *s, vm_map_entry_t e)
{
	vm_map_entry_t found;

	while (e != NULL && e->max_gap >= s->capped) {
		if (e->start > s->addr) {
			if (max_gap(e->child[LOW]) >= s->capped) {
				found = gap_below(s, e->child[LOW]);
				if (found != NULL)
					return found;
			}
			if (vm_map_entry_gap(e) >= s->length)
				return e;
		}
		e = e->child[HIGH];
	}
	return NULL;
}

vm_map_entry_t
vm_map_tree_gap(vm_map_t map, vm_offset_t addr, vm_size_t length)
{
	struct gap_search s = {addr, length, vm_map_gap_capped(length)};
	vm_map_entry_t e = gap_below(&s, map->root);

	if (e == NULL && vm_map_entry_gap(&map->header) >= length)
		e = &map->header;
	return e;
}
