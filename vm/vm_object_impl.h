/* SPDX-License-Identifier: BSD-2-Clause */
/* What vm_object.c and vm_object_shadow.c share with each other. */
#ifndef VM_VM_OBJECT_IMPL_H
#define VM_VM_OBJECT_IMPL_H

#include "vm/vm_object.h"

/* vm_object_free_storage: an empty, write-locked object that nobody refers to. */
void vm_object_free_storage(struct vm_object *object);

/* vm_object_attach: object shadows backing from backing_offset (bytes) on.  vm_object_detach: no
 * longer.  The reference is not counted here.  Both objects write-locked. */
void vm_object_attach(struct vm_object *object, struct vm_object *backing,
		      vm_ooffset_t backing_offset);
void vm_object_detach(struct vm_object *object);

/* vm_object_has_busy: is a page of [start, end) being filled?  Locked. */
bool vm_object_has_busy(struct vm_object *object, vm_pindex_t start, vm_pindex_t end);
/* vm_object_drop_charge: a dying object gives back what it is charged with.  Write-locked. */
void vm_object_drop_charge(struct vm_object *object);

/* vm_object_collapse_into_shadow: a reference on the write-locked object was dropped: if the only
 * one left is that of one shadow, the two become one.  Unlocks object. */
void vm_object_collapse_into_shadow(struct vm_object *object);

#endif
