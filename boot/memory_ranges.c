/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory map: from a loader's list, in any order and with overlaps, to two tidy ones.
 *
 *	loader's entries --boot_add_memory--> usable, unusable   (each kept sorted and merged)
 *	usable without unusable, rounded inwards to pages    --> bi->memory
 *	kernel image, modules, first page; rounded outwards  --> bi->reserved
 *
 * A place that one entry calls usable and another does not is not usable.
 */
#include "boot/boot_info.h"
#include "boot/parse.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"

#define PHYS_ADDRESS_END (1ul << 46) /* more than the direct map holds is of no use */

struct range_list {
	struct boot_range r[BOOT_MAX_RANGES];
	uint32_t count;
};

static struct range_list usable, unusable;

extern char __kernel_phys_start[], __kernel_phys_end[];

/*
 * range_insert: add [start, end) to a sorted list of disjoint ranges, merging it with those that it
 * overlaps or touches.  False if the list is full.
 */
static bool
range_insert(struct range_list *l, uint64_t start, uint64_t end)
{
	uint32_t first = 0, last;

	while (first < l->count && l->r[first].end < start)
		first++;
	for (last = first; last < l->count && l->r[last].start <= end; last++) {
		if (l->r[last].start < start)
			start = l->r[last].start;
		if (l->r[last].end > end)
			end = l->r[last].end;
	}
	if (last == first && l->count == BOOT_MAX_RANGES)
		return false;
	memmove(&l->r[first + 1], &l->r[last], (l->count - last) * sizeof(l->r[0]));
	l->count = l->count - (last - first) + 1;
	l->r[first].start = start;
	l->r[first].end = end;
	return true;
}

void
boot_add_memory(uint64_t base, uint64_t length, bool is_usable)
{
	uint64_t end = length > PHYS_ADDRESS_END ? PHYS_ADDRESS_END : base + length;

	if (length == 0 || base >= PHYS_ADDRESS_END)
		return;
	if (end > PHYS_ADDRESS_END)
		end = PHYS_ADDRESS_END;
	if (range_insert(is_usable ? &usable : &unusable, base, end))
		return;
	if (!is_usable)
		boot_fail("the memory map has more than %d reserved ranges", BOOT_MAX_RANGES);
	kprintf("boot: more than %d memory ranges, %#lx bytes at %#lx are not used\n",
		BOOT_MAX_RANGES, length, base);
}

/* add_pages: append the whole pages of [start, end) to bi->memory. */
static void
add_pages(struct boot_info *bi, uint64_t start, uint64_t end)
{
	start = (start + PAGE_MASK) & ~PAGE_MASK;
	end &= ~PAGE_MASK;
	if (start >= end)
		return;
	if (bi->memory_count == BOOT_MAX_RANGES) {
		kprintf("boot: memory at %#lx is not used: too many ranges\n", start);
		return;
	}
	bi->memory[bi->memory_count++] = (struct boot_range){start, end};
	bi->memory_total += end - start;
	bi->memory_end = end;
}

/* subtract_unusable: append [start, end) without the unusable ranges. */
static void
subtract_unusable(struct boot_info *bi, uint64_t start, uint64_t end)
{
	for (uint32_t i = 0; i < unusable.count && start < end; i++) {
		const struct boot_range *hole = &unusable.r[i];

		if (hole->end <= start || hole->start >= end)
			continue;
		if (hole->start > start)
			add_pages(bi, start, hole->start);
		start = hole->end;
	}
	if (start < end)
		add_pages(bi, start, end);
}

/* reserve: note that [start, end) is in use. */
static void
reserve(struct range_list *l, uint64_t start, uint64_t end)
{
	if (!range_insert(l, start & ~PAGE_MASK, (end + PAGE_MASK) & ~PAGE_MASK))
		boot_fail("too many reserved ranges");
}

/* module_is_in_memory: does [start, end) lie in one usable range, and clear of the kernel? */
static bool
module_is_in_memory(const struct boot_info *bi, uint64_t start, uint64_t end)
{
	if (start < (uintptr_t)__kernel_phys_end && end > (uintptr_t)__kernel_phys_start)
		return false;
	for (uint32_t i = 0; i < bi->memory_count; i++) {
		if (start >= bi->memory[i].start && end <= bi->memory[i].end)
			return true;
	}
	return false;
}

void
boot_finish_memory(struct boot_info *bi)
{
	static struct range_list in_use;

	for (uint32_t i = 0; i < usable.count; i++)
		subtract_unusable(bi, usable.r[i].start, usable.r[i].end);
	if (bi->memory_count == 0)
		boot_fail("the loader's memory map (%u ranges) has no usable memory", usable.count);

	reserve(&in_use, 0, PAGE_SIZE); /* frame 0: the BIOS's, and no frame is a null pointer */
	reserve(&in_use, (uintptr_t)__kernel_phys_start, (uintptr_t)__kernel_phys_end);
	for (uint32_t i = 0; i < bi->module_count; i++) {
		const struct boot_module *m = &bi->modules[i];

		if (!module_is_in_memory(bi, m->start, m->end))
			boot_fail("module %s at %#lx to %#lx is not in free memory", m->name,
				  m->start, m->end);
		reserve(&in_use, m->start, m->end);
	}
	memcpy(bi->reserved, in_use.r, sizeof(bi->reserved));
	bi->reserved_count = in_use.count;
}

void
boot_for_each_free(const struct boot_info *bi, void (*fn)(uint64_t, uint64_t, void *), void *arg)
{
	uint32_t j = 0;

	for (uint32_t i = 0; i < bi->memory_count; i++) {
		uint64_t start = bi->memory[i].start, end = bi->memory[i].end;

		while (j < bi->reserved_count && bi->reserved[j].end <= start)
			j++;
		for (uint32_t k = j; k < bi->reserved_count && bi->reserved[k].start < end; k++) {
			if (bi->reserved[k].start > start)
				fn(start, bi->reserved[k].start, arg);
			start = bi->reserved[k].end;
		}
		if (start < end)
			fn(start, end, arg);
	}
}
