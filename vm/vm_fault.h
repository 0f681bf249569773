/* SPDX-License-Identifier: BSD-2-Clause */
/* Page faults. */
#ifndef VM_VM_FAULT_H
#define VM_VM_FAULT_H

#include "vm/vm_types.h"

struct vm_map_entry;
struct vm_page;

#define VM_FAULT_NORMAL 0x0
#define VM_FAULT_WIRE	0x1 /* wire the page */
#define VM_FAULT_NOGROW 0x2 /* a debugger's access: grow no stack */

/*
 * vm_fault: make vaddr accessible for fault_type.  No lock held; may sleep.
 * KERN_SUCCESS; KERN_INVALID_ADDRESS and KERN_FAILURE: not mapped; KERN_PROTECTION_FAILURE: not
 * allowed; KERN_OUT_OF_BOUNDS: beyond the object; KERN_RESOURCE_SHORTAGE: no memory;
 * KERN_ABORTED: the thread is killed.
 */
kern_return_t vm_fault(vm_map_t map, vm_offset_t vaddr, vm_prot_t fault_type, int fault_flags);

/*
 * vm_fault_hold: like vm_fault, and *hold is the page, which stays until vm_fault_release.  For access to
 * another process's memory through the direct map.
 * vm_fault_release: the access, of the same fault_type, is done: what it may have stored is a change.
 */
kern_return_t vm_fault_hold(vm_map_t map, vm_offset_t vaddr, vm_prot_t fault_type, int fault_flags,
			    struct vm_page **hold);
void vm_fault_release(struct vm_page *m, vm_prot_t fault_type);

#endif
