/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pagers: what is common to those that are asked for pages.
 *
 * A page on its way in is a busy page of the object, so that nobody asks for it twice; the operation
 * holds a reference on the object and is counted in it (`paging`), so that it neither goes nor is
 * collapsed.  Nothing else is held while the pager works: the map may change, and its users find out
 * when they look again.
 *
 *	fault				page_in				pager
 *	lookup, absent, has_page?
 *	reference; all unlocked ------>	busy page, paging + 1
 *					unlocked ---------------------> get: sleeps, fills, answers
 *					valid (or freed), un-busied <---
 *	<-----------------------------	paging - 1; who waited for the page wakes
 *	lookup again, as if new: is the range still mapped, to this object, with these rights?
 *
 * The second lookup is what makes it safe that anything may have happened meanwhile.  It costs little
 * where nothing did: the map's timestamp has not moved, so the thread's hint is good.
 */
#include "kernel/base/panic.h"
#include "kernel/base/sched.h"
#include "vm/pmap.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_pager.h"

const struct vm_pager_ops vm_pager_anonymous = {.name = "anonymous", .traits = VM_PAGER_ANONYMOUS};
const struct vm_pager_ops vm_pager_kernel = {.name = "kernel"};
const struct vm_pager_ops vm_pager_boot = {.name = "boot"};
const struct vm_pager_ops vm_pager_submap = {.name = "submap", .traits = VM_PAGER_NO_FAULT};

bool
vm_pager_has_page(struct vm_object *object, vm_pindex_t pindex)
{
	if ((object->traits & VM_PAGER_PAGED) == 0)
		return false;
	return object->pager->has_page(object, pindex);
}

/* ---- in ---- */

/*
 * page_arrived: get has answered for m, which is busy; the object is locked again.  A page that did not
 * come is freed, and those who wait for it wake and ask for themselves.
 */
static kern_return_t
page_arrived(struct vm_object *object, struct vm_page *m, enum vm_pager_result result)
{
	ASSERT(m->object == object && (m->flags & (VM_PAGE_BUSY | VM_PAGE_VALID)) == VM_PAGE_BUSY,
	       "page %p of %p, flags %#x", (void *)m, (void *)m->object, m->flags);
	switch (result) {
	case VM_PAGER_FAIL:
		pmap_zero_page(m);
		/* fallthrough */
	case VM_PAGER_OK:
		m->flags |= VM_PAGE_VALID;
		vm_page_unbusy(m);
		return KERN_SUCCESS;
	default:
		vm_page_free(m);
		return result == VM_PAGER_ABORTED ? KERN_ABORTED : KERN_OUT_OF_BOUNDS;
	}
}

kern_return_t
vm_pager_page_in(struct vm_object *object, vm_pindex_t pindex)
{
	enum vm_pager_result result;
	struct vm_page *m = NULL;
	kern_return_t kr;

	assert_may_fault("a pager");
	rwlock_write(&object->lock);
	if (pindex >= object->size || vm_radix_lookup(&object->pages, pindex) != NULL ||
	    !vm_pager_has_page(object, pindex)) {
		kr = KERN_SUCCESS;
	} else {
		m = vm_page_alloc(object, pindex, 0);
		kr = KERN_RESOURCE_SHORTAGE;
	}
	if (m == NULL) {
		rwlock_write_unlock(&object->lock);
		return kr;
	}
	vm_object_paging_begin(object);
	rwlock_write_unlock(&object->lock);

	result = object->pager->get(object, m);

	rwlock_write(&object->lock);
	kr = page_arrived(object, m, result);
	vm_object_paging_end(object);
	rwlock_write_unlock(&object->lock);
	return kr;
}

/* ---- out ---- */

/* page_taken: put has answered for m, which is busy; the object is locked again. */
static kern_return_t
page_taken(struct vm_page *m, enum vm_pager_result result)
{
	if (result != VM_PAGER_OK)
		__atomic_fetch_or(&m->aflags, VM_PAGE_DIRTY, __ATOMIC_RELAXED);
	vm_page_unbusy(m);
	switch (result) {
	case VM_PAGER_OK:
		return KERN_SUCCESS;
	case VM_PAGER_ABORTED:
		return KERN_ABORTED;
	default:
		return KERN_FAILURE;
	}
}

kern_return_t
vm_pager_put_page(struct vm_object *object, struct vm_page *m)
{
	enum vm_pager_result result;
	kern_return_t kr;

	ASSERT(m->object == object && (m->flags & (VM_PAGE_BUSY | VM_PAGE_VALID)) == VM_PAGE_VALID,
	       "page %p of %p, flags %#x", (void *)m, (void *)m->object, m->flags);
	if (object->pager->put == NULL || !pmap_is_modified(m))
		return KERN_SUCCESS;
	/* A store from here on faults, and waits for the page: so the pager sees one state of it, and
	 * what comes later counts as a change again. */
	vm_page_busy(m);
	pmap_remove_write(m);
	pmap_clear_modify(m);
	vm_object_paging_begin(object);
	rwlock_write_unlock(&object->lock);

	assert_may_fault("a pager");
	result = object->pager->put(object, m);

	rwlock_write(&object->lock);
	kr = page_taken(m, result);
	vm_object_paging_end(object);
	return kr;
}

void
vm_pager_clean(struct vm_object *object)
{
	struct vm_page *m;

	for (vm_pindex_t i = 0; (m = vm_radix_lookup_ge(&object->pages, i)) != NULL;) {
		i = m->pindex + 1;
		(void)vm_pager_put_page(object, m);
	}
}
