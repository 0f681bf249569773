/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Zones: slab allocation of objects of one size, with per-CPU caches on top.
 *
 * A zone gets its slabs from a supplier.  The direct supplier takes frames from vm_phys through the
 * direct map: such a zone may be used under any VM lock, never sleeps and never takes a map lock;
 * it is for the VM's own metadata.  Every other zone is supplied from kmem_map: vm_kern registers
 * that supplier from the storey above, and assert_may_kmem() guards its use.  So nothing recurses.
 */
#ifndef VM_VM_ZONE_H
#define VM_VM_ZONE_H

#include "kernel/base/list.h"
#include "kernel/base/spinlock.h"
#include "vm/vm_types.h"

#define VM_ZONE_CACHE 15 /* objects in a per-CPU cache, which is two cache lines */

struct vm_zone_supplier {
	const char *name;
	void *(*get)(int flags); /* one page of slab memory, page-aligned, or NULL */
	void (*put)(void *slab);
	bool direct;
};

extern const struct vm_zone_supplier vm_zone_direct;

/* vm_zone_register_kmem: the supplier of all zones initialised with a NULL supplier. */
void vm_zone_register_kmem(const struct vm_zone_supplier *s);

struct vm_zone {
	struct spinlock lock;
	const char *name;			 /* (c) */
	size_t size;				 /* (c) bytes of an object */
	unsigned per_slab;			 /* (c) */
	const struct vm_zone_supplier *supplier; /* (c) NULL: the registered kmem supplier */
	struct list partial;			 /* (z) slabs with free objects */
	struct list full;			 /* (z) slabs without */
	uint64_t in_use, slabs;			 /* (z) objects handed out or cached; slabs held */
	uint32_t empty;	      /* (z) slabs without a taken object; last on partial */
	struct list_link all; /* list of all zones, for statistics */
	struct vm_zone_cache {
		uint32_t count;
		void *object[VM_ZONE_CACHE];
	} __attribute__((aligned(CACHE_LINE_SIZE))) cache[MACHINE_MAX_CPUS]; /* (p) */
}; /* (z) guarded by lock  (c) constant  (p) its processor, preemption off */

_Static_assert(sizeof(struct vm_zone_cache) == 2 * CACHE_LINE_SIZE, "a cache has room to spare");

#define VM_ZONE_ZERO   0x1 /* contents zero */
#define VM_ZONE_NOWAIT 0x2 /* NULL at once; direct zones never wait anyway */

/* vm_zone_init: caller's storage; size up to about a page; supplier NULL for kmem_map. */
void vm_zone_init(struct vm_zone *z, const char *name, size_t size,
		  const struct vm_zone_supplier *supplier);

/* vm_zone_alloc: an object, 16-byte aligned, or NULL without memory.  Locks: see above. */
void *vm_zone_alloc(struct vm_zone *z, int flags);
void vm_zone_free(struct vm_zone *z, void *p);

/* vm_zone_drain: give the empty slabs and caches of this processor back.  vm_zone_in_use: objects
 * handed out and not freed, caches not counted (exact when nothing else runs). */
void vm_zone_drain(struct vm_zone *z);
uint64_t vm_zone_in_use(struct vm_zone *z);
/* vm_zone_for_each: for statistics and GDB. */
void vm_zone_for_each(void (*fn)(struct vm_zone *z, void *arg), void *arg);

#endif
