/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical memory before the buddies: two short lists of address ranges.
 *
 *	ram	what the firmware calls usable: these frames get a vm_page
 *	free	what of it nobody has taken yet: handed to the buddies by vm_phys_init()
 *
 *	ram	 [=======]        [=========================]
 *	free	 [==]  [=]             [==========]    [====]
 *		     ^ reserved    ^ kernel, modules  ^ vm_phys_early_alloc()
 *
 * Invariant: each list is sorted, its ranges are page-aligned, not empty, and neither overlap nor
 * touch.  One processor, no locks: all this is over before the second one starts.
 */
#include "kernel/base/panic.h"
#include "vm/vm_phys.h"
#include "vm/vm_phys_early.h"

static struct vm_phys_ranges ram_ranges, free_ranges;

/* ranges_delete: close the hole of the ranges [at, at + n). */
static void
ranges_delete(struct vm_phys_ranges *l, unsigned at, unsigned n)
{
	for (unsigned i = at; i + n < l->count; i++)
		l->range[i] = l->range[i + n];
	l->count -= n;
}

/* ranges_insert: make [start, end) the range number `at`. */
static void
ranges_insert(struct vm_phys_ranges *l, unsigned at, vm_paddr_t start, vm_paddr_t end)
{
	VERIFY(l->count < VM_PHYS_EARLY_RANGES, "memory map has more than %u ranges", l->count);
	for (unsigned i = l->count; i > at; i--)
		l->range[i] = l->range[i - 1];
	l->count++;
	l->range[at] = (struct vm_phys_range){start, end};
}

/* ranges_add: unite l with [start, end); ranges that overlap or touch it become one with it. */
static void
ranges_add(struct vm_phys_ranges *l, vm_paddr_t start, vm_paddr_t end)
{
	unsigned first = 0, n = 0;

	while (first < l->count && l->range[first].end < start)
		first++;
	for (; first + n < l->count && l->range[first + n].start <= end; n++) {
		if (l->range[first + n].start < start)
			start = l->range[first + n].start;
		if (l->range[first + n].end > end)
			end = l->range[first + n].end;
	}
	ranges_delete(l, first, n);
	ranges_insert(l, first, start, end);
}

/* ranges_remove: take [start, end) out of l, splitting a range that contains it. */
static void
ranges_remove(struct vm_phys_ranges *l, vm_paddr_t start, vm_paddr_t end)
{
	for (unsigned i = 0; i < l->count;) {
		struct vm_phys_range r = l->range[i];

		if (r.end <= start || r.start >= end) {
			i++;
			continue;
		}
		ranges_delete(l, i, 1);
		if (r.start < start)
			ranges_insert(l, i++, r.start, start);
		if (end < r.end)
			ranges_insert(l, i++, end, r.end);
	}
}

void
vm_phys_early_add(vm_paddr_t start, vm_paddr_t end)
{
	start = round_page(start);
	end = trunc_page(end);
	if (start >= end)
		return;
	ranges_add(&ram_ranges, start, end);
	ranges_add(&free_ranges, start, end);
}

void
vm_phys_early_reserve(vm_paddr_t start, vm_paddr_t end)
{
	if (start < end)
		ranges_remove(&free_ranges, trunc_page(start), round_page(end));
}

vm_paddr_t
vm_phys_early_alloc(vm_size_t size, vm_size_t align)
{
	VERIFY(size != 0 && page_aligned(size) && page_aligned(align) && (align & (align - 1)) == 0,
	       "size %#zx align %#zx", size, align);
	for (unsigned i = 0; i < free_ranges.count; i++) {
		struct vm_phys_range r = free_ranges.range[i];
		vm_paddr_t start = (r.start + align - 1) & ~(vm_paddr_t)(align - 1);

		if (start < r.end && r.end - start >= size) {
			ranges_remove(&free_ranges, start, start + size);
			return start;
		}
	}
	panic("too little memory: no %zu KiB in one piece for boot structures", size >> 10);
}

vm_paddr_t
vm_phys_early_max(void)
{
	return ram_ranges.count == 0 ? 0 : ram_ranges.range[ram_ranges.count - 1].end;
}

bool
vm_phys_has_ram(vm_paddr_t start, vm_paddr_t end)
{
	for (unsigned i = 0; i < ram_ranges.count; i++) {
		if (ram_ranges.range[i].start < end && start < ram_ranges.range[i].end)
			return true;
	}
	return false;
}

const struct vm_phys_ranges *
vm_phys_early_ram(void)
{
	return &ram_ranges;
}

struct vm_phys_ranges *
vm_phys_early_free(void)
{
	return &free_ranges;
}
