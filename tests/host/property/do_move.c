/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm_map_move: ranges that get another place or another length.
 *
 * What the model does not know is where one entry ends and the next begins: pages that are alike may
 * be one entry or several.  So a move of several pages may be refused; one of a single page may not.
 */
#include "property/world.h"

#define DELTA_BASE 3 /* the new length is the old one, less this, plus op->prot */

struct move {
	unsigned space;
	struct ref_range from;
	size_t length, wish, to; /* pages */
	int flags;
	unsigned set; /* what the call may answer */
};

static bool
wire_new(const struct ref_space *ref, const struct ref_page *page)
{
	return page->user_wired ||
	       (ref->wirefuture && (page->prot & (VM_PROT_READ | VM_PROT_EXECUTE)));
}

/* alike: could these pages be of one entry? */
static bool
alike(const struct ref_page *a, const struct ref_page *b)
{
	return a->prot == b->prot && a->max == b->max && a->inherit == b->inherit &&
	       a->advice == b->advice && a->user_wired == b->user_wired;
}

/* judge_source: the errors that lie in the range itself; whether it may be of several entries. */
static void
judge_source(struct move *m, bool *several)
{
	const struct ref_page *page = world.ref[m->space].page;
	bool one = true;

	for (size_t i = m->from.first; i < m->from.end; i++) {
		if (page[i].kind != REF_MEMORY)
			m->set |= KR(KERN_INVALID_ADDRESS);
		else if (page[i].stack)
			m->set |= KR(KERN_INVALID_ARGUMENT);
		one = one && alike(&page[i], &page[m->from.first]);
	}
	*several = m->from.end - m->from.first > 1;
	if (!one)
		m->set |= KR(KERN_INVALID_ARGUMENT);
}

static size_t
growth(const struct move *m)
{
	size_t old = m->from.end - m->from.first;

	return m->length > old ? m->length - old : 0;
}

/* judge_place: where it will be; false: at a place that the model does not show. */
static bool
judge_place(struct move *m)
{
	const struct ref_space *ref = &world.ref[m->space];
	struct ref_range above = {m->from.end, m->from.end + growth(m)};
	struct ref_range to = {m->wish, m->wish + m->length};

	m->to = m->from.first;
	if (m->flags & VM_MAP_MOVE_FIXED) {
		m->to = m->wish;
		if (to.first < m->from.end && m->from.first < to.end)
			m->set |= KR(KERN_INVALID_ARGUMENT);
		else if (to.end <= REF_PAGES && !ref_is_free(ref, to))
			m->set |= KR(KERN_NO_SPACE);
		return to.end <= REF_PAGES;
	}
	if (above.end > REF_PAGES)
		return false;
	if (growth(m) == 0 || ref_is_free(ref, above))
		return true;
	if (!(m->flags & VM_MAP_MOVE_MAY)) {
		m->set |= KR(KERN_NO_SPACE);
		return true;
	}
	m->to = m->wish;
	return ref_first_fit(ref, m->length, 1, &m->to);
}

static void
judge_limits(struct move *m)
{
	const struct ref_space *ref = &world.ref[m->space];
	size_t more = growth(m);

	if (more == 0)
		return;
	if (ref_size(ref) + more > ref->limit[VM_LIMIT_VMEM])
		m->set |= KR(KERN_RESOURCE_SHORTAGE);
	if (wire_new(ref, &ref->page[m->from.first]) &&
	    ref_user_wired(ref) + more > ref->limit[VM_LIMIT_MEMLOCK])
		m->set |= KR(KERN_RESOURCE_SHORTAGE);
}

/* predicted: does the model know what a longer range shows?  Shared memory goes on in its object. */
static bool
predicted(const struct move *m)
{
	const struct ref_page *page = world.ref[m->space].page;

	for (size_t i = m->from.first; i < m->from.end && growth(m) != 0; i++)
		if (page[i].shared || page[i].beyond || page[i].inherit == VM_INHERIT_SHARE)
			return false;
	return true;
}

/* moved: the call has succeeded. */
static void
moved(const struct move *m)
{
	struct ref_space *ref = &world.ref[m->space], old = *ref;
	size_t size = m->from.end - m->from.first,
	       kept = size - (growth(m) == 0 ? size - m->length : 0);
	struct ref_range new = {m->to + kept, m->to + m->length};
	struct ref_page like = old.page[m->from.first];

	ref_unmap(ref, (struct ref_range){m->from.first + kept, m->from.end});
	for (size_t i = 0; i < kept; i++)
		ref->page[m->from.first + i] = (struct ref_page){0};
	for (size_t i = 0; i < kept; i++)
		ref->page[m->to + i] = old.page[m->from.first + i];
	ref_map(ref, new, like.prot, like.max, like.advice);
	for (size_t i = new.first; i < new.end; i++) {
		ref->page[i].inherit = like.inherit;
		ref->page[i].user_wired = wire_new(&old, &like);
	}
}

void
do_move(const struct op *op)
{
	struct move m = {.space = op->space, .from = op_range(op), .wish = op->arg};
	vm_offset_t addr = world_address(op->space, op->arg);
	size_t old = m.from.end - m.from.first;
	kern_return_t kr;
	bool several;

	m.length = old + op->prot > DELTA_BASE ? old + op->prot - DELTA_BASE : 1;
	m.flags = (op->flags & OPF_MAY ? VM_MAP_MOVE_MAY : 0) |
		  (op->flags & OPF_TO ? VM_MAP_MOVE_FIXED : 0);
	judge_source(&m, &several);
	if (!judge_place(&m) || !predicted(&m))
		return;
	judge_limits(&m);
	if (m.set == 0)
		m.set = KR(KERN_SUCCESS);
	if (several)
		m.set |= KR(KERN_INVALID_ARGUMENT);
	world_prepare_delete(op->space, m.from);
	call_begin(op);
	kr = vm_map_move(world_map(op->space), world_address(op->space, m.from.first), ptoa(old),
			 ptoa(m.length), &addr, m.flags);
	call_end();
	if (!call_expect(m.set, kr) || kr != KERN_SUCCESS)
		return;
	if (addr != world_address(op->space, m.to))
		world_failed("space %u: move of page %zu: expected %#lx, got %#lx", op->space,
			     m.from.first, world_address(op->space, m.to), addr);
	moved(&m);
}
