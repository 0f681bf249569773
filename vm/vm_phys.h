/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical memory: a buddy allocator, per-CPU caches of single frames, a pool of zeroed frames.
 *
 * The free state of the buddies is kept in one bitmap an order, not in the vm_pages, so that boot
 * touches no vm_page of memory that nobody uses yet.
 */
#ifndef VM_VM_PHYS_H
#define VM_VM_PHYS_H

#include "vm/vm_types.h"

struct vm_page;

#define VM_PHYS_ORDERS	11 /* blocks of 1 to 1024 frames: 4 MiB */
#define VM_PAGE_RESERVE 32 /* frames kept for VM_ALLOC_RESERVE */

/*
 * Before vm_phys_init(): a list of free ranges.
 * vm_phys_early_add: [start, end) is usable memory; only such frames get a vm_page.
 * vm_phys_early_reserve: take a range out (kernel, modules); after all calls of vm_phys_early_add.
 * vm_phys_early_alloc: take `size` bytes at `align` (powers of two, page multiples) for ever;
 * panics when there is none.  Boot only, one processor.
 */
void vm_phys_early_add(vm_paddr_t start, vm_paddr_t end);
void vm_phys_early_reserve(vm_paddr_t start, vm_paddr_t end);
vm_paddr_t vm_phys_early_alloc(vm_size_t size, vm_size_t align);
/* vm_phys_early_max: end of the highest usable range added. */
vm_paddr_t vm_phys_early_max(void);

/* vm_phys_has_ram: is any of [start, end) usable memory, taken or not?  At any time. */
bool vm_phys_has_ram(vm_paddr_t start, vm_paddr_t end);

/* vm_phys_init: make the page array and hand all early ranges to the buddies.  Boot only. */
void vm_phys_init(void);

/*
 * vm_phys_alloc: 2^order contiguous, aligned frames or NULL at once; req as in vm_page.h.
 * vm_phys_free: give them back.  Never sleep; any lock below LOCK_RANK_PHYS may be held.
 */
struct vm_page *vm_phys_alloc(unsigned order, int req);
void vm_phys_free(struct vm_page *m, unsigned order);

/* vm_phys_add_page: hand a frame that was reserved at boot (a finished boot module) to the
 * allocator. */
void vm_phys_add_page(struct vm_page *m);

/*
 * For vm_page_alloc.c: up to n single frames at once, put before those of a chain and not initialised as
 * allocated; returns how many there were.
 * vm_phys_return_frames: give back all frames of a chain, which wakes nobody.
 */
unsigned vm_phys_take_frames(struct vm_page **chain, unsigned n, int req);
void vm_phys_return_frames(struct vm_page *chain);

/* vm_phys_free_frames: frames in the buddies, caches above not counted; a snapshot.
 * vm_phys_total_frames: all frames the allocator was given. */
uint64_t vm_phys_free_frames(void);
uint64_t vm_phys_total_frames(void);

/* vm_phys_audit: check the buddies' bitmaps against the free lists and counts; panics with the
 * difference.  Debug builds and host tests. */
void vm_phys_audit(void);

#endif
