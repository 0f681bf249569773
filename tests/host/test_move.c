/* SPDX-License-Identifier: BSD-2-Clause */
/* vm_map_move: where it goes and what it keeps; rows MOV-02 and MOV-03. */
#include "model/mmu.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/thread.h"
#include "model/vm_fixture.h"
#include "vm/vm_charge.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"

#define A     0x100000ul
#define B     0x800000ul
#define P     PAGE_SIZE
#define PAGES 8ul
#define END   (A + PAGES * P)
#define RW    VM_PROT_RW
#define ALL   VM_PROT_ALL
#define MAY   VM_MAP_MOVE_MAY
#define FIXED VM_MAP_MOVE_FIXED

static void
filled(struct vm_fixture *f)
{
	space_map(f->map, A, PAGES * P, RW, ALL, 0);
	space_fill(f->proc, A, PAGES, 1);
}

/* MOV-02 */

static void
moves(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_page *pages[PAGES];
	struct vm_usage before;
	uint8_t byte;

	filled(f);
	for (size_t i = 0; i < PAGES; i++)
		pages[i] = space_mapped(f->map, A + i * P);
	before = vm_usage_read();
	check_u64(B, space_move(f->proc, A, PAGES, PAGES, B, FIXED));
	check_hole(f->map, A, END);
	check_entry(f->map, B, B + PAGES * P, RW, ALL);
	check_u64(PAGES * P, f->map->size);
	check_u64(0, pmap_resident_count(f->pmap));
	check_u64(SEGV_MAPERR, model_user_read(f->proc, A, &byte, 1));
	check_fill(f->proc, B, PAGES, 1);
	for (size_t i = 0; i < PAGES; i++)
		assert_ptr_equal(pages[i], space_mapped(f->map, B + i * P));
	check_u64(before.frames, vm_usage_read().frames);
	check_u64(before.charge, vm_usage_read().charge);
	check_u64(before.objects, vm_usage_read().objects);
}

/* A part of an entry, from its start, its middle, its end: the rest stays, offsets are kept. */
static void
moves_part(void **state)
{
	struct vm_fixture *f = *state;

	filled(f);
	check_u64(B, space_move(f->proc, A + 2 * P, 2, 2, B, FIXED));
	check_u64(B + 4 * P, space_move(f->proc, A, 1, 1, B + 4 * P, FIXED));
	check_u64(B + 6 * P, space_move(f->proc, END - P, 1, 1, B + 6 * P, FIXED));
	check_hole(f->map, A, A + P);
	check_hole(f->map, A + 2 * P, A + 4 * P);
	check_hole(f->map, END - P, END);
	check_fill(f->proc, A + P, 1, 2);
	check_fill(f->proc, A + 4 * P, 3, 5);
	check_fill(f->proc, B, 2, 3);
	check_fill(f->proc, B + 4 * P, 1, 1);
	check_fill(f->proc, B + 6 * P, 1, PAGES);
	check_u64(PAGES * P, f->map->size);
	check_u64(PAGES * P, vm_charge_used());
}

/* New memory where a part was moved away must not reuse its pages, nor the part those of the rest. */
static void
parts_are_apart(void **state)
{
	struct vm_fixture *f = *state;

	filled(f);
	space_move(f->proc, A + 4 * P, 4, 4, B, FIXED);
	space_map(f->map, A + 4 * P, 4 * P, RW, ALL, 0);
	check_zero(f->proc, A + 4 * P, 4);
	space_fill(f->proc, A + 4 * P, 4, 60);
	check_fill(f->proc, B, 4, 5);
	check_fill(f->proc, A, 4, 1);
}

static void
parts_are_apart_low(void **state)
{
	struct vm_fixture *f = *state;

	filled(f);
	space_move(f->proc, A, 4, 4, B, FIXED);
	check_u64(B, space_move(f->proc, B, 4, 8, 0, 0));
	check_zero(f->proc, B + 4 * P, 4);
	space_fill(f->proc, B + 4 * P, 4, 60);
	check_fill(f->proc, A + 4 * P, 4, 5);
	check_fill(f->proc, B, 4, 1);
}

/* Two entries of one object: the lower one moves and grows, the upper one keeps its pages. */
static void
grows_beside_its_sibling(void **state)
{
	struct vm_fixture *f = *state;

	filled(f);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A + 4 * P, END, VM_PROT_READ, FALSE));
	check_u64(B, space_move(f->proc, A, 4, 8, B, MAY));
	check_fill(f->proc, B, 4, 1);
	check_zero(f->proc, B + 4 * P, 4);
	check_fill(f->proc, A + 4 * P, 4, 5);
}

/* A copy that is due is made at the new place as it would have been at the old one. */
static void
moves_copy(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;
	uint64_t frames;

	filled(f);
	child = model_proc_fork(f->proc);
	model_user_store(child, A, 50);
	frames = vm_usage_read().frames;
	check_u64(B, space_move(f->proc, A, PAGES, PAGES, B, FIXED));
	check_u64(B, space_move(child, A + P, PAGES - 1, PAGES - 1, B, FIXED));
	assert_true(space_entry(f->map, B)->eflags & VM_ENTRY_NEEDS_COPY);
	assert_true(vm_usage_read().frames >= frames);
	check_fill(f->proc, B, PAGES, 1);
	check_u64(50, model_user_load(child, A));
	check_fill(child, B, PAGES - 1, 2);
	space_fill(f->proc, B, 4, 80);
	check_fill(child, B, PAGES - 1, 2);
	check_u64(2 * PAGES * P, vm_charge_used());
	model_proc_destroy(child);
	check_fill(f->proc, B, 4, 80);
	check_fill(f->proc, B + 4 * P, 4, 5);
}

/* Wired memory never faults, on the way neither. */
static void
moves_wired(void **state)
{
	struct vm_fixture *f = *state;
	uint64_t faults;

	filled(f);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, END, VM_MAP_WIRE_USER));
	check_u64(B, space_move(f->proc, A + 2 * P, 4, 4, B, FIXED));
	faults = model_fault_count();
	check_fill(f->proc, B, 4, 3);
	check_fill(f->proc, A, 2, 1);
	space_fill(f->proc, B, 4, 60);
	check_u64(faults, model_fault_count());
	check_u64(PAGES, pmap_wired_count(f->pmap));
	check_u64(PAGES * P, f->map->user_wired);
	for (size_t i = 0; i < 4; i++)
		check_u64(1, space_mapped(f->map, B + i * P)->wire_count);
	check_hole(f->map, A + 2 * P, A + 6 * P);
	check_kr(KERN_SUCCESS, vm_map_unwire(f->map, B, B + 4 * P, VM_MAP_WIRE_USER));
	check_u64(4 * P, f->map->user_wired);
	check_fill(f->proc, B, 4, 60);
}

/* The new part of wired memory is wired, within the limit; it stays one entry. */
static void
extends_wired(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;
	vm_offset_t addr = B;
	uint64_t faults;

	filled(f);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, END, VM_MAP_WIRE_USER));
	model_proc_set_limit(f->proc, VM_LIMIT_MEMLOCK, (PAGES + 3) * P - 1);
	before = map_snapshot_take(f->map);
	check_kr(KERN_RESOURCE_SHORTAGE,
		 vm_map_move(f->map, A, PAGES * P, (PAGES + 3) * P, &addr, 0));
	check_kr(KERN_RESOURCE_SHORTAGE,
		 vm_map_move(f->map, A, PAGES * P, (PAGES + 3) * P, &addr, FIXED));
	check_u64(B, addr);
	check_unchanged(before, f->map);
	model_proc_set_limit(f->proc, VM_LIMIT_MEMLOCK, (PAGES + 3) * P);
	check_u64(A, space_move(f->proc, A, PAGES, PAGES + 2, 0, 0));
	check_u64(B, space_move(f->proc, A, PAGES + 2, PAGES + 3, B, FIXED));
	check_entry(f->map, B, B + (PAGES + 3) * P, RW, ALL);
	check_u64((PAGES + 3) * P, f->map->user_wired);
	check_u64(PAGES + 3, pmap_wired_count(f->pmap));
	faults = model_fault_count();
	check_fill(f->proc, B, PAGES, 1);
	check_zero(f->proc, B + PAGES * P, 3);
	space_fill(f->proc, B, PAGES + 3, 20);
	check_u64(faults, model_fault_count());
}

/* On a map that wires what comes, the new part is; what cannot be accessed is not. */
static void
wire_future(void **state)
{
	struct vm_fixture *f = *state;

	filled(f);
	space_map(f->map, B, P, VM_PROT_NONE, ALL, 0);
	vm_map_lock(f->map);
	f->map->flags |= VM_MAP_WIREFUTURE;
	vm_map_unlock(f->map);
	check_u64(A, space_move(f->proc, A, PAGES, PAGES + 2, 0, 0));
	check_u64(2 * P, f->map->user_wired);
	check_u64(2, pmap_wired_count(f->pmap));
	check_fill(f->proc, A, PAGES, 1);
	check_zero(f->proc, END, 2);
	check_u64(B, space_move(f->proc, B, 1, 2, 0, 0));
	check_u64(2 * P, f->map->user_wired);
	/* To execute is to access. */
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, B, B + 2 * P, VM_PROT_EXECUTE, FALSE));
	check_u64(B, space_move(f->proc, B, 2, 3, 0, 0));
	check_u64(3 * P, f->map->user_wired);
}

/* LIMIT_MEMLOCK is for what gets wired, may be reached, and smaller than a page. */
static void
wire_future_limit(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t addr = A;

	filled(f);
	model_proc_set_limit(f->proc, VM_LIMIT_MEMLOCK, P - 1);
	check_u64(A, space_move(f->proc, A, PAGES, PAGES + 1, 0, 0));
	vm_map_lock(f->map);
	f->map->flags |= VM_MAP_WIREFUTURE;
	vm_map_unlock(f->map);
	check_kr(KERN_RESOURCE_SHORTAGE,
		 vm_map_move(f->map, A, (PAGES + 1) * P, (PAGES + 2) * P, &addr, 0));
	model_proc_set_limit(f->proc, VM_LIMIT_MEMLOCK, P);
	check_u64(A, space_move(f->proc, A, PAGES + 1, PAGES + 2, 0, 0));
	check_u64(P, f->map->user_wired);
}

/* Shared memory: pages that are there are wired, others are not made. */
static void
extends_wired_object(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(4, 70);
	struct map_snapshot *before;
	vm_offset_t addr = B;

	vm_object_set_charge(object, 4 * P);
	assert_true(vm_charge(4 * P));
	vm_object_reference(object);
	check_kr(KERN_SUCCESS,
		 space_insert(f->map, object, 0, A, A + P, RW, ALL, MAP_INHERIT_SHARE));
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, A + P, VM_MAP_WIRE_USER));
	before = map_snapshot_take(f->map);
	check_kr(KERN_OUT_OF_BOUNDS, vm_map_move(f->map, A, P, 5 * P, &addr, 0));
	check_kr(KERN_OUT_OF_BOUNDS, vm_map_move(f->map, A, P, 5 * P, &addr, FIXED));
	check_unchanged(before, f->map);
	check_u64(A, space_move(f->proc, A, 1, 2, 0, 0));
	check_u64(2, pmap_wired_count(f->pmap));
	rwlock_write(&object->lock);
	vm_object_page_remove(object, 3, 4);
	rwlock_write_unlock(&object->lock);
	before = map_snapshot_take(f->map);
	check_kr(KERN_INVALID_ARGUMENT, vm_map_move(f->map, A, 2 * P, 4 * P, &addr, 0));
	check_unchanged(before, f->map);
	check_fill(f->proc, A, 2, 70);
	vm_object_deallocate(object);
}

/* No processor reads on at the old place. */
static void
all_processors(void **state)
{
	struct vm_fixture *f = *state;
	uint8_t byte;

	filled(f);
	model_cpu_switch(1);
	check_fill(f->proc, A, PAGES, 1);
	model_cpu_switch(0);
	space_move(f->proc, A, PAGES, PAGES, B, FIXED);
	model_cpu_switch(1);
	check_u64(SEGV_MAPERR, model_user_read(f->proc, A, &byte, 1));
	check_fill(f->proc, B, PAGES, 1);
	model_cpu_switch(0);
}

/* A fork, a discard, a removal afterwards find everything in order. */
static void
goes_on(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	filled(f);
	space_move(f->proc, A + 4 * P, 4, 6, B, FIXED);
	child = model_proc_fork(f->proc);
	space_fill(f->proc, B, 2, 40);
	check_fill(child, A, 4, 1);
	check_fill(child, B, 4, 5);
	check_zero(child, B + 4 * P, 2);
	check_kr(KERN_SUCCESS, vm_map_discard(model_proc_map(child), B, B + 3 * P));
	check_zero(child, B, 3);
	check_fill(f->proc, B, 2, 40);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A, A + 4 * P));
	check_fill(f->proc, B, 2, 40);
	check_fill(f->proc, B + 2 * P, 2, 7);
	model_proc_destroy(child);
}

/* MOV-03 */

static void
no_room(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;
	vm_offset_t addr = B;

	filled(f);
	space_map(f->map, END + 2 * P, P, VM_PROT_NONE, VM_PROT_NONE, MAP_CREATE_GUARD);
	before = map_snapshot_take(f->map);
	check_kr(KERN_NO_SPACE, vm_map_move(f->map, A, PAGES * P, (PAGES + 3) * P, &addr, 0));
	check_kr(KERN_NO_SPACE, vm_map_move(f->map, A, 4 * P, 5 * P, &addr, 0));
	check_kr(KERN_NO_SPACE, vm_map_move(f->map, A, P, MODEL_USER_MAX, &addr, MAY));
	check_kr(KERN_NO_SPACE, vm_map_move(f->map, A, P, MODEL_USER_MAX - 2 * P, &addr, MAY));
	check_kr(KERN_NO_SPACE, vm_map_move(f->map, A, P, 2 * P, &(vm_offset_t){END + P}, FIXED));
	check_kr(KERN_NO_SPACE, vm_map_move(f->map, A, P, P, &(vm_offset_t){END + 2 * P}, FIXED));
	check_u64(B, addr);
	check_unchanged(before, f->map);
	check_u64(A, space_move(f->proc, A, PAGES, PAGES + 2, B, MAY));
	check_u64(B, space_move(f->proc, A, PAGES + 2, PAGES + 3, B, MAY));
	check_fill(f->proc, B, PAGES, 1);
	check_zero(f->proc, B + PAGES * P, 3);
	check_hole(f->map, A, END + 2 * P);
	check_entry(f->map, B, B + (PAGES + 3) * P, RW, ALL);
}

/* The wish is a lower bound; if nothing is free above it, anything will do. */
static void
place(void **state)
{
	struct vm_fixture *f = *state;

	filled(f);
	space_map(f->map, END, P, RW, ALL, MAP_DISABLE_COREDUMP);
	space_map(f->map, B, 2 * P, RW, ALL, 0);
	check_u64(B + 2 * P, space_move(f->proc, A, PAGES, PAGES + 1, B, MAY));
	space_map(f->map, B + (PAGES + 3) * P, P, RW, ALL, MAP_DISABLE_COREDUMP);
	check_u64(MODEL_USER_MIN,
		  space_move(f->proc, B + 2 * P, PAGES + 1, PAGES + 2, MODEL_USER_MAX - P, MAY));
	check_fill(f->proc, MODEL_USER_MIN, PAGES, 1);
}

static void
shrinks(void **state)
{
	struct vm_fixture *f = *state;

	filled(f);
	check_u64(A, space_move(f->proc, A, PAGES, PAGES, 0, 0));
	check_u64(A, space_move(f->proc, A, PAGES, 6, B, MAY));
	check_hole(f->map, A + 6 * P, END);
	check_u64(6 * P, f->map->size);
	check_u64(6 * P, vm_charge_used());
	/* Of a part, the part's tail. */
	check_u64(A + P, space_move(f->proc, A + P, 3, 1, 0, 0));
	check_fill(f->proc, A, 2, 1);
	check_hole(f->map, A + 2 * P, A + 4 * P);
	check_fill(f->proc, A + 4 * P, 2, 5);
	/* And on the way. */
	check_u64(B, space_move(f->proc, A, 2, 1, B, FIXED));
	check_hole(f->map, A, A + 4 * P);
	check_fill(f->proc, B, 1, 1);
	check_u64(3 * P, f->map->size);
}

static void
shrinks_wired(void **state)
{
	struct vm_fixture *f = *state;

	filled(f);
	check_kr(KERN_SUCCESS, vm_map_wire(f->map, A, END, VM_MAP_WIRE_USER));
	check_u64(A, space_move(f->proc, A, PAGES, 6, 0, 0));
	check_u64(B, space_move(f->proc, A, 6, 3, B, FIXED));
	check_u64(3 * P, f->map->user_wired);
	check_u64(3, pmap_wired_count(f->pmap));
	check_fill(f->proc, B, 3, 1);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"MOV-02: pages go along, none is copied or freed, the old range is unmapped", moves},
	    {"MOV-02: a part of an entry goes, the rest stays", moves_part},
	    {"MOV-02: new memory in the old place has pages of its own", parts_are_apart},
	    {"MOV-02: a part that grows elsewhere takes nothing from the rest",
	     parts_are_apart_low},
	    {"MOV-02: an entry that moves and grows takes nothing from its sibling",
	     grows_beside_its_sibling},
	    {"MOV-02: a copy still due is due at the new place", moves_copy},
	    {"MOV-02: wired memory stays wired and never faults", moves_wired},
	    {"MOV-02: what wired memory grows by is wired, within LIMIT_MEMLOCK", extends_wired},
	    {"MOV-02: on a map that wires what comes, the new part is wired", wire_future},
	    {"MOV-02: ... within LIMIT_MEMLOCK", wire_future_limit},
	    {"MOV-02: wired shared memory grows by pages that are there", extends_wired_object},
	    {"MOV-02: no processor reads on at the old place", all_processors},
	    {"MOV-02: fork, discard and removal afterwards", goes_on},
	    {"MOV-03: no room and no permission to move: refused, nothing changed", no_room},
	    {"MOV-03: with permission, the lowest place at or above the wish", place},
	    {"MOV-03: shrinking removes the tail", shrinks},
	    {"MOV-03: shrinking wired memory unwires the tail", shrinks_wired},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
