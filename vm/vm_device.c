/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Device objects: a range of physical addresses that is no RAM: registers, frame buffers.
 *
 *	entry ---> object [ start, cache ]	page i is the frame at start + i pages
 *			    no vm_page		found by arithmetic, entered by the fault, never resident
 *
 * The frames belong to the device, not to the kernel: there is nothing to allocate, to free, to write
 * back or to copy.  What follows from that:
 *
 *	mapping		shared only; a private one is refused, since a copy of registers is no copy
 *	fork		the child shares it, or does without (INHERIT_NONE, INHERIT_ZERO)
 *	wiring		enters all frames at once; there is no page to be counted
 *	discard		drops mappings, the next access finds the device again
 *	core dumps	never: to read a register may change it
 *	another's space	reading and writing it there is refused: the kernel would go through its own,
 *			cached, mapping, and has none
 *
 * Memory types.  A frame that is mapped with two types at once may be read wrong by the processor.  So
 * RAM, which the direct map has as cached memory, is never shown by a device object; the direct map has
 * nothing but RAM; and all device objects over one place, and the kernel's own mappings of it, agree.
 *
 * Locks: `devices.lock` guards the list of all device objects; nothing is taken with it.
 */
#include "kernel/base/list.h"
#include "kernel/base/panic.h"
#include "kernel/base/spinlock.h"
#include "vm/vm_device.h"
#include "vm/vm_object.h"
#include "vm/vm_pager.h"
#include "vm/vm_phys.h"

static struct {
	struct spinlock lock;
	struct list list; /* struct vm_object, by pager_link; guarded by lock */
} devices = {
    .lock = SPINLOCK_INITIALIZER("devices", LOCK_RANK_PAGE_QUEUE),
    .list = LIST_INITIALIZER(devices.list),
};

static void
device_terminate(struct vm_object *object)
{
	spinlock_lock(&devices.lock);
	if (list_linked(&object->pager_link))
		list_remove(&object->pager_link);
	spinlock_unlock(&devices.lock);
}

const struct vm_pager_ops vm_pager_device = {
    .name = "device",
    .traits = VM_PAGER_FRAMES,
    .terminate = device_terminate,
};

/* device_conflict: is part of [start, end) shown with another memory type?  The lock is held. */
static bool
device_conflict(vm_paddr_t start, vm_paddr_t end, enum pmap_cache cache)
{
	const struct vm_object *other;

	list_for_each_entry (other, &devices.list, pager_link) {
		if (other->device.start < end && start < other->device.start + ptoa(other->size) &&
		    other->device.cache != cache)
			return true;
	}
	return false;
}

/* device_check: may [start, start + size) be shown at all? */
static kern_return_t
device_check(vm_paddr_t start, vm_size_t size, enum pmap_cache cache)
{
	if (size == 0 || !page_aligned(start | size) || start + size < start)
		return KERN_INVALID_ARGUMENT;
	if (cache != PMAP_UNCACHED && cache != PMAP_WRITE_COMBINING)
		return KERN_INVALID_ARGUMENT;
	if (vm_phys_has_ram(start, start + size))
		return KERN_NO_ACCESS;
	return pmap_device_check(start, size, cache);
}

kern_return_t
vm_device_allocate(vm_paddr_t start, vm_size_t size, enum pmap_cache cache, struct vm_object **out)
{
	kern_return_t kr = device_check(start, size, cache);
	struct vm_object *object;
	bool conflict;

	if (kr != KERN_SUCCESS)
		return kr;
	object = vm_object_allocate(&vm_pager_device, atop(size));
	if (object == NULL)
		return KERN_RESOURCE_SHORTAGE;
	object->device.start = start;
	object->device.cache = cache;
	spinlock_lock(&devices.lock);
	conflict = device_conflict(start, start + size, cache);
	if (!conflict)
		list_push_back(&devices.list, &object->pager_link);
	spinlock_unlock(&devices.lock);
	if (conflict) {
		vm_object_deallocate(object);
		return KERN_NO_ACCESS;
	}
	*out = object;
	return KERN_SUCCESS;
}

kern_return_t
vm_device_enter(const struct vm_object *object, vm_pindex_t pindex, struct pmap *pmap,
		vm_offset_t va, vm_prot_t prot, int flags)
{
	ASSERT((object->traits & VM_PAGER_FRAMES) != 0 && pindex < object->size,
	       "%s object %p, page %#zx of %#zx", object->pager->name, (const void *)object,
	       (size_t)pindex, (size_t)object->size);
	return pmap_enter_device(pmap, va, object->device.start + ptoa(pindex),
				 object->device.cache, prot, flags);
}
