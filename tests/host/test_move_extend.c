/* SPDX-License-Identifier: BSD-2-Clause */
/* vm_map_move: what a longer range shows in its new part; row MOV-01. */
#include "model/snapshot.h"
#include "model/space.h"
#include "model/vm_fixture.h"
#include "vm/vm_charge.h"
#include "vm/vm_object.h"

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

static void
in_place(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_usage before;

	filled(f);
	before = vm_usage_read();
	check_u64(A, space_move(f->proc, A, PAGES, PAGES + 4, 0, 0));
	check_entry(f->map, A, END + 4 * P, RW, ALL);
	check_u64((PAGES + 4) * P, f->map->size);
	check_u64(before.charge + 4 * P, vm_usage_read().charge);
	check_u64(before.frames, vm_usage_read().frames);
	check_fill(f->proc, A, PAGES, 1);
	check_zero(f->proc, END, 4);
	space_fill(f->proc, END, 4, 50);
	check_u64(A, space_move(f->proc, A, PAGES + 4, PAGES + 5, B, MAY));
	check_fill(f->proc, END, 4, 50);
	check_entry(f->map, A, END + 5 * P, RW, ALL);
}

/* The upper end of an entry grows, whatever lies below; what has no page yet too. */
static void
in_place_part(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, PAGES * P, RW, ALL, 0);
	check_u64(A + 4 * P, space_move(f->proc, A + 4 * P, 4, 6, 0, 0));
	check_entry(f->map, A, END + 2 * P, RW, ALL);
	space_fill(f->proc, A, PAGES + 2, 1);
	check_u64(END + P, space_move(f->proc, END + P, 1, 2, 0, 0));
	check_fill(f->proc, A, PAGES + 2, 1);
	check_zero(f->proc, END + 2 * P, 1);
	/* To be copied, if there were something to copy. */
	space_map(f->map, B, 2 * P, RW, ALL, MAP_COPY_ON_WRITE);
	check_u64(B, space_move(f->proc, B, 2, 3, 0, 0));
	check_entry(f->map, B, B + 3 * P, RW, ALL);
}

/* The last page of the map. */
static void
in_place_to_the_end(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t start = MODEL_USER_MAX - 2 * P;

	space_map(f->map, start, P, RW, ALL, 0);
	check_u64(start, space_move(f->proc, start, 1, 2, 0, 0));
	model_user_store(f->proc, MODEL_USER_MAX - 1, 1);
	check_kr(KERN_NO_SPACE, vm_map_move(f->map, start, 2 * P, 3 * P, &(vm_offset_t){0}, 0));
}

static void
keeps_attributes(void **state)
{
	struct vm_fixture *f = *state;
	vm_map_entry_t e;

	space_map(f->map, A, 2 * P, VM_PROT_READ, RW, MAP_DISABLE_COREDUMP);
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, A + 2 * P, VM_INHERIT_ZERO));
	check_kr(KERN_SUCCESS, vm_map_madvise(f->map, A, A + 2 * P, VM_ADVICE_RANDOM));
	check_u64(A, space_move(f->proc, A, 2, 4, 0, 0));
	check_u64(B, space_move(f->proc, A, 4, 6, B, FIXED));
	check_entry(f->map, B, B + 6 * P, VM_PROT_READ, RW);
	e = space_entry(f->map, B + 5 * P);
	check_u64(VM_INHERIT_ZERO, e->inheritance);
	check_u64(VM_ENTRY_NOCOREDUMP | VM_ENTRY_BEHAV_RANDOM, e->eflags);
	check_u64(0, vm_charge_used());
}

/* What an earlier mapping left in the object behind the end does not come back. */
static void
no_old_contents(void **state)
{
	struct vm_fixture *f = *state;

	filled(f);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A + 4 * P, END));
	check_u64(A, space_move(f->proc, A, 4, 8, 0, 0));
	check_fill(f->proc, A, 4, 1);
	check_zero(f->proc, A + 4 * P, 4);
}

/* Private memory that was forked: the new part is zero in both, and each has its own. */
static void
extend_copy(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	filled(f);
	child = model_proc_fork(f->proc);
	space_fill(child, A, 2, 50);
	check_u64(A, space_move(child, A, PAGES, PAGES + 2, 0, 0));
	check_u64(A, space_move(f->proc, A, PAGES, PAGES + 2, 0, 0));
	check_zero(child, END, 2);
	space_fill(child, END, 2, 60);
	check_zero(f->proc, END, 2);
	check_fill(child, A, 2, 50);
	check_fill(child, A + 2 * P, PAGES - 2, 3);
	check_fill(f->proc, A, PAGES, 1);
	check_u64(2 * (PAGES + 2) * P, vm_charge_used());
	model_proc_destroy(child);
	check_u64((PAGES + 2) * P, vm_charge_used());
}

/* A shared object shows what it has, and an error behind its end. */
static void
extend_object(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(4, 70);
	uint8_t byte;

	vm_object_set_charge(object, 4 * P);
	assert_true(vm_charge(4 * P));
	vm_object_reference(object);
	check_kr(KERN_SUCCESS,
		 space_insert(f->map, object, P, A, A + P, RW, ALL, MAP_INHERIT_SHARE));
	check_u64(A, space_move(f->proc, A, 1, 2, 0, 0));
	check_entry(f->map, A, A + 2 * P, RW, ALL);
	check_u64(B, space_move(f->proc, A, 2, 4, B, FIXED));
	check_entry(f->map, B, B + 4 * P, RW, ALL);
	check_fill(f->proc, B, 3, 71);
	check_u64(BUS_OBJERR, model_user_read(f->proc, B + 3 * P, &byte, 1));
	model_user_store(f->proc, B + P, 9);
	check_u64(9, space_object_byte(object, 2));
	check_u64(4 * P, vm_charge_used());
	vm_object_deallocate(object);
}

/* A private view of an object: its own zeroes behind it, not the object's next pages. */
static void
extend_private_object(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(4, 70);

	vm_object_reference(object);
	check_kr(KERN_SUCCESS,
		 space_insert(f->map, object, 0, A, A + 2 * P, RW, ALL, MAP_COPY_ON_WRITE));
	model_user_store(f->proc, A, 5);
	check_u64(A, space_move(f->proc, A, 2, 4, 0, 0));
	check_u64(5, model_user_load(f->proc, A));
	check_u64(71, model_user_load(f->proc, A + P));
	check_zero(f->proc, A + 2 * P, 2);
	check_rights(f->map, A, A + 4 * P, RW, ALL);
	vm_object_deallocate(object);
}

/* The upper of two parts of one mapping goes on in the object that both show. */
static void
extend_upper_part(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object;

	filled(f);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + 4 * P, VM_PROT_READ, FALSE));
	object = space_entry(f->map, A)->object;
	check_u64(2, object->ref_count);
	check_u64(A + 4 * P, space_move(f->proc, A + 4 * P, 4, 6, 0, 0));
	check_entry(f->map, A + 4 * P, END + 2 * P, RW, ALL);
	assert_ptr_equal(object, space_entry(f->map, END)->object);
	check_u64(PAGES + 2, object->size);
	check_zero(f->proc, END, 2);
	check_fill(f->proc, A, PAGES, 1);
}

/* What moved as a whole is still one piece: a hole in it is filled by its lower part. */
static void
extend_into_a_hole(void **state)
{
	struct vm_fixture *f = *state;

	filled(f);
	check_u64(B, space_move(f->proc, A, PAGES, PAGES, B, FIXED));
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, B + 2 * P, B + 5 * P));
	check_u64(B, space_move(f->proc, B, 2, 5, 0, 0));
	check_entry(f->map, B, B + PAGES * P, RW, ALL);
	check_fill(f->proc, B, 2, 1);
	check_zero(f->proc, B + 2 * P, 3);
	check_fill(f->proc, B + 5 * P, 3, 6);
}

/* ... and if that is refused, what lies behind the hole is as it was. */
static void
extend_refused(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;
	vm_offset_t addr = A;

	filled(f);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A + 4 * P, A + 5 * P));
	before = map_snapshot_take(f->map);
	vm_charge_set_limit(vm_charge_used());
	check_kr(KERN_RESOURCE_SHORTAGE, vm_map_move(f->map, A, 4 * P, 5 * P, &addr, 0));
	vm_charge_set_limit(VM_CHARGE_UNLIMITED);
	check_unchanged(before, f->map);
	check_fill(f->proc, A, 4, 1);
	check_fill(f->proc, A + 5 * P, 3, 6);
}

/* What is still to be copied is nobody else's, though a fork will share it: zeroes, not what the object
 * has there. */
static void
extend_copy_to_share(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	filled(f);
	child = model_proc_fork(f->proc);
	check_kr(KERN_SUCCESS, vm_map_inherit(f->map, A, END, VM_INHERIT_SHARE));
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, A + 4 * P, END));
	assert_true(space_entry(f->map, A)->eflags & VM_ENTRY_NEEDS_COPY);
	check_u64(A, space_move(f->proc, A, 4, 6, 0, 0));
	check_zero(f->proc, A + 4 * P, 2);
	check_fill(f->proc, A, 4, 1);
	check_fill(child, A, PAGES, 1);
	model_proc_destroy(child);
}

/* Those who shared it are gone: it is private memory again. */
static void
extend_shared_once(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, PAGES * P, RW, ALL, MAP_INHERIT_SHARE);
	space_fill(f->proc, A, PAGES, 1);
	model_proc_destroy(model_proc_fork(f->proc));
	check_u64(A, space_move(f->proc, A, PAGES, PAGES + 2, 0, 0));
	check_entry(f->map, A, END + 2 * P, RW, ALL);
	check_zero(f->proc, END, 2);
	check_fill(f->proc, A, PAGES, 1);
	check_u64((PAGES + 2) * P, vm_charge_used());
}

/* What costs nothing goes on so, in an object of its own, too. */
static void
extend_uncharged(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(2, 70);

	space_map_object(f->map, object, A, RW, ALL, MAP_COPY_ON_WRITE | MAP_ACC_NO_CHARGE);
	check_u64(A, space_move(f->proc, A, 2, 4, 0, 0));
	check_u64(0, vm_charge_used());
	check_zero(f->proc, A + 2 * P, 2);
	vm_object_deallocate(object);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"MOV-01: room above: same address, contents kept, the new part zero", in_place},
	    {"MOV-01: the upper part of an entry grows", in_place_part},
	    {"MOV-01: up to the end of the map", in_place_to_the_end},
	    {"MOV-01: attributes are the new part's, too", keeps_attributes},
	    {"MOV-01: what was unmapped there does not come back", no_old_contents},
	    {"MOV-01: memory that is to be copied is followed by zeroes", extend_copy},
	    {"MOV-01: a shared object goes on as it is", extend_object},
	    {"MOV-01: a private view of an object is followed by zeroes", extend_private_object},
	    {"MOV-01: the upper part of a mapping goes on in its object", extend_upper_part},
	    {"MOV-01: what moved as a whole fills its holes in one piece", extend_into_a_hole},
	    {"MOV-01: refused, the pages behind a hole are as they were", extend_refused},
	    {"MOV-01: a copy that will be shared is followed by zeroes", extend_copy_to_share},
	    {"MOV-01: shared memory whose sharers are gone is followed by zeroes",
	     extend_shared_once},
	    {"MOV-01: memory that is not charged goes on uncharged", extend_uncharged},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
