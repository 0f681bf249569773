/* SPDX-License-Identifier: BSD-2-Clause */
/* New ranges, and ranges that go. */
#include "property/world.h"
#include "vm/vm_object.h"
#include "vm/vmspace.h"

/* wanted: is this the kind of page that the operation aims at? */
static bool
wanted(const struct op *op, const struct ref_page *page)
{
	vm_prot_t prot = VM_PROT_ALL;

	if (op->kind == OP_SUBMAP)
		return page->kind == REF_PLACEHOLDER;
	if (op->kind == OP_GROW)
		return page->kind == REF_GAP;
	if (op->kind == OP_STORE || op->kind == OP_POKE)
		prot = VM_PROT_WRITE;
	return page->kind == REF_SUBMAP || (page->kind == REF_MEMORY && (page->prot & prot) != 0);
}

/* aim: the range, moved up to the next page that the operation is meant for, and cut at a hole. */
static struct ref_range
aim(const struct op *op, struct ref_range r)
{
	const struct ref_page *page = world.ref[op->space].page;
	size_t first = r.first, n = r.end - r.first;

	while (first < REF_PAGES && !wanted(op, &page[first]))
		first++;
	if (first == REF_PAGES)
		return r;
	r = (struct ref_range){first, first + 1};
	while (r.end < REF_PAGES && r.end < first + n && page[r.end].kind != REF_FREE)
		r.end++;
	return r;
}

struct ref_range
op_range(const struct op *op)
{
	struct ref_range r = {op->first, (size_t)op->first + (op->pages == 0 ? 1u : op->pages)};
	size_t n = r.end - r.first;

	if (!(op->flags & OPF_FIT))
		return r;
	if (!op_maps(op->kind))
		return aim(op, r);
	ref_first_fit(&world.ref[op->space], n, 1, &r.first);
	return (struct ref_range){r.first, r.first + n};
}

/* A mapping to be made, as vm_map_fixed wants it. */
struct mapping {
	const struct op *op;
	struct ref_range range;
	struct vm_object *object;
	vm_ooffset_t offset;
	vm_prot_t prot, max;
	int cow;
};

/* kernel_prot: no kernel mapping is both writable and executable. */
static vm_prot_t
kernel_prot(unsigned space, vm_prot_t prot)
{
	if (space >= SPACE_PARENT && (prot & VM_PROT_WRITE))
		prot &= (vm_prot_t)~VM_PROT_EXECUTE;
	return prot;
}

static struct mapping
mapping_of(const struct op *op)
{
	return (struct mapping){
	    .op = op,
	    .range = op_range(op),
	    .prot = kernel_prot(op->space, op->prot),
	    .max = op->max,
	    .cow = op->flags & OPF_NOCORE ? MAP_DISABLE_COREDUMP : 0,
	};
}

/* some_left: is anything of the range mapped, as vm/ has it? */
static bool
some_left(unsigned space, struct ref_range r)
{
	vm_map_t map = world_map(space);
	vm_map_entry_t e;

	if (vm_map_lookup_entry(map, world_address(space, r.first), &e))
		return true;
	return e->next != &map->header && e->next->start < world_address(space, r.end);
}

static kern_return_t
map_call(const struct mapping *m)
{
	vm_map_t map = world_map(m->op->space);
	vm_offset_t start = world_address(m->op->space, m->range.first);
	vm_offset_t end = world_address(m->op->space, m->range.end);
	kern_return_t kr;

	if (m->op->kind != OP_FIXED || !(m->op->flags & OPF_INSERT))
		return vm_map_fixed(map, m->object, m->offset, start, end - start, m->prot, m->max,
				    m->cow);
	vm_map_lock(map);
	kr = vm_map_insert(map, m->object, m->offset, start, end, m->prot, m->max, m->cow);
	vm_map_unlock(map);
	return kr;
}

/* replaces: does the call first remove what is there? */
static bool
replaces(const struct mapping *m)
{
	if (m->op->kind == OP_FIXED && (m->op->flags & OPF_INSERT))
		return false;
	return !(m->cow & MAP_CHECK_EXCL);
}

/*
 * map_at: carry the mapping out; `result` says what the model answers where nothing is.  True if it is
 * there now.  A replacement that fails may have removed what was there: all of it or nothing.
 */
static bool
map_at(const struct mapping *m,
       unsigned (*result)(const struct ref_space *s, struct ref_range r, vm_prot_t prot))
{
	struct ref_space *ref = &world.ref[m->op->space];
	vm_prot_t prot = m->cow & MAP_CREATE_GUARD ? VM_PROT_NONE : m->prot;
	struct ref_space after;
	kern_return_t kr;

	if (replaces(m))
		world_prepare_delete(m->op->space, m->range);
	after = *ref;
	if (replaces(m))
		for (size_t i = m->range.first; i < m->range.end; i++)
			after.page[i] = (struct ref_page){0};
	vm_object_reference(m->object);
	call_begin(m->op);
	kr = map_call(m);
	call_end();
	if (kr != KERN_SUCCESS && m->object != NULL)
		vm_object_deallocate(m->object);
	call_expect(result(&after, m->range, prot), kr);
	if (replaces(m) && (kr == KERN_SUCCESS || !some_left(m->op->space, m->range)))
		ref_unmap(ref, m->range);
	return kr == KERN_SUCCESS;
}

void
do_fixed(const struct op *op)
{
	struct mapping m = mapping_of(op);
	struct ref_space *ref = &world.ref[op->space];

	m.cow |= op->flags & OPF_EXCL ? MAP_CHECK_EXCL : 0;
	m.cow |= op->flags & OPF_SHARED ? MAP_INHERIT_SHARE : 0;
	if (!map_at(&m, ref_insert_result))
		return;
	ref_map(ref, m.range, m.prot, m.max, op->flags & OPF_NOCORE ? REF_NOCORE : 0);
	if (op->flags & OPF_SHARED)
		ref_inherit(ref, m.range, VM_INHERIT_SHARE);
}

void
do_guard(const struct op *op)
{
	struct mapping m = mapping_of(op);

	m.cow = MAP_CREATE_GUARD;
	if (map_at(&m, ref_insert_result))
		ref_guard(&world.ref[op->space], m.range);
}

/* show_object: the new pages show an object's, from page `index` on. */
static void
show_object(const struct mapping *m, size_t number, size_t index)
{
	struct ref_page *page = &world.ref[m->op->space].page[m->range.first];

	for (size_t n = m->range.end - m->range.first; n-- > 0; page++, index++) {
		page->beyond = index >= world_object_pages(number);
		page->shared = (m->cow & MAP_INHERIT_SHARE) != 0;
		page->device = number == DEVICE;
		if (page->device)
			page->advice = REF_NOCORE;
		if (page->shared)
			page->inherit = VM_INHERIT_SHARE;
		if (page->beyond)
			continue;
		if (page->shared) {
			page->cell = world.cell[number][index];
			page->cell->users++;
		} else {
			page->cell = cell_view(world.cell[number][index]);
		}
	}
}

void
do_object(const struct op *op)
{
	struct mapping m = mapping_of(op);
	size_t number = op->arg / PROPERTY_OBJECT_PAGES, index = op->arg % PROPERTY_OBJECT_PAGES;

	m.object = world.object[number];
	m.offset = ptoa(index);
	m.cow =
	    (op->flags & OPF_SHARED) || number == DEVICE ? MAP_INHERIT_SHARE : MAP_COPY_ON_WRITE;
	m.cow |= op->flags & OPF_EXCL ? MAP_CHECK_EXCL : 0;
	m.cow |= op->flags & OPF_PREFAULT ? MAP_PREFAULT : 0;
	if (!map_at(&m, ref_insert_result))
		return;
	ref_map(&world.ref[op->space], m.range, m.prot, m.max, 0);
	show_object(&m, number, index);
}

/* ---- stacks ---- */

void
do_stack(const struct op *op)
{
	struct mapping m = mapping_of(op);
	struct ref_space *ref = &world.ref[op->space];
	struct vmspace *vm = proc_vmspace(world.proc[op->space]);
	vm_offset_t bottom = world_address(op->space, m.range.first);
	kern_return_t kr;

	if (op->flags & OPF_FIXED) {
		m.cow |= MAP_STACK_AREA;
		if (!map_at(&m, ref_stack_result))
			return;
	} else {
		call_begin(op);
		kr = vm_map_stack(world_map(op->space), bottom, ptoa(op->pages), m.prot, m.max,
				  m.cow);
		call_end();
		if (!call_expect(ref_stack_result(ref, m.range, m.prot), kr) || kr != KERN_SUCCESS)
			return;
	}
	ref_stack(ref, m.range, m.prot, m.max, op->flags & OPF_NOCORE ? REF_NOCORE : 0);
	if (!(op->flags & OPF_MAIN))
		return;
	ref->main_low = m.range.first;
	ref->main_top = m.range.end;
	ref->main_size = op->pages - REF_GUARD < REF_STEP ? op->pages - REF_GUARD : REF_STEP;
	vm->vm_maxsaddr = bottom;
	vm->vm_stacktop = bottom + ptoa(op->pages);
	vm->vm_ssize = ref->main_size;
}

void
do_grow(const struct op *op)
{
	struct ref_space *ref = &world.ref[op->space], next = *ref;
	struct ref_range grown;
	size_t page = op_range(op).first;
	kern_return_t expected = ref_grow(&next, page, &grown), kr;

	if (op->fail < OP_STARVE)
		call_begin(op);
	kr = vm_map_growstack(world.proc[op->space], world_address(op->space, page) + 1);
	call_end();
	if (call_expect(KR(expected), kr))
		*ref = next;
}

/* ---- finding ---- */

/* Ways of vm_map_find, and in pages what the place must be a multiple of. */
static const struct {
	int find_space;
	size_t align;
	bool min; /* vm_map_find_min */
} ways[] = {
    {VMFS_ANY_SPACE, 1, false},		{VMFS_ANY_SPACE, 1, false},
    {VMFS_ALIGNED_SPACE(13), 2, false}, {VMFS_ALIGNED_SPACE(15), 8, false},
    {VMFS_SUPER_SPACE, 512, false},	{VMFS_NO_SPACE, 1, false},
    {VMFS_OPTIMAL_SPACE, 1, false},	{VMFS_ANY_SPACE, 1, true},
};

/* find_place: where the model finds room; false: nowhere. */
static bool
find_place(const struct op *op, size_t *first)
{
	const struct ref_space *ref = &world.ref[op->space];

	*first = op->first;
	if (ways[op->arg].find_space == VMFS_NO_SPACE)
		return ref_is_free(ref, op_range(op));
	if (ref_first_fit(ref, op->pages, ways[op->arg].align, first))
		return true;
	*first = 0;
	return ways[op->arg].min && ref_first_fit(ref, op->pages, 1, first);
}

static kern_return_t
find_call(const struct op *op, const struct mapping *m, vm_offset_t *addr)
{
	vm_map_t map = world_map(op->space);
	vm_offset_t end = world_address(op->space, REF_PAGES);
	int find_space = ways[op->arg].find_space;

	*addr = world_address(op->space, op->first);
	if (ways[op->arg].min)
		return vm_map_find_min(map, NULL, 0, addr, ptoa(op->pages),
				       world_address(op->space, 0), end, find_space, m->prot,
				       m->max, m->cow);
	return vm_map_find(map, NULL, 0, addr, ptoa(op->pages), end, find_space, m->prot, m->max,
			   m->cow);
}

void
do_find(const struct op *op)
{
	struct mapping m = mapping_of(op);
	struct ref_space *ref = &world.ref[op->space];
	size_t first;
	bool fits = find_place(op, &first);
	struct ref_range r = {first, first + op->pages};
	vm_offset_t addr;
	kern_return_t kr;

	call_begin(op);
	kr = find_call(op, &m, &addr);
	call_end();
	if (!call_expect(fits ? ref_insert_result(ref, r, m.prot) : KR(KERN_NO_SPACE), kr) ||
	    kr != KERN_SUCCESS)
		return;
	if (ways[op->arg].min && call_injected() && addr < world_address(op->space, first)) {
		/* The search from the hint failed for want of memory, so it began anew. */
		r.first = 0;
		ref_first_fit(ref, op->pages, 1, &r.first);
		r.end = r.first + op->pages;
	}
	if (addr != world_address(op->space, r.first))
		world_failed("space %u: find of %u pages from page %u: expected %#lx, got %#lx",
			     op->space, op->pages, op->first, world_address(op->space, r.first),
			     addr);
	ref_map(ref, r, m.prot, m.max, op->flags & OPF_NOCORE ? REF_NOCORE : 0);
}

/* ---- what goes ---- */

void
do_remove(const struct op *op)
{
	struct ref_range r = op_range(op);
	kern_return_t kr;

	world_prepare_delete(op->space, r);
	call_begin(op);
	kr = vm_map_remove(world_map(op->space), world_address(op->space, r.first),
			   world_address(op->space, r.end));
	call_end();
	if (call_expect(KR(KERN_SUCCESS), kr))
		ref_unmap(&world.ref[op->space], r);
}

/* ---- submaps ---- */

void
do_place(const struct op *op)
{
	struct ref_range r = op_range(op);
	vm_offset_t addr = world_address(op->space, r.first);
	kern_return_t kr;

	vm_object_reference(vm_submap_object);
	call_begin(op);
	kr = vm_map_find(world.parent, vm_submap_object, 0, &addr, ptoa(op->pages), 0,
			 VMFS_NO_SPACE, VM_PROT_RW, VM_PROT_RW, MAP_ACC_NO_CHARGE);
	call_end();
	if (kr != KERN_SUCCESS)
		vm_object_deallocate(vm_submap_object);
	if (call_expect(ref_insert_result(&world.ref[SPACE_PARENT], r, VM_PROT_RW), kr) &&
	    kr == KERN_SUCCESS)
		ref_place(&world.ref[SPACE_PARENT], r, VM_PROT_RW);
}

/* inside_sub: does the submap show this part of the parent? */
static bool
inside_sub(struct ref_range r)
{
	return r.first >= SUB_FIRST && r.end <= SUB_END;
}

void
do_submap(const struct op *op)
{
	static vm_map_t *const maps[] = {&world.sub, &world.sub,    &world.sub,
					 &world.sub, &world.parent, NULL};
	struct ref_space *ref = &world.ref[SPACE_PARENT];
	struct ref_range r = op_range(op);
	vm_map_t map = maps[op->arg] != NULL ? *maps[op->arg] : NULL;
	bool good = map == world.sub && inside_sub(r);
	unsigned set = good ? ref_submap_result(ref, r) : KR(KERN_INVALID_ARGUMENT);
	kern_return_t kr;

	call_begin(op);
	kr = vm_map_submap(world.parent, world_address(SPACE_PARENT, r.first),
			   world_address(SPACE_PARENT, r.end), map);
	call_end();
	if (call_expect(set, kr) && kr == KERN_SUCCESS)
		ref_submap(ref, r);
}
