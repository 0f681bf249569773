/* SPDX-License-Identifier: BSD-2-Clause */
/* vm/ against the model: page by page, from the entries, from the page tables and from memory. */
#include "kernel/base/sched.h"
#include "model/charges.h"
#include "model/memory.h"
#include "model/mmu.h"
#include "property/world.h"
#include "vm/pmap.h"
#include "vm/vm_kern.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_phys.h"

/* check: the model's number and vm/'s are the same. */
static void
check(unsigned space, size_t page, const char *what, uint64_t expected, uint64_t got)
{
	if (expected != got)
		world_failed("space %u page %zu: %s: expected %#lx, got %#lx", space, page, what,
			     expected, got);
}

void
check_words(unsigned space, size_t page, uint32_t first, uint32_t last)
{
	const struct cell *cell = world.ref[space].page[page].cell;

	if (!cell_allows(cell, first) || first != last)
		world_failed("space %u page %zu: contents: expected %#x, got %#x and %#x", space,
			     page, cell_value(cell), first, last);
}

static void
check_frame(unsigned space, size_t page, const struct vm_page *m)
{
	const uint32_t *words = pmap_page_address(m);

	check_words(space, page, words[0], words[PAGE_SIZE / sizeof(uint32_t) - 1]);
}

/* ---- entries ---- */

#define ADVICE_FLAGS (VM_ENTRY_NOCOREDUMP | VM_ENTRY_NOSYNC | VM_ENTRY_BEHAV_MASK)

/* advice_flags: what a page was advised of, as an entry has it. */
static uint32_t
advice_flags(const struct ref_page *p)
{
	return (p->advice & REF_NOCORE ? VM_ENTRY_NOCOREDUMP : 0u) |
	       (p->advice & REF_NOSYNC ? VM_ENTRY_NOSYNC : 0u) |
	       (p->advice & REF_RANDOM ? VM_ENTRY_BEHAV_RANDOM : 0u) |
	       (p->advice & REF_SEQUENTIAL ? VM_ENTRY_BEHAV_SEQUENTIAL : 0u);
}

static void
check_gap(unsigned space, size_t page, const struct ref_page *p, vm_map_entry_t e)
{
	check(space, page, "gap", VM_ENTRY_STACK_GAP, e->eflags & VM_ENTRY_STACK_GAP);
	check(space, page, "protection stored in the gap", p->prot, e->gap_protection);
	check(space, page, "maximum stored in the gap", p->max, e->gap_max_protection);
	check(space, page, "guard of the gap", ptoa(REF_GUARD), e->gap_guard);
	check(space, page, "flags stored in the gap", VM_ENTRY_GROWS_DOWN | advice_flags(p),
	      e->gap_eflags);
}

/* check_entry: what the entry at the page says is what the model says. */
static void
check_entry(unsigned space, size_t page, const struct ref_page *p, vm_map_entry_t e)
{
	bool submap = p->kind == REF_SUBMAP;

	check(space, page, "submap", submap, (e->eflags & VM_ENTRY_IS_SUB_MAP) != 0);
	check(space, page, "guard", p->kind == REF_GUARD_PAGE || p->kind == REF_GAP,
	      (e->eflags & VM_ENTRY_GUARD) != 0);
	check(space, page, "inheritance", p->inherit, e->inheritance);
	if (p->kind == REF_GAP) {
		check_gap(space, page, p, e);
		return;
	}
	check(space, page, "a gap", 0, e->eflags & VM_ENTRY_STACK_GAP);
	check(space, page, "protection", p->prot, e->protection);
	check(space, page, "maximum", p->max, e->max_protection);
	check(space, page, "wired by the user", p->user_wired,
	      (e->eflags & VM_ENTRY_USER_WIRED) != 0);
	check(space, page, "wirings", (unsigned)p->wirings + p->user_wired, e->wired_count);
	check(space, page, "in transition", 0, e->eflags & VM_ENTRY_IN_TRANSITION);
	check(space, page, "part of a stack", p->stack, (e->eflags & VM_ENTRY_GROWS_DOWN) != 0);
	check(space, page, "advice", advice_flags(p), e->eflags & ADVICE_FLAGS);
	if (submap && e->sub_map != world.sub)
		world_failed("space %u page %zu: shows another submap", space, page);
}

/* next_entry: the entry that holds va, if one does; from the one before on. */
static vm_map_entry_t
next_entry(vm_map_t map, vm_map_entry_t e, vm_offset_t va)
{
	while (e != &map->header && e->end <= va)
		e = e->next;
	return e;
}

static void
check_entries(unsigned space, vm_map_t map)
{
	const struct ref_space *ref = &world.ref[space];
	vm_map_entry_t e = map->header.next;

	for (size_t i = 0; i < REF_PAGES; i++) {
		vm_offset_t va = world_address(space, i);
		bool there;

		e = next_entry(map, e, va);
		there = e != &map->header && e->start <= va;
		check(space, i, "mapped", ref->page[i].kind != REF_FREE, there);
		if (there)
			check_entry(space, i, &ref->page[i], e);
	}
	check(space, 0, "size of the map", ptoa(ref_size(ref)), map->size);
	check(space, 0, "wired by the user", ptoa(ref_user_wired(ref)), map->user_wired);
}

/* ---- page tables ---- */

/* owner_of: a kernel address belongs to the submap where that is installed. */
static unsigned
owner_of(unsigned space, size_t page)
{
	bool in_sub = space == SPACE_PARENT && world.ref[space].page[page].kind == REF_SUBMAP;

	return in_sub ? SPACE_SUB : space;
}

static void
check_mapping(unsigned space, size_t page, const struct pmap_mapping *m)
{
	const struct ref_page *p = &world.ref[space].page[page];
	vm_prot_t allowed = p->prot != VM_PROT_NONE ? p->prot | VM_PROT_READ : VM_PROT_NONE;

	if (p->kind != REF_MEMORY || p->beyond)
		world_failed("space %u page %zu: mapped, but there is nothing to map", space, page);
	if ((m->prot & ~allowed) != 0)
		world_failed("space %u page %zu: mapped with rights %u of %u", space, page, m->prot,
			     p->prot);
	check(space, page, "wired mapping", p->user_wired || p->wirings != 0, m->wired);
	check(space, page, "a device's frame", p->device, m->page == NULL);
	if (!p->device)
		check_frame(space, page, m->page);
}

/* check_register: what the device has there. */
static void
check_register(unsigned space, size_t page, vm_paddr_t pa)
{
	const uint32_t *words = (const uint32_t *)model_phys_address(pa);

	check_words(space, page, words[0], words[PAGE_SIZE / sizeof(uint32_t) - 1]);
}

static void
check_mappings(unsigned space, vm_map_t map)
{
	vm_offset_t va, at = world_address(space, 0), end = world_address(space, REF_PAGES);
	struct pmap_mapping m;
	vm_paddr_t pa;

	for (; pmap_next(map->pmap, at, end, &va); at = va + PAGE_SIZE) {
		size_t page = atop(va - world_address(space, 0));

		pmap_query(map->pmap, va, &m);
		check_mapping(owner_of(space, page), page, &m);
		if (m.page == NULL && pmap_extract(map->pmap, va, &pa))
			check_register(space, page, pa);
	}
}

void
check_space(unsigned space)
{
	vm_map_t map = world_map(space);

	if (map == NULL)
		return;
	check_entries(space, map);
	if (space != SPACE_SUB)
		check_mappings(space, map);
}

/* ---- memory ---- */

/* find_frame: the page that an entry shows at va; NULL: none yet.  *beyond: and never. */
static struct vm_page *
find_frame(const struct vm_map_entry *e, vm_offset_t va, bool *beyond)
{
	vm_pindex_t pindex = atop(va - e->start + e->offset);
	const struct vm_object *object;
	struct vm_page *m = NULL;

	*beyond = false;
	for (object = e->object; object != NULL && m == NULL && !*beyond;
	     object = object->backing) {
		*beyond = pindex >= object->size;
		m = *beyond ? NULL : vm_radix_lookup(&object->pages, pindex);
		pindex += atop(object->backing_offset);
	}
	return m;
}

/*
 * check_wired: a wired page is in the entry's own object and wired, and its mapping has all the rights
 * of the entry.  The mapping may be missing: a copy-on-write by those who share the page's object
 * from behind removes every mapping of it, and the next access brings it back.
 */
static void
check_wired(unsigned space, size_t page, vm_map_entry_t e, struct vm_page *m)
{
	struct pmap_mapping mapping;

	if (!world.ref[space].page[page].device &&
	    (m == NULL || m->object != e->object || m->wire_count == 0))
		world_failed("space %u page %zu: wired, but its page is not", space, page);
	if (!pmap_query(world_map(space)->pmap, world_address(space, page), &mapping))
		return;
	if (mapping.page != m)
		world_failed("space %u page %zu: wired, but another page is mapped", space, page);
	/* Who writes a page back takes the right to write away, and the next store gets it again. */
	if (e->object == world.object[PAGED])
		mapping.prot |= e->protection & VM_PROT_WRITE;
	check(space, page, "rights of the wired mapping", e->protection, mapping.prot);
}

/* check_absent: nobody has the page: it is what the pager or the device keeps, or zero. */
static void
check_absent(unsigned space, size_t page, vm_map_entry_t e)
{
	vm_pindex_t pindex = atop(world_address(space, page) - e->start + e->offset);
	const struct vm_object *object = e->object;
	const uint32_t *words;

	while (object != NULL && object->backing != NULL) {
		pindex += atop(object->backing_offset);
		object = object->backing;
	}
	words = world_kept(object, pindex);
	check_words(space, page, words != NULL ? words[0] : 0, words != NULL ? words[0] : 0);
}

static void
check_page(unsigned space, size_t page, vm_map_entry_t e)
{
	const struct ref_page *p = &world.ref[space].page[page];
	bool beyond;
	struct vm_page *m = find_frame(e, world_address(space, page), &beyond);

	check(space, page, "beyond the end of the object", p->beyond, beyond);
	if (m != NULL)
		check_frame(space, page, m);
	else if (!beyond)
		check_absent(space, page, e);
	if (p->user_wired || p->wirings != 0)
		check_wired(space, page, e, m);
}

void
check_contents(unsigned space)
{
	vm_map_t map = world_map(space);
	vm_map_entry_t e;

	if (map == NULL)
		return;
	e = map->header.next;
	for (size_t i = 0; i < REF_PAGES; i++) {
		if (world.ref[space].page[i].kind != REF_MEMORY)
			continue;
		e = next_entry(map, e, world_address(space, i));
		check_page(space, i, e);
	}
}

struct vm_page *
world_frame(unsigned space, size_t page, vm_map_entry_t *e)
{
	bool beyond;

	if (!vm_map_lookup_entry(world_map(space), world_address(space, page), e))
		return NULL;
	return find_frame(*e, world_address(space, page), &beyond);
}

void
world_read_touched(unsigned space)
{
	for (size_t i = 0; i < REF_PAGES; i++) {
		struct ref_page *page = &world.ref[space].page[i];
		vm_map_entry_t e;

		if (page->kind == REF_PLACEHOLDER &&
		    vm_map_lookup_entry(world_map(space), world_address(space, i), &e))
			page->touched = (e->eflags & VM_ENTRY_TOUCHED) != 0;
	}
}

/* check_objects: what a handle's object holds. */
static void
check_objects(void)
{
	for (size_t i = 0; i < PROPERTY_OBJECTS; i++) {
		check(0, i, "size of the object", world_object_pages(i), world.object[i]->size);
		for (size_t k = 0; k < world_object_pages(i); k++) {
			const struct vm_page *m = vm_radix_lookup(&world.object[i]->pages, k);
			const uint32_t *words = m != NULL ? pmap_page_address(m) : NULL;
			uint32_t word;

			if (m == NULL)
				words = world_kept(world.object[i], k);
			word = words != NULL ? words[0] : 0;

			if (!cell_allows(world.cell[i][k], word))
				world_failed("object %zu page %zu: contents: expected %#x, got %#x",
					     i, k, cell_value(world.cell[i][k]), word);
		}
	}
}

/* ---- everything ---- */

static void
audit(vm_map_t map)
{
	vm_map_lock_read(map);
	vm_map_audit(map);
	vm_map_unlock_read(map);
}

void
check_world(void)
{
	vm_phys_audit();
	model_tlb_audit();
	audit(kernel_map);
	audit(kmem_map);
	check_objects();
	charges_check();
	for (unsigned i = 0; i < OP_SPACES; i++) {
		if (world_map(i) == NULL)
			continue;
		audit(world_map(i));
		check_space(i);
		check_contents(i);
	}
}
