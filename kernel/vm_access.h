/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reaching the memory of an address space that is not loaded: page by page, each faulted in and
 * held, then touched through the direct map.
 */
#ifndef KERNEL_VM_ACCESS_H
#define KERNEL_VM_ACCESS_H

#include "vm/vm_types.h"

/* vm_access_fn: do something with n bytes of the space, which are at `bytes` now; `done` bytes came
 * before.  Not KERN_SUCCESS ends the access.  The page is held, no lock is. */
typedef kern_return_t vm_access_fn(void *bytes, size_t done, size_t n, void *arg);

/*
 * vm_access: call fn for the pieces of [addr, addr + length) of map, in order.
 *
 *	access		VM_PROT_READ or VM_PROT_WRITE: what fn does
 *	fault_flags	VM_FAULT_NOGROW: not on behalf of the space's own process
 *	*done		bytes that fn was successful with
 *
 * No lock held; may sleep.  Returns KERN_SUCCESS, or what the fault or fn said.
 */
kern_return_t vm_access(vm_map_t map, vm_offset_t addr, size_t length, vm_prot_t access,
			int fault_flags, vm_access_fn *fn, void *arg, size_t *done);

/* vm_write: copy kernel memory to a space, growing its stacks as its own process would. */
kern_return_t vm_write(vm_map_t map, vm_offset_t addr, const void *from, size_t length);

#endif
