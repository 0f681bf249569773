/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries and their objects: made, shadowed, owned, shared, and who is charged.
 *
 * Each byte that may be written to, or could be, is charged once:
 *
 *	private memory	to the entry, which is VM_ENTRY_CHARGED for exactly its bytes.  Private is what
 *			has no object yet, what NEEDS_COPY, and an anonymous object that no other
 *			mapping shows
 *	shared memory	to the object as a whole (VM_OBJECT_SHARED), `charge` bytes, as soon as one of
 *			those who show it may write (VM_OBJECT_CHARGED)
 *	the rest	to nobody: guards, NOFAULT and NO_CHARGE entries, objects that are not anonymous
 *
 *	              vm_map_entry_share (fork), a mapping of an object that others refer to
 *	   private  ------------------------------------------------------------------------>  shared
 *	            <------------------------------------------------------------------------
 *	              vm_map_entry_own: the others have gone, and it never was anything else but
 *	              memory of mappings (VM_OBJECT_NAMED)
 *
 * An entry's object is private or shared as one, so an object that becomes shared holds just what that
 * entry shows: vm_map_entry_split sees to it.  Since what is private is shown by this map alone, only
 * who has this map's lock can make it shared, and the other way round.
 */
#include "kernel/base/panic.h"
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vm_map.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_pager.h"
#include "vm/vm_wire.h"

static vm_pindex_t
window_first(const struct vm_map_entry *e)
{
	return atop(e->offset);
}

static vm_pindex_t
window_end(const struct vm_map_entry *e)
{
	return atop(e->offset + (e->end - e->start));
}

/* ---- charges ---- */

bool
vm_map_object_private(struct vm_object *object)
{
	bool private;

	rwlock_read(&object->lock);
	private = vm_map_object_own(object) && !(object->flags & VM_OBJECT_SHARED);
	rwlock_read_unlock(&object->lock);
	return private;
}

/* whole: what object, which is shared or will be, stands for.  Locked. */
static vm_size_t
whole(const struct vm_object *object)
{
	return object->flags & VM_OBJECT_SHARED ? object->charge : ptoa(object->size);
}

vm_size_t
vm_map_object_due(uint32_t eflags, struct vm_object *object, vm_prot_t prot)
{
	vm_size_t due = 0;

	if (vm_map_never_charged(eflags, prot) || !(object->traits & VM_PAGER_ANONYMOUS))
		return 0;
	rwlock_read(&object->lock);
	if (!(object->flags & VM_OBJECT_CHARGED))
		due = whole(object);
	rwlock_read_unlock(&object->lock);
	return due;
}

void
vm_map_object_name(struct vm_object *object)
{
	rwlock_write(&object->lock);
	if ((object->traits & VM_PAGER_ANONYMOUS) && object->ref_count > 1) {
		object->charge = whole(object);
		object->flags |= VM_OBJECT_SHARED | VM_OBJECT_NAMED;
	}
	rwlock_write_unlock(&object->lock);
}

void
vm_map_object_commit(uint32_t eflags, struct vm_object *object, vm_prot_t prot, vm_size_t *got)
{
	rwlock_write(&object->lock);
	/* Another who shares it may have been faster. */
	if ((object->flags & (VM_OBJECT_SHARED | VM_OBJECT_CHARGED)) == VM_OBJECT_SHARED &&
	    !vm_map_never_charged(eflags, prot)) {
		object->flags |= VM_OBJECT_CHARGED;
		*got -= object->charge;
	}
	rwlock_write_unlock(&object->lock);
}

/* ---- objects of entries ---- */

bool
vm_map_object_own(const struct vm_object *object)
{
	return (object->traits & VM_PAGER_ANONYMOUS) &&
	       (object->ref_count == 1 || (object->flags & VM_OBJECT_ONEMAPPING));
}

kern_return_t
vm_map_entry_materialise(vm_map_entry_t e)
{
	struct vm_object *object;

	ASSERT(e->object == NULL && !(e->eflags & VM_ENTRY_GUARD), "entry %p object %p", e,
	       e->object);
	/* A stack counts its offset from the bottom of the reservation, so that it can grow. */
	if (!(e->eflags & VM_ENTRY_GROWS_DOWN))
		e->offset = 0;
	object = vm_object_allocate_anon(window_end(e));
	if (object == NULL)
		return KERN_RESOURCE_SHORTAGE;
	e->object = object;
	e->eflags &= ~VM_ENTRY_NEEDS_COPY;
	return KERN_SUCCESS;
}

/*
 * take_charge: e's object, which was shared, is e's alone: e is charged with what it shows, and not
 * the object.  False: e shows more than the object stands for, and nothing was got for that; it stays
 * as it is.
 */
static bool
take_charge(vm_map_entry_t e)
{
	struct vm_object *object = e->object;
	vm_size_t length = e->end - e->start;

	if ((object->flags & VM_OBJECT_CHARGED) && !(e->eflags & VM_ENTRY_CHARGED)) {
		if (object->charge < length)
			return false;
		object->charge -= length;
		e->eflags |= VM_ENTRY_CHARGED;
	}
	if (object->flags & VM_OBJECT_CHARGED)
		vm_uncharge(object->charge);
	object->flags &= ~(VM_OBJECT_SHARED | VM_OBJECT_CHARGED);
	object->charge = 0;
	return true;
}

/* own_locked: vm_map_entry_own, the object being write-locked. */
static void
own_locked(vm_map_entry_t e)
{
	struct vm_object *object = e->object;

	if (object->ref_count != 1 || !(object->traits & VM_PAGER_ANONYMOUS) ||
	    (object->flags & VM_OBJECT_NAMED) || !take_charge(e))
		return;
	vm_object_trim(object, window_first(e), window_end(e));
	object->flags |= VM_OBJECT_ONEMAPPING;
}

void
vm_map_entry_own(vm_map_entry_t e)
{
	struct vm_object *object = e->object;

	if (object == NULL)
		return;
	rwlock_write(&object->lock);
	own_locked(e);
	rwlock_write_unlock(&object->lock);
}

bool
vm_map_entry_shared(const struct vm_map_entry *e)
{
	const struct vm_object *object = e->object;

	if (e->inheritance == VM_INHERIT_SHARE)
		return true;
	if (e->eflags & VM_ENTRY_NEEDS_COPY)
		return false;
	return !(object->traits & VM_PAGER_ANONYMOUS) || (object->flags & VM_OBJECT_SHARED);
}

/* wired_for_good: e's pages are wired, and not just being so. */
static bool
wired_for_good(const struct vm_map_entry *e)
{
	return e->wired_count != 0 && !(e->eflags & VM_ENTRY_IN_TRANSITION);
}

/* shadow_object: a shadow before e's object; or, if e's pages are wired, copies of them at once. */
static kern_return_t
shadow_object(vm_map_t map, vm_map_entry_t e)
{
	if (wired_for_good(e))
		return vm_map_copy_wired_pages(map, e);
	if (e->eflags & VM_ENTRY_GROWS_DOWN)
		return vm_object_shadow_at(&e->object, e->offset, e->end - e->start);
	return vm_object_shadow(&e->object, &e->offset, e->end - e->start);
}

kern_return_t
vm_map_entry_shadow(vm_map_t map, vm_map_entry_t e)
{
	vm_size_t length = e->end - e->start;
	kern_return_t kr;
	bool charge;

	vm_map_entry_own(e);
	charge = !(e->eflags & (VM_ENTRY_CHARGED | VM_ENTRY_NO_CHARGE));
	if (charge) {
		if (!vm_charge(length))
			return KERN_RESOURCE_SHORTAGE;
		e->eflags |= VM_ENTRY_CHARGED;
	}
	kr = shadow_object(map, e);
	if (kr == KERN_SUCCESS) {
		e->eflags &= ~VM_ENTRY_NEEDS_COPY;
	} else if (charge) {
		e->eflags &= ~VM_ENTRY_CHARGED;
		vm_uncharge(length);
	}
	return kr;
}

/* ---- passing on ---- */

/* try_split: likewise; KERN_FAILURE: there is nothing to split any more. */
static kern_return_t
try_split(vm_map_entry_t e)
{
	struct vm_object *object = e->object;
	bool several;

	rwlock_write(&object->lock);
	own_locked(e);
	several = object->ref_count > 1 && (object->flags & VM_OBJECT_ONEMAPPING);
	rwlock_write_unlock(&object->lock);
	return several ? vm_object_split(&e->object, window_first(e), window_end(e)) : KERN_SUCCESS;
}

kern_return_t
vm_map_entry_split(vm_map_entry_t e)
{
	kern_return_t kr = try_split(e);

	if (kr != KERN_FAILURE)
		return kr;
	vm_map_entry_own(e); /* the other parts may have gone meanwhile */
	return KERN_SUCCESS;
}

/* make_shareable: e has an object that can be shared as a whole. */
static kern_return_t
make_shareable(vm_map_t map, vm_map_entry_t e)
{
	if (e->object == NULL)
		return vm_map_entry_materialise(e);
	if (e->eflags & VM_ENTRY_NEEDS_COPY)
		return vm_map_entry_shadow(map, e);
	return vm_map_entry_split(e);
}

/* give_charge: e's object, which is e's alone, is shared from now on.  Object write-locked. */
static void
give_charge(vm_map_entry_t e)
{
	struct vm_object *object = e->object;

	object->flags &= ~VM_OBJECT_ONEMAPPING;
	object->flags |= VM_OBJECT_SHARED;
	object->charge = e->end - e->start;
	if (e->eflags & VM_ENTRY_CHARGED)
		object->flags |= VM_OBJECT_CHARGED;
	e->eflags &= ~VM_ENTRY_CHARGED;
}

kern_return_t
vm_map_entry_share(vm_map_t map, vm_map_entry_t e)
{
	kern_return_t kr = make_shareable(map, e);
	struct vm_object *object = e->object;

	if (kr != KERN_SUCCESS)
		return kr;
	rwlock_write(&object->lock);
	if ((object->traits & VM_PAGER_ANONYMOUS) && !(object->flags & VM_OBJECT_SHARED))
		give_charge(e);
	vm_object_reference_locked(object);
	rwlock_write_unlock(&object->lock);
	/* It was a copy once; what is written now, others see. */
	e->eflags &= ~VM_ENTRY_COW;
	return KERN_SUCCESS;
}
