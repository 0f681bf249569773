/* SPDX-License-Identifier: BSD-2-Clause */
/* Reaching the memory of another address space. */
#include "kernel/base/string.h"
#include "kernel/vm_access.h"
#include "vm/pmap.h"
#include "vm/vm_fault.h"
#include "vm/vm_page.h"

kern_return_t
vm_access(vm_map_t map, vm_offset_t addr, size_t length, vm_prot_t access, int fault_flags,
	  vm_access_fn *fn, void *arg, size_t *done)
{
	kern_return_t kr = KERN_SUCCESS;

	for (*done = 0; *done < length && kr == KERN_SUCCESS;) {
		vm_offset_t va = addr + *done;
		size_t in_page = va & PAGE_MASK, n = PAGE_SIZE - in_page;
		struct vm_page *m;

		if (n > length - *done)
			n = length - *done;
		kr = vm_fault_hold(map, trunc_page(va), access, fault_flags, &m);
		if (kr != KERN_SUCCESS)
			break;
		kr = fn((char *)pmap_page_address(m) + in_page, *done, n, arg);
		vm_fault_release(m, access);
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
