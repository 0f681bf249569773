/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's own page tables, made once while the boot tables are in use, and the device window.
 *
 *	direct map	all RAM, read and write, no execution; but the alias of the kernel's text and
 *			rodata is read-only
 *	device window	what pmap_map_device() maps
 *	kernel_map	an empty level-3 table, which vm_kern fills
 *	kernel image	text: read and execute; rodata: read; data and bss: read and write
 *
 * So nothing is both writable and executable at any address, not even by two names of the same
 * frame.  There is no identity map.  All of it is global: it stays cached from one address space to
 * the next.
 *
 * Each range is mapped by the largest pages that fit the alignment of its rest, as a wall is built
 * of the largest stones that fit; the page that text begins in falls into small ones by itself.
 *
 * The direct map is cached, and has RAM in it and nothing else: what is mapped elsewhere with another
 * memory type, a device, must have no second name here.  The device window keeps a record of itself for
 * the same reason: device objects (vm_device.c) ask whether they agree with it.
 */
#include "arch/x86_64/pmap_private.h"
#include "kernel/base/panic.h"
#include "kernel/base/print.h"
#include "vm/vm_phys.h"
#include "vm/vm_phys_early.h"
#include <machine/features.h>
#include <machine/percpu.h>
#include <machine/pmap.h>
#include <machine/start.h>
#include <machine/registers.h>

/* How much of the direct map the tables of boot/ have. */
#define BOOT_DIRECT_MAP_SIZE 0x100000000ul

/* Entries of the attribute table, a byte each: write-back, write-combining, "uncached-", uncached;
 * the upper half, which no entry of ours selects, as the processor starts with it. */
#define PAT_VALUE 0x0007040600070106ul

/* What every kernel page has; accessed and dirty at once, which spares the processor the work. */
#define KERNEL_BITS   (PTE_PRESENT | PTE_GLOBAL | PTE_ACCESSED | PTE_DIRTY)
#define KERNEL_TEXT   (KERNEL_BITS)
#define KERNEL_RODATA (KERNEL_BITS | PTE_NO_EXECUTE)
#define KERNEL_DATA   (KERNEL_BITS | PTE_NO_EXECUTE | PTE_WRITE)

/* From linker.ld; each on a page boundary. */
extern char __text_start[], __text_end[], __rodata_start[], __rodata_end[];
extern char __data_start[], __kernel_end[];

static struct pmap kernel_pmap_storage = {
    .lock = SPINLOCK_INITIALIZER("kernel_pmap", LOCK_RANK_PMAP),
    .leaf_bits = PTE_PRESENT | PTE_GLOBAL,
};
struct pmap *const kernel_pmap = &kernel_pmap_storage;

/* How many ranges the device window has a record of; ACPI's tables are the most of them. */
#define DEVICE_RANGES 128

static struct {
	vm_offset_t next; /* free from here on */
	unsigned count;
	struct device_range {
		vm_paddr_t start, end; /* whole pages */
		enum pmap_cache cache;
		bool own; /* registers that the kernel drives */
	} range[DEVICE_RANGES];
} window = {.next = DEVICE_MAP_BASE}; /* kernel_pmap->lock */

/* image_phys: where the boot loader put a byte of the kernel image. */
static vm_paddr_t
image_phys(const char *p)
{
	return (vm_offset_t)p - KERNEL_IMAGE_BASE;
}

/* kernel_table_alloc: a zeroed frame for a table, for ever: from the early list, as long as that
 * is the allocator. */
static pte_t *
kernel_table_alloc(void)
{
	vm_paddr_t pa;
	pte_t *table;

	if (vm_page_array != NULL) {
		struct vm_page *m = vm_page_alloc_noobj(VM_ALLOC_ZERO);

		VERIFY(m != NULL, "no memory for a page table of the device window");
		return pmap_page_address(m);
	}
	pa = vm_phys_early_alloc(PAGE_SIZE, PAGE_SIZE);
	VERIFY(kernel_pmap->active != 0 || pa < BOOT_DIRECT_MAP_SIZE,
	       "page table at %#lx, beyond the boot tables' direct map", pa);
	table = direct_map(pa);
	for (unsigned i = 0; i < PT_ENTRIES; i++)
		table[i] = 0;
	return table;
}

/* kernel_entry: the entry of `level` that leads to va, with new tables on the way. */
static pte_t *
kernel_entry(vm_offset_t va, int level)
{
	pte_t *table = kernel_pmap->root;

	for (int l = PT_LEVELS; l > level; l--) {
		pte_t *entry = &table[pt_index(va, l)];

		if (*entry == 0) {
			*entry = direct_map_phys(kernel_table_alloc()) | PTE_PRESENT | PTE_WRITE;
			kernel_pmap->tables++;
		}
		VERIFY(!pte_is_leaf(*entry, l), "va %#lx is in a large page already", va);
		table = pte_table(*entry);
	}
	return &table[pt_index(va, level)];
}

/* page_level: the level whose page size suits the alignment of both addresses and the size. */
static int
page_level(vm_offset_t va, vm_paddr_t pa, vm_size_t size)
{
	for (int level = cpu_features.gbpages ? 3 : 2; level > 1; level--)
		if (((va | pa) & (pt_span(level) - 1)) == 0 && size >= pt_span(level))
			return level;
	return 1;
}

/* kernel_map_range: map [pa, pa + size), whole pages, at va, where nothing is mapped. */
static void
kernel_map_range(vm_offset_t va, vm_paddr_t pa, vm_size_t size, pte_t bits)
{
	while (size > 0) {
		int level = page_level(va, pa, size);
		vm_size_t span = pt_span(level);
		pte_t *entry = kernel_entry(va, level);

		if (level > 1)
			bits |= PTE_LARGE;
		else
			bits &= ~PTE_LARGE;
		do { /* to the end of this table, where a larger page may begin to fit */
			ASSERT(*entry == 0, "va %#lx is mapped already: %#lx", va, *entry);
			*entry++ = pa | bits;
			va += span;
			pa += span;
			size -= span;
		} while (size >= span && pt_index(va, level) != 0);
	}
}

/* map_direct_part: what of [start, end) lies in [low, high) comes into the direct map. */
static void
map_direct_part(vm_paddr_t start, vm_paddr_t end, vm_paddr_t low, vm_paddr_t high, pte_t bits)
{
	start = start > low ? start : low;
	end = end < high ? end : high;
	if (start < end)
		kernel_map_range(DIRECT_MAP_BASE + start, start, end - start, bits);
}

static void
map_direct(void)
{
	vm_paddr_t readonly = image_phys(__text_start), writable = image_phys(__rodata_end);
	const struct vm_phys_ranges *ram = vm_phys_early_ram();

	for (unsigned i = 0; i < ram->count; i++) {
		vm_paddr_t start = ram->range[i].start, end = ram->range[i].end;

		map_direct_part(start, end, 0, readonly, KERNEL_DATA);
		map_direct_part(start, end, readonly, writable, KERNEL_RODATA);
		map_direct_part(start, end, writable, end, KERNEL_DATA);
	}
}

static void
map_image(const char *start, const char *end, pte_t bits)
{
	kernel_map_range((vm_offset_t)start, image_phys(start), (vm_size_t)(end - start), bits);
}

/*
 * pmap_bootstrap: see vm/pmap.h.  The stack in use, and whatever else is needed next, must be in
 * the kernel image or the direct map; %gs leads to the percpu area; features_init() has run.
 */
void
pmap_bootstrap(void)
{
	kernel_pmap->root = kernel_table_alloc();
	kernel_pmap->tables = 1;

	map_direct();
	map_image(__text_start, __text_end, KERNEL_TEXT);
	map_image(__rodata_start, __rodata_end, KERNEL_RODATA);
	map_image(__data_start, boot_stack.guard, KERNEL_DATA);
	map_image(boot_stack.bytes, __kernel_end, KERNEL_DATA);
	kernel_entry(VM_MIN_KERNEL_ADDRESS, PT_LEVELS - 1);
	kernel_entry(DEVICE_MAP_BASE, PT_LEVELS - 1);

	kernel_pmap->active = 1u << curcpu()->id;
	curcpu()->loaded_pmap = kernel_pmap;
	pmap_forget_tables(curcpu());
	tlb_load(kernel_pmap);
	pmap_cpu_init();
	kprintf("pmap: address spaces have %s\n",
		(cr4_read() & CR4_PCIDE) != 0 ? "tags (PCIDs)" : "no tags");
}

void
pmap_cpu_init(void)
{
	msr_write(MSR_PAT, PAT_VALUE);
	tlb_enable_pcids();
	tlb_flush_all();
}

void
pmap_cpu_prepare(struct percpu *p)
{
	p->loaded_pmap = kernel_pmap;
	pmap_forget_tables(p);
	__atomic_fetch_or(&kernel_pmap->active, 1u << p->id, __ATOMIC_SEQ_CST);
}

uint64_t
pmap_kernel_cr3(void)
{
	return direct_map_phys(kernel_pmap->root);
}

/* device_reserve: `size` bytes of the window, aligned as pa is, so that large pages fit, and with
 * an unmapped page behind them.  kernel_pmap's lock is held. */
static vm_offset_t
device_reserve(vm_paddr_t pa, vm_size_t size)
{
	vm_offset_t va = window.next;

	if (size >= SUPERPAGE_SIZE) {
		va = (va + SUPERPAGE_SIZE - 1) & ~(SUPERPAGE_SIZE - 1);
		va += pa & (SUPERPAGE_SIZE - 1);
	}
	VERIFY(size < DEVICE_MAP_SIZE && va + size < DEVICE_MAP_BASE + DEVICE_MAP_SIZE,
	       "device window: no room for %#lx bytes of %#lx", size, pa);
	window.next = va + size + PAGE_SIZE;
	return va;
}

/* device_record: note what the window shows; not twice.  kernel_pmap's lock is held. */
static void device_record(struct device_range new)
{
	for (unsigned i = 0; i < window.count; i++) {
		const struct device_range *r = &window.range[i];

		if (r->start <= new.start &&new.end <= r->end && r->cache == new.cache &&
		    r->own == new.own)
			return;
	}
	VERIFY(window.count < DEVICE_RANGES, "device window: more than %u ranges", DEVICE_RANGES);
	window.range[window.count++] = new;
}

static void *
map_device(vm_paddr_t pa, vm_size_t size, enum pmap_cache cache, bool own)
{
	vm_paddr_t start = trunc_page(pa), end = round_page(pa + size);
	vm_offset_t va;

	spinlock_lock(&kernel_pmap->lock);
	va = device_reserve(start, end - start);
	kernel_map_range(va, start, end - start, KERNEL_DATA | pte_of_cache(cache));
	device_record((struct device_range){start, end, cache, own});
	spinlock_unlock(&kernel_pmap->lock);
	return (void *)(va + (pa & PAGE_MASK));
}

void *
pmap_map_device(vm_paddr_t pa, vm_size_t size, enum pmap_cache cache)
{
	return map_device(pa, size, cache, false);
}

void *
pmap_map_registers(vm_paddr_t pa, vm_size_t size)
{
	return map_device(pa, size, PMAP_UNCACHED, true);
}

kern_return_t
pmap_device_check(vm_paddr_t pa, vm_size_t size, enum pmap_cache cache)
{
	kern_return_t kr = KERN_SUCCESS;

	if (pa + size > 1ul << cpu_features.physical_bits)
		return KERN_INVALID_ARGUMENT;
	spinlock_lock(&kernel_pmap->lock);
	for (unsigned i = 0; i < window.count; i++) {
		const struct device_range *r = &window.range[i];

		if (r->start < pa + size && pa < r->end && (r->own || r->cache != cache))
			kr = KERN_NO_ACCESS;
	}
	spinlock_unlock(&kernel_pmap->lock);
	return kr;
}
