/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shadow chains: copy-on-write, and how the chains stay short.
 *
 * A fork leaves parent and child with the same object and NEEDS_COPY.  The first write of each puts
 * a shadow object before the shared one:
 *
 *	before		parent --> A <-- child
 *	both wrote	parent --> P --> A <-- C <-- child
 *
 * When one of them goes, A has one shadow left and nobody else looks at it.  Two operations shorten
 * a chain, both done with the upper object locked, then the lower (shadow before backing):
 *
 *	collapse	A has one reference, that of P: A's pages move into P where P has none of its
 *			own, P shadows what A shadowed, A goes.
 *	bypass		A has other users, but P has its own copy of every page that A could show:
 *			P shadows what A shadowed, and A loses a reference.
 *
 * Both rely on this: a shadowed page is never mapped.  A fault that copies a page up in an object
 * that several entries share removes the other mappings of the source (vm_fault.c).
 */
#include "kernel/base/compiler.h"
#include "kernel/base/panic.h"
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vm_object.h"
#include "vm/vm_object_impl.h"
#include "vm/vm_page.h"

/* ---- making a shadow ---- */

void
vm_object_attach(struct vm_object *object, struct vm_object *backing, vm_ooffset_t backing_offset)
{
	ASSERT((object->traits & VM_PAGER_ANONYMOUS) != 0 &&
		   (backing->traits & VM_PAGER_FRAMES) == 0,
	       "%s object %p over %s object %p", object->pager->name, (void *)object,
	       backing->pager->name, (void *)backing);
	object->backing = backing;
	object->backing_offset = backing_offset;
	list_push_back(&backing->shadows, &object->shadow_link);
	backing->shadow_count++;
}

void
vm_object_detach(struct vm_object *object)
{
	list_remove(&object->shadow_link);
	object->backing->shadow_count--;
	object->backing = NULL;
}

/* shadow: *object is replaced by a new object of `size` pages over it. */
static kern_return_t
shadow(struct vm_object **object, vm_ooffset_t offset, vm_pindex_t size, bool *made)
{
	struct vm_object *source = *object, *result;
	bool private;

	*made = false;
	rwlock_write(&source->lock);
	private = (source->traits & VM_PAGER_ANONYMOUS) != 0 && source->ref_count == 1;
	rwlock_write_unlock(&source->lock);
	/* The one reference is the caller's, so nobody can take another. */
	if (private)
		return KERN_SUCCESS;

	result = vm_object_allocate_anon(size);
	if (result == NULL)
		return KERN_RESOURCE_SHORTAGE;
	rwlock_write(&result->lock);
	rwlock_write(&source->lock);
	source->flags &= ~VM_OBJECT_ONEMAPPING;
	vm_object_attach(result, source, offset);
	rwlock_write_unlock(&source->lock);
	rwlock_write_unlock(&result->lock);
	*object = result;
	*made = true;
	return KERN_SUCCESS;
}

kern_return_t
vm_object_shadow(struct vm_object **object, vm_ooffset_t *offset, vm_size_t length)
{
	bool made;
	kern_return_t kr = shadow(object, *offset, atop(length), &made);

	if (made)
		*offset = 0;
	return kr;
}

kern_return_t
vm_object_shadow_at(struct vm_object **object, vm_size_t size)
{
	bool made;

	return shadow(object, 0, atop(size), &made);
}

/* ---- shortening a chain ---- */

/* window: the index in object of the page at `pindex` of its backing object; false if the object
 * does not show that part. */
static bool
window(const struct vm_object *object, vm_pindex_t pindex, vm_pindex_t *in_object)
{
	vm_pindex_t first = atop(object->backing_offset);

	if (pindex < first || pindex - first >= object->size)
		return false;
	*in_object = pindex - first;
	return true;
}

/*
 * take_page: collapse one page of backing into object.  False if it cannot be moved now; what was
 * moved so far may stay moved.
 */
static bool
take_page(struct vm_object *object, struct vm_page *m)
{
	vm_pindex_t pindex;

	if (m->flags & VM_PAGE_BUSY)
		return false;
	if (window(object, m->pindex, &pindex) && vm_radix_lookup(&object->pages, pindex) == NULL)
		return vm_page_rename(m, object, pindex) == KERN_SUCCESS;
	ASSERT(!pmap_page_is_mapped(m), "shadowed page %p of object %p is mapped at %#lx",
	       (void *)m, (void *)m->object, m->pv_va);
	vm_page_free(m);
	return true;
}

/* inherit_backing: object shadows from now on what `backing` shadows.  The reference that backing
 * has on it is not touched.  Object and backing write-locked. */
static void
inherit_backing(struct vm_object *object, struct vm_object *backing)
{
	struct vm_object *below = backing->backing;
	vm_ooffset_t offset = object->backing_offset + backing->backing_offset;
	vm_pindex_t first = atop(object->backing_offset);
	vm_pindex_t shown = backing->size > first ? backing->size - first : 0;

	/* Beyond the end of what was mapped there is nothing, whatever lies behind it. */
	if (object->size > shown)
		object->size = shown;
	vm_object_detach(object);
	if (below == NULL)
		return;
	rwlock_write(&below->lock);
	vm_object_attach(object, below, offset);
	rwlock_write_unlock(&below->lock);
}

/* collapse: object is the only user of backing: take its pages and its place.  Both write-locked;
 * true: backing is gone. */
static bool
collapse(struct vm_object *object, struct vm_object *backing)
{
	struct vm_object *below = backing->backing;
	struct vm_page *m;

	while ((m = vm_radix_lookup_ge(&backing->pages, 0)) != NULL)
		if (!take_page(object, m))
			return false;
	inherit_backing(object, backing);
	if (below != NULL) {
		/* The reference of backing has become object's. */
		rwlock_write(&below->lock);
		vm_object_detach(backing);
		rwlock_write_unlock(&below->lock);
	}
	backing->flags |= VM_OBJECT_DEAD;
	backing->ref_count = 0;
	vm_uncharge(backing->charge);
	vm_object_free_storage(backing);
	return true;
}

/* fully_shadows: has object its own copy of every page that backing could show it? */
static bool
fully_shadows(struct vm_object *object, struct vm_object *backing)
{
	vm_pindex_t pindex = 0, i = atop(object->backing_offset);
	struct vm_page *m;

	/* The usual cases, seen without a walk. */
	if (object->resident == object->size)
		return true;
	if (object->resident < backing->resident && object->size >= backing->size)
		return false;
	for (; (m = vm_radix_lookup_ge(&backing->pages, i)) != NULL; i = m->pindex + 1) {
		if (!window(object, m->pindex, &pindex))
			break;
		if (vm_radix_lookup(&object->pages, pindex) == NULL)
			return false;
	}
	return true;
}

/* bypass: backing has other users but nothing left to show: go past it.  Both write-locked; backing
 * is unlocked. */
static void
bypass(struct vm_object *object, struct vm_object *backing)
{
	struct vm_object *below = backing->backing;

	inherit_backing(object, backing);
	if (below != NULL)
		vm_object_reference(below);
	/* Not the last reference, so no teardown and no further collapse from here. */
	COUNT_ADD(backing->ref_count, -1);
	rwlock_write_unlock(&backing->lock);
}

void
vm_object_collapse(struct vm_object *object)
{
	struct vm_object *backing;

	ASSERT(rwlock_write_owned(&object->lock), "object %p", (void *)object);
	while ((backing = object->backing) != NULL) {
		rwlock_write(&backing->lock);
		if ((backing->traits & VM_PAGER_ANONYMOUS) == 0 || backing->paging > 0) {
			rwlock_write_unlock(&backing->lock);
			return;
		}
		if (backing->ref_count == 1) {
			if (!collapse(object, backing)) {
				rwlock_write_unlock(&backing->lock);
				return;
			}
		} else if (fully_shadows(object, backing)) {
			bypass(object, backing);
		} else {
			rwlock_write_unlock(&backing->lock);
			return;
		}
	}
}

void
vm_object_collapse_into_shadow(struct vm_object *object)
{
	struct vm_object *shadow_object = NULL;

	if (object->ref_count == 1 && object->shadow_count == 1 &&
	    (object->traits & VM_PAGER_ANONYMOUS) != 0 && !(object->flags & VM_OBJECT_DEAD)) {
		shadow_object =
		    container_of(object->shadows.head.next, struct vm_object, shadow_link);
		/* The order is shadow before backing, so only try.  A chain that is not shortened
		 * now is at the next copy-on-write fault. */
		if (!rwlock_trywrite(&shadow_object->lock))
			shadow_object = NULL;
	}
	rwlock_write_unlock(&object->lock);
	if (shadow_object == NULL)
		return;
	vm_object_collapse(shadow_object);
	rwlock_write_unlock(&shadow_object->lock);
}
