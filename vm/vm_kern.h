/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernel memory: kernel_map and its submaps.
 *
 *	kernel_map ----+-- kmem_map	heap: wired pages of kernel_object
 *	               +-- exec_map	pageable scratch: faults resolve through the submap
 *	               +-- stack_map	kernel stacks, each above an unmapped guard
 */
#ifndef VM_VM_KERN_H
#define VM_VM_KERN_H

#include "vm/vm_map.h"

extern vm_map_t kmem_map, exec_map, stack_map;

/* kmem_init: kernel_map, its submaps, and the kmem supplier of zones.  Boot only. */
void kmem_init(void);

/* kmem_suballoc: a submap of `size` bytes of parent, same pmap and addresses; *min and *max get its
 * bounds.  Panics on failure: boot only. */
vm_map_t kmem_suballoc(vm_map_t parent, vm_offset_t *min, vm_offset_t *max, vm_size_t size,
		       boolean_t superpage_align);

#define KMEM_NOWAIT 0x1 /* 0 at once instead of waiting for frames */
#define KMEM_ZERO   0x2

/*
 * kmem_malloc: wired memory in map (kmem_map); size is rounded up to pages.  Returns the address;
 * 0 when there is no memory (NOWAIT), or when the thread is killed while it waits; panics when the
 * map's addresses are used up and NOWAIT was not given.  assert_may_kmem(); without NOWAIT, which may
 * wait for memory, no proc lock is held either.
 * kmem_free: give it back; must match.
 */
vm_offset_t kmem_malloc(vm_map_t map, vm_size_t size, int flags);
void kmem_free(vm_map_t map, vm_offset_t addr, vm_size_t size);

/* kmem_alloc: wired memory through vm_map_wire; 0 without space.  kmem_alloc_nofault: addresses
 * only; a fault there panics.  kmem_alloc_wait: pageable memory from a submap, waits for space;
 * 0 if it can never fit, the charge is refused or the thread is killed.  kmem_free_wakeup: the
 * reverse of kmem_alloc_wait. */
vm_offset_t kmem_alloc(vm_map_t map, vm_size_t size);
vm_offset_t kmem_alloc_nofault(vm_map_t map, vm_size_t size);
vm_offset_t kmem_alloc_wait(vm_map_t map, vm_size_t size);
void kmem_free_wakeup(vm_map_t map, vm_offset_t addr, vm_size_t size);

/* kstack_alloc: a kernel stack of KERNEL_STACK_SIZE bytes above a guard page; its lowest usable
 * address, 0 without memory.  kstack_free: give it back.  kstack_in_guard: does addr lie in the
 * guard of a kernel stack? (any context, no lock) */
vm_offset_t kstack_alloc(void);
void kstack_free(vm_offset_t base);
bool kstack_in_guard(vm_offset_t addr);

#endif
