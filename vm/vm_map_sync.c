/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing changed pages back to where they came from.
 *
 *	entry --> shadow --> object with a pager
 *	          [..p.]     [.q.r]			q and r are written, if they were changed
 *
 * What an entry has copied for itself has nowhere to go, so each entry stands for the first object of
 * its chain that has a pager; anonymous memory has none.  A page that somebody else is writing or
 * filling is waited for, so on return every change made before the call is in the pager's hands.
 *
 * Pagers sleep, so nothing is locked while one works: the object is kept by a reference, and the map
 * is looked at again, from the next entry on, when its pages are done.
 */
#include "vm/pmap.h"
#include "vm/vm_map.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_pager.h"

struct sync {
	vm_map_t map;
	vm_offset_t start, end;
	bool invalidate;
};

/* Pages that an entry stands for, in the object that has a pager. */
struct pages {
	struct vm_object *object; /* NULL: none; else with a reference */
	vm_pindex_t first, end;
};

/* sync_check: may all of it be done?  Map locked, shared suffices. */
static kern_return_t
sync_check(const struct sync *s)
{
	vm_offset_t next = s->start;
	vm_map_entry_t e;

	vm_map_for_range (e, s->map, s->start, s->end) {
		if (e->start > next || (e->eflags & VM_ENTRY_GUARD))
			return KERN_INVALID_ADDRESS;
		if (e->eflags & VM_ENTRY_IS_SUB_MAP)
			return KERN_INVALID_ARGUMENT;
		if (s->invalidate && e->wired_count != 0)
			return KERN_INVALID_ARGUMENT;
		next = e->end;
	}
	return next < s->end ? KERN_INVALID_ADDRESS : KERN_SUCCESS;
}

/* find_pages: what e shows of [start, end) in the first object of its chain that has a pager.  The
 * chain is walked hand over hand. */
static struct pages
find_pages(const struct vm_map_entry *e, vm_offset_t start, vm_offset_t end)
{
	struct vm_object *object = e->object, *below;
	struct pages p = {NULL, atop(e->offset + (start - e->start)),
			  atop(e->offset + (end - e->start))};

	if (object == NULL)
		return p;
	rwlock_write(&object->lock);
	while ((below = object->backing) != NULL) { /* what has a pager shadows nothing */
		p.first += atop(object->backing_offset);
		p.end += atop(object->backing_offset);
		rwlock_write(&below->lock);
		rwlock_write_unlock(&object->lock);
		object = below;
	}
	if (object->traits & VM_PAGER_PAGED) {
		vm_object_reference_locked(object);
		p.object = object;
	}
	rwlock_write_unlock(&object->lock);
	return p;
}

/* drop_page: m was written: forget it, unless it is needed or has been changed again.  Object
 * write-locked. */
static void
drop_page(struct vm_page *m)
{
	if (m->wire_count != 0)
		return;
	pmap_remove_all(m);
	if (!pmap_is_modified(m))
		vm_page_free(m);
}

/*
 * clean_page: write m back, and drop it if that is wanted.  Object write-locked, and so again on
 * return.  KERN_RESTART: it was busy, and was waited for: look again.
 */
static kern_return_t
clean_page(struct vm_object *object, struct vm_page *m, bool drop)
{
	kern_return_t kr;

	if (m->flags & VM_PAGE_BUSY) {
		kr = vm_page_sleep(m, "vmpsync");
		rwlock_write(&object->lock);
		return kr == KERN_SUCCESS ? KERN_RESTART : kr;
	}
	kr = vm_pager_put_page(object, m);
	if (kr == KERN_SUCCESS && drop)
		drop_page(m);
	return kr;
}

/* clean_pages: all of them, also if some fail; only a killed thread gives up.  Nothing locked. */
static kern_return_t
clean_pages(const struct pages *p, bool drop)
{
	kern_return_t kr, result = KERN_SUCCESS;
	vm_pindex_t next = p->first;
	struct vm_page *m;

	rwlock_write(&p->object->lock);
	while (result != KERN_ABORTED &&
	       (m = vm_radix_lookup_ge(&p->object->pages, next)) != NULL && m->pindex < p->end) {
		next = m->pindex + 1;
		kr = clean_page(p->object, m, drop);
		if (kr == KERN_RESTART)
			next--;
		else if (kr != KERN_SUCCESS)
			result = kr;
	}
	rwlock_write_unlock(&p->object->lock);
	return result;
}

/* sync_entry: the part of s from *at on that lies in one entry; *at moves behind it.  Map read-locked
 * on entry and return, unlocked meanwhile. */
static kern_return_t
sync_entry(const struct sync *s, vm_offset_t *at)
{
	vm_offset_t start = *at, end;
	struct pages p;
	vm_map_entry_t e;
	kern_return_t kr;

	if (!vm_map_lookup_entry(s->map, start, &e) || (e->eflags & VM_ENTRY_GUARD))
		return KERN_INVALID_ADDRESS;
	end = *at = e->end < s->end ? e->end : s->end;
	if (s->invalidate && e->wired_count == 0)
		pmap_remove(s->map->pmap, start, end);
	p = find_pages(e, start, end);
	if (p.object == NULL)
		return KERN_SUCCESS;
	vm_map_unlock_read(s->map);
	kr = clean_pages(&p, s->invalidate);
	vm_object_deallocate(p.object);
	vm_map_lock_read(s->map);
	return kr;
}

/* sync_range: map read-locked throughout, but for pagers. */
static kern_return_t
sync_range(struct sync *s)
{
	kern_return_t kr, result;
	vm_offset_t at = s->start;
	vm_map_entry_t e;

	if (s->start == s->end) {
		if (!vm_map_lookup_entry(s->map, s->start, &e))
			return KERN_INVALID_ADDRESS;
		s->start = at = e->start;
		s->end = e->end;
	}
	result = sync_check(s);
	if (result != KERN_SUCCESS)
		return result;
	while (at < s->end) {
		kr = sync_entry(s, &at);
		if (kr == KERN_ABORTED || kr == KERN_INVALID_ADDRESS)
			return kr;
		if (kr != KERN_SUCCESS)
			result = kr;
	}
	return result;
}

/*
 * vm_map_sync: have the changed pages of [start, end) written back.
 *
 *	start == end	the whole entry that contains start
 *	syncio		wait until they are; FALSE allows the pager to be slow, but there is none that
 *			answers before it is done, so this waits too
 *	invalidate	and forget them, and every mapping of the range: the next access asks the pager
 *
 * Locks:   none held; takes the map's, shared, and drops it while a pager works; sleeps as long
 * Returns: KERN_SUCCESS           also for what has no pager
 *          KERN_INVALID_ARGUMENT  a bad range, a submap in it, or wired memory to be invalidated
 *          KERN_INVALID_ADDRESS   a part of it is not mapped, or is not any more; guards are not
 *          KERN_FAILURE           a pager failed; its pages are as changed as before; the rest was done
 *          KERN_ABORTED           killed meanwhile
 * Source:  contracts 1.8, SYN-01
 */
kern_return_t
vm_map_sync(vm_map_t map, vm_offset_t start, vm_offset_t end, boolean_t syncio,
	    boolean_t invalidate)
{
	struct sync s = {.map = map, .start = start, .end = end, .invalidate = invalidate};
	kern_return_t kr;

	(void)syncio;
	if (vm_map_range_bad(start, end))
		return KERN_INVALID_ARGUMENT;
	vm_map_lock_read(map);
	kr = sync_range(&s);
	vm_map_unlock_read(map);
	return kr;
}
