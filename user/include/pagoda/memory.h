/* SPDX-License-Identifier: BSD-2-Clause */
/* The own address space, conveniently. */
#ifndef PAGODA_MEMORY_H
#define PAGODA_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pagoda/syscalls.h>

#define PROT_RW	 (PROT_READ | PROT_WRITE)
#define PROT_RX	 (PROT_READ | PROT_EXEC)
#define PROT_ALL (PROT_READ | PROT_WRITE | PROT_EXEC)

/* map_pages: so many zero bytes somewhere, private, at most PROT_ALL ever; NULL without room. */
void *map_pages(size_t bytes, uint32_t prot);

/* map_shared: likewise, read and write, but shared with the children of a later fork. */
void *map_shared(size_t bytes);

/* unmap_pages: undo either. */
void unmap_pages(void *p, size_t bytes);

/* region_at: the region that holds addr; false if nothing is mapped there. */
bool region_at(uint64_t addr, struct vm_region *region);

static inline uint64_t
page_round_up(uint64_t bytes)
{
	return (bytes + PAGE_MASK) & ~PAGE_MASK;
}

static inline uint64_t
page_round_down(uint64_t bytes)
{
	return bytes & ~PAGE_MASK;
}

#endif
