/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Moving and resizing a range: the contents keep their place in their object, only the addresses
 * change.
 *
 *	shrink		[==========]            -->  [======]
 *	extend in place	[==========]            -->  [==========|new ]
 *	move, extend	[==========]            -->                     [==========|new ]
 *
 * A move takes an entry, or a part of one, out of the map and links it elsewhere: pages, offsets,
 * copies still due, wirings and charge go along, and no page is copied.  Mappings are left behind and
 * come back by faults; wired ones, which must not fault, are made at the new place first.
 *
 * What is new is an entry of its own, which merges with the old one if the two are alike.  It shows
 *
 *	private memory	zeroes: in the same object if that can be continued, else in one of its own
 *	shared memory	what its object has there
 *
 * Everything that can fail comes before the old range is touched: the entries that cuts will need,
 * limits, charge, the new part with its pages if it must be wired, the wired mappings at the new place.
 *
 * When a part of what shows one object moves, the order of addresses says no more about the order in
 * the object: it is SCATTERED then, and its parts are not continued over one another
 * (vm_object_coalesce).
 */
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vm_map.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"

struct move {
	vm_map_t map;
	vm_offset_t start, end; /* the range as it is */
	vm_size_t length;	/* as it will be, bytes */
	vm_offset_t to;		/* where it will begin */
	int flags;
	uint64_t vmem, memlock;	 /* the owner's limits */
	vm_map_entry_t e;	 /* the entry that holds the range */
	vm_map_entry_t new;	 /* the new part, if it grows */
	bool continued;		 /* ... is private, in e's object */
	vm_pindex_t object_size; /* of e's object, before that */
};

static bool
grows(const struct move *m)
{
	return m->length > m->end - m->start;
}

static vm_size_t
growth(const struct move *m)
{
	return m->length - (m->end - m->start);
}

/* kept: bytes of the range that stay mapped. */
static vm_size_t
kept(const struct move *m)
{
	return grows(m) ? m->end - m->start : m->length;
}

/* ---- judging ---- */

/* check_source: is the range one piece of ordinary memory? */
static kern_return_t
check_source(struct move *m)
{
	if (!vm_map_check_protection(m->map, m->start, m->end, VM_PROT_NONE))
		return KERN_INVALID_ADDRESS;
	vm_map_lookup_entry(m->map, m->start, &m->e);
	/* A stack belongs to its gap. */
	if (m->end > m->e->end || (m->e->eflags & VM_ENTRY_GROWS_DOWN))
		return KERN_INVALID_ARGUMENT;
	return m->e->offset + (m->start - m->e->start) + m->length < m->length
		   ? KERN_INVALID_ARGUMENT
		   : KERN_SUCCESS;
}

/* is_free: is nothing mapped in [start, end), not even a guard? */
static bool
is_free(vm_map_t map, vm_offset_t start, vm_offset_t end)
{
	vm_map_entry_t e;

	return !vm_map_lookup_entry(map, start, &e) && e->next->start >= end;
}

static kern_return_t
check_fixed(const struct move *m)
{
	vm_offset_t end = m->to + m->length;

	if (!vm_map_range_valid(m->map, m->to, end))
		return KERN_INVALID_ADDRESS;
	if (m->to < m->end && m->start < end)
		return KERN_INVALID_ARGUMENT;
	return is_free(m->map, m->to, end) ? KERN_SUCCESS : KERN_NO_SPACE;
}

/* has_room: can the range grow where it is? */
static bool
has_room(const struct move *m)
{
	return m->e->end == m->end && m->e->next->start - m->end >= growth(m);
}

/* choose_place: m->to is the place that is wished for, and becomes the one it will be. */
static kern_return_t
choose_place(struct move *m)
{
	vm_offset_t wish = m->to;

	if (m->flags & VM_MAP_MOVE_FIXED)
		return check_fixed(m);
	m->to = m->start;
	if (!grows(m) || has_room(m))
		return KERN_SUCCESS;
	if (!(m->flags & VM_MAP_MOVE_MAY))
		return KERN_NO_SPACE;
	if (vm_map_findspace_aligned(m->map, wish, m->length, PAGE_SIZE, &m->to) ||
	    vm_map_findspace_aligned(m->map, vm_map_min(m->map), m->length, PAGE_SIZE, &m->to))
		return KERN_SUCCESS;
	return KERN_NO_SPACE;
}

/* must_wire: the range grows: will the new part be wired?  As the old one is, or as all that is new. */
static bool
must_wire(const struct move *m)
{
	return (m->e->eflags & VM_ENTRY_USER_WIRED) ||
	       ((m->map->flags & VM_MAP_WIREFUTURE) &&
		(m->e->protection & (VM_PROT_READ | VM_PROT_EXECUTE)));
}

static kern_return_t
check_limits(const struct move *m)
{
	if (!grows(m))
		return KERN_SUCCESS;
	if (!vm_map_within_limit(m->map, m->vmem, growth(m), 0))
		return KERN_RESOURCE_SHORTAGE;
	if (must_wire(m) && (growth(m) > m->memlock || m->map->user_wired > m->memlock - growth(m)))
		return KERN_RESOURCE_SHORTAGE;
	return KERN_SUCCESS;
}

/* ---- the new part ---- */

/* What an advice has left with an entry; and what belongs to one entry alone. */
#define ADVISED	  (VM_ENTRY_NOCOREDUMP | VM_ENTRY_NOSYNC | VM_ENTRY_BEHAV_MASK)
#define NOT_TAKEN (VM_ENTRY_CHARGED | VM_ENTRY_USER_WIRED | VM_ENTRY_TOUCHED)

/*
 * continue_object: can the new part be the next one in e's object, all zero?  In place, the object
 * knows; at another place only if e alone shows it, to its end.
 */
static bool
continue_object(struct move *m)
{
	struct vm_object *object = m->e->object;
	bool alone;

	if (object == NULL)
		return true;
	if (m->end != m->e->end || (m->e->eflags & VM_ENTRY_NEEDS_COPY))
		return false;
	rwlock_read(&object->lock);
	alone = object->ref_count == 1;
	m->object_size = object->size;
	rwlock_read_unlock(&object->lock);
	return (alone || m->to == m->start) &&
	       vm_object_coalesce(object, m->e->offset, m->e->end - m->e->start, growth(m));
}

/* is_shared: may others see what is stored through e, which has an object? */
static bool
is_shared(const struct vm_map_entry *e)
{
	bool shared;

	/* What is still to be copied is nobody else's, whatever a fork will make of it. */
	if (e->eflags & VM_ENTRY_NEEDS_COPY)
		return false;
	rwlock_read(&e->object->lock);
	shared = vm_map_entry_shared(e);
	rwlock_read_unlock(&e->object->lock);
	return shared;
}

/* describe_new: what the new part will be like; its object, if it has one, with a reference. */
static void
describe_new(struct move *m, vm_map_entry_t new)
{
	const struct vm_map_entry *e = m->e;

	new->start = m->to + (m->end - m->start);
	new->end = m->to + m->length;
	new->protection = e->protection;
	new->max_protection = e->max_protection;
	new->inheritance = e->inheritance;
	vm_map_entry_own(m->e); /* whose sharers have gone, that is private again */
	m->continued = continue_object(m);
	if (!m->continued && !is_shared(e)) {
		new->eflags = e->eflags &(ADVISED | VM_ENTRY_NO_CHARGE);
		return;
	}
	new->eflags = e->eflags & ~(uint32_t)NOT_TAKEN;
	new->object = e->object;
	if (e->object != NULL)
		new->offset = e->offset + (m->end - e->start);
	vm_object_reference(e->object);
}

/* charge_new: false if it is refused. */
static bool
charge_new(vm_map_entry_t new)
{
	if (!vm_map_chargeable(new->eflags, new->object, new->protection))
		return true;
	if (!vm_charge(new->end - new->start))
		return false;
	new->eflags |= VM_ENTRY_CHARGED;
	return true;
}

/* link: put e, which is in no map, where its range says. */
static void
link(vm_map_t map, vm_map_entry_t e)
{
	vm_map_entry_t before;

	vm_map_lookup_entry(map, e->start, &before);
	vm_map_tree_link(map, before, e);
}

/* undo_new: the new part goes again, with the pages that it has in the old one's object. */
static void
undo_new(const struct move *m)
{
	vm_map_entry_t new = m->new;
	struct vm_object *object = new->object;
	vm_pindex_t first = atop(new->offset);

	if (new->wired_count != 0)
		vm_map_entry_unwire(m->map, new);
	pmap_remove(m->map->pmap, new->start, new->end);
	if (m->continued && object != NULL && object == m->e->object) {
		rwlock_write(&object->lock);
		vm_object_page_remove(object, first, first + atop(new->end - new->start));
		object->size = m->object_size;
		rwlock_write_unlock(&object->lock);
	}
	vm_map_entry_delete(m->map, new);
}

/* add_new: map the new part, wired if it must be.  An entry is reserved for it. */
static kern_return_t
add_new(struct move *m)
{
	kern_return_t kr = KERN_SUCCESS;
	vm_map_entry_t new = vm_map_entry_create(m->map);

	m->new = new;
	describe_new(m, new);
	link(m->map, new);
	m->map->size += new->end - new->start;
	if (!charge_new(new))
		kr = KERN_RESOURCE_SHORTAGE;
	else if (must_wire(m))
		kr = vm_map_wire_new(m->map, new);
	if (kr != KERN_SUCCESS)
		undo_new(m);
	return kr;
}

/* ---- the move ---- */

/* note_parts: e is a part of what shows its object, and is about to go elsewhere. */
static void
note_parts(struct vm_object *object)
{
	if (object == NULL)
		return;
	rwlock_write(&object->lock);
	if (object->ref_count > 1)
		object->flags |= VM_OBJECT_SCATTERED;
	rwlock_write_unlock(&object->lock);
}

/* enter_wired: what is wired is mapped at the new place before it is unmapped at the old one. */
static kern_return_t
enter_wired(const struct move *m)
{
	if (m->e->wired_count == 0)
		return KERN_SUCCESS;
	return vm_map_enter_wired_at(m->map, m->e, m->start, m->start + kept(m), m->to);
}

/* relocate: the entry's part that is kept goes to its new place, and what is not kept goes away.
 * Cannot fail any more: the entries for the cuts are reserved. */
static void
relocate(struct move *m)
{
	vm_map_entry_t e = m->e;
	vm_size_t length = kept(m);

	vm_map_clip_start(m->map, e, m->start);
	vm_map_clip_end(m->map, e, m->start + length);
	note_parts(e->object);
	pmap_remove(m->map->pmap, e->start, e->end);
	vm_map_tree_unlink(m->map, e);
	e->start = m->to;
	e->end = m->to + length;
	link(m->map, e);
	if (m->start + length < m->end)
		vm_map_delete(m->map, m->start + length, m->end);
}

/* Entries that a move may need: two for cuts, and one for the new part, or two that vm_map_delete
 * wants to see in reserve. */
#define MOVE_ENTRIES 4

/* move_judged: the range is checked, m->to is chosen. */
static kern_return_t
move_judged(struct move *m)
{
	kern_return_t kr = KERN_SUCCESS;

	if (m->to == m->start && !grows(m))
		return vm_map_delete(m->map, m->start + m->length, m->end);
	if (!vm_map_reserve(m->map, MOVE_ENTRIES))
		return KERN_RESOURCE_SHORTAGE;
	if (grows(m))
		kr = add_new(m);
	if (kr == KERN_SUCCESS && m->to != m->start) {
		kr = enter_wired(m);
		if (kr == KERN_SUCCESS)
			relocate(m);
		else if (grows(m))
			undo_new(m);
	}
	if (kr == KERN_SUCCESS)
		vm_map_simplify_range(m->map, m->to, m->to + m->length);
	return kr;
}

static kern_return_t
move_locked(struct move *m)
{
	kern_return_t kr = vm_map_wait_deletable(m->map, m->start, m->end);

	if (kr == KERN_SUCCESS)
		kr = check_source(m);
	if (kr == KERN_SUCCESS)
		kr = choose_place(m);
	if (kr == KERN_SUCCESS)
		kr = check_limits(m);
	return kr == KERN_SUCCESS ? move_judged(m) : kr;
}

/* move_check: what can be said without looking at the map's entries. */
static kern_return_t
move_check(const struct move *m, vm_size_t old_length)
{
	if (!page_aligned(m->start | old_length | m->length | m->to) || old_length == 0 ||
	    m->length == 0 || (m->flags & ~(VM_MAP_MOVE_MAY | VM_MAP_MOVE_FIXED)) != 0 ||
	    m->map->system)
		return KERN_INVALID_ARGUMENT;
	if (!vm_map_range_valid(m->map, m->start, m->end))
		return KERN_INVALID_ADDRESS;
	return KERN_SUCCESS;
}

/*
 * vm_map_move: [start, start + old_length) becomes new_length bytes long, and gets another place if it
 * must, and may, or is told to.
 *
 *	*addr	in: with _FIXED the new place, which must be free; with _MAY the lowest one that is
 *		welcome; else ignored.  Out: where the range is now
 *	flags	VM_MAP_MOVE_*; without any it stays where it is
 *
 * Locks:   none held; takes the map's; may sleep
 * Returns: KERN_SUCCESS
 *          KERN_INVALID_ADDRESS    a part of the range is not mapped; it, or the new place, is outside
 *                                  the map
 *          KERN_INVALID_ARGUMENT   unaligned, or empty; of several entries, or of a stack; the new place
 *                                  overlaps the old one; a new part would have to be wired whose pages
 *                                  are not at hand; a map of the kernel
 *          KERN_NO_SPACE           there is no room to grow, or the new place is taken
 *          KERN_RESOURCE_SHORTAGE  over LIMIT_VMEM, or LIMIT_MEMLOCK where the new part must be wired;
 *                                  no memory, or the commit charge was refused
 *          KERN_OUT_OF_BOUNDS      the new part must be wired, and lies beyond the end of its object
 *          KERN_ABORTED            killed while waiting for a wiring
 *          On failure nothing has changed, nor has *addr.
 * Source:  contracts 1.15, MOV-01 to MOV-04
 */
kern_return_t
vm_map_move(vm_map_t map, vm_offset_t start, vm_size_t old_length, vm_size_t new_length,
	    vm_offset_t *addr, int flags)
{
	struct move m = {
	    .map = map,
	    .start = start,
	    .end = start + old_length,
	    .length = new_length,
	    .to = flags & (VM_MAP_MOVE_MAY | VM_MAP_MOVE_FIXED) ? *addr : start,
	    .flags = flags,
	};
	kern_return_t kr = move_check(&m, old_length);

	if (kr != KERN_SUCCESS)
		return kr;
	m.vmem = vm_map_owner_limit(map, VM_LIMIT_VMEM);
	m.memlock = vm_map_owner_limit(map, VM_LIMIT_MEMLOCK);
	vm_map_lock(map);
	kr = move_locked(&m);
	vm_map_unlock(map);
	if (kr == KERN_SUCCESS)
		*addr = m.to;
	return kr;
}
