/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory objects as handles name them. */
#ifndef KERNEL_MEMOBJ_H
#define KERNEL_MEMOBJ_H

#include <stdint.h>
#include "kernel/kobject.h"
#include "vm/pmap.h"

struct vm_object;

struct memobj {
	struct kobject object;	     /* first: a struct kobject * is a struct memobj * */
	struct vm_object *vm_object; /* (c) one reference is ours */
	uint64_t bytes;		     /* (c) what was asked for; the vm_object counts pages */
};				     /* (c) constant after creation */

void memobj_init(void); /* boot */

/* memobj_create: an anonymous object of this size, charged as a whole.  0; EINVAL: too large for any
 * space; ENOMEM: no memory, or the commit limit.  No lock held; may sleep. */
int memobj_create(uint64_t bytes, struct memobj **out);

/* memobj_create_boot: an object that shows `bytes` bytes of physical memory from pa (page-aligned) on,
 * which was reserved at boot; what follows in the last page is zeroed.  NULL without memory.  Boot. */
struct memobj *memobj_create_boot(uint64_t pa, uint64_t bytes);

/*
 * memobj_create_device: an object that shows `bytes` bytes of device memory from pa on.  0; EINVAL: not
 * pages, empty, or beyond what the processor can address; EACCES: RAM, the kernel's own registers, or
 * mapped with another memory type already; ENOMEM.  No lock held; may sleep.
 */
int memobj_create_device(uint64_t pa, uint64_t bytes, enum pmap_cache cache, struct memobj **out);

static inline struct memobj *
memobj_from_object(struct kobject *o)
{
	return (struct memobj *)o;
}

/* memobj_identity: a number that tells vm_objects apart, for showing; 0 for NULL. */
uint64_t memobj_identity(const struct vm_object *object);

#endif
