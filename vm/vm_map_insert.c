/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * New ranges: vm_map_insert and what stands on it.
 *
 *	vm_map_insert	exactly here, or an error; the map is the caller's to lock
 *	vm_map_find	choose a place (first fit, aligned, superpage) and insert
 *	vm_map_fixed	exactly here, replacing what was there
 *
 * Everything is checked and charged before anything changes.  A new anonymous range that continues
 * its neighbour is not a new entry: the neighbour grows (coalescing), so that a heap that is
 * extended piece by piece stays one entry and one object.  A large range has an object of its own:
 * threads that work in ranges of their own do not wait for one object's lock then.
 */
#include "kernel/base/panic.h"
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vm_map.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_proc.h"
#include "vm/vm_radix.h"

/* ---- insert ---- */

/* entry_flags: the entry flags that the map flags `cow` ask for, and those that the object needs. */
static uint32_t
entry_flags(const struct vm_object *object, int cow)
{
	uint32_t eflags = 0;

	if (object != NULL && (object->traits & VM_PAGER_FRAMES))
		eflags |= VM_ENTRY_NOCOREDUMP;
	if (cow & MAP_COPY_ON_WRITE)
		eflags |= VM_ENTRY_COW | VM_ENTRY_NEEDS_COPY;
	if (cow & MAP_NOFAULT)
		eflags |= VM_ENTRY_NOFAULT;
	if (cow & MAP_DISABLE_SYNCER)
		eflags |= VM_ENTRY_NOSYNC;
	if (cow & MAP_DISABLE_COREDUMP)
		eflags |= VM_ENTRY_NOCOREDUMP;
	if (cow & MAP_STACK_AREA)
		eflags |= VM_ENTRY_GROWS_DOWN;
	if (cow & MAP_CREATE_GUARD)
		eflags |= VM_ENTRY_GUARD;
	if (cow & MAP_CREATE_STACK_GAP)
		eflags |= VM_ENTRY_GUARD | VM_ENTRY_STACK_GAP;
	if (cow & MAP_ACC_NO_CHARGE)
		eflags |= VM_ENTRY_NO_CHARGE;
	return eflags;
}

/* What an insertion is about to make, and what it has got for that. */
struct insertion {
	struct vm_object *object;
	vm_ooffset_t offset;
	vm_offset_t start, end;
	vm_prot_t prot, max;
	vm_inherit_t inheritance;
	int cow; /* MAP_* flags */
	uint32_t eflags;
	vm_map_entry_t entry; /* not linked yet; or NULL */
	vm_size_t charge;     /* bytes charged that are nobody's yet */
};

/* insert_refused: what is wrong with it, wherever it may go. */
static kern_return_t
insert_refused(vm_map_t map, const struct insertion *ins)
{
	const struct vm_object *object = ins->object;

	if ((ins->cow & (MAP_CREATE_GUARD | MAP_CREATE_STACK_GAP)) &&
	    (object != NULL || ins->max != VM_PROT_NONE))
		return KERN_INVALID_ARGUMENT;
	if (object != NULL && (object->traits & VM_PAGER_FRAMES) &&
	    (!(ins->cow & MAP_INHERIT_SHARE) || (ins->cow & MAP_COPY_ON_WRITE)))
		return KERN_INVALID_ARGUMENT;
	if ((map->flags & VM_MAP_WXORX) && (ins->prot & VM_PROT_WRITE) &&
	    (ins->prot & VM_PROT_EXECUTE))
		return KERN_PROTECTION_FAILURE;
	return KERN_SUCCESS;
}

/* is_free: is nothing in [start, end)?  *prev gets the entry (or header) before start, or at it: the next
 * step will come back to that.  Map write-locked. */
static inline bool
is_free(vm_map_t map, vm_offset_t start, vm_offset_t end, vm_map_entry_t *prev)
{
	bool inside = vm_map_locate(map, start, prev);

	vm_map_hint(map, *prev);
	return !inside && (*prev)->next->start >= end;
}

/* insert_check: may it be inserted?  *prev gets the entry (or header) before it. */
static kern_return_t
insert_check(vm_map_t map, const struct insertion *ins, vm_map_entry_t *prev)
{
	vm_offset_t start = ins->start, end = ins->end;

	if (start >= end || !vm_map_range_valid(map, start, end))
		return KERN_INVALID_ADDRESS;
	if (!page_aligned(start | end | ins->offset) || ins->offset + (end - start) < ins->offset)
		return KERN_INVALID_ARGUMENT;
	if (!is_free(map, start, end, prev))
		return KERN_NO_SPACE;
	return insert_refused(map, ins);
}

/* insert_charge: charge what `length` bytes of it, or its object, cost; false if that is refused. */
static bool
insert_charge(struct insertion *ins, vm_size_t length)
{
	vm_size_t charge = 0;

	if (ins->charge != 0)
		return true;
	if (vm_map_chargeable(ins->eflags, ins->object, ins->prot)) {
		charge = length;
		ins->eflags |= VM_ENTRY_CHARGED;
	} else if (ins->object != NULL) {
		charge = vm_map_object_due(ins->eflags, ins->object, ins->prot);
	}
	if (charge != 0 && !vm_charge(charge))
		return false;
	ins->charge = charge;
	return true;
}

/* insert_make_entry: an entry like it, which has no place and no object yet; map as for
 * vm_map_entry_create.  False without memory. */
static bool
insert_make_entry(vm_map_t map, struct insertion *ins)
{
	vm_map_entry_t e = vm_map_entry_create(map);

	ins->entry = e;
	if (e == NULL)
		return false;
	e->eflags = ins->eflags;
	e->protection = ins->prot;
	e->max_protection = ins->max;
	e->inheritance = ins->inheritance;
	return true;
}

/*
 * insert_prepare: get what an insertion of so many bytes needs, before the map is locked, so that it is
 * not locked for longer than it must.  What cannot be had is asked for again when it is: then it is clear
 * whether it is needed, and what comes first of all that is wrong.  A large charge is not taken before
 * that is clear, as others would be refused meanwhile; and what an object costs is known only with the
 * lock.
 */
static void
insert_prepare(struct insertion *ins, vm_size_t length)
{
	if (ins->object != NULL || length >= VM_MAP_LARGE || (ins->cow & MAP_STACK_AREA))
		return;
	if (insert_charge(ins, length))
		insert_make_entry(NULL, ins);
}

/* insert_release: give back what was not used. */
static void
insert_release(struct insertion *ins)
{
	vm_uncharge(ins->charge);
	if (ins->entry != NULL)
		vm_map_entry_dispose(NULL, ins->entry);
}

/*
 * insert_coalesce: continue `prev` instead of making a new entry.  Returns true when that was all.
 * Otherwise ins->object may have become prev's object (with a reference for the new entry): the
 * attributes differ, but the pages can live together.
 */
static bool
insert_coalesce(vm_map_t map, vm_map_entry_t prev, struct insertion *ins)
{
	vm_size_t size = prev->end - prev->start, more = ins->end - ins->start;

	if (ins->object != NULL || prev == &map->header || prev->end != ins->start)
		return false;
	if (more >= VM_MAP_LARGE)
		return false;
	if (prev->eflags & (VM_ENTRY_GUARD | VM_ENTRY_GROWS_DOWN))
		return false;
	if ((prev->eflags & ~VM_ENTRY_USER_WIRED) != ins->eflags)
		return false;
	if (prev->object != NULL && !vm_object_coalesce(prev->object, prev->offset, size, more))
		return false;
	if (prev->inheritance == ins->inheritance && prev->protection == ins->prot &&
	    prev->max_protection == ins->max && prev->wired_count == 0) {
		prev->end = ins->end;
		map->size += more;
		vm_map_tree_grown(map, prev);
		if (prev->next->start == prev->end)
			vm_map_try_merge(map, prev, prev->next);
		return true;
	}
	if (prev->object != NULL) {
		vm_object_reference(prev->object);
		ins->object = prev->object;
		ins->offset = prev->offset + size;
	}
	return false;
}

/* insert_entry: the new entry itself; takes over ins->object's reference.  What it would be merged with at
 * once grows instead, and then the entry is left over. */
static void
insert_entry(vm_map_t map, vm_map_entry_t prev, struct insertion *ins)
{
	vm_map_entry_t e = ins->entry, next = prev->next;

	e->start = ins->start;
	e->end = ins->end;
	e->object = ins->object;
	e->offset = ins->offset;
	if (!(e->eflags & VM_ENTRY_GUARD))
		map->size += e->end - e->start;
	if (next->start == e->end && vm_map_try_extend(map, e, next)) {
		vm_map_try_merge(map, prev, next);
		return;
	}
	vm_map_tree_link(map, prev, e);
	if (prev->end == e->start || next->start == e->end)
		vm_map_simplify_entry(map, e);
	ins->entry = NULL;
}

/* note_mapping: an object of the caller's is mapped: if others refer to it, what this mapping gives up
 * may still be seen. */
static void
note_mapping(struct vm_object *object)
{
	rwlock_write(&object->lock);
	if (object->ref_count > 1)
		object->flags &= ~VM_OBJECT_ONEMAPPING;
	rwlock_write_unlock(&object->lock);
}

void
vm_map_prefault(vm_map_t map, struct vm_object *object, vm_ooffset_t offset, vm_offset_t start,
		vm_offset_t end, vm_prot_t prot)
{
	vm_pindex_t first = atop(offset), last = first + atop(end - start);
	struct pmap_mapping there;
	struct vm_page *m;
	vm_offset_t va;

	if (object == NULL || prot == VM_PROT_NONE)
		return;
	rwlock_write(&object->lock);
	for (vm_pindex_t i = first;; i = m->pindex + 1) {
		m = vm_radix_lookup_ge(&object->pages, i);
		if (m == NULL || m->pindex >= last)
			break;
		va = start + ptoa(m->pindex - first);
		if ((m->flags & VM_PAGE_BUSY) || !(m->flags & VM_PAGE_VALID) ||
		    pmap_query(map->pmap, va, &there))
			continue;
		if (pmap_enter(map->pmap, va, m, prot, 0) != KERN_SUCCESS)
			break;
	}
	rwlock_write_unlock(&object->lock);
}

/* prefault: MAP_PREFAULT of what was inserted. */
static void
prefault(vm_map_t map, const struct insertion *ins)
{
	vm_prot_t prot = ins->prot;

	if (ins->eflags & VM_ENTRY_NEEDS_COPY)
		prot &= ~VM_PROT_WRITE;
	vm_map_prefault(map, ins->object, ins->offset, ins->start, ins->end, prot);
}

/* insert_describe: what is asked for; the place is yet to be filled in. */
static inline void
insert_describe(struct insertion *ins, struct vm_object *object, vm_ooffset_t offset,
		vm_prot_t prot, vm_prot_t max, int cow)
{
	ASSERT((prot & ~max) == 0, "prot %#x beyond max %#x", prot, max);
	ASSERT(object != kernel_object || !(cow & MAP_COPY_ON_WRITE), "kernel object, cow %#x",
	       cow);
	ASSERT(!(cow & MAP_NOFAULT) || object == NULL, "NOFAULT with object %p", object);
	ins->object = object;
	ins->offset = offset;
	ins->prot = prot;
	ins->max = max;
	ins->inheritance = cow & MAP_INHERIT_SHARE ? VM_INHERIT_SHARE : VM_INHERIT_DEFAULT;
	ins->cow = cow;
	ins->eflags = entry_flags(object, cow);
	ins->entry = NULL;
	ins->charge = 0;
}

/* insert: as vm_map_insert; the caller does insert_release. */
static kern_return_t
insert(vm_map_t map, struct insertion *ins)
{
	struct vm_object *object = ins->object;
	vm_map_entry_t prev;
	kern_return_t kr;

	ASSERT(vm_map_locked(map), "map %p", map);
	kr = insert_check(map, ins, &prev);
	if (kr != KERN_SUCCESS)
		return kr;
	if (object != NULL)
		note_mapping(object);
	if (!insert_charge(ins, ins->end - ins->start))
		return KERN_RESOURCE_SHORTAGE;
	if (ins->entry == NULL && !insert_make_entry(map, ins))
		return KERN_RESOURCE_SHORTAGE;
	if (ins->eflags & VM_ENTRY_CHARGED) {
		ins->charge = 0;
	} else if (object != NULL && !(ins->eflags & VM_ENTRY_NEEDS_COPY)) {
		vm_map_object_name(object);
		vm_map_object_commit(ins->eflags, object, ins->prot, &ins->charge);
	}
	if (!insert_coalesce(map, prev, ins))
		insert_entry(map, prev, ins);
	if (ins->cow & MAP_PREFAULT)
		prefault(map, ins);
	return KERN_SUCCESS;
}

/*
 * vm_map_insert: map [start, end) to object from offset (bytes) on; NULL: zeroes.
 *
 *	prot, max	rights now, and the most there may ever be; prot within max
 *	cow		MAP_* flags
 *
 * Locks:   map write-locked, and left so
 * Returns: KERN_SUCCESS             the entry owns the caller's reference on object now
 *          KERN_INVALID_ADDRESS     empty, or outside the map
 *          KERN_NO_SPACE            something is there
 *          KERN_INVALID_ARGUMENT    unaligned; an offset that wraps; a guard with an object or
 *                                   rights; a device object not shared
 *          KERN_PROTECTION_FAILURE  write and execute together on a W^X map
 *          KERN_RESOURCE_SHORTAGE   no memory, or the commit charge was refused
 *          On failure nothing has changed and the reference is still the caller's.
 * Source:  contracts 1.4, INS-01 to INS-11
 */
kern_return_t
vm_map_insert(vm_map_t map, struct vm_object *object, vm_ooffset_t offset, vm_offset_t start,
	      vm_offset_t end, vm_prot_t prot, vm_prot_t max, int cow)
{
	struct insertion ins;
	kern_return_t kr;

	insert_describe(&ins, object, offset, prot, max, cow);
	ins.start = start;
	ins.end = end;
	kr = insert(map, &ins);
	insert_release(&ins);
	return kr;
}

/* ---- find ---- */

/* fits: is there room for length bytes between start and e, at a multiple of align?  Where? */
static bool
fits(const struct vm_map_entry *e, vm_offset_t start, vm_size_t length, vm_size_t align,
     vm_offset_t *addr)
{
	vm_offset_t low = e->prev->end > start ? e->prev->end : start;
	vm_offset_t place = (low + align - 1) & ~(align - 1);

	*addr = place;
	return place >= low && place <= e->start && e->start - place >= length;
}

/* first_fit: the lowest place at or above start; the entry behind it, or NULL if there is none. */
static vm_map_entry_t
first_fit(vm_map_t map, vm_offset_t start, vm_size_t length, vm_size_t align, vm_offset_t *addr)
{
	vm_offset_t above = start;
	vm_map_entry_t e;

	while ((e = vm_map_tree_gap(map, above, length)) != NULL) {
		if (fits(e, start, length, align, addr))
			return e;
		if (e == &map->header)
			return NULL;
		above = e->start;
	}
	return NULL;
}

/*
 * skip_full: the last search has shown a part of the map to be full for such a length: go on at its
 * end.  True if there is room right there; that is the usual case, as programs map one thing after
 * another, or the same thing again and again.
 */
static bool
skip_full(vm_map_t map, vm_offset_t *start, vm_size_t length, vm_size_t align, vm_offset_t *addr,
	  vm_map_entry_t *e)
{
	if (*start < map->full.from || *start > map->full.to || length < map->full.length)
		return false;
	*start = map->full.to;
	if (vm_map_locate(map, *start, e))
		return false;
	*e = (*e)->next;
	return fits(*e, *start, length, align, addr);
}

bool
vm_map_findspace_aligned(vm_map_t map, vm_offset_t start, vm_size_t length, vm_size_t align,
			 vm_offset_t *addr)
{
	vm_offset_t from = start;
	vm_map_entry_t e;

	if (length == 0)
		return false;
	if (!skip_full(map, &start, length, align, addr, &e)) {
		e = first_fit(map, start, length, align, addr);
		if (e == NULL)
			return false;
	}
	vm_map_hint(map, e->prev);
	if (align == PAGE_SIZE) {
		map->full.from = from;
		map->full.to = *addr;
		map->full.length = length;
	}
	return true;
}

/*
 * vm_map_findspace: lowest free address at or above start with room for length bytes.
 *
 * Locks:   map write-locked: the map remembers what was found
 * Returns: the address, or vm_map_max(map) - length + 1 if there is none
 * Source:  contracts 1.4, FND-01 to FND-04
 */
vm_offset_t
vm_map_findspace(vm_map_t map, vm_offset_t start, vm_size_t length)
{
	vm_offset_t addr;

	if (vm_map_findspace_aligned(map, start, length, PAGE_SIZE, &addr))
		return addr;
	return vm_map_max(map) - length + 1;
}

/* beyond: would length bytes at addr end above max_addr (0: no bound)? */
static bool
beyond(vm_offset_t addr, vm_size_t length, vm_offset_t max_addr)
{
	return max_addr != 0 && (length > max_addr || addr > max_addr - length);
}

/* place_aligned: first fit at or above *addr, aligned and not beyond max_addr. */
static bool
place_aligned(vm_map_t map, vm_offset_t *addr, vm_size_t length, vm_offset_t max_addr,
	      vm_size_t align)
{
	vm_offset_t place;

	if (!vm_map_findspace_aligned(map, *addr, length, align, &place) ||
	    beyond(place, length, max_addr))
		return false;
	*addr = place;
	return true;
}

/* choose_place: what find_space asks for. */
static kern_return_t
choose_place(vm_map_t map, vm_offset_t *addr, vm_size_t length, vm_offset_t max_addr,
	     int find_space)
{
	vm_size_t align = PAGE_SIZE;

	if (find_space == VMFS_OPTIMAL_SPACE && length >= SUPERPAGE_SIZE &&
	    place_aligned(map, addr, length, max_addr, SUPERPAGE_SIZE))
		return KERN_SUCCESS;
	if (find_space == VMFS_SUPER_SPACE)
		align = SUPERPAGE_SIZE;
	else if (find_space > VMFS_SUPER_SPACE)
		align = (vm_size_t)1 << (find_space >> 8);
	if (align < PAGE_SIZE)
		align = PAGE_SIZE;
	return place_aligned(map, addr, length, max_addr, align) ? KERN_SUCCESS : KERN_NO_SPACE;
}

/* check_place: what can be said of a place that the caller has chosen without looking at the map. */
static kern_return_t
check_place(vm_offset_t addr, vm_size_t length, vm_offset_t max_addr)
{
	if (addr + length < addr)
		return KERN_INVALID_ADDRESS;
	return beyond(addr, length, max_addr) ? KERN_NO_SPACE : KERN_SUCCESS;
}

/* insert_limit: the owner's LIMIT_VMEM, if `cow` says that it applies.  What it still allows is judged
 * under the map's lock, or two threads together could exceed it. */
static uint64_t
insert_limit(vm_map_t map, int cow)
{
	return cow & MAP_OWNER_LIMIT ? vm_map_owner_limit(map, VM_LIMIT_VMEM) : VM_LIMIT_INFINITY;
}

bool
vm_map_within_limit(vm_map_t map, uint64_t limit, vm_size_t more, vm_size_t less)
{
	return limit == VM_LIMIT_INFINITY || (more <= limit && map->size - less <= limit - more);
}

/* counted: bytes of [start, end) that count as the map's size. */
static vm_size_t
counted(vm_map_t map, vm_offset_t start, vm_offset_t end)
{
	vm_size_t bytes = 0;
	vm_map_entry_t e;

	vm_map_for_range (e, map, start, end)
		if (!(e->eflags & VM_ENTRY_GUARD))
			bytes += vm_map_range_overlap(e, start, end);
	return bytes;
}

/*
 * A stack is inserted under its owner's process lock, which comes before the map's.
 * lock_for_insert takes what `cow` asks for; unlock_after_insert lets go of it, and only then of
 * what was replaced.
 */
static struct proc *
lock_for_insert(vm_map_t map, int cow)
{
	struct proc *p = cow & MAP_STACK_AREA ? map->owner : NULL;

	if (p != NULL)
		proc_lock(p);
	vm_map_lock(map);
	return p;
}

static void
unlock_after_insert(vm_map_t map, struct proc *p)
{
	vm_map_entry_t dead = vm_map_unlock_deferred(map);

	if (p != NULL)
		proc_unlock(p);
	vm_map_release_dead(dead);
}

/*
 * lock_for_fixed: lock_for_insert for [start, end), from which what is there is to go.  A wiring under
 * way there is not waited for with a process lock (the process could not even be killed meanwhile),
 * but with nothing locked, and then all is looked at again.  KERN_ABORTED: killed, nothing is locked.
 */
static kern_return_t
lock_for_fixed(vm_map_t map, int cow, vm_offset_t start, vm_offset_t end, struct proc **p)
{
	kern_return_t kr;

	for (;;) {
		*p = lock_for_insert(map, cow);
		if (*p == NULL || (cow & MAP_CHECK_EXCL) || vm_map_deletable(map, start, end))
			return KERN_SUCCESS;
		unlock_after_insert(map, *p);
		vm_map_lock(map);
		kr = vm_map_wait_deletable(map, start, end);
		vm_map_unlock(map);
		if (kr != KERN_SUCCESS)
			return kr;
	}
}

/* insert_any: a stack or a plain range. */
static kern_return_t
insert_any(vm_map_t map, struct insertion *ins, vm_offset_t start, vm_size_t length)
{
	if (ins->cow & MAP_STACK_AREA) {
		if (ins->object != NULL)
			return KERN_INVALID_ARGUMENT;
		return vm_map_stack_locked(map, start, length, ins->prot, ins->max, ins->cow);
	}
	ins->start = start;
	ins->end = start + length;
	return insert(map, ins);
}

/*
 * vm_map_find: choose a place for length bytes and insert.
 *
 *	*addr		in: lowest acceptable address (VMFS_NO_SPACE: the address); out: the place
 *	max_addr	the range must end at or below it; 0: no bound
 *	find_space	VMFS_*
 *
 * Locks:   none held; takes the map's (for MAP_STACK_AREA the owner's process lock first)
 * Returns: KERN_NO_SPACE           nothing fits
 *          KERN_RESOURCE_SHORTAGE  also: over LIMIT_VMEM, with MAP_OWNER_LIMIT
 *          otherwise as vm_map_insert.  On failure *addr is unspecified.
 * Source:  contracts 1.4, FND-01 to FND-09
 */
kern_return_t
vm_map_find(vm_map_t map, struct vm_object *object, vm_ooffset_t offset, vm_offset_t *addr,
	    vm_size_t length, vm_offset_t max_addr, int find_space, vm_prot_t prot, vm_prot_t max,
	    int cow)
{
	kern_return_t kr = KERN_SUCCESS;
	struct insertion ins;
	uint64_t limit;
	struct proc *p;

	if (find_space == VMFS_NO_SPACE) {
		kr = check_place(*addr, length, max_addr);
		if (kr != KERN_SUCCESS)
			return kr;
		if (cow & MAP_REMAP)
			return vm_map_fixed(map, object, offset, *addr, length, prot, max, cow);
	}
	limit = insert_limit(map, cow);
	insert_describe(&ins, object, offset, prot, max, cow);
	insert_prepare(&ins, length);
	p = lock_for_insert(map, cow);
	if (find_space != VMFS_NO_SPACE)
		kr = choose_place(map, addr, length, max_addr, find_space);
	if (kr == KERN_SUCCESS && !vm_map_within_limit(map, limit, length, 0))
		kr = KERN_RESOURCE_SHORTAGE;
	if (kr == KERN_SUCCESS)
		kr = insert_any(map, &ins, *addr, length);
	unlock_after_insert(map, p);
	insert_release(&ins);
	return kr;
}

/*
 * vm_map_find_min: *addr is only a hint: when nothing fits at or above it, look once more from
 * min_addr on.
 *
 * Locks, errors: as vm_map_find.
 * Source:  contracts 1.4, FND-08
 */
kern_return_t
vm_map_find_min(vm_map_t map, struct vm_object *object, vm_ooffset_t offset, vm_offset_t *addr,
		vm_size_t length, vm_offset_t min_addr, vm_offset_t max_addr, int find_space,
		vm_prot_t prot, vm_prot_t max, int cow)
{
	vm_offset_t hint = *addr;
	kern_return_t kr;

	kr = vm_map_find(map, object, offset, addr, length, max_addr, find_space, prot, max, cow);
	if (kr == KERN_SUCCESS || hint <= min_addr || find_space == VMFS_NO_SPACE)
		return kr;
	*addr = min_addr;
	return vm_map_find(map, object, offset, addr, length, max_addr, find_space, prot, max, cow);
}

/*
 * vm_map_fixed: map exactly [start, start + length).  What is there goes, in the same critical
 * section, unless MAP_CHECK_EXCL forbids it.
 *
 * Locks:   as vm_map_find
 * Returns: KERN_INVALID_ADDRESS  out of the map's bounds (nothing is clamped)
 *          KERN_NO_SPACE         MAP_CHECK_EXCL and something is there
 *          KERN_RESOURCE_SHORTAGE  also: over LIMIT_VMEM, with MAP_OWNER_LIMIT; what the range
 *                                replaces does not count; nothing has changed
 *          KERN_ABORTED          killed while waiting for a wiring; nothing has changed
 *          otherwise as vm_map_insert; an error after the deletion leaves a hole
 * Source:  contracts 1.4, FND-09
 */
kern_return_t
vm_map_fixed(vm_map_t map, struct vm_object *object, vm_ooffset_t offset, vm_offset_t start,
	     vm_size_t length, vm_prot_t prot, vm_prot_t max, int cow)
{
	vm_offset_t end = start + length;
	struct insertion ins;
	vm_map_entry_t prev;
	kern_return_t kr;
	uint64_t limit;
	struct proc *p;

	if (length == 0 || !vm_map_range_valid(map, start, end))
		return KERN_INVALID_ADDRESS;
	if (!page_aligned(start | end))
		return KERN_INVALID_ARGUMENT;
	limit = insert_limit(map, cow);
	insert_describe(&ins, object, offset, prot, max, cow);
	insert_prepare(&ins, length);
	kr = lock_for_fixed(map, cow, start, end, &p);
	if (kr != KERN_SUCCESS)
		return kr; /* it is a stack, for which nothing was got */
	if (limit != VM_LIMIT_INFINITY &&
	    !vm_map_within_limit(map, limit, length, counted(map, start, end)))
		kr = KERN_RESOURCE_SHORTAGE;
	if (kr == KERN_SUCCESS && !(cow & MAP_CHECK_EXCL) && !is_free(map, start, end, &prev))
		kr = vm_map_delete(map, start, end);
	if (kr == KERN_SUCCESS)
		kr = insert_any(map, &ins, start, length);
	unlock_after_insert(map, p);
	insert_release(&ins);
	return kr;
}
