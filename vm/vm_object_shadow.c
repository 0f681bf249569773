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
#include "vm/vm_pager.h"

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

/* shadow: *object is replaced by a new object over it that shows its pages [first, size). */
static kern_return_t
shadow(struct vm_object **object, vm_ooffset_t offset, vm_pindex_t first, vm_pindex_t size)
{
	struct vm_object *source = *object, *result;
	bool private;

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
	result->first = first;
	vm_object_attach(result, source, offset);
	rwlock_write_unlock(&source->lock);
	rwlock_write_unlock(&result->lock);
	*object = result;
	return KERN_SUCCESS;
}

kern_return_t
vm_object_shadow(struct vm_object **object, vm_ooffset_t *offset, vm_size_t length)
{
	struct vm_object *source = *object;
	kern_return_t kr = shadow(object, *offset, 0, atop(length));

	if (*object != source)
		*offset = 0;
	return kr;
}

kern_return_t
vm_object_shadow_at(struct vm_object **object, vm_ooffset_t offset, vm_size_t length)
{
	return shadow(object, 0, atop(offset), atop(offset + length));
}

/* ---- shortening a chain ---- */

/* window: the index in object of the page at `pindex` of its backing object; false if the object
 * does not show that part. */
static bool
window(const struct vm_object *object, vm_pindex_t pindex, vm_pindex_t *in_object)
{
	vm_pindex_t offset = atop(object->backing_offset);

	if (pindex < offset || pindex - offset < object->first || pindex - offset >= object->size)
		return false;
	*in_object = pindex - offset;
	return true;
}

static void
assert_unmapped(struct vm_page *m)
{
	ASSERT(!pmap_page_is_mapped(m), "shadowed page %p of object %p is mapped at %#lx",
	       (void *)m, (void *)m->object, m->pv_va);
	(void)m;
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
	assert_unmapped(m);
	vm_page_free(m);
	return true;
}

/* take_pages: all of them, one by one. */
static bool
take_pages(struct vm_object *object, struct vm_object *backing)
{
	struct vm_page *m;

	while ((m = vm_radix_lookup_ge(&backing->pages, 0)) != NULL)
		if (!take_page(object, m))
			return false;
	return true;
}

/* ---- or the other way round: a few pages go into the tree of many, which then changes hands ---- */

static bool
is_idle(struct vm_page *m, void *arg)
{
	(void)arg;
	return (m->flags & VM_PAGE_BUSY) == 0;
}

static bool
set_object(struct vm_page *m, void *object)
{
	m->object = object;
	return true;
}

/* take_back: the pages of `from` below `end` that are in `tree` as well are so no more. */
static void
take_back(struct vm_radix *tree, const struct vm_radix *from, vm_pindex_t end)
{
	struct vm_page *m;

	for (vm_pindex_t i = 0; (m = vm_radix_lookup_ge(from, i)) != NULL && m->pindex < end;
	     i = m->pindex + 1)
		vm_radix_remove(tree, m->pindex);
}

/* put_all: object's pages are in backing's tree too, in place of those they shadow.  False: no memory
 * for a node; they are in object's alone. */
static bool
put_all(struct vm_object *object, struct vm_object *backing)
{
	struct vm_page *m, *shadowed;

	for (vm_pindex_t i = 0; (m = vm_radix_lookup_ge(&object->pages, i)) != NULL;
	     i = m->pindex + 1) {
		if (vm_radix_put(&backing->pages, m, &shadowed) != KERN_SUCCESS) {
			take_back(&backing->pages, &object->pages, m->pindex);
			return false;
		}
		if (shadowed != NULL) {
			assert_unmapped(shadowed);
			vm_page_drop(shadowed);
		}
	}
	return true;
}

/*
 * adopt_tree: the pages of both have the same indices in both, and backing has more of them: object
 * gets the tree of backing, with its own pages put in.  Each page is told once to whom it belongs;
 * moving it from tree to tree costs ten times that.  False: not now; nothing has moved.
 */
static bool
adopt_tree(struct vm_object *object, struct vm_object *backing)
{
	struct vm_radix few;

	if (!vm_radix_walk(&backing->pages, is_idle, NULL))
		return false;
	vm_object_trim(backing, object->first, object->size);
	if (!put_all(object, backing))
		return false;
	few = object->pages;
	object->pages = backing->pages;
	object->resident += backing->resident;
	backing->pages = few;
	backing->resident = 0;
	vm_radix_clear(&backing->pages);
	vm_radix_walk(&object->pages, set_object, object);
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
	bool adopt = object->backing_offset == 0 && backing->resident > object->resident;

	if (!(adopt ? adopt_tree(object, backing) : take_pages(object, backing)))
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
	vm_object_drop_charge(backing);
	vm_object_free_storage(backing);
	return true;
}

/* all_shadowed: has object a page for each that backing has in [start, end) (backing's indices)?  If
 * not, it remembers which is missing. */
static bool
all_shadowed(struct vm_object *object, struct vm_object *backing, vm_pindex_t start,
	     vm_pindex_t end)
{
	vm_pindex_t offset = atop(object->backing_offset);
	struct vm_page *m;

	for (vm_pindex_t i = start;
	     (m = vm_radix_lookup_ge(&backing->pages, i)) != NULL && m->pindex < end;
	     i = m->pindex + 1) {
		if (vm_radix_lookup(&object->pages, m->pindex - offset) == NULL) {
			object->unshadowed = m->pindex;
			return false;
		}
	}
	return true;
}

/*
 * fully_shadows: has object its own copy of every page that backing could show it?  Asked at each
 * copy-on-write fault, so a page that was found to be missing is looked at first: while it is, nothing
 * else need be, and when it has come the search goes on behind it.  Only a yes has seen everything.
 */
static bool
fully_shadows(struct vm_object *object, struct vm_object *backing)
{
	vm_pindex_t offset, first, end, from;

	/* The usual cases, seen without a walk. */
	if (object->resident < backing->resident && object->size >= backing->size)
		return false;
	if (object->resident == object->size)
		return true;
	offset = atop(object->backing_offset);
	first = offset + object->first;
	end = offset + object->size;
	from = object->unshadowed > first ? object->unshadowed : first;
	return all_shadowed(object, backing, from, end) &&
	       all_shadowed(object, backing, first, from);
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
	    (object->traits & VM_PAGER_ANONYMOUS) != 0) {
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
