/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Attributes of ranges: protection, inheritance, and a question about them.
 *
 * vm_map_protect changes all of a range or none of it: one pass judges every entry and adds up what
 * must be charged, then the ends are clipped and a second pass, which cannot fail, applies.
 *
 * A stack's gap is no memory yet, it only records what its stack was created with.  A range that
 * covers the whole gap changes that record; a range that begins inside it leaves it alone (a clip
 * would orphan the lower part and stop the stack).
 */
#include "kernel/base/panic.h"
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vm_map.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_wire.h"

/* ---- protect ---- */

/*
 * protect_due: bytes to charge if e, of which `bytes` are in the range, gets new_prot: its own, or what
 * the object that it shares with others stands for.  The parts of a cut entry follow each other, so
 * *counted, the last object that was added, is added once.
 */
static vm_size_t
protect_due(const struct vm_map_entry *e, vm_size_t bytes, vm_prot_t new_prot,
	    const struct vm_object **counted)
{
	vm_size_t due;

	if (e->eflags & VM_ENTRY_CHARGED)
		return 0;
	if (vm_map_chargeable(e->eflags, e->object, new_prot))
		return bytes;
	/* A guard, and what has no object, is never charged: then no object is asked. */
	due = vm_map_object_due(e->eflags, e->object, new_prot);
	if (due == 0 || e->object == *counted)
		return 0;
	*counted = e->object;
	return due;
}

/* protect_charge: e, which is no guard, becomes writable; what it is charged with now is taken from *got. */
static void
protect_charge(vm_map_entry_t e, vm_prot_t new_prot, vm_size_t *got)
{
	if (e->eflags & VM_ENTRY_CHARGED)
		return;
	if (vm_map_chargeable(e->eflags, e->object, new_prot)) {
		e->eflags |= VM_ENTRY_CHARGED;
		*got -= e->end - e->start;
	} else if (e->object != NULL) {
		vm_map_object_commit(e->eflags, e->object, new_prot, got);
	}
}

/* protect_check: may the whole range change?  The bytes to charge are added to *charge. */
static kern_return_t
protect_check(vm_map_t map, vm_offset_t start, vm_offset_t end, vm_prot_t new_prot, bool set_max,
	      vm_size_t *charge)
{
	const struct vm_object *counted = NULL;
	vm_offset_t next = start;
	vm_map_entry_t e;
	kern_return_t kr = KERN_SUCCESS;

	if (!set_max && (map->flags & VM_MAP_WXORX) && (new_prot & VM_PROT_WRITE) &&
	    (new_prot & VM_PROT_EXECUTE))
		kr = KERN_PROTECTION_FAILURE;
	vm_map_for_range (e, map, start, end) {
		vm_prot_t max = e->max_protection;

		if (e->start > next)
			return KERN_INVALID_ADDRESS;
		if (e->eflags & VM_ENTRY_IS_SUB_MAP)
			return KERN_INVALID_ARGUMENT;
		if (e->eflags & VM_ENTRY_STACK_GAP)
			max = e->gap_max_protection;
		if ((new_prot & ~max) != 0)
			kr = KERN_PROTECTION_FAILURE;
		if (!set_max && (new_prot & VM_PROT_WRITE))
			*charge +=
			    protect_due(e, vm_map_range_overlap(e, start, end), new_prot, &counted);
		next = e->end;
	}
	return next < end ? KERN_INVALID_ADDRESS : kr;
}

/* protect_gap: the record of a gap that the range covers. */
static void
protect_gap(vm_map_entry_t gap, vm_prot_t new_prot, bool set_max)
{
	if (set_max) {
		gap->gap_max_protection = new_prot;
		gap->gap_protection &= new_prot;
	} else {
		gap->gap_protection = new_prot;
	}
}

/* protect_entry: the second pass; rights that are lost are gone on every processor on return.  What e
 * is charged with now is taken from *charge. */
static void
protect_entry(vm_map_t map, vm_map_entry_t e, vm_prot_t new_prot, bool set_max, vm_size_t *charge)
{
	vm_prot_t old = e->protection;

	if (!set_max && (new_prot & VM_PROT_WRITE))
		protect_charge(e, new_prot, charge);
	if (e->object == vm_submap_object)
		e->eflags |= VM_ENTRY_TOUCHED;
	if (set_max) {
		e->max_protection = new_prot;
		e->protection &= new_prot;
	} else {
		e->protection = new_prot;
	}
	/* Rights gained are left to the next fault, but for wired memory, which has none.  An entry
	 * without an object has no page at all. */
	if ((old & ~e->protection) != 0 && e->object != NULL)
		pmap_protect(map->pmap, e->start, e->end, e->protection);
	if (e->wired_count != 0 && (e->protection & ~old) != 0)
		vm_map_enter_wired(map, e);
}

/*
 * protect_apply: the range is checked, clipped, and charged with `charge` bytes.  Some of them may not
 * be needed any more: another who shares the object has had it charged meanwhile.
 */
static void
protect_apply(vm_map_t map, vm_offset_t start, vm_offset_t end, vm_prot_t new_prot, bool set_max,
	      vm_size_t charge)
{
	vm_map_entry_t e;

	vm_map_for_range (e, map, start, end) {
		if (!(e->eflags & VM_ENTRY_GUARD))
			protect_entry(map, e, new_prot, set_max, &charge);
		else if ((e->eflags & VM_ENTRY_STACK_GAP) && vm_map_range_covers(start, end, e))
			protect_gap(e, new_prot, set_max);
	}
	vm_uncharge(charge);
	vm_map_simplify_range(map, start, end);
}

/* protect_copy_wired: wired memory must never fault, so entries that would need their copy at the
 * next write get it now. */
static kern_return_t
protect_copy_wired(vm_map_t map, vm_offset_t start, vm_offset_t end)
{
	vm_map_entry_t e;
	kern_return_t kr = KERN_SUCCESS;

	vm_map_for_range (e, map, start, end)
		if (e->wired_count != 0 && kr == KERN_SUCCESS)
			kr = vm_map_copy_wired_pages(map, e);
	return kr;
}

/*
 * vm_map_protect: set the protection of [start, end), or with set_max the largest protection there
 * may ever be (the current one is cut to fit).
 *
 * Locks:   none held; takes the map's for the whole call; may sleep
 * Returns: KERN_SUCCESS
 *          KERN_INVALID_ARGUMENT    unaligned or reversed range; a submap lies in it
 *          KERN_INVALID_ADDRESS     a part of it is not mapped
 *          KERN_PROTECTION_FAILURE  new_prot exceeds the max_protection of an entry (a plain guard
 *                                   has none), or asks for write and execute on a W^X map
 *          KERN_RESOURCE_SHORTAGE   no memory, or the commit charge was refused
 *          KERN_ABORTED             killed while waiting for a wiring
 *          On failure no entry's protection has changed.
 * Source:  vm_map_protect(9); contracts 1.6, PRT-01 to PRT-19
 */
kern_return_t
vm_map_protect(vm_map_t map, vm_offset_t start, vm_offset_t end, vm_prot_t new_prot,
	       boolean_t set_max)
{
	vm_size_t charge = 0;
	kern_return_t kr;

	if (vm_map_range_bad(start, end) || (new_prot & ~VM_PROT_ALL) != 0)
		return KERN_INVALID_ARGUMENT;
	if (start == end)
		return KERN_SUCCESS;
	kr = vm_map_lock_range(map, start, end);
	if (kr != KERN_SUCCESS)
		return kr;
	kr = protect_check(map, start, end, new_prot, set_max, &charge);
	if (kr == KERN_SUCCESS && !vm_map_reserve_cuts(map, start, end))
		kr = KERN_RESOURCE_SHORTAGE;
	if (kr == KERN_SUCCESS && !vm_charge(charge))
		kr = KERN_RESOURCE_SHORTAGE;
	if (kr == KERN_SUCCESS) {
		vm_map_clip_range(map, start, end);
		if (!set_max && (new_prot & VM_PROT_WRITE))
			kr = protect_copy_wired(map, start, end);
		if (kr != KERN_SUCCESS) {
			vm_uncharge(charge);
			vm_map_simplify_range(map, start, end);
		} else {
			protect_apply(map, start, end, new_prot, set_max, charge);
		}
	}
	vm_map_unlock(map);
	return kr;
}

/* ---- inherit ---- */

static bool
inheritance_valid(vm_inherit_t inheritance)
{
	return inheritance == VM_INHERIT_SHARE || inheritance == VM_INHERIT_COPY ||
	       inheritance == VM_INHERIT_NONE || inheritance == VM_INHERIT_ZERO;
}

/* range_has_device: does any of [start, end) show a device?  That cannot be copied. */
static bool
range_has_device(vm_map_t map, vm_offset_t start, vm_offset_t end)
{
	vm_map_entry_t e;

	vm_map_for_range (e, map, start, end) {
		if (vm_map_entry_is_device(e))
			return true;
	}
	return false;
}

static void
inherit_apply(vm_map_t map, vm_offset_t start, vm_offset_t end, vm_inherit_t inheritance)
{
	vm_map_entry_t e;

	vm_map_for_range (e, map, start, end) {
		if ((e->eflags & VM_ENTRY_GUARD) && inheritance == VM_INHERIT_ZERO)
			continue;
		/* Only a gap, which is not cut, can reach beyond the range. */
		if (vm_map_range_covers(start, end, e))
			e->inheritance = inheritance;
		if (e->object == vm_submap_object)
			e->eflags |= VM_ENTRY_TOUCHED;
	}
	vm_map_simplify_range(map, start, end);
}

/*
 * vm_map_inherit: set what a fork does with [start, end).  Holes are fine.
 *
 * Locks:   none held; takes the map's for the whole call; may sleep
 * Returns: KERN_SUCCESS
 *          KERN_INVALID_ARGUMENT   no such inheritance, a bad range, a submap in it; copies of a
 *                                  device
 *          KERN_RESOURCE_SHORTAGE  no memory for a cut
 *          KERN_ABORTED            killed while waiting for a wiring
 *          On failure nothing has changed.
 * Source:  contracts 1.6, INH-01 to INH-04
 */
kern_return_t
vm_map_inherit(vm_map_t map, vm_offset_t start, vm_offset_t end, vm_inherit_t new_inheritance)
{
	kern_return_t kr;

	if (!inheritance_valid(new_inheritance) || vm_map_range_bad(start, end))
		return KERN_INVALID_ARGUMENT;
	if (start == end)
		return KERN_SUCCESS;
	kr = vm_map_lock_range(map, start, end);
	if (kr != KERN_SUCCESS)
		return kr;
	if (vm_map_range_has_submap(map, start, end) ||
	    (new_inheritance == VM_INHERIT_COPY && range_has_device(map, start, end)))
		kr = KERN_INVALID_ARGUMENT;
	else if (!vm_map_reserve_cuts(map, start, end))
		kr = KERN_RESOURCE_SHORTAGE;
	if (kr == KERN_SUCCESS) {
		vm_map_clip_range(map, start, end);
		inherit_apply(map, start, end, new_inheritance);
	}
	vm_map_unlock(map);
	return kr;
}

/* ---- a question ---- */

/*
 * vm_map_check_protection: is all of [start, end) mapped with at least the rights in prot?
 *
 * Locks:   map locked, shared suffices
 * Returns: TRUE or FALSE.  An empty or reversed range: is start mapped?
 * Source:  contracts 1.3, CHK-01
 */
boolean_t
vm_map_check_protection(vm_map_t map, vm_offset_t start, vm_offset_t end, vm_prot_t prot)
{
	vm_offset_t next = start;
	vm_map_entry_t e;

	if (!vm_map_lookup_entry(map, start, &e) || (e->eflags & VM_ENTRY_GUARD))
		return FALSE;
	for (; next < end; e = e->next) {
		if (e == &map->header || e->start > next || (e->eflags & VM_ENTRY_GUARD) ||
		    (prot & ~e->protection) != 0)
			return FALSE;
		next = e->end;
	}
	return TRUE;
}
