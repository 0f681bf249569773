/* SPDX-License-Identifier: BSD-2-Clause */
/* Device objects: physical addresses that are no RAM, for programs that drive devices. */
#ifndef VM_VM_DEVICE_H
#define VM_VM_DEVICE_H

#include "vm/pmap.h"
#include "vm/vm_types.h"

struct vm_object;

/*
 * vm_device_allocate: an object that shows the physical addresses [start, start + size).
 *
 *	cache	PMAP_UNCACHED or PMAP_WRITE_COMBINING: how every mapping of it reaches the device
 *	*out	one reference, the caller's
 *
 * Locks:   none held
 * Returns: KERN_SUCCESS
 *          KERN_INVALID_ARGUMENT    empty, unaligned, beyond the processor's physical addresses, or
 *                                   another memory type
 *          KERN_NO_ACCESS           part of it is RAM, or registers that the kernel itself drives, or
 *                                   mapped with another memory type already
 *          KERN_RESOURCE_SHORTAGE   no memory
 * Source:  DEV-01, DEV-02
 */
kern_return_t vm_device_allocate(vm_paddr_t start, vm_size_t size, enum pmap_cache cache,
				 struct vm_object **out);

/* vm_device_enter: map the frame at pindex of a device object, below its size, at va; flags as of
 * pmap_enter().  The caller's entry keeps the object.  KERN_RESOURCE_SHORTAGE: no page for a table. */
kern_return_t vm_device_enter(const struct vm_object *object, vm_pindex_t pindex, struct pmap *pmap,
			      vm_offset_t va, vm_prot_t prot, int flags);

#endif
