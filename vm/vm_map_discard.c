/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Discarding: a range loses its contents and keeps all else.
 *
 * What a program reads afterwards depends on whose the memory is:
 *
 *	private		zeroes, whatever a shadow chain holds for the page
 *	shared		what its object holds: only the mappings go; the others keep what they see
 *
 * For private memory there are two ways:
 *
 *	its object is its own, shadows nothing and
 *	has a place for all of the entry		the pages in the range are freed
 *	anything else					the part is cut off and loses its object:
 *
 *		entry [----------------] --> object --> shadowed
 *		      [-----][====][---]
 *		         |      |    +--> object, as before
 *		         |      +--> NULL: zeroes, not yet materialised
 *		         +--> object, as before
 *
 * All of it happens under the map's exclusive lock, so nobody sees a range half discarded.  The old
 * objects are let go of when the lock is: each hangs on an entry made for that, the carrier, of which
 * there must be enough before anything is changed.
 */
#include "kernel/base/panic.h"
#include "vm/pmap.h"
#include "vm/vm_map.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"

/* What has to be done to an entry. */
enum discard_how {
	DISCARD_NOTHING, /* it has no page */
	DISCARD_UNMAP,	 /* shared */
	DISCARD_EMPTY,	 /* private, in an object of its own */
	DISCARD_MARK,	 /* a submap's placeholder, which was to be left alone */
	DISCARD_REPLACE, /* private, in a chain */
};

struct discard {
	vm_map_t map;
	vm_offset_t start, end;
	unsigned cut;	   /* entries that are not discarded as a whole, but cut to the range */
	unsigned replaced; /* of these, those to be replaced */
	vm_map_entry_t carriers; /* as many */
};

/* shows_all: has e's object a place for each of its pages?  A private view of an object may reach beyond
 * its end, where there is no memory until it is discarded.  Object locked. */
static bool
shows_all(const struct vm_map_entry *e)
{
	return atop(e->offset + (e->end - e->start)) <= e->object->size;
}

static enum discard_how
discard_how(const struct vm_map_entry *e)
{
	struct vm_object *object = e->object;
	enum discard_how how;

	if (object == NULL)
		return DISCARD_NOTHING;
	if (object == vm_submap_object)
		return DISCARD_MARK;
	rwlock_read(&object->lock);
	if (vm_map_entry_shared(e))
		how = DISCARD_UNMAP;
	else if (vm_map_object_own(object) && object->backing == NULL && shows_all(e))
		how = DISCARD_EMPTY;
	else
		how = DISCARD_REPLACE;
	rwlock_read_unlock(&object->lock);
	return how;
}

/* discard_check: may the whole range be discarded, and what will that take? */
static kern_return_t
discard_check(struct discard *d)
{
	vm_offset_t next = d->start;
	enum discard_how how;
	vm_map_entry_t e;

	vm_map_for_range (e, d->map, d->start, d->end) {
		if (e->start > next || (e->eflags & VM_ENTRY_GUARD))
			return KERN_INVALID_ADDRESS;
		if ((e->eflags & VM_ENTRY_IS_SUB_MAP) || e->wired_count != 0)
			return KERN_INVALID_ARGUMENT;
		next = e->end;
		/* Now, and not when pages go already: what others do does not change the answer then. */
		vm_map_entry_own(e);
		how = discard_how(e);
		d->cut += how >= DISCARD_MARK;
		d->replaced += how == DISCARD_REPLACE;
	}
	return next < d->end ? KERN_INVALID_ADDRESS : KERN_SUCCESS;
}

static void
drop_carriers(struct discard *d)
{
	vm_map_entry_t carrier;

	while ((carrier = d->carriers) != NULL) {
		d->carriers = carrier->next;
		vm_map_entry_dispose(d->map, carrier);
	}
}

/* discard_prepare: get all that could be refused.  The carriers come first, as they may use up the
 * map's spares. */
static kern_return_t
discard_prepare(struct discard *d)
{
	for (unsigned i = 0; i < d->replaced; i++) {
		vm_map_entry_t carrier = vm_map_entry_create(d->map);

		if (carrier == NULL)
			return KERN_RESOURCE_SHORTAGE;
		carrier->next = d->carriers;
		d->carriers = carrier;
	}
	if (d->cut != 0 && !vm_map_reserve_cuts(d->map, d->start, d->end))
		return KERN_RESOURCE_SHORTAGE;
	return KERN_SUCCESS;
}

/* empty: free e's pages in the range. */
static void
empty(const struct discard *d, vm_map_entry_t e)
{
	vm_offset_t start = d->start > e->start ? d->start : e->start;
	vm_pindex_t first = atop(e->offset + (start - e->start));
	vm_pindex_t pages = atop(vm_map_range_overlap(e, d->start, d->end));

	rwlock_write(&e->object->lock);
	vm_object_page_remove(e->object, first, first + pages);
	rwlock_write_unlock(&e->object->lock);
}

/* cut: the part of e in the range is e. */
static void
cut(struct discard *d, vm_map_entry_t e)
{
	vm_map_clip_start(d->map, e, d->start);
	vm_map_clip_end(d->map, e, d->end);
}

/* replace: e, cut to the range and unmapped, gives its object to a carrier and starts anew.  A stack
 * keeps its offset, which counts from the bottom of the reservation. */
static void
replace(struct discard *d, vm_map_entry_t e)
{
	vm_map_entry_t carrier = d->carriers;

	ASSERT(carrier != NULL, "none of %u carriers is left for %#lx-%#lx", d->replaced, e->start,
	       e->end);
	vm_map_entry_release_pages(e);
	d->carriers = carrier->next;
	carrier->object = e->object;
	carrier->next = d->map->dead;
	d->map->dead = carrier;
	e->object = NULL;
	if (!(e->eflags & VM_ENTRY_GROWS_DOWN))
		e->offset = 0;
	e->eflags &= ~(VM_ENTRY_COW | VM_ENTRY_NEEDS_COPY);
}

static void
discard_entry(struct discard *d, vm_map_entry_t e)
{
	switch (discard_how(e)) {
	case DISCARD_NOTHING:
		break;
	case DISCARD_UNMAP:
		pmap_remove(d->map->pmap, d->start > e->start ? d->start : e->start,
			    d->end < e->end ? d->end : e->end);
		break;
	case DISCARD_EMPTY:
		empty(d, e);
		break;
	case DISCARD_MARK:
		cut(d, e);
		e->eflags |= VM_ENTRY_TOUCHED;
		break;
	case DISCARD_REPLACE:
		cut(d, e);
		pmap_remove(d->map->pmap, e->start, e->end);
		replace(d, e);
		break;
	}
}

/* discard_locked: map write-locked, and nothing in the range is in transition. */
static kern_return_t
discard_locked(struct discard *d)
{
	kern_return_t kr = discard_check(d);
	vm_map_entry_t e;

	if (kr == KERN_SUCCESS)
		kr = discard_prepare(d);
	if (kr == KERN_SUCCESS) {
		vm_map_for_range (e, d->map, d->start, d->end)
			discard_entry(d, e);
		vm_map_simplify_range(d->map, d->start, d->end);
	}
	drop_carriers(d);
	return kr;
}

/*
 * vm_map_discard: [start, end) loses its contents: private memory reads as zeroes, shared memory as
 * its object.
 *
 * Locks:   none held; takes the map's for the whole call; may sleep
 * Returns: KERN_SUCCESS
 *          KERN_INVALID_ARGUMENT   a bad range, a submap in it, or wired memory
 *          KERN_INVALID_ADDRESS    a part of it is not mapped; guards and gaps are not
 *          KERN_RESOURCE_SHORTAGE  no memory to cut or to replace
 *          KERN_ABORTED            killed while waiting for a wiring
 *          On failure nothing has changed.
 * Source:  contracts 1.15, DSC-01 and DSC-02
 */
kern_return_t
vm_map_discard(vm_map_t map, vm_offset_t start, vm_offset_t end)
{
	struct discard d = {.map = map, .start = start, .end = end};
	kern_return_t kr;

	if (vm_map_range_bad(start, end))
		return KERN_INVALID_ARGUMENT;
	if (start == end)
		return KERN_SUCCESS;
	kr = vm_map_lock_range(map, start, end);
	if (kr != KERN_SUCCESS)
		return kr;
	kr = discard_locked(&d);
	vm_map_unlock(map);
	return kr;
}
