/* SPDX-License-Identifier: BSD-2-Clause */
/* Choosing a place: vm_map_find, vm_map_find_min, vm_map_fixed; rows FND-01 to FND-09. */
#include "model/memory.h"
#include "model/mmu.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/thread.h"
#include "model/vm_fixture.h"
#include "vm/vm_charge.h"
#include "vm/vm_object.h"
#include <machine/cpu.h>

#define P     PAGE_SIZE
#define A     0x100000ul
#define SPACE (MODEL_USER_MAX - MODEL_USER_MIN)

#define R   VM_PROT_READ
#define RW  VM_PROT_RW
#define ALL VM_PROT_ALL

/* block: [start, end) is taken, by a guard, so that it costs nothing. */
static void
block(vm_map_t map, vm_offset_t start, vm_offset_t end)
{
	space_map(map, start, end - start, VM_PROT_NONE, VM_PROT_NONE, MAP_CREATE_GUARD);
}

static kern_return_t
find(vm_map_t map, vm_offset_t *addr, vm_size_t length, vm_offset_t max_addr, int find_space)
{
	return vm_map_find(map, NULL, 0, addr, length, max_addr, find_space, R, ALL, 0);
}

/* found: with this hint the place is `where`; it is free again afterwards. */
static void
found(vm_map_t map, vm_offset_t hint, vm_size_t length, int find_space, vm_offset_t where)
{
	vm_offset_t addr = hint;

	check_kr(KERN_SUCCESS, find(map, &addr, length, 0, find_space));
	check_u64(where, addr);
	check_rights(map, where, where + length, R, ALL);
	check_kr(KERN_SUCCESS, vm_map_remove(map, where, where + length));
}

/* refused: there is no place, and no trace is left. */
static void
refused(vm_map_t map, kern_return_t kr, vm_offset_t hint, vm_size_t length, vm_offset_t max_addr,
	int find_space)
{
	struct map_snapshot *before = map_snapshot_take(map);
	vm_offset_t addr = hint;

	check_kr(kr, find(map, &addr, length, max_addr, find_space));
	check_unchanged(before, map);
}

static void
fnd_01(void **state)
{
	struct vm_fixture *f = *state;

	block(f->map, MODEL_USER_MIN, A);
	block(f->map, A + 2 * P, A + 4 * P);
	block(f->map, A + 8 * P, A + 9 * P);
	found(f->map, 0, P, VMFS_ANY_SPACE, A);
	found(f->map, A, 2 * P, VMFS_ANY_SPACE, A);
	found(f->map, A, 3 * P, VMFS_ANY_SPACE, A + 4 * P);
	found(f->map, A, 4 * P, VMFS_ANY_SPACE, A + 4 * P);
	found(f->map, A, 5 * P, VMFS_ANY_SPACE, A + 9 * P);
	/* The hint is a bound: room below it does not count. */
	found(f->map, A + P, P, VMFS_ANY_SPACE, A + P);
	found(f->map, A + P, 2 * P, VMFS_ANY_SPACE, A + 4 * P);
	found(f->map, A + 5 * P, 4 * P, VMFS_ANY_SPACE, A + 9 * P);
	found(f->map, A + 1, P, VMFS_ANY_SPACE, A + P);
	found(f->map, MODEL_USER_MAX - P, P, VMFS_ANY_SPACE, MODEL_USER_MAX - P);
}

static void
fnd_02(void **state)
{
	struct vm_fixture *f = *state;

	block(f->map, A, A + 4 * P);
	block(f->map, A + 5 * P, A + 6 * P);
	found(f->map, A, P, VMFS_ANY_SPACE, A + 4 * P);
	found(f->map, A + 2 * P, P, VMFS_ANY_SPACE, A + 4 * P);
	found(f->map, A + 3 * P + 5, 2 * P, VMFS_ANY_SPACE, A + 6 * P);
	found(f->map, A + 5 * P, P, VMFS_ANY_SPACE, A + 6 * P);
}

static void
fnd_03(void **state)
{
	struct vm_fixture *f = *state;

	refused(f->map, KERN_NO_SPACE, 0, SPACE + P, 0, VMFS_ANY_SPACE);
	refused(f->map, KERN_NO_SPACE, MODEL_USER_MIN + P, SPACE, 0, VMFS_ANY_SPACE);
	found(f->map, 0, SPACE, VMFS_ANY_SPACE, MODEL_USER_MIN);
	block(f->map, MODEL_USER_MIN, MODEL_USER_MAX);
	refused(f->map, KERN_NO_SPACE, 0, P, 0, VMFS_ANY_SPACE);
}

static void
fnd_04(void **state)
{
	struct vm_fixture *f = *state;
	static const vm_size_t lengths[] = {-P, -2 * P, -A, 1ul << 63, SPACE + 2 * P};
	static const int how[] = {VMFS_ANY_SPACE, VMFS_OPTIMAL_SPACE, VMFS_SUPER_SPACE,
				  VMFS_ALIGNED_SPACE(30)};

	block(f->map, A, A + P);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(how); k++) {
			refused(f->map, KERN_NO_SPACE, A, lengths[i], 0, how[k]);
			refused(f->map, KERN_NO_SPACE, 0, lengths[i], MODEL_USER_MAX, how[k]);
			refused(f->map, KERN_NO_SPACE, -P, lengths[i], 0, how[k]);
			refused(f->map, KERN_NO_SPACE, -P, P, 0, how[k]);
		}
	}
	vm_map_lock(f->map);
	check_u64(MODEL_USER_MAX + P + 1, vm_map_findspace(f->map, A, -P));
	check_u64(MODEL_USER_MAX - P + 1, vm_map_findspace(f->map, MODEL_USER_MAX, P));
	check_u64(MODEL_USER_MAX - P, vm_map_findspace(f->map, MODEL_USER_MAX - P, P));
	vm_map_unlock(f->map);
}

static void
fnd_05(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t first = 4 * SUPERPAGE_SIZE, second = 8 * SUPERPAGE_SIZE;

	/* Large enough for a superpage, but only where it is not aligned; then one that fits. */
	block(f->map, MODEL_USER_MIN, first + P);
	block(f->map, first + 2 * SUPERPAGE_SIZE - P, second);
	found(f->map, 0, SUPERPAGE_SIZE, VMFS_ANY_SPACE, first + P);
	found(f->map, 0, SUPERPAGE_SIZE, VMFS_ALIGNED_SPACE(21), second);
	found(f->map, 0, SUPERPAGE_SIZE, VMFS_SUPER_SPACE, second);
	found(f->map, 0, P, VMFS_ALIGNED_SPACE(21), first + SUPERPAGE_SIZE);
	found(f->map, second + P, P, VMFS_ALIGNED_SPACE(21), second + SUPERPAGE_SIZE);
	found(f->map, 0, P, VMFS_ALIGNED_SPACE(30), 1ul << 30);
	found(f->map, 0, P, VMFS_ALIGNED_SPACE(13), first + 2 * P);
	refused(f->map, KERN_NO_SPACE, 0, P, 0, VMFS_ALIGNED_SPACE(32));
}

static void
fnd_optimal(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t first = 4 * SUPERPAGE_SIZE;

	block(f->map, MODEL_USER_MIN, first + P);
	found(f->map, 0, SUPERPAGE_SIZE, VMFS_OPTIMAL_SPACE, first + SUPERPAGE_SIZE);
	found(f->map, 0, P, VMFS_OPTIMAL_SPACE, first + P);
	/* No aligned room: any room. */
	block(f->map, first + 2 * SUPERPAGE_SIZE - P, MODEL_USER_MAX);
	found(f->map, 0, SUPERPAGE_SIZE, VMFS_OPTIMAL_SPACE, first + P);
	refused(f->map, KERN_NO_SPACE, 0, SUPERPAGE_SIZE, 0, VMFS_SUPER_SPACE);
}

static void
fnd_06(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t addr = A;

	block(f->map, MODEL_USER_MIN, A);
	refused(f->map, KERN_NO_SPACE, 0, 4 * P, A + 3 * P, VMFS_ANY_SPACE);
	refused(f->map, KERN_NO_SPACE, 0, 4 * P, A, VMFS_ANY_SPACE);
	refused(f->map, KERN_NO_SPACE, 0, 4 * P, P, VMFS_ANY_SPACE);
	refused(f->map, KERN_NO_SPACE, A + P, 4 * P, A + 4 * P, VMFS_ANY_SPACE);
	check_kr(KERN_SUCCESS, find(f->map, &addr, 4 * P, A + 4 * P, VMFS_ANY_SPACE));
	check_u64(A, addr);
	refused(f->map, KERN_NO_SPACE, A + 8 * P, 4 * P, A + 11 * P, VMFS_NO_SPACE);
}

/* Aligned room is above the bound, ordinary room below it. */
static void
fnd_06_optimal(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t base = 4 * SUPERPAGE_SIZE + P, addr = 0;

	block(f->map, MODEL_USER_MIN, base);
	check_kr(KERN_SUCCESS,
		 find(f->map, &addr, SUPERPAGE_SIZE, base + SUPERPAGE_SIZE, VMFS_OPTIMAL_SPACE));
	check_u64(base, addr);
}

static void
fnd_07(void **state)
{
	struct vm_fixture *f = *state;

	space_map(f->map, A, 4 * P, RW, ALL, 0);
	space_fill(f->proc, A, 4, 1);
	refused(f->map, KERN_NO_SPACE, A, P, 0, VMFS_NO_SPACE);
	refused(f->map, KERN_NO_SPACE, A + 3 * P, 2 * P, 0, VMFS_NO_SPACE);
	refused(f->map, KERN_NO_SPACE, A - P, 2 * P, 0, VMFS_NO_SPACE);
	refused(f->map, KERN_INVALID_ADDRESS, A, -P, 0, VMFS_NO_SPACE);
	refused(f->map, KERN_INVALID_ADDRESS, A, 0, 0, VMFS_NO_SPACE);
	refused(f->map, KERN_INVALID_ADDRESS, MODEL_USER_MAX, P, 0, VMFS_NO_SPACE);
	found(f->map, A + 4 * P, P, VMFS_NO_SPACE, A + 4 * P);
	check_fill(f->proc, A, 4, 1);
}

static void
fnd_07_remap(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t addr = A + P;

	space_map(f->map, A, 4 * P, RW, ALL, 0);
	space_fill(f->proc, A, 4, 1);
	check_kr(KERN_SUCCESS,
		 vm_map_find(f->map, NULL, 0, &addr, 2 * P, 0, VMFS_NO_SPACE, RW, ALL, MAP_REMAP));
	check_u64(A + P, addr);
	check_fill(f->proc, A, 1, 1);
	check_fill(f->proc, A + P, 1, 0);
	check_fill(f->proc, A + 2 * P, 1, 0);
	check_fill(f->proc, A + 3 * P, 1, 4);
	check_u64(4 * P, f->map->size);
	check_u64(4 * P, vm_charge_used());
}

static void
fnd_08(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t hint = 0x40000000ul, addr = hint;
	struct map_snapshot *before;

	block(f->map, hint, MODEL_USER_MAX);
	block(f->map, MODEL_USER_MIN, A);
	check_kr(KERN_SUCCESS, vm_map_find_min(f->map, NULL, 0, &addr, 4 * P, A + P, 0,
					       VMFS_ANY_SPACE, R, ALL, 0));
	check_u64(A + P, addr);
	check_kr(KERN_SUCCESS, vm_map_remove(f->map, addr, addr + 4 * P));
	/* Room above the hint is preferred. */
	addr = A + 16 * P;
	check_kr(KERN_SUCCESS,
		 vm_map_find_min(f->map, NULL, 0, &addr, 4 * P, A, 0, VMFS_ANY_SPACE, R, ALL, 0));
	check_u64(A + 16 * P, addr);
	/* Neither above the hint nor above the minimum. */
	before = map_snapshot_take(f->map);
	addr = hint;
	check_kr(KERN_NO_SPACE, vm_map_find_min(f->map, NULL, 0, &addr, hint - A, A, 0,
						VMFS_ANY_SPACE, R, ALL, 0));
	addr = hint;
	check_kr(KERN_NO_SPACE, vm_map_find_min(f->map, NULL, 0, &addr, 4 * P, hint, 0,
						VMFS_ANY_SPACE, R, ALL, 0));
	addr = hint;
	check_kr(KERN_NO_SPACE, vm_map_find_min(f->map, NULL, 0, &addr, 4 * P, A, A + 3 * P,
						VMFS_ANY_SPACE, R, ALL, 0));
	check_unchanged(before, f->map);
}

/* FND-09 */

static void
fnd_09(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(2, 70);

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	space_map(f->map, A + 2 * P, 2 * P, R, ALL, 0);
	space_fill(f->proc, A, 2, 1);
	check_kr(KERN_SUCCESS, vm_map_fixed(f->map, object, 0, A + P, 2 * P, R, RW, 0));
	check_entry(f->map, A, A + P, RW, ALL);
	check_entry(f->map, A + P, A + 3 * P, R, RW);
	check_entry(f->map, A + 3 * P, A + 4 * P, R, ALL);
	check_fill(f->proc, A, 1, 1);
	check_fill(f->proc, A + P, 2, 70);
	check_fill(f->proc, A + 3 * P, 1, 0);
	check_u64(4 * P, f->map->size);
}

static void
fnd_09_excl(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = space_object(2, 70);
	struct map_snapshot *before;

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	block(f->map, A + 4 * P, A + 5 * P);
	space_fill(f->proc, A, 2, 1);
	before = map_snapshot_take(f->map);
	for (vm_offset_t at = A - P; at < A + 5 * P; at += P) {
		if (at == A + 2 * P)
			continue;
		check_kr(KERN_NO_SPACE,
			 vm_map_fixed(f->map, object, 0, at, 2 * P, R, RW, MAP_CHECK_EXCL));
	}
	check_unchanged(before, f->map);
	check_u64(1, object->ref_count);
	check_fill(f->proc, A, 2, 1);
	check_kr(KERN_SUCCESS,
		 vm_map_fixed(f->map, object, 0, A + 2 * P, 2 * P, R, RW, MAP_CHECK_EXCL));
	check_fill(f->proc, A + 2 * P, 2, 70);
}

/* Nothing is clamped, and what cannot be inserted deletes nothing. */
static void
fnd_09_bounds(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;
	vm_map_t map = f->map;

	space_map(map, MODEL_USER_MIN, P, RW, ALL, 0);
	space_map(map, MODEL_USER_MAX - P, P, RW, ALL, 0);
	before = map_snapshot_take(map);
	check_kr(KERN_INVALID_ADDRESS, vm_map_fixed(map, NULL, 0, 0, 2 * P, R, RW, 0));
	check_kr(KERN_INVALID_ADDRESS,
		 vm_map_fixed(map, NULL, 0, MODEL_USER_MAX - P, 2 * P, R, RW, 0));
	check_kr(KERN_INVALID_ADDRESS, vm_map_fixed(map, NULL, 0, A, 0, R, RW, 0));
	check_kr(KERN_INVALID_ADDRESS, vm_map_fixed(map, NULL, 0, A, -P, R, RW, 0));
	check_kr(KERN_INVALID_ARGUMENT,
		 vm_map_fixed(map, NULL, 0, MODEL_USER_MIN + 1, P, R, RW, 0));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_fixed(map, NULL, 0, MODEL_USER_MIN, 1, R, RW, 0));
	check_unchanged(before, map);
}

#define REPLACEMENTS 2000

struct watch {
	struct vm_fixture *f;
	bool done;	 /* atomic */
	uint32_t looks;	 /* atomic */
	bool saw_a_hole; /* of the watcher */
};

/* watch_range: look at [A, A + 4P) until told to stop: is it ever not mapped as a whole? */
static void
watch_range(void *arg)
{
	struct watch *w = arg;

	while (!__atomic_load_n(&w->done, __ATOMIC_SEQ_CST)) {
		vm_map_lock_read(w->f->map);
		if (!vm_map_check_protection(w->f->map, A, A + 4 * P, R))
			w->saw_a_hole = true;
		vm_map_unlock_read(w->f->map);
		__atomic_add_fetch(&w->looks, 1, __ATOMIC_SEQ_CST);
	}
}

static void
fnd_09_atomic(void **state)
{
	struct vm_fixture *f = *state;
	struct watch w = {.f = f};
	struct thread *t;

	space_map(f->map, A, 4 * P, RW, ALL, 0);
	t = model_thread_start("watcher", watch_range, &w);
	while (__atomic_load_n(&w.looks, __ATOMIC_SEQ_CST) == 0)
		model_yield();
	for (unsigned i = 0; i < REPLACEMENTS; i++) {
		vm_offset_t at = A + host_random_below(3) * P;

		check_kr(KERN_SUCCESS,
			 vm_map_fixed(f->map, NULL, 0, at, 2 * P, i % 2 ? R : RW, ALL, 0));
	}
	__atomic_store_n(&w.done, true, __ATOMIC_SEQ_CST);
	model_thread_join(t);
	assert_false(w.saw_a_hole);
}

struct request {
	struct vm_fixture *f;
	vm_offset_t start, end;
	kern_return_t kr;
};

static void
wire(void *arg)
{
	struct request *r = arg;

	r->kr = vm_map_wire(r->f->map, r->start, r->end, VM_MAP_WIRE_USER);
}

static void
replace(void *arg)
{
	struct request *r = arg;

	r->kr = vm_map_fixed(r->f->map, NULL, 0, r->start, r->end - r->start, R, ALL, 0);
}

/*
 * The upper half of what is to be replaced is being wired: while the replacement waits for that,
 * the lower half is still there, with its contents.
 */
static void
fnd_09_wiring(void **state)
{
	struct vm_fixture *f = *state;
	struct vm_object *object = vm_object_allocate_anon(2);
	struct request wiring = {f, A + 2 * P, A + 4 * P, -1};
	struct request replacing = {f, A, A + 4 * P, -1};
	struct thread *t[2];

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	space_fill(f->proc, A, 2, 1);
	space_map_object(f->map, object, A + 2 * P, RW, ALL, 0);
	space_object_stall(object, 1);
	t[0] = model_thread_start("wirer", wire, &wiring);
	model_thread_await_sleep(t[0]);
	t[1] = model_thread_start("replacer", replace, &replacing);
	model_thread_await_sleep(t[1]);
	check_rights(f->map, A, A + 4 * P, RW, ALL);
	check_fill(f->proc, A, 2, 1);
	space_object_go_on(object, 1);
	model_thread_join(t[0]);
	model_thread_join(t[1]);
	check_kr(KERN_SUCCESS, wiring.kr);
	check_kr(KERN_SUCCESS, replacing.kr);
	check_rights(f->map, A, A + 4 * P, R, ALL);
	for (size_t i = 0; i < 4; i++)
		check_fill(f->proc, A + i * P, 1, 0);
	check_u64(0, f->map->user_wired);
	check_u64(0, pmap_wired_count(f->pmap));
	vm_object_deallocate(object);
}

/* The owner's limit. */

#define LIMITED MAP_OWNER_LIMIT

static void
limit_find(void **state)
{
	struct vm_fixture *f = *state;
	vm_offset_t addr = A;

	space_map(f->map, A, 2 * P, RW, ALL, 0);
	block(f->map, A + 2 * P, A + 8 * P);
	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, 4 * P);
	check_kr(KERN_RESOURCE_SHORTAGE,
		 vm_map_find(f->map, NULL, 0, &addr, 3 * P, 0, VMFS_ANY_SPACE, RW, ALL, LIMITED));
	check_u64(2 * P, f->map->size);
	addr = A;
	check_kr(KERN_SUCCESS,
		 vm_map_find(f->map, NULL, 0, &addr, 2 * P, 0, VMFS_ANY_SPACE, RW, ALL, LIMITED));
	check_u64(A + 8 * P, addr);
	/* Who does not ask is not limited; with nothing left, not even a page. */
	check_kr(KERN_RESOURCE_SHORTAGE,
		 vm_map_find(f->map, NULL, 0, &addr, P, 0, VMFS_ANY_SPACE, RW, ALL, LIMITED));
	check_kr(KERN_SUCCESS,
		 vm_map_find(f->map, NULL, 0, &addr, P, 0, VMFS_ANY_SPACE, RW, ALL, 0));
}

/* What is replaced does not count; a refusal deletes nothing. */
static void
limit_fixed(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;

	space_map(f->map, A, 4 * P, RW, ALL, 0);
	block(f->map, A + 4 * P, A + 6 * P);
	space_fill(f->proc, A, 4, 1);
	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, 6 * P - 1);
	before = map_snapshot_take(f->map);
	check_kr(KERN_RESOURCE_SHORTAGE,
		 vm_map_fixed(f->map, NULL, 0, A + 2 * P, 4 * P, R, ALL, LIMITED));
	check_unchanged(before, f->map);
	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, 6 * P);
	check_kr(KERN_SUCCESS, vm_map_fixed(f->map, NULL, 0, A + 2 * P, 4 * P, R, ALL, LIMITED));
	check_u64(6 * P, f->map->size);
	/* Also of a map that is over its limit already. */
	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, P);
	check_kr(KERN_RESOURCE_SHORTAGE, vm_map_fixed(f->map, NULL, 0, A, P, R, ALL, LIMITED));
	check_fill(f->proc, A, 2, 1);
}

static void
find_limited(void *arg)
{
	struct request *r = arg;
	vm_offset_t addr = A;

	r->kr = vm_map_find(r->f->map, NULL, 0, &addr, 3 * P, 0, VMFS_ANY_SPACE, RW, ALL, LIMITED);
}

/* Both have asked for the limit when neither has mapped anything yet. */
static void
limit_race(void **state)
{
	struct vm_fixture *f = *state;
	struct request r[2] = {{f, 0, 0, -1}, {f, 0, 0, -1}};
	struct thread *t[2];

	model_proc_set_limit(f->proc, VM_LIMIT_VMEM, 5 * P);
	vm_map_lock(f->map);
	for (size_t i = 0; i < 2; i++) {
		t[i] = model_thread_start("mapper", find_limited, &r[i]);
		model_thread_await_sleep(t[i]);
	}
	vm_map_unlock(f->map);
	for (size_t i = 0; i < 2; i++)
		model_thread_join(t[i]);
	check_u64(3 * P, f->map->size);
	check_u64(1, (r[0].kr == KERN_SUCCESS) + (r[1].kr == KERN_SUCCESS));
	check_kr(KERN_RESOURCE_SHORTAGE, r[0].kr == KERN_SUCCESS ? r[1].kr : r[0].kr);
}

/* Searches that are not followed by an insertion: each for itself finds the first fit. */
static void
fnd_01_again(void **state)
{
	struct vm_fixture *f = *state;

	block(f->map, MODEL_USER_MIN, A);
	block(f->map, A + P, A + 4 * P);
	block(f->map, A + 6 * P, A + 8 * P);
	vm_map_lock(f->map);
	for (int i = 0; i < 2; i++) {
		check_u64(A + 4 * P, vm_map_findspace(f->map, MODEL_USER_MIN, 2 * P));
		check_u64(A, vm_map_findspace(f->map, MODEL_USER_MIN, P));
		check_u64(A, vm_map_findspace(f->map, MODEL_USER_MIN, P));
		check_u64(A + 8 * P, vm_map_findspace(f->map, MODEL_USER_MIN, 3 * P));
	}
	vm_map_unlock(f->map);
}

/* A range that begins and ends in the midst of pages, or does one of both. */
static void
fixed_unaligned(void **state)
{
	struct vm_fixture *f = *state;
	struct map_snapshot *before;

	space_map(f->map, A, 4 * P, RW, ALL, 0);
	before = map_snapshot_take(f->map);
	check_kr(KERN_INVALID_ARGUMENT,
		 vm_map_fixed(f->map, NULL, 0, A + 8, 2 * P - 8, RW, ALL, 0));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_fixed(f->map, NULL, 0, A, 2 * P - 8, RW, ALL, 0));
	check_kr(KERN_INVALID_ARGUMENT, vm_map_fixed(f->map, NULL, 0, A + 8, 2 * P, RW, ALL, 0));
	check_unchanged(before, f->map);
}

/* Who places a stack has the process lock meanwhile; who places other memory need not wait for it. */
static void
fixed_process_lock(void **state)
{
	struct vm_fixture *f = *state;
	uint64_t locks = model_proc_lock_count(f->proc);

	check_kr(KERN_SUCCESS, vm_map_fixed(f->map, NULL, 0, A, 4 * P, RW, ALL, 0));
	check_u64(0, model_proc_lock_count(f->proc) - locks);
	check_kr(KERN_SUCCESS, vm_map_fixed(f->map, NULL, 0, A, 64 * P, RW, ALL, MAP_STACK_AREA));
	check_u64(1, model_proc_lock_count(f->proc) - locks);
	assert_false(model_proc_is_locked(f->proc));
}

int
main(void)
{
	static const struct host_test tests[] = {
	    {"FND-01: first fit at or above the hint", fnd_01},
	    {"FND-01: a search for more does not hide what is free for less", fnd_01_again},
	    {"FND-09: a stack is placed under the process lock, other memory is not",
	     fixed_process_lock},
	    {"FND: an unaligned fixed range is an invalid argument", fixed_unaligned},
	    {"FND-02: a hint inside an entry means the first gap after it", fnd_02},
	    {"FND-03: the whole space fits, a page more does not", fnd_03},
	    {"FND-04: lengths and hints near 2^64 find no space and do not wrap", fnd_04},
	    {"FND-05: aligned places; a gap that is large enough only unaligned is skipped",
	     fnd_05},
	    {"FND: OPTIMAL is aligned if possible, else first fit", fnd_optimal},
	    {"FND-06: max_addr is a bound on the end", fnd_06},
	    {"FND-06: OPTIMAL falls back to unaligned room below max_addr", fnd_06_optimal},
	    {"FND-07: an occupied address finds no space, a bogus one is invalid", fnd_07},
	    {"FND-07: with REMAP what is there is replaced", fnd_07_remap},
	    {"FND-08: no room above the hint: found above the minimum", fnd_08},
	    {"FND-09: fixed replaces what is there", fnd_09},
	    {"FND-09: fixed with EXCL over anything is refused, nothing changed", fnd_09_excl},
	    {"FND-09: a range that cannot be mapped deletes nothing", fnd_09_bounds},
	    {"FND-09: an observer never sees a hole", fnd_09_atomic},
	    {"FND-09: ... not even when the replacement waits for a wiring", fnd_09_wiring},
	    {"find: LIMIT_VMEM may be reached, not exceeded, by who asks for it", limit_find},
	    {"fixed: what is replaced does not count against LIMIT_VMEM", limit_fixed},
	    {"find: two threads together do not exceed LIMIT_VMEM", limit_race},
	};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
