/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical memory on the host: a file in memory, so that a frame can be seen at several addresses.
 *
 *	physical	| boot region |    (no memory)    | frame 256 | frame 257 | ...
 *	file, window	| boot region | frame 256 | gap | frame 257 | gap | ...
 *
 * `window` shows the file in one piece: it is the direct map.  The gaps are poisoned, so an access
 * beyond a frame is reported by the address sanitizer, and no two frames are neighbours, so code
 * that takes physical for virtual distances fails.  The boot region, which holds the page array,
 * is in one piece.
 *
 * Everything begins full of junk: the boot region at once, a frame when it is first asked for, as
 * most tests use few of them.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <sanitizer/asan_interface.h>
#include "model/kernel.h"
#include "model/memory.h"
#include "vm/pmap.h"
#include "vm/vm_page.h"
#include "vm/vm_phys.h"

#define BOOT_START  atop(MODEL_MEMORY) /* first frame of the boot region */
#define FIRST_FRAME 256ul	       /* of ordinary memory */
#define STRIDE	    (2 * PAGE_SIZE)
#define JUNK	    0xa5

static uint64_t boot_end; /* frame behind the boot region */
static int file = -1;
static char *window;

/* By frame number: has it been filled with junk?  Atomic. */
enum fill {
	UNFILLED,
	BEING_FILLED,
	FILLED
};
static uint8_t *fills;

static struct list taken = LIST_INITIALIZER(taken); /* frames of model_memory_take_all() */

/* boot_frames: what vm_phys_init() will want for the page array and the bitmaps. */
static uint64_t
boot_frames(uint64_t max_pfn)
{
	uint64_t bits = 2 * (max_pfn + (2ul << VM_PHYS_ORDERS)) + 64 * VM_PHYS_ORDERS;

	return atop(round_page(max_pfn * sizeof(struct vm_page))) + atop(round_page(bits / 8)) + 1;
}

int
model_memory_file(void)
{
	return file;
}

/* frame_offset: where in the file pa is. */
static off_t
frame_offset(vm_paddr_t pa)
{
	uint64_t pfn = atop(pa);

	if (pfn >= BOOT_START && pfn < boot_end)
		return (off_t)(pa - ptoa(BOOT_START));
	if (pfn < FIRST_FRAME)
		model_die("physical address %#lx is no memory", (unsigned long)pa);
	return (off_t)(ptoa(boot_end - BOOT_START) + (pfn - FIRST_FRAME) * STRIDE +
		       (pa & PAGE_MASK));
}

/* fill_frame: the first time a frame is asked for; whoever comes second waits for the first. */
static void
fill_frame(uint64_t pfn)
{
	char *frame = window + frame_offset(ptoa(pfn));
	uint8_t fill = UNFILLED;

	if (__atomic_compare_exchange_n(&fills[pfn], &fill, BEING_FILLED, false, __ATOMIC_ACQUIRE,
					__ATOMIC_ACQUIRE)) {
		ASAN_UNPOISON_MEMORY_REGION(frame, PAGE_SIZE);
		memset(frame, JUNK, PAGE_SIZE);
		__atomic_store_n(&fills[pfn], FILLED, __ATOMIC_RELEASE);
	}
	while (__atomic_load_n(&fills[pfn], __ATOMIC_ACQUIRE) != FILLED)
		;
}

off_t
model_memory_offset(vm_paddr_t pa)
{
	off_t offset = frame_offset(pa);

	if (atop(pa) >= FIRST_FRAME &&
	    __atomic_load_n(&fills[atop(pa)], __ATOMIC_ACQUIRE) != FILLED)
		fill_frame(atop(pa));
	return offset;
}

void
model_memory_boot(uint64_t frames)
{
	uint64_t max_pfn = FIRST_FRAME + frames;
	size_t size;

	boot_end = BOOT_START + boot_frames(max_pfn);
	if (boot_end > FIRST_FRAME)
		model_die("the page array of %lu frames does not fit", (unsigned long)frames);
	size = (size_t)frame_offset(ptoa(max_pfn));
	file = memfd_create("memory", MFD_CLOEXEC);
	if (file < 0 || ftruncate(file, (off_t)size) != 0)
		model_die("no file in memory of %zu bytes", size);
	window = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (window == MAP_FAILED)
		model_die("no address space for %zu bytes", size);
	fills = calloc(max_pfn, sizeof(*fills));
	if (fills == NULL)
		model_die("no memory for the state of %lu frames", (unsigned long)frames);
	ASAN_POISON_MEMORY_REGION(window, size);
	ASAN_UNPOISON_MEMORY_REGION(window, ptoa(boot_end - BOOT_START));
	memset(window, JUNK, ptoa(boot_end - BOOT_START));
	vm_phys_early_add(ptoa(BOOT_START), ptoa(boot_end));
	vm_phys_early_add(ptoa(FIRST_FRAME), ptoa(max_pfn));
	vm_phys_init();
}

void *
pmap_phys_address(vm_paddr_t pa)
{
	return window + model_memory_offset(pa);
}

/* ---- a device ---- */

static char device[MODEL_DEVICE_SIZE] __attribute__((aligned(PAGE_SIZE)));

bool
model_device_contains(vm_paddr_t pa)
{
	return pa >= MODEL_DEVICE && pa < MODEL_DEVICE + MODEL_DEVICE_SIZE;
}

kern_return_t
model_device_check(vm_paddr_t pa, vm_size_t size, enum pmap_cache cache)
{
	const vm_paddr_t own = MODEL_DEVICE + MODEL_DEVICE_OWN;

	if (pa + size > MODEL_PHYSICAL_END)
		return KERN_INVALID_ARGUMENT;
	(void)cache;
	return pa < own + PAGE_SIZE && own < pa + size ? KERN_NO_ACCESS : KERN_SUCCESS;
}

char *
model_phys_address(vm_paddr_t pa)
{
	if (model_device_contains(pa))
		return device + (pa - MODEL_DEVICE);
	return pmap_phys_address(pa);
}

void *
pmap_page_address(const struct vm_page *m)
{
	return pmap_phys_address(vm_page_to_phys(m));
}

void
pmap_zero_page(struct vm_page *m)
{
	memset(pmap_page_address(m), 0, PAGE_SIZE);
}

void
pmap_copy_page(const struct vm_page *src, struct vm_page *dst)
{
	memcpy(pmap_page_address(dst), pmap_page_address(src), PAGE_SIZE);
}

void
model_memory_take_all(void)
{
	struct vm_page *m;

	while ((m = vm_page_alloc_noobj(0)) != NULL)
		list_push_back(&taken, &m->link);
}

void
model_memory_give_back(void)
{
	struct vm_page *m, *next;

	list_for_each_entry_safe (m, next, &taken, link) {
		list_remove(&m->link);
		vm_page_free_noobj(m);
	}
}
