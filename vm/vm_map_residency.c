/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which pages of a range are in memory, and how: a byte for each page (VM_RESIDENT_*).
 *
 * A page is resident if a read of it would need neither a pager nor a page of zeroes: if the entry's
 * object has it, or an object behind that one, as far as each shows what lies behind.
 */
#include "vm/pmap.h"
#include "vm/vm_map.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"

/* describe: what can be said of m, which e shows at va; m's object locked. */
static uint8_t
describe(vm_map_t map, const struct vm_map_entry *e, vm_offset_t va, struct vm_page *m)
{
	struct pmap_mapping mapping;
	uint8_t says = VM_RESIDENT;

	if (!(m->flags & VM_PAGE_VALID))
		return 0; /* on its way */
	if (pmap_query(map->pmap, va, &mapping))
		says |= VM_RESIDENT_MAPPED;
	if (pmap_is_modified(m))
		says |= VM_RESIDENT_MODIFIED;
	if (m->object != e->object)
		says |= VM_RESIDENT_BEHIND;
	if (m->wire_count != 0)
		says |= VM_RESIDENT_WIRED;
	return says;
}

/* look: the page at va in e; 0: there is none.  The chain is walked hand over hand, and ends where an
 * object ends, as it does for a fault. */
static uint8_t
look(vm_map_t map, const struct vm_map_entry *e, vm_offset_t va)
{
	struct vm_object *object = e->object, *below;
	vm_pindex_t pindex = atop(va - e->start + e->offset);
	struct vm_page *m = NULL;
	uint8_t says = 0;

	if (object != NULL)
		rwlock_read(&object->lock);
	while (object != NULL && pindex < object->size &&
	       (m = vm_radix_lookup(&object->pages, pindex)) == NULL) {
		below = object->backing;
		pindex += atop(object->backing_offset);
		if (below != NULL)
			rwlock_read(&below->lock);
		rwlock_read_unlock(&object->lock);
		object = below;
	}
	if (m != NULL)
		says = describe(map, e, va, m);
	if (object != NULL)
		rwlock_read_unlock(&object->lock);
	return says;
}

/*
 * vm_map_residency: say of each page of [start, end) whether it is in memory.
 *
 *	pages	one byte a page
 *
 * Locks:   none held; takes the map's, shared, for the whole call: the answer is one moment's
 * Returns: KERN_SUCCESS
 *          KERN_INVALID_ARGUMENT  a bad range, or a submap in it
 *          KERN_INVALID_ADDRESS   a part of it is not mapped; guards and gaps are not; nothing is said
 * Source:  contracts 1.15, RES-01
 */
kern_return_t
vm_map_residency(vm_map_t map, vm_offset_t start, vm_offset_t end, uint8_t *pages)
{
	kern_return_t kr = KERN_SUCCESS;
	vm_map_entry_t e;

	if (vm_map_range_bad(start, end))
		return KERN_INVALID_ARGUMENT;
	if (start == end)
		return KERN_SUCCESS;
	vm_map_lock_read(map);
	if (vm_map_range_has_submap(map, start, end))
		kr = KERN_INVALID_ARGUMENT;
	else if (!vm_map_check_protection(map, start, end, VM_PROT_NONE))
		kr = KERN_INVALID_ADDRESS;
	else
		vm_map_for_range (e, map, start, end) {
			vm_offset_t va = start > e->start ? start : e->start;

			for (; va < end && va < e->end; va += PAGE_SIZE)
				pages[atop(va - start)] = look(map, e, va);
		}
	vm_map_unlock_read(map);
	return kr;
}
