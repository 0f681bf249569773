/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * General kernel memory: kmalloc, size-class zones over kmem_map (larger sizes: kmem_malloc).
 * Its addresses lie in kmem_map.  assert_may_kmem(): no map, object, page or pmap lock held.
 */
#ifndef VM_VM_MALLOC_H
#define VM_VM_MALLOC_H

#include <stddef.h>

void kmalloc_init(void);
/* kmalloc: size bytes, 16-byte aligned, or NULL; flags of vm_zone.h.  kfree: size as allocated;
 * NULL is ignored. */
void *kmalloc(size_t size, int flags);
void kfree(void *p, size_t size);

#endif
