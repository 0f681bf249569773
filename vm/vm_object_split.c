/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Splitting an object: a part of it becomes an object of its own.
 *
 * A mapping that was cut shows one object through several entries.  While that is all who look, what
 * one entry gives up is freed (ONEMAPPING).  A fork would end this, since from then on nobody knows
 * which part who can see.  So before it passes an entry on, it gives the entry's part its own object:
 *
 *	before	e1 --> O [abcd] <-- e2		after	e1 --> N [ab..]    O [..cd] <-- e2
 *	                 |				         +----> backing <----+
 *
 * Later each of the two is freed as a whole when the last who shows it goes.  Indices stay the same,
 * which has two gains: no page need be unmapped, and a page can be in both trees for a moment, so all
 * that may fail for want of memory comes before anything moves.
 */
#include "kernel/base/panic.h"
#include "vm/vm_object.h"
#include "vm/vm_object_impl.h"
#include "vm/vm_page.h"
#include "vm/vm_pager.h"

/* copy_tree: the pages [first, end) of object are in part's tree as well.  On failure in none of
 * part's. */
static kern_return_t
copy_tree(struct vm_object *part, struct vm_object *object, vm_pindex_t first, vm_pindex_t end)
{
	struct vm_page *m;
	kern_return_t kr;

	for (vm_pindex_t i = first;
	     (m = vm_radix_lookup_ge(&object->pages, i)) != NULL && m->pindex < end;
	     i = m->pindex + 1) {
		kr = vm_radix_insert(&part->pages, m);
		if (kr != KERN_SUCCESS) {
			vm_radix_clear(&part->pages);
			return kr;
		}
	}
	return KERN_SUCCESS;
}

/* move_pages: what copy_tree has put into part's tree leaves object's. */
static void
move_pages(struct vm_object *part, struct vm_object *object)
{
	struct vm_page *m;

	for (vm_pindex_t i = 0; (m = vm_radix_lookup_ge(&part->pages, i)) != NULL;
	     i = m->pindex + 1) {
		vm_radix_remove(&object->pages, m->pindex);
		object->resident--;
		m->object = part;
		part->resident++;
	}
}

/* share_backing: part shadows what object shadows, from the same place on. */
static void
share_backing(struct vm_object *part, struct vm_object *object)
{
	struct vm_object *backing = object->backing;

	if (backing == NULL)
		return;
	rwlock_write(&backing->lock);
	vm_object_reference_locked(backing);
	vm_object_attach(part, backing, object->backing_offset);
	rwlock_write_unlock(&backing->lock);
}

/* split_locked: both write-locked; part is new. */
static kern_return_t
split_locked(struct vm_object *part, struct vm_object *object, vm_pindex_t first, vm_pindex_t end)
{
	kern_return_t kr;

	ASSERT((object->traits & VM_PAGER_ANONYMOUS) && (object->flags & VM_OBJECT_ONEMAPPING) &&
		   object->shadow_count == 0,
	       "split of object %p: flags %#x, %u references, %u shadows", (void *)object,
	       object->flags, object->ref_count, object->shadow_count);
	/* The others may just have gone: what is unmapped is let go of without the map's lock. */
	if (object->ref_count == 1)
		return KERN_FAILURE;
	if (object->paging > 0 || vm_object_has_busy(object, first, end))
		return KERN_RESOURCE_SHORTAGE;
	kr = copy_tree(part, object, first, end);
	if (kr != KERN_SUCCESS)
		return kr;
	move_pages(part, object);
	share_backing(part, object);
	part->first = first;
	if (part->size > object->size)
		part->size = object->size; /* beyond an end there is nothing, after as before */
	part->identity = object->identity;
	object->ref_count--;
	return KERN_SUCCESS;
}

kern_return_t
vm_object_split(struct vm_object **object, vm_pindex_t first, vm_pindex_t end)
{
	struct vm_object *whole = *object, *part;
	kern_return_t kr;

	part = vm_object_allocate_anon(end);
	if (part == NULL)
		return KERN_RESOURCE_SHORTAGE;
	rwlock_write(&part->lock);
	rwlock_write(&whole->lock);
	kr = split_locked(part, whole, first, end);
	rwlock_write_unlock(&whole->lock);
	if (kr != KERN_SUCCESS) {
		vm_object_free_storage(part);
		return kr;
	}
	rwlock_write_unlock(&part->lock);
	*object = part;
	return KERN_SUCCESS;
}
