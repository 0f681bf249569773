/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Large anonymous ranges: each is an entry with an object of its own; row INS-05.  Whether neighbours
 * are one entry or two, the program sees the same memory.
 */
#include "model/memory.h"
#include "model/space.h"
#include "model/vm_fixture.h"
#include "vm/vm_charge.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"
#include "vm/vmspace.h"

#define A     0x1000000ul
#define P     PAGE_SIZE
#define LARGE VM_MAP_LARGE
#define R     VM_PROT_READ
#define RW    VM_PROT_RW
#define ALL   VM_PROT_ALL

static void
map(struct vm_fixture *f, vm_offset_t start, vm_size_t size)
{
	space_map(f->map, start, size, RW, ALL, 0);
}

static void
unmap(struct vm_fixture *f, vm_offset_t start, vm_offset_t end)
{
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, start, end));
}

static struct vm_object *
object_at(struct vm_fixture *f, vm_offset_t va)
{
	return space_entry(f->map, va)->object;
}

/* check_apart: [start, middle) and [middle, end) are two entries and, once touched, two objects. */
static void
check_apart(struct vm_fixture *f, vm_offset_t start, vm_offset_t middle, vm_offset_t end)
{
	check_entry(f->map, start, middle, RW, ALL);
	check_entry(f->map, middle, end, RW, ALL);
	model_user_store(f->proc, middle - 1, 1);
	model_user_store(f->proc, middle, 2);
	check_u64(1, model_user_load(f->proc, middle - 1));
	check_u64(0, model_user_load(f->proc, middle + 1));
	assert_ptr_not_equal(object_at(f, start), object_at(f, middle));
	check_u64(0, space_entry(f->map, middle)->offset);
	check_u64(end - start, f->map->size);
	check_u64(end - start, vm_charge_used());
	unmap(f, start, end);
}

static void
large_behind_small(void **state)
{
	struct vm_fixture *f = *state;

	map(f, A, P);
	map(f, A + P, LARGE);
	check_apart(f, A, A + P, A + P + LARGE);
	/* Also when the small one has an object that could be continued. */
	map(f, A, P);
	model_user_store(f->proc, A, 1);
	map(f, A + P, LARGE);
	check_apart(f, A, A + P, A + P + LARGE);
}

static void
large_behind_large(void **state)
{
	struct vm_fixture *f = *state;

	map(f, A, LARGE);
	map(f, A + LARGE, LARGE);
	check_apart(f, A, A + LARGE, A + 2 * LARGE);
	map(f, A, LARGE);
	model_user_store(f->proc, A, 1);
	map(f, A + LARGE, LARGE);
	check_apart(f, A, A + LARGE, A + 2 * LARGE);
}

/* Nor are they joined by what joins neighbours that have become alike. */
static void
alike_again(void **state)
{
	struct vm_fixture *f = *state;
	const vm_size_t sizes[][2] = {{P, LARGE}, {LARGE, LARGE}, {LARGE, P}};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		vm_offset_t middle = A + sizes[i][0], end = middle + sizes[i][1];

		space_map(f->map, A, sizes[i][0], R, ALL, 0);
		map(f, middle, sizes[i][1]);
		check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, middle, RW, FALSE));
		check_apart(f, A, middle, end);
	}
}

/* A large one comes to lie between two others. */
static void
between(void **state)
{
	struct vm_fixture *f = *state;

	map(f, A, P);
	map(f, A + P + LARGE, P);
	map(f, A + P, LARGE);
	check_u64(3, f->map->nentries);
	check_entry(f->map, A, A + P, RW, ALL);
	check_entry(f->map, A + P, A + P + LARGE, RW, ALL);
	check_entry(f->map, A + P + LARGE, A + 2 * P + LARGE, RW, ALL);
}

/* A page less than large is not large: one with what is before it, and with what is behind. */
static void
almost_large(void **state)
{
	struct vm_fixture *f = *state;

	map(f, A, P);
	map(f, A + P, LARGE - P);
	check_entry(f->map, A, A + LARGE, RW, ALL);
	unmap(f, A, A + LARGE);
	space_map(f->map, A, LARGE - P, R, ALL, 0);
	map(f, A + LARGE - P, LARGE - P);
	check_kr(KERN_SUCCESS, vm_map_protect(f->map, A, A + LARGE - P, RW, FALSE));
	check_entry(f->map, A, A + 2 * LARGE - 2 * P, RW, ALL);
}

/* A heap grows by small pieces, however large it has become. */
static void
small_behind_large(void **state)
{
	struct vm_fixture *f = *state;

	map(f, A, LARGE);
	for (vm_offset_t at = A + LARGE; at < A + LARGE + 8 * P; at += P) {
		map(f, at, P);
		model_user_store(f->proc, at, (uint8_t)atop(at));
	}
	check_entry(f->map, A, A + LARGE + 8 * P, RW, ALL);
	check_u64(1, vm_object_count());
	for (vm_offset_t at = A + LARGE; at < A + LARGE + 8 * P; at += P)
		check_u64((uint8_t)atop(at), model_user_load(f->proc, at));
}

/* Guards have no object that anybody could wait for. */
static void
guards(void **state)
{
	struct vm_fixture *f = *state;

	for (size_t i = 0; i < 2; i++)
		check_kr(KERN_SUCCESS,
			 space_insert(f->map, NULL, 0, A + i * LARGE, A + (i + 1) * LARGE,
				      VM_PROT_NONE, VM_PROT_NONE, MAP_CREATE_GUARD));
	check_entry(f->map, A, A + 2 * LARGE, VM_PROT_NONE, VM_PROT_NONE);
}

/* The parts of one that is cut become one again: they are large, but show one object. */
static void
cut_and_whole(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t middle = A + 2 * LARGE;

	map(f, A, 4 * LARGE);
	for (int touched = 0; touched < 2; touched++) {
		check_kr(KERN_SUCCESS, vm_map_protect(f->map, middle, middle + P, R, FALSE));
		check_u64(3, f->map->nentries);
		check_kr(KERN_SUCCESS, vm_map_protect(f->map, middle, middle + P, RW, FALSE));
		check_entry(f->map, A, A + 4 * LARGE, RW, ALL);
		model_user_store(f->proc, middle, 1);
	}
	check_u64(1, vm_object_count());
}

/* What is unmapped in the middle and mapped again is zero, small or large; what is beside it stays. */
static void
middle_again(void **state)
{
	struct vm_fixture *f = *state;
	const vm_size_t sizes[] = {P, LARGE};

	map(f, A, 4 * LARGE);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		vm_offset_t from = A + LARGE, to = from + sizes[i];
		struct vm_usage before;

		space_fill(f->proc, from - P, 2, 10);
		space_fill(f->proc, to - P, 2, 20);
		before = vm_usage_read();
		unmap(f, from, to);
		check_fill(f->proc, from - P, 1, 10);
		check_fill(f->proc, to, 1, 21);
		map(f, from, sizes[i]);
		check_zero(f->proc, from, 1);
		check_zero(f->proc, to - P, 1);
		check_fill(f->proc, from - P, 1, 10);
		check_fill(f->proc, to, 1, 21);
		check_u64(before.charge, vm_usage_read().charge);
		check_u64(4 * LARGE, f->map->size);
	}
}

/* Large neighbours fork, and go, as one range. */
static void
fork_and_remove(void **state)
{
	struct vm_fixture *f = *state;
	struct proc *child;

	map(f, A, LARGE);
	map(f, A + LARGE, LARGE);
	space_fill(f->proc, A + LARGE - 2 * P, 4, 1);
	child = model_proc_fork(f->proc);
	space_fill(child, A + LARGE - P, 2, 50);
	check_fill(f->proc, A + LARGE - 2 * P, 4, 1);
	unmap(f, A + LARGE - P, A + LARGE + P);
	check_fill(f->proc, A + LARGE - 2 * P, 1, 1);
	check_fill(f->proc, A + LARGE + P, 1, 4);
	check_fill(child, A + LARGE - P, 2, 50);
	model_proc_destroy(child);
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"INS-05: a large range does not continue a small one", large_behind_small},
	    {"INS-05: nor a large one", large_behind_large},
	    {"INS-05: nor are they joined when they become alike", alike_again},
	    {"INS-05: nor with what is on both sides", between},
	    {"INS-05: a page less than large continues what is before it", almost_large},
	    {"INS-05: a small range continues a large one", small_behind_large},
	    {"INS-05: large guards are one", guards},
	    {"INS-05: a large range that is cut and whole again is one entry", cut_and_whole},
	    {"INS-05: what is unmapped within a large range and mapped again is zero",
	     middle_again},
	    {"INS-05: large neighbours fork and are unmapped as one range", fork_and_remove},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
