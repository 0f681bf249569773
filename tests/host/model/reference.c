/* SPDX-License-Identifier: BSD-2-Clause */
/* The array of pages and its rules. */
#include <stdlib.h>
#include "model/harness.h"
#include "model/reference.h"
#include "vm/pmap.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"

uint8_t *
ref_cell(uint8_t value)
{
	uint8_t *cell = malloc(1);

	*cell = value;
	return cell;
}

bool
ref_is_free(const struct ref_space *s, struct ref_range r)
{
	for (size_t i = r.first; i < r.end; i++) {
		if (s->page[i].kind != REF_FREE)
			return false;
	}
	return true;
}

bool
ref_first_fit(const struct ref_space *s, size_t n, size_t *first)
{
	for (size_t i = *first; i + n <= REF_PAGES; i++) {
		if (ref_is_free(s, (struct ref_range){i, i + n})) {
			*first = i;
			return true;
		}
	}
	return false;
}

void
ref_unmap(struct ref_space *s, struct ref_range r)
{
	for (size_t i = r.first; i < r.end; i++)
		s->page[i] = (struct ref_page){0};
}

void
ref_map(struct ref_space *s, struct ref_range r, vm_prot_t prot, vm_prot_t max)
{
	for (size_t i = r.first; i < r.end; i++)
		s->page[i] = (struct ref_page){
		    .kind = REF_MEMORY,
		    .prot = prot,
		    .max = max,
		    .inherit = VM_INHERIT_DEFAULT,
		    .cell = ref_cell(0),
		};
}

void
ref_guard(struct ref_space *s, struct ref_range r)
{
	for (size_t i = r.first; i < r.end; i++)
		s->page[i] =
		    (struct ref_page){.kind = REF_GUARD_PAGE, .inherit = VM_INHERIT_DEFAULT};
}

/* ---- gaps of stacks ---- */

/* gap_around: all of the piece of a gap that the page lies in. */
static struct ref_range
gap_around(const struct ref_space *s, size_t page)
{
	unsigned gap = s->page[page].gap;
	struct ref_range r = {page, page + 1};

	while (r.first > 0 && s->page[r.first - 1].kind == REF_GAP &&
	       s->page[r.first - 1].gap == gap)
		r.first--;
	while (r.end < REF_PAGES && s->page[r.end].kind == REF_GAP && s->page[r.end].gap == gap)
		r.end++;
	return r;
}

/* spared: a gap that the range does not cover wholly is left alone by changes of attributes. */
static bool
spared(const struct ref_space *s, size_t page, struct ref_range r)
{
	struct ref_range gap;

	if (s->page[page].kind != REF_GAP)
		return false;
	gap = gap_around(s, page);
	return gap.first < r.first || gap.end > r.end;
}

kern_return_t
ref_stack(struct ref_space *s, struct ref_range r, vm_prot_t prot, vm_prot_t max)
{
	static unsigned last_gap;
	size_t n = r.end - r.first, init;

	if (n <= REF_GUARD || !ref_is_free(s, r))
		return KERN_NO_SPACE;
	init = n - REF_GUARD < REF_STEP ? n - REF_GUARD : REF_STEP;
	last_gap++;
	ref_map(s, r, prot, max);
	for (size_t i = r.first; i < r.end; i++) {
		struct ref_page *page = &s->page[i];

		page->stack = i >= r.end - init;
		page->kind = page->stack ? REF_MEMORY : REF_GAP;
		page->gap = page->stack ? 0 : last_gap;
	}
	return KERN_SUCCESS;
}

/* grow: the page lies in a gap: make it a page of the stack above, if there is one. */
static bool
grow(struct ref_space *s, size_t page)
{
	struct ref_range gap = gap_around(s, page);
	struct ref_page stored = s->page[page];
	size_t size = gap.end - gap.first, need = gap.end - page, amount;
	size_t room = size > REF_GUARD ? size - REF_GUARD : 0;

	if (gap.end == REF_PAGES || !s->page[gap.end].stack || need > room)
		return false;
	amount = (need + REF_STEP - 1) / REF_STEP * REF_STEP;
	if (amount > room)
		amount = room;
	ref_map(s, (struct ref_range){gap.end - amount, gap.end}, stored.prot, stored.max);
	for (size_t i = gap.end - amount; i < gap.end; i++) {
		s->page[i].stack = true;
		s->page[i].inherit = stored.inherit;
	}
	return true;
}

enum model_signal
ref_touch(struct ref_space *s, size_t page, vm_prot_t type)
{
	if (s->page[page].kind == REF_FREE)
		return SEGV_MAPERR;
	if (s->page[page].kind == REF_GAP && !grow(s, page))
		return SEGV_MAPERR;
	return s->page[page].kind == REF_MEMORY && (s->page[page].prot & type) != 0 ? MODEL_OK
										    : SEGV_ACCERR;
}

/* ---- attributes ---- */

kern_return_t
ref_protect_result(const struct ref_space *s, struct ref_range r, vm_prot_t prot)
{
	kern_return_t kr = KERN_SUCCESS;

	for (size_t i = r.first; i < r.end; i++) {
		if (s->page[i].kind == REF_FREE)
			return KERN_INVALID_ADDRESS;
		if ((prot & ~s->page[i].max) != 0)
			kr = KERN_PROTECTION_FAILURE;
	}
	return kr;
}

void
ref_protect(struct ref_space *s, struct ref_range r, vm_prot_t prot, bool set_max)
{
	for (size_t i = r.first; i < r.end; i++) {
		struct ref_page *page = &s->page[i];

		if (page->kind == REF_GUARD_PAGE || spared(s, i, r))
			continue;
		page->prot = set_max ? page->prot & prot : prot;
		page->max = set_max ? prot : page->max;
	}
}

void
ref_inherit(struct ref_space *s, struct ref_range r, vm_inherit_t inherit)
{
	for (size_t i = r.first; i < r.end; i++) {
		struct ref_page *page = &s->page[i];

		if (page->kind == REF_FREE || spared(s, i, r))
			continue;
		if (page->kind == REF_MEMORY || inherit != VM_INHERIT_ZERO)
			page->inherit = inherit;
	}
}

void
ref_wire(struct ref_space *s, struct ref_range r)
{
	for (size_t i = r.first; i < r.end; i++) {
		struct ref_page *page = &s->page[i];

		if (page->kind == REF_MEMORY &&
		    (page->prot & (VM_PROT_READ | VM_PROT_EXECUTE)) != 0)
			page->wired = true;
	}
}

void
ref_unwire(struct ref_space *s, struct ref_range r)
{
	for (size_t i = r.first; i < r.end; i++)
		s->page[i].wired = false;
}

/* ---- fork ---- */

static void
fork_page(struct ref_page *from, struct ref_page *to)
{
	*to = *from;
	to->wired = false;
	if (from->inherit == VM_INHERIT_NONE) {
		*to = (struct ref_page){0};
	} else if (from->kind != REF_MEMORY) {
		return;
	} else if (from->inherit == VM_INHERIT_SHARE) {
		from->shared = to->shared = true;
	} else {
		to->cell = ref_cell(from->inherit == VM_INHERIT_COPY ? *from->cell : 0);
		to->shared = false;
	}
}

void
ref_fork(struct ref_space *parent, struct ref_space *child)
{
	for (size_t i = 0; i < REF_PAGES; i++)
		fork_page(&parent->page[i], &child->page[i]);
}

/* ---- comparison ---- */

/*
 * check_wired: a wired page is in the entry's own object, wired, and its mapping has all the rights
 * of the entry.  The mapping may be missing: a copy-on-write by those who share the page's object
 * from behind removes every mapping of it, and the next access brings it back.
 */
static void
check_wired(const struct ref_page *page, vm_map_t map, vm_map_entry_t e, vm_offset_t va)
{
	struct pmap_mapping mapping;
	struct vm_page *m;

	rwlock_read(&e->object->lock);
	m = vm_radix_lookup(&e->object->pages, atop(va - e->start + e->offset));
	assert_non_null(m);
	assert_true(m->wire_count > 0);
	check_u64(*page->cell, ((uint8_t *)pmap_page_address(m))[REF_BYTE]);
	if (pmap_query(map->pmap, va, &mapping)) {
		assert_ptr_equal(m, mapping.page);
		assert_true(mapping.wired);
		check_u64(page->prot, mapping.prot);
	}
	rwlock_read_unlock(&e->object->lock);
}

/* check_page: what the entry that holds va says is what the model says. */
static void
check_page(const struct ref_page *page, vm_map_t map, vm_offset_t va)
{
	vm_map_entry_t e;

	check_u64(page->kind != REF_FREE, vm_map_lookup_entry(map, va, &e));
	if (page->kind == REF_FREE)
		return;
	check_u64(page->kind != REF_MEMORY, (e->eflags & VM_ENTRY_GUARD) != 0);
	check_u64(page->inherit, e->inheritance);
	if (page->kind == REF_GAP) {
		check_u64(VM_ENTRY_STACK_GAP, e->eflags & VM_ENTRY_STACK_GAP);
		check_u64(page->prot, e->gap_protection);
		check_u64(page->max, e->gap_max_protection);
		check_u64(ptoa(REF_GUARD), e->gap_guard);
		return;
	}
	check_u64(page->prot, e->protection);
	check_u64(page->max, e->max_protection);
	check_u64(page->wired, (e->eflags & VM_ENTRY_USER_WIRED) != 0);
	check_u64(page->wired, e->wired_count);
	if (page->wired)
		check_wired(page, map, e, va);
}

void
ref_check(const struct ref_space *s, vm_map_t map)
{
	vm_size_t size = 0, wired = 0;

	vm_map_lock_read(map);
	for (size_t i = 0; i < REF_PAGES; i++) {
		check_page(&s->page[i], map, ref_address(i));
		size += s->page[i].kind == REF_MEMORY ? PAGE_SIZE : 0;
		wired += s->page[i].wired ? PAGE_SIZE : 0;
	}
	check_u64(size, map->size);
	check_u64(wired, map->user_wired);
	vm_map_unlock_read(map);
}
