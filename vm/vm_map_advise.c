/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Advice about a range: what a program says it will do with its memory.
 *
 * Two kinds, which differ in what they lock and cut:
 *
 *	attributes	NORMAL, RANDOM, SEQUENTIAL, NOSYNC, AUTOSYNC, NOCORE, CORE: stay with the range.
 *			Map locked exclusively; the ends are clipped, the entries are marked.
 *	pages		WILLNEED, DONTNEED, FREE: done now and forgotten.  Map locked shared, so that
 *			faults go on meanwhile; nothing is clipped, each entry is asked for its part.
 *
 * Advice is never wrong, only useless: holes and guards are passed over, and so is what cannot be
 * advised about.  Only FREE touches contents, and only of pages that nobody else can ever look for:
 * were a page of a shadow object freed, the older data behind it would show.
 */
#include "vm/pmap.h"
#include "vm/vm_map.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"

/* ---- attributes ---- */

/* What an advice does to the flags of an entry. */
struct change {
	uint32_t clear, set;
};

static const struct change changes[] = {
    [VM_ADVICE_NORMAL] = {VM_ENTRY_BEHAV_MASK, 0},
    [VM_ADVICE_RANDOM] = {VM_ENTRY_BEHAV_MASK, VM_ENTRY_BEHAV_RANDOM},
    [VM_ADVICE_SEQUENTIAL] = {VM_ENTRY_BEHAV_MASK, VM_ENTRY_BEHAV_SEQUENTIAL},
    [VM_ADVICE_NOSYNC] = {0, VM_ENTRY_NOSYNC},
    [VM_ADVICE_AUTOSYNC] = {VM_ENTRY_NOSYNC, 0},
    [VM_ADVICE_NOCORE] = {0, VM_ENTRY_NOCOREDUMP},
    [VM_ADVICE_CORE] = {VM_ENTRY_NOCOREDUMP, 0},
};

static uint32_t
changed(uint32_t eflags, const struct change *c)
{
	return (eflags & ~c->clear) | c->set;
}

/* mark_range: the range is checked and clipped.  A stack's gap records what its stack will have, if
 * the range covers it. */
static void
mark_range(vm_map_t map, vm_offset_t start, vm_offset_t end, const struct change *c)
{
	vm_map_entry_t e;

	vm_map_for_range (e, map, start, end) {
		if (!(e->eflags & VM_ENTRY_STACK_GAP))
			e->eflags = changed(e->eflags, c);
		else if (vm_map_range_covers(start, end, e))
			e->gap_eflags = changed(e->gap_eflags, c);
		if (!(e->eflags & VM_ENTRY_GUARD) && e->object == vm_submap_object)
			e->eflags |= VM_ENTRY_TOUCHED;
		/* To read a register may change it: no dump does. */
		if (vm_map_entry_is_device(e))
			e->eflags |= VM_ENTRY_NOCOREDUMP;
	}
	vm_map_simplify_range(map, start, end);
}

static kern_return_t
advise_entries(vm_map_t map, vm_offset_t start, vm_offset_t end, const struct change *c)
{
	kern_return_t kr;

	kr = vm_map_lock_range(map, start, end);
	if (kr != KERN_SUCCESS)
		return kr;
	if (vm_map_range_has_submap(map, start, end))
		kr = KERN_INVALID_ARGUMENT;
	else if (!vm_map_reserve_cuts(map, start, end))
		kr = KERN_RESOURCE_SHORTAGE;
	if (kr == KERN_SUCCESS) {
		vm_map_clip_range(map, start, end);
		mark_range(map, start, end, c);
	}
	vm_map_unlock(map);
	return kr;
}

/* ---- pages ---- */

/* A part of an entry that holds memory like any other. */
struct part {
	vm_map_t map;
	vm_map_entry_t e;
	vm_offset_t start, end; /* bytes */
	vm_ooffset_t offset;	/* of start, in the object */
};

/* advisable: not a guard, nothing that is wired or being so, and something is there. */
static bool
advisable(const struct vm_map_entry *e)
{
	return !(e->eflags & VM_ENTRY_GUARD) && e->wired_count == 0 && e->object != NULL;
}

/* will_need: map what is in the entry's own object; what lies behind it comes by faults. */
static void
will_need(const struct part *p)
{
	vm_prot_t prot = p->e->protection;

	if (p->e->eflags & VM_ENTRY_NEEDS_COPY)
		prot &= ~VM_PROT_WRITE;
	vm_map_prefault(p->map, p->e->object, p->offset, p->start, p->end, prot);
}

/* dont_need: the page tables forget the part, and its pages that they were used. */
static void
dont_need(const struct part *p)
{
	struct vm_object *object = p->e->object;
	vm_pindex_t next = atop(p->offset), last = next + atop(p->end - p->start);
	struct vm_page *m;

	pmap_remove(p->map->pmap, p->start, p->end);
	rwlock_write(&object->lock);
	while ((m = vm_radix_lookup_ge(&object->pages, next)) != NULL && m->pindex < last) {
		__atomic_fetch_and(&m->aflags, (uint8_t)~VM_PAGE_REFERENCED, __ATOMIC_RELAXED);
		next = m->pindex + 1;
	}
	rwlock_write_unlock(&object->lock);
}

/* free_pages: give up the pages, if nobody else can see them and nothing lies behind them. */
static void
free_pages(const struct part *p)
{
	struct vm_object *object = p->e->object;
	vm_pindex_t first = atop(p->offset);

	rwlock_write(&object->lock);
	if (vm_map_object_own(object) && object->backing == NULL)
		vm_object_page_remove(object, first, first + atop(p->end - p->start));
	rwlock_write_unlock(&object->lock);
}

typedef void page_advice(const struct part *p);

static kern_return_t
advise_pages(vm_map_t map, vm_offset_t start, vm_offset_t end, page_advice *advise)
{
	kern_return_t kr = KERN_SUCCESS;
	vm_map_entry_t e;

	vm_map_lock_read(map);
	if (vm_map_range_has_submap(map, start, end))
		kr = KERN_INVALID_ARGUMENT;
	else
		vm_map_for_range (e, map, start, end) {
			struct part p = {.map = map, .e = e};

			if (!advisable(e))
				continue;
			p.start = start > e->start ? start : e->start;
			p.end = end < e->end ? end : e->end;
			p.offset = e->offset + (p.start - e->start);
			advise(&p);
		}
	vm_map_unlock_read(map);
	return kr;
}

/*
 * vm_map_madvise: take note of what [start, end) will be used for.  Holes are fine.
 *
 *	advice	enum vm_advice
 *
 * Locks:   none held; takes the map's for the whole call, exclusively for what stays with the
 *          range, else shared; may sleep
 * Returns: KERN_SUCCESS
 *          KERN_INVALID_ARGUMENT   no such advice, a bad range, a submap in it
 *          KERN_RESOURCE_SHORTAGE  no memory for a cut
 *          KERN_ABORTED            killed while waiting for a wiring
 *          On failure nothing has changed.
 * Source:  contracts 1.6, ADV-01
 */
kern_return_t
vm_map_madvise(vm_map_t map, vm_offset_t start, vm_offset_t end, int advice)
{
	if (advice < VM_ADVICE_NORMAL || advice > VM_ADVICE_CORE || vm_map_range_bad(start, end))
		return KERN_INVALID_ARGUMENT;
	if (start == end)
		return KERN_SUCCESS;
	switch (advice) {
	case VM_ADVICE_WILLNEED:
		return advise_pages(map, start, end, will_need);
	case VM_ADVICE_DONTNEED:
		return advise_pages(map, start, end, dont_need);
	case VM_ADVICE_FREE:
		return advise_pages(map, start, end, free_pages);
	default:
		return advise_entries(map, start, end, &changes[advice]);
	}
}
