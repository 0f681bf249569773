/* SPDX-License-Identifier: BSD-2-Clause */
/* The own address space: a few common requests. */
#include <pagoda/memory.h>

static void *
map_anywhere(size_t bytes, uint32_t prot, uint32_t flags)
{
	int64_t addr =
	    vm_map(HANDLE_SELF, 0, page_round_up(bytes), VM_MAP_ARGS(prot, PROT_ALL, flags), 0, 0);

	return addr < 0 ? NULL : (void *)addr;
}

void *
map_pages(size_t bytes, uint32_t prot)
{
	return map_anywhere(bytes, prot, 0);
}

void *
map_shared(size_t bytes)
{
	return map_anywhere(bytes, PROT_RW, VM_MAP_FLAG_SHARED);
}

void
unmap_pages(void *p, size_t bytes)
{
	vm_unmap(HANDLE_SELF, ADDR(p), page_round_up(bytes));
}

bool
region_at(uint64_t addr, struct vm_region *region)
{
	return vm_query(HANDLE_SELF, addr, region) == 0 && region->start <= addr;
}
