/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stacks that grow by page faults.
 *
 *	addrbos                                                       addrbos + max_ssize
 *	|<-------------------------- max_ssize ------------------------------->|
 *	|<-- guard -->|
 *	+-------------+---------------------------------+----------------------+
 *	|  STACK_GAP entry (no access; its lowest guard |  stack entry         |
 *	|  bytes are never given out)                   |  GROWS_DOWN, init    |
 *	+-------------+---------------------------------+----------------------+
 *	                              <-- grows by vm_sgrowsiz, or what is needed
 *
 * The gap is a real entry, so nothing else is placed in it, and it carries the protections the
 * stack was created with, so that growth does not depend on what became of the lowest page.  The
 * gap is live if the entry right above it is GROWS_DOWN; after the stack was unmapped or something
 * was mapped over the gap's upper part it is an orphan and never grows.
 *
 * A stack entry counts its offset from addrbos, so it can be extended downwards in place: one stack
 * is one entry, plus one for each time its lowest part was given other attributes.
 *
 * vm_map_growstack decides in this order (G1 to G9 of docs/book/stacks.md):
 *	G1	addr is in a normal entry		nothing to do, success
 *	G2	addr is in no stack's gap		nothing to do, success: the caller looks again
 *	G3	the gap is an orphan			nothing to do, success
 *	G4	what is needed exceeds the gap less its guard	KERN_NO_SPACE
 *	G5	the main stack would exceed LIMIT_STACK		KERN_NO_SPACE
 *	G6	wired growth would exceed LIMIT_MEMLOCK		KERN_NO_SPACE
 *	G7	the map would exceed LIMIT_VMEM			KERN_NO_SPACE
 *	G8	the commit charge is refused			KERN_RESOURCE_SHORTAGE
 *	G9	grow by vm_sgrowsiz, less where a limit says so
 * The rounding of the growth never turns a permitted one into a refusal: every limit is tested with
 * what is needed and clamps what is wanted.
 *
 * Locks: proc lock for the whole call (the limits are the process's), then the map, exclusively.
 */
#include "kernel/base/panic.h"
#include "vm/vm_charge.h"
#include "vm/vm_map.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_proc.h"
#include "vm/vmspace.h"

static vm_size_t
guard_size(void)
{
	return ptoa(vm_stack_guard_pages);
}

/* ---- creation ---- */

/* stack_check: everything about the reservation but who lies in it; *init gets the part to map. */
static kern_return_t
stack_check(vm_map_t map, vm_offset_t addrbos, vm_size_t max_ssize, vm_prot_t prot, vm_prot_t max,
	    vm_size_t *init)
{
	if (!page_aligned(addrbos | max_ssize) || (prot & ~max) != 0)
		return KERN_INVALID_ARGUMENT;
	if (max_ssize == 0)
		return KERN_INVALID_ADDRESS;
	if (addrbos < vm_map_min(map) || addrbos >= vm_map_max(map) ||
	    max_ssize > vm_map_max(map) - addrbos || guard_size() >= max_ssize)
		return KERN_NO_SPACE;
	*init = max_ssize - guard_size();
	if (*init > vm_sgrowsiz)
		*init = vm_sgrowsiz;
	if (map->owner != NULL && map->size + *init > proc_limit(map->owner, VM_LIMIT_VMEM))
		return KERN_NO_SPACE;
	return KERN_SUCCESS;
}

/* The map flags of vm_map_stack that concern the stack entry. */
#define STACK_COW_MASK                                                                       \
	(MAP_DISABLE_COREDUMP | MAP_DISABLE_SYNCER | MAP_INHERIT_SHARE | MAP_ACC_NO_CHARGE | \
	 MAP_COPY_ON_WRITE)

kern_return_t
vm_map_stack_locked(vm_map_t map, vm_offset_t addrbos, vm_size_t max_ssize, vm_prot_t prot,
		    vm_prot_t max, int cow)
{
	vm_offset_t top = addrbos + max_ssize, bottom;
	vm_map_entry_t stack, gap;
	vm_size_t init;
	kern_return_t kr;

	ASSERT(vm_map_locked(map), "map %p", map);
	kr = stack_check(map, addrbos, max_ssize, prot, max, &init);
	if (kr != KERN_SUCCESS)
		return kr;
	/* The whole reservation must be free, the part that is not mapped yet too. */
	if (vm_map_lookup_entry(map, addrbos, &gap) || gap->next->start < top)
		return KERN_NO_SPACE;
	if (!vm_map_reserve(map, 2))
		return KERN_RESOURCE_SHORTAGE;

	bottom = top - init;
	kr = vm_map_insert(map, NULL, bottom - addrbos, bottom, top, prot, max,
			   (cow & STACK_COW_MASK) | MAP_STACK_AREA);
	if (kr != KERN_SUCCESS)
		return kr;
	vm_map_lookup_entry(map, bottom, &stack);
	kr = vm_map_insert(map, NULL, 0, addrbos, bottom, VM_PROT_NONE, VM_PROT_NONE,
			   MAP_CREATE_STACK_GAP);
	VERIFY(kr == KERN_SUCCESS, "no gap %#lx-%#lx though there is room and an entry: %d",
	       addrbos, bottom, kr);
	gap = stack->prev;
	gap->inheritance = stack->inheritance;
	gap->gap_guard = guard_size();
	gap->gap_protection = prot;
	gap->gap_max_protection = max;
	gap->gap_eflags = stack->eflags & ~VM_ENTRY_CHARGED;
	return KERN_SUCCESS;
}

/*
 * vm_map_stack: reserve [addrbos, addrbos + max_ssize) for a stack and map its top part.
 *
 *	addrbos		lowest address of the reservation
 *	max_ssize	bytes of the reservation, guard included
 *	prot, max	of the stack, now and as it grows
 *	cow		MAP_* flags for the stack entry
 *
 * Locks:   none held; takes the owner's process lock for the duration, then the map's
 * Returns: KERN_SUCCESS           two new entries; no page is allocated, nothing is wired
 *          KERN_NO_SPACE          over LIMIT_VMEM, out of the map's range, something lies in the
 *                                 reservation, or it cannot hold the guard
 *          KERN_INVALID_ADDRESS   max_ssize is 0
 *          KERN_INVALID_ARGUMENT  unaligned, or prot exceeds max
 *          otherwise as vm_map_insert.  On failure nothing has changed.
 * Source:  vm_map_stack(9); contracts 2.1, STK-01 to STK-22
 */
kern_return_t
vm_map_stack(vm_map_t map, vm_offset_t addrbos, vm_size_t max_ssize, vm_prot_t prot, vm_prot_t max,
	     int cow)
{
	struct proc *p = map->owner;
	kern_return_t kr;

	if (p != NULL)
		proc_lock(p);
	vm_map_lock(map);
	kr = vm_map_stack_locked(map, addrbos, max_ssize, prot, max, cow);
	vm_map_unlock(map);
	if (p != NULL)
		proc_unlock(p);
	return kr;
}

/* ---- growth ---- */

/* A growth under consideration. */
struct growth {
	struct proc *p;
	struct vmspace *vm;
	vm_map_t map;
	vm_map_entry_t gap, stack;
	bool main_stack;
	vm_size_t need;	  /* bytes without which addr is not reached */
	vm_size_t amount; /* bytes to grow by: at least need */
};

/* find_gap: G1 to G3: is addr in a live gap?  The map is locked, shared suffices. */
static bool
find_gap(struct growth *g, vm_offset_t addr)
{
	vm_map_entry_t e;

	if (!vm_map_lookup_entry(g->map, addr, &e) || !(e->eflags & VM_ENTRY_STACK_GAP))
		return false;
	if (e->next->start != e->end || !(e->next->eflags & VM_ENTRY_GROWS_DOWN))
		return false;
	g->gap = e;
	g->stack = e->next;
	g->need = g->stack->start - trunc_page(addr);
	g->main_stack = addr >= g->vm->vm_maxsaddr && addr < g->vm->vm_stacktop;
	return true;
}

/* clamp: at most `room` bytes may be grown; false if that is less than needed. */
static bool
clamp(struct growth *g, uint64_t used, uint64_t limit)
{
	uint64_t room = limit > used ? trunc_page(limit - used) : 0;

	if (g->need > room)
		return false;
	if (g->amount > room)
		g->amount = room;
	return true;
}

/* growth_allowed: G4 to G7; sets the amount. */
static bool
growth_allowed(struct growth *g)
{
	vm_size_t room = g->gap->end - g->gap->start;

	g->amount = (g->need + vm_sgrowsiz - 1) / vm_sgrowsiz * vm_sgrowsiz;
	if (!clamp(g, g->gap->gap_guard, room))
		return false;
	if (g->main_stack && !clamp(g, ptoa(g->vm->vm_ssize), proc_limit(g->p, VM_LIMIT_STACK)))
		return false;
	if ((g->map->flags & VM_MAP_WIREFUTURE) &&
	    !clamp(g, g->map->user_wired, proc_limit(g->p, VM_LIMIT_MEMLOCK)))
		return false;
	return clamp(g, g->map->size, proc_limit(g->p, VM_LIMIT_VMEM));
}

/*
 * holds_more: may the `amount` bytes below e be in e's object?  Not if that is shared, or still counts
 * as such: it is charged as a whole.  (If it is still to be copied, nothing is written to it.)  If so,
 * it is shown from there on.
 */
static bool
holds_more(const struct vm_map_entry *e, vm_size_t amount)
{
	struct vm_object *object = e->object;
	vm_pindex_t first = atop(e->offset - amount);
	bool alone;

	if (object == NULL)
		return true;
	rwlock_write(&object->lock);
	alone = !(object->flags & VM_OBJECT_SHARED);
	if (alone && object->first > first)
		object->first = first;
	rwlock_write_unlock(&object->lock);
	return alone;
}

/*
 * extends_in_place: is the lowest part of the stack still what the gap would create?  An entry that
 * is still to be copied after a fork counts as such: below its pages there is nothing to copy.
 */
static bool
extends_in_place(const struct growth *g, uint32_t charged)
{
	const struct vm_map_entry *s = g->stack, *gap = g->gap;
	const uint32_t copy = VM_ENTRY_COW | VM_ENTRY_NEEDS_COPY;

	if (g->map->flags & VM_MAP_WIREFUTURE)
		return false; /* the new part is wired by itself, later */
	return s->protection == gap->gap_protection &&
	       s->max_protection == gap->gap_max_protection && s->inheritance == gap->inheritance &&
	       s->wired_count == 0 && (s->eflags | copy) == (gap->gap_eflags | charged | copy) &&
	       s->offset >= g->amount && holds_more(s, g->amount);
}

/* grow_charge: charge the amount, or at least what is needed. */
static bool
grow_charge(struct growth *g)
{
	if (vm_charge(g->amount))
		return true;
	g->amount = g->need;
	return vm_charge(g->amount);
}

/* link_lowest: e becomes the lowest entry of the stack, [start, end), with the creation values. */
static void
link_lowest(struct growth *g, vm_map_entry_t e, vm_offset_t start, uint32_t charged)
{
	e->start = start;
	e->end = g->stack->start;
	e->offset = g->stack->offset - g->amount;
	e->eflags = g->gap->gap_eflags | charged;
	e->protection = g->gap->gap_protection;
	e->max_protection = g->gap->gap_max_protection;
	e->inheritance = g->gap->inheritance;
	vm_map_tree_link(g->map, g->stack->prev, e);
}

/* grow: G8 and G9.  Everything that can fail comes before the first change. */
static kern_return_t
grow(struct growth *g)
{
	bool charge =
	    (g->gap->gap_protection & VM_PROT_WRITE) && !(g->gap->gap_eflags & VM_ENTRY_NO_CHARGE);
	uint32_t charged = charge ? VM_ENTRY_CHARGED : 0;
	vm_map_entry_t new = NULL;
	vm_offset_t start;

	if (!extends_in_place(g, charged)) {
		new = vm_map_entry_create(g->map);
		if (new == NULL)
			return KERN_RESOURCE_SHORTAGE;
	}
	if (charged && !grow_charge(g)) {
		if (new != NULL)
			vm_map_entry_dispose(g->map, new);
		return KERN_RESOURCE_SHORTAGE;
	}
	start = g->stack->start - g->amount;
	ASSERT(start > g->gap->start, "the gap %#lx-%#lx would be empty", g->gap->start,
	       g->gap->end);
	g->gap->end = start; /* nothing is free in between: the tree stays as it is */
	if (new != NULL) {
		link_lowest(g, new, start, charged);
	} else {
		g->stack->start = start;
		g->stack->offset -= g->amount;
	}
	g->map->size += g->amount;
	if (g->main_stack)
		g->vm->vm_ssize += atop(g->amount);
	return KERN_SUCCESS;
}

/*
 * vm_map_growstack: extend a stack of p down to addr.
 *
 *	p	process whose own map is meant; its limits apply
 *	addr	byte address that was touched
 *
 * Locks:   none held; takes p's lock throughout, then p's map, shared and then exclusively; sleeps
 * Returns: KERN_SUCCESS            addr is mapped now, was mapped, or lies in no stack's gap
 *                                  (the caller looks again, once)
 *          KERN_NO_SPACE           the guard or a limit forbids it
 *          KERN_RESOURCE_SHORTAGE  no memory, or the commit charge was refused
 *          On failure nothing has changed.
 * Source:  vm_map_stack(9); contracts 2.2, GRW-01 to GRW-28
 */
kern_return_t
vm_map_growstack(struct proc *p, vm_offset_t addr)
{
	struct growth g = {.p = p};
	kern_return_t kr = KERN_SUCCESS;

	proc_lock(p);
	g.vm = proc_vmspace(p);
	if (g.vm == NULL) {
		/* p has ended meanwhile: there is no stack of its. */
		proc_unlock(p);
		return KERN_SUCCESS;
	}
	g.map = &g.vm->vm_map;
	/* Growth changes the map, so it never happens under the shared lock; a failed upgrade means
	 * that anything may have changed. */
	for (;;) {
		vm_map_lock_read(g.map);
		if (!find_gap(&g, addr)) {
			vm_map_unlock_read(g.map);
			break;
		}
		if (vm_map_lock_upgrade(g.map) != 0)
			continue;
		kr = growth_allowed(&g) ? grow(&g) : KERN_NO_SPACE;
		vm_map_unlock(g.map);
		break;
	}
	proc_unlock(p);
	return kr;
}
