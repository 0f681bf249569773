/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries: made, split, merged, deleted.
 *
 * Splitting must not fail half-way through an operation, so it takes its entries from the map's
 * spares: an operation that may clip calls vm_map_reserve() before it changes anything.  Merging is
 * opportunistic; nothing may depend on it.
 *
 *	clip_start(e, x):  [    e    )  -->  [ new )[  e  )	e stays the part from x on
 *	clip_end(e, x):    [    e    )  -->  [  e  )[ new )	e stays the part before x
 *
 * A stack's gap keeps its creation values when it is split; both parts carry them, and only the
 * part that touches the stack is live.
 */
#include "kernel/base/panic.h"
#include "kernel/base/string.h"
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vm_map.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_pager.h"
#include "vm/vm_wire.h"
#include "vm/vm_zone.h"

/* Ranges of this many bytes are freed with the map shared; for less it is not worth two more steps. */
#define SHARED_FREE_SIZE (16 * PAGE_SIZE)

static struct vm_zone entry_zone;
static uint64_t spares; /* (a) in all maps */

void
vm_map_entry_startup(void)
{
	vm_zone_init(&entry_zone, "vm_map_entry", sizeof(struct vm_map_entry), &vm_zone_direct);
}

uint64_t
vm_map_entry_count(void)
{
	return vm_zone_in_use(&entry_zone) - __atomic_load_n(&spares, __ATOMIC_RELAXED);
}

bool
vm_map_reserve(vm_map_t map, unsigned n)
{
	ASSERT(n <= VM_MAP_SPARES, "%u entries asked for", n);
	while (map->nspare < n) {
		vm_map_entry_t e = vm_zone_alloc(&entry_zone, 0);

		if (e == NULL)
			return false;
		e->next = map->spare;
		map->spare = e;
		map->nspare++;
		__atomic_fetch_add(&spares, 1, __ATOMIC_RELAXED);
	}
	return true;
}

vm_map_entry_t
vm_map_entry_create(vm_map_t map)
{
	vm_map_entry_t e = map == NULL ? NULL : map->spare;

	if (e != NULL) {
		map->spare = e->next;
		map->nspare--;
		__atomic_fetch_sub(&spares, 1, __ATOMIC_RELAXED);
	} else {
		e = vm_zone_alloc(&entry_zone, 0);
	}
	if (e != NULL)
		memset(e, 0, sizeof(*e));
	return e;
}

void
vm_map_entry_dispose(vm_map_t map, vm_map_entry_t e)
{
	(void)map;
	vm_zone_free(&entry_zone, e);
}

bool
vm_map_entry_is_device(const struct vm_map_entry *e)
{
	return !(e->eflags & (VM_ENTRY_GUARD | VM_ENTRY_IS_SUB_MAP)) && e->object != NULL &&
	       (e->object->traits & VM_PAGER_FRAMES) != 0;
}

/* ---- clip ---- */

/* clone_range: a new entry like e for [start, end), not linked yet. */
static vm_map_entry_t
clone_range(vm_map_t map, vm_map_entry_t e, vm_offset_t start, vm_offset_t end)
{
	vm_map_entry_t new;

	ASSERT(vm_map_locked(map), "map %p", map);
	ASSERT(!(e->eflags & VM_ENTRY_IN_TRANSITION), "clip of an entry in transition %#lx-%#lx",
	       e->start, e->end);
	/* Both halves should share one object.  Without memory they stay zero-fill each. */
	if (!(e->eflags & (VM_ENTRY_GUARD | VM_ENTRY_IS_SUB_MAP))) {
		if (e->object == NULL)
			vm_map_entry_materialise(e);
		vm_map_entry_own(e);
	}
	new = vm_map_entry_create(map);
	VERIFY(new != NULL, "clip of map %p without a reserved entry", map);
	*new = *e;
	new->start = start;
	new->end = end;
	if (e->eflags & VM_ENTRY_IS_SUB_MAP)
		vm_map_reference(e->sub_map);
	else if (!(e->eflags & VM_ENTRY_GUARD))
		vm_object_reference(e->object);
	return new;
}

/* advance_offset: e shows its object from `delta` bytes later on.  A gap has something else there, a
 * submap nothing. */
static void
advance_offset(vm_map_entry_t e, vm_size_t delta)
{
	if (!(e->eflags & VM_ENTRY_GUARD))
		e->offset += delta;
}

void
vm_map_clip_start(vm_map_t map, vm_map_entry_t e, vm_offset_t addr)
{
	vm_map_entry_t front;

	ASSERT(addr < e->end, "%#lx beyond the entry %#lx-%#lx", addr, e->start, e->end);
	if (addr <= e->start)
		return;
	front = clone_range(map, e, e->start, addr);
	advance_offset(e, addr - e->start);
	e->start = addr;
	vm_map_tree_link(map, e->prev, front);
}

void
vm_map_clip_end(vm_map_t map, vm_map_entry_t e, vm_offset_t addr)
{
	vm_map_entry_t back;

	ASSERT(addr > e->start, "%#lx before the entry %#lx-%#lx", addr, e->start, e->end);
	if (addr >= e->end)
		return;
	back = clone_range(map, e, addr, e->end);
	advance_offset(back, addr - e->start);
	e->end = addr;
	vm_map_tree_link(map, e, back);
}

/* ---- ranges ---- */

vm_map_entry_t
vm_map_range_search(vm_map_t map, vm_offset_t start)
{
	vm_map_entry_t e;

	return vm_map_lookup_entry(map, start, &e) ? e : e->next;
}

bool
vm_map_range_has_submap(vm_map_t map, vm_offset_t start, vm_offset_t end)
{
	vm_map_entry_t e;

	vm_map_for_range (e, map, start, end)
		if (e->eflags & VM_ENTRY_IS_SUB_MAP)
			return true;
	return false;
}

void
vm_map_clip_range(vm_map_t map, vm_offset_t start, vm_offset_t end)
{
	vm_map_entry_t e;

	if (vm_map_lookup_entry(map, start, &e) && !(e->eflags & VM_ENTRY_STACK_GAP))
		vm_map_clip_start(map, e, start);
	if (vm_map_lookup_entry(map, end - 1, &e) && !(e->eflags & VM_ENTRY_STACK_GAP))
		vm_map_clip_end(map, e, end);
}

/* ---- merge ---- */

/* Flags that forbid merging: the range is somebody's, or carries more than a range. */
#define NEVER_MERGED \
	(VM_ENTRY_IN_TRANSITION | VM_ENTRY_IS_SUB_MAP | VM_ENTRY_STACK_GAP | VM_ENTRY_GROWS_DOWN)

static bool
is_large(const struct vm_map_entry *e)
{
	return e->end - e->start >= VM_MAP_LARGE;
}

static bool
mergeable(const struct vm_map_entry *prev, const struct vm_map_entry *e)
{
	if (prev->end != e->start || prev->eflags != e->eflags || (e->eflags & NEVER_MERGED))
		return false;
	if (prev->protection != e->protection || prev->max_protection != e->max_protection ||
	    prev->inheritance != e->inheritance || prev->wired_count != e->wired_count)
		return false;
	if (prev->object != e->object)
		return false;
	if (e->object == NULL)
		return (e->eflags & VM_ENTRY_GUARD) || (!is_large(prev) && !is_large(e));
	return prev->offset + (prev->end - prev->start) == e->offset;
}

vm_map_entry_t
vm_map_try_merge(vm_map_t map, vm_map_entry_t prev, vm_map_entry_t e)
{
	if (prev == &map->header || e == &map->header || !mergeable(prev, e))
		return e;
	vm_map_tree_unlink(map, prev);
	e->start = prev->start;
	if (!(e->eflags & VM_ENTRY_GUARD))
		e->offset = prev->offset;
	vm_map_tree_grown(map, e);
	/* e owns a reference of its own, so prev's is not the last: no teardown. */
	if (e->object != NULL)
		vm_object_deallocate(e->object);
	vm_map_entry_dispose(map, prev);
	return e;
}

bool
vm_map_try_extend(vm_map_t map, const struct vm_map_entry *e, vm_map_entry_t next)
{
	if (next == &map->header || e->object != NULL || !mergeable(e, next))
		return false;
	next->start = e->start;
	vm_map_tree_grown(map, next);
	return true;
}

void
vm_map_simplify_entry(vm_map_t map, vm_map_entry_t entry)
{
	vm_map_try_merge(map, entry->prev, entry);
	/* As the old interface promises, the passed entry survives: take the next one into it. */
	if (entry->next != &map->header && mergeable(entry, entry->next)) {
		vm_map_entry_t next = entry->next;

		vm_map_tree_unlink(map, next);
		entry->end = next->end;
		vm_map_tree_grown(map, entry);
		if (next->object != NULL)
			vm_object_deallocate(next->object);
		vm_map_entry_dispose(map, next);
	}
}

void
vm_map_simplify_range(vm_map_t map, vm_offset_t start, vm_offset_t end)
{
	vm_map_entry_t e;

	e = vm_map_range_first(map, start);
	while (e != &map->header && e->start <= end)
		e = vm_map_try_merge(map, e->prev, e)->next;
}

/* ---- waiting ---- */

kern_return_t
vm_map_entry_wait(vm_map_t map, vm_map_entry_t e, const char *why)
{
	kern_return_t kr;

	e->eflags |= VM_ENTRY_NEEDS_WAKEUP;
	kr = vm_map_unlock_and_wait(map, why);
	if (kr == KERN_SUCCESS)
		vm_map_lock(map);
	return kr;
}

/* first_in_transition: the first entry of [start, end) that somebody is wiring, or NULL. */
static vm_map_entry_t
first_in_transition(vm_map_t map, vm_offset_t start, vm_offset_t end)
{
	vm_map_entry_t e;

	vm_map_for_range (e, map, start, end)
		if (e->eflags & VM_ENTRY_IN_TRANSITION)
			return e;
	return NULL;
}

kern_return_t
vm_map_lock_range(vm_map_t map, vm_offset_t start, vm_offset_t end)
{
	vm_map_entry_t e;
	kern_return_t kr = KERN_SUCCESS;

	vm_map_lock(map);
	/* Only a wiring puts entries in transition, and it keeps the map busy. */
	while (kr == KERN_SUCCESS && map->busy != 0 &&
	       (e = first_in_transition(map, start, end)) != NULL)
		kr = vm_map_entry_wait(map, e, "mapwire");
	return kr;
}

/* ---- delete ---- */

/* bury: e, unlinked, waits for the unlock. */
static inline void
bury(vm_map_t map, vm_map_entry_t e)
{
	e->next = map->dead;
	map->dead = e;
}

void
vm_map_entry_abandon(vm_map_t map, vm_map_entry_t e)
{
	if (e->eflags & VM_ENTRY_CHARGED)
		vm_uncharge(e->end - e->start);
	bury(map, e);
}

/* entry_unlink: take e out of the map, to be buried. */
static void
entry_unlink(vm_map_t map, vm_map_entry_t e)
{
	vm_map_tree_unlink(map, e);
	if (!(e->eflags & VM_ENTRY_GUARD))
		map->size -= e->end - e->start;
}

void
vm_map_entry_delete(vm_map_t map, vm_map_entry_t e)
{
	entry_unlink(map, e);
	vm_map_entry_abandon(map, e);
}

void
vm_map_release_dead(vm_map_entry_t dead)
{
	vm_map_entry_t next;

	for (; dead != NULL; dead = next) {
		next = dead->next;
		if (dead->eflags & VM_ENTRY_IS_SUB_MAP)
			vm_map_deallocate(dead->sub_map);
		else if (!(dead->eflags & VM_ENTRY_GUARD))
			vm_object_deallocate(dead->object);
		vm_map_entry_dispose(NULL, dead);
	}
}

void
vm_map_entry_release_pages(vm_map_entry_t e)
{
	struct vm_object *object = e->object;
	vm_pindex_t first, end;

	rwlock_write(&object->lock);
	if ((object->flags & VM_OBJECT_ONEMAPPING) && object->ref_count > 1) {
		first = atop(e->offset);
		end = first + atop(e->end - e->start);
		if (end >= object->size)
			vm_object_trim(object, object->first, first);
		else if (first <= object->first)
			vm_object_trim(object, end, object->size);
		else
			vm_object_page_remove(object, first, end);
	}
	rwlock_write_unlock(&object->lock);
}

/* may_have_pages: an entry without an object never had one. */
static bool
may_have_pages(const struct vm_map_entry *e)
{
	return (e->eflags & VM_ENTRY_IS_SUB_MAP) ||
	       (!(e->eflags & VM_ENTRY_GUARD) && e->object != NULL);
}

/* must_wait: somebody wires e right now, or the kernel has a user's memory wired for a while. */
static bool
must_wait(vm_map_t map, const struct vm_map_entry *e)
{
	unsigned system = e->wired_count - ((e->eflags & VM_ENTRY_USER_WIRED) ? 1 : 0);

	return (e->eflags & VM_ENTRY_IN_TRANSITION) || (!map->system && system != 0);
}

/* first_in: the first entry that ends above start; operations will come back to it. */
static vm_map_entry_t
first_in(vm_map_t map, vm_offset_t start)
{
	vm_map_entry_t e;
	bool inside = vm_map_locate(map, start, &e);

	vm_map_hint(map, e);
	return inside ? e : e->next;
}

/* is_cut: does [start, end), which touches e, leave something of it out? */
static inline bool
is_cut(const struct vm_map_entry *e, vm_offset_t start, vm_offset_t end)
{
	return e->start < start || e->end > end;
}

bool
vm_map_reserve_cuts(vm_map_t map, vm_offset_t start, vm_offset_t end)
{
	vm_map_entry_t e;

	for (e = first_in(map, start); e != &map->header && e->start < end; e = e->next)
		if (is_cut(e, start, end))
			return vm_map_reserve(map, 2);
	return true;
}

/*
 * What was taken out of a map.  The pages of the entries, which are map->dead's first ones, up to `until`,
 * are still mapped, and what was charged for them and for the trimmed ones is still charged.
 */
struct removed {
	vm_map_entry_t until;
	bool pages; /* there may be some */
	vm_size_t charge;
};

/* Flags of what is more than a range of zeroes. */
#define NEVER_TRIMMED (VM_ENTRY_GUARD | VM_ENTRY_GROWS_DOWN)

/* trimmable: is e just made shorter where [start, end) cuts it?  That will do if it never was touched, and
 * loses one end; otherwise it is cut, so that both parts share an object. */
static bool
trimmable(const struct vm_map_entry *e, vm_offset_t start, vm_offset_t end)
{
	return e->object == NULL && (e->eflags & NEVER_TRIMMED) == 0 &&
	       (start <= e->start || end >= e->end);
}

/* trim: take [start, end), which cuts e, from it. */
static void
trim(vm_map_t map, vm_map_entry_t e, vm_offset_t start, vm_offset_t end, struct removed *r)
{
	vm_size_t length = e->end - e->start;

	ASSERT(e->wired_count == 0, "%#lx-%#lx is wired, and has no pages", e->start, e->end);
	if (start <= e->start)
		vm_map_tree_trim(map, e, end, e->end);
	else
		vm_map_tree_trim(map, e, e->start, start);
	length -= e->end - e->start;
	map->size -= length;
	if (e->eflags & VM_ENTRY_CHARGED)
		r->charge += length;
}

/* survey: of the entries of [e, end), the first one that must be waited for; NULL: there is none, and
 * *cut says whether new ones are needed to take [start, end) out. */
static vm_map_entry_t
survey(vm_map_t map, vm_map_entry_t e, vm_offset_t start, vm_offset_t end, bool *cut)
{
	*cut = false;
	for (; e != &map->header && e->start < end; e = e->next) {
		if (must_wait(map, e))
			return e;
		*cut |= is_cut(e, start, end) && !trimmable(e, start, end);
	}
	return NULL;
}

/* first_to_wait_for: likewise, of all entries of [start, end). */
static vm_map_entry_t
first_to_wait_for(vm_map_t map, vm_offset_t start, vm_offset_t end)
{
	bool cut;

	return survey(map, first_in(map, start), start, end, &cut);
}

bool
vm_map_deletable(vm_map_t map, vm_offset_t start, vm_offset_t end)
{
	return first_to_wait_for(map, start, end) == NULL;
}

kern_return_t
vm_map_wait_deletable(vm_map_t map, vm_offset_t start, vm_offset_t end)
{
	vm_map_entry_t e;
	kern_return_t kr = KERN_SUCCESS;

	while (kr == KERN_SUCCESS && (e = first_to_wait_for(map, start, end)) != NULL) {
		kr = vm_map_entry_wait(map, e, "mapdel");
		if (kr != KERN_SUCCESS)
			vm_map_lock(map);
	}
	return kr;
}

/* take_out: of e, which [start, end) touches, what lies in it; entries being reserved. */
static void
take_out(vm_map_t map, vm_map_entry_t e, vm_offset_t start, vm_offset_t end, struct removed *r)
{
	if (is_cut(e, start, end)) {
		if (trimmable(e, start, end)) {
			trim(map, e, start, end, r);
			return;
		}
		vm_map_clip_start(map, e, start);
		vm_map_clip_end(map, e, end);
	}
	if (e->wired_count != 0)
		vm_map_entry_unwire(map, e);
	r->pages |= may_have_pages(e);
	if (e->eflags & VM_ENTRY_CHARGED)
		r->charge += e->end - e->start;
	entry_unlink(map, e);
	bury(map, e);
}

/* unlink_range: the entries of [start, end) leave the map and wait for the unlock.  Locks and results as
 * vm_map_delete. */
static kern_return_t
unlink_range(vm_map_t map, vm_offset_t start, vm_offset_t end, struct removed *r)
{
	vm_map_entry_t e, next;
	kern_return_t kr;
	bool cut;

	r->pages = false;
	r->charge = 0;
	ASSERT(vm_map_locked(map), "map %p", map);
	ASSERT(page_aligned(start | end), "%#lx-%#lx", start, end);
	if (start >= end)
		return KERN_SUCCESS;
	while (survey(map, e = first_in(map, start), start, end, &cut) != NULL) {
		kr = vm_map_wait_deletable(map, start, end);
		if (kr != KERN_SUCCESS)
			return kr;
	}
	if (cut && !vm_map_reserve(map, 2))
		return KERN_RESOURCE_SHORTAGE;
	r->until = map->dead;
	for (; e != &map->header && e->start < end; e = next) {
		next = e->next;
		take_out(map, e, start, end, r);
	}
	return KERN_SUCCESS;
}

/* free_pages: of the dead entries up to `until`: unmap them, complete on every processor, and free those
 * that nobody else can see.  No writer may be in the map but the caller. */
static void
free_pages(vm_map_t map, vm_map_entry_t dead, vm_map_entry_t until)
{
	for (; dead != until; dead = dead->next) {
		if (!may_have_pages(dead))
			continue;
		pmap_remove(map->pmap, dead->start, dead->end);
		if (!(dead->eflags & VM_ENTRY_IS_SUB_MAP))
			vm_map_entry_release_pages(dead);
	}
}

/*
 * vm_map_delete: unmap [start, end).  Holes are fine.
 *
 * Locks:   map write-locked; dropped and retaken only while an entry is being wired or is wired by
 *          the system, and before anything is deleted: the deletion is one critical section
 * Returns: KERN_SUCCESS
 *          KERN_RESOURCE_SHORTAGE   an entry had to be cut and there is no memory
 *          KERN_ABORTED             the thread was killed while it waited; map locked all the same
 *          On failure nothing has changed.
 * Source:  contracts 1.8, DEL-01 to DEL-06
 */
kern_return_t
vm_map_delete(vm_map_t map, vm_offset_t start, vm_offset_t end)
{
	struct removed r;
	kern_return_t kr = unlink_range(map, start, end, &r);

	if (r.pages)
		free_pages(map, map->dead, r.until);
	vm_uncharge(r.charge);
	return kr;
}

/*
 * free_shared: free_pages of the write-locked map's dead entries, and unlock.
 *
 * With the map shared, so that others fault meanwhile: they do not find the range any more, and nobody
 * can give it away before the lock is let go.
 */
static void
free_shared(vm_map_t map, vm_map_entry_t until)
{
	vm_map_entry_t dead = map->dead;

	map->dead = NULL;
	rmlock_downgrade(&map->lock);
	free_pages(map, dead, until);
	rmlock_read_unlock(&map->lock);
	vm_map_release_dead(dead);
}

/*
 * vm_map_remove: vm_map_delete, where nothing is locked yet.  What lies outside the map is a hole.
 *
 * Locks:   none held; takes the map's
 * Returns: as vm_map_delete; KERN_INVALID_ARGUMENT for an unaligned range
 */
kern_return_t
vm_map_remove(vm_map_t map, vm_offset_t start, vm_offset_t end)
{
	struct removed r;
	kern_return_t kr;

	if (!page_aligned(start | end))
		return KERN_INVALID_ARGUMENT;
	vm_map_lock(map);
	kr = unlink_range(map, start, end, &r);
	if (r.pages && end - start >= SHARED_FREE_SIZE && !map->system) {
		free_shared(map, r.until);
	} else {
		if (r.pages)
			free_pages(map, map->dead, r.until);
		vm_map_unlock(map);
	}
	vm_uncharge(r.charge);
	return kr;
}
