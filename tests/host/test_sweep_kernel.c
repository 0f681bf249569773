/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sweep over the kernel's own memory, submaps, objects and new spaces: as test_sweep.c, for operations that
 * give or take something and work on the kernel's maps.
 *
 * With the k-th allocation failing an operation does all it should, or says that it could not and the
 * kernel's maps are unchanged; then it is done again without a failure.  Who gives memory back cannot
 * be refused: it waits, and so meets single failures only.
 */
#include "kernel/base/sched.h"
#include "model/memory.h"
#include "model/objects.h"
#include "model/snapshot.h"
#include "model/space.h"
#include "model/vm_fixture.h"
#include "vm/pmap.h"
#include "vm/vm_device.h"
#include "vm/vm_kern.h"
#include "vm/vm_malloc.h"
#include "vm/vm_object.h"
#include "vm/vm_zone.h"
#include "vm/vmspace.h"

#define P PAGE_SIZE

struct operation {
	void (*prepare)(void);
	bool (*run)(void);  /* false: it could not */
	void (*undo)(void); /* of both */
	bool waits;	    /* for memory: must not meet all allocations failing */
};

static struct vm_fixture *f;
static vm_offset_t at, before, behind;
static vm_map_t map;
static void *object;
static struct proc *proc;

static void
nothing(void)
{
}

/* ---- kernel memory ---- */

static bool
run_malloc(void)
{
	at = kmem_malloc(kmem_map, 3 * P, KMEM_NOWAIT);
	return at != 0;
}

static bool
run_malloc_waiting(void)
{
	at = kmem_malloc(kmem_map, 3 * P, KMEM_ZERO);
	return at != 0;
}

static void
undo_malloc(void)
{
	kmem_free(kmem_map, at, 3 * P);
}

static bool
run_alloc(void)
{
	at = kmem_alloc(kernel_map, 2 * P);
	return at != 0;
}

static bool
run_alloc_nofault(void)
{
	at = kmem_alloc_nofault(kernel_map, 2 * P);
	return at != 0;
}

static bool
run_alloc_pageable(void)
{
	at = kmem_alloc_wait(exec_map, 2 * P);
	return at != 0;
}

static void
undo_alloc(void)
{
	kmem_free_wakeup(kernel_map, at, 2 * P);
}

static void
undo_alloc_pageable(void)
{
	kmem_free_wakeup(exec_map, at, 2 * P);
}

/* A piece between two others that it has merged with, so that it must be cut out. */
static void
prepare_middle(void)
{
	before = kmem_malloc(kmem_map, P, 0);
	at = kmem_malloc(kmem_map, 3 * P, 0);
	behind = kmem_malloc(kmem_map, P, 0);
	check_u64(before + P, at);
	check_u64(at + 3 * P, behind);
}

static bool
run_free(void)
{
	undo_malloc();
	return true;
}

static void
undo_middle(void)
{
	kmem_free(kmem_map, before, P);
	kmem_free(kmem_map, behind, P);
}

static bool
run_stack(void)
{
	at = kstack_alloc();
	return at != 0;
}

static void
undo_stack(void)
{
	kstack_free(at);
}

static void
prepare_stack(void)
{
	assert_true(run_stack());
}

static bool
run_stack_free(void)
{
	undo_stack();
	return true;
}

/* More than a slab of them, or none would be needed. */
#define OBJECT_SIZE 2000
static bool
run_kmalloc(void)
{
	object = kmalloc(OBJECT_SIZE, VM_ZONE_NOWAIT);
	return object != NULL;
}

static void
undo_kmalloc(void)
{
	kfree(object, OBJECT_SIZE);
}

/* ---- submaps ---- */

static void
place(void)
{
	at = vm_map_min(kernel_map);
	vm_object_reference(vm_submap_object);
	check_kr(KERN_SUCCESS,
		 vm_map_find(kernel_map, vm_submap_object, 0, &at, 8 * P, 0, VMFS_ANY_SPACE,
			     VM_PROT_ALL, VM_PROT_ALL, MAP_ACC_NO_CHARGE));
	map = vm_map_create(kernel_pmap, at, at + 8 * P);
}

static bool
submap(vm_offset_t start, vm_offset_t end)
{
	kern_return_t kr = vm_map_submap(kernel_map, start, end, map);

	if (kr != KERN_SUCCESS)
		check_kr(KERN_RESOURCE_SHORTAGE, kr);
	return kr == KERN_SUCCESS;
}

static bool
run_submap(void)
{
	return submap(at + 2 * P, at + 6 * P);
}

static void
undo_submap(void)
{
	check_kr(KERN_SUCCESS, vm_map_remove(kernel_map, at, at + 8 * P));
	vm_map_deallocate(map);
}

/* ---- maps and spaces ---- */

static bool
run_map(void)
{
	map = vm_map_create(f->pmap, MODEL_USER_MIN, MODEL_USER_MAX);
	return map != NULL;
}

static void
undo_map(void)
{
	vm_map_deallocate(map);
}

static void
prepare_exec(void)
{
	proc = model_proc_create();
	space_map(model_proc_map(proc), 0x100000, P, VM_PROT_RW, VM_PROT_ALL, 0);
	model_user_store(proc, 0x100000, 7);
}

/* What could not be loaded goes on in the space it has. */
static bool
run_exec(void)
{
	struct vmspace *old;
	kern_return_t kr = vmspace_exec(proc, MODEL_USER_MIN, MODEL_USER_MAX, &old);

	if (kr == KERN_SUCCESS) {
		vmspace_free(old);
		return true;
	}
	check_kr(KERN_RESOURCE_SHORTAGE, kr);
	check_u64(7, model_user_load(proc, 0x100000));
	return false;
}

static void
undo_exec(void)
{
	model_proc_destroy(proc);
}

/* ---- objects ---- */

static struct vm_object *whole, *piece;

static bool
run_object(void)
{
	whole = vm_object_allocate_anon(4);
	return whole != NULL;
}

static void
undo_object(void)
{
	vm_object_deallocate(whole);
}

static void
prepare_named(void)
{
	whole = piece = space_object(8, 1);
	vm_object_reference(whole);
}

static bool
done(kern_return_t kr)
{
	if (kr != KERN_SUCCESS) {
		check_kr(KERN_RESOURCE_SHORTAGE, kr);
		assert_ptr_equal(whole, piece);
		check_u64(2, whole->ref_count);
	}
	return kr == KERN_SUCCESS;
}

static bool
run_shadow(void)
{
	vm_ooffset_t offset = 2 * P;
	kern_return_t kr = vm_object_shadow(&piece, &offset, 4 * P);

	check_u64(kr == KERN_SUCCESS ? 0 : 2 * P, offset);
	return done(kr);
}

static bool
run_shadow_at(void)
{
	return done(vm_object_shadow_at(&piece, 2 * P, 4 * P));
}

static void
undo_pieces(void)
{
	vm_object_deallocate(piece);
	vm_object_deallocate(whole);
}

/* Of one mapping, with pages so far apart that a tree of the half of them takes several nodes. */
static void
prepare_parts(void)
{
	static const vm_pindex_t pages[] = {5, 600, 40000, 900000};

	whole = piece = vm_object_allocate_anon(1ul << 20);
	vm_object_reference(whole);
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		object_put_page(whole, pages[i], (uint8_t)(i + 1));
}

static bool
run_split(void)
{
	if (!done(vm_object_split(&piece, 500, 1ul << 20))) {
		check_u64(4, whole->resident);
		return false;
	}
	check_u64(1, whole->resident);
	check_page(whole, 5, 1);
	check_page(piece, 600, 2);
	check_page(piece, 900000, 4);
	return true;
}

static bool
run_device(void)
{
	kern_return_t kr = vm_device_allocate(MODEL_DEVICE, 2 * P, PMAP_UNCACHED, &whole);

	if (kr != KERN_SUCCESS)
		check_kr(KERN_RESOURCE_SHORTAGE, kr);
	return kr == KERN_SUCCESS;
}

/* ---- the sweep ---- */

struct maps {
	struct map_snapshot *kernel, *kmem, *exec, *stack;
};

static struct maps
remember(void)
{
	struct maps m;

	/* All spares first, as each snapshot counts entries and frames. */
	map_snapshot_take(kernel_map);
	map_snapshot_take(kmem_map);
	map_snapshot_take(exec_map);
	map_snapshot_take(stack_map);
	m = (struct maps){
	    .kernel = map_snapshot_take(kernel_map),
	    .kmem = map_snapshot_take(kmem_map),
	    .exec = map_snapshot_take(exec_map),
	    .stack = map_snapshot_take(stack_map),
	};
	return m;
}

static void
drop_spares(void)
{
	map_drop_spares(kernel_map);
	map_drop_spares(kmem_map);
	map_drop_spares(exec_map);
	map_drop_spares(stack_map);
}

static void
check_maps(const struct maps *m)
{
	remember();
	check_unchanged(m->kernel, kernel_map);
	check_unchanged(m->kmem, kmem_map);
	check_unchanged(m->exec, exec_map);
	check_unchanged(m->stack, stack_map);
}

static bool
attempt(const struct operation *op, void (*inject)(uint64_t k), uint64_t k)
{
	struct vm_usage at_first = vm_usage_read();
	struct maps unchanged;
	bool failed, done;

	op->prepare();
	unchanged = remember();
	drop_spares();
	inject(k);
	done = op->run();
	failed = model_fail_count() != 0;
	model_fail_off();
	if (!done) {
		assert_true(failed);
		check_maps(&unchanged);
		assert_true(op->run());
	}
	vm_fixture_audit(f);
	op->undo();
	drop_spares();
	vm_usage_check(&at_first);
	return failed;
}

static void
sweep(void **state, const struct operation *op)
{
	uint64_t k;

	f = *state;
	model_fail_charges();
	drop_spares();
	for (k = 1; attempt(op, model_fail_after, k); k++)
		continue;
	/* It did allocate. */
	assert_true(k > 1);
	for (k = 1; !op->waits && attempt(op, model_fail_from, k); k++)
		continue;
}

#define OPERATIONS(X)                                                                 \
	X("kmem_malloc that may not wait", nothing, run_malloc, undo_malloc, false)   \
	X("kmem_malloc", nothing, run_malloc_waiting, undo_malloc, true)              \
	X("kmem_free that cuts", prepare_middle, run_free, undo_middle, true)         \
	X("kmem_alloc", nothing, run_alloc, undo_alloc, false)                        \
	X("kmem_alloc_nofault", nothing, run_alloc_nofault, undo_alloc, false)        \
	X("kmem_alloc_wait", nothing, run_alloc_pageable, undo_alloc_pageable, false) \
	X("kstack_alloc", nothing, run_stack, undo_stack, false)                      \
	X("kstack_free", prepare_stack, run_stack_free, nothing, true)                \
	X("kmalloc", nothing, run_kmalloc, undo_kmalloc, false)                       \
	X("vm_map_submap that cuts", place, run_submap, undo_submap, false)           \
	X("vm_map_create", nothing, run_map, undo_map, false)                         \
	X("vmspace_exec", prepare_exec, run_exec, undo_exec, false)                   \
	X("vm_object_allocate_anon", nothing, run_object, undo_object, false)         \
	X("vm_object_shadow", prepare_named, run_shadow, undo_pieces, false)          \
	X("vm_object_shadow_at", prepare_named, run_shadow_at, undo_pieces, false)    \
	X("vm_object_split by hand", prepare_parts, run_split, undo_pieces, false)    \
	X("vm_device_allocate", nothing, run_device, undo_object, false)

#define SWEEP(what, prepare, run, undo, waits)                                  \
	static void sweep_##run(void **state)                                   \
	{                                                                       \
		static const struct operation op = {prepare, run, undo, waits}; \
                                                                                \
		sweep(state, &op);                                              \
	}
OPERATIONS(SWEEP)

int
main(void)
{
#define TEST(what, prepare, run, undo, waits) {"OOM: every allocation of " what, sweep_##run},
	static const struct host_test tests[] = {OPERATIONS(TEST)};

	return host_run(&vm_fixture, tests, ARRAY_SIZE(tests));
}
