/* SPDX-License-Identifier: BSD-2-Clause */
/* What the page-table layer offers to machine-dependent code, beyond vm/pmap.h. */
#ifndef MACHINE_PMAP_H
#define MACHINE_PMAP_H

#include "vm/pmap.h"

/*
 * pmap_map_device: map [pa, pa + size) for good, readable, writable and not executable, in the
 * kernel's device window.  For what is not in the direct map; pa and size need no alignment.
 * Returns the address of pa; panics when the window or memory for a table is exhausted.
 * From pmap_bootstrap() on; takes kernel_pmap's spinlock.
 */
void *pmap_map_device(vm_paddr_t pa, vm_size_t size, enum pmap_cache cache);

/* pmap_map_registers: likewise, uncached, and nobody else may ever map them: what the kernel itself
 * drives. */
void *pmap_map_registers(vm_paddr_t pa, vm_size_t size);

/* pmap_cpu_init: paging features of this processor: memory types and, where it has them, PCIDs.
 * The low 12 bits of CR3 are zero.  pmap_bootstrap() does it for the boot processor. */
void pmap_cpu_init(void);

/* pmap_cpu_prepare: the processor with this area, which starts next, has kernel_pmap loaded.
 * pmap_kernel_cr3: for that. */
struct percpu;
void pmap_cpu_prepare(struct percpu *p);
uint64_t pmap_kernel_cr3(void);

/* pmap_walk_print: print the entry of each level on the way to va, for panic reports.  Takes no
 * lock. */
void pmap_walk_print(const struct pmap *pmap, vm_offset_t va);

#ifdef CONFIG_DEBUG
/*
 * pmap_audit: check the tables of a pmap against their counts, the pmap's count and the reverse
 * map; of kernel_pmap also that nothing in the kernel's half is both writable and executable, or
 * open to user mode.  Panics with the difference.  No spinlock held.
 */
void pmap_audit(struct pmap *pmap);
#else
static inline void
pmap_audit(struct pmap *pmap)
{
	(void)pmap;
}
#endif

#endif
