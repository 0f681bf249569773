/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reaching the memory of another address space: through the direct map, a page at a time.
 *
 * The page that a fault has found is held, so that its frame stays, but nothing is locked while bytes
 * are copied, as that may fault.  If the space forked meanwhile, the page could become the copy's alone:
 * what is stored would be seen there, and lost here.  So while a page is being written the map is busy,
 * and a fork waits.
 */
#include "kernel/base/string.h"
#include "kernel/vm_access.h"
#include "vm/pmap.h"
#include "vm/vm_fault.h"
#include "vm/vm_map.h"
#include "vm/vm_page.h"

/* begin_write: the map does not fork from now on; but a fork that waits comes first.  KERN_ABORTED:
 * killed meanwhile. */
static kern_return_t
begin_write(vm_map_t map)
{
	vm_map_lock(map);
	if ((map->flags & VM_MAP_BUSY_WAKEUP) != 0 && vm_map_wait_busy(map) != KERN_SUCCESS)
		return KERN_ABORTED;
	vm_map_busy(map);
	vm_map_unlock(map);
	return KERN_SUCCESS;
}

static void
end_write(vm_map_t map)
{
	vm_map_lock(map);
	vm_map_unbusy(map);
	vm_map_unlock(map);
}

/* What is accessed, as vm_access() is told. */
struct access {
	vm_map_t map;
	vm_prot_t prot;
	int fault_flags;
	vm_access_fn *fn;
	void *arg;
};

/* access_page: n bytes at va, all in one page, of which `done` came before. */
static kern_return_t
access_page(const struct access *a, vm_offset_t va, size_t done, size_t n)
{
	struct vm_page *m;
	kern_return_t kr = vm_fault_hold(a->map, trunc_page(va), a->prot, a->fault_flags, &m);

	if (kr != KERN_SUCCESS)
		return kr;
	kr = a->fn((char *)pmap_page_address(m) + (va & PAGE_MASK), done, n, a->arg);
	vm_fault_release(m, a->prot);
	return kr;
}

kern_return_t
vm_access(vm_map_t map, vm_offset_t addr, size_t length, vm_prot_t access, int fault_flags,
	  vm_access_fn *fn, void *arg, size_t *done)
{
	const struct access a = {map, access, fault_flags, fn, arg};
	bool writes = (access & VM_PROT_WRITE) != 0;
	kern_return_t kr = KERN_SUCCESS;

	for (*done = 0; *done < length && kr == KERN_SUCCESS;) {
		vm_offset_t va = addr + *done;
		size_t n = PAGE_SIZE - (va & PAGE_MASK);

		if (n > length - *done)
			n = length - *done;
		if (writes && (kr = begin_write(map)) != KERN_SUCCESS)
			break;
		kr = access_page(&a, va, *done, n);
		if (writes)
			end_write(map);
		if (kr == KERN_SUCCESS)
			*done += n;
	}
	return kr;
}

static kern_return_t
write_piece(void *bytes, size_t done, size_t n, void *arg)
{
	memcpy(bytes, (const char *)arg + done, n);
	return KERN_SUCCESS;
}

kern_return_t
vm_write(vm_map_t map, vm_offset_t addr, const void *from, size_t length)
{
	size_t done;

	return vm_access(map, addr, length, VM_PROT_WRITE, 0, write_piece, (void *)(uintptr_t)from,
			 &done);
}
