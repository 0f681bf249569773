/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Maps: their life, their lock, and the lookup that a fault makes.
 *
 * The rest of the family stands beside this file: vm_map_tree.c (the index), vm_map_insert.c (new
 * ranges), vm_map_entry.c (clip, merge, delete), vm_map_protect.c (attributes), vm_stack.c,
 * vm_submap.c, vm_wire.c, vm_map_audit.c (the invariants of vm_map.h, checked).
 *
 * The lock of a user map is a sleeping reader/writer lock; that of kernel_map and its submaps is
 * always taken exclusively.  The timestamp counts exclusive acquisitions: who has dropped the lock
 * knows from it whether anything can have changed.
 *
 * What an operation unlinks is released when the lock is: tearing an object down may sleep, and
 * nothing may sleep for an event under a map lock.
 */
#include "kernel/base/panic.h"
#include "kernel/base/sched.h"
#include "kernel/base/sleepq.h"
#include "kernel/base/string.h"
#include "vm/pmap.h"
#include "vm/vm_map.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_zone.h"

static struct vm_zone map_zone;

uint32_t vm_stack_guard_pages = 16;
vm_size_t vm_sgrowsiz = 128 * 1024;
vm_offset_t vm_min_user_map = VM_LOW_GUARD;

static uint64_t last_serial;

/* ---- life ---- */

void
vm_map_startup(void)
{
	vm_zone_init(&map_zone, "vm_map", sizeof(struct vm_map), &vm_zone_direct);
	vm_map_entry_startup();
}

static void
map_init(vm_map_t map, pmap_t pmap, vm_offset_t min, vm_offset_t max, uint32_t flags)
{
	ASSERT(min < max && page_aligned(min | max), "bounds %#lx-%#lx", min, max);
	memset(map, 0, sizeof(*map));
	map->header.prev = map->header.next = &map->header;
	map->header.end = min;
	map->header.start = max;
	map->pmap = pmap;
	map->flags = flags;
	map->ref_count = 1;
	map->serial = __atomic_add_fetch(&last_serial, 1, __ATOMIC_RELAXED);
	rwlock_init(&map->lock, flags & VM_MAP_SYSTEM ? "system map" : "user map",
		    flags & VM_MAP_SYSTEM ? LOCK_RANK_MAP_KERNEL : LOCK_RANK_MAP_USER);
}

void
vm_map_init(vm_map_t map, pmap_t pmap, vm_offset_t min, vm_offset_t max)
{
	map_init(map, pmap, min, max, 0);
}

void
vm_map_init_system(vm_map_t map, pmap_t pmap, vm_offset_t min, vm_offset_t max)
{
	map_init(map, pmap, min, max, VM_MAP_SYSTEM);
}

void
vm_map_fini(vm_map_t map)
{
	ASSERT(map->nentries == 0 && map->size == 0, "map %p: %u entries, size %#zx", map,
	       map->nentries, map->size);
	ASSERT(map->busy == 0, "map %p busy %u", map, map->busy);
	/* Whoever found the map just before its last reference went may still hold the lock. */
	vm_map_lock(map);
	vm_map_unlock(map);
	while (map->spare != NULL)
		vm_map_entry_dispose(map, vm_map_entry_create(map));
}

vm_map_t
vm_map_create(pmap_t pmap, vm_offset_t min, vm_offset_t max)
{
	vm_map_t map = vm_zone_alloc(&map_zone, 0);

	if (map == NULL)
		return NULL;
	if (pmap == kernel_pmap)
		vm_map_init_system(map, pmap, min, max);
	else
		vm_map_init(map, pmap, min, max);
	return map;
}

void
vm_map_reference(vm_map_t map)
{
	__atomic_fetch_add(&map->ref_count, 1, __ATOMIC_RELAXED);
}

/* drop_reference: true if it was the last one; the caller destroys the map then. */
static bool
drop_reference(vm_map_t map)
{
	return __atomic_sub_fetch(&map->ref_count, 1, __ATOMIC_ACQ_REL) == 0;
}

static void
map_destroy(vm_map_t map)
{
	vm_map_fini(map);
	vm_zone_free(&map_zone, map);
}

void
vm_map_deallocate(vm_map_t map)
{
	if (drop_reference(map))
		map_destroy(map);
}

bool
vm_map_range_valid(const struct vm_map *map, vm_offset_t start, vm_offset_t end)
{
	return start <= end && start >= vm_map_min(map) && end <= vm_map_max(map);
}

/* ---- the lock ---- */

void
vm_map_lock(vm_map_t map)
{
	rwlock_write(&map->lock);
	map->timestamp++;
}

vm_map_entry_t
vm_map_unlock_deferred(vm_map_t map)
{
	vm_map_entry_t dead = map->dead;

	map->dead = NULL;
	vm_map_audit_unlock(map);
	rwlock_write_unlock(&map->lock);
	return dead;
}

void
vm_map_unlock(vm_map_t map)
{
	vm_map_release_dead(vm_map_unlock_deferred(map));
}

void
vm_map_lock_read(vm_map_t map)
{
	if (map->flags & VM_MAP_SYSTEM)
		rwlock_write(&map->lock);
	else
		rwlock_read(&map->lock);
}

void
vm_map_unlock_read(vm_map_t map)
{
	if (map->flags & VM_MAP_SYSTEM)
		rwlock_write_unlock(&map->lock);
	else
		rwlock_read_unlock(&map->lock);
}

int
vm_map_trylock(vm_map_t map)
{
	if (!rwlock_trywrite(&map->lock))
		return 0;
	map->timestamp++;
	return 1;
}

int
vm_map_trylock_read(vm_map_t map)
{
	if (map->flags & VM_MAP_SYSTEM)
		return rwlock_trywrite(&map->lock);
	return rwlock_tryread(&map->lock);
}

int
vm_map_lock_upgrade(vm_map_t map)
{
	uint64_t before = map->timestamp;

	if (!(map->flags & VM_MAP_SYSTEM) && !rwlock_tryupgrade(&map->lock)) {
		/* Others read too.  Let go and queue as a writer; nobody else may have been one. */
		rwlock_read_unlock(&map->lock);
		rwlock_write(&map->lock);
		if (map->timestamp != before) {
			rwlock_write_unlock(&map->lock);
			return 1;
		}
	}
	map->timestamp++;
	return 0;
}

void
vm_map_lock_downgrade(vm_map_t map)
{
	vm_map_audit_unlock(map);
	if (!(map->flags & VM_MAP_SYSTEM))
		rwlock_downgrade(&map->lock);
}

int
vm_map_locked(const struct vm_map *map)
{
	return rwlock_write_owned(&map->lock);
}

kern_return_t
vm_map_unlock_and_wait(vm_map_t map, const char *why)
{
	sleepq_prepare(&map->root, why);
	vm_map_audit_unlock(map);
	rwlock_write_unlock(&map->lock);
	return sleepq_wait(SLEEPQ_FOREVER, SLEEPQ_KILLABLE) == SLEEPQ_KILLED ? KERN_ABORTED
									     : KERN_SUCCESS;
}

void
vm_map_wakeup(vm_map_t map)
{
	sleepq_wake_all(&map->root);
}

void
vm_map_busy(vm_map_t map)
{
	map->busy++;
}

void
vm_map_unbusy(vm_map_t map)
{
	ASSERT(map->busy > 0, "map %p is not busy", map);
	if (--map->busy == 0 && (map->flags & VM_MAP_BUSY_WAKEUP)) {
		map->flags &= ~VM_MAP_BUSY_WAKEUP;
		vm_map_wakeup(map);
	}
}

kern_return_t
vm_map_wait_busy(vm_map_t map)
{
	while (map->busy > 0) {
		map->flags |= VM_MAP_BUSY_WAKEUP;
		if (vm_map_unlock_and_wait(map, "mapbusy") != KERN_SUCCESS)
			return KERN_ABORTED;
		vm_map_lock(map);
	}
	return KERN_SUCCESS;
}

/* ---- lookup ---- */

/*
 * lookup_hinted: vm_map_lookup_entry for readers.  Each thread remembers the entry it found last;
 * the memory is good as long as the map is the same one and nobody has written to it since.
 */
static bool
lookup_hinted(vm_map_t map, vm_offset_t vaddr, vm_map_entry_t *entry)
{
	struct thread *t = curthread();

	if (t->vm_hint.serial == map->serial && t->vm_hint.timestamp == map->timestamp &&
	    vaddr >= t->vm_hint.entry->start && vaddr < t->vm_hint.entry->end) {
		*entry = t->vm_hint.entry;
		return true;
	}
	if (!vm_map_lookup_entry(map, vaddr, entry))
		return false;
	t->vm_hint.serial = map->serial;
	t->vm_hint.timestamp = map->timestamp;
	t->vm_hint.entry = *entry;
	return true;
}

/* What must be done to an entry before its lookup can succeed. */
enum lookup_need {
	NEED_NOTHING,
	NEED_SUBMAP,
	NEED_SHADOW,
	NEED_OBJECT
};

/* What a lookup is told and what it has found. */
struct lookup {
	vm_offset_t vaddr;
	vm_prot_t fault_type;
	vm_map_entry_t entry;
	vm_prot_t prot;
	bool wired;
	enum lookup_need need;
};

/*
 * lookup_entry_rights: find the entry and judge the access; l->need says what is left to do.
 * Map read-locked, and still so in every case.
 */
static kern_return_t
lookup_entry_rights(vm_map_t map, struct lookup *l)
{
	vm_prot_t wanted = l->fault_type & VM_PROT_ALL;
	vm_map_entry_t e;

	if (!lookup_hinted(map, l->vaddr, &e))
		return KERN_INVALID_ADDRESS;
	l->entry = e;
	l->need = NEED_NOTHING;
	if (e->eflags & VM_ENTRY_IS_SUB_MAP) {
		l->need = NEED_SUBMAP;
		return KERN_SUCCESS;
	}
	/* A stack's gap counts as unmapped: growth may change that (contracts D18). */
	if (e->eflags & VM_ENTRY_STACK_GAP)
		return KERN_INVALID_ADDRESS;
	l->prot = e->protection;
	if ((wanted & ~l->prot) != 0 || l->prot == VM_PROT_NONE)
		return KERN_PROTECTION_FAILURE;
	if ((l->fault_type & VM_PROT_COPY) && !(e->max_protection & VM_PROT_WRITE) &&
	    !(e->eflags & VM_ENTRY_COW))
		return KERN_PROTECTION_FAILURE;

	/* A wired page is entered with all the rights it will ever need. */
	l->wired = e->wired_count != 0;
	if (l->wired)
		wanted = l->prot;
	if (e->eflags & VM_ENTRY_NEEDS_COPY) {
		if ((wanted & VM_PROT_WRITE) || (l->fault_type & VM_PROT_COPY))
			l->need = NEED_SHADOW;
		else
			l->prot &= ~VM_PROT_WRITE;
	}
	if (e->object == NULL && !(e->eflags & VM_ENTRY_NOFAULT))
		l->need = NEED_OBJECT;
	/* Another thread wires it: vm_fault waits for that, and looks again. */
	if ((e->eflags & VM_ENTRY_IN_TRANSITION) && e->wiring_thread != curthread())
		l->need = NEED_NOTHING;
	return KERN_SUCCESS;
}

/*
 * lookup_enter_submap: go from the read-locked parent into the submap, read-locked.  The two locks
 * are never held together, so a reference keeps the submap alive in between; should that be the
 * last one by then, the range is gone.  Once we hold the lock the reference is not needed: who
 * drops the last one waits for the lock before the map goes (vm_map_fini).
 */
static kern_return_t
lookup_enter_submap(vm_map_t *var_map, vm_map_t submap)
{
	vm_map_reference(submap);
	vm_map_unlock_read(*var_map);
	vm_map_lock_read(submap);
	if (drop_reference(submap)) {
		vm_map_unlock_read(submap);
		map_destroy(submap);
		return KERN_INVALID_ADDRESS;
	}
	*var_map = submap;
	return KERN_RESTART;
}

/*
 * lookup_mend: make the object that the entry needs, under the exclusive lock, and go back to the
 * shared one.  On anything but KERN_SUCCESS the map is unlocked.
 */
static kern_return_t
lookup_mend(vm_map_t map, struct lookup *l)
{
	kern_return_t kr;

	if (vm_map_lock_upgrade(map) != 0)
		return KERN_RESTART;
	if (l->need == NEED_SHADOW)
		kr = vm_map_entry_shadow(map, l->entry);
	else
		kr = vm_map_entry_materialise(l->entry);
	if (kr != KERN_SUCCESS) {
		vm_map_unlock(map);
		return kr;
	}
	vm_map_lock_downgrade(map);
	/* The entry is the same one: nobody could write meanwhile. */
	curthread()->vm_hint.timestamp = map->timestamp;
	return KERN_SUCCESS;
}

static void
lookup_results(const struct lookup *l, vm_map_entry_t *out_entry, struct vm_object **object,
	       vm_pindex_t *pindex, vm_prot_t *out_prot, boolean_t *wired)
{
	*out_entry = l->entry;
	*object = l->entry->object;
	*pindex = atop(l->vaddr - l->entry->start + l->entry->offset);
	*out_prot = l->prot;
	*wired = l->wired;
}

kern_return_t
vm_map_lookup(vm_map_t *var_map, vm_offset_t vaddr, vm_prot_t fault_type, vm_map_entry_t *out_entry,
	      struct vm_object **object, vm_pindex_t *pindex, vm_prot_t *out_prot, boolean_t *wired)
{
	struct lookup l = {.vaddr = vaddr, .fault_type = fault_type};
	kern_return_t kr;

	vm_map_lock_read(*var_map);
	for (;;) {
		kr = lookup_entry_rights(*var_map, &l);
		if (kr != KERN_SUCCESS) {
			vm_map_unlock_read(*var_map);
			return kr;
		}
		if (l.need == NEED_NOTHING)
			break;
		if (l.need == NEED_SUBMAP) {
			kr = lookup_enter_submap(var_map, l.entry->sub_map);
		} else {
			kr = lookup_mend(*var_map, &l);
			if (kr == KERN_RESTART)
				vm_map_lock_read(*var_map);
		}
		if (kr != KERN_SUCCESS && kr != KERN_RESTART)
			return kr;
	}
	lookup_results(&l, out_entry, object, pindex, out_prot, wired);
	return KERN_SUCCESS;
}

kern_return_t
vm_map_lookup_locked(vm_map_t *var_map, vm_offset_t vaddr, vm_prot_t fault_type,
		     vm_map_entry_t *out_entry, struct vm_object **object, vm_pindex_t *pindex,
		     vm_prot_t *out_prot, boolean_t *wired)
{
	struct lookup l = {.vaddr = vaddr, .fault_type = fault_type};
	kern_return_t kr = lookup_entry_rights(*var_map, &l);

	if (kr != KERN_SUCCESS)
		return kr;
	if (l.need != NEED_NOTHING)
		return KERN_FAILURE;
	lookup_results(&l, out_entry, object, pindex, out_prot, wired);
	return KERN_SUCCESS;
}

void
vm_map_lookup_done(vm_map_t map, vm_map_entry_t entry)
{
	(void)entry;
	vm_map_unlock_read(map);
}
