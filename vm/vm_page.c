/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages of objects: allocation, residence, the busy flag, wiring.
 *
 * Everything here happens under the write lock of the page's object, which is what keeps the page
 * there; the frame itself comes from vm_page_alloc.c.
 *
 * The busy protocol.  Who fills or copies a page marks it busy, may then release every lock, and
 * un-busies it when done.  Who finds a busy page calls vm_page_sleep(), which releases the object
 * and waits, and then starts its work again from the lookup: the page may be gone.
 *
 *	finder:	WANTED set, waiter registered --> object unlocked --> sleeps --> starts again
 *	owner:				object locked, BUSY and WANTED cleared, wakes ^
 *
 * Both ends hold the object's lock while they look at the flags, so no wake-up is lost.
 */
#include "kernel/base/panic.h"
#include "kernel/base/rwlock.h"
#include "kernel/base/sleepq.h"
#include "vm/pmap.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"

static void
assert_locked(const struct vm_object *object)
{
	ASSERT(object != NULL && rwlock_write_owned(&object->lock), "object %p is not write-locked",
	       (const void *)object);
	(void)object;
}

kern_return_t
vm_page_insert(struct vm_page *m, struct vm_object *object, vm_pindex_t pindex)
{
	kern_return_t kr;

	assert_locked(object);
	ASSERT(m->object == NULL && pindex < object->size, "page %p in %p goes to %#zx of %#zx",
	       (void *)m, (void *)m->object, (size_t)pindex, (size_t)object->size);
	m->pindex = pindex;
	kr = vm_radix_insert(&object->pages, m);
	if (kr != KERN_SUCCESS)
		return kr;
	m->object = object;
	object->resident++;
	return KERN_SUCCESS;
}

void
vm_page_remove(struct vm_page *m)
{
	struct vm_object *object = m->object;
	struct vm_page *found;

	assert_locked(object);
	found = vm_radix_remove(&object->pages, m->pindex);
	VERIFY(found == m, "object %p has %p at %#zx, not %p", (void *)object, (void *)found,
	       (size_t)m->pindex, (void *)m);
	object->resident--;
	m->object = NULL;
}

/* The new place is made first, as only that can fail; both trees compare the page's own index, so
 * it is set back while the old one is searched. */
kern_return_t
vm_page_rename(struct vm_page *m, struct vm_object *object, vm_pindex_t pindex)
{
	struct vm_object *old_object = m->object;
	vm_pindex_t old_pindex = m->pindex;
	kern_return_t kr;

	assert_locked(old_object);
	assert_locked(object);
	ASSERT(object != old_object && pindex < object->size, "%p:%#zx to %p:%#zx of %#zx",
	       (void *)old_object, (size_t)old_pindex, (void *)object, (size_t)pindex,
	       (size_t)object->size);
	m->pindex = pindex;
	kr = vm_radix_insert(&object->pages, m);
	m->pindex = old_pindex;
	if (kr != KERN_SUCCESS)
		return kr;
	vm_page_remove(m);
	m->pindex = pindex;
	m->object = object;
	object->resident++;
	return KERN_SUCCESS;
}

struct vm_page *
vm_page_alloc(struct vm_object *object, vm_pindex_t pindex, int req)
{
	struct vm_page *m;

	assert_locked(object);
	m = vm_page_alloc_noobj(req);
	if (m == NULL)
		return NULL;
	if (vm_page_insert(m, object, pindex) != KERN_SUCCESS) {
		vm_page_free_noobj(m);
		return NULL;
	}
	if ((req & VM_ALLOC_ZERO) != 0)
		m->flags = VM_PAGE_VALID;
	if ((req & VM_ALLOC_NOBUSY) == 0)
		m->flags |= VM_PAGE_BUSY;
	return m;
}

/* page_wake: m is not busy any more; tell those who wait for it. */
static void
page_wake(struct vm_page *m)
{
	bool wanted = (m->flags & VM_PAGE_WANTED) != 0;

	m->flags &= (uint8_t) ~(VM_PAGE_BUSY | VM_PAGE_WANTED);
	if (wanted)
		sleepq_wake_all(m);
}

/* free_frame: a page in no object, held by nobody, goes back to the allocator. */
static void
free_frame(struct vm_page *m)
{
	m->holds = 0;
	if ((m->flags & VM_PAGE_FIXED) == 0)
		vm_page_free_noobj(m);
}

/* free_removed: m is in no object any more. */
static void
free_removed(struct vm_page *m)
{
	ASSERT(m->wire_count == 0, "freed page %p is wired %u times", (void *)m, m->wire_count);
	ASSERT(!pmap_page_is_mapped(m), "freed page %p is mapped at %#zx", (void *)m, m->pv_va);
	page_wake(m);
	/* Who holds the page frees it when he lets go. */
	if (__atomic_fetch_or(&m->holds, VM_PAGE_HOLDS_FREED, __ATOMIC_ACQ_REL) == 0)
		free_frame(m);
}

void
vm_page_free(struct vm_page *m)
{
	vm_page_remove(m);
	free_removed(m);
}

void
vm_page_drop(struct vm_page *m)
{
	assert_locked(m->object);
	m->object->resident--;
	m->object = NULL;
	free_removed(m);
}

void
vm_page_hold(struct vm_page *m)
{
	assert_locked(m->object);
	VERIFY(__atomic_add_fetch(&m->holds, 1, __ATOMIC_RELAXED) < VM_PAGE_HOLDS_FREED,
	       "page %p is held %u times", (void *)m, m->holds);
}

void
vm_page_release(struct vm_page *m)
{
	if (__atomic_sub_fetch(&m->holds, 1, __ATOMIC_ACQ_REL) == VM_PAGE_HOLDS_FREED)
		free_frame(m);
}

void
vm_page_busy(struct vm_page *m)
{
	assert_locked(m->object);
	ASSERT((m->flags & VM_PAGE_BUSY) == 0, "page %p is busy already", (void *)m);
	m->flags |= VM_PAGE_BUSY;
}

void
vm_page_unbusy(struct vm_page *m)
{
	assert_locked(m->object);
	ASSERT((m->flags & VM_PAGE_BUSY) != 0, "page %p is not busy", (void *)m);
	page_wake(m);
}

kern_return_t
vm_page_sleep(struct vm_page *m, const char *why)
{
	struct vm_object *object = m->object;

	assert_locked(object);
	ASSERT((m->flags & VM_PAGE_BUSY) != 0, "page %p is not busy", (void *)m);
	m->flags |= VM_PAGE_WANTED;
	sleepq_prepare(m, why);
	rwlock_write_unlock(&object->lock);
	if (sleepq_wait(SLEEPQ_FOREVER, SLEEPQ_KILLABLE) == SLEEPQ_KILLED)
		return KERN_ABORTED;
	return KERN_SUCCESS;
}

void
vm_page_wire(struct vm_page *m)
{
	assert_locked(m->object);
	VERIFY(m->wire_count < UINT16_MAX, "page %p is wired %u times", (void *)m, m->wire_count);
	m->wire_count++;
}

void
vm_page_unwire(struct vm_page *m)
{
	assert_locked(m->object);
	ASSERT(m->wire_count != 0, "page %p is not wired", (void *)m);
	m->wire_count--;
}
