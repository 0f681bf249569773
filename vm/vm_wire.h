/* SPDX-License-Identifier: BSD-2-Clause */
/* Copies of wired memory, for vm_map_protect and vmspace_fork. */
#ifndef VM_VM_WIRE_H
#define VM_VM_WIRE_H

#include "vm/vm_map.h"

struct vm_object;

/*
 * vm_map_copy_pages: dst, a new anonymous object that nobody else knows, gets copies of all pages that
 * e, which is wired, shows, at the same offsets.  Map write-locked.  KERN_RESOURCE_SHORTAGE: it has some of them.
 */
kern_return_t vm_map_copy_pages(vm_map_t map, vm_map_entry_t e, struct vm_object *dst);

/*
 * vm_map_copy_wired_pages: e is wired and copy-on-write: give it its private copies now, wired and
 * mapped, so that a later write does not fault.  Map write-locked.
 * KERN_RESOURCE_SHORTAGE: nothing changed.
 */
kern_return_t vm_map_copy_wired_pages(vm_map_t map, vm_map_entry_t e);

/*
 * vm_map_enter_wired: e is wired and has gained rights: its mappings get them now, so that no access
 * faults.  Map write-locked.
 */
void vm_map_enter_wired(vm_map_t map, vm_map_entry_t e);

#endif
