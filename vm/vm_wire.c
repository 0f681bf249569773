/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Wiring: pages that stay, mapped with every right they will need, so that no access faults.
 *
 * A wiring is done in three steps, because faulting pages in may sleep:
 *
 *	1	map locked: judge the range, clip its ends, mark each entry IN_TRANSITION and count the
 *		wiring in it
 *	2	map busy but unlocked: fault every page of the newly wired entries in
 *	3	map locked: take the marks away; if step 2 failed, take every wiring of this call back
 *
 * While an entry is in transition nobody clips, merges or deletes it, and faults of other threads
 * wait, so the entries of step 1 are the entries of step 3.
 *
 * The system's wirings are counted, the user's is a flag: wired_count = system + (USER_WIRED ? 1 : 0).
 */
#include "kernel/base/panic.h"
#include "kernel/base/sched.h"
#include "vm/pmap.h"
#include "vm/vm_device.h"
#include "vm/vm_fault.h"
#include "vm/vm_map.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_wire.h"

/* ---- pages of a wired entry ---- */

/*
 * find_page: the page that e, which is wired, shows at va, its object write-locked and left so; NULL:
 * none, nothing locked.  Wiring copies every page up, so it is the entry's own object that has it.
 */
static struct vm_page *
find_page(vm_map_entry_t e, vm_offset_t va)
{
	vm_pindex_t pindex = atop(va - e->start + e->offset);
	struct vm_page *m;

	rwlock_write(&e->object->lock);
	m = vm_radix_lookup(&e->object->pages, pindex);
	if (m == NULL)
		rwlock_write_unlock(&e->object->lock);
	return m;
}

/* wired_page: likewise of an entry that shows no device: then it is there. */
static struct vm_page *
wired_page(vm_map_entry_t e, vm_offset_t va)
{
	struct vm_page *m = find_page(e, va);

	VERIFY(m != NULL, "%#lx in the wired %#lx-%#lx has no page", va, e->start, e->end);
	return m;
}

/* unwire_pages: the pages of [start, end) in e lose the one wiring that the entry had on them. */
static void
unwire_pages(vm_map_t map, vm_map_entry_t e, vm_offset_t start, vm_offset_t end)
{
	struct vm_page *m;

	pmap_unwire(map->pmap, start, end);
	for (vm_offset_t va = start; va < end; va += PAGE_SIZE) {
		m = find_page(e, va);
		if (m == NULL)
			continue;
		vm_page_unwire(m);
		rwlock_write_unlock(&m->object->lock);
	}
}

static void
set_user_wired(vm_map_t map, vm_map_entry_t e)
{
	e->eflags |= VM_ENTRY_USER_WIRED;
	map->user_wired += e->end - e->start;
}

static void
clear_user_wired(vm_map_t map, vm_map_entry_t e)
{
	e->eflags &= ~VM_ENTRY_USER_WIRED;
	map->user_wired -= e->end - e->start;
}

void
vm_map_entry_unwire(vm_map_t map, vm_map_entry_t e)
{
	if (e->eflags & VM_ENTRY_USER_WIRED)
		clear_user_wired(map, e);
	unwire_pages(map, e, e->start, e->end);
}

/* ---- a wiring ---- */

struct wiring {
	vm_map_t map;
	vm_offset_t start, end;
	int flags;
	uint64_t limit; /* of user-wired bytes */
};

/* wirable: may e be wired at all?  What cannot be accessed cannot be faulted in. */
static bool
wirable(const struct wiring *w, const struct vm_map_entry *e)
{
	if (!(e->protection & (VM_PROT_READ | VM_PROT_EXECUTE)))
		return false;
	return !(w->flags & VM_MAP_WIRE_WRITE) || (e->protection & VM_PROT_WRITE);
}

/* newly_user_wired: bytes of e that this call would add to the user's account. */
static vm_size_t
newly_user_wired(const struct wiring *w, const struct vm_map_entry *e)
{
	if (!(w->flags & VM_MAP_WIRE_USER) || (e->eflags & VM_ENTRY_USER_WIRED))
		return 0;
	return vm_map_range_overlap(e, w->start, w->end);
}

/* wire_check: may the whole range be wired? */
static kern_return_t
wire_check(const struct wiring *w)
{
	bool holes_ok = (w->flags & VM_MAP_WIRE_HOLESOK) != 0;
	vm_offset_t next = w->start;
	vm_size_t more = 0;
	vm_map_entry_t e;

	vm_map_for_range (e, w->map, w->start, w->end) {
		if ((e->eflags & VM_ENTRY_IS_SUB_MAP))
			return KERN_INVALID_ARGUMENT;
		if (!holes_ok && (e->start > next || !wirable(w, e)))
			return KERN_INVALID_ADDRESS;
		if (wirable(w, e))
			more += newly_user_wired(w, e);
		next = e->end;
	}
	if (!holes_ok && next < w->end)
		return KERN_INVALID_ADDRESS;
	if (more != 0 && (more > w->limit || w->map->user_wired > w->limit - more))
		return KERN_RESOURCE_SHORTAGE;
	return KERN_SUCCESS;
}

/* wire_mark: step 1.  Returns true if a page must be faulted in. */
static bool
wire_mark(const struct wiring *w)
{
	bool fault = false;
	vm_map_entry_t e;

	vm_map_for_range (e, w->map, w->start, w->end) {
		bool skip = !wirable(w, e);

		/* There is nothing to wire in a guard, and a stack's gap must be free to shrink. */
		if (e->eflags & VM_ENTRY_GUARD)
			continue;
		vm_map_clip_start(w->map, e, w->start);
		vm_map_clip_end(w->map, e, w->end);
		if ((w->flags & VM_MAP_WIRE_USER) && (e->eflags & VM_ENTRY_USER_WIRED))
			skip = true;
		e->eflags |= VM_ENTRY_IN_TRANSITION;
		if (e->object == vm_submap_object)
			e->eflags |= VM_ENTRY_TOUCHED;
		e->wiring_thread = curthread();
		if (skip) {
			e->eflags |= VM_ENTRY_WIRE_SKIPPED;
			continue;
		}
		/* Counted at once, or wirings under way together could go over the limit. */
		if (w->flags & VM_MAP_WIRE_USER)
			set_user_wired(w->map, e);
		fault |= ++e->wired_count == 1;
	}
	return fault;
}

/*
 * next_to_fault: the range of the next entry at or above va whose first wiring this is.  Others may
 * insert and delete around the entries in transition, so the list is read under the lock.
 */
static bool
next_to_fault(const struct wiring *w, vm_offset_t va, vm_offset_t *start, vm_offset_t *end)
{
	bool found = false;
	vm_map_entry_t e;

	vm_map_lock_read(w->map);
	vm_map_for_range (e, w->map, va, w->end) {
		*start = e->start;
		*end = e->end;
		found = e->wiring_thread == curthread() && e->wired_count == 1 &&
			!(e->eflags & VM_ENTRY_WIRE_SKIPPED);
		if (found)
			break;
	}
	vm_map_unlock_read(w->map);
	return found;
}

/* wire_pages: step 2: fault every page in.  *failed gets the first address that was not wired.  The
 * lookup asks for every right of a wired entry by itself, so a read will do. */
static kern_return_t
wire_pages(const struct wiring *w, vm_offset_t *failed)
{
	vm_offset_t start = 0, end = 0, next = w->start;
	kern_return_t kr;

	while (next_to_fault(w, next, &start, &end)) {
		for (vm_offset_t va = start; va < end; va += PAGE_SIZE) {
			kr = vm_fault(w->map, va, VM_PROT_NONE, VM_FAULT_WIRE);
			if (kr != KERN_SUCCESS) {
				*failed = va;
				return kr;
			}
		}
		next = end;
	}
	return KERN_SUCCESS;
}

/* wire_undo: take this call's wiring of e back; its pages are wired up to `failed`. */
static void
wire_undo(const struct wiring *w, vm_map_entry_t e, vm_offset_t failed)
{
	if (w->flags & VM_MAP_WIRE_USER)
		clear_user_wired(w->map, e);
	if (--e->wired_count != 0)
		return;
	if (failed > e->start)
		unwire_pages(w->map, e, e->start, failed < e->end ? failed : e->end);
}

/* wire_finish: step 3. */
static void
wire_finish(const struct wiring *w, kern_return_t kr, vm_offset_t failed)
{
	bool wakeup = false;
	vm_map_entry_t e;

	vm_map_for_range (e, w->map, w->start, w->end) {
		/* Not what came meanwhile: into a hole, or by growth of a stack. */
		if (e->wiring_thread != curthread())
			continue;
		if (!(e->eflags & VM_ENTRY_WIRE_SKIPPED) && kr != KERN_SUCCESS)
			wire_undo(w, e, failed);
		wakeup |= (e->eflags & VM_ENTRY_NEEDS_WAKEUP) != 0;
		e->eflags &=
		    ~(VM_ENTRY_IN_TRANSITION | VM_ENTRY_NEEDS_WAKEUP | VM_ENTRY_WIRE_SKIPPED);
		e->wiring_thread = NULL;
	}
	vm_map_simplify_range(w->map, w->start, w->end);
	if (wakeup)
		vm_map_wakeup(w->map);
}

/* wire_locked: the three steps; map write-locked before and after. */
static kern_return_t
wire_locked(const struct wiring *w)
{
	kern_return_t kr = wire_check(w);
	vm_offset_t failed = w->end;

	if (kr != KERN_SUCCESS)
		return kr;
	if (!vm_map_reserve_cuts(w->map, w->start, w->end))
		return KERN_RESOURCE_SHORTAGE;
	if (wire_mark(w)) {
		vm_map_busy(w->map);
		vm_map_unlock(w->map);
		kr = wire_pages(w, &failed);
		vm_map_lock(w->map);
		vm_map_unbusy(w->map);
	}
	wire_finish(w, kr, failed);
	return kr;
}

/*
 * vm_map_wire: make [start, end) resident and keep it so.  All of it or nothing.
 *
 *	flags	VM_MAP_WIRE_USER: for the user, who has one wiring and a limit; _HOLESOK: leave out what
 *		is not mapped or not accessible; _WRITE: every entry must be writable
 *
 * Locks:   none held; takes the map's, and drops it to fault; sleeps
 * Returns: KERN_SUCCESS
 *          KERN_INVALID_ARGUMENT   a bad range, or a submap in it
 *          KERN_INVALID_ADDRESS    a hole, or no access, without _HOLESOK
 *          KERN_RESOURCE_SHORTAGE  over LIMIT_MEMLOCK, or no memory
 *          KERN_ABORTED            the thread was killed meanwhile
 *          or what vm_fault returned.  On failure nothing is wired by this call.
 * Source:  contracts 1.7, WIR-01 to WIR-07
 */
kern_return_t
vm_map_wire(vm_map_t map, vm_offset_t start, vm_offset_t end, int flags)
{
	struct wiring w = {.map = map, .start = start, .end = end, .flags = flags};
	kern_return_t kr;

	if (vm_map_range_bad(start, end))
		return KERN_INVALID_ARGUMENT;
	if (start == end)
		return KERN_SUCCESS;
	w.limit = flags & VM_MAP_WIRE_USER ? vm_map_owner_limit(map, VM_LIMIT_MEMLOCK)
					   : VM_LIMIT_INFINITY;
	kr = vm_map_lock_range(map, start, end);
	if (kr != KERN_SUCCESS)
		return kr;
	kr = wire_locked(&w);
	vm_map_unlock(map);
	return kr;
}

/* ---- unwiring ---- */

static unsigned
system_wirings(const struct vm_map_entry *e)
{
	return e->wired_count - ((e->eflags & VM_ENTRY_USER_WIRED) ? 1 : 0);
}

static kern_return_t
unwire_check(const struct wiring *w)
{
	bool holes_ok = (w->flags & VM_MAP_WIRE_HOLESOK) != 0;
	vm_offset_t next = w->start;
	vm_map_entry_t e;

	vm_map_for_range (e, w->map, w->start, w->end) {
		if (e->eflags & VM_ENTRY_IS_SUB_MAP)
			return KERN_INVALID_ARGUMENT;
		if (!holes_ok && e->start > next)
			return KERN_INVALID_ADDRESS;
		if (!holes_ok && !(w->flags & VM_MAP_WIRE_USER) && system_wirings(e) == 0)
			return KERN_INVALID_ARGUMENT;
		next = e->end;
	}
	return !holes_ok && next < w->end ? KERN_INVALID_ADDRESS : KERN_SUCCESS;
}

/* unwire_entry: one wiring less: the user's, or one of the system's, if there is one. */
static void
unwire_entry(const struct wiring *w, vm_map_entry_t e)
{
	if (w->flags & VM_MAP_WIRE_USER) {
		if (!(e->eflags & VM_ENTRY_USER_WIRED))
			return;
		clear_user_wired(w->map, e);
	} else if (system_wirings(e) == 0) {
		return;
	}
	if (--e->wired_count == 0)
		unwire_pages(w->map, e, e->start, e->end);
}

static void
unwire_apply(const struct wiring *w)
{
	vm_map_entry_t e;
	bool wakeup = false;

	vm_map_for_range (e, w->map, w->start, w->end) {
		if (e->wired_count == 0)
			continue;
		vm_map_clip_start(w->map, e, w->start);
		vm_map_clip_end(w->map, e, w->end);
		unwire_entry(w, e);
		/* A deletion waits for the system's wirings to go. */
		wakeup |= (e->eflags & VM_ENTRY_NEEDS_WAKEUP) != 0;
		e->eflags &= ~VM_ENTRY_NEEDS_WAKEUP;
	}
	vm_map_simplify_range(w->map, w->start, w->end);
	if (wakeup)
		vm_map_wakeup(w->map);
}

/*
 * vm_map_unwire: take one wiring of [start, end) back.
 *
 * Locks:   none held; takes the map's; sleeps
 * Returns: KERN_SUCCESS            also where the user has wired nothing
 *          KERN_INVALID_ARGUMENT   a bad range, a submap in it, or no system wiring there
 *          KERN_INVALID_ADDRESS    a hole, without _HOLESOK
 *          KERN_RESOURCE_SHORTAGE  no memory for a cut
 *          KERN_ABORTED            killed while waiting for a wiring
 *          On failure nothing has changed.
 * Source:  contracts 1.7
 */
kern_return_t
vm_map_unwire(vm_map_t map, vm_offset_t start, vm_offset_t end, int flags)
{
	struct wiring w = {.map = map, .start = start, .end = end, .flags = flags};
	kern_return_t kr;

	if (vm_map_range_bad(start, end))
		return KERN_INVALID_ARGUMENT;
	if (start == end)
		return KERN_SUCCESS;
	kr = vm_map_lock_range(map, start, end);
	if (kr != KERN_SUCCESS)
		return kr;
	kr = unwire_check(&w);
	if (kr == KERN_SUCCESS && !vm_map_reserve_cuts(map, start, end))
		kr = KERN_RESOURCE_SHORTAGE;
	if (kr == KERN_SUCCESS)
		unwire_apply(&w);
	vm_map_unlock(map);
	return kr;
}

/* ---- copies of wired memory ---- */

/* copy_page: a copy of m, which is locked through its object, for dst at pindex; dst write-locked. */
static struct vm_page *
copy_page(const struct vm_page *m, struct vm_object *dst, vm_pindex_t pindex)
{
	struct vm_page *new = vm_page_alloc(dst, pindex, 0);

	if (new == NULL)
		return NULL;
	pmap_copy_page(m, new);
	new->flags |= VM_PAGE_VALID;
	new->aflags |= VM_PAGE_DIRTY;
	vm_page_unbusy(new);
	return new;
}

kern_return_t
vm_map_copy_pages(vm_map_t map, vm_map_entry_t e, struct vm_object *dst)
{
	struct vm_page *m, *copy;

	ASSERT(vm_map_locked(map), "map %p", map);
	for (vm_offset_t va = e->start; va < e->end; va += PAGE_SIZE) {
		m = wired_page(e, va);
		/* The new object is seen by nobody, so taking its lock second cannot deadlock. */
		rwlock_write(&dst->lock);
		copy = copy_page(m, dst, atop(va - e->start + e->offset));
		rwlock_write_unlock(&dst->lock);
		rwlock_write_unlock(&m->object->lock);
		if (copy == NULL)
			return KERN_RESOURCE_SHORTAGE;
	}
	return KERN_SUCCESS;
}

/* wire_own_pages: the pages of e's fresh object take over its wiring. */
static void
wire_own_pages(vm_map_entry_t e)
{
	struct vm_page *m;

	for (vm_offset_t va = e->start; va < e->end; va += PAGE_SIZE) {
		m = wired_page(e, va);
		vm_page_wire(m);
		rwlock_write_unlock(&m->object->lock);
	}
}

kern_return_t
vm_map_copy_wired_pages(vm_map_t map, vm_map_entry_t e)
{
	vm_map_entry_t carrier;
	struct vm_object *old;
	kern_return_t kr;

	/* Wiring has copied every page up, so what needs no copy as a whole has its pages. */
	if (!(e->eflags & VM_ENTRY_NEEDS_COPY))
		return KERN_SUCCESS;
	carrier = vm_map_entry_create(map);
	if (carrier == NULL)
		return KERN_RESOURCE_SHORTAGE;
	/* The object that is not needed in the end is let go of when the map is unlocked, as if an
	 * entry had died. */
	carrier->object = vm_object_allocate_anon(atop(e->offset + (e->end - e->start)));
	vm_map_entry_abandon(map, carrier);
	if (carrier->object == NULL)
		return KERN_RESOURCE_SHORTAGE;
	kr = vm_map_copy_pages(map, e, carrier->object);
	if (kr != KERN_SUCCESS)
		return kr;
	unwire_pages(map, e, e->start, e->end);
	old = e->object;
	e->object = carrier->object;
	carrier->object = old;
	e->eflags &= ~VM_ENTRY_NEEDS_COPY;
	wire_own_pages(e);
	vm_map_enter_wired(map, e);
	return KERN_SUCCESS;
}

/* enter_wired_page: map the page, or the device's frame, that the wired e shows at va at `to`.  What is
 * wired and may be written to needs no copy any more, so it gets all of e's rights. */
static kern_return_t
enter_wired_page(vm_map_t map, vm_map_entry_t e, vm_offset_t va, vm_offset_t to)
{
	struct vm_page *m;
	kern_return_t kr;

	if (vm_map_entry_is_device(e))
		return vm_device_enter(e->object, atop(va - e->start + e->offset), map->pmap, to,
				       e->protection, PMAP_ENTER_WIRED);
	m = wired_page(e, va);
	kr = pmap_enter(map->pmap, to, m, e->protection, PMAP_ENTER_WIRED);
	rwlock_write_unlock(&m->object->lock);
	return kr;
}

void
vm_map_enter_wired(vm_map_t map, vm_map_entry_t e)
{
	if (e->protection == VM_PROT_NONE)
		return;
	/* What stays unmapped, for want of a table, the next fault maps. */
	for (vm_offset_t va = e->start; va < e->end; va += PAGE_SIZE)
		(void)enter_wired_page(map, e, va, va);
}

/* ---- wiring without sleeping, for memory that moves or grows ---- */

kern_return_t
vm_map_enter_wired_at(vm_map_t map, vm_map_entry_t e, vm_offset_t start, vm_offset_t end,
		      vm_offset_t to)
{
	kern_return_t kr = KERN_SUCCESS;

	if (e->protection == VM_PROT_NONE)
		return KERN_SUCCESS;
	for (vm_offset_t va = start; va < end && kr == KERN_SUCCESS; va += PAGE_SIZE)
		kr = enter_wired_page(map, e, va, va - start + to);
	if (kr != KERN_SUCCESS)
		pmap_remove(map->pmap, to, to + (end - start));
	return kr;
}

/* page_at_once: the page that e shows at va, if it can be had without waiting; for private memory it is
 * made of zeroes.  Object write-locked. */
static kern_return_t
page_at_once(vm_map_entry_t e, vm_offset_t va, struct vm_page **page)
{
	vm_pindex_t pindex = atop(va - e->start + e->offset);
	struct vm_object *object = e->object;
	struct vm_page *m = vm_radix_lookup(&object->pages, pindex);

	*page = m;
	if (pindex >= object->size)
		return KERN_OUT_OF_BOUNDS;
	if (m != NULL)
		return (m->flags & (VM_PAGE_BUSY | VM_PAGE_VALID)) == VM_PAGE_VALID
			   ? KERN_SUCCESS
			   : KERN_INVALID_ARGUMENT;
	if (vm_map_entry_shared(e))
		return KERN_INVALID_ARGUMENT;
	ASSERT(object->backing == NULL, "object %p of new private memory has a backing object",
	       (void *)object);
	*page = vm_page_alloc(object, pindex, VM_ALLOC_ZERO | VM_ALLOC_NOBUSY);
	return *page != NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

/* wire_at_once: the page of e at va. */
static kern_return_t
wire_at_once(vm_map_t map, vm_map_entry_t e, vm_offset_t va)
{
	struct vm_object *object = e->object;
	struct vm_page *m;
	kern_return_t kr;

	rwlock_write(&object->lock);
	kr = page_at_once(e, va, &m);
	if (kr == KERN_SUCCESS && e->protection != VM_PROT_NONE)
		kr = pmap_enter(map->pmap, va, m, e->protection, PMAP_ENTER_WIRED);
	if (kr == KERN_SUCCESS)
		vm_page_wire(m);
	rwlock_write_unlock(&object->lock);
	return kr;
}

kern_return_t
vm_map_wire_new(vm_map_t map, vm_map_entry_t e)
{
	kern_return_t kr = KERN_SUCCESS;
	vm_offset_t va = e->start;

	ASSERT(e->wired_count == 0, "entry %#lx-%#lx is wired", e->start, e->end);
	if (e->object == NULL)
		kr = vm_map_entry_materialise(e);
	while (kr == KERN_SUCCESS && va < e->end) {
		kr = wire_at_once(map, e, va);
		if (kr == KERN_SUCCESS)
			va += PAGE_SIZE;
	}
	if (kr != KERN_SUCCESS) {
		unwire_pages(map, e, e->start, va);
		return kr;
	}
	e->wired_count = 1;
	set_user_wired(map, e);
	return KERN_SUCCESS;
}
