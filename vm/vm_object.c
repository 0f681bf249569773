/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects: their life, their references, their pages.
 *
 * A reference is owned by each map entry, by each handle, and by each object that shadows this one.
 * The last one out empties the object and drops the reference on the backing object in turn; a
 * chain of any length is taken down by a loop, not by recursion.  Chains are made and shortened in
 * vm_object_shadow.c.
 */
#include "kernel/base/compiler.h"
#include "kernel/base/panic.h"
#include "kernel/base/sleepq.h"
#include "kernel/base/string.h"
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vm_census.h"
#include "vm/vm_object.h"
#include "vm/vm_object_impl.h"
#include "vm/vm_page.h"
#include "vm/vm_pager.h"
#include "vm/vm_zone.h"

struct vm_object vm_submap_object_store, kernel_object_store;

static struct vm_zone object_zone;
static uint64_t last_identity; /* (a) */

static void
object_init(struct vm_object *object, const struct vm_pager_ops *pager, vm_pindex_t size)
{
	memset(object, 0, sizeof(*object));
	rwlock_init(&object->lock, "vm_object", LOCK_RANK_OBJECT);
	list_init(&object->shadows);
	object->pager = pager;
	object->traits = pager->traits;
	object->size = size;
	object->ref_count = 1;
	object->identity = __atomic_add_fetch(&last_identity, 1, __ATOMIC_RELAXED);
	vm_census_add_object(object);
}

void
vm_object_init(void)
{
	vm_zone_init(&object_zone, "vm_object", sizeof(struct vm_object), &vm_zone_direct);
	object_init(&vm_submap_object_store, &vm_pager_submap, UINT64_MAX >> PAGE_SHIFT);
	object_init(&kernel_object_store, &vm_pager_kernel,
		    atop(VM_MAX_KERNEL_ADDRESS - VM_MIN_KERNEL_ADDRESS));
}

struct vm_object *
vm_object_allocate(const struct vm_pager_ops *pager, vm_pindex_t size)
{
	struct vm_object *object = vm_zone_alloc(&object_zone, 0);

	if (object != NULL)
		object_init(object, pager, size);
	return object;
}

struct vm_object *
vm_object_allocate_anon(vm_pindex_t size)
{
	struct vm_object *object = vm_object_allocate(&vm_pager_anonymous, size);

	if (object != NULL)
		object->flags = VM_OBJECT_ONEMAPPING;
	return object;
}

uint64_t
vm_object_count(void)
{
	return vm_zone_in_use(&object_zone);
}

void
vm_object_free_storage(struct vm_object *object)
{
	ASSERT(object->resident == 0 && object->shadow_count == 0,
	       "object %p: %zu pages, %u shadows", (void *)object, (size_t)object->resident,
	       object->shadow_count);
	vm_census_remove_object(object);
	rwlock_write_unlock(&object->lock);
	vm_zone_free(&object_zone, object);
}

void
vm_object_set_charge(struct vm_object *object, vm_size_t bytes)
{
	object->charge = bytes;
	object->flags |= VM_OBJECT_SHARED | VM_OBJECT_NAMED | VM_OBJECT_CHARGED;
}

void
vm_object_drop_charge(struct vm_object *object)
{
	if (object->flags & VM_OBJECT_CHARGED)
		vm_uncharge(object->charge);
}

/* ---- references ---- */

void
vm_object_reference_locked(struct vm_object *object)
{
	ASSERT(!(object->flags & VM_OBJECT_DEAD), "object %p is dead", (void *)object);
	COUNT_ADD(object->ref_count, 1);
}

void
vm_object_reference(struct vm_object *object)
{
	if (object == NULL)
		return;
	rwlock_write(&object->lock);
	vm_object_reference_locked(object);
	rwlock_write_unlock(&object->lock);
}

/*
 * wait_for_paging: the object is write-locked and paging is under way: wait for its end, unlocked.
 * Not killable: paging ends by itself, and the caller could not keep the reference.
 */
static void
wait_for_paging(struct vm_object *object)
{
	object->flags |= VM_OBJECT_PAGING_WANTED;
	sleepq_prepare(&object->paging, "objpag");
	rwlock_write_unlock(&object->lock);
	sleepq_wait(SLEEPQ_FOREVER, 0);
}

/*
 * terminate: the last reference on the write-locked object is the caller's: free all of it.
 * Returns the backing object, whose reference is now the caller's.
 */
static struct vm_object *
terminate(struct vm_object *object)
{
	struct vm_object *backing = object->backing;

	object->flags |= VM_OBJECT_DEAD;
	object->ref_count = 0;
	vm_object_page_remove(object, 0, 0);
	if (backing != NULL) {
		rwlock_write(&backing->lock);
		vm_object_detach(object);
		rwlock_write_unlock(&backing->lock);
	}
	vm_object_drop_charge(object);
	if (object->pager->terminate != NULL) {
		rwlock_write_unlock(&object->lock);
		object->pager->terminate(object);
		rwlock_write(&object->lock);
	}
	vm_object_free_storage(object);
	return backing;
}

void
vm_object_deallocate(struct vm_object *object)
{
	while (object != NULL) {
		rwlock_write(&object->lock);
		ASSERT(object->ref_count > 0, "object %p has no reference", (void *)object);
		if (object->ref_count > 1) {
			COUNT_ADD(object->ref_count, -1);
			vm_object_collapse_into_shadow(object);
			return;
		}
		if (object->paging > 0) {
			wait_for_paging(object);
			continue;
		}
		if ((object->traits & VM_PAGER_PAGED) != 0)
			vm_pager_clean(object);
		object = terminate(object);
	}
}

void
vm_object_paging_begin(struct vm_object *object)
{
	object->paging++;
}

void
vm_object_paging_end(struct vm_object *object)
{
	ASSERT(object->paging > 0, "object %p is not paging", (void *)object);
	if (--object->paging == 0 && (object->flags & VM_OBJECT_PAGING_WANTED)) {
		object->flags &= ~VM_OBJECT_PAGING_WANTED;
		sleepq_wake_all(&object->paging);
	}
}

/* ---- pages ---- */

/* remove_page: a page of the range: a wired one must stay, so it only loses its contents. */
static void
remove_page(struct vm_page *m)
{
	pmap_remove_all(m);
	if (m->wire_count != 0)
		pmap_zero_page(m);
	else
		vm_page_free(m);
}

void
vm_object_page_remove(struct vm_object *object, vm_pindex_t start, vm_pindex_t end)
{
	vm_pindex_t next = start;
	struct vm_page *m;

	ASSERT(rwlock_write_owned(&object->lock), "object %p", (void *)object);
	if (end == 0)
		end = UINT64_MAX;
	while (next < end && (m = vm_radix_lookup_ge(&object->pages, next)) != NULL &&
	       m->pindex < end) {
		next = m->pindex + 1;
		/* A busy page is being filled by a fault that will find the range gone. */
		if (!(m->flags & VM_PAGE_BUSY))
			remove_page(m);
	}
}

void
vm_object_trim(struct vm_object *object, vm_pindex_t first, vm_pindex_t end)
{
	ASSERT(rwlock_write_owned(&object->lock), "object %p", (void *)object);
	if (first > object->first)
		vm_object_page_remove(object, object->first, first);
	object->first = first;
	if (end < object->size) {
		vm_object_page_remove(object, end, 0);
		object->size = end;
	}
}

bool
vm_object_has_busy(struct vm_object *object, vm_pindex_t start, vm_pindex_t end)
{
	struct vm_page *m;

	for (vm_pindex_t i = start;
	     (m = vm_radix_lookup_ge(&object->pages, i)) != NULL && m->pindex < end;
	     i = m->pindex + 1)
		if (m->flags & VM_PAGE_BUSY)
			return true;
	return false;
}

/* can_extend: is [end, new_end) (pages) of the object nobody else's? */
static bool
can_extend(struct vm_object *object, vm_pindex_t end, vm_pindex_t new_end)
{
	if ((object->traits & VM_PAGER_ANONYMOUS) == 0)
		return false;
	vm_object_collapse(object);
	if (object->backing != NULL || (object->flags & VM_OBJECT_SHARED))
		return false;
	if (object->size < end)
		return false; /* the mapping shows more than there is, and that stays so */
	/* The last reference is the mapping's that wants to grow. */
	if (object->ref_count == 1)
		object->flags |= VM_OBJECT_ONEMAPPING;
	else if (object->size != end &&
		 (object->flags & (VM_OBJECT_ONEMAPPING | VM_OBJECT_SCATTERED)) !=
		     VM_OBJECT_ONEMAPPING)
		return false;
	return !vm_object_has_busy(object, end, new_end);
}

bool
vm_object_coalesce(struct vm_object *object, vm_ooffset_t offset, vm_size_t size, vm_size_t more)
{
	vm_pindex_t end = atop(offset + size), new_end = end + atop(more);
	bool ok;

	if (object == NULL)
		return true;
	rwlock_write(&object->lock);
	ok = can_extend(object, end, new_end);
	if (ok) {
		/* What an earlier mapping left there must read as zeroes. */
		vm_object_page_remove(object, end, new_end);
		if (object->size < new_end)
			object->size = new_end;
	}
	rwlock_write_unlock(&object->lock);
	return ok;
}
