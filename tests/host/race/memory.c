/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical memory, in one piece at DIRECT_MAP_BASE as on the machine: a file, so that the kernel's
 * own pages can be seen at their kernel addresses as well.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "arch/x86_64/pmap_private.h"
#include "model/kernel.h"
#include "model/memory.h"
#include "race/cpu.h"
#include "vm/vm_phys.h"

#define BOOT_START  16ul  /* first frame of the boot region, which holds the page array */
#define FIRST_FRAME 256ul /* of ordinary memory */
#define JUNK	    0xa5

static int file = -1;

void
model_memory_boot(uint64_t frames)
{
	vm_paddr_t end = ptoa(FIRST_FRAME + frames);
	const char *pcids = getenv("PCIDS");
	void *at = (void *)DIRECT_MAP_BASE;

	file = memfd_create("memory", MFD_CLOEXEC);
	if (file < 0 || ftruncate(file, (off_t)end) != 0 ||
	    mmap(at, end, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, file, 0) != at)
		model_die("no memory of %lu frames", (unsigned long)frames);
	memset((char *)at + ptoa(BOOT_START), JUNK, end - ptoa(BOOT_START));
	vm_phys_early_add(ptoa(BOOT_START), end);
	vm_phys_init();
	sim_boot(pcids == NULL || strcmp(pcids, "0") != 0);
}

/* The linker sends calls from other files here (--wrap). */

kern_return_t __real_pmap_enter(struct pmap *pmap, vm_offset_t va, struct vm_page *m,
				vm_prot_t prot, int flags);
kern_return_t __wrap_pmap_enter(struct pmap *pmap, vm_offset_t va, struct vm_page *m,
				vm_prot_t prot, int flags);
void __real_pmap_remove(struct pmap *pmap, vm_offset_t start, vm_offset_t end);
void __wrap_pmap_remove(struct pmap *pmap, vm_offset_t start, vm_offset_t end);
void __wrap_pmap_zero_page(struct vm_page *m);
void __wrap_pmap_copy_page(const struct vm_page *src, struct vm_page *dst);

/* Kernel memory is read and written by the code under test itself, so the host maps it, too. */
kern_return_t
__wrap_pmap_enter(struct pmap *pmap, vm_offset_t va, struct vm_page *m, vm_prot_t prot, int flags)
{
	kern_return_t kr = __real_pmap_enter(pmap, va, m, prot, flags);

	if (kr == KERN_SUCCESS && pmap == kernel_pmap && (m->flags & VM_PAGE_UNMANAGED) != 0 &&
	    mmap((void *)va, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file,
		 (off_t)vm_page_to_phys(m)) == MAP_FAILED)
		model_die("the host cannot map %#lx", va);
	return kr;
}

void
__wrap_pmap_remove(struct pmap *pmap, vm_offset_t start, vm_offset_t end)
{
	__real_pmap_remove(pmap, start, end);
	if (pmap == kernel_pmap && start < end)
		mmap((void *)start, end - start, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
}

/* ThreadSanitizer does not see what assembly reads and writes. */
void
__wrap_pmap_zero_page(struct vm_page *m)
{
	memset(pmap_page_address(m), 0, PAGE_SIZE);
}

void
__wrap_pmap_copy_page(const struct vm_page *src, struct vm_page *dst)
{
	memcpy(pmap_page_address(dst), pmap_page_address(src), PAGE_SIZE);
}
