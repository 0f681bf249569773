/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Submaps: a range of a system map handed to a map of its own, with its own lock and entries.
 *
 *	kernel_map:	...|entry|  placeholder  |entry|...	vm_map_find(vm_submap_object)
 *			...|entry|   IS_SUB_MAP  |entry|...	vm_map_submap()
 *	                               |
 *	kmem_map:	           |e|e| |e| .. same addresses, same pmap
 *
 * A range is prepared by vm_map_find with vm_submap_object, an object that never holds a page.  So
 * "nothing was done to the range" can be checked: its one entry is still pristine.  A range over a
 * NULL object is refused, as vm_map_submap(9) says (docs/decisions.md has the history).
 *
 * To remove one: empty the submap, vm_map_remove the parent's range, vm_map_deallocate the submap.
 */
#include "kernel/base/panic.h"
#include "vm/vm_map.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"

/* submap_fits: same pmap, same addresses, and properly inside the parent: so submaps may nest, and
 * no chain of them can come back to a map it went through. */
static bool
submap_fits(const struct vm_map *map, const struct vm_map *submap, vm_offset_t start,
	    vm_offset_t end)
{
	if (submap == NULL || submap->pmap != map->pmap)
		return false;
	return vm_map_min(submap) <= start && vm_map_max(submap) >= end &&
	       vm_map_min(submap) >= vm_map_min(map) && vm_map_max(submap) <= vm_map_max(map) &&
	       (vm_map_min(submap) > vm_map_min(map) || vm_map_max(submap) < vm_map_max(map));
}

/* pristine: has nothing been done to the placeholder entry since vm_map_find made it? */
static bool
pristine(const struct vm_map_entry *e)
{
	/* Whatever is done sets a flag; to wire it, and all that touches it, VM_ENTRY_TOUCHED. */
	return e->object == vm_submap_object && (e->eflags & ~VM_ENTRY_NO_CHARGE) == 0;
}

/* become_submap: the clipped entry shows the submap from now on. */
static void
become_submap(vm_map_entry_t e, vm_map_t submap)
{
	struct vm_object *placeholder = e->object;

	vm_map_reference(submap);
	e->sub_map = submap;
	e->eflags = VM_ENTRY_IS_SUB_MAP;
	/* The placeholder is static: this is never its last reference. */
	vm_object_deallocate(placeholder);
}

/*
 * vm_map_submap: let submap handle [start, end) of map.
 *
 * Locks:   none held; takes map's, then the submap's, never both together
 * Returns: KERN_SUCCESS
 *          KERN_INVALID_ARGUMENT  map is no system map; the range is empty, unaligned or not within
 *                                 map, not inside one entry, or that entry is not the untouched
 *                                 placeholder (NULL object, copy-on-write, another submap …); submap
 *                                 is NULL, map itself, or has other bounds or another pmap
 *          KERN_RESOURCE_SHORTAGE no memory for a cut
 *          On failure nothing has changed.
 * Source:  vm_map_submap(9); contracts 3, SUB-01 to SUB-18
 */
kern_return_t
vm_map_submap(vm_map_t map, vm_offset_t start, vm_offset_t end, vm_map_t submap)
{
	kern_return_t kr = KERN_INVALID_ARGUMENT;
	vm_map_entry_t e;

	if (start >= end || !page_aligned(start | end) || !map->system ||
	    !submap_fits(map, submap, start, end))
		return KERN_INVALID_ARGUMENT;
	vm_map_lock(map);
	if (vm_map_lookup_entry(map, start, &e) && end <= e->end && pristine(e))
		kr = vm_map_reserve(map, 2) ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
	if (kr == KERN_SUCCESS) {
		vm_map_clip_start(map, e, start);
		vm_map_clip_end(map, e, end);
		become_submap(e, submap);
	}
	vm_map_unlock(map);
	if (kr == KERN_SUCCESS) {
		vm_map_lock(submap);
		submap->flags |= VM_MAP_IS_SUB_MAP;
		vm_map_unlock(submap);
	}
	return kr;
}
