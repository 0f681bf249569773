/* SPDX-License-Identifier: BSD-2-Clause */
/* The world's beginning, its steps and its end. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "kernel/base/sched.h"
#include "model/kernel.h"
#include "model/memory.h"
#include "model/vm_fixture.h"
#include "property/episode.h"
#include "property/world.h"
#include "vm/pmap.h"
#include "vm/vm_charge.h"
#include "vm/vm_device.h"
#include "vm/vm_malloc.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_pager.h"
#include "vm/vmspace.h"

/* A superpage begins in each window, so that aligned places are found, and not everywhere. */
#define USER_BASE   (SUPERPAGE_SIZE - 64 * PAGE_SIZE)
#define PARENT_BASE (VM_MAX_KERNEL_ADDRESS - 31 * SUPERPAGE_SIZE - 64 * PAGE_SIZE)

#define CHECK_WORLD_EVERY 64

#define DEVICE_PAGES (MODEL_DEVICE_OWN / PAGE_SIZE)

struct world world;
struct op_counts *world_counts;

static struct vm_usage at_start;
static uint64_t steps;

void
world_failed(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	model_die("%s", text);
}

/* ---- spaces ---- */

vm_map_t
world_map(unsigned space)
{
	if (space == SPACE_PARENT)
		return world.parent;
	if (space == SPACE_SUB)
		return world.sub;
	return world.proc[space] != NULL ? model_proc_map(world.proc[space]) : NULL;
}

vm_offset_t
world_address(unsigned space, size_t page)
{
	return (space < SPACE_PARENT ? USER_BASE : PARENT_BASE) + ptoa(page);
}

void
world_process(unsigned space)
{
	if (space >= SPACE_PARENT || world.proc[space] != NULL)
		return;
	world.proc[space] = model_proc_create();
	ref_init(&world.ref[space], atop(USER_BASE));
}

void
world_process_end(unsigned space)
{
	const struct ref_range all = {0, REF_PAGES};

	world_prepare_delete(space, all);
	model_proc_destroy(world.proc[space]);
	world.proc[space] = NULL;
	ref_unmap(&world.ref[space], all);
}

static void
expect_success(const char *what, kern_return_t kr)
{
	if (kr != KERN_SUCCESS)
		world_failed("%s: expected success, got %d", what, kr);
}

/* empty_submap: what the submap shows in a range of its parent that is to go. */
static void
empty_submap(struct ref_range r)
{
	if (r.first < SUB_FIRST)
		r.first = SUB_FIRST;
	if (r.end > SUB_END)
		r.end = SUB_END;
	if (r.first >= r.end)
		return;
	expect_success("emptying the submap",
		       vm_map_remove(world.sub, world_address(SPACE_SUB, r.first),
				     world_address(SPACE_SUB, r.end)));
	ref_unmap(&world.ref[SPACE_SUB], r);
}

void
world_prepare_delete(unsigned space, struct ref_range r)
{
	struct ref_space *ref = &world.ref[space];
	const int flags = VM_MAP_WIRE_SYSTEM | VM_MAP_WIRE_HOLESOK;

	if (space == SPACE_PARENT)
		empty_submap(r);
	for (size_t i = r.first; i < r.end && space < SPACE_PARENT; i++) {
		const struct ref_range one = {i, i + 1};

		while (ref->page[i].wirings != 0) {
			expect_success("unwiring before a deletion",
				       vm_map_unwire(world_map(space), world_address(space, i),
						     world_address(space, i + 1), flags));
			ref_unwire(ref, one, flags);
		}
	}
}

/* ---- objects ---- */

size_t
world_object_pages(size_t object)
{
	static const size_t pages[PROPERTY_OBJECTS] = {PROPERTY_OBJECT_PAGES, 5, 9,
						       MODEL_PAGER_PAGES, DEVICE_PAGES};

	return pages[object];
}

/* fill_page: page `index` of a new object is resident and holds `value` everywhere. */
static void
fill_page(struct vm_object *object, vm_pindex_t index, uint8_t value)
{
	struct vm_page *m;

	rwlock_write(&object->lock);
	m = vm_page_alloc(object, index, 0);
	memset(pmap_page_address(m), value, PAGE_SIZE);
	m->flags |= VM_PAGE_VALID;
	vm_page_unbusy(m);
	rwlock_write_unlock(&object->lock);
}

/* make_object: anonymous, as a handle's: charged for itself.  The last one has no page yet. */
static void
make_object(size_t number)
{
	size_t pages = world_object_pages(number);
	struct vm_object *object = vm_object_allocate(&vm_pager_anonymous, pages);

	if (object == NULL || !vm_charge(ptoa(pages)))
		world_failed("no object %zu", number);
	vm_object_set_charge(object, ptoa(pages));
	world.object[number] = object;
	for (size_t i = 0; i < pages; i++) {
		uint8_t value = (uint8_t)(0x80 + number * PROPERTY_OBJECT_PAGES + i);

		if (number == PAGED - 1)
			value = 0;
		else
			fill_page(object, i, value);
		world.cell[number][i] = cell_new(value * 0x01010101u);
	}
}

/* make_paged: its pages are asked for, and the pager's calls can be told to fail. */
static void
make_paged(void)
{
	const uint8_t first = 0x80 + PAGED * PROPERTY_OBJECT_PAGES;

	world.object[PAGED] = model_pager_object(&world.pager, MODEL_PAGER_PAGES, first);
	world.pager.may_fail = true;
	for (size_t i = 0; i < MODEL_PAGER_PAGES; i++)
		world.cell[PAGED][i] = cell_new((uint8_t)(first + i) * 0x01010101u);
}

/* make_device: its registers are zero. */
static void
make_device(void)
{
	memset(model_phys_address(MODEL_DEVICE), 0, DEVICE_PAGES * PAGE_SIZE);
	if (vm_device_allocate(MODEL_DEVICE, DEVICE_PAGES * PAGE_SIZE, PMAP_UNCACHED,
			       &world.object[DEVICE]) != KERN_SUCCESS)
		world_failed("no device");
	for (size_t i = 0; i < DEVICE_PAGES; i++)
		world.cell[DEVICE][i] = cell_new(0);
}

const uint32_t *
world_kept(const struct vm_object *object, vm_pindex_t pindex)
{
	if (object == world.object[PAGED])
		return (const uint32_t *)world.pager.page[pindex];
	if (object == world.object[DEVICE])
		return (const uint32_t *)model_phys_address(MODEL_DEVICE + ptoa(pindex));
	return NULL;
}

/* ---- beginning and end ---- */

void
world_boot(void)
{
	vm_fixture_boot();
	/* What is filled once and kept is filled now. */
	model_proc_destroy(model_proc_create());
	kfree(kmalloc(1, 0), 1);
	vm_stack_guard_pages = REF_GUARD;
	vm_sgrowsiz = ptoa(REF_STEP);
}

void
world_begin(void)
{
	memset(&world, 0, sizeof(world));
	cells_reset();
	steps = 0;
	vm_fixture_drop_spares();
	at_start = vm_usage_read();
	world.parent = vm_map_create(kernel_pmap, world_address(SPACE_PARENT, 0),
				     world_address(SPACE_PARENT, REF_PAGES));
	world.sub = vm_map_create(kernel_pmap, world_address(SPACE_SUB, SUB_FIRST),
				  world_address(SPACE_SUB, SUB_END));
	if (world.parent == NULL || world.sub == NULL)
		world_failed("no system maps");
	ref_init(&world.ref[SPACE_PARENT], atop(PARENT_BASE));
	ref_init(&world.ref[SPACE_SUB], atop(PARENT_BASE));
	for (size_t i = 0; i < PAGED; i++)
		make_object(i);
	make_paged();
	make_device();
}

static void
empty_map(vm_map_t map)
{
	expect_success("emptying a system map",
		       vm_map_remove(map, vm_map_min(map), vm_map_max(map)));
}

static void
check_usage(void)
{
	struct vm_usage now;

	vm_fixture_drop_spares();
	now = vm_usage_read();
	if (memcmp(&now, &at_start, sizeof(now)) != 0)
		world_failed("the end is not the beginning: expected %lu frames, %lu objects, %lu "
			     "bytes charged, %lu mappings, got %lu, %lu, %lu, %lu",
			     at_start.frames, at_start.objects, at_start.charge, at_start.mappings,
			     now.frames, now.objects, now.charge, now.mappings);
}

void
world_end(void)
{
	check_world();
	for (unsigned i = 0; i < PROCESSES; i++)
		if (world.proc[i] != NULL)
			world_process_end(i);
	empty_map(world.sub);
	empty_map(world.parent);
	vm_map_deallocate(world.parent);
	vm_map_deallocate(world.sub);
	for (size_t i = 0; i < PROPERTY_OBJECTS; i++)
		vm_object_deallocate(world.object[i]);
	check_usage();
}

/* ---- steps ---- */

static const struct {
	void (*fn)(const struct op *op);
} operations[OP_KINDS] = {
    [OP_LOAD] = {do_access},	 [OP_STORE] = {do_access},	[OP_FETCH] = {do_access},
    [OP_PEEK] = {do_peek},	 [OP_POKE] = {do_peek},		[OP_DEBUG] = {do_peek},
    [OP_FIXED] = {do_fixed},	 [OP_GUARD] = {do_guard},	[OP_OBJECT] = {do_object},
    [OP_FIND] = {do_find},	 [OP_STACK] = {do_stack},	[OP_GROW] = {do_grow},
    [OP_REMOVE] = {do_remove},	 [OP_PROTECT] = {do_protect},	[OP_INHERIT] = {do_inherit},
    [OP_WIRE] = {do_wire},	 [OP_UNWIRE] = {do_unwire},	[OP_DROP] = {do_drop},
    [OP_FORK] = {do_fork},	 [OP_EXIT] = {do_exit},		[OP_EXEC] = {do_exec},
    [OP_LIMIT] = {do_limit},	 [OP_FLAG] = {do_flag},		[OP_CHECK] = {do_check},
    [OP_PLACE] = {do_place},	 [OP_ADVISE] = {do_advise},	[OP_SYNC] = {do_sync},
    [OP_DISCARD] = {do_discard}, [OP_RESIDENT] = {do_resident}, [OP_MOVE] = {do_move},
    [OP_SUBMAP] = {do_submap},	 [OP_BAD] = {do_bad},
};

/* usable: a submap is used where it is installed only: elsewhere its addresses are the parent's. */
static bool
usable(const struct op *op)
{
	struct ref_range r = op_range(op);

	if (op->space != SPACE_SUB)
		return true;
	if (op->kind == OP_FIND || r.first < SUB_FIRST || r.end > SUB_END)
		return false;
	while (r.first < r.end && world.ref[SPACE_PARENT].page[r.first].kind == REF_SUBMAP)
		r.first++;
	return r.first == r.end;
}

/* count: how has this operation ended? */
static void
count(unsigned kind)
{
	switch (call_outcome()) {
	case CALL_DONE:
		world_counts->done[kind]++;
		break;
	case CALL_REFUSED:
		world_counts->refused[kind]++;
		break;
	default:
		world_counts->starved[kind]++;
	}
}

void
world_step(const struct op *op)
{
	world_process(op->space);
	if (!usable(op))
		return;
	call_clear();
	operations[op->kind].fn(op);
	if (world_counts != NULL)
		count(op->kind);
	if (curthread()->lockorder.count != 0)
		world_failed("%u locks are held after the call", curthread()->lockorder.count);
	check_space(op->space);
	/* Another one in turn: what is done here may show there. */
	check_space((unsigned)(steps % OP_SPACES));
	check_contents((unsigned)(steps / 4 % OP_SPACES));
	if (++steps % CHECK_WORLD_EVERY == 0)
		check_world();
}
