/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the vm_map family share with each other and with nobody else. */
#ifndef VM_VM_MAP_IMPL_H
#define VM_VM_MAP_IMPL_H

#include "kernel/base/sched.h"
#include "vm/vm_map.h"
#include "vm/vm_proc.h"

/* ---- vm_map_tree.c ---- */

/* vm_map_tree_link: put e, whose range is set, behind `after` (an entry or the header).
 * vm_map_tree_unlink: take e out.  Map write-locked. */
void vm_map_tree_link(vm_map_t map, vm_map_entry_t after, vm_map_entry_t e);
void vm_map_tree_unlink(vm_map_t map, vm_map_entry_t e);
/* vm_map_tree_grown: e takes up free room before or behind it now: mend the gaps.
 * vm_map_tree_trim: what is left of e is [start, end). */
void vm_map_tree_grown(vm_map_t map, vm_map_entry_t e);
void vm_map_tree_trim(vm_map_t map, vm_map_entry_t e, vm_offset_t start, vm_offset_t end);
/* vm_map_tree_gap: the lowest entry (the header last) that starts above addr and has a gap of at
 * least `length` bytes before it; NULL if there is none. */
vm_map_entry_t vm_map_tree_gap(vm_map_t map, vm_offset_t addr, vm_size_t length);

/* vm_map_locate: vm_map_lookup_entry for operations that change the map: where the last change was, or
 * right behind it?  Map write-locked. */
static inline bool
vm_map_locate(vm_map_t map, vm_offset_t addr, vm_map_entry_t *entry)
{
	vm_map_entry_t e = map->hint;

	if (e->start > addr || addr >= e->next->start)
		return vm_map_lookup_entry(map, addr, entry);
	*entry = e;
	return addr < e->end;
}

/* vm_map_hint: operations will come back to e, an entry or the header.  Map write-locked. */
static inline void
vm_map_hint(vm_map_t map, vm_map_entry_t e)
{
	map->hint = e;
}

/* vm_map_entry_gap: free bytes between e (or the header) and what is before it. */
static inline vm_size_t
vm_map_entry_gap(const struct vm_map_entry *e)
{
	return e->start - e->prev->end;
}

/*
 * VM_MAP_GAP_CAP: gaps of so many pages and above count as equal in max_gap.  The large gap between what
 * is mapped and the stacks is the largest everywhere on its way to the root; without the cap every
 * change beside it would be written all the way up.
 */
#define VM_MAP_GAP_CAP ((uint32_t)1 << 24)

/* vm_map_gap_capped: a gap of so many bytes, as max_gap has it. */
static inline uint32_t
vm_map_gap_capped(vm_size_t gap)
{
	return gap >> PAGE_SHIFT < VM_MAP_GAP_CAP ? (uint32_t)(gap >> PAGE_SHIFT) : VM_MAP_GAP_CAP;
}

/* ---- vm_map.c ---- */

/* vm_map_unlock_deferred: release the exclusive lock and return the entries that died, for
 * vm_map_release_dead() once no lock at all is held. */
static inline vm_map_entry_t
vm_map_unlock_deferred(vm_map_t map)
{
	vm_map_entry_t dead = map->dead;

	map->dead = NULL;
	vm_map_audit_unlock(map);
	rmlock_write_unlock(&map->lock);
	return dead;
}
void vm_map_release_dead(vm_map_entry_t dead);
/* vm_map_drop_reference: true if it was the last one: then vm_map_destroy(), with no lock held. */
bool vm_map_drop_reference(vm_map_t map);
void vm_map_destroy(vm_map_t map);

/* vm_map_owner_limit: what the owner of the map may have of this; VM_LIMIT_INFINITY if it has none. */
uint64_t vm_map_owner_limit(vm_map_t map, enum vm_limit which);

/* ---- vm_map_lookup.c ---- */

/* What must be done to an entry before its lookup can succeed. */
enum vm_lookup_need {
	VM_LOOKUP_NOTHING,
	VM_LOOKUP_SUBMAP,
	VM_LOOKUP_SHADOW,
	VM_LOOKUP_OBJECT,
	VM_LOOKUP_WIRING,
};

/* What a lookup is told, and what it finds. */
struct vm_lookup {
	vm_map_t map;	   /* in: where to look; out: the map that holds the entry, read-locked */
	vm_offset_t vaddr; /* in */
	vm_prot_t fault_type; /* in */
	vm_prot_t prot;	      /* what a mapping may allow */
	bool wired;
	enum vm_lookup_need need;
	vm_map_entry_t entry;
	struct vm_object *object;
	vm_pindex_t pindex;
};

/* vm_map_lookup_hinted: does this thread's hint name the entry of l->vaddr?  Each thread remembers the
 * entry it found last; that is good as long as the map is the same one and nobody has written to it.
 * Map read-locked. */
static inline bool
vm_map_lookup_hinted(struct vm_lookup *l)
{
	const struct thread *t = curthread();

	if (t->vm_hint.serial != l->map->serial || t->vm_hint.timestamp != l->map->timestamp)
		return false;
	l->entry = t->vm_hint.entry;
	return l->vaddr >= l->entry->start && l->vaddr < l->entry->end;
}

/* Entries with one of these need more than a look at their protection. */
#define VM_LOOKUP_NOT_ORDINARY                                                                 \
	(VM_ENTRY_IS_SUB_MAP | VM_ENTRY_GUARD | VM_ENTRY_NEEDS_COPY | VM_ENTRY_IN_TRANSITION | \
	 VM_ENTRY_NOFAULT)

/* vm_map_lookup_allowed: is l->entry an ordinary one, and allows the access?  Then this is all that is
 * to be known of it. */
static inline bool
vm_map_lookup_allowed(struct vm_lookup *l)
{
	const struct vm_map_entry *e = l->entry;

	l->prot = e->protection;
	l->wired = false;
	l->object = e->object;
	return (e->eflags & VM_LOOKUP_NOT_ORDINARY) == 0 && e->wired_count == 0 &&
	       e->object != NULL && (l->fault_type & ~e->protection) == 0 &&
	       e->protection != VM_PROT_NONE;
}

static inline void
vm_map_lookup_set_place(struct vm_lookup *l)
{
	l->object = l->entry->object;
	l->pindex = atop(l->vaddr - l->entry->start + l->entry->offset);
}

/* vm_map_lookup_slowly: vm_map_lookup_fault where the quick look was not enough. */
kern_return_t vm_map_lookup_slowly(struct vm_lookup *l);

/* vm_map_lookup_fault: vm_map_lookup with its arguments in one piece, as the fault handler has
 * them. */
static inline kern_return_t
vm_map_lookup_fault(struct vm_lookup *l)
{
	vm_map_lock_read(l->map);
	if (__builtin_expect(!vm_map_lookup_hinted(l) || !vm_map_lookup_allowed(l), 0))
		return vm_map_lookup_slowly(l);
	vm_map_lookup_set_place(l);
	return KERN_SUCCESS;
}

/* ---- vm_map_entry.c ---- */

/* vm_map_entry_is_device: does e show a device object?  Map locked. */
bool vm_map_entry_is_device(const struct vm_map_entry *e);

void vm_map_entry_startup(void); /* the zone of entries; boot */

/* vm_map_reserve: make sure that n entries are at hand; false without memory.  Map write-locked. */
bool vm_map_reserve(vm_map_t map, unsigned n);
/* vm_map_reserve_cuts: likewise for what [start, end) cuts in two: no entry, or one or two. */
bool vm_map_reserve_cuts(vm_map_t map, vm_offset_t start, vm_offset_t end);
/* vm_map_entry_create: a cleared entry, from the spares first; NULL without memory.  Map write-locked;
 * or NULL: then there are no spares. */
vm_map_entry_t vm_map_entry_create(vm_map_t map);
/* vm_map_entry_dispose: free an entry that is linked nowhere and owns nothing. */
void vm_map_entry_dispose(vm_map_t map, vm_map_entry_t e);
/* vm_map_entry_delete: unlink e, return its charge, and leave the rest to the unlock.
 * vm_map_entry_abandon: likewise for one that is linked nowhere, but may own an object. */
void vm_map_entry_delete(vm_map_t map, vm_map_entry_t e);
void vm_map_entry_abandon(vm_map_t map, vm_map_entry_t e);

/* vm_map_entry_release_pages: e, unmapped, is about to lose its object: free the pages that only e can
 * show: no other mapping, handle or shadow will ever look for them. */
void vm_map_entry_release_pages(vm_map_entry_t e);

/* vm_map_clip_start: if addr lies inside e, split it: e keeps the part from addr on.
 * vm_map_clip_end: e keeps the part before addr.  An entry must be reserved; cannot fail. */
void vm_map_clip_start(vm_map_t map, vm_map_entry_t e, vm_offset_t addr);
void vm_map_clip_end(vm_map_t map, vm_map_entry_t e, vm_offset_t addr);

/* vm_map_try_merge: merge prev into e if they are alike; returns the survivor, e. */
vm_map_entry_t vm_map_try_merge(vm_map_t map, vm_map_entry_t prev, vm_map_entry_t e);
/* vm_map_try_extend: e, a range of zeroes that is not linked, is to lie before next: if they are alike, let
 * next begin where e does.  False: they are not. */
bool vm_map_try_extend(vm_map_t map, const struct vm_map_entry *e, vm_map_entry_t next);
/* vm_map_simplify_range: try to merge all neighbours in [start, end] . */
void vm_map_simplify_range(vm_map_t map, vm_offset_t start, vm_offset_t end);

/*
 * vm_map_entry_wait: e is in transition by another thread: sleep until that may have changed.
 * Map write-locked on entry; on KERN_SUCCESS locked again and everything may have changed; on
 * KERN_ABORTED unlocked.
 */
kern_return_t vm_map_entry_wait(vm_map_t map, vm_map_entry_t e, const char *why);

/* vm_map_lock_range: lock the map exclusively, at a moment at which no entry of [start, end) is in
 * transition.  KERN_ABORTED: killed while waiting for that; the map is not locked. */
kern_return_t vm_map_lock_range(vm_map_t map, vm_offset_t start, vm_offset_t end);

/* vm_map_wait_deletable: wait until nothing of [start, end) is in transition, or, in a user map, wired
 * by the system.  KERN_ABORTED if killed.  Map write-locked, and so on return in either case.
 * vm_map_deletable: is there nothing to wait for? */
kern_return_t vm_map_wait_deletable(vm_map_t map, vm_offset_t start, vm_offset_t end);
bool vm_map_deletable(vm_map_t map, vm_offset_t start, vm_offset_t end);

/*
 * What operations on a range share.  vm_map_range_first: the first entry that ends above start (or
 * the header).  vm_map_for_range: each entry that lies in [from, to), at least in part.
 * vm_map_range_has_submap: is there one in it?  vm_map_clip_range: cut the entries that start and end
 * fall into, entries being reserved; a stack's gap stays whole.  Map locked, to clip exclusively.
 */
vm_map_entry_t vm_map_range_search(vm_map_t map, vm_offset_t start);
static inline vm_map_entry_t
vm_map_range_first(vm_map_t map, vm_offset_t start)
{
	vm_map_entry_t e = map->hint;

	return e->start <= start && start < e->end ? e : vm_map_range_search(map, start);
}

#define vm_map_for_range(e, map, from, to)                                                        \
	for ((e) = vm_map_range_first((map), (from)); (e) != &(map)->header && (e)->start < (to); \
	     (e) = (e)->next)
bool vm_map_range_has_submap(vm_map_t map, vm_offset_t start, vm_offset_t end);
void vm_map_clip_range(vm_map_t map, vm_offset_t start, vm_offset_t end);

/* vm_map_range_bad: what every operation on a range refuses at once. */
static inline bool
vm_map_range_bad(vm_offset_t start, vm_offset_t end)
{
	return !page_aligned(start | end) || start > end;
}

/* vm_map_range_covers: does [start, end) hold all of e?  After clipping only a gap can stick out. */
static inline bool
vm_map_range_covers(vm_offset_t start, vm_offset_t end, const struct vm_map_entry *e)
{
	return start <= e->start && end >= e->end;
}

/* vm_map_range_overlap: bytes of e within [start, end), which it touches. */
static inline vm_size_t
vm_map_range_overlap(const struct vm_map_entry *e, vm_offset_t start, vm_offset_t end)
{
	return (end < e->end ? end : e->end) - (start > e->start ? start : e->start);
}

/* ---- vm_map_object.c: all with the map write-locked, and no object lock held ---- */

/* vm_map_never_charged: what costs nothing whatever it shows, and what cannot be written to. */
static inline bool
vm_map_never_charged(uint32_t eflags, vm_prot_t prot)
{
	return !(prot & VM_PROT_WRITE) ||
	       (eflags & (VM_ENTRY_GUARD | VM_ENTRY_NOFAULT | VM_ENTRY_NO_CHARGE));
}

/* vm_map_object_private: is it anonymous memory of one mapping, and charged to that?  An object that
 * others refer to counts as shared already. */
bool vm_map_object_private(struct vm_object *object);
/* vm_map_chargeable: is an entry with these properties charged for its bytes? */
static inline bool
vm_map_chargeable(uint32_t eflags, struct vm_object *object, vm_prot_t prot)
{
	if (vm_map_never_charged(eflags, prot))
		return false;
	return object == NULL || (eflags & VM_ENTRY_NEEDS_COPY) || vm_map_object_private(object);
}
/* vm_map_object_name: an entry is to show an object that its caller had: if others refer to it, too, it
 * is shared, as a whole. */
void vm_map_object_name(struct vm_object *object);
/* vm_map_object_due: what must be charged to the object if such an entry, which is not chargeable
 * itself, shows it: 0 if it is charged already.  vm_map_object_commit: it does; what is charged now is
 * taken from *got. */
vm_size_t vm_map_object_due(uint32_t eflags, struct vm_object *object, vm_prot_t prot);
void vm_map_object_commit(uint32_t eflags, struct vm_object *object, vm_prot_t prot,
			  vm_size_t *got);

/* vm_map_object_own: is it anonymous memory of one mapping and its parts alone?  Then a page of a range
 * is seen nowhere else.  Object locked. */
bool vm_map_object_own(const struct vm_object *object);
/* vm_map_entry_materialise: give e, whose object is NULL, its anonymous object.
 * KERN_RESOURCE_SHORTAGE: nothing changed. */
kern_return_t vm_map_entry_materialise(vm_map_entry_t e);
/* vm_map_entry_shadow: e, which has an object, NEEDS_COPY: give it a view of its own, charged, and clear the flag. */
kern_return_t vm_map_entry_shadow(vm_map_t map, vm_map_entry_t e);
/* vm_map_entry_own: if nobody else refers to e's anonymous object any more, all of it but what e shows
 * is freed, and its charge is e's again. */
void vm_map_entry_own(vm_map_entry_t e);
/* vm_map_entry_shared: may others see what is stored through e, which has an object?  If a fork would
 * share it, they may.  Else it is a matter of the books: memory that is not copy-on-write is charged to
 * its entry as long as it is private, and to its object when it is shared; that the others have gone
 * vm_map_entry_own() notices.  Object locked. */
bool vm_map_entry_shared(const struct vm_map_entry *e);
/* vm_map_entry_split: e is about to be passed on: its part of an object that other parts of the same
 * mapping show becomes an object of its own.  KERN_RESOURCE_SHORTAGE: nothing changed. */
kern_return_t vm_map_entry_split(vm_map_entry_t e);
/* vm_map_entry_share: one more reference on e's object, for somebody who shares it: it exists, is no
 * copy to be, is e's alone or shared already, and is charged for itself.  KERN_RESOURCE_SHORTAGE: no
 * reference was added. */
kern_return_t vm_map_entry_share(vm_map_t map, vm_map_entry_t e);

/* ---- vm_map_insert.c ---- */

/* vm_map_findspace_aligned: lowest free address >= start, a multiple of align, with room for
 * length bytes below max; false if none. */
bool vm_map_findspace_aligned(vm_map_t map, vm_offset_t start, vm_size_t length, vm_size_t align,
			      vm_offset_t *addr);

/* vm_map_prefault: enter the pages of [start, end) that are resident in object, which is shown there
 * from offset on, and not mapped; at most with prot.  Allocates none, and may give up early.  Map
 * locked. */
void vm_map_prefault(vm_map_t map, struct vm_object *object, vm_ooffset_t offset, vm_offset_t start,
		     vm_offset_t end, vm_prot_t prot);
/* vm_map_within_limit: may the map's size grow by `more` bytes, `less` of it going first?  Map
 * locked. */
bool vm_map_within_limit(vm_map_t map, uint64_t limit, vm_size_t more, vm_size_t less);

/* ---- vm_stack.c ---- */

/* vm_map_stack_locked: vm_map_stack under the owner's proc lock and the map lock. */
kern_return_t vm_map_stack_locked(vm_map_t map, vm_offset_t addrbos, vm_size_t max_ssize,
				  vm_prot_t prot, vm_prot_t max, int cow);

/* ---- vm_wire.c ---- */

/* vm_map_entry_unwire: drop every wiring of e, its pages and its account.  Map write-locked. */
void vm_map_entry_unwire(vm_map_t map, vm_map_entry_t e);
/*
 * vm_map_wire_new: wire e for the user; it is new, unwired and touched by nobody.  Without sleeping, so
 * with what is there and, in private memory, pages of zeroes.  Map write-locked.
 * KERN_OUT_OF_BOUNDS: beyond the end of its object; KERN_INVALID_ARGUMENT: a page of shared memory is
 * not there; KERN_RESOURCE_SHORTAGE: no memory.  Nothing is wired then, but pages may have been made and mapped.
 */
kern_return_t vm_map_wire_new(vm_map_t map, vm_map_entry_t e);
/* vm_map_enter_wired_at: what the wired e shows of [start, end) is also mapped at `to`, wired.  Map
 * write-locked.  KERN_RESOURCE_SHORTAGE: no memory; nothing is mapped at `to` then. */
kern_return_t vm_map_enter_wired_at(vm_map_t map, vm_map_entry_t e, vm_offset_t start,
				    vm_offset_t end, vm_offset_t to);

#endif
