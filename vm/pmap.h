/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine-independent contract of the page-table layer; arch/x86_64/pmap.c implements it, and
 * tests/host has a model of it.
 *
 * A user pmap, wired mappings excepted, is a cache of the map: it may be dropped at any time and is
 * refilled by faults.  Loss of rights is complete on all processors before a function returns; gain
 * of rights is lazy (a spurious fault mends it).  Accessed and dirty bits of a mapping that goes
 * away are moved to the vm_page first.
 *
 * The reverse map (page to mappings) covers every page that is not VM_PAGE_UNMANAGED: each vm_page
 * embeds one (pmap, address) pair, further mappings chain pv entries from a direct zone.
 *
 * Locks: each function takes the pmap and pv spinlocks itself; no spinlock of rank >=
 * PAGE_TABLE is held on entry.  None sleeps.  Addresses are page-aligned.
 */
#ifndef VM_PMAP_H
#define VM_PMAP_H

#include "vm/vm_types.h"

struct pmap;
struct vm_page;

extern struct pmap *const kernel_pmap;

/* pmap_create: an empty user pmap; NULL without memory.  pmap_destroy: drop all mappings, wired ones
 * too, and free every page-table page; it must be loaded on no processor. */
struct pmap *pmap_create(void);
void pmap_destroy(struct pmap *pmap);

/* Memory types: how accesses reach what is mapped. */
enum pmap_cache {
	PMAP_UNCACHED,	      /* device registers: each access, in order */
	PMAP_WRITE_COMBINING, /* frame buffers: writes are gathered, reads are slow */
	PMAP_CACHED,	      /* RAM, firmware tables */
};

#define PMAP_ENTER_WIRED 0x1 /* never dropped by itself; counts in pmap_wired_count */
#define PMAP_ENTER_WRITE 0x2 /* entered for a store: mark accessed and dirty at once */

/*
 * pmap_enter: map va to m with prot, replacing what is there (same page: rights and wiring change).
 * m's object is locked (or m is unmanaged).  A user pmap gets user pages.
 * KERN_RESOURCE_SHORTAGE: no page for a table or pv entry; nothing is mapped at va then.
 */
kern_return_t pmap_enter(struct pmap *pmap, vm_offset_t va, struct vm_page *m, vm_prot_t prot,
			 int flags);

/*
 * pmap_enter_device: pmap_enter() for a frame that has no vm_page: device memory at pa, with this
 * memory type, which is that of every other mapping of it.  No reverse map knows of it.
 * KERN_RESOURCE_SHORTAGE: no page for a table; nothing is mapped at va then.
 */
kern_return_t pmap_enter_device(struct pmap *pmap, vm_offset_t va, vm_paddr_t pa,
				enum pmap_cache cache, vm_prot_t prot, int flags);

/*
 * pmap_device_check: may others than the kernel map [pa, pa + size), whole pages that are no RAM, with
 * this memory type?  KERN_SUCCESS; KERN_INVALID_ARGUMENT: the processor has no such addresses;
 * KERN_NO_ACCESS: registers that the kernel drives, or it has mapped them with another type.
 */
kern_return_t pmap_device_check(vm_paddr_t pa, vm_size_t size, enum pmap_cache cache);

/* pmap_remove: unmap [start, end), wired or not.  pmap_protect: take away rights beyond prot in it
 * (prot without READ, WRITE and EXECUTE: remove); adds none. */
void pmap_remove(struct pmap *pmap, vm_offset_t start, vm_offset_t end);
void pmap_protect(struct pmap *pmap, vm_offset_t start, vm_offset_t end, vm_prot_t prot);

/* pmap_unwire: the wired mappings of [start, end) become ordinary ones. */
void pmap_unwire(struct pmap *pmap, vm_offset_t start, vm_offset_t end);

/* pmap_drop: forget every mapping of a user pmap that is not wired. */
void pmap_drop(struct pmap *pmap);

/* What is mapped at an address. */
struct pmap_mapping {
	struct vm_page *page; /* NULL: device memory, which has none */
	vm_prot_t prot;
	enum pmap_cache cache;
	bool wired, accessed, dirty;
};
/* pmap_query: false if nothing is mapped at va. */
bool pmap_query(struct pmap *pmap, vm_offset_t va, struct pmap_mapping *out);
/* pmap_extract: the physical address behind va; false if unmapped. */
bool pmap_extract(struct pmap *pmap, vm_offset_t va, vm_paddr_t *pa);
/* pmap_next: the lowest mapped page address in [start, end); false if none.  Skips empty tables. */
bool pmap_next(struct pmap *pmap, vm_offset_t start, vm_offset_t end, vm_offset_t *va);

/* By page; m's object is locked.  remove_all: from every pmap.  remove_unwired: where it is not wired.
 * remove_write: write-protect every mapping. */
void pmap_remove_all(struct vm_page *m);
void pmap_remove_unwired(struct vm_page *m);
void pmap_remove_write(struct vm_page *m);
bool pmap_page_is_mapped(struct vm_page *m);
/* pmap_is_modified, pmap_clear_modify: dirty in any mapping or in the page.  pmap_ts_referenced:
 * number of accessed mappings, cleared. */
bool pmap_is_modified(struct vm_page *m);
void pmap_clear_modify(struct vm_page *m);
int pmap_ts_referenced(struct vm_page *m);

/* pmap_page_address: m's place in the direct map.  Any context. */
void *pmap_page_address(const struct vm_page *m);
/* pmap_phys_address: the direct-map place of a physical address (boot structures, tables). */
void *pmap_phys_address(vm_paddr_t pa);
void pmap_zero_page(struct vm_page *m);
void pmap_copy_page(const struct vm_page *src, struct vm_page *dst);

/* pmap_activate: load the pmap on this processor.  Interrupts off. */
void pmap_activate(struct pmap *pmap);

uint64_t pmap_resident_count(struct pmap *pmap); /* pages mapped */
uint64_t pmap_wired_count(struct pmap *pmap);
uint64_t pmap_table_count(struct pmap *pmap); /* page-table pages, the root included */

/* pmap_bootstrap: the final kernel page tables from vm_phys_early_alloc: direct map of all RAM that
 * vm_phys_early_add() was told of, and of nothing else; W^X kernel image, an empty slot for kernel_map.
 * Boot only, before vm_phys_init.
 * pmap_init: the pv zone; after vm_zone works. */
void pmap_bootstrap(void);
void pmap_init(void);

#endif
