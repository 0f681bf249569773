/* SPDX-License-Identifier: BSD-2-Clause */
/* A process's address space: a map, its pmap, and where the main stack is. */
#ifndef VM_VMSPACE_H
#define VM_VMSPACE_H

#include "vm/vm_map.h"

struct vmspace {
	struct vm_map vm_map;
	uint32_t refcnt;	 /* (a) processes and holders */
	vm_pindex_t vm_ssize;	 /* (m) pages of the main stack */
	vm_offset_t vm_maxsaddr; /* (m) lowest address the main stack may reach */
	vm_offset_t vm_stacktop; /* (m) its end; 0: none yet */
};				 /* (m) the map's lock  (a) atomic */

void vmspace_init(void); /* boot */

/* vmspace_alloc: an empty space with one reference; NULL without memory. */
struct vmspace *vmspace_alloc(vm_offset_t min, vm_offset_t max);
/*
 * vmspace_fork: *vm2 becomes a new space, a copy by the entries' inheritance, with one reference and
 * no owner yet.
 * KERN_RESOURCE_SHORTAGE: no memory, or the commit charge was refused; KERN_INVALID_ARGUMENT: there is
 * a submap in the map; KERN_ABORTED: killed while waiting for a wiring.  The parent goes on as before
 * then.  No lock held; sleeps.  Contracts 1.10.
 */
kern_return_t vmspace_fork(struct vmspace *vm1, struct vmspace **vm2);
/* vmspace_acquire: one more reference; false if the last is gone.  vmspace_free: drop one; the last
 * removes everything.  No lock held; may sleep. */
bool vmspace_acquire(struct vmspace *vm);
void vmspace_free(struct vmspace *vm);

/*
 * vmspace_exec: give p, which has no thread running in its space, a new and empty one with these
 * bounds.  *old gets the former one with p's reference on it: vmspace_free() it.
 * KERN_RESOURCE_SHORTAGE: no memory; KERN_FAILURE: p has ended.  Nothing has changed then.
 * No lock held; takes p's and the maps', one after the other; sleeps.  Contracts 1.10.
 */
kern_return_t vmspace_exec(struct proc *p, vm_offset_t min, vm_offset_t max, struct vmspace **old);

/*
 * vmspace_unshare: give p a space of its own if others use its space as well: a copy by the entries'
 * inheritance, as for a fork.  p has no thread running in its space but the caller perhaps, who then
 * loads the new pmap.
 * KERN_FAILURE: p has ended, or was given another space meanwhile; else what vmspace_fork says.  Nothing
 * has changed then.
 * No lock held; takes p's and the maps', one after the other; sleeps.  Contracts 1.10.
 */
kern_return_t vmspace_unshare(struct proc *p);

#endif
