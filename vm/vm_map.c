/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Maps: their life and their lock.
 *
 * The rest of the family stands beside this file: vm_map_tree.c (the index), vm_map_lookup.c (what a
 * fault asks), vm_map_insert.c (new ranges), vm_map_entry.c (clip, merge, delete), vm_map_protect.c
 * (attributes), vm_stack.c, vm_submap.c, vm_wire.c, vm_map_audit.c (the invariants, checked).
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
#include "vm/vm_census.h"
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
map_init(vm_map_t map, pmap_t pmap, vm_offset_t min, vm_offset_t max, bool system)
{
	ASSERT(min < max && page_aligned(min | max), "bounds %#lx-%#lx", min, max);
	memset(map, 0, sizeof(*map));
	map->header.prev = map->header.next = map->hint = &map->header;
	map->header.end = min;
	map->header.start = max;
	map->pmap = pmap;
	map->system = system;
	map->ref_count = 1;
	map->serial = __atomic_add_fetch(&last_serial, 1, __ATOMIC_RELAXED);
	rmlock_init(&map->lock, system ? "system map" : "user map",
		    system ? LOCK_RANK_MAP_KERNEL : LOCK_RANK_MAP_USER);
	vm_census_add_map(map);
}

void
vm_map_init(vm_map_t map, pmap_t pmap, vm_offset_t min, vm_offset_t max)
{
	map_init(map, pmap, min, max, false);
}

void
vm_map_init_system(vm_map_t map, pmap_t pmap, vm_offset_t min, vm_offset_t max)
{
	map_init(map, pmap, min, max, true);
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
	vm_census_remove_map(map);
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

bool
vm_map_drop_reference(vm_map_t map)
{
	return __atomic_sub_fetch(&map->ref_count, 1, __ATOMIC_ACQ_REL) == 0;
}

void
vm_map_destroy(vm_map_t map)
{
	vm_map_fini(map);
	vm_zone_free(&map_zone, map);
}

void
vm_map_deallocate(vm_map_t map)
{
	if (vm_map_drop_reference(map))
		vm_map_destroy(map);
}

bool
vm_map_range_valid(const struct vm_map *map, vm_offset_t start, vm_offset_t end)
{
	return start <= end && start >= vm_map_min(map) && end <= vm_map_max(map);
}

/* The owner may end meanwhile: then the map has none any more, but the caller keeps the one it had
 * from being freed. */
uint64_t
vm_map_owner_limit(vm_map_t map, enum vm_limit which)
{
	struct proc *p = __atomic_load_n(&map->owner, __ATOMIC_RELAXED);

	return p == NULL ? VM_LIMIT_INFINITY : proc_limit(p, which);
}

/* ---- the lock ---- */

void
vm_map_unlock(vm_map_t map)
{
	vm_map_release_dead(vm_map_unlock_deferred(map));
}

int
vm_map_trylock(vm_map_t map)
{
	if (!rmlock_trywrite(&map->lock))
		return 0;
	map->timestamp++;
	return 1;
}

int
vm_map_trylock_read(vm_map_t map)
{
	if (map->system)
		return rmlock_trywrite(&map->lock);
	return rmlock_tryread(&map->lock);
}

int
vm_map_lock_upgrade(vm_map_t map)
{
	uint64_t before = map->timestamp;

	if (!map->system && !rmlock_tryupgrade(&map->lock)) {
		/* Others read too.  Let go and queue as a writer; nobody else may have been one. */
		rmlock_read_unlock(&map->lock);
		rmlock_write(&map->lock);
		if (map->timestamp != before) {
			rmlock_write_unlock(&map->lock);
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
	if (!map->system)
		rmlock_downgrade(&map->lock);
}

int
vm_map_locked(const struct vm_map *map)
{
	return rmlock_write_owned(&map->lock);
}

kern_return_t
vm_map_unlock_and_wait(vm_map_t map, const char *why)
{
	vm_map_audit_unlock(map); /* takes locks, so before */
	sleepq_prepare(&map->root, why);
	rmlock_write_unlock(&map->lock);
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
	kern_return_t kr = KERN_SUCCESS;

	while (kr == KERN_SUCCESS && map->busy > 0) {
		map->flags |= VM_MAP_BUSY_WAKEUP;
		kr = vm_map_unlock_and_wait(map, "mapbusy");
		if (kr == KERN_SUCCESS)
			vm_map_lock(map);
	}
	return kr;
}
