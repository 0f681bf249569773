/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The auditor: checks the invariants of vm_map.h (I1 to I11) over a whole map and panics with the
 * entry that breaks one.  Debug builds run it when a map lock is released: always up to
 * AUDIT_ALWAYS entries and AUDIT_ALWAYS_PAGES mapped pages; above that every AUDIT_EVERY-th time,
 * and around the last change otherwise.
 *
 * It trusts nothing: gaps and sums are counted again from the list.
 */
#include "kernel/base/panic.h"
#include "vm/pmap.h"
#include "vm/vm_map.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"

#ifdef CONFIG_DEBUG

#define AUDIT_ALWAYS	   256
#define AUDIT_ALWAYS_PAGES 4096
#define AUDIT_EVERY	   1024

#define AUDIT(cond, id, e)                                                                    \
	VERIFY(cond, "map invariant %s: entry %#lx-%#lx flags %#x prot %#x/%#x wired %u", id, \
	       (e)->start, (e)->end, (e)->eflags, (e)->protection, (e)->max_protection,       \
	       (e)->wired_count)

static void
audit_guard(const struct vm_map_entry *e)
{
	if (!(e->eflags & VM_ENTRY_STACK_GAP))
		AUDIT(e->object == NULL, "I5 (guard with an object)", e);
	AUDIT(e->protection == VM_PROT_NONE && e->max_protection == VM_PROT_NONE,
	      "I5 (guard with rights)", e);
	AUDIT(!(e->eflags & VM_ENTRY_CHARGED) && e->wired_count == 0, "I5 (guard charged or wired)",
	      e);
}

static void
audit_submap(vm_map_t map, const struct vm_map_entry *e)
{
	AUDIT(map->system, "I7 (submap in a user map)", e);
	AUDIT(!(e->eflags & (VM_ENTRY_COW | VM_ENTRY_CHARGED)), "I7 (submap flags)", e);
	AUDIT(e->sub_map != NULL && e->sub_map->pmap == map->pmap &&
		  vm_map_min(e->sub_map) <= e->start && vm_map_max(e->sub_map) >= e->end,
	      "I7 (submap bounds)", e);
}

/* audit_entry: what can be said of one entry by itself and its neighbours. */
static void
audit_entry(vm_map_t map, const struct vm_map_entry *e)
{
	AUDIT(e->start < e->end && page_aligned(e->start | e->end), "I1 (range)", e);
	AUDIT(e->start >= e->prev->end && e->prev->next == e && e->next->prev == e, "I1 (order)",
	      e);
	AUDIT(e->start >= vm_map_min(map) && e->end <= vm_map_max(map), "I1 (bounds)", e);
	AUDIT((e->protection & ~e->max_protection) == 0, "I2", e);
	AUDIT(!(e->eflags & VM_ENTRY_NEEDS_COPY) || (e->eflags & VM_ENTRY_COW), "I4", e);
	AUDIT(!(e->eflags & VM_ENTRY_STACK_GAP) || (e->eflags & VM_ENTRY_GUARD), "I6", e);
	AUDIT(!(e->eflags & VM_ENTRY_USER_WIRED) || e->wired_count >= 1, "I8", e);
	AUDIT(e->wired_count == 0 || (e->eflags & VM_ENTRY_IN_TRANSITION) ||
		  !(e->eflags & VM_ENTRY_NEEDS_COPY) || !(e->protection & VM_PROT_WRITE),
	      "I8 (wired, and to be copied)", e);
	if (e->eflags & VM_ENTRY_IS_SUB_MAP)
		audit_submap(map, e);
	else if (e->eflags & VM_ENTRY_GUARD)
		audit_guard(e);
	else if (e->object != NULL)
		AUDIT(__atomic_load_n(&e->object->ref_count, __ATOMIC_RELAXED) >= 1, "I9", e);
}

/* audit_node: I10 at one node, its children being right. */
static void
audit_node(vm_map_t map, const struct vm_map_entry *e)
{
	vm_size_t gap = vm_map_gap_capped(vm_map_entry_gap(e));

	for (int side = 0; side < 2; side++) {
		const struct vm_map_entry *c = e->child[side];

		if (c == NULL)
			continue;
		AUDIT(c->parent == e, "I10 (parent link)", c);
		AUDIT(side == 0 ? c->start < e->start : c->start > e->start, "I10 (tree order)", c);
		AUDIT(c->rank < e->rank, "I10 (rank)", c);
		if (c->max_gap > gap)
			gap = c->max_gap;
	}
	AUDIT(e->rank >= 1, "I10 (rank)", e);
	AUDIT(e->max_gap == gap, "I10 (largest gap)", e);
	AUDIT(e->parent != NULL || map->root == e, "I10 (root)", e);
}

/* audit_totals: I3. */
static void
audit_totals(vm_map_t map)
{
	vm_size_t size = 0, wired = 0;
	uint32_t n = 0;
	const struct vm_map_entry *e;

	vm_map_for_each (e, map) {
		n++;
		if (!(e->eflags & VM_ENTRY_GUARD))
			size += e->end - e->start;
		if (e->eflags & VM_ENTRY_USER_WIRED)
			wired += e->end - e->start;
	}
	VERIFY(n == map->nentries, "map invariant I3: %u entries, counted %u", map->nentries, n);
	VERIFY(size == map->size, "map invariant I3: size %#zx, counted %#zx", map->size, size);
	VERIFY(wired == map->user_wired, "map invariant I8: wired %#zx, counted %#zx",
	       map->user_wired, wired);
}

/* audit_full: is what first fit skips really full? */
static void
audit_full(vm_map_t map)
{
	const struct vm_map_entry *e = map->header.next;

	for (;; e = e->next) {
		vm_offset_t low = e->prev->end;

		if (low < map->full.from)
			low = map->full.from;
		AUDIT(low >= map->full.to || e->start < low || e->start - low < map->full.length,
		      "full (room below)", e);
		if (e == &map->header)
			return;
	}
}

/* may_write: may the page (NULL: a device's frame) be hardware-writable through e? */
static bool
may_write(const struct vm_map_entry *e, const struct vm_page *m)
{
	if (m == NULL)
		return vm_map_entry_is_device(e) && (e->protection & VM_PROT_WRITE);
	return (e->protection & VM_PROT_WRITE) && !(e->eflags & VM_ENTRY_NEEDS_COPY) &&
	       m->object == e->object;
}

/* audit_entry_mappings: I4 and I11 for the pages mapped in e, whose object is locked: so a page of it
 * that is mapped stays its page.  (Its rights may go meanwhile.) */
static void
audit_entry_mappings(vm_map_t map, const struct vm_map_entry *e)
{
	vm_offset_t va, next = e->start;
	struct pmap_mapping mapping;

	for (; pmap_next(map->pmap, next, e->end, &va); next = va + PAGE_SIZE) {
		if (!pmap_query(map->pmap, va, &mapping))
			continue;
		AUDIT((mapping.page == NULL) == vm_map_entry_is_device(e), "I11 (a device's frame)",
		      e);
		AUDIT((mapping.prot & VM_PROT_EXECUTE & ~e->protection) == 0,
		      "I11 (executable page)", e);
		AUDIT(!(mapping.prot & VM_PROT_WRITE) || may_write(e, mapping.page),
		      "I4/I11 (writable page)", e);
	}
}

/* audit_unmapped: I11: nothing is mapped in [start, end), where no entry allows it. */
static void
audit_unmapped(vm_map_t map, vm_offset_t start, vm_offset_t end)
{
	vm_offset_t va;

	if (start < end)
		VERIFY(!pmap_next(map->pmap, start, end, &va),
		       "map invariant I11: %#lx is mapped but in no entry", va);
}

/* audit_mappings: every page mapped in a user pmap is allowed by an entry. */
static void
audit_mappings(vm_map_t map)
{
	vm_offset_t next = vm_map_min(map);
	const struct vm_map_entry *e;

	if (map->system)
		return; /* the pmap is shared with other maps */
	vm_map_for_each (e, map) {
		/* Without an object it never had a page. */
		if ((e->eflags & VM_ENTRY_GUARD) || e->object == NULL)
			continue;
		audit_unmapped(map, next, e->start);
		rwlock_read(&e->object->lock);
		audit_entry_mappings(map, e);
		rwlock_read_unlock(&e->object->lock);
		next = e->end;
	}
	audit_unmapped(map, next, vm_map_max(map));
}

void
vm_map_audit(vm_map_t map)
{
	const struct vm_map_entry *e;

	vm_map_for_each (e, map) {
		audit_entry(map, e);
		audit_node(map, e);
	}
	audit_totals(map);
	audit_full(map);
	audit_mappings(map);
}

/* audit_around: the place of the last change: the entry, its neighbours, and the way to the root. */
static void
audit_around(vm_map_t map, const struct vm_map_entry *hint)
{
	const struct vm_map_entry *around[] = {hint->prev, hint, hint->next};

	for (unsigned i = 0; i < 3; i++)
		if (around[i] != &map->header)
			audit_entry(map, around[i]);
	if (hint == &map->header)
		return;
	for (const struct vm_map_entry *e = hint; e != NULL; e = e->parent)
		audit_node(map, e);
}

void
vm_map_audit_unlock(vm_map_t map)
{
	bool small = map->nentries <= AUDIT_ALWAYS &&
		     (map->system || pmap_resident_count(map->pmap) <= AUDIT_ALWAYS_PAGES);

	if (small || ++map->audits % AUDIT_EVERY == 0)
		vm_map_audit(map);
	else
		audit_around(map, map->hint);
}

#endif
