/* SPDX-License-Identifier: BSD-2-Clause */
/* Advice, sync, discard, residency: what is about pages more than about ranges. */
#include "property/world.h"
#include "vm/pmap.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"

/* The range of an operation, as vm/ is told it. */
struct call_range {
	vm_map_t map;
	struct ref_range r;
	vm_offset_t start, end;
};

static struct call_range
range_of(const struct op *op)
{
	struct ref_range r = op_range(op);

	return (struct call_range){
	    .map = world_map(op->space),
	    .r = r,
	    .start = world_address(op->space, r.first),
	    .end = world_address(op->space, r.end),
	};
}

/* ---- advice ---- */

/* may_free: may advice that the contents are of no use take them away? */
static bool
may_free(const struct ref_page *page)
{
	return page->kind == REF_MEMORY && page->cell->users == 1 && !page->user_wired &&
	       page->wirings == 0 && !page->beyond;
}

/* Pages that were in memory, and may be freed. */
static void
note_freeable(unsigned space, struct ref_range r, bool *freeable)
{
	for (size_t i = r.first; i < r.end; i++) {
		vm_map_entry_t e;

		freeable[i] =
		    may_free(&world.ref[space].page[i]) && world_frame(space, i, &e) != NULL;
	}
}

/* take_freed: which of them were freed?  The advice may, it need not. */
static void
take_freed(unsigned space, struct ref_range r, const bool *freeable)
{
	for (size_t i = r.first; i < r.end; i++) {
		vm_map_entry_t e;

		if (freeable[i] && world_frame(space, i, &e) == NULL)
			ref_discard_page(&world.ref[space].page[i]);
	}
}

void
do_advise(const struct op *op)
{
	struct ref_space *ref = &world.ref[op->space];
	struct call_range c = range_of(op);
	bool freeable[REF_PAGES];
	kern_return_t kr;

	note_freeable(op->space, c.r, freeable);
	call_begin(op);
	kr = vm_map_madvise(c.map, c.start, c.end, op->arg);
	call_end();
	if (!call_expect(ref_advise_result(ref, c.r, op->arg), kr) || kr != KERN_SUCCESS)
		return;
	ref_advise(ref, c.r, op->arg);
	if (op->arg == VM_ADVICE_FREE)
		take_freed(op->space, c.r, freeable);
}

void
do_sync(const struct op *op)
{
	bool invalidate = (op->flags & OPF_DROP) != 0;
	struct call_range c = range_of(op);
	kern_return_t kr;

	call_begin(op);
	kr = vm_map_sync(c.map, c.start, c.end, true, invalidate);
	call_end();
	call_expect(ref_pages_result(&world.ref[op->space], c.r, invalidate), kr);
}

/* ---- discard ---- */

/*
 * discarded: what a discard does to a page.  What is inherited shared is not private; what others
 * shared once counts as theirs as long as anybody else refers to the object, be it for another page of
 * it: then memory says which.
 */
static void
discarded(unsigned space, size_t i)
{
	struct ref_page *page = &world.ref[space].page[i];
	vm_map_entry_t e;

	if (page->kind != REF_MEMORY || page->inherit == VM_INHERIT_SHARE)
		return;
	if (!page->shared) {
		ref_discard_page(page);
	} else if (world_frame(space, i, &e) == NULL && e->object == NULL) {
		ref_discard_page(page);
	} else if (world_frame(space, i, &e) == NULL && page->cell->users == 1 && !page->beyond &&
		   cell_value(page->cell) != 0) {
		/* Its object has given it up, and is still what it was for the account. */
		ref_discard_page(page);
		page->shared = true;
	}
}

void
do_discard(const struct op *op)
{
	struct ref_space *ref = &world.ref[op->space];
	struct call_range c = range_of(op);
	kern_return_t kr;

	call_begin(op);
	kr = vm_map_discard(c.map, c.start, c.end);
	call_end();
	if (!call_expect(ref_pages_result(ref, c.r, true), kr) || kr != KERN_SUCCESS)
		return;
	for (size_t i = c.r.first; i < c.r.end; i++)
		discarded(op->space, i);
	ref_touch_range(ref, c.r);
}

/* ---- residency ---- */

static void
check_resident(unsigned space, size_t page, uint8_t says)
{
	const struct ref_page *p = &world.ref[space].page[page];
	struct pmap_mapping mapping;
	vm_map_entry_t e;
	const struct vm_page *m = world_frame(space, page, &e);
	uint8_t expected = m == NULL ? 0 : VM_RESIDENT;

	if (m != NULL && m->object != e->object)
		expected |= VM_RESIDENT_BEHIND;
	if (m != NULL && pmap_query(world_map(space)->pmap, world_address(space, page), &mapping))
		expected |= VM_RESIDENT_MAPPED;
	if ((p->user_wired || p->wirings != 0) && !p->device)
		expected |= VM_RESIDENT_WIRED;
	/* The page of an object may be wired elsewhere; what was not stored to may count as modified. */
	if ((says & ~(VM_RESIDENT_MODIFIED | (m != NULL ? VM_RESIDENT_WIRED : 0))) !=
		(expected & ~(m != NULL ? VM_RESIDENT_WIRED : 0)) ||
	    (expected & ~says) != 0)
		world_failed("space %u page %zu: residency: expected %#x, got %#x", space, page,
			     expected, says);
}

void
do_resident(const struct op *op)
{
	struct call_range c = range_of(op);
	uint8_t says[REF_PAGES];
	kern_return_t kr;

	call_begin(op);
	kr = vm_map_residency(c.map, c.start, c.end, says);
	call_end();
	if (!call_expect(ref_pages_result(&world.ref[op->space], c.r, false), kr) ||
	    kr != KERN_SUCCESS)
		return;
	for (size_t i = c.r.first; i < c.r.end; i++)
		check_resident(op->space, i, says[i - c.r.first]);
}
